/* MPSC ring under stress: three producers, one consumer; capacities 1, 2, 4, 64; producers that
 * stall between winning a position and publishing it.
 *
 *   observed by the consumer               outcome     why
 *   -------------------------------------- ----------- ----------------------------------------
 *   a.n, b.m, a.n + 1                      ACCEPTABLE  producers interleave in any order
 *   nothing while a producer stalls        ACCEPTABLE  it holds the oldest position
 *   a.n, a.m with m != n + 1               FORBIDDEN   one producer's records stay in order
 *   words of two records in one            FORBIDDEN   two were in one slot
 *   more or fewer records than pushed      FORBIDDEN   lost or doubled
 *   a data race reported by TSan           FORBIDDEN   the sequence does not order the payload
 */
#include "harness.h"

#include "mpsc_ring.h"

enum { PRODUCERS = 3 };
static arb_mpsc_ring_t *ring;
static uint64_t per_producer;
static uint64_t refused[PRODUCERS];

static bool push_stalling(const uint64_t *words, uint64_t *random)
{
    uint64_t position;
    if (!arb_mpsc_win(ring, &position))
        return false;
    memcpy(arb_mpsc_slot(ring, position)->payload, words, 28);
    if (harness_random(random) >> 58 == 0)
        sched_yield();
    memcpy(arb_mpsc_slot(ring, position)->payload + 28, (const char *)words + 28, 28);
    arb_mpsc_publish(ring, position);
    return true;
}

static void *produce(void *argument)
{
    uint64_t producer = (uintptr_t)argument, random = harness_stream(producer), words[7];
    uint32_t spins = 0;
    for (uint64_t next = 0; next < per_producer;) {
        harness_fill(words, 7, producer << 56 | next);
        bool stall = harness_random(&random) >> 62 == 0;
        if (stall ? push_stalling(words, &random) : arb_mpsc_try_push(ring, words)) {
            next++;
        } else {
            refused[producer] += !stall;
            harness_idle(&spins);
        }
        harness_disturb(&random);
    }
    return NULL;
}

static void consume(void)
{
    uint64_t random = harness_stream(9), next[PRODUCERS] = {0}, words[8][7];
    uint32_t spins = 0;
    for (uint64_t left = PRODUCERS * per_producer; left > 0;) {
        uint32_t done = harness_random(&random) >> 63 ? arb_mpsc_try_pop(ring, words[0])
                                                      : arb_mpsc_drain(ring, words, 8);
        for (uint32_t record = 0; record < done; record++) {
            uint64_t producer = words[record][0] >> 56, index = words[record][0] << 8 >> 8;
            if (!harness_whole(words[record], 7) || producer >= PRODUCERS)
                forbid("torn record %llx", (unsigned long long)words[record][0]);
            if (index != next[producer]++)
                forbid("producer %llu: record %llu out of order", (unsigned long long)producer,
                       (unsigned long long)index);
        }
        left -= done;
        if (done == 0)
            harness_idle(&spins);
        harness_disturb(&random);
    }
}

static void run(uint32_t capacity, uint64_t first)
{
    pthread_t producers[PRODUCERS];
    uint64_t refusals = 0;
    ring = harness_block(arb_mpsc_ring_bytes(capacity));
    arb_mpsc_ring_init_at(ring, capacity, first);
    memset(refused, 0, sizeof refused);
    for (uintptr_t producer = 0; producer < PRODUCERS; producer++)
        producers[producer] = harness_thread(produce, (void *)producer);
    consume();
    for (uint32_t producer = 0; producer < PRODUCERS; producer++) {
        pthread_join(producers[producer], NULL);
        refusals += refused[producer];
    }
    if (arb_mpsc_peek(ring) != NULL || ring->popped - first != PRODUCERS * per_producer ||
        ring->pushed != ring->popped || ring->dropped != refusals)
        forbid("counters: %llu pushed, %llu popped, %llu dropped",
               (unsigned long long)(ring->pushed - first),
               (unsigned long long)(ring->popped - first), (unsigned long long)ring->dropped);
    free(ring);
}

int main(int argc, char **argv)
{
    harness_arguments(argc, argv);
    per_producer = harness_operations / (4 * PRODUCERS) + 1;
    run(1, (uint64_t)0 - per_producer);
    run(2, ((uint64_t)1 << 63) - per_producer);
    run(4, ((uint64_t)1 << 32) - per_producer);
    run(64, 0);
    printf("%llu operations\n", (unsigned long long)(4 * PRODUCERS * per_producer));
    return 0;
}
