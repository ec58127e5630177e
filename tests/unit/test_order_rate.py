"""Orders are refused here before a venue would count too many: sender, order line and REST."""

import asyncio
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from arbitrage.config import Credentials
from arbitrage.core import gateway
from arbitrage.core.clock import Clock
from arbitrage.core.executions import ExecPublisher
from arbitrage.core.rate import RateBucket
from arbitrage.core.ring import MpscRing, SpscRing
from arbitrage.errors import ConnectorError
from arbitrage.instruments import Instrument
from arbitrage.secret import Secret
from arbitrage.venues.base import TradedSymbol
from arbitrage.venues.bybit import wire
from arbitrage.venues.bybit.order_gateway import BybitOrderGateway
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.limits import Limit, OrderLimits, OrderRate
from arbitrage.venues.okx.order_gateway import OkxOrderGateway
from arbitrage.venues.okx.rest import OkxRest

ORDER = struct.Struct("<QqqqIIHBBBBHQ")
EXEC = struct.Struct("<QqdqqfIHBBB3x")
SENT, REJECT = 0, 2
RATE = gateway.REJECT_RATE
MS = 1_000_000
KEYS = Credentials(key=Secret("the-key"), secret=Secret("hidden"), passphrase=Secret("phrase"))


class Line:
    """A connection in memory."""

    is_disconnected = False

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def send(self, kind: Any, frame: bytes) -> None:
        self.frames.append(frame)


def instrument(venue: str) -> Instrument:
    return Instrument(
        venue=venue, venue_symbol="BTCUSDT", symbol="BTCUSDT", base="BTC", settle="USDT",
        contract_base_qty=Decimal(1), tick=Decimal("0.1"), lot=Decimal("0.001"),
        min_qty=Decimal("0.001"), max_qty=Decimal(0), inst_id_code=7,
    )


class Bench:
    """A venue's gateway with its compiled sender on a standing clock and a line in memory."""

    def __init__(self, venue: str = "bybit", rows: int = 1, at_ms: int = 10**9) -> None:
        self.orders, self.executions = SpscRing(4096), MpscRing(16384)
        self.clock, self.line = Clock(1), Line()
        self.clock.stand(at_ms * MS)
        publisher = ExecPublisher(self.executions)
        index = ("bybit", "okx").index(venue)
        self.sender = gateway.OrderSender(index, self.orders, publisher, clock=self.clock)
        items = [TradedSymbol(row=row, instrument=instrument(venue)) for row in range(rows)]
        tracker = ExecutionTracker(
            index, venue, items, publisher, lambda _: None, self.sender.settle
        )
        rest, line = {
            "bybit": (BybitRest, BybitOrderGateway), "okx": (OkxRest, OkxOrderGateway)
        }[venue]
        self.rest: Any = rest("http://127.0.0.1:1", KEYS)
        self.gateway: Any = line(
            "ws://127.0.0.1:1", KEYS, self.rest, self.sender, tracker, items
        )
        self.sender.attach(self.line)
        self._producer, self._consumer = self.orders.producer(), self.executions.consumer()
        self._id = 0

    def order(self, row: int = 0, *, reduces: bool = False, is_cancel: bool = False) -> int:
        """Send one order; 0 when it left, else the code of its refusal."""
        self._id += 1
        assert self._producer.try_push(
            ORDER.pack(self._id, 1, 640000, 5, 0, 0, row, 0, 0, is_cancel, reduces, 0, 0)
        )
        self.sender.poll()
        (record,) = self._consumer.drain()
        fields = EXEC.unpack(record)
        assert (fields[0], fields[9]) in {(self._id, SENT), (self._id, REJECT)}
        return int(fields[6])

    def at(self, ms: int) -> None:
        self.clock.stand(ms * MS)


# ---- the sender ---------------------------------------------------------------------------------


def test_a_line_in_memory_gets_the_frames_that_a_socket_would() -> None:
    bench = Bench()
    assert bench.sender.is_attached
    bench.sender.set_wall_offset_ms(0)
    assert bench.order() == 0
    (frame,) = bench.line.frames
    stamp = int(wire.header_of(wire.order_reply.decode(frame))["x-bapi-timestamp"])
    assert frame == bench.sender.encode(1, 0, 0, 640000, 5, stamp)
    assert bench.sender.unsettled()[0][2] == 10**9 * MS, "sent at the time of the standing clock"
    bench.line.is_disconnected = True
    assert not bench.sender.is_attached
    assert bench.order() == gateway.REJECT_NOT_CONNECTED
    bench.sender.detach()
    assert bench.sender.publisher.counters.as_dict()["disconnects"] == 1


