/* Order intents to the bytes of a venue's order frame.
 *
 * A frame is fixed text with holes for the numbers that differ from order to order. A template
 * holds the text of one (venue, symbol, side, reduce-only) cut at its holes; encoding copies the
 * pieces and writes the numbers between them. A template is immutable once it is built: the
 * WebSocket layer masks its send buffer in place, so each frame is a fresh copy.
 *
 * Prices and quantities come as integer counts of the venue's grid (ticks, lots). One step of a
 * grid is mantissa * 10^-decimals, so the decimal text is exact: no floating point on the way out.
 *
 * Threads: pure functions; a template may be read by any number of threads.
 * Limits: text up to 448 bytes, 7 holes, 18 decimals; a count whose value does not fit 63 bits, or
 * is not positive, encodes to 0 bytes: nothing is sent.
 */
#ifndef ARB_ORDER_FRAMES_H
#define ARB_ORDER_FRAMES_H

#include <stdint.h>
#include <string.h>

#include "records.h"

enum {
    ARB_ORDER_TEXT_BYTES_MAX = 448,  /* fixed text of a template */
    ARB_ORDER_HOLES_MAX = 7,
    ARB_ORDER_DECIMALS_MAX = 18,
    ARB_ORDER_NUMBER_BYTES_MAX = 21, /* 19 digits, a point, a leading zero */
    ARB_ORDER_FRAME_BYTES_MAX =
        ARB_ORDER_TEXT_BYTES_MAX + ARB_ORDER_HOLES_MAX * ARB_ORDER_NUMBER_BYTES_MAX
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
    uint16_t piece_end[ARB_ORDER_HOLES_MAX + 1]; /* where each piece ends in text */
    uint8_t hole[ARB_ORDER_HOLES_MAX];           /* arb_order_hole_t */
    uint8_t hole_count;
    char text[ARB_ORDER_TEXT_BYTES_MAX];
} arb_order_template_t;

/* Templates of one symbol, in the order of arb_order_template_index. */
enum { ARB_ORDER_TEMPLATES_PER_SYMBOL = 5 };

static inline uint32_t arb_order_template_index(uint8_t action, uint8_t side, uint8_t flags)
{
    if (action == ARB_ORDER_CANCEL)
        return 4;
    return (uint32_t)(side & 1u) | ((flags & ARB_ORDER_REDUCE_ONLY) ? 2u : 0u);
}

/* An unsigned integer as digits; returns their number (1 to 20). */
static inline uint32_t arb_write_u64(char *out, uint64_t value)
{
    char digits[20];
    uint32_t first = 20;
    do {
        uint64_t rest = value / 10;
        digits[--first] = (char)('0' + (value - rest * 10));
        value = rest;
    } while (value != 0);
    memcpy(out, digits + first, 20 - first);
    return 20 - first;
}

/* value * 10^-decimals as decimal text, all decimals written; returns its bytes. */
static inline uint32_t arb_write_decimal(char *out, uint64_t value, uint32_t decimals)
{
    char digits[ARB_ORDER_DECIMALS_MAX + 20];
    uint32_t digit_count = arb_write_u64(digits, value);
    if (decimals == 0) {
        memcpy(out, digits, digit_count);
        return digit_count;
    }
    if (digit_count <= decimals) { /* below one: 0.000ddd */
        uint32_t zero_count = decimals - digit_count;
        out[0] = '0';
        out[1] = '.';
        memset(out + 2, '0', zero_count);
        memcpy(out + 2 + zero_count, digits, digit_count);
        return 2 + decimals;
    }
    uint32_t whole_count = digit_count - decimals;
    memcpy(out, digits, whole_count);
    out[whole_count] = '.';
    memcpy(out + whole_count + 1, digits + whole_count, decimals);
    return digit_count + 1;
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

/* Write one frame; out has room for ARB_ORDER_FRAME_BYTES_MAX. Returns its bytes, 0: unsendable. */
static inline uint32_t arb_order_encode(char *out, const arb_order_template_t *template_,
                                        const arb_order_t *order, int64_t wall_ms)
{
    char number[ARB_HOLE_COUNT][ARB_ORDER_NUMBER_BYTES_MAX + 3];
    uint32_t number_bytes[ARB_HOLE_COUNT] = {0};

    if (order->client_id == 0 || order->client_id > (uint64_t)INT64_MAX || wall_ms <= 0)
        return 0;
    number_bytes[ARB_HOLE_CLIENT_ID] =
        arb_write_u64(number[ARB_HOLE_CLIENT_ID], order->client_id);
    number_bytes[ARB_HOLE_WALL_MS] = arb_write_u64(number[ARB_HOLE_WALL_MS], (uint64_t)wall_ms);
    number_bytes[ARB_HOLE_EXPIRY_MS] =
        arb_write_u64(number[ARB_HOLE_EXPIRY_MS], (uint64_t)wall_ms + template_->expire_after_ms);
    number_bytes[ARB_HOLE_PX] = arb_write_grid(number[ARB_HOLE_PX], order->px_ticks, template_->px);
    number_bytes[ARB_HOLE_QTY] =
        arb_write_grid(number[ARB_HOLE_QTY], order->qty_lots, template_->qty);

    uint32_t used = 0;
    uint32_t piece_start = 0;
    for (uint32_t hole_index = 0; hole_index < template_->hole_count; hole_index++) {
        uint32_t piece_bytes = template_->piece_end[hole_index] - piece_start;
        memcpy(out + used, template_->text + piece_start, piece_bytes);
        used += piece_bytes;
        piece_start += piece_bytes;
        uint32_t kind = template_->hole[hole_index];
        if (number_bytes[kind] == 0) /* a hole without a number: price or quantity was unusable */
            return 0;
        memcpy(out + used, number[kind], number_bytes[kind]);
        used += number_bytes[kind];
    }
    uint32_t tail_bytes = template_->piece_end[template_->hole_count] - piece_start;
    memcpy(out + used, template_->text + piece_start, tail_bytes);
    return used + tail_bytes;
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
    uint32_t used = 0;
    uint32_t hole_count = 0;
    for (size_t index = 0; index < marked_bytes; index++) {
        unsigned char byte = (unsigned char)marked_text[index];
        if (byte >= 1 && byte <= ARB_HOLE_COUNT) {
            if (hole_count == ARB_ORDER_HOLES_MAX)
                return 0;
            template_->piece_end[hole_count] = (uint16_t)used;
            template_->hole[hole_count++] = (uint8_t)(byte - 1);
            continue;
        }
        if (byte < 0x20 || used == ARB_ORDER_TEXT_BYTES_MAX)
            return 0;
        template_->text[used++] = (char)byte;
    }
    template_->piece_end[hole_count] = (uint16_t)used;
    template_->hole_count = (uint8_t)hole_count;
    return 1;
}

#endif
