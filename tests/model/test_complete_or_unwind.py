"""Uneven legs: the machine takes the way that costs less, by an independent valuation of both."""

import random
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import pytest
from strategy_rig import BUY, DONE, FILL, GRID, INSTRUMENTS, MID, REJECT, SELL, Rig, enter, fill

from arbitrage.core.messages import Order
from arbitrage.core.records import Leg, split_client_id

TAKER = 5
Levels = list[tuple[float, float]]


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    assert rig.strategy.counters["illegal_moves"] == 0
    rig.close()


def uneven(rig: Rig, bought: int = 27, sold: int = 6, gross: float = 20.0) -> None:
    """Enter symbol 0, buying at Bybit, and end both orders so."""
    buy, sell = enter(rig, gross=gross)
    fill(rig, buy, bought)
    fill(rig, sell, sold)


# ---- the decision, by brute force ---------------------------------------------------------------


def walk(levels: Levels, base: Fraction) -> tuple[Fraction, bool]:
    """Average price of so many base units, the worst level standing in for what is not there."""
    left, cost, worst = base, Fraction(0), Fraction(levels[0][0])
    for px, size in levels:
        taken = min(left, Fraction(size))
        if taken > 0:
            worst = Fraction(px)
        cost, left = cost + taken * Fraction(px), left - taken
    return (cost + left * worst) / base, left <= base / 10**9


def book(rig: Rig, symbol: int, venue: int, side: int, rng: random.Random, steps: int) -> Levels:
    """Put levels behind one side of a row's touch; return them in the common quotation."""
    row, numbers = rig.store.read_row(venue, symbol), INSTRUMENTS[venue, symbol]
    touch = row.bid_px if side == BUY else row.ask_px
    size = steps * GRID[symbol][0] / numbers["qty_mult"]
    scale = MID[symbol] / numbers["px_mult"] * 1e-4
    levels = [(touch, row.bid_qty)]
    for _ in range(rng.randrange(6)):
        step = rng.choice([0.5, 1, 2, 6]) * scale * (-1 if side == BUY else 1)
        levels.append((levels[-1][0] + step, size * rng.choice([0.1, 0.3, 1.0])))
    sides: list[Levels] = [[], []]
    sides[side] = levels
    rig.store.apply_depth(venue, symbol, *sides)
    return [(px * numbers["px_mult"], qty * numbers["qty_mult"]) for px, qty in levels]


def values(
    held_px: float, missing: Fraction, get: Levels, out: Levels, lacks_buy: bool
) -> tuple[Fraction, Fraction, bool]:
    """Return what completing and unwinding bring, bps of the held leg's entry; is it all there."""
    held, sign = Fraction(held_px), -1 if lacks_buy else 1
    get_px, enough = walk(get, missing)
    out_px, _ = walk(out, missing)
    complete = sign * (get_px - held) / held * 10_000 - 3 * TAKER
    unwind = sign * (out_px - held) / held * 10_000 - TAKER
    return complete, unwind, enough


def decided(rig: Rig, symbol: int) -> tuple[str, Order | None]:
    """Return the way the machine took, and the completing order if it sent one."""
    for venue in (0, 1):
        order = rig.take_order(venue)
        if order is not None and order.flags == 0:
            return "complete", order
    return "unwind", None


@pytest.mark.parametrize("seed", range(200))
def test_the_cheaper_way_is_taken(seed: int) -> None:
    check_decision(seed)


def check_decision(seed: int) -> str:
    rng = random.Random(seed)
    rig = Rig(retry_ms=10_000.0)
    symbol, buy_venue = rng.randrange(2), rng.randrange(2)
    buy, sell = enter(rig, symbol, buy_venue, float(rng.randrange(10, 40)))
    step, lots = GRID[symbol]
    total = buy.qty_lots // lots[buy_venue]
    small = rng.choice([BUY, SELL])
    least = rng.randrange(total) if total > 1 else 0
    orders = {BUY: buy, SELL: sell}
    large = orders[1 - small]
    fill(rig, large)
    numbers = INSTRUMENTS[large.venue, symbol]
    top = rig.store.read_row(large.venue, symbol)
    held_px = (top.ask_px if large.side == BUY else top.bid_px) * numbers["px_mult"]

    rig.now += 1_000_000  # the books of now: nothing is reserved in them
    small_order, missing = orders[small], total - least
    shifts = {venue: rng.choice([-30.0, -8.0, 0.0, 4.0, 12.0, 30.0]) for venue in (0, 1)}
    for venue, shift in shifts.items():
        rig.quote(venue, symbol, shift, missing * step / INSTRUMENTS[venue, symbol]["qty_mult"] / 2)
    side_out = BUY if small == SELL else SELL  # the side of the book that a sale, a buy walks
    get = book(rig, symbol, small_order.venue, side_out, rng, missing)
    out = book(rig, symbol, large.venue, side_out, rng, missing)
    if part := least * lots[small_order.venue]:
        rig.tell(small_order, FILL, part, part, px=small_order.px_ticks * numbers["px_tick"])
    rig.tell(small_order, DONE, 0, part)
    way, order = decided(rig, symbol)

    complete, unwind, enough = values(
        held_px, Fraction(missing) * Fraction(step), get, out, small == BUY
    )
    if abs(complete - unwind) > Fraction(1, 10**6):
        assert way == ("complete" if enough and complete > unwind else "unwind"), (
            float(complete), float(unwind), enough,
        )  # fmt: skip
    if order is not None:
        assert order.qty_lots == missing * lots[small_order.venue]
        assert (order.side, order.venue) == (small, small_order.venue)
        assert split_client_id(order.client_id) == (77, 1, Leg.ENTRY_BUY + small, 1)
    assert rig.strategy.counters["illegal_moves"] == 0
    rig.close()
    return way


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("block", range(8))
def test_the_cheaper_way_is_taken_on_many_books(block: int) -> None:
    first = 10_000 + block * 2500
    ways = Counter(check_decision(seed) for seed in range(first, first + 2500))
    print(f"decisions: {ways.total()}, {dict(ways)}")
    assert min(ways["complete"], ways["unwind"]) > 250


