"""Tables of best bids and asks, CSV or Parquet, as market records; and quotes as CSV."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbitrage.core import market_records
from arbitrage.core.market_records import MarketFlag, MarketKind
from arbitrage.errors import ConfigError
from arbitrage.frame_files import PART
from arbitrage.instruments import VENUES, canonical_symbol
from arbitrage.research.columns import LEFT_OUT, Columns
from arbitrage.research.contracts import Contract, Contracts, ContractsChoice, Instruments
from arbitrage.research.market import BLOCK_ROWS, MarketData
from arbitrage.research.merging import Streamed, merged
from arbitrage.research.table_files import QuoteTable
from arbitrage.research.tables import arrow_batch, arrow_module

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

__all__ = ["TableData", "write_csv"]

log = logging.getLogger(__name__)

OUT = ("recv_ns", "exch_ns", "venue", "symbol", "bid_px", "bid_qty", "ask_px", "ask_qty", "number")


class TableData(MarketData):
    """Files of quotes: each of one venue, or of what its columns say."""

    has_depth = False

    def __init__(
        self,
        paths: Sequence[tuple[Path, str | None]],
        columns: Columns,
        source: Mapping[str, Any],
        instruments: Instruments,
        symbols: Sequence[str] | None,
    ) -> None:
        self._columns, self._source = columns, dict(source)
        self._only = symbols[0] if symbols is not None and len(symbols) == 1 else None
        self._choice = ContractsChoice(instruments)
        self._names: dict[tuple[str, str], str] = {}
        self._symbols: list[str] = list(symbols or ())
        self._is_limited = symbols is not None
        self._found: tuple[int, int, int] | None = None
        self._tables = [QuoteTable(path, columns, venue, self._only) for path, venue in paths]

    @property
    def source(self) -> dict[str, Any]:
        return dict(self._source)

    def _survey(self) -> tuple[int, int, int]:
        if self._found is None:
            for _ in self.blocks():
                pass
        assert self._found is not None
        return self._found

    # found when they are asked for
    @property
    def symbols(self) -> tuple[str, ...]:  # type: ignore[override]
        self._survey()
        return tuple(self._symbols)

    @property
    def contracts(self) -> Contracts:  # type: ignore[override]
        self._survey()
        return self._choice.of(self._symbols, self._names)[0]

    @property
    def contracts_from(self) -> str:  # type: ignore[override]
        self._survey()
        return self._choice.of(self._symbols, self._names)[1]

    @property
    def count(self) -> int:  # type: ignore[override]
        return self._survey()[0]

    @property
    def start_ns(self) -> int:  # type: ignore[override]
        return self._survey()[1]

    @property
    def end_ns(self) -> int:  # type: ignore[override]
        return self._survey()[2]

    def venue_name(self, venue: str, symbol: str) -> str:
        self._survey()
        return self._names.get((venue, symbol)) or super().venue_name(venue, symbol)

    def blocks(self, rows: int = BLOCK_ROWS) -> "Iterator[NDArray[np.void]]":
        count = start_ns = end_ns = 0
        runs = [self._run(place, table) for place, table in enumerate(self._tables)]
        starts_ns = None
        if len(runs) > len(VENUES):  # perhaps a file a day: opened when its time has come
            starts_ns = [table.first_ns() for table in self._tables]
        for block in merged(runs, starts_ns):
            start_ns = start_ns or int(block["recv_ns"][0])
            count, end_ns = count + len(block), int(block["recv_ns"][-1])
            for first in range(0, len(block), rows):
                yield block[first : first + rows]
        self._found = (count, start_ns, end_ns)

    # ---- one file --------------------------------------------------------------------------------

    def _run(self, place: int, table: QuoteTable) -> Iterator[Streamed]:
        import numpy as np

        for done, batch in table.batches():
            records = np.zeros(batch.num_rows, market_records.MARKET_DTYPE)
            for name in table.columns.named:
                if name not in {"venue", "symbol"}:
                    records[name] = table.numbers_of(batch, name, done)
            for name, value in table.columns.numbers.items():
                records[name] = value
            records["kind"], records["flags"] = MarketKind.QUOTE, MarketFlag.LAST
            kept = self._place(table, batch, done, records)
            table.check(records, done)
            for side in ("bid", "ask"):
                records[f"{side}_qty"][np.isnan(records[f"{side}_px"])] = np.nan
            # of one time Bybit comes first, and then as the files have them
            first = (place << 40) + done
            places = (records["venue"].astype(np.int64) << 60) + np.arange(
                first, first + len(records)
            )
            yield records[kept], places[kept]

    def _place(
        self,
        table: QuoteTable,
        batch: "pyarrow.RecordBatch",
        done: int,
        records: "NDArray[np.void]",
    ) -> "NDArray[np.bool_]":
        """Fill in venues and symbols, bring units to the venues'; return which rows are wanted."""
        import numpy as np

        venues = table.words(batch, "venue", table.columns.venue)
        symbols = table.words(batch, "symbol", table.columns.symbol)
        keys = np.char.add(np.char.add(venues, "|"), symbols)
        found, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        kept = np.ones(len(records), bool)
        for at in np.argsort(first):
            rows = inverse == at
            word, _, name = str(found[at]).partition("|")
            venue = self._columns.venues.get(word, word)
            if venue not in {*VENUES, LEFT_OUT}:
                raise ConfigError(
                    f"{table.path}, row {done + int(first[at])}, is of the venue {venue!r}; "
                    f"accepted are {', '.join(VENUES)}; venues in columns may say which of them "
                    f"that is, or {LEFT_OUT}"
                )
            symbol = None if venue == LEFT_OUT else self._symbol(venue, name)
            if symbol is None:
                kept &= ~rows
                continue
            records["venue"][rows] = VENUES.index(venue)
            records["symbol"][rows] = self._symbols.index(symbol)
            self._convert_units(venue, symbol, records, rows)
        return kept

    def _symbol(self, venue: str, name: str) -> str | None:
        """Return the canonical symbol of a row's; None: it is not wanted."""
        symbol = self._columns.symbols.get(name)
        if symbol == LEFT_OUT:
            return None
        if symbol is not None:
            name = symbol  # what it was called is no word of the venue's
        else:
            try:
                symbol = canonical_symbol(venue, name)
            except ConfigError:
                symbol = name
        if symbol not in self._symbols:
            if self._is_limited:
                return None
            self._symbols.append(symbol)
        if name != symbol:
            self._names[venue, symbol] = name
        return symbol

    def _convert_units(
        self, venue: str, symbol: str, records: "NDArray[np.void]", rows: "NDArray[np.bool_]"
    ) -> None:
        if self._columns.px_unit == self._columns.qty_unit == "venue":
            return
        contract: Contract | None = self._choice.of([symbol], {})[0].get((venue, symbol))
        if contract is None:
            raise ConfigError(
                f"nothing says what {symbol} is at {venue}, so coins cannot be made its units; "
                "give a file of `arb instruments --json FILE` as instruments"
            )
        for side in ("bid", "ask"):
            if self._columns.px_unit == "coin":
                records[f"{side}_px"][rows] /= contract.px_mult
            if self._columns.qty_unit == "coin":
                records[f"{side}_qty"][rows] /= contract.qty_mult


