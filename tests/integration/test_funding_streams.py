"""Funding's rate, interval and next time travel together, from both venues' frames to the store."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_kit import Venue

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.feed import FeedLane
from arbitrage.core.segment import Segment
from arbitrage.core.stages import Stages
from arbitrage.sim import admin
from arbitrage.venues.base import MarketSymbol
from arbitrage.venues.bybit.market_feed import BybitMarketFeed
from arbitrage.venues.okx.market_feed import OkxMarketFeed
from arbitrage.venues.public_feed import PublicFeed

NAMES = {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"}
HOURS = (1, 2, 4, 8)
HOUR_MS = 3_600_000
# a tick carries 32 bits of the time: it has to lie within 24 days of this machine's clock
NOW_MS = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS
Funding = tuple[float, float, int]

hours = st.sampled_from(HOURS)
rates = st.integers(-37_500, 37_500).map(lambda n: f"{Decimal(n).scaleb(-7):f}")
next_times = st.integers(-8, 400).map(lambda hour: NOW_MS + hour * HOUR_MS)
# what happens to a venue: time passes, or it changes the interval
events = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(1, 9 * 3600)), st.tuples(st.just("hours"), hours)
    ),
    min_size=1,
    max_size=12,
)


class Store:
    """One symbol's rows of a segment, filled through a feed lane as the trader's are."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.lane = FeedLane(segment, 0)
        detector = OpportunityDetector(segment.store)
        self._stages = Stages(segment, detector, placement="inline", wait="spin")
        self.lane.attach_loop(None, self._stages)

    def feed(self, venue: str) -> PublicFeed:
        """Return a feed that knows nothing yet, as after a connect."""
        index = ("bybit", "okx").index(venue)
        kind = (BybitMarketFeed, OkxMarketFeed)[index]
        row = self.segment.store.row(index, 0)
        item = MarketSymbol(row, NAMES[venue], "BTCUSDT")
        return kind("ws://127.0.0.1:9/", index, self.lane, [item])

    def funding(self, venue: str) -> Funding:
        """Return what the detector and the strategy would read."""
        row = self.segment.store.read_row(venue, 0)
        return row.funding_rate, row.funding_interval_h, row.funding_next_ns


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    segment = Segment.create(f"test-funding-{os.getpid()}", symbol_capacity=4)
    segment.symbols.add("BTCUSDT", NAMES)
    for venue in NAMES:
        segment.store.set_instrument(segment.store.row(venue, 0))
    yield Store(segment)
    segment.close()


# ---- one frame --------------------------------------------------------------------------------


def ticker(kind: str, **facts: str) -> bytes:
    data = {"symbol": NAMES["bybit"], "bid1Price": "84000.10"} | facts
    return json.dumps({"topic": f"tickers.{NAMES['bybit']}", "type": kind, "data": data}).encode()


def funding_rate(rate: str, interval_h: int, next_ms: int) -> bytes:
    row = {
        "instId": NAMES["okx"], "instType": "SWAP", "fundingRate": rate, "nextFundingRate": "",
        "fundingTime": str(next_ms), "nextFundingTime": str(next_ms + interval_h * HOUR_MS),
        "prevFundingTime": str(next_ms - 8 * HOUR_MS),
    }
    arg = {"channel": "funding-rate", "instId": NAMES["okx"]}
    return json.dumps({"arg": arg, "data": [row]}).encode()


frames = st.tuples(rates, hours, next_times)


@given(st.lists(frames, min_size=1, max_size=8))
def test_okx_frames_carry_all_three(store: Store, seen: list[tuple[str, int, int]]) -> None:
    feed = store.feed("okx")
    for rate, interval_h, next_ms in seen:
        feed.on_message(funding_rate(rate, interval_h, next_ms), 0)
        assert store.funding("okx") == (float(rate), interval_h, next_ms * 1_000_000)


