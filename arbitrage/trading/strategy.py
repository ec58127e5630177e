"""The class a user's strategy is made from: what it is told, what it sees, what it may ask for.

A strategy runs in a process of its own, beside the trader. It sees the market in shared memory,
read-only; it is told of opportunities, pairs, fills and settlements; it asks for pairs. What it
asks for passes the same sizing, risk gate, journal and leg machine as everything else.
See docs/strategies.md.
"""

import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from arbitrage.core.store import ROW_LIVE, MarketStore
from arbitrage.instruments import VENUES

if TYPE_CHECKING:
    from arbitrage.trading.strategy_host import StrategyHost

__all__ = [
    "Answer",
    "FillSeen",
    "FundingRate",
    "FundingSeen",
    "MarketView",
    "OpportunitySeen",
    "PairSeen",
    "Quote",
    "Strategy",
]


class OpportunitySeen(NamedTuple):
    """One event in the life of an opportunity: buy at one venue's ask, sell at the other's bid."""

    id: int
    event: str  # open, update, close
    symbol: str
    buy: str  # venue
    sell: str
    ask_px: float  # of the venue bought at, its own quotation; NaN: gone
    bid_px: float
    gross_bps: float
    net_bps: float  # after fees of the round trip and slippage, with funding
    fees_bps: float
    slippage_bps: float
    funding_bps: float
    confidence: float  # 0 to 100
    recv_mono_ns: int  # when the frame behind it arrived


class PairSeen(NamedTuple):
    """One change in a pair's life."""

    pair: int  # number inside the run
    event: str  # opening, opened, closing, closed, unwinding, unwound, missed, broken
    reason: str  # why it left; none while it stands
    kind: str  # spread, funding, intent
    is_mine: bool
    symbol: str
    buy: str
    sell: str
    base_qty: float
    gross_bps: float
    pair_bps: float  # result, or its estimate while open; NaN: not known
    fees_bps: float
    funding_bps: float
    naked_us: int
    mono_ns: int


class FillSeen(NamedTuple):
    """One fill of one of the trader's orders."""

    pair: int
    is_mine: bool
    symbol: str
    venue: str
    side: str  # buy, sell
    px: float  # venue quotation
    base_qty: float
    fee_bps: float  # paid over notional; negative: rebate
    client_id: int
    mono_ns: int


class FundingSeen(NamedTuple):
    """A settlement that passed on one leg of an open pair."""

    pair: int
    is_mine: bool
    symbol: str
    venue: str
    rate: float  # fraction of the interval that was settled
    funding_bps: float  # received, or paid when negative
    pair_funding_bps: float  # of the pair so far
    mono_ns: int


class Answer(NamedTuple):
    """What became of something that was asked for."""

    id: int  # what open() or close() returned
    accepted: bool
    reason: str  # accepted, edge, gate, ... ; see docs/strategies.md
    gate: str  # the risk gate's reason; ok unless reason is gate
    pair: int  # 0: none
    symbol: str
    mono_ns: int


class Quote(NamedTuple):
    """The best bid and ask of one venue."""

    bid_px: float  # common quotation; NaN: none
    ask_px: float
    bid_qty: float  # base units
    ask_qty: float
    recv_mono_ns: int
    is_live: bool  # proven by the feed: only live quotes are traded on


class FundingRate(NamedTuple):
    """A venue's funding as it was last told."""

    rate: float  # fraction for the running interval; NaN: not known
    interval_h: float
    next_wall_ns: int  # next settlement, UTC epoch; 0: not known

    @property
    def per_8h(self) -> float:
        """The rate brought to 8 hours; NaN: not known."""
        return self.rate * 8.0 / self.interval_h if self.interval_h > 0 else math.nan


