/* Intent door under stress: one producer, one consumer that keeps its own position; positions that
 * wrap in the middle of the run.
 *
 *   observed by the consumer               outcome     why
 *   -------------------------------------- ----------- ----------------------------------------
 *   intent n, then n + 1                   ACCEPTABLE  first in, first out, nothing skipped
 *   empty while a push is under way        ACCEPTABLE  the position has not moved yet
 *   intent n, then not n + 1               FORBIDDEN   lost, doubled or out of order
 *   words of two intents in one            FORBIDDEN   a slot was written that was still read
 *   counters apart at the end              FORBIDDEN   the positions disagree
 */
#include "harness.h"

#include "intent_door.h"

static arb_intent_door_t *door;
static uint64_t intents, begun_at;

static void *produce(void *unused)
{
    uint64_t random = harness_stream(1), words[7];
    uint32_t spins = 0;
    for (uint64_t next = 0; next < intents;) {
        harness_fill(words, 7, next);
        if (arb_door_try_push(door, (const arb_intent_t *)words))
            next++;
        else
            harness_idle(&spins);
        harness_disturb(&random);
    }
    return unused;
}

static void *consume(void *unused)
{
    uint64_t random = harness_stream(2), words[7], taken = begun_at;
    uint32_t spins = 0;
    for (uint64_t next = 0; next < intents;) {
        if (!arb_door_take(door, &taken, (arb_intent_t *)words)) {
            harness_idle(&spins);
            continue;
        }
        if (!harness_whole(words, 7))
            forbid("torn intent %llu", (unsigned long long)words[0]);
        if (words[0] != next)
            forbid("intent %llu where %llu was due", (unsigned long long)words[0],
                   (unsigned long long)next);
        next++;
        /* long rests, so that the door fills as well */
        if (harness_random(&random) >> 52 == 0)
            usleep(200);
        harness_disturb(&random);
    }
    return unused;
}

int main(int argc, char **argv)
{
    harness_arguments(argc, argv);
    intents = harness_operations;
    begun_at = (uint64_t)0 - intents / 2;
    door = harness_block(sizeof *door);
    door->pushed = door->taken = begun_at;
    pthread_t producer = harness_thread(produce, NULL), consumer = harness_thread(consume, NULL);
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);
    if (door->pushed - begun_at != intents || door->taken != door->pushed)
        forbid("counters: %llu pushed, %llu taken", (unsigned long long)(door->pushed - begun_at),
               (unsigned long long)(door->taken - begun_at));
    printf("%llu operations, %llu refused\n", (unsigned long long)intents,
           (unsigned long long)door->dropped);
    return 0;
}
