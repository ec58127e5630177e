/* Atomics by name: every shared word in the data plane is read and written through these.
 *
 * Only the orders we use exist here: relaxed, acquire, release, acquire-release. The two places
 * that need a seq_cst fence, parker.h and bell.h, say why.
 * Comment grammar at each use: "order: what it makes visible; pairs with FILE:FUNCTION".
 * docs/memory_order.md is the table of all of them.
 */
#ifndef ARB_ATOMICS_H
#define ARB_ATOMICS_H

#include <stdint.h>
#include <string.h>

#define arb_load_relaxed(ptr) __atomic_load_n((ptr), __ATOMIC_RELAXED)
#define arb_load_acquire(ptr) __atomic_load_n((ptr), __ATOMIC_ACQUIRE)
#define arb_store_relaxed(ptr, value) __atomic_store_n((ptr), (value), __ATOMIC_RELAXED)
#define arb_store_release(ptr, value) __atomic_store_n((ptr), (value), __ATOMIC_RELEASE)
#define arb_fetch_add_relaxed(ptr, value) __atomic_fetch_add((ptr), (value), __ATOMIC_RELAXED)
#define arb_fetch_or_relaxed(ptr, value) __atomic_fetch_or((ptr), (value), __ATOMIC_RELAXED)
#define arb_fetch_and_relaxed(ptr, value) __atomic_fetch_and((ptr), (value), __ATOMIC_RELAXED)
#define arb_fetch_or_release(ptr, value) __atomic_fetch_or((ptr), (value), __ATOMIC_RELEASE)
#define arb_exchange_acquire(ptr, value) __atomic_exchange_n((ptr), (value), __ATOMIC_ACQUIRE)
#define arb_exchange_acq_rel(ptr, value) __atomic_exchange_n((ptr), (value), __ATOMIC_ACQ_REL)
/* Weak compare-exchange: acquire-release on success, relaxed on failure (the caller reloads). */
#define arb_compare_exchange_acq_rel(ptr, expected_ptr, desired) \
    __atomic_compare_exchange_n((ptr), (expected_ptr), (desired), 1, __ATOMIC_ACQ_REL, \
                                __ATOMIC_RELAXED)
#define arb_compare_exchange_relaxed(ptr, expected_ptr, desired) \
    __atomic_compare_exchange_n((ptr), (expected_ptr), (desired), 1, __ATOMIC_RELAXED, \
                                __ATOMIC_RELAXED)
#define arb_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define arb_fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)

/* A counter with one writer: no locked instruction, readers see a whole word. */
#define arb_count(ptr, amount) \
    arb_store_relaxed((ptr), arb_load_relaxed(ptr) + (uint64_t)(amount))

static inline void arb_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield" ::: "memory");
#endif
}

/* Payload copies of seqlocks and broadcast slots: relaxed 64-bit words, so that a reader that races
 * with the writer reads stale words, never undefined behaviour. bytes must be a multiple of 8. */
static inline void arb_copy_words_in(uint64_t *shared, const void *local, uint32_t bytes)
{
    for (uint32_t word_index = 0; word_index < bytes / 8; word_index++) {
        uint64_t word;
        memcpy(&word, (const char *)local + 8 * word_index, 8);
        /* relaxed: ordered by the sequence stores around it; pairs with arb_copy_words_out */
        arb_store_relaxed(shared + word_index, word);
    }
}

static inline void arb_copy_words_out(void *local, const uint64_t *shared, uint32_t bytes)
{
    for (uint32_t word_index = 0; word_index < bytes / 8; word_index++) {
        /* relaxed: a torn copy is found by the sequence check after it; pairs with
         * arb_copy_words_in */
        uint64_t word = arb_load_relaxed(shared + word_index);
        memcpy((char *)local + 8 * word_index, &word, 8);
    }
}

#endif
