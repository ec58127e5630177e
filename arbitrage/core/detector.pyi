import numpy as np
from numpy.typing import NDArray

from arbitrage.core.store import MarketStore

class OpportunityDetector:
    """Find, follow and close opportunities between the venues of a market store."""

    store: MarketStore
    def __init__(
        self,
        store: MarketStore,
        *,
        min_net_bps: float = 0.0,
        min_gross_bps: float | None = 10.0,
        min_confidence: float = 0.0,
        slippage_bps: float = 0.0,
        depth_factor: float = 2.0,
        position_notional: float = 0.0,
        max_age_ns: int = 0,
        fee_mode: str = "round_trip",
        funding_horizon_s: float = 3600.0,
        stale_ns: tuple[int, ...] = (4_500_000_000, 90_000_000_000),
        suspect_ns: tuple[int, ...] = (0, 500_000_000),
        suspect_bps: float = 1.0,
        sweep_period_ns: int = 50_000_000,
        wall_minus_mono_ns: int | None = None,
    ) -> None: ...
    def on_quote(
        self,
        venue: int | str,
        symbol_index: int,
        bid_px: float,
        ask_px: float,
        bid_qty: float = ...,
        ask_qty: float = ...,
        *,
        recv_mono_ns: int | None = None,
        exch_wall_ns: int | None = None,
        seq: int = 0,
    ) -> int: ...
    def on_state(
        self, venue: int | str, symbol_index: int, state: int, *, recv_mono_ns: int | None = None
    ) -> int: ...
    def on_funding(
        self,
        venue: int | str,
        symbol_index: int,
        rate: float,
        interval_h: float,
        next_wall_ns: int,
        *,
        recv_mono_ns: int | None = None,
    ) -> int: ...
    def sweep(self, now_mono_ns: int | None = None) -> int: ...
    def close_all(self, now_mono_ns: int | None = None) -> int: ...
    def poll(self) -> NDArray[np.void]: ...
    def refresh(self) -> None: ...
    @property
    def counters(self) -> dict[str, int]: ...
