/* Feed row: what a feed thread knows of one (venue, symbol), from two topics on several lines.
 *
 *   L1 frames  --> top  --.                         lines: parallel connections to the same stream;
 *                          >-- the newer by seq --> the first to bring a state wins, the others'
 *   L2 frames  --> book --'    is the row's top     copies are recognised and dropped
 *
 * Two topics. A row that has a book is served only while the book is held. Which topic speaks for
 * the row's top is decided by the venue's cross sequence, never by arrival. Where one topic's
 * sequence has fallen back and the other's not yet (a venue back from maintenance), the one on the
 * new scale speaks; a topic is on the new scale when its sequence lies nearer to it.
 *
 * Several lines. There is one book, fed by all: an update that another line has brought already is
 * a copy; one that does not continue the book has a line that lost something, and while another
 * line's chain is sound, what is missing comes from there. A line joins again as soon as a frame of
 * it continues the book or is known.
 *
 * Doubt. A book that does not come, does not go on while a line has lost something of it, or stays
 * silent while L1 has left its best price, is in doubt; after ARB_DOUBT_NS the row is given up:
 * GAP. Of a silence of the whole venue, or of our own standstill, ARB_QUIET_NS count: what would
 * have ended the doubt could not be heard either. With one line every rule is the venue's own
 * (top_of_book.h, bybit_depth.h, okx_depth.h).
 *
 * Threads: one owner. Memory: the book is given by the owner; nothing allocates.
 */
#ifndef ARB_FEED_ROW_H
#define ARB_FEED_ROW_H

#include "bybit_depth.h"
#include "ladder.h"
#include "okx_depth.h"
#include "top_of_book.h"

#define ARB_DOUBT_NS 1000000000LL
#define ARB_QUIET_NS 250000000LL

typedef struct arb_feed_row {
    arb_top_t top;           /* as L1 last said */
    arb_book_t *book;        /* NULL: no depth is subscribed */
    arb_ladder_t *ladder;    /* where the book's best levels are published */
    int64_t doubt_mono_ns;   /* since when a book is waited for, or a line lost of it; 0: no */
    int64_t lag_mono_ns;     /* since when L1 stands elsewhere than a silent book; 0: it does not */
    int64_t top_first_mono_ns;  /* when the state in top first came */
    int64_t book_first_mono_ns;
    uint8_t top_lines;       /* bit a line: has brought L1 since the reset */
    uint8_t top_brought;     /* bit a line: has brought the state in top */
    uint8_t book_lines;      /* bit a line: its chain continues the book */
    uint8_t broken_lines;    /* bit a line: it lost something of the book */
    uint8_t top_first_line;
    uint8_t book_first_line;
    int8_t fell;             /* 1: L1's sequence fell, the book's not yet; -1: the reverse */
    uint8_t channel;         /* arb_depth_channel_t of the book */
    uint64_t unused;         /* to whole cache lines */
} arb_feed_row_t;

_Static_assert(sizeof(arb_feed_row_t) == 128, "a row is two cache lines, the hot one first");

/* What a frame means for the row. */
typedef struct arb_row_news {
    bool tick;        /* the row's top, as it now stands, goes to the detector */
    bool lost;        /* continuity is gone: tell GAP and forget the row */
    bool first;       /* this line was the first to bring a new state */
    bool copy;        /* a state already known */
    bool held_back;   /* a quote that waits for the row's book */
    int8_t led_line;  /* copy: the line that had brought it first; -1: not measured */
    int64_t led_ns;   /* and by how much */
} arb_row_news_t;

/* Forget all, as on leaving LIVE. */
static inline void arb_feed_row_reset(arb_feed_row_t *row, int64_t now_mono_ns)
{
    arb_top_reset(&row->top);
    row->doubt_mono_ns = row->lag_mono_ns = 0;
    row->top_lines = row->top_brought = row->book_lines = row->broken_lines = 0;
    row->fell = 0;
    if (row->book != NULL) {
        arb_book_clear(row->book);
        arb_ladder_clear(row->ladder, now_mono_ns);
    }
}

