/* Pair: the words of the spread strategy. What it is configured with, what it knows of each
 * symbol's pair, what it tells the rest of the system, and the strategy itself. The machine is in
 * strategy.h. What a pair can be and how it moves is the table in pair_phases.h, drawn in
 * docs/pairs.md.
 *
 * Threads: the strategy's, alone; pair events leave through a broadcast ring.
 */
#ifndef ARB_PAIR_H
#define ARB_PAIR_H

#include "clock.h" /* first: it asks the system headers for clock_gettime */

#include "basis.h"
#include "broadcast_ring.h"
#include "decisions.h"
#include "funding_entry.h"
#include "histogram.h"
#include "intent_door.h"
#include "journal.h"
#include "legs.h"
#include "market_store.h"
#include "mpsc_ring.h"
#include "pair_phases.h"
#include "risk.h"
#include "spsc_ring.h"

/* Why a pair left. */
typedef enum arb_exit_reason {
    ARB_EXIT_NONE = 0,
    ARB_EXIT_TAKE_PROFIT = 1,
    ARB_EXIT_STOP = 2,
    ARB_EXIT_MAX_HOLD = 3,
    ARB_EXIT_FLATTEN = 4,   /* flatten request or shutdown */
    ARB_EXIT_LEG_FAILED = 5,/* one leg filled, the other did not */
    ARB_EXIT_NAKED = 6,     /* a leg stood alone for too long while the other's outcome was
                             * unknown */
    ARB_EXIT_MISSED = 7,    /* neither leg filled */
    ARB_EXIT_LATE_FILL = 8, /* a fill came after the pair was over */
    ARB_EXIT_LEG_LOST = 9,  /* the venue took from a leg by itself: liquidation, ADL,
                             * a stranger's order */
    ARB_EXIT_FUNDING = 10,  /* no more funding is to be had: it turned,
                             * or was the last settlement */
    ARB_EXIT_ASKED = 11,    /* the user's strategy asked for it */
    ARB_EXIT_ORPHANED = 12, /* the user's strategy is gone */
    ARB_EXIT_REASON_COUNT = 13
} arb_exit_reason_t;

typedef enum arb_pair_event_kind {
    ARB_PAIR_EVENT_OPENING = 1,
    ARB_PAIR_EVENT_OPENED = 2,
    ARB_PAIR_EVENT_CLOSING = 3,
    ARB_PAIR_EVENT_CLOSED = 4,
    ARB_PAIR_EVENT_UNWINDING = 5,
    ARB_PAIR_EVENT_UNWOUND = 6,
    ARB_PAIR_EVENT_MISSED = 7,
    ARB_PAIR_EVENT_BROKEN = 8   /* not the end: CLOSED or UNWOUND follows when it is flat */
} arb_pair_event_kind_t;

/* One change in a pair's life, strategy -> everyone, 120 bytes. */
typedef struct arb_pair_event {
    uint64_t opportunity_id;
    int64_t mono_ns;         /* of this event */
    int64_t started_mono_ns; /* entry orders out */
    int64_t opened_mono_ns;  /* both legs filled; 0: never */
    double buy_px;           /* average entry of the buy leg, venue quotation; NaN: none */
    double sell_px;
    double buy_exit_px;      /* average exit of the buy leg (a sale); NaN: none */
    double sell_exit_px;
    double base_qty;         /* base units entered on the smaller leg */
    double gross_bps;        /* of the entry fills; before them, of the quotes */
    double pair_bps;         /* entry + exit - fees + funding; estimate while open;
                              * NaN: not known */
    float fees_bps;          /* whole round trip, paid and expected */
    float funding_bps;       /* accrued */
    uint32_t naked_us;       /* longest time the legs were uneven */
    uint32_t pair;           /* number inside the run */
    uint16_t order_count;    /* of this pair so far; 65535: or more */
    uint8_t kind;            /* arb_pair_kind_t */
    uint8_t tag;             /* user's strategy that owns it; 0: built in */
    uint16_t buy_row;
    uint16_t sell_row;
    uint16_t symbol_index;
    uint8_t event;           /* arb_pair_event_kind_t */
    uint8_t reason;          /* arb_exit_reason_t */
    uint32_t run;
} arb_pair_event_t;

_Static_assert(sizeof(arb_pair_event_t) == 120, "a pair event and its sequence fill two lines");

/* One symbol's common lot grid. */
typedef struct arb_strategy_symbol {
    double step_base;                  /* base units of one common step;
                                        * 0: the symbol does not trade */
    int64_t step_lots[ARB_VENUES_MAX]; /* lots of each venue that make one step */
} arb_strategy_symbol_t;

