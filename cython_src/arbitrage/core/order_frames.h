/* Order intents to the bytes of a venue's order frame.
 *
 * A frame is fixed text with holes for the numbers that differ from order to order. A template
 * holds the text of one (venue, symbol, side, reduce-only) cut at its holes; encoding copies the
 * pieces and writes the numbers between them. A template is immutable once it is built: the
 * WebSocket layer masks its send buffer in place, so each frame is a fresh copy.
 *
 * Prices and quantities come as integer counts of the venue's grid (ticks, lots). One step of a
 * grid is mantissa * 10^-decimals, so the decimal text is exact: no floating point on the way out.
 * Digits are made eight at a time by multiplications, text is copied in blocks of 32 bytes; both
 * may write a little behind a frame, which its buffer has room for. Little-endian machines only.
 *
 * Threads: pure functions; a template may be read by any number of threads.
 * Limits: text up to 448 bytes, 7 holes, 18 decimals; a count whose value does not fit 63 bits, or
 * is not positive, encodes to 0 bytes: nothing is sent.
 */
#ifndef ARB_ORDER_FRAMES_H
#define ARB_ORDER_FRAMES_H

#include <stdint.h>
#include <string.h>

#include "cacheline.h"
#include "records.h"

enum {
    ARB_ORDER_TEXT_BYTES_MAX = 448,  /* fixed text of a template */
    ARB_ORDER_HOLES_MAX = 7,
    ARB_ORDER_DECIMALS_MAX = 18,
    ARB_ORDER_NUMBER_BYTES_MAX = 21, /* 19 digits, a point, a leading zero */
    ARB_ORDER_OVERRUN_BYTES = 32,    /* behind a frame, which is written in blocks */
    ARB_ORDER_FRAME_BYTES_MAX = ARB_ORDER_TEXT_BYTES_MAX +
                                ARB_ORDER_HOLES_MAX * ARB_ORDER_NUMBER_BYTES_MAX +
                                ARB_ORDER_OVERRUN_BYTES
};

typedef enum arb_order_hole {
    ARB_HOLE_CLIENT_ID = 0, /* decimal digits */
    ARB_HOLE_WALL_MS = 1,   /* decimal digits */
    ARB_HOLE_PX = 2,        /* decimal text on the price grid */
    ARB_HOLE_QTY = 3,       /* decimal text on the quantity grid */
    ARB_HOLE_EXPIRY_MS = 4, /* wall clock plus the template's expire_after_ms */
    ARB_HOLE_COUNT = 5
} arb_order_hole_t;

/* One step of a grid is mantissa * 10^-decimals: tick 0.25 is {25, 2}, lot 100 is {100, 0}. */
typedef struct arb_grid {
    int64_t mantissa;
    uint32_t decimals;
} arb_grid_t;

/* text: [piece 0][piece 1] ... [piece hole_count]; hole i stands after piece i. */
typedef struct arb_order_template {
    arb_grid_t px;
    arb_grid_t qty;
    uint32_t expire_after_ms;
    uint16_t piece_bytes[ARB_ORDER_HOLES_MAX + 1];
    uint8_t hole[ARB_ORDER_HOLES_MAX];           /* arb_order_hole_t */
    uint8_t hole_count;
    char text[ARB_ORDER_TEXT_BYTES_MAX + ARB_ORDER_OVERRUN_BYTES];
} arb_order_template_t;

/* Templates of one symbol, in the order of arb_order_template_index. */
enum { ARB_ORDER_TEMPLATES_PER_SYMBOL = 5 };

static inline uint32_t arb_order_template_index(uint8_t action, uint8_t side, uint8_t flags)
{
    if (action == ARB_ORDER_CANCEL)
        return 4;
    return (uint32_t)(side & 1u) | ((flags & ARB_ORDER_REDUCE_ONLY) ? 2u : 0u);
}

/* ---- digits ---------------------------------------------------------------------------------- */

/* Eight digits of a number below 10^8 as bytes 0 to 9, the first digit in the lowest byte: halves,
 * then quarters, then digits, all lanes at once. */
