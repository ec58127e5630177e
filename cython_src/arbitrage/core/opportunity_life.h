/* Directed pairs: when buying at one venue and selling at another becomes, stays and stops being an
 * opportunity. One tick in, at most ARB_DETECTOR_EVENTS_MAX events out; detector.h feeds and
 * publishes.
 *
 * A directed pair of a symbol is (buy venue, sell venue). Its slot is one cache line: the open
 * life, if any, and the factor of the division-free question (spread.h) with thresholds, fees,
 * funding and both price multipliers folded in. Most ticks end at that question; the exact
 * arithmetic decides the rest:
 *
 *   gross_bps = (bid - ask) / ask * 1e4                         in the common quotation
 *   net_bps   = gross_bps - fees_bps - slippage_bps + funding_bps
 *   slippage_bps is what a position pays beyond the touch, where depth is known (depth_walk.h)
 *   open when net and gross reach their thresholds and all gates hold; UPDATE when that ask or that
 *   bid changes while open; CLOSE at the first gate that fails, in the order of arb_life_judge.
 *
 * Threads: everything here belongs to the detector thread; other threads read the store by seqlock.
 * Memory: arb_detector_state_bytes, given by the owner. Limits: records.h; costs do not depend on
 * the number of symbols.
 */
#ifndef ARB_OPPORTUNITY_LIFE_H
#define ARB_OPPORTUNITY_LIFE_H

#include "decision_tell.h"
#include "depth_walk.h"
#include "row_silence.h"

/* ---- the life of a pair ---------------------------------------------------------------------- */

/* What moved: a tick, or the clock alone. */
typedef struct arb_life_cause {
    int64_t now_mono_ns; /* of the tick, or of the sweep */
    uint32_t row;        /* that moved */
    uint32_t parsed_ns;
} arb_life_cause_t;

typedef struct arb_life_quote {
    uint32_t buy_row, sell_row;
    double ask_px, bid_px;       /* venues' quotations */
    double ask, bid;             /* common quotation */
    double gross_bps, net_bps, funding_bps, slippage_bps;
    bool walked;                 /* a ladder was known: */
    bool deep;                   /* and what still pays holds depth_factor positions */
} arb_life_quote_t;

static inline bool arb_detector_leg_is_old(const arb_detector_t *det, uint32_t row,
                                           int64_t now_mono_ns)
{
    return now_mono_ns - det->recv_mono_ns[row] > det->config.max_age_ns;
}

/* Does each touch, or what still pays behind it, hold the wanted multiple of a position? */
static inline bool arb_detector_is_deep(const arb_detector_t *det, const arb_life_quote_t *quote)
{
    if (quote->walked)
        return quote->deep;
    double wanted_qty = det->wanted_notional / quote->ask;
    return det->ask_qty[quote->buy_row] * det->qty_mult[quote->buy_row] >= wanted_qty &&
           det->bid_qty[quote->sell_row] * det->qty_mult[quote->sell_row] >= wanted_qty;
}

/* ARB_CLOSE_NONE: an opportunity; else the first gate that fails. */
static inline arb_close_reason_t arb_life_judge(const arb_detector_t *det,
                                                const arb_life_quote_t *quote, int64_t now_mono_ns)
{
    const arb_detector_config_t *config = &det->config;
    if (det->state[quote->buy_row] != ARB_ROW_LIVE || det->state[quote->sell_row] != ARB_ROW_LIVE)
        return ARB_CLOSE_NOT_LIVE;
    if (!(quote->ask > 0.0 && quote->bid > 0.0))
        return ARB_CLOSE_PRICE_GONE;
    if (config->max_age_ns > 0 && (arb_detector_leg_is_old(det, quote->buy_row, now_mono_ns) ||
                                   arb_detector_leg_is_old(det, quote->sell_row, now_mono_ns)))
        return ARB_CLOSE_TOO_OLD;
    if (!(quote->net_bps >= config->min_net_bps && quote->gross_bps >= config->min_gross_bps))
        return ARB_CLOSE_EDGE_GONE;
    if (det->wanted_notional > 0.0 && !arb_detector_is_deep(det, quote))
        return ARB_CLOSE_THIN;
    if (config->min_confidence > 0.0 &&
        arb_detector_confidence(det, quote->buy_row, quote->sell_row, quote->gross_bps,
                                now_mono_ns) < config->min_confidence)
        return ARB_CLOSE_CONFIDENCE;
    return ARB_CLOSE_NONE;
}

