"""How plots look: two grounds, colours that tell apart without red and green, axes with units.

matplotlib is imported on first use and pyplot never: a plot is a figure of its own, drawn by Agg,
that a notebook shows and `savefig` writes; no window system is asked for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from arbitrage.errors import ConfigError
from arbitrage.research.extras import needed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "BUY_BYBIT",
    "BUY_OKX",
    "FUNDING",
    "GOOD",
    "LOSS",
    "MUTED",
    "Chart",
    "panels",
    "set_theme",
    "styled",
    "theme",
    "themed",
    "time_axis",
    "times",
]

Chart = Any  # a matplotlib Figure that shows itself in a notebook

# Each is 3:1 and more on white and on the dark ground, and told apart by its lightness, too.
BUY_BYBIT = "#1f7ac4"  # blue: bought at Bybit, sold at OKX; and what has no direction
BUY_OKX = "#d0650f"  # orange: the other way
FUNDING = "#9a62a8"  # purple
GOOD = "#158a6c"  # blue-green
LOSS = "#cf4f16"  # vermilion
MUTED = "#7b8794"
SYMBOLS = (BUY_BYBIT, BUY_OKX, GOOD, FUNDING, "#8a7420", MUTED)

THEMES = {
    "light": {"ground": "#ffffff", "text": "#15202b", "quiet": "#4d5b69", "line": "#d3dae1"},
    "dark": {"ground": "#131b24", "text": "#e4ebf2", "quiet": "#9fb0c0", "line": "#33424f"},
    # names of a page's own colours stand for them once it is drawn, see tear_sheet.py
    "page": {"ground": "none", "text": "#010203", "quiet": "#020304", "line": "#030405"},
}
_theme = "light"
_width_in: float | None = None  # of every new figure; None: its own

P = ParamSpec("P")


def set_theme(name: str) -> None:
    """Draw plots on a ``light`` (the default) or ``dark`` ground from now on."""
    global _theme
    if name not in ("light", "dark"):
        raise ConfigError(f"theme was {name!r}; accepted are light and dark")
    _theme = name


def theme(colour: str) -> str:
    """Return ``ground``, ``text``, ``quiet`` or ``line`` of the present theme."""
    return THEMES[_theme][colour]


@contextmanager
def themed(name: str, width_in: float | None = None) -> Iterator[None]:
    """Draw in a theme for a while, and in figures of this width."""
    global _theme, _width_in
    before = _theme, _width_in
    _theme, _width_in = name, width_in
    try:
        yield
    finally:
        _theme, _width_in = before


def styled(plot: Callable[P, Chart]) -> Callable[P, Chart]:
    """Give a plot the present theme while it draws, whatever the user's own settings are."""

    @wraps(plot)
    def within(*args: P.args, **kwargs: P.kwargs) -> Chart:
        matplotlib = needed("matplotlib", "research", "plots")
        with matplotlib.rc_context(_settings()):
            return plot(*args, **kwargs)

    return within


def _settings() -> dict[str, Any]:
    look = THEMES[_theme]
    return {
        "font.family": ["sans-serif"],
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9.5,
        "text.color": look["text"],
        "axes.labelcolor": look["quiet"],
        "axes.labelsize": 9,
        "axes.edgecolor": look["line"],
        "axes.facecolor": "none",
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 10,
        "axes.titlecolor": look["text"],
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": look["line"],
        "grid.linewidth": 0.7,
        "xtick.color": look["line"],
        "ytick.color": look["line"],
        "xtick.labelcolor": look["quiet"],
        "ytick.labelcolor": look["quiet"],
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "ytick.major.size": 0,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "figure.facecolor": look["ground"],
        "figure.edgecolor": look["ground"],
        "lines.linewidth": 1.4,
        "lines.solid_capstyle": "round",
        "svg.fonttype": "none",
    }


@cache
def _chart_class() -> type:
    from_figure = needed("matplotlib.figure", "research", "plots").Figure

    class NotebookFigure(from_figure):  # type: ignore[misc, valid-type]
        """A figure without pyplot, which a notebook shows when it is the last value of a cell."""

        def _repr_png_(self) -> bytes:
            from io import BytesIO

            out = BytesIO()
            self.savefig(out, format="png", dpi=144)
            return out.getvalue()

    return NotebookFigure


def panels(
    rows: int = 1,
    columns: int = 1,
    size: tuple[float, float] = (9.0, 3.6),
    **layout: Any,
) -> tuple[Chart, Any]:
    """Return a new figure and its axes, as `subplots` does."""
    wide, high = size
    figure = _chart_class()(figsize=(_width_in or wide, high), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
    return figure, figure.subplots(rows, columns, **layout)


def times(ns: "ArrayLike") -> "NDArray[np.datetime64]":
    """Return UTC nanoseconds as what matplotlib takes for times."""
    return np.asarray(ns, np.int64).astype("M8[ns]")


def time_axis(ax: Any, ns: "ArrayLike") -> None:
    """Label the axis as UTC, in as few words as the stretch of time asks for."""
    dates = needed("matplotlib.dates", "research", "plots")
    values = np.asarray(ns, np.int64)
    if len(values) and values[-1] > values[0]:
        ax.set_xlim(*times([values[0], values[-1]]))
    locator = dates.AutoDateLocator(minticks=4, maxticks=9)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    ax.set_xlabel("UTC")
