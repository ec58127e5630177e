/* Bounded JSON scanner: walks a text in place, key by key, without building anything.
 *
 * Source: RFC 8259. Strings are checked for control bytes and escapes, numbers and literals for
 * their grammar; UTF-8 is not. Keys are compared with their escapes resolved, so that no
 * spelling of a key escapes the search for duplicates.
 *
 * Threads: pure functions over a caller-owned cursor. Limits: never reads at or past end;
 * nesting up to ARB_JSON_DEPTH_MAX. On failure the status says why and `at` where.
 */
#ifndef ARB_JSON_SCAN_H
#define ARB_JSON_SCAN_H

#include "decimal.h"
#include "records.h"

enum { ARB_JSON_DEPTH_MAX = 64 };

typedef struct arb_json {
    const char *at;  /* next byte */
    const char *end; /* first byte that is not ours */
    arb_frame_status_t status; /* ARB_FRAME_QUOTE until something failed */
} arb_json_t;

/* Bytes inside the text: a string's are those between its quotes. NULL start: absent. */
typedef struct arb_span {
    const char *start;
    size_t bytes;
} arb_span_t;

static inline bool arb_json_fail(arb_json_t *json, arb_frame_status_t status)
{
    json->status = status;
    return false;
}

/* The byte at the cursor is not what it must be: truncated when there is none. */
static inline bool arb_json_unexpected(arb_json_t *json)
{
    return arb_json_fail(json, json->at >= json->end ? ARB_FRAME_TRUNCATED : ARB_FRAME_BAD_JSON);
}

static inline void arb_json_space(arb_json_t *json)
{
    while (json->at < json->end &&
           (*json->at == ' ' || *json->at == '\n' || *json->at == '\r' || *json->at == '\t'))
        json->at++;
}

/* The first byte after space; 0 at the end of the text (a real 0 byte fails as any unknown byte
 * does). */
static inline char arb_json_peek(arb_json_t *json)
{
    arb_json_space(json);
    return json->at < json->end ? *json->at : '\0';
}

static inline bool arb_json_expect(arb_json_t *json, char wanted)
{
    arb_json_space(json);
    if (json->at >= json->end || *json->at != wanted)
        return arb_json_unexpected(json);
    json->at++;
    return true;
}

