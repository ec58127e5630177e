"""A trader and its venues that stay while `benchmarks.cold_side` measures, each on its cores."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import arbitrage
from arbitrage.core.segment import Segment
from arbitrage.errors import ArbitrageError, SegmentError
from benchmarks.cold_programs import wait_until

__all__ = ["CORES_MIN", "Places", "demo", "places"]

CORES_MIN = 4
SPLIT_CORES = 8
TAP_MB = 16
START_S = 90.0
RUN_S = 3600


@dataclass(frozen=True)
class Places:
    """Which cores are whose; all the same where there are too few."""

    feed: tuple[int, ...]
    detector: tuple[int, ...]
    strategy: tuple[int, ...]  # the detector's, where both are one thread
    venues: tuple[int, ...]
    cold: tuple[int, ...]
    are_pinned: bool


def places(cores: tuple[int, ...]) -> Places:
    """Share the cores out: the hot threads, the venues, and last the cold side."""
    if len(cores) < CORES_MIN:
        return Places(cores, cores, cores, cores, cores, False)
    cold = cores[-2:] if len(cores) >= 6 else cores[-1:]
    hot = 3 if len(cores) >= SPLIT_CORES else 2
    venues = cores[hot : -len(cold)]
    return Places(cores[:1], cores[1:2], cores[hot - 1 : hot], venues, cold, True)


def _all_threads(pid: int, cores: tuple[int, ...]) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), cores)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def demo(folder: Path, rate: int, where: Places, wait: str) -> Iterator[Segment]:
    """Run `arb demo`, each part of it on its cores, and attach to its trader."""
    name, log = f"cold-{os.getpid()}", folder / "demo.log"
    environment = os.environ | {
        "ARB_NAME": name,
        "ARB_TAP_MB": str(TAP_MB),
        "ARB_WAIT": wait,
        "ARB_LOOP_MODE": "adaptive",
    }
    if where.are_pinned:
        environment |= {
            "ARB_STAGES": "split" if where.strategy != where.detector else "fused",
            "WEBSOCKET_CORES": ",".join(map(str, where.feed)),
            "DETECTOR_CORE": str(where.detector[0]),
            "STRATEGY_CORE": str(where.strategy[0]),
        }
    command = [sys.executable, "-m", "arbitrage.cli", "demo", "--seconds", str(RUN_S)]
    command += ["--rate", str(rate)]
    with log.open("wb") as out:
        running = subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=folder)
    try:

        def ready() -> Segment | None:
            if running.poll() is not None:
                words = log.read_text(errors="replace").strip().splitlines()[-1:]
                raise ArbitrageError(f"arb demo ended early: {' '.join(words) or 'silently'}")
            with suppress(SegmentError):
                segment = arbitrage.attach(name)
                if segment.state == "ready":
                    return segment
            return None

        segment: Segment = wait_until(ready, "arb demo had no trader ready", START_S)
        if where.are_pinned:
            for pid in {running.pid, *_children(running.pid)} - {segment.pid}:
                _all_threads(pid, where.venues)
        yield segment
        ready()
    finally:
        running.send_signal(signal.SIGINT)
        try:
            running.wait(START_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
