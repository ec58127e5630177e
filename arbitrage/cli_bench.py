"""``arb bench``: run the measurements that lie in the clone's ``benchmarks`` folder."""

import os
import subprocess
import sys
from pathlib import Path

import click

from arbitrage.errors import ConfigError

__all__ = ["bench"]


def _clone() -> Path:
    """Return the folder that holds ``benchmarks``: this clone's root or the working folder."""
    for folder in (Path(__file__).resolve().parents[1], Path.cwd()):
        if (folder / "benchmarks" / "__main__.py").is_file():
            return folder
    raise ConfigError("the benchmarks are part of a clone, not of the wheel; run this in a clone")


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def bench(args: tuple[str, ...]) -> int:
    """Measure this machine, each figure beside its floor or peer.

    Arguments go to the runner; `arb bench -- --help` shows them.
    """
    root = _clone()
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "benchmarks", *args]
    return subprocess.run(command, cwd=root, env=environment, check=False).returncode
