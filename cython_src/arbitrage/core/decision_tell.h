/* Telling decisions: what the detector says of itself while it is recorded. See decisions.h.
 *
 * A symbol's state is told whole, between two ticks, symbol after symbol, so that a round costs no
 * turn more than ARB_TELL_SYMBOLS_MAX of them. What is told of a symbol is exactly what its
 * decisions depend on: the live columns of its rows, what the detector keeps of them beside the
 * store, and its directed pairs. Ladders are not: after a symbol was told, the next one that is
 * read is told anew.
 *
 * Threads: the detector's.
 */
#ifndef ARB_DECISION_TELL_H
#define ARB_DECISION_TELL_H

#include "decisions.h"
#include "detector_costs.h"

enum { ARB_TELL_SYMBOLS_MAX = 16 };

/* Say the static columns of a symbol's rows that differ from those told before, or all of them;
 * whether any did. */
static inline bool arb_tell_statics(const arb_detector_t *det, uint32_t symbol, bool all)
{
    arb_decisions_t *decisions = det->decisions;
    bool changed = false;
    for (uint32_t venue = 0; venue < det->venue_count; venue++) {
        uint32_t row = venue * det->symbol_capacity + symbol;
        arb_statics_t *told = decisions->statics_told + row;
        arb_statics_t now = {det->px_mult[row], det->qty_mult[row],
                             arb_store_taker_bps(det->store)[row]};
        bool differs = told->px_mult != now.px_mult || told->qty_mult != now.qty_mult ||
                       told->taker_bps != now.taker_bps;
        if (ARB_LIKELY(!differs && !all))
            continue;
        *told = now;
        changed |= differs;
        arb_decisions_put_pieces(decisions, ARB_DECISION_STATIC, row, det->opened_count, &now,
                                 sizeof now);
    }
    return changed;
}

/* ---- the state of one symbol --------------------------------------------------------------- */

/* The words of a row's three records, in order. */
#define ARB_ROW_WORDS(X, det, row)                                                     \
    X(0, (double *)arb_store_bid_px((det)->store) + (row))                             \
    X(1, arb_store_ask_px((det)->store) + (row))                                       \
    X(2, arb_store_bid_qty((det)->store) + (row))                                      \
    X(3, arb_store_ask_qty((det)->store) + (row))                                      \
    X(4, arb_store_recv_mono_ns((det)->store) + (row))                                 \
    X(5, arb_store_exch_wall_ns((det)->store) + (row))                                 \
    X(6, arb_store_seq((det)->store) + (row))                                          \
    X(7, arb_store_funding_rate((det)->store) + (row))                                 \
    X(8, arb_store_funding_interval_h((det)->store) + (row))                           \
    X(9, arb_store_funding_next_ns((det)->store) + (row))                              \
    X(10, arb_store_state((det)->store) + (row))                                       \
    X(11, arb_store_update_count((det)->store) + (row))                                \
    X(12, &(det)->watches[row].applied_mono_ns)                                        \
    X(13, &(det)->watches[row].moved_mono_ns)                                          \
    X(14, &(det)->watches[row].funding_bps)                                            \
    X(15, &(det)->watches[row].funding_8h)                                             \
    X(16, &(det)->watches[row].funding_until_ns)                                       \
    X(17, &(det)->watches[row].stands[0])                                              \
    X(18, &(det)->watches[row].stands[1])                                              \
    X(19, &(det)->watches[row].stands[2])                                              \
    X(20, &(det)->watches[row].stands[3])

enum { ARB_ROW_WORD_COUNT = 21, ARB_ROW_RECORDS = 3, ARB_PAIR_WORD_COUNT = 7 };

_Static_assert(ARB_ROW_WORD_COUNT * 8 == ARB_ROW_RECORDS * ARB_DECISION_BODY_BYTES,
               "a row fills its records");
_Static_assert(ARB_VENUES_MAX == 4, "four stands of a row are told");

static inline void arb_row_words_out(const arb_detector_t *det, uint32_t row, uint64_t *words)
{
#define ARB_X(place, word) memcpy(words + (place), word, 8);
    ARB_ROW_WORDS(ARB_X, det, row)
#undef ARB_X
}

/* One of a row's records, put back where it came from. */
static inline void arb_row_words_in(arb_detector_t *det, uint32_t row, uint32_t piece,
                                    const uint64_t *words)
{
    uint64_t all[ARB_ROW_WORD_COUNT];
    arb_row_words_out(det, row, all);
    memcpy(all + piece * (ARB_DECISION_BODY_BYTES / 8), words, ARB_DECISION_BODY_BYTES);
#define ARB_X(place, word) memcpy(word, all + (place), 8);
    ARB_ROW_WORDS(ARB_X, det, row)
#undef ARB_X
}

