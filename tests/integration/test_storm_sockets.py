"""Both venues refuse everybody for a minute, then accept: all connections of a trader, on sockets.

The venues are processes of their own, so that the stalls of our loop are ours. A stall counts by
the processor time of the loop's thread: what the machine takes away meanwhile is printed beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from picows import ws_connect
from venue_kit import MARKET, NAMES, REST, VENUES, Desk, keys, run, until

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.feed import FeedLane
from arbitrage.core.records import RowState
from arbitrage.core.segment import Segment
from arbitrage.core.stages import Stages
from arbitrage.venues.base import MarketSymbol
from arbitrage.venues.connect_budget import CONNECT_CAPS, ConnectBudget
from arbitrage.venues.reconnect import Backoff, ReconnectPolicy

OUTAGE_S = 60.0
LIVE_WITHIN_S = 3.0
STALL_NS_MAX = 5_000_000
CAPS = {"bybit": (500, 300.0), "okx": (3, 1.0)}


def start(venue: str, ready: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "arbitrage.sim", "--venue", venue, "--symbols", "BTCUSDT",
         "--rate", "200", "--ws-port", "0", "--rest-port", "0", "--admin", "--ready-file",
         str(ready), "--exit-with-parent"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextlib.asynccontextmanager
async def processes(folder: Path) -> AsyncIterator[dict[str, dict[str, str]]]:
    """Both venues; their addresses."""
    children = [start(venue, folder / venue) for venue in VENUES]
    urls: dict[str, dict[str, str]] = {}
    try:
        for venue in VENUES:
            await until((folder / venue).exists, 20.0, f"the simulated {venue}")
            urls[venue] = json.loads((folder / venue).read_text())
        yield urls
    finally:
        for child in children:
            child.terminate()
            child.wait(10)


class Meter:
    """How long the loop was busy at a stretch, by the clock and by its thread's processor time."""

    def __init__(self) -> None:
        self.wall_ns = self.own_ns = 0

    async def run(self) -> None:
        while True:
            wall_ns, own_ns = time.monotonic_ns(), time.thread_time_ns()
            await asyncio.sleep(0)
            self.wall_ns = max(self.wall_ns, time.monotonic_ns() - wall_ns)
            self.own_ns = max(self.own_ns, time.thread_time_ns() - own_ns)
            await asyncio.sleep(0.0005)


class Lines:
    """All connections to one venue: market data, private data, orders."""

    def __init__(self, venue: str, urls: dict[str, str], lane: FeedLane, row: int, desk: Desk):
        self.attempts_s: list[float] = []
        feed = MARKET[venue](
            urls["public_ws_url"], VENUES.index(venue), lane,
            [MarketSymbol(row, NAMES[venue], "BTCUSDT")], depth="full")
        self.all: list[Any] = [feed, desk.private, desk.gateway]
        budget = ConnectBudget(CONNECT_CAPS[venue])
        for line in self.all:
            line.connect_budget = budget
            line._backoff = Backoff(ReconnectPolicy())
            line._connector = self.connect

    async def connect(self, listener: Any, url: str, *, ssl_context: Any = None) -> Any:
        self.attempts_s.append(asyncio.get_running_loop().time())
        return await ws_connect(listener, url, ssl_context=ssl_context)

    def most_within(self, window_s: float) -> int:
        return max(sum(at <= other < at + window_s for other in self.attempts_s)
                   for at in self.attempts_s)


async def storm(folder: Path, segment: Segment, outage_s: float) -> None:
    lane = FeedLane(segment, 0)
    lane.attach_loop(None, Stages(segment, OpportunityDetector(segment.store), placement="inline"))
    async with contextlib.AsyncExitStack() as opened:
        urls = await opened.enter_async_context(processes(folder))
        venues: dict[str, Lines] = {}
        for number, venue in enumerate(VENUES):
            rest = await opened.enter_async_context(REST[venue](urls[venue]["rest_url"], keys()))
            await rest.sync_clock()
            (instrument,) = [i for i in await rest.instruments() if i.symbol == "BTCUSDT"]
            server: Any = SimpleNamespace(urls=urls[venue])
            desk = Desk(venue, server, rest, instrument)
            venues[venue] = Lines(venue, urls[venue], lane, segment.store.row(number, 0), desk)
        lines = [line for venue in venues.values() for line in venue.all]
        tasks = [asyncio.ensure_future(line.run()) for line in lines]

        def is_up() -> bool:
            states = {segment.store.read_row(venue, 0).state for venue in VENUES}
            return states == {RowState.LIVE} and all(line.is_ready for line in lines)

        await until(is_up, 15.0, "all lines")
        plan = {"rule": [{"what": "reset"}, {"what": "refuse", "until_s": outage_s}]}
        meter = Meter()
        metering = asyncio.ensure_future(meter.run())
        async with aiohttp.ClientSession() as session:
            for venue in VENUES:
                await session.post(f"{urls[venue]['rest_url']}/admin/faults", json=plan)
        end_s = time.monotonic() + outage_s
        await asyncio.sleep(outage_s - 0.5)
        assert not any(line.is_ready for line in lines)
        await until(is_up, 15.0, "everything is back")
        took_s = max(0.0, time.monotonic() - end_s)
        metering.cancel()
        for line in lines:
            line.stop()
        await asyncio.gather(*tasks, return_exceptions=True)
    judge(venues, took_s, meter)


def judge(venues: dict[str, Lines], took_s: float, meter: Meter) -> None:
    for venue, lines in venues.items():
        count, window_s = CAPS[venue]
        most = lines.most_within(window_s)
        gaps = [b - a for a, b in pairwise(lines.attempts_s)]
        mean_s = sum(gaps) / len(gaps)
        spread_s = (sum((gap - mean_s) ** 2 for gap in gaps) / len(gaps)) ** 0.5
        print(f"{venue}: {len(lines.attempts_s)} attempts, at most {most} in {window_s:g} s (cap "
              f"{count}); pauses {mean_s:.2f} s, spread {spread_s:.2f} s")
        assert most <= count
        assert spread_s > 0.2 * mean_s
    print(f"LIVE again {took_s:.2f} s after the venues accepted; longest stretch of the loop "
          f"{meter.own_ns / 1e6:.2f} ms of its own, {meter.wall_ns / 1e6:.2f} ms by the clock")
    assert took_s <= LIVE_WITHIN_S
    assert meter.own_ns <= STALL_NS_MAX


def weather(folder: Path, outage_s: float) -> None:
    segment = Segment.create(f"storm-{os.getpid()}", symbol_capacity=2, tick_capacity=4096)
    segment.symbols.add("BTCUSDT", dict(NAMES))
    for venue in VENUES:
        segment.store.set_instrument(segment.store.row(venue, 0))
    try:
        run(lambda: storm(folder, segment, outage_s), outage_s + 60.0)
    finally:
        segment.close()


@pytest.mark.long
def test_a_minute_of_refusals_on_sockets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    weather(tmp_path, OUTAGE_S)
