"""``arb dashboard`` and ``arb-dashboard``: a running trader, or a recording, in a terminal."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from arbitrage.cli import fees_option, run_command
from arbitrage.config import load_settings
from arbitrage.errors import ConfigError, ControlError, JournalError
from arbitrage.fees import FeeSchedule

if TYPE_CHECKING:
    from arbitrage.cold.deck import Deck
    from arbitrage.research.playback import Playback, PublishedPlayback
    from arbitrage.settings import Settings

__all__ = ["dashboard", "kill_unheard"]

SPEED_MAX = 100_000.0


def _require_textual() -> None:
    if importlib.util.find_spec("textual") is None:
        raise ConfigError(
            "the dashboard needs a library that is not installed: pip install textual, or "
            "pip install '.[dashboard]' in a clone"
        )
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(
            "the dashboard needs a terminal on stdin and stdout; for programs there are "
            "arb status --json and arb-monitor"
        )


def kill_unheard(folder: Path, flat: bool, why: str, shown_pid: int) -> str:
    """Leave a kill in a state folder where nobody answered; return what was left, in words.

    Raises
    ------
    ControlError
        The trader that is shown is not the one of this folder: a word left here would kill another.
    """
    from arbitrage.cli.control import kill_later
    from arbitrage.trading.runs import StateFolder

    if shown_pid:
        try:
            with StateFolder(folder):
                pass
        except JournalError:
            pass  # it holds this folder: it finds the word as soon as it looks
        else:
            raise ControlError(
                f"NOT KILLED: process {shown_pid}, which is shown, has another state folder than "
                f"{folder}; tell it: kill -USR{2 if flat else 1} {shown_pid}, or start the "
                "dashboard with its --state-dir"
            )
    return kill_later(folder, flat, why, reason="dashboard", by="dashboard")


def _show(look: "Callable[[], Deck]", settings: "Settings", theme: str) -> None:
    from arbitrage.cold.dashboard import Dashboard
    from arbitrage.cold.screens.commands import Commands

    commands = Commands(settings.state_path, settings.name, kill_unheard)
    Dashboard(look, commands, theme=theme).run_alone()


def _open(
    folder: Path, min_net_bps: float | None, fees: FeeSchedule | None, max_age_ms: float | None
) -> "Playback | PublishedPlayback":
    """Play what the trader published; frames where there is nothing, or others are asked for."""
    from arbitrage.record_files import OPPORTUNITIES, pieces_of
    from arbitrage.research.playback import Playback, PublishedPlayback

    asked = (min_net_bps, fees, max_age_ms)
    if asked == (None, None, None) and pieces_of(folder, OPPORTUNITIES):
        return PublishedPlayback(folder)
    return Playback(folder, fees or FeeSchedule(), min_net_bps or 0.0, max_age_ms or 0.0)


def _play(recording: "Playback | PublishedPlayback", name: str, speed: float, theme: str) -> None:
    from arbitrage.cold.dashboard import Dashboard
    from arbitrage.cold.recorded_deck import RecordedDeck

    with recording:
        deck = RecordedDeck(recording, name, speed)
        Dashboard(deck.look, None, theme=theme, watched=f"RECORDING x{speed:g}").run_alone()


@click.command()
@click.option("--name", help="Name of the trader; default: ARB_NAME, arbitrage.")
@click.option(
    "--state-dir",
    metavar="FOLDER",
    help="The trader's state folder, for pause and kill; default: ARB_STATE_DIR.",
)
@click.option(
    "--recording",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Play what arb record wrote, instead of a trader.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0, SPEED_MAX, min_open=True),
    default=1.0,
    show_default=True,
    help="Of a recording: its seconds in one of ours.",
)
@click.option(
    "--min-net-bps",
    type=click.FloatRange(-10_000, 10_000),
    help="Of a recording's frames: least net edge to open; default: 0.",
)
@click.option(
    "--fees",
    type=fees_option,
    metavar="LIST",
    help="Of a recording's frames: taker fees in bps; default: bybit=5.5,okx=5.0.",
)
@click.option(
    "--max-age-ms",
    type=click.FloatRange(0, 1e9),
    help="Of a recording's frames: oldest quote of a leg; default: any.",
)
@click.option("--theme", type=click.Choice(["dark", "light"]), default="dark", show_default=True)
def dashboard(
    name: str | None,
    state_dir: str | None,
    recording: Path | None,
    speed: float,
    min_net_bps: float | None,
    fees: FeeSchedule | None,
    max_age_ms: float | None,
    theme: str,
) -> int:
    """Watch a running trader in the terminal; pause symbols, trip the kill switch.

    \b
    It reads the trader's shared memory from a process of its own and cannot slow
    it. It waits for a trader that does not run yet and survives its restart.
    Press ? for the keys. A recording shows what the trader published; with one
    of --min-net-bps, --fees, --max-age-ms its frames are judged anew.
      arb dashboard
      arb dashboard --recording ~/days/monday --speed 20
    """
    from arbitrage.cold.log import setup_logging

    _require_textual()
    if recording is not None:
        played = _open(recording, min_net_bps, fees, max_age_ms)
        _play(played, recording.resolve().name, speed, theme)
        return 0
    overrides = {"ARB_NAME": name} if name else {}
    overrides |= {"ARB_STATE_DIR": state_dir} if state_dir else {}
    setup_logging("WARNING")  # what there is to say is said before the screen is taken
    settings = load_settings(overrides=overrides, needs_keys=False)

    from arbitrage.cold.deck import DeckReader
    from arbitrage.cold.steady_reader import SteadyReader
    from arbitrage.runtime.attach import attach

    reader = SteadyReader(settings.name, lambda: DeckReader(settings.name, attach))
    _show(reader.look, settings, theme)
    return 0


if __name__ == "__main__":
    run_command(dashboard, "python -m arbitrage.cli.dashboard")
