"""A detector in a random world, told turn by turn; what it published and what it told of itself."""

import os
import random
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arbitrage.core.decisions import DECISION_BYTES
from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.records import OPPORTUNITY_DTYPE, TICK_DTYPE
from arbitrage.core.segment import Segment
from arbitrage.core.stages import Stages

MS = 1_000_000
HOUR = 3_600_000 * MS
NAN = float("nan")
CAPACITY = 4
SYMBOLS = 3
QUOTE, STATE, FUNDING = range(3)


def packed(row: int, kind: int, seq: int = 0) -> int:
    return seq << 16 | row << 3 | kind


class World:
    """Lanes, books and contracts that change at random; every gate of the detector may be on."""

    def __init__(self, seed: int, *, tap_bytes: int = 1 << 20, round_ms: int = 20) -> None:
        self.random = random.Random(seed)
        self.segment = Segment.create(
            f"told-{os.getpid()}-{seed}-{time.monotonic_ns() % 10**9}",
            symbol_capacity=CAPACITY, lane_count=2, tick_capacity=8, tap_bytes=tap_bytes,
            opportunity_capacity=1 << 14,
        )  # fmt: skip
        self.segment.decisions.enable(True)
        self.reader = self.segment.decisions.reader()
        self.events = self.segment.opportunities.reader(from_oldest=True)
        self.symbols = list(range(SYMBOLS - 1))  # the last comes to life later
        for symbol in self.symbols:
            self.describe(symbol)
        # behind the clock that stamps events: so that stamps differ, and stay below their 4.29 s
        self.now_ns = int(self.segment.clock.now()) - 4_000 * MS
        self.wall_ns = time.time_ns() - self.now_ns
        pick = self.random.choice
        detector = OpportunityDetector(
            self.segment.store,
            min_net_bps=pick([-20.0, 0.0, 1.5]),
            min_gross_bps=pick([None, 3.0]),
            min_confidence=pick([0.0, 30.0]),
            depth_factor=pick([0.0, 2.0]),
            position_notional=pick([0.0, 500.0]),
            max_age_ns=pick([0, 60 * MS]),
            suspect_ns=(0, pick([0, 20 * MS])),
            stale_ns=(pick([40 * MS, 4_500 * MS]), pick([90_000 * MS, 100 * MS])),
            sweep_period_ns=pick([5 * MS, 50 * MS]),
            funding_horizon_s=pick([0.0, 3600.0, 9 * 3600.0]),
            wall_minus_mono_ns=self.wall_ns,
        )
        self.stages = Stages(self.segment, detector, placement="inline", round_ms=round_ms)
        self.lanes = [self.segment.lane(index).producer() for index in range(2)]

    def close(self) -> None:
        self.segment.close()

    def describe(self, symbol: int) -> None:
        """Enter both contracts of a symbol, or change them: only rows that are not live."""
        store = self.segment.store
        for venue in range(2):
            row = store.row(venue, symbol)
            if store.state.flat[row] != 2:
                mult = self.random.choice([(1.0, 1.0), (0.001, 1000.0)])
                store.set_instrument(row, *mult, taker_bps=self.random.choice([0.0, 0.05]))

    def step(self) -> None:
        """Let something happen, and mostly a turn of the detector after it."""
        chance = self.random.random()
        if chance < 0.75:
            self.push(self.quote())
        elif chance < 0.81:
            self.push(self.other(STATE))
        elif chance < 0.87:
            self.push(self.other(FUNDING))
        elif chance < 0.95:
            self.depth()
        elif chance < 0.97:
            symbol = self.random.randrange(SYMBOLS)
            self.symbols = sorted({*self.symbols, symbol})
            self.describe(symbol)
        else:
            self.now_ns += self.random.choice([7 * MS, 55 * MS, 130 * MS])
        if self.random.random() < 0.6:
            self.now_ns += self.random.choice([0, 1000, MS])
            self.stages.turn(self.now_ns)

    def row(self) -> int:
        index = self.random.choice([*self.symbols, *self.symbols, CAPACITY - 1])
        return int(self.segment.store.row(self.random.randrange(2), index))

    def push(self, tick: NDArray[np.void]) -> None:
        self.now_ns += self.random.randrange(3)
        tick["recv_mono_ns"] = self.now_ns - self.random.choice([0, 0, 0, 500])
        lane = 0 if self.random.random() < 0.5 else 1
        self.lanes[lane].try_push(tick.tobytes())

    def quote(self) -> NDArray[np.void]:
        tick, row = np.zeros(1, TICK_DTYPE), self.row()
        mult = float(self.segment.store.px_mult.flat[row]) or 1.0
        mid = 100.0 + 0.02 * self.random.randint(-8, 8)
        tick["bid_px"], tick["ask_px"] = (mid - 0.01) / mult, (mid + 0.01) / mult
        if self.random.random() < 0.05:
            tick["bid_px"] = NAN
        tick["bid_qty"], tick["ask_qty"] = (self.random.choice([0.5, 5.0, NAN]) for _ in range(2))
        tick["seq_row_kind"] = packed(row, QUOTE, self.random.randrange(1 << 30))
        tick["exch_wall_ms"] = (self.now_ns + self.wall_ns) // MS % 2**32
        tick["aux_u32"] = self.random.randrange(5000)
        return tick

    def other(self, kind: int) -> NDArray[np.void]:
        tick = np.zeros(1, TICK_DTYPE)
        tick["bid_px"] = tick["ask_px"] = tick["bid_qty"] = tick["ask_qty"] = NAN
        tick["seq_row_kind"] = packed(self.row(), kind)
        if kind == STATE:
            tick["aux_u32"] = self.random.randrange(6)
        else:
            tick["bid_px"] = self.random.choice([NAN, 0.0005, -0.001])
            tick["ask_px"] = self.random.choice([1.0, 8.0])
            after = self.random.choice([-HOUR, 10 * MS, HOUR])
            tick["exch_wall_ms"] = (self.now_ns + self.wall_ns + after) // MS % 2**32
        return tick

    def depth(self) -> None:
        def side(sign: int) -> list[tuple[float, float]]:
            count = self.random.choice([0, 1, 3, 10])
            return [(100.0 + sign * 0.02 * level, self.random.choice([0.5, 3.0]))
                    for level in range(1, count + 1)]  # fmt: skip

        store, venue = self.segment.store, self.random.randrange(2)
        store.apply_depth(venue, self.random.choice(self.symbols), side(-1), side(1))

    # ---- what came of it -------------------------------------------------------------------------

    def told(self) -> list[bytes]:
        """Take what the detector told since the last call, batch by batch."""
        batches = []
        while (found := self.reader.read()) is not None:
            assert len(found[3]) % DECISION_BYTES == 0
            batches.append(found[3])
        return batches

    def published(self) -> Any:
        """Take the events published since the last call."""
        return self.events.drain(dtype=OPPORTUNITY_DTYPE)
