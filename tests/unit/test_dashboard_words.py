"""What the dashboard's keys ask of the trader, and what they do not."""

import asyncio
import logging

import pytest
from dashboard_rig import FakeCommands, run, symbols, text_of, until
from deck_rig import fake_deck
from textual.pilot import Pilot
from textual.widgets import Checkbox, Input, Static

from arbitrage.cold.dashboard import Dashboard, LogLines
from arbitrage.cold.screens.dialogs import KillDialog, SymbolDialog
from arbitrage.secret import Secret


def test_pause_and_resume_mean_the_symbol_under_the_cursor() -> None:
    commands = FakeCommands()

    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        await pilot.press("down", "p")
        await until(pilot, lambda: len(app.told) == 1)
        await pilot.press("2", "r")
        await until(pilot, lambda: len(app.told) == 2)
        assert commands.asked == [("pause", symbols(app)[1]), ("resume", "BTCUSDT")]
        assert app.told == [f"{symbols(app)[1]} paused", "BTCUSDT resumed"]

    run(step, commands=commands)


def test_a_symbol_can_be_named() -> None:
    commands = FakeCommands()

    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        await pilot.press("R")
        assert isinstance(app.screen, SymbolDialog)
        assert "Paused: SOLUSDT." in "\n".join(text_of(app))
        await pilot.press(*"solusdt", "enter")
        await until(pilot, lambda: len(app.told) == 1)
        await pilot.press("3", "p")  # no symbol there: asks
        await pilot.press(*"ALL", "enter")
        await until(pilot, lambda: len(app.told) == 2)
        await pilot.press("P", "escape")
        await pilot.press("P", "enter")
        await pilot.pause()
        assert commands.asked == [("resume", "SOLUSDT"), ("pause", "all")]

    run(step, commands=commands)


@pytest.mark.parametrize("typed", ["", "kil", "killl", "yes", "kill it", "k ill", "resume"])
def test_a_wrong_word_trips_nothing(typed: str) -> None:
    commands = FakeCommands()

    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        await pilot.press("k")
        assert isinstance(app.screen, KillDialog)
        app.screen.query_one("#word", Input).value = typed
        await pilot.press("enter")
        assert isinstance(app.screen, KillDialog)
        said = app.screen.query_one("#wrong", Static)
        assert "nothing was done: the word is kill" in str(said.render())
        await pilot.click("#kill")
        assert isinstance(app.screen, KillDialog)
        await pilot.press("escape")
        await pilot.pause()
        assert commands.asked == []
        assert app.told == []

    run(step, commands=commands)


@pytest.mark.parametrize("flatten", [False, True])
def test_the_word_trips_and_the_venues_are_heard(flatten: bool) -> None:
    commands = FakeCommands()

    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        await pilot.press("k")
        if flatten:
            await pilot.press("tab", "space")
            assert app.screen.query_one("#flatten", Checkbox).value
            app.screen.query_one("#word", Input).focus()
        await pilot.press(*"KILL", "enter")
        await until(pilot, lambda: len(app.told) == 2)
        assert commands.asked == [("kill", flatten, 4242), ("confirm",)]
        assert app.told == ["killed", "no order is open"]
        assert app.screen is app.panels

    run(step, commands=commands)


def test_leaving_the_dialog_trips_nothing() -> None:
    commands = FakeCommands()

    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        await pilot.press("k", *"kill")
        await pilot.click("#leave")
        await pilot.pause()
        assert app.screen is app.panels
        assert commands.asked == []

    run(step, commands=commands)


def test_a_refusal_is_told() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        await pilot.press("p")
        await until(pilot, lambda: app.told == ["no trader listens at [x]"])
        await pilot.press("k", *"kill", "enter")
        await until(pilot, lambda: len(app.told) == 2)

    run(step, commands=FakeCommands("no trader listens at [x]"))


def test_what_is_logged_meanwhile_is_shown_and_masked() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        log = logging.getLogger("test.dashboard")
        log.propagate = False
        log.addHandler(LogLines(app.warn))
        secret = Secret("c4n4ry-51c7e7")
        await asyncio.to_thread(log.warning, "a part was left, %s", secret.reveal())
        await asyncio.to_thread(log.info, "not worth a word")
        await until(pilot, lambda: app.told == ["a part was left, ***"])
        log.handlers.clear()

    run(step)


def test_a_recording_takes_no_commands() -> None:
    async def step(app: Dashboard, pilot: Pilot[None]) -> None:
        shown = "\n".join(text_of(app))
        assert "RECORDING x20" in shown
        assert "01:02:03 UTC" in shown
        assert "TRADING" not in shown
        for key in "pkPR":
            await pilot.press(key)
        assert app.told == ["a recording takes no commands"] * 4
        assert app.screen is app.panels
        await pilot.press("4")
        await pilot.pause()
        assert "not part of a recording" in "\n".join(text_of(app))

    run(step, [fake_deck(latency=[], mode="recording")], watched="RECORDING x20")
