"""What depth frames mean and make of a book: json, dicts and sorted alone."""

import math
from collections import deque
from dataclasses import dataclass

from oracle import (
    SEQ_MAX,
    WALL_MS_MAX,
    Malformed,
    NotAQuote,
    Raw,
    amount,
    is_string,
    load,
    need,
    pick,
    symbol_of,
    whole,
)

LINKS = 32
LEVELS_MAX = 1024
Levels = list[tuple[float, float]]


@dataclass(frozen=True)
class Depth:
    """One frame's meaning."""

    symbol: str
    snapshot: bool
    bids: Levels
    asks: Levels
    update_id: int
    prev_update_id: int
    seq: int
    exch_wall_ns: int


def side(levels: object, extras: bool) -> Levels:
    need(isinstance(levels, list), "levels")
    assert isinstance(levels, list)
    found: Levels = []
    for level in levels:
        need(isinstance(level, list), "level")
        need(len(level) >= 2 if extras else len(level) == 2, "level")
        px, qty = amount(level[0]), amount(level[1])
        need(px > 0, "price")
        found.append((px, qty))
    need(len({px for px, _ in found}) == len(found), "a price twice")
    need(len(found) <= LEVELS_MAX, "too many")
    return found


def bybit(frame: bytes, prefix: str) -> Depth:
    top = load(frame)
    for key in ("type", "ts", "cts", "data"):
        pick(top, key, optional=True)
    if not any(key == "topic" for key, _ in top):
        raise NotAQuote("control")
    topic = next(value for key, value in top if key == "topic")
    need(is_string(topic), "topic")
    if not topic.startswith(prefix) or topic == prefix:
        raise NotAQuote("other_topic")
    pick(top, "topic")
    kind, data = pick(top, "type"), pick(top, "data")
    need(is_string(kind) and kind in ("snapshot", "delta"), "type")
    ts = whole(pick(top, "ts"), WALL_MS_MAX)
    cts = whole(pick(top, "cts"), WALL_MS_MAX) if any(key == "cts" for key, _ in top) else ts
    symbol = symbol_of(pick(data, "s"))
    need(topic[len(prefix) :] == symbol, "mismatch")
    update_id = whole(pick(data, "u"), SEQ_MAX)
    return Depth(
        symbol, kind == "snapshot" or update_id == 1,
        side(pick(data, "b"), False), side(pick(data, "a"), False),
        update_id, update_id - 1, whole(pick(data, "seq"), SEQ_MAX), cts * 1_000_000,
    )  # fmt: skip


def signed(value: object, top: int) -> int:
    need(isinstance(value, Raw), "number")
    assert isinstance(value, Raw)
    return -whole(Raw(value[1:]), top) if value.startswith("-") else whole(value, top)


def okx(frame: bytes, wanted: str) -> Depth:
    if frame == b"pong":
        raise NotAQuote("control")
    top = load(frame)
    for key in ("arg", "action", "data"):
        pick(top, key, optional=True)
    if any(key in ("event", "op") for key, _ in top) or not any(key == "arg" for key, _ in top):
        raise NotAQuote("control")
    arg = pick(top, "arg")
    pick(arg, "instId", optional=True)
    channel = pick(arg, "channel")
    need(is_string(channel), "channel")
    if channel not in ("books", "books5"):
        raise NotAQuote("other_topic")
    stated = any(key == "action" for key, _ in top)
    need(stated or channel == "books5", "action")
    action = pick(top, "action") if stated else "snapshot"
    need(is_string(action), "action")
    need(action == "snapshot" or (action == "update" and channel == "books"), "action")
    symbol = symbol_of(pick(arg, "instId"))
    data = pick(top, "data")
    need(isinstance(data, list) and len(data) == 1, "data")
    keys = {key for key, _ in data[0]} if isinstance(data[0], tuple) else set()
    for key in keys & {"instId", "prevSeqId", "checksum"}:
        pick(data[0], key)
    if "instId" in keys:
        need(is_string(pick(data[0], "instId")) and pick(data[0], "instId") == symbol, "mismatch")
    if "checksum" in keys:
        signed(pick(data[0], "checksum"), 2**31)
    seq = whole(pick(data[0], "seqId"), SEQ_MAX)
    need(action == "snapshot" or "prevSeqId" in keys, "chain")
    prev = signed(pick(data[0], "prevSeqId"), SEQ_MAX) if "prevSeqId" in keys else -1
    need(prev >= -1, "chain")
    wall_ms = whole(pick(data[0], "ts"), WALL_MS_MAX, quoted=True)
    asks, bids = side(pick(data[0], "asks"), True), side(pick(data[0], "bids"), True)
    if channel != wanted:
        raise NotAQuote("other_topic")
    return Depth(symbol, action == "snapshot", bids, asks, seq, prev, seq, wall_ms * 1_000_000)


