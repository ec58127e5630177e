"""A trader in a burst of orders, killed again and again, and the venues' own word on what came."""

import asyncio
import json
import os
import random
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from patience import LIMIT_S, Patience
from stalls import Stalls
from trader_kit import Trader, Venues, credentials, trader, venues

from arbitrage.cold.screens.commands import Commands
from arbitrage.control import ControlClient
from arbitrage.core.risk import KILLS
from arbitrage.core.segment import Segment
from arbitrage.trading.kill_record import WISH_NAME, read_kill
from arbitrage.venues.bybit.rest import CATEGORY, BybitRest
from arbitrage.venues.okx.rest import OkxRest
from arbitrage.venues.rest_client import ORDER_VALID_MS
from arbitrage.venues.venue_clock import VenueClock

WAYS = ("operator", "dashboard", "signal", "file", "loss")
FAST_SIM = (str(Path(__file__).with_name("fast_sim.py")),)
# Stamps are whole milliseconds, and what is known of the venue's clock is a moment old.
STAMP_SLACK_NS = 3_000_000
# What left before the acknowledgement may still be in a socket's buffer on a busy machine.
TRANSIT_NS = 300_000_000
QUIET_S = 0.01
NO_LIMIT_USD = 1e6
SETTINGS = {
    "ARB_MIN_NET_BPS": "-30",
    "ARB_MIN_GROSS_BPS": "-30",
    "ARB_MAX_HOLD_S": "0.1",
    "ARB_COOLDOWN_MS": "1",
    "ARB_MAX_ORDERS_PER_S": "1000",
    "ARB_MAX_ORDER_USD": "50",
    "ARB_MAX_POSITION_USD": "100",
    "ARB_JOURNAL_RECORDS": "65536",
    "ARB_BREAKER_FAILURES": "1000",
    "ARB_MAX_DAY_LOSS_USD": f"{NO_LIMIT_USD:.0f}",  # fees alone eat a day's in some minutes
}


@dataclass
class Trip:
    """One trip: no order is stamped between these two moments."""

    way: str
    killed_ns: int
    cleared_ns: int = 0
    orders_before: int = 0


@dataclass
class Told:
    """What happened in a series of trips."""

    trips: list[Trip] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    rested: int = 0

    def check(self, stalls: Stalls) -> None:
        """Hold every order that arrived against every trip."""
        stamps = sorted((order["stamp_ns"], order["at_ns"]) for order in self.orders)
        for trip in self.trips:
            begin_ns = trip.killed_ns + STAMP_SLACK_NS
            # stamped in between, and arrived before anything was allowed again
            late = [order for order in stamps if begin_ns < order[0] and order[1] < trip.cleared_ns]
            assert late == [], f"stamped while killed by {trip.way}: {late}, {trip}"
            for order in stamps:
                if trip.killed_ns + TRANSIT_NS < order[1] < trip.cleared_ns:
                    late_ns = order[1] - trip.killed_ns
                    late_ns -= stalls.lost_wall_ns(trip.killed_ns, order[1])
                    assert late_ns <= TRANSIT_NS, f"arrived long after {trip.way}: {order}, {trip}"

    @property
    def line(self) -> str:
        """Return the count of everything."""
        busy = sum(trip.orders_before > 0 for trip in self.trips)
        return (
            f"{len(self.trips)} trips, {busy} within 100 ms of an order, {len(self.orders)} orders "
            f"arrived, {self.rested} resting orders cancelled"
        )


def stamp_ns(order: dict[str, Any], ahead_ms: int) -> int:
    """Return when an order was stamped, by the clock of this machine.

    The trader takes the venue's clock for `ahead_ms` ahead; here both are the same one.
    """
    stamp_ms = order["stamp_ms"] or order["expires_ms"] - ORDER_VALID_MS
    return int(stamp_ms + VenueClock.LATE_MS - ahead_ms) * 1_000_000


