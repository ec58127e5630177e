from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "market_store.h" nogil:
    ctypedef struct arb_tick_t:
        double bid_px  # venue quotation, NaN: none
        double ask_px
        double bid_qty  # venue units
        double ask_qty
        int64_t recv_mono_ns
        uint64_t seq_row_kind  # see arb_tick_pack
        uint32_t exch_wall_ms  # modulo 2^32
        uint32_t aux_u32  # QUOTE: parse end - recv, ns; STATE: the new state

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

    int ARB_VENUES_MAX
    int ARB_SYMBOLS_MAX
    int ARB_STORE_COLUMN_COUNT
    int ARB_TICK_QUOTE
    int ARB_TICK_STATE
    int ARB_TICK_FUNDING
    int ARB_ROW_EMPTY
    int ARB_ROW_LIVE

    uint64_t arb_tick_pack(int64_t seq, uint32_t row, uint32_t kind) noexcept
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
    # any thread or process; 0: the writer kept writing for tries_max tries
    bint arb_store_read_row(const arb_market_store_t *store, uint32_t row, arb_row_view_t *view,
                            uint32_t tries_max) noexcept


cdef class MarketStore:
    cdef arb_market_store_t *ptr
    cdef object owner  # what keeps ptr's memory; None: this object owns it
    cdef readonly bint read_only
    cdef int row_index(self, object venue, int symbol_index) except -1


# Borrow a store that lies in somebody else's memory, e.g. a segment; owner keeps that memory alive.
cdef MarketStore MarketStore_wrap(arb_market_store_t *ptr, object owner, bint read_only)
