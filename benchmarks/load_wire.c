/* Load generator: pre-encoded WebSocket frames of both venues, sent on an absolute schedule.
 *
 *   pool of frames, each with room for its sequence number and its times
 *        -> numbers written in place -> stamped -> send()
 *
 * A server's frames are not masked (RFC 6455, 5.1), so what is sent is what lies in the pool. The
 * schedule never waits for the receiver: a frame is due at begin + place * period whatever became
 * of the ones before, and the stamp is taken when it is handed to the kernel. What could not be
 * handed over at once is counted.
 *
 * Order sockets are relayed beside it, byte for byte: a venue behind them answers, and the time at
 * which each piece of the client's arrived here is logged.
 *
 * Threads: one. Sockets are non-blocking; the thread spins.
 */
#include "bench.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>

enum {
    RELAY_BYTES = 65536,
    RELAYS_MAX = 16,
    SLOW_TURN = 32, /* of so many looks at the clients one is at the venues, too */
    HOLD_NS = 60000,
    LOOK_NS = 1500 /* a look at the order sockets is over by then */
};

typedef struct {
    uint64_t offset; /* of the frame, its WebSocket header first, in the pool */
    uint32_t bytes;
    uint16_t seq_at; /* offsets within the frame; 0: none */
    uint16_t seq_digits;
    uint16_t ts_at; /* 13 digits of milliseconds */
    uint16_t other_ts_at;
} load_frame_t;

typedef struct {
    int32_t fd;
    uint32_t count; /* frames of the pool, sent in turn from `next` */
    uint64_t next;
    uint64_t seq;   /* last number written */
    uint64_t sent;
    uint64_t late;  /* frames or batches that the socket did not take at once */
    int64_t late_max_ns; /* how far behind its schedule one was handed over */
    char *pool;
    const load_frame_t *frames;
    int64_t *stamps; /* CLOCK_MONOTONIC of the n-th frame of a paced run; NULL: not kept */
} load_line_t;

typedef struct {
    int32_t client;
    int32_t venue; /* -1: nobody behind: what comes is logged, and answered from here */
    uint32_t client_gone, venue_gone;
    uint32_t has_orders; /* looked at all the time; others as often as the venues */
    uint32_t answer_bytes, answers_left;
    const char *answers; /* of that many bytes each, used in turn */
} load_relay_t;

typedef struct {
    int64_t stamp_ns;
    uint32_t relay;
    uint32_t bytes;
} load_arrival_t;

typedef struct {
    load_relay_t *relays;
    uint32_t relay_count;
    uint32_t arrival_capacity;
    load_arrival_t *arrivals;
    uint64_t arrival_count; /* those beyond the capacity are counted, not kept */
    uint64_t turns;
} load_relays_t;

static inline void digits(char *out, uint64_t value, uint32_t count)
{
    while (count-- > 0) {
        uint64_t rest = value / 10;
        out[count] = (char)('0' + (value - rest * 10));
        value = rest;
    }
}

/* The last digits of most numbers change alone. */
static inline void next_number(char *text, uint32_t count)
{
    while (count-- > 0) {
        if (text[count] != '9') {
            text[count]++;
            return;
        }
        text[count] = '0';
    }
}

typedef struct {
    int64_t wall_minus_mono_ns;
    int64_t until_mono_ns; /* the text holds until then */
    char text[13];
} wall_text_t;

static inline void wall_begin(wall_text_t *wall)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *wall = (wall_text_t){(int64_t)now.tv_sec * 1000000000 + now.tv_nsec - arb_mono_ns(), 0, {0}};
}

static inline void wall_look(wall_text_t *wall, int64_t now_mono_ns)
{
    if (ARB_LIKELY(now_mono_ns < wall->until_mono_ns))
        return;
    int64_t wall_ms = (now_mono_ns + wall->wall_minus_mono_ns) / 1000000;
    digits(wall->text, (uint64_t)wall_ms, 13);
    wall->until_mono_ns = (wall_ms + 1) * 1000000 - wall->wall_minus_mono_ns;
}

