/* Bybit V5 public frames: `orderbook.1.{symbol}` to a quote.
 *
 *   {"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1786639170499,"data":{"s":"BTCUSDT",
 *    "b":[["63040.8","3.323"]],"a":[["63040.9","4.686"]],"u":31071061,"seq":763537012912},
 *    "cts":1786639170498}
 *
 * Source: bybit-exchange.github.io/docs/v5/websocket/public/orderbook (read July 2026). Key
 * order varies, sides may be empty, cts may be absent (then ts), deltas may state several
 * levels.
 * Three ways to one result, each for what the one before it refuses. With AVX2 the expected text is
 * compared as a whole and its numbers are read together (bybit_simd.h); the baseline compares it
 * piece by piece; the scanner takes any key order and says what is wrong and where.
 *
 * Threads: pure functions. Limits: never reads outside frame[0..bytes); the quote's symbol
 * points into the frame. On anything but ARB_FRAME_QUOTE the quote is untouched.
 */
#ifndef ARB_BYBIT_FRAMES_H
#define ARB_BYBIT_FRAMES_H

#include "bybit_simd.h"
#include "frame_tokens.h"
#include "quote_levels.h"

typedef struct arb_bybit_spans {
    arb_span_t topic, type, ts, cts, data; /* of the frame */
    arb_span_t s, b, a, u, seq;            /* of data */
} arb_bybit_spans_t;

#define ARB_BYBIT_TOPIC "orderbook.1."
#define ARB_SPAN_OF(literal) ((arb_span_t){(literal), sizeof(literal) - 1})

/* Is the topic the wanted one with a symbol behind it? */
static inline bool arb_bybit_topic_is(arb_span_t topic, arb_span_t wanted)
{
    return topic.bytes > wanted.bytes && memcmp(topic.start, wanted.start, wanted.bytes) == 0;
}

/* Walk the frame's own keys. A topic that is not the wanted one ends the walk at once. */
static inline bool arb_bybit_scan_frame(arb_json_t *json, arb_span_t wanted,
                                        arb_bybit_spans_t *spans)
{
    bool first = true;
    arb_span_t key, topic;
    if (!arb_json_expect(json, '{'))
        return false;
    while (arb_json_next_key(json, &first, &key)) {
        bool taken;
        if (ARB_SPAN_IS(key, "topic")) {
            taken = arb_json_take_once(json, &spans->topic);
            if (taken && !arb_span_string(spans->topic, &topic))
                return arb_json_fail(json, ARB_FRAME_BAD_JSON);
            if (taken && memchr(topic.start, '\\', topic.bytes) != NULL)
                return arb_json_fail(json, ARB_FRAME_MALFORMED);
            if (taken && !arb_bybit_topic_is(topic, wanted))
                return arb_json_fail(json, ARB_FRAME_OTHER_TOPIC);
        } else if (ARB_SPAN_IS(key, "type")) {
            taken = arb_json_take_once(json, &spans->type);
        } else if (ARB_SPAN_IS(key, "ts")) {
            taken = arb_json_take_once(json, &spans->ts);
        } else if (ARB_SPAN_IS(key, "cts")) {
            taken = arb_json_take_once(json, &spans->cts);
        } else if (ARB_SPAN_IS(key, "data")) {
            taken = arb_json_take_once(json, &spans->data);
        } else {
            taken = arb_json_skip(json);
        }
        if (!taken)
            return false;
    }
    return json->status == ARB_FRAME_QUOTE && arb_json_end(json);
}

static inline bool arb_bybit_scan_data(arb_json_t *json, arb_bybit_spans_t *spans)
{
    bool first = true;
    arb_span_t key;
    if (!arb_json_expect(json, '{'))
        return false;
    while (arb_json_next_key(json, &first, &key)) {
        bool taken;
        if (ARB_SPAN_IS(key, "s"))
            taken = arb_json_take_once(json, &spans->s);
        else if (ARB_SPAN_IS(key, "b"))
            taken = arb_json_take_once(json, &spans->b);
        else if (ARB_SPAN_IS(key, "a"))
            taken = arb_json_take_once(json, &spans->a);
        else if (ARB_SPAN_IS(key, "u"))
            taken = arb_json_take_once(json, &spans->u);
        else if (ARB_SPAN_IS(key, "seq"))
            taken = arb_json_take_once(json, &spans->seq);
        else
            taken = arb_json_skip(json);
        if (!taken)
            return false;
    }
    return json->status == ARB_FRAME_QUOTE;
}

