"""What runs a user's strategy: reads the trader's broadcasts, calls the class, passes wishes on.

The same host drives a strategy in its own process beside a trader, and inside a replay in virtual
time: only the clock and the memory behind the rings differ.
"""

import importlib
import importlib.util
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from arbitrage.core.intents import IntentDoor
from arbitrage.core.messages import (
    PAIR_KINDS,
    VERDICTS,
    Intent,
    Notice,
    Opportunity,
    PairEvent,
)
from arbitrage.core.ring import BroadcastRing
from arbitrage.core.risk import REASONS
from arbitrage.core.strategy import EVENTS, EXIT_REASONS
from arbitrage.errors import ConfigError
from arbitrage.instruments import VENUES
from arbitrage.trading.strategy import (
    Answer,
    FillSeen,
    FundingSeen,
    MarketView,
    OpportunitySeen,
    PairSeen,
    Strategy,
)

__all__ = ["BUILT_IN", "StrategyHost", "check_names", "load_class", "load_strategy", "made"]

BUILT_IN = ("spread", "funding")
BATCH = 256
OVER = frozenset({"closed", "unwound", "missed"})
_OPPORTUNITY_EVENTS = ("", "open", "update", "close")
_OUR_FRAMES = ("arbitrage/trading/", "arbitrage/runtime/", "importlib")
_ANSWER, _FILL, _FUNDING = 1, 2, 3


# ---- loading -------------------------------------------------------------------------------------


def check_names(names: tuple[str, ...], label: str = "ARB_STRATEGY") -> None:
    """Refuse a list of strategies that cannot be meant; the classes are not loaded here."""
    users = [name for name in names if name not in BUILT_IN]
    for name in users:
        place, _, attribute = name.rpartition(":")
        if not place or not attribute.isidentifier():
            raise ConfigError(
                f"{label} named {name!r}; accepted are {', '.join(BUILT_IN)}, "
                "package.module:ClassName and path/file.py:ClassName"
            )
    if len(set(names)) != len(names):
        raise ConfigError(f"{label} was {','.join(names)!r}; each strategy at most once")
    if len(users) > 4:
        raise ConfigError(f"{label} named {len(users)} classes; accepted are at most 4")


def _module_of(place: str) -> ModuleType:
    if not place.endswith(".py"):
        # as `python -m` would: modules of the folder the trader was started in come first
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(place)
    path = Path(place).expanduser()
    if not path.is_file():
        raise ConfigError(f"strategy file {place} does not exist")
    spec = importlib.util.spec_from_file_location(f"arb_strategy_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"strategy file {place} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    spec.loader.exec_module(module)
    return module


def load_strategy(name: str) -> Strategy:
    """Load a class by ``package.module:ClassName`` or ``path/file.py:ClassName`` and make one.

    Raises
    ------
    ConfigError
        What was wrong, and in which line of the user's file.
    """
    return made(name, load_class(name), {})


def load_class(name: str) -> type[Strategy]:
    """Load a class as `load_strategy` does, without making one."""
    place, _, attribute = name.rpartition(":")
    try:
        found = getattr(_module_of(place), attribute, None)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"strategy {name} cannot be loaded: {describe(error)}") from error
    if not isinstance(found, type) or not issubclass(found, Strategy):
        what = "holds no such class" if found is None else "is no arbitrage.Strategy"
        subject = place if found is None else name
        raise ConfigError(f"strategy {name}: {subject} {what}")
    return found


def made(name: str, kind: type[Strategy], words: Mapping[str, Any]) -> Strategy:
    """Make a strategy with keyword arguments; what its own code raises is one line."""
    try:
        return kind(**words)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"strategy {name} cannot be loaded: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """Say in one line what a user's code raised, and where in it."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if not any(part in code.co_filename for part in _OUR_FRAMES):
            place = f" ({Path(code.co_filename).name}:{trace.tb_lineno} in {code.co_name})"
        trace = trace.tb_next
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text[:200]}{place}"


# ---- running -------------------------------------------------------------------------------------


