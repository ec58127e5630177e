/* The detector behind real lanes, without Python: merge order, overflow, time, publication.
 * Exit 0: all checks hold; else the line of the first that does not is printed. */
#include "detector.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                           \
    do {                                                           \
        if (!(condition)) {                                        \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            exit(1);                                               \
        }                                                          \
    } while (0)

enum { SYMBOLS = 3, RING = 4, SECOND = 1000000000 };

typedef struct rig {
    arb_market_store_t *store;
    arb_lane_t *lanes[2];
    arb_broadcast_ring_t *broadcast;
    arb_broadcast_reader_t reader;
    arb_detector_counters_t *counters;
    arb_clock_t *clock;
    void *state;
    arb_detector_t *det;
} rig_t;

static void *zeros(size_t bytes)
{
    void *memory = aligned_alloc(128, arb_round_up(bytes, 128));
    memset(memory, 0, bytes);
    return memory;
}

static void rig_make(rig_t *rig, arb_detector_config_t config)
{
    rig->store = zeros(arb_store_bytes(2, SYMBOLS));
    arb_store_init(rig->store, 2, SYMBOLS);
    for (uint32_t row = 0; row < rig->store->row_count; row++)
        arb_store_px_mult(rig->store)[row] = arb_store_qty_mult(rig->store)[row] = 1.0;
    for (int lane = 0; lane < 2; lane++) {
        rig->lanes[lane] = zeros(arb_lane_bytes(RING, 2 * SYMBOLS));
        arb_lane_init(rig->lanes[lane], RING, 2 * SYMBOLS);
    }
    rig->broadcast = zeros(arb_broadcast_ring_bytes(64));
    arb_broadcast_ring_init(rig->broadcast, 64);
    arb_broadcast_reader_init(rig->broadcast, &rig->reader, true);
    rig->counters = zeros(sizeof *rig->counters);
    rig->clock = zeros(sizeof *rig->clock); /* falls back to clock_gettime */
    rig->state = zeros(arb_detector_state_bytes(2, SYMBOLS));
    rig->det = zeros(sizeof *rig->det);
    CHECK(arb_detector_init(rig->det, &config, rig->store, rig->state, rig->lanes, 2,
                            rig->broadcast, rig->counters, rig->clock));
}

static void rig_free(rig_t *rig)
{
    free(rig->store);
    free(rig->lanes[0]);
    free(rig->lanes[1]);
    free(rig->broadcast);
    free(rig->counters);
    free(rig->clock);
    free(rig->state);
    free(rig->det);
}

static bool push(rig_t *rig, int venue, uint32_t symbol, double bid, double ask, int64_t recv_ns)
{
    arb_tick_t tick = {bid, ask, 1.0, 1.0, recv_ns, 0, 0, 7};
    tick.seq_row_kind =
        arb_tick_pack(0, arb_store_row(rig->store, (uint32_t)venue, symbol), ARB_TICK_QUOTE);
    return arb_lane_push(rig->lanes[venue], &tick);
}

static bool next_event(rig_t *rig, arb_opportunity_t *event)
{
    return arb_broadcast_try_read(rig->broadcast, &rig->reader, event);
}

static arb_detector_config_t open_config(void)
{
    arb_detector_config_t config = arb_detector_defaults();
    config.min_gross_bps = -INFINITY;
    return config;
}

/* Ticks of two lanes are scanned one by one in the order of their times, ties to the lower lane. */
static void test_merge(void)
{
    rig_t rig;
    rig_make(&rig, open_config());
    arb_opportunity_t event;
    push(&rig, 1, 0, 101.0, 101.5, 20); /* opens: 100.5 -> 101 */
    push(&rig, 1, 0, 100.0, 101.5, 40); /* closes */
    push(&rig, 0, 0, 100.0, 100.5, 10);
    push(&rig, 0, 0, 100.0, 100.4, 20); /* same time as the other lane's: goes first */
    push(&rig, 0, 0, 100.0, 100.3, 30); /* update */
    CHECK(arb_detector_poll(rig.det, 100, 0) == 5);
    CHECK(next_event(&rig, &event) && event.event == ARB_OPP_OPEN && event.id == 1);
    CHECK(event.recv_mono_ns == 20 && event.ask_px == 100.4 && event.bid_px == 101.0 &&
          event.parsed_ns == 7);
    CHECK(event.detected_ns > 0);
    CHECK(next_event(&rig, &event) && event.event == ARB_OPP_UPDATE && event.recv_mono_ns == 30);
    CHECK(next_event(&rig, &event) && event.event == ARB_OPP_CLOSE && event.recv_mono_ns == 40);
    CHECK(event.reason == ARB_CLOSE_EDGE_GONE && event.open_mono_ns == 20 &&
          event.update_count == 1);
    CHECK(!next_event(&rig, &event));
    CHECK(arb_detector_poll(rig.det, 100, 0) == 0);
    rig_free(&rig);
}

