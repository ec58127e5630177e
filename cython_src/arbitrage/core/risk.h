/* Risk gate: the last word on an order before it is journaled.
 *
 * Compares on words the strategy thread already holds; every refusal has one reason, and the caller
 * counts it. docs/risk.md is the table of all of them. Everything inside is an integer: money in
 * micro-dollars, rounded up, so exposure added is exposure removed, without drift; prices in
 * pico-dollars of the common quotation, with what their conversion may have rounded away counted
 * against the order.
 *
 * Entries pass every test. Reduce-only exits pass sanity, a wider price band and the order rate,
 * whose last tokens are kept for them: no limit and no pause may keep a position standing. The kill
 * switch does, unless flatten is raised as well: killed means that nothing leaves.
 * The order rate is a token bucket of integer nanoseconds: it holds at most burst orders and earns
 * one each order_cost_ns.
 *
 * Threads: one, the strategy's, calls everything here but arb_risk_trip, arb_risk_pause and
 * arb_risk_set_limits. Kill, opening_off, flatten and paused are words of shared memory that
 * another thread writes and this one reads relaxed: each is a flag by itself and publishes no other
 * data; seeing it one turn later is as good as the flag being raised one turn later.
 */
#ifndef ARB_RISK_H
#define ARB_RISK_H

#include <stdbool.h>

#include "risk_words.h"

/* One order as the gate sees it. Mids: of the order's own row, then of the other leg's; 0: not
 * known. */
typedef struct arb_risk_order {
    int64_t notional_micro;
    int64_t limit_pico;
    int64_t mid_pico[2];
    int64_t basis_average_ppm; /* how far the mids lie apart on slow average, either way;
                                * 0: not known */
    int64_t book_recv_mono_ns; /* of the row's last tick */
    int64_t signal_mono_ns;    /* of the tick behind the decision; 0: none */
    int64_t wall_ns;           /* of the decision: which day it belongs to */
    uint32_t row;
    uint16_t symbol_index;
    uint8_t venue;
    uint8_t row_state;         /* arb_row_state_t */
    uint8_t side;              /* arb_side_t */
    bool reduce_only;
    bool completes;            /* an entry that hedges what stands alone of a pair that is open */
} arb_risk_order_t;

typedef struct arb_risk {
    arb_risk_limits_t limits;
    uint64_t *kill;              /* shared, see the first comment; NULL: never */
    const uint64_t *opening_off; /* likewise */
    const uint64_t *flatten;     /* likewise: reduce-only orders leave although killed */
    uint8_t *paused;             /* likewise, one byte of arb_pause_bits_t a symbol */
    int64_t day_result_micro;    /* of the pairs that ended today; read by anybody, relaxed */
    int64_t day_end_wall_ns;     /* when "today" is over; 0: nothing noted yet */
    int64_t gross_micro;         /* sum of all rows; so are the next two, of a venue, of a symbol */
    int64_t venue_micro[ARB_VENUES_MAX];
    int64_t one_sided_micro;     /* sum of all symbols */
    int64_t token_ns;            /* order_cost_ns to each order */
    int64_t token_mono_ns;       /* when token_ns was last brought up to date */
    int64_t exposure_micro[ARB_RISK_ROWS_MAX]; /* open entry orders and position of a row */
    int64_t symbol_micro[ARB_SYMBOLS_MAX];
    int64_t symbol_one_sided_micro[ARB_SYMBOLS_MAX];
    uint8_t pair_open[ARB_SYMBOLS_MAX];
} arb_risk_t;

/* Every limit off: what must be on is set after it. */
static inline void arb_risk_limits_off(arb_risk_limits_t *limits)
{
    int64_t *words = (int64_t *)limits;
    for (uint32_t index = 0; index < sizeof *limits / sizeof *words; index++)
        words[index] = ARB_RISK_OFF;
    limits->order_cost_ns = 1;
    limits->orders_burst = ARB_RISK_MILLION;
    limits->orders_kept_for_exits = 0;
}

/* Change every limit, each word by itself. Any one thread beside the strategy's. */
static inline void arb_risk_set_limits(arb_risk_t *risk, const arb_risk_limits_t *limits)
{
    int64_t *words = (int64_t *)&risk->limits;
    const int64_t *given = (const int64_t *)limits;
    for (uint32_t index = 0; index < sizeof *limits / sizeof *words; index++)
        /* relaxed: a limit by itself; pairs with risk_words.h:arb_risk_limit */
        arb_store_relaxed(words + index, given[index]);
}

