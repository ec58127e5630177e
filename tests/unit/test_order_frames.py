"""Order frames: exact decimals, immutable templates, and an account of every order."""

import json
import math
import struct
from decimal import Context, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.core import gateway
from arbitrage.core.executions import ExecPublisher
from arbitrage.core.ring import MpscRing, SpscRing
from arbitrage.core.send_buffers import BufferPool
from arbitrage.instruments import Instrument
from arbitrage.venues.base import TradedSymbol
from arbitrage.venues.bybit import order_gateway as bybit
from arbitrage.venues.okx import order_gateway as okx

ORDER = struct.Struct("<QqqqIIHBBBBHQ")
EXEC = struct.Struct("<QqdqqfIHBBB3x")
EXACT = Context(prec=60)
SENT, ACK, REJECT, FILL, DONE, TIMEOUT = range(6)
ROW = 3
CODE = 2021032601102993  # a demo instIdCode: fits 63 bits, not 32


def instrument(venue: str, tick: str = "0.1", lot: str = "0.001") -> TradedSymbol:
    return TradedSymbol(
        row=ROW,
        instrument=Instrument(
            venue=venue,
            venue_symbol="BTCUSDT" if venue == "bybit" else "BTC-USDT-SWAP",
            symbol="BTCUSDT",
            base="BTC",
            settle="USDT",
            contract_base_qty=Decimal(1) if venue == "bybit" else Decimal("0.01"),
            tick=Decimal(tick),
            lot=Decimal(lot),
            min_qty=Decimal(lot),
            max_qty=Decimal(0),
            inst_id_code=CODE if venue == "okx" else None,
        ),
    )


TEXTS = {
    "bybit": bybit.BybitOrderGateway.order_texts,
    "okx": okx.OkxOrderGateway.order_texts,
}


class Bench:
    """A sender with its rings, and no socket."""

    def __init__(self, venue: str = "bybit", tick: str = "0.1", lot: str = "0.001", **options):
        self.orders = SpscRing(64)
        self.executions = MpscRing(256)
        self.publisher = ExecPublisher(self.executions)
        self.sender = gateway.OrderSender(
            0 if venue == "bybit" else 1, self.orders, self.publisher, **options
        )
        item = instrument(venue, tick, lot)
        self.sender.add_instrument(
            ROW, item.instrument.tick, item.instrument.lot, TEXTS[venue](None, item), 2000
        )
        self._producer = self.orders.producer()
        self._consumer = self.executions.consumer()

    def push(self, client_id: int, *, row: int = ROW, side: int = 0) -> None:
        assert self._producer.try_push(
            ORDER.pack(client_id, 1000, 640000, 5, 10, 20, row, 0, side, 0, 0, 0, 7)
        )

    def published(self) -> list[tuple[int, int, int]]:
        """(client id, kind, venue code) of what was published since the last call."""
        records = [EXEC.unpack(record) for record in self._consumer.drain()]
        return [(record[0], record[9], record[6]) for record in records]


def encoded(bench: Bench, **order) -> dict:
    frame = bench.sender.encode(
        **{"client_id": 42, "row": ROW, "side": 0, "px_ticks": 640001, "qty_lots": 12}
        | {"wall_ms": 1790409770000}
        | order
    )
    return json.loads(frame)


def test_bybit_frame_has_the_documented_form() -> None:
    assert encoded(Bench("bybit")) == {
        "reqId": "42",
        "header": {"X-BAPI-TIMESTAMP": "1790409770000", "X-BAPI-RECV-WINDOW": "600"},
        "op": "order.create",
        "args": [
            {
                "category": "linear",
                "symbol": "BTCUSDT",
                "side": "Buy",
                "orderType": "Limit",
                "qty": "0.012",
                "price": "64000.1",
                "timeInForce": "IOC",
                "orderLinkId": "42",
                "positionIdx": 0,
                "reduceOnly": False,
            }
        ],
    }


