"""What two venues make of given orders, worked out anew: plain Python, exact decimals.

Written from docs/backtest.md, not from the C. Each venue has two books of one kind: its own takes
a record, in the order of receipt, as soon as it was made; the trader's takes it when it is
received. The orders are those that a backtest says it sent.
"""

from decimal import Decimal
from heapq import heappop, heappush
from itertools import count
from typing import Any

QUOTE, LEVEL, FUNDING, GAP = 1, 2, 3, 4  # kinds of records
LAST, SNAPSHOT = 1, 2  # their flags
TOLD, ARRIVED, SETTLED = 0, 1, 2  # what happens, in this order at one moment
ZERO = Decimal(0)
NEAR_NS = 60 * 10**9


def exact(value: Any) -> Any:
    """Return a float as the decimal it was written as; None for NaN."""
    number = float(value)
    return None if number != number else Decimal(repr(number))


class Record:
    """A record's facts; `sides` are (price, quantity) of bid and ask."""

    def __init__(self, row: Any) -> None:
        self.venue, self.kind, self.flags, self.number, self.recv_ns, exch_ns = (
            int(row[name]) for name in ("venue", "kind", "flags", "number", "recv_ns", "exch_ns")
        )
        self.made_ns = min(exch_ns or self.recv_ns, self.recv_ns)
        self.sides = [(exact(row[f"{n}_px"]), exact(row[f"{n}_qty"])) for n in ("bid", "ask")]


class Book:
    """One venue's market, as one end of the wire has it, and what orders took of it."""

    def __init__(self) -> None:
        self.stated: dict[int, Any] = {}  # by QUOTE and LEVEL: bids and asks, price -> quantity
        self.numbers = {QUOTE: 0, LEVEL: 0}
        self.newest = 0  # kind of the last frame that was whole
        self.anew = False  # in the middle of a snapshot
        self.marks: list[Any] = [None, None]  # the touch, or what was last known of it
        self.taken: dict[tuple[int, Decimal], tuple[int, Decimal]] = {}  # lots, of which quantity

    def take(self, record: Record) -> None:
        kind = record.kind
        if kind == GAP:
            self.stated, self.taken, self.anew = {}, {}, False
            return
        if kind == QUOTE or record.flags & SNAPSHOT:
            self.stated[kind], self.anew = ({}, {}), kind == LEVEL
        for levels, (px, qty) in zip(self.stated.get(kind, ()), record.sides, strict=False):
            if px is not None and (qty or kind == QUOTE):
                levels[px] = qty or ZERO
            else:
                levels.pop(px, None)
        self.give_back(record)
        if kind in self.stated and (kind == QUOTE or record.flags & LAST):
            self.numbers[kind], self.newest, self.anew = record.number, kind, False
        self.marks = [self.top(side)[0] or self.marks[side] for side in (0, 1)]

    def give_back(self, record: Record) -> None:
        """Forget what was taken at prices that the record has stated anew."""
        is_quote = record.kind == QUOTE
        other = LEVEL if is_quote else QUOTE
        late = other in self.stated and 0 < record.number < self.numbers[other]
        quoted = [px for levels in self.stated.get(QUOTE, ()) for px in levels]
        for (side, px), (_, qty) in list(self.taken.items()):
            now_px, now_qty = record.sides[side]
            if now_px == px:
                keeps = now_qty == qty
            elif is_quote:  # behind the touch a book goes on
                behind = now_px is not None and (px > now_px if side else px < now_px)
                keeps = behind and LEVEL in self.stated
            else:  # what a whole snapshot does not have is gone
                keeps = not (self.anew and record.flags & LAST) or px in self.stated[LEVEL][side]
            if not keeps and not (late and (is_quote or px in quoted)):
                del self.taken[side, px]

    def top(self, side: int) -> tuple[Any, Decimal]:
        """Return the best price and its quantity: the higher number speaks, else the later."""
        ranks = self.numbers if all(self.numbers.values()) else {self.newest: 1}
        speaks = max(sorted(self.stated), key=lambda kind: ranks.get(kind, 0), default=None)
        levels = self.stated[speaks][side] if speaks else {}
        best = (max, min)[side](levels, default=None)
        return best, levels.get(best, ZERO)

    def ladder(self, side: int) -> list[tuple[Decimal, Decimal]]:
        """Return what an order meets: the touch, and the levels behind it."""
        touch, qty = self.top(side)
        if touch is None:
            return []
        levels = sorted(self.stated.get(LEVEL, ({}, {}))[side].items(), reverse=side == 0)
        return [(touch, qty), *(e for e in levels if (e[0] > touch if side else e[0] < touch))]