/* Value of four hex digits; -1 when they are not. */
static inline int32_t arb_json_hex4(const char *digits)
{
    int32_t value = 0;
    for (int digit_index = 0; digit_index < 4; digit_index++) {
        char c = digits[digit_index];
        char lower = (char)(c | 0x20);
        if (arb_is_digit(c))
            value = value * 16 + (c - '0');
        else if (lower >= 'a' && lower <= 'f')
            value = value * 16 + (lower - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* Take the string at the cursor. */
static inline bool arb_json_string(arb_json_t *json, arb_span_t *out)
{
    if (!arb_json_expect(json, '"'))
        return false;
    out->start = json->at;
    for (;; json->at++) {
        if (json->at >= json->end)
            return arb_json_unexpected(json);
        unsigned char c = (unsigned char)*json->at;
        if (c == '"')
            break;
        if (c < 0x20)
            return arb_json_fail(json, ARB_FRAME_BAD_JSON);
        if (c != '\\')
            continue;
        json->at++;
        if (json->at >= json->end)
            return arb_json_unexpected(json);
        if (*json->at == 'u') {
            if (json->end - json->at < 5)
                return arb_json_fail(json, ARB_FRAME_TRUNCATED);
            if (arb_json_hex4(json->at + 1) < 0)
                return arb_json_fail(json, ARB_FRAME_BAD_JSON);
            json->at += 4;
        } else if (memchr("\"\\/bfnrt", *json->at, 8) == NULL) {
            return arb_json_fail(json, ARB_FRAME_BAD_JSON);
        }
    }
    out->bytes = (size_t)(json->at - out->start);
    json->at++;
    return true;
}

/* Is the string equal to an ASCII word of up to 32 bytes, escapes resolved? The span must come from
 * arb_json_string, which has checked its escapes. */
static inline bool arb_span_equals(arb_span_t span, const char *word, size_t word_bytes)
{
    if (span.bytes == word_bytes)
        return memcmp(span.start, word, word_bytes) == 0 &&
               memchr(span.start, '\\', span.bytes) == NULL;
    if (span.bytes < word_bytes)
        return false;
    const char *at = span.start, *end = span.start + span.bytes;
    for (size_t word_index = 0; word_index < word_bytes; word_index++) {
        if (at >= end)
            return false;
        int32_t c = (unsigned char)*at++;
        if (c == '\\') {
            char escape = *at++;
            static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
            if (escape == 'u') {
                c = arb_json_hex4(at);
                at += 4;
            } else {
                c = meanings[(const char *)memchr(names, escape, 8) - names];
            }
        }
        if (c != (unsigned char)word[word_index])
            return false;
    }
    return at == end;
}

#define ARB_SPAN_IS(span, literal) arb_span_equals((span), (literal), sizeof(literal) - 1)

/* Take true, false, null or a number at the cursor. */
static inline bool arb_json_scalar(arb_json_t *json)
{
    static const char *const words[] = {"true", "false", "null"};
    for (int word_index = 0; word_index < 3; word_index++) {
        const char *word = words[word_index];
        if (*json->at != *word)
            continue;
        for (; *word != '\0'; word++, json->at++)
            if (json->at >= json->end || *json->at != *word)
                return arb_json_unexpected(json);
        return true;
    }
    arb_decimal_parts_t parts;
    const char *after = arb_decimal_split(json->at, json->end, &parts);
    if (after == NULL) {
        /* a number that the end cut off is truncated, anything else is not a value */
        const char *at = json->at;
        while (at < json->end && (arb_is_digit(*at) || memchr("+-.eE", *at, 5) != NULL))
            at++;
        return arb_json_fail(json, at == json->end ? ARB_FRAME_TRUNCATED : ARB_FRAME_BAD_JSON);
    }
    json->at = after;
    return true;
}

/* Skip the value at the cursor, whatever it is. Open containers are one bit each: 1 is an
 * object. */
static inline bool arb_json_skip(arb_json_t *json)
{
    uint64_t objects = 0;
    uint32_t depth = 0;
    arb_span_t ignored;
    for (;;) {
        char c = arb_json_peek(json);
        bool opened = c == '{' || c == '[';
        if (opened) {
            if (depth == ARB_JSON_DEPTH_MAX)
                return arb_json_fail(json, ARB_FRAME_BAD_JSON);
            objects = objects << 1 | (c == '{');
            depth++;
            json->at++;
        } else if (c == '"') {
            if (!arb_json_string(json, &ignored))
                return false;
        } else if (json->at >= json->end) {
            return arb_json_unexpected(json);
        } else if (!arb_json_scalar(json)) {
            return false;
        }
        /* close what ends here, then stand before the next value */
        while (depth > 0) {
            c = arb_json_peek(json);
            if (c == ((objects & 1) ? '}' : ']')) {
                json->at++;
                objects >>= 1;
                depth--;
                opened = false;
                continue;
            }
            if (!opened && !arb_json_expect(json, ','))
                return false;
            if ((objects & 1) && (!arb_json_string(json, &ignored) || !arb_json_expect(json, ':')))
                return false;
            break;
        }
        if (depth == 0)
            return true;
    }
}

/* Skip the value at the cursor and remember where it lies. */
static inline bool arb_json_take(arb_json_t *json, arb_span_t *out)
{
    arb_json_space(json);
    const char *start = json->at;
    if (!arb_json_skip(json))
        return false;
    out->start = start;
    out->bytes = (size_t)(json->at - start);
    return true;
}

/* The same for a value that a frame needs once. */
static inline bool arb_json_take_once(arb_json_t *json, arb_span_t *out)
{
    if (out->start != NULL)
        return arb_json_fail(json, ARB_FRAME_DUPLICATE_FIELD);
    return arb_json_take(json, out);
}

/* Walk an object: call after '{' with *first true. True: key is taken, the cursor stands before its
 * value. False: the object ended (status still good) or failed. */
static inline bool arb_json_next_key(arb_json_t *json, bool *first, arb_span_t *key)
{
    if (arb_json_peek(json) == '}') {
        json->at++;
        return false;
    }
    if (!*first && !arb_json_expect(json, ','))
        return false;
    *first = false;
    return arb_json_string(json, key) && arb_json_expect(json, ':');
}

/* Walk an array: call after '[' with *first true. True: the cursor stands before an element. */
static inline bool arb_json_next_element(arb_json_t *json, bool *first)
{
    if (arb_json_peek(json) == ']') {
        json->at++;
        return false;
    }
    if (!*first && !arb_json_expect(json, ','))
        return false;
    *first = false;
    return true;
}

/* Nothing but space may follow. */
static inline bool arb_json_end(arb_json_t *json)
{
    arb_json_space(json);
    return json->at == json->end || arb_json_fail(json, ARB_FRAME_BAD_JSON);
}

#endif
