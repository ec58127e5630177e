/* Market store: the top of every book, struct of arrays, one writer (the detector), seqlock reads.
 *
 *   [ header: 1 separated block ][ version column ][ bid_px column ] ... each column starts on its
 *   own separated block and holds venue_count * symbol_capacity entries, index = row.
 *
 * row = venue * symbol_capacity + symbol_index. All offsets are relative to the header, so the
 * store can lie anywhere in a segment. Static columns (multipliers, grid, fees) are written before
 * the threads start and again only while the row is not LIVE.
 */
#ifndef ARB_MARKET_STORE_H
#define ARB_MARKET_STORE_H

#include "atomics.h"
#include "cacheline.h"
#include "ladder.h"
#include "records.h"
#include "seqlock.h"

/* X(name, C type): the columns, in layout order. 8-byte columns only: words are copied
 * atomically. */
#define ARB_STORE_COLUMNS(X)                                                                      \
    X(version, uint64_t)       /* seqlock of the row's live columns */                            \
    X(bid_px, double)          /* venue quotation, NaN: none */                                   \
    X(ask_px, double)                                                                             \
    X(bid_qty, double)         /* venue units */                                                  \
    X(ask_qty, double)                                                                            \
    X(recv_mono_ns, int64_t)   /* of the last tick applied; 0: none yet */                        \
    X(exch_wall_ns, int64_t)   /* venue time of that tick */                                      \
    X(seq, int64_t)            /* cross sequence of that tick */                                  \
    X(state, uint64_t)         /* arb_row_state_t */                                              \
    X(update_count, uint64_t)  /* ticks applied */                                                \
    X(funding_rate, double)    /* fraction for the running interval; NaN: not known */            \
    X(funding_interval_h, double)                                                                 \
    X(funding_next_ns, int64_t)/* next settlement, wall clock; 0: not known */                    \
    X(px_mult, double)         /* static: venue px * px_mult = common quotation; 0: not in use */ \
    X(qty_mult, double)        /* static: venue qty * qty_mult = base units */                    \
    X(px_tick, double)         /* static: price step, venue quotation */                          \
    X(qty_lot, double)         /* static: quantity step, venue units */                           \
    X(min_lots, int64_t)       /* static: smallest order, lots */                                 \
    X(max_lots, int64_t)       /* static: largest order, lots */                                  \
    X(min_notional, double)    /* static: smallest order, quote currency; 0: none */              \
    X(taker_bps, double)       /* static: taker fee */

typedef struct arb_market_store {
    uint32_t venue_count;
    uint32_t symbol_capacity;
    uint32_t row_count; /* venue_count * symbol_capacity */
    uint32_t column_bytes; /* distance between columns, bytes */
    uint64_t ladders_offset; /* from the store to the ladder of row 0; 0: there are none */
} ARB_SEPARATED arb_market_store_t;

enum arb_store_column {
#define ARB_X(name, type) ARB_COLUMN_##name,
    ARB_STORE_COLUMNS(ARB_X)
#undef ARB_X
    ARB_STORE_COLUMN_COUNT
};

static inline size_t arb_store_column_bytes(uint32_t venue_count, uint32_t symbol_capacity)
{
    uint64_t bytes =
        arb_round_up((uint64_t)venue_count * symbol_capacity * 8, ARB_SEPARATION_BYTES);
    /* columns a multiple of 4096 apart would put all words of a row into one set of the first
     * cache */
    return (size_t)(bytes % 4096 == 0 ? bytes + ARB_SEPARATION_BYTES : bytes);
}

static inline size_t arb_store_bytes(uint32_t venue_count, uint32_t symbol_capacity)
{
    return sizeof(arb_market_store_t) +
           ARB_STORE_COLUMN_COUNT * arb_store_column_bytes(venue_count, symbol_capacity);
}

static inline void *arb_store_column(const arb_market_store_t *store, uint32_t column_index)
{
    return (char *)store + sizeof(arb_market_store_t) + (size_t)column_index * store->column_bytes;
}