/* Topic, symbol and kind. json->at names the culprit on failure. */
static inline bool arb_bybit_read_head(arb_json_t *json, const arb_bybit_spans_t *spans,
                                       arb_span_t wanted, arb_quote_t *quote)
{
    arb_span_t topic, type, symbol;
    arb_span_string(spans->topic, &topic);
    json->at = spans->type.start;
    if (!arb_span_string(spans->type, &type))
        return arb_json_fail(json, ARB_FRAME_BAD_TYPE);
    if (ARB_SPAN_IS(type, "snapshot"))
        quote->kind = ARB_QUOTE_SNAPSHOT;
    else if (ARB_SPAN_IS(type, "delta"))
        quote->kind = ARB_QUOTE_DELTA;
    else
        return arb_json_fail(json, ARB_FRAME_BAD_TYPE);
    json->at = spans->s.start;
    if (!arb_span_string(spans->s, &symbol) || !arb_symbol_plausible(symbol))
        return arb_json_fail(json, ARB_FRAME_MALFORMED);
    if (topic.bytes - wanted.bytes != symbol.bytes ||
        memcmp(topic.start + wanted.bytes, symbol.start, symbol.bytes) != 0)
        return arb_json_fail(json, ARB_FRAME_SYMBOL_MISMATCH);
    quote->symbol = topic.start + wanted.bytes;
    quote->symbol_bytes = (uint16_t)symbol.bytes;
    quote->venue = ARB_VENUE_BYBIT;
    return true;
}

/* Both sides. In a snapshot a deletion says nothing; in a delta it counts where no new level
 * came. */
static inline bool arb_bybit_read_sides(arb_json_t *json, const arb_bybit_spans_t *spans,
                                        arb_quote_t *quote)
{
    arb_side_levels_t bid, ask;
    if (!arb_side_parse(json, spans->b, true, false, &bid) ||
        !arb_side_parse(json, spans->a, false, false, &ask))
        return false;
    json->at = spans->b.start;
    if (bid.px > ask.px)
        return arb_json_fail(json, ARB_FRAME_CROSSED);
    bool delta = quote->kind == ARB_QUOTE_DELTA;
    quote->bid_px = bid.px;
    quote->bid_qty = bid.qty;
    quote->ask_px = ask.px;
    quote->ask_qty = ask.qty;
    quote->bid_gone_count = delta && isnan(bid.px) ? (uint8_t)bid.gone_count : 0;
    quote->ask_gone_count = delta && isnan(ask.px) ? (uint8_t)ask.gone_count : 0;
    for (uint32_t gone_index = 0; gone_index < ARB_QUOTE_GONE_MAX; gone_index++) {
        bool bid_gone = gone_index < quote->bid_gone_count;
        bool ask_gone = gone_index < quote->ask_gone_count;
        quote->bid_gone_px[gone_index] = bid_gone ? bid.gone_px[gone_index] : NAN;
        quote->ask_gone_px[gone_index] = ask_gone ? ask.gone_px[gone_index] : NAN;
    }
    return true;
}

/* Find every field of a frame of a topic. False: json says what the frame is, and where. */
static inline bool arb_bybit_scan_fields(arb_json_t *json, arb_span_t topic, size_t bytes_max,
                                         arb_bybit_spans_t *spans)
{
    size_t bytes = (size_t)(json->end - json->at);
    memset(spans, 0, sizeof *spans);
    if (!arb_bybit_scan_frame(json, topic, spans))
        return false;
    if (spans->topic.start == NULL)
        return arb_json_fail(json, ARB_FRAME_CONTROL);
    if (bytes > bytes_max)
        return arb_json_fail(json, ARB_FRAME_TOO_LONG);
    if (spans->type.start == NULL || spans->ts.start == NULL || spans->data.start == NULL)
        return arb_json_fail(json, ARB_FRAME_MISSING_FIELD);
    json->at = spans->data.start;
    json->end = spans->data.start + spans->data.bytes;
    if (!arb_bybit_scan_data(json, spans))
        return false;
    return (spans->s.start != NULL && spans->b.start != NULL && spans->a.start != NULL &&
            spans->u.start != NULL && spans->seq.start != NULL) ||
           arb_json_fail(json, ARB_FRAME_MISSING_FIELD);
}

/* The scanner: any key order, any whitespace, and the reason with its place when it is no quote. */
static inline arb_frame_status_t arb_bybit_scan_l1(const char *frame, size_t bytes,
                                                   arb_quote_t *out, size_t *offset)
{
    arb_json_t json = {frame, frame + bytes, ARB_FRAME_QUOTE};
    arb_bybit_spans_t spans;
    arb_quote_t quote;
    int64_t ts_ms, cts_ms;
    bool good = arb_bybit_scan_fields(&json, ARB_SPAN_OF(ARB_BYBIT_TOPIC), ARB_FRAME_BYTES_MAX,
                                      &spans);
    good = good && arb_bybit_read_head(&json, &spans, ARB_SPAN_OF(ARB_BYBIT_TOPIC), &quote) &&
           arb_whole_parse(&json, spans.ts, false, ARB_WALL_MS_MAX, &ts_ms) &&
           arb_whole_parse(&json, spans.cts.start ? spans.cts : spans.ts, false,
                           ARB_WALL_MS_MAX, &cts_ms) &&
           arb_whole_parse(&json, spans.u, false, ARB_SEQ_MAX, &quote.update_id) &&
           arb_whole_parse(&json, spans.seq, false, ARB_SEQ_MAX, &quote.seq) &&
           arb_bybit_read_sides(&json, &spans, &quote);
    *offset = (size_t)(json.at - frame);
    if (!good)
        return json.status;
    quote.exch_wall_ns = cts_ms * 1000000;
    *out = quote;
    return ARB_FRAME_QUOTE;
}

