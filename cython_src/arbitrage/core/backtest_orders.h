/* Backtest orders: the ways of orders and answers, and what strategy and detector tell.
 *
 *   order ring --> order's way --> venue: arb_bt_arrive --> answer's way --> executions ring
 *
 * A gateway says of an order what it says live: sent, accepted, each fill, its end; or refused; and
 * that it does not know, when the answer takes longer than order_timeout_ns. Threads: one.
 */
#ifndef ARB_BACKTEST_ORDERS_H
#define ARB_BACKTEST_ORDERS_H

#include "backtest_venue.h"

/* ---- orders ---------------------------------------------------------------------------------- */

static inline void arb_bt_tell(arb_backtest_t *bt, const arb_bt_under_way_t *way, uint8_t kind,
                               int64_t last_lots, int64_t cum_lots, double px)
{
    arb_exec_t exec = {.client_id = way->sent.client_id, .recv_mono_ns = bt->now_ns, .px = px,
                       .last_qty_lots = last_lots, .cum_qty_lots = cum_lots,
                       .venue_code = kind == ARB_EXEC_REJECT ? way->code : 0,
                       .row = way->sent.row, .venue = way->sent.venue, .kind = kind,
                       .side = way->sent.side};
    if (kind == ARB_EXEC_FILL)
        exec.fee_bps = (float)arb_store_taker_bps(bt->store)[way->sent.row];
    arb_mpsc_try_push(bt->executions, &exec);
}

/* The pair an order belongs to: of its number, else the symbol's newest. */
static inline uint64_t arb_bt_pair_row_of(const arb_backtest_t *bt, const arb_order_t *order)
{
    uint64_t newest = bt->pair_rows[order->symbol_index];
    uint32_t number = arb_client_id_pair(order->client_id);
    for (uint64_t row = newest, tries = 0; row != UINT64_MAX && tries < 64; row--, tries++) {
        const arb_bt_pair_t *pair = arb_bt_pair_at(bt, row);
        if (pair->pair == number && pair->symbol == order->symbol_index)
            return row;
    }
    return newest;
}

static inline void arb_bt_note_order(arb_backtest_t *bt, arb_bt_under_way_t *way)
{
    const arb_order_t *sent = &way->sent;
    const arb_market_store_t *store = bt->store;
    arb_bt_table_t *orders = &bt->tables[ARB_BT_ORDERS];
    bool buys = sent->side == ARB_SIDE_BUY;
    way->pair_row = arb_bt_pair_row_of(bt, sent);
    way->order_row = orders->count;
    const arb_bt_pair_t *pair = arb_bt_pair_at(bt, way->pair_row);
    *(arb_bt_order_t *)arb_bt_append(orders) = (arb_bt_order_t){
        .sent_ns = bt->now_ns, .client_id = sent->client_id,
        .limit_px = (double)sent->px_ticks * arb_store_px_tick(store)[sent->row],
        .touch_px = (buys ? arb_store_ask_px(store) : arb_store_bid_px(store))[sent->row],
        .avg_px = NAN, .qty = (double)sent->qty_lots * arb_store_qty_lot(store)[sent->row],
        .pair = pair != NULL ? pair->pair : arb_client_id_pair(sent->client_id),
        .symbol = sent->symbol_index, .venue = sent->venue, .side = buys ? 1 : -1,
        .leg = (uint8_t)arb_client_id_leg(sent->client_id),
        .reduce_only = (sent->flags & ARB_ORDER_REDUCE_ONLY) != 0};
    bt->appended = true;
    bt->counts.orders++;
}

/* An order has left the strategy. A connection keeps its order: nothing overtakes. */
static inline void arb_bt_send(arb_backtest_t *bt, const arb_order_t *sent)
{
    uint32_t slot = bt->first_free, venue = sent->venue;
    arb_bt_under_way_t *way = &bt->under_way[slot];
    arb_latency_t *ways = bt->ways[venue];
    bt->first_free = way->next_free;
    *way = (arb_bt_under_way_t){.sent = *sent};
    arb_bt_note_order(bt, way);
    uint64_t drawn = arb_draw_at(bt->seed, ARB_BT_CHANCE_REJECT + venue, bt->counts.orders);
    way->luckless = arb_draw_unit(drawn) < bt->rules[venue].reject_rate;
    int64_t arrival_ns = bt->now_ns + arb_latency_next(&ways[ARB_BT_WAY_ORDER], bt->now_ns);
    if (arrival_ns < bt->last_arrival_ns[venue])
        arrival_ns = bt->last_arrival_ns[venue];
    way->reply_ns = arrival_ns + arb_latency_next(&ways[ARB_BT_WAY_REPLY], arrival_ns);
    if (way->reply_ns < bt->last_reply_ns[venue])
        way->reply_ns = bt->last_reply_ns[venue];
    bt->last_arrival_ns[venue] = arrival_ns;
    bt->last_reply_ns[venue] = way->reply_ns;
    arb_bt_plan(bt, arrival_ns, ARB_BT_ARRIVE, slot);
    if (way->reply_ns > bt->now_ns + bt->order_timeout_ns)
        arb_bt_plan(bt, bt->now_ns + bt->order_timeout_ns, ARB_BT_TIMEOUT, slot);
    arb_bt_tell(bt, way, ARB_EXEC_SENT, 0, -1, NAN);
}

