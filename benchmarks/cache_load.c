/* The hot path's two loops over real frames, for cachegrind: parser and detector apart.
 *
 *   cache_load FILE PASSES      FILE: [venue: 1][symbols of it ...] see benchmarks/cachegrind.py
 *
 * Each tick goes through the real lane into the real detector. What comes from another core's cache
 * is what the ring's rows measure.
 */
#include "hot_path.h"

/* FILE: count of symbols, their names of both venues (each ended by a zero byte), then frames, each
 * [venue][bytes][text], numbers as 32 bits. */
int main(int argc, char **argv)
{
    size_t bytes, frames = 0, quotes = 0, ticks = 0;
    char *text = argc == 3 ? read_all(argv[1], &bytes) : NULL;
    if (text == NULL)
        return 2;
    static char buffer[RECEIVED_BYTES];
    arb_lane_t *lanes[1];
    const char *at = text;
    bench_lane_t *bench = lane_of(&at);
    arb_detector_t *detector = detector_of(bench, lanes);
    for (int pass = atoi(argv[2]); pass > 0; pass--) {
        int64_t wait = 100 * 1000; /* 10,000 frames a second */
        for (const char *frame = at; frame < text + bytes; frames++) {
            uint32_t venue = number_at(frame), size = number_at(frame + 4);
            arb_quote_t quote;
            receive(buffer, frame + 8, size);
            quotes += run_parser(venue, buffer, size, &quote) == ARB_FRAME_QUOTE;
            bench->now_mono_ns += wait;
            run_lane(&bench->feed, venue, buffer, size, bench->now_mono_ns);
            ticks += run_detector(detector, bench->now_mono_ns);
            frame += 8 + size;
        }
    }
    printf("%zu %zu %zu\n", frames, quotes, ticks);
    return 0;
}
