"""The trader: start-up, threads, a main loop that only watches, a shutdown that ends flat.

Threads of a trader, with their roles as ``top -H`` shows them::

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
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import chain
from types import FrameType
from typing import Any

from arbitrage.config import Settings
from arbitrage.core.feed import FeedLane
from arbitrage.errors import ArbitrageError, ConnectorError
from arbitrage.instruments import VENUES
from arbitrage.runtime.commands import Commands
from arbitrage.runtime.connectors import make_public_feed, open_public_rest
from arbitrage.runtime.control import ControlServer
from arbitrage.runtime.feed_process import FeedProcesses, processes_by_host
from arbitrage.runtime.gateways import Gateways
from arbitrage.runtime.incident_watch import IncidentWatch
from arbitrage.runtime.incidents import Incidents
from arbitrage.runtime.instrument_watch import InstrumentWatch, pause_changed
from arbitrage.runtime.kill_switch import KillSignals, KillSwitch
from arbitrage.runtime.kill_wish import WishWatch
from arbitrage.runtime.report import build_report, write_report
from arbitrage.runtime.row_watch import RowWatch
from arbitrage.runtime.startup import Market, load_market
from arbitrage.runtime.state import (
    TraderState,
    journal_contracts,
    journal_positions,
    open_state,
)
from arbitrage.runtime.stop_flag import StopFlag
from arbitrage.runtime.strategy_process import StrategyProcesses
from arbitrage.runtime.taking_over import are_quoted, take_over
from arbitrage.runtime.threads import HotThread, LoopThread, run_together, spread_cores
from arbitrage.runtime.wiring import Core, build_core, make_segment
from arbitrage.trading.ledger import Ledger
from arbitrage.trading.strategy_host import check_names
from arbitrage.venues.connect_budget import share_caps
from arbitrage.wording import counted

__all__ = ["Trader", "run_feeds", "run_trader"]

HEARTBEAT_S = 0.1
ANCHOR_EVERY = 10  # heartbeats between two corrections of the clock
INLINE_TIMER_S = 0.005  # inline stages also look at their timers when no frame comes
READY_S = 20.0
QUOTED_S = 3.0
FLATTEN_S = 5.0
KILLED_STOP_S = 1.0  # for what was under way to be heard of
LATE_FILLS_S = 0.3
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
        await run_together(*works)


class StopAsked(Exception):
    """A signal came before the trader was ready."""


class Trader:
    """One run, from the venues' first answer to the last position closed.

    Threads: made, started, watched and closed by the main thread.
    """

    def __init__(self, settings: Settings, market: Market, state: TraderState) -> None:
        self.settings = settings
        self.market = market
        self.state = state
        self.ledger = Ledger(x for found in market.instruments.values() for x in found.values())
        self.incidents = Incidents()
        self.stop_asked = StopFlag()
        self._failure: BaseException | None = None
        share_caps(processes_by_host(settings))
        lane_count = 1 if settings.feed_mode == "loop" else len(VENUES)
        self.segment = make_segment(settings, lane_count, state.run)
        try:
            self.core: Core = build_core(settings, market, self.segment, state.journal)
            traded = self.core.traded_symbols.values()
            journal_contracts(
                state.journal,
                state.account,
                chain.from_iterable(traded),
                self.segment.store.symbol_capacity,
            )
            take_over(self.core, state, self.ledger, market.recovered, self.incidents)
            self.strategies = StrategyProcesses(settings, self.core.strategy, state.run)
            self.gateways = Gateways(settings, self.core, self.ledger, state.account)
            self.incident_watch = IncidentWatch(
                self.segment,
                self.incidents,
                market.symbols,
                market_lines=settings.connections_per_venue,
                lines=lambda: self.gateways.lines,
            )
            self._sources = {venue: open_public_rest(settings, venue) for venue in VENUES}
            self.instruments = InstrumentWatch(
                market.instruments, self._sources, settings.instrument_refresh_s
            )
            self.kill_switch = KillSwitch(
                self.segment,
                settings.state_path,
                on_trip=self._wake_all,
                on_told=self.gateways.cancel_open,
            )
            self.kill_switch.restore()
            self.control = ControlServer(settings.state_path, Commands(self).answer)
            self.control.listen()
        except BaseException:
            self.segment.close()
            raise
        self.incident_watch.open()
        self.loops: list[LoopThread] = []
        self.stage_threads: list[HotThread] = []
        self.feed_processes: FeedProcesses | None = None

    # ---- start -------------------------------------------------------------------------------

    def start(self) -> None:
        """Start every thread; return when orders can leave: from then on pairs may open."""
        self.segment.steer(opening_off=True)
        self.state.begin_day(self.core.strategy.risk)
        self.state.start()
        self.strategies.start(self._check_strategies)
        self._start_stages()
        # the first of the loops: a start that hangs can still be killed
        self._loop("control", None, self._run_control, loop_mode="block")
        self._make_loops()
        for loop in self.loops:
            loop.start()
            self.segment.register_thread(loop.role, loop.tid, loop.core)
        self.gateways.wait_ready(READY_S, self._check_start)
        self._release()
        self.segment.steer(opening_off=False)
        self.segment.mark_ready()

    def _release(self) -> None:
        """Let pairs of an earlier run go on: their orders can leave now, at prices that are known.

        A row that stays silent holds the others up no longer than `QUOTED_S`.
        """
        end_s = time.monotonic() + QUOTED_S
        while not are_quoted(self.core) and time.monotonic() < end_s:
            self._check_start()
            time.sleep(0.01)
        self.core.strategy.release()
        self.core.stages.wake()

    def _check_strategies(self) -> None:
        self.segment.heartbeat()
        if self.stop_asked.is_set():
            raise StopAsked

    def _start_stages(self) -> None:
        stages, settings = self.core.stages, self.settings
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
                self.feed_processes = FeedProcesses(self.segment.name, cores)
                self.feed_processes.start()
        self.core.stages.ring_bell_of(gateway_loop.poller)
        # of its own and never spinning: reading a contract may wait, an order may not
        self._loop("instruments", None, self._run_instruments, loop_mode="block")

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
            lane = FeedLane(self.segment, index)
            lane.attach_loop(thread.poller)
            await run_feeds(self.settings, self.core.market_symbols, lane, (venue,))

        return run

    def _wake_all(self) -> None:
        # also in a signal handler: nothing here waits or takes a lock that may be held
        self.gateways.look()
        self.core.stages.wake()
        self.stop_asked.nudge()

    async def _run_control(self, _thread: LoopThread) -> None:
        with WishWatch(self.settings.state_path, self._look_for_wish):
            await self.control.run()

    def _look_for_wish(self) -> None:
        self.kill_switch.look_for_wish()
        self.kill_switch.attend()

    async def _run_instruments(self, _thread: LoopThread) -> None:
        async with AsyncExitStack() as stack:
            for client in self._sources.values():
                await stack.enter_async_context(client)
            await self.instruments.run()

    async def _run_gateways(self, thread: LoopThread) -> None:
        await self.gateways.run(thread.poller)

    async def _run_all(self, thread: LoopThread) -> None:
        stages = self.core.stages
        lane = FeedLane(self.segment, 0)
        inline = stages.placement == "inline"
        lane.attach_loop(thread.poller, stages if inline else None)
        works = [
            self.gateways.run(thread.poller),
            self._guard(run_feeds(self.settings, self.core.market_symbols, lane, VENUES)),
        ]
        if inline:
            works.append(self._inline_timer())
        await run_together(*works)

    async def _guard(self, feeds: Coroutine[Any, Any, None]) -> None:
        """Keep a feed's failure for the main thread: the gateways must live on to flatten."""
        try:
            await feeds
        except Exception as error:
            self._failure = error

    async def _inline_timer(self) -> None:
        while True:
            self.core.stages.turn()
            await asyncio.sleep(INLINE_TIMER_S)

    # ---- watch -------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise what ended a feed or a thread that should still run."""
        if self._failure is not None:
            raise self._failure
        for thread in [*self.loops, *self.stage_threads]:
            if thread.error is not None:
                raise thread.error
            if not thread.is_alive:
                raise ArbitrageError(f"the {thread.role} thread ended unexpectedly")
        if self.feed_processes is not None:
            self.feed_processes.check()

    def _check_start(self) -> None:
        self._look_for_wish()
        self.check()
        if self.stop_asked.is_set():
            raise StopAsked

    def watch(self, seconds: float | None) -> None:
        """Sleep and keep house until a stop is asked for or the time is up."""
        end_s = None if seconds is None else time.monotonic() + seconds
        beats = 0
        while not self.stop_asked.wait(HEARTBEAT_S):
            self.beat(beats)
            beats += 1
            self.check()
            if end_s is not None and time.monotonic() >= end_s:
                return

    def beat(self, count: int) -> None:
        """Show that the trader lives, stop changed symbols, and keep the clock true."""
        self.segment.heartbeat()
        self._look_for_wish()
        pause_changed(self.instruments, self.segment)
        for was, now in self.instruments.take_regrids():
            self.gateways.regrid(was, now)
        if self.state.lost is not None:
            self.segment.steer(opening_off=True)
        self.core.stages.meter_allocations()
        self.incident_watch.beat()
        self.strategies.beat()
        if count % ANCHOR_EVERY == 0:
            self.segment.clock.anchor(int(ANCHOR_EVERY * HEARTBEAT_S * 1e9))
            self.state.journal.refresh_wall_offset()
            self.state.account.journal.refresh_wall_offset()

    # ---- stop --------------------------------------------------------------------------------

    def flatten(self) -> int:
        """Open nothing more and close what is open; return pairs still live after `FLATTEN_S`.

        A killed trader sends nothing, not even to stop flat, unless its trip said so.
        """
        self.incident_watch.stop()
        self._look_for_wish()
        self.segment.steer(opening_off=True)
        if not self.is_silenced:
            self.segment.steer(flatten=True)
        self.core.stages.wake()
        end_s = time.monotonic() + (KILLED_STOP_S if self.is_silenced else FLATTEN_S)
        while self.core.strategy.live_pairs > 0 and time.monotonic() < end_s:
            self.beat(1)
            time.sleep(0.01)
        # pushes that are still under way belong to the ledger
        time.sleep(LATE_FILLS_S)
        return self.core.strategy.live_pairs

    @property
    def is_silenced(self) -> bool:
        """Whether the kill switch has tripped and nothing may leave, not even to flatten."""
        controls = self.segment.controls
        return controls["kill"] and not controls["flatten"]

    def standing_legs(self) -> list[str]:
        """Return what the strategy still holds, a leg each. After the stages have stopped."""
        return [text for index in range(len(self.market.symbols)) for text in self.legs_of(index)]

    def legs_of(self, index: int) -> list[str]:
        """Return what the strategy holds of one symbol; while it runs a look, no more."""
        found: list[str] = []
        by_row = {
            item.row: item.instrument
            for items in self.core.traded_symbols.values()
            for item in items
        }
        # the first leg bought to enter, the second sold; lots count in that direction
        for leg, direction in zip(self.core.strategy.pair(index)["legs"], (1, -1), strict=True):
            instrument = by_row.get(leg["row"])
            if leg["lots"] and instrument is not None:
                side = "long" if leg["lots"] * direction > 0 else "short"
                qty = instrument.qty_text(abs(leg["lots"]))
                found.append(f"{side} {qty} {instrument.venue_symbol} at {instrument.venue}")
        return found

    def close(self) -> None:
        """Stop every thread, in the order data flows. Safe after any failure."""
        self.incident_watch.close()
        self.strategies.stop()
        if self.feed_processes is not None:
            self.feed_processes.stop()
        self.core.stages.meter_allocations()
        self.segment.steer(stop=True)
        self.core.stages.wake()
        for thread in self.stage_threads:
            if not thread.join(5.0):
                _log.error("the %s thread did not stop", thread.role)
        for loop in self.loops:
            loop.cancel()
        for loop in self.loops:
            if not loop.join(5.0):
                _log.error("the %s loop did not stop", loop.role)
        self.control.close()
        if not any(thread.is_alive for thread in self.stage_threads):
            self.core.stages.close_lives()
        if not any(loop.is_alive for loop in self.loops):
            journal_positions(self.state.account, self.ledger)


