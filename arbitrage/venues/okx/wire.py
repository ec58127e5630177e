"""OKX V5 frames the connectors read, as typed structures.

Only the fields we use are declared; unknown ones are skipped and absent ones have defaults.
Source: OKX API guide v5 (July to September 2026) and its changelog.
"""

from typing import TypeVar

import msgspec

from arbitrage.errors import WireError
from arbitrage.venues.base import wall_ms_of

# An order in one of these states changes no more. A canceled one may have filled in part.
TERMINAL_STATES = frozenset({"filled", "canceled", "mmp_canceled"})
# What the venue does by itself: categories of orders, and sub types of fills (liquidation 100 to
# 107, delivery 112 and 113, deleveraging 125 to 128).
VENUE_CATEGORIES = frozenset({"adl", "full_liquidation", "partial_liquidation", "delivery"})
VENUE_SUB_TYPES = frozenset(str(code) for code in (*range(100, 108), 112, 113, *range(125, 129)))
HOUR_MS = 3_600_000

T = TypeVar("T")


class Arg(msgspec.Struct, frozen=True):
    channel: str = ""
    instId: str = ""
    instType: str = ""


class Message(msgspec.Struct, frozen=True):
    """One frame: an event (login, subscribe, error, notice), an order reply, or a push."""

    event: str = ""
    op: str = ""
    code: str = ""
    msg: str = ""
    id: str = ""
    arg: Arg = Arg()
    eventType: str = ""
    curPage: int = 0
    lastPage: bool = True
    data: msgspec.Raw = msgspec.Raw(b"")


class OrderResult(msgspec.Struct, frozen=True):
    """One row of an order reply; read `sCode`, the frame's own `code` only summarises."""

    clOrdId: str = ""
    ordId: str = ""
    sCode: str = ""
    sMsg: str = ""
    subCode: str = ""


class Order(msgspec.Struct, frozen=True):
    """One row of the `orders` channel and of `/api/v5/trade/order`."""

    instId: str
    ordId: str
    state: str
    clOrdId: str = ""
    side: str = ""
    accFillSz: str = "0"
    tradeId: str = ""
    fillPx: str = ""
    fillSz: str = "0"
    fillFee: str = "0"
    fillTime: str = ""
    uTime: str = "0"
    cancelSource: str = ""
    category: str = ""
    instType: str = ""


class FillRow(msgspec.Struct, frozen=True):
    """One row of `/api/v5/trade/fills`; `fee` negative is a charge."""

    instId: str
    tradeId: str
    fillPx: str
    fillSz: str
    side: str
    ordId: str = ""
    clOrdId: str = ""
    fee: str = "0"
    fillTime: str = ""
    ts: str = "0"
    billId: str = ""
    subType: str = ""
    instType: str = "SWAP"


class Bill(msgspec.Struct, frozen=True):
    """One row of `/api/v5/account/bills`: why the balance changed, negative is a charge."""

    billId: str
    type: str
    instId: str = ""
    pnl: str = ""
    balChg: str = ""
    ts: str = "0"


class PositionRow(msgspec.Struct, frozen=True):
    """One row of `positions`; `pos` is signed in net mode. Flat instruments may be absent."""

    instId: str
    pos: str = "0"
    posSide: str = "net"
    posId: str = ""
    avgPx: str = ""
    upl: str = ""
    fundingFee: str = ""
    uTime: str = "0"
    instType: str = "SWAP"


class AccountDetail(msgspec.Struct, frozen=True):
    ccy: str
    eq: str = ""
    availEq: str = ""
    cashBal: str = ""
    upl: str = ""


class Account(msgspec.Struct, frozen=True):
    """One row of `account` and of `/api/v5/account/balance`."""

    totalEq: str = ""
    uTime: str = ""
    details: list[AccountDetail] = []


class FundingRate(msgspec.Struct, frozen=True):
    """Rate of the running period; the interval is `nextFundingTime - fundingTime`."""

    instId: str
    fundingRate: str
    fundingTime: str
    nextFundingTime: str = ""

    @property
    def interval_h(self) -> float:
        """Hours between settlements; 0 when the row does not tell."""
        next_ms, after_ms = wall_ms_of(self.fundingTime), wall_ms_of(self.nextFundingTime)
        return (after_ms - next_ms) / HOUR_MS if after_ms > next_ms > 0 else 0.0


class InstrumentRow(msgspec.Struct, frozen=True):
    instId: str
    instType: str
    ctType: str
    ctVal: str
    ctMult: str
    settleCcy: str
    tickSz: str
    lotSz: str
    minSz: str
    state: str
    uly: str = ""
    instFamily: str = ""
    ctValCcy: str = ""
    maxLmtSz: str = ""
    instIdCode: int | None = None


class RestReply(msgspec.Struct, frozen=True):
    code: str
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")


class ServerTime(msgspec.Struct, frozen=True):
    ts: str


class Books(msgspec.Struct, frozen=True):
    bids: list[list[str]]
    asks: list[list[str]]


class AccountConfig(msgspec.Struct, frozen=True):
    acctLv: str = ""
    posMode: str = ""
    perm: str = ""
    ip: str = ""
    uid: str = ""


class Leverage(msgspec.Struct, frozen=True):
    """One row of `/api/v5/account/leverage-info`."""

    lever: str = ""


class TradeFee(msgspec.Struct, frozen=True):
    """Fee rates; negative is a charge. USDT-margined contracts have their own fields."""

    taker: str = ""
    maker: str = ""
    takerU: str = ""
    makerU: str = ""


_message = msgspec.json.Decoder(Message)


def message(payload: bytes) -> Message:
    """Read a frame's envelope. Raises WireError when it is no JSON object of ours."""
    return decode(_message, payload, "frame")


def decode(decoder: msgspec.json.Decoder[T], payload: bytes | msgspec.Raw, what: str) -> T:
    """Decode with an error that shows the beginning of what came."""
    try:
        return decoder.decode(payload)
    except msgspec.MsgspecError as error:
        shown = bytes(payload)[:120].decode("utf-8", "replace")
        raise WireError(f"okx: cannot read a {what}: {error}; it began {shown!r}") from None


order_results = msgspec.json.Decoder(list[OrderResult])
orders = msgspec.json.Decoder(list[Order])
fills = msgspec.json.Decoder(list[FillRow])
bills = msgspec.json.Decoder(list[Bill])
positions = msgspec.json.Decoder(list[PositionRow])
leverages = msgspec.json.Decoder(list[Leverage])
accounts = msgspec.json.Decoder(list[Account])
funding_rates = msgspec.json.Decoder(list[FundingRate])
instruments = msgspec.json.Decoder(list[InstrumentRow])
rest_reply = msgspec.json.Decoder(RestReply)
server_times = msgspec.json.Decoder(list[ServerTime])
books = msgspec.json.Decoder(list[Books])
account_configs = msgspec.json.Decoder(list[AccountConfig])
trade_fees = msgspec.json.Decoder(list[TradeFee])
