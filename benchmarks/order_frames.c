/* What does one order frame cost: a buffer taken, the template copied, its numbers written? */
#include "bench.h"
#include "buffer_pool.h"
#include "order_frames.h"

typedef struct {
    arb_order_template_t template_;
    arb_buffer_pool_t *pool;
} desk_t;

/* A desk that sends this marked text; NULL: it is malformed. */
ARB_BENCH_API void *desk_new(const char *text, uint64_t bytes, int64_t px_mantissa,
                             uint32_t px_decimals, int64_t qty_mantissa, uint32_t qty_decimals)
{
    desk_t *desk = arb_bench_zeroed(sizeof *desk);
    arb_grid_t px = {px_mantissa, px_decimals}, qty = {qty_mantissa, qty_decimals};
    if (!arb_order_template_build(&desk->template_, text, bytes, px, qty, 1000)) {
        free(desk);
        return NULL;
    }
    desk->pool = arb_bench_zeroed(arb_buffer_pool_bytes(8, ARB_ORDER_FRAME_BYTES_MAX));
    arb_buffer_pool_init(desk->pool, 8, ARB_ORDER_FRAME_BYTES_MAX);
    return desk;
}

ARB_BENCH_API void desk_free(desk_t *desk)
{
    free(desk->pool);
    free(desk);
}

static inline arb_order_t order_of(uint64_t number)
{
    arb_order_t order = {0};
    order.client_id = (UINT64_C(1790439594) << 35) | ((number & 0xFFFFFF) << 11);
    order.px_ticks = 600000 + (int64_t)(number * 7919 % 10007);
    order.qty_lots = 1 + (int64_t)(number * 31 % 997);
    return order;
}

/* Write one frame; returns its bytes. */
ARB_BENCH_API uint32_t encode_one(desk_t *desk, uint64_t number, int64_t wall_ms, char *out)
{
    arb_order_t order = order_of(number);
    return arb_order_encode(out, &desk->template_, &order, wall_ms);
}

ARB_BENCH_API uint64_t encode_pass(desk_t *desk, uint64_t batches, uint64_t batch, double *samples)
{
    uint64_t cost = arb_bench_cost(), bytes = 0, number = 0;
    int64_t wall_ms = INT64_C(1790439594900);
    for (uint64_t round = 0; round < batches; round++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t index = 0; index < batch; index++, number++) {
            arb_order_t order = order_of(number);
            char *payload = arb_buffer_pool_take(desk->pool);
            bytes += arb_order_encode(payload, &desk->template_, &order, wall_ms + (int64_t)index);
            ARB_BENCH_USE(payload);
            arb_buffer_pool_give(desk->pool, payload);
        }
        samples[round] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
    }
    return bytes;
}

/* The floor: a text as long copied into a buffer. */
ARB_BENCH_API void copy_pass(desk_t *desk, uint64_t batches, uint64_t batch, uint64_t text_bytes,
                             double *samples)
{
    uint64_t cost = arb_bench_cost();
    for (uint64_t round = 0; round < batches; round++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t index = 0; index < batch; index++) {
            char *payload = arb_buffer_pool_take(desk->pool);
            memcpy(payload, desk->template_.text, text_bytes);
            ARB_BENCH_USE(payload);
            arb_buffer_pool_give(desk->pool, payload);
        }
        samples[round] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
    }
}
