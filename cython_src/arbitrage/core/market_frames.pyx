"""Recorded frames of both venues as market records, without Python per frame."""

from enum import IntEnum

from cpython.buffer cimport PyBUF_WRITE
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memmove, memset
from posix.stdlib cimport posix_memalign

from arbitrage.core.book cimport (
    ARB_BOOK_BYBIT_50,
    ARB_BOOK_OKX_5,
    ARB_BOOK_OKX_400,
    arb_book_bytes,
    arb_book_init,
    arb_book_t,
    arb_depth_t,
)
from arbitrage.core.symbols cimport (
    ARB_SYMBOL_OK,
    arb_symbol_canonical,
    arb_symbol_map_add,
    arb_symbol_map_bytes,
    arb_symbol_map_init,
    arb_symbol_map_insert,
    arb_symbol_map_t,
    arb_symbol_name_t,
)

from arbitrage.core import market_records
from arbitrage.core.frames import STATUS_NAMES as _STATUS_NAMES


cdef extern from "market_record.h" nogil:
    ctypedef struct arb_market_t:
        pass


cdef extern from "frame_lines.h" nogil:
    ctypedef struct arb_lines_t:
        const char *at
        const char *end
        const char *frame
        int64_t recv_ns
        int64_t latest_ns
        uint64_t line_count
        uint64_t frame_count
        uint64_t malformed_count
        uint64_t first_malformed
        uint64_t unordered_count
        bint final


cdef extern from "market_frames.h" nogil:
    ctypedef struct arb_span_t:
        const char *start
        size_t bytes

    ctypedef struct arb_feed_row_t:
        arb_book_t *book
        uint8_t channel

    ctypedef struct arb_frames_source_t:
        arb_lines_t lines
        uint32_t venue
        uint32_t line
        bint lift
        uint64_t refused_count
        uint64_t first_refused
        uint32_t first_status
        bint ends_cut

    ctypedef struct arb_frames_gap_t:
        int64_t before_ns
        int64_t lost
        int64_t told_ns
        uint32_t venue

    ctypedef struct arb_frames_row_t:
        arb_feed_row_t deep
        double rate
        uint16_t symbol

    ctypedef struct arb_frames_t:
        arb_frames_source_t *sources
        uint32_t source_count
        uint32_t *line_count
        arb_symbol_map_t *map
        arb_frames_row_t *rows
        arb_frames_gap_t *gaps
        uint32_t gap_count
        arb_depth_t *depth
        arb_market_t *out
        uint64_t out_count
        uint64_t out_capacity
        uint32_t asked
        uint32_t channel
        arb_span_t name
        uint64_t *quote_count
        uint64_t *update_count
        uint64_t *waiting_count
        uint64_t other_count

    enum:
        ARB_FRAMES_DONE
        ARB_FRAMES_NEED_BYTES
        ARB_FRAMES_NEED_ROOM
        ARB_FRAMES_NEED_NAME
        ARB_FRAMES_NEED_BOOK
        ARB_FRAMES_UNORDERED
        ARB_FRAMES_SOURCES_MAX
        ARB_FRAMES_ROOM
        ARB_FRAMES_UNWANTED
        ARB_LINES_MAX
        ARB_VENUE_COUNT

    int arb_frames_run(arb_frames_t *frames) noexcept


class FramesNeed(IntEnum):
    """Why `MarketFrames.run` came back."""

    DONE = ARB_FRAMES_DONE
    BYTES = ARB_FRAMES_NEED_BYTES
    ROOM = ARB_FRAMES_NEED_ROOM
    NAME = ARB_FRAMES_NEED_NAME
    UNORDERED = ARB_FRAMES_UNORDERED


UNWANTED = ARB_FRAMES_UNWANTED
LINES_MAX = ARB_LINES_MAX
cdef enum:
    SYMBOL_CAPACITY = 2000
    BUFFER_BYTES_MIN = 64
cdef uint32_t *CAPACITIES = [ARB_BOOK_BYBIT_50, ARB_BOOK_OKX_400, ARB_BOOK_OKX_5]


cdef void *aligned_zeros(size_t byte_count) except NULL:
    cdef void *memory = NULL
    if posix_memalign(&memory, 128, byte_count) != 0:
        raise MemoryError()
    memset(memory, 0, byte_count)
    return memory


