"""Zeroed, page-aligned memory, and claims on shared ends. See memory.pyx."""

from libc.stdint cimport uint32_t, uint64_t

cdef extern from "claim.h" nogil:
    ctypedef struct arb_claim_t:
        uint64_t holder  # who holds the end: pid and start time in one word, 0: nobody

    uint64_t arb_claim_word(uint32_t pid, uint64_t start_ticks) noexcept
    uint32_t arb_claim_pid(uint64_t word) noexcept
    uint64_t arb_claim_start(uint64_t word) noexcept
    uint64_t arb_claim_holder(const arb_claim_t *claim) noexcept
    bint arb_claim_take(arb_claim_t *claim, uint64_t expected, uint64_t self) noexcept
    void arb_claim_release(arb_claim_t *claim, uint64_t self) noexcept


cdef class AlignedMemory:
    cdef char *ptr         # page-aligned, zeroed; NULL only before __init__
    cdef size_t bytes      # as asked for


# The word that names this process; the claim is taken or ClaimError says who holds it.
cdef uint64_t claim_self() except 0
cdef uint64_t claim_take(arb_claim_t *claim, str end) except 0
# Frees a claim that this very process took; a forked child frees nothing.
cdef void claim_drop(arb_claim_t *claim, uint64_t word) noexcept
cdef bint claim_is_dead(uint64_t word) except -1
