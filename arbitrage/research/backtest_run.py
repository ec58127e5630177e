"""One run of a backtest: what its compiled core is connected to, and how it goes on."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from arbitrage.core import backtest as core
from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.intents import IntentDoor
from arbitrage.core.ring import BroadcastRing, MpscRing, SpscRing
from arbitrage.core.store import MarketStore
from arbitrage.core.strategy import SpreadStrategy
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.instruments import VENUES, common_lot
from arbitrage.research.backtest_settings import Named, Venue, strategies_of, taker_bps
from arbitrage.research.latency import Latency
from arbitrage.research.market import MarketData
from arbitrage.settings import Settings
from arbitrage.trading.strategy import MarketView
from arbitrage.trading.strategy_host import BUILT_IN, StrategyHost, describe
from arbitrage.trading.strategy_settings import detector_words, strategy_words

__all__ = ["Progress", "Run", "arrays_of"]

NS_PER_S = 1_000_000_000
CLOSE_NS = 10 * NS_PER_S  # after the last record: time to close what is open
STEP_RECORDS = 1 << 20  # between two looks at progress and signals
RUN = 1  # of the client ids
EVENTS_KEPT = 4096
_log = logging.getLogger("arbitrage.backtest")

Progress = Callable[[float], Any]


class Run:
    """One backtest: what its core is connected to."""

    def __init__(
        self,
        data: MarketData,
        strategy: Named | Sequence[Named],
        settings: Settings,
        latency: Latency,
        venues: Mapping[str, Venue],
        *,
        seed: int,
        sample_s: float,
        keep_opportunities: bool,
        poll_ns: int = 0,
    ) -> None:
        built_in, users, self.strategy_words = strategies_of(strategy)
        symbol_count = max(1, len(data.symbols))
        self.settings = settings
        self.store = MarketStore(2, symbol_count)
        grid = self._describe(data)
        opportunities, pair_events, notices = (
            BroadcastRing(max(EVENTS_KEPT, 8 * symbol_count), 120) for _ in range(3)
        )
        orders = [SpscRing(max(64, 4 * symbol_count)) for _ in VENUES]
        executions = MpscRing(max(EVENTS_KEPT, 8 * symbol_count))
        words: dict[str, Any] = dict(strategy_words(settings))
        words |= {name: name in built_in for name in BUILT_IN}
        self.strategy = SpreadStrategy(
            self.store, opportunities, executions, orders, core.private_journal(RUN), grid,
            pair_events=pair_events, notices=notices, **words,
        )  # fmt: skip
        self.core = core.BacktestCore(
            OpportunityDetector(self.store, wall_minus_mono_ns=0, **detector_words(settings)),
            self.strategy,
            opportunities=opportunities,
            pair_events=pair_events,
            notices=notices,
            executions=executions,
            orders=orders,
            symbol_count=symbol_count,
            has_depth=data.has_depth,
            seed=seed,
            ways=latency.ways(seed),
            feed_by_model=[latency.feed_by_model] * 2,
            rules=[asdict(venues[venue]) for venue in VENUES],
            order_timeout_ns=settings.risk.order_timeout_ms * 1_000_000,
            sample_ns=int(sample_s * NS_PER_S),
            keep_opportunities=keep_opportunities,
            lookahead_ns=int(latency.lookahead_ms * 1e6),
            poll_ns=poll_ns,
        )
        self.hosts = []
        for tag, user in enumerate(users, 1):
            door = IntentDoor.private(tag)
            self.strategy.attach_door(door)
            host = StrategyHost(
                user, MarketView(self.store, data.symbols), door, opportunities, pair_events,
                notices, clock=lambda: self.core.now_ns, wall_offset_ns=lambda: 0,
            )  # fmt: skip
            self.hosts.append(host)
        self.core.hosted = bool(self.hosts)

    def _describe(self, data: MarketData) -> dict[int, tuple[float, tuple[int, int]]]:
        """Enter the contracts into the store; return the common lots of those that both list."""
        grid = {}
        for index, symbol in enumerate(data.symbols):
            found = [data.contracts.get((venue, symbol)) for venue in VENUES]
            if None in found:
                missing = VENUES[found.index(None)]
                _log.warning("%s has no contract at %s: it is not traded", symbol, missing)
                continue
            instruments = [each.instrument() for each in found if each is not None]
            for place, (contract, item) in enumerate(zip(found, instruments, strict=True)):
                assert contract is not None
                self.store.set_instrument(
                    self.store.row(place, index), px_mult=contract.px_mult,
                    qty_mult=contract.qty_mult, px_tick=contract.px_tick,
                    qty_lot=contract.qty_lot, min_lots=item.min_lots, max_lots=item.max_lots,
                    min_notional=contract.min_notional,
                    taker_bps=taker_bps(self.settings, contract),
                )  # fmt: skip
            lot = common_lot(*instruments)
            grid[index] = (float(lot.base_qty), (lot.lots_a, lot.lots_b))
        if not grid:
            for symbol in data.symbols:
                for venue in VENUES:
                    data.contract(venue, symbol)
            raise ConfigError("the data holds no symbol")
        return grid

    def run(
        self, data: MarketData, progress: Progress | None, *, close_at_end: bool, in_one: bool
    ) -> None:
        """Go through all records, then close what is open."""
        blocks = iter([data.records()] if in_one else data.blocks())
        span_ns = max(1, data.end_ns - data.start_ns)
        block = next(blocks, None)
        while block is not None:
            following = next(blocks, None)
            self.core.feed(block, final=following is None)
            block = following
            self._drive(close_at_end)
            if progress is not None:
                progress(min(1.0, (self.core.now_ns - data.start_ns) / span_ns))
        for host in self.hosts:
            self._told(host.stop)
        self.core.finish()

    def _drive(self, close_at_end: bool) -> None:
        if self.hosts and not self.hosts[0].calls:
            for host in self.hosts:
                self._told(host.start)
            self._tell_hosts()
        while True:
            need = self.core.run(STEP_RECORDS)
            if need == core.NEEDS_HOST:
                self._tell_hosts()
            elif need == core.AT_END:
                self.strategy.flatten = close_at_end
                self.core.close(CLOSE_NS if close_at_end else 0)
            elif need != core.RESTS:
                return

    def _tell_hosts(self) -> None:
        for host in self.hosts:
            while self._told(host.poll):
                pass
        dues = [due for host in self.hosts if (due := host.timer_due_ns) is not None]
        if dues:
            self.core.host_due_ns = min(dues)

    def _told(self, tell: Callable[[], Any]) -> Any:
        """Call a user's code; what it raises is one line with its place."""
        try:
            return tell()
        except ArbitrageError:
            raise
        except Exception as error:
            text = f"strategy raised {describe(error)}; the backtest ended there"
            raise ArbitrageError(text) from error

    def counts(self) -> dict[str, int]:
        """Return what was counted: of the stream, the venues, and the strategy."""
        found = dict(self.core.counts)
        for name, value in self.strategy.counters.items():
            if name not in {"parks", "wakes"}:
                found[f"strategy_{name}"] = value
        return found


def arrays_of(of: core.BacktestCore) -> dict[str, Any]:
    """Return a core's tables as arrays."""
    import numpy as np

    from arbitrage.core.records import OPPORTUNITY_DTYPE
    from arbitrage.research.result_types import RESULT_DTYPES

    dtypes = {**RESULT_DTYPES, "opportunities": OPPORTUNITY_DTYPE}
    return {name: np.frombuffer(of.table(name), dtypes[name]) for name in core.TABLES}
