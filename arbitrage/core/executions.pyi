from typing_extensions import disjoint_base

from arbitrage.core.ring import MpscRing

EXEC_SENT: int
EXEC_ACK: int
EXEC_REJECT: int
EXEC_FILL: int
EXEC_DONE: int
EXEC_TIMEOUT: int
COUNTER_NAMES: tuple[str, ...]

@disjoint_base
class GatewayCounters:
    def __init__(self, *args: object, **kwargs: object) -> None: ...
    def as_dict(self) -> dict[str, int]: ...
    def connected(self) -> None: ...
    def disconnected(self) -> None: ...
    def clock_now(self, offset_ms: int, rtt_us: int, steps: int) -> None: ...

@disjoint_base
class ExecPublisher:
    counters: GatewayCounters
    reject_codes: dict[int, int]
    def __init__(self, ring: MpscRing, counters: GatewayCounters | None = None) -> None: ...
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
