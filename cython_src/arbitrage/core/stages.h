/* Stages: how detector and strategy are run, and how they wait.
 *
 *   split    detector thread --parker--> strategy thread --bell--> gateway loop
 *   fused    one thread: detector, then strategy
 *   inline   both inside the feed callback, on the feed loop's thread
 *
 * The turn functions are the same in all placements. A turn never blocks; between turns an idle
 * thread spins, yields, or parks until a producer wakes it or time is up; what it expects soon it
 * waits for awake (spin_budget.h).
 */
#ifndef ARB_STAGES_H
#define ARB_STAGES_H

#include "clock.h" /* first: it asks the system headers for the POSIX names */

#include <sched.h>

#include "bell.h"
#include "detector.h"
#include "keep_warm.h"
#include "segment.h"
#include "spin_budget.h"
#include "strategy_turn.h"

enum {
    ARB_TICKS_A_TURN = 256,
    ARB_LOOKS_A_TURN = 8, /* for work, between two turns that found none; under a microsecond */
    /* longest sleep: then staleness and timers are looked at */
    ARB_PARK_IDLE_NS = 20 * 1000 * 1000,
    ARB_PARK_BUSY_NS = 500 * 1000,       /* the same while a pair is open, or intents may come */
};

typedef enum arb_wait { ARB_WAIT_SPIN = 0, ARB_WAIT_YIELD = 1, ARB_WAIT_ADAPTIVE = 2 } arb_wait_t;

typedef struct arb_stages {
    arb_detector_t *detector;
    arb_strategy_t *strategy;          /* NULL: detection only */
    const arb_clock_t *clock;
    arb_control_t *control;
    arb_parker_t *detector_parker;     /* woken by the feed threads */
    arb_parker_t *strategy_parker;     /* woken by the detector and by the gateways */
    arb_bell_t *bell;                  /* wakes the gateway loop; NULL: the loop polls by itself */
    const arb_detector_counters_t *detector_counters;
    const arb_strategy_counters_t *strategy_counters;
    arb_warm_t *warm;                  /* NULL: the order path is not kept warm */
    arb_warm_rows_t rows;              /* of the detector; empty: not kept warm */
    int64_t spin_ns;                   /* adaptive: longest spin before a sleep */
    uint32_t wait;                     /* arb_wait_t */
} arb_stages_t;

static inline uint64_t arb_events_published(const arb_stages_t *stages)
{
    const arb_detector_counters_t *counters = stages->detector_counters;
    return counters->opened + counters->updated + counters->closed;
}

/* Orders made so far. */
static inline uint64_t arb_stages_orders(const arb_stages_t *stages)
{
    return stages->strategy_counters->orders;
}

/* One turn of the detector; returns ticks handled. wakes: a strategy thread may sleep. */
static inline uint32_t arb_stages_detect(arb_stages_t *stages, int64_t now_mono_ns, bool wakes)
{
    uint64_t before = arb_events_published(stages);
    uint32_t handled = arb_detector_poll(stages->detector, ARB_TICKS_A_TURN, now_mono_ns);
    if (wakes && arb_events_published(stages) != before)
        arb_parker_notify(stages->strategy_parker);
    return handled;
}

/* One turn of the strategy; returns events handled. */
static inline uint32_t arb_stages_decide(arb_stages_t *stages, int64_t now_mono_ns)
{
    uint64_t before = arb_stages_orders(stages);
    uint32_t handled = arb_strategy_poll(stages->strategy, now_mono_ns);
    if (stages->bell != NULL && arb_stages_orders(stages) != before)
        arb_bell_ring(stages->bell);
    return handled;
}

/* A turn of the strategy that is recorded: told when it, or the detector's before it, had something
 * in hand, or when it did something by its clock. The words that show it only ever grow. */
__attribute__((noinline)) static uint32_t arb_stages_decide_told(arb_stages_t *stages,
                                                                 int64_t now_mono_ns,
                                                                 uint32_t detected)
{
    const arb_strategy_t *strat = stages->strategy;
    arb_decisions_t *decisions = stages->detector->decisions;
    uint64_t before = arb_strategy_doings(strat);
    uint32_t handled = arb_stages_decide(stages, now_mono_ns);
    if (detected + handled == 0 && arb_strategy_doings(strat) == before)
        return 0;
    arb_decision_t *record =
        arb_decisions_next(decisions, ARB_DECISION_TURN, 0, 0, stages->detector->opened_count);
    memset(&record->of, 0, sizeof record->of);
    record->of.step.counts[0] = strat->wire.journal->count;
    record->of.step.counts[1] = strat->reader.cursor;
    /* relaxed: a word that the owner's main thread keeps true; pairs with
     * Journal.refresh_wall_offset */
    record->of.step.counts[2] = (uint64_t)arb_load_relaxed(&strat->wire.journal->wall_offset_ns);
    record->of.step.mono_ns = now_mono_ns;
    record->of.step.first = handled;
    decisions->mono_ns = now_mono_ns;
    return handled;
}

