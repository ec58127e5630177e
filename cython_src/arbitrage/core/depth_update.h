/* One depth frame taken apart: a snapshot of a book or the changes to it, sorted and checked.
 *
 *   bids [["63040.8","3.323"], ...]     price and quantity; what follows them in a level is skipped
 *
 * Levels come out best first (bids fall, asks rise), each price once. Venues write them so; other
 * orders are sorted here. A price stated twice has no clear meaning: MALFORMED. A quantity of
 * zero deletes its price.
 *
 * Threads: pure functions over a caller-owned update, one a thread. Limits: as json_scan.h;
 * ARB_DEPTH_LEVELS_MAX levels a side. On failure the update holds nothing of use.
 */
#ifndef ARB_DEPTH_UPDATE_H
#define ARB_DEPTH_UPDATE_H

#include "frame_tokens.h"
#include "levels_simd.h"
#include "quote_levels.h"

enum {
    ARB_DEPTH_BID = 0,
    ARB_DEPTH_ASK = 1,
    ARB_DEPTH_SIDES = 2,
    ARB_DEPTH_LEVELS_MAX = 1024,       /* of a side: OKX deletes and inserts 400 at most */
    ARB_DEPTH_BYTES_MAX = 128 * 1024,  /* a frame of so many levels */
};

typedef enum arb_depth_channel {
    ARB_DEPTH_BYBIT_50 = 0,  /* orderbook.50 */
    ARB_DEPTH_OKX_BOOKS = 1, /* books */
    ARB_DEPTH_OKX_BOOKS5 = 2 /* books5: a snapshot every time */
} arb_depth_channel_t;

typedef struct arb_level {
    double px;  /* venue quotation, above 0 */
    double qty; /* venue's own units; 0 in an update: the price is gone */
} arb_level_t;

typedef struct arb_depth {
    const char *symbol;     /* in the frame */
    int64_t exch_wall_ns;   /* Bybit cts, else ts; OKX ts */
    int64_t seq;            /* Bybit seq, OKX seqId; -1: not stated (old recordings) */
    int64_t update_id;      /* Bybit u, OKX seqId; -1: not stated */
    int64_t prev_update_id; /* Bybit u - 1, OKX prevSeqId; -1: none */
    int64_t checksum;       /* OKX, signed 32 bits; 0: none */
    uint16_t symbol_bytes;
    uint8_t kind;    /* arb_quote_kind_t */
    uint8_t channel; /* arb_depth_channel_t */
    uint32_t count[ARB_DEPTH_SIDES];
    arb_level_t levels[ARB_DEPTH_SIDES][ARB_DEPTH_LEVELS_MAX];
} arb_depth_t;

/* Does a come before b on this side? */
static inline bool arb_level_better(uint32_t side, double a, double b)
{
    return side == ARB_DEPTH_BID ? a > b : a < b;
}

/* Sort a side, best first. False: a price is there twice. Venues send sorted levels, so a sort that
 * is quadratic on others costs nothing. */
static inline bool arb_levels_sort(arb_level_t *levels, uint32_t count, uint32_t side)
{
    for (uint32_t index = 1; index < count; index++) {
        arb_level_t level = levels[index];
        uint32_t place = index;
        for (; place > 0 && !arb_level_better(side, levels[place - 1].px, level.px); place--) {
            if (levels[place - 1].px == level.px)
                return false;
            levels[place] = levels[place - 1];
        }
        levels[place] = level;
    }
    return true;
}

