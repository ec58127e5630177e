"""One position, counted by its cash flows: exact whenever it is flat, exact in sum always.

Every fill moves cash by ``-side * px * qty`` and the quantity by ``side * qty``. What the
position has earned in all is ``cash + qty * mark``, and that sum is exact. How it divides into
realised and unrealised needs an average entry price, which may have no finite decimal form; the
open part's cost is therefore rounded once, to `COST_STEP`, and the same rounded number enters
both, so that their sum stays exact.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal

import msgspec

from arbitrage.trading.orders import EXACT, FillLike, signed

__all__ = ["PositionAccount", "PositionView"]

ZERO = Decimal(0)
COST_STEP = Decimal("1e-18")
_ROUNDED = Context(prec=60, rounding=ROUND_HALF_EVEN)


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """A position at one moment; every amount as it changed the equity, so fees paid are negative.

    `avg_entry_px` is for display and None when flat; `unrealised` is None when no mark is known.
    """

    venue: str
    symbol: str
    qty_base: Decimal
    avg_entry_px: Decimal | None
    realised: Decimal
    unrealised: Decimal | None
    fees: Decimal
    funding: Decimal
    fill_count: int


class PositionAccount:
    """Quantity and money of one (venue, symbol). Threads: one writes; read when it rests."""

    def __init__(self, venue: str, symbol: str) -> None:
        self.venue = venue
        self.symbol = symbol
        self.qty_base = ZERO
        self.cash = ZERO  # sum of what fills brought and took, without fees
        self.cost = ZERO  # of the open quantity, signed like it
        self.fees = ZERO  # negative: paid
        self.funding = ZERO  # negative: paid
        self.fill_count = 0

    def apply_fill(self, fill: FillLike) -> None:
        """Count one fill."""
        change = signed(fill.side, fill.qty_base)
        value = EXACT.multiply(change, fill.px)
        held = self.qty_base
        after = EXACT.add(held, change)
        self.cash = EXACT.subtract(self.cash, value)
        self.fees = EXACT.subtract(self.fees, fill.fee)
        self.qty_base = after
        self.fill_count += 1
        if after == 0:
            self.cost = ZERO
        elif held == 0 or (held > 0) == (change > 0):
            self.cost = EXACT.add(self.cost, value)
        elif (after > 0) == (held > 0):
            kept = _ROUNDED.divide(_ROUNDED.multiply(self.cost, after), held)
            self.cost = kept.quantize(COST_STEP, context=_ROUNDED)
        else:  # turned around: what is open now was opened by this fill
            self.cost = EXACT.multiply(after, fill.px)

    def apply_funding(self, paid: Decimal) -> None:
        """Count a settlement; positive was paid by us."""
        self.funding = EXACT.subtract(self.funding, paid)

    @property
    def realised(self) -> Decimal:
        """What closed quantity has earned, before fees and funding."""
        return EXACT.add(self.cash, self.cost)

    def unrealised(self, mark_px: Decimal | None) -> Decimal | None:
        """Return what the open quantity would earn at a mark; None when there is none."""
        if self.qty_base == 0:
            return ZERO
        if mark_px is None:
            return None
        return EXACT.subtract(EXACT.multiply(self.qty_base, mark_px), self.cost)

    def view(self, mark_px: Decimal | None = None) -> PositionView:
        """Return the position at a mark."""
        average = None if self.qty_base == 0 else _ROUNDED.divide(self.cost, self.qty_base)
        return PositionView(
            venue=self.venue,
            symbol=self.symbol,
            qty_base=self.qty_base,
            avg_entry_px=average,
            realised=self.realised,
            unrealised=self.unrealised(mark_px),
            fees=self.fees,
            funding=self.funding,
            fill_count=self.fill_count,
        )
