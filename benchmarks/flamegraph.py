"""Where does a trader spend its time? A flame graph of a running demo, compiled code included.

``python -m benchmarks.flamegraph`` (``make flamegraph``) runs the demo, lets py-spy look at every
thread of its trader some hundred times a second from outside, and writes an SVG for a browser. With
``--wait spin`` hot threads are seen waiting most of the time: what they do lies beside it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from arbitrage.errors import ArbitrageError, ConfigError, run_guarded
from benchmarks.hot_path_audit import SETTLE_S, START_S, attach_to
from benchmarks.native import CACHE

__all__ = ["record"]

SAMPLES_A_SECOND = 250
AROUND_S = 10.0  # of the demo beside what is recorded: its start and its end


def _recorder() -> str:
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise ConfigError("py-spy was not found; install it: pip install py-spy")
    return found


def record(out: Path, *, seconds: float, rate: int, wait: str, stages: str) -> None:
    """Run the demo and write a flame graph of its trader.

    Raises
    ------
    ConfigError
        py-spy is not installed.
    ArbitrageError
        The demo ended early, or py-spy may not look at it.
    """
    recorder = _recorder()
    with tempfile.TemporaryDirectory(prefix="arb-flame-") as folder:
        name, log = f"flame-{os.getpid()}", Path(folder) / "demo.log"
        environment = os.environ | {"ARB_NAME": name, "ARB_WAIT": wait, "ARB_STAGES": stages}
        command = [sys.executable, "-m", "arbitrage.cli", "demo", "--rate", str(rate)]
        command += ["--seconds", f"{seconds + AROUND_S:g}"]
        with log.open("wb") as output:
            demo = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            segment = attach_to(name, demo, log)
            time.sleep(SETTLE_S)
            look = [recorder, "record", "--native", "--threads", "--rate"]
            look += [str(SAMPLES_A_SECOND), "--duration", str(max(1, round(seconds)))]
            look += ["--format", "flamegraph", "--output", str(out), "--pid", str(segment.pid)]
            done = subprocess.run(look, capture_output=True, text=True, timeout=seconds + 120)
            if done.returncode or not out.exists():
                words = (done.stderr or done.stdout).strip().splitlines()[-1:]
                raise ArbitrageError(f"py-spy could not record: {' '.join(words) or 'silently'}")
        finally:
            demo.terminate()
            demo.wait(START_S)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="flamegraph", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long it is looked at")
    parser.add_argument("--rate", type=int, default=10_000, help="frames a second of each venue")
    parser.add_argument("--wait", choices=("adaptive", "spin", "yield"), default="adaptive")
    parser.add_argument("--stages", choices=("split", "fused", "inline"), default="fused")
    parser.add_argument("--out", type=Path, default=CACHE / "flamegraph.svg", metavar="FILE")
    options = parser.parse_args(words)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    record(
        options.out, seconds=options.seconds, rate=options.rate, wait=options.wait,
        stages=options.stages,
    )  # fmt: skip
    print(f"{options.out}: open it in a browser; a click opens a frame, Ctrl-F finds one")
    return 0


if __name__ == "__main__":
    run_guarded(main)
