/* Claims: who holds the one producer's or the one consumer's end of a ring.
 *
 * A claim is one 64-bit word in the shared struct, so taking it is one compare-exchange:
 *
 *   63      42 41                                   0
 *   [ pid: 22 ][ process start, clock ticks since boot ]      0: nobody
 *
 * The pair names a process for as long as the machine is up, even after its pid is used again; so
 * the claim of a killed process can be told from a living one's and taken over. This header only
 * moves the word. Reading /proc to see whether a holder lives is the caller's work (memory.pyx).
 * Limits: 2^22 pids (Linux' own maximum); holders in other pid namespaces look dead.
 */
#ifndef ARB_CLAIM_H
#define ARB_CLAIM_H

#include <stdbool.h>

#include "atomics.h"

enum { ARB_CLAIM_PID_BITS = 22, ARB_CLAIM_START_BITS = 42 };

typedef struct arb_claim {
    uint64_t holder; /* arb_claim_word of the holder, 0: free */
} arb_claim_t;

static inline uint64_t arb_claim_word(uint32_t pid, uint64_t start_ticks)
{
    return ((uint64_t)pid << ARB_CLAIM_START_BITS) |
           (start_ticks & (((uint64_t)1 << ARB_CLAIM_START_BITS) - 1));
}

static inline uint32_t arb_claim_pid(uint64_t word)
{
    return (uint32_t)(word >> ARB_CLAIM_START_BITS);
}

static inline uint64_t arb_claim_start(uint64_t word)
{
    return word & (((uint64_t)1 << ARB_CLAIM_START_BITS) - 1);
}

static inline uint64_t arb_claim_holder(const arb_claim_t *claim)
{
    /* relaxed: only a hint for messages and for the expected value of arb_claim_take */
    return arb_load_relaxed(&claim->holder);
}

/* Take the claim if its holder is still `expected` (0: free, else a holder known to be dead). */
static inline bool arb_claim_take(arb_claim_t *claim, uint64_t expected, uint64_t self)
{
    uint64_t seen = expected;
    /* acq_rel: the last holder's positions are visible to us; pairs with
     * claim.h:arb_claim_release */
    while (!arb_compare_exchange_acq_rel(&claim->holder, &seen, self)) {
        if (seen != expected)
            return false; /* a weak exchange may also fail without reason: then try again */
    }
    return true;
}

static inline void arb_claim_release(arb_claim_t *claim, uint64_t self)
{
    uint64_t seen = self;
    /* acq_rel: our positions are visible to the next holder; pairs with claim.h:arb_claim_take */
    while (!arb_compare_exchange_acq_rel(&claim->holder, &seen, 0)) {
        if (seen != self)
            return; /* somebody took it over: it is no longer ours to free */
    }
}

#endif
