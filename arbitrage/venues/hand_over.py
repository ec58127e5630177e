"""Leave a public connection that the venue is about to close without losing a row.

Two connections of one number would confuse the lane, so a stand-in of its own number is opened,
serves the rows while the old connection comes back, and is closed again. Parallel connections serve
the rows for each other: one leaves after the other.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from arbitrage.errors import ConnectorError
from arbitrage.venues.loop_clock import loop_s

if TYPE_CHECKING:
    from arbitrage.venues.public_feed import PublicFeed

__all__ = ["STAND_IN_LINE", "hand_over"]

STAND_IN_LINE = 1  # a feed without parallel connections is line 0
WITHIN_S = 40.0  # the venue closes a minute after its notice
SETTLE_S = 1.5  # snapshots of all symbols follow a subscription at once
LOOK_S = 0.05
_log = logging.getLogger(__name__)


async def hand_over(feed: "PublicFeed") -> None:
    """Have a feed leave its connection and come back while something else serves its rows."""
    if feed.peers:
        await _until_another_serves(feed)
        await _come_back(feed)
        return
    stand_in = feed.make_stand_in(STAND_IN_LINE)
    stand_in.peers, feed.peers = (feed,), (stand_in,)
    running = asyncio.ensure_future(stand_in.run())
    try:
        await stand_in.wait_ready(WITHIN_S)
        await asyncio.sleep(SETTLE_S)
        await _come_back(feed)
    except ConnectorError as error:
        _log.warning("%s: nothing could stand in for market data: %s", feed.venue, error)
        feed.drop()
    finally:
        stand_in.stop()
        await asyncio.wait({running})
        feed.peers = ()


async def _until_another_serves(feed: "PublicFeed") -> None:
    end_s = loop_s() + WITHIN_S
    while loop_s() < end_s:
        if any(peer.is_ready and not peer.is_away for peer in feed.peers):
            return
        await asyncio.sleep(LOOK_S)


async def _come_back(feed: "PublicFeed") -> None:
    count = feed.connect_count
    feed.is_away = True
    try:
        feed.drop()
        while not (feed.is_ready and feed.connect_count > count):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        await asyncio.sleep(SETTLE_S)
    finally:
        feed.is_away = False
