"""The ends of rings and lanes, and what they are made of."""

from libc.stdint cimport uint32_t, uint64_t

from arbitrage.core.memory cimport arb_claim_t
from arbitrage.core.ring cimport (
    arb_broadcast_reader_t,
    arb_broadcast_ring_t,
    arb_mpsc_ring_t,
    arb_spsc_ring_t,
)

# A ring's C function behind one signature, so that all drains share one loop.
ctypedef bint (*take_t)(void *source, void *payload) noexcept nogil

cdef int require_writable(bint writable) except -1
cdef int copy_record(object record, char *payload, Py_ssize_t record_bytes) except -1
cdef object take_one(take_t take, void *source, uint32_t record_bytes)
cdef object drain_source(
    take_t take, void *source, uint64_t depth, object records_max, uint32_t record_bytes,
    object dtype)


cdef class RingEnd:
    cdef object owner            # keeps the memory behind the claim alive
    cdef arb_claim_t *claim      # NULL where many may hold the end
    cdef uint64_t word           # what we wrote into the claim; 0: released
    cdef bint closed
    cdef uint32_t record_bytes
    cdef int hold(self, object owner, arb_claim_t *claim, uint32_t record_bytes, str end) except -1
    cdef int require_open(self) except -1


cdef class SpscProducer(RingEnd):
    cdef arb_spsc_ring_t *ptr


cdef class SpscConsumer(RingEnd):
    cdef arb_spsc_ring_t *ptr


cdef class MpscProducer(RingEnd):
    cdef arb_mpsc_ring_t *ptr


cdef class MpscConsumer(RingEnd):
    cdef arb_mpsc_ring_t *ptr


cdef class BroadcastProducer(RingEnd):
    cdef arb_broadcast_ring_t *ptr


cdef class BroadcastReader:
    cdef object owner
    cdef arb_broadcast_ring_t *ptr
    cdef arb_broadcast_reader_t reader
    cdef uint32_t record_bytes
    cdef object default_dtype
