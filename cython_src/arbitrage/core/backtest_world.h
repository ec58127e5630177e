/* Backtest world: all that a backtest owns and is connected to, and its events in virtual time.
 *
 *   records, ordered by recv_ns
 *     [ received by now: the trader's ][ made by now, on their way ][ not made yet ... ]
 *                                      ^ next
 *
 * The trader's half is the detector and the strategy that trade live, with their own rings, store,
 * gate and journal. The venues' half is what is written here and in backtest_venue.h.
 *
 * Events are a heap by time, then by number: what was planned first happens first. Threads: one.
 * Memory: the owner's, in the capacities that arb_backtest_t says.
 */
#ifndef ARB_BACKTEST_WORLD_H
#define ARB_BACKTEST_WORLD_H

#include "clock.h" /* first: it asks the system headers for clock_gettime */

#include "backtest_latency.h"
#include "backtest_results.h"
#include "backtest_rows.h"
#include "detector.h"
#include "strategy_turn.h"

enum {
    ARB_BT_WAY_FEED = 0,  /* venue -> trader: market data */
    ARB_BT_WAY_ORDER = 1, /* trader -> venue's matching */
    ARB_BT_WAY_REPLY = 2, /* venue -> trader: what became of an order */
    ARB_BT_WAYS = 3,
    ARB_BT_CHANCE_REJECT = 64, /* a stream of chance that is no way */
    ARB_BT_JOURNAL_RECORDS = 4096,
};

/* A level that our orders took from, until the book states another quantity there. */
typedef struct arb_bt_taken {
    double px;
    double qty;        /* what the book stated when it was taken */
    int64_t lots;      /* of it that are gone */
    uint64_t seen;     /* place in the stream of the newest record the book had then */
    uint32_t side;     /* of the book: ARB_DEPTH_BID, ARB_DEPTH_ASK */
    bool doubted;      /* a snapshot has begun that has not stated the level yet */
} arb_bt_taken_t;

typedef struct arb_bt_takens {
    arb_bt_taken_t *items;
    uint32_t count, capacity;
} arb_bt_takens_t;

/* What we hold of a row, and its settlements. */
typedef struct arb_bt_account {
    int64_t lots;          /* signed */
    double cost;           /* of them: sum of venue px * lots, signed like them */
    double lot_usd;        /* venue px * lots * this = settlement currency */
    double last_bid, last_ask; /* venue's quotation, while they were known */
    uint64_t pair_row;     /* of the pair that traded here last */
    int64_t settle_ns;     /* next settlement, UTC epoch; 0: none known */
    double settle_rate;
    int64_t told_next_ns;  /* as the newest FUNDING record says */
    double told_rate;
    int64_t interval_ns;   /* 0: not known */
    uint32_t held_place;   /* in the list of rows that hold something */
    uint32_t waiting;      /* newest order that waits for a market, its place + 1; 0: none */
} arb_bt_account_t;

typedef enum arb_bt_event_kind {
    ARB_BT_ARRIVE = 0,  /* an order reaches its venue */
    ARB_BT_REPLY = 1,   /* the strategy hears what became of it */
    ARB_BT_TIMEOUT = 2, /* the gateway has waited long enough to say so */
    ARB_BT_SETTLE = 3   /* of a row's funding */
} arb_bt_event_kind_t;

typedef struct arb_bt_event {
    int64_t at_ns;
    uint64_t number;
    uint32_t index; /* of the order under way, or of the row */
    uint32_t kind;
} arb_bt_event_t;

/* An order between leaving the strategy and its last answer. */
typedef struct arb_bt_under_way {
    arb_order_t sent;
    uint64_t order_row;   /* in its table */
    uint64_t pair_row;
    uint64_t fill_first;
    uint32_t fill_count;
    uint32_t code;        /* not 0: refused, with the venue's number */
    int64_t filled_lots;
    int64_t reply_ns;     /* when its answer arrives */
    bool luckless;        /* refused by chance */
    uint32_t next_free;   /* or the one before it of those that wait, its place + 1 */
} arb_bt_under_way_t;

/* The rules of a simulated venue beside its book. */
typedef struct arb_bt_rules {
    double reject_rate;      /* of orders, by chance */
    double band_bps;         /* limit beyond the mid by more: refused; 0: off */
    double balance_usd;      /* at the start; 0: not asked */
    double leverage;         /* margin of a position is its value over this */
    int64_t silence_ns;      /* a row silent for longer has no market; 0: off */
} arb_bt_rules_t;

/* The newest event of a directed pair: what an entry was expected to bring. */
typedef struct arb_bt_hint {
    uint64_t id;
    double net_bps, gross_bps;
} arb_bt_hint_t;

