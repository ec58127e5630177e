"""How many recorded frames a second does a replay handle, from memory?"""

import ctypes
import time
from collections.abc import Callable

import numpy as np

from arbitrage.core.replay import ReplayCore
from benchmarks import parse_frames
from benchmarks.frames_data import frames, source
from benchmarks.harness import Question, Row, Samples, Setup, interleave
from benchmarks.native import doubles, load

__all__ = ["QUESTIONS"]

PYTHON_FRAMES = 5000
BAR_FRAMES_PER_S = 6_000_000


def replay_once(streams: tuple[bytes, bytes]) -> ReplayCore:
    """Replay two streams of lines that lie in memory; the core counts its own time."""
    core = ReplayCore(keep_quotes=False, bybit_taker_bps=0.0, okx_taker_bps=0.0, min_net_bps=4.0)
    done = [0, 0]
    while (venue := core.run()) != 2:
        if venue < 2:
            room, text = core.free_space(venue), streams[venue]
            part = text[done[venue] : done[venue] + len(room)]
            room[: len(part)] = part
            done[venue] += len(part)
            core.filled(venue, len(part))
    return core


def by_msgspec_loop(streams: list[tuple[tuple[int, bytes], ...]]) -> Samples:
    """Return frames a second of the same work in plain Python, over the first of the frames."""
    read = parse_frames.by_msgspec("bybit"), parse_frames.by_msgspec("okx")
    tagged = [
        (recv_ns, venue, frame)
        for venue, rows in enumerate(streams)
        for recv_ns, frame in rows[:PYTHON_FRAMES]
        if venue or b'"snapshot"' in frame
    ]
    tops: dict[tuple[int, bytes], tuple[float, float]] = {}
    crossed = 0
    merged = sorted(tagged)[:PYTHON_FRAMES]
    begin = time.perf_counter_ns()
    for _, venue, frame in merged:
        bid, _, ask, _, _, _ = read[venue](frame)
        coin = b"ETH" if b"ETH" in frame else b"BTC"
        tops[venue, coin] = bid, ask
        other = tops.get((1 - venue, coin))
        if other is not None:
            crossed += (other[0] - ask) / ask * 1e4 > 4.0 or (bid - other[1]) / other[1] * 1e4 > 4.0
    return np.array([len(merged) / (time.perf_counter_ns() - begin) * 1e9])


def touching(streams: list[tuple[tuple[int, bytes], ...]]) -> Callable[[], Samples]:
    """Return the floor: frames a second when every byte is looked at once."""
    packed = [b"".join(frame for _, frame in rows) for rows in streams]
    starts = [
        np.cumsum([0, *(len(frame) for _, frame in rows)]).astype(np.uint64) for rows in streams
    ]
    total = sum(len(rows) for rows in streams)
    touch, out, one = load("parse_frames").pass_touch, doubles(1), ctypes.c_uint64(1)

    def once() -> Samples:
        took_ns = 0.0
        for bytes_, where in zip(packed, starts, strict=True):
            count = len(where) - 1
            touch(bytes_, where.ctypes.data_as(ctypes.c_void_p), one, ctypes.c_uint64(count), out)
            took_ns += out[0] * count
        return np.array([total / took_ns * 1e9])

    return once


def measure(setup: Setup) -> Row:
    given = [frames(venue) for venue in ("bybit", "okx")]
    bybit, okx = (
        b"".join(b"%d\t%s\n" % (recv_ns, frame) for recv_ns, frame in rows) for rows in given
    )
    total = sum(len(rows) for rows in given)
    first = replay_once((bybit, okx))
    events = first.event_count
    assert first.counts["frames"] == total
    assert first.counts["malformed"] == 0

    def ours() -> Samples:
        core = replay_once((bybit, okx))
        assert core.event_count == events, "two replays gave different events"
        return np.array([total / core.elapsed_ns * 1e9])

    found = interleave(
        setup, {"ours": ours, "floor": touching(given), "python": lambda: by_msgspec_loop(given)}
    )
    mine, floor, peer = (found[name] for name in ("ours", "floor", "python"))
    passes = np.concatenate(mine.rounds)
    p50 = float(np.median(passes))
    return Row(
        name="replay",
        unit="frames/s",
        p50=p50,
        p99=float(np.percentile(passes, 1)),
        floor="every byte looked at once",
        floor_p50=floor.at(50),
        floor_p99=floor.at(1),
        ratio_to_floor=floor.ratio(mine),
        peer="msgspec typed, a dict and a comparison, merged before the clock starts",
        peer_p50=peer.at(50),
        ratio_to_peer=mine.ratio(peer),
        n=total * mine.n,
        bar=">= 6,000,000 frames/s",
        judge=lambda row: row.p50 >= BAR_FRAMES_PER_S,
        note=f"{total:,} frames {source()}, {events:,} events; passes asserted equal; "
        "parser, store and detector on one core",
    )


QUESTIONS = (Question("replay", 1, measure, "recorded frames a second"),)