/* arb_store_bid_px(store) -> double *: one accessor for each column */
#define ARB_X(name, type)                                                         \
    static inline type *arb_store_##name(const arb_market_store_t *store)         \
    {                                                                             \
        return (type *)arb_store_column(store, ARB_COLUMN_##name);                \
    }
ARB_STORE_COLUMNS(ARB_X)
#undef ARB_X

static inline uint32_t arb_store_row(const arb_market_store_t *store, uint32_t venue,
                                     uint32_t symbol)
{
    return venue * store->symbol_capacity + symbol;
}

/* Lay out an empty store in zeroed, 128-byte aligned memory of arb_store_bytes. Before the
 * threads. */
static inline void arb_store_init(arb_market_store_t *store, uint32_t venue_count,
                                  uint32_t symbol_capacity)
{
    store->venue_count = venue_count;
    store->symbol_capacity = symbol_capacity;
    store->row_count = venue_count * symbol_capacity;
    store->column_bytes = (uint32_t)arb_store_column_bytes(venue_count, symbol_capacity);
    for (uint32_t row = 0; row < store->row_count; row++) {
        arb_store_bid_px(store)[row] = NAN;
        arb_store_ask_px(store)[row] = NAN;
        arb_store_bid_qty(store)[row] = NAN;
        arb_store_ask_qty(store)[row] = NAN;
        arb_store_funding_rate(store)[row] = NAN;
        arb_store_funding_interval_h(store)[row] = NAN;
    }
}

/* Name where the ladders of all rows lie, behind the store in the same memory. Before the
 * threads. */
static inline void arb_store_attach_ladders(arb_market_store_t *store, void *ladders)
{
    store->ladders_offset = (uint64_t)((char *)ladders - (char *)store);
}

/* A row's ladder, for its feed thread to write and for all to read; NULL: the store has none. */
static inline arb_ladder_t *arb_store_ladder(const arb_market_store_t *store, uint32_t row)
{
    if (store->ladders_offset == 0)
        return NULL;
    return (arb_ladder_t *)((char *)store + store->ladders_offset) + row;
}

/* Copy a row's ladder whole. Any thread or process. false, and no levels: the row has no depth. */
static inline bool arb_store_read_ladder(const arb_market_store_t *store, uint32_t row,
                                         arb_ladder_view_t *view)
{
    const arb_ladder_t *ladder = arb_store_ladder(store, row);
    if (ladder != NULL)
        return arb_ladder_read(ladder, view);
    memset(view, 0, sizeof *view);
    view->seq = -1;
    return false;
}

/* A row's live columns as one whole, copied by arb_store_read_row. */
typedef struct arb_row_view {
    double bid_px, ask_px, bid_qty, ask_qty;
    int64_t recv_mono_ns, exch_wall_ns, seq;
    uint64_t state, update_count;
    double funding_rate, funding_interval_h;
    int64_t funding_next_ns;
} arb_row_view_t;

#define ARB_STORE_PUT(column, row, value, type)                                            \
    do {                                                                                   \
        type arb_put_value = (value);                                                      \
        uint64_t arb_put_word;                                                             \
        memcpy(&arb_put_word, &arb_put_value, 8);                                          \
        /* relaxed: ordered by the row's seqlock; pairs with arb_store_read_row */         \
        arb_store_relaxed((uint64_t *)arb_store_column(store, ARB_COLUMN_##column) + (row), \
                          arb_put_word);                                                   \
    } while (0)

/* A quote of a row will be applied soon: fetch what that writes. Each column is another line. */
static inline void arb_store_expect_quote(const arb_market_store_t *store, uint32_t row)
{
    for (uint32_t column = ARB_COLUMN_version; column <= ARB_COLUMN_update_count; column++)
        arb_prefetch_to_write((const uint64_t *)arb_store_column(store, column) + row);
}

/* Apply a quote. Writer thread only, tick->row inside the store. */
static inline void arb_store_apply_quote(arb_market_store_t *store, const arb_tick_t *tick,
                                         int64_t exch_wall_ns)
{
    uint32_t row = arb_tick_row(tick);
    uint64_t *version = arb_store_version(store) + row;
    arb_seqlock_write_begin(version);
    ARB_STORE_PUT(bid_px, row, tick->bid_px, double);
    ARB_STORE_PUT(ask_px, row, tick->ask_px, double);
    ARB_STORE_PUT(bid_qty, row, tick->bid_qty, double);
    ARB_STORE_PUT(ask_qty, row, tick->ask_qty, double);
    ARB_STORE_PUT(recv_mono_ns, row, tick->recv_mono_ns, int64_t);
    ARB_STORE_PUT(exch_wall_ns, row, exch_wall_ns, int64_t);
    ARB_STORE_PUT(seq, row, arb_tick_seq(tick), int64_t);
    ARB_STORE_PUT(state, row, ARB_ROW_LIVE, uint64_t);
    ARB_STORE_PUT(update_count, row, arb_store_update_count(store)[row] + 1, uint64_t);
    arb_seqlock_write_end(version);
}

/* Change a row's state; leaving LIVE empties the row's quote at once. Writer thread only. */
static inline void arb_store_apply_state(arb_market_store_t *store, uint32_t row, uint32_t state)
{
    uint64_t *version = arb_store_version(store) + row;
    arb_seqlock_write_begin(version);
    ARB_STORE_PUT(state, row, state, uint64_t);
    if (state != ARB_ROW_LIVE && state != ARB_ROW_SUSPECT) {
        ARB_STORE_PUT(bid_px, row, NAN, double);
        ARB_STORE_PUT(ask_px, row, NAN, double);
        ARB_STORE_PUT(bid_qty, row, NAN, double);
        ARB_STORE_PUT(ask_qty, row, NAN, double);
    }
    arb_seqlock_write_end(version);
}

static inline void arb_store_apply_funding(arb_market_store_t *store, uint32_t row, double rate,
                                           double interval_h, int64_t next_wall_ns)
{
    uint64_t *version = arb_store_version(store) + row;
    arb_seqlock_write_begin(version);
    ARB_STORE_PUT(funding_rate, row, rate, double);
    ARB_STORE_PUT(funding_interval_h, row, interval_h, double);
    ARB_STORE_PUT(funding_next_ns, row, next_wall_ns, int64_t);
    arb_seqlock_write_end(version);
}

/* Copy one row whole. Any thread or process. false: the writer kept writing for tries_max tries. */
static inline bool arb_store_read_row(const arb_market_store_t *store, uint32_t row,
                                      arb_row_view_t *view, uint32_t tries_max)
{
    const uint64_t *version = arb_store_version(store) + row;
    for (uint32_t tries = 0; tries < tries_max; tries++) {
        uint64_t begun = arb_seqlock_read_begin(version);
        arb_copy_words_out(&view->bid_px, (uint64_t *)arb_store_bid_px(store) + row, 8);
        arb_copy_words_out(&view->ask_px, (uint64_t *)arb_store_ask_px(store) + row, 8);
        arb_copy_words_out(&view->bid_qty, (uint64_t *)arb_store_bid_qty(store) + row, 8);
        arb_copy_words_out(&view->ask_qty, (uint64_t *)arb_store_ask_qty(store) + row, 8);
        arb_copy_words_out(&view->recv_mono_ns, (uint64_t *)arb_store_recv_mono_ns(store) + row, 8);
        arb_copy_words_out(&view->exch_wall_ns, (uint64_t *)arb_store_exch_wall_ns(store) + row, 8);
        arb_copy_words_out(&view->seq, (uint64_t *)arb_store_seq(store) + row, 8);
        arb_copy_words_out(&view->state, arb_store_state(store) + row, 8);
        arb_copy_words_out(&view->update_count, arb_store_update_count(store) + row, 8);
        arb_copy_words_out(&view->funding_rate, (uint64_t *)arb_store_funding_rate(store) + row, 8);
        arb_copy_words_out(&view->funding_interval_h,
                           (uint64_t *)arb_store_funding_interval_h(store) + row, 8);
        arb_copy_words_out(&view->funding_next_ns,
                           (uint64_t *)arb_store_funding_next_ns(store) + row, 8);
        if (ARB_LIKELY(arb_seqlock_read_valid(version, begun)))
            return true;
        arb_cpu_relax();
    }
    return false;
}

#endif
