/* Seqlock under stress: one writer that never rests for long, two readers.
 *
 *   observed by a reader                   outcome     why
 *   -------------------------------------- ----------- ----------------------------------------
 *   a payload all of one write             ACCEPTABLE  the two looks at the version agree
 *   a refused try                          ACCEPTABLE  the writer was in the payload
 *   payload n, later n - 1                 FORBIDDEN   a reader never goes back
 *   words of two writes in one payload     FORBIDDEN   a torn copy passed the second look
 */
#include "harness.h"

#include "seqlock.h"

enum { WORDS = 12 };
static struct {
    uint64_t version, payload[WORDS];
} shared __attribute__((aligned(128)));
static uint64_t done_flag;

static void *read_all(void *argument)
{
    uint64_t words[WORDS], last = 0, reads = 0, tries = 0;
    uint32_t spins = 0;
    while (arb_load_acquire(&done_flag) == 0 || reads == 0) {
        uint64_t begun = arb_seqlock_read_begin(&shared.version);
        arb_copy_words_out(words, shared.payload, sizeof words);
        tries++;
        if (!arb_seqlock_read_valid(&shared.version, begun)) {
            harness_idle(&spins);
            continue;
        }
        reads++;
        if (!harness_whole(words, WORDS))
            forbid("torn payload of write %llu", (unsigned long long)words[0]);
        if (words[0] < last)
            forbid("write %llu after %llu", (unsigned long long)words[0], (unsigned long long)last);
        last = words[0];
    }
    *(uint64_t *)argument = tries;
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t words[WORDS], tries[2], random;
    harness_arguments(argc, argv);
    random = harness_stream(3);
    harness_fill(shared.payload, WORDS, 0);
    pthread_t first = harness_thread(read_all, tries), second = harness_thread(read_all, tries + 1);
    for (uint64_t index = 1; index <= harness_operations; index++) {
        harness_fill(words, WORDS, index);
        arb_seqlock_write_begin(&shared.version);
        arb_copy_words_in(shared.payload, words, sizeof words);
        arb_seqlock_write_end(&shared.version);
        harness_disturb(&random);
    }
    arb_store_release(&done_flag, 1);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    printf("%llu operations\n", (unsigned long long)harness_operations);
    return 0;
}
