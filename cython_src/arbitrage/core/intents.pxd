"""The intent door's C functions and its owner. The strategy thread calls them on `ptr`."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from arbitrage.core.memory cimport arb_claim_t
from arbitrage.core.records cimport arb_intent_t

cdef extern from "intent_door.h" nogil:
    enum:
        ARB_DOOR_CAPACITY
        ARB_DOOR_LAYOUT
        ARB_DOORS_MAX
    const uint64_t ARB_DOOR_MAGIC

    ctypedef struct arb_intent_door_t:
        uint64_t magic
        uint32_t layout
        uint32_t tag                 # of the strategy's pairs
        uint64_t run                 # the trader's
        arb_claim_t producer_claim
        uint64_t generation          # how often the producer's end was claimed
        uint64_t pushed
        uint64_t dropped
        int64_t heartbeat_mono_ns
        uint64_t state
        uint64_t events_lost
        uint64_t calls
        uint64_t slowest_ns
        uint64_t taken

    bint arb_door_try_push(arb_intent_door_t *door, const arb_intent_t *intent) noexcept
    bint arb_door_take(
        arb_intent_door_t *door, uint64_t *taken, arb_intent_t *intent) noexcept


cdef class IntentDoor:
    cdef arb_intent_door_t *ptr
    cdef object memory               # behind ptr, when the door is private
    cdef uint64_t mapped_bytes       # of shared memory; 0: private
    cdef uint64_t word               # our claim on the producer's end; 0: none
    cdef uint64_t own_taken          # the consumer's position of take()
    cdef bint is_owner
    cdef readonly str name
