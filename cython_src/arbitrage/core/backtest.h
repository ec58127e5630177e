/* Backtest: detector, strategy and two simulated venues over recorded markets, in virtual time.
 *
 *   record received --> row --> tick --> detector --> opportunities --> strategy --> order rings
 *        ^                                                                 ^             |
 *   stream by recv_ns                                       executions ring|             | + order
 *                                                                          | + reply     v   way
 *                                                                          '------- venue's book
 *
 * Time goes from one moment to the next at which something can happen: a record, an event (an
 * order arrives, its answer does, funding settles), a deadline of the strategy, a sweep of the
 * detector, a sample of the equity. At one moment records go first, in the stream's order, then
 * events in the order they were planned, then deadlines. The strategy is asked until it has nothing
 * more to do. Nothing depends on this machine's clock: the same stream, settings and seed give the
 * same bytes.
 *
 * Nobody sees what lies ahead: the trader's half reads rows that records up to now have made; the
 * venues' half reads records that its venue had made by now.
 *
 * Threads: one. The owner gives records, room and what users' strategies want when asked.
 */
#ifndef ARB_BACKTEST_H
#define ARB_BACKTEST_H

#include "backtest_due.h"
#include "backtest_halts.h"
#include "backtest_orders.h"

typedef enum arb_bt_need {
    ARB_BT_NEEDS_RECORDS = 0, /* more of the stream, or the word that it has ended */
    ARB_BT_NEEDS_ROOM = 1,    /* larger tables */
    ARB_BT_NEEDS_HOST = 2,    /* users' strategies were told something, or their time has come */
    ARB_BT_RESTS = 3,         /* as many records as asked for were handled */
    ARB_BT_AT_END = 4,        /* the last record is received: how is it to end? */
    ARB_BT_OVER = 5           /* nothing is open, or end_ns has come */
} arb_bt_need_t;

/* ---- the strategy's turn --------------------------------------------------------------------- */

/* The journal's two parts in turn: what it would say is written here, what it said is not kept. */
static inline void arb_bt_tend_journal(arb_backtest_t *bt)
{
    arb_journal_t *journal = bt->strategy->wire.journal;
    if (ARB_LIKELY(!arb_journal_wants_part(journal)))
        return;
    bt->journal_part ^= 1;
    arb_journal_offer(journal, bt->journal_parts[bt->journal_part], ARB_BT_JOURNAL_RECORDS);
}

/* Ask the strategy until it has nothing more to do now; orders set out. */
static inline void arb_bt_turn(arb_backtest_t *bt)
{
    arb_order_t sent;
    uint32_t handled;
    do {
        handled = arb_strategy_poll(bt->strategy, bt->now_ns);
        bt->counts.polls++;
        arb_bt_hear_strategy(bt);
        for (uint32_t venue = 0; venue < ARB_VENUE_COUNT; venue++)
            while (arb_spsc_try_pop(bt->orders[venue], &sent)) {
                arb_bt_send(bt, &sent);
                handled++;
            }
        arb_bt_tend_journal(bt);
    } while (handled != 0);
    arb_bt_watch_halts(bt);
    bt->strategy_due_ns = arb_strategy_due(bt->strategy);
}

/* ---- one moment ------------------------------------------------------------------------------ */

/* A record of one row: bring the row up to date and tell the detector what it shows now. */
static inline void arb_bt_receive(arb_backtest_t *bt, uint32_t row_index,
                                  const arb_market_t *record)
{
    arb_bt_row_t *row = &bt->rows[row_index];
    arb_tick_t tick = {.bid_px = NAN, .ask_px = NAN, .bid_qty = NAN, .ask_qty = NAN,
                       .recv_mono_ns = bt->now_ns,
                       .exch_wall_ms = (uint32_t)(record->exch_ns / 1000000)};
    if (ARB_UNLIKELY(bt->takens[row_index].count != 0))
        arb_bt_refresh(&bt->takens[row_index], row, record, bt->base + bt->next - 1);
    if (ARB_UNLIKELY(record->kind != ARB_MARKET_QUOTE) &&
        (record->kind == ARB_MARKET_GAP || bt->accounts[row_index].lots != 0))
        arb_bt_keep_marks(bt, row_index); /* it may lose them now */
    arb_bt_news_t news = arb_bt_row_take(row, record);
    if (record->kind == ARB_MARKET_LEVEL && (record->flags & ARB_MARKET_LAST) != 0 &&
        row->book != NULL && news != ARB_BT_LOST)
        arb_ladder_publish(arb_store_ladder(bt->store, row_index), row->book, bt->now_ns);
    if (news == ARB_BT_NOTHING)
        return;
    if (ARB_LIKELY(news == ARB_BT_TOP)) {
        if (ARB_UNLIKELY(bt->accounts[row_index].waiting != 0))
            arb_bt_wake(bt, row_index);
        arb_bt_quote_t top = arb_bt_row_top(row);
        tick.bid_px = top.bid_px;
        tick.ask_px = top.ask_px;
        tick.bid_qty = top.bid_qty;
        tick.ask_qty = top.ask_qty;
        tick.seq_row_kind = arb_tick_pack(record->number, row_index, ARB_TICK_QUOTE);
    } else {
        arb_ladder_clear(arb_store_ladder(bt->store, row_index), bt->now_ns);
        tick.seq_row_kind = arb_tick_pack(0, row_index, ARB_TICK_STATE);
        tick.aux_u32 = ARB_ROW_GAP;
        bt->counts.crossed_books += record->kind != ARB_MARKET_GAP;
    }
    arb_detector_apply(bt->detector, &tick);
}