typedef struct arb_strategy_config {
    uint32_t run;              /* of the client ids */
    uint32_t symbol_capacity;  /* equal to the store's */
    double min_net_bps;        /* entry: net edge at the decision,
                                * after the books were read again */
    double min_gross_bps;
    double min_excess_bps;     /* entry: gross edge over the standing basis; see basis_step_ns */
    double take_profit_bps;    /* exit when pair_bps is at least this */
    double stop_bps;           /* exit when pair_bps is at most minus this */
    double position_usd;       /* wanted size of each leg */
    double depth_factor;       /* the touch must hold this many times our size */
    double entry_slip_bps;     /* entry limit beyond the quote */
    double exit_slip_bps;      /* exit limit beyond the quote, first try */
    double exit_widen_bps;     /* added for each further try */
    double exit_slip_bps_max;  /* never beyond this, but see stale_slip_bps */
    double stale_slip_bps;     /* added while a row has no live quote and the last one must do */
    int64_t max_hold_ns;
    int64_t cooldown_ns;       /* after a miss; doubled for each failure in a row after an
                                * unwinding */
    int64_t cooldown_ns_max;
    int64_t retry_ns;          /* between reduce-only tries; doubled for each reject in a row */
    int64_t retry_ns_max;
    int64_t naked_ns_max;      /* legs may be uneven so long, then the pair is BROKEN;
                                * see arb_pair_weigh */
    int64_t settle_ns;         /* wait so long for late fills of a flat pair */
    int64_t basis_step_ns;     /* one symbol's basis is sampled so often, in turn;
                                * 0: min_excess_bps is off */
    int64_t basis_time_ns;     /* time constant of the average */
    uint32_t complete_tries_max; /* further entry orders for a leg that lacks something */
    uint32_t breaker_failures; /* one-sided failures in a row that pause the symbol */
    uint32_t exit_tries_max;   /* reduce-only orders of a leg on one way out,
                                * then the pair is BROKEN */
    uint64_t journal_room_min; /* records that must be left for exits before a pair may start */
    bool spread_on;            /* trade the detector's opportunities */
    arb_funding_rules_t funding;
    int64_t funding_step_ns;   /* one symbol's funding is looked at so often, in turn;
                                * 0: not traded */
    double funding_stop_bps;   /* as stop_bps, of funding pairs: theirs begin deep in their own
                                * fees */
} arb_strategy_config_t;

/* What the strategy is connected to. Pointers marked * may be NULL. */
typedef struct arb_strategy_wiring {
    const arb_market_store_t *store;
    const arb_broadcast_ring_t *opportunities;
    arb_mpsc_ring_t *executions;
    arb_spsc_ring_t *orders[ARB_VENUES_MAX]; /* * where the venue does not trade */
    arb_journal_t *journal;
    arb_risk_t *risk;
    arb_strategy_counters_t *counters;
    const arb_strategy_symbol_t *symbols;    /* symbol_capacity entries, kept by the caller */
    const uint64_t *flatten;                 /* * shared word: close every pair */
    arb_broadcast_ring_t *pair_events;       /* * */
    arb_broadcast_ring_t *notices;           /* * */
    const arb_clock_t *clock;                /* * stamps decisions; without it the turn's time
                                              * does */
    arb_histogram_t *seen;                   /* * frame received -> opportunity seen */
    arb_histogram_t *decided;                /* * frame received -> order pushed */
    arb_histogram_t *to_order;               /* * opportunity published -> order pushed */
    arb_histogram_t *naked;                  /* * how long legs were uneven */
    arb_decisions_t *decisions;              /* * the detector's, on the same thread: what the
                                              * strategy reads of books is told there */
} arb_strategy_wiring_t;

enum { ARB_PAIR_BUY = 0, ARB_PAIR_SELL = 1 }; /* the leg that bought, the leg that sold, to enter */

/* What our own orders may have taken from one side of a row's book, until the book says so
 * itself. */
typedef struct arb_reserve {
    int64_t left_mono_ns; /* when the last of them left */
    double qty;           /* venue units */
} arb_reserve_t;

/* One symbol's pair; between pairs, what is remembered of the last one. */
typedef struct arb_pair {
    arb_pair_leg_t legs[2];
    uint32_t id_numbers[2];    /* pair number in each leg's client ids;
                                * a new one when attempts run out */
    uint64_t opportunity_id;
    uint64_t seen_versions[2]; /* of the rows when the exit was last judged */
    int64_t started_mono_ns;
    int64_t opened_mono_ns;    /* 0: never level */
    int64_t naked_mono_ns;     /* the legs are uneven since; 0: they are not */
    int64_t naked_ns_max;
    int64_t cool_until_mono_ns;
    int64_t settle_until_mono_ns;
    int64_t target_steps;      /* of the common grid: what UNWINDING reduces both legs to; else 0 */
    int64_t funding_next_ns[2];
    double funding_rate[2];
    double funding_bps;        /* accrued */
    int64_t noted_micro;       /* what of its result the gate has been told */
    double gross_bps;          /* of the quotes at the decision */
    double pair_bps;           /* as last judged */
    uint32_t number;
    uint32_t order_count;
    arb_basis_t basis;         /* outlives the pairs, as the next three do */
    arb_reserve_t reserves[ARB_VENUES_MAX][2]; /* by venue and by the side of the order */
    uint32_t failure_streak;   /* unwindings in a row: they make the cooling longer */
    uint32_t breaker_streak;   /* one-sided failures in a row: they trip the breaker */
    uint32_t complete_count;   /* completing orders of this pair so far */
    uint16_t symbol_index;
    uint8_t phase;             /* arb_pair_phase_t */
    uint8_t reason;            /* arb_exit_reason_t */
    uint8_t kind;              /* arb_pair_kind_t: by which rule it leaves */
    uint8_t tag;               /* user's strategy that owns it; 0: built in */
    bool close_asked;          /* by that strategy */
    bool active;               /* on the active list */
    bool counted;              /* its end has been counted */
    bool adopted;              /* an earlier run began it: it counts as taken over, not as opened */
} arb_pair_t;

