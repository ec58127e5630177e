/* Strategy: entries. Whatever asks for a pair (an opportunity of the detector, two funding rates, a
 * user's strategy) goes through arb_strategy_consider: edge still there, size, gate, two entry
 * orders. What venues answer is taken in by strategy_execs.h; the turn is in strategy_turn.h.
 *
 * What asks is a hint: prices and sizes are read again from the store at the decision. Nothing
 * allocates, waits or calls the system.
 *
 * Threads: one owns the strategy and calls arb_strategy_poll. Limits: one pair to a symbol.
 */
#ifndef ARB_STRATEGY_H
#define ARB_STRATEGY_H

#include "pair_machine.h"

enum { ARB_STRATEGY_BATCH = 64 };

static inline uint64_t arb_strategy_bytes(uint32_t symbol_capacity)
{
    return sizeof(arb_strategy_t) + (uint64_t)symbol_capacity * sizeof(arb_pair_t);
}

/* Prepare a strategy in zeroed memory of arb_strategy_bytes. Before the threads. */
static inline void arb_strategy_init(arb_strategy_t *strat, const arb_strategy_config_t *config,
                                     const arb_strategy_wiring_t *wiring)
{
    strat->config = *config;
    strat->wire = *wiring;
    strat->next_pair = 1;
    arb_broadcast_reader_init(wiring->opportunities, &strat->reader, false);
    for (uint32_t symbol = 0; symbol < config->symbol_capacity; symbol++)
        strat->pairs[symbol].symbol_index = (uint16_t)symbol;
}

/* Pairs that are not over. Any thread of this process; approximate from others. */
static inline uint32_t arb_strategy_live_pairs(const arb_strategy_t *strat)
{
    /* relaxed: a count to look at; pairs with arb_strategy_activate and arb_strategy_step_active */
    return arb_load_relaxed(&strat->active_count);
}

static inline void arb_strategy_activate(arb_strategy_t *strat, arb_pair_t *pair)
{
    if (pair->active)
        return;
    pair->active = true;
    strat->active[strat->active_count] = pair->symbol_index;
    /* relaxed: one writer, readers only look at the count */
    arb_store_relaxed(&strat->active_count, strat->active_count + 1);
}

/* ---- entry ----------------------------------------------------------------------------------- */

/* On which terms a pair may be opened, and whose it is. */
typedef struct arb_entry_terms {
    double min_net_bps;
    double min_gross_bps;
    double max_usd;        /* each leg at most; never more than configured */
    uint8_t kind;          /* arb_pair_kind_t */
    uint8_t tag;
} arb_entry_terms_t;

static inline void arb_pair_reset(arb_strategy_t *strat, arb_pair_t *pair,
                                  const arb_opportunity_t *opp, const arb_entry_terms_t *terms)
{
    uint32_t rows[2] = {opp->buy_row, opp->sell_row};
    const uint32_t failure_streak = pair->failure_streak, breaker_streak = pair->breaker_streak;
    const uint16_t symbol_index = pair->symbol_index;
    const bool active = pair->active;
    arb_leg_clear(&pair->legs[0]);
    arb_leg_clear(&pair->legs[1]);
    /* all between the legs and what outlives the pair, and all behind that */
    memset(pair->id_numbers, 0, offsetof(arb_pair_t, basis) - offsetof(arb_pair_t, id_numbers));
    memset(&pair->failure_streak, 0, sizeof *pair - offsetof(arb_pair_t, failure_streak));
    pair->failure_streak = failure_streak;
    pair->breaker_streak = breaker_streak;
    pair->symbol_index = symbol_index;
    pair->active = active;
    pair->number = strat->next_pair++;
    pair->opportunity_id = opp->id;
    pair->started_mono_ns = strat->now_mono_ns;
    pair->pair_bps = NAN;
    pair->kind = terms->kind;
    pair->tag = terms->tag;
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        pair->id_numbers[leg_index] = pair->number;
        pair->funding_rate[leg_index] = NAN;
        pair->legs[leg_index].row = rows[leg_index];
        pair->legs[leg_index].px_tick = arb_store_px_tick(strat->wire.store)[rows[leg_index]];
        pair->legs[leg_index].venue = (uint8_t)(rows[leg_index] / strat->config.symbol_capacity);
        pair->legs[leg_index].entry_side = leg_index == ARB_PAIR_BUY ? ARB_SIDE_BUY : ARB_SIDE_SELL;
    }
}

