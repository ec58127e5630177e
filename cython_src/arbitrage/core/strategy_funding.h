/* Strategy funding: look for pairs that two funding rates pay for, one symbol a step.
 *
 * The rules are funding_entry.h's; what passes them goes the way of every entry: books read again,
 * size down to the slice that still pays, gate, journal, both orders. Slippage is what both ways
 * may cost at their limits. Threads: the strategy's. Limits: two venues.
 */
#ifndef ARB_STRATEGY_FUNDING_H
#define ARB_STRATEGY_FUNDING_H

#include "strategy.h"

/* Try one direction of a free symbol; true: a pair is opening. */
static inline bool arb_strategy_try_funding(arb_strategy_t *strat, arb_pair_t *pair,
                                            uint32_t buy_row, uint32_t sell_row,
                                            const arb_funding_leg_t *buy,
                                            const arb_funding_leg_t *sell)
{
    const arb_strategy_config_t *config = &strat->config;
    const arb_market_store_t *store = strat->wire.store;
    arb_top_view_t buy_top, sell_top;
    arb_top_read(store, buy_row, &buy_top);
    arb_top_read(store, sell_row, &sell_top);
    if (buy_top.state != ARB_ROW_LIVE || sell_top.state != ARB_ROW_LIVE)
        return false;
    double ask = buy_top.ask_px * arb_store_px_mult(store)[buy_row];
    double bid = sell_top.bid_px * arb_store_px_mult(store)[sell_row];
    double fees_bps = arb_strategy_round_trip_bps(strat, buy_row, sell_row);
    double slippage_bps = config->entry_slip_bps + config->exit_slip_bps;
    arb_funding_plan_t plan =
        arb_funding_judge(&config->funding, buy, sell, (bid - ask) / ask * 1e4, fees_bps,
                          slippage_bps, arb_strategy_wall_ns(strat, strat->now_mono_ns));
    if (plan.verdict != ARB_FUNDING_ENTER)
        return false;
    arb_opportunity_t hint = arb_strategy_hint(
        strat, buy_row, sell_row, fees_bps + slippage_bps - plan.ahead_bps, strat->now_mono_ns);
    const arb_entry_terms_t terms = {.min_net_bps = config->funding.min_bps,
                                     .min_gross_bps = -INFINITY,
                                     .max_usd = config->position_usd,
                                     .kind = ARB_KIND_FUNDING};
    arb_count(&strat->wire.counters->considered, 1);
    if (arb_strategy_consider(strat, pair, &hint, &terms) != ARB_VERDICT_accepted)
        return false;
    arb_count(&strat->wire.counters->pairs_funding, 1);
    return true;
}

/* Look at the next symbol that trades: one a step, so that a turn stays short. */
static inline void arb_strategy_scan_funding(arb_strategy_t *strat)
{
    const arb_strategy_config_t *config = &strat->config;
    const arb_market_store_t *store = strat->wire.store;
    if (config->funding_step_ns == 0 || strat->now_mono_ns < strat->funding_due_mono_ns)
        return;
    strat->funding_due_mono_ns = strat->now_mono_ns + config->funding_step_ns;
    for (uint32_t tries = 0; tries < config->symbol_capacity; tries++) {
        uint32_t symbol = strat->funding_symbol++ % config->symbol_capacity;
        arb_pair_t *pair = &strat->pairs[symbol];
        if (!(strat->wire.symbols[symbol].step_base > 0) || store->venue_count < 2)
            continue;
        if (arb_strategy_is_free(strat, pair) != ARB_VERDICT_accepted)
            return;
        uint32_t row_0 = arb_store_row(store, 0, symbol), row_1 = arb_store_row(store, 1, symbol);
        arb_funding_leg_t leg_0 = arb_funding_of_row(store, row_0),
                          leg_1 = arb_funding_of_row(store, row_1);
        if (!arb_strategy_try_funding(strat, pair, row_0, row_1, &leg_0, &leg_1) &&
            arb_strategy_is_free(strat, pair) == ARB_VERDICT_accepted)
            arb_strategy_try_funding(strat, pair, row_1, row_0, &leg_1, &leg_0);
        return;
    }
}

#endif
