/* The spread kernel: what buying at one venue's ask and selling at another's bid pays, before
 * costs.
 *
 *   gross_bps = (bid - ask) / ask * 1e4          in exactly this order of operations, in doubles
 *
 * arb_spread_bps is the specification. The batch functions read struct-of-arrays columns of two
 * venues and must equal it bit for bit: the AVX2 versions do the same IEEE operations, four lanes
 * at a time (no fused multiply-add, no reciprocal estimate), where the processor has them (cpu.h).
 *
 * A division costs more than all the rest, and nearly no pair passes. So a scan first asks
 * bid > ask * factor, with factor = 1 + (threshold - margin) / 1e4: a multiplication and a
 * comparison. The margin is far larger than every rounding error of both sides, so no pair that
 * passes the exact formula is lost; the few that pass the question are decided by the exact
 * formula.
 *
 * "No price" is NaN: every comparison with it is false, so it never passes, without a branch.
 * Indices are compacted without a branch: written unconditionally, the cursor advances by the mask.
 *
 * Threads: pure functions of their arguments. Limits: prices from 1e-290 up (below, a margin can
 * round away); columns of one call have equal length; index outputs have room for count +
 * ARB_SPREAD_INDEX_SLACK entries. See docs/branchless_validation.md.
 */
#ifndef ARB_SPREAD_H
#define ARB_SPREAD_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu.h"

/* a vector of indices is stored whole, also past the last one */
enum { ARB_SPREAD_INDEX_SLACK = 4 };

/* Edge in basis points of buying at ask and selling at bid; NaN when a price is NaN. */
static inline double arb_spread_bps(double bid, double ask) { return (bid - ask) / ask * 1e4; }

/* The factor of the division-free question for a threshold in bps. It errs on the side of asking:
 * the margin covers the rounding of both formulas (relative 2^-50 at most) a thousand times
 * over. */
static inline double arb_spread_factor(double threshold_bps)
{
    double margin_bps = 1e-6 + 1e-9 * fabs(threshold_bps);
    return 1.0 + (threshold_bps - margin_bps) * 1e-4;
}

/* Could this pair pass the threshold behind factor? Never false for one that does. */
static inline bool arb_spread_may_pass(double bid, double ask, double factor)
{
    return bid > ask * factor;
}

/* ---- batch: both directed pairs of every symbol ---------------------------------------------- */

/* Columns of venues A and B, one entry a symbol. */
typedef struct arb_spread_columns {
    const double *bid_a;
    const double *ask_a;
    const double *bid_b;
    const double *ask_b;
} arb_spread_columns_t;

/* buy_a[i]: buy at A's ask, sell at B's bid; buy_b[i]: the other way round. From first to count. */
static inline void arb_spread_batch_scalar(const arb_spread_columns_t *columns, size_t first,
                                           size_t count, double *buy_a, double *buy_b)
{
    for (size_t index = first; index < count; index++) {
        buy_a[index] = arb_spread_bps(columns->bid_b[index], columns->ask_a[index]);
        buy_b[index] = arb_spread_bps(columns->bid_a[index], columns->ask_b[index]);
    }
}

/* Indices of symbols where either direction may pass its factor. Returns how many. */
static inline size_t arb_spread_scan_scalar(const arb_spread_columns_t *columns, size_t first,
                                            size_t count, double factor_a, double factor_b,
                                            uint32_t *found, size_t found_count)
{
    for (size_t index = first; index < count; index++) {
        unsigned buy_a = columns->bid_b[index] > columns->ask_a[index] * factor_a;
        unsigned buy_b = columns->bid_a[index] > columns->ask_b[index] * factor_b;
        found[found_count] = (uint32_t)index;
        found_count += buy_a | buy_b;
    }
    return found_count;
}

#if ARB_AVX2_BUILT
ARB_AVX2 __attribute__((noinline)) static void
arb_spread_batch_avx2(const arb_spread_columns_t *columns, size_t count, double *buy_a,
                      double *buy_b)
{
    const double *bid_a = columns->bid_a, *ask_a = columns->ask_a;
    const double *bid_b = columns->bid_b, *ask_b = columns->ask_b;
    const __m256d to_bps = _mm256_set1_pd(1e4);
    const size_t whole = count & ~(size_t)3;
    for (size_t index = 0; index < whole; index += 4) {
        __m256d ask_a4 = _mm256_loadu_pd(ask_a + index);
        __m256d ask_b4 = _mm256_loadu_pd(ask_b + index);
        __m256d edge_a = _mm256_sub_pd(_mm256_loadu_pd(bid_b + index), ask_a4);
        __m256d edge_b = _mm256_sub_pd(_mm256_loadu_pd(bid_a + index), ask_b4);
        _mm256_storeu_pd(buy_a + index, _mm256_mul_pd(_mm256_div_pd(edge_a, ask_a4), to_bps));
        _mm256_storeu_pd(buy_b + index, _mm256_mul_pd(_mm256_div_pd(edge_b, ask_b4), to_bps));
    }
    arb_spread_batch_scalar(columns, whole, count, buy_a, buy_b);
}

/* Byte shuffles that move the 32-bit lanes named by a 4-bit mask to the front. */
#define ARB_LANE(lane) 4 * (lane), 4 * (lane) + 1, 4 * (lane) + 2, 4 * (lane) + 3
#define ARB_LANES(a, b, c, d) {ARB_LANE(a), ARB_LANE(b), ARB_LANE(c), ARB_LANE(d)}

