"""The deck: everything about one trader that a person watches, as one struct.

`arbitrage.cold.deck` makes one at each look.
"""

import msgspec

from arbitrage.board import IncidentLine, KillLine, LimitLine, MoneyLine, PairLine, RateLine
from arbitrage.cold.metrics.feeds import FeedLine

__all__ = [
    "BesideLine",
    "Deck",
    "OpportunityLine",
    "QueueLine",
    "RowLine",
    "StageLine",
    "VenueLine",
]


class RowLine(msgspec.Struct, kw_only=True):
    """One symbol at one venue.

    Attributes
    ----------
    state : str
        ``LIVE``, ``SYNCING`` ...
    age_ms : float or None
        Since its newest quote.
    gaps : int
        Books given up because an update was lost.
    cuts : int
        Times that no connection served it any longer.
    """

    symbol: str
    state: str
    age_ms: float | None
    gaps: int
    cuts: int


class VenueLine(msgspec.Struct, kw_only=True):
    """One venue's public feed.

    Attributes
    ----------
    rows_by_state : dict of str to int
        Symbols by row state, ``LIVE``, ``SYNCING`` ...
    frames_per_s : float
        Since the look before; 0 at the first.
    age_ms : float or None
        Since its newest quote.
    gaps : int
        Books given up because an update was lost.
    reconnects : int
        Connections made after the first one of each line.
    clock_offset_ms, rtt_ms : float or None
        The venue's clock less ours, and the quickest question for it.
    lines : list of FeedLine
        Parallel connections, with the head start of each.
    rows : list of RowLine
        Its symbols, in the trader's order.
    """

    venue: str
    rows_by_state: dict[str, int]
    frames: int
    frames_per_s: float
    malformed: int
    age_ms: float | None
    gaps: int
    reconnects: int
    clock_offset_ms: float | None
    rtt_ms: float | None
    lines: list[FeedLine]
    rows: list[RowLine] = []


class OpportunityLine(msgspec.Struct, kw_only=True):
    """One opportunity's life: its costs as of its newest event.

    Attributes
    ----------
    age_ms : float
        Since it opened.
    gross_bps, net_bps : float or None
        None where a price has gone.
    size_usd : float or None
        What stands at both best prices.
    state : str
        ``open`` or ``closed``.
    reason : str
        Why it closed, a name of `CloseReason` in lower case; empty while it is open.
    lasted_ms : float or None
        How long it was open; None while it is.
    """

    id: int
    symbol: str
    buy_venue: str
    sell_venue: str
    opened_wall_ns: int
    age_ms: float
    gross_bps: float | None
    fees_bps: float
    slippage_bps: float | None
    funding_bps: float
    net_bps: float | None
    peak_net_bps: float
    size_usd: float | None
    state: str
    reason: str
    lasted_ms: float | None


class StageLine(msgspec.Struct, kw_only=True):
    """How long one stage took; `label` says what is measured, and since when."""

    stage: str
    label: str
    count: int
    p50_ns: int | None
    p99_ns: int | None
    p999_ns: int | None
    max_ns: int | None


class QueueLine(msgspec.Struct, kw_only=True):
    """One kind of queue, all its rings together."""

    kind: str
    depth: int
    capacity: int
    utilization_percent: float
    pushed: int
    dropped: int


class BesideLine(msgspec.Struct, kw_only=True):
    """One program beside the trader: a mirror into Redis or a recorder.

    Attributes
    ----------
    place : str
        Where it writes.
    said : str
        What it does, in words.
    tone : str
        Empty, ``warn`` or ``bad``.
    """

    kind: str
    place: str
    said: str
    tone: str = ""


class Deck(msgspec.Struct, kw_only=True):
    """One look at one trader.

    Attributes
    ----------
    alive : bool
        Whether it runs and answers. When it does not, `why_not` says so and there is no number.
    strategy, opening, killed, paused, pairs, money, limits, refusals, rates, incidents
        From its board, `board_age_s` old; see `arbitrage.board`.
    opportunities : list of OpportunityLine
        The open ones by net edge, then those that closed lately, newest first.
    opportunities_lost : int
        Events that were overwritten before this reader came to them.
    pnl : list of (int, float)
        (wall ns, realised + fees + funding + unrealised, USD) since this reader began.
    beside : list of BesideLine
        Mirrors and recorders of this trader on this machine.
    """

    name: str
    wall_ns: int
    alive: bool
    why_not: str
    mode: str = ""
    strategy: str = ""
    run: int = 0
    pid: int = 0
    uptime_s: float | None = None
    heartbeat_age_s: float | None = None
    venues: list[VenueLine] = []
    opportunities: list[OpportunityLine] = []
    opportunities_lost: int = 0
    pairs: list[PairLine] = []
    money: list[MoneyLine] = []
    day_result_usd: float | None = None
    pnl: list[tuple[int, float]] = []
    latency: list[StageLine] = []
    queues: list[QueueLine] = []
    incidents: list[IncidentLine] = []
    limits: list[LimitLine] = []
    refusals: dict[str, int] = {}
    rates: list[RateLine] = []
    killed: KillLine | None = None
    opening: str = ""
    paused: dict[str, list[str]] = {}
    board_age_s: float | None = None
    beside: list[BesideLine] = []
