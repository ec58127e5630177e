"""How long does a feed thread need from a frame's bytes to its tick, with and without depth?"""

import ctypes
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.store import MarketStore
from benchmarks.book_data import DEPTHS
from benchmarks.book_data import frames as depth_frames
from benchmarks.frames_data import frames, source
from benchmarks.harness import BATCH, Question, Row, Samples, Setup, interleave
from benchmarks.native import doubles, load

__all__ = ["QUESTIONS"]

BATCHES = 40
CANDIDATE_SAMPLES = 40
VENUES = {"bybit": 0, "okx": 1}
NAMED = {"bybit": re.compile(rb'"s":"([^"]+)"'), "okx": re.compile(rb'"instId":"([^"]+)"')}


def _library() -> ctypes.CDLL:
    library = load("feed_lane")
    library.lane_new.restype = ctypes.c_void_p
    library.lane_free.argtypes = library.lane_ticks.argtypes = [ctypes.c_void_p]
    library.lane_ticks.restype = library.parse_batches.restype = ctypes.c_uint64
    return library


def _lane(library: ctypes.CDLL, venue: str, texts: list[bytes], levels: int) -> ctypes.c_void_p:
    names = sorted({NAMED[venue].findall(text)[0] for text in texts})
    packed = b"".join(name + b"\0" for name in names)
    return ctypes.c_void_p(library.lane_new(VENUES[venue], packed, len(names), levels))


def _packed(texts: list[bytes]) -> tuple[bytes, Any, Any]:
    starts = np.concatenate(([0], np.cumsum([len(text) for text in texts]))).astype(np.uint64)
    return b"".join(texts), starts, starts.ctypes.data_as(ctypes.c_void_p)


def measure_quote(setup: Setup) -> Row:
    library = _library()
    texts = [frame for _, frame in frames("bybit")[: BATCHES * BATCH]]
    packed, _starts, where = _packed(texts)
    out, sizes = doubles(BATCHES), (ctypes.c_uint64(BATCHES), ctypes.c_uint64(BATCH))
    lane = _lane(library, "bybit", texts, 0)

    def taken() -> Samples:
        before = library.lane_ticks(lane)
        library.lane_batches(lane, packed, where, *sizes, out)
        assert library.lane_ticks(lane) - before > len(texts) // 2
        return np.array(out)

    def parsed() -> Samples:
        assert library.parse_batches(lane, packed, where, *sizes, out) == len(texts)
        return np.array(out)

    found = interleave(setup, {"ours": taken, "floor": parsed})
    mine, floor = found["ours"], found["floor"]
    library.lane_free(lane)
    return Row(
        name="lane_quote",
        unit="ns/frame",
        p50=mine.at(50),
        p99=mine.at(99),
        p999=mine.at(99.9),
        floor="the same frames parsed",
        floor_p50=floor.at(50),
        floor_p99=floor.at(99),
        ratio_to_floor=mine.ratio(floor),
        n=mine.n * BATCH,
        bar="<= 250 ns",
        holds=mine.at(50) <= 250,
        note=f"orderbook.1, {source()}: parse, symbol, row, tick into its ring, "
        "counters, stamp; asserted: every frame is a quote, ticks leave",
    )


