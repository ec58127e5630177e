/* Two legs against everything venues may do: the real strategy, gate and journal between the venues
 * of leg_venue.h, in virtual time, one scenario a number. After each turn what the strategy
 * believes is compared with what it was told, and after each scenario with what the venues hold.
 *
 * Arguments: file of codes (venue code action, a line each), seed, first scenario, how many, where
 * what the ledger needs is written ("": nowhere). Prints what occurred, for the caller to see that
 * everything did. The first thing that must not be ends it with exit code 3 and one line that names
 * the scenario. */
#include "strategy_turn.h" /* first: it asks the system headers for clock_gettime */

#include "leg_venue.h"

enum { RING = 256, JOURNAL = 1 << 14, OVER_WITHIN_S = 30, SAMPLED = 100 };

static const double MID[ROWS] = {100, 50, 100, 0.05};

static arb_strategy_t *strat;
static arb_market_store_t *store;
static arb_risk_t *risk;
static arb_journal_t journal;
static arb_strategy_wiring_t wire;
static arb_strategy_symbol_t symbols[SYMBOLS];
static uint64_t kill_word, opening_off, flatten_word;
static uint8_t paused[ARB_SYMBOLS_MAX];

static uint64_t seed, scenario, opportunity_id;
static int64_t tick_ns, timeout_ns;
static uint32_t offers_left[SYMBOLS];
static uint64_t orders_seen, trades_seen, moves[ARB_PAIR_PHASE_COUNT][ARB_PAIR_PHASE_COUNT];
static uint64_t reasons[ARB_EXIT_REASON_COUNT], kinds[ARB_EXEC_KIND_COUNT], breaker_trips;

static _Noreturn void fail(const char *what)
{
    printf("scenario %llu of seed %llu at %.6f s: %s\n", (unsigned long long)scenario,
           (unsigned long long)seed, (double)world.now / 1e9, what);
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        printf("  symbol %u: phase %u reason %u lots %lld %lld; venues hold %lld %lld\n", symbol,
               strat->pairs[symbol].phase, strat->pairs[symbol].reason,
               (long long)strat->pairs[symbol].legs[0].lots,
               (long long)strat->pairs[symbol].legs[1].lots, (long long)world.position[symbol],
               (long long)world.position[SYMBOLS + symbol]);
    exit(3);
}

static void *make(uint64_t bytes)
{
    void *memory = aligned_alloc(4096, arb_round_up(bytes, 4096));
    return memory == NULL ? exit(2), NULL : memset(memory, 0, arb_round_up(bytes, 4096));
}

static void tell(const arb_exec_t *exec)
{
    kinds[exec->kind]++;
    if (!arb_mpsc_try_push(wire.executions, exec))
        fail("the ring of executions is full");
}

/* ---- the world around the strategy ----------------------------------------------------------- */

static void quote(uint32_t row, double shift_bps)
{
    double mid = MID[row] * (1 + shift_bps * 1e-4);
    arb_tick_t tick = {.bid_px = mid * (1 - 5e-5), .ask_px = mid * (1 + 5e-5), .bid_qty = 1e7,
                       .ask_qty = 1e7, .recv_mono_ns = world.now,
                       .seq_row_kind = arb_tick_pack(1, row, ARB_TICK_QUOTE)};
    arb_store_apply_quote(store, &tick, 0);
}

static void set_up_store(void)
{
    static const double QTY_LOT[ROWS] = {0.02, 1, 0.3, 1}, QTY_MULT[ROWS] = {1, 1000, 0.1, 10};
    static const double PX_MULT[ROWS] = {1, 0.001, 1, 1};
    for (uint32_t row = 0; row < ROWS; row++) {
        arb_store_px_mult(store)[row] = PX_MULT[row];
        arb_store_qty_mult(store)[row] = QTY_MULT[row];
        arb_store_px_tick(store)[row] = PX_TICK[row];
        arb_store_qty_lot(store)[row] = QTY_LOT[row];
        arb_store_min_lots(store)[row] = 1;
        arb_store_max_lots(store)[row] = 1000000000;
        arb_store_taker_bps(store)[row] = 5;
    }
    symbols[0] =
        (arb_strategy_symbol_t){.step_base = 0.06, .step_lots = {STEP_LOTS[0][0], STEP_LOTS[0][1]}};
    symbols[1] =
        (arb_strategy_symbol_t){.step_base = 1000, .step_lots = {STEP_LOTS[1][0], STEP_LOTS[1][1]}};
}

