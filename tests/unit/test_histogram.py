"""Histogram: at most 1 % off against the sorted values, exact extremes, merges, readers' limits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbitrage.core.histogram import Histogram, LatencyTracker

FRACTIONS = (0.0, 0.5, 0.9, 0.99, 0.999, 1.0)


def exact(values: list[int], fraction: float) -> int:
    """Return the smallest value that at least this fraction of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(fraction * len(values)) - 1)]


@given(st.lists(st.integers(0, 1 << 41), min_size=1, max_size=400))
def test_percentiles_are_within_one_percent(values: list[int]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    for fraction, shown in zip(FRACTIONS, histogram.percentiles(*FRACTIONS), strict=True):
        true = exact(values, fraction)
        assert abs(shown - true) <= 0.01 * true
    assert (histogram.count, histogram.sum) == (len(values), sum(values))
    assert (histogram.min, histogram.max) == (min(values), max(values))


@given(st.lists(st.integers(0, 255), min_size=1, max_size=50))
def test_small_values_are_exact(values: list[int]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    assert histogram.percentiles(0.5, 1.0) == [exact(values, 0.5), max(values)]


@given(
    st.lists(st.integers(0, 1 << 30), max_size=50), st.lists(st.integers(0, 1 << 30), max_size=50)
)
def test_merging_equals_recording_both(left: list[int], right: list[int]) -> None:
    one, two, both = Histogram(), Histogram(), Histogram()
    for value in left:
        one.record(value)
        both.record(value)
    for value in right:
        two.record(value)
        both.record(value)
    one.merge_from(two)
    assert one.buckets() == both.buckets()
    assert (one.count, one.sum, one.min, one.max) == (both.count, both.sum, both.min, both.max)


def test_values_past_the_range_keep_an_exact_maximum() -> None:
    histogram = Histogram()
    histogram.record(1 << 60)
    histogram.record(-5)
    assert (histogram.max, histogram.min) == (1 << 60, 0)
    assert sum(count for _, count in histogram.buckets()) == 2


def test_empty_histogram_says_so() -> None:
    histogram = Histogram()
    assert histogram.summary() == {"p50": None, "p99": None, "p999": None, "max": None}
    assert histogram.percentiles(0.5) == [0]


@pytest.mark.parametrize("fractions", [(0.9, 0.5), (1.5,), (-0.1,)])
def test_bad_fractions_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must ascend between 0 and 1"):
        Histogram().percentiles(*fractions)


def test_tracker_merges_the_threads_of_a_stage() -> None:
    parts = [Histogram(), Histogram()]
    parts[0].record(10)
    parts[1].record(30)
    tracker = LatencyTracker({"parsed": parts, "sent": [Histogram()]})
    assert tracker.stages == ["parsed", "sent"]
    assert tracker.histogram("parsed").count == 2
    assert tracker.summary()["parsed"]["max"] == 30
    assert tracker.summary()["sent"]["p50"] is None
