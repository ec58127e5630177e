"""The fault layer: what a simulated venue says passes through here on its way to its clients.

It stands between an `Exchange` and its shell, and like the exchange it knows no socket and no
clock of its own: a shell calls `connect`, `on_frame`, `advance` and `rest` here instead of there,
and sends what `take` returns. Without a plan it hands everything through. Each fault is recorded
when it strikes, so that a test can ask whether it was noticed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import NamedTuple

import msgspec

from arbitrage.sim import fault_plan as kinds
from arbitrage.sim.admin import InstrumentChange, changed
from arbitrage.sim.config import SimError
from arbitrage.sim.exchange import Connection, Exchange, Reply, encode
from arbitrage.sim.fault_answers import asked, rest_answer, socket_answer
from arbitrage.sim.fault_fields import unknown_symbol
from arbitrage.sim.fault_plan import FaultPlan
from arbitrage.sim.fault_rules import ACK, Armed, Facts, Line, facts_of, picked
from arbitrage.sim.instruments import Instrument
from arbitrage.sim.matching import Reject

LOG_MAX = 100_000
NOTHING = FaultPlan()
NO_FACTS = Facts("", "")
NOTICE_CODE = "64008"


class Injected(msgspec.Struct, frozen=True):
    """One fault that struck: the rule's kind and place in the plan, when, and what it hit."""

    what: str
    rule: int
    wall_ns: int
    conn_id: str = ""
    role: str = ""
    channel: str = ""
    symbol: str = ""
    detail: str = ""


class Send(NamedTuple):
    """A text frame leaves for a client."""

    conn: Connection
    payload: bytes


class Cut(NamedTuple):
    """A client's line ends: with a close frame, or torn when ``code`` is 0."""

    conn: Connection
    code: int
    reason: str


class Refused(NamedTuple):
    """A connection or a REST call is refused with an HTTP status; 0: hang up."""

    status: int


class NoAnswer(NamedTuple):
    """A REST call gets no answer: hang up so much later."""

    after_s: float


