"""What opens over the panels: the kill switch's confirmation, a symbol's name, help and details."""

from dataclasses import dataclass
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Checkbox, Input, Label, Static

from arbitrage.cold.screens.figures import printable

__all__ = ["Details", "Help", "KillDialog", "KillOrder", "SymbolDialog"]

WORD = "kill"
KEYS = (
    ("up, down", "move in a panel; home, end and the page keys too"),
    ("tab, 1 to 8", "to the next panel, to a panel by its number"),
    ("enter", "all that is known of the line under the cursor"),
    ("z", "give the panel the whole window, or take it back"),
    ("/", "only lines with all the words typed; escape: all"),
    ("s, S", "sort by the next column; turn the order"),
    ("p, r", "pause, resume the symbol under the cursor"),
    ("P, R", "pause, resume a symbol by its name, or all"),
    ("k", "trip the kill switch; asks for a word first"),
    ("t", "dark or light"),
    ("q", "leave; the trader goes on"),
    ("", ""),
    ("●  ·  ‖", "open, over, symbol paused"),
    ("net", "gross - fees - slippage + funding, in bps"),
    ("dim", "over, or last told so long ago as the frame says"),
)


class _Dialog(ModalScreen[object]):
    """A window in the middle; escape leaves it."""

    DEFAULT_CSS = """
    _Dialog { align: center middle; background: $background 60%; }
    _Dialog > .box { width: 72; max-width: 96%; height: auto; max-height: 96%;
        padding: 0 2; border: round $primary; background: $surface; }
    _Dialog .box > Label { width: 100%; }
    _Dialog .title { text-style: bold; padding-bottom: 1; }
    _Dialog .wrong { color: $text-error; height: auto; min-height: 1; }
    _Dialog Input { margin: 1 0; }
    _Dialog Choice, _Dialog Choice:focus { border: none; background: transparent; padding: 0;
        height: 1; }
    _Dialog Choice > .toggle--button { color: $foreground; background: transparent;
        text-style: bold; }
    _Dialog Choice:focus > .toggle--label { text-style: underline; background: transparent;
        color: $foreground; }
    _Dialog .buttons { height: auto; align-horizontal: right; padding-top: 1; }
    _Dialog Button { margin-left: 2; }
    _Dialog VerticalScroll { height: auto; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave", show=False)]

    def action_leave(self) -> None:
        """Close without doing anything."""
        self.dismiss(None)


class Choice(Checkbox):
    """A box that is empty until it is chosen, in every theme."""

    BUTTON_LEFT = BUTTON_RIGHT = ""

    def __init__(self, label: str, *, id: str) -> None:
        self.BUTTON_INNER = "[ ]"
        super().__init__(label, id=id)

    def watch_value(self) -> None:
        """Draw what was chosen."""
        self.BUTTON_INNER = "[X]" if self.value else "[ ]"
        super().watch_value()


@dataclass(frozen=True, slots=True)
class KillOrder:
    """Somebody has typed the word; `flatten` closes what is open too."""

    flatten: bool


class KillDialog(_Dialog):
    """Ask for the word before the kill switch trips.

    Parameters
    ----------
    about : str
        Which trader is meant.
    """

    DEFAULT_CSS = "KillDialog > .box { border: heavy $error; }"

    def __init__(self, about: str) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Label(Text(f"Kill {printable(self._about)}"), classes="title")
            yield Label(
                "No order leaves any more, at once; what rests at the venues is cancelled. It "
                "lasts over restarts, until arb kill --clear."
            )
            yield Input(placeholder=f"type {WORD} and press enter", id="word")
            yield Choice("close every pair too, reduce-only", id="flatten")
            yield Static("", classes="wrong", id="wrong")
            with Horizontal(classes="buttons"):
                yield Button("Leave", id="leave")
                yield Button("Kill", variant="error", id="kill")

    def on_mount(self) -> None:
        self.query_one("#word", Input).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "kill":
            self._try()
        else:
            self.action_leave()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._try()

    def _try(self) -> None:
        typed = self.query_one("#word", Input)
        if typed.value.strip().lower() == WORD:
            self.dismiss(KillOrder(self.query_one("#flatten", Checkbox).value))
            return
        said = f"nothing was done: the word is {WORD}"
        self.query_one("#wrong", Static).update(Text(said))
        typed.value = ""
        typed.focus()


class SymbolDialog(_Dialog):
    """Ask for a symbol, or ``all``."""

    def __init__(self, title: str, about: str) -> None:
        super().__init__()
        self._title, self._about = title, about

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Label(Text(self._title), classes="title")
            yield Label(Text(printable(self._about)))
            yield Input(placeholder="BTCUSDT, or all", id="symbol")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        typed = event.value.strip()
        symbol = "all" if typed.lower() == "all" else typed.upper()
        self.dismiss(symbol or None)


class _Reading(_Dialog):
    """Something to read; any of its keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark", "leave", "Leave", show=False)
    ]

    def __init__(self, title: str, facts: tuple[tuple[str, str], ...], note: str = "") -> None:
        super().__init__()
        self._title, self._facts, self._note = title, facts, note

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="box"):
            yield Label(Text(printable(self._title)), classes="title")
            yield Static(self._body())
            if self._note:
                yield Label(Text(f"\n{printable(self._note)}"))

    def _body(self) -> Table:
        """Return names beside their values, which wrap below themselves."""
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in self._facts:
            table.add_row(Text(name), Text(printable(value)))
        return table


class Details(_Reading):
    """All that is known of one line, as it was when it was asked for."""


class Help(_Reading):
    """The keys."""

    def __init__(self, watched: str) -> None:
        super().__init__("Keys", KEYS, watched)
