"""What a researcher does with a sweep: own classes, choices tried later, one run again, maps."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arbitrage
from arbitrage.errors import ConfigError
from arbitrage.research.sweep import Sweep
from arbitrage.research.sweeps.grid import read_grid
from arbitrage.research.sweeps.worker import DONE, FAILED

DAYS = ("2026-03-02", "2026-03-03", "2026-03-04")
GRID = {"min_net_bps": [0, 20], "latency.order_us": [500, 400_000]}
MINE = """
from arbitrage import Strategy

class Base(Strategy):
    least_bps = 5.0

class Eager(Base):
    def __init__(self, max_usd: float = 500) -> None:
        self.at_start = self.least_bps
        self.max_usd = max_usd

    def on_opportunity(self, seen):
        if seen.event == "open" and seen.net_bps > self.at_start:
            self.open(seen.symbol, buy=seen.buy, sell=seen.sell, max_usd=self.max_usd)

class NoStrategy:
    pass
"""


def swept(data: Path, grid: dict[str, Any], **more: Any) -> Sweep:
    return arbitrage.sweep(data, grid, ThreadPoolExecutor(1), progress=False, **more)


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from arbitrage.research.convert import convert
    from arbitrage.research.simulated import simulated_data

    folder = tmp_path_factory.mktemp("researcher") / "days"
    for seed, day in enumerate(DAYS):
        convert(simulated_data(("BTCUSDT", "ETHUSDT"), 8.0, rate=100, seed=seed, start=day), folder)
    return folder


@pytest.fixture(scope="module")
def found(days: Path) -> Sweep:
    return swept(days, GRID, out=days.parent / "out", fixed={"fees": "bybit=1,okx=1"})


# ---- a class of one's own ------------------------------------------------------------------------


def test_parameters_of_an_own_class_are_axes(days: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(MINE)
    grid = {"strategy.least_bps": [5, 1000], "strategy.max_usd": [500, 1000]}
    one = swept(days, grid, fixed={"strategy": f"{mine}:Eager"}, days=DAYS[:1], symbols="together")
    assert set(one.table["status"]) == {DONE}, one.table["error"]
    volume = one.table["volume_usd"].reshape(2, 2)
    assert (volume[0] > 0).all()
    assert (volume[1] == 0).all()  # so wide an edge is never there
    assert 1.5 * volume[0, 0] < volume[0, 1] < 2.5 * volume[0, 0]
    assert len(set(one.table["key"])) == 4


def test_a_class_is_named_by_its_file(
    days: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "of_my_own.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__("of_my_own")
    grid = read_grid({"strategy.least_bps": [5]}, fixed={"strategy": module.Eager})
    assert grid.fixed["strategy"] == f"{tmp_path / 'of_my_own.py'}:Eager"
    assert read_grid({"strategy": [module.Eager, "spread"]}).axes["strategy"] == (
        grid.fixed["strategy"], "spread",
    )  # fmt: skip

    class Local(arbitrage.Strategy):
        pass

    for strategy, says in (
        (module.NoStrategy, "NoStrategy, which is no arbitrage.Strategy"),
        (Local, "in no module that a worker can import; write it to a file"),
        (module.Eager(), "was an instance of Eager; give the class"),
    ):
        with pytest.raises(ConfigError, match=says):
            read_grid({"min_net_bps": [1]}, fixed={"strategy": strategy})


def test_parameters_that_nobody_has_are_refused_before_any_run(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(MINE)
    path = tmp_path / "grid.toml"
    path.write_text(
        f'[grid]\nstrategy.max_usd = [1, 2]\n[fixed]\nstrategy = "{mine}:Eager"\n'
        "[strategy]\nleast_bps = 3.5\n"
    )
    grid = read_grid(path)
    assert grid.axes == {"strategy.max_usd": (1, 2)}
    assert grid.fixed["strategy.least_bps"] == 3.5
    own = {"strategy": f"{mine}:Eager"}
    for axes, fixed, says in (
        ({"strategy.least": [1]}, own, "did you mean strategy.least_bps"),
        ({"strategy.least_bps": [1]}, {}, "strategy spread has none"),
        ({"strategy.least_bps": [[1]]}, own, "accepted is a number, a text or a bool"),
        ({"strategy.1": [1]}, own, "accepted is strategy. and a Python name"),
        ({"strategy": ["sprad"]}, {}, "named 'sprad'; accepted are spread, funding"),
    ):
        with pytest.raises(ConfigError, match=says):
            read_grid(axes, fixed=fixed)


# ---- chosen here, tried there --------------------------------------------------------------------


def test_best_of_some_days_and_symbols(found: Sweep) -> None:
    for chosen, of in (
        ({"days": DAYS[1]}, found.table["day"] == DAYS[1]),
        ({"days": DAYS[1:]}, found.table["day"] != DAYS[0]),
        ({"symbols": ["ETHUSDT"]}, found.table["symbols"] == "ETHUSDT"),
    ):
        totals = found.totals(**chosen)  # type: ignore[arg-type]
        assert totals["net_usd"].sum() == pytest.approx(found.table["net_usd"][of].sum())
        best = found.best(1, **chosen)  # type: ignore[arg-type]
        assert best["net_usd"][0] == totals["net_usd"].max()
    with pytest.raises(ConfigError, match=r"day was '2026-03-09'; the sweep has 2026-03-02, "):
        found.best(days="2026-03-09")


def rows_of(net: list[list[float]]) -> list[dict[str, Any]]:
    """One symbol: a day a list, a set of parameters a number in it; nan: it failed."""
    return [
        {
            "day": f"2026-03-{number:02}", "symbols": "BTCUSDT", "a": float(place), "error": "",
            "status": FAILED if np.isnan(value) else DONE, "net_usd": value, "pairs": 1.0,
        }
        for number, day in enumerate(net, 1)
        for place, value in enumerate(day)
    ]  # fmt: skip


def test_walk_forward_chooses_by_what_was_before_alone() -> None:
    net = [[1.0, 5.0], [2.0, -9.0], [7.0, 100.0], [-1.0, 3.0], [4.0, np.nan]]
    sweep = Sweep({"a": (0.0, 1.0)}, rows_of(net))
    walked = sweep.walk_forward(train=1)
    assert walked["test_from"].tolist() == [f"2026-03-0{n}" for n in range(2, 6)]
    assert walked["a"].tolist() == [1, 0, 1, 1]
    assert walked["net_usd"].tolist()[:3] == [-9, 7, 3]
    assert np.isnan(walked["net_usd"][3])
    assert walked["failed"].tolist() == [0, 0, 0, 1]
    assert walked["train_net_usd"].tolist() == [5, 2, 100, 3]
    # what comes later changes no choice
    later = Sweep({"a": (0.0, 1.0)}, rows_of([*net[:3], [1000.0, -1.0], *net[4:]]))
    assert later.walk_forward(train=1)["a"].tolist()[:3] == [1, 0, 1]
    two = sweep.walk_forward(train=2, test=2, anchored=True)
    assert (two["train_from"][0], two["test_to"][0]) == ("2026-03-01", "2026-03-04")
    assert two["a"].tolist() == [0]
    assert two["net_usd"].tolist() == [6]
    with pytest.raises(ConfigError, match="together at most the 5"):
        sweep.walk_forward(train=5)
    with pytest.raises(ConfigError, match="there is no figure 'gain'"):
        sweep.walk_forward(train=1, by="gain")


# ---- another day ---------------------------------------------------------------------------------


def test_a_loaded_sweep_is_the_same_and_runs_again(
    found: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert found.folder is not None
    loaded = Sweep.load(found.folder)
    assert loaded.results.tobytes() == found.results.tobytes()
    assert (loaded.axes, loaded.fixed, loaded.source) == (found.axes, found.fixed, found.source)
    for place in (0, len(found) - 1):
        again = loaded.backtest(place)
        for name in ("net_usd", "orders", "volume_usd", "max_drawdown_usd"):
            assert again.summary()[name] == found.table[name][place]
    best = loaded.best(1)[0]
    again = loaded.backtest(best, day=DAYS[2], symbols="ETHUSDT")
    row = found.table[
        (found.table["day"] == DAYS[2])
        & (found.table["symbols"] == "ETHUSDT")
        & (found.table["min_net_bps"] == best["min_net_bps"])
        & (found.table["latency.order_us"] == best["latency.order_us"])
    ]
    assert again.summary()["net_usd"] == row["net_usd"][0]
    assert loaded.backtest(row[0]).summary()["net_usd"] == row["net_usd"][0]
    for bad, says in ((best, "6 runs have these"), (99, "has 24 rows"), ("x", "row was 'x'")):
        with pytest.raises(ConfigError, match=says):
            loaded.backtest(bad)
    with pytest.raises(ConfigError, match="no sweep into it has come to its end"):
        Sweep.load(tmp_path)


def test_rows_show_themselves(found: Sweep) -> None:
    best = found.best(2)
    html = best._repr_html_()
    assert "best by net_usd" in html
    assert "min net bps" in html
    assert html.count("<tr>") == 3
    assert "min net bps" in repr(best)
    some = best[["min_net_bps", "net_usd"]]
    assert "pairs" not in some._repr_html_()
    assert best["net_usd"].tolist() == [row["net_usd"] for row in best]
    assert type(best["net_usd"]) is np.ndarray
    whole = found._repr_html_()
    assert "24 runs of 4 sets" in whole
    failed = Sweep({"a": (0.0,)}, rows_of([[np.nan]]))
    assert "the first that failed" in failed._repr_html_()


def test_a_map_marks_what_was_not_run_and_has_0_in_the_middle() -> None:
    values = [float(value) for value in 10.0 ** np.arange(4)]
    rows = [
        {"day": day, "symbols": "BTCUSDT", "a": a, "b": b, "error": "",
         "status": FAILED if (a, b) == (1, 2) else DONE,
         "net_usd": np.nan if (a, b) == (1, 2) else a * 10 - b, "pairs": 1.0}
        for day in DAYS for a in (0, 1) for b in [*values, 2]
    ]  # fmt: skip
    figure = Sweep({"b": (*values, 2.0), "a": (0, 1)}, rows).heat_map()
    axes = figure.axes[0]
    norm = axes.images[0].norm
    assert norm.vmin == -norm.vmax == -3000
    assert len([one for one in axes.patches if one.get_hatch()]) == 1
    assert "hatched" in axes.texts[0].get_text()
    labels = [one.get_text() for one in axes.texts]
    assert "-3\n-1 a run" in labels
    assert axes.get_xlabel() == "b"
    logarithmic = Sweep({"b": tuple(values), "a": (0, 1)}, rows[:4] + rows[5:9]).heat_map()
    assert logarithmic.axes[0].get_xlabel() == "b (log)"
    assert [one.get_text() for one in logarithmic.axes[0].get_xticklabels()] == [
        "1", "10", "100", "1,000",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="one axis, a map needs two"):
        Sweep({"a": (0, 1)}, rows).heat_map()


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"grid": 5}, "grid was 5; accepted is a mapping"),
        ({"grid": None}, "grid was None; accepted is a mapping"),
        ({"data": np.zeros(100)}, "data was a ndarray; accepted is a path"),
        ({"executor": 3}, "executor was 3; accepted is an executor"),
        ({"executor": dict}, "accepted is an executor"),
        ({"out": 5}, "out was 5; accepted is the path of a folder"),
        ({"workers": "4"}, "workers was '4'; accepted is a whole number from 1 to 512"),
        ({"workers": 0}, "workers was 0; accepted"),
        ({"keep_mb": -1}, "keep_mb was -1; accepted is a number from 0"),
        ({"progress": "yes"}, r"progress was 'yes'; accepted is True, False or a function"),
    ],
)
def test_arguments_of_the_wrong_type_are_refused_in_one_line(
    given: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        arbitrage.sweep(**{"data": "nowhere", "grid": {"min_net_bps": [1]}} | given)


def test_a_script_without_its_guard_is_told_so_in_one_line(days: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import arbitrage\n"
        "try:\n"
        f"    arbitrage.sweep({str(days)!r}, {{'min_net_bps': [1, 2]}}, workers=2)\n"
        "except arbitrage.errors.ConfigError as error:\n"
        "    print(error)\n"
    )
    told = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("\n") == 1
    assert 'put if __name__ == "__main__": around what it does' in told.stdout
    assert "Traceback" not in told.stderr


def test_a_map_of_one_axis_is_refused_before_any_run(days: Path, tmp_path: Path) -> None:
    grid = tmp_path / "grid.toml"
    grid.write_text("[grid]\nmin_net_bps = [0, 4]\n")
    done = subprocess.run(
        [sys.executable, "-m", "arbitrage.cli", "sweep", str(days), "--grid", str(grid),
         "--plot", str(tmp_path / "map.png")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--plot draws a map of two axes; those of the grid are min_net_bps" in done.stderr
    assert not grid.with_suffix(".sweep").exists()
