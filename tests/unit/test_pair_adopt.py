"""A pair of an earlier run in the machine: what stands goes on, what is uneven is reduced."""

import math
import time
from collections.abc import Iterator

import pytest
from strategy_rig import BUY, DONE, FILL, GRID, SELL, Rig

from arbitrage.core.messages import Adopted
from arbitrage.core.records import split_client_id
from arbitrage.core.strategy import PHASES
from arbitrage.trading.run_journal import decode

STEP = GRID[0][1]  # lots of either venue in one common step


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig(max_hold_s=10.0)
    made.now = time.monotonic_ns()
    for venue in range(2):
        made.quote(venue, 0, 0.0)
    yield made
    made.close()


def adopted(rig: Rig, long_lots: int, short_lots: int, **more: float) -> Adopted:
    """Take over a pair that bought symbol 0 at venue 0 one second ago."""
    wall_ns = time.time_ns() - 1_000_000_000
    fields = {
        "opportunity_id": 5, "started_wall_ns": wall_ns, "opened_wall_ns": wall_ns,
        "long_lots": long_lots, "short_lots": short_lots, "buy_px": 100.0, "sell_px": 100.0,
        "buy_fee_bps": 5.0, "sell_fee_bps": math.nan, "funding_bps": 0.0, "from_run": 70,
        "from_pair": 9, "buy_row": rig.row(0, 0), "sell_row": rig.row(1, 0), "symbol_index": 0,
        "phase": 0, "kind": 0, "tag": 0, "pair": 0,
    }  # fmt: skip
    record = Adopted(**(fields | more))  # type: ignore[arg-type]
    done: Adopted = Adopted.unpack(rig.strategy.adopt(record.pack(), rig.now))
    return done


def test_a_level_pair_stands_and_the_exit_rules_go_on(rig: Rig) -> None:
    held = adopted(rig, 2 * STEP[0], 2 * STEP[1])
    assert (PHASES[held.phase], held.pair) == ("open", 1)
    assert rig.phase(0) == "open"
    assert rig.strategy.counters["pairs_adopted"] == 1
    assert rig.strategy.counters["pairs_opened"] == 0, "it was opened by another run"
    assert rig.strategy.risk.gross_usd > 0, "the gate must know what stands"
    assert rig.strategy.live_pairs == 1
    rig.strategy.release()
    rig.poll(8_000)
    assert rig.phase(0) == "open"
    rig.poll(1_500)  # opened 1 s before the start: 10 s of holding are over
    assert (rig.phase(0), rig.strategy.pair(0)["reason"]) == ("closing", "max_hold")
    orders = [rig.take_order(venue) for venue in range(2)]
    assert [(order.side, order.qty_lots, order.flags & 1) for order in orders if order] == [
        (SELL, 2 * STEP[0], 1), (BUY, 2 * STEP[1], 1)
    ]  # fmt: skip
    assert {split_client_id(order.client_id).run for order in orders if order} == {77}
    for order in orders:
        assert order is not None
        rig.tell(order, FILL, order.qty_lots, order.qty_lots, px=100.0)
        rig.tell(order, DONE, cum=order.qty_lots)
    assert rig.phase(0) == "idle"
    assert rig.strategy.counters["pairs_closed"] == 1
    assert rig.strategy.counters["illegal_moves"] == 0
    assert rig.strategy.risk.gross_usd == 0


@pytest.mark.parametrize(
    ("lots", "orders"),
    [
        ((2 * STEP[0], STEP[1]), [(0, SELL, STEP[0])]),
        ((2 * STEP[0] + 1, 2 * STEP[1]), [(0, SELL, 1)]),
        ((STEP[0], 0), [(0, SELL, STEP[0])]),
        ((0, STEP[1]), [(1, BUY, STEP[1])]),
        ((1, STEP[1]), [(0, SELL, 1), (1, BUY, STEP[1])]),
        ((-2, 0), [(0, BUY, 2)]),
    ],
)
def test_an_uneven_pair_is_brought_level_or_flat(
    rig: Rig, lots: tuple[int, int], orders: list[tuple[int, int, int]]
) -> None:
    assert PHASES[adopted(rig, *lots).phase] == "unwinding"
    rig.poll(5_000)
    assert rig.take_order(0) is None, "nothing leaves before orders can"
    assert rig.take_order(1) is None
    rig.strategy.release()
    rig.poll(1)
    sent = [order for venue in range(2) if (order := rig.take_order(venue)) is not None]
    assert [(order.venue, order.side, order.qty_lots) for order in sent] == orders
    assert all(order.flags & 1 for order in sent)
    for order in sent:
        rig.tell(order, FILL, order.qty_lots, order.qty_lots, px=100.0)
        rig.tell(order, DONE, cum=order.qty_lots)
    assert rig.phase(0) == ("open" if rig.lots(0)[0] else "idle")
    assert rig.lots(0)[0] * STEP[1] == rig.lots(0)[1] * STEP[0]
    assert rig.strategy.counters["illegal_moves"] == 0


@pytest.mark.parametrize("lots", [STEP, (2 * STEP[0], STEP[1])])
def test_a_pair_whose_opening_a_crash_cut_off_is_taken_over_and_not_opened_too(
    rig: Rig, lots: tuple[int, int]
) -> None:
    """What is taken over and what is opened are added up: no pair may be both."""
    adopted(rig, *lots, opened_wall_ns=0)
    rig.strategy.release()
    rig.poll(1)
    while (order := rig.take_order(0)) is not None:
        rig.tell(order, FILL, order.qty_lots, order.qty_lots, px=100.0)
        rig.tell(order, DONE, cum=order.qty_lots)
    assert (rig.phase(0), rig.lots(0)) == ("open", STEP)
    counters = rig.strategy.counters
    assert (counters["pairs_adopted"], counters["pairs_opened"]) == (1, 0)


def test_it_is_journaled_before_it_counts(rig: Rig) -> None:
    adopted(rig, STEP[0], STEP[1], from_run=71)
    kinds = [record.type for record in rig.journal]
    assert kinds == ["RUN", "ADOPTED", "PAIR"]
    (held,) = [decode(record) for record in rig.journal if record.type == "ADOPTED"]
    assert isinstance(held, Adopted)
    assert (held.from_run, held.from_pair, held.pair) == (71, 9, 1)
    assert (held.long_lots, held.short_lots, PHASES[held.phase]) == (*STEP, "open")


def test_what_cannot_be_taken_over_is_refused_and_changes_nothing(rig: Rig) -> None:
    for lots, more, words in (
        ((0, 0), {}, "neither leg holds anything"),
        ((1, 1), {"sell_row": rig.row(0, 0)}, "not two of a traded symbol"),
        ((1, 1), {"symbol_index": 1}, "not two of a traded symbol"),
        ((1, 1), {"buy_row": 9_000}, "not two of a traded symbol"),
    ):
        with pytest.raises(ValueError, match=words):
            adopted(rig, *lots, **more)
    assert rig.strategy.live_pairs == 0
    adopted(rig, STEP[0], STEP[1])
    with pytest.raises(ValueError, match="the symbol has a pair"):
        adopted(rig, STEP[0], STEP[1])
    with pytest.raises(ValueError, match="record had 3 bytes"):
        rig.strategy.adopt(b"abc", rig.now)
