"""One venue's order side in virtual time, orders that get lost on their way, and who knows of them.

The real sender, order line, execution tracker, resolver, private stream and REST client stand
against a simulated venue that misbehaves in windows of time, by a plan drawn from one seed. Outside
of the windows the venue answers everything; there every order's end must be known within a second.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from random import Random
from typing import Any

from virtual_loop import VirtualLoop, virtual_ns
from virtual_venue import VirtualVenue, wall_ns

from arbitrage.config import Credentials
from arbitrage.core import gateway
from arbitrage.core.clock import Clock
from arbitrage.core.executions import ExecPublisher
from arbitrage.core.ring import MpscRing, SpscRing
from arbitrage.errors import ConnectorError
from arbitrage.instruments import steps_floor
from arbitrage.secret import Secret
from arbitrage.sim import fault_plan as faults
from arbitrage.sim.exchange import Connection
from arbitrage.venues.base import Fill, TradedSymbol, VenueClock
from arbitrage.venues.bybit.order_gateway import BybitOrderGateway
from arbitrage.venues.bybit.private_feed import BybitPrivateFeed
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.okx.order_gateway import OkxOrderGateway
from arbitrage.venues.okx.private_feed import OkxPrivateFeed
from arbitrage.venues.okx.rest import OkxRest

ORDER = struct.Struct("<QqqqIIHBBBBHQ")
EXEC = struct.Struct("<QqdqqfIHBBB3x")
SENT, ACK, REJECT, FILL, DONE, TIMEOUT = range(6)
PARTS: dict[str, tuple[Any, Any, Any]] = {
    "bybit": (BybitRest, BybitOrderGateway, BybitPrivateFeed),
    "okx": (OkxRest, OkxOrderGateway, OkxPrivateFeed),
}
KEYS = Credentials(
    key=Secret("sim-key"), secret=Secret("sim-secret"), passphrase=Secret("sim-pass")
)
# What leaves an order's end open: sent by venues in trouble, whether the order was taken or not.
OPEN_CODES = {"bybit": (10000, 10016, 10019, 10429), "okx": (50001, 50004, 50013, 51054, 51149)}
REFUSALS = {"bybit": (10006, 110007, 110003), "okx": (50061, 51008, 51006)}
KNOWN_WITHIN_S = 1.0
CLOCK = Clock(1)


class ClockLoop(VirtualLoop):
    """A virtual loop on which the sender's clock stands, and which looks before it jumps."""

    desk: Desk | None = None

    def _pass_time(self, seconds: float) -> None:
        if self.desk is not None:
            self.desk.look()
        super()._pass_time(seconds)
        CLOCK.stand(self.now_ns)


class Sender(gateway.OrderSender):
    """The compiled sender, its frames stamped with the wall clock of the virtual world."""

    offset_ms = 0

    def set_wall_offset_ms(self, offset_ms: int) -> None:
        self.offset_ms = offset_ms

    def send_all(self) -> None:
        ahead_ms = (wall_ns() - time.time_ns()) // 1_000_000
        super().set_wall_offset_ms(self.offset_ms + ahead_ms)
        self.poll()


