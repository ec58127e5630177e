"""Rows that lost continuity or fell silent are subscribed again, each with its own patience."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from arbitrage.core.records import RowState
from arbitrage.venues.loop_clock import loop_s

__all__ = ["RowWatch"]

LOOK_S = 0.25
FIRST_WAIT_S = 1.0
WAIT_MAX_S = 60.0


class Resubscribing(Protocol):
    """What the watch needs of a public feed."""

    @property
    def symbols(self) -> Mapping[str, Any]: ...
    @property
    def is_ready(self) -> bool: ...
    def resubscribe(self, venue_symbols: Sequence[str]) -> None: ...


class RowWatch:
    """Ask again for rows in state GAP or STALE; wait longer each time it does not help.

    Threads: the feed's loop. The store is only read.

    Parameters
    ----------
    feed : PublicFeed
    store : MarketStore
    clock : callable
        Seconds, for tests.
    """

    def __init__(
        self, feed: Resubscribing, store: Any, clock: Callable[[], float] = loop_s
    ) -> None:
        self._feed = feed
        self._store = store
        self._clock = clock
        self._waits: dict[str, tuple[float, float]] = {}

    async def run(self) -> None:
        """Look at the rows until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> list[str]:
        """Resubscribe what is due; return the venue symbols."""
        now_s = self._clock()
        due: list[str] = []
        for venue_symbol, item in self._feed.symbols.items():
            if not self._is_lost(item.row, venue_symbol in self._waits):
                self._waits.pop(venue_symbol, None)
                continue
            not_before_s, wait_s = self._waits.get(venue_symbol, (now_s, FIRST_WAIT_S))
            if now_s >= not_before_s:
                due.append(venue_symbol)
                self._waits[venue_symbol] = (now_s + wait_s, min(2 * wait_s, WAIT_MAX_S))
        if due and self._feed.is_ready:
            self._feed.resubscribe(due)
        return due

    def _is_lost(self, row: int, was_asked: bool) -> bool:
        # one row, not the column: an array would load NumPy into the trader
        state = self._store.read_row(*divmod(row, self._store.symbol_capacity)).state
        # after asking, the row is SYNCING until its snapshot comes: if none does, ask again
        return state in (RowState.GAP, RowState.STALE) or (was_asked and state == RowState.SYNCING)
