"""Market data of both venues under random faults, in virtual time, judged by a witness.

Whatever the lines and the venues do: nothing is ever published from a row that is not LIVE on both
legs, every update that is missing is noticed when the next one comes, and when the faults end all
rows come back and hold exactly what the venues hold.
"""

from __future__ import annotations

import logging
from random import Random
from typing import Any

import pytest
from market_world import World, segment_of
from virtual_loop import run_virtual

from arbitrage.core.records import RowState
from arbitrage.core.segment import Segment
from arbitrage.sim.fault_plan import FaultPlan
from arbitrage.sim.fault_reading import checked

SYMBOLS = ("BTCUSDT", "ETHUSDT")
SEEDS = 200
FAULTY_S = 5.0
# After a symbol's last resubscription without success the next may be this far away.
SETTLE_S = 30.0


def random_plan(rng: Random, faulty_s: float = FAULTY_S) -> FaultPlan:
    """Some of all that may befall market data within `faulty_s`."""
    rules: list[dict[str, Any]] = []

    def maybe(chance: float, **rule: Any) -> None:
        if rng.random() < chance:
            rules.append(rule | {"venue": rng.choice(["", "bybit", "okx"]), "role": "public"})

    def times(most: int) -> list[float]:
        return sorted(rng.uniform(0, faulty_s) for _ in range(rng.randint(1, most)))

    maybe(0.7, what="drop", probability=rng.uniform(0.002, 0.1))
    maybe(0.5, what="duplicate", probability=rng.uniform(0.002, 0.1), copies=rng.randint(1, 3),
          after_ms=rng.choice([0.0, rng.uniform(1, 200)]))
    maybe(0.5, what="reorder", probability=rng.uniform(0.002, 0.1), frames=rng.randint(1, 4))
    maybe(0.5, what="delay", probability=rng.uniform(0.002, 0.1), ms=rng.uniform(0, 100),
          jitter_ms=rng.uniform(1, 200), is_overtaken=rng.random() < 0.5)
    maybe(0.4, what="reset", every_s=rng.uniform(1, 6))
    maybe(0.4, what="close", every_s=rng.uniform(1, 6), code=rng.choice([1001, 1006, 4006]))
    maybe(0.3, what="silent", at_s=times(2), for_s=rng.uniform(0.1, 6),
          symbol=rng.choice(["", *SYMBOLS]))
    maybe(0.2, what="half_open", at_s=times(1), for_s=rng.uniform(0.1, 4))
    for what, chance in (("skip", 0.3), ("restart", 0.3)):
        if rng.random() < chance:
            rules.append({"what": what, "at_s": times(3), "symbol": rng.choice(["", *SYMBOLS])})
    if rng.random() < 0.2:
        rules.append({"what": "refuse", "role": "public", "at_s": times(1),
                      "for_s": rng.uniform(0.1, 2)})
    return checked({"seed": rng.getrandbits(32), "rule": rules})


async def run_faults(segment: Segment, seed: int, **options: Any) -> World:
    world = World(segment, seed, **options)
    try:
        await world.live(3.0)
        world.arm(random_plan(Random(seed)))
        await world.pass_time(FAULTY_S)
        await world.settle(SETTLE_S)
        world.faulty += world.differences()
        return world
    finally:
        await world.close()


def check_seed(seed: int, **options: Any) -> World:
    with segment_of(SYMBOLS) as segment:
        world = run_virtual(run_faults(segment, seed, **options), 300.0)
        assert world.faulty == [], f"seed {seed}: {world.faulty[:3]}"
        return world


@pytest.mark.parametrize("block", range(8))
def test_random_faults_of_market_data(block: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    struck: dict[str, int] = {}
    published = 0
    for seed in range(block, SEEDS, 8):
        world = check_seed(seed)
        published += world.published
        for what, count in world.struck().items():
            struck[what] = struck.get(what, 0) + count
    assert published > 1000
    for what in ("drop", "duplicate", "reorder", "delay", "reset", "close", "silent"):
        assert struck.get(what, 0) > 0, what


@pytest.mark.parametrize(
    "options", [{"depth": "off"}, {"depth": "five"}, {"connections": 2}], ids=str
)
def test_the_same_of_other_subscriptions(
    options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    for seed in range(10):
        check_seed(seed, **options)


CHANNELS = {"bybit": ("orderbook.1", "orderbook.50"), "okx": ("bbo-tbt", "books")}


@pytest.mark.parametrize(
    ("venue", "what"), [("bybit", "drop"), ("okx", "drop"), ("bybit", "skip"), ("okx", "skip")]
)
def test_one_lost_update_is_noticed_by_the_next(venue: str, what: str) -> None:
    """Only the book's channel tells: a lost quote is followed by a whole one."""

    async def main(segment: Segment) -> None:
        world = World(segment, 1)
        row = segment.store.row(venue, 0)
        layer = world.venues[venue].layer
        try:
            await world.live(3.0)
            quotes, books = CHANNELS[venue]
            layer.arm(checked({"rule": [{"what": "drop", "channel": quotes, "count": 5}]}))
            await world.pass_time(0.5)
            assert layer.counts["drop"] == 5
            assert world.state(row) == RowState.LIVE
            where = {"channel": books} if what == "drop" else {}
            layer.arm(checked({"rule": [
                {"what": what, "symbol": "BTCUSDT", "count": 1, **where}]}))
            gaps, struck = world.witness.gaps, layer.counts[what]
            while layer.counts[what] == struck:
                await world.pass_time(0.005)
            for _ in range(60):  # the row is subscribed again within a quarter of a second
                await world.pass_time(0.005)
                if world.state(row) == RowState.GAP:
                    break
            assert world.state(row) == RowState.GAP
            assert world.witness.gaps == gaps + 1
            assert world.lane.book(row) is None
            assert await world.live(2.0) > 0
            assert world.faulty == []
        finally:
            await world.close()

    with segment_of(SYMBOLS) as segment:
        run_virtual(main(segment))


@pytest.mark.parametrize("connections", [1, 2])
def test_a_row_asked_for_while_its_line_is_ending_costs_nothing(connections: int) -> None:
    """Between a line's end and the loop's dealing with it, asking again must not raise."""

    async def main(segment: Segment) -> None:
        world = World(segment, 1, connections=connections)
        try:
            await world.live(3.0)
            feed = world.feeds["okx"]
            for line in feed.feeds:
                line._transport.disconnect(graceful=False)
                assert line.is_ready
                assert not line.can_send
            feed.resubscribe(list(feed.symbols))
            await world.pass_time(0.001)
            assert not world.is_live()
            await world.live(3.0)
            assert world.faulty == []
        finally:
            await world.close()

    with segment_of(SYMBOLS) as segment:
        run_virtual(main(segment))


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_ten_thousand_seeds(block: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    for seed in range(SEEDS + 500 * block, SEEDS + 500 * (block + 1)):
        check_seed(seed)
