"""Market data and REST against the simulated venues, and venues that do not answer."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest
from patience import LIMIT_S
from venue_kit import (
    GATEWAY,
    MARKET,
    NAMES,
    QUICK,
    REST,
    VENUES,
    desk,
    keys,
    mute,
    run,
    simulated,
    until,
)

from arbitrage.core.feed import FeedLane
from arbitrage.core.segment import Segment
from arbitrage.errors import ConnectorError, WireError
from arbitrage.sim.server import SimServer
from arbitrage.venues.base import KeyRights, MarketSymbol
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.connection import SocketListener
from arbitrage.venues.okx.market_feed import OkxMarketFeed
from arbitrage.venues.okx.rest import OkxRest

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
            await until(lambda: feed.is_ready)
            assert feed.connect_count == 2, "the new line serves"
            feed.stop()
            await task

    run(main)


@pytest.mark.parametrize("venue", VENUES)
def test_a_process_that_was_stopped_asks_before_it_leaves_a_quiet_line(venue: str) -> None:
    async def main() -> None:
        async with desk(venue) as made:
            made.gateway.stop()
            await made.tasks[0]
            line = GATEWAY[venue](
                made.gateway.url, keys(), made.rest, made.sender, made.tracker, [made.symbol],
                policy=QUICK,
            )
            line._ping_s = 0.2
            task = asyncio.ensure_future(line.run())
            await line.wait_ready(LIMIT_S)
            for _ in range(5):
                time.sleep(0.5)  # noqa: ASYNC251 - the whole process: the venue is in it, too
                await asyncio.sleep(0.05)
            assert (line.connect_count, line.is_ready) == (1, True)
            line.stop()
            await task

    run(main)


# ---- venues that do not answer ------------------------------------------------------------------


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


@contextlib.asynccontextmanager
async def answering(status: str, body: bytes) -> AsyncIterator[str]:
    """A web server that gives one answer to everything."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def test_a_ban_stops_every_request_at_once() -> None:
    async def main() -> None:
        async with (
            answering("403 Forbidden", b"access too frequent") as url,
            BybitRest(url, keys()) as rest,
        ):
            with pytest.raises(ConnectorError, match="no request for 10 minutes"):
                await rest.server_time_ms()
            with pytest.raises(ConnectorError, match=r"asked for a pause, (600|599) s are left"):
                await rest.server_time_ms()

    run(main)


@pytest.mark.parametrize(
    ("status", "body", "is_terminal", "says"),
    [
        ("502 Bad Gateway", b"<html>", False, "the outcome is unknown"),
        ("404 Not Found", b"<html>", True, "check the host"),
        ("200 OK", b"<html>", False, "cannot read"),
        ("200 OK", b'{"code":"50011","msg":"Rate limit reached"}', False, "slow down"),
        ("401 Unauthorized", b'{"code":"50111","msg":"Invalid key"}', True, "check the API key"),
    ],
)
def test_answers_that_are_none_say_what_to_do(
    status: str, body: bytes, is_terminal: bool, says: str
) -> None:
    async def main() -> None:
        async with answering(status, body) as url, OkxRest(url, keys()) as rest:
            with pytest.raises((ConnectorError, WireError), match=says) as caught:
                await rest.wallet()
            assert getattr(caught.value, "is_terminal", False) == is_terminal

    run(main)


def test_nobody_listening_is_one_clear_error() -> None:
    async def main() -> None:
        async with BybitRest("http://127.0.0.1:9", keys()) as rest:
            with pytest.raises(ConnectorError, match=r"bybit: /v5/market/time failed at http"):
                await rest.server_time_ms()

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
            assert check.key == KeyRights(may_withdraw=False, is_bound=True)
            assert await rest.order_by_client_id(123, instrument.venue_symbol) is None
            assert await rest.executions(since_wall_ms=time.time_ns() // 10**6 - 1000) == []
            with pytest.raises(ConnectorError) as caught:
                await rest.cancel_order(instrument.venue_symbol, 123)
            assert caught.value.code in {"110001", "51400", "51603"}
            assert not caught.value.is_terminal

    run(main)
