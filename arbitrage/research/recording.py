"""A recorded trader: its decisions and opportunities as arrays, and the same again by replay.

`arb record` leaves a folder of typed records (`arbitrage.record_files`). They are read whole into
memory, 64 bytes a decision, and can be replayed through the trader's own detector: what it
publishes then is what it published, byte for byte, wherever the recording is exact.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from arbitrage.core import decisions, records
from arbitrage.core.decisions import DECISION_BYTES, DecisionKind, DecisionReplay
from arbitrage.core.records import OPPORTUNITY_BYTES
from arbitrage.errors import ConfigError
from arbitrage.exact_ranges import ExactRange, ExactRanges
from arbitrage.record_files import (
    DECISIONS,
    OPPORTUNITIES,
    SUMMARY,
    Block,
    RecordFile,
    pieces_of,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Comparison", "Difference", "Recording", "Replayed"]

Progress = Callable[[float], None]


class Recording:
    """A folder that `arb record` has written, or is writing.

    Parameters
    ----------
    folder : str or Path
        Holds ``decisions.*ticks*`` and, unless left out, ``opportunities.*events*``.

    Attributes
    ----------
    session : dict
        Whose records these are: trader, run, mode, venues, symbols, contracts by row.
    manifest : dict or None
        ``recording.json``; None while the recorder runs, or when it was killed.

    Raises
    ------
    ConfigError
        The folder holds no decisions, or a file of it cannot be read.

    Examples
    --------
    >>> day = arbitrage.Recording("days/monday")  # doctest: +SKIP
    >>> ticks = day.ticks(); ticks["bid_px"].max(), len(day.opportunities())  # doctest: +SKIP
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._decisions = pieces_of(self.folder, DECISIONS)
        self._opportunities = pieces_of(self.folder, OPPORTUNITIES)
        if not self._decisions:
            raise ConfigError(
                f"{self.folder} holds no recorded decisions; `arb record` of a trader with "
                "ARB_TAP_MB writes them (frames alone are replayed with --bybit and --okx)"
            )
        with RecordFile(self._decisions[0]) as file:
            self.session: dict[str, Any] = file.session
            self._shape = self._shape_of(file)
        self.manifest = self._manifest()

    def __repr__(self) -> str:
        session = self.session
        return f"Recording({session['trader']} run {session['run']}, {', '.join(self.symbols)})"

    @property
    def symbols(self) -> tuple[str, ...]:
        """Canonical symbols by index."""
        return tuple(self.session["symbols"])

    @property
    def venues(self) -> tuple[str, ...]:
        """Venues by number."""
        return tuple(self.session["venues"])

    # ---- as they lie in the files ----------------------------------------------------------------

    def decision_blocks(self, progress: Progress | None = None) -> Iterator[Block]:
        """Read the blocks of decisions, piece after piece."""
        return self._blocks(self._decisions, DECISION_BYTES, progress)

    def opportunity_blocks(self) -> Iterator[Block]:
        """Read the blocks of published opportunities, piece after piece."""
        return self._blocks(self._opportunities, OPPORTUNITY_BYTES, None)

    def _blocks(
        self, paths: list[Path], record_bytes: int, progress: Progress | None
    ) -> Iterator[Block]:
        for done, path in enumerate(paths):
            with RecordFile(path) as file:
                if file.session["run"] != self.session["run"]:
                    raise ConfigError(
                        f"record file {path} is of run {file.session['run']}, not of "
                        f"{self.session['run']}: one folder holds one recording"
                    )
                if file.record_bytes != record_bytes:
                    raise ConfigError(f"record file {path} has records of another size")
                yield from file.blocks()
            if progress is not None:
                progress((done + 1) / len(paths))

    # ---- as arrays -------------------------------------------------------------------------------

    def decisions(self) -> "NDArray[np.void]":
        """Return all decisions, of dtype ``arbitrage.core.decisions.DECISION_DTYPE``."""
        return self._joined(self.decision_blocks(), decisions.DECISION_DTYPE)

    def ticks(self) -> "NDArray[np.void]":
        """Return the ticks alone, in the order in which the detector applied them."""
        found = self.decisions()
        ticks: NDArray[np.void] = found[found["kind"] == DecisionKind.TICK]
        return ticks

    def opportunities(self) -> "NDArray[np.void]":
        """Return the published events, of the opportunity dtype."""
        return self._joined(self.opportunity_blocks(), records.OPPORTUNITY_DTYPE)

    def numbered_opportunities(self) -> "tuple[NDArray[np.int64], NDArray[np.void]]":
        """Return the number of each published event since the trader's start, and the events."""
        return _published(self)

    def config(self) -> dict[str, Any]:
        """Return the detector's thresholds, as it told them; empty when it never did."""
        pieces: list[bytes] = []
        for block in self.decision_blocks():
            found = self._joined(iter([block]), decisions.DECISION_DTYPE)
            for row in found[found["kind"] == DecisionKind.CONFIG]:
                if int(row["events"]) == len(pieces):
                    pieces.append(row["words"].tobytes())
                if len(pieces) == decisions.CONFIG_PIECES:
                    return decisions.read_config(b"".join(pieces))
        return {}

    def _joined(self, blocks: Iterator[Block], dtype: Any) -> "NDArray[np.void]":
        import numpy as np

        return np.frombuffer(b"".join(block.records for block in blocks), dtype)

    # ---- again -----------------------------------------------------------------------------------

    def replay(self, progress: Progress | None = None) -> "Replayed":
        """Run the trader's detector over its decisions again.

        Returns
        -------
        Replayed
            The events of every exact range, and how far they agree with what was told.
        """
        core = DecisionReplay(*self._shape)
        exact = ExactRanges(core)
        found = Replayed(core, exact.ranges)
        following = -1
        for block in self.decision_blocks(progress):
            found.records += block.count
            if following not in (-1, block.first):
                found.gaps.append((following, block.first))
            following = block.first + block.count
            found.add(exact.feed(block.first, block.records, DECISION_BYTES))
        return found

    def _shape_of(self, file: RecordFile) -> tuple[int, int]:
        try:
            return int(file.session["venue_count"]), int(file.session["symbol_capacity"])
        except (KeyError, TypeError, ValueError):
            raise ConfigError(f"record file {file.path} does not say what its rows are") from None

    def _manifest(self) -> dict[str, Any] | None:
        path = self.folder / SUMMARY
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {error}") from None


