"""What the simulated venues count, what they tell of it, and what one request too many gets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from picows import WSInvalidStatusError, WSListener, ws_connect
from sim_kit import Client, Venue

from arbitrage.sim.config import SimConfig
from arbitrage.sim.limits import SECOND_NS, SimLimits, Window
from arbitrage.sim.server import SimServer, make_exchange

BTC = "BTC-USDT-SWAP"
LIMIT, LEFT, RESET = ("X-Bapi-Limit", "X-Bapi-Limit-Status", "X-Bapi-Limit-Reset-Timestamp")


def test_a_window_rolls() -> None:
    window = Window(2, SECOND_NS)
    assert [window.take(at) for at in (0, 400_000_000, 999_999_999)] == [True, True, False]
    assert window.left(999_999_999) == 0
    assert window.free_ns(999_999_999) == SECOND_NS
    assert [window.take(SECOND_NS), window.take(SECOND_NS)] == [True, False]
    assert window.free_ns(SECOND_NS) == SECOND_NS + 400_000_000
    assert window.left(2 * SECOND_NS) == 2


# -- Bybit ---------------------------------------------------------------------------------------


def test_bybit_sockets_and_rest_share_a_bucket() -> None:
    venue = Venue("bybit")
    trade = venue.client("trade")
    far: dict[str, Any] = {"price": "83990.00", "timeInForce": "PostOnly", "qty": "0.001"}
    left = [int(trade.order(**far)["header"][LEFT]) for _ in range(6)]
    assert left == [9, 8, 7, 6, 5, 4]
    body = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", **far}
    for expected in (3, 2, 1, 0):
        assert venue.rest("POST", "/v5/order/create", body=body)[1]["retCode"] == 0
        assert venue.reply_headers[LIMIT] == "10"
        assert venue.reply_headers[LEFT] == str(expected)
    started_ms = venue.clock() // 1_000_000
    reply = trade.order(**far)
    assert (reply["retCode"], reply["header"][LEFT]) == (10006, "0")
    assert int(reply["header"][RESET]) == started_ms + 1000
    status, answer = venue.rest("POST", "/v5/order/create", body=body)
    assert (status, answer["retCode"]) == (200, 10006)
    venue.clock.sleep(0.999)
    assert trade.order(**far)["retCode"] == 10006
    venue.clock.sleep(0.001)
    assert trade.order(**far)["retCode"] == 0


def test_bybit_buckets_are_apart() -> None:
    venue = Venue("bybit", limits=SimLimits(bybit_orders=1, bybit_queries=2))
    trade = venue.client("trade")
    trade.order(price="83990.00", timeInForce="PostOnly", orderLinkId="m")
    assert trade.order(op="order.amend", orderLinkId="m", price="83991.00")["retCode"] == 0
    assert trade.order(op="order.cancel", orderLinkId="m")["retCode"] == 0
    assert trade.order(op="order.cancel", orderLinkId="m")["retCode"] == 10006
    for path, query in (("/v5/order/realtime", "category=linear"),
                        ("/v5/execution/list", "category=linear")):
        codes = [venue.rest("GET", path, query)[1]["retCode"] for _ in range(3)]
        assert codes == [0, 0, 10006]
    assert venue.rest("GET", "/v5/market/time", headers={})[1]["retCode"] == 0


def test_bybit_batches_count_their_orders() -> None:
    venue = Venue("bybit", limits=SimLimits(bybit_orders=3))
    one = {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001",
           "price": "83990.00", "timeInForce": "PostOnly"}
    body = {"category": "linear", "request": [one] * 5}
    reply = venue.rest("POST", "/v5/order/create-batch", body=body)[1]
    assert [row["code"] for row in reply["retExtInfo"]["list"]] == [0, 0, 0, 10006, 10006]
    assert venue.reply_headers[LEFT] == "0"
    assert venue.client("trade").order()["retCode"] == 0, "single orders have their own"


def test_bybit_closes_http_to_an_address_that_asks_too_much() -> None:
    venue = Venue("bybit", limits=SimLimits(bybit_http=3))
    for _ in range(3):
        assert venue.rest("GET", "/v5/market/time", headers={})[0] == 200
    status, answer = venue.rest("GET", "/v5/market/time", headers={})
    assert (status, answer["retMsg"]) == (403, "access too frequent")
    venue.clock.sleep(599)
    assert venue.rest("GET", "/v5/market/time", headers={})[0] == 403
    venue.clock.sleep(601)
    assert venue.rest("GET", "/v5/market/time", headers={})[0] == 200


# -- OKX -----------------------------------------------------------------------------------------


def okx_body(**args: Any) -> dict[str, Any]:
    return {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "post_only",
            "px": "83990", "sz": "0.01", **args}


def test_okx_counts_by_kind_and_instrument() -> None:
    venue = Venue("okx", limits=SimLimits(okx_orders=2))
    venue.quote("2800.00", "2800.01", index=1)
    private = venue.client("private")
    far = {"ordType": "post_only", "px": "83990", "sz": "0.01"}
    assert private.okx_order(**far, clOrdId="a")["code"] == "0"
    assert venue.rest("POST", "/api/v5/trade/order", body=okx_body())[1]["code"] == "0"
    reply = private.okx_order(**far)
    assert (reply["code"], reply["data"]) == ("50011", [])
    status, answer = venue.rest("POST", "/api/v5/trade/order", body=okx_body())
    assert (status, answer) == (429, {"msg": "Too Many Requests", "code": "50011"})
    assert private.okx_order(**{**far, "px": "2790"}, instIdCode=10461)["code"] == "0"
    assert private.okx_order(op="amend-order", clOrdId="a", newPx="83991")["code"] == "0"
    assert private.okx_order(op="cancel-order", clOrdId="a")["code"] == "0"
    venue.clock.sleep(2)
    assert private.okx_order(**far)["code"] == "0"


def test_okx_batches_and_the_sub_account() -> None:
    venue = Venue("okx", limits=SimLimits(okx_batch=3, okx_account=4))
    private = venue.client("private")
    one = {"instIdCode": 10459, "tdMode": "cross", "side": "buy", "ordType": "post_only",
           "px": "83990", "sz": "0.01"}
    reply = private.send(id="1", op="batch-orders", args=[one] * 4)[0]
    assert reply["code"] == "2"
    assert [row["sCode"] for row in reply["data"]] == ["0", "0", "0", "50011"]
    assert private.okx_order(ordType="post_only", px="83990", clOrdId="a")["code"] == "0"
    reply = private.okx_order(ordType="post_only", px="83990")
    assert (reply["code"], reply["data"][0]["sCode"]) == ("1", "50061")
    assert private.okx_order(op="amend-order", clOrdId="a", newPx="83991")["data"][0][
        "sCode"] == "50061", "amendments count"
    assert private.okx_order(op="cancel-order", clOrdId="a")["code"] == "0", "cancels do not"


def test_okx_socket_requests_an_hour() -> None:
    venue = Venue("okx", limits=SimLimits(okx_socket=4))
    client = Client(venue, "public")
    arg = {"channel": "bbo-tbt", "instId": BTC}
    for op in ("subscribe", "unsubscribe") * 2:
        assert client.send(op=op, args=[arg])[0]["event"] == op
    error = client.send(id="7", op="subscribe", args=[arg])[0]
    assert (error["event"], error["code"], error["id"]) == ("error", "60014", "7")
    assert client.raw(b"ping") == [b"pong"], "pings are free"
    assert Client(venue, "public").send(op="subscribe", args=[arg])[0]["event"] == "subscribe"
    venue.clock.sleep(3600)
    assert client.send(op="subscribe", args=[arg])[0]["event"] == "subscribe"


@pytest.mark.parametrize(("name", "most", "window_s"), [("okx", 3, 1), ("bybit", 500, 300)])
def test_sockets_opened(name: str, most: int, window_s: int) -> None:
    exchange = (venue := Venue(name, limits=SimLimits(okx_connects=3))).exchange
    assert all(exchange.connect(exchange.public_path) for _ in range(most))
    assert exchange.connect(exchange.public_path) is None
    assert exchange.refusal_status == 429
    assert exchange.connect("/nowhere") is None
    assert exchange.refusal_status == 404
    venue.clock.sleep(window_s)
    assert exchange.connect(exchange.public_path) is not None


def test_queries_have_the_endpoints_own_limits() -> None:
    venue = Venue("okx")
    for path, most in (("account/config", 5), ("account/balance", 10), ("public/time", 20),
                       ("account/instruments", 20), ("trade/fills", 60)):
        statuses = [venue.rest("GET", f"/api/v5/{path}", "instType=SWAP" if "s" in path[-1] else "")
                    [0] for _ in range(most + 1)]
        assert statuses[-1] == 429
        assert 429 not in statuses[:-1]
    venue = Venue("bybit")
    for path, query, most in (("account/fee-rate", "category=linear", 5),
                              ("account/info", "", 50)):
        codes = [venue.rest("GET", f"/v5/{path}", query)[1]["retCode"] for _ in range(most + 1)]
        assert codes == [0] * most + [10006]


def test_a_lower_limit_is_every_endpoints() -> None:
    venue = Venue("okx", limits=SimLimits(okx_queries=2))
    for path in ("account/config", "public/time", "trade/fills"):
        assert [venue.rest("GET", f"/api/v5/{path}")[0] for _ in range(3)] == [200, 200, 429]


def test_one_socket_too_many_is_told_over_the_wire() -> None:
    async def scenario() -> None:
        config = SimConfig(venue="okx", symbols=("BTCUSDT",), ws_port=0, rest_port=0,
                           limits=SimLimits(okx_connects=1))
        server = SimServer(config, make_exchange(config))
        await server.start()
        try:
            transport, _ = await ws_connect(WSListener, server.urls["public_ws_url"])
            with pytest.raises(WSInvalidStatusError, match="429"):
                await ws_connect(WSListener, server.urls["public_ws_url"])
            transport.disconnect()
        finally:
            await server.stop()

    asyncio.run(scenario())