class FaultLayer:
    """Faults of one venue.

    Parameters
    ----------
    exchange : Exchange
        Its clock is replaced by one that can jump; the market goes on by the one it had.
    plan : FaultPlan, optional
        Armed at once; `arm` puts another in its place.
    """

    def __init__(self, exchange: Exchange, plan: FaultPlan = NOTHING) -> None:
        self.exchange = exchange
        self.base_clock = exchange.clock
        self.lines: dict[str, Line] = {}
        self.log: list[Injected] = []
        self.counts: Counter[str] = Counter()
        self.jump_ns = 0
        exchange.clock = self._venue_clock
        self._opened: Counter[str] = Counter()
        self._out: list[Send | Cut] = []
        self._cuts: list[tuple[int, str, int, str]] = []
        self.arm(plan)

    def _venue_clock(self) -> int:
        return self.base_clock() + self.jump_ns

    def arm(self, plan: FaultPlan) -> None:
        """Put a plan in force, its times counting from now; what the last one held up goes on.

        Raises
        ------
        SimError : the plan names a symbol that the venue was not started with.
        """
        now_ns = self.base_clock()
        rules = [Armed(n, rule, plan.seed, self.exchange.venue, now_ns)
                 for n, rule in plan.of(self.exchange.venue)]
        known = [item.canonical for item in self.exchange.instruments]
        for armed in rules:
            if armed.symbol and armed.symbol not in known:
                raise SimError(f"fault plan: rule {armed.number} ({armed.what}): "
                               f"{unknown_symbol(self.exchange.venue, armed.symbol, known)}")
        self.plan = plan
        self._frames = [armed for armed in rules if isinstance(armed.rule, kinds.FrameRule)]
        self._timed = [armed for armed in rules if isinstance(armed.rule, kinds.TimedRule)]
        self._requests = [armed for armed in rules if isinstance(armed.rule, kinds.RequestRule)]
        self._refusals = [armed for armed in rules if isinstance(armed.rule, kinds.Refuse)]
        for line in self.lines.values():
            line.heal()

    def disarm(self) -> None:
        """End every fault; a clock that jumped stays where it is, as a venue's would."""
        self.arm(NOTHING)

    @property
    def is_active(self) -> bool:
        """Whether frames must pass through here at all."""
        return bool(self.plan.rule or self._cuts or self._out
                    or any(not line.is_idle for line in self.lines.values()))

    def is_deaf(self, conn: Connection) -> bool:
        """Whether nothing comes back from this connection at present."""
        line = self.lines.get(conn.conn_id)
        return line is not None and line.is_deaf(self.base_clock())

    # -- the calls of a shell --------------------------------------------------------------------

    def connect(self, path: str) -> Connection | Refused | None:
        """A client asks for `path`; None when the venue has no such socket."""
        ex, now_ns = self.exchange, self.base_clock()
        roles = {ex.public_path: "public", ex.trade_path: "trade", ex.private_path: "private"}
        role = roles.get(path.partition("?")[0])
        if role is not None:
            refused = self._refused(role, now_ns)
            if refused is not None:
                return refused
        conn = ex.connect(path)
        if conn is None and role is not None:
            return Refused(ex.refusal_status)  # too many lately
        if conn is not None:
            self.lines[conn.conn_id] = Line(conn, self._opened[conn.role], now_ns)
            self._opened[conn.role] += 1
        return conn

    def disconnect(self, conn: Connection) -> None:
        """A client is gone."""
        self.lines.pop(conn.conn_id, None)
        self.exchange.disconnect(conn)

    def on_frame(self, conn: Connection, payload: bytes) -> None:
        """A client's frame arrived; what it brings about is in `take`."""
        now_ns = self.base_clock()
        line = self.lines[conn.conn_id]
        if line.is_deaf(now_ns):
            return
        replies = self._answer(line, payload, now_ns) if self._requests else (
            self.exchange.on_frame(conn, payload))
        for reply in replies:
            self._deliver(line, facts_of(self.exchange, reply), reply, now_ns)
        self._collect(now_ns)

    def advance(self) -> None:
        """Turn the venue to the present moment of the clock that it was given."""
        now_ns = self.base_clock()
        for armed in self._timed:
            while armed.due(now_ns):
                self._strike(armed, now_ns)
        while self._cuts and self._cuts[0][0] <= now_ns:
            _, conn_id, code, reason = self._cuts.pop(0)
            if conn_id in self.lines:
                self._out.append(Cut(self.lines[conn_id].conn, code, reason))
        for stream, payload in self.exchange.advance(now_ns):
            facts = facts_of(self.exchange, payload)
            for line in self.lines.values():
                if line.conn.streams >> stream & 1:
                    self._deliver(line, facts, payload, now_ns)
        self._collect(now_ns)

    def rest(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Reply | Refused | NoAnswer:
        """Answer one REST call, or do not; pushes that it brings about are in `take`."""
        now_ns = self.base_clock()
        refused = self._refused("rest", now_ns)
        if refused is not None:
            return refused
        hit = self._request_hit("rest", path, "rest", 0, now_ns)
        rule = hit.rule if hit is not None else None
        if hit is not None:
            self._note(hit, role="rest", detail=f"{method} {path}")
        if isinstance(rule, kinds.Answer) and not rule.is_accepted:
            return rest_answer(self.exchange, rule)
        if isinstance(rule, kinds.Lose) and not rule.is_accepted:
            return NoAnswer(rule.after_s)
        lots = rule.lots if isinstance(rule, kinds.Partial) else None
        with _thin(self.exchange, lots):
            reply = self.exchange.rest(method, path, query, headers, body)
        self._collect(now_ns)
        if isinstance(rule, kinds.Answer):
            return rest_answer(self.exchange, rule)
        if isinstance(rule, kinds.Lose):
            return NoAnswer(rule.after_s)
        return reply

    def take(self) -> list[Send | Cut]:
        """Return what leaves now, in order."""
        out, self._out = self._out, []
        now_ns = self.base_clock()
        for line in self.lines.values():
            if not line.is_idle:
                out += [Send(line.conn, payload) for payload in line.take(now_ns)]
        return out

    # -- requests --------------------------------------------------------------------------------

    def _refused(self, role: str, now_ns: int) -> Refused | None:
        for armed in self._refusals:
            rule = armed.rule
            assert isinstance(rule, kinds.Refuse)
            if rule.role in ("", role) and armed.is_within(now_ns, rule.for_s):
                armed.fired += 1
                self._note(armed, role=role)
                return Refused(rule.status)
        return None

    def _request_hit(
        self, role: str, call: str, key: str, opened_ns: int, now_ns: int
    ) -> Armed | None:
        for armed in self._requests:
            if armed.hits_request(role, call, key, opened_ns, now_ns):
                return armed
        return None

    def _answer(self, line: Line, payload: bytes, now_ns: int) -> list[bytes]:
        """Let the venue answer a socket's request, or the rule that hits it."""
        conn, seen = line.conn, asked(payload)
        hit = None
        if seen.call:
            hit = self._request_hit(conn.role, seen.call, conn.conn_id, line.opened_ns, now_ns)
        if hit is None:
            return self.exchange.on_frame(conn, payload)
        self._note(hit, line, Facts(ACK, ""), detail=seen.call)
        rule = hit.rule
        is_accepted = getattr(rule, "is_accepted", True)
        replies: list[bytes] = []
        if is_accepted:
            with _thin(self.exchange, rule.lots if isinstance(rule, kinds.Partial) else None):
                replies = self.exchange.on_frame(conn, payload)
        if isinstance(rule, kinds.Answer):
            return [socket_answer(self.exchange, conn, seen, rule)]
        return [] if isinstance(rule, kinds.Lose) else replies

    # -- frames ----------------------------------------------------------------------------------

    def _collect(self, now_ns: int) -> None:
        """Hand on private frames and the closings that the venue itself decided."""
        for conn, payload in self.exchange.take_pushes():
            line = self.lines.get(conn.conn_id)
            if line is not None:
                self._deliver(line, facts_of(self.exchange, payload), payload, now_ns)
        for conn, code, reason in self.exchange.take_closings():
            self._out.append(Cut(conn, code, reason))

    def _deliver(self, line: Line, facts: Facts, payload: bytes, now_ns: int) -> None:
        """Let the rules about frames have this one, or send it."""
        if line.is_deaf(now_ns) or line.is_muted(facts, now_ns):
            return
        for armed in self._frames:
            if armed.hits_frame(line, facts, now_ns):
                self._note(armed, line, facts)
                self._spoil(armed, line, payload, now_ns)
                return
        line.push(payload, now_ns)

    def _spoil(self, armed: Armed, line: Line, payload: bytes, now_ns: int) -> None:
        rule = armed.rule
        if isinstance(rule, kinds.Duplicate):
            line.push(payload, now_ns)
            for copy in range(1, rule.copies + 1):
                due_ns = now_ns + int(copy * rule.after_ms * 1e6)
                (line.push_loose if rule.after_ms else line.push)(payload, due_ns)
        elif isinstance(rule, kinds.Reorder):
            line.push_overtaken(payload, rule.frames, now_ns)
        elif isinstance(rule, kinds.Delay):
            due_ns = now_ns + int((rule.ms + armed.rng.random() * rule.jitter_ms) * 1e6)
            (line.push_loose if rule.is_overtaken else line.push)(payload, due_ns)

    # -- moments ---------------------------------------------------------------------------------

    def _strike(self, armed: Armed, now_ns: int) -> None:
        rule = armed.rule
        if isinstance(rule, kinds.LineRule):
            for line in picked(armed, list(self.lines.values())):
                self._note(armed, line, Facts("", armed.symbol))
                self._strike_line(armed, line, now_ns)
        elif isinstance(rule, kinds.Clock):
            self.jump_ns += rule.jump_ms * 1_000_000
            self._note(armed, detail=f"{rule.jump_ms} ms")
        elif isinstance(rule, kinds.Contract):
            self._note(armed, facts=Facts("", armed.symbol), detail=self._change(armed, rule))
        elif isinstance(rule, kinds.Funding):
            for item in self._items(armed.symbol):
                self.exchange.funding_rates[item.index] = Decimal(rule.rate)
                self._note(armed, facts=Facts("", item.canonical), detail=rule.rate)
        elif isinstance(rule, kinds.Skip | kinds.Restart):
            for item in self._items(armed.symbol):
                self._note(armed, facts=Facts("", item.canonical))
                if isinstance(rule, kinds.Skip):
                    self.exchange.skip_ids(item.index, rule.ids)
                else:
                    self.exchange.restart_ids(item.index)

    def _strike_line(self, armed: Armed, line: Line, now_ns: int) -> None:
        rule = armed.rule
        if isinstance(rule, kinds.Close):
            self._out.append(Cut(line.conn, rule.code, rule.reason))
        elif isinstance(rule, kinds.Reset):
            self._out.append(Cut(line.conn, 0, ""))
        elif isinstance(rule, kinds.HalfOpen):
            line.deaf_until_ns = _later(now_ns, rule.for_s)
        elif isinstance(rule, kinds.Silent):
            line.silences.append((_later(now_ns, rule.for_s), rule.channel, armed.symbol))
        elif isinstance(rule, kinds.Notice):
            frame = encode({"event": "notice", "code": NOTICE_CODE,
                            "msg": "The connection will soon be closed for a service upgrade. "
                                   "Please reconnect.",
                            "connId": line.conn.conn_id})
            line.push(frame, now_ns)
            self._cuts.append((_later(now_ns, rule.after_s), line.conn.conn_id, 4006, "upgrade"))
            self._cuts.sort()

    def _items(self, symbol: str) -> Iterable[Instrument]:
        return [item for item in self.exchange.instruments if symbol in ("", item.canonical)]

    def _change(self, armed: Armed, rule: kinds.Contract) -> str:
        (item,) = self._items(armed.symbol)
        form = InstrumentChange(rule.symbol, rule.tick, rule.lot, rule.contract_value, rule.state,
                                rule.funding_hours)
        try:
            self.exchange.change_instrument(changed(item, form))
        except (Reject, SimError) as error:
            return f"refused: {error}"
        return ""

    def _note(self, armed: Armed, line: Line | None = None, facts: Facts = NO_FACTS,
              role: str = "", detail: str = "") -> None:
        self.counts[armed.what] += 1
        if len(self.log) < LOG_MAX:
            conn_id = line.conn.conn_id if line is not None else ""
            role = line.conn.role if line is not None else role
            self.log.append(Injected(armed.what, armed.number, self.base_clock(), conn_id, role,
                                     facts.channel, facts.symbol, detail))


@contextmanager
def _thin(exchange: Exchange, lots: int | None) -> Iterator[None]:
    """Let orders meanwhile find at most ``lots`` lots."""
    exchange.matcher.lots_max = lots
    try:
        yield
    finally:
        exchange.matcher.lots_max = None


def _later(now_ns: int, seconds: float) -> int:
    return now_ns + int(min(seconds, 1e9) * 1e9)