def test_bybit_takes_ten_orders_a_second_of_the_account_three_kept_for_unwinds() -> None:
    bench = Bench("bybit", rows=2)
    assert [bench.order(row % 2) for row in range(9)] == [0] * 7 + [RATE] * 2
    assert [bench.order(reduces=True) for _ in range(4)] == [0] * 3 + [RATE]
    assert [bench.order(is_cancel=True) for _ in range(11)] == [0] * 10 + [RATE]
    assert len(bench.line.frames) == 20
    bench.at(10**9 + 1099)
    assert bench.order() == RATE
    bench.at(10**9 + 1100)
    assert bench.order() == 0
    assert bench.gateway.rate.refused_count == 5
    assert bench.sender.publisher.counters.as_dict()["orders_unsendable"] == 5


def test_okx_counts_by_instrument_and_cancels_apart() -> None:
    bench = Bench("okx", rows=2)
    assert [bench.order(0) for _ in range(43)] == [0] * 42 + [RATE]
    assert bench.order(1) == 0
    assert [bench.order(0, reduces=True) for _ in range(19)] == [0] * 18 + [RATE]
    assert [bench.order(0, is_cancel=True) for _ in range(61)] == [0] * 60 + [RATE]


def test_okx_counts_the_sub_account_over_all_instruments() -> None:
    bench = Bench("okx", rows=20)
    left = [bench.order(row) for row in range(20) for _ in range(40)]
    assert left == [0] * 700 + [RATE] * 100
    assert bench.order(19, reduces=True) == 0
    assert bench.order(19, is_cancel=True) == 0, "cancels do not count"


