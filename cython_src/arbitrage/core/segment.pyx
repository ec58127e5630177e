"""The shared-memory segment of one trader: made by it, attached read-only by everything else."""

import os

from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset
from posix.mman cimport shm_unlink

from arbitrage.core.board cimport read_board, write_board
from arbitrage.core.clock cimport Clock_wrap, arb_clock_t, arb_mono_ns, arb_wall_ns
from arbitrage.core.histogram cimport Histogram_wrap
from arbitrage.core.histogram import LatencyTracker
from arbitrage.core.lane cimport Lane_wrap, arb_lane_t
from arbitrage.core.memory import process_start_ticks
from arbitrage.core.meters cimport (
    allocations_of,
    counters_of,
    enter_thread,
    leave_thread,
    put_allocations,
    queues_of,
    threads_of,
)
from arbitrage.core.ring cimport (
    BroadcastRing_wrap,
    MpscRing_wrap,
    OpportunityQueue_wrap,
    SpscRing_wrap,
    arb_broadcast_ring_t,
    arb_mpsc_ring_t,
    arb_spsc_ring_t,
)
from arbitrage.core.segment_layout cimport (
    ARB_LANES_MAX,
    ARB_LAYOUT_VERSION,
    ARB_SECTION_BOARD,
    ARB_SECTION_CLOCK,
    ARB_SECTION_DECISIONS,
    ARB_SECTION_EXECUTIONS,
    ARB_SECTION_LANES,
    ARB_SECTION_NOTICES,
    ARB_SECTION_OPPORTUNITIES,
    ARB_SECTION_ORDERS,
    ARB_SECTION_PAIR_EVENTS,
    ARB_SECTION_STORE,
    ARB_SECTION_SYMBOLS,
    ARB_SECTION_TAPS,
    ARB_STAGE_ACKNOWLEDGED,
    ARB_STAGE_COUNT,
    ARB_STAGE_DECIDED,
    ARB_STAGE_DETECTED,
    ARB_STAGE_NAKED,
    ARB_STAGE_PARSED,
    ARB_STAGE_SEEN,
    ARB_STAGE_SENT,
    ARB_STAGE_TO_ORDER,
    ARB_SYMBOLS_MAX,
    ARB_VENUES_MAX,
    arb_segment_histogram,
    arb_segment_init_sections,
    arb_segment_is_published,
    arb_segment_plan,
    arb_segment_publish,
    arb_segment_t,
)
from arbitrage.core.segment_mapping cimport (
    SegmentMapping,
    make_object,
    map_object,
    not_ready,
    prefault,
    put_text,
    round_up_pow2,
)
from arbitrage.core.store cimport MarketStore_wrap, arb_market_store_t
from arbitrage.core.symbols cimport SymbolMap_wrap, arb_symbol_map_t
from arbitrage.core.tap cimport FrameTap_wrap, arb_frame_tap_t

from arbitrage.core.segment_mapping import shm_path

LAYOUT_VERSION = ARB_LAYOUT_VERSION
VENUES = ("bybit", "okx")
# stage name -> its first histogram, in the order data passes them; see arb_stage_t
STAGES = {
    "parsed": ARB_STAGE_PARSED,
    "detected": ARB_STAGE_DETECTED,
    "seen": ARB_STAGE_SEEN,
    "decided": ARB_STAGE_DECIDED,
    "opportunity_to_order": ARB_STAGE_TO_ORDER,
    "sent": ARB_STAGE_SENT,
    "acknowledged": ARB_STAGE_ACKNOWLEDGED,
    "naked_leg": ARB_STAGE_NAKED,
}
# how many threads measure a stage that several measure
STAGE_WRITERS = {"parsed": ARB_LANES_MAX, "sent": ARB_VENUES_MAX, "acknowledged": ARB_VENUES_MAX}


