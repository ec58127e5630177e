/* Hot path: the trader's loops as functions of their own, for a profiler that counts by function.
 *
 * As in the trader a frame is first copied to where the socket's bytes always lie, so reading it is
 * no miss by itself. One thread: what comes from another core's cache is not counted.
 */
#ifndef ARB_BENCH_HOT_PATH_H
#define ARB_BENCH_HOT_PATH_H

#include "feed_lane.c"

#include <stdio.h>

#include "detector.h"

/* all that it calls is part of it */
#define APART __attribute__((noinline, noclone, flatten))

enum { RECEIVED_BYTES = 1 << 16 };

APART void receive(char *buffer, const char *frame, size_t bytes) { memcpy(buffer, frame, bytes); }

APART int run_parser(uint32_t venue, const char *frame, size_t bytes, arb_quote_t *quote)
{
    return (int)arb_parse_frame(venue, frame, bytes, quote);
}

static __attribute__((noinline)) void run_lane(arb_feed_t *feed, uint32_t venue,
                                               const char *frame, size_t bytes, int64_t now)
{
    arb_feed_on_frame(feed, venue, 0, frame, bytes, now);
}

APART uint32_t run_detector(arb_detector_t *detector, int64_t now_mono_ns)
{
    return arb_detector_poll(detector, 256, now_mono_ns);
}

static char *read_all(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        return NULL;
    *bytes = (size_t)ftell(file);
    rewind(file);
    char *text = arb_bench_zeroed(*bytes + 64);
    size_t found = fread(text, 1, *bytes, file);
    fclose(file);
    return found == *bytes ? text : NULL;
}

static arb_detector_t *detector_of(bench_lane_t *bench, arb_lane_t **lanes)
{
    static arb_detector_counters_t counters;
    arb_segment_t *segment = bench->segment;
    uint32_t symbols = segment->spec.symbol_capacity;
    arb_market_store_t *store = arb_segment_block(segment, ARB_SECTION_STORE, 0);
    arb_detector_t *made = arb_bench_zeroed(sizeof *made);
    arb_detector_config_t config = arb_detector_defaults();
    for (uint32_t row = 0; row < ARB_VENUE_COUNT * symbols; row++) {
        arb_store_px_mult(store)[row] = 1.0;
        arb_store_qty_mult(store)[row] = 1.0;
        arb_store_taker_bps(store)[row] = 0.0;
    }
    config.min_net_bps = 4.0;
    lanes[0] = bench->feed.lane;
    void *state = arb_bench_zeroed(arb_detector_state_bytes(ARB_VENUE_COUNT, symbols));
    arb_detector_init(made, &config, store, state, lanes, 1,
                      arb_segment_block(segment, ARB_SECTION_OPPORTUNITIES, 0), &counters, NULL);
    return made;
}

static uint32_t number_at(const char *text)
{
    uint32_t found;
    memcpy(&found, text, sizeof found);
    return found;
}

/* Symbols, their names of both venues (each ended by a zero byte): a lane and a map that know
 * them. *at: moved behind. */
static bench_lane_t *lane_of(const char **at)
{
    uint32_t symbols = number_at(*at);
    *at += 4;
    bench_lane_t *bench = lane_new(ARB_VENUE_BYBIT, *at, symbols, 0);
    for (uint32_t index = 0; index < symbols; index++)
        *at += strlen(*at) + 1;
    arb_symbol_map_t *map = arb_segment_block(bench->segment, ARB_SECTION_SYMBOLS, 0);
    for (uint32_t index = 0; index < symbols; index++, *at += strlen(*at) + 1)
        arb_symbol_map_insert(map, ARB_VENUE_OKX, *at, strlen(*at),
                              bench->segment->spec.symbol_capacity + index);
    return bench;
}

#endif
