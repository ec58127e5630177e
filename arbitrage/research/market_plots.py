"""Plots of what the market offered: spreads, opportunities, and what a latency leaves of them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from arbitrage.core.records import OPPORTUNITY_DTYPE, Leg
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.research import measures
from arbitrage.research.figures import duration, rough_usd, share
from arbitrage.research.plot_style import (
    BUY_BYBIT,
    BUY_OKX,
    GOOD,
    MUTED,
    SYMBOLS,
    Chart,
    panels,
    styled,
    theme,
    time_axis,
    times,
)
from arbitrage.research.results import Backtest, by_latency_us
from arbitrage.research.spreads import Spreads, spreads_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["latency", "opportunities", "spread"]

WAYS = ((0, 1, BUY_BYBIT), (1, 0, BUY_OKX))  # buy venue, sell venue, colour
POINTS_MAX = 20_000  # of a scatter; more are thinned out evenly
VENUE_WORDS = {"bybit": "Bybit", "okx": "OKX"}


def way(buy: int, sell: int) -> str:
    """Return a direction in words."""
    names = [VENUE_WORDS.get(VENUES[each], VENUES[each]) for each in (buy, sell)]
    return f"buy {names[0]}, sell {names[1]}"


class _Found:
    """Events of a backtest, a replay or an array, with what is known of their symbols."""

    def __init__(self, source: Any) -> None:
        self.symbols: tuple[str, ...] = tuple(getattr(source, "symbols", ()))
        self.px_mult = getattr(source, "px_mult", None)
        self.end_ns = getattr(source, "end_ns", None)
        if isinstance(source, Backtest):
            self.events, self.lives = source.opportunities, source.lives
            return
        self.events = source if isinstance(source, np.ndarray) else source.events
        if self.events.dtype != OPPORTUNITY_DTYPE:
            raise ConfigError("a plot of opportunities takes a backtest, a replay or its events")
        self.lives = measures.lives_of(self.events, self.px_mult, self.end_ns)

    def name(self, symbol: int) -> str:
        return self.symbols[symbol] if symbol < len(self.symbols) else f"symbol {symbol}"


def _threshold(events: "NDArray[np.void]", symbol: int, buy: int, min_net_bps: float) -> float:
    """Return the gross edge at which this way opens: its costs, as they were, and the minimum."""
    mine = events[
        (events["symbol_index"] == symbol) & ((events["buy_row"] > events["sell_row"]) == buy)
    ]
    if not len(mine):
        return float("nan")
    costs = mine["fees_bps"] + np.nan_to_num(mine["slippage_bps"]) - mine["funding_bps"]
    return float(np.median(costs)) + min_net_bps


@styled
def spread(
    source: Any,
    symbol: str | None = None,
    *,
    data: Any = None,
    threshold_bps: float | None = None,
    ax: Any = None,
) -> Chart:
    """Plot the gross edge of both directions over time, and where it pays.

    The line is what stood at the end of each stretch of time, the band all that it touched in
    between. The dashed line is the gross edge that a pair has to bring to be opened.

    Parameters
    ----------
    source : Backtest, MarketData, Replay or Spreads
        A backtest's entries and exits are marked, too.
    symbol : str, optional
        Canonical; default: the first.
    data : MarketData, optional
        The data of a backtest, where it is at hand; else it is opened again.
    threshold_bps : float, optional
        The dashed line. Default: costs of the opportunities found plus ``min_net_bps``.
    ax : Axes, optional
        Draw here instead of in a new figure.

    Returns
    -------
    Figure
    """
    where = _spreads(source, symbol, data)
    figure, ax = (ax.figure, ax) if ax is not None else panels(size=(9.0, 3.8))
    ends = [where.ns[0], where.ns[-1] + where.step_ns]
    for buy, sell, colour in WAYS:
        at = times(where.ns + where.step_ns // 2)
        ax.fill_between(
            at, where.low[buy], where.high[buy], color=colour, alpha=0.28, lw=0, step="mid"
        )
        ax.plot(at, where.last[buy], color=colour, lw=0.9, label=way(buy, sell))
    levels = _levels(source, where.symbol, threshold_bps)
    for level, colour, name in levels:
        ax.axhline(level, color=colour, lw=1.1, ls=(0, (5, 3)), label=name)
    if isinstance(source, Backtest):
        _mark_trades(ax, source, where)
    ax.axhline(0, color=theme("line"), lw=0.8)
    ax.set_ylabel("gross edge, bps")
    ax.set_title(f"Spread of {where.symbol}")
    time_axis(ax, ends)
    ax.margins(y=0.08)
    ax.legend(ncols=5, loc="lower left", bbox_to_anchor=(0.0, -0.31), borderaxespad=0)
    return figure


def _spreads(source: Any, symbol: str | None, data: Any) -> Spreads:
    if isinstance(source, Spreads):
        return source
    if isinstance(source, Backtest):
        return spreads_of(source.data() if data is None else data, symbol)
    return spreads_of(source, symbol)


def _levels(source: Any, symbol: str, given: float | None) -> list[tuple[float, str, str]]:
    if given is not None:
        return [(given, theme("quiet"), f"pays from {given:.1f} bps")]
    events = getattr(source, "events", getattr(source, "opportunities", None))
    if events is None or not isinstance(events, np.ndarray):
        return []
    least = float(getattr(source, "config", {}).get("min_net_bps", 0.0) or 0.0)
    index = source.symbols.index(symbol)
    found = [_threshold(events, index, buy, least) for buy, _, _ in WAYS]
    if not np.isfinite(found).any():
        return []
    if np.nanmax(found) - np.nanmin(found) < 0.05:  # one line says it for both ways
        level = float(np.nanmax(found))
        return [(level, theme("quiet"), f"opens from {level:.1f} bps")]
    return [
        (level, colour, f"opens from {level:.1f} bps")
        for level, (_, _, colour) in zip(found, WAYS, strict=True)
        if np.isfinite(level)
    ]


def _mark_trades(ax: Any, found: Backtest, where: Spreads) -> None:
    """Mark where pairs were entered and left, on the edge of their own direction."""
    pairs = found.pairs[found.pairs["symbol"] == found.symbols.index(where.symbol)]
    for buy, _, colour in WAYS:
        mine = pairs[pairs["buy_venue"] == buy]
        for field, edge, marker, name in (
            ("opening_ns", where.high[buy], "^", "entry"),
            ("closed_ns", where.last[buy], "v", "exit"),
        ):
            at = mine[field][mine[field] > 0]
            if not len(at):
                continue
            place = np.clip((at - where.ns[0]) // max(1, where.step_ns), 0, len(where.ns) - 1)
            ax.plot(
                times(at), edge[place], marker, color=colour, ms=5 if len(pairs) < 150 else 2.5,
                mec=theme("text"), mew=0.6 if len(pairs) < 150 else 0.2, ls="none",
                label=f"{name}" if buy == 0 else None,
            )  # fmt: skip


@styled
def opportunities(source: Any) -> Chart:
    """Plot how long opportunities lived, and how wide they were against what was there.

    Parameters
    ----------
    source : Backtest, Replay or structured array of OPPORTUNITY_DTYPE
        Without contracts (a replay's) no size is known, and the time of opening takes its place.

    Returns
    -------
    Figure
    """
    found = _Found(source)
    lives = found.lives
    figure, (left, right) = panels(1, 2, size=(9.0, 3.6))
    left.set_title(f"How long they lived ({len(lives):,})")
    right.set_title("How wide they were")
    if not len(lives):
        for ax in (left, right):
            nothing(ax, "no opportunity")
        return figure
    lived_s = np.maximum((lives["close_ns"] - lives["open_ns"]) / 1e9, 1e-6)
    low, high = np.floor(np.log10(lived_s.min())), np.ceil(np.log10(lived_s.max()) + 1e-9)
    edges = np.logspace(low, max(high, low + 1), round(max(high - low, 1)) * 8 + 1)
    ways = [lived_s[lives["buy_venue"] == buy] for buy, _, _ in WAYS]
    left.hist(
        ways, edges, stacked=True, color=[colour for _, _, colour in WAYS],
        label=[way(buy, sell) for buy, sell, _ in WAYS],
    )  # fmt: skip
    left.margins(y=0.16)
    middle = float(np.median(lived_s))
    left.axvline(middle, color=theme("text"), lw=1, ls=(0, (5, 3)))
    left.annotate(
        f"median {duration(middle)}", (middle, 0.97), (5, 0), va="top", fontsize=8.5,
        xycoords=left.get_xaxis_transform(), textcoords="offset points",
    )  # fmt: skip
    duration_axis(left)
    left.set_xlabel("life")
    left.set_ylabel("opportunities")
    left.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2, borderaxespad=0)
    _scatter(right, found)
    return figure


def _scatter(ax: Any, found: _Found) -> None:
    lives = found.lives
    lives = lives[:: -(-len(lives) // POINTS_MAX)]
    knows_size = bool(np.isfinite(lives["size_usd"]).any())
    across = lives["size_usd"] if knows_size else times(lives["open_ns"])
    for place, symbol in enumerate(np.unique(lives["symbol"]).tolist()):
        mine = lives["symbol"] == symbol
        ax.plot(
            across[mine], lives["open_net_bps"][mine], "o", ms=3.6, mew=0, alpha=0.75,
            color=SYMBOLS[place % len(SYMBOLS)], label=found.name(symbol), rasterized=True,
        )  # fmt: skip
    ax.set_ylabel("net edge when it opened, bps")
    if knows_size:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(lambda value, _: rough_usd(value))
        ax.xaxis.set_minor_formatter(lambda value, _: "")
        ax.set_xlabel("size at the touch, USD")
    else:
        time_axis(ax, [lives["open_ns"].min(), lives["close_ns"].max()])
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(0, -0.2),
        ncols=4,
        borderaxespad=0,
        handletextpad=0.1,
        markerscale=1.8,
    )


@styled
def latency(source: Any, latencies_us: Any = None) -> Chart:
    """Plot what is left of the opportunities after a latency, from receipt to match.

    Above, how many still stand, and how much of their edge in USD; below, how wide those are that
    still stand. A backtest's own latencies are marked.

    Parameters
    ----------
    source : Backtest, Replay or structured array of OPPORTUNITY_DTYPE
        A replay knows no sizes, hence no edge in USD.
    latencies_us : array of float, optional
        Microseconds; default: from 1 us to a second.

    Returns
    -------
    Figure
    """
    found = _Found(source)
    figure, (above, below) = panels(2, 1, size=(9.0, 4.6), sharex=True, height_ratios=(3, 2))
    above.set_title("What a latency leaves of the opportunities")
    if not len(found.events):
        nothing(above, "no opportunity")
        nothing(below, "")
        return figure
    waits = by_latency_us()[1:] if latencies_us is None else np.asarray(latencies_us, np.float64)
    rows = measures.caught(found.events, waits, found.px_mult, found.end_ns)
    seconds = rows["latency_us"] / 1e6
    above.plot(seconds, rows["share"], color=BUY_BYBIT, label="of the opportunities")
    start = measures.caught(found.events, [0.0], found.px_mult, found.end_ns)["edge_usd"][0]
    most = 0.0
    if np.isfinite(start) and start > 0:
        left = rows["edge_usd"] / start
        most = float(left.max())
        label = f"of the edge, {rough_usd(float(start))} USD at once"
        above.plot(seconds, left, color=BUY_OKX, ls=(0, (6, 2)), label=label)
    above.yaxis.set_major_formatter(lambda value, _: share(value))
    above.set_ylim(0, max(1.06, 1.05 * float(rows["share"].max()), 1.05 * most))
    above.set_ylabel("still there")
    below.plot(seconds, rows["net_bps"], color=GOOD)
    below.set_ylabel("mean net edge\nof those, bps")
    below.set_ylim(bottom=min(0.0, float(np.nanmin(rows["net_bps"], initial=0.0))))
    below.set_xscale("log")
    duration_axis(below)
    below.set_xlabel("latency, receipt of the quote to match at the venue")
    if isinstance(source, Backtest):
        _mark_own(above, below, source)
    above.legend(loc="lower left")
    return figure


def _mark_own(above: Any, below: Any, found: Backtest) -> None:
    """Mark how long this run's own entries took to the match, from the receipt of their quote."""
    orders = found.orders
    entries = orders[(orders["leg"] <= Leg.ENTRY_SELL) & (orders["arrived_ns"] > 0)]
    took = (entries["arrived_ns"] - entries["sent_ns"]) / 1e9
    if not len(took) or np.median(took) <= 0:
        return
    middle = float(np.median(took))
    for ax in (above, below):
        ax.axvline(middle, color=MUTED, lw=1, ls=(0, (2, 2)))
    above.annotate(
        f"this run: {duration(middle)}", (middle, 0.5), (5, 0), va="center", fontsize=8.5,
        xycoords=above.get_xaxis_transform(), textcoords="offset points",
    )  # fmt: skip


def duration_axis(ax: Any) -> None:
    """Count seconds in units that fit, on a logarithmic axis."""
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda value, _: duration(value))
    ax.xaxis.set_minor_formatter(lambda value, _: "")


def nothing(ax: Any, text: str) -> None:
    """Say that there is nothing to draw."""
    ax.set_axis_off()
    ax.set_title(ax.get_title(loc="left"))
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes, color=theme("quiet"))
