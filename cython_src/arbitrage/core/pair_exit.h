/* Pair exit: when a pair that stands leaves, by the rule of its kind.
 *
 *   every kind   flatten, the stop, the longest stay
 *   SPREAD       take profit
 *   FUNDING      no more funding to be had (funding_entry.h), with a stop and a longest stay of its
 *                own
 *   INTENT       its strategy asks; when that is gone: at once, or as SPREAD, as configured
 *
 * Threads: the strategy's.
 */
#ifndef ARB_PAIR_EXIT_H
#define ARB_PAIR_EXIT_H

#include "pair_tell.h"

/* Whether every pair is to be closed now. The kill switch alone does not say so: while it has
 * tripped and nobody wants to flatten, no order leaves. */
static inline bool arb_strategy_must_flatten(const arb_strategy_t *strat)
{
    return arb_risk_is_raised(strat->wire.flatten);
}

/* Whether a settlement's time has come. A venue that lengthens its interval moves the next time
 * later too, without settling; the minute is for clocks that differ. */
static inline bool arb_pair_is_settled(const arb_strategy_t *strat, int64_t next_wall_ns)
{
    int64_t offset_ns = arb_load_relaxed(&strat->wire.journal->wall_offset_ns);
    return strat->now_mono_ns + offset_ns >= next_wall_ns - INT64_C(60000000000);
}

/* Count a settlement that has passed since the last look: the rate known before it, on each leg. */
static inline void arb_pair_accrue_funding(arb_strategy_t *strat, arb_pair_t *pair)
{
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        arb_row_view_t view;
        if (!arb_store_read_row(strat->wire.store, pair->legs[leg_index].row, &view, 64))
            continue;
        int64_t *next = &pair->funding_next_ns[leg_index];
        double *rate = &pair->funding_rate[leg_index];
        if (*next != 0 && view.funding_next_ns > *next && *rate == *rate &&
            arb_pair_is_settled(strat, *next)) {
            double bps = *rate * 1e4 * (leg_index == ARB_PAIR_SELL ? 1 : -1);
            pair->funding_bps += bps;
            arb_pair_tell_funding(strat, pair, leg_index, *rate, bps);
        }
        *next = view.funding_next_ns;
        *rate = view.funding_rate;
    }
}

/* Entry plus what leaving now would bring, less fees; NaN while a price is missing. */
static inline double arb_pair_judge(arb_strategy_t *strat, arb_pair_t *pair)
{
    arb_top_view_t tops[2];
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        arb_pair_leg_t *leg = &pair->legs[leg_index];
        arb_top_read(strat->wire.store, leg->row, &tops[leg_index]);
        if (tops[leg_index].state != ARB_ROW_LIVE)
            return NAN;
        if (tops[leg_index].bid_px > 0)
            leg->last_bid = tops[leg_index].bid_px;
        if (tops[leg_index].ask_px > 0)
            leg->last_ask = tops[leg_index].ask_px;
    }
    const double *mult = arb_store_px_mult(strat->wire.store);
    double out_px = tops[ARB_PAIR_BUY].bid_px * mult[pair->legs[ARB_PAIR_BUY].row];
    double back_px = tops[ARB_PAIR_SELL].ask_px * mult[pair->legs[ARB_PAIR_SELL].row];
    double close_bps = (out_px - back_px) / back_px * 1e4;
    return arb_pair_gross_bps(strat, pair) + close_bps - arb_pair_fees_bps(strat, pair) +
           pair->funding_bps;
}

static inline int64_t arb_pair_hold_ns(const arb_strategy_t *strat, const arb_pair_t *pair)
{
    return pair->kind == ARB_KIND_FUNDING ? strat->config.funding.hold_ns
                                          : strat->config.max_hold_ns;
}

/* The UTC epoch of a moment of this turn's clock. */
static inline int64_t arb_strategy_wall_ns(const arb_strategy_t *strat, int64_t mono_ns)
{
    /* relaxed: a word that the owner's main thread keeps true; pairs with
     * Journal.refresh_wall_offset */
    return mono_ns + arb_load_relaxed(&strat->wire.journal->wall_offset_ns);
}

