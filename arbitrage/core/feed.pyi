from collections.abc import Callable
from typing import Any, final

from picows import WSListener

from arbitrage.core.loop import LoopPoller
from arbitrage.core.segment import Segment
from arbitrage.core.stages import Stages

@final
class FeedLane:
    segment: Segment
    index: int
    def __init__(self, segment: Segment, index: int) -> None: ...
    def attach_loop(self, poller: LoopPoller | None, stages: Stages | None = None) -> None: ...
    def on_frame(self, venue: int, frame: bytes, recv_mono_ns: int = 0) -> int: ...
    def push_state(self, row: int, state: int, mono_ns: int = 0) -> None: ...
    def push_funding(
        self, row: int, rate: float, interval_h: float, next_wall_ns: int, mono_ns: int = 0
    ) -> None: ...
    def top(self, row: int) -> tuple[float, float, float, float] | None: ...
    def confirm(self, row: int) -> bool: ...
    def enable_tap(self, enabled: bool) -> None: ...
    def check_row(self, row: int) -> None: ...
    def check_venue(self, venue: int) -> None: ...
    def venue_of(self, row: int) -> int: ...

@final
class FeedListener(WSListener):
    lane: FeedLane
    venue: int
    transport: Any
    last_frame_mono_ns: int
    def __init__(
        self,
        lane: FeedLane,
        venue: int,
        on_slow: Callable[[bytes], object],
        on_connected: Callable[[FeedListener], object] | None = None,
        on_disconnected: Callable[[FeedListener], object] | None = None,
    ) -> None: ...
