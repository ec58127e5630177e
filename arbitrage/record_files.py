"""Files of typed records: what a recorder writes and a replay reads.

::

    header 64 bytes | session, JSON, padded with spaces to 64 | block | block ...
    block: header 64 bytes | records of one size

A block says which record of its stream it begins with and carries a checksum, so that a file names
its own gaps, and what is torn or damaged is found. Numbers are little-endian. The whole may be
compressed (``.gz``, ``.zst``); uncompressed, records of 64 bytes lie on lines of 64 and can be
mapped.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from arbitrage.closing import Closing
from arbitrage.errors import ConfigError
from arbitrage.frame_files import PART, SUFFIXES, open_frames

__all__ = [
    "DECISIONS",
    "OPPORTUNITIES",
    "SUMMARY",
    "Block",
    "RecordFile",
    "pack_block",
    "pack_header",
    "pieces_of",
]

SUMMARY = "recording.json"
# a stream's files are called by its name and its ending: decisions.ticks.gz, decisions.0001.ticks
DECISIONS = ("decisions", "ticks")
OPPORTUNITIES = ("opportunities", "events")
LINE = 64
VERSION = 1
MAGIC, BLOCK_MAGIC = b"ARBREC1\n", b"BLK1"
HEADER = struct.Struct("<8sIIII40x")  # magic, version, bytes of a record, of the session, its crc32
# magic, crc32 of what follows it, first record, records, bytes of a record, first and last time
BLOCK = struct.Struct("<4sIQIIqq24x")
RECORDS_MAX = 1 << 24  # of one block: more is damage


@dataclass(frozen=True)
class Block:
    """Records that came one behind the other, without a gap.

    `first` is the number of the first one since the trader began to tell; the times are the
    trader's monotonic clock.
    """

    first: int
    count: int
    first_mono_ns: int
    last_mono_ns: int
    records: bytes


def pack_header(record_bytes: int, session: dict[str, Any]) -> bytes:
    """Return what a file begins with."""
    text = msgspec.json.encode(session)
    text += b" " * (-len(text) % LINE)
    return HEADER.pack(MAGIC, VERSION, record_bytes, len(text), zlib.crc32(text)) + text


def pack_block(block: Block, record_bytes: int) -> bytes:
    """Return a block as it lies in a file."""
    fields = (block.first, block.count, record_bytes, block.first_mono_ns, block.last_mono_ns)
    crc = zlib.crc32(block.records, zlib.crc32(BLOCK.pack(BLOCK_MAGIC, 0, *fields)))
    return BLOCK.pack(BLOCK_MAGIC, crc, *fields) + block.records


def pieces_of(folder: Path, stream: tuple[str, str]) -> list[Path]:
    """Return a stream's files in a folder, in order; whole ones before a part that was left."""
    name, ending = stream
    found = [
        path
        for path in folder.glob(f"{name}.*")
        for suffix in SUFFIXES.values()
        if path.name.removesuffix(PART).endswith(f".{ending}{suffix}")
    ]
    return sorted(set(found), key=lambda path: (path.name.removesuffix(PART), path.suffix == PART))


class RecordFile(Closing):
    """One file of typed records, open for reading its blocks.

    Parameters
    ----------
    path : Path
        Plain, gzip or zstd; a ``.part`` is read as far as it goes.

    Attributes
    ----------
    session : dict
        What was recorded, and whose.
    record_bytes : int
        Size of a record.

    Raises
    ------
    ConfigError
        The file cannot be read, is none of ours, or of another version; also while reading blocks:
        it is damaged, or ends early though it is no part.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_part = path.suffix == PART
        try:
            self._bytes: BinaryIO = open_frames(path)
        except OSError as error:
            raise self._error(error.strerror or str(error)) from None
        try:
            self.record_bytes, self.session = self._header()
        except BaseException:
            self._bytes.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._bytes.close()

    def blocks(self) -> Iterator[Block]:
        """Read the blocks, in order."""
        number = 0
        while (head := self._read(BLOCK.size)) is not None:
            magic, crc, *fields = BLOCK.unpack(head)
            first, count, record_bytes, first_mono_ns, last_mono_ns = fields
            if magic != BLOCK_MAGIC or record_bytes != self.record_bytes or count > RECORDS_MAX:
                raise self._error(f"is damaged: block {number} has no head")
            records = self._read(count * record_bytes, is_inside=True)
            if records is None:
                return
            if zlib.crc32(records, zlib.crc32(BLOCK.pack(magic, 0, *fields))) != crc:
                raise self._error(
                    f"is damaged: block {number}, records {first} to {first + count - 1}, does "
                    "not have its checksum"
                )
            yield Block(first, count, first_mono_ns, last_mono_ns, records)
            number += 1

    def _header(self) -> tuple[int, dict[str, Any]]:
        head = self._take(HEADER.size)
        if not head.startswith(MAGIC) or len(head) < HEADER.size:
            raise self._error("is no file of recorded decisions or opportunities")
        _, version, record_bytes, session_bytes, crc = HEADER.unpack(head)
        if version != VERSION:
            raise self._error(
                f"has version {version}; this release reads {VERSION}: use the one that wrote it"
            )
        text = self._read(session_bytes) if session_bytes < RECORDS_MAX else None
        if text is None or zlib.crc32(text) != crc or record_bytes == 0:
            raise self._error("is damaged: its header does not have its checksum")
        return record_bytes, msgspec.json.decode(text, type=dict[str, Any])

    def _read(self, count: int, *, is_inside: bool = False) -> bytes | None:
        """Read so many bytes; None at the end, and where a part is torn."""
        found = self._take(count)
        if len(found) == count:
            return found
        if (found or is_inside) and not self._is_part:
            raise self._error("ends in the middle of a block; copy it again")
        return None

    def _take(self, count: int) -> bytes:
        try:
            return self._bytes.read(count)
        except OSError as error:  # damaged data among them
            raise self._error(error.strerror or str(error)) from None

    def _error(self, what: str) -> ConfigError:
        return ConfigError(f"record file {self.path} {what}")
