"""Raw frames and recordings as market records: the live rules, gaps, lines, pieces, bad files."""

import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from market_frames import START_NS, book, funding, lines, made_day, quote, write
from recorded import HAS_DAY, REAL

from arbitrage.core.book import Book
from arbitrage.core.market_records import ALL_SYMBOLS, MarketFlag, MarketKind
from arbitrage.errors import ArbitrageError, ConfigError, WireError
from arbitrage.research.market import MarketData, open_data
from arbitrage.research.replay import replay

QUOTE, LEVEL, FUNDING, GAP = MarketKind
NEXT_MS = 1_790_440_000_000
MS = START_NS // 1_000_000


def told(data: MarketData) -> list[tuple[int, str, int]]:
    """What was told: time since the start, kind, flags."""
    return [
        (int(row["recv_ns"]) - START_NS, MarketKind(row["kind"]).name, int(row["flags"]))
        for row in data.records()
    ]


def replayed(data: MarketData, folder: Path) -> None:
    """The quotes are those that a replay of the same files applies, bit for bit."""
    found = data.records()
    found = found[found["kind"] == QUOTE]
    wanted = replay(folder / "bybit.frames.gz", folder / "okx.frames.gz")
    names = {"recv_ns": "recv_ns", "exch_ns": "exch_wall_ns", "number": "seq", "venue": "venue"}
    names |= {name: name for name in ("bid_px", "bid_qty", "ask_px", "ask_qty")}
    assert len(found) == len(wanted.quotes) > 0
    for ours, theirs in names.items():
        assert found[ours].tobytes() == wanted.quotes[theirs].tobytes(), ours
    ours_named = [data.symbols[place] for place in found["symbol"]]
    assert ours_named == [wanted.symbols[place] for place in wanted.quotes["symbol_index"]]


@pytest.mark.parametrize("seed", range(6))
def test_quotes_are_those_of_a_replay(tmp_path: Path, seed: int) -> None:
    folder = write(tmp_path, **made_day(seed, 400))
    paths = (folder / "bybit.frames.gz", folder / "okx.frames.gz")
    replayed(open_data(paths[0], okx=paths[1]), folder)
    assert open_data(paths[1]).records()["venue"].tolist().count(1) > 100


@pytest.mark.skipif(not HAS_DAY, reason=f"no recorded day at {REAL}; set ARB_REAL_DATA")
def test_quotes_of_a_real_day_are_those_of_a_replay() -> None:
    data = open_data(REAL / "bybit.frames.gz", okx=REAL / "okx.frames.gz")
    replayed(data, REAL)
    assert (data.count, data.has_depth, data.symbols) == (172_198, False, ("ETHUSDT", "BTCUSDT"))
    assert open_data(**data.source).records().tobytes() == data.records().tobytes()


@pytest.mark.parametrize("seed", range(6))
def test_levels_make_the_books_that_the_live_parser_makes(tmp_path: Path, seed: int) -> None:
    day = made_day(seed + 50, 600)
    data = open_data(write(tmp_path, **day))
    wanted: dict[tuple[int, int], object] = {}
    for place, venue in enumerate(("bybit", "okx")):
        live = Book(venue)
        for number, (_, frame) in enumerate(day[venue]):
            if b"orderbook.50" in frame or b'"books"' in frame:
                live.apply(frame)
                key = (place, sum(_is_deep(each) for _, each in day[venue][: number + 1]))
                wanted[key] = (live.bids().tolist(), live.asks().tolist())
    held: dict[int, tuple[dict[float, float], dict[float, float]]] = {}
    seen = {0: 0, 1: 0}
    for row in data.records():
        if row["kind"] != LEVEL:
            continue
        venue = int(row["venue"])
        if row["flags"] & MarketFlag.SNAPSHOT:
            held[venue] = ({}, {})
        for side, name in zip(held[venue], ("bid", "ask"), strict=True):
            if row[f"{name}_px"] == row[f"{name}_px"]:
                side[float(row[f"{name}_px"])] = float(row[f"{name}_qty"])
        if row["flags"] & MarketFlag.LAST:
            seen[venue] += 1
            bids, asks = ([[px, qty] for px, qty in sorted(side.items()) if qty > 0]
                          for side in held[venue])  # fmt: skip
            assert (bids[::-1], asks) == wanted[venue, seen[venue]]
    assert sum(seen.values()) == len(wanted) > 100


def _is_deep(frame: bytes) -> bool:
    return b"orderbook.50" in frame or b'"books"' in frame


