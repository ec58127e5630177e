/* Backtest money: what fills and settlements make of positions, pairs and equity.
 *
 *   realised    proceeds less the average cost of what was closed
 *   unrealised  what is open at the touch it could leave at, less its cost
 *   gross       of a pair: what its fills would have brought at the touch each order was decided on
 *   slippage    of a pair: what the fills' own prices made of it
 *
 * Threads: one. The same sums in exact decimals: tests/model/backtest_oracle.py.
 */
#ifndef ARB_BACKTEST_MONEY_H
#define ARB_BACKTEST_MONEY_H

#include "backtest_world.h"

#define ARB_BT_NEAR_NS INT64_C(60000000000) /* so near its time a settlement is not moved */

/* ---- marks ----------------------------------------------------------------------------------- */

/* A row's touch as the trader knows it, or as he knew it last. */
static inline void arb_bt_marks(const arb_backtest_t *bt, uint32_t row, double *bid, double *ask)
{
    const arb_bt_account_t *account = &bt->accounts[row];
    arb_bt_quote_t top = arb_bt_row_top(&bt->rows[row]);
    *bid = top.bid_px > 0 ? top.bid_px : account->last_bid;
    *ask = top.ask_px > 0 ? top.ask_px : account->last_ask;
}

/* Keep the touch of a row that is about to lose it. */
static inline void arb_bt_keep_marks(arb_backtest_t *bt, uint32_t row)
{
    arb_bt_account_t *account = &bt->accounts[row];
    arb_bt_marks(bt, row, &account->last_bid, &account->last_ask);
}

/* What a position could leave at; its cost where no price was ever known. */
static inline double arb_bt_exit_px(const arb_backtest_t *bt, uint32_t row)
{
    const arb_bt_account_t *account = &bt->accounts[row];
    double bid, ask;
    arb_bt_marks(bt, row, &bid, &ask);
    double px = account->lots > 0 ? bid : ask;
    return px > 0 ? px : account->cost / (double)account->lots;
}

static inline double arb_bt_unrealised_usd(const arb_backtest_t *bt, uint32_t row)
{
    const arb_bt_account_t *account = &bt->accounts[row];
    double worth = arb_bt_exit_px(bt, row) * (double)account->lots;
    return (worth - account->cost) * account->lot_usd;
}

/* ---- positions ------------------------------------------------------------------------------- */

static inline void arb_bt_note_held(arb_backtest_t *bt, uint32_t row, int64_t before)
{
    arb_bt_account_t *account = &bt->accounts[row];
    if (before == 0 && account->lots != 0) {
        account->held_place = bt->held_count;
        bt->held[bt->held_count++] = row;
    } else if (before != 0 && account->lots == 0) {
        uint32_t last = bt->held[--bt->held_count];
        bt->held[account->held_place] = last;
        bt->accounts[last].held_place = account->held_place;
    }
}

/* Trade lots, signed, at a price; returns what that realised, settlement currency. */
static inline double arb_bt_trade(arb_backtest_t *bt, uint32_t row, int64_t lots, double px)
{
    arb_bt_account_t *account = &bt->accounts[row];
    int64_t before = account->lots, after = before + lots;
    double realised = 0;
    account->lots = after;
    if (before == 0 || (before > 0) == (lots > 0)) {
        account->cost += px * (double)lots;
    } else {
        bool turned = after != 0 && (after > 0) != (before > 0);
        int64_t closed = turned ? -before : lots; /* signed as the trade */
        double part = after == 0 || turned
                          ? account->cost
                          : account->cost * ((double)-closed / (double)before);
        realised = -px * (double)closed - part;
        account->cost = after == 0 ? 0 : turned ? px * (double)after : account->cost - part;
    }
    arb_bt_note_held(bt, row, before);
    return realised * account->lot_usd;
}

/* ---- equity ---------------------------------------------------------------------------------- */

/* Value of what a row holds, common quotation times base units. */
static inline double arb_bt_value_usd(const arb_backtest_t *bt, uint32_t row)
{
    return arb_bt_exit_px(bt, row) * (double)bt->accounts[row].lots * bt->accounts[row].lot_usd;
}

