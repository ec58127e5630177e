"""The order gateways of all venues on one event loop: logged in before trading, closed after it."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from arbitrage.config import Settings
from arbitrage.core.alloc_meter import WARM, enter_path
from arbitrage.core.executions import ExecPublisher
from arbitrage.core.gateway import OrderSender
from arbitrage.core.kill import KillGate
from arbitrage.core.loop import LoopPoller
from arbitrage.core.segment import STAGES
from arbitrage.errors import ArbitrageError, ConnectorError
from arbitrage.fills import Fill, FundingPayment
from arbitrage.instruments import VENUES, Instrument
from arbitrage.runtime.connectors import VenueGateway
from arbitrage.runtime.reconciler import Reconciler
from arbitrage.runtime.strangers import Strangers
from arbitrage.runtime.threads import run_together
from arbitrage.runtime.wiring import Core
from arbitrage.trading.account_journal import AccountJournal
from arbitrage.trading.ledger import Ledger
from arbitrage.trading.paper import PaperGateway
from arbitrage.venues.base import Wallet
from arbitrage.venues.connection import Connection

__all__ = ["Gateways"]

PAPER_TURN_S = 0.001
LOGIN_S = 15.0
_log = logging.getLogger(__name__)


class Gateways:
    """Take orders from the rings to the venues and executions back.

    Threads: `run` on the gateway loop; `wait_ready` on the main thread. The ledger is written on
    the gateway loop alone; others read it after that loop has ended.
    """

    def __init__(
        self,
        settings: Settings,
        core: Core,
        ledger: Ledger,
        account: AccountJournal,
        strangers: Strangers,
    ) -> None:
        self.settings = settings
        self._core = core
        self._ledger = ledger
        self._account = account
        self._strangers = strangers
        self._ready = threading.Event()
        self._stopped_by: set[tuple[str, str]] = set()
        self._gateways: dict[str, VenueGateway] = {}
        self._publishers: dict[int, ExecPublisher] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._polls: tuple[Callable[[], int], ...] = ()
        self._cancelling: list[asyncio.Task[None]] = []
        self._cancel_wanted = False
        self.kill_gates: tuple[KillGate, ...] = ()
        self.lines: tuple[Connection, ...] = ()  # none before they are made, and in paper mode

    def wait_ready(self, timeout_s: float, check: Callable[[], None]) -> None:
        """Wait until orders can leave; `check` raises what made that impossible.

        Raises
        ------
        ConnectorError
            No login within the time.
        """
        deadline_s = time.monotonic() + timeout_s
        while not self._ready.wait(0.02):
            check()
            if time.monotonic() > deadline_s:
                raise ConnectorError(
                    f"the order gateways were not logged in within {timeout_s:g} s; "
                    "check the *_WS_URL variables and the network"
                )

    async def run(self, poller: LoopPoller) -> None:
        """Hold the gateways' connections until cancelled."""
        enter_path(WARM)  # what this loop's thread allocates, but in market data callbacks
        if self.settings.mode == "paper":
            await self._run_paper(poller)
        else:
            await self._run_venues(poller)

    async def _run_paper(self, poller: LoopPoller) -> None:
        segment = self._core.segment
        gateway = PaperGateway(
            segment.store,
            [segment.orders(venue) for venue in range(len(VENUES))],
            [self._publisher(venue) for venue in range(len(VENUES))],
            {
                item.row: item.instrument
                for items in self._core.traded_symbols.values()
                for item in items
            },
            on_fill=self._take_fill,
            position_lots=self._core.adopted_lots,
            kill_gate=KillGate(segment),
        )
        poller.add_hook(gateway.poll)
        self._begin_to_look([gateway.kill_gate], [gateway.poll])
        self._ready.set()
        while True:
            # an order on its imagined way arrives by time, which wakes no sleeping loop
            await asyncio.sleep(PAPER_TURN_S)
            gateway.poll()

    async def _run_venues(self, poller: LoopPoller) -> None:
        gateways = [self._make(index, venue) for index, venue in enumerate(VENUES)]
        self._gateways = {gateway.venue: gateway for gateway in gateways}
        for gateway, following in zip(gateways, gateways[1:] + gateways[:1], strict=True):
            gateway.sender.stand_beside(following.sender)
        self._begin_to_look(
            [gateway.sender.kill_gate for gateway in gateways],
            [gateway.sender.poll for gateway in gateways],
        )
        try:
            for gateway in gateways:
                await gateway.open()
                poller.add_hook(gateway.sender.poll)
            parts = [part for gateway in gateways for part in gateway.connections()]
            self.lines = tuple(parts)
            watches = [watch for gateway in gateways for watch in gateway.watches()]
            if self._cancel_wanted:
                self._cancel_open()
            works = [part.run() for part in parts] + [watch.run() for watch in watches]
            works.append(self._reconciler(gateways).run())
            await run_together(*works, self._announce(parts))
        finally:
            for task in self._cancelling:
                task.cancel()
            for gateway in gateways:
                await gateway.close()

    def _reconciler(self, gateways: Sequence[VenueGateway]) -> Reconciler:
        return Reconciler(
            [gateway.private for gateway in gateways],
            self._core.traded_symbols,
            self._core.strategy.pair,
            self._core.segment,
            self._core.segment.store.symbol_capacity,
            self.settings.reconcile_s,
        )

    # ---- the kill switch ---------------------------------------------------------------------

    def _begin_to_look(
        self, kill_gates: Sequence[KillGate], polls: Sequence[Callable[[], int]]
    ) -> None:
        self._polls = tuple(polls)
        self._loop = asyncio.get_running_loop()
        self.kill_gates = tuple(kill_gates)

    def look(self) -> None:
        """Have every gateway look at the kill switch now, asleep or not. Any thread, no lock."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            with suppress(RuntimeError):  # it closed just now: nothing leaves through it
                loop.call_soon_threadsafe(self._poll)

    def _poll(self) -> None:
        for poll in self._polls:
            poll()

    def has_seen(self, is_killed: bool) -> bool:
        """Whether every gateway has looked since the switch was tripped, or cleared."""
        loop = self._loop
        if loop is None or not loop.is_running():
            return True  # nothing leaves where nothing runs
        return all((gate.seen != 0) == is_killed for gate in self.kill_gates)

    def cancel_open(self) -> None:
        """Have both venues cancel what rests in the traded symbols. Any thread; returns at once."""
        self._cancel_wanted = True
        for gateway in self._gateways.values():
            gateway.canceller.reset()
        loop = self._loop
        if self._gateways and loop is not None and not loop.is_closed():
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._cancel_open)

    def _cancel_open(self) -> None:
        for task in self._cancelling:
            task.cancel()
        self._cancelling = [
            asyncio.ensure_future(gateway.canceller.run()) for gateway in self._gateways.values()
        ]

    def cancels(self) -> dict[str, dict[str, Any]]:
        """Return how far each venue's cancelling is; empty in paper mode, where nothing rests."""
        return {
            venue: {
                "confirmed": gateway.canceller.is_confirmed,
                "state": gateway.canceller.state,
                "cancelled": gateway.canceller.cancelled_count,
            }
            for venue, gateway in self._gateways.items()
        }

    def links(self) -> dict[str, dict[str, bool]]:
        """Return which lines of each venue are up; empty in paper mode."""
        return {
            venue: {
                "orders": gateway.line.is_ready,
                "private": gateway.private.is_ready,
            }
            for venue, gateway in self._gateways.items()
        }

    def wallets(self) -> dict[str, Wallet]:
        """Return what each venue last said of the wallet; none in paper mode."""
        found = {venue: gate.private.account.wallet for venue, gate in self._gateways.items()}
        return {venue: wallet for venue, wallet in found.items() if wallet is not None}

    def reject_codes(self) -> dict[str, dict[int, int]]:
        """Return how often orders of each venue were refused, by code; below 10 here."""
        return {
            VENUES[index]: dict(publisher.reject_codes)
            for index, publisher in list(self._publishers.items())
        }

    def rates(self) -> list[tuple[str, str, float, float]]:
        """Return (venue, what, used, allowed) of the request limits that are kept; a look."""
        now_s = time.monotonic()
        found: list[tuple[str, str, float, float]] = []
        for venue, gateway in self._gateways.items():
            for is_cancel, bucket in gateway.line.rate.all.items():
                what = "cancels" if is_cancel else "orders"
                found.append((venue, what, bucket.used(int(now_s * 1e9)), bucket.limit))
            rest = gateway.rest.request_limit
            found.append((venue, "REST requests", rest.used_at(now_s), rest.burst))
        return found

    def _publisher(self, index: int) -> ExecPublisher:
        self._publishers[index] = self._core.stages.publisher(index)
        return self._publishers[index]

    # ---- grids -------------------------------------------------------------------------------

    def regrid(self, was: Instrument, now: Instrument) -> None:
        """Have a symbol's orders leave on its venue's grid of now. Main thread; returns at once.

        Nothing is to be done where no orders leave: in paper mode.
        """
        gateway, loop = self._gateways.get(was.venue), self._loop
        if gateway is None or loop is None or loop.is_closed():
            return
        loop.call_soon_threadsafe(self._regrid, gateway, was, now)

    @staticmethod
    def _regrid(gateway: VenueGateway, was: Instrument, now: Instrument) -> None:
        try:
            gateway.line.regrid(was, now)
        except (ArbitrageError, ValueError, OverflowError) as error:
            _log.error(
                "%s: exits of %s still leave on the old grid, close them by hand if the venue "
                "refuses: %s", was.venue, was.venue_symbol, error,
            )

    async def _announce(self, parts: Sequence[Connection]) -> None:
        for part in parts:
            await part.wait_ready(LOGIN_S)
        self._ready.set()

    def _make(self, index: int, venue: str) -> VenueGateway:
        segment = self._core.segment
        publisher = self._publisher(index)
        sender = OrderSender(
            index,
            segment.orders(index),
            publisher,
            clock=segment.clock,
            kill_gate=KillGate(segment),
        )
        sender.keep_warm(self.settings.keep_warm)
        sender.set_histograms(
            segment.histogram(STAGES["sent"] + index),
            None,
            segment.histogram(STAGES["acknowledged"] + index),
        )
        return VenueGateway(
            self.settings,
            venue,
            self._core.traded_symbols[venue],
            sender,
            publisher,
            self._take_fill,
            self._take_funding,
            self._stop_opening,
        )

    def _stop_opening(self, error: ConnectorError) -> None:
        """Open no pair any more: one venue takes no orders. What stands may still be closed.

        Each order that was on its way may be answered with the same: it is told once.
        """
        reason = (error.venue, str(error.code or error))
        if reason not in self._stopped_by:
            self._stopped_by.add(reason)
            _log.error("no pair is opened any more: %s", error)
        self._core.segment.steer(opening_off=True)

    def _take_fill(self, fill: Fill) -> None:
        if self._ledger.apply_fill(fill):
            self._account.fill(fill)
            self._strangers.look(fill)

    def _take_funding(self, payment: FundingPayment) -> None:
        if self._ledger.apply_funding(payment):
            self._account.funding(payment)
