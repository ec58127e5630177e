"""What every venue connector is made of: addresses, pushes made exact, small protocols.

Times: `*_wall_ms` is the UTC epoch in milliseconds as the venues state it; `*_mono_ns` is this
machine's CLOCK_MONOTONIC.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, Protocol

import msgspec

from arbitrage.config import Credentials
from arbitrage.errors import ConnectorError, WireError
from arbitrage.fills import BUY, SELL, Fill, FundingPayment
from arbitrage.instruments import Instrument
from arbitrage.venues.venue_clock import VenueClock

__all__ = [
    "BUY",
    "BYBIT",
    "CLIENT_ID_NONE",
    "OKX",
    "SELL",
    "SIDE_UNKNOWN",
    "AccountCheck",
    "Credentials",
    "Endpoints",
    "ExecutionReport",
    "FeeRate",
    "FeedLane",
    "FeedListenerFactory",
    "Fill",
    "FundingPayment",
    "FundingReport",
    "KeyRights",
    "MarketSymbol",
    "OrderReport",
    "Position",
    "Publisher",
    "TopOfBook",
    "TradedSymbol",
    "VenueClock",
    "Wallet",
]

BYBIT, OKX = 0, 1
VENUE_NAMES = ("bybit", "okx")
SIDE_UNKNOWN = 255
CLIENT_ID_NONE = 0  # an execution that no order of ours caused

# arb_row_state_t
ROW_SYNCING = 1


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where one venue is reached. Hosts are configuration: regional entities have their own."""

    rest_url: str
    public_ws_url: str
    private_ws_url: str
    trade_ws_url: str = ""  # Bybit only: OKX takes orders on the private socket
    is_simulated: bool = False  # OKX demo trading wants a header on REST


class FundingReport(msgspec.Struct, frozen=True, kw_only=True):
    """One funding settlement under the venue's own name; positive `amount` was paid by us."""

    venue_symbol: str
    payment_id: str
    amount: Decimal
    wall_ms: int


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue says we hold; `qty_venue` is signed, in the venue's own units.

    `version` rises with what the venue knows: Bybit's `seq`, OKX's `uTime`.
    """

    venue: str
    venue_symbol: str
    qty_venue: Decimal
    entry_px: Decimal
    unrealised_pnl: Decimal = Decimal(0)
    version: int = 0


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's own state of one order, by client id."""

    venue_symbol: str
    client_id: int
    order_id: str
    side: int
    cum_qty_venue: Decimal
    is_terminal: bool
    state: str


class ExecutionReport(msgspec.Struct, frozen=True, kw_only=True):
    """One execution in the venue's own units, before it becomes a `Fill`.

    `by_venue` tells those that the venue made itself: a liquidation, a deleveraging, a delivery.
    """

    venue_symbol: str
    client_id: int
    trade_id: str
    side: int
    px: Decimal
    qty_venue: Decimal
    fee: Decimal
    wall_ms: int
    by_venue: bool = False


class Wallet(msgspec.Struct, frozen=True, kw_only=True):
    """Equity and free margin in the settlement currency, exact; `version` is the venue's time."""

    equity: Decimal
    available: Decimal
    cash: Decimal
    version: int = 0


class FeeRate(msgspec.Struct, frozen=True, kw_only=True):
    """Fees of an account for one symbol, in basis points; negative is a rebate."""

    taker_bps: float
    maker_bps: float


class TopOfBook(NamedTuple):
    """The best of both sides in the venue's own units; NaN: that side is empty."""

    bid_px: float
    ask_px: float
    bid_qty: float
    ask_qty: float


@dataclass(frozen=True, slots=True)
class MarketSymbol:
    """One row of the market store and the name under which its venue streams it."""

    row: int
    venue_symbol: str
    symbol: str


@dataclass(frozen=True, slots=True)
class TradedSymbol:
    """One row that may be traded, with its contract."""

    row: int
    instrument: Instrument


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """What the start-up check of an account found; `key` is None where the venue does not tell."""

    position_mode: str
    margin_mode: str
    key: "KeyRights | None" = None


