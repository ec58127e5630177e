"""How many market records a second does a backtest handle, beside hftbacktest where installed?"""

import importlib.util
import time
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbitrage.core.market_records import MARKET_DTYPE, MarketFlag, MarketKind
from arbitrage.research.backtest import backtest
from arbitrage.research.contracts import simulated_contracts
from arbitrage.research.latency import Latency
from arbitrage.research.market import MarketData
from arbitrage.research.results import Backtest
from benchmarks.harness import Question, Row, Samples, Setup, interleave

__all__ = ["QUESTIONS"]

BAR_PER_S, BAR_DEPTH_PER_S = 2_000_000, 500_000
RECORDS = 200_000
LEVELS = 20  # of a side
TICK = 0.1
START = 1_772_000_000_000_000_000
# small orders and no fees: what is found depends on prices alone, as the peer sees them
CONFIG = {
    "fees": {"bybit": 0, "okx": 0}, "max_order_usd": 700, "max_position_usd": 1e6,
    "min_gross_bps": -1000, "depth_factor": 1, "max_orders_per_s": 10_000,
    "max_day_loss_usd": 0, "suspect_ms": 0,
}  # fmt: skip
DEPTH_BPS, QUOTE_BPS = 6.0, 5.0


def _walk(rng: np.random.Generator, count: int, bps: float) -> "NDArray[np.float64]":
    """Return a deviation that returns to zero, in fractions."""
    weights = 0.99 ** np.arange(600)
    noise = rng.normal(0, bps * 1e-4 * np.sqrt(1 - 0.99**2), count)
    return np.convolve(noise, weights)[:count]


@cache
def quotes() -> MarketData:
    """Return quotes of two symbols at two venues, 4,000 a second together."""
    rng = np.random.default_rng(5)
    found = np.zeros(RECORDS, MARKET_DTYPE)
    found["recv_ns"] = START + np.cumsum(rng.integers(1_000, 499_000, RECORDS))
    found["exch_ns"] = found["recv_ns"] - rng.integers(500_000, 3_000_000, RECORDS)
    found["venue"], found["symbol"] = rng.integers(0, 2, (2, RECORDS))
    found["kind"], found["flags"] = MarketKind.QUOTE, MarketFlag.LAST
    found["number"] = np.arange(1, RECORDS + 1)
    away = np.where(found["venue"] == 0, _walk(rng, RECORDS, 1.2), _walk(rng, RECORDS, 1.2))
    for symbol, (px, tick) in enumerate(((60_000.0, 0.1), (3_000.0, 0.01))):
        row = found["symbol"] == symbol
        bid = np.round(px * (1 + away[row]) / tick)
        found["bid_px"][row] = np.round(bid * tick, 2)
        found["ask_px"][row] = np.round((bid + 1) * tick, 2)
    found["bid_qty"], found["ask_qty"] = rng.integers(100, 3_000, (2, RECORDS)) / 100
    symbols = ("BTCUSDT", "ETHUSDT")
    return MarketData.from_records(found, symbols, simulated_contracts(symbols))


class _Book:
    """One venue's book of 20 levels a side, changed a level or a step of the mid at a time."""

    def __init__(self, rng: np.random.Generator, venue: int) -> None:
        self.venue, self.mid = venue, 60_000
        self.chance = rng.random((RECORDS, 2)).tolist()
        # OKX counts contracts of 0.01 coins
        self.sizes = (rng.integers(100, 3_000, RECORDS) / (1 if venue else 100)).tolist()
        self.at = 0

    def frame(self) -> list[tuple[float, float, float, float]]:
        """Return the records of the next frame: bid px, qty, ask px, qty."""
        chance, where = self.chance[self.at]
        size = self.sizes[self.at]
        self.at += 1
        nan = float("nan")
        if chance < 0.8:
            step = 1 + int(where * LEVELS)
            if chance < 0.4:
                return [(round((self.mid - step) * TICK, 1), size, nan, nan)]
            return [(nan, nan, round((self.mid + step) * TICK, 1), size)]
        # away from where it began less often than back
        up = where < 0.5 - (self.mid - 60_000) / 1_000
        old, self.mid = self.mid, self.mid + (1 if up else -1)
        near = self.mid - 1 if up else self.mid + 1  # is quoted now
        gone = old + 1 if up else old - 1
        far, last = (self.mid + LEVELS, old - LEVELS) if up else (self.mid - LEVELS, old + LEVELS)
        px = [round(ticks * TICK, 1) for ticks in (near, gone, far, last)]
        if up:
            return [(px[0], size, px[1], 0.0), (px[3], 0.0, px[2], size)]
        return [(px[1], 0.0, px[0], size), (px[2], size, px[3], 0.0)]


