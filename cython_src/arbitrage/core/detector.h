/* Opportunity detector: the one thread that turns the feeds' ticks into opportunities.
 *
 *   lanes (a tick ring and overflow rows a feed thread) --merge by recv_mono_ns--> store + scan
 *                                                                        --> opportunity broadcast
 *
 * Every tick is applied to the store and its symbol is scanned before the next tick is looked at:
 * scanning once a batch would lose openings. Ties in time go to the lower lane. A lane's overflow
 * rows are taken after each drain; a quote or state older than what its row already saw is
 * discarded and counted as dropped. Silence is watched by time: every sweep_period_ns a round over
 * all rows starts, a bounded number of rows a poll; a row silent for longer than its venue ever is
 * becomes STALE, and open lives of rows that aged past max_age_ns are judged again.
 * While det->decisions is set, all of it is told in the order in which it happened (decisions.h);
 * without, that is one test a turn.
 *
 * Threads: one detector thread calls arb_detector_poll; it is the only writer of the store and of
 * the broadcast. Nothing here waits, allocates or calls the system but for the clock's own
 * fallback. Limits: ARB_DETECTOR_LANES_MAX lanes.
 */
#ifndef ARB_DETECTOR_H
#define ARB_DETECTOR_H

#include "clock.h"

#include "broadcast_ring.h"
#include "opportunity_life.h"
#include "histogram.h"
#include "market_pipeline.h"
#include "warm_rows.h"

enum {
    ARB_SWEEP_ROWS_MAX = 64,    /* rows looked at by time in one poll */
    ARB_OVERFLOW_TICKS_MAX = 64 /* taken from a lane's overflow rows at a time */
};

/* Start a detector. Before the threads. state_memory: zeroed, line-aligned,
 * arb_detector_state_bytes; it, the lanes' array and the rest live as long as the detector.
 * broadcast NULL: events stay in det->events until the owner resets det->event_count (it leaves
 * room for ARB_DETECTOR_EVENTS_MAX before each tick). clock NULL: events carry no detected_ns.
 * false: too many lanes. */
static inline bool arb_detector_init(arb_detector_t *det, const arb_detector_config_t *config,
                                     arb_market_store_t *store, void *state_memory,
                                     arb_lane_t **lanes, uint32_t lane_count,
                                     arb_broadcast_ring_t *broadcast,
                                     arb_detector_counters_t *counters, const arb_clock_t *clock)
{
    if (lane_count > ARB_DETECTOR_LANES_MAX)
        return false;
    arb_detector_lives_init(det, config, store, state_memory, counters);
    det->lanes = lanes;
    det->lane_count = lane_count;
    det->broadcast = broadcast;
    det->clock = clock;
    det->sweep_row = det->row_count;
    return true;
}

/* Events on the broadcast so far. */
static inline uint64_t arb_detector_published(const arb_detector_t *det)
{
    /* relaxed: our own position, no other thread writes it */
    return det->broadcast == NULL ? 0 : arb_load_relaxed(&det->broadcast->published);
}

/* Hand the events of one step to the readers; stamps when. */
static inline void arb_detector_publish(arb_detector_t *det)
{
    if (ARB_LIKELY(det->event_count == 0) || det->broadcast == NULL)
        return;
    int64_t now_ns = det->clock != NULL ? arb_clock_now(det->clock) : 0;
    det->published_mono_ns = now_ns;
    for (uint32_t index = 0; index < det->event_count; index++) {
        arb_opportunity_t *event = det->events + index;
        if (det->clock != NULL)
            event->detected_ns = arb_delta_ns(event->recv_mono_ns, now_ns);
        arb_broadcast_publish(det->broadcast, event);
        /* behind what readers wait for: a bucket is one of hundreds of lines */
        if (det->detected != NULL)
            arb_histogram_record(det->detected, event->detected_ns);
    }
    if (ARB_UNLIKELY(det->decisions != NULL)) {
        det->decisions->events = det->event_count;
        det->decisions->detected_ns = det->events[0].detected_ns; /* one cause, one stamp */
    }
    det->event_count = 0;
}

/* A tick of a row is here: fetch at once all that it touches, one line after another would take as
 * many times as long. With few symbols it is all near already. */
