/* A lock-free pool of equal send buffers with room in front for a WebSocket header.
 *
 *   [ headroom: 64 ][ payload: payload_bytes, rounded up to 64 ][ tail: 64 ]
 *                   ^ what arb_buffer_pool_take returns, 64-aligned when the pool's memory is
 *
 * The header (at most 14 bytes) is written downwards from the payload, and vectorised masking may
 * touch a few bytes behind it; both stay inside the buffer.
 *
 * Which buffers are free is one bit each. To take is to bring down the lowest bit that is up, to
 * give is to raise it again: a failed exchange means that another thread got somewhere, so no
 * thread ever waits for one that sleeps. A word of bits is the whole state, so nothing can be
 * mistaken for what it was before, and a buffer given twice in a row is noticed. The lowest free
 * buffer is most often the one used last, still in cache.
 *
 * Threads: any number take and give; a buffer may be given by another thread than took it. Between
 * the two its bytes are its holder's alone. Limits: no allocation; an empty pool returns NULL and
 * counts it.
 */
#ifndef ARB_BUFFER_POOL_H
#define ARB_BUFFER_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "atomics.h"
#include "cacheline.h"

enum {
    ARB_BUFFER_HEADROOM_BYTES = 64,
    ARB_BUFFER_TAIL_BYTES = 64,
    ARB_BUFFER_COUNT_MAX = 1024,
    ARB_BUFFER_WORDS = ARB_BUFFER_COUNT_MAX / 64
};

typedef struct arb_buffer_pool {
    uint32_t stride_bytes;    /* from one buffer to the next */
    uint32_t payload_bytes;   /* usable in each */
    uint32_t buffer_count;
    uint32_t word_count;      /* of free_bits, in use */
    uint64_t exhausted_count; /* takes refused */
    uint64_t used_count_max;  /* most buffers ever out at once: the highest number taken, plus 1 */
    ARB_LINE_ALIGNED uint64_t free_bits[ARB_BUFFER_WORDS]; /* bit up: free */
} ARB_LINE_ALIGNED arb_buffer_pool_t;

static inline uint32_t arb_buffer_pool_stride(uint32_t payload_bytes)
{
    return (uint32_t)arb_round_up(payload_bytes, 64) + ARB_BUFFER_HEADROOM_BYTES +
           ARB_BUFFER_TAIL_BYTES;
}

/* Bytes of memory for a pool; 0 when the counts are out of range. */
static inline uint64_t arb_buffer_pool_bytes(uint32_t buffer_count, uint32_t payload_bytes)
{
    if (buffer_count == 0 || buffer_count > ARB_BUFFER_COUNT_MAX || payload_bytes == 0 ||
        payload_bytes > (1u << 20))
        return 0;
    return sizeof(arb_buffer_pool_t) +
           (uint64_t)buffer_count * arb_buffer_pool_stride(payload_bytes);
}

/* Lay out a pool whose buffers are all free. Before the threads. */
static inline void arb_buffer_pool_init(arb_buffer_pool_t *pool, uint32_t buffer_count,
                                        uint32_t payload_bytes)
{
    pool->stride_bytes = arb_buffer_pool_stride(payload_bytes);
    pool->payload_bytes = payload_bytes;
    pool->buffer_count = buffer_count;
    pool->word_count = (buffer_count + 63) / 64;
    pool->exhausted_count = 0;
    pool->used_count_max = 0;
    for (uint32_t word_index = 0; word_index < ARB_BUFFER_WORDS; word_index++) {
        uint32_t before = 64 * word_index, left = buffer_count > before ? buffer_count - before : 0;
        pool->free_bits[word_index] = left >= 64 ? ~0ull : (1ull << left) - 1;
    }
}

/* Remember how many were out at once. The lowest is taken first, so the number tells it. */
static inline void arb_buffer_pool_note(arb_buffer_pool_t *pool, uint64_t used_count)
{
    /* relaxed: a meter's word; pairs with the readers of used_count_max */
    uint64_t most = arb_load_relaxed(&pool->used_count_max);
    while (ARB_UNLIKELY(used_count > most) &&
           !arb_compare_exchange_relaxed(&pool->used_count_max, &most, used_count))
        ; /* another thread has raised it, or the weak exchange failed for nothing: look again */
}

/* A free buffer's payload, or NULL when none is free. */
static inline char *arb_buffer_pool_take(arb_buffer_pool_t *pool)
{
    for (uint32_t word_index = 0; word_index < pool->word_count; word_index++) {
        /* relaxed: a guess that the exchange proves */
        uint64_t bits = arb_load_relaxed(&pool->free_bits[word_index]);
        while (bits != 0) {
            uint64_t index = 64ull * word_index + (uint64_t)__builtin_ctzll(bits);
            /* acq_rel: whoever gave it is done with its bytes; pairs with
             * buffer_pool.h:arb_buffer_pool_give */
            if (!arb_compare_exchange_acq_rel(&pool->free_bits[word_index], &bits,
                                              bits & (bits - 1)))
                continue; /* bits is what they are now */
            arb_buffer_pool_note(pool, index + 1);
            return (char *)(pool + 1) + index * pool->stride_bytes + ARB_BUFFER_HEADROOM_BYTES;
        }
    }
    /* relaxed: a meter's word; pairs with its readers */
    arb_fetch_add_relaxed(&pool->exhausted_count, 1);
    return NULL;
}

/* Give a buffer back. Returns 0, and changes nothing, when payload is not the start of a buffer
 * that is out. */
static inline int arb_buffer_pool_give(arb_buffer_pool_t *pool, const char *payload)
{
    ptrdiff_t offset = payload - ((const char *)(pool + 1) + ARB_BUFFER_HEADROOM_BYTES);
    if (offset < 0 || offset % pool->stride_bytes != 0 ||
        offset / pool->stride_bytes >= (ptrdiff_t)pool->buffer_count)
        return 0;
    uint64_t index = (uint64_t)offset / pool->stride_bytes, bit = 1ull << index % 64;
    /* release: our use of its bytes is over; pairs with buffer_pool.h:arb_buffer_pool_take */
    uint64_t before = arb_fetch_or_release(&pool->free_bits[index / 64], bit);
    return (before & bit) == 0;
}

/* Buffers free now; approximate while others take and give. */
static inline uint32_t arb_buffer_pool_free_count(const arb_buffer_pool_t *pool)
{
    uint32_t count = 0;
    for (uint32_t word_index = 0; word_index < pool->word_count; word_index++)
        /* relaxed: a meter; pairs with arb_buffer_pool_take and arb_buffer_pool_give */
        count += (uint32_t)__builtin_popcountll(arb_load_relaxed(&pool->free_bits[word_index]));
    return count;
}

#endif
