"""The backtest against an oracle in exact decimals, over random markets."""

import random
from typing import Any

import pytest

from arbitrage.instruments import VENUES
from arbitrage.research.latency import Latency
from arbitrage.research.result_types import OrderOutcome
from arbitrage.research.results import Backtest
from tests.backtest_rig import (
    CONTRACTS,
    LAST,
    MS,
    SNAPSHOT,
    START,
    S,
    funding,
    gap,
    level,
    quote,
    records,
    run,
)
from tests.model.backtest_oracle import Oracle

Rows = list[tuple[Any, ...]]
SPAN_NS = 4 * S
USD = 1e-7  # what doubles may lose of sums that decimals keep


class Maker:
    """One venue's market: a walk of the mid, quotes of it and, where it has depth, its book."""

    def __init__(self, rng: random.Random, venue: int, has_depth: bool, numbered: bool) -> None:
        self.rng, self.venue, self.has_depth, self.numbered = rng, venue, has_depth, numbered
        self.mid, self.number = 1000 + rng.randint(-4, 4), 0
        self.at_ns = self.made_ns = 0
        self.book: list[dict[int, int]] = [{}, {}]

    def px(self, ticks: int) -> float:
        return round(ticks * 0.1, 1)

    def qty(self, lots: int) -> float:
        return round(lots * (0.02, 0.3)[self.venue], 2)

    def change(self) -> list[tuple[int, int, int]]:
        """Move the mid and some levels; return what changed: side, ticks, lots (0: gone)."""
        rng = self.rng
        self.mid += rng.choice((-3, -2, -1, 0, 0, 0, 1, 2, 3)) + rng.choice((0,) * 6 + (-12, 12))
        self.mid = min(1030, max(970, self.mid))
        wanted: list[dict[int, int]] = [{}, {}]
        for side, sign in ((0, -1), (1, 1)):
            for step in range(1, 7):
                ticks = self.mid + sign * step
                known = self.book[side].get(ticks, 0)
                keep = known and rng.random() < 0.7
                lots = known if keep else rng.randint(1, 30) if rng.random() < 0.8 else 0
                if lots or step == 1:
                    wanted[side][ticks] = lots or 1
        changes = [
            (side, ticks, wanted[side].get(ticks, 0))
            for side in (0, 1)
            for ticks in sorted(set(wanted[side]) | set(self.book[side]))
            if wanted[side].get(ticks) != self.book[side].get(ticks)
        ]
        self.book = wanted
        return changes

    def top(self, side: int) -> tuple[float, float]:
        best = (max, min)[side](self.book[side])
        return self.px(best), self.qty(self.book[side][best])

    def frame(self, made_ns: int, snapshot: bool) -> Rows:
        """Return the records of the next moment."""
        made_ns = max(made_ns, self.made_ns)
        changes = self.change()
        self.number += self.rng.randint(1, 3) if self.numbered else 0
        # a connection keeps its order: what was held up holds up what follows
        self.at_ns = max(self.at_ns, made_ns + self.rng.choice((0, MS // 2, 2 * MS, 8 * MS)))
        said = {"made_ns": made_ns, "number": self.number}
        (bid, bid_qty), (ask, ask_qty) = self.top(0), self.top(1)
        top = quote(self.at_ns, self.venue, bid, ask, bid_qty, ask_qty, **said)
        if not self.has_depth:
            return [top]
        if snapshot:
            changes = [(s, t, n) for s in (0, 1) for t, n in self.book[s].items()]
        found: Rows = []
        quoted = self.rng.random() < 0.4 and not snapshot
        if quoted:  # the quote is quicker than the book
            lag_ns = self.rng.choice((0, MS, 15 * MS))
            self.at_ns += lag_ns
            self.made_ns = said["made_ns"] = made_ns + lag_ns
        for place, (side, ticks, lots) in enumerate(changes):
            each = (self.px(ticks), self.qty(lots))
            flags = (SNAPSHOT if snapshot and place == 0 else 0) | (
                LAST if place == len(changes) - 1 else 0
            )
            sides = (each, None) if side == 0 else (None, each)
            found.append(level(self.at_ns, self.venue, *sides, flags=flags, **said))
        return [top, *found] if quoted else found


def scenario(seed: int) -> tuple[Rows, dict[str, Any]]:
    """Return a market, and how it is traded."""
    rng = random.Random(seed)
    has_depth, numbered = rng.random() < 0.5, rng.random() < 0.7
    rows: Rows = []
    for venue in (0, 1):
        maker, at_ns, begun = Maker(rng, venue, has_depth, numbered), 0, False
        while at_ns < SPAN_NS:
            rows += maker.frame(at_ns, snapshot=not begun or rng.random() < 0.05)
            begun = True
            at_ns += rng.randint(1, 60) * MS + rng.randint(0, 999)
            if rng.random() < 0.01:
                maker.at_ns = max(maker.at_ns, at_ns)
                rows.append(gap(maker.at_ns, venue))
                begun = False
        rate = rng.choice((-1, 1)) * rng.randint(1, 30) * 1e-4
        settles = rng.randint(S, SPAN_NS - S)
        rows.append(funding(0, venue, rate, settles, 8.0))
        told_ns, next_ns = settles + rng.randint(1, 5 * MS), settles + 8 * 3600 * S
        rows.append(funding(told_ns, venue, rate / 2, next_ns, 8.0))
    ways = {(v, way): rng.randint(0, 12 * MS) for v in (0, 1) for way in ("order", "reply")}
    return rows, {
        "ways": ways,
        "take_profit_bps": rng.choice((-30.0, 1.0, 20.0)),
        "max_hold_s": rng.choice((0.2, 1.0)),
        "slip_bps": rng.choice((0, 10, 40)),
        "complete_tries": rng.choice((0, 2)),
        "max_order_usd": rng.choice((20.0, 60.0, 300.0)),
        "fees": {"bybit": 0.5, "okx": 1.5} if rng.random() < 0.5 else {"bybit": 5.5, "okx": -1.0},
    }


def backtest_of(rows: Rows, how: dict[str, Any]) -> Backtest:
    words = dict(how)
    ways = words.pop("ways")
    latency = Latency(
        order={venue: ways[index, "order"] for index, venue in enumerate(VENUES)},
        reply={venue: ways[index, "reply"] for index, venue in enumerate(VENUES)},
    )
    return run(rows, latency=latency, max_position_usd=10_000.0, min_net_bps=-3.0, **words)


def compare(seed: int) -> int:
    """Run one scenario through both; return how many fills agreed."""
    rows, how = scenario(seed)
    found = backtest_of(rows, how)
    taker = how["fees"]
    contracts = {
        index: type(CONTRACTS[venue, "TESTUSDT"])(
            **{name: getattr(CONTRACTS[venue, "TESTUSDT"], name) for name in
               ("venue", "symbol", "venue_symbol", "px_tick", "qty_lot", "qty_mult", "px_mult")},
            taker_bps=taker[venue],
        )
        for index, venue in enumerate(VENUES)
    }  # fmt: skip
    oracle = Oracle(records(rows), contracts, how["ways"])
    oracle.run(found.orders, int(found.equity["ns"][-1]))
    where = f"scenario {seed}"
    arrived = found.orders[found.orders["arrived_ns"] > 0]
    assert [OrderOutcome(each).name for each in arrived["outcome"]] == [
        name for _, name in sorted(oracle.outcomes.items())
    ], where
    places = {int(each): place for place, each in enumerate(found.orders["client_id"])}
    ours = [
        (places[int(each["client_id"])], int(each["exch_ns"]), float(each["px"]),
         round(float(each["qty"]) / (0.02, 0.3)[int(each["venue"])]))
        for each in found.fills
    ]  # fmt: skip
    assert ours == [(n, at, float(px), lots) for n, at, px, lots, _ in oracle.fills], where
    for each, fill in zip(found.fills, oracle.fills, strict=True):
        assert abs(each["fee_usd"] - float(fill[4])) < USD, where
    assert [(int(f["ns"]), int(f["venue"])) for f in found.funding] == [
        (at, venue) for at, venue, _ in oracle.funding
    ], where
    for each, (_, _, paid) in zip(found.funding, oracle.funding, strict=True):
        assert abs(each["paid_usd"] - float(paid)) < USD, where
    equity = found.equity[:-1]  # the last row is that of the end
    assert len(equity) == len(oracle.equity), where
    names = ("realised_usd", "fees_usd", "funding_usd", "unrealised_usd", "exposure_usd")
    for row, told in zip(equity, oracle.equity, strict=True):
        assert int(row["ns"]) == told[0], where
        for name, value in zip(names, told[1:6], strict=True):
            assert abs(row[name] - float(value)) < USD, f"{where}: {name} at {told[0] - START}"
    return len(ours)


def test_fills_fees_funding_and_equity_are_those_of_the_oracle() -> None:
    fills = [compare(seed) for seed in range(60)]
    assert sum(fills) > 300, "the scenarios trade too little to prove anything"


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_thousand_scenarios_agree() -> None:
    fills = [compare(seed) for seed in range(1000)]
    assert sum(fills) > 5000
