"""Opportunity detector: which directed venue pairs pay after costs, tick by tick."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.math cimport INFINITY, NAN, isnan
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset
from posix.stdlib cimport posix_memalign

from arbitrage.core.clock cimport arb_mono_ns, arb_wall_ns
from arbitrage.core.records cimport ARB_TICK_FUNDING, ARB_TICK_QUOTE, ARB_TICK_STATE, arb_tick_pack
from arbitrage.core.store cimport arb_store_px_mult

from arbitrage.core import records


cdef extern from *:
    """
    #include "counters.h"
    #define ARB_X(name) #name,
    static const char *const arb_detector_counter_names[] = {ARB_DETECTOR_COUNTERS(ARB_X) NULL};
    #undef ARB_X
    """
    const char **arb_detector_counter_names

_FEE_MODES = {"round_trip": ARB_FEE_ROUND_TRIP, "entry": ARB_FEE_ENTRY}


cdef void *aligned_zeros(size_t byte_count) except NULL:
    cdef void *memory = NULL
    if posix_memalign(&memory, 128, byte_count) != 0:
        raise MemoryError()
    memset(memory, 0, byte_count)
    return memory


cdef double finite(str name, double value, double low) except? -1:
    if isnan(value) or value < low or value == INFINITY:
        raise ValueError(f"{name} was {value}; accepted values are numbers from {low}")
    return value


cdef class OpportunityDetector:
    """Find, follow and close opportunities between the venues of a market store.

    An event is OPEN, UPDATE (one of its two prices changed) or CLOSE (with a reason) of one life,
    which has one id. Each tick is applied to the store and its symbol is scanned at once.

    Threads: one at a time; the detector is the store's only writer. In the engine its own thread
    polls it without the interpreter lock; in a notebook you feed it with :meth:`on_quote`.

    Parameters
    ----------
    store : MarketStore
        Writable; rows described by :meth:`MarketStore.set_instrument` take part.
    min_net_bps : float
        Smallest edge after costs.
    min_gross_bps : float or None
        Smallest edge before costs; None: off.
    min_confidence : float
        0 to 100; 0: off.
    slippage_bps : float
        Assumed cost beyond the touch.
    depth_factor, position_notional : float
        Each touch must hold depth_factor positions of this quote-currency notional; 0: off.
    max_age_ns : int
        Oldest quote of either leg; 0: off.
    fee_mode : str
        ``round_trip`` (enter and leave) or ``entry``.
    funding_horizon_s : float
        Expected holding time.
    stale_ns : tuple of int
        Silence after which a venue's row becomes STALE, one for each venue; 0: never.
    suspect_ns : tuple of int
        A venue's silent row becomes SUSPECT when the other venue's price of the symbol stands
        elsewhere for so long, one for each venue; 0: never.
    suspect_bps : float
        How far away that is.
    sweep_period_ns : int
        How often rows are looked at by time; 0: never.
    wall_minus_mono_ns : int or None
        UTC epoch of the monotonic clock's zero; None: measured now.

    Examples
    --------
    >>> from arbitrage.core.store import MarketStore
    >>> store = MarketStore(2, 4)
    >>> store.set_instrument(store.row("bybit", 0)); store.set_instrument(store.row("okx", 0))
    >>> detector = OpportunityDetector(store)
    >>> detector.on_quote("bybit", 0, 100.0, 100.1), detector.on_quote("okx", 0, 100.5, 100.6)
    (0, 1)
    >>> detector.poll()["net_bps"].round(2)
    array([39.96])
    """

    def __init__(
        self, MarketStore store not None, *, double min_net_bps=0.0, min_gross_bps=10.0,
        double min_confidence=0.0, double slippage_bps=0.0, double depth_factor=2.0,
        double position_notional=0.0, int64_t max_age_ns=0, str fee_mode="round_trip",
        double funding_horizon_s=3600.0, tuple stale_ns=(4_500_000_000, 90_000_000_000),
        tuple suspect_ns=(0, 500_000_000), double suspect_bps=1.0,
        int64_t sweep_period_ns=50_000_000, wall_minus_mono_ns=None,
    ) -> None:
        cdef arb_detector_config_t config = arb_detector_defaults()
        cdef int venue
        if self.ptr != NULL:
            raise ValueError("an OpportunityDetector cannot be initialised twice")
        if store.read_only:
            raise ValueError("the detector writes its store; this one is attached read-only")
        if fee_mode not in _FEE_MODES:
            raise ValueError(
                f"fee_mode was {fee_mode!r}; accepted values are {', '.join(_FEE_MODES)}")
        if len(stale_ns) > 4 or any(age < 0 for age in stale_ns):
            raise ValueError(f"stale_ns was {stale_ns}; accepted are up to 4 values from 0")
        if len(suspect_ns) > 4 or any(after < 0 for after in suspect_ns):
            raise ValueError(f"suspect_ns was {suspect_ns}; accepted are up to 4 values from 0")
        if max_age_ns < 0 or sweep_period_ns < 0:
            raise ValueError(f"max_age_ns was {max_age_ns} and sweep_period_ns {sweep_period_ns}; "
                             "accepted values are from 0")
        config.min_net_bps = finite("min_net_bps", min_net_bps, -1e9)
        config.min_gross_bps = -INFINITY if min_gross_bps is None else finite(
            "min_gross_bps", min_gross_bps, -1e9)
        config.min_confidence = finite("min_confidence", min_confidence, 0.0)
        config.slippage_bps = finite("slippage_bps", slippage_bps, 0.0)
        config.depth_factor = finite("depth_factor", depth_factor, 0.0)
        config.position_notional = finite("position_notional", position_notional, 0.0)
        config.max_age_ns = max_age_ns
        config.sweep_period_ns = sweep_period_ns
        config.fee_mode = _FEE_MODES[fee_mode]
        funding_horizon_s = finite("funding_horizon_s", funding_horizon_s, 0.0)
        if funding_horizon_s > 1e8:
            raise ValueError(
                f"funding_horizon_s was {funding_horizon_s}; accepted values are to 1e8")
        config.funding_horizon_ns = <int64_t>(funding_horizon_s * 1e9)
        for venue in range(4):
            config.stale_ns[venue] = stale_ns[venue] if venue < len(stale_ns) else 0
            config.suspect_ns[venue] = suspect_ns[venue] if venue < len(suspect_ns) else 0
        config.suspect_bps = finite("suspect_bps", suspect_bps, 0.0)
        if wall_minus_mono_ns is None:
            config.wall_minus_mono_ns = arb_wall_ns() - arb_mono_ns()
        else:
            config.wall_minus_mono_ns = wall_minus_mono_ns
        self.store = store
        self.own_counters = <arb_detector_counters_t *>aligned_zeros(
            sizeof(arb_detector_counters_t))
        self.counters_ptr = self.own_counters
        self.state_memory = aligned_zeros(
            arb_detector_state_bytes(store.ptr.venue_count, store.ptr.symbol_capacity))
        self.ptr = <arb_detector_t *>aligned_zeros(sizeof(arb_detector_t))
        arb_detector_init(self.ptr, &config, store.ptr, self.state_memory, self.lanes, 0, NULL,
                          self.own_counters, NULL)
        self.make_room()

    def __dealloc__(self):
        free(self.ptr)
        free(self.state_memory)
        free(self.decisions_memory)
        free(self.own_counters)
        free(self.buffer)

    cdef arb_detector_t *held(self) except NULL:
        # A subclass that skips __init__ gets an error, not a crash.
        if self.ptr == NULL:
            raise ValueError("OpportunityDetector.__init__ was not called")
        return self.ptr

    cdef int make_room(self) except -1:
        # Keep room for the events of one more tick; the buffer doubles.
        cdef uint32_t wanted
        cdef arb_opportunity_t *grown
        if self.ptr.event_count + ARB_DETECTOR_EVENTS_MAX <= self.buffer_capacity:
            return 0
        wanted = 2 * self.buffer_capacity + 64
        grown = <arb_opportunity_t *>realloc(self.buffer, wanted * sizeof(arb_opportunity_t))
        if grown == NULL:
            raise MemoryError()
        self.buffer = grown
        self.buffer_capacity = wanted
        self.ptr.events = grown
        return 0

    cdef int handle(self, const arb_tick_t *tick, int64_t wall_ms) except -1:
        cdef uint32_t before
        if self.bound_to is not None:
            raise ValueError("this detector belongs to a running engine; feed its lanes instead")
        self.make_room()
        before = self.ptr.event_count
        arb_detector_handle(self.ptr, tick, wall_ms)
        return <int>(self.ptr.event_count - before)

    cdef int row_in_use(self, object venue, int symbol_index) except -1:
        cdef int row
        self.held()
        row = self.store.row_index(venue, symbol_index)
        if not arb_store_px_mult(self.store.ptr)[row] > 0:
            raise ValueError(f"row {row} has no instrument; call store.set_instrument({row}) first")
        return row

    def on_quote(
        self, venue: int | str, symbol_index: int, double bid_px, double ask_px,
        double bid_qty=NAN, double ask_qty=NAN, *, recv_mono_ns=None, exch_wall_ns=None,
        int64_t seq=0,
    ) -> int:
        """Apply a row's complete top of book, scan its symbol, return how many events that made.

        ``recv_mono_ns`` defaults to now, ``exch_wall_ns`` to the same moment by the wall clock.
        """
        cdef arb_tick_t tick
        cdef uint32_t row = self.row_in_use(venue, symbol_index)
        cdef int64_t wall_ms
        tick.bid_px, tick.ask_px = bid_px, ask_px
        tick.bid_qty, tick.ask_qty = bid_qty, ask_qty
        tick.recv_mono_ns = arb_mono_ns() if recv_mono_ns is None else recv_mono_ns
        wall_ms = (tick.recv_mono_ns + self.ptr.config.wall_minus_mono_ns) // 1_000_000
        if exch_wall_ns is not None:
            wall_ms = exch_wall_ns // 1_000_000
        tick.seq_row_kind = arb_tick_pack(seq, row, ARB_TICK_QUOTE)
        tick.exch_wall_ms = <uint32_t>wall_ms
        tick.aux_u32 = 0
        return self.handle(&tick, wall_ms)

    def on_state(self, venue: int | str, symbol_index: int, uint32_t state, *,
                 recv_mono_ns=None) -> int:
        """Change a row's state, scan its symbol, return how many events that made."""
        cdef arb_tick_t tick
        cdef uint32_t row = self.row_in_use(venue, symbol_index)
        if state > 5:
            raise ValueError(f"state was {state}; accepted values are 0 to 5")
        tick.bid_px = tick.ask_px = tick.bid_qty = tick.ask_qty = NAN
        tick.recv_mono_ns = arb_mono_ns() if recv_mono_ns is None else recv_mono_ns
        tick.seq_row_kind = arb_tick_pack(0, row, ARB_TICK_STATE)
        tick.exch_wall_ms = 0
        tick.aux_u32 = state
        return self.handle(
            &tick, (tick.recv_mono_ns + self.ptr.config.wall_minus_mono_ns) // 1_000_000)

    def on_funding(
        self, venue: int | str, symbol_index: int, double rate, double interval_h,
        int64_t next_wall_ns, *, recv_mono_ns=None,
    ) -> int:
        """Apply a row's funding rate, interval and next settlement; return how many events."""
        cdef arb_tick_t tick
        cdef uint32_t row = self.row_in_use(venue, symbol_index)
        tick.bid_px, tick.ask_px = rate, interval_h
        tick.bid_qty = tick.ask_qty = NAN
        tick.recv_mono_ns = arb_mono_ns() if recv_mono_ns is None else recv_mono_ns
        tick.seq_row_kind = arb_tick_pack(0, row, ARB_TICK_FUNDING)
        tick.exch_wall_ms = <uint32_t>(next_wall_ns // 1_000_000)
        tick.aux_u32 = 0
        return self.handle(
            &tick, (tick.recv_mono_ns + self.ptr.config.wall_minus_mono_ns) // 1_000_000)

    def sweep(self, now_mono_ns=None) -> int:
        """Look at every row by the clock (silence, age); return how many events that made."""
        cdef int64_t now = arb_mono_ns() if now_mono_ns is None else now_mono_ns
        cdef int made = 0
        cdef uint32_t before, row
        self.held()
        if self.bound_to is not None:
            raise ValueError("this detector belongs to a running engine, which sweeps by itself")
        for row in range(self.store.ptr.row_count):
            self.make_room()
            before = self.ptr.event_count
            arb_detector_sweep_row(self.ptr, row, now)
            made += <int>(self.ptr.event_count - before)
        return made

    def close_all(self, now_mono_ns=None) -> int:
        """Close every open life with reason ``shutdown``; return how many."""
        cdef int64_t now = arb_mono_ns() if now_mono_ns is None else now_mono_ns
        cdef uint32_t symbol, before = self.held().event_count
        if self.bound_to is not None:
            raise ValueError("this detector belongs to a running engine, which closes by itself")
        for symbol in range(self.store.ptr.symbol_capacity):
            self.make_room()
            arb_detector_close_symbol(self.ptr, symbol, now)
        return self.ptr.event_count - before

    def poll(self):
        """Return the events since the last call, of dtype ``OPPORTUNITY_DTYPE``."""
        import numpy

        cdef uint32_t count
        self.held()
        if self.bound_to is not None:
            raise ValueError("this detector publishes on a broadcast; read that instead")
        count = self.ptr.event_count
        content = PyBytes_FromStringAndSize(
            <char *>self.ptr.events, <Py_ssize_t>count * sizeof(arb_opportunity_t))
        self.ptr.event_count = 0
        return numpy.frombuffer(content, records.OPPORTUNITY_DTYPE).copy()

    def refresh(self) -> None:
        """Read the store's fees and multipliers again, after they changed. Detector thread only."""
        cdef int64_t now_wall_ns = arb_mono_ns() + self.held().config.wall_minus_mono_ns
        cdef uint32_t symbol
        if self.ptr.decisions != NULL:
            raise ValueError("this detector is recorded: it reads a row's fees when the row comes "
                             "to life")
        for symbol in range(self.store.ptr.symbol_capacity):
            arb_detector_refresh_symbol(self.ptr, symbol, now_wall_ns)

    @property
    def counters(self) -> dict[str, int]:
        """What the detector has counted so far, by name."""
        cdef uint64_t *words = <uint64_t *>self.counters_ptr
        cdef int index = 0
        self.held()
        counted = {}
        while arb_detector_counter_names[index] != NULL:
            counted[arb_detector_counter_names[index].decode()] = words[index]
            index += 1
        for reason in records.CloseReason:
            if reason != records.CloseReason.NONE:
                counted[f"closed_{reason.name.lower()}"] = (
                    self.counters_ptr.close_reasons[<int>reason])
        return counted

    def _bench_updates(self, bid_px, ask_px, int venue, int symbol_index, int sample_count):
        # Nanoseconds of sample_count passes over the quotes (use 256 distinct ones) of one row.
        cdef arb_tick_t tick
        cdef uint32_t row = self.row_in_use(venue, symbol_index)
        cdef double bids[256]
        cdef double asks[256]
        cdef int index
        cdef int64_t begun
        if len(bid_px) != 256 or len(ask_px) != 256:
            raise ValueError("256 quotes are needed")
        for index in range(256):
            bids[index], asks[index] = bid_px[index], ask_px[index]
        tick.bid_qty = tick.ask_qty = 1.0
        tick.recv_mono_ns = arb_mono_ns()
        tick.seq_row_kind = arb_tick_pack(0, row, ARB_TICK_QUOTE)
        tick.exch_wall_ms = tick.aux_u32 = 0
        samples = []
        for _ in range(sample_count):
            begun = arb_mono_ns()
            for index in range(256):
                tick.bid_px, tick.ask_px = bids[index], asks[index]
                tick.recv_mono_ns += 1
                arb_detector_handle(self.ptr, &tick, 0)
                self.ptr.event_count = 0
            samples.append(arb_mono_ns() - begun)
        return samples


cdef int detector_bind(OpportunityDetector detector, arb_lane_t **lanes, uint32_t lane_count,
                       arb_broadcast_ring_t *broadcast, arb_detector_counters_t *counters,
                       const arb_clock_t *clock, object owner) except -1:
    cdef arb_detector_config_t config = detector.held().config
    cdef arb_market_store_t *store = detector.store.ptr
    if lane_count > <uint32_t>ARB_DETECTOR_LANES_MAX:
        raise ValueError(f"a detector merges at most {ARB_DETECTOR_LANES_MAX} lanes; there were "
                         f"{lane_count}")
    if broadcast == NULL or owner is None:
        raise ValueError("a bound detector needs a broadcast and an owner of its memory")
    memcpy(detector.lanes, lanes, lane_count * sizeof(arb_lane_t *))
    memset(detector.state_memory, 0,
           arb_detector_state_bytes(store.venue_count, store.symbol_capacity))
    detector.counters_ptr = counters if counters != NULL else detector.own_counters
    detector.bound_to = owner
    arb_detector_init(detector.ptr, &config, store, detector.state_memory, detector.lanes,
                      lane_count, broadcast, detector.counters_ptr, clock)
    return 0


cdef int detector_tell(OpportunityDetector detector, arb_frame_tap_t *tap,
                       int64_t round_ns) except -1:
    cdef uint32_t row_count = detector.store.ptr.row_count
    if detector.bound_to is None or detector.decisions_memory != NULL:
        raise ValueError("only a detector that was just bound can tell its decisions")
    detector.decisions_memory = aligned_zeros(arb_decisions_bytes(row_count))
    detector.ptr.decisions = <arb_decisions_t *>detector.decisions_memory
    arb_decisions_init(detector.ptr.decisions, tap, row_count, round_ns)
    return 0
