"""Bybit V5 as a state machine: linear public, private and trade sockets.

Source: Bybit V5 documentation, websocket/{public,private,trade}, error codes; read in 2026.
REST lives in `bybit_rest`, bodies in `bybit_frames`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from arbitrage.sim import bybit_frames as frames
from arbitrage.sim.bybit_rest import BybitRest
from arbitrage.sim.exchange import Connection, Exchange, Refusal, encode, same, to_steps
from arbitrage.sim.instruments import Instrument
from arbitrage.sim.matching import BUY, SELL, Fill, Order, Reject

PRIVATE_TOPICS = ("order", "execution", "position", "wallet")
LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}\Z")
MIN_NOTIONAL = 5
REQUEST_IDS_MAX = 1_000_000
RECV_WINDOW_MS = 5000
AHEAD_MS = 1000
TIF = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", "PostOnly": "POST"}
REJECTS = {
    "DUPLICATE": (110072, "OrderLinkedID is duplicate"),
    "PRICE_BAND": (110003, "Order price exceeds the allowable range."),
    "NO_POSITION": (110017, "current position is zero, cannot fix reduce-only order qty"),
    "BALANCE": (110007, "ab not enough for new order"),
    "NO_QUOTE": (110074, "This contract is not live"),
    "NOT_FOUND": (110001, "order not exists or too late to cancel"),
}


class SocketRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Request on a public or private socket."""

    op: str
    args: list[Any] = []
    req_id: str | None = None


class TradeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Request on the trade socket."""

    op: str
    args: list[Any] = []
    reqId: str | None = None
    header: dict[str, str] = {}


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


TRADE_HEADERS = frozenset({"X-BAPI-TIMESTAMP", "X-BAPI-RECV-WINDOW", "Referer"})
_socket_request = msgspec.json.Decoder(SocketRequest)
_trade_request = msgspec.json.Decoder(TradeRequest)


class BybitExchange(Exchange):
    """Simulated Bybit."""

    venue = "bybit"
    public_path = "/v5/public/linear"
    private_path = "/v5/private"
    trade_path = "/v5/trade"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._heads = [
            (f'{{"topic":"orderbook.1.{i.name}","ts":',
             f',"type":"snapshot","data":{{"s":"{i.name}","b":[') for i in self.instruments
        ]
        self._px_scale = [float(i.tick) for i in self.instruments]
        self._px_form = [f"%.{i.px_places}f" for i in self.instruments]
        self._qty_scale = [float(i.lot) for i in self.instruments]
        self._qty_form = [f"%.{i.qty_places}f" for i in self.instruments]
        self._streams = {f"orderbook.1.{i.name}": 2 * i.index for i in self.instruments}
        self._streams |= {f"tickers.{i.name}": 2 * i.index + 1 for i in self.instruments}
        self._tickers: list[dict[str, str]] = [{} for _ in self.instruments]
        self.executions: list[dict[str, Any]] = []
        self.leverage = {i.name: "10" for i in self.instruments}
        self._rest = BybitRest(self)

    def _new_conn_id(self) -> str:
        return f"{self._rng.getrandbits(80):020x}-{self._rng.getrandbits(16):x}"

    # -- public ----------------------------------------------------------------------------------

    def quote_frame(self, item: Instrument, now_ms: int) -> bytes:
        i = item.index
        book = self.matcher.books[i]
        head, middle = self._heads[i]
        px, px_form = self._px_scale[i], self._px_form[i]
        qty, qty_form = self._qty_scale[i], self._qty_form[i]
        bid = ask = ""
        if book.bid_lots:
            bid = f'["{px_form % (book.bid_ticks * px)}","{qty_form % (book.bid_lots * qty)}"]'
        if book.ask_lots:
            ask = f'["{px_form % (book.ask_ticks * px)}","{qty_form % (book.ask_lots * qty)}"]'
        return (
            f'{head}{now_ms}{middle}{bid}],"a":[{ask}],"u":{book.update_id},"seq":{book.seq}}}'
            f',"cts":{now_ms}}}'
        ).encode()

    def _ticker(self, item: Instrument) -> dict[str, str]:
        i = item.index
        return frames.ticker_facts(
            item, self.matcher, self.funding_rates[i], self.next_funding_ns[i]
        )

    def _ticker_frame(self, item: Instrument, kind: str, data: dict[str, str], ms: int) -> bytes:
        return encode({"topic": f"tickers.{item.name}", "type": kind, "data": data,
                       "cs": self.matcher.books[item.index].seq, "ts": ms})

    def on_ticker_time(self, now_ns: int) -> None:
        for item in self.instruments:
            if not self.watched >> (2 * item.index + 1) & 1:
                continue
            last, now = self._tickers[item.index], self._ticker(item)
            changed = {key: value for key, value in now.items() if last.get(key) != value}
            if changed:
                self._tickers[item.index] = now
                data = {"symbol": item.name, **changed}
                frame = self._ticker_frame(item, "delta", data, now_ns // 1_000_000)
                self._public.append((2 * item.index + 1, frame))

    # -- sockets ---------------------------------------------------------------------------------

    def on_frame(self, conn: Connection, payload: bytes) -> list[bytes]:
        if conn.role == "trade":
            return [self._trade(conn, payload)]
        try:
            request = _socket_request.decode(payload)
        except msgspec.MsgspecError:
            return [encode({"success": False, "ret_msg": "Params Error", "op": "",
                            "conn_id": conn.conn_id})]
        if request.op == "ping":
            return [self._pong(conn, request.req_id)]
        if request.op in ("subscribe", "unsubscribe"):
            if conn.role == "public":
                return self._subscribe_public(conn, request)
            return [self._subscribe_private(conn, request)]
        if request.op == "auth" and conn.role == "private":
            code, text = self._login(request.args)
            conn.authed = conn.authed or code == 0
            return [self._private_reply(conn, request.req_id, code == 0, text, "auth")]
        return [self._public_reply(conn, request.req_id, False, "Params Error", request.op)]

    def _pong(self, conn: Connection, req_id: str | None) -> bytes:
        if conn.role == "public":
            return self._public_reply(conn, req_id, True, "pong", "ping")
        body: dict[str, Any] = {} if req_id is None else {"req_id": req_id}
        body |= {"op": "pong", "args": [str(self.now_ms())], "conn_id": conn.conn_id}
        return encode(body)

    @staticmethod
    def _public_reply(conn: Connection, req_id: str | None, ok: bool, text: str, op: str) -> bytes:
        return encode({"success": ok, "ret_msg": text, "conn_id": conn.conn_id,
                       "req_id": req_id or "", "op": op})

    @staticmethod
    def _private_reply(conn: Connection, req_id: str | None, ok: bool, text: str, op: str) -> bytes:
        body: dict[str, Any] = {} if req_id is None else {"req_id": req_id}
        body |= {"success": ok, "ret_msg": text, "op": op, "conn_id": conn.conn_id}
        return encode(body)

    def _subscribe_public(self, conn: Connection, request: SocketRequest) -> list[bytes]:
        bits = 0
        adding = request.op == "subscribe"
        for topic in request.args:
            stream = self._streams.get(topic) if isinstance(topic, str) else None
            wrong = ""
            if stream is None:
                wrong = "handler not found"
            elif adding and (conn.streams | bits) >> stream & 1:
                wrong = "already subscribed"
            if wrong:  # one bad argument refuses the whole request
                text = f"error:{wrong},topic:{topic}"
                return [self._public_reply(conn, request.req_id, False, text, request.op)]
            bits |= 1 << (stream or 0)
        conn.streams = conn.streams | bits if adding else conn.streams & ~bits
        self.watch()
        replies = [self._public_reply(conn, request.req_id, True, "", request.op)]
        if adding:
            replies += [frame for topic in request.args for frame in self._first(topic)]
        return replies

    def _first(self, topic: str) -> list[bytes]:
        """What a new subscriber gets at once."""
        index, is_ticker = divmod(self._streams[topic], 2)
        item = self.instruments[index]
        if not self.matcher.books[index].wall_ns:
            return []
        if not is_ticker:
            return [self.quote_frame(item, self.now_ms())]
        facts = self._ticker(item)
        self._tickers[index] = self._tickers[index] or facts
        return [self._ticker_frame(item, "snapshot", facts, self.now_ms())]

    def _subscribe_private(self, conn: Connection, request: SocketRequest) -> bytes:
        def refuse(text: str) -> bytes:
            return self._private_reply(conn, request.req_id, False, text, request.op)

        if not conn.authed:
            return refuse("Request not authorized")
        wanted = dict.fromkeys(str(topic) for topic in request.args)
        for topic in wanted:
            base = topic.removesuffix(".linear")
            if base not in PRIVATE_TOPICS or topic == "wallet.linear":
                return refuse(f"error:handler not found,topic:{topic}")
            twin = base if topic != base else f"{base}.linear"
            if request.op == "subscribe" and (twin in wanted or twin in conn.topics):
                return refuse("error:all-in-one and categorised topics cannot be mixed")
        for topic in wanted:
            if request.op == "subscribe":
                conn.topics[topic] = True
            else:
                conn.topics.pop(topic, None)
        return self._private_reply(conn, request.req_id, True, "", request.op)

    def _login(self, args: list[Any]) -> tuple[int, str]:
        if len(args) != 3 or not isinstance(args[0], str) or not isinstance(args[2], str):
            return 10001, "Params Error"
        key, expires, sign = args
        if not isinstance(expires, int) or isinstance(expires, bool):
            return 10001, "Params Error"
        if key != self.keys.key:
            return 10003, "API key is invalid."
        if expires <= self.now_ms():
            return 10002, "The request time exceeds the time window range."
        right = same(self.sign(f"GET/realtime{expires}"), sign)
        return (0, "") if right else (10004, "Invalid sign")

    def sign(self, text: str) -> str:
        return hmac.new(self.keys.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    # -- trade socket ----------------------------------------------------------------------------

    def _trade(self, conn: Connection, payload: bytes) -> bytes:
        try:
            request = _trade_request.decode(payload)
        except msgspec.MsgspecError as error:
            request = TradeRequest(op=_loose(payload, "op"), reqId=_loose(payload, "reqId") or None)
            return self._trade_reply(conn, request, 10001, f"Request parameter error. {error}")
        if request.op == "ping":
            body: dict[str, Any] = {} if request.reqId is None else {"reqId": request.reqId}
            body |= {"retCode": 0, "retMsg": "OK", "op": "pong", "data": [str(self.now_ms())],
                     "connId": conn.conn_id}
            return encode(body)
        if request.op == "auth":
            return self._trade_login(conn, request)
        try:
            data = self._trade_order(conn, request)
        except Refusal as refusal:
            return self._trade_reply(conn, request, refusal.code, refusal.text)
        return self._trade_reply(conn, request, 0, "OK", data)

    def _trade_login(self, conn: Connection, request: TradeRequest) -> bytes:
        code, text = (20001, "Repeat auth") if conn.authed else self._login(request.args)
        conn.authed = conn.authed or code == 0
        body: dict[str, Any] = {} if request.reqId is None else {"reqId": request.reqId}
        body |= {"retCode": code, "retMsg": text or "OK", "op": "auth", "connId": conn.conn_id}
        return encode(body)

    def _trade_order(self, conn: Connection, request: TradeRequest) -> dict[str, str]:
        if not conn.authed:
            raise Refusal(10005, "Permission denied, please check your API key permissions.")
        if request.op not in ("order.create", "order.cancel"):
            raise Refusal(10404, "op type is not found")
        unknown = set(request.header) - TRADE_HEADERS
        if unknown or len(request.args) != 1:
            raise Refusal(10001, f"Request parameter error. {', '.join(unknown) or 'args'}")
        self.check_time(request.header.get("X-BAPI-TIMESTAMP", ""),
                        request.header.get("X-BAPI-RECV-WINDOW", ""),
                        "The request time exceeds the time window range.")
        if request.reqId is not None:
            if len(request.reqId) > 36:
                raise Refusal(10001, "Request parameter error. reqId")
            if request.reqId in conn.request_ids:
                raise Refusal(20006, "reqId is duplicated")
            conn.request_ids.add(request.reqId)
        create = request.op == "order.create"
        return (self.create if create else self.cancel)(request.args[0])

    def _trade_reply(self, conn: Connection, request: TradeRequest, code: int, text: str,
                     data: dict[str, str] | None = None) -> bytes:
        now = str(self.now_ms())
        body: dict[str, Any] = {} if request.reqId is None else {"reqId": request.reqId}
        body |= {
            "retCode": code, "retMsg": text, "op": request.op, "data": data or {},
            "retExtInfo": {},
            "header": {"X-Bapi-Limit": "10", "X-Bapi-Limit-Status": "9",
                       "X-Bapi-Limit-Reset-Timestamp": now, "Traceid": self.hex_id(),
                       "Timenow": now},
            "connId": conn.conn_id,
        }
        return encode(body)

    def check_time(self, stamp: str, window: str, text: str) -> None:
        """``server - window <= stamp < server + 1000``."""
        now = self.now_ms()
        window_ms = int(window) if window.isdigit() else RECV_WINDOW_MS
        if not stamp.isdigit() or not now - window_ms <= int(stamp) < now + AHEAD_MS:
            raise Refusal(10002, text)

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
        if order is None or order.instrument is not item or not order.is_open:
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
        if len(self.executions) > 100_000:
            del self.executions[:10_000]

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

    # -- REST ------------------------------------------------------------------------------------

    def rest_result(self, method: str, path: str, query: str, headers: Mapping[str, str],
                    body: bytes) -> Any:
        return self._rest.answer(method, path, query, headers, body)

    def rest_error(self, refusal: Refusal) -> Any:
        return {"retCode": refusal.code, "retMsg": refusal.text, "result": {}, "retExtInfo": {},
                "time": self.now_ms()}


def _loose(payload: bytes, key: str) -> str:
    """A text field of a request that failed its check, so that the refusal can name it."""
    try:
        value = msgspec.json.decode(payload)
    except msgspec.MsgspecError:
        return ""
    found = value.get(key) if isinstance(value, dict) else ""
    return found if isinstance(found, str) else ""
