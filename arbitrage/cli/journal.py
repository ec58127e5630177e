"""``arb journal``: what a trader meant to do and what came of it, read from its journal."""

import csv
import io
import sys
import textwrap
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import msgspec

from arbitrage.cli import OutputFile, write_text
from arbitrage.core.journal import TYPE_NAMES
from arbitrage.errors import ConfigError, JournalError
from arbitrage.runtime.told import told_path
from arbitrage.trading.history import History
from arbitrage.trading.journal_rows import COLUMNS, Row, iso_time, rows, sentence
from arbitrage.trading.reconcile import newest_taken
from arbitrage.trading.run_journal import RunJournal
from arbitrage.trading.runs import StateFolder, journal_parts, running_run
from arbitrage.wording import counted

__all__ = ["journal"]

TYPES = tuple(name.lower() for name in TYPE_NAMES[1:])  # without EMPTY
FOLD_COLUMNS = 100
_KINDS = {False: "orders", True: "account"}


def _folder(path: str | None) -> Path:
    from arbitrage.config import load_settings

    overrides = {"ARB_STATE_DIR": path} if path else {}
    folder = load_settings(overrides=overrides, needs_keys=False).state_path
    if not folder.is_dir():
        raise ConfigError(f"there is no state folder {folder}; give --state-dir")
    return folder


def _runs(path: str | None, kind: str = "orders") -> dict[int, list[Path]]:
    folder = _folder(path)
    found = journal_parts(folder, kind)
    if not found:
        raise ConfigError(f"{folder} holds no journal; give --state-dir, or run a trader first")
    return found


def _parts(path: str | None, run: int | None, kind: str = "orders") -> list[Path]:
    """Return the parts of a run's journal; the newest run's for None."""
    found = _runs(path, kind)
    if run is None:
        return found[max(found)]
    if run not in found:
        newest = ", ".join(str(known) for known in sorted(found)[-5:])
        raise ConfigError(f"there is no journal of run {run}; the newest are {newest}")
    return found[run]


state_option = click.option(
    "--state-dir", metavar="FOLDER", help="Folder of the journals; default: ARB_STATE_DIR."
)
account_option = click.option(
    "--account", is_flag=True, help="The run's executions and settlements, not its orders."
)
run_argument = click.argument("run", type=click.IntRange(0), required=False)


@click.group(no_args_is_help=True)
def journal() -> None:
    """Show, verify and export the journals of a trader. Also while it runs."""


@journal.command("list")
@state_option
def list_(state_dir: str | None) -> int:
    """List the runs: when they began, their records, and orders whose end is not known."""
    lines = [
        f"{'run':>10}  {'began':<27}  {'files':>5}  {'records':>9}  {'open':>5}  "
        f"{'account':>9}  state"
    ]
    folder = _folder(state_dir)
    running, accounts = running_run(folder), journal_parts(folder, "account")
    for run, paths in _runs(state_dir).items():
        try:
            with RunJournal(paths) as held:
                report = held.verify()
                left = len(History.read(held).open_orders)
                state = "damaged" if report.stray else "torn end" if report.torn else "whole"
                if run == running and not report.stray:
                    state = "running"  # its last record may be half written, its orders under way
                lines.append(
                    f"{run:>10}  {iso_time(held.started_wall_ns):<27}  {report.parts:>5}  "
                    f"{report.valid:>9,}  {left:>5}  {_records(accounts.get(run)):>9}  {state}"
                )
        except JournalError as error:
            lines.append(
                f"{run:>10}  {'':<27}  {len(paths):>5}  {'':>9}  {'':>5}  {'':>9}  {error}"
            )
    write_text("-", "\n".join(lines) + "\n")
    return 0


def _records(paths: list[Path] | None) -> str:
    """Count the records of a run's account: ``-`` when it has none."""
    if paths is None:
        return "-"
    try:
        with RunJournal(paths) as held:
            report = held.verify()
    except JournalError:
        return "damaged"
    return "damaged" if report.stray else f"{report.valid:,}"


def _chosen(
    held: RunJournal, types: tuple[str, ...], pair: int | None, last: int | None
) -> list[Row] | Iterator[Row]:
    found = (
        row
        for row in rows(held)
        if (not types or row["type"] in types) and (pair is None or row.get("pair") == pair)
    )
    return found if last is None else list(deque(found, maxlen=last))


def _filters(command: Callable[..., int]) -> Callable[..., int]:
    for option in (
        click.option(
            "--type", "types", type=click.Choice(TYPES), multiple=True, help="Only such records."
        ),
        click.option("--pair", type=click.IntRange(0), help="Only this pair of the run."),
        click.option("--last", type=click.IntRange(1), help="Only the last so many."),
    ):
        command = option(command)
    return command


@journal.command()
@run_argument
@state_option
@account_option
@_filters
def show(
    run: int | None,
    state_dir: str | None,
    account: bool,
    types: tuple[str, ...],
    pair: int | None,
    last: int | None,
) -> int:
    """Show the records of a run, the newest one unless a number is given.

    On a terminal long lines are folded at 100 columns; piped, each record is one line.
    """
    with RunJournal(_parts(state_dir, run, _KINDS[account])) as held:
        is_empty = True
        for row in _chosen(held, types, pair, last):
            is_empty = False
            sys.stdout.write(_folded(sentence(row)) + "\n")
        if is_empty:
            click.echo(f"run {held.run} has no such record", err=True)
    return 0


