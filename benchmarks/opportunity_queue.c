/* How many opportunities a second does one writer bring to three readers that each see all of them?
 *
 * The writer of a broadcast never waits, so readers may be lapped; here it is held back to three
 * quarters of the ring ahead of the slowest of them, so that every record is read by everybody and
 * can be asserted. The floor hands over the same lines by the thousand, without a sequence.
 */
#include "bench.h"
#include "broadcast_ring.h"

enum { READERS = 3 };

typedef struct {
    ARB_SEPARATED uint64_t done;  /* position of the reader, for the writer to hold back */
    ARB_SEPARATED const arb_broadcast_ring_t *ring;
    uint64_t count;
    uint64_t wrong;
    uint64_t lost;
    uint64_t ready;
    int core;
} listener_t;

static void *listen_to(void *given)
{
    listener_t *listener = given;
    arb_broadcast_reader_t reader;
    uint64_t payload[ARB_BROADCAST_PAYLOAD_BYTES / 8];
    arb_bench_pin(listener->core);
    arb_broadcast_reader_init(listener->ring, &reader, true);
    arb_store_release(&listener->ready, 1);
    for (uint64_t number = 0; number < listener->count;) {
        if (!arb_broadcast_try_read(listener->ring, &reader, payload)) {
            arb_cpu_relax();
            continue;
        }
        listener->wrong += payload[0] != number || payload[14] != number;
        number++;
        if (number % 64 == 0 || number == listener->count)
            arb_store_release(&listener->done, number);
    }
    listener->lost = reader.lost;
    return NULL;
}

static uint64_t slowest(const listener_t *listeners)
{
    uint64_t least = UINT64_MAX;
    for (int index = 0; index < READERS; index++) {
        uint64_t done = arb_load_acquire(&listeners[index].done);
        least = done < least ? done : least;
    }
    return least;
}

/* ns a record of stretches that the slowest reader has read; returns wrong and lost records. */
ARB_BENCH_API uint64_t broadcast(const int *cores, uint32_t capacity, uint64_t samples_count,
                                 uint64_t stretch, double *samples)
{
    listener_t *listeners = arb_bench_zeroed(READERS * sizeof *listeners);
    pthread_t threads[READERS];
    uint64_t payload[ARB_BROADCAST_PAYLOAD_BYTES / 8] = {0}, faults = 0, number = 0;
    arb_broadcast_ring_t *ring = arb_bench_zeroed(arb_broadcast_ring_bytes(capacity));
    arb_broadcast_ring_init(ring, capacity);
    for (int index = 0; index < READERS; index++) {
        listeners[index].ring = ring;
        listeners[index].count = samples_count * stretch;
        listeners[index].core = cores[index];
        pthread_create(&threads[index], NULL, listen_to, &listeners[index]);
    }
    for (int index = 0; index < READERS; index++)
        while (!arb_load_acquire(&listeners[index].ready))
            arb_cpu_relax();
    uint64_t ahead = capacity - capacity / 4, seen = 0, cost = arb_bench_cost();
    arb_bench_ns_per_tick();
    for (uint64_t sample = 0; sample < samples_count; sample++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t end = number + stretch; number < end; number++) {
            while (number - seen >= ahead)
                seen = slowest(listeners);
            payload[0] = payload[14] = number;
            arb_broadcast_publish(ring, payload);
        }
        while (seen < number)
            seen = slowest(listeners);
        samples[sample] = arb_bench_each(begin, arb_bench_tick(), cost, (double)stretch);
    }
    for (int index = 0; index < READERS; index++) {
        pthread_join(threads[index], NULL);
        faults += listeners[index].wrong + listeners[index].lost;
    }
    free(ring);
    free(listeners);
    return faults;
}

/* ---- the floor: two lines a record, handed over by the thousand ------------------------------ */

enum { PILE = 1024 };

typedef struct {
    ARB_SEPARATED uint64_t filled; /* piles so far */
    ARB_SEPARATED uint64_t words[2][PILE][16];
} pile_t;

typedef struct {
    ARB_SEPARATED uint64_t done;
    ARB_SEPARATED pile_t *piles;
    uint64_t count;
    uint64_t sum;
    int core;
} taker_t;

static void *take_piles(void *given)
{
    taker_t *taker = given;
    arb_bench_pin(taker->core);
    for (uint64_t pile = 0; pile < taker->count; pile++) {
        while (arb_load_acquire(&taker->piles->filled) <= pile)
            arb_cpu_relax();
        for (uint32_t index = 0; index < PILE; index++)
            taker->sum += taker->piles->words[pile % 2][index][0] ^
                          taker->piles->words[pile % 2][index][14];
        arb_store_release(&taker->done, pile + 1);
    }
    return NULL;
}

/* ns a record of the whole of `count` records. */
ARB_BENCH_API double bare_broadcast(const int *cores, uint64_t count)
{
    taker_t *takers = arb_bench_zeroed(READERS * sizeof *takers);
    pile_t *piles = arb_bench_zeroed(sizeof *piles);
    pthread_t threads[READERS];
    uint64_t pile_count = count / PILE;
    for (int index = 0; index < READERS; index++) {
        takers[index].piles = piles;
        takers[index].count = pile_count;
        takers[index].core = cores[index];
        pthread_create(&threads[index], NULL, take_piles, &takers[index]);
    }
    arb_bench_ns_per_tick();
    uint64_t begin = arb_bench_tick();
    for (uint64_t pile = 0; pile < pile_count; pile++) {
        for (int index = 0; index < READERS; index++)
            while (arb_load_acquire(&takers[index].done) + 2 <= pile)
                arb_cpu_relax();
        for (uint32_t index = 0; index < PILE; index++)
            for (uint32_t word = 0; word < 15; word++)
                piles->words[pile % 2][index][word] = pile + index;
        arb_store_release(&piles->filled, pile + 1);
    }
    for (int index = 0; index < READERS; index++)
        pthread_join(threads[index], NULL);
    double each = arb_bench_each(begin, arb_bench_tick(), 0, (double)(pile_count * PILE));
    free(takers);
    free(piles);
    return each;
}
