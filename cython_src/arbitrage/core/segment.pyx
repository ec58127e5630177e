"""The shared-memory segment of one trader: made by it, attached read-only by everything else."""

import os
import re

from libc.errno cimport ENOENT, errno
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset, strncpy
from posix.fcntl cimport O_CREAT, O_EXCL, O_RDONLY, O_RDWR
from posix.mman cimport (
    MAP_FAILED,
    MAP_SHARED,
    PROT_READ,
    PROT_WRITE,
    mmap,
    munmap,
    shm_open,
    shm_unlink,
)
from posix.unistd cimport close, ftruncate

from arbitrage.core.board cimport read_board, write_board
from arbitrage.core.clock cimport Clock_wrap, arb_clock_t, arb_mono_ns, arb_wall_ns
from arbitrage.core.histogram cimport Histogram_wrap
from arbitrage.core.histogram import LatencyTracker
from arbitrage.core.lane cimport Lane_wrap, arb_lane_t
from arbitrage.core.memory import process_start_ticks
from arbitrage.core.meters cimport (
    counters_of,
    enter_thread,
    leave_thread,
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
    ARB_SECTION_CONTROL,
    ARB_SECTION_EXECUTIONS,
    ARB_SECTION_HISTOGRAMS,
    ARB_SECTION_LANES,
    ARB_SECTION_NOTICES,
    ARB_SECTION_OPPORTUNITIES,
    ARB_SECTION_ORDERS,
    ARB_SECTION_PAIR_EVENTS,
    ARB_SECTION_STORE,
    ARB_SECTION_SYMBOLS,
    ARB_SECTION_TAPS,
    ARB_SEGMENT_CLOSED,
    ARB_SEGMENT_MAGIC,
    ARB_SEGMENT_READY,
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
    arb_segment_block,
    arb_segment_histogram,
    arb_segment_init_sections,
    arb_segment_plan,
)
from arbitrage.core.store cimport MarketStore_wrap, arb_market_store_t
from arbitrage.core.symbols cimport SymbolMap_wrap, arb_symbol_map_t
from arbitrage.core.tap cimport FrameTap_wrap, arb_frame_tap_t

LAYOUT_VERSION = ARB_LAYOUT_VERSION
VENUES = ("bybit", "okx")
NAME_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,30}")
cdef str NOT_READY = "segment {!r} is not ready: its trader is starting or was killed at start"
STATES = ("initialising", "ready", "closed")
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


def shm_path(name: str) -> str:
    """Return the shared-memory name of a segment; a bad `name` raises ValueError."""
    if NAME_FORM.fullmatch(name) is None:
        raise ValueError(f"segment name was {name!r}; accepted are up to 31 letters, digits, "
                         "'.', '_', '-'")
    return "/arbitrage." + name


cdef extern from "kill_gate.h" nogil:
    bint arb_kill_trip(uint64_t *kill, uint64_t reason) noexcept
    void arb_kill_clear(uint64_t *kill) noexcept


cdef extern from "pause_bits.h" nogil:
    void arb_pause_raise(uint8_t *reasons, uint8_t bits) noexcept
    void arb_pause_lower(uint8_t *reasons, uint8_t bits) noexcept
    uint8_t arb_pause_reasons(const uint8_t *reasons) noexcept


