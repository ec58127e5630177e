"""A venue's public market data on one connection; the venues' modules supply the words."""

import asyncio
import ssl
import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from picows import ws_connect

from arbitrage.errors import ConfigError
from arbitrage.venues.base import (
    ROW_SYNCING,
    FeedLane,
    FeedListenerFactory,
    MarketSymbol,
)
from arbitrage.venues.connect_budget import Cap, RequestBudget
from arbitrage.venues.connection import Connection, Connector
from arbitrage.venues.hand_over import hand_over
from arbitrage.venues.loop_clock import loop_s
from arbitrage.venues.metered_protocol import HOT
from arbitrage.venues.reconnect import ReconnectPolicy


def compiled_listener(
    lane: Any, venue: int, on_slow: Any, on_connected: Any, on_disconnected: Any, line: int = 0
) -> Any:
    """Make the compiled `FeedListener`, which parses quotes and books in place."""
    from arbitrage.core.feed import FeedListener

    return FeedListener(lane, venue, on_slow, on_connected, on_disconnected, line)


class PublicFeed(Connection):
    """Subscribe top-of-book, depth and funding of some symbols and keep them coming.

    Quotes and books never reach Python: the listener keeps them. What arrives here are
    acknowledgements, errors, pongs and funding.

    Parameters
    ----------
    venue_index : int
        The venue's number in rows and records.
    lane : FeedLane
        Takes row states and funding.
    symbols : sequence of MarketSymbol
        At least one; routed by topic, in any order.
    depth : str
        ``full``, ``five`` or ``off``: which book each row keeps beside its top.
    line : int
        Number of this connection among parallel ones to the same stream.
    listener_factory : callable
        Makes the picows listener of each connection.
    """

    venue_name = ""
    depth_channels: Mapping[str, str] = {}  # by `depth`
    ping = b""
    alloc_path = HOT
    request_cap: Cap | None = None  # of subscribe and unsubscribe requests, by connection

    def __init__(
        self,
        url: str,
        venue_index: int,
        lane: FeedLane,
        symbols: Sequence[MarketSymbol],
        *,
        depth: str = "off",
        line: int = 0,
        listener_factory: FeedListenerFactory = compiled_listener,
        ping_s: float = 15.0,
        policy: ReconnectPolicy | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connector: Connector = ws_connect,
    ) -> None:
        super().__init__(
            venue=self.venue_name,
            label="market data" if line == 0 else f"market data {line + 1}",
            url=url,
            ping=self.ping,
            ping_s=ping_s,
            policy=policy,
            ssl_context=ssl_context,
            connector=connector,
        )
        if not symbols:
            raise ConfigError(f"{self.venue_name}: no symbol to subscribe; set ARB_SYMBOLS")
        self.lane = lane
        self.symbols = {item.venue_symbol: item for item in symbols}
        self.line = line
        self.depth_channel = self.depth_channels.get(depth, "")
        if self.depth_channel:
            for item in symbols:
                lane.hold_book(item.row, self.depth_channel)
        self.peers: Sequence[PublicFeed] = ()  # the other connections to the same stream
        self._venue_index = venue_index
        self._listener_factory = listener_factory
        self._funding: dict[int, tuple[float, float, int]] = {}
        self.is_stand_in = False
        self.is_away = False  # left its line and does not serve all rows yet
        self._depth = depth
        self._handing: asyncio.Task[None] | None = None
        self._requests: RequestBudget | None = None
        self._is_refusing = False

    async def run(self) -> None:
        """Hold the connection until `stop`; see `Connection.run`."""
        try:
            await super().run()
        finally:
            if self._handing is not None:
                self._handing.cancel()
                await asyncio.wait({self._handing})

    @property
    def is_leaving(self) -> bool:
        """Whether this connection is about to be left, or has not come back yet."""
        return self._handing is not None and not self._handing.done()

    def move(self) -> None:
        """Leave the line that is about to be closed; meanwhile another one serves the rows."""
        if not self.is_leaving and not self.is_stand_in:
            self._handing = asyncio.ensure_future(hand_over(self))
            self._handing.add_done_callback(self._handed)

    def _handed(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            self._log.error("%s: market data was not handed over: %s", self.venue, task.exception())
            self.drop()

    def make_stand_in(self, line: int) -> "PublicFeed":
        """Return a second connection for the same rows, of another number."""
        factory: Any = self._listener_factory
        made = type(self)(
            self.url,
            self._venue_index,
            self.lane,
            list(self.symbols.values()),
            depth=self._depth,
            line=line,
            listener_factory=partial(factory, line=line),
            ping_s=self._ping_s,
            policy=self._backoff.policy,
            ssl_context=self._ssl_context,
            connector=self._connector,
        )
        made.connect_budget = self.connect_budget
        made.is_stand_in = True
        return made

    @abstractmethod
    def subscribe_frames(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """Return the frames that subscribe these symbols."""

    @abstractmethod
    def unsubscribe_frames(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """Return the frames that unsubscribe these symbols."""

    def make_listener(self) -> Any:
        """Return the quote-parsing listener of the next connection."""
        return self._listener_factory(
            self.lane, self._venue_index, self._on_slow, self._on_connected, self._on_disconnected
        )

    async def on_open(self) -> None:
        """Subscribe everything; snapshots may come before the acknowledgement."""
        if not any(peer.is_ready for peer in self.peers):
            self.push_syncing(self.symbols)
        frames = self.subscribe_frames(list(self.symbols))
        self._requests = RequestBudget(self.request_cap) if self.request_cap else None
        self._may_ask(len(frames))
        for frame in frames:
            self.send(frame)

    def on_lost(self) -> None:
        """Take out of service every row that no other connection serves, until a new snapshot."""
        self._leave_service()

    def resubscribe(self, venue_symbols: Sequence[str]) -> None:
        """Ask again for some symbols: how a row that lost its continuity gets a new snapshot.

        Beyond what the venue allows on one connection nothing is sent, and the rows stay as they
        are: whoever watches them asks again later.
        """
        frames = self.frames_again(venue_symbols)
        if frames:
            self.push_syncing(venue_symbols)
        for frame in frames:
            self.send(frame)

    def frames_again(self, venue_symbols: Sequence[str]) -> list[bytes]:
        """Return what asks again for some symbols; nothing when this line may not ask now."""
        if not self.can_send:
            return []
        frames = self.unsubscribe_frames(venue_symbols) + self.subscribe_frames(venue_symbols)
        return frames if self._may_ask(len(frames)) else []

    def push_syncing(self, venue_symbols: Iterable[str]) -> None:
        """Tell that nothing is known of some symbols until their next snapshots."""
        for venue_symbol in venue_symbols:
            self.lane.push_state(self.symbols[venue_symbol].row, ROW_SYNCING)

    def _may_ask(self, count: int) -> bool:
        if self._requests is None or self._requests.try_take(count, loop_s()):
            self._is_refusing = False
            return True
        if not self._is_refusing:
            self._is_refusing = True
            self._log.error(
                "%s: no symbol is subscribed again for now: this connection sent %d requests "
                "within %g s, more than that the venue does not take",
                self.venue, self._requests.cap.count, self._requests.cap.window_s,
            )
        return False

    def push_funding(self, row: int, rate: float, interval_h: float, next_wall_ns: int) -> None:
        """Hand funding on when anything of it changed."""
        funding = (rate, interval_h, next_wall_ns)
        if self._funding.get(row) != funding:
            self._funding[row] = funding
            # of parallel connections one speaks: a slower one would take back what is newer
            if not any(peer.is_ready and peer.line < self.line for peer in self.peers):
                self.lane.push_funding(row, *funding)

    def _on_slow(self, payload: bytes) -> None:
        self._receive(payload, time.monotonic_ns())

    def _on_connected(self, *_: Any) -> None:
        self._log.debug("%s: market data connection open", self.venue)

    def _on_disconnected(self, *_: Any) -> None:
        # at once, before the connection's own task runs: stale quotes must not trade
        self._leave_service()

    def _leave_service(self) -> None:
        if self.peers:
            self.lane.drop_line(self._venue_index, self.line)
        else:
            self.push_syncing(self.symbols)
