/* One side of a top-of-book frame: its best level, exactly, from any list of levels.
 *
 *   [["63040.8","3.323"], ...]     price and quantity are strings that hold JSON numbers
 *
 * The best level is the highest bid or the lowest ask with a quantity. A quantity of zero
 * deletes its price. A price that is both, or the best price stated twice, has no clear meaning:
 * MALFORMED.
 *
 * Threads: pure functions. Limits: as json_scan.h; ARB_QUOTE_GONE_MAX deletions a side.
 */
#ifndef ARB_QUOTE_LEVELS_H
#define ARB_QUOTE_LEVELS_H

#include "json_scan.h"

enum {
    ARB_FRAME_BYTES_MAX = 4096, /* real frames of one level are about 200 bytes */
};
#define ARB_SEQ_MAX ((1ll << 48) - 1)           /* a tick has 48 bits for it */
#define ARB_WALL_MS_MAX (INT64_MAX / 1000000)   /* year 2262, where nanoseconds end */

typedef struct arb_side_levels {
    double px; /* NaN: no level with a quantity */
    double qty;
    double gone_px[ARB_QUOTE_GONE_MAX];
    uint32_t gone_count;
} arb_side_levels_t;

/* Take a quoted number that is not negative. */
static inline bool arb_json_quoted_amount(arb_json_t *json, double *out)
{
    arb_span_t text;
    char c = arb_json_peek(json);
    if (c != '"' && (arb_is_digit(c) || c == '-'))
        return arb_json_fail(json, ARB_FRAME_BAD_NUMBER);
    const char *start = json->at;
    if (!arb_json_string(json, &text))
        return false;
    if (text.bytes == 0 || *text.start == '-' || !arb_decimal_parse(text.start, text.bytes, out)) {
        json->at = start;
        return arb_json_fail(json, ARB_FRAME_BAD_NUMBER);
    }
    return true;
}

/* Take one level. extras: the venue writes more than price and quantity. */
static inline bool arb_json_level(arb_json_t *json, bool extras, double *px, double *qty)
{
    if (!arb_json_expect(json, '['))
        return false;
    arb_json_space(json);
    const char *start = json->at;
    if (!arb_json_quoted_amount(json, px))
        return false;
    if (!(*px > 0)) {
        json->at = start;
        return arb_json_fail(json, ARB_FRAME_BAD_NUMBER);
    }
    if (!arb_json_expect(json, ',') || !arb_json_quoted_amount(json, qty))
        return false;
    while (extras && arb_json_peek(json) == ',') {
        json->at++;
        if (!arb_json_skip(json))
            return false;
    }
    return arb_json_expect(json, ']');
}

/* Take the side at the cursor. */
static inline bool arb_json_side(arb_json_t *json, bool is_bid, bool extras,
                                 arb_side_levels_t *side)
{
    bool first = true, tied = false;
    side->px = NAN;
    side->qty = NAN;
    side->gone_count = 0;
    if (!arb_json_expect(json, '['))
        return false;
    while (arb_json_next_element(json, &first)) {
        double px, qty;
        const char *start = json->at;
        if (!arb_json_level(json, extras, &px, &qty))
            return false;
        if (qty == 0) {
            if (side->gone_count == ARB_QUOTE_GONE_MAX) {
                json->at = start;
                return arb_json_fail(json, ARB_FRAME_MALFORMED);
            }
            side->gone_px[side->gone_count++] = px;
        } else if (isnan(side->px) || (is_bid ? px > side->px : px < side->px)) {
            side->px = px;
            side->qty = qty;
            tied = false;
        } else if (px == side->px) {
            tied = true;
        }
    }
    if (json->status != ARB_FRAME_QUOTE)
        return false;
    for (uint32_t gone_index = 0; gone_index < side->gone_count; gone_index++)
        tied |= side->gone_px[gone_index] == side->px;
    return !tied || arb_json_fail(json, ARB_FRAME_MALFORMED);
}

/* Read a side that was skipped before. On failure json takes over where and why. */
static inline bool arb_side_parse(arb_json_t *json, arb_span_t span, bool is_bid, bool extras,
                                  arb_side_levels_t *side)
{
    arb_json_t inner = {span.start, span.start + span.bytes, ARB_FRAME_QUOTE};
    if (arb_json_side(&inner, is_bid, extras, side))
        return true;
    json->at = inner.at;
    return arb_json_fail(json, inner.status);
}

/* Read a whole number that was skipped before; quoted: it must be a string. */
static inline bool arb_whole_parse(arb_json_t *json, arb_span_t span, bool quoted, int64_t max,
                                   int64_t *out)
{
    const char *start = span.start, *end = span.start + span.bytes;
    bool is_string = *start == '"';
    if (is_string && quoted) {
        start++;
        end--;
    }
    if (is_string != quoted || arb_whole_read(start, end, max, out) != end) {
        json->at = span.start;
        return arb_json_fail(json, ARB_FRAME_BAD_NUMBER);
    }
    return true;
}

/* A value that was skipped before, as a string; false, and an empty one, when it is none. */
static inline bool arb_span_string(arb_span_t span, arb_span_t *out)
{
    *out = (arb_span_t){span.start, 0};
    if (*span.start != '"')
        return false;
    out->start = span.start + 1;
    out->bytes = span.bytes - 2;
    return true;
}

/* What a snapshot's quote has besides its prices. Field by field: a compound literal would first
 * clear all of it. */
static inline void arb_quote_fill(arb_quote_t *quote, uint8_t venue, const char *symbol,
                                  size_t symbol_bytes, int64_t wall_ms, int64_t seq,
                                  int64_t update_id)
{
    quote->exch_wall_ns = wall_ms * 1000000;
    quote->seq = seq;
    quote->update_id = update_id;
    quote->symbol = symbol;
    quote->symbol_bytes = (uint16_t)symbol_bytes;
    quote->kind = ARB_QUOTE_SNAPSHOT;
    quote->venue = venue;
    quote->bid_gone_count = quote->ask_gone_count = 0;
    for (uint32_t gone_index = 0; gone_index < ARB_QUOTE_GONE_MAX; gone_index++)
        quote->bid_gone_px[gone_index] = quote->ask_gone_px[gone_index] = NAN;
}

/* May the text be a venue symbol that we can hold? */
static inline bool arb_symbol_plausible(arb_span_t symbol)
{
    return symbol.bytes > 0 && symbol.bytes <= ARB_NAME_BYTES_MAX &&
           memchr(symbol.start, '\\', symbol.bytes) == NULL;
}

#endif
