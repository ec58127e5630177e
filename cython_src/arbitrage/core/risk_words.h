/* Risk words: why the gate refuses, why a symbol is paused, why the kill switch has tripped, and
 * the limits, with the integers they count in.
 *
 * Reasons and limits are X-macros, so that their names reach Python from the same place as the
 * layout. A limit is one 64-bit word in an integer unit: micro-dollars, parts per million,
 * nanoseconds or a count. The words may be changed while the gate runs: they are stored and loaded
 * relaxed, each by itself.
 */
#ifndef ARB_RISK_WORDS_H
#define ARB_RISK_WORDS_H

#include <math.h>

#include "atomics.h"
#include "cacheline.h"
#include "counters.h"
#include "records.h"

/* X(NAME, name, refused when). The numbers are those of the counters: append, never reorder. */
#define ARB_RISK_REASONS(X)                                                                    \
    X(OK, ok, "it passes")                                                                     \
    X(BAD_ORDER, bad_order,                                                                    \
      "no quantity, no price, no such row, or an amount beyond all bounds: a bug")             \
    X(KILLED, killed, "the kill switch has tripped")                                           \
    X(PAUSED, paused, "the symbol is paused")                                                  \
    X(PAIR_OPEN, pair_open, "the symbol already has a pair")                                   \
    X(NOT_LIVE, not_live, "the row's book is not proven")                                      \
    X(STALE_BOOK, stale_book, "the row's last quote is too old")                               \
    X(STALE_SIGNAL, stale_signal, "the tick behind the decision is too old")                   \
    X(ORDER_NOTIONAL, order_notional, "the order is too large")                                \
    X(POSITION_NOTIONAL, position_notional, "the row would stand for too much")                \
    X(GROSS_NOTIONAL, gross_notional, "all rows together would stand for too much")            \
    X(ORDER_RATE, order_rate, "the token bucket is down to what is kept for exits")            \
    X(JOURNAL_ROOM, journal_room, "the exits could not be journaled")                          \
    X(RING_ROOM, ring_room, "an order ring could not take its leg")                            \
    X(DAY_LOSS, day_loss, "the day has lost what it may")                                      \
    X(OPENING_OFF, opening_off, "opening is off, or everything is being closed")               \
    X(PRICE_BAND, price_band, "the limit price lies too far from a venue's mid price")         \
    X(BASIS, basis, "the two venues' mid prices lie too far apart")                            \
    X(BASIS_AVERAGE, basis_average, "the slow average of how far they lie apart is too large") \
    X(SYMBOL_NOTIONAL, symbol_notional, "the symbol would stand for too much on both venues")  \
    X(VENUE_NOTIONAL, venue_notional, "the venue would stand for too much")                    \
    X(ONE_SIDED_SYMBOL, one_sided_symbol, "too much of the symbol stands unhedged")            \
    X(ONE_SIDED, one_sided, "too much of all symbols stands unhedged")

#define ARB_X(NAME, name, text) ARB_RISK_##NAME,
typedef enum arb_risk_reason { ARB_RISK_REASONS(ARB_X) ARB_RISK_REASON_USED } arb_risk_reason_t;
#undef ARB_X

_Static_assert((int)ARB_RISK_REASON_USED <= (int)ARB_RISK_REASON_COUNT,
               "every reason has a counter");

/* Why a symbol is paused: bits of its byte, changed by atomic or and and alone. */
typedef enum arb_pause_bits {
    ARB_PAUSE_CONTRACT = 1,  /* a venue changed its contract */
    ARB_PAUSE_OPERATOR = 2,
    ARB_PAUSE_BREAKER = 4,   /* too many one-sided failures in a row */
    ARB_PAUSE_RECONCILE = 8, /* a position or an order nobody can explain */
    ARB_PAUSE_ALL = 15
} arb_pause_bits_t;

/* Why the kill switch has tripped: the value of its word. The first reason stays. */
typedef enum arb_kill_reason {
    ARB_KILL_NONE = 0,
    ARB_KILL_OPERATOR = 1,
    ARB_KILL_SIGNAL = 2,
    ARB_KILL_FILE = 3,
    ARB_KILL_DASHBOARD = 4,
    ARB_KILL_LOSS = 5,      /* the day's loss reached its limit */
    ARB_KILL_RECONCILE = 6, /* positions differ and nobody can explain it */
    ARB_KILL_REASON_COUNT = 7
} arb_kill_reason_t;

enum {
    ARB_RISK_ROWS_MAX = ARB_VENUES_MAX * ARB_SYMBOLS_MAX,
    ARB_RISK_MICRO = 1000000,  /* of a dollar */
    ARB_RISK_MILLION = 1000000 /* parts per million of a price */
};

/* The word of a limit that is off, and the first amount that no order has: sums of a few stay far
 * below the one, and differences of the two inside 64 bits. */
#define ARB_RISK_OFF (INT64_MAX / 4)
#define ARB_RISK_AMOUNT_BOUND (ARB_RISK_OFF / 4)

/* Limits, most of an entry. Each is at most ARB_RISK_OFF. */
#define ARB_RISK_LIMITS(X)                                                                         \
    X(order_micro_max)            /* an order */                                                   \
    X(position_micro_max)         /* a row: what it holds and may still get */                     \
    X(symbol_micro_max)           /* both rows of a symbol */                                      \
    X(venue_micro_max)            /* all rows of a venue */                                        \
    X(gross_micro_max)            /* all rows */                                                   \
    X(one_sided_symbol_micro_max) /* what stands of a symbol without its other leg */              \
    X(one_sided_micro_max)        /* likewise, all symbols */                                      \
    X(day_loss_micro_max)         /* of the pairs ended in a UTC day; reached: killed */           \
    X(entry_band_ppm_max)         /* of an entry's limit price from each of both mids */           \
    X(exit_band_ppm_max)          /* of an exit's, where worse, from the mid that suits it */      \
    X(basis_ppm_max)              /* of the mids from each other, and of that on slow average */   \
    X(signal_age_ns_max)          /* of the tick behind a decision */                              \
    X(order_cost_ns)              /* time that earns the right to one order */                     \
    X(orders_burst)               /* at once */                                                    \
    X(orders_kept_for_exits)      /* of the burst, never used by entries */

#define ARB_X(name) int64_t name;
typedef struct arb_risk_limits {
    ARB_RISK_LIMITS(ARB_X)
    int64_t book_age_ns_max[ARB_VENUES_MAX]; /* of a row's last tick */
} arb_risk_limits_t;
#undef ARB_X

static inline int64_t arb_risk_limit(const int64_t *word)
{
    /* relaxed: a limit by itself, as good one order later; pairs with risk.h:arb_risk_set_limits */
    return arb_load_relaxed(word);
}

/* The next whole number of one that is 0 or more and below 2^63: without the library's ceil, whose
 * page an order would find cold. */
static inline int64_t arb_ceil(double value)
{
    int64_t whole = (int64_t)value;
    return whole + ((double)whole < value);
}

/* Price and quantity as micro-dollars, rounded up: a limit is never passed by rounding. */
static inline int64_t arb_risk_micro(double px, double qty)
{
    double micro = fabs(px * qty) * ARB_RISK_MICRO;
    /* NaN too: "too much" */
    return micro < (double)ARB_RISK_OFF ? arb_ceil(micro) : ARB_RISK_OFF;
}

/* A price of the common quotation as whole pico-dollars, the nearest; 0: none, or not to be
 * compared. */
static inline int64_t arb_risk_pico(double px)
{
    double pico = px * 1e12;
    return pico > 0 && pico < 9e18 ? (int64_t)(pico + 0.5) : 0;
}

#endif
