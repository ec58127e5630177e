"""The one screen of panels: all at once where there is room, else two at a time."""

from textwrap import wrap
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from arbitrage.cold.deck import Deck
from arbitrage.cold.screens.cells import Row
from arbitrage.cold.screens.figures import chart, span, usd
from arbitrage.cold.screens.grid import Grid
from arbitrage.cold.screens.headline import age_of, banners, headline, is_board_old
from arbitrage.cold.screens.market_rows import TREND_POINTS
from arbitrage.cold.screens.panels import PANELS, Panel, rows_of

__all__ = ["DeckScreen"]

FIRST = "opportunities"
BESIDE = "pairs"  # the second panel of a small window, at first
LEFT = ("opportunities", "pairs", "incidents")
TREND_EVERY_NS = 1_000_000_000
RECORDED = ("opportunities", "incidents")
FILTERED = ("opportunities", "pairs", "incidents")


class Box(Vertical):
    """A panel: a grid with a border, a title, and below the PnL its curve."""

    def __init__(self, number: int, panel: Panel) -> None:
        super().__init__(id=f"box-{panel.name}", classes="panel")
        self.panel = panel
        self.grid = Grid(panel.columns, panel.nothing, id=panel.name)
        self._title = f"{number} {panel.title}"
        self.border_title = self._title

    def compose(self) -> ComposeResult:
        yield self.grid
        if self.panel.name == "money":
            yield Static("", id="curve")

    def show(self, rows: list[Row], *, nothing: str, old: str) -> None:
        """Show the lines, or that there is none; `old` says how old they are where that matters."""
        self.grid.show(rows, nothing)
        self.border_subtitle = old
        self.on_grid_sorted()

    def on_grid_sorted(self) -> None:
        """Say in the title how many lines there are, and in which order."""
        shown, total = len(self.grid.shown), self.grid.total
        parts = [self._title]
        if total:
            parts.append(str(total) if shown == total else f"{shown} of {total}")
        if self.grid.order:
            parts.append(self.grid.order)
        self.border_title = Text(" · ".join(parts)).markup


