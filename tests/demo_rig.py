"""A real `arb demo` with every fault at once behind it, and a monitor: for the pictures."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["end_demo", "running_demo", "running_monitor"]

SYMBOLS = "BTCUSDT,ETHUSDT,SOLUSDT,XRPUSDT,DOGEUSDT"
START_S = 60.0


@contextmanager
def running_demo(folder: Path, seconds: float) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Run a demo; yield its process and the name of its trader, which runs by then."""
    command = [sys.executable, "-m", "arbitrage.demo", "--all-faults", "--seconds", f"{seconds:g}"]
    command += ["--symbols", SYMBOLS, "--rate", "1000"]
    # what faults do to symbols one after the other would leave none to trade
    environment = os.environ | {"ARB_BREAKER_FAILURES": "1000"}
    with (folder / "demo.log").open("wb") as log:
        demo = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    name = f"arbitrage-demo-{demo.pid}"
    try:
        deadline_s = time.monotonic() + START_S
        while not Path(f"/dev/shm/arbitrage.{name}").exists():
            if demo.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError((folder / "demo.log").read_text())
            time.sleep(0.1)
        yield demo, name
    finally:
        end_demo(demo)


def end_demo(demo: "subprocess.Popen[bytes]") -> None:
    """Stop a demo as Ctrl-C does: it closes its pairs first."""
    demo.terminate()
    demo.wait(60)


@contextmanager
def running_monitor(name: str) -> Iterator[str]:
    """Run a monitor of a trader; yield its address."""
    command = [sys.executable, "-m", "arbitrage.monitor", "--name", name, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stderr is not None
            for line in child.stderr:
                if found := re.search(r"serving (http://127\.0\.0\.1:\d+)/", line):
                    yield found[1]
                    return
            raise RuntimeError("the monitor did not start")
        finally:
            child.terminate()
            child.wait(30)