# ---- what keeps it from completing --------------------------------------------------------------


def test_what_is_missing_is_completed_where_the_edge_still_stands(rig: Rig) -> None:
    uneven(rig)
    assert rig.phase(0) == "completing"
    more = rig.take_order(1)
    assert (more.flags, more.side, more.qty_lots) == (0, SELL, 12)
    bid = rig.store.read_row(1, 0).bid_px
    assert bid * 0.9999 - 0.1 < more.px_ticks * 0.1 <= bid * 0.9999
    fill(rig, more)
    assert (rig.phase(0), rig.lots(0)) == ("open", (27, 18))
    counters = rig.strategy.counters
    assert (counters["legs_completed"], counters["pairs_opened"], counters["orders"]) == (1, 1, 3)


def test_tries_are_bounded(rig: Rig) -> None:
    uneven(rig)
    for attempt in (1, 2):
        more = rig.take_order(1)
        assert split_client_id(more.client_id).attempt == attempt
        fill(rig, more, 0)
        rig.now += 1
        rig.quote(1, 0, 21.0)
    assert rig.phase(0) == "unwinding"
    assert rig.take_order(1) is None
    assert rig.take_order(0).qty_lots == 18


def kill(rig: Rig) -> None:
    rig.strategy.risk.kill = 1
    rig.strategy.flatten = True


def thin(rig: Rig) -> None:
    rig.now += 1
    rig.quote(1, 0, 21.0, qty=0.1)


SPOILERS = {
    "opening off": lambda rig: setattr(rig.strategy.risk, "opening_off", True),
    "killed and to flatten": kill,
    "flatten": lambda rig: setattr(rig.strategy, "flatten", True),
    "paused": lambda rig: rig.strategy.risk.pause(0),
    "its book is not live": lambda rig: rig.store.apply_state(1, 0, 3),
    "the other book is not live": lambda rig: rig.store.apply_state(0, 0, 3),
    "not enough is there": thin,
    "half the bound is over": lambda rig: rig.poll(101),
}


@pytest.mark.parametrize("spoiler", SPOILERS)
def test_it_unwinds_where_completing_may_not_be(rig: Rig, spoiler: str) -> None:
    buy, sell = enter(rig)
    rig.tell(sell, FILL, 6, 6)
    rig.tell(buy, FILL, 27, 27)
    rig.tell(buy, DONE, 0, 27)
    SPOILERS[spoiler](rig)
    rig.tell(sell, DONE, 0, 6)
    assert rig.phase(0) == "unwinding"
    out = rig.take_order(0)
    assert (out.flags, out.side) == (1, SELL)


def test_a_leg_that_was_refused_is_not_asked_for_again(rig: Rig) -> None:
    buy, sell = enter(rig)
    fill(rig, buy)
    rig.tell(sell, REJECT)
    assert rig.phase(0) == "unwinding"


@pytest.mark.parametrize("venue", [0, 1])
def test_a_stale_book_unwinds(venue: int) -> None:
    rig = Rig(**{f"max_book_age_ms_{('bybit', 'okx')[venue]}": 20.0})
    buy, sell = enter(rig)
    fill(rig, buy)
    rig.now += 30_000_000
    rig.quote(1 - venue, 0, 21.0 if venue == 0 else 0.0)
    fill(rig, sell, 6)
    assert rig.phase(0) == "unwinding"
    assert rig.strategy.counters["refused_stale_book"] == 1
    rig.close()


def test_what_our_own_orders_took_is_not_counted_again(rig: Rig) -> None:
    """The touch held the entry's size and no more: until the book says otherwise, that is gone."""
    rig.opportunity(0, 0)
    rig.quote(1, 0, 21.0, qty=6.0)  # 18 lots of 0.3 contracts are 5.4 of them
    rig.poll()
    buy, sell = rig.take_order(0), rig.take_order(1)
    assert sell.qty_lots == 18
    fill(rig, buy)
    fill(rig, sell, 6)
    assert rig.phase(0) == "unwinding", "0.6 contracts are left for the 3.6 that lack"


def test_a_standing_basis_is_no_reason_to_complete() -> None:
    ways = []
    for basis in (0.0, 20.0):
        rig = Rig(min_excess_bps=-500.0, basis_step_ms=1.0, basis_time_s=0.2)
        rig.quote(0, 0, 0.0)
        rig.quote(1, 0, basis)
        for _ in range(200):
            rig.poll(1.0)
        uneven(rig, gross=24.0)
        ways.append(rig.phase(0))
        rig.close()
    assert ways == ["completing", "unwinding"]
