/* What is named to the caches in a round: every line of what a quote touches, once, nothing
 * else. */
#include "clock.h"

#include <stdio.h>
#include <stdlib.h>

#include "feed_lane.h"
#include "detector.h"

enum { SYMBOLS = 70, VENUES = 2, ROWS = SYMBOLS * VENUES, LINES_MAX = 1 << 14 };

#define CHECK(condition)                                              \
    do {                                                              \
        if (!(condition)) {                                           \
            printf("line %d: %s\n", __LINE__, #condition);            \
            exit(1);                                                  \
        }                                                             \
    } while (0)

static const char *named[LINES_MAX];
static uint32_t named_count;

static void *zeroed(size_t bytes)
{
    void *memory = aligned_alloc(128, (bytes + 127) / 128 * 128);
    memset(memory, 0, (bytes + 127) / 128 * 128);
    return memory;
}

/* Name one round from the start of one. */
static void go_round(arb_warm_rows_t *rows)
{
    uint64_t before = rows->rounds;
    named_count = 0;
    while (rows->rounds == before && named_count < LINES_MAX)
        named[named_count++] = arb_warm_rows_next(rows, 0);
    CHECK(rows->rounds == before + 1 && rows->part == 0 && rows->offset == 0);
}

/* How often the line of an address was named. */
static uint32_t times(const void *address)
{
    uint32_t found = 0;
    for (uint32_t index = 0; index < named_count; index++)
        found += (uintptr_t)named[index] / ARB_CACHE_LINE_BYTES ==
                 (uintptr_t)address / ARB_CACHE_LINE_BYTES;
    return found;
}

static void all_once(const void *memory, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += ARB_CACHE_LINE_BYTES)
        CHECK(times((const char *)memory + at) == 1);
}

static void test_detector(void)
{
    arb_detector_t *det = zeroed(sizeof *det);
    size_t store_bytes = arb_store_bytes(VENUES, SYMBOLS);
    char *memory = zeroed(store_bytes + ROWS * sizeof(arb_ladder_t));
    arb_market_store_t *store = (arb_market_store_t *)memory;
    arb_detector_config_t config = arb_detector_defaults();
    static arb_detector_counters_t counters;
    arb_store_init(store, VENUES, SYMBOLS);
    arb_store_attach_ladders(store, memory + store_bytes);
    arb_detector_init(det, &config, store, zeroed(arb_detector_state_bytes(VENUES, SYMBOLS)), NULL,
                      0, NULL, &counters, NULL);
    arb_warm_rows_t rows = {0};
    arb_detector_name_rows(det, &rows);
    go_round(&rows);
    uint32_t lines = named_count;
    for (uint32_t row = 0; row < ROWS; row++) {
        for (uint32_t column = ARB_COLUMN_version; column <= ARB_COLUMN_update_count; column++)
            CHECK(times((uint64_t *)arb_store_column(store, column) + row) == 1);
        CHECK(times(det->px_mult + row) == 1 && times(det->qty_mult + row) == 1);
        CHECK(times(det->watches + row) == 1);
        CHECK(times((const char *)(det->watches + row + 1) - 1) == 1);
        CHECK(times(arb_store_ladder(store, row)) == 1);
    }
    for (uint32_t symbol = 0; symbol < SYMBOLS; symbol++) {
        CHECK(times(arb_detector_slot(det, symbol, 0, 1)) == 1);
        CHECK(times(arb_detector_slot(det, symbol, 1, 0)) == 1);
        CHECK(times(arb_detector_slot(det, symbol, 1, 1)) == 0);
    }
    /* a round, then its rest, then the next */
    rows.due_mono_ns = 0;
    arb_warm_rows_step(&rows, lines + 10, 1000);
    CHECK(rows.rounds == 2 && rows.offset == 0);
    arb_warm_rows_step(&rows, 1, 1000 + ARB_WARM_ROUND_NS - 1);
    CHECK(rows.offset == 0);
    arb_warm_rows_step(&rows, 1, 1000 + ARB_WARM_ROUND_NS);
    CHECK(rows.offset != 0);
    /* once ladders hold levels their feed has them for itself */
    det->has_depth = true;
    rows.due_mono_ns = 0;
    arb_detector_keep_warm(det, &rows, 0, 0);
    go_round(&rows);
    CHECK(named_count == lines - ROWS && times(arb_store_ladder(store, 3)) == 0);
    arb_detector_keep_warm(det, &rows, 0, 0);
    go_round(&rows);
    CHECK(named_count == lines - ROWS);
}

static void test_feed(void)
{
    arb_symbol_map_t *map = zeroed(arb_symbol_map_bytes(SYMBOLS));
    arb_symbol_map_init(map, SYMBOLS);
    arb_feed_t feed = {.symbols = map, .row_count = ROWS, .symbol_capacity = SYMBOLS,
                       .rows = zeroed(ROWS * sizeof(arb_feed_row_t))};
    arb_warm_rows_t rows = {0};
    arb_feed_name_rows(&feed, &rows);
    go_round(&rows);
    all_once(arb_symbol_slots(map), map->slot_count * sizeof(arb_symbol_slot_t));
    all_once(feed.rows, ROWS * sizeof(arb_feed_row_t));
    CHECK(named_count == map->slot_count / 2 + ROWS * 2);
}

int main(void)
{
    arb_warm_rows_t none = {0};
    arb_warm_rows_step(&none, 8, 1);
    CHECK(none.rounds == 0);
    test_detector();
    test_feed();
    printf("ok\n");
    return 0;
}