@cache
def books() -> MarketData:
    """Return books of one symbol at two venues, a frame each quarter of a millisecond."""
    rng = np.random.default_rng(6)
    venues = [_Book(rng, venue) for venue in (0, 1)]
    rows: list[tuple[Any, ...]] = []
    last, snapshot, kind = int(MarketFlag.LAST), int(MarketFlag.SNAPSHOT), int(MarketKind.LEVEL)
    at = START
    for book in venues:
        for step in range(1, LEVELS + 1):
            flags = (snapshot if step == 1 else 0) | (last if step == LEVELS else 0)
            bid, ask = (round((book.mid + sign * step) * TICK, 1) for sign in (-1, 1))
            qty = 500.0 if book.venue else 5.0
            rows.append((at, at, bid, qty, ask, qty, 0, 0, book.venue, kind, flags))
        at += 100_000
    turns = rng.integers(0, 2, RECORDS).tolist()
    number = 1
    while len(rows) < RECORDS:
        book = venues[turns[number]]
        at += 250_000
        frame = book.frame()
        for place, levels in enumerate(frame):
            flags = last if place == len(frame) - 1 else 0
            rows.append((at, at - 500_000, *levels, number, 0, book.venue, kind, flags))
        number += 1
    found = np.array(rows, MARKET_DTYPE)
    return MarketData.from_records(found, ("BTCUSDT",), simulated_contracts(("BTCUSDT",)))


def run(data: MarketData, min_net_bps: float) -> Backtest:
    return backtest(data, config=CONFIG | {"min_net_bps": min_net_bps}, sample_s=0,
                    latency=Latency.constant(order_us=1000, reply_us=1000))  # fmt: skip


def crossings(found: Backtest) -> int:
    """Return how often a direction began to pay."""
    return int((found.opportunities["event"] == 1).sum())


# ---- the peer ------------------------------------------------------------------------------------


def _events(data: MarketData, venue: int) -> "NDArray[np.void]":
    """Return one venue's levels as hftbacktest takes them, an event a level."""
    from hftbacktest.types import (
        BUY_EVENT,
        DEPTH_EVENT,
        EXCH_EVENT,
        LOCAL_EVENT,
        SELL_EVENT,
        event_dtype,
    )

    rows = data.records()
    rows = rows[rows["venue"] == venue]
    parts = []
    for side, name in ((BUY_EVENT, "bid"), (SELL_EVENT, "ask")):
        kept = np.flatnonzero(~np.isnan(rows[f"{name}_px"]))
        part = np.zeros(len(kept), event_dtype)
        part["ev"] = DEPTH_EVENT | side | EXCH_EVENT | LOCAL_EVENT
        part["local_ts"], part["exch_ts"] = rows["recv_ns"][kept], rows["exch_ns"][kept]
        part["px"], part["qty"] = rows[f"{name}_px"][kept], rows[f"{name}_qty"][kept]
        parts.append((kept, part))
    order = np.argsort(np.concatenate([kept for kept, _ in parts]), kind="stable")
    return np.concatenate([part for _, part in parts])[order]


@cache
def peer_loop() -> Any:
    """Return the peer's side of the question, compiled: crossings of two books, both ways."""
    from numba import njit

    @njit  # type: ignore[untyped-decorator]
    def loop(hbt: Any, bps: float) -> int:
        opened, buys, sells = 0, False, False
        while hbt.wait_next_feed(False, 1_000_000_000_000) == 2:
            one, other = hbt.depth(0), hbt.depth(1)
            now = (other.best_bid - one.best_ask) / one.best_ask * 1e4 >= bps
            opened += now and not buys
            buys = now
            now = (one.best_bid - other.best_ask) / other.best_ask * 1e4 >= bps
            opened += now and not sells
            sells = now
        return opened

    return loop


