"""Bybit V5 over REST: instruments, account, positions, orders, executions.

Source: bybit-exchange/docs, docs/v5/{market,order,position,account} (July 2026).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeVar
from urllib.parse import unquote  # cursors come encoded, and requests encode what they send

import msgspec

from arbitrage.errors import ConfigError, ConnectorError, WireError
from arbitrage.instruments import Instrument
from arbitrage.venues.base import (
    AccountCheck,
    ExecutionReport,
    FeeRate,
    FundingReport,
    KeyRights,
    OrderReport,
    Position,
    TopOfBook,
    Wallet,
    decimal_of,
    top_of,
)
from arbitrage.venues.bybit import auth, limits, wire
from arbitrage.venues.bybit.codes import CODES
from arbitrage.venues.bybit.reports import (
    execution_report,
    funding_report,
    instrument_of,
    order_report,
    position_of,
)
from arbitrage.venues.rest_client import ORDER_VALID_MS, RestClient

CATEGORY = "linear"
SETTLE = "USDT"
PAGE = 1000
WEEK_MS = 7 * 86_400_000
BAD_PARAMETER = "10001"
HTTP_BAN_S = 600.0  # 403 "access too frequent": no HTTP for ten minutes

T = TypeVar("T")


class BybitRest(RestClient):
    """Bybit's REST client."""

    venue = "bybit"
    codes = CODES
    throttle_s = 1.0  # limits count by the second
    endpoint_limits = limits.ENDPOINTS
    other_limit = limits.OTHER
    order_paths = limits.ORDER_PATHS

    def headers(
        self, method: str, path: str, query: str, body: str, valid_ms: int = 0
    ) -> dict[str, str]:
        """Sign the raw query of a GET or the raw body of a POST."""
        assert self._credentials is not None
        payload = query if method == "GET" else body
        return auth.rest_headers(
            self._credentials, payload, self.clock.stamp_ms(), valid_ms or auth.RECV_WINDOW_MS
        )

    def check_status(self, status: int, path: str, body: bytes) -> None:
        """Stop all HTTP for ten minutes when the venue says that it is too much."""
        if status == 403 and b"too frequent" in body:
            self._bucket.drain(HTTP_BAN_S)
            raise ConnectorError(
                f"{path}: access too frequent; no request for {HTTP_BAN_S / 60:g} minutes",
                venue=self.venue,
                code=status,
            )
        super().check_status(status, path, body)

    def heed_headers(self, path: str, status: int, headers: Mapping[str, str]) -> None:
        """Count with the venue: it tells the limit, what is left, and when it counts anew."""
        told = wire.rate_told(headers, self.clock.wall_ms())
        if told is not None:
            self.limit_told(path, *told)

    async def server_time_ms(self) -> int:
        """Return the venue's wall clock."""
        result = await self._get("/v5/market/time", wire.server_time)
        return int(result.timeNano) // 1_000_000

    async def instruments(self) -> list[Instrument]:
        """Return every USDT-margined perpetual, live or not."""
        found: list[Instrument] = []
        cursor = ""
        while True:
            query: dict[str, str | int] = {"category": CATEGORY, "limit": PAGE}
            if cursor:
                query["cursor"] = unquote(cursor)
            page = await self._get("/v5/market/instruments-info", wire.page, query)
            rows = wire.decode(wire.instruments, page.list, "instrument list")
            for row in rows:
                if row.contractType == "LinearPerpetual" and row.settleCoin == SETTLE:
                    try:
                        found.append(instrument_of(row))
                    except (ConfigError, WireError) as error:
                        self._log.warning("bybit: instrument skipped: %s", error)
            # a page may be shorter than asked for, and the last one may have a cursor too
            if not rows or not page.nextPageCursor or page.nextPageCursor == cursor:
                return found
            cursor = page.nextPageCursor

    async def instrument(self, venue_symbol: str) -> Instrument | None:
        """Return one contract as it is listed now; None when it is not listed any more."""
        query: dict[str, str | int] = {"category": CATEGORY, "symbol": venue_symbol}
        try:
            page = await self._get("/v5/market/instruments-info", wire.page, query)
        except ConnectorError as error:
            if error.code == BAD_PARAMETER and "symbol invalid" in str(error):
                return None
            raise
        rows = wire.decode(wire.instruments, page.list, "instrument list")
        return next((instrument_of(row) for row in rows if row.symbol == venue_symbol), None)

    async def top_of_book(self, venue_symbol: str) -> TopOfBook:
        """Return where a contract stands now."""
        query: dict[str, str | int] = {"category": CATEGORY, "symbol": venue_symbol, "limit": 1}
        book = await self._get("/v5/market/orderbook", wire.books, query)
        return top_of(book.b, book.a)

    async def fee_rate(self, venue_symbol: str) -> FeeRate | None:
        """Return the account's fees for a symbol; None when the venue names none."""
        query: dict[str, str | int] = {"category": CATEGORY, "symbol": venue_symbol}
        try:
            page = await self._get("/v5/account/fee-rate", wire.page, query, is_signed=True)
        except ConnectorError as error:
            if _is_left_out(error):
                return None
            raise
        for row in wire.decode(wire.fee_rates, page.list, "fee rate"):
            if row.symbol in {venue_symbol, ""} and row.takerFeeRate:
                return FeeRate(
                    taker_bps=float(decimal_of(row.takerFeeRate) * 10_000),
                    maker_bps=float(decimal_of(row.makerFeeRate) * 10_000),
                )
        return None

    async def wallet(self) -> Wallet:
        """Return the USDT equity and free margin."""
        asked_ms = self.clock.wall_ms()  # a push from then on is newer
        page = await self._get(
            "/v5/account/wallet-balance", wire.page, {"accountType": "UNIFIED"}, is_signed=True
        )
        for row in wire.decode(wire.wallets, page.list, "wallet"):
            for coin in row.coin:
                if coin.coin == SETTLE:
                    return Wallet(
                        equity=decimal_of(coin.equity),
                        available=decimal_of(row.totalAvailableBalance),
                        cash=decimal_of(coin.walletBalance),
                        version=asked_ms,
                    )
        return Wallet(equity=Decimal(0), available=Decimal(0), cash=Decimal(0))

    async def positions(self) -> list[Position]:
        """Return the positions that are not flat."""
        rows = await self._pages(
            "/v5/position/list",
            wire.positions,
            {"category": CATEGORY, "settleCoin": SETTLE, "limit": 200},
            "position list",
        )
        return [position_of(row) for row in rows if decimal_of(row.size)]

    async def check_account(self, venue_symbol: str) -> AccountCheck:
        """Assert one-way positions and a margin account.

        Raises
        ------
        ConnectorError
            Terminal, when the account is in hedge mode or not a unified one.
        """
        page = await self._get(
            "/v5/position/list",
            wire.page,
            {"category": CATEGORY, "symbol": venue_symbol},
            is_signed=True,
        )
        rows = wire.decode(wire.positions, page.list, "position list")
        if any(row.positionIdx != 0 for row in rows):
            raise ConnectorError(
                f"the account is in hedge mode for {venue_symbol}; switch to one-way mode "
                "(position mode, while flat)",
                venue=self.venue,
                is_terminal=True,
            )
        info = await self._get("/v5/account/info", wire.account_info, is_signed=True)
        if info.marginMode == "ISOLATED_MARGIN":
            raise ConnectorError(
                "the account uses isolated margin; switch to cross (regular) margin",
                venue=self.venue,
                is_terminal=True,
            )
        return AccountCheck(
            position_mode="one-way", margin_mode=info.marginMode, key=await self._key_rights()
        )

    async def leverage(self, venue_symbol: str) -> Decimal:
        """Return the leverage set for a symbol in cross margin; 0 when the venue names none."""
        page = await self._get(
            "/v5/position/list",
            wire.page,
            {"category": CATEGORY, "symbol": venue_symbol},
            is_signed=True,
        )
        rows = wire.decode(wire.positions, page.list, "position list")
        return max((decimal_of(row.leverage) for row in rows), default=Decimal(0))

    async def _key_rights(self) -> KeyRights | None:
        try:
            key = await self._get("/v5/user/query-api", wire.key_info, is_signed=True)
        except ConnectorError as error:
            if _is_left_out(error):
                return None
            raise

        def rights(group: str) -> list[str]:
            return key.permissions.get(group, [])

        return KeyRights(
            may_withdraw="Withdraw" in rights("Wallet"),
            is_bound=bool(key.ips) and "*" not in key.ips,
            may_trade=not key.readOnly and bool(rights("ContractTrade") or rights("Derivatives")),
        )

    async def order_by_client_id(self, client_id: int, venue_symbol: str) -> OrderReport | None:
        """Return an order's state; None when the venue does not know it."""
        query: dict[str, str | int] = {
            "category": CATEGORY,
            "symbol": venue_symbol,
            "orderLinkId": str(client_id),
        }
        for path in ("/v5/order/realtime", "/v5/order/history"):
            try:
                page = await self._get(path, wire.page, query, is_signed=True, is_urgent=True)
            except ConnectorError as error:
                if error.code == "110001":
                    continue
                if error.code == "404" and path.endswith("history"):
                    return None
                raise
            for row in wire.decode(wire.orders, page.list, "order list"):
                if row.orderLinkId == str(client_id):
                    return order_report(row)
        return None

    async def open_orders(self, venue_symbol: str | None = None) -> list[OrderReport]:
        """Return the orders that may still fill, of one symbol or of all."""
        query: dict[str, str | int] = {"category": CATEGORY, "limit": 50}
        query |= {"symbol": venue_symbol} if venue_symbol else {"settleCoin": SETTLE}
        rows = await self._pages(
            "/v5/order/realtime", wire.orders, query, "order list", is_urgent=True
        )
        # those that have just ended may be listed too
        return [report for report in map(order_report, rows) if not report.is_terminal]

    async def executions(
        self,
        *,
        since_wall_ms: int | None = None,
        venue_symbol: str | None = None,
        client_id: int | None = None,
        order_id: str | None = None,
    ) -> list[ExecutionReport]:
        """Return executions, oldest first, by time or of one order. Funding rows are left out."""
        query: dict[str, str | int] = {"category": CATEGORY, "limit": 100}
        if venue_symbol is not None:
            query["symbol"] = venue_symbol
        if client_id is not None:
            query["orderLinkId"] = str(client_id)
        if since_wall_ms is not None:
            query["startTime"] = self._start_ms(since_wall_ms)
        rows = await self._pages(
            "/v5/execution/list", wire.executions, query, "execution list", is_urgent=True
        )
        reports = [execution_report(row) for row in rows if row.execType in wire.TRADE_EXEC_TYPES]
        if client_id is not None:
            reports = [report for report in reports if report.client_id == client_id]
        return sorted(reports, key=lambda report: report.wall_ms)

    async def funding_paid(self, since_wall_ms: int) -> list[FundingReport]:
        """Return the funding settlements of our positions since then, oldest first."""
        query: dict[str, str | int] = {
            "category": CATEGORY,
            "execType": wire.FUNDING_EXEC_TYPE,
            "startTime": self._start_ms(since_wall_ms),
            "limit": 100,
        }
        rows = await self._pages("/v5/execution/list", wire.executions, query, "execution list")
        reports = [funding_report(row) for row in rows if row.execType == wire.FUNDING_EXEC_TYPE]
        return sorted(reports, key=lambda report: report.wall_ms)

    async def place_order(
        self,
        venue_symbol: str,
        client_id: int,
        side: int,
        px: str,
        qty: str,
        *,
        reduce_only: bool = False,
    ) -> str:
        """Place a limit-IOC order; return the venue's order id. Accepted is not filled."""
        reply = await self._post(
            "/v5/order/create",
            {
                "category": CATEGORY,
                "symbol": venue_symbol,
                "side": ("Buy", "Sell")[side],
                "orderType": "Limit",
                "qty": qty,
                "price": px,
                "timeInForce": "IOC",
                "orderLinkId": str(client_id),
                "positionIdx": 0,
                "reduceOnly": reduce_only,
            },
            reduces=reduce_only,
        )
        return msgspec.convert(reply, wire.PlacedOrder).orderId

    async def cancel_order(self, venue_symbol: str, client_id: int, order_id: str = "") -> None:
        """Ask for an order's cancellation, by the venue's id where given; accepted is not done."""
        fields: dict[str, object] = {"category": CATEGORY, "symbol": venue_symbol}
        fields |= {"orderId": order_id} if order_id else {"orderLinkId": str(client_id)}
        await self._post("/v5/order/cancel", fields)

    async def cancel_orders(self, orders: Sequence[OrderReport]) -> None:
        """Ask for the cancellation of everything open in these orders' symbols."""
        for name in sorted({order.venue_symbol for order in orders}):
            await self._post("/v5/order/cancel-all", {"category": CATEGORY, "symbol": name})

    async def disconnect_protect(self, seconds: int) -> None:
        """Have resting orders cancelled when the private line is lost for so long.

        Raises
        ------
        ConnectorError
            Refused: only institutional accounts may.
        """
        await self._post(
            "/v5/order/disconnected-cancel-all", {"product": "DERIVATIVES", "timeWindow": seconds}
        )

    def _start_ms(self, since_wall_ms: int) -> int:
        """Return a start whose week, which is what the venue answers, reaches up to now."""
        return max(since_wall_ms, self.clock.wall_ms() - WEEK_MS + 60_000)

    # ---- requests -------------------------------------------------------------------------------

    async def _pages(
        self,
        path: str,
        decoder: "msgspec.json.Decoder[list[T]]",
        query: dict[str, str | int],
        what: str,
        *,
        is_urgent: bool = False,
    ) -> list[T]:
        found: list[T] = []
        limit = int(query["limit"])
        while True:
            page = await self._get(path, wire.page, query, is_signed=True, is_urgent=is_urgent)
            rows = wire.decode(decoder, page.list, what)
            found += rows
            if not page.nextPageCursor or len(rows) < limit:
                return found
            query = query | {"cursor": unquote(page.nextPageCursor)}

    async def _get(
        self,
        path: str,
        decoder: "msgspec.json.Decoder[T]",
        query: dict[str, str | int] | None = None,
        *,
        is_signed: bool = False,
        is_urgent: bool = False,
    ) -> T:
        async def ask() -> T:
            body = await self.request(
                "GET", path, query=query, is_signed=is_signed, is_urgent=is_urgent
            )
            return wire.decode(decoder, self._result(path, body), path)

        return await self.ask_again_once(ask, is_signed=is_signed)

    async def _post(
        self, path: str, fields: dict[str, object], *, reduces: bool | None = None
    ) -> object:
        body = await self.request(
            "POST",
            path,
            body=msgspec.json.encode(fields),
            is_signed=True,
            is_urgent=True,
            valid_ms=ORDER_VALID_MS,
            reduces=reduces,
        )
        return msgspec.json.decode(self._result(path, body))

    def _result(self, path: str, body: bytes) -> msgspec.Raw:
        reply = wire.decode(wire.rest_reply, body, path)
        if reply.retCode == 0:
            return reply.result
        raise self.refused(path, reply.retCode, reply.retMsg)


def _is_left_out(error: ConnectorError) -> bool:
    """Whether demo trading refuses a question because it does not take it at all."""
    is_refused = error.code == BAD_PARAMETER and "demo trading" in str(error).lower()
    return error.code == "404" or is_refused
