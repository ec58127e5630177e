/* Backtest venue: the book an order meets when it arrives, and what the venue makes of the order.
 *
 *   book of the venue = what the trader has received + records made by then, still on their way
 *
 * The venue's book is made when an order arrives, from the trader's row and the records on their
 * way, so that no record is applied twice while nobody trades. Every order is limit, immediate or
 * cancel: it takes from the touch on, and behind it from the book where there is one, as far as
 * its limit reaches, and leaves nothing behind. What it takes stays taken until the book states
 * another quantity at that price; the rest of the market is as it was recorded: nobody answers.
 *
 * Where nothing is known of a row's market, nothing fills, and an exit waits: it is refused when
 * the market is there again, and its strategy tries anew.
 *
 * Threads: one.
 */
#ifndef ARB_BACKTEST_VENUE_H
#define ARB_BACKTEST_VENUE_H

#include "backtest_money.h"

/* What a venue refuses by, with its own number: X(name, Bybit's, OKX'). */
#define ARB_BT_REFUSALS(X)                    \
    X(chance, 10016, 50001)                   \
    X(band, 110003, 51006)                    \
    X(grid, 110094, 51020)                    \
    X(reduce_only, 110017, 51169)             \
    X(balance, 110007, 51008)                 \
    X(no_market, 10016, 50001)

/* ---- what is taken --------------------------------------------------------------------------- */

static inline void arb_bt_forget_taken(arb_bt_takens_t *takens, uint32_t place)
{
    takens->items[place] = takens->items[--takens->count];
}

/* Does a QUOTE leave what was taken at a price as it is? */
static inline bool arb_bt_quote_keeps(const arb_bt_taken_t *taken, const arb_market_t *record,
                                      bool has_book)
{
    bool bid = taken->side == ARB_DEPTH_BID;
    double px = bid ? record->bid_px : record->ask_px;
    double qty = bid ? record->bid_qty : record->ask_qty;
    if (px == taken->px)
        return qty == taken->qty;
    /* behind the touch a book goes on; before it there is nothing any more */
    return has_book && arb_level_better(taken->side, px, taken->px);
}

static inline bool arb_bt_level_keeps(arb_bt_taken_t *taken, const arb_market_t *record)
{
    bool bid = taken->side == ARB_DEPTH_BID;
    double px = bid ? record->bid_px : record->ask_px;
    double qty = bid ? record->bid_qty : record->ask_qty;
    if ((record->flags & ARB_MARKET_SNAPSHOT) != 0)
        taken->doubted = true;
    if (px == taken->px) {
        taken->doubted = false;
        return qty == taken->qty;
    }
    return !taken->doubted || (record->flags & ARB_MARKET_LAST) == 0;
}

/* Does the row's other channel know a newer state of this price than the record? */
static inline bool arb_bt_is_late(const arb_bt_row_t *row, const arb_market_t *record, double px)
{
    if (record->number == 0 || record->kind == ARB_MARKET_GAP)
        return false;
    if (record->kind == ARB_MARKET_QUOTE)
        return arb_bt_has_book(row) && record->number < row->book_number;
    return row->quoted && record->number < row->quote_number &&
           (px == row->quote.bid_px || px == row->quote.ask_px);
}

/* Forget what a record of the row, at this place of the stream, has stated anew. */
static inline void arb_bt_refresh(arb_bt_takens_t *takens, const arb_bt_row_t *row,
                                  const arb_market_t *record, uint64_t place)
{
    for (uint32_t index = takens->count; index-- > 0;) {
        arb_bt_taken_t *taken = &takens->items[index];
        if (place <= taken->seen)
            continue;
        bool keeps = record->kind == ARB_MARKET_QUOTE
                         ? arb_bt_quote_keeps(taken, record, arb_bt_has_book(row))
                         : record->kind == ARB_MARKET_LEVEL && arb_bt_level_keeps(taken, record);
        if (!keeps && !arb_bt_is_late(row, record, taken->px))
            arb_bt_forget_taken(takens, index);
    }
}

