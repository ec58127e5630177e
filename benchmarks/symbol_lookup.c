/* What does finding a row by (venue, venue symbol) cost? */
#include "bench.h"
#include "symbol_map.h"

typedef struct {
    uint32_t venue;
    uint32_t bytes;
    const char *name;
} lookup_t;

ARB_BENCH_API arb_symbol_map_t *map_new(uint32_t capacity)
{
    size_t bytes = arb_symbol_map_bytes(capacity);
    arb_symbol_map_t *map = aligned_alloc(ARB_SEPARATION_BYTES, bytes);
    arb_symbol_map_init(map, capacity);
    return map;
}
ARB_BENCH_API void map_free(arb_symbol_map_t *map) { free(map); }

ARB_BENCH_API int map_insert(arb_symbol_map_t *map, uint32_t venue, const char *name,
                             uint64_t bytes, uint32_t row)
{
    return arb_symbol_map_insert(map, venue, name, bytes, row);
}

/* Look every name up, in order; rows are written out so that they can be compared. */
ARB_BENCH_API void find_pass(const arb_symbol_map_t *map, const lookup_t *lookups, uint64_t batches,
                             uint64_t batch, uint32_t *rows, double *samples)
{
    uint64_t cost = arb_bench_cost();
    for (uint64_t number = 0; number < batches; number++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t at = number * batch; at < (number + 1) * batch; at++) {
            const lookup_t *lookup = lookups + at;
            rows[at] = arb_symbol_map_find(map, lookup->venue, lookup->name, lookup->bytes);
        }
        samples[number] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
    }
}

/* The floor: the names' bytes are looked at once, and the rows known beforehand written out. */
ARB_BENCH_API void read_pass(const lookup_t *lookups, const uint32_t *known, uint64_t batches,
                             uint64_t batch, uint32_t *rows, double *samples)
{
    uint64_t cost = arb_bench_cost();
    for (uint64_t number = 0; number < batches; number++) {
        uint64_t begin = arb_bench_tick(), sum = 0;
        for (uint64_t at = number * batch; at < (number + 1) * batch; at++) {
            const lookup_t *lookup = lookups + at;
            uint32_t word, last = lookup->bytes - sizeof word; /* the names are as long at least */
            for (uint32_t offset = 0; offset < last; offset += sizeof word) {
                memcpy(&word, lookup->name + offset, sizeof word);
                sum ^= word;
            }
            memcpy(&word, lookup->name + last, sizeof word);
            sum ^= word;
            rows[at] = known[at];
        }
        ARB_BENCH_USE(sum);
        samples[number] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
    }
}
