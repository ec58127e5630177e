"""What every simulated venue shares: connections, clock, funding, and the way frames leave.

A venue is a state machine without sockets. A shell (`server.py`, or a test with a virtual clock)
calls `connect`, `on_frame`, `advance` and `rest`, and sends what they return. Nothing here sleeps,
reads a clock of its own or knows about asyncio.
"""

from __future__ import annotations

import contextlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

import msgspec

from arbitrage.sim.config import SimConfig
from arbitrage.sim.depth import Depth
from arbitrage.sim.funding_rates import HOUR_NS as HOUR_NS
from arbitrage.sim.funding_rates import draw_rate, funding_after
from arbitrage.sim.instruments import DELISTED, LIVE, Instrument
from arbitrage.sim.limits import Windows
from arbitrage.sim.market import THIN, Market
from arbitrage.sim.matching import BUY, SELL, Fill, Matcher, Order, Reject

TICKER_PERIOD_NS = 200_000_000
REPEAT_NS = 3_000_000_000
# Public stream ``STREAMS * index + kind`` of a symbol; FIVE exists on OKX only.
STREAMS = 4
QUOTE, TICKER, DEPTH, FIVE = range(STREAMS)
QUOTED = 1 << QUOTE | 1 << DEPTH | 1 << FIVE

encode = msgspec.json.encode
Clock = Callable[[], int]


class Refusal(Exception):
    """A request is answered with the venue's own code instead of a result."""

    def __init__(self, code: int, text: str, status: int = 200) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = status


class Reply(NamedTuple):
    """Answer to one REST call; ``headers`` are those beyond the content type."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One client's socket, as the venue sees it."""

    __slots__ = ("authed", "conn_id", "heard_ns", "request_ids", "role", "streams", "topics",
                 "windows")

    def __init__(self, role: str, conn_id: str, now_ns: int) -> None:
        self.role = role  # public, private, trade
        self.conn_id = conn_id
        self.authed = False
        self.streams = 0  # bit i: public stream i is subscribed
        self.topics: dict[str, Any] = {}  # private topics
        self.request_ids: set[str] = set()
        self.windows = Windows()  # what is counted by connection
        self.heard_ns = now_ns  # last time that anything went either way


