"""What a configuration asks of its host: which threads on which cores, and how much memory."""

from dataclasses import dataclass, field

from arbitrage.settings import Settings

__all__ = ["Wanted", "segment_bytes", "wanted_of"]

# Measured on the segment of this release; a test holds the sum against a real one.
BASE_BYTES = 1_800_000
SYMBOL_BYTES = 2_100
LANE_BYTES = 80_000
TICK_BYTES = 64
EVENT_BYTES = 256
ORDER_BYTES = 256
TAP_SHARE = 1.5  # of each lane's tap, with the decisions' half
DOOR_BYTES = 1 << 20  # of each strategy of the user's own
MARGIN = 1.25


@dataclass(frozen=True)
class Wanted:
    """Threads that are pinned, by role, and how they wait."""

    cores: dict[str, int] = field(default_factory=dict)
    shared_cores: tuple[int, ...] = ()  # that the feed and gateway loops share
    spins: bool = False  # some thread never sleeps
    shm_bytes: int = 0

    @property
    def pinned(self) -> set[int]:
        """Every core that a thread is pinned to."""
        return {*self.cores.values(), *self.shared_cores}


def _pow2(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()


def segment_bytes(settings: Settings) -> int:
    """Return how much shared memory a trader with these settings takes, rather too much."""
    lanes = 1 if settings.feed_mode == "loop" else 2
    symbols = max(8, _pow2(len(settings.symbols)))
    tap = _pow2(max(4096, settings.tap_mb << 20)) * TAP_SHARE
    per_lane = LANE_BYTES + TICK_BYTES * _pow2(settings.market_queue_size) + tap
    total = BASE_BYTES + SYMBOL_BYTES * symbols + lanes * per_lane
    total += EVENT_BYTES * _pow2(settings.opportunity_queue_size)
    total += ORDER_BYTES * _pow2(settings.order_queue_size)
    own = sum(":" in name for name in settings.strategies)
    return int(total * MARGIN) + own * DOOR_BYTES


def wanted_of(settings: Settings) -> Wanted:
    """Return what the settings, with the cores as they were written, ask for.

    A core of a stage that has no thread of its own is not asked for.
    """
    cores: dict[str, int] = {}
    stages = settings.placed_stages
    if stages in {"split", "fused"} and settings.detector_core is not None:
        cores["detector" if stages == "split" else "detector and strategy"] = settings.detector_core
    if stages == "split" and settings.strategy_core is not None:
        cores["strategy"] = settings.strategy_core
    spins = settings.loop_mode == "spin" or (stages != "inline" and settings.wait == "spin")
    return Wanted(cores, settings.websocket_cores, spins, segment_bytes(settings))
