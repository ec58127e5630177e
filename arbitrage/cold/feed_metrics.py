"""The public feeds' part of the metrics: frames, row states, and how parallel lines compare."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from arbitrage.core.segment import Segment

__all__ = ["FeedLine", "VenueFeed", "feed_families", "read_feed"]

ROW_STATES = ("EMPTY", "SYNCING", "LIVE", "SUSPECT", "STALE", "GAP")


class FeedLine(msgspec.Struct, frozen=True):
    """One of a venue's parallel market connections; `led` of its firsts came again, later."""

    line: int
    first: int
    copies: int
    led: int
    led_ns: int
    connects: int
    disconnects: int


class VenueFeed(msgspec.Struct, frozen=True):
    """One venue's public feed."""

    frames: int
    quotes: int
    malformed: int
    rows_by_state: dict[str, int]
    age_s: float | None
    counters: dict[str, int]
    lines: list[FeedLine] = []


def feed_families(feeds: Mapping[str, VenueFeed]) -> Iterator[Metric]:
    """Yield the families of the public feeds, given by venue."""
    counted = CounterMetricFamily("feed_events", "Public feed, by venue", labels=["venue", "kind"])
    frames = CounterMetricFamily("feed_frames", "Frames received", labels=["venue"])
    malformed = CounterMetricFamily("feed_malformed", "Frames refused", labels=["venue"])
    rows = GaugeMetricFamily("feed_rows", "Symbols by row state", labels=["venue", "state"])
    age = GaugeMetricFamily("feed_age_seconds", "Since the newest quote", labels=["venue"])
    for venue, feed in feeds.items():
        frames.add_metric([venue], feed.frames)
        malformed.add_metric([venue], feed.malformed)
        for kind, value in feed.counters.items():
            counted.add_metric([venue, kind], value)
        for state, count in feed.rows_by_state.items():
            rows.add_metric([venue, state], count)
        if feed.age_s is not None:
            age.add_metric([venue], feed.age_s)
    yield from (frames, malformed, counted, rows, age)
    yield from _lines(feeds)


def _lines(feeds: Mapping[str, VenueFeed]) -> Iterator[Metric]:
    labels = ["venue", "connection"]
    counted = CounterMetricFamily(
        "feed_connection_events", "Public feed, by connection", labels=[*labels, "kind"]
    )
    lead = CounterMetricFamily(
        "feed_connection_lead_seconds",
        "By how much a connection was ahead of later copies of the same updates, summed",
        labels=labels,
    )
    for venue, feed in feeds.items():
        for line in feed.lines:
            for kind in ("first", "copies", "led", "connects", "disconnects"):
                counted.add_metric([venue, str(line.line), kind], getattr(line, kind))
            lead.add_metric([venue, str(line.line)], line.led_ns / 1e9)
    yield from (counted, lead)


def read_feed(segment: Segment, venue: str, counters: Mapping[str, Any]) -> VenueFeed:
    """Read what the metrics show of one venue's feed; `counters` are those of its venue."""
    rows: dict[str, int] = {}
    newest_ns = 0
    for index in range(len(segment.symbols)):
        row = segment.store.read_row(venue, index)
        state = ROW_STATES[row.state] if row.state < len(ROW_STATES) else "UNKNOWN"
        rows[state] = rows.get(state, 0) + 1
        newest_ns = max(newest_ns, row.recv_mono_ns)
    numbers = {name: value for name, value in counters.items() if isinstance(value, int)}
    return VenueFeed(
        frames=numbers["frames"],
        quotes=numbers["quotes"],
        malformed=numbers["malformed"],
        rows_by_state=rows,
        age_s=max(0.0, (time.monotonic_ns() - newest_ns) / 1e9) if newest_ns else None,
        counters=numbers,
        lines=[msgspec.convert(line, FeedLine) for line in counters["lines"]],
    )
