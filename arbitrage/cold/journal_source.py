"""Orders and fills as the trader's journals hold them: complete, exact, read when there is time.

The files keep what nobody has read yet, so nothing of them is ever dropped for want of room here.
Who starts the mirror hands in what reads them (`arbitrage.trading.journal_tail.JournalTail`).
"""

import logging
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from arbitrage.errors import JournalError

__all__ = ["JournalEntry", "JournalSource", "Tail", "TailRecord"]

JOURNALS = {"orders": "orders", "fills": "account"}  # stream -> kind of journal
KEPT_TYPES = {"intent", "exec", "fill", "funding"}
TAKE_EVERY_S = 0.05
RETRY_EVERY_S = 1.0
BATCH_MAX = 500
_log = logging.getLogger("arbitrage.mirror")


class TailRecord(Protocol):
    """One record of a journal."""

    @property
    def run(self) -> int: ...
    @property
    def sequence(self) -> int: ...
    @property
    def wall_ns(self) -> int: ...
    @property
    def row(self) -> Mapping[str, Any]: ...


class Tail(Protocol):
    """What follows the journals of one kind."""

    last_run: int

    def take(self, records_max: int, /) -> Sequence[TailRecord]: ...
    def close(self) -> None: ...


class JournalSource:
    """Follow the journals of a trader's runs.

    Parameters
    ----------
    follow : callable
        Makes a tail of (folder, kind, run, records of that run that are known).
    held : mapping
        What an earlier mirror has put down of how far it came.
    folder : Path or None
        The state folder; None takes the one that the trader names.
    """

    def __init__(
        self,
        follow: Callable[[Path, str, int, int], Tail],
        held: Mapping[str, str],
        folder: Path | None = None,
    ) -> None:
        self._follow, self._given = follow, folder
        self._places = {
            stream: (
                int(held.get(f"{stream}_run", 0)),
                int(held.get(f"{stream}_position", 0)),
                held.get(f"{stream}_folder", ""),
            )
            for stream in JOURNALS
        }
        self._tails: dict[str, Tail] = {}
        self._folder: Path | None = None
        self._due_s = 0.0
        self.why_not = "the trader has not named its state folder yet"

    def begin(self, run: int, folder: str) -> None:
        """Read up to this run of the trader, which keeps its journals in this folder.

        Parameters
        ----------
        run : int
            Of the trader that is attached.
        folder : str
            As the trader names it; empty while it has not.
        """
        where = self._given or (Path(folder) if folder else None)
        if where is None:
            return
        if where != self._folder:
            self.close()
            self._folder, self.why_not = where, ""
        for stream, kind in JOURNALS.items():
            if stream not in self._tails:
                known_run, position, place = self._places[stream]
                if not 0 < known_run <= run or place != str(where):
                    known_run, position = run, 0  # nobody was asked to see what came before
                self._tails[stream] = self._follow(where, kind, known_run, position)
            self._tails[stream].last_run = max(run, self._tails[stream].last_run)

    def take(self, room: Mapping[str, int], *, at_once: bool = False) -> "list[JournalEntry]":
        """Return what has been written since; at most as many entries a stream as it has room."""
        now_s = time.monotonic()
        if self._folder is None or (now_s < self._due_s and not at_once):
            return []
        self._due_s = now_s + TAKE_EVERY_S
        taken: list[JournalEntry] = []
        try:
            for stream, tail in self._tails.items():
                records_max = min(BATCH_MAX, room[stream])
                records = tail.take(records_max) if records_max > 0 else ()
                if records and len(records) == records_max:
                    self._due_s = now_s  # there is more
                for record in records:
                    self._places[stream] = (record.run, record.sequence, str(self._folder))
                    if record.row["type"] in KEPT_TYPES:
                        taken.append(JournalEntry(stream, str(self._folder), record))
            self.why_not = ""
        except JournalError as error:
            self._due_s = now_s + RETRY_EVERY_S
            if self.why_not != str(error):
                self.why_not = str(error)
                _log.warning("no orders and fills for the moment: %s", error)
        return taken

    def close(self) -> None:
        """Close the files; their places stay known."""
        for tail in self._tails.values():
            tail.close()
        self._tails = {}


class JournalEntry(NamedTuple):
    """One record of a journal."""

    stream: str
    folder: str
    record: TailRecord

    def told(self) -> tuple[int, dict[str, str]]:
        """Return the record by field, in a person's units."""
        record = self.record
        fields = {name: str(value) for name, value in record.row.items()}
        return record.wall_ns, {
            **fields, "run": str(record.run), "wall_ns": str(record.wall_ns)
        }  # fmt: skip

    def mark(self, done: MutableMapping[str, Any]) -> None:
        """Put down the run and the record in it."""
        done[f"{self.stream}_run"] = self.record.run
        done[f"{self.stream}_position"] = self.record.sequence
        done[f"{self.stream}_folder"] = self.folder