/* Is the row's top known? With a book, only while that is held. */
static inline bool arb_feed_row_known(const arb_feed_row_t *row)
{
    return row->book == NULL ? row->top.held != 0 : row->book->held != 0;
}

/* Is the book's state newer than L1's? */
static inline bool arb_feed_row_book_leads(const arb_feed_row_t *row)
{
    if (row->book == NULL || !row->book->held || row->fell > 0)
        return false;
    return !row->top.held || row->fell < 0 || row->book->seq > row->top.seq;
}

/* Write the row's top into a tick; see arb_top_fill_tick. */
static inline void arb_feed_row_fill_tick(const arb_feed_row_t *row, uint32_t row_index,
                                          arb_tick_t *tick)
{
    if (ARB_LIKELY(!arb_feed_row_book_leads(row))) {
        arb_top_fill_tick(&row->top, row_index, tick);
        return;
    }
    arb_level_t bid = arb_book_best(row->book, ARB_DEPTH_BID);
    arb_level_t ask = arb_book_best(row->book, ARB_DEPTH_ASK);
    tick->bid_px = bid.px;
    tick->ask_px = ask.px;
    tick->bid_qty = bid.qty;
    tick->ask_qty = ask.qty;
    tick->exch_wall_ms = (uint32_t)(row->book->exch_wall_ns / 1000000);
    tick->seq_row_kind = arb_tick_pack(row->book->seq, row_index, ARB_TICK_QUOTE);
}

static inline uint64_t arb_distance(int64_t a, int64_t b)
{
    return a > b ? (uint64_t)(a - b) : (uint64_t)(b - a);
}

/* A topic's sequence fell from `before` to `now`: is the other topic there already? */
static inline bool arb_follows(int64_t other_seq, int64_t before, int64_t now)
{
    return arb_distance(other_seq, now) < arb_distance(other_seq, before);
}

/* A copy came; of the state we hold: by how much was its first line ahead? */
static inline void arb_note_copy(arb_row_news_t *news, bool held, int64_t first_mono_ns,
                                 uint32_t first_line, uint32_t line, int64_t recv_mono_ns)
{
    news->copy = true;
    if (held && line != first_line) {
        news->led_line = (int8_t)first_line;
        news->led_ns = recv_mono_ns > first_mono_ns ? recv_mono_ns - first_mono_ns : 0;
    }
}

/* Has what a timer watches lasted for too long? Its first call begins it. */
static inline bool arb_lasts(int64_t *since_mono_ns, int64_t recv_mono_ns)
{
    if (*since_mono_ns == 0)
        *since_mono_ns = recv_mono_ns;
    if (recv_mono_ns - *since_mono_ns < ARB_DOUBT_NS)
        return false;
    *since_mono_ns = recv_mono_ns;
    return true;
}

/* So much of the time that passed is not to count for what is in doubt. */
static inline void arb_feed_row_bear(arb_feed_row_t *row, int64_t silent_ns)
{
    row->doubt_mono_ns += row->doubt_mono_ns != 0 ? silent_ns : 0;
    row->lag_mono_ns += row->lag_mono_ns != 0 ? silent_ns : 0;
}

static inline bool arb_feed_row_doubt(arb_feed_row_t *row, int64_t recv_mono_ns)
{
    return arb_lasts(&row->doubt_mono_ns, recv_mono_ns);
}

/* ---- L1 -------------------------------------------------------------------------------------- */

/* Is the quote another line's copy of what we hold or have passed? On the line that brought the
 * state, the same again is the venue's own repetition, which proves the row fresh. */
