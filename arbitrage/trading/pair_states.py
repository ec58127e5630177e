"""A pair's phases, each a class: the table of pair_phases.h as types.

A phase has a method for each phase that may follow it, of that phase's name; a test holds classes
and table together. `advance` is how a journal is replayed: it takes a move only where the phase
has that method.
"""

from dataclasses import dataclass
from typing import ClassVar

import msgspec

from arbitrage.core.strategy import PHASES
from arbitrage.trading.typestate import State

__all__ = [
    "PHASE_CLASSES",
    "AnyPair",
    "Broken",
    "Closed",
    "Closing",
    "Completing",
    "Idle",
    "IllegalMove",
    "OneLeg",
    "Open",
    "Opening",
    "PairFacts",
    "PairState",
    "Unwinding",
    "advance",
]


class PairFacts(msgspec.Struct, frozen=True, gc=False):
    """What a pair was when it entered its phase.

    Attributes
    ----------
    number : int
        Inside the run, as in the client ids.
    symbol_index, buy_row, sell_row : int
    opportunity_id : int
        0: none.
    long_lots, short_lots : int
        Held by the leg that buys and by the one that sells to enter, each in its direction.
    reason : str
        Why it leaves, one of `arbitrage.core.strategy.EXIT_REASONS`.
    kind, tag : int
        By which rule it leaves, and whose it is.
    wall_ns, mono_ns : int
        When it entered the phase.
    """

    number: int
    symbol_index: int
    buy_row: int
    sell_row: int
    opportunity_id: int = 0
    long_lots: int = 0
    short_lots: int = 0
    reason: str = "none"
    kind: int = 0
    tag: int = 0
    wall_ns: int = 0
    mono_ns: int = 0


@dataclass(frozen=True, slots=True)
class PairState(State):
    """What every phase of a pair tells."""

    phase: ClassVar[str]
    facts: PairFacts

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done for it."""
        return isinstance(self, Idle | Closed)


@dataclass(frozen=True, slots=True)
class Idle(PairState):
    """No pair."""

    phase = "idle"

    def opening(self, told: PairFacts) -> "Opening":
        """A request for it passed the gate."""
        self._leave()
        return Opening(told)

    def open(self, told: PairFacts) -> "Open":
        """A recovered pair stands level."""
        self._leave()
        return Open(told)

    def unwinding(self, told: PairFacts) -> "Unwinding":
        """A fill after the end, or a recovered pair that is uneven."""
        self._leave()
        return Unwinding(told)


@dataclass(frozen=True, slots=True)
class Opening(PairState):
    """Both entry orders are out."""

    phase = "opening"

    def open(self, told: PairFacts) -> "Open":
        """Both orders over, legs level."""
        self._leave()
        return Open(told)

    def one_leg(self, told: PairFacts) -> "OneLeg":
        """Both orders over, legs uneven; or uneven for half the naked bound."""
        self._leave()
        return OneLeg(told)

    def unwinding(self, told: PairFacts) -> "Unwinding":
        """The venue took a leg."""
        self._leave()
        return Unwinding(told)

    def closed(self, told: PairFacts) -> "Closed":
        """Both orders over, nothing filled."""
        self._leave()
        return Closed(told)


@dataclass(frozen=True, slots=True)
class OneLeg(PairState):
    """The legs are uneven: complete or unwind, whichever costs less."""

    phase = "one_leg"

    def completing(self, told: PairFacts) -> "Completing":
        """Completing costs less, and the gate lets it pass."""
        self._leave()
        return Completing(told)

    def unwinding(self, told: PairFacts) -> "Unwinding":
        """Unwinding costs less, or completing may not be."""
        self._leave()
        return Unwinding(told)

    def open(self, told: PairFacts) -> "Open":
        """A late fill made the legs level while nothing might leave."""
        self._leave()
        return Open(told)

    def broken(self, told: PairFacts) -> "Broken":
        """Uneven for the whole naked bound while nothing might leave."""
        self._leave()
        return Broken(told)


@dataclass(frozen=True, slots=True)
class Completing(PairState):
    """One more entry order is out, for what the smaller leg lacks."""

    phase = "completing"

    def open(self, told: PairFacts) -> "Open":
        """The order filled, legs level."""
        self._leave()
        return Open(told)

    def one_leg(self, told: PairFacts) -> "OneLeg":
        """The order ended short, or is unknown at half the naked bound."""
        self._leave()
        return OneLeg(told)

    def unwinding(self, told: PairFacts) -> "Unwinding":
        """The venue took a leg."""
        self._leave()
        return Unwinding(told)


@dataclass(frozen=True, slots=True)
class Unwinding(PairState):
    """Reducing: to what both legs hold in common, or to nothing when a leg failed."""

    phase = "unwinding"

    def open(self, told: PairFacts) -> "Open":
        """Down to what both legs hold in common."""
        self._leave()
        return Open(told)

    def closed(self, told: PairFacts) -> "Closed":
        """Both legs flat."""
        self._leave()
        return Closed(told)

    def broken(self, told: PairFacts) -> "Broken":
        """Uneven for the whole naked bound, or a leg's tries used up."""
        self._leave()
        return Broken(told)


