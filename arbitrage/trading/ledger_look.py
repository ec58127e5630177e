"""A look at a ledger that another thread writes: sums by venue, for a person, not for the books."""

from collections.abc import Callable

import msgspec

from arbitrage.trading.ledger import Ledger
from arbitrage.trading.positions import PositionAccount, Units

__all__ = ["LedgerLook", "VenueMoney"]

TRIES = 8


class VenueMoney(msgspec.Struct):
    """One venue's money since the run began, USD; amounts as they changed the equity.

    `unrealised` is None when a position there has no mark.
    """

    realised: float = 0.0
    fees: float = 0.0
    funding: float = 0.0
    unrealised: float | None = 0.0


class _Known(msgspec.Struct):
    """An account's amounts when it last changed."""

    fill_count: int
    funding_units: int
    qty: float
    cost: float
    realised: float
    fees: float
    funding: float


def _float(units: Units) -> float:
    if units.exponent < 0:
        quotient: float = units.units / 10 ** -units.exponent
        return quotient
    return float(units.units * 10**units.exponent)


class LedgerLook:
    """Read a ledger's sums beside its writer, cheaply: what has not changed is not counted again.

    Threads: one, any. What the writer changed meanwhile is read once more; should it never rest,
    the sums of the look before are returned.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: dict[tuple[str, str], _Known] = {}
        self._last: dict[str, VenueMoney] = {}

    def by_venue(self, mark: Callable[[str, str], float | None]) -> dict[str, VenueMoney]:
        """Return the sums; `mark` gives a (venue, symbol)'s price in coins, None: unknown."""
        for _ in range(TRIES):
            begun = self._ledger.changes
            if begun & 1:
                continue
            known = self._read()
            if self._ledger.changes == begun:
                self._known = known
                self._last = self._sums(mark)
                break
        return self._last

    def _read(self) -> dict[tuple[str, str], _Known]:
        found: dict[tuple[str, str], _Known] = {}
        for account in self._ledger.accounts():
            key = (account.venue, account.symbol)
            known = self._known.get(key)
            if (
                known is None
                or known.fill_count != account.fill_count
                or known.funding_units != account.funding.units
            ):
                known = _amounts(account)
            found[key] = known
        return found

    def _sums(self, mark: Callable[[str, str], float | None]) -> dict[str, VenueMoney]:
        sums: dict[str, VenueMoney] = {}
        for (venue, symbol), known in self._known.items():
            money = sums.setdefault(venue, VenueMoney())
            money.realised += known.realised
            money.fees += known.fees
            money.funding += known.funding
            if known.qty and money.unrealised is not None:
                px = mark(venue, symbol)
                money.unrealised = (
                    None if px is None else money.unrealised + known.qty * px - known.cost
                )
        return sums


def _amounts(account: PositionAccount) -> _Known:
    return _Known(
        fill_count=account.fill_count,
        funding_units=account.funding.units,
        qty=_float(account.qty),
        cost=_float(account.cost) if account.qty.units else 0.0,
        realised=float(account.realised),
        fees=_float(account.fees),
        funding=_float(account.funding),
    )