def install_signals(trader: Trader) -> None:
    """Let SIGTERM and SIGINT ask for a stop; a second one does not hurry the flattening."""

    def ask(number: int, _frame: FrameType | None) -> None:
        _log.info("%s: closing every pair, then stopping", signal.Signals(number).name)
        trader.stop_asked.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)


def run_trader(
    settings: Settings, *, seconds: float | None = None, report: str | None = None
) -> int:
    """Run a trader to its end; return the exit code (0: stopped flat).

    SIGUSR1 trips its kill switch, SIGUSR2 does and flattens; SIGTERM and SIGINT stop it.

    Parameters
    ----------
    settings : Settings
    seconds : float or None
        Stop after so long; None: until a signal.
    report : str or None
        Where to write the run's figures as JSON; ``-`` is stdout.
    """
    check_names(settings.strategies)
    kill_signals = KillSignals()
    kill_signals.install()
    state = open_state(settings)
    try:
        market = asyncio.run(load_market(settings, state.past))
        trader = Trader(settings, market, state)
        install_signals(trader)
        kill_signals.hand_to(trader.kill_switch)
        started_s = time.monotonic()
        live_pairs = 0
        try:
            try:
                trader.start()
                _log.info(
                    "%s: trading %s in mode %s, run %d",
                    settings.name,
                    ",".join(market.symbols),
                    settings.mode,
                    state.run,
                )
                trader.watch(seconds)
            except StopAsked:
                _log.info("stopped before the gateways were ready")
            finally:
                live_pairs = trader.flatten() if trader.loops else 0
                figures = build_report(
                    trader.segment,
                    trader.ledger,
                    mode=settings.mode,
                    seconds=time.monotonic() - started_s,
                )
                figures |= trader.incident_watch.figures()
                figures["strategies"] = trader.strategies.figures
                trader.close()
                figures["opportunities"]["closed"] = trader.segment.counters()["detector"]["closed"]
                if report is not None:
                    write_report(figures, report)
        finally:
            trader.strategies.close()
            trader.segment.close()
    finally:
        kill_signals.leave_word(settings.state_path)
        state.close()
    return tell_outcome(trader, live_pairs, figures["pairs"]["closed"])


def tell_outcome(trader: Trader, live_pairs: int, closed: int) -> int:
    """Say how a run ended; 0 when flat.

    Raises
    ------
    ConnectorError
        Something stands; every leg of it is named.
    """
    if live_pairs:
        standing = ", ".join(trader.standing_legs()) or "nothing by our count"
        if trader.is_silenced:
            raise ConnectorError(
                f"stopped while killed, so nothing was closed; {counted(live_pairs, 'pair')} left, "
                f"standing: {standing}; close these at the venues, or start again and say "
                "arb flatten",
                is_terminal=True,
            )
        raise ConnectorError(
            f"{counted(live_pairs, 'pair')} could not be closed within {FLATTEN_S:g} s; "
            f"standing: {standing}; close these at the venues now",
            is_terminal=True,
        )
    totals = trader.ledger.totals()
    net = totals["realised"] + totals["fees"] + totals["funding"]
    _log.info("stopped flat: %s closed, net %+.2f USD", counted(closed, "pair"), net)
    return 0
