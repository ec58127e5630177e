"""The figures of a backtest under one name each: summaries, sweeps and files say the same."""

from typing import TYPE_CHECKING, Any

import numpy as np

from arbitrage.research import measures, result_words
from arbitrage.research.figures import utc
from arbitrage.research.result_types import HaltReason, OrderOutcome

if TYPE_CHECKING:
    from arbitrage.research.results import Backtest

__all__ = ["summary_of"]

NS_PER_S = 1_000_000_000
SHARPE_DAYS = 10  # fewer say nothing
SHARPE_HOURS = 24


def summary_of(found: "Backtest") -> dict[str, Any]:
    """Return what `Backtest.summary` does."""
    outcomes = np.bincount(found.orders["outcome"], minlength=len(OrderOutcome))
    money, volume = _money(found), found.volume_usd
    return {
        "strategy": found.strategy,
        "symbols": list(found.symbols),
        "start": utc(found.start_ns),
        "end": utc(found.end_ns),
        "span_s": (found.end_ns - found.start_ns) / NS_PER_S,
        "seed": found.seed,
        "records": found.counts.get("records"),
        "wall_s": found.wall_s,
        **_opportunities(found),
        "orders": len(found.orders),
        **{f"orders_{each.name.lower()}": int(outcomes[each]) for each in OrderOutcome},
        "fills": len(found.fills),
        "volume_usd": volume,
        **_pairs(found),
        **money,
        "net_bps_of_volume": money["net_usd"] / volume * 1e4 if volume else None,
        **_how(found),
    }


def _how(found: "Backtest") -> dict[str, Any]:
    """What stopped it, and how it was run; lists of words are one level, too."""
    halts = found.halts
    until_ns = np.where(halts["until_ns"] == 0, found.end_ns, halts["until_ns"])
    is_all = halts["reason"] == HaltReason.DAY_LOSS
    return {
        "halts": len(halts),
        "halted_s": float((until_ns - halts["ns"])[is_all].clip(0).sum()) / NS_PER_S,
        "halted": result_words.halts_words(found),
        "waited": found.counts.get("waited"),
        "settings_changed": result_words.changed_words(found),
        "fees": result_words.fees_words(found),
        "latency": result_words.latency_words(found),
        "contracts_from": found.contracts_from,
    }


def _opportunities(found: "Backtest") -> dict[str, Any]:
    lives = found.lives
    life = measures.percentiles((lives["close_ns"] - lives["open_ns"]) / 1e6, 0.5, 0.9)
    edge = measures.percentiles(lives["open_net_bps"], 0.5, 1.0)
    return {
        "opportunities": len(lives),
        "opportunity_life_ms_p50": life[0],
        "opportunity_life_ms_p90": life[1],
        "opportunity_net_bps_p50": edge[0],
        "opportunity_net_bps_max": edge[1],
        "opportunity_size_usd_p50": measures.percentiles(lives["size_usd"], 0.5)[0],
        "considered": found.counts.get("strategy_considered"),
    }


def _pairs(found: "Backtest") -> dict[str, Any]:
    pairs, closed, held = found.pairs, found.closed, found.hold_s
    naked = measures.percentiles(found.naked_ms, 0.5, 0.99, 1.0)
    return {
        "pairs": len(pairs),
        "pairs_open": int((pairs["closed_ns"] == 0).sum()),
        "pairs_won": int((closed["net_usd"] > 0).sum()),
        "won_share": float((closed["net_usd"] > 0).mean()) if len(closed) else None,
        "worst_pair_usd": float(pairs["net_usd"].min()) if len(pairs) else None,
        "hold_s_p50": measures.percentiles(held, 0.5)[0],
        "hold_s_mean": float(held.mean()) if len(held) else None,
        "naked_pairs": len(found.naked_ms),
        "naked_ms_p50": naked[0],
        "naked_ms_p99": naked[1],
        "naked_ms_max": naked[2],
    }


def _money(found: "Backtest") -> dict[str, Any]:
    equity, under = found.equity, found.drawdown
    total = {name: float(found.pairs[name].sum()) for name in measures.AMOUNTS[:-1]}
    hourly = measures.changes(equity, found.start_ns, found.end_ns, measures.HOUR_NS)
    mean_usd = measures.time_mean(equity["ns"], equity["exposure_usd"], found.end_ns)
    return {
        **total,
        "net_usd": float(equity["equity_usd"][-1]) if len(equity) else 0.0,
        "unrealised_usd": float(equity["unrealised_usd"][-1]) if len(equity) else 0.0,
        "max_drawdown_usd": float(under.min()) if len(under) else 0.0,
        "exposure_usd_max": float(equity["exposure_usd"].max()) if len(equity) else 0.0,
        "exposure_usd_mean": None if np.isnan(mean_usd) else mean_usd,
        "sharpe_daily": measures.sharpe(found.daily["net_usd"], 365, SHARPE_DAYS),
        "sharpe_hourly": measures.sharpe(hourly, 365 * 24, SHARPE_HOURS),
    }
