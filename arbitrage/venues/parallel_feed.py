"""Several connections to one public stream: whichever brings an update first serves the rows."""

import asyncio
from collections.abc import Mapping, Sequence

from arbitrage.venues.base import MarketSymbol
from arbitrage.venues.public_feed import PublicFeed

__all__ = ["ParallelFeed"]


class ParallelFeed:
    """Run parallel connections of one venue as one feed.

    All of them write into one lane, which takes the first copy of each update and drops the
    others (see `arbitrage.core.feed`). A row leaves LIVE only with the last connection that
    serves it.

    Threads: as `PublicFeed`, all on one loop.

    Parameters
    ----------
    feeds : sequence of PublicFeed
        Of one venue, for the same symbols and lane, each with its own `line`.
    """

    def __init__(self, feeds: Sequence[PublicFeed]) -> None:
        self.feeds = tuple(feeds)
        for feed in self.feeds:
            feed.peers = tuple(other for other in self.feeds if other is not feed)

    @property
    def symbols(self) -> Mapping[str, MarketSymbol]:
        """Symbols of the stream by their venue's names."""
        return self.feeds[0].symbols

    @property
    def is_ready(self) -> bool:
        """Whether at least one connection is open and subscribed."""
        return any(feed.is_ready for feed in self.feeds)

    @property
    def connect_count(self) -> int:
        """Connections made so far."""
        return sum(feed.connect_count for feed in self.feeds)

    async def run(self) -> None:
        """Hold all connections until `stop`.

        Raises
        ------
        ConnectorError
            The first terminal one; the other connections are ended then.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for feed in self.feeds:
                    group.create_task(feed.run())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    def stop(self) -> None:
        """End `run`: close every connection and do not come back."""
        for feed in self.feeds:
            feed.stop()

    def resubscribe(self, venue_symbols: Sequence[str]) -> None:
        """Ask for some symbols again on every connection that may ask now."""
        asked = [(feed, feed.frames_again(venue_symbols)) for feed in self.feeds]
        if not any(frames for _, frames in asked):
            return
        self.feeds[0].push_syncing(venue_symbols)
        for feed, frames in asked:
            for frame in frames:
                feed.send(frame)
