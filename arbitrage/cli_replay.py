"""``arb replay``: recorded frames of both venues through the trader's own parsers and detector."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from arbitrage.cli import OutputFile, fees_option, write_text
from arbitrage.errors import ConfigError
from arbitrage.fees import FeeSchedule

__all__ = ["replay"]

Progress = Callable[[float], None]
_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@contextmanager
def _progress_bar() -> Iterator[Progress | None]:
    """Show a bar on stderr when that is a terminal; else nothing at all."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = ("replay", BarColumn(bar_width=40), TaskProgressColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replay", total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)


def _table(result: dict[str, Any]) -> str:
    lines = [f"{name:<16}{value:>20,}" for name, value in result.items() if isinstance(value, int)]
    lines.append(f"{'wall_s':<16}{result['wall_s']:>20.3f}")
    lines.append(f"{'frames_per_s':<16}{result['frames_per_s']:>20,.0f}")
    lines.append(f"{'events_sha256':<16}{result['events_sha256'][:16]:>20}")
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--bybit", type=_FILE, required=True, help="Frames of Bybit: .gz, .zst, plain.")
@click.option("--okx", type=_FILE, required=True, help="Frames of OKX: .gz, .zst, plain.")
@click.option(
    "--min-net-bps", type=float, default=0.0, show_default=True, help="Least net edge to open."
)
@click.option(
    "--fees",
    type=fees_option,
    metavar="LIST",
    default="bybit=5.5,okx=5.0",
    show_default=True,
    help="Taker fees in bps.",
)
@click.option(
    "--max-age-ms",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Oldest quote of a leg; 0: off.",
)
@click.option(
    "--events",
    type=OutputFile(),
    metavar="FILE",
    help="Write the events as CSV.",
)
@click.option(
    "--json",
    "json_path",
    type=OutputFile(),
    metavar="FILE",
    help="Write the result as one JSON object to a file, or - for stdout.",
)
def replay(
    bybit: Path,
    okx: Path,
    min_net_bps: float,
    fees: FeeSchedule,
    max_age_ms: int,
    events: str | None,
    json_path: str | None,
) -> int:
    """Find the opportunities in recorded frames, with the files' own clock.

    \b
    A file holds one `recv_ns TAB frame` a line. Both are merged by recv_ns.
      arb replay --bybit bybit.frames.gz --okx okx.frames.gz --min-net-bps 4 \\
          --fees bybit=0,okx=0 --events events.csv --json -
    """
    if min_net_bps != min_net_bps or abs(min_net_bps) == float("inf"):
        raise ConfigError(f"--min-net-bps was {min_net_bps}; accepted is a finite number")
    from arbitrage.research.replay import run_replay

    with _progress_bar() as progress:
        result = run_replay(
            bybit=bybit,
            okx=okx,
            min_net_bps=min_net_bps,
            fees=fees.by_venue(),
            max_age_ms=max_age_ms,
            events_path=None if events is None else Path(events),
            progress=progress,
            needs_quotes=True,
        )
    if json_path is None:
        write_text("-", _table(result))
    else:
        write_text(json_path, msgspec.json.encode(result).decode() + "\n")
    return 0
