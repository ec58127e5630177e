"""Contracts that change while a simulated venue runs: grids, states, funding intervals."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from sim_kit import START_NS, Clock, Venue

from arbitrage.sim import admin
from arbitrage.sim.config import SimConfig, SimError
from arbitrage.sim.server import make_exchange

BTC = {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"}
client_ids = itertools.count(1)
OUT_OF_ORDER = {"bybit": "110074", "okx": "51022"}


def change(venue: Venue, **fields: Any) -> tuple[int, Any]:
    body = json.dumps({"symbol": "BTCUSDT"} | fields).encode()
    status, reply = admin.answer(venue.exchange, "POST", "/admin/instrument", body)
    return status, json.loads(reply)


def row(venue: Venue) -> dict[str, Any]:
    """Return the contract as the instrument list has it; empty when it is gone."""
    if venue.name == "bybit":
        query = "category=linear"
        found = venue.rest("GET", "/v5/market/instruments-info", query)[1]["result"]["list"]
        return next((item for item in found if item["symbol"] == BTC["bybit"]), {})
    found = venue.rest("GET", "/api/v5/public/instruments", "instType=SWAP")[1]["data"]
    return next((item for item in found if item["instId"] == BTC["okx"]), {})


def place(venue: Venue, px: str, qty: str, side: str = "buy", **more: Any) -> str:
    """Place an order over the socket; return the venue's code."""
    own = str(next(client_ids))
    if venue.name == "bybit":
        client = venue.client("trade")
        reply = client.order(
            side=side.capitalize(), price=px, qty=qty, orderLinkId=own, **more)
        return str(reply["retCode"])
    reply = venue.client("private").okx_order(side=side, px=px, sz=qty, clOrdId=own, **more)
    return str(reply["data"][0]["sCode"])


@pytest.mark.parametrize("name", ["bybit", "okx"])
def test_a_new_tick_holds_for_lists_quotes_and_orders(name: str) -> None:
    venue = Venue(name)
    venue.quote("84000.0", "84000.5", "1", "1")
    before = venue.exchange.matcher.mark(0)
    assert place(venue, "84000.6", "0.01") == "0"
    assert change(venue, tick="0.5")[0] == 200
    tick = row(venue)["priceFilter"]["tickSize"] if name == "bybit" else row(venue)["tickSz"]
    assert Decimal(tick) == Decimal("0.5")
    assert venue.exchange.matcher.mark(0) == before
    assert place(venue, "84000.6", "0.01") in {"10001", "51000"}
    assert place(venue, "84000.5", "0.01") == "0"
    assert len(venue.exchange.matcher.fills) == 2
    # the money of what was bought before and after is told exactly
    held = venue.exchange.matcher.positions[0]
    assert held.basis == sum(fill.notional for fill in venue.exchange.matcher.fills)


@pytest.mark.parametrize("name", ["bybit", "okx"])
def test_a_new_lot_waits_for_the_position_to_close(name: str) -> None:
    venue = Venue(name)
    venue.quote("84000.0", "84000.1", "1", "1")
    assert place(venue, "84000.1", "0.01") == "0"
    assert change(venue, lot="0.1")[0] == 409
    assert place(venue, "84000.0", "0.01", "sell", reduceOnly=True) == "0"
    assert change(venue, lot="0.1")[0] == 200
    assert place(venue, "84000.1", "0.01") in {"10001", "51121"}
    assert place(venue, "84000.1", "0.1") == "0"


@pytest.mark.parametrize("name", ["bybit", "okx"])
def test_a_suspended_contract_is_listed_but_neither_quoted_nor_traded(name: str) -> None:
    venue = Venue(name)
    client = venue.client("public", login=False)
    topic: Any = "orderbook.1.BTCUSDT"
    if name == "okx":
        topic = {"channel": "bbo-tbt", "instId": BTC["okx"]}
    client.send(op="subscribe", args=[topic])
    assert change(venue, state="suspended")[0] == 200
    assert row(venue)["status" if name == "bybit" else "state"] in {"Closed", "suspend"}
    assert venue.quote("84001.0", "84001.1") == []
    assert place(venue, "84000.1", "0.01") == OUT_OF_ORDER[name]
    assert change(venue, state="live")[0] == 200
    assert len(venue.quote("84002.0", "84002.1")) == 1
    assert place(venue, "84002.1", "0.01") == "0"


@pytest.mark.parametrize("name", ["bybit", "okx"])
def test_a_delisted_contract_leaves_the_list(name: str) -> None:
    venue = Venue(name)
    assert change(venue, state="delisted")[0] == 200
    assert row(venue) == {}
    if name == "bybit":
        query = "category=linear&symbol=BTCUSDT"
        reply = venue.rest("GET", "/v5/market/instruments-info", query)[1]
        assert (reply["retCode"], reply["retMsg"]) == (10001, "params error: symbol invalid")
    else:
        query = f"instType=SWAP&instId={BTC['okx']}"
        assert venue.rest("GET", "/api/v5/public/instruments", query)[1]["code"] == "51001"
    assert place(venue, "84000.1", "0.01") == OUT_OF_ORDER[name]


@pytest.mark.parametrize("name", ["bybit", "okx"])
def test_the_seeded_market_goes_on_at_the_same_price(name: str) -> None:
    clock = Clock()
    config = SimConfig(venue=name, symbols=("PEPEUSDT",), t0_ns=START_NS, admin=True)
    exchange = make_exchange(config, clock)
    exchange.advance(clock())
    before = exchange.matcher.mark(0)
    tick = exchange.instruments[0].tick * 5
    body = json.dumps({"symbol": "PEPEUSDT", "tick": f"{tick:f}"}).encode()
    assert admin.answer(exchange, "POST", "/admin/instrument", body)[0] == 200
    clock.sleep(0.05)
    exchange.advance(clock())
    assert exchange.matcher.mark(0) == pytest.approx(before, rel=Decimal("0.01"))
    assert exchange.matcher.books[0].bid_ticks * tick < before * 2


def test_what_is_refused_is_said() -> None:
    venue = Venue("bybit")
    for fields, words in (
        ({"tick": "0"}, "tick was '0'"),
        ({"tick": "1e-1"}, "without exponent"),
        ({"lot": "x"}, "lot was 'x'"),
        ({"state": "gone"}, "accepted: live, suspended, delisted"),
        ({"funding_hours": 3}, "accepted: 1, 2, 4, 8"),
        ({"symbol": "SOLUSDT"}, "was not started with SOLUSDT"),
        ({"symbol": "NOPEUSDT"}, "does not list"),
        ({"ticks": "1"}, "unknown field"),
    ):
        status, reply = change(venue, **fields)
        assert (status, words in reply["error"]) == (400, True), reply
    assert admin.answer(venue.exchange, "GET", "/admin/instrument", b"")[0] == 404
    with pytest.raises(SimError, match="for loopback"):
        SimConfig(venue="okx", host="0.0.0.0", admin=True)
