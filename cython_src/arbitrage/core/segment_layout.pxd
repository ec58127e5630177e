"""What segment.h declares: the sections, their shared structs and how to find them."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from arbitrage.core.histogram cimport arb_histogram_t


cdef extern from "segment.h" nogil:
    enum:
        ARB_LANES_MAX
        ARB_THREADS_MAX
        ARB_LAYOUT_VERSION
        ARB_LINES_MAX
        ARB_VENUE_COUNT
        ARB_VENUES_MAX
        ARB_SYMBOLS_MAX
        ARB_FRAME_STATUS_COUNT
        ARB_CLOSE_REASON_COUNT
        ARB_RISK_REASON_COUNT

    ctypedef enum arb_section_t:
        ARB_SECTION_CONTROL
        ARB_SECTION_CLOCK
        ARB_SECTION_SYMBOLS
        ARB_SECTION_STORE
        ARB_SECTION_LANES
        ARB_SECTION_OPPORTUNITIES
        ARB_SECTION_PAIR_EVENTS
        ARB_SECTION_ORDERS
        ARB_SECTION_EXECUTIONS
        ARB_SECTION_NOTICES
        ARB_SECTION_TAPS
        ARB_SECTION_HISTOGRAMS
        ARB_SECTION_FEED_COUNTERS
        ARB_SECTION_DETECTOR_COUNTERS
        ARB_SECTION_STRATEGY_COUNTERS
        ARB_SECTION_GATEWAY_COUNTERS
        ARB_SECTION_THREADS
        ARB_SECTION_PARKERS
        ARB_SECTION_LADDERS
        ARB_SECTION_LINES
        ARB_SECTION_BOARD
        ARB_SECTION_ALLOCATIONS
        ARB_SECTION_DECISIONS
        ARB_SECTION_ROWS
        ARB_SECTION_COUNT

    ctypedef enum arb_stage_t:
        ARB_STAGE_PARSED
        ARB_STAGE_DETECTED
        ARB_STAGE_SEEN
        ARB_STAGE_DECIDED
        ARB_STAGE_TO_ORDER
        ARB_STAGE_NAKED
        ARB_STAGE_SENT
        ARB_STAGE_ACKNOWLEDGED
        ARB_STAGE_COUNT

    ctypedef enum arb_segment_state_t:
        ARB_SEGMENT_INITIALISING
        ARB_SEGMENT_READY
        ARB_SEGMENT_CLOSED

    ctypedef struct arb_segment_spec_t:
        uint32_t symbol_capacity        # canonical symbols
        uint32_t lane_count             # feed threads
        uint32_t tick_capacity          # ticks in each lane's ring, a power of two
        uint32_t opportunity_capacity
        uint32_t order_capacity         # orders in each venue's ring
        uint32_t execution_capacity
        uint32_t tap_bytes              # bytes in each lane's frame tap
        uint32_t parking                # 1: detector and strategy may sleep

    ctypedef struct arb_segment_t:
        uint64_t magic
        uint32_t layout_version
        uint32_t header_bytes
        uint64_t total_bytes
        uint64_t state                  # arb_segment_state_t
        int64_t owner_pid
        uint64_t owner_start_ticks
        int64_t created_wall_ns
        int64_t heartbeat_mono_ns
        uint64_t run                    # run number of the client ids
        char name[32]
        char mode[16]
        arb_segment_spec_t spec

    ctypedef struct arb_control_t:
        uint64_t stop                   # 1: hot threads return
        uint64_t opening_off            # 1: no new pairs
        uint64_t flatten                # 1: close every pair now
        uint64_t kill                   # 1: the kill switch has tripped
        uint8_t paused[ARB_SYMBOLS_MAX]

    ctypedef struct arb_thread_entry_t:
        char role[16]
        int64_t tid                     # 0: free
        int64_t core                    # -1: not pinned
        int64_t started_mono_ns
        uint64_t turns
        uint64_t work
        uint64_t allocations_c
        uint64_t allocations_python
        uint64_t allocations_known

    ctypedef struct arb_allocations_t:
        uint64_t known
        uint64_t hot
        uint64_t warm
        uint64_t cold

    void arb_segment_publish(arb_segment_t *segment) noexcept
    bint arb_segment_is_published(const arb_segment_t *segment) noexcept
    void arb_segment_plan(arb_segment_t *segment) noexcept
    void arb_segment_init_sections(arb_segment_t *segment) noexcept
    void *arb_segment_block(const arb_segment_t *segment, arb_section_t section,
                            uint32_t index) noexcept
    arb_histogram_t *arb_segment_histogram(const arb_segment_t *segment, uint32_t stage) noexcept
