/* What a scenario of two legs consists of: orders, trades, events in the order of their times, and
 * chance. Part of leg_venue.h. */
#ifndef LEG_WORLD_H
#define LEG_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "records.h"

enum { SYMBOLS = 2, VENUES = 2, ROWS = SYMBOLS * VENUES, ORDERS_MAX = 2048, TRADES_MAX = 8192,
       EVENTS_MAX = 16384, CODES_MAX = 512, FEE_UNITS = 100000 };
#define MS INT64_C(1000000)

static const int64_t FEE_RATE[VENUES] = {55, 50}; /* of FEE_UNITS */

enum action { ACTION_RETRY, ACTION_QUERY, ACTION_THROTTLE, ACTION_DROP, ACTION_STOP, ACTION_COUNT };
typedef struct { uint32_t code; uint8_t venue, action; uint64_t seen; } code_t;

enum event_type {
    EV_ARRIVE, EV_ACK, EV_REFUSED, EV_FILL, EV_OVER, EV_DEADLINE, EV_ASK, EV_QUOTE, EV_STATE,
    EV_KILL, EV_PAUSE, EV_FLATTEN, EV_DARK, EV_LIGHT, EV_LIQUIDATE, EV_FORCED, EV_OPPORTUNITY,
    EV_HEAL
};
typedef struct { int64_t at; uint64_t number; int32_t index; uint8_t type; int64_t more; } event_t;

typedef struct {
    arb_order_t sent;
    int64_t filled;              /* the venue's truth */
    int64_t told_sum, final;     /* the gateway's: lots told of, and the count of the end;
                                  * -1: not known */
    int64_t known;               /* filled lots by all that was told, counts included */
    int32_t trade_first, trade_count;
    int32_t answer;              /* of codes[]; -1: accepted */
    bool lost, arrived, refused, over, done_told, reject_told, asked, hostile, acked;
} order_t;

typedef struct { int32_t order; int64_t lots, px_ticks; bool told; } trade_t;

typedef struct {
    order_t orders[ORDERS_MAX];
    trade_t trades[TRADES_MAX];
    event_t heap[EVENTS_MAX];
    int32_t order_count, trade_count, heap_count;
    uint64_t event_number;
    uint32_t turn; /* of the codes */
    int64_t now;
    int64_t position[ROWS], cash[ROWS], fees[ROWS]; /* lots; ticks x lots; of FEE_UNITS */
    int64_t known[ROWS];                            /* position by all that was told */
    int64_t uneven_since[SYMBOLS];                  /* by the same; 0: level */
    int64_t dark_until[VENUES];
    bool healed, faulty;
    uint64_t random;
    FILE *book; /* where fills are told for the ledger */
} world_t;

static code_t codes[CODES_MAX];
static uint32_t code_count;
static world_t world;

static inline uint64_t draw(void)
{
    world.random += 0x9E3779B97F4A7C15ull;
    uint64_t mixed = world.random;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ull;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBull;
    return mixed ^ (mixed >> 31);
}
static inline int64_t between(int64_t low, int64_t high)
{
    return low + (int64_t)(draw() % (uint64_t)(high - low + 1));
}
static inline bool chance(uint32_t percent) { return draw() % 100 < percent; }

static _Noreturn void fail(const char *what);

static inline bool earlier(const event_t *one, const event_t *other)
{
    return one->at != other->at ? one->at < other->at : one->number < other->number;
}

static void later(int64_t delay, uint8_t type, int32_t index, int64_t more)
{
    if (world.heap_count == EVENTS_MAX)
        fail("the model ran out of events");
    event_t event = {world.now + delay, world.event_number++, index, type, more};
    int32_t place = world.heap_count++;
    while (place > 0 && earlier(&event, &world.heap[(place - 1) / 2])) {
        world.heap[place] = world.heap[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    world.heap[place] = event;
}

static event_t take_event(void)
{
    event_t first = world.heap[0], last = world.heap[--world.heap_count];
    int32_t place = 0;
    for (;;) {
        int32_t child = 2 * place + 1;
        if (child >= world.heap_count)
            break;
        if (child + 1 < world.heap_count && earlier(&world.heap[child + 1], &world.heap[child]))
            child++;
        if (!earlier(&world.heap[child], &last))
            break;
        world.heap[place] = world.heap[child];
        place = child;
    }
    if (world.heap_count > 0)
        world.heap[place] = last;
    return first;
}

#endif
