/* Bench: the stopwatch and the pinning that every question's C shares.
 *
 * Ticks are the invariant time-stamp counter where there is one, else CLOCK_MONOTONIC nanoseconds;
 * arb_bench_ns_per_tick says what one is worth. A sample is (end - begin - cost of the stopwatch).
 * Built at run time into a shared library by benchmarks/native.py; not part of the package.
 */
#ifndef ARB_BENCH_H
#define ARB_BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "clock.h"

#define ARB_BENCH_API __attribute__((visibility("default")))

/* Begin and end of a timed stretch: nothing of it may move outside. */
static inline uint64_t arb_bench_tick(void)
{
#if defined(__x86_64__)
    unsigned int core;
    _mm_lfence();
    uint64_t tick = __rdtscp(&core);
    _mm_lfence();
    return tick;
#else
    return (uint64_t)arb_mono_ns();
#endif
}

static inline double arb_bench_ns_per_tick(void)
{
#if defined(__x86_64__)
    static double known;
    if (known == 0.0) {
        uint64_t first_tsc = 0, last_tsc = 0;
        int64_t first_ns = 0, last_ns = 0;
        arb_clock_sample(&first_tsc, &first_ns);
        do {
            arb_clock_sample(&last_tsc, &last_ns);
        } while (last_ns - first_ns < 20 * 1000 * 1000);
        known = (double)(last_ns - first_ns) / (double)(last_tsc - first_tsc);
    }
    return known;
#else
    return 1.0;
#endif
}

/* What two readings cost with nothing between them: the least of many. */
static inline uint64_t arb_bench_cost(void)
{
    uint64_t least = UINT64_MAX;
    for (int round = 0; round < 1000; round++) {
        uint64_t begin = arb_bench_tick();
        uint64_t took = arb_bench_tick() - begin;
        least = took < least ? took : least;
    }
    return least;
}

/* Nanoseconds of one of `operations` operations. */
static inline double arb_bench_each(uint64_t begin, uint64_t end, uint64_t cost, double operations)
{
    uint64_t took = end - begin;
    return (double)(took > cost ? took - cost : 0) * arb_bench_ns_per_tick() / operations;
}

/* Pin the calling thread; core below 0: leave it. */
static inline void arb_bench_pin(int core)
{
    cpu_set_t set;
    if (core < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

/* Zeroed memory of its own cache lines; free() gives it back. */
static inline void *arb_bench_zeroed(size_t bytes)
{
    bytes = arb_round_up(bytes, ARB_SEPARATION_BYTES);
    void *memory = aligned_alloc(ARB_SEPARATION_BYTES, bytes);
    if (memory == NULL)
        abort();
    return memset(memory, 0, bytes);
}

/* The compiler must assume that the value is used. */
#define ARB_BENCH_USE(value) __asm__ volatile("" : : "g"(value) : "memory")

#endif
