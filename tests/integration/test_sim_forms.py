"""Every frame a simulated venue emits has the keys, the key order and the types of the venue's.

Frames are compared with recorded and documented ones: all of them where a folder of fixtures is at
hand (`ARB_FIXTURES` names it; otherwise it is looked for beside the checkout), a small set typed
here in any case.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sim_kit import Client, Venue

from arbitrage.sim.limits import SimLimits

BESIDE = Path(__file__).resolve().parents[3].joinpath("shared", "protocol", "fixtures")
FIXTURES = Path(os.environ.get("ARB_FIXTURES", BESIDE))

# Small frames by kind; long ones only as fixtures.
TYPED: dict[str, Any] = {
    "bybit/ws_orderbook1_snapshot": {
        "topic": "orderbook.1.BTCUSDT", "ts": 1, "type": "snapshot",
        "data": {"s": "BTCUSDT", "b": [["1", "1"]], "a": [["1", "1"]], "u": 1, "seq": 1},
        "cts": 1},
    "bybit/ws_subscribe_ack_linear": {
        "success": True, "ret_msg": "", "conn_id": "", "req_id": "", "op": "subscribe"},
    "bybit/ws_subscribe_error_unknown_symbol_linear": {
        "success": False, "ret_msg": "", "conn_id": "", "req_id": "", "op": "subscribe"},
    "bybit/ws_subscribe_ack_private": {
        "success": True, "ret_msg": "", "op": "subscribe", "conn_id": ""},
    "bybit/ws_auth_ok": {"success": True, "ret_msg": "", "op": "auth", "conn_id": ""},
    "bybit/ws_auth_error": {"success": False, "ret_msg": "", "op": "auth", "conn_id": ""},
    "bybit/ws_pong_linear": {
        "success": True, "ret_msg": "pong", "conn_id": "", "req_id": "", "op": "ping"},
    "bybit/ws_pong_private": {"op": "pong", "args": ["1"], "conn_id": ""},
    "bybit/ws_pong_private_req_id": {"req_id": "", "op": "pong", "args": ["1"], "conn_id": ""},
    "bybit/ws_pong_trade": {
        "retCode": 0, "retMsg": "OK", "op": "pong", "data": ["1"], "connId": ""},
    "bybit/ws_trade_auth_ok": {"retCode": 0, "retMsg": "OK", "op": "auth", "connId": ""},
    "bybit/ws_trade_auth_ok_req_id": {
        "reqId": "", "retCode": 0, "retMsg": "OK", "op": "auth", "connId": ""},
    "bybit/ws_trade_order_create_ack_linear": {
        "reqId": "", "retCode": 0, "retMsg": "OK", "op": "order.create",
        "data": {"orderId": "", "orderLinkId": ""}, "retExtInfo": {},
        "header": {"X-Bapi-Limit": "", "X-Bapi-Limit-Status": "",
                   "X-Bapi-Limit-Reset-Timestamp": "", "Traceid": "", "Timenow": ""},
        "connId": ""},
    "bybit/rest_server_time": {
        "retCode": 0, "retMsg": "OK", "result": {"timeSecond": "", "timeNano": ""},
        "retExtInfo": {}, "time": 1},
    "okx/ws_bbo_tbt": {
        "arg": {"channel": "bbo-tbt", "instId": ""},
        "data": [{"asks": [["1", "1", "0", "1"]], "bids": [["1", "1", "0", "1"]], "ts": "",
                  "seqId": 1}]},
    "okx/ws_subscribe_ack": {
        "id": "", "event": "subscribe", "arg": {"channel": "", "instId": ""}, "connId": ""},
    "okx/ws_subscribe_error": {"event": "error", "msg": "", "code": "", "connId": "", "id": ""},
    "okx/ws_login_ok": {"event": "login", "msg": "", "code": "0", "connId": ""},
    "okx/ws_login_error_sign": {"event": "error", "msg": "", "code": "60007", "connId": ""},
    "okx/ws_order_ack": {
        "id": "", "op": "order", "code": "0", "msg": "",
        "data": [{"tag": "", "ts": "", "ordId": "", "clOrdId": "", "sCode": "0", "sMsg": "",
                  "subCode": ""}], "inTime": "", "outTime": ""},
    "okx/ws_order_format_error": {
        "id": "", "op": "order", "code": "60013", "msg": "", "data": [], "inTime": "",
        "outTime": ""},
    "okx/ws_cancel_ack": {
        "id": "", "op": "cancel-order", "code": "0", "msg": "",
        "data": [{"ts": "", "ordId": "", "clOrdId": "", "sCode": "0", "sMsg": ""}],
        "inTime": "", "outTime": ""},
    "okx/rest_time": {"code": "0", "msg": "", "data": [{"ts": ""}]},
    "okx/rest_place_order_ok": {
        "code": "0", "msg": "", "data": [{"clOrdId": "", "ordId": "", "tag": "", "ts": "",
                                          "sCode": "0", "sMsg": "", "subCode": ""}],
        "inTime": "", "outTime": ""},
}
AMENDED = {"category": "linear", "symbol": "BTCUSDT", "price": "83001.00"}
# Objects whose keys are data (coins).
OPEN_OBJECTS = {"cumFeeDetail"}


def differences(ours: Any, venue: Any, path: str = "") -> list[str]:
    """Where the form of ``ours`` differs from the venue's; texts and numbers may differ."""
    if isinstance(venue, dict) and isinstance(ours, dict):
        if path.rsplit(".", 1)[-1] in OPEN_OBJECTS or not venue or not ours:
            return []
        if list(ours) != list(venue):
            return [f"{path}: keys were {list(ours)}, the venue's {list(venue)}"]
        return [d for key in ours for d in differences(ours[key], venue[key], f"{path}.{key}")]
    if isinstance(venue, list) and isinstance(ours, list):
        if not venue or not ours:
            return []
        return [d for row in ours for d in differences(row, venue[0], f"{path}[]")]
    if type(ours) is not type(venue):
        return [f"{path}: was {type(ours).__name__}, the venue's {type(venue).__name__}"]
    return []


