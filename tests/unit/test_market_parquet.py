"""Parquet data sets: what is written comes back bit for bit; cuts, gaps, damage, memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbitrage.core.market_carry import MarketCarry
from arbitrage.core.market_records import ALL_SYMBOLS, MARKET_DTYPE, MarketFlag, MarketKind
from arbitrage.errors import ConfigError
from arbitrage.research import parquet_writer
from arbitrage.research.contracts import simulated_contracts
from arbitrage.research.market import Gap, MarketData, open_data
from arbitrage.research.parquet_writer import write_parquet

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
fsspec = pytest.importorskip("fsspec")

QUOTE, LEVEL, FUNDING, GAP = MarketKind
SYMBOLS = ("ETHUSDT", "BTCUSDT", "SOLUSDT")
DAY_NS = 86_400 * 10**9
BEGIN_NS = 20_000 * DAY_NS - 5 * 10**9  # five seconds before midnight


def stream(seed: int, count: int, step_ns: int = 10**9) -> MarketData:
    """Make records of every kind, over midnights, with times that are equal."""
    rng = np.random.default_rng(seed)
    made = np.zeros(count, MARKET_DTYPE)
    made["recv_ns"] = BEGIN_NS + np.cumsum(rng.choice([0, 0, 1, step_ns], count))
    made["exch_ns"] = made["recv_ns"] - rng.integers(0, 10**7, count)
    made["kind"] = rng.choice([1, 2, 2, 3, 4], count)
    made["symbol"], made["venue"] = rng.integers(0, 3, count), rng.integers(0, 2, count)
    made["flags"] = np.where(made["kind"] == LEVEL, rng.integers(0, 4, count), 1)
    made["number"] = rng.integers(0, 1 << 47, count)
    for name in ("bid_px", "bid_qty", "ask_px", "ask_qty"):
        bits = rng.choice([0.1, 1e-300, -0.0, np.nan, 63040.8, 1 / 3], count)
        made[name] = np.where(made["kind"] == LEVEL, np.round(rng.random(count) * 20), bits)
    is_gap = made["kind"] == GAP
    made["symbol"][is_gap & (rng.random(count) < 0.3)] = ALL_SYMBOLS
    made["flags"][is_gap & (rng.random(count) < 0.5)] = MarketFlag.LAST | MarketFlag.BOOK
    gaps = [Gap(int(made["recv_ns"][0]), int(made["recv_ns"][-1]), "okx", None, 7)] if count else []
    return MarketData.from_records(made, SYMBOLS, simulated_contracts(SYMBOLS), gaps=gaps)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 30), st.integers(1, 80), st.sampled_from([1, 10**9, 10**13]))
def test_what_is_written_comes_back(seed: int, count: int, step_ns: int) -> None:
    data = stream(seed, count, step_ns)
    address = f"memory://round/{seed}-{count}-{step_ns}"
    told = write_parquet(data, address)
    back = open_data(address)
    assert told["records"] == count == back.count
    symbols = {SYMBOLS[place] for place in data.records()["symbol"] if place != ALL_SYMBOLS}
    if symbols == set(SYMBOLS):
        assert back.symbols == SYMBOLS
        assert back.records().tobytes() == data.records().tobytes()
        assert set(back.contracts.items()) <= set(data.contracts.items())
        assert len(back.contracts) >= len(SYMBOLS)
        first = data.records()[data.records()["recv_ns"] // DAY_NS == data.start_ns // DAY_NS]
        assert back.gaps == (data.gaps if (first["venue"] == 1).any() else ())
    assert (back.start_ns, back.end_ns) == (data.start_ns, data.end_ns)
    assert back.has_depth == data.has_depth
    fsspec.filesystem("memory").rm("/round", recursive=True)


def test_small_pieces_and_many_files_make_one_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_writer, "GROUP_ROWS", 50)
    monkeypatch.setattr(parquet_writer, "HELD_ROWS", 80)
    monkeypatch.setattr("arbitrage.research.parquet_data.HELD_ROWS", 1)
    monkeypatch.setattr("arbitrage.research.parquet_data.ROWS_MIN", 3)
    data = stream(4, 3000)
    write_parquet(data, str(tmp_path / "days"))
    back = open_data(tmp_path / "days")
    assert back.records().tobytes() == data.records().tobytes()
    assert max(len(block) for block in back.blocks(7)) <= 7
    assert not list(tmp_path.rglob("*.part"))
    again = f"file://{tmp_path}/again"
    write_parquet(back, again)
    assert open_data(again).records().tobytes() == data.records().tobytes()
    assert open_data(tmp_path / "again").source == {"path": str(tmp_path / "again")}
    plain = pq.read_table(tmp_path / "days")  # any tool reads it, places as columns
    assert plain.num_rows >= 3000
    assert {"venue", "symbol", "day", "recv_ns"} <= set(plain.column_names)


# ---- parts ---------------------------------------------------------------------------------------


def state_of(records: np.ndarray, until_ns: int) -> list[tuple[object, ...]]:
    """What stands before a moment, without the compiled carry: the oracle."""
    quotes: dict[tuple[int, int], object] = {}
    rates: dict[tuple[int, int], object] = {}
    books: dict[tuple[int, int], tuple[dict[float, float], dict[float, float]]] = {}
    for row in records[records["recv_ns"] < until_ns]:
        key = (int(row["venue"]), int(row["symbol"]))
        if row["kind"] == GAP:
            is_all = row["symbol"] == ALL_SYMBOLS
            for other in {*quotes, *books}:
                if other == key or (is_all and other[0] == key[0]):
                    books.pop(other, None)
                    if not row["flags"] & MarketFlag.BOOK:
                        quotes.pop(other, None)
        elif row["kind"] == QUOTE:
            quotes[key] = tuple(row)[1:7]
        elif row["kind"] == FUNDING:
            rates[key] = tuple(row)[1:7]
        else:
            if row["flags"] & MarketFlag.SNAPSHOT:
                books[key] = ({}, {})
            for side, name in zip(books.get(key, ()), ("bid", "ask"), strict=False):
                if row[f"{name}_px"] == row[f"{name}_px"]:
                    side[float(row[f"{name}_px"])] = float(row[f"{name}_qty"])
    found: list[tuple[object, ...]] = []
    for key in sorted({*quotes, *rates, *books}):
        sides = [sorted((px, qty) for px, qty in side.items() if qty > 0)
                 for side in books.get(key, ({}, {}))]  # fmt: skip
        found.append((key, str(quotes.get(key)), str(rates.get(key)), key in books, sides))
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(1, 200), st.integers(0, 250))
def test_a_part_begins_with_what_stood(seed: int, count: int, cut: int) -> None:
    data = stream(seed, count)
    records = data.records()
    start_ns = int(records["recv_ns"][min(cut, count - 1)]) + (cut >= count)
    part = data.select(start=start_ns).records()
    carried = part[part["flags"] & MarketFlag.CARRIED != 0]
    assert (carried["recv_ns"] == start_ns).all()
    assert state_of(carried, start_ns + 1) == state_of(records, start_ns)
    news = part[part["flags"] & MarketFlag.CARRIED == 0]
    assert news.tobytes() == records[records["recv_ns"] >= start_ns].tobytes()


def test_a_day_of_a_data_set_begins_with_what_stood(tmp_path: Path) -> None:
    data = stream(9, 900)
    write_parquet(data, str(tmp_path / "days"))
    midnight_ns = 20_000 * DAY_NS
    whole, day = open_data(tmp_path / "days"), data.select(start=midnight_ns)
    part = whole.select(start=midnight_ns)
    assert part.records().tobytes() == day.records().tobytes()
    later = whole.select(start=midnight_ns + 10**9, symbols=["BTCUSDT"], venues=["okx"])
    wanted = data.select(symbols=["BTCUSDT"], venues=["okx"]).select(start=midnight_ns + 10**9)
    assert later.records().tobytes() == wanted.records().tobytes()
    assert open_data(**later.source).records().tobytes() == wanted.records().tobytes()
    both = open_data(tmp_path / "days", start=BEGIN_NS, end="2024-10-04").records()
    assert both.tobytes() == data.select(end=20_000 * DAY_NS).records().tobytes()


def test_a_part_that_begins_on_a_day_without_records(tmp_path: Path) -> None:
    data = stream(6, 200, step_ns=3 * DAY_NS)
    write_parquet(data, str(tmp_path / "days"))
    start_ns = data.start_ns + int(4.5 * DAY_NS)
    part = open_data(tmp_path / "days").select(start=start_ns)
    wanted = data.select(start=start_ns)
    assert part.records().tobytes() == wanted.records().tobytes()
    assert part.records()["recv_ns"][0] == start_ns


def test_days_of_two_recordings_have_a_gap_between_them(tmp_path: Path) -> None:
    data = stream(3, 400)
    midnight_ns = 20_000 * DAY_NS
    before, after = data.select(end=midnight_ns), data.records()
    after = after[after["recv_ns"] >= midnight_ns]
    write_parquet(before, str(tmp_path / "days"))
    write_parquet(MarketData.from_records(after, SYMBOLS), str(tmp_path / "days"))
    found = open_data(tmp_path / "days").records()
    first = before.records()
    assert found[: len(first)].tobytes() == first.tobytes()
    assert found[len(first) : len(first) + 2][["kind", "symbol", "venue"]].tolist() == [
        (GAP, ALL_SYMBOLS, 0), (GAP, ALL_SYMBOLS, 1)
    ]  # fmt: skip
    assert found[len(first) + 2 :].tobytes() == after.tobytes()
    with pytest.raises(ConfigError, match=r"holds venue=\w+/symbol=.* already, and it is not over"):
        write_parquet(before, str(tmp_path / "days"))


def test_carry_refuses_what_is_no_record() -> None:
    carry = MarketCarry(1)
    with pytest.raises(ValueError, match="63 bytes"):
        carry.take(np.zeros(63, np.uint8))
    bad = np.zeros(2, MARKET_DTYPE)
    bad["symbol"][1] = 1
    with pytest.raises(ValueError, match="record 1 is of a venue or symbol that is none"):
        carry.take(bad)
    assert len(carry.state(5)) == 0


BOUNDED = """
import resource, sys
import numpy as np
from arbitrage.core.market_records import MARKET_DTYPE
from arbitrage.research.market import MarketData, open_data
from arbitrage.research.parquet_writer import write_parquet

