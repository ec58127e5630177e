"""The terminal dashboard: looks at a trader twice a second, and says a word to it when told to.

It reads the trader's segment from a process of its own; words go through the control socket.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar, Literal

from textual.app import App
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.screen import Screen

from arbitrage.cold.deck import Deck
from arbitrage.cold.screens.commands import Commands
from arbitrage.cold.screens.deck_screen import DeckScreen
from arbitrage.cold.screens.dialogs import Details, Help, KillDialog, KillOrder, SymbolDialog
from arbitrage.cold.screens.figures import printable
from arbitrage.cold.screens.grid import Grid
from arbitrage.errors import ArbitrageError
from arbitrage.secret import mask_known

__all__ = ["Dashboard", "LogLines"]

LOOK_S = 0.5
TOLD_S = 8.0
THEMES = {"dark": "textual-dark", "light": "textual-light"}
Severity = Literal["information", "warning", "error"]


class LogLines(logging.Handler):
    """What is logged while the screen is taken: shown on it, instead of written across it."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Show one line; any thread."""
        self._tell(mask_known(record.getMessage()))


class Dashboard(App[None]):
    """The application.

    Parameters
    ----------
    look : callable
        Returns the newest deck; called in a thread of its own, one call at a time.
    commands : Commands or None
        Where words go; None where nobody listens, as in a recording.
    look_s : float or None
        Seconds between looks; None: only when `refresh_deck` is called.
    theme : str
        ``dark`` or ``light``.
    watched : str
        What is looked at, where it is no running trader.
    """

    TITLE = "arbitrage"
    CSS_PATH = "screens/deck.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("p", "steer('pause')", "Pause"),
        Binding("r", "steer('resume')", "Resume"),
        Binding("P", "name('pause')", "Pause by name", show=False),
        Binding("R", "name('resume')", "Resume by name", show=False),
        Binding("k", "kill", "Kill"),
        Binding("t", "turn_theme", "Theme"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(
        self,
        look: Callable[[], Deck],
        commands: Commands | None,
        *,
        look_s: float | None = LOOK_S,
        theme: str = "dark",
        watched: str = "",
    ) -> None:
        super().__init__()
        self._look, self._commands, self._look_s = look, commands, look_s
        self._watched = watched
        self._deck: Deck | None = None
        self.theme = THEMES[theme]
        self.told: list[str] = []  # what came of commands, newest last
        self._ours: asyncio.AbstractEventLoop | None = None

    def get_default_screen(self) -> Screen[None]:
        """Return the screen of panels."""
        return DeckScreen(self._watched)

    @property
    def panels(self) -> DeckScreen:
        """The screen of panels, whatever lies over it."""
        screen = self.screen_stack[0]
        assert isinstance(screen, DeckScreen)
        return screen

    def on_mount(self) -> None:
        self._ours = asyncio.get_running_loop()
        if self._look_s is not None:
            self.run_worker(self._keep_looking(self._look_s))

    def on_unmount(self) -> None:
        self._ours = None

    def run_alone(self) -> None:
        """Run until it is left; what is logged meanwhile is shown on the screen."""
        root = logging.getLogger()
        before = root.handlers[:]
        root.handlers[:] = [LogLines(self.warn)]
        try:
            self.run()
        finally:
            root.handlers[:] = before

    def warn(self, said: str) -> None:
        """Show a line that is not an answer; any thread."""
        if self._ours is not None:
            self._ours.call_soon_threadsafe(self._tell, said, "warning")

    async def _keep_looking(self, look_s: float) -> None:
        while True:
            await self.refresh_deck()
            await asyncio.sleep(look_s)

    async def refresh_deck(self) -> None:
        """Look once and show what is there."""
        trouble = ""
        try:
            self._deck = await asyncio.to_thread(self._look)
        except Exception as error:  # a dashboard that ends is of no help when things go wrong
            trouble = f"CANNOT READ: {type(error).__name__}: {error}"
            old = self._deck
            self._deck = Deck(
                name=old.name if old else "", wall_ns=old.wall_ns if old else 0, alive=False,
                why_not="it cannot be read",
            )  # fmt: skip
        with suppress(NoMatches, IndexError):  # its parts are always there, until it is taken down
            self.panels.show(self._deck, printable(trouble))

    # ---- keys ------------------------------------------------------------------------------------

    def action_help(self) -> None:
        """Show the keys."""
        said = "A recording takes no commands." if self._commands is None else ""
        self.push_screen(Help(said))

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """Show all that is known of a line."""
        self.push_screen(Details(event.row.symbol or event.row.key, event.row.facts))

    def action_turn_theme(self) -> None:
        """Change between dark and light."""
        is_dark = self.theme == THEMES["dark"]
        self.theme = THEMES["light" if is_dark else "dark"]
        self.call_after_refresh(self.panels.redraw)

    def action_steer(self, verb: str) -> None:
        """Pause or resume the symbol under the cursor."""
        row = self.panels.selected
        if row is None or not row.symbol:
            self.action_name(verb)
            return
        self._steer(verb, row.symbol)

    def action_name(self, verb: str) -> None:
        """Pause or resume a symbol by its name."""
        if self._commands is None:
            self._tell("a recording takes no commands", "warning")
            return
        paused = ", ".join(self._deck.paused) if self._deck is not None else ""
        about = "Open pairs close as usual." if verb == "pause" else f"Paused: {paused or 'none'}."

        def chosen(symbol: object) -> None:
            if isinstance(symbol, str):
                self._steer(verb, symbol)

        self.push_screen(SymbolDialog(f"{verb.capitalize()} which symbol?", about), chosen)

    def _steer(self, verb: str, symbol: str) -> None:
        commands = self._commands
        if commands is None:
            self._tell("a recording takes no commands", "warning")
            return
        work = commands.pause if verb == "pause" else commands.resume
        self.run_worker(self._carry_out(lambda: work(symbol)))

    def action_kill(self) -> None:
        """Ask for the word, then trip the kill switch."""
        commands = self._commands
        if commands is None:
            self._tell("a recording takes no commands", "warning")
            return

        def answered(order: object) -> None:
            if isinstance(order, KillOrder):
                self.run_worker(self._kill(commands, order))

        mode = f" ({self._deck.mode})" if self._deck is not None and self._deck.mode else ""
        self.push_screen(KillDialog(f"{commands.name}{mode}"), answered)

    async def _kill(self, commands: Commands, order: KillOrder) -> None:
        is_killed = False
        shown_pid = self._deck.pid if self._deck is not None and self._deck.alive else 0

        def trip() -> str:
            nonlocal is_killed
            said, is_killed = commands.kill_surely(flatten=order.flatten, shown_pid=shown_pid)
            return said

        await self._carry_out(trip, "warning")
        if is_killed:
            await self._carry_out(commands.confirm, "warning")

    async def _carry_out(self, work: Callable[[], str], severity: Severity = "information") -> None:
        """Do it in a thread; tell what came of it."""
        try:
            said = await asyncio.to_thread(work)
        except (ArbitrageError, OSError) as error:
            self._tell(str(error), "error")
            return
        if said:
            self._tell(said, severity)

    def _tell(self, said: str, severity: Severity) -> None:
        self.told.append(said)
        self.notify(printable(said), severity=severity, timeout=TOLD_S, markup=False)
