"""How long a session's own orders took, for a backtest of the same session: order by order.

When a venue matched an order is not told; half of the wait for its first answer stands for the way
there, and the rest, until the strategy heard the end of the order, for the way back.
"""

import random
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from arbitrage.core.journal import JournalRecord
from arbitrage.core.messages import Execution, Order
from arbitrage.core.records import ExecKind
from arbitrage.instruments import VENUES
from arbitrage.research.latency import DEFAULT_NS, Latency

__all__ = ["WINDOW_NS", "Sent", "own_latency", "sent_orders"]

WINDOW_NS = 50_000_000  # orders of the session and of a backtest are the same if no farther apart


class Sent(NamedTuple):
    """An order of the session: when it left (UTC ns), and what came of it.

    `order_ns` and `reply_ns` are None where no answer was heard.
    """

    sequence: int
    sent_ns: int
    order: Order
    filled_lots: int
    avg_px: float
    order_ns: int | None
    reply_ns: int | None


def sent_orders(live: Iterable[JournalRecord], wall_offset_ns: int) -> list[Sent]:
    """Return the session's orders as they left."""
    intents: dict[int, JournalRecord] = {}
    told: dict[int, list[tuple[int, Execution]]] = defaultdict(list)
    for record in live:
        if record.type == "INTENT":
            intents[Order.unpack(record.payload).client_id] = record
        elif record.type == "EXEC":
            one = Execution.unpack(record.payload)
            if one.client_id in intents and one.kind != ExecKind.SENT:
                told[one.client_id].append((record.mono_ns, one))
    return [
        _sent(record, told[client_id], wall_offset_ns) for client_id, record in intents.items()
    ]


def _sent(
    record: JournalRecord, told: Sequence[tuple[int, Execution]], wall_offset_ns: int
) -> Sent:
    fills = [one for _, one in told if one.kind == ExecKind.FILL and one.last_qty_lots > 0]
    lots = sum(one.last_qty_lots for one in fills)
    order_ns = reply_ns = None
    if told:
        order_ns = max(0, told[0][1].recv_mono_ns - record.mono_ns) // 2
        reply_ns = max(0, told[-1][0] - record.mono_ns - order_ns)
    return Sent(
        record.sequence,
        record.mono_ns + wall_offset_ns,
        Order.unpack(record.payload),
        lots,
        sum(one.px * one.last_qty_lots for one in fills) / lots if lots else float("nan"),
        order_ns,
        reply_ns,
    )


class _Ways:
    """The ways of one venue, as a backtest asks for them: an order's, then its answer's."""

    def __init__(self, sent: Sequence[Sent]) -> None:
        known = [one for one in sent if one.order_ns is not None and one.reply_ns is not None]
        self._left = sorted(known, key=lambda one: one.sent_ns)
        waits = ((one.order_ns, one.reply_ns) for one in known)
        usual = [median(way) for way in zip(*waits, strict=True)]
        self._usual = (int(usual[0]), int(usual[1])) if usual else (DEFAULT_NS, DEFAULT_NS)
        self._replies: deque[int] = deque()

    def order(self, rng: random.Random, now_ns: int) -> int:
        """Return what the session's order of this moment took; without one what was usual."""
        order_ns, reply_ns = self._usual
        at = bisect_left(self._left, now_ns, key=lambda one: one.sent_ns)
        near = [place for place in (at - 1, at) if 0 <= place < len(self._left)]
        near.sort(key=lambda place: abs(self._left[place].sent_ns - now_ns))
        if near and abs(self._left[near[0]].sent_ns - now_ns) <= WINDOW_NS:
            own = self._left.pop(near[0])
            order_ns, reply_ns = own.order_ns or 0, own.reply_ns or 0
        self._replies.append(reply_ns)
        return order_ns

    def reply(self, rng: random.Random, now_ns: int) -> int:
        """Return what the answer takes; a venue answers in the order in which it was asked."""
        return self._replies.popleft() if self._replies else self._usual[1]


def own_latency(sent: Iterable[Sent]) -> Latency:
    """Return the session's own latencies: each order of the backtest has its counterpart's."""
    by_venue: dict[int, list[Sent]] = defaultdict(list)
    for one in sent:
        by_venue[one.order.venue].append(one)
    ways = {name: _Ways(by_venue[venue]) for venue, name in enumerate(VENUES)}
    return Latency(
        order={name: way.order for name, way in ways.items()},
        reply={name: way.reply for name, way in ways.items()},
    )
