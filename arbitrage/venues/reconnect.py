"""When to try again: full-jitter backoff with caps, and a budget of attempts per window.

Short pauses while the outage is young, so that a venue's restart costs seconds; longer ones after
that, and for those that wait while another connection probes the host (see `host_gate`).

Full jitter (uniform between zero and the exponential bound) spreads the reconnects of many clients
after a venue's restart; see "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

import random
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """How a connection comes back.

    Parameters
    ----------
    base_s, cap_s : float
        Upper bound of the first delay, and of any delay in the first `brisk_s` of an outage.
    brisk_s, slow_cap_s : float
        How long an outage counts as young, and the upper bound of delays after that.
    patient_cap_s : float
        Upper bound of delays while another connection probes the host.
    stable_s : float
        A connection that lived this long resets the backoff; one that did not was no success.
    attempts_max : int
        Connection attempts allowed per `window_s` (Bybit allows 500 per 5 minutes and host).
    window_s : float
    """

    base_s: float = 0.25
    cap_s: float = 1.2
    brisk_s: float = 75.0
    slow_cap_s: float = 10.0
    patient_cap_s: float = 30.0
    stable_s: float = 10.0
    attempts_max: int = 150
    window_s: float = 300.0


class Backoff:
    """The state of one connection's retries. Used by one loop; never blocks."""

    def __init__(self, policy: ReconnectPolicy, rng: random.Random | None = None) -> None:
        self.policy = policy
        self.failure_count = 0
        self._failing_since_s = 0.0
        self._rng = rng or random.Random()
        self._attempts: deque[float] = deque()

    def connected_for(self, seconds: float) -> None:
        """Say how long a connection lived; only a stable one clears the failures."""
        if seconds >= self.policy.stable_s:
            self.failure_count = 0

    def next_delay_s(self, now_s: float, *, is_patient: bool = False) -> float:
        """Return how long to wait before the next attempt, and count that attempt.

        `is_patient`: another connection tries the host meanwhile.
        """
        policy = self.policy
        if self.failure_count == 0:
            self._failing_since_s = now_s
        is_young = now_s - self._failing_since_s < policy.brisk_s
        cap_s = policy.cap_s if is_young else max(policy.cap_s, policy.slow_cap_s)
        # 2**30 bounds the exponent: beyond it the cap has long decided
        bound = min(cap_s, policy.base_s * 2.0 ** min(self.failure_count, 30))
        if is_patient:
            bound = max(cap_s, policy.patient_cap_s)
        delay = self._rng.uniform(0.0, bound)
        self.failure_count += 1
        start = now_s + delay
        while self._attempts and self._attempts[0] <= start - policy.window_s:
            self._attempts.popleft()
        if len(self._attempts) >= policy.attempts_max:
            start = self._attempts[-policy.attempts_max] + policy.window_s
        self._attempts.append(start)
        return max(0.0, start - now_s)

    def first_attempt(self, now_s: float) -> None:
        """Count an attempt that needs no delay."""
        self._attempts.append(now_s)
