"""Funding that our ledger has counted equals the venue's own account of it, whatever happened."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from funding_world import SYMBOLS, TURN_S, FundingWorld, wall_ns
from virtual_loop import run_virtual

from arbitrage.sim.matching import BUY, Order
from arbitrage.venues.private_stream import FUNDING_LATE_S

TOLERANCE = Decimal("1e-12")
HOURS = 20


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Thousands of repeats and refusals are what this is about; OKX's idle rule is not."""
    monkeypatch.setattr("arbitrage.sim.okx.IDLE_NS", 1 << 62)
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


async def live(world: FundingWorld, hours: float) -> None:
    """Let random things happen for so long, then let the feed catch up."""
    running = asyncio.ensure_future(world.feed.run())
    hours_pass = asyncio.ensure_future(world.settle_on_time())
    await asyncio.sleep(1.0)
    world.loses = world.rng.choice((0.0, 0.0, 0.3, 1.0))
    world.trade()
    for _ in range(int(hours * 3600 / TURN_S)):
        await asyncio.sleep(TURN_S * world.rng.uniform(0.5, 1.5))
        world.turn()
        if world.rng.random() < 0.5:
            world.act()
    world.rest_failures = world.loses = 0.0
    world.admit()
    await world.feed.wait_ready(7200.0)
    await asyncio.sleep(3600.0 + FUNDING_LATE_S + 60.0)
    assert world.feed.is_ready
    hours_pass.cancel()
    world.feed.stop()
    await running


def compare(world: FundingWorld) -> int:
    """Assert that both accounts agree; return the settlements that were counted."""
    matcher = world.exchange.matcher
    marks = {}
    for name, held in zip(SYMBOLS, matcher.positions, strict=True):
        ours = world.ledger.position(world.venue, name)
        assert abs(ours.funding - held.funding) <= TOLERANCE
        assert ours.qty_base == held.instrument.qty(held.lots) * held.instrument.contract_value
        marks[world.venue, name] = matcher.mark(held.instrument.index)
    gained = sum(world.ledger.totals(marks).values(), Decimal(0))
    assert abs(gained - (matcher.equity() - matcher.start)) <= TOLERANCE
    return len(world.ledger._payments)


def check(venue: str, seed: int, hours: float = HOURS) -> int:
    async def main() -> int:
        world = FundingWorld(venue, Random(f"{venue}/{seed}"))
        await live(world, hours)
        return compare(world)

    return run_virtual(main(), 1e9)


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_the_ledger_counts_what_the_venue_settled(venue: str) -> None:
    counted = [check(venue, seed) for seed in range(50)]
    assert sum(counted) > 5 * len(counted), "most schedules have many settlements"


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("venue", ["bybit", "okx"])
@pytest.mark.parametrize("block", range(20))
def test_the_ledger_counts_what_the_venue_settled_for_thousands(venue: str, block: int) -> None:
    for seed in range(1000 + 100 * block, 1000 + 100 * (block + 1)):
        check(venue, seed, 60)


@pytest.mark.parametrize("venue", ["bybit", "okx"])
@pytest.mark.parametrize("hours", [1, 2, 4, 8])
@pytest.mark.parametrize("sign", [1, -1])
def test_every_interval_settles_at_its_own_times(venue: str, hours: int, sign: int) -> None:
    """A long position pays a positive rate once each interval, as often as a day has them."""

    async def main() -> tuple[int, Decimal]:
        world = FundingWorld(venue, Random(1))
        world.rng.random = lambda: 0.99  # type: ignore[method-assign]
        running = asyncio.ensure_future(world.feed.run())
        await asyncio.sleep(1.0)
        item = world.exchange.instruments[0]
        world.exchange.change_instrument(replace(item, funding_hours=hours))
        buy(world, item)
        for _ in range(24 * 12):
            world.exchange.funding_rates[0] = Decimal("0.0001") * sign
            await asyncio.sleep(300.0)
            world.turn()
        await asyncio.sleep(10.0)
        world.feed.stop()
        await running
        compare(world)
        return len(world.ledger._payments), world.ledger.position(venue, "BTCUSDT").funding

    count, funding = run_virtual(main(), 1e9)
    assert count == 24 // hours
    assert (funding < 0) == (sign > 0), "paid is negative"


def buy(world: FundingWorld, item: Any) -> None:
    ticks = world.exchange.matcher.books[item.index].ask_ticks
    order = Order(item, BUY, "limit", "IOC", ticks, 100, "", False)
    world.exchange.matcher.submit(order, "77", wall_ns())
    world.exchange.flush_account()
    world.flush()


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_a_settlement_that_is_not_read_would_be_noticed(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison can fail: without the catch-up over REST it does."""

    async def nothing(*_: Any) -> list[Any]:
        return []

    for kind in ("bybit.rest.BybitRest", "okx.rest.OkxRest"):
        monkeypatch.setattr(f"arbitrage.venues.{kind}.funding_paid", nothing)

    def check_some() -> None:
        for seed in range(10):
            check(venue, seed)

    with pytest.raises(AssertionError):
        check_some()
