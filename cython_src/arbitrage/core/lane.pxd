"""The lanes' C functions and their owner. Hot code calls the arb_* functions on `ptr` directly."""

from libc.stdint cimport uint32_t, uint64_t

from arbitrage.core.records cimport arb_tick_t
from arbitrage.core.ring cimport Queue, arb_spsc_ring_t

cdef extern from "market_pipeline.h" nogil:
    enum:
        ARB_LANE_KINDS           # least room arb_lane_take_overflow needs
        ARB_LANE_ROWS_MAX
    ctypedef struct arb_lane_t:
        uint32_t row_count       # rows that have overflow cells
        uint64_t overflowed      # feed thread: ticks written to overflow cells
        uint64_t refused         # feed thread: ticks without a cell, gone
        uint64_t overflow_taken  # detector: ticks taken from cells
        uint64_t overwritten     # detector: ticks overwritten before they were taken

    uint64_t arb_lane_bytes(uint32_t capacity, uint32_t row_count) noexcept
    void arb_lane_init(arb_lane_t *lane, uint32_t capacity, uint32_t row_count) noexcept
    arb_spsc_ring_t *arb_lane_ring(const arb_lane_t *lane) noexcept
    bint arb_lane_push(arb_lane_t *lane, const arb_tick_t *tick) noexcept
    const arb_tick_t *arb_lane_peek(arb_lane_t *lane) noexcept
    void arb_lane_advance(arb_lane_t *lane) noexcept
    bint arb_lane_overflow_pending(const arb_lane_t *lane) noexcept
    uint32_t arb_lane_take_overflow(
        arb_lane_t *lane, arb_tick_t *out, uint32_t ticks_max,
        uint64_t *overwritten_total) noexcept


cdef class Lane(Queue):
    cdef arb_lane_t *ptr


cdef class MarketPipeline:
    cdef readonly tuple lanes


# A lane in a segment: ptr stays valid while owner lives; writable is False on a read-only mapping.
cdef Lane Lane_wrap(arb_lane_t *ptr, object owner, bint writable=*)
