/* Log-linear histogram of non-negative 64-bit values: at most 0.4 % off, one writer, any readers.
 *
 * Values under 256 are exact; above, each power of two is cut into 128 equal buckets, so a bucket's
 * middle is within 1/256 of every value in it. After G. Tene's HdrHistogram.
 * Values past the range are counted in the last bucket; max stays exact. Readers may see a record
 * half made (count before bucket); they sum the buckets themselves.
 */
#ifndef ARB_HISTOGRAM_H
#define ARB_HISTOGRAM_H

#include "atomics.h"
#include "cacheline.h"

enum {
    ARB_HISTOGRAM_HALF_BITS = 7,
    ARB_HISTOGRAM_HALF = 1 << ARB_HISTOGRAM_HALF_BITS,
    ARB_HISTOGRAM_RANGE_BITS = 42, /* up to 2^42 ns, over an hour */
    ARB_HISTOGRAM_BUCKETS =
        ARB_HISTOGRAM_HALF * (ARB_HISTOGRAM_RANGE_BITS - ARB_HISTOGRAM_HALF_BITS + 1)
};

typedef struct arb_histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    uint64_t min; /* meaningless while count is 0 */
    uint64_t buckets[ARB_HISTOGRAM_BUCKETS];
} ARB_SEPARATED arb_histogram_t;

static inline uint32_t arb_histogram_index(uint64_t value)
{
    /* or-ing 128 makes small values fall into the exact range without a branch */
    uint32_t leading = (uint32_t)__builtin_clzll(value | ARB_HISTOGRAM_HALF);
    uint32_t shift = 63u - leading - ARB_HISTOGRAM_HALF_BITS;
    uint64_t bucket_index = (uint64_t)shift * ARB_HISTOGRAM_HALF + (value >> shift);
    return bucket_index < ARB_HISTOGRAM_BUCKETS ? (uint32_t)bucket_index
                                                : ARB_HISTOGRAM_BUCKETS - 1;
}

/* Smallest value of a bucket. */
static inline uint64_t arb_histogram_floor(uint32_t bucket_index)
{
    uint32_t shift =
        bucket_index < 2 * ARB_HISTOGRAM_HALF ? 0 : bucket_index / ARB_HISTOGRAM_HALF - 1;
    return ((uint64_t)bucket_index - (uint64_t)shift * ARB_HISTOGRAM_HALF) << shift;
}

/* Middle of a bucket: what percentiles report. */
static inline uint64_t arb_histogram_middle(uint32_t bucket_index)
{
    uint32_t shift =
        bucket_index < 2 * ARB_HISTOGRAM_HALF ? 0 : bucket_index / ARB_HISTOGRAM_HALF - 1;
    return arb_histogram_floor(bucket_index) + ((1ull << shift) >> 1);
}

/* Record one value; negative durations count as 0. Writer thread only. */
static inline void arb_histogram_record(arb_histogram_t *histogram, int64_t signed_value)
{
    uint64_t value = signed_value < 0 ? 0 : (uint64_t)signed_value;
    uint64_t *bucket = &histogram->buckets[arb_histogram_index(value)];
    uint64_t count = arb_load_relaxed(&histogram->count);
    /* relaxed: one writer; readers need whole words, not an order */
    arb_store_relaxed(bucket, arb_load_relaxed(bucket) + 1);
    arb_store_relaxed(&histogram->sum, arb_load_relaxed(&histogram->sum) + value);
    if (ARB_UNLIKELY(value > arb_load_relaxed(&histogram->max)))
        arb_store_relaxed(&histogram->max, value);
    if (ARB_UNLIKELY(count == 0 || value < arb_load_relaxed(&histogram->min)))
        arb_store_relaxed(&histogram->min, value);
    arb_store_relaxed(&histogram->count, count + 1);
}

/* ---- notes: counted when there is time ------------------------------------------------------- */

enum { ARB_HISTOGRAM_NOTES_MAX = 8 };

/* Values on their way into histograms. A bucket is one of hundreds of lines, and cold: noting asks
 * for its line and goes on, settling counts when it has come. Threads: the histograms' writer. */
typedef struct arb_histogram_notes {
    uint32_t count;
    struct {
        arb_histogram_t *histogram;
        int64_t value;
    } notes[ARB_HISTOGRAM_NOTES_MAX];
} arb_histogram_notes_t;

/* Count what was noted. */
static inline void arb_histogram_settle(arb_histogram_notes_t *notes)
{
    for (uint32_t index = 0; index < notes->count; index++)
        arb_histogram_record(notes->notes[index].histogram, notes->notes[index].value);
    notes->count = 0;
}

/* Note a value; NULL: nobody wants to know it. */
static inline void arb_histogram_note(arb_histogram_notes_t *notes, arb_histogram_t *histogram,
                                      int64_t value)
{
    if (histogram == NULL)
        return;
    if (ARB_UNLIKELY(notes->count == ARB_HISTOGRAM_NOTES_MAX))
        arb_histogram_settle(notes);
    __builtin_prefetch(
        &histogram->buckets[arb_histogram_index(value < 0 ? 0 : (uint64_t)value)], 1);
    notes->notes[notes->count].histogram = histogram;
    notes->notes[notes->count++].value = value;
}

/* Values at fractions[0..count) (0..1, ascending) into values; returns how many records were read.
 * Any thread; never above the exact maximum. With no record every value is 0. */
static inline uint64_t arb_histogram_percentiles(const arb_histogram_t *histogram,
                                                 const double *fractions, uint64_t *values,
                                                 uint32_t count)
{
    uint64_t total = 0;
    for (uint32_t bucket_index = 0; bucket_index < ARB_HISTOGRAM_BUCKETS; bucket_index++)
        total += arb_load_relaxed(&histogram->buckets[bucket_index]);
    uint64_t max = arb_load_relaxed(&histogram->max), seen = 0;
    uint32_t wanted = 0;
    for (uint32_t bucket_index = 0; bucket_index < ARB_HISTOGRAM_BUCKETS && wanted < count;
         bucket_index++) {
        seen += arb_load_relaxed(&histogram->buckets[bucket_index]);
        while (wanted < count && seen > 0 && (double)seen >= fractions[wanted] * (double)total) {
            uint64_t middle = arb_histogram_middle(bucket_index);
            values[wanted++] = middle > max ? max : middle;
        }
    }
    while (wanted < count)
        values[wanted++] = total ? max : 0;
    return total;
}

#endif
