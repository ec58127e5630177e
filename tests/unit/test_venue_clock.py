"""A venue's clock: the median of quick answers, slewed when little is off, stepped when much is."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbitrage.config import Credentials
from arbitrage.errors import ConnectorError
from arbitrage.secret import Secret
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.okx.rest import OkxRest
from arbitrage.venues.venue_clock import (
    RTT_FACTOR,
    RTT_SLACK_MS,
    SLEW_MS_PER_S,
    STEP_MS,
    ClockSample,
    VenueClock,
    measured_base_ms,
)

MS = 1_000_000
KEYS = Credentials(key=Secret("the-key"), secret=Secret("hidden"))


class World:
    """This machine's clocks and a venue's, all of them turned by hand."""

    def __init__(self, venue_ahead_ms: float = 0.0) -> None:
        self.mono = 5_000_000 * MS
        self.wall_offset = 1_790_000_000_000 * MS
        self.venue_offset = self.wall_offset + int(venue_ahead_ms * MS)
        self.clock = VenueClock(wall_ns=self.wall, mono_ns=lambda: self.mono)

    def wall(self) -> int:
        return self.mono + self.wall_offset

    def venue_ms(self) -> float:
        return (self.mono + self.venue_offset) / MS

    def ask(self, there_ms: float = 1.0, back_ms: float = 1.0) -> ClockSample:
        sent = self.mono
        self.mono += int(there_ms * MS)
        server = self.venue_ms()
        self.mono += int(back_ms * MS)
        return ClockSample(sent, self.mono, server)

    def measure(self, *ways: tuple[float, float]) -> float:
        return self.clock.learn([self.ask(*way) for way in ways or [(1.0, 1.0)] * 5])

    def error_ms(self) -> float:
        return self.clock.wall_ms() - self.venue_ms()


WAY = st.floats(0.05, 80.0)


@given(st.floats(-1e7, 1e7), st.lists(st.tuples(WAY, WAY), min_size=1, max_size=9))
def test_the_error_is_within_half_the_slowest_answer_that_counts(
    ahead_ms: float, ways: list[tuple[float, float]]
) -> None:
    world = World(ahead_ms)
    world.measure(*ways)
    limit_ms = min(map(sum, ways)) * RTT_FACTOR + RTT_SLACK_MS
    assert abs(world.error_ms()) <= limit_ms / 2 + 1.1  # wall_ms() cuts to the millisecond


@given(st.lists(st.tuples(st.floats(100, 5000), WAY), max_size=4), st.floats(-1e6, 1e6))
def test_slow_answers_do_not_count(slow: list[tuple[float, float]], ahead_ms: float) -> None:
    world = World(ahead_ms)
    samples = [world.ask(2.0, 2.0) for _ in range(3)] + [world.ask(*way) for way in slow]
    assert measured_base_ms(samples) == pytest.approx(world.venue_offset / MS, abs=0.01)


def test_one_answer_delayed_on_one_way_does_not_move_the_median() -> None:
    world = World(3000.0)
    world.measure((2.0, 2.0), (2.0, 3.5), (2.0, 2.0), (2.0, 2.0), (3.5, 2.0))
    assert abs(world.error_ms()) <= 1.0


@given(st.floats(-STEP_MS + 1, STEP_MS - 1))
def test_a_small_correction_is_slewed(change_ms: float) -> None:
    world = World()
    assert world.measure() == 0.0
    world.venue_offset += int(change_ms * MS)
    assert world.measure() == 0.0
    assert world.clock.step_count == 0
    before_ms, left_ms = world.clock.wall_ms(), abs(world.error_ms())
    assert left_ms == pytest.approx(abs(change_ms), abs=1.1)
    for _ in range(200):
        world.mono += 200 * MS
        now_ms = world.clock.wall_ms()
        moved_ms = now_ms - before_ms - 200
        assert abs(moved_ms) <= SLEW_MS_PER_S * 0.2 + 1.0
        assert now_ms > before_ms, "time never runs backwards while it is slewed"
        before_ms = now_ms
    assert abs(world.error_ms()) <= 1.0


def test_a_new_measurement_during_a_slew_goes_on_from_where_it_is() -> None:
    world = World()
    world.measure()
    world.venue_offset += 140 * MS
    world.measure()
    world.mono += 3_500 * MS
    half_ms = world.error_ms()
    assert half_ms == pytest.approx(-70, abs=2)
    world.measure()
    assert world.error_ms() == pytest.approx(half_ms, abs=2)


@pytest.mark.parametrize("change_ms", [-7000.0, -STEP_MS - 5, STEP_MS + 5, 7000.0])
def test_a_large_correction_is_a_step(change_ms: float) -> None:
    world = World()
    world.measure()
    world.venue_offset += int(change_ms * MS)
    assert world.measure() == pytest.approx(change_ms, abs=0.1)
    assert world.clock.step_count == 1
    assert abs(world.error_ms()) <= 1.0


@pytest.mark.parametrize("ahead_ms", [-90_000.0, -300.0, 300.0, 90_000.0])
def test_the_first_measurement_counts_at_once(ahead_ms: float) -> None:
    world = World(ahead_ms)
    assert bool(world.measure()) == (abs(ahead_ms) > STEP_MS)
    assert abs(world.error_ms()) <= 1.0
    assert world.clock.offset_ms == pytest.approx(ahead_ms, abs=1)


def test_a_step_of_this_machines_wall_clock_changes_nothing() -> None:
    world = World(1500.0)
    world.measure()
    world.wall_offset += 3_600_000 * MS
    assert abs(world.error_ms()) <= 1.0
    assert world.clock.offset_ms == pytest.approx(1500 - 3_600_000, abs=1)
    assert world.measure() == 0.0


def test_requests_are_stamped_a_little_late() -> None:
    world = World(1500.0)
    world.measure()
    assert 99 <= world.venue_ms() - world.clock.stamp_ms() <= 102


def test_a_step_is_told_once_with_its_size(caplog: pytest.LogCaptureFixture) -> None:
    world = World()

    async def main() -> None:
        rest = BybitRest("http://127.0.0.1:1", KEYS)
        rest.clock = world.clock

        async def server_time_ms() -> int:
            world.mono += 3 * MS
            return int(world.venue_ms())

        rest.server_time_ms = server_time_ms  # type: ignore[method-assign]
        await rest.sync_clock()
        assert not caplog.records
        for change_ms, words in ((4000, "stepped by +"), (100, ""), (-9000, "stepped by -")):
            caplog.clear()
            world.venue_offset += change_ms * MS
            await rest.sync_clock()
            assert len(caplog.records) == bool(words)
            assert words in caplog.text
            world.mono += 60_000 * MS

    caplog.set_level(logging.WARNING)
    asyncio.run(main())
    assert world.clock.step_count == 2


@pytest.mark.parametrize(
    ("refused", "asked", "is_measured"),
    [(set(), 5, True), ({2, 3, 4}, 3, True), ({0}, 5, True), (set(range(5)), 5, False)],
)
def test_a_venue_that_wants_fewer_questions_is_asked_fewer(
    refused: set[int], asked: int, is_measured: bool
) -> None:
    """OKX takes ten questions for its time in two seconds, of all programs together."""
    world = World(3000.0)
    count = 0

    async def main() -> None:
        rest = OkxRest("http://127.0.0.1:1", KEYS)
        rest.clock, rest.throttle_s = world.clock, 0.01

        async def server_time_ms() -> int:
            nonlocal count
            count += 1
            if count - 1 in refused:
                raise rest.refused("/api/v5/public/time", "50011", "Too Many Requests")
            world.mono += 3 * MS
            return int(world.venue_ms())

        rest.server_time_ms = server_time_ms  # type: ignore[method-assign]
        await rest.sync_clock()

    if is_measured:
        asyncio.run(main())
        assert abs(world.error_ms()) <= 4
    else:
        with pytest.raises(ConnectorError, match="Too Many Requests"):
            asyncio.run(main())
    assert count == asked
    assert world.clock.is_measured == is_measured
