"""The spread strategy, one decision a test."""

import math
from itertools import pairwise

import pytest
from strategy_rig import ACK, DONE, FILL, GRID, REJECT, SENT, TIMEOUT, Rig, execution

from arbitrage.core.journal import Journal
from arbitrage.core.messages import Opportunity, Order, PairEvent, pair_event_dtype
from arbitrage.core.records import Leg, split_client_id
from arbitrage.core.strategy import EVENTS, EXIT_REASONS


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    yield rig
    rig.close()


def enter(rig: Rig, symbol: int = 0, buy_venue: int = 0, gross: float = 20.0) -> tuple:
    """Let the strategy send both entry orders; return (buy, sell)."""
    rig.opportunity(symbol, buy_venue, gross)
    rig.poll()
    buy, sell = rig.take_order(buy_venue), rig.take_order(1 - buy_venue)
    assert buy is not None
    assert sell is not None
    return buy, sell


def fill(rig: Rig, order: Order, lots: int | None = None, px: float | None = None) -> None:
    """Fill an order at the touch, or as told, and end it."""
    lots = order.qty_lots if lots is None else lots
    if px is None:
        row = rig.store.read_row(order.venue, order.symbol_index)
        px = row.bid_px if order.side else row.ask_px
    if lots:
        rig.tell(order, FILL, lots, lots, px=px)
    rig.tell(order, DONE, 0, lots)


def stand(rig: Rig, **how: float) -> tuple:
    buy, sell = enter(rig, **how)
    fill(rig, buy)
    fill(rig, sell)
    assert rig.phase(buy.symbol_index) == "open"
    return buy, sell


# ---- entry -----------------------------------------------------------------------------------


def test_both_legs_leave_on_the_common_grid_with_their_stamps(rig: Rig) -> None:
    buy, sell = enter(rig)
    # 60 dollars at about 100 are 0.6 coins less the slip: 9 steps of 0.06
    assert (buy.qty_lots, sell.qty_lots) == (27, 18)
    assert (buy.side, sell.side, buy.flags, sell.flags) == (0, 1, 0, 0)
    assert split_client_id(buy.client_id) == (77, 1, Leg.ENTRY_BUY, 0)
    assert split_client_id(sell.client_id) == (77, 1, Leg.ENTRY_SELL, 0)
    assert (buy.row, sell.row, buy.venue, sell.venue) == (rig.row(0, 0), rig.row(1, 0), 0, 1)
    assert buy.opportunity_id == sell.opportunity_id == 1
    assert buy.recv_mono_ns == rig.now
    assert (buy.detected_ns, rig.strategy.counters["pairs_opening"]) == (700, 1)


def test_limits_lie_beyond_the_quote_away_from_us(rig: Rig) -> None:
    buy, sell = enter(rig)
    ask, bid = rig.store.read_row(0, 0).ask_px, rig.store.read_row(1, 0).bid_px
    assert ask * 1.0001 <= buy.px_ticks * 0.1 < ask * 1.0001 + 0.1
    assert bid * 0.9999 - 0.1 < sell.px_ticks * 0.1 <= bid * 0.9999


def test_a_price_on_the_grid_stays_there_without_slip() -> None:
    rig = Rig(entry_slip_bps=0)
    for tenths in range(900, 1100, 7):
        rig.store.apply_quote(0, 0, tenths / 10 - 1, tenths / 10, 1e6, 1e6, recv_mono_ns=rig.now)
        rig.store.apply_quote(1, 0, tenths / 10 + 1, tenths / 10 + 2, 1e6, 1e6)
        push_opportunity(rig)
        rig.poll()
        buy, sell = rig.take_order(0), rig.take_order(1)
        assert (buy.px_ticks, sell.px_ticks) == (tenths, tenths + 10)
        for order in (buy, sell):
            rig.tell(order, REJECT)
        rig.poll(5)
    rig.close()


def push_opportunity(rig: Rig, **fields: float) -> None:
    base = dict.fromkeys(Opportunity._fields, 0) | {
        "id": 50, "recv_mono_ns": rig.now, "gross_bps": 20.0, "net_bps": 20.0,
        "buy_row": rig.row(0, 0), "sell_row": rig.row(1, 0), "event": 1,
    }  # fmt: skip
    rig.opportunities.try_push(Opportunity(**base | fields).pack())


