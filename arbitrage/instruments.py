"""Instruments: one contract of one venue, its canonical name, and its grids in exact decimals.

Venues quote the same coin differently. Two numbers bring them together::

    common price    = venue price    * px_mult      (quote currency for one base coin)
    common quantity = venue quantity * qty_mult     (base coins)

`contract_base_qty` is the number of *quoted* units in one venue quantity unit, so that
``price * quantity * contract_base_qty`` is the notional on either venue:

==========================  ===================  =========  ==========
contract                    contract_base_qty    px_mult    qty_mult
==========================  ===================  =========  ==========
Bybit BTCUSDT               1                    1          1
OKX   BTC-USDT-SWAP         0.01                 1          0.01
Bybit 1000PEPEUSDT          1                    0.001      1000
OKX   PEPE-USDT-SWAP        10000000             1          10000000
==========================  ===================  =========  ==========
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, InvalidOperation
from fractions import Fraction
from math import gcd
from typing import Any

import msgspec

from arbitrage.errors import ConfigError, OrderError

__all__ = [
    "MULTIPLIED_BASES",
    "VENUES",
    "CommonLot",
    "Instrument",
    "canonical_base",
    "canonical_symbol",
    "common_lot",
    "default_px_mult",
    "format_steps",
    "listed_instrument",
    "steps_ceil",
    "steps_exact",
    "steps_floor",
    "venue_code",
    "venue_symbol",
]

VENUES = ("bybit", "okx")
SETTLE = "USDT"
# Wide enough that no product of a 63-bit count and a venue's step is ever rounded.
_EXACT = Context(prec=80)

# Names under which a venue lists a bundle of coins: listed base -> (coin, coins in the bundle).
# Explicit, because names such as 1INCH begin with digits and mean no bundle.
MULTIPLIED_BASES: dict[str, tuple[str, int]] = {
    "1000BONK": ("BONK", 1_000),
    "1000BTT": ("BTT", 1_000),
    "1000CAT": ("CAT", 1_000),
    "1000FLOKI": ("FLOKI", 1_000),
    "1000LUNC": ("LUNC", 1_000),
    "1000PEPE": ("PEPE", 1_000),
    "1000RATS": ("RATS", 1_000),
    "1000SATS": ("SATS", 1_000),
    "1000SHIB": ("SHIB", 1_000),
    "1000TOSHI": ("TOSHI", 1_000),
    "1000TURBO": ("TURBO", 1_000),
    "1000XEC": ("XEC", 1_000),
    "10000COQ": ("COQ", 10_000),
    "10000ELON": ("ELON", 10_000),
    "10000LADYS": ("LADYS", 10_000),
    "10000QUBIC": ("QUBIC", 10_000),
    "10000SATS": ("SATS", 10_000),
    "10000WEN": ("WEN", 10_000),
    "10000WHY": ("WHY", 10_000),
    "1000000BABYDOGE": ("BABYDOGE", 1_000_000),
    "1000000CHEEMS": ("CHEEMS", 1_000_000),
    "1000000MOG": ("MOG", 1_000_000),
    "1000000PEIPEI": ("PEIPEI", 1_000_000),
    "1MBABYDOGE": ("BABYDOGE", 1_000_000),
    "SHIB1000": ("SHIB", 1_000),
}
_BUNDLE_OF: dict[str, str] = {"SHIB": "SHIB1000"} | {
    coin: listed
    for listed, (coin, _) in reversed(MULTIPLIED_BASES.items())
    if listed not in {"1000SHIB", "1000SATS", "1MBABYDOGE", "SHIB1000"}
}


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One linear perpetual of one venue.

    Parameters
    ----------
    venue : str
        ``bybit`` or ``okx``.
    venue_symbol : str
        The venue's own name, such as ``BTC-USDT-SWAP``.
    symbol : str
        Canonical name, coin and settlement currency: ``BTCUSDT``.
    base, settle : str
        Coin (bundle prefixes removed) and settlement currency.
    contract_base_qty : Decimal
        Quoted units in one venue quantity unit (Bybit 1, OKX ctVal * ctMult).
    tick, lot : Decimal
        Price step and quantity step, in the venue's own units.
    min_qty, max_qty : Decimal
        Smallest and largest order, in the venue's own units; `max_qty` 0 means no stated limit.
    min_notional : Decimal
        Smallest order value in the settlement currency; 0: none.
    px_mult : Decimal
        Venue price times this is the price of one coin.
    inst_id_code : int or None
        OKX's number of the instrument, needed by its WebSocket orders.
    state : str
        ``live`` when it trades, else the venue's own word in lower case.
    funding_interval_h : float
        Hours between settlements; 0: not known.
    """

    venue: str
    venue_symbol: str
    symbol: str
    base: str
    settle: str
    contract_base_qty: Decimal
    tick: Decimal
    lot: Decimal
    min_qty: Decimal
    max_qty: Decimal
    min_notional: Decimal = Decimal(0)
    px_mult: Decimal = Decimal(1)
    inst_id_code: int | None = None
    state: str = "live"
    funding_interval_h: float = 0.0

    def __post_init__(self) -> None:
        for name in ("contract_base_qty", "tick", "lot", "px_mult"):
            value: Decimal = getattr(self, name)
            if not value.is_finite() or value <= 0:
                raise ConfigError(
                    f"{self.venue} {self.venue_symbol}: {name} was {value}, must be above zero"
                )

    @property
    def qty_mult(self) -> Decimal:
        """Coins in one venue quantity unit: ``contract_base_qty / px_mult``, exact."""
        return _decimal(Fraction(self.contract_base_qty) / Fraction(self.px_mult))

    @property
    def is_live(self) -> bool:
        """Whether the venue trades it now."""
        return self.state == "live"

    @property
    def min_lots(self) -> int:
        """Smallest order, in lots."""
        return max(1, steps_ceil(self.min_qty, self.lot))

    @property
    def max_lots(self) -> int:
        """Largest order, in lots; the largest 63-bit number when the venue states none."""
        return steps_floor(self.max_qty, self.lot) if self.max_qty > 0 else 2**63 - 1

    def px_text(self, ticks: int) -> str:
        """Format a price of so many ticks exactly as the venue wants it."""
        return format_steps(ticks, self.tick)

    def qty_text(self, lots: int) -> str:
        """Format a quantity of so many lots exactly as the venue wants it."""
        return format_steps(lots, self.lot)

    def amount_text(self, lots: int) -> str:
        """Write a quantity for a person, as the venue's site shows it: with its unit.

        ``0.12 BTC``, ``12 contracts (0.12 BTC)``, ``3 x 1000PEPE (3000 PEPE)``.
        """
        qty, coins = self.qty_text(lots), f"{self.base_qty(lots).normalize():f} {self.base}"
        if self.qty_mult == 1:
            return coins
        if self.contract_base_qty == 1:
            return f"{qty} x {self.venue_symbol.removesuffix(self.settle)} ({coins})"
        return f"{qty} contract{'' if Decimal(qty) == 1 else 's'} ({coins})"

    def base_qty(self, lots: int) -> Decimal:
        """Return the coins in so many lots."""
        return _EXACT.multiply(_EXACT.multiply(Decimal(lots), self.lot), self.qty_mult)

    def notional(self, px_ticks: int, lots: int) -> Decimal:
        """Return the value of an order in the settlement currency, exact."""
        px = _EXACT.multiply(Decimal(px_ticks), self.tick)
        qty = _EXACT.multiply(Decimal(lots), self.lot)
        return _EXACT.multiply(_EXACT.multiply(px, qty), self.contract_base_qty)


