/* OKX V5 depth: `books` and `books5` to an update, and what it makes of a book.
 *
 *   {"arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"action":"update","data":[{
 *    "asks":[["84093.5","600","0","60"]],"bids":[],"ts":"1790439595900","checksum":0,
 *    "seqId":342177337990,"prevSeqId":342177337800}]}
 *
 * Source: okx.com/docs-v5, order book channel (read July 2026); since June 2026 the checksum is 0.
 * Continuity of books. Updates form a chain by identity: prevSeqId is the seqId we hold, whether
 * the new one is larger, equal (keep-alive: nothing changed for a minute) or, after maintenance,
 * smaller. Numbers are never compared for order, so a lost reset is a gap and not a late copy; a
 * late copy is one of the last ARB_BOOK_LINKS links again. books5 states everything every time
 * and has no chain: a smaller seqId that is not newer by the venue's time is a late copy, a newer
 * one a restart (as in top_of_book.h).
 * Two ways to one result: expected text, its levels with vectors where the processor has them
 * (levels_simd.h), and the scanner.
 *
 * Threads: pure functions; book and update have one owner. Limits: as depth_update.h.
 */
#ifndef ARB_OKX_DEPTH_H
#define ARB_OKX_DEPTH_H

#include "book.h"
#include "okx_frames.h"

typedef struct arb_okx_depth_spans {
    arb_okx_spans_t frame;
    arb_span_t prev_seq_id, checksum, inst_id; /* of data[0], too */
} arb_okx_depth_spans_t;

static inline bool arb_okx_depth_data(arb_json_t *json, arb_okx_depth_spans_t *spans)
{
    bool first = true;
    arb_span_t key;
    if (!arb_okx_enter_data(json))
        return false;
    while (arb_json_next_key(json, &first, &key)) {
        arb_span_t *wanted = ARB_SPAN_IS(key, "asks")        ? &spans->frame.asks
                             : ARB_SPAN_IS(key, "bids")      ? &spans->frame.bids
                             : ARB_SPAN_IS(key, "ts")        ? &spans->frame.ts
                             : ARB_SPAN_IS(key, "seqId")     ? &spans->frame.seq_id
                             : ARB_SPAN_IS(key, "prevSeqId") ? &spans->prev_seq_id
                             : ARB_SPAN_IS(key, "checksum")  ? &spans->checksum
                             : ARB_SPAN_IS(key, "instId")    ? &spans->inst_id
                                                             : NULL;
        if (!(wanted ? arb_json_take_once(json, wanted) : arb_json_skip(json)))
            return false;
    }
    return arb_okx_leave_data(json);
}

/* Channel and kind, from arg and action. False: json's status says what the frame is. */
static inline bool arb_okx_depth_classify(arb_json_t *json, arb_okx_spans_t *spans,
                                          arb_depth_t *out)
{
    arb_span_t channel, action;
    if (!arb_okx_scan_channel(json, spans, &channel))
        return false;
    bool books = ARB_SPAN_IS(channel, "books");
    if (!books && !ARB_SPAN_IS(channel, "books5"))
        return arb_json_fail(json, ARB_FRAME_OTHER_TOPIC);
    out->channel = books ? ARB_DEPTH_OKX_BOOKS : ARB_DEPTH_OKX_BOOKS5;
    out->kind = ARB_QUOTE_SNAPSHOT;
    if (spans->action.start == NULL)
        return !books || arb_json_fail(json, ARB_FRAME_MISSING_FIELD);
    json->at = spans->action.start;
    if (!arb_span_string(spans->action, &action))
        return arb_json_fail(json, ARB_FRAME_BAD_TYPE);
    if (books && ARB_SPAN_IS(action, "update"))
        out->kind = ARB_QUOTE_DELTA;
    else if (!ARB_SPAN_IS(action, "snapshot"))
        return arb_json_fail(json, ARB_FRAME_BAD_TYPE);
    return true;
}

/* A whole number with a sign, at most max away from 0. */
static inline bool arb_okx_signed(arb_json_t *json, arb_span_t span, int64_t max, int64_t *out)
{
    bool below = span.bytes > 1 && *span.start == '-';
    arb_span_t digits = {span.start + below, span.bytes - below};
    if (!arb_whole_parse(json, digits, false, max, out))
        return false;
    *out = below ? -*out : *out;
    return true;
}

