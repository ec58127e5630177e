"""The market pays a plain taker after real fees: both venues in virtual time, orders with latency.

A strategy that enters at a net edge above zero and leaves when the pair has earned one basis point
must end with a profit and without many one-sided fills, or the demo cannot show what it is for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import pytest
from sim_kit import KEYS, START_NS, Clock

from arbitrage.sim.config import SimConfig
from arbitrage.sim.exchange import Exchange
from arbitrage.sim.matching import BUY, SELL, Order
from arbitrage.sim.server import make_exchange

FEES_BPS = 21.0
SLIP = 2e-4
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
SIZE = (0.024, 0.7, 11.0)  # base units on both venues' grids, about 2,000 USD


@dataclass
class Pair:
    buy: int
    sell: int
    entry_bps: float


class Taker:
    """Trades every symbol, one pair at a time, ``latency_ms`` after it has seen a price."""

    def __init__(self, seed: int, rate: int, latency_ms: int) -> None:
        self.clock = Clock(START_NS)
        self.venues: list[Exchange] = [
            make_exchange(SimConfig(venue=venue, symbols=SYMBOLS, seed=seed, rate=rate,
                                    t0_ns=START_NS, keys=KEYS), self.clock)
            for venue in ("bybit", "okx")]
        self.latency_ms = latency_ms
        self.pairs: list[Pair | None] = [None] * len(SYMBOLS)
        self.waiting: dict[int, tuple[int, Callable[[], None]]] = {}
        self.closed = self.one_sided = self.orders = 0

    def run(self, seconds: int) -> None:
        for ms in range(seconds * 1000):
            self.clock.now_ns = START_NS + ms * 1_000_000
            for venue in self.venues:
                venue.advance(self.clock.now_ns)
            for index in range(len(SYMBOLS)):
                due, action = self.waiting.get(index, (ms + 1, lambda: None))
                if due <= ms:
                    del self.waiting[index]
                    action()
                elif index not in self.waiting:
                    self.look(index, ms)
        self.clock.now_ns += 1
        for index, pair in enumerate(self.pairs):
            if pair is not None:
                self.leave(index, pair)

    def top(self, venue: int, index: int) -> tuple[float, float]:
        book = self.venues[venue].matcher.books[index]
        tick = self.venues[venue].instruments[index].tick_float
        return book.bid_ticks * tick, book.ask_ticks * tick

    def look(self, index: int, ms: int) -> None:
        pair = self.pairs[index]
        if pair is not None:
            bid, ask = self.top(pair.buy, index)[0], self.top(pair.sell, index)[1]
            if pair.entry_bps + (bid / ask - 1) * 1e4 - FEES_BPS >= 1:
                self.waiting[index] = (ms + self.latency_ms, lambda: self.leave(index, pair))
            return
        for buy, sell in ((0, 1), (1, 0)):
            ask, bid = self.top(buy, index)[1], self.top(sell, index)[0]
            if (bid / ask - 1) * 1e4 > FEES_BPS:
                self.waiting[index] = (ms + self.latency_ms,
                                       lambda b=buy, s=sell, a=ask, p=bid:  # type: ignore[misc]
                                       self.enter(index, b, s, a, p))

    def send(self, venue: int, index: int, side: int, px: float, reduce_only: bool) -> Order:
        exchange = self.venues[venue]
        item = exchange.instruments[index]
        self.orders += 1
        lots = round(SIZE[index] / float(item.lot * item.contract_value))
        ticks = int(px / item.tick_float) + (side == BUY)
        order = Order(item, side, "limit", "IOC", ticks, lots, str(self.orders), reduce_only)
        exchange.matcher.submit(order, str(self.orders), self.clock())
        return order

    def enter(self, index: int, buy: int, sell: int, ask: float, bid: float) -> None:
        bought = self.send(buy, index, BUY, ask * (1 + SLIP), False)
        sold = self.send(sell, index, SELL, bid * (1 - SLIP), False)
        if bought.state == sold.state == "filled":
            edge = float(sold.average_px / bought.average_px - 1) * 1e4
            self.pairs[index] = Pair(buy, sell, edge)
            return
        self.one_sided += bought.filled_lots > 0 or sold.filled_lots > 0
        if bought.filled_lots:
            self.send(buy, index, SELL, ask * 0.99, True)
        if sold.filled_lots:
            self.send(sell, index, BUY, bid * 1.01, True)

    def leave(self, index: int, pair: Pair) -> None:
        self.send(pair.buy, index, SELL, self.top(pair.buy, index)[0] * 0.99, True)
        self.send(pair.sell, index, BUY, self.top(pair.sell, index)[1] * 1.01, True)
        self.pairs[index] = None
        self.closed += 1


@pytest.mark.parametrize(("seed", "rate", "latency_ms"), [(7, 2000, 1), (7, 600, 3), (11, 2000, 5)])
def test_a_plain_taker_earns_after_fees(seed: int, rate: int, latency_ms: int) -> None:
    taker = Taker(seed, rate, latency_ms)
    taker.run(12)
    assert taker.closed >= 3 * 12 / 3 - 3, "about every gap of every symbol was traded"
    assert taker.one_sided <= 1
    net = sum((v.matcher.equity() - v.matcher.start for v in taker.venues), Decimal(0))
    assert net > taker.closed, "more than a dollar a pair of 2,000"
    assert all(p.lots == 0 for v in taker.venues for p in v.matcher.positions)
