"""Which share of their reads and writes do parser and detector miss in the first-level cache?

``python -m benchmarks.cachegrind`` (``make cachegrind``) runs the hot path's loops over real frames
under valgrind's cachegrind, a simulated processor: exact counts that no neighbour disturbs. It
prints the misses of each part, and where to read the same line by line.
"""

import argparse
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from arbitrage.errors import ArbitrageError, ConfigError, run_guarded
from benchmarks.frames_data import frames, source
from benchmarks.native import CACHE, program

__all__ = ["Misses", "misses"]

PARTS = {"parser": "run_parser", "detector": "run_detector"}
FRAMES, PASSES = 8192, 5  # the first pass, with its cold misses, is one of five
L1 = "32768,8,64"  # of most x86-64 processors; those since Ice Lake have 48 KiB
TIMEOUT_S = 300.0
SYMBOLS = ((b"BTCUSDT", b"ETHUSDT"), (b"BTC-USDT-SWAP", b"ETH-USDT-SWAP"))


@dataclass(frozen=True)
class Misses:
    """Data reads and writes of one part, and how many were not in the first-level cache."""

    part: str
    accesses: int
    missed: int
    frames: int

    @property
    def percent(self) -> float:
        return 100.0 * self.missed / max(1, self.accesses)


def write_load(path: Path) -> int:
    """Write frames of both venues, in the order of time, as cache_load.c reads them."""
    merged = sorted(
        (recv_ns, venue, frame)
        for venue, name in enumerate(("bybit", "okx"))
        for recv_ns, frame in frames(name)[:FRAMES]
    )[:FRAMES]
    with path.open("wb") as out:
        out.write(struct.pack("<I", len(SYMBOLS[0])))
        out.write(b"".join(name + b"\0" for names in SYMBOLS for name in names))
        for _, venue, frame in merged:
            out.write(struct.pack("<II", venue, len(frame)) + frame)
    return len(merged)


def counts(report: str) -> dict[str, tuple[int, int]]:
    """Return data accesses and first-level misses by function, of a cachegrind.out file."""
    events: list[str] = []
    found: dict[str, tuple[int, int]] = {}
    function = ""
    for line in report.splitlines():
        if line.startswith("events:"):
            events = line.split()[1:]
        elif line.startswith("fn="):
            function = line[3:]
        elif line[:1].isdigit() and function:
            values = dict(zip(events, map(int, line.split()[1:]), strict=True))
            accesses, missed = found.get(function, (0, 0))
            found[function] = (
                accesses + values["Dr"] + values["Dw"],
                missed + values["D1mr"] + values["D1mw"],
            )
    return found


def run(report: Path) -> int:
    """Run the loops under cachegrind; return how many frames went through."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise ConfigError("valgrind was not found; install it (Debian: apt-get install valgrind)")
    with tempfile.TemporaryDirectory(prefix="arb-bench-") as folder:
        load = Path(folder) / "frames"
        count = write_load(load)
        command = [valgrind, "--tool=cachegrind", "--cache-sim=yes", f"--D1={L1}"]
        command += [f"--cachegrind-out-file={report}", str(program("cache_load")), str(load)]
        done = subprocess.run(
            [*command, str(PASSES)], capture_output=True, text=True, timeout=TIMEOUT_S
        )
    if done.returncode:
        words = done.stderr.strip().splitlines()[-1:] or ["nothing was said"]
        raise ArbitrageError(f"valgrind ended with {done.returncode}: {words[0]}")
    seen, quotes, ticks = map(int, done.stdout.split())
    assert seen == count * PASSES, f"{seen} frames of {count * PASSES}"
    # a delta that states one side only, or a copy, leaves no tick
    assert quotes > seen * 0.9, f"{quotes} quotes of {seen} frames"
    assert ticks > seen * 0.4, f"{ticks} ticks of {seen} frames"
    return seen


def misses(report: Path) -> list[Misses]:
    """Return the misses of each part; the report stays for cg_annotate."""
    total = run(report)
    by_function = counts(report.read_text())
    found = []
    for part, function in PARTS.items():
        named = [value for name, value in by_function.items() if name.split("(")[0] == function]
        assert named, f"{function} was not found in {report}"
        found.append(Misses(part, named[0][0], named[0][1], total))
    return found


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="cachegrind", description=__doc__)
    parser.add_argument("--out", type=Path, default=CACHE / "cachegrind.out", metavar="FILE")
    options = parser.parse_args(words)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for one in misses(options.out):
        print(
            f"{one.part:<10} {one.percent:6.3f} % of {one.accesses / one.frames:6.1f} accesses "
            f"a frame missed ({one.missed / one.frames:.3f} lines)"
        )
    print(f"{FRAMES:,} frames, {source()}; line by line: cg_annotate {options.out}")
    return 0


if __name__ == "__main__":
    run_guarded(main)
