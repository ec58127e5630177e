"""The slice of market data that a worker read last, kept for its next run where there is room.

Reading a slice takes longer than a backtest over it. Runs over the same slice follow each other on
a worker, so the last slice is enough; one that is larger than the bound is read in blocks each
time, as it would be alone.
"""

import threading
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from arbitrage.research.market import BLOCK_ROWS, MarketData, open_data

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from arbitrage.research.sweeps.tasks import Task

__all__ = ["KeptData", "forget_slice", "slice_data"]


class KeptData(MarketData):
    """A stream whose blocks stay in memory once all of them were read.

    Parameters
    ----------
    whole : MarketData
        What is read.
    bytes_max : int
        Of records, 64 bytes each; a larger stream is read again with each call.
    """

    def __init__(self, whole: MarketData, bytes_max: int) -> None:
        self._whole, self._bytes_max = whole, bytes_max
        self._kept: tuple[NDArray[np.void], ...] | None = None
        self.symbols = whole.symbols
        self.contracts = whole.contracts
        self.contracts_from = whole.contracts_from
        self.gaps = whole.gaps

    @property
    def source(self) -> dict[str, Any]:
        return self._whole.source

    @property
    def is_kept(self) -> bool:
        """Whether the next reader gets the records from memory."""
        return self._kept is not None

    @cached_property
    def has_depth(self) -> bool:  # type: ignore[override]
        return self._whole.has_depth

    @cached_property
    def start_ns(self) -> int:  # type: ignore[override]
        return self._whole.start_ns

    @cached_property
    def end_ns(self) -> int:  # type: ignore[override]
        return self._whole.end_ns

    def blocks(self, rows: int = BLOCK_ROWS) -> "Iterator[NDArray[np.void]]":
        if self._kept is not None:
            for block in self._kept:
                for first in range(0, len(block), rows):
                    yield block[first : first + rows]
            return
        kept: list[NDArray[np.void]] = []
        room = self._bytes_max
        for block in self._whole.blocks(rows):
            room -= block.nbytes
            if room >= 0:
                kept.append(block)
            else:
                kept.clear()
            yield block
        if room >= 0:
            self._kept = tuple(kept)


_lock = threading.Lock()
_last: tuple[tuple[str, int], KeptData] | None = None


def slice_data(task: "Task") -> MarketData:
    """Open what a run looks at; that of the run before is the same where the slice is.

    Threads: any; threads of one process share the slice.
    """
    global _last
    wanted = task.slice_key, task.keep_bytes
    with _lock:
        if _last is not None and _last[0] == wanted:
            return _last[1]
        _last = None  # let go of first: two would be twice the bound
    opened = KeptData(open_data(**task.source), task.keep_bytes)
    with _lock:
        _last = wanted, opened
    return opened


def forget_slice() -> None:
    """Let go of the slice that this process keeps."""
    global _last
    with _lock:
        _last = None
