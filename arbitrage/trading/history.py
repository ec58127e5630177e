"""A run's order journal, replayed: what each order and each pair is, and where the journal errs.

Recovery, ``arb pnl`` and ``arb journal`` all read a journal this way; recovery counts what it finds
in the venues' units (`past`), because the next run may trade on another lot grid::

    with RunJournal(journal_parts(folder)[run]) as journal:
        history = History.read(journal)
    for order in history.open_orders:          # ask the venue for order.client_id
        ...
    for pair in history.unfinished:            # what it holds: pair.lots, on pair.rows
        ...

Orders and pairs are states of `order_states` and `pair_states`; only moves that those classes have
can be replayed. Anything else a journal says is a `Problem` with its record's number: the replay
goes on with the most that can be believed, and what it says then must be asked of the venues.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from arbitrage.core.journal import JournalRecord
from arbitrage.core.messages import (
    Adopted,
    Contract,
    ControlWords,
    Execution,
    Order,
    PairPhase,
)
from arbitrage.core.records import ExecKind, Leg, Side, split_client_id
from arbitrage.core.strategy import EXIT_REASONS
from arbitrage.trading import order_news, pair_states
from arbitrage.trading.order_states import AnyOrder, Facts, Intended
from arbitrage.trading.pair_states import AnyPair, Idle, IllegalMove, Open, PairFacts
from arbitrage.trading.run_journal import decode

__all__ = ["History", "OrderFill", "OrderHistory", "PairHistory", "PhaseEntry", "Problem"]

LONG, SHORT = 0, 1  # the leg that buys to enter, the one that sells
_LEG_OF: dict[int, int] = {
    Leg.ENTRY_BUY: LONG, Leg.EXIT_SELL: LONG, Leg.UNWIND_SELL: LONG,
    Leg.ENTRY_SELL: SHORT, Leg.EXIT_BUY: SHORT, Leg.UNWIND_BUY: SHORT,
}  # fmt: skip
_ENTRIES = (Leg.ENTRY_BUY, Leg.ENTRY_SELL)


class Problem(NamedTuple):
    """Something in a journal that cannot be: the record's number and what it says."""

    sequence: int
    text: str


class OrderFill(NamedTuple):
    """One fill as the strategy took it, in lots of the row."""

    wall_ns: int
    mono_ns: int
    lots: int
    px: float
    fee_bps: float


class PhaseEntry(NamedTuple):
    """A pair entered a phase."""

    sequence: int
    wall_ns: int
    mono_ns: int
    phase: str
    reason: str
    long_lots: int
    short_lots: int


@dataclass(slots=True)
class OrderHistory:
    """One order of the run.

    Attributes
    ----------
    state : AnyOrder
        What it is at the journal's end.
    pair : int
        Number of its pair; an exit that ran out of attempts has another one in its client id.
    sequence, wall_ns, mono_ns : int
        Of the intent's record.
    fills : list of OrderFill
        Each once, in the order they came.
    end_wall_ns : int
        When its end was taken; 0: it was not.
    """

    state: AnyOrder
    pair: int
    sequence: int
    wall_ns: int
    mono_ns: int
    fills: list[OrderFill] = field(default_factory=list)
    end_wall_ns: int = 0

    @property
    def client_id(self) -> int:
        """Its id at the venue."""
        return self.state.client_id

    @property
    def order(self) -> Order:
        """The intent."""
        return self.state.facts.order

    @property
    def is_entry(self) -> bool:
        """Whether it was to build the pair, not to reduce it."""
        return split_client_id(self.client_id).leg in _ENTRIES


