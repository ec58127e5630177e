/* Journal parts under stress: the strategy appends, a cold thread makes parts and reads finished
 * ones; a part holds 16 records, so that it turns all the time.
 *
 *   observed by the cold thread            outcome     why
 *   -------------------------------------- ----------- ----------------------------------------
 *   a finished part, every record whole    ACCEPTABLE  it was given back after its last record
 *   an append refused, tried again later   ACCEPTABLE  no part had been offered in time
 *   a finished part with a record missing  FORBIDDEN   it was given back too early
 *   a record that is not the next one      FORBIDDEN   a part was taken twice, or too late
 *   refused although there was room        FORBIDDEN   the gate let an order through for nothing
 */
#include "harness.h"

#include "journal.h"

enum { CAPACITY = 16, PARTS = 3, WORDS = ARB_JOURNAL_PAYLOAD_BYTES / 8 };

static arb_journal_record_t *parts[PARTS];
static arb_journal_t journal;
static uint64_t done_flag, appended;

/* Read a part that nobody writes any more, with plain loads: TSan judges whether that is so. */
static uint64_t read_part(const arb_journal_record_t *records, uint64_t first, uint64_t wanted)
{
    uint64_t count = arb_journal_valid_count(records, CAPACITY, 7, first);
    if (wanted && count != wanted)
        forbid("%llu of %llu records from %llu", (unsigned long long)count,
               (unsigned long long)wanted, (unsigned long long)first);
    for (uint64_t index = 0; index < count; index++) {
        uint64_t words[WORDS];
        memcpy(words, records[index].payload, sizeof words);
        if (!harness_whole(words, WORDS) || words[0] != first + index)
            forbid("record %llu holds another's words", (unsigned long long)(first + index));
    }
    return count;
}

static void *keep(void *argument)
{
    (void)argument;
    uint64_t random = harness_stream(1), read = 0, next = 1;
    arb_journal_record_t *filling = parts[0], *spare = NULL;
    uint32_t spins = 0;
    for (;;) {
        bool finished = arb_load_acquire(&done_flag) != 0;
        if (!arb_journal_wants_part(&journal)) {
            if (finished)
                break;
            harness_idle(&spins);
            continue;
        }
        if (spare != NULL) {
            read += read_part(filling, read + 1, CAPACITY);
            filling = spare;
        }
        if (finished)
            break;
        spare = parts[next++ % PARTS];
        memset(spare, 0, CAPACITY * sizeof *spare);
        arb_journal_offer(&journal, spare, CAPACITY);
        harness_disturb(&random);
    }
    read += read_part(filling, read + 1, 0);
    if (read != appended)
        forbid("%llu records read, %llu appended", (unsigned long long)read,
               (unsigned long long)appended);
    return NULL;
}

int main(int argc, char **argv)
{
    harness_arguments(argc, argv);
    uint64_t random = harness_stream(2), words[WORDS];
    uint32_t spins = 0;
    for (uint32_t part = 0; part < PARTS; part++)
        parts[part] = harness_block(CAPACITY * sizeof *parts[part]);
    journal.records = parts[0];
    journal.capacity = CAPACITY;
    journal.run = 7;
    pthread_t keeper = harness_thread(keep, NULL);
    while (appended < harness_operations) {
        uint64_t room = arb_journal_room(&journal);
        harness_fill(words, WORDS, appended + 1);
        if (arb_journal_append(&journal, ARB_JOURNAL_EXEC, words, sizeof words, 1)) {
            appended++;
            if (room > 2 * CAPACITY)
                forbid("room of %llu records", (unsigned long long)room);
        } else if (room != 0) {
            forbid("refused with room for %llu records", (unsigned long long)room);
        } else {
            harness_idle(&spins);
        }
        harness_disturb(&random);
    }
    arb_store_release(&done_flag, 1);
    pthread_join(keeper, NULL);
    printf("%llu operations\n", (unsigned long long)harness_operations);
    return 0;
}
