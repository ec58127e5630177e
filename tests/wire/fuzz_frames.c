/* Fuzzing of the frame parsers, built with AddressSanitizer and UndefinedBehaviorSanitizer.
 *
 * libFuzzer: clang -g -O1 -fsanitize=fuzzer,address,undefined -DARB_LIBFUZZER -I
 * cython_src/arbitrage/core
 *            tests/wire/fuzz_frames.c -o fuzz_frames
 * By itself: fuzz_frames SAMPLES COUNT SEED, one sample a line: mutates them and prints what
 * became of
 *            the frames. The frame is allocated to the byte, so a read outside it is caught.
 *
 * What must hold for any bytes: both ways of a parser say the same; on anything but a quote the
 * output is untouched; a quote's numbers are in range and its symbol lies in the frame; the map
 * and the top of book take whatever the parser gives.
 */
#include <stdio.h>

#include "bybit_frames.h"
#include "fuzz_mutate.h"
#include "okx_frames.h"
#include "symbol_map.h"
#include "top_of_book.h"

static arb_top_t tops[ARB_VENUE_COUNT];
static uint64_t counts[ARB_FRAME_STATUS_COUNT];
static arb_symbol_map_t *map;

static bool bits_equal(double a, double b)
{
    return memcmp(&a, &b, 8) == 0 || (isnan(a) && isnan(b));
}

static void require_same(const arb_quote_t *a, const arb_quote_t *b)
{
    REQUIRE(bits_equal(a->bid_px, b->bid_px) && bits_equal(a->ask_px, b->ask_px));
    REQUIRE(bits_equal(a->bid_qty, b->bid_qty) && bits_equal(a->ask_qty, b->ask_qty));
    REQUIRE(a->exch_wall_ns == b->exch_wall_ns && a->seq == b->seq && a->update_id == b->update_id);
    REQUIRE(a->symbol == b->symbol && a->symbol_bytes == b->symbol_bytes);
    REQUIRE(a->kind == b->kind && a->venue == b->venue);
    REQUIRE(a->bid_gone_count == b->bid_gone_count && a->ask_gone_count == b->ask_gone_count);
    for (int gone_index = 0; gone_index < a->bid_gone_count; gone_index++)
        REQUIRE(a->bid_gone_px[gone_index] == b->bid_gone_px[gone_index]);
    for (int gone_index = 0; gone_index < a->ask_gone_count; gone_index++)
        REQUIRE(a->ask_gone_px[gone_index] == b->ask_gone_px[gone_index]);
}

static void require_sound(const arb_quote_t *quote, const char *frame, size_t bytes)
{
    REQUIRE(quote->symbol >= frame && quote->symbol + quote->symbol_bytes <= frame + bytes);
    REQUIRE(quote->symbol_bytes >= 1 && quote->symbol_bytes <= ARB_NAME_BYTES_MAX);
    REQUIRE(isnan(quote->bid_px) == isnan(quote->bid_qty) &&
            isnan(quote->ask_px) == isnan(quote->ask_qty));
    REQUIRE(isnan(quote->bid_px) || (quote->bid_px > 0 && quote->bid_px <= DBL_MAX &&
                                     quote->bid_qty > 0));
    REQUIRE(isnan(quote->ask_px) || (quote->ask_px > 0 && quote->ask_px <= DBL_MAX &&
                                     quote->ask_qty > 0));
    REQUIRE(!(quote->bid_px > quote->ask_px));
    REQUIRE(quote->seq >= 0 && quote->seq <= ARB_SEQ_MAX && quote->update_id >= 0);
    REQUIRE(quote->exch_wall_ns >= 0);
}

static void check_one(int venue, const char *frame, size_t bytes)
{
    arb_quote_t fast, slow, before;
    size_t offset = 0;
    memset(&before, 0x5A, sizeof before);
    fast = slow = before;
    arb_frame_status_t status = venue == ARB_VENUE_BYBIT ? arb_bybit_parse_l1(frame, bytes, &fast)
                                                         : arb_okx_parse_bbo(frame, bytes, &fast);
    arb_frame_status_t scanned = venue == ARB_VENUE_BYBIT
                                     ? arb_bybit_scan_l1(frame, bytes, &slow, &offset)
                                     : arb_okx_scan_bbo(frame, bytes, &slow, &offset);
    REQUIRE(status == scanned && status < ARB_FRAME_STATUS_COUNT && offset <= bytes);
    counts[status]++;
    if (status != ARB_FRAME_QUOTE) {
        REQUIRE(memcmp(&fast, &before, sizeof before) == 0);
        REQUIRE(memcmp(&slow, &before, sizeof before) == 0);
        return;
    }
    require_same(&fast, &slow);
    require_sound(&fast, frame, bytes);
    arb_tick_t tick;
    uint32_t row = arb_symbol_map_find(map, (uint32_t)venue, fast.symbol, fast.symbol_bytes);
    REQUIRE(row == ARB_ROW_NONE || row == (uint32_t)venue * 4);
    if (arb_top_apply(&tops[venue], &fast, &tick))
        REQUIRE(arb_tick_seq(&tick) == fast.seq && !(tick.bid_px > tick.ask_px));
}

/* Both parsers see every frame, in memory that ends with it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (map == NULL) {
        map = aligned_alloc(128, arb_symbol_map_bytes(4));
        arb_symbol_map_init(map, 4);
        REQUIRE(arb_symbol_map_insert(map, 0, "BTCUSDT", 7, 0) == ARB_SYMBOL_OK);
        REQUIRE(arb_symbol_map_insert(map, 1, "BTC-USDT-SWAP", 13, 4) == ARB_SYMBOL_OK);
    }
    char *frame = malloc(bytes ? bytes : 1);
    REQUIRE(frame != NULL);
    char *exact = bytes ? frame : frame + 1;
    memcpy(exact, data, bytes);
    check_one(ARB_VENUE_BYBIT, exact, bytes);
    check_one(ARB_VENUE_OKX, exact, bytes);
    free(frame);
    return 0;
}

#ifndef ARB_LIBFUZZER
int main(int argc, char **argv)
{
    enum { ROOM = 8192, SAMPLES_MAX = 64 };
    static char samples[SAMPLES_MAX][ROOM], frame[ROOM];
    size_t lengths[SAMPLES_MAX];
    uint32_t sample_count = 0;
    FILE *file = argc == 4 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL) {
        fprintf(stderr, "usage: fuzz_frames SAMPLES COUNT SEED (SAMPLES: one frame a line)\n");
        return 2;
    }
    while (sample_count < SAMPLES_MAX && fgets(samples[sample_count], ROOM, file) != NULL) {
        lengths[sample_count] = strcspn(samples[sample_count], "\n");
        sample_count++;
    }
    fclose(file);
    state = strtoull(argv[3], NULL, 10) * 0x9E3779B97F4A7C15ull + 1;
    for (uint64_t left = strtoull(argv[2], NULL, 10); left > 0; left--) {
        uint32_t sample_index = draw(sample_count);
        memcpy(frame, samples[sample_index], lengths[sample_index]);
        size_t bytes = draw(2) ? mutate(frame, lengths[sample_index], ROOM)
                               : mutate_numbers(frame, lengths[sample_index], ROOM);
        LLVMFuzzerTestOneInput((const uint8_t *)frame, bytes);
    }
    for (int status = 0; status < ARB_FRAME_STATUS_COUNT; status++)
        if (counts[status])
            printf("%d %llu\n", status, (unsigned long long)counts[status]);
    free(map);
    return 0;
}
#endif
