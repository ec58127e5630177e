"""Continuous reconciliation: what the venues say we hold against what the strategy counts.

Three accounts are held side by side while the trader runs: the venue's positions, its executions
(`arbitrage.venues.account_view` compares those two) and the legs of the strategy. Pushes overtake
each other and orders are under way, so a difference is nothing by itself. It counts when it has
stood still for a while: same figures, no order of that leg under way, and both read anew.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from arbitrage.core.risk import PAUSES
from arbitrage.errors import ConnectorError, WireError
from arbitrage.instruments import Instrument
from arbitrage.venues.account_view import AccountView
from arbitrage.venues.base import TradedSymbol
from arbitrage.venues.loop_clock import loop_s

__all__ = ["Account", "Reconciler", "held_lots"]

TICK_S = 0.25
SETTLE_S = 2.0  # as long as a push may be late, and an order's end
RECONCILE = PAUSES["reconciliation"]
ZERO = Decimal(0)
_log = logging.getLogger(__name__)


class Account(Protocol):
    """What the reconciler needs of a venue's private stream."""

    venue: str
    account: AccountView
    catch_up_count: int

    @property
    def is_ready(self) -> bool: ...
    async def catch_up(self) -> None: ...
    async def read_account(self) -> None: ...


class Segment(Protocol):
    """Where a symbol is paused."""

    def pause(self, symbol_index: int, reason: int) -> None: ...
    def pause_reasons(self, symbol_index: int) -> int: ...


def held_lots(pair: Mapping[str, Any]) -> dict[int, tuple[int, bool]]:
    """Return the signed lots of a pair's legs by row, and whether an order is under way there."""
    found = {}
    # the first leg bought to enter, the second sold; lots count in that direction
    for leg, direction in zip(pair["legs"], (1, -1), strict=True):
        is_busy = any(order["state"] != "done" for order in leg["orders"])
        found[leg["row"]] = (leg["lots"] * direction, is_busy)
    return found


@dataclass
class _Difference:
    """One that has been seen, and for how long it has been the same."""

    told: Decimal
    counted: Decimal
    since_s: float


class Reconciler:
    """Compare now and then, and after each reconnect; pause a symbol that nobody can explain.

    Threads: the gateways' loop. What the strategy's thread writes meanwhile is read unguarded: a
    figure that is half old only makes the comparison wait.

    Parameters
    ----------
    accounts : sequence of Account
    symbols : mapping
        venue -> what it trades, with the lots that the strategy counts in.
    pair_of : callable
        Symbol index -> `SpreadStrategy.pair`.
    segment : Segment
    every_s : float
        Positions are read so often.
    """

    def __init__(
        self,
        accounts: Sequence[Account],
        symbols: Mapping[str, Sequence[TradedSymbol]],
        pair_of: Callable[[int], Mapping[str, Any]],
        segment: Segment,
        symbol_capacity: int,
        every_s: float,
        *,
        settle_s: float = SETTLE_S,
        tick_s: float = TICK_S,
    ) -> None:
        self._accounts = list(accounts)
        self._symbols = symbols
        self._pair_of = pair_of
        self._segment = segment
        self._capacity = symbol_capacity
        self._every_s = every_s
        self._settle_s = settle_s
        self._tick_s = tick_s
        self._seen: dict[int, _Difference] = {}
        self._told: dict[int, tuple[Decimal, Decimal]] = {}
        self._caught_up: dict[str, int] = {}
        self.check_count = 0
        self.report_count = 0

    async def run(self) -> None:
        """Compare until cancelled."""
        due_s = loop_s() + self._every_s
        while True:
            await asyncio.sleep(self._tick_s)
            if loop_s() >= due_s or self._is_reconnected():
                due_s = loop_s() + self._every_s
                await self._read()
                self.check_count += 1
                self._compare(look_for_new=True)
            elif self._seen:
                self._compare(look_for_new=False)
            await self._decide()

    def _is_reconnected(self) -> bool:
        counts = {one.venue: one.catch_up_count for one in self._accounts}
        is_new = counts != self._caught_up
        self._caught_up = counts
        return is_new

    async def _read(self) -> None:
        for one in self._accounts:
            try:
                if one.is_ready:
                    await one.read_account()
            except (ConnectorError, WireError) as error:
                _log.info("%s: positions not read: %s", one.venue, error)

    def _compare(self, *, look_for_new: bool) -> None:
        now_s = loop_s()
        for one in self._accounts:
            for item in self._symbols[one.venue]:
                row = item.row
                if not look_for_new and row not in self._seen:
                    continue
                told, counted, is_busy = self._both(one, item)
                known = self._seen.get(row)
                if told == counted or not one.is_ready:
                    self._seen.pop(row, None)
                    if told == counted:
                        self._told.pop(row, None)
                elif known is None or is_busy or (known.told, known.counted) != (told, counted):
                    self._seen[row] = _Difference(told, counted, now_s)

    def _both(self, one: Account, item: TradedSymbol) -> tuple[Decimal, Decimal, bool]:
        """Return a position in the venue's units by its own word and by the strategy's count."""
        position = one.account.positions.get(item.instrument.venue_symbol)
        told = ZERO if position is None else position.qty_venue
        held = held_lots(self._pair_of(item.row % self._capacity))
        lots, is_busy = held.get(item.row, (0, False))
        return told, lots * item.instrument.lot, is_busy

    async def _decide(self) -> None:
        """Read everything again for a difference that has stood still; report what is left."""
        for one in self._accounts:
            for item in self._symbols[one.venue]:
                known = self._seen.get(item.row)
                if known is None or loop_s() - known.since_s < self._settle_s:
                    continue
                figures = (known.told, known.counted)
                is_paused = self._segment.pause_reasons(item.row % self._capacity) & RECONCILE
                if self._told.get(item.row) == figures and is_paused:
                    continue
                try:
                    # executions first: one that was missed goes to the strategy by this
                    await one.catch_up()
                    await asyncio.sleep(self._tick_s)
                except (ConnectorError, WireError) as error:
                    _log.info("%s: the account could not be read: %s", one.venue, error)
                    continue
                if self._both(one, item) == (*figures, False):
                    self._report(one.venue, item, *figures)
                else:
                    self._seen.pop(item.row, None)

    def _report(
        self, venue: str, item: TradedSymbol, told: Decimal, counted: Decimal
    ) -> None:
        self._told[item.row] = (told, counted)
        self.report_count += 1
        self._segment.pause(item.row % self._capacity, RECONCILE)
        instrument: Instrument = item.instrument
        _log.error(
            "%s: %s: the venue says that we hold %s, the strategy counts %s, and no execution "
            "explains it; %s opens no pair until `arb resume %s`: compare with the venue's order "
            "history and close by hand what is not the trader's",
            venue, instrument.venue_symbol, f"{told:f}", f"{counted:f}", instrument.symbol,
            instrument.symbol,
        )
