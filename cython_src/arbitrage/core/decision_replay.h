/* Replay of decisions: the same detector over its own records, from a round on. See decisions.h.
 *
 *   LOST      nothing is known; records pass until a round begins
 *   LEARNING  a symbol is known once it was told and follows its ticks from there; what it opens
 *             and closes is not reported
 *   EXACT     from the next round on every symbol is known: the events are the trader's own, byte
 *             for byte, their stamps included
 *
 * A gap leads back to LOST. While EXACT, every record is also a question: as many events as the
 * trader made, as many lives opened, and the state of each symbol whenever it is told again. The
 * first record that is answered otherwise is kept.
 *
 * Threads: one. Memory: the store (with ladders), the detector's state and the events are the
 * owner's, who makes room when asked to. Records are checked: a damaged one is counted and passed.
 */
#ifndef ARB_DECISION_REPLAY_H
#define ARB_DECISION_REPLAY_H

#include "detector.h"

typedef enum arb_replay_state {
    ARB_REPLAY_LOST = 0,
    ARB_REPLAY_LEARNING = 1,
    ARB_REPLAY_EXACT = 2
} arb_replay_state_t;

typedef enum arb_decision_status {
    ARB_DECISIONS_DONE = 0,       /* all records were taken */
    ARB_DECISIONS_NEED_ROOM = 1,  /* for events */
    ARB_DECISIONS_EXACT = 2       /* the replay became exact with the record taken last */
} arb_decision_status_t;

enum {
    ARB_LADDER_PIECES = ARB_DECISION_PIECES(sizeof(arb_ladder_view_t)),
    ARB_CONFIG_PIECES = ARB_DECISION_PIECES(sizeof(arb_detector_config_t)),
    ARB_STEP_EVENTS_MAX = ARB_DETECTOR_EVENTS_MAX * ARB_SWEEP_ROWS_MAX, /* of one record */
};

typedef struct arb_decision_replay {
    arb_detector_t detector;
    arb_detector_counters_t counters;
    arb_market_store_t *store;
    arb_ladder_t *ladders;
    void *state_memory;       /* arb_detector_state_bytes */
    uint8_t *known;           /* [symbol] */
    uint32_t event_capacity;
    uint32_t state;           /* arb_replay_state_t */
    uint32_t told_symbol;     /* whose state follows */
    uint32_t told_records;    /* of it still to come */
    uint32_t config_next;     /* piece of the configuration that comes next in this round */
    uint64_t became_exact;    /* times */
    uint64_t taken;           /* records */
    uint64_t ticks;           /* of them ticks taken while EXACT */
    uint64_t bad;             /* of them damaged, or in the wrong place */
    uint64_t differences;     /* of them answered otherwise than by the trader */
    uint64_t first_difference;/* the first of them, counted as taken; UINT64_MAX: none */
    uint64_t exact_event;     /* events published before the replay became exact */
    int64_t exact_mono_ns;    /* when */
    int64_t latest_mono_ns;   /* of the step taken last */
    uint64_t ladder[ARB_LADDER_PIECES * ARB_DECISION_BODY_BYTES / 8];
    uint64_t config[ARB_CONFIG_PIECES * ARB_DECISION_BODY_BYTES / 8];
} arb_decision_replay_t;

/* Forget everything: what comes next does not continue what came before. Events stay. */
static inline void arb_decision_replay_lose(arb_decision_replay_t *replay)
{
    replay->state = ARB_REPLAY_LOST;
    replay->told_records = 0;
    replay->config_next = ARB_CONFIG_PIECES;
}

