/* Feed lane: what a feed thread does with one frame, from the callback's pointer to the tick ring.
 *
 *   stamp (by the caller) -> parse in place -> look the symbol up -> bring the row up to date
 *   -> publish the ladder (depth) -> push the tick -> wake the detector if it sleeps
 *
 * Frames of a row come from up to two topics (top of book, depth) on up to ARB_LINES_MAX parallel
 * connections; feed_row.h decides what each is worth.
 *
 * Threads: every function here runs on the lane's feed thread alone. Nothing blocks or allocates.
 */
#ifndef ARB_FEED_LANE_H
#define ARB_FEED_LANE_H

#include "clock.h" /* first: it asks the system headers for the POSIX names */

#include "counters.h"
#include "feed_row.h"
#include "frame_tap.h"
#include "histogram.h"
#include "market_pipeline.h"
#include "parker.h"
#include "symbol_map.h"
#include "warm_rows.h"

typedef struct arb_feed {
    arb_lane_t *lane;
    const arb_symbol_map_t *symbols;
    arb_feed_row_t *rows;           /* by row; this thread's own */
    arb_depth_t *depth;             /* scratch of one depth frame; NULL: no row has a book */
    arb_feed_counters_t *counters[ARB_VENUES_MAX];
    arb_line_counters_t *lines[ARB_VENUES_MAX][ARB_LINES_MAX];
    arb_row_counters_t *row_counters; /* by row; each row is one lane's */
    arb_histogram_t *parsed;
    const arb_clock_t *clock;
    arb_frame_tap_t *tap;
    arb_parker_t *detector;         /* NULL: the detector runs inside the callback */
    uint32_t row_count;
    uint32_t symbol_capacity;
    int64_t heard_mono_ns[ARB_VENUES_MAX]; /* the last frame of a venue, of any line and kind */
} arb_feed_t;

static inline arb_frame_status_t arb_parse_frame(uint32_t venue, const char *frame, size_t bytes,
                                                 arb_quote_t *quote)
{
    return venue == ARB_VENUE_BYBIT ? arb_bybit_parse_l1(frame, bytes, quote)
                                    : arb_okx_parse_bbo(frame, bytes, quote);
}

static inline arb_frame_status_t arb_parse_depth(uint32_t venue, const char *frame, size_t bytes,
                                                 arb_depth_t *depth)
{
    return venue == ARB_VENUE_BYBIT ? arb_bybit_parse_depth(frame, bytes, depth)
                                    : arb_okx_parse_depth(frame, bytes, depth);
}

/* Does the frame begin as those of the depth channels do? A guess: both parsers check. */
static inline bool arb_looks_deep(uint32_t venue, const char *frame, size_t bytes)
{
    const char *at = frame, *end = frame + bytes;
    return venue == ARB_VENUE_BYBIT
               ? ARB_TOKEN_STEP(at, end, "{\"topic\":\"" ARB_BYBIT_DEPTH_TOPIC)
               : ARB_TOKEN_STEP(at, end, "{\"arg\":{\"channel\":\"books");
}

/* The symbol that a malformed depth frame names, as far as it can be made out; 0 bytes: none. */
static inline arb_span_t arb_depth_named(uint32_t venue, const char *frame, size_t bytes)
{
    arb_span_t mark = venue == ARB_VENUE_BYBIT ? ARB_SPAN_OF("\"" ARB_BYBIT_DEPTH_TOPIC)
                                               : ARB_SPAN_OF("\"instId\":\"");
    for (size_t at = 0; at + mark.bytes < bytes; at++) {
        if (memcmp(frame + at, mark.start, mark.bytes) != 0)
            continue;
        const char *name = frame + at + mark.bytes;
        const char *stop = (const char *)memchr(name, '"', bytes - at - mark.bytes);
        if (stop != NULL && stop - name <= ARB_NAME_BYTES_MAX)
            return (arb_span_t){name, (size_t)(stop - name)};
        break;
    }
    return (arb_span_t){frame, 0};
}

static inline void arb_feed_push(arb_feed_t *feed, const arb_tick_t *tick,
                                 arb_feed_counters_t *counters)
{
    if (ARB_LIKELY(arb_lane_push(feed->lane, tick)))
        arb_count(&counters->ticks_pushed, 1);
    else
        arb_count(&counters->ticks_overflowed, 1);
    if (feed->detector != NULL)
        arb_parker_notify(feed->detector);
}

/* Tell the detector that a row's state changed; leaving LIVE forgets what is known of the row. */
static inline void arb_feed_push_state(arb_feed_t *feed, uint32_t venue, uint32_t row,
                                       uint32_t state, int64_t now_mono_ns)
{
    uint64_t kind = arb_tick_pack(0, row, ARB_TICK_STATE);
    arb_tick_t tick = {NAN, NAN, NAN, NAN, now_mono_ns, kind, 0, state};
    if (state != ARB_ROW_LIVE && state != ARB_ROW_SUSPECT)
        arb_feed_row_reset(&feed->rows[row], now_mono_ns);
    arb_feed_push(feed, &tick, feed->counters[venue]);
}

