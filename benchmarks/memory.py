"""What the trader holds, what its hot path allocates, whom it wakes, and what its caches miss."""

import os
from collections.abc import Iterable

from benchmarks.cachegrind import Misses, misses
from benchmarks.frames_data import source
from benchmarks.harness import Question, Row, Setup
from benchmarks.hot_path_audit import Audit, HotThread, audit, why_no_strace
from benchmarks.native import CACHE

__all__ = ["QUESTIONS"]

RATE = 10_000
RESIDENT_MAX_MB = 60.0
L1_MISS_MAX_PCT = 5.0
SPLIT_CORES = 4
# seconds of the demo and, of them, under strace
LONG, SHORT = (12.0, 4.0), (6.0, 1.0)
ROWS = ("memory_trader_resident", "memory_hot_allocations", "memory_hot_futex_calls")
CACHE_ROWS = ("memory_l1_miss_parser", "memory_l1_miss_detector")


def counted(values: Iterable[int | None]) -> float | None:
    """Return a sum; None when one of the values is not known."""
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return float(total)


def _roles(threads: tuple[HotThread, ...]) -> str:
    return " and ".join(thread.role for thread in threads)


def _rows(found: Audit) -> list[Row]:
    threads = found.threads
    where = f"demo with wait spin, stages {found.stages}, {RATE:,} frames/s of each venue"
    frames = sum(found.frames.values())
    assert threads, "no detector or strategy thread was seen"
    assert frames > 0, "the demo parsed no frame"
    allocations = counted(
        count for one in threads for count in (one.allocations_c, one.allocations_python)
    )
    futex = counted(one.futex_calls for one in threads)
    rows = []
    if found.rss_mb is not None:
        rows.append(
            Row(
                name=ROWS[0], unit="MB", p50=found.rss_mb, n=1,
                bar=f"< {RESIDENT_MAX_MB:g} MB", judge=lambda row: row.p50 < RESIDENT_MAX_MB,
                note=f"resident size of the trader at its end; {where}; frames parsed asserted",
            )
        )  # fmt: skip
    if allocations is not None:
        rows.append(
            Row(
                name=ROWS[1], unit="allocations", p50=allocations, n=frames, bar="0",
                judge=lambda row: row.p50 == 0,
                note=f"C's and Python's, of {_roles(threads)}, from their loops' begin to their "
                f"end, counted by the shim; {where}; threads and frames asserted to be there",
            )
        )  # fmt: skip
    if futex is not None:
        turns = sum(one.turns for one in threads)
        rows.append(
            Row(
                name=ROWS[2], unit="calls", p50=futex, n=turns, bar="0",
                judge=lambda row: row.p50 == 0,
                note=f"futex calls of {_roles(threads)} in {found.watched_s:g} s under strace; "
                f"{where}; threads asserted to be there",
            )
        )  # fmt: skip
    return rows


def measure(setup: Setup) -> list[Row]:
    os.sched_setaffinity(0, setup.cores)  # the demo's programs begin where this thread is
    seconds, watch_s = LONG if setup.seconds >= 1 else SHORT
    if reason := why_no_strace():
        setup.say(reason)
    stages = "split" if len(setup.cores) >= SPLIT_CORES else "fused"
    return _rows(audit(seconds=seconds, rate=RATE, stages=stages, watch_s=watch_s))


def _cache_row(name: str, one: Misses) -> Row:
    return Row(
        name=name, unit="%", p50=one.percent, n=one.accesses,
        bar=f"< {L1_MISS_MAX_PCT:g} %", judge=lambda row: row.p50 < L1_MISS_MAX_PCT,
        note=f"of {one.accesses / one.frames:.0f} data accesses a frame, 32 KiB of first level "
        f"simulated by callgrind, frames {source()}; quotes and ticks asserted",
        more={
            "missed_lines_a_frame": one.missed / one.frames,
            "instructions_a_frame": one.instructions / one.frames,
        },
    )  # fmt: skip


def measure_cache(setup: Setup) -> list[Row]:
    os.sched_setaffinity(0, setup.cores)  # what valgrind runs is counted, not timed: anywhere
    CACHE.mkdir(parents=True, exist_ok=True)
    found = {one.part: one for one in misses(CACHE / "callgrind.out")}
    return [_cache_row(name, found[name.rpartition("_")[2]]) for name in CACHE_ROWS]


QUESTIONS = (
    Question(
        "memory", 3, measure, "the trader's size, its hot path's allocations and futex calls",
        rows=ROWS, least_s=15.0, timed=False,
    ),
    Question(
        "memory_l1_miss", 1, measure_cache, "first-level cache misses of parser and detector",
        rows=CACHE_ROWS, least_s=4.0, timed=False,
    ),
)  # fmt: skip
