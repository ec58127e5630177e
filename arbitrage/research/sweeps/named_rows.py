"""Rows of a sweep as an array that shows itself: a table in a notebook, columns in a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from arbitrage.research.live_table import Table

__all__ = ["NamedRows", "named_rows"]

ROWS_SHOWN = 50


class NamedRows(np.ndarray):
    """A structured array, one row a mapping by column: ``rows["net_usd"]``, ``rows[0]``.

    Attributes
    ----------
    title : str
        What the rows are.
    shown : tuple of str
        Columns that a person sees first; ``dtype.names`` has all.
    """

    title: str
    shown: tuple[str, ...]

    def __array_finalize__(self, given: Any) -> None:
        self.title = getattr(given, "title", "rows")
        self.shown = getattr(given, "shown", ())

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        if isinstance(found, NamedRows) and found.dtype.names is None:
            return found.view(np.ndarray)  # one column: plain numbers or texts
        if isinstance(place, list) and isinstance(found, NamedRows):
            found.shown = ()  # those that were asked for
        return found

    def _table(self) -> Table:
        names = self.dtype.names or ()
        shown = [name for name in self.shown if name in names] or list(names)
        # numbers in as few letters as tell them apart
        columns = {name: ",.6g" if self.dtype[name].kind == "f" else "" for name in shown}
        more = f", {len(shown)} of {len(names)} columns" if len(shown) < len(names) else ""
        rows: list[Mapping[str, Any]] = [
            {name: row[name].item() for name in shown} for row in np.atleast_1d(self)
        ]
        return Table(f"{self.title}{more}", columns, rows, ROWS_SHOWN)

    def __repr__(self) -> str:
        if self.dtype.names is None or self.ndim > 1:
            return repr(self.view(np.ndarray))
        return repr(self._table())

    __str__ = __repr__

    def _repr_html_(self) -> str:
        if self.dtype.names is None or self.ndim > 1:
            return f"<pre>{self!r}</pre>"
        return self._table()._repr_html_()


def named_rows(array: Any, title: str, shown: Sequence[str]) -> NamedRows:
    """Return a structured array with the looks of a table; it is not copied."""
    found: NamedRows = array.view(NamedRows)
    found.title, found.shown = title, tuple(shown)
    return found
