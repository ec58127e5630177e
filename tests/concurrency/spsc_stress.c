/* SPSC ring under stress: one producer, one consumer, one meter; capacities 1, 2, 4, 64; positions
 * that wrap in the middle of the run.
 *
 *   observed by the consumer               outcome     why
 *   -------------------------------------- ----------- ----------------------------------------
 *   record n, then n + 1                   ACCEPTABLE  first in, first out, nothing skipped
 *   empty while a push is under way        ACCEPTABLE  not published yet
 *   record n, then not n + 1               FORBIDDEN   lost, doubled or out of order
 *   words of two records in one            FORBIDDEN   a slot was written that was still read
 *   counters apart at the end              FORBIDDEN   the positions disagree with the slots
 *   a data race reported by TSan           FORBIDDEN   the sequence does not order the payload
 */
#include "harness.h"

#include "spsc_ring.h"

static arb_spsc_ring_t *ring;
static uint64_t per_ring;

static void *produce(void *unused)
{
    uint64_t random = harness_stream(1), words[8][7], next = 0;
    uint32_t spins = 0;
    while (next < per_ring) {
        uint32_t want = 1 + (uint32_t)(harness_random(&random) >> 60) % 8, done;
        if (want > per_ring - next)
            want = (uint32_t)(per_ring - next);
        for (uint32_t record = 0; record < want; record++)
            harness_fill(words[record], 7, next + record);
        done = want == 1 ? arb_spsc_try_push(ring, words) : arb_spsc_push_batch(ring, words, want);
        next += done;
        if (done == 0)
            harness_idle(&spins);
        harness_disturb(&random);
    }
    return unused;
}

static void check(const uint64_t *words, uint64_t expected)
{
    if (!harness_whole(words, 7))
        forbid("torn record %llu", (unsigned long long)words[0]);
    if (words[0] != expected)
        forbid("record %llu where %llu was due", (unsigned long long)words[0],
               (unsigned long long)expected);
}

static void *consume(void *unused)
{
    uint64_t random = harness_stream(2), words[8][7], next = 0;
    uint32_t spins = 0;
    while (next < per_ring) {
        uint32_t done = 0, way = (uint32_t)(harness_random(&random) >> 62);
        if (way == 0) {
            done = arb_spsc_try_pop(ring, words);
        } else if (way == 1) {
            const uint64_t *record = arb_spsc_peek(ring);
            if (record != NULL) {
                memcpy(words[0], record, 56);
                arb_spsc_advance(ring);
                done = 1;
            }
        } else {
            done = arb_spsc_drain(ring, words, 8);
        }
        for (uint32_t record = 0; record < done; record++)
            check(words[record], next + record);
        next += done;
        if (done == 0)
            harness_idle(&spins);
        harness_disturb(&random);
    }
    return unused;
}

static void run(uint32_t capacity, uint64_t first)
{
    ring = harness_block(arb_spsc_ring_bytes(capacity));
    arb_spsc_ring_init_at(ring, capacity, first);
    pthread_t producer = harness_thread(produce, NULL), consumer = harness_thread(consume, NULL);
    for (uint32_t look = 0; look < 100; look++) {
        if (arb_spsc_depth(ring) > capacity)
            forbid("depth above capacity");
        usleep(50);
    }
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);
    if (ring->pushed - first != per_ring || ring->popped != ring->pushed ||
        arb_spsc_depth(ring) != 0)
        forbid("counters: %llu pushed, %llu popped", (unsigned long long)(ring->pushed - first),
               (unsigned long long)(ring->popped - first));
    free(ring);
}

int main(int argc, char **argv)
{
    harness_arguments(argc, argv);
    per_ring = harness_operations / 4 + 1;
    run(1, (uint64_t)0 - per_ring / 2);
    run(2, ((uint64_t)1 << 63) - per_ring / 2);
    run(4, ((uint64_t)1 << 32) - per_ring / 2);
    run(64, 0);
    printf("%llu operations\n", (unsigned long long)(4 * per_ring));
    return 0;
}