class Emitted(dict[str, Any]):
    """Frames by the name of the fixture they must look like."""


def last(pushes: list[Any], topic: str) -> Any:
    return [p for p in pushes if p.get("topic", p.get("arg", {}).get("channel")) == topic][-1]


@cache
def bybit() -> Emitted:
    venue, out = Venue("bybit", ("BTCUSDT", "ETHUSDT", "PEPEUSDT")), Emitted()
    _bybit_public(venue, out)
    private, trade = Client(venue, "private"), Client(venue, "trade")
    out["ws_auth_error"] = private.login_reply(secret="no")
    out["ws_auth_ok"] = private.login_reply()
    out["ws_subscribe_ack_private"] = private.send(
        op="subscribe", args=["order", "execution", "position", "wallet"])[0]
    out["ws_pong_private"] = private.send(op="ping")[0]
    out["ws_pong_private_req_id"] = private.send(op="ping", req_id="test")[0]
    out["ws_pong_trade"] = trade.send(op="ping")[0]
    out["ws_trade_auth_error"] = trade.login_reply(secret="no")
    out["ws_trade_auth_ok"] = trade.login_reply()
    fresh = Client(venue, "trade")
    out["ws_trade_auth_ok_req_id"] = fresh.send(reqId="auth-1", op="auth", args=["no", 1, ""])[0]
    lean = venue.client("private")
    lean.send(op="subscribe", args=["execution.fast"])
    _bybit_orders(venue, trade, private, out)
    out["ws_private_execution_fast"] = lean.pushes()[0]
    _bybit_rest(venue, out)
    _bybit_limits(out)
    return out


def _bybit_limits(out: Emitted) -> None:
    venue = Venue("bybit", limits=SimLimits(bybit_orders=0))
    out["ws_trade_order_create_reject_rate_limit"] = venue.client("trade").order()
    out["rest_error_10006_rate_limit"] = venue.rest("POST", "/v5/order/create", body={})[1]


