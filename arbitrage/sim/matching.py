"""In-memory matching of one account against a venue's own moving top of book.

Prices and sizes are integers (ticks, lots); money is exact `Decimal` cash flow. Equity is
``start + sum of cash flows + position * mark``: nothing is divided, so a flat account's equity is
exactly the sum of its cash flows. Only the split of equity into wallet balance and unrealised
profit, which venues report, needs an average price.

A taker walks the book from the touch on, as far as its price allows, and what it takes stays gone
until the next update of the book. What an order cannot take: IOC and market cancel it, limit rests,
FOK cancels all. A market order goes no further than the price band. A resting order fills as maker,
at its own price, when the other side's quote reaches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from arbitrage.sim.account import (
    BUY,
    SELL,
    ZERO,
    Book,
    Fill,
    Order,
    Position,
    Reject,
    plain,
)
from arbitrage.sim.instruments import LIVE, Instrument

__all__ = ["BUY", "SELL", "Book", "Fill", "Matcher", "Order", "Position", "Reject", "plain"]

BASIS_STEP = Decimal("1e-12")
BAND = Decimal("0.02")  # prices further than this from the mark are refused
LEVERAGE = 10
ORDERS_KEPT_MAX = 100_000
RESTING_MAX = 500  # of one symbol


class Listener(Protocol):
    """What a venue does about the life of an order; called at once, in order."""

    def order_accepted(self, order: Order) -> None: ...
    def order_filled(self, order: Order, fill: Fill) -> None: ...
    def order_matched(self, order: Order) -> None: ...  # all fills of one match were said
    def order_ended(self, order: Order) -> None: ...
    def order_amended(self, order: Order) -> None: ...


class DepthSource(Protocol):
    """Where the levels behind the touch come from."""

    levels: int

    def behind(self, index: int, touch: int, away: int, count: int, wall_ns: int
               ) -> list[tuple[int, int]]:
        """(ticks, lots) of ``count`` levels beyond ``touch``, nearest first."""


class Matcher:
    """Account, orders and matching of one venue."""

    def __init__(self, instruments: Sequence[Instrument], listener: Listener, balance: Decimal,
                 taker_bps: Decimal, maker_bps: Decimal = Decimal(2),
                 depth: DepthSource | None = None,
                 maintenance_rate: Decimal = Decimal("0.005")) -> None:
        self.books = [Book() for _ in instruments]
        self.positions = [Position(item) for item in instruments]
        self.start = balance
        self.cash = ZERO  # sum of every cash flow since the start
        self.taker_rate = taker_bps / 10_000
        self.maker_rate = maker_bps / 10_000
        self.orders: dict[str, Order] = {}
        self.by_client: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.fill_count = 0
        self.resting: list[dict[str, Order]] = [{} for _ in instruments]
        self._listener = listener
        self._depth = depth
        self.maintenance_rate = maintenance_rate
        self.lots_max: int | None = None  # an order takes at most so many, while set

    # -- money ---------------------------------------------------------------------------------

    def mark(self, index: int) -> Decimal:
        """Mark price: the middle of the book (one more decimal than the tick, exact)."""
        book = self.books[index]
        tick = self.positions[index].instrument.tick
        if not book.quoted:
            return tick * (book.bid_ticks or book.ask_ticks)
        return tick * (book.bid_ticks + book.ask_ticks) / 2

    def equity(self) -> Decimal:
        held = (p.value_at(self.mark(i)) for i, p in enumerate(self.positions) if p.lots)
        return self.start + self.cash + sum(held, ZERO)

    def unrealised(self) -> Decimal:
        held = (p.value_at(self.mark(i)) - p.basis for i, p in enumerate(self.positions) if p.lots)
        return sum(held, ZERO)

    def margin_used(self) -> Decimal:
        held = (abs(p.value_at(self.mark(i))) for i, p in enumerate(self.positions) if p.lots)
        return sum(held, ZERO) / LEVERAGE

    def maintenance(self) -> Decimal:
        """Margin that must remain, or the venue closes what is held."""
        return self.margin_used() * LEVERAGE * self.maintenance_rate

    def liquidation_px(self, index: int) -> Decimal | None:
        """Mark price of this symbol at which the account would be liquidated; None: at none."""
        position, mark = self.positions[index], self.mark(index)
        item = position.instrument
        size = item.qty(position.lots) * item.contract_value
        value, rate = abs(size), self.maintenance_rate
        others = self.maintenance() - value * mark * rate
        if not size:
            return None
        px = (others - self.equity() + size * mark) / (size - rate * value)
        return px.quantize(item.tick) if px > 0 else None

    def cover_loss(self) -> None:
        """The venue's fund pays what a liquidated, flat account owes."""
        if not any(position.lots for position in self.positions) and self.equity() < 0:
            self.cash -= self.equity()

    def settle_funding(self, index: int, rate: Decimal, wall_ns: int) -> Decimal:
        """Pay or receive one funding interval; positive rates cost longs. Returns the flow."""
        position = self.positions[index]
        flow = -position.value_at(self.mark(index)) * rate
        self.cash += flow
        position.funding += flow
        position.updated_ns = wall_ns
        return flow

    # -- orders --------------------------------------------------------------------------------

    def submit(self, order: Order, order_id: str, now_ns: int) -> None:
        """Check, match and, where it may rest, book one order.

        Raises
        ------
        Reject : nothing has changed and the client id is still free.
        """
        index = order.instrument.index
        book, position = self.books[index], self.positions[index]
        if order.client_id and order.client_id in self.by_client:
            raise Reject("DUPLICATE")
        if order.tif in ("GTC", "POST") and len(self.resting[index]) >= RESTING_MAX:
            raise Reject("TOO_MANY")
        self._check(order, book, position)
        order.order_id = order_id
        order.created_ns = order.updated_ns = now_ns
        order.last_ticks_on_create = book.last_ticks
        self._remember(order)
        crosses = self._crosses(order, book)
        if order.tif == "POST":
            if crosses:
                self._end(order, "post_only", now_ns)
            else:
                self._rest(order)
            return
        self._match(order, crosses, now_ns)

    def amend(self, order: Order, ticks: int, lots: int, now_ns: int) -> None:
        """Change price (ticks) and whole size (lots, the filled part included) of a resting order.

        Raises
        ------
        Reject : NOT_FOUND, SIZE, PRICE_BAND, BALANCE or POST_CROSSES; nothing has changed.
        """
        index = order.instrument.index
        book, position = self.books[index], self.positions[index]
        if not order.is_open:
            raise Reject("NOT_FOUND")
        if lots <= order.filled_lots:
            raise Reject("SIZE")
        before = order.ticks, order.lots
        order.ticks, order.lots = ticks, lots
        try:
            self._check(order, book, position)
            crosses = self._crosses(order, book)
            if crosses and order.tif == "POST":
                raise Reject("POST_CROSSES")
        except Reject:
            order.ticks, order.lots = before
            raise
        order.open_lots = lots - order.filled_lots
        order.updated_ns = now_ns
        self._listener.order_amended(order)
        if crosses:
            self.resting[index].pop(order.order_id, None)
            self._match(order, crosses, now_ns, accepted=True)

    def _match(self, order: Order, crosses: bool, now_ns: int, accepted: bool = False) -> None:
        """Take what the book holds for the order, then rest or end it."""
        index = order.instrument.index
        book, position = self.books[index], self.positions[index]
        wanted = order.open_lots
        if order.reduce_only:
            wanted = min(wanted, -position.lots * order.side)
        if self.lots_max is not None:
            wanted = min(wanted, self.lots_max)
        takes, at_cap = self._walk(order, wanted) if crosses else ([], False)
        taken = sum(lots for _, lots in takes)
        if not accepted:
            self._listener.order_accepted(order)
        if order.tif == "FOK" and taken < order.lots:
            self._end(order, "fok", now_ns)
            return
        for ticks, lots in takes:
            self._take(order.side, book, ticks, lots)
            self._fill(order, lots, ticks, maker=False, now_ns=now_ns)
        if takes:
            self._listener.order_matched(order)
        if not order.is_open:
            return
        if order.tif == "GTC":
            self.resting[index][order.order_id] = order
        else:
            reduced = order.reduce_only and position.lots == 0 and taken
            reason = "price_cap" if at_cap else "ioc"
            self._end(order, "reduce_only" if reduced else reason, now_ns)

    def cancel(self, order: Order, reason: str, now_ns: int) -> None:
        if not order.is_open:
            raise Reject("NOT_FOUND")
        self._end(order, reason, now_ns)

    def regrid(self, new: Instrument) -> None:
        """Go on with a changed contract; nothing may rest in it, nor be held if its unit changed.

        Raises
        ------
        Reject : RESTING or HELD; nothing has changed.
        """
        index = new.index
        position = self.positions[index]
        old = position.instrument
        if self.resting[index]:
            raise Reject("RESTING")
        if position.lots and (new.lot, new.contract_value) != (old.lot, old.contract_value):
            raise Reject("HELD")
        self.books[index].rescale(old, new)
        position.instrument = new

    def on_book(self, index: int, now_ns: int) -> None:
        """Fill what rests in this symbol and is now reached by the other side's quote."""
        resting = self.resting[index]
        if not resting:
            return
        book, position = self.books[index], self.positions[index]
        for order in list(resting.values()):
            touch, left = self._touch(order.side, book)
            if left <= 0 or (order.ticks - touch) * order.side < 0:
                continue
            take = min(left, order.open_lots)
            if order.reduce_only:
                take = min(take, -position.lots * order.side)
                if take <= 0:
                    self._end(order, "reduce_only", now_ns)
                    continue
            if order.side == BUY:
                book.ask_left -= take
            else:
                book.bid_left -= take
            self._fill(order, take, order.ticks, maker=True, now_ns=now_ns)
            self._listener.order_matched(order)

    def _check(self, order: Order, book: Book, position: Position) -> None:
        item = order.instrument
        if not book.quoted or item.state != LIVE:
            raise Reject("NO_QUOTE")
        mark = self.mark(item.index)
        if order.kind == "limit":
            px = item.px(order.ticks)
            top, bottom = mark * (1 + BAND), mark * (1 - BAND)
            if px > top if order.side == BUY else px < bottom:
                raise Reject("PRICE_BAND", f"{plain(top)} {plain(bottom)}")
        if order.reduce_only:
            if position.lots * order.side >= 0:
                raise Reject("NO_POSITION")
            return
        open_lots = order.lots - order.filled_lots
        grows = max(0, abs(position.lots + order.side * open_lots) - abs(position.lots))
        need = item.qty(grows) * item.contract_value * mark / LEVERAGE
        if self.margin_used() + need > self.equity():
            raise Reject("BALANCE")

    def _crosses(self, order: Order, book: Book) -> bool:
        touch = self._touch(order.side, book)[0]
        return touch > 0 and (order.kind == "market" or (order.ticks - touch) * order.side >= 0)

    def _walk(self, order: Order, wanted: int) -> tuple[list[tuple[int, int]], bool]:
        """(ticks, lots) that a taker of ``wanted`` lots gets, and whether a market order's price
        cap ended it."""
        index, side = order.instrument.index, order.side
        book = self.books[index]
        touch, left = self._touch(side, book)
        takes = [(touch, min(left, wanted))] if left > 0 else []
        wanted -= sum(lots for _, lots in takes)
        if wanted <= 0 or self._depth is None or self._depth.levels < 2:
            return takes, False
        limit = order.ticks
        if order.kind == "market":
            limit = int(self.mark(index) * (1 + side * BAND) / order.instrument.tick)
        for ticks, lots in self._depth.behind(
                index, touch, side, self._depth.levels - 1, book.state_ns):
            if (limit - ticks) * side < 0:
                return takes, order.kind == "market"
            got = min(wanted, lots - book.taken.get(ticks, 0))
            if got > 0:
                takes.append((ticks, got))
                wanted -= got
            if not wanted:
                break
        return takes, False

    @staticmethod
    def _take(side: int, book: Book, ticks: int, lots: int) -> None:
        if side == BUY and ticks == book.ask_ticks:
            book.ask_left -= lots
        elif side == SELL and ticks == book.bid_ticks:
            book.bid_left -= lots
        else:
            book.taken[ticks] = book.taken.get(ticks, 0) + lots

    def _touch(self, side: int, book: Book) -> tuple[int, int]:
        if side == BUY:
            return book.ask_ticks, book.ask_left
        return book.bid_ticks, book.bid_left

    def _remember(self, order: Order) -> None:
        self.orders[order.order_id] = order
        if order.client_id:
            self.by_client[order.client_id] = order
        if len(self.orders) > ORDERS_KEPT_MAX:
            oldest = next(iter(self.orders.values()))
            if not oldest.is_open:
                del self.orders[oldest.order_id]
                self.by_client.pop(oldest.client_id, None)

    def _rest(self, order: Order) -> None:
        self.resting[order.instrument.index][order.order_id] = order
        self._listener.order_accepted(order)

    def _end(self, order: Order, reason: str, now_ns: int) -> None:
        order.state, order.reason = "cancelled", reason
        order.open_lots = 0
        order.updated_ns = now_ns
        self.resting[order.instrument.index].pop(order.order_id, None)
        self._listener.order_ended(order)

    def _fill(self, order: Order, lots: int, ticks: int, maker: bool, now_ns: int) -> None:
        index = order.instrument.index
        book, position = self.books[index], self.positions[index]
        fill = Fill(order, lots, ticks, maker)
        notional = fill.notional
        fill.fee = notional * (self.maker_rate if maker else self.taker_rate)
        self.cash -= notional * order.side + fill.fee
        self.fill_count += 1
        fill.fill_id, fill.seq, fill.wall_ns = self.fill_count, book.seq, now_ns
        fill.mark = self.mark(index)
        self._move(position, fill, notional)
        position.updated_ns, position.fill_id, position.seq = now_ns, fill.fill_id, book.seq
        order.filled_lots += lots
        order.open_lots = order.lots - order.filled_lots
        order.cost_tick_lots += ticks * lots
        order.fee += fill.fee
        order.profit += fill.profit
        order.updated_ns = now_ns
        order.state = "filled" if order.open_lots == 0 else "partial"
        if order.open_lots == 0:
            self.resting[index].pop(order.order_id, None)
        book.last_ticks = ticks
        self.fills.append(fill)
        if len(self.fills) > ORDERS_KEPT_MAX:
            del self.fills[: ORDERS_KEPT_MAX // 10]
        self._listener.order_filled(order, fill)

    @staticmethod
    def _move(position: Position, fill: Fill, notional: Decimal) -> None:
        side, lots = fill.order.side, fill.lots
        closed = min(lots, max(0, -position.lots * side))
        position.fees += fill.fee
        if closed:
            share = position.basis
            if closed < abs(position.lots):
                share = (position.basis * closed / abs(position.lots)).quantize(BASIS_STEP)
            proceeds = notional * closed / lots if closed < lots else notional
            fill.profit = -side * proceeds - share
            position.basis -= share
            position.profit += fill.profit
            fill.closed_lots = closed
            notional -= proceeds
        elif position.lots == 0:
            position.opened_ns = fill.wall_ns
        position.lots += side * lots
        position.basis += side * notional
