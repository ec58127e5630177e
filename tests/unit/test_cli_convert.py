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
        (["nothing", "out"], "nothing does not exist"),
        (["*.nothing", "out"], "*.nothing does not exist: no file has such a name"),
        (["x.csv", "out", "--column", "bid_px=b", "--column", "bid_px=c"],
         "--column gave bid_px twice, 'b' and 'c'; leave one"),
        (["x.csv", "out", "--venue", "okex"], "--venue was 'okex'; accepted is WORD=VENUE, okex-s"),
        (["x.csv", "out", "--symbol", "=B"], "--symbol was '=B'; accepted is NAME=SYMBOL, BTC-PE"),
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


def test_a_name_that_no_form_has_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "given", **made_day(3, 50))
    done = arb(folder, tmp_path / "out.txt")
    assert done.returncode == 2
    assert "a Parquet data set and frames are folders, of names without .txt" in done.stderr
    assert not (tmp_path / "out.txt").exists()
    assert arb(folder, tmp_path / "out.txt", "--to", "parquet").returncode == 0
    assert arb(folder, tmp_path / "2026.03").returncode == 0


def test_files_that_the_shell_found_and_words_of_others(tmp_path: Path) -> None:
    for day in range(3):
        (tmp_path / f"{day}.csv").write_text(
            "time,exchange,name,bid,ask\n"
            f"{1_790_000_000 + day},okex-swap,BTC-PERP,99,100\n"
            f"{1_790_000_000 + day},kraken,BTC-PERP,99,100\n"
        )
    columns = ["recv_ns=time", "time_unit=s", "venue=exchange", "symbol=name", "bid_px=bid",
               "ask_px=ask", "bid_qty=1", "ask_qty=1"]  # fmt: skip
    words = [word for column in columns for word in ("--column", column)]
    words += ["--venue", "okex-swap=okx", "--venue", "kraken=none", "--symbol", "BTC-PERP=BTCUSDT"]
    done = arb(*sorted(tmp_path.glob("*.csv")), tmp_path / "days", *words)
    assert done.returncode == 0, done.stderr
    again = arb(tmp_path / "*.csv", tmp_path / "again", *words)
    assert again.returncode == 0, again.stderr
    found = open_data(tmp_path / "days")
    assert (found.count, found.symbols) == (3, ("BTCUSDT",))
    assert open_data(tmp_path / "again").records().tobytes() == found.records().tobytes()


def test_frames_say_that_they_cut_times(tmp_path: Path) -> None:
    whole_ns = 1_790_000_000 * 10**9
    for name, time_ns in (("fine", whole_ns + 500), ("whole", whole_ns)):
        (tmp_path / f"{name}.csv").write_text(
            "recv_ns,exch_ns,venue,symbol,bid_px,bid_qty,ask_px,ask_qty,number\n"
            f"{time_ns},{time_ns},okx,BTCUSDT,99,1,100,1,7\n"
        )
        done = arb(tmp_path / f"{name}.csv", tmp_path / name, "--to", "frames")
        assert done.returncode == 0, done.stderr
        said = "the venue's times of 1 records are cut to the millisecond"
        assert (said in done.stderr) == (name == "fine")
