"""Which pair an execution or a settlement belongs to.

An order's pair is told by its run's journal. Where that is gone, its client id tells the number;
a number that is not known yet, while a pair of its symbol stands, is that pair's: there is one pair
a symbol at a time, and completing orders, late exits and a recovering run's orders carry numbers of
their own. What a venue or a person traded without an order of ours (client id 0) is the standing
pair's as well. A settlement is paid by whoever held the position then, or had just left it.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from arbitrage.core.records import split_client_id
from arbitrage.trading.accounts import AccountFill, AccountFunding
from arbitrage.trading.history import History
from arbitrage.trading.positions import decimal_of, units_of

if TYPE_CHECKING:
    from arbitrage.trading.pnl import PairBook

__all__ = ["NO_PAIR", "Owners", "PairKey"]

PairKey = tuple[int, int]  # run and number
NO_PAIR: PairKey = (0, 0)
LATE_BILL_MS = 60_000  # a bill may be stamped so long after its settlement


class Owners:
    """Find the pair of each event; events come in order of time.

    Parameters
    ----------
    histories : mapping of int to History
        By run.
    standing : callable
        Takes a symbol; returns the pairs of it that hold something, oldest first.
    """

    def __init__(
        self, histories: Mapping[int, History], standing: Callable[[str], "list[PairBook]"]
    ) -> None:
        self._histories = histories
        self._standing = standing
        self._known: dict[tuple[PairKey, str], PairKey] = {}
        self._left: dict[tuple[str, str], tuple[int, PairKey]] = {}

    def of_fill(self, fill: AccountFill) -> PairKey:
        """Return the pair that an execution belongs to."""
        standing = [pair.key for pair in self._standing(fill.symbol)]
        if fill.client_id == 0:
            holders = [p.key for p in self._standing(fill.symbol) if _holds(p, fill.venue)]
            return (holders or standing or [NO_PAIR])[-1]
        ids = split_client_id(fill.client_id)
        named, told = (ids.run, ids.pair), False
        history = self._histories.get(ids.run)
        order = None if history is None else history.orders.get(fill.client_id)
        if history is not None and order is not None:
            named = history.pairs[order.pair].adopted_from or (ids.run, order.pair)
            told = True
        place = (named, fill.symbol)
        if place not in self._known:
            others = [key for key in standing if key != NO_PAIR]
            self._known[place] = named if told or not others else others[-1]
        return self._known[place]

    def note(self, fill: AccountFill, key: PairKey, pair: "PairBook") -> None:
        """Remember when a pair left a position."""
        if not _holds(pair, fill.venue):
            self._left[fill.venue, fill.symbol] = (fill.wall_ms, key)

    def of_funding(self, payment: AccountFunding) -> list[tuple[PairKey, Decimal]]:
        """Return who paid a settlement, and how much each: in all exactly what was paid."""
        holders = [p for p in self._standing(payment.symbol) if _holds(p, payment.venue)]
        if not holders:
            left_ms, key = self._left.get((payment.venue, payment.symbol), (0, NO_PAIR))
            just_left = payment.wall_ms - left_ms <= LATE_BILL_MS
            return [(key if just_left else NO_PAIR, payment.amount)]
        units, exponent = units_of(payment.amount)
        coins = [abs(pair.accounts[payment.venue].qty_base) for pair in holders]
        scale = min(units_of(qty)[1] for qty in coins)
        weights = [mantissa * 10 ** (at - scale) for mantissa, at in map(units_of, coins)]
        shares, left, weight = [], units, sum(weights)
        for pair, mine in zip(holders, weights, strict=True):
            share = left * mine // weight
            left, weight = left - share, weight - mine
            shares.append((pair.key, decimal_of(share, exponent)))
        return shares


def _holds(pair: "PairBook", venue: str) -> bool:
    account = pair.accounts.get(venue)
    return account is not None and account.qty.units != 0
