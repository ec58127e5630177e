/* Fuzzing of the depth parsers and the book, built with the address and undefined-behaviour
 * sanitizers.
 *
 * libFuzzer: as in fuzz_frames.c. By itself: fuzz_book SAMPLES COUNT SEED, one sample a line:
 * mutates them, joins most to the books' chains, and prints what became of the frames, and how
 * many the vector code read.
 *
 * What must hold for any bytes: both ways of a parser say the same, to the last level; a refused
 * frame and an ignored update leave every byte of the book as it was; a side is sorted, within
 * its array and its capacity; after every update the book is what a list kept by insertion is.
 */
#include "fuzz_mutate.h" /* first: it asks the system headers for their extensions */

#include "bybit_depth.h"
#include "okx_checksum.h"
#include "okx_depth.h"

enum { BOOKS = 4, RESULTS = ARB_FRAME_STATUS_COUNT };

static const uint32_t capacities[BOOKS] = {50, 400, 5, 3};
static const arb_venue_t venues[BOOKS] = {ARB_VENUE_BYBIT, ARB_VENUE_OKX, ARB_VENUE_OKX,
                                          ARB_VENUE_BYBIT};
static arb_book_t *books[BOOKS], *before;
static arb_depth_t fast, slow, plain;
static uint64_t wide_count; /* frames in the expected text, read with vectors */
static uint64_t counts[RESULTS];

/* The same book as a plain list, one change at a time, with room for everything. */
typedef struct naive {
    uint32_t count;
    arb_level_t levels[3 * ARB_DEPTH_LEVELS_MAX];
} naive_t;

static naive_t naive[BOOKS][ARB_DEPTH_SIDES];

static void naive_change(naive_t *list, uint32_t side, arb_level_t change)
{
    uint32_t at = 0;
    while (at < list->count && arb_level_better(side, list->levels[at].px, change.px))
        at++;
    bool known = at < list->count && list->levels[at].px == change.px;
    if (known && change.qty > 0) {
        list->levels[at] = change;
    } else if (known) {
        for (list->count--; at < list->count; at++)
            list->levels[at] = list->levels[at + 1];
    } else if (change.qty > 0) {
        for (uint32_t place = list->count++; place > at; place--)
            list->levels[place] = list->levels[place - 1];
        list->levels[at] = change;
    }
}

static void require_book(const arb_book_t *book, const naive_t *lists)
{
    for (uint32_t side = 0; side < ARB_DEPTH_SIDES; side++) {
        uint32_t found;
        const arb_level_t *levels = arb_book_top(book, side, UINT32_MAX, &found);
        REQUIRE(found == lists[side].count && found <= book->capacity);
        REQUIRE(book->first[side] + found <= book->room);
        REQUIRE(found == 0 || book->held);
        for (uint32_t index = 0; index < found; index++) {
            REQUIRE(levels[index].px == lists[side].levels[index].px);
            REQUIRE(levels[index].qty == lists[side].levels[index].qty);
            REQUIRE(levels[index].px > 0 && levels[index].qty > 0);
            REQUIRE(index == 0 ||
                    arb_level_better(side, levels[index - 1].px, levels[index].px));
        }
    }
    arb_okx_checksum(book);
}

static void require_same(const arb_depth_t *a, const arb_depth_t *b)
{
    REQUIRE(a->symbol == b->symbol && a->symbol_bytes == b->symbol_bytes);
    REQUIRE(a->kind == b->kind && a->channel == b->channel);
    REQUIRE(a->seq == b->seq && a->update_id == b->update_id);
    REQUIRE(a->prev_update_id == b->prev_update_id);
    REQUIRE(a->exch_wall_ns == b->exch_wall_ns && a->checksum == b->checksum);
    for (uint32_t side = 0; side < ARB_DEPTH_SIDES; side++) {
        REQUIRE(a->count[side] == b->count[side]);
        REQUIRE(memcmp(a->levels[side], b->levels[side], a->count[side] * sizeof(arb_level_t)) ==
                0);
    }
}

/* All ways of the venue's parser. */
static arb_frame_status_t parse_all(arb_venue_t venue, const char *frame, size_t bytes)
{
    size_t offset = 0;
    bool is_bybit = venue == ARB_VENUE_BYBIT;
    arb_frame_status_t status = is_bybit ? arb_bybit_parse_depth(frame, bytes, &fast)
                                         : arb_okx_parse_depth(frame, bytes, &fast);
    arb_frame_status_t scanned = is_bybit
                                     ? arb_bybit_scan_depth(frame, bytes, &slow, &offset)
                                     : arb_okx_scan_depth(frame, bytes, false, &slow, &offset);
    REQUIRE(status == scanned && status < ARB_FRAME_STATUS_COUNT && offset <= bytes);
    bool expected = is_bybit ? arb_bybit_fast_depth(frame, bytes, false, &plain)
                             : arb_okx_fast_depth(frame, bytes, false, &plain);
    REQUIRE(!expected || status == ARB_FRAME_QUOTE);
    if (status != ARB_FRAME_QUOTE)
        return status;
    require_same(&fast, &slow);
    if (expected)
        require_same(&plain, &slow);
    wide_count += expected && arb_cpu_has_avx2();
    REQUIRE(fast.symbol >= frame && fast.symbol + fast.symbol_bytes <= frame + bytes);
    REQUIRE(fast.prev_update_id >= -1);
    REQUIRE(fast.seq >= 0 && fast.seq <= ARB_SEQ_MAX && fast.exch_wall_ns >= 0);
    for (uint32_t side = 0; side < ARB_DEPTH_SIDES; side++)
        REQUIRE(fast.count[side] <= ARB_DEPTH_LEVELS_MAX);
    return status;
}

