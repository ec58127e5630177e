"""How much of a core does the trader take: with nothing to do, and at 10,000 updates a second?

The real trader as it starts without any setting: adaptive waits, orders possible, both venues
connected. Its threads' own times on a processor are added up, those of the whole process. Beside it
stands what the frames paid for it: how long they took from the wire to their opportunity.
"""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from arbitrage.core.records import OPPORTUNITY_DTYPE
from benchmarks.harness import Question, Row, Setup
from benchmarks.load_frames import CROSS_EVERY
from benchmarks.placements import latencies
from benchmarks.wire_rig import Generator, Places, Trader, Venues, stamps_file

__all__ = ["QUESTIONS"]

RATE = 5_000  # of each venue
IDLE_MAX_PCT, BUSY_MAX_PCT = 5.0, 50.0
PART_S = 1.0
SETTLE_S = 0.5
CORES = 4


def spent(trader: Trader, before: dict[str, int], begin_s: float) -> dict[str, float]:
    """Return per cent of a core by thread since `before`."""
    elapsed_ns = (time.monotonic() - begin_s) * 1e9
    found: dict[str, float] = {}
    for name, now_ns in trader.cpu_ns().items():
        role = name.rpartition(" ")[0]
        found[role] = found.get(role, 0.0) + 100 * (now_ns - before.get(name, 0)) / elapsed_ns
    return found


def measure(setup: Setup, **settings: str) -> Row:
    """Watch it idle, then busy, each for a question's time."""
    frames = int(RATE * min(PART_S, setup.seconds)) // CROSS_EVERY * CROSS_EVERY
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arb-wire-")))
        places = Places(setup.cores)
        path, stamps = stack.enter_context(stamps_file(folder, "sent", frames))
        generator = Generator(folder, places.generator, path)
        stack.callback(generator.end)
        venues = Venues(folder, stack)
        environment = venues.environment(generator)
        trader = Trader(
            folder, environment, places, names_stages=False, ARB_MODE="demo", **settings
        )
        stack.callback(trader.end)
        generator.wait_for("trader")
        trader.pause()
        reader = trader.segment.opportunities.reader()
        time.sleep(SETTLE_S)
        begin_s, before = time.monotonic(), trader.cpu_ns()
        time.sleep(setup.seconds)
        idle = spent(trader, before, begin_s)
        quotes, parts = trader.quotes(), max(1, round(setup.seconds / PART_S))
        begin_s, before = time.monotonic(), trader.cpu_ns()
        for _ in range(parts):
            reader.drain(dtype=OPPORTUNITY_DTYPE)  # the stamps are the last part's
            generator.say(verb="paced", who="trader", kind="crossings", rate=RATE, frames=frames)
        busy = spent(trader, before, begin_s)
        trader.wait_for(quotes, frames * parts, frames * parts)
        time.sleep(SETTLE_S)
        whole, _ = latencies(reader.drain(dtype=OPPORTUNITY_DTYPE), stamps, frames)
        trader.check()
    p50_us, p99_us = (float(np.percentile(whole, percent)) / 1e3 for percent in (50, 99))
    busy_pct, idle_pct = sum(busy.values()), sum(idle.values())
    return Row(
        name="cpu",
        unit="% of a core",
        p50=busy_pct,
        p99=busy_pct,
        n=frames * parts * 2,
        note=f"{2 * RATE:,} quotes/s of both venues, all taken (asserted); every thread of the "
        f"trader; loop and stages adaptive; frame on the wire to opportunity p50 {p50_us:.0f} us, "
        f"p99 {p99_us:.0f} us",
        bar=f"{BUSY_MAX_PCT:g} %; {IDLE_MAX_PCT:g} % without traffic",
        holds=busy_pct <= BUSY_MAX_PCT and idle_pct < IDLE_MAX_PCT,
        more={
            "idle_pct": idle_pct,
            "to_opportunity_p50_ns": p50_us * 1e3,
            "to_opportunity_p99_ns": p99_us * 1e3,
        }
        | {f"idle_{role}": value for role, value in idle.items() if value >= 0.05}
        | {f"busy_{role}": value for role, value in busy.items() if value >= 0.05},
    )


QUESTIONS = (
    Question(
        "cpu", CORES, measure, "processor time of the trader, idle and busy",
        least_s=18.0, timed=False, quick=False,
    ),
)  # fmt: skip
