"""``arb convert`` as a person uses it: the result, its JSON, and one line for what is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from market_frames import made_day, write

from arbitrage.research.market import open_data

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")


def arb(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "arbitrage.cli", "convert", *map(str, words)],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip


def test_there_and_back(tmp_path: Path) -> None:
    folder = write(tmp_path / "given", **made_day(7, 300))
    done = arb(folder, tmp_path / "days", "--json", "-")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["form"], told["files"]) == ("parquet", 2)
    done = arb(tmp_path / "days", tmp_path / "again", "--to", "frames", "--compress", "none")
    assert done.returncode == 0, done.stderr
    assert "okx_frames" in done.stdout
    wanted = open_data(folder)
    assert open_data(tmp_path / "again").records().tobytes() == wanted.records().tobytes()
    done = arb(tmp_path / "days", tmp_path / "q.csv", "--venues", "okx")
    assert done.returncode == 0, done.stderr
    assert "levels, funding rates and gaps were left out" in done.stderr
    done = arb(
        tmp_path / "q.csv", tmp_path / "quotes", "--column", "bid_qty=2", "--symbols", "BTCUSDT"
    )
    assert done.returncode == 0, done.stderr
    quotes = open_data(tmp_path / "quotes").records()
    assert set(quotes["venue"]) == {1}
    assert set(quotes["bid_qty"][quotes["bid_px"] > 0]) == {2.0}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nothing", "out"], "nothing is no market data: expected is the folder of a recording"),
        (["x.csv", "out", "--column", "bid"], "--column was 'bid'; accepted is NAME=COLUMN"),
        (["x.csv", "out", "--venues", "binance"], "--venues was 'binance'; accepted are bybit, ok"),
        (["s3x://a", "out"], "s3x://a cannot be opened: "),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, words: list[str], says: str) -> None:
    done = arb(*words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {says}")
    assert done.stderr.count("\n") == 1
