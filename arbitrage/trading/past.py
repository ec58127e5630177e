"""What a run's journal says was held when it ended: orders, positions and pairs, folded into one.

Quantities are in each venue's own units, as the contracts of that run counted them, so that a run
with another lot grid can take them over.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from arbitrage.core.journal import JournalRecord
from arbitrage.core.messages import Adopted, Contract, Execution, Order, PairPhase
from arbitrage.core.records import ORDER_REDUCE_ONLY, ExecKind, Leg, split_client_id
from arbitrage.core.strategy import PHASES
from arbitrage.instruments import VENUES
from arbitrage.trading.orders import BUY, signed
from arbitrage.trading.run_journal import decode

__all__ = ["Key", "Past", "PastLeg", "PastOrder", "PastPair", "fold"]

Key = tuple[str, str]  # venue, its name of the contract
ZERO = Decimal(0)
ENTRY_LEGS = (Leg.ENTRY_BUY, Leg.ENTRY_SELL)


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
    is_accepted, is_over, is_final : bool
        Whether the venue said yes to it, whether its end is known, and whether that end stated what
        was filled.
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
    is_final: bool = False

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
    """A pair that was not over: the leg that bought to enter, then the one that sold."""

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
    phase: str = "opening"


class Past(msgspec.Struct, kw_only=True):
    """Everything of a run that matters to the next one.

    Parameters
    ----------
    run : int
    last_wall_ns : int
        Time of its last record.
    symbols : dict
        Contract -> canonical symbol.
    lots : dict
        Contract -> size of one lot.
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
    lots: dict[Key, Decimal] = {}
    held: dict[Key, Decimal] = {}
    orders: dict[int, PastOrder] = {}
    pairs: dict[str, PastPair] = {}

    @property
    def open_orders(self) -> list[PastOrder]:
        """Orders whose end is not known, in order."""
        return [order for order in self.orders.values() if not order.is_over]

    @property
    def standing(self) -> dict[Key, Decimal]:
        """What is held and not flat."""
        return {key: qty for key, qty in self.held.items() if qty}

    @property
    def since_wall_ns(self) -> int:
        """From when on the venues may know more than the journal."""
        return min([order.wall_ns for order in self.open_orders] + [self.last_wall_ns])

    def keys_of(self, symbol: str) -> list[Key]:
        """Return the contracts of a canonical symbol."""
        return [key for key, name in self.symbols.items() if name == symbol]


def fold(records: Iterable[JournalRecord]) -> Past:
    """Fold a run's records, first to last; a journal may end anywhere."""
    past = _Fold()
    for record in records:
        past.take(record)
    return past.past


