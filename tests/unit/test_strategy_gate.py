"""What the strategy tells the gate: prices of both venues, what stands, and which day it is."""

import time

import pytest
from strategy_rig import Rig, enter, fill, stand

from arbitrage.core.risk import KILLS


def refused(rig: Rig) -> dict[str, int]:
    """Refusals counted so far, by reason."""
    counters = rig.strategy.counters
    return {
        name.removeprefix("refused_"): count
        for name, count in counters.items()
        if name.startswith("refused_") and count
    }


def offer(rig: Rig, gross_bps: float = 20.0) -> None:
    rig.opportunity(0, 0, gross_bps)
    rig.poll()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"max_order_usd": 5.0}, "order_notional"),
        ({"max_position_usd": 5.0}, "position_notional"),
        ({"max_symbol_usd": 11.0}, "symbol_notional"),
        ({"max_venue_usd": 5.0}, "venue_notional"),
        ({"max_gross_usd": 11.0}, "gross_notional"),
        ({"entry_band_bps": 9.0}, "price_band"),  # limits of a whole tick lie 10 off
        ({"max_basis_bps": 20.9}, "basis"),
    ],
)
def test_a_limit_that_is_used_up_is_told_as_what_it_is(settings: dict, reason: str) -> None:
    rig = Rig(**settings)
    offer(rig)
    assert refused(rig) == {reason: 1}
    assert rig.strategy.counters["orders"] == 0
    rig.close()


@pytest.mark.parametrize(
    "settings", [{"entry_band_bps": 30.0}, {"max_basis_bps": 21.1}], ids=["band", "basis"]
)
def test_prices_inside_their_limits_pass(settings: dict) -> None:
    rig = Rig(**settings)
    offer(rig)
    assert (refused(rig), rig.strategy.counters["orders"]) == ({}, 2)
    rig.close()


def test_the_size_is_what_the_limits_leave() -> None:
    rig = Rig(max_gross_usd=80.0)
    buy, sell = enter(rig)
    # 40 dollars a leg at about 100 are 0.4 coins: 6 steps of 0.06
    assert (buy.qty_lots, sell.qty_lots, rig.strategy.risk.gross_usd <= 80.0) == (18, 12, True)
    rig.close()


def test_the_slow_average_of_the_basis_is_judged_where_it_is_known() -> None:
    rig = Rig(max_basis_bps=60.0, min_excess_bps=-9_000.0, basis_step_ms=1.0, basis_time_s=10.0)
    rig.quote(1, 0, 100.0)
    rig.quote(1, 1, 100.0)
    for _ in range(400):
        rig.poll(1.0)
    assert rig.strategy.pair(0)["basis_bps"] == pytest.approx(100.0, abs=1)
    offer(rig, 30.0)  # the mids of now are near each other again
    assert refused(rig) == {"basis_average": 1}
    rig.close()


def test_a_leg_that_stands_alone_is_told_in_dollars_until_it_is_hedged() -> None:
    rig = Rig()
    risk = rig.strategy.risk
    buy, sell = enter(rig)
    assert risk.one_sided_usd == 0.0  # open orders stand for nothing yet
    fill(rig, buy)
    assert risk.one_sided_usd == pytest.approx(27 * 0.02 * 100.005, abs=0.01)
    fill(rig, sell)
    assert (rig.phase(0), risk.one_sided_usd) == ("open", 0.0)
    rig.close()


def test_no_entry_while_too_much_stands_alone_anywhere() -> None:
    rig = Rig(max_one_sided_usd=50.0)
    buy, _ = enter(rig)
    fill(rig, buy)
    rig.opportunity(1, 0)
    rig.poll()
    assert refused(rig) == {"one_sided": 1}
    rig.close()


def test_no_entry_of_a_symbol_of_which_something_stands_alone() -> None:
    rig = Rig()
    rig.strategy.risk.set_one_sided(0, 10_000_001)
    offer(rig)
    assert refused(rig) == {"one_sided_symbol": 1}
    rig.close()


def test_a_day_that_has_lost_enough_opens_nothing() -> None:
    rig = Rig(max_day_loss_usd=5.0)
    wall_ns = rig.now + time.time_ns() - time.monotonic_ns()  # the rig's clock is not the machine's
    rig.strategy.risk.begin_day(-5.0, wall_ns)
    offer(rig)
    assert (refused(rig), rig.strategy.risk.kill) == ({"day_loss": 1}, KILLS.index("none"))
    rig.strategy.risk.set_limit("max_day_loss_usd", 6.0)
    offer(rig)
    assert rig.strategy.counters["orders"] == 2
    rig.close()


def test_an_exit_that_asks_for_more_than_any_price_is_harmless() -> None:
    rig = Rig(exit_band_bps=200.0)
    stand(rig)
    rig.store.apply_state(0, 0, 4)  # the long leg's book is lost, and the market falls by half
    rig.quote(1, 0, -5000.0)
    rig.strategy.flatten = True
    rig.poll()
    assert rig.take_order(0) is not None
    assert refused(rig) == {}
    rig.close()


def test_a_venue_that_ran_away_from_the_other_can_still_be_left() -> None:
    rig = Rig(exit_band_bps=200.0)
    stand(rig)
    rig.quote(0, 0, -2000.0)  # where we are long
    rig.strategy.flatten = True
    rig.poll()
    assert rig.take_order(0) is not None
    assert refused(rig) == {}
    rig.close()


def test_an_exit_is_held_back_while_the_only_known_price_is_far_better() -> None:
    rig = Rig(exit_band_bps=200.0)
    stand(rig)
    rig.store.apply_state(1, 0, 4)  # we are short there: its last ask is what we have
    rig.quote(0, 0, -1500.0)
    rig.strategy.flatten = True
    rig.poll()
    assert refused(rig) == {"price_band": 1}
    rig.quote(1, 0, -1500.0)
    rig.poll(60.0)
    assert rig.take_order(1) is not None
    rig.close()
