"""Parallel connections of one venue as one feed: what they ask for, and who speaks of funding."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from arbitrage.errors import ConnectorError
from arbitrage.venues.base import MarketSymbol
from arbitrage.venues.bybit.market_feed import BybitMarketFeed
from arbitrage.venues.parallel_feed import ParallelFeed

SYNCING = 1
SYMBOLS = [MarketSymbol(5, "BTCUSDT", "BTCUSDT"), MarketSymbol(6, "ETHUSDT", "ETHUSDT")]


class Lane:
    """What the connections tell, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def hold_book(self, row: int, channel: str) -> None:
        self.told.append(("book", row, channel))

    def drop_line(self, venue: int, line: int) -> int:
        self.told.append(("drop", venue, line))
        return 0

    def push_state(self, row: int, state: int) -> None:
        self.told.append(("state", row, state))

    def push_funding(self, row: int, rate: float, interval_h: float, next_wall_ns: int) -> None:
        self.told.append(("funding", row, rate))


class Feed(BybitMarketFeed):
    """A connection that is open when the test says so, and keeps what it would send."""

    is_open = False
    asks = True

    def __init__(self, lane: Lane, line: int) -> None:
        super().__init__("ws://nowhere", 0, lane, SYMBOLS, depth="full", line=line)
        self.sent: list[bytes] = []

    @property
    def is_ready(self) -> bool:
        return self.is_open

    @property
    def can_send(self) -> bool:
        return self.is_open

    def send(self, message: bytes) -> None:
        self.sent.append(message)

    def _may_ask(self, count: int) -> bool:
        return self.asks


def made(count: int = 2) -> tuple[Lane, list[Feed], ParallelFeed]:
    lane = Lane()
    feeds = [Feed(lane, line) for line in range(count)]
    feed = ParallelFeed(feeds)
    assert lane.told[:2] == [("book", 5, "orderbook.50"), ("book", 6, "orderbook.50")]
    lane.told.clear()
    return lane, feeds, feed


def test_only_the_first_line_to_open_says_that_nothing_is_known() -> None:
    lane, feeds, feed = made()
    assert not feed.is_ready
    asyncio.run(feeds[0].on_open())
    assert lane.told == [("state", 5, SYNCING), ("state", 6, SYNCING)]
    feeds[0].is_open = True
    lane.told.clear()
    asyncio.run(feeds[1].on_open())
    assert lane.told == []
    assert feeds[0].sent == feeds[1].sent
    assert feed.is_ready
    feeds[1].on_lost()
    feeds[0]._on_disconnected()
    assert lane.told == [("drop", 0, 1), ("drop", 0, 0)]


def test_funding_is_told_by_the_first_line_that_is_open() -> None:
    lane, feeds, _ = made()
    feeds[1].is_open = True
    feeds[1].push_funding(5, 0.1, 8.0, 1)
    assert lane.told == [("funding", 5, 0.1)]
    feeds[0].is_open = True
    feeds[0].push_funding(5, 0.2, 8.0, 1)
    feeds[1].push_funding(5, 0.1, 8.0, 2)
    assert lane.told[1:] == [("funding", 5, 0.2)], "the second line does not take it back"
    feeds[0].is_open = False
    feeds[1].push_funding(5, 0.3, 8.0, 2)
    assert lane.told[2:] == [("funding", 5, 0.3)]


def asked(feed: Feed) -> list[Sequence[str]]:
    return [frame.decode().split('"op":"')[1].split('"')[0] for frame in feed.sent]


def test_symbols_are_asked_for_again_on_every_line_that_may() -> None:
    lane, feeds, feed = made(3)
    feed.resubscribe(["BTCUSDT"])
    assert lane.told == [], "no line is open"
    feeds[0].is_open = feeds[1].is_open = True
    feeds[0].asks = False
    feed.resubscribe(["BTCUSDT"])
    assert lane.told == [("state", 5, SYNCING)]
    assert [asked(item) for item in feeds] == [[], ["unsubscribe", "subscribe"], []]
    feeds[1].asks = False
    feed.resubscribe(["ETHUSDT"])
    assert lane.told == [("state", 5, SYNCING)], "nobody may ask now: the row stays as it is"


def test_a_line_that_cannot_go_on_ends_them_all() -> None:
    async def main() -> None:
        _, feeds, feed = made()

        async def refused() -> None:
            raise ConnectorError("unknown symbol", venue="bybit", is_terminal=True)

        async def waiting() -> None:
            await asyncio.Event().wait()

        feeds[0].run = waiting  # type: ignore[method-assign]
        feeds[1].run = refused  # type: ignore[method-assign]
        with pytest.raises(ConnectorError, match="unknown symbol"):
            await asyncio.wait_for(feed.run(), 5)

    asyncio.run(main())
