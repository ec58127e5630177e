"""Fills as the money side sees them: exact decimals, taken from the venues' own strings."""

from decimal import (
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    Subnormal,
    Underflow,
)
from typing import Protocol

import msgspec

from arbitrage.core.messages import Order
from arbitrage.instruments import Instrument

__all__ = ["BUY", "EXACT", "SELL", "Fill", "FillLike", "FundingLike", "describe_order", "signed"]

BUY, SELL = 0, 1

# Money is added and multiplied in this context: a result that would need rounding is an error.
EXACT = Context(
    prec=80,
    traps=[Inexact, InvalidOperation, Overflow, Underflow, Subnormal, DivisionByZero],
)


class FillLike(Protocol):
    """What the ledger needs to know of an execution."""

    @property
    def venue(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def trade_id(self) -> str: ...
    @property
    def side(self) -> int: ...
    @property
    def px(self) -> Decimal: ...
    @property
    def qty_base(self) -> Decimal: ...
    @property
    def fee(self) -> Decimal: ...


class FundingLike(Protocol):
    """What the ledger needs to know of a funding settlement; a positive amount was paid by us."""

    @property
    def venue(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def payment_id(self) -> str: ...
    @property
    def amount(self) -> Decimal: ...


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution, exact.

    Parameters
    ----------
    venue, symbol : str
        Venue name and canonical symbol.
    client_id : int
        Of the order that filled; 0 when it was not ours.
    trade_id : str
        Unique per venue and symbol; equal ids are the same execution.
    side : int
        `BUY` or `SELL`.
    px : Decimal
        Price of one coin in the settlement currency.
    qty_base : Decimal
        Coins: the venue's quantity times the contract's value.
    fee : Decimal
        Settlement currency; positive was paid, negative was received.
    wall_ms : int
        The venue's time of the execution.
    """

    venue: str
    symbol: str
    client_id: int
    trade_id: str
    side: int
    px: Decimal
    qty_base: Decimal
    fee: Decimal
    wall_ms: int = 0


def signed(side: int, qty: Decimal) -> Decimal:
    """Return a bought quantity as it is and a sold one negated."""
    if side not in (BUY, SELL):
        raise ValueError(f"side was {side}; accepted values are {BUY} (buy) and {SELL} (sell)")
    return qty if side == BUY else -qty


def describe_order(order: Order, instrument: Instrument) -> str:
    """Return an order intent as one line a trader reads, with exact price and quantity."""
    verb = "buy" if order.side == BUY else "sell"
    reduce = " reduce-only" if order.flags & 1 else ""
    return (
        f"{order.client_id} {instrument.venue} {verb} {instrument.qty_text(order.qty_lots)} "
        f"{instrument.venue_symbol} at {instrument.px_text(order.px_ticks)}{reduce}"
    )
