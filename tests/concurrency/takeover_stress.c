/* Ends of rings whose holders are killed: processes on shared memory, SIGKILL at any instant.
 *
 *   observed after the takeover            outcome     why
 *   -------------------------------------- ----------- ----------------------------------------
 *   the next record is the next number     ACCEPTABLE  positions recover from the slots
 *   a record half written, never seen      ACCEPTABLE  its slot was not published
 *   a record lost, doubled or torn         FORBIDDEN   a stale position, or a slot written twice
 *   a ring that stays full or empty        FORBIDDEN   the new holder waits for a turn long over
 */
#include "harness.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "broadcast_ring.h"
#include "spsc_ring.h"

static void *shared_block(uint64_t bytes)
{
    void *block =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        forbid("no shared memory");
    return block;
}

static void expect(const uint64_t *words, uint32_t count, uint64_t number)
{
    if (!harness_whole(words, count) || words[0] != number)
        forbid("record %llu where %llu was due", (unsigned long long)words[0],
               (unsigned long long)number);
}

/* Nothing to do: forbidden when it lasts, for then a new holder waits for a turn long over. */
static void idle_or_stuck(time_t *since)
{
    struct timespec now;
    sched_yield();
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (*since == 0)
        *since = now.tv_sec;
    if (now.tv_sec - *since > 3)
        forbid("nothing moved for 3 seconds");
}

