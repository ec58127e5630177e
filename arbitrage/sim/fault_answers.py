"""Refusals of a venue's own form, for requests that never reached it or whose answer is another."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from arbitrage.sim.bybit import BybitExchange, TradeRequest
from arbitrage.sim.exchange import Connection, Exchange, Refusal, Reply, encode
from arbitrage.sim.fault_plan import Answer
from arbitrage.sim.okx import OkxExchange


class Asked(NamedTuple):
    """What a socket's request wants: its operation, and the request itself."""

    call: str
    request: dict[str, Any]


def asked(payload: bytes) -> Asked:
    """Read a client's frame; the text ``ping`` and what is no JSON object ask nothing."""
    try:
        request = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return Asked("", {})
    if not isinstance(request, dict):
        return Asked("", {})
    return Asked(str(request.get("op", "")), request)


def socket_answer(exchange: Exchange, conn: Connection, seen: Asked, rule: Answer) -> bytes:
    """Refuse a socket's request with the code of ``rule``."""
    text = rule.text or "Injected by the fault plan."
    if isinstance(exchange, BybitExchange):
        return _bybit(exchange, conn, seen, rule.code, text)
    assert isinstance(exchange, OkxExchange)
    return _okx(exchange, conn, seen, rule.code, text)


def _bybit(exchange: BybitExchange, conn: Connection, seen: Asked, code: int, text: str) -> bytes:
    call, request = seen
    if conn.role == "trade":
        req_id = request.get("reqId")
        if call != "auth":
            trade = TradeRequest(op=call, reqId=req_id if isinstance(req_id, str) else None)
            return exchange.trade_reply(conn, trade, code, text)
        body: dict[str, Any] = {} if req_id is None else {"reqId": req_id}
        return encode(body | {"retCode": code, "retMsg": text, "op": call, "connId": conn.conn_id})
    body = {"success": False, "ret_msg": text, "conn_id": conn.conn_id, "op": call}
    return encode(body | {"req_id": str(request.get("req_id") or "")})


def _okx(exchange: OkxExchange, conn: Connection, seen: Asked, code: int, text: str) -> bytes:
    call, request = seen
    head = {"id": str(request.get("id", "")), "op": call}
    if "order" not in call:
        body = {"event": "error", "code": str(code), "msg": text, "connId": conn.conn_id}
        return encode(body | ({"id": head["id"]} if head["id"] else {}))
    now_us = exchange.clock() // 1000
    times = {"inTime": str(now_us), "outTime": str(now_us + 1)}
    if 60_000 <= code < 64_000:  # the gateway's own codes come without rows
        return encode({**head, "code": str(code), "msg": text, "data": [], **times})
    args = request.get("args")
    rows = [
        {"ordId": "", "clOrdId": str(arg.get("clOrdId", "")), "tag": "", "ts": str(now_us // 1000),
         "sCode": str(code), "sMsg": text, "subCode": ""}
        for arg in (args if isinstance(args, list) else []) if isinstance(arg, dict)
    ]
    return encode({**head, "code": "1", "msg": "", "data": rows, **times})


def rest_answer(exchange: Exchange, rule: Answer) -> Reply:
    """Answer a REST call as ``rule`` says; without a code it is the answer of a proxy, not JSON."""
    if rule.code:
        text = rule.text or "Injected by the fault plan."
        body = encode(exchange.rest_error(Refusal(rule.code, text, rule.status)))
        return Reply(rule.status, {}, body)
    text = rule.text or "The server cannot answer now."
    return Reply(rule.status, {}, f"<html><body>{rule.status} {text}</body></html>".encode())