static inline uint64_t arb_digits8(uint32_t value)
{
    uint64_t lanes = value / 10000 | (uint64_t)(value % 10000) << 32;
    uint64_t tops = (lanes * 10486 >> 20) & 0x0000007F0000007Full; /* / 100, exact below 43698 */
    lanes = tops | (lanes - 100 * tops) << 16;
    tops = (lanes * 103 >> 10) & 0x000F000F000F000Full; /* / 10, exact below 179 */
    return tops | (lanes - 10 * tops) << 8;
}

/* The last digit_count (1 to 8) of eight digits; writes 8 bytes. */
static inline void arb_write_digits8(char *out, uint32_t value, uint32_t digit_count)
{
    uint64_t text = (arb_digits8(value) | 0x3030303030303030ull) >> 8 * (8 - digit_count);
    memcpy(out, &text, 8);
}

/* A number below 10^8 without leading zeros; writes 8 bytes, returns how many count. */
static inline uint32_t arb_write_u32_8(char *out, uint32_t value)
{
    uint64_t digits = arb_digits8(value);
    /* the last digit stays, even when it is 0 */
    uint32_t zero_count = (uint32_t)__builtin_ctzll(digits | 1ull << 56) / 8;
    uint64_t text = (digits | 0x3030303030303030ull) >> 8 * zero_count;
    memcpy(out, &text, 8);
    return 8 - zero_count;
}

/* An unsigned integer as digits; returns their number (1 to 20). Writes up to 24 bytes. */
static inline uint32_t arb_write_u64(char *out, uint64_t value)
{
    if (value < 100000000)
        return arb_write_u32_8(out, (uint32_t)value);
    uint64_t upper = value / 100000000;
    uint32_t used;
    if (upper < 100000000) {
        used = arb_write_u32_8(out, (uint32_t)upper);
    } else {
        used = arb_write_u32_8(out, (uint32_t)(upper / 100000000));
        arb_write_digits8(out + used, (uint32_t)(upper % 100000000), 8);
        used += 8;
    }
    arb_write_digits8(out + used, (uint32_t)(value % 100000000), 8);
    return used + 8;
}

/* value * 10^-decimals as decimal text, all decimals (at most ARB_ORDER_DECIMALS_MAX) written;
 * returns its bytes. Writes up to ARB_ORDER_OVERRUN_BYTES more. */
static inline uint32_t arb_write_decimal(char *out, uint64_t value, uint32_t decimals)
{
    static const uint64_t powers[ARB_ORDER_DECIMALS_MAX + 1] = {
        1ull, 10ull, 100ull, 1000ull, 10000ull, 100000ull, 1000000ull, 10000000ull, 100000000ull,
        1000000000ull, 10000000000ull, 100000000000ull, 1000000000000ull, 10000000000000ull,
        100000000000000ull, 1000000000000000ull, 10000000000000000ull, 100000000000000000ull,
        1000000000000000000ull};
    uint64_t whole = value / powers[decimals], part = value - whole * powers[decimals];
    uint32_t used = arb_write_u64(out, whole);
    if (decimals == 0)
        return used;
    out[used++] = '.';
    if (decimals > 8) { /* the first of them apart: 1 to 8, then one or two groups of 8 */
        uint32_t group_count = (decimals - 1) / 8, first_count = decimals - 8 * group_count;
        uint64_t scale = powers[8 * group_count];
        arb_write_digits8(out + used, (uint32_t)(part / scale), first_count);
        part %= scale;
        if (group_count == 2)
            arb_write_digits8(out + used + first_count, (uint32_t)(part / 100000000), 8);
        arb_write_digits8(out + used + decimals - 8, (uint32_t)(part % 100000000), 8);
    } else {
        arb_write_digits8(out + used, (uint32_t)part, decimals);
    }
    return used + decimals;
}

