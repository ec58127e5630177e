"""Bybit V5 orders: what is accepted, what is refused with which code, and the private pushes.

Source: Bybit V5 documentation, order/create-order, websocket/private, error codes; read in 2026.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import msgspec

from arbitrage.sim import bybit_frames as frames
from arbitrage.sim.exchange import Exchange, Refusal, encode
from arbitrage.sim.forms import to_steps
from arbitrage.sim.instruments import Instrument
from arbitrage.sim.limits import BYBIT_OTHERS, BYBIT_QUERIES, SECOND_NS, Window
from arbitrage.sim.matching import BUY, SELL, Fill, Order, Reject

T = TypeVar("T")
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
    "SIZE": (10001, "params error: qty must be above the executed quantity"),
    "TOO_MANY": (110020, "You can't have more than 500 active orders"),
}
TOO_OFTEN = (10006, "Too many visits. Exceeded the API Rate Limit.")
UNCHANGED = (10001, "The order remains unchanged as the parameters entered match the existing "
                    "ones.")
TOO_LATE = (110001, "order not exists or too late to replace")
BATCH_MAX = 20


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


class AmendArgs(msgspec.Struct, forbid_unknown_fields=True):
    category: str
    symbol: str
    orderId: str = ""
    orderLinkId: str = ""
    qty: str = ""
    price: str = ""


class BatchArgs(msgspec.Struct, forbid_unknown_fields=True):
    category: str
    request: list[dict[str, Any]]


class Batch(NamedTuple):
    """What became of each order of a batch: its row, and its code and text."""

    rows: list[dict[str, str]]
    outcomes: list[dict[str, Any]]


class CancelArgs(msgspec.Struct, forbid_unknown_fields=True):
    category: str
    symbol: str
    orderId: str = ""
    orderLinkId: str = ""
    orderFilter: str = ""


class BybitTrading(Exchange):
    """Orders and private pushes of the simulated Bybit."""

    maintenance_rate = frames.MAINTENANCE_RATE

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.executions: list[dict[str, Any]] = []
        self._fills: list[dict[str, Any]] = []  # of the match going on
        self._fast_fills: list[dict[str, Any]] = []

    # -- orders (trade socket and REST) ----------------------------------------------------------

    def ask(self, name: str) -> None:
        """Count one request of the bucket ``name``; Refusal when it is one too many."""
        taken = self._window(name).take(self.clock())
        self.reply_headers = self.limit_headers(name)
        if not taken:
            raise Refusal(*TOO_OFTEN)

    def limit_headers(self, name: str) -> dict[str, str]:
        now_ns, window = self.clock(), self._window(name)
        return {"X-Bapi-Limit": str(window.limit), "X-Bapi-Limit-Status": str(window.left(now_ns)),
                "X-Bapi-Limit-Reset-Timestamp": str(window.free_ns(now_ns) // 1_000_000)}

    def _window(self, name: str) -> Window:
        limits = self.config.limits
        limit: int | None = limits.bybit_orders
        if name.startswith("/"):
            limit = limits.bybit_queries
        if limit is None:
            limit = BYBIT_QUERIES.get(name, BYBIT_OTHERS)
        return self.windows.of(name, limit, SECOND_NS)

    def batch(self, kind: str, args: Any) -> Batch:
        """Run up to 20 orders of one ``kind`` (create, amend, cancel), each by itself."""
        form = _form(args, BatchArgs)
        if not 1 <= len(form.request) <= BATCH_MAX:
            raise Refusal(10001, "params error: request size invalid")
        if form.category != "linear":
            raise Refusal(10001, "params error: category invalid")
        one: Callable[[Any, str], dict[str, str]] = {
            "create": self.create, "amend": self.amend, "cancel": self.cancel}[kind]
        rows, outcomes = [], []
        for item in form.request:
            ids = {"orderId": "", "orderLinkId": str(item.get("orderLinkId", ""))}
            code, text = 0, "OK"
            try:
                ids = one({**item, "category": form.category}, f"{kind}-batch")
            except Refusal as refusal:
                code, text = refusal.code, refusal.text
            row = {"category": form.category, "symbol": str(item.get("symbol", "")), **ids}
            if kind == "create":
                row["createAt"] = "" if code else str(self.now_ms())
            rows.append(row)
            outcomes.append({"code": code, "msg": text})
        return Batch(rows, outcomes)

    def create(self, args: Any, bucket: str = "create") -> dict[str, str]:
        """Place one order; Refusal carries the venue's code."""
        self.ask(bucket)
        form = _form(args, CreateArgs)
        order = self._order_of(form)
        order_id = self.new_order_id()
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

    def amend(self, args: Any, bucket: str = "amend") -> dict[str, str]:
        """Change price or quantity of a resting order; ``qty`` counts what is filled."""
        self.ask(bucket)
        form = _form(args, AmendArgs)
        item = self._instrument(form.category, form.symbol)
        order = self._find(form)
        if order is None or order.instrument.name != item.name or not order.is_open:
            raise Refusal(*TOO_LATE)
        ticks: int | None = order.ticks
        lots: int | None = order.lots
        if form.price:
            ticks = to_steps(form.price, item.tick)
        if form.qty:
            lots = to_steps(form.qty, item.lot)
        if not ticks:
            raise Refusal(10001, "Price invalid")
        if lots is None or not item.min_lots <= lots <= item.max_lots:
            raise Refusal(10001, "Qty invalid")
        if (ticks, lots) == (order.ticks, order.lots):
            raise Refusal(*UNCHANGED)
        try:
            self.matcher.amend(order, ticks, lots, self.clock())
        except Reject as reject:
            if reject.reason != "POST_CROSSES":
                raise Refusal(*REJECTS[reject.reason]) from None
            self.matcher.cancel(order, "post_only", self.clock())
        self.touch(item.index)
        self.flush_account()
        return {"orderId": order.order_id, "orderLinkId": order.client_id}

    def _find(self, form: AmendArgs | CancelArgs) -> Order | None:
        if form.orderId:
            return self.matcher.orders.get(form.orderId)
        return self.matcher.by_client.get(form.orderLinkId)

    def cancel(self, args: Any, bucket: str = "cancel") -> dict[str, str]:
        """Cancel by orderId (which wins) or orderLinkId."""
        self.ask(bucket)
        form = _form(args, CancelArgs)
        item = self._instrument(form.category, form.symbol)
        order = self._find(form)
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

    def new_order_id(self) -> str:
        return self._uuid()

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

    def order_amended(self, order: Order) -> None:
        self._push_rows("order", order.instrument.index, [frames.push_order(order)])

    def order_filled(self, order: Order, fill: Fill) -> None:
        rate = self.matcher.maker_rate if fill.maker else self.matcher.taker_rate
        row = frames.fill_facts(fill, self._uuid(), order.open_lots, rate)
        self._keep(row)
        self._fills.append(row)
        if order.origin == "user":
            self._fast_fills.append(frames.fast_fill(row))
        self.touch(order.instrument.index)

    def order_matched(self, order: Order) -> None:
        """One frame for all executions of a match, then the order."""
        index = order.instrument.index
        rows, self._fills = self._fills, []
        lean, self._fast_fills = self._fast_fills, []
        self._push_rows("execution", index, rows)
        if lean:
            self.push("execution.fast", encode({
                "topic": "execution.fast", "creationTime": self.now_ms(), "data": lean}))
        # What an IOC could not fill is cancelled at once; only the final state is pushed then.
        if order.state == "filled" or order.tif == "GTC" or rows[-1]["isMaker"]:
            self._push_rows("order", index, [frames.push_order(order)])

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

    def on_liquidation(self, indexes: list[int]) -> None:
        for index in indexes:
            self._push_position(index, "Liq")

    def _push_position(self, index: int, status: str = "Normal") -> None:
        facts = frames.position_facts(self.matcher, index)
        row = frames.push_position(facts) | {"positionStatus": status}
        self.push("position", encode({
            "id": f"{frames.UID}{self._uuid()}", "topic": "position",
            "creationTime": self.now_ms(), "data": [row]}))

    def push_account(self, indexes: list[int]) -> None:
        now = self.now_ms()
        for index in indexes:
            self._push_position(index)
        self.push("wallet", encode({
            "id": f"{frames.UID}{self._uuid()}", "topic": "wallet", "creationTime": now,
            "data": [frames.wallet(self.matcher, rest=False)]}))


def _form(args: Any, form_type: type[T]) -> T:
    try:
        return msgspec.convert(args, form_type)
    except msgspec.ValidationError as error:
        raise Refusal(10001, f"Request parameter error. {error}") from None