class MarketView:
    """The market as the trader has it at this moment: live arrays, without a copy.

    Threads: any; nothing here blocks or changes anything.

    Attributes
    ----------
    store : MarketStore
        Columns by (venue, symbol index), read-only: ``store.bid_px``, ``store.funding_rate``, ...
    symbols : tuple of str
        Canonical symbols by index.
    """

    def __init__(self, store: MarketStore, symbols: tuple[str, ...]) -> None:
        self.store = store
        self.symbols = symbols
        self._index = {symbol: index for index, symbol in enumerate(symbols)}

    def index(self, symbol: str) -> int:
        """Return a symbol's index in the columns; KeyError names what is traded."""
        try:
            return self._index[symbol]
        except KeyError:
            raise KeyError(
                f"symbol was {symbol!r}; this trader trades {', '.join(self.symbols)}"
            ) from None

    def quote(self, symbol: str, venue: str) -> Quote:
        """Return a venue's best bid and ask, brought to the common quotation."""
        index, place = self.index(symbol), VENUES.index(venue)
        row = self.store.read_row(place, index)
        px = float(self.store.column("px_mult")[place, index])
        qty = float(self.store.column("qty_mult")[place, index])
        return Quote(
            row.bid_px * px, row.ask_px * px, row.bid_qty * qty, row.ask_qty * qty,
            row.recv_mono_ns, row.state == ROW_LIVE,
        )  # fmt: skip

    def funding(self, symbol: str, venue: str) -> FundingRate:
        """Return a venue's funding."""
        row = self.store.read_row(venue, self.index(symbol))
        return FundingRate(row.funding_rate, row.funding_interval_h, row.funding_next_ns)

    def taker_bps(self, symbol: str, venue: str) -> float:
        """Return a venue's taker fee."""
        return float(self.store.column("taker_bps")[VENUES.index(venue), self.index(symbol)])

    def gross_bps(self, symbol: str, buy: str, sell: str) -> float:
        """Return the edge of buying at one venue's ask and selling at the other's bid, now.

        NaN while a side has no live quote.
        """
        bought, sold = self.quote(symbol, buy), self.quote(symbol, sell)
        if not (bought.is_live and sold.is_live and bought.ask_px > 0):
            return math.nan
        return (sold.bid_px - bought.ask_px) / bought.ask_px * 1e4

    def basis_bps(self, symbol: str) -> float:
        """Return how far OKX's middle lies above Bybit's; NaN while one has no live quote."""
        here, there = self.quote(symbol, VENUES[0]), self.quote(symbol, VENUES[1])
        if not (here.is_live and there.is_live):
            return math.nan
        mid, other = (here.bid_px + here.ask_px) / 2, (there.bid_px + there.ask_px) / 2
        return (other - mid) / mid * 1e4


