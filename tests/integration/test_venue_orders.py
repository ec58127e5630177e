"""Order entry against the simulated venues: logins, fills, rejects, lost answers."""

import asyncio
import logging
import time

import pytest
from patience import LIMIT_S
from venue_kit import (
    ACK,
    DONE,
    FILL,
    GATEWAY,
    REJECT,
    REST,
    SENT,
    TIMEOUT,
    VENUES,
    Desk,
    desk,
    keys,
    mute,
    run,
    simulated,
    until,
)

from arbitrage.core import gateway
from arbitrage.errors import ConnectorError

# ---- orders -----------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", VENUES)
def test_an_order_is_sent_acknowledged_filled_and_done(venue: str) -> None:
    async def main() -> None:
        async with desk(venue) as d:
            before = (await d.rest.wallet()).equity
            bought = d.order(side=0)
            events = await d.ended(bought)
            assert events[0] == SENT
            assert set(events) == {SENT, ACK, FILL, DONE}
            assert events[-1] in {DONE, ACK}, "pushes may overtake the acknowledgement"
            assert d.event(bought, DONE)[1] == 10
            assert sum(t[2] for t in d.told if t[1] == FILL) == 10
            assert sum(fill.qty_base for fill in d.fills) == d.instrument.base_qty(10)
            assert all(fill.fee > 0 and fill.client_id == bought for fill in d.fills)
            (position,) = await d.rest.positions()
            assert position.qty_venue == d.instrument.lot * 10
            sold = d.order(side=1, flags=1)
            await d.ended(sold)
            assert await d.rest.positions() == []
            # the ledger's identity, in exact decimals from the venue's own strings
            cash = sum(
                (-1 if fill.side == 0 else 1) * fill.px * fill.qty_base - fill.fee
                for fill in d.fills
            )
            after = await d.rest.wallet()
            assert after.equity - before == cash
            assert after.equity == after.cash
            counters = d.publisher.counters.as_dict()
            assert (counters["orders_taken"], counters["frames_sent"]) == (2, 2)
            assert (counters["acks"], counters["connects"]) == (2, 1)
            assert counters["rejects"] == counters["timeouts"] == 0
            assert d.sender.unsettled_count == 0
            await until(lambda: d.wallets and d.positions)

    run(main)


@pytest.mark.parametrize("venue", VENUES)
def test_an_order_away_from_the_market_ends_with_nothing(venue: str) -> None:
    async def main() -> None:
        async with desk(venue) as d:
            missed = d.order(side=0, slip="-0.005")
            assert set(await d.ended(missed)) - {ACK} == {SENT, DONE}
            assert d.event(missed, DONE)[1] == 0
            assert d.fills == []

    run(main)


@pytest.mark.parametrize(
    ("venue", "order", "code"),
    [
        ("bybit", {"side": 1, "flags": 1}, 110017),
        ("okx", {"side": 1, "flags": 1}, 51169),
        ("bybit", {"lots": 10**9}, None),
        ("okx", {"lots": 10**12}, None),
    ],
)
def test_a_refused_order_is_rejected_with_the_venues_code(
    venue: str, order: dict[str, int], code: int | None
) -> None:
    async def main() -> None:
        async with desk(venue) as d:
            refused = d.order(**order)
            assert await d.ended(refused) == [SENT, REJECT]
            assert d.event(refused, REJECT)[2] == code or (code is None)
            assert d.event(refused, REJECT)[2] > 1000
            assert d.event(refused, REJECT)[1] == 0
            assert d.sender.unsettled_count == 0

    run(main)


def test_many_orders_keep_their_quantity() -> None:
    async def main() -> None:
        async with desk("okx") as d:
            for number in range(40):
                d.order(side=number % 2, lots=3)
            await until(lambda: d.sender.unsettled_count == 0, what="all orders over")
            d.events(0)
            done = sum(t[3] for t in d.told if t[1] == DONE)
            filled = sum(t[2] for t in d.told if t[1] == FILL)
            assert done == filled > 0
            assert d.sender.pool.available == d.sender.pool.capacity

    run(main)


# ---- answers that do not come -------------------------------------------------------------------


@pytest.mark.parametrize("venue", VENUES)
def test_a_lost_acknowledgement_resolves_from_the_pushes(venue: str) -> None:
    async def main() -> None:
        async with desk(venue) as d:
            mute(d.server, "trade" if venue == "bybit" else "private")
            silent = d.order()
            assert set(await d.ended(silent)) == {SENT, FILL, DONE}
            assert d.sender.unsettled_count == 0

    run(main)


