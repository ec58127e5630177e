"""A map of one figure over two axes of a sweep."""

import math
from typing import TYPE_CHECKING, Any

from arbitrage.errors import ConfigError
from arbitrage.research.extras import needed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from arbitrage.research.sweeps.table import Sweep

__all__ = ["draw"]

CELLS_LABELLED_MAX = 150


def draw(
    sweep: "Sweep", x: str | None, y: str | None, value: str, over: str, ax: "Axes | None"
) -> "Axes":
    """Draw the map; see `Sweep.heat_map`."""
    import numpy as np

    names = [name for name, values in sweep.axes.items() if len(values) > 1] or list(sweep.axes)
    x = x or (names[0] if names else "")
    y = y or next((name for name in names if name != x), "")
    for name in (x, y):
        if name not in sweep.axes:
            listed = ", ".join(sweep.axes) or "none"
            raise ConfigError(f"the grid has no axis {name!r} to draw; its axes are {listed}")
    if x == y:
        raise ConfigError(f"a map needs two axes; both were {x}")
    if over not in ("mean", "best"):
        raise ConfigError(f"over was {over!r}; accepted values are mean, best")
    colors: Any = needed("matplotlib.colors", "research", "heat maps")
    totals = sweep.best(len(sweep), value)  # those with a value
    across, up = sweep.axes[x], sweep.axes[y]
    cells = np.full((len(up), len(across)), np.nan)
    for row, vertical in enumerate(up):
        for column, horizontal in enumerate(across):
            here = totals[value][(totals[x] == horizontal) & (totals[y] == vertical)]
            if len(here):
                cells[row, column] = here.mean() if over == "mean" else here.max()
    if ax is None:
        ax = _new_axes(len(across), len(up))
    # gain and loss on the two sides of white, both as far as the larger of them
    reach = float(np.nanmax(np.abs(cells))) if not np.isnan(cells).all() else 1.0
    has_both = np.nanmin(cells, initial=0.0) < 0
    norm = colors.Normalize(-reach if has_both else 0.0, reach or 1.0)
    image = ax.imshow(cells, cmap="RdYlGn" if has_both else "viridis", norm=norm, origin="lower",
                      aspect="auto")  # fmt: skip
    ax.set_xticks(range(len(across)), [_short(one) for one in across])
    ax.set_yticks(range(len(up)), [_short(one) for one in up])
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    others = [name for name in sweep.axes if name not in (x, y) and len(sweep.axes[name]) > 1]
    ax.set_title(value if not others else f"{value}, {over} over {', '.join(others)}")
    if cells.size <= CELLS_LABELLED_MAX:
        for (row, column), cell in np.ndenumerate(cells):
            if not math.isnan(cell):
                _label(ax, column, row, cell, image.cmap(norm(cell)))
    if ax.figure is not None:
        ax.figure.colorbar(image, ax=ax, label=value)
    return ax


def _new_axes(columns: int, rows: int) -> "Axes":
    """Return axes of a figure that a notebook shows, sized for so many cells."""
    pyplot: Any = needed("matplotlib.pyplot", "research", "heat maps")
    size = (min(14.0, 3.0 + 0.75 * columns), min(10.0, 2.0 + 0.5 * rows))
    axes: Axes = pyplot.subplots(figsize=size, layout="constrained")[1]
    return axes


def _label(
    ax: "Axes", column: int, row: int, cell: float, rgba: tuple[float, float, float, float]
) -> None:
    red, green, blue = rgba[:3]
    is_light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.55
    ax.text(column, row, f"{cell:.3g}", ha="center", va="center", fontsize=8,
            color="black" if is_light else "white")  # fmt: skip


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
