"""Faults of order entry: answers lost or of another code, fills in part, late, twice, too early."""

from __future__ import annotations

import json

import pytest
from fault_kit import VENUES, Bench, FaultyClient, desk, place


@pytest.mark.parametrize("venue", VENUES)
def test_an_accepted_order_loses_its_answer(venue: str) -> None:
    bench, trade, _ = desk(venue, {"what": "lose", "role": "", "call": "order", "count": 1})
    assert place(trade) is None
    assert len(bench.exchange.matcher.orders) == 1
    assert place(trade) is not None
    assert bench.struck("lose") == 1


@pytest.mark.parametrize("venue", VENUES)
def test_a_lost_request_is_never_carried_out(venue: str) -> None:
    bench, trade, _ = desk(venue, {"what": "lose", "call": "order", "is_accepted": False})
    assert place(trade) is None
    assert not bench.exchange.matcher.orders


@pytest.mark.parametrize(
    ("venue", "code", "accepted"),
    [("bybit", 110007, False), ("bybit", 10006, True), ("okx", 51008, False), ("okx", 50011, True)],
)
def test_orders_are_answered_with_codes(venue: str, code: int, accepted: bool) -> None:
    bench, trade, _ = desk(venue, {"what": "answer", "call": "order", "code": code, "text": "no",
                                   "is_accepted": accepted})
    reply = place(trade)
    if venue == "bybit":
        assert (reply["retCode"], reply["retMsg"], reply["op"]) == (code, "no", "order.create")
        assert reply["reqId"] == "r1"
    else:
        (row,) = reply["data"]
        assert (reply["code"], row["sCode"], row["sMsg"]) == ("1", str(code), "no")
        assert row["clOrdId"] != ""
    assert len(bench.exchange.matcher.orders) == accepted


def test_the_gateways_own_codes_and_logins() -> None:
    _, trade, _ = desk("okx", {"what": "answer", "call": "order", "code": 60014})
    reply = place(trade)
    assert (reply["code"], reply["data"]) == ("60014", [])
    for venue, field in (("bybit", "retCode"), ("okx", "code")):
        bench = Bench(venue, {"what": "answer", "role": "", "code": 10006, "count": 1,
                              "call": "auth" if venue == "bybit" else "login"})
        conn = bench.connect("trade")
        bench.request(conn, op="auth" if venue == "bybit" else "login", args=[])
        assert str(json.loads(bench.texts()[0])[field]) == "10006"


@pytest.mark.parametrize("venue", VENUES)
def test_an_order_is_filled_in_part(venue: str) -> None:
    bench, trade, _ = desk(venue, {"what": "partial", "lots": 3, "count": 1})
    place(trade)
    (order,) = bench.exchange.matcher.orders.values()
    assert order.filled_lots == 3


@pytest.mark.parametrize("venue", VENUES)
def test_a_fill_is_told_late_twice_or_before_its_answer(venue: str) -> None:
    channel = "execution" if venue == "bybit" else "orders"
    bench, trade, private = desk(
        venue, {"what": "delay", "role": "private", "channel": channel, "ms": 50})
    assert place(trade) is not None
    assert channel not in private.pushed()
    bench.turn(50)
    assert channel in private.pushed()

    bench, trade, private = desk(venue, {"what": "duplicate", "channel": channel})
    place(trade)
    names = private.pushed() if venue == "okx" else trade.pushed()
    assert names.count(channel) % 2 == 0
    assert names.count(channel) > 0

    bench, trade, private = desk(venue, {"what": "delay", "channel": "ack", "ms": 50,
                                         "is_overtaken": True})
    assert place(trade) is None
    assert channel in trade.pushed()
    bench.turn(50)
    assert len(trade.sort()) == 1


@pytest.mark.parametrize("suffix", ["", ".linear"])
def test_bybits_lean_executions_are_a_channel_of_their_own(suffix: str) -> None:
    for channel, left in (("execution.fast", {"execution"}), ("execution", {"execution.fast"})):
        bench, trade, _ = desk("bybit", {"what": "drop", "channel": channel})
        lean = FaultyClient(bench, "private")
        lean.send(op="subscribe", args=[f"execution{suffix}", f"execution.fast{suffix}"])
        assert place(trade) is not None
        names = {name.removesuffix(".linear") for name in trade.pushed() + lean.pushed()}
        assert names - {"order"} == left
