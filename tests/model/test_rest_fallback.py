"""Orders over REST: where a venue has no order socket, where it is down, and where it refuses."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from lost_orders import DONE, FILL, REJECT, SENT, ClockLoop, Desk

from arbitrage.core.gateway import REJECT_NOT_CONNECTED
from arbitrage.sim import fault_plan as faults

VENUES = ["bybit", "okx"]
NEAR = Decimal("0.003")


def drive(
    desk_of: Callable[[], Desk], work: Callable[[Desk], Awaitable[None]], *, over_rest: bool = False
) -> None:
    async def main() -> None:
        desk = desk_of()
        await desk.open(over_rest=over_rest)
        try:
            async with asyncio.timeout(120):
                await work(desk)
        finally:
            await desk.close()

    with asyncio.Runner(loop_factory=ClockLoop) as runner:
        runner.run(main())


async def told_of(desk: Desk, client_id: int, wait_s: float = 1.0) -> list[Any]:
    await asyncio.sleep(wait_s)
    desk.look()
    return [(kind, code) if kind == REJECT else kind for kind, _, _, code in desk.told[client_id]]


def posts(desk: Desk) -> list[str]:
    """Note the REST orders and cancels from now on."""
    seen: list[str] = []
    carry = desk.rest._transport

    async def noted(method: str, path: str, headers: Any, body: bytes) -> Any:
        if method == "POST":
            seen.append(path.rpartition("/")[2])
        return await carry(method, path, headers, body)

    desk.rest._transport = noted
    return seen


@pytest.mark.parametrize("venue", VENUES)
def test_without_an_order_socket_everything_goes_over_rest(venue: str) -> None:
    async def work(desk: Desk) -> None:
        seen = posts(desk)
        assert desk.line.is_ready
        assert not desk.sender.is_attached
        bought = desk.send(0, 20, NEAR, reduces=False)
        assert set(await told_of(desk, bought)) == {SENT, FILL, DONE}
        sold = desk.send(1, 20, NEAR, reduces=True)
        assert set(await told_of(desk, sold)) == {SENT, FILL, DONE}
        nothing = desk.send(1, 20, NEAR, reduces=True)
        assert (await told_of(desk, nothing))[1][1] in {110017, 51169}
        assert len(seen) == 3
        assert desk.venue.exchange.matcher.positions[0].lots == 0
        assert desk.sender.unsettled_count == 0

    # Bybit's demo has no such socket; OKX's has one that may refuse everything
    drive(lambda: Desk(venue, 2, dress="demo"), work, over_rest=True)


@pytest.mark.parametrize("venue", VENUES)
def test_a_socket_that_is_down_takes_no_entry_but_what_reduces_leaves(venue: str) -> None:
    async def work(desk: Desk) -> None:
        seen = posts(desk)
        await told_of(desk, desk.send(0, 20, NEAR, reduces=False))
        assert seen == []
        role: faults.Role = "trade" if venue == "bybit" else "private"
        plan = faults.FaultPlan(seed=1, rule=[faults.Refuse(role=role, until_s=20.0)])
        desk.venue.layer.arm(plan)
        desk.line.drop()
        await asyncio.sleep(0.1)
        entry = desk.send(0, 20, NEAR, reduces=False)
        assert await told_of(desk, entry) == [(REJECT, REJECT_NOT_CONNECTED)]
        reducing = desk.send(1, 20, NEAR, reduces=True)
        assert set(await told_of(desk, reducing)) == {SENT, FILL, DONE}
        assert len(seen) == 1
        assert desk.venue.exchange.matcher.positions[0].lots == 0
        await asyncio.sleep(45.0)
        assert desk.sender.is_attached
        again = desk.send(0, 20, NEAR, reduces=False)
        assert {SENT, FILL, DONE} <= set(await told_of(desk, again))
        assert len(seen) == 1, "the socket is back"

    drive(lambda: Desk(venue, 4), work)


def test_okx_demo_that_refuses_right_codes_gets_its_orders_over_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work(desk: Desk) -> None:
        seen = posts(desk)
        refused = desk.send(0, 20, NEAR, reduces=False)
        assert await told_of(desk, refused) == [SENT, (REJECT, 51001)]
        assert seen == [], "an order is never sent twice"
        for side, reduces in ((0, False), (1, True)):
            order = desk.send(side, 20, NEAR, reduces=reduces)
            assert set(await told_of(desk, order)) == {SENT, FILL, DONE}
        assert len(seen) == 2
        desk.line.drop()
        await desk.line.wait_ready(30)
        await told_of(desk, desk.send(0, 20, NEAR, reduces=False))
        assert len(seen) == 3, "another connection is no better"

    with caplog.at_level(logging.ERROR):
        drive(lambda: Desk("okx", 6, dress="demo", ws_code_bug=True), work)
    assert caplog.text.count("orders go over REST from now on") == 1


def test_okx_code_that_changed_is_loaded_anew(caplog: pytest.LogCaptureFixture) -> None:
    async def work(desk: Desk) -> None:
        seen = posts(desk)
        exchange = desk.venue.exchange
        exchange.change_instrument(replace(exchange.instruments[0], code=987654321))
        refused = desk.send(0, 20, NEAR, reduces=False)
        assert await told_of(desk, refused) == [SENT, (REJECT, 51001)]
        order = desk.send(0, 20, NEAR, reduces=False)
        assert {SENT, FILL, DONE} <= set(await told_of(desk, order))
        assert seen == []

    drive(lambda: Desk("okx", 7), work)
    assert "to 987654321; orders carry the new one from now on" in caplog.text


def test_okx_code_that_cannot_be_loaded_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def work(desk: Desk) -> None:
        plan = [
            faults.Answer(role="private", call="order", code=51001, count=1),
            faults.Answer(role="rest", call="/api/v5/public/instruments", status=503, count=1),
        ]
        desk.venue.layer.arm(faults.FaultPlan(seed=1, rule=plan))
        refused = desk.send(0, 20, NEAR, reduces=False)
        assert await told_of(desk, refused) == [SENT, (REJECT, 51001)]
        order = desk.send(0, 20, NEAR, reduces=False)
        assert {SENT, FILL, DONE} <= set(await told_of(desk, order)), "it goes on"

    drive(lambda: Desk("okx", 8), work)
    assert "could not be loaded" in caplog.text


@pytest.mark.parametrize("venue", VENUES)
def test_a_cancel_while_the_socket_is_down_goes_over_rest(venue: str) -> None:
    async def work(desk: Desk) -> None:
        seen = posts(desk)
        desk.line.drop()
        await asyncio.sleep(0.0)
        desk.cancel(5)
        await asyncio.sleep(1.0)
        assert [name for name in seen if "cancel" in name] == seen
        assert len(seen) == 1

    drive(lambda: Desk(venue, 9), work)
