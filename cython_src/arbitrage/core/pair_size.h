/* Pair size: how many steps of the common grid to enter with, and down to which prices.
 *
 * The size is the largest that the budget, the contracts and the books allow. Where depth is known
 * (depth_walk.h) a book allows what still pays on the margin, and each leg's price is the worst
 * that the size needs; else it allows the touch. Either way the book must hold depth_factor times
 * our size, beyond what our own recent orders may have taken (pair_reserve.h).
 *
 * Threads: the strategy's.
 */
#ifndef ARB_PAIR_SIZE_H
#define ARB_PAIR_SIZE_H

#include "pair_reserve.h"
#include "risk_room.h"

/* What to enter with. */
typedef struct arb_pair_plan {
    int64_t steps; /* of the common grid; 0: too small for a limit, a grid or a book */
    double px[2];  /* worst price that each leg needs, venue quotation; the touch without depth */
} arb_pair_plan_t;

/* Add what lies behind the touch by now; what is read for it is told where that is recorded. false:
 * the row has no ladder. */
static inline bool arb_strategy_deepen(const arb_strategy_t *strat, arb_walk_side_t *side,
                                       uint32_t row, uint32_t depth_side)
{
    const arb_market_store_t *store = strat->wire.store;
    const arb_ladder_t *ladder = arb_store_ladder(store, row);
    if (ARB_LIKELY(strat->wire.decisions == NULL) || ladder == NULL)
        return arb_walk_deepen(side, store, row, depth_side);
    arb_ladder_view_t view;
    uint64_t version = 0;
    bool found = arb_ladder_read_version(ladder, &view, &version);
    arb_decisions_put_ladder(strat->wire.decisions, row, version, &view, 0);
    if (found)
        arb_walk_add(side, store, row, depth_side, &view);
    return found;
}

/* What the gate's limits of money leave for each leg. */
static inline arb_risk_room_t arb_pair_room(const arb_strategy_t *strat, const uint32_t rows[2])
{
    const uint32_t capacity = strat->config.symbol_capacity;
    const uint32_t venues[2] = {rows[0] / capacity, rows[1] / capacity};
    return arb_risk_pair_room(strat->wire.risk, rows[0] % capacity, rows, venues);
}

/* What one leg may cost: the wanted size, or what the gate's limits leave room for. */
static inline double arb_pair_budget_usd(const arb_strategy_t *strat, const uint32_t rows[2])
{
    double budget = (double)arb_pair_room(strat, rows).micro / ARB_RISK_MICRO;
    return strat->wanted_usd < budget ? strat->wanted_usd : budget;
}

/* Base units that the budget pays for at the dearer of both limits: neither leg may pass a limit
 * that the size was made to fit. */
static inline double arb_pair_affordable(const arb_strategy_t *strat, const uint32_t rows[2],
                                         double ask, double bid)
{
    const arb_market_store_t *store = strat->wire.store;
    double dearest = (ask > bid ? ask : bid) * (1 + strat->config.entry_slip_bps * 1e-4);
    dearest +=
        arb_store_px_tick(store)[rows[ARB_PAIR_BUY]] * arb_store_px_mult(store)[rows[ARB_PAIR_BUY]];
    return arb_pair_budget_usd(strat, rows) / dearest;
}

/* Steps in so many base units, as far as both contracts take them in one order. */
static inline int64_t arb_pair_steps(const arb_strategy_t *strat, const arb_strategy_symbol_t *grid,
                                     const uint32_t rows[2], double base)
{
    const arb_market_store_t *store = strat->wire.store;
    if (!(base > 0)) /* NaN: a side has no quote */
        return 0;
    double steps_wide = base / grid->step_base * (1 + 1e-12) + 1e-9;
    int64_t steps = steps_wide < 9e15 ? (int64_t)steps_wide : 0;
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        uint32_t row = rows[leg_index];
        int64_t step_lots = grid->step_lots[row / store->symbol_capacity];
        int64_t max_lots = arb_store_max_lots(store)[row];
        if (step_lots <= 0)
            return 0;
        if (max_lots > 0 && steps > max_lots / step_lots)
            steps = max_lots / step_lots;
    }
    return steps;
}

/* Do both venues take orders as small as this? */
static inline bool arb_pair_takes(const arb_strategy_t *strat, const arb_strategy_symbol_t *grid,
                                  const uint32_t rows[2], const arb_top_view_t tops[2],
                                  int64_t steps)
{
    const arb_market_store_t *store = strat->wire.store;
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        uint32_t row = rows[leg_index];
        int64_t lots = steps * grid->step_lots[row / store->symbol_capacity];
        double px = leg_index == ARB_PAIR_BUY ? tops[leg_index].ask_px : tops[leg_index].bid_px;
        double notional =
            px * arb_store_px_mult(store)[row] * (double)lots * arb_row_lot_base(store, row);
        if (lots < arb_store_min_lots(store)[row] || notional < arb_store_min_notional(store)[row])
            return false;
    }
    return true;
}

