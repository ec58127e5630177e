"""``python -m benchmarks``: ask every question, print the answers, keep them."""

import argparse
import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from arbitrage.core.threads import available_cores
from arbitrage.errors import ArbitrageError, ConfigError, run_guarded
from benchmarks.catalog import QUESTIONS, chosen
from benchmarks.harness import Question, Row, Setup, ask, medians
from benchmarks.kept import join, keep
from benchmarks.report import Bar, show, write_json, write_readme

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
SECONDS, QUICK_SECONDS = 5.0, 0.5
LEAST_SECONDS = 0.1
# A run ends within 8 minutes, a quick one within one: what is promised, less a reserve.
LIMIT_S, QUICK_LIMIT_S = 420.0, 48.0
AROUND_S = 1.0  # what a question takes beside its rounds, until the run itself tells
FEW_CORES = 2  # then the questions between threads compete with the system for their cores
RUNS_MAX = 99


def host(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures depend on."""
    model = "unknown"
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
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
        "asked": {name: getattr(options, name) for name in ("quick", "seconds", "cores")},
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="arb bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME",
        help="a row, or all that begin so; may be repeated",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="all of it in less than a minute")
    parser.add_argument("--seconds", type=float, help=f"a question's time (default {SECONDS:g})")
    parser.add_argument("--no-repeat", action="store_true", help="ask noisy questions once, too")
    parser.add_argument("--runs", type=int, default=1, help="show medians of so many runs")
    parser.add_argument(
        "--join", action="store_true",
        help="measure nothing: medians of all kept runs of this machine and commit",
    )  # fmt: skip
    parser.add_argument("--cores", metavar="LIST", help="cores to use, the first choice first")
    parser.add_argument("--json", metavar="FILE", help="one array of rows, to a file or -")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder that keeps the rows")
    parser.add_argument("--list", action="store_true", help="name the questions and exit")
    parser.add_argument(
        "--write-readme", action="store_true", help="put the table of this run into README.md"
    )
    found = parser.parse_args(words)
    if found.seconds is not None and not 0 < found.seconds <= 3600:
        raise ConfigError(f"--seconds was {found.seconds:g}; accepted are values up to 3600")
    if not 1 <= found.runs <= RUNS_MAX:
        raise ConfigError(f"--runs was {found.runs}; accepted are 1 to {RUNS_MAX}")
    if found.write_readme and found.only:
        raise ConfigError("--write-readme writes the whole table; leave --only out")
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


class Budget:
    """Time for one run: each question gets the same, less when there are many; noise its repeats.

    With `seconds` each question gets exactly that, and every noisy one is repeated.
    """

    def __init__(
        self,
        questions: list[Question],
        *,
        quick: bool,
        seconds: float | None,
        repeats: bool = True,
    ) -> None:
        self._exact_s = seconds
        self._repeats = repeats
        self._each_s = QUICK_SECONDS if quick else SECONDS
        self._limit_s = QUICK_LIMIT_S if quick else LIMIT_S
        self._left = list(questions)
        self._began_s = time.monotonic()
        self._around_s = [AROUND_S]
        self._question_began_s = self._given_s = 0.0

    def begin(self) -> float:
        """Return the seconds of the next question."""
        self._question_began_s = time.monotonic()
        if self._exact_s is not None:
            self._given_s = self._exact_s
        else:
            fixed = sum(one.least_s for one in self._left)
            around = len(self._left) * sum(self._around_s) / len(self._around_s)
            spare = self._limit_s - (self._question_began_s - self._began_s) - fixed - around
            share = spare / max(1, sum(not one.least_s for one in self._left))
            self._given_s = max(LEAST_SECONDS, min(self._each_s, share))
        return self._given_s

    def end(self) -> None:
        """A question was answered."""
        done = self._left.pop(0)
        if not done.least_s:
            took_s = time.monotonic() - self._question_began_s
            self._around_s.append(max(0.0, took_s - self._given_s))

    def may_repeat(self) -> bool:
        """Whether there is time to ask the present question once more."""
        if self._exact_s is not None or not self._repeats:
            return self._repeats
        now_s = time.monotonic()
        again_s = now_s - self._question_began_s
        rest = self._left[1:]
        around_s = sum(self._around_s) / len(self._around_s)
        rest_s = sum(one.least_s or self._each_s + around_s for one in rest)
        return now_s - self._began_s + again_s + rest_s < self._limit_s


def meaningless(question: Question, cores: tuple[int, ...]) -> str | None:
    """Return why a question cannot be answered on these cores."""
    if len(cores) < question.cores or (question.cores > 1 and len(cores) <= FEW_CORES):
        return (
            f"{question.name}: meaningless here: it spins on {question.cores} cores and "
            f"{len(cores)} can be used"
        )
    return None


def one_run(
    asked: list[tuple[Question, frozenset[str] | None]],
    cores: tuple[int, ...],
    options: argparse.Namespace,
    tell: Callable[[Bar, Row], None],
) -> list[Row]:
    """Ask every question once; noisy ones again while there is time."""
    rows: list[Row] = []
    able = []
    with Bar(len(asked)) as bar:
        for question, wanted in asked:
            if reason := meaningless(question, cores):
                bar.print(reason, to_stderr=True)
            elif options.quick and not question.quick and not options.only:
                bar.print(f"{question.name}: not in a quick run; --only asks it", to_stderr=True)
            else:
                able.append((question, wanted))
        budget = Budget(
            [one for one, _ in able],
            quick=options.quick,
            seconds=options.seconds,
            repeats=not options.no_repeat,
        )
        for place, (question, wanted) in enumerate(able):
            bar.begin(question.name, place, len(able))
            setup = Setup(cores, budget.begin(), bar.say)
            try:
                answer = ask(question, setup, budget.may_repeat)
            except ArbitrageError as error:
                bar.print(f"{question.name}: not measured: {error}", to_stderr=True)
                answer = []
            budget.end()
            for row in answer:
                if wanted is None or row.name in wanted:
                    rows.append(row)
                    tell(bar, row)
    return rows


def measured(
    asked: list[tuple[Question, frozenset[str] | None]], options: argparse.Namespace, *,
    is_told: bool,
) -> list[list[Row]]:  # fmt: skip
    """Ask everything as often as is wanted, keep each run when it ends, and return them."""
    cores = chosen_cores(options.cores)

    def tell(bar: Bar, row: Row) -> None:
        if is_told:
            bar.print(show(row) + "\n")

    runs = []
    for _ in range(options.runs):
        header = host(options)
        runs.append(one_run(asked, cores, options, tell))
        keep(header, runs[-1], options.results)
    return runs


def run(words: list[str] | None = None) -> int:
    """Ask what was asked for; return 0 also where a bar does not hold: that is no failure."""
    options = arguments(words)
    if options.list:
        for question in QUESTIONS:
            print(f"{question.name:<30} {question.about}")
        return 0
    asked, header = chosen(options.only), host(options)
    at_once = options.runs == 1 and options.json != "-" and not options.join
    if options.join:
        runs = join(header, options.results)
    else:
        runs = measured(asked, options, is_told=at_once)
    rows = [
        medians(found)
        for question, wanted in asked
        for name in question.row_names
        if (wanted is None or name in wanted)
        and (found := [row for rows in runs for row in rows if row.name == name])
    ]
    if options.json:
        write_json(rows, options.json)
    if not at_once and options.json != "-":
        print("\n\n".join(show(row) for row in rows))
    if options.write_readme:
        write_readme(ROOT / "README.md", header, rows)
    return 0 if rows else 1


if __name__ == "__main__":
    run_guarded(run)
