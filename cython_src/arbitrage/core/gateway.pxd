"""The way out: order rings to venue sockets."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from picows.picows cimport WSTransport

from arbitrage.core.histogram cimport Histogram
from arbitrage.core.kill cimport KillGate
from arbitrage.core.order_grid cimport arb_grid_t
from arbitrage.core.rate cimport arb_rate_bucket_t
from arbitrage.core.records cimport arb_order_t
from arbitrage.core.ring cimport arb_spsc_ring_t
from arbitrage.core.send_buffers cimport BufferPool, arb_buffer_pool_t
from arbitrage.core.sent_orders cimport SentOrders, arb_pending_orders_t


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

    ctypedef struct arb_order_template_t:
        pass

    uint32_t arb_order_template_index(uint8_t action, uint8_t side, uint8_t flags) noexcept
    uint32_t arb_order_encode(char *out, const arb_order_template_t *template_,
                              const arb_order_t *order, int64_t wall_ms) noexcept
    bint arb_order_template_build(arb_order_template_t *template_, const char *marked_text,
                                  size_t marked_bytes, arb_grid_t px, arb_grid_t qty,
                                  uint32_t expire_after_ms) noexcept


cdef extern from "order_rehearsal.h" nogil:
    ctypedef struct arb_warm_pace_t:
        pass

    ctypedef struct arb_order_rehearsal_t:
        arb_warm_pace_t pace
        uint64_t passes

    bint arb_warm_is_due(const arb_warm_pace_t *pace, int64_t now_mono_ns) noexcept
    void arb_warm_rest(arb_warm_pace_t *pace, int64_t begin_mono_ns, int64_t end_mono_ns) noexcept
    bint arb_order_rehearse(arb_order_rehearsal_t *rehearsal, arb_order_template_t **templates,
                            uint32_t row_count, arb_buffer_pool_t *pool,
                            const arb_pending_orders_t *pending) noexcept


cdef class OrderSender(SentOrders):
    cdef arb_spsc_ring_t *ring
    cdef object ring_owner
    cdef arb_spsc_ring_t *beside            # of the sender polled next; NULL: none is named
    cdef object beside_owner
    cdef readonly BufferPool pool
    cdef arb_order_template_t **templates   # by row; NULL: no such instrument here
    cdef arb_grid_t *grids                  # two a row: price, quantity
    cdef arb_regrid_t *regrids              # by row: from the grid that orders are counted on
    cdef uint32_t row_count
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

    cdef bint keeps_warm
    cdef arb_order_rehearsal_t rehearsal
    cdef void _keep_warm(self) noexcept

    cpdef int poll(self) except -1

    @cython.final
    cdef uint32_t send_c(self, arb_order_t *order, char *payload) except? 0xFFFFFFFF

    @cython.final
    cdef uint32_t _send_by_fallback(self, arb_order_t *order, int64_t now_ns) except? 0xFFFFFFFF

    @cython.final
    cdef void _on_grid(self, arb_order_t *order) noexcept

    @cython.final
    cdef bint _may_leave(self, arb_order_t *order) noexcept

    @cython.final
    cdef bint _has_tokens(self, arb_order_t *order, int64_t now_ns) noexcept

    @cython.final
    cdef void _take_tokens(self, arb_order_t *order, int64_t now_ns) noexcept
