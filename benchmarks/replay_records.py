"""How many of a detector's recorded decisions a second does a replay handle, from memory?"""

import itertools
import os
import time
from functools import cache
from typing import Any

import numpy as np

from arbitrage.core.decisions import DECISION_BYTES, DECISION_DTYPE, DecisionKind, DecisionReplay
from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.records import TICK_DTYPE
from arbitrage.core.replay import ReplayCore
from arbitrage.core.segment import Segment
from arbitrage.core.stages import Stages
from benchmarks.frames_data import frames, source
from benchmarks.harness import Question, Row, Samples, Setup, interleave

__all__ = ["QUESTIONS"]

CAPACITY = 8
PYTHON_RECORDS = 20_000
TURN_TICKS = 16
BAR_RECORDS_PER_S = 20_000_000


def quotes() -> Any:
    """Return the quotes of both venues' frames, merged, each the complete top of its row."""
    core = ReplayCore(keep_quotes=True)
    streams = [b"".join(b"%d\t%s\n" % row for row in frames(venue)) for venue in ("bybit", "okx")]
    done = [0, 0]
    while (venue := core.run()) != 2:
        if venue < 2:
            room = core.free_space(venue)
            part = streams[venue][done[venue] : done[venue] + len(room)]
            room[: len(part)] = part
            done[venue] += len(part)
            core.filled(venue, len(part))
    return core.quotes()


def ticks() -> Any:
    """Return them as a feed thread would have handed them to the detector."""
    given = quotes()
    found = np.zeros(len(given), TICK_DTYPE)
    for name in ("bid_px", "ask_px", "bid_qty", "ask_qty"):
        found[name] = given[name]
    found["recv_mono_ns"] = given["recv_ns"]
    rows = given["venue"].astype(np.uint64) * CAPACITY + given["symbol_index"]
    found["seq_row_kind"] = given["seq"].astype(np.uint64) << 16 | rows << 3
    found["exch_wall_ms"] = given["exch_wall_ns"] // 1_000_000 % 2**32
    return found


@cache
def recorded() -> bytes:
    """Return what a detector told of these ticks."""
    given, parts = ticks(), []
    segment = Segment.create(f"bench-{os.getpid()}-records", symbol_capacity=CAPACITY)
    try:
        segment.decisions.enable(True)
        reader = segment.decisions.reader()
        for venue, symbol in itertools.product(range(2), range(CAPACITY)):
            segment.store.set_instrument(segment.store.row(venue, symbol))
        detector = OpportunityDetector(
            segment.store, min_net_bps=4.0, min_gross_bps=None, wall_minus_mono_ns=0
        )
        stages = Stages(segment, detector, placement="inline")
        lane = segment.lane(0).producer()
        for first in range(0, len(given), TURN_TICKS):
            for tick in given[first : first + TURN_TICKS]:
                lane.try_push(tick.tobytes())
            stages.turn(int(tick["recv_mono_ns"]))
            while (found := reader.read()) is not None:
                parts.append(found[3])
        assert reader.lost_frames == 0
    finally:
        segment.close()
    return b"".join(parts)


def replay_once(decisions: bytes) -> DecisionReplay:
    """Replay decisions that lie in memory; the core counts its own time."""
    core = DecisionReplay(2, CAPACITY)
    done, count = 0, len(decisions) // DECISION_BYTES
    while done < count:
        done += core.run(decisions, done)
    return core


def by_python_loop(rows: list[Any]) -> Samples:
    """Return records a second of the same question in plain Python: a dictionary, a comparison."""
    tops: dict[int, tuple[float, float]] = {}
    crossed = 0
    begin = time.perf_counter_ns()
    for bid, ask, row in rows:
        tops[row] = bid, ask
        other = tops.get(row ^ CAPACITY)
        if other is not None:
            crossed += (other[0] - ask) / ask * 1e4 > 4.0 or (bid - other[1]) / other[1] * 1e4 > 4.0
    return np.array([len(rows) / (time.perf_counter_ns() - begin) * 1e9])


def measure(setup: Setup) -> Row:
    decisions = recorded()
    array = np.frombuffer(decisions, DECISION_DTYPE)
    told = array[array["kind"] == DecisionKind.TICK][:PYTHON_RECORDS]
    rows = list(
        zip(
            told["bid_px"].tolist(),
            told["ask_px"].tolist(),
            (told["seq_row_kind"] >> 3 & 0x1FFF).tolist(),
            strict=True,
        )
    )
    first = replay_once(decisions)
    events = first.event_count
    assert first.counts["differences"] == first.counts["bad"] == 0

    def ours() -> Samples:
        core = replay_once(decisions)
        assert core.event_count == events, "two replays gave different events"
        return np.array([len(array) / core.elapsed_ns * 1e9])

    def copied() -> Samples:
        begin = time.perf_counter_ns()
        bytearray(decisions)
        return np.array([len(array) / (time.perf_counter_ns() - begin) * 1e9])

    found = interleave(
        setup, {"ours": ours, "floor": copied, "python": lambda: by_python_loop(rows)}
    )
    mine, floor, peer = found["ours"], found["floor"], found["python"]
    passes = np.concatenate(mine.rounds)
    p50 = float(np.median(passes))
    return Row(
        name="replay_records",
        unit="decisions/s",
        p50=p50,
        p99=float(np.percentile(passes, 1)),
        floor="copying the records",
        floor_p50=floor.at(50),
        floor_p99=floor.at(1),
        ratio_to_floor=floor.ratio(mine),
        peer="plain Python over the same quotes: a dictionary and a comparison",
        peer_p50=peer.at(50),
        ratio_to_peer=mine.ratio(peer),
        n=len(array) * mine.n,
        bar=">= 20,000,000 decisions/s",
        judge=lambda row: row.p50 >= BAR_RECORDS_PER_S,
        note=f"{len(array):,} decisions, frames {source()}, {events:,} events; every state told "
        "on the way is compared; passes asserted equal; one core",
    )


QUESTIONS = (Question("replay_records", 1, measure, "a detector's recorded decisions a second"),)
