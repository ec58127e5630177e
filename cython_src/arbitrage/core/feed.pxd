cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from picows.picows cimport WSFrame, WSListener

from arbitrage.core.book cimport arb_book_t, arb_depth_t
from arbitrage.core.clock cimport arb_clock_t
from arbitrage.core.loop cimport LoopPoller
from arbitrage.core.memory cimport AlignedMemory
from arbitrage.core.records cimport arb_tick_t
from arbitrage.core.segment cimport Segment
from arbitrage.core.stages cimport Stages


cdef extern from "feed_lane.h" nogil:
    ctypedef struct arb_feed_row_t:
        arb_book_t *book         # NULL: no depth is subscribed
        void *ladder
        uint8_t channel          # arb_depth_channel_t

    ctypedef struct arb_feed_t:
        arb_feed_row_t *rows     # by row, the lane thread's own
        arb_depth_t *depth       # scratch; NULL: no row has a book
        const arb_clock_t *clock
        void *detector           # its parker; NULL: it runs inside the callback
        uint32_t row_count
        uint32_t symbol_capacity

    ctypedef struct arb_warm_rows_t:
        uint64_t rounds

    const uint32_t ARB_WARM_LINES_A_TURN

    void arb_feed_name_rows(const arb_feed_t *feed, arb_warm_rows_t *rows) noexcept
    void arb_warm_rows_step(arb_warm_rows_t *rows, uint32_t lines, int64_t now_mono_ns) noexcept
    bint arb_feed_row_known(const arb_feed_row_t *row) noexcept
    void arb_feed_row_fill_tick(const arb_feed_row_t *row, uint32_t row_index,
                                arb_tick_t *tick) noexcept
    int arb_feed_on_frame(arb_feed_t *feed, uint32_t venue, uint32_t line, const char *frame,
                          size_t size, int64_t recv_mono_ns) noexcept
    uint32_t arb_feed_drop_line(arb_feed_t *feed, uint32_t venue, uint32_t line,
                                int64_t now_mono_ns) noexcept
    void arb_feed_push_state(arb_feed_t *feed, uint32_t venue, uint32_t row, uint32_t state,
                             int64_t now_mono_ns) noexcept
    bint arb_feed_confirm(arb_feed_t *feed, uint32_t venue, uint32_t row,
                          int64_t now_mono_ns) noexcept
    void arb_feed_push_funding(arb_feed_t *feed, uint32_t venue, uint32_t row, double rate,
                               double interval_h, int64_t next_wall_ns,
                               int64_t now_mono_ns) noexcept


cdef class FeedLane:
    cdef arb_feed_t feed
    cdef readonly Segment segment
    cdef readonly uint32_t index
    cdef object end              # our claim of the lane: one feed thread a lane
    cdef AlignedMemory rows      # what feed.rows points to
    cdef list memory             # books and scratch
    cdef AlignedMemory told      # where a book is laid out that is told; None: no row has one
    cdef arb_warm_rows_t warm    # what keep_warm asks for
    cdef Stages inline_stages    # run inside the callback; None in the other placements
    cdef LoopPoller poller       # told of activity; None: the loop only blocks

    @cython.final
    cdef void decide(self) noexcept


@cython.final
cdef class FeedListener(WSListener):
    cdef readonly FeedLane lane
    cdef readonly uint32_t venue
    cdef readonly uint32_t line  # number of this connection among the venue's parallel ones
    cdef readonly object transport
    cdef readonly int64_t last_frame_mono_ns
    cdef object on_slow
    cdef object on_connected
    cdef object on_disconnected
    cdef bytearray fragments     # of a message still arriving in pieces
    cdef void take_fragment(self, WSFrame frame, int64_t recv_mono_ns) except *
    cdef void take(self, const char *payload, size_t size, int64_t recv_mono_ns) except *