# ---- quotes as CSV -------------------------------------------------------------------------------


def write_csv(
    data: MarketData, path: Path, progress: Callable[[int], None] | None = None
) -> dict[str, int]:
    """Write the quotes of a stream as a CSV that `open_data(path, columns={})` reads again.

    Returns
    -------
    dict
        ``records`` written, and how many were ``left_out``: levels, funding and gaps.
    """
    import numpy as np
    from pyarrow import csv

    pa = arrow_module()
    if path.exists():
        raise ConfigError(f"{path} is there already, and it is not overwritten")
    part = path.with_name(path.name + PART)
    written = seen = 0
    schema = None
    try:
        with part.open("xb") as raw:
            nothing = np.zeros(0, market_records.MARKET_DTYPE)
            for block in chain(data.blocks(), [nothing]):
                seen += len(block)
                quotes = block[block["kind"] == MarketKind.QUOTE]
                batch = arrow_batch(quotes, data.symbols)
                columns = {name: batch.column(name) for name in OUT}
                for name in ("recv_ns", "exch_ns"):
                    columns[name] = columns[name].cast("int64")
                for name in ("venue", "symbol"):
                    columns[name] = columns[name].cast("string")
                for name in ("bid_px", "bid_qty", "ask_px", "ask_qty"):
                    columns[name] = pa.array(columns[name].to_numpy(), from_pandas=True)
                table = pa.table(columns)
                options = csv.WriteOptions(include_header=schema is None, quoting_style="none")
                schema = schema or table.schema
                csv.write_csv(table, raw, options)
                written += len(quotes)
                if progress is not None and len(block):
                    progress(int(block["recv_ns"][-1]))
        part.rename(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from None
    if seen > written:
        log.warning(
            "%s holds the quotes alone: %d levels, funding rates and gaps were left out; Parquet "
            "holds them", path, seen - written,
        )  # fmt: skip
    return {"records": written, "left_out": seen - written}