ROWS, TIMES = 50_000, 64  # 3,200,000 records: 205 MB
one = np.zeros(ROWS, MARKET_DTYPE)
one["bid_px"] = np.random.default_rng(1).integers(10**4, 10**4 + 99, ROWS) / 10
one["kind"], one["venue"], one["symbol"] = 1, np.arange(ROWS) % 2, np.arange(ROWS) % 3
small = MarketData.from_records(one[:100], ["AUSDT", "BUSDT", "CUSDT"])

class Long(type(small)):
    def blocks(self, rows=0):
        for turn in range(TIMES):
            block = one.copy()
            block["recv_ns"] = np.arange(ROWS) * 1000 + turn * ROWS * 1000
            yield block

def used():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData"))

write_parquet(small, sys.argv[1] + "/small")
open_data(sys.argv[1] + "/small").records()
resource.setrlimit(resource.RLIMIT_DATA, (used() + 160 * 2**20,) * 2)
long = Long(one[:100], small.symbols, {})
assert write_parquet(long, sys.argv[1] + "/long")["records"] == ROWS * TIMES
data = open_data(sys.argv[1] + "/long")
assert sum(len(block) for block in data.blocks()) == ROWS * TIMES
assert data.end_ns == (ROWS * TIMES - 1) * 1000
try:
    data.records()