@given(frames, st.lists(st.tuples(frames, st.integers(1, 7)), max_size=8))
def test_bybit_deltas_name_only_what_changed(
    store: Store, first: tuple[str, int, int], deltas: list[tuple[tuple[str, int, int], int]]
) -> None:
    feed = store.feed("bybit")
    fields = ("fundingRate", "fundingIntervalHour", "nextFundingTime")
    known = dict(zip(fields, map(str, first), strict=True))
    feed.on_message(ticker("snapshot", **known), 0)
    for values, chosen in deltas:
        named = {
            name: str(value)
            for bit, (name, value) in enumerate(zip(fields, values, strict=True))
            if chosen >> bit & 1
        }
        known |= named
        feed.on_message(ticker("delta", **named), 0)
        assert store.funding("bybit") == (
            float(known["fundingRate"]),
            float(known["fundingIntervalHour"]),
            int(known["nextFundingTime"]) * 1_000_000,
        )
    before = store.funding("bybit")
    feed.on_message(ticker("delta", lastPrice="84000.20"), 0)
    assert store.funding("bybit") == before


def test_a_half_told_funding_is_not_told_on(store: Store) -> None:
    store.feed("okx").on_message(funding_rate("-0.0002", 4, NOW_MS), 0)
    store.feed("bybit").on_message(
        ticker("snapshot", fundingRate="0.0005", fundingIntervalHour="2", nextFundingTime="1"), 0
    )
    known = store.funding("okx"), store.funding("bybit")
    okx, bybit = store.feed("okx"), store.feed("bybit")
    row = json.loads(funding_rate("0.0001", 8, NOW_MS))
    row["data"][0]["nextFundingTime"] = ""
    okx.on_message(json.dumps(row).encode(), 0)
    bybit.on_message(ticker("snapshot", fundingRate="0.0003"), 0)
    bybit.on_message(ticker("snapshot", fundingRate="", fundingIntervalHour="", symbol="X"), 0)
    assert (store.funding("okx"), store.funding("bybit")) == known


# ---- a venue that changes its mind ------------------------------------------------------------


def venue_now(name: str) -> Venue:
    """Return a simulated venue whose clock stands at this hour."""
    venue = Venue(name)
    venue.clock.now_ns = NOW_MS * 1_000_000
    venue.exchange.advance(venue.clock())
    return venue


def subscribe(venue: Venue) -> list[Any]:
    """Subscribe to funding; return the replies, the first frame among them."""
    client = venue.client("public", login=False)
    if venue.name == "bybit":
        return client.send(op="subscribe", args=[f"tickers.{NAMES['bybit']}"])
    arg = {"channel": "funding-rate", "instId": NAMES["okx"]}
    return client.send(op="subscribe", args=[arg])


def now(venue: Venue) -> Funding:
    """Return the funding as the venue itself has it."""
    exchange = venue.exchange
    return (
        float(exchange.funding_rates[0]),
        float(exchange.instruments[0].funding_hours),
        exchange.next_funding_ns[0],
    )


@pytest.mark.parametrize("name", ["bybit", "okx"])
@settings(max_examples=60)
@given(first=hours, happens=events)
def test_the_store_follows_a_venue_through_settlements_and_new_intervals(
    store: Store, name: str, first: int, happens: list[tuple[str, int]]
) -> None:
    venue, feed = venue_now(name), store.feed(name)
    body = json.dumps({"symbol": "BTCUSDT", "funding_hours": first}).encode()
    assert admin.answer(venue.exchange, "POST", "/admin/instrument", body)[0] == 200
    for reply in subscribe(venue):
        feed.on_message(json.dumps(reply).encode(), 0)
    had = {now(venue)}
    assert store.funding(name) in had
    for what, value in happens:
        if what == "hours":
            body = json.dumps({"symbol": "BTCUSDT", "funding_hours": value}).encode()
            assert admin.answer(venue.exchange, "POST", "/admin/instrument", body)[0] == 200
            had.add(now(venue))
        else:
            venue.clock.sleep(value)
        for _, payload in venue.exchange.advance(venue.clock()):
            feed.on_message(payload, 0)
            had.add(now(venue))
            # never the rate of one moment with the interval or the time of another
            assert store.funding(name) in had
    # OKX repeats it twice a minute, Bybit tells a change with the next ticker
    venue.clock.sleep(31)
    for _, payload in venue.exchange.advance(venue.clock()):
        feed.on_message(payload, 0)
    assert store.funding(name) == now(venue)
    rate, interval_h, next_ns = store.funding(name)
    assert rate == rate
    assert interval_h in HOURS
    assert 0 < next_ns - venue.clock() <= interval_h * HOUR_MS * 1_000_000
