"""What went wrong in a run, as a person would tell it: when, to whom, how it ended, how long.

Everything that is worth a warning in the log becomes an incident here as well, and so does what
shows in the trader's own figures only (`incident_watch`). What happens again within a minute of its
end is the same incident, with a count, so that a venue's bad hour is a few lines.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from arbitrage.secret import mask_known

__all__ = ["Incident", "IncidentLog", "Incidents"]

CAPACITY = 500
FOLD_NS = 60_000_000_000  # what comes again within so long of its end is the same incident
TEXT_MAX = 300
# What differs from one telling of the same thing to the next: order ids, waits, odds and ends.
_PASSING = re.compile(r"\d{9,}|\d+\.\d+")
Key = tuple[str, str, str, str]


@dataclass(slots=True)
class Incident:
    """One thing that went wrong, and how it ended.

    Attributes
    ----------
    began_wall_ns, last_wall_ns : int
        First time, and the last that is folded into it.
    text : str
        What happened, without when and to whom; of the first time.
    ending : str
        How it ended; empty where there is nothing to end, or it has not.
    is_open : bool
        It goes on.
    lasted_ns : int
        All spells together.
    count : int
        How often it happened.
    """

    kind: str
    venue: str
    symbol: str
    key: str
    text: str
    began_wall_ns: int
    last_wall_ns: int
    ending: str = ""
    is_open: bool = False
    lasted_ns: int = 0
    count: int = 1
    number: int = 0  # in the run, from 1
    spell_wall_ns: int = 0  # begin of the present spell
    over_wall_ns: int = 0  # end of the last one

    def line(self) -> str:
        """Return it as one line."""
        whom = " ".join(part for part in (self.venue, self.symbol) if part)
        told = f"{_time(self.began_wall_ns)} {whom + ': ' if whom else ''}{self.text}"
        if self.count > 1:
            told += f" ({self.count} times, last {_time(self.last_wall_ns, date=False)})"
        if self.is_open:
            return f"{told}; not over"
        if not self.ending:
            return told
        in_all = " in all" if self.count > 1 else ""
        return f"{told}; {self.ending} after {self.lasted_ns / 1e9:.3f} s{in_all}"

    def to_dict(self) -> dict[str, Any]:
        """Return it for the report."""
        return {
            "at": _time(self.began_wall_ns),
            "last_at": _time(self.last_wall_ns),
            "kind": self.kind,
            "venue": self.venue,
            "symbol": self.symbol,
            "text": self.text,
            "count": self.count,
            "is_over": not self.is_open,
            "ending": self.ending,
            "lasted_s": round(self.lasted_ns / 1e9, 6),
            "line": self.line(),
        }


def _time(wall_ns: int, *, date: bool = True) -> str:
    form = "%Y-%m-%dT%H:%M:%S" if date else "%H:%M:%S"
    at = datetime.fromtimestamp(wall_ns // 1_000_000_000, UTC)
    return f"{at:{form}}.{wall_ns // 1_000_000 % 1000:03d}Z"


class Incidents:
    """A bounded account of what went wrong.

    Threads: any; calls are short and rare.

    Parameters
    ----------
    capacity : int
        Incidents kept. Beyond that the oldest that is over is forgotten, and counted.
    clock : callable
        Wall clock in ns, for tests.

    Examples
    --------
    >>> incidents = Incidents(clock=lambda: 1_700_000_000_000_000_000)
    >>> incidents.note("order", "refused with code 110007", venue="bybit")
    >>> incidents.lines()
    ['2023-11-14T22:13:20.000Z bybit: refused with code 110007']
    """

    def __init__(self, capacity: int = CAPACITY, clock: Callable[[], int] = time.time_ns) -> None:
        self.forgotten = 0
        self.changes = 0  # of the account, so far
        self._capacity = capacity
        self._clock = clock
        self._lock = threading.Lock()
        self._all: list[Incident] = []
        self._latest: dict[Key, Incident] = {}
        self._told = 0

    def note(
        self,
        kind: str,
        text: str,
        *,
        venue: str = "",
        symbol: str = "",
        key: str | None = None,
        count: int = 1,
    ) -> None:
        """Tell of something that has no duration; `key` says what makes two of them the same."""
        with self._lock:
            self._take(kind, text, venue, symbol, key, count)

    def begin(
        self,
        kind: str,
        text: str,
        *,
        venue: str = "",
        symbol: str = "",
        key: str | None = None,
        wall_ns: int | None = None,
    ) -> None:
        """Tell of something that will end; while it goes on, another call counts it again."""
        with self._lock:
            told = self._take(kind, text, venue, symbol, key, 1, wall_ns)
            if not told.is_open:
                self.changes += 1
                told.is_open = True
                told.spell_wall_ns = told.last_wall_ns

    def end(
        self,
        kind: str,
        ending: str,
        *,
        venue: str = "",
        symbol: str = "",
        key: str = "",
        wall_ns: int | None = None,
    ) -> bool:
        """Tell that it is over; False when it had not begun."""
        with self._lock:
            told = self._latest.get((kind, venue, symbol, key))
            if told is None or not told.is_open:
                return False
            now_ns = self._clock() if wall_ns is None else wall_ns
            self.changes += 1
            told.is_open, told.ending, told.over_wall_ns = False, ending, now_ns
            told.lasted_ns += max(0, now_ns - told.spell_wall_ns)
            return True

    def is_open(self, kind: str, *, venue: str = "", symbol: str = "", key: str = "") -> bool:
        """Return whether such an incident goes on."""
        with self._lock:
            told = self._latest.get((kind, venue, symbol, key))
            return told is not None and told.is_open

    def open_keys(self, kind: str, venue: str = "") -> list[str]:
        """Return the keys of the incidents of a kind at a venue that go on."""
        with self._lock:
            return [
                key
                for (its_kind, its_venue, _, key), told in self._latest.items()
                if its_kind == kind and its_venue == venue and told.is_open
            ]

    def lines(self) -> list[str]:
        """Return the whole account, a line each, oldest first."""
        with self._lock:
            return [told.line() for told in self._in_order()]

    def recent(self, count: int) -> list[Incident]:
        """Return the last so many as they are now, and older ones that go on, oldest first."""
        with self._lock:
            first = max(0, len(self._all) - count)
            return [
                copy(told) for place, told in enumerate(self._all) if place >= first or told.is_open
            ]

    def to_list(self) -> list[dict[str, Any]]:
        """Return the whole account for the report, oldest first."""
        with self._lock:
            return [told.to_dict() for told in self._in_order()]

    def _in_order(self) -> list[Incident]:
        # some are told of later than they began: by pair events, which carry their own time
        return sorted(self._all, key=lambda told: told.began_wall_ns)

    def _take(
        self,
        kind: str,
        text: str,
        venue: str,
        symbol: str,
        key: str | None,
        count: int,
        wall_ns: int | None = None,
    ) -> Incident:
        self.changes += 1
        now_ns = self._clock() if wall_ns is None else wall_ns
        # masked before it is cut: a venue may quote what it was sent, and half a key is one too
        text = " ".join(mask_known(text).split())[:TEXT_MAX]
        full: Key = (kind, venue, symbol, _PASSING.sub("#", text) if key is None else key)
        told = self._latest.get(full)
        if told is not None and (
            told.is_open or now_ns - max(told.last_wall_ns, told.over_wall_ns) < FOLD_NS
        ):
            told.count += count
            told.last_wall_ns = now_ns
            return told
        told = Incident(kind, venue, symbol, full[3], text, now_ns, now_ns, count=count)
        self._told += 1
        told.number = self._told
        self._latest[full] = told
        self._all.append(told)
        if len(self._all) > self._capacity:
            self._forget()
        return told

    def _forget(self) -> None:
        index = next((i for i, told in enumerate(self._all) if not told.is_open), 0)
        gone = self._all.pop(index)
        self.forgotten += 1
        full = (gone.kind, gone.venue, gone.symbol, gone.key)
        if self._latest.get(full) is gone:
            del self._latest[full]


class IncidentLog(logging.Handler):
    """Take every warning and error of our own loggers into the account.

    A record with the attribute ``incident`` tells of a connection of that name, which will be back:
    the watch over the connections ends it.
    """

    def __init__(self, incidents: Incidents) -> None:
        super().__init__(logging.WARNING)
        self._incidents = incidents

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # as logging itself: a bad format must not end a thread
            self.handleError(record)
            return
        _, _, name = record.name.rpartition(".")
        venue = name if ".venues." in record.name and name in text.partition(":")[0] else ""
        if venue:
            text = text.removeprefix(f"{venue}: ")
        line = getattr(record, "incident", None)
        if line is not None:
            self._incidents.begin("connection", text, venue=venue, key=line)
        else:
            self._incidents.note("venue" if venue else name, text, venue=venue)