def _bybit_public(venue: Venue, out: Emitted) -> None:
    public = Client(venue, "public")
    acks = public.send(req_id="1", op="subscribe", args=["orderbook.1.BTCUSDT", "tickers.BTCUSDT"])
    out["ws_subscribe_ack_linear"] = acks[0]
    out["ws_orderbook1_snapshot"], out["ws_tickers_linear_snapshot"] = acks[1:]
    out["ws_subscribe_error_already_subscribed"] = public.send(
        req_id="1", op="subscribe", args=["orderbook.1.BTCUSDT"])[0]
    out["ws_subscribe_error_unknown_symbol_linear"] = public.send(
        req_id="1", op="subscribe", args=["orderbook.1.NOPEUSDT"])[0]
    out["ws_pong_linear"] = public.send(op="ping")[0]
    out["ws_orderbook50_snapshot"] = public.send(op="subscribe", args=["orderbook.50.BTCUSDT"])[1]
    venue.clock.sleep(0.02)
    out["ws_orderbook50_delta"] = json.loads(venue.quote(bid_qty="2")[1][1])
    public.send(op="unsubscribe", args=["orderbook.50.BTCUSDT"])
    (_, frame), = venue.quote(ask_qty="0")
    out["ws_orderbook1_one_side_empty"] = json.loads(frame)
    venue.clock.sleep(4)
    (_, frame), = [f for f in venue.exchange.advance(venue.clock()) if b"orderbook" in f[1]]
    out["ws_orderbook1_repeat_same_u_seq"] = json.loads(frame)
    venue.quote()


def _bybit_orders(venue: Venue, trade: Client, private: Client, out: Emitted) -> None:
    out["ws_trade_order_create_ack_linear"] = trade.order(orderLinkId="a", qty="0.010")
    pushes = private.pushes()
    out["ws_private_execution_ioc_taker"] = last(pushes, "execution")
    out["ws_private_order_filled"] = last(pushes, "order")
    out["ws_private_position"] = last(pushes, "position")
    out["ws_private_wallet"] = last(pushes, "wallet")
    for name, change in {
        "duplicate_link_id": {"orderLinkId": "a"}, "position_idx": {"positionIdx": 1},
        "timestamp": {"stamp_ms": 1},
    }.items():
        out[f"ws_trade_order_create_reject_{name}"] = trade.order(**change)
    out["ws_trade_order_create_reject"] = trade.order(qty="500")
    trade.order(qty="5.000", price="84000.10")
    out["ws_private_order_cancelled_ioc_partial"] = last(private.pushes(), "order")
    venue.quote()
    trade.order(timeInForce="PostOnly")
    out["ws_private_order_cancelled_postonly"] = last(private.pushes(), "order")
    trade.order(timeInForce="PostOnly", price="83999.00", orderLinkId="rest")
    out["ws_private_order_new"] = last(private.pushes(), "order")
    venue.quote("83998.0", "83999.0", "1", "0.004")
    pushes = private.pushes()
    out["ws_private_order_partially_filled"] = last(pushes, "order")
    out["ws_private_execution"] = last(pushes, "execution")
    out["ws_trade_order_amend_ack"] = trade.order(
        op="order.amend", orderLinkId="rest", price="83990.00")
    out["ws_trade_order_cancel_ack"] = trade.order(op="order.cancel", orderLinkId="rest")
    out["ws_private_order_cancelled_by_user"] = last(private.pushes(), "order")
    out["ws_trade_order_cancel_reject"] = trade.order(op="order.cancel", orderLinkId="rest")
    venue.clock.sleep(8 * 3600)
    venue.exchange.advance(venue.clock())
    out["ws_private_execution_funding"] = last(private.pushes(), "execution")
    out["rest_position_list"] = venue.rest(
        "GET", "/v5/position/list", "category=linear&symbol=BTCUSDT")[1]
    venue.quote(bid_qty="5")
    trade.order(side="Sell", price="83990.00", qty="2.000", reduceOnly=True)
    out["ws_private_position_flat_one_way"] = last(private.pushes(), "position")


