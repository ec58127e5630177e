"""Bybit V5 orders: what is accepted, what is refused with which code, and the private pushes.

Source: Bybit V5 documentation, order/create-order, websocket/private, error codes; read in 2026.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec

from arbitrage.sim import bybit_frames as frames
from arbitrage.sim.exchange import Exchange, Refusal, encode, to_steps
from arbitrage.sim.instruments import Instrument
from arbitrage.sim.matching import BUY, SELL, Fill, Order, Reject

LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}\Z")
MIN_NOTIONAL = 5
EXECUTIONS_KEPT_MAX = 100_000
TIF = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", "PostOnly": "POST"}
REJECTS = {
    "DUPLICATE": (110072, "OrderLinkedID is duplicate"),
    "PRICE_BAND": (110003, "Order price exceeds the allowable range."),
    "NO_POSITION": (110017, "current position is zero, cannot fix reduce-only order qty"),
    "BALANCE": (110007, "ab not enough for new order"),
    "NO_QUOTE": (110074, "This contract is not live"),
    "NOT_FOUND": (110001, "order not exists or too late to cancel"),
}


class CreateArgs(msgspec.Struct, forbid_unknown_fields=True):
    """One order, the same on the trade socket and over REST."""

    category: str
    symbol: str
    side: str
    orderType: str
    qty: str
    price: str = ""
    timeInForce: str = ""
    orderLinkId: str = ""
    positionIdx: int = 0
    reduceOnly: bool = False
    closeOnTrigger: bool = False
    isLeverage: int = 0
    orderFilter: str = ""
    marketUnit: str = ""
    smpType: str = ""
    rpiTakerAccess: bool = False


class CancelArgs(msgspec.Struct, forbid_unknown_fields=True):
    category: str
    symbol: str
    orderId: str = ""
    orderLinkId: str = ""
    orderFilter: str = ""


class BybitTrading(Exchange):
    """Orders and private pushes of the simulated Bybit."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.executions: list[dict[str, Any]] = []

    # -- orders (trade socket and REST) ----------------------------------------------------------

    def create(self, args: Any) -> dict[str, str]:
        """Place one order; Refusal carries the venue's code."""
        try:
            form = msgspec.convert(args, CreateArgs)
        except msgspec.ValidationError as error:
            raise Refusal(10001, f"Request parameter error. {error}") from None
        order = self._order_of(form)
        order_id = self._uuid()
        try:
            self.matcher.submit(order, order_id, self.clock())
        except Reject as reject:
            raise Refusal(*REJECTS[reject.reason]) from None
        self.touch(order.instrument.index)
        self.flush_account()
        return {"orderId": order_id, "orderLinkId": form.orderLinkId}

    def _order_of(self, form: CreateArgs) -> Order:
        item = self._instrument(form.category, form.symbol)
        if form.side not in ("Buy", "Sell"):
            raise Refusal(10001, "params error: side invalid")
        if form.orderType not in ("Limit", "Market"):
            raise Refusal(10001, "params error: orderType invalid")
        if form.orderLinkId and not LINK_ID.match(form.orderLinkId):
            raise Refusal(10001, "params error: orderLinkId invalid")
        if form.positionIdx != 0:
            raise Refusal(10001, "position idx not match position mode")
        market = form.orderType == "Market"
        tif = TIF.get(form.timeInForce or ("IOC" if market else "GTC"))
        if tif is None or (market and tif not in ("IOC", "FOK")):
            raise Refusal(10001, "params error: timeInForce invalid")
        lots = to_steps(form.qty, item.lot)
        if lots is None:
            raise Refusal(10001, "Qty invalid")
        if lots < item.min_lots:
            raise Refusal(10001, "The number of contracts exceeds minimum limit allowed")
        if lots > (item.max_market_lots if market else item.max_lots):
            raise Refusal(10001, "The number of contracts exceeds maximum limit allowed")
        ticks: int | None = 0
        if not market:
            ticks = to_steps(form.price, item.tick)
            if not ticks:
                raise Refusal(10001, "Price invalid")
        px = item.px(ticks or 0) if ticks else self.matcher.mark(item.index)
        if item.qty(lots) * px < MIN_NOTIONAL and not form.reduceOnly:
            raise Refusal(110094, "Order does not meet minimum order value 5USDT")
        return Order(item, BUY if form.side == "Buy" else SELL, form.orderType.lower(), tif,
                     ticks or 0, lots, form.orderLinkId, form.reduceOnly or form.closeOnTrigger)

    def cancel(self, args: Any) -> dict[str, str]:
        """Cancel by orderId (which wins) or orderLinkId."""
        try:
            form = msgspec.convert(args, CancelArgs)
        except msgspec.ValidationError as error:
            raise Refusal(10001, f"Request parameter error. {error}") from None
        item = self._instrument(form.category, form.symbol)
        order = self.matcher.orders.get(form.orderId) if form.orderId else (
            self.matcher.by_client.get(form.orderLinkId))
        if order is None or order.instrument.name != item.name or not order.is_open:
            raise Refusal(*REJECTS["NOT_FOUND"])
        self.matcher.cancel(order, "user", self.clock())
        self.touch(item.index)
        self.flush_account()
        return {"orderId": order.order_id, "orderLinkId": order.client_id}

    def _instrument(self, category: str, symbol: str) -> Instrument:
        if category != "linear":
            raise Refusal(10001, "params error: category invalid")
        item = self.by_name.get(symbol)
        if item is None:
            raise Refusal(10001, f"params error: symbol invalid {symbol}"[:100])
        return item

    def _uuid(self) -> str:
        h = self.hex_id()
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-9{h[17:20]}-{h[20:]}"

    # -- pushes ----------------------------------------------------------------------------------

    def push(self, topic: str, frame: bytes) -> None:
        super().push(topic, frame)
        named = f"{topic}.linear"
        if any(named in conn.topics for conn in self.connections.values()):
            old, new = f'"topic":"{topic}"'.encode(), f'"topic":"{named}"'.encode()
            super().push(named, frame.replace(old, new, 1))

    def _push_rows(self, topic: str, index: int, rows: list[dict[str, Any]]) -> None:
        seq = self.matcher.books[index].seq
        frame_id = f"{frames.UID}_{self.instruments[index].name}_{seq}"
        self.push(topic, encode({"topic": topic, "id": frame_id, "creationTime": self.now_ms(),
                                 "data": rows}))

    def order_accepted(self, order: Order) -> None:
        if order.tif in ("GTC", "POST"):
            self._push_rows("order", order.instrument.index, [frames.push_order(order)])

    def order_filled(self, order: Order, fill: Fill) -> None:
        rate = self.matcher.maker_rate if fill.maker else self.matcher.taker_rate
        row = frames.fill_facts(fill, self._uuid(), order.open_lots, rate)
        self._keep(row)
        index = order.instrument.index
        self._push_rows("execution", index, [row])
        # What an IOC could not fill is cancelled at once; only the final state is pushed then.
        if order.state == "filled" or order.tif == "GTC" or fill.maker:
            self._push_rows("order", index, [frames.push_order(order)])
        self.touch(index)

    def order_ended(self, order: Order) -> None:
        self._push_rows("order", order.instrument.index, [frames.push_order(order)])
        self.touch(order.instrument.index)

    def on_funding(self, item: Instrument, rate: Decimal, flow: Decimal, wall_ns: int) -> None:
        position, book = self.matcher.positions[item.index], self.matcher.books[item.index]
        row = frames.funding_facts(item, position.lots, rate, flow, self.matcher.mark(item.index),
                                   self._uuid(), wall_ns // 1_000_000, book.seq)
        self._keep(row)
        self._push_rows("execution", item.index, [row])

    def _keep(self, row: dict[str, Any]) -> None:
        self.executions.append(row)
        if len(self.executions) > EXECUTIONS_KEPT_MAX:
            del self.executions[: EXECUTIONS_KEPT_MAX // 10]

    def push_account(self, indexes: list[int]) -> None:
        now = self.now_ms()
        for index in indexes:
            frame_id = f"{frames.UID}{self._uuid()}"
            facts = frames.position_facts(self.matcher.positions[index], self.matcher.mark(index),
                                          self.matcher.taker_rate)
            self.push("position", encode({
                "id": frame_id, "topic": "position", "creationTime": now,
                "data": [frames.push_position(facts)]}))
        self.push("wallet", encode({
            "id": f"{frames.UID}{self._uuid()}", "topic": "wallet", "creationTime": now,
            "data": [frames.wallet(self.matcher, rest=False)]}))
