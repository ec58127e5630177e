"""What the protocols say about each row, read from the frames that reached the trader.

Independent of the compiled path: a JSON decoder and a few rules. A row may be traded from only
while its connection is up, its quote or book came since it was (re)subscribed, no update of its
book is missing, and its venue has not been silent for longer than it ever is.

An update is missing for certain when a later one names a predecessor that never came: Bybit's `u`
does not step by one while `seq` rises, OKX' `prevSeqId` is none of the ids that came since the
snapshot. A copy of what came before, on time or late, proves no loss, and a lost quote of a channel
of snapshots is known to nobody before the next one comes.
"""

from __future__ import annotations

import json
from typing import Any

from arbitrage.core.records import RowState

NS = 1_000_000_000
SILENT_NS = (4_500_000_000, 90_000_000_000)
LATE_NS = 100_000_000  # the detector notices silence by looking now and then
LOST = {RowState.SYNCING, RowState.GAP, RowState.STALE, RowState.EMPTY}
QUOTES = {"orderbook.1", "bbo-tbt", "books5"}  # each frame is the whole of it
BOOKS = {"orderbook.50", "books"}


class Heard:
    """What was heard of one row since it was last taken out of service."""

    def __init__(self, venue: int) -> None:
        self.venue = venue
        self.is_quoted = False
        self.heard_ns = 0
        self.last_id = self.last_seq = 0
        self.last_ms = 0
        self.ids: set[int] = set()  # of the snapshot and what followed; empty: no book is held

    def forget(self) -> None:
        self.is_quoted = False
        self.ids.clear()


class Witness:
    """Rows by what was heard of them; `has_books` says whether depth is subscribed."""

    def __init__(self, has_books: bool) -> None:
        self.has_books = has_books
        self.rows: dict[tuple[int, str], int] = {}
        self.heard: dict[int, Heard] = {}
        self.lines: set[tuple[int, int]] = set()  # connections that brought anything
        self.gaps = 0
        self.late_ns = LATE_NS

    def add(self, venue: int, venue_symbol: str, row: int) -> None:
        self.rows[venue, venue_symbol] = row
        self.heard[row] = Heard(venue)

    def state_said(self, row: int, state: int) -> None:
        """The connector itself took a row out of service, or vouched for it."""
        if state in LOST:
            self.heard[row].forget()

    def line_gone(self, venue: int, line: int) -> None:
        """A connection ended: with the last one of a venue all that was heard there is void."""
        self.lines.discard((venue, line))
        if all(open_venue != venue for open_venue, _ in self.lines):
            for heard in self.heard.values():
                if heard.venue == venue:
                    heard.forget()

    def frame(self, venue: int, payload: bytes, now_ns: int, line: int = 0) -> int | None:
        """Take one frame; return the row of which an update is now known to be missing."""
        self.lines.add((venue, line))
        if payload[:1] != b"{":
            return None
        frame = json.loads(payload)
        if venue == 0:
            channel, _, name = frame.get("topic", "").rpartition(".")
        else:
            arg = frame.get("arg") or {}
            channel, name = arg.get("channel", ""), arg.get("instId", "")
        row = self.rows.get((venue, name))
        if row is None or channel not in QUOTES | BOOKS or "data" not in frame:
            return None
        heard = self.heard[row]
        heard.heard_ns = now_ns
        if channel in QUOTES:
            heard.is_quoted = True
            return None
        is_snapshot = "snapshot" in (frame.get("type"), frame.get("action"))
        heard.is_quoted |= is_snapshot
        if not self.has_books:
            return None
        is_gap = self._bybit(heard, frame) if venue == 0 else self._okx(heard, frame)
        if not is_gap:
            return None
        self.gaps += 1
        heard.forget()
        return row

    @staticmethod
    def _bybit(heard: Heard, frame: Any) -> bool:
        number, seq, made_ms = frame["data"]["u"], frame["data"]["seq"], frame["cts"]
        if frame["type"] == "snapshot":
            is_late = made_ms <= heard.last_ms and seq < heard.last_seq and number != 1
            if not heard.ids or not is_late:
                heard.ids = {number}
                heard.last_id, heard.last_seq, heard.last_ms = number, seq, made_ms
            return False
        if not heard.ids or (number <= heard.last_id and seq <= heard.last_seq):
            return False
        is_gap = number != heard.last_id + 1
        heard.last_id, heard.last_seq, heard.last_ms = number, seq, made_ms
        return is_gap

    @staticmethod
    def _okx(heard: Heard, frame: Any) -> bool:
        (data,) = frame["data"]
        number, previous, made_ms = data["seqId"], data["prevSeqId"], int(data["ts"])
        if previous == -1:
            # one grid point of the venue's time may hold several states: then the id tells
            is_late = made_ms <= heard.last_ms and number < heard.last_id
            if not heard.ids or not is_late:
                heard.ids = {number}
                heard.last_id, heard.last_ms = number, made_ms
            return False
        if not heard.ids:
            return False
        if previous == heard.last_id:
            heard.ids.add(number)
            heard.last_id, heard.last_ms = number, made_ms
            return False
        return previous not in heard.ids

    def problem(self, row: int, now_ns: int) -> str:
        """Why nothing may be traded from a row now; empty when it may."""
        heard = self.heard[row]
        if self.has_books and not heard.ids:
            return "no whole book since it was subscribed or lost"
        if not self.has_books and not heard.is_quoted:
            return "no quote since it was subscribed or lost"
        silent_ns = now_ns - heard.heard_ns
        if silent_ns > SILENT_NS[heard.venue] + self.late_ns:
            return f"silent for {silent_ns / NS:.3f} s"
        return ""