static inline arb_risk_reason_t arb_strategy_gate(arb_strategy_t *strat,
                                                  const arb_opportunity_t *opp,
                                                  const uint32_t rows[2],
                                                  const arb_top_view_t tops[2],
                                                  const arb_order_t orders[2])
{
    const arb_market_store_t *store = strat->wire.store;
    arb_risk_order_t checks[2];
    const int64_t mids[2] = {arb_top_mid_pico(store, rows[0], &tops[0]),
                             arb_top_mid_pico(store, rows[1], &tops[1])};
    const arb_basis_t *basis = &strat->pairs[opp->symbol_index].basis;
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        uint32_t row = rows[leg_index], venue = row / store->symbol_capacity;
        double px = (double)orders[leg_index].px_ticks * arb_store_px_tick(store)[row];
        checks[leg_index] = (arb_risk_order_t){
            .notional_micro = arb_notional_micro(store, row, px, orders[leg_index].qty_lots),
            .limit_pico = arb_risk_pico(px * arb_store_px_mult(store)[row]),
            .mid_pico = {mids[leg_index], mids[1 - leg_index]},
            .basis_average_ppm = arb_basis_known_ppm(basis),
            .book_recv_mono_ns = tops[leg_index].recv_mono_ns,
            .signal_mono_ns = opp->recv_mono_ns,
            .row = row,
            .symbol_index = opp->symbol_index,
            .venue = (uint8_t)venue,
            .row_state = (uint8_t)tops[leg_index].state,
            .side = orders[leg_index].side,
            .wall_ns = arb_strategy_wall_ns(strat, strat->now_mono_ns),
        };
        const arb_spsc_ring_t *ring = strat->wire.orders[venue];
        if (ring == NULL || !arb_spsc_has_room(ring))
            return ARB_RISK_RING_ROOM;
    }
    if (arb_journal_room(strat->wire.journal) < strat->config.journal_room_min + 2)
        return ARB_RISK_JOURNAL_ROOM;
    return arb_risk_check_pair(strat->wire.risk, &checks[0], &checks[1], strat->now_mono_ns);
}

/* Both entry orders. false: one of them did not leave. */
static inline bool arb_strategy_open(arb_strategy_t *strat, arb_pair_t *pair,
                                     const arb_opportunity_t *opp, const arb_entry_terms_t *terms,
                                     const arb_top_view_t tops[2], double gross_bps,
                                     arb_order_t orders[2])
{
    arb_signal_t signal = {.opportunity_id = opp->id, .recv_mono_ns = opp->recv_mono_ns,
                           .detected_ns = opp->detected_ns};
    bool sent[2];
    arb_pair_reset(strat, pair, opp, terms);
    pair->gross_bps = gross_bps;
    arb_risk_pair_begin(strat->wire.risk, pair->symbol_index);
    arb_strategy_activate(strat, pair);
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        pair->legs[leg_index].last_bid = tops[leg_index].bid_px;
        pair->legs[leg_index].last_ask = tops[leg_index].ask_px;
        orders[leg_index].client_id =
            arb_pair_next_id(strat, pair, leg_index, ARB_LEG_ENTRY_BUY + leg_index);
        /* the first leg refused: the second must not stand alone */
        sent[leg_index] = (leg_index == 0 || sent[0]) &&
                          arb_pair_send(strat, pair, leg_index, &orders[leg_index], &signal);
    }
    if (sent[0] && sent[1])
        arb_count(&strat->wire.counters->pairs_opening, 1);
    arb_pair_enter(strat, pair, ARB_PAIR_OPENING, ARB_EXIT_NONE);
    arb_pair_publish(strat, pair, ARB_PAIR_EVENT_OPENING);
    return sent[0] && sent[1];
}

static inline arb_verdict_t arb_strategy_refuse(arb_strategy_t *strat, arb_risk_reason_t reason)
{
    arb_count(&strat->wire.counters->risk_reasons[reason], 1);
    strat->refused_by = (uint8_t)reason;
    return ARB_VERDICT_gate;
}

