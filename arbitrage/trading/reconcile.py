"""What an earlier run left unsaid: read from its journal before a new run may trade."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from arbitrage.core.messages import RunTaken
from arbitrage.errors import JournalError
from arbitrage.trading.history import History, Problem
from arbitrage.trading.past import Past
from arbitrage.trading.run_journal import RunJournal
from arbitrage.trading.runs import StateFolder, journal_parts

__all__ = ["Recovery", "newest_taken", "read_recovery", "taken_run"]


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What the newest earlier run that traded says.

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
    past : Past
        What it held, and the orders whose end was never heard of.
    problems : tuple of Problem
        Records that cannot be true beside the others.
    """

    path: Path
    run: int
    record_count: int
    torn: bool
    past: Past
    problems: tuple[Problem, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether every order of that run is known to be over, and nothing stood."""
        return not (self.torn or self.past.open_orders or self.past.standing)


def taken_run(journal: RunJournal) -> RunTaken | None:
    """Return what a run wrote down once it had taken over the one before it.

    None: it ended before that. It sent nothing, and what it had begun to write is void.
    """
    for record in journal:
        if record.type == "TAKEN":
            taken: RunTaken = RunTaken.unpack(record.payload)
            return taken
        if record.type == "INTENT":
            break
    return None


def newest_taken(found: Mapping[int, Sequence[Path]]) -> set[int]:
    """Return of each mode the newest run that traded: what a next start takes over from."""
    newest: dict[int, int] = {}
    for run in sorted(found):
        with suppress(JournalError), RunJournal(found[run]) as journal:
            taken = taken_run(journal)
            if taken is not None:
                newest[taken.mode] = run
    return set(newest.values())


def _damage(what: str) -> JournalError:
    return JournalError(
        f"{what}; close at the venues what it left standing, then move it away: "
        'docs/recovery.md, "A damaged journal"'
    )


def read_recovery(folder: StateFolder, before_run: int, mode: int) -> Recovery | None:
    """Read the newest run below `before_run` that traded in this mode; None when there was none.

    Runs that ended during their own recovery are passed over: the one before them counts.

    Raises
    ------
    JournalError
        A file is no journal, has whole records behind a damaged one, or does not say what was
        traded: something but a crash has changed it, and a person must look before anything
        trades.
    """
    found = journal_parts(folder.path)
    for run in sorted((run for run in found if run < before_run), reverse=True):
        with RunJournal(found[run]) as journal:
            report = journal.verify()
            if report.stray:
                told = f"{report.stray} whole records follow"
                raise _damage(f"{found[run][0]} is damaged after record {report.valid}: {told}")
            taken = taken_run(journal)
            if taken is None or taken.mode != mode:
                continue
            try:
                history = History.read(journal)
                past = Past.of(history)
            except JournalError as error:
                raise _damage(f"{found[run][0]} is damaged: {error}") from None
            return Recovery(
                path=found[run][-1],
                run=run,
                record_count=report.valid,
                torn=report.torn,
                past=past,
                problems=tuple(history.problems),
            )
    return None
