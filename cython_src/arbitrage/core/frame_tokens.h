/* Number and name tokens of a frame in its expected text: one 16-byte load finds where a token ends.
 *
 * A byte is a digit or not; the positions of the first two that are not give the digits before and
 * after the point. Digits become numbers eight at a time (SWAR: three multiplications in one word).
 * The result is that of decimal.h: the mantissa stays below 2^53 and is divided once by a power of ten
 * that a double holds exactly. What does not fit the pattern goes to decimal.h itself.
 * Source: the SWAR step is the well-known one of D. Lemire, "Quickly parsing eight digits" (2018).
 *
 * Preconditions of all: ARB_TOKEN_BEHIND bytes of the same buffer lie before `at`.
 * Threads: pure functions. Limits: never reads at or past end, nor more than that before `at`.
 * SSE2 is part of every x86-64; elsewhere the plain loops of decimal.h are used.
 */
#ifndef ARB_FRAME_TOKENS_H
#define ARB_FRAME_TOKENS_H

#include "decimal.h"

#if defined(__SSE2__) && !defined(ARB_NO_SIMD)
#include <emmintrin.h>
#define ARB_TOKEN_SIMD 1
#else
#define ARB_TOKEN_SIMD 0
#endif

enum {
    ARB_TOKEN_BEHIND = 16, /* bytes before a token that may be read */
    ARB_TOKEN_AHEAD = 16,  /* bytes from its start that the fast way needs */
};

/* Step over this literal; false, and no step, when the text does not start with it. */
#define ARB_TOKEN_STEP(at, end, literal)                   \
    ((size_t)((end) - (at)) >= sizeof(literal) - 1 &&      \
     memcmp((at), (literal), sizeof(literal) - 1) == 0 &&  \
     ((at) += sizeof(literal) - 1, true))

#if ARB_TOKEN_SIMD
/* Eight digit values, first digit in the lowest byte, as one number. */
static inline uint64_t arb_swar8(uint64_t digits)
{
    digits = (digits * 10) + (digits >> 8); /* pairs, in every second byte */
    return (((digits & 0x000000FF000000FFull) * (100 + (1000000ull << 32))) +
            (((digits >> 16) & 0x000000FF000000FFull) * (1 + (10000ull << 32)))) >> 32;
}

/* The number in the `count` (0 to 8) digits that end before `after`. */
static inline uint64_t arb_digits8(const char *after, uint32_t count)
{
    /* keeps the last `count` of eight bytes */
    static const uint64_t keep[9] = {0,
                                     0xFF00000000000000ull, 0xFFFF000000000000ull,
                                     0xFFFFFF0000000000ull, 0xFFFFFFFF00000000ull,
                                     0xFFFFFFFFFF000000ull, 0xFFFFFFFFFFFF0000ull,
                                     0xFFFFFFFFFFFFFF00ull, 0xFFFFFFFFFFFFFFFFull};
    uint64_t word;
    memcpy(&word, after - 8, 8);
    return arb_swar8((word & keep[count]) & 0x0F0F0F0F0F0F0F0Full);
}

/* One bit for each of the 16 bytes at `at` that is no digit. */
static inline uint32_t arb_not_digits(__m128i bytes)
{
    __m128i values = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
    __m128i clamped = _mm_max_epu8(values, _mm_set1_epi8(10));
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(clamped, values));
}
#endif

/* Read the amount that ends before a '"'. Returns that quote's place; NULL: look again with the scanner. */
static inline const char *arb_token_amount(const char *at, const char *end, double *out)
{
#if ARB_TOKEN_SIMD
    static const uint32_t scales[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    if (ARB_LIKELY(end - at >= ARB_TOKEN_AHEAD)) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)at);
        uint32_t stops = arb_not_digits(bytes) | 1u << 16;
        uint32_t first = stops & (0u - stops);
        uint32_t dot = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('.'))) & first;
        uint32_t whole = (uint32_t)__builtin_ctz(stops);
        uint32_t length = (uint32_t)__builtin_ctz((stops ^ dot) | 1u << 16);
        uint32_t fraction = length - whole - (dot != 0);
        /* 1..8 digits, then none or a point and 1..8 digits, then a quote; a leading zero stands alone */
        if (ARB_LIKELY(whole - 1 < 8 && fraction <= 8 && length < 16 && at[length] == '"' &&
                       (dot == 0 || fraction != 0) && (*at != '0' || whole == 1))) {
            uint64_t mantissa = arb_digits8(at + whole, whole) * scales[fraction] +
                                arb_digits8(at + length, fraction);
            *out = (double)(int64_t)mantissa / arb_pow10(fraction);
            return at + length;
        }
    }
