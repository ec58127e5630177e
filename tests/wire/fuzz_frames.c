/* Fuzzing of the frame parsers, built with AddressSanitizer and UndefinedBehaviorSanitizer.
 *
 * libFuzzer: clang -g -O1 -fsanitize=fuzzer,address,undefined -DARB_LIBFUZZER -I
 * cython_src/arbitrage/core
 *            tests/wire/fuzz_frames.c -o fuzz_frames
 * By itself: fuzz_frames SAMPLES COUNT SEED, one sample a line: every beginning of every sample,
 *            then COUNT mutations of them; prints what became of the frames, and how many of them
 *            the vector code read. The frame's memory begins or ends with it, so that a read
 *            outside is caught: by the sanitizer, or, without one, by guard pages.
 *
 * What must hold for any bytes: all ways of a parser say the same; on anything but a quote the
 * output is untouched; a quote's numbers are in range and its symbol lies in the frame; the map
 * and the top of book take whatever the parser gives.
 */
#include "fuzz_mutate.h" /* first: it asks the system headers for their extensions */

#include "bybit_frames.h"
#include "okx_frames.h"
#include "symbol_map.h"
#include "top_of_book.h"

static arb_top_t tops[ARB_VENUE_COUNT];
static uint64_t counts[ARB_FRAME_STATUS_COUNT];
static uint64_t wide_count;
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

/* Does the vector code read the frame, and as the scanner does? */
static bool check_wide(int venue, const char *frame, size_t bytes, const arb_quote_t *before,
                       const arb_quote_t *wanted)
{
    arb_quote_t wide = *before;
    bool read = false;
#if ARB_AVX2_BUILT
    if (arb_cpu_has_avx2())
        read = venue == ARB_VENUE_BYBIT ? arb_bybit_simd_l1(frame, bytes, &wide)
                                        : arb_okx_simd_bbo(frame, bytes, &wide);
#endif
    (void)venue, (void)frame, (void)bytes;
    if (read)
        require_same(&wide, wanted);
    else
        REQUIRE(memcmp(&wide, before, sizeof wide) == 0);
    return read;
}

static void check_one(int venue, const char *frame, size_t bytes)
{
    arb_quote_t fast, slow, plain, before;
    size_t offset = 0;
    bool bybit = venue == ARB_VENUE_BYBIT;
    memset(&before, 0x5A, sizeof before);
    fast = slow = plain = before;
    arb_frame_status_t status =
        bybit ? arb_bybit_parse_l1(frame, bytes, &fast) : arb_okx_parse_bbo(frame, bytes, &fast);
    arb_frame_status_t baseline = bybit ? arb_bybit_parse_l1_baseline(frame, bytes, &plain)
                                        : arb_okx_parse_bbo_baseline(frame, bytes, &plain);
    arb_frame_status_t scanned = bybit ? arb_bybit_scan_l1(frame, bytes, &slow, &offset)
                                       : arb_okx_scan_bbo(frame, bytes, &slow, &offset);
    REQUIRE(status == scanned && status < ARB_FRAME_STATUS_COUNT && offset <= bytes);
    REQUIRE(baseline == scanned);
    counts[status]++;
    bool wide = check_wide(venue, frame, bytes, &before, &slow);
    wide_count += wide;
    REQUIRE(!wide || status == ARB_FRAME_QUOTE);
    if (status != ARB_FRAME_QUOTE) {
        REQUIRE(memcmp(&fast, &before, sizeof before) == 0);
        REQUIRE(memcmp(&plain, &before, sizeof before) == 0);
        REQUIRE(memcmp(&slow, &before, sizeof before) == 0);
        return;
    }
    require_same(&plain, &slow);
    require_same(&fast, &slow);
    require_sound(&fast, frame, bytes);
    arb_tick_t tick;
    uint32_t row = arb_symbol_map_find(map, (uint32_t)venue, fast.symbol, fast.symbol_bytes);
    REQUIRE(row == ARB_ROW_NONE || row == (uint32_t)venue * 4);
    if (arb_top_apply(&tops[venue], &fast, &tick))
        REQUIRE(arb_tick_seq(&tick) == fast.seq && !(tick.bid_px > tick.ask_px));
}

static void begin(void)
{
    map = aligned_alloc(128, arb_symbol_map_bytes(4));
    REQUIRE(map != NULL);
    arb_symbol_map_init(map, 4);
    REQUIRE(arb_symbol_map_insert(map, 0, "BTCUSDT", 7, 0) == ARB_SYMBOL_OK);
    REQUIRE(arb_symbol_map_insert(map, 1, "BTC-USDT-SWAP", 13, 4) == ARB_SYMBOL_OK);
}

