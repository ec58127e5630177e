/* SPSC ring: one producer thread, one consumer thread, 56-byte records, wait-free on both sides.
 *
 *   line 0-1   capacity, mask, first position      read-only after init
 *   line 2-3   claims                              cold
 *   line 4-5   pushed, dropped                     written by the producer alone
 *   line 6-7   popped                              written by the consumer alone
 *   line 8..   slots: [ sequence 8 | payload 56 ]  one line a slot
 *
 * Vyukov-style sequence in the slot (ring_slot.h): producer and consumer never read each other's
 * position, so exactly one cache line travels for a record. No pointers: it may lie in shared
 * memory.
 * Threads: push functions one thread, peek/advance/pop/drain one thread, depth any thread or
 * process.
 * Limits: capacity 1 .. 2^24, a power of two; records are always 56 bytes.
 */
#ifndef ARB_SPSC_RING_H
#define ARB_SPSC_RING_H

#include "claim.h"
#include "ring_slot.h"

typedef struct arb_spsc_ring {
    uint32_t capacity;       /* power of two */
    uint32_t mask;           /* capacity - 1 */
    uint64_t first_position; /* where positions began: 0 but in tests of the wrap */
    ARB_SEPARATED arb_claim_t producer_claim;
    arb_claim_t consumer_claim;
    ARB_SEPARATED uint64_t pushed; /* producer's position: records pushed so far */
    uint64_t dropped;              /* producer: records refused because the ring was full */
    ARB_SEPARATED uint64_t popped; /* consumer's position: records taken so far */
} ARB_SEPARATED arb_spsc_ring_t;

_Static_assert(sizeof(arb_spsc_ring_t) == 4 * ARB_SEPARATION_BYTES,
               "slots start on their own lines");
_Static_assert(offsetof(arb_spsc_ring_t, pushed) == 2 * ARB_SEPARATION_BYTES, "producer's lines");
_Static_assert(offsetof(arb_spsc_ring_t, popped) == 3 * ARB_SEPARATION_BYTES, "consumer's lines");

/* Bytes of a ring of the rounded-up capacity; 0 when the capacity is refused. */
static inline uint64_t arb_spsc_ring_bytes(uint32_t capacity)
{
    uint64_t slots = arb_ring_capacity(capacity);
    return slots == 0 ? 0 : sizeof(arb_spsc_ring_t) + slots * sizeof(arb_ring_slot_t);
}

static inline arb_ring_slot_t *arb_spsc_slot(const arb_spsc_ring_t *ring, uint64_t position)
{
    arb_ring_slot_t *slots = (arb_ring_slot_t *)((char *)ring + sizeof(arb_spsc_ring_t));
    return slots + (position & ring->mask);
}

/* Lay out an empty ring whose positions begin at `first`, in zeroed, 128-byte aligned memory.
 * Before the threads, so plain stores do; the capacity has been accepted by arb_spsc_ring_bytes. */
static inline void arb_spsc_ring_init_at(arb_spsc_ring_t *ring, uint32_t capacity, uint64_t first)
{
    ring->capacity = arb_ring_capacity(capacity);
    ring->mask = ring->capacity - 1;
    ring->first_position = first;
    ring->producer_claim.holder = 0;
    ring->consumer_claim.holder = 0;
    ring->pushed = first;
    ring->dropped = 0;
    ring->popped = first;
    for (uint64_t position = first; position != first + ring->capacity; position++)
        arb_spsc_slot(ring, position)->sequence = arb_slot_free(position);
}

static inline void arb_spsc_ring_init(arb_spsc_ring_t *ring, uint32_t capacity)
{
    arb_spsc_ring_init_at(ring, capacity, 0);
}

/* ---- producer ------------------------------------------------------------------------------- */

/* A record will be pushed soon: fetch its slot, which the consumer wrote last, while there is
 * time. */
static inline void arb_spsc_expect_room(const arb_spsc_ring_t *ring)
{
    /* relaxed: our own position, no other thread writes it */
    arb_prefetch_to_write(arb_spsc_slot(ring, arb_load_relaxed(&ring->pushed)));
}

