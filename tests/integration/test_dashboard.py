"""The terminal dashboard on a real trader: what it shows, and what its keys do."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from trader_kit import trader, venues

import arbitrage
from arbitrage.cli.dashboard import kill_unheard
from arbitrage.cold.deck import DeckReader
from arbitrage.cold.screens.commands import Commands
from arbitrage.control import ControlClient
from arbitrage.core.risk import KILLS, PAUSES
from arbitrage.trading.kill_record import read_kill

pytest.importorskip("textual", reason="the extra `dashboard` is not installed")

from textual.pilot import Pilot

from arbitrage.cold.dashboard import Dashboard
from arbitrage.cold.screens.dialogs import KillDialog

WAIT_S = 90.0
SETTINGS = {
    "ARB_MIN_NET_BPS": "-30",
    "ARB_MIN_GROSS_BPS": "-30",
    "ARB_MAX_HOLD_S": "0.3",
    "ARB_MAX_ORDER_USD": "50",
}


class Watcher:
    """A dashboard under a pilot."""

    def __init__(self, app: Dashboard, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def text(self) -> str:
        lines = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in line) for line in lines)

    @property
    def headline(self) -> str:
        return self.text.splitlines()[0]

    def rows(self, name: str) -> int:
        return len(self.app.panels.box(name).grid.shown)

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                while not holds():
                    await self.pilot.pause(0.02)
        except TimeoutError:
            raise AssertionError(f"{what}: {self.app.told}\n{self.text}") from None


@pytest.mark.timeout(300)
def test_it_shows_a_trader_and_steers_it(tmp_path: Path) -> None:
    with venues(tmp_path, rate=800) as place, trader(
        tmp_path, place.environment(), **SETTINGS
    ) as running:
        segment = running.attach()
        run = segment.run
        folder = Path(running.settings["ARB_STATE_DIR"])
        commands = Commands(folder, running.name, kill_unheard, WAIT_S)

        async def body() -> None:
            look = DeckReader(running.name, arbitrage.attach).look
            app = Dashboard(look, commands, look_s=0.1)
            async with app.run_test(size=(150, 46)) as pilot:
                seen = Watcher(app, pilot)
                await check_panels(seen, running.name)
                await check_pause(seen)
                await check_kill(seen, commands)
                os.kill(running.child.pid, signal.SIGKILL)
                running.child.wait(10.0)
                await check_gone(seen)
                with trader(
                    tmp_path, place.environment(), **SETTINGS, ARB_NAME=running.name
                ) as another:
                    await seen.until(
                        lambda: f"run {run} " not in seen.headline and "TRADING" in seen.headline,
                        f"another run than {run} did not show",
                    )
                    assert "NO TRADER" not in seen.text
                    assert another.stop() == 0
                await check_gone(seen)
                await check_kill_for_the_next_start(seen)

        async def check_pause(seen: Watcher) -> None:
            await seen.until(lambda: seen.app.panels.selected is not None, "no line")
            row = seen.app.panels.selected
            assert row is not None
            index = list(segment.symbols).index(row.symbol)
            await seen.pilot.press("p")
            await seen.until(lambda: len(seen.app.told) == 1, "not paused")
            assert segment.pause_reasons(index) == PAUSES["operator"]
            await seen.until(lambda: f"paused: {row.symbol} (operator)" in seen.text, "not told")
            await seen.pilot.press("R", *row.symbol.lower(), "enter")
            await seen.until(lambda: len(seen.app.told) == 2, "not resumed")
            assert segment.pause_reasons(index) == 0
            await seen.until(lambda: "paused:" not in seen.text, "not told")

        async def check_kill(seen: Watcher, commands: Commands) -> None:
            await seen.pilot.press("k")
            assert isinstance(seen.app.screen, KillDialog)
            await seen.pilot.press(*"kall", "enter", "escape")
            await seen.pilot.pause()
            assert segment.kill_reason == 0
            with ControlClient(folder) as line:
                assert line.call("status")["kill"] is None
                await seen.pilot.press("k", *"kill", "enter")
                await seen.until(lambda: len(seen.app.told) == 4, "not confirmed")
                assert KILLS[segment.kill_reason] == "dashboard"
                assert seen.app.told[2].startswith("killed: no order leaves any more")
                assert seen.app.told[3] == "no order is open at bybit and okx"
                record = read_kill(folder)
                assert record is not None
                assert (record.reason, record.by) == ("dashboard", "dashboard")
                assert "typed into the dashboard by" in record.why
                await seen.until(lambda: "KILLED (dashboard) by dashboard" in seen.text, "banner")
                line.call("clear_kill")
            await seen.until(lambda: "TRADING" in seen.headline, "not cleared")

        async def check_kill_for_the_next_start(seen: Watcher) -> None:
            before = len(seen.app.told)
            await seen.pilot.press("k", *"kill", "enter")
            await seen.until(lambda: len(seen.app.told) > before, "not told")
            assert "the next start there is killed" in seen.app.told[-1]
            record = read_kill(folder)
            assert record is not None
            assert record.reason == "dashboard"

        asyncio.run(body())


async def check_panels(seen: Watcher, name: str) -> None:
    """Every panel has something to say of a trader that trades."""
    for panel in ("opportunities", "venues", "latency", "queues", "money", "limits"):
        await seen.until(lambda panel=panel: seen.rows(panel) > 0, f"nothing in {panel}")
    await seen.until(lambda: "3 LIVE" in seen.text, "no row is LIVE")
    for told in (name, "TESTNET", "spread", "TRADING", "BTCUSDT", "max order"):
        await seen.until(lambda told=told: told in seen.text, f"{told} is not shown")
    await seen.until(lambda: "s old" in seen.text.splitlines()[0], "no age")


async def check_gone(seen: Watcher) -> None:
    """Nothing that looks like a fact is left."""
    await seen.until(lambda: "NO TRADER" in seen.text, "no banner")
    assert "GONE" in seen.text
    for panel in ("opportunities", "pairs", "venues", "latency", "queues", "money", "limits"):
        assert seen.rows(panel) == 0, panel
    assert "USDT" not in seen.text
