/* Keep warm: the order path is run now and then for nothing, so that a rare order finds its code
 * and data in the caches.
 *
 * Between two opportunities lie seconds; meanwhile quotes, and whoever else runs on the core, push
 * the order path out of the caches and the TLB, and an order then pays for each line anew. A pass
 * does two things:
 *
 *   rehearse  the code: the strategy's own functions, the same instances, decide an entry on the
 *             real quotes, send both legs, hear that one filled and one was refused, and unwind it
 *   touch     the data: one byte of each line that the real entry would read or write is read
 *
 * The rehearsal runs on an understudy: a strategy whose journal, rings, gate, counters and
 * histograms are scratch memory of its own that nobody reads. It has the store, the symbols and the
 * clock in common with the real one, all const. The real strategy is const here, too: a pass writes
 * nothing outside arb_warm_t, so it can neither send nor journal.
 *
 * How often: a pass is run only by a thread that found nothing to do, at the pace of warm.h: less
 * than 1 % of a core. It counts as no work: it neither wakes a thread that sleeps nor keeps one
 * from parking, whose time is counted from its last real work.
 *
 * Threads: the strategy's. Limits: no allocation, no system call.
 */
#ifndef ARB_KEEP_WARM_H
#define ARB_KEEP_WARM_H

#include "strategy_execs.h"
#include "warm.h"

enum {
    ARB_WARM_RECORDS = 64,    /* of the understudy's journal; a pass writes about 12 */
    ARB_WARM_RING = 8,        /* slots of its rings */
    ARB_WARM_NEXT_RECORDS = 4 /* of the real journal, touched */
};

typedef struct arb_warm {
    const arb_strategy_t *real;
    arb_strategy_t *understudy;
    arb_warm_pace_t pace;
    uint64_t passes;
    uint64_t rehearsed;  /* of them: as far as both legs; the rest met a row that is not live */
    uint32_t symbol;     /* next one; each direction in turn */
    /* the understudy's */
    arb_journal_t journal;
    arb_risk_t risk;
    arb_strategy_counters_t counters;
    arb_histogram_t histogram;
    arb_journal_record_t records[ARB_WARM_RECORDS];
    arb_broadcast_ring_t *events;
    arb_spsc_ring_t *orders[ARB_VENUES_MAX];
} arb_warm_t;

static inline uint64_t arb_warm_bytes(uint32_t symbol_capacity)
{
    return arb_round_up(sizeof(arb_warm_t), ARB_SEPARATION_BYTES) +
           arb_round_up(arb_broadcast_ring_bytes(ARB_WARM_RING), ARB_SEPARATION_BYTES) +
           ARB_VENUES_MAX *
               arb_round_up(arb_spsc_ring_bytes(ARB_WARM_RING), ARB_SEPARATION_BYTES) +
           arb_strategy_bytes(symbol_capacity);
}

/* Limits that let everything pass, without leaving out a comparison. */
static inline void arb_warm_init_risk(arb_warm_t *warm)
{
    arb_risk_limits_t limits;
    arb_risk_limits_off(&limits);
    limits.entry_band_ppm_max = limits.exit_band_ppm_max = limits.basis_ppm_max = ARB_RISK_OFF - 1;
    arb_risk_init(&warm->risk, &limits, NULL, NULL, NULL, NULL);
}

/* The understudy's settings: the real ones, but that any edge will do and nothing is waited for. */
static inline arb_strategy_config_t arb_warm_config(const arb_strategy_t *real)
{
    arb_strategy_config_t config = real->config;
    config.journal_room_min = 0;
    config.complete_tries_max = 0;
    config.min_excess_bps = -HUGE_VAL;
    return config;
}

/* Lay out a keeper of a strategy that is wired completely, in zeroed 128-byte aligned memory of
 * arb_warm_bytes. Before the threads. */
static inline void arb_warm_init(arb_warm_t *warm, const arb_strategy_t *real)
{
    char *next = (char *)warm + arb_round_up(sizeof(arb_warm_t), ARB_SEPARATION_BYTES);
    const arb_strategy_config_t config = arb_warm_config(real);
    arb_strategy_wiring_t wire = {
        .store = real->wire.store, /* const, as the next three are */
        .opportunities = real->wire.opportunities,
        .symbols = real->wire.symbols,
        .clock = real->wire.clock,
        .journal = &warm->journal,
        .risk = &warm->risk,
        .counters = &warm->counters,
        .decided = &warm->histogram,
        .to_order = &warm->histogram,
        .naked = &warm->histogram,
    };
    warm->real = real;
    warm->events = wire.pair_events = (arb_broadcast_ring_t *)(void *)next;
    arb_broadcast_ring_init(warm->events, ARB_WARM_RING);
    next += arb_round_up(arb_broadcast_ring_bytes(ARB_WARM_RING), ARB_SEPARATION_BYTES);
    for (uint32_t venue = 0; venue < ARB_VENUES_MAX; venue++) {
        if (real->wire.orders[venue] != NULL) {
            warm->orders[venue] = wire.orders[venue] = (arb_spsc_ring_t *)(void *)next;
            arb_spsc_ring_init(warm->orders[venue], ARB_WARM_RING);
        }
        next += arb_round_up(arb_spsc_ring_bytes(ARB_WARM_RING), ARB_SEPARATION_BYTES);
    }
    arb_warm_init_risk(warm);
    warm->journal.records = warm->records;
    warm->journal.capacity = ARB_WARM_RECORDS;
    warm->journal.run = config.run;
    warm->understudy = (arb_strategy_t *)(void *)next;
    arb_strategy_init(warm->understudy, &config, &wire);
}

