/* Pair machine: one symbol's pair from its entry orders to flat. The table of moves is
 * pair_phases.h.
 *
 * Each step looks only at what the legs hold, what is under way and the time; so executions may
 * come in any order, late, twice, or after a timeout, and the next step is the same. Legs that
 * ended uneven are made even at once: by completing or by unwinding. An order whose outcome is
 * unknown is waited for, not resent; legs that are uneven for half of naked_ns_max are unwound
 * without waiting, which leaves the other half to get there. What is not even by the whole of it is
 * BROKEN: reduced on, and never given up.
 *
 * While the kill switch is on without flatten nothing leaves: pairs stay where they are, their
 * times run on, and what is due happens as soon as orders may leave again.
 *
 * Threads: the strategy's.
 */
#ifndef ARB_PAIR_MACHINE_H
#define ARB_PAIR_MACHINE_H

#include "pair_decide.h"
#include "pair_exit.h"

/* ---- what holds now -------------------------------------------------------------------------- */

/* Whether reduce-only orders may leave. Asked before the gate is, so that what waits tries
 * nothing. */
static inline bool arb_strategy_may_exit(const arb_strategy_t *strat)
{
    return !arb_risk_is_silent(strat->wire.risk);
}

/* What both legs hold, in steps of the common grid. */
typedef struct arb_pair_weight {
    int64_t steps;  /* that both legs hold */
    bool flat;      /* nothing at all */
    bool level;     /* the same on both legs and nothing beside it; flat is level */
    bool trimmable; /* what lies beyond steps can be sold as it is: no venue finds it too small */
} arb_pair_weight_t;

static inline arb_pair_weight_t arb_pair_weigh(const arb_strategy_t *strat, const arb_pair_t *pair)
{
    const arb_strategy_symbol_t *grid = &strat->wire.symbols[pair->symbol_index];
    arb_pair_weight_t weight = {INT64_MAX, true, true, true};
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        const arb_pair_leg_t *leg = &pair->legs[leg_index];
        int64_t leg_steps = leg->lots <= 0 ? 0 : leg->lots / grid->step_lots[leg->venue];
        weight.steps = leg_steps < weight.steps ? leg_steps : weight.steps;
        weight.flat = weight.flat && leg->lots == 0;
    }
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        const arb_pair_leg_t *leg = &pair->legs[leg_index];
        int64_t excess = leg->lots - weight.steps * grid->step_lots[leg->venue];
        weight.level = weight.level && excess == 0;
        weight.trimmable =
            weight.trimmable &&
            (excess == 0 || excess >= arb_store_min_lots(strat->wire.store)[leg->row]);
    }
    return weight;
}

static inline bool arb_pair_is_busy(const arb_pair_t *pair)
{
    return arb_leg_is_busy(&pair->legs[0]) || arb_leg_is_busy(&pair->legs[1]);
}

/* How long the legs have been uneven; 0: they are not. */
static inline int64_t arb_pair_naked_ns(const arb_strategy_t *strat, const arb_pair_t *pair)
{
    return pair->naked_mono_ns == 0 ? 0 : strat->now_mono_ns - pair->naked_mono_ns;
}

/* ---- the steps ------------------------------------------------------------------------------- */

static inline void arb_pair_note_naked(arb_strategy_t *strat, arb_pair_t *pair)
{
    bool naked = !arb_pair_weigh(strat, pair).level;
    int64_t now = strat->now_mono_ns;
    if (naked && pair->naked_mono_ns == 0)
        pair->naked_mono_ns = now;
    if (naked || pair->naked_mono_ns == 0)
        return;
    int64_t uneven_ns = now - pair->naked_mono_ns;
    pair->naked_mono_ns = 0;
    if (uneven_ns > pair->naked_ns_max)
        pair->naked_ns_max = uneven_ns;
    if (strat->wire.naked != NULL)
        arb_histogram_record(strat->wire.naked, uneven_ns);
}

/* Reduce both legs to target_steps; 0: to nothing, and the pair is told to unwind. */
static inline void arb_pair_unwind(arb_strategy_t *strat, arb_pair_t *pair, int64_t target_steps,
                                   arb_exit_reason_t reason)
{
    pair->target_steps = target_steps;
    arb_pair_enter(strat, pair, ARB_PAIR_UNWINDING, target_steps > 0 ? ARB_EXIT_NONE : reason);
    if (target_steps == 0)
        arb_pair_publish(strat, pair, ARB_PAIR_EVENT_UNWINDING);
}