static inline void arb_risk_init(arb_risk_t *risk, const arb_risk_limits_t *limits, uint64_t *kill,
                                 const uint64_t *opening_off, const uint64_t *flatten,
                                 uint8_t *paused)
{
    memset(risk, 0, sizeof *risk);
    arb_risk_set_limits(risk, limits);
    risk->kill = kill;
    risk->opening_off = opening_off;
    risk->flatten = flatten;
    risk->paused = paused;
    risk->token_ns = limits->order_cost_ns * limits->orders_burst;
}

/* ---- prices apart ---------------------------------------------------------------------------- */

/* Whether apart_pico is more than ppm parts per million of of_pico. Two prices may each have lost
 * half a pico-dollar and 2^-53 of themselves in their conversion: that is taken as further
 * apart. */
static inline bool arb_risk_is_beyond(int64_t apart_pico, int64_t of_pico, int64_t ppm)
{
    __int128 apart = (__int128)apart_pico + 2 + (of_pico >> 50);
    return apart * ARB_RISK_MILLION > (__int128)of_pico * ppm;
}

/* ---- words that others may change ------------------------------------------------------------ */

static inline bool arb_risk_is_raised(const uint64_t *word)
{
    /* relaxed: a single flag, see the first comment; pairs with the owner's control writes */
    return word != NULL && arb_load_relaxed(word) != 0;
}

