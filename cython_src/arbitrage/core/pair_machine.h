/* Pair machine: one symbol's pair from its entry orders to flat. The diagram is in pair.h.
 *
 * Each step looks only at what the legs hold, what is under way and the time; so executions may come in
 * any order, late, twice, or after a timeout, and the next step is the same. A leg that stands while the
 * other failed is flattened at once, with reduce-only orders priced afresh each time, wider each time, and
 * never given up. A leg whose outcome is unknown is waited for, not resent; if that leaves the other leg
 * alone for longer than naked_ns_max, the other leg is flattened without waiting.
 *
 * Threads: the strategy's.
 */
#ifndef ARB_PAIR_MACHINE_H
#define ARB_PAIR_MACHINE_H

#include "pair_orders.h"

/* Whether every pair is to be closed now. The kill switch alone does not say so: while it has tripped and
 * nobody wants to flatten, no order leaves. */
static inline bool arb_strategy_must_flatten(const arb_strategy_t *strat)
{
    return arb_risk_is_raised(strat->wire.flatten);
}

/* ---- telling the others ------------------------------------------------------------------------ */

static inline double arb_leg_fee_bps(const arb_strategy_t *strat, const arb_pair_leg_t *leg)
{
    return leg->fee_lots_value > 0 ? leg->fee_value / leg->fee_lots_value
                                   : arb_store_taker_bps(strat->wire.store)[leg->row];
}

/* Fees of the whole round trip: paid so far at the paid rate, the rest expected at the row's. */
static inline double arb_pair_fees_bps(const arb_strategy_t *strat, const arb_pair_t *pair)
{
    const double *taker = arb_store_taker_bps(strat->wire.store);
    return arb_leg_fee_bps(strat, &pair->legs[0]) + arb_leg_fee_bps(strat, &pair->legs[1]) +
           taker[pair->legs[0].row] + taker[pair->legs[1].row];
}

/* Edge of two venue prices, bought at the first leg's and sold at the second's, bps of the first. */
static inline double arb_pair_edge_bps(const arb_strategy_t *strat, const arb_pair_t *pair, double buy_px,
                                       double sell_px)
{
    const double *mult = arb_store_px_mult(strat->wire.store);
    double bought = buy_px * mult[pair->legs[ARB_PAIR_BUY].row];
    double sold = sell_px * mult[pair->legs[ARB_PAIR_SELL].row];
    return (sold - bought) / bought * 1e4;
}

static inline double arb_pair_gross_bps(const arb_strategy_t *strat, const arb_pair_t *pair)
{
    const arb_pair_leg_t *buy = &pair->legs[ARB_PAIR_BUY], *sell = &pair->legs[ARB_PAIR_SELL];
    if (!(buy->entry_lots > 0 && sell->entry_lots > 0))
        return pair->gross_bps;
    return arb_pair_edge_bps(strat, pair, buy->entry_value / buy->entry_lots,
                             sell->entry_value / sell->entry_lots);
}

/* What the pair brought, from its fills; NaN when a leg never traded in or out. */
static inline double arb_pair_result_bps(const arb_strategy_t *strat, const arb_pair_t *pair)
{
    const double *mult = arb_store_px_mult(strat->wire.store);
    const arb_pair_leg_t *buy = &pair->legs[ARB_PAIR_BUY], *sell = &pair->legs[ARB_PAIR_SELL];
    double out_px = arb_average_px(buy->exit_value, buy->exit_lots) * mult[buy->row];
    double back_px = arb_average_px(sell->exit_value, sell->exit_lots) * mult[sell->row];
    double entry = buy->entry_lots > 0 && sell->entry_lots > 0 ? arb_pair_gross_bps(strat, pair) : NAN;
    return entry + (out_px - back_px) / back_px * 1e4 - arb_pair_fees_bps(strat, pair) + pair->funding_bps;
}

