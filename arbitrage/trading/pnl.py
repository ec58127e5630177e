"""What was earned, from the accounts of all runs: by pair, venue, symbol and UTC day.

The executions and settlements are walked through in the venues' order of time. Each belongs to a
pair (see `arbitrage.trading.pair_of_fill`), each pair counts its legs in a `PositionAccount` of its
own, and every change of money goes to the UTC day on which its venue says it happened: a bill that
comes a day late still lands in its own day. Sums are integers; in every grouping

    realised + unrealised + fees + funding  =  what the wallets gained

holds to the last digit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from pathlib import Path

from arbitrage.core.records import split_client_id
from arbitrage.fills import EXACT
from arbitrage.trading.accounts import AccountFill, AccountFunding, Accounts, read_accounts
from arbitrage.trading.history import History
from arbitrage.trading.pair_of_fill import Owners, PairKey
from arbitrage.trading.positions import PositionAccount, Units

__all__ = ["DAY_MS", "Book", "Flows", "PairBook", "day_result"]

DAY_MS = 86_400_000
Marks = Mapping[tuple[str, str], Decimal]


@dataclass(slots=True)
class Flows:
    """Money that moved: amounts as they changed the equity, so what was paid is negative."""

    realised: Units = field(default_factory=Units)
    fees: Units = field(default_factory=Units)
    funding: Units = field(default_factory=Units)
    volume: Units = field(default_factory=Units)
    fills: int = 0

    def add(self, other: "Flows") -> None:
        """Add what moved elsewhere."""
        for name in ("realised", "fees", "funding", "volume"):
            part: Units = getattr(other, name)
            total: Units = getattr(self, name)
            total.add(part.units, part.exponent)
        self.fills += other.fills

    @property
    def net(self) -> Decimal:
        """Realised, fees and funding together."""
        total = Units()
        for part in (self.realised, self.fees, self.funding):
            total.add(part.units, part.exponent)
        return total.value


@dataclass(slots=True)
class Side:
    """Coins and value of one leg's entries or exits: their average price."""

    qty: Units = field(default_factory=Units)
    value: Units = field(default_factory=Units)

    def add(self, fill: AccountFill) -> None:
        """Count one fill."""
        self.qty.add_decimal(fill.qty_base)
        self.value.add_decimal(EXACT.multiply(fill.qty_base, fill.px))

    @property
    def px(self) -> Decimal | None:
        """Average price, 12 digits; None: nothing traded."""
        if self.qty.units == 0:
            return None
        return Decimal(f"{self.value.value / self.qty.value:.12g}")


@dataclass(slots=True)
class PairBook:
    """One pair's legs, by venue; `key` is (run, number), or `NO_PAIR`.

    Attributes
    ----------
    accounts, entries, exits : dict
        By venue.
    directions : dict of str to int
        By venue: 1 where the leg bought to enter, -1 where it sold.
    started_ms, ended_ms : int
        First and last execution, the venues' times.
    """

    key: PairKey
    symbol: str
    accounts: dict[str, PositionAccount] = field(default_factory=dict)
    entries: dict[str, Side] = field(default_factory=dict)
    exits: dict[str, Side] = field(default_factory=dict)
    directions: dict[str, int] = field(default_factory=dict)
    started_ms: int = 0
    ended_ms: int = 0

    @property
    def is_flat(self) -> bool:
        """Whether no leg holds anything."""
        return all(account.qty.units == 0 for account in self.accounts.values())

    def account(self, venue: str) -> PositionAccount:
        """Return one leg's account."""
        if venue not in self.accounts:
            self.accounts[venue] = PositionAccount(venue, self.symbol)
        return self.accounts[venue]

    def apply_fill(self, fill: AccountFill) -> Flows:
        """Count a fill; return what money it moved."""
        account = self.account(fill.venue)
        before, sign = account.realised, -1 if fill.side else 1
        held = account.qty.units
        if fill.venue not in self.directions:
            self.directions[fill.venue] = sign
        is_entry = held == 0 or (held > 0) == (sign > 0)
        sides = self.entries if is_entry else self.exits
        sides.setdefault(fill.venue, Side()).add(fill)
        account.apply_fill(fill)
        self.started_ms = self.started_ms or fill.wall_ms
        self.ended_ms = fill.wall_ms
        flows = Flows(fills=1)
        flows.realised.add_decimal(EXACT.subtract(account.realised, before))
        flows.fees.add_decimal(-fill.fee)
        flows.volume.add_decimal(EXACT.multiply(fill.px, fill.qty_base))
        return flows

    def apply_funding(self, venue: str, paid: Decimal) -> Flows:
        """Count a settlement, or this pair's share of one."""
        self.account(venue).apply_funding(paid)
        flows = Flows()
        flows.funding.add_decimal(-paid)
        return flows

    def venue_of(self, direction: int) -> str:
        """Return the venue of the leg that bought (1) or sold (-1) to enter; empty: none."""
        found = [venue for venue, sign in self.directions.items() if sign == direction]
        return found[0] if found else ""

    def unrealised(self, marks: Marks) -> Decimal | None:
        """Return what the standing legs would bring; None where a mark is missing."""
        total = Units()
        for venue, account in self.accounts.items():
            part = account.unrealised(marks.get((venue, self.symbol)))
            if part is None:
                return None
            total.add_decimal(part)
        return total.value


