/* Decisions of three venues, told while another thread rewrites every ladder, and replayed: the
 * events are the same, byte for byte. Exit 0: they are; else the line of the check is printed. */
#include "decision_replay.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                            \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            exit(1);                                                \
        }                                                           \
    } while (0)

enum { VENUES = 3, SYMBOLS = 2, ROWS = VENUES * SYMBOLS, TICKS = 60000, TAP = 1 << 20 };

typedef struct side {
    arb_market_store_t *store;
    arb_ladder_t *ladders;
    void *state;
} side_t;

static uint64_t stop_word, random_word = 88172645463325252ull;

static void *zeros(size_t bytes)
{
    void *memory = aligned_alloc(128, arb_round_up(bytes, 128));
    memset(memory, 0, arb_round_up(bytes, 128));
    return memory;
}

static uint32_t pick(uint64_t *word, uint32_t below)
{
    *word ^= *word << 13;
    *word ^= *word >> 7;
    *word ^= *word << 17;
    return (uint32_t)(*word >> 33) % below;
}

static void side_make(side_t *side)
{
    side->store = zeros(arb_store_bytes(VENUES, SYMBOLS));
    side->ladders = zeros(ROWS * sizeof(arb_ladder_t));
    side->state = zeros(arb_detector_state_bytes(VENUES, SYMBOLS));
    arb_store_init(side->store, VENUES, SYMBOLS);
    arb_store_attach_ladders(side->store, side->ladders);
}

static void side_free(side_t *side)
{
    free(side->store);
    free(side->ladders);
    free(side->state);
}

/* The feed threads' part: ladders change at any time, also between two looks of one scan. */
static void *write_ladders(void *argument)
{
    side_t *live = argument;
    uint64_t word = 362436069362436069ull;
    while (!arb_load_relaxed(&stop_word)) {
        arb_ladder_view_t view;
        memset(&view, 0, sizeof view);
        view.seq = (int64_t)word;
        for (uint32_t side = 0; side < ARB_DEPTH_SIDES; side++) {
            view.count[side] = pick(&word, ARB_LADDER_LEVELS + 1);
            for (uint32_t level = 0; level < view.count[side]; level++) {
                double step = 0.01 * (double)(level + 1 + pick(&word, 3));
                view.levels[side][level].px = 100.0 + (side == ARB_DEPTH_BID ? -step : step);
                view.levels[side][level].qty = 0.5 + pick(&word, 4);
            }
        }
        arb_ladder_write(live->ladders + pick(&word, ROWS), &view);
    }
    return NULL;
}

static void push(arb_lane_t *lane, int64_t now_ns)
{
    uint32_t row = pick(&random_word, ROWS), chance = pick(&random_word, 40);
    double mid = 100.0 + 0.01 * (double)pick(&random_word, 7);
    arb_tick_t tick = {mid - 0.005, mid + 0.005, 1.0, 1.0, now_ns, 0, 0, 7};
    uint32_t kind = ARB_TICK_QUOTE;
    if (chance == 0) {
        kind = ARB_TICK_STATE;
        tick.aux_u32 = pick(&random_word, 6);
    } else if (chance == 1) {
        kind = ARB_TICK_FUNDING;
        tick.bid_px = 1e-6 * (double)pick(&random_word, 9);
        tick.ask_px = 8.0;
        tick.exch_wall_ms = (uint32_t)(now_ns / 1000000 + 5);
    }
    tick.seq_row_kind = arb_tick_pack(0, row, kind);
    CHECK(arb_lane_push(lane, &tick));
}

/* Read what was told and replay it; how many events that made. */
static uint64_t replay_told(arb_decision_replay_t *replay, const arb_frame_tap_t *tap,
                            arb_tap_reader_t *reader, arb_broadcast_ring_t *ring,
                            arb_broadcast_reader_t *events)
{
    static arb_decision_t batch[ARB_DECISIONS_BATCH_MAX];
    arb_tap_header_t header;
    uint64_t compared = 0;
    while (arb_tap_read(tap, reader, &header, batch, sizeof batch) == ARB_TAP_FRAME) {
        const arb_decision_t *at = batch, *end = batch + header.bytes / ARB_DECISION_BYTES;
        while (arb_decision_replay_run(replay, &at, end) != ARB_DECISIONS_DONE)
            CHECK(replay->state == ARB_REPLAY_EXACT); /* it has just become so; room there is */
        for (uint32_t index = 0; index < replay->detector.event_count; index++) {
            arb_opportunity_t published;
            while (events->cursor < replay->exact_event)
                CHECK(arb_broadcast_try_read(ring, events, &published));
            CHECK(arb_broadcast_try_read(ring, events, &published));
            CHECK(memcmp(&published, replay->detector.events + index, sizeof published) == 0);
            compared++;
        }
        replay->detector.event_count = 0;
    }
    CHECK(reader->lost_frames == 0);
    return compared;
}

