/* Market pipeline: one lane a feed thread, from its parser to the detector. Keeps the newest.
 *
 *   [ lane header ][ SPSC tick ring ][ dirty bitmap ][ taken column ][ overflow cells ]
 *
 * A tick goes into the lane's ring. While the ring is full it goes into the overflow cell of its
 * (row, kind) instead, overwriting what lies there: a slow detector finds the newest quote of every
 * row, never a queue of old ones, and the feed thread never waits. A cell is one cache line,
 *
 *   [ version 8 | tick 56 ]    a seqlock; version / 2 counts the ticks ever written here
 *
 * so the detector, which remembers the count it took last, knows exactly how many ticks were
 * overwritten unread. Cells of one row lie together, one for each tick kind, because a funding tick
 * must not erase a quote. Bit row * 4 + kind of the bitmap is set after the cell is written and
 * before `overflowed` moves.
 *
 * Threads: arb_lane_push the feed thread; peek, advance, take_overflow the detector; no futex, no
 * waiting.
 * Order: an overflow tick may reach the detector after a newer tick of the same row that found room
 * in the ring, or before older ones that still lie in it. The detector compares recv_mono_ns with
 * the last it applied to the row and counts the older tick as dropped.
 */
#ifndef ARB_MARKET_PIPELINE_H
#define ARB_MARKET_PIPELINE_H

#include "records.h"
#include "seqlock.h"
#include "spsc_ring.h"

enum {
    ARB_LANE_KINDS = 4,          /* overflow cells a row: one for each arb_tick_kind_t, one spare */
    ARB_LANE_ROWS_MAX = 8192,    /* rows a tick can name */
    ARB_LANE_READ_TRIES_MAX = 16 /* looks at a cell being written, then left for later */
};

typedef struct arb_overflow_cell {
    uint64_t version; /* seqlock; version / 2 = ticks ever written here */
    uint64_t tick[7]; /* an arb_tick_t, moved as relaxed words */
} ARB_LINE_ALIGNED arb_overflow_cell_t;

typedef struct arb_lane {
    uint32_t row_count; /* rows that have overflow cells */
    uint32_t word_count; /* 64-bit words of the dirty bitmap */
    uint64_t bitmap_offset; /* bytes from the lane */
    uint64_t taken_offset;
    uint64_t cells_offset;
    ARB_SEPARATED uint64_t overflowed; /* feed thread: ticks written to overflow cells */
    uint64_t refused; /* feed thread: ticks of a row or kind without a cell, gone */
    ARB_SEPARATED uint64_t
        overflow_seen; /* detector: `overflowed` when the bitmap was last swept clean */
    uint64_t overflow_taken; /* detector: ticks taken from cells */
    uint64_t overwritten; /* detector: ticks overwritten in a cell before it was taken */
} ARB_SEPARATED arb_lane_t;

_Static_assert(sizeof(arb_overflow_cell_t) == ARB_CACHE_LINE_BYTES, "a cell is one line");
_Static_assert(sizeof(arb_tick_t) == ARB_RING_PAYLOAD_BYTES, "a tick fills a slot");
_Static_assert(sizeof(arb_lane_t) == 3 * ARB_SEPARATION_BYTES, "the ring starts on its own line");

static inline uint64_t arb_lane_bitmap_bytes(uint32_t row_count)
{
    return arb_round_up(((uint64_t)row_count * ARB_LANE_KINDS + 63) / 64 * 8, ARB_SEPARATION_BYTES);
}

static inline uint64_t arb_lane_taken_bytes(uint32_t row_count)
{
    return arb_round_up((uint64_t)row_count * ARB_LANE_KINDS * 8, ARB_SEPARATION_BYTES);
}

/* Bytes of a lane; 0 when the capacity is refused or row_count is above ARB_LANE_ROWS_MAX. */
static inline uint64_t arb_lane_bytes(uint32_t capacity, uint32_t row_count)
{
    uint64_t ring_bytes = arb_round_up(arb_spsc_ring_bytes(capacity), ARB_SEPARATION_BYTES);
    if (ring_bytes == 0 || row_count > ARB_LANE_ROWS_MAX)
        return 0;
    return sizeof(arb_lane_t) + ring_bytes + arb_lane_bitmap_bytes(row_count) +
           arb_lane_taken_bytes(row_count) +
           arb_round_up((uint64_t)row_count * ARB_LANE_KINDS * sizeof(arb_overflow_cell_t),
                        ARB_SEPARATION_BYTES);
}

