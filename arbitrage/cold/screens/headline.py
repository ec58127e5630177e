"""The lines above the panels: who trades, how, since when, and what holds it back."""

from rich.text import Text

from arbitrage.cold.deck import Deck
from arbitrage.cold.screens.figures import clock_time, duration, printable

__all__ = ["Theme", "age_of", "banners", "headline", "is_board_old"]

LATE_S = 2.0
Theme = dict[str, str]  # tone -> a style of the terminal


def is_board_old(deck: Deck) -> bool:
    """Whether what the trader's main thread tells is older than it should be."""
    return (deck.board_age_s or 0.0) > LATE_S or (deck.heartbeat_age_s or 0.0) > LATE_S


def age_of(deck: Deck) -> float:
    """Return the age of the oldest thing shown, in seconds."""
    return max(deck.heartbeat_age_s or 0.0, deck.board_age_s or 0.0)


def _state(deck: Deck) -> tuple[str, str]:
    if not deck.alive:
        return "GONE", "bad"
    if deck.killed is not None:
        return "KILLED", "bad"
    if is_board_old(deck):
        return "NO HEARTBEAT", "bad"
    if deck.opening:
        return "NO NEW PAIRS", "warn"
    return "TRADING", "good"


def headline(deck: Deck, width: int, theme: Theme, watched: str) -> Text:
    """Return the one line that always stands: name, mode, strategy, run, age; state; freshness.

    `watched` says what is looked at where it is no running trader; then no state is shown.
    """
    parts = [printable(deck.name)]
    if deck.alive:
        parts += [part for part in (deck.mode.upper(), printable(deck.strategy)) if part]
        if deck.run:
            parts.append(f"run {deck.run}")
        if deck.uptime_s is not None:
            parts.append(f"up {duration(deck.uptime_s)}")
    left = Text(" " + " · ".join(parts), style=theme["strong"])
    if not deck.alive:
        age, tone = "no data", "bad"
    elif watched:
        age, tone = f"{clock_time(deck.wall_ns)} UTC", "plain"
    else:
        seconds = age_of(deck)
        tone = "bad" if is_board_old(deck) else "good"
        age = f"data {seconds:.1f} s old"
    state, state_tone = (watched, "warn") if watched and deck.alive else _state(deck)
    right = Text()
    right.append(f" {state} ", style=theme[f"{state_tone}_chip"])
    right.append(f"  {age} ", style=theme[tone])
    room = width - right.cell_len
    if room < 1:
        return right
    left.truncate(room, overflow="ellipsis", pad=True)
    return left.append_text(right)


def banners(deck: Deck, watched: str, trouble: str) -> list[tuple[str, str]]:
    """Return what must not be overlooked, most urgent first: (line, tone)."""
    found: list[tuple[str, str]] = []
    if trouble:
        found.append((trouble, "bad"))
    if not deck.alive:
        why = deck.why_not or "no trader runs"
        found.append((f"NO TRADER: {why}; nothing is known until one runs", "bad"))
        return [(printable(line), tone) for line, tone in found]
    if deck.killed is not None:
        killed = deck.killed
        since = clock_time(killed.since_wall_ns)
        why = f": {killed.why}" if killed.why else ""
        found.append((f"KILLED ({killed.reason}) by {killed.by} at {since} UTC{why}", "bad"))
    if is_board_old(deck):
        found.append(
            (f"NO HEARTBEAT for {age_of(deck):.0f} s: the trader hangs or starves; pairs, PnL, "
             "limits and incidents below are as last told", "bad")
        )  # fmt: skip
    if deck.opening and deck.killed is None:
        found.append((deck.opening if watched else f"no new pairs: {deck.opening}", "warn"))
    if deck.paused:
        held = ", ".join(f"{symbol} ({', '.join(why)})" for symbol, why in deck.paused.items())
        found.append((f"paused: {held}", "warn"))
    for line in deck.beside:
        if line.tone == "bad":
            found.append((f"{line.kind} into {line.place}: {line.said}", "warn"))
    return [(printable(line), tone) for line, tone in found]
