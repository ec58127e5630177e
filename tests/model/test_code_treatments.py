"""Each code of both tables gets its treatment: real order line, REST client and simulated venue."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from lost_orders import ACK, DONE, FILL, REJECT, SENT, TIMEOUT, ClockLoop, Desk

from arbitrage.core.gateway import REJECT_NOT_FOUND, REJECT_RATE
from arbitrage.errors import ConnectorError
from arbitrage.sim import fault_plan as faults
from arbitrage.venues.base import code_of
from arbitrage.venues.bybit.codes import CODES as BYBIT
from arbitrage.venues.codes import Action
from arbitrage.venues.okx.codes import CODES as OKX

TABLES = {"bybit": BYBIT, "okx": OKX}
ROWS = [(venue, code) for venue, table in TABLES.items() for code, _ in table]
QUERIES = [(venue, code) for venue, code in ROWS if TABLES[venue].action(code) is Action.QUERY]
CREATE = {"bybit": "/v5/order/create", "okx": "/api/v5/trade/order"}
QUESTION = {"bybit": "/v5/position/list", "okx": "/api/v5/account/positions"}
Record = tuple[int, int, int, int]
SAID = "what the venue says"


class Bench(Desk):
    """A desk that notes what was asked over REST, and what stopped the opening of pairs."""

    async def open(self) -> None:
        await super().open()
        self.stops: list[ConnectorError] = []
        self.questions: list[str] = []
        self.line._on_stop = self.stops.append
        carry = self.rest._transport

        async def noted(method: str, path: str, *rest: Any) -> Any:
            self.questions.append(f"{method} {path.partition('?')[0]}")
            return await carry(method, path, *rest)

        self.rest._transport = noted
        self._loop.desk = self  # type: ignore[attr-defined]

    def arm(self, *rules: faults.Rule) -> None:
        self.venue.layer.arm(faults.FaultPlan(seed=1, rule=list(rules)))

    async def told_of(self, *, reduces: bool = False, wait_s: float = 1.2) -> list[Record]:
        """Buy, or sell to reduce, through the touch; return what was told of the order."""
        client_id = self.send(int(reduces), 10, Decimal("0.003"), reduces=reduces)
        await asyncio.sleep(wait_s)
        self.look()
        assert self.venue.asked[str(client_id)] <= 1, "sent twice"
        return self.told[client_id]

    def asked_for_orders(self) -> int:
        paths = ("/v5/order/realtime", "/api/v5/trade/order")
        return sum(question.removeprefix("GET ") in paths for question in self.questions)


def drive(venue: str, work: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        desk = Bench(venue, 5)
        await desk.open()
        try:
            async with asyncio.timeout(60):
                await work(desk)
        finally:
            await desk.close()

    with asyncio.Runner(loop_factory=ClockLoop) as runner:
        runner.run(main())


def refusal(venue: str, code: int, *, over_rest: bool, is_accepted: bool = False) -> faults.Rule:
    if over_rest:
        return faults.Answer(role="rest", call=CREATE[venue], code=code, text=SAID, count=1,
                             is_accepted=is_accepted)
    role: faults.Role = "trade" if venue == "bybit" else "private"
    return faults.Answer(role=role, call="order", code=code, text=SAID, count=1,
                         is_accepted=is_accepted)


async def check_order(desk: Bench, venue: str, code: int, *, over_rest: bool) -> None:
    row = TABLES[venue].of(code)
    desk.arm(refusal(venue, code, over_rest=over_rest))
    connects = desk.line.connect_count
    told = await desk.told_of()
    if row.action is Action.QUERY:
        assert [record[0] for record in told] == [SENT, TIMEOUT, REJECT]
        assert told[1][3] == code_of(code)
        assert told[2][3] == REJECT_NOT_FOUND
        assert desk.asked_for_orders() >= 2
    else:
        assert [(record[0], record[3]) for record in told] == [(SENT, 0), (REJECT, code_of(code))]
        assert desk.asked_for_orders() == 0
    assert desk.sender.unsettled_count == 0
    assert desk.fills == []
    assert len(desk.stops) == (row.action is Action.STOP)
    for error in desk.stops:
        assert error.is_terminal
        assert SAID in str(error)
        assert row.advice in str(error)
        assert "\n" not in str(error)
    clock_asked = any(q.endswith("/time") for q in desk.questions)
    assert clock_asked == row.is_clock
    if row.is_reconnect and not over_rest:
        await asyncio.sleep(2.0)
        assert desk.line.connect_count == connects + 1
    elif not over_rest:
        assert desk.line.connect_count == connects


async def check_next(desk: Bench, venue: str, code: int) -> None:
    """What the next orders meet: a pause for entries after a complaint, nothing otherwise."""
    is_throttled = TABLES[venue].action(code) is Action.THROTTLE
    if is_throttled:
        desk.line.rate.pause(desk.rest.throttle_s)  # the first pause may be over by now
        assert await desk.told_of(wait_s=0.1) == [(REJECT, 0, 0, REJECT_RATE)]
        reducing = await desk.told_of(reduces=True, wait_s=0.3)
        assert reducing[0][0] == SENT
        await asyncio.sleep(6 * desk.rest.throttle_s)
    following = {record[0] for record in await desk.told_of()}
    assert following - {ACK} == {SENT, FILL, DONE}


@pytest.mark.parametrize(("venue", "code"), ROWS)
def test_an_order_on_the_socket(venue: str, code: int) -> None:
    async def work(desk: Bench) -> None:
        await check_order(desk, venue, code, over_rest=False)
        await check_next(desk, venue, code)

    drive(venue, work)


@pytest.mark.parametrize(("venue", "code"), ROWS)
def test_an_order_over_rest(venue: str, code: int) -> None:
    async def work(desk: Bench) -> None:
        desk.line.send_over_rest()
        await check_order(desk, venue, code, over_rest=True)
        await check_next(desk, venue, code)

    drive(venue, work)


@pytest.mark.parametrize("over_rest", [False, True])
@pytest.mark.parametrize(("venue", "code"), QUERIES)
def test_an_order_that_lives_behind_an_open_answer_is_found(
    venue: str, code: int, over_rest: bool
) -> None:
    async def work(desk: Bench) -> None:
        if over_rest:
            desk.line.send_over_rest()
        desk.arm(refusal(venue, code, over_rest=over_rest, is_accepted=True))
        told = await desk.told_of()
        assert {SENT, FILL, DONE} <= {record[0] for record in told}
        assert REJECT not in {record[0] for record in told}
        assert desk.sender.unsettled_count == 0

    drive(venue, work)


@pytest.mark.parametrize(("venue", "code"), ROWS)
def test_a_question_over_rest(venue: str, code: int) -> None:
    row = TABLES[venue].of(code)
    path = QUESTION[venue]

    async def work(desk: Bench) -> None:
        desk.arm(faults.Answer(role="rest", call=path, code=code, text=SAID, count=1))
        asked = desk.questions
        if row.action is Action.RETRY:
            assert await desk.rest.positions() == []
            assert asked.count(f"GET {path}") == 2
        else:
            with pytest.raises(ConnectorError, match=SAID) as caught:
                await desk.rest.positions()
            assert caught.value.is_terminal == (row.action is Action.STOP)
            assert caught.value.code == str(code)
            assert asked.count(f"GET {path}") == 1
        assert (desk.rest.wait_s(path) > 0.5) == (row.action is Action.THROTTLE)
        assert desk.rest.wait_s(path, is_urgent=True) == 0.0
        assert (desk.rest.wait_s("/another") > 0.5) == row.is_address
        if row.action is Action.THROTTLE:
            start_s = asyncio.get_running_loop().time()
            assert await desk.rest.positions() == []
            assert asyncio.get_running_loop().time() - start_s > 0.5, "asked in the pause"

    drive(venue, work)
