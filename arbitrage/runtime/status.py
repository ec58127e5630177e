"""What a running trader says of itself: what it does and holds, and what holds it back."""

import time
from typing import TYPE_CHECKING, Any

import msgspec

from arbitrage.core.risk import KILLS, PAUSES, REASONS
from arbitrage.core.store import ROW_LIVE
from arbitrage.instruments import VENUES
from arbitrage.wording import counted

if TYPE_CHECKING:
    from arbitrage.runtime.engine import Trader

__all__ = [
    "kill_state",
    "pair_counts",
    "paused_symbols",
    "refusals",
    "state_of",
    "status_of",
    "what_holds_back",
]

NOT_ASKED = {"confirmed": False, "state": "not asked"}


def status_of(trader: "Trader") -> dict[str, Any]:
    """Return everything of `arb status`. Threads: the control loop; a look while all moves."""
    segment, gate = trader.segment, trader.core.strategy.risk
    counters, facts = segment.counters()["strategy"], what_holds_back(trader)
    found = facts | {
        "name": segment.name,
        "mode": trader.settings.mode,
        "run": segment.run,
        "pid": segment.pid,
        "uptime_s": round(segment.uptime_s, 1),
        "open_pairs": _open_pairs(trader),
        "pairs": {
            name: counters[f"pairs_{name}"] for name in ("opened", "closed", "unwound", "missed")
        },
        "orders": counters["orders"],
        "refused": refusals(counters),
        "refused_at_start": _refused_at_start(trader, counters),
        "gross_usd": gate.gross_usd,
        "strangers": trader.strangers.lines,
        "limits_used_pct": gate.used_pct,
    }
    return found | {"state": state_of(facts, trader)}


def what_holds_back(trader: "Trader") -> dict[str, Any]:
    """Return what may keep pairs from beginning. Threads: any; a look while all moves."""
    controls, gate = trader.segment.controls, trader.core.strategy.risk
    return {
        "ready": trader.segment.state == "ready",
        "stopping": trader.stop_asked.is_set(),
        "kill": kill_state(trader),
        "flatten": controls["flatten"],
        "opening_off": controls["opening_off"],
        "paused": paused_symbols(trader),
        "links": trader.gateways.links(),
        "rows": _rows(trader),
        "day_result_usd": gate.day_usd(time.time_ns()),
        "day_is_lost": gate.is_day_lost(time.time_ns()),
        "limits": gate.limits,
    }


def state_of(found: dict[str, Any], trader: "Trader") -> str:
    """Say in words what a trader does, from `what_holds_back`: first of all why no pair can begin.

    A text that begins with ``trading`` means that pairs may begin.
    """
    if found["kill"] is not None:
        return str(found["kill"]["line"])
    if found["stopping"]:
        return "stopping: it closes every pair"
    if found["flatten"]:
        return "no new pairs: flattening, until arb resume all"
    if not found["ready"]:
        return "no new pairs: starting"
    if trader.state.lost is not None:
        return f"no new pairs: {trader.state.lost}; open ones are closed as usual"
    if found["opening_off"]:
        return "no new pairs: opening is off, see its log; open ones are closed as usual"
    if found["day_is_lost"]:
        return (
            f"no new pairs: day's loss {-found['day_result_usd']:,.2f} of "
            f"{found['limits']['max_day_loss_usd']:,.2f} USD, until 00:00 UTC or a higher limit"
        )
    if len(found["paused"]) == len(trader.market.symbols):
        reasons = dict.fromkeys(name for names in found["paused"].values() for name in names)
        return f"no new pairs: every symbol is paused ({', '.join(reasons)})"
    dark = [venue for venue, rows in found["rows"].items() if not rows["live"]]
    if dark:
        return f"no new pairs: no book of {' and '.join(dark)} is live"
    down = [
        f"{venue} {line}" for venue, lines in found["links"].items()
        for line, is_up in lines.items() if not is_up
    ]  # fmt: skip
    if down:
        return f"trading, but a line is down: {', '.join(down)}"
    if found["paused"]:
        return f"trading, but {counted(len(found['paused']), 'symbol')} paused"
    return "trading"


def kill_state(trader: "Trader") -> dict[str, Any] | None:
    """Return the trip that stands and what became of it; None: nothing is killed."""
    segment, record = trader.segment, trader.kill_switch.record
    if segment.kill_reason == 0:
        return None
    found = {} if record is None else msgspec.to_builtins(record)
    found["line"] = f"killed ({KILLS[segment.kill_reason]})" if record is None else record.line
    cancels = trader.gateways.cancels()
    if record is None:  # what they say is about an earlier trip
        cancels = {venue: each | NOT_ASKED for venue, each in cancels.items()}
    return found | {"seen": trader.gateways.has_seen(True), "cancels": cancels}


def paused_symbols(trader: "Trader") -> dict[str, list[str]]:
    """Return the symbols that open no pair, each with why."""
    found: dict[str, list[str]] = {}
    for index, symbol in enumerate(trader.market.symbols):
        reasons = trader.segment.pause_reasons(index)
        if reasons:
            found[symbol] = [name for name, bit in PAUSES.items() if reasons & bit]
    return found


def refusals(counters: dict[str, Any]) -> dict[str, int]:
    """Return how often the gate refused since the start, by reason; only those that occurred."""
    counts = zip(REASONS, counters["risk_reasons"], strict=False)
    return {name: count for name, count in counts if count and name != "ok"}


def _refused_at_start(trader: "Trader", counters: dict[str, Any]) -> dict[str, int]:
    """Return the refusals from before orders could leave: opening is off until then."""
    found = trader.refused_at_start
    return refusals(counters) if found is None else found


def pair_counts(trader: "Trader") -> dict[str, list[str]]:
    """Name the pairs that are not over, by what becomes of them when everything is closed.

    ``closing``: they leave. ``broken``: their legs stayed uneven too long; what is left of them is
    reduced on, flatten or not.
    """
    found: dict[str, list[str]] = {"closing": [], "broken": []}
    for pair in _open_pairs(trader):
        legs = ", ".join(pair["legs"]) or "nothing filled yet"
        kind = "broken" if pair["phase"] == "broken" else "closing"
        found[kind].append(f"{pair['symbol']} ({legs})")
    return found


def _rows(trader: "Trader") -> dict[str, dict[str, int]]:
    """Return how many of each venue's rows are LIVE, of how many."""
    store, count = trader.segment.store, len(trader.market.symbols)
    states = store.by_row("state")
    return {
        venue: {
            "live": [states[store.row(number, index)] for index in range(count)].count(ROW_LIVE),
            "all": count,
        }
        for number, venue in enumerate(VENUES)
    }


def _open_pairs(trader: "Trader") -> list[dict[str, Any]]:
    """Return the pairs that are not over: a look while they move, for a person."""
    found: list[dict[str, Any]] = []
    for index in trader.core.strategy.under_way():
        phase = trader.core.strategy.pair(index)["phase"].lower()
        if phase != "idle":
            symbol, legs = trader.market.symbols[index], trader.legs_of(index)
            found.append({"symbol": symbol, "phase": phase, "legs": legs})
    return found
