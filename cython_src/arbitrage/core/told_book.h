/* Told book: the whole book of a row as it stands, written aside into the lane's tap.
 *
 *   header 40 | bids, best first: px 8, qty 8 ... | asks, best first ...
 *
 * Updates alone say nothing to who has not seen the snapshot before them, and the venues send that
 * once. So a lane whose tap is on tells its books one after the other, now and then: whoever reads
 * the tap from anywhere soon knows them all, and after a gap again. It lies between the frames
 * where the book stood so: the frames of its line behind it continue it.
 *
 * Threads: the lane's feed thread, between two frames. Nothing blocks or allocates: two copies of
 * at most 13 KB.
 */
#ifndef ARB_TOLD_BOOK_H
#define ARB_TOLD_BOOK_H

#include "feed_lane.h"

typedef struct arb_told_book {
    int64_t exch_wall_ns; /* as arb_book_t */
    int64_t seq;
    int64_t update_id;
    uint32_t row;
    uint32_t count[ARB_DEPTH_SIDES];
    uint16_t channel; /* arb_depth_channel_t */
    uint16_t line;    /* the one that brought this state first */
} arb_told_book_t;

_Static_assert(sizeof(arb_told_book_t) == 40, "levels follow, each of 16 bytes");

enum {
    ARB_TOLD_BOOK_BYTES_MAX =
        sizeof(arb_told_book_t) + ARB_DEPTH_SIDES * ARB_BOOK_CAPACITY_MAX * sizeof(arb_level_t)
};

/* Tell a row's book. scratch: ARB_TOLD_BOOK_BYTES_MAX. false: none is held, its channel states it
 * with every frame, the tap is off, or it is so small that a book would be a good part of it. */
static inline bool arb_feed_tell_book(arb_feed_t *feed, uint32_t venue, uint32_t row, void *scratch,
                                      int64_t now_mono_ns)
{
    const arb_feed_row_t *held = &feed->rows[row];
    const arb_book_t *book = held->book;
    if (book == NULL || !book->held || held->channel == ARB_DEPTH_OKX_BOOKS5 ||
        !arb_tap_enabled(feed->tap))
        return false;
    arb_told_book_t told = {.exch_wall_ns = book->exch_wall_ns,
                            .seq = book->seq,
                            .update_id = book->update_id,
                            .row = row,
                            .channel = held->channel,
                            .line = held->book_first_line};
    char *at = (char *)scratch + sizeof told;
    for (uint32_t side = 0; side < ARB_DEPTH_SIDES; side++) {
        const arb_level_t *levels = arb_book_top(book, side, book->capacity, &told.count[side]);
        memcpy(at, levels, told.count[side] * sizeof *levels);
        at += told.count[side] * sizeof *levels;
    }
    memcpy(scratch, &told, sizeof told);
    uint32_t bytes = (uint32_t)(at - (char *)scratch);
    if (arb_tap_record_bytes(bytes) > feed->tap->capacity / 4)
        return false;
    return arb_tap_write(feed->tap, now_mono_ns, (uint16_t)venue, ARB_TAP_ASIDE, scratch, bytes);
}

#endif