/* What of a row stands without its counterpart, USD at the row's price; counted at the first of
 * both rows. */
static inline double arb_bt_one_sided_usd(const arb_backtest_t *bt, uint32_t row)
{
    uint32_t symbol = row % bt->symbol_capacity;
    double own = (double)bt->accounts[row].lots * arb_row_lot_base(bt->store, row), net = own;
    for (uint32_t venue = 0; venue < ARB_VENUE_COUNT; venue++) {
        uint32_t at = venue * bt->symbol_capacity + symbol;
        if (at == row || bt->accounts[at].lots == 0)
            continue;
        if (at < row)
            return 0;
        net += (double)bt->accounts[at].lots * arb_row_lot_base(bt->store, at);
    }
    double px = arb_bt_exit_px(bt, row) * arb_store_px_mult(bt->store)[row];
    /* lots of two grids never meet to the last bit */
    return fabs(net) <= fabs(own) * 1e-9 ? 0 : fabs(net) * px;
}

static inline void arb_bt_note_equity(arb_backtest_t *bt)
{
    arb_bt_equity_t *row = (arb_bt_equity_t *)arb_bt_append(&bt->tables[ARB_BT_EQUITY]);
    bt->appended = true;
    row->ns = bt->now_ns;
    row->realised_usd = bt->realised_usd;
    row->fees_usd = bt->fees_usd;
    row->funding_usd = bt->funding_usd;
    for (uint32_t place = 0; place < bt->held_count; place++) {
        row->unrealised_usd += arb_bt_unrealised_usd(bt, bt->held[place]);
        row->exposure_usd += fabs(arb_bt_value_usd(bt, bt->held[place]));
        row->one_sided_usd += arb_bt_one_sided_usd(bt, bt->held[place]);
    }
    row->equity_usd =
        row->realised_usd + row->unrealised_usd + row->fees_usd + row->funding_usd;
    row->open_pairs = arb_strategy_live_pairs(bt->strategy);
}

/* ---- fills ----------------------------------------------------------------------------------- */

static inline arb_bt_pair_t *arb_bt_pair_at(const arb_backtest_t *bt, uint64_t pair_row)
{
    return pair_row == UINT64_MAX ? NULL
                                  : (arb_bt_pair_t *)arb_bt_at(&bt->tables[ARB_BT_PAIRS], pair_row);
}

/* An order's next fill: lots at a price of its venue. */
static inline void arb_bt_note_fill(arb_backtest_t *bt, arb_bt_under_way_t *way, int64_t lots,
                                    double px)
{
    arb_bt_order_t *order =
        (arb_bt_order_t *)arb_bt_at(&bt->tables[ARB_BT_ORDERS], way->order_row);
    arb_bt_table_t *fills = &bt->tables[ARB_BT_FILLS];
    uint32_t row = way->sent.row;
    double lot = arb_store_qty_lot(bt->store)[row], lot_usd = bt->accounts[row].lot_usd;
    double value_usd = px * (double)lots * lot_usd;
    double fee_usd = -value_usd * arb_store_taker_bps(bt->store)[row] * 1e-4;
    if (way->fill_count++ == 0)
        way->fill_first = fills->count;
    *(arb_bt_fill_t *)arb_bt_append(fills) = (arb_bt_fill_t){
        .exch_ns = bt->now_ns, .client_id = order->client_id, .px = px,
        .qty = (double)lots * lot, .base_qty = (double)lots * arb_row_lot_base(bt->store, row),
        .fee_usd = fee_usd, .pair = order->pair, .symbol = order->symbol, .venue = order->venue,
        .side = order->side, .leg = order->leg};
    bt->appended = true;
    double realised_usd = arb_bt_trade(bt, row, order->side * lots, px);
    bt->realised_usd += realised_usd;
    bt->fees_usd += fee_usd;
    bt->venue_usd[order->venue] += realised_usd + fee_usd;
    bt->accounts[row].pair_row = way->pair_row;
    order->avg_px = (way->filled_lots == 0 ? 0 : order->avg_px * (double)way->filled_lots) +
                    px * (double)lots;
    way->filled_lots += lots;
    order->avg_px /= (double)way->filled_lots;
    order->filled_qty = (double)way->filled_lots * lot;
    order->fee_usd += fee_usd;
    arb_bt_pair_t *pair = arb_bt_pair_at(bt, way->pair_row);
    if (pair == NULL)
        return;
    double touch = order->touch_px > 0 ? order->touch_px : px;
    pair->gross_usd -= order->side * touch * (double)lots * lot_usd;
    pair->slippage_usd -= order->side * (px - touch) * (double)lots * lot_usd;
    pair->fees_usd += fee_usd;
}

