/* Pair orders: price, journal and push. The only place where an order leaves the strategy.
 *
 * The order of things is fixed: the gate passes it, the journal holds it, the leg remembers it, and
 * only then does its venue's ring get it. Threads: the strategy's. After: design of the two legs,
 * limit-IOC only.
 */
#ifndef ARB_PAIR_ORDERS_H
#define ARB_PAIR_ORDERS_H

#include "pair_size.h"

enum {
    ARB_NEVER_SENT = 0xFFFFFFFF,       /* venue_code of a reject made here: the order ring was
                                        * full */
    ARB_PAIR_LAST = (1 << ARB_PAIR_BITS) - 1,
    ARB_PAIR_KEPT = 1 << 16            /* last pair numbers, kept for long unwindings */
};

/* What a decision rests on; stamps travel with its orders. */
typedef struct arb_signal {
    uint64_t opportunity_id;
    int64_t recv_mono_ns;
    uint32_t detected_ns;
} arb_signal_t;

static inline int64_t arb_strategy_now(const arb_strategy_t *strat)
{
    return strat->wire.clock != NULL ? arb_clock_now(strat->wire.clock) : strat->now_mono_ns;
}

/* A limit in ticks, rounded away from us: a buy up, a sell down; at least one tick. */
static inline int64_t arb_limit_ticks(double px, double px_tick, uint8_t side, double slip_bps)
{
    double limit = side == ARB_SIDE_BUY ? px * (1 + slip_bps * 1e-4) : px * (1 - slip_bps * 1e-4);
    double ticks = limit / px_tick;
    /* a price on the grid must stay where it is, whatever the division left of it */
    double slack = fabs(ticks) * 1e-12 + 1e-9;
    ticks = side == ARB_SIDE_BUY ? ticks - slack : ticks + slack;
    if (!(ticks > 0 && ticks < 9e15))
        return 1;
    int64_t count = side == ARB_SIDE_BUY ? arb_ceil(ticks) : (int64_t)ticks;
    return count > 1 ? count : 1;
}

/* Common quotation notional of lots at a venue price, micro-dollars. */
static inline int64_t arb_notional_micro(const arb_market_store_t *store, uint32_t row, double px,
                                         int64_t lots)
{
    double base = (double)lots * arb_row_lot_base(store, row);
    return arb_risk_micro(px * arb_store_px_mult(store)[row], base);
}

/* What a leg was entered at, or was to be. */
static inline double arb_leg_entry_px(const arb_pair_leg_t *leg)
{
    return leg->entry_lots > 0 ? leg->entry_value / leg->entry_lots : leg->orders[0].limit_px;
}

/* Tell the gate what stands of a symbol without its other leg, at the dearer of both entries. */
static inline void arb_pair_note_one_sided(arb_strategy_t *strat, uint32_t symbol_index)
{
    const arb_market_store_t *store = strat->wire.store;
    double net_base = 0, held_base = 0, dearest = 0;
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        const arb_pair_leg_t *leg = &strat->pairs[symbol_index].legs[leg_index];
        double base = (double)leg->lots * arb_row_lot_base(store, leg->row);
        double px = arb_leg_entry_px(leg) * arb_store_px_mult(store)[leg->row];
        net_base += leg->entry_side == ARB_SIDE_BUY ? base : -base;
        held_base += fabs(base);
        if (base != 0 && px > dearest)
            dearest = px;
    }
    /* lots of two grids never meet to the last bit; a lot is more than a billionth of what is
     * held */
    bool level = fabs(net_base) <= held_base * 1e-9;
    arb_risk_set_one_sided(strat->wire.risk, symbol_index,
                           level ? 0 : arb_risk_micro(dearest, net_base));
}

/* Bring the gate's picture of a row up to what the leg holds and may still fill. */
static inline void arb_leg_expose(arb_strategy_t *strat, const arb_pair_leg_t *leg)
{
    int64_t lots = (leg->lots < 0 ? -leg->lots : leg->lots) + arb_leg_open_entry_lots(leg);
    double px = arb_leg_entry_px(leg);
    int64_t micro = lots == 0 ? 0 : arb_notional_micro(strat->wire.store, leg->row, px, lots);
    uint32_t symbol_index = leg->row % strat->config.symbol_capacity;
    arb_risk_set_exposure(strat->wire.risk, leg->row, leg->venue, symbol_index, micro);
    arb_pair_note_one_sided(strat, symbol_index);
}

