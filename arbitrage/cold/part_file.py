"""Write a recording's file: it is either whole under its name, or a ``.part``.

What is written reaches the file at each `flush`, in a form that can be read up to there: a recorder
that is killed leaves all of it but what came after its last flush.
"""

import hashlib
import os
import zlib
from pathlib import Path
from typing import Any

from arbitrage.errors import ArbitrageError
from arbitrage.frame_files import PART, hold_part, zstd_module
from arbitrage.record_files import Block, pack_block, pack_header

__all__ = ["FramesWriter", "PartFile", "RecordsWriter"]

GZIP_LEVEL = 4
ZSTD_LEVEL = 3
BLOCK_RECORDS = 4096


class _Plain:
    """A compressor that does not."""

    def compress(self, data: bytes) -> bytes:
        return data

    def block(self) -> bytes:
        return b""

    def finish(self) -> bytes:
        return b""


class _Gzip(_Plain):
    def __init__(self) -> None:
        self._form = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)

    def compress(self, data: bytes) -> bytes:
        return self._form.compress(data)

    def block(self) -> bytes:
        return self._form.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._form.flush()


class _Zstd(_Plain):
    def __init__(self) -> None:
        module = zstd_module()
        self._block = module.COMPRESSOBJ_FLUSH_BLOCK
        self._form: Any = module.ZstdCompressor(level=ZSTD_LEVEL).compressobj()

    def compress(self, data: bytes) -> bytes:
        return bytes(self._form.compress(data))

    def block(self) -> bytes:
        return bytes(self._form.flush(self._block))

    def finish(self) -> bytes:
        return bytes(self._form.flush())


FORMS: dict[str, type[_Plain]] = {"gzip": _Gzip, "zstd": _Zstd, "none": _Plain}


class PartFile:
    """One compressed file that gets its name when it is whole.

    Parameters
    ----------
    path : Path
        The whole file's name; until `close` it is written as ``path.part``.
    compress : str
        ``gzip``, ``zstd`` or ``none``.

    Raises
    ------
    ArbitrageError
        The file exists already, whole or in part, or cannot be written; also by every method.
    """

    def __init__(self, path: Path, compress: str) -> None:
        self.path = path
        self.part = path.with_name(path.name + PART)
        self.written_bytes = 0  # compressed
        self._sha256 = hashlib.sha256()
        self._form = FORMS[compress]()
        self._dirty = False
        for there in (self.path, self.part):
            if there.exists():
                raise ArbitrageError(
                    f"{there} is there already and is not overwritten; choose another --out, or "
                    "move it away"
                )
        try:
            self._file: int = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except OSError as error:
            raise self._error(error) from None
        hold_part(self._file)

    @property
    def sha256(self) -> str:
        """Of the bytes written so far."""
        return self._sha256.hexdigest()

    def add(self, data: bytes) -> None:
        """Append plain bytes."""
        self._dirty = True
        self._put(self._form.compress(data))

    def flush(self) -> None:
        """Let all that was written be readable from the file."""
        if self._dirty:
            self._put(self._form.block())
            self._dirty = False

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._put(self._form.finish())
        try:
            os.fsync(self._file)
            self.abandon()
            os.rename(self.part, self.path)
        except OSError as error:
            raise self._error(error) from None

    def abandon(self) -> None:
        """Leave the file as the part that it is."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                count = os.write(self._file, rest)
            except OSError as error:
                raise self._error(error) from None
            self._sha256.update(rest[:count])
            rest = rest[count:]
            self.written_bytes += count

    def _error(self, error: OSError) -> ArbitrageError:
        return ArbitrageError(
            f"{self.part} cannot be written: {error.strerror}; what was recorded before is in it"
        )


class FramesWriter(PartFile):
    """One file of ``recv_ns TAB frame`` lines. See `PartFile`."""

    def __init__(self, path: Path, compress: str) -> None:
        super().__init__(path, compress)
        self.frames = 0
        self.frame_bytes = 0
        self.first_recv_ns = self.last_recv_ns = 0

    def write(self, lines: list[tuple[int, bytes]]) -> None:
        """Append frames with their receive times."""
        if not lines:
            return
        self.first_recv_ns = self.first_recv_ns or lines[0][0]
        self.last_recv_ns = lines[-1][0]
        self.frames += len(lines)
        self.frame_bytes += sum(len(frame) for _, frame in lines)
        self.add(b"".join(b"%d\t%b\n" % line for line in lines))


class RecordsWriter(PartFile):
    """One file of typed records in blocks. See `PartFile` and `arbitrage.record_files`.

    Records wait until there are enough for a block, until one comes that does not continue them,
    or until `flush`.
    """

    def __init__(
        self, path: Path, compress: str, record_bytes: int, session: dict[str, Any]
    ) -> None:
        super().__init__(path, compress)
        self.records = 0
        self.first_record = self.next_record = 0
        self.first_mono_ns = self.last_mono_ns = 0
        self._record_bytes = record_bytes
        self._waiting: list[bytes] = []
        self._count = 0  # of those that wait
        self._times = (0, 0)
        self.add(pack_header(record_bytes, session))

    def write(self, first: int, records: bytes, mono_ns: int) -> None:
        """Append records that were told at `mono_ns`; `first` is the number of the first."""
        if first != self.next_record:
            self._end_block()
        if self.records == 0:
            self.first_record, self.first_mono_ns = first, mono_ns
        self._times = (self._times[0] if self._waiting else mono_ns, mono_ns)
        self._waiting.append(records)
        count = len(records) // self._record_bytes
        self._count += count
        self.records += count
        self.next_record = first + count
        self.last_mono_ns = mono_ns
        if self._count >= BLOCK_RECORDS:
            self._end_block()

    def flush(self) -> None:
        """Let all that was written be readable from the file."""
        self._end_block()
        super().flush()

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._end_block()
        super().close()

    def _end_block(self) -> None:
        if not self._waiting:
            return
        begun_ns, ended_ns = self._times
        first, records = self.next_record - self._count, b"".join(self._waiting)
        block = Block(first, self._count, begun_ns, ended_ns, records)
        self._waiting, self._count = [], 0
        self.add(pack_block(block, self._record_bytes))
