/* Symbol map: (venue, venue symbol) -> row, and back to the names. Position-independent, fixed
 * size.
 *
 *   [ header 128 ][ slots: 32 bytes each ][ venue names by row: 32 ][ canonical names: 32 ]
 *
 *   slot     | name: 28 bytes, zero padded           | row:16 | venue:8 | name bytes:8 |
 *
 * Open addressing with linear probes, at most half full; a lookup never probes further than the
 * longest insertion had to. A name is loaded as four words, compared as four words. row = venue
 * * capacity + symbol index, capacity = canonical symbols the map has room for.
 *
 * Threads: insertions before any other thread or process looks; lookups from anywhere,
 * wait-free.
 * Limits: names of 1 to ARB_NAME_BYTES_MAX bytes without zero bytes; ARB_VENUES_MAX venues.
 */
#ifndef ARB_SYMBOL_MAP_H
#define ARB_SYMBOL_MAP_H

#include <stdbool.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "cacheline.h"
#include "records.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "names are compared as little-endian words");

typedef struct arb_symbol_name {
    char text[ARB_NAME_BYTES_MAX + 3]; /* zero padded */
    uint8_t bytes;                     /* 0: no name here */
} arb_symbol_name_t;

typedef struct arb_symbol_slot {
    uint64_t words[4]; /* words[3]: last four name bytes | row << 32 | venue << 48 | bytes << 56 */
} arb_symbol_slot_t;

_Static_assert(sizeof(arb_symbol_name_t) == 32 && sizeof(arb_symbol_slot_t) == 32, "half a line");

typedef struct arb_symbol_map {
    uint32_t capacity;     /* canonical symbols */
    uint32_t symbol_count; /* of them in use */
    uint32_t slot_count;   /* power of two */
    uint32_t entry_count;  /* slots in use */
    uint32_t probes_max;   /* probes that find every name held */
} ARB_SEPARATED arb_symbol_map_t;

typedef enum arb_symbol_status {
    ARB_SYMBOL_OK = 0,
    ARB_SYMBOL_FULL = 1,      /* no room for another symbol */
    ARB_SYMBOL_DUPLICATE = 2, /* the name, or the row, is taken */
    ARB_SYMBOL_BAD_NAME = 3,  /* empty, too long, or with a zero byte */
    ARB_SYMBOL_BAD_ROW = 4    /* venue or row outside the map */
} arb_symbol_status_t;

static inline uint32_t arb_symbol_slot_count(uint32_t capacity)
{
    return arb_round_up_pow2((uint64_t)capacity * ARB_VENUES_MAX * 2);
}

static inline size_t arb_symbol_map_bytes(uint32_t capacity)
{
    size_t names = (size_t)capacity * (ARB_VENUES_MAX + 1);
    return (size_t)arb_round_up(sizeof(arb_symbol_map_t) +
                                    arb_symbol_slot_count(capacity) * sizeof(arb_symbol_slot_t) +
                                    names * sizeof(arb_symbol_name_t),
                                ARB_SEPARATION_BYTES);
}

static inline arb_symbol_slot_t *arb_symbol_slots(const arb_symbol_map_t *map)
{
    return (arb_symbol_slot_t *)((char *)map + sizeof(arb_symbol_map_t));
}

/* The venue's own name of a row; bytes 0: that venue does not list the symbol. */
static inline arb_symbol_name_t *arb_symbol_venue_name(const arb_symbol_map_t *map, uint32_t row)
{
    return (arb_symbol_name_t *)(arb_symbol_slots(map) + map->slot_count) + row;
}

static inline arb_symbol_name_t *arb_symbol_canonical(const arb_symbol_map_t *map,
                                                      uint32_t symbol_index)
{
    return arb_symbol_venue_name(map, map->capacity * ARB_VENUES_MAX) + symbol_index;
}

/* Lay out an empty map in 128-byte aligned memory of arb_symbol_map_bytes. 1 <= capacity <=
 * ARB_SYMBOLS_MAX. */
static inline void arb_symbol_map_init(arb_symbol_map_t *map, uint32_t capacity)
{
    memset(map, 0, arb_symbol_map_bytes(capacity));
    map->capacity = capacity;
    map->slot_count = arb_symbol_slot_count(capacity);
}

/* Load a name as slot words, row left 0, without reading outside name[0..bytes). bytes: 1..28. */
static inline void arb_symbol_load(uint64_t words[4], uint32_t venue, const char *name,
                                   size_t bytes)
{
    uint64_t low = 0, high = 0, tail = (uint64_t)venue << 48 | (uint64_t)bytes << 56;
    words[2] = 0;
    if (bytes >= 16) {
        memcpy(&low, name, 8);
        memcpy(&high, name + 8, 8);
        if (bytes > 16) {
            uint64_t part[2]; /* the last 16 bytes; those that low and high hold are shifted out */
            memcpy(part, name + bytes - 16, 16);
            uint32_t known = (uint32_t)(32 - bytes); /* of them, 4 <= known < 16 */
            if (known >= 8) {
                words[2] = part[1] >> (8 * (known - 8));
            } else {
                words[2] = part[0] >> (8 * known) | part[1] << (64 - 8 * known);
                tail |= part[1] >> (8 * known);
            }
        }
    } else if (bytes >= 8) {
        memcpy(&low, name, 8);
        if (bytes > 8) {
            memcpy(&high, name + bytes - 8, 8);
            high >>= 8 * (16 - bytes);
        }
    } else if (bytes >= 4) {
        uint32_t first, last;
        memcpy(&first, name, 4);
        memcpy(&last, name + bytes - 4, 4);
        low = first | (uint64_t)last << (8 * (bytes - 4));
    } else {
        for (size_t byte_index = 0; byte_index < bytes; byte_index++)
            low |= (uint64_t)(unsigned char)name[byte_index] << (8 * byte_index);
    }
    words[0] = low;
    words[1] = high;
    words[3] = tail;
}

