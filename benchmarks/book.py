"""How long does a depth frame take to become part of a book, beside the same in Python?"""

import ctypes
import gc
import time
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

import msgspec
import numpy as np

from benchmarks.book_data import DEPTHS, frames
from benchmarks.harness import Question, Row, Samples, Setup, interleave
from benchmarks.native import doubles, load

__all__ = ["QUESTIONS"]

BAR_NS = 1500
PYTHON_FRAMES = 1024  # of the same frames, a round
Levels = Iterable[tuple[float, float]]
Side = MutableMapping[float, float]


# The fastest form that was found: numbers read out of strings, nothing else kept.
class BybitData(msgspec.Struct, gc=False):
    b: list[tuple[float, float]]
    a: list[tuple[float, float]]
    u: int


class BybitFrame(msgspec.Struct, gc=False):
    type: str
    data: BybitData


class OkxLevel(msgspec.Struct, gc=False, array_like=True):
    px: float
    qty: float


class OkxData(msgspec.Struct, gc=False):
    asks: list[OkxLevel]
    bids: list[OkxLevel]
    seqId: int
    prevSeqId: int


class OkxFrame(msgspec.Struct, gc=False):
    action: str
    data: list[OkxData]


class PythonBook:
    """The same update on two mappings, read by a typed decoder of msgspec."""

    def __init__(self, venue: str, mapping: Callable[[], Side]) -> None:
        self.bids, self.asks = mapping(), mapping()
        self.last = -1
        form = BybitFrame if venue == "bybit" else OkxFrame
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(form, strict=False).decode
        self.take = self.take_bybit if venue == "bybit" else self.take_okx

    def take_bybit(self, frame: bytes) -> None:
        found = self.decode(frame)
        data = found.data
        if found.type == "snapshot":
            self.bids.clear()
            self.asks.clear()
        elif data.u != self.last + 1:
            raise ValueError("gap")
        self.last = data.u
        for side, levels in ((self.bids, data.b), (self.asks, data.a)):
            for px, qty in levels:
                if qty:
                    side[px] = qty
                else:
                    side.pop(px, None)

    def take_okx(self, frame: bytes) -> None:
        found = self.decode(frame)
        (data,) = found.data
        if found.action == "snapshot":
            self.bids.clear()
            self.asks.clear()
        elif data.prevSeqId != self.last:
            raise ValueError("gap")
        self.last = data.seqId
        for side, levels in ((self.bids, data.bids), (self.asks, data.asks)):
            for level in levels:
                if level.qty:
                    side[level.px] = level.qty
                else:
                    side.pop(level.px, None)

    def state(self) -> list[list[tuple[float, float]]]:
        return [sorted(self.bids.items(), reverse=True), sorted(self.asks.items())]


def python_samples(venue: str, mapping: Callable[[], Side], texts: tuple[bytes, ...]) -> Samples:
    """Time each update alone, after the snapshot."""
    book, clock, samples = PythonBook(venue, mapping), time.perf_counter_ns, []
    take, cost = book.take, min(-(clock() - clock()) for _ in range(200))
    take(texts[0])
    for text in texts[1:]:
        begin = clock()
        take(text)
        samples.append(clock() - begin - cost)
    return np.array(samples, dtype=np.float64)


def _packed(texts: tuple[bytes, ...]) -> tuple[bytes, Any, Any]:
    starts = np.concatenate(([0], np.cumsum([len(text) for text in texts]))).astype(np.uint64)
    return b"".join(texts), starts, starts.ctypes.data_as(ctypes.c_void_p)


def _assert_right(library: ctypes.CDLL, venue: str, bench: ctypes.c_void_p) -> None:
    """At many places of the stream our book equals the dictionaries, level by level."""
    texts, book = frames(venue), PythonBook(venue, dict)
    spot, out = 0, np.empty((DEPTHS[venue], 2))
    for stop in (2, 10, 100, 1000, 4000, len(texts)):
        packed, _, where = _packed(texts[:stop])
        samples = doubles(stop)
        lost = getattr(library, f"pass_{venue}")(
            bench, packed, where, ctypes.c_uint64(stop), samples
        )
        assert lost == 0, f"{lost} of {stop} frames were not applied"
        for text in texts[spot:stop]:
            book.take(text)
        spot = stop
        for side, expected in enumerate(book.state()):
            count = library.book_side(bench, side, out.ctypes.data_as(ctypes.c_void_p))
            assert [tuple(level) for level in out[:count].tolist()] == expected


def measure(venue: str, setup: Setup) -> Row:
    from sortedcontainers import SortedDict

    library, texts = load("book"), frames(venue)
    library.book_new.restype = ctypes.c_void_p
    library.book_free.argtypes = [ctypes.c_void_p]
    for name in ("pass_bybit", "pass_okx", "pass_touch"):
        getattr(library, name).restype = ctypes.c_uint64
    bench = ctypes.c_void_p(library.book_new(DEPTHS[venue]))
    _assert_right(library, venue, bench)
    packed, starts, where = _packed(texts)
    count = len(texts)

    def compiled(name: str) -> Callable[[], Samples]:
        run, out = getattr(library, name), doubles(count - 1)

        def once() -> Samples:
            run(bench, packed, where, ctypes.c_uint64(count), out)
            return np.array(out)

        return once

    gc.disable()  # collections would fall on the peers alone
    try:
        found = interleave(
            setup,
            {
                "ours": compiled(f"pass_{venue}"),
                "floor": compiled("pass_touch"),
                "sorted": lambda: python_samples(venue, SortedDict, texts[:PYTHON_FRAMES]),
                "dict": lambda: python_samples(venue, dict, texts[:PYTHON_FRAMES]),
            },
        )
    finally:
        gc.enable()
        library.book_free(bench)
    mine, floor, peer, plain = (found[name] for name in ("ours", "floor", "sorted", "dict"))
    levels = sum(text.count(b"],[") + text.count(b"[[") for text in texts[1:]) / (count - 1)
    return Row(
        name=f"book_{venue}",
        unit="ns/frame",
        p50=mine.at(50),
        p99=mine.at(99),
        p999=mine.at(99.9),
        floor="every byte looked at once",
        floor_p50=floor.at(50),
        floor_p99=floor.at(99),
        peer="msgspec typed Struct into sortedcontainers",
        peer_p50=peer.at(50),
        ratio_to_floor=mine.ratio(floor),
        ratio_to_peer=1 / mine.ratio(peer),
        n=mine.n,
        bar="<= 1.5 us p50",
        holds=mine.at(50) <= BAR_NS,
        note=(
            f"{DEPTHS[venue]} levels a side, {levels:.1f} changes and "
            f"{(len(packed) - int(starts[1])) / (count - 1):.0f} bytes a frame, generated; "
            "levels asserted equal to dictionaries'"
        ),
        more={
            "sortedcontainers_p99": peer.at(99),
            "dict_p50": plain.at(50),
            "dict_p99": plain.at(99),
            "ratio_to_dict": 1 / mine.ratio(plain),
        },
    )


QUESTIONS = (
    Question("book_bybit", 1, lambda setup: measure("bybit", setup), "Bybit orderbook.50 delta"),
    Question("book_okx", 1, lambda setup: measure("okx", setup), "OKX books update"),
)
