"""What does finding a row by (venue, venue symbol) cost, beside a Python dictionary?"""

import ctypes

import numpy as np

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

CAPACITY = 256  # canonical symbols, each with a name on both venues
BATCHES = 64


class Lookup(ctypes.Structure):
    """One question to the map."""

    _fields_ = [("venue", ctypes.c_uint32), ("bytes", ctypes.c_uint32), ("name", ctypes.c_char_p)]


def names() -> list[tuple[int, bytes, int]]:
    """Return (venue, venue symbol, row) of names as long as the venues' are."""
    rng = np.random.default_rng(11)
    letters = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype="S1")
    coins: dict[bytes, None] = {}
    while len(coins) < CAPACITY:
        coins[b"".join(rng.choice(letters, rng.integers(2, 8)).tolist())] = None
    return [
        (venue, coin + (b"-USDT-SWAP" if venue else b"USDT"), venue * CAPACITY + index)
        for venue in range(2)
        for index, coin in enumerate(coins)
    ]


def measure(setup: Setup) -> Row:
    library = load("symbol_lookup")
    library.map_new.restype = ctypes.c_void_p
    library.map_free.argtypes = [ctypes.c_void_p]
    symbol_map = ctypes.c_void_p(library.map_new(CAPACITY))
    held = names()
    for venue, name, row in held:
        assert library.map_insert(symbol_map, venue, name, ctypes.c_uint64(len(name)), row) == 0
    rng = np.random.default_rng(13)
    order = [held[index] for _ in range(BATCHES // 2) for index in rng.permutation(len(held))]
    lookups = (Lookup * len(order))(*(Lookup(venue, len(name), name) for venue, name, _ in order))
    wanted = np.array([row for _, _, row in order], dtype=np.uint32)
    rows, out = np.empty_like(wanted), doubles(BATCHES)
    given = ctypes.c_void_p(rows.ctypes.data)
    table = {(venue, name): row for venue, name, row in held}
    keys = [(venue, name) for venue, name, _ in order]

    def ours() -> Samples:
        sizes = ctypes.c_uint64(BATCHES), ctypes.c_uint64(BATCH)
        library.find_pass(symbol_map, lookups, *sizes, given, out)
        return np.array(out)

    def read() -> Samples:
        sizes = ctypes.c_uint64(BATCHES), ctypes.c_uint64(BATCH)
        library.read_pass(lookups, ctypes.c_void_p(wanted.ctypes.data), *sizes, given, out)
        return np.array(out)

    def dictionary(number: int) -> None:
        for key in keys[number * BATCH : (number + 1) * BATCH]:
            table[key]

    ours()
    assert np.array_equal(rows, wanted), "a name gave another row"
    found = interleave(
        setup,
        {"ours": ours, "floor": read, "dict": lambda: python_batches(BATCHES, dictionary)},
    )
    library.map_free(symbol_map)
    mine = found["ours"]
    return Row(
        name="symbol_map",
        unit="ns/lookup",
        **versus(mine, found["floor"], found["dict"]),
        floor="the names' bytes looked at once",
        peer="dict of (venue, bytes)",
        n=mine.n * BATCH,
        bar="< 100 ns",
        judge=lambda row: row.p50 < 100,
        note=f"{len(held)} names in random order, hits only; every row asserted",
    )


QUESTIONS = (Question("symbol_map", 1, measure, "row of a venue's symbol"),)
