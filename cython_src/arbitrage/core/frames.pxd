"""C API of the frame parsers: cimport the functions, they are inlined from the headers."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

cdef extern from "records.h" nogil:
    ctypedef enum arb_frame_status_t:
        ARB_FRAME_QUOTE
        ARB_FRAME_CONTROL
        ARB_FRAME_OTHER_TOPIC
        ARB_FRAME_UNKNOWN_SYMBOL
        ARB_FRAME_MALFORMED
        ARB_FRAME_TRUNCATED
        ARB_FRAME_BAD_JSON
        ARB_FRAME_MISSING_FIELD
        ARB_FRAME_DUPLICATE_FIELD
        ARB_FRAME_BAD_NUMBER
        ARB_FRAME_BAD_TYPE
        ARB_FRAME_SYMBOL_MISMATCH
        ARB_FRAME_CROSSED
        ARB_FRAME_TOO_LONG
        ARB_FRAME_STATUS_COUNT

    enum:
        ARB_VENUE_BYBIT
        ARB_VENUE_OKX
        ARB_VENUE_COUNT
        ARB_QUOTE_SNAPSHOT
        ARB_QUOTE_DELTA

    ctypedef struct arb_quote_t:
        double bid_px           # venue quotation, NaN: none (in a delta: no new level)
        double ask_px
        double bid_qty          # venue units
        double ask_qty
        int64_t exch_wall_ns    # venue time, UTC
        int64_t seq             # cross sequence, 48 bits
        int64_t update_id       # Bybit u, OKX: seq
        const char *symbol      # inside the frame: valid only as long as the frame is
        uint16_t symbol_bytes
        uint8_t kind            # ARB_QUOTE_SNAPSHOT or ARB_QUOTE_DELTA
        uint8_t venue
        uint8_t bid_gone_count  # deletions of a delta, see records.h
        uint8_t ask_gone_count

    ctypedef struct arb_tick_t:
        pass

cdef extern from "decimal.h" nogil:
    bint arb_decimal_parse(const char *text, size_t length, double *out)

cdef extern from "bybit_frames.h" nogil:
    # quote is untouched unless the status is ARB_FRAME_QUOTE; reads frame[0..length) only
    arb_frame_status_t arb_bybit_parse_l1(const char *frame, size_t length, arb_quote_t *out)
    arb_frame_status_t arb_bybit_scan_l1(
        const char *frame, size_t length, arb_quote_t *out, size_t *offset)

cdef extern from "okx_frames.h" nogil:
    arb_frame_status_t arb_okx_parse_bbo(const char *frame, size_t length, arb_quote_t *out)
    arb_frame_status_t arb_okx_scan_bbo(
        const char *frame, size_t length, arb_quote_t *out, size_t *offset)

cdef extern from "top_of_book.h" nogil:
    ctypedef enum arb_top_result_t:
        ARB_TOP_IGNORED
        ARB_TOP_APPLIED
        ARB_TOP_REPEAT
        ARB_TOP_OLDER
        ARB_TOP_GAP

    ctypedef struct arb_top_t:      # zeroed memory is an empty top
        double bid_px
        double ask_px
        double bid_qty
        double ask_qty
        int64_t exch_wall_ns
        int64_t seq
        int64_t update_id

    void arb_top_reset(arb_top_t *top)
    arb_top_result_t arb_top_update(arb_top_t *top, const arb_quote_t *quote)
    bint arb_top_ticks(arb_top_result_t result)
    void arb_top_fill_tick(const arb_top_t *top, uint32_t row, arb_tick_t *tick)
    bint arb_top_apply(arb_top_t *top, const arb_quote_t *quote, arb_tick_t *tick)