/* Pause the symbol: no pair of it begins until a person has resumed it. */
static inline void arb_pair_trip_breaker(arb_strategy_t *strat, arb_pair_t *pair)
{
    pair->breaker_streak = 0;
    arb_count(&strat->wire.counters->breaker_trips, 1);
    arb_risk_pause(strat->wire.risk, pair->symbol_index, ARB_PAUSE_BREAKER);
}

/* Not brought back within its bounds: it goes on reducing, and a person should look. */
static inline void arb_pair_break(arb_strategy_t *strat, arb_pair_t *pair, arb_exit_reason_t reason)
{
    pair->target_steps = 0;
    arb_count(&strat->wire.counters->pairs_broken, 1);
    arb_pair_trip_breaker(strat, pair);
    arb_pair_enter(strat, pair, ARB_PAIR_BROKEN, reason);
    arb_pair_publish(strat, pair, ARB_PAIR_EVENT_BROKEN);
}

/* The venue took from a leg by itself: whatever stands is unwound. */
static inline void arb_pair_lose_leg(arb_strategy_t *strat, arb_pair_t *pair)
{
    if (pair->phase != ARB_PAIR_UNWINDING) {
        arb_pair_unwind(strat, pair, 0, ARB_EXIT_LEG_LOST);
        return;
    }
    pair->target_steps = 0; /* it was reducing to what both legs held in common */
    if (pair->reason == ARB_EXIT_NONE)
        pair->reason = ARB_EXIT_LEG_LOST;
    arb_pair_publish(strat, pair, ARB_PAIR_EVENT_UNWINDING);
}

static inline void arb_pair_settle(arb_strategy_t *strat, arb_pair_t *pair,
                                   arb_exit_reason_t reason)
{
    pair->settle_until_mono_ns = strat->now_mono_ns + strat->config.settle_ns;
    arb_pair_enter(strat, pair, ARB_PAIR_CLOSED, reason);
}

/* Both legs hold something on the common grid and nothing else: the pair stands. */
static inline void arb_pair_stand(arb_strategy_t *strat, arb_pair_t *pair)
{
    bool first = pair->opened_mono_ns == 0;
    if (first) {
        pair->opened_mono_ns = strat->now_mono_ns;
        pair->failure_streak = 0;
        if (!pair->adopted)
            arb_count(&strat->wire.counters->pairs_opened, 1);
    }
    pair->legs[0].try_count = pair->legs[1].try_count = 0;
    pair->seen_versions[0] = pair->seen_versions[1] = UINT64_MAX; /* judge the exit at once */
    arb_pair_enter(strat, pair, ARB_PAIR_OPEN, ARB_EXIT_NONE);
    if (first)
        arb_pair_publish(strat, pair, ARB_PAIR_EVENT_OPENED);
}

static inline void arb_pair_step_opening(arb_strategy_t *strat, arb_pair_t *pair)
{
    arb_pair_weight_t weight = arb_pair_weigh(strat, pair);
    if (arb_pair_is_busy(pair)) {
        if (arb_pair_naked_ns(strat, pair) > strat->config.naked_ns_max / 2)
            arb_pair_enter(strat, pair, ARB_PAIR_ONE_LEG, ARB_EXIT_NONE);
    } else if (weight.flat) {
        arb_pair_settle(strat, pair, ARB_EXIT_MISSED);
    } else if (weight.level) {
        arb_pair_stand(strat, pair);
    } else {
        arb_pair_enter(strat, pair, ARB_PAIR_ONE_LEG, ARB_EXIT_NONE);
    }
}

/* Decide. The phase lasts only while nothing may leave. */
static inline void arb_pair_step_one_leg(arb_strategy_t *strat, arb_pair_t *pair)
{
    arb_pair_weight_t weight = arb_pair_weigh(strat, pair);
    bool busy = arb_pair_is_busy(pair);
    bool late = arb_pair_naked_ns(strat, pair) > strat->config.naked_ns_max / 2;
    if (!busy && weight.level && weight.steps > 0) {
        arb_pair_stand(strat, pair);
    } else if (!arb_strategy_may_exit(strat)) {
        if (arb_pair_naked_ns(strat, pair) > strat->config.naked_ns_max)
            arb_pair_break(strat, pair, ARB_EXIT_NAKED);
    } else if (!busy && !late && !arb_strategy_must_flatten(strat) &&
               arb_pair_complete(strat, pair)) {
        arb_pair_enter(strat, pair, ARB_PAIR_COMPLETING, ARB_EXIT_NONE);
    } else {
        bool keep = weight.trimmable && !arb_strategy_must_flatten(strat);
        arb_pair_unwind(strat, pair, keep ? weight.steps : 0,
                        busy ? ARB_EXIT_NAKED : ARB_EXIT_LEG_FAILED);
    }
}

