"""How often OKX may be asked and given orders. Its answers do not say what is left.

Source: OKX API guide v5, "Rate Limits" and the endpoints' own sections (July 2026): orders and
cancels count apart, by user and instrument, sockets and REST together; new orders of a sub-account
count together as well, cancels do not.
"""

from arbitrage.venues.limits import Limit, OrderLimits

__all__ = ["ENDPOINTS", "ORDERS", "ORDER_PATHS", "OTHER"]

ORDERS = OrderLimits(
    orders=Limit(1000, 2.0, reserve_percent=30),
    symbol_orders=Limit(60, 2.0, reserve_percent=30),
    symbol_cancels=Limit(60, 2.0, reserve_percent=30),
)
ENDPOINTS = {
    # a question after one order counts by instrument: all of them have one instrument's share
    "/api/v5/trade/order": Limit(60, 2.0, reserve_percent=50),
    "/api/v5/trade/fills": Limit(60, 2.0, reserve_percent=50),
    "/api/v5/trade/orders-history": Limit(40, 2.0, reserve_percent=50),
    "/api/v5/trade/orders-pending": Limit(60, 2.0, reserve_percent=50),
    "/api/v5/account/balance": Limit(10, 2.0),
    "/api/v5/account/positions": Limit(10, 2.0),
    "/api/v5/account/config": Limit(5, 2.0),
    "/api/v5/account/trade-fee": Limit(5, 2.0),
    "/api/v5/public/time": Limit(10, 2.0),
}
# Posted there they are orders, counted by the sender.
ORDER_PATHS = {"/api/v5/trade/order": False, "/api/v5/trade/cancel-order": True}
OTHER = Limit(20, 2.0)
