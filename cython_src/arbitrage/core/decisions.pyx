"""Recorded decisions of a detector: their dtype, and a replay by the very same detector."""

from enum import IntEnum

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset
from posix.stdlib cimport posix_memalign

from arbitrage.core.clock cimport arb_mono_ns
from arbitrage.core.detector cimport (
    arb_detector_config_t,
    arb_detector_state_bytes,
    arb_detector_t,
)
from arbitrage.core.records cimport arb_opportunity_t
from arbitrage.core.store cimport (
    MarketStore,
    MarketStore_wrap,
    arb_ladder_t,
    arb_market_store_t,
    arb_store_bytes,
    arb_store_init,
)

from arbitrage.core import records


cdef extern from "decision_replay.h" nogil:
    ctypedef struct arb_decision_t:
        pass

    ctypedef struct arb_decision_replay_t:
        arb_detector_t detector
        arb_market_store_t *store
        arb_ladder_t *ladders
        void *state_memory
        uint8_t *known
        uint32_t event_capacity
        uint32_t state
        uint64_t taken
        uint64_t ticks
        uint64_t bad
        uint64_t differences
        uint64_t first_difference
        uint64_t became_exact
        uint64_t exact_event
        int64_t exact_mono_ns
        int64_t latest_mono_ns

    enum:
        ARB_DECISION_BYTES
        ARB_DECISION_BODY_BYTES
        ARB_CONFIG_PIECES
        ARB_REPLAY_EXACT
        ARB_DECISIONS_DONE
        ARB_DECISIONS_NEED_ROOM
        ARB_DECISIONS_EXACT
        ARB_VENUES_MAX
        ARB_SYMBOLS_MAX

    void arb_decision_replay_init(arb_decision_replay_t *replay) noexcept
    void arb_decision_replay_lose(arb_decision_replay_t *replay) noexcept
    int arb_decision_replay_run(arb_decision_replay_t *replay, const arb_decision_t **at,
                                const arb_decision_t *end) noexcept


cdef extern from *:
    """
    #define ARB_X(name) #name,
    static const char *const arb_decision_names[] = {ARB_DECISION_KINDS(ARB_X) NULL};
    #undef ARB_X
    """
    const char **arb_decision_names


cdef list decision_names():
    cdef int index = 0
    found = []
    while arb_decision_names[index] != NULL:
        found.append((arb_decision_names[index].decode(), index))
        index += 1
    return found


DECISION_BYTES = ARB_DECISION_BYTES
CONFIG_PIECES = ARB_CONFIG_PIECES
DecisionKind = IntEnum("DecisionKind", decision_names(), module=__name__)
# A record as the tick it is, or might be; `mono_ns` is the time of every step. What other kinds
# say lies in the same 56 bytes: decisions.h.
DECISION_FIELDS = {
    "names": [
        "bid_px", "ask_px", "bid_qty", "ask_qty", "mono_ns", "seq_row_kind", "exch_wall_ms",
        "aux_u32", "first", "second", "words", "detail", "opened", "events", "kind",
    ],
    "formats": [
        "<f8", "<f8", "<f8", "<f8", "<i8", "<u8", "<u4", "<u4", "<u4", "<u4", ("<u8", (7,)),
        "<u4", "<u2", "u1", "u1",
    ],
    "offsets": [0, 8, 16, 24, 32, 40, 48, 52, 40, 44, 0, 56, 60, 62, 63],
    "itemsize": ARB_DECISION_BYTES,
}  # fmt: skip


def __getattr__(name: str):
    # NumPy is imported when the dtype is first asked for
    if name != "DECISION_DTYPE":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import numpy

    globals()[name] = numpy.dtype(DECISION_FIELDS)
    return globals()[name]


