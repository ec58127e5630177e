/* Risk gate: the last word on an order before it is journaled.
 *
 * A few compares on words the strategy thread already holds; every refusal has one reason, and the caller
 * counts it. Money is integer micro-dollars, so exposure added is exposure removed, without drift.
 * Entries pass every test. Reduce-only exits pass only sanity and the order rate, whose last tokens are
 * kept for them: no limit and no pause may keep a position standing. The kill switch does, unless
 * flatten is raised as well: killed means that nothing leaves.
 * The order rate is a token bucket of integer nanoseconds: it holds at most burst orders and earns one
 * each interval_ns.
 *
 * Threads: one, the strategy's, calls everything here but arb_risk_trip and arb_risk_pause. Kill,
 * opening_off, flatten and paused are words of shared memory that another thread writes and this one
 * reads relaxed: each is a flag by itself and publishes no other data; seeing it one turn later is as
 * good as the flag being raised one turn later.
 */
#ifndef ARB_RISK_H
#define ARB_RISK_H

#include <stdbool.h>

#include "atomics.h"
#include "cacheline.h"
#include "counters.h"
#include "records.h"

typedef enum arb_risk_reason {
    ARB_RISK_OK = 0,
    ARB_RISK_BAD_ORDER = 1,         /* no quantity, no price or no such row: a bug upstream */
    ARB_RISK_KILLED = 2,            /* the kill switch has tripped, or opening is off */
    ARB_RISK_PAUSED = 3,            /* this symbol is paused */
    ARB_RISK_PAIR_OPEN = 4,         /* the symbol already has a pair */
    ARB_RISK_NOT_LIVE = 5,          /* the row's book is not proven */
    ARB_RISK_STALE_BOOK = 6,        /* the row's book is older than its venue may be */
    ARB_RISK_STALE_SIGNAL = 7,      /* the tick behind the decision is too old */
    ARB_RISK_ORDER_NOTIONAL = 8,
    ARB_RISK_POSITION_NOTIONAL = 9, /* of this row, with this order */
    ARB_RISK_GROSS_NOTIONAL = 10,   /* of all rows, with this order or pair */
    ARB_RISK_ORDER_RATE = 11,
    ARB_RISK_JOURNAL_ROOM = 12,     /* too little journal left to also write the exits */
    ARB_RISK_RING_ROOM = 13,        /* an order ring could not take its leg */
    ARB_RISK_DAY_LOSS = 14,         /* the day has lost what it may */
    ARB_RISK_REASON_USED = 15
} arb_risk_reason_t;

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

_Static_assert((int)ARB_RISK_REASON_USED <= (int)ARB_RISK_REASON_COUNT, "every reason has a counter");

enum { ARB_RISK_ROWS_MAX = ARB_VENUES_MAX * ARB_SYMBOLS_MAX, ARB_RISK_MICRO = 1000000 };

/* Limits; money in micro-dollars. */
typedef struct arb_risk_limits {
    int64_t order_micro_max;
    int64_t position_micro_max;           /* a row */
    int64_t gross_micro_max;              /* sum of all rows, absolute */
    int64_t orders_per_s;                 /* sustained */
    int64_t orders_burst;                 /* at once */
    int64_t orders_kept_for_exits;        /* of the burst, never used by entries */
    int64_t day_loss_micro_max;           /* a UTC day; 0: off */
    int64_t signal_age_ns_max;            /* 0: off */
    int64_t book_age_ns_max[ARB_VENUES_MAX]; /* 0: off */
} arb_risk_limits_t;

/* One order as the gate sees it. */
typedef struct arb_risk_order {
    int64_t notional_micro;
    int64_t book_recv_mono_ns; /* of the row's last tick */
    int64_t signal_mono_ns;    /* of the tick behind the decision; 0: none */
    uint32_t row;
    uint16_t symbol_index;
    uint8_t venue;
    uint8_t row_state;         /* arb_row_state_t */
    bool reduce_only;
    int64_t wall_ns;           /* of the decision: which day it belongs to; 0: not known */
} arb_risk_order_t;

typedef struct arb_risk {
    arb_risk_limits_t limits;
    uint64_t *kill;              /* shared, see the first comment; NULL: never */
    const uint64_t *opening_off; /* likewise */
    const uint64_t *flatten;     /* likewise: reduce-only orders leave although killed */
    uint8_t *paused;             /* likewise, one byte of arb_pause_bits_t a symbol */
    int64_t day_result_micro;    /* of the pairs that ended today; read by anybody, relaxed */
    int64_t day_end_wall_ns;     /* when "today" is over; 0: nothing noted yet */
    int64_t gross_micro;
    int64_t token_ns;            /* token_cost_ns to each order */
    int64_t token_cost_ns;
    int64_t token_ns_max;
    int64_t token_mono_ns;       /* when token_ns was last brought up to date */
    int64_t exposure_micro[ARB_RISK_ROWS_MAX]; /* open orders and position of a row */
    uint8_t pair_open[ARB_SYMBOLS_MAX];
} arb_risk_t;

