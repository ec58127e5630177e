"""``arb doctor``: look at everything a trader depends on, and say what to do. Changes nothing."""

import asyncio
import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from arbitrage.doctor.findings import Finding, HostFiles
from arbitrage.settings import Settings

__all__ = ["doctor", "examine"]

WIDTH = 100
MARKS = {"ok": "ok", "warn": "warn", "bad": "bad", "skip": "-"}
COLOURS = {"ok": "green", "warn": "yellow", "bad": "bold red", "skip": "dim"}
DOTENV = Path(".env")


def _trader_runs(name: str) -> bool:
    from arbitrage.errors import SegmentError
    from arbitrage.runtime.attach import attach

    try:
        return attach(name).alive
    except SegmentError:
        return False


def examine(
    environ: Mapping[str, str],
    overrides: Mapping[str, str],
    files: HostFiles,
    *,
    offline: bool,
    dotenv: Path = DOTENV,
) -> list[Finding]:
    """Return everything that was found: host, configuration, and unless offline the others."""
    from arbitrage.doctor.configuration import check_configuration, read_settings
    from arbitrage.doctor.cores import check_cores
    from arbitrage.doctor.host import check_host
    from arbitrage.doctor.wanted import wanted_of

    settings, found = read_settings(environ, dotenv, overrides)
    known = settings or Settings(cores=tuple(sorted(os.sched_getaffinity(0))))
    wanted = wanted_of(known)
    told = [*check_cores(files, wanted)]
    told += check_host(files, wanted, trader_runs=_trader_runs(known.name))
    told += found
    if settings is None:
        return told
    told += check_configuration(files, settings, dotenv)
    if not offline:
        from arbitrage.cold.redis_link import TlsFiles
        from arbitrage.doctor.redis_server import check_redis
        from arbitrage.doctor.venues import check_venues

        told += asyncio.run(check_venues(settings))
        told += check_redis(settings.redis_url, TlsFiles(*settings.redis_files))
    return told


def _table(found: list[Finding]) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in ("Where", "Check", "", "What"):
        table.add_column(head, no_wrap=head != "What", overflow="fold")
    last = ""
    for finding in found:
        what = Text(finding.reason)
        if finding.remedy:
            what.append(f"\n→ {finding.remedy}", style="italic")
        mark = Text(MARKS[finding.status], style=COLOURS[finding.status])
        table.add_row("" if finding.area == last else finding.area, finding.check, mark, what)
        last = finding.area
    out = io.StringIO()
    is_terminal = sys.stdout.isatty()
    width = max(WIDTH, os.get_terminal_size().columns) if is_terminal else WIDTH
    Console(file=out, width=width, force_terminal=is_terminal).print(table)
    return out.getvalue()


def _summary(found: list[Finding]) -> str:
    from arbitrage.wording import counted

    wrong = sum(finding.status == "bad" for finding in found)
    warned = sum(finding.status == "warn" for finding in found)
    fine = sum(finding.status == "ok" for finding in found)
    return f"{counted(wrong, 'error')}, {counted(warned, 'warning')}, {fine} fine\n"


@click.command()
@click.option(
    "--mode",
    type=click.Choice(["paper", "demo", "testnet", "live"]),
    help="As the trader will be started; default: ARB_MODE, else by the keys.",
)
@click.option("--offline", is_flag=True, help="Ask no venue and no Redis.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object a finding and line.")
def doctor(mode: str | None, offline: bool, as_json: bool) -> int:
    """Check host, settings, keys, venues and Redis, and say what to do. Changes nothing.

    \b
    Run it as the user, in the folder and with the environment of the trader.
    Keys are asked about where they are set: what they may do, from where.
    Exit code: 0 all is well or warned of, 1 something is wrong.
    """
    from arbitrage.cold.log import setup_logging
    from arbitrage.secret import mask_known

    setup_logging("ERROR")  # what is warned of elsewhere is a finding here
    found = examine(
        os.environ, {"ARB_MODE": mode} if mode else {}, HostFiles(), offline=offline
    )
    if as_json:
        text = "".join(msgspec.json.encode(finding).decode() + "\n" for finding in found)
    else:
        text = _table(found) + _summary(found)
    click.echo(mask_known(text), nl=False)
    return int(any(finding.status == "bad" for finding in found))
