"""The fault layer without sockets: each kind of fault does what it says, and is recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sim_kit import Client, Venue

from arbitrage.sim.config import SimError
from arbitrage.sim.exchange import Connection
from arbitrage.sim.fault_plan import checked
from arbitrage.sim.faults import Cut, FaultLayer, NoAnswer, Refused

QUOTE_CHANNEL = {"bybit": "orderbook.1", "okx": "bbo-tbt"}
VENUES = ["bybit", "okx"]


class Bench:
    """A venue behind its fault layer, with one public client, on a clock turned by hand."""

    def __init__(self, venue: str, *rules: dict[str, Any], seed: int = 1) -> None:
        self.venue = Venue(venue)
        self.exchange = self.venue.exchange
        self.layer = FaultLayer(self.exchange, checked({"seed": seed, "rule": rules}))
        self.conn = self.connect("public")
        self.price = 84000.0
        name = {"bybit": "BTCUSDT", "okx": "BTC-USDT-SWAP"}[venue]
        channel = QUOTE_CHANNEL[venue]
        args: list[Any] = [f"{channel}.{name}"]
        if venue == "okx":
            args = [{"channel": channel, "instId": name}]
        self.request(self.conn, op="subscribe", args=args)
        self.subscribed = self.texts()

    def connect(self, role: str) -> Connection:
        conn = self.layer.connect(getattr(self.exchange, f"{role}_path"))
        assert isinstance(conn, Connection)
        return conn

    def request(self, conn: Connection, **request: Any) -> None:
        self.layer.on_frame(conn, json.dumps(request).encode())

    def ping(self) -> list[str]:
        ping = b"ping" if self.venue.name == "okx" else b'{"op":"ping"}'
        self.layer.on_frame(self.conn, ping)
        return self.texts()

    def quote(self, after_ms: float = 10.0) -> float:
        """Let the venue quote another price, so much later; return the price."""
        self.price += 1.0
        ticks = round(self.price * 10)
        self.venue.market.queue.append((0, ticks, ticks + 1, 5, 5))
        self.turn(after_ms)
        return self.price

    def turn(self, after_ms: float) -> None:
        self.venue.clock.sleep(after_ms / 1000)
        self.layer.advance()

    def texts(self) -> list[str]:
        return [leaving.payload.decode() for leaving in self.layer.take()
                if not isinstance(leaving, Cut)]

    def prices(self) -> list[float]:
        """Best bids that leave now."""
        found = []
        for text in self.texts():
            frame = json.loads(text) if text[0] == "{" else {}
            data = frame.get("data")
            if data:
                row = data if self.venue.name == "bybit" else data[0]
                found.append(float((row["b"] if self.venue.name == "bybit" else row["bids"])[0][0]))
        return found

    def cuts(self) -> list[tuple[int, str]]:
        return [(cut.code, cut.reason) for cut in self.layer.take() if isinstance(cut, Cut)]

    def struck(self, what: str) -> int:
        assert sum(fault.what == what for fault in self.layer.log) == self.layer.counts[what]
        return self.layer.counts[what]


@pytest.mark.parametrize("venue", VENUES)
def test_without_a_plan_everything_passes(venue: str) -> None:
    bench = Bench(venue)
    assert not bench.layer.is_active
    assert len(bench.subscribed) == 2  # the answer and the first quote
    assert bench.quote() in bench.prices()
    assert "pong" in bench.ping()[0]
    assert bench.layer.log == []


@pytest.mark.parametrize("venue", VENUES)
def test_frames_are_dropped_at_points_in_time(venue: str) -> None:
    bench = Bench(venue, {"what": "drop", "at_s": [0.015, 0.035]})
    seen = []
    for _ in range(5):
        bench.quote()
        seen += bench.prices()
    assert seen == [84001.0, 84003.0, 84005.0]
    assert bench.struck("drop") == 2
    first = bench.layer.log[0]
    assert (first.role, first.channel, first.symbol) == ("public", QUOTE_CHANNEL[venue], "BTCUSDT")
    assert first.conn_id == bench.conn.conn_id


def test_drops_by_probability_repeat_with_the_seed() -> None:
    def run(seed: int) -> list[float]:
        bench = Bench("okx", {"what": "drop", "probability": 0.3}, seed=seed)
        seen = []
        for _ in range(200):
            bench.quote()
            seen += bench.prices()
        assert len(seen) + bench.struck("drop") == 201 or len(seen) + bench.struck("drop") == 200
        return seen

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 110 < len(run(1)) < 170


def test_a_rule_keeps_to_its_channel_symbol_connection_window_and_count() -> None:
    bench = Bench(
        "bybit",
        {"what": "drop", "channel": "tickers"},
        {"what": "drop", "symbol": "ETHUSDT"},
        {"what": "drop", "connection": 1},
        {"what": "drop", "venue": "okx"},
        {"what": "drop", "role": "private"},
        {"what": "drop", "from_s": 0.035, "until_s": 0.055},
        {"what": "drop", "from_s": 0.075, "count": 1},
    )
    seen = []
    for _ in range(9):
        bench.quote()
        seen += bench.prices()
    assert seen == [84001.0, 84002.0, 84003.0, 84006.0, 84007.0, 84009.0]
    assert {fault.rule for fault in bench.layer.log} == {5, 6}


@pytest.mark.parametrize("venue", VENUES)
def test_duplicates_reorders_and_delays(venue: str) -> None:
    bench = Bench(venue, {"what": "duplicate", "copies": 2, "at_s": [0.005]})
    bench.quote()
    assert bench.prices() == [84001.0] * 3
    bench = Bench(venue, {"what": "reorder", "frames": 2, "at_s": [0.005]})
    seen = []
    for _ in range(4):
        bench.quote()
        seen += bench.prices()
    assert seen == [84002.0, 84003.0, 84001.0, 84004.0]
    bench = Bench(venue, {"what": "delay", "ms": 15, "at_s": [0.005]})
    bench.quote()
    assert bench.prices() == []
    bench.quote()
    assert bench.prices() == []  # what is behind a late frame waits
    bench.turn(5)
    assert bench.prices() == [84001.0, 84002.0]
    bench = Bench(venue, {"what": "delay", "ms": 15, "at_s": [0.005], "is_overtaken": True})
    bench.quote()
    bench.quote()
    assert bench.prices() == [84002.0]
    bench.turn(5)
    assert bench.prices() == [84001.0]


def test_a_frame_that_nothing_overtakes_goes_after_a_second() -> None:
    bench = Bench("bybit", {"what": "reorder", "at_s": [0.005]})
    bench.quote()
    bench.turn(900)
    assert bench.prices() == []
    bench.turn(100)
    assert bench.prices() == [84001.0]


@pytest.mark.parametrize("venue", VENUES)
def test_a_silent_symbol_answers_pings(venue: str) -> None:
    bench = Bench(venue, {"what": "silent", "symbol": "BTCUSDT", "at_s": [0.005], "for_s": 0.02})
    bench.turn(5)
    bench.quote()
    assert bench.prices() == []
    assert "pong" in bench.ping()[0]
    bench.turn(10)
    bench.quote()
    assert bench.prices() == [84002.0]


@pytest.mark.parametrize("venue", VENUES)
def test_a_half_open_line_answers_nothing_until_it_is_healed(venue: str) -> None:
    bench = Bench(venue, {"what": "half_open", "at_s": [0.005]})
    bench.turn(5)
    bench.quote()
    assert bench.prices() == []
    assert bench.ping() == []
    assert bench.layer.is_deaf(bench.conn)
    bench.layer.disarm()
    assert "pong" in bench.ping()[0]


def test_lines_are_closed_reset_and_picked() -> None:
    bench = Bench("bybit", {"what": "close", "code": 1012, "reason": "bye", "at_s": [0.005]},
                  {"what": "reset", "at_s": [0.015], "pick": "one"})
    bench.connect("public")
    bench.turn(5)
    assert bench.cuts() == [(1012, "bye")] * 2
    bench.turn(10)
    assert bench.cuts() == [(0, "")]


def test_random_moments_come_at_their_mean_rate() -> None:
    bench = Bench("bybit", {"what": "reset", "every_s": 1.0})
    for _ in range(1000):
        bench.turn(100)
    assert 70 < bench.struck("reset") < 130


def test_okx_announces_an_upgrade_and_closes() -> None:
    bench = Bench("okx", {"what": "notice", "at_s": [0.005], "after_s": 1.0})
    bench.turn(5)
    (text,) = bench.texts()
    assert (json.loads(text)["event"], json.loads(text)["code"]) == ("notice", "64008")
    bench.turn(999)
    assert bench.cuts() == []
    bench.turn(1)
    assert [code for code, _ in bench.cuts()] == [4006]


def test_connections_and_rest_are_refused_for_a_while() -> None:
    bench = Bench("bybit", {"what": "refuse", "at_s": [1.0], "for_s": 2.0, "status": 429})
    public, path = bench.exchange.public_path, "/v5/market/time"
    bench.turn(1000)
    assert bench.layer.connect(public) == Refused(429)
    assert bench.layer.rest("GET", path, "", {}, b"") == Refused(429)
    bench.turn(2000)
    assert isinstance(bench.layer.connect(public), Connection)
    assert bench.venue.exchange.rest("GET", path, "", {}, b"").status == 200
    assert bench.struck("refuse") == 2


@pytest.mark.parametrize(
    ("venue", "rule", "status", "said"),
    [
        ("bybit", {"code": 10006, "text": "Too many visits!"}, 200, '"retCode":10006'),
        ("okx", {"code": 50011, "status": 429}, 429, '"code":"50011"'),
        ("okx", {"code": 50061}, 200, '"code":"50061"'),
        ("bybit", {"status": 503}, 503, "<html>"),
    ],
)
def test_rest_is_answered_with_codes(
    venue: str, rule: dict[str, Any], status: int, said: str
) -> None:
    path = {"bybit": "/v5/market/time", "okx": "/api/v5/public/time"}[venue]
    bench = Bench(venue, {"what": "answer", "call": path, "count": 1, **rule})
    reply = bench.layer.rest("GET", path, "", {}, b"")
    assert reply[0] == status
    assert said in reply[2].decode()
    assert bench.layer.rest("GET", path, "", {}, b"")[0] == 200
    assert bench.layer.log[0].detail == f"GET {path}"


def test_an_answer_over_rest_is_lost() -> None:
    bench = Bench("bybit", {"what": "lose", "after_s": 0.5})
    assert bench.layer.rest("GET", "/v5/market/time", "", {}, b"") == NoAnswer(0.5)


def test_numbers_skip_and_restart() -> None:
    bench = Bench("bybit", {"what": "skip", "ids": 5, "at_s": [0.015]},
                  {"what": "restart", "at_s": [0.035]})
    ids = []
    for _ in range(4):
        bench.quote()
        ids += [json.loads(text)["data"]["u"] for text in bench.texts()]
    first = ids[0]
    assert ids == [first, first + 6, first + 7, 1]
    bench = Bench("okx", {"what": "restart", "at_s": [0.015]})
    ids = []
    for _ in range(3):
        bench.quote()
        ids += [json.loads(text)["data"][0]["seqId"] for text in bench.texts()]
    assert ids[0] > 1_000_000
    assert ids[1] < ids[2] < 1000


def test_the_clock_funding_and_contracts_change() -> None:
    bench = Bench("bybit", {"what": "clock", "jump_ms": 2500, "at_s": [0.005]},
                  {"what": "funding", "symbol": "BTCUSDT", "rate": "0.0042", "at_s": [0.005]},
                  {"what": "contract", "symbol": "BTCUSDT", "tick": "0.50", "at_s": [0.005]},
                  {"what": "contract", "symbol": "ETHUSDT", "state": "suspended", "at_s": [0.005]})
    before_ms = bench.exchange.now_ms()
    bench.turn(5)
    assert bench.exchange.now_ms() == before_ms + 2505
    assert str(bench.exchange.funding_rates[0]) == "0.0042"
    assert [item.state for item in bench.exchange.instruments] == ["live", "suspended"]
    assert bench.exchange.instruments[0].tick_text == "0.50"
    bench.quote()
    assert len(bench.prices()) == 1  # the market goes on by the clock that did not jump


def test_a_plan_names_only_what_the_venue_has() -> None:
    with pytest.raises(SimError, match=r"rule 0 \(drop\): bybit was not started with XRPUSDT"):
        Bench("bybit", {"what": "drop", "symbol": "XRPUSDT"})


class FaultyClient(Client):
    """A logged-in client whose requests and answers pass through the fault layer."""

    def __init__(self, bench: Bench, role: str) -> None:
        self.venue = bench.venue
        self.conn = bench.connect(role)
        self.links = 0
        self.layer = bench.layer
        self.others: list[tuple[str, Any]] = []
        assert self.login()

    def raw(self, payload: bytes) -> list[bytes]:
        """The answers that leave at once; pushes to any socket go to `others`."""
        self.layer.on_frame(self.conn, payload)
        return self.sort()

    def sort(self) -> list[bytes]:
        answers = []
        for leaving in self.layer.take():
            assert not isinstance(leaving, Cut)
            text = json.loads(leaving.payload)
            if "topic" in text or ("arg" in text and "data" in text):
                self.others.append((text.get("topic") or text["arg"]["channel"], text))
            else:
                answers.append(leaving.payload)
        return answers

    def pushed(self) -> list[str]:
        self.sort()
        names, self.others = [name for name, _ in self.others], []
        return names


def desk(venue: str, *rules: dict[str, Any]) -> tuple[Bench, FaultyClient, FaultyClient]:
    """A bench with an order socket and a private stream."""
    bench = Bench(venue, *rules)
    trade = FaultyClient(bench, "trade")
    private = trade
    if venue == "bybit":
        private = FaultyClient(bench, "private")
        private.send(op="subscribe", args=["order", "execution"])
    else:
        private.send(op="subscribe", args=[{"channel": "orders", "instType": "SWAP"}])
    return bench, trade, private


def place(trade: FaultyClient) -> Any:
    """Send one order that fills at once; its answer, None when none came."""
    try:
        return trade.order() if trade.venue.name == "bybit" else trade.okx_order()
    except IndexError:
        return None


@pytest.mark.parametrize("venue", VENUES)
def test_an_accepted_order_loses_its_answer(venue: str) -> None:
    bench, trade, _ = desk(venue, {"what": "lose", "role": "", "call": "order", "count": 1})
    assert place(trade) is None
    assert len(bench.exchange.matcher.orders) == 1
    assert place(trade) is not None
    assert bench.struck("lose") == 1


@pytest.mark.parametrize("venue", VENUES)
def test_a_lost_request_is_never_carried_out(venue: str) -> None:
    bench, trade, _ = desk(venue, {"what": "lose", "call": "order", "is_accepted": False})
    assert place(trade) is None
    assert not bench.exchange.matcher.orders


@pytest.mark.parametrize(
    ("venue", "code", "accepted"),
    [("bybit", 110007, False), ("bybit", 10006, True), ("okx", 51008, False), ("okx", 50011, True)],
)
def test_orders_are_answered_with_codes(venue: str, code: int, accepted: bool) -> None:
    bench, trade, _ = desk(venue, {"what": "answer", "call": "order", "code": code, "text": "no",
                                   "is_accepted": accepted})
    reply = place(trade)
    if venue == "bybit":
        assert (reply["retCode"], reply["retMsg"], reply["op"]) == (code, "no", "order.create")
        assert reply["reqId"] == "r1"
    else:
        (row,) = reply["data"]
        assert (reply["code"], row["sCode"], row["sMsg"]) == ("1", str(code), "no")
        assert row["clOrdId"] != ""
    assert len(bench.exchange.matcher.orders) == accepted


def test_the_gateways_own_codes_and_logins() -> None:
    _, trade, _ = desk("okx", {"what": "answer", "call": "order", "code": 60014})
    reply = place(trade)
    assert (reply["code"], reply["data"]) == ("60014", [])
    for venue, field in (("bybit", "retCode"), ("okx", "code")):
        bench = Bench(venue, {"what": "answer", "role": "", "code": 10006, "count": 1,
                              "call": "auth" if venue == "bybit" else "login"})
        conn = bench.connect("trade")
        bench.request(conn, op="auth" if venue == "bybit" else "login", args=[])
        assert str(json.loads(bench.texts()[0])[field]) == "10006"


@pytest.mark.parametrize("venue", VENUES)
def test_an_order_is_filled_in_part(venue: str) -> None:
    bench, trade, _ = desk(venue, {"what": "partial", "lots": 3, "count": 1})
    place(trade)
    (order,) = bench.exchange.matcher.orders.values()
    assert order.filled_lots == 3


@pytest.mark.parametrize("venue", VENUES)
def test_a_fill_is_told_late_twice_or_before_its_answer(venue: str) -> None:
    channel = "execution" if venue == "bybit" else "orders"
    bench, trade, private = desk(
        venue, {"what": "delay", "role": "private", "channel": channel, "ms": 50})
    assert place(trade) is not None
    assert channel not in private.pushed()
    bench.turn(50)
    assert channel in private.pushed()

    bench, trade, private = desk(venue, {"what": "duplicate", "channel": channel})
    place(trade)
    names = private.pushed() if venue == "okx" else trade.pushed()
    assert names.count(channel) % 2 == 0
    assert names.count(channel) > 0

    bench, trade, private = desk(venue, {"what": "delay", "channel": "ack", "ms": 50,
                                         "is_overtaken": True})
    assert place(trade) is None
    assert channel in trade.pushed()
    bench.turn(50)
    assert len(trade.sort()) == 1
