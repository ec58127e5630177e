"""Feeds: picows listeners parse public frames in place and push ticks without a Python object."""

cimport cython
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free

from picows.picows cimport WSFrame, WSListener, WSMsgType, WSTransport

from arbitrage.core.clock cimport arb_clock_now
from arbitrage.core.loop cimport LoopPoller
from arbitrage.core.records cimport ARB_FRAME_CONTROL, ARB_FRAME_OTHER_TOPIC
from arbitrage.core.segment_layout cimport (
    ARB_SECTION_CLOCK,
    ARB_SECTION_FEED_COUNTERS,
    ARB_SECTION_HISTOGRAMS,
    ARB_SECTION_LANES,
    ARB_SECTION_PARKERS,
    ARB_SECTION_SYMBOLS,
    ARB_SECTION_TAPS,
    ARB_STAGE_PARSED,
    ARB_VENUE_COUNT,
    ARB_VENUES_MAX,
)
from arbitrage.core.stages cimport Stages

cdef extern from *:
    """
    #include "feed_lane.h"

    static void arb_feed_wire(arb_feed_t *feed, void *lane, void *symbols, void *parsed,
                              void *clock, void *tap, void *parker)
    {
        feed->lane = (arb_lane_t *)lane;
        feed->symbols = (const arb_symbol_map_t *)symbols;
        feed->parsed = (arb_histogram_t *)parsed;
        feed->clock = (const arb_clock_t *)clock;
        feed->tap = (arb_frame_tap_t *)tap;
        feed->detector = (arb_parker_t *)parker;
    }
    static void arb_feed_wire_counters(arb_feed_t *feed, uint32_t venue, void *counters)
    {
        feed->counters[venue] = (arb_feed_counters_t *)counters;
    }
    static void arb_feed_count_connect(arb_feed_t *feed, uint32_t venue)
    {
        arb_count(&feed->counters[venue]->connects, 1);
    }
    static void arb_feed_count_disconnect(arb_feed_t *feed, uint32_t venue)
    {
        arb_count(&feed->counters[venue]->disconnects, 1);
    }
    static void arb_feed_enable_tap(arb_feed_t *feed, int enabled)
    {
        arb_tap_enable(feed->tap, enabled);
    }
    """
    void arb_feed_wire(arb_feed_t *feed, void *lane, void *symbols, void *parsed,
                       void *clock, void *tap, void *parker) nogil
    void arb_feed_wire_counters(arb_feed_t *feed, uint32_t venue, void *counters) nogil
    void arb_feed_count_connect(arb_feed_t *feed, uint32_t venue) nogil
    void arb_feed_count_disconnect(arb_feed_t *feed, uint32_t venue) nogil
    void arb_feed_enable_tap(arb_feed_t *feed, int enabled) nogil

cdef enum:
    MESSAGE_BYTES_MAX = 1 << 20  # a fragmented message longer than any venue's is dropped


cdef class FeedLane:
    """One feed thread's way into the segment: its tick ring, its tops of book, its counters.

    Threads: all methods on the lane's feed thread.

    Parameters
    ----------
    segment : Segment
        Writable: created here or attached by a feed process.
    index : int
        Which lane, 0 to lane_count - 1. One thread a lane.
    """

    def __cinit__(self):
        self.feed.tops = NULL

    def __init__(self, Segment segment not None, index: int) -> None:
        cdef int venue
        if self.feed.tops != NULL:
            raise ValueError("a FeedLane cannot be initialised twice")
        if not 0 <= index < segment.ptr.spec.lane_count:
            raise IndexError(f"lane was {index}; the segment has {segment.ptr.spec.lane_count}")
        if segment.readonly:
            raise ValueError("a feed lane writes; attach the segment with writable=True")
        self.end = segment.lane(index).producer()
        self.segment = segment
        self.index = index
        self.feed.row_count = ARB_VENUE_COUNT * segment.ptr.spec.symbol_capacity
        self.feed.tops = <arb_top_t *>calloc(self.feed.row_count, sizeof(arb_top_t))
        if self.feed.tops == NULL:
            raise MemoryError()
        arb_feed_wire(&self.feed, segment.block(ARB_SECTION_LANES, index),
                      segment.block(ARB_SECTION_SYMBOLS, 0),
                      segment.block(ARB_SECTION_HISTOGRAMS, ARB_STAGE_PARSED + index),
                      segment.block(ARB_SECTION_CLOCK, 0), segment.block(ARB_SECTION_TAPS, index),
                      segment.block(ARB_SECTION_PARKERS, 0))
        for venue in range(ARB_VENUE_COUNT):
            arb_feed_wire_counters(&self.feed, venue, segment.block(
                ARB_SECTION_FEED_COUNTERS, index * ARB_VENUES_MAX + venue))

    def __dealloc__(self):
        free(self.feed.tops)

    def attach_loop(self, poller: LoopPoller | None, stages: Stages | None = None) -> None:
        """Name the poller of this lane's loop; inline: also the stages to run in the callback."""
        self.poller = poller
        self.inline_stages = stages

    def on_frame(self, venue: int, frame: bytes, recv_mono_ns: int = 0) -> int:
        """Take one frame as a listener would; return its arb_frame_status_t. 0: received now."""
        cdef const char *payload = frame
        cdef size_t size = len(frame)
        cdef int64_t recv
        self.check_venue(venue)
        # stamped last: what Python did before it is not the frame's latency
        recv = recv_mono_ns if recv_mono_ns else arb_clock_now(self.feed.clock)
        status = arb_feed_on_frame(&self.feed, venue, payload, size, recv)
        if self.inline_stages is not None:
            self.inline_stages.turn_inline()
        return status

    def push_state(self, row: int, state: int, mono_ns: int = 0) -> None:
        """Tell the detector that a row's state changed (RowState number), at mono_ns; 0: now."""
        cdef int64_t at = mono_ns if mono_ns else arb_clock_now(self.feed.clock)
        self.check_row(row)
        arb_feed_push_state(&self.feed, self.venue_of(row), row, state, at)
        if self.inline_stages is not None:
            self.inline_stages.turn_inline()

    def push_funding(
        self, row: int, rate: float, interval_h: float, next_wall_ns: int, mono_ns: int = 0
    ) -> None:
        """Tell the detector a row's funding: fraction an interval, hours, next time (wall ns).

        mono_ns is when it was received; 0: now.
        """
        cdef int64_t at = mono_ns if mono_ns else arb_clock_now(self.feed.clock)
        self.check_row(row)
        arb_feed_push_funding(&self.feed, self.venue_of(row), row, rate, interval_h, next_wall_ns,
                              at)
        if self.inline_stages is not None:
            self.inline_stages.turn_inline()

    def top(self, row: int):
        """Return a row's bid_px, ask_px, bid_qty, ask_qty (NaN: none); None: nothing is known."""
        cdef arb_top_t *top
        self.check_row(row)
        top = &self.feed.tops[row]
        if not top.held:
            return None
        return top.bid_px, top.ask_px, top.bid_qty, top.ask_qty

    def confirm(self, row: int) -> bool:
        """Tell the detector that the venue still stands at the row's top; False: none is held."""
        self.check_row(row)
        confirmed = arb_feed_confirm(&self.feed, self.venue_of(row), row,
                                     arb_clock_now(self.feed.clock))
        if self.inline_stages is not None:
            self.inline_stages.turn_inline()
        return confirmed

    def enable_tap(self, enabled: bool) -> None:
        """Copy every raw frame into this lane's tap, for recorders; off by default."""
        arb_feed_enable_tap(&self.feed, enabled)

    def check_row(self, row: int) -> None:
        """Raise IndexError unless the row lies in the segment."""
        if not 0 <= row < self.feed.row_count:
            raise IndexError(f"row was {row}; the segment has {self.feed.row_count}")

    def check_venue(self, venue: int) -> None:
        """Raise ValueError unless the venue is one this build speaks."""
        if not 0 <= venue < ARB_VENUE_COUNT:
            raise ValueError(f"venue was {venue}; accepted are 0 (bybit) and 1 (okx)")

    def venue_of(self, row: int) -> int:
        """Return the venue of a row."""
        return row // self.segment.ptr.spec.symbol_capacity


