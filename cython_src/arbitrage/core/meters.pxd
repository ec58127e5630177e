"""What a segment counts, as Python values; :class:`Segment` gives it out."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from arbitrage.core.segment_layout cimport arb_segment_t


cdef extern from "meters.h" nogil:
    ctypedef struct arb_queue_meter_t:
        uint64_t capacity
        uint64_t depth
        uint64_t pushed
        uint64_t dropped

    const char *const *arb_feed_counter_names() noexcept
    const char *const *arb_line_counter_names() noexcept
    const char *const *arb_row_counter_names() noexcept
    const char *const *arb_detector_counter_names() noexcept
    const char *const *arb_strategy_counter_names() noexcept
    const char *const *arb_gateway_counter_names() noexcept
    void arb_meter_ticks(const arb_segment_t *segment, arb_queue_meter_t *meter) noexcept
    void arb_meter_orders(const arb_segment_t *segment, arb_queue_meter_t *meter) noexcept


cdef dict counters_of(const arb_segment_t *segment, tuple venues)
cdef dict queues_of(const arb_segment_t *segment)
cdef object allocations_of(const arb_segment_t *segment)
cdef object put_allocations(const arb_segment_t *segment, uint32_t place)
cdef list threads_of(const arb_segment_t *segment)
cdef int enter_thread(const arb_segment_t *segment, str role, int64_t tid, int core) except -1
cdef void leave_thread(const arb_segment_t *segment, int place)
