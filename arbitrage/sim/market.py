"""The seeded market: where a simulated venue's quotes come from.

Every price is a pure function of (seed, symbol, venue, time since t0). Two processes that share
seed and t0 therefore stay correlated without talking to each other, a venue may join late, and a
virtual clock gives the same run again.

    price = base * (1 + common(t - lag) + basis(t) + gap(t))

common  slow swings, plus a Brownian bridge in blocks of 4 s, plus a jump in some blocks;
lag     0 on the venue that leads the symbol, 5 to 20 ms on the other;
basis   a slow difference of about one basis point;
gap     once in each slot of 3 s one venue departs by 30 to 60 bps, stays 0.3 to 1.5 s and comes
        back: wide enough to pay 21 bps of round-trip fees. It opens in one step, as when a large
        order sweeps a book, and closes in one but for a twentieth, gone within 30 ms. (A ramp of a
        few ms is poison: who enters at its foot is stopped out at its top.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Protocol

from arbitrage.sim.config import VENUES
from arbitrage.sim.instruments import Instrument

BLOCK_S = 4.0
STEP_S = 0.01
STEPS = int(BLOCK_S / STEP_S)
STEP_SIGMA = 0.15e-4
JUMP_CHANCE = 0.25
SLOT_S = 3.0
GAP_BPS_MIN, GAP_BPS_MAX = 30.0, 60.0
TAIL_SHARE = 0.05
TOUCH_USD_MIN, TOUCH_USD_MAX = 20_000.0, 120_000.0
THIN = 0.1  # sizes of a testnet, relative to those of the mainnet
TABLE_SIZE = 4096
# After a stall longer than this the missed updates are skipped, not sent in one burst.
CATCH_UP_S = 0.05


class QuoteSink(Protocol):
    """Receiver of quotes; 0 lots mean no quote on that side.

    ``raw`` is a recorded frame to publish as it is, with its own ``update_id`` and ``seq``.
    """

    def __call__(self, index: int, bid_ticks: int, ask_ticks: int, bid_lots: int, ask_lots: int,
                 wall_ns: int, raw: bytes = b"", update_id: int = 0, seq: int = 0) -> None: ...


class Market(Protocol):
    """A source of quotes that is driven by somebody else's clock."""

    def advance(self, now_ns: int, sink: QuoteSink) -> None:
        """Hand every quote that is due by ``now_ns`` to ``sink``."""

    def regrid(self, item: Instrument) -> None:
        """Go on in the changed units of ``item``; SimError when the source cannot."""

    @property
    def ended(self) -> bool:
        """True when no further quote will come."""


class CommonPath:
    """Relative deviation of a symbol's fair price from its base; the same on every venue."""

    __slots__ = ("_block", "_path", "_seed", "_swings", "_symbol")

    def __init__(self, seed: int, symbol: str) -> None:
        rng = Random(f"{seed}/{symbol}/swings")
        self._swings = tuple(
            (amplitude, math.tau / (period * rng.uniform(0.8, 1.25)), rng.uniform(0, math.tau))
            for amplitude, period in ((4e-4, 61.0), (15e-4, 431.0), (50e-4, 2903.0))
        )
        self._seed = seed
        self._symbol = symbol
        self._block: int | None = None
        self._path: list[float] = []

    def _anchor(self, block: int) -> float:
        t = block * BLOCK_S
        return sum(a * math.sin(w * t + p) for a, w, p in self._swings)

    def _load(self, block: int) -> None:
        rng = Random(f"{self._seed}/{self._symbol}/block/{block}")
        walk, level = [0.0], 0.0
        jump_step = rng.randrange(STEPS) if rng.random() < JUMP_CHANCE else -1
        jump = rng.choice((-1, 1)) * rng.uniform(5e-4, 15e-4)
        for step in range(STEPS):
            level += rng.gauss(0.0, STEP_SIGMA)
            if step == jump_step:
                level += jump
            walk.append(level)
        start, end = self._anchor(block), self._anchor(block + 1)
        drift = (end - start - level) / STEPS
        self._path = [start + value + drift * i for i, value in enumerate(walk)]
        self._block = block

    def at(self, t: float) -> float:
        """Deviation at ``t`` seconds since t0."""
        block = math.floor(t / BLOCK_S)
        if block != self._block:
            self._load(block)
        position = (t - block * BLOCK_S) / STEP_S
        step = int(position)
        if step >= STEPS:
            return self._path[STEPS]
        low = self._path[step]
        return low + (self._path[step + 1] - low) * (position - step)