static inline void arb_detector_expect(const arb_detector_t *det, uint32_t row)
{
    if (ARB_UNLIKELY(row >= det->row_count))
        return;
    uint32_t venue = arb_detector_venue(det, row);
    uint32_t symbol = row - venue * det->symbol_capacity;
    arb_prefetch(det->px_mult + row);
    arb_store_expect_quote(det->store, row);
    arb_prefetch(det->qty_mult + row);
    arb_prefetch_to_write(&det->watches[row].funding_bps);
    arb_prefetch_to_write(det->watches[row].stands);
    arb_prefetch(arb_store_ladder(det->store, row));
    for (uint32_t other = 0; other < det->venue_count; other++) {
        if (other == venue)
            continue;
        uint32_t other_row = other * det->symbol_capacity + symbol;
        arb_prefetch_to_write(arb_detector_slot(det, symbol, venue, other));
        arb_prefetch_to_write(arb_detector_slot(det, symbol, other, venue));
        arb_prefetch(det->bid_px + other_row);
        arb_prefetch(det->ask_px + other_row);
        arb_prefetch(det->bid_qty + other_row);
        arb_prefetch(det->ask_qty + other_row);
        arb_prefetch(det->state + other_row);
        arb_prefetch(det->recv_mono_ns + other_row);
        arb_prefetch(det->px_mult + other_row);
        arb_prefetch(det->qty_mult + other_row);
        arb_prefetch(det->watches + other_row);
        arb_prefetch(arb_store_ladder(det->store, other_row));
    }
    if (det->broadcast != NULL)
        arb_broadcast_expect(det->broadcast);
}

/* Name the lines that arb_detector_expect asks for, of all rows, to be kept warm. Ladders come
 * last: see arb_detector_keep_warm. */
static inline void arb_detector_name_rows(const arb_detector_t *det, arb_warm_rows_t *rows)
{
    const arb_market_store_t *store = det->store;
    const uint64_t bytes = (uint64_t)det->row_count * 8, line = ARB_CACHE_LINE_BYTES;
    const uint64_t venues = det->venue_count, pairs = venues * venues * sizeof(arb_life_slot_t);
    for (uint32_t column = ARB_COLUMN_version; column <= ARB_COLUMN_update_count; column++)
        arb_warm_rows_add(rows, arb_store_column(store, column), bytes, line);
    arb_warm_rows_add(rows, det->px_mult, bytes, line);
    arb_warm_rows_add(rows, det->qty_mult, bytes, line);
    arb_warm_rows_add(rows, det->watches, det->row_count * sizeof *det->watches, line);
    for (uint32_t place = 0; place < venues * venues; place++)
        if (place % (venues + 1) != 0) /* a venue and itself are no pair */
            arb_warm_rows_add(rows, det->slots + place, det->symbol_capacity * pairs - pairs + 1,
                              pairs);
    if (store->ladders_offset != 0)
        arb_warm_rows_add(rows, arb_store_ladder(store, 0),
                          det->row_count * sizeof(arb_ladder_t), sizeof(arb_ladder_t));
}

/* For a thread that found nothing to do: ask for the next lines. Not for ladders that hold levels,
 * a feed's thread writes them again and again and would have to take each line back. */
static inline void arb_detector_keep_warm(const arb_detector_t *det, arb_warm_rows_t *rows,
                                          uint32_t lines, int64_t now_mono_ns)
{
    if (ARB_UNLIKELY(det->has_depth && rows->part_count != 0 &&
                     rows->parts[rows->part_count - 1].stride == sizeof(arb_ladder_t)))
        arb_warm_rows_drop_last(rows);
    arb_warm_rows_step(rows, lines, now_mono_ns);
}

/* One tick from a lane: refuse what is older than its row, else apply, scan, publish. */
static inline void arb_detector_apply(arb_detector_t *det, const arb_tick_t *tick)
{
    uint32_t row = arb_tick_row(tick);
    if (ARB_UNLIKELY(row < det->row_count && arb_tick_kind(tick) != ARB_TICK_FUNDING &&
                     tick->recv_mono_ns < det->watches[row].applied_mono_ns)) {
        arb_count(&det->counters->ticks, 1);
        arb_count(&det->counters->ticks_dropped, 1);
        return;
    }
    arb_detector_handle(det, tick, (tick->recv_mono_ns + det->config.wall_minus_mono_ns) / 1000000);
    arb_detector_publish(det);
}

/* The same, and tell what came of it. */
static inline void arb_detector_apply_told(arb_detector_t *det, const arb_tick_t *tick)
{
    uint32_t row = arb_tick_row(tick);
    uint32_t symbol = row < det->row_count ? row % det->symbol_capacity : 0;
    bool changed = arb_tell_statics(det, symbol, false);
    arb_detector_apply(det, tick);
    arb_decisions_step(det->decisions, ARB_DECISION_TICK, det->opened_count, tick->recv_mono_ns)
        ->of.tick = *tick;
    if (ARB_UNLIKELY(changed)) /* a reader in the middle of a round may have known it otherwise */
        arb_tell_symbol(det, symbol, tick->recv_mono_ns);
}

