"""One WebSocket connection that keeps itself alive: connect, log in, ping, watch, come back.

The market feeds, the private feeds and the order gateways are this loop with different data.
"""

import asyncio
import logging
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any

from picows import WSError, WSListener, WSMsgType, WSTransport, ws_connect

from arbitrage.errors import ConnectorError, WireError
from arbitrage.secret import MaskedLog
from arbitrage.venues.connect_budget import ConnectBudget, connect_budget
from arbitrage.venues.host_gate import host_gate
from arbitrage.venues.loop_clock import loop_s
from arbitrage.venues.metered_protocol import WARM, meter_protocol
from arbitrage.venues.reconnect import Backoff, ReconnectPolicy
from arbitrage.venues.socket_listener import MessageHandler, SocketListener
from arbitrage.venues.tls import context_for

__all__ = ["Connection", "Connector", "MessageHandler", "SocketListener"]

# Who probes a host that does not answer keeps that part for so long: a pause, a turn, an attempt.
PROBE_S = 25.0
LINGER_S = 1.0  # a line that was left is read on for so long

Connector = Callable[..., Awaitable[tuple[WSTransport, WSListener]]]
"""`await connector(listener_factory, url, ssl_context=...)` -> (transport, listener)."""


def _leave(transport: WSTransport) -> None:
    if not transport.is_disconnected:
        transport.send_close()
        transport.disconnect(graceful=False)


def _retrieve(future: "asyncio.Future[Any]") -> None:
    # an error nobody waits for any more is not worth a message at exit
    if not future.cancelled():
        future.exception()