/* Push a row's top as it now stands. */
static inline void arb_feed_push_top(arb_feed_t *feed, uint32_t venue, uint32_t row,
                                     int64_t recv_mono_ns)
{
    arb_tick_t tick;
    int64_t parsed_mono_ns = arb_clock_now(feed->clock);
    arb_feed_row_fill_tick(&feed->rows[row], row, &tick);
    tick.recv_mono_ns = recv_mono_ns;
    tick.aux_u32 = arb_delta_ns(recv_mono_ns, parsed_mono_ns);
    arb_feed_push(feed, &tick, feed->counters[venue]);
    arb_histogram_record(feed->parsed, parsed_mono_ns - recv_mono_ns);
}

/* Count which line was first, and by how much. */
static inline void arb_feed_count_line(arb_feed_t *feed, uint32_t venue, uint32_t line,
                                       const arb_row_news_t *news)
{
    if (ARB_LIKELY(news->first)) {
        arb_count(&feed->lines[venue][line]->first, 1);
    } else if (news->copy) {
        arb_count(&feed->lines[venue][line]->copies, 1);
        if (news->led_line >= 0) {
            arb_count(&feed->lines[venue][news->led_line]->led, 1);
            arb_count(&feed->lines[venue][news->led_line]->led_ns, news->led_ns);
        }
    }
}

/* Continuity is gone: GAP; a book that was held is given up with it. */
static inline void arb_feed_lose_row(arb_feed_t *feed, uint32_t venue, uint32_t row,
                                     int64_t recv_mono_ns)
{
    if (feed->rows[row].book != NULL) {
        arb_count(&feed->counters[venue]->depth_gaps, 1);
        arb_count(&feed->row_counters[row].gaps, 1);
    }
    arb_feed_push_state(feed, venue, row, ARB_ROW_GAP, recv_mono_ns);
}

/* A quote of a row that we hold. */
static inline void arb_feed_take_quote(arb_feed_t *feed, uint32_t venue, uint32_t line,
                                       uint32_t row, const arb_quote_t *quote,
                                       int64_t recv_mono_ns)
{
    arb_feed_counters_t *counters = feed->counters[venue];
    arb_row_news_t news =
        arb_feed_row_take_quote(&feed->rows[row], quote, line, recv_mono_ns);
    if (ARB_LIKELY(news.tick)) {
        arb_feed_push_top(feed, venue, row, recv_mono_ns);
        arb_count(&counters->quotes, 1);
    }
    if (ARB_UNLIKELY(news.held_back))
        arb_count(&counters->quotes_held_back, 1);
    else if (!(news.first && news.tick))
        arb_count(&counters->repeats, 1);
    arb_feed_count_line(feed, venue, line, &news);
    if (ARB_UNLIKELY(news.lost))
        arb_feed_lose_row(feed, venue, row, recv_mono_ns);
}

/* A depth update of a row that has a book for it. */
static inline void arb_feed_take_update(arb_feed_t *feed, uint32_t venue, uint32_t line,
                                        uint32_t row, int64_t recv_mono_ns)
{
    arb_feed_counters_t *counters = feed->counters[venue];
    arb_feed_row_t *held = &feed->rows[row];
    arb_row_news_t news;
    arb_book_result_t result =
        arb_feed_row_take_depth(held, feed->depth, line, recv_mono_ns, &news);
    if (ARB_LIKELY(result <= ARB_BOOK_SNAPSHOT)) {
        arb_count(&counters->depth_updates, 1);
        arb_ladder_publish(held->ladder, held->book, recv_mono_ns);
    } else if (result == ARB_BOOK_KEEPALIVE) {
        arb_count(&counters->depth_keepalives, 1);
    } else if (result == ARB_BOOK_OLDER) {
        arb_count(&counters->depth_older, 1);
    } else if (result == ARB_BOOK_WAITING) {
        arb_count(&counters->depth_waiting, 1);
    }
    if (ARB_LIKELY(news.tick)) {
        arb_feed_push_top(feed, venue, row, recv_mono_ns);
        arb_count(&counters->depth_ticks, 1);
    }
    arb_feed_count_line(feed, venue, line, &news);
    if (ARB_UNLIKELY(news.lost))
        arb_feed_lose_row(feed, venue, row, recv_mono_ns);
}

