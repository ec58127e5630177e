"""Bybit V5 frames the connectors read, as typed structures.

Only the fields we use are declared; unknown ones are skipped, absent ones have defaults, because
Bybit leaves out what did not change and changes the types of what we do not need.
Source: bybit-exchange/docs, docs/v5/{websocket,market,order,position,account} (July 2026).
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from arbitrage.errors import WireError

# An order in one of these states changes no more; a cancelled one may have filled in part.
TERMINAL_STATES = frozenset(
    {"Filled", "Cancelled", "PartiallyFilledCanceled", "Rejected", "Deactivated"}
)
# Execution types that change what we hold.
TRADE_EXEC_TYPES = frozenset(
    {"Trade", "AdlTrade", "BustTrade", "BlockTrade", "Delivery", "Settle"}
)
# Of them those that the venue makes itself, without an order of ours.
VENUE_EXEC_TYPES = frozenset({"AdlTrade", "BustTrade", "Delivery", "Settle"})
FUNDING_EXEC_TYPE = "Funding"

T = TypeVar("T")


class Control(msgspec.Struct, frozen=True):
    """A frame's envelope: data pushes, acknowledgements, pongs, login replies of both sockets."""

    op: str = ""
    success: bool | None = None
    ret_msg: str = ""
    req_id: str = ""
    # the trade socket's spelling
    retCode: int | None = None
    retMsg: str = ""
    reqId: str = ""
    topic: str = ""
    type: str = ""
    creationTime: int = 0
    data: msgspec.Raw = msgspec.Raw(b"")

    @property
    def is_ok(self) -> bool:
        """Whether a login or subscribe reply of either socket says yes."""
        return self.success is True or self.retCode == 0

    @property
    def text(self) -> str:
        """The venue's words, whichever key holds them."""
        return self.ret_msg or self.retMsg


class Ticker(msgspec.Struct, frozen=True):
    """`tickers.{symbol}`: a delta leaves out what did not change."""

    symbol: str = ""
    fundingRate: str = ""
    nextFundingTime: str = ""
    fundingIntervalHour: str = ""
    markPrice: str = ""


class Execution(msgspec.Struct, frozen=True):
    """One row of the `execution` topic and of `/v5/execution/list`."""

    symbol: str
    execId: str
    execPrice: str
    execQty: str
    execFee: str = "0"
    execType: str = "Trade"
    execTime: str = "0"
    orderId: str = ""
    orderLinkId: str = ""
    side: str = ""
    category: str = "linear"


class Order(msgspec.Struct, frozen=True):
    """One row of the `order` topic and of `/v5/order/realtime`."""

    symbol: str
    orderId: str
    orderStatus: str
    orderLinkId: str = ""
    side: str = ""
    cumExecQty: str = "0"
    rejectReason: str = ""
    updatedTime: str = "0"
    category: str = "linear"


class PositionRow(msgspec.Struct, frozen=True):
    """One row of `position`; REST names the entry price `avgPrice`, the stream `entryPrice`."""

    symbol: str
    side: str = ""
    size: str = "0"
    avgPrice: str = ""
    entryPrice: str = ""
    positionIdx: int = 0
    unrealisedPnl: str = ""
    seq: int = 0
    leverage: str = ""  # empty under portfolio margin
    category: str = "linear"


class WalletCoin(msgspec.Struct, frozen=True):
    coin: str
    equity: str = "0"
    walletBalance: str = "0"
    unrealisedPnl: str = "0"


class WalletRow(msgspec.Struct, frozen=True):
    """One account of `wallet` and of `/v5/account/wallet-balance`."""

    accountType: str = ""
    totalEquity: str = ""
    totalAvailableBalance: str = ""
    coin: list[WalletCoin] = []


class PlacedOrder(msgspec.Struct, frozen=True):
    """What REST answers to an order: its ids."""

    orderId: str = ""
    orderLinkId: str = ""


class OrderReply(msgspec.Struct, frozen=True):
    """What the trade socket answers: to `order.create`, accepted for processing or refused.

    `data` is left alone: its form differs between orders, pongs and refusals, and `reqId`, which is
    our client id, says all that it would.
    """

    op: str = ""
    reqId: str = ""
    retCode: int = 0
    retMsg: str = ""
    header: msgspec.Raw = msgspec.Raw(b"")