/* A row's funding as it was last told; all unknown when the row cannot be read. */
static inline arb_funding_leg_t arb_funding_of_row(const arb_market_store_t *store, uint32_t row)
{
    arb_row_view_t view;
    if (!arb_store_read_row(store, row, &view, 64))
        return (arb_funding_leg_t){NAN, NAN, 0};
    return (arb_funding_leg_t){view.funding_rate, view.funding_interval_h, view.funding_next_ns};
}

static inline arb_exit_reason_t arb_pair_funding_exit(const arb_strategy_t *strat,
                                                      const arb_pair_t *pair)
{
    const arb_strategy_config_t *config = &strat->config;
    const arb_market_store_t *store = strat->wire.store;
    const double *taker = arb_store_taker_bps(store);
    uint32_t buy_row = pair->legs[ARB_PAIR_BUY].row, sell_row = pair->legs[ARB_PAIR_SELL].row;
    arb_funding_leg_t buy = arb_funding_of_row(store, buy_row),
                      sell = arb_funding_of_row(store, sell_row);
    int64_t until_mono_ns = pair->opened_mono_ns + config->funding.hold_ns;
    arb_funding_exit_t verdict = arb_funding_judge_exit(
        &config->funding, &buy, &sell, pair->pair_bps,
        taker[buy_row] + taker[sell_row] + config->exit_slip_bps, config->take_profit_bps,
        arb_strategy_wall_ns(strat, strat->now_mono_ns),
        arb_strategy_wall_ns(strat, until_mono_ns));
    return verdict == ARB_FUNDING_TURNED  ? ARB_EXIT_FUNDING
           : verdict == ARB_FUNDING_SPENT ? ARB_EXIT_TAKE_PROFIT
                                          : ARB_EXIT_NONE;
}

/* Whether a tag's bit is raised in a word of the owner's main thread. */
static inline bool arb_tag_is_in(const uint64_t *word, uint8_t tag)
{
    /* relaxed: single flags that publish nothing else; pairs with SpreadStrategy.orphan */
    return tag != 0 && (arb_load_relaxed(word) >> tag & 1) != 0;
}

/* Reasons that no look at the books is needed for. */
static inline arb_exit_reason_t arb_pair_exit_at_once(const arb_strategy_t *strat,
                                                      const arb_pair_t *pair)
{
    if (arb_strategy_must_flatten(strat))
        return ARB_EXIT_FLATTEN;
    if (pair->close_asked)
        return ARB_EXIT_ASKED;
    if (pair->kind == ARB_KIND_INTENT && arb_tag_is_in(&strat->orphans_close, pair->tag))
        return ARB_EXIT_ORPHANED;
    if (strat->now_mono_ns - pair->opened_mono_ns >= arb_pair_hold_ns(strat, pair))
        return ARB_EXIT_MAX_HOLD;
    return ARB_EXIT_NONE;
}

static inline arb_exit_reason_t arb_pair_exit_reason(arb_strategy_t *strat, arb_pair_t *pair)
{
    const arb_strategy_config_t *config = &strat->config;
    arb_exit_reason_t reason = arb_pair_exit_at_once(strat, pair);
    if (reason != ARB_EXIT_NONE)
        return reason;
    bool changed = false;
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        /* relaxed: only tells whether a look is worth while; the look itself is the seqlock's */
        uint32_t row = pair->legs[leg_index].row;
        uint64_t version = arb_load_relaxed(arb_store_version(strat->wire.store) + row);
        changed = changed || version != pair->seen_versions[leg_index];
        pair->seen_versions[leg_index] = version;
    }
    if (!changed)
        return ARB_EXIT_NONE;
    arb_pair_accrue_funding(strat, pair);
    pair->pair_bps = arb_pair_judge(strat, pair);
    bool is_funding = pair->kind == ARB_KIND_FUNDING;
    if (pair->pair_bps <= -(is_funding ? config->funding_stop_bps : config->stop_bps))
        return ARB_EXIT_STOP;
    if (is_funding)
        return arb_pair_funding_exit(strat, pair);
    if (pair->kind == ARB_KIND_INTENT && !arb_tag_is_in(&strat->orphans_held, pair->tag))
        return ARB_EXIT_NONE;
    return pair->pair_bps >= config->take_profit_bps ? ARB_EXIT_TAKE_PROFIT : ARB_EXIT_NONE;
}

#endif