static inline arb_bt_taken_t *arb_bt_taken_at(const arb_bt_takens_t *takens, uint32_t side,
                                              double px)
{
    for (uint32_t index = 0; index < takens->count; index++)
        if (takens->items[index].px == px && takens->items[index].side == side)
            return &takens->items[index];
    return NULL;
}

/* ---- the book an order meets ----------------------------------------------------------------- */

static inline bool arb_bt_is_of_row(const arb_backtest_t *bt, const arb_market_t *record,
                                    uint32_t row)
{
    if (record->kind == ARB_MARKET_FUNDING)
        return false;
    if (record->symbol == ARB_MARKET_ALL_SYMBOLS)
        return record->venue == row / bt->symbol_capacity;
    return record->symbol < bt->symbol_count && arb_bt_row_of(bt, record) == row;
}

/* A row as its venue has it now; *seen: place in the stream of its newest record. */
static inline const arb_bt_row_t *arb_bt_venue_row(arb_backtest_t *bt, uint32_t row, uint64_t *seen)
{
    const arb_bt_row_t *found = &bt->rows[row];
    *seen = bt->base + bt->next - 1;
    for (uint64_t place = bt->next; place < bt->record_count; place++) {
        const arb_market_t *record = &bt->records[place];
        if (record->recv_ns - bt->lookahead_ns > bt->now_ns)
            break;
        if (!arb_bt_is_of_row(bt, record, row))
            continue;
        if (arb_bt_made_ns(bt, place) > bt->now_ns)
            break;
        if (found != &bt->shadow) {
            arb_bt_row_copy(&bt->shadow, found);
            found = &bt->shadow;
        }
        arb_bt_refresh(&bt->takens[row], found, record, bt->base + place);
        arb_bt_row_take(&bt->shadow, record);
        *seen = bt->base + place;
    }
    return found;
}

/* Is there no market? The row is lost, or was silent for longer than markets are. */
static inline bool arb_bt_is_dark(const arb_backtest_t *bt, const arb_bt_row_t *row, uint32_t venue)
{
    int64_t silence_ns = bt->rules[venue].silence_ns;
    return row->lost || (silence_ns > 0 && bt->now_ns - row->recv_ns > silence_ns);
}

/* ---- matching -------------------------------------------------------------------------------- */

/* What an order walks: the touch, then the levels behind it. */
typedef struct arb_bt_walk {
    const arb_level_t *levels;
    uint32_t level_count;
    uint32_t side;      /* of the book */
    double px_tick, lot;
    int64_t limit_ticks;
    uint64_t seen;
} arb_bt_walk_t;

/* Take from one level; returns lots taken. */
static inline int64_t arb_bt_take_from(arb_backtest_t *bt, const arb_bt_walk_t *walk,
                                       arb_bt_under_way_t *way, double px, double qty,
                                       int64_t wanted)
{
    arb_bt_takens_t *takens = &bt->takens[way->sent.row];
    arb_bt_taken_t *taken = arb_bt_taken_at(takens, walk->side, px);
    /* a quantity on the grid must stay whole, whatever the division left of it */
    int64_t held = qty > 0 && qty < 9e15 * walk->lot ? (int64_t)(qty / walk->lot + 1e-6) : 0;
    int64_t lots = held - (taken != NULL ? taken->lots : 0);
    lots = lots < wanted ? lots : wanted;
    if (lots <= 0)
        return 0;
    if (taken == NULL) {
        if (takens->count == takens->capacity)
            return 0; /* more levels than a book has: they were stated anew long ago */
        taken = &takens->items[takens->count++];
        *taken = (arb_bt_taken_t){.px = px, .side = walk->side};
    }
    taken->qty = qty;
    taken->lots += lots;
    taken->seen = walk->seen;
    taken->doubted = false;
    arb_bt_note_fill(bt, way, lots, px);
    return lots;
}

static inline bool arb_bt_within(const arb_bt_walk_t *walk, double px)
{
    int64_t ticks = (int64_t)llround(px / walk->px_tick);
    return walk->side == ARB_DEPTH_ASK ? ticks <= walk->limit_ticks : ticks >= walk->limit_ticks;
}

