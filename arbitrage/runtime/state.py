"""What a trader keeps between runs: run number and journals, in one folder it holds alone."""

from dataclasses import dataclass
from pathlib import Path

from arbitrage.config import Settings
from arbitrage.core.journal import Journal
from arbitrage.errors import JournalError
from arbitrage.trading.runs import StateFolder

__all__ = ["TraderState", "open_state"]


@dataclass
class TraderState:
    """The folder, this run's number and its journal; close it last."""

    folder: StateFolder
    run: int
    journal: Journal

    def close(self) -> None:
        """Write the journal out and let another trader have the folder."""
        self.journal.sync()
        self.journal.close()
        self.folder.close()


def open_state(settings: Settings) -> TraderState:
    """Take the state folder, begin a run and make its journal.

    Raises
    ------
    JournalError
        Another trader holds the folder, or it cannot be written.
    """
    folder = StateFolder(settings.state_path)
    try:
        run = folder.next_run()
        path: Path = folder.journal_path(run)
        journal = Journal.create(path, settings.journal_records, run)
    except (OSError, ValueError) as error:
        folder.close()
        raise JournalError(f"{settings.state_path}: {error}") from None
    return TraderState(folder, run, journal)
