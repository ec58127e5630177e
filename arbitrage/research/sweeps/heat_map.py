"""A map of one figure over two axes of a sweep."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from arbitrage.errors import ConfigError
from arbitrage.research.extras import needed
from arbitrage.research.plot_style import BUY_BYBIT, LOSS, Chart, panels, styled, theme
from arbitrage.research.sweeps.run import ADDITIVE
from arbitrage.research.sweeps.totals import need_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from arbitrage.research.sweeps.axes import Value
    from arbitrage.research.sweeps.table import Sweep

__all__ = ["draw"]

CELLS_LABELLED_MAX = 120
TICKS_MAX = 16
EQUAL_RATIO = 1e-3  # two steps of a log axis differ by no more


@styled
def draw(
    sweep: "Sweep",
    axes: tuple[str | None, str | None],
    value: str,
    over: str,
    totals: "NDArray[np.void]",
    ax: "Axes | None",
) -> Chart:
    """Draw the map; see `Sweep.heat_map`."""
    x, y = _checked(sweep, axes, over)
    need_figure(sweep.table, value, totals)
    across, up = sweep.axes[x], sweep.axes[y]
    cells, runs = _cells(totals, (x, across), (y, up), value, over)
    if ax is None:
        size = (min(14.0, 3.4 + 0.8 * len(across)), min(10.0, 2.2 + 0.55 * len(up)))
        _, ax = panels(size=size)
    assert ax is not None
    ax.grid(False)
    colors: Any = needed("matplotlib.colors", "research", "heat maps")
    # loss and gain on the two sides of the ground, both as far as the larger of them
    reach = float(np.nanmax(np.abs(cells))) if not np.isnan(cells).all() else 0.0
    norm = colors.Normalize(-reach or -1.0, reach or 1.0)
    middle = theme("ground") if theme("ground") != "none" else "#ffffff"
    shades = colors.LinearSegmentedColormap.from_list("signed", [LOSS, middle, BUY_BYBIT])
    image = ax.imshow(cells, cmap=shades, norm=norm, origin="lower", aspect="auto")
    _ticks(ax.xaxis, x, across)
    _ticks(ax.yaxis, y, up)
    _hatch(ax, cells)
    others = [name for name in sweep.axes if name not in (x, y) and len(sweep.axes[name]) > 1]
    ax.set_title(value if not others else f"{value}, {over} over {', '.join(others)}")
    per_run = value in ADDITIVE and np.nanmax(runs, initial=0) > 1
    if cells.size <= CELLS_LABELLED_MAX:
        for (row, column), cell in np.ndenumerate(cells):
            if not math.isnan(cell):
                below = f"\n{cell / runs[row, column]:.3g} a run" if per_run else ""
                _label(ax, (column, row), f"{cell:,.4g}{below}", shades(norm(cell)))
    figure = ax.figure
    bar = figure.colorbar(image, ax=ax, label=f"{value}, all runs" if per_run else value)
    bar.outline.set_visible(False)
    return figure


def _checked(sweep: "Sweep", axes: tuple[str | None, str | None], over: str) -> tuple[str, str]:
    x, y = axes
    names = [name for name, values in sweep.axes.items() if len(values) > 1] or list(sweep.axes)
    names += [name for name in sweep.axes if name not in names]
    x = x or next((name for name in names if name != y), "")
    y = y or next((name for name in names if name != x), "")
    for name in (x, y):
        if name not in sweep.axes:
            listed = ", ".join(sweep.axes) or "none"
            what = f"has no axis {name!r} to draw" if name else "has one axis, a map needs two"
            raise ConfigError(f"the grid {what}; its axes are {listed}")
    if x == y:
        raise ConfigError(f"a map needs two axes; both were {x}")
    if over not in ("mean", "best"):
        raise ConfigError(f"over was {over!r}; accepted values are mean, best")
    return x, y


def _cells(
    totals: "NDArray[np.void]",
    x: "tuple[str, tuple[Value, ...]]",
    y: "tuple[str, tuple[Value, ...]]",
    value: str,
    over: str,
) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Return the cells, and of how many runs a set's figure in each is; nan: none was done."""
    cells = np.full((len(y[1]), len(x[1])), np.nan)
    runs = cells.copy()
    known = totals[~np.isnan(totals[value])]
    for row, vertical in enumerate(y[1]):
        for column, horizontal in enumerate(x[1]):
            here = known[(known[x[0]] == horizontal) & (known[y[0]] == vertical)]
            if len(here):
                cells[row, column] = here[value].mean() if over == "mean" else here[value].max()
                runs[row, column] = (here["runs"] - here["failed"]).mean()
    return cells, runs


def _ticks(axis: Any, name: str, values: "tuple[Value, ...]") -> None:
    """Label the cells, not more of them than can be read; equal ratios are a log axis."""
    step = math.ceil(len(values) / TICKS_MAX)
    places = range(0, len(values), step)
    axis.set_ticks(places, [_short(values[place]) for place in places])
    axis.set_label_text(f"{name} (log)" if _is_log(values) else name)


def _is_log(values: "tuple[Value, ...]") -> bool:
    if len(values) < 3 or not all(
        isinstance(one, int | float) and not isinstance(one, bool) and one > 0 for one in values
    ):
        return False
    ratios = np.diff(np.log(np.asarray(values, np.float64)))
    return bool(np.ptp(ratios) <= EQUAL_RATIO * abs(ratios[0]))


def _hatch(ax: "Axes", cells: "NDArray[np.float64]") -> None:
    """Mark cells without a run."""
    patches: Any = needed("matplotlib.patches", "research", "heat maps")
    empty = np.argwhere(np.isnan(cells))
    for row, column in empty.tolist():
        ax.add_patch(
            patches.Rectangle(
                (column - 0.5, row - 0.5), 1, 1,
                facecolor="none", edgecolor=theme("quiet"), hatch="////", linewidth=0, alpha=0.6,
            )
        )  # fmt: skip
    if len(empty):
        ax.annotate(
            "hatched: no run was done", (1, 1.01), xycoords="axes fraction", ha="right",
            va="bottom", fontsize=8, color=theme("quiet"),
        )  # fmt: skip


def _label(
    ax: "Axes", place: tuple[int, int], text: str, rgba: tuple[float, float, float, float]
) -> None:
    red, green, blue = rgba[:3]
    is_light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.55
    ax.text(*place, text, ha="center", va="center", fontsize=8,
            color="black" if is_light else "white")  # fmt: skip


def _short(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 and value == int(value) else f"{value:.4g}"
