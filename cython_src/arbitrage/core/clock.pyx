"""Nanosecond clocks: CLOCK_MONOTONIC through the time-stamp counter, and the wall clock."""

from libc.stdlib cimport free
from posix.stdlib cimport posix_memalign


cdef class Clock:
    """Tell nanoseconds on the CLOCK_MONOTONIC scale without a system call.

    Threads: any thread may call :meth:`now`; one owner calls :meth:`anchor` about once a second.
    Where the machine has no invariant time-stamp counter every read is a ``clock_gettime``.

    Parameters
    ----------
    calibrate_ms : int
        How long to measure the counter's rate, milliseconds, 1 to 1000.

    Examples
    --------
    >>> clock = Clock()
    >>> clock.now() <= clock.now()
    True
    """

    def __cinit__(self, int calibrate_ms=10):
        self.ptr = NULL

    def __init__(self, calibrate_ms: int = 10) -> None:
        cdef void *memory = NULL
        if not 1 <= calibrate_ms <= 1000:
            raise ValueError(f"calibrate_ms was {calibrate_ms}; accepted values are 1 to 1000")
        if self.ptr == NULL:
            if posix_memalign(&memory, 128, sizeof(arb_clock_t)) != 0:
                raise MemoryError()
            self.memory = memory
            self.ptr = <arb_clock_t *>memory
            arb_clock_init(self.ptr, calibrate_ms * 1_000_000)

    def __dealloc__(self):
        free(self.memory)

    def now(self) -> int:
        """Return nanoseconds on the CLOCK_MONOTONIC scale."""
        return arb_clock_now(self.ptr)

    def anchor(self, period_ns: int = 1_000_000_000) -> int:
        """Follow CLOCK_MONOTONIC again; return by how many ns this clock was ahead. Owner only."""
        return arb_clock_anchor(self.ptr, period_ns)

    def stand(self, mono_ns: int) -> None:
        """Show this time until told another: for what runs in virtual time. Owner only."""
        arb_clock_stand(self.ptr, mono_ns)

    @property
    def uses_tsc(self) -> bool:
        """Whether reads come from the time-stamp counter."""
        return self.ptr.uses_tsc != 0


cdef Clock Clock_wrap(arb_clock_t *ptr, object owner):
    cdef Clock clock = Clock.__new__(Clock)
    clock.ptr = ptr
    clock.owner = owner
    return clock


def mono_ns() -> int:
    """Return CLOCK_MONOTONIC, ns, by the system call."""
    return arb_mono_ns()


def wall_ns() -> int:
    """Return the UTC time since 1970, ns."""
    return arb_wall_ns()
