"""When one leg stood alone, recomputed from the journal: so that a stall can be held against it."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

from stalls import Stalls

from arbitrage.core.messages import Contract, Execution
from arbitrage.core.records import ExecKind
from arbitrage.instruments import VENUES
from arbitrage.sim.instruments import listed
from arbitrage.trading.history import LONG, SHORT, History, PairHistory
from arbitrage.trading.run_journal import RunJournal

__all__ = ["LoneLeg", "check_lone_legs", "lone_legs"]


class LoneLeg(NamedTuple):
    """A time during which the legs of a pair held unequal coins."""

    pair: int
    from_mono_ns: int
    to_mono_ns: int
    was_broken: bool  # the pair was given up as BROKEN meanwhile, or before

    @property
    def took_ms(self) -> float:
        """How long."""
        return (self.to_mono_ns - self.from_mono_ns) / 1e6


@cache
def _lot_coins(venue: int, symbol: str) -> Decimal:
    """Return the coins of a lot, by the simulator's own table."""
    (item,) = listed(VENUES[venue], (symbol,))
    return item.lot * item.contract_value


def _coins(pair: PairHistory, leg: int, contracts: dict[int, Contract]) -> Decimal:
    if pair.lots[leg] == 0:
        return Decimal(0)
    contract = contracts[pair.rows[leg]]
    return pair.lots[leg] * _lot_coins(contract.venue, contract.symbol)


def _changed(history: History, told: Execution) -> PairHistory | None:
    """Return the pair that an execution was of."""
    if told.kind == ExecKind.VENUE:
        return history.venue_fills[-1][0]
    order = history.orders.get(told.client_id)
    return None if order is None else history.pairs[order.pair]


def lone_legs(parts: Sequence[Path]) -> Iterator[LoneLeg]:
    """Replay a run's journal; no leg may stand alone at its end."""
    history, since_ns = History(), dict[int, int]()
    with RunJournal(parts) as journal:
        for record in journal:
            history.take(record)
            if record.type != "EXEC":
                continue
            pair = _changed(history, Execution.unpack(record.payload))
            if pair is None:
                continue
            long, short = (_coins(pair, leg, history.contracts) for leg in (LONG, SHORT))
            if long != short:
                since_ns.setdefault(pair.number, record.mono_ns)
            elif pair.number in since_ns:
                broken = any(entry.phase == "broken" for entry in pair.phases)
                from_ns = since_ns.pop(pair.number)
                yield LoneLeg(pair.number, from_ns, record.mono_ns, broken)
    assert since_ns == {}, f"alone at the end: {sorted(since_ns)}"


def check_lone_legs(parts: Sequence[Path], stalls: Stalls, bound_ms: float) -> list[LoneLeg]:
    """Hold every leg that stood alone to its bound, those of pairs told as BROKEN apart.

    The bound is given what the machine took within that very time, nothing in a long run.
    """
    found = list(lone_legs(parts))
    for leg in found:
        if leg.took_ms > bound_ms and not leg.was_broken:
            lost_ms = stalls.lost_ns(leg.from_mono_ns, leg.to_mono_ns) / 1e6
            assert leg.took_ms - lost_ms <= bound_ms, f"{leg}: {leg.took_ms} ms, {lost_ms} lost"
    return found
