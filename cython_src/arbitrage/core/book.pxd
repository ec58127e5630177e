"""C API of the order book: cimport the functions, they are inlined from the headers."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from arbitrage.core.memory cimport AlignedMemory
from arbitrage.core.records cimport arb_frame_status_t

cdef extern from "depth_update.h" nogil:
    cdef enum:
        ARB_DEPTH_BID
        ARB_DEPTH_ASK
        ARB_DEPTH_SIDES
        ARB_DEPTH_LEVELS_MAX

    ctypedef enum arb_depth_channel_t:
        ARB_DEPTH_BYBIT_50
        ARB_DEPTH_OKX_BOOKS
        ARB_DEPTH_OKX_BOOKS5

    ctypedef struct arb_level_t:
        double px
        double qty

    ctypedef struct arb_depth_t:    # scratch of one thread; 32 KiB, do not put it on a stack
        const char *symbol          # in the frame
        int64_t exch_wall_ns
        int64_t seq
        int64_t update_id
        int64_t prev_update_id
        int64_t checksum
        uint16_t symbol_bytes
        uint8_t kind
        uint8_t channel
        uint32_t count[2]
        arb_level_t levels[2][1024]

cdef extern from "book.h" nogil:
    cdef enum:
        ARB_BOOK_CAPACITY_MAX
        ARB_BOOK_BYBIT_50
        ARB_BOOK_OKX_400
        ARB_BOOK_OKX_5

    ctypedef enum arb_book_result_t:
        ARB_BOOK_APPLIED
        ARB_BOOK_SNAPSHOT
        ARB_BOOK_KEEPALIVE
        ARB_BOOK_OLDER
        ARB_BOOK_GAP
        ARB_BOOK_WAITING
        ARB_BOOK_CONTROL
        ARB_BOOK_OTHER_TOPIC
        ARB_BOOK_OTHER_SYMBOL
        ARB_BOOK_REFUSED

    ctypedef struct arb_book_t:     # followed by its levels
        int64_t exch_wall_ns
        int64_t seq
        int64_t update_id
        uint32_t capacity
        uint32_t count[2]
        uint32_t held

    uint64_t arb_book_bytes(uint32_t capacity)
    void arb_book_init(arb_book_t *book, uint32_t capacity)
    void arb_book_clear(arb_book_t *book)
    const arb_level_t *arb_book_top(
        const arb_book_t *book, uint32_t side, uint32_t wanted, uint32_t *found)
    arb_level_t arb_book_best(const arb_book_t *book, uint32_t side)
    bint arb_book_crossed(const arb_book_t *book)
    void arb_book_set(arb_book_t *book, uint32_t side, double px, double qty)

cdef extern from "bybit_depth.h" nogil:
    arb_frame_status_t arb_bybit_parse_depth(
        const char *frame, size_t length, arb_depth_t *out)
    arb_frame_status_t arb_bybit_scan_depth(
        const char *frame, size_t length, arb_depth_t *out, size_t *offset)
    arb_book_result_t arb_bybit_book_apply(arb_book_t *book, const arb_depth_t *depth)

cdef extern from "okx_depth.h" nogil:
    arb_frame_status_t arb_okx_parse_depth(const char *frame, size_t length, arb_depth_t *out)
    arb_frame_status_t arb_okx_scan_depth(
        const char *frame, size_t length, bint legacy, arb_depth_t *out, size_t *offset)
    arb_book_result_t arb_okx_book_apply(arb_book_t *book, const arb_depth_t *depth)

cdef extern from "okx_checksum.h" nogil:
    arb_book_result_t arb_okx_book_apply_legacy(arb_book_t *book, const arb_depth_t *depth)
    int32_t arb_okx_checksum(const arb_book_t *book)


cdef class Book:
    cdef AlignedMemory memory
    cdef arb_book_t *book       # NULL only before __init__
    cdef arb_depth_t *depth     # what the last frame said
    cdef char name[28]          # the venue's symbol
    cdef size_t name_bytes      # 0: it is taken from the first snapshot
    cdef int channel_id         # arb_depth_channel_t
    cdef bint legacy
    cdef int parse(self, const char *frame, size_t length, size_t *offset) noexcept nogil
    cdef int take(self, const char *frame, size_t length) noexcept nogil
    cdef object held(self)
    cdef object levels(self, uint32_t side, object wanted)
