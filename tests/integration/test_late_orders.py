"""What the end of every trader's test lets pass, and what it does not."""

from collections.abc import Iterator

from late_orders import LATE_NS, EndedPair, _late_orders, longest_streak

from arbitrage.core.messages import Execution
from arbitrage.core.records import ExecKind

STOOD = {"stood": True, "filled": True}
ONE_LEG = {"stood": False, "filled": True}


def pairs(*told: dict[str, bool], symbol_index: int = 0) -> Iterator[EndedPair]:
    usual = {"was_flattened": False, "was_late": False}
    for number, one in enumerate(told):
        yield EndedPair(number, symbol_index, **(usual | one))


def test_pairs_of_one_leg_in_a_row_are_counted_by_symbol() -> None:
    assert longest_streak(pairs(STOOD, ONE_LEG, ONE_LEG, ONE_LEG)) == 3
    assert longest_streak(pairs(ONE_LEG, ONE_LEG, STOOD, ONE_LEG)) == 2
    both = [*pairs(ONE_LEG), *pairs(ONE_LEG, symbol_index=1), *pairs(ONE_LEG)]
    assert longest_streak(both) == 2


def test_only_what_nobody_could_help_is_left_out() -> None:
    late, flat = ONE_LEG | {"was_late": True}, ONE_LEG | {"was_flattened": True}
    missed = {"stood": False, "filled": False}
    assert longest_streak(pairs(late, late, flat, missed)) == 0
    assert longest_streak(pairs(ONE_LEG, late, ONE_LEG, missed, ONE_LEG)) == 3


def word(client_id: int, kind: ExecKind, code: int = 0) -> Execution:
    return Execution(client_id, 0, 0.0, 0, 0, 0.0, code, 0, 0, kind, 0)


def test_an_order_is_late_by_the_answer_to_it_or_by_the_word_of_its_venue() -> None:
    assert _late_orders([
        (0, word(1, ExecKind.SENT)), (LATE_NS, word(1, ExecKind.REJECT, 51008)),
        (0, word(2, ExecKind.SENT)), (LATE_NS + 1, word(2, ExecKind.ACK)),
        (0, word(3, ExecKind.SENT)), (1, word(3, ExecKind.REJECT, 10002)),
        (0, word(4, ExecKind.SENT)), (1, word(4, ExecKind.ACK)),
        (2 * LATE_NS, word(4, ExecKind.DONE)),
        (0, word(5, ExecKind.SENT)),
    ]) == {2, 3, 5}  # fmt: skip
