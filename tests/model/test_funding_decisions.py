"""The compiled funding rules against an oracle in plain Python, over funding of every shape."""

import math
from collections import Counter
from random import Random

import pytest

from arbitrage.core import funding
from tests.model import funding_oracle as oracle
from tests.model.funding_oracle import HOUR_NS, Leg, Rules

NOW = 1_790_000_000 * 10**9
ROUNDS = 8_000


def some_leg(rng: Random) -> Leg:
    """One venue's funding; now and then with something missing or impossible."""
    rate = rng.choice((1, -1)) * rng.choice((0.0, 1e-5, 1e-4, 3e-4, 1e-3, 0.02)) * rng.random()
    interval_h = rng.choice((1.0, 2.0, 4.0, 8.0, 8.0))
    next_ns = NOW + int(rng.choice((0.02, 0.2, 1.0)) * rng.random() * interval_h * HOUR_NS)
    odd = rng.random()
    if odd < 0.03:
        rate = rng.choice((math.nan, 0.5, -7.0, math.inf))
    elif odd < 0.06:
        interval_h = rng.choice((math.nan, 0.0, -8.0, 9000.0, math.inf))
    elif odd < 0.10:
        next_ns = rng.choice((0, NOW, NOW - 1, NOW - 30 * HOUR_NS))
    return Leg(rate, interval_h, next_ns)


def some_rules(rng: Random) -> Rules:
    return Rules(
        window_ns=int(rng.choice((60e9, 600e9, 3600e9, 8 * 3600e9))),
        lead_ns=int(rng.choice((0, 10e9, 60e9))),
        hold_ns=int(rng.choice((600e9, 3600e9, 24 * 3600e9, 72 * 3600e9))),
        min_bps=rng.choice((-50.0, 0.0, 5.0)),
        min_delta=rng.choice((0.0, 1e-4)),
    )


@pytest.mark.parametrize("seed", range(4))
def test_entries_are_those_of_the_oracle(seed: int) -> None:
    rng, seen = Random(seed), Counter[str]()
    for _ in range(ROUNDS // 4):
        rules, buy, sell = some_rules(rng), some_leg(rng), some_leg(rng)
        costs = (rng.uniform(-30, 40), rng.uniform(0, 30), rng.uniform(0, 5))
        gross = math.nan if rng.random() < 0.02 else costs[0]
        verdict, net = oracle.entry(rules, buy, sell, gross, costs[1], costs[2], NOW)
        found = funding.judge(rules._asdict(), buy, sell, gross, costs[1], costs[2], NOW)
        if found["verdict"] != verdict and abs(net - rules.min_bps) < 1e-9:
            continue  # the two sums round apart exactly at the threshold
        assert found["verdict"] == verdict, (rules, buy, sell, gross, costs)
        assert found["net_bps"] == pytest.approx(net, abs=1e-6, nan_ok=True)
        seen[verdict] += 1
    assert set(seen) == set(funding.VERDICTS), seen
    assert seen["enter"] > 50, seen


@pytest.mark.parametrize("seed", range(4))
def test_exits_are_those_of_the_oracle(seed: int) -> None:
    rng, seen = Random(seed + 100), Counter[str]()
    for _ in range(ROUNDS // 4):
        rules, buy, sell = some_rules(rng), some_leg(rng), some_leg(rng)
        until = NOW + int(rng.random() * rules.hold_ns)
        pair_bps = rng.choice((math.nan, rng.uniform(-30, 30)))
        leave_bps, profit = rng.uniform(0, 25), rng.choice((1.0, -5.0))
        said = oracle.leave(rules, buy, sell, pair_bps, leave_bps, profit, NOW, until)
        found = funding.judge_exit(
            rules._asdict(), buy, sell, pair_bps, leave_bps, profit, NOW, until
        )
        assert found == said, (rules, buy, sell, pair_bps, leave_bps, until)
        seen[said] += 1
    assert min(seen[exit_] for exit_ in funding.EXITS) > 10, seen


def test_a_worked_example() -> None:
    """Short at 3 bps each 8 h, long at 1 bp each 4 h, for a day: 3 x 3 received, 6 x 1 paid."""
    buy, sell = Leg(1e-4, 4.0, NOW + HOUR_NS // 10), Leg(3e-4, 8.0, NOW + HOUR_NS // 10)
    assert funding.ahead_bps(buy, sell, NOW, NOW + 24 * HOUR_NS) == pytest.approx(9.0 - 6.0)
    assert funding.delta_8h(buy, sell) == pytest.approx(3e-4 - 2e-4)
    rules = {"window_ns": 600 * 10**9, "lead_ns": 10**10, "hold_ns": 24 * HOUR_NS + 10**10}
    plan = funding.judge(rules, buy, sell, 25.0, 21.0, 3.0, NOW)
    assert plan["verdict"] == "enter"
    assert plan["net_bps"] == pytest.approx(3.0 + 25.0 - 21.0 - 3.0)


def test_a_pair_waits_for_a_settlement_that_is_due() -> None:
    """A settlement counts as passed only `lead` after its time: the venue's clock is not ours."""
    buy, sell = Leg(0.0, 8.0, NOW), Leg(5e-4, 8.0, NOW)
    rules = {"window_ns": 600 * 10**9, "lead_ns": 10**10, "hold_ns": 4 * HOUR_NS}
    end = NOW + 2 * HOUR_NS
    for seconds, said in ((1, "stay"), (9, "stay"), (10, "turned"), (60, "turned")):
        now = NOW + seconds * 10**9
        assert funding.judge_exit(rules, buy, sell, -3.0, 11.0, 1.0, now, end) == said
