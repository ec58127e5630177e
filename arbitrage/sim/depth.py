"""The book behind the touch: what a simulated venue quotes beyond its best prices.

The levels are a pure function of (seed, symbol, venue, touch, time of the last quote), like the
market itself: the price axis is cut into cells of a few ticks, a cell holds one level at most, and
its price and size are drawn by hashing the cell's number and, every few seconds, a count of turns
of its own. So a level that price passes and comes back to is found again, deep levels change now
and then on their own, and nothing has to be kept or replayed.

The state of a book changes only with a quote, and so does its sequence id: a book of any depth and
the top of book with the same id are the same state.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

import numpy as np
import numpy.typing as npt

from arbitrage.sim.account import Book
from arbitrage.sim.instruments import Instrument

TABLE_SIZE = 4096
MASK = TABLE_SIZE - 1
TURN_MS = 4000  # a level keeps its size about so long
EMPTY_SHARE = 0.125
MEDIAN_USD, SIGMA, MOST_USD = 6000.0, 1.2, 400_000.0
CELL_SHARE = 0.025e-4  # of the price: how far levels are apart at least
Levels = list[tuple[int, int]]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BookView:
    """A whole book as numbers, best prices first: what a client must hold level by level."""

    symbol: str
    seq: int
    update_id: int  # of the venue's depth channel; 0 where it has none
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]


@functools.cache
def tables() -> tuple[IntArray, FloatArray]:
    """When a level changes within its turn, and what it is worth; drawn once for all seeds.

    A seed decides where in these tables a symbol's cells look.
    """
    rng = Random("depth")
    phase = [rng.randrange(TURN_MS) for _ in range(TABLE_SIZE)]
    usd = [0.0 if rng.random() < EMPTY_SHARE
           else min(MOST_USD, MEDIAN_USD * math.exp(rng.gauss(0.0, SIGMA)))
           for _ in range(TABLE_SIZE)]
    return np.array(phase), np.array(usd)


class Depth:
    """Levels behind the touch of every symbol of one venue; ``levels`` a side with the touch."""

    def __init__(self, instruments: Sequence[Instrument], venue: str, seed: int, t0_ns: int,
                 levels: int, size_share: float = 1.0) -> None:
        self.levels = levels
        self._t0_ns = t0_ns
        self._phase, usd = tables()
        self._usd = usd * size_share
        self._salt = [Random(f"{seed}/{item.canonical}/{venue}/depth").getrandbits(31)
                      for item in instruments]
        self._stride = [1] * len(instruments)
        self._lots = [self._phase] * len(instruments)
        for item in instruments:
            self.regrid(item)

    def regrid(self, item: Instrument) -> None:
        """Go on in the changed units of ``item``."""
        usd_lot = item.base_px * float(item.lot * item.contract_value)
        self._stride[item.index] = max(1, round(item.base_px * CELL_SHARE / item.tick_float))
        self._lots[item.index] = np.where(
            self._usd > 0, 1 + (self._usd / usd_lot).astype(np.int64), 0)

    def behind(self, index: int, touch: int, away: int, count: int, wall_ns: int) -> Levels:
        """``count`` levels beyond the price ``touch``; ``away`` is 1 for asks, -1 for bids."""
        stride = self._stride[index]
        now_ms = (wall_ns - self._t0_ns) // 1_000_000
        first = touch // stride
        looked = count + count // 4 + 16  # some cells are empty
        found: Levels = []
        while True:
            end = first + away * looked
            cells = np.arange(first, max(end, -1), away)
            drawn = (cells * 2654435761 + self._salt[index]) >> 8 & MASK
            turns = (now_ms + self._phase[drawn]) // TURN_MS
            lots = self._lots[index][(drawn * 7 + turns * 40503) & MASK]
            ticks = cells * stride + drawn % stride
            held = (lots > 0) & ((ticks - touch) * away > 0) & (ticks > 0)
            found = list(zip(ticks[held].tolist(), lots[held].tolist(), strict=True))
            if len(found) >= count or end < 0:
                return found[:count]
            looked *= 2

    def side(self, index: int, book: Book, away: int, count: int) -> dict[int, int]:
        """Lots by price of one side of ``book``, best first, its touch included."""
        touch, lots = ((book.ask_ticks, book.ask_lots) if away > 0
                       else (book.bid_ticks, book.bid_lots))
        if not lots:
            return {}
        side = {touch: lots}
        count = min(count, self.levels) - 1
        if count > 0:
            side.update(self.behind(index, touch, away, count, book.state_ns))
        return side


class Ladder:
    """One depth channel of one symbol as its subscribers hold it."""

    __slots__ = ("asks", "bids", "changed_ns", "due_ns", "seq", "snapshot_due", "update_id")

    def __init__(self, update_id: int) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.seq = 0
        self.update_id = update_id
        self.changed_ns = 0  # last push
        self.due_ns = 0  # next look
        self.snapshot_due = True  # the next push replaces what subscribers hold

    def move(self, bids: dict[int, int], asks: dict[int, int], seq: int, now_ns: int
             ) -> tuple[Levels, Levels]:
        """Take the new state; return what changed on each side, 0 lots for a level that left."""
        changes = changed(self.bids, bids, -1), changed(self.asks, asks, 1)
        self.bids, self.asks, self.seq, self.changed_ns = bids, asks, seq, now_ns
        return changes


def changed(old: dict[int, int], new: dict[int, int], away: int) -> Levels:
    """Levels of ``new`` that differ from ``old``, and those that are gone, best price first."""
    rows = [(ticks, lots) for ticks, lots in new.items() if old.get(ticks) != lots]
    rows += [(ticks, 0) for ticks in old.keys() - new.keys()]
    rows.sort(reverse=away < 0)
    return rows