def _bybit_rest(venue: Venue, out: Emitted) -> None:
    def get(path: str, query: str = "", headers: dict[str, str] | None = None) -> Any:
        return venue.rest("GET", path, query, None, headers)[1]

    linear = "category=linear"
    out["rest_server_time"] = get("/v5/market/time")
    out["rest_instruments_info_linear"] = get("/v5/market/instruments-info", linear)
    out["rest_account_info"] = get("/v5/account/info")
    out["rest_fee_rate"] = get("/v5/account/fee-rate", linear)
    out["rest_wallet_balance"] = get("/v5/account/wallet-balance", "accountType=UNIFIED")
    out["rest_order_realtime"] = get("/v5/order/realtime", f"{linear}&orderLinkId=a")
    out["rest_order_realtime_empty"] = get("/v5/order/realtime", f"{linear}&orderLinkId=none")
    out["rest_execution_list"] = get("/v5/execution/list", linear)
    order = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit",
             "qty": "0.010", "price": "83000.00", "orderLinkId": "r1"}
    out["rest_order_create_ok"] = venue.rest("POST", "/v5/order/create", body=order)[1]
    out["rest_error_110072_duplicate_link_id"] = venue.rest(
        "POST", "/v5/order/create", body=order)[1]
    cancel = {"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "r1"}
    out["rest_order_amend_ok"] = venue.rest(
        "POST", "/v5/order/amend", body={**AMENDED, "orderLinkId": order["orderLinkId"]})[1]
    out["rest_order_cancel_ok"] = venue.rest("POST", "/v5/order/cancel", body=cancel)[1]
    out["rest_error_110001_order_not_exists"] = venue.rest(
        "POST", "/v5/order/cancel", body=cancel)[1]
    out["rest_error_10003_api_key"] = get("/v5/account/info", "", {})
    signed = venue.sign("GET", "/v5/account/info", "", "")
    out["rest_error_10002_timestamp"] = get(
        "/v5/account/info", "", {**signed, "X-BAPI-TIMESTAMP": "1"})
    out["rest_error_10004_sign"] = get("/v5/account/info", "", {**signed, "X-BAPI-SIGN": "0"})


@cache
def okx() -> Emitted:
    venue, out = Venue("okx"), Emitted()
    venue.quote("84000.0", "84000.1", "100", "100")
    public = Client(venue, "public")
    replies = public.send(id="md", op="subscribe", args=[
        {"channel": "bbo-tbt", "instId": "BTC-USDT-SWAP"},
        {"channel": "funding-rate", "instId": "BTC-USDT-SWAP"},
        {"channel": "books", "instId": "NOPE"}])
    out["ws_subscribe_ack"], out["ws_bbo_tbt"], _, out["ws_funding_rate"] = replies[:4]
    out["ws_subscribe_error"] = replies[4]
    out["ws_unsubscribe_ack"] = public.send(op="unsubscribe", args=[
        {"channel": "bbo-tbt", "instId": "BTC-USDT-SWAP"}])[0]
    out["ws_subscribe_error_bad_request"] = public.send(id="1512", op="subscribe", argss=[])[0]
    private = Client(venue, "private")
    out["ws_login_error_unknown_key"] = private.login_reply(key="no")
    out["ws_login_error_sign"] = private.login_reply(secret="no")
    out["ws_login_error_timestamp"] = private.login_reply(age_s=99)
    out["ws_subscribe_error_not_logged_in"] = private.send(
        op="subscribe", args=[{"channel": "account"}])[0]
    out["ws_login_ok"] = private.login_reply()
    replies = private.send(op="subscribe", args=[
        {"channel": "orders", "instType": "SWAP"}, {"channel": "positions", "instType": "SWAP"},
        {"channel": "account"}])
    out["ws_subscribe_ack_no_id"], out["ws_channel_conn_count"] = replies[:2]
    out["ws_positions_snapshot_empty"], out["ws_account"] = replies[4], replies[7]
    _okx_orders(venue, private, out)
    _okx_books(venue, public, out)
    _okx_amends(venue, private, out)
    venue.clock.sleep(1)
    other = venue.client("private")
    out["ws_positions_snapshot"] = other.send(
        op="subscribe", args=[{"channel": "positions", "instType": "SWAP"}])[2]
    out["ws_balance_and_position"] = other.send(
        op="subscribe", args=[{"channel": "balance_and_position"}])[2]
    _okx_rest(venue, out)
    _okx_limits(out)
    return out


def _okx_limits(out: Emitted) -> None:
    private = Venue("okx", limits=SimLimits(okx_orders=0)).client("private")
    out["ws_order_reject_50011_rate_limit"] = private.okx_order()
    venue = Venue("okx", limits=SimLimits(okx_account=0, okx_queries=0))
    out["ws_order_reject_50061_subaccount_rate"] = venue.client("private").okx_order()
    out["rest_error_50011_rate_limit"] = venue.rest("GET", "/api/v5/public/time")[1]


def _okx_amends(venue: Venue, private: Client, out: Emitted) -> None:
    resting: dict[str, Any] = {"ordType": "post_only", "px": "83990", "clOrdId": "m1"}
    private.okx_order(**resting)
    private.pushes()
    change = {"op": "amend-order", "clOrdId": "m1", "reqId": "a1"}
    out["ws_amend_ack"] = private.okx_order(**change, newPx="83991")
    out["ws_orders_amended"] = last(private.pushes(), "orders")
    private.okx_order(**change, newPx="84001")
    out["ws_orders_amend_failed"] = last(private.pushes(), "orders")
    private.okx_order(op="cancel-order", clOrdId="m1")
    out["ws_amend_reject_51503"] = private.okx_order(**change, newPx="83992")
    private.pushes()
    one = {"instIdCode": 10459, "tdMode": "cross", "side": "buy", "ordType": "ioc",
           "px": "84000.1", "sz": "0.01"}
    out["ws_batch_orders_partial"] = private.send(
        id="1", op="batch-orders", args=[one, {**one, "sz": "0.001"}])[0]
    private.pushes()


def _okx_books(venue: Venue, public: Client, out: Emitted) -> None:
    for channel in ("books", "books5"):
        frame = public.send(op="subscribe", args=[
            {"channel": channel, "instId": "BTC-USDT-SWAP"}])[1]
        out["ws_books_snapshot" if channel == "books" else "ws_books5"] = frame
    venue.clock.sleep(0.1)
    out["ws_books_update"] = json.loads(venue.quote(bid_qty="2")[0][1])
    venue.clock.sleep(60)
    out["ws_books_update_keepalive"] = json.loads(venue.exchange.advance(venue.clock())[0][1])
    venue.quote()


def _okx_orders(venue: Venue, private: Client, out: Emitted) -> None:
    def states(pushes: list[Any]) -> dict[str, Any]:
        return {p["data"][0]["state"]: p for p in pushes if p["arg"]["channel"] == "orders"}

    out["ws_order_ack"] = private.okx_order(clOrdId="9")
    pushes = private.pushes()
    rows = states(pushes)
    out["ws_orders_live_net_mode"], out["ws_orders_filled"] = rows["live"], rows["filled"]
    out["ws_positions_event_update"] = last(pushes, "positions")
    out["ws_account_event_update"] = last(pushes, "account")
    private.okx_order(sz="150", px="84000.1")
    rows = states(private.pushes())
    out["ws_orders_ioc_partially_filled"] = rows["partially_filled"]
    out["ws_orders_canceled_ioc"] = rows["canceled"]
    venue.quote("84000.0", "84000.1", "300", "100")
    for name, change in {"fok": {"ordType": "fok", "sz": "150", "px": "84000.1"},
                         "post_only": {"ordType": "post_only"}}.items():
        private.okx_order(**change)
        out[f"ws_orders_canceled_{name}"] = states(private.pushes())["canceled"]
    private.okx_order(ordType="limit", px="83000", clOrdId="c")
    out["ws_cancel_ack"] = private.okx_order(op="cancel-order", clOrdId="c")
    out["ws_orders_canceled_by_user"] = states(private.pushes())["canceled"]
    out["ws_cancel_reject_51400"] = private.okx_order(op="cancel-order", clOrdId="c")
    for name, change in {
        "51000_clordid": {"clOrdId": "a-b"}, "51001": {"instIdCode": 1}, "51008": {"sz": "30000"},
        "51006_price_limit": {"px": "99999"}, "51121_lot_multiple": {"sz": "1.505"},
    }.items():
        out[f"ws_order_reject_{name}"] = private.okx_order(**change)
    out["ws_order_format_error"] = private.okx_order(unknown=1)
    out["rest_account_positions"] = venue.rest("GET", "/api/v5/account/positions")[1]
    private.okx_order(side="sell", sz="200", px="83990", reduceOnly=True)
    out["ws_positions_event_update_closed"] = last(private.pushes(), "positions")
    private.okx_order(side="sell", sz="1", px="83990")
    private.pushes()


def _okx_rest(venue: Venue, out: Emitted) -> None:
    def get(path: str, query: str = "", headers: dict[str, str] | None = None) -> Any:
        return venue.rest("GET", f"/api/v5/{path}", query, None, headers)[1]

    inst = "instId=BTC-USDT-SWAP"
    out["rest_time"] = get("public/time")
    out["rest_instruments_swap"] = get("public/instruments", "instType=SWAP")
    out["rest_funding_rate"] = get("public/funding-rate", inst)
    out["rest_price_limit"] = get("public/price-limit", inst)
    out["rest_account_balance"] = get("account/balance")
    out["rest_account_config"] = get("account/config")
    out["rest_order_details"] = get("trade/order", f"{inst}&clOrdId=9")
    out["rest_error_51603_order_not_found"] = get("trade/order", f"{inst}&clOrdId=none")
    out["rest_fills"] = get("trade/fills", "instType=SWAP")
    order = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "ordType": "limit",
             "px": "83000", "sz": "1", "clOrdId": "r1"}
    out["rest_place_order_ok"] = venue.rest("POST", "/api/v5/trade/order", body=order)[1]
    out["rest_place_order_reject"] = venue.rest("POST", "/api/v5/trade/order", body=order)[1]
    cancel = {"instId": "BTC-USDT-SWAP", "clOrdId": "r1"}
    out["rest_cancel_order_ok"] = venue.rest("POST", "/api/v5/trade/cancel-order", body=cancel)[1]
    out["rest_cancel_all_after"] = venue.rest(
        "POST", "/api/v5/trade/cancel-all-after", body={"timeOut": "10"})[1]
    signed = venue.sign("GET", "/api/v5/account/config", "", "")
    for code, change in {"50119_unknown_key": {"OK-ACCESS-KEY": "no"},
                         "50113_sign": {"OK-ACCESS-SIGN": "no"},
                         "50102_timestamp": {"OK-ACCESS-TIMESTAMP": "2020-12-08T09:08:57.715Z"},
                         }.items():
        out[f"rest_error_{code}"] = get("account/config", "", {**signed, **change})


