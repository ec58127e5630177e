/* Bybit V5 depth: `orderbook.50.{symbol}` to an update, and what it makes of a book.
 *
 *   {"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967466,"data":{"s":"BTCUSDT",
 *    "b":[["30247.20","30.028"],["30240.00","0"]],"a":[],"u":177400507,"seq":66544703342},
 *    "cts":1687940967464}
 *
 * Source: bybit-exchange.github.io/docs/v5/websocket/public/orderbook (read July 2026).
 * Continuity. A snapshot replaces the book at any time; so does any frame with u == 1, which is
 * what a restarted service begins with. A delta continues the book when its u is ours + 1, is a
 * late copy when it is not above ours, and shows a loss otherwise.
 * Two ways to one result: expected text, its levels with vectors where the processor has them
 * (levels_simd.h), and the scanner.
 *
 * Threads: pure functions; book and update have one owner. Limits: as depth_update.h.
 */
#ifndef ARB_BYBIT_DEPTH_H
#define ARB_BYBIT_DEPTH_H

#include "book.h"
#include "bybit_frames.h"

#define ARB_BYBIT_DEPTH_TOPIC "orderbook.50."

/* Type and symbol. json->at names the culprit on failure. */
static inline bool arb_bybit_depth_head(arb_json_t *json, const arb_bybit_spans_t *spans,
                                        arb_depth_t *out)
{
    arb_quote_t head;
    if (!arb_bybit_read_head(json, spans, ARB_SPAN_OF(ARB_BYBIT_DEPTH_TOPIC), &head))
        return false;
    out->symbol = head.symbol;
    out->symbol_bytes = head.symbol_bytes;
    out->kind = head.kind;
    return true;
}

/* The numbers that every frame has. */
static inline bool arb_bybit_depth_numbers(arb_json_t *json, const arb_bybit_spans_t *spans,
                                           arb_depth_t *out)
{
    int64_t ts_ms, cts_ms;
    arb_span_t cts = spans->cts.start ? spans->cts : spans->ts;
    if (!arb_whole_parse(json, spans->ts, false, ARB_WALL_MS_MAX, &ts_ms) ||
        !arb_whole_parse(json, cts, false, ARB_WALL_MS_MAX, &cts_ms) ||
        !arb_whole_parse(json, spans->u, false, ARB_SEQ_MAX, &out->update_id) ||
        !arb_whole_parse(json, spans->seq, false, ARB_SEQ_MAX, &out->seq))
        return false;
    out->exch_wall_ns = cts_ms * 1000000;
    return true;
}

/* What is the same for every frame of the topic. */
static inline void arb_bybit_depth_complete(arb_depth_t *out)
{
    out->channel = ARB_DEPTH_BYBIT_50;
    out->prev_update_id = out->update_id - 1;
    out->checksum = 0;
    if (out->update_id == 1) /* the service restarted: this is all there is */
        out->kind = ARB_QUOTE_SNAPSHOT;
}

/* The scanner: any key order, any whitespace, and the reason with its place when it is refused. */
static inline arb_frame_status_t arb_bybit_scan_depth(const char *frame, size_t bytes,
                                                      arb_depth_t *out, size_t *offset)
{
    arb_json_t json = {frame, frame + bytes, ARB_FRAME_QUOTE};
    arb_bybit_spans_t spans;
    bool good = arb_bybit_scan_fields(&json, ARB_SPAN_OF(ARB_BYBIT_DEPTH_TOPIC),
                                      ARB_DEPTH_BYTES_MAX, &spans);
    good = good && arb_bybit_depth_head(&json, &spans, out) &&
           arb_bybit_depth_numbers(&json, &spans, out) &&
           arb_depth_read_side(&json, spans.b, false, ARB_DEPTH_BID, out) &&
           arb_depth_read_side(&json, spans.a, false, ARB_DEPTH_ASK, out);
    *offset = (size_t)(json.at - frame);
    if (!good)
        return json.status;
    arb_bybit_depth_complete(out);
    return ARB_FRAME_QUOTE;
}

/* The value of "type" and the quote that ends it. */
static inline const char *arb_bybit_fast_type(const char *at, const char *end, arb_depth_t *out)
{
    out->kind = ARB_QUOTE_DELTA;
    if (ARB_LIKELY(ARB_TOKEN_STEP(at, end, "delta\"")))
        return at;
    out->kind = ARB_QUOTE_SNAPSHOT;
    return ARB_TOKEN_STEP(at, end, "snapshot\"") ? at : NULL;
}

