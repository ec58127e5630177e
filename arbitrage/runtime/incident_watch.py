"""Incidents that nobody logs: rows out of service, legs alone, lines down, control words, losses.

Read from the segment at each beat of the main thread, so that they are told wherever the feeds run.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from arbitrage.core.histogram import Histogram
from arbitrage.core.messages import PairEvent
from arbitrage.core.records import RowState
from arbitrage.core.segment import Segment
from arbitrage.core.store import ROW_LIVE
from arbitrage.core.strategy import EVENTS, EXIT_REASONS
from arbitrage.instruments import VENUES
from arbitrage.runtime.incidents import IncidentLog, Incidents
from arbitrage.runtime.report import naked_figures

__all__ = ["IncidentWatch", "Line"]

NAMES_TOLD = 3
MARKET_LINE = "market data"
# Pair events after which a pair is in trouble, and those after which it is over.
_TROUBLE = {
    "unwinding": "is being flattened",
    "one_leg": "one leg stands alone",
    "completing": "one leg failed, completing it",
    "broken": "could not be brought back in time",
}
_OVER = {"closed": "closed", "unwound": "flat", "missed": "flat", "opened": "both legs stand"}
# What a counter that rises means.
_COUNTED = {
    "strategy": {
        "orders_dropped": "an order was not sent, its ring was full",
        "orders_unjournaled": "an order was not sent, the journal had no room",
        "illegal_moves": "a pair moved against the table",
        "opportunities_lost": "an opportunity was overwritten before the strategy saw it",
    },
    "gateway": {
        "orders_unsendable": "an order could not leave: no line, or the venue's rate used up",
        "executions_dropped": "an execution was lost, its ring was full",
        "timeouts": "an order was not answered in time, the venue is asked for it",
        "clock_steps": "the clock was off by more than may be slewed",
    },
    "feed": {
        "depth_gaps": "a book was given up, an update was lost",
        "malformed": "a frame could not be read",
    },
}
_WORDS = {
    "kill": ("killed: no order leaves", "cleared"),
    "opening_off": ("no pair is opened", "pairs are opened again"),
    "flatten": ("every pair is being closed", "no longer"),
}


# bits of risk.h
_PAUSED = {
    1: "a venue changed its contract",
    2: "paused by an operator",
    4: "the breaker has tripped",
    8: "what we hold there cannot be explained",
}


class Line(Protocol):
    """What the watch needs of a gateway's connection."""

    @property
    def venue(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def is_ready(self) -> bool: ...


class IncidentWatch:
    """Look at a running trader and keep its account of incidents.

    Threads: the main thread's.

    Parameters
    ----------
    segment : Segment
    incidents : Incidents
    symbols : sequence of str
        By symbol index.
    market_lines : int
        Public connections of each venue.
    lines : callable
        Returns the gateways' connections; they may come later.
    mono_to_wall_ns : callable
        What to add to a time of pair events now, for tests.
    """

    def __init__(
        self,
        segment: Segment,
        incidents: Incidents,
        symbols: Sequence[str],
        *,
        market_lines: int = 1,
        lines: Callable[[], Iterable[Line]] = tuple,
        mono_to_wall_ns: Callable[[], int] = lambda: time.time_ns() - time.monotonic_ns(),
    ) -> None:
        self._segment = segment
        self._incidents = incidents
        self._symbols = list(symbols)
        self._market_lines = market_lines
        self._lines = lines
        self._mono_to_wall_ns = mono_to_wall_ns
        self._log = IncidentLog(incidents)
        self._events = segment.pair_events.reader(from_oldest=True)
        store = segment.store
        self._states = store.by_row("state")
        self._symbol_capacity = store.symbol_capacity
        self._served: list[set[int]] = [set() for _ in VENUES]  # symbols that have been LIVE
        self._outages: dict[str, tuple[str, set[int]]] = {}
        self._seen: dict[str, int] = {}
        self._words: dict[str, bool] = {}
        self._paused: dict[int, int] = {}
        self._stopping = False
        self.naked: dict[str, Histogram] = {}  # ns the longest lone leg of a pair stood, by cause

    def open(self) -> None:
        """Take the warnings of our loggers into the account from now on, until `close`."""
        logging.getLogger("arbitrage").addHandler(self._log)

    def close(self) -> None:
        """Leave the log alone again."""
        logging.getLogger("arbitrage").removeHandler(self._log)

    def figures(self) -> dict[str, Any]:
        """Return what went wrong so far, and how long legs stood alone, for the report."""
        self.beat()
        return {
            "naked_leg_ms": naked_figures(self._segment.latency.histogram("naked_leg"), self.naked),
            "incidents": self._incidents.to_list(),
            "incidents_forgotten": self._incidents.forgotten,
        }

    def stop(self) -> None:
        """Tell the end apart: what is steered from now on is the stop, no incident."""
        self._stopping = True

    def beat(self) -> None:
        """Look once."""
        counters = self._segment.counters()
        self._look_at_lines(counters["feed"])
        self._look_at_rows()
        self._look_at_pairs()
        self._look_at_controls()
        for name, words in _COUNTED["strategy"].items():
            self._count("", name, counters["strategy"].get(name, 0), words)
        for block in ("gateway", "feed"):
            for venue in VENUES:
                for name, words in _COUNTED[block].items():
                    self._count(venue, name, counters[block][venue].get(name, 0), words)

    # ---- lines -------------------------------------------------------------------------------

    def _look_at_lines(self, feed: Mapping[str, Any]) -> None:
        incidents = self._incidents
        for venue in VENUES:
            connects, lost = feed[venue]["connects"], feed[venue]["disconnects"]
            new = self._rise(f"{venue} disconnects", lost)
            if new and not self._stopping and not self._open_lines(venue):
                incidents.begin(
                    "connection", "market data connection lost", venue=venue, key=MARKET_LINE
                )
            if connects - lost >= self._market_lines:
                for key in self._open_lines(venue):
                    incidents.end("connection", "connected again", venue=venue, key=key)
        for line in self._lines():
            if line.is_ready:
                incidents.end("connection", "connected again", venue=line.venue, key=line.label)

    def _open_lines(self, venue: str) -> list[str]:
        keys = self._incidents.open_keys("connection", venue)
        return [key for key in keys if key.startswith(MARKET_LINE)]

    # ---- rows --------------------------------------------------------------------------------

    def _look_at_rows(self) -> None:
        for number, venue in enumerate(VENUES):
            first = number * self._symbol_capacity
            states: list[int] = self._states[first : first + self._symbol_capacity].tolist()
            live = {index for index, state in enumerate(states) if state == ROW_LIVE}
            self._served[number] |= live
            self._note_rows(venue, self._served[number] - live, states)

    def _note_rows(self, venue: str, out: set[int], states: Sequence[int]) -> None:
        for key, (name, rows) in list(self._outages.items()):
            if name == venue and not rows & out:
                symbol = self._symbol(next(iter(rows))) if len(rows) == 1 else ""
                self._incidents.end("book", "live again", venue=venue, symbol=symbol, key=key)
                del self._outages[key]
        known = {row for name, rows in self._outages.values() if name == venue for row in rows}
        fresh = out - known
        if not fresh or self._stopping:
            return
        states_told = sorted({RowState(states[row]).name.lower() for row in fresh})
        names = sorted(self._symbol(row) for row in fresh)
        shown = ", ".join(names[:NAMES_TOLD])
        if len(names) > NAMES_TOLD:
            shown += f" and {len(names) - NAMES_TOLD} more"
        key = f"{venue} {shown}"
        text = f"not traded, the book is {' or '.join(states_told)}"
        if len(fresh) > 1:
            text = f"{shown}: {text}"
        symbol = names[0] if len(fresh) == 1 else ""
        self._outages[key] = (venue, fresh)
        self._incidents.begin("book", text, venue=venue, symbol=symbol, key=key)

    # ---- pairs -------------------------------------------------------------------------------

    def _look_at_pairs(self) -> None:
        while (record := self._events.try_pop()) is not None:
            self._note_pair(PairEvent.unpack(record))

    def _note_pair(self, event: PairEvent) -> None:
        name = EVENTS[event.event] if event.event < len(EVENTS) else str(event.event)
        reason = EXIT_REASONS[event.reason] if event.reason < len(EXIT_REASONS) else "unknown"
        symbol, key = self._symbol(event.symbol_index), str(event.pair)
        broken_key = f"{key} broken"
        wall_ns = event.mono_ns + self._mono_to_wall_ns()
        if name in _TROUBLE:
            why = "" if reason == "none" else f" ({reason.replace('_', ' ')})"
            if name == "broken":  # told by itself, beside what the pair was doing about it
                key = broken_key
            if not self._incidents.is_open("pair", symbol=symbol, key=key):
                text = f"pair {event.pair}: {_TROUBLE[name]}{why}"
                self._incidents.begin("pair", text, symbol=symbol, key=key, wall_ns=wall_ns)
        elif name in _OVER:
            ending = _OVER[name]
            if event.naked_us:
                ending += f", a leg alone for at most {event.naked_us / 1000:.3f} ms,"
            for one in (key, broken_key):
                self._incidents.end("pair", ending, symbol=symbol, key=one, wall_ns=wall_ns)
            if name != "opened" and event.naked_us:
                cause = "fills came apart" if reason in _ON_PURPOSE else reason.replace("_", " ")
                self.naked.setdefault(cause, Histogram()).record(event.naked_us * 1000)

    # ---- words and counts --------------------------------------------------------------------

    def _look_at_controls(self) -> None:
        if self._stopping:
            return
        controls = self._segment.controls
        for name, (begun, over) in _WORDS.items():
            now, was = bool(controls.get(name)), self._words.get(name, False)
            self._words[name] = now
            if now and not was:
                self._incidents.begin("control", begun, key=name)
            elif was and not now:
                self._incidents.end("control", over, key=name)
        for index in range(len(self._symbols)):
            bits, before = self._segment.pause_reasons(index), self._paused.get(index, 0)
            self._paused[index] = bits
            for bit, why in _PAUSED.items():
                symbol, text = self._symbol(index), f"opens no pair: {why}"
                if bits & bit and not before & bit:
                    self._incidents.begin("paused", text, symbol=symbol, key=why)
                elif before & bit and not bits & bit:
                    self._incidents.end("paused", "resumed", symbol=symbol, key=why)

    def _count(self, venue: str, name: str, value: int, words: str) -> None:
        more = self._rise(f"{venue} {name}", value)
        if more:
            self._incidents.note("counter", words, venue=venue, key=name, count=more)

    def _rise(self, name: str, value: int) -> int:
        more = value - self._seen.get(name, 0)
        self._seen[name] = value
        return max(0, more)

    def _symbol(self, index: int) -> str:
        return self._symbols[index] if index < len(self._symbols) else f"symbol {index}"


# Reasons of pairs that left because we wanted to: a leg stood alone only between two fills.
_ON_PURPOSE = frozenset({"none", "take_profit", "stop", "max_hold", "flatten"})
