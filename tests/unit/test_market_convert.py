"""Raw frames to Parquet and back: the same records bit for bit, and the same replay."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from market_frames import START_NS, book, lines, made_day, quote, write
from recorded import HAS_DAY, REAL

from arbitrage.core.market_records import ALL_SYMBOLS, MARKET_DTYPE, MarketFlag, MarketKind
from arbitrage.core.market_text import MarketText
from arbitrage.errors import ConfigError
from arbitrage.research.convert import convert
from arbitrage.research.market import MarketData, open_data
from arbitrage.research.replay import run_replay

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")

QUOTE, LEVEL, FUNDING, GAP = MarketKind
MS = START_NS // 1_000_000


def sha(folder: Path) -> str:
    """What a replay of a folder's frames finds, as its digest."""
    paths = [folder / f"{venue}.frames.gz" for venue in ("bybit", "okx")]
    fees = {"bybit": 0.0, "okx": 0.0}
    found = run_replay(paths[0], paths[1], min_net_bps=-9000, fees=fees)
    assert found["events"] > 0
    return str(found["events_sha256"])


def there_and_back(folder: Path, tmp: Path) -> None:
    """Frames to Parquet and back: equal records, equal replay, equal contracts and gaps."""
    data = open_data(folder)
    convert(data, tmp / "days")
    stored = open_data(tmp / "days")
    convert(stored, tmp / "again", "frames")
    again = open_data(tmp / "again")
    wanted = data.records().tobytes()
    assert stored.records().tobytes() == wanted
    assert again.records().tobytes() == wanted
    assert again.symbols == data.symbols
    assert sha(tmp / "again") == sha(folder)
    assert dict(again.contracts) == dict(data.contracts)
    ends = [(gap.start_ns, gap.end_ns, gap.venue) for gap in data.gaps]
    assert [(gap.start_ns, gap.end_ns, gap.venue) for gap in again.gaps] == ends


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 30), st.integers(80, 250))
def test_frames_go_there_and_back(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int
) -> None:
    tmp = tmp_path_factory.mktemp("day")
    there_and_back(write(tmp / "given", **made_day(seed, count)), tmp)


@pytest.mark.skipif(not HAS_DAY, reason=f"no recorded day at {REAL}; set ARB_REAL_DATA")
def test_a_real_day_goes_there_and_back(tmp_path: Path) -> None:
    there_and_back(REAL, tmp_path)


def test_what_was_lost_goes_there_and_back(tmp_path: Path) -> None:
    day = {
        "bybit": [
            (START_NS, quote("bybit", "99@1", "101@1", 2, MS)),
            (START_NS + 1, book("bybit", [("99", "1")], [("101", "1")], 5, -1, MS, "snapshot")),
            (START_NS + 2, book("bybit", [("98", "1")], [], 9, 8, MS)),
            (START_NS + 3, quote("bybit", "103@1", None, 4, MS, "delta")),
            (START_NS + 4, quote("bybit", "99@1", None, 5, MS)),
            (START_NS + 5, quote("bybit", None, "98.5@1", 6, MS, "delta")),
            (START_NS + 6, quote("bybit", "99@1", "101@1", 7, MS)),
            (START_NS + 20, quote("bybit", "99@2", "101@1", 8, MS)),
        ],
        "okx": [
            (START_NS + 1, quote("okx", "101@1", "102@1", 2, MS)),
            (START_NS + 2, book("okx", [("99", "1")], [("101", "1")], 5, -1, MS, "snapshot")),
            (START_NS + 3, book("okx", [], [], 5, 5, MS + 7)),
            (START_NS + 4, book("okx", [("98", "1")], [], 9, 8, MS)),
        ],
    }
    folder = write(tmp_path / "given", **day)
    gaps = [{"lane": 0, "before_recv_ns": START_NS + 15, "frames": 3, "bytes": 9}]
    told = {"frames_before": [0, 0], "gaps": gaps, "gaps_not_listed": 0}
    (folder / "recording.json").write_text(json.dumps({"version": 2, "frames": told}))
    kinds = open_data(folder).records()[["venue", "kind", "flags"]].tolist()
    assert [row for row in kinds if row[1] == GAP] == [
        (0, GAP, 9), (0, GAP, 1), (1, GAP, 9), (0, GAP, 1), (0, GAP, 1)
    ]  # fmt: skip
    data = open_data(folder)
    convert(data, tmp_path / "days")
    convert(open_data(tmp_path / "days"), tmp_path / "again", "frames")
    again = open_data(tmp_path / "again")
    assert again.records().tobytes() == data.records().tobytes()
    assert sha(tmp_path / "again") == sha(folder)
    assert [(gap.start_ns, gap.venue) for gap in again.gaps] == [(START_NS + 6, "bybit")]


