"""A Parquet data set as a stream of market records, day by day, in bounded memory."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbitrage.core import market_records
from arbitrage.core.market_records import ALL_SYMBOLS, MarketFlag, MarketKind
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.research.contracts import Contract, Contracts, Instruments, read_contracts
from arbitrage.research.market import BLOCK_ROWS, Gap, MarketData, Selection, When
from arbitrage.research.merging import Streamed, merged
from arbitrage.research.parquet_files import (
    ALL,
    About,
    Partition,
    about_of,
    file_system,
    parquet_module,
    partition_of,
    records_of,
    values_of,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ParquetData", "find_partitions"]

DAY_NS = 86_400 * 10**9
HELD_ROWS = 1 << 17  # read ahead, of all files of a day together: 8 MB
ROWS_MIN = 1 << 10  # of one file at once


def find_partitions(address: str) -> list[Partition]:
    """Return the files of a data set, by day, venue and symbol; none: it is no data set."""
    system, root = file_system(address)
    try:
        paths = system.find(root)
    except OSError as error:
        raise ConfigError(f"{address} cannot be read: {error.strerror or error}") from None
    found = [partition_of(str(path)) for path in paths]
    return sorted(each for each in found if each is not None)


class ParquetData(MarketData):
    """The files of a data set, or some of them.

    Parameters
    ----------
    address : str
        Where it lies.
    partitions : sequence of Partition
        Those to read.
    instruments : optional
        Contracts that count instead of those that the files name.
    """

    def __init__(
        self,
        address: str,
        partitions: Sequence[Partition],
        instruments: Instruments = None,
        symbols: Sequence[str] | None = None,
    ) -> None:
        self._address, self._instruments = address, instruments
        self._system, _ = file_system(address)
        self._partitions = tuple(partitions)
        self._abouts: dict[Partition, tuple[About, int]] = {}
        first = {each.symbol: each for each in reversed(partitions) if each.symbol != ALL}
        places = {symbol: self._about(each)[0].symbol_index for symbol, each in first.items()}
        self.symbols = tuple(sorted(places, key=lambda symbol: (places[symbol], symbol)))
        for symbol in symbols or ():
            if symbol not in self.symbols:
                raise ConfigError(
                    f"symbol was {symbol!r}; {address} holds {', '.join(self.symbols) or 'none'}"
                )
        if symbols is not None:
            self.symbols = tuple(symbols)
            kept = {*symbols, ALL}
            self._partitions = tuple(each for each in partitions if each.symbol in kept)
        self._wanted = None if symbols is None else tuple(symbols)

    @property
    def source(self) -> dict[str, Any]:
        found: dict[str, Any] = {"path": self._address}
        if self._wanted is not None:
            found["symbols"] = list(self._wanted)
        if isinstance(self._instruments, (str, Path)):
            found["instruments"] = str(self._instruments)
        return found

    def select(
        self,
        *,
        symbols: Collection[str] | None = None,
        start: When = None,
        end: When = None,
        venues: Collection[str] | None = None,
    ) -> MarketData:
        wanted = Selection.of(self.symbols, symbols, start, end, venues)
        # from the last day that is there before the start: what stood may be older than it
        first = "" if wanted.start_ns is None else _day_of(wanted.start_ns)
        first = max((each.day for each in self._partitions if each.day <= first), default="")
        last = "9999" if wanted.end_ns is None else _day_of(wanted.end_ns)
        kept = [
            each
            for each in self._partitions
            if first <= each.day <= last
            and (wanted.venues is None or VENUES[each.venue] in wanted.venues)
        ]
        part = ParquetData(self._address, kept, self._instruments, wanted.symbols or self._wanted)
        whole = Selection(None, wanted.venues, wanted.start_ns, wanted.end_ns)
        if whole == Selection():
            return part
        from arbitrage.research.selected_data import SelectedData

        return SelectedData(part, whole)

    # ---- what the files say ----------------------------------------------------------------------

    def _about(self, each: Partition) -> tuple[About, int]:
        if each not in self._abouts:
            with self._opened(each) as (file, about):
                self._abouts[each] = (about, int(file.metadata.num_rows))
        return self._abouts[each]

    def _opened(self, each: Partition) -> "_Opened":
        return _Opened(self._system, each)

    @cached_property
    def contracts(self) -> Contracts:  # type: ignore[override]
        given = self._instruments
        if given is not None:
            found = read_contracts(given) if isinstance(given, (str, Path)) else given
            return {key: item for key, item in found.items() if key[1] in self.symbols}
        named: dict[tuple[str, str], Contract] = {}
        for each in self._partitions:
            key = (VENUES[each.venue], each.symbol)
            if key not in named and (contract := self._about(each)[0].contract) is not None:
                named[key] = contract
        return named

    @cached_property
    def contracts_from(self) -> str:  # type: ignore[override]
        if self._instruments is not None:
            is_file = isinstance(self._instruments, (str, Path))
            return f"file {self._instruments}" if is_file else "the caller"
        return next((self._about(each)[0].contracts_from for each in self._partitions), "")

    def venue_name(self, venue: str, symbol: str) -> str:
        for each in self._partitions:
            if each.symbol == symbol and VENUES[each.venue] == venue:
                return self._about(each)[0].venue_symbol or super().venue_name(venue, symbol)
        return super().venue_name(venue, symbol)

    @cached_property
    def gaps(self) -> tuple[Gap, ...]:  # type: ignore[override]
        found = {
            Gap(gap.start_ns, gap.end_ns, VENUES[each.venue], gap.symbol, gap.lost)
            for each in self._partitions
            for gap in self._about(each)[0].gaps
        }
        return tuple(sorted(found, key=lambda gap: (gap.start_ns, gap.venue, gap.symbol or "")))

    @cached_property
    def count(self) -> int:  # type: ignore[override]
        return sum(map(len, self.blocks()))

    @cached_property
    def start_ns(self) -> int:  # type: ignore[override]
        return self._edge("recv_ns", is_first=True)

    @cached_property
    def end_ns(self) -> int:  # type: ignore[override]
        return self._edge("recv_ns", is_first=False)

    def _edge(self, name: str, *, is_first: bool) -> int:
        """Return the least or largest value of the first or last day, from the files' footers."""
        if not self._partitions:
            return 0
        day = self._partitions[0 if is_first else -1].day
        found = [
            value
            for each in self._partitions
            if each.day == day
            for value in self._extremes(each, name)
        ]
        return (min if is_first else max)(found, default=0)

    def _extremes(self, each: Partition, name: str) -> list[int]:
        with self._opened(each) as (file, _):
            place = file.schema_arrow.names.index(name)
            groups = [
                file.metadata.row_group(at).column(place).statistics
                for at in range(file.metadata.num_row_groups)
            ]
        return [value for group in groups if group for value in (group.min, group.max)]

    @cached_property
    def has_depth(self) -> bool:  # type: ignore[override]
        return any(map(self._has_levels, self._partitions))

    def _has_levels(self, each: Partition) -> bool:
        """Look at the footer; at the kinds alone where quotes and funding lie around them."""
        import numpy as np

        with self._opened(each) as (file, _):
            place = file.schema_arrow.names.index("kind")
            for at in range(file.metadata.num_row_groups):
                told = file.metadata.row_group(at).column(place).statistics
                if told is not None and not told.min <= MarketKind.LEVEL <= told.max:
                    continue
                if told is not None and MarketKind.LEVEL in (told.min, told.max):
                    return True
                column = file.read_row_group(at, columns=["kind"], use_threads=False).column(0)
                for chunk in column.chunks:
                    if (values_of(chunk, np.dtype("u1")) == MarketKind.LEVEL).any():
                        return True
        return False

    # ---- records ---------------------------------------------------------------------------------

    def blocks(self, rows: int = BLOCK_ROWS) -> "Iterator[NDArray[np.void]]":
        import numpy as np

        end_ns: int | None = None
        for _, group in groupby(self._partitions, key=lambda each: each.day):
            files = list(group)
            continues = any(self._about(each)[0].continues for each in files)
            if end_ns is not None and not continues:
                yield self._forgotten(end_ns)
            at_once = max(ROWS_MIN, HELD_ROWS // len(files))
            streams = [self._file(each, at_once, end_ns is None) for each in files]
            for block in merged(streams):
                end_ns = int(block["recv_ns"][-1])
                for first in range(0, len(block), rows):
                    yield np.ascontiguousarray(block[first : first + rows])

    def _forgotten(self, at_ns: int) -> "NDArray[np.void]":
        """Say that what comes now was recorded apart from what came before."""
        import numpy as np

        venues = sorted({each.venue for each in self._partitions})
        made = np.zeros(len(venues), market_records.MARKET_DTYPE)
        made["recv_ns"], made["kind"], made["flags"] = at_ns, MarketKind.GAP, MarketFlag.LAST
        made["symbol"], made["venue"] = ALL_SYMBOLS, venues
        for name in ("bid_px", "bid_qty", "ask_px", "ask_qty"):
            made[name] = np.nan
        return made

    def _file(self, each: Partition, rows: int, is_first: bool) -> Iterator[Streamed]:
        symbol = ALL_SYMBOLS if each.symbol == ALL else self.symbols.index(each.symbol)
        done = latest_ns = 0
        with self._opened(each) as (file, about):
            for batch in file.iter_batches(batch_size=rows, use_threads=False):
                records, positions = records_of(batch, each.venue, symbol)
                self._check(each, records, done, latest_ns)
                latest_ns = int(records["recv_ns"][-1])
                done += len(records)
                if about.continues and not is_first:
                    news = records["flags"] & MarketFlag.CARRIED == 0
                    records, positions = records[news], positions[news]
                if len(records):
                    yield records, positions

    def _check(
        self, each: Partition, records: "NDArray[np.void]", done: int, latest_ns: int
    ) -> None:
        import numpy as np

        times = records["recv_ns"]
        above_ns = latest_ns if done else int(times[0])
        backwards = np.flatnonzero(np.diff(times, prepend=above_ns) < 0)
        if len(backwards):
            raise ConfigError(
                f"{each.path}, row {done + int(backwards[0])}, is older than the row above it; "
                "sort the file by recv_ns and position, or convert it again"
            )
        wrong = np.flatnonzero((records["kind"] < 1) | (records["kind"] > max(MarketKind)))
        if len(wrong):
            raise ConfigError(
                f"{each.path}, row {done + int(wrong[0])}, has the kind "
                f"{records['kind'][wrong[0]]}, which is none; convert it again"
            )


class _Opened:
    """A file of the data set, while it is read; what is wrong with it is told in one line."""

    def __init__(self, system: Any, each: Partition) -> None:
        self._system, self._each = system, each

    def __enter__(self) -> tuple[Any, About]:
        import pyarrow

        path = self._each.path
        try:
            self._raw = self._system.open(path, "rb")
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
        try:
            file = parquet_module().ParquetFile(self._raw)
            about = about_of(path, file.schema_arrow)
        except (pyarrow.ArrowException, OSError) as error:
            self._raw.close()
            raise self._damaged(error) from None
        except BaseException:
            self._raw.close()
            raise
        if (about.symbol, about.day) != (self._each.symbol, self._each.day) or about.venue != (
            VENUES[self._each.venue]
        ):
            self._raw.close()
            raise ConfigError(
                f"{path} holds {about.symbol} of {about.venue} of {about.day}: it lies in the "
                "wrong folder; move it to its own"
            )
        return file, about

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        import pyarrow

        self._raw.close()
        if isinstance(error, (pyarrow.ArrowException, OSError)):
            raise self._damaged(error) from None

    def _damaged(self, error: BaseException) -> ConfigError:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        return ConfigError(f"{self._each.path} is damaged or cut off ({first}); copy it again")


def _day_of(ns: int) -> str:
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%d")
