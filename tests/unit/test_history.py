"""A run's journal replayed: whose order, which leg, how long alone, what is left open."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arbitrage.core.journal import TYPE_NAMES, Journal
from arbitrage.core.messages import Adopted, Contract, Execution, Order, PairPhase
from arbitrage.core.records import ExecKind, Leg, make_client_id
from arbitrage.core.strategy import PHASES
from arbitrage.trading.history import History
from arbitrage.trading.order_states import Cancelled, Filled, Unknown
from arbitrage.trading.pair_states import Closed, Completing, Open, Unwinding
from arbitrage.trading.past import Past

RUN, BYBIT, OKX = 8, 0, 4
MS = 1_000_000


class Writer:
    """A journal written a word at a time; time passes a millisecond a record."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal.create(folder / "orders.journal", 128, RUN)
        self.now = 0

    def append(self, kind: str, record: Any) -> None:
        self.now += MS
        assert self.journal.append(TYPE_NAMES.index(kind), record.pack(), self.now)

    def contracts(self) -> None:
        """Write down what the rows count in: coins at Bybit, contracts at OKX."""
        for row, venue, name, lot in ((BYBIT, 0, "BTCUSDT", "0.001"), (OKX, 1, "BTC-SWAP", "0.1")):
            self.append("CONTRACT", Contract(row, 0, venue, "BTCUSDT", name, "0.5", lot))

    def intent(
        self, leg: Leg, lots: int, pair: int = 1, attempt: int = 0, px_ticks: int = 0
    ) -> int:
        client_id = make_client_id(RUN, pair, leg, attempt)
        row = BYBIT if leg in (Leg.ENTRY_BUY, Leg.EXIT_SELL, Leg.UNWIND_SELL) else OKX
        side = int(leg in (Leg.ENTRY_SELL, Leg.EXIT_SELL, Leg.UNWIND_SELL))
        fields = {"client_id": client_id, "qty_lots": lots, "row": row, "side": side}
        self.append("INTENT", zeros(Order, **fields, px_ticks=px_ticks))
        return client_id

    def told(
        self, client_id: int, kind: ExecKind, last: int = 0, cum: int = -1, **fields: float
    ) -> None:
        fields |= {"client_id": client_id, "kind": int(kind)}
        self.append("EXEC", zeros(Execution, **fields, last_qty_lots=last, cum_qty_lots=cum))

    def filled(self, client_id: int, lots: int) -> None:
        self.told(client_id, ExecKind.SENT)
        self.told(client_id, ExecKind.FILL, lots, lots)
        self.told(client_id, ExecKind.DONE, 0, lots)

    def phase(self, name: str, long: int, short: int, reason: int = 0, pair: int = 1) -> None:
        told = zeros(
            PairPhase, pair=pair, buy_row=BYBIT, sell_row=OKX, phase=PHASES.index(name),
            long_lots=long, short_lots=short, reason=reason,
        )  # fmt: skip
        self.append("PAIR", told)

    def read(self) -> History:
        return History.read(self.journal)

    def past(self) -> Past:
        return Past.of(self.read())


def zeros(record: Any, /, **values: Any) -> Any:
    return record(**dict.fromkeys(record._fields, 0) | values)


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path)


def opened(writer: Writer, long: int = 5, short: int = 5) -> None:
    buy, sell = writer.intent(Leg.ENTRY_BUY, 5), writer.intent(Leg.ENTRY_SELL, 5)
    writer.phase("opening", 0, 0)
    writer.filled(buy, long)
    writer.filled(sell, short)


def test_a_pair_from_entry_to_flat(writer: Writer) -> None:
    opened(writer)
    writer.phase("open", 5, 5)
    writer.phase("closing", 5, 5, reason=1)
    writer.filled(writer.intent(Leg.EXIT_SELL, 5), 5)
    writer.filled(writer.intent(Leg.EXIT_BUY, 5), 5)
    writer.phase("closed", 0, 0)
    history = writer.read()
    assert history.problems == []
    assert (history.open_orders, history.unfinished, history.run) == ([], [], RUN)
    (pair,) = history.pairs.values()
    assert isinstance(pair.state, Closed)
    assert [entry.phase for entry in pair.phases] == ["opening", "open", "closing", "closed"]
    assert pair.phases[-2].reason == "take_profit"
    assert (len(pair.orders), pair.rows, pair.lots) == (4, [BYBIT, OKX], [0, 0])
    # alone from the first fill of a leg to the other's: three records in, four records out
    assert (pair.naked_ns_max, pair.naked_ns) == (4 * MS, 7 * MS)
    states = {type(order.state) for order in history.orders.values()}
    assert states == {Filled}


