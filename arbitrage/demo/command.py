"""``arb demo``: the whole system against two simulated venues, with no keys and no network.

With --testnet against the venues' own practice environments instead.
"""

import math
from pathlib import Path

import click
from click.core import ParameterSource

from arbitrage.cli import OutputFile, fees_option, symbols_option, write_text
from arbitrage.errors import ArbitrageError, ConfigError, fail
from arbitrage.fees import FeeSchedule

__all__ = ["demo"]


def _given_options() -> set[str]:
    """Return the options that stood on the command line."""
    context = click.get_current_context()
    return {
        name
        for name in context.params
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def _check_together(given: set[str], *, testnet: bool) -> None:
    """Refuse options that have no effect beside the others."""
    ours = {"seed", "rate", "frames", "speed", "tls", "faults", "all_faults", "record"}
    wrong = sorted(given & ours)
    if testnet and wrong:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in wrong)
        verb, them = ("belong", "them") if len(wrong) > 1 else ("belongs", "it")
        raise ConfigError(
            f"{names} {verb} to the simulated venues; leave {them} out with --testnet"
        )
    if {"faults", "all_faults"} <= given:
        raise ConfigError("--all-faults is a fault plan of its own; leave one of both out")
    if "speed" in given and "frames" not in given:
        raise ConfigError("--speed is for recorded frames; name their folder with --frames")


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="How long to trade; Ctrl-C stops earlier.",
)
@click.option(
    "--symbols",
    type=symbols_option,
    metavar="LIST",
    help="Canonical symbols; default: BTCUSDT,ETHUSDT,SOLUSDT, or those in both frames files.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=7,
    show_default=True,
    help="Seed of the random market.",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 100_000),
    default=2000,
    show_default=True,
    help="Updates a second and venue.",
)
@click.option(
    "--frames",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Play bybit.frames.gz and okx.frames.gz of a folder instead of the random market; "
    "a .part that a recorder left as far as it goes.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True, max=1000),
    default=1.0,
    show_default=True,
    help="With --frames: times their own timing.",
)
@click.option(
    "--min-net-bps", type=float, default=0.0, show_default=True, help="Least net edge to open."
)
@click.option(
    "--fees",
    type=fees_option,
    metavar="LIST",
    default="bybit=5.5,okx=5.0",
    show_default=True,
    help="Taker fees in bps, of the venues and in the trader.",
)
@click.option(
    "--max-hold-s",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="Close a pair after so long.",
)
@click.option(
    "--strategy",
    metavar="LIST",
    help="spread, funding, package.module:Class, file.py:Class. Default: ARB_STRATEGY, spread.",
)
@click.option("--tls", is_flag=True, help="Speak TLS with the simulated venues.")
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Fault plan of the venues, as of `arb sim --faults`; lifted when the trader closes.",
)
@click.option(
    "--all-faults", is_flag=True, help="The fault plan that comes with it: everything at once."
)
@click.option(
    "--testnet",
    is_flag=True,
    help="Trade Bybit's testnet (or its demo trading) and OKX's demo trading, with their keys.",
)
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Record it, with the trader's journals, as `arb record` and `arb parity` know it.",
)
@click.option(
    "--json",
    "json_path",
    type=OutputFile(),
    metavar="FILE",
    help="Write the report as one JSON object to a file, or - for stdout and nothing else there.",
)
def demo(
    seconds: float,
    symbols: tuple[str, ...] | None,
    seed: int,
    rate: int,
    frames: Path | None,
    speed: float,
    min_net_bps: float,
    fees: FeeSchedule,
    max_hold_s: float,
    strategy: str | None,
    tls: bool,
    faults: Path | None,
    all_faults: bool,
    testnet: bool,
    record: Path | None,
    json_path: str | None,
) -> int:
    """Trade two simulated venues and report: no keys, no network, no money.

    \b
    Bybit and OKX run as programs of their own and speak the venues' protocols;
    the trader is the same program as `arb trade`. After --seconds or Ctrl-C it
    opens no more, flattens within 5 s and the report follows.

    Symbols, fees and thresholds come from these options, not from ARB_SYMBOLS
    and so on; mode, keys, hosts, name and state folder are the demo's own. The
    environment and .env say the rest, such as size limits and threads; with
    --testnet also mode, keys, hosts, state folder, and symbols and fees not given.

    \b
      arb demo --seconds 30 --rate 10000
      arb demo --frames FOLDER --speed 10 --fees bybit=0,okx=0 --min-net-bps 4
      arb demo --testnet --seconds 300 --symbols BTCUSDT
    """
    if not math.isfinite(min_net_bps):
        raise ConfigError(f"--min-net-bps was {min_net_bps}; accepted is a finite number")
    from arbitrage.demo.report import render, to_json
    from arbitrage.demo.run import ALL_FAULTS, DemoOptions, run_demo

    options = DemoOptions(
        seconds=seconds,
        symbols=symbols,
        seed=seed,
        rate=rate,
        frames=frames,
        speed=speed,
        min_net_bps=min_net_bps,
        fees=fees,
        max_hold_s=max_hold_s,
        strategy=strategy,
        tls=tls,
        faults=ALL_FAULTS if all_faults else faults,
        record=record,
    )
    given = _given_options()
    _check_together(given, testnet=testnet)
    if testnet:
        from arbitrage.demo.practice import run_practice

        report = run_practice(options, fees_given="fees" in given)
    else:
        report = run_demo(options)
    if json_path is not None:
        write_text(json_path, to_json(report))
    if json_path != "-":
        render(report)
    if report.open_legs_at_exit:
        return fail(ArbitrageError(f"{report.open_legs_at_exit} legs are open at the venues"))
    return 0