static void apply_one(uint32_t number, const arb_depth_t *depth)
{
    arb_book_t *book = books[number];
    naive_t *lists = naive[number];
    size_t book_bytes = arb_book_bytes(capacities[number]);
    memcpy(before, book, book_bytes);
    arb_book_result_t result = venues[number] == ARB_VENUE_BYBIT ? arb_bybit_book_apply(book, depth)
                                                                 : arb_okx_book_apply(book, depth);
    REQUIRE((uint32_t)result < RESULTS);
    counts[result]++;
    bool snapshot = result == ARB_BOOK_SNAPSHOT;
    if (result == ARB_BOOK_GAP || snapshot)
        lists[0].count = lists[1].count = 0;
    if (result == ARB_BOOK_APPLIED || snapshot) {
        for (uint32_t side = 0; side < ARB_DEPTH_SIDES; side++) {
            for (uint32_t index = 0; index < depth->count[side]; index++)
                naive_change(&lists[side], side, depth->levels[side][index]);
            if (lists[side].count > capacities[number])
                lists[side].count = capacities[number];
        }
    } else if (result == ARB_BOOK_KEEPALIVE) {
        before->exch_wall_ns = book->exch_wall_ns;
    }
    if (result != ARB_BOOK_APPLIED && !snapshot && result != ARB_BOOK_GAP)
        REQUIRE(memcmp(before, book, book_bytes) == 0);
    require_book(book, lists);
}

/* joined: whether the update is made to continue the book. */
static void check_one(uint32_t number, const char *frame, size_t bytes, bool joined)
{
    arb_frame_status_t status = parse_all(venues[number], frame, bytes);
    if (status != ARB_FRAME_QUOTE) {
        counts[status == ARB_FRAME_CONTROL       ? (uint32_t)ARB_BOOK_CONTROL
               : status == ARB_FRAME_OTHER_TOPIC ? (uint32_t)ARB_BOOK_OTHER_TOPIC
                                                 : (uint32_t)status]++;
        return;
    }
    if (joined && fast.kind == ARB_QUOTE_DELTA) {
        bool idle = fast.update_id == fast.prev_update_id;
        fast.prev_update_id = books[number]->update_id;
        fast.update_id = fast.seq = books[number]->update_id + !idle;
    }
    apply_one(number, &fast);
}

static void begin(void)
{
    for (uint32_t number = 0; number < BOOKS; number++) {
        books[number] = aligned_alloc(128, arb_book_bytes(capacities[number]));
        REQUIRE(books[number] != NULL);
        arb_book_init(books[number], capacities[number]);
    }
    REQUIRE(arb_book_bytes(0) == 0 && arb_book_bytes(ARB_BOOK_CAPACITY_MAX + 1) == 0);
    before = aligned_alloc(128, arb_book_bytes(ARB_BOOK_OKX_400));
    REQUIRE(before != NULL);
}

/* Every book sees every frame, in memory that ends with it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (before == NULL)
        begin();
    char *frame = place_frame((const char *)data, bytes, draw(2));
    uint32_t sum = 0;
    for (size_t index = 0; index < bytes; index++)
        sum = sum * 31 + data[index];
    for (uint32_t number = 0; number < BOOKS; number++)
        check_one(number, frame, bytes, (sum >> 4) % 8 != 0);
    release_frame(frame, bytes);
    return 0;
}

#ifndef ARB_LIBFUZZER
int main(int argc, char **argv)
{
    enum { ROOM = 65536, SAMPLES_MAX = 64 };
    static char samples[SAMPLES_MAX][ROOM], frame[ROOM];
    size_t lengths[SAMPLES_MAX];
    uint32_t sample_count = 0;
    FILE *file = argc == 4 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL) {
        fprintf(stderr, "usage: fuzz_book SAMPLES COUNT SEED (SAMPLES: one frame a line)\n");
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
        uint32_t kind = draw(3);
        size_t bytes = kind == 0   ? mutate(frame, lengths[sample_index], ROOM)
                       : kind == 1 ? mutate_numbers(frame, lengths[sample_index], ROOM)
                                   : mutate_widths(frame, lengths[sample_index], ROOM);
        LLVMFuzzerTestOneInput((const uint8_t *)frame, bytes);
    }
    for (uint32_t result = 0; result < RESULTS; result++)
        if (counts[result])
            printf("%u %llu\n", result, (unsigned long long)counts[result]);
    printf("wide %llu\n", (unsigned long long)wide_count);
    for (uint32_t number = 0; number < BOOKS; number++)
        free(books[number]);
    free(before);
    return 0;
}
#endif