static inline void arb_life_emit(arb_detector_t *det, arb_life_slot_t *slot,
                                 const arb_life_quote_t *quote, const arb_life_cause_t *cause,
                                 arb_opp_event_t event, arb_close_reason_t reason)
{
    uint32_t buy_row = quote->buy_row, sell_row = quote->sell_row;
    uint32_t other_row = cause->row == buy_row ? sell_row : buy_row;
    int64_t other_age_us = (cause->now_mono_ns - det->recv_mono_ns[other_row]) / 1000;
    double close_ask = det->ask_px[sell_row] * det->px_mult[sell_row];
    double close_bid = det->bid_px[buy_row] * det->px_mult[buy_row];
    slot->ask_px = quote->ask_px;
    slot->bid_px = quote->bid_px;
    det->events[det->event_count++] = (arb_opportunity_t){
        .id = slot->id,
        .recv_mono_ns = cause->now_mono_ns,
        .open_mono_ns = slot->open_mono_ns,
        .ask_px = quote->ask_px,
        .bid_px = quote->bid_px,
        .ask_qty = det->ask_qty[buy_row] * det->qty_mult[buy_row],
        .bid_qty = det->bid_qty[sell_row] * det->qty_mult[sell_row],
        .gross_bps = quote->gross_bps,
        .net_bps = quote->net_bps,
        .fees_bps = (float)slot->fees_bps,
        .slippage_bps = (float)quote->slippage_bps,
        .funding_bps = (float)quote->funding_bps,
        .close_bps = (float)arb_spread_bps(close_bid, close_ask),
        .peak_net_bps = (float)slot->peak_net_bps,
        .confidence = (float)arb_detector_confidence(det, buy_row, sell_row, quote->gross_bps,
                                                     cause->now_mono_ns),
        .parsed_ns = cause->parsed_ns,
        .other_age_us = (uint32_t)(other_age_us < 0            ? 0
                                   : other_age_us > UINT32_MAX ? UINT32_MAX
                                                               : other_age_us),
        .update_count = slot->update_count,
        .buy_row = (uint16_t)buy_row,
        .sell_row = (uint16_t)sell_row,
        .symbol_index = (uint16_t)(buy_row % det->symbol_capacity),
        .event = (uint8_t)event,
        .reason = (uint8_t)reason,
    };
}

/* The gross edge that a slice must exceed: what thresholds, fees and funding ask for. */
static inline double arb_life_floor_bps(const arb_detector_t *det, const arb_life_slot_t *slot,
                                        const arb_life_quote_t *quote)
{
    const arb_detector_config_t *config = &det->config;
    double needed_bps =
        config->min_net_bps + slot->fees_bps + config->slippage_bps - quote->funding_bps;
    return config->min_gross_bps > needed_bps ? config->min_gross_bps : needed_bps;
}

/* A row's ladder as this scan sees it; NULL: it has no levels. */
static inline const arb_ladder_view_t *arb_detector_ladder(arb_detector_t *det, uint32_t row)
{
    uint32_t venue = arb_detector_venue(det, row), bit = 1u << venue;
    arb_ladder_view_t *view = &det->ladders[venue];
    if ((det->ladders_read & bit) == 0) {
        uint64_t version = 0;
        const arb_ladder_t *ladder = arb_store_ladder(det->store, row);
        bool found = (det->decisions != NULL || !arb_ladder_is_blank(ladder)) &&
                     arb_ladder_read_version(ladder, view, &version);
        det->ladders_found = (det->ladders_found & ~bit) | (found ? bit : 0);
        det->ladders_read |= bit;
        det->has_depth |= found;
        if (ARB_UNLIKELY(det->decisions != NULL))
            arb_decisions_put_ladder(det->decisions, row, version, view, det->opened_count);
    }
    return (det->ladders_found & bit) != 0 ? view : NULL;
}

