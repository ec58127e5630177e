"""Recovery's plan against histories cut anywhere: what is taken over is what the venues hold."""

import random
from decimal import Decimal

import pytest
from past_world import LOTS, SYMBOLS, VENUE_SYMBOLS, Cut, World, cut, instruments, taken_over

from arbitrage.core.journal import JournalRecord
from arbitrage.fills import BUY, SELL
from arbitrage.trading.history import History
from arbitrage.trading.past import Key, Past
from arbitrage.trading.recovery_plan import Plan, from_journal_alone, make_plan

SEEDS, SEEDS_LONG, BLOCK, CUTS = 300, 40_000, 100, 5
INSTRUMENTS = instruments()


def history(seed: int) -> World:
    world = World(random.Random(seed))
    world.begin()
    for _ in range(world.rng.randint(1, 5)):
        world.pair()
    return world


def held_by(plan: Plan) -> dict[Key, Decimal]:
    """Return what the plan takes over, as the venues count it."""
    found = {}
    for pair in plan.adopt:
        for leg, sign in zip(pair.legs, (1, -1), strict=True):
            if leg.lots:
                name = VENUE_SYMBOLS[leg.venue, pair.symbol]
                found[leg.venue, name] = leg.lots * sign * LOTS[leg.venue]
    return found


def past_of(records: list[JournalRecord]) -> Past:
    """Replay a run's records as recovery does; none of them may be one that cannot be."""
    replayed = History.read(records)
    assert replayed.problems == []
    return Past.of(replayed)


def plan_of(past: Past, at: Cut, window: int | None = None) -> Plan:
    asked = {order.client_id for order in past.open_orders}
    return make_plan(past, at.word(asked, window), INSTRUMENTS)


def truth(at: Cut) -> dict[Key, Decimal]:
    return {key: qty for key, qty in at.held.items() if qty}


def check_cut(world: World, place: int) -> int:
    """Cut a history, recover it, crash again at once and recover that; return the pairs."""
    at = cut(world, place)
    past = past_of(at.records)
    plan = plan_of(past, at)
    assert plan.mismatches == ()
    assert held_by(plan) == truth(at)
    late = sum(fill.qty for fill in plan.late_fills)
    heard = sum(order.filled for order in past.orders.values())
    filled = sum(sent.filled * LOTS[sent.key[0]] for sent in at.sent.values())
    assert heard + late == filled, "an order's fill was lost or counted twice"
    for pair in plan.adopt:
        for leg in pair.legs:
            assert leg.lots == 0 or leg.entry_px == pytest.approx(84_000, rel=1e-3)
    again = plan_of(past_of(taken_over(plan, 71)), Cut([], {}, [], at.held))
    assert held_by(again) == truth(at)
    assert [(p.run, p.number, p.opened_wall_ns) for p in again.adopt] == [
        (p.run, p.number, p.opened_wall_ns) for p in plan.adopt
    ]
    return len(plan.adopt)


def check_block(block: int) -> None:
    pairs = 0
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        world = history(seed)
        for _ in range(CUTS):
            pairs += check_cut(world, world.rng.randint(0, len(world.events)))
    assert pairs > BLOCK, "hardly anything stood when it was cut"


@pytest.mark.parametrize("block", range(SEEDS // BLOCK))
def test_any_cut_is_taken_over_as_the_venues_hold_it(block: int) -> None:
    check_block(block)


@pytest.mark.long
@pytest.mark.parametrize("block", range(SEEDS // BLOCK, SEEDS_LONG // BLOCK, 100))
def test_any_cut_is_taken_over_as_the_venues_hold_it_for_thousands(block: int) -> None:
    for offset in range(100):
        check_block(block + offset)


def test_every_place_of_one_history() -> None:
    world = history(4)
    for place in range(len(world.events) + 1):
        check_cut(world, place)


def test_what_the_venue_took_is_explained_and_what_others_traded_is_not() -> None:
    explained = refused = closed = 0
    for seed in range(400):
        world = history(seed)
        at = cut(world, world.rng.randint(0, len(world.events)))
        past = past_of(at.records)
        standing = truth(at)
        by_venue = bool(seed % 2)
        if by_venue and not standing:
            continue
        key = world.rng.choice(sorted(standing or INSTRUMENTS))
        qty = abs(standing.get(key, LOTS[key[0]]))
        at.foreign(key, SELL if standing.get(key, 1) > 0 else BUY, qty, by_venue=by_venue)
        plan = plan_of(past, at)
        if by_venue:
            explained += 1
            assert plan.mismatches == ()
            assert held_by(plan) == truth(at)
        elif truth(at):
            symbol = next(name for name in SYMBOLS if VENUE_SYMBOLS[key[0], name] == key[1])
            others = [VENUE_SYMBOLS[venue, symbol] for venue in LOTS]
            if any(name in others for _, name in truth(at)):
                refused += 1
                assert [(one.venue, one.venue_symbol) for one in plan.mismatches] == [key]
                assert plan.adopt == ()
            else:
                closed += 1
                assert plan.mismatches == ()
        else:
            closed += 1
            assert plan.mismatches == ()
    assert min(explained, refused, closed) > 10


def test_positions_decide_on_orders_that_are_no_longer_listed() -> None:
    decided = 0
    for seed in range(300):
        world = history(seed)
        at = cut(world, world.rng.randint(0, len(world.events)))
        past = past_of(at.records)
        for order in past.open_orders:
            at.sent[order.client_id].arrived = False  # no venue knows it any more
        plan = plan_of(past, at, window=0)
        assert plan.mismatches == ()
        assert held_by(plan) == truth(at)
        decided += bool(plan.notes)
    assert decided > 20


def test_paper_goes_on_with_what_its_journal_tells() -> None:
    adopted = 0
    for seed in range(200):
        world = history(seed)
        at = cut(world, world.rng.randint(0, len(world.events)))
        past = past_of(at.records)
        plan = make_plan(past, from_journal_alone(past), INSTRUMENTS)
        assert plan.mismatches == ()
        assert held_by(plan) == past.standing
        adopted += len(plan.adopt)
    assert adopted > 50
