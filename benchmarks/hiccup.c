/* Hiccup meter: a thread that only reads the clock sees what the machine takes from all. */
#include "bench.h"
#include "histogram.h"

typedef struct {
    arb_histogram_t gaps; /* ns from one reading to the next */
    uint64_t stop;
    int64_t lost_ns;      /* in gaps over a microsecond */
    int64_t total_ns;
} hiccup_t;

ARB_BENCH_API void *hiccup_new(void)
{
    hiccup_t *meter = arb_bench_zeroed(sizeof *meter);
    arb_bench_ns_per_tick();
    return meter;
}
ARB_BENCH_API void hiccup_free(void *meter) { free(meter); }
ARB_BENCH_API void hiccup_stop(hiccup_t *meter) { arb_store_relaxed(&meter->stop, 1); }

/* Until it is told to stop, or so many ns have passed. */
static void hiccup_read(hiccup_t *meter, int64_t for_ns)
{
    double ns_per_tick = arb_bench_ns_per_tick();
    uint64_t first = arb_bench_tick(), last = first;
    uint64_t end = first + (uint64_t)((double)for_ns / ns_per_tick);
    /* relaxed: a switch; a reading later is soon enough */
    while (!arb_load_relaxed(&meter->stop) && last < end) {
        uint64_t now = arb_bench_tick();
        int64_t gap_ns = (int64_t)((double)(now - last) * ns_per_tick);
        arb_histogram_record(&meter->gaps, gap_ns);
        if (gap_ns > 1000)
            meter->lost_ns += gap_ns;
        last = now;
    }
    meter->total_ns += (int64_t)((double)(last - first) * ns_per_tick);
}

ARB_BENCH_API void hiccup_run(hiccup_t *meter) { hiccup_read(meter, INT64_C(1) << 60); }
ARB_BENCH_API void hiccup_look(hiccup_t *meter, int64_t for_ns) { hiccup_read(meter, for_ns); }

ARB_BENCH_API int64_t hiccup_value(const hiccup_t *meter, double fraction)
{
    uint64_t value = 0;
    if (fraction >= 1.0)
        return (int64_t)meter->gaps.max;
    arb_histogram_percentiles(&meter->gaps, &fraction, &value, 1);
    return (int64_t)value;
}

ARB_BENCH_API double hiccup_lost_share(const hiccup_t *meter)
{
    return meter->total_ns > 0 ? (double)meter->lost_ns / (double)meter->total_ns : 0.0;
}

/* How long somebody who comes at any moment waits until the meter reads again: the wait that only
 * 1 - fraction of the moments exceed. A gap is met as often as it is long. */
ARB_BENCH_API int64_t hiccup_wait(const hiccup_t *meter, double fraction)
{
    double total = 0, exceeded = 0;
    for (uint32_t index = 0; index < ARB_HISTOGRAM_BUCKETS; index++)
        total += (double)meter->gaps.buckets[index] * (double)arb_histogram_middle(index);
    /* downwards: with gaps of at least `gap`, `count` many, the moments that wait longer than it
     * are sum(their lengths) - count * gap */
    double lengths = 0, count = 0;
    for (uint32_t index = ARB_HISTOGRAM_BUCKETS; index-- > 0;) {
        double gap = (double)arb_histogram_middle(index);
        double found = (double)meter->gaps.buckets[index];
        exceeded = lengths - count * gap;
        if (exceeded > (1.0 - fraction) * total)
            return (int64_t)gap;
        lengths += found * gap;
        count += found;
    }
    return 0;
}
