/* Market frames: recorded frames of both venues as one stream of market records.
 *
 *   files of lines (a venue's pieces behind one another, its parallel lines beside one another)
 *     --> heads merged by time --> the live parsers --> QUOTE, LEVEL, FUNDING, GAP
 *
 * Quotes. Of one line the file's order is believed, as replay.h does. Of several lines the first
 * that brings a state counts and the copies are dropped, as live (feed_row.h).
 * Books. The live rules: an update that does not continue the book, or that cannot be read, loses
 * it. That is a GAP of the book alone (ARB_MARKET_BOOK): quotes of the L1 channel go on.
 * Funding. Told when it changed.
 * Gaps. Where the recorder lost frames, nothing is known of the venue after the last frame before
 * it. Heads are always at hand, so a gap is told at that frame's time, before anything newer.
 *
 * The owner is asked for bytes, for room, for a new name and for a book's memory, and called again;
 * nothing is lost in between.
 *
 * Threads: one. Limits: symbol_map.h; ARB_LINES_MAX lines a venue.
 */
#ifndef ARB_MARKET_FRAMES_H
#define ARB_MARKET_FRAMES_H

#include "feed_lane.h"
#include "frame_lines.h"
#include "funding_frames.h"
#include "market_record.h"

typedef enum arb_frames_need {
    ARB_FRAMES_DONE = 0,
    ARB_FRAMES_NEED_BYTES = 1, /* of source `asked` */
    ARB_FRAMES_NEED_ROOM = 2,  /* for records */
    ARB_FRAMES_NEED_NAME = 3,  /* `name` of venue `asked` has no row yet */
    ARB_FRAMES_NEED_BOOK = 4,  /* row `asked` has no book for `channel` */
    ARB_FRAMES_UNORDERED = 5   /* the head of source `asked` is older than what came before */
} arb_frames_need_t;

enum {
    ARB_FRAMES_SOURCES_MAX = ARB_VENUE_COUNT * ARB_LINES_MAX,
    ARB_FRAMES_ROOM = ARB_DEPTH_LEVELS_MAX + 8, /* records that one frame may make */
    ARB_FRAMES_UNWANTED = 0xFFFE,               /* the output symbol of a row nobody asked for */
};

/* One line of a venue. */
typedef struct arb_frames_source {
    arb_lines_t lines;
    uint32_t venue;
    uint32_t line;
    bool lift;                /* a line that runs backwards is taken at the newest time so far */
    uint64_t refused_count;   /* frames that their parser refused */
    uint64_t first_refused;   /* the line of the first one, or of the first malformed line */
    uint32_t first_status;    /* why */
    bool ends_cut;            /* the file's last frame was refused and has no line end */
} arb_frames_source_t;

/* Where a recorder lost frames of a venue: before the frame of that time. */
typedef struct arb_frames_gap {
    int64_t before_ns;
    int64_t lost;
    int64_t told_ns; /* when it was told; 0: not yet; -1: it came before the first frame */
    uint32_t venue;
} arb_frames_gap_t;

typedef struct arb_frames_row {
    arb_feed_row_t top;  /* L1; without a book */
    arb_feed_row_t deep; /* the book */
    double rate, interval_h;
    int64_t next_ns;
    uint16_t symbol;     /* of the records */
    uint16_t funded;     /* 1: funding was told */
} arb_frames_row_t;

typedef struct arb_frames {
    arb_frames_source_t sources[ARB_FRAMES_SOURCES_MAX]; /* by venue, then line */
    uint32_t source_count;
    uint32_t line_count[ARB_VENUE_COUNT];
    arb_symbol_map_t *map;
    arb_frames_row_t *rows;
    arb_frames_gap_t *gaps; /* by before_ns */
    uint32_t gap_count;
    arb_depth_t *depth;     /* scratch */
    arb_market_t *out;
    uint64_t out_count, out_capacity;
    int64_t consumed_ns[ARB_VENUE_COUNT];
    bool consumed[ARB_VENUE_COUNT];
    int64_t heard_ns[ARB_VENUE_COUNT];
    /* what is asked for */
    uint32_t asked, channel;
    arb_span_t name;
    uint64_t quote_count[ARB_VENUE_COUNT], update_count[ARB_VENUE_COUNT], other_count;
    uint64_t waiting_count[ARB_VENUE_COUNT]; /* updates of a book before its snapshot */
} arb_frames_t;

