"""A table for a terminal: columns that leave when it is narrow, a cursor that stays on its row.

The rows are replaced as a whole a few times a second. The cursor follows the row it stands on by
its key, wherever sorting and news move it; what is filtered out is not shown and not counted.
"""

from typing import ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from arbitrage.cold.screens.cells import TONES, Column, Row
from arbitrage.cold.screens.figures import printable

__all__ = ["Grid"]

GAP = 1
HEAD_LINES = 1


class Grid(ScrollView):
    """Rows under a fixed head, with a cursor.

    Parameters
    ----------
    columns : tuple of Column
        From left to right.
    nothing : str
        What is said where there is no row.
    """

    DEFAULT_CSS = """
    Grid { overflow-x: hidden; overflow-y: auto; height: 1fr; scrollbar-size-vertical: 1; }
    Grid .grid--head { color: $text-primary; }
    Grid .grid--plain { color: $foreground; }
    Grid .grid--strong { color: $foreground; text-style: bold; }
    Grid .grid--good { color: $text-success; }
    Grid .grid--bad { color: $text-error; }
    Grid .grid--warn { color: $text-warning; }
    Grid .grid--dim { color: $foreground; text-style: dim; }
    Grid .grid--cursor { background: $primary-muted; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "grid--head", "grid--cursor", *(f"grid--{tone}" for tone in TONES),
    }  # fmt: skip
    can_focus = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "move(-10)", "Page up", show=False),
        Binding("pagedown", "move(10)", "Page down", show=False),
        Binding("home", "move(-100000)", "First", show=False),
        Binding("end", "move(100000)", "Last", show=False),
        Binding("enter", "open", "Details", show=False),
        Binding("s", "sort(1)", "Sort", show=False),
        Binding("S", "turn", "Sort the other way", show=False),
    ]

    class Opened(Message):
        """A row was asked for its details."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    class Sorted(Message):
        """The order has changed by a key or a click."""

    def __init__(self, columns: tuple[Column, ...], nothing: str, *, id: str) -> None:
        super().__init__(id=id)
        self._columns = columns
        self._nothing = nothing
        self._rows: list[Row] = []
        self._shown: list[Row] = []
        self._cursor = 0
        self._key = ""
        self._words: tuple[str, ...] = ()
        self._sort: int | None = None
        self._is_turned = False

    # ---- what it shows ---------------------------------------------------------------------------

    @property
    def shown(self) -> list[Row]:
        """Rows after filter and sort, from the top."""
        return self._shown

    @property
    def total(self) -> int:
        """Rows before the filter."""
        return len(self._rows)

    @property
    def selected(self) -> Row | None:
        """Row under the cursor."""
        return self._shown[self._cursor] if self._shown else None

    @property
    def order(self) -> str:
        """How it is sorted, in words; empty: as told."""
        if self._sort is None:
            return ""
        return f"{self._columns[self._sort].title} {'▲' if self._is_turned else '▼'}"

    def show(self, rows: list[Row], nothing: str | None = None) -> None:
        """Replace every row; `nothing` is said when there is none."""
        self._rows = rows
        self._nothing = self._nothing if nothing is None else nothing
        self._arrange()

    def filter(self, words: tuple[str, ...]) -> None:
        """Show only rows in which every word occurs."""
        self._words = tuple(word.lower() for word in words)
        self._arrange()

    def select(self, key: str) -> None:
        """Put the cursor on a row."""
        self._key = key
        self._arrange()

    def _arrange(self) -> None:
        shown = self._rows
        if self._words:
            shown = [row for row in shown if all(word in row.words for word in self._words)]
        if self._sort is not None:
            column = self._sort
            shown = sorted(shown, key=lambda row: row.cells[column].order)
            known = [row for row in shown if not row.cells[column].order[0]]
            words = shown[len(known) :]
            if not self._is_turned:  # the largest number first; words from A on
                known.reverse()
            elif words:
                words.reverse()
            shown = known + words
        self._shown = list(shown)
        places = {row.key: place for place, row in enumerate(self._shown)}
        self._cursor = places.get(self._key, min(self._cursor, max(0, len(self._shown) - 1)))
        self._key = self._shown[self._cursor].key if self._shown else self._key
        self.virtual_size = Size(self.scrollable_content_region.width, len(shown) + HEAD_LINES)
        self.refresh()

    # ---- moving ----------------------------------------------------------------------------------

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        if self._shown:
            self._cursor = min(len(self._shown) - 1, max(0, self._cursor + lines))
            self._key = self._shown[self._cursor].key
            self._follow()

    def _follow(self) -> None:
        # one line higher than the row, so that the fixed head does not cover it
        self.scroll_to_region(
            Region(0, self._cursor, 1, 1 + HEAD_LINES), animate=False, force=True, y_axis=True
        )
        self.refresh()

    def action_open(self) -> None:
        """Ask for the details of the row under the cursor."""
        if self.selected is not None:
            self.post_message(self.Opened(self.selected))

    def action_sort(self, step: int) -> None:
        """Sort by the next column that is shown; after the last as told."""
        shown: list[int | None] = [None, *(index for index, _ in self._fitting())]
        place = shown.index(self._sort) if self._sort in shown else 0
        self._sort = shown[(place + step) % len(shown)]
        self._is_turned = False
        self._arrange()
        self.post_message(self.Sorted())

    def action_turn(self) -> None:
        """Sort the other way."""
        if self._sort is not None:
            self._is_turned = not self._is_turned
            self._arrange()
            self.post_message(self.Sorted())

    def on_click(self, event: events.Click) -> None:
        """Choose a row, or sort by a column whose title was clicked."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y < HEAD_LINES:
            self._sort_at(offset.x)
            return
        place = offset.y - HEAD_LINES + int(self.scroll_y)
        if place < len(self._shown):
            self._cursor, self._key = place, self._shown[place].key
            self.refresh()
            if event.chain > 1:
                self.action_open()

    def _sort_at(self, x: int) -> None:
        end = 0
        for index, width in self._fitting():
            end += width + GAP
            if x < end:
                self._is_turned = self._sort == index and not self._is_turned
                self._sort = index
                self._arrange()
                self.post_message(self.Sorted())
                return

    # ---- drawing ---------------------------------------------------------------------------------

    def _fitting(self) -> list[tuple[int, int]]:
        """Return the columns for which there is room, with their widths."""
        room = self.scrollable_content_region.width or self.size.width
        chosen = list(enumerate(self._columns))

        def needed() -> int:
            return sum(column.width + GAP for _, column in chosen) - GAP

        while needed() > room:
            rank = max(column.rank for _, column in chosen)
            if rank == 0:
                break
            last = max(at for at, (_, column) in enumerate(chosen) if column.rank == rank)
            del chosen[last]
        spare = max(0, room - needed())
        growing = sum(column.grows for _, column in chosen)
        found = []
        for index, column in chosen:
            more = spare // growing if column.grows else 0
            found.append((index, column.width + more))
        return found

    def _style(self, *names: str) -> Style:
        return self.get_component_rich_style(*names, partial=True)

    def render_line(self, y: int) -> Strip:
        """Draw one line of the window."""
        width = self.scrollable_content_region.width
        base = self.rich_style
        if y < HEAD_LINES:
            return self._strip(self._head(), width, base)
        place = y - HEAD_LINES + int(self.scroll_y)
        if place < len(self._shown):
            row = self._shown[place]
            if place == self._cursor and self.has_focus:
                base += self._style("grid--cursor")
            return self._strip(self._line(row), width, base)
        if place == 0 and self._nothing:
            said = "nothing matches the filter" if self._rows else self._nothing
            return self._strip([(said, self._style("grid--dim"))], width, base)
        return Strip.blank(width, base)

    def _head(self) -> list[tuple[str, Style]]:
        style = self._style("grid--head")
        parts = []
        for index, width in self._fitting():
            column = self._columns[index]
            title = column.title
            if index == self._sort:
                mark = "▲" if self._is_turned else "▼"
                title = title[: width - 1] + mark
            parts.append((_fit(title, width, column.is_right) + " " * GAP, style))
        return parts

    def _line(self, row: Row) -> list[tuple[str, Style]]:
        parts = []
        for index, width in self._fitting():
            cell = row.cells[index]
            tone = "dim" if row.is_dim else cell.tone
            column = self._columns[index]
            text = printable(cell.text)
            text = _fit(text[-width:] if column.keeps_end else text, width, column.is_right)
            parts.append((text + " " * GAP, self._style(f"grid--{tone}")))
        return parts

    @staticmethod
    def _strip(parts: list[tuple[str, Style]], width: int, base: Style) -> Strip:
        segments = [Segment(text, base + style) for text, style in parts]
        return Strip(segments).adjust_cell_length(width, base)


def _fit(text: str, width: int, is_right: bool) -> str:
    """Bring a text to a width in places; what is cut ends with an ellipsis."""
    if len(text) > width:
        text = text[: max(0, width - 1)] + "…"
    return text.rjust(width) if is_right else set_cell_size(text, width)
