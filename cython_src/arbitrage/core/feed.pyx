"""Feeds: picows listeners parse public frames in place and push ticks without a Python object."""

cimport cython
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memset

from picows.picows cimport WSFrame, WSListener, WSMsgType, WSTransport

from arbitrage.core.book cimport (
    ARB_BOOK_BYBIT_50,
    ARB_BOOK_OKX_5,
    ARB_BOOK_OKX_400,
    ARB_DEPTH_ASK,
    ARB_DEPTH_BID,
    ARB_DEPTH_BYBIT_50,
    ARB_DEPTH_OKX_BOOKS,
    ARB_DEPTH_OKX_BOOKS5,
    arb_book_bytes,
    arb_book_init,
    arb_book_t,
    arb_book_top,
    arb_depth_t,
    arb_level_t,
)
from arbitrage.core.clock cimport arb_clock_now
from arbitrage.core.loop cimport LoopPoller
from arbitrage.core.records cimport ARB_FRAME_CONTROL, ARB_FRAME_OTHER_TOPIC, arb_tick_t
from arbitrage.core.segment_layout cimport (
    ARB_LINES_MAX,
    ARB_SECTION_CLOCK,
    ARB_SECTION_FEED_COUNTERS,
    ARB_SECTION_HISTOGRAMS,
    ARB_SECTION_LADDERS,
    ARB_SECTION_LANES,
    ARB_SECTION_LINES,
    ARB_SECTION_PARKERS,
    ARB_SECTION_ROWS,
    ARB_SECTION_SYMBOLS,
    ARB_SECTION_TAPS,
    ARB_STAGE_PARSED,
    ARB_VENUE_COUNT,
    ARB_VENUES_MAX,
)
from arbitrage.core.stages cimport Stages

cdef extern from *:
    """
    #include "told_book.h"

    static void arb_feed_wire(arb_feed_t *feed, void *lane, void *symbols, void *parsed,
                              void *clock, void *tap, void *parker, void *rows)
    {
        feed->lane = (arb_lane_t *)lane;
        feed->symbols = (const arb_symbol_map_t *)symbols;
        feed->parsed = (arb_histogram_t *)parsed;
        feed->clock = (const arb_clock_t *)clock;
        feed->tap = (arb_frame_tap_t *)tap;
        feed->detector = (arb_parker_t *)parker;
        feed->row_counters = (arb_row_counters_t *)rows;
    }
    static void arb_feed_wire_counters(arb_feed_t *feed, uint32_t venue, void *counters)
    {
        feed->counters[venue] = (arb_feed_counters_t *)counters;
    }
    static void arb_feed_wire_line(arb_feed_t *feed, uint32_t venue, uint32_t line, void *counters)
    {
        feed->lines[venue][line] = (arb_line_counters_t *)counters;
    }
    static void arb_feed_count_connect(arb_feed_t *feed, uint32_t venue, uint32_t line)
    {
        arb_count(&feed->counters[venue]->connects, 1);
        arb_count(&feed->lines[venue][line]->connects, 1);
    }
    static void arb_feed_count_disconnect(arb_feed_t *feed, uint32_t venue, uint32_t line)
    {
        arb_count(&feed->counters[venue]->disconnects, 1);
        arb_count(&feed->lines[venue][line]->disconnects, 1);
    }
    static void arb_feed_enable_tap(arb_feed_t *feed, int enabled)
    {
        arb_tap_enable(feed->tap, enabled);
    }
    """
    void arb_feed_wire(arb_feed_t *feed, void *lane, void *symbols, void *parsed,
                       void *clock, void *tap, void *parker, void *rows) nogil
    void arb_feed_wire_counters(arb_feed_t *feed, uint32_t venue, void *counters) nogil
    void arb_feed_wire_line(arb_feed_t *feed, uint32_t venue, uint32_t line, void *counters) nogil
    void arb_feed_count_connect(arb_feed_t *feed, uint32_t venue, uint32_t line) nogil
    void arb_feed_count_disconnect(arb_feed_t *feed, uint32_t venue, uint32_t line) nogil
    void arb_feed_enable_tap(arb_feed_t *feed, int enabled) nogil

cdef extern from "told_book.h" nogil:
    enum:
        ARB_TOLD_BOOK_BYTES_MAX

    bint arb_feed_tell_book(arb_feed_t *feed, uint32_t venue, uint32_t row, void *scratch,
                            int64_t now_mono_ns) noexcept

cdef enum:
    MESSAGE_BYTES_MAX = 1 << 20  # a fragmented message longer than any venue's is dropped

LINES_MAX = ARB_LINES_MAX

# depth channel -> (venue, arb_depth_channel_t, levels a side)
cdef dict CHANNELS = {
    "orderbook.50": (0, ARB_DEPTH_BYBIT_50, ARB_BOOK_BYBIT_50),
    "books": (1, ARB_DEPTH_OKX_BOOKS, ARB_BOOK_OKX_400),
    "books5": (1, ARB_DEPTH_OKX_BOOKS5, ARB_BOOK_OKX_5),
}