static void set_up(void)
{
    store = make(arb_store_bytes(VENUES, SYMBOLS));
    arb_store_init(store, VENUES, SYMBOLS);
    set_up_store();
    risk = make(sizeof *risk);
    journal = (arb_journal_t){.capacity = JOURNAL};
    journal.records = make(JOURNAL * sizeof(arb_journal_record_t));
    wire = (arb_strategy_wiring_t){.store = store, .journal = &journal, .risk = risk,
                                   .symbols = symbols, .flatten = &flatten_word};
    wire.opportunities = make(arb_broadcast_ring_bytes(RING));
    wire.executions = make(arb_mpsc_ring_bytes(RING));
    for (uint32_t venue = 0; venue < VENUES; venue++)
        wire.orders[venue] = make(arb_spsc_ring_bytes(RING));
    wire.counters = make(sizeof *wire.counters);
    strat = make(arb_strategy_bytes(SYMBOLS));
}

static arb_strategy_config_t draw_config(void)
{
    int64_t retry_ns = between(10, 20) * MS;
    return (arb_strategy_config_t){
        .run = (uint32_t)(scenario % ((1 << ARB_RUN_BITS) - 1)) + 1, .symbol_capacity = SYMBOLS,
        .min_net_bps = 0, .min_gross_bps = 5, .take_profit_bps = 1, .stop_bps = 30,
        .position_usd = 60, .depth_factor = 1, .entry_slip_bps = 1, .exit_slip_bps = 2,
        .exit_widen_bps = 5, .exit_slip_bps_max = 100, .stale_slip_bps = 20,
        .max_hold_ns = between(5, 400) * MS, .cooldown_ns = MS, .cooldown_ns_max = 8 * MS,
        .retry_ns = retry_ns, .retry_ns_max = 8 * retry_ns, .naked_ns_max = between(40, 300) * MS,
        .settle_ns = between(1, 40) * MS, .exit_tries_max = (uint32_t)between(4, 40),
        .breaker_failures = (uint32_t)between(1, 3), .complete_tries_max = (uint32_t)between(0, 2),
        .journal_room_min = 64, .spread_on = true};
}

static void reset(void)
{
    arb_strategy_config_t config;
    FILE *book = world.book;
    memset((char *)&world + offsetof(world_t, order_count), 0,
           sizeof world - offsetof(world_t, order_count));
    world.book = book;
    world.now = 1000 * MS;
    world.random = seed * 0x2545F4914F6CDD1Dull ^ scenario * 0xD6E8FEB86659FD93ull;
    world.faulty = !chance(10);
    world.turn = (uint32_t)draw() % code_count;
    kill_word = opening_off = flatten_word = 0;
    memset(paused, 0, SYMBOLS);
    config = draw_config();
    journal.count = journal.base = 0;
    journal.run = config.run;
    arb_risk_limits_t limits;
    arb_risk_limits_off(&limits);
    limits.order_micro_max = limits.position_micro_max = 100000000;
    limits.gross_micro_max = 400000000;
    limits.order_cost_ns = 10000;
    limits.orders_burst = 1000;
    limits.orders_kept_for_exits = 20;
    arb_risk_init(risk, &limits, &kill_word, &opening_off, &flatten_word, paused);
    memset(wire.counters, 0, sizeof *wire.counters);
    arb_broadcast_ring_init((arb_broadcast_ring_t *)wire.opportunities, RING);
    arb_mpsc_ring_init(wire.executions, RING);
    for (uint32_t venue = 0; venue < VENUES; venue++)
        arb_spsc_ring_init(wire.orders[venue], RING);
    memset(strat, 0, arb_strategy_bytes(SYMBOLS));
    arb_strategy_init(strat, &config, &wire);
    tick_ns = between(1, 40) * MS / 8;
    timeout_ns = between(20, 300) * MS;
}

/* ---- what may happen ------------------------------------------------------------------------- */

/* Whether all that was ever sent of a symbol has been told, so that nothing is owed. */
static bool all_told(uint32_t symbol)
{
    for (int32_t index = 0; index < world.order_count; index++) {
        const order_t *order = &world.orders[index];
        if (order->sent.symbol_index != symbol)
            continue;
        if (!order->done_told && !order->reject_told)
            return false;
        for (int32_t part = 0; part < order->trade_count; part++)
            if (!world.trades[order->trade_first + part].told)
                return false;
        if (!order->lost && !order->arrived && !order->over)
            return false;
    }
    return true;
}

