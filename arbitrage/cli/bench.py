"""``arb bench``: run the measurements that lie in the clone's ``benchmarks`` folder."""

import os
import subprocess
import sys
from pathlib import Path

import click

from arbitrage.cli import OutputFile
from arbitrage.errors import ConfigError

__all__ = ["bench"]


def _clone() -> Path:
    """Return the folder that holds ``benchmarks``: this clone's root or the working folder."""
    for folder in (Path(__file__).resolve().parents[2], Path.cwd()):
        if (folder / "benchmarks" / "__main__.py").is_file():
            return folder
    raise ConfigError("the benchmarks are part of a clone, not of the wheel; run this in a clone")


@click.command()
@click.option(
    "--only", multiple=True, metavar="NAME", help="A row, or all that begin so; may be repeated."
)
@click.option("--quick", is_flag=True, help="All of it in less than a minute.")
@click.option("--seconds", type=float, help="Time of each question.")
@click.option("--runs", type=int, help="Show the medians of so many runs.")
@click.option(
    "--join",
    "is_joined",
    is_flag=True,
    help="Measure nothing: medians of all kept runs of this machine and commit.",
)
@click.option("--cores", metavar="LIST", help="Cores to use, the first choice first: 3,2,1.")
@click.option(
    "--json",
    "target",
    type=OutputFile(),
    metavar="FILE",
    help="One array of rows, to a file or -.",
)
@click.option("--write-readme", is_flag=True, help="Put the table of this run into README.md.")
@click.option("--list", "names", is_flag=True, help="Name the questions and exit.")
def bench(
    only: tuple[str, ...],
    quick: bool,
    seconds: float | None,
    runs: int | None,
    is_joined: bool,
    cores: str | None,
    target: str | None,
    write_readme: bool,
    names: bool,
) -> int:
    """Measure this machine, each figure beside its floor or peer.

    Rows are kept in benchmarks/results; docs/performance.md says how to read them.
    """
    root = _clone()
    args = [word for name in only for word in ("--only", name)]
    args += ["--quick"] * quick + ["--list"] * names + ["--write-readme"] * write_readme
    args += ["--join"] * is_joined
    if target not in (None, "-"):  # the runner works in the clone's root
        target = str(Path(target).absolute())
    given = {"--seconds": seconds, "--runs": runs, "--cores": cores, "--json": target}
    for flag, value in given.items():
        args += [flag, str(value)] if value is not None else []
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "benchmarks", *args]
    return subprocess.run(command, cwd=root, env=environment, check=False).returncode