/* The text from type or ts to data, in either order. */
static inline const char *arb_bybit_fast_depth_head(const char *at, const char *end,
                                                    arb_depth_t *out)
{
    int64_t ts_ms;
    if (ARB_TOKEN_STEP(at, end, "\",\"type\":\"")) {
        at = arb_bybit_fast_type(at, end, out);
        if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, ",\"ts\":")))
            return NULL;
        at = arb_token_wall_ms(at, end, &ts_ms);
    } else if (ARB_TOKEN_STEP(at, end, "\",\"ts\":")) {
        at = arb_token_wall_ms(at, end, &ts_ms);
        if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, ",\"type\":\"")))
            return NULL;
        at = arb_bybit_fast_type(at, end, out);
    } else {
        return NULL;
    }
    return at != NULL && ARB_TOKEN_STEP(at, end, ",\"data\":{\"s\":\"") ? at : NULL;
}

/* The text from u to the end of the frame. */
static inline bool arb_bybit_fast_depth_tail(const char *at, const char *end, arb_depth_t *out)
{
    int64_t cts_ms;
    if (ARB_UNLIKELY(!ARB_TOKEN_STEP(at, end, ",\"u\":")))
        return false;
    at = arb_token_whole(at, end, &out->update_id);
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, ",\"seq\":")))
        return false;
    at = arb_token_whole(at, end, &out->seq);
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, "},\"cts\":")))
        return false;
    at = arb_token_wall_ms(at, end, &cts_ms);
    if (ARB_UNLIKELY(at == NULL || end - at != 1 || *at != '}'))
        return false;
    out->exch_wall_ns = cts_ms * 1000000;
    return true;
}

/* The expected text, levels sorted. wide: as arb_depth_fast_side. False: the scanner must look. */
static inline bool arb_bybit_fast_depth(const char *frame, size_t bytes, bool wide,
                                        arb_depth_t *out)
{
    const char *end = frame + bytes, *at = frame;
    if (ARB_UNLIKELY(bytes > ARB_DEPTH_BYTES_MAX ||
                     !ARB_TOKEN_STEP(at, end, "{\"topic\":\"" ARB_BYBIT_DEPTH_TOPIC)))
        return false;
    const char *symbol = at;
    at = arb_token_name_end(symbol, end, ARB_NAME_BYTES_MAX);
    if (ARB_UNLIKELY(at == NULL || at == symbol))
        return false;
    size_t symbol_bytes = (size_t)(at - symbol);
    at = arb_bybit_fast_depth_head(at, end, out);
    if (ARB_UNLIKELY(at == NULL || (size_t)(end - at) < symbol_bytes ||
                     !arb_token_same(at, symbol, symbol_bytes, end)))
        return false;
    at += symbol_bytes;
    if (ARB_UNLIKELY(!ARB_TOKEN_STEP(at, end, "\",\"b\":")))
        return false;
    at = arb_depth_fast_side(at, end, false, wide, ARB_DEPTH_BID, out);
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, ",\"a\":")))
        return false;
    at = arb_depth_fast_side(at, end, false, wide, ARB_DEPTH_ASK, out);
    if (ARB_UNLIKELY(at == NULL || !arb_bybit_fast_depth_tail(at, end, out)))
        return false;
    out->symbol = symbol;
    out->symbol_bytes = (uint16_t)symbol_bytes;
    arb_bybit_depth_complete(out);
    return true;
}

/* Read one frame. On anything but ARB_FRAME_QUOTE the update holds nothing of use. */
static inline arb_frame_status_t arb_bybit_parse_depth(const char *frame, size_t bytes,
                                                       arb_depth_t *out)
{
    if (ARB_LIKELY(arb_bybit_fast_depth(frame, bytes, arb_cpu_has_avx2(), out)))
        return ARB_FRAME_QUOTE;
    size_t offset;
    return arb_bybit_scan_depth(frame, bytes, out, &offset);
}

/* Is the update a copy of what the book has passed? A lower id of a later state is none: the ids
 * began anew, and the snapshot that would have said so was lost. */
static inline bool arb_bybit_depth_passed(const arb_book_t *book, const arb_depth_t *depth)
{
    return depth->update_id <= book->update_id && depth->seq <= book->seq;
}

/* Bring the book up to date with an update of its symbol. */
static inline arb_book_result_t arb_bybit_book_apply(arb_book_t *book, const arb_depth_t *depth)
{
    if (depth->kind == ARB_QUOTE_SNAPSHOT)
        return arb_book_take_snapshot(book, depth);
    if (ARB_UNLIKELY(!book->held))
        return ARB_BOOK_WAITING;
    if (ARB_UNLIKELY(depth->update_id != book->update_id + 1))
        return arb_bybit_depth_passed(book, depth) ? ARB_BOOK_OLDER : arb_book_lose(book);
    if (ARB_UNLIKELY(!arb_book_fits(book, depth)))
        return (arb_book_result_t)ARB_FRAME_TOO_LONG;
    return arb_book_take_update(book, depth);
}

#endif
