"""How a question is asked: rounds in turn, their medians, and what the machine did meanwhile."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.noise import Noise, Weather, pin

__all__ = ["BATCH", "Question", "Rounds", "Row", "Setup", "ask", "interleave", "python_batches"]

BATCH = 256  # what takes under 500 ns is timed in batches of so many distinct inputs
ROUNDS_MIN, ROUNDS_MAX = 3, 2001
REPEATS = 3  # of a noisy run

Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Setup:
    """Where and how long to measure.

    Parameters
    ----------
    cores : tuple of int
        Cores to use, the first choice first.
    seconds : float
        Time for the rounds of one question.
    say : callable
        Takes a line of progress.
    """

    cores: tuple[int, ...]
    seconds: float
    say: Callable[[str], None] = lambda _text: None


@dataclass(frozen=True)
class Row:
    """One answer. Rates are in a unit that says so; then p99 is the slow end, too."""

    name: str
    unit: str
    p50: float
    p99: float
    p999: float | None = None
    floor: str | None = None
    floor_p50: float | None = None
    floor_p99: float | None = None
    peer: str | None = None
    peer_p50: float | None = None
    ratio_to_floor: float | None = None
    ratio_to_peer: float | None = None
    n: int = 0
    note: str = ""
    bar: str | None = None  # what is promised
    holds: bool | None = None
    weather: Weather | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return what is written to the results."""
        return asdict(self)


@dataclass(frozen=True)
class Question:
    """A benchmark: its name, how many cores it cannot do without, and how it is asked."""

    name: str
    cores: int
    ask: Callable[[Setup], Row]
    about: str


@dataclass(frozen=True)
class Rounds:
    """Samples of one contestant, a round at a time."""

    rounds: tuple[Samples, ...]

    def at(self, percent: float) -> float:
        """Return the median over rounds of a round's percentile."""
        return float(np.median([np.percentile(samples, percent) for samples in self.rounds]))

    @property
    def n(self) -> int:
        return sum(len(samples) for samples in self.rounds)

    def ratio(self, other: "Rounds") -> float:
        """Return the median over rounds of p50 / the other's p50 in the same round."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return float(np.median([np.median(a) / max(np.median(b), 1e-9) for a, b in pairs]))


def interleave(setup: Setup, contestants: Mapping[str, Callable[[], Samples]]) -> dict[str, Rounds]:
    """Let everybody run in turn, in every round, until the time is up.

    One unmeasured round comes first. The clock of a core swings within seconds, so only figures of
    the same rounds are compared.
    """
    for contestant in contestants.values():
        contestant()
    found: dict[str, list[Samples]] = {name: [] for name in contestants}
    end_s = time.monotonic() + setup.seconds
    done = 0
    while done < ROUNDS_MIN or (time.monotonic() < end_s and done < ROUNDS_MAX):
        order = list(contestants) if done % 2 else list(reversed(contestants))
        for name in order:
            found[name].append(contestants[name]())
        done += 1
        setup.say(f"round {done}")
    return {name: Rounds(tuple(rounds)) for name, rounds in found.items()}


def python_batches(batches: int, run: Callable[[int], object]) -> Samples:
    """Time ``run(batch)``, which handles BATCH inputs, for each batch; ns an input."""
    clock = time.perf_counter_ns
    cost = min(-(clock() - clock()) for _ in range(200))
    found = np.empty(batches)
    for batch in range(batches):
        begin = clock()
        run(batch)
        found[batch] = (clock() - begin - cost) / BATCH
    return found


def ask(question: Question, setup: Setup) -> Row:
    """Measure; again, up to three times, while the machine is noisy; return the calmest run."""
    meter_core = setup.cores[question.cores] if len(setup.cores) > question.cores else None
    rows: list[tuple[float, Row]] = []
    for repeat in range(REPEATS):
        pin(setup.cores[0])
        with Noise(meter_core) as noise:
            row = question.ask(setup)
        weather = noise.weather
        assert weather is not None
        if weather.noisy:
            setup.say(f"run {repeat + 1}: {weather.noise}")
            row = replace(row, note=f"NOISY ({weather.noise}); {row.note}")
        rows.append((weather.badness, replace(row, weather=weather)))
        if not weather.noisy:
            break
    return min(rows, key=lambda found: found[0])[1]
