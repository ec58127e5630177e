"""What a venue allows in a window of time, and the buckets that keep us inside.

Orders and cancels are counted by the compiled sender, whichever way they leave: sockets and REST
share the venue's count. Questions over REST are counted here, by endpoint.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arbitrage.core.rate import RateBucket
from arbitrage.venues.loop_clock import loop_ns, loop_s

if TYPE_CHECKING:
    from arbitrage.core.gateway import OrderSender

__all__ = ["EndpointLimits", "Limit", "OrderLimits", "OrderRate"]

# A venue counts when requests arrive: the way there may push two windows' requests together.
WINDOW_GUARD = 1.1
LIMIT_MAX = 1024  # the largest that a venue's own word may raise a limit to
# After each further complaint of the venue the pause doubles, up to this.
PAUSE_MAX_S = 30.0


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests in any window of so long.

    Parameters
    ----------
    count : int
    window_s : float
    reserve_percent : int
        Share that is kept for cancels, orders that reduce, and questions after lost orders.
    """

    count: int
    window_s: float
    reserve_percent: int = 0

    def bucket(self) -> RateBucket:
        """Return a full bucket of this size."""
        window_ms = int(self.window_s * WINDOW_GUARD * 1000)
        return RateBucket(
            self.count, window_ms, self.reserve_percent, max(self.count, LIMIT_MAX)
        )


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """What a venue allows in orders and cancels, of all symbols and of each; None: no limit."""

    orders: Limit | None = None
    cancels: Limit | None = None
    symbol_orders: Limit | None = None
    symbol_cancels: Limit | None = None


class OrderRate:
    """The buckets of one account's orders; the sender takes from them. Used by one loop."""

    def __init__(self, sender: "OrderSender", limits: OrderLimits, rows: Iterable[int]) -> None:
        self.all: dict[bool, RateBucket] = {}
        self._buckets: list[RateBucket] = []
        self._pause_s = 0.0
        self._paused_until_s = 0.0
        for is_cancel, whole in ((False, limits.orders), (True, limits.cancels)):
            if whole is not None:
                self.all[is_cancel] = self._limit(sender, whole, is_cancel, -1)
        for row in rows:
            for is_cancel, one in (
                (False, limits.symbol_orders), (True, limits.symbol_cancels)
            ):
                if one is not None:
                    self._limit(sender, one, is_cancel, row)

    def _limit(
        self, sender: "OrderSender", limit: Limit, is_cancel: bool, row: int
    ) -> RateBucket:
        bucket = limit.bucket()
        sender.limit_rate(bucket, is_cancel, row)
        self._buckets.append(bucket)
        return bucket

    @property
    def refused_count(self) -> int:
        """Orders that were refused here instead of there."""
        return sum(bucket.refused_count for bucket in self._buckets)

    def told(self, is_cancel: bool, limit: int, left: int, reset_after_s: float = 0.0) -> None:
        """Heed what the venue said beside an answer: its limit, what is left of it, until when."""
        bucket = self.all.get(is_cancel)
        if bucket is not None:
            now_ns = loop_ns()
            reset_ns = now_ns + int(reset_after_s * 1e9) if reset_after_s > 0 else 0
            bucket.told(now_ns, limit, left, reset_ns)

    def pause(self, seconds: float) -> None:
        """Let only cancels and orders that reduce leave for so long; longer each time in a row."""
        now_s = loop_s()
        in_a_row = now_s < self._paused_until_s + self._pause_s
        self._pause_s = min(PAUSE_MAX_S, 2 * self._pause_s) if in_a_row else seconds
        self._paused_until_s = now_s + self._pause_s
        for bucket in self._buckets:
            bucket.pause(int(self._paused_until_s * 1e9))


class EndpointLimits:
    """Buckets of questions by endpoint, made when first needed. Used by one loop.

    Parameters
    ----------
    by_path : mapping
        What the venue documents; a path counts by itself.
    default : Limit
        Of every other path.
    """

    def __init__(self, by_path: Mapping[str, Limit], default: Limit) -> None:
        self._by_path = by_path
        self._default = default
        self._buckets: dict[str, RateBucket] = {}

    def of(self, path: str) -> RateBucket:
        """Return the bucket of a path."""
        bucket = self._buckets.get(path)
        if bucket is None:
            bucket = self._by_path.get(path, self._default).bucket()
            self._buckets[path] = bucket
        return bucket

    def wait_s(self, path: str, *, is_urgent: bool = False) -> float:
        """Return how long until a request to a path may leave; 0: now."""
        return self.of(path).wait_ns(loop_ns(), is_urgent) / 1e9

    def pause(self, path: str, seconds: float) -> None:
        """Hold back what is not urgent on one endpoint."""
        self.of(path).pause(loop_ns() + int(seconds * 1e9))

    async def take(self, path: str, *, is_urgent: bool = False) -> None:
        """Wait for a token of an endpoint and take it."""
        bucket = self.of(path)
        while not bucket.try_take(loop_ns(), is_urgent):  # noqa: ASYNC110
            # the bucket fills by time alone: there is no event to wait for
            await asyncio.sleep(max(0.001, bucket.wait_ns(loop_ns(), is_urgent) / 1e9))
