/* Strategy turn: one turn of the strategy's thread.
 *
 *   executions ring ---> 1. what venues said of our orders -> legs
 *   intent doors ------> 2. what users' strategies ask for -> entries, exits, answers
 *   opportunities -----> 3. free symbol, edge still there, size, gate -> two entry orders
 *   active pairs ------> 4. exits, retries, waiting times
 *                           order rings <--- journal <--- every order
 *
 * Executions go first: what we hold is true before anything is decided.
 * Threads: the strategy's.
 */
#ifndef ARB_STRATEGY_TURN_H
#define ARB_STRATEGY_TURN_H

#include "strategy_execs.h"
#include "strategy_funding.h"
#include "strategy_intents.h"

/* One turn. Returns executions, intents and opportunities handled; 0: nothing came in. Owner thread
 * only. */
static inline uint32_t arb_strategy_poll(arb_strategy_t *strat, int64_t now_mono_ns)
{
    uint32_t handled = 0;
    arb_opportunity_t opp;
    strat->now_mono_ns = now_mono_ns;
    arb_strategy_note_controls(strat);
    arb_strategy_sample_basis(strat);
    arb_strategy_scan_funding(strat);
    for (uint32_t count = 0; count < ARB_STRATEGY_BATCH; count++, handled++) {
        const arb_exec_t *exec = (const arb_exec_t *)arb_mpsc_peek(strat->wire.executions);
        if (exec == NULL)
            break;
        arb_strategy_on_exec(strat, exec);
        arb_mpsc_advance(strat->wire.executions);
    }
    handled += arb_strategy_take_intents(strat);
    for (uint32_t count = 0; count < ARB_STRATEGY_BATCH; count++, handled++) {
        /* the slot behind the newest is cold: not looked at while an order is on its way */
        if (count != 0 && !arb_broadcast_is_behind(strat->wire.opportunities, &strat->reader))
            break;
        if (!arb_broadcast_try_read(strat->wire.opportunities, &strat->reader, &opp))
            break;
        arb_strategy_on_opportunity(strat, &opp);
    }
    /* relaxed: one writer */
    arb_store_relaxed(&strat->wire.counters->opportunities_lost, strat->reader.lost);
    arb_strategy_step_active(strat);
    arb_histogram_settle(&strat->notes);
    return handled;
}

/* What a turn has done beside what came in: journaled, refused, sampled. It changes when, and only
 * when, one of them did, for each only ever grows. Owner thread only. */
static inline uint64_t arb_strategy_doings(const arb_strategy_t *strat)
{
    uint64_t sum = strat->wire.journal->count + strat->wire.journal->refused +
                   (uint64_t)strat->basis_due_mono_ns + (uint64_t)strat->funding_due_mono_ns;
    for (uint32_t reason = 0; reason < ARB_RISK_REASON_COUNT; reason++)
        sum += strat->wire.counters->risk_reasons[reason];
    return sum;
}

#endif
