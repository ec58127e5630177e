/* Random changes to frames, for the fuzzers that run by themselves. */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "decimal.h"

#define REQUIRE(condition)                                                         \
    do {                                                                           \
        if (!(condition)) {                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                               \
        }                                                                          \
    } while (0)

static uint64_t state;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

/* Other numbers in the same frame: digits change, come and go, the structure stays. */
static size_t mutate_numbers(char *frame, size_t bytes, size_t room)
{
    for (uint32_t tries = 1 + draw(16); tries > 0 && bytes > 0; tries--) {
        size_t at = draw((uint32_t)bytes);
        if (!arb_is_digit(frame[at]))
            continue;
        if (draw(3) == 0 && bytes < room) {
            memmove(frame + at + 1, frame + at, bytes - at);
            bytes++;
        } else if (draw(3) == 0) {
            memmove(frame + at, frame + at + 1, bytes - at - 1);
            bytes--;
            continue;
        }
        frame[at] = draw(40) == 0 ? '.' : (char)('0' + draw(10));
    }
    return bytes;
}

/* Other widths: some numbers are replaced by fresh ones of any shape, right and wrong. */
static size_t mutate_widths(char *frame, size_t bytes, size_t room)
{
    char made[24];
    for (size_t at = 0; at < bytes; at++) {
        size_t old = 0, fresh = 1 + draw(draw(8) ? 9 : 19);
        while (at + old < bytes && (arb_is_digit(frame[at + old]) || frame[at + old] == '.'))
            old++;
        if (old == 0)
            continue;
        if (draw(5) == 0 && bytes - old + fresh <= room) {
            for (size_t index = 0; index < fresh; index++)
                made[index] = (char)('0' + draw(draw(4) ? 10 : 2));
            if (draw(3) && fresh > 2)
                made[1 + draw((uint32_t)fresh - 2)] = '.';
            if (draw(32) == 0)
                made[draw((uint32_t)fresh)] = "./:-e\"0"[draw(7)];
            memmove(frame + at + fresh, frame + at + old, bytes - at - old);
            memcpy(frame + at, made, fresh);
            bytes += fresh - old;
            old = fresh;
        }
        at += old;
    }
    return bytes;
}

/* One to four small changes: a byte, a digit, a cut, a doubled or a lost piece. */
static size_t mutate(char *frame, size_t bytes, size_t room)
{
    static const char likely[] = "0123456789.\"[]{},:-+eE\\ u\n\0ab";
    for (uint32_t changes = 1 + draw(4); changes > 0 && bytes > 0; changes--) {
        size_t at = draw((uint32_t)bytes);
        size_t piece = 1 + draw(24);
        if (piece > bytes - at)
            piece = bytes - at;
        switch (draw(7)) {
        case 0: frame[at] = (char)draw(256); break;
        case 1: frame[at] = likely[draw(sizeof likely - 1)]; break;
        case 2: frame[at] = (char)('0' + draw(10)); break;
        case 3:
            if (draw(4) == 0)
                bytes = at;
            break;
        case 4:
            memmove(frame + at, frame + at + piece, bytes - at - piece);
            bytes -= piece;
            break;
        case 5:
            if (bytes + piece <= room) {
                memmove(frame + at + piece, frame + at, bytes - at);
                bytes += piece;
            }
            break;
        default:
            if (bytes + 1 <= room) {
                memmove(frame + at + 1, frame + at, bytes - at);
                frame[at] = likely[draw(sizeof likely - 1)];
                bytes++;
            }
        }
    }
    return bytes;
}

/* ---- memory that ends with the frame --------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__)
/* The sanitizer sees every byte outside. */
static char *place_frame(const char *frame, size_t bytes, bool at_end)
{
    (void)at_end;
    char *placed = malloc(bytes ? bytes : 1);
    REQUIRE(placed != NULL);
    memcpy(placed, frame, bytes);
    return bytes ? placed : placed + 1;
}

static void release_frame(char *placed, size_t bytes) { free(bytes ? placed : placed - 1); }
#else
enum { GUARDED_BYTES = 1 << 16 };

/* Pages that nobody may touch lie before and behind: the frame touches the one or the other. */
static char *place_frame(const char *frame, size_t bytes, bool at_end)
{
    static char *pages;
    const size_t page = 1 << 16;
    if (pages == NULL) {
        pages = mmap(NULL, GUARDED_BYTES + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(pages != MAP_FAILED);
        pages += page;
        REQUIRE(mprotect(pages, GUARDED_BYTES, PROT_READ | PROT_WRITE) == 0);
    }
    REQUIRE(bytes <= GUARDED_BYTES);
    char *placed = at_end ? pages + GUARDED_BYTES - bytes : pages;
    return memcpy(placed, frame, bytes);
}

static void release_frame(char *placed, size_t bytes) { (void)placed, (void)bytes; }
#endif

#endif
