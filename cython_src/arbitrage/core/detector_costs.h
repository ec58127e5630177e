/* What the detector thread owns, and what a directed pair costs: fees, funding, confidence.
 *
 *   fees_bps     round trip 2 * (taker_A + taker_B), or entry only, from the store's columns
 *   funding_bps  what the short leg receives minus what the long leg receives: rate times the
 *                settlements within the holding horizon; 0 where rate, interval or next time is not
 *                known
 *
 * Costs are folded into each pair's factor (spread.h) and brought up to date when a row comes to
 * life, when its funding changes and when a settlement enters or leaves the horizon: not on every
 * tick.
 *
 * Threads: all of it belongs to the detector thread. Memory: arb_detector_state_bytes, from the
 * owner.
 */
#ifndef ARB_DETECTOR_COSTS_H
#define ARB_DETECTOR_COSTS_H

#include "counters.h"
#include "market_store.h"
#include "spread.h"

typedef enum arb_fee_mode {
    ARB_FEE_ROUND_TRIP = 0, /* 2 * (taker_A + taker_B): enter and leave */
    ARB_FEE_ENTRY = 1       /* taker_A + taker_B */
} arb_fee_mode_t;

enum {
    /* of one symbol at one moment */
    ARB_DETECTOR_EVENTS_MAX = ARB_VENUES_MAX * (ARB_VENUES_MAX - 1),
    ARB_DETECTOR_LANES_MAX = 8,
    ARB_CONFIDENCE_MAX = 100
};

typedef struct arb_detector_config {
    double min_net_bps;
    double min_gross_bps;        /* -INFINITY: off */
    double min_confidence;       /* 0: off */
    double slippage_bps;         /* assumed beyond the touch; 0 while we trade at the touch */
    double depth_factor;         /* each touch holds this many positions; 0: off */
    double position_notional;    /* quote currency, of the common quotation */
    int64_t max_age_ns;          /* of each leg's quote at the tick; 0: off */
    int64_t funding_horizon_ns;  /* expected holding time */
    int64_t stale_ns[ARB_VENUES_MAX]; /* a row silent for longer becomes STALE; 0: never */
    int64_t suspect_ns[ARB_VENUES_MAX]; /* as row_silence.h; 0: silence is told by time alone */
    double suspect_bps;
    int64_t sweep_period_ns;     /* how often rows are looked at by time; 0: never */
    int64_t wall_minus_mono_ns;  /* UTC epoch of the mono clock's zero */
    uint32_t fee_mode;           /* arb_fee_mode_t */
} arb_detector_config_t;

/* The defaults of the documentation: net > 0, gross >= 10, depth twice the position, ages by
 * venue. */
static inline arb_detector_config_t arb_detector_defaults(void)
{
    return (arb_detector_config_t){
        .min_net_bps = 0.0,
        .min_gross_bps = 10.0,
        .depth_factor = 2.0,
        .funding_horizon_ns = 3600 * 1000000000LL,
        /* Bybit repeats an unchanged book every 3 s; OKX may be silent for a minute */
        .stale_ns = {4500000000LL, 90 * 1000000000LL},
        .suspect_ns = {0, 500 * 1000000LL},
        .suspect_bps = 1.0,
        .sweep_period_ns = 50000000LL,
        .fee_mode = ARB_FEE_ROUND_TRIP,
    };
}

/* One directed pair of one symbol. */
typedef struct arb_life_slot {
    uint64_t id;           /* of the open life; 0: closed */
    int64_t open_mono_ns;
    double ask_px;         /* of the last event, buy venue's quotation */
    double bid_px;         /* of the last event, sell venue's quotation */
    double peak_net_bps;
    double factor;         /* ask to bid the pair must reach, venues' quotations;
                            * NaN: pair not in use */
    double fees_bps;
    uint32_t update_count;
    uint32_t reserved;
} ARB_LINE_ALIGNED arb_life_slot_t;

_Static_assert(sizeof(arb_life_slot_t) == 64, "a pair's life is one cache line");

