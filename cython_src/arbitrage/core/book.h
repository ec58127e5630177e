/* Order book of one (venue, symbol): price levels in two flat arrays, best first.
 *
 * A side is a window [first, first + count) in an array of three times the capacity. Inserting or
 * removing a level moves the shorter part of the window, towards the free room at that end, so
 * work near the best price costs the same whatever the depth. A window that reached an end is
 * centred again after the update. Places are found by a binary search without branches.
 *
 * An update's changes come sorted, best first, each price once (depth_update.h sees to that), are
 * all checked before the first is applied, and never move a level off the array: an update holds
 * at most 2 * capacity of them a side. Levels beyond the capacity are dropped after the update, so
 * the capacity must be the stream's own depth: a level dropped is not seen again.
 *
 * What an update is worth is the venue's to say: bybit_depth.h, okx_depth.h.
 *
 * Position-independent: offsets, no pointers; it may lie in a segment. Threads: one owner; others
 * must be given copies. Limits: capacity 1 to ARB_BOOK_CAPACITY_MAX; no allocation, no I/O.
 */
#ifndef ARB_BOOK_H
#define ARB_BOOK_H

#include <stdbool.h>
#include <string.h>

#include "depth_update.h"

enum {
    ARB_BOOK_CAPACITY_MAX = ARB_DEPTH_LEVELS_MAX / 2,
    ARB_BOOK_BYBIT_50 = 50,   /* what orderbook.50 holds */
    ARB_BOOK_OKX_400 = 400,   /* what books holds */
    ARB_BOOK_OKX_5 = 5,       /* what books5 holds */
    ARB_BOOK_LINKS = 32,      /* updates that a late copy is recognised among */
    ARB_BOOK_ROOM_FACTOR = 3, /* a full side and all that one update may insert */
};

/* What became of a frame. From ARB_FRAME_MALFORMED up it is the parser's reason. */
typedef enum arb_book_result {
    ARB_BOOK_APPLIED = 0,      /* an update that continues what we hold */
    ARB_BOOK_SNAPSHOT = 1,     /* the whole book, stated anew */
    ARB_BOOK_KEEPALIVE = 2,    /* nothing changed: the book is proven fresh */
    ARB_BOOK_OLDER = 3,        /* a copy of what was passed already: ignored */
    ARB_BOOK_GAP = 4,          /* something was lost: the book is empty now, subscribe again */
    ARB_BOOK_WAITING = 5,      /* an update without a book to apply it to: ignored */
    ARB_BOOK_CONTROL = 6,      /* acknowledgement, pong, event: not for a book */
    ARB_BOOK_OTHER_TOPIC = 7,  /* another stream's data */
    ARB_BOOK_OTHER_SYMBOL = 8, /* another symbol's book */
    ARB_BOOK_REFUSED = ARB_FRAME_MALFORMED
} arb_book_result_t;

/* From one state of the book to the next, as the venue numbers them. */
typedef struct arb_book_link {
    int64_t update_id;
    int64_t prev_update_id;
} arb_book_link_t;

typedef struct arb_book {
    int64_t exch_wall_ns; /* venue time of the state */
    int64_t seq;          /* cross sequence (Bybit seq, OKX seqId); -1: none */
    int64_t update_id;    /* Bybit u, OKX seqId; -1: none */
    uint32_t capacity;    /* levels a side */
    uint32_t room;        /* of each side's array */
    uint32_t first[ARB_DEPTH_SIDES]; /* where the best level lies */
    uint32_t count[ARB_DEPTH_SIDES];
    uint32_t held;       /* 1: continuous since a snapshot; 0: nothing is known, both sides empty */
    uint32_t link_count; /* links noted since the snapshot, the newest ARB_BOOK_LINKS are kept */
    arb_book_link_t links[ARB_BOOK_LINKS];
    uint64_t unused[9]; /* to whole cache lines */
} arb_book_t;           /* followed by the levels: all bids, then all asks */

_Static_assert(sizeof(arb_book_t) % ARB_CACHE_LINE_BYTES == 0, "levels begin on a cache line");

