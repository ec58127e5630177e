from collections.abc import Callable
from decimal import Decimal
from typing import Any

from typing_extensions import disjoint_base

from arbitrage.core.clock import Clock
from arbitrage.core.executions import ExecPublisher
from arbitrage.core.histogram import Histogram
from arbitrage.core.kill import KillGate
from arbitrage.core.rate import RateBucket
from arbitrage.core.ring import SpscRing
from arbitrage.core.send_buffers import BufferPool
from arbitrage.core.sent_orders import SentOrders

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

@disjoint_base
class OrderSender(SentOrders):
    pool: BufferPool
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
    def keep_warm(self, on: bool) -> None: ...
    def stand_beside(self, other: OrderSender) -> None: ...
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
    @property
    def rehearsed_count(self) -> int: ...
    def poll(self) -> int: ...
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