class StrategyHost:
    """Call one strategy with what the trader broadcasts, and push what it asks for.

    Threads: one.

    Parameters
    ----------
    strategy : Strategy
        An instance; this host becomes its own.
    market : MarketView
        What it sees.
    door : IntentDoor
        Its way in; claimed by this process.
    opportunities, pair_events, notices : BroadcastRing
        What it is told.
    clock : callable
        Returns the trader's monotonic time, ns.
    wall_offset_ns : callable
        Returns the UTC epoch of that clock's zero.
    """

    def __init__(
        self,
        strategy: Strategy,
        market: MarketView,
        door: IntentDoor,
        opportunities: BroadcastRing,
        pair_events: BroadcastRing,
        notices: BroadcastRing,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        wall_offset_ns: Callable[[], int] = lambda: time.time_ns() - time.monotonic_ns(),
    ) -> None:
        self.strategy = strategy
        self.market = market
        self.door = door
        self.pairs: dict[str, PairSeen] = {}
        self.calls = 0
        self.slowest_ns = 0
        self._clock = clock
        self._wall_offset_ns = wall_offset_ns
        self._opportunities = opportunities.reader()
        self._pair_events = pair_events.reader(from_oldest=True)
        self._notices = notices.reader()
        self._next_id = door.first_id
        self._asked_from = self._next_id
        self._timer_due_ns: int | None = None
        strategy._host = self

    @property
    def now_mono_ns(self) -> int:
        """The trader's clock."""
        return self._clock()

    @property
    def now_wall_ns(self) -> int:
        """UTC epoch."""
        return self._clock() + self._wall_offset_ns()

    @property
    def timer_due_ns(self) -> int | None:
        """When `on_timer` is called next, trader's clock; None: never, or before the first poll."""
        return self._timer_due_ns if self.strategy.timer_s > 0 else None

    @property
    def opportunities_lost(self) -> int:
        """Opportunity events that were lapped before they were read."""
        return int(self._opportunities.lost)

    def start(self) -> None:
        """Take up pairs that a former process of this strategy left, then say that all is ready."""
        for payload in self._pair_events.drain():
            self._note(self._pair_of(PairEvent.unpack(payload)))
        self._call(self.strategy.on_start)

    def stop(self) -> None:
        """Say that it is over."""
        self._call(self.strategy.on_stop)

    def poll(self) -> int:
        """Tell what has happened since, oldest of each kind first; return how many calls."""
        before = self.calls
        for payload in self._notices.drain(BATCH):
            self._tell_notice(Notice.unpack(payload))
        for payload in self._pair_events.drain(BATCH):
            pair = self._pair_of(PairEvent.unpack(payload))
            self._note(pair)
            self._call(self.strategy.on_pair, pair)
        for _ in range(BATCH):  # one by one: a drain would make an array of them
            told = self._opportunities.try_pop()
            if told is None:
                break
            self._tell_opportunity(Opportunity.unpack(told))
        self._tell_timer()
        return self.calls - before

    def ask(self, action: int, symbol: str, within_s: float, **wish: Any) -> int:
        """Push an intent; return its id, 0 when the door is full."""
        now = self._clock()
        fields: dict[str, Any] = {
            "id": self._next_id, "asked_mono_ns": now, "expires_mono_ns": now + int(within_s * 1e9),
            "max_usd": 0.0, "min_net_bps": 0.0, "min_gross_bps": 0.0, "pair": 0,
            "symbol_index": self.market.index(symbol), "buy_venue": 0, "sell_venue": 0,
            "action": action,
        }  # fmt: skip
        if not self.door.try_push(Intent(**(fields | wish))):
            return 0
        self._next_id += 1
        return self._next_id - 1

    # ---- what is told ------------------------------------------------------------------------

    def _call(self, method: Callable[..., None], *told: object) -> None:
        begun = time.monotonic_ns()
        self.calls += 1
        method(*told)
        self.slowest_ns = max(self.slowest_ns, time.monotonic_ns() - begun)

    def _tell_timer(self) -> None:
        period_s = self.strategy.timer_s
        if period_s <= 0:
            return
        now = self._clock()
        if self._timer_due_ns is None:
            self._timer_due_ns = now + int(period_s * 1e9)
        elif now >= self._timer_due_ns:
            # not in a burst after a long computation: what was missed is missed
            self._timer_due_ns = max(self._timer_due_ns + int(period_s * 1e9), now)
            self._call(self.strategy.on_timer)

    def _venue_of(self, row: int) -> str:
        return VENUES[row // self.market.store.symbol_capacity]

    def _symbol_of(self, symbol_index: int) -> str:
        symbols = self.market.symbols
        return symbols[symbol_index] if symbol_index < len(symbols) else f"#{symbol_index}"

    def _pair_of(self, event: PairEvent) -> PairSeen:
        return PairSeen(
            event.pair, EVENTS[event.event], EXIT_REASONS[event.reason], PAIR_KINDS[event.kind],
            event.tag == self.door.tag, self._symbol_of(event.symbol_index),
            self._venue_of(event.buy_row), self._venue_of(event.sell_row), event.base_qty,
            event.gross_bps, event.pair_bps, event.fees_bps, event.funding_bps, event.naked_us,
            event.mono_ns,
        )  # fmt: skip

    def _note(self, pair: PairSeen) -> None:
        if not pair.is_mine:
            return
        if pair.event in OVER:
            self.pairs.pop(pair.symbol, None)
        else:
            self.pairs[pair.symbol] = pair

    def _tell_opportunity(self, seen: Opportunity) -> None:
        self._call(
            self.strategy.on_opportunity,
            OpportunitySeen(
                seen.id, _OPPORTUNITY_EVENTS[seen.event], self._symbol_of(seen.symbol_index),
                self._venue_of(seen.buy_row), self._venue_of(seen.sell_row), seen.ask_px,
                seen.bid_px, seen.gross_bps, seen.net_bps, seen.fees_bps, seen.slippage_bps,
                seen.funding_bps, seen.confidence, seen.recv_mono_ns,
            ),
        )  # fmt: skip

    def _tell_notice(self, seen: Notice) -> None:
        symbol, mine = self._symbol_of(seen.symbol_index), seen.tag == self.door.tag
        if seen.notice == _ANSWER and mine and seen.intent_id >= self._asked_from:
            verdict = VERDICTS[seen.verdict]
            answer = Answer(
                seen.intent_id, verdict == "accepted", verdict, REASONS[seen.gate_reason],
                seen.pair, symbol, seen.mono_ns,
            )  # fmt: skip
            self._call(self.strategy.on_answer, answer)
        elif seen.notice == _FILL:
            fill = FillSeen(
                seen.pair, mine, symbol, self._venue_of(seen.row), ("buy", "sell")[seen.side],
                seen.px, seen.base_qty, seen.fee_bps, seen.client_id, seen.mono_ns,
            )  # fmt: skip
            self._call(self.strategy.on_fill, fill)
        elif seen.notice == _FUNDING:
            settled = FundingSeen(
                seen.pair, mine, symbol, self._venue_of(seen.row), seen.rate, seen.funding_bps,
                seen.pair_funding_bps, seen.mono_ns,
            )  # fmt: skip
            self._call(self.strategy.on_funding, settled)