def test_okx_frame_has_the_documented_form_and_key_order() -> None:
    bench = Bench("okx", lot="0.01")
    assert encoded(bench, side=1) == {
        "id": "42",
        "op": "order",
        "args": [
            {
                "instIdCode": CODE,
                "tdMode": "cross",
                "side": "sell",
                "ordType": "ioc",
                "px": "64000.1",
                "sz": "0.12",
                "clOrdId": "42",
            }
        ],
        "expTime": "1790409772000",
    }
    keys = list(encoded(bench)["args"][0])
    assert keys == ["instIdCode", "tdMode", "side", "ordType", "px", "sz", "clOrdId"]


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_reduce_only_and_cancel_have_their_own_templates(venue: str) -> None:
    bench = Bench(venue)
    for side in (0, 1):
        order = encoded(bench, side=side, reduce_only=True)["args"][0]
        assert order["reduceOnly"] is True
        assert order["side"].lower() == ("buy", "sell")[side]
    cancel = encoded(bench, is_cancel=True)
    assert cancel["op"] in {"order.cancel", "cancel-order"}
    assert (cancel.get("reqId") or cancel["id"]) == "c42"
    assert cancel["args"][0].get("orderLinkId", cancel["args"][0].get("clOrdId")) == "42"


STEPS = st.builds(
    lambda mantissa, decimals: Decimal(mantissa).scaleb(-decimals, EXACT),
    st.integers(1, 10**6),
    st.integers(-3, 12),
)


@settings(max_examples=300, deadline=None)
@given(
    venue=st.sampled_from(["bybit", "okx"]),
    tick=STEPS,
    lot=STEPS,
    px_ticks=st.integers(1, 10**9),
    qty_lots=st.integers(1, 10**9),
    client_id=st.integers(1, 2**63 - 1),
    wall_ms=st.integers(1, 10**14),
)
def test_every_grid_encodes_its_exact_decimals(
    venue, tick, lot, px_ticks, qty_lots, client_id, wall_ms
) -> None:
    bench = Bench(venue, str(tick), str(lot))
    order = encoded(
        bench, px_ticks=px_ticks, qty_lots=qty_lots, client_id=client_id, wall_ms=wall_ms
    )
    fields = order["args"][0]
    px, qty = ("price", "qty") if venue == "bybit" else ("px", "sz")
    assert Decimal(fields[px]) == EXACT.multiply(px_ticks, tick)
    assert Decimal(fields[qty]) == EXACT.multiply(qty_lots, lot)
    for text in (fields[px], fields[qty]):
        assert "e" not in text.lower()
        assert text == "0" or text[0] != "0" or text.startswith("0.")
    assert (order.get("reqId") or order["id"]) == str(client_id)
    stamp = order["header"]["X-BAPI-TIMESTAMP"] if venue == "bybit" else order["expTime"]
    assert int(stamp) == wall_ms + (0 if venue == "bybit" else 2000)


@pytest.mark.parametrize(
    "order",
    [
        {"px_ticks": 0},
        {"px_ticks": -5},
        {"qty_lots": 0},
        {"qty_lots": -1},
        {"client_id": 0},
        {"client_id": 2**63},
        {"wall_ms": 0},
    ],
)
def test_what_cannot_be_an_order_encodes_to_nothing(order) -> None:
    bench = Bench()
    assert (
        bench.sender.encode(
            **{"client_id": 42, "row": ROW, "side": 0, "px_ticks": 1, "qty_lots": 1, "wall_ms": 1}
            | order
        )
        == b""
    )


def test_a_product_beyond_63_bits_encodes_to_nothing() -> None:
    bench = Bench("bybit", tick="1000000000")
    assert bench.sender.encode(1, ROW, 0, 2**62, 1, 1) == b""


