/* Segment: the one block of POSIX shared memory that holds everything threads and processes share.
 *
 *   [ header | section table ][ control ][ clock ][ symbols ][ store ][ lanes ][ opportunities ]
 *   ...
 *
 * Every section starts on its own 128-byte block and is found through the table, by id; a section
 * may hold several equal blocks (one a lane, one a venue), stride_bytes apart. Nothing inside holds
 * a pointer, so any process may map it anywhere. Readers map it PROT_READ.
 * The layout is a function of the spec below and of ARB_LAYOUT_VERSION; a reader refuses another
 * one.
 */
#ifndef ARB_SEGMENT_H
#define ARB_SEGMENT_H

#include "clock.h" /* first: it asks the system headers for the POSIX names */

#include "board.h"
#include "broadcast_ring.h"
#include "counters.h"
#include "frame_tap.h"
#include "histogram.h"
#include "ladder.h"
#include "market_pipeline.h"
#include "market_store.h"
#include "mpsc_ring.h"
#include "parker.h"
#include "spsc_ring.h"
#include "symbol_map.h"

#define ARB_SEGMENT_MAGIC 0x31474553425241ull /* "ARBSEG1" */

enum {
    ARB_LAYOUT_VERSION = 5,
    ARB_LANES_MAX = 8,
    ARB_THREADS_MAX = 32,
    ARB_THREAD_NAME_BYTES = 16,
};

typedef enum arb_section {
    ARB_SECTION_CONTROL = 0,       /* arb_control_t */
    ARB_SECTION_CLOCK = 1,         /* arb_clock_t */
    ARB_SECTION_SYMBOLS = 2,       /* arb_symbol_map_t */
    ARB_SECTION_STORE = 3,         /* arb_market_store_t */
    ARB_SECTION_LANES = 4,         /* arb_lane_t, one a feed thread */
    ARB_SECTION_OPPORTUNITIES = 5, /* arb_broadcast_ring_t of arb_opportunity_t */
    ARB_SECTION_PAIR_EVENTS = 6,   /* arb_broadcast_ring_t of arb_pair_event_t */
    ARB_SECTION_ORDERS = 7,        /* arb_spsc_ring_t of arb_order_t, one a venue */
    ARB_SECTION_EXECUTIONS = 8,    /* arb_mpsc_ring_t of arb_exec_t */
    ARB_SECTION_NOTICES = 9,       /* arb_broadcast_ring_t of arb_notice_t */
    ARB_SECTION_TAPS = 10,         /* arb_frame_tap_t, one a lane */
    ARB_SECTION_HISTOGRAMS = 11,   /* arb_histogram_t, by arb_stage */
    ARB_SECTION_FEED_COUNTERS = 12,/* arb_feed_counters_t, lane * ARB_VENUES_MAX + venue */
    ARB_SECTION_DETECTOR_COUNTERS = 13,
    ARB_SECTION_STRATEGY_COUNTERS = 14,
    ARB_SECTION_GATEWAY_COUNTERS = 15, /* one a venue */
    ARB_SECTION_THREADS = 16,      /* arb_thread_entry_t */
    ARB_SECTION_PARKERS = 17,      /* arb_parker_t: detector, strategy */
    ARB_SECTION_LADDERS = 18,      /* arb_ladder_t, by row */
    /* arb_line_counters_t, (lane * ARB_VENUES_MAX + venue) * ARB_LINES_MAX + line */
    ARB_SECTION_LINES = 19,
    ARB_SECTION_BOARD = 20,        /* arb_board_t, by the owner's main thread */
    ARB_SECTION_ALLOCATIONS = 21,  /* arb_allocations_t: the owner's, then one a lane's process */
    ARB_SECTION_DECISIONS = 22,    /* arb_frame_tap_t of what the detector did, see decisions.h */
    ARB_SECTION_ROWS = 23,         /* one array of arb_row_counters_t, by row */
    ARB_SECTION_COUNT = 24
} arb_section_t;

/* What a stage histogram measures, ns. One writer each; blocks of ARB_LANES_MAX or ARB_VENUES_MAX
 * where several threads measure the same stage. */