_Static_assert(offsetof(arb_pair_t, id_numbers) == 2 * sizeof(arb_pair_leg_t) &&
                   offsetof(arb_pair_t, basis) < offsetof(arb_pair_t, reserves) &&
                   offsetof(arb_pair_t, failure_streak) ==
                       offsetof(arb_pair_t, reserves) + sizeof(((arb_pair_t *)0)->reserves),
               "arb_pair_reset clears the members around basis and reserves");

typedef struct arb_strategy {
    arb_strategy_config_t config;
    arb_strategy_wiring_t wire;
    arb_broadcast_reader_t reader;
    uint64_t control_seen;     /* control words as last journaled, packed */
    uint64_t is_held;          /* not 0: pairs taken over wait until their orders can leave */
    uint32_t next_pair;
    uint32_t active_count;
    uint32_t venues_pushed;    /* bit a venue: orders pushed since the owner last cleared it */
    int64_t now_mono_ns;       /* of this turn */
    int64_t basis_due_mono_ns; /* when the next symbol's basis is sampled */
    uint32_t basis_symbol;
    int64_t funding_due_mono_ns; /* when the next symbol's funding is looked at */
    uint32_t funding_symbol;
    double wanted_usd;         /* of the entry being sized; at most config.position_usd */
    uint8_t refused_by;        /* arb_risk_reason_t of the last entry that the gate refused */
    uint32_t door_count;
    arb_histogram_notes_t notes; /* of this turn, counted at its end */
    arb_intent_door_t *doors[ARB_DOORS_MAX];
    uint64_t doors_taken[ARB_DOORS_MAX];
    uint64_t orphans_close;    /* bit a tag: close its pairs now;
                                * written by the owner's main thread */
    uint64_t orphans_held;     /* bit a tag: its pairs also take profit as spread pairs do;
                                * likewise */
    uint16_t active[ARB_SYMBOLS_MAX]; /* symbols with a pair under way */
    arb_pair_t pairs[];        /* symbol_capacity */
} arb_strategy_t;

/* The live columns that trading needs, read as one whole. */
typedef struct arb_top_view {
    double bid_px, ask_px, bid_qty, ask_qty;
    int64_t recv_mono_ns;
    uint64_t state;
} arb_top_view_t;

/* Copy a row's top. false: the writer kept writing; treat as not live. */
static inline bool arb_top_read(const arb_market_store_t *store, uint32_t row, arb_top_view_t *view)
{
    const uint64_t *version = arb_store_version(store) + row;
    for (uint32_t tries = 0; tries < 64; tries++) {
        uint64_t begun = arb_seqlock_read_begin(version);
        arb_copy_words_out(&view->bid_px, (const uint64_t *)arb_store_bid_px(store) + row, 8);
        arb_copy_words_out(&view->ask_px, (const uint64_t *)arb_store_ask_px(store) + row, 8);
        arb_copy_words_out(&view->bid_qty, (const uint64_t *)arb_store_bid_qty(store) + row, 8);
        arb_copy_words_out(&view->ask_qty, (const uint64_t *)arb_store_ask_qty(store) + row, 8);
        arb_copy_words_out(&view->recv_mono_ns,
                           (const uint64_t *)arb_store_recv_mono_ns(store) + row, 8);
        arb_copy_words_out(&view->state, arb_store_state(store) + row, 8);
        if (ARB_LIKELY(arb_seqlock_read_valid(version, begun)))
            return true;
        arb_cpu_relax();
    }
    memset(view, 0, sizeof *view);
    view->bid_px = view->ask_px = view->bid_qty = view->ask_qty = NAN;
    return false;
}

/* A row's mid in the common quotation, as the gate compares it; 0: a side has no quote. */
static inline int64_t arb_top_mid_pico(const arb_market_store_t *store, uint32_t row,
                                       const arb_top_view_t *top)
{
    if (!(top->bid_px > 0 && top->ask_px > 0))
        return 0;
    return arb_risk_pico((top->bid_px + top->ask_px) / 2 * arb_store_px_mult(store)[row]);
}

static inline double arb_average_px(double value, double lots)
{
    return lots > 0 ? value / lots : NAN;
}

/* Base units of one lot of a row. */
static inline double arb_row_lot_base(const arb_market_store_t *store, uint32_t row)
{
    return arb_store_qty_lot(store)[row] * arb_store_qty_mult(store)[row];
}

#endif
