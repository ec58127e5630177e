"""OKX's cancel-all-after, armed by a venue's gateway and fired by the simulated venue."""

import asyncio
import time

import pytest
from venue_kit import NAMES, keys, run, until

from arbitrage.config import Settings, load_settings
from arbitrage.core import gateway
from arbitrage.core.executions import ExecPublisher
from arbitrage.core.ring import MpscRing, SpscRing
from arbitrage.errors import ConfigError, ConnectorError
from arbitrage.runtime.connectors import VenueGateway
from arbitrage.sim.config import SimConfig
from arbitrage.sim.matching import BUY, Order
from arbitrage.sim.server import SimServer, make_exchange
from arbitrage.venues.base import TradedSymbol
from arbitrage.venues.okx.rest import OkxRest


class Venue:
    """A simulated OKX whose clock can be put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        config = SimConfig(venue="okx", symbols=("BTCUSDT",), rate=200, ws_port=0, rest_port=0)
        self.exchange = make_exchange(config, lambda: time.time_ns() + int(self.ahead_s * 1e9))
        self.server = SimServer(config, self.exchange)

    async def __aenter__(self) -> "Venue":
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()

    def rest_an_order(self) -> Order:
        """Somebody's order that rests far from the market."""
        item = self.exchange.instruments[0]
        book = self.exchange.matcher.books[0]
        ticks = book.bid_ticks * 991 // 1000
        order = Order(item, BUY, "limit", "GTC", ticks, item.min_lots, "resting", False, "")
        self.exchange.matcher.submit(order, "1", self.exchange.clock())
        return order

    def settings(self, seconds: int) -> Settings:
        urls = self.server.urls
        return load_settings(
            {
                "ARB_MODE": "demo",
                "BYBIT_DEMO_API_KEY": "sim-key",
                "BYBIT_DEMO_API_SECRET": "sim-secret",
                "OKX_API_KEY": "sim-key",
                "OKX_API_SECRET": "sim-secret",
                "OKX_API_PASSPHRASE": "sim-pass",
                "OKX_REST_URL": urls["rest_url"],
                "OKX_PUBLIC_WS_URL": urls["public_ws_url"],
                "OKX_PRIVATE_WS_URL": urls["private_ws_url"],
                "ARB_CANCEL_ALL_AFTER_S": str(seconds),
            },
            dotenv=None,
            cores=range(2),
        )

    async def gateway(self, seconds: int) -> VenueGateway:
        async with OkxRest(self.server.urls["rest_url"], keys()) as rest:
            listed = await rest.instruments()
        (instrument,) = [item for item in listed if item.venue_symbol == NAMES["okx"]]
        publisher = ExecPublisher(MpscRing(64))
        sender = gateway.OrderSender(1, SpscRing(64), publisher)
        symbols = [TradedSymbol(0, instrument)]
        made = VenueGateway(
            self.settings(seconds), "okx", symbols, sender, publisher,
            lambda _: None, lambda _: None,
        )
        await made.open()
        return made


def test_a_gateway_arms_the_switch_and_a_clean_stop_disarms_it() -> None:
    async def main() -> None:
        async with Venue() as venue:
            await until(lambda: venue.exchange.matcher.books[0].bid_ticks)
            order = venue.rest_an_order()
            made = await venue.gateway(10)
            assert venue.exchange.dead_man_ns > 0
            await made.close()
            assert venue.exchange.dead_man_ns == 0
            venue.ahead_s = 30.0
            await asyncio.sleep(0.05)
            assert order.is_open

    run(main)


def test_what_rests_is_cancelled_when_we_are_gone() -> None:
    async def main() -> None:
        async with Venue() as venue:
            await until(lambda: venue.exchange.matcher.books[0].bid_ticks)
            order = venue.rest_an_order()
            made = await venue.gateway(120)
            assert made.watches()
            await made.rest.close()  # no farewell
            venue.ahead_s = 60.0
            await asyncio.sleep(0.05)
            assert order.is_open
            venue.ahead_s = 121.0
            await until(lambda: not order.is_open)

    run(main)


def test_without_the_setting_nothing_is_armed() -> None:
    async def main() -> None:
        async with Venue() as venue:
            made = await venue.gateway(0)
            assert made.watches() == []
            await made.close()
            assert venue.exchange.dead_man_ns == 0

    run(main)


def test_a_refusal_at_the_start_is_an_error() -> None:
    async def main() -> None:
        async with Venue() as venue, OkxRest(venue.server.urls["rest_url"], keys()) as rest:
            with pytest.raises(ConnectorError, match="cancel-all-after: Parameter timeOut"):
                await rest.cancel_all_after(5)

    run(main)


def test_seconds_that_the_venue_does_not_take_are_refused() -> None:
    for text in ("9", "121", "ten"):
        with pytest.raises(ConfigError, match="ARB_CANCEL_ALL_AFTER_S was"):
            load_settings({"ARB_CANCEL_ALL_AFTER_S": text}, dotenv=None)
