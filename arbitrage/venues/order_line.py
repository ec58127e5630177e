"""A venue's order entry on one connection; the venues' modules supply the words.

The compiled `OrderSender` encodes and sends; this class logs its connection in, reads the answers,
and watches the deadline of every order.
"""

import asyncio
import ssl
from abc import abstractmethod
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TYPE_CHECKING

from picows import ws_connect

from arbitrage.core.kill import REJECT_KILLED
from arbitrage.errors import ConnectorError, WireError
from arbitrage.instruments import Instrument
from arbitrage.venues.base import CLIENT_ID_NONE, Credentials, TradedSymbol, client_id_of, code_of
from arbitrage.venues.codes import Action
from arbitrage.venues.connection import Connector
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.limits import OrderLimits, OrderRate
from arbitrage.venues.loop_clock import loop_ns
from arbitrage.venues.reconnect import ReconnectPolicy
from arbitrage.venues.resolver import ABSENT_AFTER_S, OrderResolver
from arbitrage.venues.rest_client import ORDER_VALID_MS, RestClient
from arbitrage.venues.signed import SignedConnection

if TYPE_CHECKING:
    from arbitrage.core.gateway import OrderSender

WATCH_S = 0.02
HTTP_STATUS_END = 1000  # the venues' own codes begin above those of HTTP
CLOCK_S = 60.0  # this machine's clock may drift
CLOCK_SHOW_S = 1.0  # corrections of the clock are slewed, this machine's own may be set

# The holes of an order text, see order_frames.h.
CLIENT_ID, WALL_MS, PX, QTY, EXPIRY_MS = "\x01", "\x02", "\x03", "\x04", "\x05"
OrderTexts = tuple[bytes, bytes, bytes, bytes, bytes]


