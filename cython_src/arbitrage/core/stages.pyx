"""Detector and strategy as threads: split, fused, or inline in the feed callback."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset
from posix.stdlib cimport posix_memalign

from arbitrage.core.alloc_meter cimport (
    PATH_HOT,
    arb_alloc_counters_t,
    thread_alloc_counters,
)
from arbitrage.core.clock cimport arb_clock_now, arb_clock_t
from arbitrage.core.detector cimport (
    OpportunityDetector,
    arb_detector_counters_t,
    detector_bind,
    detector_tell,
)
from arbitrage.core.executions cimport (
    ExecPublisher,
    GatewayCounters,
    GatewayCounters_wrap,
    arb_gateway_counters_t,
)
from arbitrage.core.lane cimport arb_lane_t
from arbitrage.core.loop cimport LoopPoller
from arbitrage.core.ring cimport arb_broadcast_ring_t, arb_parker_t
from arbitrage.core.segment cimport Segment
from arbitrage.core.segment_layout cimport (
    ARB_LANES_MAX,
    ARB_SECTION_CLOCK,
    ARB_SECTION_DECISIONS,
    ARB_SECTION_DETECTOR_COUNTERS,
    ARB_SECTION_GATEWAY_COUNTERS,
    ARB_SECTION_LANES,
    ARB_SECTION_OPPORTUNITIES,
    ARB_SECTION_PARKERS,
    ARB_SECTION_STRATEGY_COUNTERS,
    ARB_SECTION_THREADS,
    ARB_VENUE_COUNT,
    arb_control_t,
    arb_thread_entry_t,
)
from arbitrage.core.strategy cimport SpreadStrategy, arb_strategy_counters_t
from arbitrage.core.tap cimport arb_frame_tap_t

from arbitrage.core.threads import current_tid

cdef extern from *:
    """
    #include "stages.h"

    static void arb_stages_wire(arb_stages_t *stages, void *segment_memory, void *detector,
                                void *strategy)
    {
        const arb_segment_t *segment = (const arb_segment_t *)segment_memory;
        stages->detector = (arb_detector_t *)detector;
        stages->strategy = (arb_strategy_t *)strategy;
        stages->clock = (const arb_clock_t *)arb_segment_block(segment, ARB_SECTION_CLOCK, 0);
        stages->control = (arb_control_t *)arb_segment_block(segment, ARB_SECTION_CONTROL, 0);
        stages->detector_parker =
            (arb_parker_t *)arb_segment_block(segment, ARB_SECTION_PARKERS, 0);
        stages->strategy_parker =
            (arb_parker_t *)arb_segment_block(segment, ARB_SECTION_PARKERS, 1);
        stages->detector_counters = (const arb_detector_counters_t *)arb_segment_block(
            segment, ARB_SECTION_DETECTOR_COUNTERS, 0);
        stages->strategy_counters = (const arb_strategy_counters_t *)arb_segment_block(
            segment, ARB_SECTION_STRATEGY_COUNTERS, 0);
        stages->detector->detected = arb_segment_histogram(segment, ARB_STAGE_DETECTED);
    }
    static arb_warm_t *arb_stages_wire_warm(arb_stages_t *stages, void *memory)
    {
        arb_warm_init((arb_warm_t *)memory, stages->strategy);
        return stages->warm = (arb_warm_t *)memory;
    }
    static void arb_stages_wire_rows(arb_stages_t *stages)
    {
        arb_detector_name_rows(stages->detector, &stages->rows);
    }
    static void arb_stages_warm_rows(arb_stages_t *stages, int64_t now_mono_ns)
    {
        arb_detector_keep_warm(stages->detector, &stages->rows, ARB_WARM_LINES_A_TURN, now_mono_ns);
    }
    static uint64_t arb_stages_warm_bytes(void *strategy)
    {
        return arb_warm_bytes(((const arb_strategy_t *)strategy)->config.symbol_capacity);
    }
    /* one thread runs both: the strategy tells its turns, and the books it reads, there too */
    static void arb_stages_wire_decisions(arb_stages_t *stages)
    {
        stages->strategy->wire.decisions = stages->detector->decisions;
    }
    static void arb_stages_wire_bell(arb_stages_t *stages, void *bell)
    {
        stages->bell = (arb_bell_t *)bell;
    }

    static void arb_stages_run_detector(arb_stages_t *stages, arb_thread_entry_t *entry)
    {
        arb_stages_run(stages, arb_turn_detector, stages->detector_parker, NULL, entry);
    }
    static void arb_stages_run_strategy(arb_stages_t *stages, arb_thread_entry_t *entry)
    {
        arb_stages_run(stages, arb_turn_strategy, stages->strategy_parker, stages->warm,
                       entry);
    }
    static void arb_stages_run_fused(arb_stages_t *stages, arb_thread_entry_t *entry)
    {
        arb_stages_run(stages, arb_turn_fused, stages->detector_parker, stages->warm, entry);
    }
    static void arb_stages_wake(arb_stages_t *stages)
    {
        arb_parker_notify(stages->detector_parker);
        arb_parker_notify(stages->strategy_parker);
    }
    static void arb_stages_close_lives(arb_stages_t *stages)
    {
        arb_detector_close_all(stages->detector, arb_clock_now(stages->clock));
    }
    static void arb_thread_meter(arb_thread_entry_t *entry, uint64_t c, uint64_t python)
    {
        arb_store_relaxed(&entry->allocations_c, c);
        arb_store_relaxed(&entry->allocations_python, python);
        arb_store_relaxed(&entry->allocations_known, 1);
    }
    """
    void arb_stages_wire(arb_stages_t *stages, void *segment, void *detector, void *strategy) nogil
    arb_warm_t *arb_stages_wire_warm(arb_stages_t *stages, void *memory) nogil
    uint64_t arb_stages_warm_bytes(void *strategy) nogil
    void arb_stages_wire_rows(arb_stages_t *stages) nogil
    void arb_stages_warm_rows(arb_stages_t *stages, int64_t now_mono_ns) nogil
    void arb_warm_pass(arb_warm_t *warm, int64_t now_mono_ns) nogil
    void arb_warm_when_due(arb_warm_t *warm, const arb_clock_t *clock, int64_t now_mono_ns) nogil
    void arb_stages_wire_bell(arb_stages_t *stages, void *bell) nogil
    void arb_stages_wire_decisions(arb_stages_t *stages) nogil
    void arb_stages_run_detector(arb_stages_t *stages, arb_thread_entry_t *entry) nogil
    void arb_stages_run_strategy(arb_stages_t *stages, arb_thread_entry_t *entry) nogil
    void arb_stages_run_fused(arb_stages_t *stages, arb_thread_entry_t *entry) nogil
    void arb_stages_wake(arb_stages_t *stages) nogil
    int64_t arb_stages_park_ns(const arb_stages_t *stages) nogil
    void arb_stages_close_lives(arb_stages_t *stages) nogil
    void arb_thread_meter(arb_thread_entry_t *entry, uint64_t c, uint64_t python) nogil

PLACEMENTS = ("split", "fused", "inline")
WAITS = ("spin", "yield", "adaptive")


cdef class Stages:
    """Run a detector and a strategy over a segment.

    ``split`` has a thread for each (:meth:`run_detector`, :meth:`run_strategy`), ``fused`` one for
    both (:meth:`run_fused`), ``inline`` none: the feed lane runs them inside its callback.

    Threads: the run methods block without the interpreter lock until the segment's stop word is
    set; the rest from the owner's main thread, before they start or after they return.

    Parameters
    ----------
    segment : Segment
        Created here; its lanes are merged by the detector.
    detector : OpportunityDetector
        On the segment's store.
    strategy : SpreadStrategy or None
        None: detection only.
    placement, wait : str
        One of `PLACEMENTS` and `WAITS`.
    spin_us : int
        adaptive: how long to spin before sleeping, microseconds.
    round_ms : int
        When the segment's tap of decisions is enabled: how often the state of every symbol is told
        there, milliseconds.
    keep_warm : bool
        While there is nothing to do run the order path for nothing (keep_warm.h, less than 1 % of a
        core) and name the rows' lines to the caches again (warm_rows.h).
    """

    def __cinit__(self):
        self.warm = NULL

    def __dealloc__(self):
        free(self.warm)

    def __init__(self, Segment segment not None, OpportunityDetector detector not None,
                 SpreadStrategy strategy=None, *, str placement="split", str wait="adaptive",
                 int spin_us=50, int round_ms=1000, bint keep_warm=True) -> None:
        cdef arb_lane_t *lanes[ARB_LANES_MAX]
        cdef arb_control_t *control
        cdef uint32_t index
        if placement not in PLACEMENTS:
            raise ValueError(f"placement was {placement!r}; accepted values are "
                             f"{', '.join(PLACEMENTS)}")
        if wait not in WAITS:
            raise ValueError(f"wait was {wait!r}; accepted values are {', '.join(WAITS)}")
        if round_ms < 1:
            raise ValueError(f"round_ms was {round_ms}; accepted values are from 1")
        segment.require_owner()
        self.ends = [segment.lane(index).consumer() for index in range(segment.ptr.spec.lane_count)]
        self.ends.append(segment.opportunities.producer())
        if strategy is not None:
            self.ends += [segment.executions.consumer(), segment.pair_events.producer()]
            self.ends += [segment.orders(venue).producer() for venue in range(ARB_VENUE_COUNT)]
        for index in range(segment.ptr.spec.lane_count):
            lanes[index] = <arb_lane_t *>segment.block(ARB_SECTION_LANES, index)
        detector_bind(detector, lanes, segment.ptr.spec.lane_count,
                      <arb_broadcast_ring_t *>segment.block(ARB_SECTION_OPPORTUNITIES, 0),
                      <arb_detector_counters_t *>segment.block(ARB_SECTION_DETECTOR_COUNTERS, 0),
                      <arb_clock_t *>segment.block(ARB_SECTION_CLOCK, 0), segment)
        if segment.decisions.enabled:
            segment.decisions.claim()
            detector_tell(detector, <arb_frame_tap_t *>segment.block(ARB_SECTION_DECISIONS, 0),
                          round_ms * <int64_t>1_000_000)
        self.segment = segment
        self.detector = detector
        self.strategy = strategy
        self.placement = placement
        self.wait = wait
        arb_stages_wire(&self.stages, segment.ptr, detector.ptr,
                        NULL if strategy is None else <void *>strategy.ptr)
        if strategy is not None:
            if placement != "split":
                arb_stages_wire_decisions(&self.stages)
            control = segment.control()
            strategy.borrow(
                &control.kill, &control.opening_off, &control.flatten, control.paused,
                <arb_strategy_counters_t *>segment.block(ARB_SECTION_STRATEGY_COUNTERS, 0))
        self.stages.spin_ns = spin_us * 1000
        self.stages.wait = WAITS.index(wait)
        if keep_warm:
            arb_stages_wire_rows(&self.stages)
        if strategy is not None and keep_warm:
            self.begin_to_keep_warm()

    cdef int begin_to_keep_warm(self) except -1:
        # last: the strategy is wired completely by now
        cdef void *memory = NULL
        cdef uint64_t memory_bytes = arb_stages_warm_bytes(self.strategy.ptr)
        if self.warm != NULL:
            raise RuntimeError("stages are set up once")
        if posix_memalign(&memory, 128, memory_bytes) != 0:
            raise MemoryError()
        memset(memory, 0, memory_bytes)
        self.warm = arb_stages_wire_warm(&self.stages, memory)
        return 0

    def ring_bell_of(self, LoopPoller poller) -> None:
        """Name the loop that sends orders; the strategy wakes it when it sleeps. None: it polls.

        Inline it decides on that loop's own thread and rings nothing: an execution wakes the loop.
        """
        self.poller = poller
        silent = poller is None or self.placement == "inline"
        arb_stages_wire_bell(&self.stages, NULL if silent else <void *>poller.bell)

    cdef bint turn_inline(self) noexcept:
        # whether there are orders to send
        cdef uint64_t before = arb_stages_orders(&self.stages)
        arb_stages_both(&self.stages, arb_clock_now(self.stages.clock))
        return arb_stages_orders(&self.stages) != before

    def publisher(self, venue: int) -> ExecPublisher:
        """Make what a venue's gateway publishes executions with; it counts, wakes the strategy.

        Inline: on the thread of the loop that :meth:`ring_bell_of` was told of, whose hooks run the
        stages then.
        """
        cdef GatewayCounters counters = GatewayCounters_wrap(
            <arb_gateway_counters_t *>self.segment.block(ARB_SECTION_GATEWAY_COUNTERS, venue),
            self.segment)
        cdef ExecPublisher publisher = ExecPublisher(self.segment.executions, counters)
        if self.placement != "inline":
            publisher.set_parker(<arb_parker_t *>self.segment.block(
                ARB_SECTION_PARKERS, 1 if self.placement == "split" else 0), self.segment)
        else:
            publisher.poller = self.poller
        return publisher

    @property
    def sleep_s(self) -> float:
        """How long the stages may be left alone when nothing comes: their timers are due then."""
        return arb_stages_park_ns(&self.stages) / 1e9

    def turn(self, now_mono_ns: int = 0) -> int:
        """Run detector and strategy once, on this thread (inline); return what they handled.

        `now_mono_ns` is for those whose ticks carry another clock's stamps; 0: the segment's clock.
        """
        cdef int64_t now = now_mono_ns
        cdef uint64_t path = enter_hot()
        cdef uint32_t handled
        if now == 0:
            now = arb_clock_now(<arb_clock_t *>self.segment.block(ARB_SECTION_CLOCK, 0))
        handled = arb_stages_both(&self.stages, now)
        if handled == 0:
            arb_warm_when_due(self.stages.warm, self.stages.clock, now)
            arb_stages_warm_rows(&self.stages, now)
        leave_hot(path)
        return handled

    def rehearse(self, count: int = 1) -> int:
        """Keep the order path warm by so many passes, due or not; return those that had quotes.

        While no stage runs. The threads do it by themselves.
        """
        cdef int64_t now = arb_clock_now(self.stages.clock)
        cdef uint64_t before
        cdef int _each
        if self.warm == NULL:
            return 0
        before = self.warm.rehearsed
        for _each in range(count):
            arb_warm_pass(self.warm, now)
        return self.warm.rehearsed - before

    @property
    def warm_counts(self) -> dict[str, int]:
        """Passes so far, those that had quotes, the time that all took (ns), rounds of all rows."""
        if self.warm == NULL:
            return {"passes": 0, "rehearsed": 0, "spent_ns": 0, "rounds": self.stages.rows.rounds}
        return {"passes": self.warm.passes, "rehearsed": self.warm.rehearsed,
                "spent_ns": self.warm.pace.spent_ns, "rounds": self.stages.rows.rounds}

    def run_detector(self, core: int | None = None) -> None:
        """Run the detector until stop."""
        cdef arb_thread_entry_t *entry = self.enter("detector", core)
        cdef uint64_t path = enter_hot()
        with nogil:
            arb_stages_run_detector(&self.stages, entry)
        leave_hot(path)

    def run_strategy(self, core: int | None = None) -> None:
        """Run the strategy until stop."""
        cdef arb_thread_entry_t *entry = self.enter("strategy", core)
        cdef uint64_t path = enter_hot()
        with nogil:
            arb_stages_run_strategy(&self.stages, entry)
        leave_hot(path)

    def run_fused(self, core: int | None = None) -> None:
        """Run detector and strategy on this thread until stop."""
        cdef arb_thread_entry_t *entry = self.enter("fused", core)
        cdef uint64_t path = enter_hot()
        with nogil:
            arb_stages_run_fused(&self.stages, entry)
        leave_hot(path)

    def wake(self) -> None:
        """Wake sleeping stages, so that they see a control word now."""
        arb_stages_wake(&self.stages)

    def close_lives(self) -> None:
        """Publish a CLOSE for every open opportunity. After the detector has returned."""
        arb_stages_close_lives(&self.stages)

    cdef arb_thread_entry_t *enter(self, str role, core):
        cdef arb_alloc_counters_t *counters = thread_alloc_counters()
        cdef int place = self.segment.register_thread(role, current_tid(), core)
        cdef arb_thread_entry_t *entry = <arb_thread_entry_t *>self.segment.block(
            ARB_SECTION_THREADS, place)
        cdef uint32_t index = self.meter_count
        if counters != NULL and index < METERS_MAX:
            self.meters[index].entry = entry
            self.meters[index].counters = counters
            self.meter_count = index + 1
            # last: what the thread allocated on its way here is not the hot path's
            self.meters[index].c_before = counters.c
            self.meters[index].python_before = counters.python
        return entry

    def meter_allocations(self) -> None:
        """Copy the allocation counters, threads' and process', into the segment. Main thread."""
        self.segment.put_allocations(0)
        cdef stage_meter_t *meter
        cdef uint32_t index
        for index in range(self.meter_count):
            meter = &self.meters[index]
            arb_thread_meter(meter.entry, meter.counters.c - meter.c_before,
                             meter.counters.python - meter.python_before)


cdef uint64_t enter_hot() noexcept nogil:
    # what this thread allocates from now on is the hot path's; returns what it was before
    cdef arb_alloc_counters_t *counters = thread_alloc_counters()
    if counters == NULL:
        return 0
    cdef uint64_t before = counters.path
    counters.path = PATH_HOT
    return before


cdef void leave_hot(uint64_t before) noexcept nogil:
    cdef arb_alloc_counters_t *counters = thread_alloc_counters()
    if counters != NULL:
        counters.path = before
