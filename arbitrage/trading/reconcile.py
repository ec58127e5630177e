"""What an earlier run left unsaid: read from its journal before a new run may trade."""

from pathlib import Path

import msgspec

from arbitrage.errors import JournalError
from arbitrage.trading.run_journal import OpenIntent, RunJournal, open_intents
from arbitrage.trading.runs import StateFolder

__all__ = ["Recovery", "read_recovery"]


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What the newest earlier journal says.

    Parameters
    ----------
    path : Path
        The journal's last part.
    run : int
        Its run number.
    record_count : int
        Whole records in it.
    torn : bool
        Whether the record at its end is there but not whole, as after a power cut.
    open_intents : list of OpenIntent
        Orders whose end was never heard of: ask the venue for each by its client id.
    """

    path: Path
    run: int
    record_count: int
    torn: bool
    open_intents: list[OpenIntent]

    @property
    def is_clean(self) -> bool:
        """Whether every order of that run is known to be over."""
        return not self.open_intents and not self.torn


def read_recovery(folder: StateFolder, before_run: int) -> Recovery | None:
    """Read the newest journal of a run below `before_run`; None when there was none.

    Raises
    ------
    JournalError
        The file is no journal, or has whole records behind a damaged one: something but a crash
        has changed it, and a person must look before anything trades.
    """
    paths = folder.last_journal(before_run)
    if not paths:
        return None
    with RunJournal(paths) as journal:
        report = journal.verify()
        if report.stray:
            raise JournalError(
                f"{paths[0]} is damaged after record {report.valid}: {report.stray} whole records "
                "follow; compare it with the venues' order history, then move it away"
            )
        return Recovery(
            path=paths[-1],
            run=journal.run,
            record_count=report.valid,
            torn=report.torn,
            open_intents=open_intents(journal),
        )
