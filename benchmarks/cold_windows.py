"""Windows of a trader's latency, compared: with the cold side against without, beside an A/A band.

A window is what the trader's own histograms gained between its begin and its end. ``A`` is a window
with nothing attached. The band says how far apart windows of the same kind are in the same run; a
difference within it is no evidence of anything.
"""

import math
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from arbitrage.core.segment import Segment
from arbitrage.errors import ArbitrageError
from benchmarks.noise import cpu_times

__all__ = [
    "STAGES",
    "Comparison",
    "Window",
    "compare",
    "halves_band",
    "measure",
    "neighbours_band",
]

STAGES = ("parsed", "detected", "seen")  # the last one is the judged one
FRACTIONS = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
BARS = {"p50": 1.10, "p99": 1.25}  # the larger of it and the band
BAND = 0.95  # of the comparisons of A with A lie within the band
SPLITS_MAX = 300
EMPTY_MAX_S = 60.0
P99_CORES_MIN = 6

Counts = Counter[int]  # smallest value of a bucket in ns -> records


@dataclass(frozen=True)
class Window:
    """What the trader's histograms gained, and what the machine and the programs did meanwhile."""

    kind: str  # A: nothing attached; B: everything; or the name of a hard case
    seconds: float
    gained: dict[str, Counts] = field(repr=False)
    steal_pct: float
    work: dict[str, int] = field(default_factory=dict)
    cpu_pct: dict[str, float] = field(default_factory=dict)  # of one core
    drops: dict[str, int] = field(default_factory=dict)  # of the trader's own

    def as_json(self) -> dict[str, Any]:
        """Return its figures: ns by stage, and n."""
        stages = {
            stage: {"n": gained.total(), **figures(gained)} for stage, gained in self.gained.items()
        }
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        del found["gained"]
        return found | {"stages": stages}


@dataclass(frozen=True)
class Comparison:
    """One percentile of the windows of a kind against that of windows without anything attached."""

    kind: str
    figure: str
    without_ns: int
    with_ns: int
    band: float | None  # as a ratio, 1 or more; None: too few windows for one
    judged: bool
    n_without: int
    n_with: int

    @property
    def ratio(self) -> float:
        return self.with_ns / max(1, self.without_ns)

    @property
    def bound(self) -> float:
        return max(BARS.get(self.figure, math.inf), self.band or 1.0)

    @property
    def holds(self) -> bool | None:
        """Whether it is within its bound; None: nothing is claimed of it here."""
        return self.ratio <= self.bound if self.judged and self.band is not None else None

    def as_json(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        bound = self.bound if math.isfinite(self.bound) else None
        return found | {"ratio": self.ratio, "bound": bound, "holds": self.holds}


# ---- one window ----------------------------------------------------------------------------------


def held(segment: Segment) -> dict[str, Counts]:
    """Return the histograms since the trader's start."""
    return {stage: Counter(dict(segment.latency.histogram(stage).buckets())) for stage in STAGES}


def trader_drops(segment: Segment) -> dict[str, int]:
    """Return what the trader itself has dropped so far."""
    counted = segment.counters()
    return {
        "ticks": counted["detector"]["ticks_dropped"],
        "opportunities": counted["strategy"]["opportunities_lost"],
    }


def measure(segment: Segment, kind: str, seconds: float) -> Window:
    """Look at a trader for so long, and until it has seen an opportunity."""
    before, drops, times = held(segment), trader_drops(segment), cpu_times()
    began_s = time.monotonic()
    time.sleep(seconds)
    while (after := held(segment))[STAGES[-1]] == before[STAGES[-1]]:
        if not segment.alive or time.monotonic() - began_s > seconds + EMPTY_MAX_S:
            raise ArbitrageError(f"the trader saw no opportunity in {seconds + EMPTY_MAX_S:g} s")
        time.sleep(0.05)
    lasted_s, now = time.monotonic() - began_s, trader_drops(segment)
    stolen, total = (now - was for now, was in zip(cpu_times(), times, strict=True))
    if not segment.alive:
        raise ArbitrageError("the trader ended while it was measured")
    return Window(
        kind,
        lasted_s,
        {stage: after[stage] - before[stage] for stage in STAGES},
        100.0 * stolen / max(1, total),
        drops={what: now[what] - count for what, count in drops.items()},
    )


# ---- comparing -----------------------------------------------------------------------------------


def percentile(counts: Counts, fraction: float) -> int:
    """Return the smallest value of the bucket that a fraction lies in; 0 of nothing."""
    wanted, seen, last = fraction * counts.total(), 0, 0
    for last in sorted(counts):
        seen += counts[last]
        if seen >= wanted:
            break
    return last


def figures(counts: Counts) -> dict[str, int]:
    """Return every percentile in ns."""
    return {name: percentile(counts, fraction) for name, fraction in FRACTIONS.items()}


def pooled(windows: Iterable[Window]) -> Counts:
    """Return all that windows gained in the judged stage."""
    found: Counts = Counter()
    for window in windows:
        found.update(window.gained[STAGES[-1]])
    return found


def apart(one: Counts, other: Counts) -> dict[str, float]:
    """Return how far two are apart, as a ratio of 1 or more."""
    pairs = zip(FRACTIONS, figures(one).values(), figures(other).values(), strict=True)
    return {name: max(a, b) / max(1, min(a, b)) for name, a, b in pairs}


def _within(found: Sequence[dict[str, float]]) -> dict[str, float | None]:
    """Return what `BAND` of the comparisons lie within."""
    if len(found) < 2:
        return dict.fromkeys(FRACTIONS)
    place = math.ceil(BAND * len(found)) - 1
    return {name: sorted(one[name] for one in found)[place] for name in FRACTIONS}


def halves_band(windows: Sequence[Window]) -> dict[str, float | None]:
    """Compare halves of the A windows with each other, every way to halve them or many of them."""
    if len(windows) < 4:
        return dict.fromkeys(FRACTIONS)
    places = range(len(windows))
    if math.comb(len(windows), len(windows) // 2) <= SPLITS_MAX:
        splits = list(combinations(places, len(windows) // 2))
    else:
        draw = random.Random(len(windows))
        splits = [tuple(draw.sample(places, len(windows) // 2)) for _ in range(SPLITS_MAX)]
    found = []
    for split in splits:
        one = [windows[place] for place in split]
        other = [windows[place] for place in places if place not in split]
        found.append(apart(pooled(one), pooled(other)))
    return _within(found)


def neighbours_band(windows: Sequence[Window]) -> dict[str, float | None]:
    """Compare each A window with those before and after it, as a single hard case is compared."""
    threes = zip(windows, windows[1:], windows[2:], strict=False)
    return _within([apart(one.gained[STAGES[-1]], pooled([a, b])) for a, one, b in threes])


def compare(
    kind: str,
    without: Sequence[Window],
    attached: Sequence[Window],
    band: dict[str, float | None],
    cores: int,
) -> list[Comparison]:
    """Compare windows by every percentile; `cores` decide what is judged."""
    one, other = pooled(without), pooled(attached)
    least = {"p50": 4, "p99": P99_CORES_MIN}
    return [
        Comparison(
            kind,
            name,
            percentile(one, fraction),
            percentile(other, fraction),
            band[name],
            name in least and cores >= least[name],
            one.total(),
            other.total(),
        )
        for name, fraction in FRACTIONS.items()
    ]
