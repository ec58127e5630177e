"""Order gateways: take an order, encode it, send it, and remember it until it ends."""

from decimal import Decimal

cimport cython
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from picows.picows cimport WSMsgType, WSTransport

from arbitrage.core.clock cimport Clock, arb_wall_ns
from arbitrage.core.executions cimport ExecPublisher, arb_count
from arbitrage.core.histogram cimport Histogram, arb_histogram_record
from arbitrage.core.kill cimport ARB_KILLED_HERE, KillGate, arb_kill_lets, arb_kill_look
from arbitrage.core.order_grid cimport grid_of, grid_text
from arbitrage.core.rate cimport (
    RateBucket, arb_rate_bucket_t, arb_rate_may, arb_rate_take,
)
from arbitrage.core.records cimport ARB_EXEC_REJECT, ARB_EXEC_SENT, ARB_ORDER_REDUCE_ONLY
from arbitrage.core.ring cimport SpscRing, arb_spsc_expect, arb_spsc_peek, arb_spsc_try_pop
from arbitrage.core.send_buffers cimport (
    BufferPool, arb_buffer_pool_give, arb_buffer_pool_take,
)
from arbitrage.core.sent_orders cimport (
    SentOrders, arb_pending_add, arb_pending_expect, arb_pending_t,
)

# Why an order never left: venue_code of a REJECT that no venue wrote. Venues' own codes are larger.
REJECT_NOT_CONNECTED, REJECT_NO_TEMPLATE, REJECT_NOT_ENCODABLE = 1, 2, 3
REJECT_NO_BUFFER, REJECT_TOO_MANY_PENDING, REJECT_NOT_FOUND, REJECT_BLIND = 4, 5, 6, 7
REJECT_RATE = 8
ROWS_MAX = 8192
POLL_ORDERS_MAX = 64
# as an object once: made anew for each frame it costs more than the frame
cdef object TEXT_FRAME = WSMsgType.TEXT

cdef enum:
    NOT_CONNECTED = 1
    NO_TEMPLATE = 2
    NOT_ENCODABLE = 3
    NO_BUFFER = 4
    TOO_MANY_PENDING = 5
    BLIND = 7
    RATE = 8
    TEXT_BYTES = 640
    POLL_MAX = 64


