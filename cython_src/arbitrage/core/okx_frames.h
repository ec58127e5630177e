/* OKX V5 public frames: `bbo-tbt` to a quote.
 *
 *   {"arg":{"channel":"bbo-tbt","instId":"BTC-USDT-SWAP"},"data":[{
 *    "asks":[["84093.5","667.19","0","70"]],"bids":[["84093.4","570.27","0","83"]],
 *    "ts":"1790439594900","seqId":342177336945}]}
 *
 * Source: okx.com/docs-v5, order book channel (read July 2026). A level is price, size in
 * contracts, "0" and the number of orders. Every frame is the whole top; data has one element.
 * Three ways to one result, as in bybit_frames.h.
 *
 * Threads: pure functions. Limits: never reads outside frame[0..bytes); the quote's symbol
 * points into the frame. On anything but ARB_FRAME_QUOTE the quote is untouched.
 */
#ifndef ARB_OKX_FRAMES_H
#define ARB_OKX_FRAMES_H

#include "frame_tokens.h"
#include "okx_simd.h"
#include "quote_levels.h"

typedef struct arb_okx_spans {
    arb_span_t arg, action, data;     /* of the frame */
    arb_span_t channel, inst_id;      /* of arg */
    arb_span_t asks, bids, ts, seq_id;/* of data[0] */
    bool event;
} arb_okx_spans_t;

/* Walk arg. A channel that is not ours ends the walk at once. */
static inline bool arb_okx_scan_arg(arb_json_t *json, arb_okx_spans_t *spans)
{
    bool first = true;
    arb_span_t key, channel;
    if (!arb_json_expect(json, '{'))
        return false;
    while (arb_json_next_key(json, &first, &key)) {
        bool taken;
        if (ARB_SPAN_IS(key, "channel")) {
            taken = arb_json_take_once(json, &spans->channel);
            if (taken && !arb_span_string(spans->channel, &channel))
                return arb_json_fail(json, ARB_FRAME_BAD_JSON);
        } else if (ARB_SPAN_IS(key, "instId")) {
            taken = arb_json_take_once(json, &spans->inst_id);
        } else {
            taken = arb_json_skip(json);
        }
        if (!taken)
            return false;
    }
    return json->status == ARB_FRAME_QUOTE;
}

static inline bool arb_okx_scan_frame(arb_json_t *json, arb_okx_spans_t *spans)
{
    bool first = true;
    arb_span_t key;
    if (!arb_json_expect(json, '{'))
        return false;
    while (arb_json_next_key(json, &first, &key)) {
        bool taken;
        if (ARB_SPAN_IS(key, "arg")) {
            taken = arb_json_take_once(json, &spans->arg);
        } else if (ARB_SPAN_IS(key, "action")) {
            taken = arb_json_take_once(json, &spans->action);
        } else if (ARB_SPAN_IS(key, "data")) {
            taken = arb_json_take_once(json, &spans->data);
        } else {
            /* "event" marks acknowledgements and errors, "op" the answers to orders */
            spans->event |= ARB_SPAN_IS(key, "event") || ARB_SPAN_IS(key, "op");
            taken = arb_json_skip(json);
        }
        if (!taken)
            return false;
    }
    return json->status == ARB_FRAME_QUOTE && arb_json_end(json);
}

/* Go into data, an array of exactly one object. */
static inline bool arb_okx_enter_data(arb_json_t *json)
{
    if (!arb_json_expect(json, '['))
        return false;
    if (arb_json_peek(json) == ']')
        return arb_json_fail(json, ARB_FRAME_MISSING_FIELD);
    return arb_json_expect(json, '{');
}

/* Behind that object: it read well, and there is no second one. */
static inline bool arb_okx_leave_data(arb_json_t *json)
{
    if (json->status != ARB_FRAME_QUOTE)
        return false;
    return arb_json_peek(json) == ']' || arb_json_fail(json, ARB_FRAME_MALFORMED);
}

static inline bool arb_okx_scan_data(arb_json_t *json, arb_okx_spans_t *spans)
{
    bool first = true;
    arb_span_t key;
    if (!arb_okx_enter_data(json))
        return false;
    while (arb_json_next_key(json, &first, &key)) {
        bool taken;
        if (ARB_SPAN_IS(key, "asks"))
            taken = arb_json_take_once(json, &spans->asks);
        else if (ARB_SPAN_IS(key, "bids"))
            taken = arb_json_take_once(json, &spans->bids);
        else if (ARB_SPAN_IS(key, "ts"))
            taken = arb_json_take_once(json, &spans->ts);
        else if (ARB_SPAN_IS(key, "seqId"))
            taken = arb_json_take_once(json, &spans->seq_id);
        else
            taken = arb_json_skip(json);
        if (!taken)
            return false;
    }
    return arb_okx_leave_data(json);
}

