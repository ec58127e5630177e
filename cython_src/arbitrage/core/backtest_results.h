/* Backtest results: the rows a backtest writes down, and the tables they stand in.
 *
 * The structs are those of arbitrage/research/result_types.py, field by field; there stands what
 * they mean. Money stands as it changed the equity: what was paid is negative.
 *
 * A table is an array of the owner's, who makes it larger between steps: a step appends at most
 * `margin` rows. Threads: one.
 */
#ifndef ARB_BACKTEST_RESULTS_H
#define ARB_BACKTEST_RESULTS_H

#include <stdbool.h>
#include <string.h>

#include "cacheline.h"
#include "records.h"

typedef enum arb_bt_outcome {
    ARB_BT_UNDER_WAY = 0,
    ARB_BT_FILLED = 1,
    ARB_BT_PARTIAL = 2,
    ARB_BT_MISSED = 3,
    ARB_BT_REJECTED = 4
} arb_bt_outcome_t;

typedef struct arb_bt_order {
    int64_t sent_ns;
    int64_t arrived_ns;
    int64_t answered_ns;
    uint64_t client_id;
    double limit_px;
    double touch_px;
    double avg_px;
    double qty;
    double filled_qty;
    double fee_usd;
    uint32_t pair;
    uint16_t symbol;
    uint8_t venue;
    int8_t side;
    uint8_t leg;
    uint8_t outcome;
    bool reduce_only;
} arb_bt_order_t;

typedef struct arb_bt_fill {
    int64_t exch_ns;
    int64_t seen_ns;
    uint64_t client_id;
    double px;
    double qty;
    double base_qty;
    double fee_usd;
    uint32_t pair;
    uint16_t symbol;
    uint8_t venue;
    int8_t side;
    uint8_t leg;
} arb_bt_fill_t;

typedef struct arb_bt_pair {
    int64_t opening_ns;
    int64_t opened_ns;
    int64_t closed_ns;
    int64_t naked_ns;
    double base_qty;
    double expected_net_bps;
    double gross_usd;
    double slippage_usd;
    double fees_usd;
    double funding_usd;
    double net_usd;
    uint32_t pair;
    uint16_t symbol;
    uint8_t buy_venue;
    uint8_t sell_venue;
    uint8_t kind;
    uint8_t end;
    uint8_t reason;
} arb_bt_pair_t;

typedef struct arb_bt_funding {
    int64_t ns;
    double rate;
    double paid_usd;
    uint32_t pair;
    uint16_t symbol;
    uint8_t venue;
} arb_bt_funding_t;

typedef struct arb_bt_equity {
    int64_t ns;
    double realised_usd;
    double unrealised_usd;
    double fees_usd;
    double funding_usd;
    double equity_usd;
    double exposure_usd;
    double one_sided_usd;
    uint32_t open_pairs;
} arb_bt_equity_t;

/* What stopped the trader until somebody looked. */
typedef enum arb_bt_halt_kind {
    ARB_BT_HALT_DAY_LOSS = 0, /* the kill switch: nothing left any more */
    ARB_BT_HALT_BREAKER = 1   /* of a symbol: no pair of it began */
} arb_bt_halt_kind_t;

typedef struct arb_bt_halt {
    int64_t ns;
    int64_t until_ns;
    uint16_t symbol;
    uint8_t kind;
} arb_bt_halt_t;

enum {
    ARB_BT_ORDERS = 0,
    ARB_BT_FILLS = 1,
    ARB_BT_PAIRS = 2,
    ARB_BT_FUNDING = 3,
    ARB_BT_EQUITY = 4,
    ARB_BT_HALTS = 5,
    ARB_BT_OPPORTUNITIES = 6,
    ARB_BT_TABLES = 7
};

typedef struct arb_bt_table {
    char *rows;         /* zeroed */
    uint64_t count;
    uint64_t capacity;
    uint64_t margin;    /* rows that one step may append */
    uint32_t row_bytes;
} arb_bt_table_t;

/* What a run counts: X(name). */
#define ARB_BT_COUNTS(X)                                                          \
    X(records)        /* of the stream, received */                               \
    X(quotes)                                                                     \
    X(levels)                                                                     \
    X(fundings)                                                                   \
    X(gaps)                                                                       \
    X(unknown_rows)   /* records of symbols or venues that the stream has not */  \
    X(crossed_books)  /* books that stood crossed: lost until their snapshot */   \
    X(orders)                                                                     \
    X(timeouts)       /* orders whose answer took longer than order_timeout_ms */ \
    X(waited)         /* exits that waited for a market, see backtest_venue.h */  \
    X(settlements)                                                                \
    X(polls)          /* turns of the strategy */                                 \
    X(refused_chance)                                                             \
    X(refused_band)                                                               \
    X(refused_grid)                                                               \
    X(refused_reduce_only)                                                        \
    X(refused_balance)                                                            \
    X(refused_no_market)

typedef struct arb_bt_counts {
#define ARB_X(name) uint64_t name;
    ARB_BT_COUNTS(ARB_X)
#undef ARB_X
} arb_bt_counts_t;

static inline uint32_t arb_bt_row_bytes(uint32_t table)
{
    static const uint32_t bytes[ARB_BT_TABLES] = {
        sizeof(arb_bt_order_t),   sizeof(arb_bt_fill_t),   sizeof(arb_bt_pair_t),
        sizeof(arb_bt_funding_t), sizeof(arb_bt_equity_t), sizeof(arb_bt_halt_t),
        sizeof(arb_opportunity_t)};
    return bytes[table];
}

static inline bool arb_bt_table_has_room(const arb_bt_table_t *table)
{
    return table->capacity - table->count >= table->margin;
}

/* The next row, zeroed. The margin is the caller's care. */
static inline void *arb_bt_append(arb_bt_table_t *table)
{
    return table->rows + table->count++ * table->row_bytes;
}

static inline void *arb_bt_at(const arb_bt_table_t *table, uint64_t index)
{
    return table->rows + index * table->row_bytes;
}

#endif