/* Write a frame's numbers; seq_text holds the line's number, 20 digits. */
static inline void fill(char *frame, const load_frame_t *at, const char *seq_text,
                        const wall_text_t *wall)
{
    if (at->seq_at != 0)
        memcpy(frame + at->seq_at, seq_text + 20 - at->seq_digits, at->seq_digits);
    if (at->ts_at != 0)
        memcpy(frame + at->ts_at, wall->text, 13);
    if (at->other_ts_at != 0)
        memcpy(frame + at->other_ts_at, wall->text, 13);
}

/* ---- relayed order sockets ------------------------------------------------------------------- */

static bool send_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            data += sent;
            bytes -= (size_t)sent;
        } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* What came from the client waits here a little: to hand it on takes as long as what is timed. */
typedef struct {
    int64_t since_ns;
    size_t bytes;
    char data[RELAY_BYTES];
} held_t;
static held_t held[RELAYS_MAX];

static void hand_on(load_relay_t *relay, held_t *kept)
{
    static char data[RELAY_BYTES];
    if (relay->venue < 0 && kept->bytes > 0 && relay->answers_left > 0) {
        send_all(relay->client, relay->answers, relay->answer_bytes);
        relay->answers += relay->answer_bytes;
        relay->answers_left--;
    }
    if (relay->venue < 0 || relay->venue_gone)
        kept->bytes = 0;
    if (kept->bytes > 0) {
        if (!send_all(relay->venue, kept->data, kept->bytes))
            relay->venue_gone = 1;
        kept->bytes = 0;
    }
    if (relay->venue < 0 || relay->venue_gone)
        return;
    ssize_t came = recv(relay->venue, data, sizeof data, MSG_DONTWAIT);
    if (came == 0 || (came > 0 && !send_all(relay->client, data, (size_t)came)))
        relay->venue_gone = 1;
}

static void look_at_relays(load_relays_t *all)
{
    bool is_slow_turn = ++all->turns % SLOW_TURN == 0;
    for (uint32_t index = 0; index < all->relay_count; index++) {
        load_relay_t *relay = &all->relays[index];
        held_t *kept = &held[index];
        if (!relay->has_orders && !is_slow_turn)
            continue;
        ssize_t came = relay->client_gone ? -1
                                          : recv(relay->client, kept->data + kept->bytes,
                                                 RELAY_BYTES - kept->bytes, MSG_DONTWAIT);
        if (came > 0) {
            int64_t now_ns = arb_mono_ns();
            if (all->arrival_count < all->arrival_capacity)
                all->arrivals[all->arrival_count] =
                    (load_arrival_t){now_ns, index, (uint32_t)came};
            all->arrival_count++;
            if (kept->bytes == 0)
                kept->since_ns = now_ns;
            kept->bytes += (size_t)came;
        } else if (came == 0 && kept->bytes < RELAY_BYTES) {
            relay->client_gone = 1;
        }
        if (is_slow_turn && (kept->bytes == 0 || arb_mono_ns() - kept->since_ns > HOLD_NS))
            hand_on(relay, kept);
    }
}

/* ---- paced ----------------------------------------------------------------------------------- */

static bool send_paced(load_line_t *line, const load_frame_t *frame, const char *data)
{
    size_t left = frame->bytes;
    bool was_late = false;
    while (left > 0) {
        ssize_t sent = send(line->fd, data, left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            data += sent;
            left -= (size_t)sent;
        } else if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return false;
        }
        was_late |= left > 0;
    }
    line->late += was_late;
    return true;
}

/* Send `frames` frames on each line, one every period_ns, the lines in turn between. Order sockets
 * are looked at while nothing is due. Returns frames sent on all lines, -1: a socket was gone. */