class _Fold:
    def __init__(self) -> None:
        self.past = Past()
        self._keys: dict[int, Key] = {}  # by row
        self._ticks: dict[int, Decimal] = {}
        self._symbols: dict[int, str] = {}  # by symbol index
        self._takers: dict[str, Any] = {
            "CONTRACT": self._contract,
            "ADOPTED": self._adopted,
            "INTENT": self._intent,
            "EXEC": self._execution,
            "PAIR": self._phase,
        }

    def take(self, record: JournalRecord) -> None:
        self.past.run = record.run
        self.past.last_wall_ns = max(self.past.last_wall_ns, record.wall_ns)
        taker = self._takers.get(record.type)
        if taker is not None:
            taker(decode(record), record)

    def _contract(self, held: Contract, _record: JournalRecord) -> None:
        key = (VENUES[held.venue], held.venue_symbol)
        self._keys[held.row] = key
        self._ticks[held.row] = Decimal(held.tick)
        self._symbols[held.symbol_index] = held.symbol
        self.past.symbols[key] = held.symbol
        self.past.lots[key] = Decimal(held.lot)

    def _adopted(self, held: Adopted, _record: JournalRecord) -> None:
        rows, lots = (held.buy_row, held.sell_row), (held.long_lots, -held.short_lots)
        pxs, fees = (held.buy_px, held.sell_px), (held.buy_fee_bps, held.sell_fee_bps)
        legs = []
        for row, count, px, fee_bps in zip(rows, lots, pxs, fees, strict=True):
            key = self._keys[row]
            self._hold(key, count * self.past.lots[key])
            leg = PastLeg(venue=key[0], venue_symbol=key[1])
            qty = float(abs(count) * self.past.lots[key])
            if px == px:
                leg.count(qty, px, fee_bps, is_entry=True)
            legs.append(leg)
        symbol = self._symbols[held.symbol_index]
        self.past.pairs[symbol] = PastPair(
            run=held.from_run,
            number=held.from_pair,
            symbol=symbol,
            legs=(legs[0], legs[1]),
            opportunity_id=held.opportunity_id,
            started_wall_ns=held.started_wall_ns,
            opened_wall_ns=held.opened_wall_ns,
            funding_bps=held.funding_bps,
            kind=held.kind,
            tag=held.tag,
            phase=PHASES[held.phase],
        )

    def _intent(self, told: Order, record: JournalRecord) -> None:
        key = self._keys[told.row]
        symbol, ids = self._symbols[told.symbol_index], split_client_id(told.client_id)
        self.past.orders[told.client_id] = PastOrder(
            client_id=told.client_id,
            venue=key[0],
            venue_symbol=key[1],
            side=told.side,
            qty=told.qty_lots * self.past.lots[key],
            limit_px=float(told.px_ticks * self._ticks[told.row]),
            is_entry=not told.flags & ORDER_REDUCE_ONLY,
            wall_ns=record.wall_ns,
        )
        if symbol not in self.past.pairs and ids.leg in ENTRY_LEGS:
            self.past.pairs[symbol] = PastPair(
                run=record.run,
                number=ids.pair,
                symbol=symbol,
                legs=self._legs(symbol, key, is_buy=told.side == BUY),
                opportunity_id=told.opportunity_id,
                started_wall_ns=record.wall_ns,
            )

    def _legs(self, symbol: str, key: Key, *, is_buy: bool) -> tuple[PastLeg, PastLeg]:
        """Make both legs from one order's contract: the other leg is at the other venue."""
        others = [other for other in self.past.keys_of(symbol) if other != key]
        legs = [PastLeg(venue=venue, venue_symbol=name) for venue, name in (key, *others[:1])]
        return (legs[0], legs[-1]) if is_buy else (legs[-1], legs[0])

    def _execution(self, told: Execution, _record: JournalRecord) -> None:
        key = self._keys.get(told.row)
        if key is None:
            return
        order = self.past.orders.get(told.client_id)
        last, cum = (lots * self.past.lots[key] for lots in (told.last_qty_lots, told.cum_qty_lots))
        if told.kind == ExecKind.VENUE or (told.kind == ExecKind.FILL and order is None):
            # no order of this run: made by the venue itself, or a late one of an earlier run
            self._hold(key, signed(told.side, last))
        elif order is None:
            return
        elif told.kind == ExecKind.ACK:
            order.is_accepted = True
        elif told.kind == ExecKind.FILL:
            if cum >= 0:
                self._raise(order, cum, told.px, told.fee_bps)
            elif not order.is_final:
                self._raise(order, order.filled + last, told.px, told.fee_bps)
        elif told.kind in (ExecKind.DONE, ExecKind.REJECT):
            order.is_over = True
            if told.kind == ExecKind.DONE and cum >= 0:
                order.is_final = True
                self._raise(order, cum, order.limit_px, float("nan"))

    def _raise(self, order: PastOrder, filled: Decimal, px: float, fee_bps: float) -> None:
        """Let an order have filled at least so much."""
        more = min(filled, order.qty) - order.filled
        if more <= 0:
            return
        order.filled += more
        self._hold(order.key, signed(order.side, more))
        pair = self.past.pairs.get(self.past.symbols[order.key])
        for leg in pair.legs if pair is not None else ():
            if (leg.venue, leg.venue_symbol) == order.key:
                leg.count(float(more), px, fee_bps, is_entry=order.is_entry)

    def _hold(self, key: Key, change: Decimal) -> None:
        self.past.held[key] = self.past.held.get(key, ZERO) + change

    def _phase(self, held: PairPhase, record: JournalRecord) -> None:
        symbol, phase = self._symbols[held.symbol_index], PHASES[held.phase]
        if phase == PHASES[0]:
            self.past.pairs.pop(symbol, None)
            return
        pair = self.past.pairs.get(symbol)
        if pair is None:  # a fill came after its end
            keys = self._keys[held.buy_row], self._keys[held.sell_row]
            legs = [PastLeg(venue=venue, venue_symbol=name) for venue, name in keys]
            pair = PastPair(
                run=record.run,
                number=held.pair,
                symbol=symbol,
                legs=(legs[0], legs[1]),
                opportunity_id=held.opportunity_id,
                started_wall_ns=record.wall_ns,
            )
            self.past.pairs[symbol] = pair
        pair.phase, pair.kind, pair.tag = phase, held.kind, held.tag
        if phase == "open" and pair.opened_wall_ns == 0:
            pair.opened_wall_ns = record.wall_ns