static inline bool arb_top_is_copy(const arb_feed_row_t *row, const arb_quote_t *quote, uint8_t bit)
{
    const arb_top_t *top = &row->top;
    return top->held && (row->top_brought & bit) == 0 && quote->seq == top->seq &&
           quote->update_id <= top->update_id && quote->exch_wall_ns <= top->exch_wall_ns &&
           quote->kind == ARB_QUOTE_SNAPSHOT;
}

/* A delta that does not continue the top, while another line serves it. */
static inline bool arb_top_lost_elsewhere(const arb_feed_row_t *row, const arb_quote_t *quote,
                                          uint8_t bit)
{
    return quote->kind == ARB_QUOTE_DELTA && row->top.held && (row->top_lines & ~bit) != 0 &&
           quote->update_id != 1 && quote->update_id > row->top.update_id + 1;
}

/* The book has nothing newer: the quote is the row's top. Else only what proves it fresh counts. */
static inline bool arb_quote_speaks(const arb_feed_row_t *row, arb_top_result_t result)
{
    if (ARB_LIKELY(!arb_feed_row_book_leads(row)))
        return true;
    return result == ARB_TOP_REPEAT &&
           arb_same_value(arb_book_best(row->book, ARB_DEPTH_BID).px, row->top.bid_px) &&
           arb_same_value(arb_book_best(row->book, ARB_DEPTH_ASK).px, row->top.ask_px);
}

/* Does L1 stand at another price than a book that should have followed by now? */
static inline bool arb_book_lags(arb_feed_row_t *row, int64_t recv_mono_ns)
{
    if (ARB_LIKELY(
            arb_same_value(arb_book_best(row->book, ARB_DEPTH_BID).px, row->top.bid_px) &&
            arb_same_value(arb_book_best(row->book, ARB_DEPTH_ASK).px, row->top.ask_px))) {
        row->lag_mono_ns = 0; /* it moved and came back: the book had nothing to say */
        return false;
    }
    return arb_lasts(&row->lag_mono_ns, recv_mono_ns);
}

/* Bring the row up to date with an L1 quote that came on a line. */
static inline arb_row_news_t arb_feed_row_take_quote(arb_feed_row_t *row, const arb_quote_t *quote,
                                                     uint32_t line, int64_t recv_mono_ns)
{
    arb_row_news_t news = {.led_line = -1};
    uint8_t bit = (uint8_t)(1u << line);
    if (ARB_UNLIKELY(arb_top_is_copy(row, quote, bit))) {
        row->top_brought |= bit;
        row->top_lines |= bit;
        arb_note_copy(&news, true, row->top_first_mono_ns, row->top_first_line, line, recv_mono_ns);
        return news;
    }
    if (ARB_UNLIKELY(arb_top_lost_elsewhere(row, quote, bit))) {
        row->top_lines &= (uint8_t)~bit;
        return news;
    }
    int64_t before = row->top.held ? row->top.seq : quote->seq;
    arb_top_result_t result = arb_top_update(&row->top, quote);
    news.lost = result == ARB_TOP_GAP;
    if (ARB_UNLIKELY(!arb_top_ticks(result))) {
        if (result == ARB_TOP_OLDER)
            arb_note_copy(&news, quote->seq == before, row->top_first_mono_ns, row->top_first_line,
                          line, recv_mono_ns);
        return news;
    }
    row->top_lines |= bit;
    row->top_brought = bit;
    if (result == ARB_TOP_APPLIED) {
        news.first = true;
        row->top_first_mono_ns = recv_mono_ns;
        row->top_first_line = (uint8_t)line;
    } else {
        news.copy = true;
    }
    if (ARB_LIKELY(row->book == NULL)) {
        news.tick = true;
        return news;
    }
    if (ARB_UNLIKELY(quote->seq < before && row->book->held))
        row->fell = arb_follows(row->book->seq, before, quote->seq) ? 0 : 1;
    if (ARB_UNLIKELY(!row->book->held)) {
        news.held_back = true;
        news.lost = arb_feed_row_doubt(row, recv_mono_ns);
        return news;
    }
    news.lost = !arb_feed_row_book_leads(row) && arb_book_lags(row, recv_mono_ns);
    news.tick = !news.lost && arb_quote_speaks(row, result);
    return news;
}