def peer_run(feeds: list["NDArray[np.void]"]) -> tuple[int, float]:
    """Return how many crossings hftbacktest finds, and how many seconds that takes."""
    from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest

    assets = [
        BacktestAsset()
        .data([feed])
        .linear_asset(1.0)
        .constant_order_latency(1_000_000, 1_000_000)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .tick_size(TICK)
        .lot_size(0.001)
        for feed in feeds
    ]
    hbt = HashMapMarketDepthBacktest(assets)
    begin = time.perf_counter()
    found = int(peer_loop()(hbt, DEPTH_BPS))
    elapsed_s = time.perf_counter() - begin
    hbt.close()
    return found, elapsed_s


# ---- the questions -------------------------------------------------------------------------------


def _ours(data: MarketData, min_net_bps: float, wanted: Backtest) -> Samples:
    begin = time.perf_counter()
    found = run(data, min_net_bps)
    elapsed_s = time.perf_counter() - begin
    assert found == wanted, "two runs gave different results"
    return np.array([len(data.records()) / elapsed_s])


def _copied(data: MarketData) -> Samples:
    begin = time.perf_counter()
    data.records().copy()
    return np.array([len(data.records()) / (time.perf_counter() - begin)])


def measure(setup: Setup) -> Row:
    data = quotes()
    first = run(data, QUOTE_BPS)
    found = interleave(setup, {
        "ours": lambda: _ours(data, QUOTE_BPS, first), "floor": lambda: _copied(data),
    })  # fmt: skip
    mine, floor = found["ours"], found["floor"]
    return Row(
        name="backtest",
        unit="records/s",
        p50=mine.at(50),
        p99=mine.at(1),
        floor="copying the records",
        floor_p50=floor.at(50),
        floor_p99=floor.at(1),
        ratio_to_floor=floor.ratio(mine),
        n=len(data.records()) * mine.n,
        bar=">= 2,000,000 records/s",
        judge=lambda row: row.p50 >= BAR_PER_S,
        note=f"{len(data.records()):,} quotes of 2 symbols at 2 venues, fills at the touch; "
        f"{crossings(first):,} opportunities, {len(first.orders):,} orders; passes asserted "
        "equal; start, settings and results included; one core",
    )


def measure_depth(setup: Setup) -> Row:
    data = books()
    first = run(data, DEPTH_BPS)
    questions = {
        "ours": lambda: _ours(data, DEPTH_BPS, first), "floor": lambda: _copied(data),
    }  # fmt: skip
    has_peer = importlib.util.find_spec("hftbacktest") is not None
    if has_peer:
        feeds = [_events(data, venue) for venue in (0, 1)]
        events = sum(map(len, feeds))
        same, _ = peer_run(feeds)  # compiled now
        assert same == crossings(first), f"the peer found {same} crossings, we {crossings(first)}"
        questions["peer"] = lambda: np.array([events / peer_run(feeds)[1]])
    found = interleave(setup, questions)
    mine, floor, peer = found["ours"], found["floor"], found.get("peer")
    return Row(
        name="backtest_depth",
        unit="records/s",
        p50=mine.at(50),
        p99=mine.at(1),
        floor="copying the records",
        floor_p50=floor.at(50),
        floor_p99=floor.at(1),
        ratio_to_floor=floor.ratio(mine),
        peer="hftbacktest: two books and one comparison of both ways"
        if peer is not None
        else "hftbacktest (not installed: pip install -e '.[peers]')",
        peer_p50=peer.at(50) if peer is not None else None,
        ratio_to_peer=mine.ratio(peer) if peer is not None else None,
        n=len(data.records()) * mine.n,
        bar=">= 500,000 records/s",
        judge=lambda row: row.p50 >= BAR_DEPTH_PER_S,
        note=f"{len(data.records()):,} levels of 1 symbol at 2 venues; {crossings(first):,} "
        f"opportunities, {len(first.orders):,} orders that walk the books; passes asserted equal"
        + ("; the peer finds as many crossings, and trades nothing" if peer is not None else ""),
    )


QUESTIONS = (
    Question("backtest", 1, measure, "quotes a second through detector, strategy and venues"),
    Question("backtest_depth", 1, measure_depth, "levels a second, with books that are walked"),
)
