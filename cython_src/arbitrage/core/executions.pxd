"""From what a venue said of an order to the execution ring, and the counters of a gateway."""

from libc.stdint cimport uint64_t

from arbitrage.core.records cimport arb_exec_t
from arbitrage.core.loop cimport LoopPoller
from arbitrage.core.ring cimport arb_mpsc_ring_t, arb_parker_t


cdef extern from "counters.h" nogil:
    ctypedef struct arb_gateway_counters_t:
        uint64_t orders_taken         # orders popped from the ring
        uint64_t frames_sent
        uint64_t orders_unsendable    # refused here, for whatever reason
        uint64_t orders_killed        # of them: the kill switch had tripped
        uint64_t acks
        uint64_t rejects
        uint64_t fills
        uint64_t timeouts             # no answer in time: outcome unknown, queried
        uint64_t executions_dropped   # execution ring full
        uint64_t connects
        uint64_t disconnects
        uint64_t clock_ahead_ms       # now: the venue's clock is ahead of ours by so much, or ...
        uint64_t clock_behind_ms      # ... behind it
        uint64_t clock_rtt_us         # now: quickest question for its time
        uint64_t clock_steps          # corrections too large to slew

    void arb_count(uint64_t *counter, uint64_t amount) noexcept
    void arb_store_relaxed(uint64_t *word, uint64_t value) noexcept


cdef class GatewayCounters:
    cdef arb_gateway_counters_t *ptr  # written by the gateway's loop thread alone
    cdef void *memory  # own allocation; NULL when borrowed
    cdef object owner  # keeps borrowed memory alive


cdef GatewayCounters GatewayCounters_wrap(arb_gateway_counters_t *ptr, object owner)


cdef class ExecPublisher:
    cdef arb_mpsc_ring_t *ring
    cdef object ring_owner
    cdef readonly GatewayCounters counters
    cdef readonly dict reject_codes   # code -> how often; written by the gateway's loop alone
    cdef arb_parker_t *parker         # the strategy thread's; NULL: it never parks
    cdef object parker_owner
    cdef LoopPoller poller            # inline: of the loop that runs the strategy

    cdef void set_parker(self, arb_parker_t *parker, object owner) noexcept
    cdef bint publish_c(self, arb_exec_t *execution) noexcept
