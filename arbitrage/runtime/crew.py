"""The crew of a trader: its threads and event loops, made, started, watched and joined.

With their roles as ``top -H`` shows them::

    feed                 event loop of the public connections; in feed_mode loop of the gateways too
    feed-bybit feed-okx  one each in feed_mode threads; processes of their own in processes
    gateway              event loop of the order gateways when the feeds do not share one
    detector, strategy   placement split;  fused: one thread for both;  inline: none
    instruments          event loop that reads the traded contracts again, now and then
    control              event loop of the control socket and the kill file
    journal, account     make the journals' next files in time, sync them where that is asked for
    main                 sleeps, beats the heart, keeps the clock, watches for signals
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from arbitrage.config import Settings
from arbitrage.core.feed import FeedLane
from arbitrage.core.loop import LoopPoller
from arbitrage.errors import ArbitrageError
from arbitrage.instruments import VENUES
from arbitrage.runtime.book_teller import tell_books
from arbitrage.runtime.connectors import make_public_feed, open_public_rest
from arbitrage.runtime.feed_process import FeedProcesses
from arbitrage.runtime.gateways import Gateways
from arbitrage.runtime.row_watch import RowWatch
from arbitrage.runtime.threads import HotThread, LoopThread, run_together, spread_cores
from arbitrage.runtime.wiring import Core

__all__ = ["Crew", "run_feeds"]

INLINE_SLEEP_MIN_S = 0.001  # of an event loop's timer
JOIN_S = 5.0
Work = Callable[[], Coroutine[Any, Any, None]]
_log = logging.getLogger(__name__)


async def run_feeds(
    settings: Settings, core_symbols: dict[str, Any], lane: FeedLane, venues: Sequence[str]
) -> None:
    """Hold the public connections of some venues on the running loop until cancelled."""
    feeds = [make_public_feed(settings, venue, lane, core_symbols[venue]) for venue in venues]
    async with AsyncExitStack() as opened:
        works = []
        for venue, feed in zip(venues, feeds, strict=True):
            opened.callback(feed.stop)
            rest = await opened.enter_async_context(open_public_rest(settings, venue))
            works += [
                feed.run(),
                RowWatch(feed, lane, lane.segment.store, rest.top_of_book).run(),
            ]
        if settings.tap_mb > 0 and settings.depth != "off":
            rows = [item.row for venue in venues for item in core_symbols[venue]]
            works.append(tell_books(lane, rows))
        await run_together(*works)


class Crew:
    """Everything of a trader that runs beside its main thread.

    Threads: made, started, watched and joined by the main thread.

    Parameters
    ----------
    settings : Settings
    core : Core
        Stages and segment.
    gateways : Gateways
    side : mapping
        role -> coroutine function, each on an event loop of its own that never spins: what may
        wait where an order may not. They start first, in this order.
    """

    def __init__(
        self, settings: Settings, core: Core, gateways: Gateways, side: Mapping[str, Work]
    ) -> None:
        self.settings = settings
        self.loops: list[LoopThread] = []
        self.stage_threads: list[HotThread] = []
        self._core = core
        self._gateways = gateways
        self._side = side
        self._feed_processes: FeedProcesses | None = None
        self._failure: BaseException | None = None

    # ---- start -------------------------------------------------------------------------------

    def start(self) -> None:
        """Start every thread; what fails in one of them shows in `check`."""
        self._start_stages()
        for role, work in self._side.items():
            self._loop(role, None, self._aside(work), loop_mode="block")
        self._make_loops()
        segment = self._core.segment
        for loop in self.loops:
            loop.start()
            segment.register_thread(loop.role, loop.tid, loop.core)

    @staticmethod
    def _aside(work: Work) -> Callable[[LoopThread], Any]:
        async def run(_thread: LoopThread) -> None:
            await work()

        return run

    def _start_stages(self) -> None:
        stages, settings = self._core.stages, self.settings
        runs: dict[str, tuple[int | None, Callable[[int | None], None]]] = {}
        if stages.placement == "split":
            runs["detector"] = (settings.detector_core, stages.run_detector)
            runs["strategy"] = (settings.strategy_core, stages.run_strategy)
        elif stages.placement == "fused":
            runs["fused"] = (settings.detector_core, stages.run_fused)
        for role, (core, run) in runs.items():
            thread = HotThread(role, core, partial(run, core))
            thread.start()
            self.stage_threads.append(thread)

    def _make_loops(self) -> None:
        cores = spread_cores(self.settings.websocket_cores, len(VENUES) + 1)
        if self.settings.feed_mode == "loop":
            gateway_loop = self._loop("feed", cores[0], self._run_all)
        else:
            gateway_loop = self._loop("gateway", cores[-1], self._run_gateways)
            if self.settings.feed_mode == "threads":
                for index, venue in enumerate(VENUES):
                    self._loop(f"feed-{venue}", cores[index], self._feed_of(index, venue))
            else:
                self._feed_processes = FeedProcesses(self._core.segment.name, cores)
                self._feed_processes.start()
        self._core.stages.ring_bell_of(gateway_loop.poller)

    def _loop(
        self,
        role: str,
        core: int | None,
        main: Callable[[LoopThread], Any],
        *,
        loop_mode: str | None = None,
    ) -> LoopThread:
        mode, spin_us = loop_mode or self.settings.loop_mode, self.settings.spin_us
        loop = LoopThread(role, core, main, loop_mode=mode, spin_us=spin_us)
        self.loops.append(loop)
        return loop

    def _feed_of(self, index: int, venue: str) -> Callable[[LoopThread], Any]:
        async def run(thread: LoopThread) -> None:
            lane = FeedLane(self._core.segment, index)
            lane.attach_loop(thread.poller)
            if self.settings.keep_warm:
                thread.poller.set_idle_hook(lane.keep_warm)
            await run_feeds(self.settings, self._core.market_symbols, lane, (venue,))

        return run

    async def _run_gateways(self, thread: LoopThread) -> None:
        await self._gateways.run(thread.poller)

    async def _run_all(self, thread: LoopThread) -> None:
        stages = self._core.stages
        lane = FeedLane(self._core.segment, 0)
        inline = stages.placement == "inline"
        lane.attach_loop(thread.poller, stages if inline else None)
        works = [
            self._gateways.run(thread.poller),
            self._guard(run_feeds(self.settings, self._core.market_symbols, lane, VENUES)),
        ]
        if inline:
            thread.poller.set_first_hook(stages.turn)
            works.append(self._inline_timer(thread.poller))
        if self.settings.keep_warm:
            thread.poller.set_idle_hook(lane.keep_warm)
        await run_together(*works)

    async def _guard(self, feeds: Coroutine[Any, Any, None]) -> None:
        """Keep a feed's failure for the main thread: the gateways must live on to flatten."""
        try:
            await feeds
        except Exception as error:
            self._failure = error

    async def _inline_timer(self, poller: LoopPoller) -> None:
        # timers are due when nothing comes, too
        while True:
            poller.look()
            await asyncio.sleep(max(INLINE_SLEEP_MIN_S, self._core.stages.sleep_s))

    # ---- watch and stop ----------------------------------------------------------------------

    def check(self) -> None:
        """Raise what ended a feed or a thread that should still run."""
        if self._failure is not None:
            raise self._failure
        for thread in [*self.loops, *self.stage_threads]:
            if thread.error is not None:
                raise thread.error
            if not thread.is_alive:
                raise ArbitrageError(f"the {thread.role} thread ended unexpectedly")
        if self._feed_processes is not None:
            self._feed_processes.check()

    def stop_feeds(self) -> None:
        """Stop the feed processes, where there are any: no frame comes any more."""
        if self._feed_processes is not None:
            self._feed_processes.stop()

    def join(self) -> None:
        """Wait for every thread after the segment's stop word was raised and the stages woken."""
        for thread in self.stage_threads:
            if not thread.join(JOIN_S):
                _log.error("the %s thread did not stop", thread.role)
        for loop in self.loops:
            loop.cancel()
        for loop in self.loops:
            if not loop.join(JOIN_S):
                _log.error("the %s loop did not stop", loop.role)

    @property
    def has_stages(self) -> bool:
        """Whether a thread of detector or strategy runs."""
        return any(thread.is_alive for thread in self.stage_threads)

    @property
    def has_loops(self) -> bool:
        """Whether an event loop runs."""
        return any(loop.is_alive for loop in self.loops)