static inline arb_market_t *arb_frames_put(arb_frames_t *frames, uint32_t venue, uint32_t symbol,
                                           uint32_t kind, int64_t recv_ns, int64_t exch_ns,
                                           int64_t number)
{
    arb_market_t *record = frames->out + frames->out_count++;
    *record = (arb_market_t){recv_ns, exch_ns, NAN,           NAN,           NAN,
                             NAN,     number,  (uint16_t)symbol, (uint8_t)venue, (uint8_t)kind,
                             0};
    return record;
}

static inline void arb_frames_forget_book(arb_frames_row_t *row)
{
    arb_book_t *book = row->deep.book;
    uint8_t channel = row->deep.channel;
    row->deep = (arb_feed_row_t){.book = book, .channel = channel};
    if (book != NULL)
        arb_book_clear(book);
}

/* ---- L1 -------------------------------------------------------------------------------------- */

/* Of one line: whatever comes next continues what came before. */
static inline arb_top_result_t arb_frames_believe(arb_top_t *top, const arb_quote_t *quote)
{
    top->seq = quote->seq;
    top->update_id = quote->update_id - 1;
    return arb_top_update(top, quote);
}

static inline void arb_frames_quote(arb_frames_t *frames, const arb_frames_source_t *source,
                                    arb_frames_row_t *row, const arb_quote_t *quote)
{
    int64_t recv_ns = source->lines.recv_ns;
    uint32_t venue = source->venue;
    bool told, lost;
    if (frames->line_count[venue] == 1) {
        arb_top_result_t result = arb_frames_believe(&row->top.top, quote);
        told = arb_top_ticks(result);
        lost = result == ARB_TOP_GAP;
    } else {
        arb_row_news_t news = arb_feed_row_take_quote(&row->top, quote, source->line, recv_ns);
        told = news.tick;
        lost = news.lost;
    }
    if (ARB_UNLIKELY(lost)) {
        arb_frames_put(frames, venue, row->symbol, ARB_MARKET_GAP, recv_ns, quote->exch_wall_ns,
                       quote->seq)
            ->flags = ARB_MARKET_LAST;
        return;
    }
    if (!told) {
        frames->other_count++;
        return;
    }
    arb_market_t *record = arb_frames_put(frames, venue, row->symbol, ARB_MARKET_QUOTE, recv_ns,
                                          quote->exch_wall_ns, quote->seq);
    record->bid_px = row->top.top.bid_px;
    record->bid_qty = row->top.top.bid_qty;
    record->ask_px = row->top.top.ask_px;
    record->ask_qty = row->top.top.ask_qty;
    record->flags = ARB_MARKET_LAST;
    frames->quote_count[venue]++;
}

/* ---- books ----------------------------------------------------------------------------------- */

/* Tell the levels of an update, those of both sides side by side. */
static inline void arb_frames_put_levels(arb_frames_t *frames, uint32_t venue, uint32_t symbol,
                                         int64_t recv_ns, const arb_depth_t *depth,
                                         const arb_level_t *const sides[ARB_DEPTH_SIDES],
                                         const uint32_t counts[ARB_DEPTH_SIDES], bool anew)
{
    uint32_t bids = counts[ARB_DEPTH_BID], asks = counts[ARB_DEPTH_ASK];
    uint32_t longest = bids > asks ? bids : asks;
    uint64_t first = frames->out_count;
    /* an update without levels proves the book fresh: one record without any */
    for (uint32_t index = 0; index < (longest ? longest : 1); index++) {
        arb_market_t *record = arb_frames_put(frames, venue, symbol, ARB_MARKET_LEVEL, recv_ns,
                                              depth->exch_wall_ns, depth->seq);
        if (index < bids) {
            record->bid_px = sides[ARB_DEPTH_BID][index].px;
            record->bid_qty = sides[ARB_DEPTH_BID][index].qty;
        }
        if (index < asks) {
            record->ask_px = sides[ARB_DEPTH_ASK][index].px;
            record->ask_qty = sides[ARB_DEPTH_ASK][index].qty;
        }
    }
    if (anew)
        frames->out[first].flags |= ARB_MARKET_SNAPSHOT;
    frames->out[frames->out_count - 1].flags |= ARB_MARKET_LAST;
}

