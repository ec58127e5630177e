"""What does it cost to write an order down before it leaves?"""

import ctypes
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from arbitrage.core.records import ORDER_DTYPE
from benchmarks.harness import BATCH, Question, Row, Samples, Setup, interleave
from benchmarks.native import doubles, load

__all__ = ["QUESTIONS"]

BATCHES = 64
BAR_NS = 200


def measure(setup: Setup) -> Row:
    library = load("journal")
    library.journal_new.restype = ctypes.c_void_p
    library.journal_valid.restype = ctypes.c_uint64
    orders = np.zeros(BATCH, ORDER_DTYPE)
    orders["client_id"] = np.arange(1, BATCH + 1)
    orders["px_ticks"] = np.random.default_rng(3).integers(1, 1 << 40, BATCH)
    given = ctypes.c_void_p(orders.ctypes.data)
    sizes = ctypes.c_uint64(BATCHES), ctypes.c_uint64(BATCH)
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name).encode() for name in ("ours", "floor", "peer")]
        journal = ctypes.c_void_p(library.journal_new(*paths, ctypes.c_uint64(BATCHES * BATCH)))
        assert journal, f"no journal could be made in {folder}"

        def passes(function: str) -> Callable[[], Samples]:
            def once() -> Samples:
                out = doubles(BATCHES)
                getattr(library, function)(journal, given, *sizes, out)
                return np.array(out)

            return once

        ways = {"ours": "append_pass", "floor": "copy_pass", "peer": "write_pass"}
        found = interleave(setup, {way: passes(function) for way, function in ways.items()})
        assert library.journal_valid(journal) == BATCHES * BATCH, "a record is not whole"
        library.journal_free(journal)
    mine, floor, peer = found["ours"], found["floor"], found["peer"]
    return Row(
        name="journal_append",
        unit="ns/record",
        p50=mine.at(50),
        p99=mine.at(99),
        p999=mine.at(99.9),
        floor="the order's 56 bytes copied into the mapping",
        floor_p50=floor.at(50),
        floor_p99=floor.at(99),
        peer="write() of a record",
        peer_p50=peer.at(50),
        ratio_to_floor=mine.ratio(floor),
        ratio_to_peer=1 / mine.ratio(peer),
        n=mine.n * BATCH,
        bar=f"<= {BAR_NS} ns",
        judge=lambda row: row.p50 <= BAR_NS,
        note="checksum included, no system call; every record asserted whole",
    )


QUESTIONS = (Question("journal_append", 1, measure, "an order written down before it leaves"),)
