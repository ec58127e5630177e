"""Recorded frames as a market: `recv_ns TAB frame` lines, plain, gzip or zstd.

Frames go out byte for byte, at ``speed`` times their own timing; the book follows them. After the
end the last quotes stay. Two venues stay aligned because both count from the earliest first line
among the files of the folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from arbitrage.errors import ConfigError
from arbitrage.frame_files import PART, SUFFIXES, find_frames, open_frames
from arbitrage.sim.config import VENUES, SimError
from arbitrage.sim.instruments import Instrument, listed
from arbitrage.sim.market import QuoteSink

BURST_MAX = 4000  # frames handed over in one call, so that a fast replay cannot starve the loop
SCAN_LINES = 5000

Level = tuple[str, ...]
Quote = tuple[str, list[Level] | None, list[Level] | None, int, int]


class _BybitData(msgspec.Struct):
    s: str
    b: list[Level]
    a: list[Level]
    u: int
    seq: int


class _BybitFrame(msgspec.Struct):
    topic: str
    type: str
    data: _BybitData


class _OkxArg(msgspec.Struct):
    channel: str
    instId: str


class _OkxData(msgspec.Struct):
    asks: list[Level]
    bids: list[Level]
    seqId: int


class _OkxFrame(msgspec.Struct):
    arg: _OkxArg
    data: list[_OkxData]


_bybit = msgspec.json.Decoder(_BybitFrame)
_okx = msgspec.json.Decoder(_OkxFrame)


def parse_quote(venue: str, frame: bytes) -> Quote | None:
    """(venue symbol, bids, asks, update id, sequence) of an L1 frame, None for anything else.

    A side that a Bybit delta does not mention is None: unchanged.
    """
    try:
        if venue == "bybit":
            f = _bybit.decode(frame)
            if not f.topic.startswith("orderbook.1."):
                return None
            keep = f.type == "delta"
            sides = (f.data.b, f.data.a)
            live = [[level for level in side if float(level[1]) > 0] for side in sides]
            bids, asks = (None if keep and not side else side for side in live)
            return f.data.s, bids, asks, f.data.u, f.data.seq
        g = _okx.decode(frame)
        if g.arg.channel != "bbo-tbt" or not g.data:
            return None
        return g.arg.instId, g.data[-1].bids, g.data[-1].asks, 0, g.data[-1].seqId
    except (msgspec.MsgspecError, ValueError, IndexError):
        return None


def frames_path(text: str, venue: str) -> Path:
    """The venue's file: ``text`` itself, or ``VENUE.frames.gz`` (``.zst``, none) in that folder.

    Without a whole file it is the ``.part`` that an interrupted recorder left.
    """
    path = Path(text)
    if path.is_file():
        return path
    found = find_frames(path, venue)
    if found is None:
        wanted = str(path)
        if path.is_dir():
            wanted = " or ".join(str(path / f"{venue}.frames{end}") for end in SUFFIXES.values())
        raise SimError(f"frames file was not found: {wanted}")
    return found


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(recv_ns, frame) of each line; a line that is not one is an error naming it."""
    number = 0
    try:
        with open_frames(path) as lines:
            for number, line in enumerate(lines, 1):
                stamp, tab, frame = line.rstrip(b"\r\n").partition(b"\t")
                if tab and stamp.isdigit():
                    yield int(stamp), frame
                elif line.strip() and not (path.suffix == PART and not line.endswith(b"\n")):
                    raise SimError(f"{path}:{number} was not 'recv_ns TAB frame'")
    except (OSError, ConfigError) as error:
        raise SimError(f"{path}: reading stopped after line {number}: {error}") from error


def common_epoch(path: Path, venue: str) -> int:
    """Earliest first ``recv_ns`` of this file and the other venues' files beside it."""
    stamps = []
    names = {path, *(path.with_name(path.name.replace(venue, other, 1)) for other in VENUES)}
    if path == find_frames(path.parent, venue):  # the others' may have another ending
        names |= {find_frames(path.parent, other) or path for other in VENUES}
    for name in names:
        if name.is_file():
            first = next(read_lines(name), None)
            if first is not None:
                stamps.append(first[0])
    if not stamps:
        raise SimError(f"{path} was empty; it must hold 'recv_ns TAB frame' lines")
    return min(stamps)


def symbols_in(path: Path, venue: str) -> tuple[str, ...]:
    """Canonical symbols among the first lines of a file."""
    found: dict[str, None] = {}
    for count, (_, frame) in enumerate(read_lines(path)):
        quote = parse_quote(venue, frame)
        if quote is not None:
            found[quote[0]] = None
        if count >= SCAN_LINES:
            break
    if not found:
        raise SimError(f"{path} holds no level-1 frame of {venue} in its first {SCAN_LINES} lines")
    return tuple(item.canonical for item in listed(venue, tuple(found)))


class FramesMarket:
    """Plays one file from ``t0_ns`` on."""

    def __init__(self, path: Path, venue: str, instruments: Sequence[Instrument], speed: float,
                 t0_ns: int) -> None:
        self._by_name: Mapping[str, Instrument] = {item.name: item for item in instruments}
        self._tops = [[0, 0, 0, 0] for _ in instruments]
        self._venue = venue
        self._speed = speed
        self._t0_ns = t0_ns
        self._epoch_ns = common_epoch(path, venue)
        self._lines = read_lines(path)
        self._next: tuple[int, bytes] | None = next(self._lines, None)
        self.skipped = 0  # lines that are no quote of a listed symbol

    def regrid(self, item: Instrument) -> None:
        raise SimError("recorded frames keep their grids; change them on the seeded market")

    @property
    def ended(self) -> bool:
        return self._next is None

    def advance(self, now_ns: int, sink: QuoteSink) -> None:
        """Hand over every frame that is due."""
        reached = self._epoch_ns + (now_ns - self._t0_ns) * self._speed
        for _ in range(BURST_MAX):
            line = self._next
            if line is None or line[0] > reached:
                return
            self._play(line[1], now_ns, sink)
            self._next = next(self._lines, None)

    def _play(self, frame: bytes, now_ns: int, sink: QuoteSink) -> None:
        quote = parse_quote(self._venue, frame)
        item = self._by_name.get(quote[0]) if quote else None
        if quote is None or item is None:
            self.skipped += 1
            return
        _, bids, asks, update_id, seq = quote
        top = self._tops[item.index]
        tick, lot = item.tick_float, float(item.lot)
        for offset, side in ((0, bids), (2, asks)):
            if side is None:
                continue
            if not side:
                top[offset + 1] = 0
                continue
            top[offset] = round(float(side[0][0]) / tick)
            top[offset + 1] = max(1, round(float(side[0][1]) / lot))
        bid, bid_lots, ask, ask_lots = top
        sink(item.index, bid, ask, bid_lots, ask_lots, now_ns, frame, update_id, seq)
