/* Backtest due: when the strategy would act by time alone.
 *
 * A trader's strategy thread looks at the clock all the time. A backtest asks beforehand at which
 * moment a look would change something, and looks then, so that the result is that of a look at
 * every nanosecond (tests/model/test_backtest_time.py). Deadlines that have passed were acted on by
 * the look at their moment. Threads: the strategy's.
 */
#ifndef ARB_BACKTEST_DUE_H
#define ARB_BACKTEST_DUE_H

#include "strategy_turn.h"

/* The earlier of two, where `at_ns` is still ahead. */
static inline int64_t arb_due_min(int64_t due_ns, int64_t at_ns, int64_t now_ns)
{
    return at_ns > now_ns && at_ns < due_ns ? at_ns : due_ns;
}

/* When the next reduce-only order of a leg may leave. */
static inline int64_t arb_due_retry(const arb_strategy_t *strat, const arb_pair_t *pair)
{
    const arb_strategy_symbol_t *grid = &strat->wire.symbols[pair->symbol_index];
    int64_t due_ns = INT64_MAX;
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        const arb_pair_leg_t *leg = &pair->legs[leg_index];
        if (!arb_leg_is_busy(leg) && leg->lots != pair->target_steps * grid->step_lots[leg->venue])
            due_ns = arb_due_min(due_ns, leg->retry_mono_ns, strat->now_mono_ns);
    }
    return due_ns;
}

static inline int64_t arb_due_pair(const arb_strategy_t *strat, const arb_pair_t *pair)
{
    int64_t now_ns = strat->now_mono_ns, due_ns = INT64_MAX;
    int64_t naked_ns = pair->naked_mono_ns, naked_max_ns = strat->config.naked_ns_max;
    switch ((arb_pair_phase_t)pair->phase) {
    case ARB_PAIR_OPENING:
    case ARB_PAIR_COMPLETING:
    case ARB_PAIR_ONE_LEG:
        if (naked_ns != 0)
            due_ns = arb_due_min(due_ns, naked_ns + naked_max_ns / 2 + 1, now_ns);
        break;
    case ARB_PAIR_OPEN:
        return arb_due_min(due_ns, pair->opened_mono_ns + arb_pair_hold_ns(strat, pair), now_ns);
    case ARB_PAIR_CLOSED:
        return arb_due_min(due_ns, pair->settle_until_mono_ns, now_ns);
    case ARB_PAIR_UNWINDING:
    case ARB_PAIR_CLOSING:
    case ARB_PAIR_BROKEN:
        due_ns = arb_due_retry(strat, pair);
        break;
    case ARB_PAIR_IDLE:
    case ARB_PAIR_PHASE_COUNT:
        return due_ns;
    }
    return naked_ns == 0 ? due_ns : arb_due_min(due_ns, naked_ns + naked_max_ns + 1, now_ns);
}

/* When the strategy would act next, after a look at its now_mono_ns; INT64_MAX: not by time. */
static inline int64_t arb_strategy_due(const arb_strategy_t *strat)
{
    const arb_strategy_config_t *config = &strat->config;
    int64_t due_ns = INT64_MAX;
    if (config->basis_step_ns != 0)
        due_ns = arb_due_min(due_ns, strat->basis_due_mono_ns, strat->now_mono_ns);
    if (config->funding_step_ns != 0)
        due_ns = arb_due_min(due_ns, strat->funding_due_mono_ns, strat->now_mono_ns);
    for (uint32_t index = 0; index < strat->active_count; index++) {
        int64_t pair_ns = arb_due_pair(strat, &strat->pairs[strat->active[index]]);
        due_ns = pair_ns < due_ns ? pair_ns : due_ns;
    }
    return due_ns;
}

#endif
