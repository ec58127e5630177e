"""Fault plans: what is read from TOML and JSON, and the one line that says what is wrong."""

from pathlib import Path

import pytest

from arbitrage.sim import fault_plan as kinds
from arbitrage.sim.config import SimError
from arbitrage.sim.fault_fields import CHANNELS
from arbitrage.sim.fault_plan import FaultPlan
from arbitrage.sim.fault_reading import checked, parse_plan, read_plan


def test_a_file_becomes_typed_rules(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        'seed = 9\n'
        '[[rule]]\nwhat = "drop"\nvenue = "okx"\nchannel = "books"\nprobability = 0.25\n'
        '[[rule]]\nwhat = "half_open"\nrole = "public"\nat_s = [1, 2.5]\nfor_s = 3\n'
    )
    plan = read_plan(str(path))
    assert plan == FaultPlan(seed=9, rule=(
        kinds.Drop(venue="okx", channel="books", probability=0.25),
        kinds.HalfOpen(role="public", at_s=(1.0, 2.5), for_s=3.0),
    ))
    assert [n for n, _ in plan.of("bybit")] == [1]
    assert [n for n, _ in plan.of("okx")] == [0, 1]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"what": "drp"}, "rule 0: what was 'drp'; accepted: drop, duplicate, "),
        ({}, "rule 0: what is missing; accepted: drop, "),
        ({"what": "drop", "chanel": "books"}, "chanel is no field here; accepted: venue, from_s, "),
        ({"what": "drop", "probability": 0}, "rule 0 (drop): probability was 0; probability"),
        ({"what": "drop", "probability": "1"}, "probability was '1'; accepted: a number"),
        ({"what": "drop", "role": "publik"}, "role was 'publik'; accepted: public, private, trade"),
        ({"what": "drop", "venue": "kraken"}, "venue was 'kraken'; accepted: bybit, okx"),
        ({"what": "drop", "at_s": 3}, "at_s was 3; accepted: a list of numbers"),
        ({"what": "drop", "at_s": [1], "probability": 0.5}, "at_s stands instead of probability"),
        ({"what": "lose", "at_s": [1], "probability": 0.5}, "at_s stands instead of probability"),
        ({"what": "drop", "at_s": [1], "until_s": 9}, "at_s stands instead of from_s and until_s"),
        ({"what": "refuse", "for_s": 60}, "for_s counts from at_s"),
        ({"what": "delay", "ms": float("nan")}, "ms was nan; accepted: finite numbers"),
        ({"what": "clock", "jump_ms": "x"}, "jump_ms was 'x'; accepted: a whole number"),
        ({"what": "drop", "connection": "x"}, "connection was 'x'; accepted: a whole number"),
        ({"what": "delay", "ms": 1, "is_overtaken": 2}, "is_overtaken was 2; accepted: true or"),
        ({"what": "drop", "channel": "bookz"}, "channel was 'bookz'; accepted: orderbook.1, "),
        ({"what": "drop", "channel": "books", "venue": "bybit"}, "accepted for bybit: orderbook.1"),
        ({"what": "drop", "channel": "orders", "role": "public", "venue": "okx"},
         "accepted for public lines of okx: bbo-tbt, funding-rate, books, books5, ack, pong"),
        ({"what": "silent", "channel": "ack"}, "channel was 'ack'; accepted: orderbook.1"),
        ({"what": "drop", "symbol": "NOPE"}, "symbol was 'NOPE'; accepted: BTCUSDT, ETHUSDT, "),
        ({"what": "close", "venue": "okx", "role": "trade"}, "role was 'trade', which okx has not"),
        ({"what": "contract", "symbol": "BTCUSDT"}, "something that changes must be given"),
        ({"what": "contract", "symbol": "BTCUSDT", "tick": "x"}, "tick was 'x'; accepted: a deci"),
        ({"what": "drop", "from_s": 3, "until_s": 3}, "from_s must be 0 or later and before"),
        ({"what": "drop", "at_s": [-1]}, "at_s must be 0 or later"),
        ({"what": "drop", "count": -1}, "count must be 0"),
        ({"what": "duplicate", "copies": 0}, "copies must be 1 or above"),
        ({"what": "reorder", "frames": 0}, "frames must be 1 or above"),
        ({"what": "delay"}, "ms is missing; accepted: a number"),
        ({"what": "delay", "ms": 0}, "one of them above 0"),
        ({"what": "close", "code": 200}, "code must be 1000 to 4999"),
        ({"what": "reset", "every_s": 1, "at_s": [1]}, "every_s must be above 0, and stands"),
        ({"what": "silent", "for_s": 0}, "for_s must be above 0"),
        ({"what": "notice", "venue": "bybit"}, "Bybit has no such notice"),
        ({"what": "refuse", "status": 200}, "status must be 400 to 599, or 0"),
        ({"what": "answer"}, "code or a status from 400 on"),
        ({"what": "answer", "role": "trade", "code": 1, "status": 503}, "status is for REST"),
        ({"what": "lose", "after_s": -1}, "after_s must be 0 or above"),
        ({"what": "partial", "lots": 0}, "lots must be 1 or above"),
        ({"what": "skip", "ids": 0}, "ids must be 1 or above"),
        ({"what": "clock", "jump_ms": 0}, "jump_ms must not be 0"),
        ({"what": "contract", "symbol": "BTCUSDT", "state": "gone"}, "state must be one of"),
        ({"what": "contract", "symbol": "BTCUSDT", "funding_hours": 3}, "must be 1, 2, 4 or 8"),
        ({"what": "funding", "symbol": "BTCUSDT", "rate": "much"}, "rate must be a decimal"),
    ],
)
def test_a_wrong_rule_is_one_line(rule: dict[str, object], said: str) -> None:
    with pytest.raises(SimError) as caught:
        checked({"rule": [rule]})
    text = str(caught.value)
    assert text.startswith("fault plan: ")
    assert said in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"rules": []}, "rules is no field here; accepted: seed, rule"),
        ({"seed": "x"}, "seed was 'x'; accepted: a whole number"),
        ({"rule": {"what": "drop"}}, "rule was {'what': 'drop'}; accepted: [[rule]] tables"),
        ([], "it was []; accepted: an object of seed and rule"),
    ],
)
def test_a_wrong_plan_is_one_line(plan: object, said: str) -> None:
    with pytest.raises(SimError) as caught:
        checked(plan)
    assert str(caught.value) == f"fault plan: {said}"


@pytest.mark.parametrize(("venue", "role"), CHANNELS)
def test_every_channel_that_a_venue_has_is_accepted(venue: str, role: str) -> None:
    for channel in (*CHANNELS[venue, role], "ack", "pong", "reply"):
        plan = checked({"rule": [{"what": "drop", "channel": channel, "venue": venue, "role": role},
                                 {"what": "drop", "channel": channel}]})
        assert [rule.channel for rule in plan.rule] == [channel, channel]


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    missing, spoiled = tmp_path / "none.toml", tmp_path / "spoiled.toml"
    spoiled.write_text("seed = \n")
    with pytest.raises(SimError, match=r"--faults .*none\.toml cannot be read: No such file"):
        read_plan(str(missing))
    with pytest.raises(SimError, match=r"--faults .*spoiled\.toml is not TOML: "):
        read_plan(str(spoiled))
    spoiled.write_text('[[rule]]\nwhat = "drop"\ncount = "x"\n')
    with pytest.raises(SimError, match=r"spoiled\.toml: .* rule 0 \(drop\): count was 'x'"):
        read_plan(str(spoiled))
    with pytest.raises(SimError, match="not JSON"):
        parse_plan(b"seed = 1")
