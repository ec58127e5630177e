"""The kill switch between runs: two small files in the state folder.

``killed``
    Written when the switch trips, kept until a person clears it: when, why, by whom.
``KILL``
    A wish that anybody may leave there, with `touch` if need be: a trader that runs trips its
    switch when it appears, one that starts does so at once. ``flatten`` inside asks for that too;
    lines ``by: ...`` and ``why: ...`` behind it say who wrote it, and why.
"""

import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from arbitrage.errors import JournalError
from arbitrage.trading.runs import sync_folder, write_whole

__all__ = [
    "KILLED_NAME",
    "WISH_NAME",
    "KillRecord",
    "clear_kill",
    "read_kill",
    "read_wish",
    "told_of_wish",
    "wants_flatten",
    "wish_text",
    "write_kill",
]

KILLED_NAME = "killed"
WISH_NAME = "KILL"
WISH_BYTES_MAX = 4096
FLATTEN_WORD = "flatten"
REDUCES = "what is open is being closed, only reducing orders leave"


class KillRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One trip of the kill switch.

    Parameters
    ----------
    when : str
        UTC, ISO 8601.
    reason : str
        Which way it came, a name of `risk.KILLS`.
    why : str
        In words.
    by : str
        Who or what tripped it.
    flatten : bool
        Everything open is to be closed, with orders that only reduce.
    """

    when: str
    reason: str
    why: str
    by: str
    flatten: bool = False

    @property
    def line(self) -> str:
        """Return it as one line for a person: a trip that stands, of a trader that runs."""
        flat = f"; {REDUCES}" if self.flatten else ""
        return f"{self._head}{flat}"

    @property
    def told(self) -> str:
        """Return it as one line for a person, where it is over or no trader acts on it."""
        flat = "; what is open was to be closed as well" if self.flatten else ""
        return f"{self._head}{flat}"

    @property
    def _head(self) -> str:
        return f"killed since {self.when} by {self.by} ({self.reason}): {self.why}"


def utc_text(wall_ns: int | None = None) -> str:
    """Write a wall time, or now, as the files do."""
    seconds = (time.time_ns() if wall_ns is None else wall_ns) / 1e9
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def read_kill(folder: Path) -> KillRecord | None:
    """Return the trip that stands; None: there is none.

    A file that cannot be read is a trip as well: whoever wrote it meant one.
    """
    path = folder / KILLED_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=KillRecord)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        return KillRecord(
            when="an unknown time", reason="operator", by="somebody",
            why=f"{path} is there but cannot be read: {error}",
        )  # fmt: skip


def write_kill(folder: Path, record: KillRecord) -> None:
    """Write a trip down, to the disk.

    Raises
    ------
    JournalError
        It cannot be written.
    """
    write_whole(folder / KILLED_NAME, msgspec.json.encode(record) + b"\n")


def clear_kill(folder: Path) -> None:
    """Take away the trip and the wish, on the disk.

    Raises
    ------
    JournalError
        One of them cannot be removed.
    """
    for name in (WISH_NAME, KILLED_NAME):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise JournalError(f"{folder / name} cannot be removed: {error.strerror}") from None
    with suppress(OSError):
        sync_folder(folder)


def read_wish(folder: Path) -> str | None:
    """Return what the wish file says, without spaces around it; None: there is none."""
    path = folder / WISH_NAME
    try:
        with path.open("rb") as file:
            return file.read(WISH_BYTES_MAX).decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError:
        # a folder, or not ours to read: it is there all the same
        return ""


def wish_text(flat: bool, why: str, by: str) -> str:
    """Return what a wish file says."""
    lines = [FLATTEN_WORD] if flat else []
    lines += [f"{name}: {' '.join(text.split())}" for name, text in (("by", by), ("why", why))]
    return "\n".join(lines) + "\n"


def told_of_wish(wish: str) -> tuple[str, str]:
    """Return who left a wish, and why, as far as it says so."""
    told = dict.fromkeys(("by", "why"), "")
    for line in wish.splitlines():
        name, is_pair, text = line.partition(": ")
        if is_pair and name in told:
            told[name] = text.strip()
    return told["by"], told["why"]


def wants_flatten(wish: str) -> bool:
    """Whether a wish file asks to flatten as well."""
    return wish.lower().startswith(FLATTEN_WORD)
