"""Two legs: when one fails, when venues speak late, twice or not at all; journal and full rings."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from strategy_rig import (
    ACK,
    DONE,
    FILL,
    REJECT,
    SENT,
    TIMEOUT,
    Rig,
    enter,
    execution,
    fill,
    stand,
)

from arbitrage.core.journal import Journal
from arbitrage.core.messages import Order
from arbitrage.core.records import Leg, split_client_id
from arbitrage.core.strategy import EVENTS
from arbitrage.trading.history import History


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.close()


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


def test_unequal_fills_are_trimmed_to_the_common_grid() -> None:
    rig = Rig(complete_tries=0)
    buy, sell = enter(rig)
    fill(rig, buy, 20)  # 6 steps and 2 lots
    fill(rig, sell, 11)  # 5 steps and 1 lot
    assert rig.phase(0) == "unwinding"
    sold, bought = rig.take_order(0), rig.take_order(1)
    assert (sold.qty_lots, bought.qty_lots) == (5, 1)
    assert (sold.flags, bought.flags) == (1, 1)
    fill(rig, sold)
    fill(rig, bought)
    assert (rig.phase(0), rig.lots(0)) == ("open", (15, 10))
    assert rig.strategy.counters["pairs_opened"] == 1
    rig.close()


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
    rig.poll(100)
    assert rig.phase(0) == "opening"
    rig.poll(1)  # past half the bound: the other half is for getting out
    assert (rig.phase(0), rig.strategy.pair(0)["reason"]) == ("unwinding", "naked")
    fill(rig, rig.take_order(0))
    assert rig.strategy.live_pairs == 1, "the unknown order still may have filled"
    fill(rig, sell, 4)
    back = rig.take_order(1)
    assert (back.side, back.qty_lots, back.flags) == (0, 4, 1)
    fill(rig, back)
    assert rig.strategy.live_pairs == 0
    assert [event.naked_us for event in rig.take_events()][-1] >= 101_000


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


def test_a_stated_end_bounds_fills_that_state_no_count(rig: Rig) -> None:
    buy, _ = enter(rig)
    rig.tell(buy, DONE, 0, 5)
    rig.tell(buy, FILL, 5, -1)
    rig.tell(buy, FILL, 5, -1)  # the same one again, or a lie: the venue's own count was five
    assert rig.lots(0) == (5, 0)
    assert rig.strategy.counters["duplicates"] == 1


def test_fills_after_an_end_without_a_count_are_believed(rig: Rig) -> None:
    buy, sell = enter(rig)
    rig.tell(buy, DONE, 0, -1)
    rig.tell(buy, FILL, 27, -1, px=100.0)
    fill(rig, sell)
    assert (rig.phase(0), rig.lots(0)) == ("open", (27, 18))


def test_a_fill_while_the_flat_pair_waits_for_prices_is_flattened(rig: Rig) -> None:
    buy, sell = enter(rig)
    rig.tell(buy, DONE, 0, 27)  # its fills are still to come
    rig.tell(sell, REJECT)
    rig.tell(rig.take_order(0), DONE, 0, 27)
    assert (rig.phase(0), rig.lots(0)) == ("closed", (0, 0))
    rig.tell(sell, FILL, 2, 2)  # the reject was wrong
    assert (rig.phase(0), rig.lots(0)) == ("unwinding", (0, 2))
    fill(rig, rig.take_order(1))
    rig.poll(20)
    assert rig.strategy.live_pairs == 0


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
    assert History.read(rig.journal).open_orders != []
    fill(rig, rig.take_order(1))
    rig.poll(50)
    fill(rig, rig.take_order(0))
    assert (rig.strategy.live_pairs, History.read(rig.journal).open_orders) == (0, [])
    rig.close()
