"""Both venues refuse for a minute, then accept: in virtual time, over many seeds."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise

import pytest
from market_world import World, segment_of
from virtual_loop import run_virtual

from arbitrage.core.segment import Segment
from arbitrage.sim.fault_reading import checked

OUTAGE_S = 60.0
LIVE_WITHIN_S = 3.0
CAPS = {"bybit": (500, 300.0), "okx": (3, 1.0)}
STORM = checked({"seed": 1, "rule": [
    {"what": "reset"}, {"what": "refuse", "until_s": OUTAGE_S, "status": 503}]})


def most_within(times_s: list[float], window_s: float) -> int:
    """The most events that any window of so long holds."""
    most = first = 0
    for last, at in enumerate(times_s):
        while times_s[first] <= at - window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


async def storm(segment: Segment, seed: int, connections: int) -> tuple[World, float]:
    world = World(segment, seed, depth="full", connections=connections)
    try:
        await world.live(5.0)
        world.arm(STORM)
        await world.pass_time(OUTAGE_S)
        assert not world.is_live()
        took_s = await world.live(10.0)
        return world, took_s
    finally:
        await world.close()


@pytest.mark.parametrize("connections", [1, 3])
def test_a_minute_of_refusals(connections: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    slowest_s, gaps = 0.0, []
    for seed in range(4):
        with segment_of(("BTCUSDT", "ETHUSDT")) as segment:
            world, took_s = run_virtual(storm(segment, seed, connections))
        slowest_s = max(slowest_s, took_s)
        assert world.faulty == []
        for venue, (count, window_s) in CAPS.items():
            attempts = world.venues[venue].attempts_s
            assert most_within(attempts, window_s) <= count, (venue, seed)
            assert len(attempts) >= 20, "an outage is probed"
            gaps += [b - a for a, b in pairwise(attempts)]
    assert slowest_s <= LIVE_WITHIN_S
    mean_s = sum(gaps) / len(gaps)
    spread = (sum((gap - mean_s) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert spread > 0.3 * mean_s, "attempts are spread by chance"


def test_the_attempts_of_a_long_outage_stay_within_the_budget(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)

    async def outage(segment: Segment) -> World:
        world = World(segment, 1, depth="off", connections=3)
        try:
            await world.live(5.0)
            world.arm(checked({"rule": [{"what": "reset"}, {"what": "refuse", "until_s": 1200.0}]}))
            await asyncio.sleep(1200.0)
            await world.live(45.0)
            return world
        finally:
            await world.close()

    with segment_of(("BTCUSDT",)) as segment:
        world = run_virtual(outage(segment))
    for venue in CAPS:
        assert most_within(world.venues[venue].attempts_s, 300.0) < 250
