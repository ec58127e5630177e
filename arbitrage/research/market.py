"""Market data for research: one stream of 64-byte records, whatever it was recorded as.

`open_data` opens recordings, files of raw frames, Parquet data sets and tables of quotes;
`MarketData.from_records` takes an array. All give the same records, `MARKET_DTYPE` of
`arbitrage.core.market_records`, block by block in bounded memory or all at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbitrage.core import market_records
from arbitrage.core.market_records import ALL_SYMBOLS, MarketKind
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES, venue_code, venue_symbol
from arbitrage.research.contracts import Contract, Contracts

if TYPE_CHECKING:
    import numpy as np
    import pandas
    import polars
    import pyarrow
    from numpy.typing import NDArray

__all__ = [
    "BLOCK_ROWS",
    "FOREVER_NS",
    "Gap",
    "MarketData",
    "Selection",
    "When",
    "as_ns",
    "check_records",
    "open_data",
]

BLOCK_ROWS = 1 << 16
FOREVER_NS = (1 << 63) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

When = int | str | datetime | None


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of time of which nothing is known.

    `start_ns` is when something was last received before it, `end_ns` when something came again;
    `symbol` None: all of the venue. `lost` is how many frames or records, 0: not known.
    """

    start_ns: int
    end_ns: int
    venue: str
    symbol: str | None = None
    lost: int = 0


