"""How much a client may ask of a simulated venue, counted as the venues count it.

Source: Bybit V5 rate-limit pages, OKX V5 overview; read in 2026. Numbers that OKX does not publish
for every endpoint are those that client libraries use.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

SECOND_NS = 1_000_000_000

# Questions: Bybit's in one second, OKX's in two.
BYBIT_QUERIES = {
    "/v5/position/set-leverage": 10, "/v5/position/switch-mode": 10, "/v5/account/fee-rate": 5,
    "/v5/user/query-api": 10,
}
BYBIT_OTHERS = 50
OKX_QUERIES = {
    "/api/v5/account/balance": 10, "/api/v5/account/positions": 10, "/api/v5/account/config": 5,
    "/api/v5/account/trade-fee": 5, "/api/v5/account/bills": 10,
    "/api/v5/trade/order": 60, "/api/v5/trade/fills": 60, "/api/v5/trade/orders-pending": 60,
    "/api/v5/trade/orders-history": 40, "/api/v5/market/books": 40,
}
OKX_OTHERS = 20


@dataclass(frozen=True, slots=True)
class SimLimits:
    """The venues' own numbers; smaller ones make a test of a limit short.

    Parameters
    ----------
    bybit_orders : create, amend and cancel, each a second, sockets and REST together; the batch
        forms have buckets of the same size and count their orders.
    bybit_queries : a second and private endpoint; None: each endpoint's own number.
    bybit_http : requests in 5 s from one address; one more and HTTP is closed for 10 minutes.
    bybit_connects : sockets opened in 5 minutes.
    okx_orders : place, amend and cancel, each in 2 s and instrument, socket and REST together.
    okx_batch : orders in the batch forms, in 2 s and instrument.
    okx_account : new and amended orders of the sub-account in 2 s (50061).
    okx_queries : GETs in 2 s and endpoint; None: each endpoint's own number.
    okx_socket : subscribe, unsubscribe and login in one hour of one connection (60014).
    okx_connects : sockets opened in one second. The venue takes 3; the default is wider, because
        clients on one machine with the venue do not space their attempts.
    """

    bybit_orders: int = 10
    bybit_queries: int | None = None
    bybit_http: int = 600
    bybit_connects: int = 500
    okx_orders: int = 60
    okx_batch: int = 300
    okx_account: int = 1000
    okx_queries: int | None = None
    okx_socket: int = 480
    okx_connects: int = 50


class Window:
    """At most ``limit`` in any ``window_ns``."""

    __slots__ = ("_taken", "limit", "window_ns")

    def __init__(self, limit: int, window_ns: int) -> None:
        self.limit = limit
        self.window_ns = window_ns
        self._taken: deque[int] = deque()

    def take(self, now_ns: int) -> bool:
        """Count one request; False, and nothing counted, when it is one too many."""
        self._drop(now_ns)
        if len(self._taken) >= self.limit:
            return False
        self._taken.append(now_ns)
        return True

    def left(self, now_ns: int) -> int:
        self._drop(now_ns)
        return self.limit - len(self._taken)

    def free_ns(self, now_ns: int) -> int:
        """When the next request will be let through: ``now_ns`` unless the window is full."""
        self._drop(now_ns)
        if len(self._taken) < self.limit:
            return now_ns
        return self._taken[0] + self.window_ns if self._taken else now_ns + self.window_ns

    def _drop(self, now_ns: int) -> None:
        while self._taken and self._taken[0] <= now_ns - self.window_ns:
            self._taken.popleft()


class Windows:
    """Windows by name, made when first asked for."""

    def __init__(self) -> None:
        self._by_name: dict[str, Window] = {}

    def of(self, name: str, limit: int, window_ns: int) -> Window:
        window = self._by_name.get(name)
        if window is None:
            window = self._by_name[name] = Window(limit, window_ns)
        return window
