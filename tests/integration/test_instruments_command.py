"""``arb instruments`` against the simulator: table, JSON, CSV, one-line errors."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from trader_kit import KEYS, venues

HOSTS = dict[str, str]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HOSTS]:
    folder = tmp_path_factory.mktemp("sims")
    with venues(folder, symbols="BTCUSDT,PEPEUSDT,SUIUSDT", rate=10) as sims:
        yield {name: url for name, url in sims.environment().items() if name not in KEYS}


def arb(hosts: HOSTS, *args: str) -> subprocess.CompletedProcess[str]:
    base = {name: text for name, text in os.environ.items() if name not in KEYS}
    return subprocess.run(
        [sys.executable, "-m", "arbitrage.cli", "instruments", *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=base | hosts,
    )


def rows(hosts: HOSTS, *args: str) -> list[dict[str, object]]:
    done = arb(hosts, *args, "--json", "-")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_bundle_stands_beside_its_coin(hosts: HOSTS) -> None:
    bybit, okx = rows(hosts, "--symbols", "PEPEUSDT")
    assert (bybit["venue"], bybit["venue_symbol"]) == ("bybit", "1000PEPEUSDT")
    assert (okx["venue"], okx["venue_symbol"]) == ("okx", "PEPE-USDT-SWAP")
    assert (bybit["px_mult"], bybit["qty_mult"]) == ("0.001", "1000")
    assert (okx["px_mult"], okx["qty_mult"]) == ("1", "10000000")
    assert (bybit["tick"], okx["tick"]) == ("0.0000001", "0.000000001")
    assert (bybit["lot"], okx["lot"], okx["contract_base_qty"]) == ("100", "0.1", "10000000")
    # 100 bundles of 1,000 coins, a tenth of a contract of ten million
    assert bybit["common_lot"] == okx["common_lot"] == "1000000"
    assert (bybit["common_lot_lots"], okx["common_lot_lots"]) == (10, 1)
    assert (bybit["funding_interval_h"], okx["funding_interval_h"]) == (4, 8)
    assert (bybit["inst_id_code"], okx["inst_id_code"]) == (None, 120775)
    assert (bybit["min_notional"], bybit["state"], okx["state"]) == ("5", "live", "live")


def test_all_that_both_list_and_one_venue_alone(hosts: HOSTS) -> None:
    both = rows(hosts)
    assert [row["symbol"] for row in both] == [
        symbol for symbol in ("BTCUSDT", "PEPEUSDT", "SUIUSDT") for _ in range(2)
    ]
    for row in both:
        units = Decimal(str(row["lot"])) * Decimal(str(row["qty_mult"]))
        assert units * int(str(row["common_lot_lots"])) == Decimal(str(row["common_lot"]))
    alone = rows(hosts, "--venue", "okx")
    assert {row["venue"] for row in alone} == {"okx"}
    assert all(row["common_lot"] is None for row in alone)


def test_the_table_and_the_csv(hosts: HOSTS, tmp_path: Path) -> None:
    done = arb(hosts, "--symbols", "PEPEUSDT,BTCUSDT")
    assert done.returncode == 0, done.stderr
    assert "2 symbols, hosts of mode paper" in done.stdout
    lines = done.stdout.splitlines()
    (line,) = (line for line in lines if "1000PEPEUSDT" in line)
    assert line.rstrip().endswith(" 1000000")
    assert "0.0000001" in line
    assert max(map(len, lines)) <= 200
    path = tmp_path / "list.csv"
    assert arb(hosts, "--csv", str(path)).stdout == ""
    with path.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 6
    assert table[2]["venue_symbol"] == "1000PEPEUSDT"
    assert table[2]["tick"] == "0.0000001"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--symbols", "NOSUCHUSDT"], 2, "--symbols names NOSUCHUSDT, but bybit does not list it"),
        (["--symbols", "1000PEPEUSDT"], 2, "canonical name of 1000PEPEUSDT is PEPEUSDT"),
        (["--venue", "none"], 2, "--venue"),
        (["--csv", "/no/such/folder/list.csv"], 2, "which cannot be written: there is no folder"),
    ],
)
def test_what_is_wrong_is_one_line(hosts: HOSTS, args: list[str], code: int, words: str) -> None:
    done = arb(hosts, *args)
    assert done.returncode == code
    assert done.stdout == ""
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_host_that_does_not_answer_is_named(hosts: HOSTS) -> None:
    done = arb(hosts | {"OKX_REST_URL": "http://127.0.0.1:9"})
    assert done.returncode == 1
    assert "okx" in done.stderr
    assert "127.0.0.1:9" in done.stderr
    assert len(done.stderr.splitlines()) == 1
