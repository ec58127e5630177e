"""How long does a depth frame take to become all its levels, beside orjson and float()?"""

import ctypes
import gc
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks.harness import Question, Row, Samples, Setup, interleave, python_batches, versus
from benchmarks.native import doubles, load

__all__ = ["QUESTIONS"]

FRAMES, BATCHES = 2048, 8  # a batch is 256 frames
PYTHON_BATCHES = 1
LEVELS = {"bybit": 50, "okx": 5}
TICK, MIDDLE = 10, 630_000  # prices are whole tenths
BAR_RATIO = 20
Levels = list[tuple[float, float]]
Sides = tuple[Levels, Levels]


@cache
def frames(venue: str) -> tuple[bytes, ...]:
    """Return snapshots of a book that walks: as wide as the venue's, each another."""
    rng = np.random.default_rng(23)
    made, middle = [], MIDDLE
    for number in range(FRAMES):
        middle += int(rng.integers(-3, 4))
        sides = []
        for step in (-1, 1):
            gaps = np.cumsum(rng.integers(1, 4, LEVELS[venue]))
            sides.append([(middle + step * int(gap), int(rng.geometric(3e-4))) for gap in gaps])
        made.append(_frame(venue, number, sides))
    return tuple(made)


def _frame(venue: str, number: int, sides: list[list[tuple[int, int]]]) -> bytes:
    ms = 1_790_439_594_900 + 20 * number
    if venue == "bybit":
        bids, asks = (
            ",".join(f'["{px / TICK:.2f}","{qty / 1000:.3f}"]' for px, qty in side)
            for side in sides
        )
        return (
            f'{{"topic":"orderbook.50.BTCUSDT","type":"snapshot","ts":{ms},"data":{{"s":"BTCUSDT",'
            f'"b":[{bids}],"a":[{asks}],"u":{177_400_507 + number},'
            f'"seq":{66_544_703_342 + 7 * number}}},"cts":{ms - 3}}}'
        ).encode()
    bids, asks = (
        ",".join(f'["{px / TICK:g}","{qty / 100:g}","0","{qty % 9 + 1}"]' for px, qty in side)
        for side in sides
    )
    return (
        f'{{"arg":{{"channel":"books5","instId":"BTC-USDT-SWAP"}},"data":[{{"asks":[{asks}],'
        f'"bids":[{bids}],"instId":"BTC-USDT-SWAP","ts":"{ms}",'
        f'"seqId":{342_177_336_945 + number}}}]}}'
    ).encode()


def levels_by(venue: str, loads: Callable[[bytes], Any]) -> Callable[[bytes], Sides]:
    """Return a reader of all levels over a decoder of plain objects."""
    bids, asks = ("b", "a") if venue == "bybit" else ("bids", "asks")

    def read(frame: bytes) -> Sides:
        found = loads(frame)["data"]
        data = found if venue == "bybit" else found[0]
        return (
            [(float(level[0]), float(level[1])) for level in data[bids]],
            [(float(level[0]), float(level[1])) for level in data[asks]],
        )

    return read


def _assert_right(library: ctypes.CDLL, depth: ctypes.c_void_p, venue: str) -> None:
    """Every level of every frame equals what json and float() read, to the last bit."""
    read, out = levels_by(venue, json.loads), np.empty((1024, 2))
    for number, text in enumerate(frames(venue)):
        index = 0 if venue == "bybit" else 1
        status = library.depth_one(depth, index, text, ctypes.c_uint64(len(text)))
        assert status == 0, f"{venue} frame {number} had status {status}"
        for side, wanted in enumerate(read(text)):
            count = library.depth_side(depth, side, out.ctypes.data_as(ctypes.c_void_p))
            assert [tuple(level) for level in out[:count].tolist()] == wanted


def measure(venue: str, name: str, setup: Setup) -> Row:
    import orjson

    library, texts = load("depth_frames"), frames(venue)
    library.depth_new.restype = ctypes.c_void_p
    library.depth_free.argtypes = [ctypes.c_void_p]
    depth = ctypes.c_void_p(library.depth_new())
    _assert_right(library, depth, venue)
    packed, each = b"".join(texts), FRAMES // BATCHES
    starts = np.concatenate(([0], np.cumsum([len(text) for text in texts]))).astype(np.uint64)
    where = starts.ctypes.data_as(ctypes.c_void_p)
    read = levels_by(venue, orjson.loads)

    def compiled(function: str) -> Callable[[], Samples]:
        run, out = getattr(library, function), doubles(BATCHES)
        run.restype = ctypes.c_uint64

        def once() -> Samples:
            sizes = ctypes.c_uint64(BATCHES), ctypes.c_uint64(each)
            bad = run(depth, packed, where, *sizes, out)
            assert bad == 0, f"{bad} frames could not be read"
            return np.array(out)

        return once

    def python(batch: int) -> None:
        for text in texts[batch * each : (batch + 1) * each]:
            read(text)

    gc.disable()  # collections would fall on the peer alone
    try:
        found = interleave(
            setup,
            {
                "ours": compiled(f"pass_{venue}"),
                "floor": compiled("pass_touch"),
                "orjson": lambda: python_batches(PYTHON_BATCHES, python),
            },
        )
    finally:
        gc.enable()
        library.depth_free(depth)
    return Row(
        name=name,
        unit="ns/frame",
        **versus(found["ours"], found["floor"], found["orjson"]),
        floor="every byte looked at once",
        peer="orjson, float() of every level",
        n=found["ours"].n * each,
        bar=f">= {BAR_RATIO}x orjson",
        judge=lambda row: (row.ratio_to_peer or 0.0) >= BAR_RATIO,
        note=f"{LEVELS[venue]} levels a side, {len(packed) / FRAMES:.0f} bytes a frame, generated, "
        "each another; every level asserted equal to json and float()",
    )


QUESTIONS = (
    Question(
        "parse_bybit_ob50", 1, lambda setup: measure("bybit", "parse_bybit_ob50", setup),
        "Bybit orderbook.50 frame, all levels",
    ),
    Question(
        "parse_okx_books5", 1, lambda setup: measure("okx", "parse_okx_books5", setup),
        "OKX books5 frame, all levels",
    ),
)  # fmt: skip
