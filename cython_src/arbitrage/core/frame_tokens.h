/* Tokens of a frame in its expected text: one 16-byte load finds where a token ends.
 *
 * A byte is a digit or not; the positions of the first two that are not give the digits before
 * and after the point. Sixteen digits become two numbers in five instructions (multiply-add of
 * pairs, fours, eights). The result is that of decimal.h: the mantissa stays below 2^53 and is
 * divided once by a power of ten that a double holds exactly. What does not fit goes to
 * decimal.h itself.
 * Source: W. Mula, "SIMD-ized parsing of unsigned integers" (0x80.pl, 2014), for SSE2.
 *
 * Preconditions of all: ARB_TOKEN_BEHIND bytes of the same buffer lie before `at`.
 * Threads: pure functions. Limits: never reads at or past end, nor more than that before `at`.
 * SSE2 is part of every x86-64; elsewhere the plain loops of decimal.h are used.
 */
#ifndef ARB_FRAME_TOKENS_H
#define ARB_FRAME_TOKENS_H

#include "decimal.h"
#include "quote_levels.h"

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
/* One bit for each of 16 bytes that is no digit. */
static inline uint32_t arb_not_digits(__m128i bytes)
{
    __m128i values = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
    __m128i clamped = _mm_max_epu8(values, _mm_set1_epi8(10));
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(clamped, values));
}

/* Two numbers of eight digit values each, as 32-bit words 0 and 1. */
static inline __m128i arb_two_eights(__m128i digits)
{
    /* low * 10 + high in the upper byte of each 16-bit lane: multiply by 10 * 256 + 1 */
    __m128i pairs = _mm_srli_epi16(_mm_mullo_epi16(digits, _mm_set1_epi16(2561)), 8);
    __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(1 << 16 | 100));
    return _mm_madd_epi16(_mm_packs_epi32(fours, fours), _mm_set1_epi32(1 << 16 | 10000));
}

/* The number in the `count` (0 to 16) digits that end before `after`. */
static inline int64_t arb_digits16(const char *after, uint32_t count)
{
    /* 16 bytes from keep + count keep the low half of the last `count` bytes */
    static const uint8_t keep[32] = {0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
                                     0,  0,  0,  0,  0,  15, 15, 15, 15, 15, 15,
                                     15, 15, 15, 15, 15, 15, 15, 15, 15, 15};
    __m128i digits = _mm_and_si128(_mm_loadu_si128((const __m128i *)(after - 16)),
                                   _mm_loadu_si128((const __m128i *)(keep + count)));
    uint64_t eights = (uint64_t)_mm_cvtsi128_si64(arb_two_eights(digits));
    return (int64_t)((eights & 0xFFFFFFFFu) * 100000000u + (eights >> 32));
}

/* The same length, as a guess of the branch predictor: what follows need not wait for the load
 * that found it. Worth it where lengths repeat from frame to frame (prices, counters, names: 57
 * to 45 ns a frame), a loss where they do not (quantities). The empty asm keeps the compiler
 * from undoing it. */
static inline uint32_t arb_guess_length(uint32_t length)
{
#define ARB_LENGTH_CASE(count) \
    case count: __asm__("" : "=r"(length) : "0"(count)); break;
    switch (length) {
    ARB_LENGTH_CASE(1) ARB_LENGTH_CASE(2) ARB_LENGTH_CASE(3) ARB_LENGTH_CASE(4)
    ARB_LENGTH_CASE(5) ARB_LENGTH_CASE(6) ARB_LENGTH_CASE(7) ARB_LENGTH_CASE(8)
    ARB_LENGTH_CASE(9) ARB_LENGTH_CASE(10) ARB_LENGTH_CASE(11) ARB_LENGTH_CASE(12)
    ARB_LENGTH_CASE(13) ARB_LENGTH_CASE(14) ARB_LENGTH_CASE(15)
    }
#undef ARB_LENGTH_CASE
    return length;
}

/* Where the parts of an amount lie. */
typedef struct arb_amount_place {
    const char *point; /* after the whole digits */
    const char *end;   /* after all of it */
    uint32_t whole;    /* digits before the point, 1 to 8 */
    uint32_t fraction; /* digits after it, 0 to 8 */
} arb_amount_place_t;

/* Find 1..8 digits, then nothing or a point and 1..8 digits, then a quote. */
static inline bool arb_amount_find(const char *at, const char *end, arb_amount_place_t *place)
{
    if (ARB_UNLIKELY(end - at < ARB_TOKEN_AHEAD))
        return false;
    __m128i bytes = _mm_loadu_si128((const __m128i *)at);
    uint32_t stops = arb_not_digits(bytes);
    uint32_t points = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('.')));
    uint32_t first = stops & (0u - stops);
    uint32_t others = (stops & ~(first & points)) | 1u << 16;
    uint32_t whole = (uint32_t)__builtin_ctz(stops | 1u << 16);
    uint32_t length = (uint32_t)__builtin_ctz(others);
    uint32_t point = (first & points) != 0;
    uint32_t fraction = length - whole - point;
    *place = (arb_amount_place_t){at + whole, at + length, whole, fraction};
    /* a point asks for digits after it; a leading zero stands alone */
    return length < 16 && at[length] == '"' && whole - 1 < 8 && fraction - point < 8 &&
           (*at != '0' || whole == 1);
}