static inline void arb_risk_init(arb_risk_t *risk, const arb_risk_limits_t *limits, uint64_t *kill,
                                 const uint64_t *opening_off, const uint64_t *flatten,
                                 uint8_t *paused)
{
    memset(risk, 0, sizeof *risk);
    risk->limits = *limits;
    risk->kill = kill;
    risk->opening_off = opening_off;
    risk->flatten = flatten;
    risk->paused = paused;
    risk->token_cost_ns = 1000000000 / (limits->orders_per_s > 0 ? limits->orders_per_s : 1);
    risk->token_ns_max = risk->token_cost_ns * limits->orders_burst;
    risk->token_ns = risk->token_ns_max;
}

/* Price and quantity as micro-dollars, rounded up: a limit is never passed by rounding. */
static inline int64_t arb_risk_micro(double px, double qty)
{
    double micro = fabs(px * qty) * ARB_RISK_MICRO;
    return micro < 9e18 ? (int64_t)ceil(micro) : INT64_MAX / 4; /* NaN too becomes "too much" */
}

static inline bool arb_risk_is_raised(const uint64_t *word)
{
    /* relaxed: a single flag, see the first comment; pairs with the owner's control writes */
    return word != NULL && arb_load_relaxed(word) != 0;
}

/* Whether no new pair may start at all: kill switch or opening off. */
static inline bool arb_risk_is_closed(const arb_risk_t *risk)
{
    return arb_risk_is_raised(risk->kill) || arb_risk_is_raised(risk->opening_off);
}

/* Killed and not flattening: nothing leaves at all, not even what reduces. */
static inline bool arb_risk_is_silent(const arb_risk_t *risk)
{
    return arb_risk_is_raised(risk->kill) && !arb_risk_is_raised(risk->flatten);
}

/* Trip the kill switch; the first reason stays. Any thread. */
static inline void arb_risk_trip(arb_risk_t *risk, arb_kill_reason_t reason)
{
    uint64_t none = ARB_KILL_NONE;
    if (risk->kill == NULL)
        return;
    /* relaxed: a single flag that publishes nothing else; pairs with arb_risk_is_raised */
    while (none == ARB_KILL_NONE && !arb_compare_exchange_relaxed(risk->kill, &none, (uint64_t)reason))
        ; /* the weak exchange may fail for nothing */
}

/* Pause a symbol for one more reason. Any thread. */
static inline void arb_risk_pause(arb_risk_t *risk, uint32_t symbol_index, arb_pause_bits_t bits)
{
    if (risk->paused != NULL)
        /* relaxed: a single flag that publishes nothing else; pairs with arb_risk_is_paused */
        arb_fetch_or_relaxed(risk->paused + symbol_index, (uint8_t)bits);
}

static inline bool arb_risk_is_paused(const arb_risk_t *risk, uint32_t symbol_index)
{
    /* relaxed: single flag, see the first comment; pairs with the owner's control writes */
    return risk->paused != NULL && arb_load_relaxed(risk->paused + symbol_index) != 0;
}

static inline void arb_risk_refill(arb_risk_t *risk, int64_t now_mono_ns)
{
    int64_t elapsed_ns = now_mono_ns - risk->token_mono_ns;
    if (elapsed_ns <= 0)
        return;
    risk->token_mono_ns = now_mono_ns;
    /* compare before adding: the first call's elapsed time may be as large as the clock itself */
    risk->token_ns = elapsed_ns >= risk->token_ns_max - risk->token_ns ? risk->token_ns_max
                                                                        : risk->token_ns + elapsed_ns;
}

/* ---- the day ----------------------------------------------------------------------------------- */

enum { ARB_RISK_DAY_S = 86400 };

/* Begin a UTC day with what it has brought so far. Before the threads, or by the strategy's. */
static inline void arb_risk_begin_day(arb_risk_t *risk, int64_t result_micro, int64_t wall_ns)
{
    const int64_t day_ns = ARB_RISK_DAY_S * INT64_C(1000000000);
    risk->day_end_wall_ns = wall_ns - wall_ns % day_ns + day_ns;
    /* relaxed: one writer, others only look at it */
    arb_store_relaxed(&risk->day_result_micro, result_micro);
}

/* Whether this day has lost what it may; a new day has lost nothing. */
static inline bool arb_risk_day_is_lost(const arb_risk_t *risk, int64_t wall_ns)
{
    return risk->limits.day_loss_micro_max != 0 && wall_ns < risk->day_end_wall_ns &&
           risk->day_result_micro <= -risk->limits.day_loss_micro_max;
}

/* What an ended pair brought: entry and exit fills, less fees, with funding. Trips the kill switch when
 * the day has lost what it may. The result counts into the day it became known in. */
