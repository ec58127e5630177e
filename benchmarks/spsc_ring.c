/* What does the SPSC ring cost between two cores, beside the bare cache line?
 *
 * Round trips: the calling thread sends, an echo thread on the other core answers. `bare` is one
 * cache line that each side writes in turn: the least that two cores can do. `ring` is two rings.
 * Every answer carries the number that was sent. Samples: ticks from one answer to the next.
 */
#include "copied_lines.h"
#include "spsc_ring.h"

enum { BARE = 0, RING = 1, BATCH = 64 };

typedef struct {
    ARB_SEPARATED uint64_t line; /* odd: asked, even: answered */
    ARB_SEPARATED uint64_t ready;
    ARB_SEPARATED arb_spsc_ring_t *there, *back;
    uint64_t count;
    ARB_SEPARATED uint64_t payload[ARB_RING_PAYLOAD_BYTES / 8]; /* the asker's own */
    uint64_t wrong;
    int core;
    int kind;
} court_t;

static arb_spsc_ring_t *ring_new(uint32_t capacity)
{
    arb_spsc_ring_t *ring = arb_bench_zeroed(arb_spsc_ring_bytes(capacity));
    arb_spsc_ring_init(ring, capacity);
    return ring;
}

static void *echo(void *given)
{
    court_t *court = given;
    arb_bench_pin(court->core);
    arb_store_release(&court->ready, 1);
    for (uint64_t number = 0; number < court->count; number++) {
        if (court->kind == BARE) {
            arb_bench_await(&court->line, 2 * number + 1);
            arb_store_release(&court->line, 2 * number + 2);
        } else {
            const void *payload;
            while ((payload = arb_spsc_peek(court->there)) == NULL)
                arb_cpu_relax();
            arb_spsc_try_push(court->back, payload);
            arb_spsc_advance(court->there);
        }
    }
    return NULL;
}

static void ask_once(court_t *court, uint64_t number)
{
    if (court->kind == BARE) {
        arb_store_release(&court->line, 2 * number + 1);
        arb_bench_await(&court->line, 2 * number + 2);
    } else {
        const uint64_t *answer;
        court->payload[0] = court->payload[6] = number;
        arb_spsc_try_push(court->there, court->payload);
        while ((answer = arb_spsc_peek(court->back)) == NULL)
            arb_cpu_relax();
        court->wrong += (answer[0] != number) | (answer[6] != number);
        arb_spsc_advance(court->back);
    }
}

/* ns of `count` round trips, the reading of the counter subtracted; returns wrong answers. */
ARB_BENCH_API uint64_t round_trips(int kind, int core, uint32_t capacity, uint64_t count,
                                   double *samples)
{
    pthread_t thread;
    court_t *court = arb_bench_zeroed(sizeof *court);
    court->there = ring_new(capacity);
    court->back = ring_new(capacity);
    court->count = count;
    court->core = core;
    court->kind = kind;
    double ns_per_tick = arb_bench_ns_per_tick();
    uint64_t cost = arb_bench_cost() / 2; /* one reading a round trip */
    pthread_create(&thread, NULL, echo, court);
    arb_bench_await(&court->ready, 1);
    uint64_t last = arb_bench_tick();
    for (uint64_t number = 0; number < count; number++) {
        ask_once(court, number);
        uint64_t now = arb_bench_tick();
        samples[number] = (double)(now - last > cost ? now - last - cost : 0) * ns_per_tick;
        last = now;
    }
    pthread_join(thread, NULL);
    uint64_t wrong = court->wrong;
    free(court->there);
    free(court->back);
    free(court);
    return wrong;
}

/* ---- throughput ------------------------------------------------------------------------------ */

typedef struct {
    arb_spsc_ring_t *ring;
    uint64_t batches;
    uint64_t ready;
    int core;
} stream_t;

typedef struct {
    uint64_t words[ARB_RING_PAYLOAD_BYTES / 8];
} payload_t;

static void *produce(void *given)
{
    stream_t *stream = given;
    payload_t payloads[BATCH];
    memset(payloads, 0, sizeof payloads);
    arb_bench_pin(stream->core);
    arb_store_release(&stream->ready, 1);
    uint64_t number = 0;
    for (uint64_t batch = 0; batch < stream->batches; batch++) {
        for (uint32_t index = 0; index < BATCH; index++)
            payloads[index].words[0] = payloads[index].words[6] = number++;
        uint32_t sent = 0;
        while ((sent += arb_spsc_push_batch(stream->ring, payloads + sent, BATCH - sent)) < BATCH)
            arb_cpu_relax();
    }
    return NULL;
}

/* ns a record of stretches of `batches_a_sample` drained batches; returns records out of order. */
ARB_BENCH_API uint64_t throughput(int core, uint32_t capacity, uint64_t samples_count,
                                  uint64_t batches_a_sample, double *samples)
{
    pthread_t thread;
    uint64_t number = 0, wrong = 0, cost = arb_bench_cost();
    stream_t *stream = arb_bench_zeroed(sizeof *stream);
    *stream = (stream_t){ring_new(capacity), samples_count * batches_a_sample, 0, core};
    payload_t payloads[BATCH];
    arb_bench_ns_per_tick();
    pthread_create(&thread, NULL, produce, stream);
    arb_bench_await(&stream->ready, 1);
    for (uint64_t sample = 0; sample < samples_count; sample++) {
        uint64_t begin = arb_bench_tick();
        uint64_t end = number + batches_a_sample * BATCH;
        while (number < end) {
            uint32_t wanted = end - number < BATCH ? (uint32_t)(end - number) : BATCH;
            uint32_t taken = arb_spsc_drain(stream->ring, payloads, wanted);
            for (uint32_t index = 0; index < taken; index++, number++) {
                const uint64_t *words = payloads[index].words;
                wrong += (words[0] != number) | (words[6] != number);
            }
            if (taken == 0)
                arb_cpu_relax();
        }
        double records = (double)(batches_a_sample * BATCH);
        samples[sample] = arb_bench_each(begin, arb_bench_tick(), cost, records);
    }
    pthread_join(thread, NULL);
    free(stream->ring);
    free(stream);
    return wrong;
}

/* ns a record of as many lines moved by bulk copies, the floor of throughput; a sample a pile. */
ARB_BENCH_API void bare_stream(int core, uint32_t capacity, uint64_t samples_count, double *samples)
{
    arb_bench_copied(&core, 1, capacity * sizeof(arb_ring_slot_t), sizeof(arb_ring_slot_t),
                     samples_count, samples);
}