@dataclass(frozen=True)
class Difference:
    """The first event that is not as it was published."""

    event: int  # its number since the trader's start
    what: str


@dataclass(frozen=True)
class Comparison:
    """Replayed events beside the recorded ones."""

    equal: int  # byte for byte
    missing: int  # replayed, but lost by the recorder of opportunities
    beyond: int  # recorded, but outside every exact range
    first: Difference | None


@dataclass
class Replayed:
    """What a replay found.

    Attributes
    ----------
    ranges : list of ExactRange
        Where it is exact.
    gaps : list of (from, to)
        Records that the recording has not, by number.
    """

    core: DecisionReplay
    ranges: list[ExactRange]
    records: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    _pieces: list[tuple[int, "NDArray[np.void]"]] = field(default_factory=list)

    def add(self, pieces: list[tuple[int, "NDArray[np.void]"]]) -> None:
        """Append events, each piece with the number of its first."""
        self._pieces += pieces

    @property
    def events(self) -> "NDArray[np.void]":
        """All events of the exact ranges, of the opportunity dtype."""
        import numpy as np

        pieces = [events for _, events in self._pieces]
        return np.concatenate(pieces) if pieces else np.zeros(0, records.OPPORTUNITY_DTYPE)

    @property
    def is_faithful(self) -> bool:
        """Whether the detector answered every record as it did in the trader."""
        return self.core.first_difference is None

    def compare(self, recording: Recording) -> Comparison:
        """Compare with the opportunities that the trader published."""
        import numpy as np

        numbers, published = _published(recording)
        equal = missing = 0
        first: Difference | None = None
        within = np.zeros(len(numbers), bool)
        for one in self.ranges:
            within |= (numbers >= one.from_event) & (numbers < one.to_event)
        for begin, events in self._pieces:
            # where each replayed event is, or would be, among the published ones
            wanted = np.arange(begin, begin + len(events))
            place = np.searchsorted(numbers, wanted)
            there = place < len(numbers)
            there[there] = numbers[place[there]] == wanted[there]
            missing += int((~there).sum())
            ours = events[there].view("V120")
            theirs = published[place[there]].view("V120")
            same = ours == theirs
            equal += int(same.sum())
            if first is None and not same.all():
                at = int(np.flatnonzero(~same)[0])
                first = _difference(
                    int(wanted[there][at]), events[there][at], published[place[there]][at]
                )
        return Comparison(equal, missing, int((~within).sum()), first)


def _published(recording: Recording) -> tuple["NDArray[np.int64]", "NDArray[np.void]"]:
    """Return the recorded events, and the number of each."""
    import numpy as np

    blocks = list(recording.opportunity_blocks())
    numbers = [np.arange(block.first, block.first + block.count) for block in blocks]
    text = b"".join(block.records for block in blocks)
    return (
        np.concatenate(numbers) if numbers else np.zeros(0, np.int64),
        np.frombuffer(text, records.OPPORTUNITY_DTYPE),
    )


def _difference(number: int, ours: Any, theirs: Any) -> Difference:
    fields = [
        f"{name} {theirs[name]!s} was published, {ours[name]!s} replayed"
        for name in records.OPPORTUNITY_DTYPE.names or ()
        if ours[name].tobytes() != theirs[name].tobytes()
    ]
    return Difference(number, "; ".join(fields))
