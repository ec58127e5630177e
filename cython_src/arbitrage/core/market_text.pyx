"""Market records as raw frames again: the lines that a recorder would have written."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_Free
from libc.math cimport isfinite, isnan
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, strlen


cdef extern from "Python.h":
    char *PyOS_double_to_string(double value, char format_code, int precision, int flags,
                                int *ptype) except NULL


cdef extern from "market_record.h" nogil:
    ctypedef struct arb_market_t:
        int64_t recv_ns
        int64_t exch_ns
        double bid_px
        double bid_qty
        double ask_px
        double ask_qty
        int64_t number
        uint16_t symbol
        uint8_t venue
        uint8_t kind
        uint32_t flags

    enum:
        ARB_VENUE_COUNT
        ARB_VENUE_BYBIT
        ARB_MARKET_QUOTE
        ARB_MARKET_LEVEL
        ARB_MARKET_FUNDING
        ARB_MARKET_GAP
        ARB_MARKET_LAST
        ARB_MARKET_SNAPSHOT
        ARB_MARKET_BOOK
        ARB_MARKET_ALL_SYMBOLS

cdef extern from "quote_levels.h" nogil:
    int64_t ARB_SEQ_MAX

cdef enum:
    NUMBER_BYTES_MAX = 32     # a double in its shortest form, or 64 bits
    LEVEL_BYTES_MAX = 2 * NUMBER_BYTES_MAX + 24
    FRAME_BYTES_MAX = 1024    # of a frame beside its levels
    HOUR_MS = 3_600_000


cdef struct Text:
    char *start
    size_t bytes
    size_t room


cdef struct Row:
    uint64_t quotes           # frames of the L1 channel so far
    uint64_t updates          # Bybit's u of the book
    bint is_held              # a snapshot of the book was written
    int64_t seq               # OKX: what the book's next update names as the one before it
    double bid_px             # of the newest quote
    double ask_px


cdef int make_room(Text *text, size_t wanted) except -1:
    cdef char *grown
    cdef size_t room
    if text.room - text.bytes >= wanted:
        return 0
    room = 2 * text.room + wanted
    grown = <char *>realloc(text.start, room)
    if grown == NULL:
        raise MemoryError()
    text.start = grown
    text.room = room
    return 0


cdef void put(Text *text, const char *what, size_t length) noexcept:
    memcpy(text.start + text.bytes, what, length)
    text.bytes += length


cdef void say(Text *text, const char *what) noexcept:
    put(text, what, strlen(what))


cdef void put_whole(Text *text, int64_t value) noexcept:
    cdef char digits[20]
    cdef int first = 20
    while True:
        first -= 1
        digits[first] = <char>(48 + value % 10)
        value //= 10
        if value == 0:
            break
    put(text, digits + first, <size_t>(20 - first))


cdef int put_double(Text *text, double value) except -1:
    # the shortest text that is this double again
    cdef char *shown = PyOS_double_to_string(value, b"r", 0, 0, NULL)
    say(text, shown)
    PyMem_Free(shown)
    return 0


cdef class MarketText:
    """Write market records as lines of ``recv_ns TAB frame``, in each venue's own format.

    Times of a venue are whole milliseconds in its frames; Bybit's `u` is counted anew. A gap of a
    whole venue is no frame: :attr:`gaps` tells where it is.

    Threads: one.

    Parameters
    ----------
    names : sequence of sequence of bytes
        By venue and symbol: what the venue calls it.
    """

    cdef Text lines[2]
    cdef Text sides[2]
    cdef Row *rows
    cdef uint32_t symbol_count
    cdef list names
    cdef uint64_t record_count
    cdef uint64_t frame_counts[2]
    cdef int64_t pending_gap_ns[2]
    cdef bint has_pending_gap[2]
    cdef readonly list gaps

    def __init__(self, names) -> None:
        if self.rows != NULL:
            raise ValueError("a MarketText cannot be initialised twice")
        self.names = [list(of_venue) for of_venue in names]
        if len(self.names) != ARB_VENUE_COUNT or len(self.names[0]) != len(self.names[1]):
            raise ValueError("names are given for both venues, as many of each")
        self.symbol_count = <uint32_t>len(self.names[0])
        self.rows = <Row *>calloc(ARB_VENUE_COUNT * self.symbol_count + 1, sizeof(Row))
        if self.rows == NULL:
            raise MemoryError()
        for row in range(ARB_VENUE_COUNT * self.symbol_count):
            self.rows[row].bid_px = self.rows[row].ask_px = float("nan")
        self.gaps = []

    def __dealloc__(self):
        for place in range(2):
            free(self.lines[place].start)
            free(self.sides[place].start)
        free(self.rows)

    def take(self, records) -> None:
        """Write the records of a contiguous array of MARKET_DTYPE.

        Raises
        ------
        ValueError
            A record that no frame can say; it names the record, counted from 0, and why.
        """
        cdef Py_buffer view
        cdef const arb_market_t *at
        cdef size_t count, index
        if self.rows == NULL:
            raise ValueError("MarketText.__init__ was not called")
        PyObject_GetBuffer(records, &view, PyBUF_SIMPLE)
        try:
            if view.len % sizeof(arb_market_t) != 0:
                raise ValueError(f"records were {view.len} bytes, no multiple of 64")
            at = <const arb_market_t *>view.buf
            count = <size_t>view.len // sizeof(arb_market_t)
            for index in range(count):
                self.put_record(at + index)
                self.record_count += 1
        finally:
            PyBuffer_Release(&view)

    def text(self, uint32_t venue) -> bytes:
        """Return a venue's lines since the last call."""
        cdef Text *lines
        if venue >= ARB_VENUE_COUNT:
            raise ValueError(f"venue was {venue}; accepted values are 0 (bybit) and 1 (okx)")
        lines = &self.lines[venue]
        found = lines.start[:lines.bytes] if lines.bytes else b""
        lines.bytes = 0
        return found

    @property
    def frames(self) -> tuple[int, int]:
        """Frames written, by venue."""
        return self.frame_counts[0], self.frame_counts[1]

    cdef object refuse(self, str why):
        return ValueError(f"record {self.record_count} {why}")

    # ---- one record --------------------------------------------------------------------------

    cdef int put_record(self, const arb_market_t *record) except -1:
        cdef Row *row
        if record.venue >= ARB_VENUE_COUNT:
            raise self.refuse(f"has the venue {record.venue}, which is none")
        if record.kind == ARB_MARKET_GAP and record.symbol == ARB_MARKET_ALL_SYMBOLS:
            self.pending_gap_ns[record.venue] = record.recv_ns
            self.has_pending_gap[record.venue] = True
            return 0
        if record.symbol >= self.symbol_count:
            raise self.refuse(f"has the symbol {record.symbol}, which is none")
        if record.recv_ns < 0 or record.exch_ns < 0:
            raise self.refuse("has a time before 1970, which no frame can say")
        if record.kind != ARB_MARKET_FUNDING and not 0 <= record.number <= ARB_SEQ_MAX:
            raise self.refuse(f"has the number {record.number}; a frame's is 0 to {ARB_SEQ_MAX}")
        row = self.rows + record.venue * self.symbol_count + record.symbol
        if record.kind == ARB_MARKET_QUOTE:
            return self.put_quote(record, row)
        if record.kind == ARB_MARKET_LEVEL:
            return self.put_level(record, row)
        if record.kind == ARB_MARKET_FUNDING:
            return self.put_funding(record)
        if record.kind != ARB_MARKET_GAP:
            raise self.refuse(f"has the kind {record.kind}, which is none")
        if record.flags & ARB_MARKET_BOOK:
            return self.put_lost_book(record, row)
        return self.put_lost_quote(record, row)

    cdef int begin(self, const arb_market_t *record, size_t more) except -1:
        # Begin a line; a gap of the venue that waits for it is told to end here.
        cdef Text *lines = &self.lines[record.venue]
        make_room(lines, FRAME_BYTES_MAX + more)
        if self.has_pending_gap[record.venue]:
            self.gaps.append((record.venue, self.pending_gap_ns[record.venue], record.recv_ns))
            self.has_pending_gap[record.venue] = False
        put_whole(lines, record.recv_ns)
        say(lines, b"\t")
        self.frame_counts[record.venue] += 1
        return 0

    cdef int put_name(self, const arb_market_t *record) except -1:
        cdef bytes name = self.names[record.venue][record.symbol]
        cdef const char *text = name
        if not 1 <= len(name) <= 28:
            raise self.refuse(f"is of a symbol that the venue calls {name!r}, which is no name")
        put(&self.lines[record.venue], text, <size_t>len(name))
        return 0

    cdef int put_side(self, Text *text, const arb_market_t *record, double px, double qty,
                      bint may_go) except -1:
        # One level, with what the venue writes behind it.
        if not (px > 0 and isfinite(px)):
            raise self.refuse(f"has the price {px}, which no frame can say")
        if not isfinite(qty) or qty < 0 or (qty == 0 and not may_go):
            raise self.refuse(f"has the quantity {qty}, which no frame can say of a quote")
        say(text, b"[\"")
        put_double(text, px)
        say(text, b"\",\"")
        put_double(text, qty)
        say(text, b"\"]" if record.venue == ARB_VENUE_BYBIT else b"\",\"0\",\"1\"]")
        return 0

    cdef int put_bybit(self, const arb_market_t *record, const char *topic, bint is_delta,
                       int64_t number, Text *bids, Text *asks) except -1:
        cdef Text *lines = &self.lines[record.venue]
        cdef int64_t ms = record.exch_ns // 1_000_000
        self.begin(record, bids.bytes + asks.bytes)
        say(lines, b"{\"topic\":\"")
        say(lines, topic)
        self.put_name(record)
        say(lines, b"\",\"type\":\"delta\",\"ts\":" if is_delta
            else b"\",\"type\":\"snapshot\",\"ts\":")
        put_whole(lines, ms)
        say(lines, b",\"data\":{\"s\":\"")
        self.put_name(record)
        say(lines, b"\",\"b\":[")
        put(lines, bids.start, bids.bytes)
        say(lines, b"],\"a\":[")
        put(lines, asks.start, asks.bytes)
        say(lines, b"],\"u\":")
        put_whole(lines, number)
        say(lines, b",\"seq\":")
        put_whole(lines, record.number)
        say(lines, b"},\"cts\":")
        put_whole(lines, ms)
        say(lines, b"}\n")
        return 0

    cdef int put_okx(self, const arb_market_t *record, const char *channel, const char *action,
                     int64_t seq, int64_t prev, Text *bids, Text *asks) except -1:
        # action NULL: bbo-tbt, which has no chain.
        cdef Text *lines = &self.lines[record.venue]
        self.begin(record, bids.bytes + asks.bytes)
        say(lines, b"{\"arg\":{\"channel\":\"")
        say(lines, channel)
        say(lines, b"\",\"instId\":\"")
        self.put_name(record)
        say(lines, b"\"},")
        if action != NULL:
            say(lines, b"\"action\":\"")
            say(lines, action)
            say(lines, b"\",")
        say(lines, b"\"data\":[{\"asks\":[")
        put(lines, asks.start, asks.bytes)
        say(lines, b"],\"bids\":[")
        put(lines, bids.start, bids.bytes)
        say(lines, b"],\"ts\":\"")
        put_whole(lines, record.exch_ns // 1_000_000)
        say(lines, b"\",")
        if action != NULL:
            say(lines, b"\"checksum\":0,")
        say(lines, b"\"seqId\":")
        put_whole(lines, seq)
        if action != NULL:
            say(lines, b",\"prevSeqId\":")
            if prev < 0:
                say(lines, b"-1")
            else:
                put_whole(lines, prev)
        say(lines, b"}]}\n")
        return 0

    cdef int clear_sides(self, size_t more) except -1:
        for side in range(2):
            self.sides[side].bytes = 0
            make_room(&self.sides[side], more)
        return 0

    cdef int put_quote(self, const arb_market_t *record, Row *row) except -1:
        if record.bid_px > record.ask_px:
            raise self.refuse(
                f"has the bid {record.bid_px} above the ask {record.ask_px}; no frame can say that")
        self.clear_sides(LEVEL_BYTES_MAX)
        if not isnan(record.bid_px):
            self.put_side(&self.sides[0], record, record.bid_px, record.bid_qty, False)
        if not isnan(record.ask_px):
            self.put_side(&self.sides[1], record, record.ask_px, record.ask_qty, False)
        row.bid_px = record.bid_px
        row.ask_px = record.ask_px
        row.quotes += 1
        if record.venue == ARB_VENUE_BYBIT:
            self.put_bybit(record, b"orderbook.1.", False, <int64_t>row.quotes + 1,
                           &self.sides[0], &self.sides[1])
        else:
            self.put_okx(record, b"bbo-tbt", NULL, record.number, -1, &self.sides[0],
                         &self.sides[1])
        return self.clear_sides(0)  # a book's frame begins with empty ones

    cdef int put_level(self, const arb_market_t *record, Row *row) except -1:
        # A frame's levels are gathered until its last record.
        cdef Text *side
        if record.flags & ARB_MARKET_SNAPSHOT:
            self.clear_sides(0)
            row.updates = 0
            row.seq = -1
            row.is_held = True
        for place, px, qty in ((0, record.bid_px, record.bid_qty),
                               (1, record.ask_px, record.ask_qty)):
            side = &self.sides[place]
            make_room(side, LEVEL_BYTES_MAX)
            if not isnan(px):
                if side.bytes:
                    say(side, b",")
                self.put_side(side, record, px, qty, True)
        if not record.flags & ARB_MARKET_LAST:
            return 0
        if not row.is_held and row.updates == 0:
            row.updates = 1  # an update of a book that was never stated
        row.updates += 1  # 1: a snapshot that begins anew
        if record.venue == ARB_VENUE_BYBIT:
            self.put_bybit(record, b"orderbook.50.", row.updates > 1, <int64_t>row.updates,
                           &self.sides[0], &self.sides[1])
        else:
            self.put_okx(record, b"books", b"snapshot" if row.updates == 1 else b"update",
                         record.number, row.seq, &self.sides[0], &self.sides[1])
        row.seq = record.number
        return self.clear_sides(0)

    cdef int put_funding(self, const arb_market_t *record) except -1:
        cdef Text *lines = &self.lines[record.venue]
        cdef int64_t next_ms = record.number // 1_000_000
        cdef bint is_bybit = record.venue == ARB_VENUE_BYBIT
        if not isfinite(record.bid_px) or not 0 <= record.bid_qty < 1e6 or record.number <= 0:
            raise self.refuse("has no rate, interval or next settlement that a frame can say")
        self.begin(record, 0)
        if is_bybit:
            say(lines, b"{\"topic\":\"tickers.")
            self.put_name(record)
            say(lines, b"\",\"type\":\"snapshot\",\"data\":{\"symbol\":\"")
        else:
            say(lines, b"{\"arg\":{\"channel\":\"funding-rate\",\"instId\":\"")
            self.put_name(record)
            say(lines, b"\"},\"data\":[{\"instId\":\"")
        self.put_name(record)
        say(lines, b"\",\"fundingRate\":\"")
        put_double(lines, record.bid_px)
        say(lines, b"\",\"nextFundingTime\":\"" if is_bybit else b"\",\"fundingTime\":\"")
        put_whole(lines, next_ms)
        if is_bybit and record.bid_qty > 0:
            say(lines, b"\",\"fundingIntervalHour\":\"")
            put_double(lines, record.bid_qty)
        elif record.bid_qty > 0:
            say(lines, b"\",\"nextFundingTime\":\"")
            put_whole(lines, next_ms + <int64_t>(record.bid_qty * HOUR_MS + 0.5))
        say(lines, b"\"},\"cs\":0,\"ts\":" if is_bybit else b"\",\"ts\":\"")
        put_whole(lines, record.exch_ns // 1_000_000)
        say(lines, b"}\n" if is_bybit else b"\"}]}\n")
        return 0

    # ---- what was lost -----------------------------------------------------------------------

    cdef int put_lost_book(self, const arb_market_t *record, Row *row) except -1:
        # An update that does not continue the book.
        self.clear_sides(0)
        if record.venue == ARB_VENUE_BYBIT:
            return self.put_bybit(record, b"orderbook.50.", True, <int64_t>row.updates + 9,
                                  &self.sides[0], &self.sides[1])
        return self.put_okx(record, b"books", b"update", row.seq + 2, row.seq + 1,
                            &self.sides[0], &self.sides[1])

    cdef int put_lost_quote(self, const arb_market_t *record, Row *row) except -1:
        # Bybit: a delta that crosses what stands. OKX has no deltas: an empty top.
        self.clear_sides(LEVEL_BYTES_MAX)
        if record.venue != ARB_VENUE_BYBIT:
            self.put_okx(record, b"bbo-tbt", NULL, record.number, -1, &self.sides[0],
                         &self.sides[1])
        elif not isnan(row.ask_px) and isfinite(2 * row.ask_px):
            self.put_side(&self.sides[0], record, 2 * row.ask_px, 1, False)
            row.quotes += 1
            self.put_bybit(record, b"orderbook.1.", True, <int64_t>row.quotes + 1,
                           &self.sides[0], &self.sides[1])
        elif row.bid_px / 2 > 0:
            self.put_side(&self.sides[1], record, row.bid_px / 2, 1, False)
            row.quotes += 1
            self.put_bybit(record, b"orderbook.1.", True, <int64_t>row.quotes + 1,
                           &self.sides[0], &self.sides[1])
        row.bid_px = row.ask_px = float("nan")
        return self.clear_sides(0)
