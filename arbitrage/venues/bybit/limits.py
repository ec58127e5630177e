"""How often Bybit may be asked and given orders, before its answers say otherwise.

Source: bybit-exchange/docs, docs/v5/rate-limit (July 2026): orders and cancels count by account and
second, sockets and REST together; questions count by account, endpoint and second.
"""

from arbitrage.venues.limits import Limit, OrderLimits

__all__ = ["ENDPOINTS", "ORDERS", "ORDER_PATHS", "OTHER"]

# An account without a fee tier; the answers name the limit that it has.
ORDERS = OrderLimits(
    orders=Limit(10, 1.0, reserve_percent=30), cancels=Limit(10, 1.0, reserve_percent=30)
)
# Counted by the sender. Path -> whether its count is that of cancels.
ORDER_PATHS = {"/v5/order/create": False, "/v5/order/cancel": True}

_READ = Limit(50, 1.0, reserve_percent=50)
ENDPOINTS = {
    "/v5/order/realtime": _READ,
    "/v5/order/history": _READ,
    "/v5/execution/list": _READ,
    "/v5/position/list": _READ,
    "/v5/account/wallet-balance": _READ,
    "/v5/position/set-leverage": Limit(10, 1.0),
    "/v5/position/switch-mode": Limit(10, 1.0),
    "/v5/account/fee-rate": Limit(5, 1.0),
    "/v5/user/query-api": Limit(10, 1.0),
}
OTHER = Limit(50, 1.0, reserve_percent=20)
