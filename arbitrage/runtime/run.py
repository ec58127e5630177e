"""One run of a trader: from its settings and its state folder to the exit code."""

import asyncio
import logging
import signal
import time
from types import FrameType

from arbitrage.config import Settings
from arbitrage.errors import ConnectorError
from arbitrage.runtime.engine import FLATTEN_S, StopAsked, Trader
from arbitrage.runtime.kill_switch import KillSignals
from arbitrage.runtime.report import build_report, write_report
from arbitrage.runtime.startup import load_market
from arbitrage.runtime.state import open_state
from arbitrage.trading.strategy_host import check_names
from arbitrage.wording import counted

__all__ = ["run_trader"]

_log = logging.getLogger(__name__)


def install_signals(trader: Trader) -> None:
    """Let SIGTERM and SIGINT ask for a stop; a second one does not hurry the flattening."""

    def ask(number: int, _frame: FrameType | None) -> None:
        does = "killed, so nothing is closed; stopping"
        if not trader.is_silenced:
            does = "closing every pair, then stopping"
        _log.info("%s: %s", signal.Signals(number).name, does)
        trader.stop_asked.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)


def run_trader(
    settings: Settings, *, seconds: float | None = None, report: str | None = None
) -> int:
    """Run a trader to its end; return the exit code (0: stopped flat).

    SIGUSR1 trips its kill switch, SIGUSR2 does and flattens; SIGTERM and SIGINT stop it.

    Parameters
    ----------
    settings : Settings
    seconds : float or None
        Stop after so long; None: until a signal.
    report : str or None
        Where to write the run's figures as JSON; ``-`` is stdout.
    """
    check_names(settings.strategies)
    kill_signals = KillSignals()
    kill_signals.install()
    state = open_state(settings)
    try:
        market = asyncio.run(load_market(settings, state.past))
        trader = Trader(settings, market, state)
        install_signals(trader)
        kill_signals.hand_to(trader.kill_switch)
        started_s = time.monotonic()
        live_pairs = 0
        try:
            try:
                trader.start()
                _log.info(
                    "%s: %s %s in mode %s, run %d",
                    settings.name,
                    "trading" if trader.kill_switch.record is None else "killed, only watching",
                    ",".join(market.symbols),
                    settings.mode,
                    state.run,
                )
                trader.watch(seconds)
            except StopAsked:
                _log.info("stopped before the gateways were ready")
            finally:
                live_pairs = trader.flatten() if trader.crew.loops else 0
                figures = build_report(
                    trader.segment,
                    trader.ledger,
                    mode=settings.mode,
                    seconds=time.monotonic() - started_s,
                )
                figures |= trader.incident_watch.figures()
                figures["strategies"] = trader.strategies.figures
                trader.close()
                figures["opportunities"]["closed"] = trader.segment.counters()["detector"]["closed"]
                if report is not None:
                    write_report(figures, report)
        finally:
            trader.strategies.close()
            trader.segment.close()
    finally:
        kill_signals.leave_word(settings.state_path)
        state.close()
    return tell_outcome(trader, live_pairs, figures["pairs"]["closed"])


def tell_outcome(trader: Trader, live_pairs: int, closed: int) -> int:
    """Say how a run ended; 0 when flat.

    Raises
    ------
    ConnectorError
        Something stands; every leg of it is named.
    """
    if live_pairs:
        standing = ", ".join(trader.standing_legs()) or "nothing by our count"
        if trader.is_silenced:
            raise ConnectorError(
                f"stopped while killed, so nothing was closed; {counted(live_pairs, 'pair')} left, "
                f"standing: {standing}; close these at the venues, or start again and say "
                "arb flatten",
                is_terminal=True,
            )
        raise ConnectorError(
            f"{counted(live_pairs, 'pair')} could not be closed within {FLATTEN_S:g} s; "
            f"standing: {standing}; close these at the venues now",
            is_terminal=True,
        )
    totals = trader.ledger.totals()
    net = totals["realised"] + totals["fees"] + totals["funding"]
    still = ""
    if trader.kill_switch.record is not None:
        still = "; the kill switch is on, so the next start sends nothing until arb kill --clear"
    _log.info("stopped flat: %s closed, net %+.2f USD%s", counted(closed, "pair"), net, still)
    return 0