ARB_BENCH_API int64_t load_paced(load_line_t *lines, uint32_t line_count, int64_t period_ns,
                                 uint64_t frames, load_relays_t *relays)
{
    wall_text_t wall;
    char seq[8][20];
    wall_begin(&wall);
    for (uint32_t index = 0; index < line_count; index++)
        digits(seq[index], lines[index].seq, 20);
    int64_t begin_ns = arb_mono_ns() + 1000000;
    for (uint64_t place = 0; place < frames * line_count; place++) {
        uint32_t index = (uint32_t)(place % line_count);
        load_line_t *line = &lines[index];
        const load_frame_t *frame = &line->frames[line->next % line->count];
        char *data = line->pool + frame->offset;
        int64_t due_ns = begin_ns + (int64_t)place * period_ns / line_count, now_ns;
        next_number(seq[index], 20);
        while ((now_ns = arb_mono_ns()) < due_ns - 20000)
            if (relays != NULL)
                look_at_relays(relays);
        wall_look(&wall, now_ns);
        fill(data, frame, seq[index], &wall);
        while ((now_ns = arb_mono_ns()) < due_ns)
            if (relays != NULL && due_ns - now_ns > LOOK_NS)
                look_at_relays(relays);
        if (now_ns - due_ns > line->late_max_ns)
            line->late_max_ns = now_ns - due_ns;
        if (line->stamps != NULL)
            line->stamps[place / line_count] = now_ns;
        if (!send_paced(line, frame, data))
            return -1;
        line->next++;
        line->seq++;
        line->sent++;
    }
    for (int64_t end_ns = arb_mono_ns() + 2000000; relays != NULL && arb_mono_ns() < end_ns;)
        look_at_relays(relays);
    for (uint32_t index = 0; relays != NULL && index < relays->relay_count; index++)
        hand_on(&relays->relays[index], &held[index]);
    return (int64_t)(frames * line_count);
}

/* ---- batched --------------------------------------------------------------------------------- */

typedef struct {
    char *data;
    size_t bytes, done;
    uint32_t frames;
} batch_t;

static void build_batch(load_line_t *line, batch_t *batch, uint32_t size, char *seq,
                        const wall_text_t *wall)
{
    batch->bytes = batch->done = 0;
    for (batch->frames = 0; batch->frames < size; batch->frames++) {
        const load_frame_t *frame = &line->frames[line->next % line->count];
        char *data = batch->data + batch->bytes;
        memcpy(data, line->pool + frame->offset, frame->bytes);
        next_number(seq, 20);
        fill(data, frame, seq, wall);
        batch->bytes += frame->bytes;
        line->next++;
    }
}

/* Send batches of `size` frames for so long; rate: frames a second and line, 0: as many as the
 * sockets take. Every batch that was begun is sent whole. Returns frames sent, -1: a socket was
 * gone. */
ARB_BENCH_API int64_t load_batched(load_line_t *lines, uint32_t line_count, uint32_t size,
                                   double rate, int64_t for_ns, uint32_t frame_bytes_max)
{
    wall_text_t wall;
    char seq[8][20];
    batch_t batches[8] = {{0}};
    int64_t total = 0, begin_ns = arb_mono_ns(), now_ns;
    uint64_t begun[8] = {0};
    bool gone = false, under_way = true;
    wall_begin(&wall);
    for (uint32_t index = 0; index < line_count; index++) {
        batches[index].data = arb_bench_zeroed((size_t)size * frame_bytes_max);
        digits(seq[index], lines[index].seq, 20);
    }
    while (!gone && under_way) {
        now_ns = arb_mono_ns();
        wall_look(&wall, now_ns);
        under_way = now_ns - begin_ns < for_ns;
        for (uint32_t index = 0; index < line_count && !gone; index++) {
            load_line_t *line = &lines[index];
            batch_t *batch = &batches[index];
            if (batch->done == batch->bytes) {
                int64_t due_ns = rate > 0.0 ? (int64_t)((double)begun[index] * 1e9 / rate) : 0;
                if (now_ns - begin_ns >= for_ns || now_ns - begin_ns < due_ns)
                    continue;
                if (rate > 0.0 && now_ns - begin_ns - due_ns > line->late_max_ns)
                    line->late_max_ns = now_ns - begin_ns - due_ns;
                build_batch(line, batch, size, seq[index], &wall);
                begun[index] += size;
            }
            ssize_t sent = send(line->fd, batch->data + batch->done, batch->bytes - batch->done,
                                MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent > 0)
                batch->done += (size_t)sent;
            else if (errno != EAGAIN && errno != EINTR)
                gone = true;
            if (batch->done < batch->bytes) {
                line->late++;
                under_way = true;
            } else {
                line->sent += batch->frames;
                line->seq += batch->frames;
                total += batch->frames;
            }
        }
    }
    for (uint32_t index = 0; index < line_count; index++)
        free(batches[index].data);
    return gone ? -1 : total;
}

ARB_BENCH_API int64_t load_mono_ns(void) { return arb_mono_ns(); }
