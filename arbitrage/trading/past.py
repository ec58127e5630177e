"""What a run held when its journal ended, for the run that takes it over.

`history` replays the journal in the run's own rows, ticks and lots. Here that is counted in each
venue's units, as the contracts of that run meant them: the next run may trade on another lot grid.
"""

import math
from decimal import Decimal
from typing import NamedTuple

import msgspec

from arbitrage.core.messages import Contract
from arbitrage.core.records import ORDER_REDUCE_ONLY, ExecKind
from arbitrage.errors import JournalError
from arbitrage.fills import BUY, SELL, signed
from arbitrage.instruments import VENUES
from arbitrage.trading.history import LONG, SHORT, History, OrderHistory, PairHistory
from arbitrage.trading.pair_states import Idle

__all__ = ["Key", "Past", "PastLeg", "PastOrder", "PastPair"]

Key = tuple[str, str]  # venue, its name of the contract
ZERO = Decimal(0)


class PastOrder(msgspec.Struct, kw_only=True):
    """An order of an earlier run, as far as its journal knows it.

    Parameters
    ----------
    client_id : int
    venue, venue_symbol : str
    side : int
    qty, filled : Decimal
        Sent, and known to be filled.
    limit_px : float
        Its limit, in the venue's quotation.
    is_entry : bool
        Whether it was to open or to complete a pair.
    wall_ns : int
        When it was journaled.
    is_accepted, is_over : bool
        Whether the venue said yes to it, and whether nothing of it can fill any more.
    """

    client_id: int
    venue: str
    venue_symbol: str
    side: int
    qty: Decimal
    limit_px: float
    is_entry: bool
    wall_ns: int
    filled: Decimal = ZERO
    is_accepted: bool = False
    is_over: bool = False

    @property
    def key(self) -> Key:
        """Its contract."""
        return self.venue, self.venue_symbol


class PastLeg(msgspec.Struct, kw_only=True):
    """What one leg of a pair was bought or sold for.

    `entry_value` is the sum of price times quantity of its entry fills, `fee_value` of that times
    the fee in basis points, over all fills whose fee was told.
    """

    venue: str
    venue_symbol: str
    entry_qty: float = 0.0
    entry_value: float = 0.0
    fee_value: float = 0.0
    fee_weight: float = 0.0

    @property
    def entry_px(self) -> float | None:
        """Average entry price in the venue's quotation; None when nothing was entered."""
        return self.entry_value / self.entry_qty if self.entry_qty > 0 else None

    @property
    def fee_bps(self) -> float | None:
        """Average fee of its fills; None when none was told."""
        return self.fee_value / self.fee_weight if self.fee_weight > 0 else None

    def count(self, qty: float, px: float, fee_bps: float, *, is_entry: bool) -> None:
        """Count one fill."""
        if is_entry:
            self.entry_qty += qty
            self.entry_value += qty * px
        if fee_bps == fee_bps:  # not NaN
            self.fee_value += qty * px * fee_bps
            self.fee_weight += qty * px


class PastPair(msgspec.Struct, kw_only=True):
    """A pair that was not over: the leg that bought to enter, then the one that sold.

    `run` and `number` are those under which it was opened, by whichever run that was.
    """

    run: int
    number: int
    symbol: str
    legs: tuple[PastLeg, PastLeg]
    opportunity_id: int = 0
    started_wall_ns: int = 0
    opened_wall_ns: int = 0  # 0: it never stood level
    funding_bps: float = 0.0
    kind: int = 0  # by which rule it leaves
    tag: int = 0  # whose it is


class Past(msgspec.Struct, kw_only=True):
    """Everything of a run that matters to the next one.

    Parameters
    ----------
    run : int
    last_wall_ns : int
        Time of its last record.
    symbols : dict
        Contract -> canonical symbol.
    held : dict
        Contract -> signed quantity by the journal; flat ones are left out by `standing`.
    orders : dict
        Client id -> order.
    pairs : dict
        Canonical symbol -> the pair that was under way.
    """

    run: int = 0
    last_wall_ns: int = 0
    symbols: dict[Key, str] = {}
    held: dict[Key, Decimal] = {}
    orders: dict[int, PastOrder] = {}
    pairs: dict[str, PastPair] = {}

    @classmethod
    def of(cls, history: History) -> "Past":
        """Count what a replayed run held; its journal may end anywhere.

        Raises
        ------
        JournalError
            Something was traded of which the journal does not say what it is.
        """
        rows = _Rows({row: _row_of(contract) for row, contract in history.contracts.items()})
        return cls(
            run=history.run,
            last_wall_ns=history.last_wall_ns,
            symbols={row.key: row.symbol for row in rows.values()},
            held=_held(history, rows),
            orders={
                client_id: _order(order, rows[order.order.row])
                for client_id, order in history.orders.items()
            },
            pairs={
                rows[_legs_at(history, pair)[LONG]].symbol: _pair(history, pair, rows)
                for pair in history.current.values()
                if _is_under_way(pair)
            },
        )

    @property
    def open_orders(self) -> list[PastOrder]:
        """Orders whose end is not known, in order."""
        return [order for order in self.orders.values() if not order.is_over]

    @property
    def standing(self) -> dict[Key, Decimal]:
        """What is held and not flat."""
        return {key: qty for key, qty in self.held.items() if qty}

    @property
    def standing_legs(self) -> list[str]:
        """What is held and not flat, in words, a leg each."""
        return [
            f"{'long' if qty > 0 else 'short'} {abs(qty):f} of {venue_symbol} at {venue}"
            for (venue, venue_symbol), qty in self.standing.items()
        ]

    @property
    def since_wall_ns(self) -> int:
        """From when on the venues may know more than the journal."""
        return min([order.wall_ns for order in self.open_orders] + [self.last_wall_ns])

    def keys_of(self, symbol: str) -> list[Key]:
        """Return the contracts of a canonical symbol."""
        return [key for key, name in self.symbols.items() if name == symbol]


