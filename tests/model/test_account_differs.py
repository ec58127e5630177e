"""An account that somebody else changes: read anew, told once, in the words of one line."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from lost_orders import ClockLoop, Desk

from arbitrage.sim import fault_plan as faults

VENUES = ["bybit", "okx"]


def drive(venue: str, work: Callable[[Desk], Awaitable[None]]) -> None:
    async def main() -> None:
        desk = Desk(venue, 3)
        await desk.open()
        try:
            async with asyncio.timeout(120):
                await work(desk)
        finally:
            await desk.close()

    with asyncio.Runner(loop_factory=ClockLoop) as runner:
        runner.run(main())


@pytest.mark.parametrize("venue", VENUES)
def test_a_position_that_no_execution_explains_is_told_once(venue: str) -> None:
    async def work(desk: Desk) -> None:
        desk.send(0, 20, Decimal("0.003"), reduces=False)
        await asyncio.sleep(5.0)
        assert desk.differences == []
        exchange = desk.venue.exchange
        position = exchange.matcher.positions[0]
        position.lots += 7
        position.seq += 1
        position.updated_ns += 10**9
        exchange.touch(0)
        exchange.flush_account()
        await asyncio.sleep(30.0)
        (error,) = desk.differences
        found = re.search(r"hold ([0-9.]+) coins, the executions say ([0-9.]+);", str(error))
        assert error.is_terminal
        assert found is not None
        coins = desk.instrument.base_qty(1)
        assert [Decimal(text) for text in found.groups()] == [27 * coins, 20 * coins]
        assert desk.private.catch_up_count >= 1

    drive(venue, work)


@pytest.mark.parametrize("venue", VENUES)
def test_a_lost_execution_is_read_before_anything_is_told(venue: str) -> None:
    async def work(desk: Desk) -> None:
        exchange = desk.venue.exchange
        pushed = exchange.push if venue == "bybit" else exchange._push_order
        lost: list[object] = []

        def forget(*args: object) -> None:
            if venue == "okx" or args[0] in {"order", "execution"}:
                lost.append(args)
            else:
                pushed(*args)

        setattr(exchange, "push" if venue == "bybit" else "_push_order", forget)
        desk.send(0, 20, Decimal("0.003"), reduces=False)
        await asyncio.sleep(8.0)
        assert lost
        assert desk.differences == []
        assert [fill.qty_base for fill in desk.fills] == [desk.instrument.base_qty(20)]
        assert not desk.private.account.differs(desk.instrument.venue_symbol)

    drive(venue, work)


@pytest.mark.parametrize("venue", VENUES)
def test_an_account_that_cannot_be_read_is_read_later(venue: str) -> None:
    async def work(desk: Desk) -> None:
        exchange = desk.venue.exchange
        path = "/v5/position/list" if venue == "bybit" else "/api/v5/account/positions"
        plan = [faults.Answer(role="rest", call=path, status=503, until_s=9.0)]
        desk.venue.layer.arm(faults.FaultPlan(seed=1, rule=plan))
        told = desk.private.account.told
        desk.private.account.told = lambda position: False  # type: ignore[method-assign]
        desk.send(0, 20, Decimal("0.003"), reduces=False)
        await asyncio.sleep(1.0)
        desk.private.account.told = told  # type: ignore[method-assign]
        exchange.push_account = lambda indexes: None  # type: ignore[method-assign]
        await asyncio.sleep(7.0)
        name = desk.instrument.venue_symbol
        if venue == "bybit":  # OKX tells of it again every few seconds
            assert desk.private.account.differs(name)
        await asyncio.sleep(6.0)
        assert not desk.private.account.differs(name)
        assert desk.differences == []

    drive(venue, work)
