/* Broadcast ring: one writer, any number of readers in any process, 120-byte records.
 *
 *   line 0-1   capacity, mask, first position       read-only after init
 *   line 2-3   producer's claim                     cold
 *   line 4-5   published                            written by the writer alone
 *   line 6..   slots: [ sequence 8 | payload 120 ]  two adjacent lines a slot
 *
 * Every reader has its own cursor in its own memory and sees every record; readers write nothing
 * here, so they work on a read-only mapping and can never slow the writer. A slot is a seqlock of
 * its own (after H.-J. Boehm, MSPC 2012); for the record at position p its sequence is
 *
 *   2p + 1   being written        2p + 2   whole
 *
 * A reader that the writer has lapped continues with the newest three quarters of the ring and has
 * counted exactly how many records it never saw.
 * Limits: capacity 1 .. 2^24, a power of two; records are always 120 bytes; one writer.
 */
#ifndef ARB_BROADCAST_RING_H
#define ARB_BROADCAST_RING_H

#include "claim.h"
#include "ring_slot.h"

enum { ARB_BROADCAST_PAYLOAD_BYTES = 120, ARB_BROADCAST_TRIES_MAX = 64 };

typedef struct arb_broadcast_slot {
    uint64_t sequence;
    uint64_t payload[ARB_BROADCAST_PAYLOAD_BYTES / 8]; /* moved as relaxed words */
} ARB_SEPARATED arb_broadcast_slot_t;

typedef struct arb_broadcast_ring {
    uint32_t capacity;       /* power of two */
    uint32_t mask;           /* capacity - 1 */
    uint64_t first_position; /* where positions began: 0 but in tests of the wrap */
    ARB_SEPARATED arb_claim_t producer_claim;
    ARB_SEPARATED uint64_t published; /* writer's position: records published so far */
} ARB_SEPARATED arb_broadcast_ring_t;

/* A reader's own state, in the reader's own memory. */
typedef struct arb_broadcast_reader {
    uint64_t cursor; /* position of the next record to read */
    uint64_t lost;   /* records that were overwritten before they were read */
} arb_broadcast_reader_t;

_Static_assert(sizeof(arb_broadcast_slot_t) == 2 * ARB_CACHE_LINE_BYTES, "a slot is two lines");
_Static_assert(sizeof(arb_broadcast_ring_t) == 3 * ARB_SEPARATION_BYTES,
               "slots start on their own lines");

/* Bytes of a ring of the rounded-up capacity; 0 when the capacity is refused. */
static inline uint64_t arb_broadcast_ring_bytes(uint32_t capacity)
{
    uint64_t slots = arb_ring_capacity(capacity);
    return slots == 0 ? 0 : sizeof(arb_broadcast_ring_t) + slots * sizeof(arb_broadcast_slot_t);
}

static inline arb_broadcast_slot_t *arb_broadcast_slot(const arb_broadcast_ring_t *ring,
                                                       uint64_t position)
{
    arb_broadcast_slot_t *slots =
        (arb_broadcast_slot_t *)((char *)ring + sizeof(arb_broadcast_ring_t));
    return slots + (position & ring->mask);
}

/* Lay out an empty ring whose positions begin at `first`, in zeroed, 128-byte aligned memory.
 * Before the threads, so plain stores do; the capacity has been accepted by
 * arb_broadcast_ring_bytes. */
static inline void arb_broadcast_ring_init_at(arb_broadcast_ring_t *ring, uint32_t capacity,
                                              uint64_t first)
{
    ring->capacity = arb_ring_capacity(capacity);
    ring->mask = ring->capacity - 1;
    ring->first_position = first;
    ring->producer_claim.holder = 0;
    ring->published = first;
    for (uint64_t position = first; position != first + ring->capacity; position++)
        arb_broadcast_slot(ring, position)->sequence = 2 * position; /* before "being written" */
}

static inline void arb_broadcast_ring_init(arb_broadcast_ring_t *ring, uint32_t capacity)
{
    arb_broadcast_ring_init_at(ring, capacity, 0);
}

/* ---- writer --------------------------------------------------------------------------------- */

/* A record will be published soon: fetch both lines of its slot, which readers hold copies of,
 * while there is time. */
static inline void arb_broadcast_expect(const arb_broadcast_ring_t *ring)
{
    /* relaxed: our own position, no other thread writes it */
    const arb_broadcast_slot_t *slot =
        arb_broadcast_slot(ring, arb_load_relaxed(&ring->published));
    arb_prefetch_to_write(slot);
    arb_prefetch_to_write((const char *)slot + ARB_CACHE_LINE_BYTES);
}

/* Publish one record; wait-free, never refused. Returns its position. */
static inline uint64_t arb_broadcast_publish(arb_broadcast_ring_t *ring, const void *payload120)
{
    /* relaxed: our own position, no other thread writes it */
    uint64_t position = arb_load_relaxed(&ring->published);
    arb_broadcast_slot_t *slot = arb_broadcast_slot(ring, position);
    /* relaxed: ordered before the payload by the fence; pairs with
     * broadcast_ring.h:arb_broadcast_copy */
    arb_store_relaxed(&slot->sequence, 2 * position + 1);
    /* release fence: no new payload word is visible before "being written";
     * pairs with the acquire fence in broadcast_ring.h:arb_broadcast_copy */
    arb_fence_release();
    arb_copy_words_in(slot->payload, payload120, ARB_BROADCAST_PAYLOAD_BYTES);
    /* release: the whole payload is visible before "whole"; pairs with
     * broadcast_ring.h:arb_broadcast_copy */
    arb_store_release(&slot->sequence, 2 * position + 2);
    /* relaxed: a hint where the newest record is; pairs with
     * broadcast_ring.h:arb_broadcast_forward */
    arb_store_relaxed(&ring->published, position + 1);
    return position;
}

