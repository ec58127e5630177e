/* Feed the strategy random bytes where records should be, and plausible records in between, under
 * the address and undefined-behaviour sanitizers. Prints the counters of the run. Arguments: seed,
 * turns.
 *
 * An order ends by what its venue says and by nothing else, so the fuzzer also speaks of orders
 * that are waited for, however old: else every symbol would soon wait for good, and the rest would
 * test nothing. At the end each waiting order is ended as a venue would: whatever came before,
 * every pair must get over. */
#include <stdio.h>
#include <stdlib.h>

#include "strategy_turn.h"

enum { SYMBOLS = 4 };

static uint64_t state;
static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void *make(uint64_t bytes)
{
    void *memory = aligned_alloc(4096, arb_round_up(bytes, 4096));
    return memory == NULL ? exit(2), NULL : memset(memory, 0, arb_round_up(bytes, 4096));
}

static void fill_random(void *memory, uint32_t bytes)
{
    for (uint32_t place = 0; place < bytes; place += 8) {
        uint64_t word = next_random();
        memcpy((char *)memory + place, &word, 8);
    }
}

static void quote(arb_market_store_t *store, int64_t now)
{
    uint32_t row = (uint32_t)(next_random() % store->row_count);
    double px = 100 * (1 + (double)(next_random() % 100) * 1e-4);
    arb_tick_t tick = {.bid_px = px, .ask_px = px * 1.0001, .bid_qty = 1e4, .ask_qty = 1e4,
                       .recv_mono_ns = now, .seq_row_kind = arb_tick_pack(1, row, ARB_TICK_QUOTE)};
    if (next_random() % 16 == 0)
        arb_store_apply_state(store, row, (uint32_t)(next_random() % 6));
    else
        arb_store_apply_quote(store, &tick, 0);
}

static void opportunity(arb_broadcast_ring_t *ring, uint32_t capacity, int64_t now)
{
    arb_opportunity_t opp;
    fill_random(&opp, sizeof opp);
    if (next_random() % 4 != 0) {
        uint16_t symbol = (uint16_t)(next_random() % SYMBOLS);
        bool flip = next_random() % 2;
        opp = (arb_opportunity_t){.id = next_random() | 1, .recv_mono_ns = now, .net_bps = 20,
                                  .gross_bps = 20, .symbol_index = symbol, .event = ARB_OPP_OPEN};
        opp.buy_row = (uint16_t)(flip * capacity + symbol);
        opp.sell_row = (uint16_t)(!flip * capacity + symbol);
    }
    arb_broadcast_publish(ring, &opp);
}

/* What a process that is not trusted may put into its door: anything. */
static void intend(arb_intent_door_t *door, uint32_t capacity, int64_t now)
{
    arb_intent_t intent;
    fill_random(&intent, sizeof intent);
    if (next_random() % 4 != 0)
        intent = (arb_intent_t){.id = next_random(), .asked_mono_ns = now, .max_usd = NAN,
                                .min_net_bps = -50, .min_gross_bps = -50,
                                .symbol_index = (uint16_t)(next_random() % capacity),
                                .buy_venue = next_random() % 2, .sell_venue = next_random() % 3,
                                .action = (uint8_t)(next_random() % 3)};
    arb_door_try_push(door, &intent);
    if (next_random() % 1024 == 0)
        door->pushed = next_random();
}

static void funding(arb_market_store_t *store, int64_t now)
{
    uint32_t row = (uint32_t)(next_random() % store->row_count);
    double rate = (double)(int64_t)(next_random() % 200) * 1e-4 - 0.01, hours = 1e-3;
    int64_t next_ns = now + (int64_t)(next_random() % 2000000) - 1000000;
    if (next_random() % 8 == 0)
        memcpy(&rate, &(uint64_t){next_random()}, 8);
    if (next_random() % 8 == 0)
        memcpy(&hours, &(uint64_t){next_random()}, 8);
    arb_store_apply_funding(store, row, rate, hours,
                            next_random() % 8 == 0 ? (int64_t)next_random() : next_ns);
}

/* Speak of the order that a random leg waits for; end: as a venue does that filled all of it. */
static bool waited_for(arb_strategy_t *strat, arb_mpsc_ring_t *ring, bool end, int64_t now)
{
    arb_pair_leg_t *leg = &strat->pairs[next_random() % SYMBOLS].legs[next_random() % 2];
    if (!arb_leg_is_busy(leg))
        return false;
    const arb_sent_order_t *order = arb_leg_current(leg);
    arb_exec_t exec = {.client_id = order->client_id, .recv_mono_ns = now, .px = 100,
                       .side = order->side, .row = (uint16_t)leg->row, .venue = leg->venue,
                       .last_qty_lots = 1};
    exec.kind = (uint8_t)(end ? ARB_EXEC_DONE : next_random() % ARB_EXEC_VENUE);
    exec.cum_qty_lots =
        end ? order->sent_lots : (int64_t)(next_random() % (uint64_t)(order->sent_lots + 1));
    arb_mpsc_try_push(ring, &exec);
    return true;
}

