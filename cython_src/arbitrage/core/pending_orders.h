/* Orders that were handed to a socket and are not known to be over, oldest first.
 *
 * A ring of entries in the order of sending, and an open-addressed index from client id to entry.
 * Every order waits equally long, so the oldest entry is the next to expire: watching the deadline
 * is one compare. An entry leaves when the venue said how the order ended (reject or done). One
 * that outlives its deadline is reported once as expired and stays until it is settled: its outcome
 * is unknown, not absent.
 *
 *   ring:   [settled][settled][sent][acked][sent] ... head: oldest not settled, tail: next to write
 *   index:  hash(client id) -> ring position, linear probing, twice as many slots as entries
 *
 * Threads: one (the gateway's loop). Limits: capacity is a power of two; a full ring refuses.
 */
#ifndef ARB_PENDING_ORDERS_H
#define ARB_PENDING_ORDERS_H

#include <stdint.h>
#include <string.h>

#include "cacheline.h"
#include "records.h"

enum { ARB_PENDING_NONE = 0xFFFFFFFF };

typedef enum arb_pending_state {
    ARB_PENDING_SETTLED = 0, /* over: the entry is free */
    ARB_PENDING_SENT = 1,    /* no answer yet */
    ARB_PENDING_ACKED = 2,   /* accepted, end not known */
    ARB_PENDING_EXPIRED = 3  /* deadline passed, being queried */
} arb_pending_state_t;

typedef struct arb_pending {
    uint64_t client_id;
    int64_t sent_mono_ns;
    int64_t qty_lots;
    uint16_t row;
    uint8_t side;
    uint8_t state;           /* arb_pending_state_t */
    uint32_t is_acked;       /* the venue accepted it, whatever the state became since */
} arb_pending_t;

typedef struct arb_pending_orders {
    uint64_t head;           /* position of the oldest entry that may be unsettled */
    uint64_t tail;           /* position of the next entry */
    uint64_t watch;          /* entries before it were already looked at for expiry */
    uint32_t capacity;
    uint32_t unsettled_count;
} arb_pending_orders_t;

static inline uint64_t arb_pending_orders_bytes(uint32_t capacity)
{
    return sizeof(arb_pending_orders_t) + (uint64_t)capacity * sizeof(arb_pending_t) +
           2ull * capacity * sizeof(uint32_t);
}
static inline arb_pending_t *arb_pending_entries(arb_pending_orders_t *orders)
{
    return (arb_pending_t *)(orders + 1);
}
static inline uint32_t *arb_pending_index(arb_pending_orders_t *orders)
{
    return (uint32_t *)(arb_pending_entries(orders) + orders->capacity);
}
static inline uint32_t arb_pending_hash(uint64_t client_id)
{
    return (uint32_t)((client_id * 0x9E3779B97F4A7C15ull) >> 32);
}

static inline void arb_pending_orders_init(arb_pending_orders_t *orders, uint32_t capacity)
{
    memset(orders, 0, arb_pending_orders_bytes(capacity));
    orders->capacity = capacity;
    memset(arb_pending_index(orders), 0xFF, 2ull * capacity * sizeof(uint32_t));
}

/* The entry of an unsettled order, or NULL. */
static inline arb_pending_t *arb_pending_find(arb_pending_orders_t *orders, uint64_t client_id)
{
    const uint32_t mask = 2 * orders->capacity - 1;
    const uint32_t *index = arb_pending_index(orders);
    arb_pending_t *entries = arb_pending_entries(orders);
    for (uint32_t slot = arb_pending_hash(client_id) & mask; index[slot] != ARB_PENDING_NONE;
         slot = (slot + 1) & mask)
        if (entries[index[slot]].client_id == client_id)
            return &entries[index[slot]];
    return NULL;
}

/* Ask for the lines that remembering an order needs: their misses and the encoding overlap. Always
 * inline: compilers leave out a call of what only prefetches. */
