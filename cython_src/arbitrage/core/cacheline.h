/* Cache-line geometry: the one place that says how far apart two owners' words must lie.
 *
 * A line is 64 bytes on every x86-64 and most arm64 machines. Adjacent-line prefetchers pull lines
 * in pairs, so words written by different threads lie 128 bytes apart.
 */
#ifndef ARB_CACHELINE_H
#define ARB_CACHELINE_H

#include <stddef.h>
#include <stdint.h>

#define ARB_CACHE_LINE_BYTES 64
#define ARB_SEPARATION_BYTES 128

#define ARB_LINE_ALIGNED __attribute__((aligned(ARB_CACHE_LINE_BYTES)))
#define ARB_SEPARATED __attribute__((aligned(ARB_SEPARATION_BYTES)))

#define ARB_LIKELY(condition) __builtin_expect(!!(condition), 1)
/* One instance of a function for all its callers, so that keep_warm.h warms the one that counts. */
#define ARB_ONE_COPY __attribute__((noinline, unused))
#define ARB_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Ask early for a line that is going to be read, or written: then no other core keeps a copy. Only
 * a hint, for any address. */
static inline void arb_prefetch(const void *line) { __builtin_prefetch(line, 0, 3); }
static inline void arb_prefetch_to_write(const void *line)
{
#if defined(__x86_64__)
    /* by hand: without -mprfchw the built-in asks for a copy to read */
    __asm__ __volatile__("prefetchw %0" : : "m"(*(const char *)line));
#else
    __builtin_prefetch(line, 1, 3);
#endif
}

/* Smallest power of two >= count (count 0 gives 1); 0 when it does not fit 32 bits. */
static inline uint32_t arb_round_up_pow2(uint64_t count)
{
    uint64_t power = 1;
    while (power < count)
        power <<= 1;
    return power > 0x80000000u ? 0 : (uint32_t)power;
}

static inline uint64_t arb_round_up(uint64_t value, uint64_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

#endif
