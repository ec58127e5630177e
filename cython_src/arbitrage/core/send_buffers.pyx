"""Send buffers of an order gateway: taken and given back without an allocation."""

from libc.stdint cimport uint64_t
from libc.stdlib cimport free
from libc.string cimport memset
from posix.stdlib cimport posix_memalign


cdef class BufferPool:
    """Hold equal send buffers with room in front of each payload for a WebSocket header.

    Threads: compiled code takes and gives on any thread, lock-free (`buffer_pool.h`); senders on
    several loops may share a pool. The counts are for any thread. A buffer is free again as soon as
    the transport has taken its bytes. docs/buffer_pool_usage.md shows how to use one.

    Parameters
    ----------
    buffer_count : int
        1 to 1024.
    payload_bytes : int
        Usable bytes of each, at most 1 MiB.
    """

    def __cinit__(self):
        self.ptr = NULL

    def __init__(self, buffer_count: int = 8, payload_bytes: int = 640) -> None:
        cdef void *memory = NULL
        cdef uint64_t memory_bytes = 0
        if 0 < buffer_count < 1 << 31 and 0 < payload_bytes < 1 << 31:
            memory_bytes = arb_buffer_pool_bytes(buffer_count, payload_bytes)
        if memory_bytes == 0:
            raise ValueError(
                f"buffer_count was {buffer_count} and payload_bytes {payload_bytes}; "
                "accepted are 1 to 1024 buffers of 1 to 1048576 bytes"
            )
        if self.ptr == NULL:
            if posix_memalign(&memory, 64, memory_bytes) != 0:
                raise MemoryError()
            # touched now, so that the first order meets no page fault
            memset(memory, 0, memory_bytes)
            self.ptr = <arb_buffer_pool_t *>memory
            arb_buffer_pool_init(self.ptr, buffer_count, payload_bytes)

    def __dealloc__(self):
        free(self.ptr)

    @property
    def capacity(self) -> int:
        """Buffers in the pool."""
        return self.ptr.buffer_count

    @property
    def payload_bytes(self) -> int:
        """Usable bytes of each buffer."""
        return self.ptr.payload_bytes

    @property
    def available(self) -> int:
        """Buffers free now."""
        return arb_buffer_pool_free_count(self.ptr)

    @property
    def available_min(self) -> int:
        """Fewest buffers that were ever free."""
        return self.ptr.buffer_count - self.ptr.used_count_max

    @property
    def exhausted_count(self) -> int:
        """Takes refused because no buffer was free."""
        return self.ptr.exhausted_count
