"""What settings say to detector and strategy: the one place where their words are matched.

The trader, the replay of frames and the backtest all trade by these.
"""

from typing import Any

from arbitrage.core.risk import LIMITS
from arbitrage.settings import Settings

__all__ = ["detector_words", "strategy_words"]

ENTRY_SLIP_SHARE = 0.5  # entries may slip half as far as exits: a missed entry costs nothing


def detector_words(settings: Settings) -> dict[str, Any]:
    """Return the keyword arguments of an OpportunityDetector, but for its clock."""
    wanted = settings.strategy
    return {
        "min_net_bps": wanted.min_net_bps,
        "min_gross_bps": wanted.min_gross_bps,
        "min_confidence": wanted.min_confidence,
        "depth_factor": wanted.depth_factor,
        "position_notional": settings.risk.max_order_usd,
        "max_age_ns": wanted.max_age_ms * 1_000_000,
        "suspect_ns": (0, wanted.suspect_ms * 1_000_000),  # Bybit repeats itself: see STALE
        "suspect_bps": wanted.suspect_bps,
        "fee_mode": wanted.fee_mode,
        "funding_horizon_s": wanted.max_hold_s,
    }


def strategy_words(settings: Settings) -> dict[str, float]:
    """Return the settings and limits of a SpreadStrategy."""
    wanted, risk = settings.strategy, settings.risk
    words: dict[str, float] = {
        "min_net_bps": wanted.min_net_bps,
        "min_gross_bps": wanted.min_gross_bps,
        "min_excess_bps": wanted.min_excess_bps,
        "basis_time_s": wanted.basis_time_s,
        "take_profit_bps": wanted.take_profit_bps,
        "stop_bps": wanted.stop_bps,
        "position_usd": risk.max_order_usd,
        "depth_factor": wanted.depth_factor,
        "entry_slip_bps": wanted.slip_bps * ENTRY_SLIP_SHARE,
        "exit_slip_bps": wanted.slip_bps,
        "max_hold_s": wanted.max_hold_s,
        "cooldown_ms": wanted.cooldown_ms,
        "spread": "spread" in settings.strategies,
        "funding": "funding" in settings.strategies,
        "funding_window_s": wanted.funding_window_s,
        "funding_lead_s": wanted.funding_lead_s,
        "funding_hold_s": wanted.funding_hold_s,
        "funding_min_bps": wanted.funding_min_bps,
        "funding_min_delta": wanted.funding_min_delta,
        "funding_stop_bps": wanted.funding_stop_bps,
        "max_naked_ms": risk.max_naked_ms,
        "complete_tries": wanted.complete_tries,
        "exit_tries": wanted.exit_tries,
        "breaker_failures": wanted.breaker_failures,
    }
    return words | {name: getattr(risk, name) for name in LIMITS}