typedef void (*arb_take_tick_t)(arb_detector_t *det, const arb_tick_t *tick);

/* The lane whose next tick is the oldest; NULL: all are empty. */
static inline const arb_tick_t *arb_detector_next(const arb_detector_t *det, uint32_t *lane_index)
{
    const arb_tick_t *oldest = NULL;
    for (uint32_t index = 0; index < det->lane_count; index++) {
        const arb_tick_t *head = arb_lane_peek(det->lanes[index]);
        if (head != NULL && (oldest == NULL || head->recv_mono_ns < oldest->recv_mono_ns)) {
            oldest = head;
            *lane_index = index;
        }
    }
    return oldest;
}

static inline uint32_t arb_detector_take_overflow(arb_detector_t *det, uint32_t lane_index,
                                                  arb_take_tick_t take)
{
    arb_tick_t ticks[ARB_OVERFLOW_TICKS_MAX];
    uint64_t overwritten = det->overwritten_seen[lane_index];
    uint32_t tick_count =
        arb_lane_take_overflow(det->lanes[lane_index], ticks, ARB_OVERFLOW_TICKS_MAX, &overwritten);
    for (uint32_t index = 0; index < tick_count; index++)
        take(det, ticks + index);
    if (tick_count > 0)
        arb_count(&det->counters->overflow_taken, tick_count);
    if (overwritten != det->overwritten_seen[lane_index]) {
        arb_count(&det->counters->ticks_dropped, overwritten - det->overwritten_seen[lane_index]);
        det->overwritten_seen[lane_index] = overwritten;
    }
    return tick_count;
}

/* ---- by time --------------------------------------------------------------------------------- */

/* Look at one row by the clock: take a silent one or suspect one out of LIVE, judge open lives
 * again where quotes age. Whether its symbol was scanned. */
static inline bool arb_detector_sweep_row(arb_detector_t *det, uint32_t row, int64_t now_mono_ns)
{
    const arb_detector_config_t *config = &det->config;
    uint64_t state = det->state[row];
    if (state != ARB_ROW_LIVE && state != ARB_ROW_SUSPECT)
        return false;
    uint32_t venue = arb_detector_venue(det, row);
    int64_t silent_ns = now_mono_ns - det->recv_mono_ns[row];
    bool is_stale = config->stale_ns[venue] > 0 && silent_ns > config->stale_ns[venue];
    bool is_old = config->max_age_ns > 0 && silent_ns > config->max_age_ns;
    uint32_t symbol = row - venue * det->symbol_capacity;
    bool is_suspect =
        state == ARB_ROW_LIVE && !is_stale && arb_row_is_suspect(det, symbol, venue, now_mono_ns);
    if (ARB_LIKELY(!is_stale && !is_old && !is_suspect))
        return false;
    if (is_stale) {
        arb_store_apply_state(det->store, row, ARB_ROW_STALE);
        arb_count(&det->counters->aged_out, 1);
    } else if (is_suspect) {
        arb_store_apply_state(det->store, row, ARB_ROW_SUSPECT);
        arb_count(&det->counters->suspected, 1);
    }
    arb_life_cause_t cause = {now_mono_ns, row, 0};
    arb_detector_scan(det, symbol, venue, &cause);
    arb_detector_publish(det);
    return true;
}

/* Rows [first, end). What is told ends with every row that was scanned: so each record has one
 * stamp, and the ladders told before it are those that its scan read. */
static inline void arb_detector_sweep_rows(arb_detector_t *det, uint32_t first, uint32_t end,
                                           int64_t now_mono_ns)
{
    for (uint32_t row = first; row < end; row++) {
        bool scanned = arb_detector_sweep_row(det, row, now_mono_ns);
        if (ARB_LIKELY(det->decisions == NULL) || !(scanned || row + 1 == end))
            continue;
        arb_decisions_put_step(det->decisions, ARB_DECISION_SWEEP, det->opened_count, now_mono_ns,
                               first, row + 1);
        first = row + 1;
    }
}

static inline void arb_detector_sweep(arb_detector_t *det, int64_t now_mono_ns)
{
    if (det->sweep_row >= det->row_count) {
        if (ARB_LIKELY(now_mono_ns < det->sweep_mono_ns) || det->config.sweep_period_ns <= 0)
            return;
        det->sweep_mono_ns = now_mono_ns + det->config.sweep_period_ns;
        det->sweep_row = 0;
    }
    uint32_t end = det->sweep_row + ARB_SWEEP_ROWS_MAX;
    if (end > det->row_count)
        end = det->row_count;
    arb_detector_sweep_rows(det, det->sweep_row, end, now_mono_ns);
    det->sweep_row = end;
}

