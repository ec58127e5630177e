/* Backtest latency: how long a way takes, drawn from a model; and the backtest's chance.
 *
 *   CONSTANT    always so many ns
 *   HISTOGRAM   counts of an empirical distribution; inside a bucket every value is as likely
 *   CALLABLE    asked of the owner, who asks Python: slow
 *
 * Chance is counted, not kept: draw n of a stream is a hash of (seed, stream, n), so that another
 * model on one way changes nothing on the others, and a draw can be made again.
 *
 * Threads: one. Memory: a histogram's buckets belong to the owner.
 */
#ifndef ARB_BACKTEST_LATENCY_H
#define ARB_BACKTEST_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

typedef enum arb_latency_kind {
    ARB_LATENCY_CONSTANT = 0,
    ARB_LATENCY_HISTOGRAM = 1,
    ARB_LATENCY_CALLABLE = 2
} arb_latency_kind_t;

/* Who is asked where a way is a callable: a handle of the owner's, and which way. */
typedef int64_t (*arb_latency_call_t)(void *owner, uint32_t way, int64_t now_ns);

typedef struct arb_latency_bucket {
    uint64_t below;    /* counts of this bucket and all before it */
    int64_t low_ns;
    int64_t width_ns;  /* values low_ns .. low_ns + width_ns - 1; at least 1 */
} arb_latency_bucket_t;

typedef struct arb_latency {
    uint64_t seed;
    uint64_t drawn;          /* so far */
    int64_t constant_ns;
    const arb_latency_bucket_t *buckets;
    uint64_t bucket_count;
    arb_latency_call_t call;
    void *owner;
    uint32_t way;            /* of this stream: tells it from the others */
    uint32_t kind;           /* arb_latency_kind_t */
} arb_latency_t;

/* S. Vigna's splitmix64: the state's finaliser is a bijection with full avalanche. */
static inline uint64_t arb_mix64(uint64_t value)
{
    value += 0x9E3779B97F4A7C15ull;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
    return value ^ (value >> 31);
}

static inline uint64_t arb_draw_at(uint64_t seed, uint32_t stream, uint64_t number)
{
    return arb_mix64(arb_mix64(arb_mix64(seed) + stream) + number);
}

/* An even number of [0, 1). */
static inline double arb_draw_unit(uint64_t drawn) { return (double)(drawn >> 11) * 0x1p-53; }

/* The value of a histogram at an even draw. */
static inline int64_t arb_latency_of_histogram(const arb_latency_t *model, uint64_t drawn)
{
    const arb_latency_bucket_t *buckets = model->buckets;
    uint64_t low = 0, high = model->bucket_count - 1;
    uint64_t rank = (uint64_t)(((unsigned __int128)drawn * buckets[high].below) >> 64);
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (buckets[middle].below > rank)
            high = middle;
        else
            low = middle + 1;
    }
    uint64_t inside = arb_mix64(drawn);
    return buckets[low].low_ns +
           (int64_t)(((unsigned __int128)inside * (uint64_t)buckets[low].width_ns) >> 64);
}

/* How long this way takes at draw `number`; never below 0. */
static inline int64_t arb_latency_at(const arb_latency_t *model, uint64_t number, int64_t now_ns)
{
    int64_t ns = model->constant_ns;
    if (model->kind == ARB_LATENCY_HISTOGRAM)
        ns = arb_latency_of_histogram(model, arb_draw_at(model->seed, model->way, number));
    else if (model->kind == ARB_LATENCY_CALLABLE)
        ns = model->call(model->owner, model->way, now_ns);
    return ns < 0 ? 0 : ns;
}

/* The next draw of a stream. */
static inline int64_t arb_latency_next(arb_latency_t *model, int64_t now_ns)
{
    return arb_latency_at(model, model->drawn++, now_ns);
}

#endif
