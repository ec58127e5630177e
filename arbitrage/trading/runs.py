"""The state folder: one trader at a time, run numbers never used twice, a journal in each run."""

import fcntl
import hashlib
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from arbitrage.closing import Closing
from arbitrage.errors import JournalError

__all__ = [
    "LEAD_BITS",
    "RUN_EPOCH_S",
    "StateFolder",
    "journal_parts",
    "running_run",
    "sync_folder",
    "write_whole",
]

RUN_EPOCH_S = 1_767_225_600  # 2026-01-01 UTC: run numbers are also bounded below by the clock
RUN_SECONDS = 4
RUN_LIMIT = 1 << 28
LEAD_BITS = 16  # a folder's numbers are up to three days ahead of the clock, see `_lead_of`


class StateFolder(Closing):
    """Hold a folder alone, give out run numbers, name journals.

    Threads: the main thread. The lock is the kernel's and ends with the process, however it ends.

    Parameters
    ----------
    path : path
        Made with mode 0700 when it is missing.

    Raises
    ------
    JournalError
        Another process holds the folder, or it cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(
                f"state folder {self.path} cannot be used: {error.strerror}"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._lock)
            raise JournalError(
                f"state folder {self.path} is in use by process {holder}; stop that trader or set "
                "ARB_STATE_DIR to another folder"
            ) from None
        for unfinished in self.path.glob("*.journal.new"):  # a run was killed while it made them
            unfinished.unlink()
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def next_run(self, wall_s: float | None = None) -> int:
        """Take the next run number and write it down before returning it.

        It is above every earlier one of this folder, and at least one step each 4 s since
        2026-01-01 UTC and the folder's own lead: a folder that is lost brings no client id back
        where it is made again, and two folders whose traders start together have ids apart.

        Raises
        ------
        JournalError
            The stored number is damaged, or the numbers are used up.
        """
        now_s = time.time() if wall_s is None else wall_s
        steps = int(now_s - RUN_EPOCH_S) // RUN_SECONDS
        run = max(self.last_run() + 1, steps + _lead_of(self.path))
        if run >= RUN_LIMIT:
            raise JournalError(f"run number {run} does not fit 28 bits; check this machine's clock")
        self._write_run(run)
        return run

    def last_run(self) -> int:
        """Return the last run number given out, 0 when there was none."""
        path = self.path / "run"
        try:
            text = path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return 0
        except (OSError, UnicodeDecodeError) as error:
            raise JournalError(f"{path} cannot be read: {error}") from None
        if not text.isdigit() or int(text) >= RUN_LIMIT:
            raise JournalError(f"{path} was {text[:40]!r}; accepted is one whole number of 28 bits")
        return int(text)

    def journal_path(self, run: int, part: int = 0) -> Path:
        """Return where a part of a run's journal lies."""
        return self.path / f"orders-{run:09d}-{part:05d}.journal"

    def account_path(self, run: int, part: int = 0) -> Path:
        """Return where a part of a run's account lies."""
        return self.path / f"account-{run:09d}-{part:05d}.journal"

    def close(self) -> None:
        """Let another trader have the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _write_run(self, run: int) -> None:
        write_whole(self.path / "run", f"{run}\n".encode())


def _lead_of(folder: Path) -> int:
    """Return how many numbers a folder is ahead of the clock: its own, by machine and place.

    Nothing else tells two traders of one account apart, and their client ids would be the same
    where both begin within one step, as after a power cut.
    """
    machine = ""
    with suppress(OSError):
        machine = Path("/etc/machine-id").read_text(encoding="ascii", errors="replace").strip()
    place = f"{socket.gethostname()} {machine} {folder.resolve()}"
    digest = hashlib.sha256(place.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % (1 << LEAD_BITS)


def write_whole(target: Path, content: bytes) -> None:
    """Put a file in place, on the disk: what was there or the new one, never half of either.

    Raises
    ------
    JournalError
        It cannot be written.
    """
    fresh = target.with_name(f"{target.name}.new")
    try:
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, content)
            os.fsync(file)
        finally:
            os.close(file)
        os.replace(fresh, target)
        sync_folder(target.parent)
    except OSError as error:
        raise JournalError(f"{target} cannot be written: {error.strerror}") from None


def sync_folder(path: Path) -> None:
    """Bring a folder's names to the disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def journal_parts(folder: Path, kind: str = "orders") -> dict[int, list[Path]]:
    """Return the journals in a folder: run -> its parts, oldest first, all sorted by number.

    Parameters
    ----------
    folder : Path
    kind : str
        ``orders``, or ``account`` for the executions and settlements.
    """
    found: dict[int, list[Path]] = {}
    for path in sorted(folder.glob(f"{kind}-?????????-?????.journal")):
        run = path.name.split("-")[1]
        if run.isdigit():
            found.setdefault(int(run), []).append(path)
    return found


def running_run(folder: Path) -> int | None:
    """Return the run whose trader holds a folder now; None: none does, or nobody can tell.

    The kernel's list of locks is read: trying the lock could fail a start that comes just then.
    """
    try:
        inode = (folder / "lock").stat().st_ino
        holder = (folder / "lock").read_text(encoding="ascii").strip()
        run = (folder / "run").read_text(encoding="ascii").strip()
        locks = Path("/proc/locks").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    for line in locks.splitlines():
        words = line.split()  # 1: FLOCK ADVISORY WRITE pid device:inode from to
        if words[1:2] == ["FLOCK"] and words[4] == holder and words[5].endswith(f":{inode}"):
            return int(run) if run.isdigit() else None
    return None
