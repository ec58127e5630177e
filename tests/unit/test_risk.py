"""What the gate refuses to be configured with, and what may never keep a position standing."""

import pytest

from arbitrage.core.risk import LIMITS, REASONS, RiskGate


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


def test_reduce_only_passes_kill_pause_limits_and_dead_books() -> None:
    gate = RiskGate(max_order_usd=1, max_position_usd=1, max_gross_usd=1)
    gate.kill = gate.opening_off = True
    gate.pause(0)
    gate.pair_begin(0)
    assert gate.check(1, 0, 0, 0, 10**12, row_state=4, reduce_only=True) == "ok"
    assert gate.check(1, 0, 0, 0, 10**12, row_state=4) == "killed"


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


def test_every_reason_has_a_name() -> None:
    assert len(set(REASONS)) == len(REASONS) <= 16
    assert all(least <= default <= most for default, least, most in LIMITS.values())
