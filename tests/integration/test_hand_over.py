"""OKX's upgrade notice: a second connection first, and only then the old one is left."""

import asyncio
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from patience import LIMIT_S
from venue_kit import (
    ACK,
    DONE,
    FILL,
    MARKET,
    NAMES,
    QUICK,
    REJECT,
    SENT,
    desk,
    run,
    simulated,
    until,
)

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.feed import FeedLane
from arbitrage.core.records import RowState
from arbitrage.core.segment import Segment
from arbitrage.core.stages import Stages
from arbitrage.sim.server import SimServer, text_frame
from arbitrage.venues import hand_over
from arbitrage.venues.base import MarketSymbol
from arbitrage.venues.parallel_feed import ParallelFeed
from arbitrage.venues.public_feed import compiled_listener

NOTICE = text_frame(
    b'{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service '
    b'upgrade. Please reconnect.","connId":"a"}'
)


def announce(server: SimServer) -> Callable[[], None]:
    """Tell every socket of now that it will be closed; returns what closes it."""
    told = list(server.sockets.values())
    for socket in told:
        socket.send(NOTICE)

    def close() -> None:
        for socket in told:
            socket.close(4006, "upgrade")

    return close


@pytest.fixture
def segment() -> Iterator[Segment]:
    made = Segment.create(f"test-hand-{os.getpid()}-{uuid.uuid4().hex[:6]}", symbol_capacity=4)
    made.symbols.add("BTCUSDT", dict(NAMES))
    for venue in NAMES:
        made.store.set_instrument(made.store.row(venue, 0))
    yield made
    made.close()


class Watched:
    """One row of OKX behind some connections, looked at all the time."""

    def __init__(self, segment: Segment, server: SimServer, depth: str, lines: int) -> None:
        self.segment = segment
        lane = FeedLane(segment, 0)
        detector = OpportunityDetector(segment.store)
        lane.attach_loop(None, Stages(segment, detector, placement="inline", wait="spin"))
        symbols = [MarketSymbol(segment.store.row("okx", 0), NAMES["okx"], "BTCUSDT")]

        def listening(*args: Any, line: int = 0) -> Any:
            return compiled_listener(*args, line)

        self.feeds = [
            MARKET["okx"](
                server.urls["public_ws_url"], 1, lane, symbols, depth=depth, line=line,
                listener_factory=lambda *args, line=line: listening(*args, line=line),
                policy=QUICK, ping_s=0.5,
            )
            for line in range(lines)
        ]
        self.feed: Any = self.feeds[0] if lines == 1 else ParallelFeed(self.feeds)
        self.states: set[int] = set()

    async def watch(self) -> None:
        while True:
            self.states.add(int(self.segment.store.read_row("okx", 0).state))
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(("depth", "lines"), [("off", 1), ("full", 1), ("full", 2)])
def test_no_row_loses_live_when_the_venue_upgrades(
    segment: Segment, depth: str, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand_over, "SETTLE_S", 0.3)

    async def main() -> None:
        async with simulated("okx") as server:
            watched = Watched(segment, server, depth, lines)
            task = asyncio.ensure_future(watched.feed.run())
            await until(lambda: segment.store.read_row("okx", 0).state == RowState.LIVE)
            await until(lambda: all(feed.is_ready for feed in watched.feeds))
            await asyncio.sleep(0.3)
            before = set(server.sockets)
            watching = asyncio.ensure_future(watched.watch())
            close = announce(server)
            await until(lambda: all(feed.is_leaving for feed in watched.feeds), what="the notice")
            await until(
                lambda: not any(feed.is_leaving for feed in watched.feeds), what="the hand-over"
            )
            await asyncio.sleep(0.2)
            assert not before & set(server.sockets), "the old connections are left"
            close()  # what is left already is nothing to lose
            await asyncio.sleep(0.1)
            assert len(server.sockets) == lines, "nobody stands in any more"
            assert watched.states == {RowState.LIVE}
            assert watched.feed.connect_count == 2 * lines
            watching.cancel()
            watched.feed.stop()
            await task

    run(main)


def test_a_venue_that_closes_early_costs_no_more_than_a_reconnect(segment: Segment) -> None:
    async def main() -> None:
        async with simulated("okx") as server:
            watched = Watched(segment, server, "full", 1)
            task = asyncio.ensure_future(watched.feed.run())
            await until(lambda: segment.store.read_row("okx", 0).state == RowState.LIVE)
            announce(server)()
            await until(lambda: watched.feed.connect_count >= 2)
            await until(lambda: segment.store.read_row("okx", 0).state == RowState.LIVE)
            watched.feed.stop()  # in the middle of the hand-over
            await task
            await until(lambda: not server.sockets)
            assert watched.feed.connect_count == 2, "one reconnect, and none after the stop"

    run(main)


def test_no_order_is_refused_when_the_venue_upgrades() -> None:
    """Orders leave and their ends come back while both private sockets are handed over."""

    async def main() -> None:
        async with desk("okx") as made:
            before = set(made.server.sockets)
            close = announce(made.server)
            sent: list[int] = []
            while not (made.gateway.connect_count == 2 and made.private.connect_count == 2):
                sent.append(made.order(side=len(sent) % 2, lots=1))
                await asyncio.sleep(0.06)  # inside the venue's limit, whatever the hand-over takes
            for _ in range(20):
                sent.append(made.order(side=len(sent) % 2, lots=1))
                await asyncio.sleep(0.06)  # inside the venue's limit, whatever the hand-over takes
            for client_id in sent:
                events = await made.ended(client_id)
                assert REJECT not in events
                # pushes may overtake the acknowledgement, which then says nothing new
                assert set(events) - {ACK} == {SENT, FILL, DONE}
            assert len(made.fills) == len({fill.trade_id for fill in made.fills}) >= len(sent)
            await until(lambda: not before & set(made.server.sockets), what="the old are left")
            close()
            await asyncio.sleep(0.3)  # the venue's own end of the old ones is nobody's loss
            assert made.gateway.connect_count == made.private.connect_count == 2
            assert made.sender.is_attached

    run(main)


def test_a_line_that_finds_no_other_serves_until_the_venue_ends_it() -> None:
    async def main() -> None:
        async with desk("okx") as made:
            connect = made.gateway._connector

            async def refuse(*_: Any, **__: Any) -> Any:
                raise ConnectionRefusedError

            made.gateway._connector = refuse
            close = announce(made.server)
            await asyncio.sleep(0.5)
            assert DONE in await made.ended(made.order())
            assert made.gateway.connect_count == 1
            made.gateway._connector = connect
            close()
            await until(lambda: made.gateway.connect_count == 2 and made.gateway.is_ready)
            with suppress(TimeoutError):
                await made.private.wait_ready(LIMIT_S)
            assert DONE in await made.ended(made.order())

    run(main)
