/* The keeper of the order path's warmth, with the real world locked away while it works.
 *
 *     keep_warm TURNS SEED
 *
 * Store, rings, journal, gate, counters, histograms, control words and the strategy itself lie on
 * pages of their own. Quotes come, opportunities are traded, orders are filled, refused or left
 * alone; between two turns the pages are made read-only and passes are run, so that a write into
 * any of them is a fault, whatever it writes. A copy of them is compared as well.
 *
 * observed                                                        outcome
 * --------------------------------------------------------------  ----------
 * a pass with two live rows sends two entries and an unwinding
 *   order into the understudy's rings, and leaves them empty      ACCEPTABLE
 * a pass writes into the world                                    FORBIDDEN  it sends or journals
 * the understudy does not come back to where it began             FORBIDDEN  later passes end early
 * a pass rehearses on rows that are not live                      FORBIDDEN
 * a pass is run before its rest is over                           FORBIDDEN
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "keep_warm.h"
#include "strategy_turn.h"

enum { SYMBOLS = 3, RING = 64, JOURNAL = 1 << 12, WORLD_BYTES = 8 << 20 };

static char *world, *copy;
static uint64_t used, state;
static arb_market_store_t *store;
static arb_risk_t *risk;
static arb_journal_t *journal;
static arb_strategy_t *strat;
static uint64_t *words;
static arb_strategy_symbol_t *symbols;
static arb_warm_t *warm;
static const char *doing = "nothing";

static _Noreturn void forbid(const char *what)
{
    fprintf(stderr, "FORBIDDEN: %s (%s)\n", what, doing);
    _exit(3);
}
static void on_fault(int number)
{
    (void)number;
    static const char text[] = "FORBIDDEN: a pass wrote into the world\n";
    (void)!write(2, text, sizeof text - 1);
    _exit(3);
}

static void *make(uint64_t bytes)
{
    void *place = world + used;
    used += arb_round_up(bytes, ARB_SEPARATION_BYTES);
    if (used > WORLD_BYTES)
        forbid("the world is too small");
    return place;
}

static uint64_t draw(uint64_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 2685821657736338717ull >> 33) % below;
}

static void quote(uint32_t row, double shift_bps, int64_t now)
{
    double mid = (100 + row % SYMBOLS) * (1 + shift_bps * 1e-4);
    arb_tick_t tick = {.bid_px = mid * (1 - 5e-5), .ask_px = mid * (1 + 5e-5), .bid_qty = 1e4,
                       .ask_qty = 1e4, .recv_mono_ns = now,
                       .seq_row_kind = arb_tick_pack(1, row, ARB_TICK_QUOTE)};
    arb_store_apply_quote(store, &tick, 0);
}

static void make_store(void)
{
    store = make(arb_store_bytes(2, SYMBOLS));
    arb_store_init(store, 2, SYMBOLS);
    symbols = make(SYMBOLS * sizeof *symbols);
    for (uint32_t symbol = 0; symbol + 1 < SYMBOLS; symbol++) /* the last is not traded */
        symbols[symbol] = (arb_strategy_symbol_t){.step_base = 0.06, .step_lots = {3, 2}};
    for (uint32_t row = 0; row < store->row_count; row++) {
        arb_store_px_mult(store)[row] = arb_store_qty_mult(store)[row] = 1;
        arb_store_px_tick(store)[row] = 0.01;
        arb_store_qty_lot(store)[row] = row < SYMBOLS ? 0.02 : 0.03;
        arb_store_min_lots(store)[row] = 1;
        arb_store_taker_bps(store)[row] = 5;
    }
}

static arb_strategy_wiring_t make_wiring(void)
{
    arb_strategy_wiring_t wire = {.store = store, .symbols = symbols};
    arb_broadcast_ring_t *opportunities = make(arb_broadcast_ring_bytes(RING));
    arb_broadcast_ring_init(opportunities, RING);
    wire.opportunities = opportunities;
    for (uint32_t index = 0; index < 2; index++) {
        arb_broadcast_ring_t **ring = index ? &wire.pair_events : &wire.notices;
        *ring = make(arb_broadcast_ring_bytes(RING));
        arb_broadcast_ring_init(*ring, RING);
        wire.orders[index] = make(arb_spsc_ring_bytes(RING));
        arb_spsc_ring_init(wire.orders[index], RING);
    }
    wire.executions = make(arb_mpsc_ring_bytes(RING));
    arb_mpsc_ring_init(wire.executions, RING);
    wire.counters = make(sizeof *wire.counters);
    arb_histogram_t **histograms[] = {&wire.seen, &wire.decided, &wire.to_order, &wire.naked};
    for (uint32_t index = 0; index < 4; index++)
        *histograms[index] = make(sizeof(arb_histogram_t));
    arb_clock_t *clock = make(sizeof *clock);
    arb_clock_init(clock, 1000000);
    wire.clock = clock;
    wire.risk = risk;
    wire.journal = journal;
    wire.flatten = &words[2];
    return wire;
}

