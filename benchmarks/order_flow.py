"""How many pairs of orders a second leave, and are answered?

Order intents of both venues go into their rings, as the strategy's do. The real senders encode and
send them on the venues' order sockets, and the answers and private pushes of the simulated venues
come back through the real connections to the execution ring. A pair is done when both of its
orders were acknowledged. So many pairs are under way at once, the next begins when one is done. The
simulators are Python, each with a core of its own: they are part of what is measured.
"""

import asyncio
import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from arbitrage.config import Credentials
from arbitrage.core.executions import ExecPublisher
from arbitrage.core.gateway import OrderSender
from arbitrage.core.histogram import Histogram
from arbitrage.core.records import EXEC_DTYPE, ORDER_DTYPE
from arbitrage.core.ring import MpscRing, SpscRing
from arbitrage.errors import ArbitrageError
from arbitrage.runtime.threads import new_event_loop
from arbitrage.secret import Secret
from arbitrage.venues.base import TradedSymbol
from arbitrage.venues.bybit.order_gateway import BybitOrderGateway
from arbitrage.venues.bybit.private_feed import BybitPrivateFeed
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.limits import OrderLimits
from arbitrage.venues.okx.order_gateway import OkxOrderGateway
from arbitrage.venues.okx.private_feed import OkxPrivateFeed
from arbitrage.venues.okx.rest import OkxRest
from benchmarks.harness import Question, Row, Setup
from benchmarks.load_frames import PAIR_SYMBOLS
from benchmarks.wire_rig import KEYS, Venues

__all__ = ["QUESTIONS"]

BAR = 1000.0
UNDER_WAY = 64  # pairs
ORDER_USD = 100.0
SLICE_S = 0.25
READY_S, ANSWER_S, END_S = 30.0, 30.0, 10.0
TURN_S = 0.0  # the loop turns as it would with orders waiting
CORES = 3
FIRST_ID = 1_000_000_000_000_000_000
ACK, REJECT, DONE = 1, 2, 4
BOTH = 0b11  # venues, a bit each
SIDES = (0, 1)  # buy at bybit, sell at okx


class FreeBybit(BybitOrderGateway):
    """Without the venue's limits, which the simulator does not keep here either."""

    order_limits = OrderLimits()


class FreeOkx(OkxOrderGateway):
    """The same."""

    order_limits = OrderLimits()


def credentials_of(index: int) -> Credentials:
    """Return the simulators' key."""
    prefix = ("BYBIT", "OKX")[index]
    parts = {"key": "API_KEY", "secret": "API_SECRET"}
    if index:
        parts["passphrase"] = "API_PASSPHRASE"
    return Credentials(**{part: Secret(KEYS[f"{prefix}_{name}"]) for part, name in parts.items()})


class Desk:
    """One venue's way out and back."""

    def __init__(self, index: int, rest: Any, urls: dict[str, Any], items: list[Any]) -> None:
        names = "bybit", "okx"
        self.index, self.ring = index, SpscRing(1024)
        self.executions = MpscRing(1 << 14)
        self.sent_to_ack = Histogram()
        publisher = ExecPublisher(self.executions)
        self.sender = OrderSender(index, self.ring, publisher)
        self.sender.set_histograms(None, None, self.sent_to_ack)
        self.symbols = [TradedSymbol(row=row, instrument=item) for row, item in enumerate(items)]
        tracker = ExecutionTracker(
            index, names[index], self.symbols, publisher, lambda fill: None, self.sender.settle
        )
        credentials = credentials_of(index)
        line, private = ((FreeBybit, BybitPrivateFeed), (FreeOkx, OkxPrivateFeed))[index]
        url = urls["private_ws_url" if index else "trade_ws_url"]
        self.line: Any = line(
            url, credentials, rest, self.sender, tracker, self.symbols, ack_timeout_s=ANSWER_S
        )
        self.private: Any = private(
            urls["private_ws_url"], credentials, rest, tracker,
            on_caught_up=self.line.ask_unsettled,
        )  # fmt: skip
        self._producer, self._consumer = self.ring.producer(), self.executions.consumer()
        self._order = np.zeros(1, ORDER_DTYPE)
        self.prices: tuple[float, ...] = ()  # by symbol, between the venue's quotes

    def push(self, number: int) -> None:
        """Put the order of a pair into the ring, at the middle of the book: it cannot fill."""
        item = self.symbols[number % len(self.symbols)]
        order = self._order[0]
        order["client_id"] = FIRST_ID + number
        order["recv_mono_ns"] = time.monotonic_ns()
        px, contract = self.prices[item.row], item.instrument
        lot_usd = px * float(contract.lot * contract.qty_mult)
        order["px_ticks"] = int(Decimal(str(px)) / contract.tick)
        order["qty_lots"] = max(contract.min_lots, math.ceil(ORDER_USD / lot_usd))
        order["row"], order["venue"], order["side"] = item.row, self.index, SIDES[self.index]
        if not self._producer.try_push(self._order.tobytes()):
            raise ArbitrageError("the order ring was full")

    def answers(self) -> Iterator[int]:
        """Yield the pairs whose orders were acknowledged, or ended, since the last call."""
        for event in self._consumer.drain(dtype=EXEC_DTYPE):
            if event["kind"] == REJECT:
                raise ArbitrageError(f"an order was refused with code {event['venue_code']}")
            if event["kind"] in (ACK, DONE):  # the private word may be the first
                yield int(event["client_id"]) - FIRST_ID