/* ---- the duty cycle -------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) uint32_t arb_detector_turn(arb_detector_t *det,
                                                                        uint32_t ticks_max,
                                                                        int64_t now_mono_ns,
                                                                        arb_take_tick_t take)
{
    uint32_t handled = 0, lane_index = 0;
    const arb_tick_t *tick;
    while (handled < ticks_max && (tick = arb_detector_next(det, &lane_index)) != NULL) {
        arb_detector_expect(det, arb_tick_row(tick));
        take(det, tick);
        arb_lane_advance(det->lanes[lane_index]);
        handled++;
    }
    for (uint32_t index = 0; index < det->lane_count; index++)
        handled += arb_detector_take_overflow(det, index, take);
    if (now_mono_ns > 0)
        arb_detector_sweep(det, now_mono_ns);
    return handled;
}

/* A turn that is recorded: at its end the symbols that are due are told, and readers see it all. */
__attribute__((noinline)) static uint32_t arb_detector_turn_told(arb_detector_t *det,
                                                                 uint32_t ticks_max,
                                                                 int64_t now_mono_ns)
{
    /* the first round before the first tick: who has it all knows it all */
    if (det->decisions->round_count == 0 && now_mono_ns > 0)
        arb_tell_due(det, arb_detector_published(det), now_mono_ns);
    uint32_t handled = arb_detector_turn(det, ticks_max, now_mono_ns, arb_detector_apply_told);
    if (now_mono_ns > 0)
        arb_tell_due(det, arb_detector_published(det), now_mono_ns);
    arb_decisions_flush(det->decisions);
    return handled;
}

/* Handle at most ticks_max ring ticks, then what overflowed, then what is due by time (now_mono_ns
 * 0: no clock, nothing is). Returns ticks handled, 0: idle. Call it at least every
 * sweep_period_ns. */
static inline uint32_t arb_detector_poll(arb_detector_t *det, uint32_t ticks_max,
                                         int64_t now_mono_ns)
{
    if (ARB_UNLIKELY(det->decisions != NULL))
        return arb_detector_turn_told(det, ticks_max, now_mono_ns);
    return arb_detector_turn(det, ticks_max, now_mono_ns, arb_detector_apply);
}

/* Close one life, if it is open. */
static inline void arb_detector_close_life(arb_detector_t *det, uint32_t buy_row, uint32_t sell_row,
                                           int64_t now_mono_ns)
{
    arb_life_slot_t *slot =
        arb_detector_slot(det, buy_row % det->symbol_capacity, arb_detector_venue(det, buy_row),
                          arb_detector_venue(det, sell_row));
    if (slot->id == 0)
        return;
    arb_life_cause_t cause = {now_mono_ns, buy_row, 0};
    arb_life_quote_t quote;
    det->ladders_read = 0;
    arb_life_quote_fill(det, slot, buy_row, sell_row, &quote);
    arb_life_close(det, slot, &quote, &cause, ARB_CLOSE_SHUTDOWN);
    arb_detector_publish(det);
    if (det->decisions != NULL)
        arb_decisions_put_step(det->decisions, ARB_DECISION_CLOSE, det->opened_count, now_mono_ns,
                               buy_row, sell_row);
}

/* Close the open lives of one symbol, at shutdown: nothing open is left unsaid. */
static inline void arb_detector_close_symbol(arb_detector_t *det, uint32_t symbol,
                                             int64_t now_mono_ns)
{
    for (uint32_t buy_venue = 0; buy_venue < det->venue_count; buy_venue++)
        for (uint32_t sell_venue = 0; sell_venue < det->venue_count; sell_venue++)
            arb_detector_close_life(det, buy_venue * det->symbol_capacity + symbol,
                                    sell_venue * det->symbol_capacity + symbol, now_mono_ns);
}

/* Close every open life. Detector thread. With a broadcast; without one the owner closes symbol by
 * symbol. */
static inline void arb_detector_close_all(arb_detector_t *det, int64_t now_mono_ns)
{
    for (uint32_t symbol = 0; symbol < det->symbol_capacity; symbol++)
        arb_detector_close_symbol(det, symbol, now_mono_ns);
    if (det->decisions != NULL)
        arb_decisions_flush(det->decisions);
}

#endif
