"""Whose fault a pair was that got one leg only, by the stamps in the journal.

On a machine that stands still an order reaches its venue too late, or its answer us: then the legs
come apart, and the trader does right to unwind them. That is no excuse for pairs whose orders were
answered in time; of those a market that moves makes a few in a row, and no more.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from arbitrage.core.messages import Execution
from arbitrage.core.records import ExecKind
from arbitrage.trading.history import History, PairHistory
from arbitrage.trading.run_journal import RunJournal

__all__ = ["EndedPair", "ended_pairs", "longest_streak"]

LATE_NS = 200_000_000  # a simulator answers within a few milliseconds
TOO_LATE_CODES = {10002, 50036}  # Bybit's and OKX' for an order whose time was past
ANSWERS = {ExecKind.ACK, ExecKind.REJECT, ExecKind.FILL, ExecKind.DONE}


class EndedPair(NamedTuple):
    """A pair that is over."""

    number: int
    symbol_index: int
    stood: bool  # on both legs
    filled: bool  # on one at least
    was_flattened: bool
    was_late: bool  # an order of it was answered late, or refused for its time


def _late_orders(told: Iterable[tuple[int, Execution]]) -> set[int]:
    """Return the orders whose venue was late; it counts from when the order was sent."""
    sent_ns: dict[int, int] = {}
    late = set()
    for mono_ns, word in told:
        if word.kind == ExecKind.SENT:
            sent_ns[word.client_id] = mono_ns
        elif word.kind in ANSWERS and mono_ns - sent_ns.pop(word.client_id, mono_ns) > LATE_NS:
            late.add(word.client_id)
        if word.kind == ExecKind.REJECT and word.venue_code in TOO_LATE_CODES:
            late.add(word.client_id)
    return late | set(sent_ns)


def ended_pairs(parts: Sequence[Path]) -> list[EndedPair]:
    """Return the pairs of a run's journal that began in it and are over, in order."""
    told: list[tuple[int, Execution]] = []
    history = History()
    with RunJournal(parts) as journal:
        for record in journal:
            history.take(record)
            if record.type == "EXEC":
                told.append((record.mono_ns, Execution.unpack(record.payload)))
    late = _late_orders(told)

    def ended(pair: PairHistory) -> EndedPair:
        orders = [history.orders[number] for number in pair.orders]
        return EndedPair(
            pair.number,
            pair.symbol_index,
            stood="open" in {entry.phase for entry in pair.phases},
            filled=any(order.state.facts.filled_lots for order in orders),
            was_flattened=any(entry.reason == "flatten" for entry in pair.phases),
            was_late=bool(late & set(pair.orders)),
        )

    return [
        ended(pair)
        for pair in history.pairs.values()
        if pair.state.is_over and pair.is_flat and pair.adopted is None
    ]


def longest_streak(pairs: Iterable[EndedPair]) -> int:
    """Return how many pairs of a symbol in a row got one leg only, though nobody was late."""
    longest, streaks = 0, dict[int, int]()
    for pair in pairs:
        if pair.stood:
            streaks[pair.symbol_index] = 0
        elif pair.filled and not pair.was_flattened and not pair.was_late:
            streaks[pair.symbol_index] = streaks.get(pair.symbol_index, 0) + 1
            longest = max(longest, streaks[pair.symbol_index])
    return longest
