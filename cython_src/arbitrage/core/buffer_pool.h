/* A pool of equal send buffers with room in front for a WebSocket header.
 *
 *   [ headroom: 64 ][ payload: payload_bytes, rounded up to 64 ][ tail: 64 ]
 *                   ^ what arb_buffer_pool_take returns, 64-aligned when the pool's memory is
 *
 * The header (at most 14 bytes) is written downwards from the payload, and vectorised masking may
 * touch a few bytes behind it; both stay inside the buffer. Free buffers form a stack, so the one
 * used last, still in cache, is used next.
 *
 * Threads: one. Limits: no allocation; an empty pool returns NULL and counts it.
 */
#ifndef ARB_BUFFER_POOL_H
#define ARB_BUFFER_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "cacheline.h"

enum {
    ARB_BUFFER_HEADROOM_BYTES = 64,
    ARB_BUFFER_TAIL_BYTES = 64,
    ARB_BUFFER_COUNT_MAX = 1024,
    ARB_BUFFER_NONE = 0xFFFF
};

typedef struct arb_buffer_pool {
    uint32_t stride_bytes;      /* from one buffer to the next */
    uint32_t payload_bytes;     /* usable in each */
    uint32_t buffer_count;
    uint32_t free_count;
    uint32_t free_count_min;    /* lowest ever: how near the pool came to being empty */
    uint64_t taken_count;
    uint64_t exhausted_count;   /* takes refused */
    uint16_t free_stack[ARB_BUFFER_COUNT_MAX];
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

static inline void arb_buffer_pool_init(arb_buffer_pool_t *pool, uint32_t buffer_count,
                                        uint32_t payload_bytes)
{
    pool->stride_bytes = arb_buffer_pool_stride(payload_bytes);
    pool->payload_bytes = payload_bytes;
    pool->buffer_count = buffer_count;
    pool->free_count = buffer_count;
    pool->free_count_min = buffer_count;
    pool->taken_count = 0;
    pool->exhausted_count = 0;
    for (uint32_t index = 0; index < buffer_count; index++)
        pool->free_stack[index] = (uint16_t)(buffer_count - 1 - index);
}

/* A free buffer's payload, or NULL when none is free. */
static inline char *arb_buffer_pool_take(arb_buffer_pool_t *pool)
{
    if (ARB_UNLIKELY(pool->free_count == 0)) {
        pool->exhausted_count++;
        return NULL;
    }
    uint32_t index = pool->free_stack[--pool->free_count];
    if (pool->free_count < pool->free_count_min)
        pool->free_count_min = pool->free_count;
    pool->taken_count++;
    return (char *)(pool + 1) + (uint64_t)index * pool->stride_bytes + ARB_BUFFER_HEADROOM_BYTES;
}

/* Give a buffer back. Returns 0, and changes nothing, when payload is not a buffer's start. */
static inline int arb_buffer_pool_give(arb_buffer_pool_t *pool, const char *payload)
{
    ptrdiff_t offset = payload - ((const char *)(pool + 1) + ARB_BUFFER_HEADROOM_BYTES);
    if (offset < 0 || offset % pool->stride_bytes != 0 || pool->free_count == pool->buffer_count ||
        offset / pool->stride_bytes >= (ptrdiff_t)pool->buffer_count)
        return 0;
    pool->free_stack[pool->free_count++] = (uint16_t)(offset / pool->stride_bytes);
    return 1;
}

#endif
