"""``arb demo --testnet``: the trader at the venues' own practice environments, with a report.

The same programs and the same report as the demo at simulated venues; what differs is where orders
go. Keys, hosts, limits and the state folder are the user's: client order ids must never repeat at a
venue, so the run number has to outlive the demo.
"""

import asyncio
import os
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path

from arbitrage.config import PRACTICE_MODES, Settings, load_settings
from arbitrage.demo.facts import AccountFacts
from arbitrage.demo.live import LiveLine, how_to_watch
from arbitrage.demo.processes import Child
from arbitrage.demo.report import Report, make_report
from arbitrage.demo.run import (
    FLATTEN_TIMEOUT_S,
    DemoOptions,
    check_strategies,
    clear_segment,
    read_report,
    stop_signals,
    watch_trader,
)
from arbitrage.errors import ConfigError
from arbitrage.hosts import environment_of
from arbitrage.instruments import VENUES
from arbitrage.keys import KEY_VARIABLES
from arbitrage.runtime.connectors import open_rest

__all__ = ["practice_settings", "run_practice"]


def practice_settings(overrides: dict[str, str]) -> Settings:
    """Return the settings of the practice environment whose keys are there.

    ARB_MODE decides when it names one of the two; else the testnet goes before demo trading.

    Raises
    ------
    ConfigError
        Neither has all its keys, or ARB_MODE names something else.
    """
    chosen = load_settings(overrides=overrides, needs_keys=False)
    if chosen.mode not in PRACTICE_MODES:
        if chosen.mode == "live" or os.environ.get("ARB_MODE", "").strip():
            raise ConfigError(
                f"ARB_MODE was {chosen.mode!r} with --testnet; accepted are testnet, demo, or "
                "nothing"
            )
        wanted = [
            ", ".join(
                name
                for venue in VENUES
                for name in KEY_VARIABLES[venue][environment_of(venue, mode)]
            )
            for mode in PRACTICE_MODES
        ]
        raise ConfigError(
            f"--testnet needs keys of both venues; set {wanted[0]} for Bybit's testnet, or "
            f"{wanted[1]} for demo trading; keys of mainnet are not used here"
        )
    return load_settings(overrides=overrides | {"ARB_MODE": chosen.mode})


async def _ask(settings: Settings, venue: str) -> AccountFacts:
    async with open_rest(settings, venue) as client:
        await client.sync_clock()
        wallet = await client.wallet()
        held = await client.positions()
    return AccountFacts(wallet.equity, {row.venue_symbol: row.qty_venue for row in held})


async def _ask_both(settings: Settings) -> dict[str, AccountFacts]:
    found = await asyncio.gather(*(_ask(settings, venue) for venue in VENUES))
    return dict(zip(VENUES, found, strict=True))


def run_practice(options: DemoOptions, *, fees_given: bool) -> Report:
    """Trade the practice environments for so long and return the report.

    Raises
    ------
    ConfigError
        Keys are missing; the line names the variables.
    ArbitrageError
        A venue refused, or the trader ended early, with its last words.
    """
    from arbitrage.runtime.attach import attach

    name = os.environ.get("ARB_NAME") or f"arbitrage-demo-{os.getpid()}"
    overrides = {
        "ARB_NAME": name,
        "ARB_MIN_NET_BPS": repr(options.min_net_bps),
        "ARB_MIN_GROSS_BPS": repr(min(0.0, options.min_net_bps)),
        "ARB_MAX_HOLD_S": repr(options.max_hold_s),
    }
    if options.strategy is not None:
        overrides["ARB_STRATEGY"] = options.strategy
    if options.symbols is not None:
        overrides["ARB_SYMBOLS"] = ",".join(options.symbols)
    if fees_given:
        fees = options.fees.by_venue().items()
        overrides["ARB_FEES"] = ",".join(f"{venue}={bps!r}" for venue, bps in fees)
    settings = practice_settings(overrides)
    check_strategies(options)
    overrides["ARB_MODE"] = settings.mode

    with ExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arb-demo-")))
        line = stack.enter_context(LiveLine(name, attach))
        places = " and ".join(
            f"{venue} {environment_of(venue, settings.mode)} with "
            f"{settings.credentials(venue).variable}"
            for venue in VENUES
        )
        line.say(f"trading {places} (segment {name})")
        for text in how_to_watch(name, settings.state_path):
            line.tell(text)
        before = asyncio.run(_ask_both(settings))
        stop.look()

        stack.callback(clear_segment, name)
        report_file = folder / "trader.json"
        args = ["-m", "arbitrage.trader", "--seconds", f"{options.seconds:g}"]
        trader = Child(
            "the trader",
            [*args, "--report", str(report_file)],
            os.environ | overrides,
            folder,
            orphan_signal=signal.SIGTERM,
        )
        stack.callback(trader.stop, FLATTEN_TIMEOUT_S)
        watch_trader(trader, [], options.seconds, stop, line)
        return make_report(read_report(report_file), before, asyncio.run(_ask_both(settings)))
