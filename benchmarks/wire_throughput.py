"""How many frames a second does the real trader take from its sockets, parse and scan?

The load generator sends quotes of both venues in batches of 64 a write. Counted are the detector's
own quotes: a frame that was refused, or a quote that was overwritten because the detector was
behind, is a drop. A rate without drops is looked for in short runs, from as many as the sockets
take downwards, and then held for four times a question's time.
"""

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cold_programs import wait_until
from benchmarks.frames_data import source
from benchmarks.harness import Question, Row, Setup
from benchmarks.wire_rig import (
    SETTLE_MAX_S,
    Floor,
    Generator,
    Places,
    Trader,
    Venues,
    stamps_file,
)

__all__ = ["QUESTIONS"]

BAR = 1_000_000.0
BATCH = 64
POOL = 20_000  # distinct frames of each venue, sent in turn
LONG = 4.0  # questions' times
CHUNK_S = 1.0  # pings are answered between two
STEP = 0.9  # from one rate to the next one tried
LOWER = (0.8, 0.6)  # the same for long runs
TRIES = 8
CORES = 4


@dataclass
class Run:
    """What came of one run: frames sent, scanned and dropped, and the rate of each chunk."""

    sent: int = 0
    scanned: int = 0
    dropped: int = 0
    seconds: float = 0.0
    chunks: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        return self.scanned / self.seconds

    @property
    def lost(self) -> int:
        return self.sent - self.scanned


class Firehose:
    """Generator, floor and trader."""

    def __init__(self, stack: ExitStack, setup: Setup, **settings: str) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arb-wire-")))
        places = Places(setup.cores)
        stamps, _ = stack.enter_context(stamps_file(folder, "floor", 1))
        self.generator = Generator(folder, places.generator)
        stack.callback(self.generator.end)
        self.floor = Floor(folder, places.feed, "adaptive", self.generator.url, stamps)
        stack.callback(self.floor.end)
        self.generator.wait_for("floor")
        self.floor.hold()
        venues = Venues(folder, stack)
        environment = venues.environment(self.generator)
        self.trader = Trader(folder, environment, places, **settings)
        stack.callback(self.trader.end)
        self.generator.wait_for("trader")
        self.trader.pause()
        for program in venues.programs:
            program.hold()
        self.trader.hold()

    def send(self, who: str, rate: float, seconds: float) -> dict[str, Any]:
        """Send so many frames a second, both venues together; 0: as many as are taken."""
        return self.generator.say(
            verb="batched", who=who, kind="market", count=POOL, size=BATCH, rate=rate / 2,
            seconds=seconds,
        )  # fmt: skip

    def floor_rate(self, seconds: float) -> float:
        """Return how many frames a second listeners take that only stamp."""
        self.floor.go_on()
        self.floor.begin()
        found = self.send("floor", 0.0, seconds)
        self.floor.wait_for(*found["sent"])
        self.floor.hold()
        return float(sum(found["sent"]) / found["seconds"])

    def run(self, rate: float, seconds: float) -> Run:
        """Feed the trader; every frame that was sent has been handled when this returns."""
        self.trader.go_on()
        run, chunks = Run(), []
        before, begin_s = self.trader.counters(), time.monotonic()
        for _ in range(max(1, round(seconds / CHUNK_S))):
            quotes = self.trader.quotes()
            found = self.send("trader", rate, min(seconds, CHUNK_S))
            chunks.append(sum(found["sent"]) / found["seconds"])
            self.trader.wait_for(quotes, *found["sent"])
            run.sent += sum(found["sent"])
        run.seconds = time.monotonic() - begin_s

        def grown(name: str) -> int:
            return int(self.trader.counters()["detector"][name] - before["detector"][name])

        wait_until(
            lambda: grown("quotes") + grown("ticks_dropped") >= run.sent,
            "not every frame was scanned or counted as dropped", SETTLE_MAX_S,
        )  # fmt: skip
        run.scanned, run.dropped = grown("quotes"), grown("ticks_dropped")
        run.chunks = tuple(chunks)
        self.trader.hold()
        return run


def find_rate(hose: Firehose, seconds: float, setup: Setup) -> float:
    """Return the largest rate tried at which nothing was dropped; 0: as many as are taken."""
    rate, run = 0.0, hose.run(0.0, seconds)
    for _ in range(TRIES):
        setup.say(f"{run.rate:,.0f}/s, {run.lost:,} dropped")
        setup.meter()
        if run.lost == 0:
            break
        rate = STEP * (rate or run.rate)
        run = hose.run(rate, seconds)
    return rate


def measure(setup: Setup, **settings: str) -> Row:
    """Find the rate, hold it, and take the floor's before and after."""
    short_s, long_s = min(CHUNK_S, setup.seconds), LONG * setup.seconds
    with ExitStack() as stack:
        hose = Firehose(stack, setup, **settings)
        floors = [hose.floor_rate(short_s)]
        hose.run(BAR / 4, min(0.2, short_s))
        rate = find_rate(hose, short_s, setup)
        floors.append(hose.floor_rate(short_s))
        setup.meter()
        run = hose.run(rate, long_s)
        for share in LOWER:  # what held for a moment may not hold for long
            if run.lost:
                rate = share * (rate or run.rate)
                run = hose.run(rate, long_s)
        floors.append(hose.floor_rate(short_s))
        threads = {str(row["role"]) for row in hose.trader.segment.threads()}
    floor = float(np.median(floors))
    return Row(
        name="throughput",
        unit="frames/s",
        p50=run.rate,
        p99=min(run.chunks),
        floor="picows Cython listeners that only stamp, the same core",
        floor_p50=floor,
        floor_p99=min(floors),
        ratio_to_floor=floor / run.rate,
        n=run.sent,
        note=f"{run.seconds:.1f} s, batches of {BATCH}, "
        f"{'as many as were taken' if rate == 0 else f'{rate:,.0f}/s offered'}; frames "
        f"{source()}; every one parsed and scanned or counted as dropped (asserted); "
        f"threads {', '.join(sorted(threads & {'feed', 'fused', 'detector', 'strategy'}))}",
        bar="1,000,000/s, none dropped",
        holds=run.rate >= BAR and run.lost == 0,
        more={"dropped": run.lost, "by_second": list(run.chunks), "floor_by_run": floors},
    )


QUESTIONS = (
    Question(
        "throughput",
        CORES,
        measure,
        "frames of both venues from loopback sockets, parsed and scanned by the real trader",
        least_s=36.0,
        quick=False,
    ),
)