/* ---- touch ----------------------------------------------------------------------------------- */

static inline void arb_warm_touch_risk(const arb_risk_t *risk, const uint32_t rows[2],
                                       uint32_t symbol)
{
    arb_warm_touch(risk, offsetof(arb_risk_t, exposure_micro));
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++)
        arb_warm_touch(&risk->exposure_micro[rows[leg_index]], sizeof(int64_t));
    arb_warm_touch(&risk->symbol_micro[symbol], sizeof(int64_t));
    arb_warm_touch(&risk->symbol_one_sided_micro[symbol], sizeof(int64_t));
    arb_warm_touch(&risk->pair_open[symbol], 1);
    const void *words[] = {risk->kill, risk->opening_off, risk->flatten};
    for (uint32_t index = 0; index < 3; index++)
        if (words[index] != NULL)
            arb_warm_touch(words[index], sizeof(uint64_t));
    if (risk->paused != NULL)
        arb_warm_touch(risk->paused + symbol, 1);
}

static inline void arb_warm_touch_journal(const arb_journal_t *journal)
{
    arb_warm_touch(journal, sizeof *journal);
    uint64_t used = journal->count - journal->base;
    uint64_t left = journal->records == NULL ? 0 : journal->capacity - used;
    if (left != 0)
        arb_warm_touch(journal->records + used,
                       (left < ARB_WARM_NEXT_RECORDS ? left : ARB_WARM_NEXT_RECORDS) *
                           sizeof(arb_journal_record_t));
}

/* What an entry into these rows would read and write, beside the store that a rehearsal reads. */
static inline void arb_warm_touch_real(const arb_strategy_t *real, const uint32_t rows[2],
                                       uint32_t symbol)
{
    const arb_strategy_wiring_t *wire = &real->wire;
    arb_warm_touch(real, offsetof(arb_strategy_t, doors));
    const arb_pair_t *pair = &real->pairs[symbol];
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        const arb_pair_leg_t *leg = &pair->legs[leg_index];
        arb_warm_touch(leg->orders, arb_leg_slots_used(leg) * sizeof leg->orders[0]);
        arb_warm_touch(&leg->order_count, sizeof *leg - offsetof(arb_pair_leg_t, order_count));
    }
    arb_warm_touch(pair->id_numbers, sizeof *pair - offsetof(arb_pair_t, id_numbers));
    arb_warm_touch(&real->active[real->active_count], sizeof(uint16_t));
    arb_warm_touch(wire->counters, sizeof *wire->counters);
    arb_warm_touch_risk(wire->risk, rows, symbol);
    arb_warm_touch_journal(wire->journal);
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        const arb_spsc_ring_t *ring = wire->orders[rows[leg_index] / real->config.symbol_capacity];
        if (ring == NULL)
            continue;
        arb_warm_touch(ring, sizeof *ring);
        arb_warm_touch(arb_spsc_slot((arb_spsc_ring_t *)(uintptr_t)ring, ring->pushed),
                       sizeof(arb_ring_slot_t));
    }
    if (wire->pair_events != NULL) {
        arb_warm_touch(&wire->pair_events->published, sizeof(uint64_t));
        arb_warm_touch(arb_broadcast_slot(wire->pair_events, wire->pair_events->published),
                       sizeof(arb_broadcast_slot_t));
    }
    const arb_histogram_t *histograms[] = {wire->seen, wire->decided, wire->to_order};
    for (uint32_t index = 0; index < 3; index++)
        if (histograms[index] != NULL)
            arb_warm_touch(histograms[index], offsetof(arb_histogram_t, buckets));
}

/* ---- rehearse -------------------------------------------------------------------------------- */

