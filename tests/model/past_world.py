"""A trader's life as its journal and both venues know it, to be cut anywhere.

Every event is either a record that reached the journal or something that happened at a venue, in
an order that could have been. A cut keeps a beginning of both.
"""

import math
import random
from dataclasses import dataclass, field
from decimal import Decimal

from arbitrage.core.journal import JournalRecord
from arbitrage.core.messages import Adopted, Contract, Execution, Order, PairPhase, RunTaken
from arbitrage.core.records import ExecKind, Leg, make_client_id
from arbitrage.core.strategy import PHASES
from arbitrage.fills import BUY, SELL, signed
from arbitrage.instruments import Instrument
from arbitrage.trading.past import Key
from arbitrage.trading.recovery_plan import Fate, Plan, Traded, VenueWord

RUN, CAPACITY = 70, 8
SYMBOLS = ("BTCUSDT", "ETHUSDT")
VENUE_SYMBOLS = {
    ("bybit", "BTCUSDT"): "BTCUSDT", ("okx", "BTCUSDT"): "BTC-USDT-SWAP",
    ("bybit", "ETHUSDT"): "ETHUSDT", ("okx", "ETHUSDT"): "ETH-USDT-SWAP",
}  # fmt: skip
LOTS = {"bybit": Decimal("0.001"), "okx": Decimal("0.1")}
TICK = Decimal("0.1")
STEP = 10  # lots of either venue in one common step
NAN = math.nan


def instruments() -> dict[Key, Instrument]:
    """Return the contracts that the next run trades."""
    return {
        (venue, name): Instrument(
            venue=venue, venue_symbol=name, symbol=symbol, base=symbol[:-4], settle="USDT",
            contract_base_qty=Decimal(1) if venue == "bybit" else Decimal("0.01"),
            tick=TICK, lot=LOTS[venue], min_qty=LOTS[venue],
            max_qty=Decimal(1000),
        )
        for (venue, symbol), name in VENUE_SYMBOLS.items()
    }  # fmt: skip


@dataclass
class Sent:
    """An order as its venue knows it."""

    order: Order
    key: Key
    arrived: bool = False
    filled: int = 0
    over: bool = False