/* Fill as much of an order as the venue's book gives within its limit. */
static inline void arb_bt_fill(arb_backtest_t *bt, arb_bt_under_way_t *way, const arb_bt_row_t *row,
                               uint64_t seen, int64_t wanted)
{
    bool buys = way->sent.side == ARB_SIDE_BUY;
    arb_bt_quote_t top = arb_bt_row_top(row);
    double touch = buys ? top.ask_px : top.bid_px, touch_qty = buys ? top.ask_qty : top.bid_qty;
    arb_bt_walk_t walk = {.side = buys ? ARB_DEPTH_ASK : ARB_DEPTH_BID,
                          .px_tick = arb_store_px_tick(bt->store)[way->sent.row],
                          .lot = arb_store_qty_lot(bt->store)[way->sent.row],
                          .limit_ticks = way->sent.px_ticks,
                          .seen = seen};
    if (arb_bt_is_dark(bt, row, way->sent.venue) || !(touch > 0))
        return;
    if (arb_bt_has_book(row))
        walk.levels = arb_book_top(row->book, walk.side, UINT32_MAX, &walk.level_count);
    if (arb_bt_within(&walk, touch))
        wanted -= arb_bt_take_from(bt, &walk, way, touch, touch_qty, wanted);
    for (uint32_t index = 0; index < walk.level_count && wanted > 0; index++) {
        arb_level_t level = walk.levels[index];
        if (!arb_level_better(walk.side, touch, level.px))
            continue; /* the touch itself, or better than it: gone by now */
        if (!arb_bt_within(&walk, level.px))
            break;
        wanted -= arb_bt_take_from(bt, &walk, way, level.px, level.qty, wanted);
    }
}

/* ---- refusals -------------------------------------------------------------------------------- */

#define ARB_BT_REFUSE(name, bybit, okx)                                 \
    static inline uint32_t arb_bt_refuse_##name(arb_backtest_t *bt, uint32_t venue) \
    {                                                                   \
        bt->counts.refused_##name++;                                    \
        return venue == ARB_VENUE_BYBIT ? (bybit) : (okx);              \
    }
ARB_BT_REFUSALS(ARB_BT_REFUSE)
#undef ARB_BT_REFUSE

/* Does the venue's money carry so much more? */
static inline bool arb_bt_affords(const arb_backtest_t *bt, uint32_t venue, double more_usd)
{
    const arb_bt_rules_t *rules = &bt->rules[venue];
    double equity_usd = rules->balance_usd + bt->venue_usd[venue], held_usd = 0;
    for (uint32_t place = 0; place < bt->held_count; place++) {
        uint32_t row = bt->held[place];
        if (row / bt->symbol_capacity != venue)
            continue;
        equity_usd += arb_bt_unrealised_usd(bt, row);
        held_usd += fabs(arb_bt_value_usd(bt, row));
    }
    return (held_usd + more_usd) / rules->leverage <= equity_usd;
}

/* Is the limit worse than the mid by more than the venue allows? Without a mid it is not asked. */
static inline bool arb_bt_out_of_band(const arb_backtest_t *bt, const arb_order_t *order,
                                      const arb_bt_row_t *row)
{
    double band_bps = bt->rules[order->venue].band_bps;
    arb_bt_quote_t top = arb_bt_row_top(row);
    double mid = (top.bid_px + top.ask_px) / 2;
    double px = (double)order->px_ticks * arb_store_px_tick(bt->store)[order->row];
    if (!(band_bps > 0) || !(mid > 0))
        return false;
    return order->side == ARB_SIDE_BUY ? px > mid * (1 + band_bps * 1e-4)
                                       : px < mid * (1 - band_bps * 1e-4);
}