static inline void arb_frames_lose_book(arb_frames_t *frames, uint32_t venue,
                                        arb_frames_row_t *row, bool was_held, int64_t recv_ns)
{
    arb_frames_forget_book(row);
    if (was_held)
        arb_frames_put(frames, venue, row->symbol, ARB_MARKET_GAP, recv_ns, 0, 0)->flags =
            ARB_MARKET_LAST | ARB_MARKET_BOOK;
}

static inline void arb_frames_update(arb_frames_t *frames, const arb_frames_source_t *source,
                                     arb_frames_row_t *row)
{
    const arb_depth_t *depth = frames->depth;
    arb_book_t *book = row->deep.book;
    int64_t recv_ns = source->lines.recv_ns;
    arb_row_news_t news;
    bool was_held = book->held != 0;
    arb_book_result_t result =
        arb_feed_row_take_depth(&row->deep, depth, source->line, recv_ns, &news);
    frames->waiting_count[source->venue] += result == ARB_BOOK_WAITING;
    if (ARB_UNLIKELY(news.lost)) {
        arb_frames_lose_book(frames, source->venue, row, was_held, recv_ns);
        return;
    }
    if (result > ARB_BOOK_KEEPALIVE) {
        frames->other_count++;
        return;
    }
    const arb_level_t *sides[ARB_DEPTH_SIDES] = {depth->levels[0], depth->levels[1]};
    uint32_t counts[ARB_DEPTH_SIDES] = {depth->count[0], depth->count[1]};
    bool anew = result == ARB_BOOK_SNAPSHOT;
    for (uint32_t side = 0; anew && side < ARB_DEPTH_SIDES; side++) /* as far as it is held */
        sides[side] = arb_book_top(book, side, book->capacity, &counts[side]);
    arb_frames_put_levels(frames, source->venue, row->symbol, recv_ns, depth, sides, counts, anew);
    frames->update_count[source->venue]++;
}

/* A depth frame that cannot be read: the book behind it is not to be believed any longer. */
static inline void arb_frames_spoil(arb_frames_t *frames, const arb_frames_source_t *source)
{
    const arb_lines_t *lines = &source->lines;
    arb_span_t named = arb_depth_named(source->venue, lines->frame, lines->frame_bytes);
    uint32_t index = arb_symbol_map_find(frames->map, source->venue, named.start, named.bytes);
    if (index == ARB_ROW_NONE || frames->rows[index].deep.book == NULL)
        return;
    arb_frames_row_t *row = frames->rows + index;
    bool was_held = row->deep.book->held != 0;
    if (arb_feed_row_break(&row->deep, source->line, lines->recv_ns))
        arb_frames_lose_book(frames, source->venue, row, was_held, lines->recv_ns);
}

/* ---- funding --------------------------------------------------------------------------------- */

static inline void arb_frames_funding(arb_frames_t *frames, const arb_frames_source_t *source,
                                      arb_frames_row_t *row, const arb_funding_said_t *said)
{
    double rate = isnan(said->rate) ? row->rate : said->rate;
    double interval_h = said->interval_h > 0 ? said->interval_h : row->interval_h;
    int64_t next_ns = said->next_ns > 0 ? said->next_ns : row->next_ns;
    bool same = row->funded && rate == row->rate && interval_h == row->interval_h &&
                next_ns == row->next_ns;
    row->rate = rate;
    row->interval_h = interval_h;
    row->next_ns = next_ns;
    if (same || isnan(rate) || next_ns == 0)
        return;
    row->funded = 1;
    arb_market_t *record =
        arb_frames_put(frames, source->venue, row->symbol, ARB_MARKET_FUNDING,
                       source->lines.recv_ns, said->exch_ns, next_ns);
    record->bid_px = rate;
    record->bid_qty = interval_h;
    record->flags = ARB_MARKET_LAST;
}

/* ---- one frame ------------------------------------------------------------------------------- */

/* The row of a name; NULL: the owner must give it one first. */
static inline arb_frames_row_t *arb_frames_find(arb_frames_t *frames, uint32_t venue,
                                                const char *name, size_t bytes)
{
    uint32_t row = arb_symbol_map_find(frames->map, venue, name, bytes);
    if (ARB_LIKELY(row != ARB_ROW_NONE))
        return frames->rows + row;
    frames->asked = venue;
    frames->name = (arb_span_t){name, bytes};
    return NULL;
}

