"""Contracts are read again on schedule; one that changed is not traded until it is loaded anew.

Prices and quantities leave as whole ticks and lots of the contract that was loaded at start. When a
venue changes a grid, those counts mean something else, so the symbol opens no pair from then on.
What is open still closes: its exits are counted as before and leave on the venue's grid of now.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from arbitrage.core.risk import PAUSES
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.instruments import Instrument

__all__ = ["InstrumentSource", "InstrumentWatch", "differences"]

# What prices, quantities and orders are made from. Largest sizes are not: venues move them daily,
# and the risk limits lie far below.
WATCHED = {
    "venue_symbol": "name",
    "contract_base_qty": "contract value",
    "px_mult": "price multiplier",
    "tick": "tick",
    "lot": "lot",
    "min_qty": "least quantity",
    "min_notional": "least notional",
    "inst_id_code": "instIdCode",
    "settle": "settlement currency",
}
# Changes of these alone leave the contract the same one, on another grid.
GRID = {"tick", "lot", "contract_base_qty", "min_qty", "min_notional"}
_log = logging.getLogger(__name__)


class InstrumentSource(Protocol):
    """What the watch needs of a venue's REST client."""

    async def instrument(self, venue_symbol: str) -> Instrument | None: ...


def differences(was: Instrument, now: Instrument | None) -> list[str]:
    """Say in words what makes a contract another one than was loaded; empty: nothing."""
    if now is None:
        return ["it is not listed any more"]
    found: list[str] = []
    if not now.is_live:
        found.append(f"its state is {now.state!r}")
    for field, words in WATCHED.items():
        old, new = getattr(was, field), getattr(now, field)
        if old != new:
            found.append(f"{words} went from {old} to {new}")
    return found


def is_regridded(was: Instrument, now: Instrument | None) -> bool:
    """Whether a contract is the same one on another grid of prices or quantities."""
    if now is None:
        return False
    changed = {field for field in WATCHED if getattr(was, field) != getattr(now, field)}
    return changed <= GRID and bool(changed & {"tick", "lot", "contract_base_qty"})


class InstrumentWatch:
    """Ask for every traded contract once a period; keep what changed for the main thread.

    Contracts are asked for one by one, evenly over the period: a whole list is a megabyte, and
    reading it would hold the interpreter while an order waits.

    Threads: `run` and `look` on a loop of their own; `take` on the main thread.

    Parameters
    ----------
    instruments : mapping
        venue -> canonical symbol -> the contract as loaded.
    sources : mapping
        venue -> REST client, open.
    refresh_s : float
        Every contract is asked for once in so many seconds.
    """

    def __init__(
        self,
        instruments: Mapping[str, Mapping[str, Instrument]],
        sources: Mapping[str, InstrumentSource],
        refresh_s: float,
    ) -> None:
        self._known = [item for listed in instruments.values() for item in listed.values()]
        self._sources = sources
        self._refresh_s = refresh_s
        self._said: dict[Instrument, list[str]] = {}
        self._found: deque[tuple[str, str]] = deque()
        self._regrids: deque[tuple[Instrument, Instrument]] = deque()

    async def run(self) -> None:
        """Ask until cancelled."""
        loop = asyncio.get_running_loop()
        step_s = self._refresh_s / len(self._known)
        due_s = loop.time()
        while True:
            for item in self._known:
                # late answers eat into the next pause, not into the period
                due_s = max(due_s + step_s, loop.time())
                await asyncio.sleep(due_s - loop.time())
                await self.look(item)

    async def look(self, item: Instrument) -> None:
        """Ask for one contract and note what changed since it was loaded, each change once."""
        now: Instrument | None = None
        try:
            now = await self._sources[item.venue].instrument(item.venue_symbol)
            changes = differences(item, now)
        except ConfigError as error:
            changes = [f"what it lists cannot be traded: {error}"]
        except ArbitrageError as error:
            _log.warning(
                "%s %s could not be read again, next time in %g s: %s",
                item.venue, item.venue_symbol, self._refresh_s, error,
            )
            return
        if changes and self._said.get(item) != changes:
            self._said[item] = changes
            self._found.append((item.symbol, self._words(item, changes)))
            if now is not None and is_regridded(item, now):
                self._regrids.append((item, now))
        elif not changes and now is not None and self._said.pop(item, []):
            # as it was loaded again: exits are to leave so too, but it stays stopped
            self._regrids.append((item, now))

    def take(self) -> list[tuple[str, str]]:
        """Return what was found since the last call: symbols, a line for a person each."""
        taken: list[tuple[str, str]] = []
        while self._found:
            taken.append(self._found.popleft())
        return taken

    def take_regrids(self) -> list[tuple[Instrument, Instrument]]:
        """Return the contracts found on another grid since the last call: as loaded, and now."""
        taken: list[tuple[Instrument, Instrument]] = []
        while self._regrids:
            taken.append(self._regrids.popleft())
        return taken

    @staticmethod
    def _words(item: Instrument, changes: list[str]) -> str:
        return (
            f"{item.symbol} is stopped: {item.venue} changed {item.venue_symbol}: "
            f"{'; '.join(changes)}; it opens no pair until a restart loads it anew"
        )


def pause_changed(watch: InstrumentWatch, segment: Any) -> list[str]:
    """Stop the symbols that the watch found changed; return them. Main thread."""
    paused: list[str] = []
    for symbol, words in watch.take():
        segment.pause(segment.symbols.index(symbol), PAUSES["contract"])
        _log.error("%s", words)
        paused.append(symbol)
    return paused
