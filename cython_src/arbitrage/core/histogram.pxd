from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "histogram.h" nogil:
    enum:
        ARB_HISTOGRAM_BUCKETS

    ctypedef struct arb_histogram_t:
        uint64_t count    # records
        uint64_t sum      # of all records
        uint64_t max      # exact
        uint64_t min      # exact; meaningless while count is 0
        uint64_t buckets[ARB_HISTOGRAM_BUCKETS]

    void arb_histogram_record(arb_histogram_t *histogram, int64_t value) noexcept  # writer only
    uint64_t arb_histogram_percentiles(const arb_histogram_t *histogram, const double *fractions,
                                       uint64_t *values, uint32_t count) noexcept
    uint64_t arb_histogram_floor(uint32_t bucket_index) noexcept


cdef class Histogram:
    cdef arb_histogram_t *ptr
    cdef void *memory  # own allocation; NULL when borrowed
    cdef object owner  # keeps borrowed memory alive
    cdef bint readonly


cdef Histogram Histogram_wrap(arb_histogram_t *ptr, object owner, bint readonly)
