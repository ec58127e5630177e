"""Markets made by hand for backtests: two venues, one symbol, and the settings that trade them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbitrage.core.market_records import MARKET_DTYPE, MarketFlag, MarketKind
from arbitrage.research.backtest import backtest
from arbitrage.research.contracts import Contract
from arbitrage.research.latency import Latency
from arbitrage.research.market import MarketData
from arbitrage.research.results import Backtest

MS = 1_000_000
S = 1_000_000_000
START = 1_772_000_000 * S
BYBIT, OKX = 0, 1
NAN = float("nan")
LAST, SNAPSHOT = int(MarketFlag.LAST), int(MarketFlag.SNAPSHOT)
# lots of 0.02 and 0.03 coins, so that the common step is not a lot of either
CONTRACTS = {
    ("bybit", "TESTUSDT"): Contract(
        venue="bybit", symbol="TESTUSDT", venue_symbol="TESTUSDT", px_tick=0.1, qty_lot=0.02,
        min_qty=0.02, max_qty=1000.0, taker_bps=5.5,
    ),
    ("okx", "TESTUSDT"): Contract(
        venue="okx", symbol="TESTUSDT", venue_symbol="TEST-USDT-SWAP", px_tick=0.1, qty_lot=0.3,
        qty_mult=0.1, min_qty=0.3, max_qty=9000.0, taker_bps=5.0,
    ),
}  # fmt: skip
CONFIG = {
    "max_order_usd": 60.0, "max_position_usd": 200.0, "max_orders_per_s": 10_000,
    "max_orders_burst": 10_000, "min_gross_bps": 0.0, "depth_factor": 1.0, "cooldown_ms": 0,
    "max_day_loss_usd": 0, "max_one_sided_symbol_usd": 0, "max_one_sided_usd": 0,
    "breaker_failures": 1000, "max_basis_bps": 0, "entry_band_bps": 0, "exit_band_bps": 0,
    "suspect_ms": 0, "stop_bps": 1000.0,
}  # fmt: skip


def quote(
    at_ns: int, venue: int, bid: float, ask: float, bid_qty: float = 10.0, ask_qty: float = 10.0,
    *, made_ns: int | None = None, number: int = 0,
) -> tuple[Any, ...]:  # fmt: skip
    """Return a QUOTE received so long after START; `made_ns` likewise, by default the same."""
    made = at_ns if made_ns is None else made_ns
    return (
        START + at_ns, START + made, bid, bid_qty, ask, ask_qty, number, 0, venue,
        int(MarketKind.QUOTE), LAST,
    )  # fmt: skip


def level(
    at_ns: int, venue: int, bid: tuple[float, float] | None, ask: tuple[float, float] | None,
    *, flags: int = LAST, made_ns: int | None = None, number: int = 0,
) -> tuple[Any, ...]:  # fmt: skip
    """Return a LEVEL record: price and quantity of one level of each side, or None."""
    made = at_ns if made_ns is None else made_ns
    return (
        START + at_ns, START + made, *(bid or (NAN, NAN)), *(ask or (NAN, NAN)), number, 0, venue,
        int(MarketKind.LEVEL), flags,
    )  # fmt: skip


def book(
    at_ns: int, venue: int, bids: list[tuple[float, float]], asks: list[tuple[float, float]],
    *, made_ns: int | None = None, number: int = 0,
) -> list[tuple[Any, ...]]:  # fmt: skip
    """Return a whole book as the records of one frame."""
    rows = max(len(bids), len(asks))
    return [
        level(
            at_ns, venue, bids[row] if row < len(bids) else None,
            asks[row] if row < len(asks) else None,
            flags=(SNAPSHOT if row == 0 else 0) | (LAST if row == rows - 1 else 0),
            made_ns=made_ns, number=number,
        )
        for row in range(rows)
    ]  # fmt: skip


def funding(at_ns: int, venue: int, rate: float, next_ns: int, hours: float) -> tuple[Any, ...]:
    """Return a FUNDING record; `next_ns` after START."""
    return (
        START + at_ns, START + at_ns, rate, hours, NAN, NAN, START + next_ns, 0, venue,
        int(MarketKind.FUNDING), LAST,
    )  # fmt: skip


def gap(at_ns: int, venue: int, symbol: int = 0) -> tuple[Any, ...]:
    """Return a GAP of the row."""
    return (START + at_ns, 0, NAN, NAN, NAN, NAN, 0, symbol, venue, int(MarketKind.GAP), LAST)


def records(rows: list[tuple[Any, ...]]) -> "NDArray[np.void]":
    """Return rows as records, in order of receipt."""
    found = np.array(rows, MARKET_DTYPE)
    return found[np.lexsort((found["venue"], found["recv_ns"]))]


def market(rows: list[tuple[Any, ...]]) -> MarketData:
    """Return rows as market data."""
    return MarketData.from_records(records(rows), ["TESTUSDT"], CONTRACTS)


def run(rows: list[tuple[Any, ...]], strategy: Any = "spread", **words: Any) -> Backtest:
    """Backtest rows; settings go into `config`, and 1 ms each way where nothing is said."""
    given = {
        name: words.pop(name)
        for name in ("latency", "venues", "seed", "sample_s", "close_at_end", "keep_opportunities")
        if name in words
    }
    given = {"latency": Latency.constant(order_us=1000, reply_us=1000), "sample_s": 0.0} | given
    return backtest(market(rows), strategy, CONFIG | words, **given)
