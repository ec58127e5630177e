"""Paper trading: immediate-or-cancel at the touch, nothing invented."""

from decimal import Decimal
from typing import Any

import pytest

from arbitrage.core.messages import Order
from arbitrage.core.ring import SpscRing
from arbitrage.core.store import ROW_STALE, MarketStore
from arbitrage.instruments import Instrument
from arbitrage.trading.ledger import Ledger
from arbitrage.trading.paper import PaperGateway

SENT, ACK, REJECT, FILL, DONE = range(5)
BYBIT = Instrument(
    venue="bybit", venue_symbol="1000PEPEUSDT", symbol="PEPEUSDT", base="PEPE", settle="USDT",
    contract_base_qty=Decimal(1), tick=Decimal("0.0001"), lot=Decimal(100), min_qty=Decimal(100),
    max_qty=Decimal(0), px_mult=Decimal("0.001"),
)  # fmt: skip


class Publisher:
    """Remembers what was published; full as long as `full` is set."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.full = False

    def publish(self, *told: Any) -> bool:
        if not self.full:
            self.told.append(told)
        return not self.full

    def kinds(self) -> list[int]:
        return [told[1] for told in self.told]


class Paper:
    def __init__(self, latency_ms: float = 0.0) -> None:
        self.store = MarketStore(2, 2)
        self.store.set_instrument(0, px_mult=0.001, qty_mult=1000.0, taker_bps=5.5)
        self.ring, self.publisher, self.ledger = SpscRing(8), Publisher(), Ledger()
        self.gateway = PaperGateway(
            self.store, [self.ring], [self.publisher], {0: BYBIT}, latency_ms=latency_ms,
            on_fill=self.ledger.apply_fill,
        )  # fmt: skip
        self.client_id = 0

    def order(self, side: int, ticks: int, lots: int, flags: int = 0, row: int = 0) -> None:
        self.client_id += 1
        fields = dict.fromkeys(Order._fields, 0) | {
            "client_id": self.client_id, "side": side, "px_ticks": ticks, "qty_lots": lots,
            "flags": flags, "row": row,
        }  # fmt: skip
        assert self.ring.try_push(Order(**fields).pack())

    def quote(self, bid: float, ask: float, lots: float = 10) -> None:
        self.store.apply_quote(0, 0, bid, ask, lots * 100, lots * 100)


def test_a_crossing_order_fills_at_the_touch_not_at_its_limit() -> None:
    paper = Paper()
    paper.quote(0.0100, 0.0101)
    paper.order(0, 105, 3)
    paper.gateway.poll(1)
    assert paper.publisher.kinds() == [SENT, ACK, FILL, DONE]
    fill = paper.publisher.told[2]
    assert fill[5:9] == (0.0101, 3, 3, 5.5)
    view = paper.ledger.position("bybit", "PEPEUSDT")
    assert view.qty_base == 300_000
    assert view.avg_entry_px == Decimal("0.0000101")
    assert view.fees == -Decimal("0.0000101") * 300_000 * Decimal("0.00055")


def test_what_the_limit_does_not_reach_is_cancelled() -> None:
    paper = Paper()
    paper.quote(0.0100, 0.0101)
    paper.order(0, 100, 3)
    paper.order(1, 101, 3)
    paper.gateway.poll(1)
    assert paper.publisher.kinds() == [SENT, SENT, ACK, DONE, ACK, DONE]
    assert paper.ledger.fill_count == 0


def test_a_quote_gives_its_quantity_once() -> None:
    paper = Paper()
    paper.quote(0.0100, 0.0101, lots=4)
    paper.order(0, 101, 3)
    paper.order(0, 101, 3)
    paper.gateway.poll(1)
    assert paper.gateway.position_lots[0] == 4
    paper.quote(0.0100, 0.0101, lots=4)
    paper.order(0, 101, 3)
    paper.gateway.poll(2)
    assert paper.gateway.position_lots[0] == 7


def test_an_order_goes_behind_the_touch_as_far_as_its_limit_and_depth_reach() -> None:
    paper = Paper()
    paper.quote(0.0100, 0.0101, lots=4)
    asks = [(0.0100, 900), (0.0101, 900), (0.0102, 300), (0.0104, 500), (0.0109, 900)]
    paper.store.apply_depth(0, 0, [(0.0099, 200)], asks)  # older than the touch: that counts
    paper.order(0, 105, 9)
    paper.order(0, 105, 9)
    paper.gateway.poll(1)
    fills = [told[5:8] for told in paper.publisher.told if told[1] == FILL]
    assert fills == [(0.0101, 4, 4), (0.0102, 3, 7), (0.0104, 2, 9), (0.0104, 3, 3)]
    assert [told[7] for told in paper.publisher.told if told[1] == DONE] == [9, 3]
    assert paper.gateway.position_lots[0] == 12
    paper.order(1, 99, 20, flags=1)
    paper.gateway.poll(2)
    assert paper.gateway.position_lots[0] == 12 - 4 - 2


def test_reduce_only_reduces_and_no_more() -> None:
    paper = Paper()
    paper.quote(0.0100, 0.0101)
    paper.order(1, 100, 3, flags=1)
    paper.gateway.poll(1)
    assert paper.publisher.kinds() == [SENT, REJECT]
    paper.order(0, 101, 3)
    paper.order(1, 100, 5, flags=1)
    paper.gateway.poll(2)
    assert paper.gateway.position_lots[0] == 0
    assert paper.ledger.open_legs == 0


def test_an_order_meets_the_book_of_its_arrival() -> None:
    paper = Paper(latency_ms=5)
    paper.quote(0.0100, 0.0101)
    paper.order(0, 101, 3)
    paper.gateway.poll(1_000_000)
    assert (paper.gateway.waiting, paper.publisher.kinds()) == (1, [SENT])
    paper.quote(0.0102, 0.0103)
    paper.gateway.poll(5_999_999)
    assert paper.gateway.waiting == 1
    paper.gateway.poll(6_000_000)
    assert paper.publisher.kinds() == [SENT, ACK, DONE]


def test_a_row_that_is_not_live_fills_nothing() -> None:
    paper = Paper()
    paper.quote(0.0100, 0.0101)
    paper.store.apply_state(0, 0, ROW_STALE)
    paper.order(0, 101, 3)
    paper.gateway.poll(1)
    assert paper.publisher.kinds() == [SENT, ACK, DONE]


def test_an_unknown_row_is_rejected() -> None:
    paper = Paper()
    paper.order(0, 101, 3, row=1)
    paper.gateway.poll(1)
    assert paper.publisher.kinds() == [SENT, REJECT]


def test_executions_wait_for_a_full_ring_in_order() -> None:
    paper = Paper()
    paper.quote(0.0100, 0.0101)
    paper.publisher.full = True
    paper.order(0, 101, 3)
    paper.gateway.poll(1)
    assert paper.publisher.told == []
    paper.publisher.full = False
    assert paper.gateway.poll(2) == 4
    assert paper.publisher.kinds() == [SENT, ACK, FILL, DONE]


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="latency_ms was -1"):
        Paper(latency_ms=-1)
