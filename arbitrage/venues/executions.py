"""Executions made exact and whole: each counted once, each order's end told after its last fill.

Pushes come twice, late, out of order, and again from REST after a reconnect. The tracker is the one
place that decides what is new; everything that reports executions goes through it.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction

from msgspec import structs

from arbitrage.errors import OrderError
from arbitrage.instruments import Instrument, steps_exact, steps_floor
from arbitrage.venues.base import (
    CLIENT_ID_NONE,
    SELL,
    ExecutionReport,
    Fill,
    OrderReport,
    Publisher,
    TradedSymbol,
)

# arb_exec_kind_t
EXEC_FILL, EXEC_DONE, EXEC_VENUE = 3, 4, 6
FILL_GRACE_S = 0.25  # an order push may overtake its executions by this much
_SEEN_MAX = 1 << 16
_EXACT = Context(prec=80)


class _Recent:
    """A set that forgets its oldest members."""

    def __init__(self, size_max: int) -> None:
        self._members: set[object] = set()
        self._order: deque[object] = deque()
        self._size_max = size_max

    def __contains__(self, member: object) -> bool:
        return member in self._members

    def add(self, member: object) -> bool:
        """Add; False when it was there."""
        if member in self._members:
            return False
        self._members.add(member)
        self._order.append(member)
        if len(self._order) > self._size_max:
            self._members.discard(self._order.popleft())
        return True


@dataclass(slots=True)
class _Order:
    cum_lots: int = 0  # sum of the executions seen
    final_lots: int = -1  # the venue's count at the order's end; -1: not ended


class ExecutionTracker:
    """Turn a venue's execution and order reports into records for the strategy and exact fills.

    Threads: the loop of the private connection. Any report may come any number of times.

    Parameters
    ----------
    symbols : iterable of TradedSymbol
        The rows whose executions matter; others are ignored with a warning.
    publisher : Publisher
        Takes compact records for the strategy.
    on_fill : callable
        Takes each execution once, as an exact `Fill`.
    on_settled : callable
        Told the client id of an order that is over.
    on_deficit : callable
        Told `(client_id, venue_symbol)` of an order that is over, but whose executions are missing.

    Attributes
    ----------
    on_watched : callable or None
        Told whether pushes arrive: False while the private stream is down.
    on_counted : callable or None
        Takes each execution as well, once it was counted.
    """

    def __init__(
        self,
        venue: int,
        venue_name: str,
        symbols: Iterable[TradedSymbol],
        publisher: Publisher,
        on_fill: Callable[[Fill], None],
        on_settled: Callable[[int], object],
        on_deficit: Callable[[int, str], None] | None = None,
    ) -> None:
        self.venue = venue
        self.venue_name = venue_name
        self.symbols = {item.instrument.venue_symbol: item for item in symbols}
        self.on_deficit = on_deficit
        self.on_watched: Callable[[bool], None] | None = None
        self.on_counted: Callable[[Fill], None] | None = None
        self.fill_count = 0
        self.duplicate_count = 0
        self.foreign_count = 0
        self.last_wall_ms = 0
        self._publisher = publisher
        self._on_fill = on_fill
        self._on_settled = on_settled
        self._seen = _Recent(_SEEN_MAX)
        self._done = _Recent(_SEEN_MAX)
        self._orders: dict[int, _Order] = {}
        self._log = logging.getLogger(f"arbitrage.venues.{venue_name}")

    def execution(self, report: ExecutionReport, recv_mono_ns: int) -> bool:
        """Take one execution; False when it was known or is of a symbol not traded here."""
        item = self.symbols.get(report.venue_symbol)
        if item is None:
            self._log.warning(
                "%s: execution of %s, which is not traded here",
                self.venue_name, report.venue_symbol,
            )
            return False
        if not self._seen.add((report.venue_symbol, report.trade_id)):
            self.duplicate_count += 1
            return False
        self.fill_count += 1
        self.last_wall_ms = max(self.last_wall_ms, report.wall_ms)
        lots = self._lots(item.instrument, report.qty_venue)
        cum_lots, kind = -1, EXEC_FILL
        if report.client_id == CLIENT_ID_NONE:
            kind = EXEC_VENUE
            self.foreign_count += 1
            self._log.warning(
                "%s: %s %s %s at %s, %s (execution %s)",
                self.venue_name,
                report.venue_symbol,
                "sold" if report.side == SELL else "bought",
                report.qty_venue,
                report.px,
                "by the venue itself" if report.by_venue else "by no order of ours",
                report.trade_id,
            )
        elif report.client_id not in self._done:
            order = self._orders.setdefault(report.client_id, _Order())
            order.cum_lots += lots
            cum_lots = order.cum_lots
        notional = report.px * report.qty_venue * item.instrument.contract_base_qty
        self._publisher.publish(
            report.client_id,
            kind,
            self.venue,
            item.row,
            report.side,
            float(report.px),
            lots,
            cum_lots,
            float(report.fee / notional * 10_000) if notional else 0.0,
            0,
            recv_mono_ns,
        )
        fill = exact_fill(item.instrument, report)
        self._on_fill(fill)
        if self.on_counted is not None:
            self.on_counted(fill)
        self._finish(report.client_id, item, report.side, recv_mono_ns)
        return True

    def order(self, report: OrderReport, recv_mono_ns: int) -> None:
        """Take an order's state; its end is published once its executions are all here."""
        item = self.symbols.get(report.venue_symbol)
        if (
            item is None
            or report.client_id == CLIENT_ID_NONE
            or not report.is_terminal
            or report.client_id in self._done
        ):
            return
        order = self._orders.setdefault(report.client_id, _Order())
        order.final_lots = self._lots(item.instrument, report.cum_qty_venue)
        if not self._finish(report.client_id, item, report.side, recv_mono_ns):
            loop = asyncio.get_running_loop()
            loop.call_later(FILL_GRACE_S, self._ask, report.client_id, report.venue_symbol)

    def is_open(self, client_id: int) -> bool:
        """Whether an execution or an end of the order is known, and its end not yet published."""
        return client_id in self._orders

    def is_done(self, client_id: int) -> bool:
        """Whether the order's end was published."""
        return client_id in self._done

    def missing_lots(self, client_id: int) -> int:
        """Lots the venue counts for an ended order that no execution has told of yet."""
        order = self._orders.get(client_id)
        return 0 if order is None or order.final_lots < 0 else order.final_lots - order.cum_lots

    def watched(self, is_watched: bool) -> None:
        """Say whether pushes arrive; the private stream does."""
        if self.on_watched is not None:
            self.on_watched(is_watched)

    def forget(self, client_id: int) -> None:
        """Drop what is known of an order that the venue refused."""
        self._orders.pop(client_id, None)
        self._done.add(client_id)

    def _finish(self, client_id: int, item: TradedSymbol, side: int, recv_mono_ns: int) -> bool:
        order = self._orders.get(client_id)
        if order is None or order.final_lots < 0 or order.cum_lots < order.final_lots:
            return False
        del self._orders[client_id]
        self._done.add(client_id)
        self._publisher.publish(
            client_id, EXEC_DONE, self.venue, item.row, side, math.nan, 0,
            max(order.final_lots, order.cum_lots), 0.0, 0, recv_mono_ns,
        )
        self._on_settled(client_id)
        return True

    def _ask(self, client_id: int, venue_symbol: str) -> None:
        if self.missing_lots(client_id) > 0 and self.on_deficit is not None:
            self.on_deficit(client_id, venue_symbol)

    def regrid(self, row: int, now: Instrument, lot: Fraction) -> None:
        """Read a row's executions by its contract of now, but count them in lots of this size."""
        size = Decimal(lot.numerator) / Decimal(lot.denominator)
        self.symbols[now.venue_symbol] = TradedSymbol(row, structs.replace(now, lot=size))

    def _lots(self, instrument: Instrument, qty_venue: Decimal) -> int:
        try:
            return steps_exact(qty_venue, instrument.lot)
        except OrderError as error:
            # only a grid change can do this; the exact fill still carries the true quantity
            self._log.error("%s: %s: %s", self.venue_name, instrument.venue_symbol, error)
            return steps_floor(qty_venue, instrument.lot)


def exact_fill(instrument: Instrument, report: ExecutionReport) -> Fill:
    """Return an execution in coins and the price of one, as the ledger counts it."""
    return Fill(
        venue=instrument.venue,
        symbol=instrument.symbol,
        client_id=report.client_id,
        trade_id=report.trade_id,
        side=report.side,
        px=_EXACT.multiply(report.px, instrument.px_mult),
        qty_base=_EXACT.multiply(report.qty_venue, instrument.qty_mult),
        fee=report.fee,
        wall_ms=report.wall_ms,
    )
