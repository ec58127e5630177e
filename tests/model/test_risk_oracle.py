"""The compiled gate against the rules of docs/risk.md in plain Python: no disagreement."""

import random
from collections import Counter

import pytest
from risk_world import World, some_limits

from arbitrage.core.risk import LIMITS, REASONS, RiskGate

ORDERS, WORLD_ORDERS = 100_000, 2_000
BLOCKS, BLOCK_ORDERS = 40, 250_000  # 10^7 in the long run
# told by the caller, from its rings and its journal
NOT_OURS = {"journal_room", "ring_room"}


def ask(seed: int, orders: int) -> Counter[str]:
    """Ask a gate about so many orders, with new limits every few thousand; count its answers."""
    answers: Counter[str] = Counter()
    for number in range(orders // WORLD_ORDERS):
        rng = random.Random(seed * 1_000_003 + number)
        limits = some_limits(rng)
        world = World(RiskGate(**limits), limits, rng)
        world.run(WORLD_ORDERS)
        answers.update(world.answers)
    return answers


@pytest.mark.parametrize("seed", range(2))
def test_the_gate_is_its_rules(seed: int) -> None:
    answers = ask(seed, ORDERS // 2)
    print(dict(answers))
    assert sum(answers.values()) == ORDERS // 2
    assert set(REASONS) - set(answers) == NOT_OURS, "every reason was given"
    assert min(answers.values()) > 100, f"rarely asked: {answers}"


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_ten_million_orders(block: int) -> None:
    answers = ask(1_000 + block, BLOCK_ORDERS)
    print(f"{sum(answers.values())} orders agreed; {dict(answers)}")
    assert sum(answers.values()) == BLOCK_ORDERS
    assert set(REASONS) - set(answers) == NOT_OURS


def test_every_limit_is_drawn() -> None:
    assert set(some_limits(random.Random(1))) == set(LIMITS)
