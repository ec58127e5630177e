"""Depth of the simulated market: books of both venues, ids, snapshots, what takers pay."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from sim_kit import KEYS, START_NS, Client, Clock, Venue

from arbitrage.sim.config import SimConfig
from arbitrage.sim.exchange import Connection, Exchange
from arbitrage.sim.server import make_exchange

SYMBOLS = ("BTCUSDT", "SOLUSDT", "PEPEUSDT")
Side = dict[Decimal, Decimal]


class Held:
    """A client's book by the venues' rules; whatever breaks one fails the test."""

    def __init__(self) -> None:
        self.bids: Side = {}
        self.asks: Side = {}
        self.seq = self.update_id = 0
        self.frames = self.snapshots = 0
        self.keep_alives = 0

    def bybit(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        if frame["type"] == "snapshot":
            self.bids, self.asks = {}, {}
            self.snapshots += 1
        else:
            assert data["u"] == self.update_id + 1, "each delta is one further"
            assert data["b"] or data["a"]
        assert data["seq"] >= self.seq
        self.seq, self.update_id = data["seq"], data["u"]
        self.apply(data["b"], data["a"])

    def okx(self, frame: dict[str, Any]) -> None:
        (data,) = frame["data"]
        if frame["action"] == "snapshot":
            assert data["prevSeqId"] == -1
            self.bids, self.asks = {}, {}
            self.snapshots += 1
        else:
            assert data["prevSeqId"] == self.seq, "each update names the one before"
            self.keep_alives += data["seqId"] == data["prevSeqId"]
        assert data["checksum"] == 0
        assert int(data["ts"]) % 100 == 0
        self.seq = data["seqId"]
        self.apply(data["bids"], data["asks"])

    def apply(self, bids: list[list[str]], asks: list[list[str]]) -> None:
        self.frames += 1
        for side, rows in ((self.bids, bids), (self.asks, asks)):
            for px, qty, *rest in rows:
                if Decimal(qty):
                    side[Decimal(px)] = Decimal(qty)
                else:
                    assert Decimal(px) in side, "only what is held leaves"
                    assert not rest or rest == ["0", "0"]
                    del side[Decimal(px)]

    def best_first(self) -> tuple[Any, Any]:
        return (tuple(sorted(self.bids.items(), reverse=True)), tuple(sorted(self.asks.items())))


class Feed:
    """Clients of one seeded venue in virtual time."""

    def __init__(self, venue: str, symbols: tuple[str, ...] = SYMBOLS, **options: Any) -> None:
        self.clock = Clock(START_NS)
        config = SimConfig(venue=venue, symbols=symbols, keys=KEYS, t0_ns=START_NS, **options)
        self.exchange: Exchange = make_exchange(config, self.clock)
        self.bybit = venue == "bybit"
        self.names = [item.name for item in self.exchange.instruments]
        self.held: dict[tuple[str, str], Held] = {}
        self.tops: dict[str, dict[int, tuple[Any, Any]]] = {name: {} for name in self.names}
        self.conns: list[Connection] = []

    def join(self, channels: tuple[str, ...]) -> Connection:
        conn = self.exchange.connect(self.exchange.public_path)
        assert conn is not None
        self.conns.append(conn)
        for channel in channels:
            for name in self.names:
                topic = f"{channel}.{name}"
                arg: Any = topic if self.bybit else {"channel": channel, "instId": name}
                request = json.dumps({"op": "subscribe", "args": [arg]}).encode()
                for reply in self.exchange.on_frame(conn, request):
                    self.take(conn, json.loads(reply))
        return conn

    def run(self, seconds: float, step_ms: int = 1) -> None:
        for _ in range(0, int(seconds * 1000), step_ms):
            self.clock.now_ns += step_ms * 1_000_000
            for stream, payload in self.exchange.advance(self.clock()):
                frame = json.loads(payload)
                for conn in self.conns:
                    if conn.streams >> stream & 1:
                        self.take(conn, frame)

    def take(self, conn: Connection, frame: dict[str, Any]) -> None:
        if "event" in frame or "success" in frame:
            return
        if self.bybit:
            _, depth, name = frame["topic"].split(".")
            data = frame["data"]
            if depth == "1":
                self.tops[name][data["seq"]] = (data["b"][0], data["a"][0])
                return
            self.of(conn, name).bybit(frame)
        else:
            channel, name = frame["arg"]["channel"], frame["arg"]["instId"]
            data = frame["data"][0]
            if channel == "bbo-tbt":
                self.tops[name][data["seqId"]] = (data["bids"][0], data["asks"][0])
                return
            if channel == "books5":
                assert len(data["bids"]) == len(data["asks"]) == 5
                assert data["instId"] == name
                assert self.tops[name][data["seqId"]] == (data["bids"][0], data["asks"][0])
                return
            self.of(conn, name).okx(frame)

    def of(self, conn: Connection, name: str) -> Held:
        return self.held.setdefault((conn.conn_id, name), Held())


CHANNELS = {"bybit": ("orderbook.1", "orderbook.50"), "okx": ("bbo-tbt", "books", "books5")}
LEVELS = {"bybit": 50, "okx": 400}


@pytest.fixture(params=["bybit", "okx"])
def venue(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_book_equals_the_venues_own_level_by_level(venue: str) -> None:
    feed = Feed(venue)
    feed.exchange.advance(feed.clock())
    conn = feed.join(CHANNELS[venue])
    for _ in range(8):
        feed.run(0.5)
        for name in feed.names:
            held, told = feed.of(conn, name), feed.exchange.book(name, sent=True)
            assert held.best_first() == (told.bids, told.asks)
            assert held.seq == told.seq
            assert held.snapshots == 1
            assert len(held.bids) == len(held.asks) == LEVELS[venue]
            top = feed.tops[name][held.seq]
            assert [(Decimal(side[0]), Decimal(side[1])) for side in top] == [
                told.bids[0], told.asks[0]], "the touch is that of the same seq"
    every = 20 if venue == "bybit" else 100
    assert feed.of(conn, feed.names[0]).frames == pytest.approx(4000 / every, rel=0.05)


def test_either_topic_of_bybit_may_come_first() -> None:
    feed = Feed("bybit", symbols=("BTCUSDT",))
    feed.exchange.advance(feed.clock())
    conn = feed.join(CHANNELS["bybit"])
    led = frames = 0
    for _ in range(400):
        feed.clock.now_ns += 1_000_000
        quoted = 0
        for _, payload in feed.exchange.advance(feed.clock()):
            frame = json.loads(payload)
            if frame["topic"].startswith("orderbook.50"):
                frames += 1
                led += frame["data"]["seq"] > max(quoted, max(feed.tops["BTCUSDT"], default=0))
            elif frame["topic"].startswith("orderbook.1"):
                quoted = frame["data"]["seq"]
            feed.take(conn, frame)
    assert frames / 4 < led < frames * 3 / 4


def test_each_subscriber_gets_a_snapshot_and_then_the_shared_pushes(venue: str) -> None:
    feed = Feed(venue)
    feed.exchange.advance(feed.clock())
    depth = CHANNELS[venue][1:2]
    conns = [feed.join(depth)]
    for _ in range(4):
        feed.run(0.137)
        conns.append(feed.join(depth))
    feed.exchange.disconnect(conns[0])
    feed.conns.remove(conns[0])
    feed.run(0.3)
    for name in feed.names:
        books = [feed.of(conn, name) for conn in conns[1:]]
        assert all(book.snapshots == 1 for book in books)
        assert len({str(book.best_first()) for book in books}) == 1


def test_a_channel_left_alone_starts_anew(venue: str) -> None:
    feed = Feed(venue)
    feed.exchange.advance(feed.clock())
    first = feed.join(CHANNELS[venue])
    feed.run(0.2)
    feed.exchange.disconnect(first)
    feed.conns.clear()
    feed.run(1.0)
    again = feed.join(CHANNELS[venue])
    name = feed.names[0]
    assert feed.of(again, name).best_first() == (
        feed.exchange.book(name).bids, feed.exchange.book(name).asks)
    feed.run(0.3)
    assert feed.of(again, name).snapshots == 1


def test_subscribed_before_the_first_quote(venue: str) -> None:
    feed = Feed(venue)
    conn = feed.join(CHANNELS[venue])
    feed.run(0.3)
    assert feed.of(conn, feed.names[0]).snapshots == 1


def test_the_book_is_a_function_of_seed_and_time(venue: str) -> None:
    def view(seed: int, step_ms: int) -> Any:
        feed = Feed(venue, seed=seed)
        feed.run(0.6, step_ms)
        return [feed.exchange.book(name) for name in feed.names]

    assert [(v.bids, v.asks, v.seq) for v in view(7, 1)] == [
        (v.bids, v.asks, v.seq) for v in view(7, 1)]
    assert view(7, 1)[0].bids != view(8, 1)[0].bids


def test_sizes_are_worth_trading_on(venue: str) -> None:
    feed = Feed(venue)
    feed.run(0.1)
    for item in feed.exchange.instruments:
        view = feed.exchange.book(item.name, levels=400)
        assert len(view.bids) == len(view.asks) == 400
        for side in (view.bids, view.asks):
            usd = [float(px * qty * item.contract_value) for px, qty in side]
            assert 1e6 < sum(usd) < 1e7
            assert max(usd) < 5e5
            assert sorted(usd)[200] > 1000
        assert view.bids[0][0] < view.asks[0][0]


def test_okx_says_an_unchanged_book_again_after_a_minute() -> None:
    venue = Venue("okx")
    client = venue.client("public", login=False)
    held = Held()
    for channel in ("bbo-tbt", "books", "books5"):
        _, snapshot = client.send(
            op="subscribe", args=[{"channel": channel, "instId": "BTC-USDT-SWAP"}])
        if channel == "books":
            held.okx(snapshot)
    before = held.best_first()
    venue.clock.sleep(59.5)
    assert venue.exchange.advance(venue.clock()) == []
    venue.clock.sleep(0.7)
    frames = [json.loads(payload) for _, payload in venue.exchange.advance(venue.clock())]
    assert [frame["arg"]["channel"] for frame in frames] == ["books", "books5", "bbo-tbt"]
    assert frames[0]["data"][0]["bids"] == frames[0]["data"][0]["asks"] == []
    held.okx(frames[0])
    assert held.keep_alives == 1
    assert held.best_first() == before


def test_ids_that_begin_anew(venue: str) -> None:
    feed = Feed(venue, symbols=("BTCUSDT",))
    feed.exchange.advance(feed.clock())
    conn = feed.join(CHANNELS[venue])
    feed.run(0.3)
    (name,) = feed.names
    held = feed.of(conn, name)
    seq = held.seq
    feed.exchange.restart_ids(0)
    feed.run(0.3)
    if venue == "bybit":
        assert held.snapshots == 2
        assert held.update_id < 20
        assert held.seq > seq
    else:
        assert held.snapshots == 1
        assert held.seq < 10_000, "linked to the old id by prevSeqId"
    told = feed.exchange.book(name, sent=True)
    assert held.best_first() == (told.bids, told.asks)


def test_another_grid_replaces_the_book(venue: str) -> None:
    feed = Feed(venue, symbols=("SOLUSDT",))
    feed.exchange.advance(feed.clock())
    conn = feed.join(CHANNELS[venue])
    feed.run(0.3)
    item = feed.exchange.instruments[0]
    feed.exchange.change_instrument(item.with_grid("0.05", item.qty_text(10)))
    feed.run(0.3)
    held = feed.of(conn, item.name)
    assert held.snapshots == 2
    assert all(px % Decimal("0.05") == 0 for px in (*held.bids, *held.asks))


def numbers(rows: list[list[str]]) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((Decimal(row[0]), Decimal(row[1])) for row in rows)


def test_rest_books_and_tickers_say_the_same() -> None:
    venue = Venue("bybit", ("BTCUSDT",))
    view = venue.exchange.book("BTCUSDT", levels=200)
    path, query = "/v5/market/orderbook", "category=linear&symbol=BTCUSDT"
    row = venue.rest("GET", path, f"{query}&limit=200", headers={})[1]["result"]
    assert (numbers(row["b"]), numbers(row["a"]), row["seq"]) == (view.bids, view.asks, view.seq)
    assert len(venue.rest("GET", path, query, headers={})[1]["result"]["b"]) == 25
    assert venue.rest("GET", path, f"{query}&limit=0", headers={})[1]["retCode"] == 10001
    (ticker,) = venue.rest("GET", "/v5/market/tickers", query, headers={})[1]["result"]["list"]
    assert (ticker["bid1Price"], ticker["ask1Price"]) == ("84000.00", "84000.10")

    okx = Venue("okx")
    view = okx.exchange.book("BTC-USDT-SWAP", levels=300)
    path, query = "/api/v5/market/books", "instId=BTC-USDT-SWAP"
    (row,) = okx.rest("GET", path, f"{query}&sz=300", headers={})[1]["data"]
    assert (numbers(row["bids"]), numbers(row["asks"])) == (view.bids, view.asks)
    (row,) = okx.rest("GET", path, query, headers={})[1]["data"]
    assert (row["asks"][0][:2], len(row["bids"])) == (["84000.1", "1"], 1)
    assert okx.rest("GET", path, f"{query}&sz=401", headers={})[1]["code"] == "51000"
    (ticker,) = okx.rest("GET", "/api/v5/market/ticker", query, headers={})[1]["data"]
    assert (ticker["bidPx"], ticker["askPx"]) == ("84000", "84000.1")
    assert len(okx.rest("GET", "/api/v5/market/tickers", "instType=SWAP", headers={})[1][
        "data"]) == 1, "no ticker before the first quote"


# -- what a taker pays ---------------------------------------------------------------------------


def fills(client: Client, qty: str, **args: Any) -> list[tuple[Decimal, Decimal]]:
    client.order(qty=qty, **args)
    rows = client.venue.rest("GET", "/v5/execution/list", "category=linear&limit=100")[1]
    found = rows["result"]["list"]
    return [(Decimal(row["execPrice"]), Decimal(row["execQty"])) for row in reversed(found)]


def test_a_larger_order_walks_the_book() -> None:
    venue = Venue("bybit", ("BTCUSDT",))
    view = venue.exchange.book("BTCUSDT")
    client = venue.client("trade")
    want = sum(qty for _, qty in view.asks[:3]) + view.asks[3][1] / 2
    got = fills(client, str(want.quantize(Decimal("0.001"))), price="84100.00")
    assert [px for px, _ in got] == [px for px, _ in view.asks[:4]]
    assert [qty for _, qty in got[:3]] == [qty for _, qty in view.asks[:3]]
    again = fills(client, "0.001", price="84100.00")
    assert again[-1][0] == view.asks[3][0], "what was taken is gone until the book moves"
    venue.quote()
    assert fills(client, "0.001", price="84100.00")[-1][0] == view.asks[0][0]


def test_a_limit_price_ends_the_walk() -> None:
    venue = Venue("bybit", ("BTCUSDT",))
    view = venue.exchange.book("BTCUSDT")
    limit = view.asks[2][0]
    got = fills(venue.client("trade"), "100.000", price=str(limit))
    assert sum(qty for _, qty in got) == sum(qty for _, qty in view.asks[:3])
    assert max(px for px, _ in got) == limit


def test_a_market_order_stops_at_the_band() -> None:
    venue = Venue("bybit", ("SOLUSDT",))
    venue.quote("182.00", "182.01", index=0)
    private, trade = venue.client("private"), venue.client("trade")
    private.send(op="subscribe", args=["order"])
    private.pushes()
    trade.order(symbol="SOLUSDT", orderType="Market", price=None, qty="35000.0")
    row = private.pushes()[-1]["data"][0]
    assert (row["orderStatus"], row["rejectReason"]) == ("Cancelled", "EC_ReachRiskPriceLimit")
    assert Decimal(row["cumExecQty"]) > 1


def test_depth_may_be_the_touch_only() -> None:
    venue = Venue("bybit", ("BTCUSDT",), depth_levels=1)
    assert fills(venue.client("trade"), "1.500", price="84100.00") == [
        (Decimal("84000.10"), Decimal("1.000"))]
    assert len(venue.exchange.book("BTCUSDT").bids) == 1
