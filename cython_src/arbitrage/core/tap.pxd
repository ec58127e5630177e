"""The frame tap's C functions and its owner. See frame_tap.h."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from arbitrage.core.memory cimport arb_claim_t

cdef extern from "frame_tap.h" nogil:
    ctypedef struct arb_tap_header_t:
        int64_t recv_mono_ns   # when the frame reached the callback
        uint64_t frame_index   # frames written before this one
        uint64_t bytes_before  # payload bytes written before this frame
        uint32_t bytes         # of this frame
        uint16_t venue
        uint16_t connection
    ctypedef struct arb_frame_tap_t:
        uint64_t capacity      # bytes, power of two
        arb_claim_t producer_claim
        uint64_t frames        # written
        uint64_t bytes         # their payload
        uint64_t refused       # too long for the tap
    ctypedef struct arb_tap_reader_t:
        uint64_t frame_index   # of the next frame expected
        uint64_t bytes_before  # of the next frame expected
        uint64_t lost_frames
        uint64_t lost_bytes
    ctypedef enum arb_tap_status_t:
        ARB_TAP_EMPTY
        ARB_TAP_FRAME
        ARB_TAP_TOO_LONG
    enum:
        ARB_TAP_BYTES_MIN
        ARB_TAP_BYTES_MAX
        ARB_TAP_ASIDE

    uint64_t arb_frame_tap_bytes(uint64_t capacity) noexcept
    void arb_frame_tap_init(arb_frame_tap_t *tap, uint64_t capacity) noexcept
    bint arb_tap_enabled(const arb_frame_tap_t *tap) noexcept
    void arb_tap_enable(arb_frame_tap_t *tap, bint enabled) noexcept
    bint arb_tap_write(
        arb_frame_tap_t *tap, int64_t recv_mono_ns, uint16_t venue, uint16_t connection,
        const void *frame, uint32_t bytes) noexcept
    void arb_tap_reader_init(const arb_frame_tap_t *tap, arb_tap_reader_t *reader) noexcept
    void arb_tap_reader_init_first(const arb_frame_tap_t *tap, arb_tap_reader_t *reader) noexcept
    arb_tap_status_t arb_tap_read(
        const arb_frame_tap_t *tap, arb_tap_reader_t *reader, arb_tap_header_t *header,
        void *payload, uint32_t payload_max) noexcept


cdef class FrameTap:
    cdef arb_frame_tap_t *ptr
    cdef object owner         # keeps the memory behind ptr alive
    cdef bint writable
    cdef uint64_t word        # what we wrote into the claim, 0: not claimed
    cdef int require_writable(self) except -1


# A tap in a segment: ptr stays valid while owner lives; writable is False on a read-only mapping.
cdef FrameTap FrameTap_wrap(arb_frame_tap_t *ptr, object owner, bint writable=*)
