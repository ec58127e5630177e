from collections.abc import Mapping, Sequence
from typing import Any

from arbitrage.core.clock import Clock
from arbitrage.core.histogram import Histogram
from arbitrage.core.intents import IntentDoor
from arbitrage.core.journal import Journal
from arbitrage.core.ring import BroadcastRing, MpscRing, SpscRing
from arbitrage.core.risk import LIMITS as LIMITS
from arbitrage.core.risk import REASONS as REASONS
from arbitrage.core.risk import RiskGate
from arbitrage.core.store import MarketStore

PHASES: tuple[str, ...]
PHASES_TABLE: dict[str, tuple[str, str, str]]
PHASES_ABOUT: dict[str, str]
MOVES: tuple[tuple[str, str, str], ...]
EXIT_REASONS: tuple[str, ...]
EVENTS: tuple[str, ...]
ORDER_STATES: tuple[str, ...]
PAIR_KINDS: tuple[str, ...]
ADOPT_REFUSALS: tuple[str, ...]
SETTINGS: dict[str, tuple[float, float, float]]

class SpreadStrategy:
    flatten: bool
    def __init__(
        self,
        store: MarketStore,
        opportunities: BroadcastRing,
        executions: MpscRing,
        orders: Sequence[SpscRing | None],
        journal: Journal,
        symbols: Mapping[int, tuple[float, Sequence[int]]],
        *,
        pair_events: BroadcastRing | None = None,
        notices: BroadcastRing | None = None,
        clock: Clock | None = None,
        seen: Histogram | None = None,
        decided: Histogram | None = None,
        to_order: Histogram | None = None,
        naked: Histogram | None = None,
        **settings: float,
    ) -> None: ...
    @property
    def risk(self) -> RiskGate: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def live_pairs(self) -> int: ...
    @property
    def counters(self) -> dict[str, int]: ...
    def attach_door(self, door: IntentDoor) -> None: ...
    def orphan(self, tag: int, how: str | None) -> None: ...
    def poll(self, now_mono_ns: int) -> int: ...
    def release(self) -> None: ...
    def number_from(self, pair: int) -> None: ...
    def adopt(self, record: bytes, now_mono_ns: int) -> bytes: ...
    def under_way(self) -> list[int]: ...
    def pair(self, symbol_index: int) -> dict[str, Any]: ...
