"""Order frames byte for byte: what msgspec and json make of the same order, for both venues."""

import json
import re
import time
from decimal import Context, Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_order_frames import CODE, REJECT, ROW, SENT, Bench

from arbitrage.core import gateway
from arbitrage.core.send_buffers import BufferPool
from arbitrage.venues.rest_client import ORDER_VALID_MS

EXACT = Context(prec=80)
EXPIRE_MS = 2000  # as Bench says
INT63 = 2**63 - 1
WALL = re.compile(rb"1[0-9]{12}(?=\")")


def decimal_text(count: int, step: Decimal) -> str:
    """Write count steps with every decimal of the step, by way of Decimal."""
    decimals = max(0, -int(step.normalize().as_tuple().exponent))
    return f"{EXACT.multiply(count, step):.{decimals}f}"


def bybit_frame(order: dict[str, Any], px: str, qty: str) -> dict[str, Any]:
    client_id = str(order["client_id"])
    header = {
        "X-BAPI-TIMESTAMP": str(order["wall_ms"]), "X-BAPI-RECV-WINDOW": str(ORDER_VALID_MS),
    }  # fmt: skip
    if order["is_cancel"]:
        args = {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": client_id}
        return {"reqId": f"c{client_id}", "header": header, "op": "order.cancel", "args": [args]}
    return {
        "reqId": client_id,
        "header": header,
        "op": "order.create",
        "args": [
            {
                "category": "linear", "symbol": "BTCUSDT", "side": ("Buy", "Sell")[order["side"]],
                "orderType": "Limit", "qty": qty, "price": px, "timeInForce": "IOC",
                "orderLinkId": client_id, "positionIdx": 0, "reduceOnly": order["reduce_only"],
            }
        ],
    }  # fmt: skip


def okx_frame(order: dict[str, Any], px: str, qty: str) -> dict[str, Any]:
    client_id = str(order["client_id"])
    if order["is_cancel"]:
        args: dict[str, Any] = {"instIdCode": CODE, "clOrdId": client_id}
        return {"id": f"c{client_id}", "op": "cancel-order", "args": [args]}
    args = {
        "instIdCode": CODE, "tdMode": "cross", "side": ("buy", "sell")[order["side"]],
        "ordType": "ioc", "px": px, "sz": qty, "clOrdId": client_id,
    }  # fmt: skip
    if order["reduce_only"]:
        args["reduceOnly"] = True
    return {
        "id": client_id, "op": "order", "args": [args],
        "expTime": str(order["wall_ms"] + EXPIRE_MS),
    }  # fmt: skip


FRAMES = {"bybit": bybit_frame, "okx": okx_frame}
# around each power of ten: where a digit is added, and where a group of eight begins
COUNTS = st.one_of(
    st.integers(1, 10**9),
    st.builds(
        lambda power, shift: max(1, min(INT63, 10**power + shift)),
        st.integers(0, 18), st.integers(-2, 2),
    ),
    st.integers(1, INT63),
)  # fmt: skip
STEPS = st.builds(
    lambda mantissa, decimals: Decimal(mantissa).scaleb(-decimals, EXACT),
    st.sampled_from([1, 2, 5, 25, 125, 10, 100]),
    st.integers(-3, 16),
)


@settings(max_examples=600, deadline=None)
@given(
    venue=st.sampled_from(["bybit", "okx"]),
    tick=STEPS,
    lot=STEPS,
    order=st.fixed_dictionaries(
        {
            "side": st.integers(0, 1),
            "client_id": COUNTS,
            "px_ticks": COUNTS,
            "qty_lots": COUNTS,
            "wall_ms": st.one_of(st.integers(1, 10**13), st.integers(10**12, 10**14)),
            "reduce_only": st.booleans(),
            "is_cancel": st.booleans(),
        }
    ),
)
def test_a_frame_is_what_an_encoder_makes_of_the_same_order(venue, tick, lot, order) -> None:
    frame = Bench(venue, str(tick), str(lot)).sender.encode(row=ROW, **order)
    px, qty = decimal_text(order["px_ticks"], tick), decimal_text(order["qty_lots"], lot)
    counts = [
        count * int(step.normalize().scaleb(max(0, -int(step.normalize().as_tuple().exponent))))
        for count, step in ((order["px_ticks"], tick), (order["qty_lots"], lot))
    ]
    if not order["is_cancel"] and max(counts) > INT63:
        assert frame == b""
        return
    told = FRAMES[venue](order, px, qty)
    assert frame == msgspec.json.encode(told)
    assert frame == json.dumps(told, separators=(",", ":")).encode()


def test_every_length_of_every_number_is_exact() -> None:
    """All digit counts of id, price, quantity and time, at both ends of each."""
    bench = Bench("bybit", "0.01", "0.00000001")
    tick, lot = Decimal("0.01"), Decimal("0.00000001")
    for digits in range(1, 20):
        for count in (10 ** (digits - 1), min(INT63, 10**digits - 1), 10 ** (digits - 1) + 7):
            order = {
                "side": 0, "client_id": count, "px_ticks": count, "qty_lots": count,
                "wall_ms": min(count, 10**17), "reduce_only": False, "is_cancel": False,
            }  # fmt: skip
            told = bybit_frame(order, decimal_text(count, tick), decimal_text(count, lot))
            assert bench.sender.encode(row=ROW, **order) == msgspec.json.encode(told)


# ---- a pool that is empty ------------------------------------------------------------------------


def test_an_order_without_a_buffer_is_refused_and_the_next_one_is_not() -> None:
    """While a line still has the only buffer, what comes meanwhile is told that there is none."""
    bench = Bench(pool=BufferPool(1))
    frames: list[bytes] = []

    def send(_kind: object, frame: bytes) -> None:
        frames.append(frame)
        if len(frames) == 1:
            bench.push(12)
            bench.sender.poll()

    bench.sender.attach(SimpleNamespace(is_disconnected=False, send=send))
    bench.push(11)
    bench.sender.poll()
    assert bench.published() == [(12, REJECT, gateway.REJECT_NO_BUFFER), (11, SENT, 0)]
    assert bench.sender.pool.exhausted_count == 1
    assert (bench.sender.pool.available, bench.sender.pool.available_min) == (1, 0)
    bench.push(13)
    bench.sender.poll()
    assert bench.published() == [(13, SENT, 0)]
    assert [json.loads(frame)["reqId"] for frame in frames] == ["11", "13"]


def test_a_line_that_fails_gives_its_buffer_back() -> None:
    bench = Bench(pool=BufferPool(1))

    def send(_kind: object, _frame: bytes) -> None:
        raise ConnectionError("gone")

    bench.sender.attach(SimpleNamespace(is_disconnected=False, send=send))
    bench.push(11)
    with pytest.raises(ConnectionError):
        bench.sender.poll()
    assert bench.sender.pool.available == 1


def test_gateways_may_share_a_pool() -> None:
    pool = BufferPool(2)
    benches = [Bench("bybit", pool=pool), Bench("okx", pool=pool)]
    for bench in benches:
        bench.sender.attach(SimpleNamespace(is_disconnected=False, send=lambda *_: None))
        bench.push(7)
        bench.sender.poll()
        assert bench.published() == [(7, SENT, 0)]
    assert (pool.available, pool.available_min, pool.exhausted_count) == (2, 1, 0)


# ---- rehearsals ----------------------------------------------------------------------------------


def rehearse(bench: Bench, count: int) -> None:
    """Poll with nothing to send until so many more orders were rehearsed."""
    wanted, end_s = bench.sender.rehearsed_count + count, time.monotonic() + 30
    while bench.sender.rehearsed_count < wanted:
        assert bench.sender.poll() == 0
        assert time.monotonic() < end_s


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_a_rehearsed_order_leaves_no_trace(venue: str) -> None:
    bench, silent = Bench(venue, pool=BufferPool(1)), Bench(venue)
    frames: dict[Bench, list[bytes]] = {bench: [], silent: []}
    for each in (bench, silent):
        send = frames[each].append
        line = SimpleNamespace(is_disconnected=False, send=lambda _, frame, send=send: send(frame))
        each.sender.attach(line)
    before = bench.publisher.counters.as_dict()
    bench.sender.keep_warm(True)
    rehearse(bench, 20)
    assert (frames[bench], bench.published(), bench.sender.unsettled_count) == ([], [], 0)
    assert bench.publisher.counters.as_dict() == before
    assert (bench.sender.pool.available, bench.sender.pool.exhausted_count) == (1, 0)
    for client_id in (11, 12, 13):
        for each in (bench, silent):
            each.push(client_id)
            assert each.sender.poll() == 1
        rehearse(bench, 3)
    # the same but for the time that was stamped
    numbers = [[WALL.sub(b"", frame) for frame in frames[each]] for each in (bench, silent)]
    assert numbers[0] == numbers[1]
    assert bench.published() == silent.published() == [(number, SENT, 0) for number in (11, 12, 13)]
    assert bench.sender.unsettled() != []


def test_nothing_is_rehearsed_unless_that_is_wanted() -> None:
    bench = Bench()
    for _ in range(100):
        bench.sender.poll()
    assert bench.sender.rehearsed_count == 0
    bench.sender.keep_warm(True)
    rehearse(bench, 1)
    bench.sender.keep_warm(False)
    before = bench.sender.rehearsed_count
    for _ in range(100):
        bench.sender.poll()
    assert bench.sender.rehearsed_count == before
