"""A trader's segment as memory: its name, its header, its control words."""

import os
import re

from libc.errno cimport ENOENT, errno
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memset, strncpy
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

from arbitrage.core.clock cimport arb_mono_ns, arb_wall_ns
from arbitrage.core.segment_layout cimport (
    ARB_SECTION_CONTROL,
    ARB_SECTION_HISTOGRAMS,
    ARB_SECTION_TAPS,
    ARB_SEGMENT_CLOSED,
    ARB_SEGMENT_READY,
    arb_segment_block,
)

from arbitrage.core.memory import process_start_ticks

NAME_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,30}")
STATES = ("initialising", "ready", "closed")


cdef extern from "kill_gate.h" nogil:
    bint arb_kill_trip(uint64_t *kill, uint64_t reason) noexcept
    void arb_kill_clear(uint64_t *kill) noexcept


cdef extern from "pause_bits.h" nogil:
    void arb_pause_raise(uint8_t *reasons, uint8_t bits) noexcept
    void arb_pause_lower(uint8_t *reasons, uint8_t bits) noexcept
    uint8_t arb_pause_reasons(const uint8_t *reasons) noexcept


def shm_path(name: str) -> str:
    """Return the shared-memory name of a segment; a bad `name` raises ValueError."""
    if NAME_FORM.fullmatch(name) is None:
        raise ValueError(f"segment name was {name!r}; accepted are up to 31 letters, digits, "
                         "'.', '_', '-'")
    return "/arbitrage." + name


cdef class SegmentMapping:
    # The mapped memory of a segment: who made it, how it stands, and the words that steer it.

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


# ---- the memory behind the name ------------------------------------------------------------------

cdef str not_ready(str name):
    return f"segment {name!r} is not ready: its trader is starting or was killed at start"


cdef void *make_object(str name, uint64_t size) except NULL:
    # a new object of that name, mapped; nothing is left of it when that fails
    cdef bytes path = shm_path(name).encode()
    cdef void *memory
    cdef int fd = shm_open(path, O_CREAT | O_EXCL | O_RDWR, 0o600)
    if fd < 0:
        raise OSError(errno, f"segment {name!r} could not be made: {os.strerror(errno)}")
    try:
        if ftruncate(fd, size) != 0:
            raise OSError(errno, f"segment {name!r} needs {size} bytes of "
                                 f"/dev/shm: {os.strerror(errno)}")
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
        if memory == MAP_FAILED:
            raise OSError(errno, f"segment {name!r} could not be mapped: {os.strerror(errno)}")
    except OSError:
        shm_unlink(path)
        raise
    finally:
        close(fd)
    return memory


cdef void *map_object(str name, bint writable, uint64_t *size) except NULL:
    # an object that is there, mapped, and how large it is
    cdef bytes path = shm_path(name).encode()
    cdef void *memory
    cdef int fd = shm_open(path, O_RDWR if writable else O_RDONLY, 0)
    if fd < 0:
        if errno == ENOENT:
            raise FileNotFoundError(f"no trader named {name!r} runs here: start one, or give "
                                    "its name")
        raise OSError(errno, f"segment {name!r} could not be opened: {os.strerror(errno)}")
    size[0] = os.fstat(fd).st_size
    if size[0] < sizeof(arb_segment_t):
        close(fd)
        raise ValueError(not_ready(name))
    cdef int access = PROT_READ | PROT_WRITE if writable else PROT_READ
    memory = mmap(NULL, size[0], access, MAP_SHARED, fd, 0)
    close(fd)
    if memory == MAP_FAILED:
        raise OSError(errno, f"segment {name!r} could not be mapped: {os.strerror(errno)}")
    return memory


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