class _Row(NamedTuple):
    """What the ticks and lots of a row mean."""

    key: Key
    symbol: str
    tick: Decimal
    lot: Decimal


class _Rows(dict[int, _Row]):
    """The rows of a run; each is written down before anything of it is traded."""

    def __missing__(self, row: int) -> _Row:
        raise JournalError(f"row {row} was traded, and no record says which contract that is")


def _row_of(contract: Contract) -> _Row:
    key = (VENUES[contract.venue], contract.venue_symbol)
    return _Row(key, contract.symbol, Decimal(contract.tick), Decimal(contract.lot))


def _held(history: History, rows: _Rows) -> dict[Key, Decimal]:
    """Add up what was taken over, what orders filled, and fills that no order of the run made."""
    found: dict[Key, Decimal] = {}

    def hold(row: int, side: int, lots: int) -> None:
        if lots and row in rows:
            key, lot = rows[row].key, rows[row].lot
            found[key] = found.get(key, ZERO) + signed(side, lots * lot)

    for pair in history.pairs.values():
        if pair.adopted is not None:
            hold(pair.adopted.buy_row, BUY, pair.adopted.long_lots)
            hold(pair.adopted.sell_row, SELL, pair.adopted.short_lots)
    for order in history.orders.values():
        hold(order.order.row, order.order.side, order.state.facts.filled_lots)
    late = [told for told in history.other_words if told.kind == ExecKind.FILL]
    for told in [*(told for _, told in history.venue_fills), *late]:
        hold(told.row, told.side, told.last_qty_lots)
    return found


def _order(told: OrderHistory, row: _Row) -> PastOrder:
    order, facts = told.order, told.state.facts
    return PastOrder(
        client_id=order.client_id,
        venue=row.key[0],
        venue_symbol=row.key[1],
        side=order.side,
        qty=order.qty_lots * row.lot,
        limit_px=float(order.px_ticks * row.tick),
        is_entry=not order.flags & ORDER_REDUCE_ONLY,
        wall_ns=told.wall_ns,
        filled=facts.filled_lots * row.lot,
        is_accepted=facts.is_acknowledged or facts.filled_lots > 0,
        is_over=told.state.is_over,
    )


# ---- the pair that a symbol has ------------------------------------------------------------------


def _is_under_way(pair: PairHistory) -> bool:
    """Whether it has begun and is not over; its first intent, or its taking over, begins it."""
    return not isinstance(pair.state, Idle) or not pair.phases or not pair.is_flat


def _legs_at(history: History, pair: PairHistory) -> tuple[int, int]:
    """Return the rows of both legs: one that no order has named yet is at the other venue."""
    known = max(pair.rows)
    others = [
        row
        for row, contract in history.contracts.items()
        if contract.symbol_index == pair.symbol_index and row != known
    ]
    found = [row if row >= 0 else (others or [known])[0] for row in pair.rows]
    return found[LONG], found[SHORT]


def _pair(history: History, pair: PairHistory, rows: _Rows) -> PastPair:
    at = _legs_at(history, pair)
    legs = [PastLeg(venue=rows[row].key[0], venue_symbol=rows[row].key[1]) for row in at]
    orders = [history.orders[client_id] for client_id in pair.orders]
    facts, taken = pair.state.facts, pair.adopted
    if taken is not None:
        costs = (taken.long_lots, taken.buy_px, taken.buy_fee_bps), (
            taken.short_lots, taken.sell_px, taken.sell_fee_bps,
        )  # fmt: skip
        for leg, row, (lots, px, fee_bps) in zip(legs, at, costs, strict=True):
            if not math.isnan(px):
                leg.count(float(abs(lots) * rows[row].lot), px, fee_bps, is_entry=True)
    for told in orders:
        for leg, row in zip(legs, at, strict=True):
            if row == told.order.row:
                _count(leg, told, rows[row])
    found = PastPair(
        run=history.run,
        number=pair.number,
        symbol=rows[at[LONG]].symbol,
        legs=(legs[LONG], legs[SHORT]),
        opportunity_id=orders[0].order.opportunity_id if orders else facts.opportunity_id,
        started_wall_ns=orders[0].wall_ns if orders else pair.started_wall_ns,
        opened_wall_ns=pair.opened_wall_ns,
        kind=facts.kind,
        tag=facts.tag,
    )
    if taken is not None:
        found.run, found.number = taken.from_run, taken.from_pair
        found.opportunity_id, found.funding_bps = taken.opportunity_id, taken.funding_bps
        found.started_wall_ns = taken.started_wall_ns
        found.opened_wall_ns = taken.opened_wall_ns or pair.opened_wall_ns
        if not pair.phases:
            found.kind, found.tag = taken.kind, taken.tag
    return found


def _count(leg: PastLeg, told: OrderHistory, row: _Row) -> None:
    """Count what an order filled; at its limit what is known from a venue's count alone."""
    limit_px, facts = float(told.order.px_ticks * row.tick), told.state.facts
    is_entry = not told.order.flags & ORDER_REDUCE_ONLY
    for fill in told.fills:
        px = fill.px if fill.px > 0 else limit_px
        leg.count(float(fill.lots * row.lot), px, fill.fee_bps, is_entry=is_entry)
    unpriced = facts.filled_lots - facts.priced_lots
    if unpriced:
        leg.count(float(unpriced * row.lot), limit_px, math.nan, is_entry=is_entry)
