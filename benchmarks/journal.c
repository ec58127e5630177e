/* What does it cost to write an order down before it leaves? */
#include "bench.h"
#include "journal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
    arb_journal_t journal;
    char *copies; /* the floor's own mapping */
    char *mapping;
    size_t bytes;
    int file; /* the peer's, written with write() */
} bench_journal_t;

static char *map_file(const char *path, size_t bytes)
{
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || posix_fallocate(file, 0, (off_t)bytes) != 0)
        return NULL;
    char *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapping == MAP_FAILED)
        return NULL;
    return memset(mapping, 0, bytes); /* every page touched, as the journal's owner does */
}

ARB_BENCH_API bench_journal_t *journal_new(const char *ours, const char *floor, const char *peer,
                                           uint64_t capacity)
{
    bench_journal_t *bench = calloc(1, sizeof *bench);
    bench->bytes = capacity * ARB_JOURNAL_RECORD_BYTES;
    bench->mapping = map_file(ours, bench->bytes);
    bench->copies = map_file(floor, bench->bytes);
    bench->file = open(peer, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
    if (bench->mapping == NULL || bench->copies == NULL || bench->file < 0)
        return NULL;
    bench->journal.records = (arb_journal_record_t *)(void *)bench->mapping;
    bench->journal.capacity = capacity;
    bench->journal.run = 1;
    return bench;
}

ARB_BENCH_API void journal_free(bench_journal_t *bench)
{
    munmap(bench->mapping, bench->bytes);
    munmap(bench->copies, bench->bytes);
    close(bench->file);
    free(bench);
}

/* How many records are whole: what was timed is what was written. */
ARB_BENCH_API uint64_t journal_valid(const bench_journal_t *bench)
{
    return arb_journal_valid_count(bench->journal.records, bench->journal.capacity, 1, 1);
}

ARB_BENCH_API void append_pass(bench_journal_t *bench, const arb_order_t *orders, uint64_t batches,
                               uint64_t batch, double *samples)
{
    uint64_t cost = arb_bench_cost();
    bench->journal.count = 0;
    for (uint64_t number = 0; number < batches; number++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t at = number * batch; at < (number + 1) * batch; at++)
            arb_journal_append(&bench->journal, ARB_JOURNAL_INTENT, orders + at % batch,
                               sizeof *orders, (int64_t)at);
        samples[number] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
    }
}

ARB_BENCH_API void copy_pass(bench_journal_t *bench, const arb_order_t *orders, uint64_t batches,
                             uint64_t batch, double *samples)
{
    uint64_t cost = arb_bench_cost();
    for (uint64_t number = 0; number < batches; number++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t at = number * batch; at < (number + 1) * batch; at++) {
            char *place = bench->copies + at * ARB_JOURNAL_RECORD_BYTES;
            memcpy(place, orders + at % batch, sizeof *orders);
            __asm__ __volatile__("" : : "r"(place) : "memory");
        }
        samples[number] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
    }
}

ARB_BENCH_API void write_pass(bench_journal_t *bench, const arb_order_t *orders, uint64_t batches,
                              uint64_t batch, double *samples)
{
    uint64_t cost = arb_bench_cost();
    char record[ARB_JOURNAL_RECORD_BYTES] = {0};
    if (ftruncate(bench->file, 0) != 0)
        return;
    for (uint64_t number = 0; number < batches; number++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t at = 0; at < batch; at++) {
            memcpy(record, orders + at, sizeof *orders);
            if (write(bench->file, record, sizeof record) != sizeof record)
                return;
        }
        samples[number] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
    }
}
