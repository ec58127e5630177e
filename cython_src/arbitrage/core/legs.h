/* Legs: what is known of each order sent, and from that, what each leg of a pair holds.
 *
 * A leg is one venue's side of a pair. It has at most one order under way; the last few finished
 * ones are kept so that what a venue says late still finds its order. Quantity is conserved at
 * every event:
 *
 *     sent = filled + cancelled + open      open: not terminal; cancelled: terminal and not filled
 *
 * "Filled" is the larger of the fills summed and the venue's own cumulative count, so it never
 * falls and never depends on the order in which fills, acknowledgements and ends arrive. Lots known
 * from a count whose fill has not come yet are valued at the order's limit price and revalued when
 * it does. An order ends by DONE or REJECT and by nothing else: a timeout means unknown, and is
 * waited for.
 *
 * A fill that the venue made by itself (ARB_EXEC_VENUE) belongs to no order and changes the holding
 * at once.
 *
 * Threads: one, the strategy's. Limits: ARB_LEG_ORDERS orders remembered to a leg.
 */
#ifndef ARB_LEGS_H
#define ARB_LEGS_H

#include <stdbool.h>
#include <string.h>

#include "cacheline.h"
#include "records.h"

/* A fill of an order that is forgotten can no longer be counted: more tries than a venue's late
 * word may be overtaken by. */
enum { ARB_LEG_ORDERS = 16 };

typedef enum arb_sent_state {
    ARB_SENT_NONE = 0,    /* slot never used */
    ARB_SENT_LIVE = 1,    /* handed out */
    ARB_SENT_UNKNOWN = 2, /* timed out; the gateway asks the venue */
    ARB_SENT_DONE = 3     /* terminal */
} arb_sent_state_t;

typedef struct arb_sent_order {
    uint64_t client_id;
    int64_t sent_lots;
    int64_t filled_lots;    /* the larger of the two below, at most sent_lots */
    int64_t fill_sum_lots;  /* fills seen, summed */
    int64_t cum_lots;       /* largest cumulative count a venue stated */
    int64_t last_cum_lots;  /* count in the last fill; tells a repeat from a straggler */
    double limit_px;        /* venue quotation */
    uint8_t side;           /* arb_side_t */
    uint8_t state;          /* arb_sent_state_t */
    bool reduce_only;
    bool acked;
    bool final_known;       /* the end stated a count: fills beyond it are repeats */
    bool rejected;
} arb_sent_order_t;

typedef struct arb_pair_leg {
    arb_sent_order_t orders[ARB_LEG_ORDERS]; /* order_count % ARB_LEG_ORDERS is the next slot */
    uint32_t order_count;
    uint32_t row;
    uint8_t venue;
    uint8_t entry_side;
    uint8_t reject_streak;   /* rejects in a row, for the backoff */
    uint8_t exit_attempt;    /* next attempt number of this leg's exit or unwind ids */
    uint32_t try_count;      /* reduce-only orders of this pair so far: widens the slip */
    int64_t lots;            /* held, counted in the entry's direction; flat is 0 */
    int64_t retry_mono_ns;   /* no new order of this leg before then */
    double entry_lots, entry_value;  /* lots and sum of px * lots that brought the leg into its
                                      * direction */
    double exit_lots, exit_value;    /* likewise out of it */
    double px_tick;                  /* of the row: prices count in it */
    int64_t cash_tick_lots;          /* sum of ticks * lots sold less those bought: exact,
                                      * see arb_leg_account */
    double fee_value;                /* sum of px * lots * fee_bps,
                                      * all fills whose fee was stated */
    double fee_lots_value;           /* sum of px * lots behind fee_value */
    double last_bid, last_ask;       /* last quote seen of the row while it was live */
} arb_pair_leg_t;

typedef enum arb_leg_event {
    ARB_LEG_UNKNOWN_ORDER = 0, /* no order of this leg */
    ARB_LEG_DUPLICATE = 1,     /* nothing new */
    ARB_LEG_NOTED = 2,         /* sent, acknowledged, timed out, or a price made exact */
    ARB_LEG_FILLED = 3,        /* the leg holds another quantity than before */
    ARB_LEG_ENDED = 4          /* the order is over, with or without a change of quantity */
} arb_leg_event_t;

static inline arb_sent_order_t *arb_leg_current(arb_pair_leg_t *leg)
{
    return leg->order_count == 0 ? NULL : &leg->orders[(leg->order_count - 1) % ARB_LEG_ORDERS];
}

/* Whether an order of this leg is under way. */
static inline bool arb_leg_is_busy(const arb_pair_leg_t *leg)
{
    return leg->order_count != 0 &&
           leg->orders[(leg->order_count - 1) % ARB_LEG_ORDERS].state != ARB_SENT_DONE;
}

static inline int64_t arb_sent_open_lots(const arb_sent_order_t *order)
{
    return order->state == ARB_SENT_DONE ? 0 : order->sent_lots - order->filled_lots;
}

