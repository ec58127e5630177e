"""Equal buffers for frames on their way to a socket."""

from libc.stdint cimport uint32_t, uint64_t


cdef extern from "buffer_pool.h" nogil:
    ctypedef struct arb_buffer_pool_t:
        uint32_t payload_bytes
        uint32_t buffer_count
        uint64_t exhausted_count
        uint64_t used_count_max

    uint64_t arb_buffer_pool_bytes(uint32_t buffer_count, uint32_t payload_bytes) noexcept
    void arb_buffer_pool_init(arb_buffer_pool_t *pool, uint32_t buffer_count,
                              uint32_t payload_bytes) noexcept
    char *arb_buffer_pool_take(arb_buffer_pool_t *pool) noexcept
    bint arb_buffer_pool_give(arb_buffer_pool_t *pool, const char *payload) noexcept
    uint32_t arb_buffer_pool_free_count(const arb_buffer_pool_t *pool) noexcept


cdef class BufferPool:
    cdef arb_buffer_pool_t *ptr  # any threads
