"""One row of a feed lane with a book: frames of both topics, and what the store shows of them."""

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.feed import FeedLane
from arbitrage.core.segment import Segment
from arbitrage.core.stages import Stages

EMPTY, SYNCING, LIVE, SUSPECT, STALE, GAP = range(6)
BYBIT, OKX = 0, 1
WALL_MS = 1_790_000_000_000
Levels = list[tuple[float, float]]


def written(frame: dict[str, Any]) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()


def texts(levels: Levels) -> list[list[str]]:
    return [[f"{px:.1f}", f"{qty:g}"] for px, qty in levels]


def l1(venue: int, bid: float, ask: float, seq: int, u: int = 0, wall_ms: int = 0) -> bytes:
    """Return a top-of-book frame; u and the venue's time follow seq unless given."""
    at = wall_ms or WALL_MS + seq
    if venue == BYBIT:
        data = {"s": "BTCUSDT", "b": texts([(bid, 2)]), "a": texts([(ask, 2)])}
        data |= {"u": u or seq, "seq": seq}
        frame = {"topic": "orderbook.1.BTCUSDT", "type": "snapshot", "ts": at, "data": data}
        return written(frame | {"cts": at})
    book = {"asks": [[f"{ask:.1f}", "2", "0", "1"]], "bids": [[f"{bid:.1f}", "2", "0", "1"]]}
    book |= {"ts": str(at), "seqId": seq}
    return written({"arg": {"channel": "bbo-tbt", "instId": "BTC-USDT-SWAP"}, "data": [book]})


def bybit50(
    bids: Levels, asks: Levels, u: int, seq: int, kind: str = "delta", wall_ms: int = 0
) -> bytes:
    data = {"s": "BTCUSDT", "b": texts(bids), "a": texts(asks), "u": u, "seq": seq}
    at = wall_ms or WALL_MS + seq
    frame = {"topic": "orderbook.50.BTCUSDT", "type": kind, "ts": at, "data": data, "cts": at}
    return written(frame)


def books(
    bids: Levels, asks: Levels, seq: int, prev: int, channel: str = "books", wall_ms: int = 0
) -> bytes:
    at = wall_ms or WALL_MS + seq
    book: dict[str, Any] = {
        "asks": [[px, qty, "0", "1"] for px, qty in texts(asks)],
        "bids": [[px, qty, "0", "1"] for px, qty in texts(bids)],
        "ts": str(at),
    }
    arg = {"channel": channel, "instId": "BTC-USDT-SWAP"}
    if channel == "books5":
        return written({"arg": arg, "data": [book | {"instId": arg["instId"], "seqId": seq}]})
    book |= {"checksum": 0, "seqId": seq, "prevSeqId": prev}
    return written({"arg": arg, "action": "snapshot" if prev == -1 else "update", "data": [book]})


HEARD_EVERY_MS = 200
PONGS = (b'{"op":"pong"}', b"pong")


class Rig:
    """One row of a venue with a book, its detector run after each frame."""

    def __init__(self, segment: Segment, venue: int, channel: str = "") -> None:
        detector = OpportunityDetector(segment.store, sweep_period_ns=0)
        self.segment, self.venue = segment, venue
        self.name = ("bybit", "okx")[venue]
        self.lane = FeedLane(segment, 0)
        self.lane.attach_loop(None, Stages(segment, detector, placement="inline", wait="spin"))
        self.row = segment.store.row(venue, 0)
        self.lane.hold_book(self.row, channel or ("orderbook.50", "books")[venue])
        self.now_ns = time.monotonic_ns()

    def send(
        self, frame: bytes, line: int = 0, later_ms: float = 1.0, *, after_silence: bool = False
    ) -> int:
        """Send a frame some time after the last; meanwhile the venue is heard, unless silent."""
        while later_ms > HEARD_EVERY_MS and not after_silence:
            self.now_ns += HEARD_EVERY_MS * 1_000_000
            later_ms -= HEARD_EVERY_MS
            self.lane.on_frame(self.venue, PONGS[self.venue], self.now_ns, line)
        self.now_ns += int(later_ms * 1e6)
        return self.lane.on_frame(self.venue, frame, self.now_ns, line)

    def snapshot(self, bids: Levels, asks: Levels, seq: int, u: int = 100, **k: Any) -> bytes:
        if self.venue == BYBIT:
            return bybit50(bids, asks, u, seq, "snapshot", **k)
        return books(bids, asks, seq, -1, **k)

    def update(self, bids: Levels, asks: Levels, seq: int, prev: int, u: int, **k: Any) -> bytes:
        if self.venue == BYBIT:
            return bybit50(bids, asks, u, seq, **k)
        return books(bids, asks, seq, prev, **k)

    @property
    def view(self) -> Any:
        return self.segment.store.read_row(self.name, 0)

    @property
    def depth(self) -> Any:
        return self.segment.store.depth(self.name, 0)

    @property
    def counted(self) -> dict[str, Any]:
        found: dict[str, Any] = self.segment.counters()["feed"][self.name]
        return found

    def lines(self) -> dict[int, dict[str, int]]:
        return {line["line"]: line for line in self.counted["lines"]}


@contextmanager
def one_symbol() -> Iterator[Segment]:
    """Make a segment with one symbol on both venues."""
    made = Segment.create(f"test-{os.getpid()}-{uuid.uuid4().hex[:8]}", parking=False)
    made.symbols.add("BTCUSDT", {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"})
    for venue in ("bybit", "okx"):
        made.store.set_instrument(made.store.row(venue, 0))
    try:
        yield made
    finally:
        made.close()


BIDS: Levels = [(100.0, 1), (99.9, 2), (99.8, 3)]
ASKS: Levels = [(100.1, 1), (100.2, 2), (100.3, 3)]


def opened(rig: Rig) -> Rig:
    """Bring the row to life: L1 and the book at sequence 10."""
    rig.send(l1(rig.venue, 100.0, 100.1, 10))
    rig.send(rig.snapshot(BIDS, ASKS, 10))
    assert rig.view.state == LIVE
    return rig
