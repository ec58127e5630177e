from libc.stdint cimport int64_t, uint32_t, uint64_t

from arbitrage.core.alloc_meter cimport arb_alloc_counters_t
from arbitrage.core.clock cimport arb_clock_t
from arbitrage.core.detector cimport OpportunityDetector
from arbitrage.core.loop cimport LoopPoller
from arbitrage.core.segment cimport Segment
from arbitrage.core.segment_layout cimport arb_thread_entry_t
from arbitrage.core.strategy cimport SpreadStrategy


cdef extern from "stages.h" nogil:
    ctypedef struct arb_warm_pace_t:
        uint64_t spent_ns

    ctypedef struct arb_warm_t:
        arb_warm_pace_t pace
        uint64_t passes
        uint64_t rehearsed

    ctypedef struct arb_warm_rows_t:
        uint64_t rounds

    ctypedef struct arb_stages_t:
        const arb_clock_t *clock
        arb_warm_rows_t rows
        arb_warm_t *warm       # NULL: the order path is not kept warm
        int64_t spin_ns
        uint32_t wait          # arb_wait_t

    uint64_t arb_stages_orders(const arb_stages_t *stages) noexcept
    uint32_t arb_stages_both(arb_stages_t *stages, int64_t now_mono_ns) noexcept


cdef enum:
    METERS_MAX = 4


ctypedef struct stage_meter_t:
    arb_thread_entry_t *entry
    arb_alloc_counters_t *counters      # the thread's own; gone when it ends
    uint64_t c_before
    uint64_t python_before


cdef class Stages:
    cdef arb_stages_t stages
    cdef readonly Segment segment
    cdef readonly OpportunityDetector detector
    cdef readonly SpreadStrategy strategy   # None: detection only
    cdef list ends                          # our claims of the rings we drain and publish on
    cdef readonly str placement
    cdef readonly str wait
    cdef LoopPoller poller                  # whose bell the strategy rings, or None
    cdef stage_meter_t meters[METERS_MAX]
    cdef uint32_t meter_count
    cdef arb_warm_t *warm                   # its memory
    cdef bint turn_inline(self) noexcept
    cdef int begin_to_keep_warm(self) except -1
    cdef arb_thread_entry_t *enter(self, str role, core)
