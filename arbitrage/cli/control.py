"""``arb status``, ``kill``, ``pause``, ``resume``, ``flatten``, ``limit``: a word to a trader."""

import getpass
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from arbitrage.cli import write_text
from arbitrage.cli.control_words import (
    STILL_FLAT,
    flatten_text,
    kill_text,
    limit_lines,
    limit_value,
    off_text,
    paused_text,
    resume_text,
    screen_of,
)
from arbitrage.control import ControlClient, confirm_cancels
from arbitrage.core.risk import LIMITS
from arbitrage.errors import ControlError, JournalError, NoTraderError, TraderSilentError
from arbitrage.trading.kill_record import (
    KILLED_NAME,
    WISH_NAME,
    KillRecord,
    clear_kill,
    read_kill,
    read_wish,
    utc_text,
    wish_text,
    write_kill,
)
from arbitrage.trading.runs import StateFolder, write_whole

__all__ = ["flatten", "kill", "kill_later", "limit", "pause", "resume", "status"]

Command = TypeVar("Command", bound=Callable[..., Any])


def place_options(command: Command) -> Command:
    """Add the options that say which trader is meant."""
    command = click.option(
        "--name", help="Insist that the trader there has this name; default: any."
    )(command)
    return click.option(
        "--state-dir",
        metavar="FOLDER",
        help="The trader's state folder; default: ARB_STATE_DIR.",
    )(command)


def folder_of(state_dir: str | None) -> Path:
    """Return the state folder that is meant."""
    from arbitrage.config import load_settings

    overrides = {"ARB_STATE_DIR": state_dir} if state_dir else {}
    return load_settings(overrides=overrides, needs_keys=False).state_path


def connect(folder: Path, name: str | None) -> ControlClient:
    """Return a line to the trader of a folder; one of another name than asked for is refused."""
    client = ControlClient(folder)
    if name is not None:
        found = client.call("status")["name"]
        if found != name:
            client.close()
            raise ControlError(f"the trader of {folder} is {found!r}, not {name!r}; nothing done")
    return client


def who() -> str:
    """Name the person at the keyboard."""
    try:
        return f"arb, run by {getpass.getuser()}"
    except (OSError, KeyError):
        return "arb"


# ---- kill ---------------------------------------------------------------------------------------


@click.command()
@place_options
@click.option("--flatten", "flat", is_flag=True, help="Close what is open too, reduce-only.")
@click.option("--why", default="", help="Why, for the log and whoever looks later.")
@click.option("--clear", is_flag=True, help="Take a trip back: let the trader trade again.")
def kill(state_dir: str | None, name: str | None, flat: bool, why: str, clear: bool) -> int:
    """Let no order leave any more, entry or exit, and cancel what rests. Survives restarts.

    Pairs that stand stay standing, unless --flatten is given. When no trader runs, the next start
    is killed. --clear takes it back.
    """
    folder = folder_of(state_dir)
    if clear:
        if flat or why:
            raise click.UsageError("--clear goes with neither --flatten nor --why")
        return _clear(folder, name)
    try:
        client = connect(folder, name)
    except NoTraderError:
        write_text("-", f"{kill_later(folder, flat, why)}\n")
        return 0
    with client:
        try:
            done = client.call("kill", why=why or f"told by {who()}", flatten=flat)
        except TraderSilentError as error:
            leave_wish(folder, flat, why)
            raise ControlError(
                f"{error}; {folder / WISH_NAME} was written as well, which kills it when it looks, "
                "or the next one that starts; stop the process if orders must not leave"
            ) from None
        write_text("-", kill_text(done))
        return _confirm(client)


def _confirm(client: ControlClient) -> int:
    """Wait until both venues say that nothing is open."""
    said = confirm_cancels(client)
    write_text("-", f"{said}\n" if said else "")
    return 0


def leave_wish(folder: Path, flat: bool, why: str, by: str = "") -> None:
    """Leave the file that kills whoever looks for it next."""
    by = by or who()
    text = wish_text(flat, why or f"told by {by}, and it did not answer", by)
    write_whole(folder / WISH_NAME, text.encode())


def require_run(folder: Path, done: str) -> None:
    """Refuse a folder where no trader ever ran, and make nothing there."""
    from arbitrage.cli.no_trader import elsewhere, had_run

    if not had_run(folder):
        raise NoTraderError(f"no trader ever ran in {folder}: {done}; {elsewhere()}")


def kill_later(
    folder: Path, flat: bool, why: str, *, reason: str = "operator", by: str = ""
) -> str:
    """Leave a trip for the next start, or, where something holds the folder, the wish for one.

    Returns what was left, in one line.

    Raises
    ------
    NoTraderError
        No trader ever ran in that folder: it is not the one that is meant.
    """
    require_run(folder, "nothing was killed")
    record = KillRecord(
        when=utc_text(), reason=reason, why=" ".join(why.split()) or "told while none ran",
        by=by or who(), flatten=flat,
    )  # fmt: skip
    try:
        with StateFolder(folder):
            known = read_kill(folder)
            if known is not None and flat and not known.flatten:
                record = msgspec.structs.replace(known, flatten=True)
            if known is None or (flat and not known.flatten):
                write_kill(folder, record)
                known = None
    except JournalError as error:
        if "in use" not in str(error):
            raise
        leave_wish(folder, flat, why, by)
        return (
            f"a trader holds {folder} but does not listen: it is starting, stopping or hangs; "
            f"{folder / WISH_NAME} was written, which kills it as soon as it looks"
        )
    if known is not None:
        return f"no trader runs in {folder}; its next start was {known.told} already"
    return (
        f"no trader runs in {folder}, so nothing was sent or cancelled; {folder / KILLED_NAME} was "
        "written: the next start there is killed, until arb kill --clear"
    )


