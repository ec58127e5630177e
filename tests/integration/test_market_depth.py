"""Depth and parallel connections on real sockets, against the simulated venues."""

import asyncio
import json
import os
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from venue_kit import MARKET, NAMES, QUICK, VENUES, run, simulated, until

from arbitrage.cold.metrics import read_snapshot
from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.feed import FeedLane
from arbitrage.core.segment import Segment
from arbitrage.core.stages import Stages
from arbitrage.sim.server import SimServer
from arbitrage.venues.base import MarketSymbol
from arbitrage.venues.parallel_feed import ParallelFeed
from arbitrage.venues.public_feed import compiled_listener
from arbitrage.venues.reconnect import ReconnectPolicy

SYNCING, LIVE = 1, 2
PATIENT = ReconnectPolicy(base_s=0.6, cap_s=0.8, stable_s=0.0)  # within OKX's connections a second


class Told:
    """The lane's slow side, with a note of what it was told."""

    def __init__(self, lane: FeedLane) -> None:
        self._lane = lane
        self.states: list[int] = []
        self.left: list[int] = []  # levels that the ladder still showed after each of them
        self.dropped: list[int] = []
        self.hold_book, self.push_funding = lane.hold_book, lane.push_funding

    def push_state(self, row: int, state: int) -> None:
        self.states.append(state)
        self._lane.push_state(row, state)
        store = self._lane.segment.store
        self.left.append(len(store.depth(*divmod(row, store.symbol_capacity)).bids))

    def drop_line(self, venue: int, line: int) -> int:
        self.dropped.append(self._lane.drop_line(venue, line))
        return self.dropped[-1]


class Watched:
    """One venue's row of BTCUSDT behind some connections, detector included."""

    def __init__(
        self, segment: Segment, venue: str, server: SimServer, depth: str, lines: int,
        policy: ReconnectPolicy = QUICK,
    ) -> None:  # fmt: skip
        self.segment, self.venue, self.server = segment, venue, server
        self.row = segment.store.row(venue, 0)
        lane = FeedLane(segment, 0)
        detector = OpportunityDetector(segment.store)
        lane.attach_loop(None, Stages(segment, detector, placement="inline", wait="spin"))
        self.told = Told(lane)

        def listening(line: int, _told: Any, *rest: Any) -> Any:
            return compiled_listener(lane, *rest, line)

        self.feeds: list[Any] = [
            MARKET[venue](
                server.urls["public_ws_url"], VENUES.index(venue), self.told,
                [MarketSymbol(self.row, NAMES[venue], "BTCUSDT")], depth=depth, line=line,
                listener_factory=partial(listening, line), policy=policy, ping_s=0.2,
            )
            for line in range(lines)
        ]
        self.feed = self.feeds[0] if lines == 1 else ParallelFeed(self.feeds)

    @property
    def counted(self) -> dict[str, Any]:
        found: dict[str, Any] = self.segment.counters()["feed"][self.venue]
        return found

    @property
    def state(self) -> int:
        return int(self.segment.store.read_row(self.venue, 0).state)

    async def level(self, levels: int = 10) -> None:
        """Wait until our ladder stands where the venue's does, and compare them."""
        exchange: Any = self.server.exchange

        def both() -> tuple[Any, Any]:
            sent = levels != 5
            return (
                self.segment.store.depth(self.venue, 0),
                exchange.book(NAMES[self.venue], levels, sent=sent),
            )

        await until(lambda: both()[0].seq == both()[1].seq, what="the same book")
        ours, theirs = both()
        for held, told in ((ours.bids, theirs.bids), (ours.asks, theirs.asks)):
            assert held.tolist() == [[float(px), float(qty)] for px, qty in told]