class DeckScreen(Screen[None]):
    """Panels of a deck, a line above them and the keys below.

    Parameters
    ----------
    watched : str
        What is looked at, where it is no running trader.
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (36, "-tall")]  # noqa: RUF012
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"deck--{name}" for name in ("plain", "strong", "good", "bad", "warn", "dim",
                                     "good_chip", "bad_chip", "warn_chip", "bad_banner",
                                     "warn_banner")
    }  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"panel('{panel.name}')", panel.title, show=False)
            for number, panel in enumerate(PANELS, 1)
        ),
        Binding("z", "zoom", "Zoom", show=False),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "unfilter", "All lines", show=False),
    ]

    def __init__(self, watched: str = "") -> None:
        super().__init__()
        self._watched = watched
        self._deck: Deck | None = None
        self._trouble = ""
        self._run = (0, 0)
        self.trends: dict[str, list[float | None]] = {}
        self._trend_ns = 0
        self._beside = BESIDE
        self._is_made = False

    def compose(self) -> ComposeResult:
        yield Static("", id="headline")
        yield Static("", id="banners")
        boxes = {panel.name: Box(number, panel) for number, panel in enumerate(PANELS, 1)}
        with Horizontal(id="body"):
            yield Vertical(*(boxes[name] for name in LEFT), id="left")
            yield Vertical(*(box for name, box in boxes.items() if name not in LEFT), id="right")
        yield Static("", id="tabs")
        yield Input(placeholder="show only lines with all these words", id="words")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.box(FIRST).grid.focus()
        self._choose(BESIDE)
        if self._watched:  # there is nothing else in a recording
            self._zoom(FIRST)
        self._is_made = True
        self.redraw()

    def box(self, name: str) -> Box:
        """Return a panel."""
        return self.query_one(f"#box-{name}", Box)

    # ---- showing ---------------------------------------------------------------------------------

    def show(self, deck: Deck, trouble: str = "") -> None:
        """Show a deck; `trouble` is what keeps us from a newer one."""
        self._deck, self._trouble = deck, trouble
        self._remember(deck)
        self.redraw()

    def _remember(self, deck: Deck) -> None:
        """Keep one value a second of each stage; another run begins anew."""
        if not deck.alive or (deck.run, deck.pid) != self._run:
            self.trends.clear()
            self._run = (deck.run, deck.pid) if deck.alive else (0, 0)
        elif deck.wall_ns - self._trend_ns < TREND_EVERY_NS:
            return
        self._trend_ns = deck.wall_ns
        for line in deck.latency:
            values = self.trends.setdefault(line.stage, [])
            values.append(line.p99_ns)
            del values[:-TREND_POINTS]

    def redraw(self) -> None:
        """Show the newest deck again: another size or theme."""
        deck = self._deck
        # a program that ends takes its panels down while somebody may still look
        if deck is None or not self._is_made or not self.query("#headline"):
            return
        theme = {
            name.removeprefix("deck--"): str(self.get_component_rich_style(name, partial=True))
            for name in self.COMPONENT_CLASSES
        }
        line = headline(deck, self.size.width, theme, self._watched)
        self.query_one("#headline", Static).update(line)
        self._show_banners(banners(deck, self._watched, self._trouble))
        is_old = is_board_old(deck)
        for panel in PANELS:
            old = f"{age_of(deck):.0f} s old" if deck.alive and is_old and panel.is_of_board else ""
            rows = rows_of(panel, deck, self.trends, is_old=bool(old))
            nothing = panel.nothing if deck.alive else ""
            if self._watched and panel.name not in RECORDED:
                nothing = "not part of a recording"
            self.box(panel.name).show(rows, nothing=nothing, old=old)
        self._draw_curve(deck)
        self._draw_tabs()

    def _show_banners(self, lines: list[tuple[str, str]]) -> None:
        """Show each in at most two lines, all as wide as the window."""
        width = max(20, self.size.width)
        text = Text(no_wrap=True, overflow="crop", end="")
        for line, tone in lines:
            style = self.get_component_rich_style(f"deck--{tone}_banner", partial=True)
            for part in wrap(line, width - 2, max_lines=2, placeholder=" …"):
                text.append(f"{chr(10) if text else ''} {part}".ljust(width + bool(text)), style)
        banner = self.query_one("#banners", Static)
        banner.display = bool(lines)
        banner.update(text)

    def _draw_curve(self, deck: Deck) -> None:
        curve = self.query_one("#curve", Static)
        values = [value for _, value in deck.pnl] if deck.alive else []
        width, height = curve.content_size
        if len(values) < 2 or width < 20 or height < 2:
            curve.update("")
            return
        lines = chart(values, width, height - 1)
        long = span((deck.pnl[-1][0] - deck.pnl[0][0]) / 1e6)
        told = (
            f"total {usd(values[-1], is_signed=True)} USD, from {usd(min(values), is_signed=True)} "
            f"to {usd(max(values), is_signed=True)} in {long}"
        )
        if deck.day_result_usd is not None:
            more = f"; pairs ended today {usd(deck.day_result_usd, is_signed=True)}"
            told += more if len(told + more) <= width else ""
        tone = "dim" if is_board_old(deck) else "good" if values[-1] >= 0 else "bad"
        style = self.get_component_rich_style(f"deck--{tone}", partial=True)
        text = Text("\n".join(lines), style=style, no_wrap=True, overflow="crop")
        text.append(f"\n{told[:width]}", style=self.get_component_rich_style("deck--plain"))
        curve.update(text)

    def _draw_tabs(self) -> None:
        tabs = Text(no_wrap=True, overflow="crop")
        for number, panel in enumerate(PANELS, 1):
            is_shown = panel.name in (FIRST, self._beside)
            tabs.append(
                f"{number} {panel.title}",
                style=self.get_component_rich_style(
                    "deck--strong" if is_shown else "deck--dim", partial=True
                ),
            )
            tabs.append(" ")
        self.query_one("#tabs", Static).update(tabs)

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.redraw)

    # ---- keys ------------------------------------------------------------------------------------

    @property
    def selected(self) -> Row | None:
        """The row under the cursor of the panel that has the focus."""
        return self.focused.selected if isinstance(self.focused, Grid) else None

    def _choose(self, name: str) -> None:
        if name != FIRST:
            self._beside = name
        for panel in PANELS:
            self.box(panel.name).set_class(panel.name in (FIRST, self._beside), "-chosen")
        self.query_one("#right").set_class(self._beside in LEFT, "-unchosen")

    def action_panel(self, name: str) -> None:
        """Go to a panel; in a small window show it."""
        self._choose(name)
        self._zoom(name if self.has_class("-zoomed") else None)
        self.box(name).grid.focus()
        self.call_after_refresh(self.redraw)

    def action_zoom(self) -> None:
        """Give the panel with the cursor the whole window, or take it back."""
        name = self.focused.id if isinstance(self.focused, Grid) else FIRST
        self._zoom(None if self.has_class("-zoomed") else name)
        self.call_after_refresh(self.redraw)

    def _zoom(self, name: str | None) -> None:
        self.set_class(name is not None, "-zoomed")
        for panel in PANELS:
            self.box(panel.name).set_class(panel.name == name, "-whole")
        self.query_one("#left").set_class(name is not None and name not in LEFT, "-hidden")
        self.query_one("#right").set_class(name in LEFT, "-hidden")

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """In a small window, tab shows the panel it comes to."""
        if isinstance(event.widget, Grid) and event.widget.id:
            self._choose(event.widget.id)

    def action_filter(self) -> None:
        """Ask for words."""
        words = self.query_one("#words", Input)
        words.add_class("-shown")
        words.focus()

    def action_unfilter(self) -> None:
        """Show every line again."""
        words = self.query_one("#words", Input)
        words.value = ""
        self._leave_words(words)

    @on(Input.Changed, "#words")
    def _filter(self, event: Input.Changed) -> None:
        for name in FILTERED:
            self.box(name).grid.filter(tuple(event.value.split()))
        self.redraw()

    @on(Input.Submitted, "#words")
    def _leave(self, event: Input.Submitted) -> None:
        event.stop()
        self._leave_words(event.input)

    def _leave_words(self, words: Input) -> None:
        words.set_class(bool(words.value), "-shown")
        if words.has_focus:
            self.box(FIRST).grid.focus()
