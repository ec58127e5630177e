"""Plots of what a backtest made of it: equity, costs, and what became of the expected edge."""

from typing import Any

import numpy as np

from arbitrage.research import measures
from arbitrage.research.figures import rough_usd, share, usd
from arbitrage.research.market_plots import nothing
from arbitrage.research.plot_style import (
    BUY_BYBIT,
    BUY_OKX,
    FUNDING,
    GOOD,
    LOSS,
    MUTED,
    Chart,
    panels,
    styled,
    theme,
    time_axis,
    times,
)
from arbitrage.research.results import Backtest

__all__ = ["costs", "equity", "expectation"]

POINTS_MAX = 4000  # of a line: each stretch keeps its least and its greatest value
GROUPS_MAX = 14
STEPS = (
    ("gross_usd", "gross", BUY_BYBIT),
    ("slippage_usd", "slippage", BUY_OKX),
    ("fees_usd", "fees", MUTED),
    ("funding_usd", "funding", FUNDING),
)


@styled
def equity(found: Backtest) -> Chart:
    """Plot what was won over time, how far below its best it lay, and how much was at stake.

    Parameters
    ----------
    found : Backtest
        Its `equity`.

    Returns
    -------
    Figure
    """
    figure, (top, middle, low) = panels(3, 1, size=(9.0, 5.4), sharex=True, height_ratios=(5, 2, 2))
    rows = found.equity
    top.set_title("Equity")
    if not len(rows):
        for ax in (top, middle, low):
            nothing(ax, "nothing was traded" if ax is top else "")
        return figure
    ends = [found.start_ns, max(found.end_ns, int(rows["ns"][-1]))]
    ns = np.r_[ends[0], rows["ns"], ends[1]]
    level = _held(rows["equity_usd"])
    before_costs = _held(rows["realised_usd"] + rows["unrealised_usd"])
    at, kept = _thinned(ns, before_costs)
    top.plot(
        at,
        kept,
        color=MUTED,
        lw=1,
        ls=(0, (5, 2)),
        drawstyle="steps-post",
        label=f"before fees and funding, {usd(float(before_costs[-1]), signed=True)} USD",
    )
    at, kept = _thinned(ns, level)
    top.plot(at, kept, color=BUY_BYBIT, lw=1.7, drawstyle="steps-post",
             label=f"equity, {usd(float(level[-1]), signed=True)} USD")  # fmt: skip
    top.axhline(0, color=theme("line"), lw=1)
    top.set_ylabel("USD since the start")
    top.legend(loc="upper left")
    under = measures.drawdown(level)
    at, kept = _thinned(ns, under)
    middle.fill_between(at, kept, 0, color=LOSS, alpha=0.75, lw=0, step="post")
    worst = int(np.argmin(under))
    middle.annotate(
        usd(float(under[worst])), (times(ns[worst]), under[worst]), (6, 3),
        textcoords="offset points", fontsize=8.5,
    )  # fmt: skip
    middle.set_ylabel("drawdown,\nUSD")
    at, kept = _thinned(ns, _held(rows["exposure_usd"]))
    low.fill_between(at, 0, kept, color=GOOD, alpha=0.55, lw=0, step="post", label="both legs")
    at, kept = _thinned(ns, _held(np.abs(rows["one_sided_usd"])))
    low.fill_between(at, 0, kept, color=LOSS, lw=0, step="post", label="one-sided")
    low.yaxis.set_major_formatter(lambda value, _: rough_usd(value) if value else "0")
    low.set_ylabel("exposure,\nUSD")
    low.legend(loc="upper left", ncols=2)
    low.set_ylim(top=max(1.0, float(rows["exposure_usd"].max()) * 1.35))
    time_axis(low, ends)
    return figure


def _held(values: Any) -> Any:
    """Return the values from the start, where nothing was, to the end, where the last one holds."""
    return np.r_[0.0, values, values[-1]]