def test_a_crash_leaves_open_what_the_journal_does_not_know(writer: Writer) -> None:
    buy, sell = writer.intent(Leg.ENTRY_BUY, 5), writer.intent(Leg.ENTRY_SELL, 5)
    writer.phase("opening", 0, 0)
    writer.filled(buy, 3)
    writer.told(sell, ExecKind.TIMEOUT)
    history = writer.read()
    (left,) = history.open_orders
    assert (left.client_id, left.is_entry, type(left.state)) == (sell, True, Unknown)
    assert left.state.open_lots == 5
    assert history.orders[buy].state.cancelled_lots == 2
    assert isinstance(history.orders[buy].state, Cancelled)
    (pair,) = history.unfinished
    assert (pair.lots, pair.naked_since_mono_ns > 0) == ([3, 0], True)


def test_an_intent_before_its_pair_s_first_record_is_the_pair_s(writer: Writer) -> None:
    writer.intent(Leg.ENTRY_BUY, 5)
    (pair,) = writer.read().unfinished
    assert (pair.number, pair.rows, pair.phases) == (1, [BYBIT, -1], [])


def test_orders_with_numbers_of_their_own_are_the_standing_pair_s(writer: Writer) -> None:
    opened(writer, 5, 2)
    writer.phase("one_leg", 5, 2)
    more = writer.intent(Leg.ENTRY_SELL, 3, pair=2)
    writer.phase("completing", 5, 2)
    writer.told(more, ExecKind.SENT)
    history = writer.read()
    assert list(history.pairs) == [1]
    assert history.orders[more].pair == 1
    assert isinstance(history.pairs[1].state, Completing)
    writer.told(more, ExecKind.FILL, 3, 3)
    writer.phase("open", 5, 5)
    assert writer.read().problems == []


def test_what_a_venue_takes_is_a_lost_leg(writer: Writer) -> None:
    opened(writer)
    writer.phase("open", 5, 5)
    taken = zeros(Execution, kind=int(ExecKind.VENUE), row=OKX, side=0, last_qty_lots=5)
    writer.append("EXEC", taken)
    writer.phase("unwinding", 5, 0, reason=9)
    history = writer.read()
    assert history.problems == []
    ((pair, told),) = history.venue_fills
    assert (pair, told.last_qty_lots) == (history.pairs[1], 5)
    assert isinstance(history.pairs[1].state, Unwinding)
    assert history.pairs[1].lots == [5, 0]


def test_a_pair_taken_over_keeps_where_it_comes_from(writer: Writer) -> None:
    held = zeros(
        Adopted, from_run=7, from_pair=3, pair=1, buy_row=BYBIT, sell_row=OKX, long_lots=5,
        short_lots=5, phase=PHASES.index("open"),
    )  # fmt: skip
    writer.append("ADOPTED", held)
    writer.phase("open", 5, 5)
    history = writer.read()
    assert history.problems == []
    pair = history.pairs[1]
    assert (pair.adopted_from, pair.lots, type(pair.state)) == ((7, 3), [5, 5], Open)
    writer.phase("closing", 5, 5, reason=1)
    writer.filled(writer.intent(Leg.EXIT_SELL, 5), 5)
    (left,) = writer.read().unfinished
    assert left.lots == [0, 5]


def test_positions_that_its_orders_do_not_make_are_told(writer: Writer) -> None:
    opened(writer, 5, 4)
    writer.phase("open", 5, 5)
    (problem,) = writer.read().problems
    assert problem.text == (
        "pair 1 was written down with 5 lots long and 5 short; its orders make 5 and 4"
    )
    assert problem.sequence == writer.journal.count