static inline void arb_bt_receive_funding(arb_backtest_t *bt, uint32_t row,
                                          const arb_market_t *record)
{
    arb_tick_t tick = {.bid_px = record->bid_px,
                       .ask_px = record->bid_qty > 0 ? record->bid_qty : (double)NAN,
                       .bid_qty = NAN, .ask_qty = NAN, .recv_mono_ns = bt->now_ns,
                       .seq_row_kind = arb_tick_pack(0, row, ARB_TICK_FUNDING),
                       .exch_wall_ms = (uint32_t)(record->number / 1000000)};
    arb_bt_take_funding(bt, row, record);
    arb_detector_apply(bt->detector, &tick);
}

/* The next record is received. */
static inline void arb_bt_take_record(arb_backtest_t *bt)
{
    const arb_market_t *record = &bt->records[bt->next++];
    uint32_t symbol = record->symbol;
    bool is_gap = record->kind == ARB_MARKET_GAP;
    bt->counts.records++;
    if (ARB_LIKELY(record->recv_ns > bt->now_ns))
        bt->now_ns = record->recv_ns;
    if (ARB_UNLIKELY(record->venue >= ARB_VENUE_COUNT || (symbol >= bt->symbol_count && !is_gap))) {
        bt->counts.unknown_rows++;
        return;
    }
    bt->counts.quotes += record->kind == ARB_MARKET_QUOTE;
    bt->counts.levels += record->kind == ARB_MARKET_LEVEL;
    bt->counts.fundings += record->kind == ARB_MARKET_FUNDING;
    bt->counts.gaps += is_gap;
    if (ARB_UNLIKELY(is_gap && symbol >= bt->symbol_count)) {
        for (symbol = 0; symbol < bt->symbol_count; symbol++)
            arb_bt_receive(bt, record->venue * bt->symbol_capacity + symbol, record);
        symbol = ARB_MARKET_ALL_SYMBOLS;
    } else if (ARB_UNLIKELY(record->kind == ARB_MARKET_FUNDING)) {
        arb_bt_receive_funding(bt, arb_bt_row_of(bt, record), record);
    } else {
        bt->heard[record->venue] += !is_gap;
        arb_bt_receive(bt, arb_bt_row_of(bt, record), record);
    }
    bool found = arb_bt_hear_detector(bt);
    if (found || symbol == ARB_MARKET_ALL_SYMBOLS || bt->strategy->pairs[symbol].active)
        arb_bt_turn(bt);
}

static inline void arb_bt_happen(arb_backtest_t *bt)
{
    arb_bt_event_t event = arb_bt_take_event(bt);
    const arb_bt_under_way_t *way = &bt->under_way[event.index];
    bt->now_ns = event.at_ns;
    switch ((arb_bt_event_kind_t)event.kind) {
    case ARB_BT_ARRIVE:
        arb_bt_arrive(bt, event.index);
        return; /* the strategy hears of it later */
    case ARB_BT_SETTLE:
        arb_bt_settle(bt, event.index, event.at_ns);
        return;
    case ARB_BT_REPLY:
        arb_bt_reply(bt, event.index);
        break;
    case ARB_BT_TIMEOUT:
        bt->counts.timeouts++;
        arb_bt_tell(bt, way, ARB_EXEC_TIMEOUT, 0, -1, NAN);
        break;
    }
    arb_bt_turn(bt);
}

/* When something is due by time alone. */
static inline int64_t arb_bt_due_ns(const arb_backtest_t *bt)
{
    const arb_detector_t *det = bt->detector;
    int64_t due_ns = bt->strategy_due_ns;
    if (det->config.sweep_period_ns > 0 && det->sweep_mono_ns < due_ns)
        due_ns = det->sweep_mono_ns;
    if (bt->sample_step_ns > 0 && bt->sample_due_ns < due_ns)
        due_ns = bt->sample_due_ns;
    if (bt->host_due_ns < due_ns)
        due_ns = bt->host_due_ns;
    if (bt->person_due_ns < due_ns)
        due_ns = bt->person_due_ns;
    if (bt->poll_step_ns > 0 && bt->now_ns + bt->poll_step_ns < due_ns)
        due_ns = bt->now_ns + bt->poll_step_ns;
    return due_ns > bt->now_ns ? due_ns : bt->now_ns;
}