/* A trader that has just begun, with the configuration told. */
static inline void arb_decision_replay_reset(arb_decision_replay_t *replay)
{
    arb_detector_t *det = &replay->detector;
    arb_market_store_t *store = replay->store;
    uint32_t venue_count = store->venue_count, symbol_capacity = store->symbol_capacity;
    arb_opportunity_t *events = det->events;
    uint32_t event_count = det->event_count;
    uint64_t opened_count = det->opened_count;
    arb_detector_config_t config;
    memcpy(&config, replay->config, sizeof config);
    memset(store, 0, arb_store_bytes(venue_count, symbol_capacity));
    memset(replay->ladders, 0, (size_t)venue_count * symbol_capacity * sizeof *replay->ladders);
    memset(replay->state_memory, 0, arb_detector_state_bytes(venue_count, symbol_capacity));
    memset(replay->known, 0, symbol_capacity);
    arb_store_init(store, venue_count, symbol_capacity);
    arb_store_attach_ladders(store, replay->ladders);
    arb_detector_init(det, &config, store, replay->state_memory, NULL, 0, NULL, &replay->counters,
                      NULL);
    det->events = events;
    det->event_count = event_count;
    det->opened_count = opened_count;
}

/* Start in memory of the owner's: a store for its rows, zeroed events. Nothing is known yet. */
static inline void arb_decision_replay_init(arb_decision_replay_t *replay)
{
    arb_detector_config_t config = arb_detector_defaults();
    memcpy(replay->config, &config, sizeof config);
    replay->first_difference = UINT64_MAX;
    arb_decision_replay_reset(replay);
    arb_decision_replay_lose(replay);
}

static inline void arb_decision_replay_differs(arb_decision_replay_t *replay)
{
    if (replay->state != ARB_REPLAY_EXACT)
        return;
    if (replay->differences++ == 0)
        replay->first_difference = replay->taken;
}

/* ---- what a record says -------------------------------------------------------------------- */

static inline bool arb_decision_replay_knows(const arb_decision_replay_t *replay, uint32_t row)
{
    if (replay->state == ARB_REPLAY_EXACT)
        return true;
    return row < replay->store->row_count && replay->known[row % replay->store->symbol_capacity];
}

/* One step of the detector, as the record says. false: it makes no sense. */
static inline bool arb_decision_replay_act(arb_decision_replay_t *replay,
                                           const arb_decision_t *record)
{
    arb_detector_t *det = &replay->detector;
    uint32_t first = record->of.step.first, second = record->of.step.second;
    if (ARB_LIKELY(record->kind == ARB_DECISION_TICK)) {
        if (ARB_LIKELY(arb_decision_replay_knows(replay, arb_tick_row(&record->of.tick))))
            arb_detector_apply(det, &record->of.tick);
        return true;
    }
    if (record->kind == ARB_DECISION_SWEEP) {
        if (first > second || second > det->row_count || second - first > ARB_SWEEP_ROWS_MAX)
            return false;
        for (uint32_t row = first; row < second; row++)
            if (arb_decision_replay_knows(replay, row))
                arb_detector_sweep_row(det, row, record->of.step.mono_ns);
        return true;
    }
    if (first >= det->row_count || second >= det->row_count ||
        (first % det->symbol_capacity) != (second % det->symbol_capacity))
        return false;
    if (arb_decision_replay_knows(replay, first))
        arb_detector_close_life(det, first, second, record->of.step.mono_ns);
    return true;
}

/* A step, and whether it ended as the trader's did. */
static inline bool arb_decision_replay_step(arb_decision_replay_t *replay,
                                            const arb_decision_t *record)
{
    arb_detector_t *det = &replay->detector;
    uint32_t before = det->event_count;
    if (!arb_decision_replay_act(replay, record))
        return false;
    replay->latest_mono_ns = record->of.step.mono_ns;
    if (ARB_UNLIKELY(replay->state != ARB_REPLAY_EXACT)) {
        det->event_count = before;
        /* what symbols not yet known have opened meanwhile */
        uint16_t opened = (uint16_t)det->opened_count;
        det->opened_count += (uint64_t)(int64_t)(int16_t)(record->opened - opened);
        return true;
    }
    replay->ticks += record->kind == ARB_DECISION_TICK;
    for (uint32_t index = before; index < det->event_count; index++)
        det->events[index].detected_ns = record->detail;
    if (ARB_UNLIKELY(det->event_count - before != record->events ||
                     (uint16_t)det->opened_count != record->opened))
        arb_decision_replay_differs(replay);
    return true;
}

