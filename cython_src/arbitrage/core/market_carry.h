/* Market carry: what stands of a stream of market records at a moment, as records again.
 *
 *   QUOTE --> the row's newest      LEVEL --> the row's book      FUNDING --> the row's newest
 *   GAP   --> the row, or its book, or the whole venue is forgotten
 *
 * So a stream can be cut anywhere, and its second part still knows quotes, books and rates.
 *
 * Threads: one owner. Memory: rows and books are the owner's, who is asked for a book. Limits: a
 * book of ARB_BOOK_CAPACITY_MAX levels a side.
 */
#ifndef ARB_MARKET_CARRY_H
#define ARB_MARKET_CARRY_H

#include "book.h"
#include "market_record.h"

typedef struct arb_carry_row {
    arb_market_t quote;   /* kind 0: none */
    arb_market_t funding; /* kind 0: none */
    arb_market_t level;   /* the newest: time and number of the book */
    arb_book_t *book;     /* NULL: never needed */
} arb_carry_row_t;

typedef struct arb_carry {
    arb_carry_row_t *rows; /* [venue * symbol_count + symbol] */
    uint32_t symbol_count;
} arb_carry_t;

static inline void arb_carry_forget_book(arb_carry_row_t *row)
{
    if (row->book != NULL)
        arb_book_clear(row->book);
}

static inline void arb_carry_gap(arb_carry_t *carry, const arb_market_t *record)
{
    arb_carry_row_t *rows = carry->rows + (size_t)record->venue * carry->symbol_count;
    bool all = record->symbol == ARB_MARKET_ALL_SYMBOLS;
    uint32_t first = all ? 0 : record->symbol, end = all ? carry->symbol_count : first + 1u;
    for (uint32_t symbol = first; symbol < end; symbol++) {
        if ((record->flags & ARB_MARKET_BOOK) == 0)
            rows[symbol].quote.kind = 0;
        arb_carry_forget_book(rows + symbol);
    }
}

static inline void arb_carry_level(arb_carry_row_t *row, const arb_market_t *record)
{
    arb_book_t *book = row->book;
    if (record->flags & ARB_MARKET_SNAPSHOT) {
        arb_book_clear(book);
        book->held = 1;
    }
    if (!book->held)
        return;
    if (!isnan(record->bid_px))
        arb_book_set(book, ARB_DEPTH_BID, record->bid_px, record->bid_qty);
    if (!isnan(record->ask_px))
        arb_book_set(book, ARB_DEPTH_ASK, record->ask_px, record->ask_qty);
    row->level = *record;
}

/* Take records in; returns how many. Fewer than count: the row of the next one needs a book. The
 * owner has checked venues and symbols. */
static inline size_t arb_carry_take(arb_carry_t *carry, const arb_market_t *records, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        const arb_market_t *record = records + index;
        if (ARB_UNLIKELY(record->kind == ARB_MARKET_GAP)) {
            arb_carry_gap(carry, record);
            continue;
        }
        arb_carry_row_t *row =
            carry->rows + (size_t)record->venue * carry->symbol_count + record->symbol;
        if (record->kind == ARB_MARKET_QUOTE) {
            row->quote = *record;
        } else if (record->kind == ARB_MARKET_FUNDING) {
            row->funding = *record;
        } else {
            if (ARB_UNLIKELY(row->book == NULL))
                return index;
            arb_carry_level(row, record);
        }
    }
    return count;
}

/* How many records state a row. */
static inline uint32_t arb_carry_size(const arb_carry_row_t *row)
{
    uint32_t levels = 0;
    if (row->book != NULL && row->book->held) {
        levels = row->book->count[ARB_DEPTH_BID];
        if (row->book->count[ARB_DEPTH_ASK] > levels)
            levels = row->book->count[ARB_DEPTH_ASK];
        if (levels == 0)
            levels = 1; /* a book without levels is one, too */
    }
    return levels + (row->quote.kind != 0) + (row->funding.kind != 0);
}

/* State a row as of a moment; returns what follows its arb_carry_size records. */
static inline arb_market_t *arb_carry_state(const arb_carry_row_t *row, int64_t at_ns,
                                            arb_market_t *out)
{
    arb_market_t *begun = out;
    if (row->quote.kind != 0)
        *out++ = row->quote;
    if (row->book != NULL && row->book->held) {
        uint32_t counts[ARB_DEPTH_SIDES], longest, index = 0;
        const arb_level_t *bids =
            arb_book_top(row->book, ARB_DEPTH_BID, row->book->capacity, &counts[0]);
        const arb_level_t *asks =
            arb_book_top(row->book, ARB_DEPTH_ASK, row->book->capacity, &counts[1]);
        longest = counts[0] > counts[1] ? counts[0] : counts[1];
        do {
            *out = row->level;
            out->bid_px = index < counts[0] ? bids[index].px : NAN;
            out->bid_qty = index < counts[0] ? bids[index].qty : NAN;
            out->ask_px = index < counts[1] ? asks[index].px : NAN;
            out->ask_qty = index < counts[1] ? asks[index].qty : NAN;
            out->flags = (index == 0 ? ARB_MARKET_SNAPSHOT : 0u) |
                         (index + 1 >= longest ? ARB_MARKET_LAST : 0u);
            out++;
        } while (++index < longest);
    }
    if (row->funding.kind != 0)
        *out++ = row->funding;
    for (arb_market_t *record = begun; record < out; record++) {
        record->recv_ns = at_ns;
        record->flags |= ARB_MARKET_CARRIED;
    }
    return out;
}

#endif