/* A hint about a free symbol: is the edge still there, is it worth an order, may it be sent? */
static ARB_ONE_COPY arb_verdict_t
arb_strategy_consider(arb_strategy_t *strat, arb_pair_t *pair, const arb_opportunity_t *opp,
                      const arb_entry_terms_t *terms)
{
    const arb_market_store_t *store = strat->wire.store;
    const arb_strategy_config_t *config = &strat->config;
    arb_strategy_counters_t *counters = strat->wire.counters;
    const uint32_t rows[2] = {opp->buy_row, opp->sell_row};
    arb_top_view_t tops[2];
    arb_top_read(store, rows[0], &tops[0]);
    arb_top_read(store, rows[1], &tops[1]);
    double ask = tops[ARB_PAIR_BUY].ask_px * arb_store_px_mult(store)[rows[0]];
    double bid = tops[ARB_PAIR_SELL].bid_px * arb_store_px_mult(store)[rows[1]];
    double gross_bps = (bid - ask) / ask * 1e4;
    double net_bps = opp->net_bps + (gross_bps - opp->gross_bps);
    /* written so that NaN, a side without a quote, fails */
    if (!(net_bps >= terms->min_net_bps && gross_bps >= terms->min_gross_bps))
        return gross_bps != gross_bps ? ARB_VERDICT_no_quote : ARB_VERDICT_edge;
    if (terms->kind == ARB_KIND_SPREAD && config->basis_step_ns != 0 &&
        !(arb_basis_is_known(&pair->basis) &&
          arb_basis_excess_bps(&pair->basis, gross_bps, rows[ARB_PAIR_BUY] < rows[ARB_PAIR_SELL]) >=
              config->min_excess_bps))
        return ARB_VERDICT_edge;
    /* what fees less funding cost, as the detector had it, and our own thresholds on top */
    double floor_bps = opp->gross_bps - opp->net_bps - opp->slippage_bps + terms->min_net_bps;
    floor_bps = terms->min_gross_bps > floor_bps ? terms->min_gross_bps : floor_bps;
    strat->wanted_usd =
        terms->max_usd < config->position_usd ? terms->max_usd : config->position_usd;
    arb_pair_plan_t plan = arb_pair_size(strat, opp->symbol_index, rows, tops, floor_bps);
    if (plan.steps <= 0) {
        /* a limit that is used up is told as what it is */
        arb_risk_room_t room = arb_pair_room(strat, rows);
        if ((double)room.micro < strat->wanted_usd * ARB_RISK_MICRO)
            return arb_strategy_refuse(strat, room.reason);
        arb_count(&counters->too_small, 1);
        return ARB_VERDICT_too_small;
    }
    arb_order_t orders[2] = {{0}, {0}};
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        uint8_t side = leg_index == ARB_PAIR_BUY ? ARB_SIDE_BUY : ARB_SIDE_SELL;
        uint32_t venue = rows[leg_index] / store->symbol_capacity;
        orders[leg_index].side = side;
        orders[leg_index].qty_lots =
            plan.steps * strat->wire.symbols[opp->symbol_index].step_lots[venue];
        orders[leg_index].px_ticks =
            arb_limit_ticks(plan.px[leg_index], arb_store_px_tick(store)[rows[leg_index]], side,
                            config->entry_slip_bps);
    }
    arb_risk_reason_t reason = arb_strategy_gate(strat, opp, rows, tops, orders);
    if (reason != ARB_RISK_OK)
        return arb_strategy_refuse(strat, reason);
    return arb_strategy_open(strat, pair, opp, terms, tops, gross_bps, orders)
               ? ARB_VERDICT_accepted
               : ARB_VERDICT_unsent;
}

/* Whether a symbol is free for another pair; ARB_VERDICT_accepted when it is. */
static inline arb_verdict_t arb_strategy_is_free(const arb_strategy_t *strat,
                                                 const arb_pair_t *pair)
{
    if (pair->phase != ARB_PAIR_IDLE)
        return ARB_VERDICT_pair_open;
    if (arb_strategy_must_flatten(strat))
        return ARB_VERDICT_flattening;
    if (strat->next_pair + ARB_PAIR_KEPT > ARB_PAIR_LAST)
        return ARB_VERDICT_unsent;
    return strat->now_mono_ns < pair->cool_until_mono_ns ? ARB_VERDICT_cooling
                                                         : ARB_VERDICT_accepted;
}

/* A hint that no detector made: rows bought and sold at, and what a pair costs beside its quotes'
 * edge. */
static inline arb_opportunity_t arb_strategy_hint(const arb_strategy_t *strat, uint32_t buy_row,
                                                  uint32_t sell_row, double costs_bps,
                                                  int64_t mono_ns)
{
    return (arb_opportunity_t){
        .recv_mono_ns = mono_ns,
        .gross_bps = 0,
        .net_bps = -costs_bps,
        .buy_row = (uint16_t)buy_row,
        .sell_row = (uint16_t)sell_row,
        .symbol_index = (uint16_t)(buy_row % strat->config.symbol_capacity),
        .event = ARB_OPP_OPEN,
    };
}

/* Fees of a round trip through two rows. */
static inline double arb_strategy_round_trip_bps(const arb_strategy_t *strat, uint32_t buy_row,
                                                 uint32_t sell_row)
{
    const double *taker = arb_store_taker_bps(strat->wire.store);
    return 2 * (taker[buy_row] + taker[sell_row]);
}

