"""What a grid's file and mapping say, and the one line that a bad one gets."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from arbitrage.errors import ConfigError
from arbitrage.research.sweeps.axes import axis_values
from arbitrage.research.sweeps.grid import DAY_NS, Slice, read_grid
from arbitrage.research.sweeps.tasks import make_tasks

WHOLE = """
days = {from = 2026-11-20, to = 2026-11-22}
symbols = ["BTCUSDT", ["ETHUSDT", "SOLUSDT"]]

[grid]
min_net_bps = [0, 1.5]
take_profit_bps = {from = 0.1, to = 0.4, step = 0.1}
max_hold_s = {from = 10, to = 1000, count = 3, scale = "log"}
ARB_STOP_BPS = {from = 10, to = 30, count = 5}

[fixed]
fees = "okx=2"

[latency]
order_us = 250
bybit.feed_us = 40

[data]
path = "days/monday"
"""


def values(given: object, name: str = "min_net_bps") -> tuple[object, ...]:
    return axis_values("grid", name, given)[1]


def test_a_file_says_axes_days_symbols_and_data(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text(WHOLE)
    grid = read_grid(path)
    assert grid.axes == {
        "min_net_bps": (0.0, 1.5),
        "take_profit_bps": (0.1, 0.2, 0.3, 0.4),
        "max_hold_s": (10.0, 100.0, 1000.0),
        "stop_bps": (10.0, 15.0, 20.0, 25.0, 30.0),
    }
    assert grid.fixed == {
        "fees": "bybit=5.5,okx=2", "latency.order_us": 250.0, "latency.bybit.feed_us": 40.0,
    }  # fmt: skip
    assert grid.days == (date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 22))
    assert grid.symbols == (("BTCUSDT",), ("ETHUSDT", "SOLUSDT"))
    assert grid.data == {"path": str(tmp_path / "days/monday")}
    sets = list(grid.sets())
    assert len(sets) == grid.set_count == 2 * 4 * 3 * 5
    assert sets[1] == {**sets[0], "stop_bps": 15.0}


def test_values_keep_the_type_of_their_setting() -> None:
    assert [type(value) for value in values([0, 1.5])] == [float, float]
    assert values(range(1, 4), "exit_tries") == (1, 2, 3)
    assert [type(value) for value in values([2.0], "exit_tries")] == [int]
    assert values({"from": 3, "to": 1, "step": -1}) == (3.0, 2.0, 1.0)
    assert values(["spread, funding"], "strategy") == ("spread,funding",)
    assert values(7, "seed") == (7,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[grid]\nmin_net_bp = [1]", "min_net_bp is no setting .*did you mean min_net_bps"),
        ("[grid]\nmin_net_bps = []", "min_net_bps has no values"),
        ("[grid]\nmin_net_bps = ['a']", "min_net_bps was 'a'; accepted is a number from -1000"),
        ("[grid]\nmin_net_bps = [true]", "min_net_bps was True"),
        ("[grid]\nmin_net_bps = [nan]", "min_net_bps was nan"),
        ("[grid]\nexit_tries = [1.5]", "exit_tries was 1.5; accepted is a whole number"),
        ("[grid]\nmin_net_bps = [1, 1.0]", "names 1.0 twice"),
        ("[grid]\nmin_net_bps = {from = 1}", "accepted is {from = 0, to = 3"),
        ("[grid]\nmin_net_bps = {from = 1, to = 2, step = -1}", "step -1 does not lead from 1 to"),
        ("[grid]\nmin_net_bps = {from = 1, to = 2, step = 0}", "step 0 does not lead"),
        ("[grid]\nmin_net_bps = {from = 0, to = 2, count = 3, scale = 'log'}", "above 0"),
        ("[grid]\nmin_net_bps = {from = 0, to = 1, step = 1e-9}", "more than 100,000 values"),
        ("[grid]\nmin_net_bps = [1]\nARB_MIN_NET_BPS = [2]", "there already"),
        ("[grid]\nfees = ['okx']", "fees was 'okx'"),
        ("[grid]\nlatency.order_us = [-1]", "latency.order_us was -1"),
        ("[grids]\nmin_net_bps = [1]", "grids is unknown; accepted are grid, fixed"),
        ("[grid]\nmin_net_bps = [1]\n[fixed]\nmin_net_bps = 2", "both in the grid and fixed"),
        ("days = 'some'", "days was 'some'; accepted are"),
        ("days = {from = 2026-11-20, to = 2026-11-01}", "which is before it"),
        ("days = ['20.11.']", "days has '20.11.'"),
        ("symbols = []", r"symbols was \[\]; accepted are"),
        ("symbols = ['BTC']", "'BTC' is no symbol"),
        ("symbols = ['BTCUSDT', 'BTCUSDT']", "names a group twice"),
        ("[data]\nokx = 'x'", "names no path"),
        ("[data]\npath = 'x'\nformat = 'csv'", r"\[data\] has format"),
        ("[grid", "is no TOML"),
    ],
)
def test_a_bad_grid_gets_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "grid.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        read_grid(path)
    assert "\n" not in str(caught.value)
    assert "grid" in str(caught.value)


def test_slices_are_days_by_groups_within_the_data() -> None:
    start, end = 20_000 * DAY_NS + 5, 20_001 * DAY_NS + 7
    data = SimpleNamespace(symbols=("BTCUSDT", "ETHUSDT"), start_ns=start, end_ns=end)
    each = read_grid({}).slices(data)
    assert [(one.day, one.symbols) for one in each] == [
        ("2024-10-04", ("BTCUSDT",)),
        ("2024-10-04", ("ETHUSDT",)),
        ("2024-10-05", ("BTCUSDT",)),
        ("2024-10-05", ("ETHUSDT",)),
    ]
    # whole days: data that goes on later leaves them the same
    assert each[0].start_ns == 20_000 * DAY_NS
    assert each[0].end_ns == each[2].start_ns == 20_001 * DAY_NS
    assert each[2].end_ns == 20_002 * DAY_NS
    together = read_grid({}, days="all", symbols="together").slices(data)
    assert together == [Slice("all", ("BTCUSDT", "ETHUSDT"))]
    with pytest.raises(ConfigError, match="days names 2024-10-06; the data goes from 2024-10-04"):
        read_grid({}, days=["2024-10-06"]).slices(data)
    with pytest.raises(ConfigError, match="symbols names XRPUSDT; the data has BTCUSDT, ETHUSDT"):
        read_grid({}, symbols=["XRPUSDT"]).slices(data)


class Stored:
    """Data of a partitioned folder, as far as a sweep looks at it before it runs."""

    symbols, start_ns, end_ns = ("BTCUSDT",), 20_000 * DAY_NS, 20_001 * DAY_NS + 9

    def __init__(self, folder: Path, **more: object) -> None:
        self.folder, self.more = folder, more

    def select(self, **more: object) -> "Stored":
        return Stored(self.folder, **more)

    @property
    def source(self) -> dict[str, object]:
        return {"path": str(self.folder)} | self.more


def test_a_run_is_known_by_all_that_decides_it(tmp_path: Path) -> None:
    days = [tmp_path / f"symbol=BTCUSDT/day=2024-10-0{number}/x.parquet" for number in (4, 5)]
    for path in days:
        path.parent.mkdir(parents=True)
        path.write_text("records")
    mine = tmp_path.parent / f"{tmp_path.name}-mine.py"
    mine.write_text("class Mine: pass")

    def keys(grid: dict[str, object]) -> dict[str, str]:
        tasks = make_tasks(read_grid(grid), Stored(tmp_path))
        return {str(task.labels["day"]): task.key for task in tasks}

    plain, own = {"min_net_bps": [1]}, {"strategy": [f"{mine}:Mine"]}
    before, before_own = keys(plain), keys(own)
    assert len({*before.values(), *before_own.values()}) == 4
    assert keys({"ARB_MIN_NET_BPS": 1.0}) == before
    assert keys({"min_net_bps": [2]}).keys() == before.keys()
    assert not set(keys({"min_net_bps": [2]}).values()) & set(before.values())
    mine.write_text("class Mine: x = 1")
    assert not set(keys(own).values()) & set(before_own.values())
    # one day's file is written anew: the other day's runs stay
    days[1].write_text("more records")
    after = keys(plain)
    assert after["2024-10-04"] == before["2024-10-04"]
    assert after["2024-10-05"] != before["2024-10-05"]
