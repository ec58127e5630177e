"""Whatever two venues do: every order is accounted for, every cent, and no leg is left."""

import os
from pathlib import Path

import pytest
from leg_scenarios import (
    Mutant,
    Wrong,
    build,
    check_books,
    codes_unseen,
    moves_seen,
    play,
    reasons_seen,
)

from arbitrage.core.strategy import EXIT_REASONS, MOVES

CI_SCENARIOS = 40_000  # with the ledger
CI_MORE = 100_000  # without it: in C alone
LONG_SCENARIOS = 250_000
LONG_MORE = 2_500_000
# Pairs of other kinds leave by rules of their own, and then as these do.
OTHER_KINDS = {"funding_over", "asked", "orphaned"}
SEED = int(os.environ.get("ARB_TEST_SEED", "1"))

MUTANTS = (
    Mutant(
        "a fill is counted on top of the venue's count",
        "legs.h",
        "int64_t known = sum > cum ? sum : cum;",
        "int64_t known = order->filled_lots + last;",
    ),
    Mutant(
        "a timeout is taken for an end",
        "legs.h",
        "order->state = ARB_SENT_UNKNOWN;",
        "order->state = ARB_SENT_DONE;",
    ),
    Mutant(
        "two tries share a client id",
        "pair_orders.h",
        "uint8_t attempt = leg->exit_attempt++;",
        "uint8_t attempt = leg->exit_attempt++ / 2;",
    ),
    Mutant(
        "a leg alone is given up when its tries are used up",
        "pair_machine.h",
        "if (may_exit && strat->now_mono_ns >= leg->retry_mono_ns)",
        "if (may_exit && !spent && strat->now_mono_ns >= leg->retry_mono_ns)",
    ),
    Mutant(
        "a late fill after the end is not looked at",
        "strategy_execs.h",
        "if (pair->legs[0].lots == 0 && pair->legs[1].lots == 0)\n            return;",
        "return;",
    ),
    Mutant(
        "a fill that the venue made is not taken from its leg",
        "legs.h",
        "leg->lots += is_exit ? -lots : lots;",
        "leg->lots += 0;",
    ),
    Mutant(
        "a completing order is not asked of the gate",
        "pair_decide.h",
        "if (!arb_pair_gate_completion(strat, pair, &found, &order))",
        "if (0)",
    ),
    Mutant(
        "the naked bound is looked at only where both legs are quiet",
        "pair_machine.h",
        "if (arb_pair_naked_ns(strat, pair) > strat->config.naked_ns_max / 2)\n"
        "            arb_pair_enter(strat, pair, ARB_PAIR_ONE_LEG, ARB_EXIT_NONE);",
        ";",
    ),
)


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("legs"))


def test_no_scenario_leaves_a_leg_an_order_or_a_cent(binary: Path, tmp_path: Path) -> None:
    book = tmp_path / "book"
    figures = play(binary, CI_SCENARIOS, seed=SEED, book=book)
    scenarios, journals = check_books(book)
    assert scenarios >= figures["scenarios"] == CI_SCENARIOS
    assert journals >= CI_SCENARIOS // 100


def test_everything_that_may_happen_happens(binary: Path) -> None:
    figures = play(binary, CI_MORE, seed=SEED + 1)
    wanted = {(start, end) for start, end, _ in MOVES} - {("idle", "open")}  # of recovered pairs
    assert moves_seen(figures) == wanted
    assert reasons_seen(figures) == set(EXIT_REASONS) - OTHER_KINDS
    assert codes_unseen(figures) == []
    assert figures["breaker"] > 0
    assert all(figures[name] > 0 for name in figures if name.startswith("kind."))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_wrong_machine_is_found(mutant: Mutant, tmp_path: Path) -> None:
    wrong = build(tmp_path, mutant=mutant)
    with pytest.raises(Wrong):
        play(wrong, CI_SCENARIOS, seed=SEED)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("block", range(4))
def test_a_million_scenarios_with_their_money(binary: Path, tmp_path: Path, block: int) -> None:
    book = tmp_path / "book"
    figures = play(binary, LONG_SCENARIOS, seed=SEED + 100 + block, book=book)
    scenarios, journals = check_books(book)
    assert scenarios >= figures["scenarios"] == LONG_SCENARIOS
    print(f"{scenarios} scenarios, {figures['orders']} orders, {journals} journals read back")


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("block", range(4))
def test_ten_million_scenarios(binary: Path, block: int) -> None:
    figures = play(binary, LONG_MORE, seed=SEED + 200 + block)
    assert figures["scenarios"] == LONG_MORE
    print(f"{figures['scenarios']} scenarios, {figures['orders']} orders")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_scenarios_under_the_sanitizers(tmp_path: Path) -> None:
    flags = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    figures = play(build(tmp_path, *flags), 100_000, seed=SEED + 300)
    assert figures["scenarios"] == 100_000
