"""The demo's report: what the trader counted beside what the venues say."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from arbitrage.demo.facts import AccountFacts

__all__ = ["Ledger", "Report", "TraderReport", "make_report", "render", "to_json"]

LATENCIES = ("frame_to_opportunity", "opportunity_to_order", "frame_to_order_sent")


class Quantiles(msgspec.Struct, frozen=True):
    """A latency in ns; None where nothing was measured."""

    p50: int | None = None
    p99: int | None = None
    p999: int | None = None
    max: int | None = None


class LatencyReport(msgspec.Struct, frozen=True):
    """The three latencies that a trader asks about."""

    frame_to_opportunity: Quantiles = Quantiles()
    opportunity_to_order: Quantiles = Quantiles()
    frame_to_order_sent: Quantiles = Quantiles()


class Frames(msgspec.Struct, frozen=True):
    """Frames by venue."""

    bybit: int = 0
    okx: int = 0


class Opportunities(msgspec.Struct, frozen=True):
    """Opportunities by what became of them."""

    opened: int = 0
    closed: int = 0


class Pairs(msgspec.Struct, frozen=True):
    """Pairs by what became of them; `closed` excludes `unwound`."""

    opened: int = 0
    closed: int = 0
    unwound: int = 0
    by_funding: int = 0  # began because of two funding rates
    by_intent: int = 0  # because a user's strategy asked


class Drops(msgspec.Struct, frozen=True):
    """What was lost because a ring was full."""

    ticks: int = 0
    orders: int = 0


class Ledger(msgspec.Struct, frozen=True):
    """Our own account, each figure as it changes the equity: fees paid are negative."""

    realised: Decimal = Decimal(0)
    unrealised: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    funding: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        """What our equity should have changed by."""
        return self.realised + self.unrealised + self.fees + self.funding


class NakedTimes(msgspec.Struct, frozen=True):
    """How long legs stood alone, ms; None where none did."""

    count: int = 0
    p50: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None


class NakedBucket(msgspec.Struct, frozen=True):
    """How many times were so long and longer than the bucket before; None: any longer."""

    up_to_ms: float | None
    count: int


class NakedLegs(NakedTimes, frozen=True):
    """Every time a leg stood alone; `by_cause` has the longest of each pair."""

    buckets: tuple[NakedBucket, ...] = ()
    by_cause: dict[str, NakedTimes] = {}


class Incident(msgspec.Struct, frozen=True):
    """Something that went wrong; `line` is all of it for a person."""

    at: str
    last_at: str
    kind: str
    venue: str
    symbol: str
    text: str
    count: int
    is_over: bool
    ending: str
    lasted_s: float
    line: str


class TraderReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``arb trade --report`` writes."""

    mode: str
    seconds: float
    frames: Frames
    malformed: int
    quotes: int
    opportunities: Opportunities
    pairs: Pairs
    orders: int
    fills: int
    ledger: Ledger
    latency_ns: LatencyReport
    drops: Drops
    naked_leg_ms: NakedLegs = NakedLegs()
    incidents: tuple[Incident, ...] = ()
    incidents_forgotten: int = 0
    strategies: tuple[dict[str, Any], ...] = ()  # of users
    rss_mb: float | None = None


