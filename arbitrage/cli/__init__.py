"""``arb``: one command group that holds every verb; each is imported only when it is used."""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NoReturn

import click

from arbitrage import __version__
from arbitrage.entry import let_interrupt
from arbitrage.errors import ConfigError, run_guarded
from arbitrage.fees import FeeSchedule, parse_fees

__all__ = [
    "OutputFile",
    "dashboard_main",
    "demo_main",
    "fees_option",
    "main",
    "monitor_main",
    "run_command",
    "symbols_option",
    "trade_main",
    "write_text",
]

# name -> (module, attribute, one line of help)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("arbitrage.demo.command", "demo", "Two simulated venues and a trader, with a report."),
    "trade": ("arbitrage.trader", "trade", "Run the trader: paper, demo, testnet or live."),
    "sim": ("arbitrage.sim.__main__", "main", "Run both simulated venues on loopback, or one."),
    "replay": ("arbitrage.cli.replay", "replay", "Find the opportunities in recorded frames."),
    "parity": (
        "arbitrage.cli.parity",
        "parity",
        "Hold a recorded session's orders against the same, decided again.",
    ),
    "backtest": (
        "arbitrage.cli.backtest",
        "backtest",
        "Run strategies over recorded markets, in virtual time.",
    ),
    "sweep": ("arbitrage.cli.sweep", "sweep", "Backtest every set of parameters, day and symbol."),
    "instruments": (
        "arbitrage.cli.instruments",
        "instruments",
        "List both venues' contracts and their common grid.",
    ),
    "journal": ("arbitrage.cli.journal", "journal", "Show, verify and export the journals."),
    "pnl": ("arbitrage.cli.pnl", "pnl", "Show what was earned, by pair, venue, symbol or day."),
    "status": ("arbitrage.cli.control", "status", "Show what a running trader does and holds."),
    "kill": ("arbitrage.cli.control", "kill", "Let no order leave any more, also after restarts."),
    "pause": ("arbitrage.cli.control", "pause", "Open no pair of some symbols, or of all."),
    "resume": ("arbitrage.cli.control", "resume", "Open pairs of paused symbols again."),
    "flatten": ("arbitrage.cli.control", "flatten", "Close every pair, open none until resumed."),
    "limit": ("arbitrage.cli.control", "limit", "List a running trader's limits, or set one."),
    "doctor": ("arbitrage.cli.doctor", "doctor", "Check host, settings, keys, venues and Redis."),
    "strategy": ("arbitrage.cli.strategy", "strategy", "Check a strategy of your own."),
    "bench": ("arbitrage.cli.bench", "bench", "Measure, beside the floors, in a clone."),
    "monitor": ("arbitrage.monitor", "monitor", "Serve a trader's metrics and health."),
    "dashboard": (
        "arbitrage.cli.dashboard",
        "dashboard",
        "Watch a trader, or a recording, in the terminal.",
    ),
    "notify": ("arbitrage.cli.notify", "notify", "Tell people when a trader needs one."),
    "record": ("arbitrage.cli.record", "record", "Record a trader's raw market frames."),
    "convert": (
        "arbitrage.cli.convert",
        "convert",
        "Convert market data: recordings, raw frames, Parquet, CSV.",
    ),
    "mirror": ("arbitrage.cli.mirror", "mirror", "Mirror a trader's events into Redis."),
}


# ---- parameter types ----------------------------------------------------------------------------


def fees_option(text: str) -> FeeSchedule:
    """Read ``bybit=5.5,okx=5.0`` of a flag."""
    return parse_fees(text, label="--fees")


def symbols_option(text: str) -> tuple[str, ...]:
    """Read ``BTCUSDT,ETHUSDT`` of a flag."""
    from arbitrage.config_values import parse_symbols

    return parse_symbols(text, label="--symbols")


class OutputFile(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.2
    """A file to write at the end, or ``-``; one that cannot be written is refused at the start."""

    name = "file"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        if value == "-":
            return value
        path = Path(value)
        if path.is_dir():
            reason = "it is a folder"
        elif not path.parent.is_dir():
            reason = f"there is no folder {path.parent}"
        elif not os.access(path if path.exists() else path.parent, os.W_OK):
            reason = "permission denied"
        else:
            return value
        flag = param.opts[0] if param is not None else "file"
        raise ConfigError(f"{flag} was {value!r}, which cannot be written: {reason}")


# ---- the group ----------------------------------------------------------------------------------


class LazyGroup(click.Group):
    """Import a verb's module when the verb is used, so that ``arb --help`` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(
                f"command was {args[0]!r}; accepted values are {', '.join(COMMANDS)}", ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, _, about) in COMMANDS.items()])


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"arb {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def arb() -> None:
    """Cross-exchange arbitrage of perpetual swaps on Bybit and OKX.

    \b
    Begin with `arb demo`: it needs no keys and no network.
    The trader's settings come from the environment and .env; see .env.example.
    """


def write_text(path: str, text: str) -> None:
    """Write to a file, or to stdout for ``-``; an unwritable file is one clear line."""
    if path == "-":
        stream: IO[str] = sys.stdout
        stream.write(text)
        stream.flush()
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


# ---- entry points --------------------------------------------------------------------------------


def run_command(command: click.Command, name: str, args: Sequence[str] | None = None) -> NoReturn:
    """Run a click command as a program: errors are one ``error:`` line, usage errors exit 2."""

    let_interrupt()
    command.context_settings.setdefault("help_option_names", ["-h", "--help"])

    def body() -> int:
        try:
            code = command.main(
                list(sys.argv[1:] if args is None else args), prog_name=name, standalone_mode=False
            )
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            return 2
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else name
            raise ConfigError(f"{error.format_message()} (see {where} --help)") from None
        except click.ClickException as error:
            raise ConfigError(error.format_message()) from None
        except click.Abort:
            return 130
        return code if isinstance(code, int) else 0

    run_guarded(body)


def main() -> NoReturn:
    """Run ``arb``."""
    run_command(arb, "arb")


def trade_main() -> NoReturn:
    """Run ``arb-trader``, the same as ``arb trade``."""
    from arbitrage.trader import trade

    run_command(trade, "arb-trader")


def demo_main() -> NoReturn:
    """Run ``arb-demo``, the same as ``arb demo``."""
    from arbitrage.demo.command import demo

    run_command(demo, "arb-demo")


def dashboard_main() -> NoReturn:
    """Run ``arb-dashboard``, the same as ``arb dashboard``."""
    from arbitrage.cli.dashboard import dashboard

    run_command(dashboard, "arb-dashboard")


def monitor_main() -> NoReturn:
    """Run ``arb-monitor``, the same as ``arb monitor``."""
    from arbitrage.monitor import monitor

    run_command(monitor, "arb-monitor")