/* Bytes of a book; 0: such a capacity is not possible. */
static inline uint64_t arb_book_bytes(uint32_t capacity)
{
    if (capacity == 0 || capacity > ARB_BOOK_CAPACITY_MAX)
        return 0;
    uint64_t levels = (uint64_t)ARB_DEPTH_SIDES * ARB_BOOK_ROOM_FACTOR * capacity;
    return arb_round_up(sizeof(arb_book_t) + levels * sizeof(arb_level_t), ARB_SEPARATION_BYTES);
}

/* Forget everything: on a gap, on a disconnect, before subscribing again. */
static inline void arb_book_clear(arb_book_t *book)
{
    book->exch_wall_ns = 0;
    book->seq = book->update_id = -1;
    book->held = book->link_count = 0;
    for (uint32_t side = 0; side < ARB_DEPTH_SIDES; side++) {
        book->first[side] = book->capacity;
        book->count[side] = 0;
    }
}

/* Make an empty book of arb_book_bytes(capacity) at mem, which is aligned to a cache line. */
static inline void arb_book_init(arb_book_t *book, uint32_t capacity)
{
    memset(book, 0, arb_book_bytes(capacity));
    book->capacity = capacity;
    book->room = ARB_BOOK_ROOM_FACTOR * capacity;
    arb_book_clear(book);
}

static inline arb_level_t *arb_book_array(arb_book_t *book, uint32_t side)
{
    return (arb_level_t *)(void *)(book + 1) + (size_t)side * book->room;
}

/* The best `wanted` levels of a side, best first, in place; *found says how many there are. Valid
 * until the next update. */
static inline const arb_level_t *arb_book_top(const arb_book_t *book, uint32_t side,
                                              uint32_t wanted, uint32_t *found)
{
    const arb_level_t *array = (const arb_level_t *)(const void *)(book + 1);
    *found = wanted < book->count[side] ? wanted : book->count[side];
    return array + (size_t)side * book->room + book->first[side];
}

/* The best level of a side; NaN, NaN: there is none. */
static inline arb_level_t arb_book_best(const arb_book_t *book, uint32_t side)
{
    uint32_t found;
    const arb_level_t *level = arb_book_top(book, side, 1, &found);
    return found ? *level : (arb_level_t){NAN, NAN};
}

/* Is the best bid above or at the best ask, as in an auction? Then nothing may be traded on it. */
static inline bool arb_book_crossed(const arb_book_t *book)
{
    return arb_book_best(book, ARB_DEPTH_BID).px >= arb_book_best(book, ARB_DEPTH_ASK).px;
}

/* Index, from `from` on, of the first level that is not better than px; count when all are. */
static inline uint32_t arb_levels_find(const arb_level_t *levels, uint32_t from, uint32_t count,
                                       bool is_bid, double px)
{
    const arb_level_t *base = levels + from;
    uint32_t left = count - from;
    while (left > 0) { /* the compiler makes a conditional move of the choice */
        uint32_t half = left / 2;
        double middle = base[half].px;
        bool better = is_bid ? middle > px : middle < px;
        base = better ? base + half + 1 : base;
        left = better ? left - half - 1 : half;
    }
    return (uint32_t)(base - levels);
}

/* Make a hole at index. The array has room for one more. */
static inline void arb_book_open(arb_level_t *array, uint32_t room, uint32_t *first,
                                 uint32_t *count, uint32_t index)
{
    arb_level_t *levels = array + *first;
    uint32_t behind = *count - index;
    bool forward = *first > 0 && (index < behind || *first + *count == room);
    if (forward) {
        memmove(levels - 1, levels, index * sizeof *levels);
        --*first;
    } else {
        memmove(levels + index + 1, levels + index, behind * sizeof *levels);
    }
    ++*count;
}

/* Close the place at index. */
static inline void arb_book_close(arb_level_t *array, uint32_t *first, uint32_t *count,
                                  uint32_t index)
{
    arb_level_t *levels = array + *first;
    uint32_t behind = *count - index - 1;
    if (index < behind) {
        memmove(levels + 1, levels, index * sizeof *levels);
        ++*first;
    } else {
        memmove(levels + index, levels + index + 1, behind * sizeof *levels);
    }
    --*count;
}

