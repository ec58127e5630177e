"""Request limits: never more than a venue allows in any window, a reserve kept, its word heeded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.core.rate import RateBucket

MS = 1_000_000
START = 10**15


def take(bucket: RateBucket, *at_ms: int, is_urgent: bool = False) -> list[bool]:
    return [bucket.try_take(START + ms * MS, is_urgent) for ms in at_ms]


def test_tokens_come_back_one_window_after_they_were_taken() -> None:
    bucket = RateBucket(3, 1000)
    assert take(bucket, 0, 100, 200, 300) == [True, True, True, False]
    assert take(bucket, 999, 1000, 1001, 1099, 1100) == [False, True, False, False, True]
    assert bucket.refused_count == 4


def test_the_reserve_is_for_urgent_requests() -> None:
    bucket = RateBucket(10, 1000, reserve_percent=30)
    assert bucket.reserve == 3
    assert take(bucket, *range(9)) == [True] * 7 + [False] * 2
    assert take(bucket, 10, 11, 12, 13, is_urgent=True) == [True] * 3 + [False]


def test_a_pause_holds_back_what_is_not_urgent() -> None:
    bucket = RateBucket(10, 1000)
    bucket.pause(START + 500 * MS)
    bucket.pause(START + 100 * MS)
    assert take(bucket, 0, 499, 500) == [False, False, True]
    assert take(bucket, 501, is_urgent=True) == [True]
    assert bucket.wait_ns(START, is_urgent=True) == 0
    assert bucket.wait_ns(START) == 500 * MS


def test_the_venues_count_only_ever_takes_away() -> None:
    bucket = RateBucket(10, 1000, limit_max=50)
    take(bucket, 0, 0, 0)
    bucket.told(START, 10, 9)
    assert bucket.left(START) == 7, "two of ours are still on their way"
    bucket.told(START, 10, 2)
    assert bucket.left(START) == 2, "somebody else spends from this account"
    assert bucket.left(START + 1000 * MS) == 10
    bucket.told(START + 1000 * MS, 20, 20)
    assert (bucket.limit, bucket.left(START + 1000 * MS)) == (20, 20), "another fee tier"
    bucket.told(START + 1000 * MS, 4000, 4000)
    assert bucket.limit == 64, "no larger than was made room for"
    for nonsense in ((0, 0), (5, 6), (5, -1), (-3, -4)):
        bucket.told(START + 1000 * MS, *nonsense)
    assert bucket.limit == 64


def test_nothing_left_lasts_until_the_venues_reset() -> None:
    bucket = RateBucket(4, 1000)
    take(bucket, 0)
    bucket.told(START + 10 * MS, 4, 0, START + 300 * MS)
    assert bucket.left(START + 299 * MS) == 0
    assert bucket.wait_ns(START + 10 * MS, is_urgent=True) >= 290 * MS
    assert bucket.left(START + 1000 * MS) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0, "window_ms": 1},
        {"limit": 4097, "window_ms": 1},
        {"limit": 1, "window_ms": 0},
        {"limit": 1, "window_ms": 1, "reserve_percent": 91},
        {"limit": 1, "window_ms": 1, "limit_max": 5000},
    ],
)
def test_a_bucket_refuses_what_it_cannot_hold(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"was \d+"):
        RateBucket(**wrong)


@settings(max_examples=150, deadline=None)
@given(
    limit=st.integers(1, 12),
    reserve=st.integers(0, 90),
    steps=st.lists(
        st.tuples(
            st.integers(0, 400),
            st.sampled_from(["take", "urgent", "pause", "told"]),
            st.integers(0, 14),
        ),
        max_size=80,
    ),
)
def test_against_a_plain_list_of_times(
    limit: int, reserve: int, steps: list[tuple[int, str, int]]
) -> None:
    bucket = RateBucket(limit, 1000, reserve_percent=reserve, limit_max=12)
    kept = bucket.reserve
    assert kept <= limit * reserve // 100
    now, paused_until, times, allowed = START, 0, [], []
    for wait_ms, kind, number in steps:
        now += wait_ms * MS
        out = [at for at in times if now - at < 1000 * MS]
        assert bucket.left(now) == max(0, limit - len(out))
        if kind == "pause":
            paused_until = max(paused_until, now + number * 50 * MS)
            bucket.pause(now + number * 50 * MS)
        elif kind == "told":
            left = min(number, limit)
            bucket.told(now, limit, left)
            times = out + [now] * max(0, limit - len(out) - left)
        else:
            is_urgent = kind == "urgent"
            may = limit - len(out) > (0 if is_urgent else kept)
            may = may and (is_urgent or now >= paused_until)
            wait_ns = bucket.wait_ns(now, is_urgent)
            assert (wait_ns <= 0) == may
            assert bucket.try_take(now, is_urgent) == may
            if may:
                times.append(now)
                allowed.append(now)
            elif wait_ns < 10**12:
                probe_ns = now + wait_ns
                assert limit - len([at for at in times if probe_ns - at < 1000 * MS]) > (
                    0 if is_urgent else kept
                )
    for at in allowed:
        assert len([other for other in allowed if at <= other < at + 1000 * MS]) <= limit


def test_a_look_at_what_is_used_changes_nothing() -> None:
    bucket = RateBucket(4, 100)
    for at_ms in (0, 10, 20):
        assert bucket.try_take(at_ms * 1_000_000)
    for at_ms, used in ((20, 3), (99, 3), (100, 2), (110, 1), (120, 0), (20, 3)):
        assert bucket.used(at_ms * 1_000_000) == used, at_ms
    assert bucket.left(20 * 1_000_000) == 1