#endif
    if (at < end && *at == '-')
        return NULL;
    const char *after = arb_decimal_read(at, end, out);
    return after != NULL && after < end && *after == '"' ? after : NULL;
}

/* Read a whole number. Returns the first byte after its digits; NULL: look again with the scanner. */
static inline const char *arb_token_whole(const char *at, const char *end, int64_t max, int64_t *out)
{
#if ARB_TOKEN_SIMD
    if (ARB_LIKELY(end - at >= ARB_TOKEN_AHEAD)) {
        uint32_t stops = arb_not_digits(_mm_loadu_si128((const __m128i *)at)) | 1u << 16;
        uint32_t length = (uint32_t)__builtin_ctz(stops);
        if (ARB_LIKELY(length - 1 < 15 && (*at != '0' || length == 1))) {
            uint32_t low = length < 8 ? length : 8;
            uint64_t value = arb_digits8(at + length, low) +
                             arb_digits8(at + length - 8, length - low) * 100000000u;
            *out = (int64_t)value;
            return value <= (uint64_t)max ? at + length : NULL;
        }
    }
#endif
    return arb_whole_read(at, end, max, out);
}

/* Read a time in milliseconds: 13 digits from 2001 to 2286, which spares waiting for the length. */
static inline const char *arb_token_wall_ms(const char *at, const char *end, int64_t max, int64_t *out)
{
#if ARB_TOKEN_SIMD
    if (ARB_LIKELY(end - at >= 14)) {
        /* the last of the bytes loaded may lie before `at`: the load ends with the 14th byte */
        uint32_t stops = arb_not_digits(_mm_loadu_si128((const __m128i *)(at - 2)));
        if (ARB_LIKELY((stops >> 2) == 1u << 13 && *at != '0')) {
            uint64_t value = arb_digits8(at + 8, 8) * 100000u + arb_digits8(at + 13, 5);
            *out = (int64_t)value;
            return value <= (uint64_t)max ? at + 13 : NULL;
        }
    }
#endif
    return arb_whole_read(at, end, max, out);
}

/* The place of the '"' that ends a plain name of at most bytes_max bytes; NULL: look again with the
 * scanner. A name with an escape or a control byte is not plain. */
static inline const char *arb_token_name_end(const char *at, const char *end, size_t bytes_max)
{
#if ARB_TOKEN_SIMD
    if (ARB_LIKELY(end - at >= ARB_TOKEN_AHEAD)) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)at);
        __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
        __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
        __m128i escapes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
        uint32_t stops =
            (uint32_t)_mm_movemask_epi8(_mm_or_si128(quotes, _mm_or_si128(controls, escapes)));
        if (ARB_LIKELY(stops != 0)) {
            const char *stop = at + __builtin_ctz(stops);
            return *stop == '"' ? stop : NULL;
        }
    }
#endif
    const char *stop = at;
    while (stop < end && *stop != '"' && *stop != '\\' && (unsigned char)*stop >= 0x20)
        stop++;
    return stop < end && *stop == '"' && (size_t)(stop - at) <= bytes_max ? stop : NULL;
}

/* Are two short texts equal? Both lie in buffers that may be read up to their ends. */
static inline bool arb_token_same(const char *a, const char *b, size_t bytes, const char *end)
{
#if ARB_TOKEN_SIMD
    if (ARB_LIKELY(bytes <= 16 && end - a >= 16 && end - b >= 16)) {
        __m128i equal = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)a),
                                       _mm_loadu_si128((const __m128i *)b));
        uint32_t wanted = (1u << bytes) - 1;
        return ((uint32_t)_mm_movemask_epi8(equal) & wanted) == wanted;
    }
#endif
    (void)end;
    return memcmp(a, b, bytes) == 0;
}

#endif
