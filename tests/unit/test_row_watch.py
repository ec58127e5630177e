"""Lost rows are subscribed again, less and less often; suspected ones are asked about."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from types import SimpleNamespace

import pytest

from arbitrage.core.records import RowState
from arbitrage.core.store import MarketStore
from arbitrage.errors import ConnectorError
from arbitrage.runtime.row_watch import IN_FLIGHT_S, WAIT_MAX_S, RowWatch, Top


class Feed:
    """A public feed that only notes what is asked of it."""

    def __init__(self) -> None:
        self.symbols = {"BTCUSDT": SimpleNamespace(row=0), "ETHUSDT": SimpleNamespace(row=1)}
        self.is_ready = True
        self.asked: list[list[str]] = []

    def resubscribe(self, venue_symbols: Sequence[str]) -> None:
        self.asked.append(list(venue_symbols))


class Lane:
    """A feed lane that holds what the store shows, and notes what it confirms."""

    def __init__(self, store: MarketStore) -> None:
        self.store = store
        self.confirmed: list[int] = []
        self.tops: dict[int, Top | None] = {}

    def top(self, row: int) -> Top | None:
        return self.tops.get(row, (1.0, 2.0, float("nan"), 3.0))

    def confirm(self, row: int) -> bool:
        self.confirmed.append(row)
        self.store.apply_state(*divmod(row, self.store.symbol_capacity), RowState.LIVE)
        return True


async def no_question(venue_symbol: str) -> Top:
    raise AssertionError(f"{venue_symbol} was asked about")


@pytest.fixture
def market() -> tuple[Feed, MarketStore, list[float], RowWatch]:
    store = MarketStore(2, 4)
    for index in range(2):
        store.set_instrument(store.row("bybit", index))
        store.apply_quote("bybit", index, 1.0, 2.0)
    feed, now = Feed(), [100.0]
    watch = RowWatch(feed, Lane(store), store, no_question, clock=lambda: now[0])
    return feed, store, now, watch


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


# ---- suspicion -----------------------------------------------------------------------------------


class Suspected:
    """Bybit's first row is SUSPECT; `answer` is what the venue says of it."""

    def __init__(self, answer: Callable[[], Awaitable[Top]]) -> None:
        self.store = MarketStore(2, 4)
        for index in range(2):
            self.store.set_instrument(self.store.row("bybit", index))
            self.store.apply_quote("bybit", index, 1.0, 2.0)
        self.store.apply_state("bybit", 0, RowState.SUSPECT)
        self.feed, self.lane, self.asked = Feed(), Lane(self.store), 0
        self.now_s = 100.0
        self.answer = answer
        self.watch = RowWatch(self.feed, self.lane, self.store, self.ask, lambda: self.now_s)

    async def ask(self, venue_symbol: str) -> Top:
        assert venue_symbol == "BTCUSDT"
        self.asked += 1
        return await self.answer()

    async def look(self) -> None:
        """Look once, and let the questions be answered."""
        self.watch.look()
        await asyncio.sleep(1.5 * IN_FLIGHT_S)


async def same() -> Top:
    return (1.0, 2.0, float("nan"), 3.0)


async def elsewhere() -> Top:
    return (1.5, 2.0, float("nan"), 3.0)


async def refused() -> Top:
    raise ConnectorError("no answer", venue="okx")


def test_a_suspected_row_is_confirmed_when_the_venue_stands_there() -> None:
    market = Suspected(same)
    asyncio.run(market.look())
    assert (market.lane.confirmed, market.watch.confirmed_count) == ([0], 1)
    assert market.feed.asked == []


def test_a_suspected_row_is_subscribed_again_when_the_venue_stands_elsewhere() -> None:
    market = Suspected(elsewhere)
    asyncio.run(market.look())
    assert market.lane.confirmed == []
    assert market.feed.asked == [["BTCUSDT"]]


def test_a_row_without_a_top_is_not_confirmed() -> None:
    market = Suspected(same)
    market.lane.tops[0] = None
    asyncio.run(market.look())
    assert market.lane.confirmed == []
    assert market.feed.asked == [["BTCUSDT"]]


def test_its_own_word_while_we_ask_is_enough() -> None:
    async def overtaken() -> Top:
        market.store.apply_quote("bybit", 0, 1.5, 2.0)
        return await elsewhere()

    market = Suspected(overtaken)
    asyncio.run(market.look())
    assert (market.lane.confirmed, market.feed.asked) == ([], [])


def test_without_an_answer_it_stays_suspected_and_is_asked_about_each_second() -> None:
    market = Suspected(refused)

    async def four_seconds() -> None:
        for _ in range(16):
            market.watch.look()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            market.now_s += 0.25

    asyncio.run(four_seconds())
    assert market.asked == 4
    assert (market.lane.confirmed, market.feed.asked) == ([], [])


def test_one_question_at_a_time() -> None:
    async def never() -> Top:
        await asyncio.Event().wait()
        raise AssertionError

    market = Suspected(never)

    async def look_often() -> None:
        runner = asyncio.ensure_future(market.watch.run())
        for _ in range(5):
            market.watch.look()
            market.now_s += 2.0
            await asyncio.sleep(0)
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)

    asyncio.run(look_often())
    assert market.asked == 1