def test_encoding_leaves_the_template_as_it_was() -> None:
    bench = Bench()
    first = bench.sender.encode(1, ROW, 0, 1, 1, 1)
    bench.sender.encode(2**63 - 1, ROW, 0, 10**9, 10**9, 10**13)
    assert bench.sender.encode(1, ROW, 0, 1, 1, 1) == first


@pytest.mark.parametrize("step", ["0", "-1", "NaN", "1e-19", "Infinity"])
def test_a_grid_that_is_none_is_refused(step: str) -> None:
    bench = Bench()
    with pytest.raises(ValueError, match="grid step was"):
        bench.sender.add_instrument(1, Decimal(step), Decimal(1), (b"",) * 5)


def test_a_template_too_long_or_with_stray_bytes_is_refused() -> None:
    bench = Bench()
    for text in (b"x" * 449, b"\x01" * 8, b"a\x1fb"):
        with pytest.raises(ValueError, match="template 0"):
            bench.sender.add_instrument(1, Decimal(1), Decimal(1), (text, b"", b"", b"", b""))


# ---- orders that cannot leave -----------------------------------------------------------------


def test_orders_are_refused_at_once_while_there_is_no_connection() -> None:
    bench = Bench()
    bench.push(11)
    bench.push(12)
    assert bench.sender.poll() == 2
    assert bench.published() == [(11, REJECT, 1), (12, REJECT, 1)]
    counters = bench.publisher.counters.as_dict()
    assert (counters["orders_taken"], counters["orders_unsendable"]) == (2, 2)
    assert counters["rejects"] == 2
    assert counters["frames_sent"] == 0
    assert bench.sender.unsettled_count == 0
    assert bench.sender.poll() == 0


def test_an_order_of_an_unknown_row_is_refused() -> None:
    bench = Bench()
    for row in (ROW + 1, 8191, 8192, 65535):
        bench.push(row, row=row)
    bench.sender.poll()
    assert bench.published() == [(row, REJECT, 2) for row in (ROW + 1, 8191, 8192, 65535)]


def test_a_reject_that_we_wrote_says_that_nothing_filled() -> None:
    bench = Bench()
    bench.push(11)
    bench.sender.poll()
    (record,) = bench._consumer.drain()
    _, recv_ns, px, last, cum, _, code, row, venue, kind, side = EXEC.unpack(record)
    assert (last, cum, code, row, venue, kind, side) == (0, 0, 1, ROW, 0, REJECT, 0)
    assert recv_ns > 0
    assert math.isnan(px)


def test_the_fallback_takes_orders_while_detached() -> None:
    bench = Bench()
    taken = []
    bench.sender.set_fallback(lambda *order: taken.append(order))
    bench.push(11, side=1)
    bench.sender.poll()
    assert taken == [(11, ROW, 0, 1, False, "64000.0", "0.005")]
    assert bench.published() == [(11, SENT, 0)]
    assert bench.sender.unsettled_count == 1


# ---- orders that left -------------------------------------------------------------------------


def sent(bench: Bench, *client_ids: int) -> None:
    bench.sender.set_fallback(lambda *order: None)
    for client_id in client_ids:
        bench.push(client_id)
    assert bench.sender.poll() == len(client_ids)
    assert [kind for _, kind, _ in bench.published()] == [SENT] * len(client_ids)


def test_answers_end_the_wait() -> None:
    bench = Bench()
    sent(bench, 1, 2, 3)
    assert bench.sender.acknowledge(1, 5)
    assert not bench.sender.acknowledge(1, 6), "a second acknowledgement says nothing new"
    assert bench.sender.reject(2, 110007, 7)
    assert not bench.sender.reject(2, 110007, 8)
    assert bench.sender.settle(1)
    assert not bench.sender.settle(1)
    assert bench.published() == [(1, ACK, 0), (2, REJECT, 110007)]
    assert [order[0] for order in bench.sender.unsettled()] == [3]


