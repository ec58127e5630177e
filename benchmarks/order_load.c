/* The way of an order over frames that cross, for callgrind: strategy and sender apart.
 *
 *   order_load FILE      FILE: symbols, ten order texts, frames; see benchmarks/cachegrind.py
 *
 * Every frame that leaves the other venue's price opens a pair and every frame that comes back
 * closes it; each order is filled at once. The strategy's turn is the one in which it decides; what
 * fills do is not counted. The sender does what OrderSender.send_c does up to the socket.
 */
#include "hot_path.h"

#include "buffer_pool.h"
#include "order_frames.h"
#include "pending_orders.h"
#include "strategy_turn.h"

enum { TEXTS = ARB_ORDER_TEMPLATES_PER_SYMBOL, BUFFERS = 8, PENDING = 4096, RECORDS = 1 << 16 };

typedef struct desk {
    arb_spsc_ring_t *ring;
    arb_order_template_t templates[TEXTS];
    arb_buffer_pool_t *pool;
    arb_pending_orders_t *pending;
    arb_order_t order; /* the last */
    uint32_t frame_bytes;
} desk_t;

static desk_t desks[ARB_VENUE_COUNT];
static arb_journal_t journal = {.capacity = RECORDS, .run = 1};
static arb_risk_t risk;
static arb_strategy_counters_t counters;
static arb_strategy_symbol_t grids[64];

APART uint32_t run_strategy(arb_strategy_t *strategy, int64_t now_mono_ns)
{
    return arb_strategy_poll(strategy, now_mono_ns);
}

APART bool run_sender(desk_t *desk, int64_t now_mono_ns)
{
    if (arb_spsc_peek(desk->ring) == NULL)
        return false;
    char *payload = arb_buffer_pool_take(desk->pool);
    arb_order_t *order = &desk->order;
    arb_spsc_try_pop(desk->ring, order);
    arb_pending_expect(desk->pending, order->client_id);
    uint32_t index = arb_order_template_index(order->action, order->side, order->flags);
    desk->frame_bytes =
        arb_order_encode(payload, &desk->templates[index], order, INT64_C(1790439594900));
    arb_pending_add(desk->pending, order, now_mono_ns);
    ARB_BENCH_USE(payload);
    arb_buffer_pool_give(desk->pool, payload);
    return true;
}

/* The turn in which fills are booked. */
static __attribute__((noinline)) void book(arb_strategy_t *strategy, int64_t now_mono_ns)
{
    for (uint32_t venue = 0; venue < ARB_VENUE_COUNT; venue++) {
        desk_t *desk = &desks[venue];
        arb_exec_t fill = {.client_id = desk->order.client_id, .recv_mono_ns = now_mono_ns,
                           .px = (double)desk->order.px_ticks * 0.1, .fee_bps = 5,
                           .last_qty_lots = desk->order.qty_lots,
                           .cum_qty_lots = desk->order.qty_lots, .row = desk->order.row,
                           .venue = (uint8_t)venue, .kind = ARB_EXEC_FILL,
                           .side = desk->order.side};
        arb_mpsc_try_push(strategy->wire.executions, &fill);
        fill.kind = ARB_EXEC_DONE;
        arb_mpsc_try_push(strategy->wire.executions, &fill);
        arb_pending_settle(desk->pending, desk->order.client_id);
    }
    arb_strategy_poll(strategy, now_mono_ns);
}

static const char *open_desks(const char *at, arb_segment_t *segment)
{
    for (uint32_t venue = 0; venue < ARB_VENUE_COUNT; venue++) {
        desk_t *desk = &desks[venue];
        desk->ring = arb_segment_block(segment, ARB_SECTION_ORDERS, venue);
        desk->pool = arb_bench_zeroed(arb_buffer_pool_bytes(BUFFERS, ARB_ORDER_FRAME_BYTES_MAX));
        arb_buffer_pool_init(desk->pool, BUFFERS, ARB_ORDER_FRAME_BYTES_MAX);
        desk->pending = arb_bench_zeroed(arb_pending_orders_bytes(PENDING));
        arb_pending_orders_init(desk->pending, PENDING);
        for (uint32_t index = 0; index < TEXTS; index++) {
            uint32_t bytes = number_at(at);
            if (!arb_order_template_build(&desk->templates[index], at + 4, bytes,
                                          (arb_grid_t){1, 1}, (arb_grid_t){1, 3 - venue}, 1000))
                exit(3);
            at += 4 + bytes;
        }
    }
    return at;
}