/* Walk the frame and its arg; the channel's name. False: no data frame, json's status says what. */
static inline bool arb_okx_scan_channel(arb_json_t *json, arb_okx_spans_t *spans,
                                        arb_span_t *channel)
{
    if (!arb_okx_scan_frame(json, spans))
        return false;
    if (spans->event || spans->arg.start == NULL)
        return arb_json_fail(json, ARB_FRAME_CONTROL);
    const char *frame_end = json->end;
    json->at = spans->arg.start;
    json->end = spans->arg.start + spans->arg.bytes;
    if (!arb_okx_scan_arg(json, spans))
        return false;
    json->end = frame_end;
    if (spans->channel.start == NULL)
        return arb_json_fail(json, ARB_FRAME_MISSING_FIELD);
    arb_span_string(spans->channel, channel);
    return true;
}

/* What the frame is: true when it is a bbo-tbt push; else json's status says what. */
static inline bool arb_okx_classify(arb_json_t *json, arb_okx_spans_t *spans)
{
    arb_span_t channel, action;
    if (!arb_okx_scan_channel(json, spans, &channel))
        return false;
    if (!ARB_SPAN_IS(channel, "bbo-tbt"))
        return arb_json_fail(json, ARB_FRAME_OTHER_TOPIC);
    if (spans->action.start != NULL) {
        json->at = spans->action.start;
        if (!arb_span_string(spans->action, &action) || !ARB_SPAN_IS(action, "snapshot"))
            return arb_json_fail(json, ARB_FRAME_BAD_TYPE);
    }
    return true;
}

/* The numbers of a frame whose keys are all there. json->at names the culprit on failure. */
static inline bool arb_okx_read_values(arb_json_t *json, const arb_okx_spans_t *spans,
                                       arb_quote_t *quote)
{
    arb_span_t symbol;
    arb_side_levels_t bid, ask;
    int64_t ts_ms;
    json->at = spans->inst_id.start;
    if (!arb_span_string(spans->inst_id, &symbol) || !arb_symbol_plausible(symbol))
        return arb_json_fail(json, ARB_FRAME_MALFORMED);
    if (!arb_whole_parse(json, spans->ts, true, ARB_WALL_MS_MAX, &ts_ms) ||
        !arb_whole_parse(json, spans->seq_id, false, ARB_SEQ_MAX, &quote->seq) ||
        !arb_side_parse(json, spans->bids, true, true, &bid) ||
        !arb_side_parse(json, spans->asks, false, true, &ask))
        return false;
    json->at = spans->bids.start;
    if (bid.px > ask.px)
        return arb_json_fail(json, ARB_FRAME_CROSSED);
    quote->bid_px = bid.px;
    quote->bid_qty = bid.qty;
    quote->ask_px = ask.px;
    quote->ask_qty = ask.qty;
    quote->exch_wall_ns = ts_ms * 1000000;
    quote->update_id = quote->seq;
    quote->symbol = symbol.start;
    quote->symbol_bytes = (uint16_t)symbol.bytes;
    quote->kind = ARB_QUOTE_SNAPSHOT;
    quote->venue = ARB_VENUE_OKX;
    quote->bid_gone_count = 0;
    quote->ask_gone_count = 0;
    for (uint32_t gone_index = 0; gone_index < ARB_QUOTE_GONE_MAX; gone_index++)
        quote->bid_gone_px[gone_index] = quote->ask_gone_px[gone_index] = NAN;
    return true;
}

/* The scanner: any key order, any whitespace, and the reason with its place when it is no quote. */
static inline arb_frame_status_t arb_okx_scan_bbo(const char *frame, size_t bytes, arb_quote_t *out,
                                                  size_t *offset)
{
    *offset = 0;
    if (bytes == 4 && memcmp(frame, "pong", 4) == 0)
        return ARB_FRAME_CONTROL;
    arb_json_t json = {frame, frame + bytes, ARB_FRAME_QUOTE};
    arb_okx_spans_t spans;
    arb_quote_t quote;
    memset(&spans, 0, sizeof spans);
    bool good = arb_okx_classify(&json, &spans);
    if (good && bytes > ARB_FRAME_BYTES_MAX)
        good = arb_json_fail(&json, ARB_FRAME_TOO_LONG);
    if (good && (spans.inst_id.start == NULL || spans.data.start == NULL))
        good = arb_json_fail(&json, ARB_FRAME_MISSING_FIELD);
    if (good) {
        json.at = spans.data.start;
        json.end = spans.data.start + spans.data.bytes;
        good = arb_okx_scan_data(&json, &spans);
    }
    if (good && (spans.asks.start == NULL || spans.bids.start == NULL || spans.ts.start == NULL ||
                 spans.seq_id.start == NULL))
        good = arb_json_fail(&json, ARB_FRAME_MISSING_FIELD);
    good = good && arb_okx_read_values(&json, &spans, &quote);
    *offset = (size_t)(json.at - frame);
    if (!good)
        return json.status;
    *out = quote;
    return ARB_FRAME_QUOTE;
}

