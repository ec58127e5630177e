"""What the programs beside a trader tell of themselves, for the monitor: mirror and recorder.

Each writes one small file, once a second, into shared memory, ``arbitrage-beside.NAME.KIND.PID``,
mode 0600 as the trader's own segment: no port, no address, and nothing to set up. Whoever watches
the trader finds them by its name. A program that ends takes its file away; what one leaves that was
killed says that it is down, until the next of its kind begins.

A file is replaced as a whole, so a reader sees one moment. It tells no secret: a Redis is named
without user and password.
"""

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from arbitrage.closing import Closing
from arbitrage.core.memory import process_start_ticks

__all__ = ["FOLDER", "Beside", "MirrorState", "RecorderState", "Teller", "read_beside"]

FOLDER = Path("/dev/shm")
PREFIX = "arbitrage-beside"
EVERY_S = 1.0
FILE_BYTES_MAX = 1 << 16
# Anybody may put things into that folder: links are not followed, and nothing is waited for.
WRITES = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
READS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class MirrorState(msgspec.Struct, frozen=True, kw_only=True, tag="mirror"):
    """What a mirror has done.

    Attributes
    ----------
    published : dict of str to int
        Entries by stream, of all mirrors of this name, as in the mirror's hash.
    lost : dict of str to dict of str to int
        By cause (``lapped``, ``dropped``, ``by_redis``), then by stream.
    waiting : int
        Entries that are read and not yet published.
    lag_s : float
        How old the oldest entry of the last write was.
    away : str
        Why Redis takes nothing; empty: it does.
    """

    published: dict[str, int]
    lost: dict[str, dict[str, int]]
    waiting: int
    reconnects: int
    lag_s: float
    away: str


class RecorderState(msgspec.Struct, frozen=True, kw_only=True, tag="recorder"):
    """What a recorder has written and what it lost, by stream, and the size of its files."""

    written: dict[str, int]
    lost: dict[str, int]
    written_bytes: int


class _Told(msgspec.Struct, frozen=True):
    """The file."""

    trader: str
    pid: int
    start_ticks: int | None
    mono_ns: int
    place: str
    state: MirrorState | RecorderState


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """One program beside a trader, as a reader finds it.

    Attributes
    ----------
    kind : str
        ``mirror`` or ``recorder``.
    place : str
        Where it writes: a Redis, a folder.
    is_up : bool
        Whether it runs. Of one that does not there is no state: what it told is not of now.
    age_s : float or None
        Since it told of itself; more than a second or two: it hangs.
    """

    kind: str
    place: str
    pid: int
    is_up: bool
    age_s: float | None = None
    state: MirrorState | RecorderState | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Told).decode


class Teller(Closing):
    """Tell what this program does, once a second, until it ends.

    A machine without shared memory as a folder, or one where it is full, is told nothing: what this
    program is for goes on.

    Threads: one.

    Parameters
    ----------
    trader : str
        Whom it stands beside.
    place : str
        Where it writes, without secrets.
    state : callable
        Returns what is to be told.
    clock : callable
        Seconds, for tests.
    """

    def __init__(
        self,
        trader: str,
        place: str,
        state: Callable[[], MirrorState | RecorderState],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trader, self._place, self._state, self._clock = trader, place, state, clock
        self._pid = os.getpid()
        self._start_ticks = process_start_ticks(self._pid)
        self._due_s = float("-inf")
        self._path: Path | None = None

    def tell(self) -> None:
        """Tell, when it is time."""
        if self._clock() < self._due_s:
            return
        self._due_s = self._clock() + EVERY_S
        state = self._state()
        kind = str(state.__struct_config__.tag)
        if self._path is None:
            _clear(self._trader, kind)
            self._path = FOLDER / f"{PREFIX}.{self._trader}.{kind}.{self._pid}"
        told = _Told(
            self._trader, self._pid, self._start_ticks, time.monotonic_ns(), self._place, state
        )
        part = self._path.with_name(f"{self._path.name}.part")
        with suppress(OSError):
            descriptor = os.open(part, WRITES, 0o600)
            with open(descriptor, "wb") as file:
                file.write(_encode(told))
            os.rename(part, self._path)

    def close(self) -> None:
        """Take the file away: this program has ended on purpose."""
        if self._path is not None:
            for path in (self._path, self._path.with_name(f"{self._path.name}.part")):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            self._path = None
            self._due_s = float("inf")


def _read(path: Path) -> _Told | None:
    """Return what a file of ours tells; None of another user's, and of another release's."""
    try:
        with open(os.open(path, READS), "rb") as file:
            facts = os.fstat(file.fileno())
            if stat.S_ISREG(facts.st_mode) and facts.st_uid == os.getuid():
                return _decode(file.read(FILE_BYTES_MAX))
    except (OSError, msgspec.MsgspecError):
        pass
    return None


def _files(trader: str) -> Iterator[tuple[Path, _Told]]:
    """Yield the files of a trader that can be read."""
    for path in sorted(FOLDER.glob(f"{PREFIX}.{trader}.*")):
        told = None if path.suffix == ".part" else _read(path)
        if told is not None and told.trader == trader:
            yield path, told


def _is_up(told: _Told) -> bool:
    return process_start_ticks(told.pid) == told.start_ticks


def _clear(trader: str, kind: str) -> None:
    """Remove what programs of a kind left that were killed."""
    for path, told in _files(trader):
        if told.state.__struct_config__.tag == kind and not _is_up(told):
            with suppress(OSError):
                path.unlink()


def read_beside(trader: str) -> list[Beside]:
    """Return the programs beside a trader, by kind and place; of two at one place the younger."""
    found: dict[tuple[str, str], tuple[tuple[bool, int], Beside]] = {}
    for _, told in _files(trader):
        is_up = _is_up(told)
        kind = str(told.state.__struct_config__.tag)
        beside = Beside(kind=kind, place=told.place, pid=told.pid, is_up=False)
        if is_up:
            age_s = max(0.0, (time.monotonic_ns() - told.mono_ns) / 1e9)
            beside = msgspec.structs.replace(beside, is_up=True, age_s=age_s, state=told.state)
        rank = (is_up, told.start_ticks or 0)
        if (kind, told.place) not in found or rank > found[kind, told.place][0]:
            found[kind, told.place] = rank, beside
    return [beside for _, (_, beside) in sorted(found.items(), key=lambda item: item[0])]
