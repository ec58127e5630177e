"""What a sweep found: one row a run, the best sets of parameters, and a map of two of them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbitrage.errors import ConfigError
from arbitrage.research.sweeps.axes import Value
from arbitrage.research.sweeps.run import ADDITIVE, FIGURES
from arbitrage.research.sweeps.worker import DONE, Row
from arbitrage.wording import counted

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["Sweep"]

_FIRST = ("day", "symbols")
_LAST = ("status", "error")
_INFO = ("wall_s", "peak_mb", "worker", "finished_ns", "key")  # of the doing, not of the result
_BEST_SHOWN = 5


class Sweep:
    """The runs of a grid, in the grid's order: day, symbols, then the last axis first.

    Attributes
    ----------
    axes : dict of str to tuple
        What was changed, and its values.
    table : structured array
        A row a run: ``day``, ``symbols``, the axes, ``status`` (``done`` or ``failed``), ``error``,
        the figures (float; nan in a failed run) and, of its doing, ``wall_s``, ``peak_mb`` (most
        memory its worker held), ``worker``, ``finished_ns`` and ``key``.
    reused : int
        Rows that were there already.
    folder : Path or None
        Where its rows are.
    """

    def __init__(
        self,
        axes: Mapping[str, Sequence[Value]],
        rows: Sequence[Row],
        *,
        reused: int = 0,
        folder: Path | None = None,
    ) -> None:
        self.axes = {name: tuple(values) for name, values in axes.items()}
        self.reused = reused
        self.folder = folder
        self.table = _table(tuple(self.axes), rows)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"Sweep({self._headline()})"

    def _headline(self) -> str:
        sets = math.prod(len(values) for values in self.axes.values())
        failed = len(self.failed)
        words = f"{counted(len(self), 'run')} of {counted(sets, 'set')} of parameters"
        if failed:
            words += f", {failed} failed"
        return words + (f", {self.reused} of them done before" if self.reused else "")

    @property
    def failed(self) -> "NDArray[np.void]":
        """Rows of runs that failed; ``error`` says why."""
        found: NDArray[np.void] = self.table[self.table["status"] != DONE]
        return found

    @property
    def results(self) -> "NDArray[np.void]":
        """The table without what is of the doing: the same wherever and whenever it was run."""
        import numpy as np
        from numpy.lib import recfunctions

        kept = [name for name in self.table.dtype.names or () if name not in _INFO]
        packed: NDArray[np.void] = recfunctions.repack_fields(self.table[kept])
        return packed

    # ---- what is good ----------------------------------------------------------------------------

    def totals(self) -> "NDArray[np.void]":
        """Return one row a set of parameters, over all days and symbols.

        Returns
        -------
        structured array
            The axes; ``runs`` and ``failed``; sums of amounts and counts; the worst or largest of
            ``worst_pair_usd``, ``max_drawdown_usd``, ``exposure_usd_max`` and ``naked_ms_max`` of
            one run, ``hold_s_mean`` and ``sharpe_hourly`` as the mean of its runs,
            ``net_bps_of_volume`` of the sums; ``worst_run_usd``, the lowest ``net_usd`` of a run.
            Failed runs are counted, and in no sum.
        """
        import numpy as np

        names = tuple(self.axes)
        known = [name for name in FIGURES if name in (self.table.dtype.names or ())]
        groups: dict[tuple[Any, ...], list[int]] = {}
        for number, row in enumerate(self.table):
            groups.setdefault(tuple(row[name].item() for name in names), []).append(number)
        found: list[Row] = []
        for values, numbers in groups.items():
            rows = self.table[numbers]
            done = rows[rows["status"] == DONE]
            one: Row = dict(zip(names, values, strict=True))
            one |= {"runs": float(len(rows)), "failed": float(len(rows) - len(done))}
            for name in known:
                one[name] = _joined(name, done[name])
            if "net_bps_of_volume" in known:
                volume = float(one["volume_usd"])
                one["net_bps_of_volume"] = one["net_usd"] / volume * 1e4 if volume else math.nan
            if "net_usd" in known:
                one["worst_run_usd"] = float(done["net_usd"].min()) if len(done) else np.nan
            found.append(one)
        return _structured(list(found[0]) if found else [*names, "runs", "failed"], found)

    def best(self, n: int = 10, by: str = "net_usd", *, largest: bool = True) -> "NDArray[np.void]":
        """Return the rows of :meth:`totals` that are best by one of its columns, best first.

        Raises
        ------
        ConfigError
            No such column.
        """
        import numpy as np

        totals = self.totals()
        self._need(by, totals)
        order = np.argsort(-totals[by] if largest else totals[by], kind="stable")
        order = order[~np.isnan(totals[by][order])]
        found: NDArray[np.void] = totals[order[:n]]
        return found

    def _need(self, name: str, rows: "NDArray[np.void]") -> None:
        names = rows.dtype.names or ()
        if name not in names or rows.dtype[name].kind != "f":
            if len(self.failed) == len(self.table) and len(self.table):
                raise ConfigError(f"no run was done; the first failed: {self.table['error'][0]}")
            numbers = [known for known in names if rows.dtype[known].kind == "f"]
            raise ConfigError(f"there is no figure {name!r}; there are {', '.join(numbers)}")

    def heat_map(
        self,
        x: str | None = None,
        y: str | None = None,
        value: str = "net_usd",
        *,
        over: str = "mean",
        ax: "Axes | None" = None,
    ) -> "Axes":
        """Draw one figure over two axes of the grid.

        Parameters
        ----------
        x, y : str, optional
            Axes of the grid; default: the first two.
        value : str
            A column of :meth:`totals`.
        over : str
            What stands for the sets that share x and y: their ``mean``, or the ``best`` (largest).
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ConfigError
            The grid has no such axis or figure, or matplotlib is not installed.
        """
        from arbitrage.research.sweeps.heat_map import draw

        return draw(self, x, y, value, over, ax)

    # ---- elsewhere -------------------------------------------------------------------------------

    def to_arrow(self) -> "pa.Table":
        """Return the table as Arrow."""
        import pyarrow as pa

        names = self.table.dtype.names or ()
        return pa.table({name: pa.array(self.table[name].tolist()) for name in names})

    def to_polars(self) -> "pl.DataFrame":
        """Return the table as a Polars frame."""
        import polars as pl

        names = self.table.dtype.names or ()
        return pl.DataFrame({name: self.table[name].tolist() for name in names})

    def to_pandas(self) -> "pd.DataFrame":
        """Return the table as a pandas frame."""
        import pandas as pd

        names = self.table.dtype.names or ()
        return pd.DataFrame({name: self.table[name].tolist() for name in names})

    def text(self, n: int = _BEST_SHOWN) -> str:
        """Return what was run and the best sets of it, for a terminal."""
        lines = [self._headline()]
        for row in self.failed[:1]:
            lines.append(f"the first that failed: {row['error']}")
        if len(self.failed) < len(self.table):
            shown = self.best(n)
            names = [*self.axes, *(x for x in _SHOWN if x in (shown.dtype.names or ()))]
            cells = [names, *([_cell(row[name]) for name in names] for row in shown)]
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            lines += [
                "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True))
                for row in cells
            ]
        return "\n".join(lines) + "\n"


_SHOWN = (
    "net_usd", "net_bps_of_volume", "fees_usd", "slippage_usd", "pairs", "pairs_won",
    "worst_run_usd", "max_drawdown_usd",
)  # fmt: skip
_WORST = {
    "worst_pair_usd": min,
    "max_drawdown_usd": min,
    "exposure_usd_max": max,
    "naked_ms_max": max,
}


def _joined(name: str, values: "NDArray[np.float64]") -> float:
    known = [float(value) for value in values if not math.isnan(value)]
    if not known:
        return math.nan
    if name in ADDITIVE:
        return math.fsum(known)
    return _WORST[name](known) if name in _WORST else math.fsum(known) / len(known)


def _cell(value: Any) -> str:
    plain = value.item()
    return f"{plain:,.6g}" if isinstance(plain, float) else str(plain)


def _table(axes: tuple[str, ...], rows: Sequence[Row]) -> "NDArray[np.void]":
    there = {name for row in rows for name in row}
    figures = [name for name in FIGURES if name in there]
    return _structured([*_FIRST, *axes, *_LAST, *figures, *_INFO], rows)


def _structured(names: Sequence[str], rows: Sequence[Row]) -> "NDArray[np.void]":
    """Make a structured array: texts as wide as the longest, what is not there as nan."""
    import numpy as np

    columns: dict[str, NDArray[Any]] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        texts = any(isinstance(value, str) for value in values)
        absent: Any = "" if texts or name in ("error", "worker") else math.nan
        column = np.array([absent if value is None else value for value in values])
        columns[name] = column if len(column) else np.zeros(0, "f8")
    dtype = np.dtype([(name, column.dtype) for name, column in columns.items()])
    found = np.zeros(len(rows), dtype)
    for name, column in columns.items():
        found[name] = column
    return found
