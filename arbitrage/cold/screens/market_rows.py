"""Opportunities, venues, latency and queues, line by line."""

from collections.abc import Mapping

from arbitrage.cold.deck import OpportunityLine, QueueLine, RowLine, StageLine, VenueLine
from arbitrage.cold.metrics.feeds import FeedLine
from arbitrage.cold.screens.cells import Cell, Column, Facts, Row, fullness, number, signed, words
from arbitrage.cold.screens.figures import (
    NOTHING,
    bps,
    clock_time,
    count,
    gauge,
    latency,
    span,
    spark,
    usd,
)
from arbitrage.wording import counted

__all__ = [
    "OPPORTUNITIES",
    "QUEUES",
    "STAGES",
    "TREND_POINTS",
    "VENUES",
    "Trends",
    "opportunity_row",
    "queue_row",
    "stage_row",
    "venue_row",
]

TREND_POINTS = 120
LIVE = "LIVE"
Trends = Mapping[str, list[float | None]]  # stage -> p99 by second, newest last

# ---- opportunities -------------------------------------------------------------------------------

OPPORTUNITIES = (
    Column("", 1),
    Column("symbol", 9),
    Column("buy→sell", 9),
    Column("life", 6, is_right=True),
    Column("gross", 5, is_right=True),
    Column("fees", 5, is_right=True, rank=2),
    Column("slip", 4, is_right=True, rank=2),
    Column("fund", 5, is_right=True, rank=2),
    Column("net", 5, is_right=True),
    Column("peak", 5, is_right=True, rank=4),
    Column("size $", 6, is_right=True, rank=1),
    Column("opened", 8, is_right=True, rank=5),
    Column("over by", 9, grows=True),
)


def _route(buy_venue: str, sell_venue: str) -> str:
    return f"{buy_venue}→{sell_venue}"


def opportunity_row(line: OpportunityLine, paused: Mapping[str, list[str]]) -> Row:
    """One opportunity: its costs and its life."""
    is_open = line.state == "open"
    lived_ms = line.age_ms if is_open or line.lasted_ms is None else line.lasted_ms
    is_held = line.symbol in paused
    mark = "‖" if is_held else "●" if is_open else "·"
    why = words(line.reason) if line.reason else "" if is_open else "closed"
    cells = (
        Cell(mark, "warn" if is_held else "good" if is_open else "dim", 0 if is_open else 1),
        Cell(line.symbol, "strong"),
        Cell(_route(line.buy_venue, line.sell_venue)),
        number(lived_ms, span(lived_ms)),
        number(line.gross_bps, bps(line.gross_bps)),
        number(line.fees_bps, bps(line.fees_bps)),
        number(line.slippage_bps, bps(line.slippage_bps)),
        number(line.funding_bps, bps(line.funding_bps)),
        signed(line.net_bps, bps(line.net_bps)),
        number(line.peak_net_bps, bps(line.peak_net_bps)),
        number(line.size_usd, count(line.size_usd)),
        Cell(clock_time(line.opened_wall_ns), value=line.opened_wall_ns),
        Cell(why),
    )
    facts: Facts = (
        ("symbol", line.symbol),
        ("buy at, sell at", f"{line.buy_venue}, {line.sell_venue}"),
        ("state", f"{line.state}{f', {why}' if why else ''}"),
        ("opened", f"{clock_time(line.opened_wall_ns)} UTC"),
        ("life", span(lived_ms)),
        ("gross", f"{bps(line.gross_bps)} bps"),
        ("  less fees", f"{bps(line.fees_bps)} bps"),
        ("  less slippage", f"{bps(line.slippage_bps)} bps"),
        ("  plus funding", f"{bps(line.funding_bps)} bps"),
        ("net", f"{bps(line.net_bps)} bps (peak {bps(line.peak_net_bps)})"),
        ("size", f"{usd(line.size_usd)} USD"),
        ("paused by", ", ".join(paused.get(line.symbol, ())) or "nobody"),
        ("number", str(line.id)),
    )
    return Row(str(line.id), cells, line.symbol, facts, is_dim=not is_open)


# ---- venues, latency, queues ---------------------------------------------------------------------

VENUES = (
    Column("venue", 6),
    Column("rows", 11, grows=True),
    Column("fr/s", 5, is_right=True),
    Column("age", 6, is_right=True),
    Column("gaps", 4, is_right=True, rank=2),
    Column("reconn", 6, is_right=True, rank=3),
    Column("clock", 6, is_right=True, rank=4),
    Column("rtt", 6, is_right=True, rank=1),
    Column("bad", 4, is_right=True, rank=5),
)


def _line_words(line: FeedLine) -> str:
    """Say how often one of a venue's parallel connections was the first, and by how much."""
    lead = f", ahead by {latency(line.led_ns / line.led)} on average" if line.led else ""
    return (
        f"first with {line.first:,}, late with {line.copies:,}{lead}; "
        f"{counted(line.connects, 'connection')} made"
    )