/* count steps of a grid as decimal text; 0: the count is not positive or the value does not fit */
static inline uint32_t arb_write_grid(char *out, int64_t count, arb_grid_t grid)
{
    int64_t value;
    if (count <= 0 || grid.mantissa <= 0 || grid.decimals > ARB_ORDER_DECIMALS_MAX ||
        __builtin_mul_overflow(count, grid.mantissa, &value))
        return 0;
    return arb_write_decimal(out, (uint64_t)value, grid.decimals);
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* Copy a piece in blocks; reads and writes up to ARB_ORDER_OVERRUN_BYTES beyond it. */
static inline void arb_order_copy(char *out, const char *piece, uint32_t bytes)
{
    for (uint32_t at = 0; at < bytes; at += ARB_ORDER_OVERRUN_BYTES) {
        char block[ARB_ORDER_OVERRUN_BYTES];
        memcpy(block, piece + at, sizeof block);
        memcpy(out + at, block, sizeof block);
        __asm__ volatile("" : : : "memory"); /* two registers, never a call of memcpy */
    }
}

/* Write one frame; out has room for ARB_ORDER_FRAME_BYTES_MAX. Returns its bytes, 0: unsendable. */
static ARB_ONE_COPY uint32_t arb_order_encode(char *out, const arb_order_template_t *template_,
                                              const arb_order_t *order, int64_t wall_ms)
{
    char id[ARB_ORDER_NUMBER_BYTES_MAX + 3]; /* it stands twice in most frames */
    const char *piece = template_->text;
    char *next = out;
    if (order->client_id == 0 || order->client_id > (uint64_t)INT64_MAX || wall_ms <= 0)
        return 0;
    const uint32_t id_bytes = arb_write_u64(id, order->client_id);
    for (uint32_t hole_index = 0; hole_index < template_->hole_count; hole_index++) {
        const uint32_t piece_bytes = template_->piece_bytes[hole_index];
        uint32_t bytes = id_bytes;
        arb_order_copy(next, piece, piece_bytes);
        piece += piece_bytes;
        next += piece_bytes;
        switch ((arb_order_hole_t)template_->hole[hole_index]) {
        case ARB_HOLE_CLIENT_ID:
            memcpy(next, id, sizeof id);
            break;
        case ARB_HOLE_WALL_MS:
            bytes = arb_write_u64(next, (uint64_t)wall_ms);
            break;
        case ARB_HOLE_EXPIRY_MS:
            bytes = arb_write_u64(next, (uint64_t)wall_ms + template_->expire_after_ms);
            break;
        case ARB_HOLE_PX:
            bytes = arb_write_grid(next, order->px_ticks, template_->px);
            break;
        case ARB_HOLE_QTY:
        case ARB_HOLE_COUNT:
            bytes = arb_write_grid(next, order->qty_lots, template_->qty);
            break;
        }
        if (ARB_UNLIKELY(bytes == 0)) /* price or quantity is none */
            return 0;
        next += bytes;
    }
    const uint32_t tail_bytes = template_->piece_bytes[template_->hole_count];
    arb_order_copy(next, piece, tail_bytes);
    return (uint32_t)(next - out) + tail_bytes;
}

/* Build a template from text whose holes are the control bytes 1 + arb_order_hole_t. 0: too long,
 * or too many holes, or no such hole. */
static inline int arb_order_template_build(arb_order_template_t *template_, const char *marked_text,
                                           size_t marked_bytes, arb_grid_t px, arb_grid_t qty,
                                           uint32_t expire_after_ms)
{
    memset(template_, 0, sizeof *template_);
    template_->px = px;
    template_->qty = qty;
    template_->expire_after_ms = expire_after_ms;
    uint32_t used = 0, piece_start = 0, hole_count = 0;
    for (size_t index = 0; index < marked_bytes; index++) {
        unsigned char byte = (unsigned char)marked_text[index];
        if (byte >= 1 && byte <= ARB_HOLE_COUNT) {
            if (hole_count == ARB_ORDER_HOLES_MAX)
                return 0;
            template_->piece_bytes[hole_count] = (uint16_t)(used - piece_start);
            piece_start = used;
            template_->hole[hole_count++] = (uint8_t)(byte - 1);
            continue;
        }
        if (byte < 0x20 || used == ARB_ORDER_TEXT_BYTES_MAX)
            return 0;
        template_->text[used++] = (char)byte;
    }
    template_->piece_bytes[hole_count] = (uint16_t)(used - piece_start);
    template_->hole_count = (uint8_t)hole_count;
    return 1;
}

#endif
