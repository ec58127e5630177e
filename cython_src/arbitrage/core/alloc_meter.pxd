from libc.stdint cimport uint64_t


cdef enum:  # the shim's
    PATH_COLD = 0
    PATH_WARM = 1
    PATH_HOT = 2
    PATH_COUNT = 3


ctypedef struct arb_alloc_counters_t:
    uint64_t c       # calls of the malloc family, but for Python's allocators
    uint64_t python  # calls of Python's allocators
    uint64_t path    # where the thread's work belongs now
    uint64_t nested


# The calling thread's counters, NULL without the shim.
cdef arb_alloc_counters_t *thread_alloc_counters() noexcept nogil
