"""When to try again: full-jitter backoff with a cap, and a budget of attempts per window.

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
        Upper bound of the first delay, and of any delay.
    stable_s : float
        A connection that lived this long resets the backoff; one that did not was no success.
    attempts_max : int
        Connection attempts allowed per `window_s` (Bybit allows 500 per 5 minutes and host).
    window_s : float
    """

    base_s: float = 0.25
    cap_s: float = 20.0
    stable_s: float = 10.0
    attempts_max: int = 60
    window_s: float = 300.0


class Backoff:
    """The state of one connection's retries. Used by one loop; never blocks."""

    def __init__(self, policy: ReconnectPolicy, rng: random.Random | None = None) -> None:
        self.policy = policy
        self.failure_count = 0
        self._rng = rng or random.Random()
        self._attempts: deque[float] = deque()

    def connected_for(self, seconds: float) -> None:
        """Say how long a connection lived; only a stable one clears the failures."""
        if seconds >= self.policy.stable_s:
            self.failure_count = 0

    def next_delay_s(self, now_s: float) -> float:
        """Return how long to wait before the next attempt, and count that attempt."""
        policy = self.policy
        # 2**30 bounds the exponent: beyond it the cap has long decided
        bound = min(policy.cap_s, policy.base_s * 2.0 ** min(self.failure_count, 30))
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
