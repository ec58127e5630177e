/* Strategy intents: what users' strategies ask for, checked, done or refused, and answered.
 *
 * An intent is a wish of a process that is not trusted: every number in it is checked, it gets the
 * same size, gate, journal and machine as everything else, and nobody may close what another one
 * opened. Each is answered by one notice, in the order taken. At most ARB_INTENTS_A_TURN of a door
 * are taken in one turn, so that a strategy that asks without end delays nobody.
 *
 * Threads: the strategy's; doors are attached before it runs.
 */
#ifndef ARB_STRATEGY_INTENTS_H
#define ARB_STRATEGY_INTENTS_H

#include "strategy.h"

enum { ARB_INTENTS_A_TURN = 8 };

static inline void arb_strategy_answer(arb_strategy_t *strat, const arb_intent_t *intent,
                                       uint8_t tag, arb_verdict_t verdict, const arb_pair_t *pair)
{
    arb_count(&strat->wire.counters->intents, 1);
    if (verdict != ARB_VERDICT_accepted)
        arb_count(&strat->wire.counters->intents_refused, 1);
    if (strat->wire.notices == NULL)
        return;
    arb_notice_t notice = {
        .intent_id = intent->id,
        .mono_ns = strat->now_mono_ns,
        .px = NAN,
        .rate = NAN,
        .run = strat->config.run,
        .pair = pair != NULL ? pair->number : 0,
        .symbol_index = intent->symbol_index,
        .notice = ARB_NOTICE_ANSWER,
        .verdict = (uint8_t)verdict,
        .gate_reason = verdict == ARB_VERDICT_gate ? strat->refused_by : (uint8_t)ARB_RISK_OK,
        .kind = ARB_KIND_INTENT,
        .tag = tag,
    };
    arb_broadcast_publish(strat->wire.notices, &notice);
}

/* What a pair is expected to receive less what it pays within the longest stay; 0: not known. */
static inline double arb_intent_funding_bps(const arb_strategy_t *strat, uint32_t buy_row,
                                            uint32_t sell_row)
{
    arb_funding_leg_t buy = arb_funding_of_row(strat->wire.store, buy_row);
    arb_funding_leg_t sell = arb_funding_of_row(strat->wire.store, sell_row);
    int64_t now_ns = arb_strategy_wall_ns(strat, strat->now_mono_ns);
    double ahead_bps =
        arb_funding_ahead_bps(&buy, &sell, now_ns, now_ns + strat->config.max_hold_ns);
    return ahead_bps == ahead_bps ? ahead_bps : 0;
}

static inline arb_verdict_t arb_intent_open(arb_strategy_t *strat, const arb_intent_t *intent,
                                            uint8_t tag, arb_pair_t *pair)
{
    const arb_strategy_config_t *config = &strat->config;
    const arb_market_store_t *store = strat->wire.store;
    if (intent->buy_venue == intent->sell_venue || intent->buy_venue >= store->venue_count ||
        intent->sell_venue >= store->venue_count || intent->max_usd <= 0)
        return ARB_VERDICT_malformed;
    arb_verdict_t free = arb_strategy_is_free(strat, pair);
    if (free != ARB_VERDICT_accepted)
        return free;
    uint32_t buy_row = arb_store_row(store, intent->buy_venue, intent->symbol_index);
    uint32_t sell_row = arb_store_row(store, intent->sell_venue, intent->symbol_index);
    int64_t now = strat->now_mono_ns;
    double costs_bps = arb_strategy_round_trip_bps(strat, buy_row, sell_row) -
                       arb_intent_funding_bps(strat, buy_row, sell_row);
    /* a time ahead of ours, or none: the intent is as new as its arrival */
    bool timed = intent->asked_mono_ns > 0 && intent->asked_mono_ns < now;
    arb_opportunity_t hint =
        arb_strategy_hint(strat, buy_row, sell_row, costs_bps, timed ? intent->asked_mono_ns : now);
    const arb_entry_terms_t terms = {
        /* a NaN asks for what is configured */
        .min_net_bps =
            intent->min_net_bps == intent->min_net_bps ? intent->min_net_bps : config->min_net_bps,
        .min_gross_bps = intent->min_gross_bps == intent->min_gross_bps
                             ? (double)intent->min_gross_bps
                             : config->min_gross_bps,
        .max_usd = intent->max_usd == intent->max_usd ? intent->max_usd : config->position_usd,
        .kind = ARB_KIND_INTENT,
        .tag = tag,
    };
    arb_verdict_t verdict = arb_strategy_consider(strat, pair, &hint, &terms);
    if (verdict == ARB_VERDICT_accepted)
        arb_count(&strat->wire.counters->pairs_intent, 1);
    return verdict;
}

static inline arb_verdict_t arb_intent_close(const arb_intent_t *intent, uint8_t tag,
                                             arb_pair_t *pair)
{
    if (pair->phase == ARB_PAIR_IDLE || (intent->pair != 0 && intent->pair != pair->number))
        return ARB_VERDICT_no_pair;
    if (pair->kind != ARB_KIND_INTENT || pair->tag != tag)
        return ARB_VERDICT_not_yours;
    pair->close_asked = true;
    return ARB_VERDICT_accepted;
}

static inline void arb_strategy_on_intent(arb_strategy_t *strat, const arb_intent_t *intent,
                                          uint8_t tag)
{
    arb_pair_t *pair = NULL;
    arb_verdict_t verdict = ARB_VERDICT_malformed;
    bool known = intent->symbol_index < strat->config.symbol_capacity &&
                 strat->wire.symbols[intent->symbol_index].step_base > 0;
    if (known)
        pair = &strat->pairs[intent->symbol_index];
    if (intent->action != ARB_INTENT_OPEN && intent->action != ARB_INTENT_CLOSE)
        verdict = ARB_VERDICT_malformed;
    else if (!known)
        verdict = ARB_VERDICT_unknown_symbol;
    else if (intent->expires_mono_ns != 0 && strat->now_mono_ns > intent->expires_mono_ns)
        verdict = ARB_VERDICT_expired;
    else if (intent->action == ARB_INTENT_OPEN)
        verdict = arb_intent_open(strat, intent, tag, pair);
    else
        verdict = arb_intent_close(intent, tag, pair);
    arb_strategy_answer(strat, intent, tag, verdict, verdict == ARB_VERDICT_accepted ? pair : NULL);
}

/* Take what waits at every door; returns how many intents. One relaxed load a door when there is
 * none. */
static inline uint32_t arb_strategy_take_intents(arb_strategy_t *strat)
{
    uint32_t handled = 0;
    arb_intent_t intent;
    for (uint32_t door = 0; door < strat->door_count; door++)
        for (uint32_t count = 0; count < ARB_INTENTS_A_TURN; count++, handled++) {
            if (!arb_door_take(strat->doors[door], &strat->doors_taken[door], &intent))
                break;
            arb_strategy_on_intent(strat, &intent, (uint8_t)(door + 1));
        }
    return handled;
}

#endif
