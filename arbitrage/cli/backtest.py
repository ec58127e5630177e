"""``arb backtest``: the trader's own strategies over recorded markets, in virtual time."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from arbitrage.cli import OutputFile, symbols_option, write_text
from arbitrage.errors import ConfigError

if TYPE_CHECKING:
    from arbitrage.research.backtest_run import Progress
    from arbitrage.research.latency import Latency

__all__ = ["backtest"]

_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_WAYS = ("order", "reply", "feed")
_TIME = re.compile(r"(\d+\.?\d*|\.\d+) ?(us|ms|s)")
_UNITS_US = {"us": 1.0, "ms": 1e3, "s": 1e6}


def read_latency(words: tuple[str, ...]) -> "Latency":
    """Read ``order=5ms``, ``okx.reply=250us``: what a way takes, of both venues or of one."""
    from arbitrage.instruments import VENUES
    from arbitrage.research.latency import DEFAULT_NS, Latency

    found: dict[str, dict[str, float]] = {}
    for word in (part for text in words for part in text.split(",") if part.strip()):
        name, _, value = (piece.strip() for piece in word.partition("="))
        venue, dot, way = name.rpartition(".")
        time = _TIME.fullmatch(value)
        if time is None or way not in _WAYS or (dot and venue not in VENUES):
            raise ConfigError(
                f"--latency was {word!r}; accepted are order=TIME, reply=TIME and feed=TIME, of "
                "one venue as okx.order=TIME, a time as 250us, 3ms or 1s"
            )
        for each in [venue] if venue else VENUES:
            found.setdefault(way, {})[each] = float(time[1]) * _UNITS_US[time[2]]
    given: dict[str, Any] = {
        f"{way}_us": dict.fromkeys(VENUES, 0.0 if way == "feed" else DEFAULT_NS / 1e3) | by_venue
        for way, by_venue in found.items()
    }
    return Latency.constant(**given)


def read_settings(words: tuple[str, ...]) -> dict[str, Any]:
    """Return the trader's settings: the environment's and ``.env``'s, then --set NAME=VALUE."""
    from arbitrage.config import load_settings
    from arbitrage.research.backtest_settings import read_config
    from arbitrage.settings import fields_of

    told = load_settings(overrides={"ARB_MODE": "paper"}, needs_keys=False)
    found: dict[str, Any] = {
        field: getattr(group, field)
        for group in (told.strategy, told.risk)
        for field, _, _, _, default in fields_of(type(group))
        if getattr(group, field) != default
    }
    if told.fees_given:
        found["fees"] = str(told.fees)
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"--set was {word!r}; accepted is NAME=VALUE, min_net_bps=2")
        found[name.strip()] = value.strip()
    try:
        read_config(found, told.symbols)
    except ConfigError as error:
        raise ConfigError(f"--set {error}") from None
    return found


@contextmanager
def _progress_bar() -> "Iterator[Progress | None]":
    """Show a bar on stderr when that is a terminal; else nothing at all."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = ("backtest", BarColumn(bar_width=40), TaskProgressColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("backtest", total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)


@click.command()
@click.argument("data", metavar="DATA")
@click.option("--okx", type=_FILE, help="With DATA a file of Bybit's frames: OKX' frames.")
@click.option(
    "--instruments", type=_FILE, help="Contracts, as `arb instruments --json` wrote them."
)
@click.option(
    "--stream",
    type=click.Choice(["frames", "decisions"]),
    help="Of a recording; default: frames, unless only its decisions hold depth.",
)
@click.option("--symbols", type=symbols_option, metavar="LIST", help="Of the data, these only.")
@click.option("--start", metavar="TIME", help="From here on, UTC: 2026-03-01T08:30.")
@click.option("--end", metavar="TIME", help="To before this time, UTC.")
@click.option(
    "--strategy",
    metavar="LIST",
    default="spread",
    show_default=True,
    help="spread, funding, package.module:Class, file.py:Class.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting of the trader, min_net_bps=2 or ARB_MIN_NET_BPS=2; may be repeated.",
)
@click.option(
    "--latency",
    multiple=True,
    metavar="LIST",
    help="order=5ms,reply=800us, of one venue okx.order=20ms; feed counts where it is given.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all chance.")
@click.option(
    "--reject-rate", type=float, default=0.0, help="Share of orders that a venue refuses by chance."
)
@click.option(
    "--save", "folder", type=click.Path(path_type=Path), help="Write the result's arrays here."
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the tear sheet, one page of HTML that needs nothing else.",
)
@click.option(
    "--json",
    "json_path",
    type=OutputFile(),
    metavar="FILE",
    help="Write the summary as one JSON object to a file, or - for stdout.",
)
def backtest(
    data: str,
    okx: Path | None,
    instruments: Path | None,
    stream: str | None,
    symbols: tuple[str, ...] | None,
    start: str | None,
    end: str | None,
    strategy: str,
    settings: tuple[str, ...],
    latency: tuple[str, ...],
    seed: int,
    reject_rate: float,
    folder: Path | None,
    report: Path | None,
    json_path: str | None,
) -> int:
    """Run strategies over recorded markets, with the trader's own code.

    \b
    DATA is the folder of a recording (`arb record`), a file of Bybit's raw frames
    (with --okx), or a Parquet data set.
      arb backtest recordings/monday --set min_net_bps=2 --latency order=3ms,reply=3ms
      arb backtest bybit.frames.gz --okx okx.frames.gz --strategy spread,funding
      arb backtest recordings/monday --report monday.html


    ARB_* variables and .env say the thresholds and limits, as for the trader;
    --set wins over them. What the simulated venues do is in docs/backtest.md.
    """
    from arbitrage.research.backtest import Venue
    from arbitrage.research.backtest import backtest as run
    from arbitrage.research.market import open_data

    config, ways = read_settings(settings), read_latency(latency)
    opened = open_data(
        data,
        okx=okx,
        instruments=instruments,
        symbols=symbols,
        start=start,
        end=end,
        stream=stream,
    )
    taken = opened.source.get("stream")
    click.echo(
        f"{data}{f': its {taken}' if taken else ''}, "
        f"{'with depth' if opened.has_depth else 'without depth: what stands at the touch is all'}",
        err=True,
    )
    with _progress_bar() as progress:
        found = run(
            opened, strategy, config,
            latency=ways, venues=Venue(reject_rate=reject_rate), seed=seed, progress=progress,
        )  # fmt: skip
    if folder is not None:
        found.save(folder)
    if report is not None:
        found.report(report)
    if json_path is not None:
        text = msgspec.json.encode({**found.summary(), "sha256": found.sha256}).decode()
        write_text(json_path, text + "\n")
    if json_path != "-":
        write_text("-", f"{found}\n")
    return 0
