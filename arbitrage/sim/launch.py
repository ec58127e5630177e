"""Both venues at once: processes with one seed and epoch, and what a trader must know."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from arbitrage.sim.config import VENUES, SimError
from arbitrage.sim.exports import print_exports

START_TIMEOUT_S = 20.0
PUBLIC = "bybit-public"


def wait_ready(path: Path, child: subprocess.Popen[bytes], deadline: float) -> dict[str, Any]:
    while time.monotonic() < deadline:
        if path.exists():
            found: dict[str, Any] = msgspec.json.decode(path.read_bytes())
            return found
        if child.poll() is not None:
            raise SimError(f"a venue ended at its start with exit code {child.returncode}")
        time.sleep(0.02)
    raise SimError(f"a venue was not ready after {START_TIMEOUT_S:.0f} s")


def run_both(arguments: list[str]) -> int:
    """Start ``python -m arbitrage.sim --venue V`` for both venues; wait for a signal or an end."""
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, _frame: stopping.append(n))
    children: dict[str, subprocess.Popen[bytes]] = {}
    with tempfile.TemporaryDirectory(prefix="arb-sim-") as folder:
        try:
            for name, venue, more in _processes(arguments):
                children[name] = subprocess.Popen(
                    [sys.executable, "-m", "arbitrage.sim", "--venue", venue, "--ready-file",
                     str(Path(folder) / name), "--exit-with-parent", *arguments, *more],
                    stdout=subprocess.DEVNULL)  # said below, of both at once
            deadline = time.monotonic() + START_TIMEOUT_S
            ready = {venue: wait_ready(Path(folder) / venue, child, deadline)
                     for venue, child in children.items()}
            public = ready.pop(PUBLIC, None)
            if public is not None:
                ready["bybit"]["public_ws_url"] = public["public_ws_url"]
            print_exports(ready)
            while not stopping and all(c.poll() is None for c in children.values()):
                time.sleep(0.05)
            failed = [v for v, c in children.items() if c.poll() not in (None, 0)]
            if failed and not stopping:
                raise SimError(f"the simulated {failed[0]} ended unexpectedly")
            return 0
        finally:
            _end(list(children.values()))


def _processes(arguments: list[str]) -> list[tuple[str, str, list[str]]]:
    """(name, venue, more arguments): Bybit demo trades on the mainnet's public stream."""
    found: list[tuple[str, str, list[str]]] = [(venue, venue, []) for venue in VENUES]
    if ("--dress", "demo") in itertools.pairwise(arguments):
        found.append((PUBLIC, "bybit", ["--dress", "mainnet"]))
    return found


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        if child.poll() is None:
            os.kill(child.pid, signal.SIGTERM)
    for child in children:
        try:
            child.wait(3.0)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