class GapSchedule:
    """Where one symbol's venues part for a moment; every venue computes the same schedule."""

    __slots__ = ("_seed", "_slot", "_symbol", "end", "fall", "start", "venue", "width")

    def __init__(self, seed: int, symbol: str) -> None:
        self._seed = seed
        self._symbol = symbol
        self._slot: int | None = None
        self.venue = VENUES[0]
        self.start = self.end = self.width = 0.0
        self.fall = 1.0

    def load(self, slot: int) -> None:
        """Draw the gap of ``slot``; start and end are seconds since t0."""
        rng = Random(f"{self._seed}/{self._symbol}/gap/{slot}")
        self.venue = rng.choice(VENUES)
        self.start = slot * SLOT_S + rng.uniform(0.1, 1.3)
        self.end = self.start + rng.uniform(0.3, 1.5)
        self.width = rng.choice((-1, 1)) * rng.uniform(GAP_BPS_MIN, GAP_BPS_MAX) * 1e-4
        self.fall = rng.uniform(0.005, 0.030)
        self._slot = slot

    def at(self, t: float, venue: str) -> float:
        """Relative departure of ``venue`` at ``t`` seconds since t0."""
        slot = math.floor(t / SLOT_S)
        if slot != self._slot:
            self.load(slot)
        if venue != self.venue or t < self.start or t > self.end + self.fall:
            return 0.0
        if t <= self.end:
            return self.width
        return self.width * TAIL_SHARE * (1.0 - (t - self.end) / self.fall)


class SymbolPrice:
    """Fair price of one symbol on one venue."""

    __slots__ = ("_base", "_basis", "_common", "_gap", "_lag", "_venue")

    def __init__(
        self, seed: int, instrument: Instrument, venue: str,
        gaps: type[GapSchedule] = GapSchedule,
    ) -> None:
        symbol = instrument.canonical
        shared = Random(f"{seed}/{symbol}/shared")
        leader, lag = shared.choice(VENUES), shared.uniform(0.005, 0.020)
        own = Random(f"{seed}/{symbol}/{venue}/basis")
        self._basis = tuple(
            (amplitude, math.tau / (period * own.uniform(0.8, 1.25)), own.uniform(0, math.tau))
            for amplitude, period in ((0.4e-4, 7.3), (0.6e-4, 97.0))
        )
        self._lag = 0.0 if venue == leader else lag
        self._base = instrument.base_px
        self._venue = venue
        self._common = CommonPath(seed, symbol)
        self._gap = gaps(seed, symbol)

    def at(self, t: float) -> float:
        """Price in the venue's quotation at ``t`` seconds since t0."""
        (a0, w0, p0), (a1, w1, p1) = self._basis
        basis = a0 * math.sin(w0 * t + p0) + a1 * math.sin(w1 * t + p1)
        deviation = self._common.at(t - self._lag) + basis + self._gap.at(t, self._venue)
        return self._base * (1.0 + deviation)


class SeededMarket:
    """Quotes of one venue, ``rate`` a second in turn over its symbols.

    Update n belongs to symbol ``n % count`` and is due ``n / rate`` seconds after t0, so the run
    does not depend on how often ``advance`` is called.
    """

    def __init__(
        self, instruments: Sequence[Instrument], venue: str, seed: int, rate: int, t0_ns: int,
        size_share: float = 1.0, gaps: type[GapSchedule] = GapSchedule,
    ) -> None:
        self._prices = [SymbolPrice(seed, item, venue, gaps) for item in instruments]
        self._tick = [0.0] * len(instruments)
        self._usd_lot = [0.0] * len(instruments)
        for item in instruments:
            self.regrid(item)
        self._count = len(instruments)
        self._rate = rate
        self._t0_ns = t0_ns
        self._done: int | None = None
        self._last_lots = [(0, 0)] * self._count
        rng = Random(f"{seed}/{venue}/sizes")
        span = TOUCH_USD_MAX - TOUCH_USD_MIN
        self._usd = [size_share * (TOUCH_USD_MIN + span * rng.random() ** 2)
                     for _ in range(TABLE_SIZE)]
        self._spread = rng.choices((1, 2, 3), (7, 2, 1), k=TABLE_SIZE)

    def regrid(self, item: Instrument) -> None:
        self._tick[item.index] = item.tick_float
        self._usd_lot[item.index] = item.base_px * float(item.lot * item.contract_value)

    @property
    def ended(self) -> bool:
        return False

    def advance(self, now_ns: int, sink: QuoteSink) -> None:
        """Hand every quote that is due by ``now_ns`` to ``sink``, oldest first."""
        due = (now_ns - self._t0_ns) * self._rate // 1_000_000_000
        if self._done is None:  # the first call quotes every symbol once
            self._done = due - self._count
        elif due - self._done > self._rate * CATCH_UP_S + self._count:
            self._done = due - int(self._rate * CATCH_UP_S) - self._count
        for n in range(self._done + 1, due + 1):
            self._quote(n, sink)
        self._done = max(due, self._done)

    def _quote(self, n: int, sink: QuoteSink) -> None:
        turn, index = divmod(n, self._count)
        t = n / self._rate
        mid_ticks = self._prices[index].at(t) / self._tick[index]
        spread = self._spread[((turn >> 3) * 31 + index * 7) % TABLE_SIZE]
        bid = int(mid_ticks - 0.5 * spread + 0.5)
        usd_lot = self._usd_lot[index]
        bid_lots = 1 + int(self._usd[(n * 2654435761 >> 7) % TABLE_SIZE] / usd_lot)
        ask_lots = 1 + int(self._usd[(n * 2246822519 >> 9) % TABLE_SIZE] / usd_lot)
        if (bid_lots, ask_lots) == self._last_lots[index]:
            bid_lots += 1  # every update changes the book
        self._last_lots[index] = (bid_lots, ask_lots)
        sink(index, bid, bid + spread, bid_lots, ask_lots, self._t0_ns + int(t * 1e9))
