/* Bybit `orderbook.1` snapshots of one level a side, without a branch on any number's width.
 *
 *   {"topic":"orderbook.1.NAME","type":"snapshot","ts":T,"data":{"s":"NAME","b":[["P","Q"]],
 *    "a":[["P","Q"]],"u":U,"seq":S},"cts":T}            type and ts in either order
 *
 * Known places first: the name begins at 22, what follows it up to the prices has a fixed length
 * for a name's, the end of the frame from seq on has one, too. Between these lie six numbers: four
 * are found in a window from the first price (number_simd.h), seq from behind, u between. The text
 * between the numbers is compared where they say that it is, and one branch decides. A frame costs
 * the same whether its widths are those of the frame before or not.
 *
 * Threads: pure functions. Limits: frames of any other text are refused, and are for the readers
 * behind this one; so are times after May 2033. Every load lies in frame[0..bytes).
 */
#ifndef ARB_BYBIT_SIMD_H
#define ARB_BYBIT_SIMD_H

#include "frame_tokens.h"
#include "number_simd.h"
#include "quote_levels.h"
#include "text_simd.h"

#if ARB_AVX2_BUILT

enum {
    ARB_BYBIT_NAME_AT = 22,  /* {"topic":"orderbook.1. */
    ARB_BYBIT_MIDDLE = 52,   /* from behind the name to it again */
    ARB_BYBIT_SIDE_AT = 9,   /* ","b":[[" */
    ARB_BYBIT_TAIL = 22,     /* },"cts":1234567890123} */
    ARB_BYBIT_BYTES_MIN = 128,
};

/* The text between the two names, in both orders that occur, and where the time in it ends. */
typedef struct arb_bybit_middle {
    char text[ARB_BYBIT_MIDDLE + 1];
    uint8_t ts_end;
} arb_bybit_middle_t;

static const arb_bybit_middle_t arb_bybit_middles[2] = {
    {"\",\"type\":\"snapshot\",\"ts\":1\0\0\0\0\0\0\0\0\0\0\0\0,\"data\":{\"s\":\"", 38},
    {"\",\"ts\":1\0\0\0\0\0\0\0\0\0\0\0\0,\"type\":\"snapshot\",\"data\":{\"s\":\"", 20},
};

/* Where the numbers lie, and what differs from the expected text. */
typedef struct arb_bybit_places {
    const char *end, *name, *after, *levels;
    uint64_t name_bytes;
    arb_number_t px[2], qty[2]; /* bid, ask */
    const char *u_end, *seq_end;
    uint64_t u_bytes, seq_bytes;
    uint64_t differs8; /* in the short pieces between the numbers */
    __m256i differs;   /* in the others */
} arb_bybit_places_t;

/* Compare the text around the numbers, as far as its place is known without them. */
ARB_AVX2 static inline void arb_bybit_compare(const arb_number_tables_t *tables, const char *frame,
                                              __m256i name, const char *middle,
                                              arb_bybit_places_t *at)
{
    const char *again = at->after + ARB_BYBIT_MIDDLE;
    __m256i head =
        _mm256_or_si256(arb_differs32(frame, "{\"topic\":\"orderbook.1.\0\0\0\0\0\0\0\0\0\0"),
                        arb_name_differs32(tables, name, again, at->name_bytes));
    __m256i between =
        _mm256_or_si256(arb_differs32(at->after, middle),
                        arb_differs32(again - 32, middle + ARB_BYBIT_MIDDLE - 32));
    __m256i tail = arb_differs32(
        at->end - 32, "\0\0\0\0\0\0\0\0\0\0},\"cts\":1\0\0\0\0\0\0\0\0\0\0\0\0}");
    __m256i bids = arb_differs16(again + at->name_bytes, "\",\"b\":[[\"\0\0\0\0\0\0\0");
    at->differs = _mm256_or_si256(_mm256_or_si256(head, between), _mm256_or_si256(bids, tail));
}