static void make_world(void)
{
    arb_risk_limits_t limits;
    make_store();
    risk = make(sizeof *risk);
    words = make(4 * sizeof *words);
    arb_risk_limits_off(&limits);
    limits.order_micro_max = limits.position_micro_max = 300000000;
    limits.entry_band_ppm_max = limits.exit_band_ppm_max = limits.basis_ppm_max = 100000;
    arb_risk_init(risk, &limits, &words[0], &words[1], &words[2], make(SYMBOLS));
    journal = make(sizeof *journal);
    *journal = (arb_journal_t){.capacity = JOURNAL, .run = 3};
    journal->records = make(JOURNAL * sizeof(arb_journal_record_t));
    const arb_strategy_wiring_t wire = make_wiring();
    const arb_strategy_config_t config = {
        .run = 3, .symbol_capacity = SYMBOLS, .min_net_bps = 1, .take_profit_bps = 1,
        .stop_bps = 30, .position_usd = 100, .depth_factor = 2, .entry_slip_bps = 1,
        .exit_slip_bps = 2, .exit_widen_bps = 5, .exit_slip_bps_max = 100, .max_hold_ns = 1000000,
        .cooldown_ns = 1000, .cooldown_ns_max = 100000, .retry_ns = 1000, .retry_ns_max = 10000,
        .naked_ns_max = 400000, .exit_tries_max = 32, .complete_tries_max = 2,
        .breaker_failures = 3000, .settle_ns = 5000, .journal_room_min = 8, .spread_on = true,
        .basis_step_ns = 1000, .basis_time_ns = 1000000, .min_excess_bps = -1000};
    strat = make(arb_strategy_bytes(SYMBOLS));
    arb_strategy_init(strat, &config, &wire);
}

/* ---- one turn of the world ------------------------------------------------------------------- */

static void offer(int64_t now, uint64_t id)
{
    uint32_t symbol = (uint32_t)draw(SYMBOLS - 1), buy = (uint32_t)draw(2);
    uint32_t rows[2] = {buy * SYMBOLS + symbol, (1 - buy) * SYMBOLS + symbol};
    quote(rows[0], 0, now);
    quote(rows[1], 40, now);
    arb_opportunity_t opp = {.id = id, .recv_mono_ns = now, .gross_bps = 39, .net_bps = 19,
                             .buy_row = (uint16_t)rows[0], .sell_row = (uint16_t)rows[1],
                             .symbol_index = (uint16_t)symbol, .event = ARB_OPP_OPEN};
    arb_broadcast_publish((arb_broadcast_ring_t *)(uintptr_t)strat->wire.opportunities, &opp);
}

static void answer(int64_t now)
{
    arb_order_t order;
    for (uint32_t venue = 0; venue < 2; venue++)
        while (draw(4) != 0 && arb_spsc_try_pop(strat->wire.orders[venue], &order)) {
            arb_exec_t exec = {.client_id = order.client_id, .recv_mono_ns = now,
                               .px = (double)order.px_ticks * 0.01, .row = order.row,
                               .venue = order.venue, .side = order.side, .fee_bps = 5,
                               .cum_qty_lots = order.qty_lots, .last_qty_lots = order.qty_lots,
                               .kind = ARB_EXEC_FILL};
            if (draw(4) == 0) {
                exec.kind = ARB_EXEC_REJECT;
                exec.cum_qty_lots = exec.last_qty_lots = 0;
            }
            arb_mpsc_try_push(strat->wire.executions, &exec);
            exec.kind = ARB_EXEC_DONE;
            if (exec.last_qty_lots != 0)
                arb_mpsc_try_push(strat->wire.executions, &exec);
        }
}

