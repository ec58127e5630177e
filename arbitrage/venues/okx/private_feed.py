"""OKX private stream: orders, positions, account.

An order push carries its last fill. The push that ends an order may repeat none (`fillSz` "0",
`tradeId` ""), and the count `accFillSz` then says whether a fill was missed.
Source: OKX API guide v5, "Order channel", "Positions channel", "Account channel" (July 2026).
"""

import time
from decimal import Decimal

import msgspec

from arbitrage.venues.base import (
    ExecutionReport,
    FundingPayment,
    Wallet,
    client_id_of,
    decimal_of,
    side_of,
    wall_ms_of,
)
from arbitrage.venues.okx import wire
from arbitrage.venues.okx.rest import INST_TYPE, SETTLE, OkxRest, order_report, position_of
from arbitrage.venues.okx.session import PONG, OkxSession
from arbitrage.venues.private_stream import PrivateStream

CHANNELS = ("orders", "positions", "account")


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
    )


class OkxPrivateFeed(PrivateStream, OkxSession):
    """The private connection of an OKX account."""

    rest: OkxRest

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
        elif message.arg.channel == "account":
            self._on_accounts(message)

    async def executions_since(self, wall_ms: int) -> None:
        """Read the fills since then and hand them to the tracker."""
        for report in await self.rest.executions(since_wall_ms=wall_ms):
            self.tracker.execution(report, time.monotonic_ns())

    def _on_order(self, row: wire.Order, recv_mono_ns: int) -> None:
        fill = fill_of(row)
        if fill is not None:
            self.tracker.execution(fill, recv_mono_ns)
        self.tracker.order(order_report(row), recv_mono_ns)

    def _on_position_row(self, row: wire.PositionRow, is_snapshot: bool) -> None:
        self.push_position(position_of(row))
        item = self.tracker.symbols.get(row.instId)
        if item is None or not row.fundingFee:
            return
        # a running total per position: what it grew by is one settlement, positive was received
        total = decimal_of(row.fundingFee)
        key = (row.instId, row.posId)
        # a position first met in a snapshot is older than we are: its past is not ours
        change = total - self._funding_totals.get(key, total if is_snapshot else Decimal(0))
        self._funding_totals[key] = total
        if change:
            self.push_funding(
                FundingPayment(
                    venue=self.venue,
                    symbol=item.instrument.symbol,
                    payment_id=f"{row.posId}/{row.uTime}",
                    amount=-change,
                    wall_ms=wall_ms_of(row.uTime),
                )
            )

    def _on_accounts(self, message: wire.Message) -> None:
        for row in wire.decode(wire.accounts, message.data, "account push"):
            for detail in row.details:
                if detail.ccy == SETTLE:
                    self.push_wallet(
                        Wallet(
                            equity=decimal_of(detail.eq),
                            available=decimal_of(detail.availEq),
                            cash=decimal_of(detail.cashBal),
                        )
                    )
