"""A late recorder has the books all the same: the trader tells them between the frames."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from depth_kit import BYBIT, OKX, Levels, books, bybit50, l1
from patience import LIMIT_S, Patience
from trader_kit import trader as running_trader
from trader_kit import venues as simulated_venues

import arbitrage
from arbitrage.cold.recorder import SUMMARY, Recorder
from arbitrage.core.feed import FeedLane
from arbitrage.core.market_records import MarketFlag, MarketKind
from arbitrage.core.segment import Segment
from arbitrage.core.tap import ASIDE

VENUES = ("bybit", "okx")
NAMES = {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"}
Book = tuple[Levels, Levels]


class Trader:
    """A feed lane with a book on each venue, and a tap that is on."""

    def __init__(self, tap_bytes: int) -> None:
        name = f"told-{time.monotonic_ns()}"
        self.segment = Segment.create(name, lane_count=1, tap_bytes=tap_bytes)
        self.segment.symbols.add("BTCUSDT", NAMES)
        self.segment.tap(0).enable(True)
        self.segment.decisions.enable(True)
        self.lane = FeedLane(self.segment, 0)
        self.rows = [self.segment.store.row(venue, 0) for venue in (BYBIT, OKX)]
        for row, channel in zip(self.rows, ("orderbook.50", "books"), strict=True):
            self.lane.hold_book(row, channel)
        self.segment.mark_ready()
        self.seqs = [1000, 1000]
        self._chance = random.Random(7)

    def frame(self, venue: int, bids: Levels, asks: Levels, *, anew: bool = False) -> bytes:
        before, self.seqs[venue] = self.seqs[venue], self.seqs[venue] + 1
        if venue == BYBIT:
            return bybit50(bids, asks, before + 1, before + 1, "snapshot" if anew else "delta")
        return books(bids, asks, before + 1, -1 if anew else before)

    def state(self) -> None:
        for venue, depth in ((BYBIT, 50), (OKX, 300)):
            sides = [[(60000.0 + s * (1 + i), 1.5 + i) for i in range(depth)] for s in (-1, 1)]
            self.lane.on_frame(venue, self.frame(venue, *sides, anew=True))
            self.lane.on_frame(venue, l1(venue, sides[0][0][0], sides[1][0][0], self.seqs[venue]))

    def change(self, count: int = 40) -> None:
        for _ in range(count):
            venue, far = self._chance.randrange(2), self._chance.randrange(1, 50)
            bids = [(60000.0 - far, self._chance.choice([0.0, 2.5, 1e-7]))]
            assert self.lane.on_frame(venue, self.frame(venue, bids, [(60000.0 + far, 3.25)])) == 0

    def tell(self) -> None:
        assert [self.lane.tell_book(row) for row in self.rows] == [True, True]

    def books(self) -> list[Book]:
        found = [self.lane.book(row) for row in self.rows]
        return [(bids, asks) for bids, asks, _ in found]


@pytest.fixture
def trader() -> Iterator[Trader]:
    made = Trader(1 << 18)
    yield made
    made.segment.close()


def attached(trader: Trader, folder: Path, **options: Any) -> Recorder:
    recorder = Recorder(arbitrage.attach(trader.segment.name), folder, **options)
    recorder.open()
    return recorder


def rebuilt(folder: Path) -> list[Book]:
    """Return the books as they stand at the end of a recording's frames."""
    sides: list[list[dict[float, float]]] = [[{}, {}], [{}, {}]]
    for record in arbitrage.open_data(folder, stream="frames").records():
        if record["kind"] == MarketKind.GAP:
            sides[record["venue"]] = [{}, {}]
        if record["kind"] != MarketKind.LEVEL:
            continue
        if record["flags"] & MarketFlag.SNAPSHOT:
            sides[record["venue"]] = [{}, {}]
        for place, side in enumerate(("bid", "ask")):
            px, qty = float(record[f"{side}_px"]), float(record[f"{side}_qty"])
            if qty > 0:
                sides[record["venue"]][place][px] = qty
            elif not np.isnan(px):
                sides[record["venue"]][place].pop(px, None)
    return [(sorted(bids.items(), reverse=True), sorted(asks.items())) for bids, asks in sides]