typedef struct arb_backtest {
    /* the stream at hand */
    const arb_market_t *records;
    const int64_t *feed_ns;   /* beside the records: their feed latency, where a callable says it */
    uint64_t record_count;
    uint64_t next;            /* first that the trader has not received */
    uint64_t base;            /* place in the stream of records[0] */
    bool final;               /* no more will come */
    /* the trader's half */
    arb_detector_t *detector;
    arb_strategy_t *strategy;
    arb_market_store_t *store;
    arb_broadcast_ring_t *opportunities, *pair_events, *notices;
    arb_mpsc_ring_t *executions;
    arb_spsc_ring_t *orders[ARB_VENUE_COUNT];
    arb_broadcast_reader_t opportunity_reader, pair_reader;
    arb_journal_record_t *journal_parts[2];
    uint32_t journal_part;    /* that was offered last */
    /* rows: [row] */
    arb_bt_row_t *rows;
    arb_bt_takens_t *takens;
    arb_bt_account_t *accounts;
    uint64_t *pair_rows;      /* [symbol]: the newest pair; UINT64_MAX: none */
    arb_bt_hint_t *hints;     /* [2 * symbol + direction] */
    arb_bt_row_t shadow;      /* a row as its venue has it */
    uint32_t *held;           /* rows that hold something */
    uint32_t held_count;
    uint32_t symbol_count, symbol_capacity;
    /* what is under way */
    arb_bt_event_t *events;
    uint32_t event_count, event_capacity;
    uint64_t event_number;
    arb_bt_under_way_t *under_way;
    uint32_t first_free, under_way_capacity;
    int64_t last_arrival_ns[ARB_VENUE_COUNT], last_reply_ns[ARB_VENUE_COUNT];
    arb_latency_t ways[ARB_VENUE_COUNT][ARB_BT_WAYS];
    bool feed_by_model[ARB_VENUE_COUNT]; /* also where the record says when it was made */
    int64_t lookahead_ns;     /* no record is taken to be older when it arrives */
    arb_bt_rules_t rules[ARB_VENUE_COUNT];
    double venue_usd[ARB_VENUE_COUNT]; /* realised, fees and funding of a venue */
    int64_t order_timeout_ns;
    uint64_t seed;
    /* time */
    int64_t now_ns;
    int64_t strategy_due_ns;
    int64_t sample_due_ns, sample_step_ns; /* step 0: no samples */
    int64_t host_due_ns;
    int64_t poll_step_ns;     /* poll at least so often; 0: when something can happen */
    bool closing;             /* the stream has ended: */
    int64_t end_ns;           /* what is open is closed, but not beyond this */
    /* what stopped it, see backtest_halts.h */
    int64_t person_due_ns;    /* INT64_MAX: nothing has */
    uint64_t halts_ended;     /* rows of the table */
    uint64_t breaker_trips;   /* as seen last */
    bool is_killed;
    uint8_t *paused;          /* [symbol], of those that a halt was noted of */
    /* users' strategies */
    bool hosted;
    bool turn_due;            /* they were told: what they ask for waits */
    uint64_t host_seen;       /* published on the three rings when they were told last */
    /* results */
    arb_bt_table_t tables[ARB_BT_TABLES];
    bool keeps_opportunities;
    bool broken;              /* the owner's code raised: rest at once */
    bool appended;            /* a table or the events grew since their room was looked at */
    double realised_usd, fees_usd, funding_usd;
    uint64_t heard[ARB_VENUE_COUNT]; /* records of a venue's books */
    arb_bt_counts_t counts;
} arb_backtest_t;

/* ---- events ---------------------------------------------------------------------------------- */

static inline bool arb_bt_earlier(const arb_bt_event_t *one, const arb_bt_event_t *other)
{
    return one->at_ns != other->at_ns ? one->at_ns < other->at_ns : one->number < other->number;
}

/* Room is looked at between steps, see arb_bt_has_room. */
static inline void arb_bt_plan(arb_backtest_t *bt, int64_t at_ns, uint32_t kind, uint32_t index)
{
    arb_bt_event_t event = {at_ns, bt->event_number++, index, kind};
    uint32_t place = bt->event_count++;
    while (place > 0 && arb_bt_earlier(&event, &bt->events[(place - 1) / 2])) {
        bt->events[place] = bt->events[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    bt->events[place] = event;
    bt->appended = true;
}

static inline arb_bt_event_t arb_bt_take_event(arb_backtest_t *bt)
{
    arb_bt_event_t first = bt->events[0], last = bt->events[--bt->event_count];
    uint32_t place = 0;
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= bt->event_count)
            break;
        if (child + 1 < bt->event_count &&
            arb_bt_earlier(&bt->events[child + 1], &bt->events[child]))
            child++;
        if (!arb_bt_earlier(&bt->events[child], &last))
            break;
        bt->events[place] = bt->events[child];
        place = child;
    }
    if (bt->event_count > 0)
        bt->events[place] = last;
    return first;
}

static inline int64_t arb_bt_event_ns(const arb_backtest_t *bt)
{
    return bt->event_count > 0 ? bt->events[0].at_ns : INT64_MAX;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static inline uint32_t arb_bt_row_of(const arb_backtest_t *bt, const arb_market_t *record)
{
    return record->venue * bt->symbol_capacity + record->symbol;
}

/* When the venue made a record, as far as that is known or modelled: never after it was received,
 * never longer before than is looked ahead. */
static inline int64_t arb_bt_made_ns(const arb_backtest_t *bt, uint64_t place)
{
    const arb_market_t *record = &bt->records[place];
    const arb_latency_t *feed = &bt->ways[record->venue][ARB_BT_WAY_FEED];
    int64_t made_ns = record->exch_ns, oldest_ns = record->recv_ns - bt->lookahead_ns;
    if (made_ns == 0 || bt->feed_by_model[record->venue]) {
        /* by time of receipt: records of one frame were made together */
        int64_t feed_ns = bt->feed_ns != NULL
                              ? bt->feed_ns[place]
                              : arb_latency_at(feed, (uint64_t)record->recv_ns, record->recv_ns);
        made_ns = record->recv_ns - (feed_ns < 0 ? 0 : feed_ns);
    }
    if (made_ns > record->recv_ns)
        return record->recv_ns;
    return made_ns < oldest_ns ? oldest_ns : made_ns;
}

#endif
