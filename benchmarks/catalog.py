"""All questions, in the order in which they are asked, and which of them a name means."""

from collections.abc import Sequence
from types import ModuleType

from arbitrage.errors import ConfigError
from benchmarks import (
    backtest,
    book,
    depth_frames,
    feed_lane,
    frame_to_opportunity,
    frame_to_order,
    journal,
    memory,
    mpsc_ring,
    opportunity_queue,
    order_flow,
    order_frames,
    parse_frames,
    polling_redis,
    replay_frames,
    replay_records,
    risk_gate,
    spread,
    spsc_ring,
    symbol_lookup,
    symbols_1000,
    wire_cpu,
    wire_throughput,
    wire_to_opportunity,
    wire_to_wire,
)
from benchmarks.harness import Question

__all__ = ["MODULES", "QUESTIONS", "chosen"]

MODULES: tuple[ModuleType, ...] = (
    parse_frames,
    depth_frames,
    book,
    feed_lane,
    symbol_lookup,
    spread,
    risk_gate,
    journal,
    spsc_ring,
    mpsc_ring,
    opportunity_queue,
    frame_to_opportunity,
    symbols_1000,
    order_frames,
    frame_to_order,
    replay_frames,
    replay_records,
    backtest,
    polling_redis,
    wire_to_opportunity,
    wire_to_wire,
    wire_throughput,
    wire_cpu,
    order_flow,
    memory,
)
QUESTIONS: tuple[Question, ...] = tuple(question for part in MODULES for question in part.QUESTIONS)


def chosen(only: Sequence[str]) -> list[tuple[Question, frozenset[str] | None]]:
    """Return the questions that names or beginnings of names mean, with the rows to show of each.

    None of them: all rows. A name that is a question's or a row's own means that alone, though
    others begin with it.

    Raises
    ------
    ConfigError
        One of the names means nothing.
    """
    names = [name for question in QUESTIONS for name in (question.name, *question.row_names)]
    wanted: set[str] = set()
    for word in only:
        meant = {word} if word in names else {name for name in names if name.startswith(word)}
        if not meant:
            known = ", ".join(question.name for question in QUESTIONS)
            raise ConfigError(f"--only was {word!r}; accepted values are {known}")
        wanted |= meant
    found: list[tuple[Question, frozenset[str] | None]] = []
    for one in QUESTIONS:
        if not only or one.name in wanted:
            found.append((one, None))
        elif rows := wanted & set(one.row_names):
            found.append((one, frozenset(rows)))
    return found
