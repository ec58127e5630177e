"""What a venue allows in new connections, and in requests on one: shared, counted, kept below.

Bybit takes 500 new sockets in 5 minutes and host, OKX 3 a second and address (and 480 subscribe,
unsubscribe and login requests an hour on each connection). Every connection of the process to one
host draws from one budget, whatever thread it runs on: a storm of them stays within the cap.

Source: bybit-exchange/docs, docs/v5/rate-limit; OKX API guide v5, "WebSocket: Connect".
"""

import asyncio
import threading
import time
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from arbitrage.venues.loop_clock import loop_s

__all__ = ["CONNECT_CAPS", "Cap", "ConnectBudget", "RequestBudget", "connect_budget", "share_caps"]

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
# A loop whose clock differs from CLOCK_MONOTONIC by more than this has a time of its own.
OWN_CLOCK_S = 5.0


@dataclass(frozen=True, slots=True)
class Cap:
    """So many of something in any window of so many seconds."""

    count: int
    window_s: float


# Below what the venues count: their clocks are not ours, and other programs share the address.
CONNECT_CAPS = {"bybit": Cap(250, 300.0), "okx": Cap(2, 1.05)}


class ConnectBudget:
    """The attempts of all connections to one host. Any thread; never blocks.

    Attempts are given their time in the order in which they ask.
    """

    def __init__(self, cap: Cap) -> None:
        self.cap = cap
        self.attempt_count = 0
        self._starts: deque[float] = deque(maxlen=cap.count)
        self._lock = threading.Lock()

    def reserve(self, now_s: float) -> float:
        """Count one attempt; return how long it must wait, 0 when it may start now."""
        with self._lock:
            start_s = now_s
            if len(self._starts) == self.cap.count:
                start_s = max(now_s, self._starts[0] + self.cap.window_s)
            # a later asker on a clock that is a moment behind must not be given an earlier time
            if self._starts:
                start_s = max(start_s, self._starts[-1])
            self._starts.append(start_s)
            self.attempt_count += 1
            return start_s - now_s


class RequestBudget:
    """Requests that one connection may send; a new connection begins anew. One loop."""

    def __init__(self, cap: Cap) -> None:
        self.cap = cap
        self._sent: deque[float] = deque()

    def try_take(self, count: int, now_s: float) -> bool:
        """Count so many requests if there is room for all of them."""
        while self._sent and self._sent[0] <= now_s - self.cap.window_s:
            self._sent.popleft()
        if len(self._sent) + count > self.cap.count:
            return False
        self._sent.extend([now_s] * count)
        return True


Budgets = dict[tuple[str, str], ConnectBudget]
_process: Budgets = {}
_of_loops: "WeakKeyDictionary[asyncio.AbstractEventLoop, Budgets]" = WeakKeyDictionary()
_lock = threading.Lock()
_shares = 1


def share_caps(process_count: int) -> None:
    """Say that so many processes connect to the same hosts: each takes its part of the caps.

    Budgets that exist already keep theirs, so this is said before anything connects.
    """
    global _shares
    _shares = process_count


def _own_cap(venue: str) -> Cap:
    cap = CONNECT_CAPS[venue]
    count = cap.count // _shares
    # less than one in a window: one in a window so many times longer
    return Cap(count, cap.window_s) if count else Cap(1, cap.window_s * _shares / cap.count)


def connect_budget(venue: str, url: str) -> ConnectBudget | None:
    """Return the budget of a URL's host; None for this machine and for venues without a cap."""
    host = urlsplit(url).hostname or ""
    if host in _LOOPBACK or venue not in CONNECT_CAPS:
        return None
    with _lock:
        budgets = _process
        if abs(loop_s() - time.monotonic()) > OWN_CLOCK_S:
            budgets = _of_loops.setdefault(asyncio.get_running_loop(), {})
        return budgets.setdefault((venue, host), ConnectBudget(_own_cap(venue)))
