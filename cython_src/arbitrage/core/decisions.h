/* Decisions: what the detector did, in its own order, so that a replay does the same again.
 *
 *   tick       as it was applied, or refused; with the clock value its events were stamped with
 *   sweep      the rows looked at by time, and the clock value they were judged by
 *   close      an open life ended at shutdown
 *   ladder     levels of a row's book as they were read for a walk, before the tick that asked
 *   static     multipliers and fee of a row, whenever they differ from those told before
 *   round      a new round over all symbols begins; the configuration follows
 *   symbol     the whole state of one symbol: its rows and directed pairs follow
 *   turn       the strategy's turn that came now, where it is on the detector's thread
 *
 * Everything is a record of 64 bytes. The first 56 are a tick, or what the kind says, with its time
 * where a tick has its own; the last 8 say what came of it. The detector thread collects records
 * and writes them as one frame to a tap of their own (frame_tap.h) when its turn ends: readers on
 * read-only memory, exact losses, nothing waits.
 *
 * Whoever has read one round from its beginning to its end, and all records since, knows the state
 * of every symbol: rounds are where a replay begins, and goes on after a gap.
 *
 * Threads: the detector's. Memory: the owner's, arb_decisions_bytes.
 */
#ifndef ARB_DECISIONS_H
#define ARB_DECISIONS_H

#include "frame_tap.h"
#include "ladder.h"
#include "records.h"

enum {
    ARB_DECISION_BYTES = 64,
    ARB_DECISION_BODY_BYTES = 56,
    ARB_DECISIONS_BATCH_MAX = 128, /* records collected before they are written */
};

/* Records of 56 bytes each that something longer takes. */
#define ARB_DECISION_PIECES(bytes) \
    (((bytes) + ARB_DECISION_BODY_BYTES - 1) / ARB_DECISION_BODY_BYTES)

/* X(name): numbers are part of the files' format. */
#define ARB_DECISION_KINDS(X)                                                                     \
    X(NONE)                                                                                       \
    X(TICK)      /* an arb_tick_t as the lanes gave it */                                         \
    X(SWEEP)     /* rows [first, second) at mono_ns; the last of them made the events */          \
    X(CLOSE)     /* the life of buy row `first` and sell row `second`, at shutdown */             \
    X(LADDER)    /* piece number `events` of the arb_ladder_view_t of row `detail` */             \
    X(STATIC)    /* row `detail`: px_mult, qty_mult, taker_bps */                                 \
    X(ROUND)     /* opened so far, events published so far, number of the round; first: symbols */\
    X(CONFIG)    /* piece number `events` of the arb_detector_config_t */                         \
    X(SYMBOL)    /* the state of symbol `first` follows, in `second` records */                   \
    X(ROW)       /* row `detail`: quote as in the store's columns */                              \
    X(ROW_STATE) /* ... funding as told, state, updates, when applied, since when left behind */  \
    X(ROW_WATCH) /* ... funding as reckoned and where counterparts stood */                       \
    X(PAIR)      /* directed pair `events` (buy venue * 4 + sell venue), `detail` its updates */ \
    X(TURN)      /* the strategy's turn at mono_ns; records in its journal and opportunities it has
                  * read when it ended, wall less monotonic clock; first: what came in */

typedef enum arb_decision_kind {
#define ARB_X(name) ARB_DECISION_##name,
    ARB_DECISION_KINDS(ARB_X)
#undef ARB_X
    ARB_DECISION_KIND_COUNT
} arb_decision_kind_t;

typedef struct arb_decision {
    union {
        arb_tick_t tick;
        uint64_t words[ARB_DECISION_BODY_BYTES / 8];
        double values[ARB_DECISION_BODY_BYTES / 8];
        struct {
            uint64_t counts[4];
            int64_t mono_ns; /* 32 where a tick has recv_mono_ns */
            uint32_t first;  /* 40 */
            uint32_t second; /* 44 */
            uint64_t reserved;
        } step;
    } of;
    uint32_t detail; /* 56 TICK, SWEEP, CLOSE: detected_ns of their events; else as the kind says */
    uint16_t opened; /* 60 low bits of the count of lives opened until now */
    uint8_t events;  /* 62 TICK, SWEEP, CLOSE: events made; else as the kind says */
    uint8_t kind;    /* 63 arb_decision_kind_t */
} arb_decision_t;

_Static_assert(sizeof(arb_decision_t) == ARB_DECISION_BYTES, "a decision is one cache line");
_Static_assert(offsetof(arb_decision_t, of.step.mono_ns) == offsetof(arb_tick_t, recv_mono_ns),
               "every record has its time in the same place");
_Static_assert(ARB_DECISION_KIND_COUNT < 255, "a kind is a byte");

/* What of a row's static columns was told last. */
typedef struct arb_statics {
    double px_mult, qty_mult, taker_bps;
} arb_statics_t;

