"""Prometheus metrics of running traders, read from their segments by another process.

A `Snapshot` is what the exposition is made of; `read_snapshot` fills one from an attached segment.
Nothing here writes to the segment or takes a lock of the trader. One file a subject; what each
metric means is in `docs/monitoring.md`, which is checked against what is served.
"""

from arbitrage.cold.metrics.exposition import TraderCollector, exposition
from arbitrage.cold.metrics.process import ProcessMeter, Usage
from arbitrage.cold.metrics.snapshot import (
    HotThread,
    Latency,
    Queue,
    Snapshot,
    read_snapshot,
)

__all__ = [
    "HotThread",
    "Latency",
    "ProcessMeter",
    "Queue",
    "Snapshot",
    "TraderCollector",
    "Usage",
    "exposition",
    "read_snapshot",
]