static inline void arb_pair_publish(arb_strategy_t *strat, const arb_pair_t *pair, arb_pair_event_kind_t kind)
{
    if (strat->wire.pair_events == NULL)
        return;
    const arb_pair_leg_t *buy = &pair->legs[ARB_PAIR_BUY], *sell = &pair->legs[ARB_PAIR_SELL];
    double buy_base = buy->entry_lots * arb_row_lot_base(strat->wire.store, buy->row);
    double sell_base = sell->entry_lots * arb_row_lot_base(strat->wire.store, sell->row);
    bool over = kind == ARB_PAIR_EVENT_CLOSED || kind == ARB_PAIR_EVENT_UNWOUND;
    arb_pair_event_t event = {
        .opportunity_id = pair->opportunity_id,
        .mono_ns = strat->now_mono_ns,
        .started_mono_ns = pair->started_mono_ns,
        .opened_mono_ns = pair->opened_mono_ns,
        .buy_px = arb_average_px(buy->entry_value, buy->entry_lots),
        .sell_px = arb_average_px(sell->entry_value, sell->entry_lots),
        .buy_exit_px = arb_average_px(buy->exit_value, buy->exit_lots),
        .sell_exit_px = arb_average_px(sell->exit_value, sell->exit_lots),
        .base_qty = buy_base < sell_base ? buy_base : sell_base,
        .gross_bps = arb_pair_gross_bps(strat, pair),
        .pair_bps = over ? arb_pair_result_bps(strat, pair) : pair->pair_bps,
        .fees_bps = (float)arb_pair_fees_bps(strat, pair),
        .funding_bps = (float)pair->funding_bps,
        .naked_us = (uint32_t)(pair->naked_ns_max / 1000),
        .pair = pair->number,
        .order_count = pair->order_count,
        .buy_row = (uint16_t)buy->row,
        .sell_row = (uint16_t)sell->row,
        .symbol_index = pair->symbol_index,
        .event = (uint8_t)kind,
        .reason = pair->reason,
        .run = strat->config.run,
    };
    arb_broadcast_publish(strat->wire.pair_events, &event);
}

static inline void arb_pair_enter(arb_strategy_t *strat, arb_pair_t *pair, arb_pair_phase_t phase,
                                  arb_exit_reason_t reason)
{
    pair->phase = (uint8_t)phase;
    if (reason != ARB_EXIT_NONE && pair->reason == ARB_EXIT_NONE)
        pair->reason = (uint8_t)reason;
    arb_journal_pair_t entry = {.opportunity_id = pair->opportunity_id,
                                .long_lots = pair->legs[ARB_PAIR_BUY].lots,
                                .short_lots = pair->legs[ARB_PAIR_SELL].lots,
                                .pair = pair->number,
                                .buy_row = (uint16_t)pair->legs[ARB_PAIR_BUY].row,
                                .sell_row = (uint16_t)pair->legs[ARB_PAIR_SELL].row,
                                .symbol_index = pair->symbol_index,
                                .phase = pair->phase,
                                .reason = pair->reason};
    arb_journal_append(strat->wire.journal, ARB_JOURNAL_PAIR, &entry, sizeof entry, strat->now_mono_ns);
}

/* ---- the steps --------------------------------------------------------------------------------- */

static inline void arb_pair_note_naked(arb_strategy_t *strat, arb_pair_t *pair)
{
    bool naked = (pair->legs[0].lots != 0) != (pair->legs[1].lots != 0);
    int64_t now = strat->now_mono_ns;
    if (naked && pair->naked_mono_ns == 0)
        pair->naked_mono_ns = now;
    if (naked || pair->naked_mono_ns == 0)
        return;
    int64_t alone_ns = now - pair->naked_mono_ns;
    pair->naked_mono_ns = 0;
    if (alone_ns > pair->naked_ns_max)
        pair->naked_ns_max = alone_ns;
    if (strat->wire.naked != NULL)
        arb_histogram_record(strat->wire.naked, alone_ns);
}