@dataclass
class World:
    """The timeline: each event a record, or a change at a venue."""

    rng: random.Random
    events: list[JournalRecord | tuple[str, int, int]] = field(default_factory=list)
    sent: dict[int, Sent] = field(default_factory=dict)
    pairs: int = 0
    clock: int = 1_000_000_000_000
    sequence: int = 0

    def record(self, kind: str, payload: bytes) -> None:
        self.sequence += 1
        self.clock += self.rng.randrange(1_000, 50_000_000)
        self.events.append(
            JournalRecord(self.sequence, self.clock, self.clock, RUN, kind, payload)
        )

    def begin(self) -> None:
        for venue_index, venue in enumerate(LOTS):
            for index, symbol in enumerate(SYMBOLS):
                row = venue_index * CAPACITY + index
                name = VENUE_SYMBOLS[venue, symbol]
                held = Contract(row, index, venue_index, symbol, name, str(TICK), str(LOTS[venue]))
                self.record("CONTRACT", held.pack())
        self.record("TAKEN", RunTaken(0, 0, 3).pack())

    def order(
        self, pair: int, leg: Leg, attempt: int, venue: int, index: int, side: int, lots: int,
        *, reduce_only: bool,
    ) -> int:  # fmt: skip
        """Journal an intent and let its venue have it, or not."""
        client_id = make_client_id(RUN, pair, leg, attempt)
        order = Order(**dict.fromkeys(Order._fields, 0) | {
            "client_id": client_id, "px_ticks": 840_000 + index, "qty_lots": lots,
            "row": venue * CAPACITY + index, "venue": venue, "side": side,
            "symbol_index": index, "flags": int(reduce_only), "opportunity_id": pair,
        })  # fmt: skip
        name = tuple(LOTS)[venue]
        self.sent[client_id] = Sent(order, (name, VENUE_SYMBOLS[name, SYMBOLS[index]]))
        self.record("INTENT", order.pack())
        return client_id

    def live(self, ids: list[int], fills: dict[int, int]) -> None:
        """Let orders arrive, fill and end, and the journal hear of it, in any possible order."""
        queues = []
        for client_id in ids:
            order, wanted = self.sent[client_id].order, fills[client_id]
            if wanted < 0:  # refused
                queues.append([("refused", client_id, 0), self._exec(order, ExecKind.REJECT)])
                continue
            parts = self._parts(wanted)
            steps: list[object] = [("arrived", client_id, 0)]
            told: list[object] = [self._exec(order, ExecKind.ACK)]
            cum = 0
            for part in parts:
                cum += part
                steps.append(("filled", client_id, part))
                told.append(self._exec(order, ExecKind.FILL, last=part, cum=cum))
            steps.append(("ended", client_id, 0))
            told.append(self._exec(order, ExecKind.DONE, cum=cum))
            queues.append(self._interleave(steps, told))
        while any(queues):
            queue = self.rng.choice([queue for queue in queues if queue])
            event = queue.pop(0)
            if isinstance(event, tuple) and isinstance(event[0], str):
                self.events.append(event)  # type: ignore[arg-type]
            else:
                self.record("EXEC", event.pack())  # type: ignore[union-attr,attr-defined]

    def _interleave(self, steps: list[object], told: list[object]) -> list[object]:
        """Each told behind its step."""
        merged, heard = [], 0
        for index, step in enumerate(steps):
            merged.append(step)
            while heard <= index and self.rng.random() < 0.5:
                merged.append(told[heard])
                heard += 1
        return merged + told[heard:]

    def _parts(self, wanted: int) -> list[int]:
        parts = []
        while wanted:
            part = self.rng.randint(1, wanted)
            parts.append(part)
            wanted -= part
        return parts

    @staticmethod
    def _exec(order: Order, kind: int, last: int = 0, cum: int = -1) -> Execution:
        return Execution(
            order.client_id, 0, 84_000.0 if kind == ExecKind.FILL else NAN, last, cum, 5.0, 0,
            order.row, order.venue, kind, order.side,
        )  # fmt: skip

    def phase(self, index: int, rows: tuple[int, int], name: str, lots: tuple[int, int]) -> None:
        held = PairPhase(self.pairs, *lots, self.pairs, *rows, index, PHASES.index(name), 0)
        self.record("PAIR", held.pack())

    def pair(self) -> None:
        """One pair from its entry to flat, any leg filling any part."""
        rng = self.rng
        self.pairs += 1
        index, buyer = rng.randrange(len(SYMBOLS)), rng.randrange(2)
        sides, venues = (BUY, SELL), (buyer, 1 - buyer)
        rows = tuple(venue * CAPACITY + index for venue in venues)
        lots = STEP * rng.randint(1, 5)
        ids = [
            self.order(self.pairs, Leg(leg), 0, venues[leg], index, sides[leg], lots,
                       reduce_only=False)
            for leg in range(2)
        ]  # fmt: skip
        self.phase(index, rows, "opening", (0, 0))  # type: ignore[arg-type]
        fills = {one: rng.choice([-1, 0, lots, lots, lots, rng.randint(0, lots)]) for one in ids}
        self.live(ids, fills)
        held = [max(0, fills[one]) for one in ids]
        if held[0] == held[1] and held[0]:
            for name in ("open", "closing"):
                self.phase(index, rows, name, (held[0], held[1]))  # type: ignore[arg-type]
        elif any(held):
            self.phase(index, rows, "unwinding", (held[0], held[1]))  # type: ignore[arg-type]
        attempt = 0
        while any(held):
            exits = {
                leg: self.order(self.pairs, Leg(5 - leg), attempt, venues[leg], index,
                                1 - sides[leg], held[leg], reduce_only=True)
                for leg in range(2) if held[leg]
            }  # fmt: skip
            fills = {
                one: rng.choice([-1, held[leg], held[leg], rng.randint(0, held[leg])])
                for leg, one in exits.items()
            }
            self.live(list(exits.values()), fills)
            for leg, one in exits.items():
                held[leg] -= max(0, fills[one])
            attempt += 1
        for name in ("closed", "idle"):
            self.phase(index, rows, name, (0, 0))  # type: ignore[arg-type]


