/* A lane under stress: one feed thread, one detector that is often too slow; ring of 4, 24 rows.
 *
 *   observed by the detector               outcome     why
 *   -------------------------------------- ----------- ----------------------------------------
 *   ring ticks in the order of pushes      ACCEPTABLE  it is an SPSC ring
 *   a cell's newest tick alone             ACCEPTABLE  backpressure keeps the newest
 *   overflow tick older than a ring tick   ACCEPTABLE  discarded by recv_mono_ns
 *   last tick of a cell never seen         FORBIDDEN   the newest was lost
 *   seen + overwritten != pushed           FORBIDDEN   the count of drops is not exact
 *   words of two ticks in one              FORBIDDEN   a torn cell passed the second look
 *   a cell's ticks going back in time      FORBIDDEN   a stale cell was taken twice
 */
#include "harness.h"

#include "market_pipeline.h"

enum { ROWS = 24, KINDS = 3, TAKE_MAX = 6 };
static arb_lane_t *lane;
static uint64_t ready_flag, done_flag, last_pushed[ROWS][KINDS];
static int64_t last_seen[ROWS][KINDS], last_cell[ROWS][KINDS];

static arb_tick_t make(uint64_t index, uint32_t row, uint32_t kind)
{
    arb_tick_t tick = {.recv_mono_ns = (int64_t)index,
                       .seq_row_kind = arb_tick_pack((int64_t)index, row, kind)};
    tick.bid_px = tick.ask_px = tick.bid_qty = tick.ask_qty = (double)index;
    tick.exch_wall_ms = tick.aux_u32 = (uint32_t)index;
    return tick;
}

static void see(const arb_tick_t *tick)
{
    arb_tick_t whole = make((uint64_t)tick->recv_mono_ns, arb_tick_row(tick), arb_tick_kind(tick));
    if (memcmp(tick, &whole, sizeof whole) != 0 || arb_tick_row(tick) >= ROWS)
        forbid("torn tick %lld", (long long)tick->recv_mono_ns);
    int64_t *seen = &last_seen[arb_tick_row(tick)][arb_tick_kind(tick)];
    if (tick->recv_mono_ns > *seen)
        *seen = tick->recv_mono_ns;
}

static uint64_t take_all(void)
{
    arb_tick_t out[TAKE_MAX];
    uint64_t taken = 0, overwritten;
    for (uint32_t count = TAKE_MAX; count > TAKE_MAX - ARB_LANE_KINDS; taken += count) {
        count = arb_lane_take_overflow(lane, out, TAKE_MAX, &overwritten);
        for (uint32_t index = 0; index < count; index++) {
            int64_t *before = &last_cell[arb_tick_row(out + index)][arb_tick_kind(out + index)];
            see(out + index);
            if (out[index].recv_mono_ns <= *before)
                forbid("a cell went back from %lld to %lld", (long long)*before,
                       (long long)out[index].recv_mono_ns);
            *before = out[index].recv_mono_ns;
        }
    }
    return taken;
}

static void *detect(void *argument)
{
    uint64_t random = harness_stream(5), seen = 0;
    int64_t ring_last = 0;
    uint32_t spins = 0;
    arb_store_release(&ready_flag, 1);
    for (;;) {
        bool finished = arb_load_acquire(&done_flag) != 0;
        uint64_t before = seen;
        for (const arb_tick_t *tick; (tick = arb_lane_peek(lane)) != NULL; seen++) {
            see(tick);
            if (tick->recv_mono_ns <= ring_last)
                forbid("the ring went back from %lld", (long long)ring_last);
            ring_last = tick->recv_mono_ns;
            arb_lane_advance(lane);
            harness_disturb(&random);
        }
        if (arb_lane_overflow_pending(lane))
            seen += take_all();
        if (finished && seen == before && !arb_lane_overflow_pending(lane))
            break;
        harness_idle(&spins);
    }
    *(uint64_t *)argument = seen;
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t random, seen = 0, overflowed = 0;
    harness_arguments(argc, argv);
    random = harness_stream(6);
    lane = harness_block(arb_lane_bytes(4, ROWS));
    arb_lane_init(lane, 4, ROWS);
    pthread_t detector = harness_thread(detect, &seen);
    for (uint32_t spins = 0; arb_load_acquire(&ready_flag) == 0;)
        harness_idle(&spins);
    for (uint64_t index = 1; index <= harness_operations; index++) {
        /* often the same cell, so that it is written while it is taken */
        uint32_t row = (uint32_t)(harness_random(&random) >> 33) % (2 * ROWS);
        row = row < ROWS ? row : 0;
        uint32_t kind = (uint32_t)(harness_random(&random) >> 33) % KINDS;
        arb_tick_t tick = make(index, row, kind);
        overflowed += !arb_lane_push(lane, &tick);
        last_pushed[row][kind] = index;
        harness_disturb(&random);
        /* now and then let the detector catch up, or all happens while it is off its core */
        if (harness_random(&random) >> 57 == 0)
            for (uint32_t spins = 0; spins < 2000 && arb_spsc_depth(arb_lane_ring(lane)) == 4;)
                harness_idle(&spins);
    }
    arb_store_release(&done_flag, 1);
    pthread_join(detector, NULL);
    for (uint32_t row = 0; row < ROWS; row++)
        for (uint32_t kind = 0; kind < KINDS; kind++)
            if (last_seen[row][kind] != (int64_t)last_pushed[row][kind])
                forbid("row %u kind %u: newest was %llu, seen %lld", row, kind,
                       (unsigned long long)last_pushed[row][kind], (long long)last_seen[row][kind]);
    if (seen + lane->overwritten != harness_operations || lane->overflowed != overflowed)
        forbid("%llu seen + %llu overwritten of %llu", (unsigned long long)seen,
               (unsigned long long)lane->overwritten, (unsigned long long)harness_operations);
    printf("%llu operations, %llu overflowed, %llu overwritten\n",
           (unsigned long long)harness_operations, (unsigned long long)overflowed,
           (unsigned long long)lane->overwritten);
    free(lane);
    return 0;
}
