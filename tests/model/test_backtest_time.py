"""Backtests in time: nothing is seen before its time, nothing depends on how time is cut."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from arbitrage.instruments import VENUES
from arbitrage.research.backtest import Venue, backtest, read_config
from arbitrage.research.backtest_run import Run, arrays_of
from arbitrage.research.latency import Empirical, Latency
from arbitrage.research.market import MarketData
from arbitrage.research.simulated import simulated_data
from tests.backtest_rig import CONFIG, CONTRACTS, MS, START, S, market, records
from tests.model.test_backtest_oracle import scenario

ROOT = Path(__file__).parents[2]
TABLES = ("orders", "fills", "pairs", "funding", "equity", "opportunities")
# the time of a row, and the fields that are known then; None: all of them
KNOWN: dict[str, list[tuple[str, tuple[str, ...] | None]]] = {
    "orders": [
        ("sent_ns", ("sent_ns", "client_id", "limit_px", "touch_px", "qty", "pair", "side", "leg")),
        ("arrived_ns", ("arrived_ns", "avg_px", "filled_qty", "fee_usd", "outcome")),
    ],
    "fills": [("exch_ns", ("exch_ns", "client_id", "px", "qty", "fee_usd"))],
    "funding": [("ns", None)],
    "equity": [("ns", None)],
    "opportunities": [("recv_mono_ns", None)],
}


def arrays(rows: "NDArray[np.void]", how: dict[str, Any], poll_ns: int = 0) -> dict[str, Any]:
    """Backtest records by the settings of a scenario; return every table."""
    words = dict(how)
    ways, strategy = words.pop("ways"), words.pop("strategy", "spread")
    latency = Latency(
        order={venue: ways[index, "order"] for index, venue in enumerate(VENUES)},
        reply={venue: ways[index, "reply"] for index, venue in enumerate(VENUES)},
    )
    data = MarketData.from_records(rows, ["TESTUSDT"], CONTRACTS)
    settings = read_config(CONFIG | {"max_position_usd": 1e4, "min_net_bps": -3.0} | words,
                           data.symbols)  # fmt: skip
    run = Run(
        data, strategy, settings, latency,
        dict.fromkeys(VENUES, Venue(reject_rate=0.1)),
        seed=3, sample_s=0.25, keep_opportunities=True, poll_ns=poll_ns,
    )  # fmt: skip
    run.run(data, None, close_at_end=False, in_one=True)
    return arrays_of(run.core)


def same(one: dict[str, Any], other: dict[str, Any], where: str) -> None:
    for table in TABLES:
        for name in one[table].dtype.names:
            assert one[table][name].tobytes() == other[table][name].tobytes(), (
                f"{where}: {table}.{name} differs"
            )


def made_ns(rows: "NDArray[np.void]") -> "NDArray[np.int64]":
    """When each record was made, as far as it says so."""
    known = np.where(rows["exch_ns"] > 0, rows["exch_ns"], rows["recv_ns"])
    return np.minimum(known, rows["recv_ns"])


def told_before(found: dict[str, Any], at_ns: int) -> Iterator[tuple[str, bytes, int]]:
    """Yield what stood in the tables before this time: a name, the bytes, how many rows."""
    for table, views in KNOWN.items():
        for time, fields in views:
            when = found[table][time]
            kept = found[table][(when > 0) & (when < at_ns)]
            for name in fields or kept.dtype.names:
                yield f"{table}.{name}", kept[name].tobytes(), len(kept)


@pytest.mark.parametrize("how_changed", ["scaled", "dropped"])
def test_what_lies_ahead_changes_nothing_before(how_changed: str) -> None:
    compared = 0
    for seed in range(16):
        rows, how = scenario(seed)
        given = records(rows)
        before = arrays(given, how)
        arrived = before["orders"]["arrived_ns"]
        # right behind moments at which a venue matched: there a look ahead would pay
        for at_ns in [START + 2 * S, *(arrived[arrived > 0][5::7][:4] + 1)]:
            ahead = made_ns(given) >= at_ns
            changed = given.copy()
            for name in ("bid_px", "ask_px"):
                changed[name][ahead] = np.round(given[name][ahead] * 1.1, 1)
            until_ns = at_ns
            if how_changed == "dropped":
                changed = given[~ahead]
                until_ns = min(at_ns, int(changed["recv_ns"][-1]))  # there the shorter run ends
            told = (told_before(each, until_ns) for each in (before, arrays(changed, how)))
            for one, other in zip(*told, strict=True):
                assert one == other, f"scenario {seed}: {one[0]} knew what was to come"
                compared += one[2]
    assert compared > 5000, "too little happened before that time: nothing is proven"


@pytest.mark.parametrize(
    "words",
    [{}, {"min_excess_bps": 1.0, "basis_time_s": 0.5}, {"strategy": "spread,funding"}],
    ids=["spread", "basis", "funding"],
)
def test_the_result_is_that_of_a_look_at_every_moment(words: dict[str, Any]) -> None:
    orders = 0
    for seed in range(10):
        rows, how = scenario(seed)
        given = records(rows)
        one, other = arrays(given, how | words), arrays(given, how | words, poll_ns=37_001)
        same(one, other, f"scenario {seed}")
        orders += len(one["orders"])
    assert orders > 50, "too little is traded to prove anything"


class _Cut(MarketData):
    """Data that comes in blocks of a few records."""

    def __init__(self, whole: MarketData, rows: int) -> None:
        self._whole, self._rows = whole, rows
        self.symbols, self.contracts = whole.symbols, whole.contracts
        self.has_depth, self.start_ns, self.end_ns = whole.has_depth, whole.start_ns, whole.end_ns

    def blocks(self, rows: int = 0) -> "Iterator[NDArray[np.void]]":
        return self._whole.blocks(self._rows)


@pytest.mark.parametrize("rows", [1, 7, 4096])
def test_blocks_give_what_the_whole_gives(rows: int) -> None:
    whole = market(scenario(5)[0])
    latency = Latency(order=Empirical.of_samples([MS, 2 * MS, 9 * MS]), reply=MS)
    one, other = (
        backtest(data, config=CONFIG, latency=latency, seed=4)
        for data in (whole, _Cut(whole, rows))
    )
    assert len(one.fills) > 0
    same(*({name: getattr(each, name) for name in TABLES} for each in (one, other)), "blocks")


def test_two_processes_give_the_same_bytes() -> None:
    code = (
        "import arbitrage\n"
        "from arbitrage.research.simulated import simulated_data\n"
        "from arbitrage.research.latency import Latency, Empirical\n"
        "way = Latency(order=Empirical.of_samples([1000000, 7000000]),"
        " reply=lambda rng, now: rng.random() * 1e7)\n"
        "print(arbitrage.backtest(simulated_data(seconds=20), latency=way, seed=9).sha256)\n"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert found[0] == found[1]
    assert len(found[0].strip()) == 64


def test_a_connection_keeps_its_order() -> None:
    uneven = Empirical.of_samples([MS, 50 * MS, 400 * MS])
    data = simulated_data(("BTCUSDT", "ETHUSDT", "SOLUSDT"), seconds=60)
    wide = {"min_net_bps": -20, "min_gross_bps": -20, "max_orders_per_s": 1000}
    latency = Latency(order=uneven, reply=uneven)
    found = backtest(data, config=wide, latency=latency, seed=1).orders
    together = 0
    for venue in (0, 1):
        sent = found[found["venue"] == venue]
        sent = sent[sent["answered_ns"] > 0]
        assert (np.diff(sent["arrived_ns"]) >= 0).all()
        assert (np.diff(sent["answered_ns"]) >= 0).all()
        together += int((np.diff(sent["arrived_ns"]) == 0).sum())
    assert together > 0, "no order waited for the one before it"


def test_another_seed_is_another_run() -> None:
    data = simulated_data(seconds=20)
    way = Latency(order=Empirical.of_samples([MS, 20 * MS]))
    assert backtest(data, latency=way, seed=1) != backtest(data, latency=way, seed=2)
    assert asdict(Venue())["reject_rate"] == 0
