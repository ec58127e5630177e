/* The board under stress: one writer that never rests for long, two readers.
 *
 *   observed by a reader                   outcome     why
 *   -------------------------------------- ----------- ----------------------------------------
 *   a text all of one write                ACCEPTABLE  its page's two looks agree
 *   no text after many tries               ACCEPTABLE  the writer overtook each of them
 *   text n, later n - 1                    FORBIDDEN   a reader never goes back
 *   words or a length of two writes        FORBIDDEN   a torn copy passed the second look
 */
#include "harness.h"

#include "board.h"

enum { WORDS_MAX = 24 };
static arb_board_t board;
static uint64_t done_flag;

/* Every write has another length, also no whole words: the length is of the write too. */
static uint64_t bytes_of(uint64_t index)
{
    return 8 + index * 13 % (8 * WORDS_MAX - 7);
}

static void *read_all(void *argument)
{
    static __thread char text[ARB_BOARD_BYTES_MAX];
    uint64_t last = 0, reads = 0, misses = 0;
    uint32_t spins = 0;
    while (arb_load_acquire(&done_flag) == 0 || reads == 0) {
        uint64_t words[WORDS_MAX], bytes = arb_board_read(&board, text);
        if (bytes == 0) {
            misses++;
            harness_idle(&spins);
            continue;
        }
        reads++;
        if (bytes < 8 || bytes > sizeof words)
            forbid("a text of %llu bytes", (unsigned long long)bytes);
        memcpy(words, text, sizeof words);
        uint64_t expected[WORDS_MAX];
        harness_fill(expected, WORDS_MAX, words[0]);
        if (bytes != bytes_of(words[0]) || memcmp(text, expected, bytes) != 0)
            forbid("torn text of write %llu", (unsigned long long)words[0]);
        if (words[0] < last)
            forbid("write %llu after %llu", (unsigned long long)words[0], (unsigned long long)last);
        last = words[0];
    }
    *(uint64_t *)argument = misses;
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t words[WORDS_MAX], misses[2], random;
    harness_arguments(argc, argv);
    random = harness_stream(3);
    pthread_t first = harness_thread(read_all, misses);
    pthread_t second = harness_thread(read_all, misses + 1);
    for (uint64_t index = 1; index <= harness_operations; index++) {
        harness_fill(words, WORDS_MAX, index);
        if (!arb_board_write(&board, (const char *)words, bytes_of(index)))
            forbid("write %llu was refused", (unsigned long long)index);
        harness_disturb(&random);
    }
    arb_store_release(&done_flag, 1);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    printf("%llu operations\n", (unsigned long long)harness_operations);
    return 0;
}