/* ---- depth ----------------------------------------------------------------------------------- */

/* Did an update that we took lead to this state? Lines may cut the same stream at other places. */
static inline bool arb_book_passed(const arb_book_t *book, int64_t update_id)
{
    uint32_t kept = book->link_count < ARB_BOOK_LINKS ? book->link_count : ARB_BOOK_LINKS;
    for (uint32_t index = 0; index < kept; index++)
        if (book->links[index].update_id == update_id)
            return true;
    return false;
}

/* Is the update a copy of what the book has passed? */
static inline bool arb_depth_is_passed(const arb_book_t *book, const arb_depth_t *depth,
                                       bool others)
{
    if (depth->channel == ARB_DEPTH_BYBIT_50)
        return arb_bybit_depth_passed(book, depth);
    if (depth->prev_update_id == book->update_id)
        return false;
    return arb_okx_link_known(book, depth) ||
           (others && (arb_book_passed(book, depth->update_id) ||
                       (depth->seq < book->seq && depth->exch_wall_ns <= book->exch_wall_ns)));
}

/* Is the snapshot one that the book has passed? A lower sequence alone may be a restart; made
 * before what we hold it is a copy that came late. others: another line feeds the book. */
static inline bool arb_snapshot_is_passed(const arb_book_t *book, const arb_depth_t *depth,
                                          bool others)
{
    if (depth->exch_wall_ns > book->exch_wall_ns || depth->seq > book->seq)
        return false;
    if (depth->seq == book->seq)
        return others && depth->update_id == book->update_id;
    return others || depth->channel != ARB_DEPTH_BYBIT_50 || depth->update_id != 1;
}

static inline arb_book_result_t arb_depth_apply(arb_book_t *book, const arb_depth_t *depth)
{
    arb_book_result_t result = depth->channel == ARB_DEPTH_BYBIT_50
                                   ? arb_bybit_book_apply(book, depth)
                                   : arb_okx_book_apply(book, depth);
    if (result >= ARB_BOOK_REFUSED)
        return arb_book_lose(book);
    if (ARB_UNLIKELY(result <= ARB_BOOK_SNAPSHOT && arb_book_best(book, ARB_DEPTH_BID).px >
                                                        arb_book_best(book, ARB_DEPTH_ASK).px))
        return arb_book_lose(book); /* no market is crossed: something was lost */
    return result;
}

/* A line's chain is broken here. true: no other line's is sound, the book is lost. */
static inline bool arb_feed_row_break(arb_feed_row_t *row, uint32_t line, int64_t recv_mono_ns)
{
    uint8_t bit = (uint8_t)(1u << line);
    row->book_lines &= (uint8_t)~bit;
    row->broken_lines |= bit;
    return !row->book->held || row->book_lines == 0 || arb_feed_row_doubt(row, recv_mono_ns);
}

/* What an update that was taken means: is it the row's new top? */
static inline bool arb_depth_speaks(arb_feed_row_t *row, arb_book_result_t result, bool was_held,
                                    int64_t before)
{
    const arb_book_t *book = row->book;
    if (was_held && book->seq < before && row->top.held)
        row->fell = arb_follows(row->top.seq, before, book->seq) ? 0 : -1;
    else if (result == ARB_BOOK_SNAPSHOT && row->fell > 0)
        row->fell = 0;
    if (!was_held || arb_feed_row_book_leads(row))
        return true;
    /* the same state again proves it fresh, unless L1 is ahead of it */
    return row->fell == 0 && book->seq == before && book->seq == row->top.seq;
}