static void execution(arb_mpsc_ring_t *ring, const arb_order_t *sent, uint32_t sent_count,
                      int64_t now)
{
    arb_exec_t exec;
    fill_random(&exec, sizeof exec);
    if (sent_count != 0 && next_random() % 8 != 0) {
        uint32_t recent = sent_count < 12 ? sent_count : 12;
        const arb_order_t *order = &sent[(sent_count - 1 - next_random() % recent) % 4096];
        exec = (arb_exec_t){.client_id = order->client_id, .recv_mono_ns = now, .px = 100,
                            .row = order->row, .venue = order->venue, .side = order->side};
        static const uint8_t kinds[] = {ARB_EXEC_SENT, ARB_EXEC_ACK,  ARB_EXEC_FILL, ARB_EXEC_FILL,
                                        ARB_EXEC_DONE, ARB_EXEC_DONE, ARB_EXEC_TIMEOUT};
        exec.kind =
            next_random() % 16 == 0 ? (uint8_t)(next_random() % 8) : kinds[next_random() % 7];
        exec.last_qty_lots = (int64_t)(next_random() % (uint64_t)(order->qty_lots + 2)) - 1;
        exec.cum_qty_lots = (int64_t)(next_random() % (uint64_t)(order->qty_lots + 3)) - 1;
    }
    arb_mpsc_try_push(ring, &exec);
}

