/* What does a spread cost: in a batch of symbols, for one update, for one tick in the detector? */
#include "bench.h"
#include "opportunity_life.h"
#include "spread.h"

/* Both directed pairs of sets of `count` symbols each; ns a directed pair, a sample a pass. */
ARB_BENCH_API double batch_pass(const arb_spread_columns_t *columns, uint64_t sets, uint64_t count,
                                double *buy_a, double *buy_b)
{
    uint64_t cost = arb_bench_cost(), begin = arb_bench_tick();
    for (uint64_t number = 0; number < sets; number++) {
        uint64_t first = number * count;
        arb_spread_columns_t part = {columns->bid_a + first, columns->ask_a + first,
                                     columns->bid_b + first, columns->ask_b + first};
        arb_spread_batch(&part, count, buy_a + first, buy_b + first);
    }
    return arb_bench_each(begin, arb_bench_tick(), cost, 2.0 * (double)(sets * count));
}

/* The floor: the divisions alone, as wide as the kernel does them. */
#define DIVIDE(name, attributes)                                                                   \
    attributes static void name(const arb_spread_columns_t *columns, uint64_t count,               \
                                double *restrict buy_a, double *restrict buy_b)                    \
    {                                                                                              \
        for (uint64_t index = 0; index < count; index++) {                                         \
            buy_a[index] = columns->bid_b[index] / columns->ask_a[index];                          \
            buy_b[index] = columns->bid_a[index] / columns->ask_b[index];                          \
        }                                                                                          \
    }

DIVIDE(divide_plain, )
#if ARB_AVX2_BUILT
DIVIDE(divide_avx2, __attribute__((target("avx2"))))
#else
#define divide_avx2 divide_plain
#endif

ARB_BENCH_API double divide_pass(const arb_spread_columns_t *columns, uint64_t sets, uint64_t count,
                                 double *buy_a, double *buy_b)
{
    uint64_t cost = arb_bench_cost(), begin = arb_bench_tick();
    for (uint64_t first = 0; first < sets * count; first += count) {
        arb_spread_columns_t part = {columns->bid_a + first, columns->ask_a + first,
                                     columns->bid_b + first, columns->ask_b + first};
        (arb_cpu_has_avx2() ? divide_avx2 : divide_plain)(&part, count, buy_a + first,
                                                             buy_b + first);
    }
    return arb_bench_each(begin, arb_bench_tick(), cost, 2.0 * (double)(sets * count));
}

/* One update at a time, in the order of `order`: the question without a division, then, for what
 * may pass, the exact formula; both directions. Returns how many directed pairs passed. */
ARB_BENCH_API uint64_t single_pass(const arb_spread_columns_t *columns, const uint32_t *order,
                                   uint64_t batches, uint64_t batch, double threshold_bps,
                                   double *samples)
{
    double factor = arb_spread_factor(threshold_bps);
    uint64_t cost = arb_bench_cost(), passed = 0;
    for (uint64_t number = 0; number < batches; number++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t index = 0; index < batch; index++) {
            uint32_t symbol = order[number * batch + index];
            double bid_a = columns->bid_a[symbol], ask_a = columns->ask_a[symbol];
            double bid_b = columns->bid_b[symbol], ask_b = columns->ask_b[symbol];
            if (arb_spread_may_pass(bid_b, ask_a, factor))
                passed += arb_spread_bps(bid_b, ask_a) >= threshold_bps;
            if (arb_spread_may_pass(bid_a, ask_b, factor))
                passed += arb_spread_bps(bid_a, ask_b) >= threshold_bps;
            ARB_BENCH_USE(passed);
        }
        samples[number] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
    }
    return passed;
}

/* The floor of single_pass: the four prices are loaded and compared, nothing is decided. */
ARB_BENCH_API void load_pass(const arb_spread_columns_t *columns, const uint32_t *order,
                             uint64_t batches, uint64_t batch, double *samples)
{
    uint64_t cost = arb_bench_cost();
    for (uint64_t number = 0; number < batches; number++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t index = 0; index < batch; index++) {
            uint32_t symbol = order[number * batch + index];
            double sum = columns->bid_a[symbol] + columns->ask_a[symbol] +
                         columns->bid_b[symbol] + columns->ask_b[symbol];
            __asm__ volatile("" : : "r"(sum));
        }
        samples[number] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
    }
}

/* ---- the detector's own step: tick -> store -> both pairs of its symbol judged -------------- */

typedef struct {
    arb_detector_t detector;
    arb_detector_counters_t counters;
    arb_market_store_t *store;
    void *state;
} bench_detector_t;

ARB_BENCH_API bench_detector_t *detector_new(uint32_t symbols)
{
    bench_detector_t *made = arb_bench_zeroed(sizeof *made);
    arb_detector_config_t config = arb_detector_defaults();
    made->store = arb_bench_zeroed(arb_store_bytes(2, symbols));
    made->state = arb_bench_zeroed(arb_detector_state_bytes(2, symbols));
    arb_store_init(made->store, 2, symbols);
    for (uint32_t row = 0; row < 2 * symbols; row++) {
        arb_store_px_mult(made->store)[row] = 1.0;
        arb_store_qty_mult(made->store)[row] = 1.0;
        arb_store_taker_bps(made->store)[row] = 5.0;
    }
    arb_detector_lives_init(&made->detector, &config, made->store, made->state, &made->counters);
    return made;
}

ARB_BENCH_API void detector_free(bench_detector_t *made)
{
    free(made->store);
    free(made->state);
    free(made);
}

ARB_BENCH_API uint64_t detector_ticks(const bench_detector_t *made)
{
    return made->counters.quotes;
}
ARB_BENCH_API uint64_t detector_opened(const bench_detector_t *made)
{
    return made->counters.opened;
}

/* The floor of detector_pass: a tick is copied to its row's line. */
ARB_BENCH_API void copy_pass(arb_tick_t *rows, uint64_t row_mask, const arb_tick_t *ticks,
                             uint64_t batches, uint64_t batch, double *samples)
{
    uint64_t cost = arb_bench_cost();
    for (uint64_t number = 0; number < batches; number++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t index = 0; index < batch; index++) {
            const arb_tick_t *tick = ticks + number * batch + index;
            memcpy(rows + (arb_tick_row(tick) & row_mask), tick, sizeof *tick);
            ARB_BENCH_USE(rows);
        }
        samples[number] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
    }
}

ARB_BENCH_API void detector_pass(bench_detector_t *made, const arb_tick_t *ticks, uint64_t batches,
                                 uint64_t batch, double *samples)
{
    uint64_t cost = arb_bench_cost();
    for (uint64_t number = 0; number < batches; number++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t index = 0; index < batch; index++) {
            const arb_tick_t *tick = ticks + number * batch + index;
            arb_detector_handle(&made->detector, tick, tick->recv_mono_ns / 1000000);
            made->detector.event_count = 0;
        }
        samples[number] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
    }
}
