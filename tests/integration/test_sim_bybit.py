"""Bybit as a state machine: acks, refusals by code, fills, REST."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from sim_kit import KEYS, START_NS, Client, Venue


@pytest.fixture
def venue() -> Venue:
    return Venue("bybit")


@pytest.fixture
def trade(venue: Venue) -> Client:
    return venue.client("trade")


@pytest.fixture
def private(venue: Venue) -> Client:
    client = venue.client("private")
    topics = ["order", "execution", "position", "wallet"]
    assert client.send(op="subscribe", args=topics)[0]["success"]
    return client


def topics(pushes: list[Any]) -> list[str]:
    return [push["topic"] for push in pushes]


# -- public ------------------------------------------------------------------------------------


def test_subscribe_acks_once_and_sends_first_frames(venue: Venue) -> None:
    client = venue.client("public", login=False)
    ack, book, ticker = client.send(
        req_id="1", op="subscribe", args=["orderbook.1.BTCUSDT", "tickers.BTCUSDT"])
    assert (ack["success"], ack["req_id"], ack["op"]) == (True, "1", "subscribe")
    assert book["data"]["b"] == [["84000.00", "1.000"]]
    assert (ticker["type"], ticker["data"]["fundingIntervalHour"]) == ("snapshot", "8")
    again = client.send(req_id="2", op="subscribe", args=["orderbook.1.BTCUSDT"])[0]
    assert again["ret_msg"] == "error:already subscribed,topic:orderbook.1.BTCUSDT"


def test_one_unknown_symbol_refuses_the_whole_request(venue: Venue) -> None:
    client = venue.client("public", login=False)
    reply = client.send(
        op="subscribe", args=["orderbook.1.ETHUSDT", "orderbook.1.NOPEUSDT"])[0]
    assert not reply["success"]
    assert reply["ret_msg"] == "error:handler not found,topic:orderbook.1.NOPEUSDT"
    assert client.conn.streams == 0


def test_book_is_a_snapshot_each_change_and_repeats_after_three_seconds(venue: Venue) -> None:
    client = venue.client("public", login=False)
    client.send(op="subscribe", args=["orderbook.1.BTCUSDT"])
    (_, frame), = venue.quote("84001.0", "84001.2", "2", "0.5")
    first = json.loads(frame)
    assert (first["type"], first["data"]["a"]) == ("snapshot", [["84001.20", "0.500"]])
    venue.clock.sleep(2.9)
    assert venue.exchange.advance(venue.clock()) == []
    venue.clock.sleep(0.3)
    (_, frame), = venue.exchange.advance(venue.clock())
    repeat = json.loads(frame)
    assert repeat["data"] == first["data"]
    assert repeat["ts"] > first["ts"]
    client.send(op="unsubscribe", args=["orderbook.1.BTCUSDT"])
    assert venue.quote("84002.0", "84002.2") == []


def test_one_sided_book_has_an_empty_side(venue: Venue) -> None:
    client = venue.client("public", login=False)
    client.send(op="subscribe", args=["orderbook.1.BTCUSDT"])
    (_, frame), = venue.quote("84001.0", "84001.2", "2", "0")
    assert json.loads(frame)["data"]["a"] == []


def test_ticker_delta_carries_only_changes(venue: Venue) -> None:
    client = venue.client("public", login=False)
    client.send(op="subscribe", args=["tickers.BTCUSDT"])
    venue.clock.sleep(0.3)
    (_, frame), = [f for f in venue.quote("84000.0", "84000.2") if b"tickers" in f[1]]
    delta = json.loads(frame)
    assert list(delta) == ["topic", "type", "data", "cs", "ts"]
    assert delta["type"] == "delta"
    assert {"symbol", "ask1Price"} <= set(delta["data"]) <= {
        "symbol", "ask1Price", "markPrice", "indexPrice"}


@pytest.mark.parametrize(("role", "form"), [
    ("public", {"success": True, "ret_msg": "pong", "req_id": "", "op": "ping"}),
    ("private", {"op": "pong", "args": ["1790439600000"]}),
    ("trade", {"retCode": 0, "retMsg": "OK", "op": "pong", "data": ["1790439600000"]}),
])
def test_pong_per_socket(venue: Venue, role: str, form: dict[str, Any]) -> None:
    reply = venue.client(role, login=False).send(op="ping")[0]
    assert {key: reply[key] for key in form} == form


# -- login -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "code"), [
    ({"key": "other"}, 10003), ({"secret": "other"}, 10004), ({"age_s": 11}, 10002)])
def test_wrong_logins(venue: Venue, change: dict[str, Any], code: int) -> None:
    assert venue.client("trade", login=False).login_reply(**change)["retCode"] == code
    private = venue.client("private", login=False)
    assert private.login_reply(**change)["success"] is False
    assert private.send(op="subscribe", args=["order"])[0]["success"] is False


def test_second_login_and_orders_before_login(venue: Venue, trade: Client) -> None:
    assert trade.login_reply()["retCode"] == 20001
    assert venue.client("trade", login=False).order()["retCode"] == 10005


def test_all_in_one_and_categorised_topics_do_not_mix(private: Client) -> None:
    assert private.send(op="subscribe", args=["order.linear"])[0]["success"] is False


# -- orders ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "code"), [
    ({"symbol": "NOPEUSDT"}, 10001),
    ({"category": "spot"}, 10001),
    ({"positionIdx": 1}, 10001),
    ({"qty": "0.0105"}, 10001),
    ({"qty": "0"}, 10001),
    ({"qty": "1e3"}, 10001),
    ({"qty": 0.01}, 10001),
    ({"qty": "99999"}, 10001),
    ({"qty": None}, 10001),
    ({"price": "84000.05"}, 10001),
    ({"price": None}, 10001),
    ({"price": "90000.00"}, 110003),
    ({"side": "buy"}, 10001),
    ({"timeInForce": "GTX"}, 10001),
    ({"orderLinkId": "has space"}, 10001),
    ({"orderLinkId": "x" * 37}, 10001),
    ({"unknownKey": 1}, 10001),
    ({"reduceOnly": True}, 110017),
    ({"reduceOnly": "true"}, 10001),
    ({"qty": "500"}, 110007),
    ({"stamp_ms": START_NS // 1_000_000 - 5_001}, 10002),
    ({"stamp_ms": START_NS // 1_000_000 + 1_000}, 10002),
])
def test_refusals_by_code(trade: Client, change: dict[str, Any], code: int) -> None:
    reply = trade.order(**change)
    assert (reply["retCode"], reply["data"]) == (code, {})
    assert not trade.venue.exchange.matcher.orders


def test_small_notional_is_refused() -> None:
    venue = Venue("bybit", ("ETHUSDT",))
    venue.quote("300.00", "300.01", "5", "5")
    reply = venue.client("trade").order(symbol="ETHUSDT", qty="0.01", price="300.01")
    assert reply["retCode"] == 110094


def test_no_quote_means_not_live(venue: Venue, trade: Client) -> None:
    assert trade.order(symbol="ETHUSDT", qty="1", price="2800")["retCode"] == 110074


def test_request_form_is_checked(trade: Client) -> None:
    assert trade.send(op="order.create", args=[], nonsense=1)[0]["retCode"] == 10001
    assert json.loads(trade.raw(b"not json")[0])["retCode"] == 10001
    assert trade.send(reqId="a", op="order.pause", args=[{}])[0]["retCode"] == 10404
    assert trade.order(op="order.cancel")["retCode"] == 110001


def test_duplicates(trade: Client) -> None:
    assert trade.order(orderLinkId="one")["retCode"] == 0
    assert trade.order(orderLinkId="one")["retCode"] == 110072
    trade.links -= 1
    assert trade.order()["retCode"] == 20006, "the reqId was used before"


def test_full_fill(venue: Venue, trade: Client, private: Client) -> None:
    ack = trade.order(orderLinkId="7", qty="0.010")
    assert ack["data"] == {"orderId": ack["data"]["orderId"], "orderLinkId": "7"}
    pushes = private.pushes()
    assert topics(pushes) == ["execution", "order", "position", "wallet"]
    fill, order, position, wallet = (push["data"][0] for push in pushes)
    assert (fill["execPrice"], fill["execQty"], fill["execFee"]) == (
        "84000.10", "0.010", "0.46200055")
    assert (fill["orderLinkId"], fill["isMaker"], fill["leavesQty"]) == ("7", False, "0.000")
    assert (order["orderStatus"], order["cumExecQty"], order["avgPrice"]) == (
        "Filled", "0.010", "84000.1")
    assert (position["side"], position["size"], position["entryPrice"]) == (
        "Buy", "0.010", "84000.1")
    assert wallet["coin"][0]["equity"] == wallet["totalEquity"] == "999999.53749945"


def test_ioc_remainder_is_cancelled_with_what_it_filled(trade: Client, private: Client) -> None:
    trade.order(qty="1.500", price="84000.10")
    execution, order = private.pushes()[:2]
    assert (execution["data"][0]["execQty"], execution["data"][0]["leavesQty"]) == (
        "1.000", "0.500")
    row = order["data"][0]
    assert (row["orderStatus"], row["cumExecQty"], row["leavesQty"], row["rejectReason"]) == (
        "Cancelled", "1.000", "0.000", "EC_NoImmediateQtyToFill")


def test_crossing_post_only_is_acked_then_cancelled(trade: Client, private: Client) -> None:
    assert trade.order(timeInForce="PostOnly")["retCode"] == 0
    row = private.pushes()[0]["data"][0]
    assert (row["orderStatus"], row["rejectReason"]) == (
        "Cancelled", "EC_PostOnlyWillTakeLiquidity")


def test_rest_cancel_and_maker_fill(venue: Venue, trade: Client, private: Client) -> None:
    trade.order(orderLinkId="a", timeInForce="GTC", price="83990.00")
    trade.order(orderLinkId="b", timeInForce="PostOnly", price="83980.00")
    assert [p["data"][0]["orderStatus"] for p in private.pushes() if p["topic"] == "order"] == [
        "New", "New"]
    reply = trade.order(op="order.cancel", orderLinkId="b")
    assert (reply["retCode"], reply["data"]["orderLinkId"]) == (0, "b")
    assert private.pushes()[0]["data"][0]["cancelType"] == "CancelByUser"
    assert trade.order(op="order.cancel", orderLinkId="b")["retCode"] == 110001
    venue.quote("83985.0", "83985.1")
    execution, order = private.pushes()[:2]
    assert (execution["data"][0]["isMaker"], execution["data"][0]["execPrice"]) == (
        True, "83990.00")
    assert order["data"][0]["orderStatus"] == "Filled"


def test_round_trip_is_flat_and_exact(venue: Venue, trade: Client, private: Client) -> None:
    trade.order(qty="0.020")
    venue.quote("84100.0", "84100.1")
    trade.order(side="Sell", qty="0.020", price="84090.00", reduceOnly=True)
    position = [p for p in private.pushes() if p["topic"] == "position"][-1]["data"][0]
    assert (position["side"], position["size"], position["entryPrice"]) == ("", "0", "0")
    rate = Decimal("0.00055")
    bought, sold = Decimal("84000.1") * Decimal("0.02"), Decimal("84100.0") * Decimal("0.02")
    assert venue.equity() == 1_000_000 + sold - bought - (sold + bought) * rate
    row = venue.rest("GET", "/v5/position/list", "category=linear&symbol=BTCUSDT")[1]
    assert row["result"]["list"][0]["size"] == "0"
    held = venue.rest("GET", "/v5/position/list", "category=linear&settleCoin=USDT")[1]
    assert held["result"]["list"] == []


def test_funding_is_paid_at_its_time(venue: Venue, trade: Client, private: Client) -> None:
    trade.order(side="Sell", qty="0.100", price="83990.00")
    private.pushes()
    before = venue.equity()
    rate = venue.exchange.funding_rates[0]
    venue.clock.sleep(8 * 3600)
    venue.exchange.advance(venue.clock())
    execution = next(p for p in private.pushes() if p["topic"] == "execution")["data"][0]
    paid = Decimal(execution["execFee"])
    assert (execution["execType"], execution["execQty"]) == ("Funding", "0.100")
    assert paid == -Decimal("0.1") * Decimal("84000.05") * rate
    assert venue.equity() == before - paid


# -- REST --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "code"), [
    ({"X-BAPI-API-KEY": "no"}, 10003), ({"X-BAPI-SIGN": "00"}, 10004),
    ({"X-BAPI-TIMESTAMP": "1"}, 10002), ({"X-BAPI-RECV-WINDOW": "x"}, 10001)])
def test_rest_signature(venue: Venue, change: dict[str, str], code: int) -> None:
    query = "accountType=UNIFIED"
    signed = venue.sign("GET", "/v5/account/wallet-balance", query, "")
    reply = venue.rest("GET", "/v5/account/wallet-balance", query, None, {**signed, **change})
    assert reply[1]["retCode"] == code


def test_rest_lists_instruments_in_pages() -> None:
    venue = Venue("bybit", ("BTCUSDT", "ETHUSDT", "SOLUSDT", "PEPEUSDT"))
    names, cursor = [], ""
    for _ in range(3):
        query = f"category=linear&limit=2&cursor={cursor}"
        result = venue.rest("GET", "/v5/market/instruments-info", query, None, {})[1]["result"]
        names += [row["symbol"] for row in result["list"]]
        cursor = result["nextPageCursor"]
        if not cursor:
            break
    assert names == ["BTCUSDT", "ETHUSDT", "SOLUSDT", "1000PEPEUSDT"]


def test_rest_orders_and_queries(venue: Venue, trade: Client) -> None:
    body = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market",
            "qty": "0.010", "orderLinkId": "m1"}
    assert venue.rest("POST", "/v5/order/create", body=body)[1]["retCode"] == 0
    assert venue.rest("POST", "/v5/order/create", body=body)[1]["retCode"] == 110072
    query = "category=linear&orderLinkId=m1"
    row = venue.rest("GET", "/v5/order/realtime", query)[1]["result"]["list"][0]
    assert (row["orderStatus"], row["orderType"], row["cumExecQty"]) == (
        "Filled", "Market", "0.010")
    fills = venue.rest("GET", "/v5/execution/list", "category=linear&symbol=BTCUSDT")[1]
    assert [f["orderLinkId"] for f in fills["result"]["list"]] == ["m1"]
    empty = venue.rest("GET", "/v5/order/realtime", "category=linear&orderLinkId=none")[1]
    assert empty["result"] == {"nextPageCursor": "", "category": "linear", "list": []}


def test_rest_refuses_what_it_does_not_know(venue: Venue) -> None:
    assert venue.rest("GET", "/v5/market/time", "oops=1")[1]["retCode"] == 10001
    assert venue.rest("GET", "/v5/nothing")[0] == 404
    assert venue.rest("POST", "/v5/order/create", body={"category": "linear"})[1][
        "retCode"] == 10001


def test_rest_account_settings(venue: Venue) -> None:
    leverage = {"category": "linear", "symbol": "BTCUSDT", "buyLeverage": "5", "sellLeverage": "5"}
    assert venue.rest("POST", "/v5/position/set-leverage", body=leverage)[1]["retCode"] == 0
    assert venue.rest("POST", "/v5/position/set-leverage", body=leverage)[1]["retCode"] == 110043
    mode = {"category": "linear", "coin": "USDT", "mode": 0}
    assert venue.rest("POST", "/v5/position/switch-mode", body=mode)[1]["retCode"] == 110025
    api = venue.rest("GET", "/v5/user/query-api")[1]["result"]
    assert (api["apiKey"], api["readOnly"]) == (KEYS.key, 0)
    fee = venue.rest("GET", "/v5/account/fee-rate", "category=linear&symbol=BTCUSDT")[1]
    assert fee["result"]["list"][0]["takerFeeRate"] == "0.00055"
