"""Sizing from depth: what a position costs beyond the touch, and how much of it still pays."""

import math
import random
from collections.abc import Iterator
from fractions import Fraction

import pytest
from strategy_rig import GRID, INSTRUMENTS, MID, Rig

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.store import MarketStore

Levels = list[tuple[float, float]]
TAKER = 5.0
FEES = 4 * TAKER
THIN = 5


# ---- the specification, exactly -----------------------------------------------------------------


def reached(levels: Levels, qty: Fraction) -> Fraction | None:
    """The price at which the next coin after qty is; None: the levels end there."""
    for px, size in levels:
        qty -= Fraction(size)
        if qty < 0:
            return Fraction(px)
    return None


def paid(levels: Levels, qty: Fraction) -> Fraction:
    """What qty costs, from the best level on."""
    total = Fraction(0)
    for px, size in levels:
        taken = min(qty, Fraction(size))
        total, qty = total + taken * Fraction(px), qty - taken
    return total


def still_pays(asks: Levels, bids: Levels, floor_bps: float) -> Fraction:
    """The largest quantity each further coin of which has an edge above the floor."""
    ends = {Fraction(0)}
    for levels in (asks, bids):
        total = Fraction(0)
        for _, size in levels:
            total += Fraction(size)
            ends.add(total)
    floor = Fraction(floor_bps) * Fraction(asks[0][0]) / 10_000
    touch = min(Fraction(asks[0][1]), Fraction(bids[0][1]))
    for end in sorted(ends):
        ask, bid = reached(asks, end), reached(bids, end)
        if ask is None or bid is None or (end >= touch and not bid - ask > floor):
            return end
    raise AssertionError


def slippage_bps(asks: Levels, bids: Levels, qty: Fraction) -> float:
    if qty == 0:
        return 0.0
    ask, bid = Fraction(asks[0][0]), Fraction(bids[0][0])
    lost = (paid(asks, qty) - qty * ask) + (qty * bid - paid(bids, qty))
    return float(lost / qty / ask * 10_000)


def ladders(rng: random.Random, gap: float) -> tuple[Levels, Levels]:
    """Asks around 100 and bids a gap above them, each falling behind its touch."""
    asks = [(100.0, float(rng.randrange(1, 9)))]
    bids = [(100.0 + gap, float(rng.randrange(1, 9)))]
    for levels, sign in ((asks, 1), (bids, -1)):
        for _ in range(rng.randrange(10)):
            step = sign * rng.randrange(1, 12) / 64
            levels.append((levels[-1][0] + step, float(rng.randrange(1, 9))))
    return asks, bids


# ---- detector -----------------------------------------------------------------------------------


def detect(
    asks: Levels, bids: Levels, position: float, factor: float, depth: tuple[bool, bool],
    mult: float = 1.0,
) -> tuple[float, float, float] | int | None:  # fmt: skip
    """Return (slippage, net, gross) of the opportunity to buy at Bybit; why not; None: silence."""
    store = MarketStore(2, 1)
    for venue, bundle in (("bybit", mult), ("okx", 1.0)):
        store.set_instrument(
            store.row(venue, 0), px_mult=1 / bundle, qty_mult=bundle, taker_bps=TAKER
        )
    detector = OpportunityDetector(
        store, position_notional=position, depth_factor=factor, min_gross_bps=None,
        wall_minus_mono_ns=0,
    )  # fmt: skip
    if depth[0]:
        store.apply_depth("bybit", 0, [], [(px * mult, qty / mult) for px, qty in asks])
    if depth[1]:
        store.apply_depth("okx", 0, bids, [])
    (ask, ask_qty), (bid, bid_qty) = asks[0], bids[0]
    detector.on_quote("bybit", 0, 50.0 * mult, ask * mult, 1.0, ask_qty / mult, recv_mono_ns=1)
    detector.on_quote("okx", 0, bid, 200.0, bid_qty, 1.0, recv_mono_ns=2)
    events = detector.poll()
    if len(events) == 0:
        return None
    (event,) = events
    return float(event["slippage_bps"]), float(event["net_bps"]), float(event["gross_bps"])