/* Walk both ladders for a position. Only candidates come here. */
static inline void arb_life_walk(arb_detector_t *det, const arb_life_slot_t *slot,
                                 arb_life_quote_t *quote)
{
    arb_walk_side_t buy, sell;
    arb_walk_t walk;
    double position = det->config.position_notional / quote->ask;
    const arb_ladder_view_t *buy_ladder = arb_detector_ladder(det, quote->buy_row);
    const arb_ladder_view_t *sell_ladder = arb_detector_ladder(det, quote->sell_row);
    if (buy_ladder == NULL && sell_ladder == NULL)
        return;
    arb_walk_touch(&buy, det->store, quote->buy_row, quote->ask_px, det->ask_qty[quote->buy_row]);
    arb_walk_touch(&sell, det->store, quote->sell_row, quote->bid_px,
                   det->bid_qty[quote->sell_row]);
    if (buy_ladder != NULL)
        arb_walk_add(&buy, det->store, quote->buy_row, ARB_DEPTH_ASK, buy_ladder);
    if (sell_ladder != NULL)
        arb_walk_add(&sell, det->store, quote->sell_row, ARB_DEPTH_BID, sell_ladder);
    double floor_bps = arb_life_floor_bps(det, slot, quote);
    arb_walk_both(&buy, &sell, floor_bps, position, &walk);
    quote->slippage_bps += walk.slippage_bps;
    quote->walked = true;
    if (det->wanted_notional != det->config.position_notional)
        arb_walk_both(&buy, &sell, floor_bps, det->wanted_notional / quote->ask, &walk);
    quote->deep = !(walk.left > 0);
}

static inline void arb_life_quote_fill(arb_detector_t *det, const arb_life_slot_t *slot,
                                       uint32_t buy_row, uint32_t sell_row, arb_life_quote_t *quote)
{
    quote->buy_row = buy_row;
    quote->sell_row = sell_row;
    quote->ask_px = det->ask_px[buy_row];
    quote->bid_px = det->bid_px[sell_row];
    quote->ask = quote->ask_px * det->px_mult[buy_row];
    quote->bid = quote->bid_px * det->px_mult[sell_row];
    quote->gross_bps = arb_spread_bps(quote->bid, quote->ask);
    quote->funding_bps = arb_detector_funding_bps(det, buy_row, sell_row);
    quote->slippage_bps = det->config.slippage_bps;
    quote->walked = quote->deep = false;
    if (det->config.position_notional > 0 && quote->ask > 0 && quote->bid > 0 &&
        det->store->ladders_offset != 0)
        arb_life_walk(det, slot, quote);
    quote->net_bps = quote->gross_bps - slot->fees_bps - quote->slippage_bps + quote->funding_bps;
}

static inline void arb_life_close(arb_detector_t *det, arb_life_slot_t *slot,
                                  const arb_life_quote_t *quote, const arb_life_cause_t *cause,
                                  arb_close_reason_t reason)
{
    arb_life_emit(det, slot, quote, cause, ARB_OPP_CLOSE, reason);
    slot->id = 0;
    arb_count(&det->counters->closed, 1);
    arb_count(&det->counters->close_reasons[reason], 1);
}

/* Decide one directed pair exactly and move its life on. */
static inline void arb_life_step(arb_detector_t *det, arb_life_slot_t *slot, uint32_t buy_row,
                                 uint32_t sell_row, const arb_life_cause_t *cause)
{
    arb_life_quote_t quote;
    arb_life_quote_fill(det, slot, buy_row, sell_row, &quote);
    arb_close_reason_t reason = arb_life_judge(det, &quote, cause->now_mono_ns);
    if (slot->id == 0) {
        if (reason != ARB_CLOSE_NONE)
            return;
        slot->id = ++det->opened_count;
        slot->open_mono_ns = cause->now_mono_ns;
        slot->peak_net_bps = quote.net_bps;
        slot->update_count = 0;
        arb_life_emit(det, slot, &quote, cause, ARB_OPP_OPEN, ARB_CLOSE_NONE);
        arb_count(&det->counters->opened, 1);
        return;
    }
    if (reason != ARB_CLOSE_NONE) {
        arb_life_close(det, slot, &quote, cause, reason);
        return;
    }
    if (quote.net_bps > slot->peak_net_bps)
        slot->peak_net_bps = quote.net_bps;
    if (quote.ask_px != slot->ask_px || quote.bid_px != slot->bid_px) {
        slot->update_count++;
        arb_life_emit(det, slot, &quote, cause, ARB_OPP_UPDATE, ARB_CLOSE_NONE);
        arb_count(&det->counters->updated, 1);
    }
}