static bool is_live(uint32_t symbol)
{
    return arb_store_state(store)[symbol] == ARB_ROW_LIVE &&
           arb_store_state(store)[SYMBOLS + symbol] == ARB_ROW_LIVE;
}

/* ---- what a pass may do ---------------------------------------------------------------------- */

static void pass(int64_t now)
{
    uint64_t passes = warm->passes, rehearsed = warm->rehearsed, orders = warm->counters.orders;
    /* which symbol is next, as arb_warm_pass takes its turns */
    uint32_t symbol = warm->symbol % (2 * SYMBOLS) % SYMBOLS;
    bool skips = symbol == SYMBOLS - 1;
    bool live = is_live(skips ? 0 : symbol);
    doing = "a pass";
    memcpy(copy, world, used);
    if (mprotect(world, WORLD_BYTES, PROT_READ) != 0)
        forbid("mprotect failed");
    arb_warm_pass(warm, now);
    mprotect(world, WORLD_BYTES, PROT_READ | PROT_WRITE);
    if (memcmp(copy, world, used) != 0)
        forbid("the world changed");
    if (warm->passes != passes + 1 || warm->rehearsed != rehearsed + live)
        forbid(live ? "a pass with live rows rehearsed nothing"
                    : "a pass rehearsed on rows that are not live");
    if (warm->counters.orders != orders + (live ? 3 : 0))
        forbid("a rehearsal is two entries and an order that unwinds one");
    if (warm->journal.count != 0 || warm->understudy->active_count != 0 || warm->risk.gross_micro ||
        warm->risk.one_sided_micro != 0)
        forbid("the understudy did not come back to where it began");
    for (uint32_t venue = 0; venue < 2; venue++)
        if (arb_spsc_depth(warm->orders[venue]) != 0)
            forbid("an order was left in the understudy's ring");
    doing = "a turn";
}

static void check_pace(void)
{
    arb_warm_t *resting = warm;
    const arb_clock_t *clock = strat->wire.clock;
    for (uint32_t round = 0; round < 2000; round++) {
        uint64_t before = resting->passes;
        int64_t now = arb_clock_now(clock), due = resting->pace.due_mono_ns;
        arb_warm_when_due(resting, clock, now);
        if ((resting->passes != before) != (now >= due))
            forbid(now >= due ? "a pass that was due was not run" : "a pass broke its rest");
        if (resting->passes != before && resting->pace.due_mono_ns - now < ARB_WARM_REST_MIN_NS)
            forbid("no rest after a pass");
    }
    arb_warm_when_due(NULL, clock, 0);
}

int main(int argc, char **argv)
{
    uint64_t turns = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
    state = (argc > 2 ? strtoull(argv[2], NULL, 10) : 1) * 0x9E3779B97F4A7C15ull | 1;
    world = mmap(NULL, WORLD_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    copy = malloc(WORLD_BYTES);
    if (world == MAP_FAILED || copy == NULL)
        forbid("no memory");
    signal(SIGSEGV, on_fault);
    make_world();
    uint64_t warm_bytes = arb_warm_bytes(SYMBOLS);
    warm = aligned_alloc(ARB_SEPARATION_BYTES, arb_round_up(warm_bytes, ARB_SEPARATION_BYTES));
    memset(warm, 0, warm_bytes);
    arb_warm_init(warm, strat);
    int64_t now = 1000000000;
    for (uint64_t turn = 0; turn < turns; turn++) {
        now += (int64_t)draw(3000);
        if (draw(4) == 0)
            quote((uint32_t)draw(2 * SYMBOLS), (double)draw(60) - 30, now);
        if (draw(24) == 0)
            arb_store_apply_state(store, (uint32_t)draw(2 * SYMBOLS), ARB_ROW_SUSPECT);
        if (draw(8) == 0)
            offer(now, turn + 1);
        if (draw(100) == 0)
            words[draw(3)] = draw(4) == 0; /* killed, opening off, flatten */
        answer(now);
        pass(now);
        arb_strategy_poll(strat, now);
        pass(now);
        if (journal->count + 64 > JOURNAL)
            journal->count = 0;
    }
    if (strat->wire.counters->orders < turns / 50)
        forbid("the real strategy hardly traded");
    check_pace();
    printf("%llu passes, %llu rehearsed, %llu real orders\n", (unsigned long long)warm->passes,
           (unsigned long long)warm->rehearsed,
           (unsigned long long)strat->wire.counters->orders);
    return 0;
}
