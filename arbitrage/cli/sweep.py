"""``arb sweep``: a backtest for every set of parameters, day and symbol."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from arbitrage.cli import OutputFile, write_text
from arbitrage.errors import ConfigError

if TYPE_CHECKING:
    from arbitrage.research.sweeps.grid import Grid

__all__ = ["sweep"]

_PLOTS = (".png", ".svg", ".pdf")


class _PlotFile(OutputFile):
    """A picture, by its ending."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value.endswith(_PLOTS):
            raise ConfigError(f"--plot was {value!r}; accepted are files {', '.join(_PLOTS)}")
        return super().convert(value, param, ctx)


@click.command()
@click.argument("data", required=False)
@click.option(
    "--grid",
    "grid_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    help="What to run, a TOML file: docs/sweep.md.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the rows, as Parquet; default: the grid's name without .toml, .sweep instead.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes on this machine; default: its cores."
)
@click.option(
    "--dask", "address", metavar="ADDRESS", help="Run on the cluster of this Dask scheduler."
)
@click.option(
    "--keep-mb",
    type=click.FloatRange(min=0),
    help="Records of a day that a worker keeps for its next run, MB; default: docs/sweep.md.",
)
@click.option("--retry-failed", is_flag=True, help="Do those again that failed before.")
@click.option(
    "--best", type=click.IntRange(min=1), default=10, show_default=True, help="Sets to show."
)
@click.option("--plot", type=_PlotFile(), metavar="FILE", help="Draw the first two axes' map.")
@click.option(
    "--json",
    "json_path",
    type=OutputFile(),
    metavar="FILE",
    help="Write the best sets as JSON, an object a line, to a file, or - for stdout.",
)
def sweep(
    data: str | None,
    grid_path: Path,
    out: Path | None,
    workers: int | None,
    address: str | None,
    keep_mb: float | None,
    retry_failed: bool,
    best: int,
    plot: str | None,
    json_path: str | None,
) -> int:
    """Run a backtest for every set of parameters, day and symbol.

    \b
    DATA is what `arb backtest` takes; without it, the grid's [data] names it.
      arb sweep days/monday --grid grid.toml
      arb sweep --grid grid.toml --dask tcp://10.0.0.5:8786

    What is done stays: the same command goes on where it stopped, and a changed
    grid runs only what is new. A run that fails is a row with the error's text.
    """
    if workers is not None and address is not None:
        raise ConfigError("--workers are of this machine, --dask is a cluster; leave one out")
    from arbitrage.cold.log import setup_logging
    from arbitrage.research import sweep as research
    from arbitrage.research.sweeps.grid import read_grid
    from arbitrage.research.sweeps.pool import dask_executor
    from arbitrage.research.sweeps.rows import need_parquet

    setup_logging("WARNING")
    need_parquet()
    if plot is not None:
        _check_plot(read_grid(grid_path))
    folder = out or grid_path.with_suffix(".sweep")
    try:
        with nullcontext() if address is None else dask_executor(address) as executor:
            found = research.sweep(
                data,
                grid_path,
                executor,
                out=folder,
                workers=workers,
                keep_mb=keep_mb,
                retry_failed=retry_failed,
            )
    except KeyboardInterrupt:
        click.echo(f"interrupted; what is done is in {folder}: the same command goes on", err=True)
        return 130
    if plot is not None:
        found.heat_map().savefig(plot)
    if json_path is None:
        write_text("-", f"{found.text(best)}{folder / research.TABLE} holds every run\n")
    else:
        write_text(json_path, _json_lines(found, best))
    return 1 if len(found.failed) else 0


def _check_plot(grid: "Grid") -> None:
    """Refuse before any run what could not be drawn after it."""
    from arbitrage.research.extras import needed

    if len(grid.axes) < 2:
        listed = ", ".join(grid.axes) or "none"
        raise ConfigError(f"--plot draws a map of two axes; those of the grid are {listed}")
    needed("matplotlib", "research", "heat maps")


def _json_lines(found: object, best: int) -> str:
    import msgspec

    from arbitrage.research.sweep import Sweep

    assert isinstance(found, Sweep)
    rows = found.best(best)
    names = rows.dtype.names or ()
    return "".join(
        msgspec.json.encode({name: row[name].item() for name in names}).decode() + "\n"
        for row in rows
    )
