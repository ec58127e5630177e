/* How many records a second do two producers bring through the MPSC ring to one consumer?
 *
 * Every producer's records carry its number and count from 0, so that the consumer sees any that is
 * lost, doubled or out of its producer's order. The floor is the tail alone: as many fetch-and-adds
 * by the same two threads, each on its own core.
 */
#include "bench.h"
#include "mpsc_ring.h"

enum { PRODUCERS = 2, DRAIN = 64 };

typedef struct {
    ARB_SEPARATED arb_mpsc_ring_t *ring;
    uint64_t count;
    uint64_t number; /* of the producer */
    uint64_t refused;
    uint64_t *go;
    int core;
} producer_t;

static void await_go(const producer_t *producer)
{
    arb_bench_pin(producer->core);
    while (!arb_load_acquire(producer->go))
        arb_cpu_relax();
}

static void *produce(void *given)
{
    producer_t *producer = given;
    uint64_t payload[ARB_RING_PAYLOAD_BYTES / 8] = {producer->number};
    await_go(producer);
    for (uint64_t index = 0; index < producer->count; index++) {
        payload[1] = payload[6] = index;
        while (!arb_mpsc_try_push(producer->ring, payload)) {
            producer->refused++;
            arb_cpu_relax();
        }
    }
    return NULL;
}

static void *add_only(void *given)
{
    producer_t *producer = given;
    await_go(producer);
    for (uint64_t index = 0; index < producer->count; index++)
        arb_fetch_add_relaxed(&producer->ring->pushed, 1);
    return NULL;
}

static void start(producer_t *producers, pthread_t *threads, arb_mpsc_ring_t *ring,
                  const int *cores, uint64_t count, uint64_t *go, void *(*work)(void *))
{
    for (uint64_t number = 0; number < PRODUCERS; number++) {
        producers[number] = (producer_t){ring, count, number, 0, go, cores[number]};
        pthread_create(&threads[number], NULL, work, &producers[number]);
    }
    arb_store_release(go, 1);
}

static arb_mpsc_ring_t *ring_new(uint32_t capacity)
{
    arb_mpsc_ring_t *ring = arb_bench_zeroed(arb_mpsc_ring_bytes(capacity));
    arb_mpsc_ring_init(ring, capacity);
    return ring;
}

/* ns a record of stretches of `stretch` records taken by the caller; returns wrong records. */
ARB_BENCH_API uint64_t mpsc_stream(const int *cores, uint32_t capacity, uint64_t samples_count,
                                   uint64_t stretch, double *samples)
{
    static producer_t producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    uint64_t go = 0, wrong = 0, next[PRODUCERS] = {0}, cost = arb_bench_cost();
    uint64_t taken[DRAIN][ARB_RING_PAYLOAD_BYTES / 8];
    arb_mpsc_ring_t *ring = ring_new(capacity);
    arb_bench_ns_per_tick();
    start(producers, threads, ring, cores, samples_count * stretch / PRODUCERS, &go, produce);
    for (uint64_t sample = 0; sample < samples_count; sample++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t done = 0; done < stretch;) {
            uint32_t wanted = stretch - done < DRAIN ? (uint32_t)(stretch - done) : DRAIN;
            uint32_t found = arb_mpsc_drain(ring, taken, wanted);
            for (uint32_t index = 0; index < found; index++) {
                uint64_t from = taken[index][0] % PRODUCERS;
                wrong += taken[index][1] != next[from] || taken[index][6] != next[from];
                next[from]++;
            }
            done += found;
            if (found == 0)
                arb_cpu_relax();
        }
        samples[sample] = arb_bench_each(begin, arb_bench_tick(), cost, (double)stretch);
    }
    for (uint64_t number = 0; number < PRODUCERS; number++)
        pthread_join(threads[number], NULL);
    free(ring);
    return wrong;
}

/* ns of each of `count` additions by both producers. */
ARB_BENCH_API double tail_alone(const int *cores, uint64_t count)
{
    static producer_t producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    uint64_t go = 0;
    arb_mpsc_ring_t *ring = ring_new(64);
    start(producers, threads, ring, cores, count / PRODUCERS, &go, add_only);
    uint64_t begin = arb_bench_tick();
    for (uint64_t number = 0; number < PRODUCERS; number++)
        pthread_join(threads[number], NULL);
    double each = arb_bench_each(begin, arb_bench_tick(), 0, (double)count);
    free(ring);
    return each;
}
