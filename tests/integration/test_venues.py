"""The connectors against the simulated venues: logins, orders, rejects, lost answers."""

import asyncio
import contextlib
import logging
import os
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from arbitrage.config import Credentials
from arbitrage.core import gateway
from arbitrage.core.feed import FeedLane
from arbitrage.core.ring import MpscRing, SpscRing
from arbitrage.core.segment import Segment
from arbitrage.errors import ConnectorError
from arbitrage.instruments import Instrument, steps_floor
from arbitrage.secret import Secret
from arbitrage.sim.config import SimConfig
from arbitrage.sim.server import SimServer, make_exchange
from arbitrage.venues.base import Fill, MarketSymbol, TradedSymbol
from arbitrage.venues.bybit.market_feed import BybitMarketFeed
from arbitrage.venues.bybit.order_gateway import BybitOrderGateway
from arbitrage.venues.bybit.private_feed import BybitPrivateFeed
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.connection import SocketListener
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


def keys(**changed: str) -> Credentials:
    parts = {"key": "sim-key", "secret": "sim-secret", "passphrase": "sim-pass"} | changed
    return Credentials(**{name: Secret(text) for name, text in parts.items()})


def run(main: Callable[[], Awaitable[None]], limit_s: float = 20.0) -> None:
    async def limited() -> None:
        async with asyncio.timeout(limit_s):
            await main()

    asyncio.run(limited())


