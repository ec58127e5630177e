/* What must hold after each turn of a scenario and at its end. Part of leg_scenarios.c. */

/* ---- each order ------------------------------------------------------------------------------ */

static void check_order(const arb_order_t *sent)
{
    bool reduces = (sent->flags & ARB_ORDER_REDUCE_ONLY) != 0;
    orders_seen++;
    for (int32_t index = 0; index < world.order_count; index++)
        if (world.orders[index].sent.client_id == sent->client_id)
            fail("a client id was used twice");
    if (arb_client_id_run(sent->client_id) != strat->config.run)
        fail("a client id of another run");
    if (sent->qty_lots <= 0 || sent->px_ticks <= 0 || sent->row >= ROWS ||
        sent->venue != sent->row / SYMBOLS)
        fail("an order without quantity, price or row");
    if (kill_word != 0 && flatten_word == 0)
        fail("an order left after the kill switch");
    if (!reduces && (kill_word != 0 || paused[sent->symbol_index] != 0))
        fail("an entry left while killed or paused");
    double base = (double)sent->qty_lots * arb_row_lot_base(store, sent->row);
    double usd =
        base * (double)sent->px_ticks * PX_TICK[sent->row] * arb_store_px_mult(store)[sent->row];
    if (!reduces && usd > 100.001)
        fail("an entry larger than the gate lets pass");
    /* a reduce-only order is for no more than what we were told that we hold */
    int64_t held = world.known[sent->row];
    if (reduces && (sent->side == ARB_SIDE_BUY ? -held : held) < sent->qty_lots)
        fail("a reduce-only order for more than is held");
}

static const order_t *find_order(uint64_t client_id)
{
    for (int32_t index = world.order_count - 1; index >= 0; index--)
        if (world.orders[index].sent.client_id == client_id)
            return &world.orders[index];
    fail("the strategy remembers an order that never left");
}

/* What the leg says of an order is what was told of it: filled + cancelled + open = sent. */
static void check_sent(const arb_sent_order_t *sent)
{
    const order_t *order = find_order(sent->client_id);
    bool over = order->done_told || order->reject_told;
    int64_t open = over ? 0 : sent->sent_lots - order->known;
    int64_t cancelled = over ? sent->sent_lots - order->known : 0;
    if (sent->sent_lots != order->sent.qty_lots)
        fail("an order is remembered with another quantity");
    if ((sent->state == ARB_SENT_DONE) != over)
        fail("an order is over for one and not for the other");
    if (sent->filled_lots != order->known ||
        sent->filled_lots + cancelled + open != sent->sent_lots || arb_sent_open_lots(sent) != open)
        fail("filled + cancelled + open is not what was sent");
    if (order->known > order->filled)
        fail("more was told than the venue filled");
}

/* ---- each turn ------------------------------------------------------------------------------- */

static void check_pair(uint32_t symbol)
{
    const arb_pair_t *pair = &strat->pairs[symbol];
    for (uint32_t leg_index = 0; leg_index < 2 && pair->legs[0].order_count != 0; leg_index++) {
        const arb_pair_leg_t *leg = &pair->legs[leg_index];
        int64_t sign = leg->entry_side == ARB_SIDE_BUY ? 1 : -1;
        for (uint32_t slot = 0; slot < ARB_LEG_ORDERS; slot++)
            if (leg->orders[slot].state != ARB_SENT_NONE)
                check_sent(&leg->orders[slot]);
        if (leg->lots * sign != world.known[leg->row])
            fail("a leg holds something else than was told");
    }
    int64_t since = world.uneven_since[symbol];
    if (since != 0 && world.now - since > strat->config.naked_ns_max + tick_ns &&
        pair->phase != ARB_PAIR_BROKEN)
        fail("uneven for longer than max_naked_ms, and nobody was told");
    bool flat = world.known[symbol] == 0 && world.known[SYMBOLS + symbol] == 0;
    if (pair->phase == ARB_PAIR_OPEN && (flat || !is_level(symbol)))
        fail("a pair stands that does not");
    if (pair->phase == ARB_PAIR_IDLE && !flat)
        fail("no pair, and yet something is held");
    if (pair->phase == ARB_PAIR_BROKEN && (paused[symbol] & ARB_PAUSE_BREAKER) == 0)
        fail("a broken pair did not pause its symbol");
    if (0 && pair->phase == ARB_PAIR_BROKEN && (paused[symbol] & ARB_PAUSE_BREAKER) == 0)
        fail("a broken pair did not pause its symbol");
}

static void check_turn(void)
{
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        check_pair(symbol);
    if (wire.counters->illegal_moves != 0)
        fail("a move that is not in the table");
    if (wire.counters->orders_dropped != 0 || wire.counters->orders_unjournaled != 0)
        fail("an order was dropped");
}