@dataclass(slots=True)
class PairHistory:
    """One pair of the run.

    Attributes
    ----------
    state : AnyPair
        The phase it is in at the journal's end.
    number, symbol_index : int
    phases : list of PhaseEntry
        In order.
    orders : list of int
        Client ids, in order.
    rows : list of int
        Of the long and of the short leg; -1: not known yet.
    lots : list of int
        What the long and the short leg hold, each counted in its own direction.
    naked_ns, naked_ns_max : int
        How long one leg stood alone, in all and at the longest stretch.
    naked_since_mono_ns : int
        A leg stands alone since; 0: none does.
    adopted : Adopted or None
        With what this run took it over, when an earlier one had opened it.
    """

    state: AnyPair
    number: int
    symbol_index: int
    phases: list[PhaseEntry] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=lambda: [-1, -1])
    lots: list[int] = field(default_factory=lambda: [0, 0])
    adopted: Adopted | None = None
    naked_ns: int = 0
    naked_ns_max: int = 0
    naked_since_mono_ns: int = 0

    @property
    def is_flat(self) -> bool:
        """Whether both legs hold nothing."""
        return self.lots == [0, 0]

    @property
    def adopted_from(self) -> tuple[int, int] | None:
        """Run and number under which an earlier run opened it; None: it began here."""
        return None if self.adopted is None else (self.adopted.from_run, self.adopted.from_pair)

    @property
    def started_wall_ns(self) -> int:
        """When it began in this run; 0: no phase was entered."""
        return self.phases[0].wall_ns if self.phases else 0

    @property
    def opened_wall_ns(self) -> int:
        """When it first stood level in this run; 0: it never did."""
        return next((entry.wall_ns for entry in self.phases if entry.phase == Open.phase), 0)

    def _change(self, leg: int, lots: int, mono_ns: int) -> None:
        self.lots[leg] += lots
        alone = (self.lots[LONG] != 0) != (self.lots[SHORT] != 0)
        if alone and self.naked_since_mono_ns == 0:
            self.naked_since_mono_ns = mono_ns
        elif not alone and self.naked_since_mono_ns != 0:
            stretch = mono_ns - self.naked_since_mono_ns
            self.naked_since_mono_ns = 0
            self.naked_ns += stretch
            self.naked_ns_max = max(self.naked_ns_max, stretch)