/* What the detector keeps of a row beside the store. */
typedef struct arb_row_watch {
    double funding_bps;        /* what a short position receives over the horizon */
    double funding_8h;         /* rate per 8 hours, fraction */
    int64_t funding_until_ns;  /* wall clock at which those of any venue of the symbol may change */
    int64_t applied_mono_ns;   /* newest quote or state applied */
    int64_t moved_mono_ns;     /* since when a counterpart stands elsewhere; 0: none does */
    double stands[ARB_VENUES_MAX]; /* where counterparts stood when the row last spoke */
} arb_row_watch_t;

typedef struct arb_detector {
    arb_detector_config_t config;
    arb_market_store_t *store;
    arb_life_slot_t *slots;      /* [(symbol * venues + buy venue) * venues + sell venue] */
    arb_row_watch_t *watches;    /* [row] */
    arb_opportunity_t *events;   /* the owner leaves room for ARB_DETECTOR_EVENTS_MAX more */
    uint32_t event_count;
    uint32_t venue_count;
    uint32_t symbol_capacity;
    uint32_t row_count;
    uint64_t opened_count;       /* ids count from 1 as opportunities open */
    double wanted_notional;      /* at each touch; 0: the depth gate is off */
    double age_full_ns;          /* age at which confidence loses its whole age term */
    arb_detector_counters_t *counters;
    /* columns of the store */
    const double *bid_px, *ask_px, *bid_qty, *ask_qty, *px_mult, *qty_mult;
    const int64_t *recv_mono_ns;
    const uint64_t *state;
    /* detector.h */
    struct arb_lane **lanes;
    struct arb_broadcast_ring *broadcast;
    const struct arb_clock *clock; /* NULL: events carry no detected_ns */
    struct arb_histogram *detected; /* frame received -> event published; NULL: not measured */
    uint32_t lane_count;
    uint32_t sweep_row;            /* next row to look at; row_count: round finished */
    int64_t sweep_mono_ns;         /* start of the next round */
    int64_t published_mono_ns;     /* clock's time of the last events; 0: without a clock */
    uint64_t overwritten_seen[ARB_DETECTOR_LANES_MAX]; /* overflow losses already counted, a lane */
    struct arb_decisions *decisions; /* decisions.h; NULL: not recorded */
    /* opportunity_life.h: a ladder is read at most once a scan, so that a scan walks one state */
    uint32_t ladders_read;  /* bit by venue */
    uint32_t ladders_found; /* of them those with levels */
    bool has_depth;         /* some ladder had levels */
    arb_ladder_view_t ladders[ARB_VENUES_MAX];
    arb_opportunity_t event_buffer[ARB_DETECTOR_EVENTS_MAX];
} arb_detector_t;

static inline size_t arb_detector_slot_bytes(uint32_t venue_count, uint32_t symbol_capacity)
{
    return sizeof(arb_life_slot_t) * venue_count * venue_count * symbol_capacity;
}

/* Bytes of pair and row state, allocated by the owner, zeroed, aligned to a cache line. */
static inline size_t arb_detector_state_bytes(uint32_t venue_count, uint32_t symbol_capacity)
{
    return arb_detector_slot_bytes(venue_count, symbol_capacity) +
           sizeof(arb_row_watch_t) * venue_count * symbol_capacity;
}

static inline arb_life_slot_t *arb_detector_slot(const arb_detector_t *det, uint32_t symbol,
                                                 uint32_t buy_venue, uint32_t sell_venue)
{
    return det->slots + ((size_t)symbol * det->venue_count + buy_venue) * det->venue_count +
           sell_venue;
}

static inline uint32_t arb_detector_venue(const arb_detector_t *det, uint32_t row)
{
    uint32_t venue = 0;
    for (uint32_t next = det->symbol_capacity; next < det->row_count; next += det->symbol_capacity)
        venue += row >= next;
    return venue;
}

/* ---- costs ----------------------------------------------------------------------------------- */

/* What a short position of a row receives over the horizon: rate times the settlements in
 * (now, now + horizon]. Nothing where rate, interval or next time is not known. */