/* Read the side at the cursor, levels in any order. extras: as arb_json_level. */
static inline bool arb_depth_scan_side(arb_json_t *json, bool extras, uint32_t side,
                                       arb_depth_t *out)
{
    bool first = true;
    uint32_t count = 0;
    const char *start = json->at;
    if (!arb_json_expect(json, '['))
        return false;
    while (arb_json_next_element(json, &first)) {
        arb_level_t level;
        if (count == ARB_DEPTH_LEVELS_MAX)
            return arb_json_fail(json, ARB_FRAME_TOO_LONG);
        if (!arb_json_level(json, extras, &level.px, &level.qty))
            return false;
        out->levels[side][count++] = level;
    }
    if (json->status != ARB_FRAME_QUOTE)
        return false;
    out->count[side] = count;
    if (!arb_levels_sort(out->levels[side], count, side)) {
        json->at = start;
        return arb_json_fail(json, ARB_FRAME_MALFORMED);
    }
    return true;
}

/* Read a side that was skipped before. On failure json takes over where and why. */
static inline bool arb_depth_read_side(arb_json_t *json, arb_span_t span, bool extras,
                                       uint32_t side, arb_depth_t *out)
{
    arb_json_t inner = {span.start, span.start + span.bytes, ARB_FRAME_QUOTE};
    if (arb_depth_scan_side(&inner, extras, side, out))
        return true;
    json->at = inner.at;
    return arb_json_fail(json, inner.status);
}

/* Read levels of the expected text with vectors where the processor has them (wide); says where it
 * stopped, as arb_levels_simd. */
static inline const char *arb_depth_wide_levels(const char *at, const char *end, bool orders,
                                                bool wide, uint32_t side, arb_depth_t *out)
{
    out->count[side] = 0;
#if ARB_AVX2_BUILT
    _Static_assert(sizeof(arb_level_t) == 2 * sizeof(double), "a level is px and qty");
    if (ARB_LIKELY(wide))
        return arb_levels_simd(at, end, orders, side == ARB_DEPTH_BID, &out->levels[side][0].px,
                               ARB_DEPTH_LEVELS_MAX, &out->count[side]);
#endif
    (void)end, (void)orders, (void)wide;
    return at;
}

/* One side of the expected text: `[]` or levels best first. orders: each ends with "0" and the
 * number of orders. wide: arb_cpu_has_avx2(). Returns what follows the side; NULL: the scanner must
 * look. */
static inline const char *arb_depth_fast_side(const char *at, const char *end, bool orders,
                                              bool wide, uint32_t side, arb_depth_t *out)
{
    arb_level_t *levels = out->levels[side];
    if (ARB_UNLIKELY(!ARB_TOKEN_STEP(at, end, "[[\""))) {
        out->count[side] = 0;
        return ARB_TOKEN_STEP(at, end, "[]") ? at : NULL;
    }
    at = arb_depth_wide_levels(at, end, orders, wide, side, out);
    uint32_t count = out->count[side];
    /* at the close of a level, not at the price of an empty one: its text begins after a '"' */
    if (ARB_LIKELY(count > 0 && *at == '"' && at[-1] != '"'))
        return ARB_LIKELY(ARB_TOKEN_STEP(at, end, "\"]]")) ? at : NULL;
    double last_px = count > 0 ? levels[count - 1].px : side == ARB_DEPTH_BID ? INFINITY : 0;
    do {
        double px, qty;
        if (ARB_UNLIKELY(count == ARB_DEPTH_LEVELS_MAX))
            return NULL;
        at = arb_token_level(at, end, &px, &qty);
        /* worse than the level before it; the first ask is thereby above 0, a bid is checked */
        if (ARB_UNLIKELY(at == NULL || !arb_level_better(side, last_px, px) || !(px > 0)))
            return NULL;
        if (orders) {
            if (ARB_UNLIKELY(!ARB_TOKEN_STEP(at, end, "\",\"0\",\"")))
                return NULL;
            at = arb_token_name_end(at, end, ARB_NAME_BYTES_MAX);
            if (ARB_UNLIKELY(at == NULL))
                return NULL;
        }
        levels[count++] = (arb_level_t){px, qty};
        last_px = px;
    } while (ARB_TOKEN_STEP(at, end, "\"],[\""));
    out->count[side] = count;
    return ARB_LIKELY(ARB_TOKEN_STEP(at, end, "\"]]")) ? at : NULL;
}

#endif