def _trouble(line: RowLine) -> tuple[bool, int, int, str]:
    """Return what a symbol is sorted by: what is not live first, then what lost most."""
    return line.state == LIVE, -line.gaps, -line.cuts, line.symbol


def _symbol_words(line: RowLine) -> str:
    """Say how a symbol stands at a venue, and how often it was lost there."""
    lost = [counted(line.gaps, "gap")] if line.gaps else []
    if line.cuts:
        lost.append(f"{counted(line.cuts, 'time')} without a connection")
    return ", ".join([line.state, f"quote {span(line.age_ms)} old", *lost])


def venue_row(line: VenueLine) -> Row:
    """One venue's public feed."""
    states = ", ".join(f"{rows} {state}" for state, rows in line.rows_by_state.items() if rows)
    live, every = line.rows_by_state.get(LIVE, 0), sum(line.rows_by_state.values())
    tone = "plain" if live == every and every else "warn" if live else "bad"
    offset = line.clock_offset_ms
    cells = (
        Cell(line.venue, "strong"),
        Cell(f"{live} of {every} LIVE" if every else "none", tone if every else "plain"),
        number(line.frames_per_s, count(line.frames_per_s)),
        number(line.age_ms, span(line.age_ms)),
        number(line.gaps, count(line.gaps), "warn" if line.gaps else "plain"),
        number(line.reconnects, count(line.reconnects), "warn" if line.reconnects else "plain"),
        number(offset, NOTHING if offset is None else f"{offset:+.0f}ms"),
        number(line.rtt_ms, span(line.rtt_ms)),
        number(line.malformed, count(line.malformed), "bad" if line.malformed else "plain"),
    )
    facts: Facts = (
        ("venue", line.venue),
        ("rows", states or "none"),
        ("frames", f"{line.frames:,} ({line.frames_per_s:,.0f} a second)"),
        ("malformed", f"{line.malformed:,}"),
        ("age of the newest quote", span(line.age_ms)),
        ("gaps", str(line.gaps)),
        ("reconnects", str(line.reconnects)),
        ("its clock less ours", "not measured" if offset is None else f"{offset:+.1f} ms"),
        ("quickest answer", span(line.rtt_ms)),
        *((f"line {each.line}", _line_words(each)) for each in line.lines),
        *((each.symbol, _symbol_words(each)) for each in sorted(line.rows, key=_trouble)),
    )
    return Row(line.venue, cells, facts=facts)


STAGES = (
    Column("stage", 14, grows=True),
    Column("p50", 6, is_right=True),
    Column("p99", 6, is_right=True),
    Column("p99.9", 6, is_right=True, rank=2),
    Column("max", 6, is_right=True, rank=3),
    Column("p99 lately", 12, is_right=True, rank=1, grows=True, keeps_end=True),
)


def stage_row(line: StageLine, trends: Trends) -> Row:
    """One stage's latency."""
    quantiles = (line.p50_ns, line.p99_ns, line.p999_ns, line.max_ns)
    cells = (
        Cell(words(line.stage).replace("opportunity", "opp."), "strong"),
        *(number(value, latency(value)) for value in quantiles),
        Cell(spark(trends.get(line.stage, [])[-TREND_POINTS:], TREND_POINTS)),
    )
    p50, p99, p999, most = map(latency, quantiles)
    facts: Facts = (
        ("stage", line.stage),
        ("what", line.label),
        ("measurements", f"{line.count:,}"),
        ("half are within", p50),
        ("99 % are within", p99),
        ("99.9 % are within", p999),
        ("the slowest", most),
    )
    return Row(line.stage, cells, facts=facts)


QUEUES = (
    Column("queue", 9, grows=True),
    Column("full", 10, rank=2),
    Column("%", 5, is_right=True),
    Column("depth", 6, is_right=True),
    Column("holds", 6, is_right=True, rank=3),
    Column("passed", 6, is_right=True, rank=1),
    Column("lost", 6, is_right=True),
)


def queue_row(line: QueueLine) -> Row:
    """One kind of queue."""
    fraction = line.utilization_percent / 100
    cells = (
        Cell(line.kind, "strong"),
        number(fraction, gauge(fraction, 10), fullness(fraction)),
        number(fraction, f"{line.utilization_percent:.1f}", fullness(fraction)),
        number(line.depth, count(line.depth)),
        number(line.capacity, count(line.capacity)),
        number(line.pushed, count(line.pushed)),
        number(line.dropped, count(line.dropped), "bad" if line.dropped else "plain"),
    )
    facts: Facts = (
        ("queue", line.kind),
        ("entries now", f"{line.depth:,} of {line.capacity:,}"),
        ("passed", f"{line.pushed:,}"),
        ("lost", f"{line.dropped:,}"),
    )
    return Row(line.kind, cells, facts=facts)
