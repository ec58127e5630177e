"""The venues in testnet and demo dress: what those environments lack, want and say differently."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from patience import LIMIT_S, Patience
from sim_kit import KEYS, Client, Venue, hex_sign

from arbitrage.sim.config import SimConfig, SimError, SimKeys
from arbitrage.sim.instruments import listed
from arbitrage.sim.launch import both

BTC = "BTC-USDT-SWAP"


def code_of(reply: Any) -> str:
    return str(reply.get("retCode", reply.get("code")))


# -- Bybit ---------------------------------------------------------------------------------------


def test_bybit_demo_has_its_private_socket_only() -> None:
    exchange = Venue("bybit", dress="demo").exchange
    for path in (exchange.public_path, exchange.trade_path):
        assert exchange.connect(path) is None
        assert exchange.refusal_status == 404
    assert exchange.connect(exchange.private_path) is not None


def test_bybit_demo_trades_over_rest_and_lacks_some_calls() -> None:
    venue = Venue("bybit", dress="demo")
    private = venue.client("private")
    private.send(op="subscribe", args=["order"])
    private.pushes()
    body = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit",
            "qty": "0.010", "price": "84000.10", "timeInForce": "IOC"}
    assert venue.rest("POST", "/v5/order/create", body=body)[1]["retCode"] == 0
    assert private.pushes()[0]["data"][0]["orderStatus"] == "Filled"
    for path in ("/v5/account/fee-rate", "/v5/user/query-api"):
        reply = venue.rest("GET", path, "category=linear")[1]
        assert (reply["retCode"], reply["retMsg"]) == (10001, "Demo trading are not supported.")


def test_bybit_testnet_is_complete_but_thin() -> None:
    def worth(dress: str) -> float:
        view = Venue("bybit", ("BTCUSDT", "ETHUSDT"), dress=dress).exchange.book("BTCUSDT")
        return float(sum(px * qty for px, qty in view.bids[1:]))

    assert worth("testnet") == pytest.approx(worth("mainnet") / 10, rel=0.05)
    exchange = Venue("bybit", dress="testnet").exchange
    assert all(exchange.connect(path) for path in
               (exchange.public_path, exchange.private_path, exchange.trade_path))
    assert listed("bybit", ("ETHUSDT",), "testnet")[0].tick_text == "0.05"


def test_bybit_says_the_same_of_a_foreign_key_as_of_an_unknown_one() -> None:
    venue = Venue("bybit", foreign_keys=("other-key",))
    now = venue.clock() // 1_000_000
    for key in ("other-key", "unknown"):
        sign = hex_sign(f"{now}{key}5000")
        headers = {"X-BAPI-API-KEY": key, "X-BAPI-TIMESTAMP": str(now), "X-BAPI-SIGN": sign}
        assert venue.rest("GET", "/v5/account/info", headers=headers)[1]["retCode"] == 10003
    reply = Client(venue, "trade").login_reply(key="other-key")
    assert reply["retCode"] == 10003


# -- OKX -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dress", ["demo", "testnet"])
def test_okx_demo_wants_its_header_on_signed_calls(dress: str) -> None:
    venue = Venue("okx", dress=dress)
    path = "/api/v5/account/config"
    assert venue.rest("GET", path)[1]["code"] == "0"
    signed = {key: value for key, value in venue.sign("GET", path, "", "").items()
              if key != "x-simulated-trading"}
    status, reply = venue.rest("GET", path, headers=signed)
    assert (status, reply) == (
        401, {"msg": "APIKey does not match current environment.", "code": "50101"})


def test_okx_production_refuses_the_demo_header_and_foreign_keys() -> None:
    venue = Venue("okx", dress="mainnet", foreign_keys=("demo-key",))
    path = "/api/v5/account/config"
    signed = venue.sign("GET", path, "", "")
    reply = venue.rest("GET", path, headers={**signed, "x-simulated-trading": "1"})[1]
    assert reply["code"] == "50101"
    for key, code in (("demo-key", "50101"), ("unknown", "50119")):
        reply = venue.rest("GET", path, headers={**signed, "OK-ACCESS-KEY": key})[1]
        assert reply["code"] == code
    assert Client(venue, "private").login_reply(key="demo-key")["code"] == "50101"


def test_plain_dress_takes_clients_of_any_environment() -> None:
    venue = Venue("okx")
    path = "/api/v5/account/config"
    signed = venue.sign("GET", path, "", "")
    assert venue.rest("GET", path, headers=signed)[1]["code"] == "0"
    assert venue.rest("GET", path, headers={**signed, "x-simulated-trading": "1"})[1]["code"] == "0"


def test_okx_demo_has_codes_and_grids_of_its_own() -> None:
    venue = Venue("okx", dress="demo")
    query = f"instType=SWAP&instId={BTC}"

    def row(**headers: str) -> Any:
        return venue.rest("GET", "/api/v5/public/instruments", query, headers=headers)[1]["data"][0]

    demo, production = row(**{"x-simulated-trading": "1"}), row()
    assert (demo["tickSz"], production["tickSz"]) == ("0.01", "0.1")
    assert production["instIdCode"] == 10459
    assert 2**32 < demo["instIdCode"] < 2**63
    private = venue.client("private")
    assert private.okx_order()["data"][0]["sCode"] == "51001", "the code of production"
    assert private.okx_order(instIdCode=demo["instIdCode"])["data"][0]["sCode"] == "0"


def test_okx_demo_may_refuse_a_right_code_on_the_socket() -> None:
    venue = Venue("okx", dress="demo", ws_code_bug=True)
    code = venue.exchange.instruments[0].code
    assert venue.client("private").okx_order(instIdCode=code)["data"][0]["sCode"] == "51001"
    body = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "ioc", "px": "84000.1",
            "sz": "1"}
    assert venue.rest("POST", "/api/v5/trade/order", body=body)[1]["code"] == "0"


# -- keys and starting ---------------------------------------------------------------------------


def test_keys_come_from_the_variables_of_the_dress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OKX_API_KEY", "live")
    monkeypatch.setenv("OKX_DEMO_API_KEY", "demo")
    monkeypatch.setenv("OKX_DEMO_API_SECRET", "hidden")
    monkeypatch.delenv("BYBIT_TESTNET_API_KEY", raising=False)
    monkeypatch.setenv("BYBIT_API_KEY", "plain")
    assert SimKeys.from_env("okx").key == "live"
    demo = SimConfig(venue="okx", dress="testnet").api_keys
    assert (demo.key, demo.secret) == ("demo", "hidden")
    assert "hidden" not in repr(demo)
    assert SimConfig(venue="bybit", dress="testnet").api_keys.key == "plain"


def test_an_unknown_dress_is_one_clear_line() -> None:
    with pytest.raises(SimError, match="dress was 'gala'; accepted: plain, mainnet, testnet, demo"):
        SimConfig(venue="okx", dress="gala")


def test_both_in_demo_dress_name_a_public_stream_for_bybit() -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("BYBIT", "OKX"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "arbitrage.sim", "--dress", "demo", "--ws-port", "0", "--rest-port",
         "0", "--symbols", "BTCUSDT", "--rate", "50"],
        stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdout is not None
    try:
        lines = dict(process.stdout.readline().removeprefix("export ").strip().split("=", 1)
                     for _ in range(10))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    assert lines["BYBIT_PUBLIC_WS_URL"].endswith("/v5/public/linear")
    port = lines["BYBIT_PRIVATE_WS_URL"].split(":")[2].split("/")[0]
    assert f":{port}/" not in lines["BYBIT_PUBLIC_WS_URL"], "another process, as the mainnet's"
    assert "BYBIT_TRADE_WS_URL" not in lines
    assert lines["OKX_PUBLIC_WS_URL"].endswith("/ws/v5/public")
    assert KEYS.key not in lines.values()


def test_a_stop_while_both_start_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "arbitrage.sim", "--ws-port", "0", "--rest-port", "0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    patience = Patience(LIMIT_S)
    while len(children.read_text().split()) < 2:
        assert not patience.is_over(), "it started no venue"
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, said
    assert "error" not in said


def test_the_public_stream_beside_bybit_demo_has_default_ports_of_its_own() -> None:
    options = {"dress": "demo", "ws_port": None, "rest_port": None}
    ports = [port for config in both(("BTCUSDT",), options).values() for port in config.ports]
    assert ports == [7701, 7702, 7711, 7712, 7703, 7704]
    options |= {"ws_port": 0, "rest_port": 0}
    assert {port for config in both((), {**options, "frames": "x"}).values()
            for port in config.ports} == {0}


def test_a_venue_without_a_public_socket_says_the_private_one_at_its_start() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "arbitrage.sim", "--venue", "bybit", "--dress", "demo", "--ws-port",
         "0", "--rest-port", "0", "--symbols", "BTCUSDT", "--rate", "50"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        process.stderr.close()
    assert re.fullmatch(
        r"bybit simulator: WebSocket ws://127\.0\.0\.1:\d+/v5/private REST http://\S+\n", line)
