"""Latencies of the last seconds: what the histograms, which count since the start, have gained."""

import time
from collections.abc import Callable, Mapping, Sequence

from arbitrage.cold.deck_lines import StageLine
from arbitrage.core.histogram import Histogram
from arbitrage.core.segment import Segment

__all__ = ["STAGE_LABELS", "StageClock"]

STAGE_LABELS = {
    "parsed": "frame in the callback to parsed",
    "detected": "frame in the callback to opportunity published",
    "seen": "frame in the callback to opportunity seen by the strategy",
    "decided": "frame in the callback to order decided",
    "opportunity_to_order": "opportunity published to order decided",
    "sent": "frame in the callback to order frame sent",
    "acknowledged": "order sent to acknowledged by its venue",
    "naked_leg": "how long a leg stood alone",
}
RARE = ("acknowledged", "naked_leg")  # too few in an interval: told since the start
INTERVAL_S = 10.0
_FRACTIONS = (0.5, 0.99, 0.999)
Buckets = Mapping[int, int]


def _gained(now: Buckets, before: Buckets) -> list[tuple[int, int]]:
    """Return (smallest value, records) of what came since, ascending."""
    pairs = ((floor, count - before.get(floor, 0)) for floor, count in sorted(now.items()))
    return [(floor, count) for floor, count in pairs if count > 0]


def _values(gained: list[tuple[int, int]], fractions: tuple[float, ...]) -> list[int]:
    """Return the bucket floors at ascending fractions."""
    total, seen, place = sum(count for _, count in gained), 0, 0
    found: list[int] = []
    for fraction in fractions:
        while place < len(gained) - 1 and seen + gained[place][1] < fraction * total:
            seen += gained[place][1]
            place += 1
        found.append(gained[place][0])
    return found


class StageClock:
    """Keep what the histograms held one to two intervals ago, and tell what came since.

    Threads: one.
    """

    def __init__(self, segment: Segment, clock: Callable[[], float] = time.monotonic) -> None:
        self._segment = segment
        self._clock = clock
        self._base: dict[str, Buckets] = {}
        self._next: dict[str, Buckets] = {}
        self._base_s = self._next_s = clock()

    def lines(self) -> list[StageLine]:
        """Return every stage, in the order data passes them."""
        tracker, now_s = self._segment.latency, self._clock()
        held = {stage: tracker.histogram(stage) for stage in tracker.stages}
        is_new = not self._next or now_s - self._next_s >= INTERVAL_S
        fresh: dict[str, Buckets] = {
            stage: dict(histogram.buckets())
            for stage, histogram in held.items()
            if stage not in RARE
        }
        lines = [self._line(stage, held[stage], fresh.get(stage), now_s) for stage in held]
        if is_new:
            self._base, self._base_s = self._next, self._next_s
            self._next, self._next_s = fresh, now_s
        return lines

    def _line(
        self, stage: str, histogram: Histogram, fresh: Buckets | None, now_s: float
    ) -> StageLine:
        label = STAGE_LABELS.get(stage, stage)
        if fresh is not None and self._base:
            gained = _gained(fresh, self._base.get(stage, {}))
            label = f"{label}, last {now_s - self._base_s:.0f} s"
            if not gained:
                return _stage_line(stage, label, 0, [None] * 4)
            count = sum(records for _, records in gained)
            return _stage_line(stage, label, count, [*_values(gained, _FRACTIONS), gained[-1][0]])
        label = f"{label}, since the start"
        if histogram.count == 0:
            return _stage_line(stage, label, 0, [None] * 4)
        values = [*histogram.percentiles(*_FRACTIONS), histogram.max]
        return _stage_line(stage, label, histogram.count, values)


def _stage_line(stage: str, label: str, count: int, values: Sequence[int | None]) -> StageLine:
    p50, p99, p999, most = values
    return StageLine(
        stage=stage, label=label, count=count, p50_ns=p50, p99_ns=p99, p999_ns=p999, max_ns=most
    )
