/* The records that travel between threads and processes. Layouts are part of the segment's version.
 *
 *   tick          feed thread -> detector      56 bytes, with its ring sequence one cache line
 *   opportunity   detector -> strategy, cold  120 bytes, with its ring sequence two lines
 *   order         strategy -> gateway          56 bytes
 *   execution     gateway -> strategy          56 bytes
 *   intent        a user's strategy -> strategy thread   56 bytes
 *   notice        strategy thread -> users' strategies  120 bytes
 *
 * Times: *_mono_ns is this machine's CLOCK_MONOTONIC scale (a file's own clock in replay),
 * *_wall_ns the UTC epoch. Stage stamps are 32-bit differences from recv_mono_ns, saturated.
 * "No price" is NaN, never 0.
 */
#ifndef ARB_RECORDS_H
#define ARB_RECORDS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* ---- venues, symbols, rows ------------------------------------------------------------------ */

typedef enum arb_venue {
    ARB_VENUE_BYBIT = 0,
    ARB_VENUE_OKX = 1,
    ARB_VENUE_UNKNOWN = 255
} arb_venue_t;

enum {
    ARB_VENUE_COUNT = 2,     /* venues this build speaks */
    ARB_VENUES_MAX = 4,      /* venues the layout has room for */
    ARB_LINES_MAX = 4,       /* parallel connections of a venue in one lane */
    ARB_SYMBOLS_MAX = 2048,  /* canonical symbols a segment can hold */
    ARB_ROW_NONE = 0x1FFF,   /* "no row": also what an unknown symbol maps to */
    ARB_NAME_BYTES_MAX = 28, /* longest venue symbol */
};

/* A row is one (venue, symbol): row = venue * symbol_capacity + symbol_index, so that one venue's
 * rows are contiguous and the batch kernel reads columns. */

/* How far a row's quote may be believed. Only LIVE rows may trade. */
typedef enum arb_row_state {
    ARB_ROW_EMPTY = 0,   /* nothing received yet */
    ARB_ROW_SYNCING = 1, /* connecting or waiting for a snapshot */
    ARB_ROW_LIVE = 2,    /* proven by the feed's own continuity rules */
    ARB_ROW_SUSPECT = 3, /* silent while its counterpart moves */
    ARB_ROW_STALE = 4,   /* silent for longer than the venue ever is */
    ARB_ROW_GAP = 5,     /* an update was lost; the book is dropped */
    ARB_ROW_UNKNOWN = 255
} arb_row_state_t;

/* ---- quote: what a parser makes of one frame (thread-local, never shared) -------------------- */

typedef enum arb_quote_kind {
    ARB_QUOTE_SNAPSHOT = 0, /* both sides are as stated; an empty side has no quote */
    ARB_QUOTE_DELTA = 1     /* only the stated levels changed: NaN is "no new level",
                             * see *_gone_px */
} arb_quote_kind_t;

enum { ARB_QUOTE_GONE_MAX = 2 }; /* deletions a side of one delta may state */

typedef struct arb_quote {
    double bid_px;         /* best bid, venue quotation; NaN: no quote on this side */
    double ask_px;
    double bid_qty;        /* venue's own units (Bybit: base coin, OKX swap: contracts) */
    double ask_qty;
    int64_t exch_wall_ns;  /* venue time of the state (Bybit cts, else ts; OKX ts) */
    int64_t seq;           /* cross sequence (Bybit seq, OKX seqId) */
    int64_t update_id;     /* Bybit u; OKX: equal to seq */
    const char *symbol;    /* venue symbol, inside the frame: valid only inside the callback */
    uint16_t symbol_bytes;
    uint8_t kind;          /* arb_quote_kind_t */
    uint8_t venue;         /* arb_venue_t */
    uint8_t bid_gone_count; /* DELTA: prices deleted on a side that got no new level; else 0 */
    uint8_t ask_gone_count;
    double bid_gone_px[ARB_QUOTE_GONE_MAX]; /* meaningful up to their count */
    double ask_gone_px[ARB_QUOTE_GONE_MAX];
} arb_quote_t;

