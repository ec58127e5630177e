"""Where should detector and strategy run, and who holds the feeds? The real trader, side by side.

``python -m benchmarks.placements [--rate 5000] [--rounds 3] [--wait adaptive]`` starts
a trader with orders possible for each placement and each feed topology, one after another and in
the other order in every second round, has the load generator send `rate` quotes a second of each
venue to it, and prints how long a frame took to its opportunity and what all threads of the trader
took of a core, idle and busy. Medians over the rounds. On four cores a spinning trader, the
generator and the venues share: there the figures of ``--wait spin`` show just that.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arbitrage.config_values import parse_cores
from arbitrage.core.records import OPPORTUNITY_DTYPE
from arbitrage.errors import run_guarded
from benchmarks.load_frames import CROSS_EVERY, crossing_of, opening_places
from benchmarks.noise import pin
from benchmarks.wire_rig import Generator, Places, Trader, Venues, stamps_file

__all__ = ["VARIANTS", "Found", "cpu_ns", "latencies", "watch"]

VARIANTS: dict[str, dict[str, str]] = {
    "inline, loop": {"ARB_STAGES": "inline"},
    "fused, loop": {"ARB_STAGES": "fused"},
    "split, loop": {"ARB_STAGES": "split"},
    "fused, threads": {"ARB_STAGES": "fused", "ARB_FEED_MODE": "threads"},
    "fused, processes": {"ARB_STAGES": "fused", "ARB_FEED_MODE": "processes"},
}
IDLE_S, SETTLE_S = 1.0, 0.5
FIRST_PART = 0.1  # of a run is not counted: caches and rows come back
CLOSE = 3


@dataclass(frozen=True)
class Found:
    """One run: us from the frame's stamp to the opportunity, per cent of a core."""

    p50_us: float
    p90_us: float
    p99_us: float
    callback_p50_us: float
    busy_pct: float
    idle_pct: float


def cpu_ns(pid: int) -> int:
    """Return the time on a processor of all threads of a process and of its children."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
            for child in (task / "children").read_text().split():
                total += cpu_ns(int(child))
    return total


def latencies(events: Any, stamps: Any, frames: int) -> tuple[Any, Any]:
    """Return ns from the stamp of each opening to its opportunity, and to its callback."""
    alive = events[events["event"] != CLOSE]
    named, first = np.unique(crossing_of(alive["bid_px"]), return_index=True)
    places = opening_places(frames)
    counts = (named >= 0) & (named < len(places))
    named, causes = named[counts], alive[first[counts]]
    late = places[named] >= FIRST_PART * frames
    recv = (causes["recv_mono_ns"] - stamps[named % 2, places[named]])[late]
    return recv + causes["detected_ns"][late], recv


def watch(cores: tuple[int, ...], rate: int, seconds: float, settings: Mapping[str, str]) -> Found:
    """Start a trader, watch it idle and busy, end it."""
    frames = max(1, int(rate * seconds) // CROSS_EVERY) * CROSS_EVERY
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arb-wire-")))
        places = Places(cores)
        path, stamps = stack.enter_context(stamps_file(folder, "sent", frames))
        generator = Generator(folder, places.generator, path)
        stack.callback(generator.end)
        venues = Venues(folder, stack)
        environment = venues.environment(generator)
        wanted = {"ARB_MODE": "demo", "ARB_SYMBOLS": "BTCUSDT"} | dict(settings)
        names = wanted["ARB_STAGES"] != "inline"
        trader = Trader(folder, environment, places, names_stages=names, **wanted)
        stack.callback(trader.end)
        generator.wait_for("trader")
        trader.pause()
        for program in venues.programs:
            program.keep_to(places.rest)
        reader = trader.segment.opportunities.reader()
        time.sleep(SETTLE_S)

        def share(action: Any) -> float:
            begin_s, before = time.monotonic(), cpu_ns(trader.process.pid)
            action()
            elapsed_ns = (time.monotonic() - begin_s) * 1e9
            return 100 * (cpu_ns(trader.process.pid) - before) / elapsed_ns

        idle = share(lambda: time.sleep(IDLE_S))
        quotes = trader.quotes()
        reader.drain(dtype=OPPORTUNITY_DTYPE)
        busy = share(
            lambda: generator.say(
                verb="paced", who="trader", kind="crossings", rate=rate, frames=frames
            )
        )
        trader.wait_for(quotes, frames, frames)
        time.sleep(SETTLE_S)
        whole, recv = latencies(reader.drain(dtype=OPPORTUNITY_DTYPE), stamps, frames)
        trader.check()
    p50, p90, p99 = (float(np.percentile(whole, percent)) / 1e3 for percent in (50, 90, 99))
    return Found(p50, p90, p99, float(np.median(recv)) / 1e3, busy, idle)


def main() -> None:
    parser = argparse.ArgumentParser(prog="placements", description=__doc__)
    parser.add_argument("--rate", type=int, default=5_000, help="quotes/s of each venue")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run")
    parser.add_argument("--wait", choices=("adaptive", "spin"), default="adaptive")
    parser.add_argument("--cores", type=parse_cores, default=None, help="four or more, such as 0-3")
    parser.add_argument("--only", action="append", choices=list(VARIANTS), default=[])
    parser.add_argument("--json", action="store_true", help="every run as one JSON object")
    options = parser.parse_args()
    cores = options.cores or tuple(sorted(os.sched_getaffinity(0)))
    pin(cores[3 % len(cores)])
    waits = {"ARB_WAIT": options.wait, "ARB_LOOP_MODE": options.wait}
    runs: dict[str, list[Found]] = {name: [] for name in options.only or VARIANTS}
    for number in range(options.rounds):
        for name in list(runs)[:: -1 if number % 2 else 1]:
            found = watch(cores, options.rate, options.seconds, VARIANTS[name] | waits)
            runs[name].append(found)
    if options.json:
        print(json.dumps({name: [asdict(one) for one in found] for name, found in runs.items()}))
        return
    print("| stages, feeds | p50 us | p90 us | p99 us | to callback us | busy % | idle % |")
    print("|---|---|---|---|---|---|---|")
    for name, found in runs.items():
        middle = np.median([list(asdict(one).values()) for one in found], axis=0)
        print(f"| {name} | " + " | ".join(f"{value:.1f}" for value in middle) + " |")


if __name__ == "__main__":
    run_guarded(main)