@dataclass(frozen=True, slots=True)
class Open(PairState):
    """Both legs stand, level."""

    phase = "open"

    def closing(self, told: PairFacts) -> "Closing":
        """An exit rule holds."""
        self._leave()
        return Closing(told)

    def unwinding(self, told: PairFacts) -> "Unwinding":
        """A late fill, or the venue took a leg."""
        self._leave()
        return Unwinding(told)


@dataclass(frozen=True, slots=True)
class Closing(PairState):
    """Leaving on purpose: reducing to nothing."""

    phase = "closing"

    def closed(self, told: PairFacts) -> "Closed":
        """Both legs flat."""
        self._leave()
        return Closed(told)

    def broken(self, told: PairFacts) -> "Broken":
        """Uneven for the whole naked bound, or a leg's tries used up."""
        self._leave()
        return Broken(told)


@dataclass(frozen=True, slots=True)
class Closed(PairState):
    """Flat: waits for late fills and their prices."""

    phase = "closed"

    def idle(self, told: PairFacts) -> "Idle":
        """Every fill has its price, or settle_ms passed."""
        self._leave()
        return Idle(told)

    def unwinding(self, told: PairFacts) -> "Unwinding":
        """A fill came after all."""
        self._leave()
        return Unwinding(told)


@dataclass(frozen=True, slots=True)
class Broken(PairState):
    """Not brought back within its bounds: reducing on, widest slip, symbol paused."""

    phase = "broken"

    def closed(self, told: PairFacts) -> "Closed":
        """Both legs flat."""
        self._leave()
        return Closed(told)


AnyPair = (
    Idle
    | Opening
    | OneLeg
    | Completing
    | Unwinding
    | Open
    | Closing
    | Closed
    | Broken
)
PHASE_CLASSES: tuple[type[AnyPair], ...] = (
    Idle,
    Opening,
    OneLeg,
    Completing,
    Unwinding,
    Open,
    Closing,
    Closed,
    Broken,
)


class IllegalMove(Exception):
    """A journal says that a pair went where the table has no move."""


def advance(state: AnyPair, phase: int, told: PairFacts) -> AnyPair:
    """Return the pair in the phase that a journal says it entered.

    Raises
    ------
    IllegalMove
        When its phase has no such move.
    """
    if not 0 <= phase < len(PHASE_CLASSES):
        raise IllegalMove(f"it entered phase {phase}, and there are {len(PHASE_CLASSES)}")
    move = getattr(state, PHASES[phase], None)
    if move is None:
        raise IllegalMove(f"it went from {state.phase} to {PHASES[phase]}")
    entered: AnyPair = move(told)
    return entered
