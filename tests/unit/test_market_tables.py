"""Tables of best bids and asks: columns by name, units, times to the nanosecond, bad rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_frames import made_day, write

from arbitrage.core.market_records import MARKET_DTYPE, MarketKind
from arbitrage.errors import ConfigError
from arbitrage.research.convert import convert
from arbitrage.research.market import MarketData, open_data

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

NAMES = {"recv_ns": "t", "bid_px": "b", "bid_qty": "bq", "ask_px": "a", "ask_qty": "aq"}
T0 = 1_790_000_000_000_000_000
GOOD = f"t,b,bq,a,aq\n{T0 + 5},99.5,1,101,2\n{T0 + 7},,,101.5,3\n{T0 + 7},99,1,101,2\n"


def csv(tmp_path: Path, text: str, name: str = "bybit.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_two_files_with_columns_of_other_names(tmp_path: Path) -> None:
    first, second = csv(tmp_path, GOOD), csv(tmp_path, GOOD, "okx.csv")
    data = open_data(first, okx=second, columns=NAMES, symbols=["BTCUSDT"])
    found = data.records()
    assert found[["recv_ns", "venue", "bid_px", "ask_qty"]].astype(object).tolist()[0] == (
        T0 + 5, 0, 99.5, 2.0
    )  # fmt: skip
    assert found["venue"].tolist() == [0, 1, 0, 0, 1, 1]
    assert np.isnan(found["bid_qty"][2])
    assert (data.symbols, data.count) == (("BTCUSDT",), 6)
    assert (data.start_ns, data.end_ns) == (T0 + 5, T0 + 7)
    assert open_data(**data.source).records().tobytes() == found.tobytes()


@pytest.mark.parametrize(
    ("unit", "text", "ns"),
    [
        ("s", "1723161254.024619568", 1723161254024619568),
        ("s", "1723161254", 1723161254000000000),
        ("ms", "1723161254024.619568", 1723161254024619568),
        ("us", "1723161254024619.5", 1723161254024619500),
        ("ns", "1723161254024619568", 1723161254024619568),
        ("iso", "2024-08-08T23:54:14.024619568Z", 1723161254024619568),
        ("iso", "2024-08-09T01:54:14.024619568+02:00", 1723161254024619568),
        ("iso", "2024-08-08 23:54:14.024619568", 1723161254024619568),
    ],
)
def test_times_of_any_unit_are_exact(tmp_path: Path, unit: str, text: str, ns: int) -> None:
    path = csv(tmp_path, f"t,b,a\n{text},99,101\n")
    columns = {"recv_ns": "t", "bid_px": "b", "ask_px": "a", "bid_qty": 1, "ask_qty": 2.5,
               "venue": "okx", "symbol": "ETHUSDT", "time_unit": unit}  # fmt: skip
    found = open_data(path, columns=columns).records()
    assert found[["recv_ns", "venue", "bid_qty", "ask_qty"]].tolist() == [(ns, 1, 1.0, 2.5)]


def test_a_parquet_file_with_times_of_its_own(tmp_path: Path) -> None:
    table = pa.table({
        "t": pa.array([T0 // 1000 + 5, T0 // 1000 + 7], pa.timestamp("us", "UTC")),
        "b": [99, 98], "a": [101.5, None],
        "who": ["okx", "bybit"], "name": ["BTC-USDT-SWAP", "1000PEPEUSDT"], "n": [7, 8],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "q.parquet")
    columns = {"recv_ns": "t", "bid_px": "b", "ask_px": "a", "bid_qty": 1, "ask_qty": 2,
               "venue": "who", "symbol": "name", "number": "n"}  # fmt: skip
    data = open_data(tmp_path / "q.parquet", columns=columns)
    assert data.symbols == ("BTCUSDT", "PEPEUSDT")
    assert data.venue_name("bybit", "PEPEUSDT") == "1000PEPEUSDT"
    found = data.records()
    assert found[["recv_ns", "venue", "symbol", "number", "bid_px"]].tolist() == [
        (T0 + 5000, 1, 0, 7, 99.0), (T0 + 7000, 0, 1, 8, 98.0),
    ]  # fmt: skip
    assert open_data(tmp_path / "q.parquet", columns=columns, symbols=["PEPEUSDT"]).count == 1


def test_coins_are_made_the_venues_units(tmp_path: Path) -> None:
    head = "recv_ns,venue,symbol,bid_px,bid_qty,ask_px,ask_qty\n"
    rows = f"{T0},okx,BTCUSDT,99,1,101,2\n{T0 + 1},bybit,PEPEUSDT,1e-05,1000,2e-05,3000\n"
    path = csv(tmp_path, head + rows)
    data = open_data(path, columns={"px_unit": "coin", "qty_unit": "coin"})
    found = data.records()
    assert found["bid_qty"].tolist() == [100.0, 1.0]  # contracts of 0.01 BTC; bundles of 1000
    assert found["bid_px"].tolist() == [99.0, 1e-05 / 0.001]


NUMBERS = st.one_of(st.none(), st.floats(5e-324, 1e308, allow_nan=False))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(0, 1 << 62)), min_size=1, max_size=20))
def test_csv_holds_every_bit(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float | None, float | None, int]]
) -> None:
    made = np.zeros(len(rows), MARKET_DTYPE)
    for place, (bid, ask, number) in enumerate(rows):
        made[place] = (
            T0 + place // 2, T0, np.nan if bid is None else bid, np.nan if bid is None else 0.1,
            np.nan if ask is None else ask, np.nan if ask is None else 1 / 3, number,
            0, 0, MarketKind.QUOTE, 1,
        )  # fmt: skip
    path = tmp_path_factory.mktemp("csv") / "q.csv"
    convert(MarketData.from_records(made, ["BTCUSDT"]), path)
    back = open_data(path, columns={"exch_ns": "exch_ns", "number": "number"})
    assert back.records().tobytes() == made.tobytes()


def test_quotes_alone_go_into_a_csv(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = open_data(write(tmp_path / "given", **made_day(4, 200)))
    told = convert(data, tmp_path / "q.csv")
    assert told["left_out"] > 0
    assert "holds the quotes alone" in caplog.text
    quotes = data.records()[data.records()["kind"] == MarketKind.QUOTE]
    back = open_data(tmp_path / "q.csv", columns={"exch_ns": "exch_ns", "number": "number"})
    assert back.records().tobytes() == quotes.tobytes()
    with pytest.raises(ConfigError, match="is there already, and it is not overwritten"):
        convert(data, tmp_path / "q.csv")


ONE = {**NAMES, "venue": "bybit", "symbol": "BTCUSDT"}
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("", ONE, r"bybit.csv is empty; expected is a header"),
    ("t,b,bq,a,aq\n", ONE, r"bybit.csv is empty; expected is a row a quote"),
    ("t,b,bq,a\n1,2,3,4\n", ONE, r"has no column 'aq' for ask_qty; its columns are t, b, bq, a"),
    (GOOD, {**ONE, "prize": "b"}, r"columns named 'prize'; accepted are recv_ns, bid_px"),
    (GOOD, {**ONE, "time_unit": "h"}, r"time_unit was 'h'; accepted are s, ms, us, ns, iso"),
    (GOOD, NAMES, r"has no column 'venue'; give columns a venue: a column, or bybit or okx"),
    (GOOD, {**NAMES, "venue": "okx"}, r"has no column 'symbol'; give columns a symbol"),
    (GOOD.replace("05,", "09,", 1), ONE, r"row 1, is older than the row above it; sort"),
    (GOOD.replace("101.5", "-1"), ONE, r"row 1, has a ask_px that is none"),
    (GOOD.replace("101.5", "0"), ONE, r"row 1, has a ask_px that is none"),
    (GOOD.replace("101.5", "inf"), ONE, r"row 1, has a ask_px that is none"),
    (GOOD.replace("101,2", "101,-2", 1), ONE, r"row 0, has a ask_qty that is none"),
    (GOOD.replace("99.5", "cheap"), ONE, r"bybit.csv, row 0 cannot be read: .*'cheap'"),
    (GOOD.replace(",99,1,101,2", ",99"), ONE, r"bybit.csv, row 2 cannot be read: .*columns"),
    (GOOD.replace(f"{T0 + 7},", ",", 1), ONE, r"row 1, has no value in 't'"),
    (f"t,b,bq,a,aq,instId\n{T0},9,1,10,1,BTC\n{T0},9,1,10,1,ETH\n", ONE,
     r"row 1, is of ETH, rows above it are of BTC: symbols are mixed; name the column as"),
    (f"t,b,bq,a,aq,v\n{T0},9,1,10,1,okx\n{T0},9,1,10,1,binance\n", {**ONE, "venue": "v"},
     r"row 1, is of the venue 'binance'; accepted are bybit, okx"),
    (GOOD, {**ONE, "symbol": "XYZUSDT", "qty_unit": "coin"}, r"nothing says what XYZUSDT is at"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "columns", "says"), BAD)
def test_bad_rows_are_told_in_one_line(
    tmp_path: Path, text: str, columns: dict[str, Any], says: str
) -> None:
    path = csv(tmp_path, text)
    with pytest.raises(ConfigError, match=says) as told:
        open_data(path, columns=columns).records()
    assert "\n" not in str(told.value)


def test_a_parquet_column_of_words_is_no_price(tmp_path: Path) -> None:
    pq.write_table(pa.table({"t": [T0], "b": ["9"], "bq": [1], "a": [1.0], "aq": [1]}),
                   tmp_path / "q.parquet")  # fmt: skip
    with pytest.raises(ConfigError, match=r"column 'b' is string; expected are numbers"):
        open_data(tmp_path / "q.parquet", columns=ONE).records()
    (tmp_path / "q.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ConfigError, match=r"q.parquet cannot be read: "):
        open_data(tmp_path / "q.parquet", columns=ONE)
    with pytest.raises(ConfigError, match=r"gone.csv does not exist"):
        open_data(tmp_path / "gone.csv", columns=ONE)


@pytest.mark.parametrize(
    ("unit", "text", "says"),
    [
        ("ns", "1723161254", "in ns is no time of 2010 to 2100; time_unit s would fit"),
        ("ns", "1723161254024", "in ns is no time of 2010 to 2100; time_unit ms would fit"),
        ("s", "1723161254024", "in s is no time of 2010 to 2100; time_unit ms would fit"),
        ("ms", "1723161254.024", "in ms is no time of 2010 to 2100; time_unit s would fit"),
        ("s", "1723161254024619568", "in s is no time of 2010 to 2100; time_unit ns would fit"),
        ("us", "17", "in us is no time of 2010 to 2100; expected are times since 1970"),
        ("us", "-1723161254024619", "no time of 2010 to 2100; expected are times since 1970"),
        ("iso", "1723-08-08T23:54:14Z", "which is no time of 2010 to 2100; expected are"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "integer", "double"])
def test_a_wrong_unit_is_named(
    tmp_path: Path, unit: str, text: str, says: str, form: str
) -> None:
    """The second row is wrong: what fits 64 bits by chance must not pass, nor what does not."""
    good = {"iso": "2024-08-08T23:54:14Z"}.get(unit) or str(
        1723161254 * 10 ** {"s": 0, "ms": 3, "us": 6, "ns": 9}[unit]
    )
    path = csv(tmp_path, f"t,b,a\n{good},99,101\n{text},99,101\n")
    if form != "csv":
        if unit == "iso":
            return
        kind = int if form == "integer" else float
        table = pa.table({"t": [kind(float(good)), kind(float(text))], "b": [1, 1], "a": [2, 2]})
        path = tmp_path / "q.parquet"
        pq.write_table(table, path)
    columns = {"recv_ns": "t", "bid_px": "b", "ask_px": "a", "bid_qty": 1, "ask_qty": 2.5,
               "venue": "okx", "symbol": "ETHUSDT", "time_unit": unit}  # fmt: skip
    with pytest.raises(ConfigError, match=says) as told:
        open_data(path, columns=columns).records()
    assert "row 1, has the t " in str(told.value)
    assert "\n" not in str(told.value)


def test_words_of_others_are_made_ours(tmp_path: Path) -> None:
    head = "t,exchange,name,b,bq,a,aq\n"
    rows = [("okex-swap", "BTC-PERP"), ("binance-futures", "BTC-PERP"), ("bybit", "BTCUSDT"),
            ("okex-swap", "ETH-USDT-SWAP"), ("okex-swap", "XYZ")]  # fmt: skip
    text = "".join(f"{T0 + at},{venue},{name},9,1,10,1\n" for at, (venue, name) in enumerate(rows))
    path = csv(tmp_path, head + text)
    columns = {**NAMES, "venue": "exchange", "symbol": "name"}
    with pytest.raises(ConfigError, match=r"row 0, is of the venue 'okex-swap'; accepted are bybi"):
        open_data(path, columns=columns).records()
    columns["venues"] = {"okex-swap": "okx", "binance-futures": "none"}  # type: ignore[assignment]
    columns["symbols"] = {"BTC-PERP": "BTCUSDT", "XYZ": "none"}  # type: ignore[assignment]
    data = open_data(path, columns=columns)
    found = data.records()
    assert (found["recv_ns"] - T0).tolist() == [0, 2, 3]
    assert found["venue"].tolist() == [1, 0, 1]
    assert [data.symbols[at] for at in found["symbol"]] == ["BTCUSDT", "BTCUSDT", "ETHUSDT"]
    assert data.venue_name("okx", "BTCUSDT") == "BTC-USDT-SWAP", "not what somebody else calls it"
    assert open_data(**data.source).records().tobytes() == found.tobytes()
    for name, value in (("venues", {"x": "kraken"}), ("symbols", {"x": "BTC USD"})):
        with pytest.raises(ConfigError, match=rf"columns: {name} made 'x' "):
            open_data(path, columns={**columns, name: value})


def test_many_files_are_one_stream(tmp_path: Path) -> None:
    """Files a day, and some that lie beside one another: by time, of one time as they are named."""
    wanted, head = [], "t,venue,symbol,b,bq,a,aq\n"
    for day in range(4):
        for venue in ("bybit", "okx"):
            rows = [(T0 + 100 * day + 7 * at, venue, 9 + at + day) for at in range(20)]
            wanted += [(at_ns, venue == "okx", bid) for at_ns, _, bid in rows]
            text = "".join(f"{at},{name},BTCUSDT,{bid},1,99,1\n" for at, name, bid in rows)
            csv(tmp_path, head + text, f"{day}-{venue}.csv")
    data = open_data(tmp_path / "*.csv", columns=NAMES)
    found = data.records()
    assert found[["recv_ns", "venue", "bid_px"]].tolist() == sorted(wanted, key=lambda row: row[:2])
    assert open_data(**data.source).records().tobytes() == found.tobytes()
    two = open_data([tmp_path / "1-bybit.csv", tmp_path / "0-okx.csv"], columns=NAMES)
    assert two.count == 40
    with pytest.raises(ConfigError, match=r"x\*.csv does not exist: no file has such a name"):
        open_data(tmp_path / "x*.csv", columns=NAMES)


def test_a_table_of_our_own_needs_no_columns(tmp_path: Path) -> None:
    data = open_data(write(tmp_path / "given", **made_day(4, 200)))
    convert(data, tmp_path / "q.csv")
    back = open_data(tmp_path / "q.csv")
    quotes = data.records()[data.records()["kind"] == MarketKind.QUOTE]
    assert back.records().tobytes() == quotes.tobytes()
    assert open_data(**back.source).records().tobytes() == quotes.tobytes()
    with pytest.raises(ConfigError, match=r"is a table whose columns are t, b, bq, a, aq;"):
        open_data(csv(tmp_path, GOOD))
