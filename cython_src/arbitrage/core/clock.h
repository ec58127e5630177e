/* Clock: nanoseconds on the CLOCK_MONOTONIC scale, read from the invariant time-stamp counter.
 *
 * clock_gettime costs tens of nanoseconds in a virtual machine; reading the counter and one
 * multiply cost a few. The clock is anchored to CLOCK_MONOTONIC by its owner (at start, then about
 * once a second) and is continuous across anchors: a new anchor only bends the slope so that the
 * two meet again one period later. Threads: one owner calls arb_clock_anchor; any thread or process
 * reads. Where the counter is not invariant the clock falls back to clock_gettime.
 */
#ifndef ARB_CLOCK_H
#define ARB_CLOCK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <time.h>

#include "cacheline.h"
#include "seqlock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

enum { ARB_CLOCK_SHIFT = 32 };

typedef struct arb_clock {
    uint64_t version;     /* seqlock of the three words below */
    uint64_t base_tsc;    /* counter at the anchor */
    int64_t base_mono_ns; /* clock at the anchor */
    uint64_t ns_per_tick; /* slope, fixed point with ARB_CLOCK_SHIFT fraction bits */
    uint64_t uses_tsc;    /* 0: every read is a clock_gettime */
    uint64_t true_ns_per_tick; /* owner only: measured slope without the bend */
    uint64_t last_tsc;    /* owner only: previous true sample, for the slope */
    int64_t last_mono_ns;
} ARB_SEPARATED arb_clock_t;