def test_a_book_that_does_not_continue_is_lost_alone(tmp_path: Path) -> None:
    frames = [
        (START_NS, book("bybit", [("99", "1")], [("101", "1")], 5, -1, MS, "snapshot")),
        (START_NS + 1, quote("bybit", "99@1", "101@1", 5, MS)),
        (START_NS + 2, book("bybit", [("98", "1")], [], 7, 6, MS)),
        (START_NS + 3, book("bybit", [("97", "1")], [], 8, 7, MS)),
        (START_NS + 4, quote("bybit", "99@2", "101@1", 8, MS)),
        (START_NS + 5, book("bybit", [("98", "1")], [], 9, -1, MS, "snapshot")),
        (START_NS + 6, b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1,"data":{"s":"BTCU'),
        (START_NS + 7, quote("bybit", "99@3", "101@1", 9, MS)),
    ]
    assert told(open_data(write(tmp_path, bybit=frames))) == [
        (0, "LEVEL", 3), (1, "QUOTE", 1), (2, "GAP", 9), (4, "QUOTE", 1), (5, "LEVEL", 3),
        (6, "GAP", 9), (7, "QUOTE", 1),
    ]  # fmt: skip


def test_funding_is_told_when_it_changes(tmp_path: Path) -> None:
    partly = json.loads(funding("bybit", "0.0003", NEXT_MS, 8, MS))
    partly["data"] = {"symbol": "BTCUSDT", "fundingRate": "-0.0003"}
    frames = {
        "bybit": [
            (START_NS, quote("bybit", "99@1", "101@1", 5, MS)),
            (START_NS + 1, funding("bybit", "0.0001", NEXT_MS, 8, MS)),
            (START_NS + 2, funding("bybit", "0.0001", NEXT_MS, 8, MS + 1)),
            (START_NS + 3, json.dumps(partly).encode()),
        ],
        "okx": [
            (START_NS, quote("okx", "99@1", "101@1", 5, MS)),
            (START_NS + 1, funding("okx", "0.0002", NEXT_MS, 4, MS)),
        ],
    }
    found = open_data(write(tmp_path, **frames)).records()
    found = found[found["kind"] == FUNDING]
    assert found[["recv_ns", "venue", "bid_px", "bid_qty", "number", "exch_ns"]].tolist() == [
        (START_NS + 1, 0, 0.0001, 8.0, NEXT_MS * 10**6, MS * 10**6),
        (START_NS + 1, 1, 0.0002, 4.0, NEXT_MS * 10**6, MS * 10**6),
        (START_NS + 3, 0, -0.0003, 8.0, NEXT_MS * 10**6, MS * 10**6),
    ]
    assert np.isnan(found["ask_px"]).all()


def test_pieces_follow_one_another_and_lines_bring_each_state_once(tmp_path: Path) -> None:
    first = [(START_NS + 10 * i, quote("bybit", f"{90 + i}@1", "101@1", i, MS + i))
             for i in range(1, 9)]  # fmt: skip
    late = [(at + 3 if i % 2 else at - 3, frame) for i, (at, frame) in enumerate(first)]
    folder = write(
        tmp_path,
        bybit__0002=first[4:], bybit__0001=first[:4], bybit_line1__0001=late,
        okx__0001=[(START_NS + 1, quote("okx", "99@1", "101@1", 5, MS))],
    )  # fmt: skip
    data = open_data(folder)
    found = data.records()[data.records()["venue"] == 0]
    assert found["bid_px"].tolist() == [91.0 + i for i in range(8)]
    assert found["recv_ns"].tolist() == [START_NS + 10 * i - (0 if i % 2 == 0 else 3)
                                         for i in range(1, 9)]  # fmt: skip


def manifest(folder: Path, *gaps: dict[str, int], lanes: int = 1) -> None:
    told_of = {"frames_before": [0] * lanes, "gaps": list(gaps), "gaps_not_listed": 0}
    (folder / "recording.json").write_text(json.dumps({"version": 2, "frames": told_of}))


def test_what_the_recorder_lost_is_a_gap_where_the_last_frame_was(tmp_path: Path) -> None:
    frames = {
        venue: [(START_NS + 10 * i + place, quote(venue, "99@1", "101@1", i, MS))
                for i in range(1, 6)]
        for place, venue in enumerate(("bybit", "okx"))
    }  # fmt: skip
    folder = write(tmp_path, **frames)
    lost = {"lane": 0, "before_recv_ns": START_NS + 31, "frames": 7, "bytes": 70}
    early = {"lane": 0, "before_recv_ns": START_NS, "frames": 2, "bytes": 20}
    manifest(folder, early, lost)
    data = open_data(folder)
    gaps = [(gap.start_ns - START_NS, gap.end_ns - START_NS, gap.venue, gap.lost)
            for gap in data.gaps]  # fmt: skip
    assert gaps == [(30, 31, "bybit", 7), (21, 31, "okx", 7)]
    rows = data.records()[data.records()["kind"] == GAP]
    assert rows[["recv_ns", "venue", "symbol"]].tolist() == [
        (START_NS + 21, 1, ALL_SYMBOLS), (START_NS + 30, 0, ALL_SYMBOLS),
    ]  # fmt: skip
    assert (np.diff(data.records()["recv_ns"]) >= 0).all()
    manifest(folder, lost | {"lane": 1}, lanes=2)
    assert [gap.venue for gap in open_data(folder).gaps] == ["okx"]


def test_one_symbol_of_several(tmp_path: Path) -> None:
    frames = [
        (START_NS, quote("bybit", "9@1", "10@1", 5, MS, symbol="1000PEPEUSDT")),
        (START_NS + 1, quote("bybit", "99@1", "101@1", 5, MS)),
    ]
    folder = write(tmp_path, bybit=frames)
    data = open_data(folder)
    assert data.symbols == ("PEPEUSDT", "BTCUSDT")
    assert data.venue_name("bybit", "PEPEUSDT") == "1000PEPEUSDT"
    assert data.contract("bybit", "PEPEUSDT").px_mult == 0.001
    part = open_data(folder, symbols=["BTCUSDT"])
    assert part.symbols == ("BTCUSDT",)
    assert part.records()[["recv_ns", "symbol"]].tolist() == [(START_NS + 1, 0)]
    assert open_data(**part.source).symbols == ("BTCUSDT",)
    with pytest.raises(ConfigError, match=r"symbol was 'SOLUSDT'; .* holds BTCUSDT, PEPEUSDT"):
        open_data(folder, symbols=["SOLUSDT"]).records()


# ---- bad files -----------------------------------------------------------------------------------

GOOD = [(START_NS + i, quote("bybit", f"{90 + i}@1", "101@1", i, MS)) for i in range(1, 9)]
OKX = [(START_NS + i, quote("okx", "99@1", "101@1", i, MS)) for i in range(1, 9)]
BAD: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "unsorted": (
        lambda text: b"\n".join(reversed(text.split(b"\n")[:4])) + b"\n",
        r"bybit.frames, line 2, was received 0.000000001 s before a line above it; sort",
    ),
    "truncated": (
        lambda text: text[:-40],
        r"bybit.frames ends in the middle of line 8; copy it again",
    ),
    "cut gzip": (
        lambda text: gzip.compress(text * 300)[:-30],
        r"bybit.frames ends in the middle of its gzip data; copy it again",
    ),
    "wrong columns": (
        lambda text: text.replace(b"\t", b",", 3),
        r"bybit.frames, line 1, is not `recv_ns TAB frame`, as 3 of 8 lines are not",
    ),
    "other venue": (
        lambda text: lines(OKX),
        r"bybit.frames holds no quote of bybit; its frames look like okx's: were the two files",
    ),
    "empty": (lambda text: b"", r"bybit.frames holds no quote of bybit; a line is"),
    "damaged": (
        lambda text: b"\x1f\x8b" + text,
        r"bybit.frames has damaged gzip data",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_told_in_one_line(tmp_path: Path, name: str) -> None:
    change, says = BAD[name]
    paths = (tmp_path / "bybit.frames", tmp_path / "okx.frames")
    paths[0].write_bytes(change(lines(GOOD)))
    paths[1].write_bytes(lines(OKX))
    with pytest.raises(ArbitrageError, match=says) as told_of:
        open_data(paths[0], okx=paths[1]).records()
    assert "\n" not in str(told_of.value)


def test_no_market_data_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no market data: expected is the folder of a record"):
        open_data(tmp_path)
    with pytest.raises(ConfigError, match="gone does not exist"):
        open_data(tmp_path / "gone")
    (tmp_path / "notes.txt").write_text("hello\n")
    with pytest.raises(WireError, match=r"notes.txt holds no quote of bybit or okx; a line is"):
        open_data(tmp_path / "notes.txt")


def test_a_frame_that_cannot_be_read_is_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [*GOOD[:3], (START_NS + 4, GOOD[3][1][:-20]), *GOOD[4:]]
    with caplog.at_level(logging.WARNING):
        data = open_data(write(tmp_path, bybit=bad))
        assert len(data.records()) == len(data.records()) == 7
    told_of = [row.getMessage() for row in caplog.records if "could not be read" in row.message]
    assert len(told_of) == 1
    assert "1 of 8 frames could not be read and were left out, the first is line 4: " in told_of[0]


def test_what_a_recorder_left_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    late = [*GOOD[:3], (START_NS + 1, GOOD[3][1]), *GOOD[4:]]
    (tmp_path / "bybit.frames.part").write_bytes(lines(late)[:-40])
    found = open_data(tmp_path).records()
    assert (found["recv_ns"] - START_NS).tolist() == [1, 2, 3, 3, 5, 6, 7]