/* Write one record at `position` unless its slot is still full; the caller moves its position. */
static inline bool arb_spsc_fill(arb_spsc_ring_t *ring, uint64_t position, const void *payload)
{
    arb_ring_slot_t *slot = arb_spsc_slot(ring, position);
    /* acquire: the consumer is done reading the old record; pairs with
     * spsc_ring.h:arb_spsc_vacate */
    if (ARB_UNLIKELY(arb_load_acquire(&slot->sequence) != arb_slot_free(position)))
        return false;
    memcpy(slot->payload, payload, ARB_RING_PAYLOAD_BYTES);
    /* release: makes the written payload visible; pairs with spsc_ring.h:arb_spsc_peek */
    arb_store_release(&slot->sequence, arb_slot_full(position));
    return true;
}

/* Push without counting a refusal: for owners that keep the record elsewhere
 * (market_pipeline.h). */
static inline bool arb_spsc_offer(arb_spsc_ring_t *ring, const void *payload56)
{
    /* relaxed: our own position, no other thread writes it */
    uint64_t position = arb_load_relaxed(&ring->pushed);
    if (!arb_spsc_fill(ring, position, payload56))
        return false;
    /* relaxed: a meter's word, the slot's sequence orders the record; pairs with arb_spsc_depth */
    arb_store_relaxed(&ring->pushed, position + 1);
    return true;
}

/* Whether the next push finds room. Of the two words that could say so it reads the one that the
 * push needs anyway, and not the consumer's position. */
static inline bool arb_spsc_has_room(const arb_spsc_ring_t *ring)
{
    /* relaxed: our own position, no other thread writes it */
    uint64_t position = arb_load_relaxed(&ring->pushed);
    /* relaxed: only an answer, the push itself acquires; pairs with spsc_ring.h:arb_spsc_vacate */
    return arb_load_relaxed(&arb_spsc_slot(ring, position)->sequence) == arb_slot_free(position);
}

/* Push one record. false: the ring is full, nothing was written, `dropped` counts it. */
static inline bool arb_spsc_try_push(arb_spsc_ring_t *ring, const void *payload56)
{
    if (ARB_LIKELY(arb_spsc_offer(ring, payload56)))
        return true;
    arb_count(&ring->dropped, 1);
    return false;
}

/* Push up to count records that lie 56 bytes apart; returns how many fitted, the rest is
 * `dropped`. */
static inline uint32_t arb_spsc_push_batch(arb_spsc_ring_t *ring, const void *payloads,
                                           uint32_t count)
{
    /* relaxed: our own position, no other thread writes it */
    uint64_t position = arb_load_relaxed(&ring->pushed);
    uint32_t done = 0;
    while (done < count &&
           arb_spsc_fill(ring, position + done,
                         (const char *)payloads + (size_t)done * ARB_RING_PAYLOAD_BYTES))
        done++;
    /* relaxed: a meter's word, as in arb_spsc_offer; pairs with arb_spsc_depth */
    arb_store_relaxed(&ring->pushed, position + done);
    if (ARB_UNLIKELY(done < count))
        arb_count(&ring->dropped, count - done);
    return done;
}

/* After taking over a killed producer's claim: step past what it published but did not yet
 * count. */
static inline void arb_spsc_producer_recover(arb_spsc_ring_t *ring)
{
    /* relaxed: the claim's exchange made the dead holder's position visible */
    uint64_t position = arb_load_relaxed(&ring->pushed);
    /* acquire: slots the consumer gave back are really free; pairs with
     * spsc_ring.h:arb_spsc_vacate */
    while (arb_slot_past(arb_load_acquire(&arb_spsc_slot(ring, position)->sequence),
                         arb_slot_free(position)) > 0)
        position++;
    /* relaxed: as in arb_spsc_offer; pairs with arb_spsc_depth */
    arb_store_relaxed(&ring->pushed, position);
}

/* ---- consumer ------------------------------------------------------------------------------- */

/* The record at `position`, NULL while it is not published. */
static inline const void *arb_spsc_look(arb_spsc_ring_t *ring, uint64_t position)
{
    arb_ring_slot_t *slot = arb_spsc_slot(ring, position);
    /* acquire: the payload is whole; pairs with spsc_ring.h:arb_spsc_fill */
    return arb_load_acquire(&slot->sequence) == arb_slot_full(position) ? slot->payload : NULL;
}

