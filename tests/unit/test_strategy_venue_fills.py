"""Fills a venue makes by itself, and what an ended pair brought, to the micro-dollar."""

import math
import random
from collections.abc import Iterator
from fractions import Fraction

import pytest
from strategy_rig import (
    ACK,
    BUY,
    DONE,
    FILL,
    INSTRUMENTS,
    REJECT,
    SELL,
    Rig,
    enter,
    execution,
    fill,
    stand,
)

from arbitrage.core.messages import Order
from arbitrage.core.strategy import EVENTS, EXIT_REASONS


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    assert rig.strategy.counters["illegal_moves"] == 0
    rig.close()


def reason(rig: Rig) -> str:
    return str(rig.strategy.pair(0)["reason"])


# ---- a leg is lost -------------------------------------------------------------------------------


@pytest.mark.parametrize("lots", [18, 5], ids=["liquidated", "deleveraged in part"])
def test_what_is_left_of_a_pair_is_unwound_at_once(rig: Rig, lots: int) -> None:
    stand(rig)
    rig.venue_fill(1, 0, BUY, lots, 101.0)
    assert (rig.phase(0), reason(rig), rig.lots(0)) == ("unwinding", "leg_lost", (27, 18 - lots))
    out = rig.take_order(0)
    assert (out.side, out.flags, out.qty_lots) == (SELL, 1, 27)
    fill(rig, out)
    if lots < 18:
        back = rig.take_order(1)
        assert (back.side, back.flags, back.qty_lots) == (BUY, 1, 13)
        fill(rig, back)
    assert rig.take_order(1) is None
    assert rig.strategy.live_pairs == 0
    closed = rig.take_events()[-1]
    assert (EVENTS[closed.event], EXIT_REASONS[closed.reason]) == ("closed", "leg_lost")
    assert rig.strategy.counters["venue_fills"] == 1
    assert rig.strategy.risk.gross_usd == 0.0


def test_both_legs_lost_end_the_pair_without_an_order(rig: Rig) -> None:
    stand(rig)
    rig.venue_fill(1, 0, BUY, 18, 101.0)
    rig.take_order(0)
    rig.venue_fill(0, 0, SELL, 27, 99.0)
    assert rig.phase(0) == "unwinding", "our own order is not over yet"
    assert rig.lots(0) == (0, 0)


def test_a_strangers_trade_that_adds_to_a_leg_is_taken_back_with_the_rest(rig: Rig) -> None:
    stand(rig)
    rig.venue_fill(0, 0, BUY, 3, 100.0)
    assert (rig.lots(0), reason(rig)) == ((30, 18), "leg_lost")
    assert rig.take_order(0).qty_lots == 30


def test_a_leg_lost_while_reducing_to_a_target_leaves_nothing_standing() -> None:
    rig = Rig(complete_tries=0)
    buy, sell = enter(rig)
    fill(rig, buy)
    fill(rig, sell, 12)
    assert (rig.phase(0), rig.take_order(0).qty_lots) == ("unwinding", 9)
    rig.venue_fill(1, 0, BUY, 2, 101.0)
    assert (rig.phase(0), reason(rig)) == ("unwinding", "leg_lost")
    assert rig.take_order(1).qty_lots == 10
    rig.close()


def test_a_leg_lost_while_the_pair_closes_is_one_order_less(rig: Rig) -> None:
    stand(rig)
    rig.strategy.flatten = True
    rig.poll()
    rig.take_order(0)
    back = rig.take_order(1)
    rig.venue_fill(1, 0, BUY, 18, 101.0)
    rig.tell(back, REJECT)  # nothing left to reduce
    assert (rig.phase(0), reason(rig), rig.lots(0)) == ("closing", "flatten", (27, 0))
    rig.poll(100)
    assert rig.take_order(1) is None


def test_a_fill_on_a_row_without_a_pair_is_counted_and_journaled(rig: Rig) -> None:
    rig.venue_fill(0, 0, SELL, 5, 100.0)
    stand(rig)
    rig.venue_fill(0, 1, SELL, 5, 100.0)
    rig.venue_fill(0, 0, SELL, 0, 100.0)  # not a fill
    counters = rig.strategy.counters
    assert (counters["venue_fills"], counters["venue_fills_stray"]) == (0, 3)
    assert rig.lots(0) == (27, 18)
    assert [record.type for record in rig.journal].count("EXEC") == 3 + 4


