"""OKX V5 REST of the simulated venue: public data, account and trade endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import msgspec

from arbitrage.sim import okx_frames as frames
from arbitrage.sim.exchange import Refusal
from arbitrage.sim.forms import query_of, same
from arbitrage.sim.instruments import DELISTED, Instrument, listed
from arbitrage.sim.limits import OKX_OTHERS, OKX_QUERIES, SECOND_NS
from arbitrage.sim.matching import plain
from arbitrage.sim.okx_trading import (
    BATCH_MAX,
    NO_INSTRUMENT,
    AmendArgs,
    CancelArgs,
    OrderArgs,
)

if TYPE_CHECKING:
    from arbitrage.sim.okx import OkxExchange

WINDOW_MS = 30_000
DEMO_HEADER = "x-simulated-trading"
OTHER_ENVIRONMENT = (50101, "APIKey does not match current environment.")
OUTCOMES = {"0": "", "1": "All operations failed", "2": "Bulk operation partially succeeded."}
T = TypeVar("T")
Rows = list[dict[str, Any]]


class DeadManBody(msgspec.Struct, forbid_unknown_fields=True):
    timeOut: str
    tag: str = ""


class MassCancelBody(msgspec.Struct, forbid_unknown_fields=True):
    instType: str
    instFamily: str
    lockInterval: str = "0"


class LeverageBody(msgspec.Struct, forbid_unknown_fields=True):
    lever: str
    mgnMode: str
    instId: str = ""
    ccy: str = ""
    posSide: str = ""


class ModeBody(msgspec.Struct, forbid_unknown_fields=True):
    posMode: str


class OkxRest:
    """Answers one call at a time from the state of the exchange."""

    def __init__(self, exchange: OkxExchange) -> None:
        self._ex = exchange
        self._exp_time: str | None = None  # of the call being answered
        self._elsewhere = False  # its header means another environment than this one
        # path: (signed, allowed query keys, "code,data,msg" (True) or "code,msg,data", handler)
        self._get: dict[str, tuple[bool, str, bool, Callable[[dict[str, str]], Rows]]] = {
            "/api/v5/public/time": (False, "", False, self._time),
            "/api/v5/public/instruments":
                (False, "instType instId instFamily uly", True, self._instruments),
            "/api/v5/account/instruments":
                (True, "instType instId instFamily uly", True, self._instruments),
            "/api/v5/public/funding-rate": (False, "instId", True, self._funding),
            "/api/v5/market/books": (False, "instId sz", True, self._books),
            "/api/v5/market/ticker": (False, "instId", True, self._tickers),
            "/api/v5/market/tickers": (False, "instType instFamily uly", True, self._tickers),
            "/api/v5/public/price-limit": (False, "instId", False, self._price_limit),
            "/api/v5/account/config": (True, "", True, self._config),
            "/api/v5/account/balance": (True, "ccy", True, self._balance),
            "/api/v5/account/positions": (True, "instType instId posId", False, self._positions),
            "/api/v5/account/leverage-info": (True, "instId mgnMode ccy", True, self._leverage),
            "/api/v5/account/trade-fee":
                (True, "instType instId instFamily uly ruleType", True, self._trade_fee),
            "/api/v5/trade/order": (True, "instId ordId clOrdId", True, self._order),
            "/api/v5/trade/fills":
                (True, "instType instId instFamily uly ordId subType after before begin end "
                       "limit", True, self._fills),
            "/api/v5/account/bills":
                (True, "instType instId ccy mgnMode ctType type subType after before begin end "
                       "limit", True, self._bills),
            "/api/v5/trade/orders-history":
                (True, "instType instId instFamily uly ordType state category after before begin "
                       "end limit", True, self._history),
            "/api/v5/trade/orders-pending":
                (True, "instType instId instFamily uly ordType state after before limit", True,
                 self._pending),
        }
        self._post: dict[str, Callable[[Any], Any]] = {
            "/api/v5/trade/order": self._place,
            "/api/v5/trade/cancel-order": self._cancel,
            "/api/v5/trade/amend-order": self._amend,
            "/api/v5/trade/batch-orders": lambda body: self._run(body, OrderArgs, True),
            "/api/v5/trade/amend-batch-orders": lambda body: self._run(body, AmendArgs, True),
            "/api/v5/trade/cancel-batch-orders": lambda body: self._run(body, CancelArgs, True),
            "/api/v5/trade/mass-cancel": self._mass_cancel,
            "/api/v5/trade/cancel-all-after": self._dead_man,
            "/api/v5/account/set-leverage": self._set_leverage,
            "/api/v5/account/set-position-mode": self._set_mode,
        }

    def answer(self, method: str, path: str, query: str, headers: Mapping[str, str],
               body: bytes) -> Any:
        target = f"{path}?{query}" if query else path
        config, simulated = self._ex.config, headers.get(DEMO_HEADER, "") == "1"
        self._elsewhere = config.dress != "plain" and simulated != (config.environment == "demo")
        if method == "GET" and path in self._get:
            signed, allowed, data_first, handler = self._get[path]
            if signed:
                self._check(headers, method, target, "")
            self._count_query(path)
            rows = handler(query_of(query, frozenset(allowed.split()), _unknown_key))
            if data_first:
                return {"code": "0", "data": rows, "msg": ""}
            return {"code": "0", "msg": "", "data": rows}
        if method == "POST" and path in self._post:
            self._check(headers, method, target, body.decode("utf-8", "replace"))
            self._exp_time = headers.get("expTime")
            try:
                return self._post[path](msgspec.json.decode(body))
            except msgspec.MsgspecError as error:
                raise Refusal(50002, f"JSON syntax error: {error}", 400) from None
        raise Refusal(50404, f"Request path not found: {method} {path}"[:200], 404)

    def _check(self, headers: Mapping[str, str], method: str, target: str, body: str) -> None:
        ex = self._ex
        key, stamp = headers.get("OK-ACCESS-KEY", ""), headers.get("OK-ACCESS-TIMESTAMP", "")
        if not key:
            raise Refusal(50103, "Request header OK-ACCESS-KEY can not be empty.", 401)
        if key in ex.config.foreign_keys or (key == ex.keys.key and self._elsewhere):
            raise Refusal(*OTHER_ENVIRONMENT, 401)
        if key != ex.keys.key:
            raise Refusal(50119, "API key doesn't exist", 401)
        try:
            sent_ms = int(datetime.fromisoformat(stamp).timestamp() * 1000)
        except ValueError:
            raise Refusal(50112, "Invalid OK-ACCESS-TIMESTAMP", 401) from None
        if abs(ex.now_ms() - sent_ms) > WINDOW_MS:
            raise Refusal(50102, "Timestamp request expired", 401)
        if not same(headers.get("OK-ACCESS-PASSPHRASE", ""), ex.keys.passphrase):
            raise Refusal(50105, "Request header OK-ACCESS-PASSPHRASE incorrect.", 401)
        if not same(ex.sign(f"{stamp}{method}{target}{body}"), headers.get("OK-ACCESS-SIGN", "")):
            raise Refusal(50113, "Invalid Sign", 401)

    def _item(self, query: Mapping[str, str]) -> Instrument:
        item = self._ex.by_name.get(query.get("instId", ""))
        if item is None:
            raise Refusal(*NO_INSTRUMENT)
        return item

    def _items(self, query: Mapping[str, str]) -> list[Instrument]:
        if query.get("instType", "SWAP") not in ("SWAP", "ANY"):
            return []
        return [self._item(query)] if query.get("instId") else list(self._ex.instruments)

    # -- public ----------------------------------------------------------------------------------

    def _time(self, query: dict[str, str]) -> Rows:
        return [{"ts": str(self._ex.now_ms())}]

    def _instruments(self, query: dict[str, str]) -> Rows:
        if not query.get("instType"):
            raise Refusal(50014, "Parameter instType can not be empty.", 400)
        found = [item for item in self._items(query) if item.state != DELISTED]
        if self._elsewhere:  # the header chooses whose list it is
            environment = "mainnet" if self._ex.config.environment == "demo" else "demo"
            found = list(listed("okx", tuple(item.canonical for item in found), environment))
        if query.get("instId") and not found:
            raise Refusal(*NO_INSTRUMENT)
        return [frames.instrument_row(item) for item in found]

    def _funding(self, query: dict[str, str]) -> Rows:
        ex = self._ex
        items = list(ex.instruments) if query.get("instId") == "ANY" else [self._item(query)]
        return [frames.funding(i, ex.funding_rates[i.index], ex.next_funding_ns[i.index],
                               ex.now_ms(), rest=True) for i in items]

    def _price_limit(self, query: dict[str, str]) -> Rows:
        item = self._item(query)
        top, bottom = self._ex.price_limits(item)
        return [{"instType": "SWAP", "instId": item.name, "buyLmt": top, "sellLmt": bottom,
                 "ts": str(self._ex.now_ms()), "enabled": True}]

    def _books(self, query: dict[str, str]) -> Rows:
        item = self._item(query)
        count = query.get("sz") or "1"
        if not count.isdigit() or not 1 <= int(count) <= 400:
            raise Refusal(51000, "Parameter sz  error", 400)
        return [self._ex.rest_book(item, int(count))]

    def _tickers(self, query: dict[str, str]) -> Rows:
        now, books = self._ex.now_ms(), self._ex.matcher.books
        return [frames.ticker(item, books[item.index], now) for item in self._items(query)
                if books[item.index].wall_ns]

    # -- account ---------------------------------------------------------------------------------

    def _config(self, query: dict[str, str]) -> Rows:
        config = self._ex.config
        perm = "read_only,withdraw" if config.key_withdraws else "read_only"
        perm += ",trade" if config.key_trades else ""
        return [{"acctLv": "3", "acctStpMode": "cancel_maker", "autoLoan": False,
                 "ctIsoMode": "automatic", "greeksType": "PA", "level": "Lv1", "levelTmp": "",
                 "mgnIsoMode": "automatic", "posMode": "net_mode", "spotOffsetType": "",
                 "uid": frames.UID, "label": "simulator", "roleType": "0", "traderInsts": [],
                 "spotRoleType": "0", "spotTraderInsts": [], "opAuth": "0", "kycLv": "3",
                 "ip": config.key_ip, "perm": perm, "mainUid": frames.UID}]

    def _balance(self, query: dict[str, str]) -> Rows:
        return [frames.account(self._ex.matcher, self._ex.now_ms(), rest=True)]

    def _positions(self, query: dict[str, str]) -> Rows:
        items = self._items(query)
        matcher = self._ex.matcher
        return [frames.position(p, matcher, self._ex.now_ms(), rest=True)
                for p in (matcher.positions[i.index] for i in items) if p.lots]

    def _trade_fee(self, query: dict[str, str]) -> Rows:
        maker = plain(-self._ex.matcher.maker_rate)
        taker = plain(-self._ex.matcher.taker_rate)
        return [{"category": "1", "delivery": "", "exercise": "", "fiat": [],
                 "instType": query.get("instType", "SWAP"), "level": "Lv1", "maker": maker,
                 "makerU": maker, "makerUSDC": maker, "ruleType": "normal", "taker": taker,
                 "takerU": taker, "takerUSDC": taker, "ts": str(self._ex.now_ms())}]

    def _leverage(self, query: dict[str, str]) -> Rows:
        item = self._item(query)
        if query.get("mgnMode") not in ("cross", "isolated"):
            raise Refusal(51000, "Parameter mgnMode  error", 400)
        return [{"ccy": "", "instId": item.name, "mgnMode": query["mgnMode"], "posSide": "net",
                 "lever": self._ex.leverage[item.name]}]

    def _set_leverage(self, body: Any) -> Any:
        form = msgspec.convert(body, LeverageBody)
        item = self._item({"instId": form.instId})
        whole = form.lever.partition(".")[0]
        if not whole.isdigit() or not 1 <= int(whole) <= int(item.leverage_max):
            raise Refusal(59102, "Leverage exceeds the maximum limit. Please lower the leverage.")
        self._ex.leverage[item.name] = form.lever
        return {"code": "0", "msg": "", "data": [
            {"lever": form.lever, "mgnMode": form.mgnMode, "instId": item.name, "posSide": ""}]}

    def _set_mode(self, body: Any) -> Any:
        form = msgspec.convert(body, ModeBody)
        if form.posMode != "net_mode":
            raise Refusal(51000, "Parameter posMode  error")
        return {"code": "0", "msg": "", "data": [{"posMode": "net_mode"}]}

    # -- orders ----------------------------------------------------------------------------------

    def _order(self, query: dict[str, str]) -> Rows:
        item = self._item(query)
        order = self._ex.find(query.get("ordId", ""), query.get("clOrdId", ""))
        if order is None or order.instrument.name != item.name:
            raise Refusal(51603, "Order does not exist")
        fill = self._ex.last_fill.get(order.order_id)
        return [frames.rest_order(order, fill, self._ex.matcher.mark(item.index))]

    def _history(self, query: dict[str, str]) -> Rows:
        """Orders that have ended."""
        matcher, wanted = self._ex.matcher, {item.name for item in self._items(query)}
        orders = [o for o in matcher.orders.values()
                  if not o.is_open and o.instrument.name in wanted]
        return [frames.rest_order(o, self._ex.last_fill.get(o.order_id),
                                  matcher.mark(o.instrument.index))
                for o in _window(orders, query, lambda o: int(o.order_id))]

    def _pending(self, query: dict[str, str]) -> Rows:
        matcher = self._ex.matcher
        orders = [o for i in self._items(query) for o in matcher.resting[i.index].values()]
        return [frames.rest_order(o, self._ex.last_fill.get(o.order_id),
                                  matcher.mark(o.instrument.index))
                for o in _window(orders, query, lambda o: int(o.order_id))]

    def _fills(self, query: dict[str, str]) -> Rows:
        matcher = self._ex.matcher
        names = {item.name for item in self._items(query)}
        begin, end = int(query.get("begin") or 0), int(query.get("end") or 1 << 62)
        chosen = [f for f in matcher.fills
                  if f.order.instrument.name in names
                  and query.get("ordId", "") in ("", f.order.order_id)
                  and begin <= f.wall_ns // 1_000_000 <= end]
        return [frames.rest_fill(f, matcher.maker_rate if f.maker else matcher.taker_rate)
                for f in _window(chosen, query, lambda f: frames.bill_id(f.fill_id))]

    def _bills(self, query: dict[str, str]) -> Rows:
        """Funding settlements; other changes of the balance are not billed here."""
        begin, end = int(query.get("begin") or 0), int(query.get("end") or 1 << 62)
        wanted = {key: query[key] for key in ("instType", "instId", "ccy", "type", "subType")
                  if query.get(key)}
        chosen = [row for row in self._ex.funding_bills
                  if begin <= int(row["ts"]) <= end
                  and all(row[key] == value for key, value in wanted.items())]
        return _window(chosen, query, lambda row: int(row["billId"]))

    def _place(self, body: Any) -> Any:
        return self._run(body, OrderArgs)

    def _cancel(self, body: Any) -> Any:
        return self._run(body, CancelArgs)

    def _amend(self, body: Any) -> Any:
        return self._run(body, AmendArgs)

    def _run(self, body: Any, form_type: type[Any], batch: bool = False) -> Any:
        in_us = self._ex.clock() // 1000
        items = body if batch else [body]
        if not isinstance(items, list) or not 1 <= len(items) <= BATCH_MAX:
            raise Refusal(51000, "Parameter error: 1 to 20 orders")
        try:
            forms = [msgspec.convert(item, form_type) for item in items]
        except msgspec.ValidationError as error:
            raise Refusal(51000, f"Parameter error: {error}") from None
        try:
            rows, code = self._ex.run(forms, rest=True, exp_time=self._exp_time, batch=batch)
        except Refusal:
            raise Refusal(50011, "Too Many Requests", 429) from None
        return {"code": code, "msg": OUTCOMES[code], "data": rows, "inTime": str(in_us),
                "outTime": str(self._ex.clock() // 1000 + 1)}

    def _mass_cancel(self, body: Any) -> Any:
        form = msgspec.convert(body, MassCancelBody)
        if form.instType != "OPTION":
            raise Refusal(51000, "Parameter instType  error")
        return {"code": "0", "msg": "", "data": [{"result": True}]}

    def _dead_man(self, body: Any) -> Any:
        form = msgspec.convert(body, DeadManBody)
        seconds = int(form.timeOut) if form.timeOut.isdigit() else -1
        if seconds != 0 and not 10 <= seconds <= 120:
            raise Refusal(51000, "Parameter timeOut  error")
        now = self._ex.clock()
        self._ask("cancel-all-after", 1, SECOND_NS)
        due_ns = now + seconds * SECOND_NS if seconds else 0
        self._ex.dead_men.pop(form.tag, None)
        if due_ns:
            self._ex.dead_men[form.tag] = due_ns
        return {"code": "0", "msg": "", "data": [
            {"triggerTime": str(due_ns // 1_000_000), "tag": form.tag,
             "ts": str(now // 1_000_000)}]}

    def _ask(self, name: str, limit: int, window_ns: int) -> None:
        if not self._ex.windows.of(name, limit, window_ns).take(self._ex.clock()):
            raise Refusal(50011, "Too Many Requests", 429)

    def _count_query(self, path: str) -> None:
        limit = self._ex.config.limits.okx_queries
        if limit is None:
            limit = OKX_QUERIES.get(path, OKX_OTHERS)
        self._ask(path, limit, 2 * SECOND_NS)



def _unknown_key(name: str) -> NoReturn:
    raise Refusal(51000, f"Parameter {name}  error"[:120], 400)


def _window(rows: Sequence[T], query: Mapping[str, str], number_of: Callable[[T], int]
            ) -> list[T]:
    """One page, newest first; ``after`` an id means older than it, ``before`` newer."""
    after, before = (query.get(key) or "0" for key in ("after", "before"))
    if not after.isdigit() or not before.isdigit():
        raise Refusal(51000, "Parameter after or before  error", 400)
    older, newer = int(after) or 1 << 63, int(before)
    found = [row for row in reversed(rows) if newer < number_of(row) < older]
    return found[: _limit(query)]


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit") or "100"
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise Refusal(51000, "Parameter limit  error", 400)
    return int(text)