/* Give the slot of a record that has been read back to the producer. */
static inline void arb_spsc_vacate(arb_spsc_ring_t *ring, uint64_t position)
{
    /* release: our reads of the payload are done; pairs with spsc_ring.h:arb_spsc_fill */
    arb_store_release(&arb_spsc_slot(ring, position)->sequence,
                      arb_slot_free(position + ring->capacity));
}

/* The oldest record, in place, valid until arb_spsc_advance. NULL: the ring is empty. */
static inline const void *arb_spsc_peek(arb_spsc_ring_t *ring)
{
    /* relaxed: our own position, no other thread writes it */
    return arb_spsc_look(ring, arb_load_relaxed(&ring->popped));
}

/* Ask for the line of the next record, published or not. Always inline: compilers leave out a call
 * of what only prefetches. */
static inline __attribute__((always_inline)) void arb_spsc_expect(const arb_spsc_ring_t *ring)
{
    /* relaxed: our own position, no other thread writes it */
    __builtin_prefetch(arb_spsc_slot(ring, arb_load_relaxed(&ring->popped)), 1);
}

/* Drop the record that arb_spsc_peek returned (it must have returned one). */
static inline void arb_spsc_advance(arb_spsc_ring_t *ring)
{
    /* relaxed: our own position, no other thread writes it */
    uint64_t position = arb_load_relaxed(&ring->popped);
    arb_spsc_vacate(ring, position);
    /* relaxed: a meter's word, the slot's sequence frees the slot; pairs with arb_spsc_depth */
    arb_store_relaxed(&ring->popped, position + 1);
}

/* Take the oldest record. false: the ring is empty, payload56 is untouched. */
static inline bool arb_spsc_try_pop(arb_spsc_ring_t *ring, void *payload56)
{
    const void *payload = arb_spsc_peek(ring);
    if (payload == NULL)
        return false;
    memcpy(payload56, payload, ARB_RING_PAYLOAD_BYTES);
    arb_spsc_advance(ring);
    return true;
}

/* Take up to records_max records into out, 56 bytes apart; returns how many. */
static inline uint32_t arb_spsc_drain(arb_spsc_ring_t *ring, void *out, uint32_t records_max)
{
    /* relaxed: our own position, no other thread writes it */
    uint64_t position = arb_load_relaxed(&ring->popped);
    uint32_t done = 0;
    for (const void *payload;
         done < records_max && (payload = arb_spsc_look(ring, position + done)); done++) {
        memcpy((char *)out + (size_t)done * ARB_RING_PAYLOAD_BYTES, payload,
               ARB_RING_PAYLOAD_BYTES);
        arb_spsc_vacate(ring, position + done);
    }
    /* relaxed: a meter's word, as in arb_spsc_advance; pairs with arb_spsc_depth */
    arb_store_relaxed(&ring->popped, position + done);
    return done;
}

/* After taking over a killed consumer's claim: step past what it gave back but did not yet
 * count. */
static inline void arb_spsc_consumer_recover(arb_spsc_ring_t *ring)
{
    /* relaxed: the claim's exchange made the dead holder's position visible */
    uint64_t position = arb_load_relaxed(&ring->popped);
    /* acquire: as in arb_spsc_look; pairs with spsc_ring.h:arb_spsc_fill */
    while (arb_slot_past(arb_load_acquire(&arb_spsc_slot(ring, position)->sequence),
                         arb_slot_full(position)) > 0)
        position++;
    /* relaxed: as in arb_spsc_advance; pairs with arb_spsc_depth */
    arb_store_relaxed(&ring->popped, position);
}

/* ---- meters: any thread or process -------------------------------------------------------- */

/* Records in the ring, approximate while either side works; may be read from a read-only
 * mapping. */
static inline uint32_t arb_spsc_depth(const arb_spsc_ring_t *ring)
{
    /* relaxed: a meter, clamped to what is possible; pairs with arb_spsc_advance, arb_spsc_drain */
    uint64_t popped = arb_load_relaxed(&ring->popped);
    /* relaxed: a meter; pairs with arb_spsc_offer, arb_spsc_push_batch */
    return arb_ring_depth(arb_load_relaxed(&ring->pushed), popped, ring->capacity);
}

#endif
