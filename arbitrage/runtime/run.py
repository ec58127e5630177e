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
    try:
        try:
            market = stop_signals.run(load_market(settings, state.past))
        except StopAsked:
            return tell_early(state.past.standing_legs, len(state.past.open_orders))
        trader = Trader(settings, market, state)
        stop_signals.hand_to(trader)
        kill_signals.hand_to(trader.kill_switch)
        try:
            closed = _trade(trader, seconds, report)
        finally:
            trader.strategies.close()
            trader.segment.close()
    finally:
        kill_signals.leave_word(settings.state_path)
        state.close()
    if closed is None:
        return tell_early(trader.standing_legs())
    return tell_outcome(trader, closed)


def _trade(trader: Trader, seconds: float | None, report: str | None) -> int | None:
    """Trade until the end; return the pairs closed. None: it was stopped before it was ready."""
    started_s = time.monotonic()
    is_early = False
    try:
        trader.start()
        _log.info(
            "%s: %s %s in mode %s, run %d",
            trader.settings.name,
            "trading" if trader.kill_switch.record is None else "killed, only watching",
            ",".join(trader.market.symbols),
            trader.settings.mode,
            trader.state.run,
        )
        trader.watch(seconds)
    except StopAsked:
        is_early = True
    finally:
        # before it is ready nothing may leave: what was taken over stands as it is
        if trader.crew.loops and not is_early:
            trader.flatten()
        closed = _end(trader, time.monotonic() - started_s, report)
    return None if is_early else closed


def _end(trader: Trader, seconds: float, report: str | None) -> int:
    """Stop the threads and write the run's figures; return the pairs closed."""
    figures = build_report(
        trader.segment, trader.ledger, mode=trader.settings.mode, seconds=seconds
    )
    figures |= trader.incident_watch.figures()
    figures["strategies"] = trader.strategies.figures
    trader.close()
    figures["opportunities"]["closed"] = trader.segment.counters()["detector"]["closed"]
    if report is not None:
        write_report(figures, report)
    closed: int = figures["pairs"]["closed"]
    return closed


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


def tell_outcome(trader: Trader, closed: int) -> int:
    """Say how a run ended; 0 when flat. After the threads have stopped.

    Raises
    ------
    ConnectorError
        Something stands; every leg of it is named.
    """
    left = len(trader.left_pairs())
    waiting = trader.core.strategy.live_pairs - left
    still = f"; late fills of {counted(waiting, 'flat pair')} were waited for" if waiting else ""
    if left:
        standing = ", ".join(trader.standing_legs()) or "nothing by our count"
        if trader.is_silenced:
            raise ConnectorError(
                f"stopped while killed, so nothing was closed; {counted(left, 'pair')} left, "
                f"standing: {standing}{still}; close these at the venues, or start again and say "
                "arb flatten",
                is_terminal=True,
            )
        raise ConnectorError(
            f"{counted(left, 'pair')} could not be closed within {FLATTEN_S:g} s; "
            f"standing: {standing}{still}; close these at the venues now",
            is_terminal=True,
        )
    totals = trader.ledger.totals()
    net = totals["realised"] + totals["fees"] + totals["funding"]
    if trader.kill_switch.record is not None:
        still += "; the kill switch is on, so the next start sends nothing until arb kill --clear"
    _log.info("stopped flat: %s closed, net %+.2f USD%s", counted(closed, "pair"), net, still)
    return 0
