"""Prometheus metrics of a running trader, read from its segment by another process.

A `Snapshot` is what the exposition is made of; `read_snapshot` fills one from an attached segment.
Nothing here writes to the segment or takes a lock of the trader.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from arbitrage.cold.feed_metrics import VenueFeed, feed_families, read_feed
from arbitrage.core.histogram import Histogram
from arbitrage.core.risk import REASONS
from arbitrage.core.segment import Segment

__all__ = [
    "CpuMeter",
    "HotThread",
    "Latency",
    "Queue",
    "Snapshot",
    "TraderCollector",
    "exposition",
    "read_snapshot",
]

QUANTILES = (0.5, 0.95, 0.99, 1.0)
MAIN_STAGE = "seen"
CLOCK_GAUGES = ("clock_ahead_ms", "clock_behind_ms", "clock_rtt_us")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class Latency(msgspec.Struct, frozen=True):
    """One stage's distribution since the start, in ns; None where nothing was measured."""

    count: int
    p50: int | None = None
    p95: int | None = None
    p99: int | None = None
    max: int | None = None


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
    """What one look at a trader's segment shows."""

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
    killed: bool = False
    is_starting: bool = False


# ---- processor time ------------------------------------------------------------------------------


class CpuMeter:
    """Processor time by thread between two calls, from ``/proc``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[tuple[int, int], tuple[float, int]] = {}

    def percent(self, pid: int, tid: int) -> float | None:
        """Return the share of one core since the last call; None the first time or when gone."""
        ticks = _cpu_ticks(f"/proc/{pid}/task/{tid}/stat" if tid else f"/proc/{pid}/stat")
        if ticks is None:
            self._last.pop((pid, tid), None)
            return None
        now = self._clock()
        before = self._last.get((pid, tid))
        self._last[pid, tid] = (now, ticks)
        if before is None or now <= before[0]:
            return None
        return 100.0 * (ticks - before[1]) / _TICKS_PER_S / (now - before[0])


def _cpu_ticks(path: str) -> int | None:
    """Return utime + stime of a stat file; the name in brackets may hold spaces."""
    try:
        with open(path, "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
        return int(fields[11]) + int(fields[12])
    except (OSError, IndexError, ValueError):
        return None


# ---- exposition ----------------------------------------------------------------------------------


def _microseconds(value_ns: int | None) -> float:
    return float("nan") if value_ns is None else value_ns / 1000.0


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=value)


def _counter(name: str, about: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, about, value=value)


def _word(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]+", "_", text).strip("_").lower() or "unnamed"


class TraderCollector(Collector):
    """Turn the newest snapshot into metric families at each scrape.

    Parameters
    ----------
    look : callable
        Returns a snapshot, or None when no trader runs.
    """

    def __init__(self, look: Callable[[], Snapshot | None]) -> None:
        self._look = look
        self._cpu = CpuMeter()

    def describe(self) -> list[Metric]:
        """Name nothing in advance: what there is depends on the trader."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every family; only ``up`` when no trader runs."""
        shot = self._look()
        yield _gauge("up_trader", "1 while a trader runs on the segment", float(shot is not None))
        if shot is None:
            return
        yield _gauge("uptime_seconds", "Age of the trader", shot.uptime_s)
        yield _gauge(
            "heartbeat_age_seconds", "Since the trader's last heartbeat", shot.heartbeat_age_s
        )
        yield from _latencies(shot)
        yield from _queues(shot)
        yield from self._cpus(shot)
        yield from _threads(shot)
        yield from feed_families(shot.feeds)
        yield from _trading(shot)

    def _cpus(self, shot: Snapshot) -> Iterator[Metric]:
        for role, tid in [("process", 0), *((row.role, row.tid) for row in shot.threads)]:
            share = self._cpu.percent(shot.pid, tid)
            if share is not None:
                about = f"Share of one core used by {role} since the last scrape"
                yield _gauge(f"cpu_{_word(role)}_percent", about, share)


def _threads(shot: Snapshot) -> Iterator[Metric]:
    turns = CounterMetricFamily("thread_turns", "Duty cycles", labels=["thread", "kind"])
    allocations = CounterMetricFamily(
        "thread_allocations", "Allocations, where they are counted", labels=["thread", "kind"]
    )
    for row in shot.threads:
        turns.add_metric([row.role, "all"], row.turns)
        turns.add_metric([row.role, "busy"], row.work)
        for kind, count in (("c", row.allocations_c), ("python", row.allocations_python)):
            if count is not None:
                allocations.add_metric([row.role, kind], count)
    yield from (turns, allocations)


def _latencies(shot: Snapshot) -> Iterator[Metric]:
    main = shot.latency.get(MAIN_STAGE, Latency(0))
    about = "Frame in the callback to opportunity seen by the strategy"
    for label, value in (
        ("p50", main.p50),
        ("p95", main.p95),
        ("p99", main.p99),
        ("max", main.max),
    ):
        yield _gauge(f"latency_{label}_microseconds", f"{about}, {label}", _microseconds(value))
    yield _counter("latency_measurements", f"{about}: measurements", main.count)

    stages = GaugeMetricFamily(
        "stage_latency_microseconds", "Latency by stage", labels=["stage", "quantile"]
    )
    counts = CounterMetricFamily("stage_measurements", "Measurements by stage", labels=["stage"])
    for stage, latency in shot.latency.items():
        counts.add_metric([stage], latency.count)
        values = (latency.p50, latency.p95, latency.p99, latency.max)
        for quantile, value in zip(QUANTILES, values, strict=True):
            stages.add_metric([stage, f"{quantile:g}"], _microseconds(value))
    yield stages
    yield counts


