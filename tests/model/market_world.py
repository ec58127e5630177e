"""Both venues' market data in virtual time, from the simulated exchange to the compiled detector.

The connectors, feed lane, detector and row watch are the trader's own; the exchanges misbehave by
a plan. A `Witness` of its own reads the same frames with a plain JSON decoder and keeps what the
protocols say about each row, so that the trader can be judged by something that is not the trader.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping
from functools import partial
from random import Random
from typing import Any

from virtual_loop import NS, virtual_ns
from virtual_venue import LaneFace, LaneListener, VirtualVenue
from witness import Witness

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.feed import FeedLane
from arbitrage.core.records import OPPORTUNITY_DTYPE, OppEvent, RowState
from arbitrage.core.segment import Segment
from arbitrage.core.stages import Stages
from arbitrage.runtime.row_watch import RowWatch
from arbitrage.sim.fault_plan import FaultPlan
from arbitrage.venues.base import MarketSymbol
from arbitrage.venues.bybit.market_feed import BybitMarketFeed
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.host_gate import host_gate
from arbitrage.venues.okx.market_feed import OkxMarketFeed
from arbitrage.venues.okx.rest import OkxRest
from arbitrage.venues.parallel_feed import ParallelFeed

VENUES = ("bybit", "okx")
NAMES = {
    "BTCUSDT": {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"},
    "ETHUSDT": {"bybit": "ETHUSDT", "okx": "ETH-USDT-SWAP"},
}
FEEDS = {"bybit": BybitMarketFeed, "okx": OkxMarketFeed}
RESTS = {"bybit": BybitRest, "okx": OkxRest}


_numbers = itertools.count()


@contextlib.contextmanager
def segment_of(symbols: tuple[str, ...]) -> Iterator[Segment]:
    """A small segment of this process, with the symbols entered."""
    name = f"world-{os.getpid()}-{next(_numbers)}"
    segment = Segment.create(name, symbol_capacity=2, tick_capacity=1024)
    try:
        for symbol in symbols:
            index = segment.symbols.add(symbol, NAMES[symbol])
            for venue in VENUES:
                segment.store.set_instrument(segment.store.row(venue, index), taker_bps=0.0)
        yield segment
    finally:
        segment.close()


class World:
    """Both venues and the trader's market data path, wired for one run on a virtual loop."""

    def __init__(self, segment: Segment, seed: int, *, depth: str = "full", rate: int = 60,
                 turn_s: float = 0.01, connections: int = 1,
                 venues: Mapping[str, Any] | None = None) -> None:
        self.segment = segment
        self.symbols = tuple(segment.symbols)
        self.lane = FeedLane(segment, 0)
        detector = OpportunityDetector(segment.store, min_net_bps=-1000.0, min_gross_bps=None)
        self.stages = Stages(segment, detector, placement="inline")
        self.events = segment.opportunities.reader()
        self.has_books = depth != "off"
        # what one of several connections lost another may bring: no single chain to judge by
        self.witness = Witness(has_books=depth == "full" and connections == 1)
        self.venues: dict[str, Any] = {}  # VirtualVenue or SocketVenue
        self.rests: list[Any] = []
        self.feeds: dict[str, Any] = {}
        self.tasks: list[asyncio.Task[None]] = []
        self.published = 0
        self._states = dict.fromkeys(range(2 * segment.store.symbol_capacity), RowState.EMPTY)
        self.faulty: list[str] = []  # what the witness contradicts
        for number, venue in enumerate(VENUES):
            exchange = venues[venue] if venues else VirtualVenue(
                venue, symbols=self.symbols, seed=seed, rate=rate, turn_s=turn_s, depth_levels=60)
            rows = [MarketSymbol(segment.store.row(number, index), NAMES[symbol][venue], symbol)
                    for index, symbol in enumerate(self.symbols)]
            face = LaneFace(self.lane, self._after_word)
            face.on_state = self.witness.state_said
            feed = ParallelFeed([
                FEEDS[venue](
                    exchange.url(), number, face, rows, connector=exchange.connector, depth=depth,
                    line=line,
                    listener_factory=partial(LaneListener, self._after_frame, line=line,
                                             on_gone=self._line_gone))
                for line in range(connections)
            ])
            host_gate(exchange.url())._rng = Random(f"{seed}/{venue}")
            for line in feed.feeds:  # the same run for the same seed
                line._backoff._rng = Random(f"{seed}/{venue}/{line.line}")
            rest = RESTS[venue](exchange.rest_url, None, transport=exchange.rest)
            rest.open()
            self.rests.append(rest)
            watch = RowWatch(feed, self.lane, segment.store, rest.top_of_book)
            self.venues[venue], self.feeds[venue] = exchange, feed
            self.tasks += [asyncio.ensure_future(feed.run()), asyncio.ensure_future(watch.run())]
            for row in rows:
                self.witness.add(number, row.venue_symbol, row.row)
            exchange.start()

    # -- the trader's path, watched --------------------------------------------------------------

    def _after_frame(self, listener: LaneListener, payload: bytes, status: int) -> None:
        row = self.witness.frame(listener.venue, payload, virtual_ns(), listener.line)
        self._turn()
        if row is not None and self.state(row) != RowState.GAP:
            self.faulty.append(f"{virtual_ns() / NS:.3f} s: row {row} lost an update unnoticed: "
                               f"{RowState(self.state(row)).name} after {payload[:160]!r}")

    def _line_gone(self, listener: LaneListener) -> None:
        self.witness.line_gone(listener.venue, listener.line)

    def _after_word(self) -> None:
        self._turn()

    def _turn(self) -> None:
        now_ns = virtual_ns()
        self.stages.turn(now_ns)
        before, self._states = self._states, {row: self.state(row) for row in self.rows}
        for event in self.events.drain(dtype=OPPORTUNITY_DTYPE):
            if event["event"] == OppEvent.CLOSE:
                continue
            self.published += 1
            for leg in ("buy_row", "sell_row"):
                row = int(event[leg])
                problem = self.witness.problem(row, now_ns)
                # a quote is taken before silence is looked for, in one turn: a row that becomes
                # SUSPECT in it was LIVE when its price was published
                after = self._states[row]
                if not problem and after != RowState.LIVE and before[row] != RowState.LIVE:
                    problem = RowState(after).name
                if problem:
                    self.faulty.append(f"{now_ns / NS:.3f} s: published from row {row}: {problem}")

    def state(self, row: int) -> int:
        return self.segment.store.read_row(*divmod(row, self.segment.store.symbol_capacity)).state

    @property
    def rows(self) -> list[int]:
        return list(self.witness.rows.values())

    def is_live(self) -> bool:
        return all(self.state(row) == RowState.LIVE for row in self.rows)

    # -- what a test does with it ----------------------------------------------------------------

    async def live(self, limit_s: float) -> float:
        """Wait until every row is LIVE; return how long it took."""
        begun_ns = virtual_ns()
        while not self.is_live():
            if virtual_ns() - begun_ns > limit_s * NS:
                states = {row: RowState(self.state(row)).name for row in self.rows}
                raise AssertionError(f"not all rows LIVE within {limit_s} s: {states}")
            await self.pass_time(0.05)
        return (virtual_ns() - begun_ns) / NS

    async def pass_time(self, seconds: float) -> None:
        """Let time pass; the detector looks at it now and then, as it does when idle."""
        end_ns = virtual_ns() + int(seconds * NS)
        while virtual_ns() < end_ns:
            await asyncio.sleep(min(0.05, (end_ns - virtual_ns()) / NS))
            self._turn()
            for task in self.tasks:
                if task.done():
                    task.result()

    def arm(self, plan: FaultPlan) -> None:
        for venue in self.venues.values():
            venue.layer.arm(plan)

    def struck(self) -> dict[str, int]:
        """How many faults of each kind struck so far, on both venues."""
        total: dict[str, int] = {}
        for venue in self.venues.values():
            for what, count in venue.layer.counts.items():
                total[what] = total.get(what, 0) + count
        return total

    async def settle(self, limit_s: float) -> None:
        """End every fault, wait until all rows live, then let the markets stand still."""
        for venue in self.venues.values():
            venue.layer.disarm()
        await self.live(limit_s)
        # what was under way when the faults ended arrives, and every symbol speaks once more: until
        # then nobody can know of a quote that was the last one and was lost
        await self.pass_time(1.5)
        await self.live(limit_s)
        for venue in self.venues.values():
            venue.exchange.market = StillMarket()
        # books are pushed every 100 ms; on sockets the last push may take longer on a busy machine
        for _ in range(60):
            await self.pass_time(0.05)
            if not self.differences():
                break

    def differences(self) -> list[str]:
        """Where what we hold is not what the venue has; empty when all is equal."""
        found = []
        for venue, exchange in self.venues.items():
            for item in exchange.exchange.instruments:
                index = self.symbols.index(item.canonical)
                row = self.segment.store.read_row(venue, index)
                book = exchange.exchange.matcher.books[item.index]
                top = (float(item.px(book.bid_ticks)), float(item.px(book.ask_ticks)),
                       float(item.qty(book.bid_lots)), float(item.qty(book.ask_lots)))
                if row[:4] != top:
                    found.append(f"{venue} {item.canonical}: top {row[:4]}, venue {top}")
                if self.has_books:
                    found += self._book_differences(venue, item)
        return found

    def _book_differences(self, venue: str, item: Any) -> list[str]:
        index = self.symbols.index(item.canonical)
        held = self.lane.book(self.segment.store.row(venue, index))
        levels = len(held[0]) if held else 0  # books5 has five
        if held is None:
            return [f"{venue} {item.canonical}: no book is held"]
        if levels not in (5, 50, 60):
            return [f"{venue} {item.canonical}: {levels} levels are held"]
        view = self.venues[venue].exchange.book(item.name, levels)
        for what, ours, theirs in (("bids", held[0], view.bids), ("asks", held[1], view.asks)):
            true = [(float(px), float(qty)) for px, qty in theirs]
            if ours != true:
                where = next((n for n, (a, b) in enumerate(zip(ours, true, strict=False))
                              if a != b), min(len(ours), len(true)))
                return [f"{venue} {item.canonical}: {what} differ from level {where} on: "
                        f"{ours[where:where + 2]}, venue {true[where:where + 2]}"]
        ladder = self.segment.store.depth(venue, index)
        for ours, side in ((held[0], ladder.bids), (held[1], ladder.asks)):
            if [tuple(level) for level in side] != ours[:10]:
                return [f"{venue} {item.canonical}: the published ladder differs"]
        return []

    async def close(self) -> None:
        for feed in self.feeds.values():
            feed.stop()
        for venue in self.venues.values():
            venue.stop()
        for task in self.tasks[1::2]:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for rest in self.rests:
            await rest.close()


class StillMarket:
    """No quote comes any more; the last ones stand."""

    ended = False

    def advance(self, now_ns: int, sink: Any) -> None:
        """Nothing is due."""

    def regrid(self, item: Any) -> None:
        """Nothing is kept in units."""