/* A depth frame that cannot be read: the book behind it is not to be believed any longer. */
static inline void arb_feed_spoil_book(arb_feed_t *feed, uint32_t venue, uint32_t line,
                                       const char *frame, size_t bytes, int64_t recv_mono_ns)
{
    arb_span_t named = arb_depth_named(venue, frame, bytes);
    uint32_t row = arb_symbol_map_find(feed->symbols, venue, named.start, named.bytes);
    arb_count(&feed->counters[venue]->depth_malformed, 1);
    if (row < feed->row_count && feed->rows[row].book != NULL &&
        arb_feed_row_break(&feed->rows[row], line, recv_mono_ns))
        arb_feed_lose_row(feed, venue, row, recv_mono_ns);
}

/* A frame of a depth channel, or one that may be. */
static inline arb_frame_status_t arb_feed_take_depth(arb_feed_t *feed, uint32_t venue,
                                                     uint32_t line, const char *frame, size_t bytes,
                                                     int64_t recv_mono_ns)
{
    arb_feed_counters_t *counters = feed->counters[venue];
    arb_depth_t *depth = feed->depth;
    arb_frame_status_t status = arb_parse_depth(venue, frame, bytes, depth);
    if (status == ARB_FRAME_CONTROL || status == ARB_FRAME_OTHER_TOPIC)
        return status;
    arb_count(&counters->depth_frames, 1);
    if (ARB_UNLIKELY(status != ARB_FRAME_QUOTE)) {
        arb_feed_spoil_book(feed, venue, line, frame, bytes, recv_mono_ns);
        return status;
    }
    uint32_t row = arb_symbol_map_find(feed->symbols, venue, depth->symbol, depth->symbol_bytes);
    if (ARB_UNLIKELY(row >= feed->row_count || feed->rows[row].book == NULL ||
                     feed->rows[row].channel != depth->channel))
        return ARB_FRAME_UNKNOWN_SYMBOL;
    arb_feed_take_update(feed, venue, line, row, recv_mono_ns);
    return ARB_FRAME_QUOTE;
}

/* A frame of the venue came: was it silent, or were we standing still? */
static inline void arb_feed_hear(arb_feed_t *feed, uint32_t venue, int64_t recv_mono_ns)
{
    int64_t silent_ns = recv_mono_ns - feed->heard_mono_ns[venue];
    feed->heard_mono_ns[venue] = recv_mono_ns;
    if (ARB_LIKELY(silent_ns <= ARB_QUIET_NS))
        return;
    uint32_t first = venue * feed->symbol_capacity;
    for (uint32_t row = first; row < first + feed->symbol_capacity; row++)
        arb_feed_row_bear(&feed->rows[row], silent_ns - ARB_QUIET_NS);
}

/* Where the frame's symbol leads if the frame is what nearly all are. */
typedef struct arb_foreseen {
    const char *name;
    size_t bytes;
    uint32_t row; /* ARB_ROW_NONE: not known */
} arb_foreseen_t;

/* Look the symbol up where a top-of-book frame has it, before the frame is read: its row, and
 * inline the slot that the tick goes to, travel to this core meanwhile. */
static inline arb_foreseen_t arb_feed_foresee(const arb_feed_t *feed, uint32_t venue,
                                              const char *frame, size_t bytes)
{
    size_t at = venue == ARB_VENUE_BYBIT
                    ? sizeof "{\"topic\":\"orderbook.1." - 1
                    : sizeof "{\"arg\":{\"channel\":\"bbo-tbt\",\"instId\":\"" - 1;
    arb_foreseen_t foreseen = {frame + at, 0, ARB_ROW_NONE};
    /* not from a detector that spins on that slot: it would take the line back before the tick */
    if (feed->detector == NULL)
        arb_lane_expect(feed->lane);
    if (ARB_UNLIKELY(bytes < at + ARB_NAME_BYTES_MAX + 4))
        return foreseen;
    foreseen.bytes = arb_quoted_bytes(foreseen.name);
    foreseen.row = arb_symbol_map_find(feed->symbols, venue, foreseen.name, foreseen.bytes);
    if (ARB_LIKELY(foreseen.row < feed->row_count)) {
        const char *row = (const char *)(feed->rows + foreseen.row);
        arb_prefetch_to_write(row);
        arb_prefetch_to_write(row + ARB_CACHE_LINE_BYTES);
    }
    return foreseen;
}

/* Name the lines that lead from a name to its row's top, of all rows, to be kept warm. */
static inline void arb_feed_name_rows(const arb_feed_t *feed, arb_warm_rows_t *rows)
{
    arb_warm_rows_add(rows, arb_symbol_slots(feed->symbols),
                      feed->symbols->slot_count * sizeof(arb_symbol_slot_t), ARB_CACHE_LINE_BYTES);
    arb_warm_rows_add(rows, feed->rows, feed->row_count * sizeof(arb_feed_row_t),
                      ARB_CACHE_LINE_BYTES);
}

/* Take one frame of a line. Returns what it was; CONTROL and OTHER_TOPIC ones are the caller's slow
 * path. */