/* One side of the expected text: `[]` or one level. Returns what follows it; NULL: not as
 * expected. */
static inline const char *arb_bybit_fast_side(const char *at, const char *end, double *px,
                                              double *qty)
{
    if (ARB_UNLIKELY(!ARB_TOKEN_STEP(at, end, "[[\""))) {
        *px = NAN;
        *qty = NAN;
        return ARB_TOKEN_STEP(at, end, "[]") ? at : NULL;
    }
    at = arb_token_level(at, end, px, qty);
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, "\"]]") || !(*px > 0) || !(*qty > 0)))
        return NULL;
    return at;
}

/* The text from type or ts to data, in either order, of a snapshot. */
static inline const char *arb_bybit_fast_head(const char *at, const char *end)
{
    int64_t ts_ms;
    if (ARB_TOKEN_STEP(at, end, "\",\"type\":\"snapshot\",\"ts\":")) {
        at = arb_token_wall_ms(at, end, &ts_ms);
    } else if (ARB_TOKEN_STEP(at, end, "\",\"ts\":")) {
        at = arb_token_wall_ms(at, end, &ts_ms);
        if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, ",\"type\":\"snapshot\"")))
            return NULL;
    } else {
        return NULL;
    }
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, ",\"data\":{\"s\":\"")))
        return NULL;
    return at;
}

/* The expected text of a snapshot with at most one level a side. False: the scanner must look. */
static inline bool arb_bybit_fast_l1(const char *frame, size_t bytes, arb_quote_t *out)
{
    const char *end = frame + bytes, *at = frame;
    double bid_px, bid_qty, ask_px, ask_qty;
    int64_t update_id, seq, cts_ms;
    if (ARB_UNLIKELY(bytes > ARB_FRAME_BYTES_MAX ||
                     !ARB_TOKEN_STEP(at, end, "{\"topic\":\"orderbook.1.")))
        return false;
    const char *symbol = at;
    at = arb_token_name_end(symbol, end, ARB_NAME_BYTES_MAX);
    if (ARB_UNLIKELY(at == NULL || at == symbol))
        return false;
    size_t symbol_bytes = (size_t)(at - symbol);
    at = arb_bybit_fast_head(at, end);
    if (ARB_UNLIKELY(at == NULL || (size_t)(end - at) < symbol_bytes ||
                     !arb_token_same(at, symbol, symbol_bytes, end)))
        return false;
    at += symbol_bytes;
    if (ARB_UNLIKELY(!ARB_TOKEN_STEP(at, end, "\",\"b\":")))
        return false;
    at = arb_bybit_fast_side(at, end, &bid_px, &bid_qty);
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, ",\"a\":")))
        return false;
    at = arb_bybit_fast_side(at, end, &ask_px, &ask_qty);
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, ",\"u\":")))
        return false;
    at = arb_token_whole(at, end, &update_id);
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, ",\"seq\":")))
        return false;
    at = arb_token_whole(at, end, &seq);
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, "},\"cts\":")))
        return false;
    at = arb_token_wall_ms(at, end, &cts_ms);
    if (ARB_UNLIKELY(at == NULL || end - at != 1 || *at != '}' || bid_px > ask_px))
        return false;
    out->bid_px = bid_px;
    out->ask_px = ask_px;
    out->bid_qty = bid_qty;
    out->ask_qty = ask_qty;
    arb_quote_fill(out, ARB_VENUE_BYBIT, symbol, symbol_bytes, cts_ms, seq, update_id);
    return true;
}

/* Read one frame's quote on any processor. A call of its own: inlined, its registers would be saved
 * before the vector code, too. */
__attribute__((noinline)) static arb_frame_status_t
arb_bybit_parse_l1_baseline(const char *frame, size_t bytes, arb_quote_t *out)
{
    if (ARB_LIKELY(arb_bybit_fast_l1(frame, bytes, out)))
        return ARB_FRAME_QUOTE;
    size_t offset;
    return arb_bybit_scan_l1(frame, bytes, out, &offset);
}

/* Read one frame's quote. Cost: see benchmarks; no allocation. */
static inline arb_frame_status_t arb_bybit_parse_l1(const char *frame, size_t bytes,
                                                    arb_quote_t *out)
{
#if ARB_AVX2_BUILT
    if (ARB_LIKELY(arb_cpu_has_avx2() && arb_bybit_simd_l1(frame, bytes, out)))
        return ARB_FRAME_QUOTE;
#endif
    return arb_bybit_parse_l1_baseline(frame, bytes, out);
}

#endif
