"""A simulated venue behind its fault layer, with clients, on a clock turned by hand."""

from __future__ import annotations

import json
from typing import Any

from sim_kit import Client, Venue

from arbitrage.sim.exchange import Connection
from arbitrage.sim.fault_reading import checked
from arbitrage.sim.faults import Cut, FaultLayer

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