static pid_t start(void (*body)(void *), void *ring)
{
    pid_t child = fork();
    if (child == 0) {
        body(ring);
        _exit(0);
    }
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* Records carry their position: whoever continues at the recovered position continues the
 * numbers. */
static void push_for_ever(void *argument)
{
    arb_spsc_ring_t *ring = argument;
    uint64_t words[8][7];
    arb_spsc_producer_recover(ring);
    for (uint32_t spins = 0;;) {
        uint64_t position = arb_load_relaxed(&ring->pushed);
        uint32_t count = 1 + position % 8;
        for (uint32_t record = 0; record < count; record++)
            harness_fill(words[record], 7, position + record);
        if (arb_spsc_push_batch(ring, words, count) == 0)
            harness_idle(&spins);
    }
}

static uint64_t kill_producers(uint64_t kills, uint32_t capacity)
{
    arb_spsc_ring_t *ring = shared_block(arb_spsc_ring_bytes(capacity));
    uint64_t random = harness_stream(1), words[7], next = 0;
    time_t since = 0;
    arb_spsc_ring_init(ring, capacity);
    for (uint64_t round = 0; round < kills; round++) {
        pid_t child = start(push_for_ever, ring);
        uint64_t goal = next + 1 + (harness_random(&random) >> 55);
        while (next < goal) {
            if (arb_spsc_try_pop(ring, words)) {
                expect(words, 7, next++);
                since = 0;
            } else {
                idle_or_stuck(&since);
            }
        }
        end(child);
        while (harness_random(&random) >> 62 != 0 && arb_spsc_try_pop(ring, words))
            expect(words, 7, next++);
    }
    return next;
}

typedef struct tracked {
    uint64_t last; /* number of the record the consumer was at last */
    arb_spsc_ring_t *ring;
} tracked_t;

static void pop_for_ever(void *argument)
{
    tracked_t *tracked = argument;
    uint64_t words[7];
    uint32_t spins = 0;
    arb_spsc_consumer_recover(tracked->ring);
    for (;;) {
        const void *record = arb_spsc_peek(tracked->ring);
        if (record == NULL) {
            harness_idle(&spins);
            continue;
        }
        memcpy(words, record, sizeof words);
        expect(words, 7, arb_load_relaxed(&tracked->ring->popped));
        arb_store_relaxed(&tracked->last, words[0]);
        arb_spsc_advance(tracked->ring);
    }
}

static uint64_t kill_consumers(uint64_t kills, uint32_t capacity)
{
    tracked_t *tracked = shared_block(sizeof *tracked);
    arb_spsc_ring_t *ring = tracked->ring = shared_block(arb_spsc_ring_bytes(capacity));
    uint64_t random = harness_stream(2), words[7], next = 0;
    time_t since = 0;
    arb_spsc_ring_init(ring, capacity);
    for (uint64_t round = 0; round < kills; round++) {
        pid_t child = start(pop_for_ever, tracked);
        uint64_t goal = next + 1 + (harness_random(&random) >> 55);
        while (next < goal) {
            harness_fill(words, 7, next);
            if (arb_spsc_try_push(ring, words)) {
                next++;
                since = 0;
            } else {
                idle_or_stuck(&since);
            }
        }
        end(child);
        arb_spsc_consumer_recover(ring);
        uint64_t popped = ring->popped, last = tracked->last;
        if (popped != 0 && last != popped && last != popped - 1)
            forbid("the consumer was at %llu, the ring at %llu", (unsigned long long)last,
                   (unsigned long long)popped);
    }
    return next;
}

static void publish_for_ever(void *argument)
{
    arb_broadcast_ring_t *ring = argument;
    uint64_t words[15];
    arb_broadcast_producer_recover(ring);
    for (;;) {
        harness_fill(words, 15, arb_load_relaxed(&ring->published));
        arb_broadcast_publish(ring, words);
    }
}

static uint64_t kill_writers(uint64_t kills, uint32_t capacity)
{
    arb_broadcast_ring_t *ring = shared_block(arb_broadcast_ring_bytes(capacity));
    arb_broadcast_reader_t reader;
    uint64_t random = harness_stream(3), words[15], reads = 0;
    time_t since = 0;
    arb_broadcast_ring_init(ring, capacity);
    arb_broadcast_reader_init(ring, &reader, true);
    for (uint64_t round = 0; round < kills; round++) {
        pid_t child = start(publish_for_ever, ring);
        uint64_t goal = reads + 1 + (harness_random(&random) >> 57);
        while (reads < goal) {
            if (arb_broadcast_try_read(ring, &reader, words)) {
                expect(words, 15, reader.cursor - 1);
                reads++;
                since = 0;
            } else {
                idle_or_stuck(&since);
            }
        }
        end(child);
    }
    if (reads + reader.lost != reader.cursor)
        forbid("%llu read + %llu lost", (unsigned long long)reads, (unsigned long long)reader.lost);
    return reads;
}

/* The instants that a kill rarely meets: all is published or given back, nothing is counted yet. */
static void die_before_counting(uint32_t capacity)
{
    arb_spsc_ring_t *ring = shared_block(arb_spsc_ring_bytes(capacity));
    arb_broadcast_ring_t *broadcast = shared_block(arb_broadcast_ring_bytes(capacity));
    uint64_t words[64][15] = {{0}};
    for (uint32_t taken = 0; taken <= capacity; taken++) {
        arb_spsc_ring_init(ring, capacity);
        arb_spsc_push_batch(ring, words, capacity);
        arb_spsc_drain(ring, words, taken);
        ring->pushed = 0;
        arb_spsc_producer_recover(ring);
        if (ring->pushed != capacity)
            forbid("the producer recovered at %llu", (unsigned long long)ring->pushed);
        ring->popped = 0;
        arb_spsc_consumer_recover(ring);
        if (ring->popped != taken)
            forbid("the consumer recovered at %llu", (unsigned long long)ring->popped);
    }
    arb_broadcast_ring_init(broadcast, capacity);
    for (uint64_t position = 0; position < 3 * capacity; position++) {
        arb_broadcast_publish(broadcast, words);
        broadcast->published = position;
        arb_broadcast_producer_recover(broadcast);
        if (broadcast->published != position + 1)
            forbid("the writer recovered at %llu", (unsigned long long)broadcast->published);
    }
}

int main(int argc, char **argv)
{
    harness_arguments(argc, argv);
    uint64_t kills = harness_operations / 1000 + 1, records = 0;
    for (uint32_t capacity = 1; capacity <= 64; capacity *= 8) {
        die_before_counting(capacity);
        records += kill_producers(kills, capacity);
        records += kill_consumers(kills, capacity);
        records += kill_writers(kills, capacity);
    }
    printf("%llu operations, %llu kills\n", (unsigned long long)records,
           (unsigned long long)(9 * kills));
    return 0;
}
