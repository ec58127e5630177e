/* Numbers of a frame four at a time: where they end, and what they are.
 *
 * Where. A window is a few 64-bit maps of 64 bytes of text, one bit a byte: what can belong to a
 * number, what is a point, where a number has ended. From there the ends are bits that are taken
 * one after the other; the text is not looked at again, and whatever the widths, there is no branch
 * to mispredict.
 *
 * What. The 16 bytes that end with a number are loaded, those before it are cleared, and a shuffle
 * chosen by the place of the point closes the gap. Sixteen digits become one integer by
 * multiply-adds of pairs, fours and eights; four numbers share the instructions. A price is that
 * integer, below 10^15, divided by a power of ten: two exact doubles and one division that rounds
 * once, which is the correctly rounded double of decimal.h.
 *
 * Proof. Nothing is guessed: text that is no plain decimal fails a check. A byte that is no digit
 * is seen when the point is out; a point at the end divides by NaN; a zero too many in front, no
 * whole digit, or too many of them fail against the least value of so many whole digits. The checks
 * are gathered, and one branch a frame decides.
 * Source: the multiply-adds are W. Mula's, "SIMD-ized parsing of unsigned integers" (0x80.pl).
 *
 * Threads: pure functions. Limits: a window reads 64 bytes from its start, a number the 16 before
 * its end: both are the caller's to keep inside the frame. Built where ARB_AVX2_BUILT (cpu.h).
 */
#ifndef ARB_NUMBER_SIMD_H
#define ARB_NUMBER_SIMD_H

#include <stdint.h>

#include "number_tables.h"

#if ARB_AVX2_BUILT

enum {
    ARB_NUMBER_BYTES_MAX = 15, /* digits and point */
    ARB_WINDOW_BYTES = 64,
};

/* ---- where numbers end ----------------------------------------------------------------------- */

/* One bit a byte of text, the first byte lowest. */
typedef struct arb_window {
    uint64_t numbers; /* a digit, a point (or a slash, which fails later) */
    uint64_t points;
    uint64_t ends;    /* the byte after a number */
} arb_window_t;

/* A number in the text. */
typedef struct arb_number {
    const char *end; /* the byte after it */
    uint64_t bytes;  /* 1 to ARB_NUMBER_BYTES_MAX, or it must not be loaded */
    uint64_t whole;  /* of these, before the point */
} arb_number_t;

static inline arb_window_t arb_window_of(uint64_t numbers, uint64_t points)
{
    return (arb_window_t){numbers, points, ~numbers & numbers << 1};
}

/* The maps of 32 bytes. */
ARB_AVX2 static inline arb_window_t arb_window_half(const arb_number_tables_t *tables,
                                                    const char *at)
{
    __m256i text = _mm256_loadu_si256((const __m256i *)at);
    __m256i moved = _mm256_add_epi8(text, ARB_CONSTANT(tables, from_point));
    __m256i numbers = _mm256_cmpgt_epi8(moved, ARB_CONSTANT(tables, from_point_least));
    __m256i points = _mm256_cmpeq_epi8(text, ARB_CONSTANT(tables, point));
    return arb_window_of((uint32_t)_mm256_movemask_epi8(numbers),
                         (uint32_t)_mm256_movemask_epi8(points));
}

/* The maps of 64 bytes. */
ARB_AVX2 static inline arb_window_t arb_window_read(const arb_number_tables_t *tables,
                                                    const char *at)
{
    arb_window_t low = arb_window_half(tables, at), high = arb_window_half(tables, at + 32);
    return arb_window_of(low.numbers | high.numbers << 32, low.points | high.points << 32);
}

/* The window that begins `skip` bytes (1 to 63) later, with the 32 bytes behind the first one. A
 * number that these cut off seems to end there. */
static inline arb_window_t arb_window_later(arb_window_t window, arb_window_t behind, uint64_t skip)
{
    return arb_window_of(window.numbers >> skip | behind.numbers << (-skip & 63),
                         window.points >> skip | behind.points << (-skip & 63));
}

/* Take the next end; 64: there is none. */
ARB_AVX2 static inline uint64_t arb_next_end(uint64_t *ends)
{
    uint64_t end = _tzcnt_u64(*ends);
    *ends = _blsr_u64(*ends);
    return end;
}

/* The number in bytes [start, end) of a window. */
ARB_AVX2 static inline arb_number_t arb_number_in(arb_window_t window, const char *base,
                                                  uint64_t start, uint64_t end)
{
    uint64_t stops = window.points | window.ends;
    return (arb_number_t){base + end, end - start, _tzcnt_u64(stops >> (start & 63))};
}

