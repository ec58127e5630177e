/* Warm rows: the lines that a quote of any symbol touches, asked for in rounds.
 *
 * A symbol among a thousand speaks ten times a second. Meanwhile whatever else runs on the core
 * takes its lines out of the second-level cache, and its next quote pays a fetch from memory for
 * each step. A thread that found nothing to do names its lines again, a few at a time: a hint to
 * the processor, nothing is read and nothing waits.
 *
 * Pace: a round rests until ARB_WARM_ROUND_NS after the last one's end. It neither keeps a thread
 * awake nor counts as work.
 *
 * Threads: one owns it. Limits: ARB_WARM_PARTS_MAX parts; no allocation, no system call.
 */
#ifndef ARB_WARM_ROWS_H
#define ARB_WARM_ROWS_H

#include "cacheline.h"

enum {
    ARB_WARM_PARTS_MAX = 32,
    ARB_WARM_LINES_A_LOOK = 8,  /* between two looks for work of a stage's thread */
    ARB_WARM_LINES_A_TURN = 64, /* in a turn of an event loop, which takes microseconds */
    ARB_WARM_ROUND_NS = 300 * 1000
};

/* One line every `stride` bytes. */
typedef struct arb_warm_part {
    const char *begin;
    uint64_t bytes;
    uint64_t stride;
} arb_warm_part_t;

typedef struct arb_warm_rows {
    uint32_t part_count; /* 0: nothing is kept warm */
    uint32_t part;       /* the next line: of which part */
    uint64_t offset;     /* and how far into it */
    int64_t due_mono_ns;
    uint64_t rounds;
    arb_warm_part_t parts[ARB_WARM_PARTS_MAX];
} arb_warm_rows_t;

/* Add `bytes` of memory, one line in every `stride` (a multiple of a line). What finds no place is
 * left out. */
static inline void arb_warm_rows_add(arb_warm_rows_t *rows, const void *memory, uint64_t bytes,
                                     uint64_t stride)
{
    if (bytes != 0 && rows->part_count < ARB_WARM_PARTS_MAX)
        rows->parts[rows->part_count++] =
            (arb_warm_part_t){(const char *)memory, bytes, stride};
}

/* The next line, and one step on; the last one of a round begins the rest. */
static inline const char *arb_warm_rows_next(arb_warm_rows_t *rows, int64_t now_mono_ns)
{
    const arb_warm_part_t *part = &rows->parts[rows->part];
    const char *line = part->begin + rows->offset;
    rows->offset += part->stride;
    if (ARB_LIKELY(rows->offset < part->bytes))
        return line;
    rows->offset = 0;
    if (++rows->part == rows->part_count) {
        rows->part = 0;
        rows->rounds++;
        rows->due_mono_ns = now_mono_ns + ARB_WARM_ROUND_NS;
    }
    return line;
}

/* Ask for the next lines, when a round is due. */
static inline void arb_warm_rows_step(arb_warm_rows_t *rows, uint32_t lines, int64_t now_mono_ns)
{
    if (rows->part_count == 0)
        return;
    for (uint32_t line = 0; line < lines && now_mono_ns >= rows->due_mono_ns; line++)
        /* into the second-level cache: the first is for what is at work */
        __builtin_prefetch(arb_warm_rows_next(rows, now_mono_ns), 0, 2);
}

/* Leave the part that was added last out from now on. */
static inline void arb_warm_rows_drop_last(arb_warm_rows_t *rows)
{
    rows->part_count--;
    rows->part = 0;
    rows->offset = 0;
}

#endif