async def flow(desks: list[Desk], seconds: float, first: int) -> tuple[list[float], int]:
    """Keep pairs under way for so long; return pairs a second of each slice, and the next pair."""
    waiting: dict[int, int] = {}
    number, done, rates = first, 0, []
    begin_s = slice_s = time.monotonic()
    while True:
        now_s = time.monotonic()
        is_over = now_s - begin_s >= seconds
        if now_s - slice_s >= SLICE_S:
            rates.append(done / (now_s - slice_s))
            done, slice_s = 0, now_s
        while not is_over and len(waiting) < UNDER_WAY:
            waiting[number] = 0
            for desk in desks:
                desk.push(number)
            number += 1
        for desk in desks:
            desk.sender.poll()
        await asyncio.sleep(TURN_S)
        for desk in desks:
            for pair in desk.answers():
                if pair in waiting:
                    waiting[pair] |= 1 << desk.index
                    if waiting[pair] == BOTH:
                        del waiting[pair]
                        done += 1
        if is_over and not waiting:
            return rates, number
        if now_s - begin_s > seconds + ANSWER_S:
            raise ArbitrageError(f"{len(waiting)} pairs were not acknowledged in {ANSWER_S:g} s")


async def settled(desks: list[Desk]) -> None:
    """Wait until every order has ended, by the venues' private word."""
    end_s = time.monotonic() + END_S
    while any(desk.sender.unsettled_count for desk in desks):
        if time.monotonic() > end_s:
            left = [desk.sender.unsettled_count for desk in desks]
            raise ArbitrageError(f"{left} orders did not end within {END_S:g} s")
        await asyncio.sleep(0.01)


async def trade(setup: Setup, venues: Venues) -> tuple[list[float], int, list[Desk]]:
    ready = [venues.ready[name] for name in ("bybit", "okx")]
    async with AsyncExitStack() as stack:
        desks, tasks = [], []
        for index, kind in enumerate((BybitRest, OkxRest)):
            rest: Any = kind(ready[index]["rest_url"], credentials_of(index))
            await stack.enter_async_context(rest)
            await rest.sync_clock()
            listed = {item.symbol: item for item in await rest.instruments()}
            items = [listed[symbol] for symbol in PAIR_SYMBOLS]
            desk = Desk(index, rest, ready[index], items)
            for item in items:
                top = await rest.top_of_book(item.venue_symbol)
                desk.prices += ((top.bid_px + top.ask_px) / 2,)
            desks.append(desk)
            tasks += [asyncio.ensure_future(part.run()) for part in (desk.line, desk.private)]
        try:
            for desk in desks:
                await desk.private.wait_ready(READY_S)
                await desk.line.wait_ready(READY_S)
            _, number = await flow(desks, min(0.5, setup.seconds), 0)
            setup.say("warm")
            rates, end = await flow(desks, setup.seconds, number)
            await settled(desks)
        finally:
            for desk in desks:
                desk.line.stop()
                desk.private.stop()
            await asyncio.gather(*tasks, return_exceptions=True)
    return rates, end - number, desks


def measure(setup: Setup) -> Row:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arb-orders-")))
        venues = Venues(folder, stack)
        for core, program in zip(setup.cores[1:], venues.programs, strict=False):
            program.keep_to((core,))
        loop = new_event_loop()
        stack.callback(loop.close)
        rates, pairs, desks = loop.run_until_complete(trade(setup, venues))
    rate = float(np.median(rates))
    return Row(
        name="orders",
        unit="pairs/s",
        p50=rate,
        p99=float(np.percentile(rates, 1)),
        n=pairs,
        note=f"{UNDER_WAY} pairs under way, two orders each, encoded, sent and acknowledged; every "
        "one ended by the venue's private word (asserted); simulators on cores of their own",
        bar=">= 1,000 pairs/s",
        holds=rate >= BAR,
        more={
            f"sent_to_ack_us_{name}": desk.sent_to_ack.percentiles(0.5)[0] / 1000
            for name, desk in zip(("bybit", "okx"), desks, strict=True)
        },
    )


QUESTIONS = (
    Question(
        "orders", CORES, measure, "order intents to acknowledged orders, both venues",
        least_s=11.0, quick=False,
    ),
)  # fmt: skip