static inline bool arb_decision_replay_statics(arb_decision_replay_t *replay,
                                               const arb_decision_t *record)
{
    uint32_t row = record->detail;
    if (row >= replay->store->row_count)
        return false;
    arb_store_px_mult(replay->store)[row] = record->of.values[0];
    arb_store_qty_mult(replay->store)[row] = record->of.values[1];
    arb_store_taker_bps(replay->store)[row] = record->of.values[2];
    return true;
}

static inline bool arb_decision_replay_ladder(arb_decision_replay_t *replay,
                                              const arb_decision_t *record)
{
    arb_ladder_view_t view;
    if (record->detail >= replay->store->row_count || record->events >= ARB_LADDER_PIECES)
        return false;
    memcpy(replay->ladder + record->events * (ARB_DECISION_BODY_BYTES / 8), record->of.words,
           ARB_DECISION_BODY_BYTES);
    if (record->events + 1 < ARB_LADDER_PIECES)
        return true;
    memcpy(&view, replay->ladder, sizeof view);
    if (view.count[0] > ARB_LADDER_LEVELS || view.count[1] > ARB_LADDER_LEVELS)
        return false;
    arb_ladder_write(replay->ladders + record->detail, &view);
    return true;
}

static inline bool arb_decision_replay_round(arb_decision_replay_t *replay,
                                             const arb_decision_t *record)
{
    if (record->detail != replay->store->venue_count ||
        record->of.step.first != replay->store->symbol_capacity)
        return false;
    replay->config_next = 0;
    if (replay->detector.opened_count != record->of.step.counts[0])
        arb_decision_replay_differs(replay);
    replay->detector.opened_count = record->of.step.counts[0];
    if (replay->state == ARB_REPLAY_EXACT)
        return true;
    replay->exact_event = record->of.step.counts[1];
    replay->exact_mono_ns = record->of.step.mono_ns;
    return true;
}

/* The configuration follows its round; with its last piece the round has begun. */
static inline bool arb_decision_replay_config(arb_decision_replay_t *replay,
                                              const arb_decision_t *record)
{
    uint64_t *words = replay->config + record->events * (ARB_DECISION_BODY_BYTES / 8);
    if (replay->config_next == ARB_CONFIG_PIECES || record->events != replay->config_next)
        return replay->state == ARB_REPLAY_LOST; /* its round was lost */
    if (memcmp(words, record->of.words, ARB_DECISION_BODY_BYTES) != 0) {
        memcpy(words, record->of.words, ARB_DECISION_BODY_BYTES);
        replay->state = ARB_REPLAY_LOST; /* another trader's, or the first that is told */
    }
    if (++replay->config_next < ARB_CONFIG_PIECES)
        return true;
    if (replay->state == ARB_REPLAY_LOST) {
        arb_decision_replay_reset(replay);
        replay->state = ARB_REPLAY_LEARNING;
    } else if (replay->state == ARB_REPLAY_LEARNING) {
        replay->state = ARB_REPLAY_EXACT;
        replay->became_exact++;
    }
    return true;
}