static inline int64_t arb_timespec_ns(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
static inline int64_t arb_mono_ns(void) { return arb_timespec_ns(CLOCK_MONOTONIC); }
static inline int64_t arb_wall_ns(void) { return arb_timespec_ns(CLOCK_REALTIME); }

static inline uint64_t arb_read_tsc(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#else
    return 0;
#endif
}

static inline bool arb_tsc_is_invariant(void)
{
#if defined(__x86_64__)
    unsigned int eax, ebx, ecx, edx;
    return __get_cpuid(0x80000007u, &eax, &ebx, &ecx, &edx) != 0 && (edx & (1u << 8)) != 0;
#else
    return false;
#endif
}

/* A (counter, monotonic) pair taken as close together as eight tries allow. */
static inline void arb_clock_sample(uint64_t *tsc, int64_t *mono_ns)
{
    uint64_t narrowest = UINT64_MAX;
    for (int tries = 0; tries < 8; tries++) {
        uint64_t before = arb_read_tsc();
        int64_t now = arb_mono_ns();
        uint64_t after = arb_read_tsc();
        if (after - before < narrowest) {
            narrowest = after - before;
            *tsc = before + (after - before) / 2;
            *mono_ns = now;
        }
    }
}

static inline int64_t arb_clock_at(uint64_t tsc, uint64_t base_tsc, int64_t base_ns, uint64_t slope)
{
    /* signed: a counter read just before the anchor on another core must not wrap */
    int64_t ticks = (int64_t)(tsc - base_tsc);
    return base_ns + (int64_t)(((__int128_t)ticks * (__int128_t)slope) >> ARB_CLOCK_SHIFT);
}

/* Nanoseconds now. Any thread or process; no system call where the counter is invariant. */
static inline int64_t arb_clock_now(const arb_clock_t *clock)
{
    if (ARB_UNLIKELY(!arb_load_relaxed(&clock->uses_tsc)))
        return arb_mono_ns();
    for (;;) {
        uint64_t begun = arb_seqlock_read_begin(&clock->version);
        /* relaxed: checked by the seqlock; pairs with arb_clock_set */
        uint64_t base_tsc = arb_load_relaxed(&clock->base_tsc);
        int64_t base_ns = arb_load_relaxed(&clock->base_mono_ns);
        uint64_t slope = arb_load_relaxed(&clock->ns_per_tick);
        if (ARB_LIKELY(arb_seqlock_read_valid(&clock->version, begun)))
            return arb_clock_at(arb_read_tsc(), base_tsc, base_ns, slope);
        arb_cpu_relax();
    }
}

static inline void arb_clock_set(arb_clock_t *clock, uint64_t tsc, int64_t mono_ns, uint64_t slope)
{
    arb_seqlock_write_begin(&clock->version);
    /* relaxed: ordered by the seqlock; pairs with arb_clock_now */
    arb_store_relaxed(&clock->base_tsc, tsc);
    arb_store_relaxed(&clock->base_mono_ns, mono_ns);
    arb_store_relaxed(&clock->ns_per_tick, slope);
    arb_seqlock_write_end(&clock->version);
}

static inline uint64_t arb_clock_slope(int64_t elapsed_ns, uint64_t ticks)
{
    return (uint64_t)(((__uint128_t)elapsed_ns << ARB_CLOCK_SHIFT) / ticks);
}

/* Measure the slope over calibrate_ns (busy) and start the clock. Owner only, before any reader. */
static inline void arb_clock_init(arb_clock_t *clock, int64_t calibrate_ns)
{
    uint64_t first_tsc = 0, last_tsc = 0;
    int64_t first_ns = 0, last_ns = 0;
    memset(clock, 0, sizeof *clock);
    if (!arb_tsc_is_invariant())
        return;
    arb_clock_sample(&first_tsc, &first_ns);
    do {
        arb_clock_sample(&last_tsc, &last_ns);
    } while (last_ns - first_ns < calibrate_ns);
    if (last_tsc <= first_tsc)
        return;
    clock->true_ns_per_tick = arb_clock_slope(last_ns - first_ns, last_tsc - first_tsc);
    clock->last_tsc = last_tsc;
    clock->last_mono_ns = last_ns;
    arb_clock_set(clock, last_tsc, last_ns, clock->true_ns_per_tick);
    /* relaxed: set before any other thread or process can see this clock */
    arb_store_relaxed(&clock->uses_tsc, 1);
}

/* Stand still at a time, until the next: what reads the clock then lives in a virtual time. Owner
 * only. */
static inline void arb_clock_stand(arb_clock_t *clock, int64_t mono_ns)
{
    arb_clock_set(clock, 0, mono_ns, 0);
    /* relaxed: a standing clock is read by its owner's thread */
    arb_store_relaxed(&clock->uses_tsc, 1);
}

/* Follow CLOCK_MONOTONIC: continuous now, equal to it again after about period_ns. Owner only.
 * Returns how far the clock was off, ns (positive: ahead). */
static inline int64_t arb_clock_anchor(arb_clock_t *clock, int64_t period_ns)
{
    uint64_t tsc = 0;
    int64_t mono_ns = 0;
    /* relaxed: written once, before the threads */
    if (!arb_load_relaxed(&clock->uses_tsc))
        return 0;
    arb_clock_sample(&tsc, &mono_ns);
    int64_t shown_ns = arb_clock_at(tsc, clock->base_tsc, clock->base_mono_ns, clock->ns_per_tick);
    int64_t ahead_ns = shown_ns - mono_ns;
    int64_t elapsed_ns = mono_ns - clock->last_mono_ns;
    if (elapsed_ns > 0 && tsc > clock->last_tsc)
        clock->true_ns_per_tick = arb_clock_slope(elapsed_ns, tsc - clock->last_tsc);
    clock->last_tsc = tsc;
    clock->last_mono_ns = mono_ns;
    /* bend by at most one part in a thousand, so that durations stay true */
    int64_t bend_max_ns = period_ns / 1000;
    int64_t bend_ns = ahead_ns > bend_max_ns    ? bend_max_ns
                      : ahead_ns < -bend_max_ns ? -bend_max_ns
                                                : ahead_ns;
    __int128_t scaled = (__int128_t)clock->true_ns_per_tick * (period_ns - bend_ns);
    uint64_t slope = (uint64_t)(scaled / period_ns);
    arb_clock_set(clock, tsc, shown_ns, slope);
    return ahead_ns;
}

#endif
