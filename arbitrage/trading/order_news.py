"""What a venue says of an order, made a transition: the only place where that is decided.

News may come twice, late and in any order. What says less than is known changes nothing; what
cannot be true beside it raises `Contradiction`. Quantities are counted as legs.h counts them.
"""

from collections.abc import Callable

from msgspec.structs import replace

from arbitrage.core.messages import Execution
from arbitrage.core.records import ExecKind
from arbitrage.trading.order_states import (
    Acknowledged,
    AnyLive,
    AnyOrder,
    Cancelled,
    Ended,
    Filled,
    Intended,
    Live,
    PartlyFilled,
    Rejected,
    Sent,
    Unknown,
)

__all__ = ["Contradiction", "advance"]


class Contradiction(Exception):
    """News that cannot be true beside what is known; `state` is the most that can be believed."""

    def __init__(self, text: str, state: AnyOrder) -> None:
        super().__init__(text)
        self.state = state


def advance(state: AnyOrder, told: Execution) -> AnyOrder:
    """Return what an order is after a venue's word; the same object when it says nothing new.

    Raises
    ------
    Contradiction
        When that word and what was known cannot both be true.
    """
    take = _WORDS.get(told.kind)
    if take is None:
        raise Contradiction(f"execution kind {told.kind} is none of an order's", state)
    return take(state, told)


def _sent(state: AnyOrder) -> AnyOrder:
    """Take a word that only an order which left can cause as the proof that it did."""
    return state.sent() if isinstance(state, Intended) else state


def _on_sent(state: AnyOrder, _told: Execution) -> AnyOrder:
    return _sent(state)


def _on_ack(state: AnyOrder, _told: Execution) -> AnyOrder:
    sent = _sent(state)
    return sent.acknowledged() if isinstance(sent, Sent | Unknown) else sent


def _on_timeout(state: AnyOrder, _told: Execution) -> AnyOrder:
    sent = _sent(state)
    if isinstance(sent, Sent | Acknowledged | PartlyFilled):
        return sent.timed_out()
    return sent


def _on_reject(state: AnyOrder, told: Execution) -> AnyOrder:
    if isinstance(state, Intended | Sent | Acknowledged | Unknown):
        return state.rejected(told.venue_code)
    if state.facts.filled_lots == 0:
        return state
    text = f"rejected after {state.facts.filled_lots} lots had filled"
    over = state.ended() if isinstance(state, Live) else state
    raise Contradiction(text, over)


def _on_fill(state: AnyOrder, told: Execution) -> AnyOrder:
    return _fill(_sent(state), told.last_qty_lots, told.cum_qty_lots)


def _fill(state: AnyOrder, last: int, cum: int) -> AnyOrder:
    facts = state.facts
    wanted, total = facts.order.qty_lots, facts.priced_lots + last
    owed = facts.filled_lots - facts.priced_lots
    final = isinstance(state, Cancelled | Filled)
    if last < 0:
        raise Contradiction(f"a fill of {last} lots", state)
    if last == 0:  # less than a lot, as after a change of the grid: the exact account has it
        return state
    repeated = 0 <= cum <= facts.cum_lots and (cum == facts.last_cum_lots or last > owed)
    if repeated or (cum < 0 and final and last > owed):
        return state
    if total > wanted:
        raise Contradiction(f"fills of {total} lots, of {wanted} ordered", state)
    if cum > wanted:
        told = f"a fill brought it to {cum} lots, of {wanted} ordered"
        raise Contradiction(told, _fill(state, last, wanted))
    now = replace(
        facts,
        filled_lots=max(facts.filled_lots, total, cum),
        priced_lots=total,
        cum_lots=max(facts.cum_lots, cum),
        last_cum_lots=cum,
    )
    if isinstance(state, Rejected):
        raise Contradiction(f"{last} lots filled after it was rejected", Ended(now))
    if isinstance(state, Cancelled) and now.filled_lots > facts.filled_lots:
        told = f"{now.filled_lots} lots filled after {facts.filled_lots} was the final count"
        raise Contradiction(told, Cancelled(now))
    if isinstance(state, Cancelled | Filled):
        return state.priced(now)
    if isinstance(state, Ended):
        return state.filled(now) if now.is_full else state.late_fill(now)
    live = _live(state)
    return live.filled(now) if now.is_full else live.part_filled(now)


def _on_done(state: AnyOrder, told: Execution) -> AnyOrder:
    state, cum = _sent(state), told.cum_qty_lots
    if cum < 0:
        return state.ended() if isinstance(state, Live) else state
    facts = state.facts
    filled = max(facts.filled_lots, min(cum, facts.order.qty_lots))
    now = replace(facts, filled_lots=filled, cum_lots=max(facts.cum_lots, filled))
    after: AnyOrder = state
    if isinstance(state, Live | Ended):
        after = state.filled(now) if now.is_full else state.cancelled(now)
    elif filled > facts.filled_lots:
        after = Filled(now) if now.is_full else Cancelled(now)
        raise Contradiction(
            f"it ended with {cum} lots filled, after {facts.filled_lots} was final", after
        )
    if cum > facts.order.qty_lots:
        raise Contradiction(f"{cum} lots filled, of {facts.order.qty_lots} ordered", after)
    if cum < facts.filled_lots:
        raise Contradiction(f"it ended with {cum} lots filled, but {filled} had", after)
    return after


def _live(state: AnyOrder) -> AnyLive:
    if not isinstance(state, AnyLive):
        raise TypeError(f"a {type(state).__name__} order is not live")
    return state


_WORDS: dict[int, Callable[[AnyOrder, Execution], AnyOrder]] = {
    ExecKind.SENT: _on_sent,
    ExecKind.ACK: _on_ack,
    ExecKind.TIMEOUT: _on_timeout,
    ExecKind.REJECT: _on_reject,
    ExecKind.FILL: _on_fill,
    ExecKind.DONE: _on_done,
}
