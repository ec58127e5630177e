"""Private channels of the simulated OKX: first, regular and event pushes, pages; absent is flat."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sim_kit import Client, Venue

from arbitrage.sim.instruments import CANONICAL_SYMBOLS
from arbitrage.sim.matching import BUY, Order

POSITIONS = {"channel": "positions", "instType": "SWAP"}


@pytest.fixture
def venue() -> Venue:
    return Venue("okx")


def subscribed(venue: Venue, *args: dict[str, Any]) -> Client:
    client = venue.client("private")
    client.send(op="subscribe", args=list(args))
    client.pushes()
    return client


def after(client: Client, seconds: float) -> list[Any]:
    """What came within so many seconds of nothing but time."""
    for _ in range(round(seconds / 0.1)):
        client.venue.clock.sleep(0.1)
        client.venue.exchange.advance(client.venue.clock())
    return client.pushes()


def test_snapshots_repeat_every_five_seconds(venue: Venue) -> None:
    client = subscribed(venue, POSITIONS, {"channel": "account"})
    assert after(client, 4.7) == []
    pushes = after(client, 5.5)
    assert [push["arg"]["channel"] for push in pushes] == ["positions", "account"] * 2
    assert {push["eventType"] for push in pushes} == {"snapshot"}
    assert all(push["curPage"] == 1 and push["lastPage"] for push in pushes)
    assert pushes[0]["data"] == []
    venue.client("private").okx_order()
    event = next(p for p in client.pushes() if p["arg"]["channel"] == "positions")
    assert (event["eventType"], event["data"][0]["pos"]) == ("event_update", "1.5")
    assert "curPage" not in event
    (regular,) = [p for p in after(client, 5.0) if p["arg"]["channel"] == "positions"]
    assert [row["pos"] for row in regular["data"]] == ["1.5"]


def test_a_closed_position_is_told_once_and_then_absent(venue: Venue) -> None:
    client = subscribed(venue, POSITIONS)
    client.okx_order()
    client.pushes()
    client.okx_order(side="sell", px="83990", reduceOnly=True)
    (event,) = client.pushes()
    assert (event["eventType"], event["data"][0]["pos"]) == ("event_update", "0")
    (regular,) = after(client, 5.0)
    assert (regular["eventType"], regular["data"]) == ("snapshot", [])


@pytest.mark.parametrize(("interval", "count"), [("0", 0), ("2000", 5), ("4000", 2)])
def test_a_client_may_choose_the_interval(venue: Venue, interval: str, count: int) -> None:
    extra = json.dumps({"updateInterval": interval})
    client = subscribed(venue, {**POSITIONS, "extraParams": extra})
    assert len(after(client, 11.0)) == count


@pytest.mark.parametrize("extra", ["no json", '{"updateInterval":"7"}'])
def test_other_intervals_are_refused(venue: Venue, extra: str) -> None:
    client = venue.client("private")
    reply = client.send(op="subscribe", args=[{**POSITIONS, "extraParams": extra}])[0]
    assert (reply["event"], reply["code"]) == ("error", "60013")


def test_unsubscribed_or_gone_is_silent(venue: Venue) -> None:
    client, other = subscribed(venue, POSITIONS), subscribed(venue, POSITIONS)
    client.send(op="unsubscribe", args=[POSITIONS])
    venue.exchange.disconnect(other.conn)
    assert after(client, 6.0) == []
    assert venue.exchange.take_pushes() == []


def test_many_positions_come_in_pages() -> None:
    venue = Venue("okx", CANONICAL_SYMBOLS)
    matcher = venue.exchange.matcher
    for item in venue.exchange.instruments:
        px = int(item.base_px / item.tick_float)
        matcher.books[item.index].set(px, px + 1, 1000, 1000, venue.clock())
        matcher.submit(Order(item, BUY, "market", "IOC", 0, 1, "", False), str(item.index), 1)
    replies = venue.client("private").send(op="subscribe", args=[POSITIONS])
    pages = [reply for reply in replies if "data" in reply]
    assert [(page["curPage"], page["lastPage"], len(page["data"])) for page in pages] == [
        (1, False, 10), (2, True, 4)]
    names = [row["instId"] for page in pages for row in page["data"]]
    assert names == [item.name for item in venue.exchange.instruments]


def test_the_light_channel_tells_balance_and_position(venue: Venue) -> None:
    client = subscribed(venue, {"channel": "balance_and_position"})
    client.okx_order()
    (push,) = client.pushes()
    (row,) = push["data"]
    assert row["posData"][0]["pos"] == "1.5"
    assert row["balData"][0]["cashBal"] != "1000000"
    assert after(client, 6.0) == []