/* The digits of an amount: eight that end at the point, eight that end with it. */
static inline __m128i arb_amount_eights(const arb_amount_place_t *place)
{
    static const uint64_t keep[9] = {0,
                                     0x0F00000000000000ull, 0x0F0F000000000000ull,
                                     0x0F0F0F0000000000ull, 0x0F0F0F0F00000000ull,
                                     0x0F0F0F0F0F000000ull, 0x0F0F0F0F0F0F0000ull,
                                     0x0F0F0F0F0F0F0F00ull, 0x0F0F0F0F0F0F0F0Full};
    __m128i digits = _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(place->point - 8)),
                                        _mm_loadl_epi64((const __m128i *)(place->end - 8)));
    __m128i kept = _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(keep + place->whole)),
                                      _mm_loadl_epi64((const __m128i *)(keep + place->fraction)));
    return arb_two_eights(_mm_and_si128(digits, kept));
}
#endif

/* The same with the loops of decimal.h, for numbers of any form. */
static inline const char *arb_token_amount_plain(const char *at, const char *end, double *out)
{
    if (at < end && *at == '-')
        return NULL;
    at = arb_decimal_read(at, end, out);
    return at != NULL && at < end && *at == '"' ? at : NULL;
}

#if ARB_TOKEN_SIMD
__attribute__((cold))
#endif
static inline const char *arb_token_level_plain(const char *at, const char *end, double *px,
                                                double *qty)
{
    at = arb_token_amount_plain(at, end, px);
    if (at == NULL || !ARB_TOKEN_STEP(at, end, "\",\""))
        return NULL;
    return arb_token_amount_plain(at, end, qty);
}

/* Read `PX","QTY` that ends before a '"'. Returns that quote's place; NULL: look with the
 * scanner. */
static inline const char *arb_token_level(const char *at, const char *end, double *px, double *qty)
{
#if ARB_TOKEN_SIMD
    arb_amount_place_t px_place, qty_place;
    if (ARB_LIKELY(arb_amount_find(at, end, &px_place))) {
        const char *next = at + arb_guess_length((uint32_t)(px_place.end - at));
        if (ARB_UNLIKELY(!ARB_TOKEN_STEP(next, end, "\",\"")))
            return NULL;
        if (ARB_LIKELY(arb_amount_find(next, end, &qty_place))) {
            __m128i eights = _mm_unpacklo_epi32(arb_amount_eights(&px_place),
                                                arb_amount_eights(&qty_place));
            __m128d scale = _mm_set_pd(arb_pow10(qty_place.fraction), arb_pow10(px_place.fraction));
            __m128d whole = _mm_cvtepi32_pd(eights);
            __m128d fraction = _mm_cvtepi32_pd(_mm_unpackhi_epi64(eights, eights));
            /* product and sum are whole numbers below 2^53: exact; the division rounds once */
            __m128d mantissa = _mm_add_pd(_mm_mul_pd(whole, scale), fraction);
            __m128d values = _mm_div_pd(mantissa, scale);
            _mm_storel_pd(px, values);
            _mm_storeh_pd(qty, values);
            return qty_place.end;
        }
    }
#endif
    return arb_token_level_plain(at, end, px, qty);
}

/* Read a whole number. Returns the first byte after its digits; NULL: look with the scanner. */
static inline const char *arb_token_whole(const char *at, const char *end, int64_t *out)
{
#if ARB_TOKEN_SIMD
    if (ARB_LIKELY(end - at >= ARB_TOKEN_AHEAD)) {
        uint32_t stops = arb_not_digits(_mm_loadu_si128((const __m128i *)at)) | 1u << 16;
        uint32_t length = (uint32_t)__builtin_ctz(stops);
        /* 14 digits are always within ARB_SEQ_MAX */
        if (ARB_LIKELY(length - 1 < 14 && (*at != '0' || length == 1))) {
            *out = arb_digits16(at + length, length);
            return at + arb_guess_length(length);
        }
    }
#endif
    return arb_whole_read(at, end, ARB_SEQ_MAX, out);
}

/* Read a time in milliseconds: 13 digits from 2001 to 2286, which spares waiting for the length. */
static inline const char *arb_token_wall_ms(const char *at, const char *end, int64_t *out)
{
#if ARB_TOKEN_SIMD
    if (ARB_LIKELY(end - at >= 14)) {
        /* the load ends with the 14th byte */
        uint32_t stops = arb_not_digits(_mm_loadu_si128((const __m128i *)(at - 2))) >> 2;
        /* up to 8999999999999, which is within ARB_WALL_MS_MAX */
        if (ARB_LIKELY(stops == 1u << 13 && *at != '0' && *at != '9')) {
            *out = arb_digits16(at + 13, 13);
            return at + 13;
        }
    }
#endif
    return arb_whole_read(at, end, ARB_WALL_MS_MAX, out);
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
            const char *stop = at + arb_guess_length((uint32_t)__builtin_ctz(stops));
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
