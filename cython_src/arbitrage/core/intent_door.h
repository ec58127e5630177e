/* Intent door: the one way in for a user's strategy, which runs in a process of its own.
 *
 *   line 0-1   magic, layout, the trader's run     read-only after init
 *   line 2-3   the strategy's claim, generation    cold
 *   line 4-5   pushed, its heartbeat and meters    written by the strategy alone
 *   line 6-7   taken                               written by the trader alone
 *   line 8..   records, 64 bytes apart             ARB_DOOR_CAPACITY of them
 *
 * A door is a small shared-memory object of its own, so that the trader's segment stays read-only
 * for the user's process. One producer process, one consumer thread. A record is whole before
 * `pushed` moves, so a producer killed at any instant leaves nothing torn: the next one goes on
 * where `pushed` stands.
 *
 * The trader believes nothing that lies here: capacity and mask are constants, its own position
 * lies in its own memory, and positions that cannot be are dropped. So a strategy that writes
 * anywhere in this memory can lose its own intents, and nothing else.
 */
#ifndef ARB_INTENT_DOOR_H
#define ARB_INTENT_DOOR_H

#include "claim.h"
#include "cacheline.h"
#include "records.h"

#define ARB_DOOR_MAGIC 0x31524F4F44425241ull /* "ARBDOOR1" */

enum { ARB_DOOR_CAPACITY = 256, ARB_DOOR_LAYOUT = 1, ARB_DOORS_MAX = 4 };

typedef struct arb_door_slot {
    uint64_t payload[ARB_CACHE_LINE_BYTES / 8]; /* moved as relaxed words */
} arb_door_slot_t;

typedef struct arb_intent_door {
    uint64_t magic;
    uint32_t layout;
    uint32_t tag;                /* of the strategy's pairs: 1 .. ARB_DOORS_MAX */
    uint64_t run;                /* the trader's */
    ARB_SEPARATED arb_claim_t producer_claim;
    uint64_t generation;         /* how often the producer's end was claimed */
    ARB_SEPARATED uint64_t pushed;
    uint64_t dropped;            /* refused because the door was full */
    int64_t heartbeat_mono_ns;   /* when the strategy last came back from the user's code */
    uint64_t state;              /* 0: starting, 1: running, 2: ended by itself */
    uint64_t events_lost;        /* opportunities that went by unseen */
    uint64_t calls;              /* of the user's code */
    uint64_t slowest_ns;         /* of them */
    ARB_SEPARATED uint64_t taken;
    ARB_SEPARATED arb_door_slot_t slots[ARB_DOOR_CAPACITY];
} ARB_SEPARATED arb_intent_door_t;

_Static_assert(sizeof(arb_intent_t) <= sizeof(arb_door_slot_t), "an intent fits a slot");
_Static_assert((ARB_DOOR_CAPACITY & (ARB_DOOR_CAPACITY - 1)) == 0, "positions are masked");

/* ---- the strategy's process ------------------------------------------------------------------ */

/* Push one intent. false: the door is full, nothing was written, `dropped` counts it. */
static inline bool arb_door_try_push(arb_intent_door_t *door, const arb_intent_t *intent)
{
    /* relaxed: our own position, no other thread writes it */
    uint64_t position = arb_load_relaxed(&door->pushed);
    /* acquire: the trader is done with the record one lap ago; pairs with
     * intent_door.h:arb_door_take */
    if (position - arb_load_acquire(&door->taken) >= ARB_DOOR_CAPACITY) {
        arb_count(&door->dropped, 1);
        return false;
    }
    arb_door_slot_t *slot = &door->slots[position & (ARB_DOOR_CAPACITY - 1)];
    arb_copy_words_in(slot->payload, intent, sizeof *intent);
    /* release: the whole record is visible before its position; pairs with
     * intent_door.h:arb_door_take */
    arb_store_release(&door->pushed, position + 1);
    return true;
}

/* ---- the trader's strategy thread ------------------------------------------------------------ */

/* Take the oldest intent; *taken is the caller's own position. false: nothing waits. One relaxed
 * load when the door is empty. */
static inline bool arb_door_take(arb_intent_door_t *door, uint64_t *taken, arb_intent_t *intent)
{
    /* relaxed: only whether there is something; what there is is read behind the acquire below */
    if (ARB_LIKELY(arb_load_relaxed(&door->pushed) == *taken))
        return false;
    /* acquire: the record is whole; pairs with intent_door.h:arb_door_try_push */
    uint64_t pushed = arb_load_acquire(&door->pushed);
    if (ARB_UNLIKELY(pushed - *taken > ARB_DOOR_CAPACITY)) {
        *taken = pushed; /* no producer of ours writes that: what lies between is not believed */
        /* release: the door is empty again; pairs with intent_door.h:arb_door_try_push */
        arb_store_release(&door->taken, pushed);
        return false;
    }
    const arb_door_slot_t *slot = &door->slots[*taken & (ARB_DOOR_CAPACITY - 1)];
    arb_copy_words_out(intent, slot->payload, sizeof *intent);
    *taken += 1;
    /* release: our reads of the record are done; pairs with intent_door.h:arb_door_try_push */
    arb_store_release(&door->taken, *taken);
    return true;
}

#endif
