"""`arb pnl`: tables, JSON, CSV and Parquet of the same exact figures; what a start is told."""

import csv
import io
import json
import os
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pnl_rig import BUY, DAY, NOON, entry, fill, funding, leave, write

from arbitrage.cli.pnl import pnl as command
from arbitrage.config import load_settings
from arbitrage.core.journal import TYPE_NAMES, Journal
from arbitrage.core.messages import Order, PairPhase
from arbitrage.core.records import Leg, make_client_id
from arbitrage.core.strategy import PHASES
from arbitrage.errors import ConfigError
from arbitrage.runtime.state import open_state
from arbitrage.trading.accounts import (
    read_accounts,
)
from arbitrage.trading.pnl import DAY_MS, day_result


class Gate:
    """A risk gate that remembers what it was told."""

    told: tuple[float, int]

    def begin_day(self, result_usd: float, wall_ns: int) -> None:
        self.told = (result_usd, wall_ns)


def test_a_start_tells_the_gate_what_the_day_has_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: (NOON + 120_000) * 1_000_000)
    write(tmp_path, 7, *entry(), *leave(), mode="paper")
    for path in tmp_path.iterdir():
        os.utime(path, ns=((NOON + 60_000) * 1_000_000,) * 2)
    settings = load_settings(
        overrides={"ARB_STATE_DIR": str(tmp_path), "ARB_MODE": "paper"}, needs_keys=False
    )
    state = open_state(settings)
    gate = Gate()
    state.begin_day(gate)  # type: ignore[arg-type]
    assert gate.told == (pytest.approx(1.3), (NOON + 120_000) * 1_000_000)
    known = entry()[0]
    assert not state.account.fill(known), "what an earlier run counted is not counted again"
    state.close()
    assert read_accounts(tmp_path).notes == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "state"
    write(state, 6, fill(0, "okx", BUY, "5", "1", ids=(6, 1, 0)), mode="paper")
    write(state, 7, *entry(), funding(1000, "okx", "0.5"), *leave(), *entry(DAY_MS, 7, 2, "1"))
    journal = Journal.create(state / f"orders-{7:09d}-00000.journal", 64, 7)
    zeros = dict.fromkeys(Order._fields, 0) | {"qty_lots": 2}
    for leg in (Leg.ENTRY_BUY, Leg.ENTRY_SELL):
        client_id = make_client_id(7, 1, leg, 0)
        order = Order(**zeros | {"client_id": client_id, "row": int(leg), "side": int(leg)})
        assert journal.append(TYPE_NAMES.index("INTENT"), order.pack())
    phase = PairPhase(**dict.fromkeys(PairPhase._fields, 0) | {"pair": 1, "sell_row": 1})
    for name, reason in (("opening", 0), ("closed", 7)):
        told = phase._replace(phase=PHASES.index(name), reason=reason)
        assert journal.append(TYPE_NAMES.index("PAIR"), told.pack())
    journal.close()
    return state