class CommonLot(msgspec.Struct, frozen=True):
    """The smallest quantity that both venues can trade exactly.

    Parameters
    ----------
    base_qty : Decimal
        The common step, in coins.
    lots_a, lots_b : int
        How many lots of either instrument make one common step.
    """

    base_qty: Decimal
    lots_a: int
    lots_b: int


# ---- names -----------------------------------------------------------------------------------


def venue_code(venue: str) -> int:
    """Return a venue's fixed number: bybit 0, okx 1."""
    try:
        return VENUES.index(venue)
    except ValueError:
        raise ConfigError(f"venue was {venue!r}; accepted values are {', '.join(VENUES)}") from None


def canonical_base(listed_base: str) -> tuple[str, int]:
    """Return the coin and its count in one listed unit: ``1000PEPE`` -> (``PEPE``, 1000)."""
    return MULTIPLIED_BASES.get(listed_base, (listed_base, 1))


def default_px_mult(listed_base: str) -> Decimal:
    """Return the price multiplier of a listed base: 1, or the inverse of its bundle size."""
    return _decimal(Fraction(1, canonical_base(listed_base)[1]))


def canonical_symbol(venue: str, name: str, settle: str = SETTLE) -> str:
    """Return the canonical symbol of a venue's linear perpetual.

    Raises
    ------
    ConfigError
        When the name is not that of a perpetual settled in `settle`.
    """
    venue_code(venue)
    if venue == "okx":
        listed, matched = name.removesuffix(f"-{settle}-SWAP"), name.endswith(f"-{settle}-SWAP")
        form = f"BTC-{settle}-SWAP"
    else:
        listed, matched = name.removesuffix(settle), name.endswith(settle)
        form = f"BTC{settle}"
    if not matched or not (listed.isascii() and listed.isalnum() and listed.isupper()):
        raise ConfigError(f"{venue} symbol was {name!r}; accepted are names such as {form}")
    return canonical_base(listed)[0] + settle