def measure_depth(venue: str, setup: Setup) -> Row:
    library, texts = _library(), list(depth_frames(venue))
    packed, _starts, where = _packed(texts)
    count = len(texts)
    lane = _lane(library, venue, texts, DEPTHS[venue])
    book = load("book")
    book.book_new.restype = ctypes.c_void_p
    book.book_free.argtypes = [ctypes.c_void_p]
    alone = ctypes.c_void_p(book.book_new(DEPTHS[venue]))

    def taken() -> Samples:
        out, before = doubles(count - 1), library.lane_ticks(lane)
        library.lane_each(lane, packed, where, ctypes.c_uint64(count), out)
        assert library.lane_ticks(lane) - before == count, "a tick leaves with every update"
        return np.array(out)

    def applied() -> Samples:
        out = doubles(count - 1)
        getattr(book, f"pass_{venue}")(alone, packed, where, ctypes.c_uint64(count), out)
        return np.array(out)

    found = interleave(setup, {"ours": taken, "floor": applied})
    mine, floor = found["ours"], found["floor"]
    library.lane_free(lane)
    book.book_free(alone)
    return Row(
        name=f"lane_depth_{venue}",
        unit="ns/frame",
        p50=mine.at(50),
        p99=mine.at(99),
        p999=mine.at(99.9),
        floor="the same frames applied to a book alone",
        floor_p50=floor.at(50),
        floor_p99=floor.at(99),
        ratio_to_floor=mine.ratio(floor),
        n=mine.n,
        bar="<= 2.5 us p50",
        holds=mine.at(50) <= 2500,
        note="book brought up to date, ladder published, tick into its ring; asserted: one each",
    )


def _candidates(has_depth: bool) -> Callable[[], Samples]:
    """Return a run of ticks that each move an open opportunity, so that each is judged whole."""
    store = MarketStore(2, 1)
    for row in range(2):
        store.set_instrument(row, taker_bps=5.0)
    detector = OpportunityDetector(
        store, position_notional=1000.0 if has_depth else 40.0, depth_factor=2.0,
        wall_minus_mono_ns=0, sweep_period_ns=0,
    )  # touches of one coin: a larger position goes behind them
    rng = np.random.default_rng(7)
    bids = 100.0 + rng.random(BATCH) / 100
    asks = bids + 0.01
    if has_depth:
        steps = np.arange(10)
        for venue in ("bybit", "okx"):
            sides = [np.column_stack((px, np.full(10, 3.0)))
                     for px in (101.0 - steps / 100, 100.02 + steps / 100)]
            store.apply_depth(venue, 0, *sides)
    detector.on_quote("okx", 0, 101.0, 101.01, 1.0, 1.0)
    detector.on_quote("bybit", 0, 100.0, 100.01, 1.0, 1.0)
    (opened,) = detector.poll()
    assert (opened["event"], bool(opened["slippage_bps"] > 0)) == (1, has_depth)

    def run() -> Samples:
        before = detector.counters["updated"]
        taken = detector._bench_updates(bids, asks, 0, 0, CANDIDATE_SAMPLES)
        assert detector.counters["updated"] - before > (BATCH - 2) * CANDIDATE_SAMPLES
        return np.array(taken, dtype=np.float64) / BATCH

    return run


def measure_candidate(setup: Setup) -> Row:
    found = interleave(setup, {"ours": _candidates(True), "floor": _candidates(False)})
    mine, floor = found["ours"], found["floor"]
    return Row(
        name="detector_candidate",
        unit="ns/tick",
        p50=mine.at(50),
        p99=mine.at(99),
        p999=mine.at(99.9),
        floor="the same candidates judged at the touch",
        floor_p50=floor.at(50),
        floor_p99=floor.at(99),
        ratio_to_floor=mine.ratio(floor),
        n=mine.n * BATCH,
        bar="<= 1 us",
        holds=mine.at(50) <= 1000,
        note="each tick passes the scan; both ladders are read and walked; asserted: every "
        "tick is an update of one opportunity. Ticks that do not pass: see detector_update",
    )


QUESTIONS = (
    Question("lane_quote", 1, measure_quote, "a top-of-book frame to its tick in the ring"),
    Question("lane_depth_bybit", 1, lambda setup: measure_depth("bybit", setup),
             "a depth frame to book, ladder and tick"),
    Question("lane_depth_okx", 1, lambda setup: measure_depth("okx", setup),
             "a depth frame to book, ladder and tick"),
    Question("detector_candidate", 1, measure_candidate, "a candidate sized on both ladders"),
)  # fmt: skip
