"""Bybit order entry: `order.create` on the trade socket.

Source: bybit-exchange/docs, docs/v5/websocket/trade/guideline and order/create-order (July 2026).
"""

from arbitrage.venues.base import TradedSymbol
from arbitrage.venues.bybit import limits, wire
from arbitrage.venues.bybit.rest import CATEGORY, BybitRest
from arbitrage.venues.bybit.session import BybitSession
from arbitrage.venues.order_line import (
    CLIENT_ID,
    PX,
    QTY,
    WALL_MS,
    OrderLine,
    OrderTexts,
)
from arbitrage.venues.rest_client import ORDER_VALID_MS

_HEADER = (
    f'"header":{{"X-BAPI-TIMESTAMP":"{WALL_MS}","X-BAPI-RECV-WINDOW":"{ORDER_VALID_MS}"}}'
)


def order_text(venue_symbol: str, side: int, reduce_only: bool) -> bytes:
    """Return the marked frame of a limit-IOC order in one-way mode."""
    return (
        f'{{"reqId":"{CLIENT_ID}",{_HEADER},"op":"order.create","args":[{{'
        f'"category":"{CATEGORY}","symbol":"{venue_symbol}","side":"{("Buy", "Sell")[side]}",'
        f'"orderType":"Limit","qty":"{QTY}","price":"{PX}","timeInForce":"IOC",'
        f'"orderLinkId":"{CLIENT_ID}","positionIdx":0,'
        f'"reduceOnly":{"true" if reduce_only else "false"}}}]}}'
    ).encode()


def cancel_text(venue_symbol: str) -> bytes:
    """Return the marked frame of a cancel; its request id differs from the order's."""
    return (
        f'{{"reqId":"c{CLIENT_ID}",{_HEADER},"op":"order.cancel","args":[{{'
        f'"category":"{CATEGORY}","symbol":"{venue_symbol}","orderLinkId":"{CLIENT_ID}"}}]}}'
    ).encode()


class BybitOrderGateway(OrderLine, BybitSession):
    """The trade connection of a Bybit account."""

    rest: BybitRest
    order_limits = limits.ORDERS

    def order_texts(self, item: TradedSymbol) -> OrderTexts:
        """Return the marked texts of one symbol."""
        name = item.instrument.venue_symbol
        return (
            order_text(name, 0, False),
            order_text(name, 1, False),
            order_text(name, 0, True),
            order_text(name, 1, True),
            cancel_text(name),
        )

    def on_message(self, payload: bytes, recv_mono_ns: int) -> None:
        """Take an order's answer or a reply to login and ping."""
        reply = wire.decode(wire.order_reply, payload, "order reply")
        if reply.op == "order.create":
            self._heed_header(reply, is_cancel=False)
            self.answered(reply.reqId, reply.retCode, reply.retMsg, recv_mono_ns)
        elif reply.op == "order.cancel":
            self._heed_header(reply, is_cancel=True)
            self.cancel_answered(reply.reqId.removeprefix("c"), reply.retCode, reply.retMsg)
        elif reply.op == "auth":
            self.take_login(wire.control(payload))

    def _heed_header(self, reply: wire.OrderReply, *, is_cancel: bool) -> None:
        told = wire.rate_told(wire.header_of(reply), self.rest.clock.wall_ms())
        if told is not None:
            self.rate.told(is_cancel, *told)