def venue_symbol(venue: str, symbol: str, settle: str = SETTLE) -> str:
    """Return the name under which a venue usually lists a canonical symbol.

    The venue's instrument list is the authority; this is for tools that work without it.
    """
    venue_code(venue)
    base = symbol.removesuffix(settle)
    if base == symbol or not (base.isascii() and base.isalnum() and base.isupper()):
        raise ConfigError(f"symbol was {symbol!r}; accepted are names such as BTC{settle}")
    base = canonical_base(base)[0]
    if venue == "okx":
        return f"{base}-{settle}-SWAP"
    return _BUNDLE_OF.get(base, base) + settle


# ---- exact steps -----------------------------------------------------------------------------


def _decimal(value: Fraction) -> Decimal:
    """Turn a fraction with a finite decimal form into that decimal, without rounding."""
    rest, shift = value.denominator, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest //= prime
            count += 1
        shift = max(shift, count)
    if rest != 1:
        raise ConfigError(f"{value} has no finite decimal form; check the contract's multipliers")
    return Decimal(value.numerator * 10**shift // value.denominator).scaleb(-shift, _EXACT)


def _steps(value: Decimal, step: Decimal, rounding: str) -> int:
    if not value.is_finite() or not step.is_finite() or step <= 0:
        raise OrderError(f"value was {value} on a grid of {step}; both must be finite, step > 0")
    ratio = Fraction(value) / Fraction(step)
    floor = ratio.numerator // ratio.denominator
    return floor + (rounding == ROUND_CEILING and ratio.denominator != 1)


def steps_floor(value: Decimal, step: Decimal) -> int:
    """Return the largest count of steps that is not above the value."""
    return _steps(value, step, ROUND_FLOOR)


def steps_ceil(value: Decimal, step: Decimal) -> int:
    """Return the smallest count of steps that is not below the value."""
    return _steps(value, step, ROUND_CEILING)


def steps_exact(value: Decimal | str, step: Decimal) -> int:
    """Return the count of steps that make exactly the value.

    Raises
    ------
    OrderError
        When the value lies off the grid or is no number.
    """
    try:
        exact = Decimal(value)
    except InvalidOperation:
        raise OrderError(f"value was {value!r}, which is no decimal number") from None
    count = steps_floor(exact, step)
    if Fraction(exact) != count * Fraction(step):
        raise OrderError(f"value was {exact}, which is no multiple of the step {step}")
    return count


def format_steps(count: int, step: Decimal) -> str:
    """Write ``count * step`` in plain decimal digits, with the step's own number of decimals."""
    exponent = step.normalize(_EXACT).as_tuple().exponent
    decimals = max(0, -exponent) if isinstance(exponent, int) else 0
    return f"{_EXACT.multiply(Decimal(count), step):.{decimals}f}"


def listed_instrument(row: Mapping[str, Any]) -> Instrument:
    """Return the contract that a line of ``arb instruments --json`` tells."""

    def number(name: str, default: str | None = None) -> Decimal:
        return Decimal(str(row[name] if default is None else row.get(name, default)))

    return Instrument(
        venue=row["venue"],
        venue_symbol=row["venue_symbol"],
        symbol=row["symbol"],
        base=row["symbol"].removesuffix("USDT"),
        settle="USDT",
        contract_base_qty=number("contract_base_qty"),
        tick=number("tick"),
        lot=number("lot"),
        min_qty=number("min_qty", "0"),
        max_qty=number("max_qty", "0"),
        min_notional=number("min_notional", "0"),
        px_mult=number("px_mult", "1"),
    )


def common_lot(a: Instrument, b: Instrument) -> CommonLot:
    """Return the least common quantity of two instruments' lot grids, exact.

    Raises
    ------
    ConfigError
        When the two are not the same coin.
    """
    if a.symbol != b.symbol:
        raise ConfigError(f"no common lot of {a.symbol} and {b.symbol}: they are different coins")
    lot_a = Fraction(a.lot) * Fraction(a.qty_mult)
    lot_b = Fraction(b.lot) * Fraction(b.qty_mult)
    # lcm(p/q, r/s) = lcm(p*s, r*q) / (q*s)
    left = lot_a.numerator * lot_b.denominator
    right = lot_b.numerator * lot_a.denominator
    common = left * right // gcd(left, right)
    step = Fraction(common, lot_a.denominator * lot_b.denominator)
    return CommonLot(_decimal(step), common // left, common // right)