/* Lots of entry orders that may still fill. */
static inline int64_t arb_leg_open_entry_lots(const arb_pair_leg_t *leg)
{
    if (!arb_leg_is_busy(leg))
        return 0;
    const arb_sent_order_t *order = &leg->orders[(leg->order_count - 1) % ARB_LEG_ORDERS];
    return order->reduce_only ? 0 : arb_sent_open_lots(order);
}

/* Slots that were ever used: those behind them are still zero, and need not be looked at. */
static inline uint32_t arb_leg_slots_used(const arb_pair_leg_t *leg)
{
    return leg->order_count < ARB_LEG_ORDERS ? leg->order_count : ARB_LEG_ORDERS;
}

/* Make a leg new. A pair begins on the way to an order: lines that are zero stay untouched. */
static inline void arb_leg_clear(arb_pair_leg_t *leg)
{
    memset(leg->orders, 0, arb_leg_slots_used(leg) * sizeof leg->orders[0]);
    memset(&leg->order_count, 0, sizeof *leg - offsetof(arb_pair_leg_t, order_count));
}

/* Whether every fill behind the leg's counts has been seen, so that its prices are exact. */
static inline bool arb_leg_is_settled(const arb_pair_leg_t *leg)
{
    for (uint32_t slot = 0; slot < arb_leg_slots_used(leg); slot++)
        if (leg->orders[slot].fill_sum_lots < leg->orders[slot].filled_lots)
            return false;
    return true;
}

static inline arb_sent_order_t *arb_leg_find(arb_pair_leg_t *leg, uint64_t client_id)
{
    for (uint32_t slot = 0; slot < arb_leg_slots_used(leg); slot++)
        if (leg->orders[slot].client_id == client_id && leg->orders[slot].state != ARB_SENT_NONE)
            return &leg->orders[slot];
    return NULL;
}

/* Remember an order that is about to leave. The leg must not be busy. */
static inline arb_sent_order_t *arb_leg_add_order(arb_pair_leg_t *leg, const arb_order_t *order,
                                                  double limit_px)
{
    arb_sent_order_t *slot = &leg->orders[leg->order_count++ % ARB_LEG_ORDERS];
    memset(slot, 0, sizeof *slot);
    slot->client_id = order->client_id;
    slot->sent_lots = order->qty_lots;
    slot->last_cum_lots = -1;
    slot->limit_px = limit_px;
    slot->side = order->side;
    slot->state = ARB_SENT_LIVE;
    slot->reduce_only = (order->flags & ARB_ORDER_REDUCE_ONLY) != 0;
    return slot;
}

/* A price in whole ticks; 0 when it is none, or no row's. */
static inline int64_t arb_leg_ticks(const arb_pair_leg_t *leg, double px)
{
    double ticks = px / leg->px_tick;
    return ticks > 0 && ticks < 1e15 ? (int64_t)(ticks + 0.5) : 0;
}

/* Put lots at px into the leg's entry or exit account, and into its cash. Ticks times lots of one
 * order stay below 2^63: neither its price nor its quantity comes near 2^31 on any grid. */
static inline void arb_leg_account(arb_pair_leg_t *leg, bool is_exit, uint8_t side, int64_t lots,
                                   double px)
{
    double *lots_total = is_exit ? &leg->exit_lots : &leg->entry_lots;
    double *value_total = is_exit ? &leg->exit_value : &leg->entry_value;
    *lots_total += (double)lots;
    *value_total += px * (double)lots;
    /* unsigned: wraps, never traps */
    uint64_t cash = (uint64_t)arb_leg_ticks(leg, px) * (uint64_t)lots;
    leg->cash_tick_lots =
        (int64_t)((uint64_t)leg->cash_tick_lots + (side == ARB_SIDE_SELL ? cash : -cash));
}

/* Lots that were counted at one price turn out to have traded at another. */
static inline void arb_leg_revalue(arb_pair_leg_t *leg, const arb_sent_order_t *order, int64_t lots,
                                   double px)
{
    arb_leg_account(leg, order->reduce_only, order->side, lots, px);
    arb_leg_account(leg, order->reduce_only, order->side, -lots, order->limit_px);
}

static inline void arb_leg_pay_fee(arb_pair_leg_t *leg, const arb_exec_t *exec, double px)
{
    if (exec->fee_bps != exec->fee_bps) /* NaN: not stated */
        return;
    leg->fee_value += px * (double)exec->last_qty_lots * (double)exec->fee_bps;
    leg->fee_lots_value += px * (double)exec->last_qty_lots;
}

/* Raise an order's filled lots to at least lots; true when the leg's holding changed. */
static inline bool arb_leg_raise(arb_pair_leg_t *leg, arb_sent_order_t *order, int64_t lots,
                                 double px)
{
    if (lots > order->sent_lots)
        lots = order->sent_lots;
    int64_t more = lots - order->filled_lots;
    if (more <= 0)
        return false;
    order->filled_lots = lots;
    leg->lots += order->side == leg->entry_side ? more : -more;
    arb_leg_account(leg, order->reduce_only, order->side, more, px);
    return true;
}

