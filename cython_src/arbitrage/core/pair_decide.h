/* Pair decide: legs ended uneven; complete the smaller one or unwind the larger one, by cost.
 *
 * Both ways are valued at the books of now, walked as deep as they need, for the same base units x
 * that one leg holds and the other lacks, and both carry the fees of all that follows. What the
 * larger leg paid to get in is spent either way and counts in neither.
 *
 *   complete   edge between the larger leg's entry and the price to get the rest at      - 3 taker
 *              fees (get the rest in, both out again), less the standing basis where it is known
 *   unwind     what the larger leg brings at its own book against its entry              - 1 taker
 *              fee
 *
 * Completing is asked for at all only while there is time (half the naked bound), tries are left,
 * both books are LIVE and fresh, nobody wants to flatten, the venue did not refuse the leg, and
 * what the larger leg holds beyond the grid can be sold; and it has to pass the whole risk gate
 * like any entry. Everything else unwinds, which is always possible.
 *
 * Threads: the strategy's.
 */
#ifndef ARB_PAIR_DECIDE_H
#define ARB_PAIR_DECIDE_H

#include "pair_tell.h"

/* A completing order: what it would be, and whether it is the better way. */
typedef struct arb_completion {
    uint32_t small;       /* leg that lacks something; the other one is the larger */
    int64_t lots;         /* it lacks; 0: there is nothing to complete */
    double px;            /* worst price that so much needs, venue quotation */
    double complete_bps;  /* what completing is expected to bring */
    double unwind_bps;    /* what unwinding is */
    arb_top_view_t top;   /* of the smaller leg's row */
} arb_completion_t;

/* Average and worst price of so many base units on one side of a row, less what is reserved there;
 * false: so much is not there. */
static inline bool arb_pair_price(const arb_strategy_t *strat, const arb_pair_t *pair,
                                  const arb_pair_leg_t *leg, const arb_top_view_t *top,
                                  uint8_t side, double base, double *average_px, double *worst_px)
{
    const arb_market_store_t *store = strat->wire.store;
    arb_walk_side_t levels;
    bool buys = side == ARB_SIDE_BUY;
    double left = base, cost = 0;
    arb_walk_touch(&levels, store, leg->row, buys ? top->ask_px : top->bid_px,
                   buys ? top->ask_qty : top->bid_qty);
    arb_strategy_deepen(strat, &levels, leg->row, buys ? ARB_DEPTH_ASK : ARB_DEPTH_BID);
    arb_walk_reserve(&levels, arb_reserved_qty(pair, leg->venue, side, top->recv_mono_ns) *
                                  arb_store_qty_mult(store)[leg->row]);
    *worst_px = levels.venue_px[0];
    for (uint32_t index = 0; index < levels.count && left > 0; index++) {
        double taken = levels.base[index] < left ? levels.base[index] : left;
        if (!(taken >= 0)) /* NaN: how much there is, is not known */
            break;
        if (taken > base * 1e-9) /* else a level we have emptied, or what rounding left over */
            *worst_px = levels.venue_px[index];
        cost += taken * levels.venue_px[index];
        left -= taken;
    }
    left = left > base * 1e-9 ? left : 0;
    *average_px = (cost + left * *worst_px) / base;
    return left == 0;
}

/* Find what one leg lacks of what the other holds, and value both ways. false: nothing to
 * complete. */
static inline bool arb_pair_value_ways(const arb_strategy_t *strat, const arb_pair_t *pair,
                                       arb_completion_t *found)
{
    const arb_market_store_t *store = strat->wire.store;
    const arb_strategy_symbol_t *grid = &strat->wire.symbols[pair->symbol_index];
    const double *mult = arb_store_px_mult(store), *taker = arb_store_taker_bps(store);
    int64_t steps[2];
    arb_top_view_t tops[2];
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        const arb_pair_leg_t *leg = &pair->legs[leg_index];
        steps[leg_index] = leg->lots <= 0 ? 0 : leg->lots / grid->step_lots[leg->venue];
        arb_top_read(store, leg->row, &tops[leg_index]);
    }
    uint32_t small = steps[ARB_PAIR_BUY] < steps[ARB_PAIR_SELL] ? ARB_PAIR_BUY : ARB_PAIR_SELL;
    const arb_pair_leg_t *lacks = &pair->legs[small], *large = &pair->legs[1 - small];
    found->small = small;
    found->top = tops[small];
    found->lots =
        steps[1 - small] * grid->step_lots[lacks->venue] - (lacks->lots > 0 ? lacks->lots : 0);
    int64_t crumbs = large->lots - steps[1 - small] * grid->step_lots[large->venue];
    bool sellable = crumbs == 0 || crumbs >= arb_store_min_lots(store)[large->row];
    if (steps[0] == steps[1] || lacks->lots < 0 || !(large->entry_lots > 0) || !sellable)
        return false;
    double base = (double)found->lots * arb_row_lot_base(store, lacks->row), get_px, out_px,
           worst_px;
    bool enough = arb_pair_price(strat, pair, lacks, &tops[small], lacks->entry_side, base, &get_px,
                                 &found->px);
    arb_pair_price(strat, pair, large, &tops[1 - small], lacks->entry_side, base, &out_px,
                   &worst_px);
    double held = large->entry_value / large->entry_lots * mult[large->row];
    /* of selling the small leg, buying the large one */
    double sign = small == ARB_PAIR_BUY ? -1 : 1;
    double both_taker = taker[lacks->row] + taker[large->row];
    found->complete_bps =
        sign * (get_px * mult[lacks->row] - held) / held * 1e4 - both_taker - taker[lacks->row];
    found->unwind_bps = sign * (out_px * mult[large->row] - held) / held * 1e4 - taker[large->row];
    if (strat->config.basis_step_ns != 0 && arb_basis_is_known(&pair->basis))
        found->complete_bps -=
            pair->basis.mean_bps * (pair->legs[0].row < pair->legs[1].row ? 1 : -1);
    bool both_live = tops[0].state == ARB_ROW_LIVE && tops[1].state == ARB_ROW_LIVE;
    /* NaN: no price, not better */
    return enough && both_live && found->complete_bps > found->unwind_bps;
}