/* One record of a symbol's state: learn it, or compare it with what was reckoned. */
static inline bool arb_decision_replay_told(arb_decision_replay_t *replay,
                                            const arb_decision_t *record)
{
    arb_detector_t *det = &replay->detector;
    uint32_t symbol = replay->told_symbol, piece = record->kind - ARB_DECISION_ROW;
    bool learn = replay->state != ARB_REPLAY_EXACT && !replay->known[symbol];
    if (replay->told_records == 0)
        return false;
    if (record->kind == ARB_DECISION_PAIR) {
        uint32_t buy = record->events / ARB_VENUES_MAX, sell = record->events % ARB_VENUES_MAX;
        if (buy >= det->venue_count || sell >= det->venue_count)
            return false;
        arb_life_slot_t *slot = arb_detector_slot(det, symbol, buy, sell);
        if (learn) {
            memcpy(slot, record->of.words, ARB_DECISION_BODY_BYTES);
            slot->update_count = record->detail;
        } else if (memcmp(slot, record->of.words, ARB_DECISION_BODY_BYTES) != 0 ||
                   slot->update_count != record->detail) {
            arb_decision_replay_differs(replay);
        }
    } else {
        uint64_t words[ARB_ROW_WORD_COUNT];
        if (record->detail >= det->row_count || record->detail % det->symbol_capacity != symbol)
            return false;
        arb_row_words_out(det, record->detail, words);
        if (learn)
            arb_row_words_in(det, record->detail, piece, record->of.words);
        else if (memcmp(words + piece * (ARB_DECISION_BODY_BYTES / 8), record->of.words,
                        ARB_DECISION_BODY_BYTES) != 0)
            arb_decision_replay_differs(replay);
    }
    if (--replay->told_records == 0)
        replay->known[symbol] = 1;
    return true;
}

static inline bool arb_decision_replay_symbol(arb_decision_replay_t *replay,
                                              const arb_decision_t *record)
{
    if (record->of.step.first >= replay->store->symbol_capacity ||
        record->of.step.second != arb_symbol_records(&replay->detector))
        return false;
    replay->told_symbol = record->of.step.first;
    replay->told_records = record->of.step.second;
    return true;
}

/* Take one record. false: it makes no sense. */
static inline bool arb_decision_replay_take(arb_decision_replay_t *replay,
                                            const arb_decision_t *record)
{
    bool lost = replay->state == ARB_REPLAY_LOST;
    switch (record->kind) {
    case ARB_DECISION_TICK:
    case ARB_DECISION_SWEEP:
    case ARB_DECISION_CLOSE:
        return lost || arb_decision_replay_step(replay, record);
    case ARB_DECISION_LADDER:
        return lost || arb_decision_replay_ladder(replay, record);
    case ARB_DECISION_STATIC:
        return lost || arb_decision_replay_statics(replay, record);
    case ARB_DECISION_ROUND:
        return arb_decision_replay_round(replay, record);
    case ARB_DECISION_CONFIG:
        return arb_decision_replay_config(replay, record);
    case ARB_DECISION_SYMBOL:
        return lost || arb_decision_replay_symbol(replay, record);
    case ARB_DECISION_ROW:
    case ARB_DECISION_ROW_STATE:
    case ARB_DECISION_ROW_WATCH:
    case ARB_DECISION_PAIR:
        return lost || arb_decision_replay_told(replay, record);
    case ARB_DECISION_TURN:
        return true; /* the strategy's; nothing of the detector's */
    default:
        return false;
    }
}

/* Take records from *at on until all are taken or the owner is needed; *at moves behind them. */
static inline arb_decision_status_t arb_decision_replay_run(arb_decision_replay_t *replay,
                                                            const arb_decision_t **at,
                                                            const arb_decision_t *end)
{
    while (*at < end) {
        if (ARB_UNLIKELY(replay->detector.event_count + ARB_STEP_EVENTS_MAX >
                         replay->event_capacity))
            return ARB_DECISIONS_NEED_ROOM;
        uint64_t became_exact = replay->became_exact;
        if (ARB_UNLIKELY(!arb_decision_replay_take(replay, *at))) {
            replay->bad++;
            arb_decision_replay_differs(replay);
        }
        (*at)++;
        replay->taken++;
        if (ARB_UNLIKELY(replay->became_exact != became_exact))
            return ARB_DECISIONS_EXACT;
    }
    return ARB_DECISIONS_DONE;
}

#endif