static arb_strategy_t *strategy_of(arb_segment_t *segment, const arb_broadcast_ring_t *events)
{
    arb_market_store_t *store = arb_segment_block(segment, ARB_SECTION_STORE, 0);
    uint32_t symbols = segment->spec.symbol_capacity;
    for (uint32_t row = 0; row < ARB_VENUE_COUNT * symbols; row++) {
        arb_store_px_tick(store)[row] = 0.1;
        arb_store_qty_lot(store)[row] = row < symbols ? 0.001 : 0.01;
        arb_store_min_lots(store)[row] = 1;
    }
    grids[0] = (arb_strategy_symbol_t){.step_base = 0.01, .step_lots = {10, 1}};
    arb_risk_limits_t limits;
    arb_risk_limits_off(&limits);
    /* far away, but every comparison is made */
    limits.entry_band_ppm_max = limits.exit_band_ppm_max = limits.basis_ppm_max = 10000000;
    arb_risk_init(&risk, &limits, NULL, NULL, NULL, NULL);
    journal.records = arb_bench_zeroed(RECORDS * sizeof(arb_journal_record_t));
    const arb_strategy_config_t config = {
        .run = 1, .symbol_capacity = symbols, .min_net_bps = 1, .take_profit_bps = 1,
        .stop_bps = 3000, .position_usd = 1000, .depth_factor = 2, .entry_slip_bps = 1,
        .exit_slip_bps = 2, .exit_slip_bps_max = 100, .max_hold_ns = INT64_MAX / 2,
        .naked_ns_max = INT64_MAX / 2, .exit_tries_max = 32, .breaker_failures = 1000,
        .journal_room_min = 8, .spread_on = true};
    const arb_strategy_wiring_t wire = {
        .store = store, .opportunities = events, .symbols = grids, .journal = &journal,
        .executions = arb_segment_block(segment, ARB_SECTION_EXECUTIONS, 0), .risk = &risk,
        .orders = {desks[0].ring, desks[1].ring}, .counters = &counters,
        .pair_events = arb_segment_block(segment, ARB_SECTION_PAIR_EVENTS, 0),
        .clock = arb_segment_block(segment, ARB_SECTION_CLOCK, 0),
        .seen = arb_segment_histogram(segment, ARB_STAGE_SEEN),
        .decided = arb_segment_histogram(segment, ARB_STAGE_DECIDED),
        .to_order = arb_segment_histogram(segment, ARB_STAGE_TO_ORDER)};
    arb_strategy_t *made = arb_bench_zeroed(arb_strategy_bytes(symbols));
    arb_strategy_init(made, &config, &wire);
    return made;
}

int main(int argc, char **argv)
{
    size_t bytes, frames = 0, orders = 0;
    char *text = argc == 2 ? read_all(argv[1], &bytes) : NULL;
    if (text == NULL)
        return 2;
    static char buffer[RECEIVED_BYTES];
    arb_lane_t *lanes[1];
    const char *at = text;
    bench_lane_t *bench = lane_of(&at);
    arb_clock_init(arb_segment_block(bench->segment, ARB_SECTION_CLOCK, 0), 1000000);
    at = open_desks(at, bench->segment);
    arb_detector_t *detector = detector_of(bench, lanes);
    arb_strategy_t *strategy = strategy_of(bench->segment, detector->broadcast);
    for (; at < text + bytes; frames++) {
        uint32_t venue = number_at(at), size = number_at(at + 4);
        receive(buffer, at + 8, size);
        bench->now_mono_ns += 250 * 1000;
        run_lane(&bench->feed, venue, buffer, size, bench->now_mono_ns);
        run_detector(detector, bench->now_mono_ns);
        run_strategy(strategy, bench->now_mono_ns);
        uint32_t sent = 0;
        for (uint32_t index = 0; index < ARB_VENUE_COUNT; index++)
            sent += run_sender(&desks[index], bench->now_mono_ns);
        orders += sent;
        if (sent != 0)
            book(strategy, bench->now_mono_ns);
        if (journal.count + 64 > RECORDS)
            journal.count = 0;
        at += 8 + size;
    }
    printf("%zu %zu %u\n", frames, orders, desks[0].frame_bytes + desks[1].frame_bytes);
    return 0;
}