/* The other leg is refused and this one filled: the understudy unwinds. */
static inline void arb_warm_fill_one(arb_warm_t *warm, arb_pair_t *pair)
{
    for (uint32_t step = 0; step < 3; step++) {
        const arb_pair_leg_t *leg = &pair->legs[step == 0 ? 1 : 0];
        const arb_sent_order_t *order = &leg->orders[0];
        arb_exec_t exec = {
            .client_id = order->client_id,
            .recv_mono_ns = warm->understudy->now_mono_ns,
            .px = step == 1 ? order->limit_px : NAN,
            .last_qty_lots = step == 1 ? order->sent_lots : 0,
            .cum_qty_lots = step == 0 ? 0 : order->sent_lots,
            .fee_bps = NAN,
            .row = (uint16_t)leg->row,
            .venue = leg->venue,
            .kind = (uint8_t[]){ARB_EXEC_REJECT, ARB_EXEC_FILL, ARB_EXEC_DONE}[step],
            .side = order->side,
        };
        arb_strategy_on_exec(warm->understudy, &exec);
    }
}

/* Bring the understudy back to where it begins. */
static inline void arb_warm_strike(arb_warm_t *warm, arb_pair_t *pair, const uint32_t rows[2])
{
    arb_order_t order;
    for (uint32_t leg_index = 0; leg_index < 2; leg_index++) {
        uint32_t venue = rows[leg_index] / warm->understudy->config.symbol_capacity;
        while (warm->orders[venue] != NULL && arb_spsc_try_pop(warm->orders[venue], &order))
            ;
        arb_risk_set_exposure(&warm->risk, rows[leg_index], venue, pair->symbol_index, 0);
    }
    arb_risk_set_one_sided(&warm->risk, pair->symbol_index, 0);
    arb_risk_pair_end(&warm->risk, pair->symbol_index);
    pair->phase = ARB_PAIR_IDLE;
    pair->active = false;
    memset(pair->reserves, 0, sizeof pair->reserves);
    warm->understudy->active_count = 0;
    arb_histogram_settle(&warm->understudy->notes);
    warm->understudy->next_pair = 1;
    warm->journal.count = 0;
}

/* Rehearse one pair of a symbol. */
static inline void arb_warm_rehearse(arb_warm_t *warm, uint32_t symbol, const uint32_t rows[2],
                                     int64_t now_mono_ns)
{
    arb_strategy_t *understudy = warm->understudy;
    arb_pair_t *pair = &understudy->pairs[symbol];
    arb_opportunity_t opp = arb_strategy_hint(understudy, rows[0], rows[1], 0, now_mono_ns);
    const arb_entry_terms_t terms = {.min_net_bps = -HUGE_VAL, .min_gross_bps = -HUGE_VAL,
                                     .max_usd = understudy->config.position_usd,
                                     .kind = ARB_KIND_SPREAD};
    opp.id = 1;
    understudy->now_mono_ns = now_mono_ns;
    /* an average of the real quotes, or the entry would end there */
    pair->basis = warm->real->pairs[symbol].basis;
    understudy->config.basis_step_ns =
        arb_basis_is_known(&pair->basis) ? warm->real->config.basis_step_ns : 0;
    if (arb_strategy_consider(understudy, pair, &opp, &terms) == ARB_VERDICT_accepted) {
        warm->rehearsed++;
        arb_warm_fill_one(warm, pair);
    }
    arb_warm_strike(warm, pair, rows);
}

/* One pass over the next symbol that trades: the data first, its misses overlap. */
static inline void arb_warm_pass(arb_warm_t *warm, int64_t now_mono_ns)
{
    const arb_strategy_t *real = warm->real;
    const uint32_t capacity = real->config.symbol_capacity;
    if (real->wire.store->venue_count < 2)
        return;
    for (uint32_t tries = 0; tries < capacity; tries++) {
        uint32_t turn = warm->symbol++ % (2 * capacity), symbol = turn % capacity;
        if (!(real->wire.symbols[symbol].step_base > 0))
            continue;
        uint32_t buy_venue = turn < capacity ? 0 : 1;
        const uint32_t rows[2] = {buy_venue * capacity + symbol,
                                  (1 - buy_venue) * capacity + symbol};
        arb_warm_touch_real(real, rows, symbol);
        arb_warm_rehearse(warm, symbol, rows, now_mono_ns);
        warm->passes++;
        return;
    }
}

/* For a thread that found nothing to do: one pass, when enough rest lies behind the last. */
static inline void arb_warm_when_due(arb_warm_t *warm, const arb_clock_t *clock,
                                     int64_t now_mono_ns)
{
    if (ARB_LIKELY(warm == NULL || !arb_warm_is_due(&warm->pace, now_mono_ns)))
        return;
    arb_warm_pass(warm, now_mono_ns);
    arb_warm_rest(&warm->pace, now_mono_ns, arb_clock_now(clock));
}

#endif
