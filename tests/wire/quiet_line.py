"""A venue's private feed and order line with nothing behind them; what they do is noted down."""

from decimal import Decimal
from typing import Any

from arbitrage.config import Credentials
from arbitrage.core.kill import KillGate
from arbitrage.instruments import Instrument
from arbitrage.venues.base import BUY, Fill, FundingPayment, Position, TradedSymbol, Wallet
from arbitrage.venues.bybit.order_gateway import BybitOrderGateway
from arbitrage.venues.bybit.private_feed import BybitPrivateFeed
from arbitrage.venues.bybit.rest import BybitRest
from arbitrage.venues.executions import ExecutionTracker
from arbitrage.venues.okx.order_gateway import OkxOrderGateway
from arbitrage.venues.okx.private_feed import OkxPrivateFeed
from arbitrage.venues.okx.rest import OkxRest

URL = "ws://127.0.0.1:1"
CLASSES: dict[str, tuple[Any, Any, Any]] = {
    "bybit": (BybitRest, BybitPrivateFeed, BybitOrderGateway),
    "okx": (OkxRest, OkxPrivateFeed, OkxOrderGateway),
}


def contract(venue: str, coin: str) -> Instrument:
    """Return a contract of 0.01 BTC or 0.1 ETH at OKX, of one coin at Bybit."""
    is_okx = venue == "okx"
    size = Decimal("0.01") if coin == "BTC" else Decimal("0.1")
    return Instrument(
        venue=venue,
        venue_symbol=f"{coin}-USDT-SWAP" if is_okx else f"{coin}USDT",
        symbol=f"{coin}USDT",
        base=coin,
        settle="USDT",
        contract_base_qty=size if is_okx else Decimal(1),
        tick=Decimal("0.1"),
        lot=Decimal("0.01") if is_okx else Decimal("0.001"),
        min_qty=Decimal("0.001"),
        max_qty=Decimal(0),
        inst_id_code=10459 if is_okx else None,
    )


class QuietSender:
    """The compiled sender's calls, noted down; it has one order of ours in flight."""

    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.kill_gate = KillGate()

    def add_instrument(self, *_: Any) -> None: ...

    def limit_rate(self, *_: Any) -> None: ...

    def set_fallback(self, *_: Any, **__: Any) -> None: ...

    def acknowledge(self, client_id: int, mono_ns: int) -> bool:
        self.events.append(f"order {client_id} accepted")
        return True

    def reject(self, client_id: int, code: int, mono_ns: int) -> bool:
        self.events.append(f"order {client_id} over, code {code}")
        return True

    def doubt(self, client_id: int, code: int) -> None:
        self.events.append(f"order {client_id} in doubt, code {code}")

    def was_acknowledged(self, client_id: int) -> bool:
        return False

    def unsettled(self) -> list[tuple[int, int, int]]:
        self.events.append("looks for the order to ask for")
        return []

    def settle(self, client_id: int) -> bool:
        self.events.append(f"order {client_id} settled")
        return True


class QuietDesk:
    """Both private-side connectors of a venue."""

    def __init__(self, venue: str, keys: Credentials, events: list[str]) -> None:
        self.events = events
        sender: Any = QuietSender(events)
        symbols = [
            TradedSymbol(row, contract(venue, coin)) for row, coin in enumerate(("BTC", "ETH"))
        ]
        tracker = ExecutionTracker(0, venue, symbols, self, self._fill, sender.settle)
        rest, private, line = CLASSES[venue]
        client = rest("http://127.0.0.1:1", keys)
        client.throttle = lambda: events.append("pauses what is not urgent")
        self.private = private(
            URL,
            keys,
            client,
            tracker,
            on_position=self._position,
            on_wallet=self._wallet,
            on_funding=self._funding,
        )
        self.line = line(URL, keys, client, sender, tracker, symbols, on_stop=self._stop)
        for connector in (self.private, self.line):
            connector.subscribed = lambda name: events.append(f"subscribed {name}")
            connector.spawn = self._spawn
        # what is told of the order beyond its end
        order = tracker.order

        def noted(report: Any, recv_mono_ns: int) -> None:
            end = "over" if report.is_terminal else "lives"
            who = report.client_id or f"of others ({report.order_id})"
            events.append(
                f"order {who} {report.venue_symbol} {report.state}, {end}, "
                f"{report.cum_qty_venue} filled"
            )
            order(report, recv_mono_ns)

        tracker.order = noted  # type: ignore[method-assign]

    def publish(self, *record: Any) -> bool:
        return True

    def _spawn(self, work: Any) -> None:
        self.events.append(f"starts {work.__name__.lstrip('_')}")
        work.close()

    def _fill(self, fill: Fill) -> None:
        side = "buy" if fill.side == BUY else "sell"
        who = fill.client_id or "of others"
        self.events.append(
            f"fill {fill.trade_id} of order {who}: {side} {fill.qty_base} {fill.symbol} "
            f"@ {fill.px}, fee {fill.fee}, at {fill.wall_ms}"
        )

    def _position(self, position: Position) -> None:
        self.events.append(
            f"position {position.venue_symbol} {position.qty_venue} @ {position.entry_px}, "
            f"unrealised {position.unrealised_pnl}"
        )

    def _wallet(self, wallet: Wallet) -> None:
        self.events.append(
            f"wallet: equity {wallet.equity}, cash {wallet.cash}, available {wallet.available}"
        )

    def _funding(self, payment: FundingPayment) -> None:
        self.events.append(
            f"funding {payment.payment_id} of {payment.symbol}: paid {payment.amount}, "
            f"at {payment.wall_ms}"
        )

    def _stop(self, error: Exception) -> None:
        self.events.append(f"stops trading: {error}")
