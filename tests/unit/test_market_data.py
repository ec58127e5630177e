"""Market records in memory: checks, selections, and the tables of other libraries."""

import numpy as np
import pytest

from arbitrage.core.market_records import (
    ALL_SYMBOLS,
    MARKET_BYTES,
    MARKET_DTYPE,
    MarketFlag,
    MarketKind,
)
from arbitrage.errors import ConfigError
from arbitrage.research.market import MarketData, as_ns

SYMBOLS = ("BTCUSDT", "ETHUSDT")
NAN = float("nan")


def records(*rows: tuple[int, int, int, float]) -> np.ndarray:
    """Make quotes of (recv_ns, venue, symbol, bid)."""
    found = np.zeros(len(rows), MARKET_DTYPE)
    for place, (recv_ns, venue, symbol, bid) in enumerate(rows):
        found[place] = (
            recv_ns, recv_ns - 5, bid, 1.5, bid + 0.5, NAN, 7, symbol, venue,
            MarketKind.QUOTE, MarketFlag.LAST,
        )  # fmt: skip
    return found


def test_a_record_is_one_line_of_cache() -> None:
    assert MARKET_DTYPE.itemsize == MARKET_BYTES == 64
    assert MARKET_DTYPE.fields is not None
    assert [MARKET_DTYPE.fields[name][1] for name in ("number", "symbol", "flags")] == [48, 56, 60]


def test_records_are_taken_without_a_copy_and_cannot_be_changed() -> None:
    given = records((1, 0, 0, 10.0), (2, 1, 1, 11.0))
    data = MarketData.from_records(given, SYMBOLS)
    assert np.shares_memory(data.records(), given)
    assert [len(block) for block in data.blocks(1)] == [1, 1]
    assert (data.start_ns, data.end_ns, data.count, data.has_depth) == (1, 2, 2, False)
    with pytest.raises(ValueError, match="read-only"):
        data.records()["bid_px"] = 0


def test_ties_go_to_bybit() -> None:
    data = MarketData.from_records(records((1, 1, 0, 10.0), (1, 0, 0, 11.0)), SYMBOLS)
    assert data.records()["venue"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("recv_ns", 0), "1 of 3 records are out of order of recv_ns: row 1"),
        (("venue", 2), "have a venue beyond bybit, okx: row 1"),
        (("kind", 0), "have a kind that is none: row 1"),
        (("kind", 5), "have a kind that is none: row 1"),
        (("symbol", 2), "have a symbol beyond the 2 given: row 1"),
        (("symbol", ALL_SYMBOLS), "have a symbol beyond the 2 given: row 1"),
    ],
)
def test_records_that_mean_nothing_are_refused(change: tuple[str, int], says: str) -> None:
    given = records((1, 0, 0, 10.0), (2, 1, 1, 11.0), (3, 0, 0, 12.0))
    given[change[0]][1] = change[1]
    with pytest.raises(ConfigError, match=says):
        MarketData.from_records(given, SYMBOLS)


def test_another_dtype_is_refused() -> None:
    with pytest.raises(ConfigError, match="were of dtype float64"):
        MarketData.from_records(np.zeros(3), SYMBOLS)


def test_a_selection_has_its_own_symbols() -> None:
    data = MarketData.from_records(
        records((1, 0, 0, 10.0), (2, 1, 1, 11.0), (3, 0, 1, 12.0), (4, 1, 1, 13.0)), SYMBOLS
    )
    part = data.select(symbols=["ETHUSDT"], venues=["okx"])
    assert part.symbols == ("ETHUSDT",)
    assert part.records()[["recv_ns", "symbol", "venue"]].tolist() == [(2, 0, 1), (4, 0, 1)]
    with pytest.raises(ConfigError, match="symbol was 'SOLUSDT'; this data holds BTCUSDT, ETH"):
        data.select(symbols=["SOLUSDT"])
    with pytest.raises(ConfigError, match="venue was 'binance'"):
        data.select(venues=["binance"])


def test_times_are_read() -> None:
    assert as_ns("2026-03-01") == 1772323200 * 10**9
    assert as_ns("2026-03-01T01:00:00.000001+01:00") == 1772323200 * 10**9 + 1000
    assert as_ns("17") == as_ns(17) == 17
    with pytest.raises(ConfigError, match="start was 'soon'"):
        as_ns("soon", "start")


def test_tables_hold_the_same_bits() -> None:
    pytest.importorskip("pyarrow")
    given = records((1, 0, 0, 10.1), (2, 1, 1, -0.0))
    given["kind"][1], given["symbol"][1] = MarketKind.GAP, ALL_SYMBOLS
    data = MarketData.from_records(given, SYMBOLS)
    table = data.to_arrow()
    assert table["venue"].to_pylist() == ["bybit", "okx"]
    assert table["symbol"].to_pylist() == ["BTCUSDT", None]
    assert table["kind"].to_pylist() == ["QUOTE", "GAP"]
    assert table["bid_px"].to_numpy().tobytes() == given["bid_px"].tobytes()
    assert np.isnan(table["ask_qty"].to_numpy()).all()


def test_polars_and_pandas_stand_on_the_memory_of_the_table() -> None:
    pytest.importorskip("pyarrow")
    polars, pandas = pytest.importorskip("polars"), pytest.importorskip("pandas")
    data = MarketData.from_records(records((1, 0, 0, 10.1), (2, 1, 1, 11.0)), SYMBOLS)
    assert data.to_polars()["bid_px"].to_list() == [10.1, 11.0]
    assert data.to_polars()["symbol"].cast(polars.String).to_list() == ["BTCUSDT", "ETHUSDT"]
    frame = data.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["recv_ns"].astype("int64").tolist() == [1, 2]
