"""Continuous reconciliation: a difference that stays is told once, one that passes is not."""

import asyncio
import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from virtual_loop import run_virtual

from arbitrage.core.risk import PAUSES
from arbitrage.instruments import Instrument
from arbitrage.runtime.reconciler import Reconciler
from arbitrage.venues.base import Position, TradedSymbol

CAPACITY, SETTLE_S, TICK_S = 8, 2.0, 0.25
LOT = {"bybit": Decimal("0.001"), "okx": Decimal("0.1")}
BIT = PAUSES["reconciliation"]


def traded(venue: str, row: int) -> TradedSymbol:
    instrument = Instrument(
        venue=venue, venue_symbol=f"{venue}-BTC", symbol="BTCUSDT", base="BTC", settle="USDT",
        contract_base_qty=Decimal(1), tick=Decimal("0.1"), lot=LOT[venue], min_qty=LOT[venue],
        max_qty=Decimal(1000),
    )  # fmt: skip
    return TradedSymbol(row, instrument)


class Told:
    """A private stream: positions as pushed, and as REST would tell them."""

    is_ready = True

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.account: Any = self
        self.positions: dict[str, Position] = {}
        self.catch_up_count = 0
        self.reads = 0
        self.rest_lots: int | None = None  # None: as pushed
        self.on_catch_up: Any = lambda: None

    def push(self, lots: int) -> None:
        name = f"{self.venue}-BTC"
        qty = lots * LOT[self.venue]
        self.positions[name] = Position(
            venue=self.venue, venue_symbol=name, qty_venue=qty, entry_px=Decimal(1)
        )

    async def read_account(self) -> None:
        self.reads += 1
        if self.rest_lots is not None:
            self.push(self.rest_lots)

    async def catch_up(self) -> None:
        self.on_catch_up()
        await self.read_account()


class Desk:
    """Both venues, one symbol, and the strategy's legs."""

    def __init__(self, every_s: float = 1.0) -> None:
        self.told = {venue: Told(venue) for venue in LOT}
        self.legs: list[dict[str, Any]] = [
            {"row": row, "lots": 0, "orders": []} for row in (0, CAPACITY)
        ]
        self.paused = 0
        self.pauses = 0
        self.reconciler = Reconciler(
            list(self.told.values()),
            {"bybit": [traded("bybit", 0)], "okx": [traded("okx", CAPACITY)]},
            self.pair, self, CAPACITY, every_s, settle_s=SETTLE_S, tick_s=TICK_S,
        )  # fmt: skip

    def pair(self, symbol_index: int) -> Mapping[str, Any]:
        return {"legs": self.legs}

    def pause(self, symbol_index: int, reason: int) -> None:
        assert symbol_index == 0
        self.pauses += 1
        self.paused |= reason

    def pause_reasons(self, symbol_index: int) -> int:
        return self.paused

    def hold(self, lots: int, *, is_busy: bool = False) -> None:
        """Let the strategy count so much, long at Bybit and short at OKX."""
        orders = [{"state": "live" if is_busy else "done"}]
        for leg in self.legs:
            leg |= {"lots": lots, "orders": orders}

    def push(self, lots: int) -> None:
        self.told["bybit"].push(lots)
        self.told["okx"].push(-lots)

    async def watch(self, seconds: float) -> None:
        task = asyncio.ensure_future(self.reconciler.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_what_agrees_is_silent_and_is_read_again_and_again() -> None:
    desk = Desk()
    desk.hold(30)
    desk.push(30)
    run_virtual(desk.watch(60))
    assert desk.reconciler.report_count == 0
    assert desk.told["bybit"].reads > 5


def test_fills_whose_pushes_come_late_are_no_alarm() -> None:
    async def main(seed: int) -> Desk:
        rng, desk = random.Random(seed), Desk()
        task = asyncio.ensure_future(desk.watch(600))
        lots = 0
        while not task.done():
            lots = rng.randint(0, 50)
            late = rng.random() < 0.5
            desk.hold(lots, is_busy=rng.random() < 0.3) if late else desk.push(lots)
            await asyncio.sleep(rng.uniform(0, SETTLE_S * 0.6))
            desk.push(lots) if late else desk.hold(lots)
            await asyncio.sleep(rng.uniform(0, SETTLE_S * 0.6))
        return desk

    async def all_of_them() -> list[Desk]:
        return await asyncio.gather(*(main(seed) for seed in range(20)))

    for desk in run_virtual(all_of_them()):
        assert desk.reconciler.report_count == 0
        assert desk.paused == 0
        assert desk.told["okx"].reads > 10


def test_an_order_that_is_under_way_explains_everything() -> None:
    desk = Desk()
    desk.hold(30, is_busy=True)
    run_virtual(desk.watch(4 * SETTLE_S))
    assert desk.reconciler.report_count == 0


def test_a_difference_that_stays_pauses_the_symbol_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    desk.hold(30)
    desk.push(30)
    desk.told["bybit"].push(25)
    run_virtual(desk.watch(5 * SETTLE_S))
    assert (desk.paused, desk.pauses, desk.reconciler.report_count) == (BIT, 1, 1)
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "bybit: bybit-BTC: the venue says that we hold 0.025, the strategy counts 0.030" in line
    assert "`arb resume BTCUSDT`" in line


def test_a_pause_that_was_lifted_comes_back_while_the_difference_stays() -> None:
    async def main(desk: Desk) -> None:
        await desk.watch(30)
        assert (desk.paused, desk.pauses) == (BIT, 1)
        desk.paused = 0
        await desk.watch(30)

    desk = Desk()
    desk.told["bybit"].push(5)
    run_virtual(main(desk))
    assert desk.paused == BIT
    assert desk.reconciler.report_count == 2


def test_an_execution_that_was_missed_is_read_and_explains_it() -> None:
    desk = Desk()
    desk.hold(30)
    desk.push(30)
    desk.told["okx"].push(-20)
    desk.told["okx"].on_catch_up = lambda: desk.legs[1].update(lots=20)
    run_virtual(desk.watch(5 * SETTLE_S))
    assert desk.reconciler.report_count == 0


def test_a_push_that_never_came_is_read_over_rest() -> None:
    desk = Desk()
    desk.hold(30)
    desk.told["bybit"].rest_lots, desk.told["okx"].rest_lots = 30, -30
    run_virtual(desk.watch(4 * SETTLE_S))
    assert desk.reconciler.report_count == 0


def test_a_venue_that_is_away_is_not_judged_and_is_asked_when_it_is_back() -> None:
    async def main(desk: Desk) -> None:
        task = asyncio.ensure_future(desk.watch(8 * SETTLE_S))
        await asyncio.sleep(3 * SETTLE_S)
        assert desk.reconciler.report_count == 0
        desk.told["okx"].is_ready = True
        desk.told["okx"].catch_up_count += 1
        await task

    desk = Desk(every_s=60.0)
    desk.told["okx"].is_ready = False
    desk.told["okx"].push(7)
    run_virtual(main(desk))
    assert desk.reconciler.report_count == 1, "a reconnect is looked at without the timer"
