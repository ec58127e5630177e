"""Windows of latencies from the wire: percentiles by window, and how far apart windows are.

A ratio of two contestants is the median of the ratios of neighbouring windows, one of each. The
band says how far apart two neighbouring windows of the same contestant are in the same run: what
lies within it is no difference.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from arbitrage.errors import ArbitrageError
from benchmarks.harness import Setup

__all__ = ["Windows", "holds_tail", "take_turns"]

Latencies = NDArray[np.float64]
TAIL_MAX = 1.5
AGAIN = 3  # windows tried for each one wanted: a machine that stands still leaves some empty


class Windows:
    """Latencies of one contestant, ns, one array a window."""

    def __init__(self) -> None:
        self.taken: list[Latencies] = []

    def add(self, latencies: Latencies) -> None:
        self.taken.append(latencies)

    def by_window(self, percent: float) -> list[float]:
        """Return a percentile of each window."""
        return [float(np.percentile(window, percent)) for window in self.taken]

    def at(self, percent: float) -> float:
        """Return the median over the windows of a percentile."""
        return float(np.median(self.by_window(percent)))

    @property
    def n(self) -> int:
        return sum(len(window) for window in self.taken)

    def ratio(self, floor: "Windows", percent: float) -> float:
        """Return the median ratio of a percentile to the floor's in the window before."""
        pairs = zip(self.by_window(percent), floor.by_window(percent), strict=True)
        return float(np.median([ours / theirs for ours, theirs in pairs]))

    def band(self, percent: float) -> float:
        """Return the largest ratio of a percentile in two windows that follow each other."""
        values = self.by_window(percent)
        return max(_apart(values), default=1.0)


def take_turns(
    windows: int,
    floor_window: Callable[[], Latencies],
    our_window: Callable[[], tuple[Latencies, ...]],
    setup: Setup,
) -> tuple[Windows, tuple[Windows, ...]]:
    """Take so many windows of the floor and of ours in turn; return both, ours in its parts.

    In the pauses, while nobody uses it, the hiccup meter reads the clock on the first core.

    Raises
    ------
    ArbitrageError
        Nothing could be seen in any of them.
    """
    floor, ours = Windows(), None
    for _ in range(AGAIN * windows):
        theirs, parts = floor_window(), our_window()
        setup.meter()
        if len(theirs) and all(len(part) for part in parts):
            ours = ours or tuple(Windows() for _ in parts)
            floor.add(theirs)
            for kept, part in zip(ours, parts, strict=True):
                kept.add(part)
            setup.say(f"window {len(floor.taken)} of {windows}")
        if len(floor.taken) == windows:
            break
    if ours is None:
        raise ArbitrageError("not one cause was seen with its effect: the machine is too busy")
    return floor, ours


def _apart(values: Sequence[float]) -> list[float]:
    return [max(a, b) / min(a, b) for a, b in pairwise(values)]


def holds_tail(ours: Windows, floor: Windows, percent: float = 99.0) -> bool:
    """Whether a tail is within the floor's own band, or within 1.5 times the floor's."""
    return ours.ratio(floor, percent) <= max(TAIL_MAX, floor.band(percent))
