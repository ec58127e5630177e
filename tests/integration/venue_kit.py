"""A simulated venue on loopback and one desk on it, for the connectors' tests."""

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

from patience import LIMIT_S, Patience

from arbitrage.config import Credentials
from arbitrage.core import gateway
from arbitrage.core.executions import ExecPublisher
from arbitrage.core.ring import MpscRing, SpscRing
from arbitrage.instruments import Instrument, steps_floor
from arbitrage.secret import Secret
from arbitrage.sim.config import SimConfig
from arbitrage.sim.server import SimServer, make_exchange
from arbitrage.venues.base import Fill, TradedSymbol
from arbitrage.venues.bybit.market_feed import BybitMarketFeed
from arbitrage.venues.bybit.order_gateway import BybitOrderGateway
from arbitrage.venues.bybit.private_feed import BybitPrivateFeed
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.okx.market_feed import OkxMarketFeed
from arbitrage.venues.okx.order_gateway import OkxOrderGateway
from arbitrage.venues.okx.private_feed import OkxPrivateFeed
from arbitrage.venues.okx.rest import OkxRest
from arbitrage.venues.reconnect import ReconnectPolicy

VENUES = ["bybit", "okx"]
REST = {"bybit": BybitRest, "okx": OkxRest}
GATEWAY = {"bybit": BybitOrderGateway, "okx": OkxOrderGateway}
PRIVATE = {"bybit": BybitPrivateFeed, "okx": OkxPrivateFeed}
MARKET = {"bybit": BybitMarketFeed, "okx": OkxMarketFeed}
ORDER = struct.Struct("<QqqqIIHBBBBHQ")
EXEC = struct.Struct("<QqdqqfIHBBB3x")
SENT, ACK, REJECT, FILL, DONE, TIMEOUT = range(6)
QUICK = ReconnectPolicy(base_s=0.02, cap_s=0.1, stable_s=0.0)
ROW = 0
NAMES = {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"}


def keys(**changed: str) -> Credentials:
    parts = {"key": "sim-key", "secret": "sim-secret", "passphrase": "sim-pass"} | changed
    return Credentials(**{name: Secret(text) for name, text in parts.items()})


def run(main: Callable[[], Awaitable[None]], limit_s: float = 110.0) -> None:
    async def limited() -> None:
        async with asyncio.timeout(limit_s):
            await main()

    asyncio.run(limited())


async def until(condition: Callable[[], Any], limit_s: float = LIMIT_S, what: str = "") -> None:
    patience = Patience(limit_s)
    while not condition():
        assert not patience.is_over(), f"not within {limit_s} s: {what or condition}"
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def simulated(venue: str, **changed: Any) -> AsyncIterator[SimServer]:
    config = SimConfig(
        venue=venue, symbols=("BTCUSDT",), rate=200, ws_port=0, rest_port=0, **changed
    )
    server = SimServer(config, make_exchange(config))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
        assert server.failure is None, server.failure


class Desk:
    """One venue's order side: gateway, private stream, and what they told."""

    def __init__(
        self, venue: str, server: SimServer, rest: Any, instrument: Instrument, **options: Any
    ) -> None:
        self.server, self.rest, self.instrument = server, rest, instrument
        self.orders, self.executions = SpscRing(64), MpscRing(1024)
        self.fills: list[Fill] = []
        self.told: list[tuple[int, int, int, int, int]] = []
        index = VENUES.index(venue)
        self.publisher = ExecPublisher(self.executions)
        self.sender = gateway.OrderSender(index, self.orders, self.publisher)
        self.symbol = TradedSymbol(row=ROW, instrument=instrument)
        self.tracker = ExecutionTracker(
            index, venue, [self.symbol], self.publisher, self.fills.append, self.sender.settle
        )
        urls, credentials = server.urls, options.pop("credentials", keys())
        order_url = urls["trade_ws_url" if venue == "bybit" else "private_ws_url"]
        self.gateway = GATEWAY[venue](
            order_url, credentials, rest, self.sender, self.tracker, [self.symbol],
            policy=QUICK, **({"ack_timeout_s": LIMIT_S} | options),
        )
        self.wallets: list[Any] = []
        self.positions: list[Any] = []
        self.private = PRIVATE[venue](
            urls["private_ws_url"], credentials, rest, self.tracker, policy=QUICK,
            on_wallet=self.wallets.append, on_position=self.positions.append,
            on_caught_up=self.gateway.ask_unsettled,
        )
        self._producer, self._consumer = self.orders.producer(), self.executions.consumer()
        self._next_id = 1_000_000_000_000_000_001

    async def __aenter__(self) -> "Desk":
        self.tasks = [asyncio.ensure_future(line.run()) for line in (self.gateway, self.private)]
        try:
            await self.gateway.wait_ready(LIMIT_S)
            await self.private.wait_ready(LIMIT_S)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gateway.stop()
        self.private.stop()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def touch(self, side: int) -> Decimal:
        book = self.server.exchange.matcher.books[0]
        return self.instrument.tick * (book.ask_ticks if side == 0 else book.bid_ticks)

    def order(self, side: int = 0, lots: int = 10, slip: str = "0.002", flags: int = 0,
              ticks: int | None = None) -> int:
        """Push and send one limit-IOC order some way through the touch."""
        client_id, self._next_id = self._next_id, self._next_id + 1
        if ticks is None:
            px = self.touch(side) * (1 + (1 - 2 * side) * Decimal(slip))
            ticks = steps_floor(px, self.instrument.tick)
        assert self._producer.try_push(
            ORDER.pack(client_id, time.monotonic_ns(), ticks, lots, 0, 0, ROW, self.sender.venue,
                       side, 0, flags, 0, 1)
        )
        assert self.sender.poll() == 1
        return client_id

    def events(self, client_id: int) -> list[int]:
        for record in self._consumer.drain():
            fields = EXEC.unpack(record)
            self.told.append((fields[0], fields[9], fields[3], fields[4], fields[6]))
        return [kind for told_id, kind, *_ in self.told if told_id == client_id]

    def event(self, client_id: int, kind: int) -> tuple[int, int, int]:
        """(last lots, cum lots, code) of the one event of a kind."""
        ((_, _, last, cum, code),) = [t for t in self.told if t[:2] == (client_id, kind)]
        return last, cum, code

    async def ended(self, client_id: int, limit_s: float = LIMIT_S) -> list[int]:
        await until(lambda: {DONE, REJECT} & set(self.events(client_id)), limit_s, "order's end")
        return self.events(client_id)


@contextlib.asynccontextmanager
async def desk(venue: str, **options: Any) -> AsyncIterator[Desk]:
    async with (
        simulated(venue) as server,
        REST[venue](server.urls["rest_url"], keys()) as rest,
    ):
        await rest.sync_clock()
        (instrument,) = [item for item in await rest.instruments() if item.symbol == "BTCUSDT"]
        async with Desk(venue, server, rest, instrument, **options) as made:
            yield made


def mute(server: SimServer, role: str) -> None:
    """Let the venue take requests on sockets of a role, but lose its answers to them."""
    for socket in server.sockets.values():
        if socket.conn.role == role and not socket.conn.topics:
            socket.send = lambda data: None  # type: ignore[method-assign]
