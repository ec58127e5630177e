/* How long does a venue's top-of-book frame take to become a quote? */
#include "bench.h"
#include "bybit_frames.h"
#include "okx_frames.h"

typedef arb_frame_status_t (*parse_t)(const char *frame, size_t bytes, arb_quote_t *out);

static arb_frame_status_t parse_bybit(const char *frame, size_t bytes, arb_quote_t *out)
{
    return arb_bybit_parse_l1(frame, bytes, out);
}
static arb_frame_status_t parse_okx(const char *frame, size_t bytes, arb_quote_t *out)
{
    return arb_okx_parse_bbo(frame, bytes, out);
}

/* Parse one frame into [bid_px, bid_qty, ask_px, ask_qty, exchange ms, seq]; returns the status. */
ARB_BENCH_API int parse_one(int venue, const char *frame, uint64_t bytes, double out[6])
{
    arb_quote_t quote;
    int status = (venue == ARB_VENUE_BYBIT ? parse_bybit : parse_okx)(frame, bytes, &quote);
    if (status == ARB_FRAME_QUOTE) {
        double found[6] = {quote.bid_px, quote.bid_qty, quote.ask_px, quote.ask_qty,
                           (double)(quote.exch_wall_ns / 1000000), (double)quote.seq};
        memcpy(out, found, sizeof found);
    }
    return status;
}

/* One pass over batches of `batch` frames that lie end to end; ns a frame of each batch. */
#define PASS(name, step)                                                                           \
    ARB_BENCH_API void name(const char *packed, const uint64_t *starts, uint64_t batches,          \
                            uint64_t batch, double *samples)                                       \
    {                                                                                              \
        uint64_t cost = arb_bench_cost();                                                          \
        for (uint64_t number = 0; number < batches; number++) {                                    \
            const uint64_t *at = starts + number * batch;                                          \
            uint64_t begin = arb_bench_tick();                                                     \
            for (uint64_t index = 0; index < batch; index++) {                                     \
                const char *frame = packed + at[index];                                            \
                size_t bytes = at[index + 1] - at[index];                                          \
                step;                                                                              \
            }                                                                                      \
            uint64_t end = arb_bench_tick();                                                       \
            samples[number] = arb_bench_each(begin, end, cost, (double)batch);                     \
        }                                                                                          \
    }

static inline void touch(const char *frame, size_t bytes)
{
    uint64_t word, sum = 0;
    for (size_t offset = 0; offset + 8 <= bytes; offset += 8) {
        memcpy(&word, frame + offset, 8);
        sum ^= word;
    }
    ARB_BENCH_USE(sum);
}

#define PARSE(parser)                                                                              \
    arb_quote_t quote;                                                                             \
    arb_frame_status_t status = parser(frame, bytes, &quote);                                      \
    ARB_BENCH_USE(status);                                                                         \
    ARB_BENCH_USE(&quote)

PASS(pass_bybit, PARSE(arb_bybit_parse_l1))
PASS(pass_okx, PARSE(arb_okx_parse_bbo))
PASS(pass_touch, touch(frame, bytes)) /* the floor: every byte is looked at once */