/* One side of the expected text: `[]` or one level of four strings. Returns what follows it;
 * NULL: not as expected. */
static inline const char *arb_okx_fast_side(const char *at, const char *end, double *px,
                                            double *qty)
{
    if (ARB_UNLIKELY(!ARB_TOKEN_STEP(at, end, "[[\""))) {
        *px = NAN;
        *qty = NAN;
        return ARB_TOKEN_STEP(at, end, "[]") ? at : NULL;
    }
    at = arb_token_level(at, end, px, qty);
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, "\",\"0\",\"")))
        return NULL;
    at = arb_token_name_end(at, end, ARB_NAME_BYTES_MAX); /* number of orders: any text */
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, "\"]]") || !(*px > 0) || !(*qty > 0)))
        return NULL;
    return at;
}

/* The expected text of a push. False: the scanner must look. */
static inline bool arb_okx_fast_bbo(const char *frame, size_t bytes, arb_quote_t *out)
{
    const char *end = frame + bytes, *at = frame;
    double bid_px, bid_qty, ask_px, ask_qty;
    int64_t seq, ts_ms;
    if (ARB_UNLIKELY(bytes > ARB_FRAME_BYTES_MAX ||
                     !ARB_TOKEN_STEP(at, end, "{\"arg\":{\"channel\":\"bbo-tbt\",\"instId\":\"")))
        return false;
    const char *symbol = at;
    at = arb_token_name_end(symbol, end, ARB_NAME_BYTES_MAX);
    if (ARB_UNLIKELY(at == NULL || at == symbol))
        return false;
    size_t symbol_bytes = (size_t)(at - symbol);
    if (ARB_UNLIKELY(!ARB_TOKEN_STEP(at, end, "\"},\"data\":[{\"asks\":")))
        return false;
    at = arb_okx_fast_side(at, end, &ask_px, &ask_qty);
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, ",\"bids\":")))
        return false;
    at = arb_okx_fast_side(at, end, &bid_px, &bid_qty);
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, ",\"ts\":\"")))
        return false;
    at = arb_token_wall_ms(at, end, &ts_ms);
    if (ARB_UNLIKELY(at == NULL || !ARB_TOKEN_STEP(at, end, "\",\"seqId\":")))
        return false;
    at = arb_token_whole(at, end, &seq);
    if (ARB_UNLIKELY(at == NULL || end - at != 3 || memcmp(at, "}]}", 3) != 0 || bid_px > ask_px))
        return false;
    out->bid_px = bid_px;
    out->ask_px = ask_px;
    out->bid_qty = bid_qty;
    out->ask_qty = ask_qty;
    arb_quote_fill(out, ARB_VENUE_OKX, symbol, symbol_bytes, ts_ms, seq, seq);
    return true;
}

/* Read one frame's quote on any processor; a call of its own, as in bybit_frames.h. */
__attribute__((noinline)) static arb_frame_status_t
arb_okx_parse_bbo_baseline(const char *frame, size_t bytes, arb_quote_t *out)
{
    if (ARB_LIKELY(arb_okx_fast_bbo(frame, bytes, out)))
        return ARB_FRAME_QUOTE;
    size_t offset;
    return arb_okx_scan_bbo(frame, bytes, out, &offset);
}

/* Read one frame's quote. Cost: see benchmarks; no allocation. */
static inline arb_frame_status_t arb_okx_parse_bbo(const char *frame, size_t bytes,
                                                   arb_quote_t *out)
{
#if ARB_AVX2_BUILT
    if (ARB_LIKELY(arb_cpu_has_avx2() && arb_okx_simd_bbo(frame, bytes, out)))
        return ARB_FRAME_QUOTE;
#endif
    return arb_okx_parse_bbo_baseline(frame, bytes, out);
}

#endif
