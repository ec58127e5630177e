"""What a venue did to our money, exact: executions and funding settlements.

Numbers are the venues' own, as decimals, counted in coins and in the settlement currency. The
connectors make these records; the ledger and the account's journal take them.
"""

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

import msgspec

__all__ = ["BUY", "EXACT", "SELL", "Fill", "FundingPayment", "signed"]

BUY, SELL = 0, 1

# Money is added and multiplied in this context: a result that would need rounding is an error.
EXACT = Context(
    prec=80,
    traps=[Inexact, InvalidOperation, Overflow, Underflow, Subnormal, DivisionByZero],
)


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
        Price of one coin in the settlement currency (bundles such as 1000PEPE divided out).
    qty_base : Decimal
        Coins: the venue's quantity times the contract's value.
    fee : Decimal
        Settlement currency; positive was paid, negative was received.
    wall_ms : int
        The venue's time of the execution; 0: not told.
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


class FundingPayment(msgspec.Struct, frozen=True, kw_only=True):
    """One funding settlement of a position; positive `amount` was paid by us."""

    venue: str
    symbol: str
    payment_id: str
    amount: Decimal
    wall_ms: int


def signed(side: int, qty: Decimal) -> Decimal:
    """Return a bought quantity as it is and a sold one negated."""
    if side not in (BUY, SELL):
        raise ValueError(f"side was {side}; accepted values are {BUY} (buy) and {SELL} (sell)")
    return qty if side == BUY else -qty