static inline void arb_pair_unwind(arb_strategy_t *strat, arb_pair_t *pair, arb_exit_reason_t reason)
{
    pair->target_steps = 0;
    arb_pair_enter(strat, pair, ARB_PAIR_UNWINDING, reason);
    arb_pair_publish(strat, pair, ARB_PAIR_EVENT_UNWINDING);
}

static inline void arb_pair_settle(arb_strategy_t *strat, arb_pair_t *pair, arb_exit_reason_t reason)
{
    pair->settle_until_mono_ns = strat->now_mono_ns + strat->config.settle_ns;
    arb_pair_enter(strat, pair, ARB_PAIR_SETTLING, reason);
}

/* Both legs hold something on the common grid and nothing else: the pair stands. */
static inline void arb_pair_stand(arb_strategy_t *strat, arb_pair_t *pair)
{
    bool first = pair->opened_mono_ns == 0;
    if (first) {
        pair->opened_mono_ns = strat->now_mono_ns;
        pair->failure_streak = 0;
        arb_count(&strat->wire.counters->pairs_opened, 1);
    }
    pair->seen_versions[0] = pair->seen_versions[1] = UINT64_MAX; /* judge the exit at once */
    arb_pair_enter(strat, pair, ARB_PAIR_OPEN, ARB_EXIT_NONE);
    if (first)
        arb_pair_publish(strat, pair, ARB_PAIR_EVENT_OPENED);
}

/* No order is under way: decide by what the legs hold. */
static inline void arb_pair_balance(arb_strategy_t *strat, arb_pair_t *pair, arb_exit_reason_t reason)
{
    const arb_strategy_symbol_t *grid = &strat->wire.symbols[pair->symbol_index];
    int64_t steps = INT64_MAX, excess[2];
    bool flat = true, level = true, trimmable = true;
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        const arb_pair_leg_t *leg = &pair->legs[leg_index];
        int64_t leg_steps = leg->lots <= 0 ? 0 : leg->lots / grid->step_lots[leg->venue];
        steps = leg_steps < steps ? leg_steps : steps;
        flat = flat && leg->lots == 0;
    }
    if (flat) {
        arb_pair_settle(strat, pair, ARB_EXIT_MISSED);
        return;
    }
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        const arb_pair_leg_t *leg = &pair->legs[leg_index];
        excess[leg_index] = leg->lots - steps * grid->step_lots[leg->venue];
        level = level && excess[leg_index] == 0;
        trimmable = trimmable && (excess[leg_index] == 0 ||
                                  excess[leg_index] >= arb_store_min_lots(strat->wire.store)[leg->row]);
    }
    if (steps > 0 && level) {
        arb_pair_stand(strat, pair);
    } else if (steps > 0 && trimmable) {
        pair->target_steps = steps;
        arb_pair_enter(strat, pair, ARB_PAIR_TRIMMING, ARB_EXIT_NONE);
    } else {
        arb_pair_unwind(strat, pair, reason);
    }
}

static inline void arb_pair_step_opening(arb_strategy_t *strat, arb_pair_t *pair)
{
    if (!arb_leg_is_busy(&pair->legs[0]) && !arb_leg_is_busy(&pair->legs[1]))
        arb_pair_balance(strat, pair, ARB_EXIT_LEG_FAILED);
    else if (pair->naked_mono_ns != 0 &&
             strat->now_mono_ns - pair->naked_mono_ns > strat->config.naked_ns_max)
        arb_pair_unwind(strat, pair, ARB_EXIT_NAKED);
}