def test_bundles_and_contracts_trade_the_same_coins(rig: Rig) -> None:
    buy, sell = enter(rig, symbol=1)
    step, (bybit_lots, okx_lots) = GRID[1]
    steps = buy.qty_lots // bybit_lots
    assert steps == sell.qty_lots // okx_lots == int(60 / 0.05 / 1.0025 // step)
    assert buy.px_ticks * 0.01 == pytest.approx(50.01, rel=1e-3)
    assert sell.px_ticks * 1e-5 == pytest.approx(0.0501, rel=1e-3)


def test_the_edge_is_judged_on_the_books_of_now(rig: Rig) -> None:
    rig.opportunity(0, 0, 20.0)
    rig.quote(1, 0, 0.0)  # gone before the strategy looked
    rig.poll()
    counters = rig.strategy.counters
    assert (counters["considered"], counters["orders"]) == (1, 0)


@pytest.mark.parametrize(
    ("qty", "sent"), [(1e6, 1), (0.05, 0), (math.nan, 0)], ids=["deep", "thin", "no size"]
)
def test_the_touch_must_hold_a_whole_step(rig: Rig, qty: float, sent: int) -> None:
    rig.opportunity(0, 0, 20.0)
    rig.quote(1, 0, 21.0, qty=qty)
    rig.poll()
    counters = rig.strategy.counters
    assert counters["pairs_opening"] == sent
    assert counters["too_small"] == 1 - sent


def test_one_pair_to_a_symbol_and_a_cooling_after_a_miss(rig: Rig) -> None:
    buy, sell = enter(rig)
    rig.opportunity(0, 0)
    rig.poll()
    assert rig.take_order(0) is None
    fill(rig, buy, 0)
    fill(rig, sell, 0)
    assert rig.strategy.counters["pairs_missed"] == 1
    rig.opportunity(0, 0)
    rig.poll()
    assert rig.take_order(0) is None
    rig.poll(1.1)
    enter(rig)


def test_close_events_and_foreign_rows_are_ignored(rig: Rig) -> None:
    rig.opportunity(0, 0)
    rig.poll()
    before = rig.strategy.counters["considered"]
    push_opportunity(rig, event=3)
    push_opportunity(rig, symbol_index=1, buy_row=9999)
    push_opportunity(rig, symbol_index=999)
    rig.poll()
    assert rig.strategy.counters["considered"] == before


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"max_gross_usd": 100.0}, "gross_notional"),
        ({"max_signal_age_ms": 0.5}, "stale_signal"),
        ({"max_book_age_ms_bybit": 0.5}, "stale_book"),
        ({"max_orders_burst": 4, "orders_kept_for_exits": 2, "max_orders_per_s": 1}, "order_rate"),
        ({"journal_records": 60}, "journal_room"),
        ({"order_capacity": 1}, "ring_room"),
    ],
)
def test_the_gate_refuses_both_legs_and_counts_why(settings: dict, reason: str) -> None:
    rig = Rig(**settings)
    if reason in {"order_rate", "ring_room"}:
        rig.opportunity(1, 0)  # takes what there is
        rig.poll()
    before = rig.strategy.counters
    rig.opportunity(0, 0)
    rig.now += 900_000
    rig.poll()
    counters = rig.strategy.counters
    assert counters[f"refused_{reason}"] == before[f"refused_{reason}"] + 1
    assert counters["orders"] == before["orders"]
    assert rig.phase(0) == "idle"
    rig.close()


def test_pause_opening_off_and_dead_rows_refuse_entries(rig: Rig) -> None:
    rig.strategy.risk.pause(0)
    rig.opportunity(0, 0)
    rig.poll()
    rig.strategy.risk.pause(0, False)
    rig.strategy.risk.opening_off = True
    rig.opportunity(0, 0)
    rig.poll()
    rig.strategy.risk.opening_off = False
    rig.opportunity(0, 0)
    rig.store.apply_state(1, 0, 3)  # SUSPECT keeps its prices and may not trade
    rig.poll()
    counters = rig.strategy.counters
    assert [counters[f"refused_{name}"] for name in ("paused", "killed", "not_live")] == [1, 1, 1]
    assert counters["orders"] == 0


# ---- standing and leaving ---------------------------------------------------------------------