typedef struct arb_decisions {
    arb_frame_tap_t *tap;
    uint64_t *ladders_told;      /* [row] version of the ladder told last; UINT64_MAX: tell again */
    arb_statics_t *statics_told; /* [row] */
    int64_t round_ns;            /* a round over all symbols takes at least this long */
    int64_t symbol_mono_ns;      /* when the next symbol is due */
    int64_t mono_ns;             /* of the step told last */
    uint64_t round_count;
    uint32_t next_symbol;
    uint32_t batch_max;          /* what one frame of the tap may hold */
    uint32_t count;              /* records collected */
    uint32_t events;             /* of the step at hand ... */
    uint32_t detected_ns;        /* ... and their stamp */
    arb_decision_t batch[ARB_DECISIONS_BATCH_MAX] ARB_LINE_ALIGNED;
} arb_decisions_t;

/* Bytes of a writer's own memory. */
static inline size_t arb_decisions_bytes(uint32_t row_count)
{
    return sizeof(arb_decisions_t) + row_count * (sizeof(arb_statics_t) + sizeof(uint64_t));
}

/* Records that one frame of a tap may hold: a quarter of it, so that readers have time. */
static inline uint32_t arb_decisions_batch(uint64_t tap_capacity)
{
    uint64_t fits = (tap_capacity / 4 - sizeof(arb_tap_header_t)) / ARB_DECISION_BYTES;
    return fits > ARB_DECISIONS_BATCH_MAX ? ARB_DECISIONS_BATCH_MAX : (uint32_t)fits;
}

/* Start a writer in zeroed, line-aligned memory of arb_decisions_bytes. Before the thread. */
static inline void arb_decisions_init(arb_decisions_t *decisions, arb_frame_tap_t *tap,
                                      uint32_t row_count, int64_t round_ns)
{
    decisions->tap = tap;
    decisions->statics_told = (arb_statics_t *)(decisions + 1);
    decisions->ladders_told = (uint64_t *)(decisions->statics_told + row_count);
    decisions->round_ns = round_ns;
    decisions->batch_max = arb_decisions_batch(tap->capacity);
}

/* Write what was collected. */
static inline void arb_decisions_flush(arb_decisions_t *decisions)
{
    if (decisions->count == 0)
        return;
    arb_tap_write(decisions->tap, decisions->mono_ns, 0, 0, decisions->batch,
                  decisions->count * ARB_DECISION_BYTES);
    decisions->count = 0;
}

/* The next record, its last 8 bytes filled; the rest is for the caller to fill at once. */
static inline arb_decision_t *arb_decisions_next(arb_decisions_t *decisions,
                                                 arb_decision_kind_t kind, uint32_t detail,
                                                 uint32_t events, uint64_t opened_count)
{
    if (ARB_UNLIKELY(decisions->count == decisions->batch_max))
        arb_decisions_flush(decisions);
    arb_decision_t *record = decisions->batch + decisions->count++;
    record->detail = detail;
    record->opened = (uint16_t)opened_count;
    record->events = (uint8_t)events;
    record->kind = (uint8_t)kind;
    return record;
}

/* What came of the step at hand, forgotten once it is told. */
static inline arb_decision_t *arb_decisions_step(arb_decisions_t *decisions,
                                                 arb_decision_kind_t kind, uint64_t opened_count,
                                                 int64_t mono_ns)
{
    decisions->mono_ns = mono_ns;
    arb_decision_t *record = arb_decisions_next(decisions, kind, decisions->detected_ns,
                                                decisions->events, opened_count);
    decisions->events = decisions->detected_ns = 0;
    return record;
}

/* A step that is no tick. */
static inline void arb_decisions_put_step(arb_decisions_t *decisions, arb_decision_kind_t kind,
                                          uint64_t opened_count, int64_t mono_ns, uint32_t first,
                                          uint32_t second)
{
    arb_decision_t *record = arb_decisions_step(decisions, kind, opened_count, mono_ns);
    memset(&record->of, 0, sizeof record->of);
    record->of.step.mono_ns = mono_ns;
    record->of.step.first = first;
    record->of.step.second = second;
}

/* Bytes of something longer than a record, in numbered pieces. */
static inline void arb_decisions_put_pieces(arb_decisions_t *decisions, arb_decision_kind_t kind,
                                            uint32_t detail, uint64_t opened_count,
                                            const void *whole, size_t bytes)
{
    uint32_t piece = 0;
    for (size_t done = 0; done < bytes; done += ARB_DECISION_BODY_BYTES) {
        arb_decision_t *record = arb_decisions_next(decisions, kind, detail, piece++, opened_count);
        size_t left = bytes - done;
        memset(&record->of, 0, sizeof record->of);
        memcpy(&record->of, (const char *)whole + done,
               left < ARB_DECISION_BODY_BYTES ? left : ARB_DECISION_BODY_BYTES);
    }
}

/* What a ladder held when it was read, unless that was told already. Version 0: it was never
 * written. */
static inline void arb_decisions_put_ladder(arb_decisions_t *decisions, uint32_t row,
                                            uint64_t version, const arb_ladder_view_t *view,
                                            uint64_t opened_count)
{
    if (version == 0 || decisions->ladders_told[row] == version)
        return;
    decisions->ladders_told[row] = version;
    arb_decisions_put_pieces(decisions, ARB_DECISION_LADDER, row, opened_count, view,
                             sizeof *view);
}

#endif
