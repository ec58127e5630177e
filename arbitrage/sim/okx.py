"""OKX V5 as a state machine: public and private sockets, orders on the private one.

Source: OKX V5 documentation, websocket overview, trade, trading account, error codes; read in
2026. REST lives in `okx_rest`, bodies in `okx_frames`. Client order ids stay taken for the whole
run (the venue frees them when the order ends): a trader that reuses one must not pass here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from arbitrage.sim import okx_frames as frames
from arbitrage.sim.exchange import Connection, Exchange, Refusal, encode, same, to_steps
from arbitrage.sim.instruments import Instrument
from arbitrage.sim.matching import BAND, BUY, SELL, Fill, Order, Reject, plain
from arbitrage.sim.okx_rest import OkxRest

CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")
TAG = re.compile(r"[A-Za-z0-9]{0,16}\Z")
ORDER_TYPES = {"limit": "GTC", "market": "IOC", "ioc": "IOC", "fok": "FOK", "post_only": "POST",
               "optimal_limit_ioc": "IOC"}
LOGIN_WINDOW_S = 30
FUNDING_PERIOD_NS = 30_000_000_000
REQUEST_BYTES_MAX = 64 * 1024
REJECTS = {
    "DUPLICATE": (51016, "Duplicated client order ID"),
    "NO_POSITION": (51169, "Order failed because you don't have any positions in this direction "
                           "for this contract to reduce or close."),
    "BALANCE": (51008, "Order failed. Insufficient USDT balance in account"),
    "NO_QUOTE": (51022, "Contract suspended."),
}
NO_CODE = (50014, "Parameter instIdCode can not be empty.")
NO_INSTRUMENT = (51001, "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
NOT_CANCELLED = (51400, "Cancellation failed as the order has been filled, canceled or does not "
                        "exist.")


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """Any client request but the text ``ping``."""

    op: str
    args: list[Any] = []
    id: str | None = None
    expTime: str | None = None


class OrderArgs(msgspec.Struct, forbid_unknown_fields=True):
    """One order, on the socket (instIdCode) and over REST (instId)."""

    tdMode: str
    side: str
    ordType: str
    sz: str
    instIdCode: int | None = None
    instId: str = ""  # ignored on the socket since 2026-03
    px: str = ""
    clOrdId: str = ""
    tag: str = ""
    posSide: str = ""
    reduceOnly: bool = False
    ccy: str = ""
    tgtCcy: str = ""
    stpMode: str = ""
    pxAmendType: str = "0"
    banAmend: bool = False
    tradeQuoteCcy: str = ""


class CancelArgs(msgspec.Struct, forbid_unknown_fields=True):
    instIdCode: int | None = None
    instId: str = ""
    ordId: str = ""
    clOrdId: str = ""


_request = msgspec.json.Decoder(Request)


class OkxExchange(Exchange):
    """Simulated OKX."""

    venue = "okx"
    public_path = "/ws/v5/public"
    private_path = "/ws/v5/private"
    trade_path = "/ws/v5/private"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.by_code = {item.code: item for item in self.instruments}
        self._heads = [f'{{"arg":{{"channel":"bbo-tbt","instId":"{i.name}"}},"data":[{{"asks":['
                       for i in self.instruments]
        self._px = [(float(i.tick), f"%.{i.px_places}f") for i in self.instruments]
        self._qty = [(float(i.lot), f"%.{i.qty_places}f") for i in self.instruments]
        self._funding_due_ns = 0
        self.dead_man_ns = 0
        self.leverage = {i.name: "10" for i in self.instruments}
        self.last_fill: dict[str, Fill] = {}
        self._rest = OkxRest(self)

    # -- public ----------------------------------------------------------------------------------

    def quote_frame(self, item: Instrument, now_ms: int) -> bytes:
        i = item.index
        book = self.matcher.books[i]
        px, px_form = self._px[i]
        qty, qty_form = self._qty[i]
        bid = ask = ""
        # OKX trims its numbers and counts the orders behind a level.
        if book.bid_lots:
            bid = (f'["{_trim(px_form % (book.bid_ticks * px))}",'
                   f'"{_trim(qty_form % (book.bid_lots * qty))}","0","{1 + book.bid_lots % 89}"]')
        if book.ask_lots:
            ask = (f'["{_trim(px_form % (book.ask_ticks * px))}",'
                   f'"{_trim(qty_form % (book.ask_lots * qty))}","0","{1 + book.ask_lots % 83}"]')
        # The venue stamps on a grid of 10 ms.
        return (f'{self._heads[i]}{ask}],"bids":[{bid}],"ts":"{now_ms // 10 * 10}",'
                f'"seqId":{book.seq}}}]}}').encode()

    def _funding_frame(self, item: Instrument) -> bytes:
        row = frames.funding(item, self.funding_rates[item.index],
                             self.next_funding_ns[item.index], self.now_ms(), rest=False)
        return encode({"arg": {"channel": "funding-rate", "instId": item.name}, "data": [row]})

    def on_ticker_time(self, now_ns: int) -> None:
        if self.dead_man_ns and now_ns >= self.dead_man_ns:
            self.dead_man_ns = 0
            self.cancel_everything("dead_man")
        if now_ns >= self._funding_due_ns:
            self._funding_due_ns = now_ns + FUNDING_PERIOD_NS
            for item in self.instruments:
                if self.watched >> (2 * item.index + 1) & 1:
                    self._public.append((2 * item.index + 1, self._funding_frame(item)))

    # -- sockets ---------------------------------------------------------------------------------

    def on_frame(self, conn: Connection, payload: bytes) -> list[bytes]:
        if payload == b"ping":
            return [b"pong"]
        in_us = self.clock() // 1000
        try:
            request = _request.decode(payload)
        except msgspec.MsgspecError:
            return [self._bad_request(conn, payload)]
        if len(payload) > REQUEST_BYTES_MAX:
            return [self._bad_request(conn, payload)]
        if request.op in ("subscribe", "unsubscribe"):
            return [reply for arg in request.args for reply in self._channel(conn, request, arg)]
        if request.op == "login" and conn.role == "private":
            return [self._login(conn, request.args)]
        if request.op in ("order", "cancel-order") and conn.role == "private":
            return [self._trade(conn, request, in_us)]
        return [self._bad_request(conn, payload)]

    @staticmethod
    def _bad_request(conn: Connection, payload: bytes) -> bytes:
        text = payload[:200].decode("utf-8", "replace")
        body = {"event": "error", "code": "60012", "msg": f"Invalid request: {text}",
                "connId": conn.conn_id}
        try:
            value = msgspec.json.decode(payload)
        except msgspec.MsgspecError:
            return encode(body)
        if isinstance(value, dict) and isinstance(value.get("id"), str):
            body = {"id": value["id"], **body}
        return encode(body)

    @staticmethod
    def _event_error(
        conn: Connection, code: int, text: str, request_id: str | None = None
    ) -> bytes:
        body = {"event": "error", "msg": text, "code": str(code), "connId": conn.conn_id}
        if request_id is not None:
            body["id"] = request_id
        return encode(body)

    def _channel(self, conn: Connection, request: Request, arg: Any) -> list[bytes]:
        """Answer one argument of a (un)subscribe request."""
        if not isinstance(arg, dict) or not all(isinstance(v, str) for v in arg.values()):
            return [self._event_error(conn, 60013, "Invalid args", request.id)]
        channel = arg.get("channel", "")
        head = {} if request.id is None else {"id": request.id}
        ack = encode({**head, "event": request.op, "arg": arg, "connId": conn.conn_id})
        adding = request.op == "subscribe"
        item = self.by_name.get(arg.get("instId", ""))
        if conn.role == "public":
            if channel not in ("bbo-tbt", "funding-rate") or item is None or len(arg) != 2:
                return [self._no_channel(conn, arg, request.id)]
            bit = 1 << (2 * item.index + (channel == "funding-rate"))
            conn.streams = conn.streams | bit if adding else conn.streams & ~bit
            self.watch()
            if not adding:
                return [ack]
            if channel == "funding-rate":
                return [ack, self._funding_frame(item)]
            quoted = self.matcher.books[item.index].wall_ns
            return [ack, self.quote_frame(item, self.now_ms())] if quoted else [ack]
        known = {"orders": {"channel", "instType", "instFamily", "instId"},
                 "positions": {"channel", "instType", "instFamily", "instId", "extraParams"},
                 "account": {"channel", "ccy", "extraParams"}}.get(channel)
        if known is None or not set(arg) <= known or (arg.get("instId") and item is None):
            return [self._no_channel(conn, arg, request.id)]
        if channel != "account" and arg.get("instType") not in ("SWAP", "ANY"):
            return [self._no_channel(conn, arg, request.id)]
        if not conn.authed:
            return [self._event_error(conn, 60011, "Please log in", request.id)]
        if not adding:
            conn.topics.pop(channel, None)
            return [ack]
        conn.topics[channel] = arg
        count = encode({"event": "channel-conn-count", "channel": channel,
                        "connCount": str(sum(channel in c.topics
                                             for c in self.connections.values())),
                        "connId": conn.conn_id})
        return [ack, count, *self._snapshot(channel, arg)]

    def _no_channel(self, conn: Connection, arg: dict[str, str], request_id: str | None) -> bytes:
        text = ",".join(f"{key}:{value}" for key, value in arg.items())
        return self._event_error(
            conn, 60018, f"Subscribe failed, wrong URL or {text} doesn't exist."[:300], request_id)

    def _arg(self, arg: dict[str, str]) -> dict[str, str]:
        keep = {key: value for key, value in arg.items() if key != "extraParams"}
        return {**keep, "uid": frames.UID}

    def _snapshot(self, channel: str, arg: dict[str, str]) -> list[bytes]:
        if channel == "orders":
            return []
        now = self.now_ms()
        if channel == "account":
            rows = [frames.account(self.matcher, now, rest=False)]
        else:
            rows = [frames.position(p, self.matcher, now, rest=False)
                    for p in self.matcher.positions
                    if p.lots and arg.get("instId", "") in ("", p.instrument.name)]
        return [encode({"arg": self._arg(arg), "eventType": "snapshot", "curPage": 1,
                        "lastPage": True, "data": rows})]

    def _login(self, conn: Connection, args: list[Any]) -> bytes:
        wanted = {"apiKey", "passphrase", "timestamp", "sign"}
        if len(args) != 1 or not isinstance(args[0], dict) or set(args[0]) != wanted:
            return self._event_error(conn, 60009, "Login failed.")
        form = {key: str(value) for key, value in args[0].items()}
        stamp = form["timestamp"]
        if not stamp.isdigit() or abs(self.clock() // 1_000_000_000 - int(stamp)) > LOGIN_WINDOW_S:
            return self._event_error(conn, 60006, "Timestamp request expired")
        if form["apiKey"] != self.keys.key:
            return self._event_error(conn, 60032, "API key doesn't exist")
        if not same(form["passphrase"], self.keys.passphrase):
            return self._event_error(conn, 60024, "Wrong passphrase")
        if not same(self.sign(f"{stamp}GET/users/self/verify"), form["sign"]):
            return self._event_error(conn, 60007, "Invalid sign")
        conn.authed = True
        return encode({"event": "login", "msg": "", "code": "0", "connId": conn.conn_id})

    def sign(self, text: str) -> str:
        digest = hmac.new(self.keys.secret.encode(), text.encode(), hashlib.sha256).digest()
        return base64.b64encode(digest).decode()

    # -- orders ----------------------------------------------------------------------------------

    def _trade(self, conn: Connection, request: Request, in_us: int) -> bytes:
        if not conn.authed:
            return self._event_error(conn, 60011, "Please log in", request.id)
        head = {"id": request.id or "", "op": request.op}
        if len(request.args) != 1 or not isinstance(request.args[0], dict):
            return self._format_error(head, "Invalid args", in_us)
        placing = request.op == "order"
        try:
            form: OrderArgs | CancelArgs = (
                msgspec.convert(request.args[0], OrderArgs) if placing
                else msgspec.convert(request.args[0], CancelArgs))
        except msgspec.ValidationError as error:
            return self._format_error(head, f"Invalid args: {error}", in_us)
        row, code = self.place_or_cancel(form, rest=False, exp_time=request.expTime)
        return encode({**head, "code": code, "msg": "", "data": [row], "inTime": str(in_us),
                       "outTime": str(self.clock() // 1000 + 1)})

    def _format_error(self, head: dict[str, str], text: str, in_us: int) -> bytes:
        return encode({**head, "code": "60013", "msg": text, "data": [], "inTime": str(in_us),
                       "outTime": str(self.clock() // 1000 + 1)})

    def place_or_cancel(self, form: OrderArgs | CancelArgs, rest: bool, exp_time: str | None = None
                        ) -> tuple[dict[str, str], str]:
        """Run one order request; return its result row and the top-level code."""
        placing = isinstance(form, OrderArgs)
        order_id, code, text, sub_code = "", 0, "", ""
        try:
            item = self._instrument(form, rest)
            if exp_time and exp_time.isdigit() and int(exp_time) < self.now_ms():
                raise Refusal(50036, "The expTime can't be earlier than the current system time.")
            if isinstance(form, OrderArgs):
                order_id = self._place(item, form)
                text = "Order successfully placed." if not rest else ""
            else:
                order_id = self._cancel(item, form)
        except Refusal as refusal:
            code, text = refusal.code, refusal.text
            sub_code = "1000" if code == 51008 else ""
        ts, status, top = str(self.now_ms()), str(code), "1" if code else "0"
        client = form.clOrdId
        if not placing:
            ids = {"clOrdId": client, "ordId": order_id or form_order_id(form)}
            if not rest:
                return {"ts": ts, "ordId": ids["ordId"], "clOrdId": client, "sCode": status,
                        "sMsg": text}, top
            return {**ids, "ts": ts, "sCode": status, "sMsg": text}, top
        tag = form.tag if isinstance(form, OrderArgs) else ""
        tail = {"sCode": status, "sMsg": text, "subCode": sub_code}
        if rest:
            return {"clOrdId": client, "ordId": order_id, "tag": tag, "ts": ts, **tail}, top
        return {"tag": tag, "ts": ts, "ordId": order_id, "clOrdId": client, **tail}, top

    def _instrument(self, form: OrderArgs | CancelArgs, rest: bool) -> Instrument:
        if rest:
            item = self.by_name.get(form.instId)
        elif form.instIdCode is None:
            raise Refusal(*NO_CODE)
        else:
            item = self.by_code.get(form.instIdCode)
        if item is None:
            raise Refusal(*NO_INSTRUMENT)
        return item

    def _place(self, item: Instrument, form: OrderArgs) -> str:
        order = self._order_of(item, form)
        order_id = str(3_970_112_233_445_566_000 + next(self._ids))
        try:
            self.matcher.submit(order, order_id, self.clock())
        except Reject as reject:
            if reject.reason == "PRICE_BAND":
                top, bottom = self.price_limits(item)
                raise Refusal(51006, "Order price is not within the price limit (max buy price: "
                                     f"{top} min sell price: {bottom})") from None
            raise Refusal(*REJECTS[reject.reason]) from None
        self.flush_account()
        return order_id

    def _order_of(self, item: Instrument, form: OrderArgs) -> Order:
        def wrong(name: str) -> Refusal:
            return Refusal(51000, f"Parameter {name}  error")

        if form.clOrdId and not CLIENT_ID.match(form.clOrdId):
            raise wrong("clOrdId")
        if not TAG.match(form.tag):
            raise wrong("tag")
        if form.tdMode not in ("cross", "isolated"):
            raise wrong("tdMode")
        if form.side not in ("buy", "sell"):
            raise wrong("side")
        if form.posSide not in ("", "net"):
            raise wrong("posSide")
        tif = ORDER_TYPES.get(form.ordType)
        if tif is None:
            raise wrong("ordType")
        kind = "market" if form.ordType in ("market", "optimal_limit_ioc") else "limit"
        if to_steps(form.sz, Decimal("1e-12")) is None:
            raise wrong("sz")
        lots = to_steps(form.sz, item.lot)
        if lots is None:
            raise Refusal(51121, "Order quantity must be a multiple of the lot size.")
        if lots < item.min_lots:
            raise Refusal(51020, "Your order should meet or exceed the minimum order amount.")
        if lots > (item.max_market_lots if kind == "market" else item.max_lots):
            raise Refusal(*((51202, "Market order amount exceeds the maximum amount.")
                            if kind == "market" else
                            (51005, "Your order amount exceeds the max order amount.")))
        ticks: int | None = 0
        if kind == "limit":
            ticks = to_steps(form.px, item.tick)
            if not ticks:
                raise wrong("px")
        return Order(item, BUY if form.side == "buy" else SELL, kind, tif, ticks or 0, lots,
                     form.clOrdId, form.reduceOnly, form.tag)

    def _cancel(self, item: Instrument, form: CancelArgs) -> str:
        order = self.find(form.ordId, form.clOrdId)
        if order is None or order.instrument is not item or not order.is_open:
            raise Refusal(*NOT_CANCELLED)
        self.matcher.cancel(order, "user", self.clock())
        self.flush_account()
        return order.order_id

    def cancel_everything(self, reason: str) -> None:
        for resting in self.matcher.resting:
            for order in list(resting.values()):
                self.matcher.cancel(order, reason, self.clock())
        self.flush_account()

    def find(self, order_id: str, client_id: str) -> Order | None:
        if order_id:
            return self.matcher.orders.get(order_id)
        return self.matcher.by_client.get(client_id)

    def price_limits(self, item: Instrument) -> tuple[str, str]:
        mark = self.matcher.mark(item.index)
        top, bottom = mark * (1 + BAND) // item.tick, mark * (1 - BAND) // item.tick
        return plain(item.px(int(top))), plain(item.px(int(bottom) + 1))

    # -- pushes ----------------------------------------------------------------------------------

    def _push_order(self, order: Order, fill: Fill | None) -> None:
        mark = self.matcher.mark(order.instrument.index)
        row = frames.push_order(order, fill, mark)
        self._push_channel("orders", order.instrument.name, {}, row)

    def _push_channel(self, channel: str, name: str, middle: dict[str, Any], row: Any) -> None:
        for conn in self.connections.values():
            arg = conn.topics.get(channel)
            if arg is not None and arg.get("instId", "") in ("", name):
                frame = encode({"arg": self._arg(arg), **middle, "data": [row]})
                self._pushes.append((conn, frame))

    def order_accepted(self, order: Order) -> None:
        self._push_order(order, None)

    def order_filled(self, order: Order, fill: Fill) -> None:
        self.last_fill[order.order_id] = fill
        if len(self.last_fill) > 100_000:
            del self.last_fill[next(iter(self.last_fill))]
        self._push_order(order, fill)
        self.touch(order.instrument.index)

    def order_ended(self, order: Order) -> None:
        self._push_order(order, None)

    def on_funding(self, item: Instrument, rate: Decimal, flow: Decimal, wall_ns: int) -> None:
        """Shows in the position's ``fundingFee`` and in the account, not as an order."""

    def push_account(self, indexes: list[int]) -> None:
        now = self.now_ms()
        event = {"eventType": "event_update"}
        for index in indexes:
            held = self.matcher.positions[index]
            if held.fill_id:
                row = frames.position(held, self.matcher, now, rest=False)
                self._push_channel("positions", held.instrument.name, event, row)
        if any("account" in conn.topics for conn in self.connections.values()):
            row = frames.account(self.matcher, now, rest=False)
            self._push_channel("account", "", event, row)

    # -- REST ------------------------------------------------------------------------------------

    def rest_result(self, method: str, path: str, query: str, headers: Mapping[str, str],
                    body: bytes) -> Any:
        return self._rest.answer(method, path, query, headers, body)

    def rest_error(self, refusal: Refusal) -> Any:
        if refusal.status == 401:
            return {"msg": refusal.text, "code": str(refusal.code)}
        return {"code": str(refusal.code), "data": [], "msg": refusal.text}


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def form_order_id(form: OrderArgs | CancelArgs) -> str:
    return form.ordId if isinstance(form, CancelArgs) else ""