static inline arb_frame_status_t arb_feed_on_frame(arb_feed_t *feed, uint32_t venue, uint32_t line,
                                                   const char *frame, size_t bytes,
                                                   int64_t recv_mono_ns)
{
    arb_feed_counters_t *counters = feed->counters[venue];
    arb_quote_t quote;
    arb_frame_status_t status;
    arb_foreseen_t foreseen = arb_feed_foresee(feed, venue, frame, bytes);
    arb_count(&counters->frames, 1);
    arb_count(&counters->bytes, bytes);
    arb_feed_hear(feed, venue, recv_mono_ns);
    if (ARB_UNLIKELY(arb_tap_enabled(feed->tap)))
        arb_tap_write(feed->tap, recv_mono_ns, (uint16_t)venue, (uint16_t)line, frame,
                      (uint32_t)bytes);

    if (feed->depth != NULL && arb_looks_deep(venue, frame, bytes)) {
        status = arb_feed_take_depth(feed, venue, line, frame, bytes, recv_mono_ns);
    } else {
        status = arb_parse_frame(venue, frame, bytes, &quote);
        if (ARB_LIKELY(status == ARB_FRAME_QUOTE)) {
            uint32_t row = foreseen.row;
            if (ARB_UNLIKELY(quote.symbol != foreseen.name ||
                             quote.symbol_bytes != foreseen.bytes))
                row = arb_symbol_map_find(feed->symbols, venue, quote.symbol, quote.symbol_bytes);
            if (ARB_LIKELY(row < feed->row_count))
                arb_feed_take_quote(feed, venue, line, row, &quote, recv_mono_ns);
            else
                status = ARB_FRAME_UNKNOWN_SYMBOL;
        } else if (status == ARB_FRAME_OTHER_TOPIC && feed->depth != NULL) {
            status = arb_feed_take_depth(feed, venue, line, frame, bytes, recv_mono_ns);
        }
    }
    if (ARB_UNLIKELY(status == ARB_FRAME_UNKNOWN_SYMBOL))
        arb_count(&counters->unknown_symbols, 1);
    else if (status == ARB_FRAME_CONTROL)
        arb_count(&counters->control, 1);
    else if (status == ARB_FRAME_OTHER_TOPIC)
        arb_count(&counters->other_topics, 1);
    else if (status >= ARB_FRAME_MALFORMED)
        arb_count(&counters->malformed, 1);
    arb_count(&counters->by_status[status], 1);
    return status;
}

/* The venue was asked and stands where the row's top does: say so again, received now. False:
 * nothing is held. */
static inline bool arb_feed_confirm(arb_feed_t *feed, uint32_t venue, uint32_t row,
                                    int64_t now_mono_ns)
{
    arb_tick_t tick;
    if (!arb_feed_row_known(&feed->rows[row]))
        return false;
    arb_feed_row_fill_tick(&feed->rows[row], row, &tick);
    tick.recv_mono_ns = now_mono_ns;
    tick.aux_u32 = 0;
    arb_feed_push(feed, &tick, feed->counters[venue]);
    return true;
}

/* A line of a venue has ended: rows that nothing serves any more leave LIVE at once. Returns how
 * many. */
static inline uint32_t arb_feed_drop_line(arb_feed_t *feed, uint32_t venue, uint32_t line,
                                          int64_t now_mono_ns)
{
    uint32_t lost = 0, first = venue * feed->symbol_capacity;
    for (uint32_t row = first; row < first + feed->symbol_capacity; row++) {
        arb_feed_row_t *held = &feed->rows[row];
        if (((held->top_lines | held->book_lines | held->broken_lines) >> line & 1) == 0)
            continue; /* it never served the row */
        arb_line_loss_t loss = arb_feed_row_drop_line(held, line);
        if (loss == ARB_LINE_SPARE)
            continue;
        lost++;
        arb_count(&feed->row_counters[row].cuts, 1);
        arb_feed_push_state(feed, venue, row,
                            loss == ARB_LINE_LAST ? ARB_ROW_SYNCING : ARB_ROW_GAP, now_mono_ns);
    }
    return lost;
}

/* Tell the detector a row's funding. */
static inline void arb_feed_push_funding(arb_feed_t *feed, uint32_t venue, uint32_t row,
                                         double rate, double interval_h, int64_t next_wall_ns,
                                         int64_t now_mono_ns)
{
    uint64_t kind = arb_tick_pack(0, row, ARB_TICK_FUNDING);
    uint32_t next_wall_ms = (uint32_t)(next_wall_ns / 1000000);
    arb_tick_t tick = {rate, interval_h, NAN, NAN, now_mono_ns, kind, next_wall_ms, 0};
    arb_feed_push(feed, &tick, feed->counters[venue]);
}

#endif
