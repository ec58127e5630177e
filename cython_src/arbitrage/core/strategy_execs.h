/* Strategy executions: what venues say of orders reaches the legs, and pairs take their next step.
 *
 * Each is journaled before anything else is done with it. Nothing allocates, waits or calls the
 * system. Threads: the strategy's.
 */
#ifndef ARB_STRATEGY_EXECS_H
#define ARB_STRATEGY_EXECS_H

#include "strategy.h"

static inline void arb_strategy_count_exec(arb_strategy_t *strat, const arb_exec_t *exec,
                                           arb_leg_event_t event)
{
    arb_strategy_counters_t *counters = strat->wire.counters;
    if (event == ARB_LEG_UNKNOWN_ORDER)
        arb_count(&counters->unknown_executions, 1);
    else if (event == ARB_LEG_DUPLICATE)
        arb_count(&counters->duplicates, 1);
    else if (exec->kind == ARB_EXEC_ACK)
        arb_count(&counters->acks, 1);
    else if (exec->kind == ARB_EXEC_REJECT)
        arb_count(&counters->rejects, 1);
    else if (exec->kind == ARB_EXEC_FILL)
        arb_count(&counters->fills, 1);
    else if (exec->kind == ARB_EXEC_TIMEOUT)
        arb_count(&counters->timeouts, 1);
}

/* When a reduce-only order ends short, how long to wait: not at all once, then the retry time, and
 * after rejects ever longer. */
static inline void arb_leg_schedule_retry(arb_strategy_t *strat, arb_pair_leg_t *leg)
{
    const arb_sent_order_t *order = arb_leg_current(leg);
    int64_t wait_ns = strat->config.retry_ns;
    if (!order->reduce_only)
        return;
    if (order->rejected) {
        wait_ns = arb_doubled_ns(wait_ns, leg->reject_streak, strat->config.retry_ns_max);
        leg->reject_streak += leg->reject_streak < 16;
    } else {
        leg->reject_streak = 0;
        wait_ns = order->filled_lots > 0 || leg->try_count <= 1 ? 0 : wait_ns;
    }
    leg->retry_mono_ns = strat->now_mono_ns + wait_ns;
}

/* A fill the venue made by itself. The pair's other leg must not stand alone, and one leg taken
 * says nothing good of the account: whatever stands is unwound. */
static inline void arb_strategy_on_venue_fill(arb_strategy_t *strat, const arb_exec_t *exec)
{
    arb_strategy_counters_t *counters = strat->wire.counters;
    arb_pair_t *pair = &strat->pairs[exec->row % strat->config.symbol_capacity];
    uint32_t leg_index = exec->row == pair->legs[ARB_PAIR_BUY].row ? ARB_PAIR_BUY : ARB_PAIR_SELL;
    arb_pair_leg_t *leg = &pair->legs[leg_index];
    if (pair->phase == ARB_PAIR_IDLE || exec->row != leg->row ||
        !arb_leg_on_venue_fill(leg, exec)) {
        arb_count(&counters->venue_fills_stray, 1);
        return;
    }
    arb_count(&counters->venue_fills, 1);
    arb_leg_expose(strat, leg);
    if (!arb_pair_is_reducing(pair->phase) || pair->target_steps > 0)
        arb_pair_lose_leg(strat, pair);
    arb_pair_step(strat, pair);
}

static ARB_ONE_COPY void arb_strategy_on_exec(arb_strategy_t *strat, const arb_exec_t *exec)
{
    arb_journal_append(strat->wire.journal, ARB_JOURNAL_EXEC, exec, sizeof *exec,
                       strat->now_mono_ns);
    if (ARB_UNLIKELY(exec->kind == ARB_EXEC_VENUE)) {
        arb_strategy_on_venue_fill(strat, exec);
        return;
    }
    uint32_t symbol_index = exec->row % strat->config.symbol_capacity;
    arb_pair_t *pair = &strat->pairs[symbol_index];
    arb_leg_event_t event = ARB_LEG_UNKNOWN_ORDER;
    for (uint32_t leg_index = 0; leg_index < 2 && event == ARB_LEG_UNKNOWN_ORDER; leg_index++) {
        arb_pair_leg_t *leg = &pair->legs[leg_index];
        event = arb_leg_on_exec(leg, exec);
        if (event == ARB_LEG_FILLED || event == ARB_LEG_ENDED)
            arb_leg_expose(strat, leg);
        if (event == ARB_LEG_ENDED)
            arb_leg_schedule_retry(strat, leg);
    }
    arb_strategy_count_exec(strat, exec, event);
    if (exec->kind == ARB_EXEC_FILL && event != ARB_LEG_UNKNOWN_ORDER && event != ARB_LEG_DUPLICATE)
        arb_pair_tell_fill(strat, pair, exec);
    if (event != ARB_LEG_FILLED && event != ARB_LEG_ENDED && event != ARB_LEG_NOTED)
        return;
    if (pair->phase == ARB_PAIR_IDLE) {
        /* a venue changed its word after the pair was over: what it left must not stand */
        if (pair->legs[0].lots == 0 && pair->legs[1].lots == 0)
            return;
        arb_risk_pair_begin(strat->wire.risk, pair->symbol_index);
        arb_strategy_activate(strat, pair);
        pair->reason = ARB_EXIT_NONE; /* that of its first end was told */
        arb_pair_unwind(strat, pair, 0, ARB_EXIT_LATE_FILL);
    }
    arb_pair_step(strat, pair);
}

#endif
