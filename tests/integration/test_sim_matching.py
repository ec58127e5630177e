"""Matching and money: what fills, what is cancelled, and equity that is exact to the last digit."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.sim.instruments import listed
from arbitrage.sim.matching import BUY, SELL, Fill, Matcher, Order, Reject, plain


class Log:
    def __init__(self) -> None:
        self.accepted: list[Order] = []
        self.fills: list[Fill] = []
        self.ended: list[Order] = []
        self.amended: list[Order] = []
        self.matched: list[Order] = []

    def order_accepted(self, order: Order) -> None:
        self.accepted.append(order)

    def order_filled(self, order: Order, fill: Fill) -> None:
        self.fills.append(fill)

    def order_ended(self, order: Order) -> None:
        self.ended.append(order)

    def order_matched(self, order: Order) -> None:
        self.matched.append(order)

    def order_amended(self, order: Order) -> None:
        self.amended.append(order)


class Desk:
    """A matcher with a book at 840000/840001 ticks, 100 lots a side."""

    def __init__(self, venue: str = "bybit", balance: str = "1000000") -> None:
        self.items = listed(venue, ("BTCUSDT", "ETHUSDT"))
        self.log = Log()
        self.matcher = Matcher(self.items, self.log, Decimal(balance), Decimal("5.5"))
        self.ids = 0
        self.book()

    def book(self, bid: int = 840_000, ask: int = 840_001, bid_lots: int = 100,
             ask_lots: int = 100, index: int = 0) -> None:
        self.matcher.books[index].set(bid, ask, bid_lots, ask_lots, self.ids)
        self.matcher.on_book(index, self.ids)

    def send(self, side: int, lots: int, ticks: int = 0, tif: str = "IOC", client: str = "",
             reduce_only: bool = False, index: int = 0) -> Order:
        self.ids += 1
        kind = "limit" if ticks else "market"
        order = Order(self.items[index], side, kind, tif, ticks, lots, client, reduce_only)
        self.matcher.submit(order, str(self.ids), self.ids)
        return order


def test_ioc_takes_the_touch_and_cancels_the_rest() -> None:
    desk = Desk()
    order = desk.send(BUY, 130, 840_005)
    assert (order.filled_lots, order.state, order.reason) == (100, "cancelled", "ioc")
    assert desk.log.fills[0].ticks == 840_001, "filled at the quote, not at its own limit"
    assert order.average_px == Decimal("84000.1")


def test_taken_quantity_stays_gone_until_the_book_moves() -> None:
    desk = Desk()
    assert desk.send(BUY, 60, 840_001).state == "filled"
    assert desk.send(BUY, 60, 840_001).filled_lots == 40
    assert desk.send(BUY, 60, 840_001).filled_lots == 0
    assert desk.send(SELL, 60, 840_000).state == "filled", "the other side is untouched"
    desk.book()
    assert desk.send(BUY, 60, 840_001).state == "filled"


def test_ioc_away_from_the_touch_fills_nothing() -> None:
    desk = Desk()
    assert desk.send(BUY, 10, 840_000).reason == "ioc"
    assert desk.send(SELL, 10, 840_001).filled_lots == 0
    assert not desk.log.fills


def test_fok_is_all_or_nothing() -> None:
    desk = Desk()
    assert desk.send(BUY, 101, 840_001, "FOK").reason == "fok"
    assert desk.send(BUY, 100, 840_001, "FOK").state == "filled"


def test_post_only_rests_or_is_cancelled() -> None:
    desk = Desk()
    assert desk.send(BUY, 10, 840_001, "POST").reason == "post_only"
    resting = desk.send(BUY, 10, 840_000, "POST")
    assert resting.state == "new"
    desk.book(839_990, 839_995, ask_lots=4)
    assert (resting.state, resting.filled_lots) == ("partial", 4)
    desk.book(839_990, 839_995)
    assert resting.state == "filled"
    fill = desk.log.fills[-1]
    assert (fill.maker, fill.ticks, fill.fee) == (True, 840_000, fill.notional * 2 / 10_000)


def test_limit_rests_with_what_it_could_not_take() -> None:
    desk = Desk()
    order = desk.send(SELL, 150, 840_000, "GTC")
    assert (order.state, order.filled_lots, order.open_lots) == ("partial", 100, 50)
    desk.matcher.cancel(order, "user", 9)
    assert (order.state, order.open_lots, desk.matcher.resting[0]) == ("cancelled", 0, {})
    with pytest.raises(Reject, match="NOT_FOUND"):
        desk.matcher.cancel(order, "user", 10)


def test_reduce_only_reduces_and_never_turns() -> None:
    desk = Desk()
    with pytest.raises(Reject, match="NO_POSITION"):
        desk.send(SELL, 10, 840_000, reduce_only=True)
    desk.send(BUY, 30, 840_001)
    with pytest.raises(Reject, match="NO_POSITION"):
        desk.send(BUY, 10, 840_001, reduce_only=True)
    order = desk.send(SELL, 50, 840_000, reduce_only=True)
    assert (order.filled_lots, order.reason) == (30, "reduce_only")
    assert desk.matcher.positions[0].lots == 0


@pytest.mark.parametrize(("ticks", "side"), [(860_000, BUY), (820_000, SELL)])
def test_prices_far_from_the_mark_are_refused(ticks: int, side: int) -> None:
    with pytest.raises(Reject, match="PRICE_BAND"):
        Desk().send(side, 10, ticks)


def test_balance_is_margin_at_ten_times() -> None:
    desk = Desk(balance="100")
    with pytest.raises(Reject, match="BALANCE"):
        desk.send(BUY, 12, 840_001)  # 1008 USD needs 100.8
    desk.send(BUY, 11, 840_001)
    assert desk.send(SELL, 11, 840_000).state == "filled", "leaving needs no margin"


def test_no_quote_no_order_and_refusals_leave_the_id_free() -> None:
    desk = Desk()
    desk.book(0, 0, 0, 0)
    with pytest.raises(Reject, match="NO_QUOTE"):
        desk.send(BUY, 1, 840_001, client="a")
    desk.book()
    desk.send(BUY, 1, 840_001, client="a")
    with pytest.raises(Reject, match="DUPLICATE"):
        desk.send(BUY, 1, 840_001, client="a")


def test_funding_moves_cash_from_longs_to_shorts() -> None:
    desk = Desk()
    desk.send(SELL, 10, 840_000)
    before = desk.matcher.equity()
    flow = desk.matcher.settle_funding(0, Decimal("0.0001"), 5)
    assert flow == Decimal("0.010") * Decimal("84000.05") * Decimal("0.0001")
    assert desk.matcher.equity() - before == flow > 0


step = st.one_of(
    st.tuples(st.just("order"), st.sampled_from((BUY, SELL)), st.integers(1, 150),
              st.integers(-3, 3), st.sampled_from(("IOC", "GTC", "FOK", "POST")), st.booleans(),
              st.integers(0, 1)),
    st.tuples(st.just("book"), st.integers(839_000, 841_000), st.integers(1, 3),
              st.integers(0, 120), st.integers(0, 120), st.integers(0, 1)),
    st.tuples(st.just("funding"), st.integers(-1000, 1000), st.integers(0, 1)),
)


def apply(desk: Desk, action: tuple[Any, ...], flows: list[Fraction]) -> None:
    if action[0] == "book":
        _, bid, width, bid_lots, ask_lots, index = action
        desk.book(bid, bid + width, bid_lots, ask_lots, index)
    elif action[0] == "funding":
        flow = desk.matcher.settle_funding(action[2], Decimal(action[1]).scaleb(-7), 0)
        flows.append(Fraction(flow))
    else:
        _, side, lots, offset, tif, reduce_only, index = action
        book = desk.matcher.books[index]
        try:
            desk.send(side, lots, book.bid_ticks + offset, tif, "", reduce_only, index)
        except Reject:
            return


@settings(max_examples=60, deadline=None)
@given(venue=st.sampled_from(("bybit", "okx")), actions=st.lists(step, max_size=40))
def test_equity_is_exactly_the_cash_flows(venue: str, actions: list[tuple[Any, ...]]) -> None:
    desk = Desk(venue)
    desk.book(index=1)
    flows: list[Fraction] = []
    for action in actions:
        apply(desk, action, flows)
    matcher = desk.matcher
    held = [0, 0]
    for fill in desk.log.fills:
        item = fill.order.instrument
        notional = (Fraction(item.tick) * fill.ticks * Fraction(item.lot) * fill.lots
                    * Fraction(item.contract_value))
        rate = Fraction(2 if fill.maker else Fraction(11, 2)) / 10_000
        flows.append(-notional * fill.order.side - notional * rate)
        held[item.index] += fill.lots * fill.order.side
    value = sum(
        (Fraction(item.lot) * held[item.index] * Fraction(item.contract_value)
         * Fraction(matcher.mark(item.index)) for item in desk.items), Fraction(0))
    assert [p.lots for p in matcher.positions] == held
    assert Fraction(matcher.equity()) == Fraction(matcher.start) + sum(flows, Fraction(0)) + value
    for order in matcher.orders.values():  # quantity is conserved
        assert order.filled_lots == sum(f.lots for f in desk.log.fills if f.order is order)
        cancelled = order.lots - order.filled_lots if order.state == "cancelled" else 0
        assert order.filled_lots + cancelled + order.open_lots == order.lots
    for index, resting in enumerate(matcher.resting):
        assert all(o.is_open and o.instrument.index == index for o in resting.values())
    flat = [p for p in matcher.positions if p.lots == 0]
    assert all(p.basis == 0 for p in flat), "a flat position carries no cost"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-10**9,
                   max_value=10**9))
def test_plain_numbers_keep_their_value(value: Decimal) -> None:
    text = plain(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert text != "-0"
    assert not (("." in text) and text.endswith("0"))
