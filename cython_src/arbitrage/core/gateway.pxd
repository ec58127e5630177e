"""The way out: order rings to venue sockets, and what the venues say back to the strategy."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from picows.picows cimport WSTransport

from arbitrage.core.clock cimport arb_clock_t
from arbitrage.core.histogram cimport Histogram
from arbitrage.core.kill cimport KillGate
from arbitrage.core.rate cimport arb_rate_bucket_t
from arbitrage.core.records cimport arb_exec_t, arb_order_t
from arbitrage.core.ring cimport arb_mpsc_ring_t, arb_parker_t, arb_spsc_ring_t


cdef extern from "counters.h" nogil:
    ctypedef struct arb_gateway_counters_t:
        uint64_t orders_taken         # orders popped from the ring
        uint64_t frames_sent
        uint64_t orders_unsendable    # refused here, for whatever reason
        uint64_t orders_killed        # of them: the kill switch had tripped
        uint64_t acks
        uint64_t rejects
        uint64_t fills
        uint64_t timeouts             # no answer in time: outcome unknown, queried
        uint64_t executions_dropped   # execution ring full
        uint64_t connects
        uint64_t disconnects
        uint64_t clock_ahead_ms       # now: the venue's clock is ahead of ours by so much, or ...
        uint64_t clock_behind_ms      # ... behind it
        uint64_t clock_rtt_us         # now: quickest question for its time
        uint64_t clock_steps          # corrections too large to slew

    void arb_count(uint64_t *counter, uint64_t amount) noexcept
    void arb_store_relaxed(uint64_t *word, uint64_t value) noexcept


cdef extern from "regrid.h" nogil:
    ctypedef struct arb_regrid_t:
        int64_t px_num
        int64_t px_den    # 0: the grid has not changed
        int64_t qty_num
        int64_t qty_den

    int64_t arb_regrid_ticks(const arb_regrid_t *regrid, int64_t ticks, uint8_t side) noexcept
    int64_t arb_regrid_lots(const arb_regrid_t *regrid, int64_t lots) noexcept


cdef extern from "order_frames.h" nogil:
    enum:
        ARB_ORDER_FRAME_BYTES_MAX
        ARB_ORDER_TEMPLATES_PER_SYMBOL
        ARB_ORDER_DECIMALS_MAX

    ctypedef struct arb_grid_t:
        int64_t mantissa      # one step is mantissa * 10^-decimals
        uint32_t decimals

    ctypedef struct arb_order_template_t:
        pass

    uint32_t arb_order_template_index(uint8_t action, uint8_t side, uint8_t flags) noexcept
    uint32_t arb_write_grid(char *out, int64_t count, arb_grid_t grid) noexcept
    uint32_t arb_order_encode(char *out, const arb_order_template_t *template_,
                              const arb_order_t *order, int64_t wall_ms) noexcept
    bint arb_order_template_build(arb_order_template_t *template_, const char *marked_text,
                                  size_t marked_bytes, arb_grid_t px, arb_grid_t qty,
                                  uint32_t expire_after_ms) noexcept


cdef extern from "buffer_pool.h" nogil:
    ctypedef struct arb_buffer_pool_t:
        uint32_t payload_bytes
        uint32_t buffer_count
        uint32_t free_count
        uint32_t free_count_min
        uint64_t taken_count
        uint64_t exhausted_count

    uint64_t arb_buffer_pool_bytes(uint32_t buffer_count, uint32_t payload_bytes) noexcept
    void arb_buffer_pool_init(arb_buffer_pool_t *pool, uint32_t buffer_count,
                              uint32_t payload_bytes) noexcept
    char *arb_buffer_pool_take(arb_buffer_pool_t *pool) noexcept
    bint arb_buffer_pool_give(arb_buffer_pool_t *pool, const char *payload) noexcept


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
    arb_pending_t *arb_pending_add(arb_pending_orders_t *orders, const arb_order_t *order,
                                   int64_t sent_mono_ns) noexcept
    bint arb_pending_settle(arb_pending_orders_t *orders, uint64_t client_id) noexcept
    arb_pending_t *arb_pending_expire(arb_pending_orders_t *orders,
                                      int64_t sent_before_mono_ns) noexcept


cdef class BufferPool:
    cdef arb_buffer_pool_t *ptr  # one thread


cdef class GatewayCounters:
    cdef arb_gateway_counters_t *ptr  # written by the gateway's loop thread alone
    cdef void *memory  # own allocation; NULL when borrowed
    cdef object owner  # keeps borrowed memory alive


cdef GatewayCounters GatewayCounters_wrap(arb_gateway_counters_t *ptr, object owner)


cdef class ExecPublisher:
    cdef arb_mpsc_ring_t *ring
    cdef object ring_owner
    cdef readonly GatewayCounters counters
    cdef arb_parker_t *parker         # the strategy thread's; NULL: it never parks
    cdef object parker_owner

    cdef void set_parker(self, arb_parker_t *parker, object owner) noexcept
    cdef bint publish_c(self, arb_exec_t *execution) noexcept


cdef class OrderSender:
    cdef arb_spsc_ring_t *ring
    cdef object ring_owner
    cdef readonly ExecPublisher publisher
    cdef readonly BufferPool pool
    cdef readonly int venue
    cdef arb_pending_orders_t *pending
    cdef arb_order_template_t **templates   # by row; NULL: no such instrument here
    cdef arb_grid_t *grids                  # two a row: price, quantity
    cdef arb_regrid_t *regrids              # by row: from the grid that orders are counted on
    cdef uint32_t row_count
    cdef arb_clock_t *clock
    cdef object clock_owner
    cdef WSTransport transport              # None: not logged in
    cdef object line                        # in place of the transport where it is not picows'
    cdef object fallback                    # sends by another way while there is no transport
    cdef bint fallback_reduces              # and only what reduces
    cdef arb_rate_bucket_t *all_rates[2]    # of all rows: orders, cancels; NULL: no limit
    cdef arb_rate_bucket_t **rates          # two a row: orders, cancels
    cdef dict rate_owners
    cdef int64_t wall_offset_ms
    cdef bint entries_held                  # only orders that reduce may leave
    cdef readonly KillGate kill_gate
    cdef Histogram frame_to_sent
    cdef Histogram detected_to_sent
    cdef Histogram sent_to_ack

    cpdef int poll(self) except -1
    cdef uint32_t send_c(self, arb_order_t *order) except? 0xFFFFFFFF
    cdef void publish_c(self, arb_order_t *order, uint8_t kind, uint32_t code) noexcept
    cdef uint32_t _send_by_fallback(self, arb_order_t *order, int64_t now_ns) except? 0xFFFFFFFF
    cdef void _on_grid(self, arb_order_t *order) noexcept
    cdef bint _may_leave(self, arb_order_t *order) noexcept
    cdef bint _has_tokens(self, arb_order_t *order, int64_t now_ns) noexcept
    cdef void _take_tokens(self, arb_order_t *order, int64_t now_ns) noexcept
    cdef bint _publish_pending(self, arb_pending_t *entry, uint8_t kind, uint32_t code,
                               int64_t recv_mono_ns) noexcept
    cdef int64_t now(self) noexcept
