"""A venue's public market data on one connection; the venues' modules supply the words."""

import ssl
import time
from abc import abstractmethod
from collections.abc import Sequence
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
from arbitrage.venues.loop_clock import loop_s
from arbitrage.venues.reconnect import ReconnectPolicy


def compiled_listener(
    lane: Any, venue: int, on_slow: Any, on_connected: Any, on_disconnected: Any
) -> Any:
    """Make the compiled `FeedListener`, which parses quotes in place."""
    from arbitrage.core.feed import FeedListener

    return FeedListener(lane, venue, on_slow, on_connected, on_disconnected)


class PublicFeed(Connection):
    """Subscribe top-of-book and funding of some symbols and keep them coming.

    Quotes never reach Python: the listener keeps them. What arrives here are acknowledgements,
    errors, pongs and funding.

    Parameters
    ----------
    venue_index : int
        The venue's number in rows and records.
    lane : FeedLane
        Takes row states and funding.
    symbols : sequence of MarketSymbol
        At least one; routed by topic, in any order.
    listener_factory : callable
        Makes the picows listener of each connection.
    """

    venue_name = ""
    ping = b""
    request_cap: Cap | None = None  # of subscribe and unsubscribe requests, by connection

    def __init__(
        self,
        url: str,
        venue_index: int,
        lane: FeedLane,
        symbols: Sequence[MarketSymbol],
        *,
        listener_factory: FeedListenerFactory = compiled_listener,
        ping_s: float = 15.0,
        policy: ReconnectPolicy | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connector: Connector = ws_connect,
    ) -> None:
        super().__init__(
            venue=self.venue_name,
            label="market data",
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
        self._venue_index = venue_index
        self._listener_factory = listener_factory
        self._funding: dict[int, tuple[float, float, int]] = {}
        self._requests: RequestBudget | None = None
        self._is_refusing = False

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
        self._push_syncing()
        frames = self.subscribe_frames(list(self.symbols))
        self._requests = RequestBudget(self.request_cap) if self.request_cap else None
        self._may_ask(len(frames))
        for frame in frames:
            self.send(frame)

    def on_lost(self) -> None:
        """Take every row out of service: nothing is known of them until the next snapshot."""
        self._push_syncing()

    def resubscribe(self, venue_symbols: Sequence[str]) -> None:
        """Ask again for some symbols: how a row that lost its continuity gets a new snapshot.

        Beyond what the venue allows on one connection nothing is sent, and the rows stay as they
        are: whoever watches them asks again later.
        """
        if not self.is_ready:
            return
        frames = self.unsubscribe_frames(venue_symbols) + self.subscribe_frames(venue_symbols)
        if not self._may_ask(len(frames)):
            return
        for venue_symbol in venue_symbols:
            self.lane.push_state(self.symbols[venue_symbol].row, ROW_SYNCING)
        for frame in frames:
            self.send(frame)

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
            self.lane.push_funding(row, *funding)

    def _on_slow(self, payload: bytes) -> None:
        self._receive(payload, time.monotonic_ns())

    def _on_connected(self, *_: Any) -> None:
        self._log.debug("%s: market data connection open", self.venue)

    def _on_disconnected(self, *_: Any) -> None:
        # at once, before the connection's own task runs: stale quotes must not trade
        self._push_syncing()

    def _push_syncing(self) -> None:
        for item in self.symbols.values():
            self.lane.push_state(item.row, ROW_SYNCING)
