"""Rows of a sweep on disk: Parquet parts that are whole or not there, one folder a sweep.

    FOLDER/parts/runs-*.parquet    rows as they came; a part is written beside, synced, renamed
    FOLDER/table.parquet           the table of the grid asked for last, replaced at its end
    FOLDER/.lock                   held while a sweep writes

A killed sweep leaves whole parts and loses the rows of its last second. Rows of other grids stay:
what a changed grid has in common with them is not run again.
"""

import fcntl
import logging
import os
import time
from collections.abc import Container, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbitrage.errors import ConfigError
from arbitrage.research.extras import needed
from arbitrage.research.sweeps.worker import DONE, Row

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RowStore", "need_parquet", "read_table", "write_table"]

log = logging.getLogger(__name__)

FLUSH_NS = 10**9
FLUSH_ROWS = 512
PARTS_MAX = 64  # more of them are joined when the folder is opened next
UNFINISHED = ".part"


def need_parquet() -> None:
    """Refuse before any run what could not be written after it."""
    needed("pyarrow.parquet", "research", "sweeps that are kept")


def write_table(path: Path, table: "pa.Table") -> None:
    """Write a Parquet file so that it is whole, or is not there.

    Raises
    ------
    ConfigError
        It cannot be written: the path and the system's reason.
    """
    import pyarrow.parquet as pq

    beside = path.with_name(path.name + UNFINISHED)
    try:
        with beside.open("wb") as out:
            pq.write_table(table, out, compression="zstd")
            out.flush()
            os.fsync(out.fileno())
        beside.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None


def read_table(path: Path) -> "pa.Table":
    """Read what `write_table` wrote.

    Raises
    ------
    ConfigError
        It is not there, or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path)
    except FileNotFoundError:
        raise ConfigError(
            f"{path.parent} holds no {path.name}: no sweep into it has come to its end"
        ) from None
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} cannot be read: {reason}") from None


class RowStore:
    """The rows of one folder, for one writer at a time.

    Parameters
    ----------
    folder : Path
        Made when it is not there.

    Raises
    ------
    ConfigError
        Another sweep writes into the folder, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        need_parquet()
        self.folder = folder
        self._parts = folder / "parts"
        self._buffer: list[Row] = []
        self._flushed_ns = time.monotonic_ns()
        self._number = 0
        try:
            self._parts.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise ConfigError(f"folder {folder} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise ConfigError(
                f"another sweep writes into {folder}; wait for its end, or name another folder"
            ) from None
        for path in self._parts.glob(f"*{UNFINISHED}"):
            path.unlink()  # of a sweep that was killed while it wrote

    def __enter__(self) -> "RowStore":
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.flush()
        finally:
            os.close(self._lock)  # which lets go of it

    def load(self, keys: Container[str]) -> dict[str, Row]:
        """Return the rows that are there of some runs; a finished one before a failed one."""
        found: dict[str, Row] = {}
        paths = sorted(self._parts.glob("runs-*.parquet"))
        tables = [table for path in paths if (table := self._read(path)) is not None]
        for table in tables:
            for row in table.to_pylist():
                before = found.get(row["key"])
                if row["key"] in keys and (before is None or before["status"] != DONE):
                    # other grids' settings are columns here too
                    found[row["key"]] = {n: v for n, v in row.items() if v is not None}
        if len(paths) > PARTS_MAX:
            self._join(paths, tables)
        return found

    def add(self, row: Row) -> None:
        """Take a row; it is on the disk within a second, see `flush_if_due`."""
        self._buffer.append(row)
        self.flush_if_due()

    def flush_if_due(self) -> None:
        """Write what has waited for a second, or is much."""
        due = time.monotonic_ns() - self._flushed_ns >= FLUSH_NS
        if due or len(self._buffer) >= FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        self._flushed_ns = time.monotonic_ns()
        if not self._buffer:
            return
        write_table(self._next_path(), _arrow(self._buffer))
        self._buffer.clear()

    def _next_path(self) -> Path:
        self._number += 1
        return self._parts / f"runs-{time.time_ns()}-{os.getpid()}-{self._number}.parquet"

    def _read(self, path: Path) -> "pa.Table | None":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            log.warning(
                "%s is damaged and is left out, its runs are done again: %s",
                path, " ".join(str(error).split()),
            )  # fmt: skip
            return None

    def _join(self, paths: list[Path], tables: list["pa.Table"]) -> None:
        """Make one part of many: the whole is there before the pieces go."""
        import pyarrow as pa

        write_table(self._next_path(), pa.concat_tables(tables, promote_options="permissive"))
        for path in paths:
            path.unlink()


def _arrow(rows: Iterable[Row]) -> "pa.Table":
    """Make a table of rows whose names differ: figures of a failed run are not known."""
    import pyarrow as pa

    listed = list(rows)
    names = list(dict.fromkeys(name for row in listed for name in row))
    columns: dict[str, Any] = {name: [row.get(name) for row in listed] for name in names}
    return pa.table(columns)