cdef class OrderSender(SentOrders):
    """Take orders from a venue's ring and put their frames on its socket.

    Threads: everything here is called on the socket's loop thread; nothing blocks. An order that
    cannot leave is answered at once with a REJECT whose code is one of the `REJECT_*` below 10.

    Parameters
    ----------
    venue : int
        The venue's number, stamped on what is published.
    order_ring : SpscRing
        Orders from the strategy; this sender is its consumer.
    publisher : ExecPublisher
    pool : BufferPool, optional
        Send buffers; each must hold 627 bytes.
    pending_capacity : int
        Orders that may be unsettled at once, a power of two.
    clock : Clock, optional
        A clock cheaper than the system call.
    kill_gate : KillGate, optional
        Asked before each order; what it holds back is rejected with `REJECT_KILLED`.
    """

    def __cinit__(self):
        self.ring = NULL
        self.beside = NULL
        self.templates = NULL
        self.grids = NULL
        self.regrids = NULL
        self.rates = NULL
        self.row_count = 0

    def __init__(
        self,
        venue: int,
        order_ring: SpscRing,
        publisher: ExecPublisher,
        pool: BufferPool | None = None,
        pending_capacity: int = 4096,
        clock: Clock | None = None,
        kill_gate: KillGate | None = None,
    ) -> None:
        if order_ring is None or publisher is None:
            raise TypeError("order_ring and publisher are needed; one of them was None")
        self.ring = (<SpscRing>order_ring).ptr
        self.pool = BufferPool() if pool is None else pool
        if self.pool.ptr.payload_bytes < ARB_ORDER_FRAME_BYTES_MAX:
            raise ValueError(
                f"the pool's buffers hold {self.pool.ptr.payload_bytes} bytes; "
                f"an order frame may need {ARB_ORDER_FRAME_BYTES_MAX}"
            )
        self.remember(venue, publisher, pending_capacity, clock)
        # the claim: a second consumer of the ring is refused
        self.ring_owner = (order_ring, order_ring.consumer())
        self.kill_gate = KillGate() if kill_gate is None else kill_gate
        self.templates = <arb_order_template_t **>calloc(ROWS_MAX, sizeof(arb_order_template_t *))
        self.grids = <arb_grid_t *>calloc(2 * ROWS_MAX, sizeof(arb_grid_t))
        self.regrids = <arb_regrid_t *>calloc(ROWS_MAX, sizeof(arb_regrid_t))
        self.rates = <arb_rate_bucket_t **>calloc(2 * ROWS_MAX, sizeof(arb_rate_bucket_t *))
        self.rate_owners = {}
        if self.templates == NULL or self.grids == NULL or self.regrids == NULL or \
                self.rates == NULL:
            raise MemoryError()
        self.row_count = ROWS_MAX

    def __dealloc__(self):
        cdef uint32_t row
        for row in range(self.row_count):
            free(self.templates[row])
        free(self.templates)
        free(self.grids)
        free(self.regrids)
        free(self.rates)

    # ---- set-up ---------------------------------------------------------------------------------

    def add_instrument(
        self,
        row: int,
        tick: Decimal,
        lot: Decimal,
        texts: tuple[bytes, bytes, bytes, bytes, bytes],
        expire_after_ms: int = 0,
    ) -> None:
        """Build a row's templates: buy, sell, reduce-only buy, reduce-only sell, cancel.

        A text marks its holes with the bytes 1 to 5: client id, wall ms, price, quantity and
        expiry ms.
        """
        cdef arb_order_template_t *built
        cdef arb_grid_t px = grid_of(tick)
        cdef arb_grid_t qty = grid_of(lot)
        cdef bytes text
        if not 0 <= row < ROWS_MAX or len(texts) != ARB_ORDER_TEMPLATES_PER_SYMBOL:
            raise ValueError(f"row was {row} with {len(texts)} texts; rows end at {ROWS_MAX - 1} "
                             f"and {ARB_ORDER_TEMPLATES_PER_SYMBOL} texts are needed")
        built = <arb_order_template_t *>calloc(
            ARB_ORDER_TEMPLATES_PER_SYMBOL, sizeof(arb_order_template_t))
        if built == NULL:
            raise MemoryError()
        for index, text in enumerate(texts):
            if not arb_order_template_build(
                    &built[<int>index], text, len(text), px, qty, expire_after_ms):
                free(built)
                raise ValueError(f"order template {index} of row {row} is too long or malformed")
        free(self.templates[<int>row])
        self.templates[<int>row] = built
        self.grids[2 * <int>row] = px
        self.grids[2 * <int>row + 1] = qty

    def regrid(self, row: int, px_num: int, px_den: int, qty_num: int, qty_den: int) -> None:
        """Bring a row's orders from the grid that they are counted on to the one of its templates.

        The fractions are old tick over new tick and old lot over new lot. Prices that fall between
        two ticks go to the side that fills, quantities between two lots to the smaller one.
        """
        if not 0 <= row < ROWS_MAX or min(px_num, px_den, qty_num, qty_den) < 1:
            raise ValueError(f"row was {row} with {px_num}/{px_den} and {qty_num}/{qty_den}; rows "
                             f"end at {ROWS_MAX - 1}, fractions are above zero")
        self.regrids[<int>row].px_num = px_num
        self.regrids[<int>row].px_den = px_den
        self.regrids[<int>row].qty_num = qty_num
        self.regrids[<int>row].qty_den = qty_den

    @cython.final
    cdef void _on_grid(self, arb_order_t *order) noexcept:
        cdef arb_regrid_t *regrid = &self.regrids[order.row]
        if regrid.px_den != 0:
            order.px_ticks = arb_regrid_ticks(regrid, order.px_ticks, order.side)
            order.qty_lots = arb_regrid_lots(regrid, order.qty_lots)

    def attach(self, transport: object) -> None:
        """Send over this logged-in connection from now on.

        What is not picows' own transport, such as a line in memory, gets each frame by
        `send(type, bytes)`.
        """
        if isinstance(transport, WSTransport):
            self.transport, self.line = transport, None
        else:
            self.transport, self.line = None, transport
        self.publisher.counters.connected()

    def detach(self) -> None:
        """Send over no connection: orders are refused until the next `attach`."""
        if self.transport is not None or self.line is not None:
            self.publisher.counters.disconnected()
        self.transport = self.line = None

    def set_fallback(self, send: object, reducing_only: bool = False) -> None:
        """Hand orders to `send(client_id, row, action, side, reduce_only, px, qty)` while detached.

        With `reducing_only` just cancels and orders that reduce: an entry would come too late by a
        slower way. None removes it.
        """
        self.fallback = send
        self.fallback_reduces = reducing_only

    def limit_rate(self, bucket: RateBucket, is_cancel: bool = False, row: int = -1) -> None:
        """Refuse orders (or cancels) for which a bucket has no token, of one row or of all."""
        if bucket is None or not -1 <= row < ROWS_MAX:
            raise ValueError(f"row was {row} and bucket {bucket!r}; rows end at {ROWS_MAX - 1}")
        self.rate_owners[is_cancel, row] = bucket
        if row < 0:
            self.all_rates[1 if is_cancel else 0] = bucket.ptr
        else:
            self.rates[2 * <int>row + (1 if is_cancel else 0)] = bucket.ptr

    def keep_warm(self, on: bool) -> None:
        """Whether to rehearse orders while there is none, see order_rehearsal.h. Off at first."""
        self.keeps_warm = on

    def stand_beside(self, other: OrderSender) -> None:
        """Name the sender that is polled next, on the same thread: the orders of a pair are pushed
        at the same time, so its order is asked for while ours is written."""
        self.beside = other.ring
        self.beside_owner = other.ring_owner[0]

    def hold_entries(self, held: bool) -> None:
        """Refuse orders that do not reduce, while their executions could not be seen."""
        self.entries_held = held

    def set_wall_offset_ms(self, offset_ms: int) -> None:
        """Stamp frames with the local wall clock plus so many milliseconds."""
        self.wall_offset_ms = offset_ms

    def show_clock(self, offset_ms: int, rtt_us: int, steps: int) -> None:
        """Let the meters show how the venue's clock stands; stamps are another matter."""
        self.publisher.counters.clock_now(offset_ms, rtt_us, steps)

    def set_histograms(
        self,
        frame_to_sent: Histogram | None,
        detected_to_sent: Histogram | None,
        sent_to_ack: Histogram | None,
    ) -> None:
        """Record latencies, ns: causing frame to send, detection to send, send to ack."""
        self.frame_to_sent = frame_to_sent
        self.detected_to_sent = detected_to_sent
        self.sent_to_ack = sent_to_ack

    @property
    def is_attached(self) -> bool:
        """Whether orders can leave over a socket now."""
        if self.line is not None:
            return not self.line.is_disconnected
        return self.transport is not None and not self.transport.is_disconnected

    @property
    def rehearsed_count(self) -> int:
        """Orders rehearsed so far."""
        return self.rehearsal.passes

    # ---- the way out ----------------------------------------------------------------------------

    cpdef int poll(self) except -1:
        """Send what waits in the order ring; return how many orders were taken (at most 64).

        With nothing to send, and after :meth:`keep_warm`, an order is rehearsed now and then.
        """
        cdef arb_order_t order
        cdef int taken = 0
        cdef uint32_t refused
        cdef char *payload
        arb_kill_look(&self.kill_gate.gate)
        while taken < POLL_MAX and arb_spsc_peek(self.ring) != NULL:
            # before the order's slot goes back: a locked instruction waits until all stores before
            # it are done, this one for the strategy's core to hand over the slot's line
            payload = arb_buffer_pool_take(self.pool.ptr)
            arb_spsc_try_pop(self.ring, &order)
            if self.beside != NULL:
                arb_spsc_expect(self.beside)
            taken += 1
            arb_count(&self.publisher.counters.ptr.orders_taken, 1)
            try:
                refused = self.send_c(&order, payload)
            finally:
                if payload != NULL:
                    arb_buffer_pool_give(self.pool.ptr, payload)
            if refused != 0:
                arb_count(&self.publisher.counters.ptr.orders_unsendable, 1)
                if refused == ARB_KILLED_HERE:
                    arb_count(&self.publisher.counters.ptr.orders_killed, 1)
                self.publish_c(&order, ARB_EXEC_REJECT, refused)
        if taken == 0 and self.keeps_warm:
            self._keep_warm()
        return taken

    cdef void _keep_warm(self) noexcept:
        cdef int64_t begin_ns = self.now()
        if arb_warm_is_due(&self.rehearsal.pace, begin_ns):
            arb_order_rehearse(&self.rehearsal, self.templates, self.row_count, self.pool.ptr,
                               self.pending)
            arb_warm_rest(&self.rehearsal.pace, begin_ns, self.now())

    @cython.final
    cdef uint32_t send_c(self, arb_order_t *order, char *payload) except? 0xFFFFFFFF:
        # 0: the order left (or may have left); else the REJECT_* code of why it did not. payload:
        # a buffer for its frame, the caller's; NULL: there was none
        cdef uint32_t frame_bytes
        cdef arb_pending_t *entry = NULL
        cdef arb_order_t told
        cdef int64_t now_ns
        if order.row >= self.row_count or self.templates[order.row] == NULL:
            return NO_TEMPLATE
        if not self._may_leave(order):
            return ARB_KILLED_HERE
        if self.entries_held and order.action == 0 and not order.flags & ARB_ORDER_REDUCE_ONLY:
            return BLIND
        now_ns = self.now()
        if not self._has_tokens(order, now_ns):
            return RATE
        if self.line is not None:
            if self.line.is_disconnected:
                return self._send_by_fallback(order, now_ns)
        elif self.transport is None or self.transport.is_disconnected or \
                self.transport.is_close_frame_sent:
            return self._send_by_fallback(order, now_ns)
        if payload == NULL:
            return NO_BUFFER
        arb_pending_expect(self.pending, order.client_id)
        told = order[0]
        self._on_grid(&told)
        frame_bytes = arb_order_encode(
            payload,
            &self.templates[order.row][
                arb_order_template_index(order.action, order.side, order.flags)],
            &told,
            arb_wall_ns() // 1_000_000 + self.wall_offset_ms,
        )
        if frame_bytes == 0:
            return NOT_ENCODABLE
        # again, now that the order is stamped: none that leaves is stamped later than a trip
        if not self._may_leave(order):
            return ARB_KILLED_HERE
        if order.action == 0:
            entry = arb_pending_add(self.pending, order, now_ns)
            if entry == NULL:
                return TOO_MANY_PENDING
        self._take_tokens(order, now_ns)
        if self.line is not None:
            self.line.send(TEXT_FRAME, payload[:frame_bytes])
        else:
            # masks the payload and writes the header in front of it; copies what it cannot send now
            self.transport.send_reuse_external_buffer(WSMsgType.TEXT, payload, frame_bytes)
        now_ns = self.now()
        arb_count(&self.publisher.counters.ptr.frames_sent, 1)
        if entry != NULL:
            entry.sent_mono_ns = now_ns
        if order.opportunity_id != 0:
            if self.frame_to_sent is not None:
                arb_histogram_record(self.frame_to_sent.ptr, now_ns - order.recv_mono_ns)
            if self.detected_to_sent is not None:
                arb_histogram_record(
                    self.detected_to_sent.ptr, now_ns - order.recv_mono_ns - order.detected_ns)
        order.recv_mono_ns = now_ns
        self.publish_c(order, ARB_EXEC_SENT, 0)
        return 0

    @cython.final
    cdef bint _may_leave(self, arb_order_t *order) noexcept:
        # cancels always may
        return order.action != 0 or arb_kill_lets(
            &self.kill_gate.gate, order.flags & ARB_ORDER_REDUCE_ONLY)

    @cython.final
    cdef bint _has_tokens(self, arb_order_t *order, int64_t now_ns) noexcept:
        cdef int is_cancel = order.action != 0
        # cancels and orders that reduce may use the reserve and pass a pause
        cdef bint is_urgent = is_cancel or order.flags & ARB_ORDER_REDUCE_ONLY
        return arb_rate_may(self.all_rates[is_cancel], now_ns, is_urgent) and \
            arb_rate_may(self.rates[2 * order.row + is_cancel], now_ns, is_urgent)

    @cython.final
    cdef void _take_tokens(self, arb_order_t *order, int64_t now_ns) noexcept:
        cdef int is_cancel = order.action != 0
        arb_rate_take(self.all_rates[is_cancel], now_ns)
        arb_rate_take(self.rates[2 * order.row + is_cancel], now_ns)

    @cython.final
    cdef uint32_t _send_by_fallback(self, arb_order_t *order,
                                    int64_t now_ns) except? 0xFFFFFFFF:
        if self.fallback is None:
            return NOT_CONNECTED
        if self.fallback_reduces and order.action == 0 and \
                not order.flags & ARB_ORDER_REDUCE_ONLY:
            return NOT_CONNECTED
        cdef arb_order_t told = order[0]
        self._on_grid(&told)
        px = grid_text(told.px_ticks, self.grids[2 * order.row]).decode()
        qty = grid_text(told.qty_lots, self.grids[2 * order.row + 1]).decode()
        if order.action == 0:
            if not px or not qty:
                return NOT_ENCODABLE
            if arb_pending_add(self.pending, order, now_ns) == NULL:
                return TOO_MANY_PENDING
        self._take_tokens(order, now_ns)
        self.fallback(order.client_id, order.row, order.action, order.side,
                      bool(order.flags & ARB_ORDER_REDUCE_ONLY), px, qty)
        order.recv_mono_ns = self.now()
        self.publish_c(order, ARB_EXEC_SENT, 0)
        return 0

    def encode(self, client_id: int, row: int, side: int, px_ticks: int, qty_lots: int,
               wall_ms: int, reduce_only: bool = False, is_cancel: bool = False) -> bytes:
        """Return the frame an order would leave as; empty when it cannot be encoded. For tests."""
        cdef arb_order_t order
        cdef char text[TEXT_BYTES]
        cdef uint32_t frame_bytes
        memset(&order, 0, sizeof(order))
        order.client_id = client_id
        order.row = row
        order.side = side
        order.px_ticks = px_ticks
        order.qty_lots = qty_lots
        order.flags = 1 if reduce_only else 0
        order.action = 1 if is_cancel else 0
        if order.row >= self.row_count or self.templates[order.row] == NULL:
            raise KeyError(f"row {row} has no templates")
        self._on_grid(&order)
        frame_bytes = arb_order_encode(
            text,
            &self.templates[order.row][
                arb_order_template_index(order.action, order.side, order.flags)],
            &order, wall_ms)
        return text[:frame_bytes]