class MarketData(ABC):
    """A stream of market records, read again with each call.

    Threads: any one at a time; different streams may be read at once.

    Attributes
    ----------
    symbols : tuple of str
        Canonical symbols; the field `symbol` of a record is an index into them.
    contracts : mapping of (venue, symbol) to Contract
        Grids and sizes; of a venue and symbol that is missing nothing is known.
    contracts_from : str
        Who said so: a recording, a file, or the built-in simulator's list.
    has_depth : bool
        Whether there are LEVEL records.
    start_ns, end_ns : int
        `recv_ns` of the first and of the last record; both 0: there is none.
    gaps : tuple of Gap
        What is known to be missing, by time.
    count : int or None
        Records; None: not known before they have been read.
    """

    symbols: tuple[str, ...]
    contracts: Contracts
    contracts_from: str = ""
    has_depth: bool
    start_ns: int
    end_ns: int
    gaps: tuple[Gap, ...] = ()
    count: int | None = None

    @staticmethod
    def from_records(
        records: "NDArray[np.void]",
        symbols: Sequence[str],
        contracts: Contracts | None = None,
        *,
        gaps: Sequence[Gap] = (),
    ) -> "MarketData":
        """Take records that lie in memory; they are not copied unless ties must be sorted.

        Parameters
        ----------
        records : structured array of MARKET_DTYPE, shape (count,)
            In order of `recv_ns`.
        symbols : sequence of str
            Canonical symbols by index.
        contracts : mapping, optional
            As of `MarketData`.

        Raises
        ------
        ConfigError
            Another dtype, records out of order, or a field that means nothing; it names the row.
        """
        from arbitrage.research.array_data import ArrayData

        return ArrayData(records, symbols, contracts or {}, gaps)

    @property
    def source(self) -> dict[str, Any]:
        """What `open_data(**source)` takes to open the same again, in any process: plain JSON."""
        raise ConfigError(
            "data in memory has no path to be opened by again; write it with "
            "arbitrage.research.convert.convert first"
        )

    # ---- records ---------------------------------------------------------------------------------

    @abstractmethod
    def blocks(self, rows: int = BLOCK_ROWS) -> "Iterator[NDArray[np.void]]":
        """Yield the records in order, at most `rows` at a time, in bounded memory."""

    def records(self) -> "NDArray[np.void]":
        """Return all records in one array of MARKET_DTYPE, 64 bytes each."""
        import numpy as np

        found = list(self.blocks())
        if len(found) == 1:
            return found[0]
        return np.concatenate(found) if found else np.zeros(0, market_records.MARKET_DTYPE)

    def select(
        self,
        *,
        symbols: Collection[str] | None = None,
        start: When = None,
        end: When = None,
        venues: Collection[str] | None = None,
    ) -> "MarketData":
        """Return a part of it: some symbols or venues, from `start` to before `end`.

        What stood at `start` comes first, as records of that time that are flagged CARRIED: the
        newest quote, whole book and funding rate of each row.

        Parameters
        ----------
        symbols, venues : collection of str, optional
            Those to keep; None: all.
        start, end : int, str or datetime, optional
            UTC nanoseconds, or a time such as ``2026-03-01`` or ``2026-03-01T08:30``, UTC.

        Raises
        ------
        ConfigError
            A symbol or venue that is not in it, or no time at all.
        """
        from arbitrage.research.selected_data import SelectedData

        return SelectedData(self, Selection.of(self.symbols, symbols, start, end, venues))

    # ---- other libraries' tables -----------------------------------------------------------------

    def to_arrow(self) -> "pyarrow.Table":
        """Return the records as an Arrow table, a column a field; symbols and venues by name."""
        from arbitrage.research.tables import to_arrow

        return to_arrow(self)

    def to_polars(self) -> "polars.DataFrame":
        """Return them as a Polars frame, over the memory of `to_arrow`."""
        from arbitrage.research.tables import to_polars

        return to_polars(self)

    def to_pandas(self) -> "pandas.DataFrame":
        """Return them as a pandas frame, over the memory of `to_arrow` where pandas can."""
        from arbitrage.research.tables import to_pandas

        return to_pandas(self)

    # ---- of people -------------------------------------------------------------------------------

    def __repr__(self) -> str:
        count = "" if self.count is None else f"{self.count:,} records of "
        return (
            f"MarketData({count}{', '.join(self.symbols)}; {_clock(self.start_ns)} to "
            f"{_clock(self.end_ns)}{', with depth' if self.has_depth else ''})"
        )

    def venue_name(self, venue: str, symbol: str) -> str:
        """Return what a venue calls a symbol: as the data says it, else as it usually does."""
        found = self.contracts.get((venue, symbol))
        return venue_symbol(venue, symbol) if found is None else found.venue_symbol

    def contract(self, venue: str, symbol: str) -> Contract:
        """Return a contract; ConfigError says what to do when it is not known."""
        found = self.contracts.get((venue, symbol))
        if found is None:
            raise ConfigError(
                f"nothing says what {symbol} is at {venue}; give a file of "
                "`arb instruments --json FILE` as instruments"
            )
        return found


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a stream is wanted; None: all of it."""

    symbols: tuple[str, ...] | None = None
    venues: tuple[str, ...] | None = None
    start_ns: int | None = None
    end_ns: int | None = None

    @staticmethod
    def of(
        known: Sequence[str],
        symbols: Collection[str] | None,
        start: When,
        end: When,
        venues: Collection[str] | None,
    ) -> "Selection":
        """Check what somebody asks for."""
        for symbol in symbols or ():
            if symbol not in known:
                raise ConfigError(
                    f"symbol was {symbol!r}; this data holds {', '.join(known) or 'none'}"
                )
        for venue in venues or ():
            venue_code(venue)
        start_ns, end_ns = as_ns(start, "start"), as_ns(end, "end")
        if start_ns is not None and end_ns is not None and end_ns <= start_ns:
            raise ConfigError(f"end was {end}, which is not after the start, {start}")
        return Selection(
            None if symbols is None else tuple(name for name in known if name in set(symbols)),
            None if venues is None else tuple(name for name in VENUES if name in set(venues)),
            start_ns,
            end_ns,
        )


def as_ns(when: When, label: str = "time") -> int | None:
    """Return a moment in UTC nanoseconds; None stays None.

    Raises
    ------
    ConfigError
        Naming the label, for what is no time.
    """
    if when is None or isinstance(when, int):
        return when
    moment = when
    if isinstance(moment, str):
        if moment.isdigit():
            return int(moment)
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise ConfigError(
                f"{label} was {when!r}; accepted is a time such as 2026-03-01 or "
                "2026-03-01T08:30:00, UTC, or nanoseconds"
            ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _clock(ns: int) -> str:
    try:
        return (_EPOCH + timedelta(microseconds=ns // 1000)).isoformat(timespec="milliseconds")
    except OverflowError:
        return f"{ns} ns"


def open_data(
    path: str | Path | Sequence[str | Path],
    *,
    okx: str | Path | Sequence[str | Path] | None = None,
    columns: Mapping[str, Any] | None = None,
    instruments: str | Path | Contracts | None = None,
    symbols: Collection[str] | None = None,
    venues: Collection[str] | None = None,
    start: When = None,
    end: When = None,
    stream: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> MarketData:
    """Open recorded market data, of whatever form, as one stream of records.

    Parameters
    ----------
    path : str, Path or sequence of them
        The folder of a recording (`arb record`); a file of raw frames; a Parquet data set, here
        or at an address that fsspec knows (``s3://bucket/days``); with `columns` a CSV or Parquet
        file of quotes. Several files, or a pattern such as ``data/*.csv``: frames one behind the
        other in the order of their names, tables by their times.
    okx : str, Path or sequence of them, optional
        With `path` of Bybit: that of OKX.
    columns : mapping, optional
        Which column is what, see `arbitrage.research.columns.Columns`; not needed where they have
        the names that `arb convert` gives them.
    instruments : str, Path or mapping, optional
        What the contracts are: a file of `arb instruments --json`, or `MarketData.contracts`.
        Without it the recording says so, else the built-in simulator's list.
    symbols, venues, start, end : optional
        As in `MarketData.select`.
    stream : str, optional
        Of a recording: ``frames`` as they came, or ``decisions``, the quotes as the trader's
        detector applied them and the levels it read. Default: the frames, unless they hold no
        books and the decisions do, or there are none.
    progress : callable, optional
        Told the fraction read, 0 to 1, while it is being read.

    Raises
    ------
    ConfigError, WireError
        One line that names the file, the row where one is to blame, and what to do.

    Examples
    --------
    >>> day = open_data("days/monday", symbols=["BTCUSDT"])  # doctest: +SKIP
    >>> day.records()["bid_px"].max()  # doctest: +SKIP
    """
    from arbitrage.research.opening import open_any

    data = open_any(
        path,
        okx=okx,
        columns=columns,
        instruments=instruments,
        symbols=None if symbols is None else tuple(symbols),
        stream=stream,
        progress=progress,
    )
    if start is None and end is None and venues is None:
        return data
    return data.select(start=start, end=end, venues=venues)


def check_records(records: "NDArray[np.void]", symbols: Sequence[str]) -> None:
    """Refuse records that mean nothing; the error names the first row that is wrong."""
    import numpy as np

    dtype = market_records.MARKET_DTYPE
    if records.dtype != dtype or records.ndim != 1:
        raise ConfigError(
            f"records were of dtype {records.dtype} and shape {records.shape}; accepted is one "
            "dimension of arbitrage.core.market_records.MARKET_DTYPE"
        )
    wrong = {
        "are out of order of recv_ns": np.flatnonzero(np.diff(records["recv_ns"]) < 0) + 1,
        f"have a venue beyond {', '.join(VENUES)}": records["venue"] >= len(VENUES),
        "have a kind that is none": (records["kind"] < 1) | (records["kind"] > max(MarketKind)),
        f"have a symbol beyond the {len(symbols)} given": (records["symbol"] >= len(symbols))
        & ~((records["symbol"] == ALL_SYMBOLS) & (records["kind"] == MarketKind.GAP)),
    }
    for what, rows in wrong.items():
        where = rows if rows.dtype != bool else np.flatnonzero(rows)
        if len(where):
            raise ConfigError(f"{len(where)} of {len(records)} records {what}: row {where[0]}")