/* How many of the 16 bytes before `end` are no number: all before its last digits. */
ARB_AVX2 static inline uint64_t arb_before_digits(const arb_number_tables_t *tables,
                                                  const char *end)
{
    __m128i text = _mm_loadu_si128((const __m128i *)(end - 16));
    __m128i nine = _mm256_castsi256_si128(ARB_CONSTANT(tables, nine));
    __m128i values = _mm_sub_epi8(text, _mm256_castsi256_si128(ARB_CONSTANT(tables, zero_digit)));
    __m128i digits = _mm_cmpeq_epi8(_mm_min_epu8(values, nine), values);
    uint32_t others = (uint32_t)_mm_movemask_epi8(digits) ^ 0xFFFFu;
    return 31 - (uint64_t)__builtin_clz(2 * others + 1);
}

/* ---- what they are --------------------------------------------------------------------------- */

ARB_AVX2 static inline __m256i arb_two_loads(const void *low, const void *high)
{
    __m128i first = _mm_loadu_si128((const __m128i *)low);
    __m128i second = _mm_loadu_si128((const __m128i *)high);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1);
}

/* The values of the digits of two whole numbers that end there, one in each half. */
ARB_AVX2 static inline __m256i arb_whole_digits(const arb_number_tables_t *tables,
                                                const char *a_end, uint64_t a_bytes,
                                                const char *b_end, uint64_t b_bytes)
{
    __m256i text = arb_two_loads(a_end - 16, b_end - 16);
    __m256i keep = arb_two_loads(tables->keep_last + a_bytes, tables->keep_last + b_bytes);
    return _mm256_and_si256(_mm256_sub_epi8(text, ARB_CONSTANT(tables, zero_digit)), keep);
}

/* The same of two numbers without their points. */
ARB_AVX2 static inline __m256i arb_number_digits(const arb_number_tables_t *tables, arb_number_t a,
                                                 arb_number_t b)
{
    return _mm256_shuffle_epi8(arb_whole_digits(tables, a.end, a.bytes, b.end, b.bytes),
                               arb_two_loads(tables->after[a.bytes - a.whole].drop,
                                             tables->after[b.bytes - b.whole].drop));
}

/* Four times sixteen digits as integers: lower half of first and second, then their upper ones. */
ARB_AVX2 static inline __m256i arb_four_wholes(const arb_number_tables_t *tables, __m256i first,
                                               __m256i second)
{
    const __m256i tens = ARB_CONSTANT(tables, tens), hundreds = ARB_CONSTANT(tables, hundreds);
    __m256i first_fours = _mm256_madd_epi16(_mm256_maddubs_epi16(first, tens), hundreds);
    __m256i second_fours = _mm256_madd_epi16(_mm256_maddubs_epi16(second, tens), hundreds);
    __m256i eights = _mm256_madd_epi16(_mm256_packus_epi32(first_fours, second_fours),
                                       ARB_CONSTANT(tables, ten_thousands));
    __m256i upper = _mm256_mul_epu32(eights, ARB_CONSTANT(tables, hundred_millions));
    return _mm256_add_epi64(upper, _mm256_srli_epi64(eights, 32));
}

/* Two levels, read. */
typedef struct arb_two_levels {
    __m256d values; /* px of the first, px of the second, qty of the first, qty of the second */
    __m256i digits; /* the larger in each place: one above 9 was none */
    bool good;      /* each value is at least what its whole digits ask for */
} arb_two_levels_t;

/* least_qty: the table for quantities. */
ARB_AVX2 static inline arb_two_levels_t arb_two_levels(const arb_number_tables_t *tables,
                                                       const arb_number_t px[2],
                                                       const arb_number_t qty[2],
                                                       const double *least_qty)
{
    __m256i first = arb_number_digits(tables, px[0], qty[0]);
    __m256i second = arb_number_digits(tables, px[1], qty[1]);
    /* 2^52 plus an integer below it has that integer as its low bits */
    __m256i base = ARB_CONSTANT(tables, two_to_52);
    __m256i wholes = _mm256_or_si256(arb_four_wholes(tables, first, second), base);
    __m256d scale = _mm256_setr_pd(tables->after[px[0].bytes - px[0].whole].scale,
                                   tables->after[px[1].bytes - px[1].whole].scale,
                                   tables->after[qty[0].bytes - qty[0].whole].scale,
                                   tables->after[qty[1].bytes - qty[1].whole].scale);
    __m256d least =
        _mm256_setr_pd(tables->least_positive[px[0].whole], tables->least_positive[px[1].whole],
                       least_qty[qty[0].whole], least_qty[qty[1].whole]);
    __m256d mantissas = _mm256_sub_pd(_mm256_castsi256_pd(wholes), _mm256_castsi256_pd(base));
    __m256d values = _mm256_div_pd(mantissas, scale);
    bool good = _mm256_movemask_pd(_mm256_cmp_pd(values, least, _CMP_GE_OQ)) == 15;
    return (arb_two_levels_t){values, _mm256_max_epu8(first, second), good};
}

/* Above 0 in each place whose digit is none. */
ARB_AVX2 static inline __m256i arb_not_digits_in(const arb_number_tables_t *tables, __m256i digits)
{
    return _mm256_subs_epu8(digits, ARB_CONSTANT(tables, nine));
}

#endif
#endif
