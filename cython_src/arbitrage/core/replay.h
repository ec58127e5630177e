/* Replay: two recorded files through the live parsers, store and detector, merged by receive time.
 *
 *   recv_ns TAB frame LF       one line a frame, recv_ns decimal nanoseconds, of any clock
 *
 * The heads of both files are compared and the earlier one goes first; ties go to the first source
 * (Bybit), lines of one file keep their order. So a file whose times run backwards is still taken
 * line by line; `unordered` counts where that happened.
 *
 * A file is what one connection said, in its order: unlike a live feed, replay does not ask whether
 * a sequence number continues. A delta is applied to the top that the file gave before it; a delta
 * before any snapshot says nothing. A delta that crosses the book drops it, as live.
 *
 * A line without a number and a tab is malformed, as is a frame that its parser refuses; nothing of
 * either is applied. Blank lines are no frames. Symbols are learned as they come.
 *
 * Threads: one. Memory: line buffers, event and quote arrays belong to the owner, who is asked to
 * make room. Limits: symbol_map.h; a line is at most the line buffer.
 */
#ifndef ARB_REPLAY_H
#define ARB_REPLAY_H

#include "bybit_frames.h"
#include "frame_lines.h"
#include "opportunity_life.h"
#include "okx_frames.h"
#include "symbol_map.h"
#include "top_of_book.h"

typedef enum arb_replay_need {
    ARB_REPLAY_DONE = 0,
    ARB_REPLAY_NEEDS_FIRST = 1,  /* more bytes of source 0 */
    ARB_REPLAY_NEEDS_SECOND = 2, /* more bytes of source 1 */
    ARB_REPLAY_NEEDS_ROOM = 3    /* room for events or quotes */
} arb_replay_need_t;

/* A quote as it was applied: the row's complete top, venue units. 64 bytes. */
typedef struct arb_replay_quote {
    int64_t recv_ns;
    int64_t exch_wall_ns;
    int64_t seq;
    double bid_px, ask_px, bid_qty, ask_qty;
    uint16_t symbol_index;
    uint8_t venue;
    uint8_t reserved[5];
} arb_replay_quote_t;

_Static_assert(sizeof(arb_replay_quote_t) == 64, "the NumPy dtype mirrors this");

typedef struct arb_replay {
    arb_lines_t sources[2];
    arb_detector_t detector;
    arb_detector_counters_t counters;
    arb_market_store_t *store;
    arb_symbol_map_t *map;
    arb_top_t *tops;             /* [row] */
    arb_replay_quote_t *quotes;  /* NULL: not kept */
    uint32_t event_capacity;
    uint64_t quote_capacity;
    uint64_t quote_counts[2];    /* quotes applied, by venue */
    uint64_t kept_count;         /* of them in quotes */
    uint64_t malformed_count;    /* frames that their parser refused */
    uint64_t other_count;        /* acknowledgements, other topics, deltas without a snapshot */
    uint64_t unknown_count;      /* quotes of symbols beyond the map's capacity */
    double taker_bps[2];
} arb_replay_t;

/* `BTCUSDT` of `BTC-USDT-SWAP`; a Bybit name is canonical already. Returns its bytes; 0: none
 * left. */
static inline size_t arb_replay_canonical(const arb_quote_t *quote,
                                          char canonical[ARB_NAME_BYTES_MAX])
{
    size_t bytes = quote->symbol_bytes, kept = 0;
    if (bytes > ARB_NAME_BYTES_MAX)
        return 0;
    if (quote->venue == ARB_VENUE_OKX && bytes > 5 &&
        memcmp(quote->symbol + bytes - 5, "-SWAP", 5) == 0)
        bytes -= 5;
    for (size_t index = 0; index < bytes; index++)
        if (quote->venue != ARB_VENUE_OKX || quote->symbol[index] != '-')
            canonical[kept++] = quote->symbol[index];
    return kept;
}

/* Hold a symbol from now on. Its row, or ARB_ROW_NONE when there is no room. Cold: once a
 * symbol. */
__attribute__((noinline)) static uint32_t arb_replay_learn(arb_replay_t *replay,
                                                           const arb_quote_t *quote)
{
    arb_symbol_map_t *map = replay->map;
    char canonical[ARB_NAME_BYTES_MAX];
    size_t bytes = arb_replay_canonical(quote, canonical);
    uint32_t symbol_index = 0;
    while (symbol_index < map->symbol_count) {
        const arb_symbol_name_t *held = arb_symbol_canonical(map, symbol_index);
        if (held->bytes == bytes && memcmp(held->text, canonical, bytes) == 0)
            break;
        symbol_index++;
    }
    if (symbol_index == map->symbol_count &&
        arb_symbol_map_add(map, canonical, bytes, &symbol_index) != ARB_SYMBOL_OK)
        return ARB_ROW_NONE;
    uint32_t row = arb_store_row(replay->store, quote->venue, symbol_index);
    if (arb_symbol_map_insert(map, quote->venue, quote->symbol, quote->symbol_bytes, row) !=
        ARB_SYMBOL_OK)
        return ARB_ROW_NONE;
    arb_store_px_mult(replay->store)[row] = 1.0;
    arb_store_qty_mult(replay->store)[row] = 1.0;
    arb_store_taker_bps(replay->store)[row] = replay->taker_bps[quote->venue];
    return row;
}

