"""What does a spread cost: in a batch beside NumPy, for one update, for one detector tick?"""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbitrage.core.records import TICK_DTYPE
from arbitrage.core.spread import spread_bps
from benchmarks.harness import (
    BATCH,
    Question,
    Row,
    Samples,
    Setup,
    interleave,
    python_batches,
    versus,
)
from benchmarks.native import doubles, load

__all__ = ["QUESTIONS"]

SETS = 16  # of BATCH symbols each: more than the first-level cache holds
PASSES_A_ROUND = 50
NUMPY_BATCHES = 4
THRESHOLD_BPS = 21.0  # what a round trip costs; the market below crosses it on two of a hundred
Columns = tuple[NDArray[np.float64], ...]


class ColumnPointers(ctypes.Structure):
    """arb_spread_columns_t."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("bid_a", "ask_a", "bid_b", "ask_b")]


def market() -> Columns:
    """Return bid_a, ask_a, bid_b, ask_b of many symbols, a few of them far enough apart to pay."""
    rng = np.random.default_rng(7)
    count = SETS * BATCH
    mid = rng.uniform(0.1, 70_000.0, count)
    edge = rng.normal(0.0, 4e-4, count) + np.where(rng.random(count) < 0.02, 5e-3, 0.0)
    half = 5e-5
    other = mid * (1 + edge)
    return mid * (1 - half), mid * (1 + half), other * (1 - half), other * (1 + half)


def by_numpy(columns: Columns) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both directed spreads: the expression anybody would write."""
    bid_a, ask_a, bid_b, ask_b = columns
    return (bid_b - ask_a) / ask_a * 1e4, (bid_a - ask_b) / ask_b * 1e4