class OrderLine(SignedConnection):
    """Keep a venue's order connection logged in, and account for every order sent on it.

    Threads: one loop; `sender.poll()` is called there by the engine.

    Parameters
    ----------
    sender : OrderSender
        Gets a template per symbol here, and the connection once it is logged in.
    tracker : ExecutionTracker
        Shared with the private stream; its `on_settled` must be `sender.settle`.
    on_stop : callable, optional
        Told of an answer after which no order can be expected to pass: stop opening pairs.
    ack_timeout_s : float
        An order not known to be over after so long is asked for.
    """

    order_limits = OrderLimits()

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        rest: RestClient,
        sender: "OrderSender",
        tracker: ExecutionTracker,
        symbols: Iterable[TradedSymbol],
        *,
        on_stop: Callable[[ConnectorError], None] | None = None,
        ack_timeout_s: float = 0.3,
        absent_after_s: float = ABSENT_AFTER_S,
        ping_s: float = 15.0,
        policy: ReconnectPolicy | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connector: Connector = ws_connect,
    ) -> None:
        super().__init__(
            url,
            "order",
            credentials,
            rest,
            ping_s=ping_s,
            policy=policy,
            ssl_context=ssl_context,
            connector=connector,
        )
        self.sender = sender
        self.tracker = tracker
        self.resolver = OrderResolver(
            rest,
            tracker,
            sender.reject,
            was_accepted=sender.was_acknowledged,
            absent_after_s=absent_after_s,
        )
        self._ack_timeout_ns = int(ack_timeout_s * 1e9)
        self._names: dict[int, str] = {}
        self._symbols: dict[int, TradedSymbol] = {}
        self._over_rest = False
        self._rest_count = 0
        self._on_stop = on_stop
        for item in symbols:
            self.set_texts(item)
        self.rate = OrderRate(sender, self.order_limits, self._names)
        rest.on_order_told = self.rate.told
        rest.lets_out = sender.kill_gate.lets
        sender.set_fallback(self._place_over_rest, reducing_only=True)
        tracker.on_deficit = self.resolver.ask
        tracker.on_watched = self._on_watched

    @abstractmethod
    def order_texts(self, item: TradedSymbol) -> OrderTexts:
        """Return the marked texts: buy, sell, reduce-only buy, reduce-only sell, cancel."""

    def set_texts(self, item: TradedSymbol) -> None:
        """Give the sender a symbol's texts, or others in their place."""
        self._symbols[item.row] = item
        self._names[item.row] = item.instrument.venue_symbol
        self.sender.add_instrument(
            item.row,
            item.instrument.tick,
            item.instrument.lot,
            self.order_texts(item),
            ORDER_VALID_MS,
        )

    def regrid(self, was: Instrument, now: Instrument) -> None:
        """Have a symbol's orders leave on the grid its venue has now, with the counts of the old.

        What is open was bought in old lots and is closed in them; the strategy never learns of the
        new grid. Whole lots that the new one cannot express stay, and are told.

        Parameters
        ----------
        was : Instrument
            As loaded at the start.
        now : Instrument
            The same contract, with another tick, lot or contract value.
        """
        row = next(row for row, name in self._names.items() if name == was.venue_symbol)
        ticks = Fraction(was.tick) / Fraction(now.tick)
        lot = Fraction(was.lot) * Fraction(was.contract_base_qty) / Fraction(now.contract_base_qty)
        lots = lot / Fraction(now.lot)
        self.sender.regrid(
            row, ticks.numerator, ticks.denominator, lots.numerator, lots.denominator
        )
        self.set_texts(TradedSymbol(row=row, instrument=now))
        self.tracker.regrid(row, now, lot)
        self._log.warning(
            "%s: what is open in %s leaves on the grid of now: tick %s, lot %s",
            self.venue, was.venue_symbol, now.tick, now.lot,
        )
        if lots.denominator != 1:
            self._log.error(
                "%s: %s held in lots of %s cannot all be sold in lots of %s: what its exit leaves "
                "must be closed by hand", self.venue, was.venue_symbol, was.lot, now.lot,
            )

    @property
    def under_way(self) -> int:
        """Orders that have left, or may have, and whose end is not known."""
        return self.sender.unsettled_count + self._rest_count

    async def run(self) -> None:
        """Hold the connection and watch the deadlines until stopped."""
        watches = [
            asyncio.ensure_future(self._watch_deadlines()),
            asyncio.ensure_future(self._watch_clock()),
        ]
        try:
            if self._over_rest:
                self._ready.set()
                await self._stopping.wait()
            else:
                await super().run()
        finally:
            for watch in watches:
                watch.cancel()
            self.sender.detach()

    async def on_open(self) -> None:
        """Log in; orders leave from then on."""
        await self.login()
        self._set_clock()
        if not self._over_rest:
            self.sender.attach(self._transport)
        self.resolver.wake()

    def on_lost(self) -> None:
        """Refuse entries until the next login; what reduces goes over REST.

        Whether what was sent has arrived is not known: it is asked for.
        """
        self.sender.detach()
        self.ask_unsettled()

    def stop(self) -> None:
        """End `run`, and stop asking for orders."""
        super().stop()
        self.resolver.stop()

    def ask_unsettled(self) -> None:
        """Ask for every order whose end is not known, now: after a line was lost or came back."""
        self.resolver.wake()
        for client_id, row, sent_mono_ns in self.sender.unsettled():
            self.resolver.ask(client_id, self._names[row], sent_mono_ns)

    def answered(
        self, client_id_text: str, code: int | str, said: str, recv_mono_ns: int
    ) -> None:
        """Take the venue's answer to one order: 0 accepts, anything else as its table says."""
        client_id = client_id_of(client_id_text)
        if client_id == CLIENT_ID_NONE:
            return
        if str(code) == "0":
            self.sender.acknowledge(client_id, recv_mono_ns)
            return
        self._log.warning(
            "%s: order %d answered with code %s (%s): %s",
            self.venue, client_id, code, self.codes.of(code).meaning, said,
        )
        if self.codes.action(code) is Action.QUERY:
            doubted = self.sender.doubt(client_id, code_of(code))
            if doubted is not None:
                self.resolver.ask(client_id, self._names[doubted[1]], doubted[2])
        elif self.sender.reject(client_id, code_of(code), recv_mono_ns):
            self.tracker.forget(client_id)
        self._heed(code, said)

    def cancel_answered(self, client_id_text: str, code: int | str, said: str) -> None:
        """Take the answer to a cancel; a refusal of it says nothing about the order itself."""
        client_id = client_id_of(client_id_text)
        if client_id == CLIENT_ID_NONE or str(code) == "0":
            return
        self._log.warning(
            "%s: cancel of order %d answered with code %s (%s): %s",
            self.venue, client_id, code, self.codes.of(code).meaning, said,
        )
        for unsettled, row, sent_mono_ns in self.sender.unsettled():
            if unsettled == client_id:
                self.resolver.ask(client_id, self._names[row], sent_mono_ns)
        self._heed(code, said)

    def _heed(self, code: int | str, said: str) -> None:
        """Do what a code asks for beyond the order that it answers."""
        row = self.codes.of(code)
        if row.action is Action.THROTTLE:
            self.rate.pause(self.rest.throttle_s)
            self.rest.throttle()
        elif row.action is Action.STOP and self._on_stop is not None:
            text = self.codes.said(code, self.hide(said))
            self._on_stop(
                ConnectorError(text, venue=self.venue, code=code, is_terminal=True)
            )
        if row.is_clock:
            self.spawn(self.measure_clock())
        if row.is_reconnect:
            # orders in flight live on at the venue, this line does not
            self.drop()

    def send_over_rest(self) -> None:
        """Send orders over REST from now on: a demo venue takes none on its socket."""
        self._over_rest = True
        self.sender.detach()
        self.sender.set_fallback(self._place_over_rest)

    def _place_over_rest(
        self, client_id: int, row: int, action: int, side: int, reduce_only: bool, px: str, qty: str
    ) -> None:
        self.spawn(self._rest_order(client_id, row, action, side, reduce_only, px, qty))

    async def _rest_order(
        self, client_id: int, row: int, action: int, side: int, reduce_only: bool, px: str, qty: str
    ) -> None:
        name = self._names[row]
        self._rest_count += 1
        try:
            if action:
                await self.rest.cancel_order(name, client_id)
                return
            await self.rest.place_order(name, client_id, side, px, qty, reduce_only=reduce_only)
        except ConnectorError as error:
            if action:
                self.cancel_answered(str(client_id), error.code or "", str(error))
            elif error.code == str(REJECT_KILLED):
                if self.sender.reject(client_id, REJECT_KILLED, loop_ns()):
                    self.tracker.forget(client_id)
            # without a code of the venue's own nothing is known: no answer, or one of the network
            elif error.code is None or not (
                error.code in self.codes or code_of(error.code) >= HTTP_STATUS_END
            ):
                doubted = self.sender.doubt(client_id, 0)
                if doubted is not None:
                    self.resolver.ask(client_id, name, doubted[2])
            else:
                self.answered(str(client_id), error.code, str(error), loop_ns())
        else:
            self.sender.acknowledge(client_id, loop_ns())
        finally:
            self._rest_count -= 1

    def _on_watched(self, is_watched: bool) -> None:
        # blind, a leg could stand alone unseen: only orders that reduce leave until pushes are back
        self.sender.hold_entries(not is_watched)

    async def measure_clock(self) -> None:
        """Measure the venue's clock and stamp orders by it; a failure keeps the last offset."""
        try:
            await self.rest.sync_clock()
        except (ConnectorError, WireError) as error:
            self._log.warning("%s: clock not measured: %s", self.venue, error)
        self._set_clock()

    def _set_clock(self) -> None:
        clock = self.rest.clock
        self.sender.set_wall_offset_ms(clock.offset_ms - clock.LATE_MS)
        self.sender.show_clock(clock.offset_ms, round(clock.rtt_ms * 1000), clock.step_count)

    async def _watch_clock(self) -> None:
        while True:
            for _ in range(round(CLOCK_S / CLOCK_SHOW_S)):
                self._set_clock()
                await asyncio.sleep(CLOCK_SHOW_S)
            await self.measure_clock()

    async def _watch_deadlines(self) -> None:
        while True:
            for client_id, row, sent_mono_ns in self.sender.expire(self._ack_timeout_ns):
                self._log.warning(
                    "%s: order %d has no outcome yet; asking the venue", self.venue, client_id
                )
                self.resolver.ask(client_id, self._names[row], sent_mono_ns)
            await asyncio.sleep(WATCH_S)