/* Whether no fill is owed of an order that was told to be over. */
static bool is_fair(uint32_t symbol)
{
    for (int32_t index = 0; index < world.order_count; index++) {
        const order_t *order = &world.orders[index];
        if (order->sent.symbol_index == symbol && order->reject_told && order->hostile &&
            order->known != order->filled)
            return false;
    }
    return true;
}

static void offer(uint32_t symbol)
{
    if (offers_left[symbol] == 0 || world.healed)
        return;
    later(between(MS, 60 * MS), EV_OPPORTUNITY, (int32_t)symbol, 0);
    if (strat->pairs[symbol].phase != ARB_PAIR_IDLE || !all_told(symbol))
        return;
    offers_left[symbol]--;
    uint32_t buy_venue = chance(50);
    quote(buy_venue * SYMBOLS + symbol, 0);
    quote((1 - buy_venue) * SYMBOLS + symbol, 21);
    arb_opportunity_t opp = {.id = ++opportunity_id, .recv_mono_ns = world.now, .gross_bps = 20,
                             .net_bps = 20, .symbol_index = (uint16_t)symbol,
                             .event = ARB_OPP_OPEN};
    opp.buy_row = (uint16_t)(buy_venue * SYMBOLS + symbol);
    opp.sell_row = (uint16_t)((1 - buy_venue) * SYMBOLS + symbol);
    arb_broadcast_publish((arb_broadcast_ring_t *)wire.opportunities, &opp);
}

/* The venue closes a part of what we hold by itself: liquidation, ADL. */
static void liquidate(uint32_t row)
{
    int64_t held = world.position[row];
    /* while no pair is known of, only reconciliation can tell what a venue did by itself */
    if (held == 0 || strat->pairs[row % SYMBOLS].phase == ARB_PAIR_IDLE || !is_fair(row % SYMBOLS))
        return;
    int64_t size = held > 0 ? held : -held, sign = held > 0 ? -1 : 1;
    int64_t lots = chance(60) ? size : between(1, size),
            px_ticks = (int64_t)(MID[row] / PX_TICK[row]);
    world.position[row] += sign * lots;
    world.cash[row] -= sign * lots * px_ticks;
    world.fees[row] += lots * px_ticks * FEE_RATE[row / SYMBOLS];
    if (world.book != NULL)
        fprintf(world.book, "F %u %d %lld %lld %d\n", row, sign > 0 ? 0 : 1, (long long)px_ticks,
                (long long)lots, -(int)++world.event_number);
    later(between(1, 10 * MS), EV_FORCED, (int32_t)row, sign * lots);
}

static void schedule(void)
{
    offers_left[0] = 1 + chance(40) + chance(20);
    offers_left[1] = chance(30);
    later(0, EV_OPPORTUNITY, 0, 0);
    if (offers_left[1] != 0)
        later(between(0, 20 * MS), EV_OPPORTUNITY, 1, 0);
    int64_t ends_at = between(50, 900) * MS;
    for (int64_t count = between(0, 8); count > 0; count--)
        later(between(0, ends_at), EV_QUOTE, (int32_t)between(0, ROWS - 1), between(-80, 80));
    if (world.faulty) {
        for (int64_t count = between(0, 2); count > 0; count--)
            later(between(0, ends_at), EV_STATE, (int32_t)between(0, ROWS - 1), between(0, 5));
        if (chance(20))
            later(between(0, ends_at), EV_DARK, (int32_t)between(0, 1), between(10, 400) * MS);
        if (chance(10))
            later(between(0, ends_at), EV_KILL, 1, between(1, 300) * MS);
        if (chance(10))
            later(between(0, ends_at), EV_PAUSE, (int32_t)between(0, 1), 0);
        if (chance(15))
            later(between(0, ends_at), EV_LIQUIDATE, (int32_t)between(0, ROWS - 1), 0);
    }
    if (chance(15))
        later(between(0, ends_at), EV_FLATTEN, 1, between(1, 300) * MS);
    later(ends_at, EV_HEAL, 0, 0);
}

