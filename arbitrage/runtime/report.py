"""What a run did, as one JSON object: read from the segment, the ledger and the kernel."""

import json
from pathlib import Path
from typing import Any

from arbitrage.core.segment import Segment
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.trading.ledger import Ledger

__all__ = ["build_report", "resident_mb", "write_report"]

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
            "opened": strategy["pairs_opened"],
            "closed": strategy["pairs_closed"],
            "unwound": strategy["pairs_unwound"],
            "missed": strategy["pairs_missed"],
        },
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


def write_report(report: dict[str, Any], path: str) -> None:
    """Write the report to a file, or to stdout for ``-``."""
    text = json.dumps(report, indent=2) + "\n"
    if path == "-":
        import sys

        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--report {path} cannot be written: {error.strerror}") from None