/* Do what is due by time at now. */
static inline void arb_bt_do_due(arb_backtest_t *bt)
{
    arb_detector_t *det = bt->detector;
    bool turn = bt->strategy_due_ns <= bt->now_ns || bt->poll_step_ns > 0;
    if (det->config.sweep_period_ns > 0 && det->sweep_mono_ns <= bt->now_ns) {
        do
            arb_detector_sweep(det, bt->now_ns);
        while (det->sweep_row < det->row_count);
        turn |= arb_bt_hear_detector(bt) || bt->strategy->active_count > 0;
    }
    if (ARB_UNLIKELY(bt->person_due_ns <= bt->now_ns)) {
        arb_bt_end_halts(bt);
        turn = true;
    }
    if (turn)
        arb_bt_turn(bt);
    if (bt->sample_step_ns > 0 && bt->sample_due_ns <= bt->now_ns) {
        arb_bt_note_equity(bt);
        bt->sample_due_ns += bt->sample_step_ns;
    }
}

/* ---- the run --------------------------------------------------------------------------------- */

static inline bool arb_bt_has_room(arb_backtest_t *bt)
{
    if (ARB_LIKELY(!bt->appended))
        return true;
    for (uint32_t table = 0; table < ARB_BT_TABLES; table++)
        if (!arb_bt_table_has_room(&bt->tables[table]))
            return false;
    if (bt->event_count + 8 * bt->symbol_capacity + 64 > bt->event_capacity)
        return false;
    bt->appended = false;
    return true;
}

static inline bool arb_bt_has_news(const arb_backtest_t *bt)
{
    return bt->hosted &&
           (bt->host_seen != bt->opportunities->published + bt->pair_events->published +
                                 bt->notices->published ||
            bt->host_due_ns <= bt->now_ns);
}

/* Are the records at hand enough to know what a venue has made by this time? */
static inline bool arb_bt_sees(const arb_backtest_t *bt, int64_t at_ns)
{
    return bt->final || (bt->record_count > 0 &&
                         bt->records[bt->record_count - 1].recv_ns > at_ns + bt->lookahead_ns);
}

/* Go on until something is needed, or so many records were handled. Begin with now_ns at the first
 * record's time and the tables in place. */
static inline arb_bt_need_t arb_bt_run(arb_backtest_t *bt, uint64_t records_max)
{
    uint64_t stop = bt->counts.records + records_max;
    for (;;) {
        if (bt->turn_due) {
            bt->turn_due = false;
            arb_bt_turn(bt);
        }
        if (ARB_UNLIKELY(!arb_bt_has_room(bt)))
            return ARB_BT_NEEDS_ROOM;
        if (ARB_UNLIKELY(arb_bt_has_news(bt)))
            return ARB_BT_NEEDS_HOST;
        if (bt->counts.records >= stop || ARB_UNLIKELY(bt->broken))
            return ARB_BT_RESTS;
        bool is_end = bt->next == bt->record_count;
        if (is_end && !bt->final)
            return ARB_BT_NEEDS_RECORDS;
        if (is_end && !bt->closing)
            return ARB_BT_AT_END;
        if (is_end && (bt->now_ns >= bt->end_ns || arb_strategy_live_pairs(bt->strategy) == 0))
            return ARB_BT_OVER;
        int64_t record_ns = is_end ? bt->end_ns : bt->records[bt->next].recv_ns;
        int64_t event_ns = arb_bt_event_ns(bt), due_ns = arb_bt_due_ns(bt);
        if (!is_end && record_ns <= event_ns && record_ns <= due_ns) {
            arb_bt_take_record(bt);
        } else if (event_ns <= due_ns && event_ns <= record_ns) {
            if (!arb_bt_sees(bt, event_ns))
                return ARB_BT_NEEDS_RECORDS;
            arb_bt_happen(bt);
        } else if (due_ns <= record_ns) {
            bt->now_ns = due_ns;
            arb_bt_do_due(bt);
        } else {
            bt->now_ns = record_ns; /* the end: nothing more happens before it */
        }
    }
}


/* Value what still stands, and add up the pairs. After the run. */
static inline void arb_bt_finish(arb_backtest_t *bt)
{
    for (uint32_t place = 0; place < bt->held_count; place++) {
        arb_bt_pair_t *pair = arb_bt_pair_at(bt, bt->accounts[bt->held[place]].pair_row);
        if (pair != NULL)
            pair->gross_usd += arb_bt_value_usd(bt, bt->held[place]);
    }
    for (uint64_t row = 0; row < bt->tables[ARB_BT_PAIRS].count; row++) {
        arb_bt_pair_t *pair = arb_bt_pair_at(bt, row);
        pair->net_usd =
            pair->gross_usd + pair->slippage_usd + pair->fees_usd + pair->funding_usd;
    }
    arb_bt_note_equity(bt);
}

#endif
