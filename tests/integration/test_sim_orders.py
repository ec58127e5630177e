"""Amend, batches, mass cancel and refusals of order entry, on sockets and REST of both venues."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sim_kit import Client, Venue

BTC = "BTC-USDT-SWAP"
LINEAR = {"category": "linear", "symbol": "BTCUSDT"}


@pytest.fixture
def bybit() -> Venue:
    return Venue("bybit")


@pytest.fixture
def okx() -> Venue:
    venue = Venue("okx")
    venue.quote(bid_qty="100", ask_qty="100")
    return venue


def listening(venue: Venue) -> Client:
    private = venue.client("private")
    if venue.name == "bybit":
        private.send(op="subscribe", args=["order", "execution", "position"])
    else:
        private.send(op="subscribe", args=[{"channel": "orders", "instType": "SWAP"}])
    private.pushes()
    return private


def rows(private: Client, topic: str = "order") -> list[Any]:
    return [row for push in private.pushes()
            if (push.get("topic") or push["arg"]["channel"]).startswith(topic)
            for row in push["data"]]


# -- Bybit ---------------------------------------------------------------------------------------


def rest_one(trade: Client, **args: Any) -> Any:
    return trade.order(timeInForce="PostOnly", price="83990.00", orderLinkId="m", **args)


@pytest.mark.parametrize("by_rest", [False, True])
def test_bybit_amend_changes_price_and_quantity(bybit: Venue, by_rest: bool) -> None:
    trade, private = bybit.client("trade"), listening(bybit)
    order_id = rest_one(trade)["data"]["orderId"]
    private.pushes()
    change = {"orderLinkId": "m", "price": "83991.00", "qty": "0.020"}
    if by_rest:
        reply = bybit.rest("POST", "/v5/order/amend", body={**LINEAR, **change})[1]
        data = reply["result"]
    else:
        reply = trade.order(op="order.amend", **change)
        data = reply["data"]
    assert (reply["retCode"], data) == (0, {"orderId": order_id, "orderLinkId": "m"})
    (row,) = rows(private)
    assert (row["orderStatus"], row["price"], row["qty"], row["leavesQty"]) == (
        "New", "83991.00", "0.020", "0.020")


def test_bybit_amend_may_take(bybit: Venue) -> None:
    trade, private = bybit.client("trade"), listening(bybit)
    trade.order(timeInForce="GTC", price="83990.00", orderLinkId="g")
    rest_one(trade)
    private.pushes()
    assert trade.order(op="order.amend", orderLinkId="g", price="84001.00")["retCode"] == 0
    row = rows(private)[-1]
    assert (row["orderStatus"], row["avgPrice"]) == ("Filled", "84000.1")
    assert trade.order(op="order.amend", orderLinkId="m", price="84001.00")["retCode"] == 0
    row = rows(private)[-1]
    assert (row["orderStatus"], row["rejectReason"]) == (
        "Cancelled", "EC_PostOnlyWillTakeLiquidity")


@pytest.mark.parametrize(("change", "code"), [
    ({"orderLinkId": "none", "price": "83991.00"}, 110001),
    ({"price": "83990.00"}, 10001), ({}, 10001), ({"price": "83990.05"}, 10001),
    ({"qty": "0.0001"}, 10001), ({"qty": "0"}, 10001), ({"price": "90000.00"}, 110003),
    ({"qty": "500.000"}, 110007), ({"surplus": 1}, 10001),
])
def test_bybit_amend_refusals_change_nothing(bybit: Venue, change: Any, code: int) -> None:
    trade = bybit.client("trade")
    rest_one(trade)
    assert trade.order(op="order.amend", **{"orderLinkId": "m", **change})["retCode"] == code
    (order,) = bybit.exchange.matcher.resting[0].values()
    assert (order.ticks, order.lots, order.open_lots) == (839_900, 10, 10)


def test_bybit_quantity_below_what_is_filled_is_refused(bybit: Venue) -> None:
    trade = bybit.client("trade")
    trade.order(timeInForce="GTC", price="84000.10", qty="1.500", orderLinkId="g")
    assert trade.order(op="order.amend", orderLinkId="g", qty="1.000")["retCode"] == 10001
    assert trade.order(op="order.amend", orderLinkId="g", qty="1.001")["retCode"] == 0
    (order,) = bybit.exchange.matcher.resting[0].values()
    assert (order.filled_lots, order.open_lots) == (1000, 1)


@pytest.mark.parametrize("by_rest", [False, True])
def test_bybit_batch_tells_of_each_order(bybit: Venue, by_rest: bool) -> None:
    trade = bybit.client("trade")

    def run(kind: str, request: list[dict[str, Any]]) -> tuple[list[Any], list[int]]:
        body = {"category": "linear", "request": request}
        if by_rest:
            path = f"/v5/order/{kind}-batch"
            reply = bybit.rest("POST", path, body=body)[1]
        else:
            now = str(bybit.clock() // 1_000_000)
            reply = trade.send(op=f"order.{kind}-batch", args=[body],
                               header={"X-BAPI-TIMESTAMP": now})[0]
        assert reply["retCode"] == 0
        listed = reply["result" if by_rest else "data"]["list"]
        return listed, [outcome["code"] for outcome in reply["retExtInfo"]["list"]]

    one = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.010",
           "price": "83000.00", "timeInForce": "PostOnly"}
    listed, codes = run("create", [
        {**one, "orderLinkId": "a"}, {**one, "orderLinkId": "a"},
        {**one, "orderLinkId": "b", "positionIdx": 1}, {**one, "orderLinkId": "c"}])
    assert codes == [0, 110072, 10001, 0]
    assert [bool(row["orderId"]) for row in listed] == [True, False, False, True]
    assert list(listed[0]) == ["category", "symbol", "orderId", "orderLinkId", "createAt"]
    _, codes = run("amend", [{"symbol": "BTCUSDT", "orderLinkId": "a", "price": "83001.00"},
                             {"symbol": "BTCUSDT", "orderLinkId": "x", "price": "83001.00"}])
    assert codes == [0, 110001]
    _, codes = run("cancel", [{"symbol": "BTCUSDT", "orderLinkId": name} for name in "acx"])
    assert codes == [0, 0, 110001]
    assert not bybit.exchange.matcher.resting[0]


def test_bybit_batch_of_more_than_twenty_is_refused(bybit: Venue) -> None:
    body = {"category": "linear", "request": [{"symbol": "BTCUSDT"}] * 21}
    assert bybit.rest("POST", "/v5/order/cancel-batch", body=body)[1]["retCode"] == 10001


def test_bybit_cancel_all_names_what_it_means(bybit: Venue) -> None:
    bybit.quote("2800.00", "2800.01", index=1)
    trade = bybit.client("trade")
    rest_one(trade)
    trade.order(symbol="ETHUSDT", qty="0.10", price="2790.00", timeInForce="PostOnly")

    def cancel(**body: str) -> Any:
        return bybit.rest("POST", "/v5/order/cancel-all", body={"category": "linear", **body})[1]

    assert cancel()["retCode"] == 10001
    assert cancel(symbol="NOPE")["retCode"] == 10001
    assert len(cancel(symbol="ETHUSDT")["result"]["list"]) == 1
    assert len(cancel(settleCoin="USDT")["result"]["list"]) == 1


def test_bybit_keeps_500_orders_of_a_symbol() -> None:
    from arbitrage.sim.limits import SimLimits

    venue = Venue("bybit", limits=SimLimits(bybit_orders=1000))
    trade = venue.client("trade")
    for _ in range(500):
        assert trade.order(timeInForce="PostOnly", price="83990.00", qty="0.001")["retCode"] == 0
    assert trade.order(timeInForce="PostOnly", price="83990.00")["retCode"] == 110020
    assert trade.order(price="84001.00")["retCode"] == 0, "what cannot rest may pass"


def test_bybit_tells_the_fills_of_a_match_in_one_frame(bybit: Venue) -> None:
    private, fast = listening(bybit), bybit.client("private")
    fast.send(op="subscribe", args=["execution.fast"])
    bybit.client("trade").order(qty="3.000", price="84400.00", orderLinkId="deep")
    pushes, lean = private.pushes(), fast.pushes()
    (executions,) = [push for push in pushes if push["topic"] == "execution"]
    assert len(executions["data"]) > 1
    assert len({row["seq"] for row in executions["data"]}) == 1
    assert len({row["execId"] for row in executions["data"]}) == len(executions["data"])
    assert sum(Decimal(row["execQty"]) for row in executions["data"]) == 3
    assert executions["data"][-1]["leavesQty"] == "0.000"
    (order,) = [push["data"][0] for push in pushes if push["topic"] == "order"]
    assert (order["orderStatus"], order["cumExecQty"]) == ("Filled", "3.000")
    (frame,) = lean
    assert [row["execId"] for row in frame["data"]] == [
        row["execId"] for row in executions["data"]]


def test_bybit_lean_fills_of_a_maker_do_not_name_the_order(bybit: Venue) -> None:
    fast = bybit.client("private")
    fast.send(op="subscribe", args=["execution.fast"])
    rest_one(bybit.client("trade"))
    bybit.quote("83980.0", "83985.0")
    (frame,) = fast.pushes()
    assert [(row["isMaker"], row["orderLinkId"]) for row in frame["data"]] == [(True, "")]


# -- OKX -----------------------------------------------------------------------------------------


def okx_rest_one(private: Client, **args: Any) -> Any:
    return private.okx_order(**{"ordType": "post_only", "px": "83990", "sz": "2",
                                "clOrdId": "m", **args})


@pytest.mark.parametrize("by_rest", [False, True])
def test_okx_amend_is_told_on_the_orders_channel(okx: Venue, by_rest: bool) -> None:
    private = listening(okx)
    order_id = okx_rest_one(private)["data"][0]["ordId"]
    private.pushes()
    change = {"clOrdId": "m", "reqId": "r1", "newPx": "83991", "newSz": "3"}
    if by_rest:
        reply = okx.rest("POST", "/api/v5/trade/amend-order", body={"instId": BTC, **change})[1]
    else:
        reply = private.okx_order(op="amend-order", **change)
    (ack,) = reply["data"]
    assert (reply["code"], ack["sCode"], ack["ordId"], ack["reqId"]) == ("0", "0", order_id, "r1")
    (row,) = rows(private)
    assert (row["state"], row["px"], row["sz"], row["amendResult"], row["reqId"]) == (
        "live", "83991", "3", "0", "r1")
    okx.quote("83989.0", "83990.0", "1", "1")
    assert rows(private)[0]["amendResult"] == "", "later pushes are not about the amendment"


@pytest.mark.parametrize(("change", "code", "state"), [
    ({"newPx": "84001"}, "51511", "live"),
    ({"newPx": "84001", "cxlOnFail": True}, "51511", "canceled"),
    ({"newPx": "90000"}, "51006", "live"),
    ({"newSz": "30000"}, "51008", "live"),
])
def test_okx_amend_that_fails_later(okx: Venue, change: Any, code: str, state: str) -> None:
    private = listening(okx)
    okx_rest_one(private)
    private.pushes()
    ack = private.okx_order(op="amend-order", clOrdId="m", reqId="r", **change)
    assert ack["data"][0]["sCode"] == "0", "accepted is not done"
    told = rows(private)
    assert (told[0]["amendResult"], told[0]["code"], told[0]["sz"]) == ("-1", code, "2")
    assert told[-1]["state"] == state


@pytest.mark.parametrize(("change", "code"), [
    ({"clOrdId": "none", "newPx": "83991"}, "51603"), ({"clOrdId": "f", "newPx": "1"}, "51503"),
    ({"clOrdId": "m"}, "51000"), ({"clOrdId": "m", "newSz": "0.001"}, "51000"),
    ({"clOrdId": "m", "newPx": "1", "instIdCode": None}, "50014"),
])
def test_okx_amend_refusals(okx: Venue, change: Any, code: str) -> None:
    private = okx.client("private")
    okx_rest_one(private)
    private.okx_order(clOrdId="f")
    reply = private.okx_order(op="amend-order", **change)
    assert (reply["code"], reply["data"][0]["sCode"]) == ("1", code)


def test_okx_batches_say_all_part_or_none(okx: Venue) -> None:
    private = okx.client("private")
    one = {"instIdCode": 10459, "tdMode": "cross", "side": "buy", "ordType": "post_only",
           "px": "83990", "sz": "1"}

    def run(op: str, args: list[Any]) -> tuple[str, list[str]]:
        reply = private.send(id="1", op=op, args=args)[0]
        return reply["code"], [row["sCode"] for row in reply["data"]]

    assert run("batch-orders", [{**one, "clOrdId": "a"}, {**one, "clOrdId": "b"}]) == (
        "0", ["0", "0"])
    assert run("batch-orders", [{**one, "clOrdId": "a"}, {**one, "clOrdId": "c"}]) == (
        "2", ["51016", "0"])
    assert run("batch-orders", [{**one, "sz": "0.001"}]) == ("1", ["51121"])
    change = {"instIdCode": 10459, "newPx": "83991"}
    assert run("batch-amend-orders", [{**change, "clOrdId": "a"}, {**change, "clOrdId": "x"}]) == (
        "2", ["0", "51603"])
    assert run("batch-cancel-orders", [{"instIdCode": 10459, "clOrdId": name}
                                       for name in "abcx"]) == ("2", ["0", "0", "0", "51400"])
    assert run("batch-orders", [one] * 21) == ("60013", [])
    assert run("batch-orders", []) == ("60013", [])


def test_okx_batches_over_rest(okx: Venue) -> None:
    one = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "post_only",
           "px": "83990", "sz": "1"}

    def post(path: str, body: Any) -> tuple[str, str, list[str]]:
        reply = okx.rest("POST", f"/api/v5/trade/{path}", body=body)[1]
        return reply["code"], reply["msg"], [row["sCode"] for row in reply["data"]]

    assert post("batch-orders", [{**one, "clOrdId": "a"}, {**one, "px": "0"}]) == (
        "2", "Bulk operation partially succeeded.", ["0", "51000"])
    assert post("amend-batch-orders", [{"instId": BTC, "clOrdId": "a", "newSz": "2"}])[2] == ["0"]
    assert post("cancel-batch-orders", [{"instId": BTC, "clOrdId": "x"}]) == (
        "1", "All operations failed", ["51400"])
    assert post("cancel-batch-orders", [{"instId": BTC, "clOrdId": "a"}])[0] == "0"
    assert post("batch-orders", one)[0] == "51000", "a batch is a list"


def test_okx_history_lists_what_has_ended(okx: Venue) -> None:
    private = okx.client("private")
    okx_rest_one(private)
    private.okx_order(clOrdId="f")
    path = "/api/v5/trade/orders-history"
    found = okx.rest("GET", path, "instType=SWAP")[1]["data"]
    assert [(row["clOrdId"], row["state"]) for row in found] == [("f", "filled")]
    private.okx_order(op="cancel-order", clOrdId="m")
    found = okx.rest("GET", path, "instType=SWAP")[1]["data"]
    assert [row["clOrdId"] for row in found] == ["f", "m"]


def test_okx_mass_cancel_is_for_options(okx: Venue) -> None:
    private = okx.client("private")
    args = {"instType": "OPTION", "instFamily": "BTC-USD"}
    assert private.send(id="1", op="mass-cancel", args=[args])[0]["data"] == [{"result": True}]
    args["instType"] = "SWAP"
    assert private.send(id="1", op="mass-cancel", args=[args])[0]["code"] == "60013"
    path = "/api/v5/trade/mass-cancel"
    assert okx.rest("POST", path, body=args)[1]["code"] == "51000"


def test_okx_orders_that_expire(okx: Venue) -> None:
    private = okx.client("private")
    now_ms = okx.clock() // 1_000_000
    order = {"instIdCode": 10459, "tdMode": "cross", "side": "buy", "ordType": "ioc",
             "px": "84000.1", "sz": "1"}
    for exp_time, code in ((str(now_ms - 1), "50036"), ("soon", "50037"), (str(now_ms + 9), "0")):
        reply = private.send(id="1", op="order", args=[order], expTime=exp_time)[0]
        assert reply["data"][0]["sCode"] == code
    body = {key: value for key, value in order.items() if key != "instIdCode"} | {"instId": BTC}
    path = "/api/v5/trade/order"
    import json

    signed = okx.sign("POST", path, "", json.dumps(body)) | {"expTime": str(now_ms - 1)}
    assert okx.rest("POST", path, "", body, signed)[1]["data"][0]["sCode"] == "50036"


def test_okx_cancel_all_after_by_tag(okx: Venue) -> None:
    private = okx.client("private")
    for name, tag in (("a", "one"), ("b", "two"), ("c", "")):
        okx_rest_one(private, clOrdId=name, tag=tag)

    def arm(seconds: int, tag: str = "") -> Any:
        okx.clock.sleep(1.0)
        body = {"timeOut": str(seconds), "tag": tag}
        return okx.rest("POST", "/api/v5/trade/cancel-all-after", body=body)[1]

    def left() -> list[str]:
        okx.exchange.advance(okx.clock())
        return [order.client_id for order in okx.exchange.matcher.resting[0].values()]

    arm(10, "one")
    again = okx.rest("POST", "/api/v5/trade/cancel-all-after", body={"timeOut": "10"})
    assert (again[0], again[1]["code"]) == (429, "50011"), "once a second"
    arm(20, "two")
    arm(0, "two")
    okx.clock.sleep(7.0)
    assert left() == ["a", "b", "c"]
    okx.clock.sleep(1.5)
    assert left() == ["b", "c"]
    okx.clock.sleep(20)
    assert left() == ["b", "c"], "0 disarms"
    arm(10)
    okx.clock.sleep(10.5)
    assert left() == []


def test_a_larger_order_costs_more_than_the_touch(okx: Venue) -> None:
    private = listening(okx)
    private.okx_order(sz="5000", px="84400", ordType="ioc")
    done = rows(private)[-1]
    assert done["state"] == "filled"
    assert Decimal(done["avgPx"]) > Decimal("84000.1")
