"""Open orders as both venues list them: all pages, whoever placed them, none that has ended."""

import time

import pytest
from venue_kit import NAMES, REST, VENUES, keys, run, simulated, until

from arbitrage.sim.account import Order
from arbitrage.sim.matching import BUY
from arbitrage.sim.server import SimServer
from arbitrage.venues.base import CLIENT_ID_NONE

COUNT = 120  # two pages of OKX, three of Bybit


def rest_orders(server: SimServer, count: int) -> list[str]:
    """Let orders rest at the venue, far below the market; return their client ids."""
    exchange = server.exchange
    ids = [str(1 << 40 | index) for index in range(count - 1)] + ["by-hand"]
    for index, client_id in enumerate(ids):
        item = exchange.instruments[0]
        ticks = exchange.matcher.books[0].bid_ticks * 99 // 100 - index
        order = Order(item, BUY, "limit", "GTC", ticks, 10, client_id, False)
        exchange.matcher.submit(order, exchange.new_order_id(), time.time_ns())
    return ids


@pytest.mark.parametrize("venue", VENUES)
def test_open_orders_come_whole_and_can_be_cancelled(venue: str) -> None:
    async def main() -> None:
        async with simulated(venue) as server, REST[venue](server.urls["rest_url"], keys()) as rest:
            await rest.sync_clock()
            await until(lambda: server.exchange.matcher.books[0].quoted)
            assert await rest.open_orders() == []
            ids = rest_orders(server, COUNT)
            found = await rest.open_orders(NAMES[venue])
            assert len(found) == COUNT
            assert len({report.order_id for report in found}) == COUNT
            ours = {report.client_id for report in found} - {CLIENT_ID_NONE}
            assert ours == {int(text) for text in ids[:-1]}
            by_hand = next(report for report in found if report.client_id == CLIENT_ID_NONE)
            await rest.cancel_order(NAMES[venue], CLIENT_ID_NONE, by_hand.order_id)
            await rest.cancel_order(NAMES[venue], min(ours))
            left = {report.client_id for report in await rest.open_orders()}
            assert left == ours - {min(ours)}

    run(main)
