"""Cross-exchange arbitrage of perpetual swaps on Bybit and OKX.

What a researcher or a trader uses by hand; everything is imported on first use, so that
``import arbitrage`` costs little and pulls in no venue, event loop or plotting code.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arbitrage.core.detector import OpportunityDetector
    from arbitrage.core.frames import Quote, parse_frame
    from arbitrage.core.histogram import Histogram, LatencyTracker
    from arbitrage.core.lane import MarketPipeline
    from arbitrage.core.ring import (
        BroadcastRing,
        MpscRing,
        OpportunityQueue,
        SpscRing,
    )
    from arbitrage.core.segment import VENUES, Segment
    from arbitrage.core.spread import spread_bps
    from arbitrage.core.store import MarketStore
    from arbitrage.core.symbols import SymbolMap
    from arbitrage.research.backtest import backtest
    from arbitrage.research.market import MarketData, open_data
    from arbitrage.research.recording import Recording
    from arbitrage.research.replay import Replay, replay
    from arbitrage.research.results import Backtest
    from arbitrage.research.sweep import sweep
    from arbitrage.runtime.live import attach
    from arbitrage.runtime.parity import parity
    from arbitrage.trading.strategy import Strategy

__version__ = "0.1.0"

_HOMES = {
    "Backtest": "arbitrage.research.results",
    "BroadcastRing": "arbitrage.core.ring",
    "Histogram": "arbitrage.core.histogram",
    "LatencyTracker": "arbitrage.core.histogram",
    "MarketData": "arbitrage.research.market",
    "MarketPipeline": "arbitrage.core.lane",
    "MarketStore": "arbitrage.core.store",
    "MpscRing": "arbitrage.core.ring",
    "OpportunityDetector": "arbitrage.core.detector",
    "OpportunityQueue": "arbitrage.core.ring",
    "Quote": "arbitrage.core.frames",
    "Recording": "arbitrage.research.recording",
    "Replay": "arbitrage.research.replay",
    "Segment": "arbitrage.core.segment",
    "SpscRing": "arbitrage.core.ring",
    "Strategy": "arbitrage.trading.strategy",
    "SymbolMap": "arbitrage.core.symbols",
    "VENUES": "arbitrage.core.segment",
    "attach": "arbitrage.runtime.live",
    "backtest": "arbitrage.research.backtest",
    "open_data": "arbitrage.research.market",
    "parity": "arbitrage.runtime.parity",
    "parse_frame": "arbitrage.core.frames",
    "replay": "arbitrage.research.replay",
    "spread_bps": "arbitrage.core.spread",
    "sweep": "arbitrage.research.sweep",
}

__all__ = [
    "VENUES",
    "Backtest",
    "BroadcastRing",
    "Histogram",
    "LatencyTracker",
    "MarketData",
    "MarketPipeline",
    "MarketStore",
    "MpscRing",
    "OpportunityDetector",
    "OpportunityQueue",
    "Quote",
    "Recording",
    "Replay",
    "Segment",
    "SpscRing",
    "Strategy",
    "SymbolMap",
    "attach",
    "backtest",
    "open_data",
    "parity",
    "parse_frame",
    "replay",
    "spread_bps",
    "sweep",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'arbitrage' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
