"""A run's journal read back: its parts as one sequence of records, each decoded."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from arbitrage.closing import Closing
from arbitrage.core.journal import Journal, JournalRecord
from arbitrage.core.messages import (
    Adopted,
    Contract,
    ControlWords,
    Execution,
    FillEntry,
    FundingEntry,
    Order,
    PairPhase,
    PositionEntry,
    RunBegun,
    RunTaken,
)
from arbitrage.errors import JournalError

__all__ = ["Held", "RunJournal", "RunReport", "decode"]

_KINDS: dict[str, Any] = {
    "RUN": RunBegun,
    "INTENT": Order,
    "EXEC": Execution,
    "PAIR": PairPhase,
    "KILL": ControlWords,
    "CONTRACT": Contract,
    "FILL": FillEntry,
    "FUNDING": FundingEntry,
    "POSITION": PositionEntry,
    "ADOPTED": Adopted,
    "TAKEN": RunTaken,
}
Held = (
    RunBegun
    | Order
    | Execution
    | PairPhase
    | ControlWords
    | Contract
    | FillEntry
    | FundingEntry
    | PositionEntry
    | Adopted
    | RunTaken
)


class RunReport(NamedTuple):
    """Whether a run's journal is whole.

    Attributes
    ----------
    parts : int
        Files.
    valid : int
        Whole records up to the journal's end.
    torn : bool
        The record at the end is there but not whole, as after a power cut.
    stray : int
        Whole records behind the end, which a healthy journal never has.
    """

    parts: int
    valid: int
    torn: bool
    stray: int


def decode(record: JournalRecord) -> Held:
    """Return what a record holds, as the tuple of its kind.

    Raises
    ------
    JournalError
        It holds nothing that this program writes.
    """
    try:
        held: Held = _KINDS[record.type].unpack(record.payload)
    except (KeyError, struct.error):
        raise JournalError(
            f"record {record.sequence} of run {record.run} is whole, and of no kind that this "
            "program writes"
        ) from None
    return held


class RunJournal(Closing):
    """Read the parts of one run's journal as one.

    Parameters
    ----------
    paths : sequence of Path
        The parts, first to last.

    Raises
    ------
    JournalError
        A file is no journal, or the parts do not belong together.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._open = ExitStack()
        self.parts: list[Journal] = []
        try:
            for path in paths:
                self._add(path)
        except BaseException:
            self._open.close()
            raise

    def _add(self, path: Path) -> None:
        try:
            part = Journal.open_readonly(path)
        except (OSError, ValueError) as error:
            raise JournalError(f"{path} cannot be read: {error}") from None
        self._open.callback(part.close)
        if self.parts:
            last = self.parts[-1]
            wanted = (last.run, last.part + 1, last.first_sequence + last.capacity)
        else:
            wanted = (part.run, 0, 1)
        if (part.run, part.part, part.first_sequence) != wanted:
            raise JournalError(
                f"{path} is part {part.part} of run {part.run} from record {part.first_sequence}; "
                f"expected part {wanted[1]} of run {wanted[0]} from record {wanted[2]}: "
                "a part of this journal is missing or was changed"
            )
        self.parts.append(part)

    @property
    def run(self) -> int:
        """Run number of the client ids."""
        return self.parts[0].run

    @property
    def started_wall_ns(self) -> int:
        """When the run began, UTC epoch."""
        return self.parts[0].created_wall_ns

    def __iter__(self) -> Iterator[JournalRecord]:
        """Yield the valid records of all parts in order; ends where the journal ends."""
        for part in self.parts:
            yield from part
            if len(part) < part.capacity:
                return

    def verify(self) -> RunReport:
        """Check every record of every part; a trader may go on writing meanwhile."""
        report = self._check()
        while report.stray:
            again = self._check()
            if again.valid == report.valid:
                break
            report = again
        return report

    def _check(self) -> RunReport:
        valid, stray, torn, ended = 0, 0, False, False
        for part in self.parts:
            report = part.verify()
            if ended:
                stray += report.valid + report.stray
                continue
            valid += report.valid
            stray += report.stray
            torn = report.torn
            ended = report.valid < part.capacity
        return RunReport(len(self.parts), valid, torn, stray)

    def close(self) -> None:
        """Unmap the files."""
        self._open.close()
