"""OKX as a state machine: acks, refusals by code, fills, REST."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from sim_kit import Client, Venue

BTC = "BTC-USDT-SWAP"


@pytest.fixture
def venue() -> Venue:
    venue = Venue("okx")
    venue.quote("84000.0", "84000.1", "100", "100")
    return venue


@pytest.fixture
def private(venue: Venue) -> Client:
    client = venue.client("private")
    client.send(op="subscribe", args=[
        {"channel": "orders", "instType": "SWAP"}, {"channel": "positions", "instType": "SWAP"},
        {"channel": "account"}])
    return client


def channels(pushes: list[Any]) -> list[str]:
    return [push["arg"]["channel"] for push in pushes]


def result(reply: Any) -> tuple[str, str]:
    return reply["code"], reply["data"][0]["sCode"]


# -- public ------------------------------------------------------------------------------------


def test_one_ack_per_argument_and_errors_stay_theirs(venue: Venue) -> None:
    client = venue.client("public", login=False)
    replies = client.send(id="md", op="subscribe", args=[
        {"channel": "bbo-tbt", "instId": BTC}, {"channel": "bbo-tbt", "instId": "NOPE-USDT"},
        {"channel": "funding-rate", "instId": BTC}])
    kinds = [reply.get("event", "data") for reply in replies]
    assert kinds == ["subscribe", "data", "error", "subscribe", "data"]
    assert (replies[2]["code"], replies[2]["id"]) == ("60018", "md")
    assert replies[1]["data"][0]["asks"][0][:2] == ["84000.1", "100"]
    funding = replies[4]["data"][0]
    assert int(funding["nextFundingTime"]) - int(funding["fundingTime"]) == 8 * 3_600_000
    (_, frame), = venue.quote("84001.0", "84001.2", "2.5", "0.01")
    data = json.loads(frame)["data"][0]
    assert (data["bids"][0][:2], data["asks"][0][:2]) == (["84001", "2.5"], ["84001.2", "0.01"])


def test_text_ping(venue: Venue) -> None:
    client = venue.client("public", login=False)
    assert client.raw(b"ping") == [b"pong"]
    assert client.send(op="ping")[0]["code"] == "60012"


def test_silent_without_change(venue: Venue) -> None:
    venue.client("public", login=False).send(
        op="subscribe", args=[{"channel": "bbo-tbt", "instId": BTC}])
    venue.clock.sleep(10)
    assert venue.exchange.advance(venue.clock()) == []


def test_bad_requests(venue: Venue) -> None:
    client = venue.client("public", login=False)
    assert client.send(id="9", op="subscribe", argss=[])[0] == {
        "id": "9", "event": "error", "code": "60012", "connId": client.conn.conn_id,
        "msg": 'Invalid request: {"id": "9", "op": "subscribe", "argss": []}'}
    assert json.loads(client.raw(b"{")[0])["code"] == "60012"
    assert client.send(op="subscribe", args=["bbo-tbt"])[0]["code"] == "60013"


def test_idle_sockets_are_closed_and_pinged_ones_are_not(venue: Venue) -> None:
    idle, pinged, fed = (venue.client("public", login=False) for _ in range(3))
    fed.send(op="subscribe", args=[{"channel": "bbo-tbt", "instId": BTC}])
    for _ in range(4):
        venue.clock.sleep(10)
        pinged.raw(b"ping")
        venue.quote("84000.0", "84000.1")
    assert [(c, code) for c, code, _ in venue.exchange.take_closings()] == [(idle.conn, 4004)]


# -- login -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "code"), [
    ({"key": "other"}, "60032"), ({"secret": "other"}, "60007"), ({"age_s": 31}, "60006"),
    ({"passphrase": "other"}, "60024")])
def test_wrong_logins(venue: Venue, change: dict[str, Any], code: str) -> None:
    client = venue.client("private", login=False)
    assert client.login_reply(**change)["code"] == code
    assert [closing[1] for closing in venue.exchange.take_closings()] == [4001]
    reply = client.send(op="subscribe", args=[{"channel": "account"}])[0]
    assert reply["code"] == "60011"
    assert client.okx_order()["code"] == "60011"


def test_private_snapshots(venue: Venue) -> None:
    client = venue.client("private")
    positions = client.send(op="subscribe", args=[{"channel": "positions", "instType": "ANY"}])
    assert [reply.get("event", "data") for reply in positions] == [
        "subscribe", "channel-conn-count", "data"]
    assert (positions[-1]["eventType"], positions[-1]["data"]) == ("snapshot", [])
    account = client.send(op="subscribe", args=[{"channel": "account"}])[-1]
    assert account["data"][0]["details"][0]["eq"] == "1000000"


# -- orders ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "code"), [
    ({"instIdCode": None}, "50014"),
    ({"instIdCode": None, "instId": BTC}, "50014"),
    ({"instIdCode": 1}, "51001"),
    ({"clOrdId": "arb-7f3a-000001"}, "51000"),
    ({"clOrdId": "x" * 33}, "51000"),
    ({"sz": "1.505"}, "51121"),
    ({"sz": "0"}, "51020"),
    ({"sz": "many"}, "51000"),
    ({"sz": "99999"}, "51005"),
    ({"ordType": "market", "px": None, "sz": "99999"}, "51202"),
    ({"px": "84010.05"}, "51000"),
    ({"px": None}, "51000"),
    ({"px": "90000"}, "51006"),
    ({"posSide": "long"}, "51000"),
    ({"tdMode": "cash"}, "51000"),
    ({"side": "Buy"}, "51000"),
    ({"ordType": "gtc"}, "51000"),
    ({"tag": "has space"}, "51000"),
    ({"reduceOnly": True}, "51169"),
    ({"sz": "30000"}, "51008"),
])
def test_refusals_by_code(private: Client, change: dict[str, Any], code: str) -> None:
    reply = private.okx_order(**change)
    assert result(reply) == ("1", code)
    assert reply["data"][0]["ordId"] == ""
    assert not private.venue.exchange.matcher.orders


@pytest.mark.parametrize("change", [
    {"unknownKey": 1}, {"sz": 1.5}, {"reduceOnly": "true"}, {"instIdCode": "10459"}])
def test_form_errors_have_no_rows(private: Client, change: dict[str, Any]) -> None:
    reply = private.okx_order(**change)
    assert (reply["code"], reply["data"]) == ("60013", [])


def test_expired_order_and_suspended_contract(venue: Venue, private: Client) -> None:
    form = {"instIdCode": 10459, "tdMode": "cross", "side": "buy", "ordType": "ioc",
            "px": "84010", "sz": "1", "clOrdId": "1"}
    late = private.send(id="1", op="order", args=[form], expTime="1")[0]
    assert result(late) == ("1", "50036")
    eth = private.okx_order(instIdCode=10461, px="2800")
    assert result(eth) == ("1", "51022"), "nothing was quoted yet"


def test_duplicate_client_id(private: Client) -> None:
    assert result(private.okx_order(clOrdId="77")) == ("0", "0")
    assert result(private.okx_order(clOrdId="77")) == ("1", "51016")


def test_full_fill(venue: Venue, private: Client) -> None:
    ack = private.okx_order(clOrdId="5")
    assert ack["data"][0]["clOrdId"] == "5"
    pushes = private.pushes()
    assert channels(pushes) == ["orders", "orders", "positions", "account"]
    live, filled, position, account = (push["data"][0] for push in pushes)
    assert (live["state"], live["accFillSz"]) == ("live", "0")
    assert (filled["state"], filled["fillSz"], filled["fillPx"]) == ("filled", "1.5", "84000.1")
    assert (filled["fee"], filled["execType"]) == ("-0.63000075", "T")
    assert filled["tradeId"] != ""
    assert (position["pos"], position["avgPx"]) == ("1.5", "84000.1")
    assert account["details"][0]["eq"] == str(venue.equity())


def test_ioc_remainder_is_cancelled(private: Client) -> None:
    private.okx_order(sz="150", px="84000.1")
    _, part, done = (p["data"][0] for p in private.pushes() if p["arg"]["channel"] == "orders")
    assert (part["state"], part["fillSz"]) == ("partially_filled", "100")
    assert (done["state"], done["accFillSz"], done["fillSz"], done["tradeId"]) == (
        "canceled", "100", "0", "")
    assert done["cancelSource"] == "14"


def test_fok_and_post_only(private: Client) -> None:
    private.okx_order(ordType="fok", sz="150", px="84000.1")
    assert private.pushes()[-1]["data"][0]["cancelSource"] == "13"
    private.okx_order(ordType="post_only")
    pushes = private.pushes()
    assert len(pushes) == 1, "no live push comes before it"
    assert pushes[0]["data"][0]["cancelSource"] == "31"


def test_rest_and_cancel(venue: Venue, private: Client) -> None:
    private.okx_order(ordType="limit", px="83990", clOrdId="1")
    assert private.pushes()[0]["data"][0]["state"] == "live"
    rows = venue.rest("GET", "/api/v5/trade/orders-pending", "instType=SWAP")[1]["data"]
    assert [row["clOrdId"] for row in rows] == ["1"]
    assert result(private.okx_order(op="cancel-order", clOrdId="1")) == ("0", "0")
    assert private.pushes()[0]["data"][0]["cancelSource"] == "1"
    assert result(private.okx_order(op="cancel-order", clOrdId="1")) == ("1", "51400")
    missing = private.okx_order(op="cancel-order", clOrdId="1", instIdCode=None)
    assert result(missing) == ("1", "50014")


def test_round_trip_is_flat_and_exact(venue: Venue, private: Client) -> None:
    private.okx_order(sz="2")
    venue.quote("84100.0", "84100.1", "100", "100")
    private.okx_order(side="sell", sz="2", px="84090", reduceOnly=True)
    closed = [p for p in private.pushes() if p["arg"]["channel"] == "positions"][-1]["data"][0]
    assert (closed["pos"], closed["avgPx"]) == ("0", "")
    rate = Decimal("0.0005")
    bought, sold = Decimal("84000.1") * Decimal("0.02"), Decimal("84100.0") * Decimal("0.02")
    assert venue.equity() == 1_000_000 + sold - bought - (sold + bought) * rate
    assert venue.rest("GET", "/api/v5/account/positions", "instType=SWAP")[1]["data"] == []


def test_funding_moves_the_account(venue: Venue, private: Client) -> None:
    private.okx_order(sz="10")
    private.pushes()
    before, rate = venue.equity(), venue.exchange.funding_rates[0]
    venue.clock.sleep(8 * 3600)
    venue.exchange.advance(venue.clock())
    position = private.pushes()[0]["data"][0]
    flow = -Decimal("0.1") * Decimal("84000.05") * rate
    assert Decimal(position["fundingFee"]) == flow
    assert venue.equity() == before + flow


def test_dead_man_switch_cancels_what_rests(venue: Venue, private: Client) -> None:
    private.okx_order(ordType="limit", px="83990")
    reply = venue.rest("POST", "/api/v5/trade/cancel-all-after", body={"timeOut": "10"})[1]
    assert reply["code"] == "0"
    venue.clock.sleep(9)
    venue.exchange.advance(venue.clock())
    assert venue.exchange.matcher.resting[0]
    venue.clock.sleep(2)
    venue.exchange.advance(venue.clock())
    assert not venue.exchange.matcher.resting[0]
    bad = venue.rest("POST", "/api/v5/trade/cancel-all-after", body={"timeOut": "5"})[1]
    assert bad["code"] == "51000"


# -- REST --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "code"), [
    ({"OK-ACCESS-KEY": "no"}, "50119"), ({"OK-ACCESS-KEY": ""}, "50103"),
    ({"OK-ACCESS-SIGN": "no"}, "50113"), ({"OK-ACCESS-PASSPHRASE": "no"}, "50105"),
    ({"OK-ACCESS-TIMESTAMP": "2020-12-08T09:08:57.715Z"}, "50102"),
    ({"OK-ACCESS-TIMESTAMP": "now"}, "50112")])
def test_rest_signature(venue: Venue, change: dict[str, str], code: str) -> None:
    signed = venue.sign("GET", "/api/v5/account/config", "", "")
    reply = venue.rest("GET", "/api/v5/account/config", "", None, {**signed, **change})
    assert (reply[0], reply[1]["code"]) == (401, code)


def test_rest_orders_and_queries(venue: Venue) -> None:
    body = {"instId": BTC, "tdMode": "cross", "side": "sell", "ordType": "ioc", "px": "83990",
            "sz": "1.5", "clOrdId": "1790439600000001"}
    reply = venue.rest("POST", "/api/v5/trade/order", body=body)[1]
    assert (reply["code"], reply["data"][0]["sCode"]) == ("0", "0")
    again = venue.rest("POST", "/api/v5/trade/order", body=body)[1]
    assert (again["code"], again["msg"], again["data"][0]["sCode"]) == (
        "1", "All operations failed", "51016")
    query = f"instId={BTC}&clOrdId=1790439600000001"
    row = venue.rest("GET", "/api/v5/trade/order", query)[1]["data"][0]
    assert (row["state"], row["accFillSz"]) == ("filled", "1.5")
    fills = venue.rest("GET", "/api/v5/trade/fills", "instType=SWAP")[1]["data"]
    assert [fill["clOrdId"] for fill in fills] == ["1790439600000001"]
    missing = venue.rest("GET", "/api/v5/trade/order", f"instId={BTC}&clOrdId=2")[1]
    assert (missing["code"], missing["data"]) == ("51603", [])
    cancel = venue.rest("POST", "/api/v5/trade/cancel-order",
                        body={"instId": BTC, "clOrdId": "1790439600000001"})[1]
    assert cancel["data"][0]["sCode"] == "51400"


def test_rest_fills_go_back_in_pages(venue: Venue, private: Client) -> None:
    for number in range(5):
        private.okx_order(sz="1", clOrdId=str(number))
    seen, after = [], ""
    for _ in range(4):
        query = f"instType=SWAP&limit=2&after={after}"
        rows = venue.rest("GET", "/api/v5/trade/fills", query)[1]["data"]
        seen += [row["clOrdId"] for row in rows]
        if len(rows) < 2:
            break
        after = rows[-1]["billId"]
    assert seen == ["4", "3", "2", "1", "0"]


def test_rest_public_and_settings(venue: Venue) -> None:
    rows = venue.rest("GET", "/api/v5/public/instruments", "instType=SWAP", None, {})[1]["data"]
    assert [(r["instId"], r["instIdCode"], r["ctVal"]) for r in rows] == [
        (BTC, 10459, "0.01"), ("ETH-USDT-SWAP", 10461, "0.1")]
    limit = venue.rest("GET", "/api/v5/public/price-limit", f"instId={BTC}", None, {})[1]
    assert Decimal(limit["data"][0]["sellLmt"]) < 84000 < Decimal(limit["data"][0]["buyLmt"])
    fee = venue.rest("GET", "/api/v5/account/trade-fee", "instType=SWAP")[1]["data"][0]
    assert (fee["takerU"], fee["makerU"]) == ("-0.0005", "-0.0002")
    lever = {"instId": BTC, "lever": "5", "mgnMode": "cross"}
    assert venue.rest("POST", "/api/v5/account/set-leverage", body=lever)[1]["code"] == "0"
    mode = {"posMode": "net_mode"}
    assert venue.rest("POST", "/api/v5/account/set-position-mode", body=mode)[1]["code"] == "0"
    unknown = venue.rest("GET", "/api/v5/public/time", "oops=1", None, {})[1]
    assert unknown["code"] == "51000"
    assert venue.rest("GET", "/api/v5/nothing")[0] == 404
