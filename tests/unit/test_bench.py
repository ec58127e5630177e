"""Every benchmark answers, with its floor or peer, and what it asserts would fail on wrong work."""

import json
import os
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
harness = pytest.importorskip("benchmarks.harness")

NAMES = [question.name for question in benchmarks.QUESTIONS]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """Rows of one short run of everything, in a process of its own."""
    folder = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "benchmarks", "--seconds", "0.1", "--json", "-"]
    done = subprocess.run(
        [*command, "--results", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=500, check=False,
        env=os.environ | {"ARB_REAL_DATA": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    kept = "".join(path.read_text() for path in folder.glob("*.jsonl"))
    assert kept == done.stdout
    assert found[0]["host"] is True
    assert {"cpu", "cores", "kernel", "python"} <= set(found[0])
    meaningless = {name for name in NAMES if f"{name}: meaningless here" in done.stderr}
    answered = {row["name"]: row for row in found[1:]}
    assert set(NAMES) == meaningless | set(answered)
    return answered


def test_every_row_has_its_figures_and_something_beside_them(
    rows: dict[str, dict[str, object]],
) -> None:
    for name, row in rows.items():
        assert row["p50"] > 0, name
        assert row["n"] > 0, name
        assert "assert" in str(row["note"]), name
        weather = row["weather"]
        assert weather["steal_pct"] is not None, name
        if row["floor"] is None and row["peer"] is None:
            assert row["bar"] is not None, name
        if row["peer"] is not None:
            assert row["peer_p50"] > 0, name
            assert row["ratio_to_peer"] > 0, name


def test_questions_are_named_once() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_an_unknown_question_is_one_clear_line() -> None:
    command = [sys.executable, "-m", "benchmarks", "--only", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.startswith("error: --only was 'nothing'; accepted values are parse_bybit")
    assert done.stderr.count("\n") == 1


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

    monkeypatch.setattr(harness, "Noise", Stormy)
    monkeypatch.setattr(harness, "pin", lambda core: None)
    found = harness.ask(harness.Question("x", 1, answer, ""), harness.Setup((0,), 0.1))
    assert len(asked) == harness.REPEATS
    assert found.note == "NOISY (3.0 % stolen by the hypervisor); asserted"
    assert found.weather is storms[1]


def test_a_calm_run_is_not_noise() -> None:
    noise = pytest.importorskip("benchmarks.noise")
    assert noise.Weather(2.0, 9, "core 0", 1, 1, 2.0).noise == ""
    assert noise.Weather(None, 9, "none", None, None, None).noise == ""
    assert noise.Weather(0.0, 9, "core 0", 1, 1, 2.1).noise == "2.1 % of the meter's time lost"
