"""The ledger: our own account of the money, in integers, fed with the venues' own strings.

Every amount is as it changed the equity: a fee paid and funding paid are negative, a rebate is
positive. ``realised + unrealised + fees + funding`` is what the wallets together must have
gained.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

from arbitrage.fills import Fill, FundingPayment
from arbitrage.instruments import Instrument
from arbitrage.trading.positions import PositionAccount, PositionView, Units

__all__ = ["Ledger"]

Marks = Mapping[tuple[str, str], Decimal]
_NO_MARKS: Marks = {}


class Ledger:
    """Positions and money of every (venue, symbol), each fill and settlement counted once.

    Threads: one writes (the gateways' loop); others read when it rests, or through a `LedgerLook`.

    Parameters
    ----------
    contracts : iterable of Instrument, optional
        Whose ticks, lots and values the integers count in from the start.

    Examples
    --------
    >>> ledger = Ledger()
    >>> ledger.totals()["realised"]
    Decimal('0')
    """

    def __init__(self, contracts: Iterable[Instrument] = ()) -> None:
        self._contracts = {(item.venue, item.symbol): item for item in contracts}
        self._accounts: dict[tuple[str, str], PositionAccount] = {}
        self._fills: dict[tuple[str, str, str], tuple[int, Decimal, Decimal, Decimal]] = {}
        self._payments: set[tuple[str, str, str]] = set()
        self.changes = 0  # odd while one is under way; see `arbitrage.trading.ledger_look`
        self.repeats = 0  # executions that were already counted
        self.conflicts = 0  # known trade ids that came again with other numbers

    def apply_fill(self, fill: Fill) -> bool:
        """Count one execution; False when it was already counted.

        Raises
        ------
        ValueError
            When price or quantity is not a number above zero, or the fee no number.
        """
        key = (fill.venue, fill.symbol, fill.trade_id)
        told = (fill.side, fill.px, fill.qty_base, fill.fee)
        if key in self._fills:
            self.repeats += 1
            self.conflicts += self._fills[key] != told
            return False
        for name, value in (("price", fill.px), ("quantity", fill.qty_base)):
            if not value.is_finite() or value <= 0:
                raise ValueError(
                    f"{fill.venue} {fill.symbol}: {name} of trade {fill.trade_id} was {value}; "
                    "it must be above zero"
                )
        if not fill.fee.is_finite():
            raise ValueError(
                f"{fill.venue} {fill.symbol}: fee of trade {fill.trade_id} was {fill.fee}"
            )
        with self._changing():
            self._account(fill.venue, fill.symbol).apply_fill(fill)
            self._fills[key] = told
        return True

    def apply_funding(self, payment: FundingPayment) -> bool:
        """Count one funding settlement, positive amounts paid by us; False when it was known."""
        key = (payment.venue, payment.symbol, payment.payment_id)
        if key in self._payments:
            self.repeats += 1
            return False
        with self._changing():
            self._account(payment.venue, payment.symbol).apply_funding(payment.amount)
            self._payments.add(key)
        return True

    def position(self, venue: str, symbol: str, mark_px: Decimal | None = None) -> PositionView:
        """Return one position; flat and empty when nothing ever traded there."""
        known = self._accounts.get((venue, symbol))
        return (known or PositionAccount(venue, symbol)).view(mark_px)

    def positions(self, marks: Marks = _NO_MARKS) -> list[PositionView]:
        """Return every position that ever traded, in the order of first trades."""
        return [account.view(marks.get(key)) for key, account in self._accounts.items()]

    @property
    def open_legs(self) -> int:
        """Positions that are not flat."""
        return sum(account.qty.units != 0 for account in self._accounts.values())

    @property
    def fill_count(self) -> int:
        """Executions counted."""
        return len(self._fills)

    def totals(self, marks: Marks = _NO_MARKS) -> dict[str, Decimal]:
        """Return realised, unrealised, fees and funding over all positions.

        A position without a mark is taken at its cost: it adds nothing to `unrealised`.
        """
        totals = {name: Units() for name in ("realised", "unrealised", "fees", "funding")}
        for key, account in self._accounts.items():
            unrealised = account.unrealised(marks.get(key))
            totals["realised"].add_decimal(account.realised)
            if unrealised is not None:
                totals["unrealised"].add_decimal(unrealised)
            totals["fees"].add(account.fees.units, account.fees.exponent)
            totals["funding"].add(account.funding.units, account.funding.exponent)
        return {name: total.value for name, total in totals.items()}

    def accounts(self) -> list[PositionAccount]:
        """Return the accounts themselves, in the order of first trades."""
        return list(self._accounts.values())

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self.changes += 1
        try:
            yield
        finally:
            self.changes += 1

    def _account(self, venue: str, symbol: str) -> PositionAccount:
        key = (venue, symbol)
        if key not in self._accounts:
            self._accounts[key] = PositionAccount(venue, symbol, self._contracts.get(key))
        return self._accounts[key]
