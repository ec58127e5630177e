"""What two venues make of given orders, worked out anew: plain Python, exact decimals.

Written from docs/backtest.md, not from the C: every row keeps two books side by side, the
venue's, which takes records in the order of receipt as soon as they were made, and the trader's,
which takes them when they are received. The orders are those that a backtest says it sent.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.model.oracle_row import FUNDING, GAP, LAST, LEVEL, QUOTE, SNAPSHOT, ZERO, Row, exact

BPS = Decimal("0.0001")
NEAR_NS = 60 * 10**9


@dataclass
class Position:
    lots: int = 0
    cost: Decimal = ZERO
    taken: dict[tuple[int, Decimal], list[Any]] = field(default_factory=dict)  # -> [lots, qty]
    doubted: set[tuple[int, Decimal]] = field(default_factory=set)
    marks: list[Decimal | None] = field(default_factory=lambda: [None, None])
    settles: list[Any] = field(default_factory=lambda: [0, ZERO])  # when, at which rate


class Oracle:
    """Walk through records and orders in time; `fills`, `funding` and `equity` say what came."""

    def __init__(self, records: Any, contracts: Any, ways: dict[tuple[int, str], int]) -> None:
        self.rows = {v: [r for r in records if r["venue"] == v] for v in (0, 1)}
        self.venue = {v: Row() for v in (0, 1)}
        self.trader = {v: Row() for v in (0, 1)}
        self.made = {v: 0 for v in (0, 1)}  # records taken by the venue's book
        self.received = {v: 0 for v in (0, 1)}
        self.held = {v: Position() for v in (0, 1)}
        self.contracts, self.ways = contracts, ways
        self.fills: list[tuple[int, int, Decimal, int, Decimal]] = []  # order, ns, px, lots, fee
        self.funding: list[tuple[int, int, Decimal]] = []
        self.equity: list[tuple[Any, ...]] = []
        self.outcomes: list[str] = []
        self.numbers: list[int] = []  # of the orders whose outcomes they are
        self.sums = {name: ZERO for name in ("realised", "fees", "funding")}

    # ---- time --------------------------------------------------------------------------------

    def advance(self, now: int) -> None:
        """Receive what has come by now, and let each venue make what it had made."""
        for v in (0, 1):
            rows = self.rows[v]
            while self.received[v] < len(rows) and rows[self.received[v]]["recv_ns"] <= now:
                record = rows[self.received[v]]
                self.received[v] += 1
                if record["kind"] == FUNDING:
                    self.told(v, record)
                    continue
                self.trader[v].take(record)
                marks = self.held[v].marks
                for side in (0, 1):
                    marks[side] = self.trader[v].top(side)[0] or marks[side]
            while self.made[v] < len(rows):
                record = rows[self.made[v]]
                made = min(int(record["exch_ns"]) or int(record["recv_ns"]), int(record["recv_ns"]))
                if record["kind"] != FUNDING:
                    if made > now:
                        break
                    self.refresh(v, record)
                    self.venue[v].take(record)
                self.made[v] += 1

    def told(self, v: int, record: Any) -> None:
        when, rate = int(record["number"]), exact(record["bid_px"])
        due = self.held[v].settles[0]
        if not due or when == due or record["recv_ns"] < due - NEAR_NS:
            self.held[v].settles = [when, rate]

    def refresh(self, v: int, record: Any) -> None:
        """Give back what the venue's record states anew."""
        place, kind, flags = self.held[v], int(record["kind"]), int(record["flags"])
        if kind == LEVEL and flags & SNAPSHOT:
            place.doubted = set(place.taken)
        for (side, px), (_, qty) in list(place.taken.items()):
            name = ("bid", "ask")[side]
            now_px, now_qty = exact(record[f"{name}_px"]), exact(record[f"{name}_qty"])
            keeps = kind != GAP
            if keeps and now_px == px:
                place.doubted.discard((side, px))
                keeps = now_qty == qty
            elif kind == QUOTE:
                better = now_px is not None and (now_px > px if side == 0 else now_px < px)
                keeps = better and self.venue[v].book is not None
            elif kind == LEVEL:
                keeps = (side, px) not in place.doubted or not flags & LAST
            if not keeps and not self.is_late(v, record, px):
                del place.taken[side, px]
        if flags & LAST:
            place.doubted = set()

    def is_late(self, v: int, record: Any, px: Decimal) -> bool:
        row, number = self.venue[v], int(record["number"])
        if number == 0 or record["kind"] == GAP:
            return False
        if record["kind"] == QUOTE:
            return row.book is not None and number < row.book_number
        at_touch = row.quote is not None and px in (row.quote[0][0], row.quote[1][0])
        return at_touch and number < row.quote_number

    # ---- orders ------------------------------------------------------------------------------

    def match(self, number: int, order: Any, now: int) -> None:
        v, buys = int(order["venue"]), order["side"] > 0
        self.numbers.append(number)
        tick, lot = exact(self.contracts[v].px_tick), exact(self.contracts[v].qty_lot)
        side, place, row = int(buys), self.held[v], self.venue[v]
        limit, wanted = exact(order["limit_px"]), round(float(order["qty"]) / float(lot))
        limit = round(limit / tick) * tick
        if order["reduce_only"]:
            wanted = min(wanted, max(0, -place.lots if buys else place.lots))
            if wanted == 0:
                self.outcomes.append("REJECTED")
                return
        total, asked = 0, round(float(order["qty"]) / float(lot))
        touch, touch_qty = row.top(side)
        levels = [] if touch is None or row.lost else [(touch, touch_qty)]
        if levels and row.book is not None:
            behind = sorted(row.book[side].items(), reverse=not buys)
            levels += [each for each in behind if (each[0] > touch if buys else each[0] < touch)]
        for px, qty in levels:
            if px > limit if buys else px < limit:
                break
            entry = place.taken.get((side, px), [0, qty])
            lots = min(wanted, int(qty / lot) - entry[0])
            if lots > 0:
                place.taken[side, px] = [entry[0] + lots, qty]
                self.fill(number, v, px, lots if buys else -lots, now)
                wanted, total = wanted - lots, total + lots
        self.outcomes.append("MISSED" if not total else "FILLED" if total == asked else "PARTIAL")
        if total:
            self.note(now)

    def fill(self, number: int, v: int, px: Decimal, lots: int, now: int) -> None:
        place, unit = self.held[v], self.unit(v)
        fee = -px * abs(lots) * unit * exact(self.contracts[v].taker_bps) * BPS
        before, after = place.lots, place.lots + lots
        if before * lots >= 0:
            place.cost += px * lots
        else:
            kept = place.cost * after / before if after * before > 0 else ZERO
            closed = lots if after * before >= 0 else -before
            self.sums["realised"] += (-px * closed - (place.cost - kept)) * unit
            place.cost = kept if after * before >= 0 else px * after
        place.lots = after
        self.sums["fees"] += fee
        self.fills.append((number, now, px, abs(lots), fee))

    def unit(self, v: int) -> Decimal:
        contract = self.contracts[v]
        return exact(contract.qty_lot) * exact(contract.qty_mult) * exact(contract.px_mult)

    def note(self, now: int) -> None:
        unrealised = exposure = net = ZERO
        for v in (0, 1):
            place = self.held[v]
            if place.lots:
                mark = place.marks[0 if place.lots > 0 else 1]
                unrealised += (mark * place.lots - place.cost) * self.unit(v)
                exposure += abs(mark * place.lots) * self.unit(v)
                net += place.lots * self.unit(v)
        self.equity.append((now, *self.sums.values(), unrealised, exposure, net))

    def settle(self, v: int, now: int) -> None:
        place = self.held[v]
        if place.lots:
            mid = (place.marks[0] + place.marks[1]) / 2
            received = -place.settles[1] * mid * place.lots * self.unit(v)
            self.sums["funding"] += received
            self.funding.append((now, v, received))
            self.note(now)
        place.settles = [0, ZERO]

    def run(self, orders: Any, end: int) -> None:
        """Take the orders, in the order of sending, to the end."""
        last = {0: 0, 1: 0}
        arrivals = []
        for number, order in enumerate(orders):
            v = int(order["venue"])
            last[v] = max(last[v], int(order["sent_ns"]) + self.ways[v, "order"])
            arrivals.append((last[v], number))
        moments = sorted({int(r["recv_ns"]) for v in (0, 1) for r in self.rows[v]} | {end})
        for now in moments:
            self.until(now, arrivals, orders)
            self.advance(now)
        self.until(end + 1, arrivals, orders)

    def until(self, now: int, arrivals: list[tuple[int, int]], orders: Any) -> None:
        """Do what happens before this moment's records, in time."""
        while True:
            due = [(p.settles[0], v) for v, p in self.held.items() if p.settles[0]]
            at_settle, v = min(due, default=(now, 0))
            at_order = min(arrivals, default=(now, 0))[0]
            if min(at_settle, at_order) >= now:
                return
            moment = min(at_settle, at_order)
            self.advance(moment)
            if at_order <= at_settle:
                number = arrivals.pop(arrivals.index(min(arrivals)))[1]
                self.match(number, orders[number], moment)
            else:
                self.settle(v, moment)
