"""One run of a trader: from its settings and its state folder to the exit code."""

import logging
import time
from collections.abc import Sequence

from arbitrage.config import Settings
from arbitrage.errors import ConnectorError
from arbitrage.runtime.engine import FLATTEN_S, Trader
from arbitrage.runtime.kill_switch import KillSignals
from arbitrage.runtime.report import build_report, write_report
from arbitrage.runtime.startup import load_market
from arbitrage.runtime.state import open_state
from arbitrage.runtime.stop_flag import StopAsked, StopSignals
from arbitrage.trading.strategy_host import check_names
from arbitrage.wording import counted

__all__ = ["run_trader"]

_log = logging.getLogger(__name__)


def run_trader(
    settings: Settings,
    *,
    seconds: float | None = None,
    report: str | None = None,
    stop_signals: StopSignals | None = None,
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
    stop_signals : StopSignals, optional
        Installed already by who began earlier.
    """
    if stop_signals is None:
        stop_signals = StopSignals()
        stop_signals.install()
    check_names(settings.strategies)
    kill_signals = KillSignals()
    kill_signals.install()
    state = open_state(settings)
    is_early = False
    try:
        try:
            market = stop_signals.run(load_market(settings, state.past))
        except StopAsked:
            return tell_early(state.past.standing_legs, len(state.past.open_orders))
        trader = Trader(settings, market, state)
        stop_signals.hand_to(trader)
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
                is_early = True
            finally:
                # before it is ready nothing may leave: what was taken over stands as it is
                live_pairs = trader.flatten() if trader.crew.loops and not is_early else 0
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
    if is_early:
        return tell_early(trader.standing_legs())
    return tell_outcome(trader, live_pairs, figures["pairs"]["closed"])


def tell_early(legs: Sequence[str], unknown_orders: int = 0) -> int:
    """Say how a start that was stopped ended; 0 when the last run left nothing.

    Raises
    ------
    ConnectorError
        Something of it stands, or may.
    """
    said = "stopped before trading; nothing was sent"
    if legs:
        said += f"; these legs of the last run still stand: {', '.join(legs)}"
    if unknown_orders:
        said += f"; the end of {counted(unknown_orders, 'order')} of the last run is not known"
    if legs or unknown_orders:
        raise ConnectorError(f"{said}; start again to take that over", is_terminal=True)
    _log.info(said)
    return 0


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
