"""Typestate: only legal moves can be written, each state is left once, and the tables agree."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.core.messages import Execution, Order
from arbitrage.core.records import ExecKind
from arbitrage.core.strategy import MOVES, PHASES, PHASES_ABOUT
from arbitrage.trading import order_states, pair_states
from arbitrage.trading.order_news import Contradiction, advance
from arbitrage.trading.order_states import AnyOrder, Facts, Intended, OrderState
from arbitrage.trading.pair_states import PHASE_CLASSES, Idle, IllegalMove, PairFacts, PairState
from arbitrage.trading.typestate import State, StateLeftError, moves_of, states_of

ROOT = Path(__file__).parents[2]
QTY = 10
MACHINES = {"order_states": OrderState, "pair_states": PairState}


def order(qty: int = QTY) -> Order:
    return Order(**dict.fromkeys(Order._fields, 0) | {"client_id": 7, "qty_lots": qty})


def told(kind: ExecKind, last: int = 0, cum: int = -1) -> Execution:
    zeros = dict.fromkeys(Execution._fields, 0)
    return Execution(
        **zeros | {"client_id": 7, "kind": int(kind), "last_qty_lots": last, "cum_qty_lots": cum}
    )


# ---- the tables ----------------------------------------------------------------------------------


def test_the_pair_classes_are_the_table() -> None:
    moves = [(a.phase, name, b.phase) for a, name, b in moves_of(PairState)]
    table = sorted((a, b, b) for a, b, _ in MOVES)
    assert sorted(moves) == table, "the table changed: run bin/render-pair-states"
    assert tuple(phase.phase for phase in PHASE_CLASSES) == PHASES
    assert states_of(PairState) == list(PHASE_CLASSES)


def test_the_pair_classes_say_what_the_table_says() -> None:
    def lower(text: str | None) -> str:
        assert text
        return (text[0].lower() + text[1:]).rstrip(".")

    assert {c.phase: lower(c.__doc__) for c in PHASE_CLASSES} == PHASES_ABOUT
    by_name = {phase.phase: phase for phase in PHASE_CLASSES}
    for source, target, why in MOVES:
        assert lower(getattr(by_name[source], target).__doc__) == why


def test_the_manual_draws_every_state_and_move_of_an_order() -> None:
    text = (ROOT / "docs/typestate_pattern.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \|", text, re.MULTILINE)
    moves = [(a.__name__, name, b.__name__) for a, name, b in moves_of(OrderState)]
    assert sorted(rows) == sorted(moves)
    drawing = text.split("```")[1]
    for state in states_of(OrderState):
        assert state.__name__ in drawing


def test_every_state_can_be_reached_and_every_one_left_but_the_last() -> None:
    moves = moves_of(OrderState)
    reached: set[type[State]] = {Intended}
    for _ in moves:
        reached |= {target for source, _, target in moves if source in reached}
    assert reached == set(states_of(OrderState))
    final = {state for state in reached if not any(source is state for source, _, _ in moves)}
    assert final == {order_states.Rejected}


# ---- the checker ---------------------------------------------------------------------------------


def snippets(module: str, base: type[State]) -> tuple[list[str], dict[int, tuple[str, str]]]:
    """Return a program that takes every method of the machine from every state of it.

    The moves that are not legal are named by line.
    """
    moves = moves_of(base)
    legal = {(source, name) for source, name, _ in moves}
    lines = [f"from arbitrage.trading.{module} import *"]
    illegal: dict[int, tuple[str, str]] = {}
    for state in states_of(base):
        for name in sorted({name for _, name, _ in moves}):
            if (state, name) not in legal:
                illegal[len(lines) + 1] = (state.__name__, name)
            lines.append(f"def f{len(lines)}(s: {state.__name__}) -> object: return s.{name}")
    return lines, illegal


@pytest.mark.parametrize("module", MACHINES)
def test_mypy_passes_every_legal_move_and_names_every_illegal_one(
    tmp_path: Path, module: str
) -> None:
    lines, illegal = snippets(module, MACHINES[module])
    lines.append("def spoil(s: Idle) -> None: s.facts = s.facts" if "pair" in module
                 else "def spoil(s: Sent) -> None: s.facts = s.facts")  # fmt: skip
    path = tmp_path / "moves.py"
    path.write_text("\n".join(lines) + "\n")
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(path)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    errors = re.findall(r"moves\.py:(\d+): error: (.*)", found.stdout)
    assert len(errors) == len(illegal) + 1, found.stdout + found.stderr
    said = {int(line): text for line, text in errors}
    assert "read-only" in said.pop(len(lines))
    assert len(illegal) > len(moves_of(MACHINES[module]))
    for line, (state, name) in illegal.items():
        assert f'"{state}" has no attribute "{name}"' in said[line]


# ---- states are left once ------------------------------------------------------------------------


def test_a_state_is_left_once_and_is_frozen() -> None:
    intended = Intended(Facts(order()))
    sent = intended.sent()
    with pytest.raises(StateLeftError, match="this Intended was left already"):
        intended.rejected(1)
    with pytest.raises(AttributeError):
        sent.facts = Facts(order())  # type: ignore[misc]
    assert sent == order_states.Sent(Facts(order()))


def test_a_pair_cannot_be_replayed_along_a_move_that_is_not_there() -> None:
    facts = PairFacts(1, 0, 0, 8)
    with pytest.raises(IllegalMove, match="it went from idle to closing"):
        pair_states.advance(Idle(facts), PHASES.index("closing"), facts)
    with pytest.raises(IllegalMove, match="it entered phase 99"):
        pair_states.advance(Idle(facts), 99, facts)


def test_a_count_above_what_was_ordered_is_doubted_and_believed_up_to_that() -> None:
    sent = advance(Intended(Facts(order())), told(ExecKind.SENT, 0, -1))
    with pytest.raises(Contradiction, match=f"brought it to {QTY + 2} lots") as error:
        advance(sent, told(ExecKind.FILL, 1, QTY + 2))
    facts = error.value.state.facts
    assert (facts.filled_lots, facts.priced_lots) == (QTY, 1)
    assert isinstance(error.value.state, order_states.Filled)


# ---- random walks --------------------------------------------------------------------------------

kinds = st.sampled_from([kind for kind in ExecKind if kind != ExecKind.VENUE])
news = st.lists(
    st.tuples(kinds, st.integers(-1, QTY + 2), st.integers(-1, QTY + 2)), max_size=25
)


@settings(max_examples=500, deadline=None)
@given(words=news)
def test_whatever_is_said_quantity_is_conserved_and_what_is_known_never_less(
    words: list[tuple[ExecKind, int, int]],
) -> None:
    state: AnyOrder = Intended(Facts(order()))
    moves = {(a, b) for a, _, b in moves_of(OrderState)}
    for kind, last, cum in words:
        before, doubted = state, False
        try:
            state = advance(state, told(kind, last, cum))
        except Contradiction as error:
            state, doubted = error.state, True
        facts = state.facts
        assert facts.filled_lots + state.cancelled_lots + state.open_lots == QTY
        assert 0 <= facts.priced_lots <= facts.filled_lots <= QTY
        assert facts.filled_lots >= before.facts.filled_lots
        assert not (before.is_over and not state.is_over)
        assert not (facts.filled_lots == QTY and not state.is_over)
        if state is not before and not doubted:
            # the proof that it was sent may lie in a later word
            starts: set[type[State]] = {type(before)}
            if isinstance(before, Intended):
                starts.add(order_states.Sent)
            assert type(state) in starts or any((start, type(state)) in moves for start in starts)


@settings(max_examples=300, deadline=None)
@given(cuts=st.lists(st.integers(1, QTY), max_size=4), data=st.data())
def test_true_news_in_any_order_end_in_the_truth(cuts: list[int], data: st.DataObject) -> None:
    parts: list[int] = []
    for cut in cuts:
        parts.append(min(cut, QTY - sum(parts)))
    parts = [part for part in parts if part]
    total, counted, words = sum(parts), 0, [told(ExecKind.SENT), told(ExecKind.ACK)]
    stated = data.draw(st.booleans())
    for part in parts:
        counted += part
        words.append(told(ExecKind.FILL, part, counted if stated else -1))
    words.append(told(ExecKind.DONE, 0, total))
    if data.draw(st.booleans()):
        words.append(told(ExecKind.TIMEOUT))
    state: AnyOrder = Intended(Facts(order()))
    for word in data.draw(st.permutations(words)):
        state = advance(state, word)
    assert type(state) is (order_states.Filled if total == QTY else order_states.Cancelled)
    assert state.facts.filled_lots == state.facts.priced_lots == total


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_random_walks_of_a_pair_never_leave_the_table(data: st.DataObject) -> None:
    facts = PairFacts(1, 0, 0, 8)
    table = {(source, target) for source, target, _ in MOVES}
    state: pair_states.AnyPair = Idle(facts)
    for _ in range(data.draw(st.integers(0, 30))):
        target = data.draw(st.sampled_from(PHASES))
        before = state.phase
        if (before, target) in table:
            state = pair_states.advance(state, PHASES.index(target), facts)
            assert state.phase == target
        else:
            with pytest.raises(IllegalMove):
                pair_states.advance(state, PHASES.index(target), facts)