@cython.final
cdef class FeedListener(WSListener):
    """Listen on one public connection of one venue.

    Quote frames are parsed from picows' own buffer and become ticks. Every other text frame goes to
    `on_slow` as bytes.

    Threads: everything on the lane's loop thread.

    Parameters
    ----------
    lane : FeedLane
    venue : int
        0 bybit, 1 okx.
    on_slow : callable
        Takes the payload of acknowledgements, events, tickers and funding.
    on_connected, on_disconnected : callable or None
        Take this listener.
    """

    def __init__(self, FeedLane lane not None, venue: int, on_slow, on_connected=None,
                 on_disconnected=None) -> None:
        lane.check_venue(venue)
        self.lane = lane
        self.venue = venue
        self.on_slow = on_slow
        self.on_connected = on_connected
        self.on_disconnected = on_disconnected
        self.fragments = bytearray()

    cpdef on_ws_connected(self, WSTransport transport):
        self.transport = transport
        self.last_frame_mono_ns = arb_clock_now(self.lane.feed.clock)
        arb_feed_count_connect(&self.lane.feed, self.venue)
        if self.on_connected is not None:
            self.on_connected(self)

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef int64_t recv_mono_ns = arb_clock_now(self.lane.feed.clock)
        self.last_frame_mono_ns = recv_mono_ns
        if frame.msg_type == WSMsgType.TEXT and frame.fin:
            self.take(frame.payload_ptr, frame.payload_size, recv_mono_ns)
        elif frame.msg_type == WSMsgType.TEXT or frame.msg_type == WSMsgType.CONTINUATION:
            self.take_fragment(frame, recv_mono_ns)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()

    cdef void take(self, const char *payload, size_t size, int64_t recv_mono_ns) except *:
        cdef FeedLane lane = self.lane
        cdef int status = arb_feed_on_frame(&lane.feed, self.venue, payload, size, recv_mono_ns)
        if lane.inline_stages is not None:
            lane.inline_stages.turn_inline()
        if lane.poller is not None:
            lane.poller.touch()
        if status == ARB_FRAME_CONTROL or status == ARB_FRAME_OTHER_TOPIC:
            self.on_slow(payload[:size])

    cdef void take_fragment(self, WSFrame frame, int64_t recv_mono_ns) except *:
        # a message may arrive in pieces: no venue sends one today, the protocol allows it
        if frame.msg_type == WSMsgType.TEXT:
            self.fragments.clear()
        self.fragments += frame.payload_ptr[:frame.payload_size]
        if len(self.fragments) > MESSAGE_BYTES_MAX:
            self.fragments.clear()
            self.transport.disconnect()
        elif frame.fin:
            message = bytes(self.fragments)
            self.fragments.clear()
            self.take(message, len(message), recv_mono_ns)

    cpdef on_ws_disconnected(self, WSTransport transport):
        arb_feed_count_disconnect(&self.lane.feed, self.venue)
        self.transport = None
        if self.on_disconnected is not None:
            self.on_disconnected(self)
