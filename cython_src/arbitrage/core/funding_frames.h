/* Funding of both venues' public streams: what a ticker or funding-rate frame says of it.
 *
 *   {"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","fundingRate":"0.0001",
 *    "nextFundingTime":"1673280000000","fundingIntervalHour":"8"},"cs":1,"ts":1673272861686}
 *   {"arg":{"channel":"funding-rate","instId":"BTC-USDT-SWAP"},"data":[{"fundingRate":"0.0001",
 *    "fundingTime":"1703088000000","nextFundingTime":"1703116800000","instId":"BTC-USDT-SWAP",
 *    "ts":"1703070685309"}]}
 *
 * Source: bybit-exchange.github.io/docs/v5/websocket/public/ticker, okx.com/docs-v5 (funding rate
 * channel). A Bybit delta names only what changed: what is not said is NaN or 0. At OKX the
 * interval lies between the next settlement and the one after it.
 *
 * Threads: pure functions. Limits: as json_scan.h; one row a frame.
 */
#ifndef ARB_FUNDING_FRAMES_H
#define ARB_FUNDING_FRAMES_H

#include "okx_frames.h"
#include "quote_levels.h"

#define ARB_HOUR_MS 3600000.0

typedef struct arb_funding_said {
    const char *symbol; /* in the frame */
    size_t symbol_bytes;
    double rate;        /* NaN: not said */
    double interval_h;  /* 0: not said */
    int64_t next_ns;    /* 0: not said */
    int64_t exch_ns;    /* 0: not said */
} arb_funding_said_t;

/* The text of a value that was skipped before, without its quotes; empty: there is none. */
static inline arb_span_t arb_funding_text(arb_span_t span)
{
    arb_span_t text;
    if (span.start == NULL)
        return (arb_span_t){NULL, 0};
    return arb_span_string(span, &text) ? text : span;
}

/* A number, quoted or not; what is absent, empty or null leaves *out as it is. */
static inline bool arb_funding_number(arb_span_t span, double *out)
{
    arb_span_t text = arb_funding_text(span);
    double value;
    if (text.bytes == 0 || ARB_SPAN_IS(text, "null"))
        return true;
    if (!arb_decimal_parse(text.start, text.bytes, &value))
        return false;
    *out = value;
    return true;
}

static inline bool arb_funding_ms(arb_span_t span, int64_t *out_ms)
{
    arb_span_t text = arb_funding_text(span);
    if (text.bytes == 0 || ARB_SPAN_IS(text, "null"))
        return true;
    return arb_whole_read(text.start, text.start + text.bytes, ARB_WALL_MS_MAX, out_ms) ==
           text.start + text.bytes;
}

static inline bool arb_funding_named(arb_span_t span, arb_funding_said_t *out)
{
    arb_span_t text = arb_funding_text(span);
    out->symbol = text.start;
    out->symbol_bytes = text.bytes;
    return text.bytes > 0 && arb_symbol_plausible(text);
}

