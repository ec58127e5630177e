"""What the rings promise at their edges: capacities, records, claims, dead holders, dtypes."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arbitrage.core import records
from arbitrage.core.lane import Lane, MarketPipeline
from arbitrage.core.memory import process_start_ticks
from arbitrage.core.ring import (
    BroadcastRing,
    ClaimError,
    MpscRing,
    OpportunityQueue,
    SpscRing,
)
from arbitrage.core.tap import FrameTap

RINGS = [SpscRing, MpscRing, BroadcastRing]


@pytest.mark.parametrize("ring_type", RINGS)
@pytest.mark.parametrize(("asked", "real"), [(1, 1), (3, 4), (1000, 1024), (10000, 16384)])
def test_capacity_is_rounded_up_and_reported(ring_type: Any, asked: int, real: int) -> None:
    assert ring_type(asked).capacity == real


@pytest.mark.parametrize("ring_type", [*RINGS, lambda capacity: Lane(capacity, 4)])
@pytest.mark.parametrize("asked", [0, -1, 2**24 + 1, 2**40])
def test_a_capacity_out_of_range_is_refused(ring_type: Any, asked: int) -> None:
    with pytest.raises(ValueError, match=f"capacity was {asked}; accepted is 1 .. 16777216"):
        ring_type(asked)


@pytest.mark.parametrize("ring_type", RINGS)
def test_a_record_of_another_size_is_refused(ring_type: Any) -> None:
    ring = ring_type(4, 24)
    with pytest.raises(ValueError, match="the record was 23 bytes long; this ring takes 24 bytes"):
        ring.try_push(bytes(23))
    with pytest.raises(ValueError, match="record_bytes was 121"):
        ring_type(4, 121)
    assert ring.try_push(memoryview(bytes(24)))
    assert ring.pushed == 1


def test_numpy_records_go_in_and_arrays_come_out() -> None:
    ring = SpscRing(8)
    ticks = np.zeros(3, records.TICK_DTYPE)
    ticks["bid_px"] = [1.5, 2.5, 3.5]
    assert all(ring.try_push(tick) for tick in ticks)
    assert (ring.drain(dtype=records.TICK_DTYPE) == ticks).all()
    with pytest.raises(ValueError, match="the dtype holds 8 bytes"):
        ring.drain(dtype=np.dtype("f8"))


def test_each_single_end_refuses_a_second_claimant() -> None:
    for claim in (
        SpscRing(4).producer,
        SpscRing(4).consumer,
        MpscRing(4).consumer,
        BroadcastRing(4).producer,
        Lane(4, 4).producer,
        Lane(4, 4).consumer,
    ):
        first = claim()
        with pytest.raises(ClaimError, match=f"already claimed by process {os.getpid()}"):
            claim()
        first.release()
        with pytest.raises(ValueError, match="was released"):
            first.try_push(bytes(56)) if hasattr(first, "try_push") else first.try_pop()
        with claim():
            pass
        claim()


def test_the_ring_itself_claims_its_ends_when_used() -> None:
    ring = SpscRing(4)
    ring.try_push(bytes(56))
    with pytest.raises(ClaimError):
        ring.producer()
    ring.try_pop()
    with pytest.raises(ClaimError):
        ring.consumer()


def test_many_producers_share_an_mpsc_ring() -> None:
    ring = MpscRing(4)
    first, second = ring.producer(), ring.producer()
    assert first.try_push(bytes(56))
    assert second.try_push(bytes(56))
    assert ring.depth == 2


def test_a_dropped_handle_gives_its_end_back() -> None:
    ring = SpscRing(4)
    ring.producer()
    assert ring.producer().try_push(bytes(56)), "the end was free again"


def test_handles_are_not_made_by_hand() -> None:
    with pytest.raises(TypeError, match="made by its ring"):
        type(SpscRing(4).producer())()


def test_a_child_frees_nothing_of_its_parent() -> None:
    ring = SpscRing(4)
    end = ring.producer()
    child = os.fork()
    if child == 0:
        end.release()
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(ClaimError):
        ring.producer()


def test_the_claim_of_a_killed_process_is_taken_over() -> None:
    """Rings of this process are shared with its forks, so a child can die holding an end."""
    ring = SpscRing(4)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        end = ring.producer()
        end.try_push(b"by the child".ljust(56))
        os.write(writing, b"!")
        signal.pause()
    os.read(reading, 1)
    with pytest.raises(ClaimError, match=f"already claimed by process {child};"):
        ring.producer()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    ring.producer().try_push(b"by the parent".ljust(56))
    consumer = ring.consumer()
    assert [record.split()[-1] for record in consumer.drain()] == [b"child", b"parent"]


def test_process_start_ticks_tell_a_process_from_its_successor() -> None:
    mine = process_start_ticks(os.getpid())
    assert mine is not None
    assert mine > 0
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        started = process_start_ticks(child.pid)
        assert started is not None
        assert started >= mine
        child.send_signal(signal.SIGSTOP)
        assert process_start_ticks(child.pid) == started
    finally:
        child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process_start_ticks(child.pid) is None, "a zombie counts as gone"
    child.wait()
    assert process_start_ticks(child.pid) is None


def test_the_opportunity_queue_is_seen_by_every_reader() -> None:
    queue = OpportunityQueue(1000)
    assert queue.capacity == 1024
    first, second = queue.reader(), queue.reader()
    event = np.zeros(1, records.OPPORTUNITY_DTYPE)
    event["id"] = 7
    queue.try_push(event[0])
    assert first.drain()["id"].tolist() == [7]
    assert second.drain()["id"].tolist() == [7]


def test_a_pipeline_adds_up_its_lanes() -> None:
    pipeline = MarketPipeline(1, 4, lane_count=2)
    tick = np.zeros(1, records.TICK_DTYPE)
    for lane in pipeline.lanes:
        assert [lane.try_push(tick) for _ in range(3)] == [True, False, False]
    assert (pipeline.depth, pipeline.pushed, pipeline.overflowed) == (2, 2, 4)
    assert [len(lane.take_overflow()) for lane in pipeline.lanes] == [1, 1]
    assert pipeline.dropped == 2
    assert MarketPipeline.of(pipeline.lanes[:1]).depth == 1


def test_a_state_and_a_funding_tick_do_not_erase_a_quote() -> None:
    lane = Lane(1, 2)
    ticks = np.zeros(4, records.TICK_DTYPE)
    ticks["recv_mono_ns"] = [1, 4, 3, 2]
    ticks["seq_row_kind"] = [records.pack_tick_key(0, 1, kind) for kind in (0, 0, 1, 2)]
    assert [lane.try_push(tick) for tick in ticks] == [True, False, False, False]
    taken = np.frombuffer(b"".join(lane.take_overflow()), records.TICK_DTYPE)
    assert taken["recv_mono_ns"].tolist() == [2, 3, 4]
    assert lane.dropped == 0


class TestFrameTap:
    def test_it_is_off_until_enabled(self) -> None:
        tap = FrameTap(1)
        assert tap.capacity == 4096
        assert not tap.write(1, 0, 0, b"x")
        tap.enable(True)
        assert tap.write(1, 0, 0, b"x")
        assert tap.frames == 1

    def test_frames_come_out_as_they_went_in(self) -> None:
        tap = FrameTap(1 << 16)
        tap.enable(True)
        reader = tap.reader()
        frames = [os.urandom(size) for size in (0, 1, 7, 8, 9, 500)]
        for index, frame in enumerate(frames):
            assert tap.write(index, 1, 2, frame)
        assert [reader.read() for _ in frames] == [(i, 1, 2, f) for i, f in enumerate(frames)]
        assert reader.read() is None

    def test_a_lapped_reader_knows_what_it_lost(self) -> None:
        tap = FrameTap(4096)
        tap.enable(True)
        reader = tap.reader()
        sizes = [17 * index % 300 for index in range(500)]
        for size in sizes:
            tap.write(0, 0, 0, bytes(size))
        got = []
        while (frame := reader.read()) is not None:
            got.append(len(frame[3]))
        assert got
        assert got == sizes[-len(got) :]
        assert reader.lost_frames == len(sizes) - len(got)
        assert reader.lost_bytes == sum(sizes) - sum(got)

    def test_a_late_reader_starts_behind_the_newest_frame(self) -> None:
        tap = FrameTap(4096)
        tap.enable(True)
        for _ in range(100):
            tap.write(0, 0, 0, bytes(100))
        reader = tap.reader()
        assert reader.read() is None
        tap.write(5, 0, 0, b"new")
        assert reader.read() == (5, 0, 0, b"new")
        assert reader.lost_frames == 0

    def test_a_frame_longer_than_half_the_tap_is_refused_and_counted(self) -> None:
        tap = FrameTap(4096)
        tap.enable(True)
        assert not tap.write(0, 0, 0, bytes(2048))
        assert tap.refused == 1
        with pytest.raises(ValueError, match="capacity was 0"):
            FrameTap(0)


class TestRecords:
    def test_dtypes_cover_the_c_layout(self) -> None:
        for dtype, size in (
            (records.TICK_DTYPE, 56),
            (records.OPPORTUNITY_DTYPE, 120),
            (records.ORDER_DTYPE, 56),
            (records.EXEC_DTYPE, 53),
        ):
            assert dtype.names is not None
            fields = [dtype.fields[name] for name in dtype.names]  # type: ignore[index]
            end = 0
            for field in fields:
                assert field[1] == end, "no hole and no overlap"
                end += field[0].itemsize
            assert end == size
        assert records.EXEC_DTYPE.itemsize == records.EXEC_BYTES == 56

    def test_client_ids_round_trip_and_refuse_what_does_not_fit(self) -> None:
        largest = records.make_client_id(2**28 - 1, 2**24 - 1, 7, 255)
        assert largest == 2**63 - 1
        assert records.split_client_id(largest) == (2**28 - 1, 2**24 - 1, 7, 255)
        with pytest.raises(ValueError, match=r"pair was 16777216; accepted is 0 \.\. 16777215"):
            records.make_client_id(1, 2**24, 0)
        with pytest.raises(ValueError, match="client id was -1"):
            records.split_client_id(-1)

    def test_enumerations_carry_the_numbers_of_the_headers(self) -> None:
        header = Path(__file__).parents[2] / "cython_src/arbitrage/core/records.h"
        text = header.read_text()
        for enum, prefix in (
            (records.Venue, "VENUE"),
            (records.RowState, "ROW"),
            (records.FrameStatus, "FRAME"),
            (records.TickKind, "TICK"),
            (records.OppEvent, "OPP"),
            (records.CloseReason, "CLOSE"),
            (records.Leg, "LEG"),
            (records.ExecKind, "EXEC"),
        ):
            for member in enum:
                assert f"ARB_{prefix}_{member.name} = {member.value}" in text

    def test_importing_the_core_does_not_import_numpy(self) -> None:
        code = (
            "import sys, arbitrage.core.ring, arbitrage.core.tap, arbitrage.core.records;"
            "sys.exit(any(name in sys.modules for name in ('numpy', 'asyncio')))"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