static inline void arb_pair_step_completing(arb_strategy_t *strat, arb_pair_t *pair)
{
    bool busy = arb_pair_is_busy(pair);
    arb_pair_weight_t weight = arb_pair_weigh(strat, pair);
    if (busy && arb_pair_naked_ns(strat, pair) <= strat->config.naked_ns_max / 2)
        return;
    if (busy || !weight.level || weight.flat) {
        arb_pair_enter(strat, pair, ARB_PAIR_ONE_LEG, ARB_EXIT_NONE);
        return;
    }
    arb_count(&strat->wire.counters->legs_completed, 1);
    arb_pair_stand(strat, pair);
}

/* What UNWINDING leaves standing can only become less: a leg may be taken from us, or its rest be
 * too small to sell. */
static inline void arb_pair_lower_target(arb_strategy_t *strat, arb_pair_t *pair)
{
    if (pair->target_steps == 0)
        return;
    arb_pair_weight_t weight = arb_pair_weigh(strat, pair);
    if (weight.steps < pair->target_steps)
        pair->target_steps = weight.steps;
    bool stuck = !arb_pair_is_busy(pair) && !weight.trimmable;
    if (stuck || arb_strategy_must_flatten(strat))
        pair->target_steps = 0;
    if (pair->target_steps != 0)
        return;
    if (pair->reason == ARB_EXIT_NONE)
        pair->reason = stuck ? ARB_EXIT_LEG_FAILED : ARB_EXIT_FLATTEN;
    arb_pair_publish(strat, pair, ARB_PAIR_EVENT_UNWINDING);
}

/* UNWINDING, CLOSING, BROKEN: bring both legs to the target with reduce-only orders. */
static inline void arb_pair_step_reducing(arb_strategy_t *strat, arb_pair_t *pair)
{
    const arb_strategy_symbol_t *grid = &strat->wire.symbols[pair->symbol_index];
    const arb_strategy_config_t *config = &strat->config;
    bool reached = true, spent = false, may_exit = arb_strategy_may_exit(strat);
    arb_pair_lower_target(strat, pair);
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        arb_pair_leg_t *leg = &pair->legs[leg_index];
        int64_t target_lots = pair->target_steps * grid->step_lots[leg->venue];
        if (leg->lots == target_lots && !arb_leg_is_busy(leg))
            continue;
        reached = false;
        if (leg->lots == target_lots || arb_leg_is_busy(leg))
            continue;
        spent |= leg->try_count >= config->exit_tries_max;
        if (may_exit && strat->now_mono_ns >= leg->retry_mono_ns)
            arb_pair_reduce(strat, pair, leg_index, target_lots, pair->phase == ARB_PAIR_CLOSING);
    }
    if (reached && pair->target_steps > 0)
        arb_pair_stand(strat, pair);
    else if (reached)
        arb_pair_settle(strat, pair, ARB_EXIT_NONE);
    else if (pair->phase != ARB_PAIR_BROKEN && spent)
        arb_pair_break(strat, pair, ARB_EXIT_LEG_FAILED);
    else if (pair->phase != ARB_PAIR_BROKEN &&
             arb_pair_naked_ns(strat, pair) > config->naked_ns_max)
        arb_pair_break(strat, pair, ARB_EXIT_NAKED);
}

static inline void arb_pair_step_open(arb_strategy_t *strat, arb_pair_t *pair)
{
    arb_pair_weight_t weight = arb_pair_weigh(strat, pair);
    if (ARB_UNLIKELY(!weight.level || weight.steps == 0)) {
        arb_pair_unwind(strat, pair, weight.trimmable ? weight.steps : 0, ARB_EXIT_LATE_FILL);
        return;
    }
    if (ARB_UNLIKELY(!arb_strategy_may_exit(strat)))
        return;
    arb_exit_reason_t reason = arb_pair_exit_reason(strat, pair);
    if (reason == ARB_EXIT_NONE)
        return;
    pair->target_steps = 0;
    arb_pair_enter(strat, pair, ARB_PAIR_CLOSING, reason);
    arb_pair_publish(strat, pair, ARB_PAIR_EVENT_CLOSING);
}

