"""A gateway looks at the kill switch before each order, and tells that it has looked."""

import os
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from arbitrage.core.executions import ExecPublisher
from arbitrage.core.gateway import OrderSender
from arbitrage.core.kill import REJECT_KILLED, KillGate
from arbitrage.core.messages import Execution, Order
from arbitrage.core.ring import MpscRing, SpscRing
from arbitrage.core.risk import KILLS, PAUSES
from arbitrage.core.segment import Segment
from arbitrage.core.store import MarketStore
from arbitrage.trading.paper import PaperGateway

SENT, REJECT = 0, 2
NEW, CANCEL = 0, 1
SIGNAL = KILLS.index("signal")
TEXT = b"\x01 at \x02: \x03 x \x04"


@pytest.fixture
def segment() -> Iterator[Segment]:
    made = Segment.create(f"kill-{os.getpid()}-{uuid.uuid4().hex[:6]}")
    yield made
    made.close()


class Line:
    """A connection in memory."""

    is_disconnected = False

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, _kind: Any, frame: bytes) -> None:
        self.sent.append(frame)


class Desk:
    """An order ring, its sender, and what came of both."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.ring, self.executions = SpscRing(8), MpscRing(32)
        self.gate = KillGate(segment)
        publisher = ExecPublisher(self.executions)
        self.sender = OrderSender(0, self.ring, publisher, kill_gate=self.gate)
        self.sender.add_instrument(3, Decimal("0.1"), Decimal("0.001"), (TEXT,) * 5)
        self.line = Line()
        self.sender.attach(self.line)

    def order(self, client_id: int, flags: int = 0, action: int = NEW) -> None:
        fields = dict.fromkeys(Order._fields, 0) | {
            "client_id": client_id, "px_ticks": 1000, "qty_lots": 5, "row": 3, "flags": flags,
            "action": action,
        }  # fmt: skip
        assert self.ring.try_push(Order(**fields).pack())

    def told(self) -> list[tuple[int, int, int]]:
        found = [Execution.unpack(record) for record in self.executions.drain()]
        return [(each.client_id, each.kind, each.venue_code) for each in found]


def test_orders_that_wait_in_the_ring_are_answered_here_after_a_trip(segment: Segment) -> None:
    desk = Desk(segment)
    desk.order(1)
    desk.sender.poll()
    desk.order(2)
    desk.order(3, flags=1)
    assert segment.trip_kill(SIGNAL)
    assert desk.sender.poll() == 2
    assert len(desk.line.sent) == 1
    assert desk.told() == [(1, SENT, 0), (2, REJECT, REJECT_KILLED), (3, REJECT, REJECT_KILLED)]
    counters = desk.sender.publisher.counters.as_dict()
    assert (counters["orders_killed"], counters["orders_unsendable"]) == (2, 2)
    assert desk.sender.unsettled_count == 1


def test_flattening_lets_out_what_reduces_and_cancels_always_leave(segment: Segment) -> None:
    desk = Desk(segment)
    segment.trip_kill(SIGNAL)
    desk.order(1, action=CANCEL)
    desk.sender.poll()
    assert desk.told() == [(1, SENT, 0)]
    segment.steer(flatten=True)
    desk.order(2)
    desk.order(3, flags=1)
    desk.sender.poll()
    assert desk.told() == [(2, REJECT, REJECT_KILLED), (3, SENT, 0)]


def test_what_would_go_by_the_slower_way_is_held_back_too(segment: Segment) -> None:
    desk = Desk(segment)
    taken: list[int] = []
    desk.sender.detach()
    desk.sender.set_fallback(lambda client_id, *_: taken.append(client_id))
    segment.trip_kill(SIGNAL)
    desk.order(1, flags=1)
    desk.sender.poll()
    assert taken == []
    assert desk.told() == [(1, REJECT, REJECT_KILLED)]


def test_a_gateway_tells_what_it_has_seen(segment: Segment) -> None:
    desk = Desk(segment)
    assert desk.gate.seen == 0
    segment.trip_kill(SIGNAL)
    assert desk.gate.seen == 0
    desk.sender.poll()
    assert desk.gate.seen == SIGNAL
    segment.clear_kill()
    desk.sender.poll()
    assert desk.gate.seen == 0
    desk.order(7)
    desk.sender.poll()
    assert desk.told() == [(7, SENT, 0)]


def test_the_first_reason_stays(segment: Segment) -> None:
    assert segment.trip_kill(SIGNAL)
    assert not segment.trip_kill(KILLS.index("file"))
    assert segment.kill_reason == SIGNAL
    assert segment.controls["kill"]
    segment.clear_kill()
    assert segment.kill_reason == 0
    with pytest.raises(ValueError, match="reason was 0"):
        segment.trip_kill(0)
    with pytest.raises(PermissionError):
        Segment.attach(segment.name).trip_kill(SIGNAL)


def test_paper_orders_obey_as_well(segment: Segment) -> None:
    ring, executions = SpscRing(8), MpscRing(32)
    gateway = PaperGateway(
        MarketStore(2, 2), [ring], [ExecPublisher(executions)], {},
        on_fill=lambda _: None, kill_gate=KillGate(segment),
    )  # fmt: skip
    segment.trip_kill(SIGNAL)
    ring.try_push(Order(**(dict.fromkeys(Order._fields, 0) | {"client_id": 9})).pack())
    assert gateway.poll(1) == 1
    (told,) = map(Execution.unpack, executions.drain())
    assert (told.kind, told.venue_code, told.cum_qty_lots) == (REJECT, REJECT_KILLED, 0)
    assert gateway.kill_gate.seen == SIGNAL
    assert gateway.waiting == 0


def test_reasons_to_pause_come_and_go_by_themselves(segment: Segment) -> None:
    segment.pause(1, PAUSES["contract"])
    segment.pause(1, PAUSES["operator"])
    segment.pause(1, PAUSES["operator"])
    assert segment.pause_reasons(1) == PAUSES["contract"] | PAUSES["operator"]
    segment.unpause(1, PAUSES["operator"] | PAUSES["breaker"])
    assert segment.pause_reasons(1) == PAUSES["contract"]
    assert segment.is_paused(1)
    segment.unpause(1, PAUSES["contract"])
    assert not segment.is_paused(1)
    for index, reason in ((-1, 1), (64, 1), (0, 0), (0, 256)):
        with pytest.raises((IndexError, ValueError), match="was"):
            segment.pause(index, reason)