MAKERS = {"bybit": bybit, "okx": okx}


@pytest.mark.parametrize("name", TYPED)
def test_form_of_typed_frames(name: str) -> None:
    venue, kind = name.split("/")
    assert differences(MAKERS[venue]()[kind], TYPED[name]) == []


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no folder of venue fixtures at hand")
@pytest.mark.parametrize("venue", MAKERS)
def test_form_of_every_fixture(venue: str) -> None:
    wrong: dict[str, list[str]] = {}
    for kind, frame in MAKERS[venue]().items():
        fixture = json.loads((FIXTURES / venue / f"{kind}.json").read_text())
        found = differences(frame, fixture)
        if found:
            wrong[kind] = found
    assert not wrong, json.dumps(wrong, indent=1)


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no folder of venue fixtures at hand")
def test_signatures_of_the_vectors() -> None:
    from sim_kit import base64_sign, hex_sign

    for vector in json.loads((FIXTURES / "auth_vectors.json").read_text()):
        sign = hex_sign if vector["exchange"] == "bybit" else base64_sign
        assert sign(vector["prehash"], vector["secret"]) == vector["signature"]


def test_the_venues_request_forms_are_accepted() -> None:
    """The requests of the documentation pass the simulator's own check."""
    from sim_kit import START_NS

    bybit_client = Venue("bybit").client("trade")
    request = {
        "reqId": "test-005", "op": "order.create",
        "header": {"X-BAPI-TIMESTAMP": str(START_NS // 1_000_000), "X-BAPI-RECV-WINDOW": "8000"},
        "args": [{"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.2",
                  "price": "83800", "category": "linear", "timeInForce": "PostOnly"}]}
    assert bybit_client.send(**request)[0]["retCode"] == 0
    venue = Venue("okx")
    venue.quote("84093.3", "84093.5", "100", "100")
    reply = venue.client("private").send(id="1790439600000001", op="order", args=[
        {"instIdCode": 10459, "tdMode": "cross", "side": "buy", "ordType": "ioc",
         "px": "84093.5", "sz": "1.5", "clOrdId": "1790439600000001"}])[0]
    assert reply["data"][0]["sCode"] == "0"


def test_a_changed_form_is_noticed() -> None:
    """The comparison itself: order, a missing key and a changed type are differences."""
    venue = {"a": 1, "b": ["x"]}
    assert differences({"a": 2, "b": ["y"]}, venue) == []
    for ours in ({"b": ["x"], "a": 1}, {"a": 1}, {"a": "1", "b": ["x"]}, {"a": 1, "b": [1]}):
        assert differences(ours, venue)