def told_frames(folder: Path, venue: str) -> list[dict[str, Any]]:
    paths = sorted(folder.glob(f"{venue}*.frames"))
    frames = [line.split("\t")[1] for path in paths for line in path.read_text().splitlines()]
    return [frame for frame in map(json.loads, frames) if "told" in frame]


def test_a_late_recorder_has_whole_books(tmp_path: Path, trader: Trader) -> None:
    trader.state()
    trader.change()
    recorder = attached(trader, tmp_path, compress="none")
    trader.change()  # of a book that the recorder does not know yet
    trader.tell()
    trader.change()
    trader.tell()  # known by now: not written again
    trader.change()
    recorder.run(lambda: True, lambda: None)
    assert rebuilt(tmp_path) == trader.books()
    assert [len(told_frames(tmp_path, venue)) for venue in VENUES] == [1, 1]
    found = json.loads((tmp_path / SUMMARY).read_text())["frames"]
    assert found["books"] == {"bybit": 1, "okx": 1}
    counted = sum(found["frames"].values()) + sum(found["frames_before"])
    assert counted == trader.segment.tap(0).frames, "a told book is no frame"
    assert found["lost_frames"] == 0


def test_books_come_back_after_a_loss(tmp_path: Path, trader: Trader) -> None:
    trader.state()
    recorder = attached(trader, tmp_path, compress="none")
    trader.tell()
    trader.change()
    stream = recorder.streams["frames"]
    stream.turn()
    before = trader.segment.tap(0).frames
    for _ in range(60):  # books told meanwhile are overwritten, and are not counted as lost
        trader.tell()
        trader.change(20)
    stream.turn()  # goes on at the newest frame
    trader.tell()
    trader.change()
    recorder.run(lambda: True, lambda: None)
    assert rebuilt(tmp_path) == trader.books()
    found = json.loads((tmp_path / SUMMARY).read_text())["frames"]
    (gap,) = found["gaps"]
    assert found["lost_frames"] == gap["frames"] == gap["to_frame"] - gap["from_frame"] > 0
    assert gap["from_frame"] == before
    counted = sum(found["frames"].values()) + sum(found["frames_before"])
    assert counted + found["lost_frames"] == trader.segment.tap(0).frames


def test_every_piece_begins_with_books(tmp_path: Path, trader: Trader) -> None:
    trader.state()
    recorder = attached(trader, tmp_path, compress="none", rotate_s=1e9)
    stream = recorder.streams["frames"]
    for piece in (1, 2):
        trader.tell()
        trader.change()
        while stream.turn():
            pass
        stream.finish()
        if piece == 1:
            stream.close_files()
            stream.open_files(2)
    recorder.run(lambda: True, lambda: None)
    for venue in VENUES:
        for piece in (1, 2):
            assert '"told":true' in (tmp_path / f"{venue}.{piece:04d}.frames").read_text()
    assert rebuilt(tmp_path) == trader.books()


def test_the_line_that_is_ahead_goes_on_from_the_book(tmp_path: Path, trader: Trader) -> None:
    """Two lines: what the slower one says late of a book already told is a copy, no gap."""
    trader.state()
    late = []
    for _ in range(3):
        frame = trader.frame(OKX, [(59999.0, 4.0 + len(late))], [])
        trader.lane.on_frame(OKX, frame, line=1)
        late.append(frame)
    recorder = attached(trader, tmp_path, compress="none")
    trader.tell()
    for frame in late:
        trader.lane.on_frame(OKX, frame, line=0)
    for _ in range(3):
        frame = trader.frame(OKX, [(59998.0, 9.0 + trader.seqs[OKX])], [])
        for line in (1, 0):
            trader.lane.on_frame(OKX, frame, line=line)
    recorder.run(lambda: True, lambda: None)
    assert rebuilt(tmp_path)[OKX] == trader.books()[OKX]
    assert arbitrage.open_data(tmp_path, stream="frames").records()["kind"].tolist().count(4) == 0