static inline arb_spsc_ring_t *arb_lane_ring(const arb_lane_t *lane)
{
    return (arb_spsc_ring_t *)((char *)lane + sizeof(arb_lane_t));
}
static inline uint64_t *arb_lane_bitmap(const arb_lane_t *lane)
{
    return (uint64_t *)((char *)lane + lane->bitmap_offset);
}
/* for each cell the count of ticks written there when it was last taken; the detector's alone */
static inline uint64_t *arb_lane_taken(const arb_lane_t *lane)
{
    return (uint64_t *)((char *)lane + lane->taken_offset);
}
static inline arb_overflow_cell_t *arb_lane_cell(const arb_lane_t *lane, uint32_t cell_index)
{
    return (arb_overflow_cell_t *)((char *)lane + lane->cells_offset) + cell_index;
}

/* Lay out an empty lane in zeroed, 128-byte aligned memory of arb_lane_bytes. Before the
 * threads. */
static inline void arb_lane_init(arb_lane_t *lane, uint32_t capacity, uint32_t row_count)
{
    lane->row_count = row_count;
    lane->word_count = (row_count * ARB_LANE_KINDS + 63) / 64;
    lane->bitmap_offset =
        sizeof(arb_lane_t) + arb_round_up(arb_spsc_ring_bytes(capacity), ARB_SEPARATION_BYTES);
    lane->taken_offset = lane->bitmap_offset + arb_lane_bitmap_bytes(row_count);
    lane->cells_offset = lane->taken_offset + arb_lane_taken_bytes(row_count);
    arb_spsc_ring_init(arb_lane_ring(lane), capacity);
}

/* ---- feed thread ---------------------------------------------------------------------------- */

/* Write a tick into its overflow cell. false: its row or kind has none, the tick is gone and
 * counted. */
static inline bool arb_lane_overflow(arb_lane_t *lane, const arb_tick_t *tick)
{
    uint32_t cell_index = arb_tick_row(tick) * ARB_LANE_KINDS + arb_tick_kind(tick);
    if (arb_tick_row(tick) >= lane->row_count || arb_tick_kind(tick) >= ARB_LANE_KINDS) {
        arb_count(&lane->refused, 1);
        return false;
    }
    arb_overflow_cell_t *cell = arb_lane_cell(lane, cell_index);
    arb_seqlock_write_begin(&cell->version);
    arb_copy_words_in(cell->tick, tick, sizeof *tick);
    arb_seqlock_write_end(&cell->version);
    /* release: the cell is written before its bit shows; pairs with
     * market_pipeline.h:arb_lane_take_overflow */
    arb_fetch_or_release(arb_lane_bitmap(lane) + cell_index / 64, (uint64_t)1 << (cell_index % 64));
    /* relaxed: our own counter, no other thread writes it */
    uint64_t overflowed = arb_load_relaxed(&lane->overflowed);
    /* release: the bit shows before the count moves; pairs with
     * market_pipeline.h:arb_lane_overflow_pending and arb_lane_take_overflow */
    arb_store_release(&lane->overflowed, overflowed + 1);
    return true;
}

/* A tick will be pushed soon: fetch the line that it is written to. */
static inline void arb_lane_expect(const arb_lane_t *lane)
{
    arb_spsc_expect_room(arb_lane_ring(lane));
}

/* Hand a tick to the detector; never waits. true: in the ring; false: in its overflow cell. */
static inline bool arb_lane_push(arb_lane_t *lane, const arb_tick_t *tick)
{
    if (ARB_LIKELY(arb_spsc_offer(arb_lane_ring(lane), tick)))
        return true;
    arb_lane_overflow(lane, tick);
    return false;
}

/* ---- detector ------------------------------------------------------------------------------- */

/* The oldest tick of the ring, in place, valid until arb_lane_advance. NULL: the ring is empty. */
static inline const arb_tick_t *arb_lane_peek(arb_lane_t *lane)
{
    return (const arb_tick_t *)arb_spsc_peek(arb_lane_ring(lane));
}

static inline void arb_lane_advance(arb_lane_t *lane) { arb_spsc_advance(arb_lane_ring(lane)); }

/* Is there anything new in the overflow cells? One load of a line that is quiet unless there is. */
static inline bool arb_lane_overflow_pending(const arb_lane_t *lane)
{
    /* acquire: the bits set before the count moved are visible; pairs with
     * market_pipeline.h:arb_lane_overflow */
    return ARB_UNLIKELY(arb_load_acquire(&lane->overflowed) != lane->overflow_seen);
}

/* Copy one dirty cell. 1: *tick is new; 0: it was taken already; -1: the feed thread kept writing
 * it. */
