"""Replay core: recorded lines of two venues through the live parsers, store and detector."""

from cpython.buffer cimport PyBUF_WRITE
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.math cimport INFINITY, isnan
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove, memset, strcmp, strlen
from posix.stdlib cimport posix_memalign

from arbitrage.core.clock cimport arb_mono_ns
from arbitrage.core.detector cimport (
    ARB_DETECTOR_EVENTS_MAX,
    ARB_FEE_ROUND_TRIP,
    arb_detector_config_t,
    arb_detector_counters_t,
    arb_detector_defaults,
    arb_detector_state_bytes,
    arb_detector_t,
)
from arbitrage.core.frames cimport arb_top_t
from arbitrage.core.records cimport arb_opportunity_t
from arbitrage.core.store cimport arb_market_store_t, arb_store_bytes, arb_store_init
from arbitrage.core.symbols cimport (
    arb_symbol_canonical,
    arb_symbol_map_bytes,
    arb_symbol_map_init,
    arb_symbol_map_t,
    arb_symbol_name_t,
)

from arbitrage.core import records


cdef extern from "Python.h":
    int Py_DTSF_ADD_DOT_0
    char *PyOS_double_to_string(double value, char format_code, int precision, int flags,
                                int *ptype) except NULL


cdef extern from "frame_lines.h" nogil:
    ctypedef struct arb_lines_t:
        const char *at
        const char *end
        bint final
        uint64_t frame_count
        uint64_t malformed_count
        uint64_t unordered_count

cdef extern from "replay.h" nogil:
    ctypedef struct arb_replay_quote_t:
        pass

    ctypedef struct arb_replay_t:
        arb_lines_t sources[2]
        arb_detector_t detector
        arb_detector_counters_t counters
        arb_market_store_t *store
        arb_symbol_map_t *map
        arb_top_t *tops
        arb_replay_quote_t *quotes
        uint32_t event_capacity
        uint64_t quote_capacity
        uint64_t quote_counts[2]
        uint64_t kept_count
        uint64_t malformed_count
        uint64_t other_count
        uint64_t unknown_count
        double taker_bps[2]

    int ARB_REPLAY_DONE
    int ARB_REPLAY_NEEDS_FIRST
    int ARB_REPLAY_NEEDS_SECOND
    int ARB_REPLAY_NEEDS_ROOM

    void arb_detector_lives_init(arb_detector_t *det, const arb_detector_config_t *config,
                                 arb_market_store_t *store, void *state_memory,
                                 arb_detector_counters_t *counters) noexcept
    int arb_replay_run(arb_replay_t *replay) noexcept


QUOTE_FIELDS = [
    ("recv_ns", "<i8"), ("exch_wall_ns", "<i8"), ("seq", "<i8"), ("bid_px", "<f8"),
    ("ask_px", "<f8"), ("bid_qty", "<f8"), ("ask_qty", "<f8"), ("symbol_index", "<u2"),
    ("venue", "u1"), ("reserved", "u1", (5,)),
]
CSV_HEADER = b"event,id,symbol,buy_venue,sell_venue,recv_ns,ask_px,bid_px,gross_bps,net_bps\n"
cdef enum:
    SYMBOL_CAPACITY = 2000
    NUMBER_BYTES_MAX = 340  # of one formatted double: "%.6f" of the largest one has 316
    ROW_BYTES_MAX = 4 * NUMBER_BYTES_MAX + 128
    EVENTS_AT_ONCE_MAX = 1 << 22
cdef const char **EVENT_NAMES = [b"", b"OPEN", b"UPDATE", b"CLOSE"]
cdef const char **VENUE_NAMES = [b"bybit", b"okx"]


cdef void *aligned_zeros(size_t byte_count) except NULL:
    cdef void *memory = NULL
    if posix_memalign(&memory, 128, byte_count) != 0:
        raise MemoryError()
    memset(memory, 0, byte_count)
    return memory


cdef char *put_text(char *at, const char *text, size_t length) noexcept:
    memcpy(at, text, length)
    at[length] = b","
    return at + length + 1


