/* Kill gate: a gateway's own look at the kill switch, the last thing before an order leaves.
 *
 *   any thread          kill: 0 -> reason          a trip is this one word, and no more
 *   gateway's thread    look at the word           at the start of each of its turns, kept in seen
 *                       stamp, encode, check, send  what leaves was stamped before its check
 *   whoever tripped     wait until seen == kill    from then on nothing can leave any more
 *
 * The gate before the journal (risk.h) stops what is decided after a trip; this one stops what was
 * decided before it and waits in a ring. Cancels always pass.
 *
 * Threads: arb_kill_look and arb_kill_lets on the gateway's loop; the rest on any.
 */
#ifndef ARB_KILL_GATE_H
#define ARB_KILL_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "atomics.h"

enum { ARB_KILLED_HERE = 0xFFFFFFFE }; /* venue_code of a reject that this gate made */

typedef struct arb_kill_gate {
    const uint64_t *kill;    /* arb_kill_reason_t; NULL: there is no switch */
    const uint64_t *flatten; /* not 0: what reduces may leave although killed */
    uint64_t seen;           /* kill as this gateway last looked at it */
} arb_kill_gate_t;

/* Take note of the word: what this thread sends from now on is decided by it, or by a later one. */
static inline void arb_kill_look(arb_kill_gate_t *gate)
{
    if (gate->kill == NULL)
        return;
    /* acquire: what was written before the trip; pairs with arb_kill_trip and arb_kill_clear */
    uint64_t word = arb_load_acquire(gate->kill);
    if (word != arb_load_relaxed(&gate->seen))
        /* release: every send before this look is over; pairs with arb_kill_seen */
        arb_store_release(&gate->seen, word);
}

static inline uint64_t arb_kill_seen(const arb_kill_gate_t *gate)
{
    /* acquire: the sends before that look; pairs with arb_kill_look */
    return arb_load_acquire(&gate->seen);
}

/* Whether an order may leave now. */
static inline bool arb_kill_lets(const arb_kill_gate_t *gate, bool reduces)
{
    if (gate->kill == NULL)
        return true;
    /* acquire: so that no stamp of a later order is read before it; pairs with arb_kill_trip */
    if (arb_load_acquire(gate->kill) == 0)
        return true;
    /* relaxed: a single flag that publishes nothing else; pairs with the owner's control writes */
    return reduces && gate->flatten != NULL && arb_load_relaxed(gate->flatten) != 0;
}

/* Trip: the first reason stays. false: it had tripped already. */
static inline bool arb_kill_trip(uint64_t *kill, uint64_t reason)
{
    uint64_t none = 0;
    /* acq_rel: what led to the trip, for who sees it; pairs with arb_kill_look and arb_kill_lets */
    while (!arb_compare_exchange_acq_rel(kill, &none, reason))
        if (none != 0)
            return false; /* else the weak exchange failed for nothing */
    return true;
}

static inline void arb_kill_clear(uint64_t *kill)
{
    /* release: what was put right before it; pairs with arb_kill_look */
    arb_store_release(kill, 0);
}

#endif