def _folded(line: str) -> str:
    """Fold a line for a terminal; another program gets a record a line."""
    if not sys.stdout.isatty():
        return line
    parts = textwrap.wrap(
        line, FOLD_COLUMNS, subsequent_indent=" " * 10, replace_whitespace=False,
        drop_whitespace=False, break_on_hyphens=False,
    )  # fmt: skip
    return "\n".join(part.rstrip() for part in parts)


@journal.command()
@run_argument
@state_option
def verify(run: int | None, state_dir: str | None) -> int:
    """Check every record of every run, or of one; exit 1 when a journal is damaged.

    A torn record at the end is what a power cut leaves and no damage. What the records tell is
    replayed as well: orders and pairs that went where none can go are named with their record.
    """
    found = _runs(state_dir) if run is None else {run: _parts(state_dir, run)}
    accounts = journal_parts(_folder(state_dir), "account")
    named = [(f"run {number}", paths) for number, paths in found.items()]
    named += [
        (f"account of run {number}", paths)
        for number, paths in accounts.items()
        if run is None or number == run
    ]
    bad = impossible = 0
    for name, paths in named:
        try:
            with RunJournal(paths) as held:
                report, history = held.verify(), History.read(held)
        except JournalError as error:
            write_text("-", f"{name}: {error}\n")
            bad += 1
            continue
        text = f"{name}: {counted(report.valid, 'record')} in {counted(report.parts, 'file')}"
        if report.torn:
            text += ", the one after them is not whole"
        if report.stray:
            text += (
                f"; damaged: {counted(report.stray, 'whole record')} behind the end"
            )
            bad += 1
        for order in history.open_orders:
            text += f"\n  order {order.client_id}: its end is not known"
        if history.problems:
            text += f"\n  {counted(len(history.problems), 'record')} that cannot be:"
            text += "".join(f"\n  record {at}: {what}" for at, what in history.problems)
            impossible += 1
        write_text("-", text + "\n")
    if bad:
        verb = "is" if bad == 1 else "are"
        raise JournalError(f"{bad} of {counted(len(named), 'journal')} {verb} damaged")
    if impossible:
        verb = "tells" if impossible == 1 else "tell"
        raise JournalError(
            f"{impossible} of {counted(len(named), 'journal')} {verb} what cannot be; compare with "
            "the venues' order history"
        )
    return 0


@journal.command()
@run_argument
@state_option
@account_option
@_filters
@click.option("--csv", "csv_path", type=OutputFile(), metavar="FILE", help="Write CSV, or -.")
@click.option(
    "--json", "json_path", type=OutputFile(), metavar="FILE", help="Write JSON lines, or -."
)
def export(
    run: int | None,
    state_dir: str | None,
    account: bool,
    types: tuple[str, ...],
    pair: int | None,
    last: int | None,
    csv_path: str | None,
    json_path: str | None,
) -> int:
    """Write the records of a run, the newest one unless a number is given, for other programs."""
    if (csv_path is None) == (json_path is None):
        raise ConfigError("give one of --csv FILE and --json FILE; - is stdout")
    with RunJournal(_parts(state_dir, run, _KINDS[account])) as held:
        found = _chosen(held, types, pair, last)
        if json_path is not None:
            write_text(json_path, "".join(msgspec.json.encode(r).decode() + "\n" for r in found))
        elif csv_path is not None:
            out = io.StringIO()
            writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)
            write_text(csv_path, out.getvalue())
    return 0


@journal.command()
@state_option
@click.option(
    "--keep", type=click.IntRange(1), required=True, help="How many of the newest runs stay."
)
@click.option(
    "--open-too", is_flag=True, help="Also runs with orders whose end was never heard of."
)
@click.option(
    "--account-too", is_flag=True, help="Also their accounts: what was earned is forgotten."
)
@click.option("--dry-run", is_flag=True, help="Only name what would go.")
def prune(
    state_dir: str | None, keep: int, open_too: bool, account_too: bool, dry_run: bool
) -> int:
    """Delete old runs' journals, no trader running; a damaged one stays, and so do the accounts.

    So does one with orders whose end was never heard of, unless --open-too says that the venues'
    order history has been looked at, and of each mode the newest run that traded.
    """
    with StateFolder(_folder(state_dir)):
        found = _runs(state_dir)
        accounts = journal_parts(_folder(state_dir), "account") if account_too else {}
        needed = newest_taken(found)
        for run in sorted({*found, *accounts})[:-keep]:
            orders = found.get(run, [])
            left, reason = 0, ""
            try:
                if orders:
                    with RunJournal(orders) as held:
                        left = len(History.read(held).open_orders)
                        reason = "damaged" if held.verify().stray else ""
            except JournalError:
                reason = "damaged"
            if run in needed:
                reason = "the next start takes over from it"
            if left and not open_too:
                reason = f"the end of {counted(left, 'order')} is not known"
            if reason:
                write_text("-", f"run {run} stays: {reason}\n")
                continue
            # the last part first: what an interrupted deletion leaves is still a journal
            told = told_path(_folder(state_dir), run)
            paths = [path for path in (told,) if path.exists()] + orders + accounts.get(run, [])
            for path in reversed(paths):
                if not dry_run:
                    path.unlink()
            done = "would go" if dry_run else "gone"
            write_text("-", f"run {run}: {counted(len(paths), 'file')} {done}\n")
    return 0