/* Client id of a leg's next order. Rolls into a new pair number when the 256 attempts are used
 * up. */
static inline uint64_t arb_pair_next_id(arb_strategy_t *strat, arb_pair_t *pair, uint32_t leg_index,
                                        uint32_t id_leg)
{
    arb_pair_leg_t *leg = &pair->legs[leg_index];
    /* above 0: completing orders */
    if (id_leg == ARB_LEG_ENTRY_BUY || id_leg == ARB_LEG_ENTRY_SELL)
        return arb_client_id(strat->config.run, pair->id_numbers[leg_index], id_leg,
                             pair->complete_count);
    uint8_t attempt = leg->exit_attempt++;
    uint64_t id = arb_client_id(strat->config.run, pair->id_numbers[leg_index], id_leg, attempt);
    if (leg->exit_attempt == 0) /* wrapped: 255 was the last */
        pair->id_numbers[leg_index] = strat->next_pair++;
    return id;
}

/* Journal and push one order that the gate has passed. false: it did not leave, and never will. */
static inline bool arb_pair_send(arb_strategy_t *strat, arb_pair_t *pair, uint32_t leg_index,
                                 arb_order_t *order, const arb_signal_t *signal)
{
    arb_pair_leg_t *leg = &pair->legs[leg_index];
    const arb_strategy_wiring_t *wire = &strat->wire;
    arb_strategy_counters_t *counters = wire->counters;
    int64_t now = arb_strategy_now(strat);
    order->recv_mono_ns = signal->recv_mono_ns;
    order->detected_ns = signal->detected_ns;
    order->decided_ns = arb_delta_ns(signal->recv_mono_ns, now);
    order->opportunity_id = signal->opportunity_id;
    order->row = (uint16_t)leg->row;
    order->venue = leg->venue;
    order->action = ARB_ORDER_NEW_IOC;
    order->symbol_index = pair->symbol_index;
    if (!arb_journal_append(wire->journal, ARB_JOURNAL_INTENT, order, sizeof *order, now)) {
        arb_count(&counters->orders_unjournaled, 1);
        return false;
    }
    double limit_px = (double)order->px_ticks * arb_store_px_tick(wire->store)[leg->row];
    arb_sent_order_t *sent = arb_leg_add_order(leg, order, limit_px);
    if (ARB_UNLIKELY(!arb_spsc_try_push(wire->orders[leg->venue], order))) {
        arb_exec_t never = {.client_id = order->client_id, .recv_mono_ns = now, .px = NAN,
                            .venue_code = ARB_NEVER_SENT, .row = order->row, .venue = order->venue,
                            .kind = ARB_EXEC_REJECT, .side = order->side};
        arb_journal_append(wire->journal, ARB_JOURNAL_EXEC, &never, sizeof never, now);
        sent->state = ARB_SENT_DONE;
        sent->rejected = sent->final_known = true;
        arb_count(&counters->orders_dropped, 1);
        return false;
    }
    arb_risk_take(wire->risk);
    arb_reserve_order(wire->store, pair, order, now);
    arb_leg_expose(strat, leg);
    arb_count(&counters->orders, 1);
    pair->order_count++;
    strat->venues_pushed |= 1u << leg->venue;
    if (signal->opportunity_id != 0) {
        arb_histogram_note(&strat->notes, wire->decided, order->decided_ns);
        arb_histogram_note(&strat->notes, wire->to_order,
                           (int64_t)order->decided_ns - order->detected_ns);
    }
    return true;
}

/* The price an exit starts from: the live touch; without one, the last seen; without that, the
 * entry's. */