# ---- what the next run takes over ----------------------------------------------------------------


def test_recovery_counts_in_the_venues_units(writer: Writer) -> None:
    writer.contracts()
    opened(writer, 5, 3)
    past = writer.past()
    assert past.held[("bybit", "BTCUSDT")] == Decimal("0.005")
    assert past.held[("okx", "BTC-SWAP")] == Decimal("-0.3")
    assert past.open_orders == []
    pair = past.pairs["BTCUSDT"]
    assert (pair.run, pair.number, [leg.venue for leg in pair.legs]) == (RUN, 1, ["bybit", "okx"])
    assert (past.run, past.last_wall_ns, pair.opened_wall_ns) == (RUN, past.since_wall_ns, 0)


def test_a_yes_that_was_heard_once_is_not_forgotten(writer: Writer) -> None:
    """An order that was accepted is looked for longer; a time-out or a fill does not undo it."""
    writer.contracts()
    said, filled, silent = (writer.intent(Leg.ENTRY_BUY, 5, attempt=at) for at in range(3))
    writer.told(said, ExecKind.ACK)
    writer.told(said, ExecKind.TIMEOUT)
    writer.told(filled, ExecKind.FILL, 2, 2)
    writer.told(silent, ExecKind.TIMEOUT)
    past = writer.past()
    assert [(order.client_id, order.is_accepted) for order in past.open_orders] == [
        (said, True), (filled, True), (silent, False),
    ]  # fmt: skip


def test_a_leg_costs_what_its_fills_say_and_its_limit_where_only_the_count_is_known(
    writer: Writer,
) -> None:
    writer.contracts()
    buy = writer.intent(Leg.ENTRY_BUY, 5, px_ticks=200)
    writer.told(buy, ExecKind.FILL, 1, 1, px=90.0, fee_bps=5.0)
    writer.told(buy, ExecKind.DONE, 0, 4)
    leg = writer.past().pairs["BTCUSDT"].legs[0]
    assert (leg.entry_px, leg.fee_bps) == (pytest.approx((90 + 3 * 100) / 4), pytest.approx(5))
    writer.told(buy, ExecKind.FILL, 3, 4, px=98.0, fee_bps=5.0)
    leg = writer.past().pairs["BTCUSDT"].legs[0]
    assert leg.entry_px == pytest.approx((90 + 3 * 98) / 4)


def test_a_fill_after_a_pair_s_end_is_held_and_keeps_its_cost(writer: Writer) -> None:
    writer.contracts()
    buy, sell = writer.intent(Leg.ENTRY_BUY, 5), writer.intent(Leg.ENTRY_SELL, 5)
    writer.phase("opening", 0, 0)
    writer.told(buy, ExecKind.DONE)
    writer.told(sell, ExecKind.DONE, 0, 0)
    writer.phase("closed", 0, 0)
    writer.phase("idle", 0, 0)
    assert writer.past().pairs == {}
    writer.told(buy, ExecKind.FILL, 2, 2, px=90.0)
    past = writer.past()
    assert past.held == {("bybit", "BTCUSDT"): Decimal("0.002")}
    assert past.pairs["BTCUSDT"].legs[0].entry_px == pytest.approx(90.0)


def test_what_no_order_of_this_run_traded_is_held_too(writer: Writer) -> None:
    writer.contracts()
    writer.told(make_client_id(RUN - 1, 4, Leg.EXIT_BUY, 0), ExecKind.FILL, 3, row=OKX)
    writer.told(make_client_id(RUN, 4, Leg.EXIT_BUY, 0), ExecKind.FILL, 1, row=OKX)
    writer.told(0, ExecKind.VENUE, 5, row=BYBIT, side=1)
    writer.told(0, ExecKind.VENUE, 5, row=99)
    history = writer.read()
    assert [problem.text.partition(" was ")[2] for problem in history.problems] == [
        "never intended here"
    ]
    assert Past.of(history).held == {
        ("okx", "BTC-SWAP"): Decimal("0.4"), ("bybit", "BTCUSDT"): Decimal("-0.005"),
    }  # fmt: skip
