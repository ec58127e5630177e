"""Lost rows are asked for again: at once, then less and less often, until they live."""

from collections.abc import Sequence
from itertools import pairwise
from types import SimpleNamespace

import pytest

from arbitrage.core.records import RowState
from arbitrage.core.store import MarketStore
from arbitrage.runtime.row_watch import WAIT_MAX_S, RowWatch


class Feed:
    """A public feed that only notes what is asked of it."""

    def __init__(self) -> None:
        self.symbols = {"BTCUSDT": SimpleNamespace(row=0), "ETHUSDT": SimpleNamespace(row=1)}
        self.is_ready = True
        self.asked: list[list[str]] = []

    def resubscribe(self, venue_symbols: Sequence[str]) -> None:
        self.asked.append(list(venue_symbols))


@pytest.fixture
def market() -> tuple[Feed, MarketStore, list[float], RowWatch]:
    store = MarketStore(2, 4)
    for index in range(2):
        store.set_instrument(store.row("bybit", index))
        store.apply_quote("bybit", index, 1.0, 2.0)
    feed, now = Feed(), [100.0]
    return feed, store, now, RowWatch(feed, store, clock=lambda: now[0])


def test_live_rows_are_left_alone(market: tuple[Feed, MarketStore, list[float], RowWatch]) -> None:
    feed, _, _, watch = market
    assert watch.look() == []
    assert feed.asked == []


@pytest.mark.parametrize("state", [RowState.GAP, RowState.STALE])
def test_a_lost_row_is_asked_for_with_growing_waits(
    market: tuple[Feed, MarketStore, list[float], RowWatch], state: RowState
) -> None:
    feed, store, now, watch = market
    store.apply_state("bybit", 1, state)
    asked_at: list[float] = []
    while now[0] < 400:
        if watch.look():
            asked_at.append(now[0])
        now[0] += 0.25
    waits = [b - a for a, b in pairwise(asked_at)]
    assert asked_at[0] == 100.0
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(waits) == WAIT_MAX_S
    assert all(asked == ["ETHUSDT"] for asked in feed.asked)


def test_a_row_that_came_back_starts_afresh(
    market: tuple[Feed, MarketStore, list[float], RowWatch],
) -> None:
    _, store, now, watch = market
    store.apply_state("bybit", 0, RowState.GAP)
    assert watch.look() == ["BTCUSDT"]
    store.apply_quote("bybit", 0, 1.0, 2.0)
    now[0] += 0.25
    assert watch.look() == []
    store.apply_state("bybit", 0, RowState.GAP)
    assert watch.look() == ["BTCUSDT"]


def test_nothing_is_sent_while_the_feed_is_down(
    market: tuple[Feed, MarketStore, list[float], RowWatch],
) -> None:
    feed, store, _, watch = market
    feed.is_ready = False
    store.apply_state("bybit", 0, RowState.STALE)
    watch.look()
    assert feed.asked == []