@pytest.mark.parametrize("seed", range(300))
def test_an_opportunity_costs_what_walking_both_books_costs(seed: int) -> None:
    rng = random.Random(seed)
    asks, bids = ladders(rng, rng.randrange(12, 80) / 64)
    factor, position = rng.choice([1.0, 1.0, 2.0, 3.0]), 100.0 * rng.randrange(1, 12)
    depth = rng.choice([(True, True), (True, True), (True, False), (False, True)])
    mult = rng.choice([1.0, 4.0])
    found = detect(asks, bids, position, factor, depth, mult)
    known = (asks if depth[0] else asks[:1], bids if depth[1] else bids[:1])
    pays = still_pays(*known, FEES)
    coins = Fraction(position) / 100
    gross = (bids[0][0] - 100.0) / 100.0 * 1e4
    if gross - FEES < 0 or pays < coins * Fraction(factor):
        assert found is None
        return
    assert isinstance(found, tuple)
    expected = slippage_bps(*known, coins)
    assert found[0] == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert found[1] == pytest.approx(gross - FEES - expected, rel=1e-9, abs=1e-7)
    assert found[1] > 0, "each slice has an edge of its own, so the whole has"


def test_without_depth_nothing_changes() -> None:
    asks, bids = [(100.0, 30.0)], [(101.0, 30.0)]
    assert detect(asks, bids, 1000.0, 2.0, (False, False)) == (0.0, 100.0 - FEES, 100.0)
    deeper = [*asks, (100.25, 5.0)], [*bids, (100.75, 5.0)]
    assert detect(*deeper, 1000.0, 2.0, (False, False)) == (0.0, 100.0 - FEES, 100.0)


def test_depth_behind_a_thin_touch_makes_room_for_a_position() -> None:
    asks, bids = [(100.0, 1.0), (100.25, 30.0)], [(101.0, 40.0)]
    assert detect(asks, bids, 1000.0, 2.0, (False, False)) is None, "one coin is not twenty"
    found = detect(asks, bids, 1000.0, 2.0, (True, True))
    assert found == pytest.approx((22.5, 100.0 - FEES - 22.5, 100.0))


def test_levels_no_worse_than_the_touch_are_not_walked() -> None:
    """The ladder may be older than the top: what stands before the touch is gone."""
    store = MarketStore(2, 1)
    for row in range(2):
        store.set_instrument(row, taker_bps=TAKER)
    detector = OpportunityDetector(
        store, position_notional=300.0, depth_factor=1.0, wall_minus_mono_ns=0
    )
    store.apply_depth("bybit", 0, [], [(99.0, 9.0), (100.0, 9.0), (100.5, 9.0)])
    detector.on_quote("bybit", 0, 50.0, 100.0, 1.0, 1.0, recv_mono_ns=1)
    detector.on_quote("okx", 0, 102.0, 200.0, 9.0, 9.0, recv_mono_ns=2)
    (event,) = detector.poll()
    assert event["slippage_bps"] == pytest.approx(2 / 3 * 50)


# ---- strategy -----------------------------------------------------------------------------------


@pytest.fixture
def rigs() -> Iterator[list[Rig]]:
    made: list[Rig] = []
    yield made
    for rig in made:
        rig.close()


def depth_of(rig: Rig, symbol: int, venue: int, side: int, rng: random.Random) -> Levels:
    """Put levels behind a row's touch; return both in the common quotation, base units."""
    row, numbers = rig.store.read_row(venue, symbol), INSTRUMENTS[venue, symbol]
    touch = row.bid_px if side == 0 else row.ask_px
    scale = MID[symbol] / numbers["px_mult"] * 1e-4
    levels = [(touch, row.bid_qty)]
    for _ in range(rng.randrange(10)):
        step = rng.randrange(1, 8) * scale * (-1 if side == 0 else 1)
        qty = rng.randrange(1, 20) * numbers["qty_lot"] / 4
        levels.append((levels[-1][0] + step, qty))
    sides: list[Levels] = [[], []]
    sides[side] = levels
    rig.store.apply_depth(venue, symbol, *sides)
    return [(px * numbers["px_mult"], qty * numbers["qty_mult"]) for px, qty in levels]


