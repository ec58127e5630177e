"""OKX private stream: orders, positions, account.

An order push carries its last fill. The push that ends an order may repeat none (`fillSz` "0",
`tradeId` ""), and the count `accFillSz` then says whether a fill was missed.
Source: OKX API guide v5, "Order channel", "Positions channel", "Account channel" (July 2026).
"""

from decimal import Decimal
from typing import Any

import msgspec

from arbitrage.venues.base import (
    ExecutionReport,
    FundingReport,
    Wallet,
    client_id_of,
    decimal_of,
    side_of,
    wall_ms_of,
)
from arbitrage.venues.loop_clock import loop_ns
from arbitrage.venues.okx import wire
from arbitrage.venues.okx.reports import order_report, position_of
from arbitrage.venues.okx.rest import INST_TYPE, SETTLE, OkxRest
from arbitrage.venues.okx.session import PONG, OkxSession
from arbitrage.venues.private_stream import PrivateStream

CHANNELS = ("orders", "positions", "account")
BILL_ASKS = 5  # how often a settlement's bill is asked for


def fill_of(row: wire.Order) -> ExecutionReport | None:
    """Return the fill an order push carries; None when it carries none."""
    if not row.tradeId or not row.fillPx:
        return None
    qty = decimal_of(row.fillSz)
    if qty <= 0:
        return None
    return ExecutionReport(
        venue_symbol=row.instId,
        client_id=client_id_of(row.clOrdId),
        trade_id=row.tradeId,
        side=side_of(row.side),
        px=decimal_of(row.fillPx),
        qty_venue=qty,
        # negative is a charge at OKX, positive one here
        fee=-decimal_of(row.fillFee),
        wall_ms=wall_ms_of(row.fillTime or row.uTime),
        by_venue=row.category in wire.VENUE_CATEGORIES,
    )


class OkxPrivateFeed(PrivateStream, OkxSession):
    """The private connection of an OKX account."""

    rest: OkxRest

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._funding_totals: dict[tuple[str, str], Decimal] = {}
        self._unbilled: set[str] = set()
        self._page = 0  # of the snapshot that is coming in
        self._mark = self.account.mark()
        self._listed: set[str] = set()

    def subscribe_frame(self) -> bytes:
        """Return the subscription of all channels; each is acknowledged on its own."""
        return msgspec.json.encode(
            {
                "op": "subscribe",
                "args": [
                    {"channel": "orders", "instType": INST_TYPE},
                    {"channel": "positions", "instType": INST_TYPE},
                    {"channel": "account", "ccy": SETTLE},
                ],
            }
        )

    def subscribe_acks(self) -> set[str]:
        """Return the channels to wait for."""
        return set(CHANNELS)

    def on_message(self, payload: bytes, recv_mono_ns: int) -> None:
        """Take a push or a reply."""
        if payload == PONG:
            return
        message = wire.message(payload)
        if message.event:
            if message.event == "subscribe":
                self.subscribed(message.arg.channel)
            else:
                self.take_event(message)
        elif message.arg.channel == "orders":
            for row in wire.decode(wire.orders, message.data, "order push"):
                self._on_order(row, recv_mono_ns)
        elif message.arg.channel == "positions":
            for position in wire.decode(wire.positions, message.data, "position push"):
                if position.instType == INST_TYPE:
                    self._on_position_row(position, message.eventType == "snapshot")
            if message.eventType == "snapshot":
                self._on_snapshot_page(message)
        elif message.arg.channel == "account":
            self._on_accounts(message)

    def _on_snapshot_page(self, message: wire.Message) -> None:
        """Note a page of a snapshot; after its last one, what was on none of them is flat."""
        if message.curPage <= 1:
            self._page, self._mark, self._listed = 0, self.account.mark(), set()
        if message.curPage > 1 and message.curPage != self._page + 1:
            self._page = -1  # a page is missing: this snapshot says nothing about absence
            return
        self._page = message.curPage
        rows = wire.decode(wire.positions, message.data, "position push")
        self._listed |= {row.instId for row in rows}
        if message.lastPage:
            for position in self.account.absent(self._listed, self._mark):
                self.hand_on(position)

    async def executions_since(self, wall_ms: int) -> None:
        """Read the fills since then and hand them to the tracker."""
        for report in await self.rest.executions(since_wall_ms=wall_ms):
            self.tracker.execution(report, loop_ns())

    def _on_order(self, row: wire.Order, recv_mono_ns: int) -> None:
        fill = fill_of(row)
        if fill is not None:
            self.tracker.execution(fill, recv_mono_ns)
        self.tracker.order(order_report(row), recv_mono_ns)

    def _on_position_row(self, row: wire.PositionRow, is_snapshot: bool) -> None:
        self.push_position(position_of(row))
        if row.instId not in self.tracker.symbols or not row.fundingFee:
            return
        # a running total per position that starts anew with each position: it says that something
        # was settled, the account's bills say what
        total = decimal_of(row.fundingFee)
        key = (row.instId, row.posId)
        # a position first met in a snapshot is older than we are: its past is not ours
        before = self._funding_totals.get(key, total if is_snapshot else Decimal(0))
        self._funding_totals[key] = total
        if total != before:
            self._unbilled.add(row.instId)
            self.ask_funding()

    def take_funding(self, report: FundingReport) -> bool:
        """Count a settlement of the bills; False when it was known, or is of another symbol."""
        is_new = super().take_funding(report)
        if is_new:
            self._unbilled.discard(report.venue_symbol)
        return is_new

    def is_funding_told(self, answers: int) -> bool:
        """Whether each symbol that was settled has its bill; bills may come late."""
        if self._unbilled and answers < BILL_ASKS:
            return False
        if self._unbilled:
            self._log.warning(
                "okx: the funding of %s changed, and no new bill tells why",
                ", ".join(sorted(self._unbilled)),
            )
            self._unbilled.clear()
        return True

    def _on_accounts(self, message: wire.Message) -> None:
        for row in wire.decode(wire.accounts, message.data, "account push"):
            for detail in row.details:
                if detail.ccy == SETTLE:
                    self.push_wallet(
                        Wallet(
                            equity=decimal_of(detail.eq),
                            available=decimal_of(detail.availEq),
                            cash=decimal_of(detail.cashBal),
                            version=wall_ms_of(row.uTime),
                        )
                    )
