"""What is worth waking somebody for: looks at a trader become events that begin and end."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from arbitrage.cold.deck import Deck
from arbitrage.wording import counted

__all__ = ["Alert", "Rules", "Watchman"]

LIVE = "LIVE"
BROKEN = "broken"
DAY_LOSS = "max_day_loss_usd"
OF_BOARD = ("kill", "one_leg", "broken", "loss")  # not known before the main thread has told
LOSS_BACK = 0.9  # a warning of the day's loss ends this far below its bound
FLAT_QTY = 1e-12
EVEN_PART = 0.02  # legs that differ by less are even: each venue has a lot of its own


@dataclass(frozen=True, slots=True)
class Rules:
    """How long and how far something may be off before it is told.

    Attributes
    ----------
    one_leg_s : float
        A pair may stand unevenly so long.
    feed_s : float
        A venue may be without a live row so long.
    gone_s : float
        A trader may be away so long, from the first look on; restarts take a moment.
    loss_part : float
        Part of the day's loss limit that is told before it is reached.
    """

    one_leg_s: float = 2.0
    feed_s: float = 10.0
    gone_s: float = 5.0
    loss_part: float = 0.8


@dataclass(frozen=True, slots=True)
class Alert:
    """Something has begun, or is over.

    Attributes
    ----------
    kind : str
        ``kill``, ``one_leg``, ``broken``, ``feed``, ``loss`` or ``gone``.
    key : str
        What it is about: two alerts of one trader, kind and key are the same thing.
    trader : str
        Whose it is.
    """

    kind: str
    key: str
    text: str
    is_over: bool = False
    wall_ns: int = 0
    trader: str = ""


@dataclass(slots=True)
class _Spell:
    """Something that is off: since when, and whether it was told."""

    since_s: float
    text: str
    is_told: bool = False
    is_seen: bool = True


class Watchman:
    """Turn decks into alerts; each thing is told once when it begins and once when it is over.

    Threads: one.

    Parameters
    ----------
    rules : Rules
        Bounds.
    clock : callable
        Seconds.
    """

    def __init__(self, rules: Rules, clock: Callable[[], float]) -> None:
        self._rules, self._clock = rules, clock
        self._spells: dict[tuple[str, str], _Spell] = {}

    @property
    def open_alerts(self) -> list[str]:
        """What is off and was told."""
        return [spell.text for spell in self._spells.values() if spell.is_told]

    def look(self, deck: Deck) -> list[Alert]:
        """Return what has begun or ended since the last look."""
        now_s = self._clock()
        for spell in self._spells.values():
            spell.is_seen = False
        found = []
        for kind, key, text, patience_s in self._off(deck):
            spell = self._spells.setdefault((kind, key), _Spell(now_s, text))
            spell.is_seen = True
            if not spell.is_told and now_s - spell.since_s >= patience_s:
                spell.is_told, spell.text = True, text
                found.append(Alert(kind, key, text, False, deck.wall_ns, deck.name))
        for kind, key in [place for place, spell in self._spells.items() if not spell.is_seen]:
            # what is not known neither goes on nor ends
            if not deck.alive or (kind in OF_BOARD and deck.board_age_s is None):
                continue
            spell = self._spells.pop((kind, key))
            if spell.is_told:
                text = _ending(kind, key, deck, now_s - spell.since_s)
                found.append(Alert(kind, key, text, True, deck.wall_ns, deck.name))
        return found

    def _off(self, deck: Deck) -> Iterator[tuple[str, str, str, float]]:
        """Yield (kind, key, words, how long it may last) of all that is off now."""
        rules = self._rules
        if not deck.alive:
            yield "gone", "", f"the trader is gone: {deck.why_not}", rules.gone_s
            return
        if deck.killed is not None:
            killed = deck.killed
            why = f": {killed.why}" if killed.why else ""
            # another trip is another event, also where nobody saw the switch cleared
            key = str(killed.since_wall_ns)
            yield "kill", key, f"KILLED ({killed.reason}) by {killed.by}{why}", 0.0
        yield from self._pairs(deck)
        for venue in deck.venues:
            if venue.rows_by_state and not venue.rows_by_state.get(LIVE):
                states = ", ".join(f"{n} {state}" for state, n in venue.rows_by_state.items())
                text = f"{venue.venue}: feed lost, no row is LIVE ({states})"
                yield "feed", venue.venue, text, rules.feed_s
        for limit in deck.limits:
            if limit.name == DAY_LOSS and limit.limit > 0 and limit.used is not None:
                part = limit.used / limit.limit
                told = self._spells.get(("loss", ""))
                bound = rules.loss_part * (LOSS_BACK if told is not None else 1.0)
                if part >= bound:
                    yield (
                        "loss", "",
                        f"the day's loss is {limit.used:,.2f} of {limit.limit:,.2f} USD "
                        f"({part:.0%}); at the limit the kill switch trips", 0.0,
                    )  # fmt: skip

    def _pairs(self, deck: Deck) -> Iterator[tuple[str, str, str, float]]:
        for pair in deck.pairs:
            key = f"{deck.run}.{pair.pair}"
            legs = (
                f"{pair.buy_venue} +{pair.buy_qty:.6g}, {pair.sell_venue} -{pair.sell_qty:.6g}"
            )
            if pair.phase.lower() == BROKEN:
                text = f"{pair.symbol}: pair {pair.pair} is BROKEN ({legs})"
                yield "broken", key, text, 0.0
            elif abs(pair.buy_qty - pair.sell_qty) > _even(pair.buy_qty, pair.sell_qty):
                text = (
                    f"{pair.symbol}: pair {pair.pair} has stood on one leg for longer than "
                    f"{self._rules.one_leg_s:g} s ({legs}, {pair.phase.replace('_', ' ')})"
                )
                yield "one_leg", key, text, self._rules.one_leg_s


def _even(buy_qty: float, sell_qty: float) -> float:
    return max(FLAT_QTY, EVEN_PART * max(buy_qty, sell_qty))


def _ending(kind: str, key: str, deck: Deck, lasted_s: float) -> str:
    lasted = counted(round(lasted_s), "second")
    if kind == "gone":
        return f"the trader is back after {lasted}: run {deck.run}, mode {deck.mode}"
    if kind == "kill":
        return "the kill switch was cleared"
    if kind == "feed":
        return f"{key}: feed is back after {lasted}"
    if kind == "loss":
        return "the day's loss is below its warning again"
    run, _, number = key.partition(".")
    if run != str(deck.run):
        return f"pair {number} of run {run} ended with its run; run {deck.run} tells what stands"
    return f"pair {number} no longer stands on one leg, after {lasted}"
