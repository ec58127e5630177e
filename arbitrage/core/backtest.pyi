from collections.abc import Mapping, Sequence
from typing import Any

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.journal import Journal
from arbitrage.core.ring import BroadcastRing, MpscRing, SpscRing
from arbitrage.core.strategy import SpreadStrategy

TABLES: tuple[str, ...]
WAYS: tuple[str, str, str]
NEEDS_RECORDS: int
NEEDS_HOST: int
RESTS: int
AT_END: int
OVER: int
RECORD_BYTES: int

def private_journal(run: int) -> Journal: ...
def row_bytes(name: str) -> int: ...
def draw_latencies(
    model: int | Sequence[tuple[int, int, int]], count: int, seed: int = 0
) -> list[int]: ...

class BacktestCore:
    def __init__(
        self,
        detector: OpportunityDetector,
        strategy: SpreadStrategy,
        *,
        opportunities: BroadcastRing,
        pair_events: BroadcastRing,
        notices: BroadcastRing,
        executions: MpscRing,
        orders: Sequence[SpscRing],
        symbol_count: int,
        has_depth: bool,
        seed: int,
        ways: Mapping[tuple[int, str], Any],
        feed_by_model: Sequence[bool],
        rules: Sequence[Mapping[str, float]],
        order_timeout_ns: int,
        sample_ns: int = 1_000_000_000,
        keep_opportunities: bool = True,
        lookahead_ns: int = 1_000_000_000,
        poll_ns: int = 0,
    ) -> None: ...
    def feed(self, block: Any, *, final: bool = False) -> None: ...
    def run(self, records_max: int) -> int: ...
    def close(self, within_ns: int) -> None: ...
    def finish(self) -> None: ...
    @property
    def now_ns(self) -> int: ...
    @property
    def host_due_ns(self) -> int: ...
    @host_due_ns.setter
    def host_due_ns(self, due_ns: int) -> None: ...
    @property
    def hosted(self) -> bool: ...
    @hosted.setter
    def hosted(self, hosted: bool) -> None: ...
    @property
    def heard(self) -> tuple[int, int]: ...
    @property
    def counts(self) -> dict[str, int]: ...
    def table(self, name: str) -> bytes: ...
