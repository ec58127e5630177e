"""Intents of users' strategies: the same size, gate, journal and machine, and one answer each."""

import math
from collections.abc import Iterator

import pytest

from arbitrage.core.messages import PAIR_KINDS, VERDICTS, PairPhase
from arbitrage.core.risk import REASONS
from arbitrage.core.strategy import EXIT_REASONS
from tests.strategy_rig import BUY, Rig, fill, stand

OPEN, CLOSE = 1, 2


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig(min_gross_bps=1000.0)  # the spread strategy would find nothing here
    yield made
    made.close()


def enter_by_intent(rig: Rig, door: object, **more: float) -> tuple:
    rig.intend(door, OPEN, **more)
    assert rig.verdict() == "accepted"
    buy, sell = rig.take_order(0), rig.take_order(1)
    assert buy is not None
    assert sell is not None
    return buy, sell


def test_an_intent_opens_a_pair_that_carries_its_tag(rig: Rig) -> None:
    door = rig.open_door()
    intent_id = rig.intend(door)
    rig.poll()
    answer = rig.take_notices()[0]
    assert (answer.notice, answer.intent_id) == (1, intent_id)
    assert (VERDICTS[answer.verdict], answer.pair) == ("accepted", 1)
    buy, sell = rig.take_order(0), rig.take_order(1)
    assert buy is not None
    assert sell is not None
    fill(rig, buy)
    fill(rig, sell)
    assert rig.phase(0) == "open"
    events = rig.take_events()
    assert {(PAIR_KINDS[event.kind], event.tag, event.pair) for event in events} == {
        ("intent", 1, 1)
    }
    fills = [item for item in rig.take_notices() if item.notice == 2]
    assert [(item.client_id, item.lots, item.side) for item in fills] == [
        (buy.client_id, buy.qty_lots, BUY),
        (sell.client_id, sell.qty_lots, 1),
    ]
    phases = [PairPhase.unpack(record.payload) for record in rig.journal if record.type == "PAIR"]
    assert {(phase.kind, phase.tag) for phase in phases} == {(2, 1)}
    counters = rig.strategy.counters
    assert (counters["intents"], counters["pairs_intent"], counters["considered"]) == (1, 1, 0)


def test_the_size_is_the_least_of_what_is_asked_and_what_is_configured(rig: Rig) -> None:
    door = rig.open_door()
    asked = enter_by_intent(rig, door, max_usd=13.0)
    assert asked[0].qty_lots == 6  # two steps of 0.06 coins at 100
    rig.close()
    other = Rig(min_gross_bps=1000.0)
    configured = enter_by_intent(other, other.open_door(), max_usd=1e9)
    assert configured[0].qty_lots == 27  # 60 USD: nine steps
    other.close()


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({"action": 7}, "malformed"),
        ({"buy_venue": 1}, "malformed"),
        ({"sell_venue": 9}, "malformed"),
        ({"max_usd": 0.0}, "malformed"),
        ({"symbol": 1234}, "unknown_symbol"),
        ({"expires_mono_ns": 1}, "expired"),
        ({"min_net_bps": 0.0}, "edge"),
        ({"min_net_bps": math.nan}, "edge"),
        ({"min_gross_bps": 50.0}, "edge"),
        ({"max_usd": 0.5}, "too_small"),
        ({"asked_mono_ns": 1}, "gate"),
        ({"action": CLOSE}, "no_pair"),
    ],
)
def test_what_may_not_be_is_refused_with_its_reason(
    rig: Rig, more: dict[str, float], verdict: str
) -> None:
    door = rig.open_door()
    rig.intend(door, **({"action": OPEN} | more))
    assert rig.verdict() == verdict
    assert rig.take_order(0) is None
    assert rig.strategy.counters["intents_refused"] == 1


def test_the_gate_says_why(rig: Rig) -> None:
    door = rig.open_door()
    rig.strategy.risk.opening_off = True
    rig.intend(door)
    rig.poll()
    answer = rig.take_notices()[0]
    assert VERDICTS[answer.verdict] == "gate"
    assert REASONS[answer.gate_reason] != "ok"


def test_no_quote_and_flattening_are_told_apart(rig: Rig) -> None:
    door = rig.open_door()
    rig.store.apply_state(1, 0, 4)
    rig.intend(door)
    assert rig.verdict() == "no_quote"
    rig.strategy.flatten = True
    rig.intend(door)
    assert rig.verdict() == "flattening"


def test_a_pair_leaves_when_its_strategy_asks_and_not_before(rig: Rig) -> None:
    door = rig.open_door()
    buy, sell = enter_by_intent(rig, door)
    fill(rig, buy)
    fill(rig, sell)
    rig.quote(0, 0, 100.0)  # far in profit: whether to take it is the user's decision
    rig.poll()
    assert rig.phase(0) == "open"
    rig.intend(door, CLOSE, pair=99)
    assert rig.verdict() == "no_pair"
    rig.intend(door, CLOSE)
    assert rig.verdict() == "accepted"
    assert rig.phase(0) == "closing"
    for venue in (0, 1):
        order = rig.take_order(venue)
        assert order is not None
        fill(rig, order)
    assert EXIT_REASONS[rig.take_events()[-1].reason] == "asked"


def test_nobody_closes_what_another_one_opened() -> None:
    rig = Rig()
    door = rig.open_door()
    stand(rig)
    rig.intend(door, CLOSE)
    assert rig.verdict() == "not_yours"
    rig.intend(door, OPEN)
    assert rig.verdict() == "pair_open"
    assert rig.phase(0) == "open"
    rig.close()


def test_the_stop_holds_for_intents_too(rig: Rig) -> None:
    door = rig.open_door()
    buy, sell = enter_by_intent(rig, door)
    fill(rig, buy)
    fill(rig, sell)
    rig.quote(0, 0, -100.0)
    rig.poll()
    assert rig.strategy.pair(0)["reason"] == "stop"


@pytest.mark.parametrize(
    ("how", "shift_bps", "reason"),
    [
        ("close", 0.0, "orphaned"),
        ("hold", 0.0, "none"),
        ("hold", 100.0, "take_profit"),
        (None, 100.0, "none"),
    ],
)
def test_pairs_of_a_strategy_that_is_gone(
    rig: Rig, how: str | None, shift_bps: float, reason: str
) -> None:
    door = rig.open_door()
    buy, sell = enter_by_intent(rig, door)
    fill(rig, buy)
    fill(rig, sell)
    rig.strategy.orphan(1, "close")
    rig.strategy.orphan(1, how)
    rig.quote(0, 0, shift_bps)
    rig.poll()
    assert rig.strategy.pair(0)["reason"] == reason


def test_one_door_is_not_emptied_in_one_turn(rig: Rig) -> None:
    door = rig.open_door()
    for _ in range(100):
        rig.intend(door, CLOSE)
    assert rig.strategy.poll(rig.now) == 8
    rig.poll()
    assert rig.strategy.counters["intents"] == 100
