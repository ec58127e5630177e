/* How long does a depth frame take to become part of a book? */
#include "bench.h"
#include "bybit_depth.h"
#include "okx_depth.h"

/* A book of the venue and the update that frames are read into. */
typedef struct bench_book {
    arb_depth_t depth;
    uint64_t before_book[8]; /* keeps the book apart */
} bench_book_t;

static inline arb_book_t *book_of(bench_book_t *bench)
{
    return (arb_book_t *)(void *)((char *)bench +
                                  arb_round_up(sizeof *bench, ARB_SEPARATION_BYTES));
}

ARB_BENCH_API void *book_new(uint32_t capacity)
{
    bench_book_t *bench = arb_bench_zeroed(arb_round_up(sizeof *bench, ARB_SEPARATION_BYTES) +
                                           arb_book_bytes(capacity));
    arb_book_init(book_of(bench), capacity);
    return bench;
}

ARB_BENCH_API void book_free(void *bench) { free(bench); }

static inline int take_bybit(bench_book_t *bench, const char *frame, size_t bytes)
{
    arb_frame_status_t status = arb_bybit_parse_depth(frame, bytes, &bench->depth);
    if (status != ARB_FRAME_QUOTE)
        return -1;
    return (int)arb_bybit_book_apply(book_of(bench), &bench->depth);
}

static inline int take_okx(bench_book_t *bench, const char *frame, size_t bytes)
{
    arb_frame_status_t status = arb_okx_parse_depth(frame, bytes, &bench->depth);
    if (status != ARB_FRAME_QUOTE)
        return -1;
    return (int)arb_okx_book_apply(book_of(bench), &bench->depth);
}

/* Copy the levels of a side as (price, quantity); returns their number. */
ARB_BENCH_API uint32_t book_side(void *bench, uint32_t side, double *out)
{
    uint32_t found;
    const arb_level_t *levels = arb_book_top(book_of(bench), side, UINT32_MAX, &found);
    memcpy(out, levels, found * sizeof *levels);
    return found;
}

/* Take the first frame, then time each of the others alone; returns the number of those that were
 * not applied. */
#define PASS(name, take)                                                                          \
    ARB_BENCH_API uint64_t name(void *bench, const char *packed, const uint64_t *starts,          \
                                uint64_t frames, double *samples)                                 \
    {                                                                                             \
        uint64_t cost = arb_bench_cost();                                                         \
        uint64_t lost = take(bench, packed, starts[1] - starts[0]) != ARB_BOOK_SNAPSHOT;          \
        for (uint64_t index = 1; index < frames; index++) {                                       \
            const char *frame = packed + starts[index];                                           \
            size_t bytes = starts[index + 1] - starts[index];                                     \
            uint64_t begin = arb_bench_tick();                                                    \
            int result = take(bench, frame, bytes);                                               \
            uint64_t end = arb_bench_tick();                                                      \
            lost += result != ARB_BOOK_APPLIED;                                                   \
            samples[index - 1] = arb_bench_each(begin, end, cost, 1);                             \
        }                                                                                         \
        return lost;                                                                              \
    }

static inline int touch(void *bench, const char *frame, size_t bytes)
{
    uint64_t word, sum = 0;
    (void)bench;
    for (size_t offset = 0; offset + 8 <= bytes; offset += 8) {
        memcpy(&word, frame + offset, 8);
        sum ^= word;
    }
    ARB_BENCH_USE(sum);
    return ARB_BOOK_APPLIED;
}

PASS(pass_bybit, take_bybit)
PASS(pass_okx, take_okx)
PASS(pass_touch, touch) /* the floor: every byte is looked at once */
