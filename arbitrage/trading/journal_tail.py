"""A folder's journals followed while they are written: each record once, from any one on."""

from pathlib import Path
from typing import NamedTuple

from arbitrage.closing import Closing
from arbitrage.core.journal import Journal
from arbitrage.errors import JournalError
from arbitrage.trading.journal_rows import Row, RowReader
from arbitrage.trading.runs import journal_parts

__all__ = ["JournalTail", "TailRow"]


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
        self._part: Journal | None = None
        self._index = 0

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
                part = self._present_part()
            except JournalError:
                if taken:
                    break  # said at the next call
                raise
            record = None if part is None else part.whole(self._index)
            if record is None:
                if self._next_run():
                    continue
                break
            self._index += 1
            row = self._reader.read(record)
            if record.sequence > self._known:
                taken.append(TailRow(self._run, record.sequence, record.wall_ns, row))
        return taken

    def close(self) -> None:
        """Unmap the file."""
        if self._part is not None:
            self._part.close()
            self._part = None

    def _present_part(self) -> Journal | None:
        """Return the part that holds the next record; None when there is none yet."""
        part = self._part
        if part is not None and self._index < part.capacity:
            return part
        number = 0 if part is None else part.part + 1
        path = self._folder / f"{self._kind}-{self._run:09d}-{number:05d}.journal"
        try:
            fresh = Journal.open_readonly(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise JournalError(f"{path} cannot be read: {error}") from None
        self.close()
        self._part, self._index = fresh, 0
        return fresh

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
        self._run, self._known, self._index = min(later), 0, 0
        self._reader = RowReader()
        return True
