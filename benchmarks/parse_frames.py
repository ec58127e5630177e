"""How long does a venue's top-of-book frame take to become a quote, beside msgspec and orjson?"""

import ctypes
import gc
import json
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from benchmarks.frames_data import frames, source
from benchmarks.harness import BATCH, Question, Row, Samples, Setup, interleave, python_batches
from benchmarks.native import doubles, load

__all__ = ["QUESTIONS"]

BATCHES_A_ROUND = 40  # ten thousand frames, another stretch of the day each round
QUICK_FRAMES = 10_000  # looked at when time is short
ROWS = {"bybit": "parse_bybit_l1", "okx": "parse_okx_bbo"}
BARS = {"bybit": (60, 25), "okx": (80, 20)}  # ns a frame, times the peer
Fields = tuple[float, float, float, float, int, int]


# The peer's fastest form that was found: only the fields that our parser delivers too.
class BybitData(msgspec.Struct, gc=False):
    s: str
    b: list[tuple[float, float]]
    a: list[tuple[float, float]]
    u: int
    seq: int


class BybitFrame(msgspec.Struct, gc=False):
    type: str
    data: BybitData
    cts: int


class OkxLevel(msgspec.Struct, gc=False, array_like=True):
    px: float
    qty: float


class OkxBook(msgspec.Struct, gc=False):
    asks: list[OkxLevel]
    bids: list[OkxLevel]
    ts: int
    seqId: int


class OkxArg(msgspec.Struct, gc=False):
    instId: str


class OkxFrame(msgspec.Struct, gc=False):
    arg: OkxArg
    data: list[OkxBook]


def by_msgspec(venue: str) -> Callable[[bytes], Fields]:
    """Return the best that plain Python has: a typed decoder that reads numbers out of strings."""
    if venue == "bybit":
        bybit = msgspec.json.Decoder(BybitFrame, strict=False).decode

        def read_bybit(frame: bytes) -> Fields:
            found = bybit(frame)
            (bid,), (ask,) = found.data.b, found.data.a
            return bid[0], bid[1], ask[0], ask[1], found.cts, found.data.seq

        return read_bybit
    okx = msgspec.json.Decoder(OkxFrame, strict=False).decode

    def read_okx(frame: bytes) -> Fields:
        (found,) = okx(frame).data
        (bid,), (ask,) = found.bids, found.asks
        return bid.px, bid.qty, ask.px, ask.qty, found.ts, found.seqId

    return read_okx


def by_objects(venue: str, loads: Callable[[bytes], Any]) -> Callable[[bytes], Fields]:
    """Return a reader over a decoder of plain objects, with float() for the strings."""
    if venue == "bybit":

        def read_bybit(frame: bytes) -> Fields:
            found = loads(frame)
            data = found["data"]
            bid, ask = data["b"][0], data["a"][0]
            return (
                float(bid[0]), float(bid[1]), float(ask[0]), float(ask[1]), found["cts"],
                data["seq"],
            )  # fmt: skip

        return read_bybit

    def read_okx(frame: bytes) -> Fields:
        data = loads(frame)["data"][0]
        bid, ask = data["bids"][0], data["asks"][0]
        return (
            float(bid[0]), float(bid[1]), float(ask[0]), float(ask[1]), int(data["ts"]),
            data["seqId"],
        )  # fmt: skip

    return read_okx


def two_sided(venue: str, count_max: int | None) -> list[bytes]:
    """Return the frames with one level on both sides: those that every contestant can read."""
    read, found = by_objects(venue, json.loads), []
    for _, frame in frames(venue)[:count_max]:
        try:
            read(frame)
        except (KeyError, IndexError):
            continue
        found.append(frame)
    return found


def _assert_right(library: ctypes.CDLL, index: int, venue: str, texts: list[bytes]) -> None:
    """Every frame is a quote, and equals what json and float() read, to the last bit."""
    oracle, out = by_objects(venue, json.loads), doubles(6)
    peers = [by_msgspec(venue)]
    for number, text in enumerate(texts):
        status = library.parse_one(index, text, ctypes.c_uint64(len(text)), out)
        assert status == 0, f"{venue} frame {number} had status {status}"
        assert tuple(out) == oracle(text), f"{venue} frame {number} was read wrong"
        if number < BATCH:
            assert all(peer(text) == oracle(text) for peer in peers)


def measure(venue: str, setup: Setup) -> Row:
    import orjson

    library = load("parse_frames")
    texts = two_sided(venue, QUICK_FRAMES if setup.seconds < 1 else None)
    _assert_right(library, 0 if venue == "bybit" else 1, venue, texts)
    groups = len(texts) // BATCH
    packed = b"".join(texts)
    starts = np.concatenate(([0], np.cumsum([len(text) for text in texts]))).astype(np.uint64)
    batches = min(BATCHES_A_ROUND, groups)
    turn = {"first": 0}

    def compiled(name: str) -> Callable[[], Samples]:
        run, out = getattr(library, name), doubles(batches)

        def once() -> Samples:
            at = starts[turn["first"] * BATCH :]
            where = at.ctypes.data_as(ctypes.c_void_p)
            run(packed, where, ctypes.c_uint64(batches), ctypes.c_uint64(BATCH), out)
            return np.array(out)

        return once

    def python(read: Callable[[bytes], Fields]) -> Callable[[], Samples]:
        def batch(number: int) -> None:
            first = (turn["first"] + number) * BATCH
            for text in texts[first : first + BATCH]:
                read(text)

        return lambda: python_batches(max(1, batches // 8), batch)

    def ours() -> Samples:
        turn["first"] = (turn["first"] + batches) % max(1, groups - batches)
        return own()

    own = compiled(f"pass_{venue}")
    gc.disable()  # collections would fall on the peers alone
    try:
        found = interleave(
            setup,
            {
                "ours": ours,
                "floor": compiled("pass_touch"),
                "msgspec": python(by_msgspec(venue)),
                "orjson": python(by_objects(venue, orjson.loads)),
            },
        )
    finally:
        gc.enable()
    mine, floor, peer = found["ours"], found["floor"], found["msgspec"]
    ratio = 1 / mine.ratio(peer)
    mean_ns = float(np.median([samples.mean() for samples in mine.rounds]))
    bar_ns, bar_ratio = BARS[venue]
    return Row(
        name=ROWS[venue],
        unit="ns/frame",
        p50=mine.at(50),
        p99=mine.at(99),
        p999=mine.at(99.9),
        floor="every byte looked at once",
        floor_p50=floor.at(50),
        floor_p99=floor.at(99),
        peer="msgspec typed Struct",
        peer_p50=peer.at(50),
        ratio_to_floor=mine.ratio(floor),
        ratio_to_peer=ratio,
        n=mine.n * BATCH,
        bar=f"mean <= {bar_ns} ns, >= {bar_ratio}x msgspec",
        holds=mean_ns <= bar_ns and ratio >= bar_ratio,
        note=f"{len(texts):,} frames {source()}; every one asserted equal to json and float()",
        more={
            "mean": mean_ns,
            "orjson_p50": found["orjson"].at(50),
            "ratio_to_orjson": 1 / mine.ratio(found["orjson"]),
            "msgspec_p99": peer.at(99),
        },
    )


QUESTIONS = (
    Question(ROWS["bybit"], 1, lambda setup: measure("bybit", setup), "Bybit orderbook.1 frame"),
    Question(ROWS["okx"], 1, lambda setup: measure("okx", setup), "OKX bbo-tbt frame"),
)