@pytest.mark.parametrize("venue", VENUES)
def test_no_answer_and_no_push_is_asked_for_and_never_sent_again(venue: str) -> None:
    async def main() -> None:
        async with desk(venue, ack_timeout_s=0.3) as d:
            mute(d.server, "trade" if venue == "bybit" else "private")
            d.server.send_pushes = lambda: d.server.exchange.take_pushes() and None
            silent = d.order()
            events = await d.ended(silent)
            assert events[:2] == [SENT, TIMEOUT]
            assert set(events) == {SENT, TIMEOUT, FILL, DONE}
            assert d.event(silent, DONE)[1] == 10
            assert sum(fill.qty_base for fill in d.fills) == d.instrument.base_qty(10)
            (position,) = await d.rest.positions()
            assert position.qty_venue == d.instrument.lot * 10, "one order, once"
            assert d.sender.unsettled_count == 0

    run(main)


@pytest.mark.parametrize("venue", VENUES)
def test_an_order_that_never_arrived_is_rejected_only_after_its_expiry(venue: str) -> None:
    async def main() -> None:
        async with desk(venue, ack_timeout_s=0.3, absent_after_s=1.0) as d:
            d.server.exchange.on_frame = lambda conn, payload: []  # type: ignore[method-assign]
            started = time.monotonic()
            lost = d.order()
            assert await d.ended(lost) == [SENT, TIMEOUT, REJECT]
            assert time.monotonic() - started >= 1.0
            assert d.event(lost, REJECT)[2] == gateway.REJECT_NOT_FOUND
            assert d.fills == []

    run(main)


@pytest.mark.parametrize("venue", VENUES)
def test_executions_missed_while_away_are_caught_up_once(venue: str) -> None:
    async def main() -> None:
        async with desk(venue) as d:
            first = d.order()
            await d.ended(first)
            # the private line drops; an order fills meanwhile; the line comes back
            d.private.drop()
            missed = d.order()
            async with asyncio.timeout(LIMIT_S):
                # looked at in every turn of the loop: the line may be back within milliseconds
                while d.private.is_ready:  # noqa: ASYNC110
                    await asyncio.sleep(0)
            blind = d.order()
            assert d.events(blind) == [REJECT], "no entry while executions cannot be seen"
            assert d.event(blind, REJECT)[2] == gateway.REJECT_BLIND
            await until(lambda: not d.private.is_ready or d.private.connect_count == 2)
            await until(lambda: d.private.is_ready and d.private.catch_up_count == 1)
            await d.ended(missed)
            assert d.event(missed, DONE)[1] == 10
            trades = [fill.trade_id for fill in d.fills]
            assert len(trades) == len(set(trades))
            assert sum(fill.qty_base for fill in d.fills) == d.instrument.base_qty(20)
            assert d.private.connect_count == 2

    run(main)


@pytest.mark.parametrize("venue", VENUES)
def test_orders_are_refused_while_the_line_is_down_and_flow_again_after(venue: str) -> None:
    async def main() -> None:
        async with desk(venue) as d:
            d.gateway.drop()
            refused = d.order()
            assert d.events(refused) == [REJECT]
            assert d.event(refused, REJECT)[2] == gateway.REJECT_NOT_CONNECTED
            await until(lambda: d.gateway.connect_count == 2)
            assert DONE in await d.ended(d.order())
            assert d.publisher.counters.as_dict()["disconnects"] == 1

    run(main)


@pytest.mark.parametrize("venue", VENUES)
def test_orders_can_go_over_rest(venue: str) -> None:
    async def main() -> None:
        async with desk(venue) as d:
            d.gateway.stop()
            await d.tasks[0]
            line = GATEWAY[venue]("", keys(), d.rest, d.sender, d.tracker, [d.symbol])
            line.send_over_rest()
            task = asyncio.ensure_future(line.run())
            await line.wait_ready(LIMIT_S)
            placed = d.order()
            assert set(await d.ended(placed)) - {ACK} == {SENT, FILL, DONE}
            refused = d.order(side=1, lots=100, flags=1, ticks=0)
            assert d.events(refused) == [REJECT]
            assert d.event(refused, REJECT)[2] == gateway.REJECT_NOT_ENCODABLE
            line.stop()
            await task

    run(main)


# ---- logins -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("venue", "wrong"),
    [
        ("bybit", "key"),
        ("bybit", "secret"),
        ("okx", "key"),
        ("okx", "secret"),
        ("okx", "passphrase"),
    ],
)
def test_a_wrong_key_ends_the_line_with_one_clear_error(
    venue: str, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        bad = keys(**{wrong: "canary-51d2"})
        async with simulated(venue) as server, REST[venue](server.urls["rest_url"], bad) as rest:
            (instrument,) = [i for i in await rest.instruments() if i.symbol == "BTCUSDT"]
            d = Desk(venue, server, rest, instrument, credentials=bad)
            for line in (d.gateway, d.private):
                with pytest.raises(ConnectorError, match="login refused") as caught:
                    await line.run()
                assert caught.value.is_terminal
                assert venue in str(caught.value)
                assert "canary" not in str(caught.value)
            with pytest.raises(ConnectorError) as caught:
                await rest.wallet()
            assert caught.value.is_terminal
            assert caught.value.code

    caplog.set_level(logging.DEBUG)
    run(main)
    assert "canary" not in caplog.text
