from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COLUMNS: dict[str, str]
ROW_EMPTY: int
ROW_SYNCING: int
ROW_LIVE: int
ROW_SUSPECT: int
ROW_STALE: int
ROW_GAP: int

class Row(NamedTuple):
    bid_px: float
    ask_px: float
    bid_qty: float
    ask_qty: float
    recv_mono_ns: int
    exch_wall_ns: int
    seq: int
    state: int
    update_count: int
    funding_rate: float
    funding_interval_h: float
    funding_next_ns: int

class Depth(NamedTuple):
    bids: NDArray[np.float64]
    asks: NDArray[np.float64]
    seq: int
    exch_wall_ns: int
    recv_mono_ns: int

class MarketStore:
    """Keep the best bid and ask of every (venue, symbol), struct of arrays."""

    read_only: bool
    def __init__(self, venue_count: int = 2, symbol_capacity: int = 64) -> None: ...
    @property
    def venue_count(self) -> int: ...
    @property
    def symbol_capacity(self) -> int: ...
    @property
    def row_count(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def row(self, venue: int | str, symbol_index: int) -> int: ...
    def read_row(self, venue: int | str, symbol_index: int) -> Row: ...
    def depth(self, venue: int | str, symbol_index: int) -> Depth: ...
    def apply_depth(
        self,
        venue: int | str,
        symbol_index: int,
        bids: Sequence[tuple[float, float]] | NDArray[np.float64],
        asks: Sequence[tuple[float, float]] | NDArray[np.float64],
        *,
        seq: int = 0,
        exch_wall_ns: int = 0,
        recv_mono_ns: int = 0,
    ) -> None: ...
    def column(self, name: str) -> NDArray[np.generic]: ...
    def by_row(self, name: str) -> memoryview[int] | memoryview[float]: ...
    def __getattr__(self, name: str) -> NDArray[np.generic]: ...
    def apply_quote(
        self,
        venue: int | str,
        symbol_index: int,
        bid_px: float,
        ask_px: float,
        bid_qty: float = ...,
        ask_qty: float = ...,
        *,
        recv_mono_ns: int = 0,
        exch_wall_ns: int = 0,
        seq: int = 0,
    ) -> None: ...
    def apply_state(self, venue: int | str, symbol_index: int, state: int) -> None: ...
    def apply_funding(
        self,
        venue: int | str,
        symbol_index: int,
        rate: float,
        interval_h: float,
        next_wall_ns: int,
    ) -> None: ...
    def set_instrument(
        self,
        row: int,
        px_mult: float = 1.0,
        qty_mult: float = 1.0,
        px_tick: float = 0.0,
        qty_lot: float = 0.0,
        min_lots: int = 0,
        max_lots: int = 0,
        min_notional: float = 0.0,
        taker_bps: float = 0.0,
    ) -> None: ...