static inline int arb_lane_take_cell(arb_lane_t *lane, uint32_t cell_index, arb_tick_t *tick)
{
    arb_overflow_cell_t *cell = arb_lane_cell(lane, cell_index);
    uint64_t *taken = arb_lane_taken(lane) + cell_index;
    for (uint32_t tries = 0; tries < ARB_LANE_READ_TRIES_MAX; tries++) {
        uint64_t begun = arb_seqlock_read_begin(&cell->version);
        arb_copy_words_out(tick, cell->tick, sizeof *tick);
        if (arb_seqlock_read_valid(&cell->version, begun)) {
            uint64_t written = begun / 2;
            if (written == *taken)
                return 0; /* its bit was set after we had already taken this tick */
            /* meters read these: single writer, relaxed */
            arb_count(&lane->overwritten, written - *taken - 1);
            arb_count(&lane->overflow_taken, 1);
            *taken = written;
            return 1;
        }
        arb_cpu_relax();
    }
    return -1;
}

/* Keep the ticks of one row in the order of their times: the last `count` of out, at most four. */
static inline void arb_lane_sort_row(arb_tick_t *out, uint32_t count)
{
    for (uint32_t place = 1; place < count; place++) {
        arb_tick_t tick = out[place];
        uint32_t hole = place;
        for (; hole > 0 && out[hole - 1].recv_mono_ns > tick.recv_mono_ns; hole--)
            out[hole] = out[hole - 1];
        out[hole] = tick;
    }
}

/* Take the four cells of one row whose bits are set in `dirty`; returns the bits that stay
 * dirty. */
static inline uint32_t arb_lane_take_row(arb_lane_t *lane, uint32_t row, uint32_t dirty,
                                         arb_tick_t *out, uint32_t *count)
{
    uint32_t first = *count, left = 0;
    for (uint32_t kind = 0; kind < ARB_LANE_KINDS; kind++) {
        if ((dirty >> kind & 1) == 0)
            continue;
        int taken = arb_lane_take_cell(lane, row * ARB_LANE_KINDS + kind, out + *count);
        if (taken > 0)
            (*count)++;
        else if (taken < 0)
            left |= (uint32_t)1 << kind;
    }
    arb_lane_sort_row(out + first, *count - first);
    return left;
}

/* Take the dirty overflow cells into out (ticks_max >= ARB_LANE_KINDS), rows ascending, the ticks
 * of one row by time; returns how many. What does not fit stays dirty for the next call.
 * overwritten_total, if not NULL, receives the count since the start of ticks that were overwritten
 * before they were taken. */
static inline uint32_t arb_lane_take_overflow(arb_lane_t *lane, arb_tick_t *out, uint32_t ticks_max,
                                              uint64_t *overwritten_total)
{
    uint32_t count = 0;
    /* acquire: as in arb_lane_overflow_pending; pairs with market_pipeline.h:arb_lane_overflow */
    uint64_t overflowed = arb_load_acquire(&lane->overflowed);
    bool clean = true;
    for (uint32_t word_index = 0;
         overflowed != lane->overflow_seen && word_index < lane->word_count; word_index++) {
        uint64_t *word = arb_lane_bitmap(lane) + word_index;
        /* relaxed: a clean word is skipped without a locked instruction; what was set before the
         * count we loaded is visible by its acquire; pairs with
         * market_pipeline.h:arb_lane_overflow */
        if (ARB_LIKELY(arb_load_relaxed(word) == 0))
            continue;
        /* acquire: the cells behind the bits are written; pairs with
         * market_pipeline.h:arb_lane_overflow */
        uint64_t bits = arb_exchange_acquire(word, 0), left = 0;
        while (bits != 0) {
            uint32_t shift = (uint32_t)__builtin_ctzll(bits) / ARB_LANE_KINDS * ARB_LANE_KINDS;
            uint32_t dirty = (uint32_t)(bits >> shift) & ((1u << ARB_LANE_KINDS) - 1);
            bits &= ~((uint64_t)dirty << shift);
            if (ticks_max - count >= ARB_LANE_KINDS)
                dirty = arb_lane_take_row(lane, (word_index * 64 + shift) / ARB_LANE_KINDS, dirty,
                                          out, &count);
            left |= (uint64_t)dirty << shift;
        }
        if (left != 0) {
            clean = false;
            /* release: only puts back bits we took ourselves; pairs with our own next exchange */
            arb_fetch_or_release(word, left);
        }
    }
    if (clean)
        lane->overflow_seen = overflowed;
    if (overwritten_total != NULL)
        *overwritten_total = lane->overwritten;
    return count;
}

#endif
