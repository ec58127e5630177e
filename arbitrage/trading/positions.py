"""One position, counted by its cash flows in integers: exact when it is flat, exact in sum always.

Every number of a venue is a whole count of its contract's steps: a price of ticks, a quantity of
lots, a value of ticks times lots times the contract's value. Steps of contracts are finite
decimals, so each account counts on decimal grids, ``units * 10^exponent``, which begin as fine as
the contract says and become finer when a venue ever states more digits (fees and funding have grids
of their own). Sums are integer additions; nothing is rounded and nothing can overflow.

Every fill moves cash by ``-side * px * qty`` and the quantity by ``side * qty``. What the position
has earned in all is ``cash + qty * mark``, and that sum is exact. How it divides into realised and
unrealised needs an average entry price, which may have no finite decimal form; the open part's cost
is therefore rounded once, to `COST_EXPONENT`, and the same rounded number enters both, so that
their sum stays exact.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal

import msgspec

from arbitrage.fills import EXACT, Fill, signed
from arbitrage.instruments import Instrument

__all__ = ["PositionAccount", "PositionView", "Units", "units_of"]

ZERO = Decimal(0)
COST_EXPONENT = -18
_ROUNDED = Context(prec=60, rounding=ROUND_HALF_EVEN)


def units_of(value: Decimal) -> tuple[int, int]:
    """Return a decimal as a whole number of steps of 10 to an exponent, exact.

    Raises
    ------
    ValueError
        When it is no number.
    """
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is no amount")
    units = int("".join(map(str, digits)))
    return -units if sign else units, exponent


class Units:
    """A sum of decimals as one integer on a decimal grid, which becomes finer when it must."""

    __slots__ = ("exponent", "units")

    def __init__(self, exponent: int = 0) -> None:
        self.units = 0
        self.exponent = exponent

    def add(self, units: int, exponent: int) -> None:
        """Add ``units * 10^exponent``."""
        self.refine(exponent)
        self.units += units * 10 ** (exponent - self.exponent)

    def add_decimal(self, value: Decimal) -> None:
        """Add a decimal."""
        self.add(*units_of(value))

    def refine(self, exponent: int) -> None:
        """Make the grid at least so fine."""
        if exponent < self.exponent:
            self.units *= 10 ** (self.exponent - exponent)
            self.exponent = exponent

    def put(self, units: int, exponent: int) -> None:
        """Take another value; the grid stays as fine as it was, or becomes finer."""
        self.units = 0
        self.add(units, exponent)

    @property
    def value(self) -> Decimal:
        """The sum, exact."""
        return decimal_of(self.units, self.exponent)


def decimal_of(units: int, exponent: int) -> Decimal:
    """Return ``units * 10^exponent``, without zeros behind the point that say nothing."""
    while exponent < 0 and units % 10 == 0:
        if units == 0:
            return ZERO
        units, exponent = units // 10, exponent + 1
    return Decimal(units).scaleb(exponent, EXACT)


def scaled(units: Units, exponent: int) -> int:
    """Return a sum on a grid at least as fine as its own."""
    steps: int = 10 ** (units.exponent - exponent)
    return units.units * steps


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
    """Quantity and money of one (venue, symbol). Threads: one writes; read when it rests.

    Parameters
    ----------
    venue, symbol : str
    contract : Instrument, optional
        Whose steps the grids begin with.
    """

    def __init__(self, venue: str, symbol: str, contract: Instrument | None = None) -> None:
        self.venue = venue
        self.symbol = symbol
        px_exponent, qty_exponent = 0, 0
        if contract is not None:
            px_exponent = units_of(EXACT.multiply(contract.tick, contract.px_mult))[1]
            qty_exponent = units_of(EXACT.multiply(contract.lot, contract.qty_mult))[1]
        self.qty = Units(qty_exponent)  # coins
        self.cash = Units(px_exponent + qty_exponent)  # what fills brought and took, without fees
        self.cost = Units(COST_EXPONENT)  # of the open quantity, signed like it
        self.fees = Units()  # negative: paid
        self.funding = Units()  # negative: paid
        self.fill_count = 0

    @property
    def qty_base(self) -> Decimal:
        """Coins held; negative: short."""
        return self.qty.value

    def apply_fill(self, fill: Fill) -> None:
        """Count one fill."""
        change, qty_exponent = units_of(signed(fill.side, fill.qty_base))
        px, px_exponent = units_of(fill.px)
        fee, fee_exponent = units_of(fill.fee)
        value, exponent = change * px, px_exponent + qty_exponent
        self.qty.refine(qty_exponent)
        held = self.qty.units
        change *= 10 ** (qty_exponent - self.qty.exponent)
        after = held + change
        self.cash.add(-value, exponent)
        self.fees.add(-fee, fee_exponent)
        self.qty.units = after
        self.fill_count += 1
        if after == 0:
            self.cost.units = 0
        elif held == 0 or (held > 0) == (change > 0):
            self.cost.add(value, exponent)
        elif (after > 0) == (held > 0):
            self.cost.units = divided(self.cost.units * after, held)
        else:  # turned around: what is open now was opened by this fill
            self.cost.put(after * px, self.qty.exponent + px_exponent)

    def apply_funding(self, paid: Decimal) -> None:
        """Count a settlement; positive was paid by us."""
        units, exponent = units_of(paid)
        self.funding.add(-units, exponent)

    @property
    def realised(self) -> Decimal:
        """What closed quantity has earned, before fees and funding."""
        exponent = min(self.cash.exponent, self.cost.exponent)
        units = scaled(self.cash, exponent) + scaled(self.cost, exponent)
        return decimal_of(units, exponent)

    def unrealised(self, mark_px: Decimal | None) -> Decimal | None:
        """Return what the open quantity would earn at a mark; None when there is none."""
        if self.qty.units == 0:
            return ZERO
        if mark_px is None:
            return None
        mark, mark_exponent = units_of(mark_px)
        worth = Units(self.cost.exponent)
        worth.add(self.qty.units * mark, self.qty.exponent + mark_exponent)
        worth.add(-self.cost.units, self.cost.exponent)
        return worth.value

    def view(self, mark_px: Decimal | None = None) -> PositionView:
        """Return the position at a mark."""
        average = _ROUNDED.divide(self.cost.value, self.qty_base) if self.qty.units else None
        return PositionView(
            venue=self.venue,
            symbol=self.symbol,
            qty_base=self.qty_base,
            avg_entry_px=average,
            realised=self.realised,
            unrealised=self.unrealised(mark_px),
            fees=self.fees.value,
            funding=self.funding.value,
            fill_count=self.fill_count,
        )


def divided(number: int, by: int) -> int:
    """Divide two integers, to the nearest one; half goes to the even one."""
    if by < 0:
        number, by = -number, -by
    quotient, rest = divmod(number, by)
    twice = 2 * rest
    return quotient + (twice > by or (twice == by and quotient % 2 == 1))
