/* Depth walk: what a quantity costs beyond the touch, and how much of it still pays.
 *
 *   buy side   asks, best first     touch | ladder levels behind it
 *   sell side  bids, best first     touch | ladder levels behind it
 *
 * Both sides are walked together, the best left of one against the best left of the other. Each
 * slice has an edge of its own,
 *
 *   edge_bps = (its bid - its ask) / touch ask * 1e4
 *
 * that falls from slice to slice; the walk ends where it no longer exceeds the floor (what fees,
 * funding and thresholds ask for). So the quantity taken is the largest whose marginal net edge is
 * still positive. The touch itself was judged before and is always taken.
 *
 *   slippage_bps = sum of slice * ((its ask - touch ask) + (touch bid - its bid)) / taken
 *                  / touch ask * 1e4
 *
 * so that edge at the touch minus slippage is the edge of the whole quantity. The touch comes from
 * the store, which the detector wrote; a ladder may be newer or older: of it, only levels strictly
 * worse than the touch count. Without a ladder a side is its touch.
 *
 * Threads: pure functions of their arguments. Cost: at most 2 * ARB_WALK_LEVELS slices.
 */
#ifndef ARB_DEPTH_WALK_H
#define ARB_DEPTH_WALK_H

#include "market_store.h"

enum { ARB_WALK_LEVELS = ARB_LADDER_LEVELS + 1 };

typedef struct arb_walk_side {
    uint32_t count;
    double venue_px[ARB_WALK_LEVELS];
    double px[ARB_WALK_LEVELS];   /* common quotation */
    double base[ARB_WALK_LEVELS]; /* base units */
} arb_walk_side_t;

typedef struct arb_walk {
    double base;         /* base units taken */
    double left;         /* of those wanted; 0: all could be taken */
    double slippage_bps; /* of those taken, beyond the touch */
    double buy_px;       /* worst prices taken, venue quotations */
    double sell_px;
} arb_walk_t;

/* Begin a side with its touch. */
static inline void arb_walk_touch(arb_walk_side_t *side, const arb_market_store_t *store,
                                  uint32_t row, double touch_px, double touch_qty)
{
    side->count = 1;
    side->venue_px[0] = touch_px;
    side->px[0] = touch_px * arb_store_px_mult(store)[row];
    side->base[0] = touch_qty * arb_store_qty_mult(store)[row];
}

/* Add what lies behind the touch, of a ladder as it was read. */
static inline void arb_walk_add(arb_walk_side_t *side, const arb_market_store_t *store,
                                uint32_t row, uint32_t depth_side, const arb_ladder_view_t *view)
{
    double px_mult = arb_store_px_mult(store)[row], qty_mult = arb_store_qty_mult(store)[row];
    for (uint32_t index = 0; index < view->count[depth_side]; index++) {
        const arb_level_t *level = &view->levels[depth_side][index];
        if (!arb_level_better(depth_side, side->venue_px[side->count - 1], level->px))
            continue;
        side->venue_px[side->count] = level->px;
        side->px[side->count] = level->px * px_mult;
        side->base[side->count] = level->qty * qty_mult;
        side->count++;
    }
}

/* Add what lies behind the touch by now. false: the row has no ladder. */
static inline bool arb_walk_deepen(arb_walk_side_t *side, const arb_market_store_t *store,
                                   uint32_t row, uint32_t depth_side)
{
    arb_ladder_view_t view;
    if (!arb_store_read_ladder(store, row, &view))
        return false;
    arb_walk_add(side, store, row, depth_side, &view);
    return true;
}

/* Take at most wanted_base from both sides while it pays. */
static inline void arb_walk_both(const arb_walk_side_t *buy, const arb_walk_side_t *sell,
                                 double floor_bps, double wanted_base, arb_walk_t *out)
{
    double ask = buy->px[0], bid = sell->px[0], cost = 0;
    double buy_left = buy->base[0], sell_left = sell->base[0];
    uint32_t at_buy = 0, at_sell = 0;
    *out = (arb_walk_t){0, wanted_base, 0, buy->venue_px[0], sell->venue_px[0]};
    while (out->left > 0) {
        double edge_bps = (sell->px[at_sell] - buy->px[at_buy]) / ask * 1e4;
        if (at_buy + at_sell > 0 && !(edge_bps > floor_bps))
            break;
        double slice = buy_left < sell_left ? buy_left : sell_left;
        slice = slice < out->left ? slice : out->left;
        if (!(slice >= 0)) /* NaN: how much there is, is not known */
            break;
        if (slice > wanted_base * 1e-9) { /* else emptied by us, or left over by rounding */
            out->buy_px = buy->venue_px[at_buy];
            out->sell_px = sell->venue_px[at_sell];
        }
        out->base += slice;
        out->left -= slice;
        cost += slice * ((buy->px[at_buy] - ask) + (bid - sell->px[at_sell]));
        buy_left -= slice;
        sell_left -= slice;
        if (!(buy_left > 0)) {
            if (++at_buy == buy->count)
                break;
            buy_left = buy->base[at_buy];
        }
        if (!(sell_left > 0)) {
            if (++at_sell == sell->count)
                break;
            sell_left = sell->base[at_sell];
        }
    }
    if (out->base > 0)
        out->slippage_bps = cost / out->base / ask * 1e4;
}

#endif
