"""Market records as tables of other libraries: Arrow, and Polars and pandas over its memory."""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from arbitrage.core.market_records import ALL_SYMBOLS, MarketKind
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.research.market import MarketData

if TYPE_CHECKING:
    import numpy as np
    import pandas
    import polars
    import pyarrow
    from numpy.typing import NDArray

__all__ = ["arrow_batch", "arrow_module", "to_arrow", "to_pandas", "to_polars"]

NUMBERS = ("bid_px", "bid_qty", "ask_px", "ask_qty", "number", "flags")
KINDS = ("", *(kind.name for kind in MarketKind))


def arrow_module() -> ModuleType:
    """Return pyarrow; ConfigError says how to get it."""
    try:
        return import_module("pyarrow")
    except ImportError:
        raise ConfigError(
            "Arrow and Parquet need a library that is not installed: pip install pyarrow"
        ) from None


def arrow_batch(records: "NDArray[np.void]", symbols: tuple[str, ...]) -> "pyarrow.RecordBatch":
    """Return records as columns; symbols, venues and kinds as dictionaries of names."""
    import numpy as np

    pa = arrow_module()
    # -1 becomes null: a gap of all symbols
    places = np.where(records["symbol"] == ALL_SYMBOLS, -1, records["symbol"].astype(np.int32))
    columns = {
        "recv_ns": pa.array(records["recv_ns"]).cast(pa.timestamp("ns", "UTC")),
        "exch_ns": pa.array(records["exch_ns"]).cast(pa.timestamp("ns", "UTC")),
        "venue": _named(records["venue"].astype(np.int32), VENUES),
        "symbol": _named(places, symbols),
        "kind": _named(records["kind"].astype(np.int32), KINDS),
    }
    columns |= {name: pa.array(np.ascontiguousarray(records[name])) for name in NUMBERS}
    return pa.RecordBatch.from_pydict(columns)


def _named(places: "NDArray[np.int32]", names: tuple[str, ...]) -> "pyarrow.DictionaryArray":
    pa = arrow_module()
    indices = pa.array(places, mask=places < 0) if len(places) else pa.array([], pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string()))


def to_arrow(data: MarketData) -> "pyarrow.Table":
    """See `MarketData.to_arrow`: records are turned into columns once, block by block."""
    import numpy as np

    from arbitrage.core import market_records

    pa = arrow_module()
    batches = [arrow_batch(block, data.symbols) for block in data.blocks()]
    nothing = arrow_batch(np.zeros(0, market_records.MARKET_DTYPE), data.symbols)
    return pa.Table.from_batches(batches, schema=nothing.schema)


def to_polars(data: MarketData) -> "polars.DataFrame":
    """See `MarketData.to_polars`."""
    try:
        import polars
    except ImportError:
        raise ConfigError("Polars is not installed: pip install polars") from None
    return polars.from_arrow(to_arrow(data))


def to_pandas(data: MarketData) -> "pandas.DataFrame":
    """See `MarketData.to_pandas`."""
    try:
        import pandas
    except ImportError:
        raise ConfigError("pandas is not installed: pip install pandas") from None
    return to_arrow(data).to_pandas(types_mapper=pandas.ArrowDtype)