def test_a_pair_that_earns_enough_is_closed_reduce_only(rig: Rig) -> None:
    buy, sell = stand(rig, gross=60.0)
    rig.quote(1, 0, 0.0)  # the gap closed: 60 earned, 20 paid
    rig.poll()
    assert rig.phase(0) == "closing"
    out, back = rig.take_order(0), rig.take_order(1)
    assert (out.side, back.side, out.flags, back.flags) == (1, 0, 1, 1)
    assert (out.qty_lots, back.qty_lots) == (buy.qty_lots, sell.qty_lots)
    assert split_client_id(out.client_id).leg == Leg.EXIT_SELL
    assert split_client_id(back.client_id).leg == Leg.EXIT_BUY
    fill(rig, out)
    fill(rig, back)
    assert rig.strategy.counters["pairs_closed"] == 1
    assert (rig.strategy.live_pairs, rig.strategy.risk.gross_usd) == (0, 0.0)
    closed = rig.take_events()[-1]
    assert (EVENTS[closed.event], EXIT_REASONS[closed.reason]) == ("closed", "take_profit")
    assert closed.fees_bps == pytest.approx(20.0)
    assert closed.base_qty == pytest.approx(27 * 0.02)


def test_a_pair_that_loses_too_much_is_stopped(rig: Rig) -> None:
    stand(rig, gross=20.0)
    rig.quote(1, 0, 100.0)
    rig.poll()
    assert rig.strategy.pair(0)["reason"] == "stop"


def test_a_pair_held_too_long_is_closed_without_a_price(rig: Rig) -> None:
    stand(rig)
    rig.store.apply_state(0, 0, 4)
    rig.poll(1999)
    assert rig.phase(0) == "open"
    rig.poll(1)
    assert (rig.phase(0), rig.strategy.pair(0)["reason"]) == ("closing", "max_hold")
    out = rig.take_order(0)
    # the last bid seen, wider by the stale slip
    assert out.px_ticks * 0.1 == pytest.approx(100 * (1 - 5e-5) * (1 - 22e-4), abs=0.1)


@pytest.mark.parametrize("word", ["flatten", "kill"])
def test_control_words_close_everything(rig: Rig, word: str) -> None:
    stand(rig)
    setattr(rig.strategy if word == "flatten" else rig.strategy.risk, word, True)
    rig.poll()
    assert (rig.phase(0), rig.strategy.pair(0)["reason"]) == ("closing", "flatten")
    assert [record.type for record in rig.journal].count("KILL") == 1


def test_funding_that_was_settled_counts(rig: Rig) -> None:
    rig.store.apply_funding(0, 0, 0.0001, 8.0, 1_000)
    rig.store.apply_funding(1, 0, 0.0004, 8.0, 1_000)
    stand(rig, gross=20.0)
    rig.store.apply_funding(0, 0, 0.0002, 8.0, 2_000)
    rig.store.apply_funding(1, 0, 0.0002, 8.0, 2_000)
    rig.poll()
    # long pays 1 bps on Bybit, short receives 4 on OKX: at the rates before the settlement
    assert rig.strategy.pair(0)["funding_bps"] == pytest.approx(3.0)


# ---- a leg fails --------------------------------------------------------------------------------


def test_a_leg_that_stands_alone_is_flattened_at_once(rig: Rig) -> None:
    buy, sell = enter(rig)
    fill(rig, buy)
    assert rig.phase(0) == "opening"
    rig.tell(sell, REJECT)
    assert rig.phase(0) == "unwinding"
    out = rig.take_order(0)
    assert (out.side, out.flags, out.qty_lots) == (1, 1, buy.qty_lots)
    assert split_client_id(out.client_id).leg == Leg.UNWIND_SELL
    fill(rig, out)
    counters = rig.strategy.counters
    assert (counters["pairs_unwound"], counters["pairs_opened"]) == (1, 0)


def test_unequal_fills_are_trimmed_to_the_common_grid(rig: Rig) -> None:
    buy, sell = enter(rig)
    fill(rig, buy, 20)  # 6 steps and 2 lots
    fill(rig, sell, 11)  # 5 steps and 1 lot
    assert rig.phase(0) == "trimming"
    sold, bought = rig.take_order(0), rig.take_order(1)
    assert (sold.qty_lots, bought.qty_lots) == (5, 1)
    assert (sold.flags, bought.flags) == (1, 1)
    fill(rig, sold)
    fill(rig, bought)
    assert (rig.phase(0), rig.lots(0)) == ("open", (15, 10))
    assert rig.strategy.counters["pairs_opened"] == 1


def test_an_exit_that_misses_is_repeated_wider_and_waits(rig: Rig) -> None:
    buy, sell = enter(rig)
    fill(rig, buy)
    rig.tell(sell, REJECT)
    limits, times = [], []
    for _ in range(6):
        for _ in range(400):
            out = rig.take_order(0)
            if out is not None:
                break
            rig.poll(1)
        limits.append(out.px_ticks)
        times.append(rig.now)
        rig.tell(out, DONE, 0, 0)
    assert limits == sorted(limits, reverse=True)
    assert limits[0] > limits[-1]
    waits = [round((b - a) / 1e6) for a, b in pairwise(times)]
    assert waits == [0, 10, 10, 10, 10]


