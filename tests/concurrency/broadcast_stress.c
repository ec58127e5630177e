/* Broadcast ring under stress: one writer, two readers; capacities 1, 2, 8, 64; wrapping positions.
 *
 *   observed by a reader                   outcome     why
 *   -------------------------------------- ----------- ----------------------------------------
 *   record n, then n + 1                   ACCEPTABLE  it keeps up
 *   record n, lost += k, then n + k + 1    ACCEPTABLE  it was lapped and knows by how much
 *   nothing while the writer is in the slot ACCEPTABLE  not whole yet
 *   record n under another cursor          FORBIDDEN   a slot was taken for another lap's
 *   words of two records in one            FORBIDDEN   a torn copy passed the second look
 *   read + lost != published at the end    FORBIDDEN   the loss is not exact
 */
#include "harness.h"

#include "broadcast_ring.h"

enum { READERS = 2 };
static arb_broadcast_ring_t *ring;
static uint64_t per_ring, done_flag;

static void *read_all(void *argument)
{
    uint64_t random = harness_stream((uintptr_t)argument), words[15], reads = 0;
    uint32_t spins = 0;
    arb_broadcast_reader_t reader;
    /* both begin before the writer: thread creation orders the ring's initialisation only */
    reader.cursor = ring->first_position;
    reader.lost = 0;
    for (;;) {
        bool finished = arb_load_acquire(&done_flag) != 0;
        bool any = false;
        while (arb_broadcast_try_read(ring, &reader, words)) {
            any = true;
            reads++;
            if (!harness_whole(words, 15))
                forbid("torn record %llu", (unsigned long long)words[0]);
            if (words[0] != reader.cursor - 1 - ring->first_position)
                forbid("record %llu under cursor %llu", (unsigned long long)words[0],
                       (unsigned long long)(reader.cursor - ring->first_position));
            harness_disturb(&random);
        }
        if (finished && !any && reads + reader.lost == per_ring)
            break;
        if (finished && reads + reader.lost > per_ring)
            forbid("%llu read + %llu lost", (unsigned long long)reads,
                   (unsigned long long)reader.lost);
        if (!any)
            harness_idle(&spins);
    }
    return NULL;
}

static void run(uint32_t capacity, uint64_t first)
{
    pthread_t readers[READERS];
    uint64_t random = harness_stream(7), words[15];
    ring = harness_block(arb_broadcast_ring_bytes(capacity));
    arb_broadcast_ring_init_at(ring, capacity, first);
    arb_store_release(&done_flag, 0);
    for (uintptr_t reader = 0; reader < READERS; reader++)
        readers[reader] = harness_thread(read_all, (void *)reader);
    for (uint64_t index = 0; index < per_ring; index++) {
        harness_fill(words, 15, index);
        arb_broadcast_publish(ring, words);
        harness_disturb(&random);
        if (harness_random(&random) >> 59 == 0)
            for (uint32_t spin = 0; spin < 100; spin++)
                arb_cpu_relax();
    }
    arb_store_release(&done_flag, 1);
    for (uint32_t reader = 0; reader < READERS; reader++)
        pthread_join(readers[reader], NULL);
    free(ring);
}

int main(int argc, char **argv)
{
    harness_arguments(argc, argv);
    per_ring = harness_operations / 4 + 1;
    run(1, (uint64_t)0 - per_ring / 2);
    run(2, ((uint64_t)1 << 63) - per_ring / 2);
    run(8, ((uint64_t)1 << 62) - per_ring / 2);
    run(64, 0);
    printf("%llu operations\n", (unsigned long long)(4 * per_ring));
    return 0;
}
