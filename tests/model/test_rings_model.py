"""Rings against Python's own containers: any calls, tiny capacities, wrapping positions."""

from collections import deque
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from arbitrage.core.lane import Lane
from arbitrage.core.records import TICK_DTYPE, TickKind, pack_tick_key, split_tick_key
from arbitrage.core.ring import BroadcastRing, MpscRing, SpscRing

WRAPS = st.sampled_from([0, 2**32 - 3, 2**62 - 3, 2**63 - 3, 2**64 - 3])
CAPACITIES = st.sampled_from([1, 2, 3, 4, 8])


def record(number: int, size: int) -> bytes:
    return number.to_bytes(8, "little") * (size // 8)


class QueueMachine(RuleBasedStateMachine):
    """SpscRing and MpscRing are a deque of bounded length with three counters."""

    ring_type: Any = SpscRing

    @initialize(capacity=CAPACITIES, first=WRAPS)
    def start(self, capacity: int, first: int) -> None:
        self.ring = self.ring_type(capacity, _first=first)
        self.producer = self.ring.producer()
        self.consumer = self.ring.consumer()
        self.model: deque[bytes] = deque()
        self.pushed = self.popped = self.dropped = self.number = 0

    @rule()
    def push(self) -> None:
        self.number += 1
        room = len(self.model) < self.ring.capacity
        assert self.producer.try_push(record(self.number, 56)) is room
        if room:
            self.model.append(record(self.number, 56))
            self.pushed += 1
        else:
            self.dropped += 1

    @rule()
    def pop(self) -> None:
        expected = self.model.popleft() if self.model else None
        assert self.consumer.try_pop() == expected
        self.popped += expected is not None

    @rule(records_max=st.one_of(st.none(), st.integers(0, 5)))
    def drain(self, records_max: int | None) -> None:
        taken = self.consumer.drain(records_max)
        limit = len(self.model) if records_max is None else min(records_max, len(self.model))
        assert taken == [self.model.popleft() for _ in range(limit)]
        self.popped += limit

    @rule(records_max=st.integers(0, 5))
    def drain_array(self, records_max: int) -> None:
        taken = self.consumer.drain(records_max, dtype=TICK_DTYPE)
        limit = min(records_max, len(self.model))
        assert taken.tobytes() == b"".join(self.model.popleft() for _ in range(limit))
        self.popped += limit

    @rule()
    def hand_over_the_ends(self) -> None:
        """A released end can be claimed again and goes on where it was."""
        self.producer.release()
        self.consumer.release()
        self.producer = self.ring.producer()
        self.consumer = self.ring.consumer()

    @invariant()
    def counters_agree(self) -> None:
        if not hasattr(self, "ring"):
            return
        assert self.ring.depth == len(self.model)
        assert self.ring.pushed == self.pushed
        assert self.ring.popped == self.popped
        assert self.ring.dropped == self.dropped


class SpscMachine(QueueMachine):
    @rule(count=st.integers(0, 6))
    def push_batch(self, count: int) -> None:
        records = [record(self.number + 1 + index, 56) for index in range(count)]
        self.number += count
        room = min(count, self.ring.capacity - len(self.model))
        assert self.producer.push_batch(b"".join(records)) == room
        self.model.extend(records[:room])
        self.pushed += room
        self.dropped += count - room


class MpscMachine(QueueMachine):
    ring_type = MpscRing

    @rule()
    def push_by_another(self) -> None:
        self.producer = self.ring.producer()
        self.push()


class BroadcastMachine(RuleBasedStateMachine):
    """Every reader sees every record, or is told exactly how many it missed."""

    @initialize(capacity=CAPACITIES, first=WRAPS)
    def start(self, capacity: int, first: int) -> None:
        self.ring = BroadcastRing(capacity, _first=first)
        self.producer = self.ring.producer()
        self.published = 0
        self.readers: list[tuple[Any, int]] = [(self.ring.reader(), 0)]
        self.reads = [0]

    @rule(count=st.integers(1, 12))
    def publish(self, count: int) -> None:
        for _ in range(count):
            assert self.producer.try_push(record(self.published, 120))
            self.published += 1

    @rule(from_oldest=st.booleans())
    def join(self, from_oldest: bool) -> None:
        if len(self.readers) < 4:
            held = min(self.published, self.ring.capacity) if from_oldest else 0
            self.readers.append((self.ring.reader(from_oldest), self.published - held))
            self.reads.append(0)

    @rule(which=st.integers(0, 3))
    def read(self, which: int) -> None:
        index = which % len(self.readers)
        reader, begun = self.readers[index]
        position = begun + self.reads[index] + reader.lost
        lost_before = reader.lost
        payload = reader.try_pop()
        missed = reader.lost - lost_before
        if payload is None:
            assert position == self.published
            assert missed == 0
            return
        number = position + missed
        self.reads[index] += 1
        assert payload == record(number, 120)
        if self.published - position > self.ring.capacity:
            assert missed > 0, "an overwritten record was handed out"
            assert self.published - number <= max(1, self.ring.capacity)
        else:
            assert missed == 0, "a record still held was given up"

    @invariant()
    def nothing_is_unaccounted(self) -> None:
        if not hasattr(self, "ring"):
            return
        assert self.ring.pushed == self.published
        for (reader, begun), reads in zip(self.readers, self.reads, strict=True):
            assert reader.popped == begun + reads + reader.lost
            assert reader.depth == self.published - reader.popped


class LaneMachine(RuleBasedStateMachine):
    """A full lane keeps the newest tick of each (row, kind) and counts the others."""

    ROWS = 3

    @initialize(capacity=st.sampled_from([1, 2, 4]))
    def start(self, capacity: int) -> None:
        self.lane = Lane(capacity, self.ROWS)
        self.producer = self.lane.producer()
        self.consumer = self.lane.consumer()
        self.ring: deque[bytes] = deque()
        self.cells: dict[tuple[int, int], bytes] = {}
        self.now = self.dropped = self.overwritten = 0

    def tick(self, row: int, kind: int) -> bytes:
        import numpy as np

        self.now += 1
        tick = np.zeros(1, TICK_DTYPE)
        tick["recv_mono_ns"] = self.now
        tick["bid_px"] = self.now / 7
        tick["seq_row_kind"] = pack_tick_key(self.now, row, kind)
        return tick.tobytes()

    @rule(row=st.integers(0, ROWS - 1), kind=st.sampled_from(list(TickKind)))
    def push(self, row: int, kind: int) -> None:
        tick = self.tick(row, kind)
        room = len(self.ring) < self.lane.capacity
        assert self.producer.try_push(tick) is room
        if room:
            self.ring.append(tick)
        else:
            self.overwritten += (row, kind) in self.cells
            self.cells[row, kind] = tick

    @rule(row=st.integers(ROWS, 100))
    def push_a_row_without_cells(self, row: int) -> None:
        tick = self.tick(row, TickKind.QUOTE)
        if self.producer.try_push(tick):
            self.ring.append(tick)
        else:
            self.dropped += 1

    @rule()
    def pop(self) -> None:
        assert self.consumer.try_pop() == (self.ring.popleft() if self.ring else None)

    @rule()
    def take_overflow(self) -> None:
        import numpy as np

        taken = self.consumer.take_overflow()
        assert sorted(taken) == sorted(self.cells.values())
        array = np.frombuffer(b"".join(taken), TICK_DTYPE)
        _, rows, _ = split_tick_key(array["seq_row_kind"])
        order = np.lexsort((array["recv_mono_ns"], rows))
        assert order.tolist() == list(range(len(taken))), "rows ascending, one row by time"
        self.cells.clear()
        # overwritten ticks are counted when their cell is taken
        self.dropped += self.overwritten
        self.overwritten = 0

    @invariant()
    def counters_agree(self) -> None:
        if not hasattr(self, "lane"):
            return
        assert self.lane.depth == len(self.ring)
        assert self.lane.dropped == self.dropped
        assert self.lane.overflowed - self.lane.overflow_taken >= len(self.cells)


QUICK = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
MACHINES = [SpscMachine, MpscMachine, BroadcastMachine, LaneMachine]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.__name__)
def test_model(machine: Any) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(machine, settings=QUICK)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.__name__)
def test_model_for_long(machine: Any) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        machine, settings=settings(QUICK, max_examples=3000, stateful_step_count=100)
    )
