/* How long does a depth frame take to become levels: every price and quantity of both sides? */
#include "bench.h"
#include "bybit_depth.h"
#include "okx_depth.h"

ARB_BENCH_API void *depth_new(void) { return arb_bench_zeroed(sizeof(arb_depth_t)); }
ARB_BENCH_API void depth_free(void *depth) { free(depth); }

/* Parse one frame; returns its status. */
ARB_BENCH_API int depth_one(arb_depth_t *depth, int venue, const char *frame, uint64_t bytes)
{
    return venue == ARB_VENUE_BYBIT ? arb_bybit_parse_depth(frame, bytes, depth)
                                    : arb_okx_parse_depth(frame, bytes, depth);
}

/* Copy a side as (price, quantity); returns its levels. */
ARB_BENCH_API uint32_t depth_side(const arb_depth_t *depth, uint32_t side, double *out)
{
    memcpy(out, depth->levels[side], depth->count[side] * sizeof depth->levels[side][0]);
    return depth->count[side];
}

static inline arb_frame_status_t touch(const char *frame, size_t bytes, arb_depth_t *depth)
{
    uint64_t word, sum = 0;
    for (size_t offset = 0; offset + 8 <= bytes; offset += 8) {
        memcpy(&word, frame + offset, 8);
        sum ^= word;
    }
    depth->checksum = (int64_t)sum;
    return ARB_FRAME_QUOTE;
}

/* Frames one after the other, in batches; returns how many could not be read. */
#define PASS(name, parse)                                                                          \
    ARB_BENCH_API uint64_t name(arb_depth_t *depth, const char *packed, const uint64_t *starts,    \
                                uint64_t batches, uint64_t batch, double *samples)                 \
    {                                                                                              \
        uint64_t cost = arb_bench_cost(), bad = 0;                                                 \
        for (uint64_t number = 0; number < batches; number++) {                                    \
            const uint64_t *at = starts + number * batch;                                          \
            uint64_t begin = arb_bench_tick();                                                     \
            for (uint64_t index = 0; index < batch; index++) {                                     \
                bad += parse(packed + at[index], at[index + 1] - at[index], depth) !=              \
                       ARB_FRAME_QUOTE;                                                            \
                ARB_BENCH_USE(depth);                                                              \
            }                                                                                      \
            samples[number] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);        \
        }                                                                                          \
        return bad;                                                                                \
    }

PASS(pass_bybit, arb_bybit_parse_depth)
PASS(pass_okx, arb_okx_parse_depth)
PASS(pass_touch, touch)
