"""What the gate refuses to be configured with, and what may never keep a position standing."""

import pytest

from arbitrage.core.risk import KILLS, LIMITS, REASONS, RiskGate

DAY_NS = 86_400 * 10**9
NOON_NS = 20_000 * DAY_NS + DAY_NS // 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_order_usd", 0), ("max_orders_per_s", 0), ("max_gross_usd", float("nan"))],
)
def test_a_limit_out_of_range_names_itself(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{name} was .*accepted values are"):
        RiskGate(**{name: value})


def test_an_unknown_limit_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'max_orders' is not known; accepted are max_order_usd"):
        RiskGate(max_orders=3)


def test_entries_need_room_beside_the_tokens_kept_for_exits() -> None:
    with pytest.raises(ValueError, match="must leave room for two entry orders"):
        RiskGate(max_orders_burst=10, orders_kept_for_exits=9)


def test_reduce_only_passes_pause_limits_and_dead_books() -> None:
    gate = RiskGate(max_order_usd=1, max_position_usd=1, max_gross_usd=1, max_day_loss_usd=1)
    gate.opening_off = True
    gate.pause(0)
    gate.pair_begin(0)
    gate.begin_day(-5.0, 0)
    assert gate.check(1, 0, 0, 0, 10**12, row_state=4, reduce_only=True) == "ok"
    assert gate.check(1, 0, 0, 0, 10**12, row_state=4) == "opening_off"


@pytest.mark.parametrize(("flatten", "says"), [(False, "killed"), (True, "ok")])
def test_while_killed_what_reduces_leaves_only_to_flatten(flatten: bool, says: str) -> None:
    gate = RiskGate()
    gate.kill = KILLS.index("file")
    gate.flatten = flatten
    assert gate.check(1, 0, 0, 0, 10**6, reduce_only=True) == says
    assert gate.check(1, 0, 0, 0, 10**6) == "killed"


def test_the_days_loss_trips_the_kill_switch_and_a_new_day_begins_at_nothing() -> None:
    gate = RiskGate(max_day_loss_usd=10)
    gate.begin_day(-7.5, NOON_NS)
    gate.note_result(-2_499_999, NOON_NS + 1)
    assert (gate.kill, gate.day_result_usd) == (0, -9.999999)
    assert gate.check(1, 0, 0, 0, 10**6, wall_ns=NOON_NS + 2) == "ok"
    gate.note_result(-1, NOON_NS + 2)
    assert KILLS[gate.kill] == "loss"
    gate.kill = 0  # cleared by hand on the same day: what was lost is lost
    assert gate.check(1, 0, 0, 0, 10**6, wall_ns=NOON_NS + 3) == "day_loss"
    midnight_ns = NOON_NS + DAY_NS // 2
    assert gate.check(1, 0, 0, 0, 10**6, wall_ns=midnight_ns - 1) == "day_loss"
    assert gate.check(1, 0, 0, 0, 10**6, wall_ns=midnight_ns) == "ok"
    gate.note_result(-1_000_000, midnight_ns)
    assert (gate.kill, gate.day_result_usd) == (0, -1.0)


def test_a_day_is_asked_for_by_its_time() -> None:
    gate = RiskGate(max_day_loss_usd=10)
    gate.begin_day(-7.5, NOON_NS)
    midnight_ns = NOON_NS + DAY_NS // 2
    assert (gate.day_usd(midnight_ns - 1), gate.day_usd(midnight_ns)) == (-7.5, 0.0)
    assert not gate.is_day_lost(NOON_NS)
    gate.set_limit("max_day_loss_usd", 7.5)
    assert gate.is_day_lost(midnight_ns - 1)
    assert not gate.is_day_lost(midnight_ns)


def test_the_first_reason_to_kill_stays() -> None:
    gate = RiskGate(max_day_loss_usd=1)
    gate.kill = KILLS.index("operator")
    gate.note_result(-2_000_000, NOON_NS)
    assert KILLS[gate.kill] == "operator"


def test_exits_have_tokens_that_entries_cannot_use() -> None:
    gate = RiskGate(max_orders_per_s=10, max_orders_burst=8, orders_kept_for_exits=4)
    now, entries = 1_000_000_000, 0
    while gate.check(now, 0, 0, 0, 1) == "ok":
        gate.take()
        entries += 1
    assert entries == 4
    exits = 0
    while gate.check(now, 0, 0, 0, 1, reduce_only=True) == "ok":
        gate.take()
        exits += 1
    assert exits == 4
    assert gate.check(now + 100_000_000, 0, 0, 0, 1, reduce_only=True) == "ok"


def test_the_use_of_each_limit_is_told_in_percent() -> None:
    limits = {"max_position_usd": 200, "max_gross_usd": 1_000, "max_venue_usd": 400}
    gate = RiskGate(**limits, max_day_loss_usd=10)
    gate.set_exposure(0, 0, 0, 100_000_000)
    gate.set_exposure(1, 0, 1, 150_000_000)
    gate.set_exposure(2, 1, 0, 100_000_000)
    gate.set_one_sided(1, 5_000_000)
    gate.begin_day(-2.5, NOON_NS)
    assert gate.used_pct == {
        "max_position_usd": 75.0,
        "max_venue_usd": 62.5,
        "max_gross_usd": 35.0,
        "max_one_sided_symbol_usd": 50.0,
        "max_one_sided_usd": 0.25,
        "max_day_loss_usd": 25.0,
    }  # the symbol's is off
    gate.begin_day(2.5, NOON_NS)
    assert gate.used_pct["max_day_loss_usd"] == 0.0


def test_every_reason_has_a_name() -> None:
    assert len(set(REASONS)) == len(REASONS) <= 32
    assert all(least <= default <= most for default, least, most in LIMITS.values())