class Venue(VirtualVenue):
    """A venue whose requests may come late, and which notes what it was asked to do."""

    windows: list[Window]

    def __init__(self, venue: str, rng: Random, **config: Any) -> None:
        super().__init__(venue, symbols=("BTCUSDT",), rate=10, depth_levels=1, turn_s=0.025,
                         rest_timeout_s=5.0, **config)
        self.rng = rng
        self.asked: Counter[str] = Counter()  # create requests that came in, by client id
        self.engine: Counter[str] = Counter()  # of them those that the matching engine saw
        self._submit = self.exchange.matcher.submit
        self.exchange.matcher.submit = self._counted  # type: ignore[method-assign]

    def _counted(self, order: Any, *rest: Any) -> None:
        self.engine[order.client_id] += 1
        self._submit(order, *rest)

    def _late_s(self) -> float:
        now_s = asyncio.get_running_loop().time()
        late = max((w.late for w in self.windows if w.from_s <= now_s < w.until_s), default=0.0)
        return self.rng.uniform(0.0, 2.0) if self.rng.random() < late else 0.0

    def client_sent(self, conn: Connection, payload: bytes) -> None:
        body = json.loads(payload) if payload.startswith(b"{") else {}
        if body.get("op") in {"order.create", "order"}:
            (row,) = body["args"]
            self.asked[row.get("orderLinkId") or row["clOrdId"]] += 1
            late_s = self._late_s()
            if late_s:
                loop = asyncio.get_running_loop()
                loop.call_later(late_s, super().client_sent, conn, payload)
                return
        super().client_sent(conn, payload)

    async def rest(
        self, method: str, path_with_query: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        if method == "POST":
            row = json.loads(body)
            self.asked[row.get("orderLinkId") or row["clOrdId"]] += 1
            late_s = self._late_s()
            if late_s:  # it gets there, but nobody waits for the answer any more
                asyncio.get_running_loop().call_later(
                    late_s, lambda: self._unheard(method, path_with_query, headers, body)
                )
                raise ConnectionResetError("the line broke")
        return await super().rest(method, path_with_query, headers, body)

    def _unheard(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.layer.rest(method, path, "", headers, body)
        self._flush()


class Window:
    """A time in which things go wrong."""

    def __init__(self, from_s: float, until_s: float) -> None:
        self.from_s, self.until_s = from_s, until_s
        self.late = 0.0  # chance of a request to come up to two seconds late


class Desk:
    """One venue's order side on a `ClockLoop`; made inside the loop."""

    def __init__(self, venue: str, seed: int, **config: Any) -> None:
        self.rng = Random(f"{venue}/{seed}")
        self.name = venue
        latency_s = self.rng.uniform(0.0005, 0.04)
        self.venue = Venue(venue, self.rng, seed=seed, latency_s=latency_s, **config)
        self.venue.windows = []
        self.fills: list[Fill] = []
        self.differences: list[ConnectorError] = []
        self.sent_s: dict[int, float] = {}
        self.known_s: dict[int, float] = {}
        self.told: dict[int, list[tuple[int, int, int, int]]] = {}
        self._loop = asyncio.get_running_loop()
        self._next_id = 10**18 + 1

    async def open(self, *, over_rest: bool = False) -> None:
        """Start the venue and log everything in; `over_rest` has no order socket."""
        rest_class, line_class, private_class = PARTS[self.name]
        index = ("bybit", "okx").index(self.name)
        self.orders, self.executions = SpscRing(64), MpscRing(1024)
        self._producer, self._consumer = self.orders.producer(), self.executions.consumer()
        self.venue.start()
        self.rest = rest_class("http://venue.virtual", KEYS, transport=self.venue.rest)
        self.rest.is_simulated = self.venue.config.environment == "demo"
        self.rest.clock = VenueClock(wall_ns=wall_ns, mono_ns=virtual_ns)
        self.rest.open()
        await self.rest.sync_clock()
        (self.instrument,) = await self.rest.instruments()
        publisher = ExecPublisher(self.executions)
        self.sender = Sender(index, self.orders, publisher, clock=CLOCK)
        items = [TradedSymbol(row=0, instrument=self.instrument)]
        self.tracker = ExecutionTracker(
            index, self.name, items, publisher, self.fills.append, self.sender.settle
        )
        role = "trade" if self.name == "bybit" else "private"
        self.line = line_class(
            self.venue.url(role), KEYS, self.rest, self.sender, self.tracker, items,
            connector=self.venue.connector,
        )
        if over_rest:
            self.line.send_over_rest()
        self.private = private_class(
            self.venue.url("private"), KEYS, self.rest, self.tracker,
            connector=self.venue.connector, on_caught_up=self.line.ask_unsettled,
            on_difference=self.differences.append,
        )
        self.tasks = [asyncio.ensure_future(part.run()) for part in (self.private, self.line)]
        await self.private.wait_ready(10)
        await self.line.wait_ready(10)

    async def close(self) -> None:
        self.line.stop()
        self.private.stop()
        for task in self.tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self.venue.stop()
        await self.rest.close()

    def look(self) -> None:
        """Take what the strategy would be told now."""
        for record in self._consumer.drain():
            client_id, _, _, last, cum, _, code, _, _, kind, _ = EXEC.unpack(record)
            self.told.setdefault(client_id, []).append((kind, last, cum, code))
            if kind in {DONE, REJECT}:
                self.known_s.setdefault(client_id, self._loop.time())

    def order(self) -> None:
        """Send one order: near the touch or beyond it, an entry or one that reduces."""
        rng = self.rng
        slip = Decimal(rng.choice(("0.003", "0.003", "0.0001", "-0.004")))
        self.send(rng.randrange(2), rng.randint(10, 40), slip, reduces=rng.random() < 0.3)

    def send(self, side: int, lots: int, slip: Decimal, *, reduces: bool) -> int:
        """Send one limit-IOC order so far through the touch; return its client id."""
        client_id, self._next_id = self._next_id, self._next_id + 1
        book = self.venue.exchange.matcher.books[0]
        touch = book.ask_ticks if side == 0 else book.bid_ticks
        ticks = steps_floor(
            self.instrument.tick * touch * (1 + (1 - 2 * side) * slip), self.instrument.tick
        )
        self.sent_s[client_id] = self._loop.time()
        assert self._producer.try_push(
            ORDER.pack(client_id, virtual_ns(), ticks, lots, 0, 0, 0, self.sender.venue, side, 0,
                       reduces, 0, 0)
        )
        self.sender.send_all()
        return client_id

    def cancel(self, client_id: int) -> None:
        """Ask for an order's cancellation."""
        assert self._producer.try_push(
            ORDER.pack(client_id, virtual_ns(), 0, 0, 0, 0, 0, self.sender.venue, 0, 1, 0, 0, 0)
        )
        self.sender.send_all()


# ---- a schedule ---------------------------------------------------------------------------------


def rules_of(name: str, rng: Random, window: Window, t0_s: float) -> list[faults.Rule]:
    """Draw what goes wrong in a window."""
    span: dict[str, Any] = {"from_s": window.from_s - t0_s, "until_s": window.until_s - t0_s}
    trade = "trade" if name == "bybit" else "private"
    any_role = rng.choice(("private", trade))
    chance = rng.choice((0.2, 0.5, 1.0))
    data = {"role": "private", "probability": chance}
    half_s = (window.until_s - window.from_s) / 2
    pool: list[list[faults.Rule]] = [
        [faults.Lose(role=trade, call="order", probability=chance, **span)],
        [faults.Lose(role=trade, call="order", is_accepted=False, probability=chance, **span)],
        [faults.Answer(role=trade, call="order", probability=chance, code=rng.choice(
            OPEN_CODES[name]), is_accepted=rng.random() < 0.5, **span)],
        [faults.Answer(role=trade, call="order", probability=chance,
                       code=rng.choice(REFUSALS[name]), **span)],
        [faults.Partial(role=trade, call="order", lots=rng.randint(0, 9), **span)],
        [faults.Lose(role="rest", probability=chance, after_s=rng.choice((0.0, 0.4, 6.0)),
                     is_accepted=rng.random() < 0.5, **span)],
        [faults.Answer(role="rest", probability=chance, status=rng.choice((429, 500, 503, 504)),
                       is_accepted=rng.random() < 0.5, **span)],
        [faults.Refuse(role="rest", status=rng.choice((0, 503)), **span)],
        [faults.Refuse(**span), faults.Reset(every_s=half_s, **span)],
        [faults.Drop(**data, **span)],
        [faults.Drop(role=trade, channel="ack", probability=chance, **span)],
        [faults.Duplicate(copies=rng.randint(1, 3), after_ms=rng.choice((0, 30, 700)), **data,
                          **span)],
        [faults.Delay(ms=rng.choice((20, 300, 1500)), jitter_ms=500,
                      is_overtaken=rng.random() < 0.5, **data, **span)],
        [faults.Delay(role=trade, channel="ack", ms=rng.choice((20, 300, 1500)), **span)],
        [faults.Reorder(frames=rng.randint(1, 3), **data, **span)],
        [faults.Close(role=any_role, every_s=half_s, **span)],
        [faults.Reset(role=any_role, every_s=half_s, **span)],
        [faults.HalfOpen(role=any_role, for_s=window.until_s - window.from_s, **span)],
        [faults.Silent(role="private", for_s=window.until_s - window.from_s, **span)],
    ]
    if name == "okx":
        pool.append([faults.Notice(role=any_role, after_s=half_s, **span)])
    window.late = rng.choice((0.0, 0.0, 0.3, 1.0))
    return [rule for rules in rng.sample(pool, rng.randint(1, 4)) for rule in rules]


def due_s(sent_s: float, windows: list[Window]) -> float:
    """When an order must be known: a second after the venue answers without fail."""
    answers_s = sent_s
    for window in windows:
        if window.from_s <= answers_s + KNOWN_WITHIN_S and window.until_s > answers_s:
            answers_s = window.until_s
    return answers_s + KNOWN_WITHIN_S


async def play(name: str, seed: int) -> Desk:
    """Run one schedule to its end: windows of faults, and orders at any time."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ClockLoop)
    CLOCK.stand(loop.now_ns)
    desk = Desk(name, seed)
    await desk.open(over_rest=desk.rng.random() < 0.2)
    loop.desk = desk
    rng, start_s = desk.rng, loop.time()
    windows, rules, at_s = [], [], start_s
    for _ in range(rng.randint(1, 2)):
        at_s += rng.uniform(0.1, 2.0)
        windows.append(Window(at_s, at_s + rng.uniform(0.1, 2.5)))
        at_s = windows[-1].until_s
        rules += rules_of(name, rng, windows[-1], start_s)
    desk.venue.windows = windows
    desk.venue.layer.arm(faults.FaultPlan(seed=seed, rule=rules))
    for moment_s in sorted(rng.uniform(start_s, at_s + 0.5) for _ in range(rng.randint(3, 9))):
        await asyncio.sleep(moment_s - loop.time())
        desk.order()
    await asyncio.sleep(at_s + 5.0 - loop.time())
    desk.look()
    check(desk)
    loop.desk = None
    await desk.close()
    return desk


def check(desk: Desk) -> None:
    """The desk's account of every order is the venue's own, complete and in time."""
    matcher = desk.venue.exchange.matcher
    held, exact = 0, Counter[int]()
    for fill in desk.fills:
        exact[fill.client_id] += int(fill.qty_base / desk.instrument.base_qty(1))
    for client_id, sent_s in desk.sent_s.items():
        told = desk.told[client_id]
        what = f"order {client_id} of {desk.name}: {told}"
        assert desk.venue.asked[str(client_id)] <= 1, f"sent twice: {what}"
        assert desk.venue.engine[str(client_id)] <= 1, f"in the engine twice: {what}"
        ends = [record for record in told if record[0] in {DONE, REJECT}]
        assert len(ends) == 1, f"one end: {what}"
        order = matcher.by_client.get(str(client_id))
        filled = 0 if order is None else order.filled_lots
        assert sum(last for kind, last, _, _ in told if kind == FILL) == filled, what
        assert exact[client_id] == filled, what
        if order is None:
            assert ends[0][0] == REJECT, f"unknown to the venue: {what}"
        else:
            assert not order.is_open, what
            assert (ends[0][0], ends[0][2]) == (DONE, filled), f"{order.state}: {what}"
            held += filled * order.side
        late_s = desk.known_s[client_id] - due_s(sent_s, desk.venue.windows)
        assert late_s <= 0, f"known {late_s:.3f} s late: {what}"
    assert len({(fill.trade_id) for fill in desk.fills}) == len(desk.fills)
    assert matcher.positions[0].lots == held
    assert desk.differences == []
    theirs, ours = desk.private.account.holds(desk.instrument.venue_symbol)
    assert ours == desk.instrument.base_qty(held)
    assert theirs == ours or not desk.private.is_ready, "the account's own streams"
    assert desk.sender.unsettled_count == 0
    assert desk.line.resolver.open_count == 0


def run_schedule(name: str, seed: int) -> Desk:
    """Play one schedule; AssertionError names what went wrong, and the seed."""

    async def limited() -> Desk:
        async with asyncio.timeout(120):
            return await play(name, seed)

    try:
        with asyncio.Runner(loop_factory=ClockLoop) as runner:
            return runner.run(limited())
    except AssertionError as error:
        raise AssertionError(f"{name}, seed {seed}: {error}") from error