/* What became of a frame. Everything from ARB_FRAME_MALFORMED up applies nothing. */
typedef enum arb_frame_status {
    ARB_FRAME_QUOTE = 0,           /* a quote was parsed */
    ARB_FRAME_CONTROL = 1,         /* acknowledgement, pong, error event: for the slow path */
    ARB_FRAME_OTHER_TOPIC = 2,     /* a data frame of another topic: for the slow path */
    ARB_FRAME_UNKNOWN_SYMBOL = 3,  /* well-formed, but not a symbol we hold */
    ARB_FRAME_MALFORMED = 16,      /* first of the malformed reasons, the generic one */
    ARB_FRAME_TRUNCATED = 17,      /* ended inside a value */
    ARB_FRAME_BAD_JSON = 18,       /* not JSON where it matters to us */
    ARB_FRAME_MISSING_FIELD = 19,  /* a field we need was absent */
    ARB_FRAME_DUPLICATE_FIELD = 20,/* a field we need came twice */
    ARB_FRAME_BAD_NUMBER = 21,     /* not a decimal, or negative, infinite, out of range */
    ARB_FRAME_BAD_TYPE = 22,       /* neither snapshot nor delta */
    ARB_FRAME_SYMBOL_MISMATCH = 23,/* topic and data name different symbols */
    ARB_FRAME_CROSSED = 24,        /* bid above ask inside one frame of one venue */
    ARB_FRAME_TOO_LONG = 25,       /* longer than any real frame of this topic */
    ARB_FRAME_STATUS_COUNT = 26
} arb_frame_status_t;

/* ---- tick ----------------------------------------------------------------------------------- */

typedef enum arb_tick_kind {
    ARB_TICK_QUOTE = 0,     /* the row's complete top of book */
    ARB_TICK_STATE = 1,     /* the row's state changed: aux_u32 is the arb_row_state_t;
                             * prices are NaN */
    ARB_TICK_FUNDING = 2    /* bid_px = rate, ask_px = interval in hours,
                             * exchange time = next settlement */
} arb_tick_kind_t;

typedef struct arb_tick {
    double bid_px;         /*  0 venue quotation, NaN: none */
    double ask_px;         /*  8 */
    double bid_qty;        /* 16 venue units */
    double ask_qty;        /* 24 */
    int64_t recv_mono_ns;  /* 32 when the frame reached the callback */
    uint64_t seq_row_kind; /* 40 seq:48 | row:13 | kind:3, see arb_tick_pack */
    uint32_t exch_wall_ms; /* 48 venue time in ms, modulo 2^32, see arb_widen_wall_ms */
    uint32_t aux_u32;      /* 52 QUOTE: parse end - recv, ns; STATE: the new state */
} arb_tick_t;

_Static_assert(sizeof(arb_tick_t) == 56, "a tick and its ring sequence share one cache line");

static inline uint64_t arb_tick_pack(int64_t seq, uint32_t row, uint32_t kind)
{
    return ((uint64_t)seq << 16) | ((uint64_t)(row & 0x1FFFu) << 3) | (kind & 7u);
}
static inline int64_t arb_tick_seq(const arb_tick_t *tick)
{
    return (int64_t)(tick->seq_row_kind >> 16);
}
static inline uint32_t arb_tick_row(const arb_tick_t *tick)
{
    return (uint32_t)(tick->seq_row_kind >> 3) & 0x1FFFu;
}
static inline uint32_t arb_tick_kind(const arb_tick_t *tick)
{
    return (uint32_t)tick->seq_row_kind & 7u;
}

/* The 64-bit time nearest to reference_ms whose low 32 bits are low_ms: exact within 24 days of
 * it. */
static inline int64_t arb_widen_wall_ms(int64_t reference_ms, uint32_t low_ms)
{
    return reference_ms + (int32_t)(low_ms - (uint32_t)reference_ms);
}

/* Nanoseconds from a to b as a stage stamp: saturates at 0 and at 4.29 s. */
static inline uint32_t arb_delta_ns(int64_t from_ns, int64_t to_ns)
{
    int64_t delta = to_ns - from_ns;
    return delta <= 0 ? 0u : delta > (int64_t)UINT32_MAX ? UINT32_MAX : (uint32_t)delta;
}

/* ---- opportunity ---------------------------------------------------------------------------- */

typedef enum arb_opp_event {
    ARB_OPP_OPEN = 1,
    ARB_OPP_UPDATE = 2,
    ARB_OPP_CLOSE = 3,
    ARB_OPP_UNKNOWN = 255
} arb_opp_event_t;