/* Both parsers see the frame, in memory that begins or ends with it. */
static void check_both(const char *data, size_t bytes, bool at_end)
{
    char *frame = place_frame(data, bytes, at_end);
    check_one(ARB_VENUE_BYBIT, frame, bytes);
    check_one(ARB_VENUE_OKX, frame, bytes);
    release_frame(frame, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (map == NULL)
        begin();
    check_both((const char *)data, bytes, draw(2));
    return 0;
}

#ifndef ARB_LIBFUZZER
/* Invert a byte of the vector code's tables that takes a check away or makes a number wrong. */
static void spoil(const char *name)
{
#if ARB_AVX2_BUILT
    const struct {
        const char *name;
        size_t at;
    } entries[] = {
#define ENTRY(name, field) {name, offsetof(arb_number_tables_t, field)}
#define ENTRY_TOP(name, field) {name, offsetof(arb_number_tables_t, field) + 7}
        ENTRY("drop", after[3].drop[12]), ENTRY("scale", after[4].scale),
        ENTRY("keep_last", keep_last[20]), ENTRY("keep_first", keep_first[31]),
        ENTRY_TOP("least_positive", least_positive[2]),
        ENTRY_TOP("zero_price", least_positive[1]),
        ENTRY_TOP("least_whole", least_whole[2]), ENTRY("escape", escape[2]),
        ENTRY("nine", nine[15]),
        ENTRY("tens", tens[15]), ENTRY("hundreds", hundreds[7]),
        ENTRY("ten_thousands", ten_thousands[1]), ENTRY("hundred_millions", hundred_millions[1]),
        ENTRY("two_to_52", two_to_52[0]),
#undef ENTRY
#undef ENTRY_TOP
    };
    const uintptr_t page = 4096, begin = (uintptr_t)arb_number_tables_get();
    const uintptr_t first = begin / page * page;
    const size_t bytes = begin + sizeof(arb_number_tables_t) - first;
    REQUIRE(mprotect((void *)first, bytes, PROT_READ | PROT_WRITE) == 0);
    for (size_t index = 0; index < sizeof entries / sizeof *entries; index++)
        if (strcmp(entries[index].name, name) == 0) {
            *(volatile uint8_t *)(begin + entries[index].at) ^= 0xFF;
            return;
        }
#endif
    fprintf(stderr, "no table entry %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    enum { ROOM = 8192, SAMPLES_MAX = 64 };
    static char samples[SAMPLES_MAX][ROOM], frame[ROOM];
    size_t lengths[SAMPLES_MAX];
    uint32_t sample_count = 0;
    FILE *file = argc == 4 || argc == 5 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL) {
        fprintf(stderr, "usage: fuzz_frames SAMPLES COUNT SEED [SPOILED]; one sample a line\n");
        return 2;
    }
    while (sample_count < SAMPLES_MAX && fgets(samples[sample_count], ROOM, file) != NULL) {
        lengths[sample_count] = strcspn(samples[sample_count], "\n");
        sample_count++;
    }
    fclose(file);
    if (argc == 5)
        spoil(argv[4]);
    begin();
    state = strtoull(argv[3], NULL, 10) * 0x9E3779B97F4A7C15ull + 1;
    for (uint32_t sample_index = 0; sample_index < sample_count; sample_index++)
        for (size_t bytes = 0; bytes <= lengths[sample_index]; bytes++) {
            check_both(samples[sample_index], bytes, false);
            check_both(samples[sample_index], bytes, true);
        }
    memset(counts, 0, sizeof counts);
    wide_count = 0;
    for (uint64_t left = strtoull(argv[2], NULL, 10); left > 0; left--) {
        uint32_t sample_index = draw(sample_count);
        memcpy(frame, samples[sample_index], lengths[sample_index]);
        uint32_t kind = draw(4);
        size_t bytes = lengths[sample_index];
        if (kind >= 2)
            bytes = mutate_widths(frame, bytes, ROOM);
        if (kind == 1)
            bytes = mutate_numbers(frame, bytes, ROOM);
        if (kind == 0 || kind == 3)
            bytes = mutate(frame, bytes, ROOM);
        LLVMFuzzerTestOneInput((const uint8_t *)frame, bytes);
    }
    for (int status = 0; status < ARB_FRAME_STATUS_COUNT; status++)
        if (counts[status])
            printf("%d %llu\n", status, (unsigned long long)counts[status]);
    printf("wide %llu\n", (unsigned long long)wide_count);
    free(map);
    return 0;
}
#endif