/* ---- the end --------------------------------------------------------------------------------- */

/* The journal tells the same story: each intent left once and ended, each change of phase is in the
 * table. */
static void check_journal(void)
{
    static uint8_t ended[ORDERS_MAX];
    uint8_t phases[SYMBOLS] = {ARB_PAIR_IDLE};
    int32_t intents = 0;
    memset(ended, 0, (size_t)world.order_count);
    if (arb_journal_valid_count(journal.records, JOURNAL, journal.run, 1) != journal.count &&
        journal.count < JOURNAL)
        fail("the journal does not end where it was written to");
    for (uint64_t place = 0; place < journal.count; place++) {
        const arb_journal_record_t *record = &journal.records[place];
        uint64_t id;
        memcpy(&id, record->payload, sizeof id);
        if (record->type == ARB_JOURNAL_INTENT) {
            find_order(id);
            intents++;
        } else if (record->type == ARB_JOURNAL_EXEC && id != 0) {
            const order_t *order = find_order(id);
            arb_exec_t exec;
            memcpy(&exec, record->payload, sizeof exec);
            if (exec.kind == ARB_EXEC_DONE || exec.kind == ARB_EXEC_REJECT)
                ended[order - world.orders] = 1;
        } else if (record->type == ARB_JOURNAL_PAIR) {
            arb_journal_pair_t pair;
            memcpy(&pair, record->payload, sizeof pair);
            if (!arb_pair_may(phases[pair.symbol_index], pair.phase))
                fail("the journal holds a move that is not in the table");
            moves[phases[pair.symbol_index]][pair.phase]++;
            reasons[pair.reason]++;
            phases[pair.symbol_index] = pair.phase;
        }
    }
    if (intents != world.order_count || (uint64_t)intents != wire.counters->orders)
        fail("as many intents as orders must be journaled");
    for (int32_t index = 0; index < world.order_count; index++)
        if (!ended[index])
            fail("an intent without an end in the journal");
}

static void check_end(void)
{
    const arb_strategy_counters_t *counters = wire.counters;
    for (uint32_t row = 0; row < ROWS; row++)
        if (world.position[row] != 0 || world.known[row] != 0 || risk->exposure_micro[row] != 0)
            fail("something is held after everything was told");
    if (risk->gross_micro != 0)
        fail("the gate counts an exposure that is not there");
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        if (strat->pairs[symbol].phase != ARB_PAIR_IDLE || risk->pair_open[symbol] != 0 ||
            !all_told(symbol))
            fail("a pair or an order is not over");
    if (counters->pairs_closed + counters->pairs_unwound + counters->pairs_missed !=
        counters->pairs_opening)
        fail("a pair ended twice, or never");
    if (journal.count >= JOURNAL)
        fail("the journal of the model is too small");
    check_journal();
    trades_seen += (uint64_t)world.trade_count;
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++)
        breaker_trips += (paused[symbol] & ARB_PAUSE_BREAKER) != 0;
    if (world.book == NULL)
        return;
    for (uint64_t place = 0; scenario % SAMPLED == 0 && place < journal.count; place++) {
        fprintf(world.book, "J %u ", journal.records[place].type);
        for (uint32_t byte = 0; byte < journal.records[place].payload_bytes; byte++)
            fprintf(world.book, "%02x", journal.records[place].payload[byte]);
        fprintf(world.book, "\n");
    }
    fprintf(world.book, "E %llu", (unsigned long long)scenario);
    for (uint32_t row = 0; row < ROWS; row++)
        fprintf(world.book, " %lld %lld", (long long)world.cash[row], (long long)world.fees[row]);
    fprintf(world.book, "\n");
}

static void print_figures(uint64_t played)
{
    printf("scenarios %llu\norders %llu\ntrades %llu\nbreaker %llu\n", (unsigned long long)played,
           (unsigned long long)orders_seen, (unsigned long long)trades_seen,
           (unsigned long long)breaker_trips);
    for (uint32_t from = 0; from < ARB_PAIR_PHASE_COUNT; from++)
        for (uint32_t to = 0; to < ARB_PAIR_PHASE_COUNT; to++)
            if (moves[from][to] != 0)
                printf("move.%u.%u %llu\n", from, to, (unsigned long long)moves[from][to]);
    for (uint32_t reason = 0; reason < ARB_EXIT_REASON_COUNT; reason++)
        printf("reason.%u %llu\n", reason, (unsigned long long)reasons[reason]);
    for (uint32_t kind = 0; kind < ARB_EXEC_KIND_COUNT; kind++)
        printf("kind.%u %llu\n", kind, (unsigned long long)kinds[kind]);
    for (uint32_t index = 0; index < code_count; index++)
        printf("code.%u %llu\n", index, (unsigned long long)codes[index].seen);
}
