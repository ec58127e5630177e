/* OKX books of old recordings, proven by a checksum.
 *
 * Recordings from before the seqId chain are proven by their checksum instead: CRC-32 (IEEE 802.3)
 * over the best 25 levels as `bid_px:bid_qty:ask_px:ask_qty:...`, signed. It is computed from the
 * numbers, written without trailing zeros, as the venue wrote them then.
 *
 * Threads: pure functions; the book has one owner. Limits: as okx_depth.h.
 */
#ifndef ARB_OKX_CHECKSUM_H
#define ARB_OKX_CHECKSUM_H

#include "okx_depth.h"

enum { ARB_OKX_CHECKSUM_LEVELS = 25 };

/* Add bytes to a running CRC-32 (IEEE 802.3, reflected), four bits at a time. */
static inline uint32_t arb_crc32(uint32_t crc, const char *text, size_t bytes)
{
    static const uint32_t nibbles[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
        0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
        0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
    for (size_t index = 0; index < bytes; index++) {
        crc ^= (uint8_t)text[index];
        crc = crc >> 4 ^ nibbles[crc & 15];
        crc = crc >> 4 ^ nibbles[crc & 15];
    }
    return crc;
}

/* Write a number below 10^15 with as few decimals as read back the same, at most 12. */
static inline size_t arb_shortest_decimal(double value, char out[32])
{
    uint32_t decimals = 0;
    uint64_t left = (uint64_t)(value + 0.5);
    while ((double)left / arb_pow10(decimals) != value && decimals < 12 &&
           value * arb_pow10(decimals + 1) < 9e18)
        left = (uint64_t)(value * arb_pow10(++decimals) + 0.5);
    char reversed[32];
    size_t used = 0, bytes = 0;
    for (uint32_t digit = 0; left > 0 || digit <= decimals; digit++, left /= 10) {
        if (decimals > 0 && digit == decimals)
            reversed[used++] = '.';
        reversed[used++] = (char)('0' + left % 10);
    }
    while (used > 0)
        out[bytes++] = reversed[--used];
    return bytes;
}

/* The checksum that the venue would have sent with this book. */
static inline int32_t arb_okx_checksum(const arb_book_t *book)
{
    uint32_t crc = 0xFFFFFFFFu;
    bool first = true;
    char text[32];
    for (uint32_t index = 0; index < ARB_OKX_CHECKSUM_LEVELS; index++) {
        for (uint32_t side = 0; side < ARB_DEPTH_SIDES; side++) {
            uint32_t found;
            const arb_level_t *levels = arb_book_top(book, side, index + 1, &found);
            if (index >= found)
                continue;
            const double values[2] = {levels[index].px, levels[index].qty};
            for (uint32_t value_index = 0; value_index < 2; value_index++, first = false) {
                if (!first)
                    crc = arb_crc32(crc, ":", 1);
                if (!(values[value_index] < 1e15))
                    return 0;
                crc = arb_crc32(crc, text, arb_shortest_decimal(values[value_index], text));
            }
        }
    }
    return (int32_t)(crc ^ 0xFFFFFFFFu);
}

/* The same as arb_okx_book_apply for an update without sequence numbers: its checksum must be the
 * book's after it; a checksum of 0 says nothing. */
static inline arb_book_result_t arb_okx_book_apply_legacy(arb_book_t *book,
                                                          const arb_depth_t *depth)
{
    if (depth->update_id >= 0)
        return arb_okx_book_apply(book, depth);
    if (depth->kind == ARB_QUOTE_DELTA && !book->held)
        return ARB_BOOK_WAITING;
    if (depth->kind == ARB_QUOTE_DELTA && !arb_book_fits(book, depth))
        return (arb_book_result_t)ARB_FRAME_TOO_LONG;
    arb_book_result_t result = depth->kind == ARB_QUOTE_SNAPSHOT
                                   ? arb_book_take_snapshot(book, depth)
                                   : arb_book_take_update(book, depth);
    if (depth->checksum != 0 && depth->checksum != arb_okx_checksum(book))
        return arb_book_lose(book);
    return result;
}

#endif
