"""Money and what holds it together: result, limits, kill switch, request limits, incidents.

From the board, so at most as old as it says; the kill switch from its own word.
"""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import Metric

from arbitrage.board import Board, MoneyLine
from arbitrage.cold.metrics.families import gauge, gauges
from arbitrage.cold.metrics.snapshot import Snapshot
from arbitrage.core.risk import KILLS, PAUSES

__all__ = ["money_families"]


def money_families(shot: Snapshot) -> Iterator[Metric]:
    """Yield the families of what a trader earns and what holds it back."""
    yield gauge("kill_switch", "1 while the kill switch is tripped", float(shot.killed))
    yield gauges(
        "kill_switch_reason", "1 for how the kill switch was tripped", ["reason"],
        [([reason], float(reason == shot.kill_reason)) for reason in KILLS[1:]],
    )  # fmt: skip
    if shot.board is not None:
        yield from _money(shot.board)
        yield from _limits(shot.board)
        yield from _state(shot.board)


def _money(board: Board) -> Iterator[Metric]:
    yield gauges(
        "pnl_usd", "Result of the run by venue and kind, as it changed the equity",
        ["venue", "kind"],
        [
            ([line.venue, kind], value)
            for line in board.money
            for kind, value in (
                ("realised", line.realised_usd), ("fees", line.fees_usd),
                ("funding", line.funding_usd), ("unrealised", line.unrealised_usd),
            )
        ],
    )  # fmt: skip
    yield gauge("pnl_total_usd", "Result of the run, unrealised included", _total(board.money))
    yield gauge("day_result_usd", "Result of this UTC day, of all runs", board.day_result_usd)
    yield gauges(
        "venue_equity_usd", "Equity as the venue said last", ["venue"],
        [([line.venue], line.equity_usd) for line in board.money],
    )  # fmt: skip
    yield gauges(
        "venue_free_usd", "Free balance as the venue said last", ["venue"],
        [([line.venue], line.free_usd) for line in board.money],
    )  # fmt: skip


def _total(lines: list[MoneyLine]) -> float:
    return sum(
        line.realised_usd + line.fees_usd + line.funding_usd + (line.unrealised_usd or 0.0)
        for line in lines
    )


def _limits(board: Board) -> Iterator[Metric]:
    yield gauges(
        "risk_limit", "Limits of the risk gate that are on", ["limit", "unit"],
        [([line.name, line.unit], line.limit) for line in board.limits],
    )  # fmt: skip
    yield gauges(
        "risk_limit_used_percent", "How much of a limit of money is used", ["limit"],
        [
            ([line.name], None if line.used is None else 100.0 * line.used / line.limit)
            for line in board.limits
        ],
    )  # fmt: skip
    yield gauges(
        "venue_rate_limit_used", "Requests of the venue's window that are used",
        ["venue", "what"], [([line.venue, line.what], line.used) for line in board.rates],
    )  # fmt: skip
    yield gauges(
        "venue_rate_limit_allowed", "Requests that the venue allows in its window",
        ["venue", "what"], [([line.venue, line.what], line.allowed) for line in board.rates],
    )  # fmt: skip


def _state(board: Board) -> Iterator[Metric]:
    yield gauge("opening_allowed", "1 while new pairs may open", float(board.opening == ""))
    paused = Counter(reason for reasons in board.paused.values() for reason in reasons)
    yield gauges(
        "symbols_paused", "Symbols that open no pair, by why", ["reason"],
        [([reason], paused[reason]) for reason in PAUSES],
    )  # fmt: skip
    phases = Counter(pair.phase for pair in board.pairs)
    yield gauges(
        "pairs_under_way", "Pairs that are not over, by phase", ["phase"],
        [([phase], count) for phase, count in phases.items()],
    )  # fmt: skip
    yield gauge("pairs_now", "Pairs that are not over", len(board.pairs))
    goes_on = Counter(line.kind for line in board.incidents if line.is_open)
    yield gauges(
        "incidents_open", "Incidents that go on, by kind", ["kind"],
        [([kind], count) for kind, count in goes_on.items()],
    )  # fmt: skip