/* Find the numbers and compare the text between them. False: one is too long to load. */
ARB_AVX2 static inline bool arb_bybit_find(const arb_number_tables_t *tables,
                                           arb_bybit_places_t *at)
{
    at->seq_end = at->end - ARB_BYBIT_TAIL;
    uint64_t seq_before = arb_before_digits(tables, at->seq_end);
    at->seq_bytes = 16 - seq_before;
    at->u_end = at->seq_end - 16 - 7 + seq_before; /* ,"seq": */

    arb_window_t window = arb_window_read(tables, at->levels);
    uint64_t ends = window.ends;
    uint64_t bid_px_end = arb_next_end(&ends), bid_qty_end = arb_next_end(&ends);
    uint64_t ask_px_end = arb_next_end(&ends), ask_qty_end = arb_next_end(&ends);
    at->u_bytes = (uint64_t)(at->u_end - (at->levels + ask_qty_end + 8)); /* "]],"u": */
    at->px[0] = arb_number_in(window, at->levels, 0, bid_px_end);
    at->px[1] = arb_number_in(window, at->levels, bid_qty_end + 11, ask_px_end);
    at->qty[0] = arb_number_in(window, at->levels, bid_px_end + 3, bid_qty_end);
    at->qty[1] = arb_number_in(window, at->levels, ask_px_end + 3, ask_qty_end);
    uint64_t widths = at->px[0].bytes | at->px[1].bytes | at->qty[0].bytes | at->qty[1].bytes;
    if (ARB_UNLIKELY((widths | at->u_bytes) > ARB_NUMBER_BYTES_MAX || ask_qty_end == 64))
        return false;
    at->differs8 = ARB_DIFFERS4(at->levels + bid_px_end, "\",\"") |
                   ARB_DIFFERS4(at->levels + ask_px_end, "\",\"") |
                   ARB_DIFFERS8(at->levels + ask_qty_end, "\"]],\"u\":") |
                   ARB_DIFFERS8(at->u_end, ",\"seq\":");
    at->differs = _mm256_or_si256(
        at->differs, arb_differs16(at->levels + bid_qty_end, "\"]],\"a\":[[\"\0\0\0\0\0"));
    return true;
}

/* Read the frame. False, and *out untouched: another reader must look. */
ARB_AVX2 static inline bool arb_bybit_simd_l1(const char *frame, size_t bytes, arb_quote_t *out)
{
    const arb_number_tables_t *tables = arb_number_tables_get();
    arb_bybit_places_t at = {.end = frame + bytes, .name = frame + ARB_BYBIT_NAME_AT};
    if (ARB_UNLIKELY(bytes - ARB_BYBIT_BYTES_MIN > ARB_FRAME_BYTES_MAX - ARB_BYBIT_BYTES_MIN))
        return false;
    __m256i name = _mm256_loadu_si256((const __m256i *)at.name);
    /* a wrong guess costs 4 ns, a right one spares them: names of one length are the rule */
    at.name_bytes = arb_guess_length((uint32_t)arb_name_bytes32(tables, name));
    at.after = at.name + at.name_bytes;
    at.levels = at.after + ARB_BYBIT_MIDDLE + at.name_bytes + ARB_BYBIT_SIDE_AT;
    if (ARB_UNLIKELY(at.name_bytes - 1 >= ARB_NAME_BYTES_MAX ||
                     at.end - at.levels < ARB_WINDOW_BYTES))
        return false;
    const arb_bybit_middle_t *middle = &arb_bybit_middles[at.after[4] == 's'];
    arb_bybit_compare(tables, frame, name, middle->text, &at);
    if (ARB_UNLIKELY(!arb_bybit_find(tables, &at)))
        return false;

    __m256i first = arb_whole_digits(tables, at.u_end, at.u_bytes, at.seq_end, at.seq_bytes);
    __m256i second = arb_whole_digits(tables, at.end - 1, 13, at.after + middle->ts_end, 13);
    __m256i wholes = arb_four_wholes(tables, first, second);
    int64_t update_id = _mm256_extract_epi64(wholes, 0), cts_ms = _mm256_extract_epi64(wholes, 1);
    int64_t seq = _mm256_extract_epi64(wholes, 2);
    arb_two_levels_t sides = arb_two_levels(tables, at.px, at.qty, tables->least_positive);
    __m256i digits = _mm256_max_epu8(sides.digits, _mm256_max_epu8(first, second));
    __m256i differs = _mm256_or_si256(at.differs, arb_not_digits_in(tables, digits));
    if (ARB_UNLIKELY(!sides.good || at.differs8 != 0 || !_mm256_testz_si256(differs, differs) ||
                     update_id < tables->least_whole[at.u_bytes] ||
                     seq < tables->least_whole[at.seq_bytes] || sides.values[0] > sides.values[1]))
        return false;
    _mm256_storeu_pd(&out->bid_px, sides.values);
    arb_quote_fill(out, ARB_VENUE_BYBIT, at.name, at.name_bytes, cts_ms, seq, update_id);
    return true;
}

#endif
#endif