cdef char *put_whole(char *at, uint64_t value) noexcept:
    cdef char digits[20]
    cdef int first = 20
    while True:
        first -= 1
        digits[first] = <char>(48 + value % 10)
        value //= 10
        if value == 0:
            return put_text(at, digits + first, <size_t>(20 - first))


cdef char *put_double(char *at, double value, char format_code, int precision,
                      int flags) except NULL:
    # As repr ('r') or '%.6f' ('f') would write it; empty when there is none; never a negative zero.
    cdef char *text
    cdef char *shown
    if isnan(value):
        at[0] = b","
        return at + 1
    text = PyOS_double_to_string(value, format_code, precision, flags, NULL)
    shown = text
    if strcmp(text, b"-0.000000") == 0:
        shown = text + 1
    at = put_text(at, shown, strlen(shown))
    PyMem_Free(text)
    return at


cdef class ReplayCore:
    """Merge two streams of ``recv_ns TAB frame`` lines and detect, without Python per frame.

    The owner fills :meth:`free_space` of the stream that :meth:`run` asks for. Use
    :func:`arbitrage.research.replay.replay`, which reads files.

    Threads: one. The interpreter lock is released while frames are handled.

    Parameters
    ----------
    min_net_bps : float
        An opportunity opens when its net edge reaches this.
    bybit_taker_bps, okx_taker_bps : float
        Taker fees; a round trip pays both twice.
    max_age_ns : int
        Oldest quote of either leg by the file's clock; 0: off.
    keep_quotes : bool
        Whether to keep every applied quote, 64 bytes each.
    buffer_bytes : int
        Room for undecoded lines of each stream, and the longest line.
    """

    cdef arb_replay_t *ptr
    cdef void *state_memory
    cdef char *buffers[2]
    cdef size_t buffer_bytes
    cdef bint keep_quotes
    cdef readonly int64_t elapsed_ns

    def __init__(
        self, double min_net_bps=0.0, *, double bybit_taker_bps=5.5, double okx_taker_bps=5.0,
        int64_t max_age_ns=0, bint keep_quotes=True, size_t buffer_bytes=8_388_608,
    ) -> None:
        cdef arb_detector_config_t config = arb_detector_defaults()
        if self.ptr != NULL:
            raise ValueError("a ReplayCore cannot be initialised twice")
        for name, value in (("min_net_bps", min_net_bps), ("bybit_taker_bps", bybit_taker_bps),
                            ("okx_taker_bps", okx_taker_bps)):
            if not -1e9 <= value <= 1e9:
                raise ValueError(f"{name} was {value}; accepted values are -1e9 to 1e9")
        if max_age_ns < 0:
            raise ValueError(f"max_age_ns was {max_age_ns}; accepted values are from 0 (off)")
        if buffer_bytes < 64:
            raise ValueError(f"buffer_bytes was {buffer_bytes}; accepted values are from 64")
        # the file's clock is the only one: no timers, no gates but the edge and the legs' age
        config.min_net_bps = min_net_bps
        config.min_gross_bps = -INFINITY
        config.min_confidence = 0.0
        config.depth_factor = 0.0
        config.max_age_ns = max_age_ns
        config.sweep_period_ns = 0
        config.fee_mode = ARB_FEE_ROUND_TRIP
        self.ptr = <arb_replay_t *>aligned_zeros(sizeof(arb_replay_t))
        self.ptr.store = <arb_market_store_t *>aligned_zeros(arb_store_bytes(2, SYMBOL_CAPACITY))
        arb_store_init(self.ptr.store, 2, SYMBOL_CAPACITY)
        self.ptr.map = <arb_symbol_map_t *>aligned_zeros(arb_symbol_map_bytes(SYMBOL_CAPACITY))
        arb_symbol_map_init(self.ptr.map, SYMBOL_CAPACITY)
        self.ptr.tops = <arb_top_t *>aligned_zeros(2 * SYMBOL_CAPACITY * sizeof(arb_top_t))
        self.state_memory = aligned_zeros(arb_detector_state_bytes(2, SYMBOL_CAPACITY))
        arb_detector_lives_init(&self.ptr.detector, &config, self.ptr.store, self.state_memory,
                                &self.ptr.counters)
        self.ptr.taker_bps[0], self.ptr.taker_bps[1] = bybit_taker_bps, okx_taker_bps
        self.keep_quotes = keep_quotes
        self.buffer_bytes = buffer_bytes
        for venue in range(2):
            self.buffers[venue] = <char *>malloc(buffer_bytes)
            if self.buffers[venue] == NULL:
                raise MemoryError()
            self.ptr.sources[venue].at = self.ptr.sources[venue].end = self.buffers[venue]
        self.ptr.detector.events = NULL
        self.make_room()

    def __dealloc__(self):
        if self.ptr != NULL:
            free(self.ptr.store)
            free(self.ptr.map)
            free(self.ptr.tops)
            free(self.ptr.quotes)
            if self.ptr.event_capacity:
                free(self.ptr.detector.events)
        free(self.ptr)
        free(self.state_memory)
        free(self.buffers[0])
        free(self.buffers[1])

    cdef arb_replay_t *held(self) except NULL:
        # A subclass that skips __init__ gets an error, not a crash.
        if self.ptr == NULL:
            raise ValueError("ReplayCore.__init__ was not called")
        return self.ptr

    cdef int make_room(self) except -1:
        # Keep room for one more frame's events and quote; both arrays double.
        cdef uint64_t wanted
        cdef void *grown
        if self.ptr.detector.event_count + ARB_DETECTOR_EVENTS_MAX > self.ptr.event_capacity:
            wanted = 2 * <uint64_t>self.ptr.event_capacity + 4096
            if wanted > 0xFFFFFFFF:
                raise MemoryError("more than 4 billion events; take them as they come")
            grown = realloc(self.ptr.detector.events, wanted * sizeof(arb_opportunity_t))
            if grown == NULL:
                raise MemoryError()
            self.ptr.detector.events = <arb_opportunity_t *>grown
            self.ptr.event_capacity = <uint32_t>wanted
        if self.keep_quotes and self.ptr.kept_count == self.ptr.quote_capacity:
            wanted = 2 * self.ptr.quote_capacity + 65536
            grown = realloc(self.ptr.quotes, wanted * sizeof(arb_replay_quote_t))
            if grown == NULL:
                raise MemoryError()
            self.ptr.quotes = <arb_replay_quote_t *>grown
            self.ptr.quote_capacity = wanted
        return 0

    def free_space(self, int venue):
        """Return the writable room behind the stream's bytes; empty: one line fills it."""
        cdef arb_lines_t *source
        cdef size_t kept
        if venue not in (0, 1):
            raise ValueError(f"venue was {venue}; accepted values are 0 (bybit) and 1 (okx)")
        source = &self.held().sources[venue]
        kept = <size_t>(source.end - source.at)
        memmove(self.buffers[venue], source.at, kept)
        source.at = self.buffers[venue]
        source.end = source.at + kept
        return PyMemoryView_FromMemory(self.buffers[venue] + kept,
                                       <Py_ssize_t>(self.buffer_bytes - kept), PyBUF_WRITE)

    def filled(self, int venue, size_t byte_count) -> None:
        """Say how many bytes were written to :meth:`free_space`; 0: the stream has ended."""
        cdef arb_lines_t *source
        if venue not in (0, 1):
            raise ValueError(f"venue was {venue}; accepted values are 0 (bybit) and 1 (okx)")
        source = &self.held().sources[venue]
        if byte_count > self.buffer_bytes - <size_t>(source.end - self.buffers[venue]):
            raise ValueError(f"byte_count was {byte_count}, more than there was room for")
        source.end += byte_count
        source.final = byte_count == 0

    def run(self) -> int:
        """Handle frames; return 0 or 1 for the stream that needs more bytes, 2 at the end of both.

        Returns 3 when four million events wait: take them with :meth:`take_csv` to bound memory,
        or just call again.
        """
        cdef int need
        cdef int64_t begun
        cdef uint32_t events_before = self.held().detector.event_count
        while True:
            begun = arb_mono_ns()
            with nogil:
                need = arb_replay_run(self.ptr)
            self.elapsed_ns += arb_mono_ns() - begun
            if need == ARB_REPLAY_NEEDS_FIRST:
                return 0
            if need == ARB_REPLAY_NEEDS_SECOND:
                return 1
            if need == ARB_REPLAY_DONE:
                return 2
            self.make_room()
            if self.ptr.detector.event_count - events_before > EVENTS_AT_ONCE_MAX:
                return 3

    def events(self):
        """Return the waiting events, a copy as a structured array of the opportunity dtype."""
        import numpy

        content = PyBytes_FromStringAndSize(
            <char *>self.held().detector.events,
            <Py_ssize_t>self.ptr.detector.event_count * sizeof(arb_opportunity_t))
        return numpy.frombuffer(content, records.OPPORTUNITY_DTYPE)

    def quotes(self):
        """Return the quotes kept, a copy as a structured array of :data:`QUOTE_FIELDS`."""
        import numpy

        content = PyBytes_FromStringAndSize(
            <char *>self.held().quotes,
            <Py_ssize_t>self.ptr.kept_count * sizeof(arb_replay_quote_t))
        return numpy.frombuffer(content, numpy.dtype(QUOTE_FIELDS))

    def symbols(self) -> tuple[str, ...]:
        """Return the canonical symbols by index."""
        cdef uint32_t index
        cdef arb_symbol_name_t *name
        found = []
        for index in range(self.held().map.symbol_count):
            name = arb_symbol_canonical(self.ptr.map, index)
            found.append(name.text[:name.bytes].decode("utf-8", "backslashreplace"))
        return tuple(found)

    def csv_rows(self, size_t first, size_t count) -> bytes:
        """Return waiting events from first on, at most count, as CSV lines without a header."""
        cdef size_t index, waiting = self.held().detector.event_count
        cdef char *text
        cdef char *at
        if first >= waiting:
            return b""
        if count > waiting - first:
            count = waiting - first
        if count > 4096:
            raise ValueError("at most 4096 rows at a time")
        text = <char *>malloc(count * ROW_BYTES_MAX)
        if text == NULL:
            raise MemoryError()
        try:
            at = text
            for index in range(first, first + count):
                at = self.put_event(at, self.ptr.detector.events + index)
            return text[:at - text]
        finally:
            free(text)

    cdef char *put_event(self, char *at, arb_opportunity_t *event) except NULL:
        cdef arb_symbol_name_t *symbol = arb_symbol_canonical(self.ptr.map, event.symbol_index)
        cdef const char *name = EVENT_NAMES[event.event]
        cdef const char *buys = VENUE_NAMES[event.buy_row >= SYMBOL_CAPACITY]
        cdef const char *sells = VENUE_NAMES[event.sell_row >= SYMBOL_CAPACITY]
        at = put_text(at, name, strlen(name))
        at = put_whole(at, event.id)
        at = put_text(at, symbol.text, symbol.bytes)
        at = put_text(at, buys, strlen(buys))
        at = put_text(at, sells, strlen(sells))
        at = put_whole(at, <uint64_t>event.recv_mono_ns)
        at = put_double(at, event.ask_px, b"r", 0, Py_DTSF_ADD_DOT_0)
        at = put_double(at, event.bid_px, b"r", 0, Py_DTSF_ADD_DOT_0)
        at = put_double(at, event.gross_bps, b"f", 6, 0)
        at = put_double(at, event.net_bps, b"f", 6, 0)
        (at - 1)[0] = b"\n"
        return at

    def drop_events(self) -> None:
        """Forget the waiting events: they were written."""
        self.held().detector.event_count = 0

    @property
    def event_count(self) -> int:
        """Events waiting."""
        return self.held().detector.event_count

    @property
    def counts(self) -> dict[str, int]:
        """What was counted so far."""
        cdef arb_lines_t *first = &self.held().sources[0]
        cdef arb_lines_t *second = &self.ptr.sources[1]
        return {
            "frames": first.frame_count + second.frame_count,
            "malformed": (self.ptr.malformed_count + first.malformed_count
                          + second.malformed_count),
            "quotes": self.ptr.quote_counts[0] + self.ptr.quote_counts[1],
            "quotes_bybit": self.ptr.quote_counts[0],
            "quotes_okx": self.ptr.quote_counts[1],
            "opportunities": self.ptr.detector.opened_count,
            "other": self.ptr.other_count,
            "unknown_symbols": self.ptr.unknown_count,
            "unordered": first.unordered_count + second.unordered_count,
        }