def test_no_answer_is_a_timeout_once_and_never_a_reject() -> None:
    bench = Bench()
    sent(bench, 1, 2)
    bench.sender.acknowledge(2, 5)
    bench.published()
    assert bench.sender.expire(10**12) == []
    assert [order[:2] for order in bench.sender.expire(0)] == [(1, ROW), (2, ROW)]
    assert bench.sender.expire(0) == []
    assert bench.published() == [(1, TIMEOUT, 0), (2, TIMEOUT, 0)]
    assert bench.sender.unsettled_count == 2
    assert bench.publisher.counters.as_dict()["timeouts"] == 2


def test_a_doubtful_answer_is_asked_for_once() -> None:
    bench = Bench()
    sent(bench, 1)
    assert bench.sender.doubt(1, 10000)[:2] == (1, ROW)
    assert bench.sender.doubt(1, 10000) is None
    assert bench.sender.expire(0) == []
    assert bench.published() == [(1, TIMEOUT, 10000)]
    assert bench.sender.doubt(99, 10000) is None


def test_a_full_table_of_unsettled_orders_refuses_and_recovers() -> None:
    bench = Bench(pending_capacity=4)
    sent(bench, 1, 2, 3, 4)
    bench.push(5)
    bench.sender.poll()
    assert bench.published() == [(5, REJECT, 5)]
    bench.sender.settle(2)
    bench.push(6)
    bench.sender.poll()
    assert bench.published() == [(6, REJECT, 5)], "the oldest still stands in the ring's way"
    bench.sender.settle(1)
    sent(bench, 7, 8)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_table_of_unsettled_orders_agrees_with_a_dictionary(data) -> None:
    bench = Bench(pending_capacity=8)
    bench.sender.set_fallback(lambda *order: None)
    model: dict[int, str] = {}
    for _ in range(data.draw(st.integers(1, 60))):
        client_id = data.draw(st.integers(1, 12)) * 2**32
        verb = data.draw(st.sampled_from(["send", "send", "settle", "ack", "expire"]))
        if verb == "send":
            bench.push(client_id)
            bench.sender.poll()
            ((_, kind, code),) = bench.published()
            if kind == SENT:
                assert client_id not in model
                model[client_id] = "sent"
            else:
                assert code == 5
        elif verb == "settle":
            assert bench.sender.settle(client_id) == (model.pop(client_id, None) is not None)
        elif verb == "ack":
            assert bench.sender.acknowledge(client_id, 1) == (
                model.get(client_id) in {"sent", "expired"}
            )
            if model.get(client_id) == "sent":
                model[client_id] = "acked"
            bench.published()
        else:
            expired = {order[0] for order in bench.sender.expire(0)}
            assert expired == {key for key, state in model.items() if state != "expired"}
            model |= dict.fromkeys(expired, "expired")
            bench.published()
        assert {order[0] for order in bench.sender.unsettled()} == set(model)
        assert bench.sender.unsettled_count == len(model)


def test_a_full_execution_ring_is_counted() -> None:
    ring = MpscRing(2)
    publisher = ExecPublisher(ring)
    told = [publisher.publish(1, FILL, 0, ROW, 0, 1.0, 1, 1, 5.5, 0, 1) for _ in range(3)]
    assert told == [True, True, False]
    counters = publisher.counters.as_dict()
    assert (counters["fills"], counters["executions_dropped"]) == (3, 1)


# ---- the buffer pool --------------------------------------------------------------------------


def test_buffer_pool_reports_its_shape_and_refuses_nonsense() -> None:
    pool = BufferPool(4, 600)
    assert (pool.capacity, pool.payload_bytes, pool.available) == (4, 600, 4)
    for shape in ((0, 1), (1025, 1), (1, 0), (1, 2**21), (-1, 600)):
        with pytest.raises(ValueError, match="accepted are"):
            BufferPool(*shape)
    bench = Bench()
    with pytest.raises(ValueError, match="an order frame may need"):
        gateway.OrderSender(0, bench.orders, bench.publisher, BufferPool(1, 64))