static inline void arb_frames_refuse(arb_frames_source_t *source, arb_frame_status_t status)
{
    if (source->refused_count++ == 0) {
        source->first_refused = source->lines.line_count;
        source->first_status = status;
    }
    source->ends_cut = source->lines.cut;
}

/* A frame that is no L1 quote: a book's, funding, or something else. */
static inline arb_frames_need_t arb_frames_other(arb_frames_t *frames,
                                                 arb_frames_source_t *source)
{
    const arb_lines_t *lines = &source->lines;
    uint32_t venue = source->venue;
    arb_depth_t *depth = frames->depth;
    arb_funding_said_t said;
    arb_frames_row_t *row;
    arb_frame_status_t status =
        arb_parse_depth(venue, lines->frame, lines->frame_bytes, depth);
    if (status == ARB_FRAME_QUOTE) {
        row = arb_frames_find(frames, venue, depth->symbol, depth->symbol_bytes);
        if (row == NULL)
            return ARB_FRAMES_NEED_NAME;
        if (row->symbol == ARB_FRAMES_UNWANTED)
            return ARB_FRAMES_DONE;
        if (ARB_UNLIKELY(row->deep.book == NULL)) {
            frames->asked = (uint32_t)(row - frames->rows);
            frames->channel = depth->channel;
            return ARB_FRAMES_NEED_BOOK;
        }
        if (ARB_LIKELY(row->deep.channel == depth->channel))
            arb_frames_update(frames, source, row);
        else
            frames->other_count++;
        return ARB_FRAMES_DONE;
    }
    if (status == ARB_FRAME_OTHER_TOPIC) {
        status = venue == ARB_VENUE_BYBIT
                     ? arb_bybit_parse_funding(lines->frame, lines->frame_bytes, &said)
                     : arb_okx_parse_funding(lines->frame, lines->frame_bytes, &said);
        if (status == ARB_FRAME_QUOTE) {
            row = arb_frames_find(frames, venue, said.symbol, said.symbol_bytes);
            if (row == NULL)
                return ARB_FRAMES_NEED_NAME;
            if (row->symbol != ARB_FRAMES_UNWANTED)
                arb_frames_funding(frames, source, row, &said);
            return ARB_FRAMES_DONE;
        }
    }
    if (status >= ARB_FRAME_MALFORMED) {
        arb_frames_refuse(source, status);
        arb_frames_spoil(frames, source);
    } else {
        frames->other_count++;
    }
    return ARB_FRAMES_DONE;
}