cdef class Segment(SegmentMapping):
    """One trader's shared memory.

    Make it with :meth:`create` (the trader) or :meth:`attach` (everybody else). Views handed out
    keep the mapping alive; :meth:`close` only ends this object's use of the name.

    Threads: any thread may read; each section is written by the thread the section table names.
    """

    def __init__(self) -> None:
        raise TypeError("use Segment.create(...) or Segment.attach(name)")

    @staticmethod
    def create(name: str, *, symbol_capacity: int = 64, lane_count: int = 1,
               tick_capacity: int = 16384, opportunity_capacity: int = 4096,
               order_capacity: int = 1024, execution_capacity: int = 4096,
               tap_bytes: int = 1 << 22, parking: bool = True, mode: str = "",
               run: int = 0) -> Segment:
        """Make the segment of a new trader, mode 0600, and initialise every section.

        Parameters
        ----------
        name : str
            Name readers attach by.
        symbol_capacity : int
            Canonical symbols, 1 to 2047.
        lane_count : int
            Feed threads, 1 to 8.
        tick_capacity, opportunity_capacity, order_capacity, execution_capacity : int
            Ring sizes, rounded up to powers of two.
        tap_bytes : int
            Size of each lane's frame tap.
        parking : bool
            Whether detector and strategy may sleep (wait strategy ``adaptive``).
        mode : str
            Shown to readers.
        run : int
            Run number of the client ids.

        Raises
        ------
        FileExistsError
            A living trader holds the name. One left behind by a killed run is replaced.
        ValueError, OSError
            A bad size or name; no room in /dev/shm.
        """
        cdef arb_segment_t plan
        if not 1 <= symbol_capacity < ARB_SYMBOLS_MAX:
            raise ValueError(f"symbol_capacity was {symbol_capacity}; accepted values are 1 to "
                             f"{ARB_SYMBOLS_MAX - 1}")
        if not 1 <= lane_count <= ARB_LANES_MAX:
            raise ValueError(f"lane_count was {lane_count}; accepted values are 1 to "
                             f"{ARB_LANES_MAX}")
        memset(&plan, 0, sizeof(plan))
        plan.spec.symbol_capacity = symbol_capacity
        plan.spec.lane_count = lane_count
        plan.spec.tick_capacity = round_up_pow2(tick_capacity, "tick_capacity")
        plan.spec.opportunity_capacity = round_up_pow2(opportunity_capacity, "opportunity_capacity")
        plan.spec.order_capacity = round_up_pow2(order_capacity, "order_capacity")
        plan.spec.execution_capacity = round_up_pow2(execution_capacity, "execution_capacity")
        plan.spec.tap_bytes = round_up_pow2(tap_bytes, "tap_bytes")
        plan.spec.parking = parking
        arb_segment_plan(&plan)

        remove_stale(name)
        cdef void *memory = make_object(name, plan.total_bytes)
        cdef Segment segment = wrap(memory, plan.total_bytes, name, False)
        segment.is_owner = True
        prefault(<char *>memory, &plan)
        # its owner first: a run that is killed in between leaves nobody's segment, which is stale
        plan.owner_pid = os.getpid()
        plan.owner_start_ticks = process_start_ticks(os.getpid())
        memcpy(memory, &plan, sizeof(plan))
        segment.ptr.created_wall_ns = arb_wall_ns()
        segment.ptr.heartbeat_mono_ns = arb_mono_ns()
        segment.ptr.run = run
        put_text(segment.ptr.name, name, sizeof(segment.ptr.name))
        put_text(segment.ptr.mode, mode, sizeof(segment.ptr.mode))
        arb_segment_init_sections(segment.ptr)
        arb_segment_publish(segment.ptr)
        return segment

    @staticmethod
    def attach(name: str, *, writable: bool = False) -> Segment:
        """Map a trader's segment, read-only unless `writable` (feed processes of the same trader).

        Raises
        ------
        FileNotFoundError
            No trader of that name runs.
        ValueError
            The segment has another layout version, or is not ready.
        """
        cdef uint64_t size = 0
        cdef void *memory = map_object(name, writable, &size)
        cdef Segment segment = wrap(memory, size, name, not writable)
        cdef arb_segment_t *header = segment.ptr
        if not arb_segment_is_published(header) or header.total_bytes > size:
            raise ValueError(not_ready(name))
        if (header.layout_version != ARB_LAYOUT_VERSION
                or header.header_bytes != sizeof(arb_segment_t)):
            raise ValueError(f"segment {name!r} has layout version {header.layout_version}; this "
                             f"program reads {ARB_LAYOUT_VERSION}: use the same release as its "
                             "trader")
        return segment

    # ---- sections ----------------------------------------------------------------------------

    @property
    def clock(self):
        """The trader's clock."""
        return self.view("clock", lambda: Clock_wrap(
            <arb_clock_t *>self.block(ARB_SECTION_CLOCK, 0), self))

    @property
    def symbols(self):
        """The :class:`SymbolMap`."""
        return self.view("symbols", lambda: SymbolMap_wrap(
            <arb_symbol_map_t *>self.block(ARB_SECTION_SYMBOLS, 0), self, not self.readonly))

    @property
    def store(self):
        """The :class:`MarketStore`; its arrays are read-only when attached."""
        return self.view("store", lambda: MarketStore_wrap(
            <arb_market_store_t *>self.block(ARB_SECTION_STORE, 0), self, self.readonly))

    def lane(self, index: int):
        """Tick ring and overflow cells of one feed thread."""
        if not 0 <= index < self.ptr.spec.lane_count:
            raise IndexError(f"lane was {index}; the segment has {self.ptr.spec.lane_count}")
        return self.view(f"lane{index}", lambda: Lane_wrap(
            <arb_lane_t *>self.block(ARB_SECTION_LANES, index), self, not self.readonly))

    def tap(self, index: int):
        """The :class:`FrameTap` of one lane: raw frames, when the trader keeps them."""
        if not 0 <= index < self.ptr.spec.lane_count:
            raise IndexError(f"lane was {index}; the segment has {self.ptr.spec.lane_count}")
        return self.view(f"tap{index}", lambda: FrameTap_wrap(
            <arb_frame_tap_t *>self.block(ARB_SECTION_TAPS, index), self, not self.readonly))

    @property
    def decisions(self):
        """The :class:`FrameTap` of the detector's own decisions, when the trader keeps them."""
        return self.view("decisions", lambda: FrameTap_wrap(
            <arb_frame_tap_t *>self.block(ARB_SECTION_DECISIONS, 0), self, not self.readonly))

    @property
    def opportunities(self):
        """Broadcast of opportunity events."""
        return self.view("opportunities", lambda: OpportunityQueue_wrap(
            <arb_broadcast_ring_t *>self.block(ARB_SECTION_OPPORTUNITIES, 0), self,
            not self.readonly))

    @property
    def pair_events(self):
        """Broadcast of pair events."""
        return self.view("pair_events", lambda: BroadcastRing_wrap(
            <arb_broadcast_ring_t *>self.block(ARB_SECTION_PAIR_EVENTS, 0), self,
            not self.readonly))

    @property
    def notices(self):
        """Broadcast of notices: answers to intents, fills, settlements of funding."""
        return self.view("notices", lambda: BroadcastRing_wrap(
            <arb_broadcast_ring_t *>self.block(ARB_SECTION_NOTICES, 0), self, not self.readonly))

    def orders(self, venue: int):
        """Order ring of a venue."""
        return self.view(f"orders{venue}", lambda: SpscRing_wrap(
            <arb_spsc_ring_t *>self.block(ARB_SECTION_ORDERS, venue), self, not self.readonly))

    @property
    def executions(self):
        """Execution ring: what venues said of orders, on its way to the strategy."""
        return self.view("executions", lambda: MpscRing_wrap(
            <arb_mpsc_ring_t *>self.block(ARB_SECTION_EXECUTIONS, 0), self, not self.readonly))

    def view(self, key: str, make):
        """Return what `make` made for `key`, once."""
        if key not in self.views:
            self.views[key] = make()
        return self.views[key]

    def histogram(self, stage: int):
        """Histogram of one block of the stage section."""
        if not 0 <= stage < ARB_STAGE_COUNT:
            raise IndexError(f"stage was {stage}; there are {ARB_STAGE_COUNT}")
        return Histogram_wrap(arb_segment_histogram(self.ptr, stage), self, self.readonly)

    @property
    def latency(self):
        """The :class:`LatencyTracker` of all stages, ns."""
        return LatencyTracker({
            stage: [self.histogram(first + index) for index in range(STAGE_WRITERS.get(stage, 1))]
            for stage, first in STAGES.items()
        })

    @property
    def board(self) -> bytes | None:
        """What the trader's main thread wrote last, whole; None when it wrote nothing yet."""
        return read_board(self.block(ARB_SECTION_BOARD, 0))

    def write_board(self, text: bytes) -> None:
        """Publish at most `board.BOARD_BYTES_MAX` bytes for readers. Owner's main thread only."""
        self.require_owner()
        write_board(self.block(ARB_SECTION_BOARD, 0), text)

    # ---- meters ------------------------------------------------------------------------------

    def counters(self) -> dict:
        """Return every counter: ``feed`` and ``gateway`` by venue, ``detector``, ``strategy``.

        Of a feed, ``lines`` are its parallel connections, and ``rows`` its symbols: a list a
        counter, in the order of `symbols`.
        """
        return counters_of(self.ptr, VENUES)

    def queues(self) -> dict[str, dict[str, int]]:
        """Return capacity, depth, pushed and dropped of the ``market`` and ``order`` queues."""
        return queues_of(self.ptr)

    @property
    def allocations(self) -> dict[str, int] | None:
        """Allocations since the start: ``hot``, ``warm``, ``cold``; None without the shim."""
        return allocations_of(self.ptr)

    def put_allocations(self, place: int) -> None:
        """Publish this process' allocations; 0: the owner, 1 + lane: that lane's feed process."""
        put_allocations(self.ptr, place)

    def threads(self) -> list[dict]:
        """Return the hot threads: role, tid, core, turns, work, allocations.

        Allocations are None without the preload shim.
        """
        return threads_of(self.ptr)

    def register_thread(self, role: str, tid: int, core: int | None) -> int:
        """Enter a thread into the thread table; return its place, for :meth:`release_thread`."""
        return enter_thread(self.ptr, role, tid, -1 if core is None else core)

    def release_thread(self, index: int) -> None:
        """Free a place in the thread table."""
        leave_thread(self.ptr, index)

    def __repr__(self) -> str:
        return (f"Segment({self.name!r}, mode={self.mode!r}, pid={self.pid}, state={self.state!r}, "
                f"alive={self.alive})")


cdef Segment wrap(void *memory, uint64_t size, str name, bint readonly):
    cdef Segment segment = Segment.__new__(Segment)
    segment.ptr = <arb_segment_t *>memory
    segment.mapped_bytes = size
    segment.name = name
    segment.readonly = readonly
    segment.views = {}
    return segment


def remove_stale(name: str) -> bool:
    """Remove the segment of a trader that was killed; return whether there was one.

    Raises
    ------
    FileExistsError
        The trader lives.
    """
    cdef Segment other
    try:
        other = Segment.attach(name)
        if other.alive:
            raise FileExistsError(f"a trader named {name!r} runs already (pid {other.pid}): stop "
                                  "it first, or give this one another name")
    except FileNotFoundError:
        return False
    except ValueError:
        pass
    shm_unlink(shm_path(name).encode())
    return True
