"""Paper trading: the real strategy, risk gate, journal and rings; only the venue is imagined.

An order waits a configurable time, as if on its way, and then meets the quotes of the moment it
arrives: it fills from the touch on (where depth is known, also behind it), as far as the levels
hold and the limit reaches, and the rest is cancelled, as an immediate-or-cancel order would. What
one order took from a quote the next one does not get again. Reduce-only orders do no more than
reduce.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from arbitrage.core.kill import REJECT_KILLED, KillGate
from arbitrage.core.messages import Order
from arbitrage.core.ring import SpscRing
from arbitrage.core.store import ROW_LIVE, MarketStore
from arbitrage.fills import BUY, EXACT, Fill
from arbitrage.instruments import VENUES, Instrument

__all__ = ["PaperGateway"]

ORDER_REDUCE_ONLY = 1
_SENT, _ACK, _REJECT, _FILL, _DONE = 0, 1, 2, 3, 4
_NAN = float("nan")
_REJECT_REDUCE_ONLY = 110017  # Bybit's code: nothing to reduce
_REJECT_ROW = 10001
_BPS = Decimal("0.0001")


class Publisher(Protocol):
    """Where executions go: an ExecPublisher of arbitrage.core.executions, or its like."""

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


class PaperGateway:
    """Take orders from the rings and fill them against the store's quotes.

    Threads: one, the loop that calls :meth:`poll`.

    Parameters
    ----------
    store : MarketStore
        Quotes and taker fees.
    orders : sequence of SpscRing
        One a venue; this gateway is their consumer.
    publishers : sequence of Publisher
        One a venue.
    instruments : mapping of int to Instrument
        By row; an order of another row is rejected.
    on_fill : callable
        Given every fill, exact.
    latency_ms : float
        From the ring to the imagined book.
    position_lots : mapping of int to int, optional
        What the account holds by row: what an earlier run left.
    kill_gate : KillGate, optional
        Asked before each order sets out; what it holds back is rejected with `REJECT_KILLED`.
    """

    def __init__(
        self,
        store: MarketStore,
        orders: Sequence[SpscRing],
        publishers: Sequence[Publisher],
        instruments: Mapping[int, Instrument],
        *,
        on_fill: Callable[[Fill], Any],
        latency_ms: float = 1.0,
        position_lots: Mapping[int, int] | None = None,
        kill_gate: KillGate | None = None,
    ) -> None:
        if not 0 <= latency_ms <= 60_000:
            raise ValueError(f"latency_ms was {latency_ms}; accepted values are 0 to 60000")
        if len(orders) != len(publishers) or len(orders) > len(VENUES):
            raise ValueError(f"{len(orders)} order rings came with {len(publishers)} publishers")
        self._store = store
        self._taker_bps = store.by_row("taker_bps")
        self._publishers = list(publishers)
        self._consumers = [ring.consumer() for ring in orders]
        self._instruments = dict(instruments)
        self._on_fill = on_fill
        self._latency_ns = int(latency_ms * 1e6)
        self.kill_gate = kill_gate or KillGate()
        self._travelling: deque[tuple[int, Order]] = deque()
        self._unsaid: deque[tuple[int, tuple[Any, ...]]] = deque()
        self._taken: dict[tuple[int, int], tuple[int, int]] = {}
        self._fill_count = 0
        self.position_lots = dict(position_lots or {})

    def poll(self, now_mono_ns: int | None = None) -> int:
        """Take new orders, match those that have arrived; return how many of both."""
        now = time.monotonic_ns() if now_mono_ns is None else now_mono_ns
        done = self._say_again()
        self.kill_gate.look()
        for consumer in self._consumers:
            while (payload := consumer.try_pop()) is not None:
                done += 1
                order = Order.unpack(payload)
                if not self.kill_gate.lets(bool(order.flags & ORDER_REDUCE_ONLY)):
                    self._tell(order, _REJECT, now, cum_lots=0, code=REJECT_KILLED)
                    continue
                self._travelling.append((now + self._latency_ns, order))
                self._tell(order, _SENT, now)
        while self._travelling and self._travelling[0][0] <= now:
            self._match(self._travelling.popleft()[1], now)
            done += 1
        return done

    @property
    def waiting(self) -> int:
        """Orders that have not arrived yet."""
        return len(self._travelling)

    def _match(self, order: Order, now: int) -> None:
        instrument = self._instruments.get(order.row)
        if instrument is None:
            self._tell(order, _REJECT, now, code=_REJECT_ROW)
            return
        sign = 1 if order.side == BUY else -1
        held = self.position_lots.get(order.row, 0)
        wanted = order.qty_lots
        if order.flags & ORDER_REDUCE_ONLY:
            wanted = min(wanted, max(0, -sign * held))
            if wanted == 0:
                self._tell(order, _REJECT, now, code=_REJECT_REDUCE_ONLY)
                return
        self._tell(order, _ACK, now)
        filled = 0
        for px, lots in self._take(order, instrument, wanted):
            filled += lots
            self.position_lots[order.row] = held + sign * filled
            fee_bps = self._fill(order, instrument, px, lots)
            self._tell(
                order, _FILL, now, px=float(px), last_lots=lots, cum_lots=filled, fee_bps=fee_bps
            )
        self._tell(order, _DONE, now, cum_lots=filled)

    def _take(self, order: Order, instrument: Instrument, wanted: int) -> list[tuple[Decimal, int]]:
        """Return the prices and lots that the present levels give this order, best first."""
        update_count, levels = self._levels(order)
        tick, lot = float(instrument.tick), float(instrument.lot)
        key = (order.row, order.side)
        seen, taken = self._taken.get(key, (-1, 0))
        gone = taken = taken if seen == update_count else 0
        found: list[tuple[Decimal, int]] = []
        for px, qty in levels:
            ticks = round(px / tick)
            if ticks > order.px_ticks if order.side == BUY else ticks < order.px_ticks:
                break
            held = int(qty / lot + 1e-9)
            lots = min(wanted, max(0, held - gone))
            gone = max(0, gone - held)
            if lots > 0:
                found.append((EXACT.multiply(Decimal(ticks), instrument.tick), lots))
                wanted -= lots
        self._taken[key] = (update_count, taken + sum(lots for _, lots in found))
        return found

    def _levels(self, order: Order) -> tuple[int, list[tuple[float, float]]]:
        """Return which quote it is, and its touch with what lies behind that; none: not LIVE."""
        place = divmod(order.row, self._store.symbol_capacity)
        row = self._store.read_row(*place)
        is_buy = order.side == BUY
        px, qty = (row.ask_px, row.ask_qty) if is_buy else (row.bid_px, row.bid_qty)
        if row.state != ROW_LIVE or not px > 0 or not qty > 0:
            return row.update_count, []
        depth = self._store.depth(*place)
        behind = (depth.asks if is_buy else depth.bids).tolist()
        worse = [(at, size) for at, size in behind if (at > px if is_buy else at < px)]
        return row.update_count, [(px, qty), *worse]

    def _fill(self, order: Order, instrument: Instrument, px: Decimal, lots: int) -> float:
        fee_bps = float(self._taker_bps[order.row])
        qty_base = instrument.base_qty(lots)
        common_px = EXACT.multiply(px, instrument.px_mult)
        notional = EXACT.multiply(common_px, qty_base)
        self._fill_count += 1
        self._on_fill(
            Fill(
                venue=instrument.venue,
                symbol=instrument.symbol,
                client_id=order.client_id,
                trade_id=f"paper-{self._fill_count}",
                side=order.side,
                px=common_px,
                qty_base=qty_base,
                fee=EXACT.multiply(EXACT.multiply(notional, Decimal(str(fee_bps))), _BPS),
                wall_ms=time.time_ns() // 1_000_000,
            )
        )
        return fee_bps

    def _tell(
        self,
        order: Order,
        kind: int,
        now: int,
        *,
        px: float = _NAN,
        last_lots: int = 0,
        cum_lots: int = -1,
        fee_bps: float = 0.0,
        code: int = 0,
    ) -> None:
        told = (
            order.client_id, kind, order.venue, order.row, order.side, px, last_lots, cum_lots,
            fee_bps, code, now,
        )  # fmt: skip
        if self._unsaid or not self._publishers[order.venue].publish(*told):
            self._unsaid.append((order.venue, told))

    def _say_again(self) -> int:
        """Publish what a full ring refused, in order: an execution is never lost."""
        count = 0
        while self._unsaid:
            venue, told = self._unsaid[0]
            if not self._publishers[venue].publish(*told):
                break
            self._unsaid.popleft()
            count += 1
        return count
