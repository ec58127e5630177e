/* Decimal text to numbers: the correctly rounded double, and bounded whole numbers.
 *
 * Grammar: a JSON number (RFC 8259 section 6) and nothing else: no '+', no leading zeros, no
 * bare '.', no hex, no "NaN" or "inf". The double is the one that Python's float() gives.
 * Algorithm: up to 19 digits are gathered in one integer. Mantissa <= 2^53 and |exponent| <= 22
 * is one exact operation (W. Clinger, "How to read floating point numbers accurately", 1990);
 * everything else goes to strtod as digits and an exponent, written without a decimal point, so
 * that the locale has no say. 768 digits decide any double; what follows them only matters by
 * not being zero.
 *
 * Threads: pure functions. Limits: never reads at or past the end given; text of any length.
 */
#ifndef ARB_DECIMAL_H
#define ARB_DECIMAL_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cacheline.h"

_Static_assert(FLT_EVAL_METHOD == 0, "one exact operation must round once, to double");

enum {
    ARB_DECIMAL_DIGITS_MAX = 768,      /* significant digits that can decide a rounding */
    /* exponents saturate here; no text is long enough to cancel it */
    ARB_DECIMAL_EXP_MAX = 1000000000,
};

/* 10^0 .. 10^22: every power of ten that a double holds exactly */
static inline double arb_pow10(uint32_t exponent)
{
    static const double powers[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    return powers[exponent];
}

static inline bool arb_is_digit(char c) { return (unsigned char)(c - '0') < 10; }

/* A number's text taken apart; the parts lie in the text itself. */
typedef struct arb_decimal_parts {
    const char *whole;    /* digits before the point, at least one */
    const char *fraction; /* digits after it */
    size_t whole_count;
    size_t fraction_count; /* 0: no point */
    int64_t exponent;      /* as written, saturated */
    bool negative;
} arb_decimal_parts_t;

/* Find the number at text. Returns the first byte after it, NULL when there is no JSON number. */
static inline const char *arb_decimal_split(const char *text, const char *end,
                                            arb_decimal_parts_t *parts)
{
    const char *at = text;
    parts->negative = at < end && *at == '-';
    at += parts->negative;
    parts->whole = at;
    while (at < end && arb_is_digit(*at))
        at++;
    parts->whole_count = (size_t)(at - parts->whole);
    if (parts->whole_count == 0 || (parts->whole_count > 1 && *parts->whole == '0'))
        return NULL;
    parts->fraction = at;
    parts->fraction_count = 0;
    if (at < end && *at == '.') {
        parts->fraction = ++at;
        while (at < end && arb_is_digit(*at))
            at++;
        parts->fraction_count = (size_t)(at - parts->fraction);
        if (parts->fraction_count == 0)
            return NULL;
    }
    parts->exponent = 0;
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        bool below = at < end && *at == '-';
        at += at < end && (*at == '-' || *at == '+');
        const char *digits = at;
        for (; at < end && arb_is_digit(*at); at++)
            if (parts->exponent < ARB_DECIMAL_EXP_MAX)
                parts->exponent = parts->exponent * 10 + (*at - '0');
        if (at == digits)
            return NULL;
        if (below)
            parts->exponent = -parts->exponent;
    }
    return at;
}

/* The part of the significant digits that fits, as digits without a point, for strtod. */
static inline double arb_decimal_slow(const arb_decimal_parts_t *parts)
{
    char text[ARB_DECIMAL_DIGITS_MAX + 32];
    size_t used = 0;
    bool more = false; /* something that is not zero follows the digits kept */
    int64_t exponent = parts->exponent;
    for (int side = 0; side < 2; side++) {
        const char *digits = side ? parts->fraction : parts->whole;
        size_t count = side ? parts->fraction_count : parts->whole_count;
        for (size_t digit_index = 0; digit_index < count; digit_index++) {
            char digit = digits[digit_index];
            if (used == ARB_DECIMAL_DIGITS_MAX) {
                more |= digit != '0';
                exponent += side == 0;
            } else {
                if (used > 0 || digit != '0')
                    text[used++] = digit;
                exponent -= side;
            }
        }
    }
    if (used == 0)
        return 0.0;
    if (more) {
        text[used++] = '1';
        exponent--;
    }
    /* beyond +-20000 the value is zero or infinite whatever the digits are (there are at most
     * 769) */
    int64_t bounded = exponent > 20000 ? 20000 : exponent < -20000 ? -20000 : exponent;
    text[used++] = 'e';
    text[used++] = bounded < 0 ? '-' : '+';
    uint32_t left = (uint32_t)(bounded < 0 ? -bounded : bounded);
    for (uint32_t place = 10000; place > 0; place /= 10)
        text[used++] = (char)('0' + left / place % 10);
    text[used] = '\0';
    return strtod(text, NULL);
}

/* The value of parts, sign applied; infinite when it is too large for a double. */
static inline double arb_decimal_value(const arb_decimal_parts_t *parts)
{
    double value;
    if (parts->whole_count + parts->fraction_count <= 19) {
        uint64_t mantissa = 0;
        for (size_t digit_index = 0; digit_index < parts->whole_count; digit_index++)
            mantissa = mantissa * 10 + (uint64_t)(parts->whole[digit_index] - '0');
        for (size_t digit_index = 0; digit_index < parts->fraction_count; digit_index++)
            mantissa = mantissa * 10 + (uint64_t)(parts->fraction[digit_index] - '0');
        int64_t exponent = parts->exponent - (int64_t)parts->fraction_count;
        if (mantissa <= (1ull << 53) && exponent >= -22 && exponent <= 22)
            value = exponent < 0 ? (double)mantissa / arb_pow10((uint32_t)-exponent)
                                 : (double)mantissa * arb_pow10((uint32_t)exponent);
        else
            value = arb_decimal_slow(parts);
    } else {
        value = arb_decimal_slow(parts);
    }
    return parts->negative ? -value : value;
}

/* Read the number at text. Returns the first byte after it; NULL, and *out untouched, when there
 * is no JSON number or when it is too large for a double. */
static inline const char *arb_decimal_read(const char *text, const char *end, double *out)
{
    arb_decimal_parts_t parts;
    const char *after = arb_decimal_split(text, end, &parts);
    if (after == NULL)
        return NULL;
    double value = arb_decimal_value(&parts);
    if (!(fabs(value) <= DBL_MAX))
        return NULL;
    *out = value;
    return after;
}

/* Is the whole of text[0..bytes) one number? On false *out is untouched. */
static inline bool arb_decimal_parse(const char *text, size_t bytes, double *out)
{
    double value;
    if (arb_decimal_read(text, text + bytes, &value) != text + bytes)
        return false;
    *out = value;
    return true;
}

/* Read a whole number without sign, fraction, exponent or leading zeros, at most max (max <=
 * 10^18). Returns the first byte after its digits; NULL, and *out untouched, when it is none.
 * What follows the digits is the caller's to check. */
static inline const char *arb_whole_read(const char *text, const char *end, int64_t max,
                                         int64_t *out)
{
    const char *at = text;
    uint64_t value = 0;
    for (; at < end && arb_is_digit(*at); at++) {
        if (at - text == 18)
            return NULL;
        value = value * 10 + (uint64_t)(*at - '0');
    }
    if (at == text || (*text == '0' && at - text > 1) || value > (uint64_t)max)
        return NULL;
    *out = (int64_t)value;
    return at;
}

#endif
