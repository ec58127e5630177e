"""What a run did, as one JSON object: read from the segment, the ledger and the kernel."""

import json
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arbitrage.core.histogram import Histogram
from arbitrage.core.segment import Segment
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.secret import mask_known
from arbitrage.trading.ledger import Ledger

__all__ = ["build_report", "naked_figures", "resident_mb", "write_report"]

# Upper bounds of the buckets a report shows.
NAKED_BUCKETS_MS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_LATENCIES = {
    "frame_to_opportunity": "seen",
    "opportunity_to_order": "opportunity_to_order",
    "frame_to_order_sent": "sent",
}


def resident_mb() -> float:
    """Return this process's resident memory in 10^6 bytes, shared memory included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def build_report(segment: Segment, ledger: Ledger, *, mode: str, seconds: float) -> dict[str, Any]:
    """Return the run's figures; null where there was nothing to measure."""
    counters = segment.counters()
    feed, strategy = counters["feed"], counters["strategy"]
    queues = segment.queues()
    totals = ledger.totals()
    return {
        "mode": mode,
        "seconds": round(seconds, 3),
        "frames": {venue: feed[venue]["frames"] for venue in VENUES},
        "malformed": sum(feed[venue]["malformed"] for venue in VENUES),
        "quotes": sum(feed[venue]["quotes"] for venue in VENUES),
        "depth": {
            "updates": sum(feed[venue]["depth_updates"] for venue in VENUES),
            "gaps": sum(feed[venue]["depth_gaps"] for venue in VENUES),
        },
        "opportunities": {
            "opened": counters["detector"]["opened"],
            "closed": counters["detector"]["closed"],
        },
        "pairs": {
            "adopted": strategy["pairs_adopted"],
            "opened": strategy["pairs_opened"],
            "closed": strategy["pairs_closed"],
            "unwound": strategy["pairs_unwound"],
            "missed": strategy["pairs_missed"],
            "broken": strategy["pairs_broken"],
            "by_funding": strategy["pairs_funding"],
            "by_intent": strategy["pairs_intent"],
        },
        "intents": {"taken": strategy["intents"], "refused": strategy["intents_refused"]},
        "orders": strategy["orders"],
        "fills": strategy["fills"],
        "ledger": {name: str(value) for name, value in totals.items()},
        "latency_ns": {
            name: segment.latency.histogram(stage).summary() for name, stage in _LATENCIES.items()
        },
        "drops": {"ticks": queues["market"]["dropped"], "orders": queues["order"]["dropped"]},
        "threads": segment.threads(),
        "rss_mb": round(resident_mb(), 3),
    }


def naked_figures(naked: Histogram, causes: Mapping[str, Histogram]) -> dict[str, Any]:
    """Return how long legs stood alone, in ms: every time, and the longest of each pair by cause.

    The buckets are counts up to each of `NAKED_BUCKETS_MS`, and above the last.
    """
    counts = [0] * (len(NAKED_BUCKETS_MS) + 1)
    for floor_ns, count in naked.buckets():
        counts[bisect_left(NAKED_BUCKETS_MS, floor_ns / 1e6)] += count
    return {
        **_milliseconds(naked),
        "buckets": [
            {"up_to_ms": up_to_ms, "count": count}
            for up_to_ms, count in zip((*NAKED_BUCKETS_MS, None), counts, strict=True)
        ],
        "by_cause": {cause: _milliseconds(found) for cause, found in sorted(causes.items())},
    }


def _milliseconds(found: Histogram) -> dict[str, Any]:
    figures: dict[str, Any] = {"count": found.count}
    for name, value_ns in found.summary().items():
        if name in ("p50", "p99", "p999", "max"):
            figures[name] = None if value_ns is None else round(value_ns / 1e6, 6)
    return figures


def write_report(report: dict[str, Any], path: str) -> None:
    """Write the report to a file, or to stdout for ``-``."""
    text = mask_known(json.dumps(report, indent=2)) + "\n"
    if path == "-":
        import sys

        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--report {path} cannot be written: {error.strerror}") from None
