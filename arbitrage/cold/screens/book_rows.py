"""Pairs, money, limits and incidents, line by line: what the trader's main thread tells."""

from collections.abc import Mapping

from arbitrage.board import IncidentLine, LimitLine, MoneyLine, PairLine, RateLine
from arbitrage.cold.screens.cells import (
    UNKNOWN,
    Cell,
    Column,
    Facts,
    Row,
    fullness,
    number,
    signed,
    words,
)
from arbitrage.cold.screens.figures import bps, clock_time, count, quantity, span, usd

__all__ = [
    "INCIDENTS",
    "LIMITS",
    "MONEY",
    "PAIRS",
    "incident_row",
    "limit_row",
    "money_row",
    "pair_row",
    "rate_row",
    "refusal_rows",
]

LOUD_PHASES = ("one_leg", "completing", "unwinding", "broken")

# ---- pairs ---------------------------------------------------------------------------------------

PAIRS = (
    Column("pair", 5, is_right=True, rank=2),
    Column("symbol", 9),
    Column("phase", 10),
    Column("long leg", 14),
    Column("short leg", 14),
    Column("entry", 5, is_right=True, rank=1),
    Column("age", 6, is_right=True),
    Column("closed $", 8, is_right=True),
    Column("kind", 7, rank=3),
)


def pair_row(line: PairLine, wall_ns: int) -> Row:
    """One pair."""
    age_ms = max(0, wall_ns - line.opened_wall_ns) / 1e6 if line.opened_wall_ns else None
    is_loud = line.phase.lower() in LOUD_PHASES
    buy = f"{line.buy_venue} {quantity(line.buy_qty)}"
    sell = f"{line.sell_venue} {quantity(line.sell_qty)}"
    cells = (
        number(line.pair, str(line.pair)),
        Cell(line.symbol, "strong"),
        Cell(words(line.phase), "bad" if is_loud else "plain"),
        Cell(buy),
        Cell(sell),
        number(line.entry_bps, bps(line.entry_bps)),
        number(age_ms, span(age_ms)),
        signed(line.unrealised_usd, usd(line.unrealised_usd, is_signed=True)),
        Cell(line.kind),
    )
    facts: Facts = (
        ("pair", str(line.pair)),
        ("symbol", line.symbol),
        ("strategy", line.kind),
        ("phase", words(line.phase)),
        ("long leg", f"{buy} {line.symbol.removesuffix('USDT')}"),
        ("short leg", f"{sell} {line.symbol.removesuffix('USDT')}"),
        ("entered at", f"{bps(line.entry_bps)} bps"),
        ("open for", span(age_ms)),
        ("if closed now, after all fees", f"{usd(line.unrealised_usd, is_signed=True)} USD"),
    )
    return Row(str(line.pair), cells, line.symbol, facts)


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


def money_row(line: MoneyLine) -> Row:
    """One venue's money."""
    parts = (line.realised_usd, line.fees_usd, line.funding_usd, line.unrealised_usd)
    cells = (
        Cell(line.venue, "strong"),
        number(line.equity_usd, usd(line.equity_usd)),
        number(line.free_usd, usd(line.free_usd)),
        *(signed(value, usd(value, is_signed=True)) for value in parts),
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
    tone = fullness(share)
    cells = (
        Cell(name, "strong" if tone != "plain" else "plain"),
        number(used, count(used) if used is None or abs(used) >= 100 else f"{used:.4g}", tone),
        number(limit, "off" if is_off else count(limit)),
        number(share, "" if share is None else f"{share:.0%}", tone),
        Cell(unit),
    )
    facts: Facts = (
        ("limit", name),
        ("used", "not known" if used is None else f"{used:,.6g} {unit}"),
        ("of", "off" if is_off else f"{limit:,.6g} {unit}"),
    )
    return Row(key, cells, facts=facts)


def limit_row(line: LimitLine) -> Row:
    """One limit of the risk gate."""
    return _share(line.name, words(line.name).removesuffix(f" {line.unit.lower()}"),
                  line.used, line.limit, line.unit)  # fmt: skip


def rate_row(line: RateLine) -> Row:
    """One of a venue's rate limits."""
    name = f"{line.venue} {line.what}"
    return _share(f"rate {name}", name, line.used, line.allowed, "asks")


def refusal_rows(refusals: Mapping[str, int]) -> list[Row]:
    """Orders that the risk gate refused, the most frequent reason first."""
    return [
        Row(
            f"refused {name}",
            (
                Cell(f"refused: {words(name)}", "warn"),
                number(times, count(times), "warn"),
                *(Cell("", value=UNKNOWN) for _ in range(2)),
                Cell("times"),
            ),
            facts=(("refused by the risk gate", words(name)), ("orders", f"{times:,}")),
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


def incident_row(line: IncidentLine) -> Row:
    """One incident."""
    whom = " ".join(part for part in (line.venue, line.symbol) if part)
    ending = f"; {line.ending}" if line.ending else ""
    cells = (
        Cell("●" if line.is_open else "·", "bad" if line.is_open else "dim", int(line.is_open)),
        Cell(clock_time(line.began_wall_ns), value=line.began_wall_ns),
        Cell(whom),
        Cell(f"{line.text}{ending}", "warn" if line.is_open else "plain"),
        number(line.count, str(line.count)),
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