/* Take the head of a source. Anything but DONE: do what is asked and call again with it. */
static inline arb_frames_need_t arb_frames_take(arb_frames_t *frames, arb_frames_source_t *source)
{
    const arb_lines_t *lines = &source->lines;
    uint32_t venue = source->venue;
    arb_quote_t quote;
    if (arb_looks_deep(venue, lines->frame, lines->frame_bytes))
        return arb_frames_other(frames, source);
    arb_frame_status_t status = arb_parse_frame(venue, lines->frame, lines->frame_bytes, &quote);
    if (ARB_UNLIKELY(status != ARB_FRAME_QUOTE)) {
        if (status == ARB_FRAME_OTHER_TOPIC)
            return arb_frames_other(frames, source);
        if (status >= ARB_FRAME_MALFORMED)
            arb_frames_refuse(source, status);
        else
            frames->other_count++;
        return ARB_FRAMES_DONE;
    }
    arb_frames_row_t *row = arb_frames_find(frames, venue, quote.symbol, quote.symbol_bytes);
    if (ARB_UNLIKELY(row == NULL))
        return ARB_FRAMES_NEED_NAME;
    if (ARB_LIKELY(row->symbol != ARB_FRAMES_UNWANTED))
        arb_frames_quote(frames, source, row, &quote);
    return ARB_FRAMES_DONE;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* Nothing is known of a venue any longer. */
static inline void arb_frames_forget(arb_frames_t *frames, uint32_t venue)
{
    uint32_t first = venue * frames->map->capacity;
    for (uint32_t index = first; index < first + frames->map->symbol_count; index++) {
        arb_frames_row_t *row = frames->rows + index;
        row->top = (arb_feed_row_t){0};
        arb_frames_forget_book(row);
    }
}

/* Do all heads of the gap's venue come after it? */
static inline bool arb_frames_gap_reached(const arb_frames_t *frames, const arb_frames_gap_t *gap)
{
    for (uint32_t index = 0; index < frames->source_count; index++) {
        const arb_frames_source_t *source = frames->sources + index;
        if (source->venue == gap->venue && source->lines.frame != NULL &&
            source->lines.recv_ns < gap->before_ns)
            return false;
    }
    return true;
}

/* Tell the gaps that begin with what was consumed last. One before the first frame says nothing. */
static inline void arb_frames_tell_gaps(arb_frames_t *frames)
{
    for (uint32_t index = 0; index < frames->gap_count; index++) {
        arb_frames_gap_t *gap = frames->gaps + index;
        uint32_t venue = gap->venue;
        if (gap->told_ns != 0 || !arb_frames_gap_reached(frames, gap))
            continue;
        gap->told_ns = frames->consumed[venue] ? frames->consumed_ns[venue] : -1;
        if (gap->told_ns < 0)
            continue;
        arb_frames_forget(frames, venue);
        arb_frames_put(frames, venue, ARB_MARKET_ALL_SYMBOLS, ARB_MARKET_GAP, gap->told_ns, 0, 0)
            ->flags = ARB_MARKET_LAST;
    }
}

/* A frame of the venue came: was it silent, or did the recorder stand still? As arb_feed_hear. */
static inline void arb_frames_hear(arb_frames_t *frames, uint32_t venue, int64_t recv_ns)
{
    int64_t silent_ns = recv_ns - frames->heard_ns[venue];
    frames->heard_ns[venue] = recv_ns;
    if (ARB_LIKELY(silent_ns <= ARB_QUIET_NS))
        return;
    uint32_t first = venue * frames->map->capacity;
    for (uint32_t index = first; index < first + frames->map->symbol_count; index++) {
        arb_feed_row_bear(&frames->rows[index].top, silent_ns - ARB_QUIET_NS);
        arb_feed_row_bear(&frames->rows[index].deep, silent_ns - ARB_QUIET_NS);
    }
}

/* Bring a line to each head. */
static inline arb_frames_need_t arb_frames_heads(arb_frames_t *frames)
{
    for (uint32_t index = 0; index < frames->source_count; index++) {
        arb_frames_source_t *source = frames->sources + index;
        if (source->lines.frame != NULL)
            continue;
        frames->asked = index;
        if (!arb_lines_next(&source->lines)) {
            if (!source->lines.final)
                return ARB_FRAMES_NEED_BYTES;
            continue;
        }
        if (ARB_UNLIKELY(source->lines.is_older)) {
            if (!source->lift)
                return ARB_FRAMES_UNORDERED;
            source->lines.recv_ns = source->lines.latest_ns;
        }
    }
    return ARB_FRAMES_DONE;
}

/* Go on until something is needed or all files have ended. */
static inline arb_frames_need_t arb_frames_run(arb_frames_t *frames)
{
    for (;;) {
        if (frames->out_capacity - frames->out_count < ARB_FRAMES_ROOM + frames->gap_count)
            return ARB_FRAMES_NEED_ROOM;
        arb_frames_need_t need = arb_frames_heads(frames);
        if (ARB_UNLIKELY(need != ARB_FRAMES_DONE))
            return need;
        if (ARB_UNLIKELY(frames->gap_count > 0))
            arb_frames_tell_gaps(frames);
        arb_frames_source_t *earliest = NULL;
        for (uint32_t index = 0; index < frames->source_count; index++) {
            arb_frames_source_t *source = frames->sources + index;
            if (source->lines.frame != NULL &&
                (earliest == NULL || source->lines.recv_ns < earliest->lines.recv_ns))
                earliest = source;
        }
        if (earliest == NULL)
            return ARB_FRAMES_DONE;
        need = arb_frames_take(frames, earliest);
        if (ARB_UNLIKELY(need != ARB_FRAMES_DONE))
            return need;
        arb_frames_hear(frames, earliest->venue, earliest->lines.recv_ns);
        frames->consumed[earliest->venue] = true;
        frames->consumed_ns[earliest->venue] = earliest->lines.recv_ns;
        earliest->lines.frame = NULL;
    }
}

#endif