def test_an_order_that_cannot_be_encoded_takes_no_token() -> None:
    bench = Bench()
    for _ in range(20):
        assert bench._producer.try_push(ORDER.pack(99, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    assert bench.sender.poll() == 20
    assert {EXEC.unpack(record)[6] for record in bench._consumer.drain()} == {
        gateway.REJECT_NOT_ENCODABLE
    }
    assert [bench.order() for _ in range(8)] == [0] * 7 + [RATE]


def test_a_row_that_is_none_is_refused() -> None:
    bench = Bench()
    with pytest.raises(ValueError, match="row was 8192"):
        bench.sender.limit_rate(RateBucket(1, 1), False, 8192)


# ---- what the venue says of its count -----------------------------------------------------------


def reply(limit: str, left: str, op: str = "order.create", code: int = 0) -> bytes:
    return (
        f'{{"reqId":"1","retCode":{code},"retMsg":"OK","op":"{op}","data":{{}},"header":'
        f'{{"X-Bapi-Limit":"{limit}","X-Bapi-Limit-Status":"{left}",'
        '"X-Bapi-Limit-Reset-Timestamp":"1790409770000","Traceid":"x"},"connId":"y"}'
    ).encode()


def in_loop(work: Any, at_s: float) -> None:
    """Run `work` on a loop whose clock stands."""

    async def main() -> None:
        asyncio.get_running_loop().time = lambda: at_s  # type: ignore[method-assign]
        work()

    asyncio.run(main())


def test_the_trade_sockets_header_feeds_the_bucket() -> None:
    bench = Bench()
    in_loop(lambda: bench.gateway.on_message(reply("20", "20"), 1), 1e6)
    assert [bench.order() for _ in range(15)] == [0] * 14 + [RATE]
    in_loop(lambda: bench.gateway.on_message(reply("20", "2"), 1), 1e6)
    bench._consumer.drain()
    assert [bench.order(reduces=True) for _ in range(3)] == [0, 0, RATE]
    in_loop(lambda: bench.gateway.on_message(reply("20", "0", "order.cancel"), 1), 1e6)
    assert bench.order(is_cancel=True) == RATE


@pytest.mark.parametrize(
    "header", ["null", "[]", '"x"', '{"X-Bapi-Limit":5}', '{"X-Bapi-Limit":""}']
)
def test_a_header_of_another_form_is_no_reason_to_lose_the_answer(header: str) -> None:
    bench = Bench()
    frame = f'{{"reqId":"1","retCode":0,"retMsg":"OK","op":"order.create","header":{header}}}'
    bench.order()
    bench.gateway.on_message(frame.encode(), 5)
    assert bench.sender.was_acknowledged(1)
    assert not bench.sender.was_acknowledged(2)


def test_rest_headers_feed_the_same_bucket_and_the_endpoints_own() -> None:
    bench = Bench(at_ms=10**6)

    async def carry(
        method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        told = {"X-Bapi-Limit": "10", "X-Bapi-Limit-Status": "1"}
        return 200, told, b'{"retCode":0,"retMsg":"OK","result":{"list":[]}}'

    async def main() -> None:
        asyncio.get_running_loop().time = lambda: 1000.0  # type: ignore[method-assign]
        rest = BybitRest("http://venue.invalid", KEYS, transport=carry)
        rest.on_order_told = bench.gateway.rate.told
        await rest.place_order("BTCUSDT", 5, 0, "1", "1")
        await rest.wallet()
        assert rest.wait_s("/v5/account/wallet-balance") > 0.5
        assert rest.wait_s("/v5/account/wallet-balance", is_urgent=True) == 0.0
        assert rest.wait_s("/v5/position/list") == 0.0

    asyncio.run(main())
    assert bench.order() == RATE
    assert [bench.order(reduces=True) for _ in range(2)] == [0, RATE]


# ---- complaints ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("venue", "code", "pause_s"), [("bybit", 10006, 1), ("okx", 50061, 2)])
def test_a_complaint_pauses_entries_and_the_next_one_for_longer(
    venue: str, code: int, pause_s: int
) -> None:
    bench = Bench(venue)
    bench.order()
    in_loop(lambda: bench.gateway.answered("1", code, "too many", 5), 1e6)
    bench._consumer.drain()
    assert (bench.order(), bench.order(reduces=True), bench.order(is_cancel=True)) == (RATE, 0, 0)
    bench.at(10**9 + pause_s * 1000 - 1)
    assert bench.order() == RATE
    bench.at(10**9 + pause_s * 1000)
    assert bench.order() == 0
    again_s = 1e6 + pause_s + 0.5
    in_loop(lambda: bench.gateway.rate.pause(pause_s), again_s)
    bench.at(int(again_s * 1000) + 2 * pause_s * 1000 - 1)
    assert bench.order() == RATE, "a second complaint in a row pauses twice as long"
    bench.at(int(again_s * 1000) + 2 * pause_s * 1000)
    assert bench.order() == 0
    in_loop(lambda: bench.gateway.rate.pause(pause_s), again_s + 100)
    bench.at(int(again_s * 1000) + 100_000 + pause_s * 1000)
    assert bench.order() == 0, "after a quiet time the first pause again"


def test_limits_that_a_venue_does_not_have_are_not_kept() -> None:
    bench = Bench("okx")
    rate = OrderRate(bench.sender, OrderLimits(orders=Limit(5, 1.0)), [0])
    assert list(rate.all) == [False]
    in_loop(lambda: rate.told(True, 1, 0), 1.0)
    assert bench.order(is_cancel=True) == 0


def test_http_429_and_a_ban_hold_back_questions() -> None:
    status = 429

    async def carry(*_: Any) -> tuple[int, Mapping[str, str], bytes]:
        return status, {}, b"access too frequent"

    async def main() -> None:
        nonlocal status
        async with BybitRest("http://venue.invalid", KEYS, transport=carry) as rest:
            with pytest.raises(ConnectorError, match="HTTP 429"):
                await rest.wallet()
            assert rest.wait_s("/v5/account/wallet-balance") > 0.5
            assert rest.wait_s("/v5/account/wallet-balance", is_urgent=True) == 0.0
            status = 403
            with pytest.raises(ConnectorError, match="10 minutes"):
                await rest.positions()
            with pytest.raises(ConnectorError, match="asked for a pause"):
                await rest.order_by_client_id(5, "BTCUSDT")

    asyncio.run(main())
