/* Backtest rows: what market records make of one (venue, symbol), as a feed thread would have it.
 *
 *   QUOTE   --> the touch as the venue's own channel says it --.
 *                                                               >-- the newer by number is the top
 *   LEVEL   --> the book, whole at each LAST ------------------'
 *
 * The same rules serve twice: for what the trader knows (records received by now) and for what
 * the venue has (records it had made by then, whoever has received them).
 *
 * A row that has a book is traded on its levels; the touch is L1's where its number is newer.
 * Where numbers are missing (0) the later record speaks. A book that is crossed is not believed:
 * the row is lost until its next snapshot. Consistency of a stream is its reader's care.
 *
 * Threads: one. Memory: books are the owner's; NULL: the stream has no depth.
 */
#ifndef ARB_BACKTEST_ROWS_H
#define ARB_BACKTEST_ROWS_H

#include "ladder.h"
#include "market_record.h"

enum { ARB_BT_BOOK_LEVELS = ARB_BOOK_CAPACITY_MAX }; /* more than any channel holds of a side */

typedef struct arb_bt_quote {
    double bid_px, bid_qty, ask_px, ask_qty; /* venue's own units; NaN px: none */
} arb_bt_quote_t;

typedef struct arb_bt_row {
    arb_bt_quote_t quote;  /* as QUOTE last said */
    int64_t quote_number;
    int64_t book_number;
    int64_t recv_ns;       /* of the newest record */
    arb_book_t *book;      /* NULL: no depth */
    bool quoted;           /* QUOTE has spoken since the row was lost */
    bool book_leads;       /* of two without numbers: the book spoke last */
    bool lost;             /* GAP: nothing is known */
} arb_bt_row_t;

/* What a record means to who follows the row. */
typedef enum arb_bt_news {
    ARB_BT_NOTHING = 0, /* the middle of a frame, or a state that is newer elsewhere */
    ARB_BT_TOP = 1,     /* the row's top, new or stated again */
    ARB_BT_LOST = 2     /* nothing is known from now on */
} arb_bt_news_t;

static inline bool arb_bt_has_book(const arb_bt_row_t *row)
{
    return row->book != NULL && row->book->held != 0;
}

static inline void arb_bt_row_lose(arb_bt_row_t *row)
{
    row->quoted = false;
    row->lost = true;
    if (row->book != NULL)
        arb_book_clear(row->book);
}

/* Is the book's state newer than the last QUOTE? */
static inline bool arb_bt_book_speaks(const arb_bt_row_t *row)
{
    if (!arb_bt_has_book(row))
        return false;
    if (!row->quoted)
        return true;
    if (row->quote_number != 0 && row->book_number != 0)
        return row->book_number > row->quote_number;
    return row->book_leads;
}

/* The row's best prices; all NaN: none known. */
static inline arb_bt_quote_t arb_bt_row_top(const arb_bt_row_t *row)
{
    if (arb_bt_book_speaks(row)) {
        arb_level_t bid = arb_book_best(row->book, ARB_DEPTH_BID);
        arb_level_t ask = arb_book_best(row->book, ARB_DEPTH_ASK);
        return (arb_bt_quote_t){bid.px, bid.qty, ask.px, ask.qty};
    }
    if (row->quoted)
        return row->quote;
    return (arb_bt_quote_t){NAN, NAN, NAN, NAN};
}

static inline bool arb_bt_same_px(double a, double b) { return a == b || (a != a && b != b); }

static inline arb_bt_news_t arb_bt_take_quote(arb_bt_row_t *row, const arb_market_t *record)
{
    row->quote = (arb_bt_quote_t){record->bid_px, record->bid_qty, record->ask_px,
                                  record->ask_qty};
    row->quote_number = record->number;
    row->quoted = true;
    row->book_leads = false;
    row->lost = false;
    if (ARB_LIKELY(!arb_bt_book_speaks(row)))
        return ARB_BT_TOP;
    /* older than the book: where it says the same, it proves the row fresh */
    arb_bt_quote_t top = arb_bt_row_top(row);
    return arb_bt_same_px(top.bid_px, record->bid_px) && arb_bt_same_px(top.ask_px, record->ask_px)
               ? ARB_BT_TOP
               : ARB_BT_NOTHING;
}

/* One level of either side, or of both. Levels before any snapshot say nothing. */
static inline void arb_bt_take_levels(arb_bt_row_t *row, const arb_market_t *record)
{
    arb_book_t *book = row->book;
    if ((record->flags & ARB_MARKET_SNAPSHOT) != 0) {
        arb_book_clear(book);
        book->held = 1;
    }
    if (!book->held)
        return;
    if (record->bid_px == record->bid_px)
        arb_book_set(book, ARB_DEPTH_BID, record->bid_px, record->bid_qty);
    if (record->ask_px == record->ask_px)
        arb_book_set(book, ARB_DEPTH_ASK, record->ask_px, record->ask_qty);
}

static inline arb_bt_news_t arb_bt_take_level(arb_bt_row_t *row, const arb_market_t *record)
{
    if (ARB_UNLIKELY(row->book == NULL))
        return ARB_BT_NOTHING;
    arb_bt_take_levels(row, record);
    if ((record->flags & ARB_MARKET_LAST) == 0 || !row->book->held)
        return ARB_BT_NOTHING;
    if (ARB_UNLIKELY(arb_book_best(row->book, ARB_DEPTH_BID).px >
                     arb_book_best(row->book, ARB_DEPTH_ASK).px)) {
        arb_bt_row_lose(row);
        return ARB_BT_LOST;
    }
    int64_t before = row->book_number;
    row->book_number = record->number;
    row->book->seq = record->number;
    row->book_leads = true;
    row->lost = false;
    if (arb_bt_book_speaks(row))
        return ARB_BT_TOP;
    /* the state that both channels have told already, told again */
    return record->number != 0 && record->number == before && before == row->quote_number
               ? ARB_BT_TOP
               : ARB_BT_NOTHING;
}

/* Bring a row up to date with a record of it, FUNDING left out. */
static inline arb_bt_news_t arb_bt_row_take(arb_bt_row_t *row, const arb_market_t *record)
{
    row->recv_ns = record->recv_ns;
    if (ARB_LIKELY(record->kind == ARB_MARKET_QUOTE))
        return arb_bt_take_quote(row, record);
    if (record->kind == ARB_MARKET_LEVEL)
        return arb_bt_take_level(row, record);
    arb_bt_row_lose(row);
    return ARB_BT_LOST;
}

/* Copy a row and its levels, so that records can be applied that the original has not had. */
static inline void arb_bt_row_copy(arb_bt_row_t *to, const arb_bt_row_t *from)
{
    arb_book_t *book = to->book;
    *to = *from;
    to->book = book;
    if (from->book == NULL || book == NULL)
        return;
    *book = *from->book;
    for (uint32_t side = 0; side < ARB_DEPTH_SIDES; side++) {
        uint32_t found;
        const arb_level_t *levels = arb_book_top(from->book, side, UINT32_MAX, &found);
        memcpy(arb_book_array(book, side) + book->first[side], levels, found * sizeof *levels);
    }
}

#endif