def test_rejected_exits_back_off_and_never_give_up(rig: Rig) -> None:
    buy, sell = enter(rig)
    fill(rig, buy)
    rig.tell(sell, REJECT)
    seen, last, waits = set(), rig.now, []
    for _ in range(600):
        for _ in range(400):
            out = rig.take_order(0)
            if out is not None:
                break
            rig.poll(1)
        assert out.client_id not in seen, "a client id was used twice"
        seen.add(out.client_id)
        waits.append(round((rig.now - last) / 1e6))
        last = rig.now
        rig.tell(out, REJECT)
    assert waits[:6] == [0, 10, 20, 40, 80, 80]
    assert len({split_client_id(one).pair for one in seen}) == 3, "256 attempts to a pair number"
    rig.poll(100)
    fill(rig, rig.take_order(0))
    assert rig.strategy.counters["pairs_unwound"] == 1


def test_an_unknown_outcome_is_waited_for_and_never_resent(rig: Rig) -> None:
    buy, sell = enter(rig)
    rig.tell(buy, TIMEOUT)
    rig.tell(sell, TIMEOUT)
    rig.poll(5000)
    assert rig.take_order(0) is None
    assert rig.take_order(1) is None
    assert rig.strategy.counters["timeouts"] == 2
    fill(rig, buy)
    fill(rig, sell)
    assert rig.phase(0) == "open"


def test_a_leg_alone_beside_an_unknown_one_is_flattened_in_time(rig: Rig) -> None:
    buy, sell = enter(rig)
    fill(rig, buy)
    rig.tell(sell, TIMEOUT)
    rig.poll(199)
    assert rig.phase(0) == "opening"
    rig.poll(2)
    assert rig.strategy.pair(0)["reason"] == "naked"
    fill(rig, rig.take_order(0))
    assert rig.strategy.live_pairs == 1, "the unknown order still may have filled"
    fill(rig, sell, 4)
    back = rig.take_order(1)
    assert (back.side, back.qty_lots, back.flags) == (0, 4, 1)
    fill(rig, back)
    assert rig.strategy.live_pairs == 0
    assert [event.naked_us for event in rig.take_events()][-1] >= 200_000


# ---- what venues say --------------------------------------------------------------------------


def test_fills_may_come_before_acknowledgements_and_after_the_end(rig: Rig) -> None:
    buy, sell = enter(rig)
    rig.tell(buy, FILL, 10, -1, px=100.0)
    rig.tell(buy, SENT)
    rig.tell(buy, ACK)
    rig.tell(buy, DONE, 0, 27)
    assert rig.lots(0) == (27, 0)
    rig.tell(buy, FILL, 17, -1, px=100.0)
    assert rig.lots(0) == (27, 0)
    fill(rig, sell, px=100.3)
    assert rig.strategy.counters["duplicates"] == 0
    opened = rig.take_events()[-1]
    assert EVENTS[opened.event] == "opened"
    assert (opened.buy_px, opened.sell_px) == (pytest.approx(100.0), pytest.approx(100.3))
    assert opened.gross_bps == pytest.approx(30.0)


def test_repeats_are_dropped_and_counted(rig: Rig) -> None:
    buy, sell = enter(rig)
    for _ in range(2):
        rig.tell(sell, ACK)
        rig.tell(sell, FILL, 5, 5)
        rig.tell(sell, DONE, 0, 5)
    assert rig.lots(0) == (0, 5)
    assert rig.strategy.counters["duplicates"] == 3
    rig.tell(buy, REJECT)
    rig.tell(buy, REJECT)
    assert rig.strategy.counters["rejects"] == 1


def test_executions_of_no_order_of_ours_are_counted(rig: Rig) -> None:
    buy, _ = enter(rig)
    rig.tell(buy._replace(client_id=12345), FILL, 5, 5)
    rig.tell(buy._replace(row=60000), ACK)
    assert rig.strategy.counters["unknown_executions"] == 1
    assert rig.lots(0) == (0, 0)


