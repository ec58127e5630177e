"""Helpers of the simulator tests: a venue on a hand-turned clock, and clients that log in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from arbitrage.sim.bybit import BybitExchange
from arbitrage.sim.config import SimConfig, SimKeys
from arbitrage.sim.exchange import Connection, Exchange
from arbitrage.sim.instruments import listed
from arbitrage.sim.okx import OkxExchange

START_NS = 1_790_439_600_000_000_000  # on the hour: 2026-09-26 16:00 UTC
KEYS = SimKeys("test-key", "test-secret", "test-pass")


class Clock:
    """Wall clock in nanoseconds that only tests move."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)


class ManualMarket:
    """Quotes are what the test says they are."""

    ended = False

    def __init__(self) -> None:
        self.queue: list[tuple[int, int, int, int, int]] = []

    def advance(self, now_ns: int, sink: Any) -> None:
        queue, self.queue = self.queue, []
        for quote in queue:
            sink(*quote, now_ns)

    def regrid(self, item: Any) -> None:
        """Later quotes are taken in the changed units."""


class Venue:
    """One simulated venue with its clock and market."""

    def __init__(self, venue: str, symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT"),
                 **options: Any) -> None:
        self.config = replace(SimConfig(venue=venue, keys=KEYS), symbols=symbols, **options)
        self.clock = Clock()
        self.market = ManualMarket()
        kind = BybitExchange if venue == "bybit" else OkxExchange
        self.exchange: Exchange = kind(
            self.config, listed(venue, symbols, self.config.environment), self.market, self.clock)
        self.name = venue
        self.reply_headers: dict[str, str] = {}  # of the last REST answer
        self.quote()

    def quote(self, bid: str = "84000.0", ask: str = "84000.1", bid_qty: str = "1",
              ask_qty: str = "1", index: int = 0) -> list[tuple[int, bytes]]:
        """Publish one quote; returns the public frames it made."""
        item = self.exchange.instruments[index]
        self.market.queue.append((
            index, int(Decimal(bid) / item.tick), int(Decimal(ask) / item.tick),
            int(Decimal(bid_qty) / item.lot), int(Decimal(ask_qty) / item.lot)))
        return self.exchange.advance(self.clock())

    def client(self, role: str, login: bool = True) -> Client:
        client = Client(self, role)
        if login:
            assert client.login(), "the right key must be let in"
        return client

    def rest(self, method: str, path: str, query: str = "", body: Any = None,
             headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """One signed REST call."""
        text = "" if body is None else json.dumps(body)
        signed = headers if headers is not None else self.sign(method, path, query, text)
        answer = self.exchange.rest(method, path, query, signed, text.encode())
        self.reply_headers = answer.headers
        return answer.status, json.loads(answer.body)

    def sign(self, method: str, path: str, query: str, body: str) -> dict[str, str]:
        now = self.clock() // 1_000_000
        if self.name == "bybit":
            text = f"{now}{KEYS.key}5000{query if method == 'GET' else body}"
            return {"X-BAPI-API-KEY": KEYS.key, "X-BAPI-TIMESTAMP": str(now),
                    "X-BAPI-RECV-WINDOW": "5000", "X-BAPI-SIGN": hex_sign(text)}
        stamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        stamp += f"{now % 1000:03d}Z"
        target = f"{path}?{query}" if query else path
        demo = self.config.environment == "demo"
        return {**({"x-simulated-trading": "1"} if demo else {}),
                "OK-ACCESS-KEY": KEYS.key, "OK-ACCESS-TIMESTAMP": stamp,
                "OK-ACCESS-PASSPHRASE": KEYS.passphrase,
                "OK-ACCESS-SIGN": base64_sign(f"{stamp}{method}{target}{body}")}

    def equity(self) -> Decimal:
        """Equity as the venue's own REST text says it."""
        if self.name == "bybit":
            row = self.rest("GET", "/v5/account/wallet-balance", "accountType=UNIFIED")[1]
            return Decimal(row["result"]["list"][0]["coin"][0]["equity"])
        row = self.rest("GET", "/api/v5/account/balance")[1]
        return Decimal(row["data"][0]["details"][0]["eq"])


class Client:
    """One socket's client."""

    def __init__(self, venue: Venue, role: str) -> None:
        self.venue = venue
        exchange = venue.exchange
        path = {"public": exchange.public_path, "private": exchange.private_path,
                "trade": exchange.trade_path}[role]
        conn = exchange.connect(path)
        assert conn is not None
        self.conn: Connection = conn
        self.links = 0

    def raw(self, payload: bytes) -> list[bytes]:
        return self.venue.exchange.on_frame(self.conn, payload)

    def send(self, **request: Any) -> list[Any]:
        return [json.loads(reply) for reply in self.raw(json.dumps(request).encode())]

    def login(self, key: str = KEYS.key, secret: str = KEYS.secret, age_s: float = 0.0,
              passphrase: str = KEYS.passphrase) -> bool:
        reply = self.login_reply(key, secret, age_s, passphrase)
        return bool(reply.get("success") or reply.get("retCode") == 0 or reply.get("code") == "0")

    def login_reply(self, key: str = KEYS.key, secret: str = KEYS.secret, age_s: float = 0.0,
                    passphrase: str = KEYS.passphrase) -> Any:
        now = self.venue.clock() / 1e9 - age_s
        if self.venue.name == "bybit":
            expires = int(now * 1000) + 10_000
            args: list[Any] = [key, expires, hex_sign(f"GET/realtime{expires}", secret)]
            return self.send(op="auth", args=args)[0]
        stamp = str(int(now))
        args = [{"apiKey": key, "passphrase": passphrase, "timestamp": stamp,
                 "sign": base64_sign(f"{stamp}GET/users/self/verify", secret)}]
        return self.send(op="login", args=args)[0]

    def pushes(self) -> list[Any]:
        """Private frames for this client since the last look."""
        mine, others = [], []
        for conn, payload in self.venue.exchange.take_pushes():
            (mine if conn is self.conn else others).append((conn, payload))
        self.venue.exchange._pushes = others
        return [json.loads(payload) for _, payload in mine]

    def order(self, op: str = "order.create", stamp_ms: int | None = None, **args: Any) -> Any:
        """Place (or cancel) over Bybit's trade socket."""
        self.links += 1
        base: dict[str, Any] = {"category": "linear", "symbol": "BTCUSDT"}
        if op == "order.create":
            base |= {"side": "Buy", "orderType": "Limit", "qty": "0.010", "price": "84010.00",
                     "timeInForce": "IOC", "orderLinkId": f"link-{id(self)}-{self.links}",
                     "positionIdx": 0, "reduceOnly": False}
        now = self.venue.clock() // 1_000_000 if stamp_ms is None else stamp_ms
        merged = {k: v for k, v in {**base, **args}.items() if v is not None}
        return self.send(reqId=f"r{self.links}", op=op, args=[merged],
                         header={"X-BAPI-TIMESTAMP": str(now), "X-BAPI-RECV-WINDOW": "5000"})[0]

    def okx_order(self, op: str = "order", **args: Any) -> Any:
        """Place (or cancel) over OKX's private socket."""
        self.links += 1
        base: dict[str, Any] = {"instIdCode": 10459}
        if op == "order":
            base |= {"tdMode": "cross", "side": "buy", "ordType": "ioc", "px": "84010",
                     "sz": "1.5", "clOrdId": f"{id(self)}{self.links}"}
        merged = {k: v for k, v in {**base, **args}.items() if v is not None}
        return self.send(id=str(self.links), op=op, args=[merged])[0]


def hex_sign(text: str, secret: str = KEYS.secret) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def base64_sign(text: str, secret: str = KEYS.secret) -> str:
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