/* After taking over a killed writer's claim: step past what it made whole but did not yet count. */
static inline void arb_broadcast_producer_recover(arb_broadcast_ring_t *ring)
{
    /* relaxed: the claim's exchange made the dead holder's position visible */
    uint64_t position = arb_load_relaxed(&ring->published);
    /* relaxed: as above; a slot found "being written" is written again from its beginning */
    if (arb_load_relaxed(&arb_broadcast_slot(ring, position)->sequence) == 2 * position + 2) {
        /* relaxed: as in arb_broadcast_publish; pairs with arb_broadcast_forward */
        arb_store_relaxed(&ring->published, position + 1);
    }
}

/* ---- readers: any thread or process, read-only memory will do ----------------------------- */

/* Start a reader at the oldest record still held, or behind the newest one. */
static inline void arb_broadcast_reader_init(const arb_broadcast_ring_t *ring,
                                             arb_broadcast_reader_t *reader, bool from_oldest)
{
    /* relaxed: only a place to start, each slot proves itself; pairs with arb_broadcast_publish */
    uint64_t published = arb_load_relaxed(&ring->published);
    uint64_t held = published - ring->first_position;
    if (held > ring->capacity)
        held = ring->capacity;
    reader->cursor = from_oldest ? published - held : published;
    reader->lost = 0;
}

/* How far the slot of `cursor` is past "whole": 0 and the record is in payload120, which else holds
 * nothing of use; below 0 it is not yet published; above 0 it is gone, overwritten by the record
 * this/2 (rounded up) positions later. */
static inline int64_t arb_broadcast_copy(const arb_broadcast_ring_t *ring, uint64_t cursor,
                                         void *payload120)
{
    const arb_broadcast_slot_t *slot = arb_broadcast_slot(ring, cursor);
    /* acquire: the payload words are at least as new; pairs with
     * broadcast_ring.h:arb_broadcast_publish */
    int64_t past = arb_slot_past(arb_load_acquire(&slot->sequence), 2 * cursor + 2);
    if (past != 0)
        return past;
    arb_copy_words_out(payload120, slot->payload, ARB_BROADCAST_PAYLOAD_BYTES);
    /* acquire fence: the payload loads stay before the second look at the sequence;
     * pairs with the release fence in broadcast_ring.h:arb_broadcast_publish */
    arb_fence_acquire();
    /* relaxed: ordered by the fence; pairs with broadcast_ring.h:arb_broadcast_publish */
    return arb_slot_past(arb_load_relaxed(&slot->sequence), 2 * cursor + 2);
}

/* Is there a record that the reader has not read? */
static inline bool arb_broadcast_has_next(const arb_broadcast_ring_t *ring,
                                          const arb_broadcast_reader_t *reader)
{
    /* relaxed: a look, the read proves itself; pairs with broadcast_ring.h:arb_broadcast_publish */
    uint64_t sequence = arb_load_relaxed(&arb_broadcast_slot(ring, reader->cursor)->sequence);
    return arb_slot_past(sequence, 2 * reader->cursor + 2) >= 0;
}

/* Move a lapped reader to the newest three quarters of the ring and count what it never saw. */
static inline void arb_broadcast_forward(const arb_broadcast_ring_t *ring,
                                         arb_broadcast_reader_t *reader, int64_t past)
{
    /* what overwrote the slot says how far the writer is at least */
    uint64_t newest = reader->cursor + (uint64_t)(past + 1) / 2;
    /* relaxed: a hint, may be behind; pairs with broadcast_ring.h:arb_broadcast_publish */
    uint64_t published = arb_load_relaxed(&ring->published);
    if ((int64_t)(published - newest) > 0)
        newest = published;
    uint64_t next = newest - (ring->capacity - ring->capacity / 4);
    if ((int64_t)(next - reader->cursor) <= 0)
        next = reader->cursor + 1; /* this one is gone for certain */
    reader->lost += next - reader->cursor;
    reader->cursor = next;
}

/* Read the next record. false: there is none yet (or the writer laps us faster than we look, then
 * reader->lost has grown); payload120 then holds nothing of use. */
static inline bool arb_broadcast_try_read(const arb_broadcast_ring_t *ring,
                                          arb_broadcast_reader_t *reader, void *payload120)
{
    for (uint32_t tries = 0; tries < ARB_BROADCAST_TRIES_MAX; tries++) {
        int64_t past = arb_broadcast_copy(ring, reader->cursor, payload120);
        if (ARB_LIKELY(past == 0)) {
            reader->cursor++;
            return true;
        }
        if (past < 0)
            return false;
        arb_broadcast_forward(ring, reader, past);
    }
    return false;
}

/* Whether a record waits for this reader; one that was published just now may not be seen yet. */
static inline bool arb_broadcast_is_behind(const arb_broadcast_ring_t *ring,
                                           const arb_broadcast_reader_t *reader)
{
    /* relaxed: a hint, the slot proves itself; pairs with arb_broadcast_publish */
    return (int64_t)(arb_load_relaxed(&ring->published) - reader->cursor) > 0;
}

/* Records that wait for this reader (more than the capacity: some are lost already). */
static inline uint64_t arb_broadcast_depth(const arb_broadcast_ring_t *ring,
                                           const arb_broadcast_reader_t *reader)
{
    /* relaxed: a meter; pairs with broadcast_ring.h:arb_broadcast_publish */
    int64_t depth = (int64_t)(arb_load_relaxed(&ring->published) - reader->cursor);
    return depth < 0 ? 0 : (uint64_t)depth;
}

#endif
