"""Market records that lie in memory."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from arbitrage.core.market_records import MarketKind
from arbitrage.errors import ConfigError
from arbitrage.research.contracts import Contracts
from arbitrage.research.market import BLOCK_ROWS, Gap, MarketData, check_records

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ArrayData"]


class ArrayData(MarketData):
    """See `MarketData.from_records`."""

    def __init__(
        self,
        records: "NDArray[np.void]",
        symbols: Sequence[str],
        contracts: Contracts,
        gaps: Sequence[Gap] = (),
    ) -> None:
        if len(set(symbols)) != len(symbols):
            raise ConfigError(f"symbols were {', '.join(symbols)}; one of them is there twice")
        check_records(records, symbols)
        self._records = _ties_sorted(records)
        self.symbols = tuple(symbols)
        self.contracts = dict(contracts)
        self.gaps = tuple(gaps)
        self.count = len(records)
        self.has_depth = bool((records["kind"] == MarketKind.LEVEL).any())
        self.start_ns = int(records["recv_ns"][0]) if self.count else 0
        self.end_ns = int(records["recv_ns"][-1]) if self.count else 0

    def blocks(self, rows: int = BLOCK_ROWS) -> "Iterator[NDArray[np.void]]":
        for first in range(0, len(self._records), rows):
            yield self._records[first : first + rows]

    def records(self) -> "NDArray[np.void]":
        return self._records[:]


def _ties_sorted(records: "NDArray[np.void]") -> "NDArray[np.void]":
    """Return a read-only view; a copy where a tie is not Bybit before OKX."""
    import numpy as np

    tie = np.diff(records["recv_ns"]) == 0
    if (tie & (np.diff(records["venue"].astype(np.int8)) < 0)).any():
        records = records[np.lexsort((records["venue"], records["recv_ns"]))]
    view = records[:]
    view.flags.writeable = False
    return view
