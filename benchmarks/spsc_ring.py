"""What does the SPSC ring cost between two cores, beside the bare cache line and SimpleQueue?"""

import ctypes
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

import numpy as np

from benchmarks.harness import (
    BATCH,
    Question,
    Rounds,
    Row,
    Samples,
    Setup,
    interleave,
    rates,
    versus,
)
from benchmarks.native import doubles, load
from benchmarks.noise import pin

__all__ = ["QUESTIONS", "bare_one_way_ns"]

BARE, RING = 0, 1
CAPACITY = 1024  # the default of the order rings
TRIPS = 40 * BATCH
STREAM_CAPACITY = 4096  # less than a sample, so that no sample is of what lay ready
QUEUE_TRIPS = 400
STRETCHES, STRETCH, DRAINED = 24, 256, 64  # a sample is 256 drained batches of 64
PILES = 96  # as many records as the stretches have
SINGLE_FROM_NS = 500  # slower than this is timed one by one


def trips(kind: int, core: int, count: int = TRIPS) -> Callable[[], Samples]:
    """Return a contestant: round trips with an echo thread on a core, ns each."""
    library, out = load("spsc_ring"), doubles(count)
    library.round_trips.restype = ctypes.c_uint64

    def once() -> Samples:
        wrong = library.round_trips(
            kind, core, ctypes.c_uint32(CAPACITY), ctypes.c_uint64(count), out
        )
        assert wrong == 0, f"{wrong} answers were not what was sent"
        return np.array(out)

    return once


def bare_one_way_ns(core: int) -> float:
    """Return what one bare cache-line transfer from the calling thread's core to another takes."""
    return float(np.median(trips(BARE, core, 20 * BATCH)())) / 2


def queue_trips(core: int) -> Samples:
    """Ping-pong over two SimpleQueues; ns a round trip."""
    there: SimpleQueue[int] = SimpleQueue()
    back: SimpleQueue[int] = SimpleQueue()

    def echo() -> None:
        pin(core)
        for _ in range(QUEUE_TRIPS):
            back.put(there.get())

    thread = threading.Thread(target=echo)
    thread.start()
    found = np.empty(QUEUE_TRIPS)
    for number in range(QUEUE_TRIPS):
        begin = time.perf_counter_ns()
        there.put(number)
        assert back.get() == number
        found[number] = time.perf_counter_ns() - begin
    thread.join()
    return found


def in_batches(rounds: Rounds) -> Rounds:
    """Return means of BATCH round trips in place of single ones."""
    return Rounds(tuple(samples.reshape(-1, BATCH).mean(axis=1) for samples in rounds.rounds))


def measure_round_trip(setup: Setup) -> Row:
    other = setup.cores[1]
    found = interleave(
        setup,
        {
            "bare": trips(BARE, other),
            "ring": trips(RING, other),
            "queue": lambda: queue_trips(other),
        },
    )
    singles, floor_singles = found["ring"], found["bare"]
    batched = singles.at(50) < SINGLE_FROM_NS
    mine = in_batches(singles) if batched else singles
    floor = in_batches(floor_singles) if batched else floor_singles
    ratio = mine.ratio(floor)
    return Row(
        name="ring_spsc_rtt",
        unit="ns/round trip",
        p50=mine.at(50),
        p99=mine.at(99),
        p999=singles.at(99.9),
        floor="one bare cache line",
        floor_p50=floor.at(50),
        floor_p99=floor.at(99),
        peer="queue.SimpleQueue",
        peer_p50=found["queue"].at(50),
        ratio_to_floor=ratio,
        ratio_to_peer=1 / singles.ratio(found["queue"]),
        n=singles.n,
        bar="<= 1.8x the bare cache line",
        judge=lambda row: (row.ratio_to_floor or 0) <= 1.8,
        note=f"cores {setup.cores[0]} and {other}, rings of {CAPACITY}, read in place; "
        "every answer asserted; "
        + (f"p50 and p99 of means of {BATCH}" if batched else "single round trips"),
        more={
            "single_p50": singles.at(50),
            "single_p99": singles.at(99),
            "floor_single_p50": floor_singles.at(50),
            "floor_single_p99": floor_singles.at(99),
            "floor_single_p999": floor_singles.at(99.9),
            "single_ratio_to_floor": singles.ratio(floor_singles),
        },
    )


def queue_stream(core: int) -> Samples:
    """Push records through a SimpleQueue from another thread; ns a record."""
    queue: SimpleQueue[int] = SimpleQueue()
    count = 20_000

    def produce() -> None:
        pin(core)
        for number in range(count):
            queue.put(number)

    thread = threading.Thread(target=produce)
    begin = time.perf_counter_ns()
    thread.start()
    for number in range(count):
        assert queue.get() == number
    took = time.perf_counter_ns() - begin
    thread.join()
    return np.array([took / count])


def measure_throughput(setup: Setup) -> Row:
    library = load("spsc_ring")
    library.throughput.restype = ctypes.c_uint64
    out, moved = doubles(STRETCHES), doubles(PILES)
    capacity = ctypes.c_uint32(STREAM_CAPACITY)
    sizes = ctypes.c_uint64(STRETCHES), ctypes.c_uint64(STRETCH)

    def ours() -> Samples:
        wrong = library.throughput(setup.cores[1], capacity, *sizes, out)
        assert wrong == 0, f"{wrong} records came wrong or out of order"
        return np.array(out)

    def bare() -> Samples:
        library.bare_stream(setup.cores[1], capacity, ctypes.c_uint64(PILES), moved)
        return np.array(moved)

    found = interleave(
        setup, {"ours": ours, "bare": bare, "queue": lambda: queue_stream(setup.cores[1])}
    )
    mine, floor, peer = (rates(found[name]) for name in ("ours", "bare", "queue"))
    return Row(
        name="ring_spsc_throughput",
        unit="records/s",
        **versus(mine, floor, peer, rate=True),
        floor="as many lines moved by bulk copies, nothing handed over",
        peer="queue.SimpleQueue",
        n=mine.n * STRETCH * DRAINED,
        bar=">= 10,000,000 records/s",
        judge=lambda row: row.p50 >= 10e6,
        note="56-byte records, batches of 64 drained, two cores; order and content asserted",
    )


QUESTIONS = (
    Question("ring_spsc_rtt", 2, measure_round_trip, "there and back between two cores"),
    Question("ring_spsc_throughput", 2, measure_throughput, "batched stream between two cores"),
)
