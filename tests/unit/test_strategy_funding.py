"""Funding capture on the real strategy: when it enters, what it holds through, when it leaves."""

import math
from collections.abc import Iterator

import pytest

from arbitrage.core.messages import PAIR_KINDS
from arbitrage.core.strategy import EXIT_REASONS
from tests.strategy_rig import Rig, fill

SETTINGS = {
    "funding": 1, "spread": 0, "funding_window_s": 60.0, "funding_lead_s": 1.0,
    "funding_hold_s": 600.0, "funding_step_ms": 1.0, "max_hold_s": 1.0, "max_book_age_ms_bybit": 0,
    "max_book_age_ms_okx": 0,
}  # fmt: skip


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig(**SETTINGS)
    yield made
    made.close()


def funding(
    rig: Rig, venue: int, rate: float, in_s: float, interval_h: float = 8.0, symbol: int = 0
) -> None:
    wall = rig.now + rig.journal.wall_offset_ns
    rig.store.apply_funding(venue, symbol, rate, interval_h, int(wall + in_s * 1e9))


def wait(rig: Rig, seconds: float) -> None:
    """Let time pass while both venues go on quoting."""
    rig.now += int(seconds * 1e9)
    for venue in (0, 1):
        rig.quote(venue, 0, 0.0)
    for _ in range(4):
        rig.poll(2.0)


def orders(rig: Rig) -> list:
    return [order for venue in (0, 1) if (order := rig.take_order(venue)) is not None]


def test_it_sells_where_the_rate_is_high_in_the_window_before_the_settlement(rig: Rig) -> None:
    funding(rig, 0, 0.006, 100.0)
    funding(rig, 1, 0.001, 100.0)
    wait(rig, 1.0)
    assert orders(rig) == []  # 50 bps, but the window has not begun
    wait(rig, 50.0)
    sent = orders(rig)
    assert [(order.venue, order.side) for order in sent] == [(0, 1), (1, 0)]
    for order in sent:
        fill(rig, order)
    opened = rig.take_events()[-1]
    assert PAIR_KINDS[opened.kind] == "funding"
    assert rig.strategy.counters["pairs_funding"] == 1


@pytest.mark.parametrize(
    ("high", "low", "in_s", "why"),
    [
        (math.nan, 0.0, 30.0, "a rate is not known"),
        (0.006, 0.0, 0.5, "it may be too late to be counted"),
        (0.006, 0.0, 0.0, "its time has passed"),
        (0.0025, 0.0, 30.0, "costs eat it: 20 of fees, 3 of slippage, 1 of the spread, 25 to get"),
        (0.5, 0.0, 30.0, "no venue has such a rate"),
    ],
)
def test_it_stays_out(rig: Rig, high: float, low: float, in_s: float, why: str) -> None:
    settings = {"funding_min_bps": 2.0} if "costs" in why else {}
    rig.close()
    rig = Rig(**(SETTINGS | settings))
    funding(rig, 0, high, in_s)
    funding(rig, 1, low, in_s)
    for venue in (0, 1):
        rig.quote(venue, 0, 0.0)
    rig.poll(2.0)
    rig.poll(2.0)
    assert orders(rig) == [], why


def test_a_difference_below_the_least_one_is_left_alone() -> None:
    rig = Rig(**(SETTINGS | {"funding_min_bps": -1000.0, "funding_min_delta": 0.0002}))
    funding(rig, 0, 0.0003, 30.0)
    funding(rig, 1, 0.00015, 30.0)
    wait(rig, 1.0)
    assert orders(rig) == []
    funding(rig, 0, 0.0004, 29.0)
    wait(rig, 0.1)
    assert len(orders(rig)) == 2
    rig.close()


def stand_on_funding(rig: Rig) -> None:
    funding(rig, 0, 0.006, 30.0)
    funding(rig, 1, 0.001, 30.0)
    wait(rig, 0.1)
    for order in orders(rig):
        fill(rig, order)
    assert rig.phase(0) == "open"


def test_it_holds_through_the_settlement_and_leaves_after_it(rig: Rig) -> None:
    stand_on_funding(rig)
    wait(rig, 20.0)  # far beyond max_hold_s of the spread pairs
    assert rig.phase(0) == "open"
    wait(rig, 10.0)  # settled, but not for long enough to be sure
    assert rig.phase(0) == "open"
    funding(rig, 0, 0.006, 28_800.0)
    funding(rig, 1, 0.001, 28_800.0)
    wait(rig, 2.0)
    assert rig.phase(0) == "closing"
    assert rig.strategy.pair(0)["funding_bps"] == pytest.approx(60.0 - 10.0)
    told = [item for item in rig.take_notices() if item.notice == 3]
    assert [(item.rate, round(item.funding_bps, 6)) for item in told] == [
        (0.001, -10.0),
        (0.006, 60.0),
    ]
    for order in orders(rig):
        fill(rig, order)
    last = rig.take_events()[-1]
    assert EXIT_REASONS[last.reason] == "funding_over"


def test_it_leaves_when_the_difference_turns(rig: Rig) -> None:
    stand_on_funding(rig)
    funding(rig, 0, 0.0005, 25.0)
    wait(rig, 0.1)
    assert rig.strategy.pair(0)["reason"] == "funding_over"


def test_it_leaves_at_its_own_stop(rig: Rig) -> None:
    stand_on_funding(rig)
    rig.quote(0, 0, 45.0)
    rig.poll(1.0)
    assert rig.phase(0) == "closing"
    assert rig.strategy.pair(0)["reason"] == "stop"


def test_intervals_may_differ(rig: Rig) -> None:
    """Bybit pays 90 bps each 8 h; OKX takes 1.2, then 1.0, each 6 minutes: 96, then 80 in 8 h."""
    funding(rig, 0, 0.009, 30.0, 8.0)
    funding(rig, 1, 0.00012, 30.0, 0.1)
    wait(rig, 0.1)
    assert orders(rig) == []
    funding(rig, 1, 0.0001, 29.0, 0.1)
    wait(rig, 0.1)
    assert len(orders(rig)) == 2


def test_spread_pairs_are_not_opened_unless_they_are_asked_for(rig: Rig) -> None:
    rig.opportunity(0, 0, 50.0)
    rig.poll()
    assert orders(rig) == []