/* The row's top after this quote, as a tick. false: the quote says nothing. */
static inline bool arb_replay_tick(arb_replay_t *replay, const arb_quote_t *quote, uint32_t row,
                                   int64_t recv_ns, arb_tick_t *tick)
{
    arb_top_t *top = replay->tops + row;
    /* the file's order is believed: what comes next continues what came before */
    top->seq = quote->seq;
    top->update_id = quote->update_id - 1;
    arb_top_result_t result = arb_top_update(top, quote);
    tick->recv_mono_ns = recv_ns;
    tick->aux_u32 = 0;
    if (ARB_LIKELY(arb_top_ticks(result))) {
        arb_top_fill_tick(top, row, tick);
        return true;
    }
    if (result != ARB_TOP_GAP)
        return false;
    tick->bid_px = tick->ask_px = tick->bid_qty = tick->ask_qty = NAN;
    tick->seq_row_kind = arb_tick_pack(quote->seq, row, ARB_TICK_STATE);
    tick->exch_wall_ms = (uint32_t)(quote->exch_wall_ns / 1000000);
    tick->aux_u32 = ARB_ROW_GAP;
    return true;
}

static inline void arb_replay_keep(arb_replay_t *replay, const arb_tick_t *tick,
                                   const arb_quote_t *quote, uint32_t symbol_index)
{
    replay->quotes[replay->kept_count++] = (arb_replay_quote_t){
        .recv_ns = tick->recv_mono_ns,
        .exch_wall_ns = quote->exch_wall_ns,
        .seq = quote->seq,
        .bid_px = tick->bid_px,
        .ask_px = tick->ask_px,
        .bid_qty = tick->bid_qty,
        .ask_qty = tick->ask_qty,
        .symbol_index = (uint16_t)symbol_index,
        .venue = quote->venue,
    };
}

/* Parse one frame, apply it, scan its symbol. */
static inline void arb_replay_frame(arb_replay_t *replay, const arb_lines_t *source,
                                    uint32_t venue)
{
    arb_quote_t quote;
    arb_tick_t tick;
    arb_frame_status_t status = venue == ARB_VENUE_BYBIT
                                    ? arb_bybit_parse_l1(source->frame, source->frame_bytes, &quote)
                                    : arb_okx_parse_bbo(source->frame, source->frame_bytes, &quote);
    if (ARB_UNLIKELY(status != ARB_FRAME_QUOTE)) {
        replay->malformed_count += status >= ARB_FRAME_MALFORMED;
        replay->other_count += status < ARB_FRAME_MALFORMED;
        return;
    }
    uint32_t row = arb_symbol_map_find(replay->map, venue, quote.symbol, quote.symbol_bytes);
    if (ARB_UNLIKELY(row == ARB_ROW_NONE)) {
        row = arb_replay_learn(replay, &quote);
        if (row == ARB_ROW_NONE) {
            replay->unknown_count++;
            return;
        }
    }
    if (ARB_UNLIKELY(!arb_replay_tick(replay, &quote, row, source->recv_ns, &tick))) {
        replay->other_count++;
        return;
    }
    replay->quote_counts[venue]++;
    if (replay->quotes != NULL)
        arb_replay_keep(replay, &tick, &quote, row - venue * replay->store->symbol_capacity);
    arb_detector_handle(&replay->detector, &tick, quote.exch_wall_ns / 1000000);
}

/* Go on until something is needed or both files have ended. */
static inline arb_replay_need_t arb_replay_run(arb_replay_t *replay)
{
    arb_lines_t *first = &replay->sources[0], *second = &replay->sources[1];
    for (;;) {
        if (replay->detector.event_count + ARB_DETECTOR_EVENTS_MAX > replay->event_capacity ||
            (replay->quotes != NULL && replay->kept_count == replay->quote_capacity))
            return ARB_REPLAY_NEEDS_ROOM;
        if (first->frame == NULL && !arb_lines_next(first) && !first->final)
            return ARB_REPLAY_NEEDS_FIRST;
        if (second->frame == NULL && !arb_lines_next(second) && !second->final)
            return ARB_REPLAY_NEEDS_SECOND;
        if (first->frame != NULL && (second->frame == NULL || first->recv_ns <= second->recv_ns)) {
            arb_replay_frame(replay, first, ARB_VENUE_BYBIT);
            first->frame = NULL;
        } else if (second->frame != NULL) {
            arb_replay_frame(replay, second, ARB_VENUE_OKX);
            second->frame = NULL;
        } else {
            return ARB_REPLAY_DONE;
        }
    }
}

#endif
