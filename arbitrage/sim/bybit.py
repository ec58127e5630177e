"""Bybit V5 as a state machine: linear public, private and trade sockets.

Source: Bybit V5 documentation, websocket/{public,private,trade}, error codes; read in 2026.
Market data lives in `bybit_public`, orders and pushes in `bybit_trading`, REST in `bybit_rest`,
bodies in `bybit_frames`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from arbitrage.sim.bybit_public import BybitPublic, SocketRequest
from arbitrage.sim.bybit_rest import BybitRest
from arbitrage.sim.bybit_trading import Batch, BybitTrading
from arbitrage.sim.exchange import Connection, Refusal, encode
from arbitrage.sim.forms import same
from arbitrage.sim.limits import SECOND_NS

DCP_TOPIC = "dcp.future"
PRIVATE_TOPICS = ("order", "execution", "execution.fast", "position", "wallet")
TRADE_SOCKET_MAX = 3000  # requests a second
REQUEST_IDS_MAX = 1_000_000
RECV_WINDOW_MS = 5000
AHEAD_MS = 1000


class TradeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Request on the trade socket."""

    op: str
    args: list[Any] = []
    reqId: str | None = None
    header: dict[str, str] = {}


TRADE_HEADERS = frozenset({"X-BAPI-TIMESTAMP", "X-BAPI-RECV-WINDOW", "Referer"})
_socket_request = msgspec.json.Decoder(SocketRequest)
_trade_request = msgspec.json.Decoder(TradeRequest)


