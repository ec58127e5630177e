"""Do the programs that people watch a trader with slow it? ``python -m benchmarks.cold_side``.

One `arb demo` trades at a steady rate all along. Windows with nothing attached (A) alternate with
windows in which a monitor that is scraped ten times a second, an open page, a dashboard, a mirror
into Redis and a recorder are attached (B), in pairs of random order; the programs are started
before each B and ended after it, and neither is in a window. Then two hard cases, each between
two more A: the mirror's Redis stopped (SIGSTOP), and two readers stuck, mirror and recorder.

Judged is wire to opportunity: a frame in the feed callback to its opportunity seen by the strategy
(stage ``seen``), from the trader's own histograms. p50 must be within 10 %, or within the band of
A against A in the same run when that is wider; p99, on 6 cores or more, within 25 % or the band.
Whatever a reader missed must be in its own counts. Exit code 1 when something does not hold.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from arbitrage.core.segment import Segment
from arbitrage.core.threads import available_cores
from arbitrage.errors import ArbitrageError, run_guarded
from benchmarks.cold_counts import Account, frames_account, mirror_accounts, typed_accounts
from benchmarks.cold_programs import ColdSide
from benchmarks.cold_trader import CORES_MIN, Places, demo, places
from benchmarks.cold_windows import (
    STAGES,
    Comparison,
    Window,
    compare,
    halves_band,
    measure,
    neighbours_band,
)

__all__ = ["Options", "Result", "run"]

SYMBOL = "BTCUSDT"
CALM_MAX_S = 2.0  # after programs were started or ended, before a window
COLD_NICE = 19


@dataclass(frozen=True)
class Options:
    """What to measure, and how long."""

    pairs: int = 10
    seconds: float = 10.0
    hard_seconds: float = 60.0
    rate: int = 2000
    wait: str | None = None
    seed: int = 0


@dataclass
class Result:
    """All that was measured."""

    options: Options
    places: Places
    cores: int
    wait: str
    threads: list[dict[str, Any]]
    windows: list[Window] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    programs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def faults(self) -> list[str]:
        """Return what is not as promised, one line each."""
        found = [
            f"{one.kind}: {one.figure} is {one.ratio:.2f} times that without, more than "
            f"{one.bound:.2f}"
            for one in self.comparisons
            if one.holds is False
        ]
        return found + [account.text for account in self.accounts if not account.is_whole]

    def as_json(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {
            "options": asdict(self.options),
            "places": asdict(self.places),
            "cores": self.cores,
            "wait": self.wait,
            "threads": self.threads,
            "programs": self.programs,
            "windows": [window.as_json() for window in self.windows],
            "comparisons": [one.as_json() for one in self.comparisons],
            "accounts": [asdict(one) | {"is_whole": one.is_whole} for one in self.accounts],
            "faults": self.faults(),
        }


# ---- windows -------------------------------------------------------------------------------------


class Runner:
    """Measure one kind of window after the other."""

    def __init__(
        self, segment: Segment, folder: Path, result: Result, say: Callable[[str], None]
    ) -> None:
        self._segment, self._folder, self._result, self._say = segment, folder, result, say
        self._turn = 0
        self._calm_s = min(CALM_MAX_S, result.options.seconds)

    def without(self) -> Window:
        """Measure with nothing attached but this program, which sleeps."""
        time.sleep(self._calm_s)
        return self._keep(measure(self._segment, "A", self._result.options.seconds))

    def attached(
        self,
        kind: str,
        seconds: float,
        stopped: tuple[str, ...] = (),
        settle: Callable[[ColdSide, Window], None] = lambda cold, window: None,
    ) -> Window:
        """Measure with everything attached; `stopped` are programs that stand still meanwhile."""
        self._turn += 1
        with ColdSide(self._segment.name, self._folder / str(self._turn), SYMBOL) as cold:
            self._result.programs = _facts(cold)
            time.sleep(self._calm_s)
            begun = mirror_accounts(cold, self._segment, None)
            work, spent = cold.work(), cold.cpu_s()
            for title in stopped:
                cold.signal(title, signal.SIGSTOP)
            try:
                window = measure(self._segment, kind, seconds)
                spent = {title: s - spent[title] for title, s in cold.cpu_s().items()}
            finally:
                for title in stopped:
                    cold.signal(title, signal.SIGCONT)
            cold.check()
            ended = mirror_accounts(cold, self._segment, begun)
            done = {what: count - work[what] for what, count in cold.work().items()}
            idle = [what for what in ("monitor", "page", "dashboard", "mirror") if done[what] <= 0]
            if idle:
                raise ArbitrageError(f"{idle[0]} did nothing in a window of {kind}: {done}")
            written = [tap.frames for tap in self._taps()]
            manifest = cold.manifest()
            accounts = [*ended, *typed_accounts(manifest, self._segment)]
            accounts.append(frames_account(manifest, written, [t.frames for t in self._taps()]))
            self._result.accounts += [replace(one, kind=kind) for one in accounts]
            cpu_pct = {title: 100 * s / window.seconds for title, s in spent.items()}
            return self._keep(replace(window, work=done, cpu_pct=cpu_pct))

    def _taps(self) -> list[Any]:
        return [self._segment.tap(lane) for lane in range(self._segment.spec["lane_count"])]

    def _keep(self, window: Window) -> Window:
        self._result.windows.append(window)
        seen = window.as_json()["stages"][STAGES[-1]]
        self._say(
            f"{window.kind:<14} {window.seconds:5.1f} s   n {seen['n']:>9,}   "
            f"p50 {seen['p50'] / 1e3:8.1f}   p99 {seen['p99'] / 1e3:9.1f}   "
            f"p99.9 {seen['p999'] / 1e3:9.1f} us   steal {window.steal_pct:.1f} %"
        )
        return window


def _facts(cold: ColdSide) -> dict[str, dict[str, Any]]:
    return {
        title: {
            "pid": pid,
            "nice": os.getpriority(os.PRIO_PROCESS, pid),
            "cores": sorted(os.sched_getaffinity(pid)),
        }
        for title, pid in cold.pids.items()
    }


HARD = {"redis stopped": ("redis",), "readers stuck": ("mirror", "recorder")}


def run(options: Options, say: Callable[[str], None]) -> Result:
    """Measure all of it; this process becomes a part of the cold side.

    Raises
    ------
    ArbitrageError
        A program ended early, or one of the cold ones did nothing.
    """
    cores = tuple(available_cores())
    where = places(cores)
    wait = options.wait or ("spin" if where.are_pinned else "adaptive")
    with tempfile.TemporaryDirectory(prefix="arb-cold-") as text:
        folder = Path(text)
        with demo(folder, options.rate, where, wait) as segment:
            os.sched_setaffinity(0, where.cold)
            os.setpriority(os.PRIO_PROCESS, 0, COLD_NICE)
            threads = [{key: row[key] for key in ("role", "core")} for row in segment.threads()]
            result = Result(options, where, len(cores), wait, threads)
            runner = Runner(segment, folder, result, say)
            orders = ["AB", "BA"] * ((options.pairs + 1) // 2)
            random.Random(options.seed).shuffle(orders)
            for kind in "".join(orders[: options.pairs]):
                if kind == "A":
                    runner.without()
                else:
                    runner.attached("B", options.seconds)
            _hard_cases(runner, result)
    kinds = {kind: [w for w in result.windows if w.kind == kind] for kind in ("A", "B")}
    alternating = kinds["A"][: options.pairs]
    band = halves_band(alternating)
    found = compare("all attached", alternating, kinds["B"], band, len(cores))
    result.comparisons = found + result.comparisons
    return result


def _hard_cases(runner: Runner, result: Result) -> None:
    options, cases = result.options, []
    before = runner.without()
    for kind, stopped in HARD.items():
        window = runner.attached(kind, options.hard_seconds, stopped)
        after = runner.without()
        cases.append((kind, [before, after], window))
        before = after
    band = neighbours_band([window for window in result.windows if window.kind == "A"])
    for kind, around, window in cases:
        result.comparisons += compare(kind, around, [window], band, result.cores)


# ---- for a person --------------------------------------------------------------------------------


def table(result: Result) -> list[str]:
    """Return what was found, a line each."""
    lines = ["", "against none attached     with     without   ratio   A/A band   bound"]
    for one in result.comparisons:
        band = "-" if one.band is None else f"{one.band:.2f}"
        verdict = {None: "not judged", True: "holds", False: "DOES NOT HOLD"}[one.holds]
        bound = f"{one.bound:5.2f}" if one.judged else "    -"
        lines.append(
            f"{one.kind:<14} {one.figure:<5} {one.with_ns / 1e3:9.1f} {one.without_ns / 1e3:9.1f} "
            f"us {one.ratio:6.2f}   {band:>8}   {bound}   {verdict}; n {one.n_with:,} and "
            f"{one.n_without:,}"
        )
    attached = [window for window in result.windows if window.kind != "A"]
    lines += ["", "program      nice  cores      % of a core, by kind of window"]
    for title, facts in result.programs.items():
        used: dict[str, list[float]] = {}
        for window in attached:
            used.setdefault(window.kind, []).append(window.cpu_pct[title])
        shares = ", ".join(f"{kind} {sum(of) / len(of):.1f}" for kind, of in used.items())
        cores = ",".join(map(str, facts["cores"]))
        lines.append(f"{title:<12} {facts['nice']:>4}  {cores:<9}  {shares}")
    plain = [window for window in attached if window.kind == "B"]
    if plain:
        scrapes = [window.work["monitor"] / window.seconds for window in plain]
        lines.append(f"scrapes a second in B: {min(scrapes):.1f} at least")
    lines += ["", *(account.text for account in result.accounts if account.kind in HARD)]
    drops = {
        what: sum(w.drops[what] for w in result.windows) for what in ("ticks", "opportunities")
    }
    lines.append(
        f"the trader itself dropped {drops['ticks']} ticks, {drops['opportunities']} events"
    )
    steal = [window.steal_pct for window in result.windows]
    lines.append(f"steal: {sum(steal) / len(steal):.2f} % on average, {max(steal):.2f} % at most")
    return lines


def _head(cores: int) -> str:
    where = places(tuple(available_cores()))
    if not where.are_pinned:
        return (
            f"{cores} cores: the line is meaningless on fewer than {CORES_MIN}, where the cold "
            "side has no core of its own; figures follow, and nothing is judged"
        )
    parts = {"feed": where.feed, "detector": where.detector, "strategy": where.strategy}
    parts |= {"venues": where.venues, "cold side, niced": where.cold}
    said = "; ".join(f"{what} {','.join(map(str, on))}" for what, on in parts.items())
    return f"{cores} cores: {said}"


def main() -> int:
    shown = Options()
    parser = argparse.ArgumentParser(
        prog="cold_side", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=shown.pairs, help="pairs of A and B")
    parser.add_argument("--seconds", type=float, default=shown.seconds, help="of a window")
    parser.add_argument("--hard-seconds", type=float, default=shown.hard_seconds)
    parser.add_argument("--rate", type=int, default=shown.rate, help="updates a second and venue")
    parser.add_argument("--wait", choices=("spin", "yield", "adaptive"), help="ARB_WAIT")
    parser.add_argument("--seed", type=int, default=shown.seed, help="of the order")
    parser.add_argument("--json", metavar="FILE", help="everything as JSON, to a file or -")
    options = parser.parse_args()
    to_stdout, target = options.json == "-", options.json
    del options.json

    def say(text: str) -> None:
        print(text, file=sys.stderr if to_stdout else sys.stdout, flush=True)

    say(_head(len(available_cores())))
    result = run(Options(**vars(options)), say)
    text = json.dumps(result.as_json(), indent=1) + "\n"
    if to_stdout:
        sys.stdout.write(text)
    elif target:
        Path(target).write_text(text)
    for line in table(result):
        say(line)
    faults = result.faults()
    for fault in faults:
        say(f"not as promised: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    run_guarded(main)