typedef enum arb_close_reason {
    ARB_CLOSE_NONE = 0,        /* still open */
    ARB_CLOSE_EDGE_GONE = 1,   /* net edge below the threshold */
    ARB_CLOSE_PRICE_GONE = 2,  /* a side has no quote */
    ARB_CLOSE_NOT_LIVE = 3,    /* a row left LIVE */
    ARB_CLOSE_TOO_OLD = 4,     /* a row's quote aged out */
    ARB_CLOSE_THIN = 5,        /* not enough quantity at the touch */
    ARB_CLOSE_CONFIDENCE = 6,  /* confidence below the threshold */
    ARB_CLOSE_SHUTDOWN = 7,
    ARB_CLOSE_REASON_COUNT = 8
} arb_close_reason_t;

/* buy at buy_row's ask, sell at sell_row's bid */
typedef struct arb_opportunity {
    uint64_t id;            /*   0 counts from 1; the same for all events of one life */
    int64_t recv_mono_ns;   /*   8 of the tick that caused this event */
    int64_t open_mono_ns;   /*  16 recv_mono_ns of the OPEN event */
    double ask_px;          /*  24 buy venue's quotation; NaN when gone */
    double bid_px;          /*  32 sell venue's quotation; NaN when gone */
    double ask_qty;         /*  40 base units at the ask */
    double bid_qty;         /*  48 base units at the bid */
    double gross_bps;       /*  56 (bid - ask) / ask * 1e4 in the common quotation */
    double net_bps;         /*  64 gross - fees - slippage + funding */
    float fees_bps;         /*  72 */
    float slippage_bps;     /*  76 */
    float funding_bps;      /*  80 */
    float close_bps;        /*  84 (bid of buy venue - ask of sell venue) / that ask * 1e4 */
    float peak_net_bps;     /*  88 best net_bps of this life so far */
    float confidence;       /*  92 0..100 */
    uint32_t parsed_ns;     /*  96 parse end - recv */
    uint32_t detected_ns;   /* 100 publication - recv */
    uint32_t other_age_us;  /* 104 age of the leg that did not move */
    uint32_t update_count;  /* 108 UPDATE events so far in this life */
    uint16_t buy_row;       /* 112 */
    uint16_t sell_row;      /* 114 */
    uint16_t symbol_index;  /* 116 */
    uint8_t event;          /* 118 arb_opp_event_t */
    uint8_t reason;         /* 119 arb_close_reason_t */
} arb_opportunity_t;

_Static_assert(sizeof(arb_opportunity_t) == 120, "an opportunity and its sequence fill two lines");

/* ---- client order id ------------------------------------------------------------------------ */

/* One positive 63-bit integer, written in decimal digits: legal on both venues, never reused.
 *
 *   62        35 34         11 10      8 7        0
 *   [ run: 28 ] [ pair: 24   ] [ leg: 3 ] [attempt: 8]
 *
 * run is persisted and also bounded below by the clock (one step each 4 s since 2026-01-01 UTC), so
 * a lost state folder cannot bring an id back. pair counts inside a run.
 */
typedef enum arb_leg {
    ARB_LEG_ENTRY_BUY = 0,
    ARB_LEG_ENTRY_SELL = 1,
    ARB_LEG_EXIT_BUY = 2,   /* buys back what ENTRY_SELL sold */
    ARB_LEG_EXIT_SELL = 3,  /* sells what ENTRY_BUY bought */
    ARB_LEG_UNWIND_BUY = 4, /* flattens a short that stands alone */
    ARB_LEG_UNWIND_SELL = 5,/* flattens a long that stands alone */
    ARB_LEG_MANUAL = 6,     /* by an operator or at shutdown */
    ARB_LEG_COUNT = 7
} arb_leg_t;

enum { ARB_RUN_BITS = 28, ARB_PAIR_BITS = 24, ARB_LEG_BITS = 3, ARB_ATTEMPT_BITS = 8 };
_Static_assert(ARB_RUN_BITS + ARB_PAIR_BITS + ARB_LEG_BITS + ARB_ATTEMPT_BITS == 63, "63-bit ids");

static inline uint64_t arb_client_id(uint32_t run, uint32_t pair, uint32_t leg, uint32_t attempt)
{
    return ((uint64_t)(run & 0xFFFFFFFu) << 35) | ((uint64_t)(pair & 0xFFFFFFu) << 11) |
           ((uint64_t)(leg & 7u) << 8) | (uint64_t)(attempt & 0xFFu);
}
static inline uint32_t arb_client_id_run(uint64_t id) { return (uint32_t)(id >> 35) & 0xFFFFFFFu; }
static inline uint32_t arb_client_id_pair(uint64_t id) { return (uint32_t)(id >> 11) & 0xFFFFFFu; }
static inline uint32_t arb_client_id_leg(uint64_t id) { return (uint32_t)(id >> 8) & 7u; }
static inline uint32_t arb_client_id_attempt(uint64_t id) { return (uint32_t)id & 0xFFu; }