class Connection(ABC):
    """Keep one connection to a venue until stopped.

    Threads: everything runs on the loop that runs `run`. A subclass says what to send after the
    handshake, what to do with messages, and what to do when the line is lost.

    Parameters
    ----------
    venue : str
        Venue name, for messages.
    label : str
        What the connection is for: ``market data``, ``private data``, ``orders``.
    url : str
        ``ws://`` or ``wss://``.
    ping : bytes
        The heartbeat text frame.
    ping_s : float
        Time between heartbeats; the line is dropped when nothing at all came for twice as long
        and after two of them: a process that was stopped for a while asks before it blames.
    connector : callable
        Opens the line; picows' own unless the venue is reached otherwise.
    """

    alloc_path = WARM  # whose its reading's allocations are, where they are counted

    def __init__(
        self,
        *,
        venue: str,
        label: str,
        url: str,
        ping: bytes,
        ping_s: float = 15.0,
        open_timeout_s: float = 10.0,
        policy: ReconnectPolicy | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connector: Connector = ws_connect,
    ) -> None:
        self.venue = venue
        self.label = label
        self.url = url
        self.last_error: BaseException | None = None
        self.connect_count = 0
        self.disconnect_count = 0
        self.wire_error_count = 0
        self.connect_budget: ConnectBudget | None = None  # None: that of the URL's host
        self._ping = ping
        self._ping_s = ping_s
        self._open_timeout_s = open_timeout_s
        self._backoff = Backoff(policy or ReconnectPolicy())
        self._ssl_context = ssl_context or context_for(url)
        self._connector = connector
        self._transport: WSTransport | None = None
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._failure: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[Any] | None = None
        self._move_asked = asyncio.Event()
        self._heard_s = 0.0
        self._unanswered = 0  # pings since anything was heard
        self._log = MaskedLog(logging.getLogger(f"arbitrage.venues.{venue}"), self.hide)

    # ---- what a subclass says -------------------------------------------------------------------

    @abstractmethod
    async def on_open(self) -> None:
        """Log in and subscribe; the connection is ready when this returns."""

    @abstractmethod
    def on_message(self, payload: bytes, recv_mono_ns: int) -> None:
        """Take one text message. Must not block."""

    def hide(self, text: str) -> str:
        """Mask what must not be shown of a text that may quote the venue."""
        return text

    def on_lost(self) -> None:  # noqa: B027
        """React to the end of a connection that had been opened."""

    def make_listener(self) -> Any:
        """Return the listener of the next connection."""
        return SocketListener(self._receive)

    # ---- what an owner calls --------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether the connection is open, logged in and subscribed."""
        return self._ready.is_set()

    @property
    def can_send(self) -> bool:
        """Whether the connection is ready and its line has not ended, dealt with or not yet."""
        line = self._transport
        return self._ready.is_set() and line is not None and not line.is_disconnected

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until the connection is ready.

        Raises
        ------
        ConnectorError
            When it is not within `timeout_s`, with the last reason.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError:
            raise self._no_answer(timeout_s) from None

    async def run(self) -> None:
        """Hold the connection until `stop`; return then.

        Raises
        ------
        ConnectorError
            A terminal one: wrong key, unknown symbol, banned address. Anything else is retried.
        """
        try:
            await self._keep()
        finally:
            host_gate(self.url).leave(self)

    async def _keep(self) -> None:
        self._backoff.first_attempt(loop_s())
        while not self._stopping.is_set():
            if await self._stopped_within(self._turn_s()):
                return
            started_s = loop_s()
            try:
                await self._attempt()
            except (ConnectorError, OSError, WSError, TimeoutError) as error:
                if isinstance(error, ConnectorError):
                    error.hide(self.hide)
                self.last_error = error
                if isinstance(error, ConnectorError) and error.is_terminal:
                    raise
            if self._stopping.is_set():
                return
            self._backoff.connected_for(loop_s() - started_s)
            await self._pause()

    async def _pause(self) -> None:
        """Wait before the next attempt; shorter when the host lets another connection in."""
        now_s, gate = loop_s(), host_gate(self.url)
        is_patient = not gate.may_probe(self, now_s, now_s + PROBE_S)
        delay_s = self._backoff.next_delay_s(now_s, is_patient=is_patient)
        self._log.warning(
            "%s: %s connection to %s lost (%s); trying again in %s%.2f s",
            self.venue,
            self.label,
            self.url,
            self._reason(),
            "at most " if is_patient else "",
            delay_s,
            extra={"incident": self.label},
        )
        await gate.wait(delay_s, self._stopping)

    def _turn_s(self) -> float:
        """Take part of what the venue allows in connections; return how long to wait for it."""
        budget = self.connect_budget or connect_budget(self.venue, self.url)
        return budget.reserve(loop_s()) if budget is not None else 0.0

    async def _stopped_within(self, delay_s: float) -> bool:
        if delay_s > 0.0:
            try:
                async with asyncio.timeout(delay_s):
                    await self._stopping.wait()
            except TimeoutError:
                pass
        return self._stopping.is_set()

    def stop(self) -> None:
        """End `run`: close the line and do not come back."""
        self._stopping.set()
        self.drop()

    def drop(self) -> None:
        """Close the present line; `run` opens a new one unless stopped."""
        if self._transport is not None:
            _leave(self._transport)

    def move(self) -> None:
        """Open a new line beside the present one, then leave that: it is about to be closed."""
        self._move_asked.set()

    def fail(self, error: ConnectorError) -> None:
        """End the present attempt with an error; a terminal one ends `run`."""
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)

    def send(self, message: bytes) -> None:
        """Send one text message; ConnectorError when there is no line."""
        if self._transport is None or self._transport.is_disconnected:
            raise ConnectorError(f"{self.label} connection is not open", venue=self.venue)
        self._transport.send(WSMsgType.TEXT, message)

    # ---- one attempt ----------------------------------------------------------------------------

    async def _attempt(self) -> None:
        self._failure = asyncio.get_running_loop().create_future()
        self._failure.add_done_callback(_retrieve)
        self._move_asked.clear()
        self._transport = await self._open_line()
        if self._stopping.is_set():  # said while the line was being opened
            self.drop()
            return
        self._heard_s, self._unanswered = loop_s(), 0
        self._closed = self._end_of(self._transport)
        try:
            await self._begin()
            self.last_error = None
            self._ready.set()
            await self._watch()
        finally:
            self._ready.clear()
            self.drop()
            self._closed.cancel()
            self._failure.cancel()
            self.disconnect_count += 1
            self._transport = None
            self.on_lost()

    async def _open_line(self) -> WSTransport:
        async with asyncio.timeout(self._open_timeout_s):
            transport, _ = await self._connector(
                self.make_listener, self.url, ssl_context=self._ssl_context
            )
        host_gate(self.url).answered()
        meter_protocol(transport, self.alloc_path)
        return transport

    @staticmethod
    def _end_of(transport: WSTransport) -> "asyncio.Future[Any]":
        closed = asyncio.ensure_future(transport.wait_disconnected())
        closed.add_done_callback(_retrieve)
        return closed

    async def _begin(self) -> None:
        assert self._closed is not None
        opening = asyncio.ensure_future(self.on_open())
        await self._first(opening, self._closed, timeout_s=self._open_timeout_s)
        self.connect_count += 1

    async def _move(self) -> None:
        """Take a new line into use, then leave the old one, which serves until then."""
        assert self._closed is not None
        old, old_closed = self._transport, self._closed
        self._move_asked.clear()
        if old is None or await self._stopped_within(self._turn_s()):
            return
        try:
            self._transport = await self._open_line()
        except (OSError, WSError, TimeoutError) as error:
            self._log.warning(
                "%s: no new %s connection beside the old one: %s", self.venue, self.label, error
            )
            return  # the old one goes on until the venue ends it
        self._closed = self._end_of(self._transport)
        try:
            if not self._stopping.is_set():
                await self._begin()
        except BaseException:
            _leave(old)
            raise
        finally:
            old_closed.cancel()
        # answers to what was sent on the old line are still to come
        asyncio.get_running_loop().call_later(LINGER_S, _leave, old)

    async def _first(
        self, wanted: "asyncio.Future[Any]", closed: "asyncio.Future[Any]", timeout_s: float
    ) -> None:
        assert self._failure is not None
        try:
            await asyncio.wait(
                {wanted, closed, self._failure},
                timeout=timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if self._failure.done():
                self._failure.result()
            if wanted.done():
                wanted.result()
                return
            if closed.done():
                raise self._closed_error()
            raise ConnectorError(
                f"{self.label} connection to {self.url} opened, but the venue did not answer "
                f"within {timeout_s:g} s",
                venue=self.venue,
            )
        finally:
            wanted.cancel()

    async def _watch(self) -> None:
        assert self._failure is not None
        while True:
            assert self._closed is not None
            asked = asyncio.ensure_future(self._move_asked.wait())
            try:
                await asyncio.wait(
                    {self._closed, self._failure, asked},
                    timeout=self._ping_s,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                asked.cancel()
            if self._failure.done():
                self._failure.result()
            if self._closed.done():
                raise self._closed_error()
            if self._move_asked.is_set():
                await self._move()
                continue
            silent_s = loop_s() - self._heard_s
            if silent_s > 2 * self._ping_s and self._unanswered >= 2:
                raise ConnectorError(
                    f"{self.label} connection was silent for {silent_s:.1f} s, pings included",
                    venue=self.venue,
                )
            self.send(self._ping)
            self._unanswered += 1

    def _receive(self, payload: bytes, recv_mono_ns: int) -> None:
        self._heard_s, self._unanswered = loop_s(), 0
        try:
            self.on_message(payload, recv_mono_ns)
        except WireError as error:
            # one unreadable message is counted and told; the line itself is not at fault
            self.wire_error_count += 1
            self._log.error("%s: %s message dropped: %s", self.venue, self.label, error)
            self.on_wire_error()

    def on_wire_error(self) -> None:  # noqa: B027
        """React to a message that could not be read."""

    def _closed_error(self) -> ConnectorError:
        handshake = self._transport.close_handshake if self._transport is not None else None
        received = handshake.recv if handshake is not None else None
        said = "no close code"
        if received is not None:
            said = f"close code {received.code} {self.hide(received.reason or '')!r}"
        return ConnectorError(f"{self.label} connection was closed ({said})", venue=self.venue)

    def _no_answer(self, timeout_s: float) -> ConnectorError:
        if isinstance(self.last_error, ConnectorError) and self.last_error.is_terminal:
            return self.last_error
        return ConnectorError(
            f"{self.label} connection to {self.url} was not ready within {timeout_s:g} s "
            f"({self._reason()}); check the host and the network",
            venue=self.venue,
        )

    def _reason(self) -> str:
        error = self.last_error
        if error is None:
            return "no answer yet"
        return str(error) or type(error).__name__
