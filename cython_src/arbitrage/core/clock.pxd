from libc.stdint cimport int64_t, uint64_t


cdef extern from "clock.h" nogil:
    ctypedef struct arb_clock_t:
        uint64_t uses_tsc  # 0: every read is a clock_gettime

    int64_t arb_mono_ns() noexcept
    int64_t arb_wall_ns() noexcept
    int64_t arb_clock_now(const arb_clock_t *clock) noexcept  # any thread or process
    void arb_clock_init(arb_clock_t *clock, int64_t calibrate_ns) noexcept  # owner, before readers
    void arb_clock_stand(arb_clock_t *clock, int64_t mono_ns) noexcept  # owner only
    int64_t arb_clock_anchor(arb_clock_t *clock, int64_t period_ns) noexcept  # owner only


cdef class Clock:
    cdef arb_clock_t *ptr
    cdef void *memory  # own allocation; NULL when borrowed
    cdef object owner  # keeps borrowed memory alive


cdef Clock Clock_wrap(arb_clock_t *ptr, object owner)
