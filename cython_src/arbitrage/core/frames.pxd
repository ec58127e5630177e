"""C API of the frame parsers: cimport the functions, they are inlined from the headers."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from arbitrage.core.records cimport arb_frame_status_t, arb_quote_t, arb_tick_t

cdef extern from "decimal.h" nogil:
    bint arb_decimal_parse(const char *text, size_t length, double *out)

cdef extern from "bybit_frames.h" nogil:
    # quote is untouched unless the status is ARB_FRAME_QUOTE; reads frame[0..length) only
    arb_frame_status_t arb_bybit_parse_l1(const char *frame, size_t length, arb_quote_t *out)
    arb_frame_status_t arb_bybit_parse_l1_baseline(
        const char *frame, size_t length, arb_quote_t *out)
    arb_frame_status_t arb_bybit_scan_l1(
        const char *frame, size_t length, arb_quote_t *out, size_t *offset)

cdef extern from "okx_frames.h" nogil:
    arb_frame_status_t arb_okx_parse_bbo(const char *frame, size_t length, arb_quote_t *out)
    arb_frame_status_t arb_okx_parse_bbo_baseline(
        const char *frame, size_t length, arb_quote_t *out)
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
        uint64_t held

    void arb_top_reset(arb_top_t *top)
    arb_top_result_t arb_top_update(arb_top_t *top, const arb_quote_t *quote)
    bint arb_top_ticks(arb_top_result_t result)
    void arb_top_fill_tick(const arb_top_t *top, uint32_t row, arb_tick_t *tick)
    bint arb_top_apply(arb_top_t *top, const arb_quote_t *quote, arb_tick_t *tick)
