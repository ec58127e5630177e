"""Backtest: the trader's own detector, strategies, gate and leg machine over recorded markets.

Virtual time: see `arbitrage.core.backtest` and docs/backtest.md, which says what the simulated
venues do and what they do not.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from arbitrage.config import load_settings
from arbitrage.core import backtest as core
from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.intents import IntentDoor
from arbitrage.core.ring import BroadcastRing, MpscRing, SpscRing
from arbitrage.core.store import MarketStore
from arbitrage.core.strategy import SpreadStrategy
from arbitrage.errors import ArbitrageError, ConfigError
from arbitrage.instruments import VENUES, common_lot
from arbitrage.research.contracts import Contract
from arbitrage.research.latency import Latency
from arbitrage.research.market import MarketData, open_data
from arbitrage.settings import RiskSettings, Settings, StrategySettings, fields_of
from arbitrage.trading.strategy import MarketView, Strategy
from arbitrage.trading.strategy_host import (
    BUILT_IN,
    StrategyHost,
    check_names,
    describe,
    load_strategy,
)
from arbitrage.trading.strategy_settings import detector_words, strategy_words

if TYPE_CHECKING:
    from arbitrage.research.results import Backtest

__all__ = ["Venue", "backtest", "read_config"]

NS_PER_S = 1_000_000_000
CLOSE_NS = 10 * NS_PER_S  # after the last record: time to close what is open
STEP_RECORDS = 1 << 20  # between two looks at progress and signals
RUN = 1  # of the client ids
EVENTS_KEPT = 4096
_log = logging.getLogger("arbitrage.backtest")

Named = str | type[Strategy] | Strategy
Progress = Callable[[float], Any]


@dataclass(frozen=True, kw_only=True)
class Venue:
    """Rules of a simulated venue, beside its recorded book.

    Attributes
    ----------
    reject_rate : float
        Share of orders refused by chance, 0 to 1.
    band_bps : float
        An order whose limit lies further beyond the mid is refused; 0: off.
    balance_usd : float
        Money at the start: an order that it does not carry is refused; 0: not asked.
    leverage : float
        A position needs its value over this.
    """

    reject_rate: float = 0.0
    band_bps: float = 0.0
    balance_usd: float = 0.0
    leverage: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.reject_rate <= 1:
            raise ConfigError(f"reject_rate was {self.reject_rate}; accepted values are 0 to 1")
        if not self.band_bps >= 0 or not self.balance_usd >= 0 or not self.leverage > 0:
            raise ConfigError(
                f"band_bps was {self.band_bps}, balance_usd {self.balance_usd} and leverage "
                f"{self.leverage}; accepted are values from 0, and a leverage above 0"
            )


# ---- settings ------------------------------------------------------------------------------------


def _variables() -> dict[str, str]:
    found = {}
    for struct in (Settings, StrategySettings, RiskSettings):
        for field, variable, _, _, _ in fields_of(struct):
            found[field] = found[variable] = variable
    return found


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ",".join(f"{name}={_text(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return repr(value) if isinstance(value, float) else str(value)


def read_config(config: Mapping[str, Any] | None, symbols: Sequence[str]) -> Settings:
    """Return the settings of a mapping: field names or ARB_* names, the trader's own checks.

    Raises
    ------
    ConfigError
        A name that is none, or a value that is out of its range.
    """
    known, words = _variables(), {}
    for name, value in (config or {}).items():
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"config named {name!r}, which is no setting{hint}")
        words[known[name]] = _text(value)
    words |= {"ARB_MODE": "paper", "ARB_SYMBOLS": ",".join(symbols), "ARB_NAME": "backtest"}
    return load_settings({}, dotenv=None, overrides=words, cores=(0,), needs_keys=False)


def _plain_settings(settings: Settings) -> dict[str, Any]:
    """Return what matters of settings in a backtest: no secrets, no machine."""
    found: dict[str, Any] = msgspec.to_builtins(settings.strategy)
    found |= msgspec.to_builtins(settings.risk)
    return found | {"fees": settings.fees.by_venue()}


def _strategies(strategy: Named | Sequence[Named]) -> tuple[list[str], list[Strategy], str]:
    """Return the built-in names, the users' instances, and all of it in words."""
    given: list[Named] = []
    for each in [strategy] if isinstance(strategy, str | type | Strategy) else strategy:
        given += [part.strip() for part in each.split(",")] if isinstance(each, str) else [each]
    names = [each for each in given if isinstance(each, str)]
    check_names(tuple(names), "strategy")
    users: list[Strategy] = []
    words = []
    for each in given:
        words.append(each if isinstance(each, str) else _name_of(each))
        if isinstance(each, Strategy):
            users.append(each)
        elif isinstance(each, type):
            users.append(each())
        elif each not in BUILT_IN:
            users.append(load_strategy(each))
    if not given:
        raise ConfigError(f"no strategy was named; accepted are {', '.join(BUILT_IN)} and classes")
    return [name for name in names if name in BUILT_IN], users, ",".join(words)


def _name_of(each: type[Strategy] | Strategy) -> str:
    kind = each if isinstance(each, type) else type(each)
    if not issubclass(kind, Strategy):
        raise ConfigError(f"strategy was {kind.__name__}, which is no arbitrage.Strategy")
    return kind.__qualname__


