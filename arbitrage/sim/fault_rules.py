"""Rules at work: which of them hits a frame, a request or a moment, and lines that are hit.

Everything counts in nanoseconds of the clock that the layer was given; nothing here reads one.
"""

from __future__ import annotations

import heapq
import math
import re
from bisect import bisect_right
from collections import deque
from random import Random
from typing import NamedTuple

from arbitrage.sim.bybit import PRIVATE_TOPICS
from arbitrage.sim.exchange import Connection, Exchange
from arbitrage.sim.fault_plan import FrameRule, LineRule, RequestRule, Rule, TimedRule
from arbitrage.sim.instruments import canonical_of

FOREVER_NS = 1 << 62
# A frame that waits to be overtaken goes anyway when nothing came to overtake it.
OVERTAKEN_NS_MAX = 1_000_000_000
ACK, PONG, REPLY = "ack", "pong", "reply"

_HEAD_BYTES = 240
_TOPIC = re.compile(rb'"topic":"([^"]+)"')
_CHANNEL = re.compile(rb'"channel":"([^"]+)"')
_SYMBOL = re.compile(rb'"(?:symbol|instId)":"([^"]*)"')
_BYBIT_ACK = re.compile(rb'"op":"order\.')
_OKX_ACK = re.compile(rb'"op":"[a-z-]*order')


class Facts(NamedTuple):
    """What a frame says of itself; the symbol is canonical, empty when it names none."""

    channel: str
    symbol: str

    @property
    def is_data(self) -> bool:
        return self.channel not in (ACK, PONG, REPLY)


def facts_of(exchange: Exchange, payload: bytes) -> Facts:
    """Read channel and symbol of a frame that ``exchange`` sends."""
    head = payload[:_HEAD_BYTES]
    if exchange.venue == "bybit":
        topic = _TOPIC.search(head)
        if topic is None:
            is_pong = b'"pong"' in head
            return Facts(PONG if is_pong else ACK if _BYBIT_ACK.search(head) else REPLY, "")
        named = topic.group(1).decode().removesuffix(".linear")
        if named in PRIVATE_TOPICS:
            return Facts(named, _symbol_in(exchange, payload))
        channel, _, name = named.rpartition(".")
        return Facts(channel, _canonical(exchange, name))
    if payload == b"pong":
        return Facts(PONG, "")
    channel_found = _CHANNEL.search(head)
    if channel_found is None or b'"event":' in head:
        return Facts(ACK if _OKX_ACK.search(head) else REPLY, "")
    return Facts(channel_found.group(1).decode(), _symbol_in(exchange, payload))


def _symbol_in(exchange: Exchange, payload: bytes) -> str:
    found = _SYMBOL.search(payload)
    return _canonical(exchange, found.group(1).decode()) if found else ""


def _canonical(exchange: Exchange, name: str) -> str:
    item = exchange.by_name.get(name)
    return item.canonical if item is not None else name


class Armed:
    """One rule of an armed plan, with what it has done so far."""

    def __init__(self, number: int, rule: Rule, seed: int, venue: str, t0_ns: int) -> None:
        self.number = number
        self.rule = rule
        self.what = str(rule.__struct_config__.tag)
        self.rng = Random(f"{seed}/{venue}/faults/{number}")
        self.fired = 0
        self.from_ns = t0_ns + int(rule.from_s * 1e9)
        self.until_ns = FOREVER_NS if math.isinf(rule.until_s) else t0_ns + int(rule.until_s * 1e9)
        self.points_ns = sorted(t0_ns + int(at * 1e9) for at in rule.at_s)
        symbol = getattr(rule, "symbol", "")
        self.symbol = canonical_of(symbol) if symbol else ""
        self._done = 0
        self._done_of: dict[str, int] = {}
        self._next_ns = self._first_ns()

    @property
    def is_spent(self) -> bool:
        return bool(self.rule.count) and self.fired >= self.rule.count

    def is_open(self, now_ns: int) -> bool:
        return not self.is_spent and self.from_ns <= now_ns < self.until_ns

    def is_within(self, now_ns: int, for_s: float) -> bool:
        """Whether a rule that lasts is in force: in its window, or so long after a point."""
        if not self.points_ns:
            return self.is_open(now_ns)
        last = bisect_right(self.points_ns, now_ns)
        return last > 0 and now_ns < self.points_ns[last - 1] + for_s * 1e9

    # -- moments ---------------------------------------------------------------------------------

    def _first_ns(self) -> int:
        if self.points_ns:
            return self.points_ns[0]
        every_s = getattr(self.rule, "every_s", 0.0)
        return self.from_ns + self._pause_ns(every_s) if every_s else self.from_ns

    def _pause_ns(self, every_s: float) -> int:
        return int(self.rng.expovariate(1.0 / every_s) * 1e9)

    def due(self, now_ns: int) -> bool:
        """Whether a moment of a timed rule has come; asked again until it says no."""
        assert isinstance(self.rule, TimedRule)
        if self.is_spent or now_ns < self._next_ns or self._next_ns >= self.until_ns:
            return False
        self._done += 1
        if self.points_ns:
            left = self.points_ns[self._done :]
            self._next_ns = left[0] if left else FOREVER_NS
        elif self.rule.every_s:
            self._next_ns += self._pause_ns(self.rule.every_s)
        else:
            self._next_ns = FOREVER_NS
        self.fired += 1
        return True

    # -- frames and requests ---------------------------------------------------------------------

    def hits_frame(self, line: Line, facts: Facts, now_ns: int) -> bool:
        """Whether this frame of this line is hit."""
        rule = self.rule
        assert isinstance(rule, FrameRule)
        if rule.channel != facts.channel and (rule.channel or not facts.is_data):
            return False
        if self.symbol and self.symbol != facts.symbol:
            return False
        return line.fits(rule.role, rule.connection) and self._strikes(
            line.conn.conn_id, line.opened_ns, now_ns, rule.probability)

    def hits_request(self, role: str, call: str, key: str, opened_ns: int, now_ns: int) -> bool:
        """Whether this request is hit; `key` tells apart who may be hit once a point."""
        rule = self.rule
        assert isinstance(rule, RequestRule)
        if (rule.role and rule.role != role) or not call.startswith(rule.call):
            return False
        if not rule.call and role != "rest" and "order" not in call:
            return False
        return self._strikes(key, opened_ns, now_ns, rule.probability)

    def _strikes(self, key: str, opened_ns: int, now_ns: int, probability: float) -> bool:
        if self.is_spent:
            return False
        if self.points_ns:
            done = self._done_of.get(key)
            if done is None:
                done = bisect_right(self.points_ns, opened_ns - 1)
            if done >= len(self.points_ns) or now_ns < self.points_ns[done]:
                return False
            self._done_of[key] = done + 1
        elif not self.is_open(now_ns) or (probability < 1 and self.rng.random() >= probability):
            return False
        self.fired += 1
        return True


