"""Orders lost in transit: each ends known within a second of the venue answering, none sent twice.

Random schedules of lost answers, timeouts after acceptance, duplicated, reordered and late pushes,
fills before acknowledgements, requests that come late, sockets cut in between and REST that answers
5xx or nothing; see `lost_orders`.
"""

import asyncio
from decimal import Decimal

import pytest
from lost_orders import (
    CLOCK,
    DONE,
    FILL,
    REJECT,
    SENT,
    TIMEOUT,
    ClockLoop,
    Desk,
    Window,
    due_s,
    run_schedule,
)

from arbitrage.core import gateway
from arbitrage.sim import fault_plan as faults
from arbitrage.venues import resolver

VENUES = ["bybit", "okx"]
SEEDS, SEEDS_LONG, BLOCK = 150, 5000, 50
ACK_TIMEOUT_S = 0.3  # what the line waits for by itself, and the trader


def run_schedules(venue: str, count: int) -> None:
    for seed in range(count):
        run_schedule(venue, seed)


@pytest.mark.parametrize("block", range(SEEDS // BLOCK))
@pytest.mark.parametrize("venue", VENUES)
def test_every_orders_end_is_known_in_time_and_once(venue: str, block: int) -> None:
    kinds: set[int] = set()
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        desk = run_schedule(venue, seed)
        kinds |= {record[0] for told in desk.told.values() for record in told}
    assert {DONE, REJECT, FILL, TIMEOUT} <= kinds, "nothing happened"


@pytest.mark.long
@pytest.mark.parametrize("block", range(SEEDS // BLOCK, (SEEDS + SEEDS_LONG) // BLOCK))
@pytest.mark.parametrize("venue", VENUES)
def test_every_orders_end_is_known_in_time_and_once_for_thousands(venue: str, block: int) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        run_schedule(venue, seed)


@pytest.mark.parametrize("venue", VENUES)
def test_schedules_meet_every_way_an_order_may_end(venue: str) -> None:
    codes: set[int] = set()
    for seed in range(40):
        desk = run_schedule(venue, seed)
        codes |= {r[3] for told in desk.told.values() for r in told if r[0] == REJECT}
    late = 10002 if venue == "bybit" else 50036
    assert {gateway.REJECT_NOT_FOUND, gateway.REJECT_BLIND, late} <= codes


async def send_unheard(venue: str) -> tuple[Desk, int]:
    """Send one order, of which nothing is heard but what is asked for."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ClockLoop)
    CLOCK.stand(loop.now_ns)
    desk = Desk(venue, 1)
    await desk.open()
    loop.desk = desk
    trade = "trade" if venue == "bybit" else "private"
    unheard: list[faults.Rule] = [
        faults.Drop(role=trade, channel="ack"), faults.Drop(role="private")
    ]
    desk.venue.layer.arm(faults.FaultPlan(seed=1, rule=unheard))
    client_id = desk.send(0, 10, Decimal("0.003"), reduces=False)
    await asyncio.sleep(5.0)
    desk.look()
    await desk.close()
    return desk, client_id


@pytest.mark.parametrize("venue", VENUES)
def test_an_order_of_which_nothing_is_heard_is_known_in_time_by_asking(venue: str) -> None:
    """A second after the answer to it was due, by the virtual clock."""
    with asyncio.Runner(loop_factory=ClockLoop) as runner:
        desk, client_id = runner.run(send_unheard(venue))
    kinds = [kind for kind, *_ in desk.told[client_id]]
    assert (kinds[:2], set(kinds)) == ([SENT, TIMEOUT], {SENT, TIMEOUT, FILL, DONE})
    took_s = desk.known_s[client_id] - desk.sent_s[client_id]
    assert ACK_TIMEOUT_S < took_s < ACK_TIMEOUT_S + 1.0
    assert desk.venue.asked[str(client_id)] == 1


@pytest.mark.parametrize("venue", VENUES)
def test_a_resolver_that_asks_too_seldom_would_be_noticed(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "ASK_EVERY_S", 1.5)
    with pytest.raises(AssertionError, match="s late"):
        run_schedules(venue, 60)


@pytest.mark.parametrize("venue", VENUES)
def test_calling_an_order_absent_too_soon_would_be_noticed(
    venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver.OrderResolver, "_final_after_ns", lambda *_: 0)
    with pytest.raises(AssertionError, match="order"):
        run_schedules(venue, 200)


def test_a_window_that_opens_before_the_second_is_over_moves_the_deadline() -> None:
    windows = [Window(10.0, 12.0), Window(12.5, 13.0), Window(20.0, 21.0)]
    assert due_s(5.0, windows) == 6.0
    assert due_s(9.5, windows) == 14.0
    assert due_s(12.1, windows) == 14.0
    assert due_s(13.5, windows) == 14.5
    assert due_s(20.5, windows) == 22.0


def test_a_schedule_is_the_same_each_time() -> None:
    first, again = (run_schedule("okx", 11) for _ in range(2))
    assert first.told == again.told
    assert first.known_s == again.known_s
    assert ClockLoop.desk is None
