/* Frame tap: raw frames as they came off the wire, for the recorder. A broadcast of bytes.
 *
 *   line 0-1  capacity                               read-only after init
 *   line 2-3  enabled, claim                         cold
 *   line 4-5  intent, tail, newest, counters         written by the writer alone
 *   line 6..  bytes: [ header 32 | frame, padded to 8 ][ header | frame ] ...  by words, wrapping
 *
 * One writer (a feed thread), any number of readers on read-only memory, each with its own cursor.
 * The writer announces how far it will overwrite (intent), writes, then moves the tail; a reader
 * copies and then checks that the intent has not reached what it copied (after Aeron's broadcast
 * buffer). All bytes move as relaxed words. Every header carries the number of frames and bytes
 * before it, so a lapped reader, which continues at the newest frame, knows exactly how many of
 * each it lost.
 * What is written aside (connection ARB_TAP_ASIDE) is no frame: it lies between them in its order,
 * and is counted nowhere.
 * Off by default: while `enabled` is 0 a write is one load.
 * Limits: capacity a power of two, 4 KiB .. 1 GiB; a frame takes at most half of it; one writer.
 */
#ifndef ARB_FRAME_TAP_H
#define ARB_FRAME_TAP_H

#include "claim.h"
#include "cacheline.h"

enum {
    ARB_TAP_BYTES_MIN = 1 << 12,
    ARB_TAP_BYTES_MAX = 1 << 30,
    ARB_TAP_TRIES_MAX = 16,
    ARB_TAP_ASIDE = 0xFFFF
};

typedef struct arb_tap_header {
    int64_t recv_mono_ns;  /*  0 when the frame reached the callback */
    uint64_t frame_index;  /*  8 frames written before this one */
    uint64_t bytes_before; /* 16 payload bytes written before this frame */
    uint32_t bytes;        /* 24 of this frame */
    uint16_t venue;        /* 28 arb_venue_t */
    uint16_t connection;   /* 30 numbered by the feed thread; ARB_TAP_ASIDE */
} arb_tap_header_t;

typedef struct arb_frame_tap {
    uint64_t capacity; /* bytes, power of two */
    ARB_SEPARATED uint64_t enabled; /* 1: frames are written; set by the owner of the segment */
    arb_claim_t producer_claim;
    ARB_SEPARATED uint64_t intent;  /* position behind what the writer may be overwriting */
    uint64_t tail;    /* position behind the newest whole frame */
    uint64_t newest;  /* position of the newest whole frame */
    uint64_t frames;  /* frames written */
    uint64_t bytes;   /* their payload bytes */
    uint64_t refused; /* frames too long for the tap */
} ARB_SEPARATED arb_frame_tap_t;

typedef struct arb_tap_reader {
    uint64_t cursor;      /* position of the next header */
    uint64_t frame_index; /* of the next frame expected */
    uint64_t bytes_before;/* of the next frame expected */
    uint64_t lost_frames; /* frames overwritten before they were read, or too long for the reader */
    uint64_t lost_bytes; /* their payload bytes */
} arb_tap_reader_t;

typedef enum arb_tap_status {
    ARB_TAP_EMPTY = 0, /* no frame waits */
    ARB_TAP_FRAME = 1, /* header and payload are filled */
    ARB_TAP_TOO_LONG = 2 /* the frame did not fit payload_max: skipped and counted as lost */
} arb_tap_status_t;

_Static_assert(sizeof(arb_tap_header_t) == 32, "four words");
_Static_assert(sizeof(arb_frame_tap_t) == 3 * ARB_SEPARATION_BYTES,
               "bytes start on their own line");

static inline uint64_t arb_tap_capacity(uint64_t asked)
{
    if (asked == 0 || asked > ARB_TAP_BYTES_MAX)
        return 0;
    return arb_round_up_pow2(asked < ARB_TAP_BYTES_MIN ? ARB_TAP_BYTES_MIN : asked);
}

/* Bytes of a tap of the rounded-up capacity; 0 when the capacity is refused. */
static inline uint64_t arb_frame_tap_bytes(uint64_t capacity)
{
    uint64_t real = arb_tap_capacity(capacity);
    return real == 0 ? 0 : sizeof(arb_frame_tap_t) + real;
}

/* Lay out an empty, disabled tap in zeroed, 128-byte aligned memory. Before the threads. */
static inline void arb_frame_tap_init(arb_frame_tap_t *tap, uint64_t capacity)
{
    memset(tap, 0, sizeof *tap);
    tap->capacity = arb_tap_capacity(capacity);
}

static inline uint64_t *arb_tap_word(const arb_frame_tap_t *tap, uint64_t position)
{
    return (uint64_t *)((char *)tap + sizeof(arb_frame_tap_t) + (position & (tap->capacity - 1)));
}

