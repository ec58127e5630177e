/* Pair adopt: put a pair of an earlier run into the machine, before its thread runs.
 *
 * What an earlier run left is found out by start-up (runtime/recovery.py) and comes here as one
 * record. The legs get what they hold, at what they cost, and the machine decides as it always
 * does: legs that are level stand and are left by the exit rules, legs that are not are reduced to
 * what both hold in common, or to nothing. Its client ids are the new run's; where it came from
 * stays in the journal.
 *
 * The record goes to the journal first: a run that dies right after can be recovered like any
 * other.
 *
 * Threads: the owner's, before the strategy's begins. Limits: one pair to a symbol.
 */
#ifndef ARB_PAIR_ADOPT_H
#define ARB_PAIR_ADOPT_H

#include "strategy.h"

typedef enum arb_adopt_result {
    ARB_ADOPT_OK = 0,
    ARB_ADOPT_BUSY = 1,   /* the symbol has a pair */
    ARB_ADOPT_EMPTY = 2,  /* neither leg holds anything */
    ARB_ADOPT_UNKNOWN = 3,/* a symbol or row that is not traded, or one venue twice */
    ARB_ADOPT_JOURNAL = 4 /* the journal has no room */
} arb_adopt_result_t;

static inline void arb_leg_adopt(arb_strategy_t *strat, arb_pair_leg_t *leg, int64_t lots,
                                 double px, float fee_bps)
{
    leg->lots = lots;
    if (lots > 0 && px > 0) {
        leg->entry_lots = (double)lots;
        leg->entry_value = px * (double)lots;
        int64_t tick_lots = llround(leg->entry_value / leg->px_tick);
        leg->cash_tick_lots = leg->entry_side == ARB_SIDE_BUY ? -tick_lots : tick_lots;
        if (fee_bps == fee_bps) { /* not NaN */
            leg->fee_lots_value = leg->entry_value;
            leg->fee_value = leg->entry_value * (double)fee_bps;
        }
    }
    arb_leg_expose(strat, leg);
}

/* A time of day on the monotonic clock; before the boot it is negative, and never 0. */
static inline int64_t arb_adopt_mono_ns(const arb_strategy_t *strat, int64_t wall_ns)
{
    int64_t mono_ns = wall_ns - arb_load_relaxed(&strat->wire.journal->wall_offset_ns);
    if (wall_ns == 0)
        return 0;
    if (mono_ns > strat->now_mono_ns) /* the clock of the day was set back meanwhile */
        mono_ns = strat->now_mono_ns;
    return mono_ns == 0 ? 1 : mono_ns;
}

static inline arb_adopt_result_t arb_adopt_check(const arb_strategy_t *strat,
                                                 const arb_journal_adopted_t *held)
{
    const uint32_t capacity = strat->config.symbol_capacity,
                   row_count = strat->wire.store->row_count;
    if (held->symbol_index >= capacity || held->buy_row >= row_count ||
        held->sell_row >= row_count || held->buy_row % capacity != held->symbol_index ||
        held->sell_row % capacity != held->symbol_index || held->buy_row == held->sell_row ||
        held->kind >= ARB_KIND_COUNT || !(strat->wire.symbols[held->symbol_index].step_base > 0))
        return ARB_ADOPT_UNKNOWN;
    if (strat->pairs[held->symbol_index].phase != ARB_PAIR_IDLE)
        return ARB_ADOPT_BUSY;
    if (held->long_lots == 0 && held->short_lots == 0)
        return ARB_ADOPT_EMPTY;
    return arb_journal_room(strat->wire.journal) < 2 ? ARB_ADOPT_JOURNAL : ARB_ADOPT_OK;
}

/* Take a pair over; held->pair and held->phase are filled in. Not OK: nothing has changed. */
static inline arb_adopt_result_t arb_strategy_adopt(arb_strategy_t *strat,
                                                    arb_journal_adopted_t *held,
                                                    int64_t now_mono_ns)
{
    arb_adopt_result_t result = arb_adopt_check(strat, held);
    if (result != ARB_ADOPT_OK)
        return result;
    arb_pair_t *pair = &strat->pairs[held->symbol_index];
    arb_opportunity_t opp = {.id = held->opportunity_id, .buy_row = held->buy_row,
                             .sell_row = held->sell_row, .symbol_index = held->symbol_index};
    arb_entry_terms_t terms = {.kind = held->kind, .tag = held->tag};
    strat->now_mono_ns = now_mono_ns;
    arb_pair_reset(strat, pair, &opp, &terms);
    pair->adopted = true;
    pair->started_mono_ns = arb_adopt_mono_ns(strat, held->started_wall_ns);
    pair->opened_mono_ns = arb_adopt_mono_ns(strat, held->opened_wall_ns);
    pair->funding_bps = (double)held->funding_bps;
    arb_leg_adopt(strat, &pair->legs[ARB_PAIR_BUY], held->long_lots, held->buy_px,
                  held->buy_fee_bps);
    arb_leg_adopt(strat, &pair->legs[ARB_PAIR_SELL], held->short_lots, held->sell_px,
                  held->sell_fee_bps);
    arb_pair_weight_t weight = arb_pair_weigh(strat, pair);
    bool stands = weight.level && weight.steps > 0;
    held->pair = (uint16_t)pair->number;
    held->phase = (uint8_t)(stands ? ARB_PAIR_OPEN : ARB_PAIR_UNWINDING);
    arb_journal_append(strat->wire.journal, ARB_JOURNAL_ADOPTED, held, sizeof *held, now_mono_ns);
    arb_risk_pair_begin(strat->wire.risk, pair->symbol_index);
    arb_strategy_activate(strat, pair);
    /* relaxed: before the threads; pairs with arb_strategy_step_active */
    arb_store_relaxed(&strat->is_held, 1);
    arb_count(&strat->wire.counters->pairs_adopted, 1);
    if (!stands)
        arb_pair_unwind(strat, pair, weight.trimmable ? weight.steps : 0, ARB_EXIT_LEG_FAILED);
    else
        arb_pair_stand(strat, pair);
    return ARB_ADOPT_OK;
}

/* Let pairs that were taken over go on: orders can leave. Any thread. */
static inline void arb_strategy_release(arb_strategy_t *strat)
{
    /* relaxed: a single flag that publishes nothing else; pairs with arb_strategy_step_active */
    arb_store_relaxed(&strat->is_held, 0);
}

#endif
