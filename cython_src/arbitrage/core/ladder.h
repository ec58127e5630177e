/* Ladder: the best levels of one row's book, published by its feed thread, read by everybody.
 *
 *   [ version | seq | exch_wall_ns | recv_mono_ns | counts | bids, best first | asks, best first ]
 *
 * A book is the feed thread's own; what others may see of it is this copy, a seqlock of
 * ARB_LADDER_LEVELS levels a side, one block for each row. It is stated anew with every update of
 * the book, before the tick of that update leaves, and emptied before a row's loss is told: no
 * reader ever walks levels of a book that is no more.
 *
 * Threads: one writer, the row's feed thread; readers in any thread or process, their tries
 * bounded. Memory: zeroed memory is a ladder without levels.
 */
#ifndef ARB_LADDER_H
#define ARB_LADDER_H

#include "book.h"
#include "seqlock.h"

enum {
    ARB_LADDER_LEVELS = 10,   /* of a side */
    ARB_LADDER_TRIES_MAX = 16 /* looks at a ladder being written, then it counts as empty */
};

/* What a reader gets: plain memory of its own. */
typedef struct arb_ladder_view {
    int64_t seq;          /* of the book's state, as in the store's column */
    int64_t exch_wall_ns; /* venue time of that state */
    int64_t recv_mono_ns; /* when its frame arrived; 0: there was none yet */
    uint32_t count[ARB_DEPTH_SIDES];
    arb_level_t levels[ARB_DEPTH_SIDES][ARB_LADDER_LEVELS];
} arb_ladder_view_t;

typedef struct arb_ladder {
    uint64_t version; /* seqlock; even: whole */
    uint64_t words[sizeof(arb_ladder_view_t) / 8]; /* an arb_ladder_view_t, as relaxed words */
} ARB_SEPARATED arb_ladder_t;

_Static_assert(sizeof(arb_ladder_view_t) % 8 == 0, "a view is whole words");
_Static_assert(sizeof(arb_ladder_t) == 3 * ARB_SEPARATION_BYTES, "a ladder is three blocks");

/* State the ladder anew. Its feed thread only. */
static inline void arb_ladder_write(arb_ladder_t *ladder, const arb_ladder_view_t *view)
{
    arb_seqlock_write_begin(&ladder->version);
    arb_copy_words_in(ladder->words, view, sizeof *view);
    arb_seqlock_write_end(&ladder->version);
}

/* Publish the best levels of a book. Its feed thread only. */
static inline void arb_ladder_publish(arb_ladder_t *ladder, const arb_book_t *book,
                                      int64_t recv_mono_ns)
{
    arb_ladder_view_t view;
    view.seq = book->seq;
    view.exch_wall_ns = book->exch_wall_ns;
    view.recv_mono_ns = recv_mono_ns;
    for (uint32_t side = 0; side < ARB_DEPTH_SIDES; side++) {
        const arb_level_t *levels =
            arb_book_top(book, side, ARB_LADDER_LEVELS, &view.count[side]);
        memcpy(view.levels[side], levels, view.count[side] * sizeof *levels);
        memset(view.levels[side] + view.count[side], 0,
               (ARB_LADDER_LEVELS - view.count[side]) * sizeof *levels);
    }
    arb_ladder_write(ladder, &view);
}

/* Empty the ladder, when its book is lost; one that never held levels stays untouched. */
static inline void arb_ladder_clear(arb_ladder_t *ladder, int64_t now_mono_ns)
{
    /* relaxed: our own word, no other thread writes it */
    if (arb_load_relaxed(&ladder->version) == 0)
        return;
    arb_ladder_view_t view;
    memset(&view, 0, sizeof view);
    view.seq = -1;
    view.recv_mono_ns = now_mono_ns;
    arb_ladder_write(ladder, &view);
}

/* Was the ladder never written? Then its row has no depth, which is all there is to know. */
static inline bool arb_ladder_is_blank(const arb_ladder_t *ladder)
{
    /* relaxed: nothing else is read; pairs with arb_ladder_write */
    return arb_load_relaxed(&ladder->version) == 0;
}

/* Copy a ladder whole and say which version it was: 0 never written, odd its writer kept writing.
 * false, and no levels: it has none, or its writer kept writing. */
static inline bool arb_ladder_read_version(const arb_ladder_t *ladder, arb_ladder_view_t *view,
                                           uint64_t *version)
{
    for (uint32_t tries = 0; tries < ARB_LADDER_TRIES_MAX; tries++) {
        uint64_t begun = arb_seqlock_read_begin(&ladder->version);
        *version = begun;
        if (begun == 0)
            break; /* never written: this row has no depth */
        arb_copy_words_out(view, ladder->words, sizeof *view);
        if (ARB_LIKELY(arb_seqlock_read_valid(&ladder->version, begun)))
            return view->count[ARB_DEPTH_BID] != 0 || view->count[ARB_DEPTH_ASK] != 0;
        *version = begun | 1;
        arb_cpu_relax();
    }
    memset(view, 0, sizeof *view);
    view->seq = -1;
    return false;
}

/* Copy a ladder whole. false, and no levels: it has none, or its writer kept writing. */
static inline bool arb_ladder_read(const arb_ladder_t *ladder, arb_ladder_view_t *view)
{
    uint64_t version;
    return arb_ladder_read_version(ladder, view, &version);
}

#endif
