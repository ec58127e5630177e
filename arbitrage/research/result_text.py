"""A backtest in a line, in a page of text, and as a part of a notebook."""

from collections.abc import Sequence
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from arbitrage.core.strategy import EXIT_REASONS, PAIR_KINDS
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.research.figures import bps, duration, rough_usd, share, usd, utc
from arbitrage.research.result_words import run_rows
from arbitrage.wording import counted, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from arbitrage.research.results import Backtest

__all__ = [
    "GROUPINGS",
    "as_html",
    "as_text",
    "grouping",
    "one_line",
    "spark_line",
    "summary_rows",
    "symbols_of",
]

GROUPINGS = ("total", "symbol", "direction", "kind", "reason", "day", "pair")
LATENCIES_US = (0, 100, 1_000, 10_000, 100_000)
SYMBOLS_NAMED = 4
DAY_NS = 86_400_000_000_000


def grouping(found: "Backtest", by: str) -> "tuple[NDArray[Any], Sequence[str] | None]":
    """Return a key for each pair, and the names of the keys where these are numbers."""
    pairs = found.pairs
    if by == "total":
        return np.zeros(len(pairs), np.intp), ["total"]
    if by == "symbol":
        return pairs["symbol"], found.symbols
    if by == "direction":
        names = [f"{buy} > {sell}" for buy in VENUES for sell in VENUES]
        return pairs["buy_venue"] * len(VENUES) + pairs["sell_venue"], names
    if by == "kind":
        return pairs["kind"], PAIR_KINDS
    if by == "reason":
        return pairs["reason"], EXIT_REASONS
    if by == "day":
        return (pairs["opening_ns"] // DAY_NS).astype("M8[D]").astype("U10"), None
    if by == "pair":
        return pairs["pair"], None
    raise ConfigError(f"costs by {by!r}; accepted are {', '.join(GROUPINGS)}")


def symbols_of(found: "Backtest") -> str:
    """Return the symbols in words, of many the first ones and how many more."""
    names = list(found.symbols)
    if len(names) > SYMBOLS_NAMED:
        rest = len(names) - SYMBOLS_NAMED + 1
        return ", ".join([*names[: SYMBOLS_NAMED - 1], f"{rest} more"])
    return listed(names) if names else "no symbol"


def one_line(found: "Backtest") -> str:
    """Return it as `repr` shows it."""
    net = found.equity["equity_usd"][-1] if len(found.equity) else 0.0
    span_s = (found.end_ns - found.start_ns) / 1e9
    return (
        f"Backtest({found.strategy} over {duration(span_s)} of {symbols_of(found)}: "
        f"{usd(float(net), signed=True)} USD in {counted(len(found.pairs), 'pair')}, "
        f"{len(found.lives):,} opportunities)"
    )


def heading(found: "Backtest") -> str:
    """Return strategy, symbols and time."""
    span_s = (found.end_ns - found.start_ns) / 1e9
    begin, end = utc(found.start_ns, "seconds"), utc(found.end_ns, "seconds")
    return f"{found.strategy} over {symbols_of(found)}, {begin} to {end} ({duration(span_s)})"


def summary_rows(found: "Backtest") -> list[tuple[str, str, str]]:
    """Return (what, its figure, what to know of it), the most important first."""
    of = found.summary()
    outcomes = ", ".join(
        f"{of[f'orders_{name}']:,} {name.replace('_', ' ')}"
        for name in ("filled", "partial", "missed", "rejected", "under_way")
        if of[f"orders_{name}"] or name == "filled"
    )
    pairs = [f"{share(of['won_share'])} of them won"] if of["won_share"] is not None else []
    pairs += [f"held {duration(of['hold_s_p50'])} (median)"] if of["hold_s_p50"] is not None else []
    pairs += [f"{of['pairs_open']:,} still open"] if of["pairs_open"] else []
    naked = "no leg stood alone"
    if of["naked_pairs"]:
        naked = (
            f"pairs with a leg alone, median {duration(of['naked_ms_p50'] / 1e3)}, "
            f"longest {duration(of['naked_ms_max'] / 1e3)}"
        )
    rows = [
        (
            "net",
            f"{usd(of['net_usd'], signed=True)} USD",
            f"{bps(of['net_bps_of_volume'])} bps of {rough_usd(of['volume_usd'])} USD traded",
        ),
        ("  gross", usd(of["gross_usd"], signed=True), "at the touch each order was decided on"),
        ("  slippage", usd(of["slippage_usd"], signed=True), "what later and deeper fills cost"),
        ("  fees", usd(of["fees_usd"], signed=True), ""),
        ("  funding", usd(of["funding_usd"], signed=True), ""),
        ("drawdown", usd(of["max_drawdown_usd"]), "USD below the highest equity, at worst"),
        (
            "exposure",
            usd(of["exposure_usd_max"]),
            f"USD at most, both legs; {rough_usd(of['exposure_usd_mean'])} on average over time",
        ),
        ("pairs", f"{of['pairs']:,}", ", ".join(pairs)),
        ("orders", f"{of['orders']:,}", outcomes),
        ("naked", f"{of['naked_pairs']:,}", naked),
        ("opportunities", f"{of['opportunities']:,}", _opportunities(of)),
    ]
    for step in ("hourly", "daily"):
        if of[f"sharpe_{step}"] is not None:
            about = f"a year's, of {step} results"
            rows.insert(6, ("sharpe", f"{of[f'sharpe_{step}']:.2f}", about))
    if of["opportunities"]:
        rows.append(("  widest", f"{bps(of['opportunity_net_bps_max'])} bps", "net when it opened"))
        caught = found.caught(LATENCIES_US)
        text = ", ".join(
            f"{share(float(row['share']))} after {duration(float(row['latency_us']) / 1e6)}"
            for row in caught[1:]
        )
        rows.append(("  still there", "", text))
    return rows


def _opportunities(of: dict[str, Any]) -> str:
    if not of["opportunities"]:
        return ""
    size = of["opportunity_size_usd_p50"]
    return (
        f"lived {duration(of['opportunity_life_ms_p50'] / 1e3)}, opened at "
        f"{bps(of['opportunity_net_bps_p50'])} bps net"
        + (f" for {rough_usd(size)} USD" if size is not None else "")
        + " (medians)"
    )


def as_text(found: "Backtest") -> str:
    """Return it as `print` shows it, within 100 columns for usual figures."""
    rows = summary_rows(found)
    width = max(len(figure) for _, figure, _ in rows)
    lines = [f"{name:<14} {figure:>{width}}  {about}".rstrip() for name, figure, about in rows]
    for name, text in run_rows(found):
        lines += wrap(f"{name:<14} {text}", 99, subsequent_indent=" " * 15, break_on_hyphens=False)
    return "\n".join([heading(found), "", *lines])


def spark_line(values: "NDArray[np.float64]", width: int = 220, height: int = 44) -> str:
    """Return a line through the values as a small SVG that takes its colour from its place."""
    if len(values) < 2:
        return ""
    places = np.unique(np.linspace(0, len(values) - 1, min(len(values), width)).astype(int))
    levels = np.r_[0.0, values[places]]
    low, high = float(levels.min()), float(levels.max())
    scale = (height - 4) / (high - low) if high > low else 0.0
    down = 2 + (high - levels) * scale
    across = np.linspace(1, width - 1, len(levels))
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
    zero = 2 + (high - 0.0) * scale
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="equity over time">'
        f'<line x1="0" x2="{width}" y1="{zero:.1f}" y2="{zero:.1f}" stroke="currentColor" '
        'stroke-opacity="0.25" stroke-dasharray="2 3"/>'
        f'<polyline points="{points}" fill="none" stroke="#2f7fd6" stroke-width="1.6"/></svg>'
    )


def as_html(found: "Backtest") -> str:
    """Return it as a notebook shows it: colours of the notebook, nothing loaded."""
    right = "text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap"
    rows = "".join(
        f'<tr style="background:none"><th scope="row" style="text-align:left;font-weight:'
        f"{400 if name.startswith(' ') else 600};padding:1px 12px 1px "
        f'{14 if name.startswith(" ") else 0}px">{escape(name.strip())}</th>'
        f'<td style="{right};padding:1px 12px 1px 0">{escape(figure)}</td>'
        f'<td style="text-align:left;opacity:.75;padding:1px 0">{escape(about)}</td></tr>'
        for name, figure, about in summary_rows(found)
    )
    return (
        '<div style="font-size:13px;line-height:1.45">'
        f'<div style="font-weight:600;margin-bottom:4px">Backtest: {escape(heading(found))}</div>'
        f"<div>{spark_line(found.equity['equity_usd'])}</div>"
        f'<table style="border-collapse:collapse;border:0">{rows}</table>'
        + "".join(
            f'<div><span style="font-weight:600">{escape(name)}</span> {escape(text)}</div>'
            for name, text in run_rows(found)
        )
        + "</div>"
    )
