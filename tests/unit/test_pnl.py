"""Profit and loss from the accounts: groupings that agree, pairs told apart, days kept."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pnl_rig import BUY, DAY, NOON, SELL, book, entry, fill, funding, leave

from arbitrage.core.journal import JournalRecord
from arbitrage.core.messages import Order
from arbitrage.core.records import Leg
from arbitrage.trading.accounts import (
    AccountFill,
    AccountFunding,
)
from arbitrage.trading.history import History
from arbitrage.trading.pair_of_fill import NO_PAIR
from arbitrage.trading.pnl import DAY_MS


def test_a_pair_is_both_legs_their_fees_and_funding() -> None:
    held = book(*entry(), funding(1000, "bybit", "0.3"), funding(1000, "okx", "-0.5"), *leave())
    pair = held.pairs[(7, 1), "BTCUSDT"]
    assert pair.is_flat
    assert (pair.venue_of(1), pair.venue_of(-1)) == ("bybit", "okx")
    assert pair.entries["bybit"].px == 100
    assert pair.exits["okx"].px == Decimal("100.75")
    assert held.total.net == Decimal("1.5") - Decimal("0.2") + Decimal("0.2")
    assert held.total.realised.value == Decimal("1.5")
    assert held.total.funding.value == Decimal("0.2")
    assert held.positions() == {}
    assert held.unrealised({}) == 0


def test_a_late_bill_lands_in_its_own_day_and_pair() -> None:
    next_day = funding(60_500, "okx", "0.25")  # the pair had left the position half a second ago
    held = book(*entry(), *leave(), next_day, funding(3_600_000, "okx", "1"))
    place = ("okx", "BTCUSDT", DAY)
    assert held.flows[(*place, (7, 1))].funding.value == Decimal("-0.25")
    assert held.flows[(*place, NO_PAIR)].funding.value == Decimal(-1)
    held = book(*entry(), funding(DAY_MS // 2 + 5, "okx", "2"), *leave(DAY_MS))
    assert held.day(DAY).net == Decimal("-0.1")
    assert held.day(DAY + 1).net == Decimal("1.5") - Decimal("0.1") - 2


def test_a_settlement_of_the_entry_s_own_millisecond_is_the_pair_s() -> None:
    held = book(funding(1, "okx", "0.5"), *entry(), *leave())
    assert {key for key, _ in held.pairs} == {(7, 1)}


def test_two_holders_share_a_settlement_by_quantity_and_to_the_last_digit() -> None:
    sold = fill(10, "okx", SELL, "101", "1", ids=(8, 5, Leg.ENTRY_SELL))
    histories = {8: told_by_journal(sold)}
    held = book(*entry(), sold, funding(1000, "okx", "0.10"), histories=histories)
    shares = {
        key: flows.funding.value for (*_, key), flows in held.flows.items() if flows.funding.units
    }
    assert shares == {(7, 1): Decimal("-0.06"), (8, 5): Decimal("-0.04")}


def told_by_journal(one: AccountFill) -> History:
    """Return a history that knows the order of this execution."""
    history = History()
    order = Order(**dict.fromkeys(Order._fields, 0) | {"client_id": one.client_id, "qty_lots": 1})
    history.take(JournalRecord(1, 1, 1, 8, "INTENT", order.pack()))
    return history


@pytest.mark.parametrize("shuffled", [False, True])
def test_the_order_in_which_events_are_told_does_not_matter(shuffled: bool) -> None:
    events = [*entry(), funding(1000, "okx", "0.5"), *leave()]
    held = book(*(reversed(events) if shuffled else events))
    assert held.total.net == Decimal("1.5") - Decimal("0.2") - Decimal("0.5")
    assert list(held.pairs) == [((7, 1), "BTCUSDT")]


def test_what_a_later_run_closes_belongs_to_the_pair_that_stood() -> None:
    held = book(*entry(), *leave(run=8, pair=1), *entry(90_000, 8, 2), *leave(120_000, 8, 2))
    assert sorted(key for key, _ in held.pairs) == [(7, 1), (8, 2)]
    assert all(pair.is_flat for pair in held.pairs.values())


def test_what_a_venue_or_a_person_closed_belongs_to_the_pair_that_held_it() -> None:
    taken = fill(5000, "okx", BUY, "110", "2", client_id=0)
    held = book(*entry(), taken, fill(6000, "bybit", SELL, "99", "2", ids=(7, 1, Leg.UNWIND_SELL)))
    assert list(held.pairs) == [((7, 1), "BTCUSDT")]
    assert held.total.realised.value == Decimal(2 * (101 - 110) + 2 * (99 - 100))
    assert book(taken).pairs[NO_PAIR, "BTCUSDT"].accounts["okx"].qty_base == 2


def test_what_stands_is_valued_only_with_a_mark() -> None:
    held = book(*entry())
    assert held.unrealised({}) is None
    marks = {("bybit", "BTCUSDT"): Decimal("100.2"), ("okx", "BTCUSDT"): Decimal("100.6")}
    assert held.unrealised(marks) == Decimal("0.4") + Decimal("0.8")
    assert held.unrealised({("okx", "BTCUSDT"): Decimal(1)}) is None


def test_only_the_time_and_the_run_asked_for_count() -> None:
    events = [*entry(), *leave(), *entry(90_000, 8, 1, "1"), *leave(120_000, 8, 1, "1")]
    assert book(*events).total.fills == 8
    assert book(*events, run=8).total.net == Decimal("0.75") - Decimal("0.2")
    assert book(*events, until_ms=NOON + 60_000).total.fills == 2
    late = book(*events, since_ms=NOON + 60_000, until_ms=NOON + 90_000)
    assert late.total.realised.value == Decimal("1.5"), "the entry's price is known all the same"
    assert late.total.fills == 2


def test_money_of_another_mode_is_never_added_up() -> None:
    paper = fill(0, "okx", BUY, "100", "50", mode="paper")
    assert book(*entry(), *leave(), paper).total.net == Decimal("1.3")


places = st.tuples(st.sampled_from(["bybit", "okx"]), st.sampled_from(["BTCUSDT", "ETHUSDT"]))
amounts = st.decimals("-5", "5", places=9)
coins = st.decimals("0.001", "9", places=4).map(abs).filter(bool)
prices = st.decimals("0.01", "500", places=3).map(abs).filter(bool)
trades = st.tuples(
    places, st.integers(0, 1), prices, coins, amounts, st.integers(0, 3), st.sampled_from(list(Leg))
)
events_of = st.lists(st.one_of(trades, st.tuples(places, amounts)), max_size=25)


@settings(max_examples=150, deadline=None)
@given(told=events_of, gaps=st.lists(st.integers(0, DAY_MS // 3), min_size=25, max_size=25))
def test_every_grouping_adds_up_to_the_wallets(told: list, gaps: list[int]) -> None:
    events: list[AccountFill | AccountFunding] = []
    cash: Fraction = Fraction(0)
    held: dict[tuple[str, str], Fraction] = {}
    at_ms = 0
    for number, (event, gap) in enumerate(zip(told, gaps, strict=False)):
        at_ms += gap
        if len(event) == 2:
            (venue, symbol), amount = event
            events.append(funding(at_ms, venue, str(amount), symbol))
            cash -= Fraction(amount)
            continue
        (venue, symbol), side, px, qty, fee, pair, leg = event
        ids = {"client_id": 0} if pair == 0 else {"ids": (7, pair, leg)}
        events.append(
            fill(at_ms, venue, side, str(px), str(qty), symbol=symbol, fee=fee,
                 trade_id=str(number), **ids)
        )  # fmt: skip
        change = Fraction(qty) * (-1 if side else 1)
        cash -= change * Fraction(px) + Fraction(fee)
        held[venue, symbol] = held.get((venue, symbol), Fraction(0)) + change
    whole = book(*events)
    marks = {place: Decimal("123.456") for place in held}
    standing = whole.unrealised(marks)
    assert standing is not None
    worth = cash + sum((qty * Fraction("123.456") for qty in held.values()), Fraction(0))
    assert Fraction(whole.total.net) + Fraction(standing) == worth
    first = min((event.wall_ms for event in events), default=0) // DAY_MS
    by_day = sum((Fraction(whole.day(first + n).net) for n in range(12)), Fraction(0))
    assert by_day == Fraction(whole.total.net)
    by_pair: Fraction = Fraction(0)
    for pair in whole.pairs.values():
        for account in pair.accounts.values():
            parts = (account.realised, account.fees.value, account.funding.value)
            by_pair += sum(map(Fraction, parts), Fraction(0))
    assert by_pair == Fraction(whole.total.net)
    coins_held: dict[tuple[str, str], Fraction] = {}
    for place, accounts in whole.positions().items():
        coins_held[place] = sum((Fraction(a.qty_base) for a in accounts), Fraction(0))
    assert {k: v for k, v in coins_held.items() if v} == {k: v for k, v in held.items() if v}