class Strategy:
    """Base class of users' strategies: override what interests you, ask with open() and close().

    Every method is called by one thread of the strategy's own process, one after another, oldest
    news first. Nothing you do here delays the trader; while you compute, news waits, and
    opportunities that are lapped meanwhile are counted in `opportunities_lost`.

    Attributes
    ----------
    timer_s : float
        How often :meth:`on_timer` is called; 0: never. Set it in your class or in `on_start`.
    market : MarketView
        Live quotes and funding rates.
    pairs : mapping of str to PairSeen
        Your pairs that are not over, by symbol, as last told.
    now_mono_ns, now_wall_ns : int
        The trader's clock; in replay the recording's.
    opportunities_lost : int
        Events that went by unseen so far.
    log : logging.Logger
        Named after your class.

    Examples
    --------
    >>> class Eager(Strategy):
    ...     def on_opportunity(self, opportunity):
    ...         if opportunity.event == "open" and opportunity.net_bps > 5:
    ...             self.open(opportunity.symbol, buy=opportunity.buy, sell=opportunity.sell)
    """

    timer_s: float = 1.0
    _host: "StrategyHost | None" = None

    # ---- what you are told -------------------------------------------------------------------

    def on_start(self) -> None:
        """Everything is in place: market, symbols, pairs left by a former process of yours."""

    def on_stop(self) -> None:
        """The trader stops; what is asked for now is refused."""

    def on_opportunity(self, opportunity: OpportunitySeen) -> None:
        """The detector saw an opportunity open, change or close."""

    def on_pair(self, pair: PairSeen) -> None:
        """A pair changed, yours (`is_mine`) or another one."""

    def on_fill(self, fill: FillSeen) -> None:
        """An order of the trader filled, in part or whole."""

    def on_funding(self, funding: FundingSeen) -> None:
        """A settlement passed on a leg of an open pair."""

    def on_answer(self, answer: Answer) -> None:
        """Something you asked for was accepted or refused."""

    def on_timer(self) -> None:
        """`timer_s` have passed."""

    # ---- what you may ask for ----------------------------------------------------------------

    def open(
        self,
        symbol: str,
        *,
        buy: str,
        sell: str,
        max_usd: float | None = None,
        min_net_bps: float | None = None,
        min_gross_bps: float | None = None,
        within_s: float = 0.2,
    ) -> int:
        """Ask for a pair: buy at one venue, sell at the other, as large as pays and may be.

        Parameters
        ----------
        symbol : str
            Canonical, such as ``BTCUSDT``.
        buy, sell : str
            ``bybit`` and ``okx``, one each.
        max_usd : float, optional
            Each leg at most; never more than ARB_MAX_ORDER_USD.
        min_net_bps : float, optional
            Least edge after the fees of the round trip, with funding; default ARB_MIN_NET_BPS.
        min_gross_bps : float, optional
            Least edge before them; default ARB_MIN_GROSS_BPS.
        within_s : float
            Not to be acted on later.

        Returns
        -------
        int
            An id that :meth:`on_answer` names; 0: 256 wishes wait already, this one was dropped.
        """
        if {buy, sell} != set(VENUES):
            raise ValueError(f"buy and sell were {buy!r} and {sell!r}; accepted are "
                             f"{' and '.join(VENUES)}, one each")  # fmt: skip
        return self.host.ask(
            1, symbol, within_s,
            max_usd=_known(max_usd), min_net_bps=_known(min_net_bps),
            min_gross_bps=_known(min_gross_bps), buy_venue=VENUES.index(buy),
            sell_venue=VENUES.index(sell),
        )  # fmt: skip

    def close(self, symbol: str, *, pair: int = 0, within_s: float = 5.0) -> int:
        """Ask that your pair of a symbol leaves; `pair` only if it is that one. As :meth:`open`."""
        return self.host.ask(2, symbol, within_s, pair=pair)

    # ---- what you see ------------------------------------------------------------------------

    @property
    def host(self) -> "StrategyHost":
        """What runs this strategy; RuntimeError before it does."""
        if self._host is None:
            raise RuntimeError(
                f"{type(self).__name__} is not running yet: use on_start instead of __init__ for "
                "what needs the market"
            )
        return self._host

    @property
    def market(self) -> MarketView:
        """Live quotes and funding rates."""
        return self.host.market

    @property
    def pairs(self) -> Mapping[str, PairSeen]:
        """Your pairs that are not over, by symbol."""
        return self.host.pairs

    @property
    def now_mono_ns(self) -> int:
        """The trader's monotonic clock."""
        return self.host.now_mono_ns

    @property
    def now_wall_ns(self) -> int:
        """UTC epoch."""
        return self.host.now_wall_ns

    @property
    def opportunities_lost(self) -> int:
        """Opportunity events that went by unseen."""
        return self.host.opportunities_lost

    @property
    def log(self) -> logging.Logger:
        """Logger of this class."""
        return logging.getLogger(f"strategy.{type(self).__name__}")


def _known(value: float | None) -> float:
    """NaN asks for what is configured."""
    return math.nan if value is None else _finite(value)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"a limit was {value!r}; accepted are finite numbers and None")
    return number
