"""How a question is asked: rounds in turn, their medians, and what the machine did meanwhile."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.noise import Noise, Weather, pin

__all__ = [
    "BATCH",
    "Question",
    "Rounds",
    "Row",
    "Setup",
    "ask",
    "interleave",
    "medians",
    "python_batches",
    "rates",
    "versus",
]

BATCH = 256  # what takes under 500 ns is timed in batches of so many distinct inputs
ROUNDS_MIN, ROUNDS_MAX = 3, 2001
REPEATS = 3  # of a noisy run
NOISY = "NOISY"
RUNS_KEY = "p50_of_runs"  # in `more` of a row of several runs

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
    meter : callable
        Runs the hiccup meter for a moment on the calling thread, which is on the first core;
        called in pauses by a question that leaves no core free. Does nothing where one is free.
    """

    cores: tuple[int, ...]
    seconds: float
    say: Callable[[str], None] = lambda _text: None
    meter: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Row:
    """One answer.

    Of a rate (a unit that ends with ``/s``) p99 is the slow end, too. `ratio_to_floor` is 1 at the
    floor and larger is worse, `ratio_to_peer` is above 1 where we are better than the peer,
    whatever the unit.
    """

    name: str
    unit: str  # "ns", "ns/frame", "frames/s"; of what is counted "MB", "%", "calls" ...
    p50: float
    p99: float | None = None
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
    judge: Callable[["Row"], bool] | None = None  # says whether it holds; asked with the weather
    weather: Weather | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_rate(self) -> bool:
        return self.unit.endswith("/s")

    @property
    def is_noisy(self) -> bool:
        """Whether its figures are the machine's rather than ours."""
        return self.note.startswith(NOISY)

    @property
    def runs(self) -> int:
        """How many runs its figures are the medians of."""
        return len(self.more.get(RUNS_KEY, (self.p50,)))

    @property
    def what(self) -> str | None:
        """What one unit is of: the frame of "ns/frame", the frames of "frames/s"."""
        words = [word for word in self.unit.split("/") if word not in ("ns", "s", "1")]
        return words[0] if words and "/" in self.unit else None

    def as_json(self) -> dict[str, Any]:
        """Return what is written: first what every row has, then what helps to judge it."""
        unit = "1/s" if self.is_rate else self.unit.partition("/")[0]
        more, weather = dict(self.more), self.weather
        found: dict[str, Any] = {"name": self.name, "unit": unit}
        found |= {key: getattr(self, key) for key in FIGURES}
        found |= {"p90": more.pop("p90", None), "of": self.what, "floor": self.floor}
        found |= {"bar": self.bar, "holds": self.holds}
        if weather is not None:
            found |= {
                "steal_pct": weather.steal_pct,
                "hiccup_p99": weather.hiccup_p99_ns,
                "noisy": self.is_noisy,
                "weather": asdict(weather),
            }
        plain: dict[str, Any] = _plain(found | {"more": more})
        return plain


FIGURES = (
    "p50", "p99", "p999", "floor_p50", "floor_p99", "peer", "peer_p50", "ratio_to_floor",
    "ratio_to_peer", "n", "note",
)  # fmt: skip


def _plain(value: Any) -> Any:
    """Return what JSON can hold: NumPy's numbers as Python's, what is not finite as null."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True)
class Question:
    """A benchmark: its name, how many cores it cannot do without, and how it is asked.

    `rows` names the rows when they are several; `least_s` is what it takes however little time it
    is given. What counts rather than times is not `timed`: no meter spins beside it, and steal does
    not matter. What starts whole traders is not `quick`: a quick run leaves it out unless it is
    named.
    """

    name: str
    cores: int
    ask: Callable[[Setup], "Row | Sequence[Row]"]
    about: str
    rows: tuple[str, ...] = ()
    least_s: float = 0.0
    timed: bool = True
    quick: bool = True

    @property
    def row_names(self) -> tuple[str, ...]:
        return self.rows or (self.name,)


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


def rates(rounds: Rounds) -> Rounds:
    """Return operations a second of samples that are ns an operation."""
    return Rounds(tuple(1e9 / np.maximum(samples, 1e-9) for samples in rounds.rounds))


def versus(
    mine: Rounds, floor: Rounds | None = None, peer: Rounds | None = None, *, rate: bool = False
) -> dict[str, Any]:
    """Return the figures of a row, and its ratios the right way round."""
    slow, slower = (1.0, 0.1) if rate else (99.0, 99.9)
    found: dict[str, Any] = {"p50": mine.at(50), "p99": mine.at(slow), "p999": mine.at(slower)}
    if floor is not None:
        found |= {"floor_p50": floor.at(50), "floor_p99": floor.at(slow)}
        found["ratio_to_floor"] = floor.ratio(mine) if rate else mine.ratio(floor)
    if peer is not None:
        found["peer_p50"] = peer.at(50)
        found["ratio_to_peer"] = mine.ratio(peer) if rate else peer.ratio(mine)
    return found


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


def ask(
    question: Question, setup: Setup, may_repeat: Callable[[], bool] = lambda: True
) -> list[Row]:
    """Measure; again, up to three times, while the machine is noisy; return the calmest run."""
    has_meter = question.timed and len(setup.cores) > question.cores
    meter_core = setup.cores[question.cores] if has_meter else None
    runs: list[tuple[float, list[Row]]] = []
    for repeat in range(REPEATS):
        pin(setup.cores[0])
        with Noise(meter_core) as noise:
            answer = question.ask(replace(setup, meter=noise.look))
        weather = noise.weather
        assert weather is not None
        rows = [answer] if isinstance(answer, Row) else list(answer)
        noisy = weather.noisy and question.timed
        if noisy:
            setup.say(f"run {repeat + 1}: {weather.noise}")
            rows = [replace(row, note=f"{NOISY} ({weather.noise}); {row.note}") for row in rows]
        runs.append((weather.badness, [_judged(replace(row, weather=weather)) for row in rows]))
        if not noisy or not may_repeat():
            break
    return min(runs, key=lambda found: found[0])[1]


def medians(runs: Iterable[Row]) -> Row:
    """Return one row of several runs of the same: the median of each figure, all n, the last note.

    Noisy runs are left out unless all are. Whether it holds is what most of the runs say; the
    weather is the worst run's.
    """
    asked = list(runs)
    rows = [row for row in asked if not row.is_noisy] or asked
    last = rows[-1]
    if len(rows) == 1:
        return last
    found: dict[str, Any] = {}
    for name in FIGURES:
        values = [getattr(row, name) for row in rows]
        if name != "n" and all(isinstance(value, int | float) for value in values):
            found[name] = float(np.median(values))
    more = dict(last.more)
    for name, value in last.more.items():
        if isinstance(value, int | float) and all(name in row.more for row in rows):
            more[name] = float(np.median([row.more[name] for row in rows]))
    more[RUNS_KEY] = [row.p50 for row in rows]
    if last.judge is None and last.holds is not None:
        found["holds"] = sum(bool(row.holds) for row in rows) * 2 > len(rows)
    weathers = [row.weather for row in rows if row.weather is not None]
    if weathers:
        found["weather"] = max(weathers, key=lambda one: one.badness)
    total = sum(row.n for row in rows)
    left_out = f", {len(asked) - len(rows)} noisy ones left out" if len(asked) > len(rows) else ""
    note = f"{last.note}; median of {len(rows)} runs{left_out}"
    return _judged(replace(last, n=total, more=more, note=note, **found))


def _judged(row: Row) -> Row:
    return row if row.judge is None else replace(row, holds=row.judge(row))
