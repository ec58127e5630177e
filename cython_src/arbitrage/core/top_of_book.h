/* Top of book: a feed thread's last complete top of one row, and what the next quote makes of it.
 *
 *   IGNORED   a delta before any snapshot                          no tick
 *   APPLIED   the top changed or was stated anew                   tick
 *   REPEAT    the same state again, perhaps with newer times       tick: it proves the row is fresh
 *   OLDER     a late copy of a state already passed                no tick
 *   GAP       deltas do not continue what we hold: top dropped     no tick; resubscribe
 *
 * What is older. Sequence numbers rise within one run of a venue and may start again lower after
 * its maintenance (OKX: seqId falls and bbo-tbt has no prevSeqId; Bybit: u == 1). A lower number
 * alone does not tell a restart from a late copy on a second connection; the venue's own time
 * does: a late copy was made before what we hold, a restart after it. So lower and not newer is
 * OLDER, lower and newer is a restart and is applied. An OLDER frame never refreshes the row, so
 * a row that sees nothing else goes stale, is subscribed again, and starts from arb_top_reset.
 *
 * Bybit repeats an unchanged level after 3 s with the same u; only ts, or also seq and cts, are
 * newer. A venue quote with the sequence we hold and other prices is believed: on one connection
 * the later frame is the newer one.
 *
 * Deltas. The topic holds one level a side, so a new level replaces the side; a deletion empties
 * it only when it names the price we hold. Update ids of deltas rise by exactly 1.
 *
 * Threads: one owner. Limits: none.
 */
#ifndef ARB_TOP_OF_BOOK_H
#define ARB_TOP_OF_BOOK_H

#include <stdbool.h>

#include "records.h"

typedef enum arb_top_result {
    ARB_TOP_IGNORED = 0,
    ARB_TOP_APPLIED = 1,
    ARB_TOP_REPEAT = 2,
    ARB_TOP_OLDER = 3,
    ARB_TOP_GAP = 4,
    ARB_TOP_RESULT_COUNT = 5
} arb_top_result_t;

typedef struct arb_top {
    double bid_px; /* NaN: no quote on this side */
    double ask_px;
    double bid_qty;
    double ask_qty;
    int64_t exch_wall_ns;
    int64_t seq;
    int64_t update_id;
    uint64_t held; /* 1: a snapshot was applied; 0 (zeroed memory): nothing is known */
} arb_top_t;

_Static_assert(sizeof(arb_top_t) == 64, "a row's top is one cache line");

/* Forget the top: at start, on disconnect and before subscribing again. */
static inline void arb_top_reset(arb_top_t *top) { top->held = 0; }

static inline bool arb_same_value(double a, double b) { return a == b || (isnan(a) && isnan(b)); }

static inline bool arb_top_same(const arb_top_t *top, const arb_quote_t *quote)
{
    return arb_same_value(top->bid_px, quote->bid_px) &&
           arb_same_value(top->ask_px, quote->ask_px) &&
           arb_same_value(top->bid_qty, quote->bid_qty) &&
           arb_same_value(top->ask_qty, quote->ask_qty);
}

static inline void arb_top_side(double *px, double *qty, double new_px, double new_qty,
                                const double *gone_px, uint32_t gone_count)
{
    if (!isnan(new_px)) {
        *px = new_px;
        *qty = new_qty;
        return;
    }
    for (uint32_t gone_index = 0; gone_index < gone_count; gone_index++) {
        if (gone_px[gone_index] == *px) {
            *px = NAN;
            *qty = NAN;
        }
    }
}

static inline arb_top_result_t arb_top_update_delta(arb_top_t *top, const arb_quote_t *quote)
{
    if (quote->update_id != top->update_id + 1) {
        top->held = 0;
        return ARB_TOP_GAP;
    }
    arb_top_t next = *top;
    arb_top_side(&next.bid_px, &next.bid_qty, quote->bid_px, quote->bid_qty, quote->bid_gone_px,
                 quote->bid_gone_count);
    arb_top_side(&next.ask_px, &next.ask_qty, quote->ask_px, quote->ask_qty, quote->ask_gone_px,
                 quote->ask_gone_count);
    if (next.bid_px > next.ask_px) {
        top->held = 0;
        return ARB_TOP_GAP;
    }
    next.exch_wall_ns = quote->exch_wall_ns;
    next.seq = quote->seq;
    next.update_id = quote->update_id;
    *top = next;
    return ARB_TOP_APPLIED;
}

/* Bring the top up to date with a quote of its row. */
static inline arb_top_result_t arb_top_update(arb_top_t *top, const arb_quote_t *quote)
{
    bool delta = quote->kind == ARB_QUOTE_DELTA;
    bool restart = quote->venue == ARB_VENUE_BYBIT && quote->update_id == 1;
    arb_top_result_t result = ARB_TOP_APPLIED;
    if (!top->held) {
        if (delta && !restart)
            return ARB_TOP_IGNORED;
    } else if (!restart) {
        if (quote->seq < top->seq && quote->exch_wall_ns <= top->exch_wall_ns)
            return ARB_TOP_OLDER;
        if (delta) {
            if (quote->update_id <= top->update_id)
                return quote->update_id == top->update_id ? ARB_TOP_REPEAT : ARB_TOP_OLDER;
            return arb_top_update_delta(top, quote);
        }
        bool known = quote->seq == top->seq || quote->update_id == top->update_id;
        if (known && arb_top_same(top, quote))
            result = ARB_TOP_REPEAT;
    }
    top->bid_px = quote->bid_px;
    top->ask_px = quote->ask_px;
    top->bid_qty = quote->bid_qty;
    top->ask_qty = quote->ask_qty;
    top->exch_wall_ns = quote->exch_wall_ns;
    top->seq = quote->seq;
    top->update_id = quote->update_id;
    top->held = 1;
    return result;
}

/* Does this result ask for a tick? */
static inline bool arb_top_ticks(arb_top_result_t result)
{
    return result == ARB_TOP_APPLIED || result == ARB_TOP_REPEAT;
}

/* Write the complete top into a tick: prices, quantities, venue time, sequence, row and kind. The
 * caller writes recv_mono_ns and aux_u32. */
static inline void arb_top_fill_tick(const arb_top_t *top, uint32_t row, arb_tick_t *tick)
{
    tick->bid_px = top->bid_px;
    tick->ask_px = top->ask_px;
    tick->bid_qty = top->bid_qty;
    tick->ask_qty = top->ask_qty;
    tick->exch_wall_ms = (uint32_t)(top->exch_wall_ns / 1000000);
    tick->seq_row_kind = arb_tick_pack(top->seq, row, ARB_TICK_QUOTE);
}

/* Update, and when a tick is due fill its prices, quantities, venue time and sequence (row 0). */
static inline bool arb_top_apply(arb_top_t *top, const arb_quote_t *quote, arb_tick_t *tick)
{
    if (!arb_top_ticks(arb_top_update(top, quote)))
        return false;
    arb_top_fill_tick(top, 0, tick);
    return true;
}

#endif