/* ---- order and execution -------------------------------------------------------------------- */

typedef enum arb_side { ARB_SIDE_BUY = 0, ARB_SIDE_SELL = 1, ARB_SIDE_UNKNOWN = 255 } arb_side_t;

typedef enum arb_order_action {
    ARB_ORDER_NEW_IOC = 0,  /* limit, immediate or cancel */
    ARB_ORDER_CANCEL = 1,
    ARB_ORDER_UNKNOWN = 255
} arb_order_action_t;

enum { ARB_ORDER_REDUCE_ONLY = 1 };

/* An order intent: journaled, then pushed into its venue's order ring. */
typedef struct arb_order {
    uint64_t client_id;     /*  0 */
    int64_t recv_mono_ns;   /*  8 of the tick behind the decision (now, when no tick is) */
    int64_t px_ticks;       /* 16 limit price in the venue's ticks */
    int64_t qty_lots;       /* 24 quantity in the venue's lots */
    uint32_t detected_ns;   /* 32 differences from recv_mono_ns */
    uint32_t decided_ns;    /* 36 */
    uint16_t row;           /* 40 */
    uint8_t venue;          /* 42 arb_venue_t */
    uint8_t side;           /* 43 arb_side_t */
    uint8_t action;         /* 44 arb_order_action_t */
    uint8_t flags;          /* 45 ARB_ORDER_* bits */
    uint16_t symbol_index;  /* 46 */
    uint64_t opportunity_id;/* 48 0: none */
} arb_order_t;

_Static_assert(sizeof(arb_order_t) == 56, "an order and its ring sequence share one cache line");

typedef enum arb_exec_kind {
    ARB_EXEC_SENT = 0,      /* handed to the socket */
    ARB_EXEC_ACK = 1,       /* accepted for processing; nothing is known of fills */
    ARB_EXEC_REJECT = 2,    /* refused: terminal, nothing filled */
    ARB_EXEC_FILL = 3,      /* one fill: last_qty_lots at px */
    ARB_EXEC_DONE = 4,      /* terminal: cum_qty_lots is final */
    ARB_EXEC_TIMEOUT = 5,   /* outcome unknown, being queried */
    ARB_EXEC_VENUE = 6,     /* a fill the venue made by itself, or for a stranger: liquidation, ADL,
                             * a trade of the account from outside. client_id 0; row, side,
                             * last_qty_lots, px */
    ARB_EXEC_KIND_COUNT = 7
} arb_exec_kind_t;

/* What a venue said of one order, or of a position (VENUE). */
typedef struct arb_exec {
    uint64_t client_id;     /*  0 */
    int64_t recv_mono_ns;   /*  8 when the venue's frame arrived (SENT: when it left) */
    double px;              /* 16 FILL, VENUE: price; else NaN */
    int64_t last_qty_lots;  /* 24 FILL, VENUE: this fill */
    int64_t cum_qty_lots;   /* 32 filled so far by the venue's own count; -1: not stated */
    float fee_bps;          /* 40 FILL, VENUE: fee paid over notional, negative: rebate;
                             * NaN: not stated */
    uint32_t venue_code;    /* 44 REJECT: the venue's error code */
    uint16_t row;           /* 48 */
    uint8_t venue;          /* 50 */
    uint8_t kind;           /* 51 arb_exec_kind_t */
    uint8_t side;           /* 52 */
    uint8_t reserved[3];    /* 53 */
} arb_exec_t;

_Static_assert(sizeof(arb_exec_t) == 56, "an execution and its ring sequence share one cache line");

/* ---- users' strategies ----------------------------------------------------------------------- */

/* Which rule a pair was opened by, and leaves by. */
typedef enum arb_pair_kind {
    ARB_KIND_SPREAD = 0,  /* an opportunity of the detector */
    ARB_KIND_FUNDING = 1, /* the difference of two funding rates */
    ARB_KIND_INTENT = 2,  /* a user's strategy asked for it */
    ARB_KIND_COUNT = 3
} arb_pair_kind_t;

