"""How many records a second do two producers bring through the MPSC ring, beside SimpleQueue?"""

import ctypes
import threading
import time
from queue import SimpleQueue

import numpy as np

from benchmarks.harness import Question, Row, Samples, Setup, interleave, rates, versus
from benchmarks.native import doubles, load
from benchmarks.noise import pin

__all__ = ["QUESTIONS"]

PRODUCERS = 2
CAPACITY = 4096  # the default of the execution ring
STRETCHES, STRETCH = 16, 16384
QUEUE_RECORDS = 20_000  # of each producer
BAR_RECORDS_PER_S = 5_000_000


def queue_stream(cores: tuple[int, ...]) -> Samples:
    """Push from two threads through one SimpleQueue; ns a record."""
    queue: SimpleQueue[int] = SimpleQueue()
    total = PRODUCERS * QUEUE_RECORDS

    def produce(core: int) -> None:
        pin(core)
        for number in range(QUEUE_RECORDS):
            queue.put(number)

    threads = [threading.Thread(target=produce, args=(core,)) for core in cores]
    begin = time.perf_counter_ns()
    for thread in threads:
        thread.start()
    checksum = sum(queue.get() for _ in range(total))
    took_ns = time.perf_counter_ns() - begin
    for thread in threads:
        thread.join()
    assert checksum == PRODUCERS * (QUEUE_RECORDS * (QUEUE_RECORDS - 1) // 2)
    return np.array([took_ns / total])


def measure(setup: Setup) -> Row:
    library, out = load("mpsc_ring"), doubles(STRETCHES)
    library.mpsc_stream.restype = ctypes.c_uint64
    library.tail_alone.restype = ctypes.c_double
    producing = setup.cores[1 : 1 + PRODUCERS]
    cores = (ctypes.c_int * PRODUCERS)(*producing)

    def ours() -> Samples:
        sizes = ctypes.c_uint64(STRETCHES), ctypes.c_uint64(STRETCH)
        wrong = library.mpsc_stream(cores, ctypes.c_uint32(CAPACITY), *sizes, out)
        assert wrong == 0, f"{wrong} records came wrong or out of their producer's order"
        return np.array(out)

    def floor() -> Samples:
        return np.array([library.tail_alone(cores, ctypes.c_uint64(STRETCHES * STRETCH))])

    found = interleave(
        setup, {"ours": ours, "floor": floor, "queue": lambda: queue_stream(producing)}
    )
    mine, least, peer = (rates(found[name]) for name in ("ours", "floor", "queue"))
    return Row(
        name="mpsc_ring",
        unit="records/s",
        **versus(mine, least, peer, rate=True),
        floor="both producers' additions to one word, nothing written",
        peer="queue.SimpleQueue",
        n=mine.n * STRETCH,
        bar=">= 5,000,000 records/s",
        judge=lambda row: row.p50 >= BAR_RECORDS_PER_S,
        note=f"{PRODUCERS} producers on cores {', '.join(map(str, producing))}, consumer on "
        f"{setup.cores[0]}; 56-byte records, {CAPACITY} slots; order and content asserted",
    )


QUESTIONS = (Question("mpsc_ring", 1 + PRODUCERS, measure, "two producers, one consumer"),)