/* Base units that both books hold for us, depth_factor times over, at no worse than floor_bps;
 * *walk: what they cost. */
static inline double arb_pair_walk(const arb_strategy_t *strat, const uint32_t rows[2],
                                   const arb_walk_side_t sides[2], double floor_bps,
                                   arb_walk_t *walk)
{
    const arb_walk_side_t *buy = &sides[ARB_PAIR_BUY], *sell = &sides[ARB_PAIR_SELL];
    double wanted = arb_pair_affordable(strat, rows, buy->px[0], sell->px[0]), base;
    arb_walk_both(buy, sell, floor_bps, wanted * strat->config.depth_factor, walk);
    base = walk->base / strat->config.depth_factor;
    base = wanted < base ? wanted : base;
    /* deeper asks are dearer: what is affordable there is less, and needs no deeper ones */
    arb_walk_both(buy, sell, floor_bps, base, walk);
    double deepest = walk->buy_px * arb_store_px_mult(strat->wire.store)[rows[ARB_PAIR_BUY]];
    wanted = arb_pair_affordable(strat, rows, deepest, sell->px[0]);
    return wanted < base ? wanted : base;
}

/* Plan an entry at these quotes; floor_bps: the gross edge that each slice beyond the touch must
 * exceed. */
static inline arb_pair_plan_t arb_pair_size(const arb_strategy_t *strat, uint32_t symbol_index,
                                            const uint32_t rows[2], const arb_top_view_t tops[2],
                                            double floor_bps)
{
    const arb_market_store_t *store = strat->wire.store;
    const arb_strategy_symbol_t *grid = &strat->wire.symbols[symbol_index];
    arb_pair_plan_t plan = {0, {tops[ARB_PAIR_BUY].ask_px, tops[ARB_PAIR_SELL].bid_px}};
    arb_walk_side_t sides[2];
    arb_walk_t walk;
    double base;
    if (!(grid->step_base > 0))
        return plan;
    arb_walk_touch(&sides[ARB_PAIR_BUY], store, rows[ARB_PAIR_BUY], plan.px[ARB_PAIR_BUY],
                   tops[ARB_PAIR_BUY].ask_qty);
    arb_walk_touch(&sides[ARB_PAIR_SELL], store, rows[ARB_PAIR_SELL], plan.px[ARB_PAIR_SELL],
                   tops[ARB_PAIR_SELL].bid_qty);
    const double *qty_mult = arb_store_qty_mult(store);
    const arb_pair_t *pair = &strat->pairs[symbol_index];
    bool deep = arb_strategy_deepen(strat, &sides[ARB_PAIR_BUY], rows[ARB_PAIR_BUY], ARB_DEPTH_ASK);
    deep |= arb_strategy_deepen(strat, &sides[ARB_PAIR_SELL], rows[ARB_PAIR_SELL], ARB_DEPTH_BID);
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        uint8_t side = leg_index == ARB_PAIR_BUY ? ARB_SIDE_BUY : ARB_SIDE_SELL;
        double qty = arb_reserved_qty(pair, rows[leg_index] / store->symbol_capacity, side,
                                      tops[leg_index].recv_mono_ns);
        arb_walk_reserve(&sides[leg_index], qty * qty_mult[rows[leg_index]]);
    }
    if (deep) {
        base = arb_pair_walk(strat, rows, sides, floor_bps, &walk);
    } else {
        double buy_depth = sides[ARB_PAIR_BUY].base[0], sell_depth = sides[ARB_PAIR_SELL].base[0];
        double depth =
            (buy_depth < sell_depth ? buy_depth : sell_depth) / strat->config.depth_factor;
        base =
            arb_pair_affordable(strat, rows, sides[ARB_PAIR_BUY].px[0], sides[ARB_PAIR_SELL].px[0]);
        base = base < depth ? base : depth;
    }
    int64_t steps = arb_pair_steps(strat, grid, rows, base);
    if (steps <= 0 || !arb_pair_takes(strat, grid, rows, tops, steps))
        return plan;
    plan.steps = steps;
    if (deep) {
        arb_walk_both(&sides[ARB_PAIR_BUY], &sides[ARB_PAIR_SELL], floor_bps,
                      (double)steps * grid->step_base, &walk);
        plan.px[ARB_PAIR_BUY] = walk.buy_px;
        plan.px[ARB_PAIR_SELL] = walk.sell_px;
    }
    return plan;
}

#endif
