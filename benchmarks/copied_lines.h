/* Bench: what it costs to move lines from one core to others when nothing is handed over.
 *
 * One core writes a pile of lines; then the others copy it, all at once. Each times its own part
 * alone, and a line costs what the slowest part took: writer and readers of a ring at best work at
 * the same time all along, and then the slowest of them sets the pace. Everybody works in batches
 * of bulk copies, and whose turn it is is told outside the stretches that are timed.
 */
#ifndef ARB_BENCH_COPIED_LINES_H
#define ARB_BENCH_COPIED_LINES_H

#include "bench.h"

enum { ARB_COPIERS_MAX = 4, ARB_COPY_BYTES = 4096 }; /* of a batch: 64 lines */

typedef struct {
    ARB_SEPARATED uint64_t written; /* piles so far */
    ARB_SEPARATED const char *lines;
    uint64_t bytes, piles, cost;
} arb_pile_t;

typedef struct {
    ARB_SEPARATED uint64_t done; /* piles so far; `took` is of the last of them */
    uint64_t took;
    arb_pile_t *pile;
    int core;
} arb_copier_t;

static inline void arb_bench_await(const uint64_t *word, uint64_t value)
{
    while (arb_load_acquire(word) != value)
        arb_cpu_relax();
}

static inline void *arb_copy_piles(void *given)
{
    arb_copier_t *copier = given;
    const arb_pile_t *pile = copier->pile;
    char *mine = arb_bench_zeroed(ARB_COPY_BYTES);
    arb_bench_pin(copier->core);
    for (uint64_t number = 1; number <= pile->piles; number++) {
        arb_bench_await(&pile->written, number);
        uint64_t begin = arb_bench_tick();
        for (uint64_t at = 0; at < pile->bytes; at += ARB_COPY_BYTES) {
            memcpy(mine, pile->lines + at, ARB_COPY_BYTES);
            ARB_BENCH_USE(mine);
        }
        copier->took = arb_bench_tick() - begin;
        arb_store_release(&copier->done, number);
    }
    free(mine);
    return NULL;
}

/* ns of `each` bytes, a sample a pile of `bytes`; the first pile, of cold lines, is not sampled. */
static inline void arb_bench_copied(const int *cores, int copiers, uint64_t bytes, uint64_t each,
                                    uint64_t piles, double *samples)
{
    arb_copier_t *all = arb_bench_zeroed(ARB_COPIERS_MAX * sizeof *all);
    arb_pile_t *pile = arb_bench_zeroed(sizeof *pile);
    pthread_t threads[ARB_COPIERS_MAX];
    char *mine = arb_bench_zeroed(ARB_COPY_BYTES), *lines = arb_bench_zeroed(bytes);
    uint64_t cost = arb_bench_cost();
    *pile = (arb_pile_t){.lines = lines, .bytes = bytes, .piles = piles + 1, .cost = cost};
    for (int index = 0; index < copiers; index++) {
        all[index].pile = pile;
        all[index].core = cores[index];
        pthread_create(&threads[index], NULL, arb_copy_piles, &all[index]);
    }
    arb_bench_ns_per_tick();
    for (uint64_t number = 1; number <= piles + 1; number++) {
        memset(mine, (int)number, ARB_COPY_BYTES);
        uint64_t begin = arb_bench_tick();
        for (uint64_t at = 0; at < bytes; at += ARB_COPY_BYTES) {
            memcpy(lines + at, mine, ARB_COPY_BYTES);
            ARB_BENCH_USE(lines);
        }
        uint64_t slowest = arb_bench_tick() - begin;
        arb_store_release(&pile->written, number);
        for (int index = 0; index < copiers; index++) {
            arb_bench_await(&all[index].done, number);
            slowest = all[index].took > slowest ? all[index].took : slowest;
        }
        if (number > 1)
            samples[number - 2] =
                arb_bench_each(0, slowest, cost, (double)bytes / (double)each);
    }
    for (int index = 0; index < copiers; index++)
        pthread_join(threads[index], NULL);
    free(lines);
    free(mine);
    free(pile);
    free(all);
}

#endif
