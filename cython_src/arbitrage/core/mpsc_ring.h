/* MPSC ring: many producer threads, one consumer thread, 56-byte records, lock-free.
 *
 *   line 0-1   capacity, mask, first position      read-only after init
 *   line 2-3   consumer's claim                    cold
 *   line 4-5   pushed                              the tail, moved by every producer
 *   line 6-7   dropped                             refusals, counted by every producer
 *   line 8-9   popped                              written by the consumer alone
 *   line 10..  slots: [ sequence 8 | payload 56 ]  one line a slot
 *
 * A producer wins a position with a compare-exchange on the tail, writes the slot, then publishes
 * it by the slot's sequence (D. Vyukov's bounded queue, see ring_slot.h). Ordering comes from the
 * slots alone, so the tail moves relaxed.
 * A producer that stalls between winning and publishing holds up the consumer at that slot and in
 * time fills the ring; it can never be overtaken into its slot, so nothing is torn or lost when it
 * resumes.
 * Limits: a producer *killed* in that window leaves a slot that stays unpublished (arb_mpsc_stalled
 * says so) until the ring is made anew; producers therefore live in the process that owns the
 * consumer.
 */
#ifndef ARB_MPSC_RING_H
#define ARB_MPSC_RING_H

#include "claim.h"
#include "ring_slot.h"

typedef struct arb_mpsc_ring {
    uint32_t capacity;       /* power of two */
    uint32_t mask;           /* capacity - 1 */
    uint64_t first_position; /* where positions began: 0 but in tests of the wrap */
    ARB_SEPARATED arb_claim_t consumer_claim;
    ARB_SEPARATED uint64_t pushed;  /* tail: positions won by producers so far */
    ARB_SEPARATED uint64_t dropped; /* records refused because the ring was full */
    ARB_SEPARATED uint64_t popped;  /* consumer's position: records taken so far */
} ARB_SEPARATED arb_mpsc_ring_t;

_Static_assert(sizeof(arb_mpsc_ring_t) == 5 * ARB_SEPARATION_BYTES,
               "slots start on their own lines");
_Static_assert(offsetof(arb_mpsc_ring_t, pushed) == 2 * ARB_SEPARATION_BYTES, "producers' lines");
_Static_assert(offsetof(arb_mpsc_ring_t, popped) == 4 * ARB_SEPARATION_BYTES, "consumer's lines");

/* Bytes of a ring of the rounded-up capacity; 0 when the capacity is refused. */
static inline uint64_t arb_mpsc_ring_bytes(uint32_t capacity)
{
    uint64_t slots = arb_ring_capacity(capacity);
    return slots == 0 ? 0 : sizeof(arb_mpsc_ring_t) + slots * sizeof(arb_ring_slot_t);
}

static inline arb_ring_slot_t *arb_mpsc_slot(const arb_mpsc_ring_t *ring, uint64_t position)
{
    arb_ring_slot_t *slots = (arb_ring_slot_t *)((char *)ring + sizeof(arb_mpsc_ring_t));
    return slots + (position & ring->mask);
}

/* Lay out an empty ring whose positions begin at `first`, in zeroed, 128-byte aligned memory.
 * Before the threads, so plain stores do; the capacity has been accepted by arb_mpsc_ring_bytes. */
static inline void arb_mpsc_ring_init_at(arb_mpsc_ring_t *ring, uint32_t capacity, uint64_t first)
{
    ring->capacity = arb_ring_capacity(capacity);
    ring->mask = ring->capacity - 1;
    ring->first_position = first;
    ring->consumer_claim.holder = 0;
    ring->pushed = first;
    ring->dropped = 0;
    ring->popped = first;
    for (uint64_t position = first; position != first + ring->capacity; position++)
        arb_mpsc_slot(ring, position)->sequence = arb_slot_free(position);
}

static inline void arb_mpsc_ring_init(arb_mpsc_ring_t *ring, uint32_t capacity)
{
    arb_mpsc_ring_init_at(ring, capacity, 0);
}

/* ---- producers ------------------------------------------------------------------------------ */

/* Win the next free position into *won. false: the ring is full. */
static inline bool arb_mpsc_win(arb_mpsc_ring_t *ring, uint64_t *won)
{
    /* relaxed: a guess; the slot's sequence tells a stale one */
    uint64_t position = arb_load_relaxed(&ring->pushed);
    for (;;) {
        /* acquire: the consumer is done with the old record; pairs with
         * mpsc_ring.h:arb_mpsc_advance */
        uint64_t sequence = arb_load_acquire(&arb_mpsc_slot(ring, position)->sequence);
        int64_t past = arb_slot_past(sequence, arb_slot_free(position));
        if (ARB_LIKELY(past == 0)) {
            /* relaxed: only hands out positions; the slot's sequence orders the records */
            if (ARB_LIKELY(arb_compare_exchange_relaxed(&ring->pushed, &position, position + 1))) {
                *won = position;
                return true;
            }
            /* a failed exchange has put the tail into position */
        } else if (past < 0) {
            return false; /* still the record of one lap ago */
        } else {
            /* relaxed: another producer was faster, guess again */
            position = arb_load_relaxed(&ring->pushed);
        }
    }
}