/* Whether the venues and the gate would take this order. Counts a refusal of the gate. */
static inline bool arb_pair_gate_completion(arb_strategy_t *strat, const arb_pair_t *pair,
                                            const arb_completion_t *found, const arb_order_t *order)
{
    const arb_market_store_t *store = strat->wire.store;
    const arb_pair_leg_t *leg = &pair->legs[found->small], *large = &pair->legs[1 - found->small];
    const arb_spsc_ring_t *ring = strat->wire.orders[leg->venue];
    arb_risk_t *risk = strat->wire.risk;
    int64_t max_lots = arb_store_max_lots(store)[leg->row];
    double px = (double)order->px_ticks * arb_store_px_tick(store)[leg->row];
    /* relaxed: our own journal's word, written before the threads */
    int64_t wall_ns = strat->now_mono_ns + arb_load_relaxed(&strat->wire.journal->wall_offset_ns);
    double usd = found->px * arb_store_px_mult(store)[leg->row] * (double)order->qty_lots *
                 arb_row_lot_base(store, leg->row);
    if (order->qty_lots < arb_store_min_lots(store)[leg->row] ||
        (max_lots > 0 && order->qty_lots > max_lots) ||
        !(usd >= arb_store_min_notional(store)[leg->row]))
        return false;
    arb_risk_order_t check = {.notional_micro =
                                  arb_notional_micro(store, leg->row, px, order->qty_lots),
                              .book_recv_mono_ns = found->top.recv_mono_ns,
                              .row = leg->row,
                              .symbol_index = pair->symbol_index,
                              .venue = leg->venue,
                              .row_state = (uint8_t)found->top.state,
                              .limit_pico = arb_risk_pico(px * arb_store_px_mult(store)[leg->row]),
                              .side = order->side,
                              .completes = true,
                              .wall_ns = wall_ns};
    arb_risk_order_t other = check;
    arb_top_view_t top;
    arb_top_read(store, large->row, &top);
    check.mid_pico[0] = arb_top_mid_pico(store, leg->row, &found->top);
    check.mid_pico[1] = arb_top_mid_pico(store, large->row, &top);
    check.basis_average_ppm = arb_basis_known_ppm(&pair->basis);
    other.book_recv_mono_ns = top.recv_mono_ns;
    other.venue = large->venue;
    other.row_state = (uint8_t)top.state;
    arb_risk_reason_t reason = arb_risk_check_book(risk, &other, strat->now_mono_ns);
    if (reason == ARB_RISK_OK && (ring == NULL || !arb_spsc_has_room(ring)))
        reason = ARB_RISK_RING_ROOM;
    if (reason == ARB_RISK_OK &&
        arb_journal_room(strat->wire.journal) < strat->config.journal_room_min + 1)
        reason = ARB_RISK_JOURNAL_ROOM;
    if (reason == ARB_RISK_OK)
        reason = arb_risk_check(risk, &check, 0, 1, strat->now_mono_ns);
    if (reason != ARB_RISK_OK)
        arb_count(&strat->wire.counters->risk_reasons[reason], 1);
    return reason == ARB_RISK_OK;
}

/* Send the order that completes the pair, if that is the better way and may be. false: unwind. */
static inline bool arb_pair_complete(arb_strategy_t *strat, arb_pair_t *pair)
{
    const arb_strategy_config_t *config = &strat->config;
    arb_completion_t found;
    if (pair->complete_count >= config->complete_tries_max ||
        !arb_pair_value_ways(strat, pair, &found))
        return false;
    arb_pair_leg_t *leg = &pair->legs[found.small];
    const arb_sent_order_t *last = arb_leg_current(leg);
    if (last != NULL && last->rejected) /* it would refuse it again, and time runs */
        return false;
    arb_order_t order = {.side = leg->entry_side, .qty_lots = found.lots};
    order.px_ticks = arb_limit_ticks(found.px, arb_store_px_tick(strat->wire.store)[leg->row],
                                     order.side, config->entry_slip_bps);
    if (!arb_pair_gate_completion(strat, pair, &found, &order))
        return false;
    pair->complete_count++;
    uint32_t id_leg = found.small == ARB_PAIR_BUY ? ARB_LEG_ENTRY_BUY : ARB_LEG_ENTRY_SELL;
    order.client_id = arb_pair_next_id(strat, pair, found.small, id_leg);
    arb_signal_t signal = {.recv_mono_ns = strat->now_mono_ns};
    return arb_pair_send(strat, pair, found.small, &order, &signal);
}

#endif
