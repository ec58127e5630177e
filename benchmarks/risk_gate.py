"""What does it cost to ask the risk gate about one order?"""

import ctypes
from collections.abc import Callable

import numpy as np

from benchmarks.harness import BATCH, Question, Row, Samples, Setup, interleave
from benchmarks.native import doubles, load

__all__ = ["QUESTIONS"]

BATCHES = 256
SYMBOLS = 64
BAR_NS = 50


def measure(setup: Setup) -> Row:
    library = load("risk_gate")
    for maker in (library.gate_new, library.gate_orders):
        maker.restype = ctypes.c_void_p
    library.gate_wrong.restype = ctypes.c_uint64
    sizes = ctypes.c_uint64(BATCHES), ctypes.c_uint64(BATCH)
    count = ctypes.c_uint64(BATCHES * BATCH)
    gate = ctypes.c_void_p(library.gate_new(SYMBOLS))
    orders = ctypes.c_void_p(library.gate_orders(count, SYMBOLS, ctypes.c_uint64(7)))
    assert library.gate_wrong(gate, orders, count) == 0, "an order was told something else"

    def passes(function: str) -> Callable[[], Samples]:
        def once() -> Samples:
            out = doubles(BATCHES)
            getattr(library, function)(gate, orders, *sizes, out)
            return np.array(out)

        return once

    found = interleave(setup, {"ours": passes("check_pass"), "floor": passes("read_pass")})
    library.gate_orders_free(orders)
    library.gate_free(gate)
    mine, floor = found["ours"], found["floor"]
    return Row(
        name="risk_check",
        unit="ns/check",
        p50=mine.at(50),
        p99=mine.at(99),
        p999=mine.at(99.9),
        floor="the order and its row's exposure read",
        floor_p50=floor.at(50),
        floor_p99=floor.at(99),
        ratio_to_floor=mine.ratio(floor),
        n=mine.n * BATCH,
        bar=f"p99 <= {BAR_NS} ns",
        judge=lambda row: (row.p99 or 0) <= BAR_NS,
        note="every limit on, one order in eight an exit, one in eight refused; answers asserted",
    )


QUESTIONS = (Question("risk_check", 1, measure, "an order judged before it is written down"),)
