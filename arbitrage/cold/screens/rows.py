"""What each panel shows of a deck, line by line. Pure functions: no widget, no clock."""

from collections.abc import Callable, Mapping

from arbitrage.board import IncidentLine, LimitLine, MoneyLine, PairLine, RateLine
from arbitrage.cold.deck import Deck, OpportunityLine, QueueLine, StageLine, VenueLine
from arbitrage.cold.screens.figures import (
    NOTHING,
    bps,
    clock_time,
    count,
    gauge,
    latency,
    quantity,
    span,
    spark,
    usd,
)
from arbitrage.cold.screens.grid import Cell, Column, Row

__all__ = ["PANELS", "Panel", "Trends", "rows_of"]

TREND_POINTS = 120
TREND_EVERY_NS = 1_000_000_000
NEAR, FULL = 0.75, 0.9  # how full a queue, a limit or an allowance is when it is told in colour
LOUD_PHASES = ("one_leg", "completing", "unwinding", "broken")
LIVE = "LIVE"
UNKNOWN = float("nan")
Trends = Mapping[str, list[float | None]]
Facts = tuple[tuple[str, str], ...]


def _number(value: float | None, text: str, tone: str = "plain") -> Cell:
    return Cell(text, tone, UNKNOWN if value is None else value)


def _signed(value: float | None, text: str) -> Cell:
    tone = "plain" if value is None or abs(value) < 0.005 else "good" if value > 0 else "bad"
    return _number(value, text, tone)


def _fullness(fraction: float | None) -> str:
    if fraction is None or fraction < NEAR:
        return "plain"
    return "bad" if fraction >= FULL else "warn"


def _route(buy_venue: str, sell_venue: str) -> str:
    return f"{buy_venue}→{sell_venue}"


def _words(name: str) -> str:
    return name.lower().replace("_", " ")


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


