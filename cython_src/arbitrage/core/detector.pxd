from libc.stdint cimport int64_t, uint32_t, uint64_t

from arbitrage.core.clock cimport arb_clock_t
from arbitrage.core.records cimport arb_opportunity_t, arb_tick_t
from arbitrage.core.lane cimport arb_lane_t
from arbitrage.core.ring cimport arb_broadcast_ring_t
from arbitrage.core.store cimport MarketStore, arb_market_store_t
from arbitrage.core.tap cimport arb_frame_tap_t


cdef extern from "detector.h" nogil:
    ctypedef struct arb_detector_counters_t:
        uint64_t opened
        uint64_t updated
        uint64_t closed
        uint64_t close_reasons[8]

    ctypedef struct arb_detector_config_t:
        double min_net_bps
        double min_gross_bps  # -INFINITY: off
        double min_confidence  # 0: off
        double slippage_bps
        double depth_factor  # 0: off
        double position_notional  # quote currency
        int64_t max_age_ns  # 0: off
        int64_t funding_horizon_ns
        int64_t stale_ns[4]  # per venue, 0: never
        int64_t suspect_ns[4]  # per venue, 0: never
        double suspect_bps
        int64_t sweep_period_ns  # 0: never
        int64_t wall_minus_mono_ns
        uint32_t fee_mode

    ctypedef struct arb_decisions_t:
        pass

    ctypedef struct arb_detector_t:
        arb_detector_config_t config
        arb_opportunity_t *events
        uint32_t event_count
        uint64_t opened_count
        arb_decisions_t *decisions  # NULL: not recorded

    int ARB_DETECTOR_LANES_MAX
    int ARB_DETECTOR_EVENTS_MAX
    int ARB_FEE_ROUND_TRIP
    int ARB_FEE_ENTRY

    arb_detector_config_t arb_detector_defaults() noexcept
    size_t arb_detector_state_bytes(uint32_t venue_count, uint32_t symbol_capacity) noexcept
    bint arb_detector_init(arb_detector_t *det, const arb_detector_config_t *config,
                           arb_market_store_t *store, void *state_memory, arb_lane_t **lanes,
                           uint32_t lane_count, arb_broadcast_ring_t *broadcast,
                           arb_detector_counters_t *counters, const arb_clock_t *clock) noexcept
    # detector thread only, all of these
    void arb_detector_handle(arb_detector_t *det, const arb_tick_t *tick, int64_t wall_ms) noexcept
    uint32_t arb_detector_poll(arb_detector_t *det, uint32_t ticks_max,
                               int64_t now_mono_ns) noexcept
    void arb_detector_sweep(arb_detector_t *det, int64_t now_mono_ns) noexcept
    bint arb_detector_sweep_row(arb_detector_t *det, uint32_t row, int64_t now_mono_ns) noexcept
    void arb_detector_close_symbol(arb_detector_t *det, uint32_t symbol,
                                   int64_t now_mono_ns) noexcept
    void arb_detector_close_all(arb_detector_t *det, int64_t now_mono_ns) noexcept
    void arb_detector_refresh_symbol(arb_detector_t *det, uint32_t symbol,
                                     int64_t now_wall_ns) noexcept
    size_t arb_decisions_bytes(uint32_t row_count) noexcept
    void arb_decisions_init(arb_decisions_t *decisions, arb_frame_tap_t *tap, uint32_t row_count,
                            int64_t round_ns) noexcept


cdef class OpportunityDetector:
    cdef arb_detector_t *ptr
    cdef readonly MarketStore store
    cdef void *state_memory
    cdef arb_detector_counters_t *own_counters
    cdef arb_detector_counters_t *counters_ptr
    cdef arb_lane_t *lanes[8]
    cdef void *decisions_memory  # of what is told; NULL: nothing is
    cdef object bound_to  # what keeps lanes, broadcast, counters and clock alive; None: not bound
    cdef arb_opportunity_t *buffer
    cdef uint32_t buffer_capacity
    cdef arb_detector_t *held(self) except NULL  # ptr, once __init__ was called
    cdef int make_room(self) except -1
    cdef int handle(self, const arb_tick_t *tick, int64_t wall_ms) except -1
    cdef int row_in_use(self, object venue, int symbol_index) except -1


# Connect a detector to the lanes it drains and to the broadcast it publishes on, before its thread
# starts; everything found so far is forgotten. counters and clock may be NULL; owner keeps all the
# memory alive.
cdef int detector_bind(OpportunityDetector detector, arb_lane_t **lanes, uint32_t lane_count,
                       arb_broadcast_ring_t *broadcast, arb_detector_counters_t *counters,
                       const arb_clock_t *clock, object owner) except -1

# Let a bound detector tell its decisions to a tap, before its thread starts; a round over all
# symbols takes round_ns. The tap lives as long as what the detector is bound to.
cdef int detector_tell(OpportunityDetector detector, arb_frame_tap_t *tap,
                       int64_t round_ns) except -1