static inline double arb_exit_reference_px(const arb_strategy_t *strat, arb_pair_leg_t *leg,
                                           uint8_t side, double *slip_bps)
{
    arb_top_view_t top;
    arb_top_read(strat->wire.store, leg->row, &top);
    if (top.state == ARB_ROW_LIVE && top.bid_px > 0)
        leg->last_bid = top.bid_px;
    if (top.state == ARB_ROW_LIVE && top.ask_px > 0)
        leg->last_ask = top.ask_px;
    double px = side == ARB_SIDE_BUY ? top.ask_px : top.bid_px;
    if (top.state == ARB_ROW_LIVE && px > 0)
        return px;
    *slip_bps += strat->config.stale_slip_bps;
    px = side == ARB_SIDE_BUY ? leg->last_ask : leg->last_bid;
    return px > 0 ? px : leg->orders[0].limit_px;
}

/* One reduce-only order for what a leg holds beyond target_lots. false: it did not leave this
 * time. */
static inline bool arb_pair_reduce(arb_strategy_t *strat, arb_pair_t *pair, uint32_t leg_index,
                                   int64_t target_lots, bool on_purpose)
{
    const arb_strategy_config_t *config = &strat->config;
    const arb_market_store_t *store = strat->wire.store;
    arb_pair_leg_t *leg = &pair->legs[leg_index];
    int64_t excess = leg->lots - target_lots;
    uint8_t side = leg->entry_side;
    if (excess > 0)
        side = side == ARB_SIDE_BUY ? ARB_SIDE_SELL : ARB_SIDE_BUY;
    else /* flipped, which reduce-only should rule out: this side's ids are the other leg's */
        pair->id_numbers[leg_index] = strat->next_pair++;
    int64_t lots = excess > 0 ? excess : -excess;
    int64_t max_lots = arb_store_max_lots(store)[leg->row];
    if (max_lots > 0 && lots > max_lots)
        lots = max_lots;
    double slip = config->exit_slip_bps + config->exit_widen_bps * (double)leg->try_count;
    if (slip > config->exit_slip_bps_max || pair->phase == ARB_PAIR_BROKEN)
        slip = config->exit_slip_bps_max;
    double px = arb_exit_reference_px(strat, leg, side, &slip);
    double px_tick = arb_store_px_tick(store)[leg->row];
    arb_order_t order = {.px_ticks = arb_limit_ticks(px, px_tick, side, slip), .qty_lots = lots,
                         .side = side, .flags = ARB_ORDER_REDUCE_ONLY};
    arb_risk_order_t check = {.row = leg->row, .symbol_index = pair->symbol_index,
                              .venue = leg->venue, .reduce_only = true};
    double limit_px = (double)order.px_ticks * px_tick;
    check.notional_micro = arb_notional_micro(store, leg->row, limit_px, lots);
    check.limit_pico = arb_risk_pico(limit_px * arb_store_px_mult(store)[leg->row]);
    check.side = side;
    for (uint32_t index = 0; index < 2; index++) {
        uint32_t row = pair->legs[index == 0 ? leg_index : 1 - leg_index].row;
        arb_top_view_t top;
        if (row % store->symbol_capacity != pair->symbol_index)
            continue; /* a leg that never was */
        arb_top_read(store, row, &top);
        if (top.state == ARB_ROW_LIVE)
            check.mid_pico[index] = arb_top_mid_pico(store, row, &top);
    }
    leg->retry_mono_ns = strat->now_mono_ns + config->retry_ns;
    arb_risk_reason_t reason = arb_risk_check(strat->wire.risk, &check, 0, 1, strat->now_mono_ns);
    if (reason != ARB_RISK_OK) {
        arb_count(&strat->wire.counters->risk_reasons[reason], 1);
        return false;
    }
    uint32_t id_leg = on_purpose ? ARB_LEG_EXIT_BUY : ARB_LEG_UNWIND_BUY;
    order.client_id = arb_pair_next_id(strat, pair, leg_index, id_leg + (side == ARB_SIDE_SELL));
    arb_signal_t signal = {.recv_mono_ns = strat->now_mono_ns};
    leg->try_count++;
    return arb_pair_send(strat, pair, leg_index, &order, &signal);
}

#endif
