/* How long from a frame's bytes to its tick in the ring, as a feed thread does it? */
#include "bench.h"

#include "feed_lane.h"
#include "segment.h"

typedef struct bench_lane {
    arb_feed_t feed;
    arb_segment_t *segment;
    void *books;
    uint32_t venue;
    int64_t now_mono_ns;
} bench_lane_t;

static void wire(bench_lane_t *bench)
{
    arb_segment_t *segment = bench->segment;
    arb_feed_t *feed = &bench->feed;
    feed->lane = arb_segment_block(segment, ARB_SECTION_LANES, 0);
    feed->symbols = arb_segment_block(segment, ARB_SECTION_SYMBOLS, 0);
    feed->parsed = arb_segment_histogram(segment, ARB_STAGE_PARSED);
    feed->clock = arb_segment_block(segment, ARB_SECTION_CLOCK, 0);
    feed->tap = arb_segment_block(segment, ARB_SECTION_TAPS, 0);
    feed->symbol_capacity = segment->spec.symbol_capacity;
    feed->row_count = ARB_VENUE_COUNT * segment->spec.symbol_capacity;
    feed->rows = arb_bench_zeroed(feed->row_count * sizeof *feed->rows);
    for (uint32_t venue = 0; venue < ARB_VENUE_COUNT; venue++) {
        feed->counters[venue] = arb_segment_block(segment, ARB_SECTION_FEED_COUNTERS, venue);
        for (uint32_t line = 0; line < ARB_LINES_MAX; line++)
            feed->lines[venue][line] =
                arb_segment_block(segment, ARB_SECTION_LINES, venue * ARB_LINES_MAX + line);
    }
}

/* A lane with rows of these names (each ended by a zero byte); levels 0: without books. */
ARB_BENCH_API void *lane_new(uint32_t venue, const char *names, uint32_t count, uint32_t levels)
{
    bench_lane_t *bench = arb_bench_zeroed(sizeof *bench);
    arb_segment_t plan = {.spec = {.symbol_capacity = 64, .lane_count = 1, .tick_capacity = 1024,
                                   .opportunity_capacity = 64, .order_capacity = 64,
                                   .execution_capacity = 64, .tap_bytes = 4096}};
    arb_segment_plan(&plan);
    bench->segment = arb_bench_zeroed(plan.total_bytes);
    memcpy(bench->segment, &plan, sizeof plan);
    arb_segment_init_sections(bench->segment);
    wire(bench);
    bench->venue = venue;
    bench->now_mono_ns = 1;
    uint64_t book_bytes = levels ? arb_book_bytes(levels) : 0;
    if (levels) {
        bench->feed.depth = arb_bench_zeroed(sizeof(arb_depth_t));
        bench->books = arb_bench_zeroed(count * book_bytes);
    }
    for (uint32_t index = 0; index < count; index++, names += strlen(names) + 1) {
        uint32_t row = venue * 64 + index, symbol;
        arb_symbol_map_t *map = arb_segment_block(bench->segment, ARB_SECTION_SYMBOLS, 0);
        arb_symbol_map_add(map, names, strlen(names), &symbol);
        arb_symbol_map_insert(map, venue, names, strlen(names), row);
        if (levels == 0)
            continue;
        arb_feed_row_t *held = &bench->feed.rows[row];
        held->book = (arb_book_t *)((char *)bench->books + index * book_bytes);
        arb_book_init(held->book, levels);
        held->ladder = arb_segment_block(bench->segment, ARB_SECTION_LADDERS, row);
        held->channel = venue == ARB_VENUE_BYBIT ? ARB_DEPTH_BYBIT_50 : ARB_DEPTH_OKX_BOOKS;
    }
    return bench;
}

ARB_BENCH_API void lane_free(void *memory)
{
    bench_lane_t *bench = memory;
    free(bench->feed.rows);
    free(bench->feed.depth);
    free(bench->books);
    free(bench->segment);
    free(bench);
}

ARB_BENCH_API uint64_t lane_ticks(void *memory)
{
    bench_lane_t *bench = memory;
    return bench->feed.counters[bench->venue]->ticks_pushed;
}

static void drain(bench_lane_t *bench)
{
    while (arb_lane_peek(bench->feed.lane) != NULL)
        arb_lane_advance(bench->feed.lane);
}

static inline void take(bench_lane_t *bench, const char *packed, const uint64_t *starts,
                        uint64_t index)
{
    arb_feed_on_frame(&bench->feed, bench->venue, 0, packed + starts[index],
                      starts[index + 1] - starts[index], bench->now_mono_ns++);
}

/* Take frames in batches; the ring is emptied between them. Rows start without a top. */
ARB_BENCH_API void lane_batches(void *memory, const char *packed, const uint64_t *starts,
                                uint64_t batches, uint64_t batch, double *samples)
{
    bench_lane_t *bench = memory;
    uint64_t cost = arb_bench_cost();
    for (uint32_t row = 0; row < bench->feed.row_count; row++)
        arb_top_reset(&bench->feed.rows[row].top);
    for (uint64_t round = 0; round < batches; round++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t index = round * batch; index < (round + 1) * batch; index++)
            take(bench, packed, starts, index);
        samples[round] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
        drain(bench);
    }
}

/* Take the first frame, then each of the others alone, timed. */
ARB_BENCH_API void lane_each(void *memory, const char *packed, const uint64_t *starts,
                             uint64_t frames, double *samples)
{
    bench_lane_t *bench = memory;
    uint64_t cost = arb_bench_cost();
    for (uint32_t row = 0; row < bench->feed.row_count; row++)
        arb_feed_row_reset(&bench->feed.rows[row], 0);
    take(bench, packed, starts, 0);
    for (uint64_t index = 1; index < frames; index++) {
        uint64_t begin = arb_bench_tick();
        take(bench, packed, starts, index);
        samples[index - 1] = arb_bench_each(begin, arb_bench_tick(), cost, 1);
        drain(bench);
    }
}

/* The floor of the batches: the same frames parsed. */
ARB_BENCH_API uint64_t parse_batches(void *memory, const char *packed, const uint64_t *starts,
                                     uint64_t batches, uint64_t batch, double *samples)
{
    bench_lane_t *bench = memory;
    uint64_t cost = arb_bench_cost(), good = 0;
    for (uint64_t round = 0; round < batches; round++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t index = round * batch; index < (round + 1) * batch; index++) {
            arb_quote_t quote;
            good += arb_parse_frame(bench->venue, packed + starts[index],
                                    starts[index + 1] - starts[index], &quote) == ARB_FRAME_QUOTE;
            ARB_BENCH_USE(quote.seq);
        }
        samples[round] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
    }
    return good;
}
