from libc.stdint cimport int64_t, uint64_t


cdef extern from "bell.h" nogil:
    ctypedef struct arb_bell_t:
        uint64_t armed  # 1: the loop sleeps or is about to
        int64_t fd      # eventfd; -1: nobody ever sleeps

    void arb_bell_arm(arb_bell_t *bell) noexcept
    void arb_bell_disarm(arb_bell_t *bell) noexcept
    void arb_bell_ring(arb_bell_t *bell) noexcept


cdef class LoopPoller:
    cdef arb_bell_t *bell           # rung by threads that push to this loop's rings
    cdef object loop
    cdef object call_soon
    cdef object turn_bound          # bound method, made once: a turn must not allocate one
    cdef object first_hook          # decides, where stages run on this loop; None
    cdef list hooks
    cdef int mode
    cdef int64_t spin_ns
    cdef int64_t active_mono_ns
    cdef bint active                # set by a listener on each frame
    cdef bint asleep
    cdef bint stopped
    cdef void touch(self)
    cdef void send_now(self) noexcept
    cdef bint run_all(self) except -1
    cpdef bint run_hooks(self) except -1