static inline void arb_strategy_on_opportunity(arb_strategy_t *strat, const arb_opportunity_t *opp)
{
    arb_count(&strat->wire.counters->opportunities, 1);
    if (strat->wire.seen != NULL && strat->wire.clock != NULL)
        arb_histogram_note(&strat->notes, strat->wire.seen,
                           arb_clock_now(strat->wire.clock) - opp->recv_mono_ns);
    uint32_t row_count = strat->wire.store->row_count;
    if (opp->event == ARB_OPP_CLOSE || opp->symbol_index >= strat->config.symbol_capacity ||
        opp->buy_row >= row_count || opp->sell_row >= row_count)
        return;
    arb_pair_t *pair = &strat->pairs[opp->symbol_index];
    if (!strat->config.spread_on || arb_strategy_is_free(strat, pair) != ARB_VERDICT_accepted)
        return;
    const arb_entry_terms_t terms = {.min_net_bps = strat->config.min_net_bps,
                                     .min_gross_bps = strat->config.min_gross_bps,
                                     .max_usd = strat->config.position_usd,
                                     .kind = ARB_KIND_SPREAD};
    arb_count(&strat->wire.counters->considered, 1);
    arb_strategy_consider(strat, pair, opp, &terms);
}

/* ---- the turn -------------------------------------------------------------------------------- */

static inline void arb_strategy_note_controls(arb_strategy_t *strat)
{
    const arb_risk_t *risk = strat->wire.risk;
    /* relaxed: single flags, see risk.h; pairs with the owner's control writes */
    arb_journal_kill_t words = {
        .kill = risk->kill != NULL ? arb_load_relaxed(risk->kill) : 0,
        .opening_off = risk->opening_off != NULL ? arb_load_relaxed(risk->opening_off) : 0,
        .flatten = strat->wire.flatten != NULL ? arb_load_relaxed(strat->wire.flatten) : 0,
    };
    uint64_t seen = (uint64_t)(words.kill != 0) | (uint64_t)(words.opening_off != 0) << 1 |
                    (uint64_t)(words.flatten != 0) << 2;
    if (ARB_LIKELY(seen == strat->control_seen))
        return;
    strat->control_seen = seen;
    arb_journal_append(strat->wire.journal, ARB_JOURNAL_KILL, &words, sizeof words,
                       strat->now_mono_ns);
}

static inline void arb_strategy_step_active(arb_strategy_t *strat)
{
    /* relaxed: a single flag that publishes nothing else; pairs with arb_strategy_release */
    if (ARB_UNLIKELY(arb_load_relaxed(&strat->is_held) != 0))
        return;
    for (uint32_t index = strat->active_count; index-- > 0;) {
        arb_pair_t *pair = &strat->pairs[strat->active[index]];
        arb_pair_step(strat, pair);
        if (pair->phase != ARB_PAIR_IDLE)
            continue;
        pair->active = false;
        strat->active[index] = strat->active[strat->active_count - 1];
        /* relaxed: one writer, readers only look at the count */
        arb_store_relaxed(&strat->active_count, strat->active_count - 1);
    }
}

/* Sample the basis of the next symbol that trades: one a step, so that a turn stays short. */
static inline void arb_strategy_sample_basis(arb_strategy_t *strat)
{
    const arb_strategy_config_t *config = &strat->config;
    const arb_market_store_t *store = strat->wire.store;
    if (config->basis_step_ns == 0 || strat->now_mono_ns < strat->basis_due_mono_ns)
        return;
    strat->basis_due_mono_ns = strat->now_mono_ns + config->basis_step_ns;
    for (uint32_t tries = 0; tries < config->symbol_capacity; tries++) {
        uint32_t symbol = strat->basis_symbol++ % config->symbol_capacity;
        if (!(strat->wire.symbols[symbol].step_base > 0) || store->venue_count < 2)
            continue;
        double mids[2];
        for (uint32_t venue = 0; venue < 2; venue++) {
            uint32_t row = arb_store_row(store, venue, symbol);
            arb_top_view_t top;
            arb_top_read(store, row, &top);
            mids[venue] = top.state != ARB_ROW_LIVE
                              ? NAN
                              : (top.bid_px + top.ask_px) / 2 * arb_store_px_mult(store)[row];
        }
        arb_basis_add(&strat->pairs[symbol].basis, mids[0], mids[1], strat->now_mono_ns,
                      (double)config->basis_time_ns);
        return;
    }
}

#endif
