"""The kill switch as the gateways see it."""

from libc.stdint cimport uint32_t, uint64_t


cdef extern from "kill_gate.h" nogil:
    enum:
        ARB_KILLED_HERE

    ctypedef struct arb_kill_gate_t:
        const uint64_t *kill
        const uint64_t *flatten
        uint64_t seen

    void arb_kill_look(arb_kill_gate_t *gate) noexcept
    uint64_t arb_kill_seen(const arb_kill_gate_t *gate) noexcept
    bint arb_kill_lets(const arb_kill_gate_t *gate, bint reduces) noexcept
    bint arb_kill_trip(uint64_t *kill, uint64_t reason) noexcept
    void arb_kill_clear(uint64_t *kill) noexcept


cdef class KillGate:
    cdef arb_kill_gate_t gate  # seen: written by the gateway's loop alone
    cdef object owner          # keeps the words alive
