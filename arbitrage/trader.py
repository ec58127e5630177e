"""``arb trade``, ``arb-trader`` and ``python -m arbitrage.trader``: run the trader."""

import click

from arbitrage.cli import OutputFile, run_command, symbols_option
from arbitrage.config import load_settings
from arbitrage.errors import ConfigError

__all__ = ["trade"]

LIVE_FLAG = "--i-accept-real-losses"


@click.command()
@click.option(
    "--mode",
    type=click.Choice(["paper", "demo", "testnet", "live"]),
    help="Where orders go: paper (nowhere), the venues' demo trading, their testnets, or live. "
    "Default: ARB_MODE, else testnet or demo when the keys of one are set, else paper.",
)
@click.option(
    LIVE_FLAG,
    "live_accepted",
    is_flag=True,
    help="Needed beside --mode live: orders are real and may lose money.",
)
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop, flat, after so long."
)
@click.option(
    "--symbols",
    type=symbols_option,
    metavar="LIST",
    help="Canonical symbols, such as BTCUSDT,ETHUSDT.",
)
@click.option(
    "--strategy",
    metavar="LIST",
    help="spread, funding, package.module:Class, file.py:Class. Default: ARB_STRATEGY, spread.",
)
@click.option("--name", help="Name of the shared-memory segment; default: ARB_NAME, arbitrage.")
@click.option(
    "--report",
    type=OutputFile(),
    metavar="FILE",
    help="Write a JSON report at the end, to a file or - for stdout.",
)
def trade(
    mode: str | None,
    live_accepted: bool,
    seconds: float | None,
    symbols: tuple[str, ...] | None,
    strategy: str | None,
    name: str | None,
    report: str | None,
) -> int:
    """Trade until SIGTERM, Ctrl-C or --seconds; then flatten and exit with 0.

    \b
    Settings come from the environment and .env (see .env.example); flags win.
      arb trade --mode paper --symbols BTCUSDT
      arb trade --mode testnet --seconds 60 --report -
    """
    flags = {
        "ARB_MODE": mode,
        "ARB_SYMBOLS": ",".join(symbols) if symbols else None,
        "ARB_STRATEGY": strategy,
        "ARB_NAME": name,
    }
    from arbitrage.cold.log import setup_logging
    from arbitrage.runtime.stop_flag import StopSignals

    setup_logging("WARNING")
    stop_signals = StopSignals()
    stop_signals.install()
    try:
        settings = load_settings(overrides={key: text for key, text in flags.items() if text})
    except ConfigError as error:
        if mode == "live" and not live_accepted:  # one line tells all that is missing
            raise ConfigError(f"{error}; mode live also needs {LIVE_FLAG}") from None
        raise
    setup_logging(settings.log_level, settings.log_format)
    if settings.mode == "live" and not live_accepted:
        raise ConfigError(f"mode live sends real orders; add {LIVE_FLAG} if that is what you want")
    if live_accepted and settings.mode != "live":
        raise ConfigError(f"{LIVE_FLAG} was given with mode {settings.mode}; it belongs to live")

    from arbitrage.runtime.run import run_trader

    return run_trader(settings, seconds=seconds, report=report, stop_signals=stop_signals)


if __name__ == "__main__":
    run_command(trade, "python -m arbitrage.trader")