/* The strategy hears what became of an order: accepted, its fills, its end. */
static inline void arb_bt_reply(arb_backtest_t *bt, uint32_t slot)
{
    arb_bt_under_way_t *way = &bt->under_way[slot];
    arb_bt_order_t *order =
        (arb_bt_order_t *)arb_bt_at(&bt->tables[ARB_BT_ORDERS], way->order_row);
    double lot = arb_store_qty_lot(bt->store)[way->sent.row];
    int64_t cum_lots = 0;
    order->answered_ns = bt->now_ns;
    if (way->code != 0) {
        arb_bt_tell(bt, way, ARB_EXEC_REJECT, 0, 0, NAN);
    } else {
        arb_bt_tell(bt, way, ARB_EXEC_ACK, 0, -1, NAN);
        for (uint64_t place = 0; place < way->fill_count; place++) {
            arb_bt_fill_t *fill = (arb_bt_fill_t *)arb_bt_at(&bt->tables[ARB_BT_FILLS],
                                                             way->fill_first + place);
            int64_t lots = (int64_t)llround(fill->qty / lot);
            fill->seen_ns = bt->now_ns;
            cum_lots += lots;
            arb_bt_tell(bt, way, ARB_EXEC_FILL, lots, cum_lots, fill->px);
        }
        arb_bt_tell(bt, way, ARB_EXEC_DONE, 0, cum_lots, NAN);
    }
    way->next_free = bt->first_free;
    bt->first_free = slot;
}

/* ---- what the strategy tells ----------------------------------------------------------------- */

static inline double arb_bt_expected_bps(const arb_backtest_t *bt, const arb_pair_event_t *event)
{
    const arb_bt_hint_t *hint =
        &bt->hints[2 * event->symbol_index + (event->buy_row > event->sell_row)];
    if (event->kind != ARB_KIND_SPREAD || hint->id != event->opportunity_id)
        return NAN;
    return hint->net_bps + (event->gross_bps - hint->gross_bps);
}

static inline void arb_bt_note_pair(arb_backtest_t *bt, const arb_pair_event_t *event)
{
    uint64_t row = bt->pair_rows[event->symbol_index];
    if (event->event == ARB_PAIR_EVENT_OPENING) {
        row = bt->pair_rows[event->symbol_index] = bt->tables[ARB_BT_PAIRS].count;
        *(arb_bt_pair_t *)arb_bt_append(&bt->tables[ARB_BT_PAIRS]) = (arb_bt_pair_t){
            .opening_ns = event->mono_ns, .expected_net_bps = arb_bt_expected_bps(bt, event),
            .pair = event->pair, .symbol = event->symbol_index,
            .buy_venue = (uint8_t)(event->buy_row / bt->symbol_capacity),
            .sell_venue = (uint8_t)(event->sell_row / bt->symbol_capacity), .kind = event->kind};
        bt->appended = true;
    }
    arb_bt_pair_t *pair = arb_bt_pair_at(bt, row);
    if (pair == NULL || pair->pair != event->pair)
        return;
    bool over = event->event == ARB_PAIR_EVENT_CLOSED || event->event == ARB_PAIR_EVENT_UNWOUND ||
                event->event == ARB_PAIR_EVENT_MISSED;
    pair->opened_ns = event->opened_mono_ns;
    pair->closed_ns = over ? event->mono_ns : 0; /* a late fill takes it up again */
    pair->base_qty = event->base_qty > pair->base_qty ? event->base_qty : pair->base_qty;
    pair->naked_ns = bt->strategy->pairs[event->symbol_index].naked_ns_max;
    pair->end = event->event;
    pair->reason = event->reason;
}

static inline void arb_bt_hear_strategy(arb_backtest_t *bt)
{
    arb_pair_event_t event;
    while (arb_broadcast_try_read(bt->pair_events, &bt->pair_reader, &event))
        arb_bt_note_pair(bt, &event);
}

/* The detector's events; true: there were some. */
static inline bool arb_bt_hear_detector(arb_backtest_t *bt)
{
    arb_opportunity_t event;
    if (ARB_LIKELY(bt->opportunities->published == bt->opportunity_reader.cursor))
        return false;
    while (arb_broadcast_try_read(bt->opportunities, &bt->opportunity_reader, &event)) {
        bt->hints[2 * event.symbol_index + (event.buy_row > event.sell_row)] =
            (arb_bt_hint_t){event.id, event.net_bps, event.gross_bps};
        if (!bt->keeps_opportunities)
            continue;
        *(arb_opportunity_t *)arb_bt_append(&bt->tables[ARB_BT_OPPORTUNITIES]) = event;
        bt->appended = true;
    }
    return true;
}

#endif
