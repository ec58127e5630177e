"""What is known of a state folder where no trader answers, and which traders run elsewhere."""

import os
from contextlib import suppress
from pathlib import Path

from arbitrage.errors import JournalError
from arbitrage.runtime.attach import living
from arbitrage.trading.history import History
from arbitrage.trading.kill_record import WISH_NAME, read_kill, read_wish, wants_flatten
from arbitrage.trading.past import Past
from arbitrage.trading.reconcile import newest_taken
from arbitrage.trading.run_journal import RunJournal
from arbitrage.trading.runs import journal_parts
from arbitrage.wording import counted

__all__ = ["elsewhere", "had_run", "last_run_text", "next_start_text"]


def had_run(folder: Path) -> bool:
    """Whether a trader ever began a run in a folder, or is about to. Makes nothing."""
    return (folder / "run").exists() or bool(journal_parts(folder)) or holder_of(folder) is not None


def elsewhere() -> str:
    """Name the traders that run on this machine, as far as they may be looked at."""
    found = []
    for segment in living():
        pid, mode = segment.pid, segment.mode or "unknown"
        place = state_folder_of(pid)
        where = f", state folder {place}" if place is not None else ""
        found.append(f"{segment.name} (process {pid}, mode {mode}{where})")
    return f"running: {', '.join(found)}" if found else "no trader runs that may be looked at"


def state_folder_of(pid: int) -> Path | None:
    """Return the state folder that a process holds open; None: it cannot be told."""
    return next((place for place in _locked_by(pid) if (place / "run").exists()), None)


def _locked_by(pid: int) -> list[Path]:
    """Return the folders whose file ``lock`` a process has open; none where that is hidden."""
    found = []
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = Path(os.readlink(entry))
                if target.name == "lock":
                    found.append(target.parent)
    return found


def holder_of(folder: Path) -> int | None:
    """Return the process that holds a folder; None: nobody. Takes no lock: a start needs it."""
    try:
        pid = int((folder / "lock").read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None
    return pid if folder.resolve() in _locked_by(pid) else None


def next_start_text(folder: Path) -> str:
    """Say that the next start is killed, and by what; empty: it is not."""
    record, wish = read_kill(folder), read_wish(folder)
    if record is not None:
        return f"the next start is {record.told}"
    if wish is None:
        return ""
    flat = " and closes what is open" if wants_flatten(wish) else ""
    return f"the file {folder / WISH_NAME} asks for a kill: the next start is killed{flat}"


def last_run_text(folder: Path) -> str:
    """Say what the last run of each kind of money left open, from its journal; empty: nothing."""
    pid = holder_of(folder)
    if pid is not None:
        return f"process {pid} holds the folder: it is starting, stopping or hangs"
    runs = journal_parts(folder)
    found, unknown = [], []
    for run in sorted(newest_taken(runs)):
        try:
            with RunJournal(runs[run]) as journal:
                past = Past.of(History.read(journal))
        except JournalError as error:
            unknown.append(f"what run {run} left is not known: {error}")
            continue
        legs, orders = past.standing_legs, counted(len(past.open_orders), "order")
        stands = f"{counted(len(legs), 'leg')} stand{'s' if len(legs) == 1 else ''}"
        parts = [f"{stands} ({', '.join(legs)})"] if legs else []
        parts += [f"the end of {orders} is not known"] if past.open_orders else []
        if parts:
            found.append(f"the last run ({run}) ended without closing: {' and '.join(parts)}")
    if found:
        found.append("start the trader to take that over")
    if unknown:
        unknown.append('see docs/recovery.md, "A damaged journal"')
    return "; ".join(found + unknown)
