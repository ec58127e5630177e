"""A venue's wall clock as seen from here, from several questions for its time.

What is tracked is the venue's wall clock against this machine's CLOCK_MONOTONIC, which nobody sets:
a step of the local wall clock changes nothing. Slow answers say little about when the venue read
its clock, so they are dropped; of the rest the median counts. A small correction is slewed, so that
two requests in order never carry times out of order; a large one is a step and worth a warning.
"""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

__all__ = ["ClockSample", "VenueClock"]

SAMPLES = 5
# A question that took this much longer than the quickest one is no measurement of the time.
RTT_FACTOR = 1.5
RTT_SLACK_MS = 2.0
# Beyond this a correction is a step. Bybit refuses a time one second ahead of its own: what is
# still to be slewed, less `LATE_MS`, stays well below that.
STEP_MS = 150.0
SLEW_MS_PER_S = 20.0


class ClockSample(NamedTuple):
    """One question for a venue's time: CLOCK_MONOTONIC around it, and the answer."""

    sent_mono_ns: int
    received_mono_ns: int
    server_wall_ms: float

    @property
    def rtt_ms(self) -> float:
        """Time from the question to the answer."""
        return (self.received_mono_ns - self.sent_mono_ns) / 1e6

    @property
    def base_ms(self) -> float:
        """The venue's wall clock less CLOCK_MONOTONIC; the answer was stamped midway."""
        return self.server_wall_ms - (self.sent_mono_ns + self.received_mono_ns) / 2e6


def measured_base_ms(samples: Sequence[ClockSample]) -> float:
    """Return the median of the samples whose answers were not slow."""
    quickest_ms = min(sample.rtt_ms for sample in samples)
    limit_ms = quickest_ms * RTT_FACTOR + RTT_SLACK_MS
    return median(sample.base_ms for sample in samples if sample.rtt_ms <= limit_ms)


class VenueClock:
    """Tell a venue's time.

    Bybit refuses a timestamp a second ahead of its clock but takes one seconds behind, so what
    `stamp_ms` returns runs a little late on purpose.

    Threads: one loop.

    Parameters
    ----------
    wall_ns, mono_ns : callable
        This machine's clocks.
    """

    LATE_MS = 100

    def __init__(
        self,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        mono_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.rtt_ms = 0.0
        self.step_count = 0
        self.is_measured = False
        self._wall_ns = wall_ns
        self.mono_ns = mono_ns
        # before the first measurement the local wall clock has to do
        self._target_ms = (wall_ns() - mono_ns()) / 1e6
        self._from_ms = self._target_ms
        self._from_mono_ns = mono_ns()

    def learn(self, samples: Sequence[ClockSample]) -> float:
        """Take one measurement; return the step it made in ms, 0 when none was needed.

        The first measurement steps from the local wall clock, by less than `STEP_MS` too, which
        is then no step to speak of.
        """
        measured_ms = measured_base_ms(samples)
        self.rtt_ms = min(sample.rtt_ms for sample in samples)
        now_ns = self.mono_ns()
        present_ms = self._base_ms(now_ns)
        change_ms = measured_ms - present_ms
        is_step = abs(change_ms) > STEP_MS
        self._target_ms = measured_ms
        self._from_ms = present_ms if self.is_measured and not is_step else measured_ms
        self._from_mono_ns = now_ns
        self.is_measured = True
        self.step_count += is_step
        return change_ms if is_step else 0.0

    @property
    def offset_ms(self) -> int:
        """The venue's clock less the local wall clock."""
        return round(self._now_ms() - self._wall_ns() / 1e6)

    def wall_ms(self) -> int:
        """Return the venue's time."""
        return int(self._now_ms())

    def stamp_ms(self) -> int:
        """Return the venue's time for a request, late by `LATE_MS`."""
        return self.wall_ms() - self.LATE_MS

    def _now_ms(self) -> float:
        now_ns = self.mono_ns()
        return self._base_ms(now_ns) + now_ns / 1e6

    def _base_ms(self, now_ns: int) -> float:
        left_ms = self._target_ms - self._from_ms
        slewed_ms = (now_ns - self._from_mono_ns) * SLEW_MS_PER_S / 1e9
        if slewed_ms >= abs(left_ms):
            return self._target_ms
        return self._from_ms + (slewed_ms if left_ms > 0 else -slewed_ms)
