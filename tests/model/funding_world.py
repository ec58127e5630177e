"""A venue, an account on it, and our ledger of it, in virtual time: what funding adds up to.

The private feed, its REST client and the ledger are the real ones; the simulated exchange settles
funding while positions, rates, intervals and quotes change, the line is cut and pushes come twice.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any

from picows import WSMsgType
from virtual_loop import BEGIN_NS, NS, virtual_ns

from arbitrage.config import Credentials
from arbitrage.instruments import Instrument
from arbitrage.secret import Secret
from arbitrage.sim.bybit import BybitExchange
from arbitrage.sim.config import SimConfig, SimKeys
from arbitrage.sim.exchange import Connection
from arbitrage.sim.instruments import listed
from arbitrage.sim.matching import BUY, SELL, Order, Reject
from arbitrage.sim.okx import OkxExchange
from arbitrage.trading.ledger import Ledger
from arbitrage.venues.base import BYBIT, OKX, TradedSymbol
from arbitrage.venues.bybit.private_feed import BybitPrivateFeed
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.okx.private_feed import OkxPrivateFeed
from arbitrage.venues.okx.rest import OkxRest
from arbitrage.venues.reconnect import ReconnectPolicy
from arbitrage.venues.venue_clock import VenueClock

START_NS = 1_790_438_400 * NS  # on the hour: 2026-09-26 16:00 UTC
SYMBOLS = ("BTCUSDT", "ETHUSDT")
PX = {"BTCUSDT": 84_000, "ETHUSDT": 3_000}
SIM_KEYS = SimKeys("funding-key", "funding-secret", "funding-phrase")
KEYS = Credentials(
    key=Secret(SIM_KEYS.key), secret=Secret(SIM_KEYS.secret), passphrase=Secret(SIM_KEYS.passphrase)
)
PARTS: dict[str, tuple[Any, Any, Any, int]] = {
    "bybit": (BybitExchange, BybitRest, BybitPrivateFeed, BYBIT),
    "okx": (OkxExchange, OkxRest, OkxPrivateFeed, OKX),
}
HOURS = (1, 2, 4, 8)
TURN_S = 300.0


def wall_ns() -> int:
    """Return the wall clock of this world."""
    return START_NS + virtual_ns() - BEGIN_NS


class QuoteMarket:
    """Quotes are what the world says."""

    ended = False

    def __init__(self) -> None:
        self.queue: list[tuple[int, int, int, int, int]] = []

    def advance(self, now_ns: int, sink: Any) -> None:
        queue, self.queue = self.queue, []
        for quote in queue:
            sink(*quote, now_ns)

    def regrid(self, item: Any) -> None: ...


class Line:
    """One open line as the feed holds it; what the venue says arrives a moment later."""

    def __init__(self, world: "FundingWorld", conn: Connection, listener: Any) -> None:
        self.world, self.conn, self.listener = world, conn, listener
        self.is_disconnected = False
        self.close_handshake = None
        self.gone = asyncio.get_running_loop().create_future()

    def send(self, kind: WSMsgType, message: bytes) -> None:
        if not self.is_disconnected:
            replies = self.world.exchange.on_frame(self.conn, bytes(message))
            self.deliver(replies)
            self.world.flush()

    def deliver(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            frame = SimpleNamespace(
                fin=True,
                msg_type=WSMsgType.TEXT,
                get_payload_as_bytes=lambda payload=payload: payload,
            )
            asyncio.get_running_loop().call_soon(self._arrive, frame)

    def _arrive(self, frame: Any) -> None:
        if not self.is_disconnected:
            self.listener.on_ws_frame(self, frame)

    def send_close(self, *_: Any, **__: Any) -> None: ...

    def disconnect(self, graceful: bool = True) -> None:
        if not self.is_disconnected:
            self.is_disconnected = True
            self.world.exchange.disconnect(self.conn)
            self.world.lines.pop(self.conn.conn_id, None)
            self.listener.on_ws_disconnected(self)
            self.gone.set_result(None)

    async def wait_disconnected(self) -> None:
        await asyncio.shield(self.gone)


class FundingWorld:
    """One venue with an account; `act` does something at random to it."""

    def __init__(self, venue: str, rng: Random) -> None:
        make_exchange, make_rest, make_feed, number = PARTS[venue]
        self.venue, self.rng = venue, rng
        self.wire_rng = Random(rng.random())  # apart, so that a seed means the same market
        self.market = QuoteMarket()
        config = SimConfig(venue=venue, keys=SIM_KEYS, symbols=SYMBOLS, t0_ns=START_NS)
        self.exchange = make_exchange(config, listed(venue, SYMBOLS), self.market, wall_ns)
        self.lines: dict[str, Line] = {}
        self.said: list[bytes] = []  # pushes that may come again
        self.is_refusing = False
        self.rest_failures = 0.0
        self.loses = 0.0  # share of the pushes that tell of funding and never come
        self.orders = 0
        self.ledger = Ledger()
        self.rest = make_rest("http://venue.virtual", KEYS, transport=self.answer)
        self.rest.clock = VenueClock(wall_ns=wall_ns, mono_ns=virtual_ns)
        symbols = [
            TradedSymbol(item.index, self._contract(item)) for item in self.exchange.instruments
        ]
        self.tracker = ExecutionTracker(
            number, venue, symbols, SimpleNamespace(publish=lambda *_: True),
            self.ledger.apply_fill, lambda _: None,
        )  # fmt: skip
        self.feed = make_feed(
            f"ws://{venue}.virtual{self.exchange.private_path}",
            KEYS,
            self.rest,
            self.tracker,
            on_funding=self.ledger.apply_funding,
            ping_s=TURN_S,
            policy=ReconnectPolicy(base_s=10.0, cap_s=120.0),
            connector=self.connect,
        )
        self.feed._backoff._rng = self.wire_rng
        for name in SYMBOLS:
            self.quote(name, PX[name])

    def _contract(self, item: Any) -> Instrument:
        return Instrument(
            venue=self.venue, venue_symbol=item.name, symbol=item.canonical, base=item.base,
            settle="USDT", contract_base_qty=item.contract_value, tick=item.tick, lot=item.lot,
            min_qty=item.lot, max_qty=Decimal(0),
        )  # fmt: skip

    # -- the wires -------------------------------------------------------------------------------

    async def connect(self, factory: Callable[[], Any], url: str, **_: Any) -> tuple[Line, Any]:
        await asyncio.sleep(0.01)
        if self.is_refusing:
            raise ConnectionRefusedError("refused")
        conn = self.exchange.connect(url.removeprefix(f"ws://{self.venue}.virtual"))
        listener = factory()
        line = Line(self, conn, listener)
        self.lines[conn.conn_id] = line
        listener.on_ws_connected(line)
        return line, listener

    async def answer(
        self, method: str, path: str, headers: Any, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        await asyncio.sleep(0.01)
        if self.wire_rng.random() < self.rest_failures:
            return 503, {}, b"unavailable"
        path, _, query = path.partition("?")
        reply = self.exchange.rest(method, path, query, headers, body)
        self.flush()
        return reply.status, reply.headers, reply.body

    def flush(self) -> None:
        for conn, payload in self.exchange.take_pushes():
            line = self.lines.get(conn.conn_id)
            if line is None:
                continue
            draw = self.wire_rng.random()
            if draw < self.loses and (b'"Funding"' in payload or b'"positions"' in payload):
                continue
            line.deliver([payload, payload] if draw > 0.8 else [payload])
            self.said.append(payload)

    async def settle_on_time(self) -> None:
        """Turn the market a second after each full hour, as real venues do."""
        while True:
            await asyncio.sleep(3600 - wall_ns() / NS % 3600 + 1)
            self.turn()

    def turn(self) -> None:
        self.exchange.advance(wall_ns())
        self.flush()

    # -- what happens ----------------------------------------------------------------------------

    def quote(self, name: str, px: float) -> None:
        item = next(item for item in self.exchange.instruments if item.canonical == name)
        ticks, lots = int(Decimal(px) / item.tick), int(Decimal(100) / item.lot)
        self.market.queue.append((item.index, ticks, ticks + 1, lots, lots))
        self.turn()

    def trade(self) -> None:
        item = self.rng.choice(self.exchange.instruments)
        side = self.rng.choice((BUY, SELL))
        book = self.exchange.matcher.books[item.index]
        ticks = book.ask_ticks if side == BUY else book.bid_ticks
        self.orders += 1
        order = Order(item, side, "limit", "IOC", ticks, self.rng.randrange(1, 200), "", False)
        try:
            self.exchange.matcher.submit(order, str(9_000_000 + self.orders), wall_ns())
        except Reject:
            return
        self.exchange.flush_account()
        self.flush()

    def close(self) -> None:
        """Leave a position: the venue's running total of it may start anew."""
        for held in self.exchange.matcher.positions:
            if held.lots and self.rng.random() < 0.5:
                book = self.exchange.matcher.books[held.instrument.index]
                side = SELL if held.lots > 0 else BUY
                ticks = book.ask_ticks if side == BUY else book.bid_ticks
                self.orders += 1
                order = Order(
                    held.instrument, side, "limit", "IOC", ticks, abs(held.lots), "", True
                )
                self.exchange.matcher.submit(order, str(9_000_000 + self.orders), wall_ns())
        self.exchange.flush_account()
        self.flush()

    def change_interval(self) -> None:
        item = self.rng.choice(self.exchange.instruments)
        self.exchange.change_instrument(replace(item, funding_hours=self.rng.choice(HOURS)))

    def change_rate(self) -> None:
        index = self.rng.randrange(len(SYMBOLS))
        self.exchange.funding_rates[index] = Decimal(self.rng.randint(-40_000, 40_000)).scaleb(-7)

    def move(self) -> None:
        name = self.rng.choice(SYMBOLS)
        self.quote(name, PX[name] * self.rng.uniform(0.9, 1.1))

    def cut(self) -> None:
        for line in list(self.lines.values()):
            line.disconnect()

    def repeat(self) -> None:
        for line in self.lines.values():
            line.deliver(self.rng.sample(self.said, min(5, len(self.said))))

    def refuse(self) -> None:
        self.is_refusing = True
        self.cut()

    def admit(self) -> None:
        self.is_refusing = False

    def fail(self) -> None:
        self.rest_failures = 0.0 if self.rest_failures else 0.5

    def act(self) -> None:
        self.rng.choice((
            self.trade, self.trade, self.trade, self.close, self.change_interval,
            self.change_rate, self.change_rate, self.move, self.cut, self.repeat,
            self.refuse, self.admit, self.admit, self.fail,
        ))()  # fmt: skip
