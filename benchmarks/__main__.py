"""``python -m benchmarks``: ask every question, print the answers, keep them."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from arbitrage.core.threads import available_cores
from arbitrage.errors import ArbitrageError, ConfigError, run_guarded
from benchmarks import (
    book,
    feed_lane,
    frame_to_opportunity,
    journal,
    parse_frames,
    replay_frames,
    replay_records,
    risk_gate,
    spread,
    spsc_ring,
    symbol_lookup,
)
from benchmarks.harness import Question, Row, Setup, ask

MODULES = (
    parse_frames,
    book,
    feed_lane,
    spread,
    spsc_ring,
    symbol_lookup,
    risk_gate,
    journal,
    frame_to_opportunity,
    replay_frames,
    replay_records,
)
QUESTIONS: tuple[Question, ...] = tuple(item for part in MODULES for item in part.QUESTIONS)
RESULTS = Path(__file__).parent / "results"
SECONDS, QUICK_SECONDS = 5.0, 0.5
FEW_CORES = 2  # then the questions between threads compete with the system for their cores


def host() -> dict[str, Any]:
    """Return what the figures depend on."""
    model = "unknown"
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    root = Path(__file__).parents[1]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True
    )
    return {
        "host": True,
        "cpu": model,
        "cores": os.cpu_count(),
        "usable_cores": available_cores(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": commit.stdout.strip() or None,
        "load_1min": os.getloadavg()[0],
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="arb bench", description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="one question")
    parser.add_argument("--quick", action="store_true", help="half a second a question")
    parser.add_argument("--seconds", type=float, help=f"a question's time (default {SECONDS:g})")
    parser.add_argument("--cores", metavar="LIST", help="cores to use, the first choice first")
    parser.add_argument("--json", metavar="FILE", help="rows as JSON lines, to a file or -")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder that keeps the rows")
    parser.add_argument("--list", action="store_true", help="name the questions and exit")
    found = parser.parse_args(words)
    names = [question.name for question in QUESTIONS]
    unknown = sorted(set(found.only) - set(names))
    if unknown:
        raise ConfigError(f"--only was {unknown[0]!r}; accepted values are {', '.join(names)}")
    if found.seconds is not None and not 0 < found.seconds <= 3600:
        raise ConfigError(f"--seconds was {found.seconds:g}; accepted are values up to 3600")
    return found


def chosen_cores(text: str | None) -> tuple[int, ...]:
    """Return the cores to use: those asked for, else all usable ones, the last first."""
    usable = available_cores()
    if text is None:
        return tuple(reversed(usable))
    try:
        wanted = tuple(int(word) for word in text.split(","))
    except ValueError:
        raise ConfigError(f"--cores was {text!r}; accepted are numbers such as 3,2") from None
    missing = [core for core in wanted if core not in usable]
    if missing:
        raise ConfigError(f"--cores named core {missing[0]}; usable here are {usable}")
    return wanted


def number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def show(row: Row) -> str:
    """Write one row for a person, over a few lines."""
    verdict = "" if row.holds is None else "  holds" if row.holds else "  DOES NOT HOLD"
    lines = [
        f"{row.name:<30} p50 {number(row.p50):>9}   p99 {number(row.p99):>9}   "
        f"p99.9 {number(row.p999):>9}  {row.unit}" + (f"   [{row.bar}{verdict}]" if row.bar else "")
    ]
    if row.floor:
        lines.append(
            f"    floor {number(row.floor_p50)} / {number(row.floor_p99)}: {row.floor}; "
            f"we take {number(row.ratio_to_floor)} times that"
        )
    if row.peer:
        lines.append(
            f"    peer {number(row.peer_p50)}: {row.peer}; "
            f"we are {number(row.ratio_to_peer)} times as fast"
        )
    for name, value in row.more.items():
        lines.append(f"    {name} {value if isinstance(value, list) else number(value)}")
    weather = row.weather
    if weather is not None:
        steal = "unknown" if weather.steal_pct is None else f"{weather.steal_pct:.2f} %"
        hiccups = (
            f"hiccups on {weather.meter}: p99.99 {number(weather.hiccup_p9999_ns)} ns, "
            f"max {number((weather.hiccup_max_ns or 0) / 1000)} us, "
            f"{number(weather.hiccup_lost_pct)} % of the time lost"
            if weather.hiccup_max_ns is not None
            else weather.meter
        )
        lines.append(f"    steal {steal}; {hiccups}; preempted {weather.switches} times")
    lines.append(f"    {row.note}; n {row.n:,}")
    return "\n".join(lines)


def run(words: list[str] | None = None) -> int:
    """Ask what was asked for; return 0 also where a bar does not hold: that is no failure."""
    options = arguments(words)
    if options.list:
        for question in QUESTIONS:
            print(f"{question.name:<30} {question.about}")
        return 0
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    cores = chosen_cores(options.cores)
    asked = [item for item in QUESTIONS if not options.only or item.name in options.only]
    header = host()
    rows: list[dict[str, Any]] = [header]
    to_stdout = options.json == "-"
    for place, question in enumerate(asked, 1):
        title = f"[{place}/{len(asked)}] {question.name}"
        if len(cores) < question.cores or (question.cores > 1 and len(cores) <= FEW_CORES):
            print(
                f"{question.name}: meaningless here: it spins on {question.cores} cores and "
                f"{len(cores)} can be used",
                file=sys.stderr,
            )
            continue
        say = _progress(title)
        say("begins")
        row = ask(question, Setup(cores, seconds, say))
        _progress("")("")
        rows.append(row.as_json())
        if not to_stdout:
            print(show(row), end="\n\n", flush=True)
    keep(rows, options.results, options.json)
    return 0


def _progress(title: str) -> Any:
    """Return what shows progress: a line that rewrites itself, on a terminal only."""

    def say(text: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{title} {text}".rstrip(" "))
            sys.stderr.flush()
        elif text == "begins":
            print(title, file=sys.stderr, flush=True)

    return say


def keep(rows: list[dict[str, Any]], folder: Path, json_target: str | None) -> None:
    """Append the rows to the day's file, and write them where asked."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / f"{time.strftime('%Y-%m-%d')}.jsonl", "a") as out:
            out.write(text)
        if json_target == "-":
            sys.stdout.write(text)
        elif json_target:
            Path(json_target).write_text(text)
    except OSError as error:
        raise ArbitrageError(f"results could not be written: {error}") from None


if __name__ == "__main__":
    run_guarded(run)