def test_a_book_that_is_not_held_is_not_told(trader: Trader) -> None:
    reader = trader.segment.tap(0).reader()
    assert not trader.lane.tell_book(trader.rows[OKX])
    trader.state()
    trader.segment.tap(0).enable(False)
    assert not trader.lane.tell_book(trader.rows[OKX])
    trader.segment.tap(0).enable(True)
    assert trader.lane.tell_book(trader.rows[OKX])
    found = []
    while (one := reader.read()) is not None:
        found.append(one[2])
    assert found == [0, 0, 0, 0, ASIDE]


def test_a_small_tap_is_left_to_the_frames() -> None:
    made = Trader(1 << 14)
    try:
        made.state()
        refused = made.segment.tap(0).refused  # the snapshot of OKX itself was
        assert made.lane.tell_book(made.rows[BYBIT]), "1.6 KB"
        assert not made.lane.tell_book(made.rows[OKX]), "9.6 KB of 16"
        assert made.segment.tap(0).refused == refused
    finally:
        made.segment.close()


def test_a_running_trader_tells_its_books(tmp_path: Path) -> None:
    """Books of the frames are the ones that the trader held, at the same sequence numbers."""
    out = tmp_path / "out"
    with (
        simulated_venues(tmp_path) as simulated,
        running_trader(tmp_path, simulated.environment(), ARB_TAP_MB="16") as running,
    ):
        segment = running.attach()
        rows = [(venue, index) for venue in VENUES for index in range(len(segment.symbols))]
        command = [sys.executable, "-m", "arbitrage.cli", "record", running.name]
        command += ["--out", str(out), "--compress", "none"]
        program = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        files = {venue: out / f"{venue}.frames.part" for venue in VENUES}
        patience, seen, told = Patience(), dict[tuple[str, int, int], Any](), 0
        while told < len(rows) or len(seen) < 20 * len(rows):
            assert program.poll() is None
            assert not patience.is_over()
            time.sleep(0.02)
            if told < len(rows):
                texts = [file.read_text() for file in files.values() if file.exists()]
                told = sum(text.count('"told":true') for text in texts)
                continue
            for venue, index in rows:
                depth = segment.store.depth(venue, index)
                seen[venue, index, depth.seq] = depth
        names = list(segment.symbols)
        assert running.stop() == 0
        assert program.wait(LIMIT_S) == 0
    day = arbitrage.open_data(out)
    assert day.has_depth
    compared = compare(day, names, seen)
    assert set(compared) == set(rows)
    assert min(compared.values()) >= 5


def compare(
    day: Any, names: list[str], seen: dict[tuple[str, int, int], Any]
) -> dict[tuple[str, int], int]:
    """Compare books at the numbers that were seen in the trader; return how many, by row."""
    sides: dict[tuple[str, int], list[dict[float, float]]] = {}
    found: dict[tuple[str, int, int], Any] = {}
    for record in day.records():
        if record["kind"] != MarketKind.LEVEL:
            assert record["kind"] != MarketKind.GAP
            continue
        row = VENUES[record["venue"]], names.index(day.symbols[record["symbol"]])
        if record["flags"] & MarketFlag.SNAPSHOT:
            sides[row] = [{}, {}]
        for place, side in enumerate(("bid", "ask")):
            px, qty = float(record[f"{side}_px"]), float(record[f"{side}_qty"])
            if qty > 0:
                sides[row][place][px] = qty
            elif not np.isnan(px):
                sides[row][place].pop(px, None)
        key = (*row, int(record["number"]))
        if record["flags"] & MarketFlag.LAST and key in seen:
            bids, asks = sides[row]
            found[key] = sorted(bids.items(), reverse=True)[:10], sorted(asks.items())[:10]
    compared: dict[tuple[str, int], int] = {}
    for key, (bids, asks) in found.items():
        assert [tuple(level) for level in seen[key].bids.tolist()] == bids
        assert [tuple(level) for level in seen[key].asks.tolist()] == asks
        compared[key[:2]] = compared.get(key[:2], 0) + 1
    return compared
