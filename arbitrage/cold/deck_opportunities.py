"""What one reader has seen of a trader's opportunities: those open now and those closed lately."""

import math
import time
from copy import copy
from itertools import islice
from typing import Any

import numpy as np

from arbitrage.cold.deck_lines import OpportunityLine
from arbitrage.core.records import CloseReason, OppEvent
from arbitrage.core.segment import VENUES, Segment

__all__ = ["OpportunityBook"]

LINES_MAX = 200
_REASONS = {reason.value: reason.name.lower() for reason in CloseReason}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _rank(line: OpportunityLine) -> float:
    return math.inf if line.net_bps is None else -line.net_bps


class OpportunityBook:
    """Follow the broadcast of opportunities with a cursor of its own; of each life the last event.

    Threads: one.
    """

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._reader = segment.opportunities.reader(from_oldest=True)
        self._lost = 0
        self._open: dict[int, OpportunityLine] = {}
        self._closed: dict[int, OpportunityLine] = {}  # newest last
        self._symbols: list[str] = []

    @property
    def lost(self) -> int:
        """Events overwritten before this reader came to them."""
        return self._reader.lost

    def take(self) -> None:
        """Read what the trader has published since the last call."""
        events = self._reader.drain()
        if self._reader.lost != self._lost:
            # an end may be among what was overwritten; what goes on is told again by its next event
            self._lost = self._reader.lost
            self._open.clear()
        if len(events) == 0:
            return
        # of each life the last event: positions from behind, the first of each id
        _, behind = np.unique(events["id"][::-1], return_index=True)
        self._symbols = list(self._segment.symbols)
        px_mult = self._segment.store.px_mult.reshape(-1)
        now_ns = (time.monotonic_ns(), time.time_ns())
        for place in np.sort(len(events) - 1 - behind):
            line = self._line(events[place], px_mult, now_ns)
            self._open.pop(line.id, None)
            (self._open if line.state == "open" else self._closed)[line.id] = line
        while len(self._closed) > LINES_MAX:
            del self._closed[next(iter(self._closed))]

    def lines(self) -> list[OpportunityLine]:
        """Return the open ones by net edge, then those closed lately, newest first, at most 200."""
        best = sorted(self._open.values(), key=_rank)
        chosen = [copy(line) for line in best[:LINES_MAX]]
        for line in islice(reversed(self._closed.values()), LINES_MAX - len(chosen)):
            chosen.append(copy(line))
        wall_ns = time.time_ns()
        for line in chosen:
            line.age_ms = max(0.0, (wall_ns - line.opened_wall_ns) / 1e6)
        return chosen

    def _line(self, event: Any, px_mult: Any, now_ns: tuple[int, int]) -> OpportunityLine:
        told: dict[str, Any] = dict(zip(event.dtype.names, event.item(), strict=True))
        opened_ns, is_open = told["open_mono_ns"], told["event"] != OppEvent.CLOSE
        mono_ns, wall_ns = now_ns
        qty = min(told["ask_qty"], told["bid_qty"])
        return OpportunityLine(
            id=told["id"],
            symbol=self._symbol(told["symbol_index"]),
            buy_venue=self._venue(told["buy_row"]),
            sell_venue=self._venue(told["sell_row"]),
            opened_wall_ns=wall_ns + (opened_ns - mono_ns),
            age_ms=0.0,
            gross_bps=_number(told["gross_bps"]),
            fees_bps=told["fees_bps"],
            slippage_bps=_number(told["slippage_bps"]),
            funding_bps=told["funding_bps"],
            net_bps=_number(told["net_bps"]),
            peak_net_bps=told["peak_net_bps"],
            size_usd=_number(told["ask_px"] * float(px_mult[told["buy_row"]]) * qty),
            state="open" if is_open else "closed",
            reason="" if is_open else _REASONS.get(told["reason"], str(told["reason"])),
            lasted_ms=None if is_open else (told["recv_mono_ns"] - opened_ns) / 1e6,
        )

    def _symbol(self, index: int) -> str:
        return self._symbols[index] if index < len(self._symbols) else str(index)

    def _venue(self, row: int) -> str:
        place = row // self._segment.store.symbol_capacity
        return VENUES[place] if place < len(VENUES) else str(place)
