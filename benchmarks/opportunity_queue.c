/* How many opportunities a second does one writer bring to three readers that each see all of them?
 *
 * The writer of a broadcast never waits, so readers may be lapped; here it is held back to three
 * quarters of the ring ahead of the slowest of them, so that every record is read by everybody and
 * can be asserted.
 */
#include "copied_lines.h"
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

/* ns a record of as many lines moved by bulk copies, the floor; a sample a pile. */
ARB_BENCH_API void bare_broadcast(const int *cores, uint32_t capacity, uint64_t samples_count,
                                  double *samples)
{
    arb_bench_copied(cores, READERS, capacity * sizeof(arb_broadcast_slot_t),
                     sizeof(arb_broadcast_slot_t), samples_count, samples);
}
