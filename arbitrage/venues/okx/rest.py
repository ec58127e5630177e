"""OKX V5 over REST: instruments, account, positions, orders, fills.

Source: OKX API guide v5, "Public Data", "Trading Account", "Order Book Trading" (July 2026).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

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
    wall_ms_of,
)
from arbitrage.venues.okx import auth, limits, wire
from arbitrage.venues.okx.codes import CODES, ORDER_NOT_FOUND
from arbitrage.venues.okx.reports import (
    fill_report,
    funding_report,
    instrument_of,
    order_report,
    position_of,
)
from arbitrage.venues.rest_client import ORDER_VALID_MS, RestClient

INST_TYPE = "SWAP"
SETTLE = "USDT"
FILLS_PER_PAGE = 100
ORDERS_PER_BATCH = 20
SOME_CANCELLED = {"0", "1", "2"}  # all, none or some: each order's own code says which
ORDERS_PER_PAGE = 100
SWAP_LEVELS = {"2", "3", "4"}  # futures, multi-currency and portfolio margin; 1 is spot
FUNDING_BILL = 8  # a bill's type
NO_INSTRUMENT = "51001"

T = TypeVar("T")


class OkxRest(RestClient):
    """OKX's REST client; `is_simulated` adds the demo-trading header."""

    venue = "okx"
    codes = CODES
    throttle_s = 2.0  # limits count by two seconds
    endpoint_limits = limits.ENDPOINTS
    other_limit = limits.OTHER
    order_paths = limits.ORDER_PATHS
    is_simulated = False

    def headers(
        self, method: str, path: str, query: str, body: str, valid_ms: int = 0
    ) -> dict[str, str]:
        """Sign the path with its query, and the body."""
        assert self._credentials is not None
        stamp_ms = self.clock.stamp_ms()
        headers = auth.rest_headers(
            self._credentials,
            method,
            f"{path}?{query}" if query else path,
            body,
            stamp_ms,
            is_simulated=self.is_simulated,
        )
        if valid_ms:
            headers["expTime"] = str(stamp_ms + valid_ms)
        return headers

    @property
    def place(self) -> str:
        """Where this client asks, in words: demo trading has no host of its own."""
        return f"demo trading at {self.base_url}" if self.is_simulated else self.base_url

    def public_headers(self) -> dict[str, str]:
        """Ask the environment that is traded: demo lists contracts of its own, on other grids."""
        found = super().public_headers()
        return found | {auth.SIMULATED_HEADER: "1"} if self.is_simulated else found

    async def server_time_ms(self) -> int:
        """Return the venue's wall clock."""
        rows = await self._get("/api/v5/public/time", wire.server_times)
        return int(rows[0].ts)

    async def instruments(self) -> list[Instrument]:
        """Return every USDT-margined linear swap, live or not."""
        rows = await self._get(
            "/api/v5/public/instruments", wire.instruments, {"instType": INST_TYPE}
        )
        found: list[Instrument] = []
        for row in rows:
            if row.ctType == "linear" and row.settleCcy == SETTLE:
                try:
                    found.append(instrument_of(row))
                except (ConfigError, WireError) as error:
                    self._log.warning("okx: instrument skipped: %s", error)
        return found

    async def instrument(self, venue_symbol: str) -> Instrument | None:
        """Return one contract as it is listed now; None when it is not listed any more."""
        query: dict[str, str | int] = {"instType": INST_TYPE, "instId": venue_symbol}
        try:
            rows = await self._get("/api/v5/public/instruments", wire.instruments, query)
        except ConnectorError as error:
            if error.code == NO_INSTRUMENT:
                return None
            raise
        return next((instrument_of(row) for row in rows if row.instId == venue_symbol), None)

    async def top_of_book(self, venue_symbol: str) -> TopOfBook:
        """Return where a contract stands now."""
        query: dict[str, str | int] = {"instId": venue_symbol, "sz": 1}
        for row in await self._get("/api/v5/market/books", wire.books, query):
            return top_of(row.bids, row.asks)
        raise WireError(f"okx: the book of {venue_symbol} came empty")

    async def funding_intervals(self) -> dict[str, float]:
        """Return the hours between settlements by venue symbol: OKX's list does not say."""
        rows = await self._get("/api/v5/public/funding-rate", wire.funding_rates, {"instId": "ANY"})
        return {row.instId: row.interval_h for row in rows if row.interval_h > 0}

    async def fee_rate(self, venue_symbol: str) -> FeeRate | None:
        """Return the account's fees for a symbol; None when the venue names none."""
        try:
            rows = await self._get(
                "/api/v5/account/trade-fee",
                wire.trade_fees,
                {"instType": INST_TYPE, "instFamily": venue_symbol.removesuffix("-SWAP")},
                is_signed=True,
            )
        except ConnectorError as error:
            if error.code == "404":
                return None
            raise
        for row in rows:
            taker, maker = row.takerU or row.taker, row.makerU or row.maker
            if taker:
                # a charge is written negative
                return FeeRate(
                    taker_bps=float(-decimal_of(taker) * 10_000),
                    maker_bps=float(-decimal_of(maker) * 10_000),
                )
        return None

    async def wallet(self) -> Wallet:
        """Return the USDT equity and free margin."""
        rows = await self._get(
            "/api/v5/account/balance", wire.accounts, {"ccy": SETTLE}, is_signed=True
        )
        for row in rows:
            for detail in row.details:
                if detail.ccy == SETTLE:
                    return Wallet(
                        equity=decimal_of(detail.eq),
                        available=decimal_of(detail.availEq),
                        cash=decimal_of(detail.cashBal),
                        version=wall_ms_of(row.uTime),
                    )
        return Wallet(equity=Decimal(0), available=Decimal(0), cash=Decimal(0))

    async def positions(self) -> list[Position]:
        """Return the positions that are not flat."""
        rows = await self._get(
            "/api/v5/account/positions", wire.positions, {"instType": INST_TYPE}, is_signed=True
        )
        return [
            position_of(row) for row in rows if row.instType == INST_TYPE and decimal_of(row.pos)
        ]

    async def check_account(self, venue_symbol: str) -> AccountCheck:
        """Assert net positions and an account level that may hold swaps.

        Raises
        ------
        ConnectorError
            Terminal, when positions are kept long and short, or the level is spot only.
        """
        rows = await self._get("/api/v5/account/config", wire.account_configs, is_signed=True)
        config = rows[0]
        if config.posMode != "net_mode":
            raise ConnectorError(
                f"the account's position mode was {config.posMode!r}; "
                "switch to net mode while flat",
                venue=self.venue,
                is_terminal=True,
            )
        if config.acctLv not in SWAP_LEVELS:
            raise ConnectorError(
                f"the account's level is {config.acctLv or 'not told'!r}, which cannot trade "
                "swaps in cross margin; switch it from spot mode to futures mode",
                venue=self.venue,
                is_terminal=True,
            )
        return AccountCheck(
            position_mode="net",
            margin_mode=f"level {config.acctLv}",
            key=KeyRights(
                may_withdraw="withdraw" in config.perm.split(","),
                is_bound=bool(config.ip),
                may_trade="trade" in config.perm.split(","),
            ),
        )

    async def leverage(self, venue_symbol: str) -> Decimal:
        """Return the leverage set for a symbol in cross margin; 0 when the venue names none."""
        rows = await self._get(
            "/api/v5/account/leverage-info",
            wire.leverages,
            {"instId": venue_symbol, "mgnMode": "cross"},
            is_signed=True,
        )
        return max((decimal_of(row.lever) for row in rows), default=Decimal(0))

    async def order_by_client_id(self, client_id: int, venue_symbol: str) -> OrderReport | None:
        """Return an order's state; None when the venue does not know it."""
        try:
            rows = await self._get(
                "/api/v5/trade/order",
                wire.orders,
                {"instId": venue_symbol, "clOrdId": str(client_id)},
                is_signed=True,
                is_urgent=True,
            )
        except ConnectorError as error:
            if error.code == ORDER_NOT_FOUND:
                return None
            raise
        return order_report(rows[0]) if rows else None

    async def open_orders(self, venue_symbol: str | None = None) -> list[OrderReport]:
        """Return the orders that may still fill, of one symbol or of all."""
        path = "/api/v5/trade/orders-pending"
        query: dict[str, str | int] = {"instType": INST_TYPE, "limit": ORDERS_PER_PAGE}
        if venue_symbol:
            query["instId"] = venue_symbol
        rows = page = await self._get(path, wire.orders, query, is_signed=True, is_urgent=True)
        while len(page) == ORDERS_PER_PAGE:
            after = query | {"after": page[-1].ordId}
            page = await self._get(path, wire.orders, after, is_signed=True, is_urgent=True)
            rows = rows + page
        return [report for report in map(order_report, rows) if not report.is_terminal]

    async def executions(
        self,
        *,
        since_wall_ms: int | None = None,
        venue_symbol: str | None = None,
        client_id: int | None = None,
        order_id: str | None = None,
    ) -> list[ExecutionReport]:
        """Return fills of the last three days, oldest first, by time or of one order."""
        query: dict[str, str | int] = {"instType": INST_TYPE, "limit": FILLS_PER_PAGE}
        if venue_symbol is not None:
            query["instId"] = venue_symbol
        if order_id:
            query["ordId"] = order_id
        if since_wall_ms is not None:
            query["begin"] = since_wall_ms
        rows = await self._get(
            "/api/v5/trade/fills", wire.fills, query, is_signed=True, is_urgent=True
        )
        page = rows
        while len(page) == FILLS_PER_PAGE and page[-1].billId:
            page = await self._get(
                "/api/v5/trade/fills",
                wire.fills,
                query | {"after": page[-1].billId},
                is_signed=True,
                is_urgent=True,
            )
            rows = rows + page
        reports = [fill_report(row) for row in rows if row.tradeId]
        if client_id is not None:
            reports = [report for report in reports if report.client_id == client_id]
        return sorted(reports, key=lambda report: report.wall_ms)

    async def funding_paid(self, since_wall_ms: int) -> list[FundingReport]:
        """Return the funding settlements of our positions since then, oldest first."""
        query: dict[str, str | int] = {
            "instType": INST_TYPE,
            "type": FUNDING_BILL,
            "begin": since_wall_ms,
            "limit": FILLS_PER_PAGE,
        }
        rows = page = await self._get("/api/v5/account/bills", wire.bills, query, is_signed=True)
        while len(page) == FILLS_PER_PAGE:
            after = query | {"after": page[-1].billId}
            page = await self._get("/api/v5/account/bills", wire.bills, after, is_signed=True)
            rows = rows + page
        reports = [funding_report(row) for row in rows if row.type == str(FUNDING_BILL)]
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
        fields: dict[str, object] = {
            "instId": venue_symbol,
            "tdMode": "cross",
            "side": ("buy", "sell")[side],
            "ordType": "ioc",
            "px": px,
            "sz": qty,
            "clOrdId": str(client_id),
        }
        if reduce_only:
            fields["reduceOnly"] = True
        placed = await self._act("/api/v5/trade/order", fields, ORDER_VALID_MS, reduces=reduce_only)
        return placed.ordId

    async def cancel_order(self, venue_symbol: str, client_id: int, order_id: str = "") -> None:
        """Ask for an order's cancellation, by the venue's id where given; accepted is not done."""
        fields: dict[str, object] = {"instId": venue_symbol}
        fields |= {"ordId": order_id} if order_id else {"clOrdId": str(client_id)}
        await self._act("/api/v5/trade/cancel-order", fields)

    async def cancel_orders(self, orders: Sequence[OrderReport]) -> None:
        """Ask for the cancellation of these orders; of those that are over nothing is said."""
        path = "/api/v5/trade/cancel-batch-orders"
        wanted = [{"instId": order.venue_symbol, "ordId": order.order_id} for order in orders]
        for first in range(0, len(wanted), ORDERS_PER_BATCH):
            batch = msgspec.json.encode(wanted[first : first + ORDERS_PER_BATCH])
            body = await self.request("POST", path, body=batch, is_signed=True, is_urgent=True)
            reply = wire.decode(wire.rest_reply, body, path)
            if reply.code not in SOME_CANCELLED:
                raise self.refused(path, reply.code, reply.msg)

    async def cancel_all_after(self, seconds: int) -> None:
        """Have every resting order cancelled unless this is said again in time; 0: never."""
        path = "/api/v5/trade/cancel-all-after"
        body = msgspec.json.encode({"timeOut": str(seconds)})
        answer = await self.request("POST", path, body=body, is_signed=True, is_urgent=True)
        reply = wire.decode(wire.rest_reply, answer, path)
        if reply.code != "0":
            raise self.refused(path, reply.code, reply.msg)

    # ---- requests -------------------------------------------------------------------------------

    async def _act(
        self,
        path: str,
        fields: dict[str, object],
        valid_ms: int = 0,
        *,
        reduces: bool | None = None,
    ) -> wire.OrderResult:
        body = await self.request(
            "POST",
            path,
            body=msgspec.json.encode(fields),
            is_signed=True,
            is_urgent=True,
            valid_ms=valid_ms,
            reduces=reduces,
        )
        reply = wire.decode(wire.rest_reply, body, path)
        rows = wire.decode(wire.order_results, reply.data, path) if reply.data else []
        if rows and rows[0].sCode == "0":
            return rows[0]
        if rows and rows[0].sCode:
            raise self.refused(path, rows[0].sCode, rows[0].sMsg)
        raise self.refused(path, reply.code, reply.msg)

    async def _get(
        self,
        path: str,
        decoder: "msgspec.json.Decoder[list[T]]",
        query: dict[str, str | int] | None = None,
        *,
        is_signed: bool = False,
        is_urgent: bool = False,
    ) -> list[T]:
        async def ask() -> list[T]:
            body = await self.request(
                "GET", path, query=query, is_signed=is_signed, is_urgent=is_urgent
            )
            reply = wire.decode(wire.rest_reply, body, path)
            if reply.code != "0":
                raise self.refused(path, reply.code, reply.msg)
            return wire.decode(decoder, reply.data, path)

        return await self.ask_again_once(ask, is_signed=is_signed)
