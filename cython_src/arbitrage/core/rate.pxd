"""Request limits that the compiled sender heeds."""

from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "rate_bucket.h" nogil:
    enum:
        ARB_RATE_LIMIT_MAX

    ctypedef struct arb_rate_bucket_t:
        uint32_t limit
        uint32_t reserve
        uint64_t refused_count

    uint32_t arb_rate_bucket_capacity(uint32_t limit_max) noexcept
    uint64_t arb_rate_bucket_bytes(uint32_t capacity) noexcept
    void arb_rate_bucket_init(arb_rate_bucket_t *bucket, uint32_t capacity, uint32_t limit,
                              uint32_t reserve_percent, int64_t window_ns) noexcept
    uint32_t arb_rate_left(arb_rate_bucket_t *bucket, int64_t now_ns) noexcept
    uint32_t arb_rate_used(const arb_rate_bucket_t *bucket, int64_t now_ns) noexcept
    bint arb_rate_may(arb_rate_bucket_t *bucket, int64_t now_ns, bint is_urgent) noexcept
    int64_t arb_rate_wait_ns(arb_rate_bucket_t *bucket, int64_t now_ns, bint is_urgent) noexcept
    void arb_rate_take(arb_rate_bucket_t *bucket, int64_t now_ns) noexcept
    void arb_rate_told(arb_rate_bucket_t *bucket, int64_t now_ns, uint32_t limit, uint32_t left,
                       int64_t reset_ns) noexcept
    void arb_rate_pause(arb_rate_bucket_t *bucket, int64_t until_ns) noexcept


cdef class RateBucket:
    cdef arb_rate_bucket_t *ptr  # one thread
