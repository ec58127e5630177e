"""How a backtest was run, and what to know before its figures are believed, in words."""

from typing import TYPE_CHECKING, Any

from arbitrage.fees import DEFAULT_TAKER_BPS
from arbitrage.instruments import VENUES
from arbitrage.research.backtest_settings import changed_settings
from arbitrage.research.contracts import SIMULATORS_LIST
from arbitrage.research.figures import duration, utc
from arbitrage.research.result_types import HaltReason
from arbitrage.wording import counted

if TYPE_CHECKING:
    from arbitrage.research.results import Backtest

__all__ = ["changed_words", "fees_words", "halts_words", "latency_words", "notices", "run_rows"]

HALTS_NAMED = 3


def changed_words(found: "Backtest") -> list[str]:
    """Return the settings that are not as they are by default, fees left out."""
    return [
        f"{name}={_value(value)} (default {_value(usual)})"
        for name, (value, usual) in changed_settings(found.config).items()
    ]


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def fees_words(found: "Backtest") -> str:
    """Return the taker fees as they were paid."""
    fees: dict[str, float] = found.config.get("fees", {})
    text = ", ".join(f"{name} {bps:g}" for name, bps in fees.items())
    usual = " (the venues' public base)" if fees == DEFAULT_TAKER_BPS else ""
    return f"{text} bps{usual}" if text else ""


def latency_words(found: "Backtest") -> str:
    """Return what each way took; what is the same at both venues is said once."""
    told, parts = found.latency, []
    for way in ("feed", "order", "reply"):
        models = [told.get(f"{venue} {way}") for venue in VENUES]
        if models[0] is None or (way == "feed" and models == [{"constant_us": 0.0}] * 2):
            continue
        if models[0] == models[1]:
            parts.append(f"{way} {_model(models[0])}")
        else:
            parts += [f"{v} {way} {_model(m)}" for v, m in zip(VENUES, models, strict=True)]
    return ", ".join(parts)


def _model(model: Any) -> str:
    if "constant_us" in model:
        return duration(model["constant_us"] / 1e6)
    if "empirical_us" in model:
        figures = model["empirical_us"]
        return f"{duration(figures['p50'] / 1e6)} (median; p99 {duration(figures['p99'] / 1e6)})"
    return f"by {model.get('callable', model)}"


def halts_words(found: "Backtest") -> list[str]:
    """Return what stopped the trader, when and until when."""
    words = []
    for halt in found.halts:
        what = "the day's loss tripped the kill switch"
        if halt["reason"] == HaltReason.BREAKER:
            what = f"the breaker paused {found.symbols[halt['symbol']]}"
        until = "the end" if halt["until_ns"] == 0 else utc(int(halt["until_ns"]), "seconds")
        words.append(f"{what} at {utc(int(halt['ns']), 'seconds')}, until {until}")
    return words


def notices(found: "Backtest") -> list[str]:
    """Return what would mislead who does not know it; often nothing."""
    told = []
    if len(found.halts):
        words = halts_words(found)
        more = len(words) - HALTS_NAMED
        text = "; ".join(words[:HALTS_NAMED]) + (f"; and {more} more" if more > 0 else "")
        limit = found.config.get("max_day_loss_usd", 0.0)
        if (found.halts["reason"] == HaltReason.DAY_LOSS).any():
            text += f" (max_day_loss_usd is {limit:g}; 0 turns it off)"
        told.append(f"stopped {counted(len(words), 'time')}: {text}")
    if waited := found.counts.get("waited", 0):
        told.append(
            f"{counted(waited, 'exit')} waited for a market: the data says nothing of it for long"
        )
    if still := int((found.pairs["closed_ns"] == 0).sum()):
        told.append(f"{counted(still, 'pair')} still open at the end, valued at the last touch")
    if found.contracts_from == SIMULATORS_LIST:
        told.append(
            "the contracts are the built-in simulator's: grids and sizes may not be the venues'"
        )
    return told


def run_rows(found: "Backtest") -> list[tuple[str, str]]:
    """Return (what, in words): settings, fees, latency, contracts, and what to know."""
    rows = [
        ("settings", ", ".join(changed_words(found)) or "as they are by default"),
        ("fees", fees_words(found)),
        ("latency", latency_words(found)),
        ("contracts", found.contracts_from),
        *(("note", text) for text in notices(found)),
    ]
    return [(name, text) for name, text in rows if text]
