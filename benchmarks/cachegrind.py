"""How many instructions do the hot path's parts take, and what misses the first-level cache?

``python -m benchmarks.cachegrind`` (``make cachegrind``) runs the hot path's loops under valgrind's
callgrind with its simulated caches: exact counts that no neighbour disturbs, of each part with all
that it calls. Parser and detector over real frames, strategy and sender over frames that cross; it
prints what each costs, and where to read the same line by line.
"""

import argparse
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from arbitrage.errors import ArbitrageError, ConfigError, run_guarded
from benchmarks.frame_to_opportunity import crossing_frames, names
from benchmarks.frames_data import frames, source
from benchmarks.native import CACHE, program
from benchmarks.order_frames import texts

__all__ = ["Misses", "misses", "order_misses"]

PARTS = {"parser": "run_parser", "detector": "run_detector"}
ORDER_PARTS = {"strategy": "run_strategy", "sender": "run_sender"}
FRAMES, PASSES = 8192, 5  # the first pass, with its cold misses, is one of five
ORDER_FRAMES = 4000  # as many pairs opened and closed
L1 = "32768,8,64"  # of most x86-64 processors; those since Ice Lake have 48 KiB
TIMEOUT_S = 300.0
SYMBOLS = ((b"BTCUSDT", b"ETHUSDT"), (b"BTC-USDT-SWAP", b"ETH-USDT-SWAP"))


@dataclass(frozen=True)
class Misses:
    """Instructions, data reads and writes of one part, and how many of these were not in the
    first-level cache."""

    part: str
    instructions: int
    accesses: int
    missed: int
    frames: int

    @property
    def percent(self) -> float:
        return 100.0 * self.missed / max(1, self.accesses)


def _packed(loaded: list[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack("<II", venue, len(frame)) + frame for venue, frame in loaded)


def _symbols(both: tuple[tuple[bytes, ...], ...]) -> bytes:
    return struct.pack("<I", len(both[0])) + b"".join(
        name + b"\0" for named in both for name in named
    )


def write_load(path: Path) -> int:
    """Write frames of both venues, in the order of time, as cache_load.c reads them."""
    merged = sorted(
        (recv_ns, venue, frame)
        for venue, name in enumerate(("bybit", "okx"))
        for recv_ns, frame in frames(name)[:FRAMES]
    )[:FRAMES]
    loaded = [(venue, frame) for _, venue, frame in merged]
    path.write_bytes(_symbols(SYMBOLS) + _packed(loaded))
    return len(merged)


def write_order_load(path: Path) -> int:
    """Write order texts and frames that cross as order_load.c reads them; return the frames."""
    bybit, okx = names(1)[0]
    marked = [text for venue in ("bybit", "okx") for text in (*texts(venue), texts(venue)[0])]
    crossing = crossing_frames(ORDER_FRAMES + 4)
    # neither venue has a second leg before both have spoken
    crossing = [crossing[1], crossing[3], *crossing[4:]]
    path.write_bytes(
        _symbols(((bybit.encode(),), (okx.encode(),)))
        + b"".join(struct.pack("<I", len(text)) + text for text in marked)
        + _packed(crossing)
    )
    return len(crossing)


def counts(report: str) -> dict[str, tuple[int, int, int]]:
    """Return instructions, data accesses and first-level misses by function called, with all that
    it called, of a callgrind.out file without compressed names."""
    events: list[str] = []
    found: dict[str, tuple[int, int, int]] = {}
    called, follows = "", False
    for line in report.splitlines():
        if line.startswith("events:"):
            events = line.split()[1:]
        elif line.startswith("cfn="):
            called = line[4:].partition("'")[0]
        elif line.startswith("calls="):
            follows = True
        elif follows:
            follows = False
            numbers = [int(number) for number in line.split()[1:]]
            values = dict.fromkeys(events, 0) | dict(zip(events, numbers, strict=False))
            before = found.get(called, (0, 0, 0))
            now = (
                values["Ir"], values["Dr"] + values["Dw"], values["D1mr"] + values["D1mw"]
            )  # fmt: skip
            found[called] = before[0] + now[0], before[1] + now[1], before[2] + now[2]
    return found


def run(name: str, load: Path, report: Path, *words: str) -> list[int]:
    """Run the loops of ``benchmarks/NAME.c`` under callgrind; return the numbers it printed."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise ConfigError("valgrind was not found; install it (Debian: apt-get install valgrind)")
    command = [valgrind, "--tool=callgrind", "--cache-sim=yes", f"--D1={L1}"]
    command += ["--compress-strings=no", "--compress-pos=no", f"--callgrind-out-file={report}"]
    done = subprocess.run(
        [*command, str(program(name)), str(load), *words],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing was said"]
        raise ArbitrageError(f"valgrind ended with {done.returncode}: {said[0]}")
    return [int(number) for number in done.stdout.split()]


def _found(parts: dict[str, str], report: Path, total: int) -> list[Misses]:
    by_function = counts(report.read_text())
    missing = [function for function in parts.values() if function not in by_function]
    assert not missing, f"{missing} not found in {report}"
    return [Misses(part, *by_function[function], total) for part, function in parts.items()]


def misses(report: Path) -> list[Misses]:
    """Return what parser and detector take; the report stays for callgrind_annotate."""
    with tempfile.TemporaryDirectory(prefix="arb-bench-") as folder:
        load = Path(folder) / "frames"
        count = write_load(load)
        seen, quotes, ticks = run("cache_load", load, report, str(PASSES))
    assert seen == count * PASSES, f"{seen} frames of {count * PASSES}"
    # a delta that states one side only, or a copy, leaves no tick
    assert quotes > seen * 0.9, f"{quotes} quotes of {seen} frames"
    assert ticks > seen * 0.4, f"{ticks} ticks of {seen} frames"
    return _found(PARTS, report, seen)


def order_misses(report: Path) -> list[Misses]:
    """Return what strategy and sender take of a pair's two orders; the report stays."""
    with tempfile.TemporaryDirectory(prefix="arb-bench-") as folder:
        load = Path(folder) / "frames"
        count = write_order_load(load)
        seen, orders, frame_bytes = run("order_load", load, report)
    # all but the first two frames bring two orders
    assert (seen, orders) == (count, 2 * (count - 2)), f"{orders} orders of {seen} frames"
    assert frame_bytes > 400, f"{frame_bytes} bytes of the last two frames"
    return _found(ORDER_PARTS, report, count - 2)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="cachegrind", description=__doc__)
    parser.add_argument("--out", type=Path, default=CACHE / "callgrind.out", metavar="FILE")
    options = parser.parse_args(words)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    orders = options.out.with_name(f"{options.out.name}.orders")
    found = [(one, "frame") for one in misses(options.out)]
    found += [(one, "pair of orders") for one in order_misses(orders)]
    for one, unit in found:
        print(
            f"{one.part:<10} {one.instructions / one.frames:7.1f} instructions, "
            f"{one.accesses / one.frames:6.1f} accesses a {unit}; {one.percent:6.3f} % missed "
            f"({one.missed / one.frames:.3f} lines)"
        )
    print(f"{FRAMES:,} frames, {source()}; {ORDER_FRAMES:,} frames that cross")
    print(f"line by line: callgrind_annotate --tree=none {options.out}, {orders}")
    return 0


if __name__ == "__main__":
    run_guarded(main)