def run(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(command, [*args, "--state-dir", str(folder)])


def test_the_table_says_what_was_earned_and_what_stands(folder: Path) -> None:
    lines = run(folder, "--by", "day").output.splitlines()
    assert lines[0].startswith("money of mode live, USDT")
    assert lines[2].split()[:3] == ["2026-09-04", "4", "804.5000"]
    assert lines[2].split()[3:] == ["+1.5000", "-0.2000", "-0.5000", "+0.8000"]
    assert lines[3].split()[0] == "2026-09-05"
    assert lines[4].split()[:3] == ["total", "6", "1,005.5000"]
    assert lines[4].split()[3:] == ["+1.5000", "-0.3000", "-0.5000", "+0.7000"]
    assert lines[5] == (
        "standing: 1 BTCUSDT at bybit, entered at 100, mark unknown: its result is not "
        "counted here"
    )
    assert lines[6].startswith("standing: -1 BTCUSDT at okx, entered at 101")
    assert lines[7] == "other money in this folder: --mode paper"


def test_a_pair_s_row_has_both_legs_and_what_its_journal_knows(folder: Path) -> None:
    found = json.loads(run(folder, "--by", "pair", "--json", "-").output)
    first, second = found["rows"]
    assert (first["run"], first["pair"]) == (7, 1)
    assert (first["state"], first["reason"]) == ("closed", "missed")
    assert (first["buy_venue"], first["buy_px"], first["buy_exit_px"]) == ("bybit", "100", "100.5")
    assert (first["sell_venue"], first["sell_px"]) == ("okx", "101")
    assert first["sell_exit_px"] == "100.75"
    assert (first["hold_s"], first["qty"], first["net"]) == (60.002, "2", "0.8")
    assert (second["state"], second["ended"], second["unrealised"]) == ("open", None, None)
    assert found["totals"]["net"] == "0.7"
    assert [row["qty"] for row in found["standing"]] == ["1", "-1"]


def test_marks_add_up_what_was_earned_and_what_stands(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = {("bybit", "BTCUSDT"): Decimal("100.5")}
    monkeypatch.setattr("arbitrage.cli.pnl._marks", lambda _name: marks)
    marked = ("--mode", "live", "--marks", "any")
    assert "together" not in run(folder, *marked).output, "one mark is not known"
    marks["okx", "BTCUSDT"] = Decimal("100.75")
    totals = json.loads(run(folder, *marked, "--json", "-").output)["totals"]
    assert totals["unrealised"] == "0.75"
    worth = Decimal(totals["net"]) + Decimal("0.75")
    lines = run(folder, *marked).output.splitlines()
    said = f"net {Decimal(totals['net']):+.4f}, unrealised +0.7500, together {worth:+.4f}"
    assert said in lines
    assert "together" not in run(folder, *marked, "--since", "2020-01-01").output
    assert "together" not in run(folder, *marked, "--run", "7").output


@pytest.mark.parametrize("by", ["pair", "venue", "symbol", "day", "total"])
def test_csv_is_exact_and_adds_up(folder: Path, by: str) -> None:
    rows = list(csv.DictReader(io.StringIO(run(folder, "--by", by, "--csv", "-").output)))
    assert sum(Decimal(row["net"]) for row in rows) == Decimal("0.7")
    assert sum(int(row["fills"]) for row in rows) == 6
    assert {row["mode"] for row in rows} == {"live"}
    assert not any("E" in row["volume"] for row in rows)


@pytest.mark.parametrize("by", ["pair", "day", "total"])
def test_parquet_holds_the_same_exact_decimals(folder: Path, tmp_path: Path, by: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "pnl.parquet"
    assert run(folder, "--by", by, "--parquet", str(path)).exit_code == 0
    table = parquet.read_table(path)
    assert str(table.schema.field("net").type).startswith("decimal128(38")
    told = list(csv.DictReader(io.StringIO(run(folder, "--by", by, "--csv", "-").output)))
    for row, same in zip(table.to_pylist(), told, strict=True):
        assert row["net"] == Decimal(same["net"])
        assert row["volume"] == Decimal(same["volume"])


def test_without_pyarrow_one_line_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    real: Callable[..., Any] = importlib.import_module

    def lacking(name: str, *args: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", lacking)
    result = run(folder, "--parquet", "x.parquet")
    assert isinstance(result.exception, ConfigError)
    assert "--parquet needs pyarrow, which is not installed: pip install pyarrow" in str(
        result.exception
    )


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--csv", "-", "--json", "-"], "give one of --json, --csv and --parquet"),
        (["--parquet", "-"], "Parquet is no text, name a file"),
        (["--since", "yesterday"], "--since was 'yesterday'; accepted are UTC days"),
        (["--marks", "nobody-of-this-name"], "nobody-of-this-name"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(folder: Path, args: list[str], says: str) -> None:
    assert says in str(run(folder, *args).exception)


def test_a_folder_without_an_account_is_told(tmp_path: Path) -> None:
    assert "holds no account" in str(run(tmp_path).exception)


def test_since_until_run_and_mode_choose(folder: Path) -> None:
    def net(*args: str) -> str:
        return str(json.loads(run(folder, "--json", "-", *args).output)["totals"]["net"])

    assert net("--until", "2026-09-05") == "0.8"
    assert net("--since", "2026-09-05T00:00:00Z") == "-0.1"
    assert net("--run", "6", "--mode", "paper") == "-0.05"
    assert net("--run", "6") == "0"
    refused = run(folder, "--run", "99").exception
    assert isinstance(refused, ConfigError)
    assert "holds no account of run 99; the newest is" in str(refused)


def test_the_day_so_far_is_what_its_ended_pairs_brought_whole(folder: Path) -> None:
    at_ns = (DAY + 1) * DAY_MS * 1_000_000
    assert day_result(folder, at_ns - 1, "live") == Decimal("0.8")
    assert day_result(folder, at_ns, "live") == 0, "the pair that stands counts when it ends"
    assert day_result(folder, at_ns - 1, "demo") == 0
    write(folder, 8, *leave(DAY_MS + 60_000, 7, 2, "1"))
    assert day_result(folder, at_ns, "live") == Decimal("0.75") - Decimal("0.2")


def test_pairs_fit_a_terminal_and_wide_has_the_rest(folder: Path) -> None:
    narrow, wide = run(folder, "--by", "pair").output, run(folder, "--by", "pair", "--wide").output
    assert max(map(len, narrow.splitlines())) <= 100
    assert narrow.splitlines()[1].split() == [
        "run", "pair", "symbol", "buy", "end", "started", "fees", "funding", "net",
    ]  # fmt: skip
    totals = [
        line.split()[-1] for text in (narrow, wide) for line in text.splitlines()
        if line.split()[0] == "total"
    ]  # fmt: skip
    assert len(totals) == 2
    assert totals[0] == totals[1]
    assert "naked_ms" in wide.splitlines()[1]
