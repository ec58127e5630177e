"""Bybit V5 REST of the simulated venue: market, account, position and order endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from arbitrage.sim import bybit_frames as frames
from arbitrage.sim.bybit_trading import Batch
from arbitrage.sim.exchange import Refusal
from arbitrage.sim.forms import query_of, same
from arbitrage.sim.instruments import Instrument
from arbitrage.sim.limits import SECOND_NS
from arbitrage.sim.matching import plain

if TYPE_CHECKING:
    from arbitrage.sim.bybit import BybitExchange

SIGNED_TEXT = (
    "invalid request, please check your server timestamp or recv_window param. "
    "req_timestamp[{}],server_timestamp[{}],recv_window[{}]"
)


# Not in the list of calls that demo trading has.
DEMO_LACKS = ("/v5/account/fee-rate", "/v5/user/query-api")
BAN_NS = 600 * SECOND_NS


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


class LeverageBody(msgspec.Struct, forbid_unknown_fields=True):
    category: str
    symbol: str
    buyLeverage: str
    sellLeverage: str


class ModeBody(msgspec.Struct, forbid_unknown_fields=True):
    category: str
    mode: int
    symbol: str = ""
    coin: str = ""


class ProtectBody(msgspec.Struct, forbid_unknown_fields=True):
    timeWindow: int
    product: str = "OPTIONS"


class CancelAllBody(msgspec.Struct, forbid_unknown_fields=True):
    category: str
    symbol: str = ""
    settleCoin: str = ""
    baseCoin: str = ""


class BybitRest:
    """Answers one call at a time from the state of the exchange."""

    def __init__(self, exchange: BybitExchange) -> None:
        self._ex = exchange
        self._closed_until_ns = 0  # HTTP is closed to an address that asked too much
        page_keys = "category symbol limit cursor"
        order_keys = _keys(f"{page_keys} baseCoin settleCoin orderId orderLinkId openOnly "
                           "orderFilter orderStatus startTime endTime")
        self._get: dict[str, tuple[bool, frozenset[str], Callable[[dict[str, str]], Any]]] = {
            "/v5/market/time": (False, _keys(""), self._time),
            "/v5/market/instruments-info":
                (False, _keys(f"{page_keys} status baseCoin"), self._instruments),
            "/v5/market/orderbook": (False, _keys("category symbol limit"), self._book),
            "/v5/market/tickers": (False, _keys("category symbol baseCoin expDate"),
                                   self._tickers),
            "/v5/account/info": (True, _keys(""), self._account_info),
            "/v5/account/fee-rate": (True, _keys("category symbol baseCoin"), self._fee_rate),
            "/v5/account/wallet-balance": (True, _keys("accountType coin"), self._wallet),
            "/v5/position/list":
                (True, _keys(f"{page_keys} baseCoin settleCoin"), self._positions),
            "/v5/order/realtime": (True, order_keys, self._open_orders),
            "/v5/order/history": (True, order_keys, self._order_history),
            "/v5/execution/list":
                (True, _keys(f"{page_keys} orderId orderLinkId baseCoin startTime endTime "
                             "execType"), self._executions),
            "/v5/user/query-api": (True, _keys(""), self._query_api),
        }
        self._post: dict[str, Callable[[Any], Any]] = {
            "/v5/order/create": exchange.create,
            "/v5/order/cancel": exchange.cancel,
            "/v5/order/amend": exchange.amend,
            "/v5/order/create-batch": lambda body: exchange.batch("create", body),
            "/v5/order/amend-batch": lambda body: exchange.batch("amend", body),
            "/v5/order/cancel-batch": lambda body: exchange.batch("cancel", body),
            "/v5/order/cancel-all": self._cancel_all,
            "/v5/order/disconnected-cancel-all": self._protect,
            "/v5/position/set-leverage": self._set_leverage,
            "/v5/position/switch-mode": self._switch_mode,
        }

    def answer(self, method: str, path: str, query: str, headers: Mapping[str, str],
               body: bytes) -> Any:
        self._count_http()
        if path in DEMO_LACKS and self._ex.config.environment == "demo":
            raise Refusal(10001, "Demo trading are not supported.")
        if method == "GET" and path in self._get:
            signed, allowed, handler = self._get[path]
            if signed:
                self._check(headers, query)
                self._ex.ask(path)
            result = handler(query_of(query, allowed, _unknown_key))
        elif method == "POST" and path in self._post:
            self._check(headers, body.decode("utf-8", "replace"))
            try:
                result = self._post[path](msgspec.json.decode(body))
            except msgspec.DecodeError as error:
                raise Refusal(10001, f"Request parameter error. {error}") from None
        else:
            raise Refusal(10001, f"Request path not found: {method} {path}"[:200], 404)
        more: dict[str, Any] = {}
        if isinstance(result, Batch):
            more, result = {"list": result.outcomes}, {"list": result.rows}
        reply = {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": more,
                 "time": self._ex.now_ms()}
        if path == "/v5/account/info":  # this one has no envelope tail
            del reply["retExtInfo"], reply["time"]
        return reply

    def _count_http(self) -> None:
        """Count a request of the address; one too many closes HTTP to it for ten minutes."""
        ex, now_ns = self._ex, self._ex.clock()
        window = ex.windows.of("http", ex.config.limits.bybit_http, 5 * SECOND_NS)
        if now_ns >= self._closed_until_ns and not window.take(now_ns):
            self._closed_until_ns = now_ns + BAN_NS
        if now_ns < self._closed_until_ns:
            raise Refusal(10403, "access too frequent", 403)

    def _check(self, headers: Mapping[str, str], payload: str) -> None:
        ex = self._ex
        key, stamp = headers.get("X-BAPI-API-KEY", ""), headers.get("X-BAPI-TIMESTAMP", "")
        window = headers.get("X-BAPI-RECV-WINDOW", "5000")
        if key != ex.keys.key:
            raise Refusal(10003, "API key is invalid.")
        text = SIGNED_TEXT.format(stamp, ex.now_ms(), window)
        if not window.isdigit():
            raise Refusal(10001, "recv_window invalid")
        ex.check_time(stamp, window, text)
        if not same(ex.sign(f"{stamp}{key}{window}{payload}"), headers.get("X-BAPI-SIGN", "")):
            origin = f"{stamp}{key}{window}{payload}"[:120]
            raise Refusal(10004, f"error sign! origin_string[{origin}]")

    # -- market ----------------------------------------------------------------------------------

    def _time(self, query: dict[str, str]) -> Any:
        now = self._ex.clock()
        return {"timeSecond": str(now // 1_000_000_000), "timeNano": str(now)}

    def _instruments(self, query: dict[str, str]) -> Any:
        _linear(query)
        items = self._ex.listed
        if query.get("symbol"):
            items = tuple(i for i in items if i.name == query["symbol"])
            if not items:
                raise Refusal(10001, "params error: symbol invalid")
        limit, start = _page(query, 500, 1000)
        rows, cursor = frames.page(items, limit, start)
        return {"category": "linear", "list": [frames.instrument_row(i) for i in rows],
                "nextPageCursor": cursor}

    def _item(self, query: dict[str, str]) -> Instrument:
        item = self._ex.by_name.get(query.get("symbol", ""))
        if item is None:
            raise Refusal(10001, "params error: symbol invalid")
        return item

    def _book(self, query: dict[str, str]) -> Any:
        _linear(query)
        item = self._item(query)
        count = _page({"limit": query.get("limit", "")}, 25, 1000)[0]
        return self._ex.rest_book(item, count)

    def _tickers(self, query: dict[str, str]) -> Any:
        _linear(query)
        items = [self._item(query)] if query.get("symbol") else self._ex.listed
        return {"category": "linear", "list": [
            {key: value for key, value in self._ex.ticker(item).items() if key != "tickDirection"}
            for item in items if self._ex.matcher.books[item.index].wall_ns]}

    # -- account ---------------------------------------------------------------------------------

    def _account_info(self, query: dict[str, str]) -> Any:
        return {"marginMode": "REGULAR_MARGIN", "updatedTime": "1697078946000",
                "unifiedMarginStatus": 4, "dcpStatus": "OFF", "timeWindow": 10, "smpGroup": 0,
                "isMasterTrader": False, "spotHedgingStatus": "OFF"}

    def _fee_rate(self, query: dict[str, str]) -> Any:
        _linear(query)
        taker, maker = plain(self._ex.matcher.taker_rate), plain(self._ex.matcher.maker_rate)
        names = [i.name for i in self._ex.instruments if query.get("symbol") in (None, "", i.name)]
        if not names:
            raise Refusal(10001, "params error: symbol invalid")
        return {"list": [{"symbol": name, "takerFeeRate": taker, "makerFeeRate": maker}
                         for name in names]}

    def _wallet(self, query: dict[str, str]) -> Any:
        if query.get("accountType") != "UNIFIED":
            raise Refusal(10001, "accountType only support UNIFIED.")
        return {"list": [frames.wallet(self._ex.matcher, rest=True)]}

    def _query_api(self, query: dict[str, str]) -> Any:
        config = self._ex.config
        wallet = ["Withdraw"] if config.key_withdraws else []
        rights = {"ContractTrade": ["Order", "Position"], "Spot": [], "Wallet": wallet,
                  "Options": [], "Derivatives": ["DerivativesTrade"], "Exchange": [], "NFT": []}
        return {"id": "13770661", "note": "simulator", "apiKey": self._ex.keys.key,
                "readOnly": int(not config.key_trades),
                "secret": "", "permissions": rights, "ips": [config.key_ip or "*"], "type": 1,
                "deadlineDay": 90, "expiredAt": "2100-01-01T00:00:00Z",
                "createdAt": "2026-01-01T00:00:00Z", "unified": 0, "uta": 1,
                "userID": int(frames.UID), "inviterID": 0, "vipLevel": "No VIP",
                "mktMakerLevel": "0", "affiliateID": 0, "isMaster": True,
                "parentUid": "0", "kycLevel": "LEVEL_1", "kycRegion": ""}

    def _positions(self, query: dict[str, str]) -> Any:
        _linear(query)
        matcher = self._ex.matcher
        name = query.get("symbol", "")
        if not name and not query.get("settleCoin"):
            raise Refusal(10001, "Missing some parameters that must be filled in: "
                                 "symbol or settleCoin")
        if name and name not in self._ex.by_name:
            raise Refusal(10001, "params error: symbol invalid")
        chosen = [p for p in matcher.positions
                  if (p.instrument.name == name if name else p.lots != 0)]
        limit, start = _page(query, 200, 200)
        part, cursor = frames.page(chosen, limit, start)
        rows = [frames.rest_position(frames.position_facts(matcher, p.instrument.index))
                | {"leverage": self._ex.leverage[p.instrument.name]} for p in part]
        return {"list": rows, "nextPageCursor": cursor, "category": "linear"}

    def _set_leverage(self, body: Any) -> Any:
        self._ex.ask("/v5/position/set-leverage")
        form = _convert(body, LeverageBody)
        item = self._ex.by_name.get(form.symbol)
        if form.category != "linear" or item is None:
            raise Refusal(10001, "params error: symbol invalid")
        if form.buyLeverage != form.sellLeverage:
            raise Refusal(10001, "buy leverage must equal sell leverage")
        whole = form.buyLeverage.partition(".")[0]
        if not whole.isdigit() or not 1 <= int(whole) <= int(item.leverage_max):
            raise Refusal(110013, "cannot set leverage due to risk limit")
        if self._ex.leverage[item.name] == form.buyLeverage:
            raise Refusal(110043, "leverage not modified")
        self._ex.leverage[item.name] = form.buyLeverage
        return {}

    def _switch_mode(self, body: Any) -> Any:
        form = _convert(body, ModeBody)
        if form.mode == 0:
            raise Refusal(110025, "Position mode is not modified")
        if any(p.lots for p in self._ex.matcher.positions):
            raise Refusal(110024, "You have an existing position, so position mode cannot be "
                                  "switched")
        raise Refusal(10001, "the simulated account is one-way only")

    # -- orders ----------------------------------------------------------------------------------

    def _orders(self, query: dict[str, str], open_only: bool) -> Any:
        _linear(query)
        matcher = self._ex.matcher
        if query.get("orderId"):
            found = matcher.orders.get(query["orderId"])
            orders = [found] if found else []
        elif query.get("orderLinkId"):
            found = matcher.by_client.get(query["orderLinkId"])
            orders = [found] if found else []
        elif open_only:
            orders = [o for resting in matcher.resting for o in resting.values()]
        else:
            orders = list(matcher.orders.values())
        orders = [o for o in orders if query.get("symbol", "") in ("", o.instrument.name)]
        orders.reverse()
        limit, start = _page(query, 20, 50)
        part, cursor = frames.page(orders, limit, start)
        return [frames.rest_order(order) for order in part], cursor

    def _open_orders(self, query: dict[str, str]) -> Any:
        rows, cursor = self._orders(query, open_only=True)
        if not rows:
            return {"nextPageCursor": "", "category": "linear", "list": []}
        return {"list": rows, "nextPageCursor": cursor, "category": "linear"}

    def _order_history(self, query: dict[str, str]) -> Any:
        rows, cursor = self._orders(query, open_only=False)
        return {"list": rows, "nextPageCursor": cursor, "category": "linear"}

    def _executions(self, query: dict[str, str]) -> Any:
        _linear(query)
        since, until = int(query.get("startTime") or 0), int(query.get("endTime") or 1 << 62)
        wanted = {key: query[key] for key in ("symbol", "orderId", "orderLinkId", "execType")
                  if query.get(key)}
        rows = [row for row in reversed(self._ex.executions)
                if since <= int(row["execTime"]) <= until
                and all(row[key] == value for key, value in wanted.items())]
        limit, start = _page(query, 50, 100)
        part, cursor = frames.page(rows, limit, start)
        return {"nextPageCursor": cursor, "category": "linear",
                "list": [frames.rest_fill(row) for row in part]}

    def _protect(self, body: Any) -> Any:
        form = _convert(body, ProtectBody)
        if not self._ex.config.institutional:
            raise Refusal(10005, "Permission denied, please check your API key permissions.")
        if form.product != "DERIVATIVES" or not 3 <= form.timeWindow <= 300:
            raise Refusal(10001, "params error: timeWindow or product invalid")
        self._ex.protect_s = form.timeWindow
        return {}

    def _cancel_all(self, body: Any) -> Any:
        self._ex.ask("cancel-all")
        form = _convert(body, CancelAllBody)
        _linear({"category": form.category})
        if not (form.symbol or form.settleCoin or form.baseCoin):
            raise Refusal(10001, "Missing some parameters that must be filled in: "
                                 "symbol, settleCoin or baseCoin")
        if form.symbol and form.symbol not in self._ex.by_name:
            raise Refusal(10001, "params error: symbol invalid")
        done = []
        for resting in self._ex.matcher.resting:
            for order in list(resting.values()):
                item = order.instrument
                if form.symbol in ("", item.name) and form.baseCoin in ("", item.base):
                    self._ex.touch(item.index)
                    self._ex.matcher.cancel(order, "user", self._ex.clock())
                    done.append({"orderId": order.order_id, "orderLinkId": order.client_id})
        self._ex.flush_account()
        return {"list": done, "success": "1"}


def _unknown_key(name: str) -> NoReturn:
    raise Refusal(10001, f"Request parameter error. unknown key {name}"[:120])


def _linear(query: dict[str, str]) -> None:
    if query.get("category") != "linear":
        raise Refusal(10001, "params error: category invalid")


def _page(query: dict[str, str], usual: int, most: int) -> tuple[int, int]:
    text, cursor = query.get("limit") or str(usual), query.get("cursor", "")
    start = cursor.replace("%3D", "=").removeprefix("page=") or "0"
    if not text.isdigit() or not start.isdigit() or not 1 <= int(text) <= most:
        raise Refusal(10001, "params error: limit or cursor invalid")
    return int(text), int(start)


def _convert(body: Any, form: type[Any]) -> Any:
    try:
        return msgspec.convert(body, form)
    except msgspec.ValidationError as error:
        raise Refusal(10001, f"Request parameter error. {error}") from None
