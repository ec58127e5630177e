"""Files of a Parquet data set: where each lies, its columns, and what it says of itself.

::

    ROOT/venue=bybit/symbol=BTCUSDT/day=2026-03-01/records.parquet

A file holds what one venue said of one symbol on one UTC day, in order. `position` numbers the
records of the whole stream, so that several files become one stream again exactly as it was;
records that state what stood when the day began have numbers below 0. A gap of a whole venue lies
under the symbol ``_all``. The key ``arbitrage`` of a file's metadata is JSON: the format's version,
contract, gaps, and whether the day before belongs to the same stream.
"""

import re
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec

from arbitrage.core import market_records
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.research.contracts import Contract

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

__all__ = [
    "ALL",
    "COLUMNS",
    "VERSION",
    "About",
    "Partition",
    "StoredGap",
    "about_of",
    "columns_of",
    "file_system",
    "partition_of",
    "records_of",
    "schema_of",
    "values_of",
]

VERSION = 1
KEY = b"arbitrage"
FILE = "records.parquet"
ALL = "_all"  # the symbol of what concerns a whole venue
COLUMNS = (
    ("recv_ns", "int64"), ("exch_ns", "int64"), ("bid_px", "double"), ("bid_qty", "double"),
    ("ask_px", "double"), ("ask_qty", "double"), ("number", "int64"), ("kind", "uint8"),
    ("flags", "uint32"), ("position", "int64"),
)  # fmt: skip
_PLACE = re.compile(
    r"venue=(?P<venue>[^/]+)/symbol=(?P<symbol>[^/]+)/day=(?P<day>\d{4}-\d\d-\d\d)/[^/]+\.parquet"
)


class StoredGap(msgspec.Struct, frozen=True):
    """A gap as a file names it."""

    start_ns: int
    end_ns: int
    symbol: str | None = None
    lost: int = 0


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says of itself.

    Parameters
    ----------
    version : int
        Of this format.
    symbol_index : int
        The symbol's place among those of the stream it was written from.
    continues : bool
        Whether the day before is of the same stream: records that were carried over midnight
        repeat what it holds.
    """

    version: int
    venue: str
    symbol: str
    day: str
    symbol_index: int
    continues: bool
    contract: Contract | None = None
    contracts_from: str = ""
    venue_symbol: str = ""
    gaps: tuple[StoredGap, ...] = ()


@dataclass(frozen=True, order=True)
class Partition:
    """Where a file lies, and of what."""

    day: str
    venue: int
    symbol: str
    path: str = ""

    @property
    def place(self) -> str:
        """Its path under the root."""
        return f"venue={VENUES[self.venue]}/symbol={self.symbol}/day={self.day}/{FILE}"


def partition_of(path: str) -> Partition | None:
    """Return what a path is the file of; None: it lies in no data set."""
    found = _PLACE.search(path)
    if found is None or found.end() != len(path) or found["venue"] not in VENUES:
        return None
    return Partition(found["day"], VENUES.index(found["venue"]), found["symbol"], path)


def file_system(address: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path in it."""
    try:
        core = import_module("fsspec.core")
    except ImportError:
        raise ConfigError(
            "Parquet data sets need a library that is not installed: pip install fsspec"
        ) from None
    try:
        found, path = core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{address} cannot be opened: {error}") from None
    return found, str(path).rstrip("/")


def parquet_module() -> ModuleType:
    """Return pyarrow.parquet; ConfigError says how to get it."""
    try:
        return import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigError(
            "Parquet needs a library that is not installed: pip install pyarrow"
        ) from None


def schema_of(about: About) -> "pyarrow.Schema":
    """Return the columns of a file, with what it says of itself."""
    import pyarrow as pa

    fields = [pa.field(name, pa.type_for_alias(kind), nullable=False) for name, kind in COLUMNS]
    return pa.schema(fields, metadata={KEY: msgspec.json.encode(about)})


def about_of(path: str, schema: "pyarrow.Schema") -> About:
    """Return what a file says of itself; ConfigError for one that is not ours."""
    said = (schema.metadata or {}).get(KEY)
    if said is None:
        raise ConfigError(
            f"{path} holds no market records of ours (its metadata has no key {KEY.decode()!r}); "
            "give columns to read it as a table of quotes"
        )
    try:
        about = msgspec.json.decode(said, type=About)
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path} has damaged metadata: {error}; convert it again") from None
    if about.version != VERSION:
        raise ConfigError(
            f"{path} has version {about.version}; this release reads {VERSION}: use the one that "
            "wrote it, or convert it again"
        )
    wrong = [
        f"{name} is {schema.field(name).type}" if name in schema.names else f"{name} is missing"
        for name, kind in COLUMNS
        if name not in schema.names or str(schema.field(name).type) != kind
    ]
    if wrong:
        wanted = ", ".join(f"{name} {kind}" for name, kind in COLUMNS)
        raise ConfigError(f"{path}: {'; '.join(wrong)}; expected are {wanted}: convert it again")
    return about


def columns_of(
    records: "NDArray[np.void]", positions: "NDArray[np.int64]", schema: "pyarrow.Schema"
) -> "pyarrow.RecordBatch":
    """Return records as the columns of a file."""
    import numpy as np
    import pyarrow as pa

    arrays = [
        pa.array(positions if name == "position" else np.ascontiguousarray(records[name]))
        for name, _ in COLUMNS
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def records_of(
    batch: "pyarrow.RecordBatch", venue: int, symbol: int
) -> tuple["NDArray[np.void]", "NDArray[np.int64]"]:
    """Return records and positions of a file's columns."""
    import numpy as np

    records = np.zeros(batch.num_rows, market_records.MARKET_DTYPE)
    for name, _ in COLUMNS[:-1]:
        records[name] = values_of(batch.column(name), records.dtype[name])
    records["venue"], records["symbol"] = venue, symbol
    return records, values_of(batch.column("position"), np.dtype("i8"))


def values_of(column: "pyarrow.Array", dtype: "np.dtype[Any]") -> "NDArray[Any]":
    """Return a column over its own memory; Arrow's `to_numpy` would import pandas first."""
    import numpy as np
    import pyarrow as pa

    if column.null_count:
        raise pa.ArrowInvalid(f"{column.null_count} values of a column are missing")
    if not len(column):
        return np.zeros(0, dtype)
    start = column.offset * dtype.itemsize
    return np.frombuffer(column.buffers()[1], dtype, len(column), start)
