"""Market records into a Parquet data set: a file a venue, symbol and day, in bounded memory."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from arbitrage.core.market_carry import MarketCarry
from arbitrage.core.market_records import ALL_SYMBOLS
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.research.market import MarketData
from arbitrage.research.parquet_files import (
    ALL,
    VERSION,
    About,
    Partition,
    StoredGap,
    columns_of,
    file_system,
    parquet_module,
    partition_of,
    schema_of,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DAY_NS", "write_parquet"]

DAY_NS = 86_400 * 10**9
GROUP_ROWS = 1 << 16  # of a row group
HELD_ROWS = 1 << 18  # records that wait for their row group, of all files together: 16 MB
PART = ".part"


class _File:
    """One file that is being written: under another name until it is whole."""

    def __init__(self, system: Any, path: str, about: About) -> None:
        self._system, self._path = system, path
        self._is_local = "file" in _protocols(system)
        self._schema = schema_of(about)
        self._open_path = path + PART if self._is_local else path
        system.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._raw = system.open(self._open_path, "wb")
        self._writer = parquet_module().ParquetWriter(
            self._raw, self._schema, compression="zstd", use_dictionary=["bid_px", "ask_px"]
        )
        self._waiting: list[tuple[NDArray[np.void], NDArray[np.int64]]] = []
        self.rows = 0

    def add(self, records: "NDArray[np.void]", positions: "NDArray[np.int64]") -> int:
        """Take records; return how many more wait now than before."""
        before = self.rows
        self._waiting.append((records, positions))
        self.rows += len(records)
        if self.rows >= GROUP_ROWS:
            self.flush()
        return self.rows - before

    def flush(self) -> None:
        """Write what waits, a row group."""
        import numpy as np

        if not self._waiting:
            return
        records = np.concatenate([records for records, _ in self._waiting])
        positions = np.concatenate([positions for _, positions in self._waiting])
        self._writer.write_batch(columns_of(records, positions, self._schema))
        self._waiting, self.rows = [], 0

    def close(self) -> None:
        """Write the rest and give the file its name."""
        self.flush()
        self._writer.close()
        self._raw.close()
        if self._is_local:
            self._system.mv(self._open_path, self._path)

    def abandon(self) -> None:
        """Leave nothing of it behind."""
        self._raw.close()
        self._system.rm(self._open_path)


def _protocols(system: Any) -> tuple[str, ...]:
    named = system.protocol
    return (named,) if isinstance(named, str) else tuple(named)


class _Writer:
    """Splits a stream by venue, symbol and day."""

    def __init__(self, data: MarketData, target: str) -> None:
        self._data, self._target = data, target
        self._system, self._root = file_system(target)
        self._carry = MarketCarry(len(data.symbols))
        self._files: dict[Partition, _File] = {}
        self._day: int | None = None
        self._first_day: int | None = None
        self._position = 0
        self._held = 0
        self.files = self.records = 0
        self._known = {
            found.place
            for path in self._system.find(self._root)
            if (found := partition_of(str(path))) is not None
        }

    def add(self, block: "NDArray[np.void]") -> None:
        """Write a block, a day at a time."""
        import numpy as np

        days = block["recv_ns"] // DAY_NS
        edges = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(block)]
        for first, end in pairwise(edges):
            part = block[first:end]
            if int(days[first]) != self._day:
                self._begin_day(int(days[first]))
            positions = np.arange(self._position, self._position + len(part))
            self._split(part, positions)
            self._carry.take(np.ascontiguousarray(part))
            self._position += len(part)
            self.records += len(part)

    def _begin_day(self, day: int) -> None:
        import numpy as np

        self.finish_day()
        self._day = day
        if self._first_day is None:
            self._first_day = day
            return
        stands = self._carry.state(day * DAY_NS)
        self._split(stands, np.arange(-len(stands), 0))

    def _split(self, records: "NDArray[np.void]", positions: "NDArray[np.int64]") -> None:
        import numpy as np

        keys = records["venue"].astype(np.int64) << 16 | records["symbol"]
        for key in np.unique(keys):
            chosen = keys == key
            file = self._file(int(key) >> 16, int(key) & 0xFFFF)
            self._held += file.add(records[chosen], positions[chosen])
        while self._held > HELD_ROWS:
            fullest = max(self._files.values(), key=lambda file: file.rows)
            self._held -= fullest.rows
            fullest.flush()

    def _file(self, venue: int, symbol_index: int) -> _File:
        assert self._day is not None
        symbol = ALL if symbol_index == ALL_SYMBOLS else self._data.symbols[symbol_index]
        day = datetime.fromtimestamp(self._day * 86_400, UTC).strftime("%Y-%m-%d")
        key = Partition(day, venue, symbol)
        if key not in self._files:
            if key.place in self._known:
                raise ConfigError(
                    f"{self._target} holds {key.place} already, and it is not overwritten; choose "
                    "another target, or take that file away"
                )
            about = self._about(key, symbol_index)
            self._files[key] = _File(self._system, f"{self._root}/{key.place}", about)
        return self._files[key]

    def _about(self, key: Partition, symbol_index: int) -> About:
        assert self._day is not None
        data, venue = self._data, VENUES[key.venue]
        begin_ns, is_all = self._day * DAY_NS, key.symbol == ALL
        gaps = tuple(
            StoredGap(gap.start_ns, gap.end_ns, gap.symbol, gap.lost)
            for gap in data.gaps
            if gap.venue == venue
            and gap.symbol in {None, key.symbol}
            and begin_ns <= gap.start_ns < begin_ns + DAY_NS
        )
        return About(
            version=VERSION,
            venue=venue,
            symbol=key.symbol,
            day=key.day,
            symbol_index=symbol_index,
            continues=self._day != self._first_day,
            contract=data.contracts.get((venue, key.symbol)),
            contracts_from=data.contracts_from,
            venue_symbol="" if is_all else data.venue_name(venue, key.symbol),
            gaps=gaps,
        )

    def finish_day(self) -> None:
        """Finish the files of the day."""
        for file in self._files.values():
            file.close()
            self.files += 1
        self._files.clear()
        self._held = 0

    def abandon(self) -> None:
        """Leave only what was whole."""
        for file in self._files.values():
            file.abandon()


def write_parquet(
    data: MarketData, target: str, progress: Callable[[int], None] | None = None
) -> dict[str, int]:
    """Write a stream as a data set; whole days are added to one that is there.

    Parameters
    ----------
    data : MarketData
        What to write.
    target : str
        A folder, or an address that fsspec knows.
    progress : callable, optional
        Told the time up to which records are written, `recv_ns`.

    Returns
    -------
    dict
        ``records`` and ``files`` written.

    Raises
    ------
    ConfigError
        The target cannot be written, or holds one of these days already.
    """
    try:
        writer = _Writer(data, target)
        try:
            for block in data.blocks():
                writer.add(block)
                if progress is not None:
                    progress(int(block["recv_ns"][-1]))
            writer.finish_day()
        except BaseException:
            writer.abandon()
            raise
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror or error}") from None
    return {"records": writer.records, "files": writer.files}
