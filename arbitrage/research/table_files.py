"""One file of best bids and asks, CSV or Parquet, batch by batch."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbitrage.errors import ConfigError
from arbitrage.research.columns import TIME_DIGITS, Columns, TableColumns
from arbitrage.research.parquet_files import parquet_module
from arbitrage.research.tables import arrow_module

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

__all__ = ["QuoteTable", "is_table", "table_names"]

TABLE_SUFFIXES = frozenset({".csv", ".parquet", ".pq"})
# outside of these a time was read in another unit than it is in
TIMES_NS = (1_262_304_000 * 10**9, 4_102_444_800 * 10**9)  # 2010, 2100
CSV_BLOCK_BYTES = 1 << 22
SYMBOL_WORDS = ("symbol", "instrument", "instId", "inst_id", "pair", "ticker", "s")
_ROW = re.compile(r"Row #(\d+)")


def is_table(path: Path) -> bool:
    """Whether a file is a table, by its name."""
    return TABLE_SUFFIXES & set(path.suffixes) != set()


def table_names(path: Path) -> list[str]:
    """Return the names of a table's columns."""
    return QuoteTable.names_of(path, Columns())


class QuoteTable:
    """One file, batch by batch; what is wrong with it is told with its row, counted from 0."""

    def __init__(self, path: Path, columns: Columns, venue: str | None, symbol: str | None) -> None:
        self.path, self._columns = path, columns
        self._is_csv = path.suffix not in {".parquet", ".pq"}
        self._names = self.names_of(path, columns)
        self.columns: TableColumns = columns.with_known(self._names, str(path), venue, symbol)
        self._latest_ns = 0
        # another column that tells symbols apart, where all rows should be of one
        other = [name for name in SYMBOL_WORDS if name in self._names]
        self._apart = other[0] if self.columns.symbol is not None and other else None
        self._apart_value: str | None = None

    @classmethod
    def names_of(cls, path: Path, columns: Columns) -> list[str]:
        """Return the names of a file's columns."""
        table = cls.__new__(cls)
        table.path, table._columns = path, columns
        table._is_csv = path.suffix not in {".parquet", ".pq"}
        arrow_module()
        found: list[str] = table._read(table._header)
        return found

    def first_ns(self) -> int:
        """Return the time of the first row."""
        batches = self.batches()
        _, batch = next(batches)
        found = self.numbers_of(batch.slice(0, 1), "recv_ns", 0)
        return int(found[0])

    def _read(self, do: Callable[[], Any]) -> Any:
        """Do it; ConfigError names the file and what is wrong."""
        import pyarrow

        try:
            return do()
        except pyarrow.ArrowException as error:
            raise self._wrong(error) from None
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read: {error.strerror or error}") from None

    def _wrong(self, error: BaseException) -> ConfigError:
        text = (str(error).splitlines() or [type(error).__name__])[0]
        if "Empty CSV" in text:
            return ConfigError(f"{self.path} is empty; expected is a header and a row a quote")
        row = _ROW.search(text)
        place = f", row {int(row[1]) - 2}" if row is not None and self._is_csv else ""
        return ConfigError(f"{self.path}{place} cannot be read: {text}")

    def _header(self) -> list[str]:
        if not self._is_csv:
            return list(parquet_module().ParquetFile(self.path).schema_arrow.names)

        with self._csv({}) as reader:
            return list(reader.schema.names)

    def _csv(self, types: Mapping[str, Any], names: Sequence[str] | None = None) -> Any:
        from pyarrow import csv

        return csv.open_csv(
            self.path,
            csv.ReadOptions(block_size=CSV_BLOCK_BYTES, use_threads=False),
            csv.ParseOptions(delimiter=self._columns.delimiter),
            csv.ConvertOptions(
                column_types=types, include_columns=names, strings_can_be_null=False,
                null_values=["", "nan", "NaN", "null", "None"],
            ),
        )  # fmt: skip

    def batches(self) -> "Iterator[tuple[int, pyarrow.RecordBatch]]":
        """Yield (rows before it, batch)."""
        self._latest_ns, done = 0, 0
        named = [*dict.fromkeys(self.columns.named.values())]
        if self._apart is not None:
            named = [*dict.fromkeys([*named, self._apart])]
        found: Iterator[Any] = self._read(lambda: iter(self._open(named)))
        while (batch := self._read(lambda: next(found, None))) is not None:
            if batch.num_rows:
                self._look_apart(batch, done)
                yield done, batch
                done += batch.num_rows
        if not done:
            raise ConfigError(f"{self.path} is empty; expected is a row a quote")

    def _open(self, named: list[str]) -> Any:
        import pyarrow as pa

        if not self._is_csv:
            return parquet_module().ParquetFile(self.path).iter_batches(columns=named)
        types: dict[str, Any] = {}
        for name, column in self.columns.named.items():
            if name in {"recv_ns", "exch_ns"}:
                types[column] = self._time_type(column)
            elif name in {"venue", "symbol"}:
                types[column] = pa.string()
            else:
                types[column] = pa.int64() if name == "number" else pa.float64()
        if self._apart is not None:
            types[self._apart] = pa.string()
        return self._csv(types, named)

    def _time_type(self, column: str) -> Any:
        import pyarrow as pa

        if self._columns.time_unit != "iso":
            return pa.decimal128(30, TIME_DIGITS[self._columns.time_unit])
        first = next(iter(self._csv({column: pa.string()}, [column])), None)
        text = str(first.column(0)[0]) if first is not None and first.num_rows else ""
        has_zone = text.endswith("Z") or re.search(r"[+-]\d\d:?\d\d$", text) is not None
        return pa.timestamp("ns", "UTC" if has_zone else None)

    def _look_apart(self, batch: "pyarrow.RecordBatch", done: int) -> None:
        if self._apart is None:
            return
        for row, value in enumerate(batch.column(self._apart).to_pylist()):
            if self._apart_value is None:
                self._apart_value = value
            if value != self._apart_value:
                raise ConfigError(
                    f"{self.path}, row {done + row}, is of {value}, rows above it are of "
                    f"{self._apart_value}: symbols are mixed; name the column as "
                    f"symbol={self._apart!r} in columns"
                )

    # ---- values ----------------------------------------------------------------------------------

    def words(
        self, batch: "pyarrow.RecordBatch", name: str, all_rows: str | None
    ) -> "NDArray[np.str_]":
        """Return a column of names, or the one that all rows have."""
        import numpy as np

        if all_rows is not None:
            return np.full(batch.num_rows, all_rows)
        values = batch.column(self.columns.named[name]).cast("string").fill_null("")
        found: NDArray[np.str_] = values.to_numpy(zero_copy_only=False).astype(str)
        return found

    def numbers_of(self, batch: "pyarrow.RecordBatch", name: str, done: int) -> "NDArray[Any]":
        """Return a column's numbers, bit for bit; NaN where there is none."""
        import pyarrow as pa

        column = self.columns.named[name]
        values = batch.column(column)
        is_time = name in {"recv_ns", "exch_ns"}
        if is_time or name == "number":
            if values.null_count:
                row = values.is_null().index(True).as_py()
                raise ConfigError(f"{self.path}, row {done + row}, has no value in {column!r}")
            if not is_time:
                return self._cast(values, column, pa.int64())
            times = self._times(values, column, done, may_be_none=name == "exch_ns")
            self._check_times(times, values, column, done, may_be_none=name == "exch_ns")
            return times
        filled = self._cast(values, column, pa.float64(), pa.scalar(float("nan")))
        return filled

    def _cast(
        self, values: "pyarrow.Array", column: str, kind: Any, filler: Any = None
    ) -> "NDArray[Any]":
        import pyarrow as pa

        if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)) and not (
            pa.types.is_null(values.type)
        ):
            raise ConfigError(
                f"{self.path}: column {column!r} is {values.type}; expected are numbers"
            )
        cast: pyarrow.Array = self._read(lambda: values.cast(kind))
        if filler is not None:
            cast = cast.fill_null(filler)
        found: NDArray[Any] = cast.to_numpy(zero_copy_only=False)
        return found

    def _check_times(
        self,
        times: "NDArray[Any]",
        values: "pyarrow.Array",
        column: str,
        done: int,
        *,
        may_be_none: bool,
    ) -> None:
        """Refuse what is no time of 2010 to 2100, and name the unit in which it were one."""
        first_ns, end_ns = TIMES_NS
        is_wrong = ~((times >= first_ns) & (times < end_ns))
        if may_be_none:
            is_wrong &= times != 0
        if not is_wrong.any():
            return
        row, unit = int(is_wrong.argmax()), self._columns.time_unit
        value = values[row].as_py()
        said = f"{value}, which in {unit} is"
        advice = "expected are times since 1970, UTC, in the unit that time_unit says"
        if not isinstance(value, int | float | Decimal):
            said = f"{value}, which is"
        else:
            for other, digits in TIME_DIGITS.items():
                if first_ns <= value * 10**digits < end_ns:
                    advice = f"time_unit {other} would fit"
        raise ConfigError(
            f"{self.path}, row {done + row}, has the {column} {said} no time of 2010 to 2100; "
            f"{advice}"
        )

    def _times(
        self, values: "pyarrow.Array", column: str, done: int, *, may_be_none: bool
    ) -> "NDArray[np.int64]":
        import numpy as np
        import pyarrow as pa

        kind, unit = values.type, self._columns.time_unit
        if pa.types.is_timestamp(kind):
            stamps: NDArray[np.int64] = self._read(
                lambda: values.cast(pa.timestamp("ns", kind.tz)).cast("int64").to_numpy()
            )
            return stamps
        if unit == "iso":
            raise ConfigError(f"{self.path}: column {column!r} is {kind}; expected are times")
        if not (pa.types.is_integer(kind) or pa.types.is_decimal(kind)) and not (
            pa.types.is_floating(kind)
        ):
            raise ConfigError(f"{self.path}: column {column!r} is {kind}; expected are times")
        # before it is made nanoseconds, where it might not fit 64 bits
        rough = self._read(lambda: values.cast(pa.float64(), safe=False)).to_numpy(
            zero_copy_only=False
        )
        rough_ns = rough * 10.0 ** TIME_DIGITS[unit]
        self._check_times(rough_ns, values, column, done, may_be_none=may_be_none)
        if pa.types.is_floating(kind):
            nearest = np.rint(values.to_numpy() * 10.0 ** TIME_DIGITS[unit])
            whole: NDArray[np.int64] = nearest.astype(np.int64)
            return whole  # a double of seconds is exact to a quarter of a us
        if not pa.types.is_decimal(kind):
            values = self._read(lambda: values.cast("int64").cast(pa.decimal128(19, 0)))
        wide = pa.decimal128(38, TIME_DIGITS[unit])
        exact: pyarrow.Array = self._read(lambda: values.cast(wide))
        # the unscaled value of such a decimal is nanoseconds; its low word is what fits 63 bits
        words = np.frombuffer(exact.buffers()[1], "<i8").reshape(-1, 2)
        found: NDArray[np.int64] = words[exact.offset : exact.offset + len(exact), 0].copy()
        return found

    def check(self, records: "NDArray[np.void]", done: int) -> None:
        """Refuse rows out of order, and prices and quantities that are none."""
        import numpy as np

        times = records["recv_ns"]
        above_ns = self._latest_ns if done else int(times[0])
        wrong: list[tuple[str, NDArray[Any]]] = [
            ("is older than the row above it; sort the file by its time",
             np.diff(times, prepend=above_ns) < 0),
        ]  # fmt: skip
        for name in ("bid_px", "ask_px", "bid_qty", "ask_qty"):
            least = records[name] < 0 if name.endswith("qty") else records[name] <= 0
            wrong.append((f"has a {name} that is none; leave it empty where there is none",
                          least | np.isinf(records[name])))  # fmt: skip
        self._latest_ns = int(times[-1])
        for what, rows in wrong:
            if rows.any():
                raise ConfigError(f"{self.path}, row {done + int(np.argmax(rows))}, {what}")
