"""A strategy on its own rings, and two venues of dictionaries that do anything a venue may do."""

import math
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from arbitrage.core.intents import IntentDoor
from arbitrage.core.journal import Journal
from arbitrage.core.messages import (
    VERDICTS,
    Execution,
    Intent,
    Notice,
    Opportunity,
    Order,
    PairEvent,
    PairPhase,
)
from arbitrage.core.ring import BroadcastRing, MpscRing, SpscRing
from arbitrage.core.store import MarketStore
from arbitrage.core.strategy import EVENTS, PHASES, SpreadStrategy

SENT, ACK, REJECT, FILL, DONE, TIMEOUT, VENUE = range(7)
BUY, SELL = 0, 1
SYMBOLS = 2
EVENT_NAMES = EVENTS
# Symbol 0: lots of 0.02 and 0.03 coins, so that a step is 3 and 2 lots and trimming is not trivial.
# Symbol 1: a bundle of 1000 on Bybit, contracts of 10 on OKX.
INSTRUMENTS = {
    (0, 0): {"px_tick": 0.1, "qty_lot": 0.02, "qty_mult": 1.0, "px_mult": 1.0},
    (1, 0): {"px_tick": 0.1, "qty_lot": 0.3, "qty_mult": 0.1, "px_mult": 1.0},
    (0, 1): {"px_tick": 0.01, "qty_lot": 1.0, "qty_mult": 1000.0, "px_mult": 0.001},
    (1, 1): {"px_tick": 1e-5, "qty_lot": 1.0, "qty_mult": 10.0, "px_mult": 1.0},
}
GRID = {0: (0.06, (3, 2)), 1: (1000.0, (1, 100))}
MID = {0: 100.0, 1: 0.05}
SETTINGS = {
    "position_usd": 60.0,
    "max_order_usd": 100.0,
    "max_position_usd": 100.0,
    "max_gross_usd": 400.0,
    "max_orders_per_s": 100_000,
    "max_orders_burst": 100_000,
    "min_gross_bps": 5.0,
    "depth_factor": 1.0,
    "cooldown_ms": 1.0,
    "cooldown_ms_max": 8.0,
    "retry_ms": 10.0,
    "retry_ms_max": 80.0,
    "max_naked_ms": 200.0,
    "settle_ms": 20.0,
    "max_hold_s": 2.0,
    "journal_room_min": 64,
}