typedef enum arb_stage {
    ARB_STAGE_PARSED = 0,                     /* frame in the callback -> parsed, one a lane */
    ARB_STAGE_DETECTED = ARB_LANES_MAX,       /* ... -> opportunity event published */
    ARB_STAGE_SEEN = ARB_LANES_MAX + 1,       /* ... -> opportunity event seen by the strategy */
    ARB_STAGE_DECIDED = ARB_LANES_MAX + 2,    /* ... -> order pushed to its gateway */
    ARB_STAGE_TO_ORDER = ARB_LANES_MAX + 3,   /* opportunity published -> order pushed */
    ARB_STAGE_NAKED = ARB_LANES_MAX + 4,      /* how long a leg stood alone */
    ARB_STAGE_SENT = ARB_LANES_MAX + 5,       /* frame in the callback -> order frame sent,
                                               * one a venue */
    /* sent -> acknowledged, one a venue */
    ARB_STAGE_ACKNOWLEDGED = ARB_STAGE_SENT + ARB_VENUES_MAX,
    ARB_STAGE_COUNT = ARB_STAGE_ACKNOWLEDGED + ARB_VENUES_MAX
} arb_stage_t;

typedef enum arb_segment_state {
    ARB_SEGMENT_INITIALISING = 0,
    ARB_SEGMENT_READY = 1,
    ARB_SEGMENT_CLOSED = 2
} arb_segment_state_t;

typedef struct arb_section_entry {
    uint64_t offset;       /* from the segment's start */
    uint64_t stride_bytes; /* from one block to the next */
    uint32_t count;        /* blocks */
    uint32_t reserved;
} arb_section_entry_t;

typedef struct arb_segment_spec {
    uint32_t symbol_capacity;
    uint32_t lane_count;
    uint32_t tick_capacity;        /* of each lane's ring */
    uint32_t opportunity_capacity;
    uint32_t order_capacity;       /* of each venue's ring */
    uint32_t execution_capacity;
    uint32_t tap_bytes;            /* of each lane's frame tap; the decisions' is derived */
    uint32_t parking;              /* 1: detector and strategy may sleep on their parkers */
} arb_segment_spec_t;

typedef struct arb_segment {
    uint64_t magic;
    uint32_t layout_version;
    uint32_t header_bytes;
    uint64_t total_bytes;
    uint64_t state;              /* arb_segment_state_t */
    int64_t owner_pid;
    uint64_t owner_start_ticks;  /* /proc/PID/stat field 22: tells a reused pid from the owner */
    int64_t created_wall_ns;
    int64_t heartbeat_mono_ns;   /* CLOCK_MONOTONIC, by the owner's main thread */
    uint64_t run;                /* run number of the client ids */
    char name[32];
    char mode[16];               /* paper, demo, testnet, live, bench ... */
    arb_segment_spec_t spec;
    arb_section_entry_t sections[ARB_SECTION_COUNT];
} ARB_SEPARATED arb_segment_t;

/* Words that steer the hot threads. Written by the owner's main thread, read by all. */
typedef struct arb_control {
    uint64_t stop;         /* 1: hot threads return */
    uint64_t opening_off;  /* 1: no new pairs (shutting down, paused) */
    uint64_t flatten;      /* 1: close every pair now */
    uint64_t kill;         /* arb_kill_reason_t; not 0: the kill switch has tripped */
    ARB_SEPARATED uint8_t paused[ARB_SYMBOLS_MAX]; /* arb_pause_bits_t; not 0: no new pairs */
} ARB_SEPARATED arb_control_t;

typedef struct arb_thread_entry {
    char role[ARB_THREAD_NAME_BYTES];
    int64_t tid;               /* 0: free */
    int64_t core;              /* -1: not pinned */
    int64_t started_mono_ns;
    uint64_t turns;            /* duty cycles done */
    uint64_t work;             /* of them with something to do */
    uint64_t allocations_c;    /* by the preload shim since the stage began;
                                * see allocations_known */
    uint64_t allocations_python;
    uint64_t allocations_known;/* 1: the shim is loaded and counts this thread */
} ARB_SEPARATED arb_thread_entry_t;

/* Allocations of one process since it started, by the preload shim, each counted once. Written by
 * one thread of that process now and then. */
typedef struct arb_allocations {
    uint64_t known; /* 1: the shim is loaded there */
    uint64_t hot;   /* detector, strategy, market data callbacks */
    uint64_t warm;  /* order gateways and the event loop they are on */
    uint64_t cold;  /* everything else */
} ARB_SEPARATED arb_allocations_t;

