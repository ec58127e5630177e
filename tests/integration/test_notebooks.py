"""The notebooks: each runs from clean to its end, and shows what it says it shows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("jupytext")
ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
# What a person would look for: pictures, and words of what its cells show.
SHOWN = {
    "1": (3, ["Replay(", "bybit.frames.gz"]),
    "2": (6, ["MarketData(191,", "slippage", "paid_usd"]),
    "3": (3, ["WideOnly", "Money (2)", "pairs_closed"]),
    "4": (2, ["Quotes (3)", "Latency, ns", "has ended"]),
    "5": (1, ["Sweep(96 runs of 24", "True", "96 of them done before"]),
}
QUICK = {"1", "2"}  # `make notebooks` and `make test-long` execute all


def parameters() -> list[object]:
    return [
        pytest.param(path, id=path.stem, marks=[] if path.name[0] in QUICK else pytest.mark.long)
        for path in NOTEBOOKS
    ]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("path", parameters())
def test_it_runs_to_its_end(path: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "bin" / "run-notebooks"), str(path)]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cells = json.loads((tmp_path / f"{path.stem}.ipynb").read_text())["cells"]
    outputs = [each for cell in cells for each in cell.get("outputs", ())]
    assert [each for each in outputs if each["output_type"] == "error"] == []
    shown = [each.get("data", {}) for each in outputs]
    pictures, words = SHOWN[path.name[0]]
    assert sum("image/png" in each for each in shown) >= pictures
    text = "\n".join("".join(each.get(kind, "")) for each in shown for kind in each)
    for word in words:
        assert word in text


def test_a_cell_that_fails_is_told(tmp_path: Path) -> None:
    notebook = tmp_path / "broken.py"
    notebook.write_text("# %%\n1 + 1\n# %%\nraise ValueError('of its own')\n")
    command = [sys.executable, str(ROOT / "bin" / "run-notebooks"), str(notebook)]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "broken.py" in done.stdout
    assert "failed" in done.stdout
    assert "ValueError: of its own" in done.stderr
    assert (tmp_path / "out" / "broken.ipynb").exists()


def test_all_are_there_and_paired() -> None:
    assert [path.name[0] for path in NOTEBOOKS] == ["1", "2", "3", "4", "5"]
    for path in NOTEBOOKS:
        assert "formats: ipynb,py:percent" in path.read_text()