class Rig:
    """The real strategy, driven by hand."""

    def __init__(
        self, order_capacity: int = 64, journal_records: int = 16_384, **settings: Any
    ) -> None:
        self.folder = TemporaryDirectory()
        self.now = 1_000_000_000
        self.store = MarketStore(2, SYMBOLS)
        for (venue, symbol), numbers in INSTRUMENTS.items():
            self.store.set_instrument(
                self.store.row(venue, symbol), min_lots=1, max_lots=10**9, taker_bps=5.0, **numbers
            )
            self.quote(venue, symbol, 0.0)
        self.opportunities = BroadcastRing(64, 120)
        self.executions = MpscRing(1024)
        self.orders = [SpscRing(order_capacity), SpscRing(order_capacity)]
        self.pair_events = BroadcastRing(1024, 120)
        self.events = self.pair_events.reader(from_oldest=True)
        self.notices = BroadcastRing(1024, 120)
        self.told = self.notices.reader(from_oldest=True)
        path = Path(self.folder.name) / "orders.journal"
        self.journal = Journal.create(path, journal_records, run=77)
        self.strategy = SpreadStrategy(
            self.store, self.opportunities, self.executions, self.orders, self.journal, GRID,
            pair_events=self.pair_events, notices=self.notices, **(SETTINGS | settings),
        )  # fmt: skip
        self.opportunity_id = 0

    def open_door(self) -> IntentDoor:
        """Attach a door in this process's memory: what a user's strategy asks comes in by it."""
        door = IntentDoor.private(1)
        self.strategy.attach_door(door)
        return door

    def intend(self, door: IntentDoor, action: int = 1, symbol: int = 0, **more: float) -> int:
        """Ask for something; return the intent's id."""
        intent_id = door.counters["asked"] + 1
        asked: dict[str, Any] = {
            "id": intent_id, "asked_mono_ns": self.now, "expires_mono_ns": 0, "max_usd": math.nan,
            "min_net_bps": -1000.0, "min_gross_bps": -1000.0, "pair": 0, "symbol_index": symbol,
            "buy_venue": 0, "sell_venue": 1, "action": action,
        }  # fmt: skip
        assert door.try_push(Intent(**(asked | more)))
        return intent_id

    def take_notices(self) -> list[Notice]:
        return [Notice.unpack(payload) for payload in self.told.drain()]

    def verdict(self) -> str:
        """Run a turn and return what was said of the last intent."""
        self.poll()
        return VERDICTS[[item for item in self.take_notices() if item.notice == 1][-1].verdict]

    def close(self) -> None:
        self.folder.cleanup()

    def row(self, venue: int, symbol: int) -> int:
        return self.store.row(venue, symbol)

    def quote(self, venue: int, symbol: int, shift_bps: float, qty: float = 1e6) -> None:
        """Put a row's touch one basis point wide around its middle, shifted."""
        mid = MID[symbol] / INSTRUMENTS[venue, symbol]["px_mult"] * (1 + shift_bps / 1e4)
        self.store.apply_quote(
            venue, symbol, mid * (1 - 5e-5), mid * (1 + 5e-5), qty, qty, recv_mono_ns=self.now
        )

    def opportunity(self, symbol: int, buy_venue: int, gross_bps: float = 20.0) -> None:
        """Move the books apart by so much and tell the strategy."""
        self.quote(buy_venue, symbol, 0.0)
        self.quote(1 - buy_venue, symbol, gross_bps + 1.0)
        buy, sell = self.row(buy_venue, symbol), self.row(1 - buy_venue, symbol)
        self.opportunity_id += 1
        fields = dict.fromkeys(Opportunity._fields, 0) | {
            "id": self.opportunity_id, "recv_mono_ns": self.now, "open_mono_ns": self.now,
            "ask_px": 1.0, "bid_px": 1.0, "gross_bps": gross_bps, "net_bps": gross_bps,
            "detected_ns": 700, "buy_row": buy, "sell_row": sell, "symbol_index": symbol,
            "event": 1,
        }  # fmt: skip
        self.opportunities.try_push(Opportunity(**fields).pack())

    def poll(self, milliseconds: float = 0.0) -> None:
        """Let time pass, then run turns until nothing is left to do."""
        self.now += int(milliseconds * 1e6)
        while self.strategy.poll(self.now):
            pass

    def take_order(self, venue: int) -> Order | None:
        payload = self.orders[venue].try_pop()
        return None if payload is None else Order.unpack(payload)

    def tell(self, order: Order, kind: int, last: int = 0, cum: int = -1, **more: float) -> None:
        """Publish an execution and let the strategy take it."""
        self.push(execution(order, kind, last, cum, now=self.now, **more))
        self.poll()

    def push(self, told: Execution) -> None:
        assert self.executions.try_push(told.pack())

    def take_events(self) -> list[PairEvent]:
        return [PairEvent.unpack(payload) for payload in self.events.drain()]

    def phase(self, symbol: int) -> str:
        return str(self.strategy.pair(symbol)["phase"])

    def lots(self, symbol: int) -> tuple[int, int]:
        legs = self.strategy.pair(symbol)["legs"]
        return legs[0]["lots"], legs[1]["lots"]

    def moves(self) -> list[tuple[str, str]]:
        """Every change of phase that was journaled, all symbols, in order."""
        at: dict[int, int] = {}
        found = []
        for record in self.journal:
            if record.type != "PAIR":
                continue
            held = PairPhase.unpack(record.payload)
            found.append((PHASES[at.get(held.symbol_index, 0)], PHASES[held.phase]))
            at[held.symbol_index] = held.phase
        return found

    def venue_fill(self, venue: int, symbol: int, side: int, lots: int, px: float) -> None:
        """Let a venue trade by itself, as in a liquidation, and the strategy hear of it."""
        fields = dict.fromkeys(Execution._fields, 0) | {
            "recv_mono_ns": self.now, "px": px, "last_qty_lots": lots, "cum_qty_lots": -1,
            "fee_bps": math.nan, "row": self.row(venue, symbol), "venue": venue, "kind": VENUE,
            "side": side,
        }  # fmt: skip
        self.push(Execution(**fields))
        self.poll()

    def check_conservation(self) -> None:
        """Filled + cancelled + open = sent, for every order remembered."""
        for symbol in range(SYMBOLS):
            for leg in self.strategy.pair(symbol)["legs"]:
                for order in leg["orders"]:
                    assert order["filled"] + order["cancelled"] + order["open"] == order["sent"]
                    assert min(order["filled"], order["cancelled"], order["open"]) >= 0


def execution(
    order: Order, kind: int, last: int = 0, cum: int = -1, now: int = 0, px: float = math.nan,
    fee_bps: float = 5.0,
) -> Execution:  # fmt: skip
    return Execution(
        client_id=order.client_id, recv_mono_ns=now, px=px, last_qty_lots=last, cum_qty_lots=cum,
        fee_bps=fee_bps, venue_code=0, row=order.row, venue=order.venue, kind=kind,
        side=order.side,
    )  # fmt: skip