class OracleBook:
    """A book of two dicts, sorted when looked at."""

    def __init__(self, venue: str, channel: str, capacity: int) -> None:
        self.venue, self.channel, self.capacity = venue, channel, capacity
        self.symbol = ""
        self.clear()

    def clear(self) -> None:
        self.sides: list[dict[float, float]] = [{}, {}]
        self.live = False
        self.seq = self.update_id = -1
        self.exch_wall_ns = 0
        self.links: deque[tuple[int, int]] = deque(maxlen=LINKS)

    def read(self, frame: bytes) -> Depth:
        if self.venue == "bybit":
            return bybit(frame, self.channel + ".")
        return okx(frame, self.channel)

    def top(self, number: int) -> Levels:
        return sorted(self.sides[number].items(), reverse=number == 0)[: self.capacity]

    def apply(self, frame: bytes) -> str:
        """Return what a book's apply does; "refused" for every malformed frame."""
        try:
            depth = self.read(frame)
        except Malformed:
            return "refused"
        except NotAQuote as error:
            return str(error)
        if not self.symbol and not depth.snapshot:
            return "waiting"
        if self.symbol not in ("", depth.symbol):
            return "other_symbol"
        self.symbol = depth.symbol
        result = self.judge(depth)
        if result == "gap":
            self.clear()
        if result == "keepalive":
            self.exch_wall_ns = depth.exch_wall_ns
        if result in ("applied", "snapshot"):
            self.take(depth)
        return result

    def judge(self, depth: Depth) -> str:
        if depth.snapshot:
            late = (
                self.channel == "books5"
                and self.live
                and depth.seq < self.seq
                and depth.exch_wall_ns <= self.exch_wall_ns
            )
            return "older" if late else "snapshot"
        if not self.live:
            return "waiting"
        link = depth.update_id, depth.prev_update_id
        if self.venue == "bybit":
            if depth.update_id <= self.update_id and depth.seq <= self.seq:
                return "older"
            if depth.update_id != self.update_id + 1:
                return "gap"
        else:
            if depth.prev_update_id != self.update_id:
                ids = {update_id for update_id, _ in self.links}
                is_idle = link[0] == link[1]
                return "older" if link in self.links or (is_idle and link[0] in ids) else "gap"
            if link[0] == link[1] and not depth.bids and not depth.asks:
                return "keepalive"
        if max(len(depth.bids), len(depth.asks)) > 2 * self.capacity:
            return "refused"
        return "applied"

    def take(self, depth: Depth) -> None:
        if depth.snapshot:
            self.clear()
        for number, levels in enumerate((depth.bids, depth.asks)):
            changed = {**self.sides[number], **dict(levels)}
            self.sides[number] = {px: qty for px, qty in changed.items() if qty > 0}
            self.sides[number] = dict(self.top(number))
        self.live = True
        self.seq, self.update_id = depth.seq, depth.update_id
        self.exch_wall_ns = depth.exch_wall_ns
        self.links.append((depth.update_id, depth.prev_update_id))

    def state(self) -> tuple[object, ...]:
        best = [(self.top(number) or [(math.nan, math.nan)])[0] for number in (0, 1)]
        return (
            self.top(0), self.top(1), self.live, self.seq, self.update_id, self.exch_wall_ns,
            best[0][0] >= best[1][0],
        )  # fmt: skip