/* Drop what is beyond the capacity; centre the window when it touches an end. */
static inline void arb_book_settle(arb_book_t *book, uint32_t side)
{
    uint32_t count = book->count[side], first = book->first[side];
    if (count > book->capacity)
        book->count[side] = count = book->capacity;
    if (ARB_LIKELY(first > 0 && first + count < book->room))
        return;
    arb_level_t *array = arb_book_array(book, side);
    uint32_t centred = (book->room - count) / 2;
    memmove(array + centred, array + first, count * sizeof *array);
    book->first[side] = centred;
}

/* Apply sorted changes to a side: a quantity of zero removes its price, if there is one. */
static inline void arb_book_change(arb_book_t *book, uint32_t side, const arb_level_t *changes,
                                   uint32_t change_count)
{
    arb_level_t *array = arb_book_array(book, side);
    uint32_t first = book->first[side], count = book->count[side], at = 0;
    bool is_bid = side == ARB_DEPTH_BID;
    for (uint32_t change_index = 0; change_index < change_count; change_index++) {
        arb_level_t change = changes[change_index];
        at = arb_levels_find(array + first, at, count, is_bid, change.px);
        bool known = at < count && array[first + at].px == change.px;
        if (change.qty == 0) {
            if (known)
                arb_book_close(array, &first, &count, at);
            continue;
        }
        if (!known)
            arb_book_open(array, book->room, &first, &count, at);
        array[first + at] = change;
        at++;
    }
    book->first[side] = first;
    book->count[side] = count;
    arb_book_settle(book, side);
}

/* State a side anew from sorted levels, of which those without a quantity say nothing. */
static inline void arb_book_replace(arb_book_t *book, uint32_t side, const arb_level_t *levels,
                                    uint32_t level_count)
{
    arb_level_t *array = arb_book_array(book, side) + book->capacity;
    uint32_t count = 0;
    for (uint32_t index = 0; index < level_count && count < book->capacity; index++)
        if (levels[index].qty > 0)
            array[count++] = levels[index];
    book->first[side] = book->capacity;
    book->count[side] = count;
}

/* Insert, overwrite or, with a quantity of zero, remove one price. */
static inline void arb_book_set(arb_book_t *book, uint32_t side, double px, double qty)
{
    arb_level_t change = {px, qty};
    arb_book_change(book, side, &change, 1);
}

/* Note the state that the update leads to. */
static inline void arb_book_advance(arb_book_t *book, const arb_depth_t *depth)
{
    book->exch_wall_ns = depth->exch_wall_ns;
    book->seq = depth->seq;
    book->update_id = depth->update_id;
    book->links[book->link_count++ % ARB_BOOK_LINKS] =
        (arb_book_link_t){depth->update_id, depth->prev_update_id};
}

/* Take a snapshot in, whatever was there. */
static inline arb_book_result_t arb_book_take_snapshot(arb_book_t *book, const arb_depth_t *depth)
{
    for (uint32_t side = 0; side < ARB_DEPTH_SIDES; side++)
        arb_book_replace(book, side, depth->levels[side], depth->count[side]);
    book->link_count = 0;
    book->held = 1;
    arb_book_advance(book, depth);
    return ARB_BOOK_SNAPSHOT;
}

/* Can the update be applied? No side of an honest one removes and inserts more than a book. */
static inline bool arb_book_fits(const arb_book_t *book, const arb_depth_t *depth)
{
    return depth->count[ARB_DEPTH_BID] <= 2 * book->capacity &&
           depth->count[ARB_DEPTH_ASK] <= 2 * book->capacity;
}

/* Take in an update that continues what we hold. */
static inline arb_book_result_t arb_book_take_update(arb_book_t *book, const arb_depth_t *depth)
{
    for (uint32_t side = 0; side < ARB_DEPTH_SIDES; side++)
        arb_book_change(book, side, depth->levels[side], depth->count[side]);
    arb_book_advance(book, depth);
    return ARB_BOOK_APPLIED;
}

/* What we hold is not what the venue holds: empty at once. */
static inline arb_book_result_t arb_book_lose(arb_book_t *book)
{
    arb_book_clear(book);
    return ARB_BOOK_GAP;
}

#endif