/* 0: the order is taken; else the venue's number for why not. *wanted: lots it may trade. */
static inline uint32_t arb_bt_judge_order(arb_backtest_t *bt, const arb_bt_under_way_t *way,
                                          const arb_bt_row_t *row, int64_t *wanted)
{
    const arb_order_t *order = &way->sent;
    const arb_market_store_t *store = bt->store;
    int64_t max_lots = arb_store_max_lots(store)[order->row];
    double value_usd = (double)order->px_ticks * arb_store_px_tick(store)[order->row] *
                       (double)order->qty_lots * bt->accounts[order->row].lot_usd;
    bool reduces = (order->flags & ARB_ORDER_REDUCE_ONLY) != 0;
    *wanted = order->qty_lots;
    if (way->luckless)
        return arb_bt_refuse_chance(bt, order->venue);
    if (arb_bt_out_of_band(bt, order, row))
        return arb_bt_refuse_band(bt, order->venue);
    if (order->qty_lots < arb_store_min_lots(store)[order->row] ||
        (max_lots > 0 && order->qty_lots > max_lots) ||
        (!reduces && value_usd < arb_store_min_notional(store)[order->row]))
        return arb_bt_refuse_grid(bt, order->venue);
    if (reduces) {
        int64_t lots = bt->accounts[order->row].lots;
        int64_t reducible = order->side == ARB_SIDE_BUY ? -lots : lots;
        *wanted = reducible < *wanted ? reducible : *wanted;
        return *wanted > 0 ? 0 : arb_bt_refuse_reduce_only(bt, order->venue);
    }
    if (bt->rules[order->venue].balance_usd > 0 && !arb_bt_affords(bt, order->venue, value_usd))
        return arb_bt_refuse_balance(bt, order->venue);
    return 0;
}

/* ---- what waits ------------------------------------------------------------------------------ */

static inline void arb_bt_wait(arb_backtest_t *bt, uint32_t slot)
{
    arb_bt_under_way_t *way = &bt->under_way[slot];
    arb_bt_account_t *account = &bt->accounts[way->sent.row];
    way->reply_ns -= bt->now_ns; /* from now on: how long the answer takes */
    way->next_free = account->waiting;
    account->waiting = slot + 1;
    bt->counts.waited++;
}

/* The row has a market again: what waited for it is refused. */
static inline void arb_bt_wake(arb_backtest_t *bt, uint32_t row)
{
    for (uint32_t next = bt->accounts[row].waiting; next != 0;) {
        uint32_t slot = next - 1;
        arb_bt_under_way_t *way = &bt->under_way[slot];
        uint32_t venue = way->sent.venue;
        next = way->next_free;
        way->code = arb_bt_refuse_no_market(bt, venue);
        ((arb_bt_order_t *)arb_bt_at(&bt->tables[ARB_BT_ORDERS], way->order_row))->outcome =
            ARB_BT_REJECTED;
        way->reply_ns += bt->now_ns;
        if (way->reply_ns < bt->last_reply_ns[venue])
            way->reply_ns = bt->last_reply_ns[venue];
        bt->last_reply_ns[venue] = way->reply_ns;
        arb_bt_plan(bt, way->reply_ns, ARB_BT_REPLY, slot);
    }
    bt->accounts[row].waiting = 0;
}

/* An order reaches its venue now. */
static inline void arb_bt_arrive(arb_backtest_t *bt, uint32_t slot)
{
    arb_bt_under_way_t *way = &bt->under_way[slot];
    arb_bt_order_t *order =
        (arb_bt_order_t *)arb_bt_at(&bt->tables[ARB_BT_ORDERS], way->order_row);
    uint64_t seen;
    int64_t wanted;
    const arb_bt_row_t *row = arb_bt_venue_row(bt, way->sent.row, &seen);
    order->arrived_ns = bt->now_ns;
    way->code = arb_bt_judge_order(bt, way, row, &wanted);
    if (way->code == 0 && (way->sent.flags & ARB_ORDER_REDUCE_ONLY) != 0 &&
        arb_bt_is_dark(bt, row, way->sent.venue)) {
        arb_bt_wait(bt, slot);
        return;
    }
    if (way->code == 0)
        arb_bt_fill(bt, way, row, seen, wanted);
    order->outcome = way->code != 0                              ? ARB_BT_REJECTED
                     : way->filled_lots == 0                     ? ARB_BT_MISSED
                     : way->filled_lots == way->sent.qty_lots    ? ARB_BT_FILLED
                                                                 : ARB_BT_PARTIAL;
    if (way->filled_lots > 0)
        arb_bt_note_equity(bt);
    arb_bt_plan(bt, way->reply_ns, ARB_BT_REPLY, slot);
}

#endif
