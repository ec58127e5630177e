"""The intent door: how a user's strategy process asks the trader for pairs."""

import os

cimport cython
from libc.errno cimport ENOENT, errno
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset
from posix.fcntl cimport O_CREAT, O_EXCL, O_RDWR
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

from arbitrage.core.clock cimport arb_mono_ns
from arbitrage.core.memory cimport AlignedMemory, claim_drop, claim_take

from arbitrage.core.messages import Intent
from arbitrage.core.segment_mapping import shm_path

DOORS_MAX = ARB_DOORS_MAX
CAPACITY = ARB_DOOR_CAPACITY
STATES = ("starting", "running", "ended")


def door_path(name: str, tag: int) -> str:
    """Return the shared-memory name of a trader's door; a bad name or tag raises ValueError."""
    if not 1 <= tag <= ARB_DOORS_MAX:
        raise ValueError(f"tag was {tag}; accepted values are 1 to {ARB_DOORS_MAX}")
    return f"/arbitrage-intents.{shm_path(name)[len('/arbitrage.'):]}.{tag}"


@cython.no_gc_clear  # the memory behind the claim must outlive __dealloc__
cdef class IntentDoor:
    """A small shared memory of its own, mode 0600, that one user's strategy may write.

    The trader makes it (:meth:`create`) and takes from it; the strategy's process attaches and
    holds its producer's end. What a strategy writes there can harm its own intents only.

    Threads: one in each process.
    """

    def __init__(self) -> None:
        raise TypeError("use IntentDoor.create(...), .attach(...) or .private(...)")

    @staticmethod
    def create(name: str, tag: int, *, run: int = 0) -> IntentDoor:
        """Make a trader's door, in place of one that a killed trader of that name left.

        Parameters
        ----------
        name : str
            The trader's name.
        tag : int
            1 to 4; marks the pairs that come in here.
        run : int
            Run number of the trader's client ids.

        Raises
        ------
        OSError
            No room in /dev/shm.
        """
        cdef bytes path = door_path(name, tag).encode()
        shm_unlink(path)
        cdef int fd = shm_open(path, O_CREAT | O_EXCL | O_RDWR, 0o600)
        if fd < 0:
            raise OSError(errno, f"{path.decode()} could not be made: {os.strerror(errno)}")
        if ftruncate(fd, sizeof(arb_intent_door_t)) != 0:
            close(fd)
            shm_unlink(path)
            raise OSError(errno, f"{path.decode()} could not be made: {os.strerror(errno)}")
        cdef IntentDoor door = map_door(fd, name)
        door.is_owner = True
        memset(door.ptr, 0, sizeof(arb_intent_door_t))
        prepare(door.ptr, tag, run)
        return door

    @staticmethod
    def attach(name: str, tag: int) -> IntentDoor:
        """Open a trader's door and claim its producer's end for this process.

        Raises
        ------
        FileNotFoundError
            The trader has no such door.
        ClaimError
            Another living process holds it.
        ValueError
            It belongs to another release.
        """
        cdef bytes path = door_path(name, tag).encode()
        cdef int fd = shm_open(path, O_RDWR, 0)
        if fd < 0:
            if errno == ENOENT:
                raise FileNotFoundError(f"trader {name!r} has no door {tag} for a strategy")
            raise OSError(errno, f"{path.decode()} could not be opened: {os.strerror(errno)}")
        if os.fstat(fd).st_size < <long>sizeof(arb_intent_door_t):
            close(fd)
            raise ValueError(f"{path.decode()} is not ready")
        cdef IntentDoor door = map_door(fd, name)
        if door.ptr.magic != ARB_DOOR_MAGIC or door.ptr.layout != ARB_DOOR_LAYOUT:
            raise ValueError(f"{path.decode()} has another layout: use the same release as its "
                             "trader")
        door.claim()
        return door

    @staticmethod
    def private(tag: int) -> IntentDoor:
        """Make a door in this process's own memory, both ends in this process (replay)."""
        door_path("private", tag)
        cdef IntentDoor door = IntentDoor.__new__(IntentDoor)
        cdef AlignedMemory memory = AlignedMemory(sizeof(arb_intent_door_t))
        door.memory, door.name = memory, "private"
        door.ptr = <arb_intent_door_t *>memory.ptr
        prepare(door.ptr, tag, 0)
        door.claim()
        return door

    def claim(self) -> None:
        """Take the producer's end, also again; a new generation of ids begins."""
        if self.word != 0:
            claim_drop(&self.ptr.producer_claim, self.word)
            self.word = 0
        self.word = claim_take(&self.ptr.producer_claim, "intent door's producer")
        self.ptr.generation += 1
        self.ptr.state = 0
        self.ptr.heartbeat_mono_ns = arb_mono_ns()

    def __dealloc__(self) -> None:
        if self.word != 0:
            claim_drop(&self.ptr.producer_claim, self.word)
        if self.mapped_bytes != 0:
            munmap(self.ptr, self.mapped_bytes)

    def close(self) -> None:
        """Take the name away, when this process made it."""
        if self.is_owner:
            self.is_owner = False
            shm_unlink(door_path(self.name, self.ptr.tag).encode())

    # ---- the strategy's side -----------------------------------------------------------------

    @property
    def first_id(self) -> int:
        """The first intent id of this claim; later ones count from it."""
        return (self.ptr.generation << 32) | 1

    def try_push(self, intent: Intent) -> bool:
        """Ask; False when 256 intents wait already (counted in ``dropped``)."""
        cdef bytes payload = intent.pack()
        if self.word == 0:
            raise PermissionError("the trader's own handle asks for nothing; attach to the door")
        return arb_door_try_push(self.ptr, <const arb_intent_t *><const char *>payload)

    def beat(self, calls: int = 0, slowest_ns: int = 0, events_lost: int = 0) -> None:
        """Show that the strategy lives, and what it has done so far."""
        self.ptr.calls = calls
        self.ptr.slowest_ns = slowest_ns
        self.ptr.events_lost = events_lost
        self.ptr.heartbeat_mono_ns = arb_mono_ns()

    @property
    def state(self) -> str:
        """``starting``, ``running`` or ``ended``, by the strategy's own word."""
        return STATES[self.ptr.state] if self.ptr.state < 3 else "unknown"

    @state.setter
    def state(self, state: str) -> None:
        self.ptr.state = STATES.index(state)

    # ---- the trader's side -------------------------------------------------------------------

    def take(self) -> Intent | None:
        """Take the oldest intent by hand (the strategy thread takes them in C)."""
        cdef arb_intent_t intent
        if not arb_door_take(self.ptr, &self.own_taken, &intent):
            return None
        return Intent.unpack((<char *>&intent)[:sizeof(arb_intent_t)])

    @property
    def tag(self) -> int:
        """Of the pairs that come in here."""
        return self.ptr.tag

    @property
    def heartbeat_age_s(self) -> float:
        """Seconds since the strategy last came back from the user's code."""
        return (arb_mono_ns() - self.ptr.heartbeat_mono_ns) / 1e9

    @property
    def counters(self) -> dict[str, int]:
        """Return what the strategy's side says of itself."""
        return {"asked": self.ptr.pushed, "taken": self.ptr.taken, "dropped": self.ptr.dropped,
                "calls": self.ptr.calls, "slowest_ns": self.ptr.slowest_ns,
                "events_lost": self.ptr.events_lost, "starts": self.ptr.generation}


cdef void prepare(arb_intent_door_t *door, uint32_t tag, uint64_t run) noexcept:
    door.layout = ARB_DOOR_LAYOUT
    door.tag = tag
    door.run = run
    door.heartbeat_mono_ns = arb_mono_ns()
    door.magic = ARB_DOOR_MAGIC


cdef IntentDoor map_door(int fd, str name):
    cdef void *memory = mmap(
        NULL, sizeof(arb_intent_door_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
    close(fd)
    if memory == MAP_FAILED:
        raise OSError(errno, f"a door of {name!r} could not be mapped: {os.strerror(errno)}")
    cdef IntentDoor door = IntentDoor.__new__(IntentDoor)
    door.ptr = <arb_intent_door_t *>memory
    door.mapped_bytes = sizeof(arb_intent_door_t)
    door.name = name
    return door
