"""How long from a frame's bytes in the feed callback to the opportunity seen by the strategy?

A pinned thread takes ten thousand frames a second through the feed lane, as the picows listener
does; every frame opens or closes one opportunity. Detector and strategy are the real stages,
spinning, split over two threads, fused on one, or inline in the callback. The figures are the
segment's own histogram of the stage ``seen``; every run has a new segment.
"""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.feed import FeedLane
from arbitrage.core.journal import Journal
from arbitrage.core.segment import STAGES, Segment
from arbitrage.core.stages import Stages
from arbitrage.core.strategy import SpreadStrategy
from benchmarks.harness import Question, Row, Setup
from benchmarks.noise import pin
from benchmarks.parse_frames import by_msgspec
from benchmarks.spsc_ring import bare_one_way_ns

__all__ = ["QUESTIONS"]

RATE = 10_000
WARM_UP = 200  # frames of each run that are not counted: the first segment page, the first branch
READ_NS = 5000  # what a loop's turn with a frame does before its callback
RUNS = 9
JOURNAL_RECORDS = 1 << 17  # of a strategy that trades
DRAIN_S = 5.0
EDGE_BPS = 21.0  # of the peer: what a round trip of both venues costs
HOPS = {"split": 2, "fused": 1, "inline": 0}
# p50: times the floor, or ns
BARS = {"split": "p50 <= 2.5x", "fused": "p50 <= 2x", "inline": "p50 <= 250 ns"}
TAIL_MAX_NS = 3000  # p99 over what the hiccup meter saw
FRACTIONS = (0.5, 0.9, 0.99, 0.999)


@cache
def names(symbols: int) -> tuple[tuple[str, str], ...]:
    """Return the two venues' names of so many symbols; BTC comes first."""
    coins = ["BTC", *(f"C{number:04d}" for number in range(1, symbols))]
    return tuple((f"{coin}USDT", f"{coin}-USDT-SWAP") for coin in coins)


