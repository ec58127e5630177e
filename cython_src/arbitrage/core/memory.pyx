"""Memory that rings lie in when no segment holds them, and claims on the ends of rings.

A claim names its process by pid and start time (claim.h), so the claim of a killed process is told
from a living one's and taken over.
"""

from libc.stdint cimport uint64_t
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_SHARED, PROT_READ, PROT_WRITE, mmap, munmap
from posix.unistd cimport getpid

cdef uint64_t own_word = 0  # word of the process that computed it last; a fork changes the pid


class ClaimError(RuntimeError):
    """One end of a ring is held by a process that still runs."""


cdef extern from *:
    """
    #include <malloc.h>
    static void arb_give_back_heap(void)
    {
    #ifdef __GLIBC__
        malloc_trim(0);
    #endif
    }
    """
    void arb_give_back_heap() noexcept nogil


def give_back_heap() -> None:
    """Let the kernel have the free pages of C's heap: what a start-up needed and no run does.

    Any thread, takes milliseconds; releases the GIL. C libraries other than glibc do it unasked.
    """
    with nogil:
        arb_give_back_heap()


cdef class AlignedMemory:
    """A zeroed block, aligned to a page, shared with forks, freed when the last reference goes."""

    def __init__(self, bytes: int) -> None:
        if self.ptr != NULL:
            raise RuntimeError("AlignedMemory.__init__ was called twice")
        if bytes <= 0:
            raise ValueError(f"bytes was {bytes}; accepted is 1 or more")
        cdef size_t size = bytes
        cdef void *ptr = mmap(
            NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
        if ptr == MAP_FAILED:
            raise MemoryError(f"{bytes} bytes of memory were refused by the system")
        self.ptr = <char *>ptr
        self.bytes = size

    def __dealloc__(self) -> None:
        if self.ptr != NULL:
            munmap(self.ptr, self.bytes)

    def __len__(self) -> int:
        return self.bytes


def process_start_ticks(pid: int) -> int | None:
    """Return when process pid started, in clock ticks since boot, or None when there is none.

    Threads  any; holds the GIL, reads /proc
    Returns  int, or None for no such process (a zombie counts as none)
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            # the command name may hold spaces and brackets: fields are counted behind the last one
            fields = stat.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


cdef uint64_t claim_self() except 0:
    global own_word
    cdef uint64_t word = own_word
    if word == 0 or arb_claim_pid(word) != <uint32_t>getpid():
        word = arb_claim_word(getpid(), process_start_ticks(getpid()))
        own_word = word
    return word


cdef bint claim_is_dead(uint64_t word) except -1:
    start = process_start_ticks(arb_claim_pid(word))
    return start is None or start != arb_claim_start(word)


cdef uint64_t claim_take(arb_claim_t *claim, str end) except 0:
    cdef uint64_t word = claim_self()
    cdef uint64_t holder
    while True:
        holder = arb_claim_holder(claim)
        if holder != 0 and not claim_is_dead(holder):
            raise ClaimError(
                f"the {end} end was already claimed by process {arb_claim_pid(holder)}"
                f"{' (this one)' if holder == word else ''}; release that handle first"
            )
        if arb_claim_take(claim, holder, word):
            return word


cdef void claim_drop(arb_claim_t *claim, uint64_t word) noexcept:
    if word != 0 and arb_claim_pid(word) == <uint32_t>getpid():
        arb_claim_release(claim, word)
