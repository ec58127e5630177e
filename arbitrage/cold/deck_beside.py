"""The programs beside a trader, each as a line in words."""

from collections.abc import Sequence

from arbitrage.cold.beside import Beside, MirrorState
from arbitrage.cold.deck_lines import BesideLine

__all__ = ["beside_lines"]

HANGS_S = 5.0  # they tell once a second
BACKLOG_WARN = 1_000


def beside_lines(found: Sequence[Beside]) -> list[BesideLine]:
    """Return a line a program: what is wrong with it, or what it has done."""
    return [BesideLine(kind=each.kind, place=each.place, **_said(each)) for each in found]


def _said(beside: Beside) -> dict[str, str]:
    state = beside.state
    if not beside.is_up or state is None:
        return {"said": f"killed (pid {beside.pid}): it writes nothing", "tone": "bad"}
    if beside.age_s is not None and beside.age_s > HANGS_S:
        return {"said": f"has said nothing for {beside.age_s:.0f} s", "tone": "bad"}
    if isinstance(state, MirrorState):
        lost = sum(sum(streams.values()) for streams in state.lost.values())
        if state.away:
            waiting = f"{state.waiting:,} waiting"
            return {"said": f"cut off ({state.away}), {waiting}, {lost:,} lost", "tone": "bad"}
        said = f"{sum(state.published.values()):,} written, {state.waiting:,} waiting"
        said = f"{said}, {lost:,} lost"
        return {"said": said, "tone": "warn" if lost or state.waiting > BACKLOG_WARN else ""}
    lost = sum(state.lost.values())
    said = f"{sum(state.written.values()):,} written, {state.written_bytes / 1e6:,.1f} MB"
    return {"said": f"{said}, {lost:,} lost", "tone": "warn" if lost else ""}