@cache
def crossing_frames(count: int, symbols: int = 1) -> list[tuple[int, bytes]]:
    """Return (venue, frame): the symbols take turns, and of each the venues take turns to leave the
    other's price and to come back."""
    made: list[tuple[int, bytes]] = []
    for number in range(count):
        step = number // symbols
        venue, away = (step // 2) % 2, step % 2 == 0
        bid = 60_000.0 + number % 97 / 10 + (500.0 if away else 0.0)
        ms, seq = 1_723_161_254_000 + number, 1_000_000 + number
        name = names(symbols)[number % symbols][venue]
        if venue == 0:
            text = (
                f'{{"topic":"orderbook.1.{name}","type":"snapshot","ts":{ms},"data":{{"s":'
                f'"{name}","b":[["{bid:.2f}","{900 + number % 89}.507"]],"a":[["{bid + 0.1:.2f}",'
                f'"{900 + number % 83}.522"]],"u":{number + 2},"seq":{seq}}},"cts":{ms}}}'
            )
        else:
            text = (
                f'{{"arg":{{"channel":"bbo-tbt","instId":"{name}"}},"data":[{{"asks":'
                f'[["{bid + 0.1:.1f}","{90_000 + number % 83}","0","3"]],"bids":[["{bid:.1f}",'
                f'"{90_000 + number % 89}.5","0","2"]],"ts":"{ms}","seqId":{seq}}}]}}'
            )
        made.append((venue, text.encode()))
    return made


@contextmanager
def trader_core(
    placement: str, symbols: int = 1, **settings: float
) -> Iterator[tuple[Segment, Stages]]:
    """Yield a segment and stages as the trader wires them; without settings they open no pair."""
    name = f"bench-{os.getpid()}-{placement}"
    segment = Segment.create(
        name, symbol_capacity=max(8, symbols), opportunity_capacity=1 << 16, tap_bytes=1 << 12,
        parking=False,
    )  # fmt: skip
    try:
        for index, (bybit, okx) in enumerate(names(symbols)):
            segment.symbols.add(bybit, {"bybit": bybit, "okx": okx})
            for venue, lot, mult, taker in ((0, 0.001, 1.0, 5.5), (1, 0.01, 0.01, 5.0)):
                segment.store.set_instrument(
                    segment.store.row(venue, index), px_tick=0.1, qty_lot=lot, qty_mult=mult,
                    min_lots=1, max_lots=10**7, taker_bps=taker,
                )  # fmt: skip
        segment.steer(opening_off=not settings)
        detector = OpportunityDetector(segment.store, position_notional=100.0)
        with tempfile.TemporaryDirectory(prefix="arb-bench-") as folder:
            records = JOURNAL_RECORDS if settings else 1024
            journal = Journal.create(Path(folder) / "orders.journal", records, run=1)
            strategy = SpreadStrategy(
                segment.store, segment.opportunities, segment.executions,
                [segment.orders(0), segment.orders(1)], journal,
                {index: (0.001, (1, 10)) for index in range(symbols)}, clock=segment.clock,
                seen=segment.histogram(STAGES["seen"]),
                decided=segment.histogram(STAGES["decided"]), **settings,
            )  # fmt: skip
            yield segment, Stages(segment, detector, strategy, placement=placement, wait="spin")
            journal.close()
    finally:
        segment.close()


def feed_paced(
    take: Callable[[int, bytes], object],
    frames: list[tuple[int, bytes]],
    end_s: float,
    idle: Callable[[], object] = int,
) -> int:
    """Hand frames out at RATE, never in a burst after a delay; return how many were taken.

    Meanwhile the feed's loop turns, as `idle`, until the last microseconds, in which it reads the
    socket.

    Each is written anew before its time: a socket's frame lies where the kernel has just put it,
    in the cache, while one of a long list would be fetched from memory first.
    """
    clock, period_ns = time.perf_counter_ns, 1_000_000_000 // RATE
    due_ns, end_ns = clock(), int(end_s * 1e9) + clock()
    for number, (venue, kept) in enumerate(frames):
        frame = b"".join((kept[:-1], kept[-1:]))
        while clock() < due_ns - READ_NS:
            idle()
        while (now_ns := clock()) < due_ns:
            pass
        if now_ns >= end_ns:
            return number
        take(venue, frame)
        due_ns = max(due_ns + period_ns, now_ns + period_ns // 2)
    return len(frames)


def events_of(segment: Segment) -> int:
    """Return how many opportunity events the detector published."""
    detector = segment.counters()["detector"]
    return sum(detector[key] for key in ("opened", "updated", "closed"))


def drain(segment: Segment, taken: int) -> None:
    """Wait until detector and strategy have handled what was taken."""
    end_s = time.monotonic() + DRAIN_S
    while time.monotonic() < end_s:
        counted = segment.counters()
        seen = counted["strategy"]["opportunities"] + counted["strategy"]["opportunities_lost"]
        if counted["detector"]["ticks"] >= taken and seen >= events_of(segment):
            return
        time.sleep(0.001)


def assert_whole(segment: Segment, taken: int, symbols: int) -> None:
    """Every frame became a tick and an event, and every event was seen."""
    counted, events = segment.counters(), events_of(segment)
    found = (
        counted["detector"]["quotes"],
        counted["detector"]["ticks_dropped"],
        counted["strategy"]["opportunities"],
        counted["strategy"]["opportunities_lost"],
    )
    assert found == (taken, 0, events, 0), f"{found} of {taken} frames, {events} events"
    # the first frames of a symbol have no second leg to compare with
    assert events >= taken - 2 * symbols, f"{events} events of {taken} frames"


@contextmanager
def running(
    segment: Segment, stages: Stages, placement: str, cores: tuple[int, ...]
) -> Iterator[FeedLane]:
    """Run the stages on their cores, the caller on the first; yield the feed lane."""
    runs: dict[str, list[Callable[[int | None], None]]] = {
        "split": [stages.run_detector, stages.run_strategy],
        "fused": [stages.run_fused],
        "inline": [],
    }
    threads = []
    for core, run in zip(cores[1:], runs[placement], strict=False):

        def body(core: int = core, run: Callable[[int | None], None] = run) -> None:
            pin(core)
            run(core)

        threads.append(threading.Thread(target=body, daemon=True))
        threads[-1].start()
    lane = FeedLane(segment, 0)
    if placement == "inline":
        lane.attach_loop(None, stages)
    pin(cores[0])
    try:
        yield lane
    finally:
        segment.steer(stop=True)
        for thread in threads:
            thread.join()


def run_once(
    placement: str, cores: tuple[int, ...], seconds: float, symbols: int = 1
) -> dict[str, list[int]]:
    """Run one placement on a new segment; return percentiles of each stage."""
    frames = crossing_frames(WARM_UP + 2 * (symbols - 1) + int(RATE * seconds) + 1, symbols)
    with trader_core(placement, symbols) as (segment, stages):
        with running(segment, stages, placement, cores) as lane:
            taken = feed_paced(lane.on_frame, frames, seconds + 1, lane.keep_warm)
            drain(segment, taken)
        assert_whole(segment, taken, symbols)
        return {
            stage: segment.latency.histogram(stage).percentiles(*FRACTIONS)
            for stage in ("parsed", "detected", "seen")
        }


def python_reaction(seconds: float) -> float:
    """Return the p50 of the same reaction, paced the same, in plain Python; ns."""
    read = by_msgspec("bybit"), by_msgspec("okx")
    tops: dict[int, tuple[float, float]] = {}
    clock, found = time.perf_counter_ns, []
    events = 0

    def take(venue: int, frame: bytes) -> None:
        nonlocal events
        begin = clock()
        bid, _, ask, _, _, _ = read[venue](frame)
        tops[venue] = bid, ask
        other = tops.get(1 - venue)
        if other is not None:
            here, there = (other[0] - ask) / ask * 1e4, (bid - other[1]) / other[1] * 1e4
            events += here > EDGE_BPS or there > EDGE_BPS
        found.append(clock() - begin)

    feed_paced(take, crossing_frames(WARM_UP + int(RATE * min(seconds, 0.2))), seconds + 1)
    assert events >= len(found) // 2 - 1
    return float(np.median(found))


def measure(placement: str, setup: Setup) -> Row:
    hops = HOPS[placement]
    cores = setup.cores[: hops + 1]
    runs = RUNS if setup.seconds >= 1 else 1
    found, ways, peers = [], [], []
    run_once(placement, cores, min(0.1, setup.seconds))
    for number in range(runs):
        found.append(run_once(placement, cores, setup.seconds / runs))
        ways.append(bare_one_way_ns(cores[1]) if hops else 0.0)
        peers.append(python_reaction(setup.seconds / runs))
        setup.say(f"run {number + 1} of {runs}")

    def middle(stage: str, index: int) -> float:
        return float(np.median([run[stage][index] for run in found]))

    floors = [hops * way + run["parsed"][0] for way, run in zip(ways, found, strict=True)]
    ratios = [run["seen"][0] / floor for run, floor in zip(found, floors, strict=True)]
    peer = [run["seen"][0] / reaction for run, reaction in zip(found, peers, strict=True)]
    return Row(
        name=f"frame_to_opportunity_{placement}",
        unit="ns",
        p50=middle("seen", 0),
        p99=middle("seen", 2),
        p999=middle("seen", 3),
        floor=f"frame parsed + {hops} bare cache-line transfers",
        floor_p50=float(np.median(floors)),
        peer="msgspec typed, a dict and a comparison in the same thread",
        peer_p50=float(np.median(peers)),
        ratio_to_floor=float(np.median(ratios)),
        ratio_to_peer=1 / float(np.median(peer)),
        n=int(RATE * setup.seconds),
        bar=f"{BARS[placement]}, p90 <= 1.5 p50, p99 <= hiccups + 3 us",
        judge=lambda row: holds(placement, row),
        note=f"{RATE:,} frames/s, every one opens or closes an opportunity (asserted); "
        f"cores {', '.join(map(str, cores))}; wait spin",
        more={
            "p90": middle("seen", 1),
            "parsed_p50": middle("parsed", 0),
            "detected_p50": middle("detected", 0),
            "p50_by_run": [run["seen"][0] for run in found],
            "p99_by_run": [run["seen"][2] for run in found],
        },
    )


def holds(placement: str, row: Row) -> bool:
    """Return whether a row keeps its promise."""
    ratio = row.ratio_to_floor or 0.0
    middle = {"split": ratio <= 2.5, "fused": ratio <= 2.0, "inline": row.p50 <= 250}
    hiccup_ns = (row.weather.hiccup_p99_ns if row.weather else None) or 0
    tail = (row.p99 or 0.0) - hiccup_ns <= TAIL_MAX_NS
    return middle[placement] and row.more["p90"] <= 1.5 * row.p50 and tail


def question(placement: str) -> Question:
    return Question(
        f"frame_to_opportunity_{placement}",
        HOPS[placement] + 1,
        lambda setup: measure(placement, setup),
        f"feed callback to strategy, stages {placement}",
    )


QUESTIONS = tuple(question(placement) for placement in HOPS)
