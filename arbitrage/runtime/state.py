"""What a trader keeps between runs: run number and journals, in one folder it holds alone."""

import logging
from dataclasses import dataclass
from pathlib import Path

from arbitrage.config import Settings
from arbitrage.core.journal import Journal
from arbitrage.errors import JournalError
from arbitrage.trading.reconcile import read_recovery
from arbitrage.trading.runs import StateFolder

__all__ = ["TraderState", "open_state"]


_log = logging.getLogger(__name__)


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
        report_last_run(folder, run)
        path: Path = folder.journal_path(run)
        journal = Journal.create(path, settings.journal_records, run)
    except (OSError, ValueError) as error:
        folder.close()
        raise JournalError(f"{settings.state_path}: {error}") from None
    return TraderState(folder, run, journal)


def report_last_run(folder: StateFolder, run: int) -> None:
    """Say what the last run's journal leaves open; a damaged one raises.

    Its orders were immediate-or-cancel, so none of them can still rest; what they may have left is
    a position, and start-up refuses to trade an account that holds one.
    """
    recovery = read_recovery(folder, run)
    if recovery is None or recovery.is_clean:
        return
    ids = ", ".join(str(intent.order.client_id) for intent in recovery.open_intents[:8])
    _log.warning(
        "run %d ended without hearing the end of %d orders (%s); both venues are asked for "
        "positions before anything trades; its journal is %s",
        recovery.run,
        len(recovery.open_intents),
        ids or "a record was being written",
        recovery.path,
    )