class History:
    """What a run's journal tells; see the module.

    Attributes
    ----------
    run : int
        0 while nothing was read.
    last_wall_ns : int
        The latest time of a record.
    orders : dict of int to OrderHistory
        By client id.
    pairs : dict of int to PairHistory
        By number.
    contracts : dict of int to Contract
        By row.
    controls : ControlWords or None
        As last written down.
    venue_fills : list of (PairHistory or None, Execution)
        Fills that a venue made by itself, with the pair whose leg it took.
    other_words : list of Execution
        What venues said of orders that are not this run's, an earlier one's as a rule; it changes
        no pair here.
    current : dict of int to PairHistory
        By symbol: the pair that it has, or had last.
    problems : list of Problem
    """

    def __init__(self) -> None:
        self.run = 0
        self.last_wall_ns = 0
        self.orders: dict[int, OrderHistory] = {}
        self.pairs: dict[int, PairHistory] = {}
        self.contracts: dict[int, Contract] = {}
        self.controls: ControlWords | None = None
        self.venue_fills: list[tuple[PairHistory | None, Execution]] = []
        self.other_words: list[Execution] = []
        self.current: dict[int, PairHistory] = {}
        self.problems: list[Problem] = []

    @classmethod
    def read(cls, records: Iterable[JournalRecord]) -> "History":
        """Replay a run's records: a `RunJournal`, or any of its beginnings."""
        history = cls()
        for record in records:
            history.take(record)
        return history

    @property
    def open_orders(self) -> list[OrderHistory]:
        """Orders whose end the journal does not know, in the order they were intended."""
        return [order for order in self.orders.values() if not order.state.is_over]

    @property
    def unfinished(self) -> list[PairHistory]:
        """Pairs that hold something, may come to hold it, or were on their way out."""
        busy = {order.pair for order in self.open_orders}
        return [
            pair
            for pair in self.pairs.values()
            if pair.number in busy or not pair.is_flat or not pair.state.is_over
        ]

    def take(self, record: JournalRecord) -> None:
        """Replay one record."""
        self.run = record.run
        self.last_wall_ns = max(self.last_wall_ns, record.wall_ns)
        held = decode(record)
        if isinstance(held, Execution):
            self._take_execution(record, held)
        elif isinstance(held, Order):
            self._take_intent(record, held)
        elif isinstance(held, PairPhase):
            self._take_phase(record, held)
        elif isinstance(held, Adopted):
            self._take_adopted(record, held)
        elif isinstance(held, Contract):
            self.contracts[held.row] = held
        elif isinstance(held, ControlWords):
            self.controls = held

    # ---- records ---------------------------------------------------------------------------

    def _take_intent(self, record: JournalRecord, order: Order) -> None:
        if order.client_id in self.orders:
            self._problem(record, f"order {order.client_id} was intended twice")
            return
        ids = split_client_id(order.client_id)
        pair = self._pair_of(ids.pair, order.symbol_index)
        leg = _leg_of(ids.leg, pair, order.row, order.side)
        if pair.rows[leg] < 0:
            pair.rows[leg] = order.row
        pair.orders.append(order.client_id)
        self.orders[order.client_id] = OrderHistory(
            Intended(Facts(order)), pair.number, record.sequence, record.wall_ns, record.mono_ns
        )

    def _take_execution(self, record: JournalRecord, told: Execution) -> None:
        if told.kind == ExecKind.VENUE:
            self._take_venue_fill(record, told)
            return
        order = self.orders.get(told.client_id)
        if order is None:
            if split_client_id(told.client_id).run == record.run:
                self._problem(record, f"order {told.client_id} was never intended here")
            self.other_words.append(told)
            return
        before, known = order.state, order.state.facts
        try:
            order.state = order_news.advance(before, told)
        except order_news.Contradiction as error:
            order.state = error.state
            self._problem(record, f"order {told.client_id}: {error}")
        facts = order.state.facts
        if order.state.is_over and not before.is_over:
            order.end_wall_ns = record.wall_ns
        if facts.priced_lots > known.priced_lots:
            order.fills.append(
                OrderFill(
                    record.wall_ns, record.mono_ns, told.last_qty_lots, told.px, told.fee_bps
                )
            )
        if facts.filled_lots > known.filled_lots:
            pair = self.pairs[order.pair]
            leg = _leg_of(split_client_id(told.client_id).leg, pair, told.row, told.side)
            entry_side = Side.BUY if leg == LONG else Side.SELL
            more = facts.filled_lots - known.filled_lots
            pair._change(leg, more if facts.order.side == entry_side else -more, record.mono_ns)

    def _take_venue_fill(self, record: JournalRecord, told: Execution) -> None:
        pair = next((one for one in self.current.values() if told.row in one.rows), None)
        self.venue_fills.append((pair, told))
        if pair is None:
            return
        leg = pair.rows.index(told.row)
        entry_side = Side.BUY if leg == LONG else Side.SELL
        lots = told.last_qty_lots if told.side == entry_side else -told.last_qty_lots
        pair._change(leg, lots, record.mono_ns)

    def _take_adopted(self, record: JournalRecord, held: Adopted) -> None:
        pair = self._begin(held.pair, held.symbol_index)
        pair.adopted = held
        pair.rows = [held.buy_row, held.sell_row]
        pair._change(LONG, held.long_lots, record.mono_ns)
        pair._change(SHORT, held.short_lots, record.mono_ns)

    def _take_phase(self, record: JournalRecord, told: PairPhase) -> None:
        pair = self.pairs.get(told.pair)
        if pair is None:
            pair = self._begin(told.pair, told.symbol_index)
        if not pair.phases:
            pair.rows = [told.buy_row, told.sell_row]
        self.current[told.symbol_index] = pair
        reason = (
            EXIT_REASONS[told.reason] if told.reason < len(EXIT_REASONS) else str(told.reason)
        )
        facts = PairFacts(
            told.pair, told.symbol_index, told.buy_row, told.sell_row, told.opportunity_id,
            told.long_lots, told.short_lots, reason, told.kind, told.tag,
            record.wall_ns, record.mono_ns,
        )  # fmt: skip
        try:
            pair.state = pair_states.advance(pair.state, told.phase, facts)
        except IllegalMove as error:
            self._problem(record, f"pair {told.pair}: {error}")
            if told.phase < len(pair_states.PHASE_CLASSES):
                pair.state = pair_states.PHASE_CLASSES[told.phase](facts)
        pair.phases.append(
            PhaseEntry(
                record.sequence, record.wall_ns, record.mono_ns, pair.state.phase, reason,
                told.long_lots, told.short_lots,
            )
        )  # fmt: skip
        if pair.lots != [told.long_lots, told.short_lots]:
            self._problem(
                record,
                f"pair {told.pair} was written down with {told.long_lots} lots long and "
                f"{told.short_lots} short; its orders make {pair.lots[LONG]} and "
                f"{pair.lots[SHORT]}",
            )

    # ---- finding ---------------------------------------------------------------------------

    def _pair_of(self, number: int, symbol_index: int) -> PairHistory:
        """Return the pair that an order belongs to.

        Completing orders, and exits beyond the last attempt, carry numbers of their own: what is
        not known belongs to the pair that its symbol has, unless that one is over.
        """
        known = self.pairs.get(number)
        if known is not None:
            return known
        current = self.current.get(symbol_index)
        if current is not None and not isinstance(current.state, Idle):
            return current
        return self._begin(number, symbol_index)

    def _begin(self, number: int, symbol_index: int) -> PairHistory:
        pair = PairHistory(Idle(PairFacts(number, symbol_index, -1, -1)), number, symbol_index)
        self.pairs[number] = self.current[symbol_index] = pair
        return pair

    def _problem(self, record: JournalRecord, text: str) -> None:
        self.problems.append(Problem(record.sequence, text))


def _leg_of(leg: int, pair: PairHistory, row: int, side: int) -> int:
    """Return which leg of its pair an order works on: by its id, else its row, else its side."""
    if leg in _LEG_OF:
        return _LEG_OF[leg]
    if row in pair.rows:
        return pair.rows.index(row)
    return LONG if side == Side.BUY else SHORT