class Exchange(ABC):
    """Base of both venues."""

    venue: str
    quote_repeat_ns = REPEAT_NS
    maintenance_rate: Decimal  # of a position's value
    closed_roles: tuple[str, ...] = ()  # sockets that this environment does not have
    public_path: str
    private_path: str
    trade_path: str

    def __init__(
        self, config: SimConfig, instruments: tuple[Instrument, ...], market: Market, clock: Clock
    ) -> None:
        self.config = config
        self.keys = config.api_keys
        self.clock = clock
        self.instruments = instruments
        self.by_name = {item.name: item for item in instruments}
        self.market = market
        self.depth = Depth(
            instruments, self.venue, config.seed, config.t0_ns, config.depth_levels,
            THIN if config.environment == "testnet" else 1.0)
        self.matcher = Matcher(
            instruments, self, config.balance, config.taker_bps, depth=self.depth,
            maintenance_rate=self.maintenance_rate)
        self.connections: dict[str, Connection] = {}
        self.watched = 0
        self._rng = Random(f"{config.seed}/{self.venue}/ids")
        self._ids = itertools.count(1)
        self._public: list[tuple[int, bytes]] = []
        self._pushes: list[tuple[Connection, bytes]] = []
        self._closings: list[tuple[Connection, int, str]] = []
        self._touched: dict[int, None] = {}
        self._ticker_due_ns = 0
        self.reply_headers: dict[str, str] = {}
        self.windows = Windows()
        self.refusal_status = 404  # HTTP status of the last socket that was refused
        self.frames_sent = 0
        now_ns = clock()
        self.next_funding_ns = [self._funding_after(item, now_ns) for item in instruments]
        self.funding_rates = [self._draw_rate(item, 0) for item in instruments]
        for item, book in zip(instruments, self.matcher.books, strict=True):
            book.seq = 700_000_000_000 + item.index * 1_000_000
            book.update_id = 30_000_000 + item.index * 100_000

    # -- the four calls of a shell ---------------------------------------------------------------

    def connect(self, path: str) -> Connection | None:
        """A client has opened ``path``; None when the venue refuses: see ``refusal_status``."""
        roles = {self.public_path: "public", self.trade_path: "trade", self.private_path: "private"}
        role = roles.get(path.partition("?")[0])
        if role in self.closed_roles:
            role = None
        if role is None or not self.may_connect():
            self.refusal_status = 404 if role is None else 429
            return None
        conn = Connection(role, self._new_conn_id(), self.clock())
        self.connections[conn.conn_id] = conn
        return conn

    def disconnect(self, conn: Connection) -> None:
        self.connections.pop(conn.conn_id, None)
        self.watch()

    def watch(self) -> None:
        """Note which public streams anybody listens to; the others are not even formatted."""
        self.watched = 0
        for conn in self.connections.values():
            self.watched |= conn.streams

    @abstractmethod
    def may_connect(self) -> bool:
        """Count one more socket; False when there were too many lately."""

    @abstractmethod
    def on_frame(self, conn: Connection, payload: bytes) -> list[bytes]:
        """Answer one client frame; pushes to private sockets wait in `take_pushes`."""

    def advance(self, now_ns: int) -> list[tuple[int, bytes]]:
        """Move the market to ``now_ns``; return the public frames as (stream, payload)."""
        self.market.advance(now_ns, self._on_quote)
        self.on_depth_time(now_ns)
        if now_ns >= self._ticker_due_ns:
            self._ticker_due_ns = now_ns + TICKER_PERIOD_NS
            self._repeat_quotes(now_ns)
            self._settle_funding(now_ns)
            self._watch_margin(now_ns)
            self.on_ticker_time(now_ns)
        frames, self._public = self._public, []
        self.frames_sent += len(frames)
        return frames

    def take_pushes(self) -> list[tuple[Connection, bytes]]:
        """Private frames produced since the last call, in order."""
        pushes, self._pushes = self._pushes, []
        return pushes

    def take_closings(self) -> list[tuple[Connection, int, str]]:
        """Sockets that the venue closes: (connection, close code, reason)."""
        closings, self._closings = self._closings, []
        return closings

    def rest(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """Answer one REST call; the venue adds what it says in headers to ``reply_headers``."""
        self.reply_headers = {}
        try:
            result = self.rest_result(method, path, query, headers, body)
            return Reply(200, self.reply_headers, encode(result))
        except Refusal as refusal:
            return Reply(refusal.status, self.reply_headers, encode(self.rest_error(refusal)))

    @abstractmethod
    def rest_result(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> Any: ...

    @abstractmethod
    def rest_error(self, refusal: Refusal) -> Any: ...

    # -- what a venue fills in -------------------------------------------------------------------

    @abstractmethod
    def quote_frame(self, item: Instrument, now_ms: int) -> bytes: ...

    @abstractmethod
    def on_depth_time(self, now_ns: int) -> None:
        """Push the books of more than one level that are due."""

    @abstractmethod
    def on_ticker_time(self, now_ns: int) -> None: ...

    @abstractmethod
    def on_grids(self) -> None:
        """Instruments changed: prepare what is derived from them."""

    @abstractmethod
    def order_accepted(self, order: Order) -> None: ...

    @abstractmethod
    def order_filled(self, order: Order, fill: Fill) -> None: ...

    @abstractmethod
    def order_matched(self, order: Order) -> None:
        """All fills of one match have been reported."""

    @abstractmethod
    def order_ended(self, order: Order) -> None: ...

    @abstractmethod
    def order_amended(self, order: Order) -> None: ...

    @abstractmethod
    def on_funding(self, item: Instrument, rate: Decimal, flow: Decimal, wall_ns: int) -> None: ...

    # -- instruments -----------------------------------------------------------------------------

    @property
    def listed(self) -> tuple[Instrument, ...]:
        """Contracts as the instrument list shows them."""
        return tuple(item for item in self.instruments if item.state != DELISTED)

    def change_instrument(self, new: Instrument) -> None:
        """Replace the contract of the same index while running.

        Raises
        ------
        Reject, SimError : nothing has changed; see `Matcher.regrid` and `Market.regrid`.
        """
        old = self.instruments[new.index]
        if (old.tick, old.lot, old.contract_value) != (new.tick, new.lot, new.contract_value):
            self.market.regrid(new)
            self.depth.regrid(new)
        self.matcher.regrid(new)
        items = list(self.instruments)
        items[new.index] = new
        self.instruments = tuple(items)
        self.by_name[new.name] = new
        if old.funding_hours != new.funding_hours:
            self.next_funding_ns[new.index] = self._funding_after(new, self.clock())
        self.on_grids()

    # -- sequence numbers ------------------------------------------------------------------------

    def skip_ids(self, index: int, ids: int) -> None:
        """Leave out so many numbers of the symbol, as if updates had been lost inside."""
        book = self.matcher.books[index]
        book.update_id += ids
        book.seq += ids

    @abstractmethod
    def restart_ids(self, index: int) -> None:
        """Begin the symbol's numbers anew, as a venue does when its market data restarts."""

    # -- market ----------------------------------------------------------------------------------

    def _on_quote(
        self, index: int, bid_ticks: int, ask_ticks: int, bid_lots: int, ask_lots: int,
        wall_ns: int, raw: bytes = b"", update_id: int = 0, seq: int = 0,
    ) -> None:
        if self.instruments[index].state != LIVE:
            return
        book = self.matcher.books[index]
        book.set(bid_ticks, ask_ticks, bid_lots, ask_lots, wall_ns)
        book.update_id = update_id or book.update_id + 1
        book.seq = seq or book.seq + 3
        if self.matcher.resting[index]:
            self.matcher.on_book(index, wall_ns)
            self.flush_account()
        stream = STREAMS * index + QUOTE
        if self.watched >> stream & 1:
            frame = raw or self.quote_frame(self.instruments[index], wall_ns // 1_000_000)
            self._public.append((stream, frame))

    def _repeat_quotes(self, now_ns: int) -> None:
        """Say an unchanged quote again after a while; a recording that has ended goes on so."""
        after_ns = REPEAT_NS if self.market.ended else self.quote_repeat_ns
        for item, book in zip(self.instruments, self.matcher.books, strict=True):
            if book.wall_ns and now_ns - book.wall_ns >= after_ns:
                book.wall_ns = now_ns
                stream = STREAMS * item.index + QUOTE
                if self.watched >> stream & 1:
                    self._public.append((stream, self.quote_frame(item, now_ns // 1_000_000)))

    # -- funding ---------------------------------------------------------------------------------

    def _funding_after(self, item: Instrument, now_ns: int) -> int:
        return funding_after(self.config, item, now_ns)

    def _draw_rate(self, item: Instrument, period: int) -> Decimal:
        return draw_rate(self.config, item, period)

    def _settle_funding(self, now_ns: int) -> None:
        for item in self.instruments:
            index = item.index
            due_ns = self.next_funding_ns[index]
            if now_ns < due_ns:
                continue
            rate = self.funding_rates[index]
            if self.matcher.positions[index].lots:
                flow = self.matcher.settle_funding(index, rate, now_ns)
                self.on_funding(item, rate, flow, due_ns)
                self._touched[index] = None
            self.next_funding_ns[index] = self._funding_after(item, now_ns)
            self.funding_rates[index] = self._draw_rate(item, due_ns // HOUR_NS)
        self.flush_account()

    # -- liquidation -----------------------------------------------------------------------------

    def _watch_margin(self, now_ns: int) -> None:
        """Close what is held when equity no longer carries it: all orders first, then all
        positions at the market, as far as the price band lets; what is left in the next turn."""
        held = [p for p in self.matcher.positions if p.lots]
        if not held or self.matcher.equity() >= self.matcher.maintenance():
            return
        for resting in self.matcher.resting:
            for order in list(resting.values()):
                self.matcher.cancel(order, "liquidation", now_ns)
        self.on_liquidation([position.instrument.index for position in held])
        for position in held:
            with contextlib.suppress(Reject):  # not quoted now: in the next turn
                self._take(position.instrument.index, abs(position.lots), "liquidation", now_ns)
        self.matcher.cover_loss()
        self.flush_account()

    def take_position(self, index: int, lots: int, origin: str) -> int:
        """Close so much of a position at the market, as the venue's own act; return what it was.

        Raises
        ------
        Reject : the symbol is not quoted now.
        """
        held = abs(self.matcher.positions[index].lots)
        if held and origin == "liquidation":
            self.on_liquidation([index])
        if held:
            self._take(index, min(lots or held, held), origin, self.clock())
            self.flush_account()
        return held - abs(self.matcher.positions[index].lots)

    def _take(self, index: int, lots: int, origin: str, now_ns: int) -> None:
        side = SELL if self.matcher.positions[index].lots > 0 else BUY
        order = Order(self.instruments[index], side, "market", "IOC", 0, lots, "", True)
        order.origin = origin
        self.touch(index)
        self.matcher.submit(order, self.new_order_id(), now_ns)

    @abstractmethod
    def new_order_id(self) -> str: ...

    @abstractmethod
    def on_liquidation(self, indexes: list[int]) -> None:
        """Say that these positions are being taken over."""

    # -- private pushes --------------------------------------------------------------------------

    def touch(self, index: int) -> None:
        """The account changed in this symbol; `flush_account` will say so once."""
        self._touched[index] = None

    def flush_account(self) -> None:
        """Push position and wallet of what changed since the last call."""
        if self._touched:
            touched, self._touched = list(self._touched), {}
            self.push_account(touched)

    @abstractmethod
    def push_account(self, indexes: list[int]) -> None: ...

    def push(self, topic: str, frame: bytes) -> None:
        """Send to every logged-in socket that subscribed to the private ``topic``."""
        for conn in self.connections.values():
            if topic in conn.topics:
                self._pushes.append((conn, frame))

    # -- small helpers ---------------------------------------------------------------------------

    def _new_conn_id(self) -> str:
        return f"{self._rng.getrandbits(32):08x}"

    def now_ms(self) -> int:
        return self.clock() // 1_000_000

    def hex_id(self, bits: int = 128) -> str:
        return f"{self._rng.getrandbits(bits):0{bits // 4}x}"
