"""How long an idle thread may spin: while arrivals are near each other, and not a moment else."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbitrage.core.loop import SpinBudget

US = 1_000


def told(waits_us: list[float], limit_us: int = 50) -> SpinBudget:
    budget = SpinBudget(limit_us)
    for wait in waits_us:
        budget.waited(int(wait * US))
    return budget


def test_who_has_seen_nothing_sleeps() -> None:
    assert told([]).spin_ns == 0


def test_near_arrivals_are_waited_for_awake_and_far_ones_asleep() -> None:
    assert told([10] * 100).spin_ns == 50 * US
    assert told([100] * 100).spin_ns == 0
    assert told([10] * 100 + [100] * 100).spin_ns == 0


def test_a_single_pause_does_not_put_a_busy_thread_to_sleep() -> None:
    assert told([2] * 100 + [300]).spin_ns == 50 * US


def test_a_night_of_silence_is_forgotten_within_forty_arrivals() -> None:
    assert told([3600e6] * 10 + [10] * 40).spin_ns == 50 * US


def test_arrivals_in_pairs_count_by_their_average() -> None:
    """Both venues speak at once, five thousand times a second: a spin would nearly all be idle."""
    assert told([5, 195] * 100).spin_ns == 0


def test_a_limit_of_nothing_never_spins() -> None:
    assert told([0.001] * 100, limit_us=0).spin_ns == 0


@pytest.mark.parametrize(("mean_us", "least", "most"), [(20, 0.95, 1.0), (120, 0.0, 0.02)])
def test_random_arrivals_are_judged_by_their_mean(mean_us: int, least: float, most: float) -> None:
    rng, budget, awake = random.Random(7), SpinBudget(50), 0
    for _ in range(2000):
        budget.waited(int(rng.expovariate(1 / mean_us) * US))
        awake += budget.spin_ns > 0
    assert least <= awake / 2000 <= most


@given(st.lists(st.integers(0, 2**62), max_size=50), st.integers(0, 10**6))
def test_no_wait_breaks_it(waits_ns: list[int], limit_us: int) -> None:
    budget = SpinBudget(limit_us)
    for wait_ns in waits_ns:
        budget.waited(wait_ns)
        assert budget.spin_ns in (0, limit_us * US)
        assert 0 <= budget.expected_ns <= 8 * limit_us * US
