"""Does the hot path keep still? Futex calls, allocations, drops and memory of a running demo.

``python -m benchmarks.hot_path_audit [--seconds 30] [--rate 10000] [--stages split]`` runs the demo
with the wait strategy ``spin`` and the allocation shim, watches the trader's detector and strategy
threads from outside, and says what it saw: exit code 0 when all holds, 1 when something does not.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import arbitrage
from arbitrage.core.segment import Segment
from arbitrage.core.shim import shim_path
from arbitrage.errors import ArbitrageError, SegmentError, run_guarded

__all__ = ["Audit", "HotThread", "attach_to", "audit", "futex_calls", "why_no_strace"]

HOT_ROLES = ("detector", "strategy", "fused")
RSS_MAX_MB = 60.0
START_S = 60.0
SETTLE_S = 2.0  # after the start, before the threads are watched
STRACE_EXIT_S = 10.0


@dataclass(frozen=True)
class HotThread:
    """What was seen of one thread; None where it could not be seen."""

    role: str
    tid: int
    turns: int
    futex_calls: int | None
    allocations_c: int | None
    allocations_python: int | None


@dataclass(frozen=True)
class Audit:
    """What was seen of one run."""

    stages: str
    threads: tuple[HotThread, ...]
    watched_s: float
    drops: dict[str, int]
    frames: dict[str, int]
    rss_mb: float | None
    report: dict[str, Any] = field(repr=False, default_factory=dict)

    def faults(self) -> list[str]:
        """Return what is not as promised, one line each."""
        found = []
        for thread in self.threads:
            seen = {
                "futex calls": thread.futex_calls,
                "C allocations": thread.allocations_c,
                "Python allocations": thread.allocations_python,
            }
            for what, count in seen.items():
                if count is None:
                    found.append(f"{thread.role}: {what} could not be counted")
                elif count:
                    found.append(f"{thread.role}: {count} {what}")
        if not self.threads:
            found.append("no detector or strategy thread was seen")
        found += [f"{count} {kind} dropped" for kind, count in self.drops.items() if count]
        if self.rss_mb is None:
            found.append("the trader's memory was not reported")
        elif self.rss_mb >= RSS_MAX_MB:
            found.append(f"the trader held {self.rss_mb:.1f} MB, {RSS_MAX_MB:g} or more")
        return found


def futex_calls(summary: str) -> int:
    """Return the futex calls in a table of ``strace -c``; an empty table has none."""
    for line in summary.splitlines():
        fields = line.split()
        if fields and fields[-1] == "futex":
            return int(fields[3])
    return 0


def why_no_strace() -> str | None:
    """Return why threads cannot be watched here; None when they can."""
    if shutil.which("strace") is None:
        return (
            "strace was not found; install it (Debian: apt-get install strace) to count futex calls"
        )
    return None


def _watch_futex(tids: list[int], seconds: float) -> dict[int, int]:
    """Count the futex calls of some threads of another process, each by a tracer of its own."""
    tracers = {
        tid: subprocess.Popen(
            ["strace", "-c", "-e", "trace=futex", "-p", str(tid)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for tid in tids
    }
    time.sleep(seconds)
    counts: dict[int, int] = {}
    for tid, tracer in tracers.items():
        if tracer.poll() is None:
            tracer.send_signal(2)  # strace writes its table, lets the thread go and ends
        _, said = tracer.communicate(timeout=STRACE_EXIT_S)
        if "attached" not in said:
            last = said.strip().splitlines()[-1:] or ["nothing was said"]
            raise ArbitrageError(f"strace could not watch thread {tid}: {last[0]}")
        counts[tid] = futex_calls(re.sub(r"strace: .*\n", "", said))
    return counts


def attach_to(name: str, demo: "subprocess.Popen[bytes]", log: Path) -> Segment:
    """Wait for the trader's segment."""
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s:
        if demo.poll() is not None:
            words = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise ArbitrageError(f"the demo ended early: {' '.join(words) or 'silently'}")
        try:
            segment = arbitrage.attach(name)
        except SegmentError:
            time.sleep(0.1)
            continue
        if segment.state == "ready":
            return segment
        time.sleep(0.1)
    raise ArbitrageError(f"no trader was ready within {START_S:g} s")


def audit(
    *,
    seconds: float = 30.0,
    rate: int = 10_000,
    stages: str = "split",
    wait: str = "spin",
    watch_s: float = 5.0,
) -> Audit:
    """Run the demo and watch its hot threads for `watch_s` of its `seconds`.

    Raises
    ------
    ArbitrageError
        The demo ended early, or strace may not trace here.
    """
    name = f"audit-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="arb-audit-") as folder:
        report, log = Path(folder) / "report.json", Path(folder) / "demo.log"
        environment = os.environ | {
            "ARB_NAME": name,
            "ARB_WAIT": wait,
            "ARB_STAGES": stages,
            "LD_PRELOAD": str(shim_path()),
        }
        command = [sys.executable, "-m", "arbitrage.cli", "demo", "--json", str(report)]
        command += ["--seconds", f"{seconds:g}", "--rate", str(rate)]
        with log.open("wb") as out:
            demo = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
        try:
            segment = attach_to(name, demo, log)
            time.sleep(SETTLE_S)
            hot = [row for row in segment.threads() if row["role"] in HOT_ROLES]
            tids = [int(row["tid"]) for row in hot]
            counts = {} if why_no_strace() else _watch_futex(tids, watch_s)
            if demo.poll() is not None:
                raise ArbitrageError("the demo ended while it was watched; give it more --seconds")
            seen = {row["tid"]: row for row in segment.threads()}
            code = demo.wait(seconds + START_S)
            if code != 0 or not report.exists():
                words = log.read_text(errors="replace").strip().splitlines()[-1:]
                raise ArbitrageError(f"the demo ended with code {code}: {' '.join(words)}")
            # the table outlives the threads in this mapping: what they allocated until the end
            seen |= {row["tid"]: row for row in segment.threads()}
            facts = json.loads(report.read_text())
        finally:
            if demo.poll() is None:
                demo.terminate()
                demo.wait(20.0)
    threads = tuple(
        HotThread(
            str(row["role"]),
            int(row["tid"]),
            int(seen[row["tid"]]["turns"]),
            counts.get(row["tid"]),
            seen[row["tid"]]["allocations_c"],
            seen[row["tid"]]["allocations_python"],
        )
        for row in hot
    )
    return Audit(stages, threads, watch_s, facts["drops"], facts["frames"], facts["rss_mb"], facts)


def main() -> int:
    parser = argparse.ArgumentParser(prog="hot_path_audit", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--stages", choices=("split", "fused"), default="split")
    parser.add_argument("--watch", type=float, default=5.0, help="seconds under strace")
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")
    options = parser.parse_args()
    found = audit(
        seconds=options.seconds, rate=options.rate, stages=options.stages, watch_s=options.watch
    )
    faults = found.faults()
    if options.json:
        print(json.dumps(asdict(found) | {"faults": faults}))
        return 1 if faults else 0
    for thread in found.threads:
        print(
            f"{thread.role:<9} tid {thread.tid}: futex calls {thread.futex_calls} in "
            f"{found.watched_s:g} s; allocations C {thread.allocations_c}, Python "
            f"{thread.allocations_python}; {thread.turns:,} turns"
        )
    print(f"frames {found.frames}, drops {found.drops}, resident {found.rss_mb} MB")
    if reason := why_no_strace():
        print(reason)
    for fault in faults:
        print(f"not as promised: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    run_guarded(main)
