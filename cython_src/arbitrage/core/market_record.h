/* Market record: what research reads of a venue's market, 64 bytes, whatever file it came from.
 *
 *   QUOTE    the complete top of the book, as the venue's own best-bid-and-ask channel says it
 *   LEVEL    one level of the bid side and/or one of the ask side of the book; qty 0: it is gone
 *   FUNDING  bid_px = rate, bid_qty = hours between settlements (0: not stated), number = next
 *            settlement in ns; ask_* NaN
 *   GAP      nothing is known of the row until its next QUOTE, or its next SNAPSHOT level; with
 *            BOOK that is so of its book alone, though live its quotes would wait for it, too
 *
 * A stream is ordered by recv_ns; ties: Bybit before OKX, then as the file has them. LAST marks
 * the last record of a frame: a book is consistent only then. SNAPSHOT: the book begins anew with
 * this level. CARRIED: not news of its time, but what stood when the stream was cut there; whoever
 * reads on from before the cut leaves these records out.
 *
 * Prices and quantities are the venue's own, bit for bit. NaN px: none on that side.
 *
 * Threads: plain data. Limits: 65,535 symbols.
 */
#ifndef ARB_MARKET_RECORD_H
#define ARB_MARKET_RECORD_H

#include "records.h"

typedef enum arb_market_kind {
    ARB_MARKET_QUOTE = 1,
    ARB_MARKET_LEVEL = 2,
    ARB_MARKET_FUNDING = 3,
    ARB_MARKET_GAP = 4
} arb_market_kind_t;

enum {
    ARB_MARKET_LAST = 1,
    ARB_MARKET_SNAPSHOT = 2,
    ARB_MARKET_CARRIED = 4,
    ARB_MARKET_BOOK = 8,             /* of a GAP: the book alone is lost */
    ARB_MARKET_ALL_SYMBOLS = 0xFFFF, /* of a GAP: every symbol of the venue */
};

typedef struct arb_market {
    int64_t recv_ns; /*  0 when it was received here, UTC epoch */
    int64_t exch_ns; /*  8 when the venue made it; 0: not known */
    double bid_px;   /* 16 */
    double bid_qty;  /* 24 venue units */
    double ask_px;   /* 32 */
    double ask_qty;  /* 40 */
    int64_t number;  /* 48 the venue's sequence number; 0: none */
    uint16_t symbol; /* 56 index into the stream's symbols */
    uint8_t venue;   /* 58 arb_venue_t */
    uint8_t kind;    /* 59 arb_market_kind_t */
    uint32_t flags;  /* 60 ARB_MARKET_* bits */
} arb_market_t;

_Static_assert(sizeof(arb_market_t) == 64, "the NumPy dtype mirrors this");

#endif