int main(void)
{
    side_t live, again;
    side_make(&live);
    side_make(&again);
    for (uint32_t row = 0; row < ROWS; row++) {
        arb_store_px_mult(live.store)[row] = arb_store_qty_mult(live.store)[row] = 1.0;
        arb_store_taker_bps(live.store)[row] = 0.01 * row;
    }
    arb_lane_t *lane = zeros(arb_lane_bytes(64, ROWS));
    arb_lane_init(lane, 64, ROWS);
    arb_broadcast_ring_t *ring = zeros(arb_broadcast_ring_bytes(1 << 12));
    arb_broadcast_ring_init(ring, 1 << 12);
    arb_broadcast_reader_t events;
    arb_broadcast_reader_init(ring, &events, true);
    arb_frame_tap_t *tap = zeros(arb_frame_tap_bytes(TAP));
    arb_frame_tap_init(tap, TAP);
    arb_tap_enable(tap, true);
    arb_tap_reader_t reader;
    arb_tap_reader_init(tap, &reader);
    arb_detector_counters_t counters = {0};
    arb_clock_t clock;
    memset(&clock, 0, sizeof clock); /* falls back to clock_gettime */
    arb_detector_config_t config = arb_detector_defaults();
    config.min_gross_bps = -INFINITY;
    config.min_net_bps = -6.0;
    config.depth_factor = 0.5;
    config.position_notional = 150.0;
    config.max_age_ns = 300000;
    config.sweep_period_ns = 50000;
    arb_detector_t *det = zeros(sizeof *det);
    CHECK(arb_detector_init(det, &config, live.store, live.state, &lane, 1, ring, &counters,
                            &clock));
    det->decisions = zeros(arb_decisions_bytes(ROWS));
    arb_decisions_init(det->decisions, tap, ROWS, 1000000);

    arb_decision_replay_t *replay = zeros(sizeof *replay);
    arb_opportunity_t *found = malloc(2 * ARB_STEP_EVENTS_MAX * 64 * sizeof *found);
    replay->store = again.store;
    replay->ladders = again.ladders;
    replay->state_memory = again.state;
    replay->known = zeros(SYMBOLS);
    replay->detector.events = found;
    replay->event_capacity = 2 * ARB_STEP_EVENTS_MAX * 64;
    arb_decision_replay_init(replay);

    pthread_t writer;
    CHECK(pthread_create(&writer, NULL, write_ladders, &live) == 0);
    int64_t now_ns = arb_mono_ns();
    uint64_t compared = 0;
    for (int tick = 0; tick < TICKS; tick++) {
        now_ns += 1000 * pick(&random_word, 40);
        push(lane, now_ns);
        if (pick(&random_word, 3) == 0)
            arb_detector_poll(det, 64, now_ns);
        if (pick(&random_word, 8) == 0)
            compared += replay_told(replay, tap, &reader, ring, &events);
    }
    arb_detector_poll(det, 64, now_ns);
    arb_detector_close_all(det, now_ns);
    compared += replay_told(replay, tap, &reader, ring, &events);
    arb_store_relaxed(&stop_word, 1);
    pthread_join(writer, NULL);
    CHECK(compared > TICKS / 4 && replay->state == ARB_REPLAY_EXACT);
    CHECK(compared == arb_detector_published(det) - replay->exact_event);
    CHECK(replay->differences == 0 && replay->bad == 0);
    CHECK(replay->ticks > TICKS / 2 && tap->refused == 0);
    side_free(&live);
    side_free(&again);
    free(det->decisions);
    free(det);
    free(replay->known);
    free(replay);
    free(found);
    free(lane);
    free(ring);
    free(tap);
    return 0;
}
