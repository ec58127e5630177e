"""Backoff and rate limits with a clock of their own."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbitrage.venues.rate_limit import TokenBucket
from arbitrage.venues.reconnect import Backoff, ReconnectPolicy


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# ---- backoff ----------------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.integers(1, 80))
def test_delays_are_jittered_below_a_capped_bound(seed: int, attempts: int) -> None:
    policy = ReconnectPolicy(base_s=0.25, cap_s=8.0, attempts_max=10**6)
    backoff = Backoff(policy, random.Random(seed))
    for attempt in range(attempts):
        delay = backoff.next_delay_s(0.0)
        assert 0.0 <= delay <= min(8.0, 0.25 * 2**attempt)


def test_delays_spread_over_the_whole_range() -> None:
    backoff = Backoff(ReconnectPolicy(cap_s=8.0, attempts_max=10**6), random.Random(7))
    for _ in range(10):
        backoff.next_delay_s(0.0)
    delays = [backoff.next_delay_s(0.0) for _ in range(2000)]
    assert min(delays) < 0.1
    assert max(delays) > 7.9
    assert sum(delays) / len(delays) == pytest.approx(4.0, rel=0.1)


def test_only_a_stable_connection_clears_the_failures() -> None:
    backoff = Backoff(ReconnectPolicy(stable_s=10.0))
    for _ in range(5):
        backoff.next_delay_s(0.0)
    backoff.connected_for(9.9)
    assert backoff.failure_count == 5
    backoff.connected_for(10.0)
    assert backoff.failure_count == 0


@given(st.integers(0, 2**32))
def test_no_window_sees_more_attempts_than_its_budget(seed: int) -> None:
    policy = ReconnectPolicy(base_s=0.01, cap_s=0.05, attempts_max=20, window_s=10.0)
    backoff = Backoff(policy, random.Random(seed))
    now, starts = 0.0, [0.0]
    backoff.first_attempt(now)
    for _ in range(100):
        now += backoff.next_delay_s(now)
        starts.append(now)
    for index, start in enumerate(starts):
        within = [other for other in starts[index:] if other < start + 10.0 - 1e-9]
        assert len(within) <= 20


# ---- rate limit -------------------------------------------------------------------------------


def test_a_bucket_allows_its_burst_then_its_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(10.0, 5, clock=clock)
    assert [bucket.try_take() for _ in range(6)] == [True] * 5 + [False]
    assert bucket.wait_s() == pytest.approx(0.1)
    clock.now += 0.1
    assert bucket.try_take()
    assert not bucket.try_take()
    clock.now += 100
    assert bucket.available == 5


def test_the_reserve_is_for_urgent_requests() -> None:
    clock = Clock()
    bucket = TokenBucket(10.0, 5, reserve=2, clock=clock)
    assert [bucket.try_take() for _ in range(4)] == [True] * 3 + [False]
    assert [bucket.try_take(is_urgent=True) for _ in range(3)] == [True, True, False]


def test_a_drained_bucket_stays_empty_for_as_long_as_the_venue_said() -> None:
    clock = Clock()
    bucket = TokenBucket(10.0, 5, clock=clock)
    bucket.drain(600.0)
    assert not bucket.try_take()
    assert bucket.wait_s() == pytest.approx(600.0)
    clock.now += 599.0
    assert not bucket.try_take()
    clock.now += 1.01
    assert bucket.try_take()


@given(st.lists(st.floats(0, 2), min_size=1, max_size=200))
def test_no_interval_gives_more_than_burst_plus_rate(steps: list[float]) -> None:
    clock = Clock()
    bucket = TokenBucket(3.0, 4, clock=clock)
    start, taken = clock.now, 0
    for step in steps:
        clock.now += step
        while bucket.try_take():
            taken += 1
        assert taken <= 4 + 3.0 * (clock.now - start) + 1e-6


def test_take_waits_for_its_token() -> None:
    async def main() -> float:
        bucket = TokenBucket(50.0, 1)
        loop = asyncio.get_running_loop()
        started = loop.time()
        for _ in range(4):
            await bucket.take()
        return loop.time() - started

    assert 0.05 <= asyncio.run(main()) < 1.0


@pytest.mark.parametrize("shape", [(0, 1, 0), (1, 0.5, 0), (1, 1, 1), (1, 1, -1)])
def test_nonsense_buckets_are_refused(shape: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="rate was"):
        TokenBucket(shape[0], shape[1], reserve=shape[2])


def test_a_pause_holds_back_all_but_what_is_urgent() -> None:
    clock = Clock()
    bucket = TokenBucket(10.0, 5, reserve=1, clock=clock)
    bucket.pause(2.0)
    bucket.pause(1.0)
    assert not bucket.try_take()
    assert bucket.wait_s() == pytest.approx(2.0)
    assert bucket.wait_s(is_urgent=True) == 0.0
    assert bucket.try_take(is_urgent=True)
    clock.now += 2.0
    assert bucket.try_take()