/* Records of one symbol's state. */
static inline uint32_t arb_symbol_records(const arb_detector_t *det)
{
    return det->venue_count * ARB_ROW_RECORDS + det->venue_count * (det->venue_count - 1);
}

_Static_assert(offsetof(arb_life_slot_t, update_count) == ARB_PAIR_WORD_COUNT * 8,
               "a pair's words end where its updates are counted");

static inline void arb_tell_symbol(const arb_detector_t *det, uint32_t symbol, int64_t now_mono_ns)
{
    arb_decisions_t *decisions = det->decisions;
    uint64_t opened = det->opened_count;
    arb_decisions_put_step(decisions, ARB_DECISION_SYMBOL, opened, now_mono_ns, symbol,
                           arb_symbol_records(det));
    for (uint32_t venue = 0; venue < det->venue_count; venue++) {
        uint32_t row = venue * det->symbol_capacity + symbol;
        uint64_t words[ARB_ROW_WORD_COUNT];
        arb_row_words_out(det, row, words);
        for (uint32_t piece = 0; piece < ARB_ROW_RECORDS; piece++) {
            arb_decision_t *record =
                arb_decisions_next(decisions, ARB_DECISION_ROW + piece, row, 0, opened);
            memcpy(record->of.words, words + piece * (ARB_DECISION_BODY_BYTES / 8),
                   ARB_DECISION_BODY_BYTES);
        }
        decisions->ladders_told[row] = UINT64_MAX;
    }
    for (uint32_t buy = 0; buy < det->venue_count; buy++)
        for (uint32_t sell = 0; sell < det->venue_count; sell++) {
            if (buy == sell)
                continue;
            const arb_life_slot_t *slot = arb_detector_slot(det, symbol, buy, sell);
            arb_decision_t *record =
                arb_decisions_next(decisions, ARB_DECISION_PAIR, slot->update_count,
                                   buy * ARB_VENUES_MAX + sell, opened);
            memcpy(record->of.words, slot, ARB_PAIR_WORD_COUNT * 8); /* up to fees_bps */
        }
}

static inline bool arb_symbol_in_use(const arb_detector_t *det, uint32_t symbol)
{
    bool used = false;
    for (uint32_t venue = 0; venue < det->venue_count; venue++)
        used |= det->px_mult[venue * det->symbol_capacity + symbol] > 0.0;
    return used;
}

/* ---- rounds -------------------------------------------------------------------------------- */

static inline void arb_tell_round(const arb_detector_t *det, uint64_t published,
                                  int64_t now_mono_ns)
{
    arb_decisions_t *decisions = det->decisions;
    arb_decision_t *record =
        arb_decisions_next(decisions, ARB_DECISION_ROUND, det->venue_count, 0, det->opened_count);
    memset(&record->of, 0, sizeof record->of);
    record->of.step.counts[0] = det->opened_count;
    record->of.step.counts[1] = published;
    record->of.step.counts[2] = decisions->round_count++;
    record->of.step.mono_ns = now_mono_ns;
    record->of.step.first = det->symbol_capacity;
    record->of.step.second = det->store->ladders_offset != 0;
    arb_decisions_put_pieces(decisions, ARB_DECISION_CONFIG, 0, det->opened_count, &det->config,
                             sizeof det->config);
}

/* Tell the symbols that are due, at most ARB_TELL_SYMBOLS_MAX of those in use, in rounds that take
 * round_ns; published: events on the broadcast so far. */
static inline void arb_tell_due(const arb_detector_t *det, uint64_t published, int64_t now_mono_ns)
{
    arb_decisions_t *decisions = det->decisions;
    uint32_t told = 0, looked = 0;
    int64_t step_ns = decisions->round_ns / det->symbol_capacity;
    if (now_mono_ns - decisions->symbol_mono_ns > decisions->round_ns)
        decisions->symbol_mono_ns = now_mono_ns - decisions->round_ns; /* slept: a round at most */
    while (now_mono_ns >= decisions->symbol_mono_ns && told < ARB_TELL_SYMBOLS_MAX &&
           looked++ < det->symbol_capacity) {
        uint32_t symbol = decisions->next_symbol;
        if (symbol == 0)
            arb_tell_round(det, published, now_mono_ns);
        if (arb_symbol_in_use(det, symbol)) {
            arb_tell_statics(det, symbol, true);
            arb_tell_symbol(det, symbol, now_mono_ns);
            told++;
        }
        decisions->next_symbol = symbol + 1 == det->symbol_capacity ? 0 : symbol + 1;
        decisions->symbol_mono_ns += step_ns;
    }
}

#endif