/* The sequence numbers; legacy: a frame without any is taken. */
static inline bool arb_okx_depth_chain(arb_json_t *json, const arb_okx_depth_spans_t *spans,
                                       bool legacy, arb_depth_t *out)
{
    bool seq_needed = !legacy || spans->prev_seq_id.start != NULL;
    bool link_needed = out->kind == ARB_QUOTE_DELTA && (!legacy || spans->frame.seq_id.start);
    out->seq = out->update_id = out->prev_update_id = -1;
    out->checksum = 0;
    if ((seq_needed && spans->frame.seq_id.start == NULL) ||
        (link_needed && spans->prev_seq_id.start == NULL))
        return arb_json_fail(json, ARB_FRAME_MISSING_FIELD);
    if (spans->frame.seq_id.start != NULL &&
        !arb_whole_parse(json, spans->frame.seq_id, false, ARB_SEQ_MAX, &out->seq))
        return false;
    if (spans->prev_seq_id.start != NULL &&
        !arb_okx_signed(json, spans->prev_seq_id, ARB_SEQ_MAX, &out->prev_update_id))
        return false;
    if (out->prev_update_id < -1) {
        json->at = spans->prev_seq_id.start;
        return arb_json_fail(json, ARB_FRAME_BAD_NUMBER);
    }
    out->update_id = out->seq;
    return spans->checksum.start == NULL ||
           arb_okx_signed(json, spans->checksum, 1ll << 31, &out->checksum);
}

/* Symbol, times and levels of a frame whose keys are all there. */
static inline bool arb_okx_depth_values(arb_json_t *json, const arb_okx_depth_spans_t *spans,
                                        arb_depth_t *out)
{
    arb_span_t symbol, inner;
    int64_t ts_ms;
    json->at = spans->frame.inst_id.start;
    if (!arb_span_string(spans->frame.inst_id, &symbol) || !arb_symbol_plausible(symbol))
        return arb_json_fail(json, ARB_FRAME_MALFORMED);
    if (spans->inst_id.start != NULL) {
        json->at = spans->inst_id.start;
        if (!arb_span_string(spans->inst_id, &inner) || inner.bytes != symbol.bytes ||
            memcmp(inner.start, symbol.start, symbol.bytes) != 0)
            return arb_json_fail(json, ARB_FRAME_SYMBOL_MISMATCH);
    }
    if (!arb_whole_parse(json, spans->frame.ts, true, ARB_WALL_MS_MAX, &ts_ms) ||
        !arb_depth_read_side(json, spans->frame.bids, true, ARB_DEPTH_BID, out) ||
        !arb_depth_read_side(json, spans->frame.asks, true, ARB_DEPTH_ASK, out))
        return false;
    out->exch_wall_ns = ts_ms * 1000000;
    out->symbol = symbol.start;
    out->symbol_bytes = (uint16_t)symbol.bytes;
    return true;
}

/* The scanner: any key order, any whitespace, and the reason with its place when it is refused.
 * legacy: frames from before the seqId chain are taken, too. */
static inline arb_frame_status_t arb_okx_scan_depth(const char *frame, size_t bytes, bool legacy,
                                                    arb_depth_t *out, size_t *offset)
{
    *offset = 0;
    if (bytes == 4 && memcmp(frame, "pong", 4) == 0)
        return ARB_FRAME_CONTROL;
    arb_json_t json = {frame, frame + bytes, ARB_FRAME_QUOTE};
    arb_okx_depth_spans_t spans;
    memset(&spans, 0, sizeof spans);
    bool good = arb_okx_depth_classify(&json, &spans.frame, out);
    if (good && bytes > ARB_DEPTH_BYTES_MAX)
        good = arb_json_fail(&json, ARB_FRAME_TOO_LONG);
    if (good && (spans.frame.inst_id.start == NULL || spans.frame.data.start == NULL))
        good = arb_json_fail(&json, ARB_FRAME_MISSING_FIELD);
    if (good) {
        json.at = spans.frame.data.start;
        json.end = spans.frame.data.start + spans.frame.data.bytes;
        good = arb_okx_depth_data(&json, &spans);
    }
    if (good && (spans.frame.asks.start == NULL || spans.frame.bids.start == NULL ||
                 spans.frame.ts.start == NULL))
        good = arb_json_fail(&json, ARB_FRAME_MISSING_FIELD);
    good = good && arb_okx_depth_chain(&json, &spans, legacy, out) &&
           arb_okx_depth_values(&json, &spans, out);
    *offset = (size_t)(json.at - frame);
    return good ? ARB_FRAME_QUOTE : json.status;
}