cdef class Segment:
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
        cdef bytes path = shm_path(name).encode()
        cdef void *memory
        cdef int fd
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
        fd = shm_open(path, O_CREAT | O_EXCL | O_RDWR, 0o600)
        if fd < 0:
            raise OSError(errno, f"segment {name!r} could not be made: {os.strerror(errno)}")
        try:
            if ftruncate(fd, plan.total_bytes) != 0:
                raise OSError(errno, f"segment {name!r} needs {plan.total_bytes} bytes of "
                                     f"/dev/shm: {os.strerror(errno)}")
            memory = mmap(NULL, plan.total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
            if memory == MAP_FAILED:
                raise OSError(errno, f"segment {name!r} could not be mapped: {os.strerror(errno)}")
        except OSError:
            shm_unlink(path)
            raise
        finally:
            close(fd)
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
        cdef bytes path = shm_path(name).encode()
        cdef void *memory
        cdef int fd = shm_open(path, O_RDWR if writable else O_RDONLY, 0)
        if fd < 0:
            if errno == ENOENT:
                raise FileNotFoundError(f"no trader named {name!r} runs here: start one, or give "
                                        "its name")
            raise OSError(errno, f"segment {name!r} could not be opened: {os.strerror(errno)}")
        cdef uint64_t size = os.fstat(fd).st_size
        if size < sizeof(arb_segment_t):
            close(fd)
            raise ValueError(NOT_READY.format(name))
        cdef int access = PROT_READ | PROT_WRITE if writable else PROT_READ
        memory = mmap(NULL, size, access, MAP_SHARED, fd, 0)
        close(fd)
        if memory == MAP_FAILED:
            raise OSError(errno, f"segment {name!r} could not be mapped: {os.strerror(errno)}")
        cdef Segment segment = wrap(memory, size, name, not writable)
        cdef arb_segment_t *header = segment.ptr
        if header.magic != ARB_SEGMENT_MAGIC or header.total_bytes > size:
            raise ValueError(NOT_READY.format(name))
        if (header.layout_version != ARB_LAYOUT_VERSION
                or header.header_bytes != sizeof(arb_segment_t)):
            raise ValueError(f"segment {name!r} has layout version {header.layout_version}; this "
                             f"program reads {ARB_LAYOUT_VERSION}: use the same release as its "
                             "trader")
        return segment

    def __dealloc__(self):
        if self.ptr != NULL:
            munmap(self.ptr, self.mapped_bytes)

    cdef arb_control_t *control(self):
        return <arb_control_t *>arb_segment_block(self.ptr, ARB_SECTION_CONTROL, 0)

    cdef void *block(self, arb_section_t section, uint32_t index):
        return arb_segment_block(self.ptr, section, index)

    def require_owner(self) -> None:
        """Raise unless this process made the segment."""
        if not self.is_owner:
            raise PermissionError(f"segment {self.name!r} is attached; only its trader may change "
                                  "it")

    def mark_ready(self) -> None:
        """Tell readers that symbols and instruments are in place. Owner only."""
        self.require_owner()
        self.ptr.state = ARB_SEGMENT_READY

    def heartbeat(self) -> None:
        """Tell readers that the trader lives, and keep its clock true. Owner's main thread only."""
        self.require_owner()
        self.ptr.heartbeat_mono_ns = arb_mono_ns()

    def close(self) -> None:
        """Mark the segment closed and take its name away, when this process made it."""
        if self.is_owner:
            self.is_owner = False
            self.ptr.state = ARB_SEGMENT_CLOSED
            shm_unlink(shm_path(self.name).encode())

    # ---- identity ----------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The trader's process id."""
        return self.ptr.owner_pid

    @property
    def run(self) -> int:
        """Run number of the trader's client ids."""
        return self.ptr.run

    @property
    def mode(self) -> str:
        """What the trader trades on: paper, demo, testnet, live."""
        return self.ptr.mode.decode()

    @property
    def state(self) -> str:
        """``initialising``, ``ready`` or ``closed``."""
        return STATES[self.ptr.state] if self.ptr.state < 3 else "unknown"

    @property
    def alive(self) -> bool:
        """Whether the trader that made this segment still runs."""
        if self.ptr.state == ARB_SEGMENT_CLOSED:
            return False
        return process_start_ticks(self.ptr.owner_pid) == self.ptr.owner_start_ticks

    @property
    def heartbeat_age_s(self) -> float:
        """Seconds since the trader's main thread was last seen."""
        return (arb_mono_ns() - self.ptr.heartbeat_mono_ns) / 1e9

    @property
    def uptime_s(self) -> float:
        """Seconds since the segment was made."""
        return (arb_wall_ns() - self.ptr.created_wall_ns) / 1e9

    @property
    def spec(self) -> dict[str, int]:
        """Sizes as they really are."""
        return dict(self.ptr.spec)

    @property
    def total_bytes(self) -> int:
        """Size of the segment."""
        return self.ptr.total_bytes

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
        """Return every counter: ``feed`` and ``gateway`` by venue, ``detector``, ``strategy``."""
        return counters_of(self.ptr, VENUES)

    def queues(self) -> dict[str, dict[str, int]]:
        """Return capacity, depth, pushed and dropped of the ``market`` and ``order`` queues."""
        return queues_of(self.ptr)

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

    # ---- steering ----------------------------------------------------------------------------

    def steer(self, *, stop=None, opening_off=None, flatten=None, kill=None) -> None:
        """Set control words (bool); None leaves one alone. Owner only."""
        cdef arb_control_t *control = self.control()
        self.require_owner()
        if opening_off is not None:
            control.opening_off = bool(opening_off)
        if flatten is not None:
            control.flatten = bool(flatten)
        if kill is not None:
            control.kill = bool(kill)
        if stop is not None:
            control.stop = bool(stop)

    def trip_kill(self, reason: int) -> bool:
        """Trip the kill switch for a reason, a place in `risk.KILLS`; the first reason stays.

        Any thread, also a signal handler: no order leaves a gateway that looks from now on. False
        when it had tripped already. Owner only.
        """
        self.require_owner()
        if not 0 < reason < 256:
            raise ValueError(f"reason was {reason}; accepted values are 1 to 255")
        return arb_kill_trip(&self.control().kill, reason)

    def clear_kill(self) -> None:
        """Let orders leave again. Owner only."""
        self.require_owner()
        arb_kill_clear(&self.control().kill)

    @property
    def kill_reason(self) -> int:
        """Why the kill switch has tripped, a place in `risk.KILLS`; 0: it has not."""
        return self.control().kill

    cdef uint8_t *pause_byte(self, object symbol_index) except NULL:
        if not 0 <= symbol_index < self.ptr.spec.symbol_capacity:
            raise IndexError(f"symbol index was {symbol_index}; capacity is "
                             f"{self.ptr.spec.symbol_capacity}")
        return &self.control().paused[<int>symbol_index]

    def pause(self, symbol_index: int, reason: int) -> None:
        """Open no pair of one symbol, for one more reason of `risk.PAUSES`. Owner, any thread."""
        self.require_owner()
        if not 0 < reason < 256:
            raise ValueError(f"reason was {reason}; accepted are bits of one byte")
        arb_pause_raise(self.pause_byte(symbol_index), reason)

    def unpause(self, symbol_index: int, reason: int) -> None:
        """Take back reasons to pause one symbol; others stay. Owner, any thread."""
        self.require_owner()
        arb_pause_lower(self.pause_byte(symbol_index), reason & 0xFF)

    def pause_reasons(self, symbol_index: int) -> int:
        """Return why one symbol may open no pair: bits of `risk.PAUSES`, 0 when it may."""
        return arb_pause_reasons(self.pause_byte(symbol_index))

    def is_paused(self, symbol_index: int) -> bool:
        """Whether one symbol may open no pair."""
        return self.pause_reasons(symbol_index) != 0

    @property
    def controls(self) -> dict[str, bool]:
        """The control words as they stand."""
        cdef arb_control_t *control = self.control()
        return {"stop": control.stop != 0, "opening_off": control.opening_off != 0,
                "flatten": control.flatten != 0, "kill": control.kill != 0}

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


cdef void put_text(char *field, str text, size_t size):
    cdef bytes encoded = text.encode("ascii", "replace")
    strncpy(field, encoded, size - 1)


cdef uint32_t round_up_pow2(object asked, str name) except 0:
    if not 1 <= asked <= 1 << 30:
        raise ValueError(f"{name} was {asked}; accepted values are 1 to {1 << 30}")
    return 1 << (int(asked) - 1).bit_length()


cdef void prefault(char *memory, arb_segment_t *plan):
    # touch every page once, so that the hot path never faults; the taps fault when they are enabled
    cdef uint64_t taps_start = arb_segment_block(plan, ARB_SECTION_TAPS, 0) - <void *>plan
    cdef uint64_t taps_end = arb_segment_block(plan, ARB_SECTION_HISTOGRAMS, 0) - <void *>plan
    memset(memory, 0, taps_start)
    memset(memory + taps_end, 0, plan.total_bytes - taps_end)


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
