/* Pair reserve: what our own orders may have taken from a book that has not said so yet.
 *
 * An order that left is taken to consume what it asked for, best price first, until the row's next
 * book update that was received after it left: then the book itself says what is there. Until then
 * that quantity is subtracted wherever a size is worked out, from the touch first, then from the
 * levels behind it, so that no depth is counted twice.
 *
 *   order leaves ---- reserved ---- update received ---- free
 *
 * Reserved by row and side of the order: a buy takes asks, a sale bids. Orders that leave before
 * that update add up; an update between two of them frees what the first had reserved as soon as
 * the second leaves.
 *
 * Threads: the strategy's.
 */
#ifndef ARB_PAIR_RESERVE_H
#define ARB_PAIR_RESERVE_H

#include "pair.h" /* first: it asks the system headers for clock_gettime */

#include "depth_walk.h"

/* Venue units that are reserved at a venue against orders of this side; updated_mono_ns: when the
 * quote was received from which they would be subtracted. */
static inline double arb_reserved_qty(const arb_pair_t *pair, uint32_t venue, uint8_t side,
                                      int64_t updated_mono_ns)
{
    const arb_reserve_t *reserve = &pair->reserves[venue][side];
    return updated_mono_ns > reserve->left_mono_ns ? 0 : reserve->qty;
}

/* Remember an order that just left. */
static inline void arb_reserve_order(const arb_market_store_t *store, arb_pair_t *pair,
                                     const arb_order_t *order, int64_t now_mono_ns)
{
    arb_reserve_t *reserve = &pair->reserves[order->venue][order->side];
    /* relaxed: only a time to compare; pairs with arb_store_apply_quote */
    int64_t updated_mono_ns = arb_load_relaxed(arb_store_recv_mono_ns(store) + order->row);
    reserve->qty = arb_reserved_qty(pair, order->venue, order->side, updated_mono_ns) +
                   (double)order->qty_lots * arb_store_qty_lot(store)[order->row];
    reserve->left_mono_ns = now_mono_ns;
}

/* Take base units away from a side, best level first. Its touch stays, emptied, so that edges are
 * still measured from there. */
static inline void arb_walk_reserve(arb_walk_side_t *side, double base)
{
    for (uint32_t index = 0; index < side->count && base > 0; index++) {
        double taken = base < side->base[index] ? base : side->base[index];
        side->base[index] -= taken;
        base -= taken;
    }
}

#endif