/* Publish the record written into the slot of a position that arb_mpsc_win gave. */
static inline void arb_mpsc_publish(arb_mpsc_ring_t *ring, uint64_t position)
{
    /* release: makes the written payload visible; pairs with mpsc_ring.h:arb_mpsc_peek */
    arb_store_release(&arb_mpsc_slot(ring, position)->sequence, arb_slot_full(position));
}

/* Push one record. false: the ring is full, nothing was written, `dropped` counts it. */
static inline bool arb_mpsc_try_push(arb_mpsc_ring_t *ring, const void *payload56)
{
    uint64_t position;
    if (ARB_UNLIKELY(!arb_mpsc_win(ring, &position))) {
        /* relaxed: a counter with many writers, read by meters only */
        arb_fetch_add_relaxed(&ring->dropped, 1);
        return false;
    }
    memcpy(arb_mpsc_slot(ring, position)->payload, payload56, ARB_RING_PAYLOAD_BYTES);
    arb_mpsc_publish(ring, position);
    return true;
}

/* ---- consumer ------------------------------------------------------------------------------- */

/* The oldest record, in place, valid until arb_mpsc_advance. NULL: empty, or its producer still
 * writes. */
static inline const void *arb_mpsc_peek(arb_mpsc_ring_t *ring)
{
    /* relaxed: our own position, no other thread writes it */
    uint64_t position = arb_load_relaxed(&ring->popped);
    arb_ring_slot_t *slot = arb_mpsc_slot(ring, position);
    /* acquire: the payload is whole; pairs with mpsc_ring.h:arb_mpsc_publish */
    return arb_load_acquire(&slot->sequence) == arb_slot_full(position) ? slot->payload : NULL;
}

/* Drop the record that arb_mpsc_peek returned (it must have returned one). */
static inline void arb_mpsc_advance(arb_mpsc_ring_t *ring)
{
    /* relaxed: our own position, no other thread writes it */
    uint64_t position = arb_load_relaxed(&ring->popped);
    /* release: our reads of the payload are done; pairs with mpsc_ring.h:arb_mpsc_win */
    arb_store_release(&arb_mpsc_slot(ring, position)->sequence,
                      arb_slot_free(position + ring->capacity));
    /* relaxed: a meter's word, the slot's sequence frees the slot; pairs with arb_mpsc_depth */
    arb_store_relaxed(&ring->popped, position + 1);
}

/* Take the oldest record. false: nothing published, payload56 is untouched. */
static inline bool arb_mpsc_try_pop(arb_mpsc_ring_t *ring, void *payload56)
{
    const void *payload = arb_mpsc_peek(ring);
    if (payload == NULL)
        return false;
    memcpy(payload56, payload, ARB_RING_PAYLOAD_BYTES);
    arb_mpsc_advance(ring);
    return true;
}

/* Take up to records_max records into out, 56 bytes apart; returns how many. */
static inline uint32_t arb_mpsc_drain(arb_mpsc_ring_t *ring, void *out, uint32_t records_max)
{
    uint32_t done = 0;
    while (done < records_max &&
           arb_mpsc_try_pop(ring, (char *)out + (size_t)done * ARB_RING_PAYLOAD_BYTES))
        done++;
    return done;
}

/* After taking over a killed consumer's claim: step past what it gave back but did not yet
 * count. */
static inline void arb_mpsc_consumer_recover(arb_mpsc_ring_t *ring)
{
    /* relaxed: the claim's exchange made the dead holder's position visible */
    uint64_t position = arb_load_relaxed(&ring->popped);
    /* acquire: as in arb_mpsc_peek; pairs with mpsc_ring.h:arb_mpsc_publish */
    while (arb_slot_past(arb_load_acquire(&arb_mpsc_slot(ring, position)->sequence),
                         arb_slot_full(position)) > 0)
        position++;
    /* relaxed: as in arb_mpsc_advance; pairs with arb_mpsc_depth */
    arb_store_relaxed(&ring->popped, position);
}

/* ---- meters: any thread or process -------------------------------------------------------- */

/* Positions won and not yet taken, approximate while anybody works. */
static inline uint32_t arb_mpsc_depth(const arb_mpsc_ring_t *ring)
{
    /* relaxed: a meter, clamped to what is possible; pairs with arb_mpsc_advance */
    uint64_t popped = arb_load_relaxed(&ring->popped);
    /* relaxed: a meter; pairs with arb_mpsc_win */
    return arb_ring_depth(arb_load_relaxed(&ring->pushed), popped, ring->capacity);
}

/* Consumer only: the next position was won but is not published. For long: its producer was
 * killed. */
static inline bool arb_mpsc_stalled(arb_mpsc_ring_t *ring)
{
    return arb_mpsc_depth(ring) > 0 && arb_mpsc_peek(ring) == NULL;
}

#endif