/* One fill. The venue's count, where stated, decides what is new; else the fill's own quantity
 * does. */
static inline arb_leg_event_t arb_leg_on_fill(arb_pair_leg_t *leg, arb_sent_order_t *order,
                                              const arb_exec_t *exec)
{
    int64_t last = exec->last_qty_lots, cum = exec->cum_qty_lots;
    int64_t sum = order->fill_sum_lots + last;
    int64_t owed = order->filled_lots - order->fill_sum_lots; /* counted before their fills came */
    if (last <= 0 || sum > order->sent_lots)
        return ARB_LEG_DUPLICATE;
    if (cum >= 0 && cum <= order->cum_lots && (cum == order->last_cum_lots || last > owed))
        return ARB_LEG_DUPLICATE;
    if (cum < 0 && order->final_known && last > owed)
        return ARB_LEG_DUPLICATE;
    double px = exec->px > 0 ? exec->px : order->limit_px;
    int64_t known = sum > cum ? sum : cum;
    /* of this fill, what was owed is revalued from the limit price; what skipped ahead is owed
     * anew */
    int64_t counted = known - order->filled_lots;
    int64_t fresh = counted < 0 ? 0 : counted > last ? last : counted;
    int64_t revalued = last - fresh;
    order->fill_sum_lots = sum;
    order->last_cum_lots = cum;
    if (cum > order->cum_lots)
        order->cum_lots = cum;
    arb_leg_revalue(leg, order, revalued, px);
    bool moved = arb_leg_raise(leg, order, order->filled_lots + fresh, px);
    moved |= arb_leg_raise(leg, order, known, order->limit_px);
    arb_leg_pay_fee(leg, exec, px);
    return moved ? ARB_LEG_FILLED : ARB_LEG_NOTED;
}

static inline arb_leg_event_t arb_leg_on_end(arb_pair_leg_t *leg, arb_sent_order_t *order,
                                             const arb_exec_t *exec)
{
    bool ended = order->state == ARB_SENT_DONE;
    int64_t cum = exec->kind == ARB_EXEC_DONE ? exec->cum_qty_lots : 0;
    bool moved = cum >= 0 && arb_leg_raise(leg, order, cum, order->limit_px);
    if (cum > order->cum_lots)
        order->cum_lots = cum;
    if (exec->kind == ARB_EXEC_DONE && cum >= 0)
        order->final_known = true;
    if (ended)
        return moved ? ARB_LEG_FILLED : ARB_LEG_DUPLICATE;
    order->state = ARB_SENT_DONE;
    order->rejected = exec->kind == ARB_EXEC_REJECT;
    return ARB_LEG_ENDED;
}

enum { ARB_VENUE_FILL_LOTS_MAX = 1 << 30 };

/* A fill without an order of ours. What the venue took or gave is now what the leg holds. false: no
 * fill. */
static inline bool arb_leg_on_venue_fill(arb_pair_leg_t *leg, const arb_exec_t *exec)
{
    int64_t lots = exec->last_qty_lots;
    if (lots <= 0 || lots > ARB_VENUE_FILL_LOTS_MAX ||
        (exec->side != ARB_SIDE_BUY && exec->side != ARB_SIDE_SELL))
        return false;
    double average =
        leg->entry_lots > 0 ? leg->entry_value / leg->entry_lots : leg->orders[0].limit_px;
    double px = exec->px > 0 ? exec->px : average;
    bool is_exit = exec->side != leg->entry_side;
    leg->lots += is_exit ? -lots : lots;
    arb_leg_account(leg, is_exit, exec->side, lots, px);
    arb_leg_pay_fee(leg, exec, px);
    return true;
}

/* Apply what a venue said of an order; with arb_leg_on_venue_fill, the only place where a leg
 * changes. */
static inline arb_leg_event_t arb_leg_on_exec(arb_pair_leg_t *leg, const arb_exec_t *exec)
{
    arb_sent_order_t *order = arb_leg_find(leg, exec->client_id);
    if (order == NULL)
        return ARB_LEG_UNKNOWN_ORDER;
    switch ((arb_exec_kind_t)exec->kind) {
    case ARB_EXEC_ACK:
        if (order->acked)
            return ARB_LEG_DUPLICATE;
        order->acked = true;
        return ARB_LEG_NOTED;
    case ARB_EXEC_FILL:
        return arb_leg_on_fill(leg, order, exec);
    case ARB_EXEC_DONE:
    case ARB_EXEC_REJECT:
        return arb_leg_on_end(leg, order, exec);
    case ARB_EXEC_TIMEOUT:
        if (order->state != ARB_SENT_DONE)
            order->state = ARB_SENT_UNKNOWN;
        return ARB_LEG_NOTED;
    case ARB_EXEC_SENT:
    case ARB_EXEC_VENUE:
    case ARB_EXEC_KIND_COUNT:
        break;
    }
    return ARB_LEG_NOTED;
}

#endif
