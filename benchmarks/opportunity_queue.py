"""How many opportunities a second reach three readers that each see all of them?"""

import ctypes
import threading
import time
from collections import deque

import numpy as np

from benchmarks.harness import Question, Row, Samples, Setup, interleave, rates, versus
from benchmarks.native import doubles, load
from benchmarks.noise import pin

__all__ = ["QUESTIONS"]

READERS = 3
CAPACITY = 4096  # the segment's default
STRETCHES, STRETCH = 4, 8192
PILES = STRETCHES * STRETCH // CAPACITY
DEQUE_RECORDS = 10_000
BAR_RECORDS_PER_S = 1_000_000


def deques_stream(cores: tuple[int, ...]) -> Samples:
    """Append to a deque of each reader, the way one would do it in Python; ns a record."""
    queues: list[deque[int]] = [deque() for _ in cores]
    sums = [0] * len(cores)

    def read(place: int, core: int) -> None:
        pin(core)
        queue, left = queues[place], DEQUE_RECORDS
        while left:
            try:
                sums[place] += queue.popleft()
                left -= 1
            except IndexError:
                time.sleep(0)

    threads = [threading.Thread(target=read, args=item) for item in enumerate(cores)]
    for thread in threads:
        thread.start()
    begin = time.perf_counter_ns()
    for number in range(DEQUE_RECORDS):
        for queue in queues:
            queue.append(number)
    for thread in threads:
        thread.join()
    took_ns = time.perf_counter_ns() - begin
    assert sums == [DEQUE_RECORDS * (DEQUE_RECORDS - 1) // 2] * len(cores)
    return np.array([took_ns / DEQUE_RECORDS])


def measure(setup: Setup) -> Row:
    library = load("opportunity_queue")
    out, moved, capacity = doubles(STRETCHES), doubles(PILES), ctypes.c_uint32(CAPACITY)
    library.broadcast.restype = ctypes.c_uint64
    reading = setup.cores[1 : 1 + READERS]
    cores = (ctypes.c_int * READERS)(*reading)

    def ours() -> Samples:
        sizes = ctypes.c_uint64(STRETCHES), ctypes.c_uint64(STRETCH)
        faults = library.broadcast(cores, capacity, *sizes, out)
        assert faults == 0, f"{faults} records came wrong or were lost"
        return np.array(out)

    def floor() -> Samples:
        library.bare_broadcast(cores, capacity, ctypes.c_uint64(PILES), moved)
        return np.array(moved)

    found = interleave(
        setup, {"ours": ours, "floor": floor, "deques": lambda: deques_stream(reading)}
    )
    mine, least, peer = (rates(found[name]) for name in ("ours", "floor", "deques"))
    return Row(
        name="opportunity_queue",
        unit="records/s",
        **versus(mine, least, peer, rate=True),
        floor="as many lines moved to three cores by bulk copies, nothing handed over",
        peer="a collections.deque for each reader",
        n=mine.n * STRETCH,
        bar=">= 1,000,000 records/s",
        judge=lambda row: row.p50 >= BAR_RECORDS_PER_S,
        note=f"one writer on core {setup.cores[0]}, {READERS} readers on "
        f"{', '.join(map(str, reading))}, each reads all; 120-byte records, {CAPACITY} slots; "
        "the writer waits for the slowest; order, content and no loss asserted",
    )


QUESTIONS = (Question("opportunity_queue", 1 + READERS, measure, "a broadcast to three readers"),)
