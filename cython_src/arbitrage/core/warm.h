/* Warm: what everything that keeps code and data in the caches shares: its pace, and how it reads.
 *
 * Pace: what a pass took, it rests ARB_WARM_REST times over. So the passes of one thread are less
 * than 1 % of a core, whatever they cost there: half a microsecond while all is warm, ten where
 * another program has used the core meanwhile.
 *
 * Threads: one owns a pace. Limits: no allocation, no system call.
 */
#ifndef ARB_WARM_H
#define ARB_WARM_H

#include <stdbool.h>

#include "atomics.h"
#include "cacheline.h"

enum {
    ARB_WARM_REST = 127, /* of 128 parts of the time, at least, are rest */
    ARB_WARM_REST_MIN_NS = 50 * 1000,
    ARB_WARM_REST_MAX_NS = 20 * 1000 * 1000 /* a pass that was preempted took no time of ours */
};

typedef struct arb_warm_pace {
    int64_t due_mono_ns;
    uint64_t spent_ns;
} arb_warm_pace_t;

static inline bool arb_warm_is_due(const arb_warm_pace_t *pace, int64_t now_mono_ns)
{
    return now_mono_ns >= pace->due_mono_ns;
}

/* A pass is over: when the next is due. */
static inline void arb_warm_rest(arb_warm_pace_t *pace, int64_t begin_mono_ns, int64_t end_mono_ns)
{
    int64_t took_ns = end_mono_ns - begin_mono_ns, rest_ns = took_ns * ARB_WARM_REST;
    rest_ns = rest_ns > ARB_WARM_REST_MIN_NS ? rest_ns : ARB_WARM_REST_MIN_NS;
    pace->due_mono_ns =
        end_mono_ns + (rest_ns < ARB_WARM_REST_MAX_NS ? rest_ns : ARB_WARM_REST_MAX_NS);
    pace->spent_ns += (uint64_t)took_ns;
}

/* Read one byte of each line. */
static inline void arb_warm_touch(const void *memory, uint64_t bytes)
{
    const char *begin = memory, *end = begin + bytes;
    const char *line = (const char *)((uintptr_t)begin & ~(uintptr_t)(ARB_CACHE_LINE_BYTES - 1));
    for (; line < end; line += ARB_CACHE_LINE_BYTES) {
        const volatile uint8_t *byte = (const volatile uint8_t *)(line < begin ? begin : line);
        /* relaxed: the value is not used; pairs with whatever writes there */
        (void)arb_load_relaxed(byte);
    }
}

#endif