def _thinned(ns: Any, values: Any) -> tuple[Any, Any]:
    """Return a line of few points that touches every extreme the whole one touches."""
    if len(values) > POINTS_MAX:
        stretch = -(-len(values) // (POINTS_MAX // 2))
        begin = np.arange(0, len(values), stretch)
        keep = []
        for first in begin.tolist():
            part = values[first : first + stretch]
            keep += [first + int(np.argmin(part)), first + int(np.argmax(part))]
        places = np.unique([0, *keep, len(values) - 1])
        ns, values = ns[places], values[places]
    return times(ns), values


@styled
def costs(found: Backtest, by: str = "total", *, ax: Any = None) -> Chart:
    """Plot what the pairs earned and what of it slippage, fees and funding took.

    Parameters
    ----------
    found : Backtest
        Its pairs.
    by : str
        ``total``: from gross to net, step by step. ``symbol``, ``direction``, ``kind``,
        ``reason``, ``day`` or ``pair``: a bar each, the 14 largest; the diamond is the net.
    ax : Axes, optional
        Draw here instead of in a new figure.

    Returns
    -------
    Figure
    """
    groups = found.costs(by)
    tall = 3.4 if by == "total" else 1.9 + 0.36 * min(len(groups) or 1, GROUPS_MAX)
    figure, ax = (ax.figure, ax) if ax is not None else panels(size=(9.0, max(tall, 2.4)))
    ax.set_title("From gross to net" if by == "total" else f"Profit and costs by {by}")
    if not groups:
        nothing(ax, "no pair")
    elif by == "total":
        _waterfall(ax, groups["total"])
    else:
        _bars(ax, groups)
    return figure


def _waterfall(ax: Any, total: dict[str, float]) -> None:
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", visible=True)
    steps = [*STEPS, ("net_usd", "net", GOOD if total["net_usd"] >= 0 else LOSS)]
    reach = max(abs(total[name]) for name, _, _ in steps) or 1.0
    level = 0.0
    for place, (name, _, colour) in enumerate(steps):
        amount = total[name]
        begin = 0.0 if name == "net_usd" else level
        ax.barh(place, amount, left=begin, color=colour, height=0.62)
        end = begin + amount
        edge = max(begin, end)
        ax.annotate(
            usd(amount, signed=True), (edge, place), (5, 0), va="center", fontsize=9,
            textcoords="offset points",
        )  # fmt: skip
        if name != "net_usd":
            level = end
            ax.plot([level, level], [place + 0.31, place + 0.69], color=theme("quiet"), lw=0.8)
    ax.set_yticks(range(len(steps)), [label for _, label, _ in steps])
    ax.tick_params(axis="y", labelsize=9.5, labelcolor=theme("text"))
    ax.invert_yaxis()
    low = min(0.0, total["net_usd"], level)
    ax.set_xlim(low * 1.15 if low < 0 else 0.0, None)
    ax.margins(x=0.14)
    ax.axvline(0, color=theme("quiet"), lw=0.8)
    ax.set_xlabel(f"USD, {total['pairs']:,} pairs")
    ax.set_xlim(right=max(ax.get_xlim()[1], reach * 1.18))


def _bars(ax: Any, groups: dict[Any, dict[str, float]]) -> None:
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", visible=True)
    names = sorted(groups, key=lambda name: -abs(groups[name]["net_usd"]))[:GROUPS_MAX]
    names = [name for name in groups if name in names]  # in their own order
    for place, name in enumerate(names):
        plus = minus = 0.0
        for field, label, colour in STEPS:
            amount = groups[name][field]
            begin = plus if amount >= 0 else minus
            ax.barh(
                place, amount, left=begin, color=colour, height=0.6,
                label=label if place == 0 else None,
            )  # fmt: skip
            plus, minus = plus + max(amount, 0.0), minus + min(amount, 0.0)
        net = groups[name]["net_usd"]
        ax.plot(
            net, place, "D", ms=6, color=theme("text"), mec=theme("line"), ls="none",
            label="net" if place == 0 else None,
        )  # fmt: skip
        ax.annotate(
            usd(net, signed=True), (plus, place), (6, 0), va="center", fontsize=8.5,
            textcoords="offset points",
        )  # fmt: skip
    labels = [f"{name} ({groups[name]['pairs']:,})" for name in names]
    ax.set_yticks(range(len(names)), labels)
    ax.tick_params(axis="y", labelsize=9, labelcolor=theme("text"))
    ax.invert_yaxis()
    ax.axvline(0, color=theme("quiet"), lw=0.8)
    ax.margins(x=0.12)
    ax.set_xlabel("USD (in brackets: pairs)")
    ax.legend(
        ncols=5, loc="upper left", bbox_to_anchor=(0.0, -0.55 / len(names) - 0.1),
        borderaxespad=0, columnspacing=1.2, handlelength=1.4,
    )  # fmt: skip


@styled
def expectation(found: Backtest) -> Chart:
    """Plot what each pair was opened for against what it brought, both net.

    On the diagonal a pair brought what was expected. Points below it lost edge to slippage, to the
    exit or to a leg that stood alone.

    Parameters
    ----------
    found : Backtest
        Its pairs that are over and were opened on an edge.

    Returns
    -------
    Figure
    """
    figure, (left, right) = panels(1, 2, size=(9.0, 3.8))
    left.set_title("Expected and realised, each pair")
    right.set_title("Net result of the pairs")
    pairs = found.closed
    pairs = pairs[np.isfinite(pairs["expected_net_bps"]) & (pairs["base_qty"] > 0)]
    value = _entry_usd(found, pairs)
    pairs, value = pairs[value > 0], value[value > 0]
    if not len(pairs):
        for ax in (left, right):
            nothing(ax, "no pair that was opened on an edge and is over")
        return figure
    realised = pairs["net_usd"] / value * 1e4
    expected = pairs["expected_net_bps"]
    for lost, colour, marker, label in (
        (False, GOOD, "o", "won"),
        (True, LOSS, "X", "lost"),
    ):
        mine = (pairs["net_usd"] <= 0) == lost
        left.plot(
            expected[mine], realised[mine], marker, color=colour, ms=4.5, mew=0, alpha=0.75,
            ls="none", label=f"{label}, {share(float(mine.mean()))}", rasterized=len(pairs) > 2000,
        )  # fmt: skip
    low, high = min(expected.min(), 0.0), max(expected.max(), 0.0)
    left.plot([low, high], [low, high], color=theme("quiet"), lw=0.9, ls=(0, (5, 3)))
    left.axhline(0, color=theme("quiet"), lw=0.8)
    left.set_xlabel("expected when it was opened, bps")
    left.set_ylabel("realised, bps of its value")
    left.legend(loc="upper left", ncols=2, bbox_to_anchor=(0, -0.2), borderaxespad=0)
    edges = np.histogram_bin_edges(realised, bins=min(60, max(10, len(pairs) // 6)))
    step = edges[1] - edges[0]  # moved, so that no bar has both won and lost pairs
    edges = step * np.arange(np.floor(edges[0] / step), np.ceil(edges[-1] / step) + 1)
    lost = realised <= 0
    right.hist([realised[lost], realised[~lost]], edges, stacked=True, color=[LOSS, GOOD])
    right.margins(y=0.16)
    middle = float(np.median(realised))
    right.axvline(middle, color=theme("text"), lw=1, ls=(0, (5, 3)))
    right.annotate(
        f"median {middle:.1f} bps", (middle, 0.97), (5, 0), va="top", fontsize=8.5,
        xycoords=right.get_xaxis_transform(), textcoords="offset points",
    )  # fmt: skip
    right.set_xlabel("realised, bps of its value")
    right.set_ylabel("pairs")
    return figure


def _entry_usd(found: Backtest, pairs: Any) -> Any:
    """Return what the bought leg of each pair cost."""
    fills = found.fills[found.fills["leg"] == 0]
    mult = 1.0 if found.px_mult is None else found.px_mult[fills["venue"], fills["symbol"]]
    value = fills["base_qty"] * fills["px"] * mult
    most = int(max(fills["pair"].max(initial=0), pairs["pair"].max(initial=0))) + 1
    return np.bincount(fills["pair"], value, most)[pairs["pair"]]
