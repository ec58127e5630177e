"""The rings' C functions and their owners. Hot code calls the arb_* functions on `ptr` directly."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from arbitrage.core.memory cimport arb_claim_t

cdef extern from "spsc_ring.h" nogil:
    enum:
        ARB_RING_PAYLOAD_BYTES
        ARB_RING_CAPACITY_MAX
    ctypedef struct arb_spsc_ring_t:
        uint32_t capacity        # power of two
        uint64_t first_position  # where positions began, 0 outside tests
        arb_claim_t producer_claim
        arb_claim_t consumer_claim
        uint64_t pushed          # producer's position
        uint64_t dropped         # refused because full
        uint64_t popped          # consumer's position

    uint32_t arb_ring_capacity(uint64_t asked) noexcept
    uint64_t arb_spsc_ring_bytes(uint32_t capacity) noexcept
    void arb_spsc_ring_init(arb_spsc_ring_t *ring, uint32_t capacity) noexcept
    void arb_spsc_ring_init_at(arb_spsc_ring_t *ring, uint32_t capacity, uint64_t first) noexcept
    bint arb_spsc_try_push(arb_spsc_ring_t *ring, const void *payload56) noexcept
    uint32_t arb_spsc_push_batch(
        arb_spsc_ring_t *ring, const void *payloads, uint32_t count) noexcept
    void arb_spsc_producer_recover(arb_spsc_ring_t *ring) noexcept
    const void *arb_spsc_peek(arb_spsc_ring_t *ring) noexcept
    void arb_spsc_expect(const arb_spsc_ring_t *ring) noexcept
    void arb_spsc_advance(arb_spsc_ring_t *ring) noexcept
    bint arb_spsc_try_pop(arb_spsc_ring_t *ring, void *payload56) noexcept
    uint32_t arb_spsc_drain(arb_spsc_ring_t *ring, void *out, uint32_t records_max) noexcept
    void arb_spsc_consumer_recover(arb_spsc_ring_t *ring) noexcept
    uint32_t arb_spsc_depth(const arb_spsc_ring_t *ring) noexcept

cdef extern from "mpsc_ring.h" nogil:
    ctypedef struct arb_mpsc_ring_t:
        uint32_t capacity
        uint64_t first_position
        arb_claim_t consumer_claim
        uint64_t pushed          # positions won by producers
        uint64_t dropped
        uint64_t popped

    uint64_t arb_mpsc_ring_bytes(uint32_t capacity) noexcept
    void arb_mpsc_ring_init(arb_mpsc_ring_t *ring, uint32_t capacity) noexcept
    void arb_mpsc_ring_init_at(arb_mpsc_ring_t *ring, uint32_t capacity, uint64_t first) noexcept
    bint arb_mpsc_try_push(arb_mpsc_ring_t *ring, const void *payload56) noexcept
    const void *arb_mpsc_peek(arb_mpsc_ring_t *ring) noexcept
    void arb_mpsc_advance(arb_mpsc_ring_t *ring) noexcept
    bint arb_mpsc_try_pop(arb_mpsc_ring_t *ring, void *payload56) noexcept
    uint32_t arb_mpsc_drain(arb_mpsc_ring_t *ring, void *out, uint32_t records_max) noexcept
    void arb_mpsc_consumer_recover(arb_mpsc_ring_t *ring) noexcept
    uint32_t arb_mpsc_depth(const arb_mpsc_ring_t *ring) noexcept
    bint arb_mpsc_stalled(arb_mpsc_ring_t *ring) noexcept

cdef extern from "broadcast_ring.h" nogil:
    enum:
        ARB_BROADCAST_PAYLOAD_BYTES
    ctypedef struct arb_broadcast_ring_t:
        uint32_t capacity
        uint64_t first_position
        arb_claim_t producer_claim
        uint64_t published       # writer's position
    ctypedef struct arb_broadcast_reader_t:
        uint64_t cursor          # position of the next record to read
        uint64_t lost            # overwritten before they were read

    uint64_t arb_broadcast_ring_bytes(uint32_t capacity) noexcept
    void arb_broadcast_ring_init(arb_broadcast_ring_t *ring, uint32_t capacity) noexcept
    void arb_broadcast_ring_init_at(
        arb_broadcast_ring_t *ring, uint32_t capacity, uint64_t first) noexcept
    uint64_t arb_broadcast_publish(arb_broadcast_ring_t *ring, const void *payload120) noexcept
    void arb_broadcast_producer_recover(arb_broadcast_ring_t *ring) noexcept
    void arb_broadcast_reader_init(
        const arb_broadcast_ring_t *ring, arb_broadcast_reader_t *reader, bint from_oldest) noexcept
    bint arb_broadcast_try_read(
        const arb_broadcast_ring_t *ring, arb_broadcast_reader_t *reader, void *payload120) noexcept
    uint64_t arb_broadcast_depth(
        const arb_broadcast_ring_t *ring, const arb_broadcast_reader_t *reader) noexcept

cdef extern from "parker.h" nogil:
    ctypedef struct arb_parker_t:
        uint32_t enabled         # 0: nobody ever parks
        uint64_t parks           # times the consumer went to sleep
        uint64_t wakes           # times a producer woke it

    void arb_parker_init(arb_parker_t *parker, bint enabled) noexcept
    bint arb_parker_notify(arb_parker_t *parker) noexcept
    bint arb_parker_prepare(arb_parker_t *parker) noexcept
    void arb_parker_cancel(arb_parker_t *parker) noexcept
    bint arb_parker_wait(arb_parker_t *parker, int64_t timeout_ns) noexcept


cdef uint32_t checked_capacity(object capacity) except 0


cdef class OwnEnds:
    cdef object owner            # keeps the ring's memory alive
    cdef bint writable
    cdef object own_producer


cdef class Queue(OwnEnds):
    cdef object own_consumer
    cdef object taking_end(self)


cdef class SpscRing(Queue):
    cdef arb_spsc_ring_t *ptr
    cdef readonly uint32_t record_bytes


cdef class MpscRing(Queue):
    cdef arb_mpsc_ring_t *ptr
    cdef readonly uint32_t record_bytes


cdef class BroadcastRing(OwnEnds):
    cdef arb_broadcast_ring_t *ptr
    cdef readonly uint32_t record_bytes


cdef class OpportunityQueue(BroadcastRing):
    pass


# Rings in a segment: ptr stays valid while owner lives; writable is False on a read-only mapping.
cdef SpscRing SpscRing_wrap(arb_spsc_ring_t *ptr, object owner, bint writable=*)
cdef MpscRing MpscRing_wrap(arb_mpsc_ring_t *ptr, object owner, bint writable=*)
cdef BroadcastRing BroadcastRing_wrap(arb_broadcast_ring_t *ptr, object owner, bint writable=*)
cdef OpportunityQueue OpportunityQueue_wrap(
    arb_broadcast_ring_t *ptr, object owner, bint writable=*)
