from libc.stdint cimport uint64_t


ctypedef struct arb_alloc_counters_t:
    uint64_t c       # calls of the malloc family
    uint64_t python  # calls of Python's allocators


# The calling thread's counters, NULL without the shim.
cdef arb_alloc_counters_t *thread_alloc_counters() noexcept nogil
