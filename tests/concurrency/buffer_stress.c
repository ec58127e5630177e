/* The buffer pool under threads that take, write, hand over and give back at random.
 *
 * observed                                              outcome
 * ----------------------------------------------------  ----------
 * a buffer taken holds what its last holder wrote       ACCEPTABLE
 * no buffer is to be had while others hold them all     ACCEPTABLE
 * a buffer changes while one thread holds it            FORBIDDEN  two holders
 * a take is refused while fewer are out than there are  FORBIDDEN  a buffer was lost
 * a give of a buffer that is out is refused, or of one
 *   that is not, or of no buffer's start, is accepted   FORBIDDEN
 * not every buffer is free at the end                   FORBIDDEN  a buffer was lost
 */
#include "harness.h"

#include "buffer_pool.h"

enum { THREADS = 4, HELD_MAX = 24, WORDS = 12 };

static arb_buffer_pool_t *pool;
static uint64_t per_thread, refused[THREADS];
static bool never_refused; /* more buffers than threads ever hold */
static char *handed[THREADS]; /* one buffer a thread, put there for its neighbour to give */

static void check_and_give(char *payload)
{
    if (!harness_whole((const uint64_t *)(void *)payload, WORDS))
        forbid("a buffer changed in its holder's hands");
    if (arb_buffer_pool_give(pool, payload + 64))
        forbid("an address inside a buffer was taken back");
    if (!arb_buffer_pool_give(pool, payload))
        forbid("a buffer that was out was not taken back");
}

static void give_neighbours(uint64_t thread)
{
    /* acquire: its bytes came with it; pairs with the release below */
    char *payload = __atomic_exchange_n(&handed[(thread + 1) % THREADS], NULL, __ATOMIC_ACQ_REL);
    if (payload != NULL)
        check_and_give(payload);
}

static void *work(void *argument)
{
    uint64_t thread = (uintptr_t)argument, random = harness_stream(thread), number = thread << 56;
    char *held[HELD_MAX];
    uint32_t held_count = 0, spins = 0;
    for (uint64_t done = 0; done < per_thread; done++) {
        uint64_t dice = harness_random(&random) >> 60;
        if (held_count < HELD_MAX && dice < 8) {
            char *payload = arb_buffer_pool_take(pool);
            if (payload == NULL) {
                refused[thread]++;
                if (never_refused)
                    forbid("a take was refused with buffers to spare");
                harness_idle(&spins);
            } else {
                harness_fill((uint64_t *)(void *)payload, WORDS, ++number);
                held[held_count++] = payload;
            }
        } else if (held_count > 0 && dice < 10) {
            /* the neighbour gives it: the pool does not mind who does */
            char *other = __atomic_exchange_n(&handed[thread], held[--held_count],
                                              __ATOMIC_ACQ_REL);
            if (other != NULL)
                check_and_give(other);
        } else if (held_count > 0) {
            uint32_t place = (uint32_t)(harness_random(&random) >> 32) % held_count;
            check_and_give(held[place]);
            held[place] = held[--held_count];
        }
        give_neighbours(thread);
        harness_disturb(&random);
    }
    while (held_count > 0)
        check_and_give(held[--held_count]);
    return NULL;
}

static void run(uint32_t buffer_count)
{
    pthread_t threads[THREADS];
    pool = harness_block(arb_buffer_pool_bytes(buffer_count, WORDS * 8));
    arb_buffer_pool_init(pool, buffer_count, WORDS * 8);
    memset(refused, 0, sizeof refused);
    never_refused = buffer_count > 2 * THREADS * (HELD_MAX + 1);
    for (uintptr_t thread = 0; thread < THREADS; thread++)
        threads[thread] = harness_thread(work, (void *)thread);
    uint64_t refusals = 0;
    for (uint32_t thread = 0; thread < THREADS; thread++) {
        pthread_join(threads[thread], NULL);
        refusals += refused[thread];
    }
    for (uint32_t thread = 0; thread < THREADS; thread++)
        if (handed[thread] != NULL)
            check_and_give(handed[thread]);
    memset(handed, 0, sizeof handed);
    if (arb_buffer_pool_free_count(pool) != buffer_count || pool->exhausted_count != refusals ||
        pool->used_count_max > buffer_count)
        forbid("%u of %u buffers are free, %llu takes refused of %llu",
               arb_buffer_pool_free_count(pool), buffer_count,
               (unsigned long long)pool->exhausted_count, (unsigned long long)refusals);
    char *last = arb_buffer_pool_take(pool);
    if (last == NULL || !arb_buffer_pool_give(pool, last) || arb_buffer_pool_give(pool, last))
        forbid("a buffer was taken back twice, or not once");
    free(pool);
}

int main(int argc, char **argv)
{
    harness_arguments(argc, argv);
    per_thread = harness_operations / (5 * THREADS) + 1;
    run(1);
    run(3);
    run(70);  /* two words of bits */
    run(256); /* never all out */
    run(ARB_BUFFER_COUNT_MAX);
    printf("%llu operations\n", (unsigned long long)(5 * THREADS * per_thread));
    return 0;
}