ARB_AVX2 __attribute__((noinline)) static size_t
arb_spread_scan_avx2(const arb_spread_columns_t *columns, size_t count, double factor_a,
                     double factor_b, uint32_t *found)
{
    static const uint8_t front[16][16] __attribute__((aligned(16))) = {
        ARB_LANES(0, 1, 2, 3), ARB_LANES(0, 1, 2, 3), ARB_LANES(1, 0, 2, 3), ARB_LANES(0, 1, 2, 3),
        ARB_LANES(2, 0, 1, 3), ARB_LANES(0, 2, 1, 3), ARB_LANES(1, 2, 0, 3), ARB_LANES(0, 1, 2, 3),
        ARB_LANES(3, 0, 1, 2), ARB_LANES(0, 3, 1, 2), ARB_LANES(1, 3, 0, 2), ARB_LANES(0, 1, 3, 2),
        ARB_LANES(2, 3, 0, 1), ARB_LANES(0, 2, 3, 1), ARB_LANES(1, 2, 3, 0), ARB_LANES(0, 1, 2, 3)};
    const double *bid_a = columns->bid_a, *ask_a = columns->ask_a;
    const double *bid_b = columns->bid_b, *ask_b = columns->ask_b;
    const __m256d factor_a4 = _mm256_set1_pd(factor_a), factor_b4 = _mm256_set1_pd(factor_b);
    __m128i indices = _mm_setr_epi32(0, 1, 2, 3);
    const size_t whole = count & ~(size_t)3;
    size_t found_count = 0;
    for (size_t index = 0; index < whole; index += 4) {
        __m256d limit_a = _mm256_mul_pd(_mm256_loadu_pd(ask_a + index), factor_a4);
        __m256d limit_b = _mm256_mul_pd(_mm256_loadu_pd(ask_b + index), factor_b4);
        __m256d buy_a = _mm256_cmp_pd(_mm256_loadu_pd(bid_b + index), limit_a, _CMP_GT_OQ);
        __m256d buy_b = _mm256_cmp_pd(_mm256_loadu_pd(bid_a + index), limit_b, _CMP_GT_OQ);
        unsigned mask = (unsigned)_mm256_movemask_pd(_mm256_or_pd(buy_a, buy_b));
        __m128i shuffle = _mm_load_si128((const __m128i *)front[mask]);
        _mm_storeu_si128((__m128i *)(found + found_count), _mm_shuffle_epi8(indices, shuffle));
        found_count += (size_t)_mm_popcnt_u32(mask);
        indices = _mm_add_epi32(indices, _mm_set1_epi32(4));
    }
    return arb_spread_scan_scalar(columns, whole, count, factor_a, factor_b, found, found_count);
}
#undef ARB_LANES
#undef ARB_LANE
#endif

/* Both directed spreads of count symbols. Outputs do not overlap the columns. */
static inline void arb_spread_batch(const arb_spread_columns_t *columns, size_t count,
                                    double *buy_a, double *buy_b)
{
#if ARB_AVX2_BUILT
    if (arb_cpu_has_avx2()) {
        arb_spread_batch_avx2(columns, count, buy_a, buy_b);
        return;
    }
#endif
    arb_spread_batch_scalar(columns, 0, count, buy_a, buy_b);
}

/* Indices of symbols that may pass; found has room for count + ARB_SPREAD_INDEX_SLACK. */
static inline size_t arb_spread_scan(const arb_spread_columns_t *columns, size_t count,
                                     double factor_a, double factor_b, uint32_t *found)
{
#if ARB_AVX2_BUILT
    if (arb_cpu_has_avx2())
        return arb_spread_scan_avx2(columns, count, factor_a, factor_b, found);
#endif
    return arb_spread_scan_scalar(columns, 0, count, factor_a, factor_b, found, 0);
}

/* One directed pair that passes the exact formula. */
typedef struct arb_spread_hit {
    uint32_t index;  /* symbol */
    uint32_t buys_b; /* 0: buy at A, sell at B; 1: the other way round */
    double gross_bps;
} arb_spread_hit_t;

/* Directed pairs with gross_bps >= threshold_bps, by index and then direction. scratch has room for
 * count + ARB_SPREAD_INDEX_SLACK, hits for 2 * count + 2. Returns how many. */
static inline size_t arb_spread_find(const arb_spread_columns_t *columns, size_t count,
                                     double threshold_bps, uint32_t *scratch,
                                     arb_spread_hit_t *hits)
{
    double factor = arb_spread_factor(threshold_bps);
    size_t candidate_count = arb_spread_scan(columns, count, factor, factor, scratch);
    size_t hit_count = 0;
    for (size_t candidate = 0; candidate < candidate_count; candidate++) {
        uint32_t index = scratch[candidate];
        double buy_a = arb_spread_bps(columns->bid_b[index], columns->ask_a[index]);
        double buy_b = arb_spread_bps(columns->bid_a[index], columns->ask_b[index]);
        hits[hit_count] = (arb_spread_hit_t){index, 0, buy_a};
        hit_count += buy_a >= threshold_bps;
        hits[hit_count] = (arb_spread_hit_t){index, 1, buy_b};
        hit_count += buy_b >= threshold_bps;
    }
    return hit_count;
}

#endif