static inline int64_t arb_doubled_ns(int64_t base_ns, uint32_t times, int64_t max_ns)
{
    int64_t doubled = base_ns << (times < 16 ? times : 16);
    return doubled < max_ns ? doubled : max_ns;
}

/* One-sided failures in a row pause the symbol, until a person resumes it. */
static inline void arb_pair_judge_end(arb_strategy_t *strat, arb_pair_t *pair,
                                      arb_pair_event_kind_t kind)
{
    bool failed = kind == ARB_PAIR_EVENT_UNWOUND && pair->reason != ARB_EXIT_FLATTEN;
    if (failed || pair->reason == ARB_EXIT_LEG_LOST)
        pair->breaker_streak++;
    else if (kind == ARB_PAIR_EVENT_CLOSED)
        pair->breaker_streak = 0;
    if (pair->breaker_streak >= strat->config.breaker_failures)
        arb_pair_trip_breaker(strat, pair);
}

/* Flat and its prices known, or waited for long enough: over. */
static inline void arb_pair_step_closed(arb_strategy_t *strat, arb_pair_t *pair)
{
    arb_strategy_counters_t *counters = strat->wire.counters;
    const arb_strategy_config_t *config = &strat->config;
    if (pair->legs[0].lots != 0 || pair->legs[1].lots != 0) {
        arb_pair_unwind(strat, pair, 0, ARB_EXIT_LATE_FILL);
        return;
    }
    bool settled = arb_leg_is_settled(&pair->legs[0]) && arb_leg_is_settled(&pair->legs[1]);
    if (!settled && strat->now_mono_ns < pair->settle_until_mono_ns)
        return;
    bool traded = pair->legs[0].entry_lots > 0 || pair->legs[1].entry_lots > 0;
    arb_pair_event_kind_t kind = pair->opened_mono_ns != 0 ? ARB_PAIR_EVENT_CLOSED
                                 : traded                  ? ARB_PAIR_EVENT_UNWOUND
                                                           : ARB_PAIR_EVENT_MISSED;
    int64_t cool_ns = config->cooldown_ns;
    if (kind == ARB_PAIR_EVENT_UNWOUND)
        cool_ns =
            arb_doubled_ns(config->cooldown_ns, ++pair->failure_streak, config->cooldown_ns_max);
    if (!pair->counted) {
        arb_count(kind == ARB_PAIR_EVENT_CLOSED    ? &counters->pairs_closed
                  : kind == ARB_PAIR_EVENT_UNWOUND ? &counters->pairs_unwound
                                                   : &counters->pairs_missed, 1);
        arb_pair_judge_end(strat, pair, kind);
    }
    pair->counted = true;
    pair->cool_until_mono_ns = strat->now_mono_ns + cool_ns;
    arb_pair_note_result(strat, pair);
    arb_pair_enter(strat, pair, ARB_PAIR_IDLE, ARB_EXIT_NONE);
    arb_pair_publish(strat, pair, kind);
    arb_risk_pair_end(strat->wire.risk, pair->symbol_index);
}

/* Move a pair as far as it goes without waiting. */
static inline void arb_pair_step(arb_strategy_t *strat, arb_pair_t *pair)
{
    arb_pair_note_naked(strat, pair);
    for (uint32_t turns = 0; turns < ARB_PAIR_PHASE_COUNT; turns++) {
        uint8_t before = pair->phase;
        switch ((arb_pair_phase_t)pair->phase) {
        case ARB_PAIR_OPENING:
            arb_pair_step_opening(strat, pair);
            break;
        case ARB_PAIR_OPEN:
            arb_pair_step_open(strat, pair);
            break;
        case ARB_PAIR_ONE_LEG:
            arb_pair_step_one_leg(strat, pair);
            break;
        case ARB_PAIR_COMPLETING:
            arb_pair_step_completing(strat, pair);
            break;
        case ARB_PAIR_UNWINDING:
        case ARB_PAIR_CLOSING:
        case ARB_PAIR_BROKEN:
            arb_pair_step_reducing(strat, pair);
            break;
        case ARB_PAIR_CLOSED:
            arb_pair_step_closed(strat, pair);
            break;
        case ARB_PAIR_IDLE:
        case ARB_PAIR_PHASE_COUNT:
            return;
        }
        if (pair->phase == before)
            return;
    }
}

#endif