class Book:
    """Everything that was earned, in one mode.

    Parameters
    ----------
    accounts : Accounts
        Read from the state folder.
    mode : str
        Whose money: one of `arbitrage.trading.accounts.MODES`; other money is left out.
    histories : mapping of int to History
        Of the runs whose order journals are still there; without one, an execution's pair is told
        by its client id and by what stands at its time.
    since_ms, until_ms : int or None
        Only money that moved in this time counts; positions are known from the beginning.
    run : int or None
        Only executions that this run ordered, and settlements that it wrote down.

    Attributes
    ----------
    flows : dict
        (venue, symbol, UTC day from the epoch, pair key) -> `Flows`.
    pairs : dict
        (pair key, symbol) -> `PairBook`.
    """

    def __init__(
        self,
        accounts: Accounts,
        mode: str,
        histories: Mapping[int, History] | None = None,
        *,
        since_ms: int | None = None,
        until_ms: int | None = None,
        run: int | None = None,
    ) -> None:
        self.mode = mode
        self.flows: dict[tuple[str, str, int, PairKey], Flows] = {}
        self.pairs: dict[tuple[PairKey, str], PairBook] = {}
        self._open: dict[str, dict[PairKey, PairBook]] = {}  # by symbol: pairs that stand
        self._owners = Owners(histories or {}, self._standing)
        self._since_ms = since_ms
        self._until_ms = until_ms
        told: Iterable[AccountFill | AccountFunding] = chain(accounts.fills, accounts.fundings)
        events = [
            event
            for event in told
            if event.mode == mode and (run is None or _run_of(event) == run)
        ]
        # fills before settlements of the same moment: they were held through it
        events.sort(key=lambda event: (event.wall_ms, isinstance(event, AccountFunding)))
        for event in events:
            if until_ms is None or event.wall_ms < until_ms:
                self._take(event)

    def _take(self, event: AccountFill | AccountFunding) -> None:
        if isinstance(event, AccountFill):
            key = self._owners.of_fill(event)
            pair = self._pair(key, event.symbol)
            self._count(event, key, pair.apply_fill(event))
            self._owners.note(event, key, pair)
            standing = self._open.setdefault(event.symbol, {})
            if pair.is_flat:
                standing.pop(key, None)
            else:
                standing[key] = pair
            return
        for key, paid in self._owners.of_funding(event):
            pair = self._pair(key, event.symbol)
            self._count(event, key, pair.apply_funding(event.venue, paid))

    def _count(self, event: AccountFill | AccountFunding, key: PairKey, flows: Flows) -> None:
        if self._since_ms is not None and event.wall_ms < self._since_ms:
            return
        place = (event.venue, event.symbol, event.wall_ms // DAY_MS, key)
        self.flows.setdefault(place, Flows()).add(flows)

    def _pair(self, key: PairKey, symbol: str) -> PairBook:
        if (key, symbol) not in self.pairs:
            self.pairs[key, symbol] = PairBook(key, symbol)
        return self.pairs[key, symbol]

    def _standing(self, symbol: str) -> list[PairBook]:
        return list(self._open.get(symbol, {}).values())

    def positions(self) -> dict[tuple[str, str], list[PositionAccount]]:
        """Return what stands: (venue, symbol) -> the accounts of the pairs that hold it."""
        found: dict[tuple[str, str], list[PositionAccount]] = {}
        for pair in self.pairs.values():
            for venue, account in pair.accounts.items():
                if account.qty.units:
                    found.setdefault((venue, pair.symbol), []).append(account)
        return found

    def unrealised(self, marks: Marks) -> Decimal | None:
        """Return what everything that stands would bring; None where a mark is missing."""
        total = Units()
        for pair in self.pairs.values():
            part = pair.unrealised(marks)
            if part is None:
                return None
            total.add_decimal(part)
        return total.value

    @property
    def total(self) -> Flows:
        """All money that moved."""
        total = Flows()
        for flows in self.flows.values():
            total.add(flows)
        return total

    def day(self, day: int) -> Flows:
        """What moved on one UTC day, counted from the epoch."""
        total = Flows()
        for (_, _, on, _), flows in self.flows.items():
            if on == day:
                total.add(flows)
        return total


def _run_of(event: AccountFill | AccountFunding) -> int:
    if isinstance(event, AccountFill) and event.client_id:
        return split_client_id(event.client_id).run
    return event.run


def day_result(
    folder: Path, now_wall_ns: int, mode: str, runs: Iterable[int] | None = None
) -> Decimal:
    """Return what the UTC day of `now_wall_ns` has brought so far, as the risk gate counts it.

    A pair counts whole, with its fees and funding, on the day of its last execution; what still
    stands counts when it ends.
    """
    book = Book(read_accounts(folder, runs), mode)
    today = now_wall_ns // 1_000_000 // DAY_MS
    ended = {
        (key, symbol)
        for (key, symbol), pair in book.pairs.items()
        if pair.is_flat and pair.ended_ms // DAY_MS == today
    }
    total = Flows()
    for (_, symbol, _, key), flows in book.flows.items():
        if (key, symbol) in ended:
            total.add(flows)
    return total.net