/* ---- ticks ----------------------------------------------------------------------------------- */

/* Look at both directed pairs of the venue that moved with every other venue of the symbol; pairs
 * of two other venues have not moved. Lower venue first as the buyer, then the other way round. */
static inline void arb_detector_scan(arb_detector_t *det, uint32_t symbol, uint32_t venue,
                                     const arb_life_cause_t *cause)
{
    det->ladders_read = 0;
    for (uint32_t other = 0; other < det->venue_count; other++) {
        if (other == venue)
            continue;
        uint32_t low = other < venue ? other : venue, high = other < venue ? venue : other;
        uint32_t low_row = low * det->symbol_capacity + symbol;
        uint32_t high_row = high * det->symbol_capacity + symbol;
        arb_life_slot_t *buys_low = arb_detector_slot(det, symbol, low, high);
        arb_life_slot_t *buys_high = arb_detector_slot(det, symbol, high, low);
        /* branchless up to here: two questions, two lives, one test that nearly always says no */
        unsigned low_asks =
            arb_spread_may_pass(det->bid_px[high_row], det->ask_px[low_row], buys_low->factor);
        unsigned high_asks =
            arb_spread_may_pass(det->bid_px[low_row], det->ask_px[high_row], buys_high->factor);
        low_asks |= buys_low->id != 0;
        high_asks |= buys_high->id != 0;
        if (ARB_LIKELY(!(low_asks | high_asks)))
            continue;
        if (low_asks)
            arb_life_step(det, buys_low, low_row, high_row, cause);
        if (high_asks)
            arb_life_step(det, buys_high, high_row, low_row, cause);
    }
}

/* Apply one tick to the store and scan its symbol. wall_ms: any wall time within 24 days of the
 * tick's. Room for ARB_DETECTOR_EVENTS_MAX more events is the caller's care. */
static inline void arb_detector_handle(arb_detector_t *det, const arb_tick_t *tick, int64_t wall_ms)
{
    uint32_t row = arb_tick_row(tick);
    arb_count(&det->counters->ticks, 1);
    if (ARB_UNLIKELY(row >= det->row_count || !(det->px_mult[row] > 0.0))) {
        arb_count(&det->counters->bad_rows, 1);
        return;
    }
    uint32_t venue = arb_detector_venue(det, row);
    uint32_t symbol = row - venue * det->symbol_capacity;
    arb_row_watch_t *watch = det->watches + row;
    int64_t exch_wall_ns = arb_widen_wall_ms(wall_ms, tick->exch_wall_ms) * 1000000;
    arb_life_cause_t cause = {tick->recv_mono_ns, row, 0};
    uint32_t kind = arb_tick_kind(tick);
    bool stale_costs = wall_ms * 1000000 >= watch->funding_until_ns;
    if (ARB_LIKELY(kind == ARB_TICK_QUOTE)) {
        stale_costs |= det->state[row] != ARB_ROW_LIVE; /* fees and multipliers may be new */
        arb_store_apply_quote(det->store, tick, exch_wall_ns);
        watch->applied_mono_ns = tick->recv_mono_ns;
        arb_row_heard(det, symbol, venue);
        cause.parsed_ns = tick->aux_u32;
        arb_count(&det->counters->quotes, 1);
    } else if (kind == ARB_TICK_STATE) {
        arb_store_apply_state(det->store, row, tick->aux_u32);
        arb_row_heard(det, symbol, venue);
        watch->applied_mono_ns = tick->recv_mono_ns;
    } else if (kind == ARB_TICK_FUNDING) {
        arb_store_apply_funding(det->store, row, tick->bid_px, tick->ask_px, exch_wall_ns);
        stale_costs = true;
    } else {
        arb_count(&det->counters->bad_rows, 1);
        return;
    }
    if (ARB_UNLIKELY(stale_costs))
        arb_detector_refresh_symbol(det, symbol, wall_ms * 1000000);
    arb_detector_scan(det, symbol, venue, &cause);
}

#endif
