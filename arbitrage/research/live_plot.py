"""A plot of the last seconds of a running trader: both directions' gross edge, and the result."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arbitrage.research.market_plots import WAYS, nothing, way
from arbitrage.research.plot_style import BUY_BYBIT, Chart, panels, styled, theme

__all__ = ["LiveSeries", "draw_live"]


@dataclass
class LiveSeries:
    """What was seen lately, newest last; times in seconds of one monotonic clock.

    Attributes
    ----------
    edges : deque of (time, bps buying at Bybit, bps buying at OKX)
    marks : deque of (time, gross bps, venue it buys at)
        Opportunities that opened.
    result : deque of (time, USD)
        Since the trader's start, all costs taken.
    """

    symbol: str
    seconds: float
    edges: deque[tuple[float, float, float]] = field(default_factory=deque)
    marks: deque[tuple[float, float, int]] = field(default_factory=deque)
    result: deque[tuple[float, float]] = field(default_factory=deque)
    opens_at_bps: float = float("nan")

    def forget(self, now_s: float) -> None:
        """Drop what is older than the plot shows."""
        old: tuple[deque[Any], ...] = (self.edges, self.marks, self.result)
        for points in old:
            while points and points[0][0] < now_s - self.seconds:
                points.popleft()


@styled
def draw_live(series: LiveSeries, now_s: float, title: str) -> Chart:
    """Draw it as it is now; the right edge is now."""
    figure, (above, below) = panels(2, 1, size=(9.0, 4.4), sharex=True, height_ratios=(3, 1.3))
    above.set_title(title)
    edges = np.array(series.edges).reshape(-1, 3)
    if not len(edges):
        nothing(above, f"no quotes of {series.symbol} at both venues yet")
    else:
        ago = edges[:, 0] - now_s
        for buy, sell, colour in WAYS:
            above.plot(ago, edges[:, 1 + buy], color=colour, lw=1.1, label=way(buy, sell),
                       drawstyle="steps-post")  # fmt: skip
        for buy, _, colour in WAYS:
            marks = [(at - now_s, bps) for at, bps, venue in series.marks if venue == buy]
            if marks:
                above.plot(*zip(*marks, strict=True), "o", color=colour, mec=theme("text"),
                           mew=0.6, ms=5)  # fmt: skip
        if np.isfinite(series.opens_at_bps):
            above.axhline(
                series.opens_at_bps, color=theme("quiet"), lw=1, ls=(0, (5, 3)),
                label=f"opens from {series.opens_at_bps:.1f} bps",
            )  # fmt: skip
        above.set_ylabel("gross edge, bps")
        above.legend(ncols=3, loc="upper left")
        low, high = np.nanmin(edges[:, 1:], initial=0.0), np.nanmax(edges[:, 1:], initial=1.0)
        above.set_ylim(low - 0.1 * (high - low), high + 0.35 * (high - low))
    if series.result:
        at, usd = np.array(series.result).T
        below.plot(at - now_s, usd, color=BUY_BYBIT, drawstyle="steps-post")
        below.axhline(0, color=theme("line"), lw=1)
    below.set_ylabel("net, USD")
    below.set_xlabel("seconds ago")
    below.set_xlim(-series.seconds, 0)
    below.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    return figure
