"""One run of a sweep: the one place that calls the backtest, and the figures kept of it."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from arbitrage.instruments import VENUES
from arbitrage.research.sweeps.axes import PARAMETER, Value
from arbitrage.research.sweeps.tasks import Task

if TYPE_CHECKING:
    from arbitrage.research.market import MarketData
    from arbitrage.research.results import Backtest

__all__ = ["ADDITIVE", "FIGURES", "backtest_figures", "run_backtest"]

# What is kept of a run, by the names of `Backtest.summary`. Amounts stand as they changed the
# equity: costs are negative.
ADDITIVE = (
    "net_usd",  # gross + slippage + fees + funding
    "gross_usd",
    "slippage_usd",
    "fees_usd",
    "funding_usd",
    "volume_usd",  # of all fills
    "pairs",
    "pairs_won",  # with net_usd above 0
    "orders",
    "orders_missed",  # that found nothing to take
    "orders_rejected",
    "fills",
    "considered",  # opportunities that came while their symbol was free
    "records",  # of the data
    "halts",  # how often something stopped it until midnight: the day's loss, or the breaker
    "waited",  # exits that waited for a market where the data is silent
)
FIGURES = (
    *ADDITIVE,
    "net_bps_of_volume",
    "sharpe_hourly",  # of a year, from 24 hours of data on
    "worst_pair_usd",
    "max_drawdown_usd",  # deepest fall of the equity below its peak, negative
    "exposure_usd_max",
    "naked_ms_max",  # longest time that one leg stood alone
    "hold_s_mean",  # from both legs filled to the end
)
EQUITY_ROWS = 20_000  # of a run at the most, beside those of its trades
EQUITY_STEP_S = 1.0


def backtest_figures(task: Task) -> dict[str, float]:
    """Open the data by its path, run the backtest and return its figures."""
    from arbitrage.research.sweeps.kept_data import slice_data

    return _figures(run_backtest(slice_data(task), task.settings, keep_opportunities=False))


def run_backtest(
    data: "MarketData", settings: Mapping[str, Value], *, keep_opportunities: bool = True
) -> "Backtest":
    """Run the backtest that the settings of a run say.

    Parameters
    ----------
    data : MarketData
        The run's slice.
    settings : mapping
        All of them, by the names of a grid.
    keep_opportunities : bool
        As `arbitrage.backtest`.
    """
    from arbitrage.research.backtest import backtest
    from arbitrage.research.sweeps.strategies import strategies_of

    config: dict[str, Any] = {}
    delays: dict[str, float] = {}
    for name, value in settings.items():
        if name.startswith("latency."):
            delays[name.removeprefix("latency.")] = float(value)
        elif name not in ("strategy", "seed") and not name.startswith(PARAMETER):
            config[name] = value
    return backtest(
        data,
        strategies_of(settings),
        config,
        latency=_latency(delays),
        seed=int(settings.get("seed", 0)),
        sample_s=max(EQUITY_STEP_S, (data.end_ns - data.start_ns) / 1e9 / EQUITY_ROWS),
        keep_opportunities=keep_opportunities,
    )


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
    told = found.summary()
    return {name: math.nan if told[name] is None else float(told[name]) for name in FIGURES}