class Place:
    """A venue: its book, the trader's view of it, and what he holds there."""

    def __init__(self, contract: Any, way_ns: int) -> None:
        self.way_ns = way_ns  # of orders
        self.tick, self.lot = exact(contract.px_tick), exact(contract.qty_lot)
        self.unit = self.lot * exact(contract.qty_mult) * exact(contract.px_mult)
        self.fee = exact(contract.taker_bps) / 10_000
        self.own, self.seen = Book(), Book()
        self.made_ns = self.arrived_ns = 0  # of the newest: nothing overtakes it
        self.lots, self.cost = 0, ZERO
        self.due_ns, self.rate = 0, ZERO  # of the next settlement

    def trade(self, px: Decimal, lots: int) -> Decimal:
        """Hold so many lots more, signed; return what closing realised, by average cost."""
        closed = min(lots, -self.lots, key=abs) if self.lots * lots < 0 else 0
        cost = self.cost * -closed / self.lots if closed else ZERO
        self.lots += lots
        self.cost += px * (lots - closed) - cost
        return (-px * closed - cost) * self.unit

    def value(self) -> Decimal:
        """Return what the lots would bring at the touch they could leave at."""
        return self.seen.marks[self.lots < 0] * self.lots * self.unit if self.lots else ZERO


class Oracle:
    """Walk through records and orders in time; `fills`, `funding` and `equity` say what came."""

    def __init__(self, records: Any, contracts: Any, ways: dict[tuple[int, str], int]) -> None:
        self.places = {v: Place(each, ways[v, "order"]) for v, each in contracts.items()}
        self.now_ns, self.events, self.planned = 0, list[Any](), count()
        self.outcomes: dict[int, str] = {}  # by order
        self.fills: list[tuple[int, int, Decimal, int, Decimal]] = []  # order, ns, px, lots, fee
        self.funding: list[tuple[int, int, Decimal]] = []  # ns, venue, received
        self.equity: list[tuple[Any, ...]] = []  # ns, the sums, unrealised, exposure
        self.sums = {name: ZERO for name in ("realised", "fees", "funding")}
        for record in map(Record, records):
            place = self.places[record.venue]
            if record.kind == FUNDING:
                self.plan(record.recv_ns, TOLD, self.tell, place, record)
            else:
                place.made_ns = max(place.made_ns, record.made_ns)
                self.plan(place.made_ns, TOLD, place.own.take, record)
                self.plan(record.recv_ns, TOLD, place.seen.take, record)

    def plan(self, at_ns: int, what: int, act: Any, *words: Any) -> None:
        heappush(self.events, (at_ns, what, next(self.planned), act, words))

    def run(self, orders: Any, end_ns: int) -> None:
        """Take the orders, in the order of sending, to the end."""
        for number, order in enumerate(orders):
            place = self.places[int(order["venue"])]
            place.arrived_ns = max(place.arrived_ns, int(order["sent_ns"]) + place.way_ns)
            self.plan(place.arrived_ns, ARRIVED, self.match, place, number, order)
        while self.events and self.events[0][0] <= end_ns:
            self.now_ns, _, _, act, words = heappop(self.events)
            act(*words)

    def tell(self, place: Place, record: Record) -> None:
        if place.due_ns in (0, record.number) or self.now_ns < place.due_ns - NEAR_NS:
            place.due_ns, place.rate = record.number, record.sides[0][0]
            self.plan(place.due_ns, SETTLED, self.settle, place, record.venue)

    def match(self, place: Place, number: int, order: Any) -> None:
        sign, side = int(order["side"]), int(order["side"] > 0)
        limit = round(exact(order["limit_px"]) / place.tick) * place.tick
        asked = round(exact(order["qty"]) / place.lot)
        wanted = min(asked, max(0, -sign * place.lots)) if order["reduce_only"] else asked
        total = 0
        for px, qty in place.own.ladder(side):
            before, _ = place.own.taken.get((side, px), (0, qty))
            lots = min(wanted - total, int(qty / place.lot) - before)
            if lots > 0 and (px - limit) * sign <= 0:
                place.own.taken[side, px] = (before + lots, qty)
                fee = -px * lots * place.unit * place.fee
                self.fills.append((number, self.now_ns, px, lots, fee))
                self.sums["fees"] += fee
                self.sums["realised"] += place.trade(px, sign * lots)
                total += lots
        found = {0: "MISSED", asked: "FILLED"}.get(total, "PARTIAL")
        self.outcomes[number] = found if wanted else "REJECTED"
        if total:
            self.note()

    def settle(self, place: Place, venue: int) -> None:
        if place.due_ns != self.now_ns:
            return  # it was moved
        place.due_ns = 0
        if place.lots:
            paid = -place.rate * sum(place.seen.marks) / 2 * place.lots * place.unit
            self.sums["funding"] += paid
            self.funding.append((self.now_ns, venue, paid))
            self.note()

    def note(self) -> None:
        values = [place.value() for place in self.places.values()]
        unrealised = sum(values) - sum(place.cost * place.unit for place in self.places.values())
        self.equity.append((self.now_ns, *self.sums.values(), unrealised, sum(map(abs, values))))
