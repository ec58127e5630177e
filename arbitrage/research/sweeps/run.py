"""One run of a sweep: the one place that calls the backtest, and the figures kept of it."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from arbitrage.instruments import VENUES
from arbitrage.research.sweeps.axes import Value
from arbitrage.research.sweeps.tasks import Task

if TYPE_CHECKING:
    from arbitrage.research.results import Backtest

__all__ = ["ADDITIVE", "FIGURES", "backtest_figures"]

# What is kept of a run. Amounts stand as they changed the equity: costs are negative.
ADDITIVE = (
    "net_usd",  # gross + slippage + fees + funding
    "gross_usd",
    "slippage_usd",
    "fees_usd",
    "funding_usd",
    "traded_usd",  # notional of all fills
    "pairs",
    "wins",  # pairs with net_usd above 0
    "orders",
    "misses",  # orders that found nothing to take
    "rejects",
    "fills",
    "considered",  # opportunities that came while their symbol was free
    "records",  # of the data
)
FIGURES = (
    *ADDITIVE,
    "worst_pair_usd",
    "drawdown_usd",  # deepest fall of the equity below its peak, negative
    "exposure_max_usd",
    "naked_ms_max",  # longest time that one leg stood alone
    "hold_s",  # mean time from both legs filled to the end
)
EQUITY_ROWS = 20_000  # of a run at the most, beside those of its trades
EQUITY_STEP_S = 1.0


def backtest_figures(task: Task) -> dict[str, float]:
    """Open the data by its path, run the backtest and return its figures."""
    from arbitrage.research.backtest import backtest
    from arbitrage.research.market import open_data

    data = open_data(**task.source)
    config, strategy, seed, latency = _arguments(task.settings)
    step_s = max(EQUITY_STEP_S, (data.end_ns - data.start_ns) / 1e9 / EQUITY_ROWS)
    found = backtest(
        data,
        strategy,
        config,
        latency=latency,
        seed=seed,
        sample_s=step_s,
        keep_opportunities=False,
    )
    return _figures(found)


def _arguments(settings: Mapping[str, Value]) -> tuple[dict[str, Any], str, int, Any]:
    config: dict[str, Any] = {}
    delays: dict[str, float] = {}
    for name, value in settings.items():
        if name.startswith("latency."):
            delays[name.removeprefix("latency.")] = float(value)
        elif name not in ("strategy", "seed"):
            config[name] = value
    strategy = str(settings.get("strategy", "spread"))
    return config, strategy, int(settings.get("seed", 0)), _latency(delays)


def _latency(delays: Mapping[str, float]) -> Any:
    """Return what a backtest takes; None where nothing was said: its own defaults.

    What is said of one venue alone leaves the other's as it is.
    """
    from arbitrage.research.latency import DEFAULT_NS, Latency

    defaults = {"feed": 0, "order": DEFAULT_NS, "reply": DEFAULT_NS}
    given: dict[str, dict[str, int]] = {}
    for way, default_ns in defaults.items():
        both_us = delays.get(f"{way}_us", default_ns / 1e3)
        by_venue = {venue: delays.get(f"{venue}.{way}_us", both_us) for venue in VENUES}
        given[way] = {venue: round(us * 1e3) for venue, us in by_venue.items()}
    if not delays:
        return None
    has_feed = any(name.endswith("feed_us") for name in delays)
    return Latency(
        feed=given["feed"],
        order=given["order"],
        reply=given["reply"],
        feed_by_model=has_feed,
    )


def _figures(found: "Backtest") -> dict[str, float]:
    import numpy as np

    from arbitrage.research.measures import AMOUNTS
    from arbitrage.research.result_types import OrderOutcome

    pairs, orders = found.pairs, found.orders
    outcomes = Counter(orders["outcome"].tolist())
    exposure, below = found.equity["exposure_usd"], found.drawdown
    held = found.hold_s
    return {
        **{name: float(pairs[name].sum()) for name in AMOUNTS},
        "traded_usd": found.volume_usd,
        "pairs": float(len(pairs)),
        "wins": float((pairs["net_usd"] > 0).sum()),
        "orders": float(len(orders)),
        "misses": float(outcomes[OrderOutcome.MISSED]),
        "rejects": float(outcomes[OrderOutcome.REJECTED]),
        "fills": float(len(found.fills)),
        "considered": float(found.counts["strategy_considered"]),
        "records": float(found.counts["records"]),
        "worst_pair_usd": float(pairs["net_usd"].min()) if len(pairs) else math.nan,
        "drawdown_usd": float(below.min()) if len(below) else 0.0,
        "exposure_max_usd": float(exposure.max()) if len(exposure) else 0.0,
        "naked_ms_max": float(np.max(pairs["naked_ns"], initial=0) / 1e6),
        "hold_s": float(held.mean()) if len(held) else math.nan,
    }