class RestReply(msgspec.Struct, frozen=True):
    retCode: int
    retMsg: str = ""
    result: msgspec.Raw = msgspec.Raw(b"{}")
    time: int = 0


class PriceFilter(msgspec.Struct, frozen=True):
    tickSize: str


class LotSizeFilter(msgspec.Struct, frozen=True):
    qtyStep: str = ""
    minOrderQty: str = ""
    maxOrderQty: str = ""
    minNotionalValue: str = ""


class InstrumentRow(msgspec.Struct, frozen=True):
    """One contract; a row of another kind names no contract type and is passed over."""

    symbol: str
    status: str
    baseCoin: str
    quoteCoin: str
    priceFilter: PriceFilter
    lotSizeFilter: LotSizeFilter
    contractType: str = ""
    settleCoin: str = ""
    fundingInterval: int = 0  # minutes


class Page(msgspec.Struct, frozen=True):
    """The `result` of every list endpoint."""

    list: msgspec.Raw = msgspec.Raw(b"[]")
    nextPageCursor: str = ""


class ServerTime(msgspec.Struct, frozen=True):
    timeNano: str


class Books(msgspec.Struct, frozen=True):
    b: list[list[str]]
    a: list[list[str]]


class FeeRateRow(msgspec.Struct, frozen=True):
    symbol: str = ""
    takerFeeRate: str = ""
    makerFeeRate: str = ""


class AccountInfo(msgspec.Struct, frozen=True):
    marginMode: str = ""
    unifiedMarginStatus: int = 0


class KeyInfo(msgspec.Struct, frozen=True):
    """What `/v5/user/query-api` says of the key itself."""

    permissions: dict[str, list[str]] = {}
    ips: list[str] = []
    readOnly: int = 0


def header_of(reply: OrderReply) -> dict[str, str]:
    """Return the texts of an order reply's `header`, names in lower case; none when unreadable."""
    try:
        header = msgspec.json.decode(reply.header)
    except msgspec.MsgspecError:
        return {}
    if not isinstance(header, dict):
        return {}
    return {name.lower(): text for name, text in header.items() if isinstance(text, str)}


def rate_told(headers: Mapping[str, str], now_wall_ms: int) -> tuple[int, int, float] | None:
    """Return the limit, what is left of it, and for how many seconds; None when not told.

    Names are in lower case. The reset time is that of the answer itself unless nothing is left.
    """
    limit, left = headers.get("x-bapi-limit", ""), headers.get("x-bapi-limit-status", "")
    if not limit.isdecimal() or not left.isdecimal() or len(limit) > 9 or len(left) > 9:
        return None
    reset = headers.get("x-bapi-limit-reset-timestamp", "")
    is_stated = reset.isdecimal() and len(reset) <= 16
    reset_after_s = max(0, int(reset) - now_wall_ms) / 1000 if is_stated else 0.0
    return int(limit), int(left), reset_after_s


_control = msgspec.json.Decoder(Control)


def control(payload: bytes) -> Control:
    """Read a frame's envelope. Raises WireError when it is no JSON object of ours."""
    return decode(_control, payload, "frame")


def decode(decoder: msgspec.json.Decoder[T], payload: bytes | msgspec.Raw, what: str) -> T:
    """Decode with an error that shows the beginning of what came."""
    try:
        return decoder.decode(payload)
    except msgspec.MsgspecError as error:
        shown = bytes(payload)[:120].decode("utf-8", "replace")
        raise WireError(f"bybit: cannot read a {what}: {error}; it began {shown!r}") from None


tickers = msgspec.json.Decoder(Ticker)
executions = msgspec.json.Decoder(list[Execution])
orders = msgspec.json.Decoder(list[Order])
positions = msgspec.json.Decoder(list[PositionRow])
wallets = msgspec.json.Decoder(list[WalletRow])
instruments = msgspec.json.Decoder(list[InstrumentRow])
fee_rates = msgspec.json.Decoder(list[FeeRateRow])
order_reply = msgspec.json.Decoder(OrderReply)
rest_reply = msgspec.json.Decoder(RestReply)
page = msgspec.json.Decoder(Page)
server_time = msgspec.json.Decoder(ServerTime)
books = msgspec.json.Decoder(Books)
account_info = msgspec.json.Decoder(AccountInfo)
key_info = msgspec.json.Decoder(KeyInfo)
