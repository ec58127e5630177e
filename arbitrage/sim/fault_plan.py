"""What goes wrong at a simulated venue: a seed and a list of rules, each "when, where, what".

A plan is TOML (``arb sim --faults FILE``) or JSON (``POST /admin/faults``) of the same form::

    seed = 7
    [[rule]]
    what = "drop"
    channel = "orderbook.50"
    probability = 0.01

Times are seconds since the plan was armed. Each rule draws from a generator of its own, so that
adding one changes nothing about the others.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import msgspec

from arbitrage.sim.admin import positive
from arbitrage.sim.config import SimError
from arbitrage.sim.instruments import STATES

Role = Literal["", "public", "private", "trade", "rest"]
SocketRole = Literal["", "public", "private", "trade"]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True,
           tag_field="what", tag=str.lower):
    """When a rule may act.

    Parameters
    ----------
    venue : ``bybit``, ``okx``; empty means both.
    from_s, until_s : the window in which it acts.
    at_s : points in time instead; see the kinds for what happens there.
    count : act at most so often; 0 sets no limit.
    """

    venue: Literal["", "bybit", "okx"] = ""
    from_s: float = 0.0
    until_s: float = math.inf
    at_s: tuple[float, ...] = ()
    count: int = 0

    def problem(self) -> str:
        """What is wrong with the values; empty when nothing is."""
        if not 0 <= self.from_s < self.until_s:
            return "from_s must be 0 or later and before until_s"
        if any(at < 0 for at in self.at_s):
            return "at_s must be 0 or later"
        if self.at_s and (self.from_s > 0 or self.until_s < math.inf):
            return "at_s stands instead of from_s and until_s; leave one of them out"
        if self.count < 0:
            return "count must be 0 (no limit) or above"
        return ""


class FrameRule(Rule, frozen=True, kw_only=True):
    """A rule about single frames on their way to a client.

    Without ``at_s`` each matching frame is hit with ``probability``; with it, the first matching
    frame of each connection from each point on.

    Parameters
    ----------
    role : the kind of socket.
    channel : the venue's name (``orderbook.50``, ``bbo-tbt``, ``execution``), or ``ack``
        (answers to orders), ``pong`` or ``reply`` (all other answers). Empty: all data, no answers.
    symbol : canonical; empty means any.
    connection : only the n-th connection of its role since the start, from 0.
    """

    role: SocketRole = ""
    channel: str = ""
    symbol: str = ""
    connection: int | None = None
    probability: float = 1.0

    def problem(self) -> str:
        if not 0 < self.probability <= 1:
            return "probability must be above 0 and at most 1"
        if self.at_s and self.probability < 1:
            return "at_s stands instead of probability; leave one of them out"
        return Rule.problem(self)


class Drop(FrameRule, frozen=True, kw_only=True):
    """The frame is lost."""


class Duplicate(FrameRule, frozen=True, kw_only=True):
    """The frame comes again, ``copies`` times, ``after_ms`` later."""

    copies: int = 1
    after_ms: float = 0.0

    def problem(self) -> str:
        if self.copies < 1 or self.after_ms < 0:
            return "copies must be 1 or above, after_ms 0 or above"
        return FrameRule.problem(self)


class Reorder(FrameRule, frozen=True, kw_only=True):
    """The next ``frames`` frames of the connection overtake this one."""

    frames: int = 1

    def problem(self) -> str:
        return "frames must be 1 or above" if self.frames < 1 else FrameRule.problem(self)


class Delay(FrameRule, frozen=True, kw_only=True):
    """The frame is late by ``ms`` to ``ms + jitter_ms``; what is behind it on the connection waits
    as well, unless it may overtake (``is_overtaken``)."""

    ms: float
    jitter_ms: float = 0.0
    is_overtaken: bool = False

    def problem(self) -> str:
        if self.ms < 0 or self.jitter_ms < 0 or self.ms + self.jitter_ms == 0:
            return "ms and jitter_ms must be 0 or above, and one of them above 0"
        return FrameRule.problem(self)


class TimedRule(Rule, frozen=True, kw_only=True):
    """A rule that acts at ``at_s``, or about every ``every_s`` (the mean; the times are random).

    With neither it acts once, at ``from_s``.
    """

    every_s: float = 0.0

    def problem(self) -> str:
        if self.every_s < 0 or (self.every_s and self.at_s):
            return "every_s must be above 0, and stands instead of at_s"
        return Rule.problem(self)


class LineRule(TimedRule, frozen=True, kw_only=True):
    """A rule about connections: ``pick`` says whether all that match are hit, or one of them."""

    role: SocketRole = ""
    connection: int | None = None
    pick: Literal["all", "one"] = "all"


class Close(LineRule, frozen=True, kw_only=True):
    """The venue closes with a WebSocket close frame."""

    code: int = 1001
    reason: str = ""

    def problem(self) -> str:
        if not 1000 <= self.code <= 4999:
            return "code must be 1000 to 4999"
        return LineRule.problem(self)


class Reset(LineRule, frozen=True, kw_only=True):
    """The line is torn (TCP RST)."""


class HalfOpen(LineRule, frozen=True, kw_only=True, tag="half_open"):
    """The line looks open, but nothing arrives on either end, for ``for_s``."""

    for_s: float = math.inf

    def problem(self) -> str:
        return "for_s must be above 0" if self.for_s <= 0 else LineRule.problem(self)


class Silent(LineRule, frozen=True, kw_only=True):
    """No data for ``for_s``, of one channel or symbol if named; requests and pings are answered."""

    for_s: float = math.inf
    channel: str = ""
    symbol: str = ""

    def problem(self) -> str:
        return "for_s must be above 0" if self.for_s <= 0 else LineRule.problem(self)


class Notice(LineRule, frozen=True, kw_only=True):
    """OKX says that a service upgrade is near (64008), and closes ``after_s`` later."""

    after_s: float = 60.0

    def problem(self) -> str:
        if self.venue == "bybit":
            return "Bybit has no such notice; venue must be okx or left out"
        return "after_s must be 0 or above" if self.after_s < 0 else LineRule.problem(self)


class Refuse(Rule, frozen=True, kw_only=True):
    """New connections (and with role ``rest`` or none also REST) are refused within the window, or
    for ``for_s`` from each of ``at_s``; ``status`` 0 hangs up without an answer."""

    role: Role = ""
    for_s: float = math.inf
    status: int = 503

    def problem(self) -> str:
        if self.status and not 400 <= self.status <= 599:
            return "status must be 400 to 599, or 0 to hang up"
        if self.for_s < math.inf and not self.at_s:
            return "for_s counts from at_s; give at_s, or from_s and until_s instead of for_s"
        return "for_s must be above 0" if self.for_s <= 0 else Rule.problem(self)


class RequestRule(Rule, frozen=True, kw_only=True):
    """A rule about requests.

    Without ``at_s`` each matching one is hit with ``probability``; with it, the first matching one
    from each point on.

    Parameters
    ----------
    role : ``rest``, or the kind of socket that took the request.
    call : beginning of a REST path (``/v5/order/create``) or of a socket's operation
        (``order.create``, ``order``, ``login``). Empty: any REST call, and orders on sockets.
    """

    role: Role = ""
    call: str = ""
    probability: float = 1.0

    def problem(self) -> str:
        if not 0 < self.probability <= 1:
            return "probability must be above 0 and at most 1"
        if self.at_s and self.probability < 1:
            return "at_s stands instead of probability; leave one of them out"
        return Rule.problem(self)


class Answer(RequestRule, frozen=True, kw_only=True):
    """The request is answered with a code or an HTTP status of the rule's choice; with
    ``is_accepted`` it was carried out nevertheless."""

    code: int = 0
    text: str = ""
    status: int = 200
    is_accepted: bool = False

    def problem(self) -> str:
        if not self.code and self.status < 400:
            return "code or a status from 400 on must be given"
        if self.role not in ("", "rest") and self.status != 200:
            return "status is for REST; a socket answers with code"
        return RequestRule.problem(self)


class Lose(RequestRule, frozen=True, kw_only=True):
    """The request is carried out and its answer lost; with ``is_accepted = false`` the request is
    lost itself. REST hangs up ``after_s`` later."""

    is_accepted: bool = True
    after_s: float = 0.0

    def problem(self) -> str:
        return "after_s must be 0 or above" if self.after_s < 0 else RequestRule.problem(self)


class Partial(RequestRule, frozen=True, kw_only=True):
    """An order finds only ``lots`` lots in the book."""

    lots: int

    def problem(self) -> str:
        return "lots must be 1 or above" if self.lots < 1 else RequestRule.problem(self)


class Skip(TimedRule, frozen=True, kw_only=True):
    """The venue leaves out ``ids`` numbers: Bybit of ``u``, OKX of ``seqId``, so that the next
    update of a book does not continue the last one."""

    symbol: str = ""
    ids: int = 1

    def problem(self) -> str:
        return "ids must be 1 or above" if self.ids < 1 else TimedRule.problem(self)


class Restart(TimedRule, frozen=True, kw_only=True):
    """The numbers start again: Bybit with a snapshot of ``u = 1``, OKX with an update whose
    ``seqId`` falls below its ``prevSeqId``."""

    symbol: str = ""


class Clock(TimedRule, frozen=True, kw_only=True):
    """The venue's clock jumps by ``jump_ms``."""

    jump_ms: int

    def problem(self) -> str:
        return "jump_ms must not be 0" if self.jump_ms == 0 else TimedRule.problem(self)


