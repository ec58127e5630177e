/* Backtest halts: what stops a trader until a person comes, and the person, who comes at midnight.
 *
 * The day's loss trips the kill switch, and the breaker pauses a symbol; live, both last until
 * somebody has looked. A backtest notes when and why, and clears both at the next 00:00 UTC, when
 * the day's loss counts anew. Threads: one.
 */
#ifndef ARB_BACKTEST_HALTS_H
#define ARB_BACKTEST_HALTS_H

#include "backtest_world.h"

static inline void arb_bt_note_halt(arb_backtest_t *bt, arb_bt_halt_kind_t kind, uint16_t symbol)
{
    const int64_t day_ns = ARB_RISK_DAY_S * INT64_C(1000000000);
    *(arb_bt_halt_t *)arb_bt_append(&bt->tables[ARB_BT_HALTS]) =
        (arb_bt_halt_t){.ns = bt->now_ns, .symbol = symbol, .kind = (uint8_t)kind};
    bt->person_due_ns = bt->now_ns - bt->now_ns % day_ns + day_ns;
    bt->appended = true;
}

/* After each turn of the strategy: has something stopped it? */
static inline void arb_bt_watch_halts(arb_backtest_t *bt)
{
    const arb_risk_t *risk = bt->strategy->wire.risk;
    uint64_t trips = bt->strategy->wire.counters->breaker_trips;
    if (ARB_UNLIKELY(*risk->kill != ARB_KILL_NONE && !bt->is_killed)) {
        bt->is_killed = true;
        arb_bt_note_halt(bt, ARB_BT_HALT_DAY_LOSS, ARB_MARKET_ALL_SYMBOLS);
    }
    if (ARB_LIKELY(trips == bt->breaker_trips))
        return;
    bt->breaker_trips = trips;
    for (uint32_t symbol = 0; symbol < bt->symbol_count; symbol++) {
        bool is_paused = (risk->paused[symbol] & ARB_PAUSE_BREAKER) != 0;
        if (is_paused && !bt->paused[symbol])
            arb_bt_note_halt(bt, ARB_BT_HALT_BREAKER, (uint16_t)symbol);
        bt->paused[symbol] = is_paused;
    }
}

/* The person has come: everything may go on. */
static inline void arb_bt_end_halts(arb_backtest_t *bt)
{
    arb_bt_table_t *halts = &bt->tables[ARB_BT_HALTS];
    arb_risk_t *risk = bt->strategy->wire.risk;
    for (; bt->halts_ended < halts->count; bt->halts_ended++)
        ((arb_bt_halt_t *)arb_bt_at(halts, bt->halts_ended))->until_ns = bt->now_ns;
    *risk->kill = ARB_KILL_NONE;
    bt->is_killed = false;
    for (uint32_t symbol = 0; symbol < bt->symbol_count; symbol++) {
        risk->paused[symbol] &= (uint8_t)~ARB_PAUSE_BREAKER;
        bt->paused[symbol] = false;
    }
    bt->person_due_ns = INT64_MAX;
}

#endif
