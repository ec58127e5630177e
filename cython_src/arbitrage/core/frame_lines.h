/* Recorded frames as lines: one file's bytes at hand, and the line at their head.
 *
 *   recv_ns TAB frame LF       recv_ns decimal nanoseconds, of any clock
 *
 * A line without a number and a tab is malformed and passed over. Blank lines are no frames. The
 * last line may lack its LF: `cut` says so.
 *
 * Threads: one. Memory: the bytes belong to the owner, who brings more when there is no whole line
 * left. Limits: a line is at most the owner's buffer.
 */
#ifndef ARB_FRAME_LINES_H
#define ARB_FRAME_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cacheline.h"

typedef struct arb_lines {
    const char *at;       /* first byte after the head line */
    const char *end;
    const char *frame;    /* head line's frame; NULL: no head */
    size_t frame_bytes;
    int64_t recv_ns;      /* head line's time */
    int64_t latest_ns;    /* newest time seen so far */
    uint64_t line_count;  /* lines so far, the head's number */
    uint64_t frame_count; /* of them not blank */
    uint64_t malformed_count;
    uint64_t first_malformed; /* the number of the first such line; 0: none */
    uint64_t unordered_count; /* lines older than one before them */
    bool is_older;        /* the head is one of those */
    bool cut;             /* the head has no line end */
    bool final;           /* no more bytes will come */
} arb_lines_t;

/* Decimal digits up to the tab, within 63 bits. NULL: malformed. */
static inline const char *arb_lines_time(const char *at, const char *end, int64_t *recv_ns)
{
    const char *start = at;
    uint64_t value = 0;
    for (; at < end && (unsigned)(*at - '0') <= 9; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    if (at == start || at - start > 19 || value > INT64_MAX || at == end || *at != '\t')
        return NULL;
    *recv_ns = (int64_t)value;
    return at + 1;
}

/* Bring the next well-formed line to the head. false: more bytes are needed, or the file has
 * ended. */
static inline bool arb_lines_next(arb_lines_t *lines)
{
    while (lines->at < lines->end) {
        const char *line = lines->at;
        const char *line_end = (const char *)memchr(line, '\n', (size_t)(lines->end - line));
        if (line_end == NULL && !lines->final)
            return false;
        lines->cut = line_end == NULL;
        lines->at = line_end == NULL ? lines->end : line_end + 1;
        lines->line_count++;
        if (line_end == NULL)
            line_end = lines->end;
        if (line_end > line && line_end[-1] == '\r')
            line_end--;
        if (line_end == line)
            continue;
        lines->frame_count++;
        lines->frame = arb_lines_time(line, line_end, &lines->recv_ns);
        if (ARB_LIKELY(lines->frame != NULL)) {
            lines->frame_bytes = (size_t)(line_end - lines->frame);
            lines->is_older = lines->recv_ns < lines->latest_ns;
            lines->unordered_count += lines->is_older;
            if (lines->recv_ns > lines->latest_ns)
                lines->latest_ns = lines->recv_ns;
            return true;
        }
        if (lines->malformed_count++ == 0)
            lines->first_malformed = lines->line_count;
    }
    return false;
}

#endif