/* The text before a side's levels, sides in either order; says which side it is. */
static inline const char *arb_okx_fast_side_name(const char *at, const char *end, uint32_t *side)
{
    *side = ARB_DEPTH_ASK;
    if (ARB_LIKELY(ARB_TOKEN_STEP(at, end, "\"asks\":")))
        return at;
    *side = ARB_DEPTH_BID;
    return ARB_TOKEN_STEP(at, end, "\"bids\":") ? at : NULL;
}

/* The text from the frame's begin to its first side: channel, symbol, kind. */
static inline const char *arb_okx_fast_depth_head(const char *at, const char *end,
                                                  arb_depth_t *out)
{
    if (ARB_UNLIKELY(!ARB_TOKEN_STEP(at, end, "{\"arg\":{\"channel\":\"books")))
        return NULL;
    bool five = ARB_TOKEN_STEP(at, end, "5");
    if (ARB_UNLIKELY(!ARB_TOKEN_STEP(at, end, "\",\"instId\":\"")))
        return NULL;
    out->channel = five ? ARB_DEPTH_OKX_BOOKS5 : ARB_DEPTH_OKX_BOOKS;
    out->symbol = at;
    at = arb_token_name_end(at, end, ARB_NAME_BYTES_MAX);
    if (ARB_UNLIKELY(at == NULL || at == out->symbol))
        return NULL;
    out->symbol_bytes = (uint16_t)(at - out->symbol);
    out->kind = ARB_QUOTE_DELTA;
    if (!five && ARB_LIKELY(ARB_TOKEN_STEP(at, end, "\"},\"action\":\"update\",\"data\":[{")))
        return at;
    out->kind = ARB_QUOTE_SNAPSHOT;
    if (five)
        return ARB_TOKEN_STEP(at, end, "\"},\"data\":[{") ? at : NULL;
    return ARB_TOKEN_STEP(at, end, "\"},\"action\":\"snapshot\",\"data\":[{") ? at : NULL;
}

/* The text from behind the sides to ts: books5 names its instrument again. */
static inline const char *arb_okx_fast_depth_inner(const char *at, const char *end,
                                                   const arb_depth_t *out)
{
    if (out->channel == ARB_DEPTH_OKX_BOOKS5 && ARB_TOKEN_STEP(at, end, ",\"instId\":\"")) {
        if (ARB_UNLIKELY(end - at < out->symbol_bytes ||
                         !arb_token_same(at, out->symbol, out->symbol_bytes, end)))
            return NULL;
        at += out->symbol_bytes;
        if (ARB_UNLIKELY(!ARB_TOKEN_STEP(at, end, "\"")))
            return NULL;
    }
    return ARB_TOKEN_STEP(at, end, ",\"ts\":\"") ? at : NULL;
}

/* The text from behind the sides to the end of the frame. */
static inline bool arb_okx_fast_depth_tail(const char *at, const char *end, arb_depth_t *out)
{
    int64_t ts_ms;
    at = arb_okx_fast_depth_inner(at, end, out);
    if (ARB_UNLIKELY(at == NULL))
        return false;
    at = arb_token_wall_ms(at, end, &ts_ms);
    if (ARB_UNLIKELY(at == NULL))
        return false;
    if (!ARB_TOKEN_STEP(at, end, "\",\"checksum\":0,\"seqId\":") &&
        !ARB_TOKEN_STEP(at, end, "\",\"seqId\":"))
        return false;
    at = arb_token_whole(at, end, &out->seq);
    out->prev_update_id = -1;
    if (at != NULL && out->channel == ARB_DEPTH_OKX_BOOKS) {
        if (ARB_UNLIKELY(!ARB_TOKEN_STEP(at, end, ",\"prevSeqId\":")))
            return false;
        if (ARB_LIKELY(!ARB_TOKEN_STEP(at, end, "-1")))
            at = arb_token_whole(at, end, &out->prev_update_id);
    }
    if (ARB_UNLIKELY(at == NULL || end - at != 3 || memcmp(at, "}]}", 3) != 0))
        return false;
    out->update_id = out->seq;
    out->checksum = 0;
    out->exch_wall_ns = ts_ms * 1000000;
    return true;
}

