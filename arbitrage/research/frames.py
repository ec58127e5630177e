"""Recorded frames: files of ``recv_ns TAB frame`` lines, plain, gzip or zstd.

``recv_ns`` is the receive time in nanoseconds of any one clock, ``frame`` the bytes as the venue
sent them. One file holds one venue. Files are read in chunks, so their size does not matter.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from arbitrage.closing import Closing
from arbitrage.errors import ConfigError
from arbitrage.frame_files import DamagedError, decompressed

__all__ = ["FrameFile", "read_frames"]


class FrameFile(Closing):
    """One file of recorded frames, open for reading its decompressed bytes.

    Parameters
    ----------
    path : str or Path
        Plain text, gzip or zstd (by its first bytes; a name that ends in ``.gz`` must be gzip, in
        ``.zst`` zstd).

    Raises
    ------
    ConfigError
        The file is missing, unreadable, not of the form its name says, or ends early.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._raw: BinaryIO = open(self.path, "rb")  # noqa: SIM115  closed by close()
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(f"frames file {self.path} could not be read: {reason}") from None
        self.size_bytes = self.path.stat().st_size
        try:
            self._bytes = decompressed(self._raw, self.path)
        except DamagedError as error:
            self._raw.close()
            raise ConfigError(f"frames file {self.path} {error}") from None

    def read_into(self, room: memoryview) -> int:
        """Fill ``room`` as far as the file goes; return how many bytes, 0 at the end."""
        filled = 0
        try:
            while filled < len(room):
                count = self._bytes.readinto(room[filled:])  # type: ignore[attr-defined]
                if not count:
                    break
                filled += count
        except DamagedError as error:
            raise ConfigError(f"frames file {self.path} {error}") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(f"frames file {self.path} could not be read: {reason}") from None
        return filled

    @property
    def fraction_read(self) -> float:
        """How much of the file was read, 0 to 1."""
        return self._raw.tell() / self.size_bytes if self.size_bytes else 1.0

    def close(self) -> None:
        """Close the file."""
        self._bytes.close()
        self._raw.close()


def read_frames(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """Yield ``(recv_ns, frame)`` of each well-formed line in file order; skip other lines."""
    rest = b""
    with FrameFile(path) as frames:
        room = bytearray(1 << 20)
        while count := frames.read_into(memoryview(room)):
            lines = (rest + room[:count]).split(b"\n")
            rest = lines.pop()
            yield from filter(None, map(_split_line, lines))
        yield from filter(None, map(_split_line, [rest]))


def _split_line(line: bytes) -> tuple[int, bytes] | None:
    stamp, tab, frame = line.rstrip(b"\r").partition(b"\t")
    # 19 digits hold every time that fits 63 bits, see replay.h
    return (int(stamp), frame) if tab and stamp.isdigit() and len(stamp) <= 19 else None
