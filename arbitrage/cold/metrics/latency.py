"""Latency metrics: the main figure by its own names, every stage as quantiles and histogram."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import HistogramMetricFamily, Metric

from arbitrage.cold.metrics.families import counter, counters, gauge, gauges, microseconds
from arbitrage.cold.metrics.snapshot import Latency

__all__ = ["BOUNDS_NS", "cumulated", "latency_families"]

MAIN_STAGE = "seen"
NAKED_STAGE = "naked_leg"
ABOUT = "Frame in the callback to opportunity seen by the strategy"
# Each bound is the last whole ns below a power of two, so that the trader's own buckets, whose
# edges are powers of two and parts of them, are never split: 255 ns to 34 s.
BOUNDS_NS = tuple((1 << power) - 1 for power in range(8, 36))
NAKED_BOUNDS_NS = BOUNDS_NS[10:]  # 262 us to 34 s


def cumulated(
    buckets: Sequence[tuple[int, int]], bounds_ns: Sequence[int] = BOUNDS_NS
) -> list[tuple[str, float]]:
    """Return (``le`` in seconds, records at or below it) for each bound, and for ``+Inf``."""
    found: list[tuple[str, float]] = []
    seen, place = 0, 0
    for bound_ns in bounds_ns:
        while place < len(buckets) and buckets[place][0] <= bound_ns:
            seen += buckets[place][1]
            place += 1
        found.append((f"{bound_ns / 1e9:.9g}", seen))
    return [*found, ("+Inf", sum(records for _, records in buckets))]


def latency_families(stages: Mapping[str, Latency]) -> Iterator[Metric]:
    """Yield the families of all stages, given by name."""
    main = stages.get(MAIN_STAGE, Latency(0))
    for label in ("p50", "p95", "p99", "max"):
        value = microseconds(getattr(main, label))
        yield gauge(f"latency_{label}_microseconds", f"{ABOUT}, {label}", value)
    yield counter("latency_measurements", f"{ABOUT}: measurements", main.count)

    percentiles = {"50": "p50", "95": "p95", "99": "p99", "99.9": "p999", "100": "max"}
    about = "Latency by stage since the start"
    yield gauges("stage_latency_percentile_seconds", about, ["stage", "percentile"], [
        ([stage, label], microseconds(getattr(latency, field)) / 1e6)
        for stage, latency in stages.items()
        for label, field in percentiles.items()
    ])  # fmt: skip
    yield counters(
        "stage_measurements", "Measurements by stage", ["stage"],
        [([stage], latency.count) for stage, latency in stages.items()],
    )  # fmt: skip
    histogram = HistogramMetricFamily(
        "stage_latency_seconds", "Latency by stage", labels=["stage"]
    )
    for stage, latency in stages.items():
        if stage != NAKED_STAGE:
            histogram.add_metric([stage], cumulated(latency.buckets), latency.sum / 1e9)
    yield histogram
    naked = stages.get(NAKED_STAGE)
    if naked is not None:
        alone = HistogramMetricFamily("naked_leg_seconds", "How long a leg stood alone", labels=[])
        alone.add_metric([], cumulated(naked.buckets, NAKED_BOUNDS_NS), naked.sum / 1e9)
        yield alone