class Venues:
    """What both venues truly hold, and what they have yet to say, in no particular order."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.position: Counter[int] = Counter()
        self.taken: dict[int, Order] = {}
        self.filled: dict[int, int] = {}
        self.unsaid: list[Execution] = []
        self.said: Counter[int] = Counter()
        self.silent: set[int] = set()

    def take(self, venue: int, fraction: float, parts: int, reject: bool, quirk: str) -> bool:
        """Match one order: fill a fraction of it in parts, and owe the messages."""
        order = self.rig.take_order(venue)
        if order is None:
            return False
        assert order.client_id not in self.taken, "a client id was used twice"
        assert order.action == 0
        self.taken[order.client_id] = order
        sign = 1 if order.side == BUY else -1
        can = order.qty_lots
        if order.flags & 1:  # reduce-only: the venue lets it do no more than that
            can = min(can, max(0, -sign * self.position[order.row]))
        if reject or can == 0:
            self.filled[order.client_id] = 0
            self.unsaid.append(execution(order, REJECT, now=self.rig.now))
            return True
        total = min(can, round(fraction * order.qty_lots))
        self.position[order.row] += sign * total
        self.filled[order.client_id] = total
        self._owe(order, total, parts, quirk)
        return True

    def _owe(self, order: Order, total: int, parts: int, quirk: str) -> None:
        px = order.px_ticks * INSTRUMENTS[order.venue, order.symbol_index]["px_tick"]
        cum = 0
        parts = min(parts, total)
        for part in range(parts):
            last = total // parts if part + 1 < parts else total - cum
            cum += last
            # Bybit's execution stream states no cumulative count, OKX's orders stream does
            stated = -1 if order.venue == 0 else cum
            self.unsaid.append(execution(order, FILL, last, stated, self.rig.now, px=px))
        if quirk == "lost_ack":
            self.unsaid.append(execution(order, TIMEOUT, now=self.rig.now))
        else:
            self.unsaid.append(execution(order, SENT, now=self.rig.now))
            self.unsaid.append(execution(order, ACK, now=self.rig.now))
        if quirk == "repeat" and order.venue == 1:
            self.unsaid.append(self.unsaid[-1])
            mine = [told for told in self.unsaid if told.client_id == order.client_id]
            fills = [told for told in mine if told.kind == FILL]
            self.unsaid.extend(fills[-1:])
        # an end that states no count leaves the truth to fills that may come later
        stated = -1 if quirk == "silent_end" else total
        self.unsaid.append(execution(order, DONE, 0, stated, self.rig.now))
        if quirk == "silent_end":
            self.silent.add(order.client_id)
        if quirk == "repeat":
            self.unsaid.append(self.unsaid[-1])

    def keeps_secrets(self, symbol: int) -> bool:
        """Whether fills are owed that no stated count has announced."""
        return any(
            told.client_id in self.silent and told.row % SYMBOLS == symbol for told in self.unsaid
        )

    def say(self, choice: int) -> None:
        """Deliver one of the owed messages, any of them."""
        if not self.unsaid:
            return
        told = self.unsaid.pop(choice % len(self.unsaid))
        self.said[told.kind] += 1
        self.rig.push(told)

    def settle_everything(self) -> None:
        """Fill what reduces, cancel what enters, say all there is to say, until nothing is left."""
        for _ in range(400):
            for venue in (0, 1):
                payload = True
                while payload:
                    payload = self.take(venue, 1.0, 1, False, "none")
            while self.unsaid:
                self.say(0)
            self.rig.poll(20.0)
            if self.rig.strategy.live_pairs == 0 and not any(r.depth for r in self.rig.orders):
                return
        raise AssertionError(f"a pair would not end: {[self.rig.strategy.pair(s) for s in (0, 1)]}")


def enter(rig: Rig, symbol: int = 0, buy_venue: int = 0, gross: float = 20.0) -> tuple:
    """Let the strategy send both entry orders; return (buy, sell)."""
    rig.opportunity(symbol, buy_venue, gross)
    rig.poll()
    buy, sell = rig.take_order(buy_venue), rig.take_order(1 - buy_venue)
    assert buy is not None
    assert sell is not None
    return buy, sell


def fill(rig: Rig, order: Order, lots: int | None = None, px: float | None = None) -> None:
    """Fill an order at the touch, or as told, and end it."""
    lots = order.qty_lots if lots is None else lots
    if px is None:
        row = rig.store.read_row(order.venue, order.symbol_index)
        px = row.bid_px if order.side else row.ask_px
    if lots:
        rig.tell(order, FILL, lots, lots, px=px)
    rig.tell(order, DONE, 0, lots)


def stand(rig: Rig, **how: float) -> tuple:
    """Fill both legs, so that a pair stands; return its entry orders."""
    buy, sell = enter(rig, **how)
    fill(rig, buy)
    fill(rig, sell)
    assert rig.phase(buy.symbol_index) == "open"
    return buy, sell