def _tell_day(day: dict[str, Any]) -> None:
    """Warn of what still stands after a loss trip was cleared."""
    if day["day_is_lost"]:
        write_text(
            "-",
            f"the day's loss still stands, {-day['day_result_usd']:,.2f} of "
            f"{day['max_day_loss_usd']:,.2f} USD: no pair is opened, and the next one that ends "
            "kills it again, until the limit is raised (arb limit max_day_loss_usd VALUE) or the "
            "UTC day ends\n",
        )


def _clear(folder: Path, name: str | None) -> int:
    try:
        with connect(folder, name) as client:
            done = client.call("clear_kill")
            since = (done["cleared"] or {}).get("when", "")
            write_text("-", f"cleared: orders leave again; it was killed since {since}\n")
            _tell_day(done)
            if done["flatten"]:
                write_text("-", STILL_FLAT)
            return 0
    except NoTraderError:
        if read_kill(folder) is None and read_wish(folder) is None:
            require_run(folder, "nothing is killed there")
        with StateFolder(folder):
            record, wish = read_kill(folder), read_wish(folder)
            if record is None and wish is None:
                raise ControlError(f"nothing is killed in {folder}") from None
            clear_kill(folder)
    was = f"it was {record.told}" if record is not None else (
        f"the file {folder / WISH_NAME}, which asked for a kill, is gone"
    )
    write_text("-", f"cleared: the next start trades; {was}\n")
    if record is not None and record.reason == "loss":
        write_text(
            "-",
            "the day's loss still counts: where ARB_MAX_DAY_LOSS_USD is not raised, a start on the "
            "same UTC day opens no pair, and the next one that ends kills it again\n",
        )
    return 0


# ---- the others ---------------------------------------------------------------------------------


@click.command()
@place_options
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...|all")
def pause(state_dir: str | None, name: str | None, symbols: tuple[str, ...]) -> int:
    """Open no pair of these symbols any more; what is open lives on and closes as usual."""
    with connect(folder_of(state_dir), name) as client:
        write_text("-", paused_text(client.call("pause", symbols=list(symbols))["paused"]))
    return 0


@click.command()
@place_options
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...|all")
def resume(state_dir: str | None, name: str | None, symbols: tuple[str, ...]) -> int:
    """Open pairs of these symbols again, whether you, the breaker or reconciliation paused them.

    A contract that its venue changed stays paused until a restart. `all` also ends `arb flatten`.
    """
    with connect(folder_of(state_dir), name) as client:
        write_text("-", resume_text(client.call("resume", symbols=list(symbols))))
    return 0


@click.command()
@place_options
def flatten(state_dir: str | None, name: str | None) -> int:
    """Close every pair now and open none until `arb resume all`."""
    folder = folder_of(state_dir)
    try:
        with connect(folder, name) as client:
            found = client.call("flatten")
    except NoTraderError as error:
        raise _with_past(error, folder) from None
    write_text("-", flatten_text(found))
    return 0


def _with_past(error: NoTraderError, folder: Path) -> NoTraderError:
    """Add what the next start finds: a kill that waits for it, and legs that were left."""
    from arbitrage.cli.no_trader import last_run_text, next_start_text

    said = (str(error), next_start_text(folder), last_run_text(folder))
    return NoTraderError("; ".join(text for text in said if text))


@click.command(context_settings={"ignore_unknown_options": True})  # -1 is a value
@place_options
@click.argument("limit_name", required=False, metavar="[NAME]")
@click.argument("value", required=False, metavar="[VALUE]")
def limit(
    state_dir: str | None, name: str | None, limit_name: str | None, value: str | None
) -> int:
    """List the limits in use, show one, or set one until the trader stops."""
    if limit_name is not None and limit_name.startswith("-"):
        raise click.UsageError(f"no such option: {limit_name}")
    if limit_name is not None and limit_name not in LIMITS:
        raise click.UsageError(f"limit was {limit_name!r}; there are {', '.join(LIMITS)}")
    args = {} if limit_name is None else {"name": limit_name}
    given = {} if limit_name is None or value is None else {"value": limit_value(limit_name, value)}
    with connect(folder_of(state_dir), name) as client:
        done = client.call("limit", **args, **given)
        limits, used = done["limits"], {}
        if limit_name is not None:
            limits = {limit_name: limits[limit_name]}
        else:
            used = client.call("status")["limits_used_pct"]
    write_text("-", "".join(f"{line}\n" for line in limit_lines(limits, used)))
    if given:
        write_text("-", off_text(limit_name or "", given["value"]))
    if done["tripped"]:
        write_text(
            "-",
            "killed: the day has lost that already; no order leaves any more, arb kill --clear "
            "takes it back once the limit is raised or the UTC day is over\n",
        )
    return 0


@click.command()
@place_options
@click.option("--json", "as_json", is_flag=True, help="Print everything, as one JSON object.")
def status(state_dir: str | None, name: str | None, as_json: bool) -> int:
    """Show what a running trader does, what it holds and what holds it back."""
    folder = folder_of(state_dir)
    try:
        with connect(folder, name) as client:
            found = client.call("status")
    except NoTraderError as error:
        raise _with_past(error, folder) from None
    write_text("-", json.dumps(found, indent=2) + "\n" if as_json else screen_of(found))
    return 0
