/* What the SPSC and the MPSC ring share: the capacity rule and the 64-byte slot.
 *
 * A slot's sequence says whose turn it is. For the record at position p of a ring of n slots:
 *
 *   2p       free, the producer of position p may write
 *   2p + 1   full, the consumer may read record p
 *   2(p+n)   free again, for the record that comes n positions later
 *
 * After D. Vyukov's bounded queue (1024cores.net); doubled so that a ring of one slot can tell
 * "full" from "free for the next". Positions are 64-bit and may wrap: only differences are
 * compared.
 */
#ifndef ARB_RING_SLOT_H
#define ARB_RING_SLOT_H

#include <stdbool.h>

#include "atomics.h"
#include "cacheline.h"

enum {
    ARB_RING_PAYLOAD_BYTES = 56, /* with the sequence one cache line: one line travels a record */
    ARB_RING_CAPACITY_MAX = 1 << 24, /* 1 GiB of slots */
};

typedef struct arb_ring_slot {
    uint64_t sequence; /* 0 whose turn it is, see above */
    unsigned char payload[ARB_RING_PAYLOAD_BYTES]; /* 8 plain bytes: owned by whose turn it is */
} ARB_LINE_ALIGNED arb_ring_slot_t;

_Static_assert(sizeof(arb_ring_slot_t) == ARB_CACHE_LINE_BYTES, "a slot is one line");
_Static_assert(offsetof(arb_ring_slot_t, payload) == 8, "sequence first");

/* The real capacity for an asked-for one: the next power of two; 0 when it is 0 or above the
 * maximum. */
static inline uint32_t arb_ring_capacity(uint64_t asked)
{
    return asked == 0 || asked > ARB_RING_CAPACITY_MAX ? 0 : arb_round_up_pow2(asked);
}

static inline uint64_t arb_slot_free(uint64_t position) { return 2 * position; }
static inline uint64_t arb_slot_full(uint64_t position) { return 2 * position + 1; }

/* How far the slot's sequence is past `expected`: 0 it is our turn, below 0 not yet, above 0 long
 * over. */
static inline int64_t arb_slot_past(uint64_t sequence, uint64_t expected)
{
    return (int64_t)(sequence - expected);
}

/* Records between two positions, for meters: both words move while we read, so keep it in range. */
static inline uint32_t arb_ring_depth(uint64_t pushed, uint64_t popped, uint32_t capacity)
{
    int64_t depth = (int64_t)(pushed - popped);
    return depth<0 ? 0 : depth>(int64_t) capacity ? capacity : (uint32_t)depth;
}

#endif
