/* The tables of number_simd.h: what a number's bytes before its point and from it on ask for.
 *
 * One object, so that one register holds the address of all, and the constants of the vector code
 * are operands in memory: built in registers, as compilers like to, each would cost three steps a
 * frame.
 *
 * Threads: read only. Built where ARB_AVX2_BUILT (cpu.h).
 */
#ifndef ARB_NUMBER_TABLES_H
#define ARB_NUMBER_TABLES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu.h"

#if ARB_AVX2_BUILT

typedef struct arb_number_tables {
    uint8_t keep_last[32];  /* 16 bytes from keep_last + n keep the last n of 16 */
    uint8_t keep_first[64]; /* 32 bytes from keep_first + 32 - n keep the first n of 32 */
    struct {
        uint8_t drop[16]; /* the shuffle of the last 16 bytes that takes the point out */
        double scale;     /* divides; a point with nothing behind it makes NaN of the number */
        double unused;
    } after[16]; /* by the bytes from the point on */
    /* by the bytes before the point: the least value without a zero in front; none has no value */
    double least_positive[16]; /* of numbers above 0 */
    double least_amount[16];   /* of numbers that may be 0 */
    int64_t least_whole[20];   /* of whole numbers of up to 16 digits: 15 and 16 are too many */
    uint8_t from_point[32];       /* added to a byte: '.' to '9' become the largest signed ones, */
    uint8_t from_point_least[32]; /* which are above this */
    uint8_t point[32];
    uint8_t escape[32];
    uint8_t quote_next[32];
    uint8_t zero_digit[32];
    uint8_t nine[32];
    uint8_t tens[32];             /* factors of digits in pairs, of pairs in fours, ... */
    int16_t hundreds[16];
    int16_t ten_thousands[16];
    uint64_t hundred_millions[4];
    uint64_t two_to_52[4]; /* the double 2^52 */
} arb_number_tables_t;

#define ARB_TWICE(...) __VA_ARGS__, __VA_ARGS__
#define ARB_4(...) ARB_TWICE(ARB_TWICE(__VA_ARGS__))
#define ARB_8(...) ARB_TWICE(ARB_4(__VA_ARGS__))
#define ARB_16(...) ARB_TWICE(ARB_8(__VA_ARGS__))
#define ARB_32(...) ARB_TWICE(ARB_16(__VA_ARGS__))
/* Bytes before the point, which is `after` bytes from the end of 16, move up by one. */
#define ARB_DROP_BYTE(after, byte) \
    ((after) == 0 ? (byte) : (byte) == 0 ? 0x80 : (byte) > 16 - (after) ? (byte) : (byte) - 1)
#define ARB_DROP_HALF(after, first)                                       \
    ARB_DROP_BYTE(after, first), ARB_DROP_BYTE(after, (first) + 1),       \
    ARB_DROP_BYTE(after, (first) + 2), ARB_DROP_BYTE(after, (first) + 3), \
    ARB_DROP_BYTE(after, (first) + 4), ARB_DROP_BYTE(after, (first) + 5), \
    ARB_DROP_BYTE(after, (first) + 6), ARB_DROP_BYTE(after, (first) + 7)
#define ARB_AFTER(after, scale) {{ARB_DROP_HALF(after, 0), ARB_DROP_HALF(after, 8)}, scale, 0}

static const arb_number_tables_t arb_number_tables __attribute__((aligned(64))) = {
    .keep_last = {[16] = ARB_16(255)},
    .keep_first = {ARB_32(255)},
    .after = {ARB_AFTER(0, 1e0), ARB_AFTER(1, NAN), ARB_AFTER(2, 1e1), ARB_AFTER(3, 1e2),
              ARB_AFTER(4, 1e3), ARB_AFTER(5, 1e4), ARB_AFTER(6, 1e5), ARB_AFTER(7, 1e6),
              ARB_AFTER(8, 1e7), ARB_AFTER(9, 1e8), ARB_AFTER(10, 1e9), ARB_AFTER(11, 1e10),
              ARB_AFTER(12, 1e11), ARB_AFTER(13, 1e12), ARB_AFTER(14, 1e13), ARB_AFTER(15, 1e14)},
    .least_positive = {INFINITY, 0x1p-1074, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6,
                       1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14},
    .least_amount = {INFINITY, 0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6,
                     1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14},
    .least_whole = {INT64_MAX, 0, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000,
                    1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000,
                    INT64_MAX, INT64_MAX},
    .from_point = {ARB_32(127 - '9')},
    .from_point_least = {ARB_32('.' + 127 - '9' - 1)},
    .point = {ARB_32('.')},
    .escape = {ARB_32('\\')},
    .quote_next = {ARB_32('"' + 1)},
    .zero_digit = {ARB_32('0')},
    .nine = {ARB_32(9)},
    .tens = {ARB_16(10, 1)},
    .hundreds = {ARB_8(100, 1)},
    .ten_thousands = {ARB_8(10000, 1)},
    .hundred_millions = {ARB_4(100000000)},
    .two_to_52 = {ARB_4(0x4330000000000000)},
};
#undef ARB_TWICE
#undef ARB_4
#undef ARB_8
#undef ARB_16
#undef ARB_32
#undef ARB_DROP_BYTE
#undef ARB_DROP_HALF
#undef ARB_AFTER

_Static_assert(offsetof(arb_number_tables_t, from_point) % 32 == 0, "constants are whole vectors");

/* The tables, by an address that the compiler cannot see through. */
static inline const arb_number_tables_t *arb_number_tables_get(void)
{
    const arb_number_tables_t *tables = &arb_number_tables;
    __asm__("" : "+r"(tables));
    return tables;
}

/* 32 bytes of a constant. */
#define ARB_CONSTANT(tables, name) _mm256_load_si256((const __m256i *)(tables)->name)

#endif
#endif
