"""The public feeds' part of the metrics: frames, row states, and how parallel lines compare."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from prometheus_client.core import Metric

from arbitrage.cold.metrics.families import Rows, counters, gauges
from arbitrage.core.segment import VENUES, Segment

__all__ = ["ROW_STATES", "FeedLine", "FeedRow", "VenueFeed", "feed_families", "read_feed"]

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


class FeedRow(msgspec.Struct, frozen=True):
    """One symbol's row: its state, a `RowState` number, and the age of its newest quote.

    `gaps` are books given up because an update was lost; `cuts` how often no connection served it.
    """

    symbol: str
    state: int
    age_s: float | None = None
    gaps: int = 0
    cuts: int = 0


class VenueFeed(msgspec.Struct, frozen=True):
    """One venue's public feed."""

    frames: int
    quotes: int
    malformed: int
    rows_by_state: dict[str, int]
    age_s: float | None
    counters: dict[str, int]
    lines: list[FeedLine] = []
    rows: list[FeedRow] = []

    @property
    def reconnects(self) -> int:
        """Connections made after the first one of each line."""
        return sum(max(0, line.connects - 1) for line in self.lines)


def feed_families(feeds: Mapping[str, VenueFeed]) -> Iterator[Metric]:
    """Yield the families of the public feeds, given by venue."""
    by_venue = list(feeds.items())

    def rows(value: Callable[[VenueFeed], float | None]) -> Rows:
        return [([venue], value(feed)) for venue, feed in by_venue]

    venue = ["venue"]
    yield counters("feed_frames", "Frames received", venue, rows(lambda feed: feed.frames))
    yield counters("feed_malformed", "Frames refused", venue, rows(lambda feed: feed.malformed))
    about = "Books given up because an update was lost"
    yield counters("feed_gaps", about, venue, rows(lambda feed: feed.counters.get("depth_gaps", 0)))
    about = "Connections made again"
    yield counters("feed_reconnects", about, venue, rows(lambda feed: feed.reconnects))
    yield gauges("feed_age_seconds", "Since the newest quote", venue, rows(lambda feed: feed.age_s))
    yield counters("feed_events", "Public feed, by venue", ["venue", "kind"], [
        ([name, kind], value)
        for name, feed in by_venue
        for kind, value in feed.counters.items()
    ])  # fmt: skip
    yield gauges("feed_rows", "Symbols by row state", ["venue", "state"], [
        ([name, state], count)
        for name, feed in by_venue
        for state, count in (dict.fromkeys(ROW_STATES, 0) | feed.rows_by_state).items()
    ])  # fmt: skip
    yield from _rows(feeds)
    yield from _lines(feeds)


def _rows(feeds: Mapping[str, VenueFeed]) -> Iterator[Metric]:
    """Yield what is known symbol by symbol: as many series as the trader has symbols and venues."""
    labels = ["venue", "symbol"]
    rows = [([venue, row.symbol], row) for venue, feed in feeds.items() for row in feed.rows]
    about = "State of a symbol's row: 0 EMPTY 1 SYNCING 2 LIVE 3 SUSPECT 4 STALE 5 GAP"
    yield gauges("feed_row_state", about, labels, [(names, row.state) for names, row in rows])
    about = "Since the newest quote of a symbol"
    yield gauges("feed_row_age_seconds", about, labels, [(names, row.age_s) for names, row in rows])
    about = "Books of a symbol given up because an update was lost"
    yield counters("feed_row_gaps", about, labels, [(names, row.gaps) for names, row in rows])
    about = "Times that a symbol was left without a connection that serves it"
    yield counters("feed_row_cuts", about, labels, [(names, row.cuts) for names, row in rows])


def _lines(feeds: Mapping[str, VenueFeed]) -> Iterator[Metric]:
    labels = ["venue", "connection"]
    lines = [
        ([venue, str(line.line)], line) for venue, feed in feeds.items() for line in feed.lines
    ]
    yield counters(
        "feed_connection_events", "Public feed, by connection", [*labels, "kind"],
        [
            ([*names, kind], getattr(line, kind))
            for names, line in lines
            for kind in ("first", "copies", "led", "connects", "disconnects")
        ],
    )  # fmt: skip
    yield counters(
        "feed_connection_lead_seconds",
        "By how much a connection was ahead of later copies of the same updates, summed",
        labels, [(names, line.led_ns / 1e9) for names, line in lines],
    )  # fmt: skip


def read_feed(segment: Segment, venue: str, counted: Mapping[str, Any]) -> VenueFeed:
    """Read what the metrics show of one venue's feed; `counted` is its counters."""
    symbols, place = list(segment.symbols), VENUES.index(venue)
    states = segment.store.column("state")[place, : len(symbols)].tolist()
    stamps_ns = segment.store.column("recv_mono_ns")[place, : len(symbols)].tolist()
    now_ns = time.monotonic_ns()
    by_state: dict[str, int] = {}
    for state in states:
        name = ROW_STATES[state] if state < len(ROW_STATES) else "UNKNOWN"
        by_state[name] = by_state.get(name, 0) + 1
    ages_s = [max(0.0, (now_ns - stamp_ns) / 1e9) if stamp_ns else None for stamp_ns in stamps_ns]
    known_s = [age_s for age_s in ages_s if age_s is not None]
    numbers = {name: value for name, value in counted.items() if isinstance(value, int)}
    return VenueFeed(
        frames=numbers["frames"],
        quotes=numbers["quotes"],
        malformed=numbers["malformed"],
        rows_by_state=by_state,
        age_s=min(known_s) if known_s else None,
        counters=numbers,
        lines=[msgspec.convert(line, FeedLine) for line in counted["lines"]],
        rows=[
            FeedRow(*facts)
            # a symbol may have been added between these looks
            for facts in zip(symbols, states, ages_s, *counted["rows"].values(), strict=False)
        ],
    )