static inline __attribute__((always_inline)) void
arb_pending_expect(arb_pending_orders_t *orders, uint64_t client_id)
{
    const uint32_t mask = 2 * orders->capacity - 1;
    __builtin_prefetch(&arb_pending_index(orders)[arb_pending_hash(client_id) & mask], 1);
    __builtin_prefetch(&arb_pending_entries(orders)[orders->tail & (orders->capacity - 1)], 1);
}

/* Remember an order; NULL when the ring is full or the id is already unsettled. */
static inline arb_pending_t *arb_pending_add(arb_pending_orders_t *orders, const arb_order_t *order,
                                             int64_t sent_mono_ns)
{
    arb_pending_t *entries = arb_pending_entries(orders);
    while (orders->head < orders->tail &&
           entries[orders->head & (orders->capacity - 1)].state == ARB_PENDING_SETTLED)
        orders->head++;
    if (orders->watch < orders->head)
        orders->watch = orders->head;
    if (orders->tail - orders->head == orders->capacity ||
        arb_pending_find(orders, order->client_id))
        return NULL;

    const uint32_t position = (uint32_t)(orders->tail++ & (orders->capacity - 1));
    arb_pending_t *entry = &entries[position];
    entry->client_id = order->client_id;
    entry->sent_mono_ns = sent_mono_ns;
    entry->qty_lots = order->qty_lots;
    entry->row = order->row;
    entry->side = order->side;
    entry->state = ARB_PENDING_SENT;
    entry->is_acked = 0;

    const uint32_t mask = 2 * orders->capacity - 1;
    uint32_t *index = arb_pending_index(orders);
    uint32_t slot = arb_pending_hash(order->client_id) & mask;
    while (index[slot] != ARB_PENDING_NONE)
        slot = (slot + 1) & mask;
    index[slot] = position;
    orders->unsettled_count++;
    return entry;
}

/* Forget an order that is over. Returns 0 when it was not unsettled. */
static inline int arb_pending_settle(arb_pending_orders_t *orders, uint64_t client_id)
{
    const uint32_t mask = 2 * orders->capacity - 1;
    uint32_t *index = arb_pending_index(orders);
    arb_pending_t *entries = arb_pending_entries(orders);
    uint32_t hole = arb_pending_hash(client_id) & mask;
    while (index[hole] != ARB_PENDING_NONE && entries[index[hole]].client_id != client_id)
        hole = (hole + 1) & mask;
    if (index[hole] == ARB_PENDING_NONE)
        return 0;
    entries[index[hole]].state = ARB_PENDING_SETTLED;
    orders->unsettled_count--;

    /* close the gap: move back each later entry of the run that may stand there (Knuth 6.4 R) */
    for (uint32_t slot = (hole + 1) & mask; index[slot] != ARB_PENDING_NONE;
         slot = (slot + 1) & mask) {
        uint32_t home = arb_pending_hash(entries[index[slot]].client_id) & mask;
        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            index[hole] = index[slot];
            hole = slot;
        }
    }
    index[hole] = ARB_PENDING_NONE;
    return 1;
}

/* The next unsettled order sent before then that was not reported yet; NULL: none. */
static inline arb_pending_t *arb_pending_expire(arb_pending_orders_t *orders,
                                                int64_t sent_before_mono_ns)
{
    arb_pending_t *entries = arb_pending_entries(orders);
    while (orders->watch < orders->tail) {
        arb_pending_t *entry = &entries[orders->watch & (orders->capacity - 1)];
        if (entry->state == ARB_PENDING_SETTLED || entry->state == ARB_PENDING_EXPIRED) {
            orders->watch++;
            continue;
        }
        if (entry->sent_mono_ns > sent_before_mono_ns)
            return NULL;
        orders->watch++;
        entry->state = ARB_PENDING_EXPIRED;
        return entry;
    }
    return NULL;
}

#endif
