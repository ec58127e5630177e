"""What does one order frame cost, and what would the same be in Python?"""

import ctypes
import json
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from arbitrage.venues.bybit.order_gateway import order_text as bybit_text
from arbitrage.venues.okx.order_gateway import order_text as okx_text
from benchmarks.harness import (
    BATCH,
    Question,
    Row,
    Samples,
    Setup,
    interleave,
    python_batches,
    versus,
)
from benchmarks.native import doubles, load

__all__ = ["QUESTIONS", "encode_ns", "orders_in_python", "texts"]

BATCHES = 40
PYTHON_BATCHES = 8
GRIDS = {"bybit": (Decimal("0.1"), Decimal("0.001")), "okx": (Decimal("0.1"), Decimal("0.01"))}
OKX_CODE = 10459
WALL_MS = 1_790_439_594_900


@cache
def texts(venue: str) -> tuple[bytes, ...]:
    """Return the marked texts of a venue's four orders: buy, sell, and both reduce-only."""
    name: Any = "BTCUSDT" if venue == "bybit" else OKX_CODE
    text: Callable[[Any, int, bool], bytes] = bybit_text if venue == "bybit" else okx_text
    return tuple(text(name, side, reduce) for reduce in (False, True) for side in (0, 1))


def _library() -> ctypes.CDLL:
    library = load("order_frames")
    library.desk_new.restype = ctypes.c_void_p
    library.desk_free.argtypes = [ctypes.c_void_p]
    library.encode_pass.restype = ctypes.c_uint64
    return library


def _desk(library: ctypes.CDLL, venue: str) -> ctypes.c_void_p:
    text, words = texts(venue)[0], []
    for step in GRIDS[venue]:
        whole = step.as_tuple()
        assert isinstance(whole.exponent, int)
        words += [ctypes.c_int64(whole.digits[0]), ctypes.c_uint32(-whole.exponent)]
    return ctypes.c_void_p(library.desk_new(text, ctypes.c_uint64(len(text)), *words))


def _assert_right(library: ctypes.CDLL, desk: ctypes.c_void_p, venue: str) -> None:
    """Frames are valid JSON, and their numbers those that were ordered."""
    out = ctypes.create_string_buffer(1024)
    for number in range(BATCH):
        count = library.encode_one(desk, ctypes.c_uint64(number), ctypes.c_int64(WALL_MS), out)
        order = json.loads(out.raw[:count])["args"][0]
        found = [
            Decimal(order[key]) for key in (("price", "qty") if venue == "bybit" else ("px", "sz"))
        ]
        px, qty = GRIDS[venue]
        assert found == [px * (600_000 + number * 7919 % 10_007), qty * (1 + number * 31 % 997)]


def encode_ns(venue: str) -> float:
    """Return what one frame of a venue takes now."""
    library, out = _library(), doubles(BATCHES)
    desk = _desk(library, venue)
    library.encode_pass(desk, ctypes.c_uint64(BATCHES), ctypes.c_uint64(BATCH), out)
    library.desk_free(desk)
    return float(np.median(np.array(out)))


def orders_in_python(client_id: int, px: float, qty: float) -> tuple[bytes, bytes]:
    """Return both venues' order frames the way one would write them in Python."""
    import orjson

    bybit = {
        "reqId": str(client_id),
        "header": {"X-BAPI-TIMESTAMP": str(WALL_MS), "X-BAPI-RECV-WINDOW": "1000"},
        "op": "order.create",
        "args": [
            {
                "category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit",
                "qty": f"{qty:.3f}", "price": f"{px:.1f}", "timeInForce": "IOC",
                "orderLinkId": str(client_id), "positionIdx": 0, "reduceOnly": False,
            }
        ],
    }  # fmt: skip
    okx = {
        "id": str(client_id),
        "op": "order",
        "args": [
            {
                "instIdCode": OKX_CODE, "tdMode": "cross", "side": "sell", "ordType": "ioc",
                "px": f"{px:.1f}", "sz": f"{qty * 100:.2f}", "clOrdId": str(client_id),
            }
        ],
        "expTime": str(WALL_MS + 1000),
    }  # fmt: skip
    return orjson.dumps(bybit), orjson.dumps(okx)


def measure(setup: Setup) -> Row:
    library = _library()
    desks = [_desk(library, venue) for venue in ("bybit", "okx")]
    for desk, venue in zip(desks, ("bybit", "okx"), strict=True):
        _assert_right(library, desk, venue)
    sizes = ctypes.c_uint64(BATCHES), ctypes.c_uint64(BATCH)

    def ours() -> Samples:
        out, both = doubles(BATCHES), np.zeros(BATCHES)
        for desk in desks:
            assert library.encode_pass(desk, *sizes, out) > 0
            both += np.array(out)
        return both

    def floor() -> Samples:
        out, both = doubles(BATCHES), np.zeros(BATCHES)
        for desk, venue in zip(desks, ("bybit", "okx"), strict=True):
            library.copy_pass(desk, *sizes, ctypes.c_uint64(len(texts(venue)[0])), out)
            both += np.array(out)
        return both

    def python(batch: int) -> None:
        for number in range(BATCH):
            orders_in_python(batch * BATCH + number, 60_000.1 + number, 0.016)

    found = interleave(
        setup,
        {"ours": ours, "floor": floor, "python": lambda: python_batches(PYTHON_BATCHES, python)},
    )
    for desk in desks:
        library.desk_free(desk)
    return Row(
        name="order_frames",
        unit="ns/pair of frames",
        **versus(found["ours"], found["floor"], found["python"]),
        floor="texts as long copied into the same buffers",
        peer="two dictionaries by orjson",
        n=found["ours"].n * BATCH,
        note="both venues' frames: buffer taken, template copied, id, price, quantity and time "
        "written; numbers asserted by json and Decimal",
    )


QUESTIONS = (Question("order_frames", 1, measure, "both order frames of a pair, encoded"),)
