"""What a sweep found: one row a run, the best sets of parameters, and a map of two of them."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbitrage.errors import ConfigError
from arbitrage.research.sweeps.axes import Value
from arbitrage.research.sweeps.run import FIGURES
from arbitrage.research.sweeps.worker import DONE, Row
from arbitrage.wording import counted

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from arbitrage.research.plot_style import Chart
    from arbitrage.research.results import Backtest
    from arbitrage.research.sweeps.named_rows import NamedRows

__all__ = ["TABLE", "Sweep"]

TABLE = "table.parquet"
_ABOUT = b"arbitrage.sweep"  # in the file: axes, fixed settings and the data's path
_FIRST = ("day", "symbols")
_LAST = ("status", "error")
_INFO = ("wall_s", "peak_mb", "worker", "finished_ns", "key")  # of the doing, not of the result
_BEST_SHOWN = 5
_SHOWN = (
    "net_usd", "net_bps_of_volume", "fees_usd", "slippage_usd", "pairs", "pairs_won",
    "worst_run_usd", "max_drawdown_usd",
)  # fmt: skip

Days = str | date | Collection[str | date] | None
Symbols = str | Collection[str] | None


class Sweep:
    """The runs of a grid, in the grid's order: day, symbols, then the last axis first.

    Threads: any; it does not change.

    Attributes
    ----------
    axes : dict of str to tuple
        What was changed, and its values.
    fixed : dict
        What all runs shared.
    source : dict
        What ``arbitrage.open_data`` opens the data by; empty: not known.
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
        fixed: Mapping[str, Value] | None = None,
        source: Mapping[str, Any] | None = None,
        reused: int = 0,
        folder: Path | None = None,
    ) -> None:
        self.axes = {name: tuple(values) for name, values in axes.items()}
        self.fixed = dict(fixed or {})
        self.source = dict(source or {})
        self.reused = reused
        self.folder = folder
        self.table = _table(tuple(self.axes), rows)

    @classmethod
    def load(cls, folder: str | Path) -> "Sweep":
        """Read the table that the last sweep into a folder wrote at its end.

        Parameters
        ----------
        folder : str or Path
            The sweep's `out`.

        Raises
        ------
        ConfigError
            There is none, or it cannot be read.
        """
        from arbitrage.research.sweeps.rows import need_parquet, read_table

        need_parquet()
        path = Path(folder) / TABLE
        table = read_table(path)
        told = (table.schema.metadata or {}).get(_ABOUT)
        if told is None:
            raise ConfigError(
                f"{path} does not say what was swept; sweep into the folder again: what is done "
                "is not done again"
            )
        about = json.loads(told)
        rows = [
            {name: value for name, value in row.items() if value is not None}
            for row in table.to_pylist()
        ]
        return cls(
            about["axes"],
            rows,
            fixed=about["fixed"],
            source=about["source"],
            reused=len(rows),
            folder=Path(folder),
        )

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"Sweep({self._headline()})"

    def _repr_html_(self) -> str:
        from html import escape

        words = f"<p><b>Sweep</b> {escape(self._headline())}</p>"
        if len(self.failed):
            words += f"<p>the first that failed: {escape(str(self.failed['error'][0]))}</p>"
        if len(self.failed) == len(self.table):
            return words
        return words + self.best(_BEST_SHOWN)._repr_html_()

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
        from numpy.lib import recfunctions

        kept = [name for name in self.table.dtype.names or () if name not in _INFO]
        packed: NDArray[np.void] = recfunctions.repack_fields(self.table[kept])
        return packed

    # ---- what is good ----------------------------------------------------------------------------

    def totals(self, *, days: Days = None, symbols: Symbols = None) -> "NamedRows":
        """Return one row a set of parameters, over all days and symbols or some of them.

        Parameters
        ----------
        days : str, date or several, optional
            Only the runs of these days.
        symbols : str or several, optional
            Only the runs of these symbols, as the column ``symbols`` has them.

        Returns
        -------
        structured array
            The axes; ``runs`` and ``failed``; sums of amounts and counts; the worst or largest of
            ``worst_pair_usd``, ``max_drawdown_usd``, ``exposure_usd_max`` and ``naked_ms_max`` of
            one run, ``hold_s_mean`` and ``sharpe_hourly`` as the mean of its runs,
            ``net_bps_of_volume`` of the sums; ``worst_run_usd``, the lowest ``net_usd`` of a run.
            Failed runs are counted, and in no sum.

        Raises
        ------
        ConfigError
            No run is of such a day or symbol.
        """
        from arbitrage.research.sweeps.named_rows import named_rows
        from arbitrage.research.sweeps.totals import chosen_rows, totals_of

        found = totals_of(chosen_rows(self.table, days, symbols), tuple(self.axes))
        return named_rows(found, "sets of parameters", (*self.axes, *_SHOWN))

    def best(
        self,
        n: int = 10,
        by: str = "net_usd",
        *,
        largest: bool = True,
        days: Days = None,
        symbols: Symbols = None,
    ) -> "NamedRows":
        """Return the rows of :meth:`totals` that are best by one of its columns, best first.

        Parameters
        ----------
        n : int
            So many at most; those without the figure are left out.
        by : str
            A column of :meth:`totals`.
        largest : bool
            Whether more is better.
        days, symbols
            As :meth:`totals`: choose on some days, and see on the others what it was worth.

        Raises
        ------
        ConfigError
            No such column, day or symbol.
        """
        from arbitrage.research.sweeps.named_rows import named_rows
        from arbitrage.research.sweeps.totals import best_of, need_figure

        totals = self.totals(days=days, symbols=symbols)
        need_figure(self.table, by, totals)
        found = best_of(totals, by, largest=largest)[:n]
        shown = dict.fromkeys((*self.axes, by, *_SHOWN))
        return named_rows(found, f"best by {by}", tuple(shown))

    def walk_forward(
        self,
        train: int,
        test: int = 1,
        by: str = "net_usd",
        *,
        largest: bool = True,
        anchored: bool = False,
        symbols: Symbols = None,
    ) -> "NamedRows":
        """Choose the best set on some days and see what it was worth on the days that followed.

        Parameters
        ----------
        train, test : int
            Days to choose on, and days to try the choice on; then both move on by `test`.
        by : str
            What the choice is made by, a column of :meth:`totals`.
        largest : bool
            Whether more is better.
        anchored : bool
            Whether each choice looks at all days from the first on.
        symbols
            As :meth:`totals`.

        Returns
        -------
        structured array
            A row a choice: ``train_from``, ``train_to``, ``test_from``, ``test_to``, the axes'
            values that were best, ``train_`` and the figure they were best by, and the figures of
            the test as :meth:`totals` has them. Of these nothing was known when it was chosen.

        Raises
        ------
        ConfigError
            Not so many days, or no such column.

        Examples
        --------
        >>> found.walk_forward(train=5, test=1)["net_usd"].sum()  # doctest: +SKIP
        """
        from arbitrage.research.sweeps.named_rows import named_rows
        from arbitrage.research.sweeps.totals import chosen_rows, walked

        found = walked(
            chosen_rows(self.table, None, symbols),
            tuple(self.axes),
            (train, test),
            by,
            largest=largest,
            anchored=anchored,
        )
        days = ("train_from", "train_to", "test_from", "test_to")
        shown = (*days, *self.axes, f"train_{by}", by, *_SHOWN)
        return named_rows(found, f"chosen by {by}, then tried", tuple(dict.fromkeys(shown)))

    def backtest(
        self, row: Any, *, day: str | date | None = None, symbols: str | None = None
    ) -> "Backtest":
        """Run one run of the table again, and return the whole of its result.

        Parameters
        ----------
        row : int or row
            Its place in the table; a row of it; or one of :meth:`best`, which is of all days and
            symbols.
        day, symbols : optional
            Which of the runs with the row's parameters.

        Raises
        ------
        ConfigError
            No such run or several of them, or the data is gone.
        """
        from arbitrage.research.sweeps.again import run_again

        return run_again(self, row, day, symbols)

    def heat_map(
        self,
        x: str | None = None,
        y: str | None = None,
        value: str = "net_usd",
        *,
        over: str = "mean",
        days: Days = None,
        symbols: Symbols = None,
        ax: "Axes | None" = None,
    ) -> "Chart":
        """Draw one figure over two axes of the grid.

        A cell is of all days and symbols; of amounts and counts the mean of a run stands below.
        Values above and below 0 have colours of their own; cells without a run are hatched.

        Parameters
        ----------
        x, y : str, optional
            Axes of the grid; default: the first two.
        value : str
            A column of :meth:`totals`.
        over : str
            What stands for the sets that share x and y: their ``mean``, or the ``best`` (largest).
        days, symbols
            As :meth:`totals`.
        ax : matplotlib Axes, optional
            Where to draw; default: a new figure.

        Returns
        -------
        matplotlib Figure
            A notebook shows it where it is the last value of a cell.

        Raises
        ------
        ConfigError
            The grid has no such axis or figure, or matplotlib is not installed.
        """
        from arbitrage.research.sweeps.heat_map import draw

        return draw(self, (x, y), value, over, self.totals(days=days, symbols=symbols), ax)

    # ---- elsewhere -------------------------------------------------------------------------------

    def to_arrow(self) -> "pa.Table":
        """Return the table as Arrow; its metadata says what :meth:`load` needs."""
        import pyarrow as pa

        names = self.table.dtype.names or ()
        made = pa.table({name: pa.array(self.table[name].tolist()) for name in names})
        about = {"axes": self.axes, "fixed": self.fixed, "source": self.source}
        return made.replace_schema_metadata({_ABOUT: json.dumps(about).encode()})

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
            lines.append(repr(self.best(n)))
        return "\n".join(lines) + "\n"


def _table(axes: tuple[str, ...], rows: Sequence[Row]) -> "NDArray[np.void]":
    from arbitrage.research.sweeps.totals import structured

    there = {name for row in rows for name in row}
    figures = [name for name in FIGURES if name in there]
    return structured([*_FIRST, *axes, *_LAST, *figures, *_INFO], rows)
