/* Feed lane: what a feed thread does with one frame, from the callback's pointer to the tick ring.
 *
 *   stamp (by the caller) -> parse in place -> look the symbol up -> bring the row's top up to date
 *   -> push the tick -> wake the detector if it sleeps
 *
 * Threads: every function here runs on the lane's feed thread alone. Nothing blocks or allocates.
 */
#ifndef ARB_FEED_LANE_H
#define ARB_FEED_LANE_H

#include "clock.h" /* first: it asks the system headers for the POSIX names */

#include "bybit_frames.h"
#include "counters.h"
#include "frame_tap.h"
#include "histogram.h"
#include "market_pipeline.h"
#include "okx_frames.h"
#include "parker.h"
#include "symbol_map.h"
#include "top_of_book.h"

typedef struct arb_feed {
    arb_lane_t *lane;
    const arb_symbol_map_t *symbols;
    arb_top_t *tops;                /* by row; this thread's own */
    arb_feed_counters_t *counters[ARB_VENUES_MAX];
    arb_histogram_t *parsed;
    const arb_clock_t *clock;
    arb_frame_tap_t *tap;
    arb_parker_t *detector;         /* NULL: the detector runs inside the callback */
    uint32_t row_count;
} arb_feed_t;

static inline arb_frame_status_t arb_parse_frame(uint32_t venue, const char *frame, size_t bytes,
                                                 arb_quote_t *quote)
{
    return venue == ARB_VENUE_BYBIT ? arb_bybit_parse_l1(frame, bytes, quote)
                                    : arb_okx_parse_bbo(frame, bytes, quote);
}

static inline void arb_feed_push(arb_feed_t *feed, const arb_tick_t *tick,
                                 arb_feed_counters_t *counters)
{
    if (ARB_LIKELY(arb_lane_push(feed->lane, tick)))
        arb_count(&counters->ticks_pushed, 1);
    else
        arb_count(&counters->ticks_overflowed, 1);
    if (feed->detector != NULL)
        arb_parker_notify(feed->detector);
}

/* Tell the detector that a row's state changed; leaving LIVE forgets the row's top. */
static inline void arb_feed_push_state(arb_feed_t *feed, uint32_t venue, uint32_t row,
                                       uint32_t state, int64_t now_mono_ns)
{
    uint64_t kind = arb_tick_pack(0, row, ARB_TICK_STATE);
    arb_tick_t tick = {NAN, NAN, NAN, NAN, now_mono_ns, kind, 0, state};
    if (state != ARB_ROW_LIVE && state != ARB_ROW_SUSPECT)
        arb_top_reset(&feed->tops[row]);
    arb_feed_push(feed, &tick, feed->counters[venue]);
}

/* Take one frame. Returns what it was; CONTROL and OTHER_TOPIC ones are the caller's slow path. */
static inline arb_frame_status_t arb_feed_on_frame(arb_feed_t *feed, uint32_t venue,
                                                   const char *frame, size_t bytes,
                                                   int64_t recv_mono_ns)
{
    arb_feed_counters_t *counters = feed->counters[venue];
    arb_quote_t quote;
    arb_tick_t tick;
    arb_count(&counters->frames, 1);
    arb_count(&counters->bytes, bytes);
    if (ARB_UNLIKELY(arb_tap_enabled(feed->tap)))
        arb_tap_write(feed->tap, recv_mono_ns, (uint16_t)venue, 0, frame, (uint32_t)bytes);

    arb_frame_status_t status = arb_parse_frame(venue, frame, bytes, &quote);
    if (ARB_LIKELY(status == ARB_FRAME_QUOTE)) {
        uint32_t row = arb_symbol_map_find(feed->symbols, venue, quote.symbol, quote.symbol_bytes);
        if (ARB_LIKELY(row < feed->row_count)) {
            arb_top_result_t result = arb_top_update(&feed->tops[row], &quote);
            if (ARB_LIKELY(arb_top_ticks(result))) {
                int64_t parsed_mono_ns = arb_clock_now(feed->clock);
                arb_top_fill_tick(&feed->tops[row], row, &tick);
                tick.recv_mono_ns = recv_mono_ns;
                tick.aux_u32 = arb_delta_ns(recv_mono_ns, parsed_mono_ns);
                arb_feed_push(feed, &tick, counters);
                arb_histogram_record(feed->parsed, parsed_mono_ns - recv_mono_ns);
                arb_count(&counters->quotes, 1);
            }
            if (result == ARB_TOP_GAP)
                arb_feed_push_state(feed, venue, row, ARB_ROW_GAP, recv_mono_ns);
            if (result != ARB_TOP_APPLIED)
                arb_count(&counters->repeats, 1);
        } else {
            status = ARB_FRAME_UNKNOWN_SYMBOL;
            arb_count(&counters->unknown_symbols, 1);
        }
    } else if (status == ARB_FRAME_CONTROL) {
        arb_count(&counters->control, 1);
    } else if (status == ARB_FRAME_OTHER_TOPIC) {
        arb_count(&counters->other_topics, 1);
    } else {
        arb_count(&counters->malformed, 1);
    }
    arb_count(&counters->by_status[status], 1);
    return status;
}

/* The venue was asked and stands where the row's top does: say so again, received now. False: nothing
 * is held. */
static inline bool arb_feed_confirm(arb_feed_t *feed, uint32_t venue, uint32_t row,
                                    int64_t now_mono_ns)
{
    arb_tick_t tick;
    if (!feed->tops[row].held)
        return false;
    arb_top_fill_tick(&feed->tops[row], row, &tick);
    tick.recv_mono_ns = now_mono_ns;
    tick.aux_u32 = 0;
    arb_feed_push(feed, &tick, feed->counters[venue]);
    return true;
}

/* Tell the detector a row's funding. */
static inline void arb_feed_push_funding(arb_feed_t *feed, uint32_t venue, uint32_t row,
                                         double rate, double interval_h, int64_t next_wall_ns,
                                         int64_t now_mono_ns)
{
    uint64_t kind = arb_tick_pack(0, row, ARB_TICK_FUNDING);
    uint32_t next_wall_ms = (uint32_t)(next_wall_ns / 1000000);
    arb_tick_t tick = {rate, interval_h, NAN, NAN, now_mono_ns, kind, next_wall_ms, 0};
    arb_feed_push(feed, &tick, feed->counters[venue]);
}

#endif
