/* Parker under stress: two producers that publish bursts into an MPSC ring, one consumer that parks
 * whenever it finds nothing.
 *
 *   observed by the consumer               outcome     why
 *   -------------------------------------- ----------- ----------------------------------------
 *   work at the second look                ACCEPTABLE  it cancels and does not sleep
 *   a wake, then nothing to find           ACCEPTABLE  the record was taken already
 *   more parks than wakes                  ACCEPTABLE  the time limit ended the others
 *   a record at the end of a full sleep    FORBIDDEN   a lost wake: nothing else ends the wait
 *   a run in which nobody ever parked      FORBIDDEN   it proves nothing
 */
#include "harness.h"

#include "mpsc_ring.h"
#include "parker.h"

enum { PRODUCERS = 2 };
static arb_mpsc_ring_t *ring;
static arb_parker_t parker;
static uint64_t per_producer, calls[PRODUCERS];

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void *produce(void *argument)
{
    uint64_t producer = (uintptr_t)argument, random = harness_stream(producer), words[7];
    uint32_t spins = 0;
    for (uint64_t next = 0; next < per_producer;) {
        uint64_t burst = 1 + (harness_random(&random) >> 61);
        for (; burst > 0 && next < per_producer; burst--, next++) {
            harness_fill(words, 7, next);
            while (!arb_mpsc_try_push(ring, words)) {
                /* full in the middle of a burst: who waits for room must have notified */
                calls[producer] += arb_parker_notify(&parker);
                harness_idle(&spins);
            }
        }
        calls[producer] += arb_parker_notify(&parker);
        /* mostly wait until all is taken: then no later notify hides a lost one */
        if (harness_random(&random) >> 61 != 0)
            while (arb_mpsc_depth(ring) != 0)
                harness_idle(&spins);
        /* rest about as long as the consumer takes to go to sleep, where the race is */
        for (uint64_t rest = harness_random(&random) >> (54 + next % 8); rest > 0; rest--)
            arb_cpu_relax();
    }
    return NULL;
}

static void consume(void)
{
    const int64_t limit_ns = 1000000000;
    uint64_t random = harness_stream(9);
    uint64_t words[7];
    for (uint64_t left = PRODUCERS * per_producer; left > 0;) {
        if (arb_mpsc_try_pop(ring, words)) {
            left--;
            continue;
        }
        /* what is pushed between the first look and the flag is for the second look to find */
        if (harness_random(&random) >> 61 == 0)
            sched_yield();
        arb_parker_prepare(&parker);
#ifndef MUTANT_NO_SECOND_LOOK
        if (arb_mpsc_peek(ring) != NULL) {
            arb_parker_cancel(&parker);
            continue;
        }
#endif
        int64_t begun_ns = now_ns();
        arb_parker_wait(&parker, limit_ns);
        if (now_ns() - begun_ns >= limit_ns && arb_mpsc_peek(ring) != NULL)
            forbid("lost wake with %llu records to come", (unsigned long long)left);
    }
}

int main(int argc, char **argv)
{
    pthread_t producers[PRODUCERS];
    harness_arguments(argc, argv);
    per_producer = harness_operations / PRODUCERS + 1;
    ring = harness_block(arb_mpsc_ring_bytes(64));
    arb_mpsc_ring_init(ring, 64);
    arb_parker_init(&parker, true);
    for (uintptr_t producer = 0; producer < PRODUCERS; producer++)
        producers[producer] = harness_thread(produce, (void *)producer);
    consume();
    uint64_t woken = 0;
    for (uint32_t producer = 0; producer < PRODUCERS; producer++) {
        pthread_join(producers[producer], NULL);
        woken += calls[producer];
    }
    printf("%llu operations, %llu parks, %llu wakes, %llu calls\n",
           (unsigned long long)(PRODUCERS * per_producer), (unsigned long long)parker.parks,
           (unsigned long long)parker.wakes, (unsigned long long)woken);
    if (parker.wakes > parker.parks)
        forbid("more wakes than parks");
    if (per_producer > 10000 && parker.parks == 0)
        forbid("the consumer never parked: this run proves nothing");
    free(ring);
    return 0;
}