@pytest.mark.parametrize("seed", range(200))
def test_the_size_is_the_largest_that_still_pays_within_the_limits(
    rigs: list[Rig], seed: int
) -> None:
    rng = random.Random(seed)
    symbol, buy_venue = rng.randrange(2), rng.randrange(2)
    factor, gross = rng.choice([1.0, 2.0]), float(rng.randrange(8, 40))
    rig = Rig(depth_factor=factor, min_gross_bps=5.0, min_net_bps=0.0, entry_slip_bps=1.0)
    rigs.append(rig)
    coins = rng.choice([0.05, 0.2, 0.5]) * 100 / MID[symbol]
    for venue in (0, 1):
        qty = coins / INSTRUMENTS[venue, symbol]["qty_mult"]
        shift = 0.0 if venue == buy_venue else gross + 1.0
        rig.quote(venue, symbol, shift, qty)
    asks = depth_of(rig, symbol, buy_venue, 1, rng)
    bids = depth_of(rig, symbol, 1 - buy_venue, 0, rng)
    rig.quote = lambda *args: None  # type: ignore[method-assign]  # the books stay as they are
    rig.opportunity(symbol, buy_venue, gross)
    rig.poll()
    buy, sell = rig.take_order(buy_venue), rig.take_order(1 - buy_venue)

    pays = still_pays(asks, bids, 5.0) / Fraction(factor)
    step, step_lots = GRID[symbol]
    dearest = max(asks[0][0], bids[0][0]) * 1.0001
    most = min(float(pays), 60.0 / dearest)
    if buy is None or sell is None:
        assert most < step * 1.001, "nothing left: not even one step fits"
        return
    assert (buy.qty_lots % step_lots[buy_venue], sell.qty_lots % step_lots[1 - buy_venue]) == (0, 0)
    steps = buy.qty_lots // step_lots[buy_venue]
    assert sell.qty_lots // step_lots[1 - buy_venue] == steps
    taken = steps * step
    assert taken <= float(pays) * (1 + 1e-9), "every coin pays, and factor times as many are there"
    numbers = [INSTRUMENTS[venue, symbol] for venue in (buy_venue, 1 - buy_venue)]
    limits = [
        order.px_ticks * item["px_tick"] * item["px_mult"]
        for order, item in zip((buy, sell), numbers, strict=True)
    ]
    assert limits[0] * taken <= 60.0 * (1 + 1e-9), "no order passes the budget"
    # one step more would break a bound: no longer pays, or costs more than the budget
    slack = numbers[0]["px_tick"] * numbers[0]["px_mult"]
    worst = float(reached(asks, Fraction(taken) * Fraction(1 - 1e-9)) or asks[-1][0])
    afford = 60.0 / (max(worst, bids[0][0]) * 1.0001 + slack)
    deeper = min(float(pays), afford)
    assert taken + step > deeper * (1 - 1e-6) or worst > asks[0][0]
    # and the limits reach exactly as deep as the size needs, plus the slip
    needed = (worst, float(reached(bids, Fraction(taken) * Fraction(1 - 1e-9)) or bids[-1][0]))
    for limit, px, sign, item in zip(limits, needed, (1, -1), numbers, strict=True):
        tick = item["px_tick"] * item["px_mult"]
        assert 0 <= sign * (limit - px * (1 + sign * 1e-4)) + 1e-9 * px <= tick * 1.01


def test_a_depth_lost_between_the_quotes_leaves_the_touch(rigs: list[Rig]) -> None:
    rig = Rig()
    rigs.append(rig)
    for venue in (0, 1):
        rig.store.apply_depth(venue, 0, [], [], seq=-1)
    rig.opportunity(0, 0)
    rig.poll()
    order = rig.take_order(0)
    assert order is not None
    assert order.qty_lots == 27
    assert math.isnan(rig.store.read_row(0, 0).funding_rate)