@pytest.fixture
def segment() -> Iterator[Segment]:
    made = Segment.create(f"test-depth-{os.getpid()}-{uuid.uuid4().hex[:6]}", symbol_capacity=4)
    made.symbols.add("BTCUSDT", dict(NAMES))
    for venue in VENUES:
        made.store.set_instrument(made.store.row(venue, 0))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("venue", "depth", "levels"), [("bybit", "full", 10), ("okx", "full", 10), ("okx", "five", 5)]
)
def test_the_book_is_the_venues_through_a_cut_and_a_resubscription(
    segment: Segment, venue: str, depth: str, levels: int
) -> None:
    async def main() -> None:
        async with simulated(venue) as server:
            watched = Watched(segment, venue, server, depth, 1)
            task = asyncio.ensure_future(watched.feed.run())
            await until(lambda: watched.state == LIVE and watched.counted["depth_updates"] > 3)
            await watched.level(levels)
            assert watched.counted["depth_ticks"] > 0
            for socket in list(server.sockets.values()):
                socket.close()
            await until(lambda: SYNCING in watched.told.states[1:], what="the cut")
            assert set(watched.told.left) == {0}, "no level outlives its connection"
            await until(lambda: watched.state == LIVE)
            await watched.level(levels)
            before = watched.counted["depth_updates"]
            watched.feed.resubscribe([NAMES[venue]])
            assert watched.state == SYNCING
            await until(lambda: watched.state == LIVE, what="the snapshot")
            await until(lambda: watched.counted["depth_updates"] > before + 3)
            await watched.level(levels)
            counted = watched.counted
            assert (counted["malformed"], counted["depth_gaps"]) == (0, 0)
            watched.feed.stop()
            await task

    run(main)


@pytest.mark.parametrize(
    ("venue", "depth", "topics"),
    [
        ("bybit", "off", {"orderbook.1", "tickers"}),
        ("bybit", "full", {"orderbook.1", "orderbook.50", "tickers"}),
        ("bybit", "five", {"orderbook.1", "orderbook.50", "tickers"}),
        ("okx", "off", {"bbo-tbt", "funding-rate"}),
        ("okx", "full", {"bbo-tbt", "books", "funding-rate"}),
        ("okx", "five", {"bbo-tbt", "books5", "funding-rate"}),
    ],
)
def test_every_topic_of_a_symbol_is_asked_for_and_given_back(
    segment: Segment, venue: str, depth: str, topics: set[str]
) -> None:
    symbols = [MarketSymbol(segment.store.row(venue, 0), NAMES[venue], "BTCUSDT")]
    lane = FeedLane(segment, 0)
    feed: Any = MARKET[venue]("ws://nowhere", VENUES.index(venue), lane, symbols, depth=depth)
    for frames in (feed.subscribe_frames, feed.unsubscribe_frames):
        asked = [arg for frame in frames([NAMES[venue]]) for arg in json.loads(frame)["args"]]
        if venue == "bybit":
            assert {arg.rpartition(".")[0] for arg in asked} == topics
        else:
            assert {arg["channel"] for arg in asked} == topics
            assert {arg["instId"] for arg in asked} == {NAMES[venue]}


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("killed", [0, 1])
def test_killing_either_of_two_connections_loses_nothing(
    segment: Segment, venue: str, killed: int
) -> None:
    async def main() -> None:
        async with simulated(venue) as server:
            watched = Watched(segment, venue, server, "full", 2, PATIENT)
            task = asyncio.ensure_future(watched.feed.run())
            await until(lambda: all(feed.is_ready for feed in watched.feeds))

            def lines() -> dict[int, dict[str, int]]:
                return {line["line"]: line for line in watched.counted["lines"]}

            def brought(line: int) -> int:
                return sum(lines().get(line, {}).get(kind, 0) for kind in ("first", "copies"))

            await until(lambda: watched.state == LIVE and min(brought(0), brought(1)) > 5)
            await watched.level()
            watched.told.states.clear()
            for _ in range(2):
                connects, ticks = watched.feeds[killed].connect_count, watched.counted["quotes"]
                # as the network ends it: no farewell, whichever socket of the venue it is
                watched.feeds[killed]._transport.underlying_transport.abort()
                await until(lambda c=connects: watched.feeds[killed].connect_count > c)
                await until(lambda t=ticks: watched.counted["quotes"] > t + 3)
                assert watched.state == LIVE
                seen = brought(killed)
                await until(lambda s=seen: brought(killed) > s + 5, what="the line is back")
            await watched.level()
            assert watched.told.states == [], "no row was told to have left LIVE"
            assert set(watched.told.dropped) == {0}
            counted = watched.counted
            assert (counted["depth_gaps"], counted["depth_malformed"]) == (0, 0)
            assert lines()[killed]["disconnects"] == 2
            assert lines()[0]["led"] + lines()[1]["led"] > 0
            assert lines()[0]["led_ns"] + lines()[1]["led_ns"] > 0
            (shown,) = [
                line for line in read_snapshot(segment).feeds[venue].lines if line.line == killed
            ]
            assert (shown.connects, shown.disconnects) == (3, 2)
            watched.feed.stop()
            await task
            assert watched.state == SYNCING, "with the last connection the row is gone"

    run(main)
