/* Spin budget: how long an idle thread may spin before it sleeps, from how long it waited lately.
 *
 * To spin costs a core for as long as it lasts, to sleep costs the next arrival its wake-up. What
 * comes sooner than the limit is waited for awake; once arrivals are further apart than that on the
 * average, nearly all that is spun is spun for nothing, and the thread sleeps at once.
 *
 *   limit      longest spin that the owner allows (ARB_SPIN_US)
 *   expected   running average of the last waits, the newest counts a sixteenth; a wait counts at
 *              most eight limits, so that a night's silence is forgotten within some 30 arrivals
 *
 * Threads: one.
 */
#ifndef ARB_SPIN_BUDGET_H
#define ARB_SPIN_BUDGET_H

#include <stdint.h>

enum { ARB_SPIN_WEIGHT = 16, ARB_SPIN_LIMITS_MAX = 8 };

typedef struct arb_spin_budget {
    int64_t limit_ns;
    int64_t expected_ns;
} arb_spin_budget_t;

/* Lay out; a thread that has seen nothing yet sleeps. */
static inline void arb_spin_init(arb_spin_budget_t *budget, int64_t limit_ns)
{
    budget->limit_ns = limit_ns;
    budget->expected_ns = limit_ns * ARB_SPIN_LIMITS_MAX;
}

/* Something came after a wait. */
static inline void arb_spin_waited(arb_spin_budget_t *budget, int64_t wait_ns)
{
    int64_t longest_ns = budget->limit_ns * ARB_SPIN_LIMITS_MAX;
    if (wait_ns > longest_ns)
        wait_ns = longest_ns;
    budget->expected_ns += (wait_ns - budget->expected_ns) / ARB_SPIN_WEIGHT;
}

/* How long to spin from now on, before sleeping: all or nothing. */
static inline int64_t arb_spin_ns(const arb_spin_budget_t *budget)
{
    return budget->expected_ns < budget->limit_ns ? budget->limit_ns : 0;
}

#endif