def passing(bid: NDArray[np.float64], ask: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which directions pay, of the tops of two venues: buy at the first, at the second."""
    return (bid[::-1] - ask) / ask * 1e4 >= THRESHOLD_BPS


def pointers(columns: Columns) -> ColumnPointers:
    return ColumnPointers(*(column.ctypes.data for column in columns))


def measure_batch(setup: Setup) -> Row:
    library, columns = load("spread"), market()
    given = pointers(columns)
    out = np.empty((2, SETS * BATCH))
    parts = [
        tuple(column[number * BATCH : (number + 1) * BATCH] for column in columns)
        for number in range(SETS)
    ]
    scratch = np.empty((2, BATCH))

    def compiled(name: str) -> Callable[[], Samples]:
        run: Any = getattr(library, name)
        run.restype = ctypes.c_double
        a, b = (ctypes.c_void_p(row.ctypes.data) for row in out)
        sizes = ctypes.c_uint64(SETS), ctypes.c_uint64(BATCH)
        return lambda: np.array(
            [run(ctypes.byref(given), *sizes, a, b) for _ in range(PASSES_A_ROUND)]
        )

    def python(run: Callable[[Columns], object]) -> Callable[[], Samples]:
        import time

        clock = time.perf_counter_ns

        def once() -> Samples:
            found = []
            for _ in range(PASSES_A_ROUND // 5):
                begin = clock()
                for part in parts:
                    run(part)
                found.append((clock() - begin) / (2 * SETS * BATCH))
            return np.array(found)

        return once

    ours = compiled("batch_pass")
    ours()
    assert np.array_equal(out, np.array(by_numpy(columns))), "spreads differ from NumPy's"
    found = interleave(
        setup,
        {
            "ours": ours,
            "floor": compiled("divide_pass"),
            "numpy": python(by_numpy),
            "face": python(lambda part: spread_bps(*part, out=scratch)),
        },
    )
    mine, floor, peer = found["ours"], found["floor"], found["numpy"]
    return Row(
        name="spread_batch",
        unit="ns/pair",
        p50=mine.at(50),
        p99=mine.at(99),
        p999=mine.at(99.9),
        floor="the divisions alone",
        floor_p50=floor.at(50),
        floor_p99=floor.at(99),
        peer="NumPy expression",
        peer_p50=peer.at(50),
        ratio_to_floor=mine.ratio(floor),
        ratio_to_peer=peer.ratio(mine),
        n=mine.n * 2 * SETS * BATCH,
        bar="<= 0.5 ns a pair, >= 10x NumPy",
        judge=lambda row: row.p50 <= 0.5 and (row.ratio_to_peer or 0) >= 10,
        note=f"{BATCH} symbols a call, both directions; asserted equal to NumPy bit for bit",
        more={
            "python_call_p50": found["face"].at(50),
            "python_call_ratio_to_numpy": 1 / found["face"].ratio(peer),
        },
    )


def measure_single(setup: Setup) -> Row:
    library, columns = load("spread"), market()
    batches = SETS * 8
    order = (
        np.random.default_rng(3)
        .permuted(np.tile(np.arange(SETS * BATCH, dtype=np.uint32), (8, 1)), axis=1)
        .reshape(-1)
    )
    out, given = doubles(batches), pointers(columns)
    run = library.single_pass
    run.restype = ctypes.c_uint64
    where = ctypes.c_void_p(order.ctypes.data)

    def ours() -> Samples:
        sizes = ctypes.c_uint64(batches), ctypes.c_uint64(BATCH)
        passed = run(ctypes.byref(given), where, *sizes, ctypes.c_double(THRESHOLD_BPS), out)
        assert passed == wanted, f"{passed} pairs passed; NumPy says {wanted}"
        return np.array(out)

    tables = np.array([columns[0], columns[2]]), np.array([columns[1], columns[3]])
    updates = [tuple(table[:, symbol] for table in tables) for symbol in order[:BATCH]]
    wanted = int(passing(*tables).sum()) * 8

    def floor() -> Samples:
        sizes = ctypes.c_uint64(batches), ctypes.c_uint64(BATCH)
        library.load_pass(ctypes.byref(given), where, *sizes, out)
        return np.array(out)

    def numpy(_number: int) -> None:
        for bid, ask in updates:
            passing(bid, ask)

    found = interleave(
        setup,
        {"ours": ours, "floor": floor, "numpy": lambda: python_batches(NUMPY_BATCHES, numpy)},
    )
    mine = found["ours"]
    return Row(
        name="spread_update_2v",
        unit="ns/update",
        **versus(mine, found["floor"], found["numpy"]),
        floor="the four prices loaded and added",
        peer="NumPy expression over the symbol's two venues",
        n=mine.n * BATCH,
        bar="<= 20 ns",
        judge=lambda row: row.p50 <= 20,
        note="kernel alone, both directions of a random symbol; passes asserted as NumPy's",
    )


def ticks(symbols: int, batches: int) -> NDArray[np.void]:
    """Return quotes that never cross, each row in turn with new prices."""
    rng = np.random.default_rng(5)
    count = batches * BATCH
    made = np.zeros(count, TICK_DTYPE)
    row = np.arange(count) % (2 * symbols)
    mid = 100.0 * (1 + row % symbols) * (1 + rng.normal(0.0, 2e-4, count))
    made["bid_px"], made["ask_px"] = mid * (1 - 5e-5), mid * (1 + 5e-5)
    made["bid_qty"] = made["ask_qty"] = 10.0
    made["recv_mono_ns"] = 1_000_000_000 + np.arange(count) * 1000
    made["seq_row_kind"] = (np.arange(count).astype(np.uint64) << 16) | (row.astype(np.uint64) << 3)
    made["exch_wall_ms"] = made["recv_mono_ns"] // 1_000_000
    return made


def measure_detector(setup: Setup) -> Row:
    library = load("spread")
    library.detector_new.restype = ctypes.c_void_p
    library.detector_free.argtypes = [ctypes.c_void_p]
    for name in ("detector_ticks", "detector_opened"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = ctypes.c_uint64
    symbols, batches = 32, 128
    made, out = ticks(symbols, batches), doubles(batches)
    detector = ctypes.c_void_p(library.detector_new(symbols))
    given = ctypes.c_void_p(made.ctypes.data)

    def ours() -> Samples:
        before = library.detector_ticks(detector)
        library.detector_pass(
            detector, given, ctypes.c_uint64(batches), ctypes.c_uint64(BATCH), out
        )
        assert library.detector_ticks(detector) - before == batches * BATCH
        return np.array(out)

    def floor() -> Samples:
        sizes = ctypes.c_uint64(batches), ctypes.c_uint64(BATCH)
        last = ctypes.c_uint64(2 * symbols - 1)
        library.copy_pass(ctypes.c_void_p(rows.ctypes.data), last, given, *sizes, out)
        return np.array(out)

    rows = np.zeros(2 * symbols, TICK_DTYPE)
    found = interleave(setup, {"ours": ours, "floor": floor})
    mine, least = found["ours"], found["floor"]
    opened = library.detector_opened(detector)
    library.detector_free(detector)
    assert opened == 0, f"{opened} opportunities opened where none should"
    return Row(
        name="detector_update",
        floor="the tick copied to its row",
        floor_p50=least.at(50),
        floor_p99=least.at(99),
        ratio_to_floor=mine.ratio(least),
        unit="ns/tick",
        p50=mine.at(50),
        p99=mine.at(99),
        p999=mine.at(99.9),
        n=mine.n * BATCH,
        bar="<= 50 ns",
        judge=lambda row: row.p50 <= 50,
        note=f"tick applied to the store, both pairs of its symbol judged; {symbols} symbols; "
        "asserted: every tick applied, none crosses",
    )


QUESTIONS = (
    Question("spread_batch", 1, measure_batch, "directed spreads of 256 symbols"),
    Question("spread_update_2v", 1, measure_single, "both spreads of one updated symbol"),
    Question("detector_update", 1, measure_detector, "one tick through store and scan"),
)