#define ARB_SYMBOL_ROW_BITS (0xFFFFull << 32)

static inline uint32_t arb_symbol_hash(const uint64_t words[4])
{
    uint64_t mixed = words[0] ^ (words[1] * 0x9E3779B97F4A7C15ull) ^
                     (words[2] * 0xC2B2AE3D27D4EB4Full) ^ (words[3] * 0x165667B19E3779F9ull);
    mixed *= 0xD6E8FEB86659FD93ull;
    return (uint32_t)(mixed >> 32);
}

/* The row of a venue symbol, ARB_ROW_NONE when it is not held. name[0..bytes) is all that is
 * read. */
static inline uint32_t arb_symbol_map_find(const arb_symbol_map_t *map, uint32_t venue,
                                           const char *name, size_t bytes)
{
    if (ARB_UNLIKELY(bytes - 1 >= ARB_NAME_BYTES_MAX || venue >= ARB_VENUES_MAX))
        return ARB_ROW_NONE;
    uint64_t key[4];
    arb_symbol_load(key, venue, name, bytes);
    const arb_symbol_slot_t *slots = arb_symbol_slots(map);
    uint32_t mask = map->slot_count - 1, at = arb_symbol_hash(key);
    for (uint32_t probes = map->probes_max; probes > 0; probes--, at++) {
        const uint64_t *words = slots[at & mask].words;
        uint64_t other = (words[0] ^ key[0]) | (words[1] ^ key[1]) | (words[2] ^ key[2]) |
                         ((words[3] ^ key[3]) & ~ARB_SYMBOL_ROW_BITS);
        if (ARB_LIKELY(other == 0))
            return (uint32_t)(words[3] >> 32) & 0xFFFFu;
        if (words[3] == 0)
            break;
    }
    return ARB_ROW_NONE;
}

/* Bytes up to the next quotation mark, 32 when there is none; 32 bytes must be readable. */
static inline uint32_t arb_quoted_bytes(const char *text)
{
#if defined(__SSE2__)
    const __m128i mark = _mm_set1_epi8('"');
    const __m128i low = _mm_loadu_si128((const __m128i *)text);
    const __m128i high = _mm_loadu_si128((const __m128i *)(text + 16));
    uint64_t found = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(low, mark)) |
                     (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(high, mark)) << 16;
    return (uint32_t)__builtin_ctzll(found | (uint64_t)1 << 32);
#else
    const char *mark = (const char *)memchr(text, '"', 32);
    return mark == NULL ? 32 : (uint32_t)(mark - text);
#endif
}

static inline bool arb_symbol_name_valid(const char *name, size_t bytes)
{
    return bytes >= 1 && bytes <= ARB_NAME_BYTES_MAX && memchr(name, 0, bytes) == NULL;
}

static inline void arb_symbol_name_put(arb_symbol_name_t *slot, const char *name, size_t bytes)
{
    memset(slot, 0, sizeof *slot);
    memcpy(slot->text, name, bytes);
    slot->bytes = (uint8_t)bytes;
}

/* Append a canonical name; *symbol_index is its index. */
static inline arb_symbol_status_t arb_symbol_map_add(arb_symbol_map_t *map, const char *name,
                                                     size_t bytes, uint32_t *symbol_index)
{
    if (!arb_symbol_name_valid(name, bytes))
        return ARB_SYMBOL_BAD_NAME;
    if (map->symbol_count == map->capacity)
        return ARB_SYMBOL_FULL;
    for (uint32_t held = 0; held < map->symbol_count; held++) {
        const arb_symbol_name_t *other = arb_symbol_canonical(map, held);
        if (other->bytes == bytes && memcmp(other->text, name, bytes) == 0)
            return ARB_SYMBOL_DUPLICATE;
    }
    *symbol_index = map->symbol_count++;
    arb_symbol_name_put(arb_symbol_canonical(map, *symbol_index), name, bytes);
    return ARB_SYMBOL_OK;
}

/* Give a row its venue symbol. Nothing changes unless ARB_SYMBOL_OK is returned. */
static inline arb_symbol_status_t arb_symbol_map_insert(arb_symbol_map_t *map, uint32_t venue,
                                                        const char *name, size_t bytes,
                                                        uint32_t row)
{
    if (!arb_symbol_name_valid(name, bytes))
        return ARB_SYMBOL_BAD_NAME;
    if (venue >= ARB_VENUES_MAX || row / map->capacity != venue || row >= ARB_ROW_NONE)
        return ARB_SYMBOL_BAD_ROW;
    if (arb_symbol_venue_name(map, row)->bytes != 0 ||
        arb_symbol_map_find(map, venue, name, bytes) != ARB_ROW_NONE)
        return ARB_SYMBOL_DUPLICATE;
    arb_symbol_slot_t key;
    arb_symbol_load(key.words, venue, name, bytes);
    uint32_t mask = map->slot_count - 1, at = arb_symbol_hash(key.words), probes = 1;
    /* ends: at most half the slots are in use */
    while (arb_symbol_slots(map)[at & mask].words[3] != 0)
        at++, probes++;
    key.words[3] |= (uint64_t)row << 32;
    arb_symbol_slots(map)[at & mask] = key;
    arb_symbol_name_put(arb_symbol_venue_name(map, row), name, bytes);
    if (probes > map->probes_max)
        map->probes_max = probes;
    map->entry_count++;
    return ARB_SYMBOL_OK;
}

#endif