@dataclass
class Cut:
    """What is left at a moment: the journal's records, and what the venues know."""

    records: list[JournalRecord]
    sent: dict[int, Sent]
    trades: list[Traded]
    held: dict[Key, Decimal]

    def word(self, asked: set[int], window: int | None = None) -> VenueWord:
        """Answer for the orders asked for, with the newest executions; None: all of them."""
        fates = {}
        for client_id in asked:
            sent = self.sent[client_id]
            size = LOTS[sent.key[0]]
            fates[client_id] = Fate(client_id, sent.filled * size if sent.arrived else None)
        trades = self.trades if window is None else self.trades[-window:] if window else []
        return VenueWord(held={k: q for k, q in self.held.items() if q}, fates=fates, traded=trades)

    def foreign(self, key: Key, side: int, qty: Decimal, *, by_venue: bool) -> None:
        """Let somebody else trade in our account."""
        wall_ms = self.trades[-1].wall_ms + 1 if self.trades else 1
        self.trades.append(
            Traded(key=key, client_id=0, side=side, qty=qty, px=Decimal(84_000), wall_ms=wall_ms,
                   by_venue=by_venue)
        )  # fmt: skip
        self.held[key] = self.held.get(key, Decimal(0)) + signed(side, qty)


def cut(world: World, at: int) -> Cut:
    """Keep the first `at` events; what was under way then arrives, or never does."""
    found = Cut([], {}, [], {})
    for event in world.events[:at]:
        if isinstance(event, JournalRecord):
            found.records.append(event)
            if event.type == "INTENT":
                client_id = Order.unpack(event.payload).client_id
                known = world.sent[client_id]
                found.sent[client_id] = Sent(known.order, known.key)
        else:
            _happen(found, event)
    for event in world.events[at:]:  # frames in the kernel's hands when the process died
        if isinstance(event, tuple) and event[1] in found.sent and world.rng.random() < 0.7:
            sent = found.sent[event[1]]
            if event[0] == "arrived" or (sent.arrived and not sent.over):
                _happen(found, event)
    for sent in found.sent.values():
        sent.over = True
    return found


def _happen(found: Cut, event: tuple[str, int, int]) -> None:
    what, client_id, lots = event
    sent = found.sent[client_id]
    if what == "arrived":
        sent.arrived = True
    elif what == "ended":
        sent.over = True
    elif what == "filled":
        sent.filled += lots
        qty = lots * LOTS[sent.key[0]]
        found.held[sent.key] = found.held.get(sent.key, Decimal(0)) + signed(sent.order.side, qty)
        found.trades.append(
            Traded(key=sent.key, client_id=client_id, side=sent.order.side, qty=qty,
                   px=Decimal(84_000), wall_ms=len(found.trades))
        )  # fmt: skip


def taken_over(plan: Plan, run: int) -> list[JournalRecord]:
    """Return the next run's journal right after it has taken a plan over."""
    world = World(random.Random(0))
    world.begin()
    records = [event for event in world.events if isinstance(event, JournalRecord)][:-1]
    payloads = []
    for pair in plan.adopt:
        index = SYMBOLS.index(pair.symbol)
        buy, sell = pair.legs
        rows = [tuple(LOTS).index(leg.venue) * CAPACITY + index for leg in pair.legs]
        payloads.append(("ADOPTED", Adopted(
            pair.opportunity_id, pair.started_wall_ns, pair.opened_wall_ns, buy.lots, sell.lots,
            NAN if buy.entry_px is None else buy.entry_px,
            NAN if sell.entry_px is None else sell.entry_px, NAN, NAN, 0.0, pair.run, pair.number,
            rows[0], rows[1], index, PHASES.index("open"), 0, 0, 1,
        ).pack()))  # fmt: skip
    payloads.append(("TAKEN", RunTaken(len(plan.adopt), RUN, 3).pack()))
    for kind, payload in payloads:
        records.append(JournalRecord(len(records) + 1, world.clock, 0, run, kind, payload))
    return [record._replace(run=run) for record in records]
