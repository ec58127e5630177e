"""Tell a lane's books to its tap, one after the other: a recorder may begin at any time.

Venues state a book once and then say only what changes, so who comes later knows no book. Whole
books lie between the frames as `arbitrage.core.feed.FeedLane.tell_book` writes them.
"""

import asyncio
from collections.abc import Sequence

from arbitrage.core.feed import FeedLane

__all__ = ["tell_books"]

ROUND_S = 10.0  # every book once in
STEP_MIN_S, STEP_MAX_S = 0.02, 0.1


async def tell_books(lane: FeedLane, rows: Sequence[int]) -> None:
    """Tell the books of these rows one at a time, round after round, until cancelled.

    Threads: the lane's loop. A book takes some microseconds, between two frames.
    """
    step_s = min(STEP_MAX_S, max(STEP_MIN_S, ROUND_S / max(1, len(rows))))
    while rows:
        for row in rows:
            await asyncio.sleep(step_s)
            lane.tell_book(row)