class Pnl(msgspec.Struct, frozen=True):
    """Profit and loss; fees and funding as they change the equity, so that the parts add up."""

    gross: Decimal
    fees: Decimal
    funding: Decimal
    net: Decimal


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What ``arb demo`` ends with."""

    mode: str
    seconds: float
    frames: Frames
    malformed: int
    quotes: int
    opportunities: Opportunities
    pairs: Pairs
    orders: int
    fills: int
    pnl_usd: Pnl
    identity_error_usd: Decimal
    latency_ns: LatencyReport
    drops: Drops
    naked_leg_ms: NakedLegs
    incidents: tuple[Incident, ...]
    incidents_forgotten: int
    strategies: tuple[dict[str, Any], ...]
    rss_mb: float | None
    open_legs_at_exit: int


def make_report(
    trader: TraderReport, before: Mapping[str, AccountFacts], after: Mapping[str, AccountFacts]
) -> Report:
    """Bring the trader's report and the venues' own figures together.

    Parameters
    ----------
    trader : TraderReport
        What the trader counted and booked.
    before, after : mapping
        The venues' accounts before the start and after the shutdown.
    """
    change = sum(
        (after[venue].equity_usd - before[venue].equity_usd for venue in after), Decimal(0)
    )
    ledger = trader.ledger
    copied = {
        name: getattr(trader, name)
        for name in Report.__struct_fields__
        if name in TraderReport.__struct_fields__
    }
    return Report(
        **copied,
        pnl_usd=Pnl(
            gross=ledger.realised + ledger.unrealised,
            fees=ledger.fees,
            funding=ledger.funding,
            net=ledger.total,
        ),
        identity_error_usd=abs(change - ledger.total),
        # what was held before, in symbols that are not traded, is not ours
        open_legs_at_exit=sum(
            qty != before[venue].positions.get(symbol)
            for venue, account in after.items()
            for symbol, qty in account.positions.items()
        ),
    )


def to_json(report: Report) -> str:
    """Return one JSON object; decimals are plain JSON numbers, digit for digit."""
    encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=None)
    plain = _plain_zeros(msgspec.to_builtins(report, builtin_types=(Decimal,)))
    return encoder.encode(plain).decode() + "\n"


def _plain_zeros(value: Any) -> Any:
    """Write decimals without exponents and trailing zeros: 0E-18 becomes 0."""
    if isinstance(value, dict):
        return {key: _plain_zeros(item) for key, item in value.items()}
    if isinstance(value, Decimal):
        return Decimal(0) if value == 0 else Decimal(f"{value.normalize():f}")
    return value


# ---- for people ----------------------------------------------------------------------------------


def _microseconds(value_ns: int | None) -> str:
    return "-" if value_ns is None else f"{value_ns / 1000:,.1f}"


def _usd(value: Decimal) -> str:
    return f"{value:+,.4f}"


BAR_WIDTH = 40


def _naked_lines(naked: NakedLegs) -> list[str]:
    """Return how long legs stood alone, as a small histogram, and why."""
    if not naked.count:
        return ["legs alone: none"]
    lines = [
        f"legs alone {naked.count:,} times, ms: "
        f"p50 {naked.p50:,.3f}   p99 {naked.p99:,.3f}   p99.9 {naked.p999:,.3f}   "
        f"max {naked.max:,.3f}"
    ]
    shown = [bucket for bucket in naked.buckets if bucket.count]
    most = max(bucket.count for bucket in shown)
    for bucket in shown:
        label = "longer" if bucket.up_to_ms is None else f"to {bucket.up_to_ms:g}"
        bar = "#" * max(1, round(bucket.count / most * BAR_WIDTH))
        lines.append(f"  {label:>8} {bar} {bucket.count:,}")
    lines += [
        f"  {cause}: {found.count:,}, at most {found.max:,.3f}"
        for cause, found in naked.by_cause.items()
    ]
    return lines


def _incident_lines(report: Report) -> list[str]:
    if not report.incidents:
        return ["incidents: none"]
    lines = [f"incidents, {len(report.incidents)}:"]
    if report.incidents_forgotten:
        lines.append(f"  ({report.incidents_forgotten} older ones are not kept)")
    return lines + [f"  {incident.line}" for incident in report.incidents]


def render(report: Report) -> None:
    """Print the report for a person, on stdout."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    facts = Table.grid(padding=(0, 3))
    facts.add_column(style="dim")
    facts.add_column()
    pnl, pairs = report.pnl_usd, report.pairs
    agrees = "agrees" if report.identity_error_usd == 0 else "DISAGREES"
    rows = [
        ("ran", f"{report.seconds:.1f} s in mode {report.mode}"),
        ("frames", f"Bybit {report.frames.bybit:,}   OKX {report.frames.okx:,}"),
        ("", f"quotes {report.quotes:,}   malformed {report.malformed:,}"),
        (
            "opportunities",
            f"opened {report.opportunities.opened:,}   closed {report.opportunities.closed:,}",
        ),
        ("pairs", f"opened {pairs.opened:,}   closed {pairs.closed:,}   unwound {pairs.unwound:,}"),
        ("orders", f"sent {report.orders:,}   fills {report.fills:,}"),
        (
            "PnL, USD",
            f"gross {_usd(pnl.gross)}   fees {_usd(pnl.fees)}   "
            f"funding {_usd(pnl.funding)}   net {_usd(pnl.net)}",
        ),
        (
            "books",
            f"our ledger {agrees} with the venues' wallets "
            f"(off by {_usd(report.identity_error_usd)})",
        ),
        ("open legs", f"{report.open_legs_at_exit} at the venues after the shutdown"),
        ("drops", f"ticks {report.drops.ticks:,}   orders {report.drops.orders:,}"),
        ("memory", "-" if report.rss_mb is None else f"{report.rss_mb:.1f} MB resident"),
    ]
    for label, text in rows:
        facts.add_row(label, text)

    latency = Table(box=None, padding=(0, 2), header_style="dim")
    latency.add_column("latency, µs")
    for head in ("p50", "p99", "p99.9", "max"):
        latency.add_column(head, justify="right")
    for name in LATENCIES:
        found: Quantiles = getattr(report.latency_ns, name)
        values = (found.p50, found.p99, found.p999, found.max)
        latency.add_row(name.replace("_", " "), *map(_microseconds, values))
    console.print(facts)
    console.print(latency)
    for line in _naked_lines(report.naked_leg_ms) + _incident_lines(report):
        console.print(line, markup=False, soft_wrap=True)
