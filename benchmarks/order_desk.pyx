# cython: language_level=3, binding=True, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""From a frame to both order frames without the interpreter between them: as the trader's loop, but
for the socket."""

cimport cython
from libc.stdint cimport int64_t

from arbitrage.core.clock cimport Clock, arb_clock_now, arb_clock_t
from arbitrage.core.feed cimport FeedListener
from arbitrage.core.gateway cimport OrderSender


@cython.final
cdef class StampLine:
    """A line in memory: keeps the last frame, and when it came by the trader's own clock.

    Threads: its sender's.
    """

    cdef readonly bint is_disconnected
    cdef readonly bytes frame
    cdef readonly int64_t mono_ns
    cdef Clock clock

    def __init__(self, Clock clock not None) -> None:
        self.clock = clock
        self.is_disconnected = False
        self.frame = b""
        self.mono_ns = 0

    def send(self, int kind, bytes frame) -> None:
        """Take one frame."""
        self.mono_ns = arb_clock_now(self.clock.ptr)
        self.frame = frame


def react(
    FeedListener listener not None, bytes frame not None, OrderSender first not None,
    OrderSender second not None, StampLine one not None, StampLine other not None,
    int64_t limit_ns,
) -> int:
    """Take a frame, poll both senders until each has an order frame; return the ns it took.

    -1: they had none within `limit_ns`.
    """
    cdef const char *payload = frame
    cdef Py_ssize_t size = len(frame)
    cdef int taken = 0
    cdef const arb_clock_t *clock = listener.lane.feed.clock
    cdef int64_t begin_ns = arb_clock_now(clock)
    cdef int64_t end_ns
    listener.take(payload, size, begin_ns)
    taken = first.poll() + second.poll()
    while taken < 2:
        taken += first.poll() + second.poll()
        if arb_clock_now(clock) - begin_ns > limit_ns:
            return -1
    end_ns = one.mono_ns if one.mono_ns > other.mono_ns else other.mono_ns
    return end_ns - begin_ns