/* A full ring keeps the newest quote of each row; overwritten and outdated ones count as
 * dropped. */
static void test_overflow(void)
{
    rig_t rig;
    rig_make(&rig, open_config());
    arb_opportunity_t event;
    for (int tick = 0; tick < RING; tick++)
        CHECK(push(&rig, 0, 0, 100.0, 100.5, 10 + tick));
    CHECK(!push(&rig, 0, 0, 100.0, 100.6, 20)); /* overwritten */
    CHECK(!push(&rig, 0, 0, 100.0, 100.7, 21)); /* taken after the drain */
    CHECK(!push(&rig, 0, 1, 50.0, 50.5, 22));   /* becomes outdated below */
    CHECK(arb_detector_poll(rig.det, 1, 0) == 3); /* one of the ring, two of the cells */
    CHECK(rig.counters->overflow_taken == 2 && rig.counters->ticks_dropped == 1);
    CHECK(arb_store_ask_px(rig.store)[0] == 100.7);
    /* older than the row by now: discarded */
    CHECK(arb_detector_poll(rig.det, 100, 0) == RING - 1);
    CHECK(rig.counters->ticks_dropped == 1 + RING - 1);
    CHECK(arb_store_ask_px(rig.store)[0] == 100.7 && arb_store_ask_px(rig.store)[1] == 50.5);
    arb_tick_t down = {
        NAN, NAN, NAN, NAN, 30, arb_tick_pack(0, 0, ARB_TICK_STATE), 0, ARB_ROW_SYNCING};
    CHECK(arb_lane_push(rig.lanes[0], &down));
    push(&rig, 0, 0, 99.0, 99.5, 29); /* from before the disconnect */
    CHECK(arb_detector_poll(rig.det, 100, 0) == 2);
    CHECK(arb_store_state(rig.store)[0] == ARB_ROW_SYNCING &&
          isnan(arb_store_bid_px(rig.store)[0]));
    CHECK(!next_event(&rig, &event));
    CHECK(rig.counters->ticks == RING + 4 && rig.counters->quotes == 3);
    rig_free(&rig);
}

/* Silence makes a row STALE and closes what stood on it; a later quote brings it back. */
static void test_silence(void)
{
    arb_detector_config_t config = open_config();
    config.stale_ns[0] = 4 * (int64_t)SECOND + SECOND / 2;
    rig_t rig;
    rig_make(&rig, config);
    arb_opportunity_t event;
    int64_t now = 100 * (int64_t)SECOND;
    push(&rig, 0, 2, 100.0, 100.5, now);
    push(&rig, 1, 2, 101.0, 101.5, now + 1);
    CHECK(arb_detector_poll(rig.det, 100, now + SECOND) == 2);
    CHECK(next_event(&rig, &event) && event.event == ARB_OPP_OPEN);
    arb_detector_poll(rig.det, 100, now + 4 * (int64_t)SECOND);
    CHECK(!next_event(&rig, &event));
    now += 5 * (int64_t)SECOND;
    arb_detector_poll(rig.det, 100, now);
    CHECK(next_event(&rig, &event) && event.event == ARB_OPP_CLOSE &&
          event.reason == ARB_CLOSE_NOT_LIVE);
    CHECK(event.recv_mono_ns == now && isnan(event.ask_px));
    CHECK(arb_store_state(rig.store)[2] == ARB_ROW_STALE && rig.counters->aged_out == 1);
    push(&rig, 0, 2, 100.0, 100.5, now + 1);
    arb_detector_poll(rig.det, 100, now + 2);
    CHECK(next_event(&rig, &event) && event.event == ARB_OPP_OPEN && event.id == 2);
    arb_detector_close_all(rig.det, now + 3);
    CHECK(next_event(&rig, &event) && event.event == ARB_OPP_CLOSE &&
          event.reason == ARB_CLOSE_SHUTDOWN);
    rig_free(&rig);
}

/* Ticks of rows that nobody uses, and of kinds that nobody knows, change nothing. */
static void test_bad_rows(void)
{
    rig_t rig;
    rig_make(&rig, open_config());
    arb_store_px_mult(rig.store)[0] = 0.0;
    push(&rig, 0, 0, 100.0, 100.5, 1);
    arb_tick_t tick = {1.0, 2.0, 1.0, 1.0, 2, arb_tick_pack(0, ARB_ROW_NONE, ARB_TICK_QUOTE), 0, 0};
    arb_lane_push(rig.lanes[0], &tick);
    tick.seq_row_kind = arb_tick_pack(0, 1, 3);
    arb_lane_push(rig.lanes[0], &tick);
    CHECK(arb_detector_poll(rig.det, 100, 0) == 3 && rig.counters->bad_rows == 3);
    CHECK(arb_store_update_count(rig.store)[0] == 0 && arb_store_update_count(rig.store)[1] == 0);
    rig_free(&rig);
}

int main(void)
{
    test_merge();
    test_overflow();
    test_silence();
    test_bad_rows();
    return 0;
}
