"""Bybit's disconnect protection: used where the account may, told once where it may not."""

import asyncio
import logging
import time
from dataclasses import replace

import pytest
from patience import LIMIT_S
from venue_kit import NAMES, keys, run, until

from arbitrage.config import load_settings
from arbitrage.core import gateway
from arbitrage.core.executions import ExecPublisher
from arbitrage.core.ring import MpscRing, SpscRing
from arbitrage.errors import ConfigError
from arbitrage.runtime.connectors import VenueGateway
from arbitrage.sim.config import SimConfig
from arbitrage.sim.matching import BUY, Order
from arbitrage.sim.server import SimServer, make_exchange
from arbitrage.venues.base import TradedSymbol
from arbitrage.venues.bybit.rest import BybitRest


class Venue:
    """A simulated Bybit whose clock can be put forward."""

    def __init__(self, *, institutional: bool) -> None:
        self.ahead_s = 0.0
        config = SimConfig(venue="bybit", symbols=("BTCUSDT",), rate=200, ws_port=0, rest_port=0)
        config = replace(config, institutional=institutional)
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
        ticks = self.exchange.matcher.books[0].bid_ticks * 991 // 1000
        order = Order(item, BUY, "limit", "GTC", ticks, item.min_lots, "resting", False, "")
        self.exchange.matcher.submit(order, "1", self.exchange.clock())
        return order

    async def gateway(self, seconds: int) -> VenueGateway:
        urls = self.server.urls
        settings = load_settings(
            {
                "ARB_MODE": "testnet",
                "BYBIT_API_KEY": "sim-key",
                "BYBIT_API_SECRET": "sim-secret",
                "OKX_API_KEY": "sim-key",
                "OKX_API_SECRET": "sim-secret",
                "OKX_API_PASSPHRASE": "sim-pass",
                "BYBIT_REST_URL": urls["rest_url"],
                "BYBIT_PUBLIC_WS_URL": urls["public_ws_url"],
                "BYBIT_PRIVATE_WS_URL": urls["private_ws_url"],
                "BYBIT_TRADE_WS_URL": urls["trade_ws_url"],
                "OKX_REST_URL": urls["rest_url"],
                "OKX_PUBLIC_WS_URL": urls["public_ws_url"],
                "OKX_PRIVATE_WS_URL": urls["private_ws_url"],
                "ARB_DCP_S": str(seconds),
            },
            dotenv=None,
            cores=range(2),
        )
        async with BybitRest(urls["rest_url"], keys()) as rest:
            (instrument,) = [
                item for item in await rest.instruments() if item.venue_symbol == NAMES["bybit"]
            ]
        sender = gateway.OrderSender(0, SpscRing(64), ExecPublisher(MpscRing(64)))
        made = VenueGateway(
            settings, "bybit", [TradedSymbol(0, instrument)], sender, sender.publisher,
            lambda _: None, lambda _: None,
        )  # fmt: skip
        await made.open()
        return made


def test_a_lost_line_has_what_rests_cancelled() -> None:
    async def main() -> None:
        async with Venue(institutional=True) as venue:
            await until(lambda: venue.exchange.matcher.books[0].bid_ticks)
            order = venue.rest_an_order()
            made = await venue.gateway(100)
            line = asyncio.ensure_future(made.private.run())
            await made.private.wait_ready(LIMIT_S)
            venue.ahead_s = 200.0
            await asyncio.sleep(0.1)
            assert order.is_open, "the line is there"
            made.private.stop()
            await line
            await made.close()
            venue.ahead_s = 240.0
            await asyncio.sleep(0.3)
            assert order.is_open, "not for so long yet"
            venue.ahead_s = 301.0
            await until(lambda: not order.is_open)

    run(main)


@pytest.mark.parametrize("seconds", [0, 5])
def test_an_account_that_may_not_trades_without(
    seconds: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with Venue(institutional=False) as venue:
            made = await venue.gateway(seconds)
            line = asyncio.ensure_future(made.private.run())
            await made.private.wait_ready(LIMIT_S)
            made.private.stop()
            await line
            await made.close()

    with caplog.at_level(logging.WARNING):
        run(main)
    said = [text for text in caplog.messages if "ARB_DCP_S has no effect" in text]
    assert len(said) == (1 if seconds else 0)


def test_seconds_that_the_venue_does_not_take_are_refused() -> None:
    for text in ("2", "301", "ten"):
        with pytest.raises(ConfigError, match="ARB_DCP_S was"):
            load_settings({"ARB_DCP_S": text}, dotenv=None)
