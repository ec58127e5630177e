/* Pair tell: what a pair is worth, and how its changes reach journal and broadcast.
 *
 * The phase changes in arb_pair_enter and nowhere else, along the table in pair_phases.h.
 * Threads: the strategy's.
 */
#ifndef ARB_PAIR_TELL_H
#define ARB_PAIR_TELL_H

#include "pair_orders.h"

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

/* Edge of two venue prices, bought at the first leg's and sold at the second's, bps of the
 * first. */
static inline double arb_pair_edge_bps(const arb_strategy_t *strat, const arb_pair_t *pair,
                                       double buy_px, double sell_px)
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
    double entry =
        buy->entry_lots > 0 && sell->entry_lots > 0 ? arb_pair_gross_bps(strat, pair) : NAN;
    return entry + (out_px - back_px) / back_px * 1e4 - arb_pair_fees_bps(strat, pair) +
           pair->funding_bps;
}

/* ---- money ----------------------------------------------------------------------------------- */

/* What one leg's trades brought so far, micro-dollars: sold less bought, less fees. Exact in ticks
 * and lots until here; fees as stated, else at the row's rate. */
static inline int64_t arb_leg_result_micro(const arb_strategy_t *strat, const arb_pair_leg_t *leg)
{
    const arb_market_store_t *store = strat->wire.store;
    double lot_usd = arb_store_px_mult(store)[leg->row] * arb_row_lot_base(store, leg->row);
    double traded = leg->entry_value + leg->exit_value;
    double fee_bps_value =
        leg->fee_value + (traded - leg->fee_lots_value) * arb_store_taker_bps(store)[leg->row];
    double usd =
        (double)leg->cash_tick_lots * leg->px_tick * lot_usd - fee_bps_value * 1e-4 * lot_usd;
    double micro = usd * ARB_RISK_MICRO;
    return fabs(micro) < 9e17 ? (int64_t)llround(micro) : 0; /* no price of a venue makes that */
}

/* What a flat pair brought, micro-dollars: entries, exits, fees and the funding settled
 * meanwhile. */
static inline int64_t arb_pair_result_micro(const arb_strategy_t *strat, const arb_pair_t *pair)
{
    const arb_pair_leg_t *buy = &pair->legs[ARB_PAIR_BUY];
    double entered_usd = buy->entry_value * arb_store_px_mult(strat->wire.store)[buy->row] *
                         arb_row_lot_base(strat->wire.store, buy->row);
    double funding_micro = pair->funding_bps * 1e-4 * entered_usd * ARB_RISK_MICRO;
    return arb_leg_result_micro(strat, &pair->legs[0]) +
           arb_leg_result_micro(strat, &pair->legs[1]) +
           (fabs(funding_micro) < 9e17 ? (int64_t)llround(funding_micro) : 0);
}

/* Tell the gate what the pair brought; of a pair that ended before, what has changed since. */
static inline void arb_pair_note_result(arb_strategy_t *strat, arb_pair_t *pair)
{
    int64_t micro = arb_pair_result_micro(strat, pair);
    /* relaxed: our own journal's word, written before the threads */
    int64_t offset_ns = arb_load_relaxed(&strat->wire.journal->wall_offset_ns);
    if (micro != pair->noted_micro)
        arb_risk_note_result(strat->wire.risk, micro - pair->noted_micro,
                             strat->now_mono_ns + offset_ns);
    pair->noted_micro = micro;
}

/* ---- telling the others ---------------------------------------------------------------------- */

static inline void arb_pair_publish(arb_strategy_t *strat, const arb_pair_t *pair,
                                    arb_pair_event_kind_t kind)
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
        .order_count = (uint16_t)(pair->order_count < UINT16_MAX ? pair->order_count : UINT16_MAX),
        .kind = pair->kind,
        .tag = pair->tag,
        .buy_row = (uint16_t)buy->row,
        .sell_row = (uint16_t)sell->row,
        .symbol_index = pair->symbol_index,
        .event = (uint8_t)kind,
        .reason = pair->reason,
        .run = strat->config.run,
    };
    arb_broadcast_publish(strat->wire.pair_events, &event);
}

/* ---- to users' strategies -------------------------------------------------------------------- */

static inline void arb_pair_tell_fill(arb_strategy_t *strat, const arb_pair_t *pair,
                                      const arb_exec_t *exec)
{
    if (strat->wire.notices == NULL)
        return;
    arb_notice_t notice = {
        .client_id = exec->client_id,
        .opportunity_id = pair->opportunity_id,
        .mono_ns = exec->recv_mono_ns,
        .px = exec->px,
        .base_qty = (double)exec->last_qty_lots * arb_row_lot_base(strat->wire.store, exec->row),
        .rate = NAN,
        .lots = exec->last_qty_lots,
        .fee_bps = exec->fee_bps,
        .run = strat->config.run,
        .pair = pair->number,
        .row = exec->row,
        .symbol_index = pair->symbol_index,
        .notice = ARB_NOTICE_FILL,
        .side = exec->side,
        .kind = pair->kind,
        .tag = pair->tag,
    };
    arb_broadcast_publish(strat->wire.notices, &notice);
}

static inline void arb_pair_tell_funding(arb_strategy_t *strat, const arb_pair_t *pair,
                                         uint32_t leg_index, double rate, double bps)
{
    const arb_pair_leg_t *leg = &pair->legs[leg_index];
    if (strat->wire.notices == NULL)
        return;
    arb_notice_t notice = {
        .opportunity_id = pair->opportunity_id,
        .mono_ns = strat->now_mono_ns,
        .px = NAN,
        .base_qty = (double)leg->lots * arb_row_lot_base(strat->wire.store, leg->row),
        .rate = rate,
        .funding_bps = bps,
        .pair_funding_bps = pair->funding_bps,
        .run = strat->config.run,
        .pair = pair->number,
        .row = (uint16_t)leg->row,
        .symbol_index = pair->symbol_index,
        .notice = ARB_NOTICE_FUNDING,
        .kind = pair->kind,
        .tag = pair->tag,
    };
    arb_broadcast_publish(strat->wire.notices, &notice);
}

/* ---- phases ---------------------------------------------------------------------------------- */

/* Change the phase and journal it. A move that the table does not know is not made, and counted. */
static inline void arb_pair_enter(arb_strategy_t *strat, arb_pair_t *pair, arb_pair_phase_t phase,
                                  arb_exit_reason_t reason)
{
    if (ARB_UNLIKELY(!arb_pair_may(pair->phase, (uint8_t)phase))) {
        arb_count(&strat->wire.counters->illegal_moves, 1);
        return;
    }
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
                                .reason = pair->reason,
                                .kind = pair->kind,
                                .tag = pair->tag};
    arb_journal_append(strat->wire.journal, ARB_JOURNAL_PAIR, &entry, sizeof entry,
                       strat->now_mono_ns);
}

#endif