/* Bytes a frame takes in the tap. */
static inline uint64_t arb_tap_record_bytes(uint64_t bytes)
{
    return sizeof(arb_tap_header_t) + arb_round_up(bytes, 8);
}

/* Copy bytes into the ring at position, whole words; the last word of a frame is filled with
 * zeros. */
static inline void arb_tap_copy_in(arb_frame_tap_t *tap, uint64_t position, const void *local,
                                   uint64_t bytes)
{
    uint64_t done = 0, word = 0;
    for (; done + 8 <= bytes; done += 8) {
        memcpy(&word, (const char *)local + done, 8);
        /* relaxed: ordered by intent and tail; pairs with frame_tap.h:arb_tap_copy_out */
        arb_store_relaxed(arb_tap_word(tap, position + done), word);
    }
    if (done < bytes) {
        word = 0;
        memcpy(&word, (const char *)local + done, bytes - done);
        /* relaxed: as above */
        arb_store_relaxed(arb_tap_word(tap, position + done), word);
    }
}

static inline void arb_tap_copy_out(void *local, const arb_frame_tap_t *tap, uint64_t position,
                                    uint64_t bytes)
{
    uint64_t done = 0, word;
    for (; done + 8 <= bytes; done += 8) {
        /* relaxed: what was overwritten is found by the check of intent; pairs with
         * arb_tap_copy_in */
        word = arb_load_relaxed(arb_tap_word(tap, position + done));
        memcpy((char *)local + done, &word, 8);
    }
    if (done < bytes) {
        /* relaxed: as above */
        word = arb_load_relaxed(arb_tap_word(tap, position + done));
        memcpy((char *)local + done, &word, bytes - done);
    }
}

/* ---- writer --------------------------------------------------------------------------------- */

/* Frames that a header stands for: one, or none where it was written aside. */
static inline uint64_t arb_tap_counts(const arb_tap_header_t *header)
{
    return header->connection != ARB_TAP_ASIDE;
}

static inline bool arb_tap_enabled(const arb_frame_tap_t *tap)
{
    /* relaxed: a switch, a few frames late is fine; pairs with frame_tap.h:arb_tap_enable */
    return ARB_UNLIKELY(arb_load_relaxed(&tap->enabled) != 0);
}

/* Switch the tap on or off. Any thread of the process that owns the segment. */
static inline void arb_tap_enable(arb_frame_tap_t *tap, bool enabled)
{
    /* relaxed: a switch; pairs with frame_tap.h:arb_tap_enabled */
    arb_store_relaxed(&tap->enabled, (uint64_t)enabled);
}

/* Write one frame. false: the tap is off, or the frame is longer than half of it (counted). */
static inline bool arb_tap_write(arb_frame_tap_t *tap, int64_t recv_mono_ns, uint16_t venue,
                                 uint16_t connection, const void *frame, uint32_t bytes)
{
    if (!arb_tap_enabled(tap))
        return false;
    if (arb_tap_record_bytes(bytes) > tap->capacity / 2) {
        arb_count(&tap->refused, 1);
        return false;
    }
    /* relaxed: our own words, no other thread writes them (four loads) */
    uint64_t position = arb_load_relaxed(&tap->tail), intent = arb_load_relaxed(&tap->intent);
    uint64_t frames = arb_load_relaxed(&tap->frames), bytes_before = arb_load_relaxed(&tap->bytes);
    uint64_t end = position + arb_tap_record_bytes(bytes);
    arb_tap_header_t header = {recv_mono_ns, frames, bytes_before, bytes, venue, connection};
    /* never back: a killed writer may have overwritten up to its own intent */
    if (end > intent) {
        /* relaxed: ordered before the bytes by the fence; pairs with frame_tap.h:arb_tap_intact */
        arb_store_relaxed(&tap->intent, end);
    }
    /* release fence: no new byte is visible before the intent; pairs with the acquire fence in
     * frame_tap.h:arb_tap_intact */
    arb_fence_release();
    arb_tap_copy_in(tap, position, &header, sizeof header);
    arb_tap_copy_in(tap, position + sizeof header, frame, bytes);
    /* release: the frame's header is visible before it is named newest; pairs with
     * frame_tap.h:arb_tap_reader_init and arb_tap_forward */
    arb_store_release(&tap->newest, position);
    /* relaxed: counters for meters and for our own next frame (two stores) */
    arb_store_relaxed(&tap->frames, frames + arb_tap_counts(&header));
    arb_store_relaxed(&tap->bytes, bytes_before + arb_tap_counts(&header) * bytes);
    /* release: the whole frame is visible before the tail; pairs with frame_tap.h:arb_tap_read */
    arb_store_release(&tap->tail, end);
    return true;
}