def read_config(pieces: bytes) -> dict:
    """Return the thresholds of a detector out of the bodies of its CONFIG records, joined."""
    cdef arb_detector_config_t config
    cdef bytes given = pieces
    cdef const char *text = given
    if len(given) < <Py_ssize_t>sizeof(config):
        raise ValueError(f"a configuration has {sizeof(config)} bytes; there were {len(given)}")
    memcpy(&config, text, sizeof(config))
    return {
        "min_net_bps": config.min_net_bps,
        "min_gross_bps": config.min_gross_bps,
        "min_confidence": config.min_confidence,
        "slippage_bps": config.slippage_bps,
        "depth_factor": config.depth_factor,
        "position_notional": config.position_notional,
        "max_age_ns": config.max_age_ns,
        "funding_horizon_ns": config.funding_horizon_ns,
        "stale_ns": [config.stale_ns[venue] for venue in range(ARB_VENUES_MAX)],
        "suspect_ns": [config.suspect_ns[venue] for venue in range(ARB_VENUES_MAX)],
        "suspect_bps": config.suspect_bps,
        "sweep_period_ns": config.sweep_period_ns,
        "wall_minus_mono_ns": config.wall_minus_mono_ns,
        "fee_mode": ["round_trip", "entry"][config.fee_mode] if config.fee_mode < 2 else "unknown",
    }


cdef void *aligned_zeros(size_t byte_count) except NULL:
    cdef void *memory = NULL
    if posix_memalign(&memory, 128, byte_count) != 0:
        raise MemoryError()
    memset(memory, 0, byte_count)
    return memory