/* Bring the row up to date with a depth update that came on a line; its channel is the row's. */
static inline arb_book_result_t arb_feed_row_take_depth(arb_feed_row_t *row,
                                                        const arb_depth_t *depth, uint32_t line,
                                                        int64_t recv_mono_ns, arb_row_news_t *news)
{
    arb_book_t *book = row->book;
    uint8_t bit = (uint8_t)(1u << line);
    bool was_held = book->held != 0, others = (row->book_lines & ~bit) != 0;
    bool snapshot = depth->kind == ARB_QUOTE_SNAPSHOT;
    int64_t before = book->seq, before_wall_ns = book->exch_wall_ns;
    *news = (arb_row_news_t){.led_line = -1};
    if (was_held && (snapshot ? arb_snapshot_is_passed(book, depth, others)
                              : arb_depth_is_passed(book, depth, others))) {
        arb_note_copy(news, depth->seq == before, row->book_first_mono_ns, row->book_first_line,
                      line, recv_mono_ns);
        row->book_lines |= bit;
        row->broken_lines &= (uint8_t)~bit;
        /* a restart that is taken for a copy would leave the book behind for good */
        bool restart = snapshot && depth->seq < before;
        if (restart || row->doubt_mono_ns != 0)
            news->lost = arb_feed_row_doubt(row, recv_mono_ns);
        return ARB_BOOK_OLDER;
    }
    bool continues = depth->channel == ARB_DEPTH_BYBIT_50
                         ? depth->update_id == book->update_id + 1
                         : depth->prev_update_id == book->update_id;
    if (ARB_UNLIKELY(was_held && !snapshot && !continues && others)) {
        news->lost = arb_feed_row_break(row, line, recv_mono_ns);
        return news->lost ? ARB_BOOK_GAP : ARB_BOOK_OLDER;
    }
    arb_book_result_t result = arb_depth_apply(book, depth);
    if (ARB_UNLIKELY(result == ARB_BOOK_GAP || result == ARB_BOOK_WAITING)) {
        news->lost = result == ARB_BOOK_GAP || arb_feed_row_doubt(row, recv_mono_ns);
        return result;
    }
    row->book_lines |= bit;
    row->broken_lines &= (uint8_t)~bit;
    if (ARB_UNLIKELY(result == ARB_BOOK_OLDER)) {
        arb_note_copy(news, depth->seq == before, row->book_first_mono_ns, row->book_first_line,
                      line, recv_mono_ns);
        return result;
    }
    row->doubt_mono_ns = row->lag_mono_ns = 0;
    if (result == ARB_BOOK_KEEPALIVE) {
        bool behind = row->top.held && row->fell <= 0 && row->top.seq > book->seq;
        news->tick = book->exch_wall_ns > before_wall_ns && !behind;
        news->copy = !news->tick;
        return result;
    }
    news->first = true;
    row->book_first_mono_ns = recv_mono_ns;
    row->book_first_line = (uint8_t)line;
    news->tick = arb_depth_speaks(row, result, was_held, before);
    return result;
}

/* ---- lines ----------------------------------------------------------------------------------- */

typedef enum arb_line_loss {
    ARB_LINE_SPARE = 0,    /* other lines serve the row */
    ARB_LINE_LAST = 1,     /* nothing serves it now: SYNCING */
    ARB_LINE_BROKEN = 2    /* what is left had lost something: GAP */
} arb_line_loss_t;

/* A line has ended: who still serves the row? */
static inline arb_line_loss_t arb_feed_row_drop_line(arb_feed_row_t *row, uint32_t line)
{
    uint8_t rest = (uint8_t)~(1u << line);
    row->top_lines &= rest;
    row->top_brought &= rest;
    row->book_lines &= rest;
    row->broken_lines &= rest;
    /* a book that goes on serves the row even where L1 has yet to come; L1 alone does not */
    if (row->book == NULL ? row->top_lines : row->book_lines)
        return ARB_LINE_SPARE;
    return row->broken_lines ? ARB_LINE_BROKEN : ARB_LINE_LAST;
}

#endif
