"""The clock follows CLOCK_MONOTONIC, never runs backwards, and bends instead of jumping."""

import time

import pytest

from arbitrage.core.clock import Clock, mono_ns, wall_ns


def test_reads_lie_between_two_system_reads() -> None:
    clock = Clock()
    for _ in range(200):
        before = mono_ns()
        shown = clock.now()
        after = mono_ns()
        # 50 us of room: the slope was measured over 10 ms, and nothing was bent yet
        assert before - 50_000 <= shown <= after + 50_000


def test_never_runs_backwards_across_anchors() -> None:
    clock = Clock()
    last = clock.now()
    for turn in range(3000):
        if turn % 100 == 0:
            clock.anchor(1_000_000)
        shown = clock.now()
        assert shown >= last
        last = shown


def test_anchor_removes_what_the_clock_was_off() -> None:
    clock = Clock()
    clock.anchor(20_000_000)
    time.sleep(0.03)
    off = abs(clock.anchor(20_000_000))
    assert off < 1_000_000
    time.sleep(0.03)
    assert abs(clock.anchor(20_000_000)) < 1_000_000


def test_wall_clock_is_utc() -> None:
    assert abs(wall_ns() - time.time_ns()) < 1_000_000_000


@pytest.mark.parametrize("calibrate_ms", [0, -1, 1001])
def test_bad_calibration_is_refused(calibrate_ms: int) -> None:
    with pytest.raises(ValueError, match=f"calibrate_ms was {calibrate_ms}; accepted values are 1"):
        Clock(calibrate_ms)