async def until(condition: Callable[[], Any], limit_s: float = 5.0, what: str = "") -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s} s: {what or condition}"
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
        self.publisher = gateway.ExecPublisher(self.executions)
        self.sender = gateway.OrderSender(index, self.orders, self.publisher)
        self.symbol = TradedSymbol(row=ROW, instrument=instrument)
        self.tracker = ExecutionTracker(
            index, venue, [self.symbol], self.publisher, self.fills.append, self.sender.settle
        )
        urls, credentials = server.urls, options.pop("credentials", keys())
        order_url = urls["trade_ws_url" if venue == "bybit" else "private_ws_url"]
        self.gateway = GATEWAY[venue](
            order_url, credentials, rest, self.sender, self.tracker, [self.symbol],
            policy=QUICK, **({"ack_timeout_s": 0.3} | options),
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
            await self.gateway.wait_ready(5)
            await self.private.wait_ready(5)
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

    async def ended(self, client_id: int, limit_s: float = 5.0) -> list[int]:
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


def mute(server: SimServer, role: str) -> None:
    """Let the venue take requests on sockets of a role, but lose its answers to them."""
    for socket in server.sockets.values():
        if socket.conn.role == role and not socket.conn.topics:
            socket.send = lambda data: None  # type: ignore[method-assign]


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
        async with desk(venue) as d:
            mute(d.server, "trade" if venue == "bybit" else "private")
            d.server.send_pushes = lambda: d.server.exchange.take_pushes() and None
            started = time.monotonic()
            silent = d.order()
            events = await d.ended(silent)
            assert time.monotonic() - started < 1.3
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
        async with desk(venue, absent_after_s=1.0) as d:
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
            await until(lambda: not d.private.is_ready, what="the cut")
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
            await line.wait_ready(1)
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


def test_a_venue_that_never_answers_is_named() -> None:
    async def main() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        rest = OkxRest(f"http://127.0.0.1:{port}", keys(), timeout_s=0.3)
        async with rest:
            with pytest.raises(ConnectorError, match=r"not answered within 0\.3 s"):
                await rest.server_time_ms()
        feed = OkxMarketFeed(
            f"ws://127.0.0.1:{port}/ws/v5/public", 1, Lane(), [MarketSymbol(0, "X", "X")],
            listener_factory=listener, policy=QUICK,
        )
        feed._open_timeout_s = 0.3
        task = asyncio.ensure_future(feed.run())
        with pytest.raises(ConnectorError, match=r"okx: market data .* was not ready"):
            await feed.wait_ready(0.5)
        feed.stop()
        await task
        server.close()

    run(main)


def test_nobody_listening_is_one_clear_error() -> None:
    async def main() -> None:
        async with BybitRest("http://127.0.0.1:9", keys()) as rest:
            with pytest.raises(ConnectorError, match=r"bybit: /v5/market/time failed at http"):
                await rest.server_time_ms()

    run(main)


# ---- market data --------------------------------------------------------------------------------


class Lane:
    def __init__(self) -> None:
        self.states: list[tuple[int, int]] = []
        self.funding: list[tuple[int, float, float, int]] = []

    def push_state(self, row: int, state: int) -> None:
        self.states.append((row, state))

    def push_funding(self, row: int, rate: float, interval_h: float, next_wall_ns: int) -> None:
        self.funding.append((row, rate, interval_h, next_wall_ns))


class QuoteCounter(SocketListener):
    """The compiled listener's part in Python: keeps quotes, hands on the rest."""

    quotes = 0

    def __init__(self, on_slow: Callable[[bytes], None], on_disconnected: Any) -> None:
        super().__init__(self._sort)
        self._on_slow, self._ended = on_slow, on_disconnected

    def _sort(self, payload: bytes, recv_mono_ns: int) -> None:
        if b'"orderbook.1.' in payload or (b'"bbo-tbt"' in payload and b'"data"' in payload):
            QuoteCounter.quotes += 1
        else:
            self._on_slow(payload)

    def on_ws_disconnected(self, transport: Any) -> None:
        self._ended(self)


def listener(lane: Any, venue: int, on_slow: Any, on_connected: Any, on_disconnected: Any) -> Any:
    return QuoteCounter(on_slow, on_disconnected)


NAMES = {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"}


def feed_of(venue: str, server: SimServer, lane: Lane, name: str = "", **options: Any) -> Any:
    symbols = [MarketSymbol(5, name or NAMES[venue], "BTCUSDT")]
    return MARKET[venue](
        server.urls["public_ws_url"], VENUES.index(venue), lane, symbols,
        listener_factory=listener, policy=QUICK, **options,
    )


@pytest.mark.parametrize("venue", VENUES)
def test_market_data_flows_with_funding_and_survives_a_cut(venue: str) -> None:
    async def main() -> None:
        async with simulated(venue) as server:
            lane = Lane()
            feed = feed_of(venue, server, lane, ping_s=0.1)
            task = asyncio.ensure_future(feed.run())
            QuoteCounter.quotes = 0
            await until(lambda: QuoteCounter.quotes > 5 and lane.funding)
            row, rate, interval_h, next_wall_ns = lane.funding[-1]
            assert row == 5
            assert abs(rate) < 0.01
            assert interval_h in {1.0, 2.0, 4.0, 8.0}
            assert 0 < next_wall_ns - time.time_ns() <= interval_h * 3600e9
            assert lane.states[0] == (5, 1)
            await asyncio.sleep(0.5)  # several heartbeats, each answered
            assert feed.connect_count == 1
            lane.states.clear()
            for socket in list(server.sockets.values()):
                socket.close()
            await until(lambda: feed.connect_count == 2)
            assert lane.states[0] == (5, 1), "rows leave service at the cut"
            QuoteCounter.quotes = 0
            await until(lambda: QuoteCounter.quotes > 2)
            feed.resubscribe([NAMES[venue]])
            QuoteCounter.quotes = 0
            await until(lambda: QuoteCounter.quotes > 2)
            feed.stop()
            await task

    run(main)


@pytest.mark.parametrize("venue", VENUES)
def test_the_compiled_listener_keeps_quotes_and_hands_on_funding(venue: str) -> None:
    async def main() -> None:
        segment = Segment.create(f"test-venues-{venue}-{os.getpid()}", symbol_capacity=4)
        try:
            segment.symbols.add("BTCUSDT", dict(NAMES))
            row = segment.symbols.row(venue, NAMES[venue])
            async with simulated(venue) as server:
                feed = MARKET[venue](
                    server.urls["public_ws_url"], VENUES.index(venue), FeedLane(segment, 0),
                    [MarketSymbol(row, NAMES[venue], "BTCUSDT")], ping_s=0.1, policy=QUICK,
                )
                task = asyncio.ensure_future(feed.run())

                def counted() -> dict[str, int]:
                    counters: dict[str, int] = segment.counters()["feed"][venue]
                    return counters

                await until(lambda: counted()["quotes"] > 20 and row in feed._funding)
                await asyncio.sleep(0.4)  # heartbeats pass through the listener
                assert feed.connect_count == 1
                assert counted()["malformed"] == 0
                feed.stop()
                await task
                assert counted()["disconnects"] == 1
        finally:
            segment.close()

    run(main)


@pytest.mark.parametrize(("venue", "name"), [("bybit", "NOPEUSDT"), ("okx", "NOPE-USDT-SWAP")])
def test_an_unknown_symbol_is_named_with_its_venue(venue: str, name: str) -> None:
    async def main() -> None:
        async with simulated(venue) as server:
            feed = feed_of(venue, server, Lane(), name)
            with pytest.raises(ConnectorError, match=rf"{venue}: .* symbol '{name}'") as caught:
                await feed.run()
            assert caught.value.is_terminal

    run(main)


@pytest.mark.parametrize("venue", VENUES)
def test_a_line_that_goes_silent_is_replaced(venue: str) -> None:
    async def main() -> None:
        async with simulated(venue) as server:
            feed = feed_of(venue, server, Lane(), ping_s=0.1)
            task = asyncio.ensure_future(feed.run())
            await until(lambda: feed.is_ready)
            mute(server, "public")
            await until(lambda: feed.connect_count == 2, what="a new line")
            feed.stop()
            await task

    run(main)


# ---- REST ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", VENUES)
def test_rest_tells_the_account_exactly(venue: str) -> None:
    async def main() -> None:
        async with simulated(venue) as server, REST[venue](server.urls["rest_url"], keys()) as rest:
            clock = await rest.sync_clock()
            assert abs(clock.offset_ms) < 200
            (instrument,) = [i for i in await rest.instruments() if i.symbol == "BTCUSDT"]
            assert instrument.venue_symbol == NAMES[venue]
            assert instrument.is_live
            assert (venue == "okx") == (instrument.inst_id_code is not None)
            assert (await rest.wallet()).equity == Decimal(1_000_000)
            fee = await rest.fee_rate(instrument.venue_symbol)
            assert fee is not None
            assert fee.taker_bps == pytest.approx({"bybit": 5.5, "okx": 5.0}[venue])
            assert await rest.positions() == []
            check = await rest.check_account(instrument.venue_symbol)
            assert check.position_mode in {"one-way", "net"}
            assert await rest.order_by_client_id(123, instrument.venue_symbol) is None
            assert await rest.executions(since_wall_ms=time.time_ns() // 10**6 - 1000) == []
            with pytest.raises(ConnectorError) as caught:
                await rest.cancel_order(instrument.venue_symbol, 123)
            assert caught.value.code in {"110001", "51400", "51603"}
            assert not caught.value.is_terminal

    run(main)