/* ---- readers: any thread or process, read-only memory will do ----------------------------- */

/* Has the writer kept away from everything at and behind the cursor so far? */
static inline bool arb_tap_intact(const arb_frame_tap_t *tap, uint64_t cursor)
{
    /* acquire fence: the byte loads stay before the look at intent; pairs with the release fence in
     * frame_tap.h:arb_tap_write */
    arb_fence_acquire();
    /* relaxed: ordered by the fence; pairs with frame_tap.h:arb_tap_write */
    return arb_load_relaxed(&tap->intent) - cursor <= tap->capacity;
}

/* Start a reader behind the newest frame: it sees what is written from now on. */
static inline void arb_tap_reader_init(const arb_frame_tap_t *tap, arb_tap_reader_t *reader)
{
    memset(reader, 0, sizeof *reader);
    /* acquire: a tail that has moved makes a newest frame visible; pairs with
     * frame_tap.h:arb_tap_write */
    if (arb_load_acquire(&tap->tail) == 0)
        return; /* nothing was ever written: begin at the beginning */
    for (;;) {
        arb_tap_header_t header;
        /* acquire: its header is visible; pairs with frame_tap.h:arb_tap_write */
        uint64_t newest = arb_load_acquire(&tap->newest);
        arb_tap_copy_out(&header, tap, newest, sizeof header);
        if (!arb_tap_intact(tap, newest))
            continue; /* overwritten meanwhile: there is a newer one */
        reader->frame_index = header.frame_index + arb_tap_counts(&header);
        reader->bytes_before = header.bytes_before + arb_tap_counts(&header) * header.bytes;
        reader->cursor = newest + arb_tap_record_bytes(header.bytes);
        return;
    }
}

/* Start a reader at the first frame of all, where none was overwritten yet; else as above. */
static inline void arb_tap_reader_init_first(const arb_frame_tap_t *tap, arb_tap_reader_t *reader)
{
    memset(reader, 0, sizeof *reader);
    if (!arb_tap_intact(tap, 0))
        arb_tap_reader_init(tap, reader);
}

/* Continue at the newest frame; its header says what was lost. It may lie behind the tail for a
 * moment. */
static inline void arb_tap_forward(const arb_frame_tap_t *tap, arb_tap_reader_t *reader)
{
    /* acquire: its header is visible; pairs with frame_tap.h:arb_tap_write */
    reader->cursor = arb_load_acquire(&tap->newest);
}

/* Account for the frame at the cursor and step behind it. */
static inline void arb_tap_step(arb_tap_reader_t *reader, const arb_tap_header_t *header,
                                bool delivered)
{
    reader->lost_frames += header->frame_index - reader->frame_index;
    reader->lost_bytes += header->bytes_before - reader->bytes_before;
    reader->frame_index = header->frame_index + arb_tap_counts(header);
    reader->bytes_before = header->bytes_before + arb_tap_counts(header) * header->bytes;
    reader->cursor += arb_tap_record_bytes(header->bytes);
    if (!delivered) {
        reader->lost_frames += arb_tap_counts(header);
        reader->lost_bytes += arb_tap_counts(header) * header->bytes;
    }
}

/* Read the next frame into header and payload (undefined unless ARB_TAP_FRAME is returned). */
static inline arb_tap_status_t arb_tap_read(const arb_frame_tap_t *tap, arb_tap_reader_t *reader,
                                            arb_tap_header_t *header, void *payload,
                                            uint32_t payload_max)
{
    for (uint32_t tries = 0; tries < ARB_TAP_TRIES_MAX; tries++) {
        /* acquire: the frames before the tail are whole; pairs with frame_tap.h:arb_tap_write */
        uint64_t tail = arb_load_acquire(&tap->tail);
        if ((int64_t)(tail - reader->cursor) <= 0)
            return ARB_TAP_EMPTY;
        arb_tap_copy_out(header, tap, reader->cursor, sizeof *header);
        if (!arb_tap_intact(tap, reader->cursor)) {
            arb_tap_forward(tap, reader);
            continue; /* the header was overwritten: its length means nothing */
        }
        if (header->bytes > payload_max) {
            arb_tap_step(reader, header, false);
            return ARB_TAP_TOO_LONG;
        }
        arb_tap_copy_out(payload, tap, reader->cursor + sizeof *header, header->bytes);
        if (!arb_tap_intact(tap, reader->cursor)) {
            arb_tap_forward(tap, reader);
            continue;
        }
        arb_tap_step(reader, header, true);
        return ARB_TAP_FRAME;
    }
    return ARB_TAP_EMPTY;
}

#endif