static inline void arb_section_place(arb_segment_t *segment, arb_section_t section,
                                     uint64_t block_bytes, uint32_t count)
{
    arb_section_entry_t *entry = &segment->sections[section];
    entry->offset = segment->total_bytes;
    entry->stride_bytes = arb_round_up(block_bytes, ARB_SEPARATION_BYTES);
    entry->count = count;
    segment->total_bytes += entry->stride_bytes * count;
}

/* Bytes of the tap of decisions: a record is 64 bytes where a frame is some hundred, so half of
 * what the lanes keep lasts longer than theirs. */
static inline uint64_t arb_segment_decision_bytes(const arb_segment_spec_t *spec)
{
    uint64_t bytes = (uint64_t)spec->tap_bytes / 2 * spec->lane_count;
    return arb_tap_capacity(bytes > ARB_TAP_BYTES_MAX ? ARB_TAP_BYTES_MAX : bytes < 1 ? 1 : bytes);
}

/* Let readers in: every section is in place. */
static inline void arb_segment_publish(arb_segment_t *segment)
{
    arb_store_release(&segment->magic, ARB_SEGMENT_MAGIC);
}

/* Whether the sections of a mapped segment may be looked at. */
static inline int arb_segment_is_published(const arb_segment_t *segment)
{
    return arb_load_acquire(&segment->magic) == ARB_SEGMENT_MAGIC;
}

/* Fill a header's section table and total_bytes from its spec. Capacities must be powers of two. */
static inline void arb_segment_plan(arb_segment_t *segment)
{
    const arb_segment_spec_t *spec = &segment->spec;
    uint32_t row_count = ARB_VENUE_COUNT * spec->symbol_capacity;
    segment->layout_version = ARB_LAYOUT_VERSION;
    segment->header_bytes = sizeof(arb_segment_t);
    segment->total_bytes = sizeof(arb_segment_t);
    arb_section_place(segment, ARB_SECTION_CONTROL, sizeof(arb_control_t), 1);
    arb_section_place(segment, ARB_SECTION_CLOCK, sizeof(arb_clock_t), 1);
    arb_section_place(segment, ARB_SECTION_SYMBOLS, arb_symbol_map_bytes(spec->symbol_capacity), 1);
    arb_section_place(segment, ARB_SECTION_STORE,
                      arb_store_bytes(ARB_VENUE_COUNT, spec->symbol_capacity), 1);
    arb_section_place(segment, ARB_SECTION_LANES, arb_lane_bytes(spec->tick_capacity, row_count),
                      spec->lane_count);
    arb_section_place(segment, ARB_SECTION_OPPORTUNITIES,
                      arb_broadcast_ring_bytes(spec->opportunity_capacity), 1);
    arb_section_place(segment, ARB_SECTION_PAIR_EVENTS,
                      arb_broadcast_ring_bytes(spec->opportunity_capacity), 1);
    arb_section_place(segment, ARB_SECTION_ORDERS, arb_spsc_ring_bytes(spec->order_capacity),
                      ARB_VENUE_COUNT);
    arb_section_place(segment, ARB_SECTION_EXECUTIONS,
                      arb_mpsc_ring_bytes(spec->execution_capacity), 1);
    arb_section_place(segment, ARB_SECTION_NOTICES, arb_broadcast_ring_bytes(spec->order_capacity),
                      1);
    arb_section_place(segment, ARB_SECTION_TAPS, arb_frame_tap_bytes(spec->tap_bytes),
                      spec->lane_count);
    arb_section_place(segment, ARB_SECTION_HISTOGRAMS, sizeof(arb_histogram_t), ARB_STAGE_COUNT);
    arb_section_place(segment, ARB_SECTION_FEED_COUNTERS, sizeof(arb_feed_counters_t),
                      spec->lane_count * ARB_VENUES_MAX);
    arb_section_place(segment, ARB_SECTION_DETECTOR_COUNTERS, sizeof(arb_detector_counters_t), 1);
    arb_section_place(segment, ARB_SECTION_STRATEGY_COUNTERS, sizeof(arb_strategy_counters_t), 1);
    arb_section_place(segment, ARB_SECTION_GATEWAY_COUNTERS, sizeof(arb_gateway_counters_t),
                      ARB_VENUES_MAX);
    arb_section_place(segment, ARB_SECTION_THREADS, sizeof(arb_thread_entry_t), ARB_THREADS_MAX);
    arb_section_place(segment, ARB_SECTION_PARKERS, sizeof(arb_parker_t), 2);
    arb_section_place(segment, ARB_SECTION_LADDERS, sizeof(arb_ladder_t), row_count);
    arb_section_place(segment, ARB_SECTION_LINES, sizeof(arb_line_counters_t),
                      spec->lane_count * ARB_VENUES_MAX * ARB_LINES_MAX);
    arb_section_place(segment, ARB_SECTION_BOARD, sizeof(arb_board_t), 1);
    arb_section_place(segment, ARB_SECTION_ALLOCATIONS, sizeof(arb_allocations_t),
                      1 + spec->lane_count);
    arb_section_place(segment, ARB_SECTION_DECISIONS,
                      arb_frame_tap_bytes(arb_segment_decision_bytes(spec)), 1);
    arb_section_place(segment, ARB_SECTION_ROWS, sizeof(arb_row_counters_t) * row_count, 1);
}