static inline void arb_detector_refresh_funding(arb_detector_t *det, uint32_t row,
                                                int64_t now_wall_ns)
{
    arb_row_watch_t *watch = det->watches + row;
    double rate = arb_store_funding_rate(det->store)[row];
    double interval_h = arb_store_funding_interval_h(det->store)[row];
    int64_t next_ns = arb_store_funding_next_ns(det->store)[row];
    watch->funding_bps = 0.0;
    watch->funding_8h = 0.0;
    watch->funding_until_ns = INT64_MAX;
    if (!(rate == rate && interval_h * 3.6e12 >= 1.0 && interval_h <= 8784.0) || next_ns <= 0)
        return;
    int64_t interval_ns = (int64_t)(interval_h * 3.6e12);
    if (next_ns <= now_wall_ns) /* the venue has not told the next one yet: it follows */
        next_ns += ((now_wall_ns - next_ns) / interval_ns + 1) * interval_ns;
    int64_t beyond_ns = now_wall_ns + det->config.funding_horizon_ns - next_ns;
    int64_t settlement_count = beyond_ns < 0 ? 0 : beyond_ns / interval_ns + 1;
    int64_t one_more_ns = next_ns + settlement_count * interval_ns - det->config.funding_horizon_ns;
    watch->funding_bps = rate * (double)settlement_count * 1e4;
    watch->funding_8h = rate * (8.0 / interval_h);
    watch->funding_until_ns = next_ns < one_more_ns ? next_ns : one_more_ns;
}

static inline double arb_detector_funding_bps(const arb_detector_t *det, uint32_t buy_row,
                                              uint32_t sell_row)
{
    return det->watches[sell_row].funding_bps - det->watches[buy_row].funding_bps;
}

static inline void arb_detector_refresh_pair(arb_detector_t *det, uint32_t symbol,
                                             uint32_t buy_venue, uint32_t sell_venue)
{
    const arb_detector_config_t *config = &det->config;
    arb_life_slot_t *slot = arb_detector_slot(det, symbol, buy_venue, sell_venue);
    uint32_t buy_row = arb_store_row(det->store, buy_venue, symbol);
    uint32_t sell_row = arb_store_row(det->store, sell_venue, symbol);
    const double *taker_bps = arb_store_taker_bps(det->store);
    double entry_bps = taker_bps[buy_row] + taker_bps[sell_row];
    slot->fees_bps = config->fee_mode == ARB_FEE_ROUND_TRIP ? 2.0 * entry_bps : entry_bps;
    double needed_bps = config->min_net_bps + slot->fees_bps + config->slippage_bps -
                        arb_detector_funding_bps(det, buy_row, sell_row);
    if (config->min_gross_bps > needed_bps)
        needed_bps = config->min_gross_bps;
    bool in_use = det->px_mult[buy_row] > 0.0 && det->px_mult[sell_row] > 0.0;
    double px_ratio = det->px_mult[buy_row] / det->px_mult[sell_row];
    slot->factor = in_use ? arb_spread_factor(needed_bps) * px_ratio : (double)NAN;
}

/* Bring a symbol's costs up to date: after a row comes to life, funding changes or a boundary
 * passes. */
static inline void arb_detector_refresh_symbol(arb_detector_t *det, uint32_t symbol,
                                               int64_t now_wall_ns)
{
    int64_t until_ns = INT64_MAX;
    for (uint32_t venue = 0; venue < det->venue_count; venue++) {
        uint32_t row = arb_store_row(det->store, venue, symbol);
        arb_detector_refresh_funding(det, row, now_wall_ns);
        if (det->watches[row].funding_until_ns < until_ns)
            until_ns = det->watches[row].funding_until_ns;
    }
    for (uint32_t venue = 0; venue < det->venue_count; venue++)
        det->watches[arb_store_row(det->store, venue, symbol)].funding_until_ns = until_ns;
    for (uint32_t buy_venue = 0; buy_venue < det->venue_count; buy_venue++)
        for (uint32_t sell_venue = 0; sell_venue < det->venue_count; sell_venue++)
            arb_detector_refresh_pair(det, symbol, buy_venue, sell_venue);
}