/* Whether no new pair may start at all: kill switch, opening off, or everything is being closed. */
static inline bool arb_risk_is_closed(const arb_risk_t *risk)
{
    return arb_risk_is_raised(risk->kill) || arb_risk_is_raised(risk->opening_off) ||
           arb_risk_is_raised(risk->flatten);
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
    while (none == ARB_KILL_NONE &&
           !arb_compare_exchange_relaxed(risk->kill, &none, (uint64_t)reason))
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

/* ---- the day --------------------------------------------------------------------------------- */

enum { ARB_RISK_DAY_S = 86400 };

/* Begin a UTC day with what it has brought so far. Before the threads, or by the strategy's. */
static inline void arb_risk_begin_day(arb_risk_t *risk, int64_t result_micro, int64_t wall_ns)
{
    const int64_t day_ns = ARB_RISK_DAY_S * INT64_C(1000000000);
    /* relaxed: one writer, others only look at it */
    arb_store_relaxed(&risk->day_result_micro, result_micro);
    /* release: the new day has none of the old one's loss; pairs with arb_risk_day_micro */
    arb_store_release(&risk->day_end_wall_ns, wall_ns - wall_ns % day_ns + day_ns);
}

/* What this day has brought; a new day has brought nothing. Any thread. */
static inline int64_t arb_risk_day_micro(const arb_risk_t *risk, int64_t wall_ns)
{
    /* acquire: the result is of that day; pairs with arb_risk_begin_day */
    if (wall_ns >= arb_load_acquire(&risk->day_end_wall_ns))
        return 0;
    /* relaxed: one word by itself; pairs with arb_risk_note_result */
    return arb_load_relaxed(&risk->day_result_micro);
}

/* Whether this day has lost what it may. Any thread. */
static inline bool arb_risk_day_is_lost(const arb_risk_t *risk, int64_t wall_ns)
{
    return arb_risk_day_micro(risk, wall_ns) <= -arb_risk_limit(&risk->limits.day_loss_micro_max);
}

/* What an ended pair brought: entry and exit fills, less fees, with funding. Trips the kill switch
 * when the day has lost what it may. The result counts into the day it became known in. */
static inline void arb_risk_note_result(arb_risk_t *risk, int64_t pnl_micro, int64_t wall_ns)
{
    if (wall_ns >= risk->day_end_wall_ns)
        arb_risk_begin_day(risk, 0, wall_ns);
    /* relaxed: one writer, others only look at it */
    arb_store_relaxed(&risk->day_result_micro, risk->day_result_micro + pnl_micro);
    if (arb_risk_day_is_lost(risk, wall_ns))
        arb_risk_trip(risk, ARB_KILL_LOSS);
}

/* ---- the gate, test by test ------------------------------------------------------------------ */

static inline void arb_risk_refill(arb_risk_t *risk, int64_t now_mono_ns)
{
    int64_t token_ns_max = arb_risk_limit(&risk->limits.order_cost_ns) *
                           arb_risk_limit(&risk->limits.orders_burst);
    int64_t elapsed_ns = now_mono_ns - risk->token_mono_ns;
    if (elapsed_ns <= 0)
        return;
    risk->token_mono_ns = now_mono_ns;
    /* compare before adding: the first call's elapsed time may be as large as the clock itself */
    risk->token_ns = elapsed_ns >= token_ns_max - risk->token_ns ? token_ns_max
                                                                 : risk->token_ns + elapsed_ns;
}

static inline bool arb_risk_is_sane(const arb_risk_order_t *order)
{
    return order->notional_micro > 0 && order->notional_micro < ARB_RISK_AMOUNT_BOUND &&
           order->limit_pico > 0 && order->row < ARB_RISK_ROWS_MAX &&
           order->venue < ARB_VENUES_MAX && order->symbol_index < ARB_SYMBOLS_MAX &&
           order->side <= ARB_SIDE_SELL;
}

static inline bool arb_risk_has_tokens(const arb_risk_t *risk, int64_t orders)
{
    return risk->token_ns >= arb_risk_limit(&risk->limits.order_cost_ns) * orders;
}

static inline arb_risk_reason_t arb_risk_check_words(const arb_risk_t *risk,
                                                     const arb_risk_order_t *order)
{
    if (arb_risk_is_raised(risk->kill))
        return ARB_RISK_KILLED;
    if (arb_risk_is_closed(risk))
        return ARB_RISK_OPENING_OFF;
    if (arb_risk_is_paused(risk, order->symbol_index))
        return ARB_RISK_PAUSED;
    if (risk->pair_open[order->symbol_index] && !order->completes)
        return ARB_RISK_PAIR_OPEN;
    return arb_risk_day_is_lost(risk, order->wall_ns) ? ARB_RISK_DAY_LOSS : ARB_RISK_OK;
}

static inline arb_risk_reason_t arb_risk_check_book(const arb_risk_t *risk,
                                                    const arb_risk_order_t *order,
                                                    int64_t now_mono_ns)
{
    const arb_risk_limits_t *limits = &risk->limits;
    if (order->row_state != ARB_ROW_LIVE)
        return ARB_RISK_NOT_LIVE;
    if (now_mono_ns - order->book_recv_mono_ns >
        arb_risk_limit(&limits->book_age_ns_max[order->venue]))
        return ARB_RISK_STALE_BOOK;
    if (order->signal_mono_ns != 0 &&
        now_mono_ns - order->signal_mono_ns > arb_risk_limit(&limits->signal_age_ns_max))
        return ARB_RISK_STALE_SIGNAL;
    return ARB_RISK_OK;
}

static inline int64_t arb_risk_apart(int64_t one, int64_t other)
{
    return one > other ? one - other : other - one;
}

/* An entry's limit against both mids, and the mids against each other. A mid that is missing, 0, is
 * beyond any distance. */
static inline arb_risk_reason_t arb_risk_check_prices(const arb_risk_t *risk,
                                                      const arb_risk_order_t *order)
{
    const int64_t own = order->mid_pico[0], other = order->mid_pico[1];
    const int64_t band = arb_risk_limit(&risk->limits.entry_band_ppm_max);
    const int64_t basis = arb_risk_limit(&risk->limits.basis_ppm_max);
    if (band != ARB_RISK_OFF &&
        (arb_risk_is_beyond(arb_risk_apart(order->limit_pico, own), own, band) ||
         arb_risk_is_beyond(arb_risk_apart(order->limit_pico, other), other, band)))
        return ARB_RISK_PRICE_BAND;
    if (basis == ARB_RISK_OFF)
        return ARB_RISK_OK;
    if (arb_risk_is_beyond(arb_risk_apart(own, other), own < other ? own : other, basis))
        return ARB_RISK_BASIS;
    return order->basis_average_ppm > basis ? ARB_RISK_BASIS_AVERAGE : ARB_RISK_OK;
}

/* What the order adds, beside what stands already. The other leg is of the same symbol,
 * elsewhere. */
static inline arb_risk_reason_t arb_risk_check_money(const arb_risk_t *risk,
                                                     const arb_risk_order_t *order,
                                                     int64_t other_micro)
{
    const arb_risk_limits_t *limits = &risk->limits;
    const int64_t adds = order->notional_micro;
    if (adds > arb_risk_limit(&limits->order_micro_max))
        return ARB_RISK_ORDER_NOTIONAL;
    if (adds > arb_risk_limit(&limits->position_micro_max) - risk->exposure_micro[order->row])
        return ARB_RISK_POSITION_NOTIONAL;
    if (adds + other_micro >
        arb_risk_limit(&limits->symbol_micro_max) - risk->symbol_micro[order->symbol_index])
        return ARB_RISK_SYMBOL_NOTIONAL;
    if (adds > arb_risk_limit(&limits->venue_micro_max) - risk->venue_micro[order->venue])
        return ARB_RISK_VENUE_NOTIONAL;
    if (adds + other_micro > arb_risk_limit(&limits->gross_micro_max) - risk->gross_micro)
        return ARB_RISK_GROSS_NOTIONAL;
    if (order->completes) /* it makes less of what the next two are about */
        return ARB_RISK_OK;
    if (risk->symbol_one_sided_micro[order->symbol_index] >
        arb_risk_limit(&limits->one_sided_symbol_micro_max))
        return ARB_RISK_ONE_SIDED_SYMBOL;
    return risk->one_sided_micro > arb_risk_limit(&limits->one_sided_micro_max) ? ARB_RISK_ONE_SIDED
                                                                                : ARB_RISK_OK;
}

/* An exit's limit may be worse than the mid that suits it better by so much: a venue that has run
 * away from the other one can still be left. What no mid is known for cannot be judged, and must be
 * left, too. */
static inline bool arb_risk_exit_is_wild(const arb_risk_t *risk, const arb_risk_order_t *order)
{
    const int64_t own = order->mid_pico[0], other = order->mid_pico[1];
    const int64_t band = arb_risk_limit(&risk->limits.exit_band_ppm_max);
    int64_t mid = own > 0 ? own : other;
    if (own > 0 && other > 0)
        mid = (order->side == ARB_SIDE_BUY) == (own > other) ? own : other;
    if (band == ARB_RISK_OFF || mid <= 0)
        return false;
    const int64_t worse =
        order->side == ARB_SIDE_BUY ? order->limit_pico - mid : mid - order->limit_pico;
    return worse > 0 && arb_risk_is_beyond(worse, mid, band);
}

/* The gate itself. other_micro: what the other leg of the same decision adds to its symbol and to
 * the gross; orders: how many orders the whole decision sends. Takes nothing: see arb_risk_take. */
static inline arb_risk_reason_t arb_risk_check(arb_risk_t *risk, const arb_risk_order_t *order,
                                               int64_t other_micro, int64_t orders,
                                               int64_t now_mono_ns)
{
    if (!arb_risk_is_sane(order) || other_micro < 0 || other_micro >= ARB_RISK_AMOUNT_BOUND)
        return ARB_RISK_BAD_ORDER;
    arb_risk_refill(risk, now_mono_ns);
    if (order->reduce_only) {
        if (arb_risk_is_silent(risk))
            return ARB_RISK_KILLED;
        if (arb_risk_exit_is_wild(risk, order))
            return ARB_RISK_PRICE_BAND;
        return arb_risk_has_tokens(risk, orders) ? ARB_RISK_OK : ARB_RISK_ORDER_RATE;
    }
    arb_risk_reason_t reason = arb_risk_check_words(risk, order);
    if (reason == ARB_RISK_OK)
        reason = arb_risk_check_book(risk, order, now_mono_ns);
    if (reason == ARB_RISK_OK)
        reason = arb_risk_check_prices(risk, order);
    if (reason == ARB_RISK_OK)
        reason = arb_risk_check_money(risk, order, other_micro);
    if (reason != ARB_RISK_OK)
        return reason;
    return arb_risk_has_tokens(risk, orders + arb_risk_limit(&risk->limits.orders_kept_for_exits))
               ? ARB_RISK_OK
               : ARB_RISK_ORDER_RATE;
}

/* Both entry legs or neither. */
static inline arb_risk_reason_t arb_risk_check_pair(arb_risk_t *risk, const arb_risk_order_t *buy,
                                                    const arb_risk_order_t *sell,
                                                    int64_t now_mono_ns)
{
    arb_risk_reason_t reason = arb_risk_check(risk, buy, sell->notional_micro, 2, now_mono_ns);
    return reason != ARB_RISK_OK ? reason
                                 : arb_risk_check(risk, sell, buy->notional_micro, 2, now_mono_ns);
}

/* ---- what it is told ------------------------------------------------------------------------- */

/* Take one order's token, after a check that passed. */
static inline void arb_risk_take(arb_risk_t *risk)
{
    risk->token_ns -= arb_risk_limit(&risk->limits.order_cost_ns);
}

/* State what a row now stands for: open entry orders and position, micro-dollars. 0: nothing. */
static inline void arb_risk_set_exposure(arb_risk_t *risk, uint32_t row, uint32_t venue,
                                         uint32_t symbol_index, int64_t exposure_micro)
{
    int64_t change_micro = exposure_micro - risk->exposure_micro[row];
    risk->gross_micro += change_micro;
    risk->venue_micro[venue] += change_micro;
    risk->symbol_micro[symbol_index] += change_micro;
    risk->exposure_micro[row] = exposure_micro;
}

/* State what stands of a symbol without its other leg, micro-dollars. 0: it is hedged, or nothing
 * stands. */
static inline void arb_risk_set_one_sided(arb_risk_t *risk, uint32_t symbol_index,
                                          int64_t one_sided_micro)
{
    risk->one_sided_micro += one_sided_micro - risk->symbol_one_sided_micro[symbol_index];
    risk->symbol_one_sided_micro[symbol_index] = one_sided_micro;
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