def test_a_fill_after_everything_was_over_is_flattened(rig: Rig) -> None:
    buy, sell = enter(rig)
    rig.tell(buy, REJECT)
    fill(rig, sell, 0)
    assert rig.strategy.live_pairs == 0
    rig.tell(buy, FILL, 6, 6)  # the reject was wrong
    assert (rig.phase(0), rig.lots(0)) == ("unwinding", (6, 0))
    fill(rig, rig.take_order(0))
    assert rig.strategy.live_pairs == 0
    counters = rig.strategy.counters
    assert counters["pairs_missed"] + counters["pairs_unwound"] == 1


# ---- journal and rings --------------------------------------------------------------------------


def test_every_order_is_in_the_journal_before_its_ring(rig: Rig) -> None:
    stand(rig)
    records = list(Journal.open_readonly(rig.journal.path))
    assert [record.type for record in records[:3]] == ["RUN", "INTENT", "INTENT"]
    assert (
        Order.unpack(records[1].payload).client_id
        == rig.strategy.pair(0)["legs"][0]["orders"][0]["client_id"]
    )
    assert [record.type for record in records].count("EXEC") == 4


def test_a_full_journal_lets_no_order_out() -> None:
    rig = Rig(journal_records=200, journal_room_min=0)
    while rig.journal.append(1, b""):
        pass
    rig.strategy.risk.kill = False
    rig.opportunity(0, 0)
    rig.poll()
    assert rig.strategy.counters["refused_journal_room"] == 1
    assert rig.strategy.counters["orders"] == 0
    rig.close()


def test_an_exit_that_finds_no_journal_room_does_not_leave() -> None:
    rig = Rig(journal_records=200, journal_room_min=0)
    stand(rig)
    while rig.journal.append(1, b""):
        pass
    rig.strategy.flatten = True
    rig.poll()
    assert rig.take_order(0) is None
    assert rig.strategy.counters["orders_unjournaled"] == 2
    rig.close()


def test_an_exit_that_finds_its_ring_full_is_a_reject_and_tried_again() -> None:
    rig = Rig(order_capacity=1)
    stand(rig)
    blocker = execution(Order(**dict.fromkeys(Order._fields, 0)), 0).pack()
    assert rig.orders[0].try_push(blocker)
    rig.strategy.flatten = True
    rig.poll()
    assert rig.strategy.counters["orders_dropped"] == 1
    assert rig.orders[0].try_pop() == blocker
    assert rig.journal.open_intents() != []
    fill(rig, rig.take_order(1))
    rig.poll(50)
    fill(rig, rig.take_order(0))
    assert (rig.strategy.live_pairs, rig.journal.open_intents()) == (0, [])
    rig.close()


def test_settings_out_of_range_name_themselves() -> None:
    with pytest.raises(ValueError, match=r"stop_bps was -1; accepted values are 0 to 10000"):
        Rig(stop_bps=-1)
    with pytest.raises(ValueError, match="'stop' is not known; accepted are min_net_bps"):
        Rig(stop=1)


def test_pair_events_have_a_dtype(rig: Rig) -> None:
    enter(rig)
    (event,) = rig.take_events()
    assert isinstance(event, PairEvent)
    assert pair_event_dtype().itemsize == len(event.pack()) == 120
    assert EVENTS[event.event] == "opening"


# ---- standing basis -------------------------------------------------------------------------------


def test_an_edge_that_is_only_the_standing_basis_is_left_alone() -> None:
    rig = Rig(min_excess_bps=8.0, basis_step_ms=1.0, basis_time_s=0.2)
    rig.opportunity(0, 0)
    rig.poll()
    assert rig.strategy.counters["orders"] == 0, "nothing is known of the basis yet"
    rig.quote(0, 0, 0.0)
    rig.quote(1, 0, 20.0)
    for _ in range(2000):
        rig.poll(1.0)
    pair = rig.strategy.pair(0)
    assert pair["basis_bps"] == pytest.approx(20.0, abs=0.1)
    assert pair["basis_samples"] > 900, "both symbols take turns"
    rig.opportunity(0, 0, 20.0)
    rig.poll()
    assert rig.strategy.counters["orders"] == 0
    rig.opportunity(0, 0, 30.0)
    rig.poll()
    assert rig.strategy.counters["orders"] == 2
    rig.close()


def test_the_basis_counts_for_the_other_direction_with_the_other_sign() -> None:
    rig = Rig(min_excess_bps=25.0, basis_step_ms=1.0, basis_time_s=0.2)
    rig.quote(0, 0, 0.0)
    rig.quote(1, 0, 20.0)
    for _ in range(2000):
        rig.poll(1.0)
    rig.opportunity(0, 1, 8.0)  # against the basis: 28 over it
    rig.poll()
    assert rig.strategy.counters["orders"] == 2
    rig.close()