/* now_mono_ns 0: nothing is done that is due by time alone. */
static inline uint32_t arb_stages_both(arb_stages_t *stages, int64_t now_mono_ns)
{
    stages->detector->published_mono_ns = 0;
    uint32_t handled = arb_stages_detect(stages, now_mono_ns, false);
    if (stages->strategy == NULL)
        return handled;
    int64_t turn_mono_ns = now_mono_ns;
    /* one tick, whose events were stamped just now: reading the clock again takes 10 ns */
    if (handled == 1 && stages->detector->published_mono_ns != 0)
        turn_mono_ns = stages->detector->published_mono_ns;
    else if (handled != 0 || now_mono_ns == 0)
        turn_mono_ns = arb_clock_now(stages->clock);
    if (ARB_UNLIKELY(stages->detector->decisions != NULL))
        return handled + arb_stages_decide_told(stages, turn_mono_ns, handled);
    return handled + arb_stages_decide(stages, turn_mono_ns);
}

typedef uint32_t (*arb_turn_t)(arb_stages_t *stages, int64_t now_mono_ns);

static inline uint32_t arb_turn_detector(arb_stages_t *stages, int64_t now_mono_ns)
{
    return arb_stages_detect(stages, now_mono_ns, stages->strategy != NULL);
}
static inline uint32_t arb_turn_strategy(arb_stages_t *stages, int64_t now_mono_ns)
{
    return arb_stages_decide(stages, now_mono_ns);
}
static inline uint32_t arb_turn_fused(arb_stages_t *stages, int64_t now_mono_ns)
{
    return arb_stages_both(stages, now_mono_ns);
}

static inline int64_t arb_stages_park_ns(const arb_stages_t *stages)
{
    bool busy = stages->strategy != NULL && (arb_strategy_live_pairs(stages->strategy) > 0 ||
                                             /* nobody who asks can wake us: its memory here is
                                              * read-only */
                                             stages->strategy->door_count > 0);
    return busy ? ARB_PARK_BUSY_NS : ARB_PARK_IDLE_NS;
}

/* Is there anything for this stage to take? A few loads; what is due by time the turn finds. */
static inline bool arb_stages_have_work(const arb_stages_t *stages, arb_turn_t turn)
{
    const arb_detector_t *det = stages->detector;
    const arb_strategy_t *strat = turn == arb_turn_detector ? NULL : stages->strategy;
    if (turn == arb_turn_strategy) {
        if (arb_broadcast_has_next(strat->wire.opportunities, &strat->reader))
            return true;
    } else {
        for (uint32_t index = 0; index < det->lane_count; index++)
            if (arb_lane_peek(det->lanes[index]) != NULL)
                return true;
    }
    return strat != NULL && arb_mpsc_peek(strat->wire.executions) != NULL;
}

/* Between two idle turns: look several times whether work came, which is quicker than a turn. */
static inline bool arb_stages_linger(const arb_stages_t *stages, arb_turn_t turn)
{
    for (uint32_t look = 0; look < ARB_LOOKS_A_TURN; look++) {
        arb_cpu_relax();
        if (arb_stages_have_work(stages, turn))
            return true;
    }
    return false;
}

/* Turn until control->stop, on the stage's own thread. parker: what producers of its work notify;
 * warm: NULL on a thread that is not the strategy's. */
static inline void arb_stages_run(arb_stages_t *stages, arb_turn_t turn, arb_parker_t *parker,
                                  arb_warm_t *warm, arb_thread_entry_t *entry)
{
    int64_t last_work_ns = arb_clock_now(stages->clock);
    bool waiting = false;
    arb_spin_budget_t budget;
    arb_spin_init(&budget, stages->spin_ns);
    /* relaxed: a switch; a turn later is soon enough */
    while (!arb_load_relaxed(&stages->control->stop)) {
        int64_t now_ns = arb_clock_now(stages->clock);
        uint32_t handled = turn(stages, now_ns);
        arb_count(&entry->turns, 1);
        if (handled == 0) {
            /* no work: the time to park comes as if it had not been */
            arb_warm_when_due(warm, stages->clock, now_ns);
            if (turn != arb_turn_strategy)
                arb_detector_keep_warm(stages->detector, &stages->rows, ARB_WARM_LINES_A_LOOK,
                                       now_ns);
        }
        if (handled == 0 && stages->wait == ARB_WAIT_ADAPTIVE &&
            now_ns - last_work_ns >= arb_spin_ns(&budget) && arb_parker_prepare(parker)) {
            waiting = true;
            handled = turn(stages, now_ns);
            if (handled != 0)
                arb_parker_cancel(parker);
            else
                arb_parker_wait(parker, arb_stages_park_ns(stages));
        }
        if (handled != 0) {
            arb_count(&entry->work, 1);
            if (waiting)
                arb_spin_waited(&budget, now_ns - last_work_ns);
            waiting = false;
            last_work_ns = now_ns;
            continue;
        }
        waiting = true;
        if (stages->wait == ARB_WAIT_YIELD)
            sched_yield();
        else if (stages->wait == ARB_WAIT_SPIN) {
            /* the detector needs no time for what came; the next turn does what is due by time */
            if (arb_stages_linger(stages, turn) && turn != arb_turn_strategy)
                arb_count(&entry->work, turn(stages, 0) != 0);
        } else
            arb_cpu_relax();
    }
}

#endif