/* Bybit's ticker topic. */
static inline arb_frame_status_t arb_bybit_parse_funding(const char *frame, size_t bytes,
                                                         arb_funding_said_t *out)
{
    arb_json_t json = {frame, frame + bytes, ARB_FRAME_QUOTE};
    arb_span_t key, topic = {0}, ts = {0}, data = {0};
    arb_span_t symbol = {0}, rate = {0}, next = {0}, hours = {0};
    bool first = true;
    int64_t next_ms = 0, ts_ms = 0;
    if (!arb_json_expect(&json, '{'))
        return json.status;
    while (arb_json_next_key(&json, &first, &key)) {
        arb_span_t *wanted = ARB_SPAN_IS(key, "topic")  ? &topic
                             : ARB_SPAN_IS(key, "ts")   ? &ts
                             : ARB_SPAN_IS(key, "data") ? &data
                                                        : NULL;
        if (!(wanted ? arb_json_take_once(&json, wanted) : arb_json_skip(&json)))
            return json.status;
    }
    topic = arb_funding_text(topic);
    if (json.status != ARB_FRAME_QUOTE)
        return json.status;
    if (topic.bytes <= 8 || memcmp(topic.start, "tickers.", 8) != 0 || data.start == NULL)
        return ARB_FRAME_OTHER_TOPIC;
    json.at = data.start;
    json.end = data.start + data.bytes;
    first = true;
    if (!arb_json_expect(&json, '{'))
        return json.status;
    while (arb_json_next_key(&json, &first, &key)) {
        arb_span_t *wanted = ARB_SPAN_IS(key, "symbol")                ? &symbol
                             : ARB_SPAN_IS(key, "fundingRate")         ? &rate
                             : ARB_SPAN_IS(key, "nextFundingTime")     ? &next
                             : ARB_SPAN_IS(key, "fundingIntervalHour") ? &hours
                                                                       : NULL;
        if (!(wanted ? arb_json_take_once(&json, wanted) : arb_json_skip(&json)))
            return json.status;
    }
    *out = (arb_funding_said_t){.rate = NAN};
    if (json.status != ARB_FRAME_QUOTE)
        return json.status;
    if (!arb_funding_named(symbol, out) || !arb_funding_number(rate, &out->rate) ||
        !arb_funding_number(hours, &out->interval_h) || !arb_funding_ms(next, &next_ms) ||
        !arb_funding_ms(ts, &ts_ms))
        return ARB_FRAME_BAD_NUMBER;
    out->next_ns = next_ms * 1000000;
    out->exch_ns = ts_ms * 1000000;
    return ARB_FRAME_QUOTE;
}

/* OKX' funding-rate channel. */
static inline arb_frame_status_t arb_okx_parse_funding(const char *frame, size_t bytes,
                                                       arb_funding_said_t *out)
{
    arb_json_t json = {frame, frame + bytes, ARB_FRAME_QUOTE};
    arb_okx_spans_t spans;
    arb_span_t key, channel, symbol = {0}, rate = {0}, time = {0}, after = {0}, ts = {0};
    bool first = true;
    int64_t time_ms = 0, after_ms = 0, ts_ms = 0;
    memset(&spans, 0, sizeof spans);
    if (!arb_okx_scan_channel(&json, &spans, &channel))
        return json.status;
    if (!ARB_SPAN_IS(channel, "funding-rate") || spans.data.start == NULL)
        return ARB_FRAME_OTHER_TOPIC;
    json.at = spans.data.start;
    if (!arb_okx_enter_data(&json))
        return json.status;
    while (arb_json_next_key(&json, &first, &key)) {
        arb_span_t *wanted = ARB_SPAN_IS(key, "instId")            ? &symbol
                             : ARB_SPAN_IS(key, "fundingRate")     ? &rate
                             : ARB_SPAN_IS(key, "fundingTime")     ? &time
                             : ARB_SPAN_IS(key, "nextFundingTime") ? &after
                             : ARB_SPAN_IS(key, "ts")              ? &ts
                                                                   : NULL;
        if (!(wanted ? arb_json_take_once(&json, wanted) : arb_json_skip(&json)))
            return json.status;
    }
    *out = (arb_funding_said_t){.rate = NAN};
    if (!arb_okx_leave_data(&json))
        return json.status;
    if (!arb_funding_named(symbol, out) || !arb_funding_number(rate, &out->rate) ||
        !arb_funding_ms(time, &time_ms) || !arb_funding_ms(after, &after_ms) ||
        !arb_funding_ms(ts, &ts_ms))
        return ARB_FRAME_BAD_NUMBER;
    out->next_ns = time_ms * 1000000;
    out->exch_ns = ts_ms * 1000000;
    if (after_ms > time_ms && time_ms > 0)
        out->interval_h = (double)(after_ms - time_ms) / ARB_HOUR_MS;
    return ARB_FRAME_QUOTE;
}

#endif
