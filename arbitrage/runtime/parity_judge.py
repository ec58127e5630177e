"""Orders of a session held against those decided again, turn by turn; and the session's waits."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from arbitrage.core.journal import JournalRecord
from arbitrage.core.messages import Execution, Order
from arbitrage.core.records import ExecKind, Venue
from arbitrage.runtime.parity_machine import Turn
from arbitrage.runtime.parity_result import Parity, ParityOrder, Wait
from arbitrage.trading.journal_rows import RowReader, name_of
from arbitrage.trading.run_journal import decode

__all__ = ["NOT_SENT", "Judge", "WhyOutside", "order_row", "waits_of"]

NOT_SENT = "the strategy did not send it again"
LATE = ": of a recording that began later, its order budget and averages are not known"
# of an order: what is decided; the rest are stamps of the turn it was decided in
_DECIDED = ("client_id", "px_ticks", "qty_lots", "row", "side", "action", "flags", "opportunity_id")
_STAMPS = ("recv_mono_ns", "detected_ns")

WhyOutside = Callable[[JournalRecord], str]


class Judge:
    """Hold orders against each other, turn by turn."""

    def __init__(self, live: Sequence[JournalRecord]) -> None:
        self._reader = RowReader()
        self._rows: dict[int, dict[str, Any]] = {}
        for record in live:
            row = self._reader.read(record)
            if record.type == "INTENT":
                self._rows[record.sequence] = row
        self._live = live
        self._judged: dict[int, ParityOrder] = {}
        self._extra: list[ParityOrder] = []
        self._equal_changes = 0

    def take(self, turn: Turn) -> None:
        """Judge the orders of one turn."""
        first_ns = 0
        again = [one for one in turn.again if one.type == "INTENT"]
        for record in turn.live:
            if record.type != "INTENT":
                continue
            first_ns = first_ns or record.mono_ns
            order, row = decode(record), self._order_row(record)
            assert isinstance(order, Order)
            same = _closest(order, again)
            self._judged[record.sequence] = row
            if same is not None:
                again.remove(same)
                _compare(row, order, record.mono_ns, first_ns, turn, same)
        for record in again:
            self._extra.append(self._order_row(record, self._reader.read(record)))
            self._extra[-1].reason = "the session did not send it"
        ours = Counter(one.payload for one in turn.again if one.type == "PAIR")
        theirs = Counter(one.payload for one in turn.live if one.type == "PAIR")
        self._equal_changes += (ours & theirs).total()

    def finish(self, found: Parity, why_outside: WhyOutside) -> None:
        """Give out what was judged, and say why the rest was not."""
        for sequence in self._rows:
            record = self._live[sequence - 1]
            order = self._judged.get(sequence) or self._order_row(record)
            if not order.is_found and not order.reason:
                why = why_outside(record)
                order.is_outside = why != ""
                order.reason = why or NOT_SENT + ("" if found.from_start else LATE)
            found.orders.append(order)
        found.extra = self._extra
        kinds = Counter(one.type for one in self._live if not why_outside(one))
        found.changes, found.answers = kinds["PAIR"], kinds["EXEC"]
        found.equal_changes = self._equal_changes

    def _order_row(self, record: JournalRecord, row: dict[str, Any] | None = None) -> ParityOrder:
        return order_row(record, self._rows[record.sequence] if row is None else row)


def order_row(record: JournalRecord, row: dict[str, Any]) -> ParityOrder:
    """Return an order of the journal as it is not yet found; `row` is the record in words."""
    return ParityOrder(
        sequence=record.sequence,
        time=row["time"],
        mono_ns=record.mono_ns,
        pair=row["pair"],
        leg=f"{row['leg']}#{row['attempt']}",
        venue=row["venue"],
        symbol=row["symbol"],
        side=row["side"],
        qty=row["qty"],
        px=row["px"],
        unit=row.get("unit", ""),
    )


def _closest(order: Order, again: Iterable[JournalRecord]) -> JournalRecord | None:
    """Return the same order among those of the turn: by its id, or else by row, side and kind."""
    there = [(one, Order.unpack(one.payload)) for one in again]
    for one, other in there:
        if other.client_id == order.client_id:
            return one
    for one, other in there:
        if (other.row, other.side, other.flags) == (order.row, order.side, order.flags):
            return one
    return None


def _compare(
    row: ParityOrder,
    order: Order,
    mono_ns: int,
    first_ns: int,
    turn: Turn,
    same: JournalRecord,
) -> None:
    other = Order.unpack(same.payload)
    row.is_found = True
    row.time_diff_ns = mono_ns - same.mono_ns
    row.qty_diff_lots = order.qty_lots - other.qty_lots
    row.px_diff_ticks = order.px_ticks - other.px_ticks
    # the turn's clock is the recorded one; each order reads the running clock once more
    row.unexplained_ns = row.time_diff_ns - (mono_ns - first_ns)
    reasons = []
    if row.time_diff_ns:
        reasons.append(
            f"the turn had worked {row.time_diff_ns} ns since its first order when this one left"
        )
    differing = [
        f"{name} {getattr(order, name)}, again {getattr(other, name)}"
        for name in (*_DECIDED, *_STAMPS)
        if getattr(order, name) != getattr(other, name)
    ]
    if differing:
        reasons.append("; ".join(differing))
        row.is_found = not any(
            getattr(order, name) != getattr(other, name)
            for name in ("row", "side", "action", "flags")
        )
        if row.is_found and not (row.qty_diff_lots or row.px_diff_ticks):
            row.unexplained_ns = row.unexplained_ns or 1
    row.reason = "; ".join(reasons)


# ---- the session's own latencies -----------------------------------------------------------------


def waits_of(live: Iterable[JournalRecord]) -> list[Wait]:
    """Return how long the venues' answers took: to the first word, and to the end of the order."""
    sent: dict[int, int] = {}
    first: dict[int, tuple[int, int]] = {}
    last: dict[int, tuple[int, int]] = {}
    for record in live:
        if record.type == "INTENT":
            sent[Order.unpack(record.payload).client_id] = record.mono_ns
        elif record.type == "EXEC":
            told = Execution.unpack(record.payload)
            if told.client_id in sent and told.kind != ExecKind.SENT:
                place = told.venue, record.mono_ns - sent[told.client_id]
                first.setdefault(told.client_id, place)
                if told.kind in (ExecKind.DONE, ExecKind.FILL, ExecKind.REJECT):
                    last[told.client_id] = place
    found = []
    for what, places in (("first answer", first), ("last fill or end", last)):
        by_venue: dict[int, list[int]] = defaultdict(list)
        for venue, ns in places.values():
            by_venue[venue].append(ns)
        for venue, all_ns in sorted(by_venue.items()):
            all_ns.sort()
            found.append(
                Wait(
                    venue=name_of(Venue, venue),
                    what=what,
                    count=len(all_ns),
                    p50_us=all_ns[len(all_ns) // 2] / 1e3,
                    p99_us=all_ns[min(len(all_ns) - 1, len(all_ns) * 99 // 100)] / 1e3,
                    max_us=all_ns[-1] / 1e3,
                )
            )
    return found