class BybitExchange(BybitPublic, BybitTrading):
    """Simulated Bybit."""

    venue = "bybit"
    public_path = "/v5/public/linear"
    private_path = "/v5/private"
    trade_path = "/v5/trade"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if self.config.environment == "demo":
            self.closed_roles = ("public", "trade")  # public data come from the mainnet's stream
        self.leverage = {i.name: "10" for i in self.instruments}
        self.protect_s = 10  # how long the line with the DCP topic may be lost
        self._lost_ns = 0  # since when it is; 0: it is there, or never was
        self._rest = BybitRest(self)

    # -- disconnect protection -------------------------------------------------------------------

    def disconnect(self, conn: Connection) -> None:
        super().disconnect(conn)
        lines = self.connections.values()
        if DCP_TOPIC in conn.topics and not any(DCP_TOPIC in line.topics for line in lines):
            self._lost_ns = self.clock()

    def on_ticker_time(self, now_ns: int) -> None:
        super().on_ticker_time(now_ns)
        if self._lost_ns and now_ns - self._lost_ns >= self.protect_s * SECOND_NS:
            self._lost_ns = 0
            for resting in self.matcher.resting:
                for order in list(resting.values()):
                    self.touch(order.instrument.index)
                    self.matcher.cancel(order, "dcp", now_ns)
            self.flush_account()

    def _new_conn_id(self) -> str:
        return f"{self._rng.getrandbits(80):020x}-{self._rng.getrandbits(16):x}"

    def may_connect(self) -> bool:
        limit = self.config.limits.bybit_connects
        return self.windows.of("connects", limit, 300 * SECOND_NS).take(self.clock())

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
                return self.subscribe_public(conn, request)
            return [self._subscribe_private(conn, request)]
        if request.op == "auth" and conn.role == "private":
            code, text = self._login(request.args)
            conn.authed = conn.authed or code == 0
            return [self._private_reply(conn, request.req_id, code == 0, text, "auth")]
        return [self.public_reply(conn, request.req_id, False, "Params Error", request.op)]

    def _pong(self, conn: Connection, req_id: str | None) -> bytes:
        if conn.role == "public":
            return self.public_reply(conn, req_id, True, "pong", "ping")
        body: dict[str, Any] = {} if req_id is None else {"req_id": req_id}
        body |= {"op": "pong", "args": [str(self.now_ms())], "conn_id": conn.conn_id}
        return encode(body)

    @staticmethod
    def _private_reply(conn: Connection, req_id: str | None, ok: bool, text: str, op: str) -> bytes:
        body: dict[str, Any] = {} if req_id is None else {"req_id": req_id}
        body |= {"success": ok, "ret_msg": text, "op": op, "conn_id": conn.conn_id}
        return encode(body)

    def _subscribe_private(self, conn: Connection, request: SocketRequest) -> bytes:
        def refuse(text: str) -> bytes:
            return self._private_reply(conn, request.req_id, False, text, request.op)

        if not conn.authed:
            return refuse("Request not authorized")
        wanted = dict.fromkeys(str(topic) for topic in request.args)
        for topic in wanted:
            base = topic.removesuffix(".linear")
            if topic == DCP_TOPIC and self.config.institutional:
                continue
            if base not in PRIVATE_TOPICS or topic == "wallet.linear":
                return refuse(f"error:handler not found,topic:{topic}")
            twin = base if topic != base else f"{base}.linear"
            if request.op == "subscribe" and (twin in wanted or twin in conn.topics):
                return refuse("error:all-in-one and categorised topics cannot be mixed")
        if request.op == "subscribe" and DCP_TOPIC in wanted:
            self._lost_ns = 0
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
            return self.trade_reply(conn, request, 10001, f"Request parameter error. {error}")
        if request.op == "ping":
            body: dict[str, Any] = {} if request.reqId is None else {"reqId": request.reqId}
            body |= {"retCode": 0, "retMsg": "OK", "op": "pong", "data": [str(self.now_ms())],
                     "connId": conn.conn_id}
            return encode(body)
        if request.op == "auth":
            return self._trade_login(conn, request)
        self.reply_headers = {}
        try:
            data = self._trade_order(conn, request)
        except Refusal as refusal:
            return self.trade_reply(conn, request, refusal.code, refusal.text)
        if isinstance(data, Batch):
            return self.trade_reply(conn, request, 0, "OK", {"list": data.rows},
                                    {"list": data.outcomes})
        return self.trade_reply(conn, request, 0, "OK", data)

    def _trade_login(self, conn: Connection, request: TradeRequest) -> bytes:
        code, text = (20001, "Repeat auth") if conn.authed else self._login(request.args)
        conn.authed = conn.authed or code == 0
        body: dict[str, Any] = {} if request.reqId is None else {"reqId": request.reqId}
        body |= {"retCode": code, "retMsg": text or "OK", "op": "auth", "connId": conn.conn_id}
        return encode(body)

    def _trade_order(self, conn: Connection, request: TradeRequest) -> dict[str, str] | Batch:
        if not conn.authed:
            raise Refusal(10005, "Permission denied, please check your API key permissions.")
        if not conn.windows.of("orders", TRADE_SOCKET_MAX, SECOND_NS).take(self.clock()):
            raise Refusal(10403, "Exceeded the API Rate Limit of this IP.")
        kind, _, form = request.op.removeprefix("order.").partition("-")
        if kind not in ("create", "amend", "cancel") or form not in ("", "batch") or (
                not request.op.startswith("order.")):
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
            if len(conn.request_ids) >= REQUEST_IDS_MAX:
                conn.request_ids.clear()
            conn.request_ids.add(request.reqId)
        if form:
            return self.batch(kind, request.args[0])
        one = {"create": self.create, "amend": self.amend, "cancel": self.cancel}[kind]
        return one(request.args[0])

    def trade_reply(self, conn: Connection, request: TradeRequest, code: int, text: str,
                    data: dict[str, Any] | None = None,
                    more: dict[str, Any] | None = None) -> bytes:
        now = str(self.now_ms())
        body: dict[str, Any] = {} if request.reqId is None else {"reqId": request.reqId}
        body |= {
            "retCode": code, "retMsg": text, "op": request.op, "data": data or {},
            "retExtInfo": more or {},
            "header": {**(self.reply_headers or self.limit_headers("create")),
                       "Traceid": self.hex_id(), "Timenow": now},
            "connId": conn.conn_id,
        }
        return encode(body)

    def check_time(self, stamp: str, window: str, text: str) -> None:
        """``server - window <= stamp < server + 1000``."""
        now = self.now_ms()
        window_ms = int(window) if window.isdigit() else RECV_WINDOW_MS
        if not stamp.isdigit() or not now - window_ms <= int(stamp) < now + AHEAD_MS:
            raise Refusal(10002, text)

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
