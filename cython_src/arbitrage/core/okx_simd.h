/* OKX `bbo-tbt` frames of one level a side, without a branch on any number's width.
 *
 *   {"arg":{"channel":"bbo-tbt","instId":"NAME"},"data":[{"asks":[["P","Q","0","N"]],
 *    "bids":[["P","Q","0","N"]],"ts":"T","seqId":S}]}
 *
 * OKX trims its numbers, so their widths change from frame to frame. The asks begin where the name
 * says, the bids where the asks' window (number_simd.h) says, and everything behind where theirs
 * does. The text between the numbers is compared there, and one branch decides.
 *
 * Threads: pure functions. Limits: frames of any other text are refused, and are for the readers
 * behind this one; so are times after May 2033. Every load lies in frame[0..bytes).
 */
#ifndef ARB_OKX_SIMD_H
#define ARB_OKX_SIMD_H

#include "frame_tokens.h"
#include "number_simd.h"
#include "quote_levels.h"
#include "text_simd.h"

#if ARB_AVX2_BUILT

enum {
    ARB_OKX_NAME_AT = 38,     /* {"arg":{"channel":"bbo-tbt","instId":" */
    ARB_OKX_MIDDLE = 22,      /* "},"data":[{"asks":[[" */
    ARB_OKX_SIDES_BYTES = 96, /* a window and the half behind it */
    ARB_OKX_BYTES_MIN = 160,
};

/* Where the numbers lie, and what differs from the expected text. */
typedef struct arb_okx_places {
    const char *end, *name, *after, *asks, *tail;
    uint64_t name_bytes, seq_bytes;
    arb_number_t px[2], qty[2]; /* bid, ask */
    uint64_t differs8; /* in the short pieces */
    __m256i differs;   /* in the others */
} arb_okx_places_t;

/* One level in a window from its price on. */
typedef struct arb_okx_level {
    uint64_t px_end, qty_end;
    uint64_t end;     /* of the number of orders; 64: not in the window */
    uint64_t counted; /* lowest bit: that number begins where the text before it ends */
    arb_number_t px, qty;
} arb_okx_level_t;

ARB_AVX2 static inline arb_okx_level_t arb_okx_level_in(arb_window_t window, const char *at)
{
    arb_okx_level_t level;
    uint64_t ends = window.ends;
    level.px_end = arb_next_end(&ends);
    level.qty_end = arb_next_end(&ends);
    arb_next_end(&ends); /* "0" */
    level.end = arb_next_end(&ends);
    level.counted = window.numbers >> ((level.qty_end + 7) & 63);
    level.px = arb_number_in(window, at, 0, level.px_end);
    level.qty = arb_number_in(window, at, level.px_end + 3, level.qty_end);
    return level;
}

/* Bits that differ from the text inside a level: `","`, `","0","` and an order count behind it. */
static inline uint64_t arb_okx_level_differs(const arb_okx_level_t *level, const char *at)
{
    return ARB_DIFFERS4(at + level->px_end, "\",\"") |
           ARB_DIFFERS8(at + level->qty_end, "\",\"0\",\"") | (~level->counted & 1);
}

/* Find the numbers and compare the text between them. False: they reach too far to be loaded. */
ARB_AVX2 static inline bool arb_okx_find(const arb_number_tables_t *tables, arb_okx_places_t *at)
{
    arb_window_t window = arb_window_read(tables, at->asks);
    arb_window_t behind = arb_window_half(tables, at->asks + ARB_WINDOW_BYTES);
    arb_okx_level_t ask = arb_okx_level_in(window, at->asks);
    uint64_t skip = ask.end + 14; /* "]],"bids":[[" */
    const char *bids = at->asks + skip;
    arb_okx_level_t bid = arb_okx_level_in(arb_window_later(window, behind, skip & 63), bids);
    at->tail = bids + bid.end;
    at->seq_bytes = (uint64_t)(at->end - 3 - at->tail) - 33; /* "]],"ts":"1234567890123","seqId": */
    at->px[0] = bid.px;
    at->px[1] = ask.px;
    at->qty[0] = bid.qty;
    at->qty[1] = ask.qty;
    uint64_t widths = bid.px.bytes | bid.qty.bytes | ask.px.bytes | ask.qty.bytes;
    if (ARB_UNLIKELY((widths | at->seq_bytes) > ARB_NUMBER_BYTES_MAX || skip >= ARB_WINDOW_BYTES ||
                     bid.end == 64))
        return false;
    at->differs8 |= arb_okx_level_differs(&ask, at->asks) | arb_okx_level_differs(&bid, bids) |
                    ARB_DIFFERS4(at->tail + 29, "Id\":");
    at->differs = _mm256_or_si256(
        _mm256_or_si256(at->differs, arb_differs16(bids - 14, "\"]],\"bids\":[[\"\0\0")),
        arb_differs32(at->tail, "\"]],\"ts\":\"1\0\0\0\0\0\0\0\0\0\0\0\0\",\"seqId\""));
    return true;
}

/* Read the frame. False, and *out untouched: another reader must look. */
ARB_AVX2 static inline bool arb_okx_simd_bbo(const char *frame, size_t bytes, arb_quote_t *out)
{
    const arb_number_tables_t *tables = arb_number_tables_get();
    arb_okx_places_t at = {.end = frame + bytes, .name = frame + ARB_OKX_NAME_AT};
    if (ARB_UNLIKELY(bytes - ARB_OKX_BYTES_MIN > ARB_FRAME_BYTES_MAX - ARB_OKX_BYTES_MIN))
        return false;
    __m256i name = _mm256_loadu_si256((const __m256i *)at.name);
    at.name_bytes = arb_guess_length((uint32_t)arb_name_bytes32(tables, name));
    at.after = at.name + at.name_bytes;
    at.asks = at.after + ARB_OKX_MIDDLE;
    if (ARB_UNLIKELY(at.name_bytes - 1 >= ARB_NAME_BYTES_MAX ||
                     at.end - at.asks < ARB_OKX_SIDES_BYTES))
        return false;
    at.differs = _mm256_or_si256(
        arb_differs32(frame, "{\"arg\":{\"channel\":\"bbo-tbt\",\"ins"),
        arb_differs32(at.after, "\"},\"data\":[{\"asks\":[[\"\0\0\0\0\0\0\0\0\0\0"));
    at.differs8 = ARB_DIFFERS8(at.name - 8, "nstId\":\"") | ARB_DIFFERS4(at.end - 4, "\0}]}") >> 8;
    if (ARB_UNLIKELY(!arb_okx_find(tables, &at)))
        return false;

    __m256i whole = arb_whole_digits(tables, at.end - 3, at.seq_bytes, at.tail + 23, 13);
    __m256i wholes = arb_four_wholes(tables, whole, whole);
    int64_t seq = _mm256_extract_epi64(wholes, 0), ts_ms = _mm256_extract_epi64(wholes, 2);
    arb_two_levels_t sides = arb_two_levels(tables, at.px, at.qty, tables->least_positive);
    __m256i digits = arb_not_digits_in(tables, _mm256_max_epu8(sides.digits, whole));
    __m256i differs = _mm256_or_si256(at.differs, digits);
    if (ARB_UNLIKELY(!sides.good || at.differs8 != 0 || !_mm256_testz_si256(differs, differs) ||
                     seq < tables->least_whole[at.seq_bytes] || sides.values[0] > sides.values[1]))
        return false;
    _mm256_storeu_pd(&out->bid_px, sides.values);
    arb_quote_fill(out, ARB_VENUE_OKX, at.name, at.name_bytes, ts_ms, seq, seq);
    return true;
}

#endif
#endif
