from typing import final

from arbitrage.core.detector import OpportunityDetector
from arbitrage.core.executions import ExecPublisher
from arbitrage.core.loop import LoopPoller
from arbitrage.core.segment import Segment
from arbitrage.core.strategy import SpreadStrategy

PLACEMENTS: tuple[str, ...]
WAITS: tuple[str, ...]

@final
class Stages:
    segment: Segment
    detector: OpportunityDetector
    strategy: SpreadStrategy | None
    placement: str
    wait: str
    def __init__(
        self,
        segment: Segment,
        detector: OpportunityDetector,
        strategy: SpreadStrategy | None = None,
        *,
        placement: str = "split",
        wait: str = "adaptive",
        spin_us: int = 50,
        round_ms: int = 1000,
        keep_warm: bool = True,
    ) -> None: ...
    def ring_bell_of(self, poller: LoopPoller | None) -> None: ...
    def publisher(self, venue: int) -> ExecPublisher: ...
    @property
    def sleep_s(self) -> float: ...
    def turn(self, now_mono_ns: int = 0) -> int: ...
    def rehearse(self, count: int = 1) -> int: ...
    @property
    def warm_counts(self) -> dict[str, int]: ...
    def run_detector(self, core: int | None = None) -> None: ...
    def run_strategy(self, core: int | None = None) -> None: ...
    def run_fused(self, core: int | None = None) -> None: ...
    def wake(self) -> None: ...
    def close_lives(self) -> None: ...
    def meter_allocations(self) -> None: ...