static inline void *arb_segment_block(const arb_segment_t *segment, arb_section_t section,
                                      uint32_t index)
{
    const arb_section_entry_t *entry = &segment->sections[section];
    return (char *)segment + entry->offset + (uint64_t)index * entry->stride_bytes;
}

static inline arb_histogram_t *arb_segment_histogram(const arb_segment_t *segment,
                                                     uint32_t stage_index)
{
    return (arb_histogram_t *)arb_segment_block(segment, ARB_SECTION_HISTOGRAMS, stage_index);
}

/* Initialise every section of a planned segment in zeroed memory. Owner only, before any reader. */
static inline void arb_segment_init_sections(arb_segment_t *segment)
{
    const arb_segment_spec_t *spec = &segment->spec;
    uint32_t row_count = ARB_VENUE_COUNT * spec->symbol_capacity;
    arb_clock_init(arb_segment_block(segment, ARB_SECTION_CLOCK, 0), 10 * 1000 * 1000);
    arb_symbol_map_init(arb_segment_block(segment, ARB_SECTION_SYMBOLS, 0), spec->symbol_capacity);
    arb_market_store_t *store =
        (arb_market_store_t *)arb_segment_block(segment, ARB_SECTION_STORE, 0);
    arb_store_init(store, ARB_VENUE_COUNT, spec->symbol_capacity);
    arb_store_attach_ladders(store, arb_segment_block(segment, ARB_SECTION_LADDERS, 0));
    for (uint32_t lane_index = 0; lane_index < spec->lane_count; lane_index++) {
        arb_lane_init(arb_segment_block(segment, ARB_SECTION_LANES, lane_index),
                      spec->tick_capacity, row_count);
        arb_frame_tap_init(arb_segment_block(segment, ARB_SECTION_TAPS, lane_index),
                           spec->tap_bytes);
    }
    arb_broadcast_ring_init(arb_segment_block(segment, ARB_SECTION_OPPORTUNITIES, 0),
                            spec->opportunity_capacity);
    arb_broadcast_ring_init(arb_segment_block(segment, ARB_SECTION_PAIR_EVENTS, 0),
                            spec->opportunity_capacity);
    for (uint32_t venue = 0; venue < ARB_VENUE_COUNT; venue++)
        arb_spsc_ring_init(arb_segment_block(segment, ARB_SECTION_ORDERS, venue),
                           spec->order_capacity);
    arb_mpsc_ring_init(arb_segment_block(segment, ARB_SECTION_EXECUTIONS, 0),
                       spec->execution_capacity);
    arb_broadcast_ring_init(arb_segment_block(segment, ARB_SECTION_NOTICES, 0),
                            spec->order_capacity);
    arb_frame_tap_init(arb_segment_block(segment, ARB_SECTION_DECISIONS, 0),
                       arb_segment_decision_bytes(spec));
    for (uint32_t parker_index = 0; parker_index < 2; parker_index++)
        arb_parker_init(arb_segment_block(segment, ARB_SECTION_PARKERS, parker_index),
                        spec->parking != 0);
}

#endif