class Line:
    """One client's connection as the faults leave it: what waits to go out, and what is dead."""

    def __init__(self, conn: Connection, ordinal: int, now_ns: int) -> None:
        self.conn = conn
        self.ordinal = ordinal
        self.opened_ns = now_ns
        self.deaf_until_ns = 0
        self.silences: list[tuple[int, str, str]] = []
        self._waiting: deque[tuple[int, bytes]] = deque()  # in order
        self._loose: list[tuple[int, int, bytes]] = []  # may be overtaken
        self._overtaken: list[tuple[int, int, bytes]] = []  # (frames to come, latest, frame)
        self._free_ns = 0
        self._count = 0

    def fits(self, role: str, ordinal: int | None) -> bool:
        return (not role or role == self.conn.role) and ordinal in (None, self.ordinal)

    def is_deaf(self, now_ns: int) -> bool:
        return now_ns < self.deaf_until_ns

    def is_muted(self, facts: Facts, now_ns: int) -> bool:
        """Whether data of this channel and symbol is held back by a silence."""
        if self.silences:
            self.silences = [silence for silence in self.silences if now_ns < silence[0]]
        return facts.is_data and any(
            channel in ("", facts.channel) and symbol in ("", facts.symbol)
            for _, channel, symbol in self.silences)

    def heal(self) -> None:
        """End silence and deafness."""
        self.deaf_until_ns = 0
        self.silences.clear()

    def push(self, payload: bytes, due_ns: int) -> None:
        """Queue a frame behind those that were queued before."""
        self._free_ns = max(self._free_ns, due_ns)
        self._waiting.append((self._free_ns, payload))
        if self._overtaken:
            held, self._overtaken = self._overtaken, []
            for left, latest_ns, frame in held:
                if left == 1:
                    self._waiting.append((self._free_ns, frame))
                else:
                    self._overtaken.append((left - 1, latest_ns, frame))

    def push_loose(self, payload: bytes, due_ns: int) -> None:
        """Queue a frame that goes at its time, whatever goes before."""
        self._count += 1
        heapq.heappush(self._loose, (due_ns, self._count, payload))

    def push_overtaken(self, payload: bytes, frames: int, now_ns: int) -> None:
        """Queue a frame that the next `frames` overtake."""
        self._overtaken.append((frames, now_ns + OVERTAKEN_NS_MAX, payload))

    @property
    def is_idle(self) -> bool:
        return not (self._waiting or self._loose or self._overtaken)

    def take(self, now_ns: int) -> list[bytes]:
        """Return the frames whose time has come."""
        out: list[bytes] = []
        while self._waiting and self._waiting[0][0] <= now_ns:
            out.append(self._waiting.popleft()[1])
        while self._loose and self._loose[0][0] <= now_ns:
            out.append(heapq.heappop(self._loose)[2])
        if self._overtaken and self._overtaken[0][1] <= now_ns:
            out += [frame for _, latest_ns, frame in self._overtaken if latest_ns <= now_ns]
            self._overtaken = [held for held in self._overtaken if held[1] > now_ns]
        return out


def picked(armed: Armed, lines: list[Line]) -> list[Line]:
    """The lines that a line rule hits now."""
    rule = armed.rule
    assert isinstance(rule, LineRule)
    found = [line for line in lines if line.fits(rule.role, rule.connection)]
    if found and rule.pick == "one":
        return [armed.rng.choice(found)]
    return found
