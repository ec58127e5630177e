"""A token bucket: staying inside a venue's request limits instead of learning them by ban."""

import asyncio
import math
from collections.abc import Callable

from arbitrage.venues.loop_clock import loop_s


class TokenBucket:
    """Allow `rate_per_s` requests on average and `burst` at once.

    Threads: one loop. `try_take` never waits; `take` sleeps until there is a token.

    Parameters
    ----------
    rate_per_s : float
        Tokens gained per second, above zero.
    burst : float
        Tokens held at most; the bucket starts full.
    reserve : float
        Tokens that only urgent requests may use, so that flattening never queues behind the rest.
    """

    def __init__(
        self,
        rate_per_s: float,
        burst: float,
        *,
        reserve: float = 0.0,
        clock: Callable[[], float] = loop_s,
    ) -> None:
        if rate_per_s <= 0 or burst < 1 or not 0 <= reserve < burst:
            raise ValueError(
                f"rate was {rate_per_s}, burst {burst}, reserve {reserve}; "
                "rate must be above 0, burst at least 1, reserve below burst"
            )
        self.rate_per_s = rate_per_s
        self.burst = burst
        self.reserve = reserve
        self._clock = clock
        self._tokens = float(burst)
        # before any time: a bucket may be made before the loop whose time it will read
        self._filled_s = -math.inf
        self._paused_until_s = -math.inf

    def _fill(self) -> None:
        now = self._clock()
        gained = (now - self._filled_s) * self.rate_per_s
        self._tokens = min(self.burst, self._tokens + max(0.0, gained))
        self._filled_s = now

    @property
    def available(self) -> float:
        """Tokens in the bucket now, the reserve included."""
        self._fill()
        return self._tokens

    def used_at(self, now_s: float) -> float:
        """Return how many tokens are out, without touching the bucket: any thread may look."""
        gained = max(0.0, (now_s - self._filled_s) * self.rate_per_s)
        return max(0.0, self.burst - min(self.burst, self._tokens + gained))

    def try_take(self, count: float = 1.0, *, is_urgent: bool = False) -> bool:
        """Take tokens if there are enough; urgent requests may use the reserve."""
        self._fill()
        if not is_urgent and self._clock() < self._paused_until_s:
            return False
        floor = 0.0 if is_urgent else self.reserve
        if self._tokens - count < floor - 1e-9:
            return False
        self._tokens -= count
        return True

    def wait_s(self, count: float = 1.0, *, is_urgent: bool = False) -> float:
        """Return how long until `try_take` would succeed; 0 when it would now."""
        self._fill()
        missing = count + (0.0 if is_urgent else self.reserve) - self._tokens
        pause_s = 0.0 if is_urgent else self._paused_until_s - self._clock()
        return max(0.0, pause_s, missing / self.rate_per_s)

    def pause(self, seconds: float) -> None:
        """Let only urgent requests pass for so long: the venue counted too many."""
        self._paused_until_s = max(self._paused_until_s, self._clock() + seconds)

    def drain(self, seconds: float) -> None:
        """Give no token for so long: the venue said to stop."""
        self._fill()
        self._tokens = min(self._tokens, 1.0 + self.reserve) - seconds * self.rate_per_s

    async def take(self, count: float = 1.0, *, is_urgent: bool = False) -> None:
        """Wait for tokens and take them."""
        while not self.try_take(count, is_urgent=is_urgent):  # noqa: ASYNC110
            # the bucket fills by time alone: there is no event to wait for
            await asyncio.sleep(
                max(0.001, self.wait_s(count, is_urgent=is_urgent))
            )