static void happen(const event_t *event)
{
    uint32_t index = (uint32_t)event->index;
    switch ((enum event_type)event->type) {
    case EV_QUOTE:
        quote(index, (double)event->more);
        break;
    case EV_STATE:
        arb_store_apply_state(store, index, (uint32_t)event->more);
        break;
    case EV_KILL:
        kill_word = !world.healed && index;
        if (index)
            later(event->more, EV_KILL, 0, 0);
        break;
    case EV_FLATTEN:
        flatten_word = world.healed || index;
        if (index)
            later(event->more, EV_FLATTEN, 0, 0);
        break;
    case EV_PAUSE:
        paused[index] |= ARB_PAUSE_OPERATOR;
        break;
    case EV_DARK:
        world.dark_until[index] = world.healed ? 0 : world.now + event->more;
        for (int32_t order = 0; order < world.order_count; order++)
            if (world.orders[order].sent.venue == index)
                begin_asking(order);
        break;
    case EV_LIQUIDATE:
        liquidate(index);
        break;
    case EV_FORCED: {
        arb_exec_t exec = {.kind = ARB_EXEC_VENUE, .recv_mono_ns = world.now, .px = MID[index],
                           .cum_qty_lots = -1, .row = (uint16_t)index,
                           .venue = (uint8_t)(index / SYMBOLS)};
        exec.last_qty_lots = event->more > 0 ? event->more : -event->more;
        exec.side = event->more > 0 ? ARB_SIDE_BUY : ARB_SIDE_SELL;
        change_known(index, event->more);
        tell(&exec);
        break;
    }
    case EV_OPPORTUNITY:
        offer(index);
        break;
    case EV_HEAL:
        world.healed = true;
        world.dark_until[0] = world.dark_until[1] = 0;
        kill_word = 0;
        flatten_word = 1;
        for (uint32_t row = 0; row < ROWS; row++)
            quote(row, 0);
        break;
    default:
        venue_event(event);
    }
}

#include "leg_checks.h"

/* ---- one scenario ---------------------------------------------------------------------------- */

static void take_orders(void)
{
    arb_order_t sent;
    for (uint32_t venue = 0; venue < VENUES; venue++)
        while (arb_spsc_try_pop(wire.orders[venue], &sent)) {
            check_order(&sent);
            accept_order(&sent, timeout_ns);
        }
}

static void turn(void)
{
    for (uint32_t again = 0; again < 16; again++) {
        uint32_t handled = arb_strategy_poll(strat, world.now);
        take_orders();
        if (handled == 0 && arb_mpsc_peek(wire.executions) == NULL)
            break;
    }
    check_turn();
}

static void play(void)
{
    reset();
    schedule();
    turn();
    int64_t give_up = world.now + OVER_WITHIN_S * 1000 * MS;
    while (world.heap_count > 0 || arb_strategy_live_pairs(strat) != 0) {
        int64_t next = world.now + tick_ns;
        bool is_event = world.heap_count > 0 &&
                        (world.heap[0].at <= next || arb_strategy_live_pairs(strat) == 0);
        if (is_event) {
            event_t event = take_event();
            world.now = event.at;
            happen(&event);
        } else {
            world.now = next;
        }
        turn();
        if (world.now > give_up)
            fail("a pair never got over");
    }
    check_end();
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    FILE *table = fopen(argv[1], "r");
    unsigned venue, code, action;
    if (table == NULL)
        return 2;
    while (code_count < CODES_MAX && fscanf(table, "%u %u %u", &venue, &code, &action) == 3)
        codes[code_count++] = (code_t){.code = code, .venue = (uint8_t)venue,
                                       .action = (uint8_t)action};
    fclose(table);
    seed = strtoull(argv[2], NULL, 10);
    uint64_t first = strtoull(argv[3], NULL, 10), wanted = strtoull(argv[4], NULL, 10), played = 0;
    world.book = argv[5][0] != 0 ? fopen(argv[5], "w") : NULL;
    if (code_count == 0 || (argv[5][0] != 0 && world.book == NULL))
        return 2;
    set_up();
    for (scenario = first; played < wanted; scenario++) {
        if (scenario - first > 100 && played == 0)
            fail("nothing is ever traded");
        play();
        played += world.order_count != 0; /* without an order nothing was tried */
    }
    if (world.book != NULL)
        fclose(world.book);
    print_figures(played);
    return 0;
}
