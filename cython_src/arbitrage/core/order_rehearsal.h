/* Order rehearsal: the way out kept warm on the gateways' thread, as keep_warm.h does the decision.
 *
 * A pass takes a buffer, writes an order of the next row into it with the row's own template by the
 * very function that orders use, and gives it back; the row's other templates and the place of the
 * next order that is remembered are read. Nothing is sent, remembered or told: no transport, no
 * ring and no counter is within reach here.
 *
 * Threads: the gateways' loop. Limits: ARB_REHEARSAL_LOOK rows are looked at in a pass.
 */
#ifndef ARB_ORDER_REHEARSAL_H
#define ARB_ORDER_REHEARSAL_H

#include "buffer_pool.h"
#include "order_frames.h"
#include "pending_orders.h"
#include "warm.h"

enum { ARB_REHEARSAL_LOOK = 64 };

typedef struct arb_order_rehearsal {
    arb_warm_pace_t pace;
    uint64_t passes;
    uint32_t row; /* the next to look at */
} arb_order_rehearsal_t;

/* Write one order of these templates and forget it. */
static inline void arb_order_rehearse_row(const arb_order_template_t *templates,
                                          arb_buffer_pool_t *pool,
                                          const arb_pending_orders_t *pending, uint64_t turn)
{
    /* digits as long as those of real orders */
    const arb_order_t order = {.client_id = (uint64_t)INT64_MAX, .px_ticks = 1234567,
                               .qty_lots = 1234};
    char *payload = arb_buffer_pool_take(pool);
    if (payload == NULL)
        return;
    arb_warm_touch(templates, ARB_ORDER_TEMPLATES_PER_SYMBOL * sizeof *templates);
    arb_order_encode(payload, &templates[turn % ARB_ORDER_TEMPLATES_PER_SYMBOL], &order,
                     INT64_C(1700000000000));
    arb_buffer_pool_give(pool, payload);
    arb_warm_touch(pending, sizeof *pending);
    arb_warm_touch((const arb_pending_t *)(pending + 1) + (pending->tail & (pending->capacity - 1)),
                   sizeof(arb_pending_t));
}

/* One pass over the next row that has templates; false: none among those looked at. */
static inline bool arb_order_rehearse(arb_order_rehearsal_t *rehearsal,
                                      arb_order_template_t *const *templates, uint32_t row_count,
                                      arb_buffer_pool_t *pool, const arb_pending_orders_t *pending)
{
    for (uint32_t looked = 0; looked < ARB_REHEARSAL_LOOK; looked++) {
        rehearsal->row = rehearsal->row + 1 < row_count ? rehearsal->row + 1 : 0;
        if (templates[rehearsal->row] == NULL)
            continue;
        arb_order_rehearse_row(templates[rehearsal->row], pool, pending, rehearsal->passes++);
        return true;
    }
    return false;
}

#endif
