"""Sweeps over real backtests: on processes and on a cluster, killed, interrupted, resumed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import arbitrage
from arbitrage.errors import ConfigError
from arbitrage.research.sweep import Sweep

GRID = {
    "min_net_bps": [0, 1, 2, 4, 8],
    "take_profit_bps": {"from": 0.5, "to": 2.5, "step": 0.5},
    "latency.order_us": [100, 2000, 20000, 100000],
}  # x 2 symbols: 200 runs
FIXED = {"fees": "bybit=0,okx=0", "min_gross_bps": 0}
RUNS = 200


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few seconds of both simulated venues, as a Parquet data set."""
    from arbitrage.research.parquet_writer import write_parquet
    from arbitrage.research.simulated import simulated_data

    folder = tmp_path_factory.mktemp("sweep") / "day"
    write_parquet(simulated_data(("BTCUSDT", "ETHUSDT"), 9.0, rate=150), str(folder))
    return folder


@pytest.fixture(scope="module")
def whole(day: Path, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """All runs on two processes."""
    out = tmp_path_factory.mktemp("whole")
    return arbitrage.sweep(day, GRID, fixed=FIXED, out=out / "kept", workers=2)


def same(first: Sweep, second: Sweep) -> bool:
    return first.results.dtype == second.results.dtype and (
        first.results.tobytes() == second.results.tobytes()
    )


def test_every_run_is_there_in_the_grids_order(whole: Sweep) -> None:
    table = whole.table
    assert len(whole) == RUNS
    assert set(table["status"]) == {"done"}, table["error"]
    assert table["symbols"][[0, 99, 100, 199]].tolist() == ["BTCUSDT"] * 2 + ["ETHUSDT"] * 2
    assert table["latency.order_us"][:5].tolist() == [100.0, 2000.0, 20000.0, 100000.0, 100.0]
    assert set(table["day"]) == {"2026-03-01"}
    assert len(set(table["key"])) == RUNS
    # they traded, and differ by what was changed
    assert table["pairs"].max() > 3
    assert len(set(table["net_usd"].tolist())) > 50
    parts = table["gross_usd"] + table["slippage_usd"] + table["fees_usd"] + table["funding_usd"]
    np.testing.assert_allclose(table["net_usd"], parts, atol=1e-9)


def test_a_cluster_of_two_workers_finds_the_same(day: Path, whole: Sweep) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1",
            dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        killed: list[int] = []

        def kill_one(done: int, total: int, row: Any) -> None:
            """A worker is lost in the middle; Dask starts another and does its runs again."""
            if done > total // 4 and not killed:
                killed.append(next(iter(client.run(os.getpid).values())))
                os.kill(killed[0], signal.SIGKILL)

        found = arbitrage.sweep(
            day, GRID, client.get_executor(), fixed=FIXED, progress=kill_one, workers=2
        )
    assert killed
    assert same(found, whole)


def test_a_killed_worker_changes_nothing(day: Path, whole: Sweep, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_one(done: int, total: int, row: dict[str, Any] | None) -> None:
        if row is not None and done % 20 == 0 and len(killed) < 2:
            pid = int(row["worker"].rpartition(":")[2])
            if pid in {child.pid for child in psutil.Process().children()}:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    found = arbitrage.sweep(day, GRID, fixed=FIXED, out=tmp_path, workers=2, progress=kill_one)
    assert len(killed) == 2
    assert same(found, whole)


HELD = """
import time
from pathlib import Path

from arbitrage import Strategy

class Held(Strategy):
    number = 0

    def on_start(self):
        while self.number >= 20 and not Path(__file__).with_name("go").exists():
            time.sleep(0.01)

    def on_opportunity(self, seen):
        if seen.event == "open" and seen.net_bps > self.number:
            self.open(seen.symbol, buy=seen.buy, sell=seen.sell)
"""
HELD_GRID = {"strategy.number": list(range(40))}


def held(folder: Path) -> dict[str, Any]:
    """Settings of a sweep whose last half of runs waits for a file."""
    (folder / "held.py").write_text(HELD)
    return {"strategy": f"{folder / 'held.py'}:Held"}


def interrupted(
    day: Path, out: Path, how: Callable[["subprocess.Popen[str]"], None]
) -> "subprocess.Popen[str]":
    """Start a sweep as a program, and stop it once some of its rows are on the disk."""
    grid = out.parent / "grid.toml"
    grid.write_text(
        'symbols = ["BTCUSDT"]\n[grid]\nstrategy.number = {from = 0, to = 39, step = 1}\n'
        f'[fixed]\nstrategy = "{held(out.parent)["strategy"]}"\n[data]\npath = "{day}"\n'
    )
    program = subprocess.Popen(
        [sys.executable, "-m", "arbitrage.cli", "sweep", "--grid", str(grid), "--out", str(out),
         "--workers", "2", "--json", "-"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 150
    while not list(out.glob("parts/*.parquet")):
        assert program.poll() is None, program.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    how(program)
    return program


def children_of(program: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(program.pid).children(recursive=True)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_sweep_goes_on_where_it_stopped(
    day: Path, tmp_path: Path, signal_number: int
) -> None:
    out, left = tmp_path / "out", list[psutil.Process]()

    def stop(program: "subprocess.Popen[str]") -> None:
        left.extend(children_of(program))
        program.send_signal(signal_number)

    for _ in range(5):
        program = interrupted(day, out, stop)
        _, said = program.communicate(timeout=60)
        if program.returncode != 0:
            break
        shutil.rmtree(out)  # it was through before the signal came
    if signal_number == signal.SIGINT:
        assert program.returncode == 130
        assert "the same command goes on" in said
        assert "Traceback" not in said
    psutil.wait_procs(left, timeout=30)
    assert not [one for one in left if one.is_running() and one.status() != "zombie"]
    (tmp_path / "go").touch()
    words: dict[str, Any] = {"fixed": held(tmp_path), "symbols": ["BTCUSDT"]}
    found = arbitrage.sweep(day, HELD_GRID, ThreadPoolExecutor(1), out=out, **words)
    assert 0 < found.reused <= 20
    at_once = arbitrage.sweep(day, HELD_GRID, ThreadPoolExecutor(1), **words)
    assert same(found, at_once)
    assert len(set(found.table["net_usd"].tolist())) > 2


def test_a_changed_grid_runs_only_what_is_new(day: Path, whole: Sweep) -> None:
    assert whole.folder is not None
    rows: list[dict[str, Any]] = []

    def note(done: int, total: int, row: dict[str, Any] | None) -> None:
        rows.extend([row] if row is not None else [])

    more = {**GRID, "min_net_bps": [0, 2, 3]}
    here = ThreadPoolExecutor(1)
    found = arbitrage.sweep(
        day, more, here, fixed=FIXED, out=whole.folder, symbols=["ETHUSDT"], progress=note
    )
    assert (len(found), found.reused, len(rows)) == (60, 40, 20)
    assert {row["min_net_bps"] for row in rows} == {3.0}
    # what was an axis may be said to be fixed: the runs are the same
    fixed = FIXED | {"latency.order_us": 100.0}
    axes = {name: values for name, values in GRID.items() if name != "latency.order_us"}
    again = arbitrage.sweep(day, axes, here, fixed=fixed, out=whole.folder)
    assert (len(again), again.reused) == (50, 50)
    kept = [name for name in again.results.dtype.names or () if name != "latency.order_us"]
    there = whole.results[whole.table["latency.order_us"] == 100]
    for name in kept:  # nan where the data is too short for a figure
        assert again.results[name].tobytes() == there[name].tobytes()


def test_a_run_that_fails_is_a_row_and_is_done_again_when_asked(day: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from arbitrage import Strategy\n"
        "class Mine(Strategy):\n"
        "    def on_start(self):\n"
        f"        if not __import__('os').path.exists({str(tmp_path / 'well')!r}):\n"
        "            raise ValueError('not\\ntoday')\n"
    )
    grid = {"strategy": ["spread", f"{mine}:Mine"], "min_net_bps": [0, 5]}
    out = tmp_path / "out"
    words: dict[str, Any] = {
        "symbols": ["BTCUSDT"], "out": out, "executor": ThreadPoolExecutor(1),
    }  # fmt: skip
    found = arbitrage.sweep(day, grid, **words)
    assert found.table["status"].tolist() == ["done", "done", "failed", "failed"]
    assert "not today" in found.failed["error"][0]
    assert np.isnan(found.failed["net_usd"]).all()
    assert found.totals()["failed"].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert "2 failed" in repr(found)
    (tmp_path / "well").touch()
    assert arbitrage.sweep(day, grid, **words).reused == 4
    again = arbitrage.sweep(day, grid, retry_failed=True, **words)
    assert again.reused == 2
    assert set(again.table["status"]) == {"done"}


def test_best_totals_and_map(whole: Sweep) -> None:
    totals = whole.totals()
    assert len(totals) == 100
    assert set(totals["runs"]) == {2.0}
    one = whole.table[
        (whole.table["min_net_bps"] == totals["min_net_bps"][7])
        & (whole.table["take_profit_bps"] == totals["take_profit_bps"][7])
        & (whole.table["latency.order_us"] == totals["latency.order_us"][7])
    ]
    assert totals["net_usd"][7] == pytest.approx(one["net_usd"].sum())
    assert totals["max_drawdown_usd"][7] == one["max_drawdown_usd"].min()
    sums = float(one["net_usd"].sum()), float(one["volume_usd"].sum())
    assert totals["net_bps_of_volume"][7] == pytest.approx(sums[0] / sums[1] * 1e4)
    best = whole.best(3)
    assert best["net_usd"].tolist() == sorted(totals["net_usd"], reverse=True)[:3]
    assert "net_usd" in whole.text(3)
    with pytest.raises(ConfigError, match="there is no figure 'profit'; there are"):
        whole.best(by="profit")
    axes = whole.heat_map("latency.order_us", "min_net_bps").axes[0]
    assert axes.get_xlabel() == "latency.order_us"
    assert axes.images[0].get_array().shape == (5, 4)
    with pytest.raises(ConfigError, match="has no axis 'stop_bps' to draw"):
        whole.heat_map("stop_bps")
    assert whole.to_polars().shape == whole.to_pandas().shape == (RUNS, len(whole.table.dtype))
    assert whole.to_arrow().num_rows == RUNS


def hold_little() -> None:
    """Let a worker's reader hold a 64th of what it would."""
    from arbitrage.research import parquet_data

    parquet_data.HELD_ROWS //= 64


@pytest.mark.parametrize("keep_mb", [0, 4])
def test_memory_stays_bounded_whatever_the_size_of_the_data(tmp_path: Path, keep_mb: int) -> None:
    """Ten times the data, more than a worker may keep, and it holds hardly more."""
    from arbitrage.research.parquet_writer import write_parquet
    from arbitrage.research.simulated import simulated_data

    peaks, sizes = [], []
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=hold_little
    ) as one_process:
        for seconds in (10.0, 100.0):
            folder = tmp_path / f"{seconds:g}"
            data = simulated_data(("BTCUSDT",), seconds, rate=5000)
            sizes.append(data.records().nbytes / 1e6)
            write_parquet(data, str(folder))
            grid = {"min_net_bps": [500, 600]}
            found = arbitrage.sweep(folder, grid, one_process, keep_mb=keep_mb)
            assert set(found.table["status"]) == {"done"}, found.table["error"]
            peaks.append(found.table["peak_mb"].max())
    assert sizes[1] > 9 * sizes[0] > 40
    assert peaks[1] - peaks[0] < (sizes[1] - sizes[0]) / 2


def test_what_a_worker_keeps_changes_nothing(day: Path, whole: Sweep) -> None:
    grid = {**GRID, "latency.order_us": [100]}
    found = [
        arbitrage.sweep(day, grid, ThreadPoolExecutor(1), fixed=FIXED, keep_mb=mb) for mb in (0, 64)
    ]
    assert same(*found)
    there = whole.results[whole.table["latency.order_us"] == 100]
    assert found[0].results.tobytes() == there.tobytes()


def test_the_command_shows_the_best_and_draws(day: Path, whole: Sweep, tmp_path: Path) -> None:
    grid = tmp_path / "grid.toml"
    grid.write_text('symbols = ["BTCUSDT"]\n[grid]\nmin_net_bps = [0, 4]\nstop_bps = [5, 30]\n')
    command = [sys.executable, "-m", "arbitrage.cli", "sweep", str(day), "--grid", str(grid)]
    done = subprocess.run(
        [*command, "--workers", "2", "--plot", str(tmp_path / "map.png")],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "4 runs of 4 sets of parameters" in done.stdout
    assert (tmp_path / "map.png").stat().st_size > 5000
    again = subprocess.run([*command, "--json", "-"], capture_output=True, text=True, timeout=120)
    assert len([json.loads(line) for line in again.stdout.splitlines()]) == 4
    for words, says in (
        (["--grid", str(tmp_path / "none.toml")], "does not exist"),
        (["--grid", str(grid), "--dask", "tcp://127.0.0.1:9", "--workers", "2"], "leave one out"),
    ):
        bad = subprocess.run([*command[:4], *words], capture_output=True, text=True, timeout=60)
        assert bad.returncode == 2
        assert says in bad.stderr
        assert bad.stderr.count("\n") == 1
