/* Frame tap under stress: one writer, two readers, a tap of 4 KiB, frames of 0 .. 299 bytes.
 *
 *   observed by a reader                   outcome     why
 *   -------------------------------------- ----------- ----------------------------------------
 *   frame n, then n + 1                    ACCEPTABLE  it keeps up
 *   frame n, lost += k, then n + k + 1     ACCEPTABLE  it was lapped and knows by how much
 *   a frame with bytes of another one      FORBIDDEN   a torn copy passed the second look
 *   read + lost != written                 FORBIDDEN   the loss is not exact
 */
#include "harness.h"

#include "frame_tap.h"

enum { READERS = 2, FRAME_MAX = 300 };
static arb_frame_tap_t *tap;
static uint64_t done_flag;

static uint32_t frame_bytes(uint64_t index)
{
    return (uint32_t)((index * 2654435761u) >> 7) % FRAME_MAX;
}
static unsigned char frame_byte(uint64_t index, uint32_t place)
{
    return (unsigned char)(index * 31 + place);
}

static void *read_all(void *argument)
{
    uint64_t random = harness_stream((uintptr_t)argument), frames = 0, bytes = 0;
    unsigned char payload[FRAME_MAX];
    arb_tap_reader_t reader = {0};
    arb_tap_header_t header;
    uint32_t spins = 0;
    for (;;) {
        bool finished = arb_load_acquire(&done_flag) != 0;
        arb_tap_status_t status = arb_tap_read(tap, &reader, &header, payload, sizeof payload);
        if (status == ARB_TAP_TOO_LONG)
            forbid("frame of %u bytes", header.bytes);
        if (status == ARB_TAP_EMPTY) {
            if (finished)
                break;
            harness_idle(&spins);
            continue;
        }
        uint64_t index = header.frame_index;
        if (header.bytes != frame_bytes(index) || header.recv_mono_ns != (int64_t)index ||
            header.venue != (uint16_t)index || header.connection != (uint16_t)(index >> 16))
            forbid("torn header of frame %llu", (unsigned long long)index);
        for (uint32_t place = 0; place < header.bytes; place++)
            if (payload[place] != frame_byte(index, place))
                forbid("torn frame %llu", (unsigned long long)index);
        frames++;
        bytes += header.bytes;
        harness_disturb(&random);
    }
    if (frames + reader.lost_frames != tap->frames || bytes + reader.lost_bytes != tap->bytes)
        forbid("%llu read + %llu lost", (unsigned long long)frames,
               (unsigned long long)reader.lost_frames);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t readers[READERS];
    unsigned char frame[FRAME_MAX];
    harness_arguments(argc, argv);
    uint64_t random = harness_stream(7);
    tap = harness_block(arb_frame_tap_bytes(4096));
    arb_frame_tap_init(tap, 4096);
    arb_tap_enable(tap, true);
    for (uintptr_t reader = 0; reader < READERS; reader++)
        readers[reader] = harness_thread(read_all, (void *)reader);
    for (uint64_t index = 0; index < harness_operations; index++) {
        for (uint32_t place = 0; place < frame_bytes(index); place++)
            frame[place] = frame_byte(index, place);
        arb_tap_write(tap, (int64_t)index, (uint16_t)index, (uint16_t)(index >> 16), frame,
                      frame_bytes(index));
        harness_disturb(&random);
    }
    arb_store_release(&done_flag, 1);
    for (uint32_t reader = 0; reader < READERS; reader++)
        pthread_join(readers[reader], NULL);
    printf("%llu operations\n", (unsigned long long)harness_operations);
    free(tap);
    return 0;
}
