"""Taking over: what recovery found goes into the strategy, the journals, the ledger and the report.

All of it happens before a thread of the trader runs. A run that dies in the middle of it has not
begun: the next start recovers the same run as this one did.
"""

import logging
import math
import time
from decimal import Decimal

from arbitrage.core.journal import TYPE_NAMES
from arbitrage.core.messages import Adopted, RunTaken
from arbitrage.core.store import ROW_LIVE
from arbitrage.core.strategy import PHASES
from arbitrage.errors import JournalError
from arbitrage.fills import BUY, EXACT, SELL, Fill
from arbitrage.instruments import Instrument
from arbitrage.runtime.incidents import Incidents
from arbitrage.runtime.recovery import Recovered
from arbitrage.runtime.state import TraderState
from arbitrage.runtime.wiring import Core
from arbitrage.trading.ledger import Ledger
from arbitrage.trading.recovery_plan import AdoptLeg, AdoptPair
from arbitrage.wording import counted

__all__ = ["are_quoted", "take_over"]

TAKEN = TYPE_NAMES.index("TAKEN")
_log = logging.getLogger(__name__)


def take_over(
    core: Core, state: TraderState, ledger: Ledger, recovered: Recovered, incidents: Incidents
) -> None:
    """Put every pair of a plan into the strategy, and write down that the run goes on from there.

    Raises
    ------
    JournalError
        The journal has no room.
    """
    past, plan = recovered.past, recovered.plan
    rows = {
        (item.instrument.venue, item.instrument.symbol): item
        for items in core.traded_symbols.values()
        for item in items
    }
    for note in plan.notes:
        _log.warning("recovery: %s", note)
        incidents.note("recovery", note)
    counts = [state.account.fill(fill, recovered=True) for fill in recovered.fills]
    counts += [state.account.funding(paid, recovered=True) for paid in recovered.fundings]
    if any(counts):
        told = counted(sum(counts), "event")
        _log.info("recovery: the account's journal lacked %s, written down now", told)
    for pair in plan.adopt:
        items = [rows[leg.venue, pair.symbol] for leg in pair.legs]
        phase = _adopt(core, pair, [item.row for item in items])
        for leg, item, sign in zip(pair.legs, items, (1, -1), strict=True):
            core.adopted_lots[item.row] = leg.lots * sign
            _seed(ledger, pair, leg, item.instrument, leg.lots * sign)
        text = f"pair {pair.number} of run {pair.run} is taken over, {phase}"
        _log.warning("recovery: %s: %s", pair.symbol, text)
        incidents.note("recovery", text, symbol=pair.symbol)
    taken = RunTaken(len(plan.adopt), past.run, state.mode)
    if not state.journal.append(TAKEN, taken.pack()):
        raise JournalError("the journal has no room to go on from; raise ARB_JOURNAL_RECORDS")
    state.has_begun = True


def _adopt(core: Core, pair: AdoptPair, rows: list[int]) -> str:
    buy, sell = pair.legs
    record = Adopted(
        opportunity_id=pair.opportunity_id,
        started_wall_ns=pair.started_wall_ns,
        opened_wall_ns=pair.opened_wall_ns,
        long_lots=buy.lots,
        short_lots=sell.lots,
        buy_px=_or_nan(buy.entry_px),
        sell_px=_or_nan(sell.entry_px),
        buy_fee_bps=_or_nan(buy.fee_bps),
        sell_fee_bps=_or_nan(sell.fee_bps),
        funding_bps=pair.funding_bps,
        from_run=pair.run,
        from_pair=pair.number,
        buy_row=rows[0],
        sell_row=rows[1],
        symbol_index=core.segment.symbols.index(pair.symbol),
        phase=0,
        kind=pair.kind,
        tag=pair.tag,
        pair=0,
    )
    try:
        done = core.strategy.adopt(record.pack(), time.monotonic_ns())
    except ValueError as error:
        raise JournalError(f"{pair.symbol}: {error}") from None
    return PHASES[Adopted.unpack(done).phase]


def _seed(
    ledger: Ledger, pair: AdoptPair, leg: AdoptLeg, instrument: Instrument, lots: int
) -> None:
    """Let the ledger begin with what a leg cost; what it paid before is the earlier run's."""
    if lots == 0:
        return
    px = Decimal(repr(leg.entry_px if leg.entry_px is not None else 0.0))
    if px <= 0:
        _log.warning(
            "recovery: the entry price of %s at %s is not known; this run's result counts it as "
            "entered at one tick", pair.symbol, leg.venue,
        )
        px = instrument.tick
    ledger.apply_fill(
        Fill(
            venue=leg.venue,
            symbol=pair.symbol,
            client_id=0,
            trade_id=f"taken-over-{pair.run}-{pair.number}",
            side=BUY if lots > 0 else SELL,
            px=EXACT.multiply(px, instrument.px_mult),
            qty_base=instrument.base_qty(abs(lots)),
            fee=Decimal(0),
        )
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def are_quoted(core: Core) -> bool:
    """Whether every leg that was taken over has a live quote."""
    return all(
        core.segment.store.read_row(*divmod(row, core.segment.store.symbol_capacity)).state
        == ROW_LIVE
        for row in core.adopted_lots
    )
