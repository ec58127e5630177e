from libc.stdint cimport int64_t, uint64_t


cdef extern from "bell.h" nogil:
    ctypedef struct arb_bell_t:
        uint64_t armed  # 1: the loop sleeps or is about to
        int64_t fd      # eventfd; -1: nobody ever sleeps

    void arb_bell_arm(arb_bell_t *bell) noexcept
    void arb_bell_disarm(arb_bell_t *bell) noexcept
    void arb_bell_ring(arb_bell_t *bell) noexcept


cdef extern from "spin_budget.h" nogil:
    ctypedef struct arb_spin_budget_t:
        int64_t limit_ns
        int64_t expected_ns

    void arb_spin_init(arb_spin_budget_t *budget, int64_t limit_ns) noexcept
    void arb_spin_waited(arb_spin_budget_t *budget, int64_t wait_ns) noexcept
    int64_t arb_spin_ns(const arb_spin_budget_t *budget) noexcept


cdef class SpinBudget:
    cdef arb_spin_budget_t budget


cdef class LoopPoller:
    cdef arb_bell_t *bell           # rung by threads that push to this loop's rings
    cdef object loop
    cdef object call_soon
    cdef object turn_bound          # bound method, made once: a turn must not allocate one
    cdef object first_hook          # decides, where stages run on this loop; None
    cdef object idle_hook           # for turns that find nothing to do; None
    cdef list hooks
    cdef int mode
    cdef arb_spin_budget_t budget   # adaptive: how long to spin
    cdef int64_t active_mono_ns     # of the last frame or order
    cdef bint waiting               # a turn has found nothing since
    cdef bint asleep
    cdef bint stopped
    cdef void nudge(self) noexcept
    cdef void touch(self, int64_t recv_mono_ns)
    cdef void note_activity(self, int64_t now)
    cdef void send_now(self) noexcept
    cdef bint run_all(self) except -1
    cpdef bint run_hooks(self) except -1