/* The expected text, levels sorted. wide: as arb_depth_fast_side. False: the scanner must look. */
static inline bool arb_okx_fast_depth(const char *frame, size_t bytes, bool wide, arb_depth_t *out)
{
    const char *end = frame + bytes, *at = frame;
    uint32_t side, other_side;
    if (ARB_UNLIKELY(bytes > ARB_DEPTH_BYTES_MAX))
        return false;
    at = arb_okx_fast_depth_head(at, end, out);
    if (ARB_UNLIKELY(at == NULL))
        return false;
    at = arb_okx_fast_side_name(at, end, &side);
    if (ARB_UNLIKELY(at == NULL))
        return false;
    at = arb_depth_fast_side(at, end, true, wide, side, out);
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, ",")))
        return false;
    at = arb_okx_fast_side_name(at, end, &other_side);
    if (ARB_UNLIKELY(at == NULL || other_side == side))
        return false;
    at = arb_depth_fast_side(at, end, true, wide, other_side, out);
    return at != NULL && arb_okx_fast_depth_tail(at, end, out);
}

/* Read one frame. On anything but ARB_FRAME_QUOTE the update holds nothing of use. */
static inline arb_frame_status_t arb_okx_parse_depth(const char *frame, size_t bytes,
                                                     arb_depth_t *out)
{
    if (ARB_LIKELY(arb_okx_fast_depth(frame, bytes, arb_cpu_has_avx2(), out)))
        return ARB_FRAME_QUOTE;
    size_t offset;
    return arb_okx_scan_depth(frame, bytes, false, out, &offset);
}

/* Is the update one of the last that led to what we hold? A keep-alive repeats the id alone. */
static inline bool arb_okx_link_known(const arb_book_t *book, const arb_depth_t *depth)
{
    uint32_t kept = book->link_count < ARB_BOOK_LINKS ? book->link_count : ARB_BOOK_LINKS;
    for (uint32_t index = 0; index < kept; index++)
        if (book->links[index].update_id == depth->update_id &&
            (book->links[index].prev_update_id == depth->prev_update_id ||
             depth->update_id == depth->prev_update_id))
            return true;
    return false;
}

/* Bring the book up to date with an update of its symbol and channel. */
static inline arb_book_result_t arb_okx_book_apply(arb_book_t *book, const arb_depth_t *depth)
{
    if (depth->kind == ARB_QUOTE_SNAPSHOT) {
        bool older = depth->channel == ARB_DEPTH_OKX_BOOKS5 && book->held &&
                     depth->seq < book->seq && depth->exch_wall_ns <= book->exch_wall_ns;
        return older ? ARB_BOOK_OLDER : arb_book_take_snapshot(book, depth);
    }
    if (ARB_UNLIKELY(!book->held))
        return ARB_BOOK_WAITING;
    if (ARB_UNLIKELY(depth->prev_update_id != book->update_id))
        return arb_okx_link_known(book, depth) ? ARB_BOOK_OLDER : arb_book_lose(book);
    if (depth->update_id == depth->prev_update_id && depth->count[ARB_DEPTH_BID] == 0 &&
        depth->count[ARB_DEPTH_ASK] == 0) {
        book->exch_wall_ns = depth->exch_wall_ns;
        return ARB_BOOK_KEEPALIVE;
    }
    if (ARB_UNLIKELY(!arb_book_fits(book, depth)))
        return (arb_book_result_t)ARB_FRAME_TOO_LONG;
    return arb_book_take_update(book, depth);
}

#endif
