"""The spread strategy, one decision a test."""

import math
import time
from collections.abc import Iterator

import pytest
from strategy_rig import GRID, REJECT, Rig, enter, fill, stand

from arbitrage.core.clock import Clock
from arbitrage.core.histogram import Histogram
from arbitrage.core.messages import Opportunity, PairEvent, pair_event_dtype
from arbitrage.core.records import Leg, split_client_id
from arbitrage.core.risk import KILLS
from arbitrage.core.strategy import EVENTS, EXIT_REASONS


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.close()


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
    rig = Rig(entry_slip_bps=0, max_basis_bps=0)
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


def test_every_latency_of_a_turn_is_counted_by_its_end() -> None:
    found = {name: Histogram() for name in ("seen", "decided", "to_order")}
    rig = Rig(clock=Clock(), **found)
    for _ in range(12):  # more than one turn may leave uncounted on its way
        rig.opportunity(0, 0)
    rig.poll()
    counted = {name: histogram.count for name, histogram in found.items()}
    assert counted == {"seen": 12, "decided": 2, "to_order": 2}
    rig.close()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"max_gross_usd": 11.0}, "gross_notional"),
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
    reasons = ("paused", "opening_off", "not_live")
    assert [counters[f"refused_{name}"] for name in reasons] == [1, 1, 1]
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


@pytest.mark.parametrize("is_killed", [False, True])
def test_flatten_closes_everything_also_what_a_kill_holds(rig: Rig, is_killed: bool) -> None:
    stand(rig)
    rig.strategy.risk.kill = is_killed
    rig.poll(5000)
    rig.strategy.flatten = True
    rig.poll()
    assert rig.phase(0) == "closing"
    assert rig.strategy.pair(0)["reason"] == ("flatten" if is_killed else "max_hold")
    assert (rig.take_order(0).flags, rig.take_order(1).flags) == (1, 1)
    assert [record.type for record in rig.journal].count("KILL") == 1 + is_killed


def test_a_killed_pair_stands_as_it_is(rig: Rig) -> None:
    stand(rig)
    rig.strategy.risk.kill = KILLS.index("operator")
    rig.quote(1, 0, 100.0)  # far beyond the stop
    before = rig.strategy.counters
    for _ in range(100):
        rig.poll(100)
    assert rig.phase(0) == "open"
    assert (rig.take_order(0), rig.take_order(1)) == (None, None)
    assert rig.strategy.counters == before, "nothing was tried, nothing was refused over and over"
    rig.strategy.risk.kill = False
    rig.poll()
    assert (rig.phase(0), rig.strategy.pair(0)["reason"]) == ("closing", "max_hold")


def test_while_killed_nothing_leaves_until_it_is_to_flatten(rig: Rig) -> None:
    buy, sell = enter(rig)
    fill(rig, buy)
    rig.strategy.risk.kill = KILLS.index("operator")
    fill(rig, sell, 0)
    for _ in range(5):
        rig.opportunity(1, 0)
        rig.poll(100)
    counters = rig.strategy.counters
    assert (counters["orders"], rig.lots(0)) == (2, (buy.qty_lots, 0))
    assert counters["refused_killed"] == 5, "the entries; exits wait without a try"
    rig.strategy.flatten = True
    rig.poll(100)
    assert rig.strategy.counters["orders"] == 3
    assert rig.take_order(0).flags == 1, "reduce-only"


def test_funding_that_was_settled_counts(rig: Rig) -> None:
    rig.store.apply_funding(0, 0, 0.0001, 8.0, 1_000)
    rig.store.apply_funding(1, 0, 0.0004, 8.0, 1_000)
    stand(rig, gross=20.0)
    rig.store.apply_funding(0, 0, 0.0002, 8.0, 2_000)
    rig.store.apply_funding(1, 0, 0.0002, 8.0, 2_000)
    rig.poll()
    # long pays 1 bps on Bybit, short receives 4 on OKX: at the rates before the settlement
    assert rig.strategy.pair(0)["funding_bps"] == pytest.approx(3.0)


@pytest.mark.parametrize("venue", [0, 1])
def test_an_interval_that_grows_while_a_pair_stands_settles_nothing(rig: Rig, venue: int) -> None:
    hour_ns = 3_600_000_000_000
    now_ns = rig.now + time.time_ns() - time.monotonic_ns()  # the rig's clock is not the machine's
    rig.store.apply_funding(venue, 0, 0.0001, 1.0, now_ns + hour_ns // 2)
    stand(rig, gross=20.0)
    rig.store.apply_funding(venue, 0, 0.0008, 8.0, now_ns + 5 * hour_ns)
    rig.poll()
    assert rig.strategy.pair(0)["funding_bps"] == 0.0
    # back to 1 h, whose settlement is a moment away, and then it is past
    rig.store.apply_funding(venue, 0, 0.0003, 1.0, now_ns)
    rig.poll()
    assert rig.strategy.pair(0)["funding_bps"] == 0.0
    rig.store.apply_funding(venue, 0, 0.0002, 1.0, now_ns + hour_ns)
    rig.poll()
    assert rig.strategy.pair(0)["funding_bps"] == pytest.approx((-3.0, 3.0)[venue])


# ---- standing basis ----------------------------------------------------------------------------


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
