from libc.stdint cimport int64_t, uint32_t, uint64_t

from arbitrage.core.book cimport arb_level_t
from arbitrage.core.records cimport arb_tick_t

cdef extern from "ladder.h" nogil:
    enum:
        ARB_LADDER_LEVELS

    ctypedef struct arb_ladder_view_t:
        int64_t seq
        int64_t exch_wall_ns
        int64_t recv_mono_ns
        uint32_t count[2]
        arb_level_t levels[2][10]

    ctypedef struct arb_ladder_t:
        uint64_t version

    void arb_ladder_write(arb_ladder_t *ladder, const arb_ladder_view_t *view) noexcept


cdef extern from "market_store.h" nogil:
    ctypedef struct arb_market_store_t:
        uint32_t venue_count
        uint32_t symbol_capacity
        uint32_t row_count
        uint32_t column_bytes  # distance between columns

    ctypedef struct arb_row_view_t:
        double bid_px
        double ask_px
        double bid_qty
        double ask_qty
        int64_t recv_mono_ns
        int64_t exch_wall_ns
        int64_t seq
        uint64_t state
        uint64_t update_count
        double funding_rate
        double funding_interval_h
        int64_t funding_next_ns

    int ARB_STORE_COLUMN_COUNT

    size_t arb_store_bytes(uint32_t venue_count, uint32_t symbol_capacity) noexcept
    void arb_store_init(arb_market_store_t *store, uint32_t venue_count,
                        uint32_t symbol_capacity) noexcept  # zeroed, 128-byte aligned memory
    void *arb_store_column(const arb_market_store_t *store, uint32_t column_index) noexcept
    double *arb_store_px_mult(const arb_market_store_t *store) noexcept
    double *arb_store_qty_mult(const arb_market_store_t *store) noexcept
    double *arb_store_px_tick(const arb_market_store_t *store) noexcept
    double *arb_store_qty_lot(const arb_market_store_t *store) noexcept
    int64_t *arb_store_min_lots(const arb_market_store_t *store) noexcept
    int64_t *arb_store_max_lots(const arb_market_store_t *store) noexcept
    double *arb_store_min_notional(const arb_market_store_t *store) noexcept
    double *arb_store_taker_bps(const arb_market_store_t *store) noexcept
    # writer thread only, row inside the store
    void arb_store_apply_quote(arb_market_store_t *store, const arb_tick_t *tick,
                               int64_t exch_wall_ns) noexcept
    void arb_store_apply_state(arb_market_store_t *store, uint32_t row, uint32_t state) noexcept
    void arb_store_apply_funding(arb_market_store_t *store, uint32_t row, double rate,
                                 double interval_h, int64_t next_wall_ns) noexcept
    void arb_store_attach_ladders(arb_market_store_t *store, void *ladders) noexcept
    arb_ladder_t *arb_store_ladder(const arb_market_store_t *store, uint32_t row) noexcept
    bint arb_store_read_ladder(const arb_market_store_t *store, uint32_t row,
                               arb_ladder_view_t *view) noexcept
    # any thread or process; 0: the writer kept writing for tries_max tries
    bint arb_store_read_row(const arb_market_store_t *store, uint32_t row, arb_row_view_t *view,
                            uint32_t tries_max) noexcept


cdef class MarketStore:
    cdef arb_market_store_t *ptr
    cdef void *memory  # own allocation; NULL when borrowed
    cdef object owner  # keeps borrowed memory alive
    cdef readonly bint read_only
    cdef arb_market_store_t *held(self) except NULL  # ptr, once __init__ was called
    cdef int row_index(self, object venue, int symbol_index) except -1


# Borrow a store that lies in somebody else's memory, e.g. a segment; owner keeps that memory alive.
cdef MarketStore MarketStore_wrap(arb_market_store_t *ptr, object owner, bint read_only)