cdef class DecisionReplay:
    """Run a detector over the recorded decisions of another one.

    A replay is `exact` from the second round of a gapless stretch on: then its events are those the
    trader published, byte for byte, stamps included. :func:`arbitrage.research.recording.replay`
    reads files.

    Threads: one. The interpreter lock is released while records are taken.

    Parameters
    ----------
    venue_count, symbol_capacity : int
        Of the recorded trader.
    """

    cdef arb_decision_replay_t *ptr
    cdef readonly int64_t elapsed_ns

    def __init__(self, int venue_count, int symbol_capacity) -> None:
        cdef size_t row_count
        if self.ptr != NULL:
            raise ValueError("a DecisionReplay cannot be initialised twice")
        if not 1 <= venue_count <= ARB_VENUES_MAX:
            raise ValueError(f"venue_count was {venue_count}; accepted is 1 to {ARB_VENUES_MAX}")
        if not 1 <= symbol_capacity <= ARB_SYMBOLS_MAX:
            raise ValueError(
                f"symbol_capacity was {symbol_capacity}; accepted is 1 to {ARB_SYMBOLS_MAX}")
        row_count = <size_t>venue_count * symbol_capacity
        self.ptr = <arb_decision_replay_t *>aligned_zeros(sizeof(arb_decision_replay_t))
        self.ptr.store = <arb_market_store_t *>aligned_zeros(
            arb_store_bytes(venue_count, symbol_capacity))
        self.ptr.ladders = <arb_ladder_t *>aligned_zeros(row_count * sizeof(arb_ladder_t))
        self.ptr.state_memory = aligned_zeros(
            arb_detector_state_bytes(venue_count, symbol_capacity))
        self.ptr.known = <uint8_t *>aligned_zeros(symbol_capacity)
        arb_store_init(self.ptr.store, venue_count, symbol_capacity)
        arb_decision_replay_init(self.ptr)

    def __dealloc__(self):
        if self.ptr != NULL:
            free(self.ptr.store)
            free(self.ptr.ladders)
            free(self.ptr.state_memory)
            free(self.ptr.known)
            if self.ptr.event_capacity:
                free(self.ptr.detector.events)
        free(self.ptr)

    cdef arb_decision_replay_t *held(self) except NULL:
        # A subclass that skips __init__ gets an error, not a crash.
        if self.ptr == NULL:
            raise ValueError("DecisionReplay.__init__ was not called")
        return self.ptr

    cdef int make_room(self) except -1:
        cdef uint64_t wanted = 2 * <uint64_t>self.ptr.event_capacity + 65536
        cdef void *grown
        if wanted > 0xFFFFFFFF:
            raise MemoryError("more than 4 billion events; take them as they come")
        grown = realloc(self.ptr.detector.events if self.ptr.event_capacity else NULL,
                        wanted * sizeof(arb_opportunity_t))
        if grown == NULL:
            raise MemoryError()
        self.ptr.detector.events = <arb_opportunity_t *>grown
        self.ptr.event_capacity = <uint32_t>wanted
        return 0

    def run(self, decisions, Py_ssize_t first=0) -> int:
        """Take records from number `first` on; return how many of them were taken.

        Fewer than there are: the replay became `exact` with the one taken last. Call again.

        Raises
        ------
        ValueError
            The buffer does not hold whole records.
        """
        cdef Py_buffer view
        cdef const arb_decision_t *begun
        cdef const arb_decision_t *at
        cdef const arb_decision_t *end
        cdef int status = ARB_DECISIONS_NEED_ROOM
        cdef int64_t begun_ns
        self.held()
        PyObject_GetBuffer(decisions, &view, PyBUF_SIMPLE)
        try:
            if view.len % ARB_DECISION_BYTES != 0 or <size_t>view.buf % 8 != 0:
                raise ValueError(
                    f"decisions are records of {ARB_DECISION_BYTES} bytes, aligned to 8; there "
                    f"were {view.len}")
            if not 0 <= first <= view.len // ARB_DECISION_BYTES:
                raise ValueError(f"first was {first}; there were "
                                 f"{view.len // ARB_DECISION_BYTES} records")
            begun = <const arb_decision_t *>view.buf + first
            at, end = begun, <const arb_decision_t *>view.buf + view.len // ARB_DECISION_BYTES
            while status == ARB_DECISIONS_NEED_ROOM:
                begun_ns = arb_mono_ns()
                with nogil:
                    status = arb_decision_replay_run(self.ptr, &at, end)
                self.elapsed_ns += arb_mono_ns() - begun_ns
                if status == ARB_DECISIONS_NEED_ROOM:
                    self.make_room()
            return at - begun
        finally:
            PyBuffer_Release(&view)

    def lose(self) -> None:
        """Say that records are missing here: nothing is known until the next round but one."""
        arb_decision_replay_lose(self.held())

    def take_events(self):
        """Return the events found since the last call, of dtype ``OPPORTUNITY_DTYPE``."""
        import numpy

        content = PyBytes_FromStringAndSize(
            <char *>self.held().detector.events,
            <Py_ssize_t>self.ptr.detector.event_count * sizeof(arb_opportunity_t))
        self.ptr.detector.event_count = 0
        return numpy.frombuffer(content, records.OPPORTUNITY_DTYPE)

    @property
    def store(self) -> MarketStore:
        """The market as it is at the record taken last; a new round after a loss empties it."""
        self.held()
        return MarketStore_wrap(self.ptr.store, self, False)

    @property
    def event_count(self) -> int:
        """Events that wait."""
        return self.held().detector.event_count

    @property
    def is_exact(self) -> bool:
        """Whether every symbol's state is known."""
        return self.held().state == ARB_REPLAY_EXACT

    @property
    def became_exact(self) -> int:
        """How many times it became exact."""
        return self.held().became_exact

    @property
    def exact_from(self) -> tuple[int, int]:
        """Events the trader had published, and its clock, when the replay became exact last."""
        return self.held().exact_event, self.ptr.exact_mono_ns

    @property
    def latest_mono_ns(self) -> int:
        """The trader's clock at the step taken last."""
        return self.held().latest_mono_ns

    @property
    def first_difference(self) -> int | None:
        """Which record, counted as taken, was the first that was answered otherwise; or None."""
        cdef uint64_t found = self.held().first_difference
        return None if found == UINT64_MAX else found

    @property
    def counts(self) -> dict[str, int]:
        """Records taken, ticks of them while exact, records that made no sense, differences."""
        return {
            "taken": self.held().taken,
            "ticks": self.ptr.ticks,
            "bad": self.ptr.bad,
            "differences": self.ptr.differences,
        }