class Contract(TimedRule, frozen=True, kw_only=True):
    """A contract changes: tick, lot, contract value, state, funding interval (hours)."""

    symbol: str
    tick: str = ""
    lot: str = ""
    contract_value: str = ""
    state: str = ""
    funding_hours: int = 0

    def problem(self) -> str:
        steps = {name: getattr(self, name) for name in ("tick", "lot", "contract_value")}
        if not self.symbol or not (any(steps.values()) or self.state or self.funding_hours):
            return "symbol and something that changes must be given"
        try:
            for name in filter(steps.get, steps):
                positive(name, steps[name])
        except SimError as error:
            return str(error)
        if self.state and self.state not in STATES:
            return f"state must be one of {', '.join(STATES)}"
        if self.funding_hours not in (0, 1, 2, 4, 8):
            return "funding_hours must be 1, 2, 4 or 8"
        return TimedRule.problem(self)


class Funding(TimedRule, frozen=True, kw_only=True):
    """The funding rate of the running interval changes to ``rate``, a fraction."""

    symbol: str
    rate: str

    def problem(self) -> str:
        try:
            fits = abs(float(self.rate)) <= 0.1
        except ValueError:
            fits = False
        return TimedRule.problem(self) if fits else "rate must be a decimal from -0.1 to 0.1"


AnyRule = (Drop | Duplicate | Reorder | Delay | Close | Reset | HalfOpen | Silent | Notice | Refuse
           | Answer | Lose | Partial | Skip | Restart | Clock | Contract | Funding)
FORMS: dict[str, Any] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyRule)}


class FaultPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A seed and rules."""

    seed: int = 0
    rule: tuple[AnyRule, ...] = ()

    def of(self, venue: str) -> list[tuple[int, AnyRule]]:
        """The rules of one venue, with their places in the plan."""
        return [(n, rule) for n, rule in enumerate(self.rule) if rule.venue in ("", venue)
                and not (isinstance(rule, Notice) and venue != "okx")]
