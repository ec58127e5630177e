"""A folder's journals followed while they are written: each record once, from any one on."""

import os
from pathlib import Path
from typing import NamedTuple

from arbitrage.closing import Closing
from arbitrage.core.journal import (
    HEADER_BYTES,
    RECORD_BYTES,
    Journal,
    JournalRecord,
    whole_records,
)
from arbitrage.errors import JournalError
from arbitrage.trading.journal_rows import Row, RowReader
from arbitrage.trading.runs import journal_parts

__all__ = ["JournalTail", "TailRow"]

BLOCK_RECORDS = 512


class TailRow(NamedTuple):
    """One record: whose run, when it was written (UTC epoch), and the row of `journal_rows`."""

    run: int
    sequence: int
    wall_ns: int
    row: Row


class JournalTail(Closing):
    """Follow the journals of one kind through the runs of a folder.

    A run is read to its end; then the next one follows, up to `last_run`, which may still be
    written. Nothing is kept but the place: what is not taken waits in the files.

    Threads: one.

    Parameters
    ----------
    folder : Path
        The state folder of the trader.
    kind : str
        ``orders`` or ``account``.
    run : int
        Where to begin.
    sequence : int
        Records of that run that are known already.

    Attributes
    ----------
    last_run : int
        Runs after it are not read.
    """

    def __init__(self, folder: Path, kind: str, run: int, sequence: int = 0) -> None:
        self.last_run = run
        self._folder, self._kind = folder, kind
        self._run, self._known = run, sequence
        self._reader = RowReader()
        self._file = -1  # of the part that is read
        self._part, self._index, self._capacity, self._first_sequence = -1, 0, 0, 1

    def take(self, records_max: int) -> list[TailRow]:
        """Return the next records, at most so many; none when there are none yet.

        Raises
        ------
        JournalError
            A file cannot be read, or is no journal.
        """
        taken: list[TailRow] = []
        while len(taken) < records_max:
            try:
                records = self._read(records_max - len(taken)) if self._open_part() else []
            except JournalError:
                if taken:
                    break  # said at the next call
                raise
            for record in records:
                self._index += 1
                row = self._reader.read(record)
                if record.sequence > self._known:
                    taken.append(TailRow(self._run, record.sequence, record.wall_ns, row))
            if not records and not self._next_run():
                break
        return taken

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _read(self, records_max: int) -> list[JournalRecord]:
        # read, not mapped: its writer cuts it short when it closes it
        count = min(records_max, self._capacity - self._index, BLOCK_RECORDS)
        try:
            block = os.pread(
                self._file, count * RECORD_BYTES, HEADER_BYTES + self._index * RECORD_BYTES
            )
        except OSError as error:
            raise JournalError(f"{self._path(self._part)} cannot be read: {error}") from None
        return whole_records(block, self._run, self._first_sequence + self._index)

    def _path(self, part: int) -> Path:
        return self._folder / f"{self._kind}-{self._run:09d}-{part:05d}.journal"

    def _open_part(self) -> bool:
        """Open the part that holds the next record, if that is another; False: there is none."""
        if self._file >= 0 and self._index < self._capacity:
            return True
        path = self._path(self._part + 1)
        try:
            part = Journal.open_readonly(path)
            found = (part.part, part.capacity, part.first_sequence)
            part.close()
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            raise JournalError(f"{path} cannot be read: {error}") from None
        self.close()
        self._file, self._index = file, 0
        self._part, self._capacity, self._first_sequence = found
        return True

    def _next_run(self) -> bool:
        """Begin the next run's journal, when the present one cannot grow any more."""
        if self._run >= self.last_run:
            return False
        later = [
            run
            for run in journal_parts(self._folder, self._kind)
            if self._run < run <= self.last_run
        ]
        if not later:
            return False
        self.close()
        self._run, self._known, self._part = min(later), 0, -1
        self._index = self._capacity = 0
        self._reader = RowReader()
        return True
