"""Which class speaks for which venue, and how each is made from the settings."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from arbitrage.config import Credentials, Settings
from arbitrage.core.executions import ExecPublisher
from arbitrage.core.gateway import OrderSender
from arbitrage.errors import ConnectorError
from arbitrage.instruments import VENUES
from arbitrage.runtime.start_questions import ask_at_start
from arbitrage.venues.base import FeedLane, Fill, FundingPayment, MarketSymbol, TradedSymbol
from arbitrage.venues.bybit.market_feed import BybitMarketFeed
from arbitrage.venues.bybit.order_gateway import BybitOrderGateway
from arbitrage.venues.bybit.private_feed import BybitPrivateFeed
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.canceller import Canceller
from arbitrage.venues.dead_man import DeadMan
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.okx.market_feed import OkxMarketFeed
from arbitrage.venues.okx.order_gateway import OkxOrderGateway
from arbitrage.venues.okx.private_feed import OkxPrivateFeed
from arbitrage.venues.okx.rest import OkxRest
from arbitrage.venues.order_line import OrderLine
from arbitrage.venues.parallel_feed import ParallelFeed
from arbitrage.venues.private_stream import PrivateStream
from arbitrage.venues.public_feed import PublicFeed, compiled_listener

__all__ = ["VenueGateway", "make_public_feed", "open_public_rest", "open_rest"]

_FEEDS: dict[str, type[PublicFeed]] = {"bybit": BybitMarketFeed, "okx": OkxMarketFeed}
_PRIVATE: dict[str, type[PrivateStream]] = {"bybit": BybitPrivateFeed, "okx": OkxPrivateFeed}
_LINES: dict[str, type[OrderLine]] = {"bybit": BybitOrderGateway, "okx": OkxOrderGateway}


def open_rest(settings: Settings, venue: str) -> BybitRest | OkxRest:
    """Return a venue's REST client, not yet open; in paper mode it can ask for public data only."""
    return _rest(settings, venue, None if settings.mode == "paper" else settings.credentials(venue))


def open_public_rest(settings: Settings, venue: str) -> BybitRest | OkxRest:
    """Return a REST client without a key, whatever the mode, not yet open."""
    return _rest(settings, venue, None)


def _rest(settings: Settings, venue: str, credentials: Credentials | None) -> BybitRest | OkxRest:
    if venue == "bybit":
        return BybitRest(settings.hosts.bybit.rest, credentials)
    client = OkxRest(settings.hosts.okx.rest, credentials)
    client.is_simulated = settings.hosts.okx.simulated
    return client


def make_public_feed(
    settings: Settings, venue: str, lane: FeedLane, symbols: Sequence[MarketSymbol]
) -> PublicFeed | ParallelFeed:
    """Return the public connections of a venue; `run` keeps them up."""
    url = getattr(settings.hosts, venue).public_ws
    feeds = [
        _FEEDS[venue](
            url,
            VENUES.index(venue),
            lane,
            symbols,
            depth=settings.depth,
            line=line,
            listener_factory=partial(compiled_listener, line=line),
        )
        for line in range(settings.connections_per_venue)
    ]
    return feeds[0] if len(feeds) == 1 else ParallelFeed(feeds)


class VenueGateway:
    """One venue's way out and back: REST, order line, private stream, and what they share.

    Threads: made and run on one loop.

    Parameters
    ----------
    sender, publisher
        The compiled halves.
    on_fill, on_funding : callable
        Take exact fills and funding payments for the ledger.
    on_stop : callable, optional
        Told of an answer after which no order of this venue can be expected to pass, and of a
        position that is not what the executions say.
    """

    def __init__(
        self,
        settings: Settings,
        venue: str,
        symbols: Sequence[TradedSymbol],
        sender: OrderSender,
        publisher: ExecPublisher,
        on_fill: Callable[[Fill], None],
        on_funding: Callable[[FundingPayment], None],
        on_stop: Callable[[ConnectorError], None] | None = None,
    ) -> None:
        credentials = settings.credentials(venue)
        hosts: Any = getattr(settings.hosts, venue)
        self.venue = venue
        self._dcp_s = settings.risk.dcp_s
        self.sender = sender
        self.rest = open_rest(settings, venue)
        tracker = ExecutionTracker(
            VENUES.index(venue), venue, symbols, publisher, on_fill, sender.settle
        )
        order_url = hosts.trade_ws if venue == "bybit" else hosts.private_ws
        self.line = _LINES[venue](
            order_url or hosts.private_ws,
            credentials,
            self.rest,
            sender,
            tracker,
            symbols,
            on_stop=on_stop,
            ack_timeout_s=settings.risk.order_timeout_ms / 1000,
        )
        if not order_url:
            self.line.send_over_rest()
        self.canceller = Canceller(
            self.rest,
            [item.instrument.venue_symbol for item in symbols],
            lambda: self.line.under_way,
        )
        self.dead_man: DeadMan | None = None
        if isinstance(self.rest, OkxRest) and settings.risk.cancel_all_after_s:
            self.dead_man = DeadMan(self.rest, settings.risk.cancel_all_after_s)
        self.private = _PRIVATE[venue](
            hosts.private_ws,
            credentials,
            self.rest,
            tracker,
            on_funding=on_funding,
            on_caught_up=self.line.ask_unsettled,
            on_difference=on_stop,
        )

    async def open(self) -> None:
        """Open REST, measure the venue's clock and arm its switches, if there are any.

        Connections are started by their `run`.
        """
        self.rest.open()
        await ask_at_start(self.rest, self.rest.sync_clock)
        if self.dead_man is not None:
            await ask_at_start(self.rest, self.dead_man.begin)
        if isinstance(self.private, BybitPrivateFeed) and self._dcp_s:
            await self.private.protect(self._dcp_s)

    def connections(self) -> list[PrivateStream | OrderLine]:
        """Return the connections to run, the private stream first."""
        return [self.private, self.line]

    def watches(self) -> list[DeadMan]:
        """Return what else must run beside the connections."""
        return [] if self.dead_man is None else [self.dead_man]

    async def close(self) -> None:
        """Stop both connections and close REST; the switch is left armed over open orders."""
        self.line.stop()
        self.private.stop()
        if self.dead_man is not None and self.sender.unsettled_count == 0:
            await self.dead_man.disarm()
        await self.rest.close()
