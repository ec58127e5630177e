/* Levels of a depth frame's side two at a time.
 *
 *   P","Q"],["P","Q"],["P","Q"]]          OKX: P","Q","0","N"],[" ...
 *
 * A window (number_simd.h) says where a level's numbers end, and with that where the next one
 * begins; two levels share the instructions that make four doubles. The text between is compared
 * where the numbers say that it is.
 *
 * Threads: pure functions. Limits: every load lies before `end`; a level that begins within 64
 * bytes of it, or is not in its expected text, is left to the caller. Built where ARB_AVX2_BUILT.
 */
#ifndef ARB_LEVELS_SIMD_H
#define ARB_LEVELS_SIMD_H

#include "cacheline.h"
#include "number_simd.h"
#include "text_simd.h"

#if ARB_AVX2_BUILT

enum { ARB_CLOSE_BYTES = 8 }; /* loaded from a level's close on */

/* One level found in a window from its price on. */
typedef struct arb_level_place {
    arb_number_t px, qty;
    const char *close; /* the '"' after its last string */
    bool found;        /* and its text is the expected one up to there */
} arb_level_place_t;

/* orders: two more strings follow, "0" and a number of orders. readable: bytes from `at`, 64 at
 * most, that the window knows and that may be loaded. */
ARB_AVX2 static inline arb_level_place_t arb_level_find(arb_window_t window, const char *at,
                                                        uint64_t readable, bool orders)
{
    arb_level_place_t level;
    uint64_t ends = window.ends, counted = 1;
    uint64_t px_end = arb_next_end(&ends), qty_end = arb_next_end(&ends), end = qty_end;
    level.px = arb_number_in(window, at, 0, px_end);
    level.qty = arb_number_in(window, at, px_end + 3, qty_end);
    if (orders) {
        arb_next_end(&ends); /* "0" */
        end = arb_next_end(&ends);
        /* the number of orders begins where the text before it ends: nothing else is there */
        counted = window.numbers >> ((qty_end + 7) & 63) & 1;
    }
    level.close = at + end;
    level.found = (level.px.bytes | level.qty.bytes) <= ARB_NUMBER_BYTES_MAX &&
                  end + ARB_CLOSE_BYTES <= readable;
    if (ARB_LIKELY(level.found)) {
        uint64_t differs = ARB_DIFFERS4(at + px_end, "\",\"") | (counted ^ 1);
        if (orders)
            differs |= ARB_DIFFERS8(at + qty_end, "\",\"0\",\"");
        level.found = differs == 0;
    }
    return level;
}

/* Is there another level behind one that was found? */
static inline bool arb_level_goes_on(arb_level_place_t level)
{
    return ARB_DIFFERS8(level.close, "\"],[\"") == 0;
}

/* Read two levels that were found, best first, as four doubles px, qty, px, qty. last_px: the price
 * before them. False: a number is none, a price is 0 or not worse than the one before. */
ARB_AVX2 static inline bool arb_levels_read(const arb_number_tables_t *tables, bool bids,
                                            double last_px, arb_level_place_t first,
                                            arb_level_place_t second, __m256d *out)
{
    const arb_number_t px[2] = {first.px, second.px}, qty[2] = {first.qty, second.qty};
    arb_two_levels_t two = arb_two_levels(tables, px, qty, tables->least_amount);
    __m256i bad = arb_not_digits_in(tables, two.digits);
    double first_px = two.values[0], second_px = two.values[1];
    bool alone = first.close == second.close;
    bool sorted = bids ? last_px > first_px && (first_px > second_px || alone)
                       : last_px < first_px && (first_px < second_px || alone);
    *out = _mm256_permute4x64_pd(two.values, 0xD8);
    return two.good && sorted && _mm256_testz_si256(bad, bad);
}

/* Find the level behind one that was found: in what is left of its window, or, where that is too
 * short for two, in one of its own. */
ARB_AVX2 static inline arb_level_place_t arb_level_next(const arb_number_tables_t *tables,
                                                        arb_window_t window, const char *at,
                                                        const char *next, const char *end,
                                                        bool orders)
{
    const arb_window_t none = {0, 0, 0};
    if (!orders) {
        uint64_t skip = (uint64_t)(next - at);
        return arb_level_find(arb_window_later(window, none, skip), next, ARB_WINDOW_BYTES - skip,
                              false);
    }
    if (ARB_LIKELY(end - next >= ARB_WINDOW_BYTES))
        return arb_level_find(arb_window_read(tables, next), next, ARB_WINDOW_BYTES, true);
    return (arb_level_place_t){.found = false};
}

/* Read levels into px, qty pairs from `at`, the first byte of a price, while there is room for two
 * and they are as expected. Returns where it stopped: at the price of the first level not read, or
 * at the close of the last one of the side. */
ARB_AVX2 static inline const char *arb_levels_simd(const char *at, const char *end, bool orders,
                                                   bool bids, double *levels, uint32_t room,
                                                   uint32_t *count)
{
    const arb_number_tables_t *tables = arb_number_tables_get();
    double last_px = bids ? INFINITY : 0;
    uint32_t read = 0;
    while (end - at >= ARB_WINDOW_BYTES && read + 2 <= room) {
        arb_window_t window = arb_window_read(tables, at);
        arb_level_place_t first = arb_level_find(window, at, ARB_WINDOW_BYTES, orders);
        if (ARB_UNLIKELY(!first.found))
            break;
        arb_level_place_t second = first;
        if (ARB_LIKELY(arb_level_goes_on(first)))
            second = arb_level_next(tables, window, at, first.close + 5, end, orders);
        if (ARB_UNLIKELY(!second.found))
            second = first;
        __m256d values;
        if (ARB_UNLIKELY(!arb_levels_read(tables, bids, last_px, first, second, &values)))
            break;
        _mm256_storeu_pd(levels + 2 * read, values);
        read += second.close == first.close ? 1 : 2;
        last_px = _mm256_cvtsd_f64(_mm256_permute4x64_pd(values, 2)); /* the second's */
        at = second.close;
        if (!arb_level_goes_on(second))
            break;
        at += 5; /* "],[" */
    }
    *count = read;
    return at;
}

#endif
#endif
