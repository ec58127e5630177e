"""A small table that a notebook shows, a terminal prints and other libraries take over."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from arbitrage.research.extras import needed

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

__all__ = ["Table"]


class Table(Sequence[Mapping[str, Any]]):
    """Rows of one moment, each a mapping by column.

    Threads: any; it does not change.

    Parameters
    ----------
    title : str
        What the rows are.
    columns : mapping of str to str
        Name of a column -> how its values are written, a format such as ``,.2f``; empty: as they
        are. None is written as ``-``.
    rows : sequence of mapping
        A value for each column.
    rows_max : int, optional
        So many of them are kept.
    """

    def __init__(
        self,
        title: str,
        columns: Mapping[str, str],
        rows: Sequence[Mapping[str, Any]],
        rows_max: int | None = None,
    ) -> None:
        self.title = f"{title} ({len(rows)})"
        if rows_max is not None and len(rows) > rows_max:
            self.title = f"{title} ({rows_max} of {len(rows)})"
            rows = rows[:rows_max]
        self.columns = dict(columns)
        self._rows = list(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        return self._rows[place]

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self._rows)

    def column(self, name: str) -> list[Any]:
        """Return the values of one column."""
        return [row[name] for row in self._rows]

    def to_arrow(self) -> "pyarrow.Table":
        """Return it as an Arrow table."""
        pa = needed("pyarrow", "research", "tables")
        return pa.table({name: self.column(name) for name in self.columns})

    def to_pandas(self) -> "pandas.DataFrame":
        """Return it as a pandas frame."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> "polars.DataFrame":
        """Return it as a polars frame."""
        return needed("polars", "research", "frames").from_arrow(self.to_arrow())

    def _cells(self) -> list[list[str]]:
        return [
            [_cell(row[name], form) for name, form in self.columns.items()] for row in self._rows
        ]

    def __repr__(self) -> str:
        rows = self._cells()
        names = [name.replace("_", " ") for name in self.columns]
        widths = [
            max(len(cell) for cell in (name, *(row[place] for row in rows)))
            for place, name in enumerate(names)
        ]
        lines = ["  ".join(name.rjust(wide) for name, wide in zip(names, widths, strict=True))]
        lines += [
            "  ".join(cell.rjust(wide) for cell, wide in zip(row, widths, strict=True))
            for row in rows
        ]
        return "\n".join([self.title, *(lines if rows else [])])

    def _repr_html_(self) -> str:
        right = (
            "padding:1px 8px;text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap"
        )
        heads = "".join(
            f'<th style="{right};opacity:.7;font-weight:500">{escape(name.replace("_", " "))}</th>'
            for name in self.columns
        )
        body = "".join(
            "<tr>" + "".join(f'<td style="{right}">{escape(cell)}</td>' for cell in row) + "</tr>"
            for row in self._cells()
        )
        head = f"<thead><tr>{heads}</tr></thead>" if body else ""
        return (
            '<table style="border-collapse:collapse;font-size:13px">'
            f'<caption style="text-align:left;font-weight:600;caption-side:top">'
            f"{escape(self.title)}</caption>{head}<tbody>{body}</tbody></table>"
        )


def _cell(value: Any, form: str) -> str:
    if value is None or value != value:  # not a number is not equal to itself
        return "-"
    return format(value, form) if form else str(value)
