"""What a venue was asked to do with orders, and when it arrived: its own account, for tests.

Kept with the flag ``--admin`` alone. ``GET /admin/orders?after=N`` answers with the arrivals from
number N on, as they reached the venue's socket or its REST door, before any fault or check.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

import msgspec

__all__ = ["PATH", "ArrivalLog"]

PATH = "/admin/orders"
KEPT = 200_000
ORDER_OPS = {"order.create", "order"}
ORDER_PATHS = {"/v5/order/create", "/api/v5/trade/order"}


class ArrivalLog:
    """The newest orders that arrived, oldest first; batches are not looked into."""

    def __init__(self) -> None:
        self._first = 0
        self._kept: deque[dict[str, Any]] = deque()

    def on_frame(self, payload: bytes) -> None:
        """Note a client's frame, if it is an order."""
        if b'"order' not in payload:
            return
        now_ns = time.time_ns()
        try:
            request = msgspec.json.decode(payload)
            if request.get("op") not in ORDER_OPS:
                return
            stamp = request.get("header", {}).get("X-BAPI-TIMESTAMP", "")
            self._note(now_ns, request["args"][0], stamp, request.get("expTime", ""))
        except (msgspec.DecodeError, AttributeError, LookupError, TypeError):
            return

    def on_rest(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Note a request, if it is an order."""
        if method == "POST" and path in ORDER_PATHS:
            now_ns = time.time_ns()
            try:
                order = msgspec.json.decode(body)
                stamp = headers.get("X-BAPI-TIMESTAMP", "")
                self._note(now_ns, order, stamp, headers.get("expTime", ""))
            except (msgspec.DecodeError, AttributeError, TypeError):
                return

    def _note(self, now_ns: int, order: Mapping[str, Any], stamp: str, expiry: str) -> None:
        self._kept.append({
            "at_ns": now_ns,
            "client_id": order.get("orderLinkId") or order.get("clOrdId") or "",
            "reduces": bool(order.get("reduceOnly")),
            "stamp_ms": int(stamp) if stamp.isdigit() else 0,
            "expires_ms": int(expiry) if expiry.isdigit() else 0,
        })
        if len(self._kept) > KEPT:
            self._kept.popleft()
            self._first += 1

    def answer(self, query: str) -> bytes:
        """Return the arrivals from a number on, and the number of the next one."""
        text = parse_qs(query).get("after", ["0"])[0]
        after = max(int(text) if text.isdigit() else 0, self._first)
        end = self._first + len(self._kept)
        found = list(islice(reversed(self._kept), max(0, end - after)))[::-1]
        return msgspec.json.encode({"orders": found, "next": end})