class Desk:
    """One running trader in its folder, with a line to it."""

    def __init__(self, place: Venues, running: Trader) -> None:
        self.venues, self.trader = place, running
        self.segment: Segment = running.attach()
        self.folder = Path(running.settings["ARB_STATE_DIR"])
        self.operator = ControlClient(self.folder, by="arb", timeout_s=LIMIT_S)
        self.dashboard = Commands(self.folder, running.name, self._must_listen, LIMIT_S)
        self.told = Told()
        self.cursors = dict.fromkeys(place.ready, 0)
        self.random = random.Random(self.trader.child.pid)

    @property
    def pids(self) -> list[int]:
        """The trader, and both venues."""
        return [self.trader.child.pid, *self.venues.pids]

    def close(self) -> None:
        self.operator.close()

    @staticmethod
    def _must_listen(folder: Path, _flat: bool, _why: str, _shown_pid: int) -> str:
        raise AssertionError(f"the trader of {folder} did not answer the dashboard")

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        patience = Patience()
        while not holds():
            self.trader.child.check()
            if patience.is_over():
                raise TimeoutError(f"{what}: {self.operator.call('status')}")
            time.sleep(0.0005)

    @property
    def order_count(self) -> int:
        found: int = self.segment.counters()["strategy"]["orders"]
        return found

    def wait_orders(self, count: int) -> None:
        """Wait until so many more orders were made: pairs come and go."""
        goal = self.order_count + count
        self.wait(lambda: self.order_count >= goal, f"{count} orders did not come")

    # ---- the five ways --------------------------------------------------------------------------

    def trip(self, way: str) -> int:
        """Trip in the midst of things; return a moment from which nothing may be stamped."""
        if way in ("operator", "dashboard"):
            if way == "operator":
                done = self.operator.call("kill", why="a test")
            else:  # what the dashboard does once the word is typed
                done = self.dashboard.kill("a test")
            assert not done["was_killed"]
            return int(done["acknowledged_wall_ns"])
        if way == "signal":
            os.kill(self.trader.child.pid, signal.SIGUSR1)
        elif way == "file":
            (self.folder / WISH_NAME).touch()
        else:
            self._trip_by_loss()
        self.wait(lambda: self.segment.kill_reason != 0, f"{way} did not trip")
        return time.time_ns()

    def _trip_by_loss(self) -> None:
        """Fees eat a little with every pair: any loss is more than the least limit."""
        self.wait(lambda: self.operator.call("status")["day_result_usd"] < 0, "no pair lost a cent")
        done = self.operator.call("limit", name="max_day_loss_usd", value=1e-6)
        assert done["tripped"]

    def kill(self, way: str) -> Trip:
        """Trip, and wait until it is seen, written down, and both venues have nothing open."""
        before = self.order_count
        time.sleep(self.random.uniform(0, 0.1))
        trip = Trip(way, 0, orders_before=self.order_count - before)
        trip.killed_ns = self.trip(way)
        assert KILLS[self.segment.kill_reason] == way
        self.wait(self.is_confirmed, f"the trip by {way} was not confirmed")
        record = read_kill(self.folder)
        assert record is not None
        assert record.reason == way
        self.told.trips.append(trip)
        return trip

    def is_confirmed(self) -> bool:
        state = self.operator.call("status")["kill"]
        assert state is not None
        return state["seen"] and all(each["confirmed"] for each in state["cancels"].values())

    def clear(self, trip: Trip) -> None:
        """Go on."""
        time.sleep(QUIET_S)
        self.take_arrivals()
        trip.cleared_ns = time.time_ns()
        if trip.way == "loss":
            self.operator.call("limit", name="max_day_loss_usd", value=NO_LIMIT_USD)
        self.operator.call("clear_kill")
        # a leg that stood alone while killed has paused its symbol
        self.operator.call("resume", symbols=["all"])

    def kill_and_go_on(self, way: str, *, with_resting: bool = False) -> None:
        """One whole round."""
        self.wait_orders(2)
        if with_resting:
            rest_orders(self.venues)
        trip = self.kill(way)
        if with_resting:
            assert open_orders(self.venues) == 0
            self.told.rested += 2
        self.clear(trip)

    def take_arrivals(self) -> None:
        """Read on in both venues' accounts of the orders that reached them."""
        for venue, ready in self.venues.ready.items():
            url = f"{ready['rest_url']}/admin/orders?after={self.cursors[venue]}"
            with urllib.request.urlopen(url, timeout=LIMIT_S) as reply:
                found = json.loads(reply.read())
            self.cursors[venue] = found["next"]
            clock = self.segment.counters()["gateway"][venue]
            ahead_ms = clock["clock_ahead_ms"] - clock["clock_behind_ms"]
            for order in found["orders"]:
                self.told.orders.append(order | {"stamp_ns": stamp_ns(order, ahead_ms)})


@contextmanager
def desk(
    folder: Path, symbols: str = "BTCUSDT,ETHUSDT,SOLUSDT", rate: int = 1500
) -> Iterator[Desk]:
    """Run both venues and a trader that trades as fast as it can."""
    with venues(
        folder, rate=rate, symbols=symbols, extra=("--admin",), program=FAST_SIM
    ) as place, run_trader(folder, place, symbols) as made:
        yield made


@contextmanager
def run_trader(folder: Path, place: Venues, symbols: str) -> Iterator[Desk]:
    """Run a trader at venues that run already."""
    settings = SETTINGS | {"ARB_SYMBOLS": symbols}
    with trader(folder, place.environment(), **settings) as running:
        made = Desk(place, running)
        try:
            yield made
        finally:
            made.close()


# ---- somebody else's orders, which rest ------------------------------------------------------


def _clients(place: Venues) -> tuple[BybitRest, OkxRest]:
    return (
        BybitRest(place.ready["bybit"]["rest_url"], credentials()),
        OkxRest(place.ready["okx"]["rest_url"], credentials()),
    )


def rest_orders(place: Venues) -> None:
    """Put one order at each venue that rests, far from the market."""

    async def main() -> None:
        bybit, okx = _clients(place)
        async with bybit, okx:
            top = await bybit.top_of_book("ETHUSDT")
            px = (Decimal(str(top.bid_px)) * Decimal("0.95")).quantize(Decimal(1))
            fields: dict[str, object] = {
                "category": CATEGORY, "symbol": "ETHUSDT", "side": "Buy", "orderType": "Limit",
                "qty": "0.10", "price": str(px), "timeInForce": "GTC", "positionIdx": 0,
            }  # fmt: skip
            await bybit._post("/v5/order/create", fields)
            fields = {
                "instId": "ETH-USDT-SWAP", "tdMode": "cross", "side": "buy", "ordType": "limit",
                "px": str(px), "sz": "1",
            }  # fmt: skip
            await okx._act("/api/v5/trade/order", fields)

    asyncio.run(main())


def open_orders(place: Venues) -> int:
    """Return how many orders are open at both venues."""

    async def main() -> int:
        bybit, okx = _clients(place)
        async with bybit, okx:
            return len(await bybit.open_orders()) + len(await okx.open_orders())

    return asyncio.run(main())