int main(int argc, char **argv)
{
    state = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1) * 0x9E3779B97F4A7C15ull | 1;
    uint64_t turns = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
    arb_market_store_t *store = make(arb_store_bytes(2, SYMBOLS));
    arb_store_init(store, 2, SYMBOLS);
    arb_strategy_symbol_t symbols[SYMBOLS];
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        symbols[symbol] = (arb_strategy_symbol_t){.step_base = 0.06, .step_lots = {3, 2}};
    for (uint32_t row = 0; row < store->row_count; row++) {
        arb_store_px_mult(store)[row] = arb_store_qty_mult(store)[row] = 1;
        arb_store_px_tick(store)[row] = 0.01;
        arb_store_qty_lot(store)[row] = row < SYMBOLS ? 0.02 : 0.03;
        arb_store_min_lots(store)[row] = 1;
        arb_store_taker_bps(store)[row] = 5;
    }
    arb_risk_t *risk = make(sizeof *risk);
    arb_risk_limits_t limits;
    arb_risk_limits_off(&limits);
    limits.order_micro_max = 200000000;
    limits.position_micro_max = 300000000;
    limits.gross_micro_max = 900000000;
    limits.order_cost_ns = 10000;
    limits.orders_burst = 100;
    limits.orders_kept_for_exits = 20;
    limits.entry_band_ppm_max = 30000;
    limits.exit_band_ppm_max = 100000;
    limits.basis_ppm_max = 20000;
    uint64_t flatten = 0, kill = 0;
    uint8_t paused[SYMBOLS] = {0};
    arb_risk_init(risk, &limits, &kill, NULL, &flatten, paused);
    arb_journal_t journal = {.capacity = 1 << 16, .run = 3};
    journal.records = make(journal.capacity * sizeof(arb_journal_record_t));
    arb_strategy_wiring_t wire = {.store = store, .journal = &journal, .risk = risk,
                                  .symbols = symbols, .flatten = &flatten};
    arb_broadcast_ring_t *opportunities = make(arb_broadcast_ring_bytes(16));
    arb_broadcast_ring_init(opportunities, 16);
    wire.opportunities = opportunities;
    wire.pair_events = make(arb_broadcast_ring_bytes(16));
    arb_broadcast_ring_init(wire.pair_events, 16);
    wire.executions = make(arb_mpsc_ring_bytes(64));
    arb_mpsc_ring_init(wire.executions, 64);
    for (uint32_t venue = 0; venue < 2; venue++) {
        wire.orders[venue] = make(arb_spsc_ring_bytes(4));
        arb_spsc_ring_init(wire.orders[venue], 4);
    }
    wire.counters = make(sizeof *wire.counters);
    arb_strategy_config_t config = {
        .run = 3, .symbol_capacity = SYMBOLS, .min_net_bps = 1, .take_profit_bps = 1,
        .stop_bps = 30, .position_usd = 100, .depth_factor = 2, .entry_slip_bps = 1,
        .exit_slip_bps = 2, .exit_widen_bps = 5, .exit_slip_bps_max = 100, .max_hold_ns = 1000000,
        .cooldown_ns = 1000, .cooldown_ns_max = 100000, .retry_ns = 1000, .retry_ns_max = 10000,
        .naked_ns_max = 400000, .exit_tries_max = 32, .complete_tries_max = 2,
        .breaker_failures = 3, .settle_ns = 5000, .journal_room_min = 64, .spread_on = true,
        .funding_step_ns = 10000, .funding = {.window_ns = 1000000, .hold_ns = 2000000,
                                              .min_bps = 1, .min_delta = 1e-4},
        .funding_stop_bps = 60};
    arb_strategy_t *strat = make(arb_strategy_bytes(SYMBOLS));
    arb_strategy_init(strat, &config, &wire);
    arb_intent_door_t *door = make(sizeof *door);
    strat->doors[strat->door_count++] = door;
    wire.notices = strat->wire.notices = make(arb_broadcast_ring_bytes(16));
    arb_broadcast_ring_init(wire.notices, 16);
    static arb_order_t sent[4096];
    uint32_t sent_count = 0;
    uint64_t opened_by_half = 0;
    int64_t now = 1000000000;
    for (uint64_t turn = 0; turn < turns; turn++) {
        now += (int64_t)(next_random() % 3000);
        quote(store, now);
        opportunity(opportunities, SYMBOLS, now);
        for (uint64_t count = next_random() % 4; count > 0; count--)
            if (next_random() % 8 != 0 || !waited_for(strat, wire.executions, false, now))
                execution(wire.executions, sent, sent_count, now);
        if (next_random() % 4 == 0)
            intend(door, SYMBOLS + 1, now);
        if (next_random() % 16 == 0)
            funding(store, now);
        if (next_random() % 256 == 0)
            strat->orphans_close ^= 2;
        flatten = next_random() % 64 == 0;
        kill = kill ? next_random() % 32 != 0 : next_random() % 512 == 0;
        paused[next_random() % SYMBOLS] &= (uint8_t)next_random();
        uint64_t orders = wire.counters->orders;
        arb_strategy_poll(strat, now);
        if (kill && !flatten && wire.counters->orders != orders)
            return printf("an order left while killed\n"), 7;
        for (uint32_t venue = 0; venue < 2; venue++)
            if (next_random() % 8 != 0 &&
                arb_spsc_try_pop(wire.orders[venue], &sent[sent_count % 4096]))
                sent_count++;
        if (arb_journal_room(&journal) < 16)
            journal.count = 0; /* a fuzzer's privilege */
        if (turn == turns / 2)
            opened_by_half = wire.counters->pairs_opened;
    }
    uint64_t opened = wire.counters->pairs_opened;
    flatten = 1, kill = 0;
    for (uint32_t turn = 0; turn < 100000 && arb_strategy_live_pairs(strat) != 0; turn++) {
        now += 3000;
        quote(store, now);
        waited_for(strat, wire.executions, true, now);
        arb_strategy_poll(strat, now);
        for (uint32_t venue = 0; venue < 2; venue++)
            arb_spsc_try_pop(wire.orders[venue], &sent[0]);
        if (arb_journal_room(&journal) < 16)
            journal.count = 0;
    }
    printf("%llu intents, %llu refused, %llu pairs by them, %llu by funding\n",
           (unsigned long long)wire.counters->intents,
           (unsigned long long)wire.counters->intents_refused,
           (unsigned long long)wire.counters->pairs_intent,
           (unsigned long long)wire.counters->pairs_funding);
    if (wire.counters->pairs_intent == 0 || wire.counters->pairs_funding == 0)
        return printf("one of the ways in was never used\n"), 6;
    printf(
        "%llu orders, %llu pairs opened, %llu closed, %llu unwound, %llu broken, %llu completed, "
        "%llu taken by venues, %llu breaker trips, %llu unknown\n",
        (unsigned long long)wire.counters->orders, (unsigned long long)wire.counters->pairs_opened,
        (unsigned long long)wire.counters->pairs_closed,
        (unsigned long long)wire.counters->pairs_unwound,
        (unsigned long long)wire.counters->pairs_broken,
        (unsigned long long)wire.counters->legs_completed,
        (unsigned long long)wire.counters->venue_fills,
        (unsigned long long)wire.counters->breaker_trips,
        (unsigned long long)wire.counters->unknown_executions);
    if (wire.counters->legs_completed == 0 || wire.counters->venue_fills == 0)
        return printf("no leg was ever completed, or none lost\n"), 8;
    if (wire.counters->illegal_moves != 0)
        return printf("%llu illegal moves\n", (unsigned long long)wire.counters->illegal_moves), 5;
    if (arb_strategy_live_pairs(strat) != 0)
        return printf("%u pairs never got over\n", arb_strategy_live_pairs(strat)), 4;
    return opened > opened_by_half && opened_by_half > 0 ? 0 : 3;
}
