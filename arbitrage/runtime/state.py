"""What a trader keeps between runs: run number and journals, in one folder it holds alone."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from arbitrage.config import Settings
from arbitrage.core.journal import TYPE_NAMES, Journal
from arbitrage.core.messages import Contract
from arbitrage.errors import JournalError
from arbitrage.runtime.journal_keeper import JournalKeeper
from arbitrage.trading.reconcile import read_recovery
from arbitrage.trading.runs import StateFolder
from arbitrage.venues.base import TradedSymbol
from arbitrage.wording import counted

__all__ = ["TraderState", "journal_contracts", "open_state"]

JOURNAL_CONTRACT = TYPE_NAMES.index("CONTRACT")

_log = logging.getLogger(__name__)


@dataclass
class TraderState:
    """The folder, this run's number and its journal; close it last."""

    folder: StateFolder
    run: int
    journal: Journal
    keeper: JournalKeeper

    def close(self) -> None:
        """Write the journal out and let another trader have the folder."""
        self.keeper.stop()
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
        journal = Journal.create(
            folder.journal_path(run),
            settings.journal_records,
            run,
            durable=settings.journal_durability == "every",
        )
    except (OSError, ValueError) as error:
        folder.close()
        raise JournalError(f"{settings.state_path}: {error}") from None
    sync_s = settings.journal_sync_ms / 1000 if settings.journal_durability == "interval" else None
    keeper = JournalKeeper(journal, partial(folder.journal_path, run), sync_s)
    return TraderState(folder, run, journal, keeper)


def journal_contracts(journal: Journal, traded: Iterable[TradedSymbol], capacity: int) -> None:
    """Write down what each row's ticks and lots mean, before any order counts in them.

    Raises
    ------
    JournalError
        The journal has no room for them.
    """
    for item in traded:
        contract = item.instrument
        record = Contract(
            item.row,
            item.row % capacity,
            item.row // capacity,
            contract.symbol,
            contract.venue_symbol,
            f"{contract.tick:f}",
            f"{contract.lot:f}",
        )
        if not journal.append(JOURNAL_CONTRACT, record.pack()):
            raise JournalError(
                f"the journal's {journal.capacity} records do not hold the contracts; "
                "raise ARB_JOURNAL_RECORDS"
            )


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
        "run %d ended without hearing the end of %s (%s); both venues are asked for "
        "positions before anything trades; its journal is %s",
        recovery.run,
        counted(len(recovery.open_intents), "order"),
        ids or "a record was being written",
        recovery.path,
    )