static inline void arb_risk_note_result(arb_risk_t *risk, int64_t pnl_micro, int64_t wall_ns)
{
    if (wall_ns >= risk->day_end_wall_ns)
        arb_risk_begin_day(risk, 0, wall_ns);
    /* relaxed: one writer, others only look at it */
    arb_store_relaxed(&risk->day_result_micro, risk->day_result_micro + pnl_micro);
    if (arb_risk_day_is_lost(risk, wall_ns))
        arb_risk_trip(risk, ARB_KILL_LOSS);
}

/* ---- the gate ---------------------------------------------------------------------------------- */

static inline arb_risk_reason_t arb_risk_check_book(const arb_risk_t *risk, const arb_risk_order_t *order,
                                                    int64_t now_mono_ns)
{
    const arb_risk_limits_t *limits = &risk->limits;
    int64_t book_age_max = limits->book_age_ns_max[order->venue];
    if (order->row_state != ARB_ROW_LIVE)
        return ARB_RISK_NOT_LIVE;
    if (book_age_max != 0 && now_mono_ns - order->book_recv_mono_ns > book_age_max)
        return ARB_RISK_STALE_BOOK;
    if (limits->signal_age_ns_max != 0 && order->signal_mono_ns != 0 &&
        now_mono_ns - order->signal_mono_ns > limits->signal_age_ns_max)
        return ARB_RISK_STALE_SIGNAL;
    return ARB_RISK_OK;
}

/* The gate itself. other_micro: what the other leg of the same decision adds to the gross; orders: how
 * many orders the whole decision sends. Takes nothing: see arb_risk_take. */
static inline arb_risk_reason_t arb_risk_check(arb_risk_t *risk, const arb_risk_order_t *order,
                                               int64_t other_micro, int64_t orders, int64_t now_mono_ns)
{
    const arb_risk_limits_t *limits = &risk->limits;
    if (order->notional_micro <= 0 || order->row >= ARB_RISK_ROWS_MAX || order->venue >= ARB_VENUES_MAX ||
        order->symbol_index >= ARB_SYMBOLS_MAX)
        return ARB_RISK_BAD_ORDER;
    arb_risk_refill(risk, now_mono_ns);
    if (order->reduce_only && arb_risk_is_silent(risk))
        return ARB_RISK_KILLED;
    if (order->reduce_only)
        return risk->token_ns < risk->token_cost_ns * orders ? ARB_RISK_ORDER_RATE : ARB_RISK_OK;
    if (arb_risk_is_closed(risk))
        return ARB_RISK_KILLED;
    if (arb_risk_is_paused(risk, order->symbol_index))
        return ARB_RISK_PAUSED;
    if (risk->pair_open[order->symbol_index])
        return ARB_RISK_PAIR_OPEN;
    if (arb_risk_day_is_lost(risk, order->wall_ns))
        return ARB_RISK_DAY_LOSS;
    arb_risk_reason_t reason = arb_risk_check_book(risk, order, now_mono_ns);
    if (reason != ARB_RISK_OK)
        return reason;
    if (order->notional_micro > limits->order_micro_max)
        return ARB_RISK_ORDER_NOTIONAL;
    if (order->notional_micro > limits->position_micro_max - risk->exposure_micro[order->row])
        return ARB_RISK_POSITION_NOTIONAL;
    if (order->notional_micro > limits->gross_micro_max - risk->gross_micro - other_micro)
        return ARB_RISK_GROSS_NOTIONAL;
    if (risk->token_ns < risk->token_cost_ns * (orders + limits->orders_kept_for_exits))
        return ARB_RISK_ORDER_RATE;
    return ARB_RISK_OK;
}

/* Both entry legs or neither. */
static inline arb_risk_reason_t arb_risk_check_pair(arb_risk_t *risk, const arb_risk_order_t *buy,
                                                    const arb_risk_order_t *sell, int64_t now_mono_ns)
{
    arb_risk_reason_t reason = arb_risk_check(risk, buy, sell->notional_micro, 2, now_mono_ns);
    return reason != ARB_RISK_OK ? reason : arb_risk_check(risk, sell, buy->notional_micro, 2, now_mono_ns);
}

/* Take one order's token, after a check that passed. */
static inline void arb_risk_take(arb_risk_t *risk)
{
    risk->token_ns -= risk->token_cost_ns;
}

/* State what a row now stands for: open entry orders and position, micro-dollars. 0: nothing. */
static inline void arb_risk_set_exposure(arb_risk_t *risk, uint32_t row, int64_t exposure_micro)
{
    risk->gross_micro += exposure_micro - risk->exposure_micro[row];
    risk->exposure_micro[row] = exposure_micro;
}

static inline void arb_risk_pair_begin(arb_risk_t *risk, uint32_t symbol_index)
{
    risk->pair_open[symbol_index] = 1;
}
static inline void arb_risk_pair_end(arb_risk_t *risk, uint32_t symbol_index)
{
    risk->pair_open[symbol_index] = 0;
}

#endif