cdef class MarketFrames:
    """Merge lines of ``recv_ns TAB frame`` of both venues into market records.

    The owner fills :meth:`free_space` of the source that :meth:`run` asks for, names the symbols
    it meets and takes the records. Use :func:`arbitrage.research.market.open_data`.

    Threads: one. The interpreter lock is released while frames are handled.

    Parameters
    ----------
    sources : sequence of (venue, line, lift)
        Ordered by venue, then line; `lift`: lines that run backwards are taken at the newest time
        before them, else they are an error.
    gaps : sequence of (venue, before_ns, lost)
        Where a recorder lost frames, by time.
    rows : int
        About so many records are gathered before they must be taken.
    buffer_bytes : int
        Room for undecoded lines of each source, and the longest line.
    """

    cdef arb_frames_t *ptr
    cdef char *buffers[8]
    cdef size_t buffer_bytes

    def __init__(self, sources, gaps=(), *, size_t rows=65536,
                 size_t buffer_bytes=4_194_304) -> None:
        if self.ptr != NULL:
            raise ValueError("a MarketFrames cannot be initialised twice")
        if not 1 <= len(sources) <= ARB_FRAMES_SOURCES_MAX:
            raise ValueError(
                f"{len(sources)} sources were given; accepted are 1 to {ARB_FRAMES_SOURCES_MAX}")
        if list(sources) != sorted(sources) or len({key[:2] for key in sources}) != len(sources):
            raise ValueError("sources are ordered by venue, then line, and each is there once")
        if buffer_bytes < BUFFER_BYTES_MIN or rows < 1 or rows > 1 << 32:
            raise ValueError("rows is at least 1, buffer_bytes at least 64")
        self.ptr = <arb_frames_t *>aligned_zeros(sizeof(arb_frames_t))
        self.ptr.map = <arb_symbol_map_t *>aligned_zeros(arb_symbol_map_bytes(SYMBOL_CAPACITY))
        arb_symbol_map_init(self.ptr.map, SYMBOL_CAPACITY)
        self.ptr.rows = <arb_frames_row_t *>aligned_zeros(
            ARB_VENUE_COUNT * SYMBOL_CAPACITY * sizeof(arb_frames_row_t))
        self.ptr.depth = <arb_depth_t *>aligned_zeros(sizeof(arb_depth_t))
        self.ptr.out_capacity = rows + ARB_FRAMES_ROOM + len(gaps)
        self.ptr.out = <arb_market_t *>aligned_zeros(self.ptr.out_capacity * sizeof(arb_market_t))
        self.ptr.gaps = <arb_frames_gap_t *>calloc(len(gaps) + 1, sizeof(arb_frames_gap_t))
        if self.ptr.gaps == NULL:
            raise MemoryError()
        for place, (venue, before_ns, lost) in enumerate(gaps):
            if venue not in (0, 1):
                raise ValueError(f"venue was {venue}; accepted values are 0 (bybit) and 1 (okx)")
            self.ptr.gaps[place].venue = venue
            self.ptr.gaps[place].before_ns = before_ns
            self.ptr.gaps[place].lost = lost
        self.ptr.gap_count = <uint32_t>len(gaps)
        self.buffer_bytes = buffer_bytes
        for place, (venue, line, lift) in enumerate(sources):
            self.add_source(place, venue, line, lift)

    cdef int add_source(self, uint32_t place, uint32_t venue, uint32_t line,
                        bint lift) except -1:
        cdef arb_frames_source_t *source = self.ptr.sources + place
        if venue >= ARB_VENUE_COUNT or line >= ARB_LINES_MAX:
            raise ValueError(f"venue {venue}, line {line} is beyond what this build speaks")
        self.buffers[place] = <char *>malloc(self.buffer_bytes)
        if self.buffers[place] == NULL:
            raise MemoryError()
        source.venue, source.line, source.lift = venue, line, lift
        source.lines.at = source.lines.end = self.buffers[place]
        self.ptr.line_count[venue] += 1
        self.ptr.source_count += 1
        return 0

    def __dealloc__(self):
        cdef size_t row
        if self.ptr != NULL:
            if self.ptr.rows != NULL:
                for row in range(<size_t>ARB_VENUE_COUNT * SYMBOL_CAPACITY):
                    free(self.ptr.rows[row].deep.book)
            free(self.ptr.map)
            free(self.ptr.rows)
            free(self.ptr.depth)
            free(self.ptr.out)
            free(self.ptr.gaps)
        free(self.ptr)
        for place in range(8):
            free(self.buffers[place])

    cdef arb_frames_t *held(self) except NULL:
        # A subclass that skips __init__ gets an error, not a crash.
        if self.ptr == NULL:
            raise ValueError("MarketFrames.__init__ was not called")
        return self.ptr

    cdef arb_frames_source_t *source_at(self, uint32_t source) except NULL:
        if source >= self.held().source_count:
            raise ValueError(f"source was {source}, there are {self.ptr.source_count}")
        return self.ptr.sources + source

    def free_space(self, uint32_t source):
        """Return the writable room behind the source's bytes; empty: one line fills it."""
        cdef arb_lines_t *lines = &self.source_at(source).lines
        cdef size_t kept = <size_t>(lines.end - lines.at)
        if lines.frame != NULL:
            raise ValueError("its head line was not taken yet; run() asks for bytes")
        memmove(self.buffers[source], lines.at, kept)
        lines.at = self.buffers[source]
        lines.end = lines.at + kept
        return PyMemoryView_FromMemory(self.buffers[source] + kept,
                                       <Py_ssize_t>(self.buffer_bytes - kept), PyBUF_WRITE)

    def filled(self, uint32_t source, size_t byte_count) -> None:
        """Say how many bytes were written to :meth:`free_space`; 0: the source has ended."""
        cdef arb_lines_t *lines = &self.source_at(source).lines
        if byte_count > self.buffer_bytes - <size_t>(lines.end - self.buffers[source]):
            raise ValueError(f"byte_count was {byte_count}, more than there was room for")
        lines.end += byte_count
        lines.final = byte_count == 0

    def run(self) -> int:
        """Handle frames; return a `FramesNeed`."""
        cdef int need
        self.held()
        while True:
            with nogil:
                need = arb_frames_run(self.ptr)
            if need != ARB_FRAMES_NEED_BOOK:
                return need
            self.add_book(self.ptr.asked, self.ptr.channel)

    cdef int add_book(self, uint32_t row, uint32_t channel) except -1:
        cdef uint32_t capacity = CAPACITIES[channel]
        cdef arb_book_t *book = <arb_book_t *>aligned_zeros(arb_book_bytes(capacity))
        arb_book_init(book, capacity)
        self.ptr.rows[row].deep.book = book
        self.ptr.rows[row].deep.channel = channel
        return 0

    @property
    def asked(self) -> int:
        """Which source needs bytes or is unordered; whose venue's name is unknown."""
        return self.held().asked

    @property
    def name(self) -> bytes:
        """The venue's name that is unknown."""
        return self.held().name.start[:self.ptr.name.bytes]

    def learn(self, uint32_t venue, bytes name, bytes canonical, uint16_t symbol) -> None:
        """Give a venue's name its canonical one and the symbol of its records."""
        cdef arb_symbol_map_t *map = self.held().map
        cdef arb_symbol_name_t *known
        cdef uint32_t index = 0, row
        while index < map.symbol_count:
            known = arb_symbol_canonical(map, index)
            if known.text[:known.bytes] == canonical:
                break
            index += 1
        if index == map.symbol_count and arb_symbol_map_add(
                map, canonical, len(canonical), &index) != ARB_SYMBOL_OK:
            raise ValueError(f"{canonical!r} is no symbol, or one beyond the first 2000")
        row = venue * map.capacity + index
        if arb_symbol_map_insert(map, venue, name, len(name), row) != ARB_SYMBOL_OK:
            raise ValueError(f"{name!r} is the second name of {canonical!r} at one venue")
        self.ptr.rows[row].symbol = symbol
        self.ptr.rows[row].rate = float("nan")

    def take(self):
        """Return the records that wait, a copy of MARKET_DTYPE, and forget them."""
        import numpy

        content = PyBytes_FromStringAndSize(
            <char *>self.held().out, <Py_ssize_t>self.ptr.out_count * sizeof(arb_market_t))
        self.ptr.out_count = 0
        return numpy.frombuffer(content, market_records.MARKET_DTYPE)

    def source_counts(self, uint32_t source) -> dict[str, object]:
        """What was counted of a source so far."""
        cdef arb_frames_source_t *found = self.source_at(source)
        return {
            "lines": found.lines.line_count,
            "frames": found.lines.frame_count,
            "malformed_lines": found.lines.malformed_count,
            "first_malformed_line": found.lines.first_malformed,
            "unordered": found.lines.unordered_count,
            "refused": found.refused_count,
            "first_refused_line": found.first_refused,
            "first_reason": _STATUS_NAMES.get(found.first_status, ""),
            "ends_cut": bool(found.ends_cut),
            "recv_ns": found.lines.recv_ns,
            "latest_ns": found.lines.latest_ns,
        }

    @property
    def counts(self) -> dict[str, int]:
        """What was counted so far."""
        return {
            "quotes_bybit": self.held().quote_count[0],
            "quotes_okx": self.ptr.quote_count[1],
            "updates_bybit": self.ptr.update_count[0],
            "updates_okx": self.ptr.update_count[1],
            "waiting_bybit": self.ptr.waiting_count[0],
            "waiting_okx": self.ptr.waiting_count[1],
            "other": self.ptr.other_count,
        }

    @property
    def gaps(self) -> list[tuple[int, int, int, int]]:
        """The gaps that were told so far: venue, last time before, first time after, frames."""
        return [
            (self.ptr.gaps[place].venue, self.ptr.gaps[place].told_ns,
             self.ptr.gaps[place].before_ns, self.ptr.gaps[place].lost)
            for place in range(self.held().gap_count) if self.ptr.gaps[place].told_ns > 0
        ]