typedef enum arb_intent_action { ARB_INTENT_OPEN = 1, ARB_INTENT_CLOSE = 2 } arb_intent_action_t;

/* What a user's strategy asks for. Nothing in it is believed before it has been checked. */
typedef struct arb_intent {
    uint64_t id;             /*  0 of the strategy's own counting; its answer names it */
    int64_t asked_mono_ns;   /*  8 */
    int64_t expires_mono_ns; /* 16 not to be acted on later; 0: never */
    double max_usd;          /* 24 OPEN: each leg at most; NaN: as configured */
    double min_net_bps;      /* 32 OPEN: least edge after fees, with funding; NaN: as configured */
    float min_gross_bps;     /* 40 OPEN: NaN: as configured */
    uint32_t pair;           /* 44 CLOSE: pair number; 0: the symbol's */
    uint16_t symbol_index;   /* 48 */
    uint8_t buy_venue;       /* 50 OPEN: arb_venue_t */
    uint8_t sell_venue;      /* 51 OPEN */
    uint8_t action;          /* 52 arb_intent_action_t */
    uint8_t reserved[3];     /* 53 */
} arb_intent_t;

_Static_assert(sizeof(arb_intent_t) == 56, "an intent fits a ring's record");

/* What became of an intent: X(name). */
#define ARB_VERDICTS(X)                                                                \
    X(accepted)     /* OPEN: both orders are out; CLOSE: the pair is leaving */        \
    X(malformed)    /* no such action, or a number that means nothing */               \
    X(expired)                                                                         \
    X(unknown_symbol) /* not traded here */                                            \
    X(pair_open)    /* the symbol has a pair already */                                \
    X(cooling)      /* the symbol rests after a miss or an unwinding */                \
    X(flattening)   /* everything is being closed */                                   \
    X(no_quote)     /* a leg has no live quote */                                      \
    X(edge)         /* the books offer less than was asked for */                      \
    X(too_small)    /* nothing is left after limits, books and lot grids */            \
    X(gate)         /* the risk gate refused: gate_reason says why */                  \
    X(no_pair)      /* nothing to close */                                             \
    X(not_yours)    /* the pair belongs to another strategy */                         \
    X(unsent)       /* an order did not leave: no room in a ring or in the journal */

typedef enum arb_verdict {
#define ARB_X(name) ARB_VERDICT_##name,
    ARB_VERDICTS(ARB_X)
#undef ARB_X
    ARB_VERDICT_COUNT
} arb_verdict_t;

typedef enum arb_notice_kind {
    ARB_NOTICE_ANSWER = 1, /* to an intent */
    ARB_NOTICE_FILL = 2,   /* of any order of ours */
    ARB_NOTICE_FUNDING = 3 /* a settlement passed on a leg of an open pair */
} arb_notice_kind_t;

/* What the strategy thread tells beside the pair events. */
typedef struct arb_notice {
    uint64_t intent_id;      /*   0 ANSWER */
    uint64_t client_id;      /*   8 FILL */
    uint64_t opportunity_id; /*  16 of the pair; 0: none */
    int64_t mono_ns;         /*  24 */
    double px;               /*  32 FILL: venue quotation; NaN: none */
    double base_qty;         /*  40 FILL: base units; FUNDING: held by the leg */
    double rate;             /*  48 FUNDING: fraction of the settled interval; NaN: none */
    double funding_bps;      /*  56 FUNDING: what this settlement brought the pair */
    double pair_funding_bps; /*  64 FUNDING: the pair's so far */
    int64_t lots;            /*  72 FILL: this one */
    double fee_bps;          /*  80 FILL: paid over notional */
    uint32_t run;            /*  88 */
    uint32_t pair;           /*  92 0: none */
    uint16_t row;            /*  96 FILL, FUNDING */
    uint16_t symbol_index;   /*  98 */
    uint8_t notice;          /* 100 arb_notice_kind_t */
    uint8_t verdict;         /* 101 ANSWER: arb_verdict_t */
    uint8_t gate_reason;     /* 102 ANSWER: arb_risk_reason_t */
    uint8_t side;            /* 103 FILL: arb_side_t */
    uint8_t kind;            /* 104 of the pair: arb_pair_kind_t */
    uint8_t tag;             /* 105 strategy that owns the pair, or that asked; 0: built in */
    uint8_t reserved[14];    /* 106 */
} arb_notice_t;

_Static_assert(sizeof(arb_notice_t) == 120, "a notice and its ring sequence fill two lines");

#endif
