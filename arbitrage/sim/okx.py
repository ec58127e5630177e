"""OKX V5 as a state machine: public and private sockets, orders on the private one.

Source: OKX V5 documentation, websocket overview, trade, trading account, error codes; read in
2026. Market data lives in `okx_public`, orders and pushes in `okx_trading`, snapshots of the
private channels in `okx_private`, REST in `okx_rest`, bodies in `okx_frames`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from arbitrage.sim.exchange import HOUR_NS, QUOTED, STREAMS, TICKER, Connection, Refusal, encode
from arbitrage.sim.forms import same
from arbitrage.sim.limits import SECOND_NS
from arbitrage.sim.okx_private import (
    OF_INSTRUMENTS,
    PRIVATE_CHANNELS,
    OkxPrivate,
    interval_ms,
)
from arbitrage.sim.okx_public import CHANNELS, OkxPublic
from arbitrage.sim.okx_rest import OTHER_ENVIRONMENT, OkxRest
from arbitrage.sim.okx_trading import (
    BATCH_MAX,
    AmendArgs,
    CancelArgs,
    OrderArgs,
)

LOGIN_WINDOW_S = 30
IDLE_NS = 30_000_000_000
FUNDING_PERIOD_NS = 30_000_000_000
REQUEST_BYTES_MAX = 64 * 1024
ORDER_OPS: dict[str, tuple[Any, bool]] = {
    "order": (OrderArgs, False), "batch-orders": (OrderArgs, True),
    "amend-order": (AmendArgs, False), "batch-amend-orders": (AmendArgs, True),
    "cancel-order": (CancelArgs, False), "batch-cancel-orders": (CancelArgs, True),
    "mass-cancel": (None, False),
}


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """Any client request but the text ``ping``."""

    op: str
    args: list[Any] = []
    id: str | None = None
    expTime: str | None = None


_request = msgspec.json.Decoder(Request)


class OkxExchange(OkxPublic, OkxPrivate):
    """Simulated OKX."""

    venue = "okx"
    public_path = "/ws/v5/public"
    private_path = "/ws/v5/private"
    trade_path = "/ws/v5/private"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.dead_men: dict[str, int] = {}  # when each tag's orders are cancelled; "" is all
        self.leverage = {i.name: "10" for i in self.instruments}
        self._rest = OkxRest(self)

    @property
    def dead_man_ns(self) -> int:
        """When the next switch of cancel-all-after fires; 0 while none is armed."""
        return min(self.dead_men.values(), default=0)

    def on_ticker_time(self, now_ns: int) -> None:
        for tag in [tag for tag, due_ns in self.dead_men.items() if now_ns >= due_ns]:
            del self.dead_men[tag]
            self.cancel_everything("dead_man", tag)
        self.repeat_channels(now_ns)
        self._close_idle(now_ns)
        if now_ns >= self._funding_due_ns:
            period_ns = round(self.config.funding_s * 1e9) // 4 or FUNDING_PERIOD_NS
            self._funding_due_ns = now_ns + period_ns
            for item in self.instruments:
                stream = STREAMS * item.index + TICKER
                if self.watched >> stream & 1:
                    self._public.append((stream, self._funding_frame(item)))

    def _close_idle(self, now_ns: int) -> None:
        """A socket on which nothing moves for 30 s is closed: clients must ping."""
        for conn in list(self.connections.values()):
            if now_ns - conn.heard_ns <= IDLE_NS:
                continue
            quoted = (book.wall_ns for i, book in enumerate(self.matcher.books)
                      if conn.streams >> (STREAMS * i) & QUOTED)
            conn.heard_ns = max(conn.heard_ns, max(quoted, default=0))
            if now_ns - conn.heard_ns > IDLE_NS:
                self._closings.append((conn, 4004, "No data received in 30s."))

    def may_connect(self) -> bool:
        limit = self.config.limits.okx_connects
        return self.windows.of("connects", limit, SECOND_NS).take(self.clock())

    # -- sockets ---------------------------------------------------------------------------------

    def on_frame(self, conn: Connection, payload: bytes) -> list[bytes]:
        conn.heard_ns = self.clock()
        if payload == b"ping":
            return [b"pong"]
        in_us = conn.heard_ns // 1000
        try:
            request = _request.decode(payload)
        except msgspec.MsgspecError:
            return [self._bad_request(conn, payload)]
        if len(payload) > REQUEST_BYTES_MAX:
            return [self._bad_request(conn, payload)]
        if request.op in ("subscribe", "unsubscribe", "login"):
            limit = self.config.limits.okx_socket
            if not conn.windows.of("requests", limit, HOUR_NS).take(conn.heard_ns):
                return [self._event_error(conn, 60014, "Requests too frequent.", request.id)]
        if request.op in ("subscribe", "unsubscribe"):
            return [reply for arg in request.args for reply in self._channel(conn, request, arg)]
        if request.op == "login" and conn.role == "private":
            reply = self._login(conn, request.args)
            if not conn.authed:
                self._closings.append((conn, 4001, "Login failed."))
            return [reply]
        if request.op in ORDER_OPS and conn.role == "private":
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
            if channel not in CHANNELS or item is None or len(arg) != 2:
                return [self._no_channel(conn, arg, request.id)]
            bit = 1 << (STREAMS * item.index + CHANNELS[channel])
            first = self.first_frames(channel, item) if adding else []
            conn.streams = conn.streams | bit if adding else conn.streams & ~bit
            self.watch()
            return [ack, *first]
        known = PRIVATE_CHANNELS.get(channel)
        if known is None or not set(arg) <= known or (arg.get("instId") and item is None):
            return [self._no_channel(conn, arg, request.id)]
        if channel in OF_INSTRUMENTS and arg.get("instType") not in ("SWAP", "ANY"):
            return [self._no_channel(conn, arg, request.id)]
        if not conn.authed:
            return [self._event_error(conn, 60011, "Please log in", request.id)]
        if interval_ms(arg) is None:
            return [self._event_error(conn, 60013, "Invalid args extraParams", request.id)]
        if not adding:
            self.leave(conn, channel)
            return [ack]
        return [ack, *self.join(conn, channel, arg)]

    def _no_channel(self, conn: Connection, arg: dict[str, str], request_id: str | None) -> bytes:
        text = ",".join(f"{key}:{value}" for key, value in arg.items())
        return self._event_error(
            conn, 60018, f"Subscribe failed, wrong URL or {text} doesn't exist."[:300], request_id)

    def _login(self, conn: Connection, args: list[Any]) -> bytes:
        wanted = {"apiKey", "passphrase", "timestamp", "sign"}
        if len(args) != 1 or not isinstance(args[0], dict) or set(args[0]) != wanted:
            return self._event_error(conn, 60009, "Login failed.")
        form = {key: str(value) for key, value in args[0].items()}
        stamp = form["timestamp"]
        if not stamp.isdigit() or abs(self.clock() // 1_000_000_000 - int(stamp)) > LOGIN_WINDOW_S:
            return self._event_error(conn, 60006, "Timestamp request expired")
        if form["apiKey"] in self.config.foreign_keys:
            return self._event_error(conn, *OTHER_ENVIRONMENT)
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
        if request.op == "mass-cancel":
            return self._mass_cancel(head, request, in_us)
        form_type, batch = ORDER_OPS[request.op]
        if not 1 <= len(request.args) <= (BATCH_MAX if batch else 1):
            return self._format_error(head, "Invalid args", in_us)
        try:
            forms = [msgspec.convert(arg, form_type) for arg in request.args]
        except msgspec.ValidationError as error:
            return self._format_error(head, f"Invalid args: {error}", in_us)
        try:
            rows, code = self.run(forms, rest=False, exp_time=request.expTime, batch=batch)
        except Refusal as refusal:
            return self._trade_reply(head, str(refusal.code), refusal.text, [], in_us)
        return self._trade_reply(head, code, "", rows, in_us)

    def _mass_cancel(self, head: dict[str, str], request: Request, in_us: int) -> bytes:
        """Market maker protection is for options, which are not listed here: nothing to cancel."""
        if len(request.args) != 1 or request.args[0].get("instType") != "OPTION":
            return self._format_error(head, "Invalid args: instType", in_us)
        return self._trade_reply(head, "0", "", [{"result": True}], in_us)

    def _trade_reply(self, head: dict[str, str], code: str, text: str, rows: list[Any],
                     in_us: int) -> bytes:
        return encode({**head, "code": code, "msg": text, "data": rows, "inTime": str(in_us),
                       "outTime": str(self.clock() // 1000 + 1)})

    def _format_error(self, head: dict[str, str], text: str, in_us: int) -> bytes:
        return self._trade_reply(head, "60013", text, [], in_us)

    # -- REST ------------------------------------------------------------------------------------

    def rest_result(self, method: str, path: str, query: str, headers: Mapping[str, str],
                    body: bytes) -> Any:
        return self._rest.answer(method, path, query, headers, body)

    def rest_error(self, refusal: Refusal) -> Any:
        if refusal.status in (401, 429):
            return {"msg": refusal.text, "code": str(refusal.code)}
        return {"code": str(refusal.code), "data": [], "msg": refusal.text}
