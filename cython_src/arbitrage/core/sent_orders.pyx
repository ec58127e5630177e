"""Orders that have left: remembered until the venue, or nobody, says how each ended."""

from libc.math cimport NAN
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from arbitrage.core.clock cimport Clock, arb_clock_now, arb_mono_ns
from arbitrage.core.histogram cimport arb_histogram_record
from arbitrage.core.records cimport (
    ARB_EXEC_ACK, ARB_EXEC_REJECT, ARB_EXEC_SENT, ARB_EXEC_TIMEOUT,
)


cdef class SentOrders:
    # What a sender knows of its orders after they left, and what it says of them. Threads: the
    # sender's loop thread.

    def __cinit__(self):
        self.pending = NULL
        self.clock = NULL

    cdef int remember(self, int venue, ExecPublisher publisher, object pending_capacity,
                      object clock) except -1:
        # set-up, once: pending_capacity is a power of two, clock a Clock or None
        if not 1 <= pending_capacity <= 1 << 20 or pending_capacity & (pending_capacity - 1):
            raise ValueError(
                f"pending_capacity was {pending_capacity}; a power of two up to 1048576 is needed"
            )
        if self.pending != NULL:
            raise RuntimeError("an OrderSender is set up once")
        self.venue = venue
        self.publisher = publisher
        if clock is not None:
            self.clock = (<Clock>clock).ptr
            self.clock_owner = clock
        self.pending = <arb_pending_orders_t *>malloc(arb_pending_orders_bytes(pending_capacity))
        if self.pending == NULL:
            raise MemoryError()
        arb_pending_orders_init(self.pending, pending_capacity)
        return 0

    def __dealloc__(self):
        free(self.pending)

    cdef int64_t now(self) noexcept:
        return arb_clock_now(self.clock) if self.clock != NULL else arb_mono_ns()

    cdef void publish_c(self, arb_order_t *order, uint8_t kind, uint32_t code) noexcept:
        cdef arb_exec_t execution
        memset(&execution, 0, sizeof(execution))
        execution.client_id = order.client_id
        execution.recv_mono_ns = order.recv_mono_ns if kind == ARB_EXEC_SENT else self.now()
        execution.px = NAN
        execution.cum_qty_lots = 0 if kind == ARB_EXEC_REJECT else -1
        execution.venue_code = code
        execution.row = order.row
        execution.venue = self.venue
        execution.kind = kind
        execution.side = order.side
        self.publisher.publish_c(&execution)

    cdef bint _publish_pending(self, arb_pending_t *entry, uint8_t kind, uint32_t code,
                               int64_t recv_mono_ns) noexcept:
        cdef arb_exec_t execution
        memset(&execution, 0, sizeof(execution))
        execution.client_id = entry.client_id
        execution.recv_mono_ns = recv_mono_ns
        execution.px = NAN
        execution.cum_qty_lots = 0 if kind == ARB_EXEC_REJECT else -1
        execution.venue_code = code
        execution.row = entry.row
        execution.venue = self.venue
        execution.kind = kind
        execution.side = entry.side
        return self.publisher.publish_c(&execution)

    def acknowledge(self, client_id: int, recv_mono_ns: int) -> bool:
        """Publish that the venue accepted an order; False when none waits for that."""
        cdef arb_pending_t *entry = arb_pending_find(self.pending, client_id)
        if entry == NULL or entry.state == ARB_PENDING_ACKED:
            return False
        if self.sent_to_ack is not None:
            arb_histogram_record(self.sent_to_ack.ptr, <int64_t>recv_mono_ns - entry.sent_mono_ns)
        entry.is_acked = 1
        # an expired order stays expired: it is being queried and its end will come from there
        if entry.state == ARB_PENDING_SENT:
            entry.state = ARB_PENDING_ACKED
        return self._publish_pending(entry, ARB_EXEC_ACK, 0, recv_mono_ns)

    def reject(self, client_id: int, code: int, recv_mono_ns: int) -> bool:
        """Publish that an order was refused and forget it; False when it is not unsettled."""
        cdef arb_pending_t *entry = arb_pending_find(self.pending, client_id)
        if entry == NULL:
            return False
        self._publish_pending(entry, ARB_EXEC_REJECT, code, recv_mono_ns)
        return arb_pending_settle(self.pending, client_id)

    def settle(self, client_id: int) -> bool:
        """Forget an order that is over; False when it was not unsettled."""
        return arb_pending_settle(self.pending, client_id)

    def expire(self, timeout_ns: int) -> list[tuple[int, int, int]]:
        """Publish TIMEOUT once for every order unsettled for longer than `timeout_ns`.

        Returns
        -------
        list of (client_id, row, sent_mono_ns)
            The orders to ask the venue about; empty is the normal case.
        """
        cdef int64_t now_ns = self.now()
        cdef arb_pending_t *entry
        expired = []
        if self.pending.unsettled_count == 0:
            return expired
        while True:
            entry = arb_pending_expire(self.pending, now_ns - <int64_t>timeout_ns)
            if entry == NULL:
                return expired
            self._publish_pending(entry, ARB_EXEC_TIMEOUT, 0, now_ns)
            expired.append((entry.client_id, entry.row, entry.sent_mono_ns))

    def doubt(self, client_id: int, code: int) -> tuple[int, int, int] | None:
        """Publish TIMEOUT for an order whose answer leaves its end open; None: not unsettled."""
        cdef arb_pending_t *entry = arb_pending_find(self.pending, client_id)
        if entry == NULL or entry.state == ARB_PENDING_EXPIRED:
            return None
        entry.state = ARB_PENDING_EXPIRED
        self._publish_pending(entry, ARB_EXEC_TIMEOUT, code, self.now())
        return (entry.client_id, entry.row, entry.sent_mono_ns)

    def was_acknowledged(self, client_id: int) -> bool:
        """Whether the venue accepted an order whose end is not known."""
        cdef arb_pending_t *entry = arb_pending_find(self.pending, client_id)
        return entry != NULL and entry.is_acked

    def unsettled(self) -> list[tuple[int, int, int]]:
        """Return (client_id, row, sent_mono_ns) of the orders whose end is not known."""
        cdef arb_pending_t *entries = arb_pending_entries(self.pending)
        cdef uint32_t position
        return [
            (entries[position].client_id, entries[position].row, entries[position].sent_mono_ns)
            for position in range(self.pending.capacity) if entries[position].state != 0
        ]

    @property
    def unsettled_count(self) -> int:
        """Orders whose end is not known."""
        return self.pending.unsettled_count