/* Start with zeroed state memory of arb_detector_state_bytes. Before the threads. */
static inline void arb_detector_lives_init(arb_detector_t *det, const arb_detector_config_t *config,
                                           arb_market_store_t *store, void *state_memory,
                                           arb_detector_counters_t *counters)
{
    memset(det, 0, sizeof *det);
    det->config = *config;
    det->store = store;
    det->venue_count = store->venue_count;
    det->symbol_capacity = store->symbol_capacity;
    det->row_count = store->row_count;
    det->slots = (arb_life_slot_t *)state_memory;
    det->watches =
        (arb_row_watch_t *)((char *)state_memory +
                            arb_detector_slot_bytes(det->venue_count, det->symbol_capacity));
    det->events = det->event_buffer;
    det->wanted_notional = config->depth_factor * config->position_notional;
    det->age_full_ns = config->max_age_ns > 0 ? (double)config->max_age_ns : 1e9;
    det->counters = counters;
    det->bid_px = arb_store_bid_px(store);
    det->ask_px = arb_store_ask_px(store);
    det->bid_qty = arb_store_bid_qty(store);
    det->ask_qty = arb_store_ask_qty(store);
    det->px_mult = arb_store_px_mult(store);
    det->qty_mult = arb_store_qty_mult(store);
    det->recv_mono_ns = arb_store_recv_mono_ns(store);
    det->state = arb_store_state(store);
    for (uint32_t row = 0; row < det->row_count; row++)
        det->watches[row].applied_mono_ns = INT64_MIN;
    for (uint32_t symbol = 0; symbol < det->symbol_capacity; symbol++)
        arb_detector_refresh_symbol(det, symbol, 0);
}

/* ---- confidence ------------------------------------------------------------------------------ */

static inline double arb_clamp(double value, double low, double high)
{
    return value > low ? (value < high ? value : high) : low; /* NaN gives low */
}

/* (bid - ask) / (bid + ask) of a row's touch, in [-1, 1]; positive: buyers are larger; unknown:
 * 0. */
static inline double arb_detector_imbalance(const arb_detector_t *det, uint32_t row)
{
    double total = det->bid_qty[row] + det->ask_qty[row];
    return total > 0.0 ? (det->bid_qty[row] - det->ask_qty[row]) / total : 0.0;
}

/* Score of a pair, 0..100, documented weights:
 *   50  gross edge, full at 50 bps
 *   30  difference of the funding rates per 8 h, full at 0.01
 *   20  base
 *  +20  book imbalance in our favour: buyers press on the buy venue, sellers on the sell venue
 *  -20  age of the older leg, full at max_age_ns (1 s when that is off)
 *  +30  a favourable funding time nears: from one hour before it, linearly */
static inline double arb_detector_confidence(const arb_detector_t *det, uint32_t buy_row,
                                             uint32_t sell_row, double gross_bps,
                                             int64_t now_mono_ns)
{
    double delta_8h = det->watches[sell_row].funding_8h - det->watches[buy_row].funding_8h;
    double imbalance = arb_detector_imbalance(det, buy_row) - arb_detector_imbalance(det, sell_row);
    int64_t buy_ns = det->recv_mono_ns[buy_row], sell_ns = det->recv_mono_ns[sell_row];
    double age_ns = (double)(now_mono_ns - (buy_ns < sell_ns ? buy_ns : sell_ns));
    double score = 50.0 * arb_clamp(gross_bps / 50.0, 0.0, 1.0) +
                   30.0 * arb_clamp(fabs(delta_8h) / 0.01, 0.0, 1.0) + 20.0 +
                   20.0 * arb_clamp(imbalance / 2.0, 0.0, 1.0) -
                   20.0 * arb_clamp(age_ns / det->age_full_ns, 0.0, 1.0);
    if (delta_8h > 0.0) {
        const int64_t *next_ns = arb_store_funding_next_ns(det->store);
        int64_t nearest_ns = INT64_MAX;
        int64_t now_wall_ns = now_mono_ns + det->config.wall_minus_mono_ns;
        if (det->watches[sell_row].funding_8h > 0.0)
            nearest_ns = next_ns[sell_row];
        if (det->watches[buy_row].funding_8h < 0.0 && next_ns[buy_row] < nearest_ns)
            nearest_ns = next_ns[buy_row];
        if (nearest_ns > now_wall_ns)
            score += 30.0 * arb_clamp(1.0 - (double)(nearest_ns - now_wall_ns) / 3.6e12, 0.0, 1.0);
    }
    return arb_clamp(score, 0.0, ARB_CONFIDENCE_MAX);
}

#endif
