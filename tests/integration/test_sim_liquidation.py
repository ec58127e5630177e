"""A position that the equity no longer carries is closed by the venue, which says so."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sim_kit import Client, Venue

BTC = "BTC-USDT-SWAP"


def held(name: str, side: str = "buy") -> tuple[Venue, Client]:
    """About 8,400 USDT held on a balance of 1,000, and an order that rests."""
    venue = Venue(name, ("BTCUSDT",), balance=Decimal(1000))
    private = venue.client("private")
    if name == "bybit":
        trade = venue.client("trade")
        trade.order(side=side.capitalize(), qty="0.100", orderType="Market", price=None)
        trade.order(side="Sell", qty="0.001", price="99000.00", timeInForce="PostOnly",
                    orderLinkId="rests")
        private.send(op="subscribe", args=["order", "execution", "position", "wallet"])
    else:
        private.okx_order(side=side, sz="10", ordType="market", px=None)
        private.okx_order(side="sell", sz="0.1", px="99000", ordType="post_only", clOrdId="rests")
        private.send(op="subscribe", args=[
            {"channel": "orders", "instType": "SWAP"}, {"channel": "positions", "instType": "SWAP"},
            {"channel": "account"}])
    private.pushes()
    return venue, private


def fall(venue: Venue, bid: str, ask: str, **sizes: str) -> None:
    venue.clock.sleep(0.2)
    venue.quote(bid, ask, **sizes)


def liquidation_px(venue: Venue) -> Decimal:
    if venue.name == "bybit":
        query = "category=linear&symbol=BTCUSDT"
        row = venue.rest("GET", "/v5/position/list", query)[1]["result"]["list"][0]
        return Decimal(row["liqPrice"])
    return Decimal(venue.rest("GET", "/api/v5/account/positions")[1]["data"][0]["liqPx"])


@pytest.mark.parametrize("name", ["bybit", "okx"])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_the_told_price_is_where_it_happens(name: str, side: str) -> None:
    venue, _ = held(name, side)
    px = liquidation_px(venue)
    step = Decimal(20) if side == "buy" else Decimal(-20)
    (position,) = venue.exchange.matcher.positions
    fall(venue, str(px + step), str(px + step + Decimal("0.1")))
    assert position.lots != 0
    fall(venue, str(px - step), str(px - step + Decimal("0.1")))
    assert position.lots == 0
    assert 0 <= venue.equity() < 100


def test_bybit_says_bust() -> None:
    venue, private = held("bybit")
    fall(venue, "74000.0", "74000.1")
    told: dict[str, list[Any]] = {}
    for push in private.pushes():
        told.setdefault(push["topic"], []).extend(push["data"])
    cancelled, *_, closing = told["order"]
    assert (cancelled["orderLinkId"], cancelled["cancelType"]) == ("rests", "CancelAllBeforeLiq")
    assert (closing["orderStatus"], closing["createType"], closing["orderLinkId"]) == (
        "Filled", "CreateByLiq", "")
    assert {row["execType"] for row in told["execution"]} == {"BustTrade"}
    assert sum(Decimal(row["execQty"]) for row in told["execution"]) == Decimal("0.1")
    assert [row["positionStatus"] for row in told["position"]] == ["Liq", "Normal"]
    assert told["position"][-1]["size"] == "0"
    query = "category=linear&execType=BustTrade"
    assert venue.rest("GET", "/v5/execution/list", query)[1]["result"]["list"]


def test_okx_says_full_liquidation() -> None:
    venue, private = held("okx")
    fall(venue, "74000.0", "74000.1")
    pushes = private.pushes()
    orders = [push["data"][0] for push in pushes if push["arg"]["channel"] == "orders"]
    assert (orders[0]["clOrdId"], orders[0]["cancelSource"]) == ("rests", "3")
    assert {row["category"] for row in orders[1:]} == {"full_liquidation"}
    assert (orders[-1]["state"], orders[-1]["clOrdId"]) == ("filled", "")
    positions = [push["data"][0] for push in pushes if push["arg"]["channel"] == "positions"]
    assert positions[-1]["pos"] == "0"
    fills = venue.rest("GET", "/api/v5/trade/fills", "instType=SWAP")[1]["data"]
    assert fills[0]["subType"] == "104"


@pytest.mark.parametrize("name", ["bybit", "okx"])
def test_the_venues_fund_pays_what_is_missing(name: str) -> None:
    venue, _ = held(name)
    fall(venue, "60000.0", "60000.1")
    assert venue.equity() == 0


def test_what_the_book_cannot_take_is_closed_in_the_next_turn() -> None:
    venue, _ = held("bybit")
    fall(venue, "74000.0", "74000.1", ask_qty="0")
    (position,) = venue.exchange.matcher.positions
    assert position.lots, "no price to close it at"
    venue.exchange.matcher.lots_max = 60
    fall(venue, "74000.0", "74000.1")
    assert position.lots == 40
    fall(venue, "74000.0", "74000.1")
    assert position.lots == 0