@dataclass(frozen=True, slots=True)
class KeyRights:
    """What an API key may do, and from where."""

    may_withdraw: bool
    is_bound: bool  # to some addresses
    may_trade: bool = True

    def refusal(self, venue: str, *, allow_unbound: bool) -> ConnectorError | None:
        """Return why this key must not be used; None when it may."""
        if self.may_withdraw:
            said = "the API key may withdraw; make one that may only read and trade"
        elif not self.is_bound and not allow_unbound:
            said = (
                "the API key is bound to no address; bind it to this machine's on the venue's "
                "site, or accept the risk with ARB_ALLOW_UNBOUND_KEY=true"
            )
        else:
            return None
        return ConnectorError(said, venue=venue, is_terminal=True)


class FeedLane(Protocol):
    """The slow side of a feed lane: what the connector itself tells the detector."""

    def hold_book(self, row: int, channel: str) -> None: ...

    def drop_line(self, venue: int, line: int) -> int: ...

    def push_state(self, row: int, state: int) -> None: ...

    def push_funding(
        self, row: int, rate: float, interval_h: float, next_wall_ns: int
    ) -> None: ...


class FeedSocketListener(Protocol):
    """A picows listener that keeps quote frames for itself and hands on all other text frames."""

    def on_ws_connected(self, transport: Any) -> None: ...

    def on_ws_frame(self, transport: Any, frame: Any) -> None: ...

    def on_ws_disconnected(self, transport: Any) -> None: ...


FeedListenerFactory = Callable[
    [FeedLane, int, Callable[[bytes], None], Callable[[Any], None], Callable[[Any], None]],
    FeedSocketListener,
]
"""`(lane, venue, on_slow, on_connected, on_disconnected)` -> listener; see `FeedListener`."""


class Publisher(Protocol):
    """Where executions go on their way to the strategy; see `arbitrage.core.executions`."""

    def publish(
        self,
        client_id: int,
        kind: int,
        venue: int,
        row: int,
        side: int,
        px: float,
        last_lots: int,
        cum_lots: int,
        fee_bps: float,
        venue_code: int,
        recv_mono_ns: int,
    ) -> bool: ...


def top_of(bids: Sequence[Sequence[str]], asks: Sequence[Sequence[str]]) -> TopOfBook:
    """Read the best of both sides from levels of [price, quantity, ...] texts, best first."""
    try:
        (bid_px, bid_qty), (ask_px, ask_qty) = (
            (float(decimal_of(side[0][0])), float(decimal_of(side[0][1])))
            if side
            else (float("nan"), float("nan"))
            for side in (bids, asks)
        )
    except IndexError:
        raise WireError(f"expected [price, quantity] levels, got {bids[:1]} {asks[:1]}") from None
    return TopOfBook(bid_px, ask_px, bid_qty, ask_qty)


def side_of(text: str) -> int:
    """Return `BUY` or `SELL` from either venue's word, else `SIDE_UNKNOWN`."""
    word = text.lower()
    return BUY if word == "buy" else SELL if word == "sell" else SIDE_UNKNOWN


def decimal_of(text: str, default: str = "0") -> Decimal:
    """Read a venue's decimal; an empty string is `default`, as the venues mean it."""
    try:
        value = Decimal(text or default)
    except InvalidOperation:
        raise WireError(f"expected a decimal, the venue sent {text[:40]!r}") from None
    if not value.is_finite():
        raise WireError(f"expected a finite decimal, the venue sent {text[:40]!r}")
    return value


def wall_ms_of(text: str) -> int:
    """Read a venue's time in milliseconds; an empty string is 0, as the venues mean it."""
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        raise WireError(f"expected a time in milliseconds, the venue sent {text[:40]!r}")
    return int(text)


def client_id_of(text: str) -> int:
    """Return our 63-bit id from a client order id, `CLIENT_ID_NONE` for anything else."""
    if not text or len(text) > 19 or not text.isascii() or not text.isdigit():
        return CLIENT_ID_NONE
    value = int(text)
    return value if value < 1 << 63 and str(value) == text else CLIENT_ID_NONE


def code_of(text: str | int) -> int:
    """Return a venue's error code as the unsigned number an execution record carries."""
    try:
        return max(0, min(int(text), 0xFFFFFFFF))
    except ValueError:
        return 0xFFFFFFFF


def unknown_symbol(venue: str, venue_symbol: str, said: str) -> ConnectorError:
    """Build the error of a subscription that names a symbol the venue does not have."""
    return ConnectorError(
        f"does not know the symbol {venue_symbol!r} ({said}); "
        "remove it from ARB_SYMBOLS or check that this host lists it",
        venue=venue,
        is_terminal=True,
    )
