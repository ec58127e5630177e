"""Bybit private stream: order, execution, position, wallet.

Source: bybit-exchange/docs, docs/v5/websocket/private (July 2026).
"""

import msgspec

from arbitrage.errors import ConnectorError
from arbitrage.venues.base import Wallet, decimal_of
from arbitrage.venues.bybit import wire
from arbitrage.venues.bybit.reports import (
    execution_report,
    funding_report,
    order_report,
    position_of,
)
from arbitrage.venues.bybit.rest import CATEGORY, SETTLE, BybitRest
from arbitrage.venues.bybit.session import BybitSession
from arbitrage.venues.loop_clock import loop_ns
from arbitrage.venues.private_stream import PrivateStream

TOPICS = ("order", "execution", "position", "wallet")
DCP_TOPIC = "dcp.future"  # the line that carries it is the one whose loss counts


class BybitPrivateFeed(PrivateStream, BybitSession):
    """The private connection of a Bybit unified account."""

    rest: BybitRest
    is_protected = False

    async def protect(self, seconds: int) -> None:
        """Have the venue cancel what rests when this line is lost for so long, where it does that.

        An account that may not is told once, and trades without.
        """
        try:
            await self.rest.disconnect_protect(seconds)
            self.is_protected = True
        except ConnectorError as error:
            self._log.warning(
                "bybit: ARB_DCP_S has no effect, what rests is not cancelled when the line is "
                "lost (the venue gives that to institutional accounts): %s",
                error,
            )

    def subscribe_frame(self) -> bytes:
        """Return the subscription of all topics; one acknowledgement answers it."""
        topics = [*TOPICS, DCP_TOPIC] if self.is_protected else TOPICS
        return msgspec.json.encode({"op": "subscribe", "args": topics})

    def subscribe_acks(self) -> set[str]:
        """Return the one acknowledgement to wait for."""
        return {"subscribe"}

    def on_message(self, payload: bytes, recv_mono_ns: int) -> None:
        """Take a push or a reply."""
        message = wire.control(payload)
        if message.topic == "execution":
            self._on_executions(message, recv_mono_ns)
        elif message.topic == "order":
            for row in wire.decode(wire.orders, message.data, "order push"):
                if row.category == CATEGORY:
                    self.tracker.order(order_report(row), recv_mono_ns)
        elif message.topic == "position":
            for position in wire.decode(wire.positions, message.data, "position push"):
                if position.category == CATEGORY:
                    self.push_position(position_of(position))
        elif message.topic == "wallet":
            self._on_wallets(message)
        elif message.op == "auth":
            self.take_login(message)
        elif message.op == "subscribe":
            if message.success:
                self.subscribed("subscribe")
            else:
                self.fail(
                    ConnectorError(
                        f"private subscription refused: {message.text}", venue=self.venue
                    )
                )

    async def executions_since(self, wall_ms: int) -> None:
        """Read the executions since then and hand them to the tracker."""
        for report in await self.rest.executions(since_wall_ms=wall_ms):
            self.tracker.execution(report, loop_ns())

    def _on_executions(self, message: wire.Control, recv_mono_ns: int) -> None:
        for row in wire.decode(wire.executions, message.data, "execution push"):
            if row.category != CATEGORY:
                continue
            if row.execType in wire.TRADE_EXEC_TYPES:
                self.tracker.execution(execution_report(row), recv_mono_ns)
            elif row.execType == wire.FUNDING_EXEC_TYPE:
                self.take_funding(funding_report(row))

    def _on_wallets(self, message: wire.Control) -> None:
        for row in wire.decode(wire.wallets, message.data, "wallet push"):
            for coin in row.coin:
                if coin.coin == SETTLE:
                    self.push_wallet(
                        Wallet(
                            equity=decimal_of(coin.equity),
                            available=decimal_of(row.totalAvailableBalance),
                            cash=decimal_of(coin.walletBalance),
                            version=message.creationTime,
                        )
                    )