except MemoryError:
    print("bounded")
"""


def test_days_larger_than_memory_are_streamed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, str(tmp_path)],
        capture_output=True, text=True, timeout=110, check=False,
        env={"OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system", "PATH": "/usr/bin"},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("bounded\n", "")


# ---- bad files -----------------------------------------------------------------------------------


@pytest.fixture
def days(tmp_path: Path) -> Path:
    records = stream(9, 300).records()
    only = records[(records["symbol"] == 0) & (records["venue"] == 0)]
    write_parquet(MarketData.from_records(only, SYMBOLS), str(tmp_path / "days"))
    return tmp_path / "days"


def change_table(path: Path, change) -> None:  # type: ignore[no-untyped-def]
    table = pq.read_table(path, partitioning=None)
    changed = change(table)
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)


def unsorted(table):  # type: ignore[no-untyped-def]
    return table.take([*range(9), 0, *range(9, table.num_rows)])


BAD = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-300]), "is damaged or cut off"),
    "damaged": (
        lambda path: path.write_bytes(
            path.read_bytes()[:60] + bytes(200) + path.read_bytes()[260:]
        ),
        "is damaged or cut off",
    ),
    "empty": (lambda path: path.write_bytes(b""), "is damaged or cut off"),
    "wrong columns": (
        lambda path: change_table(path, lambda table: table.drop_columns(["ask_px"])),
        "ask_px is missing; expected are recv_ns int64",
    ),
    "wrong type": (
        lambda path: change_table(
            path,
            lambda table: table.set_column(
                2, "bid_px", table["bid_px"].cast("float")
            ),
        ),
        "bid_px is float; expected are",
    ),
    "unsorted": (
        lambda path: change_table(path, unsorted),
        "row 9, is older than the row above it",
    ),
    "somebody's": (
        lambda path: pq.write_table(pa.table({"a": [1]}), path),
        "holds no market records of ours",
    ),
    "other symbol": (
        lambda path: (path.parents[1] / "x").mkdir() or path.rename(
            path.parents[2] / "symbol=BTCUSDT" / path.parent.name / path.name
        ),
        "holds ETHUSDT of bybit of 2024-10-0.: it lies in the wrong folder",
    ),
    "newer": (
        lambda path: change_about(path, version=2),
        "has version 2; this release reads 1",
    ),
}  # fmt: skip


def change_about(path: Path, **fields: object) -> None:
    table = pq.read_table(path, partitioning=None)
    said = json.loads(table.schema.metadata[b"arbitrage"]) | fields
    pq.write_table(table.replace_schema_metadata({b"arbitrage": json.dumps(said)}), path)


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_told_in_one_line(days: Path, name: str) -> None:
    do, says = BAD[name]
    path = sorted(days.rglob("*.parquet"))[-1]
    if name == "other symbol":
        (days / "venue=bybit" / "symbol=BTCUSDT" / path.parent.name).mkdir(parents=True)
    do(path)
    with pytest.raises(ConfigError, match=says) as told:
        open_data(days).records()
    assert "\n" not in str(told.value)
    assert "records.parquet" in str(told.value)


def test_no_data_set_at_an_address() -> None:
    with pytest.raises(ConfigError, match="memory://nothing holds no Parquet data set; `arb conv"):
        open_data("memory://nothing")
    with pytest.raises(ConfigError, match="nosuch://x cannot be opened: "):
        open_data("nosuch://x")
