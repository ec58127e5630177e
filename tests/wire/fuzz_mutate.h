/* Random changes to frames, for the fuzzers that run by themselves. */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

#endif