def _queues(shot: Snapshot) -> Iterator[Metric]:
    verbs = {"market": "push", "order": "submit"}
    for kind, verb in verbs.items():
        queue = shot.queues.get(kind)
        if queue is None:
            continue
        yield _gauge(f"queue_depth_{kind}", f"Entries in the {kind} rings now", queue.depth)
        yield _gauge(f"queue_capacity_{kind}", f"Entries the {kind} rings hold", queue.capacity)
        yield _gauge(
            f"queue_utilization_{kind}_percent",
            f"Fill of the {kind} rings",
            queue.utilization_percent,
        )
        yield _counter(
            f"queue_{kind}_{verb}", f"Entries that entered the {kind} rings", queue.pushed
        )
        yield _counter(f"queue_{kind}_drop", f"Entries lost before the {kind} rings", queue.dropped)
        yield _gauge(
            f"queue_{kind}_drop_rate_percent",
            f"Share of entries lost before the {kind} rings",
            queue.drop_rate_percent,
        )


def _labelled(name: str, about: str, values: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, about, labels=["kind"])
    for kind, value in values.items():
        family.add_metric([kind], value)
    return family


def _trading(shot: Snapshot) -> Iterator[Metric]:
    for name, key, about in (
        ("opportunities_opened", "opened", "Opportunities that opened"),
        ("opportunities_closed", "closed", "Opportunities that closed"),
    ):
        yield _counter(name, about, shot.detector.get(key, 0))
    for name, key, about in (
        ("pairs_opened", "pairs_opened", "Pairs with both legs filled"),
        ("pairs_closed", "pairs_closed", "Pairs closed after having been open"),
        ("pairs_unwound", "pairs_unwound", "Pairs flattened because a leg failed"),
        ("orders", "orders", "Orders handed to a gateway"),
        ("fills", "fills", "Fills"),
        ("rejects", "rejects", "Orders that a venue refused"),
    ):
        yield _counter(name, about, shot.strategy.get(key, 0))
    refusals = CounterMetricFamily("refusals", "Orders the risk gate refused", labels=["reason"])
    for reason, count in shot.refusals.items():
        refusals.add_metric([reason], count)
    yield refusals
    yield _labelled("detector_events", "What the detector counted", shot.detector)
    yield _labelled("strategy_events", "What the strategy counted", shot.strategy)
    gateways = CounterMetricFamily("gateway_events", "Orders' way out", labels=["venue", "kind"])
    for venue, values in shot.gateways.items():
        for kind, value in values.items():
            if kind not in CLOCK_GAUGES:
                gateways.add_metric([venue, kind], value)
    yield gateways
    yield from _clocks(shot)


def _clocks(shot: Snapshot) -> Iterator[Metric]:
    offset = GaugeMetricFamily(
        "venue_clock_offset_seconds", "The venue's clock less this machine's", labels=["venue"]
    )
    rtt = GaugeMetricFamily(
        "venue_clock_rtt_seconds", "Quickest question for the venue's time", labels=["venue"]
    )
    for venue, values in shot.gateways.items():
        ahead_ms, behind_ms, rtt_us = (values.get(name, 0) for name in CLOCK_GAUGES)
        if rtt_us:  # measured
            offset.add_metric([venue], (ahead_ms - behind_ms) / 1e3)
            rtt.add_metric([venue], rtt_us / 1e6)
    yield from (offset, rtt)


def exposition(look: Callable[[], Snapshot | None]) -> Callable[[], bytes]:
    """Return a function that renders the metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(TraderCollector(look))
    return lambda: generate_latest(registry)


def _latency(histogram: Histogram) -> Latency:
    if histogram.count == 0:
        return Latency(0)
    p50, p95, p99 = histogram.percentiles(0.5, 0.95, 0.99)
    return Latency(histogram.count, p50, p95, p99, histogram.max)


def _numbers(counters: Mapping[str, Any]) -> dict[str, int]:
    return {name: value for name, value in counters.items() if isinstance(value, int)}


def read_snapshot(segment: Segment) -> Snapshot:
    """Read everything the metrics show from an attached segment."""
    counters = segment.counters()
    tracker = segment.latency
    return Snapshot(
        name=segment.name,
        mode=segment.mode,
        pid=segment.pid,
        uptime_s=segment.uptime_s,
        heartbeat_age_s=segment.heartbeat_age_s,
        latency={stage: _latency(tracker.histogram(stage)) for stage in tracker.stages},
        queues={kind: Queue(**meter) for kind, meter in segment.queues().items()},
        feeds={venue: read_feed(segment, venue, part) for venue, part in counters["feed"].items()},
        detector=_numbers(counters["detector"]),
        strategy=_numbers(counters["strategy"]),
        refusals=dict(zip(REASONS[1:], counters["strategy"]["risk_reasons"][1:], strict=False)),
        gateways={venue: _numbers(part) for venue, part in counters["gateway"].items()},
        threads=[msgspec.convert(row, HotThread) for row in segment.threads()],
        killed=segment.controls["kill"],
        is_starting=segment.state == "initialising",
    )
