/* What every stress harness here shares: arguments, threads, patterns, and weakened orders.
 *
 * Build:  gcc -std=gnu11 -pthread -I cython_src/arbitrage/core X_stress.c
 * Run:    X_stress OPERATIONS [SEED]
 * Exit:   0 only ACCEPTABLE outcomes were seen, 3 a FORBIDDEN one (printed), 66 a report of TSan.
 *
 * -DARB_WEAKEN_FIRST=a -DARB_WEAKEN_LAST=b makes the one acquire or release that a header spells
 * out on lines a..b relaxed: the headers themselves are not touched. Include this file before them.
 */
#ifndef ARB_TEST_HARNESS_H
#define ARB_TEST_HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "atomics.h"

#ifdef ARB_WEAKEN_FIRST
#define ARB_WEAK_HERE (__LINE__ >= ARB_WEAKEN_FIRST && __LINE__ <= ARB_WEAKEN_LAST)
#undef arb_load_acquire
#undef arb_store_release
#define arb_load_acquire(ptr)                                                                      \
    (ARB_WEAK_HERE ? __atomic_load_n((ptr), __ATOMIC_RELAXED)                                      \
                   : __atomic_load_n((ptr), __ATOMIC_ACQUIRE))
#define arb_store_release(ptr, value)                                                              \
    (ARB_WEAK_HERE ? __atomic_store_n((ptr), (value), __ATOMIC_RELAXED)                            \
                   : __atomic_store_n((ptr), (value), __ATOMIC_RELEASE))
#undef arb_fetch_or_release
#undef arb_compare_exchange_acq_rel
#define arb_fetch_or_release(ptr, value)                                                           \
    (ARB_WEAK_HERE ? __atomic_fetch_or((ptr), (value), __ATOMIC_RELAXED)                           \
                   : __atomic_fetch_or((ptr), (value), __ATOMIC_RELEASE))
#define arb_compare_exchange_acq_rel(ptr, expected_ptr, desired)                                   \
    (ARB_WEAK_HERE ? __atomic_compare_exchange_n((ptr), (expected_ptr), (desired), 1,              \
                                                 __ATOMIC_RELAXED, __ATOMIC_RELAXED)               \
                   : __atomic_compare_exchange_n((ptr), (expected_ptr), (desired), 1,              \
                                                 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
#endif

static uint64_t harness_operations = 100000, harness_seed = 1;

static inline void harness_arguments(int argc, char **argv)
{
    if (argc > 1)
        harness_operations = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        harness_seed = strtoull(argv[2], NULL, 10);
}

#define forbid(...)                                                                                \
    do {                                                                                           \
        fprintf(stderr, "FORBIDDEN: ");                                                            \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fprintf(stderr, "\n");                                                                     \
        _exit(3);                                                                                  \
    } while (0)

static inline void *harness_block(uint64_t bytes)
{
    bytes = (bytes + 127) / 128 * 128;
    void *block = bytes ? aligned_alloc(128, bytes) : NULL;
    if (block == NULL)
        forbid("no memory of %llu bytes", (unsigned long long)bytes);
    return memset(block, 0, bytes);
}

/* xorshift64*: each thread has its own state */
static inline uint64_t harness_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717ull;
}

static inline uint64_t harness_stream(uint64_t number)
{
    return (harness_seed * 0x9E3779B97F4A7C15ull) ^ ((number + 1) * 0xBF58476D1CE4E5B9ull);
}

/* Nothing to do: spin a little, then let others run, for machines with fewer cores than threads. */
static inline void harness_idle(uint32_t *spins)
{
    if (++*spins % 16 == 0)
        sched_yield();
    else
        arb_cpu_relax();
}

/* Upset the rhythm now and then, so that full and empty, lapping and keeping up all occur. */
static inline void harness_disturb(uint64_t *state)
{
    uint64_t dice = harness_random(state) >> 40;
    if (dice % 4096 == 0)
        sched_yield();
    else if (dice % 512 == 0)
        for (uint32_t spin = 0; spin < 200; spin++)
            arb_cpu_relax();
}

/* A wait that mutants put where a thread would have to be interrupted, of no or some length. */
static inline void harness_dawdle(void)
{
    static __thread uint64_t state = 0x9E3779B97F4A7C15ull;
    uint64_t dice = harness_random(&state) >> 56;
    if (dice % 16 == 0)
        sched_yield();
    else
        for (uint32_t spin = 0; spin < dice; spin++)
            arb_cpu_relax();
}

/* Record number `index` as words: every word depends on it, so a mixture of two records shows. */
static inline void harness_fill(uint64_t *words, uint32_t count, uint64_t index)
{
    for (uint32_t place = 0; place < count; place++)
        words[place] = index + place * 0x9E3779B97F4A7C15ull;
}

static inline bool harness_whole(const uint64_t *words, uint32_t count)
{
    for (uint32_t place = 1; place < count; place++)
        if (words[place] != words[0] + place * 0x9E3779B97F4A7C15ull)
            return false;
    return true;
}

static inline pthread_t harness_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, argument) != 0)
        forbid("no thread");
    return thread;
}

#endif
