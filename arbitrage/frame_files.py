"""Files of recorded frames: ``recv_ns TAB frame`` lines, plain, gzip or zstd.

A recorder writes such a file under its name and ``.part`` until it is whole. What a ``.part`` file
holds may be read; its end is where the recorder is, or was interrupted, and a warning says which.
"""

import fcntl
import importlib
import io
import logging
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, cast

from arbitrage.errors import ConfigError

__all__ = [
    "PART",
    "SUFFIXES",
    "DamagedError",
    "decompressed",
    "find_frames",
    "hold_part",
    "kind_of",
    "open_frames",
    "zstd_module",
]

PART = ".part"
# what --compress calls a form, and how its files end
SUFFIXES = {"gzip": ".gz", "zstd": ".zst", "none": ""}
MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
CHUNK_BYTES = 1 << 18
_log = logging.getLogger(__name__)


class DamagedError(OSError):
    """Compressed data that cannot be read to its end; the text says how."""


def zstd_module() -> ModuleType:
    """Return the library for zstd; ConfigError says how to get it."""
    try:
        return importlib.import_module("zstandard")
    except ImportError:
        raise ConfigError(
            "zstd needs a library that is not installed: pip install zstandard, or use gzip"
        ) from None


def kind_of(magic: bytes) -> str:
    """Return the form of a file by its first bytes: ``gzip``, ``zstd`` or ``none``."""
    return next((kind for start, kind in MAGIC.items() if magic.startswith(start)), "none")


@cache
def _say_once(text: str) -> None:
    """Warn of a file, once however often the program reads it."""
    _log.warning("%s", text)


def _say_unfinished(raw: BinaryIO, name: str) -> None:
    why = "is still being written" if _is_held(raw) else (
        "was left by a recorder that was interrupted"
    )
    _say_once(f"{name} {why}: read as far as it goes")


def hold_part(file: int) -> None:
    """Lock a part that is being written, so that whoever reads it can tell; its end unlocks it."""
    with suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_held(raw: BinaryIO) -> bool:
    try:
        fcntl.flock(raw.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, ValueError):  # not to be told
        return False
    fcntl.flock(raw.fileno(), fcntl.LOCK_UN)
    return False


class _Inflater(io.RawIOBase):
    """Reads what was compressed in one piece or several, one behind the other."""

    def __init__(self, raw: BinaryIO, kind: str, is_part: bool) -> None:
        self._raw, self._kind, self._is_part = raw, kind, is_part
        self._errors: tuple[type[Exception], ...] = (zlib.error,)
        self._new: Callable[[], Any] = lambda: zlib.decompressobj(wbits=31)
        if kind == "zstd":
            module = zstd_module()
            self._errors = (module.ZstdError,)
            self._new = lambda: module.ZstdDecompressor().decompressobj()
        self._piece: Any = None  # the piece that is being read; None between two
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        while not self._ready:
            chunk = self._raw.read(CHUNK_BYTES)
            if not chunk:
                return self._ended()
            try:
                self._ready = memoryview(self._inflate(chunk))
            except self._errors as error:
                raise DamagedError(f"has damaged {self._kind} data: {error}") from None
        count = min(len(room), len(self._ready))
        room[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _inflate(self, chunk: bytes) -> bytes:
        found = []
        while chunk:
            if self._piece is None:
                if not chunk.strip(b"\0"):
                    break  # padding
                self._piece = self._new()
            found.append(self._piece.decompress(chunk))
            chunk = b""
            if self._piece.eof:
                chunk, self._piece = self._piece.unused_data, None
        return b"".join(found)

    def _ended(self) -> int:
        if self._piece is not None and not self._is_part:
            raise DamagedError(f"ends in the middle of its {self._kind} data; copy it again")
        if self._piece is not None:
            _say_unfinished(self._raw, str(getattr(self._raw, "name", "the file")))
            self._piece = None
        return 0


def decompressed(raw: BinaryIO, path: Path) -> BinaryIO:
    """Return an open file's plain bytes, by its first bytes; it must be at its beginning.

    Raises
    ------
    DamagedError
        The name says another form than the file has.
    """
    magic = raw.read(4)
    raw.seek(0)
    kind = kind_of(magic)
    named = next((name for name, end in SUFFIXES.items() if end and end == path.suffix), kind)
    if magic and named != kind:
        raise DamagedError(
            f"is named {path.suffix} but is not {named}; rename it if it is text"
        )
    if kind == "none":
        if path.suffix == PART:
            _say_unfinished(raw, str(path))
        return raw
    return cast(BinaryIO, _Inflater(raw, kind, path.suffix == PART))


def open_frames(path: Path) -> BinaryIO:
    """Open a file of frames for reading its lines; OSError when that fails, also later."""
    raw = open(path, "rb")  # noqa: SIM115  the caller closes what it gets
    try:
        plain = decompressed(raw, path)
    except (OSError, ConfigError):
        raw.close()
        raise
    return plain if plain is raw else cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, plain)))


def find_frames(folder: Path, venue: str) -> Path | None:
    """Return the venue's recording in a folder: gzip, zstd or plain; None without one.

    A whole one is preferred to one that ends in ``.part``.
    """
    whole = [folder / f"{venue}.frames{suffix}" for suffix in SUFFIXES.values()]
    choices = [*whole, *(path.with_name(path.name + PART) for path in whole)]
    return next((path for path in choices if path.is_file()), None)
