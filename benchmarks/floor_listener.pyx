# cython: language_level=3, binding=True, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""The least that can listen: picows, and a stamp; or also one frame on each of two lines."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from picows.picows cimport WSFrame, WSListener, WSMsgType, WSTransport

from arbitrage.core.clock cimport arb_mono_ns

cdef enum:
    HEADROOM = 16  # picows writes the header in front of what it sends
    ANSWER_BYTES = 300  # as long as an order


@cython.final
cdef class StampListener(WSListener):
    """Write down when each frame came; answer it on two lines when there are any.

    Parameters
    ----------
    address : int
        Of an array of int64 that outlives the listener.
    capacity : int
        Its length; frames beyond it are counted only.
    """

    cdef int64_t *stamps
    cdef Py_ssize_t capacity
    cdef public Py_ssize_t count
    cdef bytes places
    cdef const char *place
    cdef Py_ssize_t place_count
    cdef WSTransport first
    cdef WSTransport second
    cdef char template_[ANSWER_BYTES]
    cdef char room[HEADROOM + ANSWER_BYTES]

    def __init__(self, address: int, capacity: int) -> None:
        self.stamps = <int64_t *><size_t>address
        self.capacity = capacity
        self.count = 0
        memset(self.template_, 120, ANSWER_BYTES)

    def answer_on(self, WSTransport first, WSTransport second, places: bytes) -> None:
        """Answer on two lines each frame whose place holds a one."""
        self.first = first
        self.second = second
        self.places = places
        self.place = places
        self.place_count = len(places)

    cpdef on_ws_connected(self, WSTransport transport):
        pass

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef int64_t now_ns = arb_mono_ns()
        if frame.msg_type != WSMsgType.TEXT:
            return
        if self.count < self.capacity:
            self.stamps[self.count] = now_ns
        if self.count < self.place_count and self.place[self.count] == 1:
            self.answer(self.first)
            self.answer(self.second)
        self.count += 1

    cdef void answer(self, WSTransport line) except *:
        # what is sent is masked in place: each time a fresh copy
        memcpy(self.room + HEADROOM, self.template_, ANSWER_BYTES)
        line.send_reuse_external_buffer(WSMsgType.TEXT, self.room + HEADROOM, ANSWER_BYTES)

    cpdef on_ws_disconnected(self, WSTransport transport):
        pass
