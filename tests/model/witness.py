"""What the protocols say about each row, read from the frames that reached the trader.

Independent of the compiled path: a JSON decoder and a few rules. A row may be traded from only
while its connection is up, a quote came since it was (re)subscribed, no update of its book is
missing, and its venue has not been silent for longer than it ever is.
"""

from __future__ import annotations

import json
from typing import Any

from arbitrage.core.records import RowState

NS = 1_000_000_000
SILENT_NS = (4_500_000_000, 90_000_000_000)
SWEEP_NS = 100_000_000  # the detector notices silence by looking now and then
LOST = {RowState.SYNCING, RowState.GAP, RowState.STALE, RowState.EMPTY}


class Witness:
    """Rows by what was heard of them."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, str], int] = {}
        self.quoted: dict[int, bool] = {}
        self.heard_ns: dict[int, int] = {}
        self.venue_of: dict[int, int] = {}

    def state_said(self, row: int, state: int) -> None:
        """The connector itself took a row out of service, or vouched for it."""
        if state in LOST:
            self.quoted[row] = False

    def frame(self, venue: int, listener: Any, payload: bytes, now_ns: int) -> list[int]:
        """Take one frame; return the rows of which an update is missing, by the protocol."""
        if payload[:1] != b"{":
            return []
        frame = json.loads(payload)
        if venue == 0:
            name = frame.get("topic", "")
            if not name.startswith("orderbook.1."):
                return []
            row = self.rows.get((0, frame["data"]["s"]))
        else:
            arg = frame.get("arg") or {}
            if arg.get("channel") != "bbo-tbt" or "data" not in frame:
                return []
            row = self.rows.get((1, arg["instId"]))
        if row is not None:
            self.quoted[row] = True
            self.heard_ns[row] = now_ns
            self.venue_of[row] = venue
        return []

    def problem(self, row: int, now_ns: int) -> str:
        """Why nothing may be traded from a row now; empty when it may."""
        if not self.quoted.get(row):
            return "no quote since it was subscribed or lost"
        silent_ns = now_ns - self.heard_ns[row]
        if silent_ns > SILENT_NS[self.venue_of[row]] + SWEEP_NS:
            return f"silent for {silent_ns / NS:.3f} s"
        return ""
