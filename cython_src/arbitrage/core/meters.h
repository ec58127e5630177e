/* Meters: what a segment's rings and counters say, gathered for readers.
 *
 * Names come from the X-macros of counters.h, in the order of the words, and end with NULL. The
 * queue meters add up the rings of one kind. Every word is loaded relaxed and on its own, so a
 * meter of a running trader may be a few records old, and its parts need not be of one moment.
 *
 * Threads: any thread of any process that maps the segment; nothing is written.
 */
#ifndef ARB_METERS_H
#define ARB_METERS_H

#include "segment.h"

typedef struct arb_queue_meter {
    uint64_t capacity, depth, pushed, dropped;
} arb_queue_meter_t;

#define ARB_X(name) #name,
static inline const char *const *arb_feed_counter_names(void)
{
    static const char *const names[] = {ARB_FEED_COUNTERS(ARB_X) NULL};
    return names;
}

static inline const char *const *arb_line_counter_names(void)
{
    static const char *const names[] = {ARB_LINE_COUNTERS(ARB_X) NULL};
    return names;
}

static inline const char *const *arb_row_counter_names(void)
{
    static const char *const names[] = {ARB_ROW_COUNTERS(ARB_X) NULL};
    return names;
}

static inline const char *const *arb_detector_counter_names(void)
{
    static const char *const names[] = {ARB_DETECTOR_COUNTERS(ARB_X) NULL};
    return names;
}

static inline const char *const *arb_strategy_counter_names(void)
{
    static const char *const names[] = {ARB_STRATEGY_COUNTERS(ARB_X) NULL};
    return names;
}

static inline const char *const *arb_gateway_counter_names(void)
{
    static const char *const names[] = {ARB_GATEWAY_COUNTERS(ARB_X) NULL};
    return names;
}
#undef ARB_X

static inline void arb_meter_ring(arb_queue_meter_t *meter, const arb_spsc_ring_t *ring)
{
    meter->capacity += ring->capacity;
    meter->depth += arb_spsc_depth(ring);
    /* relaxed: a meter */
    meter->pushed += arb_load_relaxed(&ring->pushed) - ring->first_position;
}

/* All lanes. Ticks that went to an overflow row count as pushed; the detector counts the drops. */
static inline void arb_meter_ticks(const arb_segment_t *segment, arb_queue_meter_t *meter)
{
    const arb_detector_counters_t *detector = (const arb_detector_counters_t *)arb_segment_block(
        segment, ARB_SECTION_DETECTOR_COUNTERS, 0);
    *meter = (arb_queue_meter_t){0};
    for (uint32_t index = 0; index < segment->spec.lane_count; index++) {
        const arb_lane_t *lane =
            (const arb_lane_t *)arb_segment_block(segment, ARB_SECTION_LANES, index);
        arb_meter_ring(meter, arb_lane_ring(lane));
        /* relaxed: a meter */
        meter->pushed += arb_load_relaxed(&lane->overflowed);
    }
    /* relaxed: a meter */
    meter->dropped = arb_load_relaxed(&detector->ticks_dropped);
}

/* The order rings of all venues. */
static inline void arb_meter_orders(const arb_segment_t *segment, arb_queue_meter_t *meter)
{
    *meter = (arb_queue_meter_t){0};
    for (uint32_t venue = 0; venue < ARB_VENUE_COUNT; venue++) {
        const arb_spsc_ring_t *ring =
            (const arb_spsc_ring_t *)arb_segment_block(segment, ARB_SECTION_ORDERS, venue);
        arb_meter_ring(meter, ring);
        /* relaxed: a meter */
        meter->dropped += arb_load_relaxed(&ring->dropped);
    }
}

#endif