# ---- the run -------------------------------------------------------------------------------------


class _Run:
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
        built_in, users, self.strategy_words = _strategies(strategy)
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
                    min_notional=contract.min_notional, taker_bps=self._taker_bps(contract),
                )  # fmt: skip
            lot = common_lot(*instruments)
            grid[index] = (float(lot.base_qty), (lot.lots_a, lot.lots_b))
        if not grid:
            for symbol in data.symbols:
                for venue in VENUES:
                    data.contract(venue, symbol)
            raise ConfigError("the data holds no symbol")
        return grid

    def _taker_bps(self, contract: Contract) -> float:
        """Return the fee: as set, else as the account had it, else the venue's public base."""
        if self.settings.fees_given or contract.taker_bps is None:
            return self.settings.fees.taker_bps(contract.venue)
        return contract.taker_bps

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


def backtest(
    data: "MarketData | str | Path",
    strategy: Named | Sequence[Named] = "spread",
    config: Mapping[str, Any] | None = None,
    *,
    latency: Latency | None = None,
    venues: Venue | Mapping[str, Venue] | None = None,
    seed: int = 0,
    sample_s: float = 1.0,
    keep_opportunities: bool = True,
    close_at_end: bool = True,
    progress: Progress | None = None,
) -> "Backtest":
    """Run strategies over recorded markets in virtual time, and return what they did.

    The same data, strategy, config, latency and seed give the same result, to the byte.

    Parameters
    ----------
    data : MarketData, str or Path
        Or what `arbitrage.open_data` takes.
    strategy : str, class or sequence of them
        ``spread``, ``funding``, both with a comma between, a class made from
        `arbitrage.Strategy`, ``package.module:Class`` or ``file.py:Class``.
    config : mapping, optional
        Settings of the trader by field name or ARB_* name; the environment is not read. Fees are
        ``fees`` where given, else those of the contracts.
    latency : Latency, optional
        5 ms to a venue and 5 ms back where nothing is said.
    venues : Venue or mapping of str to Venue, optional
        Refusals, price band and money of both venues, or of each.
    seed : int
        Of all chance.
    sample_s : float
        Equity is noted at each change and so often; 0: at changes only.
    keep_opportunities : bool
        Whether the detector's events are kept: 120 bytes each.
    close_at_end : bool
        Whether pairs that stand at the last record are closed at the last books.
    progress : callable, optional
        Given the fraction that is done, now and then.

    Raises
    ------
    ConfigError
        A setting, strategy or latency that cannot be, or no contract that is known.
    ArbitrageError
        A strategy's own code raised.

    Examples
    --------
    >>> result = arbitrage.backtest("recordings/monday", config={"min_net_bps": 2})
    >>> print(result)
    """
    from arbitrage.research.results import Backtest

    begun = time.perf_counter()
    opened = _opened(data)
    chosen = latency or Latency()
    rules = _rules(venues)
    if not 0 <= sample_s <= 86_400:
        raise ConfigError(f"sample_s was {sample_s}; accepted values are 0 to 86400")
    settings = read_config(config, opened.symbols)
    run = _Run(
        opened, strategy, settings, chosen, rules,
        seed=seed, sample_s=sample_s, keep_opportunities=keep_opportunities,
    )  # fmt: skip
    run.run(opened, progress, close_at_end=close_at_end, in_one=_lies_in_memory(opened))
    return Backtest(
        arrays_of(run.core),
        symbols=opened.symbols,
        contracts=opened.contracts,
        config=_plain_settings(settings),
        strategy=run.strategy_words,
        seed=seed,
        latency=chosen.describe(),
        counts=run.counts(),
        start_ns=opened.start_ns,
        end_ns=opened.end_ns,
        wall_s=time.perf_counter() - begun,
        source=_source(opened),
        data=opened,
    )


def arrays_of(of: core.BacktestCore) -> dict[str, Any]:
    """Return a core's tables as arrays."""
    import numpy as np

    from arbitrage.core.records import OPPORTUNITY_DTYPE
    from arbitrage.research.result_types import RESULT_DTYPES

    dtypes = {**RESULT_DTYPES, "opportunities": OPPORTUNITY_DTYPE}
    return {name: np.frombuffer(of.table(name), dtypes[name]) for name in core.TABLES}


def _rules(venues: Venue | Mapping[str, Venue] | None) -> dict[str, Venue]:
    if venues is None or isinstance(venues, Venue):
        return dict.fromkeys(VENUES, venues or Venue())
    if set(venues) - set(VENUES):
        raise ConfigError(f"venues named {', '.join(venues)}; accepted are {', '.join(VENUES)}")
    return {venue: venues.get(venue, Venue()) for venue in VENUES}


def _opened(data: Any) -> MarketData:
    if isinstance(data, MarketData):
        return data
    return open_data(data)


def _lies_in_memory(data: MarketData) -> bool:
    from arbitrage.research.array_data import ArrayData

    return isinstance(data, ArrayData)


def _source(data: MarketData) -> dict[str, Any] | None:
    try:
        return data.source
    except ConfigError:
        return None