/* TRIMMING, CLOSING, UNWINDING: bring both legs to the target with reduce-only orders. */
static inline void arb_pair_step_reducing(arb_strategy_t *strat, arb_pair_t *pair)
{
    const arb_strategy_symbol_t *grid = &strat->wire.symbols[pair->symbol_index];
    bool reached = true;
    if (pair->phase == ARB_PAIR_TRIMMING && arb_strategy_must_flatten(strat)) {
        pair->target_steps = 0;
        arb_pair_enter(strat, pair, ARB_PAIR_CLOSING, ARB_EXIT_FLATTEN);
    }
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        arb_pair_leg_t *leg = &pair->legs[leg_index];
        int64_t target_lots = pair->target_steps * grid->step_lots[leg->venue];
        if (leg->lots == target_lots && !arb_leg_is_busy(leg))
            continue;
        reached = false;
        if (leg->lots != target_lots && !arb_leg_is_busy(leg) && strat->now_mono_ns >= leg->retry_mono_ns)
            arb_pair_reduce(strat, pair, leg_index, target_lots, pair->phase == ARB_PAIR_CLOSING);
    }
    if (!reached)
        return;
    if (pair->phase == ARB_PAIR_TRIMMING)
        arb_pair_balance(strat, pair, ARB_EXIT_LEG_FAILED);
    else
        arb_pair_settle(strat, pair, ARB_EXIT_NONE);
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
            arb_pair_is_settled(strat, *next))
            pair->funding_bps += *rate * 1e4 * (leg_index == ARB_PAIR_SELL ? 1 : -1);
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
    return arb_pair_gross_bps(strat, pair) + close_bps - arb_pair_fees_bps(strat, pair) + pair->funding_bps;
}

static inline arb_exit_reason_t arb_pair_exit_reason(arb_strategy_t *strat, arb_pair_t *pair)
{
    const arb_strategy_config_t *config = &strat->config;
    if (arb_strategy_must_flatten(strat))
        return ARB_EXIT_FLATTEN;
    if (strat->now_mono_ns - pair->opened_mono_ns >= config->max_hold_ns)
        return ARB_EXIT_MAX_HOLD;
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
    if (pair->pair_bps >= config->take_profit_bps)
        return ARB_EXIT_TAKE_PROFIT;
    return pair->pair_bps <= -config->stop_bps ? ARB_EXIT_STOP : ARB_EXIT_NONE;
}

static inline void arb_pair_step_open(arb_strategy_t *strat, arb_pair_t *pair)
{
    const arb_strategy_symbol_t *grid = &strat->wire.symbols[pair->symbol_index];
    const arb_pair_leg_t *buy = &pair->legs[ARB_PAIR_BUY], *sell = &pair->legs[ARB_PAIR_SELL];
    int64_t buy_step = grid->step_lots[buy->venue], sell_step = grid->step_lots[sell->venue];
    bool level = buy->lots > 0 && buy->lots % buy_step == 0 && sell->lots % sell_step == 0 &&
                 buy->lots / buy_step == sell->lots / sell_step;
    if (ARB_UNLIKELY(!level)) {
        arb_pair_balance(strat, pair, ARB_EXIT_LATE_FILL);
        return;
    }
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

/* Flat and its prices known, or waited for long enough: over. */
static inline void arb_pair_step_settling(arb_strategy_t *strat, arb_pair_t *pair)
{
    arb_strategy_counters_t *counters = strat->wire.counters;
    const arb_strategy_config_t *config = &strat->config;
    if (pair->legs[0].lots != 0 || pair->legs[1].lots != 0) {
        arb_pair_unwind(strat, pair, ARB_EXIT_LATE_FILL);
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
        cool_ns = arb_doubled_ns(config->cooldown_ns, ++pair->failure_streak, config->cooldown_ns_max);
    if (!pair->counted)
        arb_count(kind == ARB_PAIR_EVENT_CLOSED    ? &counters->pairs_closed
                  : kind == ARB_PAIR_EVENT_UNWOUND ? &counters->pairs_unwound
                                                   : &counters->pairs_missed, 1);
    pair->counted = true;
    pair->cool_until_mono_ns = strat->now_mono_ns + cool_ns;
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
        case ARB_PAIR_TRIMMING:
        case ARB_PAIR_CLOSING:
        case ARB_PAIR_UNWINDING:
            arb_pair_step_reducing(strat, pair);
            break;
        case ARB_PAIR_SETTLING:
            arb_pair_step_settling(strat, pair);
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
