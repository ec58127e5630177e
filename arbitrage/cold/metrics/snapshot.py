"""What one look at a trader's segment shows."""

from collections.abc import Mapping
from typing import Any

import msgspec

from arbitrage.board import Board, decode_board
from arbitrage.cold.metrics.feeds import VenueFeed, read_feed
from arbitrage.core.histogram import Histogram
from arbitrage.core.records import CloseReason
from arbitrage.core.risk import KILLS, REASONS
from arbitrage.core.segment import Segment

__all__ = [
    "HotThread",
    "Latency",
    "Queue",
    "Snapshot",
    "read_board",
    "read_snapshot",
]


class Latency(msgspec.Struct, frozen=True):
    """One stage's distribution since the start, in ns; None where nothing was measured.

    `buckets` are (smallest value, records) of the histogram itself, ascending.
    """

    count: int
    p50: int | None = None
    p95: int | None = None
    p99: int | None = None
    max: int | None = None
    p999: int | None = None
    sum: int = 0
    buckets: list[tuple[int, int]] = []


class Queue(msgspec.Struct, frozen=True):
    """One kind of queue, all its rings together."""

    depth: int
    capacity: int
    pushed: int
    dropped: int

    @property
    def utilization_percent(self) -> float:
        return 100.0 * self.depth / self.capacity if self.capacity else 0.0

    @property
    def drop_rate_percent(self) -> float:
        offered = self.pushed + self.dropped
        return 100.0 * self.dropped / offered if offered else 0.0


class HotThread(msgspec.Struct, frozen=True):
    """One hot thread; allocations are None where the counting shim is not loaded."""

    role: str
    tid: int
    core: int | None = None
    turns: int = 0
    work: int = 0
    allocations_c: int | None = None
    allocations_python: int | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at a trader's segment shows.

    Attributes
    ----------
    refusals : dict of str to int
        Orders that the risk gate refused, by reason.
    outcomes : dict of str to int
        Opportunities that closed, by reason.
    allocations : dict of str to int or None
        By path: ``hot``, ``warm``, ``cold``; None where the counting shim is not loaded.
    kill_reason : str
        ``none``, or how the kill switch was tripped.
    board : Board or None
        What the trader's main thread knows; None before it wrote any.
    """

    name: str
    mode: str
    pid: int
    uptime_s: float
    heartbeat_age_s: float
    latency: dict[str, Latency]
    queues: dict[str, Queue]
    feeds: dict[str, VenueFeed]
    detector: dict[str, int]
    strategy: dict[str, int]
    gateways: dict[str, dict[str, int]]
    threads: list[HotThread]
    refusals: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    allocations: dict[str, int] | None = None
    killed: bool = False
    kill_reason: str = "none"
    is_starting: bool = False
    board: Board | None = None


def _latency(histogram: Histogram) -> Latency:
    # of the buckets, so that what is shown together agrees while the trader goes on counting
    buckets = histogram.buckets()
    if not buckets:
        return Latency(0)
    p50, p95, p99, p999 = histogram.percentiles(0.5, 0.95, 0.99, 0.999)
    count = sum(records for _, records in buckets)
    return Latency(count, p50, p95, p99, histogram.max, p999, histogram.sum, buckets)


def _numbers(counters: Mapping[str, Any]) -> dict[str, int]:
    return {name: value for name, value in counters.items() if isinstance(value, int)}


def read_board(segment: Segment) -> Board | None:
    """Return what the trader's main thread knows; None before it wrote any."""
    text = segment.board
    if text is None:
        return None
    try:
        return decode_board(text)
    except msgspec.MsgspecError:  # of another release: then there is none for us
        return None


def read_snapshot(segment: Segment) -> Snapshot:
    """Read everything the metrics show from an attached segment."""
    counters = segment.counters()
    tracker = segment.latency
    detector, strategy = counters["detector"], counters["strategy"]
    reasons = [reason for reason in CloseReason if reason is not CloseReason.NONE]
    killed_by = segment.kill_reason
    return Snapshot(
        name=segment.name,
        mode=segment.mode,
        pid=segment.pid,
        uptime_s=segment.uptime_s,
        heartbeat_age_s=segment.heartbeat_age_s,
        latency={stage: _latency(tracker.histogram(stage)) for stage in tracker.stages},
        queues={kind: Queue(**meter) for kind, meter in segment.queues().items()},
        feeds={venue: read_feed(segment, venue, part) for venue, part in counters["feed"].items()},
        detector=_numbers(detector),
        strategy=_numbers(strategy),
        gateways={venue: _numbers(part) for venue, part in counters["gateway"].items()},
        threads=[msgspec.convert(row, HotThread) for row in segment.threads()],
        refusals=dict(zip(REASONS[1:], strategy["risk_reasons"][1:], strict=False)),
        outcomes={
            reason.name.lower(): detector["close_reasons"][reason] for reason in reasons
        },
        allocations=segment.allocations,
        killed=killed_by != 0,
        kill_reason=KILLS[killed_by] if killed_by < len(KILLS) else str(killed_by),
        is_starting=segment.state == "initialising",
        board=read_board(segment),
    )