cdef class FeedLane:
    """One feed thread's way into the segment: its tick ring, its books, its counters.

    Threads: all methods on the lane's feed thread.

    Parameters
    ----------
    segment : Segment
        Writable: created here or attached by a feed process.
    index : int
        Which lane, 0 to lane_count - 1. One thread a lane.
    """

    def __cinit__(self):
        self.feed.rows = NULL
        self.memory = []

    def __init__(self, Segment segment not None, index: int) -> None:
        cdef int venue
        cdef int line
        if self.feed.rows != NULL:
            raise ValueError("a FeedLane cannot be initialised twice")
        if not 0 <= index < segment.ptr.spec.lane_count:
            raise IndexError(f"lane was {index}; the segment has {segment.ptr.spec.lane_count}")
        if segment.readonly:
            raise ValueError("a feed lane writes; attach the segment with writable=True")
        self.end = segment.lane(index).producer()
        self.segment = segment
        self.index = index
        self.feed.symbol_capacity = segment.ptr.spec.symbol_capacity
        self.feed.row_count = ARB_VENUE_COUNT * segment.ptr.spec.symbol_capacity
        self.rows = AlignedMemory(self.feed.row_count * sizeof(arb_feed_row_t))
        memset(self.rows.ptr, 0, len(self.rows))
        self.feed.rows = <arb_feed_row_t *>self.rows.ptr
        arb_feed_wire(&self.feed, segment.block(ARB_SECTION_LANES, index),
                      segment.block(ARB_SECTION_SYMBOLS, 0),
                      segment.block(ARB_SECTION_HISTOGRAMS, ARB_STAGE_PARSED + index),
                      segment.block(ARB_SECTION_CLOCK, 0), segment.block(ARB_SECTION_TAPS, index),
                      segment.block(ARB_SECTION_PARKERS, 0), segment.block(ARB_SECTION_ROWS, 0))
        for venue in range(ARB_VENUE_COUNT):
            arb_feed_wire_counters(&self.feed, venue, segment.block(
                ARB_SECTION_FEED_COUNTERS, index * ARB_VENUES_MAX + venue))
            for line in range(ARB_LINES_MAX):
                arb_feed_wire_line(&self.feed, venue, line, segment.block(
                    ARB_SECTION_LINES,
                    (index * ARB_VENUES_MAX + venue) * ARB_LINES_MAX + line))
        arb_feed_name_rows(&self.feed, &self.warm)

    def keep_warm(self) -> None:
        """Name the next lines of rows and names to the caches (warm_rows.h).

        For turns of this lane's loop that find nothing to do.
        """
        arb_warm_rows_step(&self.warm, ARB_WARM_LINES_A_TURN, arb_clock_now(self.feed.clock))

    @property
    def warm_rounds(self) -> int:
        """How often all lines have been named."""
        return self.warm.rounds

    def hold_book(self, row: int, channel: str) -> None:
        """Keep a row's order book from now on, and serve the row only while the book is held.

        Before the row's first frame: the memory is taken here, once. ``orderbook.50`` for Bybit's
        rows, ``books`` or ``books5`` for OKX'.
        """
        cdef arb_feed_row_t *held
        cdef AlignedMemory memory
        self.check_row(row)
        if channel not in CHANNELS or CHANNELS[channel][0] != self.venue_of(row):
            raise ValueError(f"channel was {channel!r}, row {row} is of venue {self.venue_of(row)};"
                             " accepted are orderbook.50 for 0, books and books5 for 1")
        _, channel_id, levels = CHANNELS[channel]
        held = &self.feed.rows[<int>row]
        if held.book != NULL:
            if held.channel != channel_id:
                raise ValueError(f"row {row} has a book of another channel than {channel}")
            return
        if self.feed.depth == NULL:
            memory = AlignedMemory(sizeof(arb_depth_t))
            self.memory.append(memory)
            memset(memory.ptr, 0, sizeof(arb_depth_t))  # its pages must not fault in a callback
            self.feed.depth = <arb_depth_t *>memory.ptr
        memory = AlignedMemory(arb_book_bytes(levels))
        self.memory.append(memory)
        arb_book_init(<arb_book_t *>memory.ptr, levels)
        if self.told is None:
            self.told = AlignedMemory(ARB_TOLD_BOOK_BYTES_MAX)
            memset(self.told.ptr, 0, ARB_TOLD_BOOK_BYTES_MAX)  # as above
        held.channel = channel_id
        held.ladder = self.segment.block(ARB_SECTION_LADDERS, row)
        held.book = <arb_book_t *>memory.ptr

    def book(self, row: int):
        """Return a row's whole book (bids, asks, seq), levels as (px, qty) and best first.

        None while no book is held. It makes objects: for tests and looking, not for each frame.
        """
        cdef const arb_book_t *book
        cdef const arb_level_t *levels
        cdef uint32_t side, found, index
        self.check_row(row)
        book = self.feed.rows[<int>row].book
        if book == NULL or not book.held:
            return None
        sides = []
        for side in (ARB_DEPTH_BID, ARB_DEPTH_ASK):
            levels = arb_book_top(book, side, book.count[side], &found)
            sides.append([(levels[index].px, levels[index].qty) for index in range(found)])
        return sides[0], sides[1], book.seq

    def tell_book(self, row: int) -> bool:
        """Tell a row's whole book to the lane's tap, for recorders that have not seen it stated.

        False: none is held, the tap is off, or too small for it.
        """
        self.check_row(row)
        if self.told is None:
            return False
        return arb_feed_tell_book(&self.feed, self.venue_of(row), row, self.told.ptr,
                                  arb_clock_now(self.feed.clock))

    def attach_loop(self, poller: LoopPoller | None, stages: Stages | None = None) -> None:
        """Name the poller of this lane's loop; inline: also the stages to run in the callback."""
        self.poller = poller
        self.inline_stages = stages
        if stages is not None:
            self.feed.detector = NULL  # nobody sleeps who would have to be woken

    @cython.final
    cdef void decide(self) noexcept:
        # inline: detector and strategy on what was just pushed, and what they order leaves at once
        if self.inline_stages is not None and self.inline_stages.turn_inline() and \
                self.poller is not None:
            self.poller.send_now()

    def on_frame(self, venue: int, frame: bytes, recv_mono_ns: int = 0, line: int = 0) -> int:
        """Take one frame as a listener would; return its arb_frame_status_t. 0: received now."""
        cdef const char *payload = frame
        cdef size_t size = len(frame)
        cdef int64_t recv
        self.check_venue(venue)
        self.check_line(line)
        # stamped last: what Python did before it is not the frame's latency
        recv = recv_mono_ns if recv_mono_ns else arb_clock_now(self.feed.clock)
        status = arb_feed_on_frame(&self.feed, venue, line, payload, size, recv)
        self.decide()
        return status

    def push_state(self, row: int, state: int, mono_ns: int = 0) -> None:
        """Tell the detector that a row's state changed (RowState number), at mono_ns; 0: now."""
        cdef int64_t at = mono_ns if mono_ns else arb_clock_now(self.feed.clock)
        self.check_row(row)
        arb_feed_push_state(&self.feed, self.venue_of(row), row, state, at)
        self.decide()

    def drop_line(self, venue: int, line: int, mono_ns: int = 0) -> int:
        """Tell that one of a venue's parallel connections has ended; return how many rows it cost.

        A row that no other line serves becomes SYNCING, and GAP where the others' had lost
        something; all other rows stay as they are.
        """
        cdef int64_t at = mono_ns if mono_ns else arb_clock_now(self.feed.clock)
        self.check_venue(venue)
        self.check_line(line)
        lost = arb_feed_drop_line(&self.feed, venue, line, at)
        self.decide()
        return lost

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
        self.decide()

    def top(self, row: int):
        """Return a row's bid_px, ask_px, bid_qty, ask_qty (NaN: none); None: nothing is known."""
        cdef arb_tick_t tick
        self.check_row(row)
        if not arb_feed_row_known(&self.feed.rows[<int>row]):
            return None
        arb_feed_row_fill_tick(&self.feed.rows[<int>row], row, &tick)
        return tick.bid_px, tick.ask_px, tick.bid_qty, tick.ask_qty

    def confirm(self, row: int) -> bool:
        """Tell the detector that the venue still stands at the row's top; False: none is held."""
        self.check_row(row)
        confirmed = arb_feed_confirm(&self.feed, self.venue_of(row), row,
                                     arb_clock_now(self.feed.clock))
        self.decide()
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

    def check_line(self, line: int) -> None:
        """Raise ValueError unless a venue may have so many parallel connections."""
        if not 0 <= line < ARB_LINES_MAX:
            raise ValueError(f"line was {line}; accepted are 0 to {ARB_LINES_MAX - 1}")

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
    line : int
        Which of the venue's parallel connections this is, 0 to 3.
    """

    def __init__(self, FeedLane lane not None, venue: int, on_slow, on_connected=None,
                 on_disconnected=None, line: int = 0) -> None:
        lane.check_venue(venue)
        lane.check_line(line)
        self.lane = lane
        self.venue = venue
        self.line = line
        self.on_slow = on_slow
        self.on_connected = on_connected
        self.on_disconnected = on_disconnected
        self.fragments = bytearray()

    cpdef on_ws_connected(self, WSTransport transport):
        self.transport = transport
        self.last_frame_mono_ns = arb_clock_now(self.lane.feed.clock)
        arb_feed_count_connect(&self.lane.feed, self.venue, self.line)
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
        cdef int status = arb_feed_on_frame(&lane.feed, self.venue, self.line, payload, size,
                                            recv_mono_ns)
        lane.decide()
        if lane.poller is not None:
            lane.poller.touch(recv_mono_ns)
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
        arb_feed_count_disconnect(&self.lane.feed, self.venue, self.line)
        self.transport = None
        if self.on_disconnected is not None:
            self.on_disconnected(self)
