/* What does it cost to ask the risk gate about one order? */
#include "bench.h"
#include "risk.h"

typedef struct {
    arb_risk_t risk;
    uint64_t kill, opening_off, flatten;
    uint8_t paused[ARB_SYMBOLS_MAX];
} bench_gate_t;

/* A gate with every limit on, and something standing on every row. */
ARB_BENCH_API bench_gate_t *gate_new(uint32_t symbols)
{
    bench_gate_t *bench = arb_bench_zeroed(sizeof *bench);
    arb_risk_limits_t limits;
    int64_t *words = (int64_t *)&limits;
    for (uint32_t index = 0; index < sizeof limits / sizeof *words; index++)
        words[index] = INT64_C(1000000000000000);
    limits.entry_band_ppm_max = 30000;
    limits.exit_band_ppm_max = 100000;
    limits.basis_ppm_max = 20000;
    limits.order_micro_max = INT64_C(1000) * ARB_RISK_MICRO;
    limits.order_cost_ns = 1000;
    limits.orders_burst = 1000;
    limits.orders_kept_for_exits = 100;
    arb_risk_init(&bench->risk, &limits, &bench->kill, &bench->opening_off, &bench->flatten,
                  bench->paused);
    arb_risk_begin_day(&bench->risk, -1, 1);
    for (uint32_t row = 0; row < 2 * symbols; row++)
        arb_risk_set_exposure(&bench->risk, row, row / symbols, row % symbols,
                              100 * ARB_RISK_MICRO);
    return bench;
}
ARB_BENCH_API void gate_free(bench_gate_t *bench) { free(bench); }

/* Orders in another order each time; every one passes or is refused by its price or its size. */
ARB_BENCH_API arb_risk_order_t *gate_orders(uint64_t count, uint32_t symbols, uint64_t seed)
{
    arb_risk_order_t *orders = arb_bench_zeroed(count * sizeof *orders);
    for (uint64_t at = 0; at < count; at++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint32_t random = (uint32_t)(seed >> 33), symbol = random % symbols,
                 venue = random / symbols % 2;
        int64_t mid = INT64_C(1000000000000) * (1 + random % 90000);
        orders[at] = (arb_risk_order_t){
            .notional_micro = 1 + (int64_t)(random % 999) * ARB_RISK_MICRO,
            .limit_pico = mid + mid / 1000,
            .mid_pico = {mid, mid + mid / 5000},
            .basis_average_ppm = random % 1000,
            .book_recv_mono_ns = 1,
            .signal_mono_ns = 1,
            .wall_ns = 1,
            .row = venue * symbols + symbol,
            .symbol_index = (uint16_t)symbol,
            .venue = (uint8_t)venue,
            .row_state = ARB_ROW_LIVE,
            .side = (uint8_t)(random >> 20 & 1),
            .reduce_only = (random >> 21 & 7) == 0,
        };
        if ((random >> 24 & 15) == 0)
            orders[at].notional_micro = INT64_C(1001) * ARB_RISK_MICRO; /* too large */
        else if ((random >> 24 & 15) == 1)
            orders[at].limit_pico += mid; /* too dear */
    }
    return orders;
}
ARB_BENCH_API void gate_orders_free(arb_risk_order_t *orders) { free(orders); }

/* What every order must be told, worked out beside the gate. */
ARB_BENCH_API uint64_t gate_wrong(bench_gate_t *bench, const arb_risk_order_t *orders,
                                  uint64_t count)
{
    uint64_t wrong = 0;
    for (uint64_t at = 0; at < count; at++) {
        const arb_risk_order_t *order = orders + at;
        bool large = order->notional_micro == INT64_C(1001) * ARB_RISK_MICRO;
        bool dear = order->limit_pico > 2 * order->mid_pico[0];
        arb_risk_reason_t wanted = ARB_RISK_OK;
        if (dear && !(order->reduce_only && order->side == ARB_SIDE_SELL))
            wanted = ARB_RISK_PRICE_BAND;
        else if (large && !order->reduce_only)
            wanted = ARB_RISK_ORDER_NOTIONAL;
        wrong += arb_risk_check(&bench->risk, order, 0, 1, (int64_t)at + 2) != wanted;
    }
    return wrong;
}

ARB_BENCH_API void check_pass(bench_gate_t *bench, const arb_risk_order_t *orders, uint64_t batches,
                              uint64_t batch, double *samples)
{
    uint64_t cost = arb_bench_cost();
    for (uint64_t number = 0; number < batches; number++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t at = number * batch; at < (number + 1) * batch; at++) {
            int reason = (int)arb_risk_check(&bench->risk, orders + at, 0, 1, (int64_t)at + 2);
            ARB_BENCH_USE(reason);
        }
        samples[number] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
    }
}

/* The floor: nothing but to read each order and what stands on its row. */
ARB_BENCH_API void read_pass(bench_gate_t *bench, const arb_risk_order_t *orders, uint64_t batches,
                             uint64_t batch, double *samples)
{
    uint64_t cost = arb_bench_cost();
    for (uint64_t number = 0; number < batches; number++) {
        uint64_t begin = arb_bench_tick();
        for (uint64_t at = number * batch; at < (number + 1) * batch; at++) {
            const arb_risk_order_t *order = orders + at;
            int64_t sum = order->notional_micro + order->limit_pico + order->mid_pico[0] +
                          bench->risk.exposure_micro[order->row];
            ARB_BENCH_USE(sum);
        }
        samples[number] = arb_bench_each(begin, arb_bench_tick(), cost, (double)batch);
    }
}