def _opportunity(line: OpportunityLine, paused: Mapping[str, list[str]]) -> Row:
    is_open = line.state == "open"
    lived_ms = line.age_ms if is_open or line.lasted_ms is None else line.lasted_ms
    is_held = line.symbol in paused
    mark = "‖" if is_held else "●" if is_open else "·"
    why = _words(line.reason) if line.reason else "" if is_open else "closed"
    cells = (
        Cell(mark, "warn" if is_held else "good" if is_open else "dim", 0 if is_open else 1),
        Cell(line.symbol, "strong"),
        Cell(_route(line.buy_venue, line.sell_venue)),
        _number(lived_ms, span(lived_ms)),
        _number(line.gross_bps, bps(line.gross_bps)),
        _number(line.fees_bps, bps(line.fees_bps)),
        _number(line.slippage_bps, bps(line.slippage_bps)),
        _number(line.funding_bps, bps(line.funding_bps)),
        _signed(line.net_bps, bps(line.net_bps)),
        _number(line.peak_net_bps, bps(line.peak_net_bps)),
        _number(line.size_usd, count(line.size_usd)),
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


# ---- pairs ---------------------------------------------------------------------------------------

PAIRS = (
    Column("pair", 5, is_right=True, rank=2),
    Column("symbol", 9),
    Column("phase", 10),
    Column("long leg", 14),
    Column("short leg", 14),
    Column("entry", 5, is_right=True, rank=1),
    Column("age", 6, is_right=True),
    Column("PnL $", 8, is_right=True),
    Column("kind", 7, rank=3),
)


def _pair(line: PairLine, wall_ns: int) -> Row:
    age_ms = max(0, wall_ns - line.opened_wall_ns) / 1e6 if line.opened_wall_ns else None
    is_loud = line.phase.lower() in LOUD_PHASES
    buy = f"{line.buy_venue} {quantity(line.buy_qty)}"
    sell = f"{line.sell_venue} {quantity(line.sell_qty)}"
    cells = (
        _number(line.pair, str(line.pair)),
        Cell(line.symbol, "strong"),
        Cell(_words(line.phase), "bad" if is_loud else "plain"),
        Cell(buy),
        Cell(sell),
        _number(line.entry_bps, bps(line.entry_bps)),
        _number(age_ms, span(age_ms)),
        _signed(line.unrealised_usd, usd(line.unrealised_usd, is_signed=True)),
        Cell(line.kind),
    )
    facts: Facts = (
        ("pair", str(line.pair)),
        ("symbol", line.symbol),
        ("strategy", line.kind),
        ("phase", _words(line.phase)),
        ("long leg", f"{buy} {line.symbol.removesuffix('USDT')}"),
        ("short leg", f"{sell} {line.symbol.removesuffix('USDT')}"),
        ("entered at", f"{bps(line.entry_bps)} bps"),
        ("open for", span(age_ms)),
        ("unrealised", f"{usd(line.unrealised_usd, is_signed=True)} USD"),
    )
    return Row(str(line.pair), cells, line.symbol, facts)


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


def _venue(line: VenueLine) -> Row:
    states = ", ".join(f"{rows} {state}" for state, rows in line.rows_by_state.items() if rows)
    live, every = line.rows_by_state.get(LIVE, 0), sum(line.rows_by_state.values())
    tone = "plain" if live == every and every else "warn" if live else "bad"
    offset = line.clock_offset_ms
    cells = (
        Cell(line.venue, "strong"),
        Cell(states or "none", tone if states else "plain"),
        _number(line.frames_per_s, count(line.frames_per_s)),
        _number(line.age_ms, span(line.age_ms)),
        _number(line.gaps, count(line.gaps), "warn" if line.gaps else "plain"),
        _number(line.reconnects, count(line.reconnects), "warn" if line.reconnects else "plain"),
        _number(offset, NOTHING if offset is None else f"{offset:+.0f}ms"),
        _number(line.rtt_ms, span(line.rtt_ms)),
        _number(line.malformed, count(line.malformed), "bad" if line.malformed else "plain"),
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


def _stage(line: StageLine, trends: Trends) -> Row:
    quantiles = (line.p50_ns, line.p99_ns, line.p999_ns, line.max_ns)
    cells = (
        Cell(_words(line.stage).replace("opportunity", "opp."), "strong"),
        *(_number(value, latency(value)) for value in quantiles),
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


def _queue(line: QueueLine) -> Row:
    fraction = line.utilization_percent / 100
    cells = (
        Cell(line.kind, "strong"),
        _number(fraction, gauge(fraction, 10), _fullness(fraction)),
        _number(fraction, f"{line.utilization_percent:.1f}", _fullness(fraction)),
        _number(line.depth, count(line.depth)),
        _number(line.capacity, count(line.capacity)),
        _number(line.pushed, count(line.pushed)),
        _number(line.dropped, count(line.dropped), "bad" if line.dropped else "plain"),
    )
    facts: Facts = (
        ("queue", line.kind),
        ("entries now", f"{line.depth:,} of {line.capacity:,}"),
        ("passed", f"{line.pushed:,}"),
        ("lost", f"{line.dropped:,}"),
    )
    return Row(line.kind, cells, facts=facts)


# ---- money, limits, incidents --------------------------------------------------------------------

MONEY = (
    Column("venue", 6),
    Column("equity $", 10, is_right=True),
    Column("free $", 10, is_right=True, rank=2),
    Column("realised", 9, is_right=True),
    Column("fees", 8, is_right=True, rank=1),
    Column("funding", 8, is_right=True, rank=3),
    Column("open", 8, is_right=True),
)


def _money(line: MoneyLine) -> Row:
    parts = (line.realised_usd, line.fees_usd, line.funding_usd, line.unrealised_usd)
    cells = (
        Cell(line.venue, "strong"),
        _number(line.equity_usd, usd(line.equity_usd)),
        _number(line.free_usd, usd(line.free_usd)),
        *(_signed(value, usd(value, is_signed=True)) for value in parts),
    )
    names = ("realised", "fees", "funding", "unrealised")
    facts: Facts = (
        ("venue", line.venue),
        ("equity", f"{usd(line.equity_usd)} USD"),
        ("free", f"{usd(line.free_usd)} USD"),
        *(
            (name, f"{usd(value, is_signed=True)} USD")
            for name, value in zip(names, parts, strict=True)
        ),
    )
    return Row(line.venue, cells, facts=facts)


LIMITS = (
    Column("limit", 16, grows=True),
    Column("used", 9, is_right=True),
    Column("of", 9, is_right=True),
    Column("", 5, is_right=True, rank=1),
    Column("unit", 5, rank=2),
)


def _share(key: str, name: str, used: float | None, limit: float, unit: str) -> Row:
    is_off = limit == 0
    share = None if is_off or used is None else used / limit
    tone = _fullness(share)
    cells = (
        Cell(name, "strong" if tone != "plain" else "plain"),
        _number(used, count(used) if used is None or abs(used) >= 100 else f"{used:.4g}", tone),
        _number(limit, "off" if is_off else count(limit)),
        _number(share, "" if share is None else f"{share:.0%}", tone),
        Cell(unit),
    )
    facts: Facts = (
        ("limit", name),
        ("used", "not known" if used is None else f"{used:,.6g} {unit}"),
        ("of", "off" if is_off else f"{limit:,.6g} {unit}"),
    )
    return Row(key, cells, facts=facts)


def _limit(line: LimitLine) -> Row:
    return _share(line.name, _words(line.name).removesuffix(f" {line.unit.lower()}"),
                  line.used, line.limit, line.unit)  # fmt: skip


def _rate(line: RateLine) -> Row:
    name = f"{line.venue} {line.what}"
    return _share(f"rate {name}", name, line.used, line.allowed, "asks")


def _refusals(refusals: Mapping[str, int]) -> list[Row]:
    return [
        Row(
            f"refused {name}",
            (
                Cell(f"refused: {_words(name)}", "warn"),
                _number(times, count(times), "warn"),
                *(Cell("", value=UNKNOWN) for _ in range(2)),
                Cell("times"),
            ),
            facts=(("refused by the risk gate", _words(name)), ("orders", f"{times:,}")),
        )
        for name, times in sorted(refusals.items(), key=lambda item: -item[1])
        if times
    ]


INCIDENTS = (
    Column("", 1),
    Column("began", 8),
    Column("whom", 14, rank=1),
    Column("what", 20, grows=True),
    Column("times", 5, is_right=True, rank=3),
    Column("kind", 10, rank=2),
)


def _incident(line: IncidentLine) -> Row:
    whom = " ".join(part for part in (line.venue, line.symbol) if part)
    ending = f"; {line.ending}" if line.ending else ""
    cells = (
        Cell("●" if line.is_open else "·", "bad" if line.is_open else "dim", int(line.is_open)),
        Cell(clock_time(line.began_wall_ns), value=line.began_wall_ns),
        Cell(whom),
        Cell(f"{line.text}{ending}", "warn" if line.is_open else "plain"),
        _number(line.count, str(line.count)),
        Cell(line.kind),
    )
    facts: Facts = (
        ("began", f"{clock_time(line.began_wall_ns)} UTC"),
        ("last", f"{clock_time(line.last_wall_ns)} UTC"),
        ("kind", line.kind),
        ("whom", whom or "the trader"),
        ("what", line.text),
        ("times", str(line.count)),
        ("ending", line.ending or ("it goes on" if line.is_open else "none")),
    )
    return Row(str(line.number), cells, line.symbol, facts)


# ---- the panels ----------------------------------------------------------------------------------


class Panel:
    """One panel: its place in the order of the number keys, its columns, its lines."""

    def __init__(
        self,
        name: str,
        title: str,
        columns: tuple[Column, ...],
        nothing: str,
        rows: Callable[[Deck, Trends], list[Row]],
        *,
        is_of_board: bool = False,
    ) -> None:
        self.name, self.title, self.columns, self.nothing = name, title, columns, nothing
        self.rows = rows
        self.is_of_board = is_of_board  # written by the trader's main thread, with an age


PANELS = (
    Panel("opportunities", "Opportunities", OPPORTUNITIES, "no opportunity yet",
          lambda deck, _: [_opportunity(line, deck.paused) for line in deck.opportunities]),
    Panel("pairs", "Pairs", PAIRS, "no pair is open",
          lambda deck, _: [_pair(line, deck.wall_ns) for line in deck.pairs], is_of_board=True),
    Panel("venues", "Venues", VENUES, "no venue yet",
          lambda deck, _: [_venue(line) for line in deck.venues]),
    Panel("latency", "Latency", STAGES, "nothing measured yet",
          lambda deck, trends: [_stage(line, trends) for line in deck.latency]),
    Panel("queues", "Queues", QUEUES, "no queue",
          lambda deck, _: [_queue(line) for line in deck.queues]),
    Panel("money", "PnL", MONEY, "no account yet",
          lambda deck, _: [_money(line) for line in deck.money], is_of_board=True),
    Panel("limits", "Limits", LIMITS, "no limit told yet",
          lambda deck, _: [*map(_limit, deck.limits), *map(_rate, deck.rates),
                           *_refusals(deck.refusals)], is_of_board=True),
    Panel("incidents", "Incidents", INCIDENTS, "nothing went wrong",
          lambda deck, _: [_incident(line) for line in reversed(deck.incidents)],
          is_of_board=True),
)  # fmt: skip


def rows_of(panel: Panel, deck: Deck, trends: Trends, *, is_old: bool) -> list[Row]:
    """Return a panel's lines; none of a trader that is gone, dim ones when they are old."""
    if not deck.alive:
        return []
    rows = panel.rows(deck, trends)
    if not is_old:
        return rows
    return [Row(row.key, row.cells, row.symbol, row.facts, is_dim=True) for row in rows]
