"""``arb record``: write a running trader's frames, decisions and opportunities to files."""

import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from arbitrage.config import load_settings
from arbitrage.errors import ConfigError

if TYPE_CHECKING:
    from arbitrage.cold.recorder import Recorder

__all__ = ["record"]

SHOW_S = 0.25
TELL_S = 60.0


def _venues_option(text: str) -> tuple[str, ...]:
    known = ("bybit", "okx")
    named = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    if not named or set(named) - set(known):
        raise ConfigError(f"--venues was {text!r}; accepted are {', '.join(known)}")
    return named


def _without_option(text: str) -> tuple[str, ...]:
    known = ("frames", "decisions", "opportunities")
    named = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    if set(named) - set(known) or len(named) == len(known):
        raise ConfigError(f"--without was {text!r}; accepted are some of {', '.join(known)}")
    return named


def line_of(recorder: "Recorder") -> str:
    """Write how far a recording is, in one line."""
    counts = "   ".join(f"{count:,} {name}" for name, count in recorder.counts.items())
    lost = "".join(f"   lost {count:,} {name}" for name, count in recorder.lost.items())
    return f"{counts}   {recorder.written_bytes / 1e6:,.1f} MB{lost}"


@contextmanager
def _progress(recorder: "Recorder") -> Iterator[Callable[[], None]]:
    """Show a live line on a terminal; else log one a minute."""
    log = logging.getLogger("arbitrage.record")
    next_s = time.monotonic() + TELL_S
    if not sys.stderr.isatty():

        def tell() -> None:
            nonlocal next_s
            if time.monotonic() >= next_s:
                next_s += TELL_S
                log.info("%s", line_of(recorder))

        yield tell
        return
    from rich.console import Console

    with Console(stderr=True).status("recording") as status:

        def show() -> None:
            nonlocal next_s
            if time.monotonic() >= next_s:
                next_s = time.monotonic() + SHOW_S
                status.update(f"recording   {line_of(recorder)}")

        next_s = 0.0
        yield show


@click.command()
@click.argument("name", required=False)
@click.option("--name", "named", metavar="NAME", help="The same as the argument NAME.")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where the files go; it is made when it is not there.",
)
@click.option(
    "--compress",
    type=click.Choice(["gzip", "zstd", "none"]),
    default="gzip",
    show_default=True,
    help="zstd needs pip install zstandard.",
)
@click.option(
    "--venues",
    type=_venues_option,
    metavar="LIST",
    default="bybit,okx",
    show_default=True,
    help="Whose frames to keep.",
)
@click.option(
    "--without",
    type=_without_option,
    metavar="LIST",
    default="",
    help="What to leave out: frames, decisions, opportunities.",
)
@click.option(
    "--rotate-mb", type=click.FloatRange(0), default=0, help="Begin new files at this size."
)
@click.option(
    "--rotate-s", type=click.FloatRange(0), default=0, help="Begin new files after this time."
)
def record(
    name: str | None,
    named: str | None,
    out: Path,
    compress: str,
    venues: tuple[str, ...],
    without: tuple[str, ...],
    rotate_mb: float,
    rotate_s: float,
) -> int:
    """Record the trader NAME until Ctrl-C or until it ends.

    \b
    NAME is the trader's ARB_NAME, arbitrage by default; start it with ARB_TAP_MB=64.
    Raw frames, the detector's own decisions and the opportunities it published:
      arb record --out FOLDER
      arb replay FOLDER --verify                  # the same opportunities, byte for byte
      arb replay --bybit FOLDER/bybit.frames.gz --okx FOLDER/okx.frames.gz
      arb demo --frames FOLDER
    """
    from arbitrage.cold.log import setup_logging

    if name and named and name != named:
        raise ConfigError(f"the trader to record was {name!r} and --name {named!r}; give one")
    name = name or named
    setup_logging("WARNING")
    settings = load_settings(overrides={"ARB_NAME": name} if name else {}, needs_keys=False)
    setup_logging(settings.log_level, settings.log_format)

    from arbitrage.cold.beside import Teller
    from arbitrage.cold.recorder import Recorder
    from arbitrage.frame_files import zstd_module
    from arbitrage.runtime.attach import attach
    from arbitrage.runtime.stop_flag import StopFlag

    if compress == "zstd":
        zstd_module()
    stop = StopFlag()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    recorder = Recorder(
        attach(settings.name),
        out,
        venues=venues,
        without=without,
        compress=compress,
        rotate_bytes=rotate_mb * 1e6,
        rotate_s=rotate_s,
    )
    recorder.open()
    log = logging.getLogger("arbitrage.record")
    log.info("recording %s to %s", settings.name, out)
    teller = Teller(settings.name, str(out.absolute()), lambda: recorder.state)
    with teller, _progress(recorder) as tell:

        def told() -> None:
            tell()
            teller.tell()

        why = recorder.run(stop.is_set, told)
    log.info("%s: %s in %s", why, line_of(recorder), out)
    for what, count in recorder.lost.items():
        log.warning("%d %s are missing; recording.json says where", count, what)
    return 0
