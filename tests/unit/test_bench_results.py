"""What the bench keeps of its runs, how runs become one row, and the table of README."""

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

harness = pytest.importorskip("benchmarks.harness")
kept = pytest.importorskip("benchmarks.kept")
noise = pytest.importorskip("benchmarks.noise")
report = pytest.importorskip("benchmarks.report")


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False
    )


def test_runs_are_brought_together_by_their_medians() -> None:
    calm, storm = (noise.Weather(steal, 0, "core 0", 1, 1, 0.0) for steal in (0.0, 9.0))
    found = harness.medians(
        harness.Row(
            name="x", unit="ns", p50=p50, p99=2 * p50, n=5, weather=weather, bar="<= 3",
            judge=lambda row: row.p50 <= 3, more={"p90": p50 + 1},
        )
        for p50, weather in ((1.0, calm), (9.0, storm), (2.0, calm))
    )  # fmt: skip
    assert (found.p50, found.p99, found.n, found.more["p90"]) == (2.0, 4.0, 15, 3.0)
    assert found.holds
    assert found.weather is storm
    assert found.more["p50_of_runs"] == [1.0, 9.0, 2.0]


def test_noisy_runs_are_left_out_where_there_are_calm_ones() -> None:
    runs = [
        harness.Row(name="x", unit="ns", p50=p50, n=1, note=note)
        for p50, note in ((90.0, "NOISY (9 % stolen); a"), (1.0, "a"), (3.0, "a"), (80.0, "NOISY"))
    ]
    found = harness.medians(runs)
    assert (found.p50, found.n, found.is_noisy, found.runs) == (2.0, 2, False, 2)
    assert found.note == "a; median of 2 runs, 2 noisy ones left out"
    assert harness.medians(runs[:1] + runs[3:]).is_noisy


def test_a_kept_row_is_read_as_it_was_written() -> None:
    for unit in ("ns", "ns/frame", "frames/s", "MB", "% of a core"):
        row = harness.Row(
            name="x", unit=unit, p50=1.5, p99=2.0, floor="f", floor_p50=1.0, ratio_to_floor=1.5,
            n=7, note="asserted", bar="<= 3", holds=True, more={"p90": 1.75, "by_run": [1, 2]},
            weather=noise.Weather(0.5, 3, "core 0", 1, 2, 0.1, 4, 5.0),
        )  # fmt: skip
        assert kept.row_of(json.loads(json.dumps(row.as_json()))) == row


def test_runs_made_apart_are_joined(tmp_path: Path) -> None:
    """Those of this machine and commit that were asked the same way; nothing is measured."""
    short = ("--seconds", "0.1", "--no-repeat", "--results", str(tmp_path))
    for names in (("symbol_map",), ("symbol_map", "spread_batch")):
        done = run(*short, *(word for name in names for word in ("--only", name)))
        assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("name", "host") for line in lines] == [
        "host", "symbol_map", "host", "symbol_map", "spread_batch"
    ]  # fmt: skip
    other = lines[0] | {"commit": "0123456"}  # of another commit: not ours to join
    path.write_text("".join(json.dumps(line) + "\n" for line in [other, lines[1], *lines]))
    done = run("--join", *short, "--json", "-")
    assert done.returncode == 0, done.stderr
    found = {row["name"]: row for row in json.loads(done.stdout)}
    assert list(found) == ["symbol_map", "spread_batch"]
    # a noisy run is left out beside a calm one
    calm = [row for row in (lines[1], lines[3]) if not row["noisy"]] or [lines[1], lines[3]]
    assert found["symbol_map"]["p50"] == np.median([row["p50"] for row in calm])
    assert found["spread_batch"]["n"] == lines[4]["n"]
    assert len(path.read_text().splitlines()) == len(lines) + 2
    done = run("--join", "--quick", "--results", str(tmp_path))
    assert done.returncode != 0
    assert "keeps no run of commit" in done.stderr
    path.write_text("{}\nnothing\n")
    done = run("--join", *short)
    assert done.returncode != 0
    assert "is no row of arb bench" in done.stderr


def test_the_table_of_readme_stands_between_its_marks(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"above\n{report.BEGIN}\nyesterday\n{report.END}\nbelow\n")
    header = {
        "cpu": "C", "usable_cores": [0, 1, 2, 3], "kernel": "6", "python": "3.11", "commit": "abc",
        "began": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    row = harness.Row(
        name="x", unit="ns/frame", p50=47.2, p99=1200.0, floor="reading", floor_p50=10.0,
        ratio_to_floor=4.72, peer="json", peer_p50=4720.0, ratio_to_peer=100.0, bar="<= 60 ns",
        holds=True, n=3,
    )  # fmt: skip
    report.write_readme(path, header, [row])
    text = path.read_text()
    assert text.startswith("above\n")
    assert text.endswith(f"{report.END}\nbelow\n")
    assert "yesterday" not in text
    assert (
        "| `x` | 47.2 ns | 1.2 us | 10 ns (x 4.72): reading | 4.72 us (x 100): json | "
        "<= 60 ns, holds |"
    ) in text
    storm = noise.Weather(9.0, 0, "core 0", 1, 1, 0.0)
    noisy = harness.replace(row, weather=storm, note="NOISY (9.0 % stolen); asserted")
    report.write_readme(path, header, [noisy])
    assert "| `x` | noisy: 9.0 % stolen by the hypervisor | | | | <= 60 ns |" in path.read_text()
    five = harness.replace(row, more={"p50_of_runs": [1.0] * 5})
    report.write_readme(path, header, [row, five])
    assert "commit abc, 2026-01-02; medians of 1 to 5 runs.\n" in path.read_text()
    report.write_readme(path, header, [five, five])
    assert "commit abc, 2026-01-02; medians of 5 runs.\n" in path.read_text()
    path.write_text("nothing")
    with pytest.raises(report.ConfigError):
        report.write_readme(path, header, [row])
