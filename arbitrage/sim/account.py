"""What an account has on a simulated venue: orders, fills, positions, and the book they meet.

Prices and sizes are integers (ticks, lots), money is exact `Decimal`.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from arbitrage.sim.instruments import Instrument

BUY, SELL = 1, -1
ZERO = Decimal(0)


def plain(value: Decimal) -> str:
    """Decimal as venues write it: no exponent, no trailing zeros, no negative zero."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class Reject(Exception):
    """The venue refuses the order; ``reason`` is one of the keys below, mapped to its code.

    DUPLICATE, NO_QUOTE, PRICE_BAND, NO_POSITION, BALANCE, NOT_FOUND, SIZE, POST_CROSSES, TOO_MANY
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class Book:
    """Top of one symbol's book as last published, and what takers left of it."""

    __slots__ = ("ask_left", "ask_lots", "ask_ticks", "bid_left", "bid_lots", "bid_ticks",
                 "last_ticks", "seq", "state_ns", "taken", "update_id", "wall_ns")

    def __init__(self) -> None:
        self.bid_ticks = self.ask_ticks = self.last_ticks = 0
        self.bid_lots = self.ask_lots = self.bid_left = self.ask_left = 0
        self.seq = self.update_id = self.wall_ns = 0
        self.state_ns = 0  # when the quote came; ``wall_ns`` also moves when it is repeated
        self.taken: dict[int, int] = {}  # lots that takers took behind the touch, by price

    def set(self, bid: int, ask: int, bid_lots: int, ask_lots: int, wall_ns: int) -> None:
        self.bid_ticks, self.ask_ticks = bid, ask
        self.bid_lots = self.bid_left = bid_lots
        self.ask_lots = self.ask_left = ask_lots
        self.last_ticks = bid or ask
        self.wall_ns = self.state_ns = wall_ns
        if self.taken:
            self.taken = {}

    def rescale(self, old: Instrument, new: Instrument) -> None:
        """Say the same prices and sizes on another grid, rounded away from the middle."""
        px, qty = old.tick / new.tick, old.lot / new.lot
        self.bid_ticks, self.last_ticks = int(self.bid_ticks * px), int(self.last_ticks * px)
        self.ask_ticks = int((self.ask_ticks * px).to_integral_value(ROUND_CEILING))
        self.bid_lots, self.ask_lots = int(self.bid_lots * qty), int(self.ask_lots * qty)
        self.bid_left, self.ask_left = int(self.bid_left * qty), int(self.ask_left * qty)

    @property
    def quoted(self) -> bool:
        return self.bid_lots > 0 and self.ask_lots > 0


class Order:
    """One order, with what has become of it so far."""

    __slots__ = ("amend", "client_id", "cost_tick_lots", "created_ns", "fee", "filled_lots",
                 "instrument", "kind", "last_ticks_on_create", "lots", "open_lots", "order_id",
                 "origin", "profit", "reason", "reduce_only", "side", "state", "tag", "ticks",
                 "tif", "updated_ns")

    def __init__(self, instrument: Instrument, side: int, kind: str, tif: str, ticks: int,
                 lots: int, client_id: str, reduce_only: bool, tag: str = "") -> None:
        self.instrument = instrument
        self.side = side
        self.kind = kind  # limit, market
        self.tif = tif  # GTC, IOC, FOK, POST
        self.ticks = ticks  # 0 for market
        self.lots = lots
        self.client_id = client_id
        self.reduce_only = reduce_only
        self.tag = tag
        self.origin = "user"  # liquidation, adl: sent by the venue
        self.amend: tuple[str, str, str, str] | None = None  # OKX: request id, result, code, text
        self.order_id = ""
        self.state = "new"  # new, partial, filled, cancelled
        self.reason = ""  # why cancelled: a key of the venues' tables
        self.filled_lots = 0
        self.open_lots = lots
        self.cost_tick_lots = 0  # sum of ticks * lots over fills
        self.fee = ZERO
        self.profit = ZERO
        self.created_ns = self.updated_ns = 0
        self.last_ticks_on_create = 0

    @property
    def is_open(self) -> bool:
        return self.state in ("new", "partial")

    @property
    def average_px(self) -> Decimal:
        if not self.filled_lots:
            return ZERO
        exact = self.instrument.tick * self.cost_tick_lots / self.filled_lots
        return exact.quantize(self.instrument.tick / 10_000)


class Fill:
    """One execution of an order."""

    __slots__ = ("closed_lots", "fee", "fill_id", "lots", "maker", "mark", "order", "profit",
                 "seq", "ticks", "wall_ns")

    def __init__(self, order: Order, lots: int, ticks: int, maker: bool) -> None:
        self.order = order
        self.lots = lots
        self.ticks = ticks
        self.maker = maker
        self.fee = ZERO
        self.profit = ZERO
        self.closed_lots = 0
        self.fill_id = 0
        self.seq = 0
        self.wall_ns = 0
        self.mark = ZERO

    @property
    def notional(self) -> Decimal:
        item = self.order.instrument
        return item.px(self.ticks) * item.qty(self.lots) * item.contract_value


class Position:
    """Net position in one symbol."""

    __slots__ = ("basis", "fees", "fill_id", "funding", "instrument", "lots", "opened_ns",
                 "profit", "seq", "updated_ns")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.lots = 0  # signed
        self.basis = ZERO  # signed USDT paid for what is held
        self.profit = ZERO  # realised by price, without fees and funding
        self.fees = ZERO
        self.funding = ZERO
        self.opened_ns = self.updated_ns = 0
        self.fill_id = self.seq = 0

    def value_at(self, mark: Decimal) -> Decimal:
        """Signed USDT value."""
        return self.instrument.qty(self.lots) * self.instrument.contract_value * mark

    @property
    def average_px(self) -> Decimal:
        if not self.lots:
            return ZERO
        item = self.instrument
        exact = self.basis / (item.qty(self.lots) * item.contract_value)
        return exact.quantize(item.tick / 10_000)
