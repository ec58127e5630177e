"""Rows that are not LIVE: lost ones are subscribed again, suspected ones are asked about."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from arbitrage.core.records import RowState
from arbitrage.errors import ConnectorError, WireError
from arbitrage.venues.loop_clock import loop_s

__all__ = ["RowWatch"]

LOOK_S = 0.25
FIRST_WAIT_S = 1.0
WAIT_MAX_S = 60.0
PROBE_EVERY_S = 1.0
IN_FLIGHT_S = 0.1  # the stream's own word may be on its way while REST already has it

Top = tuple[float, float, float, float]

_log = logging.getLogger(__name__)


class Resubscribing(Protocol):
    """What the watch needs of a public feed."""

    @property
    def symbols(self) -> Mapping[str, Any]: ...
    @property
    def is_ready(self) -> bool: ...
    def resubscribe(self, venue_symbols: Sequence[str]) -> None: ...


class Confirming(Protocol):
    """What the watch needs of the feed's lane."""

    def top(self, row: int) -> Top | None: ...
    def confirm(self, row: int) -> bool: ...


class RowWatch:
    """Bring rows back to LIVE.

    A row in state GAP or STALE is subscribed again, with growing waits while it does not help.
    A SUSPECT row is asked about over REST: if the venue stands where our top does, the row is
    confirmed; if it stands elsewhere, its stream lost something and the row is subscribed again.

    Threads: the feed's loop. The store is only read.

    Parameters
    ----------
    feed : PublicFeed
    lane : FeedLane
    store : MarketStore
    ask : callable
        Takes a venue symbol, returns the venue's top of book now; may raise ConnectorError.
    clock : callable
        Seconds, for tests.
    """

    def __init__(
        self,
        feed: Resubscribing,
        lane: Confirming,
        store: Any,
        ask: Callable[[str], Awaitable[Top]],
        clock: Callable[[], float] = loop_s,
    ) -> None:
        self._feed = feed
        self._lane = lane
        self._store = store
        self._ask = ask
        self._clock = clock
        self._waits: dict[str, tuple[float, float]] = {}
        self._probed_s: dict[str, float] = {}
        self._probes: dict[str, asyncio.Task[None]] = {}
        self.confirmed_count = 0

    async def run(self) -> None:
        """Look at the rows until cancelled."""
        try:
            while True:
                self.look()
                await asyncio.sleep(LOOK_S)
        finally:
            for probe in self._probes.values():
                probe.cancel()

    def look(self) -> list[str]:
        """Resubscribe and ask about what is due; return the venue symbols subscribed again."""
        now_s = self._clock()
        lost: list[str] = []
        for venue_symbol, item in self._feed.symbols.items():
            state = self._state(item.row)
            if state == RowState.SUSPECT:
                self._probe(venue_symbol, item.row, now_s)
            if not self._is_lost(state, venue_symbol in self._waits):
                self._waits.pop(venue_symbol, None)
            elif now_s >= self._waits.get(venue_symbol, (now_s, 0.0))[0]:
                lost.append(venue_symbol)
        return self._resubscribe(lost, now_s)

    def _state(self, row: int) -> RowState:
        # one row, not the column: an array would load NumPy into the trader
        return RowState(self._store.read_row(*divmod(row, self._store.symbol_capacity)).state)

    def _is_lost(self, state: RowState, was_asked: bool) -> bool:
        # after asking, the row is SYNCING until its snapshot comes: if none does, ask again
        return state in (RowState.GAP, RowState.STALE) or (was_asked and state == RowState.SYNCING)

    def _resubscribe(self, venue_symbols: list[str], now_s: float) -> list[str]:
        for venue_symbol in venue_symbols:
            _, wait_s = self._waits.get(venue_symbol, (0.0, FIRST_WAIT_S))
            self._waits[venue_symbol] = (now_s + wait_s, min(2 * wait_s, WAIT_MAX_S))
        if venue_symbols and self._feed.is_ready:
            self._feed.resubscribe(venue_symbols)
        return venue_symbols

    # ---- suspicion ------------------------------------------------------------------------------

    def _probe(self, venue_symbol: str, row: int, now_s: float) -> None:
        is_due = now_s >= self._probed_s.get(venue_symbol, now_s)
        if is_due and venue_symbol not in self._probes:
            self._probed_s[venue_symbol] = now_s + PROBE_EVERY_S
            probe = asyncio.ensure_future(self._prove(venue_symbol, row))
            self._probes[venue_symbol] = probe
            probe.add_done_callback(lambda _: self._probes.pop(venue_symbol, None))

    async def _prove(self, venue_symbol: str, row: int) -> None:
        try:
            told = await self._ask(venue_symbol)
            if not self._agrees(row, told):
                await asyncio.sleep(IN_FLIGHT_S)
        except (ConnectorError, WireError) as error:
            _log.warning("%s is silent and could not be asked about: %s", venue_symbol, error)
            return  # still SUSPECT: asked about again
        if self._state(row) != RowState.SUSPECT:
            return  # its stream spoke, or ended, while we asked
        if self._agrees(row, told):
            self._lane.confirm(row)
            self.confirmed_count += 1
            return
        _log.warning("%s: its stream fell behind the venue's book; subscribing again", venue_symbol)
        self._resubscribe([venue_symbol], self._clock())

    def _agrees(self, row: int, told: Top) -> bool:
        held = self._lane.top(row)
        # NaN is an empty side, equal to an empty side
        return held is not None and all(
            a == b or (a != a and b != b) for a, b in zip(held, told, strict=True)
        )
