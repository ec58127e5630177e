"""The trader: start-up, threads, a main loop that only watches, a shutdown that ends flat.

Its threads are in `arbitrage.runtime.crew`, one whole run in `arbitrage.runtime.run`.
"""

import gc
import logging
import time
from contextlib import AsyncExitStack
from itertools import chain

from arbitrage.config import Settings
from arbitrage.core.memory import give_back_heap
from arbitrage.instruments import VENUES
from arbitrage.runtime.board_writer import BoardWriter
from arbitrage.runtime.commands import Commands
from arbitrage.runtime.connectors import open_public_rest
from arbitrage.runtime.control import ControlServer
from arbitrage.runtime.crew import Crew
from arbitrage.runtime.feed_process import processes_by_host
from arbitrage.runtime.gateways import Gateways
from arbitrage.runtime.incident_watch import IncidentWatch
from arbitrage.runtime.incidents import Incidents
from arbitrage.runtime.instrument_watch import InstrumentWatch, pause_changed
from arbitrage.runtime.kill_switch import KillSwitch
from arbitrage.runtime.kill_wish import WishWatch
from arbitrage.runtime.startup import Market
from arbitrage.runtime.state import (
    TraderState,
    journal_contracts,
    journal_positions,
)
from arbitrage.runtime.status import refusals
from arbitrage.runtime.stop_flag import StopAsked, StopFlag
from arbitrage.runtime.strangers import Strangers
from arbitrage.runtime.strategy_process import StrategyProcesses
from arbitrage.runtime.taking_over import are_quoted, take_over
from arbitrage.runtime.told import RunTold
from arbitrage.runtime.wiring import Core, build_core, make_segment, strategy_lots
from arbitrage.trading.ledger import Ledger
from arbitrage.trading.strategy_settings import strategy_words
from arbitrage.venues.connect_budget import share_caps

__all__ = ["Trader"]

HEARTBEAT_S = 0.1
ANCHOR_EVERY = 10  # heartbeats between two corrections of the clock
READY_S = 20.0
QUOTED_S = 3.0
FLATTEN_S = 5.0
KILLED_STOP_S = 1.0  # for what was under way to be heard of
LATE_FILLS_S = 0.3
SETTLE_S = 1.5  # longer than the strategy waits for late fills of a flat pair
_log = logging.getLogger(__name__)


