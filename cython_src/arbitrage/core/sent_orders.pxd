"""Orders between their frame and their end."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from arbitrage.core.clock cimport arb_clock_t
from arbitrage.core.executions cimport ExecPublisher
from arbitrage.core.histogram cimport Histogram
from arbitrage.core.records cimport arb_exec_t, arb_order_t


cdef extern from "pending_orders.h" nogil:
    enum:
        ARB_PENDING_SENT
        ARB_PENDING_ACKED
        ARB_PENDING_EXPIRED

    ctypedef struct arb_pending_t:
        uint64_t client_id
        int64_t sent_mono_ns
        int64_t qty_lots
        uint16_t row
        uint8_t side
        uint8_t state
        uint32_t is_acked

    ctypedef struct arb_pending_orders_t:
        uint32_t capacity
        uint32_t unsettled_count

    uint64_t arb_pending_orders_bytes(uint32_t capacity) noexcept
    void arb_pending_orders_init(arb_pending_orders_t *orders, uint32_t capacity) noexcept
    arb_pending_t *arb_pending_entries(arb_pending_orders_t *orders) noexcept
    arb_pending_t *arb_pending_find(arb_pending_orders_t *orders, uint64_t client_id) noexcept
    void arb_pending_expect(arb_pending_orders_t *orders, uint64_t client_id) noexcept
    arb_pending_t *arb_pending_add(arb_pending_orders_t *orders, const arb_order_t *order,
                                   int64_t sent_mono_ns) noexcept
    bint arb_pending_settle(arb_pending_orders_t *orders, uint64_t client_id) noexcept
    arb_pending_t *arb_pending_expire(arb_pending_orders_t *orders,
                                      int64_t sent_before_mono_ns) noexcept


cdef class SentOrders:
    cdef arb_pending_orders_t *pending
    cdef readonly int venue
    cdef readonly ExecPublisher publisher
    cdef arb_clock_t *clock                 # NULL: the system's
    cdef object clock_owner
    cdef Histogram sent_to_ack

    cdef int remember(self, int venue, ExecPublisher publisher, object pending_capacity,
                      object clock) except -1
    cdef int64_t now(self) noexcept
    cdef void publish_c(self, arb_order_t *order, uint8_t kind, uint32_t code) noexcept
    cdef bint _publish_pending(self, arb_pending_t *entry, uint8_t kind, uint32_t code,
                               int64_t recv_mono_ns) noexcept
