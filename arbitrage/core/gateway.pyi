from collections.abc import Callable
from decimal import Decimal
from typing import Any

from typing_extensions import disjoint_base

from arbitrage.core.clock import Clock
from arbitrage.core.histogram import Histogram
from arbitrage.core.kill import KillGate
from arbitrage.core.rate import RateBucket
from arbitrage.core.ring import MpscRing, SpscRing

EXEC_SENT: int
EXEC_ACK: int
EXEC_REJECT: int
EXEC_FILL: int
EXEC_DONE: int
EXEC_TIMEOUT: int
REJECT_NOT_CONNECTED: int
REJECT_NO_TEMPLATE: int
REJECT_NOT_ENCODABLE: int
REJECT_NO_BUFFER: int
REJECT_TOO_MANY_PENDING: int
REJECT_NOT_FOUND: int
REJECT_BLIND: int
REJECT_RATE: int
ROWS_MAX: int
POLL_ORDERS_MAX: int
COUNTER_NAMES: tuple[str, ...]

@disjoint_base
class BufferPool:
    def __init__(self, buffer_count: int = 8, payload_bytes: int = 640) -> None: ...
    @property
    def capacity(self) -> int: ...
    @property
    def payload_bytes(self) -> int: ...
    @property
    def available(self) -> int: ...
    @property
    def available_min(self) -> int: ...
    @property
    def taken_count(self) -> int: ...
    @property
    def exhausted_count(self) -> int: ...

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

@disjoint_base
class OrderSender:
    publisher: ExecPublisher
    pool: BufferPool
    venue: int
    kill_gate: KillGate
    def __init__(
        self,
        venue: int,
        order_ring: SpscRing,
        publisher: ExecPublisher,
        pool: BufferPool | None = None,
        pending_capacity: int = 4096,
        clock: Clock | None = None,
        kill_gate: KillGate | None = None,
    ) -> None: ...
    def add_instrument(
        self,
        row: int,
        tick: Decimal,
        lot: Decimal,
        texts: tuple[bytes, bytes, bytes, bytes, bytes],
        expire_after_ms: int = 0,
    ) -> None: ...
    def regrid(
        self, row: int, px_num: int, px_den: int, qty_num: int, qty_den: int
    ) -> None: ...
    def attach(self, transport: Any) -> None: ...
    def detach(self) -> None: ...
    def set_fallback(
        self,
        send: Callable[[int, int, int, int, bool, str, str], None] | None,
        reducing_only: bool = False,
    ) -> None: ...
    def limit_rate(self, bucket: RateBucket, is_cancel: bool = False, row: int = -1) -> None: ...
    def hold_entries(self, held: bool) -> None: ...
    def set_wall_offset_ms(self, offset_ms: int) -> None: ...
    def show_clock(self, offset_ms: int, rtt_us: int, steps: int) -> None: ...
    def set_histograms(
        self,
        frame_to_sent: Histogram | None,
        detected_to_sent: Histogram | None,
        sent_to_ack: Histogram | None,
    ) -> None: ...
    @property
    def is_attached(self) -> bool: ...
    def poll(self) -> int: ...
    def acknowledge(self, client_id: int, recv_mono_ns: int) -> bool: ...
    def reject(self, client_id: int, code: int, recv_mono_ns: int) -> bool: ...
    def settle(self, client_id: int) -> bool: ...
    def expire(self, timeout_ns: int) -> list[tuple[int, int, int]]: ...
    def doubt(self, client_id: int, code: int) -> tuple[int, int, int] | None: ...
    def was_acknowledged(self, client_id: int) -> bool: ...
    def unsettled(self) -> list[tuple[int, int, int]]: ...
    @property
    def unsettled_count(self) -> int: ...
    def encode(
        self,
        client_id: int,
        row: int,
        side: int,
        px_ticks: int,
        qty_lots: int,
        wall_ms: int,
        reduce_only: bool = False,
        is_cancel: bool = False,
    ) -> bytes: ...
