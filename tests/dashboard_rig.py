"""The terminal dashboard under a pilot, with decks made by hand."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from deck_rig import fake_deck

pytest.importorskip("textual", reason="the extra `dashboard` is not installed")

from textual.pilot import Pilot

from arbitrage.cold.dashboard import Dashboard
from arbitrage.cold.deck import Deck
from arbitrage.errors import ControlError

Step = Callable[[Dashboard, Pilot[None]], Awaitable[None]]
SMALL, WIDE = (80, 24), (150, 46)


class FakeCommands:
    """Notes what is asked for."""

    name = "arbitrage"

    def __init__(self, refuses: str = "") -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._refuses = refuses

    def _note(self, *asked: Any) -> None:
        self.asked.append(asked)
        if self._refuses:
            raise ControlError(self._refuses)

    def pause(self, symbol: str) -> str:
        self._note("pause", symbol)
        return f"{symbol} paused"

    def resume(self, symbol: str) -> str:
        self._note("resume", symbol)
        return f"{symbol} resumed"

    def kill_surely(self, *, flatten: bool = False, shown_pid: int = 0) -> tuple[str, bool]:
        self._note("kill", flatten, shown_pid)
        return "killed", True

    def confirm(self) -> str:
        self._note("confirm")
        return "no order is open"


def run(
    step: Step,
    decks: Iterable[Deck] = (),
    commands: FakeCommands | None = None,
    size: tuple[int, int] = SMALL,
    **options: Any,
) -> None:
    """Show decks one after the other, the last one again and again; then do the step."""
    queue = list(decks) or [fake_deck()]

    def look() -> Deck:
        return queue.pop(0) if len(queue) > 1 else queue[0]

    async def body() -> None:
        app = Dashboard(look, commands, look_s=None, **options)  # type: ignore[arg-type]
        async with app.run_test(size=size) as pilot:
            await app.refresh_deck()
            await pilot.pause()
            await step(app, pilot)

    asyncio.run(body())


def text_of(app: Dashboard) -> list[str]:
    """Return the window, line by line."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    assert len(lines) == height
    return ["".join(segment.text for segment in line)[:width] for line in lines]


def symbols(app: Dashboard) -> list[str]:
    return [row.symbol for row in app.panels.box("opportunities").grid.shown]


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Wait for what a command's thread brings."""
    async with asyncio.timeout(60):
        while not holds():
            await pilot.pause(0.01)