def settle_memory() -> None:
    """Give back what the start alone needed, and let no collection look at what stays.

    What stands now stands until the end: to look through its objects again and again would hold the
    interpreter lock, and with it every frame, for tens of milliseconds each time.
    """
    gc.collect()
    gc.freeze()
    give_back_heap()


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
        self.strangers = Strangers(state.folder.path, state.run)
        self.stop_asked = StopFlag()
        self.refused_at_start: dict[str, int] | None = None  # by the gate; None: still starting
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
            self.gateways = Gateways(
                settings, self.core, self.ledger, state.account, self.strangers
            )
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
        self.board = BoardWriter(self)
        self.incident_watch.open()
        self.crew = Crew(
            settings,
            self.core,
            self.gateways,
            # the first of the loops: a start that hangs can still be killed
            {"control": self._run_control, "instruments": self._run_instruments},
        )

    # ---- start -------------------------------------------------------------------------------

    def start(self) -> None:
        """Start every thread; return when orders can leave: from then on pairs may open."""
        self.segment.steer(opening_off=True)
        self.strangers.look_at_all(self.market.recovered.fills)
        self.state.begin_day(self.core.strategy.risk)
        self._tell_run()
        self.state.start()
        self.strategies.start(self._check_strategies)
        self.crew.start()
        self.gateways.wait_ready(READY_S, self._check_start)
        self._release()
        settle_memory()
        self.segment.steer(opening_off=False)
        self.segment.mark_ready()
        self.refused_at_start = refusals(self.segment.counters()["strategy"])

    def _tell_run(self) -> None:
        """Write down what the strategy is told, where the run may be recorded."""
        if self.settings.tap_mb == 0:
            return
        told = RunTold(
            run=self.state.run,
            placement=self.settings.placed_stages,
            strategies=self.settings.strategies,
            settings={n: float(v) for n, v in strategy_words(self.settings).items()},
            lots=strategy_lots(self.segment, self.market),
            day_result_usd=self.core.strategy.risk.day_result_usd,
        )
        told.write(self.state.folder.path)

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

    async def _run_instruments(self) -> None:
        async with AsyncExitStack() as stack:
            for client in self._sources.values():
                await stack.enter_async_context(client)
            await self.instruments.run()

    def _wake_all(self) -> None:
        # also in a signal handler: nothing here waits or takes a lock that may be held
        self.gateways.look()
        self.core.stages.wake()
        self.stop_asked.nudge()

    async def _run_control(self) -> None:
        with WishWatch(self.settings.state_path, self._look_for_wish):
            await self.control.run()

    def _look_for_wish(self) -> None:
        self.kill_switch.look_for_wish()
        self.kill_switch.attend()

    # ---- watch -------------------------------------------------------------------------------

    def _check_start(self) -> None:
        self._look_for_wish()
        self.board.beat()
        self.crew.check()
        if self.stop_asked.is_set():
            raise StopAsked

    def watch(self, seconds: float | None) -> None:
        """Sleep and keep house until a stop is asked for or the time is up."""
        end_s = None if seconds is None else time.monotonic() + seconds
        beats = 0
        while not self.stop_asked.wait(HEARTBEAT_S):
            self.beat(beats)
            beats += 1
            self.crew.check()
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
        self.board.beat()
        if count % ANCHOR_EVERY == 0:
            self.segment.clock.anchor(int(ANCHOR_EVERY * HEARTBEAT_S * 1e9))
            self.state.journal.refresh_wall_offset()
            self.state.account.journal.refresh_wall_offset()

    # ---- stop --------------------------------------------------------------------------------

    def flatten(self) -> None:
        """Open nothing more and close what is open, within `FLATTEN_S`.

        What is flat by then may wait for its late fills. A killed trader sends nothing, not even to
        stop flat, unless its trip said so.
        """
        self.incident_watch.stop()
        self._look_for_wish()
        self.segment.steer(opening_off=True)
        if not self.is_silenced:
            self.segment.steer(flatten=True)
        self.core.stages.wake()
        end_s = time.monotonic() + (KILLED_STOP_S if self.is_silenced else FLATTEN_S)
        while self.core.strategy.live_pairs > 0:
            late_s = time.monotonic() - end_s
            if late_s >= SETTLE_S or (late_s >= 0 and self.left_pairs()):
                break
            self.beat(1)
            time.sleep(0.01)
        # pushes that are still under way belong to the ledger
        time.sleep(LATE_FILLS_S)

    def left_pairs(self) -> list[str]:
        """Return the symbols whose pair is neither flat nor over; while it runs a look, no more.

        A closed pair is flat and waits for late fills and their prices: nothing of it is left.
        """
        found = []
        for index in self.core.strategy.under_way():
            pair = self.core.strategy.pair(index)
            if pair["phase"] not in ("idle", "closed") or any(leg["lots"] for leg in pair["legs"]):
                found.append(self.market.symbols[index])
        return found

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
                qty = instrument.amount_text(abs(leg["lots"]))
                found.append(f"{side} {qty} of {instrument.venue_symbol} at {instrument.venue}")
        return found

    def close(self) -> None:
        """Stop every thread, in the order data flows. Safe after any failure."""
        self.incident_watch.close()
        self.strategies.stop()
        self.crew.stop_feeds()
        self.core.stages.meter_allocations()
        self.segment.steer(stop=True)
        self.core.stages.wake()
        self.crew.join()
        self.control.close()
        if not self.crew.has_stages:
            self.core.stages.close_lives()
        if not self.crew.has_loops:
            journal_positions(self.state.account, self.ledger)