NUMBERS = st.floats(min_value=5e-324, allow_nan=False, allow_infinity=False)


@settings(max_examples=150, deadline=None)
@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.sampled_from([0, 1]), st.integers(0, 2**48 - 1))
def test_any_double_survives_as_text(
    tmp_path_factory: pytest.TempPathFactory,
    low: float, high: float, bid_qty: float, ask_qty: float, venue: int, number: int,
) -> None:  # fmt: skip
    made = np.zeros(1, MARKET_DTYPE)
    low, high = sorted((low, high))
    made[0] = (5, MS * 10**6, low, bid_qty, high, ask_qty, number, 0, venue, QUOTE, 1)
    text = MarketText([[b"BTCUSDT"], [b"BTC-USDT-SWAP"]])
    text.take(made)
    path = tmp_path_factory.mktemp("text") / "x.frames"
    path.write_bytes(text.text(venue))
    assert open_data(path).records().tobytes() == made.tobytes()


CANNOT = [
    ({"bid_px": -1.0}, "record 1 has the price -1.0, which no frame can say"),
    ({"bid_px": float("inf"), "ask_px": float("nan")}, "has the price inf"),
    ({"bid_qty": float("nan")}, "has the quantity nan, which no frame can say of a quote"),
    ({"bid_qty": 0.0}, "has the quantity 0.0"),
    ({"bid_px": 200.0}, "has the bid 200.0 above the ask 101.0"),
    ({"number": 1 << 48}, "has the number 281474976710656; a frame's is 0 to 281474976710655"),
    ({"exch_ns": -1}, "has a time before 1970"),
    ({"kind": FUNDING, "bid_px": float("nan")}, "has no rate, interval or next settlement"),
]


@pytest.mark.parametrize(("change", "says"), CANNOT)
def test_what_no_frame_can_say_is_refused(
    tmp_path: Path, change: dict[str, float], says: str
) -> None:
    made = np.zeros(3, MARKET_DTYPE)
    for place in range(3):
        made[place] = (5 + place, MS, 99.0, 1.0, 101.0, 1.0, 7, 0, 0, QUOTE, 1)
    for name, value in change.items():
        made[name][1] = value
    with pytest.raises(ConfigError, match=says):
        convert(MarketData.from_records(made, ["BTCUSDT"]), tmp_path / "out", "frames")
    assert not (tmp_path / "out" / "bybit.frames.gz").exists()


def test_targets_are_not_overwritten(tmp_path: Path) -> None:
    folder = write(tmp_path / "given", **made_day(1, 60))
    data = open_data(folder)
    convert(data, tmp_path / "out", "frames", compress="none")
    assert (tmp_path / "out" / "bybit.frames").read_bytes().count(b"\n") > 10
    with pytest.raises(ConfigError, match="holds frames already; choose another target"):
        convert(data, tmp_path / "out", "frames")
    convert(data, tmp_path / "days")
    with pytest.raises(ConfigError, match="already, and it is not overwritten"):
        convert(data, tmp_path / "days")
    with pytest.raises(ConfigError, match="frames is written to this machine's disk alone"):
        convert(data, "memory://x", "frames")
    with pytest.raises(ConfigError, match="form was 'xml'; accepted values are parquet, frames"):
        convert(data, tmp_path / "x", "xml")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written: "):
        convert(data, tmp_path / "file" / "x", "frames")
    with pytest.raises(ConfigError, match="cannot be written: "):
        convert(data, tmp_path / "file" / "x")


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    told: list[float] = []
    data = open_data(write(tmp_path / "given", **made_day(1, 60)))
    found = convert(data, tmp_path / "days", progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert found["records"] == data.count
    assert found["form"] == "parquet"


def test_lines_and_records_that_are_none() -> None:
    text = MarketText([[b"BTCUSDT"], [b"BTC-USDT-SWAP"]])
    made = np.zeros(1, MARKET_DTYPE)
    made["kind"], made["symbol"] = QUOTE, 1
    with pytest.raises(ValueError, match="record 0 has the symbol 1, which is none"):
        text.take(made)
    made["kind"], made["symbol"], made["flags"] = GAP, ALL_SYMBOLS, MarketFlag.LAST
    text.take(made)
    assert text.text(0) == b""
    assert lines([]) == b""
