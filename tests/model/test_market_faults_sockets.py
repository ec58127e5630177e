"""The random faults of `test_market_faults` over real sockets: servers, TCP, picows, HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from random import Random
from typing import Any

import pytest
from market_world import VENUES, World, segment_of
from socket_venue import SocketVenue
from test_market_faults import SYMBOLS, random_plan

FAULTY_S = 3.0
SETTLE_S = 40.0  # a row that was asked for in vain is asked for again after 1, 2, 4, 8 s
AT_ONCE = 10
LATE_NS = 2_000_000_000  # of a loop that many worlds share


async def one_world(seed: int) -> World:
    """One run on sockets of its own."""
    async with contextlib.AsyncExitStack() as opened:
        segment = opened.enter_context(segment_of(SYMBOLS))
        venues: dict[str, Any] = {}
        for venue in VENUES:
            venues[venue] = SocketVenue(venue, symbols=SYMBOLS, seed=seed, rate=60, depth_levels=60)
            await venues[venue].open()
            opened.push_async_callback(venues[venue].close)
        world = World(segment, seed, venues=venues)
        world.witness.late_ns = LATE_NS
        try:
            await world.live(30.0)
            world.arm(random_plan(Random(seed), FAULTY_S))
            await world.pass_time(FAULTY_S)
            await world.settle(SETTLE_S)
            world.faulty += world.differences()
        finally:
            await world.close()
        return world


async def many(seeds: range) -> dict[str, int]:
    """Run seeds, some at once; fail with the first that is wrong; return what struck."""
    places, struck = asyncio.Semaphore(AT_ONCE), dict[str, int]()

    async def check(seed: int) -> None:
        async with places:
            world = await one_world(seed)
        assert world.faulty == [], f"seed {seed}: {world.faulty[:3]}"
        assert world.published > 0, f"seed {seed}"
        for what, count in world.struck().items():
            struck[what] = struck.get(what, 0) + count

    async with asyncio.TaskGroup() as group:
        for seed in seeds:
            group.create_task(check(seed))
    return struck


def test_random_faults_over_sockets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    struck = asyncio.run(many(range(10)))
    for what in ("drop", "duplicate", "reorder", "delay", "close", "restart"):
        assert struck.get(what, 0) > 0, what


@pytest.mark.long
def test_many_random_faults_over_sockets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    asyncio.run(many(range(10, 220)))