def test_a_killed_trader_only_notes_what_it_lost(rig: Rig) -> None:
    stand(rig)
    rig.strategy.risk.kill = 1
    rig.venue_fill(1, 0, BUY, 18, 101.0)
    rig.poll(100)
    assert (rig.phase(0), rig.take_order(0)) == ("unwinding", None)
    rig.poll(200)
    assert rig.phase(0) == "broken", "times run on"
    assert rig.take_order(0) is None
    rig.strategy.flatten = True
    rig.poll()
    fill(rig, rig.take_order(0))
    assert rig.strategy.live_pairs == 0


# ---- what a pair brought -------------------------------------------------------------------------


class Books:
    """What every fill brought, exactly; fees as stated, else the row's."""

    def __init__(self) -> None:
        self.usd = Fraction(0)

    def add(self, order: Order, side: int, lots: int, ticks: int, fee_bps: float | None) -> None:
        numbers = INSTRUMENTS[order.venue, order.symbol_index]
        lot_base = Fraction(str(numbers["qty_lot"])) * Fraction(str(numbers["qty_mult"]))
        px = ticks * Fraction(str(numbers["px_tick"])) * Fraction(str(numbers["px_mult"]))
        notional = lots * lot_base * px
        fee = Fraction(5) if fee_bps is None else Fraction(fee_bps)
        self.usd += (notional if side == SELL else -notional) - notional * fee / 10_000


def play(rig: Rig, books: Books, order: Order, rng: random.Random, lots: int) -> None:
    """Fill an order in parts, at prices and fees of its own each; the end may come before them."""
    told, left = [], lots
    tick = INSTRUMENTS[order.venue, order.symbol_index]["px_tick"]
    while left:
        part = rng.randrange(1, left + 1)
        ticks = order.px_ticks + rng.randrange(-3, 4)
        fee = rng.choice([5.0, 2.25, -1.5, None])
        stated = math.nan if fee is None else fee
        told.append(execution(order, FILL, part, -1, rig.now, px=ticks * tick, fee_bps=stated))
        books.add(order, order.side, part, ticks, fee)
        left -= part
    told.append(execution(order, DONE, 0, lots, rig.now))
    rng.shuffle(told)
    for one in [execution(order, ACK, now=rig.now), *told]:
        rig.push(one)
    rig.poll()


@pytest.mark.parametrize("seed", range(60))
def test_the_gate_hears_what_each_pair_brought_to_the_micro_dollar(rig: Rig, seed: int) -> None:
    rng, books = random.Random(seed), Books()
    rig.strategy.risk.begin_day(0.0, 1)
    before = rig.strategy.risk.day_result_usd
    symbol, buy_venue = rng.randrange(2), rng.randrange(2)
    orders = enter(rig, symbol, buy_venue, 30.0)
    for order in orders:
        lots = rng.choice([order.qty_lots, rng.randrange(order.qty_lots + 1)])
        play(rig, books, order, rng, lots)
    if rng.random() < 0.3 and rig.lots(symbol)[0]:
        row, lots = rig.store.read_row(buy_venue, symbol), rig.lots(symbol)[0]
        tick = INSTRUMENTS[buy_venue, symbol]["px_tick"]
        ticks = round(row.bid_px / tick)
        rig.venue_fill(buy_venue, symbol, SELL, lots, ticks * tick)
        books.add(orders[0], SELL, lots, ticks, None)
    rig.strategy.flatten = True
    for _ in range(50):
        rig.poll(20.0)
        for venue in (0, 1):
            while order := rig.take_order(venue):
                play(rig, books, order, rng, rng.choice([order.qty_lots, order.qty_lots // 2]))
    assert rig.strategy.live_pairs == 0
    found = rig.strategy.risk.day_result_usd - before
    assert found == pytest.approx(float(books.usd), abs=2e-6)