/* ---- funding --------------------------------------------------------------------------------- */

static inline void arb_bt_plan_settlement(arb_backtest_t *bt, uint32_t row, int64_t at_ns,
                                          double rate)
{
    arb_bt_account_t *account = &bt->accounts[row];
    account->settle_rate = rate;
    if (account->settle_ns == at_ns)
        return;
    account->settle_ns = at_ns;
    if (at_ns != 0)
        arb_bt_plan(bt, at_ns, ARB_BT_SETTLE, row);
}

/* The next settlement after now: as told, or an interval after the last; 0: not known. */
static inline int64_t arb_bt_next_settlement(const arb_backtest_t *bt, uint32_t row)
{
    const arb_bt_account_t *account = &bt->accounts[row];
    int64_t next_ns = account->told_next_ns;
    if (next_ns > bt->now_ns || next_ns <= 0)
        return next_ns > 0 ? next_ns : 0;
    if (account->interval_ns <= 0)
        return 0;
    return next_ns + ((bt->now_ns - next_ns) / account->interval_ns + 1) * account->interval_ns;
}

/* A FUNDING record was received. A settlement that is under way is not moved any more: the record
 * of the next one may come before it. */
static inline void arb_bt_take_funding(arb_backtest_t *bt, uint32_t row, const arb_market_t *record)
{
    arb_bt_account_t *account = &bt->accounts[row];
    account->told_next_ns = record->number;
    account->told_rate = record->bid_px;
    if (record->bid_qty > 0 && record->bid_qty < 1e4)
        account->interval_ns = (int64_t)(record->bid_qty * 3.6e12);
    int64_t next_ns = arb_bt_next_settlement(bt, row);
    bool near = account->settle_ns != 0 && next_ns != account->settle_ns &&
                bt->now_ns >= account->settle_ns - ARB_BT_NEAR_NS;
    if (!near)
        arb_bt_plan_settlement(bt, row, next_ns, record->bid_px);
}

/* A settlement's time has come: a long pays a positive rate, a short receives it. */
static inline void arb_bt_settle(arb_backtest_t *bt, uint32_t row, int64_t at_ns)
{
    arb_bt_account_t *account = &bt->accounts[row];
    if (at_ns != account->settle_ns)
        return; /* it was moved */
    double bid, ask, rate = account->settle_rate;
    arb_bt_marks(bt, row, &bid, &ask);
    double mid = bid > 0 && ask > 0 ? (bid + ask) / 2 : arb_bt_exit_px(bt, row);
    if (account->lots != 0 && rate == rate && mid == mid) {
        arb_bt_pair_t *pair = arb_bt_pair_at(bt, account->pair_row);
        double received_usd = -rate * mid * (double)account->lots * account->lot_usd;
        *(arb_bt_funding_t *)arb_bt_append(&bt->tables[ARB_BT_FUNDING]) = (arb_bt_funding_t){
            .ns = at_ns, .rate = rate, .paid_usd = received_usd,
            .pair = pair != NULL ? pair->pair : 0,
            .symbol = (uint16_t)(row % bt->symbol_capacity),
            .venue = (uint8_t)(row / bt->symbol_capacity)};
        bt->funding_usd += received_usd;
        bt->venue_usd[row / bt->symbol_capacity] += received_usd;
        if (pair != NULL)
            pair->funding_usd += received_usd;
        bt->counts.settlements++;
        arb_bt_note_equity(bt);
    }
    account->settle_ns = 0;
    arb_bt_plan_settlement(bt, row, arb_bt_next_settlement(bt, row), account->told_rate);
}

#endif
